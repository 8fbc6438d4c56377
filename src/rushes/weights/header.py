"""What a safetensors file says of itself: a length, that much JSON, and then nothing but numbers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_HEADER_BYTES = 16 << 20
"""The header of a file with 10,000 tensors is a megabyte; a length beyond this is an attack or damage."""

DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
}  # fmt: skip


class Damaged(ValueError):
    """Why a file is no safetensors file, as the end of a sentence that begins with its name."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """`shape` in elements; `start` and `end` in bytes behind the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in the file at `path`, by name; they fill it from the header to its end, without gap or overlap.

    Errors  Damaged; OSError where the file cannot be read.
    """
    size_bytes, header_bytes, said = _said(path)
    found = {name: _tensor(name, about) for name, about in said.items() if name != "__metadata__"}
    at = 0
    for tensor in sorted(found.values(), key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.start != at:
            raise Damaged("has tensors that overlap or leave a gap")
        at = tensor.end
    if 8 + header_bytes + at != size_bytes:
        raise Damaged(f"is {size_bytes:,} bytes long and announces {8 + header_bytes + at:,}: a download cut short?")
    return found


def notes(path: Path) -> dict[str, str]:
    """What its writer noted in the file, name by name; empty where there is nothing. Errors  as `tensors`."""
    said = _said(path)[2].get("__metadata__") or {}
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise Damaged("has notes that are no strings")
    return said


def _said(path: Path) -> tuple[int, int, dict[str, Any]]:
    """The file's length, its header's, and the header."""
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if size_bytes < 8 or header_bytes > min(MOST_HEADER_BYTES, size_bytes - 8):
            raise Damaged(f"has no header within its {size_bytes:,} bytes")
        header = file.read(header_bytes)
    try:
        said = json.loads(header)
    except (ValueError, RecursionError):
        raise Damaged("has a header that is not JSON") from None
    if not isinstance(said, dict):
        raise Damaged("has a header that is no JSON object")
    return size_bytes, header_bytes, said


def _tensor(name: str, about: Any) -> Tensor:
    try:
        dtype, shape, (start, end) = about["dtype"], tuple(about["shape"]), about["data_offsets"]
        bits = DTYPE_BITS[dtype] * math.prod(shape)
        whole = all(type(number) is int and number >= 0 for number in (*shape, start, end))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Damaged(f"describes the tensor {name[:80]!r} in no way that is known") from None
    if not whole or 8 * (end - start) != bits:
        raise Damaged(f"gives the tensor {name[:80]!r} another length than its shape")
    return Tensor(dtype, shape, start, end)
