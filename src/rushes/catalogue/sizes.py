"""The sizes a model makes: a free range, a list of pairs, or tiers by ratio; and which of them was asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rushes.catalogue.wording import listed, number
from rushes.contract.request import Note, VideoRequest
from rushes.errors import InvalidValue, MissingField, UnsupportedField


@dataclass(frozen=True, slots=True)
class Size:
    """Pixels of the finished file."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{number(self.width)}x{number(self.height)}"

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class FreeSizes:
    """Any width and height from `low` to `high` pixels that are multiples of `multiple`, up to `max_area` pixels."""

    low: int
    high: int
    multiple: int
    max_area: int

    def holds(self, size: Size) -> bool:
        return self._fault(size) is None

    def _fault(self, size: Size) -> str | None:
        """The field at fault; "width" where only the two together are too many pixels."""
        for field in ("width", "height"):
            side = getattr(size, field)
            if not self.low <= side <= self.high or side % self.multiple:
                return field
        return "width" if size.area > self.max_area else None

    def check(self, size: Size, model: str) -> None:
        field = self._fault(size)
        if field is None:
            return
        side = getattr(size, field)
        if self.low <= side <= self.high and side % self.multiple == 0:
            given, allowed = f"{size} ({size.area:,} pixels)", f"up to {self.max_area:,} pixels"
        else:
            given, allowed = number(side), self.sides
        raise InvalidValue(
            field=field, given=given, allowed=allowed, model=model, hint=f"the nearest size is {self.nearest(size)}"
        )

    @property
    def sides(self) -> str:
        step = {1: "", 2: ", even"}.get(self.multiple, f", a multiple of {self.multiple}")
        return f"{self.low} to {self.high}{step}"

    def nearest(self, size: Size) -> Size:
        """An allowed size close to `size`; too large an area is shrunk in its own shape."""
        width, height = (min(max(side, self.low), self.high) for side in (size.width, size.height))
        if width * height > self.max_area:
            shrink = math.sqrt(self.max_area / (width * height))
            width, height = int(width * shrink), int(height * shrink)
            return Size(width - width % self.multiple, height - height % self.multiple)
        found = Size(*(min(self._rounded(side), self._highest) for side in (width, height)))
        # Rounding up may step over the area that the unrounded sides just kept.
        return found if self.holds(found) else Size(width - width % self.multiple, height - height % self.multiple)

    def _rounded(self, side: int) -> int:
        return (side + (self.multiple - 1) // 2) // self.multiple * self.multiple

    @property
    def _highest(self) -> int:
        return self.high - self.high % self.multiple


@dataclass(frozen=True, slots=True)
class Tier:
    resolution: str
    ratio: str
    size: Size


@dataclass(frozen=True, slots=True)
class Tiers:
    """Sizes by resolution tier and ratio, as the Wan 2.7 models name them."""

    table: tuple[Tier, ...]
    resolution: str  # where only a ratio is given
    ratio: str  # where only a resolution is given

    @property
    def resolutions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tier.resolution for tier in self.table))

    @property
    def ratios(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tier.ratio for tier in self.table))

    def size(self, resolution: str, ratio: str) -> Size:
        return next(t.size for t in self.table if t.resolution == resolution and t.ratio == ratio)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The ways a model lets its size be said. Several may be open at once; `default` None means the default tier."""

    free: FreeSizes | None = None
    pairs: tuple[Size, ...] = ()
    tiers: Tiers | None = None
    default: Size | None = None

    @property
    def takes_pixels(self) -> bool:
        return self.free is not None or bool(self.pairs)

    @property
    def pixels(self) -> str:
        """What width and height may say, in words."""
        if self.free is not None:
            return f"each {self.free.sides}, together up to {self.free.max_area:,} pixels"
        return listed(self.pairs)

    @property
    def allowed(self) -> str:
        """What may come out, whichever way it is said."""
        if self.takes_pixels or self.tiers is None:
            return self.pixels
        return listed(tier.size for tier in self.tiers.table)

    @property
    def preset(self) -> Size:
        """The size where nothing is said."""
        if self.default is not None:
            return self.default
        if self.tiers is None:
            raise ValueError("sizes without tiers need a default")
        return self.tiers.size(self.tiers.resolution, self.tiers.ratio)

    def can_make(self, size: Size) -> bool:
        """Whether this size can come out, whichever way it was said."""
        in_tiers = self.tiers is not None and any(tier.size == size for tier in self.tiers.table)
        return in_tiers or size in self.pairs or (self.free is not None and self.free.holds(size))


WAN_TIERS = Tiers(
    # Together's Wan 2.7 quickstart. Not exact ratios: 1104x832 is 1.327, because sides are multiples of 16.
    table=tuple(
        Tier(resolution, ratio, Size(*size))
        for resolution, sizes in {
            "720P": ((1280, 720), (720, 1280), (960, 960), (1104, 832), (832, 1104)),
            "1080P": ((1920, 1080), (1080, 1920), (1440, 1440), (1648, 1248), (1248, 1648)),
        }.items()
        for ratio, size in zip(("16:9", "9:16", "1:1", "4:3", "3:4"), sizes, strict=True)
    ),
    resolution="1080P",
    ratio="16:9",
)


def open_sizes(width: int, height: int) -> Sizes:
    """Of models with weights of their own: any even size and every tier up to 1080P; this size where none is asked for.

    A ratio alone is of 720P: none makes more than that in one pass, and 1080P unasked would be scaling.
    """
    return Sizes(
        free=FreeSizes(low=64, high=1920, multiple=2, max_area=1920 * 1088),
        tiers=replace(WAN_TIERS, resolution="720P"),
        default=Size(width, height),
    )


def settle_size(request: VideoRequest, sizes: Sizes, model: str) -> tuple[Size, tuple[Note, ...]]:
    """The size that `request` asks of a model with these `sizes`, and what was defaulted on the way.

    Raises UnsupportedField, MissingField, InvalidValue.
    """
    tier = _asked_tier(request, sizes, model)
    pixels = _asked_pixels(request, sizes, model)
    if pixels is not None:
        _refuse_conflict(request, pixels, sizes, model)
        return pixels, ()
    if tier is not None:
        return tier.size, _tier_notes(request, tier)
    tiers = sizes.tiers
    if tiers is None or sizes.default is not None:
        width, height = sizes.preset.width, sizes.preset.height
        return sizes.preset, (
            Note("default", "width", f"{width} pixels, the model's default"),
            Note("default", "height", f"{height} pixels, the model's default"),
        )
    return sizes.preset, (
        Note("default", "resolution", f"{tiers.resolution}, the model's default"),
        Note("default", "ratio", f"{tiers.ratio}, the model's default"),
    )


def _asked_tier(request: VideoRequest, sizes: Sizes, model: str) -> Tier | None:
    if request.resolution is None and request.ratio is None:
        return None
    if sizes.tiers is None:
        field = "resolution" if request.resolution is not None else "ratio"
        raise UnsupportedField(
            field=field, given=getattr(request, field), model=model, hint=f"send width and height: {sizes.pixels}"
        )
    resolution = sizes.tiers.resolution if request.resolution is None else request.resolution.upper()
    ratio = sizes.tiers.ratio if request.ratio is None else request.ratio
    for field, value, known in (
        ("resolution", resolution, sizes.tiers.resolutions),
        ("ratio", ratio, sizes.tiers.ratios),
    ):
        if value not in known:
            raise InvalidValue(field=field, given=getattr(request, field), allowed=listed(known), model=model)
    return Tier(resolution, ratio, sizes.tiers.size(resolution, ratio))


def _asked_pixels(request: VideoRequest, sizes: Sizes, model: str) -> Size | None:
    if request.width is None and request.height is None:
        return None
    if not sizes.takes_pixels:
        field = "width" if request.width is not None else "height"
        known = sizes.tiers
        hint = f"send resolution ({listed(known.resolutions)}) and ratio ({listed(known.ratios)})" if known else None
        raise UnsupportedField(field=field, given=number(getattr(request, field)), model=model, hint=hint)
    if request.width is None or request.height is None:
        given, missing = ("width", "height") if request.height is None else ("height", "width")
        raise MissingField(
            field=missing,
            allowed=sizes.pixels,
            model=model,
            hint=f"{given} alone does not say the shape: send {missing} too, or leave both out for {sizes.preset}",
        )
    size = Size(request.width, request.height)
    if size in sizes.pairs or (sizes.free is not None and sizes.free.holds(size)):
        return size
    if sizes.free is not None:
        sizes.free.check(size, model)
    field = "height" if any(pair.width == size.width for pair in sizes.pairs) else "width"
    raise InvalidValue(field=field, given=size, allowed=sizes.pixels, model=model)


def _refuse_conflict(request: VideoRequest, pixels: Size, sizes: Sizes, model: str) -> None:
    """Two ways of saying the size may stand together only where they say the same."""
    if sizes.tiers is None or (request.resolution is None and request.ratio is None):
        return
    resolution = request.resolution.upper() if request.resolution is not None else None
    fitting = [
        tier
        for tier in sizes.tiers.table
        if resolution in (None, tier.resolution) and request.ratio in (None, tier.ratio)
    ]
    if any(tier.size == pixels for tier in fitting):
        return
    if resolution is None and request.ratio is not None and _has_ratio(pixels, request.ratio):
        return
    field = "resolution" if resolution is not None else "ratio"
    any_of_shape = resolution is None and sizes.free is not None
    raise InvalidValue(
        field=field,
        given=f"{getattr(request, field)} beside {pixels}",
        allowed=f"a size of that shape, such as {fitting[0].size}"
        if any_of_shape
        else listed(dict.fromkeys(tier.size for tier in fitting)) + " with it",
        model=model,
        hint="send either width and height, or resolution and ratio",
    )


def _has_ratio(size: Size, ratio: str) -> bool:
    """Whether `size` is `ratio` to within the two pixels that rounding to an even size may cost (1366x768 is 16:9)."""
    across, down = (int(side) for side in ratio.split(":"))
    return abs(size.width - size.height * across / down) < 2 or abs(size.height - size.width * down / across) < 2


def _tier_notes(request: VideoRequest, tier: Tier) -> tuple[Note, ...]:
    notes = []
    if request.resolution is None:
        notes.append(Note("default", "resolution", f"{tier.resolution}, the model's default"))
    if request.ratio is None:
        notes.append(Note("default", "ratio", f"{tier.ratio}, the model's default"))
    return tuple(notes)
