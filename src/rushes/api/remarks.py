"""What the door has to say about a body it accepts: ignored keys and deprecated spellings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rushes.api.body import member
from rushes.errors import UnknownField

MAX_NAMED_UNKNOWN = 20  # each becomes a line stored with the job; nobody reads the hundredth


@dataclass(slots=True)
class Remarks:
    """Collects warnings while one body is read; `strict` turns an unknown key into a refusal."""

    strict: bool = False
    messages: list[str] = field(default_factory=list)
    num_unknown: int = 0

    def say(self, message: str) -> None:
        self.messages.append(message)

    def unknown(self, path: str, keys: Iterable[str]) -> None:
        """Note keys nobody reads in the object at `path`. Raises `UnknownField` for the first of them when strict."""
        for key in keys:
            if self.strict:
                hint = "strict mode is on; without it unknown keys are listed in warnings"
                raise UnknownField(field=member(path, key), hint=hint)
            self.num_unknown += 1
            if self.num_unknown <= MAX_NAMED_UNKNOWN:
                self.say(f"{member(path, key)}: not a field of this API; ignored")

    def said(self) -> tuple[str, ...]:
        more = self.num_unknown - MAX_NAMED_UNKNOWN
        return (*self.messages, f"{more} more unknown fields were ignored") if more > 0 else tuple(self.messages)
