"""A few real steps of every way to do the arithmetic; the fastest that is numerically sound is taken.

Run as `python -m gansmith.engine.probe SIZE SIZE ROUNDS` it is a peer that averages gradients of these sizes with the one that measures.
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gansmith import losses
from gansmith.augment import plane
from gansmith.config import Recipe
from gansmith.engine import distribute
from gansmith.engine.distribute import World
from gansmith.engine.players import Players
from gansmith.engine.steps import Noise, Objective, discriminator_move, generator_move
from gansmith.errors import TrainingError
from gansmith.layout import Batch

SOUND = 0.98  # cosine between a candidate's gradient and that of float32 arithmetic in the same form
SECONDS = 0.3  # measured for each candidate, after one step to warm up
WORTH = 1.1  # several processes are tried where they could be so much faster, were talking to each other free
ROUNDS = 30  # of that trial


@dataclass(frozen=True)
class Way:
    """One way to do the arithmetic."""

    precision: str
    threads: int
    form: str


@dataclass(frozen=True)
class Trial:
    """What a way was found to do: samples a second, and the lower cosine of both players' gradients with those of float32."""

    way: Way
    workers: int
    samples_per_second: float
    cosine: float

    @property
    def sound(self) -> bool:
        return self.cosine >= SOUND


def autocast(precision: str, device: str) -> Callable[[], AbstractContextManager[Any]]:
    """The context in which the networks run: bf16 autocast, or nothing."""
    kind = torch.device(device).type
    return (lambda: torch.autocast(kind, torch.bfloat16)) if precision == "bf16" else contextlib.nullcontext


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch in the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def objective(recipe: Recipe, pair: losses.LossPair, spread: float, precision: str, form: str, device: str) -> Objective:
    """What the engine minimises under a recipe; `spread` is the standard deviation of the encoded data, the unit of penalty.epsilon."""
    return Objective(pair, form == "exact", recipe.penalty.epsilon * spread, recipe.loss.centring, autocast(precision, device))


def ways(recipe: Recipe, device: str, cores: int) -> list[Way]:
    """Every way that the recipe leaves open."""
    machine = recipe.machine
    precisions = [machine.precision] if machine.precision else ["fp32", "bf16"] if _knows_bf16(device) else ["fp32"]
    threads = [machine.threads] if machine.threads else sorted({1, cores}) if device == "cpu" else [1]
    forms = [recipe.penalty.form] if recipe.penalty.form else ["exact", "finite"]
    return [Way(p, t, f) for p in precisions for t in threads for f in forms]


def probe(
    recipe: Recipe,
    pair: losses.LossPair,
    networks: Callable[[], tuple[nn.Module, nn.Module]],
    feed: Callable[[int], Batch],
    spread: float,
    device: str,
    several: bool,
) -> list[Trial]:
    """Try every way left open on real batches. `feed(count)` gives a batch of `count` samples. `several`: whether processes of one thread
    each may be chosen too; they are tried with the best way of one thread, talking to each other, where that could be worth it."""
    assert recipe.run.batch
    assert recipe.network.latent
    assert recipe.penalty.gamma is not None
    batch, cores = recipe.run.batch, os.cpu_count() or 1
    players = Players(*(n.to(device) for n in networks()))
    trials: list[Trial] = []
    references: dict[str, list[torch.Tensor]] = {}

    def measure(way: Way, count: int) -> tuple[list[torch.Tensor], float]:
        with threads(way.threads):
            return _measure(players, feed(count), objective(recipe, pair, spread, way.precision, way.form, device), recipe)

    for way in ways(recipe, device, cores):
        gradients, seconds = measure(way, batch)
        # one direction a sample makes the finite form noisy by nature: what is judged is the precision, against fp32 in the same form
        reference = references.setdefault(way.form, gradients)
        cosine = min(float(torch.cosine_similarity(a, b, dim=0)) for a, b in zip(gradients, reference, strict=True))
        trials.append(Trial(way, 1, batch / seconds, cosine))
    workers = recipe.machine.workers or cores
    alone = [t for t in trials if t.way.threads == 1]
    if several and workers > 1 and alone and device == "cpu" and batch % workers == 0:
        chosen = best(alone)
        _, seconds = measure(chosen.way, batch // workers)
        if recipe.machine.workers or batch / seconds > WORTH * best(trials).samples_per_second:
            talk = _talk([len(players.discriminator.weights), len(players.generator.weights)], workers)
            trials.append(Trial(chosen.way, workers, batch / (seconds + talk), chosen.cosine))
    return [t for t in trials if t.workers == recipe.machine.workers] or trials


def best(trials: list[Trial]) -> Trial:
    """The fastest sound trial; one with the finite form only where it is a quarter faster, since its penalty is noisier."""
    sound = [t for t in trials if t.sound] or trials[:1]
    return max(sound, key=lambda t: t.samples_per_second / (1.25 if t.way.form == "finite" else 1.0))


def _measure(players: Players, batch: Batch, goal: Objective, recipe: Recipe) -> tuple[list[torch.Tensor], float]:
    """Both players' gradients on a batch, and the seconds of a step: the median of as many as SECONDS holds. No weight is changed."""
    source = torch.Generator().manual_seed(0)
    count, device = len(batch.x), batch.x.device
    latents = torch.randn(2, count, recipe.network.latent or 1, generator=source).to(device)
    directions = None if goal.exact else torch.randn(2 * count, *batch.x.shape[1:], generator=source).to(device)
    strength = recipe.augment.strength or 0.0
    chances = torch.rand(4 * count, plane.NUMBERS, generator=source).to(device) if strength else None
    noise = Noise(latents[0], latents[1], directions, chances)

    def play() -> list[torch.Tensor]:
        players.discriminator.minimise(discriminator_move(players, batch, noise, goal, recipe.penalty.gamma or 0.0, strength)[0])
        players.generator.minimise(generator_move(players, batch, noise, goal, strength)[0])
        return [players.discriminator.gradient.clone(), players.generator.gradient.clone()]

    gradients, times = play(), list[float]()
    end = time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        play()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return gradients, sorted(times)[len(times) // 2]


def _talk(sizes: Sequence[int], workers: int) -> float:
    """Seconds that several processes of this machine take to average gradients of these sizes once each; infinite where they cannot."""
    others: list[subprocess.Popen[bytes]] = []
    try:
        others = distribute.launch(workers, ["-m", "gansmith.engine.probe", *map(str, sizes), str(ROUNDS)])
        with threads(1):
            return _averaged(World(0, workers), sizes, ROUNDS)
    except (TrainingError, RuntimeError):
        return math.inf
    finally:
        World(0, workers).leave()
        distribute.end(others, patience=0.0)


def _averaged(world: World, sizes: Sequence[int], rounds: int) -> float:
    """The median time of averaging tensors of these sizes."""
    gradients, times = [torch.zeros(n) for n in sizes], list[float]()
    for _ in range(rounds):
        start = time.perf_counter()
        for gradient in gradients:
            world.average(gradient)
        times.append(time.perf_counter() - start)
    return sorted(times)[rounds // 2]


def _knows_bf16(device: str) -> bool:
    """Whether bf16 arithmetic is done in hardware there."""
    if device == "cpu":
        return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)


if __name__ == "__main__":
    *asked, rounds = map(int, sys.argv[1:])
    _averaged(distribute.join("cpu"), asked, rounds)
