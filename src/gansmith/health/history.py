"""What is known of a run, in the order in which it happened: what the checks look at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

Line = Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """A run's records, oldest first, and what it was asked to do.

    ticks     log.jsonl: the mean of each recorded value since the tick before, and the rates
    exams     health.jsonl: what the examinations measured (`health.signals.Exam`)
    looks     quality.jsonl: the averaged generator's distance from the data
    speeds    speed.jsonl: samples a second, and the share of the time that each phase took
    settings  every setting of the run, dotted name -> value
    data      data.json; with "automatic", dotted settings that the automatic recipe would choose for the data, a finding can name values
    stopped   the sentence with which the run stopped before its end, "" where it did not
    recovered recoveries.jsonl: every time the run went back and on with other settings
    """

    ticks: tuple[Line, ...] = ()
    exams: tuple[Line, ...] = ()
    looks: tuple[Line, ...] = ()
    speeds: tuple[Line, ...] = ()
    settings: Line = field(default_factory=dict)
    data: Line = field(default_factory=dict)
    stopped: str = ""
    recovered: tuple[Line, ...] = ()

    def until(self, step: int) -> History:
        """What was known at a step."""
        several = (self.ticks, self.exams, self.looks, self.speeds, self.recovered)
        ticks, exams, looks, speeds, recovered = (tuple(line for line in lines if line["step"] <= step) for lines in several)
        return replace(self, ticks=ticks, exams=exams, looks=looks, speeds=speeds, recovered=recovered, stopped="")

    @property
    def share(self) -> float:
        """Share of the run done, 0 to 1; 0 where nothing tells."""
        return max((s for lines in (self.ticks[-1:], self.exams[-1:]) for s in numbers(lines, "share")), default=0.0)


def number(value: Any) -> float | None:
    """A finite number as it is; None of anything else, as a line of an older version or a damaged file may hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def numbers(lines: Sequence[Line], name: str) -> list[float]:
    """The finite numbers that lines hold by a name, oldest first; lines without one are left out."""
    return [found for line in lines if (found := number(line.get(name))) is not None]


def typical(lines: Sequence[Line], name: str) -> float | None:
    """The median of what lines hold by a name; None where none does."""
    found = numbers(lines, name)
    return median(found) if found else None


def lately(lines: Sequence[Line], part: float, least: int) -> Sequence[Line]:
    """The last part of the lines, and no fewer than `least` where there are as many."""
    return lines[-max(least, round(part * len(lines))) :]


def between(lines: Sequence[Line], begin: float, end: float) -> list[Line]:
    """The lines of a stretch of the run: those whose share lies in [begin, end]."""
    return [line for line in lines if (share := number(line.get("share"))) is not None and begin <= share <= end]
