"""Charts of a run's health: what both players were measured by through the run, with what is healthy and the recoveries marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gansmith.health.checks import thresholds as limit
from gansmith.health.history import number as finite
from gansmith.health.lines import shortened
from gansmith.pages.charts import (
    BELOW,
    DASHES,
    HEALTHY,
    HEIGHT,
    INK,
    LEGEND,
    PAINTS,
    PLACES,
    TURN,
    Chart,
    Marks,
    Scale,
    Series,
    _axes,
    _counted,
    _legend,
    _lines,
    _svg,
    fitting,
    recorded,
)  # fmt: skip
from gansmith.pages.health import CHECKS, Health, Undone, titled
from gansmith.pages.words import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = Mapping[str, Any]
Source = Literal["ticks", "exams", "looks", "speeds"]

PULL = (0.1, 10.0)  # what reaches the samples of a healthy run
ROWS = 16  # of a map; more layers than that are put together by what their names begin with, of classes the worst are kept
COLUMNS = 48  # of a map; more examinations than that are brought down to medians over stretches
TINY = 1e-30  # what is below it was exactly 0
SLOW = 1e-5  # of the length of the weights, which a step of a healthy run moves them by, even at the end when rates are low
STRENGTHS = (0.1, 0.28, 0.48, 0.7, 0.95)  # of a colour, from the least values to the greatest
NARROWEST = 1.25  # powers of ten that they cover at least, so that the ends of no two are the same when rounded
ALIKE = 0.75  # times as in real samples, from which a class is shown as healthy
LONG = 34  # characters of a name beside a map
TOLD = 3  # rows of a map told of in words


@dataclass(frozen=True)
class Records:
    """What a run recorded, each line with the real samples `seen` at its step."""

    ticks: tuple[Line, ...] = ()
    exams: tuple[Line, ...] = ()
    looks: tuple[Line, ...] = ()
    speeds: tuple[Line, ...] = ()
    course: tuple[Line, ...] = ()
    turns: tuple[float, ...] = ()  # real samples seen where the run went back to and on from
    classes: tuple[str, ...] = ()  # names of the classes that examinations tell of by number


def placed(ticks: Sequence[Line], kept: Health | Undone, back: Sequence[int], classes: Sequence[str]) -> Records:
    """Put every record of a run along the real samples seen, which only the ticks tell of. `back`: steps that the run went back to."""
    known = {int(t["step"]): float(t["seen"]) for t in ticks if "seen" in t}
    steps = sorted({0, *known})

    def seen(step: float) -> float:
        return float(np.interp(step, steps, [known.get(s, 0.0) for s in steps]))

    def along(lines: Sequence[Line]) -> tuple[Line, ...]:
        return tuple({**line, "seen": int(seen(line["step"]))} for line in lines) if known else ()

    turns = tuple(sorted({seen(step) for step in back})) if known else ()
    exams, looks, speeds, course = map(along, (kept.exams, kept.looks, kept.speeds, kept.course))
    return Records(tuple(ticks), exams, looks, speeds, course, turns, tuple(classes))


@dataclass(frozen=True)
class Signal:
    """One line chart: which values of which records it shows, under which names."""

    title: str
    source: Source
    values: tuple[tuple[str, str, int], ...]  # name in the record, name on the chart, style
    caption: str
    scale: Scale = "linear"
    level: float | None = None
    healthy: tuple[float, float] | None = None

    def draw(self, records: Records, prefix: str) -> Chart | None:
        lines = getattr(records, self.source)
        series = [s for key, name, style in self.values if (s := recorded(lines, key, name, style, self.scale)) is not None]
        if not series:
            return None
        return _lines(self.title, self.caption, series, prefix, self.scale, Marks(self.level, self.healthy, records.turns), columns=None)


@dataclass(frozen=True)
class Shade:
    """What a map shows values of [low, high) as."""

    name: str
    low: float
    high: float
    colour: str
    alpha: float = 1.0


@dataclass(frozen=True)
class Rows:
    """What a map shows: values [R, T] of R named things at T places along the run; nan where there is none."""

    names: tuple[str, ...]
    seen: np.ndarray  # [T]
    values: np.ndarray  # [R, T]


@dataclass(frozen=True)
class Map:
    """One map: a row for each layer or class, the run from left to right."""

    title: str
    rows: Callable[[Records], Rows | None]
    shades: Callable[[np.ndarray], tuple[Shade, ...]]
    caption: str
    what: str  # a row is of

    def draw(self, records: Records, prefix: str) -> Chart | None:
        rows = self.rows(records)
        return None if rows is None or np.isnan(rows.values).all() else _map(self, rows, records.turns, prefix)


@dataclass(frozen=True)
class Shares:
    """What each part of the time went into, one upon another."""

    title: str
    values: tuple[tuple[str, str, int], ...]
    caption: str

    def draw(self, records: Records, prefix: str) -> Chart | None:
        series = [s for key, name, style in self.values if (s := recorded(records.speeds, key, name, style)) is not None]
        if len(series) < len(self.values) or len({len(s.x) for s in series}) > 1:
            return None
        return _areas(self, series, records.turns, prefix)


def rounded(value: float, digits: int = 2) -> str:
    """To so many digits, as short as it can be written."""
    text = f"{value:.{digits}g}"
    return f"{float(text):g}".replace("e-0", "e-").replace("e+0", "e")


NONE = Shade("none at all", -math.inf, TINY, PAINTS[4], 0.85)
MOVES = (
    Shade("stands still", -math.inf, TINY, PAINTS[4], 0.85),
    Shade(f"below {rounded(limit.STILL)}", TINY, limit.STILL, PAINTS[0], 0.85),
    Shade(f"below {rounded(SLOW)}", limit.STILL, SLOW, PAINTS[0], 0.35),
    Shade(HEALTHY, SLOW, limit.LONG_STEP, PAINTS[2], 0.22),
    Shade(f"above {rounded(limit.LONG_STEP)}", limit.LONG_STEP, 10 * limit.LONG_STEP, PAINTS[1], 0.35),
    Shade(f"above {rounded(10 * limit.LONG_STEP)}", 10 * limit.LONG_STEP, math.inf, PAINTS[1], 0.85),
)


SEVERITIES = (
    Shade("note", -math.inf, 1.5, PAINTS[5], 0.35),
    Shade("warning", 1.5, 2.5, PAINTS[1], 0.5),
    Shade("severe", 2.5, math.inf, PAINTS[4], 0.85),
)


def beside_real(least: float) -> tuple[Shade, ...]:
    """Shades of values that are 1 where samples are as real ones, and ill below `least`."""
    return (
        Shade(f"below {rounded(least)}", -math.inf, least, PAINTS[1], 0.85),
        Shade(f"below {rounded(ALIKE)}", least, ALIKE, PAINTS[1], 0.35),
        Shade(HEALTHY, ALIKE, math.inf, PAINTS[2], 0.22),
    )


def decades(values: np.ndarray) -> tuple[Shade, ...]:
    """Shades between the smallest and the largest of values, on a log scale, and one of exact zeros."""
    above = values[values >= TINY]
    if not above.size:
        return (NONE,)
    low, high = (math.log10(float(v)) for v in np.quantile(above, (0.02, 0.98)))
    ends = [10.0**e for e in np.linspace(low, max(high, low + NARROWEST), len(STRENGTHS) + 1)[1:-1]]
    names = [f"below {rounded(ends[0], 1)}", *(f"from {rounded(e, 1)}" for e in ends)]
    several = zip(names, [TINY, *ends], [*ends, math.inf], STRENGTHS, strict=True)
    return (NONE, *(Shade(name, a, b, PAINTS[0], strength) for name, a, b, strength in several))


def layers(exams: Sequence[Line], key: str, player: str, together: Callable[[np.ndarray], np.ndarray]) -> Rows | None:
    """A value of every parameter of a player as rows, one a layer; `together` makes one of the values [K] of a layer's parameters."""
    start = f"{player}."
    of_player = [(e["seen"], {name: v for name, v in _group(e, key).items() if name.startswith(start)}) for e in exams]
    told = [(seen, group) for seen, group in of_player if group]
    if len(told) < 2:
        return None
    parameters = list(dict.fromkeys(name for _, group in told for name in group))
    if key == "moves":  # a bias begins at 0, so that its first steps are long beside it
        parameters = [p for p in parameters if "bias" not in p] or parameters
    groups = grouped([p.removeprefix(start) for p in parameters])
    values = np.array([[_number(group.get(p)) for _, group in told] for p in parameters])
    found = np.array([together(values[members]) for members in groups.values()])
    return Rows(tuple(groups), np.array([seen for seen, _ in told], float), found)


def _group(line: Line, key: str) -> dict[str, Any]:
    """What a line tells of several things by name; nothing where it does not."""
    found = line.get(key)
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float:
    """A finite number; nan of anything else."""
    found = finite(value)
    return math.nan if found is None else found


def grouped(parameters: Sequence[str]) -> dict[str, list[int]]:
    """Layers of a network by name, each with the places of its parameters. Where there are more than ROWS, names are cut shorter."""
    parts = [p.split(".parametrizations.")[0].split(".") for p in parameters]
    parts = [p if ".parametrizations." in whole or len(p) == 1 else p[:-1] for p, whole in zip(parts, parameters, strict=True)]
    for depth in range(max(map(len, parts)), 0, -1):
        found: dict[str, list[int]] = {}
        for place, part in enumerate(parts):
            found.setdefault(".".join(part[:depth]), []).append(place)
        if len(found) <= ROWS:
            break
    return found


def norm(values: np.ndarray) -> np.ndarray:
    """Norm [T] of the vector whose parts have the norms [K, T]."""
    return np.sqrt(np.square(values).sum(0))


def middle(values: np.ndarray) -> np.ndarray:
    """Median [T] of [K, T]."""
    return np.median(values, 0)


def found_when(records: Records) -> Rows | None:
    """How bad what each check found was, as rows in the order of the checks; nan where it found nothing."""
    ranks = {"note": 1.0, "warning": 2.0, "severe": 3.0}
    told = [(line["seen"], _group(line, "found")) for line in records.course]
    codes = [code for code in CHECKS if any(code in found for _, found in told)]
    if len(told) < 2 or not codes:
        return None
    values = np.array([[ranks.get(found.get(code, ""), math.nan) for _, found in told] for code in codes])
    return Rows(tuple(f"{code} {titled(code)}" for code in codes), np.array([seen for seen, _ in told], float), values)


def of_classes(records: Records, key: str, value: Callable[[Any], float]) -> Rows | None:
    """A value of every class as rows, those lowest at the end first, at most ROWS."""
    told = [(e["seen"], group) for e in records.exams if (group := _group(e, key))]
    if len(told) < 2:
        return None
    last = {k: value(v) for _, group in told for k, v in group.items()}
    worst = sorted(last, key=lambda k: (math.isnan(last[k]), last[k]))[:ROWS]
    found = np.array([[value(group.get(k)) for _, group in told] for k in worst])
    names = {str(i): name for i, name in enumerate(records.classes)}
    return Rows(tuple(names.get(k, k) for k in worst), np.array([seen for seen, _ in told], float), found)


def of_reachable(pair: Any) -> float:
    """What generated samples reach as a share of what held-out ones do; nan where nothing can be reached."""
    made, real = map(_number, pair) if isinstance(pair, list) and len(pair) == 2 else (math.nan, math.nan)
    return made / real if real else math.nan


def _gradients(player: str) -> Map:
    return Map(
        f"Gradient of each layer, {player}",
        lambda records: layers(records.exams, "gradients", player, norm),
        decades,
        "From the input at the top to the output. A row that is faint beside the others learns little; one that grows strong may explode.",
        "layer",
    )


def _moves(player: str) -> Map:
    return Map(
        f"Steps of each layer, {player}",
        lambda records: layers(records.exams, "moves", player, middle),
        lambda values: MOVES,
        f"Length of a step of the optimiser over the length of the weights; healthy is {rounded(SLOW)} to {rounded(limit.LONG_STEP)}.",
        "layer",
    )


SIGNALS: dict[str, Signal | Map | Shares] = {
    "course": Map(
        "What the checks found, and when",
        found_when,
        lambda values: SEVERITIES,
        "What a check found once may be chance; what it found in the end counts.",
        "check",
    ),
    "logits": Signal(
        "Logits of samples as they are",
        "exams",
        (("logit_train", "training", 0), ("logit_held", "held out", 2), ("logit_fake", "generated", 1)),
        "Held-out samples should be judged as training samples are; where they fall towards the generated ones, the discriminator knows "
        "its training samples by heart.",
    ),
    "wins": Signal(
        "How often the discriminator is right",
        "exams",
        (("wins_train", "training", 0), ("wins_held", "held out", 2)),
        "Share of pairs of a real and a generated sample in which the real one is held for more real. The thin line is a coin toss.",
        level=0.5,
    ),
    "pull": Signal(
        "What reaches the samples",
        "exams",
        (("pull", "pull on the generator", 3), ("slope", "slope of the discriminator", 2)),
        "Gradient at the generated samples, over the spread of the data. Near 0 the generator is told nothing.",
        "log",
        healthy=PULL,
    ),
    "gradients": Signal(
        "Gradient norms and their peaks",
        "ticks",
        (("grad_d", "discriminator", 2), ("grad_d_peak", "its peaks", 4), ("grad_g", "generator", 3), ("grad_g_peak", "its peaks ", 1)),
        "Length of each player's gradient, and the largest between two records.",
        "log",
    ),
    "gradients of the generator": _gradients("generator"),
    "gradients of the discriminator": _gradients("discriminator"),
    "moves of the generator": _moves("generator"),
    "moves of the discriminator": _moves("discriminator"),
    "variety": Signal(
        "Variety of the samples",
        "exams",
        (("spread", "distance of any two", 0), ("closest", "distance to the nearest", 1)),
        "Of generated samples, over the same of real ones: 1, the thin line, is as varied as the data; near 0 all are alike.",
        level=1.0,
        healthy=(limit.NARROW, math.inf),
    ),
    "reached": Signal(
        "What of the data is reached",
        "exams",
        (("reached", "by generated samples", 1), ("reached_real", "by held-out ones", 2)),
        "Share of training samples that have another sample close by. Held-out ones show what a perfect generator would reach.",
    ),
    "variety of classes": Map(
        "Variety within each class",
        lambda records: of_classes(records, "spread_classes", _number),
        lambda values: beside_real(limit.NARROW_CLASS),
        "Distance of two generated samples of a class over that of two real ones; the least varied class first.",
        "class",
    ),
    "classes reached": Map(
        "What of each class is reached",
        lambda records: of_classes(records, "reached_classes", of_reachable),
        lambda values: beside_real(limit.MISSED_CLASS),
        "Share of a class's training samples that generated ones come close to, over what held-out ones do; the least reached first.",
        "class",
    ),
    "distance": Signal(
        "Distance from the data",
        "exams",
        (("off_live", "live generator", 1), ("off_average", "averaged generator", 0)),
        "0 is perfect, 1 as bad as one sample repeated. What is sampled from is the averaged generator.",
        level=1.0,
        healthy=(0.0, limit.POOR),
    ),
    "quality": Signal(
        "Distance of the averaged generator",
        "looks",
        (("distance", "averaged generator", 0),),
        "By which the best generator of the run is kept; lower is better.",
    ),
    "average": Signal(
        "How far the average lags",
        "exams",
        (("ema_gap", "averaged against live", 0),),
        "Distance of the samples that both make of the same latents, over the spread of the data.",
    ),
    "losses": Signal(
        "Losses of both players",
        "ticks",
        (("loss_d", "discriminator", 2), ("loss_g", "generator", 3)),
        "Losses that swing without the samples getting better go round in a circle.",
    ),
    "penalty": Signal(
        "Slope at the penalty's samples",
        "ticks",
        (("r1", "at real", 0), ("r2", "at generated", 1), ("slope", "between", 2)),
        "What the gradient penalty pulls down: large where it is too weak, near 0 where it is too strong.",
        "log",
    ),
    "response": Signal(
        "What the condition changes",
        "exams",
        (("response", "of the samples", 1), ("response_d", "of the judgement", 2)),
        "Near 0 the generator, or the discriminator, takes no notice of what it is asked for.",
        healthy=(limit.IGNORED, math.inf),
    ),
    "ends": Signal(
        "Values at the ends of their range",
        "exams",
        (("low", "lowest", 1), ("low_real", "lowest, real", 4), ("high", "highest", 0), ("high_real", "highest, real", 2)),
        "Share of all values. Far more than in real samples: the output is saturated.",
    ),
    "range": Signal(
        "Values beside the real ones",
        "exams",
        (("mean_gap", "shift of the mean", 0), ("deviation", "spread of values", 2), ("beyond", "beyond the range", 1)),
        "The mean's shift in standard deviations of the data, the standard deviation over theirs, and the share outside their range.",
    ),
    "border": Signal(
        "Border and grid",
        "exams",
        (("border_gap", "border", 0), ("weave", "grid", 1), ("weave_real", "grid, real", 2)),
        "The outermost places beside those of real samples, and the strength of a woven pattern of 2 or 4 places: 1 is none.",
    ),
    "dead": Signal(
        "What does not learn",
        "exams",
        (("dead_g", "units of the generator", 3), ("dead_d", "of the discriminator", 2), ("dead_latents", "latent numbers", 0)),
        "Share of units without any gradient, and of the latent's numbers that change nothing.",
        healthy=(0.0, limit.DEAD),
    ),
    "originality": Signal(
        "Nearest real sample",
        "exams",
        (("nearest_train", "of training", 0), ("nearest_held", "held out", 2), ("copies", "share of copies", 1)),
        "Distance of generated samples to it, over what is usual between real ones. Far nearer to training samples: learned by heart.",
    ),
    "poisoned": Signal(
        "Samples left out",
        "exams",
        (("poisoned", "not finite", 1),),
        "Samples of the data that were not finite and were not learned from.",
    ),
    "time": Shares(
        "Where the time goes",
        (("data", "fetching data", 1), ("game", "playing", 0), ("watch", "looking on", 5)),
        "Share of the time of each part of the work. Fetching data should stay below the thin line.",
    ),
}

# What shows an illness, the most telling first.
SHOWN: dict[str, tuple[str, ...]] = {
    "H201": ("variety", "reached"),
    "H202": ("reached", "classes reached", "variety of classes", "variety"),
    "H203": ("response",),
    "H204": ("logits", "wins"),
    "H205": ("pull", "wins"),
    "H206": ("wins", "logits"),
    "H207": ("gradients", "gradients of the generator", "gradients of the discriminator"),
    "H208": ("logits",),
    "H209": ("distance", "losses", "quality"),
    "H210": ("gradients", "losses"),
    "H211": ("ends",),
    "H212": ("range", "border"),
    "H213": ("penalty", "pull"),
    "H214": ("penalty", "pull"),
    "H215": ("distance", "average"),
    "H216": ("gradients", "distance"),
    "H217": ("distance", "quality"),
    "H218": ("originality",),
    "H220": ("time",),
    "H221": ("dead", "moves of the generator", "moves of the discriminator"),
    "H222": ("poisoned",),
}

OVERVIEW = (
    "course", "logits", "wins", "pull", "distance", "variety", "reached", "time", "gradients of the generator",
    "gradients of the discriminator", "moves of the generator", "moves of the discriminator", "classes reached", "variety of classes",
)  # fmt: skip


def of_recovery(recovery: Line, undone: Records, prefix: str) -> tuple[Chart, ...]:
    """The charts that show what a run recovered from best, over what was then undone."""
    return drawn(SHOWN.get(str(recovery.get("code")), ())[:2], undone, prefix)


def of_finding(code: str, records: Records, prefix: str) -> tuple[Chart, ...]:
    """The charts that show an illness; those for which there are records."""
    return drawn(SHOWN.get(code, ()), records, prefix)


def overview(records: Records, prefix: str) -> tuple[Chart, ...]:
    """The signals that are looked at first in any run; those for which there are records."""
    return drawn(OVERVIEW, records, prefix)


def drawn(names: Sequence[str], records: Records, prefix: str) -> tuple[Chart, ...]:
    charts = (SIGNALS[name].draw(records, f"{prefix}-{name.replace(' ', '-')}") for name in names)
    return tuple(c for c in charts if c is not None)


def _map(of: Map, rows: Rows, turns: Sequence[float], prefix: str) -> Chart:
    seen, values = condensed(rows.seen, rows.values)
    edges = np.concatenate([[0.0], (seen[1:] + seen[:-1]) / 2, [seen[-1]]])
    there = values[~np.isnan(values)]
    shades = [s for s in of.shades(there) if ((there >= s.low) & (there < s.high)).any()]
    columns = fitting([*(s.name for s in shades), *([TURN] if turns else [])])
    legend = -(-(len(shades) + bool(turns)) // columns)

    def draw(figure: Figure) -> None:
        from matplotlib.patches import Patch

        axes = _named_rows(figure, rows.names, legend)
        axes.set_xlim(0, edges[-1])
        named: dict[str, Any] = {}
        for shade in shades:
            patch = _cells(list(_runs((values >= shade.low) & (values < shade.high))), edges, shade)
            axes.add_patch(patch)
            named[shade.name] = Patch(facecolor=shade.colour, alpha=shade.alpha, linewidth=0)
        for place in turns:
            named[TURN] = axes.axvline(place, color=INK, linewidth=1.1, linestyle=DASHES[1])
        axes.set_xlabel(PLACES["seen"])
        _counted(axes)
        box = axes.get_position()
        _legend(axes, named, columns, left=-box.x0 / box.width)

    alt = f"Map, one row a {of.what}: {of.title}, over {count(edges[-1])} real samples seen. {_told(rows, shades)}"
    height = 0.12 + LEGEND * legend + 0.19 * len(rows.names) + BELOW
    return Chart(of.title, _svg(draw, height, prefix), alt, of.caption)


def _told(rows: Rows, shades: Sequence[Shade]) -> str:
    """Where each row stands at the end, in words, by shade; rows by name where they are few."""
    last = rows.values[:, -1]
    told = []
    for shade in shades:
        inside = [n for n, v in zip(rows.names, last, strict=True) if shade.low <= v < shade.high]
        if inside:
            some = ", ".join(inside[:TOLD]) + (", …" if len(inside) > TOLD else "")
            told.append(f"{len(inside)} {shade.name} ({some})")
    return f"At the end: {'; '.join(told)}." if told else ""


def condensed(seen: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places [T] and values [R, T], brought down to COLUMNS medians over stretches where there are more."""
    if len(seen) <= COLUMNS:
        return seen, values
    pieces = np.array_split(np.arange(len(seen)), COLUMNS)
    return np.array([seen[p].mean() for p in pieces]), np.stack([np.median(values[:, p], 1) for p in pieces], 1)


def _runs(inside: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(row, first column, column after the last) of everything that is true in a row without a gap.  [R, T]"""
    padded = np.pad(inside.astype(int), ((0, 0), (1, 1)))
    for row, change in enumerate(np.diff(padded, axis=1)):
        yield from ((row, int(a), int(b)) for a, b in zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True))


def _cells(runs: Sequence[tuple[int, int, int]], edges: np.ndarray, shade: Shade) -> Any:
    """All cells of one shade as one drawing: a path for each would make the page heavy."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    corners = [[(edges[a], r), (edges[b], r), (edges[b], r + 0.92), (edges[a], r + 0.92), (edges[a], r)] for r, a, b in runs]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(corners)
    path = Path(np.array(corners, float).reshape(-1, 2), codes)
    return PathPatch(path, facecolor=shade.colour, alpha=shade.alpha, linewidth=0)


def _named_rows(figure: Figure, names: Sequence[str], legend: int) -> Axes:
    """Axes of one row a name, from the top, the names to their left."""
    axes = figure.add_subplot()
    width, height = figure.get_size_inches()
    left = 0.12 + 0.058 * min(LONG, max(map(len, names)))
    figure.subplots_adjust(left / width, BELOW / height, 1 - 0.08 / width, 1 - (0.12 + LEGEND * legend) / height)
    axes.set_ylim(len(names), 0)
    axes.set_yticks(np.arange(len(names)) + 0.46, [shortened(n, LONG) for n in names], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return axes


def _areas(of: Shares, series: Sequence[Series], turns: Sequence[float], prefix: str) -> Chart:
    columns = fitting([*(s.name for s in series), *([TURN] if turns else [])])
    legend = -(-(len(series) + bool(turns)) // columns)

    def draw(figure: Figure) -> None:
        from matplotlib.ticker import FuncFormatter

        axes = _axes(figure, legend)
        named: dict[str, Any] = {}
        floor = np.zeros(len(series[0].x))
        for s in series:
            named[s.name] = axes.fill_between(s.x, floor, floor + s.y, color=PAINTS[s.style], alpha=0.55, linewidth=0)
            floor = floor + s.y
        for place in turns:
            named[TURN] = axes.axvline(place, color=INK, linewidth=1.1, linestyle=DASHES[1])
        axes.grid(visible=False)
        axes.axhline(limit.WAITING, color=INK, linewidth=0.8)
        axes.set_ylim(0, 1)
        axes.set_xlim(series[0].x[0], series[0].x[-1])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.set_xlabel(PLACES["seen"])
        _counted(axes)
        _legend(axes, named, columns)

    told = "; ".join(f"{s.name} {number(100 * float(s.y.mean()))} %" for s in series)
    return Chart(of.title, _svg(draw, HEIGHT + (legend - 1) * LEGEND, prefix), f"Shares of the time, on average: {told}.", of.caption)
