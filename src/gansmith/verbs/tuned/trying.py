"""One trial: its recipe trained, ended early where it falls behind, and what came of it measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gansmith.config import Recipe
from gansmith.engine.loop import Tick
from gansmith.errors import GansmithError, NotFiniteData
from gansmith.runs import RunFolder, replacing
from gansmith.tuning import space as spaces
from gansmith.tuning.found import Arm, Judged, Trial
from gansmith.verbs.playing import Silent, Started
from gansmith.verbs.run import Run
from gansmith.verbs.train import train
from gansmith.verbs.tuned.bench import Bench
from gansmith.verbs.tuned.cost import Costs
from gansmith.verbs.tuned.folder import Asked, TuneFolder
from gansmith.verbs.tuned.study import LOOKS, Study

if TYPE_CHECKING:
    import optuna

KEPT = 3  # best trials whose generators and checkpoints stay

# Nobody looks on, and what depends on the length of a run is chosen for this one.
BARE: dict[str, Any] = {
    "run.tick": None,
    "run.exams": None,
    "run.report": False,
    "run.previews": 1,
    "run.keep": 1,
    "run.checkpoint_seconds": 1e9,
    "run.tensorboard": False,
}
# What falls ill in a trial is to come out badly, not to be mended.
TRIAL: dict[str, Any] = {**BARE, "run.exams": 0, "run.guard": False}

DIVERGED = "the generator's samples are not finite: training diverged. Lower the learning rates."
KEPT_WORDS = " The last good checkpoint is kept."  # of a run by itself; those of a trial that failed are not
Share = Callable[[int, float], None]  # told the number of a trial and how much of it is done


class Behind(Exception):
    """A trial is worse than most of those before it were at the same place."""


class Orphaned(Exception):
    """The process that started this one is gone."""


@dataclass(frozen=True)
class Shop:
    """What trials are made with."""

    folder: TuneFolder
    recipe: Recipe
    bench: Bench
    asked: Asked
    data: Any = None  # brought from Python
    parent: int | None = None  # the process without which this one ends

    @property
    def alike(self) -> dict[str, Any]:
        """Settings that are the same in every run."""
        return {**self.asked.hands, "data.split_seed": self.bench.seed}

    @property
    def costs(self) -> Costs:
        """What a sample costs with the settings of a trial."""
        return Costs(self.folder.costs, self.recipe, self.alike, self.asked.values, self.asked.batch, self.data)

    def samples(self, values: Mapping[str, Any], seconds: float) -> int:
        """Samples that a run with these settings sees while the default sees those of so many seconds."""
        return max(self.asked.batch, round(self.asked.speed * seconds * self.costs({}) / self.costs(values)))


class Watching(Silent):
    """Reports each look at a trial and ends it where it falls behind."""

    def __init__(self, study: Study, trial: optuna.trial.Trial, shop: Shop, share: Share) -> None:
        self.study, self.trial, self.shop, self.share = study, trial, shop, share
        self.run: RunFolder | None = None
        self.seen = 0
        self.surprises: list[float] = []

    def started(self, started: Started) -> None:
        self.run = started.run

    def tick(self, tick: Tick) -> None:
        refuse_orphan(self.shop.parent)
        self.share(self.trial.number, tick.position.share)
        if "surprise" in tick.means:
            self.surprises.append(tick.means["surprise"])
        look = int(tick.position.share * LOOKS)
        if look <= self.seen or (distance := self._distance()) is None:
            return
        self.seen, self.surprises = look, []
        if self.study.report(self.trial, distance, look) and not tick.last:
            raise Behind

    def _distance(self) -> float | None:
        """The newest look at the generator. Of rows it is what the training rows themselves surprised it by: the only look there is at rows
        that were kept out is also at those that are to stay fresh."""
        if self.surprises:
            return sum(self.surprises) / len(self.surprises)
        looks = self.run.looks() if self.run else []
        return looks[-1]["distance"] if looks else None


def attempt(study: Study, trial: optuna.trial.Trial, shop: Shop, share: Share) -> None:
    """Train a trial and tell the study what came of it. A stop leaves it to be tried again."""
    watching = Watching(study, trial, shop, share)
    values = study.drawn(trial)
    settings = {**TRIAL, "run.looks": LOOKS, "data.held_out": shop.recipe.data.held_out + shop.bench.share}

    def run() -> str:
        return str(watching.run.path.relative_to(shop.folder.path)) if watching.run else ""

    try:
        trained = _trained(shop, shop.folder.trials, f"{trial.number:03d}", values, shop.asked.trial, settings, watching)
        measured = shop.bench.search(trained.generator)
    except Behind:
        study.tell(trial, "pruned", run=run())
    except GansmithError as error:
        study.tell(trial, "failed", why=reason(error), run=run())
    except KeyboardInterrupt:
        study.leave(trial.number)
        raise
    else:
        study.tell(trial, "complete", measured.score, run=run())
    _tidy(shop.folder, study.trials())


def judge(arm: Arm, seed: int, values: Mapping[str, Any], shop: Shop, share: Callable[[float], None]) -> Judged:
    """Train an arm anew, on all that is not fresh, and measure it by what is. What was left of it by a stop is removed."""
    name = f"{arm}-{seed}"
    for left in shop.folder.finals.glob(f"{name}-*"):
        shutil.rmtree(left)
    try:
        run = _trained(shop, shop.folder.finals, name, values, shop.asked.final, {**BARE, "run.seed": seed}, Onlooker(shop, share))
        measured = shop.bench.judgement(run.generator)
    except GansmithError as error:
        return Judged(arm, seed, None, "", reason(error))
    shutil.rmtree(run.folder.checkpoints, ignore_errors=True)
    return Judged(arm, seed, measured, str(run.path.relative_to(shop.folder.path)))


def reason(error: GansmithError) -> str:
    """Why a run of a search failed. Its data are whole, so features that are no numbers can only be those of what the generator made."""
    if isinstance(error, NotFiniteData):
        return DIVERGED
    return str(error).replace(KEPT_WORDS, "")


class Onlooker(Silent):
    """Tells how much of a run is done."""

    def __init__(self, shop: Shop, share: Callable[[float], None]) -> None:
        self.shop, self.share = shop, share

    def tick(self, tick: Tick) -> None:
        refuse_orphan(self.shop.parent)
        self.share(tick.position.share)


def refuse_orphan(parent: int | None) -> None:
    """Orphaned where the process that started this one is gone."""
    if parent is not None and os.getppid() != parent:
        raise Orphaned("the process that started this one is gone.")


def _trained(
    shop: Shop, runs: Path, name: str, values: Mapping[str, Any], seconds: float, settings: Mapping[str, Any], audience: Silent
) -> Run:
    recipe = spaces.applied(shop.recipe, values)
    length = {"run.minutes": None, "run.samples": shop.samples(values, seconds)}
    looks = {"run.looks": 0} if shop.bench.opened.layout.given else {}  # at rows, they are at those that are to stay fresh
    whole = {**settings, **shop.alike, **looks, **length}
    return train(shop.data, recipe=recipe, settings=whole, runs=runs, name=name, audience=audience)


def _tidy(folder: TuneFolder, trials: list[Trial]) -> None:
    """Of all but the best few trials keep the recipe, the logs and the picture alone; show the best one's picture."""
    complete = sorted((t for t in trials if t.score is not None), key=lambda t: t.score or 0.0)
    for trial in (t for t in trials if t.run and t not in complete[:KEPT]):
        run = RunFolder(folder.path / trial.run)
        for path in (run.checkpoints, run.generator):
            shutil.rmtree(path, ignore_errors=True)
    if complete and complete[0].run:
        newest = max(RunFolder(folder.path / complete[0].run).previews.glob("*.png"), default=None)
        if newest is not None:
            with replacing(folder.picture) as temporary:
                shutil.copyfile(newest, temporary)
