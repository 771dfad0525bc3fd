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
from gansmith.errors import NotFinite
from gansmith.layout import Batch
from gansmith.randomness import seed_modules, seed_of

PEAKS = ("grad_d", "grad_g")  # of which a mean hides the one step that went wrong


@dataclass(frozen=True)
class Tick:
    """What the watchers are shown: where the run stands, the mean of every recorded value since the last tick, the rates, the speed."""

    position: Position
    seen: int  # real samples seen by the discriminator
    means: dict[str, float]
    rates: Rates
    speed: float  # samples a second since the last tick
    phases: dict[str, float]  # share of the time since then that went into fetching data, the game, and what looked on
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
    broken_off: Callable[[], bool] = lambda: False,
) -> Position:
    """Play the game from `start` to the end of the plan, or to the tick at which a stop was asked for, of which the watchers are told that
    it is the last; or to where a watcher has the game broken off. Gives the position reached. torch's own random state is set at each step.

    NotFinite where a value is not finite, LostProcess where a process is lost.
    """
    pace, position = Pace(plan, start), start
    sums, counts, peaks = dict[str, torch.Tensor](), Counter[str](), dict[str, torch.Tensor]()
    place, opened = start.step, time.perf_counter()
    began, fetching, watching = opened, 0.0, 0.0
    while not position.finished and (place > position.step or not world.any(broken_off())):
        rates = plan.rates(place, pace.share(place))
        asked = time.perf_counter()
        batch = feed(place)
        fetching += time.perf_counter() - asked
        seed_modules(seed_of(plan.seed, f"modules/{world.rank}", place), world.device)
        record = step(players, batch, plan.noise(place, world), objective, rates, world.average, place)
        place += 1
        counts.update(record.keys())  # what is not of every step, such as a lazy penalty, has a mean over those it is of
        for name, value in record.items():
            sums[name] = sums[name] + value if name in sums else value
        for name in PEAKS:
            peaks[name] = torch.maximum(peaks[name], record[name]) if name in peaks else record[name]
        # on a processor a look at each step costs nothing; elsewhere it would wait for the device, so the tick's means tell
        if world.device == "cpu" and not math.isfinite(record["grad_d"] + record["grad_g"]):
            raise not_finite(players, place)
        if place % plan.tick and place < plan.steps:
            continue

        steps = place - position.step
        means = _means(sums, counts, world) | {f"{name}_peak": float(value) for name, value in peaks.items()}
        if not (all(map(math.isfinite, means.values())) and players.finite()):
            raise not_finite(players, place)
        now = time.perf_counter()
        stop = world.any(asked_to_stop())
        seconds, spent = world.share([start.seconds + now - opened, now - began])
        position = pace.tick(place, seconds, spent / steps)
        phases = _phases(fetching, spent, watching)
        tick = Tick(position, place * plan.taken, means, rates, steps * plan.taken / spent, phases, stop or position.finished)
        for look in watch:
            look(tick, players)
        if stop:
            break
        sums, counts, peaks, fetching, began = {}, Counter(), {}, 0.0, time.perf_counter()
        watching = began - now
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


def _phases(fetching: float, spent: float, watching: float) -> dict[str, float]:
    """Shares of the time from one tick to the next: `spent` on steps, of which `fetching` data, and then `watching`."""
    whole = max(spent + watching, 1e-9)
    data = min(fetching, spent)
    return {"data": data / whole, "game": (spent - data) / whole, "watch": watching / whole}


def not_finite(players: Players, step: int) -> NotFinite:
    """The sentence for a value that is not finite: where it began."""
    where = players.discriminator.culprit() or players.generator.culprit() or "loss"
    return NotFinite(
        f"training stopped at step {step}: the {where} is not finite. The last good checkpoint is kept. "
        "Lower optimiser.lr_generator and optimiser.lr_discriminator, raise penalty.gamma, or set machine.precision=fp32, and train again.",
        step,
    )
