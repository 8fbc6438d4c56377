"""`rushes bench`: an open model made here and by the library it is built on, side by side on the same weights."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.cli.exits import explained
from rushes.errors import Incomplete, InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rushes.cli.race import Side
    from rushes.contract.request import ResolvedRequest


@dataclass(frozen=True, slots=True)
class Family:
    """`size` is the middling one by chance, `asked` the clip of it, `like` the card of both; `room` where it lives."""

    room: str
    like: str
    size: str
    guidance: float
    asked: Mapping[str, float]


FAMILIES = {
    "wan": Family("wan", "wan2.1-t2v-1.3b", "mid", 5.0, {"width": 96, "height": 64, "seconds": 1.0, "steps": 12}),
    "ltx2": Family("ltx2", "ltx-2.3", "small", 3.0, {"width": 256, "height": 192, "seconds": 1.0, "steps": 12}),
    "hunyuan": Family(
        "blocks",
        "hunyuanvideo-1.5-480p-t2v",
        "small",
        6.0,
        {"width": 320, "height": 256, "seconds": 1.0, "steps": 4},
    ),
}
PROMPT, NEGATIVE, SEED = "A penguin waddles across the snow", "blurry, text", 7


def bench(
    family: Annotated[str, typer.Argument(help="Which family: wan, ltx2 or hunyuan.")] = "wan",
    random: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Weights by chance: mid (others: small) or as large as a model of this id."),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A folder of the diffusers format instead.")] = None,
    like: Annotated[str | None, typer.Option(metavar="ID", help="Which known model the folder is one of.")] = None,
    width: Annotated[int | None, typer.Option()] = None,
    height: Annotated[int | None, typer.Option()] = None,
    seconds: Annotated[float | None, typer.Option()] = None,
    steps: Annotated[int | None, typer.Option()] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each, in turns; the best counts.")] = 2,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="On a CPU: one more run of each that counts tensor bytes.")
    ] = True,
) -> None:
    """Make one clip with diffusers' pipeline, with each quality here and with each lossy technique by itself.

    Prints what each took, and how far it is from exact.

    Exit codes: 0 done, 1 something is missing, 2 the command line is wrong.
    """
    with explained():
        if family not in FAMILIES:
            raise InvalidValue(field="family", given=family, allowed=", ".join(FAMILIES))
        asked = {"width": width, "height": height, "seconds": seconds, "steps": steps}
        tell = partial(typer.echo, err=True)
        print(section(random, checkpoint, like, asked, repeat, memory, tell, family))


def section(
    random: str | None,
    checkpoint: Path | None,
    like: str | None,
    asked: dict[str, Any],
    repeat: int,
    memory: bool,
    tell: Callable[[str], None],
    family: str = "wan",
) -> str:
    """The outcome as a section of Markdown. Errors  InvalidValue, Incomplete."""
    from importlib.util import find_spec

    if find_spec("torch") is None or find_spec("diffusers") is None:
        raise Incomplete("this environment has no torch: pip install 'rushes[torch]'")
    from rushes.cli.race import race

    known, chance = FAMILIES[family], import_module(f"rushes.models.{FAMILIES[family].room}.chance")
    side_of: type[Side] = import_module(f"rushes.cli.race_{known.room}").SIDE
    size = random or (None if checkpoint else known.size)
    card = _card(like or (size if size not in (None, known.size) else known.like), family)
    asked = {name: value or (known.asked[name] if size == known.size else None) for name, value in asked.items()}
    with ExitStack() as stack:
        if checkpoint is not None:
            adapter = side_of.opened(card.in_folder(checkpoint))
        elif size in chance.SIZES:
            adapter = chance.by_chance(card, size, Path(stack.enter_context(TemporaryDirectory())))
        else:
            raise InvalidValue(field="random", given=size, allowed=", ".join(chance.SIZES))
        side = side_of(adapter, card, _request(card, asked, known.guidance))
        return _written(side, size, race(side, repeat, memory=memory, tell=tell), repeat)


def _card(id: str | None, family: str) -> Any:
    from rushes.catalogue.cards import OPEN

    known = FAMILIES[family]
    line = known.like.partition("-")[0].rstrip(".0123456789")  # a room may be that of several
    cards = {card.id: card for card in OPEN if f"models.{known.room}." in card.adapter and card.id.startswith(line)}
    if id not in cards:
        raise InvalidValue(field="random", given=id, allowed=", ".join([known.size, *cards]))
    return cards[id]


def _request(card: Any, asked: dict[str, Any], guidance: float) -> ResolvedRequest:
    from rushes.catalogue.lookup import Catalogue
    from rushes.catalogue.resolve import resolve
    from rushes.contract.request import VideoRequest

    told = {**asked, "guidance_scale": guidance, "generate_audio": card.rules.generate_audio or None}
    request = VideoRequest(model=card.id, prompt=PROMPT, negative_prompt=NEGATIVE, seed=SEED, **told)
    return resolve(request, Catalogue([card]).find(card.id), lambda: SEED)


def _written(side: Side, size: str | None, runners: list[Any], repeat: int) -> str:
    import torch

    from rushes.cli.race import STAGES, STOCK, matmul_flops, psnr_db, ssim, versions, where

    adapter, request = side.adapter, side.request
    stock = next(runner for runner in runners if runner.name == STOCK)
    exact = next(runner for runner in runners if runner.exactness == "exact")
    peak = matmul_flops(adapter.device, side.dtype)
    each = side.pass_flops()
    heads = ["", "s/step", *STAGES, "all", "of stock", "passes", "most memory", "of matmul peak", "difference"]
    rows = [f"| {' | '.join(heads)} |"]
    rows.append("| --- |" + " ---: |" * (len(STAGES) + 6) + " --- |")
    for runner in runners:
        words_s, steps_s, decoding_s = runner.stages_s
        likeness = "bit for bit" if torch.equal(runner.latent, exact.latent) else "latents differ"
        if runner.film is not None and exact.film is not None and (runner.film != exact.film).any():
            likeness = f"{psnr_db(runner.film, exact.film):.1f} dB, SSIM {ssim(runner.film, exact.film):.3f}"
        cells = [
            f"{runner.name} ({runner.exactness})",
            f"{steps_s / request.steps:.3f}",
            *(f"{stage_s:.2f} s" for stage_s in (words_s, steps_s, decoding_s)),
            f"{sum(runner.stages_s):.2f} s",
            f"{sum(runner.stages_s) / sum(stock.stages_s):.2f}",
            str(runner.passes),
            f"{runner.peak_bytes / 1e6:,.0f} MB" if runner.peak_bytes else "not counted",
            f"{runner.prompts * each / steps_s / peak:.0%}",
            likeness,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    millions = sum(p.numel() for p in side.network().parameters()) / 1e6
    native = adapter.native(request)
    cuda = adapter.device.type == "cuda"
    counted = "what torch allocated, weights included" if cuda else "tensor bytes made, weights not"
    what = f"weights by chance ({size})" if size is not None else "a checkpoint"
    said = (
        f"{side.card.id} from {what}, {millions:,.0f} million in the transformer; {native.width}×{native.height}, "
        f"{native.num_frames} frames, {request.steps} steps, guidance {request.guidance_scale:g}, "
        f"{side.dtype}, {where(adapter.device)}.\n"
        f"The best of {repeat} runs of each, in turns, on the same networks; *of stock* below 1 is faster. "
        f"{'Seconds by the clock' if cuda else 'Processor seconds'}. Memory is "
        f"{counted}.\nThe difference is from exact."
    )
    ends = f"{versions()}; a square product reaches {peak / 1e9:,.0f} GFLOP/s here."
    title = f"## {side.card.display_name}: our loop and the stock pipeline"
    return "\n\n".join((title, said, "\n".join(rows), ends)) + "\n"
