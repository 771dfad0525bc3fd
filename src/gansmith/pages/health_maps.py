"""Maps of a run's health: a row for each layer, class or check, the run from left to right, values as shades."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gansmith.health.checks import thresholds as limit
from gansmith.health.history import number as finite
from gansmith.health.lines import shortened
from gansmith.pages.charts import BELOW, DASHES, HEALTHY, INK, LEGEND, PAINTS, PLACES, TURN, Chart, _counted, _legend, _svg, fitting
from gansmith.pages.health import CHECKS, titled
from gansmith.pages.words import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch

Line = Mapping[str, Any]

ROWS = 16  # of a map; more layers than that are put together by what their names begin with, of classes the worst are kept
COLUMNS = 48  # of a map; more examinations than that are brought together over stretches
TINY = 1e-30  # what is below it was exactly 0
SLOW = 1e-5  # of the length of the weights, which a step of a healthy run moves them by, even at the end when rates are low
STRENGTHS = (0.1, 0.28, 0.48, 0.7, 0.95)  # of a colour, from the least values to the greatest
NARROWEST = 1.25  # powers of ten that they cover at least, so that the ends of no two are the same when rounded
ALIKE = 0.75  # times as in real samples, from which a class is shown as healthy
LONG = 34  # characters of a name beside a map
TOLD = 3  # rows of a map told of in words
RANKS = {"note": 1.0, "warning": 2.0, "severe": 3.0}


@dataclass(frozen=True)
class Shade:
    """What a map shows values of [low, high) as."""

    name: str
    low: float
    high: float
    colour: str
    alpha: float = 1.0


def middle(values: np.ndarray) -> np.ndarray:
    """Median [N] of [K, N]."""
    return np.median(values, 0)


@dataclass(frozen=True)
class Rows:
    """What a map shows: values [R, T] of R named things at T places along the run; nan where there is none."""

    names: tuple[str, ...]
    seen: np.ndarray  # [T]
    values: np.ndarray  # [R, T]
    together: Callable[[np.ndarray], np.ndarray] = middle  # of values [K, R] at so many places one after the other, where there are many


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
    values = np.array([[number_in(group.get(p)) for _, group in told] for p in parameters])
    found = np.array([together(values[members]) for members in groups.values()])
    return Rows(tuple(groups), np.array([seen for seen, _ in told], float), found)


def _group(line: Line, key: str) -> dict[str, Any]:
    """What a line tells of several things by name; nothing where it does not."""
    found = line.get(key)
    return found if isinstance(found, dict) else {}


def number_in(value: Any) -> float:
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


def worst(values: np.ndarray) -> np.ndarray:
    """The largest [R] of [K, R]; nan only where there is nothing else."""
    return np.fmax.reduce(values)


def norm(values: np.ndarray) -> np.ndarray:
    """Norm [T] of the vector whose parts have the norms [K, T]."""
    return np.sqrt(np.square(values).sum(0))


def found_when(course: Sequence[Line]) -> Rows | None:
    """How bad what each check found was (RANKS), as rows in the order of the checks; nan where it found nothing."""
    told = [(line["seen"], _group(line, "found")) for line in course]
    codes = [code for code in CHECKS if any(code in found for _, found in told)]
    if len(told) < 2 or not codes:
        return None
    values = np.array([[RANKS.get(found.get(code, ""), math.nan) for _, found in told] for code in codes])
    return Rows(tuple(f"{code} {titled(code)}" for code in codes), np.array([seen for seen, _ in told], float), values, worst)


def of_classes(exams: Sequence[Line], classes: Sequence[str], key: str, value: Callable[[Any], float]) -> Rows | None:
    """A value of every class, which examinations tell of by number, as rows; those lowest at the end first, at most ROWS."""
    told = [(e["seen"], group) for e in exams if (group := _group(e, key))]
    if len(told) < 2:
        return None
    last = {k: value(v) for _, group in told for k, v in group.items()}
    lowest = sorted(last, key=lambda k: (math.isnan(last[k]), last[k]))[:ROWS]
    found = np.array([[value(group.get(k)) for _, group in told] for k in lowest])
    names = {str(i): name for i, name in enumerate(classes)}
    return Rows(tuple(names.get(k, k) for k in lowest), np.array([seen for seen, _ in told], float), found)


def of_reachable(pair: Any) -> float:
    """What generated samples reach as a share of what held-out ones do; nan where nothing can be reached."""
    made, real = map(number_in, pair) if isinstance(pair, list) and len(pair) == 2 else (math.nan, math.nan)
    return made / real if real else math.nan


def drawn(title: str, caption: str, what: str, rows: Rows, shades: Sequence[Shade], turns: Sequence[float], prefix: str) -> Chart:
    """A map. `what` a row is of; `turns`: places where the run went back."""
    seen, values = condensed(rows)
    edges = np.concatenate([[0.0], (seen[1:] + seen[:-1]) / 2, [seen[-1]]])
    there = values[~np.isnan(values)]
    shades = [s for s in shades if ((there >= s.low) & (there < s.high)).any()]
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

    alt = f"Map, one row a {what}: {title}, over {count(edges[-1])} real samples seen. {_told(rows, shades)}"
    height = 0.12 + LEGEND * legend + 0.19 * len(rows.names) + BELOW
    return Chart(title, _svg(draw, height, prefix), alt, caption)


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


def condensed(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Places [T] and values [R, T], brought together over COLUMNS stretches where there are more of them."""
    if len(rows.seen) <= COLUMNS:
        return rows.seen, rows.values
    pieces = np.array_split(np.arange(len(rows.seen)), COLUMNS)
    values = [rows.together(rows.values[:, p].T) for p in pieces]
    return np.array([rows.seen[p].mean() for p in pieces]), np.stack(values, 1)


def _runs(inside: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(row, first column, column after the last) of everything that is true in a row without a gap.  [R, T]"""
    padded = np.pad(inside.astype(int), ((0, 0), (1, 1)))
    for row, change in enumerate(np.diff(padded, axis=1)):
        yield from ((row, int(a), int(b)) for a, b in zip(np.flatnonzero(change == 1), np.flatnonzero(change == -1), strict=True))


def _cells(runs: Sequence[tuple[int, int, int]], edges: np.ndarray, shade: Shade) -> PathPatch:
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
