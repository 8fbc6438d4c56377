"""The kinds of value a wire field can hold: each reads a JSON value and draws its own JSON Schema.

One table of these (`together.FIELDS`) is both the parser and the published document, so the two agree by
construction. Ranges that differ from model to model are not checked here but on the model's card; where a
kind carries `documented`, it is the outermost range any card may allow, shown to readers and left to the card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rushes.api.body import described, member
from rushes.catalogue.wording import listed
from rushes.contract.request import Lora
from rushes.errors import InvalidValue, MissingField, UnknownField

MAX_INTEGER = 2**31 - 1
PRINTABLE_SCHEMA = {"pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"}
SECONDS = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,6})?")


class Kind(Protocol):
    def parse(self, value: Any, path: str) -> Any:
        """The value as the contract holds it. `value` is never None. Raises `InvalidValue` naming `path`."""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of what `parse` takes."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string; `upper` folds its case; an empty one counts as absent where `empty_is_absent`."""

    max_chars: int
    min_chars: int = 0
    upper: bool = False
    empty_is_absent: bool = False
    documented: Mapping[str, Any] = field(default_factory=dict)

    def parse(self, value: Any, path: str) -> str | None:
        if not isinstance(value, str):
            raise InvalidValue(field=path, given=described(value), allowed=self._allowed())
        if not self.min_chars <= len(value) <= self.max_chars:
            raise InvalidValue(field=path, given=f"{len(value):,} characters", allowed=self._allowed())
        if not value and self.empty_is_absent:
            return None
        text = value.replace("\r\n", "\n")  # the same line ending, spelled as Windows does
        return text.upper() if self.upper else text

    def _allowed(self) -> str:
        return f"a string of {self.min_chars:,} to {self.max_chars:,} characters"

    def schema(self) -> dict[str, Any]:
        lengths = {"minLength": self.min_chars, "maxLength": self.max_chars}
        return {"type": "string", **lengths, **PRINTABLE_SCHEMA, **self.documented}


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words, in any letter case; held in lower case."""

    choices: tuple[str, ...]

    def parse(self, value: Any, path: str) -> str:
        if not isinstance(value, str) or value.lower() not in self.choices:
            raise InvalidValue(field=path, given=described(value), allowed=listed(self.choices))
        return value.lower()

    def schema(self) -> dict[str, Any]:
        # A pattern, because an enumeration would leave out the other letter cases.
        spelled = ("".join(f"[{letter.upper()}{letter}]" for letter in choice) for choice in self.choices)
        return {"type": "string", "pattern": f"^({'|'.join(spelled)})$", "examples": list(self.choices)}


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number; 640.0 is one (JSON has a single number type), `true` is not."""

    low: int = -MAX_INTEGER
    high: int = MAX_INTEGER
    documented: Mapping[str, Any] = field(default_factory=dict)

    def parse(self, value: Any, path: str) -> int:
        number = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        whole = number and not isinstance(value, bool)
        if not whole or not self.low <= value <= self.high:
            raise InvalidValue(field=path, given=described(value), allowed=self._allowed(whole))
        return int(value)

    def _allowed(self, whole: bool) -> str:
        if self.low > -MAX_INTEGER:
            return f"an integer from {self.low} to {self.high}"
        # Of a whole number it is the size; the least that a model takes stands on its card.
        return f"an integer from {self.documented.get('minimum', self.low)} to {self.high}" if whole else "an integer"

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high, **self.documented}


@dataclass(frozen=True, slots=True)
class Number:
    documented: Mapping[str, Any] = field(default_factory=dict)

    def parse(self, value: Any, path: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > MAX_INTEGER:
            raise InvalidValue(field=path, given=described(value), allowed="a number")
        return float(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "maximum": MAX_INTEGER, **self.documented}


@dataclass(frozen=True, slots=True)
class Boolean:
    def parse(self, value: Any, path: str) -> bool:
        if not isinstance(value, bool):
            raise InvalidValue(field=path, given=described(value), allowed="true or false")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Seconds:
    """A length in seconds: a number, or a string of one, as the clients' types have it."""

    def parse(self, value: Any, path: str) -> float:
        text = isinstance(value, str) and SECONDS.fullmatch(value) is not None
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER
        if not (text or number):
            allowed = 'a number of seconds, as a string or a number: "6", "2.5", 6'
            raise InvalidValue(field=path, given=described(value), allowed=allowed)
        return float(value)

    def schema(self) -> dict[str, Any]:
        as_text = {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?$"}
        return {"anyOf": [as_text, {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_INTEGER}]}


@dataclass(frozen=True, slots=True)
class Loras:
    """Names, each with a weight: `[{"name": "penguins", "weight": 0.8}]`."""

    max_items: int = 8
    max_chars: int = 256

    def parse(self, value: Any, path: str) -> tuple[Lora, ...]:
        if not isinstance(value, list) or len(value) > self.max_items:
            allowed = f"an array of at most {self.max_items} objects with name and weight"
            raise InvalidValue(field=path, given=described(value), allowed=allowed)
        return tuple(self._one(item, f"{path}[{index}]") for index, item in enumerate(value))

    def _one(self, item: Any, path: str) -> Lora:
        if not isinstance(item, dict):
            raise InvalidValue(field=path, given=described(item), allowed='an object: {"name": …, "weight": …}')
        for key in item:
            if key not in ("name", "weight"):  # a weight misspelt would be another picture
                raise UnknownField(field=member(path, key), allowed="name, weight")
        name = item.get("name")
        if name is None:
            raise MissingField(field=f"{path}.name", hint="the models list has the names under limits")
        name = Text(self.max_chars, min_chars=1).parse(name, f"{path}.name")
        weight = item.get("weight")
        return Lora(str(name)) if weight is None else Lora(str(name), Number().parse(weight, f"{path}.weight"))

    def schema(self) -> dict[str, Any]:
        weight = {"anyOf": [Number().schema(), {"type": "null"}], "description": "How much of it; 1 by default."}
        one = {
            "type": "object",
            "required": ["name"],
            "properties": {"name": Text(self.max_chars, min_chars=1).schema(), "weight": weight},
            "additionalProperties": False,
        }
        return {"type": "array", "maxItems": self.max_items, "items": one}


@dataclass(frozen=True, slots=True)
class Field:
    """One top-level field of the wire body."""

    name: str
    kind: Kind
    about: str

    def read(self, body: Mapping[str, Any]) -> Any:
        """The field's value, or None where it is absent or null."""
        value = body.get(self.name)
        return None if value is None else self.kind.parse(value, self.name)

    def schema(self) -> dict[str, Any]:
        """Null is the same as absent, on every field: the Python clients send None as null."""
        return {"description": self.about, "anyOf": [self.kind.schema(), {"type": "null"}]}


def required(value: str | None, path: str, hint: str) -> str:
    if value is None:
        raise MissingField(field=path, hint=hint)
    return value
