"""Teach the decoder to draw at twice the size, the encoder standing still; stop and go on anywhere.

    python -m training.enlarge PIXELS_FOLDER RUN_FOLDER --minutes 15

Reads RUN_FOLDER/autoencoder.pt, writes RUN_FOLDER/enlarger.pt, which holds the decoder too.
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

from training.autoencoder import LATENT_NOISE, SUBJECT_WEIGHT, Autoencoder, loss_of, seen
from training.checkpoint import averaged, resume, save
from training.network import Decoder, Enlarger
from training.world import FRAMES_PER_LATENT


class Painter(nn.Module):
    """Latents to pictures at the size that films are drawn at."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.enlarger = Decoder(), Enlarger()

    def forward(self, latent: Tensor) -> Tensor:
        features = self.decoder.features(latent)
        return self.enlarger(self.decoder.picture(latent, features), features)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pixels", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rate", type=float, default=6e-4)
    arguments = parser.parse_args()
    saved = arguments.run / "enlarger.pt"
    torch.manual_seed(0)
    autoencoder = averaged(arguments.run / "autoencoder.pt", Autoencoder())
    encoder = autoencoder.encoder.to(memory_format=torch.channels_last)
    model = Painter()
    model.decoder.load_state_dict(autoencoder.decoder.state_dict())
    model = model.to(memory_format=torch.channels_last)
    optimizers = [torch.optim.AdamW(model.parameters(), lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0.0)]
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995))
    step, spent_s = resume(saved, model, average, optimizers)
    pictures = np.load(arguments.pixels / "pictures.npy", mmap_mode="r")
    cover = np.load(arguments.pixels / "cover.npy", mmap_mode="r")
    starts = np.arange(0, len(pictures), FRAMES_PER_LATENT)
    rng = np.random.default_rng(step)
    began, last = time.monotonic() - spent_s, time.monotonic()
    total_s = arguments.minutes * 60
    while (spent_s := time.monotonic() - began) < total_s:
        for group in optimizers[0].param_groups:
            fade = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent_s / total_s))
            group["lr"] = arguments.rate * min(1.0, (step + 1) / 40) * fade
        chosen = rng.choice(starts, arguments.batch)
        drawn = torch.from_numpy(np.stack([pictures[i : i + FRAMES_PER_LATENT] for i in chosen])).flatten(1, 2)
        mask = torch.from_numpy(np.stack([cover[i : i + FRAMES_PER_LATENT] for i in chosen]))[:, :, None]
        true = (drawn.bfloat16() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        weight = 1 + (SUBJECT_WEIGHT - 1) / 255 * mask.bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                latent = encoder(seen(drawn).contiguous(memory_format=torch.channels_last))
            noise = torch.rand(len(latent), 1, 1, 1) * LATENT_NOISE * torch.randn_like(latent)
            made = model(latent + noise)
        loss = loss_of(made, true, weight)
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizers[0].step()
        average.update_parameters(model)
        step += 1
        if step % 50 == 0:
            mse = F.mse_loss(made.detach().float().clamp(-1, 1), true.float()).item() / 4
            pace, last = (time.monotonic() - last) / 50, time.monotonic()
            psnr = -10 * math.log10(mse)
            print(
                f"step {step} {spent_s:.0f} s loss {loss.item():.4f} psnr {psnr:.2f} dB {pace:.2f} s/step", flush=True
            )
        if step % 200 == 0:
            save(saved, model, average, optimizers, step, spent_s)
    save(saved, model, average, optimizers, step, spent_s)


if __name__ == "__main__":
    main()
