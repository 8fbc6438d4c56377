"""`rushes bench` for this record: an open model run by our loop and by diffusers' own pipeline, on the same weights.

python -m benchmarks.open_models                                 a random one of middling size
python -m benchmarks.open_models --family ltx2                   a small LTX-2.3, film and sound
python -m benchmarks.open_models --family hunyuan                a small HunyuanVideo 1.5
python -m benchmarks.open_models --random wan2.1-t2v-14b         as large as published, weights by chance, on a GPU
python -m benchmarks.open_models --checkpoint FOLDER --like ID   a text-to-video checkpoint of yours
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks._record import Record, add_switches

from rushes.cli.bench import FAMILIES, section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=FAMILIES, default="wan")
    parser.add_argument("--random", metavar="SIZE")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--like", metavar="ID")
    for name, kind in (("width", int), ("height", int), ("seconds", float), ("steps", int)):
        parser.add_argument(f"--{name}", type=kind)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", choices=())
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    if find_spec("torch") is None or find_spec("diffusers") is None:
        print("open_models: left out, this environment has no torch: pip install 'rushes[torch]'")
        return
    name = "open_models" if asked.family == "wan" else f"open_models-{asked.family}"  # a section for each
    record = Record(name, asked, program="benchmarks.open_models")
    sizes = {name: getattr(asked, name) for name in ("width", "height", "seconds", "steps")}
    record.keep(section(asked.random, asked.checkpoint, asked.like, sizes, asked.repeat, True, _tell, asked.family))


def _tell(said: str) -> None:
    print(said, file=sys.stderr)


if __name__ == "__main__":
    main()
