"""The loop. It knows nothing of images, tables or files: `watch` does the reporting and saving."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from gansmith.engine.checkpoint import Position
from gansmith.engine.distribute import World
from gansmith.engine.moves import Objective, Rates
from gansmith.engine.plan import Plan
from gansmith.engine.players import Players
from gansmith.engine.steps import step
from gansmith.errors import TrainingError
from gansmith.layout import Batch


@dataclass(frozen=True)
class Tick:
    """What the watchers are shown: where the run stands, the mean of every recorded value since the last tick, the rates, the speed."""

    position: Position
    seen: int  # real samples seen by the discriminator
    means: dict[str, float]
    rates: Rates
    speed: float  # samples a second since the last tick
    last: bool  # nothing comes after this tick, now: the run has ended or was asked to stop


class Watcher(Protocol):
    def __call__(self, tick: Tick, players: Players) -> None: ...


def play(
    players: Players,
    feed: Callable[[int], Batch],
    objective: Objective,
    plan: Plan,
    world: World,
    start: Position,
    watch: Sequence[Watcher] = (),
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> Position:
    """Play the game from `start` to the end of the plan, or to the tick at which a stop was asked for. Gives the position reached.

    TrainingError where a value is not finite or a process is lost.
    """
    pace, position = Pace(plan, start), start
    sums, counts = dict[str, torch.Tensor](), Counter[str]()
    place, opened = start.step, time.perf_counter()
    began = opened
    while not position.finished:
        rates = plan.rates(place, pace.share(place))
        record = step(players, feed(place), plan.noise(place, world), objective, rates, world.average, place)
        place += 1
        counts.update(record.keys())  # what is not of every step, such as a lazy penalty, has a mean over those it is of
        for name, value in record.items():
            sums[name] = sums[name] + value if name in sums else value
        # on a processor a look at each step costs nothing; elsewhere it would wait for the device, so the tick's means tell
        if world.device == "cpu" and not math.isfinite(record["grad_d"] + record["grad_g"]):
            raise not_finite(players, place)
        if place % plan.tick and place < plan.steps:
            continue

        steps = place - position.step
        means = _means(sums, counts, world)
        if not (all(map(math.isfinite, means.values())) and players.finite()):
            raise not_finite(players, place)
        now = time.perf_counter()
        stop = world.any(asked_to_stop())
        seconds, spent = world.share([start.seconds + now - opened, now - began])
        position = pace.tick(place, seconds, spent / steps)
        tick = Tick(position, place * plan.taken, means, rates, steps * plan.taken / spent, stop or position.finished)
        for look in watch:
            look(tick, players)
        if stop:
            break
        sums, counts, began = {}, Counter(), time.perf_counter()
    return position


class Pace:
    """How much of a run is done. Bounded by samples it is a matter of the step alone; bounded by minutes, of the time left and the
    speed just measured, so that every schedule ends when the time does."""

    def __init__(self, plan: Plan, start: Position) -> None:
        self.plan = plan
        self.done, self.at = start.share, start.step
        self.each = 0.0

    def share(self, step: int) -> float:
        if self.plan.minutes is None:
            return min(1.0, step / self.plan.steps)
        return min(1.0, max(self.done + (step - self.at) * self.each, step / self.plan.steps))

    def tick(self, step: int, seconds: float, seconds_a_step: float) -> Position:
        """Note that `step` was reached after `seconds`; gives the position."""
        steps, self.done, self.at = step - self.at, self.share(step), step
        over = step >= self.plan.steps
        if self.plan.minutes is not None:
            left = max(self.plan.minutes * 60.0 - seconds, 0.0)
            over = over or left == 0.0
            if not self.each:  # the speed was not known until now: the steps so far took their part of the time that was left
                self.done = 1.0 - (1.0 - self.done) * left / (left + steps * seconds_a_step)
            self.each = (1.0 - self.done) * seconds_a_step / max(left, seconds_a_step)
        return Position(step, 1.0 if over else self.done, seconds, over)


def _means(sums: dict[str, torch.Tensor], counts: Counter[str], world: World) -> dict[str, float]:
    stacked = torch.stack([value / counts[name] for name, value in sums.items()])
    world.average(stacked)
    return dict(zip(sums, stacked.tolist(), strict=True))


def not_finite(players: Players, step: int) -> TrainingError:
    """The sentence for a value that is not finite: where it began."""
    where = players.discriminator.culprit() or players.generator.culprit() or "loss"
    return TrainingError(
        f"training stopped at step {step}: the {where} is not finite. The last good checkpoint is kept. "
        "Lower optimiser.lr_generator and optimiser.lr_discriminator, raise penalty.gamma, or set machine.precision=fp32, and train again."
    )
