"""The two networks: an autoencoder that folds half a second into a grid of latents, a transformer that denoises them.

Shapes  B batch, F frames of one latent (6), H W pixels, h w latent rows and columns (H/16, W/16), C latent channels,
        N tokens = latent frames · h · w, L words, D model width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.world import FRAMES_PER_LATENT

BLOCK = 4  # frames enter as 4×4 blocks: convolving single pixels costs ten times more and learns no faster


@dataclass(frozen=True)
class Codec:
    """What one token stands for: `frames` pictures of `patch` × `patch` pixels, as `channels` numbers.

    `widths` are the autoencoder's channels at 1/4, 1/8 … of the picture's side, down to one place a token.
    """

    channels: int
    patch: int
    frames: int
    widths: tuple[int, ...]

    @property
    def values(self) -> int:
        return 3 * self.frames * self.patch**2

    @property
    def block_values(self) -> int:
        return 3 * self.frames * BLOCK**2


POCKET = Codec(96, 16, FRAMES_PER_LATENT, (160, 256, 320))
FULL = Codec(128, 32, 4, (80, 128, 192, 256))  # with its transformer 40 MB in bytes
LATENT_CHANNELS, PATCH = POCKET.channels, POCKET.patch  # half the size that pocket films are drawn at

VIDEO, REFERENCE, SOUND = 0, 1, 2
"""Kinds of tokens."""
KINDS = 3


def rms_norm(x: Tensor, width: int) -> Tensor:
    """`x` scaled to root mean square 1 over its last dimension; the exporter knows only the long form."""
    if torch.onnx.is_in_onnx_export():
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
    return F.rms_norm(x, (width,), eps=1e-6)


class Conv(nn.Module):
    """A convolution that keeps its weight as a matrix (out, in · kernel²), the shape that Muon works on."""

    def __init__(self, narrow: int, wide: int, kernel: int = 1, start: float = 1.0) -> None:
        super().__init__()
        self.shape = (wide, narrow, kernel, kernel)
        self.weight = nn.Parameter(torch.randn(wide, narrow * kernel**2) * start / math.sqrt(narrow * kernel**2))
        self.bias = nn.Parameter(torch.zeros(wide))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.view(self.shape), self.bias, padding=self.shape[-1] // 2)


class Residual(nn.Module):
    """x + conv(silu(conv(silu(norm(x))))), the norm over each pixel's channels; the second convolution starts small."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.first = Conv(width, width, 3)
        self.second = Conv(width, width, 3, start=0.1)

    def forward(self, x: Tensor) -> Tensor:
        level = rms_norm(x.permute(0, 2, 3, 1), self.width).permute(0, 3, 1, 2)
        return x + self.second(F.silu(self.first(F.silu(level))))


class Encoder(nn.Module):
    """(B, 3F, H, W) from -1 to 1 → (B, C, h, w), each channel about mean 0 and variance 1.

    A linear projection of each patch on the principal components of the films, which `start_from` sets, and a network
    that adds what a projection cannot know. Starting there saves the first quarter of an hour.
    """

    def __init__(self, codec: Codec = POCKET) -> None:
        super().__init__()
        self.codec, widths = codec, codec.widths
        self.project = Conv(codec.values, codec.channels)
        layers: list[nn.Module] = [Conv(codec.block_values, widths[0]), Residual(widths[0]), Residual(widths[0])]
        for narrow, wide in pairwise(widths):
            layers += [nn.PixelUnshuffle(2), Conv(4 * narrow, wide), Residual(wide), Residual(wide)]
        self.layers = nn.Sequential(*layers, Conv(widths[-1], codec.channels, start=0.02))

    def forward(self, frames: Tensor) -> Tensor:
        return (
            self.project(F.pixel_unshuffle(frames, self.codec.patch)).float()
            + self.layers(F.pixel_unshuffle(frames, BLOCK)).float()
        )


class Decoder(nn.Module):
    """(B, C, h, w) → (B, 3F, H, W), about -1 to 1. Each latent frame decodes alone, so the clip streams exactly."""

    def __init__(self, codec: Codec = POCKET) -> None:
        super().__init__()
        self.codec, widths = codec, codec.widths
        self.unproject = Conv(codec.channels, codec.values)
        layers: list[nn.Module] = [Conv(codec.channels, widths[-1], 3), Residual(widths[-1]), Residual(widths[-1])]
        for wide, narrow in pairwise(widths[::-1]):
            layers += [Conv(wide, 4 * narrow), nn.PixelShuffle(2), Residual(narrow), Residual(narrow)]
        self.layers = nn.Sequential(*layers, Residual(widths[0]), Conv(widths[0], codec.block_values, start=0.02))

    def forward(self, latent: Tensor) -> Tensor:
        return self.picture(latent, self.features(latent))

    def features(self, latent: Tensor) -> Tensor:
        return self.layers[:-1](latent)

    def picture(self, latent: Tensor, features: Tensor) -> Tensor:
        plain = F.pixel_shuffle(self.unproject(latent), self.codec.patch)
        return plain + F.pixel_shuffle(self.layers[-1](features), BLOCK)


class Enlarger(nn.Module):
    """The decoder's picture at twice the size: (B, 3F, H, W) and its features → (B, 3F, 2H, 2W).

    Plain enlargement plus what a small network draws over it; trained with the decoder after the encoder has stopped.
    """

    WIDTH = 80

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Conv(POCKET.widths[0], 4 * self.WIDTH),
            nn.PixelShuffle(2),
            Residual(self.WIDTH),
            Residual(self.WIDTH),
            Conv(self.WIDTH, POCKET.block_values, start=0.02),
        )

    def forward(self, picture: Tensor, features: Tensor) -> Tensor:
        plain = F.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)
        return plain + F.pixel_shuffle(self.layers(features), BLOCK)


class Attention(nn.Module):
    """Self-attention over all tokens with rotary positions in time, row and column."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads, self.head = width, heads, width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.scale_q = nn.Parameter(torch.ones(self.head))
        self.scale_k = nn.Parameter(torch.ones(self.head))

    def forward(self, x_BND: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, count, _ = x_BND.shape
        q, k, v = self.qkv(x_BND).view(batch, count, 3, self.heads, self.head).permute(2, 0, 3, 1, 4)
        q = rotate(rms_norm(q, self.head) * self.scale_q.to(v.dtype), cos, sin)
        k = rotate(rms_norm(k, self.head) * self.scale_k.to(v.dtype), cos, sin)
        if x_BND.is_cuda:
            mixed = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
        else:  # for a few hundred tokens two plain products are faster on a CPU than its fused attention
            mixed = torch.softmax(q @ k.transpose(2, 3) * self.head**-0.5, -1).to(v.dtype) @ v
        return self.out(mixed.transpose(1, 2).reshape(batch, count, self.width))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding (Su et al. 2021) on halves of the head: pairs are (i, i + half)."""
    left, right = x.chunk(2, -1)
    return torch.cat([left * cos - right * sin, left * sin + right * cos], -1)


class Block(nn.Module):
    """Attention and a SwiGLU, both scaled, shifted and gated by noise level and prompt (adaLN-single)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width = width
        hidden = width * 8 // 3 // 32 * 32
        self.attention = Attention(width, heads)
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.offset = nn.Parameter(torch.zeros(6, width))

    def forward(self, x_BND: Tensor, modulation: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = (modulation + self.offset.to(modulation.dtype)).unbind(-2)
        normed = F.layer_norm(x_BND, (self.width,)).to(x_BND.dtype) * (1 + scale_a) + shift_a
        x_BND = x_BND + gate_a * self.attention(normed, cos, sin)
        normed = F.layer_norm(x_BND, (self.width,)).to(x_BND.dtype) * (1 + scale_m) + shift_m
        gate, up = self.gate_up(normed).chunk(2, -1)
        return x_BND + gate_m * self.down(F.silu(gate) * up)


class Transformer(nn.Module):
    """Predicts the clean latent of every token. Words and latents share one sequence; each token has its own noise.

    Forward  latent (B, N, C), sigma (B, N) from 0 clean to 1 noise, position (B, N, 3) = seconds, row and column
             from the middle of the picture, words (B, L) with 0 for padding, kind (B, N) → clean latent (B, N, C).
    """

    def __init__(
        self,
        vocabulary: int,
        width: int = 384,
        depth: int = 10,
        heads: int = 6,
        text_depth: int = 2,
        channels: int = LATENT_CHANNELS,
        sounds: int = 4,
        seconds: float = 0.5,
    ) -> None:
        """`sounds` tokens of sound to a latent frame of `seconds`."""
        super().__init__()
        self.width, self.heads = width, heads
        self.enter = nn.Linear(channels, width)
        self.word = nn.Embedding(vocabulary, width)
        self.noise = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.topic = nn.Linear(width, width)
        self.modulate = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.readers = nn.ModuleList(Block(width, heads) for _ in range(text_depth))
        self.leave = nn.Linear(width, channels)
        self.kind = nn.Embedding(KINDS, width)
        nn.init.zeros_(self.kind.weight)
        self.enter_sound, self.leave_sound = nn.Linear(channels, width), nn.Linear(width, channels)
        nn.init.zeros_(self.leave_sound.weight)
        nn.init.zeros_(self.leave_sound.bias)
        self.sounds, self.seconds = sounds, seconds
        self.overhear = nn.Linear(3 * sounds * channels, width, bias=False)
        nn.init.zeros_(self.overhear.weight)
        nn.init.normal_(self.word.weight, std=0.5)
        nn.init.zeros_(self.modulate.weight)
        with torch.no_grad():  # gates start a little open, so that every block learns from the first step
            self.modulate.bias.copy_(torch.tensor([0.0, 0, 0.2, 0, 0, 0.2]).repeat_interleave(width))
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self._frequencies(width // heads)

    def _frequencies(self, head: int) -> None:
        """Half of the rotary pairs for the plane, a third for time; wavelengths fit 6 seconds and 14 cells."""
        half = head // 2
        time = half - 2 * (half // 3)
        plane = half // 3
        table = torch.zeros(3, half)
        table[0, :time] = math.tau / torch.logspace(math.log10(0.7), math.log10(24), time)
        table[1, time : time + plane] = math.tau / torch.logspace(math.log10(2.2), math.log10(60), plane)
        table[2, time + plane :] = math.tau / torch.logspace(math.log10(2.2), math.log10(60), plane)
        self.register_buffer("frequencies", table, persistent=False)

    def forward(self, latent: Tensor, sigma: Tensor, position: Tensor, words: Tensor, kind: Tensor) -> Tensor:
        batch, count, _ = latent.shape
        length = words.shape[1]
        place = torch.arange(length, device=words.device, dtype=torch.float32)
        spoken = (words > 0).float()[..., None]
        angle = (
            place[:, None]
            * 0.5 ** torch.arange(self.width // self.heads // 2, device=words.device, dtype=torch.float32)
        )[None, None]
        around = self._around(latent, sigma, position, kind)
        latent = torch.where((kind == SOUND)[..., None], self.enter_sound(latent), self.enter(latent))
        latent = latent + self.kind(kind).to(latent.dtype) + self.overhear(around)
        text = self.word(words).to(latent.dtype)
        calm = self.modulate.bias.view(6, self.width).to(latent.dtype)
        for block in self.readers:
            text = block(text, calm, torch.cos(angle).to(latent.dtype), torch.sin(angle).to(latent.dtype))
        topic = (text * spoken).sum(1) / spoken.sum(1).clamp(min=1)

        wave = sigma[..., None] * math.pi * 2.0 ** torch.linspace(-1, 6, 64, device=sigma.device)
        level = self.noise(torch.cat([torch.cos(wave), torch.sin(wave)], -1))
        at_rest = self.noise(torch.cat([torch.ones_like(wave[:, :1]), torch.zeros_like(wave[:, :1])], -1))
        about = torch.cat([at_rest.expand(-1, length, -1), level], 1) + self.topic(topic)[:, None]
        modulation = self.modulate(F.silu(about)).view(batch, length + count, 6, self.width)

        turn = position @ self.frequencies
        turn = torch.cat([torch.zeros_like(turn[:, :1]).expand(-1, length, -1), turn], 1)[:, None]
        cos, sin = torch.cos(turn).to(latent.dtype), torch.sin(turn).to(latent.dtype)
        x = torch.cat([text, latent], 1)
        for block in self.blocks:
            x = block(x, modulation, cos, sin)
        x = F.layer_norm(x[:, length:], (self.width,))
        return torch.where((kind == SOUND)[..., None], self.leave_sound(x), self.leave(x))

    def _around(self, latent: Tensor, sigma: Tensor, position: Tensor, kind: Tensor) -> Tensor:
        """What is heard around each token of pictures, as far as it is clean: from a latent frame before its own to one
        after it, (B, N, 3 · sounds · C); nothing around other tokens. All clips of a batch are laid out alike.

        Attention alone can find this, and does so late: after 680 steps on clips that land to a given sound their
        heights went with the sound's at 0.15; a token that is told what sounds beside it has nothing left to find.
        """
        batch, count, channels = latent.shape
        time, pictures, sound = position[0, :, 0], kind[0] == VIDEO, kind[0] == SOUND
        ahead = (time[None] - time[:, None]) * (self.sounds / self.seconds)  # in tokens of sound
        place = torch.arange(-self.sounds, 2 * self.sounds, device=latent.device)[:, None, None]
        beside = ((ahead[None] - place).abs() < 0.5) & pictures[:, None] & sound
        told = beside.to(latent.dtype).flatten(0, 1) @ (latent * (1 - sigma[..., None]).to(latent.dtype))
        return told.view(batch, 3 * self.sounds, count, channels).transpose(1, 2).flatten(2)


def positions(latent_frames: int, rows: int, cols: int, start_s: float = 0.0) -> Tensor:
    """(N, 3) for tokens in time, row, column order, half a second from one latent frame to the next."""
    time = start_s + torch.arange(latent_frames) * 0.5
    row = torch.arange(rows) - (rows - 1) / 2
    col = torch.arange(cols) - (cols - 1) / 2
    return torch.stack(torch.meshgrid(time, row, col, indexing="ij"), -1).reshape(-1, 3).float()
