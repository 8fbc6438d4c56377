"""Films as the transformer sees them: video, reference, sound and words in one sequence of tokens.

Each token has a noise level of its own; what a person brings along is simply clean (diffusion forcing, Chen et al.
2024). Which tokens are clean is thrown anew for every batch and clip, so that one network learns to make pictures,
sound, both, or either to the other, from words alone or after a reference, from the beginning or on from there.

Shapes  B clips, T frames, N tokens, C values of a token, L words, K tokens of sound in a latent frame.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rushes.models.mini.sound import RATE, heard, to_tokens
from rushes.models.mini.text import UNKNOWN, Tokenizer
from training.network import REFERENCE, SOUND, VIDEO, Encoder, positions
from training.plan import REFERENCE_APART_S, Plan
from training.render import Films

SHORT = 0.08  # share of batches with shorter clips, for requests as short
SILENT = 0.12  # share of clips trained without their words, for guidance
FLOOR = 0.25  # noise level under which the loss no longer grows: details are the decoder's work
SUBJECT_WEIGHT = 4.0
REFERENCES = (0, 0, 1, 2)  # latent frames of a reference, by chance: none, none, a picture, a clip
NAMELESS = {True: 0.5, False: 0.03}  # share of clips whose words do not say who it is: with a reference, and without
MUTE = 0.25  # share of batches without sound, for films that are to be silent
AS_PICTURE, GIVEN_SOUND, OWN_PACE = 0.5, 0.7, 0.85  # of clips: sound as noisy as its picture; clean; on its own; rest …
"""… sound to a picture that is finished."""


@dataclass(frozen=True)
class Material:
    """Films folded into latents, before anything is thrown. `references` and `sound` are None where there are none."""

    video: Tensor  # (B, T, C, h, w)
    emphasis: Tensor  # (B, T · h · w): how much of each token is subject, 0 to 1
    words: Tensor  # (B, L)
    sound: Tensor | None  # (B, hops, values of a hop), from the first frame on
    references: Tensor | None  # (B, T', C, r, r)
    follows: Tensor | None = None  # (B,) bool: clips whose sound is given, whatever is thrown


@dataclass(frozen=True)
class Sequence:
    """Clean tokens with the noise level that each is to be seen at. `weight` is 0 where nothing is to be learned."""

    clean: Tensor  # (B, N, C)
    sigma: Tensor  # (B, N)
    position: Tensor  # (B, N, 3)
    kind: Tensor  # (B, N)
    words: Tensor  # (B, L)
    weight: Tensor  # (B, N)

    def loss(self, guess: Tensor) -> Tensor:
        """Mean squared error of velocity, bounded near the end, where the decoder forgives."""
        error = (guess.float() - self.clean).square().mean(-1)
        return (error * self.weight / self.sigma.clamp(min=FLOOR) ** 2).sum() / self.weight.sum().clamp(min=1)

    def noisy(self) -> Tensor:
        return torch.lerp(self.clean, torch.randn_like(self.clean), self.sigma[..., None])


@torch.no_grad()
def latents(frames: Tensor, encoder: Encoder) -> Tensor:
    """(B, T, 3, H, W) uint8 → (B, T / frames of a latent, C, h, w)."""
    length = encoder.codec.frames
    chunks = frames.unflatten(1, (-1, length)).flatten(0, 1).flatten(1, 2)
    pixels = (chunks.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
    with torch.autocast(frames.device.type, torch.bfloat16):
        return encoder(pixels).float().unflatten(0, (len(frames), -1))


def references(clip: Tensor, count: int, encoder: Encoder, cells: int) -> Tensor:
    """The first `count` latent frames of (B, frames, 3, R, R) uint8, a still one if it is one: (B, count, C, h, w)."""
    length, side = encoder.codec.frames, cells * encoder.codec.patch
    shown = clip[:, :1].expand(-1, length, -1, -1, -1) if count == 1 else clip[:, : count * length]
    large = F.interpolate(shown.flatten(0, 1).float(), (side, side), mode="bilinear", antialias=True)
    return latents(large.round().clamp(0, 255).to(torch.uint8).unflatten(0, shown.shape[:2]), encoder)


def noise_levels(count: int, frames: int, shift: float) -> Tensor:
    """(B, T) noise levels: one for all frames, clean beginnings to continue, some clean, or each frame its own."""
    draw = torch.sigmoid(torch.randn(count, frames) * 1.1)
    draw = shift * draw / (1 + (shift - 1) * draw)
    sigma = draw[:, :1].expand(-1, frames).clone()
    kind = torch.rand(count)
    sigma[kind < 0.15] = draw[kind < 0.15]
    given = torch.randint(1, frames, (count,))
    clean = (torch.arange(frames)[None] < given[:, None]) & (kind > 0.75)[:, None]
    some = torch.rand(count, frames) < 0.4  # keyframes: the first, the last, any
    some &= ~some.all(1, keepdim=True) & ((kind > 0.60) & (kind < 0.75))[:, None]
    clean |= some
    return sigma.masked_fill(clean, 0.0).clamp(max=0.999)


def sequence(films: Films, encoder: Encoder, tokenizer: Tokenizer, plan: Plan) -> Sequence:
    """A batch of drawn films with one throw of what is clean, what is there at all, and which words are said."""
    video = latents(films.frames, encoder)
    heard_BHV = None
    if films.sound is not None and random.random() >= MUTE:
        assert films.sound_rate == RATE, f"sound is heard at {RATE} samples a second, not {films.sound_rate}"
        heard_BHV = heard(films.sound.float(), torch).float()
    given = random.choice(REFERENCES)
    shown = references(films.reference_clip, given, encoder, plan.reference_cells) if given else None
    words = torch.tensor([tokenizer.encode(random.choice(ways)) for ways in films.captions])
    grid = (video.shape[1], *video.shape[3:])
    covered = emphasis(films.weights, plan, grid)
    return thrown(Material(video, covered, words, heard_BHV, shown), plan, plan.names())


def thrown(seen: Material, plan: Plan, names: frozenset[int]) -> Sequence:
    """One throw over `seen`; of the words, `names` are those that say who it is."""
    video, device = seen.video, seen.video.device
    if random.random() < SHORT:
        video = video[:, : random.randint(2, plan.window - 1)]
    count, frames, channels, rows, cols = video.shape
    sigma_BT = noise_levels(count, frames, plan.shift).to(device)
    sound = None
    if seen.sound is not None:
        sound = to_tokens(seen.sound, plan.sound_hops, channels, torch)[:, : frames * plan.sounds]
        pictures_BT, sound_sigma = sound_levels(sigma_BT, plan.sounds)
        if seen.follows is not None:
            pictures_BT = torch.where(seen.follows[:, None], sigma_BT, pictures_BT)
            sound_sigma = sound_sigma.masked_fill(seen.follows[:, None], 0.0)
        sigma_BT = pictures_BT

    places = rows * cols
    tokens = [video.permute(0, 1, 3, 4, 2).flatten(1, 3)]
    sigmas, kinds = [sigma_BT.repeat_interleave(places, 1)], [VIDEO] * (frames * places)
    where = [positions(frames, rows, cols)]
    covered = seen.emphasis[:, : frames * places]
    weights = [1 + (SUBJECT_WEIGHT - 1) * covered.clamp(max=0.5) * 2]
    if seen.references is not None:
        tokens.append(seen.references.permute(0, 1, 3, 4, 2).flatten(1, 3))
        extra = tokens[-1].shape[1]
        sigmas.append(torch.zeros(count, extra, device=device))
        weights.append(torch.zeros(count, extra, device=device))
        kinds += [REFERENCE] * extra
        cells = plan.reference_cells
        where.append(positions(seen.references.shape[1], cells, cells, -REFERENCE_APART_S))
    if sound is not None:
        tokens.append(sound)
        sigmas.append(sound_sigma)
        weights.append(torch.ones_like(sound_sigma))
        kinds += [SOUND] * sound.shape[1]
        time_s = torch.arange(sound.shape[1]) * (plan.seconds_per_latent / plan.sounds)
        where.append(torch.stack([time_s, torch.zeros_like(time_s), torch.zeros_like(time_s)], 1))
    sigma = torch.cat(sigmas, 1)
    return Sequence(
        clean=torch.cat(tokens, 1),
        sigma=sigma,
        position=torch.cat(where).to(device).expand(count, -1, -1),
        kind=torch.tensor(kinds, device=device).expand(count, -1),
        words=said(seen.words, names, referred=seen.references is not None).to(device),
        weight=torch.cat(weights, 1) * (sigma > 0),
    )


def said(words: Tensor, names: frozenset[int], *, referred: bool) -> Tensor:
    """`words` (B, L) as the network hears them: some clips without any, some that do not say who it is."""
    count = len(words)
    naming = torch.isin(words, torch.tensor(sorted(names), dtype=words.dtype))
    nameless = torch.rand(count, 1) < NAMELESS[referred]
    heard_words = words.masked_fill(naming & nameless, UNKNOWN)
    return heard_words.masked_fill(torch.rand(count, 1) < SILENT, 0)


def sound_levels(sigma_BT: Tensor, per_latent: int) -> tuple[Tensor, Tensor]:
    """Noise levels of a clip's pictures, perhaps none now, and of its sound: (B, T), (B, T · per_latent)."""
    how = torch.rand(len(sigma_BT), 1, device=sigma_BT.device)
    own = torch.rand_like(how).clamp(0.02, 0.999).expand_as(sigma_BT)
    sound = torch.where(how < AS_PICTURE, sigma_BT, torch.where(how < GIVEN_SOUND, torch.zeros_like(own), own))
    pictures = torch.where(how < OWN_PACE, sigma_BT, torch.zeros_like(sigma_BT))
    return pictures, sound.repeat_interleave(per_latent, 1)


def emphasis(weights: Tensor, plan: Plan, grid: tuple[int, int, int]) -> Tensor:
    """How much of each token is subject, 0 to 1: (B, T, h, w) uint8 of eight-pixel squares → (B, N)."""
    frames, rows, cols = grid
    cover = weights.float().flatten(0, 1)[:, None] / 255
    pooled = F.adaptive_avg_pool2d(cover, (rows, cols))[:, 0].unflatten(0, weights.shape[:2])
    whole = pooled.unflatten(1, (-1, plan.codec.frames)).amax(2)
    return whole[:, :frames].flatten(1)
