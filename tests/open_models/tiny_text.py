"""What tiny checkpoints read prompts with: one tokenizer for all, and the sizes of a tiny T5."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SENTENCES = (
    "A penguin waddles across the snow while the camera slowly pans left.",
    "A brown horse runs along the beach at sunset, the camera follows it.",
    "A rocket flies up through space past the stars.",
    "blurry, low quality, distorted, watermark, text",
    "An orange butterfly floats over a meadow on a sunny day.",
)

T5_WIDTH = 32
T5: dict[str, Any] = {
    "vocab_size": 512,
    "d_model": T5_WIDTH,
    "d_kv": 8,
    "d_ff": 37,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "pad_token_id": 0,
    "eos_token_id": 1,
}


def byte_level(template: str, **marks: str) -> PreTrainedTokenizerFast:
    """Some 400 pieces of bytes, and before them `marks`, special ones by their role, which `template` places."""
    special = list(marks.values())
    inner = Tokenizer(models.BPE(unk_token=None))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    placed = [(mark, number) for number, mark in enumerate(special) if mark in template.split()]
    inner.post_processor = processors.TemplateProcessing(single=template, special_tokens=placed)
    return PreTrainedTokenizerFast(tokenizer_object=inner, **{f"{role}_token": mark for role, mark in marks.items()})


def t5_tokenizer() -> PreTrainedTokenizerFast:
    """With the end mark that T5 puts behind every prompt."""
    return byte_level("$A </s>", pad="<pad>", eos="</s>")
