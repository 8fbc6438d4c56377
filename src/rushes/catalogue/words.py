"""Checks on the words of a request: long enough, short enough, and text that can be stored and sent again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rushes.catalogue.card import Text
from rushes.catalogue.wording import counted
from rushes.errors import InvalidValue, MissingField, UnsupportedField

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # not tab and the line ends: prompts are pasted
MAX_METADATA_DEPTH = 32  # copied by recursive code on its way to the row and back
MAX_METADATA_CHARS = 65_536  # echoed in every answer to every poll


def check_text(field: str, text: str | None, rule: Text, model: str) -> None:
    """Hold `text` against `rule`. None and "" both give nothing; an explicit "" where words are needed is refused.

    Raises MissingField, UnsupportedField, InvalidValue.
    """
    if text is None:
        if rule.need == "required":
            raise MissingField(field=field, allowed=rule.allowed, model=model, hint="say what the video should show")
        return
    if text == "" and rule.need != "required":
        return
    if not rule.taken:
        hints = {
            "prompt": "it works from keyframes alone: leave the prompt out",
            "negative_prompt": "leave it out, and say in the prompt what should be there instead",
        }
        raise UnsupportedField(field=field, model=model, hint=hints.get(field))
    if len(text) > rule.max_chars or len(text) < max(rule.min_chars, 1):
        given = counted(len(text), "character") if text else "nothing"
        raise InvalidValue(field=field, given=given, allowed=rule.allowed, model=model)
    refuse_unprintable(field, text)
    if not text.strip():
        raise InvalidValue(field=field, given="nothing but white space", allowed=rule.allowed, model=model)


def refuse_unprintable(field: str, text: str) -> None:
    """Refuse halves of surrogate pairs and control characters: no UTF-8 holds the first, terminals obey the second."""
    found = _SURROGATE.search(text)
    if found:
        raise InvalidValue(
            field=field, given=f"half a surrogate pair at character {found.start()}", allowed="valid Unicode text"
        )
    found = _CONTROL.search(text)
    if found:
        raise InvalidValue(
            field=field,
            given=f"control character U+{ord(found[0]):04X} at character {found.start()}",
            allowed="text without control characters",
        )


def checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata` as a plain dict that JSON, a database row and a reply can hold. Raises InvalidValue."""
    size = 0
    level: list[Any] = [metadata]
    for _ in range(MAX_METADATA_DEPTH):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                deeper += [*value.keys(), *value.values()]
            elif isinstance(value, list | tuple):
                deeper += value
            elif isinstance(value, str) and _SURROGATE.search(value):
                raise InvalidValue(field="metadata", given="half a surrogate pair", allowed="valid Unicode text")
            elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
                raise InvalidValue(field="metadata", given=repr(value), allowed="finite numbers")
            size += len(value) if isinstance(value, str) else 8
        if size > MAX_METADATA_CHARS:
            raise InvalidValue(
                field="metadata", given=f"more than {MAX_METADATA_CHARS:,} characters", allowed="a smaller object"
            )
        if not deeper:
            return dict(metadata)
        level = deeper
    raise InvalidValue(
        field="metadata", given=f"more than {MAX_METADATA_DEPTH} levels deep", allowed="a flatter object"
    )
