"""Weights of `rushes/mini` in miniature: random, a few kilobytes, same signatures as the real ones.

They make no pictures worth seeing but every output depends on every input, through the same kinds of nodes
(attention over all tokens, matrices in int8 with ranges measured at run time).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

CHANNELS, SPATIAL, FRAMES_PER_LATENT, MAX_WORDS, WIDTH = 8, 4, 6, 12, 32
WORDS = "<pad> <unk> , . a penguin horse fox waddling runs on the beach moon rain".split()  # noqa: SIM905
NUMBERS = {
    "revision": "tiny",
    "channels": CHANNELS,
    "spatial": SPATIAL,
    "frames_per_latent": FRAMES_PER_LATENT,
    "fps": 12,
    "max_words": MAX_WORDS,
    "window": 6,
    "overlap": 2,
    "shift": 3.0,
    "grids": {"16:9": [5, 9], "9:16": [9, 5], "1:1": [7, 7], "4:3": [6, 8], "3:4": [8, 6]},
    "vocabulary": WORDS,
    "subjects": ["penguin", "horse", "fox"],
    "scenes": ["beach", "moon"],
    "motions": ["waddling", "runs"],
}


ALL_KINDS = {"channels": 96, "sound_hops": 4, "reference_cells": 2}  # a token of sound has 64 values and 32 zeros


def write_tiny_weights(folder: Path, *, kinds: bool = False) -> Path:
    """Write mini.json and the three networks into `folder`; with `kinds` they know references and sound."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = NUMBERS | ALL_KINDS if kinds else NUMBERS
    channels = int(str(numbers["channels"]))
    (folder / "mini.json").write_text(json.dumps(numbers), "utf-8")
    save(_transformer(channels, kinds), folder / "transformer.onnx")
    save(_encoder(channels), folder / "encoder.onnx")
    save(_decoder(channels), folder / "decoder.onnx")
    return folder


class _Weights:
    """Random constants of a graph, collected as they are named."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.tensors: list[TensorProto] = []

    def matrix(self, name: str, *shape: int) -> str:
        return self.constant(name, self.random.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(shape[-2])))

    def constant(self, name: str, value: np.ndarray) -> str:
        self.tensors.append(numpy_helper.from_array(value, name))
        return name


def _transformer(channels: int, kinds: bool):
    weights, node = _Weights(1), helper.make_node
    weights.matrix("embedding", len(WORDS), WIDTH)
    weights.matrix("w_in", channels + 4 + kinds, WIDTH)
    weights.matrix("w_query", WIDTH, WIDTH)
    weights.matrix("w_out", 2 * WIDTH, channels)
    values = weights.random.integers(-127, 128, size=(WIDTH, WIDTH)).astype(np.int8)
    weights.constant("w_hidden", values)
    weights.constant("w_hidden_scale", np.float32(0.003))
    weights.constant("w_hidden_zero", np.int8(0))
    nodes = [
        node("Gather", ["embedding", "words"], ["embedded"]),
        node("ReduceMean", ["embedded"], ["text"], axes=[1], keepdims=1),
        node("Unsqueeze", ["sigma", "last"], ["level"]),
        *([node("Unsqueeze", ["kind", "last"], ["kind_wide"])] if kinds else []),
        *([node("Cast", ["kind_wide"], ["sort"], to=TensorProto.FLOAT)] if kinds else []),
        node("Concat", ["latent", "level", "position", *(["sort"] if kinds else [])], ["joined"], axis=2),
        node("MatMul", ["joined", "w_in"], ["entered"]),
        node("Add", ["entered", "text"], ["told"]),
        node("Tanh", ["told"], ["token"]),
        node("MatMul", ["token", "w_query"], ["query"]),
        node("Transpose", ["token"], ["key"], perm=[0, 2, 1]),
        node("MatMul", ["query", "key"], ["score"]),
        node("Softmax", ["score"], ["share"], axis=-1),
        node("MatMul", ["share", "token"], ["attended"]),
        node("DynamicQuantizeLinear", ["attended"], ["q", "q_scale", "q_zero"]),
        node("MatMulInteger", ["q", "w_hidden", "q_zero", "w_hidden_zero"], ["product"]),
        node("Cast", ["product"], ["product_float"], to=TensorProto.FLOAT),
        node("Mul", ["q_scale", "w_hidden_scale"], ["scale"]),
        node("Mul", ["product_float", "scale"], ["hidden"]),
        node("Concat", ["hidden", "token"], ["both"], axis=2),
        node("MatMul", ["both", "w_out"], ["clean"]),
    ]
    weights.constant("last", np.array([2], dtype=np.int64))
    inputs = [
        _float("latent", "B", "N", channels),
        _float("sigma", "B", "N"),
        _float("position", "B", "N", 3),
        helper.make_tensor_value_info("words", TensorProto.INT64, ["B", "L"]),
        *([helper.make_tensor_value_info("kind", TensorProto.INT64, ["B", "N"])] if kinds else []),
    ]
    return _model(nodes, inputs, _float("clean", "B", "N", channels), weights)


def _encoder(channels: int):
    weights, node = _Weights(3), helper.make_node
    values = 3 * FRAMES_PER_LATENT
    weights.constant("filter", weights.random.normal(size=(channels, values, SPATIAL, SPATIAL)).astype(np.float32) / 50)
    weights.constant("white", np.float32(255))
    nodes = [
        node("Cast", ["frames"], ["bright"], to=TensorProto.FLOAT),
        node("Div", ["bright", "white"], ["light"]),
        node("Transpose", ["light"], ["planes"], perm=[0, 1, 4, 2, 3]),
        node("Shape", ["planes"], ["shape"]),
        node("Gather", ["shape", "height_width"], ["size"]),
        node("Concat", ["batch_and_values", "size"], ["target"], axis=0),
        node("Reshape", ["planes", "target"], ["stacked"]),
        node("Conv", ["stacked", "filter"], ["latent"], strides=[SPATIAL, SPATIAL]),
    ]
    weights.constant("height_width", np.array([3, 4], dtype=np.int64))
    weights.constant("batch_and_values", np.array([0, values], dtype=np.int64))
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["B", FRAMES_PER_LATENT, "H", "W", 3])
    return _model(nodes, [frames], _float("latent", "B", channels, "rows", "cols"), weights)


def _decoder(channels: int):
    weights, node = _Weights(2), helper.make_node
    out = FRAMES_PER_LATENT * 3 * SPATIAL * SPATIAL
    weights.constant("filter", weights.random.normal(size=(out, channels, 1, 1)).astype(np.float32))
    weights.constant("white", np.float32(255))
    weights.constant("grid_slice", np.array([2, 3], dtype=np.int64))
    weights.constant("spatial", np.array([SPATIAL, SPATIAL], dtype=np.int64))
    weights.constant("head", np.array([0, FRAMES_PER_LATENT], dtype=np.int64))
    weights.constant("tail", np.array([3], dtype=np.int64))
    weights.constant("upper", np.array([0, FRAMES_PER_LATENT, 3, SPATIAL, SPATIAL], dtype=np.int64))
    nodes = [
        node("Conv", ["latent", "filter"], ["pixels"]),
        node("Sigmoid", ["pixels"], ["light"]),
        node("Mul", ["light", "white"], ["bright"]),
        node("Shape", ["latent"], ["shape"]),
        node("Gather", ["shape", "grid_slice"], ["grid"]),
        node("Concat", ["upper", "grid"], ["six"], axis=0),
        node("Reshape", ["bright", "six"], ["tiles"]),
        node("Transpose", ["tiles"], ["ordered"], perm=[0, 1, 5, 3, 6, 4, 2]),
        node("Mul", ["grid", "spatial"], ["size"]),
        node("Concat", ["head", "size", "tail"], ["target"], axis=0),
        node("Reshape", ["ordered", "target"], ["picture"]),
        node("Cast", ["picture"], ["frames"], to=TensorProto.UINT8),
    ]
    output = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["B", FRAMES_PER_LATENT, "H", "W", 3])
    return _model(nodes, [_float("latent", "B", channels, "rows", "cols")], output, weights)


def _float(name: str, *shape: int | str):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _model(nodes, inputs, output, weights: _Weights):
    graph = helper.make_graph(nodes, "tiny", inputs, [output], initializer=weights.tensors)
    # Written in an old dialect on purpose: every ONNX Runtime we allow reads it.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
