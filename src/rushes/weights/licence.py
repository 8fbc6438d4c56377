"""The licence that a checkpoint's own files state: its name, its words, and what to look at before agreeing.

Nothing here is legal advice. What is not one of the well-known free licences is shown to the operator, who agrees or
does not; the lines shown are where its text speaks of places, of commerce, of how many users, of how it may be used.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

FREE = frozenset(
    {
        "0bsd", "apache-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "bsl-1.0", "cc-by-4.0", "cc0-1.0",
        "isc", "mit", "ncsa", "unlicense", "zlib",
    }
)  # fmt: skip
"""Those that ask for no more than to be named. Any other name has to be accepted."""

UNSTATED = "not stated in its files"
CARD = "README.md"
TEXTS = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md")
MOST_BYTES = 1 << 20
MOST_LINES = 4  # shown of each subject

SUBJECTS = {
    "where": r"European Union|United Kingdom|South Korea|\bTerritory\b|jurisdiction",
    "commerce": r"non-?\s?commercial|commercial (use|purpose)|research (purposes|use) only",
    "how many": r"monthly active users|annual (gross )?revenue|US\$|million",
    "what for": r"use[- ](restrict|polic|based)|(acceptable|prohibited) use|(may|shall|must) not use|restricts uses",
}


@dataclass(frozen=True, slots=True)
class Licence:
    """name  as the model's card has it; `text` the words to agree to; `origin` the file that they are in, or None."""

    name: str
    text: str
    origin: str | None = None

    @property
    def free(self) -> bool:
        return free(self.name)

    @property
    def sha256(self) -> str:
        """Of name and text: what is agreed to changes with either."""
        return hashlib.sha256(f"{self.name}\n{self.text}".encode()).hexdigest()

    def marked(self) -> tuple[tuple[str, str], ...]:
        """Lines of the text that speak of a subject, with its name; a few of each."""
        found: list[tuple[str, str]] = []
        lines = [" ".join(line.split()) for line in re.split(r"\n|(?<=[.;]) ", self.text)]
        for subject, pattern in SUBJECTS.items():
            speaking = [line for line in lines if re.search(pattern, line, re.IGNORECASE)]
            found += [(subject, line) for line in dict.fromkeys(speaking[:MOST_LINES])]
        return tuple(found)


def free(name: str) -> bool:
    """Whether nobody has to agree to a licence of this name. Files that state none leave that to whoever has them."""
    return name.casefold() in FREE or name == UNSTATED


def stated(folder: Path) -> Licence | None:
    """The licence that the files in `folder` state; None where they say nothing of one."""
    card = _read(folder / CARD)
    front = _front(card)
    name = front.get("license_name") or front.get("license")
    if name == "other":
        name = front.get("license_name") or "a licence of its own"
    for file in TEXTS:
        text = _read(folder / file)
        if text:
            return Licence(name or _named_in(text), text, file)
    return Licence(name, card, CARD) if name else None


def _front(card: str) -> dict[str, str]:
    """The plain `key: value` lines at the head of a model's card, between two lines of dashes."""
    head = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", card, re.DOTALL)
    pairs = (line.partition(":") for line in (head[1].splitlines() if head else ()))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs if value.strip() and key == key.lstrip()}


def _named_in(text: str) -> str:
    """A text whose card gives it no name: free only where it says so at its head."""
    head = " ".join(text[:300].split()).casefold()
    if "apache license version 2.0" in head:
        return "apache-2.0"
    return "mit" if head.startswith("mit license") else "a licence of its own"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
