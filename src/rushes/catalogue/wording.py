"""How numbers and lists are spelled in errors and notes."""

from __future__ import annotations

from collections.abc import Iterable

_BITS_PER_DIGIT = 3.321928
_LONGEST_WRITTEN_BITS = 256  # Python refuses to print integers of more than 4,300 digits, and nobody reads forty


def number(value: float) -> str:
    """`6.0` as "6", `2.5` as "2.5", an integer of a thousand digits as a phrase."""
    if isinstance(value, int):
        if value.bit_length() > _LONGEST_WRITTEN_BITS:
            return f"an integer of about {round(value.bit_length() / _BITS_PER_DIGIT)} digits"
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def counted(count: int, noun: str) -> str:
    """ "1 character", "32,001 characters"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(values: Iterable[object], last: str = "or") -> str:
    """ "a", "a or b", "a, b or c"."""
    words = [number(v) if isinstance(v, int | float) else str(v) for v in values]
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
