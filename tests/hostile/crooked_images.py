"""Images that are hostile, damaged or only odd, made byte by byte where no library would write them."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from foreign_cases import corners, film, image
from PIL import Image, ImageCms

Maker = Callable[[], bytes]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, INDEXED = 0, 2, 3


def chunk(name: bytes, body: bytes, *, broken: bool = False) -> bytes:
    check = zlib.crc32(name + body) ^ (0xFFFF if broken else 0)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def header(width: int, height: int, depth: int, colour: int, interlaced: int = 0) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)


def zeros(count: int) -> bytes:
    """`count` zero bytes, deflated without ever holding them."""
    packer, block = zlib.compressobj(9), bytes(1 << 20)
    packed = [packer.compress(block) for _ in range(count // len(block))]
    return b"".join([*packed, packer.compress(bytes(count % len(block))), packer.flush()])


def png(width: int, height: int, depth: int, colour: int, *extra: bytes, data: bytes | None = None) -> bytes:
    """All zero unless `data`, the deflated rows, is given."""
    samples = 3 if colour == RGB else 1
    rows = zeros(height * (1 + (width * depth * samples + 7) // 8)) if data is None else data
    return SIGNATURE + chunk(b"IHDR", header(width, height, depth, colour)) + b"".join(extra) + idat(rows)


def idat(rows: bytes) -> bytes:
    return chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def deep_rgb() -> bytes:
    rows = b"".join(b"\0" + b"\xff\xff\x80\x00\x00\x00" * 8 for _ in range(8))
    return png(8, 8, 16, RGB, data=zlib.compress(rows))


def index_out_of_palette() -> bytes:
    rows = b"".join(b"\0" + bytes([0, 200] * 4) for _ in range(8))
    return png(8, 8, 8, INDEXED, chunk(b"PLTE", b"\xff\0\0"), data=zlib.compress(rows))


def broken_check(name: bytes) -> bytes:
    good = image(corners(), "PNG")
    at = good.index(name)
    length = int.from_bytes(good[at - 4 : at], "big")
    end = at + 4 + length
    return good[:end] + bytes(byte ^ 0xFF for byte in good[end : end + 4]) + good[end + 4 :]


def animated(file_format: str, frames: int, side: int) -> bytes:
    blank, other = Image.new("P", (side, side)), Image.new("P", (side, side), 1)
    others = [other if index % 2 else blank for index in range(frames - 1)]
    return image(blank, file_format, save_all=True, append_images=others, duration=20)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is there `count` times more."""
    whole = image(corners(64, 64), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * count + whole[-2:]


def stated_jpeg(width: int, height: int, precision: int = 8, *, progressive: bool = False) -> bytes:
    """A small JPEG whose frame header says something else."""
    whole = image(corners(), "JPEG", progressive=progressive)
    at = whole.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    return whole[: at + 4] + struct.pack(">BHH", precision, height, width) + whole[at + 9 :]


def with_segment(marker: int, body: bytes) -> bytes:
    whole = image(corners(), "JPEG")
    return whole[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + whole[2:]


def exif_that_bites_its_tail() -> bytes:
    """An IFD of EXIF that names itself as the next."""
    ifd = struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    return with_segment(0xE1, b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + ifd)


def damaged_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return image(corners(), "PNG", icc_profile=profile[:128] + b"\xff" * (len(profile) - 128))


def webp_header(width: int, height: int) -> bytes:
    """Lossless WebP that states its size and holds next to nothing: 34 bytes for a gigabyte."""
    bits = (width - 1) | (height - 1) << 14
    body = b"\x2f" + bits.to_bytes(4, "little") + bytes(9)
    riff = b"WEBP" + b"VP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(riff)) + riff


def webp_canvas(width: int, height: int) -> bytes:
    """Extended WebP around a small picture."""
    inner = image(corners(), "WEBP")[12:]
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (width - 1).to_bytes(3, "little")
    riff = b"WEBP" + extended + (height - 1).to_bytes(3, "little") + inner
    return b"RIFF" + struct.pack("<I", len(riff)) + riff


def gif(width: int, height: int, left: int = 0, frame: bytes = b"\x02\x02\x4c\x01\x00") -> bytes:
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    descriptor = b"," + struct.pack("<HHHHB", left, 0, 2, 2, 0)
    return b"GIF89a" + screen + (descriptor + frame if frame else b"") + b";"


def repeated_gif(side: int, count: int) -> bytes:
    """The same frame `count` times."""
    one = image(Image.new("P", (side, side)), "GIF")
    begin = one.index(b",", 13)
    return one[:begin] + one[begin:-1] * count + b";"


def stated_avif(width: int, height: int) -> bytes:
    whole = image(corners(), "AVIF")
    at = whole.index(b"ispe") + 8
    return whole[:at] + struct.pack(">II", width, height) + whole[at + 8 :]


def made() -> Iterator[tuple[str, Maker]]:
    """Name of the file and what makes it."""
    good_png, good_jpeg = image(corners(), "PNG"), image(corners(), "JPEG")
    good_webp, good_avif = image(corners(), "WEBP"), image(corners(), "AVIF")
    jpeg = with_segment
    yield "30000_squared_1_bit.png", lambda: png(30000, 30000, 1, GREY)
    yield "20000_squared_rgb_without_rows.png", lambda: png(20000, 20000, 8, RGB, data=zeros(1000))
    yield "9400_squared_just_under_pillows_limit.png", lambda: png(9400, 9400, 8, GREY)
    yield "12001_wide_and_1_high.png", lambda: png(12001, 1, 8, GREY)
    yield "12000_wide_and_1_high.png", lambda: png(12000, 1, 8, GREY)
    yield "size_of_2_to_31.png", lambda: png(2**31 - 1, 2**31 - 1, 8, RGB, data=zeros(100))
    yield "size_with_the_sign_bit.png", lambda: png(2**32 - 1, 1, 8, RGB, data=zeros(100))
    yield "width_0.png", lambda: png(0, 8, 8, GREY, data=zeros(8))
    yield "text_of_100_mb_packed.png", lambda: png(8, 8, 8, GREY, chunk(b"zTXt", b"a\0\0" + zeros(100 << 20)))
    yield "profile_of_100_mb_packed.png", lambda: png(8, 8, 8, GREY, chunk(b"iCCP", b"a\0\0" + zeros(100 << 20)))
    yield "more_rows_than_stated.png", lambda: png(8, 8, 8, GREY, data=zeros(50 << 20))
    yield "header_check_broken.png", lambda: broken_check(b"IHDR")
    yield "pixels_check_broken.png", lambda: broken_check(b"IDAT")
    yield "cut_in_the_middle.png", lambda: good_png[: len(good_png) // 2]
    yield "only_a_signature.png", lambda: SIGNATURE
    yield "without_pixels.png", lambda: SIGNATURE + chunk(b"IHDR", header(8, 8, 8, GREY)) + chunk(b"IEND", b"")
    yield "unknown_critical_chunk.png", lambda: png(8, 8, 8, GREY, chunk(b"EViL", b"x"))
    yield "depth_of_3_bits.png", lambda: png(8, 8, 3, GREY)
    yield "chunk_longer_than_the_file.png", lambda: good_png[:33] + b"\x7f\xff\xff\xffIDAT" + good_png[41:]
    yield "deflate_garbage.png", lambda: png(8, 8, 8, GREY, data=b"\x78\x9c" + b"\xff" * 60)
    yield "deep_rgb.png", deep_rgb
    yield "index_out_of_palette.png", index_out_of_palette
    yield "one_pixel.png", lambda: png(1, 1, 8, GREY)
    yield "clear_throughout.png", lambda: image(Image.new("RGBA", (8, 8), (255, 255, 255, 0)), "PNG")
    yield "animated_2000_times.png", lambda: animated("PNG", 2000, 8)
    yield "html_behind.png", lambda: good_png + b"<html><script>alert(1)</script></html>"
    yield "profile_damaged.png", damaged_profile
    yield "scans_6000.jpg", lambda: scans(6000)
    yield "scans_80.jpg", lambda: scans(80)
    yield "scans_40.jpg", lambda: scans(40)
    yield "states_65500_squared.jpg", lambda: stated_jpeg(65500, 65500)
    yield "states_12000_squared_progressive.jpg", lambda: stated_jpeg(12000, 12000, progressive=True)
    yield "states_6000_squared_progressive.jpg", lambda: stated_jpeg(6000, 6000, progressive=True)
    yield "states_height_0.jpg", lambda: stated_jpeg(48, 0)
    yield "states_12_bits.jpg", lambda: stated_jpeg(48, 32, 12)
    yield "cut_in_the_middle.jpg", lambda: good_jpeg[: len(good_jpeg) * 2 // 3]
    yield "only_a_start.jpg", lambda: b"\xff\xd8\xff"
    yield "without_an_end.jpg", lambda: good_jpeg[:-2]
    yield "exif_garbage.jpg", lambda: jpeg(0xE1, b"Exif\0\0" + b"\xff" * 500)
    yield "exif_bites_its_tail.jpg", exif_that_bites_its_tail
    yield "segment_longer_than_the_file.jpg", lambda: good_jpeg[:2] + b"\xff\xe2\xff\xff" + good_jpeg[2:60]
    yield "php_in_a_comment.jpg", lambda: jpeg(0xFE, b"<?php system('id'); ?>")
    yield "adobe_marker_of_nonsense.jpg", lambda: jpeg(0xEE, b"Adobe\0\x64\0\0\0\0\x07")
    yield "cmyk.jpg", lambda: image(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG")
    yield (
        "second_picture_behind.jpg",
        lambda: image(Image.fromarray(corners()), "MPO", save_all=True, append_images=[Image.fromarray(corners())]),
    )
    yield "lossless_16383_squared.webp", lambda: webp_header(16383, 16383)
    yield "canvas_of_2_to_24.webp", lambda: webp_canvas(1 << 24, 1 << 24)
    yield "canvas_larger_than_its_picture.webp", lambda: webp_canvas(2000, 2000)
    yield "cut_in_the_middle.webp", lambda: good_webp[: len(good_webp) // 2]
    yield "only_a_riff.webp", lambda: b"RIFF\x04\0\0\0WEBP"
    yield "length_lies.webp", lambda: good_webp[:4] + b"\xff\xff\xff\xff" + good_webp[8:]
    yield "65535_squared.gif", lambda: gif(65535, 65535)
    yield "4000_squared_500_times.gif", lambda: repeated_gif(4000, 500)
    yield "frame_beside_its_screen.gif", lambda: gif(4, 4, left=60000)
    yield "without_a_frame.gif", lambda: gif(4, 4, frame=b"")
    yield "codes_of_nonsense.gif", lambda: gif(2, 2, frame=b"\x0c\x05\xff\xff\xff\xff\xff\x00")
    yield "script_behind.gif", lambda: image(corners(), "GIF") + b"/**/=1;alert(1)//"
    yield "states_30000_squared.avif", lambda: stated_avif(30000, 30000)
    yield "states_4000_squared.avif", lambda: stated_avif(4000, 4000)
    yield "cut_in_the_middle.avif", lambda: good_avif[: len(good_avif) // 2]
    yield "only_a_brand.avif", lambda: b"\0\0\0\x14ftypavif\0\0\0\0avif"
    yield "brand_of_heic.avif", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + good_avif[24:]
    yield "tiff.tif", lambda: image(corners(), "TIFF")
    yield "bitmap.bmp", lambda: image(corners(), "BMP")
    yield "jpeg_2000.jp2", lambda: image(corners(), "JPEG2000")
    yield "icon.ico", lambda: image(corners(), "ICO")
    yield "portable.ppm", lambda: image(corners(), "PPM")
    yield "direct_draw.dds", lambda: image(corners(), "DDS")
    yield "postscript.eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(%pipe%id) (r) file\n"
    yield (
        "entity.svg",
        lambda: (
            b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
            b'<svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text></svg>'
        ),
    )
    yield "photoshop.psd", lambda: b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(400)
    yield "sky.fits", lambda: b"SIMPLE  =                    T" + b" " * 2850
    yield "xl.jxl", lambda: b"\xff\x0a" + bytes(60)
    yield "document.pdf", lambda: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"
    yield "png_in_gzip.png", lambda: gzip.compress(good_png, mtime=0)
    yield "page.html", lambda: b"<!doctype html><img src=x onerror=alert(1)>"
    yield "empty.png", lambda: b""
    yield "one_byte.png", lambda: b"\x89"
    yield "noise.png", lambda: np.random.default_rng(5).bytes(5000)
    yield "really_a_video.png", lambda: film([corners()] * 2)
    yield "image_behind_spaces.png", lambda: b"  " + good_png
