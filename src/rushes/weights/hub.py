"""Checkpoints from the Hugging Face hub, through its own client: files, resume and pinning are its business.

Only what is read is fetched: no pickle and no Python ever reaches this disk, and no weights that no part asks for. What
these are is known once the small files are here, so there are two goes at the same commit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from rushes.errors import WrongSetup, shown
from rushes.weights.checkpoint import BESIDE, INDEX, MODULAR_INDEX

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SMALL = ("*.json", "*/*.model", "*/*.txt", "README.md", "LICENSE*", "LICENCE*")
"""What says which weights belong to a checkpoint, and what is read beside them."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_snapshot(
    hub_id: str, revision: str | None, place: Path, *, offline: bool, aside: Collection[str] = ()
) -> tuple[Path, str]:
    """The folder of `hub_id` at `revision` below `place`, and the commit that it is.

    A lost connection is taken up again where it broke; a download that was ended begins again with the file it was at.

    `revision` is a commit, a tag or a branch; None is the newest. `offline` takes what is here and asks nobody.
    Of the parts `aside` no weights are fetched.
    Errors  WrongSetup with what to do.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )
    except ImportError:
        raise WrongSetup(
            field="from",
            given=hub_id,
            allowed="a folder on this machine",
            hint="downloads need more: pip install 'rushes[torch]'",
        ) from None

    def fetched(revision: str | None, patterns: list[str]) -> Path:
        return Path(
            snapshot_download(
                hub_id, revision=revision, cache_dir=place, allow_patterns=patterns, local_files_only=offline
            )
        )

    try:
        found = fetched(revision, [*SMALL])
        weights = [*weights_of(found, aside)]
        if weights:
            found = fetched(found.name if COMMIT.fullmatch(found.name) else revision, weights)
    except GatedRepoError:
        raise _refused(hub_id, "its licence has to be accepted on its page first; then set HF_TOKEN") from None
    except RepositoryNotFoundError:
        raise _refused(hub_id, "the hub has no such model, or it is private: set HF_TOKEN") from None
    except RevisionNotFoundError:
        raise _refused(hub_id, f"the hub has no commit, tag or branch {shown(revision)} of it") from None
    except LocalEntryNotFoundError:
        why = "it is not on this disk" if offline else "the hub cannot be reached, and it is not on this disk"
        raise _refused(hub_id, why) from None
    # The bases are those of the HTTP library that the hub's client happens to use; a lost connection is one of them.
    except (HfHubHTTPError, *HfHubHTTPError.__bases__, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__  # a full disk says so itself
        raise _refused(hub_id, f"the download ended with {why}; the same command goes on") from None
    # The cache keeps each commit in a folder of that name.
    return found, found.name if COMMIT.fullmatch(found.name) else (revision or "unknown")


def weights_of(folder: Path, aside: Collection[str] = ()) -> Iterator[str]:
    """Patterns of the weights that the checkpoint in `folder` is loaded from, by its small files, less parts `aside`.

    Some publish more beside them, hundreds of GB: the same weights again for other programs, in other pieces, and
    whole networks that no part is.
    """
    index = _said(folder / INDEX) or _said(folder / MODULAR_INDEX)
    named = [part for part, kind in index.items() if isinstance(kind, list) and kind[:2] != [None, None]]
    beside = [part for part in BESIDE if (folder / part / "config.json").is_file()]
    for part in dict.fromkeys((*filter(str.isidentifier, named), *beside)):
        if part in aside:
            continue
        pieces: set[str] = set()
        for path in (folder / part).glob("*.safetensors.index.json"):
            places = _said(path).get("weight_map")
            pieces |= set(map(str, places.values())) if isinstance(places, dict) else set()
        yield from (f"{part}/{piece}" for piece in sorted(pieces) or ["*.safetensors"])


def _said(path: Path) -> dict[str, Any]:
    """What is in a file of JSON; nothing where it is none, of which `checkpoint.looked_at` says more."""
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _refused(hub_id: str, reason: str) -> WrongSetup:
    return WrongSetup(field="from", given=hub_id, allowed="a folder, or a model on the hub", hint=reason)
