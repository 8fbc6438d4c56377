"""Checkpoints from the Hugging Face hub, through its own client: files, resume and pinning are its business.

Only what `checkpoint.py` would read is fetched: no pickle and no Python ever reaches this disk.
"""

from __future__ import annotations

import re
from pathlib import Path

from rushes.errors import WrongSetup

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WANTED = ("*.json", "*/*.safetensors", "*/*.model", "*/*.txt", "README.md", "LICENSE*", "LICENCE*")
"""Weights of parts alone: beside the folders, some publish the same ones again for other programs, hundreds of GB."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch_snapshot(hub_id: str, revision: str | None, place: Path, *, offline: bool) -> tuple[Path, str]:
    """The folder of `hub_id` at `revision` below `place`, and the commit that it is.

    A lost connection is taken up again where it broke; a download that was ended begins again with the file it was at.

    `revision` is a commit, a tag or a branch; None is the newest. `offline` takes what is here and asks nobody.
    Errors  WrongSetup with what to do.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError:
        raise WrongSetup(
            field="from",
            given=hub_id,
            allowed="a folder on this machine",
            hint="downloads need more: pip install 'rushes[torch]'",
        ) from None
    try:
        found = Path(
            snapshot_download(
                hub_id,
                revision=revision,
                cache_dir=place,
                allow_patterns=list(WANTED),
                local_files_only=offline,
            )
        )
    except GatedRepoError:
        raise _refused(hub_id, "its licence has to be accepted on its page first; then set HF_TOKEN") from None
    except RepositoryNotFoundError:
        raise _refused(hub_id, "the hub has no such model, or it is private: set HF_TOKEN") from None
    except LocalEntryNotFoundError:
        why = "it is not on this disk" if offline else "the hub cannot be reached, and it is not on this disk"
        raise _refused(hub_id, why) from None
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise _refused(hub_id, f"the download ended with {type(error).__name__}; the same command goes on") from None
    # The cache keeps each commit in a folder of that name.
    return found, found.name if COMMIT.fullmatch(found.name) else (revision or "unknown")


def _refused(hub_id: str, reason: str) -> WrongSetup:
    return WrongSetup(field="from", given=hub_id, allowed="a folder, or a model on the hub", hint=reason)
