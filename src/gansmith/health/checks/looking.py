"""What the checks share: the stretch of a run they look at, its settings, whether the samples are any good, and the answer that they cannot
look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from itertools import pairwise
from statistics import median
from typing import Any

from gansmith.health.checks import thresholds as limit
from gansmith.health.history import History, Line, between, lately, number, numbers, typical
from gansmith.health.remedies import changeable, remedy
from gansmith.records import Clear, Finding, NotApplicable, Outcome, typed

Look = Callable[[History], Outcome]
OTHERWISE = ("H216", "H221")  # what the guard would do about these is only the best that can be done in the middle of a run
CERTAIN = "certain"  # in the evidence of what was read from facts, not concluded: such a finding is a cause, and never explained by another


class Absent(Exception):
    """Why a check could not look, in one sentence."""


def check(code: str) -> Callable[[Callable[[History], Finding | None]], Look]:
    """Makes of a function that gives a finding or None, or raises Absent, one that gives an outcome of that code.

    What settings can mend is added to the finding's advice: the changes that the guard would go on with from the start.
    """

    def wrap(function: Callable[[History], Finding | None]) -> Look:
        @wraps(function)
        def look(history: History) -> Outcome:
            try:
                found = function(history)
            except Absent as absent:
                return NotApplicable(code, str(absent))
            return Clear(code) if found is None else replace(found, advice=_advice(found, history))

        return look

    return wrap


def mending(found: Finding, history: History) -> dict[str, Any]:
    """The settings, dotted name -> value, that a new run would best be given against what was found; {} where none would help."""
    if found.code in OTHERWISE:
        return {}
    automatic = history.data.get("automatic")
    now = changeable(history.settings, history.data)
    return remedy(found, now, 0, automatic if isinstance(automatic, Mapping) else None, anew=True)


def _advice(found: Finding, history: History) -> str:
    changes = mending(found, history)
    if changes.get("penalty.gamma_end") == changes.get("penalty.gamma"):  # it follows by itself
        changes.pop("penalty.gamma_end", None)
    said = [f"{name}={typed(value)} (it is {typed(history.settings[name])})" for name, value in changes.items()]
    settings = f"Set {', '.join(said[:-1])}{' and ' * (len(said) > 1)}{said[-1]}." if said else ""
    return " ".join(part for part in (settings, found.advice) if part)


@dataclass(frozen=True)
class Window:
    """Examinations, oldest first, and what is typical of them: the median, so that one odd examination accuses nobody."""

    exams: Sequence[Line]

    def maybe(self, name: str) -> float | None:
        return typical(self.exams, name)

    def of(self, name: str) -> float:
        """Absent where no examination of the window has it."""
        found = self.maybe(name)
        if found is None:
            raise Absent(f"the examinations of this run did not measure {name!r}.")
        return found

    def each(self, name: str) -> dict[str, float]:
        """Of a value by class or by parameter: the median of each over the window; where each is a list of numbers, of the first."""
        groups = [group for exam in self.exams if isinstance(group := exam.get(name), Mapping)]
        lines = [{str(key): value[0] if isinstance(value, list) and value else value for key, value in group.items()} for group in groups]
        found = {key: typical(lines, key) for key in sorted({key for line in lines for key in line})}
        return {key: value for key, value in found.items() if value is not None}

    def always(self, name: str) -> list[str]:
        """The names that every examination of the window lists."""
        lists = [set(map(str, found)) for exam in self.exams if isinstance(found := exam.get(name), list)]
        return sorted(set.intersection(*lists)) if lists and len(lists) == len(self.exams) else []


def window(history: History, since: float = limit.YOUNG) -> Window:
    """The latest examinations. Absent where there are too few, or the run is too young for what is asked."""
    if not history.exams:
        raise Absent("this run was never examined: an older gansmith trained it, run.exams is 0, or it ended before the first examination.")
    exams = since_share(history, since)
    if len(exams) < limit.FEWEST:
        raise Absent(f"the run was examined {len(exams)} times after its first {since:.0%}, and this check needs {limit.FEWEST}.")
    return Window(lately(exams, limit.LATELY, limit.FEWEST))


def since_share(history: History, since: float) -> list[Line]:
    """The examinations after a share of the run."""
    return between(history.exams, since, 1.0)


def rate(history: History, name: str, dotted: str) -> float | None:
    """A scheduled setting as it was at the latest tick, else as the recipe has it."""
    latest = numbers(history.ticks[-1:], name)
    return latest[0] if latest else number(history.settings.get(dotted))


def usual(history: History, dotted: str) -> float | None:
    """What the automatic recipe would have chosen; None where that is not recorded."""
    automatic = history.data.get("automatic")
    return number(automatic.get(dotted)) if isinstance(automatic, Mapping) else None


def moves(seen: Window, player: str, over_layers: Callable[[Sequence[float]], float] = median) -> float | None:
    """How far a step of the optimiser moves a player's weights, over their length: the median over its layers, or what is asked for."""
    found = [move for name, move in seen.each("moves").items() if name.startswith(f"{player}.")]
    return over_layers(found) if found else None


def few_numbers(history: History) -> bool:
    """Whether samples are points of so few numbers that their distance from the data is one of neighbours, in logarithms."""
    layout = history.data.get("layout")
    if not isinstance(layout, Mapping) or layout.get("positions") or not isinstance(blocks := layout.get("blocks"), list):
        return False
    return sum(number(block.get("size")) or 0.0 for block in blocks if isinstance(block, Mapping)) <= limit.FEW_NUMBERS


def whole(history: History) -> float | None:
    """Steps of the whole run; None where nothing tells."""
    step = numbers(history.ticks[-1:], "step") or numbers(history.exams[-1:], "step")
    return step[0] / history.share if step and history.share > 0 else None


def enough_steps(history: History) -> float:
    """Steps in which a healthy run of such samples comes near the data."""
    return limit.FEW_OF_POINTS if few_numbers(history) else limit.FEW_STEPS


def short(history: History) -> bool:
    """Whether the whole run is so short that its samples, whatever they look like, tell of that."""
    steps = whole(history)
    return steps is not None and steps < (limit.SHORT_OF_POINTS if few_numbers(history) else limit.SHORT)


def poor(history: History, seen: Window) -> bool:
    """Whether samples are still far from the data; False where that is not measured, or it is too early to say."""
    if few_numbers(history):
        reached, possible = seen.maybe("reached"), seen.maybe("reached_real") or limit.REACHED_BY_REAL
        missing = reached is not None and reached < limit.HALF_REACHED * possible
        return history.share >= limit.SETTLED and missing and (seen.maybe("off_average") or 0.0) > limit.POOR_POINTS
    off = seen.maybe("off_live")
    return history.share >= limit.LEARNED and off is not None and off > limit.POOR


def ills(history: History, seen: Window) -> Iterator[str]:
    """What is visibly wrong with the samples, in words: what a cause must have done to be one."""
    spread, closest, inside = seen.maybe("spread"), seen.maybe("closest"), within_classes(seen)
    if poor(history, seen):
        yield "they are far from the data"
    if spread is not None and spread < limit.NARROW:
        yield f"they lie {spread:.2g} times as far apart as real ones"
    elif inside is not None and inside < limit.NARROW_INSIDE:
        yield f"those of one class lie {inside:.2g} times as far apart as real ones"
    if closest is not None and closest < limit.REPEATED:
        yield f"they repeat (their nearest neighbours are {closest:.2g} times as far away as among real ones)"


def nearer(seen: Window) -> float | None:
    """Distance of generated samples to training samples over that to unseen ones; None where that was not compared."""
    train, held = seen.maybe("nearest_train"), seen.maybe("nearest_held")
    return None if train is None or held is None else over(train, held)


def within_classes(seen: Window) -> float | None:
    """Spread within a class over that of real samples: the median over classes."""
    return middle(list(seen.each("spread_classes").values()))


def stuck(history: History) -> bool | None:
    """Whether the averaged generator is no nearer to the data than a third of the examinations before; None where that cannot be said."""
    off = numbers(since_share(history, limit.YOUNG), "off_average")
    third = len(off) // 3
    if third < limit.THIRD:
        return None
    last = off[-2 * third :]
    if all(b < a for a, b in pairwise(last)):  # slow, but on its way: with few examinations a third is a short time
        return False
    before, now = median(last[:third]), median(last[third:])
    return before - now < limit.NEARER_BY if few_numbers(history) else now > limit.BETTER * before


def over(a: float, b: float) -> float:
    """a / b, where b is no less than nothing."""
    return a / max(b, 1e-12)


def middle(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def classes(names: Sequence[str]) -> str:
    """'class 3', 'classes 3, 7'."""
    return f"class{'es' if len(names) > 1 else ''} {listed(names, 6)}"


def times(ratio: float) -> str:
    """A ratio in words: '10 times', '1/30 of'."""
    return f"{ratio:,.3g} times" if ratio >= 1 else f"1/{over(1, ratio):,.3g} of"
