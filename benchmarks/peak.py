"""How much of what this processor can do the transformer makes use of: tokens a second, and share of the int8 peak.

python -m benchmarks.peak [--write]

The peak is the best that ONNX Runtime's own int8 product of two square matrices reaches here, in the same process, in
turns with the network; a ratio of the two says the same on a busy machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
from benchmarks._record import Record, add_switches, table, usable_cores
from onnx import TensorProto, helper, numpy_helper

from rushes.models.mini.config import PACKAGED_WEIGHTS, MiniConfig
from rushes.models.mini.graph import Graph
from rushes.models.mini.windows import sequence

SIDE = 1024
TURNS, RUNS = 7, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_switches(parser)
    asked = parser.parse_args()
    record = Record("peak", asked)
    weights = record.weights or PACKAGED_WEIGHTS
    config = MiniConfig.load(weights)
    network, tokens = looking(Graph(weights / "transformer.onnx", 0), config)
    product = multiplying()
    spent: dict[str, list[float]] = {"network": [], "product": []}
    for _ in range(TURNS):
        for name, run in (("network", network), ("product", product)):
            began = time.perf_counter()
            for _ in range(RUNS):
                run()
            spent[name].append((time.perf_counter() - began) / RUNS)
    look_s, product_s = min(spent["network"]), min(spent["product"])
    a_token = int8_weights(onnx.load(weights / "transformer.onnx"))
    done, peak = 2 * a_token * tokens / look_s, 2 * SIDE**3 / product_s
    rows = [
        (
            "one look of the transformer at a window",
            f"{1000 * look_s:.1f} ms for {tokens} tokens of pictures and words",
        ),
        ("tokens a second", f"{tokens / look_s:,.0f}"),
        ("its int8 products alone, reckoned", f"{done / 1e9:,.0f} billion operations a second"),
        (f"ONNX Runtime's int8 product, {SIDE} × {SIDE}", f"{peak / 1e9:,.0f} billion operations a second"),
        ("share of that peak", f"**{100 * done / peak:.0f} %**"),
    ]
    text = f"## How near to the processor's own limit\n\n{usable_cores()} cores; the fastest of {TURNS} turns.\n\n"
    record.keep(text + table(("", "measured"), rows))


def looking(transformer: Graph, config: MiniConfig) -> tuple[Callable[[], object], int]:
    """A look at a full window of pictures, and how many tokens it holds, words among them."""
    rows, cols = config.grids["16:9"]
    position, kind = sequence(config.window, rows, cols, config.seconds_per_latent, 0, config.reference_cells, 0)
    count = position.shape[1]
    rng = np.random.default_rng(1)
    inputs = {
        "latent": rng.normal(size=(1, count, config.channels)).astype(np.float32),
        "sigma": np.full((1, count), 0.7, np.float32),
        "position": position,
        "kind": kind,
        "words": rng.integers(2, len(config.vocabulary), (1, config.max_words)),
    }
    return (lambda: transformer.run(**inputs)), count + config.max_words


def multiplying() -> Callable[[], object]:
    """An int8 product of two square matrices on as many threads as the network has."""
    rng = np.random.default_rng(2)
    right = numpy_helper.from_array(rng.integers(-127, 128, (SIDE, SIDE)).astype(np.int8), "right")
    node = helper.make_node("MatMulInteger", ["left", "right"], ["out"])
    left = helper.make_tensor_value_info("left", TensorProto.UINT8, [SIDE, SIDE])
    out = helper.make_tensor_value_info("out", TensorProto.INT32, [SIDE, SIDE])
    graph = helper.make_graph([node], "product", [left], [out], [right])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {"left": rng.integers(0, 255, (SIDE, SIDE)).astype(np.uint8)}
    return lambda: session.run(None, given)


def int8_weights(model: onnx.ModelProto) -> int:
    """How many int8 weights a token passes through; each is one product and one sum."""
    return sum(int(np.prod(each.dims)) for each in model.graph.initializer if each.data_type == TensorProto.INT8)


if __name__ == "__main__":
    main()
