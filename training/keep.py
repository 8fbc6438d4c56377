"""Keep what was learned beside the code, so that training can go on from it anywhere.

    python -m training.keep AUTOENCODER_RUN TRANSFORMER_RUN training/kept

The encoder makes more latents for the transformer to go on with; the decoder stands in `decoder.onnx`. Optimizer states
stay behind: they are five times the size and come back within a few hundred steps.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from training.autoencoder import Autoencoder
from training.checkpoint import averaged, keep
from training.network import Transformer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("autoencoder", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    arguments.target.mkdir(parents=True, exist_ok=True)
    shape = json.loads((arguments.run / "transformer.json").read_text())
    vocabulary = shape.pop("vocabulary")
    autoencoder = averaged(arguments.autoencoder / "autoencoder.pt", Autoencoder())
    keep(autoencoder.encoder, arguments.target / "encoder.safetensors")
    keep(
        averaged(arguments.run / "transformer.pt", Transformer(len(vocabulary), **shape)),
        arguments.target / "transformer.safetensors",
    )
    shutil.copy(arguments.run / "transformer.json", arguments.target)


if __name__ == "__main__":
    main()
