"""Train the autoencoder on rendered half-second chunks; stop and go on anywhere.

python -m training.autoencoder PIXELS_FOLDER RUN_FOLDER --minutes 15
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.checkpoint import resume, save
from training.network import POCKET, Codec, Decoder, Encoder
from training.world import FRAMES_PER_LATENT

SUBJECT_WEIGHT = 5.0  # a subject covers a tenth of the picture and is what people look at
EDGES = 0.5  # more, and the safest picture is an empty one: nothing was learned for hundreds of steps at 1.0
LATENT_NOISE = 0.2  # the decoder must forgive the small errors of a denoiser


class Autoencoder(nn.Module):
    def __init__(self, codec: Codec = POCKET) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(codec), Decoder(codec)

    def forward(self, frames: Tensor) -> Tensor:
        latent = self.encoder(frames)
        amount = torch.rand(len(latent), 1, 1, 1, device=latent.device) * LATENT_NOISE
        return self.decoder(latent + amount * torch.randn_like(latent))


def batch_of(pictures: np.ndarray, cover: np.ndarray, index: np.ndarray) -> tuple[Tensor, Tensor]:
    """(B, 3F, H, W) bfloat16 from -1 to 1, and weights (B, F, 1, H, W). `index` counts frames where a chunk starts."""
    frames = np.stack([pictures[i : i + FRAMES_PER_LATENT] for i in index])
    weight = np.stack([cover[i : i + FRAMES_PER_LATENT] for i in index])
    weighed = F.avg_pool2d(torch.from_numpy(weight).float(), 2)[:, :, None]
    return seen(torch.from_numpy(frames).flatten(1, 2)).bfloat16(), (
        1 + (SUBJECT_WEIGHT - 1) / 255 * weighed
    ).bfloat16()


def seen(drawn: Tensor) -> Tensor:
    """Drawn pictures (B, 3F, 2H, 2W) uint8 at half size, from -1 to 1, as the autoencoder sees them."""
    return F.avg_pool2d(drawn.float(), 2) / 127.5 - 1


@torch.no_grad()
def start_from(model: Autoencoder, pixels: Tensor) -> None:
    """Set both projections to the principal components of the patches in `pixels` (B, 3F, H, W)."""
    codec = model.encoder.codec
    patches = F.pixel_unshuffle(pixels.float(), codec.patch).movedim(1, -1).flatten(0, -2)
    middle = patches.mean(0)
    _, spread, directions = torch.svd_lowrank(patches - middle, codec.channels, niter=4)
    spread = spread / len(patches) ** 0.5
    scale = spread.sqrt() * spread.mean().sqrt()  # between equal variance and true variance: no channel drowns another
    unit = (spread / scale).square().mean().sqrt()
    model.encoder.project.weight.copy_((directions / (scale * unit)).T)
    model.encoder.project.bias.copy_(-model.encoder.project.weight @ middle)
    model.decoder.unproject.weight.copy_(directions * (scale * unit))
    model.decoder.unproject.bias.copy_(middle)


def loss_of(made: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """Absolute error of pixels and of their differences to the right and below: the latter keep edges crisp.

    The weight goes inside, which is the same but at its own edges, and lets three fused kernels do the work.
    """
    weight = weight.expand(-1, -1, 3, -1, -1).flatten(1, 2).to(memory_format=torch.channels_last)
    error = (made - true) * weight
    loss = F.l1_loss(error, torch.zeros_like(error))
    edges = F.l1_loss(error[..., 1:], error[..., :-1]) + F.l1_loss(error[..., 1:, :], error[..., :-1, :])
    return loss + EDGES * edges


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pixels", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=8e-4)
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    saved = arguments.run / "autoencoder.pt"
    torch.manual_seed(0)
    model = Autoencoder().to(memory_format=torch.channels_last)
    optimizers = [torch.optim.AdamW(model.parameters(), lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0.0)]
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995))
    step, spent_s = resume(saved, model, average, optimizers)
    pictures = np.load(arguments.pixels / "pictures.npy", mmap_mode="r")
    cover = np.load(arguments.pixels / "cover.npy", mmap_mode="r")
    if step == 0:
        print("principal components …", flush=True)
        start_from(model, batch_of(pictures, cover, np.arange(0, len(pictures), FRAMES_PER_LATENT)[::9])[0])
        average.load_state_dict(
            {f"module.{name}": value for name, value in model.state_dict().items()} | {"n_averaged": average.n_averaged}
        )
    chunk_count = len(pictures) // FRAMES_PER_LATENT
    rng = np.random.default_rng(step)
    began = last = time.monotonic() - spent_s
    total_s = arguments.minutes * 60
    while (spent_s := time.monotonic() - began) < total_s:
        part = spent_s / total_s
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = (
                arguments.rate * min(1.0, (step + 1) / 40) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))
            )
        pixels, weight = batch_of(pictures, cover, rng.integers(chunk_count, size=arguments.batch) * FRAMES_PER_LATENT)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            made = model(pixels)
        loss = loss_of(made, pixels, weight)
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        average.update_parameters(model)
        step += 1
        if step % 25 == 0 or spent_s + 5 > total_s:
            mse = F.mse_loss(made.detach().float().clamp(-1, 1), pixels.float()).item() / 4
            pace = (time.monotonic() - last) / 25
            last = time.monotonic()
            print(
                f"step {step} {spent_s:.0f} s psnr {-10 * math.log10(mse):.2f} dB {pace:.2f} s/step",
                flush=True,
            )
        if step % 200 == 0:
            save(saved, model, average, optimizers, step, spent_s)
    save(saved, model, average, optimizers, step, spent_s)


if __name__ == "__main__":
    main()
