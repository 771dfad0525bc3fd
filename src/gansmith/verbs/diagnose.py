"""diagnose: what went wrong in a run, the evidence, and what to change."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from gansmith import config, pages, runs
from gansmith.config import MEMORY
from gansmith.errors import RunError, StorageError
from gansmith.health.checks import examine, findings
from gansmith.health.checks.looking import mending
from gansmith.health.history import History
from gansmith.pages import Health, RunRecord
from gansmith.pages.health import Past, Undone, explained, titled
from gansmith.records import Clear, Finding, NotApplicable, Outcome, as_typed
from gansmith.runs import RunFolder

SEVERAL = 2  # examinations in a row


@dataclass(frozen=True)
class Recorded:
    """How much of a run there is to be judged."""

    state: str  # finished, unfinished, not begun
    step: int
    seen: int  # real samples
    share: float  # of the run that is done, 0 to 1
    records: int  # lines of the log
    examinations: int
    stopped: str = ""  # the sentence with which it stopped before its end


@dataclass(frozen=True)
class Diagnosis:
    """What the checks say of a run."""

    run: str
    recorded: Recorded
    outcomes: tuple[Outcome, ...]  # one a check
    findings: tuple[Finding, ...]  # those of them that found something, worst first, a cause before what it causes
    past: tuple[Past, ...]  # what was wrong for a while, and is no more
    recoveries: tuple[dict[str, Any], ...]  # each time the run went back and on with other settings
    gaps: tuple[str, ...]  # a sentence for each record that is not whole
    summary: str  # how many checks found something, nothing, and did not apply
    page: Path | None  # with the charts; None where there was no place for it
    again: str = ""  # the command that trains anew with what the worst finding wants changed; empty where settings would not help

    @property
    def healthy(self) -> bool:
        """Whether the players were examined, and no check found more than a note."""
        return self.recorded.examinations > 0 and all(f.severity == "note" for f in self.findings)

    @property
    def clear(self) -> tuple[Clear, ...]:
        """The checks that looked and found nothing."""
        return tuple(o for o in self.outcomes if isinstance(o, Clear))

    @property
    def not_applicable(self) -> tuple[NotApplicable, ...]:
        """The checks that could not look, or that mean nothing here."""
        return tuple(o for o in self.outcomes if isinstance(o, NotApplicable))

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {
            "run": self.run,
            "recorded": asdict(self.recorded),
            "summary": self.summary,
            "findings": [{"title": titled(f.code), **f.to_dict(), "explained": explained(f.code)} for f in self.findings],
            "clear": [o.code for o in self.clear],
            "not_applicable": {o.code: o.why for o in self.not_applicable},
            "past": [{"title": titled(p.finding.code), **p.to_dict()} for p in self.past],
            "recoveries": list(self.recoveries),
            "gaps": list(self.gaps),
            "page": None if self.page is None else str(self.page),
            "again": self.again,
        }


def diagnose(run: str | Path, *, out: str | Path | None = None, command: str = "") -> Diagnosis:
    """Look at everything a run recorded, say what went wrong and what to change, and draw it on one page.

    run      a run folder: finished, stopped, still going, or of an older gansmith
    out      a folder, or a path ending in .html; None: the page becomes diagnosis.html in the run's own folder
    command  shown as what makes the page again

    RunError where the folder is no run, ConfigError where a newer gansmith wrote it, StorageError where `out` cannot be written.
    """
    folder = runs.find(run)
    history = history_of(folder)
    outcomes = examine(history)
    health = health_of(folder, history, outcomes)
    record = RunRecord(
        name=folder.path.resolve().name,
        path=str(run),
        recipe=folder.recipe.read_text(encoding="utf-8"),
        settings=history.settings,
        data=history.data,
        log=history.ticks,
        seconds=history.speeds[-1].get("seconds") if history.speeds else None,
        health=health,
    )
    words = ["gansmith", "diagnose", str(run), *(["--out", str(out)] if out is not None else [])]
    place, page, gaps = _place(folder, out), None, health.gaps
    try:
        runs.write_text(place, pages.diagnosis(record, command or shlex.join(words), version("gansmith")))
        page = place
    except StorageError as error:
        if out is not None:
            raise
        gaps = (*gaps, f"The page of charts was not written: {error} Name another place with --out.")
    step = int(history.ticks[-1]["step"]) if history.ticks else 0
    examined = len(history.exams)
    recorded = Recorded(record.state, step, record.seen, record.share, len(history.ticks), examined, history.stopped)
    recoveries = tuple(dict(r) for r in health.recoveries)
    again = _again(folder, history, health.findings)
    return Diagnosis(str(run), recorded, outcomes, health.findings, health.past, recoveries, gaps, health.summary, page, again)


def _again(folder: RunFolder, history: History, found: Sequence[Finding]) -> str:
    """The command that trains anew as the run was, with what its worst finding wants changed."""
    ill = [f for f in found if f.severity != "note"]
    changes = mending(ill[0], history) if ill else {}
    brought = history.data.get("own")
    if not changes or history.settings.get("data.source") == MEMORY or (isinstance(brought, Mapping) and any(brought.values())):
        return ""
    typed_in = [word for name, value in changes.items() for word in ("--set", as_typed({name: value}))]
    return shlex.join(["gansmith", "train", "--recipe", str(folder.recipe), *typed_in])


def _place(folder: RunFolder, out: str | Path | None) -> Path:
    """Where the page goes."""
    if out is None:
        return folder.diagnosis
    return Path(out) if Path(out).suffix.lower() == ".html" else RunFolder(Path(out)).diagnosis


def history_of(folder: RunFolder) -> History:
    """Everything a run recorded, as the checks take it; what is not there, or was cut off, is left out.

    ConfigError where its recipe cannot be read.
    """
    return History(
        ticks=tuple(folder.records()),
        exams=tuple(folder.exams()),
        looks=tuple(folder.looks()),
        speeds=tuple(folder.speeds()),
        settings=config.flat(config.read(folder.recipe)),
        data=_data(folder) or {},
        stopped=folder.stopped.read_text(encoding="utf-8", errors="replace").strip() if folder.stopped.is_file() else "",
        recovered=tuple(folder.recovered()),
    )


def _data(folder: RunFolder) -> dict[str, Any] | None:
    """data.json; None where it cannot be read."""
    try:
        found = runs.read_json(folder.data)
    except RunError:
        return None
    return found if isinstance(found, dict) else None


def health_of(folder: RunFolder, history: History, outcomes: tuple[Outcome, ...]) -> Health:
    """What the checks answered of a run, with the records they looked at, as pages show it."""
    course = [(int(exam["step"]), findings(examine(history.until(int(exam["step"]))))) for exam in history.exams]
    return Health.of(
        outcomes,
        past=tuple(_past(course, {o.code for o in outcomes if isinstance(o, Finding)})),
        course=tuple({"step": step, "found": {f.code: f.severity for f in found}} for step, found in course),
        recoveries=history.recovered,
        gaps=tuple(_gaps(folder, history)),
        exams=history.exams,
        looks=history.looks,
        speeds=history.speeds,
        undone=tuple(_undone(folder, recovery) for recovery in history.recovered),
    )


def _past(course: Sequence[tuple[int, Sequence[Finding]]], now: Collection[str]) -> list[Past]:
    """What was found beyond notes at several examinations in a row, for once may be chance, and is no more; the earliest first."""
    ill = [(step, {f.code: f for f in found if f.severity != "note"}) for step, found in course]
    past = []
    for code in {code for _, found in ill for code in found} - set(now):
        told = [(step, found.get(code)) for step, found in ill]
        longest = max((list(spell) for there, spell in groupby(told, lambda at: at[1] is not None) if there), key=len)
        step, finding = longest[-1]
        if len(longest) >= SEVERAL and finding is not None:
            past.append(Past(finding, longest[0][0], step))
    return sorted(past, key=lambda p: (p.first, p.finding.code))


def _undone(folder: RunFolder, recovery: Mapping[str, Any]) -> Undone:
    """What the run had recorded when it went back; nothing where that was not kept, or nothing was undone."""
    if not recovery.get("changes"):  # it went on from where it was
        return Undone()
    kept = RunFolder(folder.tries / str(recovery.get("number")))
    return Undone(tuple(kept.records()), tuple(kept.exams()), tuple(kept.looks()), tuple(kept.speeds()))


def _gaps(folder: RunFolder, history: History) -> Iterator[str]:
    """What there is not to be judged by, and why, in a sentence each."""
    if not history.ticks and (history.exams or folder.saved() or folder.generator.exists()):
        yield f"{folder.log} is missing or empty, although this run was trained. Copy the whole folder again from its source."
    elif not history.ticks:
        yield (
            "This run has no record of any training: it ended before its first tick. "
            f"Go on with: gansmith train --resume {shlex.quote(str(folder.path))}"
        )
    elif not history.exams:
        off = history.settings.get("run.exams") == 0
        why = "run.exams=0 switched this off" if off else "an older gansmith trained it, or it ended before the first examination"
        yield f"The networks of this run were never examined ({why}), so most checks do not apply. Train it again to get them all."
    end = history.ticks[-1]["step"] if history.ticks else 0
    later = [exam["step"] for exam in history.exams if exam["step"] > end]
    if history.ticks and len(later) >= SEVERAL:  # one may have been written just before a kill
        yield f"{folder.log} ends at step {end:,}, although the run went on to step {later[-1]:,} at least."
    if _data(folder) is None:
        yield f"{folder.data} cannot be read, so nothing is known about the data. Copy the whole folder again from its source."
    kept = {
        folder.log: history.ticks,
        folder.health: history.exams,
        folder.quality: history.looks,
        folder.speed: history.speeds,
        folder.recoveries: history.recovered,
    }
    for path, records in kept.items():
        if cut := _lines(path) - len(records):
            yield f"{path.name} was cut off or damaged: {cut} of its lines cannot be read and {'is' if cut == 1 else 'are'} left out."


def _lines(path: Path) -> int:
    """Lines of a record, whole or not: a kill in the middle of writing leaves half a last one."""
    if not path.exists():
        return 0
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
