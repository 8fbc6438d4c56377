"""Videos that are hostile, damaged or only odd."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import cast

import av
import numpy as np
from foreign_cases import corners, film, image, tone, wav

Maker = Callable[[], bytes]

SMALL = [np.roll(corners(), 4 * index, axis=1) for index in range(8)]
ULTRAFAST = {"preset": "ultrafast"}
VP9 = {"cpu-used": "8", "deadline": "realtime"}


def rewritten(boxes: bytes, path: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """MP4 boxes with the body of every box at `path` changed, and the lengths around it put right."""
    written, at = b"", 0
    while at < len(boxes):
        length, name = int.from_bytes(boxes[at : at + 4], "big"), boxes[at + 4 : at + 8]
        body = boxes[at + 8 : at + length]
        if name == path[0]:
            body = change(body) if len(path) == 1 else rewritten(body, path[1:], change)
        written += struct.pack(">I", len(body) + 8) + name + body
        at += length
    return written


TABLES = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def plain() -> bytes:
    return film(SMALL)


def at(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body[:offset] + value + body[offset + len(value) :]


def elsewhere(address: str) -> bytes:
    """An MP4 whose samples are said to lie in another file."""
    entry = bytes(4) + address.encode() + b"\0"
    reference = bytes(4) + struct.pack(">I", 1) + struct.pack(">I", len(entry) + 8) + b"url " + entry
    return rewritten(plain(), (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"), lambda _: reference)


def matrix(*numbers: int) -> bytes:
    packed = b"".join((number & 0xFFFFFFFF).to_bytes(4, "big") for number in numbers)
    return rewritten(plain(), (b"moov", b"trak", b"tkhd"), at(40, packed))


def packets(codec: str, width: int, height: int, count: int) -> list[bytes]:
    """What one encoder makes of `count` pictures of one size."""
    encoder = cast(av.VideoCodecContext, av.CodecContext.create(codec, "w"))
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {} if codec == "mjpeg" else dict(VP9)
    found = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(corners(width, height), format="rgb24").reformat(format=encoder.pix_fmt)
        frame.pts = index
        found += encoder.encode(frame)
    return [bytes(packet) for packet in [*found, *encoder.encode(None)]]


def size_changes(codec: str, container_format: str) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = cast(av.VideoStream, container.add_stream(codec, 25))
        stream.width, stream.height = 48, 32
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index, data in enumerate([*packets(codec, 48, 32, 3), *packets(codec, 96, 64, 3)]):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts = stream, index * 40, index * 40
            packet.time_base, packet.is_keyframe = Fraction(1, 1000), index in (0, 3)
            container.mux(packet)
    return file.getvalue()


def many_streams(count: int) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        streams = [cast(av.VideoStream, container.add_stream("mpeg4", 25)) for _ in range(count)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for stream in streams:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(corners(), format="rgb24").reformat(format="yuv420p"))
            )
            container.mux(stream.encode(None))
    return file.getvalue()


def sound_only() -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = cast(av.AudioStream, container.add_stream("aac", 48_000, layout="stereo"))
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone(1).T), format="fltp", layout="stereo")
        block.sample_rate = 48_000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    return file.getvalue()


def nested(depth: int) -> bytes:
    box = b""
    for _ in range(depth):
        box = struct.pack(">I", len(box) + 8) + b"moov" + box
    return plain()[:32] + box


def flat(width: int, height: int, codec: str, options: dict[str, str], container_format: str = "mp4") -> bytes:
    return film([np.full((height, width, 3), 90, np.uint8)], container_format, codec, options=options)


def many_frames(count: int, step_ms: int, codec: str = "mpeg4") -> bytes:
    tiny = np.full((16, 16, 3), 90, np.uint8)
    return film([tiny] * count, "matroska", codec, times_ms=[index * step_ms for index in range(count)])


def brand(data: bytes, name: bytes) -> bytes:
    return data[:8] + name + data[12:16] + name + data[20:]


def tricks(url: str, file: Path) -> Iterator[tuple[str, Maker]]:
    """Texts that make a guessing demuxer open something else: `url` is a canary server, `file` a canary video."""
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}/segment.ts\n#EXT-X-ENDLIST\n"
    yield "playlist_of_a_server.m3u8", lambda: playlist.encode()
    yield "playlist_of_a_server.mp4", lambda: playlist.encode()
    yield "playlist_of_a_file.m3u8", lambda: playlist.replace(f"{url}/segment.ts", str(file)).encode()
    yield (
        "playlist_with_a_key.m3u8",
        lambda: playlist.replace("#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{url}/key"\n#EXTINF').encode(),
    )
    yield "playlist_of_playlists.m3u8", lambda: (f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}/inner.m3u8\n").encode()
    yield "concat_of_a_file.mp4", lambda: f"ffconcat version 1.0\nfile '{file}'\n".encode()
    yield "concat_of_a_neighbour.mp4", lambda: f"ffconcat version 1.0\nfile {file.name}\n".encode()
    yield "concat_of_a_server.mp4", lambda: f"ffconcat version 1.0\nfile {url}/clip.mp4\n".encode()
    yield "concat_2000_times.mp4", lambda: b"ffconcat version 1.0\n" + f"file '{file}'\n".encode() * 2000
    yield (
        "session.sdp",
        lambda: (
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
            b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
        ),
    )
    yield (
        "presentation.mpd",
        lambda: (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'
            f"<Period><BaseURL>{url}/</BaseURL></Period></MPD>"
        ).encode(),
    )
    yield "samples_in_another_file.mp4", lambda: elsewhere(f"file://{file}")
    yield "samples_on_a_server.mp4", lambda: elsewhere(f"{url}/samples")
    yield "subtitles.vtt", lambda: b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"
    yield "subtitles.srt", lambda: b"1\n00:00:00,000 --> 00:00:01,000\nhello\n"


def made() -> Iterator[tuple[str, Maker]]:
    """Name of the file and what makes it."""
    good = plain()
    half = len(good) // 2
    webm = film(SMALL, "webm", "libvpx-vp9", options=VP9)
    yield "h264_of_18_megapixels.mp4", lambda: flat(8192, 2176, "libx264", ULTRAFAST)
    yield "side_of_8200.mp4", lambda: flat(8200, 64, "libx264", ULTRAFAST)
    yield "vp9_of_10_megapixels.webm", lambda: flat(4096, 2560, "libvpx-vp9", VP9, "webm")
    yield "frames_2000.mkv", lambda: many_frames(2000, 1)
    yield "frames_1800.mkv", lambda: many_frames(1800, 30)
    yield "seconds_70.mkv", lambda: many_frames(70, 1000)
    yield "an_hour_between_two_frames.mkv", lambda: many_frames(2, 3_600_000)
    yield "vp9_pixels_above_the_header.webm", lambda: size_changes("libvpx-vp9", "webm")
    yield "jpegs_of_two_sizes.mkv", lambda: size_changes("mjpeg", "matroska")
    yield "movie_duration_lies.mp4", lambda: rewritten(good, (b"moov", b"mvhd"), at(16, b"\xff" * 4))
    yield "frame_durations_lie.mp4", lambda: rewritten(good, (*TABLES, b"stts"), at(12, b"\x7f\xff\xff\xff"))
    yield "frame_durations_of_0.mp4", lambda: rewritten(good, (*TABLES, b"stts"), at(12, bytes(4)))
    yield "samples_2_to_31.mp4", lambda: rewritten(good, (*TABLES, b"stsz"), at(8, b"\x7f\xff\xff\xff"))
    yield "sample_size_of_2_to_31.mp4", lambda: rewritten(good, (*TABLES, b"stsz"), at(4, b"\x7f\xff\xff\xff"))
    yield "offsets_behind_the_file.mp4", lambda: rewritten(good, (*TABLES, b"stco"), at(8, b"\x7f\xff\xff\xff"))
    yield "time_scale_of_0.mp4", lambda: rewritten(good, (b"moov", b"trak", b"mdia", b"mdhd"), at(12, bytes(4)))
    yield "picture_size_of_0.mp4", lambda: rewritten(good, (*TABLES, b"stsd"), at(40, bytes(4)))
    yield "codec_unknown.mp4", lambda: rewritten(good, (*TABLES, b"stsd"), at(12, b"evil"))
    yield "parameter_sets_of_nonsense.mp4", lambda: good.replace(b"avcC", b"avcX")
    yield "nested_1000_times.mp4", lambda: nested(1000)
    yield "box_of_length_1.mp4", lambda: good[:32] + b"\0\0\0\x01moov" + b"\xff" * 8
    yield "box_longer_than_the_file.mp4", lambda: good[:32] + b"\x7f\xff\xff\xffmoov" + good[40:]
    yield "only_a_brand.mp4", lambda: good[:32]
    yield "cut_before_its_index.mp4", lambda: good[:half]
    yield "cut_behind_its_index.mp4", lambda: faststart(good)[: half + half // 2]
    yield "index_twice.mp4", lambda: good + good[good.index(b"moov") - 4 :]
    yield "turned.mp4", lambda: matrix(0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    yield "matrix_of_nonsense.mp4", lambda: matrix(*([0x7FFFFFFF] * 9))
    yield "matrix_of_0.mp4", lambda: matrix(*([0] * 9))
    yield (
        "fragmented.mp4",
        lambda: film(SMALL, container_options={"movflags": "+frag_keyframe+empty_moov+default_base_moof"}),
    )
    yield "twelve_streams.mp4", lambda: many_streams(12)
    yield "sound_only.mp4", sound_only
    yield "ten_bits.mp4", lambda: film(SMALL, pix_fmt="yuv420p10le")
    yield "full_colour.mp4", lambda: film(SMALL, pix_fmt="yuv444p")
    yield "one_frame.mp4", lambda: film(SMALL[:1])
    yield "pixels_a_thousand_wide.mkv", lambda: film(SMALL, "matroska", pixel_aspect=Fraction(1000, 1))
    yield "see_through.webm", lambda: film(SMALL, "webm", "libvpx-vp9", options=VP9, pix_fmt="yuva420p")
    yield "one_pixel.webm", lambda: film([corners(2, 2)[:1, :1]] * 2, "webm", "libvpx-vp9", options=VP9)
    yield "ffv1.mkv", lambda: film(SMALL, "matroska", "ffv1")
    yield "run_lengths.mov", lambda: film(SMALL, "mov", "qtrle", pix_fmt="rgb24")
    yield "pro_res.mov", lambda: film(SMALL, "mov", "prores_ks", pix_fmt="yuv422p10le")
    yield "pngs.mov", lambda: film(SMALL, "mov", "png", pix_fmt="rgb24")
    yield "raw.mov", lambda: film(SMALL, "mov", "rawvideo", pix_fmt="yuv420p")
    yield "interchange.avi", lambda: film(SMALL, "avi", "mpeg4")
    yield "transport.ts", lambda: film(SMALL, "mpegts")
    yield "flash.flv", lambda: film(SMALL, "flv")
    yield "bare_stream.h264", lambda: film(SMALL, "h264")
    yield "ogg.ogv", lambda: film(SMALL, "ogg", "libvpx")
    yield "brand_unknown.mp4", lambda: brand(good, b"evil")
    yield "container_header_only.webm", lambda: webm[:40]
    yield "kind_of_document_unknown.mkv", lambda: webm.replace(b"webm", b"evil", 1)
    yield "cut_in_the_middle.webm", lambda: webm[: len(webm) // 2]
    yield "lengths_of_nonsense.mkv", lambda: webm[:48] + b"\x01" + b"\xff" * 60 + webm[109:]
    yield "noise_behind_a_header.webm", lambda: webm[:40] + np.random.default_rng(6).bytes(4000)
    yield "really_an_image.mp4", lambda: image(corners(), "PNG")
    yield "really_a_sound.mp4", lambda: wav(tone(3))
    yield "empty.mp4", lambda: b""


def faststart(data: bytes) -> bytes:
    """The same file with its index first, and the sample offsets moved along."""
    index = data.index(b"moov") - 4
    moov, begin = data[index:], data.index(b"mdat") - 4

    def moved(body: bytes) -> bytes:
        count = int.from_bytes(body[4:8], "big")
        return body[:8] + struct.pack(f">{count}I", *(o + len(moov) for o in struct.unpack(f">{count}I", body[8:])))

    return data[:begin] + rewritten(moov, (*TABLES, b"stco"), moved) + data[begin:index]
