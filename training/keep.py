"""Keep what was learned beside the code, so that training can go on from it anywhere.

    python -m training.keep TRANSFORMER_RUN training/kept [--autoencoder AUTOENCODER_RUN] [--share 0.15]

The encoder makes more latents for the transformer to go on with; the decoder stands in `decoder.onnx`. The transformer
is kept in bytes, as it ships. Optimizer states stay behind: they are many times the size and come back within a few
hundred steps. With `--share` less than 1 the mean of what is kept there already and of the run is kept: for a run that
began there, learned something and forgot something else.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from training.autoencoder import Autoencoder
from training.checkpoint import averaged, from_parts, keep, put_parts
from training.network import Transformer
from training.plan import PLANS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--autoencoder", type=Path, help="a run of it, to keep its encoder too")
    parser.add_argument("--share", type=float, default=1.0, help="of the run's transformer; the rest is kept as it was")
    arguments = parser.parse_args()
    arguments.target.mkdir(parents=True, exist_ok=True)
    about = json.loads((arguments.run / "transformer.json").read_text())
    shape = PLANS[about["plan"]].shape(about["vocabulary"])
    model = averaged(arguments.run / "transformer.pt", Transformer(**shape))
    if arguments.share < 1:
        before = from_parts(arguments.target, "transformer", Transformer(**shape)).state_dict()
        # What was all zeros had learned nothing yet: half of it would be half of what only this run knows.
        shared = {
            key: before[key].lerp(new, arguments.share) if before[key].any() else new
            for key, new in model.state_dict().items()
        }
        model.load_state_dict(shared)
    put_parts(model, arguments.target, "transformer", about, small=True)
    if arguments.autoencoder:
        autoencoder = averaged(arguments.autoencoder / "autoencoder.pt", Autoencoder())
        keep(autoencoder.encoder, arguments.target / "encoder.safetensors")


if __name__ == "__main__":
    main()
