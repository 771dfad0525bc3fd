"""The page of a search: what was found beside the default, what it cost, and which settings mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gansmith.pages import pictures, words
from gansmith.pages.charts import DASHES, HEIGHT, INK, MUTED, PAINTS, Chart, _axes, _legend, _powers, _rows, _svg
from gansmith.pages.content import Picture
from gansmith.pages.page import LIMIT, _environment
from gansmith.pages.words import number
from gansmith.tuning.found import ARMS, Arm, Found, Judged, Trial
from gansmith.tuning.measure import LEAST, geometric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES: dict[Arm, str] = {"default": "default", "found": "best found"}
SHORT = 0.7  # of the length of a run by itself, below which a search tells little of that
BESIDES = 0.75  # inches of a chart of rows that are not rows
ROW = 0.42


@dataclass(frozen=True)
class Drawn:
    """Samples of both arms, and real ones beside them. Any may be absent."""

    real: Picture | None = None
    default: Picture | None = None
    found: Picture | None = None

    def all(self) -> list[Picture]:
        """Those there are, each with its title."""
        return [p for p in (self.real, self.default, self.found) if p is not None]


@dataclass(frozen=True)
class Shown:
    """A search with what is derived from it for the page."""

    found: Found
    drawn: Drawn
    recipe: str  # its path, as it stands in a command

    @property
    def answer(self) -> tuple[str, str, str]:
        """(look, mark, words) of whether anything better was found."""
        if self.found.winner == "found":
            return "yes", "✓", "Better settings were found"
        if self.found.gain is None or not self.found.gain.excludes_zero:
            return "unknown", "○", "Nothing clearly better"
        return "unknown", "○", "The default is better"

    @property
    def arms(self) -> list[tuple[str, list[Judged]]]:
        """Of both, the runs that came to their end."""
        return [(NAMES[arm], [j for j in self.found.of(arm) if j.measured is not None]) for arm in ARMS]

    @property
    def failures(self) -> list[str]:
        """A sentence for each run of the judgement that failed."""
        return [f"The {NAMES[j.arm]} failed with seed {j.seed}: {j.why}" for j in self.found.judged if j.measured is None]

    @property
    def headline(self) -> list[tuple[str, str]]:
        """What one has to know of a search before anything else."""
        found, seeds = self.found, len(self.found.of("default"))
        trial, final = (words.duration(60 * minutes) for minutes in (found.trial_minutes, found.final_minutes))
        beside = f", {found.jobs} at a time" if found.jobs > 1 else ""
        return [
            ("Data", found.data),
            ("Trials", f"{len(found.trials)}, of {trial} each"),
            ("Judged by", f"{seeds} seeds of either, {final} each" if seeds else "nothing"),
            ("Time", words.duration(found.seconds) + beside),
        ]

    @property
    def floor(self) -> str:
        return _floor(self.found)

    @property
    def reach(self) -> str:
        """How far the answer carries; '' where the runs were as long as they are by themselves, or there were none."""
        found = self.found
        if not found.judged or found.final_minutes >= SHORT * found.whole_minutes:
            return ""
        took, whole = (words.duration(60 * minutes) for minutes in (found.final_minutes, found.whole_minutes))
        return (
            f"Each of these runs was as long as {took} of the default on an idle machine; by itself it would train for {whole}. "
            "What is best for short runs need not be best for long ones: give the search more --minutes to know."
        )

    def won(self, name: str) -> bool:
        """Whether recipe.yaml holds this arm's settings."""
        return name == NAMES[self.found.winner]

    @staticmethod
    def mean(runs: Sequence[Judged], name: str) -> float | None:
        """Of one value over the seeds; of a score the geometric mean, as it is compared."""
        values = [getattr(j.measured, name) for j in runs]
        if not values:
            return None
        return geometric(values) if name == "score" else _mean(values)

    @property
    def settings(self) -> list[tuple[str, str, str, str, str]]:
        """Of each setting that was searched: where, the default, the best found, and how much it mattered."""
        best, weights = self.found.closest, self.found.importance
        return [
            (
                name,
                _where(self.found.space[name]),
                words.plain(self.found.values.get(name)),
                words.plain(best.values.get(name) if best else None),
                f"{weights[name]:.0%}" if name in weights else "–",
            )
            for name in sorted(self.found.space, key=lambda name: -weights.get(name, 0.0))
        ]

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Of the search."""
        return tuple(chart for chart in (course(self.found), importance(self.found)) if chart is not None)

    @property
    def judged(self) -> Chart | None:
        return judged(self.found)

    @property
    def ended(self) -> list[tuple[Trial, str]]:
        """Every trial, and how it ended."""
        told = {"complete": "", "pruned": "ended early, at {:.0%}", "failed": ""}
        return [(t, t.why or told[t.state].format(t.share)) for t in self.found.trials]


def html(found: Found, drawn: Drawn, recipe: str, command: str, version: str) -> str:
    """The page of a search, from what was found. `recipe`: path of recipe.yaml as it is written in a command; `command` searches longer."""
    several, shown = drawn.all(), Shown(found, drawn, recipe)
    embedded = pictures.embed([p.image for p in several], LIMIT // 2)
    place = {id(p): e for p, e in zip(several, embedded, strict=True)}
    return _environment(place).get_template("tuned.html").render(one=shown, found=found, command=command, version=version)


def judged(found: Found) -> Chart | None:
    """Both arms on fresh data, a dot for each seed. None where neither was judged."""
    arms = [(NAMES[arm], [j.measured.score for j in found.of(arm) if j.measured]) for arm in ARMS]
    there = [(name, scores) for name, scores in arms if scores]
    if not there:
        return None

    def draw(figure: Figure) -> None:
        axes = _rows(figure, [name for name, _ in there])
        for place, (_, scores) in enumerate(there):
            axes.scatter(scores, [place] * len(scores), s=20, color=PAINTS[place], alpha=0.7, linewidth=0)
            axes.plot([_mean(scores)] * 2, [place - 0.24, place + 0.24], color=INK, linewidth=2.2, solid_capstyle="butt")
        axes.set_xlabel("distance from fresh data; left is better")

    told = "; ".join(f"{name} {number(_mean(scores))} (from {number(min(scores))} to {number(max(scores))})" for name, scores in there)
    caption = "A dot is a run with its own seed, the vertical bar their mean."
    return Chart("On fresh data", _svg(draw, BESIDES + ROW * len(there), "tune-judged"), f"Distances from fresh data: {told}.", caption)


def course(found: Found) -> Chart | None:
    """The scores of complete trials, one after the other, and the best so far. None for fewer than two."""
    complete = [(t.number, t.score) for t in found.trials if t.score is not None]
    if len(complete) < 2:
        return None
    places, scores = zip(*complete, strict=True)
    best = [min(scores[: i + 1]) for i in range(len(scores))]
    default = found.default.score if found.default else None

    def draw(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = _axes(figure)
        named: dict[str, Any] = {"a trial": axes.scatter(places, scores, s=18, color=PAINTS[0], linewidth=0)}
        (named["best so far"],) = axes.step(places, best, where="post", color=PAINTS[1], linestyle=DASHES[0], linewidth=1.5)
        if default is not None:
            named["default"] = axes.axhline(default, color=MUTED, linewidth=1.0, linestyle=DASHES[1])
        axes.set_yscale("log")
        _powers(axes)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("trial")
        _legend(axes, named)

    alt = f"Distances of {len(complete)} complete trials from {number(min(scores))} to {number(max(scores))}; the best so far from "
    alt += f"{number(best[0])} to {number(best[-1])}."
    caption = f"Distance from the data set aside for the search. Real samples have {_floor(found)}."
    return Chart("Trial by trial", _svg(draw, HEIGHT, "tune-course"), alt, caption)


def importance(found: Found) -> Chart | None:
    """The share of the differences between trials that each setting makes. None where too few trials were complete."""
    if not found.importance:
        return None
    several = sorted(found.importance.items(), key=lambda pair: -pair[1])

    def draw(figure: Figure) -> None:
        axes = _rows(figure, [name for name, _ in several])
        axes.barh(range(len(several)), [100 * share for _, share in several], height=0.3, color=PAINTS[0])
        axes.set_xlim(0, None)
        axes.set_xlabel("share of the variance between trials, %")

    told = ", ".join(f"{name} {share:.0%}" for name, share in several)
    complete = sum(t.state == "complete" for t in found.trials)
    caption = f"By fANOVA over {complete} complete trials; with so few, only large shares mean something."
    return Chart("What mattered", _svg(draw, BESIDES + ROW * len(several), "tune-importance"), f"Importance: {told}.", caption)


def _where(told: Any) -> str:
    """A range or a choice of the space, in words."""
    if isinstance(told, dict):
        return f"{words.plain(told['low'])} to {words.plain(told['high'])}{', log' if told.get('log') else ''}"
    return ", ".join(words.plain(value) for value in told)


def _floor(found: Found) -> str:
    """What real samples have; below LEAST there is only chance."""
    return number(found.floor) if found.floor > LEAST else "0"


def _mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)
