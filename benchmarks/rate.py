"""Pictures a second of one training step, and the share of the device's own matrix-multiply rate, for each way to do the arithmetic.

    python benchmarks/rate.py [--network residual] [--cifar10-widths] [--batch 256] [--device cuda] [--compile]

Random pictures of 3 by 32 by 32 in 10 classes. Each line is the median of --steps steps after 3 to warm up; a step is one move of
each player with its optimiser and the moving average, as in training, without data and log. The rate it is set against is that of square
matrix products of 8,192 (CUDA) or 2,048 (CPU, all threads that torch uses) in the same precision, measured in the same run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import nn

from gansmith import networks
from gansmith.config import NetworkSettings
from gansmith.engine.players import Players
from gansmith.engine.probe import autocast
from gansmith.engine.steps import Noise, Objective, Rates, step
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES
from gansmith.networks import residual
from gansmith.networks.inspect import multiply_adds

LATENT = 64
LAYOUT = Layout((Block("pixels", 3, "bounded"),), (32, 32), 10)
# passes of each network for one real sample, as in benchmarks/overhead.py; the finite form takes three of four samples, and as many
GENERATOR, EXACT, FINITE = 4, 15, 15


def pair(name: str, width: int, published: bool) -> tuple[nn.Module, nn.Module]:
    if published:
        return residual.ResidualGenerator(LAYOUT, LATENT, residual.CIFAR10), residual.ResidualDiscriminator(LAYOUT, residual.CIFAR10)
    settings = NetworkSettings(name=name, width=width, latent=LATENT)  # type: ignore[arg-type]
    return networks.generator(settings, LAYOUT), networks.discriminator(settings, LAYOUT)


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds_of(work: object, device: str, count: int) -> float:
    times = []
    for _ in range(count + 3):
        wait(device)
        start = time.perf_counter()
        work()  # type: ignore[operator]
        wait(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="residual", choices=["residual", "light", "dense"])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--cifar10-widths", action="store_true", help="the residual pair at the published widths, 20.7 M parameters each")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true")
    words = parser.parse_args()
    where, batch = words.device, words.batch
    print(
        f"torch {torch.__version__}, {torch.cuda.get_device_name() if where.startswith('cuda') else f'{torch.get_num_threads()} threads'}"
    )
    for precision in ("fp32", "bf16"):
        side = 8192 if where.startswith("cuda") else 2048
        a = torch.randn(side, side, device=where, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
        rate = 2 * side**3 / seconds_of(lambda a=a: a @ a, where, 10)
        for form in ("exact", "finite"):
            players = Players(*(n.to(where) for n in pair(words.network, words.width, words.cifar10_widths)))
            z, c = torch.randn(1, LATENT, device=where), torch.eye(10, device=where)[:1]
            g = multiply_adds(players.generator.network, z, c)
            d = multiply_adds(players.discriminator.network, torch.randn(1, *LAYOUT.shape, device=where), c)
            if words.compile:
                players.generator.network.compile()
                players.discriminator.network.compile()
            goal = Objective(LOSSES["relativistic"], form == "exact", 0.05, 1e-3, autocast(precision, where))
            x = torch.rand(batch, *LAYOUT.shape, device=where) * 2 - 1
            data = Batch(x, torch.eye(10, device=where)[torch.arange(batch, device=where) % 10])
            noise = Noise(*torch.randn(2, batch, LATENT, device=where), torch.randn(2 * batch, *LAYOUT.shape, device=where))
            rates = Rates(1.0, 1e-4, 1e-4, 0.0, 0.99, 0.999)

            def once(players=players, data=data, noise=noise, goal=goal, rates=rates) -> None:  # type: ignore[no-untyped-def]
                step(players, data, noise, goal, rates, lambda gradient: None)

            each = seconds_of(once, where, words.steps) / batch
            reached = 2 * (GENERATOR * g + (EXACT if form == "exact" else FINITE) * d) / each
            share = f"{reached / 1e12:7.3f} of {rate / 1e12:7.3f} TFLOP/s: {reached / rate:.2f}"
            print(f"{precision} {form:6} {1 / each:8.0f} pictures/s   {share}", flush=True)


if __name__ == "__main__":
    main()
