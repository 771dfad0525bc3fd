"""What the engine costs: samples a second of `train` against a bare hand-written PyTorch loop of the same networks, in turn in one run,
and the share of this machine's own matrix-multiply rate that the training step reaches.

    python benchmarks/overhead.py [--rounds 5] [--seconds 8] [--precision bf16] [--width 16] [--size 28] [--device cpu]

Random pictures of 28 by 28 in 10 classes, the light pair, batch 64, exact penalties, one process of one thread. `train` is the whole verb:
data order, schedules, log, previews, checkpoints; its speed is that of its log after the first tick. The bare loop has none of these.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F

import gansmith
from gansmith import networks
from gansmith.config import NetworkSettings
from gansmith.layout import Block, Layout
from gansmith.networks.inspect import multiply_adds

BATCH, LATENT, GAMMA, CLASSES = 64, 64, 2.0, 10


def data(size: int) -> tuple[np.ndarray, np.ndarray]:
    source = np.random.default_rng(0)
    return source.integers(0, 256, (4096, size, size), np.uint8), source.integers(0, CLASSES, 4096)


def bare(settings: NetworkSettings, layout: Layout, x: torch.Tensor, y: torch.Tensor, bf16: bool, seconds: float) -> float:
    """Samples a second of the shortest loop that plays the same game."""
    g, d = networks.generator(settings, layout), networks.discriminator(settings, layout)
    average = [p.detach().clone() for p in g.parameters()]
    adams = [torch.optim.Adam(n.parameters(), 2e-3, (0.0, 0.99), fused=True) for n in (g, d)]
    arithmetic = (lambda: torch.autocast("cpu", torch.bfloat16)) if bf16 else contextlib.nullcontext
    start, steps = 0.0, 0
    while True:
        if steps == 3:
            start = time.perf_counter()
        if steps > 3 and time.perf_counter() - start > seconds:
            return (steps - 3) * BATCH / (time.perf_counter() - start)
        index = torch.randint(len(x), (BATCH,))
        real, c = x[index].permute(0, 3, 1, 2).float() / 127.5 - 1, F.one_hot(y[index], CLASSES).float()
        with arithmetic():
            with torch.no_grad():
                fake = g(torch.randn(BATCH, LATENT), c)
            both = torch.cat((real, fake)).requires_grad_()
            logits = d(both, torch.cat((c, c)))
            (slope,) = torch.autograd.grad(logits.sum(), both, create_graph=True)
        a, b = logits.chunk(2)
        loss = F.softplus(b - a).mean() + GAMMA * slope.flatten(1).square().sum(1).mean()
        adams[1].zero_grad(set_to_none=False)
        loss.backward(inputs=list(d.parameters()))
        adams[1].step()
        with arithmetic():
            with torch.no_grad():
                a = d(real, c)
            b = d(g(torch.randn(BATCH, LATENT), c), c)
        adams[0].zero_grad(set_to_none=False)
        F.softplus(a - b).mean().backward(inputs=list(g.parameters()))
        adams[0].step()
        torch._foreach_lerp_(average, [p.detach() for p in g.parameters()], 0.01)
        steps += 1


def engine(settings: NetworkSettings, x: np.ndarray, y: np.ndarray, precision: str, seconds: float) -> float:
    """Samples a second of `gansmith.train` after its first tick."""
    fixed = {
        "network.name": settings.name, "network.width": settings.width, "network.latent": LATENT, "run.batch": BATCH, "run.tick": 20,
        "machine.precision": precision, "machine.threads": 1, "machine.workers": 1, "machine.device": "cpu", "penalty.form": "exact",
        "penalty.gamma": GAMMA, "data.held_out": 0.0, "augment.strength": 0.0, "run.exams": 0,  # what these cost: benchmarks/care.py
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run = gansmith.train(list(zip(x, y, strict=True)), settings=fixed, minutes=seconds / 60, runs=folder)
        lines = [json.loads(line) for line in run.folder.speed.read_text().splitlines()]
    first, last = lines[0], lines[-1]
    return float((last["step"] - first["step"]) * BATCH / (last["seconds"] - first["seconds"]))


def matmul_rate(bf16: bool, seconds: float = 1.0) -> float:
    """Floating-point operations a second of square matrix products of 2,048, the machine's own rate."""
    a = torch.randn(2048, 2048, dtype=torch.bfloat16 if bf16 else torch.float32)
    a @ a
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        a @ a
        count += 1
    return float(count * 2 * 2048**3 / (time.perf_counter() - start))


def work(settings: NetworkSettings, layout: Layout) -> float:
    """Floating-point operations of one training step for each sample: twice the multiply-adds of every pass.

    The discriminator's move takes one pass of the generator and, for a real and a fake sample each, six of the discriminator: forward, the
    slope at the sample, and through both of these back to the weights (1 + 1 + 4). The generator's takes a forward and two backward passes
    of the generator, and of the discriminator a forward on the real and, on the fake, a forward and a pass back to the sample.
    """
    z, c = torch.randn(1, LATENT), torch.eye(CLASSES)[:1]
    g, d = networks.generator(settings, layout), networks.discriminator(settings, layout)
    return 2.0 * ((1 + 3) * multiply_adds(g, z, c) + (2 * 6 + 1 + 2) * multiply_adds(d, torch.randn(1, *layout.shape), c))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--size", type=int, default=28)
    words = parser.parse_args()
    torch.set_num_threads(1)
    settings = NetworkSettings(name="light", width=words.width, latent=LATENT)
    layout = Layout((Block("pixels", 1, "bounded"),), (words.size, words.size), CLASSES)
    x, y = data(words.size)
    bf16 = words.precision == "bf16"
    pairs, rate = [], matmul_rate(bf16)
    for _ in range(words.rounds):
        by_hand = bare(settings, layout, torch.from_numpy(x)[..., None], torch.from_numpy(y), bf16, words.seconds)
        pairs.append((engine(settings, x, y, words.precision, words.seconds), by_hand))
        print(f"train {pairs[-1][0]:7.0f}/s   bare loop {by_hand:7.0f}/s   ratio {pairs[-1][0] / by_hand:.3f}", flush=True)
    ratios = [a / b for a, b in pairs]
    reached = statistics.median(a for a, _ in pairs) * work(settings, layout)
    print(f"ratio: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f} over {words.rounds} rounds in turn")
    print(
        f"{words.precision}, width {words.width}: {reached / 1e9:.0f} GFLOP/s of {rate / 1e9:.0f} of a matrix product: {reached / rate:.2f}"
    )


if __name__ == "__main__":
    main()
