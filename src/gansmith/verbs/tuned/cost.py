"""What a sample costs: a network twice as wide has to come as far in the same time, and so sees fewer samples.

It is counted in processor time, on a few real steps. By the clock a trial would be short whenever the machine has something else to do, and
no two would be alike; bounded by samples, each is the same on a busy machine as on a quiet one, and only takes longer.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gansmith.config import Recipe
from gansmith.engine.loop import Tick
from gansmith.runs import read_json, write_json
from gansmith.tuning import space as spaces
from gansmith.verbs.playing import Silent
from gansmith.verbs.train import train

FREE = ("optimiser.lr", "optimiser.beta", "average.", "augment.", "penalty.gamma", "run.burn_in")  # settings that cost nothing
EACH, FEWEST, MOST = 2, 4, 25  # steps of a measurement, of which the least counts, and measurements
SECONDS = 1.0  # of processor time, after which FEWEST are enough
ROUNDS = 2  # of measuring the default and another in turn: the first steps of a new process are dear
SHORT: dict[str, Any] = {
    "run.minutes": None, "run.looks": 0, "run.exams": 0, "run.guard": False, "run.previews": 0, "run.report": False,
    "run.tensorboard": False, "run.checkpoint_seconds": 1e9,
}  # fmt: skip


class Enough(Exception):
    """The cost is known."""


class Meter(Silent):
    """Notes the time and the samples at each tick."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.marks: list[tuple[float, int]] = []

    def tick(self, tick: Tick) -> None:
        self.marks.append((self.clock(), tick.seen))
        if len(self.marks) > FEWEST and self.marks[-1][0] - self.marks[0][0] >= SECONDS:
            raise Enough

    @property
    def cost(self) -> float:
        """Seconds a sample, the least that was found: whatever disturbs a step makes it longer. The first tick is left out: what is done
        once is done before it."""
        pairs = zip(self.marks, self.marks[1:], strict=False)
        return max(min((b[0] - a[0]) / (b[1] - a[1]) for a, b in pairs), 1e-12)


def measured(recipe: Recipe, settings: Mapping[str, Any], batch: int, data: Any) -> float:
    """Seconds that a sample costs under a recipe: of the processor, elsewhere of the clock. GansmithError where it cannot be trained."""
    meter = Meter(time.process_time if settings["machine.device"] == "cpu" else time.perf_counter)
    each = max(EACH, recipe.penalty.every)  # so that each measurement has its penalty
    samples = each * MOST * batch * recipe.game.critics
    with tempfile.TemporaryDirectory() as place, suppress(Enough):
        train(data, recipe=recipe, settings={**SHORT, **settings, "run.tick": each, "run.samples": samples}, runs=place, audience=meter)
    return meter.cost


class Costs:
    """What samples cost with the settings that were asked for, measured once for each network and batch and kept in a file."""

    def __init__(self, path: Path, recipe: Recipe, settings: Mapping[str, Any], default: Mapping[str, Any], batch: int, data: Any) -> None:
        """default: values of the searched settings in the recipe. batch: of the recipe, resolved."""
        self.path, self.recipe, self.settings, self.default, self.batch, self.data = path, recipe, settings, default, batch, data

    def __call__(self, values: Mapping[str, Any]) -> float:
        """Seconds that a sample costs with these values in the place of the default's, where the default costs what it did at first.

        Whoever measures it measures the default again beside it: a process may have another beside it, or be new, and the two are to be
        told apart by nothing but the settings.
        """
        other = {n: v for n, v in sorted(values.items()) if self.default.get(n) != v and not n.startswith(FREE)}
        key = json.dumps(other)
        known = self._known()
        if key not in known:
            if other:
                default, its = zip(*((self._measured({}), self._measured(other)) for _ in range(ROUNDS)), strict=True)
                cost = self({}) * min(its) / min(default)
            else:
                cost = self._measured({})
            known = {**self._known(), key: cost}
            write_json(self.path, known)
        return known[key]

    def _measured(self, other: Mapping[str, Any]) -> float:
        return measured(spaces.applied(self.recipe, other), self.settings, int(other.get("run.batch", self.batch)), self.data)

    def _known(self) -> dict[str, float]:
        return dict(read_json(self.path)) if self.path.exists() else {}
