"""Bytes of a request body → one JSON object that is safe to look into.

What JSON's grammar lets through and no honest client sends is refused here, with the path of the field:
numbers without a value (NaN, 1e999), half characters, control characters, doubled keys, bottomless nesting.
After this, parsers of single fields only look at types.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from rushes.errors import InvalidValue, MalformedBody, quoted, shown

MAX_DEPTH = 32  # the contract needs 4; the rest is room for `metadata`
MAX_VALUES = 200_000  # 20 MB of empty lists would be half a gigabyte of them; a prompt full of commas is far below
MAX_INTEGER_DIGITS = 300  # below the float limit (309 digits), far above any field

# \n, \t and the pair \r\n are text; everything else of category Cc is not, and a lone surrogate is half a character.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises `MalformedBody`, or `InvalidValue` naming the field."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8 text: first fault at byte {error.start}") from None
    if sum(raw.count(mark) for mark in b",[{") > MAX_VALUES:
        raise MalformedBody(f"the body holds too many values; allowed: {MAX_VALUES}")
    try:
        body = json.loads(text, parse_int=_integer, object_pairs_hook=_object)
    except RecursionError:
        raise MalformedBody(f"the body is nested too deep; allowed: {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"the body is not JSON: first fault at {where}") from None
    if not isinstance(body, dict):
        raise MalformedBody(given=described(body))
    _check(body, "", MAX_DEPTH)
    return body


def described(value: object) -> str:
    """`value` as its sender would call it: `the string "5"`, `true`, `an array of 3`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'the string "{quoted(value)}"'
        case list():
            return f"an array of {len(value)}"
        case dict():
            return "an object"
        case float() if not math.isfinite(value):
            return "a number too large, or none at all"
        case int() if abs(value) >= 10**20:
            return f"an integer of {len(str(abs(value)))} digits"
        case _:
            return str(value)


def member(path: str, key: str) -> str:
    """The path of `key` inside the object at `path`, fit for a message."""
    return f"{path}.{quoted(key)}" if path else quoted(key)


def _integer(digits: str) -> int | float:
    # Python refuses integers of 4,300 digits with an error that names no field; `_check` refuses infinity by name.
    return int(digits) if len(digits) <= MAX_INTEGER_DIGITS else math.inf


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        doubled = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise MalformedBody(f'the key "{shown(doubled)}" is given twice in one object')
    return found


def _check(value: object, path: str, depth_left: int) -> None:
    if depth_left == 0 and isinstance(value, dict | list):
        raise MalformedBody(f"the body is nested too deep; allowed: {MAX_DEPTH} levels")
    if isinstance(value, str):
        check_text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidValue(field=path, given=described(value), allowed="a finite number")
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not key.isprintable():
                check_text(key, member(path, key))
            if not _is_plain(inner):  # paths are costly to write, and nearly never read
                _check(inner, member(path, key), depth_left - 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if not _is_plain(inner):
                _check(inner, f"{path}[{index}]", depth_left - 1)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int) or (isinstance(value, str) and value.isprintable())


def check_text(text: str, path: str) -> None:
    """Raises `InvalidValue` where `text` holds half a character or a control character; databases refuse some too."""
    if fault := UNPRINTABLE.search(text):
        raise InvalidValue(
            field=path,
            given=f"U+{ord(fault.group()):04X} at character {fault.start()}",
            allowed="whole Unicode characters; no control characters but line feed and tab",
        )
