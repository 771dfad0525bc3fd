"""Charts of a generated table beside the real one: columns, pairs of columns, rare values. Real is grey, made is blue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from gansmith.metrics.table_summary import Marginal, Rare, Summary
from gansmith.pages.charts import HEIGHT, INK, LINE, MUTED, PAINTS, Chart, _axes, _legend, _rows, _svg
from gansmith.pages.words import number, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 24  # columns that have a chart, and a row in the maps
CROWDED = 0.6  # share of the rows in one bin from which the others are seen on a log scale only
LEAST = 1e-4  # share where such a scale begins
FULL = (0.2, 0.3)  # distance of a pair from 1, and change of its strength, that have the full colour
LONG = 18  # characters of a name beside a map
TOLD = 5  # pairs and levels told of in words

UNITS = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def marginals(found: Summary, prefix: str) -> tuple[Chart, ...]:
    """The columns that are least alike, the worst first, at most SHOWN."""
    worst = sorted(found.columns, key=lambda c: c.shape)[:SHOWN]
    return tuple(_marginal(column, f"{prefix}-column{place}") for place, column in enumerate(worst))


def _marginal(column: Marginal, prefix: str) -> Chart:
    shape = f"{number(column.shape)} alike; held-out real rows {number(column.floor)}."
    missing = (
        " Missing: {} of the real rows, {} of the generated ones.".format(*map(_percent, column.missing)) if any(column.missing) else ""
    )
    crowded = column.edges is not None and max((*column.real, *column.made)) > CROWDED
    log = " The scale is logarithmic." if crowded else ""
    if column.edges is None:
        svg = _svg(lambda figure: _bars(figure, column), 0.62 + 0.33 * len(column.levels), prefix)
    else:
        svg = _svg(lambda figure: _histogram(figure, column, crowded), HEIGHT - 0.4, prefix)
    return Chart(column.name, svg, f"Distribution of {column.name}: {_told(column)}.{missing}", f"{shape}{missing}{log}")


def _histogram(figure: Figure, column: Marginal, crowded: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes = _axes(figure)
    bottom = LEAST if crowded else 0.0
    real, made = (np.maximum(shares, bottom) for shares in (column.real, column.made))
    named: dict[str, Any] = {
        "real": axes.stairs(real, column.edges, baseline=bottom, fill=True, color=MUTED, alpha=0.4, linewidth=0),
        "made": axes.stairs(made, column.edges, baseline=bottom, color=PAINTS[0], linewidth=1.6),
    }
    if crowded:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(_day if column.dates else lambda value, _: _short(value)))
    axes.set_ylim(bottom=bottom)
    axes.margins(x=0)
    _legend(axes, named)


def _bars(figure: Figure, column: Marginal) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes = _rows(figure, column.levels)
    place = np.arange(len(column.levels)) + 0.02
    axes.barh(place, column.real, height=0.42, color=MUTED, alpha=0.4, linewidth=0)
    axes.barh(place, column.made, height=0.18, color=PAINTS[0], linewidth=0)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))


def _told(column: Marginal) -> str:
    """The largest differences in words."""
    apart = np.abs(np.subtract(column.real, column.made))
    most = np.argsort(-apart, kind="stable")[:3]
    return "; ".join(
        f"{_place(column, int(i))} {_percent(column.real[i])} of real and {_percent(column.made[i])} of generated rows" for i in most
    )


def _place(column: Marginal, index: int) -> str:
    if column.edges is None:
        return column.levels[index]
    write = (lambda value: _day(value, None)) if column.dates else _short
    return f"{write(column.edges[index])} to {write(column.edges[index + 1])}"


def pairs(found: Summary, prefix: str) -> tuple[Chart, ...]:
    """Maps of the pairs: how alike each is, and by how much the columns have more or less to do with one another than in real rows."""
    if len(found.columns) < 2:
        return ()
    trends, change = (np.array(matrix, float) for matrix in (found.trends, found.change))
    worst = np.argsort(np.nanmean(trends, 1), kind="stable")[:SHOWN]
    some = np.sort(worst)
    names = [found.columns[i].name for i in some]
    alike, moved = ((1 - trends)[np.ix_(some, some)] / FULL[0], change[np.ix_(some, some)] / FULL[1])
    size = 1.35 + min(3.2, max(1.6, 0.21 * len(some)))
    return (
        Chart(
            "How alike pairs of columns are",
            _svg(lambda figure: _map(figure, names, alike, (PAINTS[1], PAINTS[1])), size, f"{prefix}-alike"),
            f"Map of all pairs of {len(some)} columns. The least alike: {_listed(found, trends, trends)}.",
            f"The darker, the less alike; full colour is {1 - FULL[0]:g} or below. Least alike: {_listed(found, trends, trends)}.",
        ),
        Chart(
            "Associations lost or gained",
            _svg(lambda figure: _map(figure, names, moved, (PAINTS[0], PAINTS[1])), size, f"{prefix}-change"),
            f"Map of how much more strongly columns are associated than in real rows. Largest changes: "
            f"{_listed(found, change, -np.abs(change))}.",
            "Strength (correlation, or Cramér's V) among generated rows minus that among real ones: blue where columns are more strongly "
            f"associated, orange where less; full colour is {FULL[1]:g} or more.",
        ),
    )


def _map(figure: Figure, names: Sequence[str], values: np.ndarray, colours: tuple[str, str]) -> None:
    """A square for each pair: the first colour above 0, the second below, the stronger the farther from it."""
    from matplotlib.patches import Rectangle

    axes = figure.add_subplot()
    width, height = figure.get_size_inches()
    side = height - 1.3
    figure.subplots_adjust(1.35 / width, 1.25 / height, (1.35 + side) / width, 1 - 0.05 / height)
    count = len(names)
    axes.set_xlim(0, count)
    axes.set_ylim(count, 0)
    for row in range(count):
        for column in range(count):
            value = values[row, column]
            if np.isnan(value):
                axes.add_patch(Rectangle((column, row), 1, 1, facecolor=LINE, linewidth=0))
            elif abs(value) >= 0.02:
                colour = colours[0] if value > 0 else colours[1]
                axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=round(min(1.0, abs(value)), 2), linewidth=0))
    labels = [name if len(name) <= LONG else f"{name[: LONG - 1]}…" for name in names]
    small = 9 if count <= 14 else 7
    axes.set_xticks(np.arange(count) + 0.5, labels, rotation=90, fontsize=small)
    axes.set_yticks(np.arange(count) + 0.5, labels, fontsize=small)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_color(LINE)


def _listed(found: Summary, values: np.ndarray, order: np.ndarray) -> str:
    """The pairs that come first in this order, with their values."""
    upper = np.triu_indices(len(found.columns), 1)
    first = np.argsort(order[upper], kind="stable")[:TOLD]
    return ", ".join(
        f"{found.columns[upper[0][i]].name} and {found.columns[upper[1][i]].name} ({number(float(values[upper][i]))})" for i in first
    )


def rare(found: Sequence[Rare], prefix: str) -> Chart | None:
    """Each rare level's share among the real rows and among the made ones. None where there is none."""
    if not found:
        return None
    least = min(r.real for r in found) / 2
    lost = [r for r in found if not r.made]

    def draw(figure: Figure) -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

        axes = _axes(figure, left=0.72)
        axes.set_xscale("log")
        axes.set_yscale("log")
        ends = [least, max(r.real for r in found) * 1.4]
        axes.plot(ends, ends, color=INK, linewidth=0.8)
        kept = [r for r in found if r.made]
        look: dict[str, Any] = {"s": 18, "alpha": 0.7}
        named = {}
        if kept:
            named["made"] = axes.scatter([r.real for r in kept], [max(r.made, least) for r in kept], color=PAINTS[0], linewidth=0, **look)
        if lost:
            named["never generated"] = axes.scatter(
                [r.real for r in lost], [least] * len(lost), facecolor="none", edgecolor=PAINTS[1], marker="D", **look
            )
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=6))
            axis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))
            axis.set_minor_locator(NullLocator())
        axes.set_xlabel("share of the real rows")
        axes.set_ylabel("share of the generated rows")
        _legend(axes, named)

    told = ", ".join(f"{r.column} {r.level} ({_percent(r.real)} of real rows, {_percent(r.made)} of generated)" for r in found[:TOLD])
    alt = f"Shares of {len(found)} rare levels in real and generated rows; {len(lost)} were never generated. Most underrepresented: {told}."
    return Chart("Rare levels", _svg(draw, HEIGHT + 0.5, prefix), alt, "On the line, a level is as frequent as in the real rows.")


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"


def _short(value: float) -> str:
    size, unit = next(((size, unit) for size, unit in UNITS if abs(value) >= 10 * size), (1.0, ""))
    return plain(float(value) / size) + unit


def _day(value: float, _: Any) -> str:
    try:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):  # before the year 1 or after 9999
        return ""
