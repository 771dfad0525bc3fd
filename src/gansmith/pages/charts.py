"""Charts as SVG that take their colours from the page: matplotlib draws, the page's style decides what light and dark look like.

Colours stand in the drawing as marks that no chart would use, and are then replaced by `currentColor` and variables of the page. Every
identifier gets a prefix, so that many charts can live in one page. The same values give the same text, byte for byte.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gansmith.pages.board import UNRELIABLE
from gansmith.pages.words import capital, count, interval, number, plain
from gansmith.records import Arm, Estimate, Evaluation, Score, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER = "#010203", "#010204", "#010205", "#010206"
PAINTS = tuple(f"#0a0b{i:02x}" for i in range(1, 7))
COLOURS = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    **{p: f"var(--s{i})" for i, p in enumerate(PAINTS, 1)},
}
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.2, 1.6)), (0, (6, 2, 1.2, 2)), (0, (3, 1)), (0, (8, 3)))
MARKERS = "osD^vP"
WIDTH, HEIGHT = 4.6, 2.5  # inches; text of 9 points is then legible on a telephone and not loud on a desk
BELOW, LEGEND = 0.46, 0.19  # inches: under the axes, for numbers and what they are of; for a line of a legend
BESIDE = 0.52  # inches: left of the axes, for numbers
ENTRY, LETTER = 0.6, 0.065  # inches of a legend: for the sample of a line, with what is around it, and for each letter
CROWDED = 10**2.5  # times from end to end of a log scale, beyond which it shows powers of ten only
POINTS = 160  # of a line; a longer record is brought down to means over stretches, with the range of most of each behind

PLACES = {"seen": "real samples seen", "step": "step of the run"}  # along which an evaluation may say where it stands

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Chart:
    """A drawing, with what is said of it."""

    title: str
    svg: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Series:
    """One line of a chart. `low` and `high` bound a band behind it."""

    name: str
    x: np.ndarray  # [N]
    y: np.ndarray  # [N]
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    style: int = 0  # colour and dash, so that one thing looks the same on every chart


@dataclass(frozen=True)
class Marks:
    """What values are to be read against."""

    level: float | None = None  # a thin line across
    healthy: tuple[float, float] | None = None  # a band across; an end may be infinite
    turns: tuple[float, ...] = ()  # places along the run, each a line upwards


UNMARKED = Marks()
HEALTHY, TURN = "healthy", "went back"  # how marks are called in a legend


@dataclass(frozen=True)
class Panel:
    """One chart of a training: which values of the log it shows, under which names."""

    title: str
    values: tuple[tuple[str, str, int], ...]  # name in the log, name on the chart, style
    caption: str
    scale: Scale = "linear"
    level: float | None = None  # a line to read the values against


PANELS = (
    Panel(
        "Losses",
        (("loss_d", "discriminator", 2), ("loss_g", "generator", 3)),
        "What each network minimises; losses settle rather than fall.",
    ),
    Panel(
        "What the discriminator believes",
        (("log_d_real", "log D(real)", 0), ("log_1_minus_d_fake", "log(1 − D(fake))", 1)),
        "The two terms of the minimax value. The thin line at −0.69 is chance: it cannot tell.",
        level=-math.log(2),
    ),
    Panel(
        "Logits",
        (("logit_real", "real", 0), ("logit_fake", "generated", 1)),
        "The distance between the lines is the difference that the discriminator still sees.",
    ),
    Panel(
        "Gradient penalties",
        (("r1", "R1, on real", 0), ("r2", "R2, on generated", 1)),
        "Squared slope of the discriminator at real and generated samples.",
        "log",
    ),
    Panel(
        "Slope of the discriminator",
        (("slope", "mean slope", 2),),
        "Gradient norm where the penalty is taken. It is pulled towards 1, the thin line.",
        level=1.0,
    ),
    Panel(
        "Gradient norms",
        (("grad_d", "discriminator", 2), ("grad_g", "generator", 3)),
        "Norm of each network's gradient.",
        "log",
    ),
    Panel(
        "Learning rates",
        (("lr_discriminator", "discriminator", 2), ("lr_generator", "generator", 3)),
        "The learning rate of each network.",
        "log",
    ),
)

ACROSS: tuple[tuple[str, str, Scale], ...] = (
    ("loss_d", "Loss of the discriminator", "linear"),
    ("loss_g", "Loss of the generator", "linear"),
    ("grad_d", "Gradient norm of the discriminator", "log"),
)


def training(log: Sequence[Mapping[str, Any]], prefix: str, turns: tuple[float, ...] = ()) -> tuple[Chart, ...]:
    """Small charts of what the log recorded, over the real samples seen; those for which it holds two values at least.

    `turns`: where the run recovered.
    """
    found = []
    for place, panel in enumerate(PANELS):
        series = [s for key, name, style in panel.values if (s := recorded(log, key, name, style, panel.scale)) is not None]
        if series:
            found.append(_lines(panel.title, panel.caption, series, f"{prefix}-log{place}", panel.scale, Marks(panel.level, turns=turns)))
    return tuple(found)


def together(logs: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], prefix: str) -> tuple[Chart, ...]:
    """The same value of several runs on one chart, for the values that say most; `logs` with the names of the runs."""
    found = []
    for place, (key, title, scale) in enumerate(ACROSS):
        lines = [recorded(log, key, name, style, scale) for style, (name, log) in enumerate(logs)]
        series = [s for s in lines if s is not None]
        if len(series) > 1:
            found.append(_lines(title, "", series, f"{prefix}-both{place}", scale, columns=1))
    return tuple(found)


def recorded(log: Sequence[Mapping[str, Any]], key: str, name: str, style: int, scale: Scale = "linear") -> Series | None:
    """One value of the log over samples seen; None where fewer than two finite ones (above 0 on a log scale) are there."""
    pairs = [(r["seen"], r[key]) for r in log if isinstance(r.get(key), int | float) and isinstance(r.get("seen"), int)]
    kept = [(x, y) for x, y in pairs if math.isfinite(y) and (scale == "linear" or y > 0)]
    if len(kept) < 2:
        return None
    x, y = np.array(kept, float).T
    if len(x) <= POINTS:
        return Series(name, x, y, style=style)
    pieces = list(zip(np.array_split(x, POINTS), np.array_split(y, POINTS), strict=True))
    low, high = np.array([np.quantile(v, (0.1, 0.9)) for _, v in pieces]).T
    return Series(name, np.array([p.mean() for p, _ in pieces]), np.array([v.mean() for _, v in pieces]), low, high, style)


def _lines(
    title: str, caption: str, series: Sequence[Series], prefix: str, scale: Scale, marks: Marks = UNMARKED, columns: int | None = 3
) -> Chart:
    """`columns`: of the legend; None: as many as there is room for."""
    names = [*(s.name for s in series), *([HEALTHY] if marks.healthy else []), *([TURN] if marks.turns else [])]
    columns = columns or fitting(names)
    legend = -(-len(names) // columns)

    def draw(figure: Figure) -> None:
        axes = _axes(figure, legend)
        axes.set_yscale(scale)
        named: dict[str, Any] = {}
        for s in series:
            if s.low is not None and s.high is not None:
                axes.fill_between(s.x, s.low, s.high, color=PAINTS[s.style % 6], alpha=0.16, linewidth=0)
            (named[s.name],) = axes.plot(s.x, s.y, color=PAINTS[s.style % 6], linestyle=DASHES[s.style % 6], linewidth=1.5)
        axes.set_xlabel(PLACES["seen"])
        _counted(axes)
        axes.set_xlim(0, max(s.x[-1] for s in series))
        named |= _marked(axes, marks)
        if scale == "log":
            _powers(axes)
        _legend(axes, named, columns)

    told = "; ".join(
        f"{s.name} from {number(s.y[0])} to {number(s.y[-1])}, between {number(s.y.min())} and {number(s.y.max())}" for s in series
    )
    seen = count(max(s.x[-1] for s in series))
    alt = f"Line chart of {title[0].lower() + title[1:]} over {seen} real samples seen. {told}.{_marks_told(marks)}"
    return Chart(title, _svg(draw, HEIGHT + (legend - 1) * LEGEND, prefix), alt, caption)


def _marked(axes: Axes, marks: Marks) -> dict[str, Any]:
    """Draw the marks, and give what the legend calls them."""
    named: dict[str, Any] = {}
    if marks.level is not None:
        axes.axhline(marks.level, color=MUTED, linewidth=0.8)
    if marks.healthy is not None:
        reach = [*axes.get_ylim(), *(end for end in marks.healthy if math.isfinite(end))]
        low, high = max(marks.healthy[0], min(reach)), min(marks.healthy[1], max(reach))
        axes.set_ylim(min(reach), max(reach))
        named[HEALTHY] = axes.axhspan(low, high, color=PAINTS[2], alpha=0.14, linewidth=0)
    for place in marks.turns:
        named[TURN] = axes.axvline(place, color=INK, linewidth=1.1, linestyle=DASHES[1])
    return named


def _marks_told(marks: Marks) -> str:
    """The marks in words, to stand behind other sentences."""
    low, high = marks.healthy or (-math.inf, math.inf)
    ends = [f"above {number(low)}"] if math.isfinite(low) else []
    ends += [f"below {number(high)}"] if math.isfinite(high) else []
    turns = ", ".join(count(place) for place in marks.turns)
    return (f" Healthy is {' and '.join(ends)}." if ends else "") + (f" The run went back to {turns}." if turns else "")


def scores(evaluations: Sequence[Evaluation], prefix: str) -> tuple[Chart, ...]:
    """One small chart for each metric: its estimate with interval over the run, and the real held-out samples as a line."""
    metrics = dict.fromkeys(s.metric for e in evaluations for s in e.scores if s.label is None)
    over = next((name for name in PLACES if all(name in e.conditions for e in evaluations)), None)
    places = [float(e.conditions[over]) if over else i for i, e in enumerate(evaluations, 1)]
    found = []
    for i, metric in enumerate(metrics):
        points = [(x, s) for x, e in zip(places, evaluations, strict=True) for s in e.scores if s.metric == metric and s.label is None]
        if len(points) > 1 and all(_finite(s.estimate) for _, s in points):
            found.append(_course(metric, points, PLACES[over] if over else "evaluation", f"{prefix}-score{i}"))
    return tuple(found)


def _course(metric: str, points: Sequence[tuple[float, Score]], over: str, prefix: str) -> Chart:
    last = points[-1][1]

    def draw(figure: Figure) -> None:
        axes = _axes(figure)
        y = [s.estimate.value for _, s in points]
        reach = [[s.estimate.value - s.estimate.low for _, s in points], [s.estimate.high - s.estimate.value for _, s in points]]
        look: dict[str, Any] = {"color": PAINTS[0], "marker": "o", "markersize": 4, "capsize": 3, "linewidth": 1.5}
        named: dict[str, Any] = {"samples": axes.errorbar([x for x, _ in points], y, yerr=reach, **look)}
        if last.floor is not None and math.isfinite(last.floor):
            named["real, held out"] = axes.axhline(last.floor, color=PAINTS[2], linestyle=DASHES[1], linewidth=1.2)
        axes.set_xlabel(over)
        _counted(axes)
        _legend(axes, named)

    title = capital(metric)
    alt = f"{title}, {last.better} is better, with 95 % intervals: " + "; ".join(
        f"{interval(s.estimate)} at {over} {count(x)}" for x, s in points
    )
    floor = f". Real samples held out of training: {number(last.floor)}" if last.floor is not None else ""
    trust = "" if last.reliable else f" {capital(UNRELIABLE)}."
    return Chart(title, _svg(draw, HEIGHT, prefix), f"{alt}{floor}.{trust}", f"{capital(last.better)} is better.{trust}")


def arms(setting: Setting, measure: str, prefix: str) -> Chart | None:
    """What a model learned from each training set: every seed a dot, their mean a bar. None where no arm has scores."""
    there = [a for a in setting.arms if a.scores]
    if not there:
        return None

    def draw(figure: Figure) -> None:
        axes = _rows(figure, [a.name for a in there])
        for place, arm in enumerate(there):
            axes.scatter(arm.scores, [place] * len(arm.scores), s=16, color=PAINTS[0], alpha=0.55, linewidth=0)
            axes.plot([_mean(arm)] * 2, [place - 0.24, place + 0.24], color=INK, linewidth=2.2, solid_capstyle="butt")
        axes.set_xlabel(measure)

    told = "; ".join(f"{a.name} {number(_mean(a))} (from {number(min(a.scores))} to {number(max(a.scores))})" for a in there)
    alt = f"{capital(measure)} on real samples held out of everything, mean and range over seeds: {told}."
    return Chart(
        "What a model learned", _svg(draw, 0.75 + 0.42 * len(there), prefix), alt, "A dot is one seed, the vertical bar their mean."
    )


def differences(setting: Setting, measure: str, prefix: str) -> Chart | None:
    """Paired differences with their intervals against zero, and those of the ranking below them. None where there are none."""
    there = [d for d in setting.differences if _finite(d.estimate)]
    if not there:
        return None
    ranked = any(d.ranking for d in there)

    def draw(figure: Figure) -> None:
        axes = _rows(figure, [f"{d.arm} against {d.against}" for d in there])
        axes.axvline(0.0, color=INK, linewidth=1.0)
        for place, d in enumerate(there):
            drawn = [(d.estimate, "o", PAINTS[0], -0.12 if ranked else 0.0)] + ([(d.ranking, "s", PAINTS[1], 0.14)] if d.ranking else [])
            for e, marker, paint, below in drawn:
                axes.errorbar(
                    [e.value], [place + below], xerr=[[e.value - e.low], [e.high - e.value]], color=paint, marker=marker, markersize=5.5,
                    capsize=4, linewidth=2.0, markerfacecolor=paint if e.excludes_zero else "none",
                )  # fmt: skip
        axes.set_xlabel(f"difference{'' if ranked else f' in {measure}'} (0.01 is a point), right of the line is better")

    told = "; ".join(
        f"{d.arm} against {d.against} {interval(d.estimate, sign=True)}"
        + (f", area under the ROC curve {interval(d.ranking, sign=True)}" if d.ranking else "")
        for d in there
    )
    alt = f"Paired differences with 95 % intervals: {told}."
    caption = "Paired by seed, with 95 % intervals. A filled mark is an effect: its interval excludes zero. A hollow one is not."
    if ranked:
        caption += (
            " Round: the measure. Square: the area under the ROC curve, which judges the ranking of the samples, whatever the threshold."
        )
    return Chart("What is gained or lost", _svg(draw, 0.75 + (0.6 if ranked else 0.42) * len(there), prefix), alt, caption)


def curves(settings: Sequence[Setting], measure: str, prefix: str) -> tuple[Chart, ...]:
    """Each arm's mean over the number of real samples a class, and over the synthetic ones for each real one, where either was varied."""
    swept = [s for s in settings if s.rare is None and s.per_class is not None]
    found: list[Chart | None] = []
    for ratio in sorted({s.ratio for s in swept}):
        few = [(float(s.per_class or 0), s) for s in swept if s.ratio == ratio]
        title = f"More real samples, {plain(ratio)} synthetic for each"
        found.append(_sweep(title, "real samples per class", few, measure, f"{prefix}-sweep{len(found)}"))
    for size in sorted({s.per_class or 0 for s in swept}):
        many = [(s.ratio, s) for s in swept if s.per_class == size]
        title = f"More synthetic samples, {count(size)} real per class"
        found.append(_sweep(title, "synthetic samples for each real one", many, measure, f"{prefix}-sweep{len(found)}"))
    return tuple(c for c in found if c is not None)


def _sweep(title: str, over: str, points: Sequence[tuple[float, Setting]], measure: str, prefix: str) -> Chart | None:
    points = sorted({x: s for x, s in points}.items())
    if len(points) < 2:
        return None
    names = dict.fromkeys(a.name for _, s in points for a in s.arms if a.scores)
    lines = {n: [(x, _mean(a)) for x, s in points for a in s.arms if a.name == n and a.scores] for n in names}

    def draw(figure: Figure) -> None:
        from matplotlib.ticker import NullLocator

        axes = _axes(figure, legend=-(-len(lines) // 2), left=0.72)
        named: dict[str, Any] = {}
        for i, (name, line) in enumerate(lines.items()):
            x, y = zip(*line, strict=True)
            look: dict[str, Any] = {
                "color": PAINTS[i % 6],
                "linestyle": DASHES[i % 6],
                "marker": MARKERS[i % 6],
                "markersize": 4,
                "linewidth": 1.5,
            }
            (named[name],) = axes.plot(x, y, **look)
        axes.set_xscale("log")
        axes.set_xticks([x for x, _ in points], [plain(x) for x, _ in points])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(over)
        axes.set_ylabel(measure)
        _legend(axes, named, columns=2)

    told = "; ".join(f"{n} {', '.join(f'{number(y)} at {plain(x)}' for x, y in line)}" for n, line in lines.items())
    return Chart(title, _svg(draw, 3.3, prefix), f"{capital(measure)} over {over}: {told}.")


def _mean(arm: Arm) -> float:
    return float(np.mean(arm.scores))


def _finite(estimate: Estimate) -> bool:
    return all(map(math.isfinite, (estimate.low, estimate.value, estimate.high)))


def _axes(figure: Figure, legend: int = 1, left: float = BESIDE) -> Axes:
    """Axes below a legend of so many lines. The margins are the same on every chart, in inches, so that charts in a row line up."""
    axes = figure.add_subplot()
    width, height = figure.get_size_inches()
    figure.subplots_adjust(left / width, BELOW / height, 1 - 0.08 / width, 1 - (0.12 + LEGEND * legend) / height)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return axes


def _rows(figure: Figure, names: Sequence[str]) -> Axes:
    """Axes with one row a name, the name above what is drawn in it."""
    axes = figure.add_subplot()
    width, height = figure.get_size_inches()
    figure.subplots_adjust(0.15 / width, BELOW / height, 1 - 0.12 / width, 1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.6, -0.85)
    axes.margins(x=0.08)
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8}  # so that no line runs through the words
    for place, name in enumerate(names):
        axes.text(0.0, place - 0.34, name, transform=axes.get_yaxis_transform(), va="bottom", color=INK, bbox=box)
    return axes


def _counted(axes: Axes) -> None:
    """Few and short numbers along the lower edge."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g} k" if 1000 <= abs(value) < 1e6 else count(value)))


def _powers(axes: Axes) -> None:
    """Few numbers beside a log scale, written out; everything is drawn already."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < CROWDED else (1.0,), numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(float(value))))
    axes.yaxis.set_minor_locator(NullLocator())


def _legend(axes: Axes, named: Mapping[str, Any], columns: int = 3, left: float = -0.02) -> None:
    """Above the axes, in the order given, from `left` of their width on."""
    axes.legend(
        list(named.values()),
        list(named),
        loc="lower left",
        bbox_to_anchor=(left, 1.0),
        ncols=columns,
        frameon=False,
        handlelength=2.6,
        borderaxespad=0.2,
        columnspacing=1.4,
    )


def fitting(names: Sequence[str]) -> int:
    """How many columns of a legend there is room for above a chart, estimated from the lengths of the names."""
    for columns in range(len(names), 1, -1):
        if sum(ENTRY + LETTER * max(map(len, column)) for column in np.array_split(names, columns)) <= WIDTH - BESIDE:
            return columns
    return 1


def _svg(draw: Callable[[Figure], None], height: float, prefix: str) -> str:
    """What `draw` puts on a figure of the usual width and `height` inches, as an <svg> for the inside of a page."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings = {
        "svg.hashsalt": prefix,
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.parse_math": False,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": MUTED,
        "axes.facecolor": "none",
        "axes.formatter.useoffset": False,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "legend.labelcolor": INK,
    }
    with rc_context(settings), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's own fonts draw the text
        figure = Figure(figsize=(WIDTH, height), facecolor="none")
        draw(figure)
        text = io.StringIO()
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_svg(text, metadata=nothing)  # type: ignore[no-untyped-call]
    return _for_a_page(text.getvalue(), prefix)


def _for_a_page(text: str, prefix: str) -> str:
    """An SVG file as an element: no prologue, no style that would reach the rest of the page, no size, no font, the page's colours."""
    body = text[text.index("<svg") :]
    box = re.search(r'viewBox="[^"]+"', body)
    assert box is not None
    body = re.sub(r"^<svg[^>]*>", f'<svg {box[0]} aria-hidden="true" focusable="false">', body)
    body = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]+; ?", "", body)
    body = re.sub(r"<[^>]+>", lambda tag: re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}", tag[0]), body)  # finer than can be seen
    body = re.sub(r'(<g) id="[^"]+"', r"\1", body)  # nothing refers to groups
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', body)
    body = body.replace("url(#", f"url(#{prefix}-")
    for mark, colour in COLOURS.items():
        body = body.replace(mark, colour)
    return re.sub(r"\s+", " ", body).replace("> <", "><").strip()
