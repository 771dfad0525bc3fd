"""What may be set side by side, and what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gansmith.pages.content import RunRecord
from gansmith.records import Evaluation, Score

OWN = frozenset({"step", "seen"})  # conditions that tell of the subject and not of how it was judged


def judged(evaluation: Evaluation) -> dict[str, Any]:
    """The conditions of an evaluation apart from the subject's own, in the form they have after a file."""
    found: dict[str, Any] = json.loads(json.dumps({k: v for k, v in evaluation.conditions.items() if k not in OWN}))
    return found


def differing(several: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Name -> its value in each, for every name on which they do not all agree; None where one has no such name."""
    names = dict.fromkeys(name for values in several for name in values)
    found = {name: tuple(values.get(name) for values in several) for name in names}
    return {name: values for name, values in found.items() if any(v != values[0] for v in values)}


def course(evaluations: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """The evaluations made under the conditions of the newest, by step of the run; the newest of each step."""
    if not evaluations:
        return ()
    alike = [e for e in evaluations if judged(e) == judged(evaluations[-1])]
    if any("step" not in e.conditions for e in alike):  # of something that has no steps: in the order in which they were made
        return tuple(alike)
    by_step = {int(e.conditions["step"]): e for e in alike}
    return tuple(by_step[step] for step in sorted(by_step))


@dataclass(frozen=True)
class Cell:
    """A score of one run beside those of others."""

    score: Score | None
    best: bool = False  # its interval lies on the better side of all others


@dataclass(frozen=True)
class Bench:
    """Runs judged under the same conditions: their scores may be read across."""

    runs: tuple[int, ...]  # places in the report
    conditions: Mapping[str, Any]
    rows: tuple[tuple[Score, tuple[Cell, ...]], ...]  # a score that says which metric, then a cell for each run


def benches(runs: Sequence[RunRecord]) -> tuple[Bench, ...]:
    """The runs that were evaluated, in groups of equal conditions. A group of one stands beside nobody."""
    groups: list[list[int]] = []
    for place, run in enumerate(runs):
        if run.evaluation is None:
            continue
        for group in groups:
            first = runs[group[0]].evaluation
            if first is not None and judged(first) == judged(run.evaluation):
                group.append(place)
                break
        else:
            groups.append([place])
    return tuple(_bench(tuple(group), runs) for group in groups)


def _bench(places: tuple[int, ...], runs: Sequence[RunRecord]) -> Bench:
    several = [e for e in (runs[p].evaluation for p in places) if e is not None]
    tables = [{s.metric: s for s in e.scores if s.label is None} for e in several]
    metrics = dict.fromkeys(name for table in tables for name in table)
    rows = tuple((next(t[m] for t in tables if m in t), _cells([t.get(m) for t in tables])) for m in metrics)
    return Bench(places, judged(several[0]), rows)


def _cells(scores: Sequence[Score | None]) -> tuple[Cell, ...]:
    there = [s for s in scores if s is not None and s.reliable]
    return tuple(Cell(s, s in there and len(there) > 1 and all(_beats(s, o) for o in there if o is not s)) for s in scores)


def _beats(one: Score, other: Score) -> bool:
    """Whether the interval of one lies wholly on the better side of the other's."""
    if one.better == "higher":
        return one.estimate.low > other.estimate.high
    return one.estimate.high < other.estimate.low
