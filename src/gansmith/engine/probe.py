"""A few real steps of every way to do the arithmetic; the fastest that is numerically sound is taken."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gansmith import losses
from gansmith.config import Recipe
from gansmith.engine.players import Players
from gansmith.engine.steps import Noise, Objective, discriminator_move, generator_move
from gansmith.layout import Batch

SOUND = 0.98  # cosine between a candidate's gradient and that of exact float32 arithmetic
SECONDS = 0.35  # measured for each candidate, after one step to warm up
TOGETHER = 0.9  # speed of a process beside its like, as a share of its speed alone; measured 0.9 to 1.0


@dataclass(frozen=True)
class Way:
    """One way to do the arithmetic."""

    precision: str
    threads: int
    form: str


@dataclass(frozen=True)
class Trial:
    """What a way was found to do: samples a second, and the cosines of both players' gradients with those of exact float32."""

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
    each may be chosen too; their speed is that of one, measured alone on its part of the batch, times their number and TOGETHER."""
    assert recipe.run.batch and recipe.network.latent and recipe.penalty.gamma is not None
    cores = os.cpu_count() or 1
    players = Players(*(n.to(device) for n in networks()))
    before = torch.get_num_threads()
    trials: list[Trial] = []
    references: dict[str, list[torch.Tensor]] = {}
    try:
        for way in ways(recipe, device, cores):
            torch.set_num_threads(way.threads)
            goal = objective(recipe, pair, spread, way.precision, way.form, device)
            gradients, seconds = _measure(players, feed(recipe.run.batch), goal, recipe)
            # one direction a sample makes the finite form noisy by nature: what is judged is the precision, against fp32 in the same form
            reference = references.setdefault(way.form, gradients)
            cosine = min(float(torch.cosine_similarity(a, b, dim=0)) for a, b in zip(gradients, reference, strict=True))
            trials.append(Trial(way, 1, recipe.run.batch / seconds, cosine))
            workers = recipe.machine.workers or cores
            if several and way.threads == 1 and workers > 1 and device == "cpu" and recipe.run.batch % workers == 0:
                _, seconds = _measure(players, feed(recipe.run.batch // workers), goal, recipe)
                trials.append(Trial(way, workers, recipe.run.batch / seconds * TOGETHER, cosine))
    finally:
        torch.set_num_threads(before)
    return trials


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
    noise = Noise(latents[0], latents[1], directions)

    def play() -> list[torch.Tensor]:
        players.discriminator.minimise(discriminator_move(players, batch, noise, goal, recipe.penalty.gamma or 0.0)[0])
        players.generator.minimise(generator_move(players, batch, noise, goal)[0])
        return [players.discriminator.gradient.clone(), players.generator.gradient.clone()]

    gradients, times = play(), []
    end = time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        play()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return gradients, sorted(times)[len(times) // 2]


def _knows_bf16(device: str) -> bool:
    """Whether bf16 arithmetic is done in hardware there."""
    if device == "cpu":
        return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
