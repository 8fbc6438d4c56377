"""Write the corpus of hostile and odd files into a folder: images/, videos/, sounds/.

python tests/hostile/corpus.py FOLDER [--canary-url URL] [--canary-file FILE]

The same bytes on every run with the same libraries. Nothing of it is kept in the repository: some files would be called
malware by a scanner, and all can be made in seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "unit" / "media")]

import crooked_images  # noqa: E402
import crooked_sounds  # noqa: E402
import crooked_videos  # noqa: E402


def write(folder: Path, files: Iterable[tuple[str, Callable[[], bytes]]]) -> None:
    folder.mkdir(parents=True)
    for name, make in files:
        path = folder / name
        if path.exists():
            raise SystemExit(f"{path.name} is there twice")
        path.write_bytes(make())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--canary-url", default="http://127.0.0.1:9")
    parser.add_argument("--canary-file", type=Path, default=Path("/tmp/canary.mp4"))  # noqa: S108 - only named
    asked = parser.parse_args()
    write(asked.folder / "images", crooked_images.made())
    write(asked.folder / "videos", crooked_videos.made())
    write(asked.folder / "tricks", crooked_videos.tricks(asked.canary_url, asked.canary_file))
    write(asked.folder / "sounds", crooked_sounds.made())


if __name__ == "__main__":
    main()
