"""Write docs/reference/ from the code: `make docs`. tests/test_docs.py fails when a page has fallen behind."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from rushes import errors, settings
from rushes.assemble import build_catalogue
from rushes.catalogue.contracts import HOSTED
from rushes.catalogue.limits import limits
from rushes.settings import PREFIX, ROOMS, Settings

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
    about = attribute_docstrings(inspect.getsource(settings))
    for room, kind in ROOMS.items():
        text += f"\n## {room}\n\n| Variable | Default | Allowed | |\n| --- | --- | --- | --- |\n"
        for one in fields(kind):
            default = "" if one.default is MISSING else written(one.default)
            note = about.get((kind.__name__, one.name), "")
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
    for offer in build_catalogue(Settings.load(environ={})).offers():
        text += f"\n### {offer.asked_id}\n\n{offer.card.description}\nLicence {offer.card.licence}.\n\n"
        text += limits_table(limits(offer.rules))
    text += (
        "\n## Hosted ids\n\nKnown by their published rules. They answer 404 until `--serve-as` maps them to a\n"
        "model that is here; a default that is not given below is that model's.\n"
    )
    for hosted_id, rules in sorted(HOSTED.items(), key=lambda item: item[0].casefold()):
        text += f"\n### {hosted_id}\n\n" + limits_table(limits(rules))
    return text


def limits_table(known: Mapping[str, Any]) -> str:
    rows = "".join(f"| `{name}` | {written(value)} |\n" for name, value in known.items())
    return f"| Field | Takes |\n| --- | --- |\n{rows}"


def written(value: Any) -> str:
    """A value as a reader wants it in a table's cell."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return f"{int(value)}"
        case dict():
            return ", ".join(f"{name.replace('_', ' ')} {written(inner)}" for name, inner in value.items()) or "–"
        case list() | tuple():
            return " · ".join(written(inner) for inner in value) or "–"
        case _:
            return str(value)


if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")
        print(REFERENCE / name)
