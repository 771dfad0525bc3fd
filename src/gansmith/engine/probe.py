"""A few real steps of every way to do the arithmetic; the fastest that is numerically sound is taken.

Run as `python -m gansmith.engine.probe SIZE SIZE ROUNDS` it is a peer that averages gradients of these sizes with the one that measures.
"""

from __future__ import annotations

import contextlib
import copy
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

from gansmith import losses, penalties
from gansmith.conditions import Column, Kind, slices
from gansmith.config import Recipe
from gansmith.engine import distribute
from gansmith.engine.distribute import World
from gansmith.engine.moves import Objective, Rates, Weights
from gansmith.engine.noise import Needs, augmentation_of, noise, view_of
from gansmith.engine.optimisers import OPTIMISERS
from gansmith.engine.players import Players
from gansmith.engine.steps import step
from gansmith.errors import TrainingError
from gansmith.layout import Batch, Layout

SOUND = 0.98  # cosine between a candidate's gradient and that of float32 arithmetic
SECONDS = 0.3  # measured for each candidate, after one step to warm up
WORTH = 1.1  # several processes are tried where they could be so much faster, were talking to each other free
ROUNDS = 30  # of that trial


@dataclass(frozen=True)
class Way:
    """One way to do the arithmetic."""

    precision: str
    threads: int


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


@dataclass(frozen=True)
class Setting:
    """What the engine has to know beside the recipe: the data's layout and the standard deviation of one encoded number (the unit of
    penalty.epsilon), the pair of losses, whether the discriminator judges each sample by itself, the device, and the columns of a condition
    of several."""

    layout: Layout
    spread: float
    pair: losses.LossPair
    apart: bool
    device: str
    columns: tuple[Column, ...] = ()


def objective(recipe: Recipe, setting: Setting, precision: str) -> Objective:
    """What the engine minimises under a recipe, in this precision."""
    layout, asked, game = setting.layout, recipe.penalty, recipe.game
    classes = game.classes if layout.condition and recipe.network.conditioning == "auxiliary" else 0.0
    return Objective(
        setting.pair,
        exact=asked.form != "finite",
        step=asked.epsilon * setting.spread,
        centring=recipe.loss.centring,
        autocast=autocast(precision, setting.device),
        penalty=penalties.PENALTIES[asked.name],
        every=asked.every,
        augment=augmentation_of(recipe, layout),
        adapt=recipe.augment.adapt,
        view=view_of(recipe, layout),
        weights=Weights(asked.lecam, asked.consistency, asked.path, asked.orthogonal, classes, game.features, game.likelihood or 0.0),
        apart=setting.apart,
        pack=game.pack,
        clip=asked.clip,
        unrolled=game.unrolled,
        extra=recipe.optimiser.name == "extra",
        parts=_guessed(setting, game.pack),
    )


def _guessed(setting: Setting, pack: int) -> tuple[tuple[slice, Kind], ...]:
    """Where in the condition of a pack each column of each of its samples lies, and what it is; a class is one choice."""
    if setting.columns:
        columns = setting.columns * pack
        return tuple(zip(slices(columns), (c.kind for c in columns), strict=True))
    classes = setting.layout.condition
    return tuple((slice(i * classes, (i + 1) * classes), "choice") for i in range(pack)) if classes else ()


def ways(recipe: Recipe, device: str, cores: int) -> list[Way]:
    """Every way that the recipe leaves open."""
    machine = recipe.machine
    precisions = [machine.precision] if machine.precision else ["fp32", "bf16"] if _knows_bf16(device) else ["fp32"]
    threads = [machine.threads] if machine.threads else sorted({1, cores}) if device == "cpu" else [1]
    return [Way(p, t) for p in precisions for t in threads]


def probe(
    recipe: Recipe,
    setting: Setting,
    networks: Callable[[], tuple[nn.Module, nn.Module]],
    feed: Callable[[int], Batch],
    several: bool,
) -> list[Trial]:
    """Try every way left open on real batches. `feed(count)` gives a batch of `count` samples. `several`: whether processes of one thread
    each may be chosen too; they are tried with the best way of one thread, talking to each other, where that could be worth it."""
    assert recipe.run.batch
    assert recipe.network.latent
    assert recipe.penalty.gamma is not None
    batch, cores, device = recipe.run.batch * recipe.game.critics, os.cpu_count() or 1, setting.device
    generator, discriminator = (network.to(device) for network in networks())
    trials: list[Trial] = []
    reference: list[torch.Tensor] = []

    def measure(way: Way, count: int) -> tuple[list[torch.Tensor], float]:
        pair = copy.deepcopy(generator), copy.deepcopy(discriminator)  # so that each way starts from the same place
        players = Players(*pair, OPTIMISERS[recipe.optimiser.name])
        with threads(way.threads):
            return _measure(players, feed(count), objective(recipe, setting, way.precision), recipe, setting.layout)

    for way in ways(recipe, device, cores):
        gradients, seconds = measure(way, batch)
        reference = reference or gradients  # the first is in fp32, where any is
        cosine = min(float(torch.cosine_similarity(a, b, dim=0)) for a, b in zip(gradients, reference, strict=True))
        trials.append(Trial(way, 1, batch / seconds, cosine))
    workers = recipe.machine.workers or cores
    alone = [t for t in trials if t.way.threads == 1]
    if several and workers > 1 and alone and device == "cpu" and recipe.run.batch % (workers * recipe.game.pack) == 0:
        chosen = best(alone)
        _, seconds = measure(chosen.way, batch // workers)
        if recipe.machine.workers or batch / seconds > WORTH * best(trials).samples_per_second:
            talk = _talk([sum(p.numel() for p in n.parameters() if p.requires_grad) for n in (discriminator, generator)], workers)
            trials.append(Trial(chosen.way, workers, batch / (seconds + talk), chosen.cosine))
    return [t for t in trials if t.workers == recipe.machine.workers] or trials


def best(trials: list[Trial]) -> Trial:
    """The fastest sound trial."""
    sound = [t for t in trials if t.sound] or trials[:1]
    return max(sound, key=lambda t: t.samples_per_second)


def _measure(players: Players, batch: Batch, goal: Objective, recipe: Recipe, layout: Layout) -> tuple[list[torch.Tensor], float]:
    """Both players' gradients on a batch, and the seconds of a step: the median of as many as SECONDS holds, of steps with and without a
    gradient penalty where it is left out of some. The steps are those of the game at a rate of 0: no weight is changed but by clipping."""
    needs, device = Needs.of(recipe, layout), batch.x.device
    drawn = noise(needs, layout, recipe.network.latent or 1, len(batch.x) // needs.critics, 0, 0, World(device=str(device)))
    rates = Rates(recipe.penalty.gamma or 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, recipe.augment.strength or 0.0)

    def seconds(number: int) -> float:
        times, end = list[float](), time.perf_counter() + SECONDS
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            step(players, batch, drawn, goal, rates, lambda values: None, number)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            elif device.type == "mps":
                torch.mps.synchronize()
            times.append(time.perf_counter() - start)
        return sorted(times)[len(times) // 2]

    step(players, batch, drawn, goal, rates, lambda values: None)
    gradients = [players.discriminator.gradient.clone(), players.generator.gradient.clone()]
    without = 1 % goal.every  # the number of a step without a penalty, where there is one
    spent = {number: seconds(number) for number in {0, without}}
    return gradients, (spent[0] + (goal.every - 1) * spent[without]) / goal.every


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
