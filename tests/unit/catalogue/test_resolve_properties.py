"""What holds of every request, however odd."""

from __future__ import annotations

import json
from typing import Any

from catalogue_cases import draw, every_offer
from hypothesis import given, settings
from hypothesis import strategies as st

from rushes.catalogue.lookup import Offer
from rushes.catalogue.resolve import resolve
from rushes.catalogue.sizes import Size
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.errors import Refused, RushesError

NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**4000), 0, 1, -1])
WHOLE = st.integers() | st.sampled_from([10**400, -(10**4000), 0, 1, -1])
TEXT = st.text(st.characters(), max_size=60)  # st.characters() may draw halves of surrogate pairs
SOURCES = st.lists(TEXT | st.just("https://example.com/a"), max_size=3).map(tuple)
FRAMES = st.none() | st.integers(-2, 700) | st.sampled_from(["first", "last", "LAST", "x", 10**4000])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS.filter(lambda n: abs(n) < 10**300) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)

MEDIA = st.builds(
    Media,
    frame_images=st.lists(st.builds(FrameImage, st.just("data:,") | TEXT, FRAMES), max_size=4).map(tuple),
    frame_videos=SOURCES,
    reference_images=SOURCES,
    reference_videos=SOURCES,
    source_video=st.none() | TEXT,
    audio_inputs=SOURCES,
)


def mostly(fine: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A good value or None, seldom an odd one, so that many requests get past every check."""
    return st.integers(0, 29).flatmap(lambda n: odd if n == 29 else fine | st.none() if n % 2 else st.none())


SIZES = mostly(
    st.sampled_from(
        [
            {"width": 1366, "height": 768},
            {"width": 1920, "height": 1080},
            {"width": 1280, "height": 720},
            {"resolution": "720p"},
            {"ratio": "9:16"},
            {"resolution": "1080P", "ratio": "1:1"},
            {"width": 1920, "height": 1080, "resolution": "1080P"},
        ]
    ),
    st.fixed_dictionaries({}, optional={"width": WHOLE, "height": WHOLE, "resolution": TEXT, "ratio": TEXT}),
)
FIELDS = st.fixed_dictionaries(
    {
        "prompt": st.just("a fox runs along the beach") | mostly(st.just("x" * 2_400), TEXT),
        "negative_prompt": mostly(st.sampled_from(["rain", ""]), TEXT),
        "seconds": mostly(st.sampled_from([5.0, 6.0, 2.5, 10.0]), NUMBERS),
        "fps": mostly(st.sampled_from([24, 25, 30]), WHOLE),
        "steps": mostly(st.integers(10, 50), WHOLE),
        "guidance_scale": mostly(st.floats(0.1, 20), NUMBERS),
        "seed": mostly(st.integers(0, 2**31 - 1), WHOLE),
        "output_format": mostly(st.sampled_from(["mp4", "WEBM"]), TEXT),
        "output_quality": mostly(st.integers(0, 51), WHOLE),
        "generate_audio": mostly(st.just(False), st.just(True)),
        "media": mostly(st.just(Media()), MEDIA).map(lambda media: media or Media()),
        "metadata": mostly(st.dictionaries(st.text("ab"), st.integers()), st.dictionaries(TEXT, JSON, max_size=3)).map(
            lambda metadata: metadata or {}
        ),
        "warnings": st.just(()) | st.lists(TEXT, max_size=2).map(tuple),
    }
)
REQUESTS = st.builds(lambda fields, size: VideoRequest("any", **fields, **(size or {})), FIELDS, SIZES)
OFFERS = st.sampled_from([offer for offer in every_offer() if offer.unmakeable is None])


@given(REQUESTS, OFFERS)
@settings(max_examples=400, deadline=None)
def test_a_request_is_made_within_every_rule_or_refused_with_a_field(request: VideoRequest, offer: Offer) -> None:
    try:
        made = resolve(request, offer, draw)
    except RushesError as error:
        assert isinstance(error, Refused)
        assert error.status == 400
        assert error.field
        error.message.encode("utf-8")
        return
    within_the_rules(made, offer)
    as_asked(made, request)
    text = json.dumps(made.to_json(), allow_nan=False, ensure_ascii=False)
    text.encode("utf-8")
    assert ResolvedRequest.from_json(json.loads(text)) == made


@given(MEDIA, OFFERS)
@settings(max_examples=300, deadline=None)
def test_any_media_is_placed_inside_the_clip_or_refused_by_its_path(media: Media, offer: Offer) -> None:
    try:
        made = resolve(VideoRequest("any", prompt="a fox runs left", media=media), offer, draw)
    except Refused as error:
        assert str(error.field).startswith(("media.", "prompt"))
        return
    within_the_rules(made, offer)


def within_the_rules(made: ResolvedRequest, offer: Offer) -> None:
    for rules, _ in offer.parties:
        for field in ("seconds", "fps", "steps", "guidance_scale", "seed", "output_quality"):
            assert getattr(rules, field).holds(getattr(made, field)), field
        assert made.output_format in rules.output_formats
        assert rules.sizes.can_make(Size(made.width, made.height))
        assert rules.generate_audio or not made.generate_audio
        assert set(made.media.given()) <= set(rules.media.taken())
        assert rules.prompt.taken or not made.prompt
        assert rules.negative_prompt.taken or not made.negative_prompt
        assert len(made.prompt) <= rules.prompt.max_chars
    assert made.num_frames == round(made.seconds * made.fps) >= 1
    frames = [image.frame for image in made.media.frame_images]
    assert all(isinstance(frame, int) and 0 <= frame < made.num_frames for frame in frames)
    assert len(set(frames)) == len(frames)


def as_asked(made: ResolvedRequest, request: VideoRequest) -> None:
    """What was asked for is what is made, never something near it."""
    for field in ("width", "height", "seconds", "fps", "steps", "guidance_scale", "seed", "output_quality"):
        asked = getattr(request, field)
        assert asked is None or getattr(made, field) == asked, field
    assert made.prompt == (request.prompt or "")
    listed = {note.field for note in made.notes if note.kind == "default"}
    for field in ("seconds", "fps", "steps", "guidance_scale", "seed", "output_format", "output_quality"):
        assert (getattr(request, field) is None) == (field in listed), field
