"""What looks after a run: it tells what the checks find as it happens, keeps healthy moments, and says when and how to go back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gansmith import config
from gansmith.config import Recipe
from gansmith.engine import checkpoint
from gansmith.engine.examine import Examiner
from gansmith.engine.loop import Tick
from gansmith.engine.players import Players
from gansmith.engine.quality import Quality
from gansmith.engine.watch import add_line, record_of
from gansmith.errors import RunError
from gansmith.health.checks import all_look_from, examine, findings
from gansmith.health.history import History
from gansmith.health.remedies import changeable, remedy
from gansmith.records import Finding, Recovery
from gansmith.runs import RunFolder, write_text

TRIES = 3  # times in a run that it goes back; what these do not mend, more of them will not
MOMENTS = 8  # healthy moments kept in a run at most, evenly over it …
KEPT = 4  # … and of those before the oldest checkpoint so many, the newest
BEFORE = 0.8  # share of the steps so far: an illness was there for a while before it was sure, so what is younger is not trusted
BY_HEART = ("H204", "H218")  # what was learned by heart was so before it showed, and is not unlearned: such a run begins anew
TOLD = 4  # findings told while the run goes on; the others are for `gansmith diagnose`


def recoveries(run: RunFolder) -> list[Recovery]:
    """Those of a run, oldest first. RunError where one is not as this gansmith writes it: what the run goes on with would not be known."""
    try:
        return [Recovery(**line) for line in run.recovered()]
    except TypeError as error:
        what = str(error).removeprefix("Recovery.__init__() ")
        raise RunError(
            f"{run.recoveries} has a line that this version of gansmith does not know ({what}). Copy the folder again from its source, or "
            "upgrade with: pip install -U gansmith"
        ) from None


def mended(recipe: Recipe, run: RunFolder) -> Recipe:
    """The recipe with what the recoveries changed: a kill may have come between a recovery and the writing of recipe.yaml."""
    for recovery in recoveries(run):
        recipe = config.merge(recipe, recovery.changes)
    return recipe


@dataclass(frozen=True)
class Seen:
    """What the checks found at an examination, worst first, and which of it had been found at the one before too: one may be chance."""

    findings: tuple[Finding, ...] = ()
    sure: tuple[Finding, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing is wrong, not even surely; but for what is a fact of the data or the networks, and was so from the first step."""
        return all(f.severity == "note" or f.evidence.get("certain") for f in self.findings)


class Guard:
    """Looks at a run's history after every examination; everything it decides depends on what is in the run folder alone, and on no time,
    so that a run which was interrupted decides alike.

    data  data.json
    tell  told of a finding and the step at which it was sure

    It always tells; it goes back where `run.guard` is set.
    """

    def __init__(
        self,
        run: RunFolder,
        examiner: Examiner,
        quality: Quality | None,
        recipe: Recipe,
        data: Mapping[str, Any],
        tell: Callable[[Finding, int], None],
    ) -> None:
        self.run, self.examiner, self.quality, self.tell = run, examiner, quality, tell
        self.acts, self.settings = recipe.run.guard, config.flat(recipe)
        self.recoveries = recoveries(run)
        self.ticks = run.records()
        self.history = History((), settings=self.settings, data=data, recovered=tuple(asdict(r) for r in self.recoveries))
        self.told: set[str] = set()
        self.seen = Seen()
        steps = [exam["step"] for exam in examiner.exams]
        for step in steps[-2:]:
            self._look(step)
        self.exams = len(steps)

    def __call__(self, tick: Tick, players: Players) -> None:
        self.ticks.append(record_of(tick))
        if len(self.examiner.exams) == self.exams:
            return
        self.exams = len(self.examiner.exams)
        self._look(tick.position.step)
        for finding in self.seen.sure:
            if finding.code not in self.told and finding.severity != "note" and len(self.told) < TOLD:
                self.told.add(finding.code)
                self.tell(finding, tick.position.step)
        if not (self.acts and self.seen.well) or tick.position.share < all_look_from(self.history):
            return
        if int(tick.position.share * MOMENTS) > int(self._share_of_moment() * MOMENTS):
            checkpoint.save_moment(self.run, players, tick.position, KEPT)

    @property
    def wanted(self) -> Recovery | None:
        """How to go back, where something severe is sure, or the run is lost, and settings can mend it."""
        if not self.acts or len(self._changed) >= TRIES or not self.examiner.exams:
            return None
        lost = self.quality is not None and self.quality.lost
        step = int(self.examiner.exams[-1]["step"])
        for finding in self.seen.sure:
            if (finding.severity == "severe" or lost) and (found := self._recovery(finding, step)) is not None:
                return found
        return None

    def after(self, stopped: str, step: int) -> Recovery | None:
        """How to go back after the run stopped with this sentence, a value not being finite."""
        if not self.acts or len(self._changed) >= TRIES:
            return None
        found = findings(examine(replace(self._until(step), stopped=stopped)))
        return next((r for f in found if f.severity == "severe" and (r := self._recovery(f, step)) is not None), None)

    @property
    def _changed(self) -> list[Recovery]:
        return [r for r in self.recoveries if r.changes]

    def _recovery(self, finding: Finding, step: int) -> Recovery | None:
        """What would be done about a finding; None where nothing more can be."""
        tries = sum(r.code == finding.code for r in self._changed)
        # a second try of the same goes farther back, so that no state is come to twice with the same settings ahead
        trusted = 0.0 if finding.code in BY_HEART else BEFORE * step
        moments = [m for m in sorted(map(checkpoint.step_of, self.run.moments()), reverse=True) if m <= trusted]
        back = moments[tries] if tries < len(moments) else 0
        changes = remedy(finding, changeable(self.settings, self.history.data), tries, self.history.data.get("automatic"), back == 0)
        if not changes:
            return None
        return Recovery(step, back, finding.code, finding.message, changes, len(self.recoveries) + 1)

    def _look(self, step: int) -> None:
        found = tuple(findings(examine(self._until(step))))
        before = {f.code: f.severity for f in self.seen.findings}
        self.seen = Seen(found, tuple(f for f in found if before.get(f.code) == f.severity))

    def _until(self, step: int) -> History:
        """The history as it was at a step, without what the machine decides."""
        looks = tuple(asdict(look) for look in self.quality.looks) if self.quality is not None else ()
        then = replace(self.history, ticks=tuple(self.ticks), exams=tuple(self.examiner.exams), looks=looks).until(step)
        return replace(then, recovered=self.history.recovered)  # also of steps that are still to come again

    def _share_of_moment(self) -> float:
        """Share of the run that was done at the newest healthy moment."""
        steps = set(map(checkpoint.step_of, self.run.moments()))
        return max((float(exam["share"]) for exam in self.examiner.exams if exam["step"] in steps), default=0.0)


def go_back(run: RunFolder, recipe: Recipe, recovery: Recovery) -> None:
    """Write down that the run goes back and with what settings it goes on, and keep what its records said until then.

    A kill at any moment leaves either the run as it was, or one that goes on as if it had not been killed: once the line is in
    recoveries.jsonl, checkpoints of what is undone count no more.
    """
    for path in (run.log, run.quality, run.health, run.speed):
        if path.exists():
            target = run.tries / str(recovery.number) / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    add_line(run.recoveries, asdict(recovery))
    for path in (*run.saved(), *run.moments()):
        if checkpoint.step_of(path) > recovery.back:
            path.unlink(missing_ok=True)
    write_text(run.recipe, "".join(f"# {r.sentence} {r.message}\n" for r in recoveries(run)) + config.dump(mended(recipe, run)))


def note_loss(run: RunFolder, message: str) -> Recovery:
    """Write down that a lost process is replaced, and the run goes on from its newest checkpoint."""
    position = checkpoint.newest(run)
    found = Recovery(position.step, position.step, "H223", message, {}, len(run.recovered()) + 1, position.seconds)
    add_line(run.recoveries, asdict(found))
    return found
