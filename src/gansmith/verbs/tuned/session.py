"""A search from its folder to its end, in this process or with others beside it."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from gansmith.errors import RunError
from gansmith.pages import words
from gansmith.tuning.budget import PLANNED, begun_in, enough, judging
from gansmith.tuning.found import Found, Judged, Trial, closest, decide, rival
from gansmith.tuning.space import Space
from gansmith.verbs.tuned import work
from gansmith.verbs.tuned.folder import Asked, TuneFolder
from gansmith.verbs.tuned.study import Study
from gansmith.verbs.tuned.trying import Shop

OFTEN = 1.0  # seconds between two looks at where a search stands
NOTED = 5.0  # seconds between two notes of the time that was spent


@dataclass(frozen=True)
class Progress:
    """Where a search stands."""

    stage: Literal["search", "judgement"]
    trials: tuple[Trial, ...]  # that have ended, in order
    running: dict[int, float] = field(default_factory=dict)  # number of a trial -> how much of it is done
    judged: tuple[Judged, ...] = ()
    judgements: int = 0  # runs of the judgement in all
    left: float = 0.0  # seconds of the budget
    picture: Path | None = None  # samples of the best trial so far

    @property
    def best(self) -> Trial | None:
        """The one that came closest, which may be the default."""
        return closest(self.trials)

    @property
    def default(self) -> Trial | None:
        return next((t for t in self.trials if t.default), None)


@dataclass(frozen=True)
class Begun:
    """What is settled before the first trial."""

    folder: TuneFolder
    asked: Asked
    space: Space
    counts: tuple[int, int, int]  # samples to train on, to measure trials by, and fresh ones
    trials: int  # that there are already
    notes: tuple[str, ...] = ()  # sentences about what is not as one might expect


class Audience(Protocol):
    """Told what happens; the command line has one that draws a view."""

    def opening(self, done: int, all: int) -> None:
        """`done` of `all` samples are decoded."""

    def doing(self, words: str) -> None:
        """What is done before the first trial, and after the last run."""

    def begun(self, begun: Begun) -> None:
        """Everything is settled; the first trial comes next."""

    def moved(self, progress: Progress) -> None:
        """Something has moved; often."""


@dataclass
class Session:
    """A search that is going on, by the one process that holds its folder."""

    shop: Shop
    study: Study
    storage: str | None  # with its password
    audience: Audience
    began: float  # time.monotonic() when what `spent` does not yet hold began
    notes: tuple[str, ...] = ()  # what is to be told before the first trial
    setup: float = 0.0  # seconds that went by before it
    told: float = -OFTEN
    noted: float = 0.0

    @property
    def folder(self) -> TuneFolder:
        return self.shop.folder

    @property
    def asked(self) -> Asked:
        return self.shop.asked

    @property
    def spent(self) -> float:
        return self.asked.spent + time.monotonic() - self.began

    def run(self) -> Found:
        """Search, judge, and give what was found. RunError where every trial failed."""
        bench, trials = self.shop.bench, self.study.trials()
        counts = (len(bench.members), len(bench.aside), len(bench.fresh))
        self.setup = self.spent - self.asked.spent
        notes = (*self.notes, *([] if self.asked.settled else shortage(self.asked, trials, self.setup)))
        self.audience.begun(Begun(self.folder, self.asked, self.study.space, counts, len(trials), notes))
        if not self.asked.settled:
            for number in self.study.abandoned():
                self.study.leave(number)
            self._search()
            work.refuse_failure(self.study.trials())
            self._settle()
        if self.asked.best is not None:
            self._judge()
        return self._found()

    @property
    def longer(self) -> int:
        """Minutes in which a search that goes on, after as long a set-up, makes the trials that are missing, but one at least."""
        trials = self.study.trials()
        rounds = math.ceil(outstanding(self.asked, trials) / self.asked.jobs)
        return enough(self.spent, self.setup + rounds * self.asked.trial * work.stretched(trials, self.asked))

    def _search(self) -> None:
        left = self.asked.search - self.spent
        if self.asked.jobs == 1:
            work.search(self.study, self.shop, left, lambda number, share: self._tell("search", {number: share}))
        else:
            self._beside("search", left)
        if self.storage is not None:
            self._await_others()
        self._tell("search", now=True)

    def _await_others(self) -> None:
        """Let the trials of other machines end, so that all judge the same one; for no longer than a trial takes."""
        until = time.monotonic() + self.asked.trial * work.stretched(self.study.trials(), self.asked)
        own = set(self.study.abandoned())
        while (running := {n: s for n, s in self.study.shares().items() if n not in own}) and time.monotonic() < until:
            self._tell("search", running)
            time.sleep(OFTEN)

    def _settle(self) -> None:
        """Which trial is judged, with how many seeds, and for how long."""
        trials = self.study.trials()
        left = (self.asked.budget.seconds - self.spent) / work.stretched(trials, self.asked)
        seeds, final = judging(left, self.asked.jobs, self.asked.trial, self.asked.longest)
        best = rival(trials)
        self._note(settled=True, best=best and best.number, seeds=seeds if best else 0, final=final)

    def _judge(self) -> None:
        if self.asked.jobs == 1:
            work.judgement(self.study, self.shop, slice(None), lambda share: self._tell("judgement"))
        else:
            self._beside("judgement", 0.0)
        self._tell("judgement", now=True)
        missing = len(work.tasks(self.asked, self.shop.recipe.run.seed)) - len(self.folder.judgements())
        if missing:
            raise RunError(f"{missing} runs of the judgement did not finish. Go on with --resume {self.folder.path}")

    def _beside(self, stage: Literal["search", "judgement"], seconds: float) -> None:
        """Let other processes do it, and tell of it."""
        others = work.start(self.folder, self.asked.jobs, stage, seconds, self.storage)
        try:
            while any(process.poll() is None for process in others):
                self._tell(stage, self.study.shares() if stage == "search" else {})
                time.sleep(OFTEN)
        finally:
            work.end(others)
        self._refuse_loss(others)

    def _refuse_loss(self, others: Sequence[subprocess.Popen[bytes]]) -> None:
        """RunError where every process ended for a reason of its own."""
        if all(process.returncode for process in others):
            said = [line for line in self.folder.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            what = said[-1].removeprefix("gansmith: ") if said else f"exit code {others[0].returncode}"
            raise RunError(f"every process of the search ended early: {what} Their output is in {self.folder.log}.")

    def _tell(self, stage: Literal["search", "judgement"], running: dict[int, float] | None = None, now: bool = False) -> None:
        """Tell the audience, not too often, and note the time."""
        if not now and time.monotonic() - self.told < OFTEN:
            return
        self.told = time.monotonic()
        if now or self.told - self.noted >= NOTED:
            self._note()
        end = self.asked.search if stage == "search" else self.asked.budget.seconds
        self.audience.moved(
            Progress(
                stage,
                tuple(self.study.trials()),
                running or {},
                tuple(self.folder.judgements()),
                len(work.tasks(self.asked, 0)),
                max(end - self.spent, 0.0),
                self.folder.picture if self.folder.picture.exists() else None,
            )
        )

    def _note(self, **changes: Any) -> None:
        """Write down the time that was spent, and what else has been settled."""
        self.shop = replace(self.shop, asked=replace(self.asked, spent=self.spent, **changes))
        self.began = self.noted = time.monotonic()
        self.folder.write(self.asked)

    def _found(self) -> Found:
        trials, judged = self.study.trials(), self.folder.judgements()
        in_time = self.asked.trials is None or len(trials) < self.asked.trials  # would more have been made
        best = next((t for t in trials if t.number == self.asked.best), None)
        gain, winner, sentence = decide(judged, best, trials, self.longer if in_time else None)
        yardstick = self.shop.bench.search
        return Found(
            name=self.folder.path.resolve().name,
            data=self.asked.data,
            fingerprint=self.asked.fingerprint,
            measure=yardstick.words,
            minutes=self.asked.minutes,
            jobs=self.asked.jobs,
            trial_minutes=self.asked.trial / 60,
            final_minutes=self.asked.final / 60,
            whole_minutes=self.asked.longest / 60,
            space={name: where.to_plain() for name, where in self.study.space.items()},
            values=self.asked.values,
            trials=tuple(trials),
            floor=self.shop.bench.floor,
            judged=tuple(judged),
            best=self.asked.best,
            gain=gain,
            winner=winner,
            sentence=sentence,
            importance=self.study.importance(trials),
            seconds=self.spent,
        )


def outstanding(asked: Asked, trials: Sequence[Trial]) -> int:
    """Trials that were planned and have not ended; one at least."""
    return max((asked.trials or PLANNED) - len(trials), 1)


def shortage(asked: Asked, trials: Sequence[Trial], setup: float) -> list[str]:
    """A sentence where the set-up has left less time than the planned trials take; none where it has left enough."""
    each, planned = asked.trial * work.stretched(trials, asked), outstanding(asked, trials)
    fit = begun_in(asked.search - asked.spent - setup, each, asked.jobs)
    fit = max(fit, 0 if trials else asked.jobs)  # every process makes its first in any case
    if fit >= planned or len(trials) == asked.trials:
        return []
    return [f"set-up took {words.duration(setup)}; time for {fit} trial{'s' if fit != 1 else ''} of {planned}"]
