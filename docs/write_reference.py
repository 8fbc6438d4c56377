"""Write docs/reference/ from the code: `make docs`. tests/test_docs.py fails when a page has fallen behind."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from rushes import errors, settings
from rushes.catalogue.card import MediaRule, Rules, Text
from rushes.catalogue.cards import CARDS, OPEN
from rushes.catalogue.contracts import HOSTED
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.sizes import Sizes
from rushes.catalogue.wording import listed
from rushes.contract.media import Media
from rushes.settings import PREFIX, ROOMS

REFUSED = "refused"
REFERENCE = Path(__file__).parent / "reference"
WRITTEN = "<!-- written by `make docs` from the code; edit the code, not this page -->\n\n"


def pages() -> dict[str, str]:
    """Every page by file name."""
    return {"settings.md": settings_page(), "errors.md": errors_page(), "models.md": models_page()}


def settings_page() -> str:
    text = (
        "# Settings\n\n"
        + WRITTEN
        + "Each setting is a variable, and many are a flag of `rushes serve` too; the flag wins.\n"
    )
    notes = attribute_docstrings(inspect.getsource(settings))
    for room, kind in ROOMS.items():
        text += f"\n## {room}\n\n| Variable | Default | Allowed | |\n| --- | --- | --- | --- |\n"
        for one in fields(kind):
            default = "" if one.default is MISSING else written(one.default)
            note = notes.get((kind.__name__, one.name), "")
            text += f"| `{PREFIX}{one.name.upper()}` | {default} | {one.metadata['allowed']} | {note} |\n"
    return text


def attribute_docstrings(source: str) -> dict[tuple[str, str], str]:
    """The string below each annotated attribute, by (class, attribute)."""
    found = {}
    for kind in (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)):
        for attribute, below in zip(kind.body, kind.body[1:], strict=False):
            if (
                isinstance(attribute, ast.AnnAssign)
                and isinstance(attribute.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[kind.name, attribute.target.id] = " ".join(str(below.value.value).split())
    return found


def errors_page() -> str:
    text = (
        "# Errors\n\n"
        + WRITTEN
        + 'Every answer that is no success has the body `{"id", "error": {"message", "type", "param", "code"}}`.\n\n'
        "| `code` | Status | A retry can help | Meaning |\n| --- | --- | --- | --- |\n"
    )
    for kind in family(errors.RushesError):
        text += f"| `{kind.code}` | {kind.status} | {'yes' if kind.retryable else 'no'} | {kind.summary} |\n"
    return text


def family(kind: type[errors.RushesError]) -> Iterator[type[errors.RushesError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def models_page() -> str:
    text = "# Models\n\n" + WRITTEN + "## Here\n"
    for offer in Catalogue(CARDS).offers():
        text += f"\n### {offer.asked_id}\n\n{offer.card.description}\nLicence {offer.card.licence}.\n\n"
        text += rules_table(offer.rules)
    text += "\n## To add\n\nHere once their weights are: `rushes models add ID`, with the extra `torch`.\n"
    for card in OPEN:
        text += f"\n### {card.id}\n\n{card.description}\nLicence {card.licence}"
        if card.weights is not None:
            text += f"; about {card.weights.size_bytes / 1e9:.0f} GB from `{card.weights.hub}`"
        text += ".\n\n" + rules_table(card.rules)
    text += (
        "\n## Hosted ids\n\nKnown by their published rules. They answer 404 until `--serve-as` maps them to a\n"
        "model that is here; a default that is not given below is that model's.\n"
    )
    for hosted_id, rules in sorted(HOSTED.items(), key=lambda item: item[0].casefold()):
        text += f"\n### {hosted_id}\n\n" + rules_table(rules)
    return text


def rules_table(rules: Rules) -> str:
    """Field, what is allowed, and what it is where nothing is asked for."""
    sizes, audio = rules.sizes, "yes or no" if rules.generate_audio else REFUSED
    rows = [
        ("prompt", words(rules.prompt), None),
        ("negative_prompt", words(rules.negative_prompt), None),
        ("width`, `height", sizes.pixels if sizes.takes_pixels else REFUSED, str(sizes.preset)),
        ("resolution`, `ratio", tiers(sizes), None),
        ("seconds", rules.seconds.allowed, rules.seconds.default),
        ("fps", rules.fps.allowed, rules.fps.default),
        ("steps", rules.steps.allowed, rules.steps.default),
        ("guidance_scale", rules.guidance_scale.allowed, rules.guidance_scale.default),
        ("seed", rules.seed.allowed, "drawn"),
        ("output_format", listed(rules.output_formats), rules.output_formats[0]),
        ("output_quality", f"{rules.output_quality.allowed}; lower is finer and larger", rules.output_quality.default),
        ("generate_audio", audio, None),
        ("quality", listed(rules.qualities), rules.qualities[0]),
    ]
    rows += [(f"media.{member.name}", files(rules.media.of(member.name)), None) for member in fields(Media)]
    table = "| Field | Allowed | Default |\n| --- | --- | --- |\n"
    table += "".join(f"| `{field}` | {allowed} | {written(default)} |\n" for field, allowed, default in rows)
    return table + (f"\nNeeds one of {listed(rules.needs)}.\n" if rules.needs else "")


def files(rule: MediaRule) -> str:
    if not rule.max_items:
        return REFUSED
    said = [f"up to {rule.max_items}"]
    if rule.max_bytes is not None:
        said.append(f"each up to {rule.max_bytes >> 20} MiB")
    if rule.min_seconds is not None:
        said.append(f"at least {rule.min_seconds:g} s long")
    if rule.max_seconds is not None:
        said.append(f"up to {rule.max_seconds:g} s long")
    if rule.max_aspect is not None:
        said.append(f"one side up to {rule.max_aspect:g} times the other")
    if rule.positions:
        said.append("at " + listed(["a frame number" if place == "any" else place for place in rule.positions]))
    return ", ".join(said)


def words(text: Text) -> str:
    return f"{text.need}; {text.allowed}" if text.taken else REFUSED


def tiers(sizes: Sizes) -> str:
    if sizes.tiers is None:
        return REFUSED
    table = sizes.tiers
    return "; ".join(
        f"{resolution}: " + ", ".join(f"{ratio} {table.size(resolution, ratio)}" for ratio in table.ratios)
        for resolution in table.resolutions
    )


def written(value: Any) -> str:
    """A value as a reader wants it in a table's cell."""
    match value:
        case None | "" | ():
            return "–"
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return f"{int(value)}"
        case _:
            return str(value)


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(REFERENCE / name)
