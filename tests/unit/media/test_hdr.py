"""Clips of a high dynamic range look as bright and as colourful as their ordinary copies."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from typing import Any, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from rushes.media import hdr
from rushes.media.decode import decode_video
from rushes.media.limits import VideoLimits

BT2020 = 9


def bright_film(codes: NDArray[np.uint16], transfer: int) -> bytes:
    """Four frames of 16-bit RGB codes (H, W, 3) in ten bits, tagged as BT.2020 with `transfer`."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = cast(av.VideoStream, container.add_stream("libx264", 25, options={"threads": "1", "crf": "4"}))
        context = stream.codec_context
        context.height, context.width = codes.shape[:2]
        context.pix_fmt, context.time_base = "yuv444p10le", Fraction(1, 25)
        context.colorspace = context.color_primaries = BT2020
        context.color_range, context.color_trc = 1, transfer
        for index in range(4):
            rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(codes), format="rgb48le")
            yuv = rgb.reformat(format="yuv444p10le", src_color_range=2, dst_color_range=1, dst_colorspace=BT2020)
            yuv.pts, yuv.time_base = index, Fraction(1, 25)
            yuv.colorspace, yuv.color_range, yuv.color_trc, yuv.color_primaries = BT2020, 1, transfer, BT2020
            container.mux(stream.encode(yuv))
        container.mux(stream.encode())
    return file.getvalue()


def patches(*colours: tuple[float, float, float]) -> NDArray[np.uint16]:
    """One square of 16 pixels for each colour, from left to right; values from 0 to 1."""
    row = np.repeat(np.array(colours), 16, axis=0)
    return np.rint(np.repeat(row[None], 16, axis=0) * 65_535).astype(np.uint16)


def seen(codes: NDArray[np.uint16], transfer: int) -> list[Any]:
    """The middle of each square as it comes out of the decoder."""
    frames = decode_video(bright_film(codes, transfer), VideoLimits()).frames_THWC
    return [frames[0, 8, at].astype(int).tolist() for at in range(8, codes.shape[1], 16)]


# A hundred, two hundred and three (white by BT.2408) and a thousand candela per square metre.
GREYS = {hdr.PQ: (0.5081, 0.5807, 0.7518), hdr.HLG: (0.6296, 0.75, 1.0)}


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_white_is_white_and_what_is_brighter_is_not_cut_at_once(transfer: int) -> None:
    dim, white, peak = seen(patches(*((grey,) * 3 for grey in GREYS[transfer])), transfer)
    assert 180 < min(dim) <= max(dim) < 200
    assert 220 < min(white) <= max(white) < 240
    assert min(peak) >= 254


@pytest.mark.parametrize("transfer", [hdr.PQ, hdr.HLG])
def test_colours_keep_their_hue_and_are_no_paler_than_they_were(transfer: int) -> None:
    low, high = 0.25, GREYS[transfer][0]
    red, green, blue = seen(patches((high, low, low), (low, high, low), (low, low, high)), transfer)
    assert red[0] > 170 and max(red[1:]) < 90
    assert green[1] > 170 and max(green[0], green[2]) < 90
    assert blue[2] > 170 and max(blue[:2]) < 90


def test_an_ordinary_clip_is_read_as_it_is() -> None:
    grey = patches((0.5, 0.5, 0.5))
    assert abs(seen(grey, transfer=1)[0][0] - 128) <= 1


def test_a_picture_is_the_same_in_one_piece_and_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(1).integers(0, 65_536, (100, 20, 3)).astype(np.uint16)
    strips = hdr.to_sdr(codes, hdr.HLG)
    monkeypatch.setattr(hdr, "ROWS", 1_000)
    assert np.array_equal(strips, hdr.to_sdr(codes, hdr.HLG))
