"""The memory of a clip of this family, foretold from the headers of its files and the shape of its tokens.

Parts by their headers. What is made while they compute by the tables below: numbers that are held, to a token, a patch
or a pixel and to a width, counted as they live and die in networks of the published widths whose tensors have no
memory, and held to tiny ones that compute. What was given is not opened here: a picture counts as 16:9, a clip and a
sound as long as the film. Imports no tensor library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rushes.contract.artifact import Native
from rushes.contract.media import Media
from rushes.contract.request import ResolvedRequest
from rushes.models.parts import Needs, Stage

ERROR = 0.2
"""On a CPU counted bytes are within this of the foretold (tests/open_models/test_h3_memory.py); no GPU was at hand."""

Config = Mapping[str, Any]

PIECE_CHARS = 2  # of a prompt, to a piece of it: few languages have fewer
SEEN_SIDE = 32  # pixels to a token of what the text encoder sees, each way; four patches
SEEN_FPS = 2  # frames of a clip a second, of which two are one
PATCH = 1536  # numbers of one as it is given
WIDEST = 16 / 9

# By the bytes of a number. In a block of the text encoder, and of the part that sees: to a token and its attention's
# width, to a patch and its width.
READ_ATTENDING = {4: 4.5, 2: 5.25}
SEEN_ATTENDING, SEEN_FORWARD = {4: 13.0, 2: 22.5}, {4: 7.5, 2: 10.0}
# In a step, to a token: what is made of feed-forward, attention and the end, to their widths.
FORWARD, ATTENDING, ENDING = {4: (4, 5), 2: (4, 6)}, {4: (6, 3), 2: (9, 4)}, {4: 8, 2: 12}
LATENTS = 6  # of the video, beside each other at a step's end

TILE = 256  # pixels of what is encoded and decoded at once, each way
ENCODED, ENCODED_STILL = 21.4, 28.3  # bytes to a pixel of a tile and width of the encoder
ENCODING = 27.0  # to a pixel of a clip besides
DECODED = 137_000.0  # bytes to a width of the decoder, of one tile
DECODING, GATHERED = 36.2, 14.0  # to a pixel of the film on its way to frames, and before
HEARD, SOUNDED = 20.3, 0.36  # bytes to a sample and width, encoded and decoded


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of the sequence: `video` and `audio` with what is given of both, `words` with what is seen, `patches` of that.

    `clip` are the pixels of a clip's frame and `still` those of a picture, 0 where none is given.
    """

    words: int
    patches: int
    video: int
    audio: int
    clip: int
    still: int

    @property
    def all(self) -> int:
        return self.words + self.video + self.audio


def tokens(request: ResolvedRequest, native: Native, *, picture_side: int, clip_area: int) -> Tokens:
    """`picture_side` is the short side of an example, `clip_area` are the pixels of a clip's frame."""
    media, film = request.media, native.width * native.height
    places = 2 + 5 * (native.num_frames - 5) // 17
    sounds = 2 * round(native.num_frames / native.fps * 40)
    still = film if media.frame_images else 0
    if media.reference_images:
        still = int(picture_side**2 * WIDEST)
    stills = len(media.frame_images) + len(media.reference_images)
    clips, pairs = len(media.reference_videos), math.ceil(native.num_frames / native.fps * SEEN_FPS / 2)
    seen = (stills * still + clips * pairs * clip_area) // SEEN_SIDE**2
    return Tokens(
        words=len(request.prompt) // PIECE_CHARS + seen,
        patches=4 * seen,
        video=(places * film + stills * still + clips * places * clip_area) // SEEN_SIDE**2,
        audio=sounds * (1 + clips + len(media.audio_inputs)),
        clip=clip_area if clips else 0,
        still=still,
    )


def needs(
    request: ResolvedRequest,
    native: Native,
    counted: Tokens,
    configs: Mapping[str, Config],
    keys: Mapping[str, str],
    sizes: Mapping[str, int],
    *,
    number_bytes: int,
) -> Needs:
    """What a clip needs. `configs`, `keys` and `sizes` of the parts by name; a clip works with one transformer."""
    media = request.media
    working = "transformer_ref" if examples(media) else "transformer"

    def stage(name: str, part: str, made: float) -> Stage:
        return Stage(name, {keys[part]: sizes[part]}, int(made))

    stages = [
        stage("words", "text_encoder", words_bytes(configs["text_encoder"], counted, number_bytes)),
        stage("steps", working, step_bytes(configs[working], counted, number_bytes)),
        stage("decoding", "vae", decoding_bytes(configs["vae"], native)),
    ]
    heard_s = native.num_frames / native.fps
    if counted.still or counted.clip:
        stages.append(stage("pictures", "vae", encoding_bytes(configs["vae"], counted, native)))
    if media.reference_videos or media.audio_inputs:
        stages.append(stage("pictures", "audio_vae", hearing_bytes(configs["audio_vae"], heard_s)))
    if request.generate_audio:
        made = sounding_bytes(configs["audio_vae"], heard_s) + sizes["audio_vae"]  # its weights are multiplied out
        stages.append(stage("decoding", "audio_vae", made))
    return Needs(tuple(stages), ERROR)


def examples(media: Media) -> bool:
    """Whether the film is made after examples, which another transformer does than frames."""
    return bool(media.reference_images or media.reference_videos)


def words_bytes(config: Config, counted: Tokens, n: int) -> float:
    """Every layer's view of each piece, beside one layer at work; before that what is seen."""
    text, vision = config["text_config"], config["vision_config"]
    width, inner = int(text["hidden_size"]), int(text["intermediate_size"])
    attending = READ_ATTENDING[n] * int(text["num_attention_heads"]) * int(text["head_dim"])
    views = (int(text["num_hidden_layers"]) + 2) * width
    reading = n * counted.words * (views + max(3 * inner, attending))
    seen, beside = int(vision["hidden_size"]), 2 * int(vision["intermediate_size"])
    patch = max(SEEN_ATTENDING[n] * seen, beside + SEEN_FORWARD[n] * seen)
    return max(reading, n * counted.patches * patch) + counted.patches * PATCH * (4 + n)


def step_bytes(config: Config, counted: Tokens, n: int) -> float:
    width, inner = int(config["hidden_size"]), int(config["ffn_dim"])
    attention = int(config["num_attention_heads"]) * int(config["attention_head_dim"])
    forward = FORWARD[n][0] * inner + FORWARD[n][1] * width
    attending = ATTENDING[n][0] * attention + ATTENDING[n][1] * width
    clock = 2 * 6 * int(config["rope_freq_dim"]) * 4
    latent = LATENTS * 4 * int(config["in_channels"]) * math.prod(config["patch_size"])
    return counted.all * (n * max(forward, attending, ENDING[n] * width) + clock) + counted.video * latent


def encoding_bytes(config: Config, counted: Tokens, native: Native) -> float:
    """Of a picture at once, or of a run of frames; in tiles."""
    width, run = int(config["block_out_channels"][0]), int(config["clip_length"])
    still = ENCODED_STILL * width * min(TILE**2, counted.still) + ENCODING * counted.still
    clip = ENCODED * width * run * min(TILE**2, counted.clip) + ENCODING * counted.clip * native.num_frames
    return max(still, clip)


def decoding_bytes(config: Config, native: Native) -> float:
    width = int(config["decoder_num_attention_heads"]) * int(config["decoder_attention_head_dim"])
    tile, film = min(TILE**2, native.width * native.height), native.width * native.height * native.num_frames
    return max(DECODING * film, DECODED * width * tile / TILE**2 + GATHERED * film)


def hearing_bytes(config: Config, seconds: float) -> float:
    return HEARD * int(config["encoder_dim"]) * 2 * seconds * int(config["sampling_rate"])


def sounding_bytes(config: Config, seconds: float) -> float:
    return SOUNDED * int(config["decoder_dim"]) * 2 * seconds * int(config["sampling_rate"])
