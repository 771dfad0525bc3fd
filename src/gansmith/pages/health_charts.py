"""Charts of a run's health: what both players were measured by through the run, with what is healthy and the recoveries marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gansmith.health.checks import thresholds as limit
from gansmith.pages import health_maps as maps
from gansmith.pages.charts import (
    DASHES,
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
)
from gansmith.pages.health import Health, Undone
from gansmith.pages.health_maps import Rows, Shade
from gansmith.pages.words import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Line = Mapping[str, Any]
Source = Literal["ticks", "exams", "looks", "speeds"]

PULL = (0.1, 10.0)  # what reaches the samples of a healthy run


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
class Map:
    """One map: what its rows are of, and what their values look like."""

    title: str
    rows: Callable[[Records], Rows | None]
    shades: Callable[[np.ndarray], tuple[Shade, ...]]
    caption: str
    what: str  # a row is of

    def draw(self, records: Records, prefix: str) -> Chart | None:
        rows = self.rows(records)
        if rows is None or np.isnan(rows.values).all():
            return None
        shades = self.shades(rows.values[~np.isnan(rows.values)])
        return maps.drawn(self.title, self.caption, self.what, rows, shades, records.turns, prefix)


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


def _gradients(player: str) -> Map:
    return Map(
        f"Gradient of each layer, {player}",
        lambda records: maps.layers(records.exams, "gradients", player, maps.norm),
        maps.decades,
        "From the input at the top to the output. A row that is much fainter than the others learns little; one that grows may explode.",
        "layer",
    )


def _moves(player: str) -> Map:
    return Map(
        f"Steps of each layer, {player}",
        lambda records: maps.layers(records.exams, "moves", player, maps.middle),
        lambda values: maps.MOVES,
        f"Norm of a step over the norm of the weights; up to {maps.rounded(limit.LONG_STEP)} is healthy. A layer initialised at 0 takes "
        "longer steps at first.",
        "layer",
    )


SIGNALS: dict[str, Signal | Map | Shares] = {
    "course": Map(
        "What the checks found, and when",
        lambda records: maps.found_when(records.course),
        lambda values: maps.SEVERITIES,
        "A single finding may be chance; what is found at the end of the run counts.",
        "check",
    ),
    "logits": Signal(
        "Logits of samples without augmentation",
        "exams",
        (("logit_train", "training", 0), ("logit_held", "held out", 2), ("logit_fake", "generated", 1)),
        "Held-out samples should be judged like training samples; if they fall towards the generated ones, the discriminator has "
        "memorised its training samples.",
    ),
    "wins": Signal(
        "How often the discriminator is right",
        "exams",
        (("wins_train", "training", 0), ("wins_held", "held out", 2)),
        "Share of pairs of a real and a generated sample in which the real one has the higher logit. The thin line is chance.",
        level=0.5,
    ),
    "pull": Signal(
        "Gradient at the samples",
        "exams",
        (("pull", "pull on the generator", 3), ("slope", "slope of the discriminator", 2)),
        "Norm of the gradient at the generated samples, relative to the spread of the data. Near 0 the generator learns nothing.",
        "log",
        healthy=PULL,
    ),
    "gradients": Signal(
        "Gradient norms and their peaks",
        "ticks",
        (
            ("grad_d", "discriminator", 2),
            ("grad_d_peak", "discriminator, peak", 4),
            ("grad_g", "generator", 3),
            ("grad_g_peak", "generator, peak", 1),
        ),
        "Norm of each network's gradient, and the largest between two records.",
        "log",
    ),
    "gradients of the generator": _gradients("generator"),
    "gradients of the discriminator": _gradients("discriminator"),
    "moves of the generator": _moves("generator"),
    "moves of the discriminator": _moves("discriminator"),
    "variety": Signal(
        "Variety of the samples",
        "exams",
        (("spread", "distance between any two", 0), ("closest", "distance to the nearest", 1)),
        "Of generated samples, relative to real ones: 1, the thin line, is as varied as the data; near 0 all are alike.",
        level=1.0,
        healthy=(limit.NARROW, math.inf),
    ),
    "reached": Signal(
        "How much of the data is reached",
        "exams",
        (("reached", "by generated samples", 1), ("reached_real", "by held-out ones", 2)),
        "Share of training samples with a generated, or held-out, sample nearby. Held-out ones show what a perfect generator would reach.",
    ),
    "variety of classes": Map(
        "Variety within each class",
        lambda records: maps.of_classes(records.exams, records.classes, "spread_classes", maps.number_in),
        lambda values: maps.beside_real(limit.NARROW_CLASS),
        "Distance between two generated samples of a class over that between two real ones; the least varied class first.",
        "class",
    ),
    "classes reached": Map(
        "How much of each class is reached",
        lambda records: maps.of_classes(records.exams, records.classes, "reached_classes", maps.of_reachable),
        lambda values: maps.beside_real(limit.MISSED_CLASS),
        "Share of a class's training samples with a generated sample nearby, relative to held-out samples; the least reached first.",
        "class",
    ),
    "distance": Signal(
        "Distance from the data",
        "exams",
        (("off_live", "live generator", 1), ("off_average", "averaged generator", 0)),
        "0 is perfect, 1 as bad as one sample repeated. Sampling uses the averaged generator.",
        level=1.0,
        healthy=(0.0, limit.POOR),
    ),
    "quality": Signal(
        "Distance of the averaged generator",
        "looks",
        (("distance", "averaged generator", 0),),
        "Decides which generator of the run is kept as the best; lower is better.",
    ),
    "average": Signal(
        "How far the average lags",
        "exams",
        (("ema_gap", "averaged against live", 0),),
        "Distance between the samples that both make from the same latents, relative to the spread of the data.",
    ),
    "losses": Signal(
        "Losses of both networks",
        "ticks",
        (("loss_d", "discriminator", 2), ("loss_g", "generator", 3)),
        "If the losses swing and the samples do not improve, training goes round in circles.",
    ),
    "penalty": Signal(
        "Slope at the penalty's samples",
        "ticks",
        (("r1", "at real", 0), ("r2", "at generated", 1), ("slope", "between", 2)),
        "What the gradient penalty reduces: large if it is too weak, near 0 if it is too strong.",
        "log",
    ),
    "response": Signal(
        "What the condition changes",
        "exams",
        (("response", "of the samples", 1), ("response_d", "of the logit", 2)),
        "Near 0 the generator, or the discriminator, ignores the condition.",
        healthy=(limit.IGNORED, math.inf),
    ),
    "ends": Signal(
        "Values at the ends of their range",
        "exams",
        (("low", "lowest", 1), ("low_real", "lowest, real", 4), ("high", "highest", 0), ("high_real", "highest, real", 2)),
        "Share of all values. If it is far higher than in real samples, the output is saturated.",
    ),
    "range": Signal(
        "Values compared with real ones",
        "exams",
        (("mean_gap", "shift of the mean", 0), ("deviation", "spread of values", 2), ("beyond", "beyond the range", 1)),
        "The mean's shift in standard deviations of the data, the standard deviation over theirs, and the share outside their range.",
    ),
    "border": Signal(
        "Border and grid",
        "exams",
        (("border_gap", "border", 0), ("weave", "grid", 1), ("weave_real", "grid, real", 2)),
        "Difference of the outermost pixels from real samples, and strength of a grid pattern of 2 or 4 pixels: 1 is none.",
    ),
    "dead": Signal(
        "What does not learn",
        "exams",
        (("dead_g", "units of the generator", 3), ("dead_d", "of the discriminator", 2), ("dead_latents", "latent dimensions", 0)),
        "Share of units without any gradient, and of the latent's dimensions that have no effect.",
        healthy=(0.0, limit.DEAD),
    ),
    "originality": Signal(
        "Nearest real sample",
        "exams",
        (("nearest_train", "of training", 0), ("nearest_held", "held out", 2), ("copies", "share of copies", 1)),
        "Distance from generated samples to it, relative to real samples. Much nearer to training samples: memorised.",
    ),
    "poisoned": Signal(
        "Samples left out",
        "exams",
        (("poisoned", "not finite", 1),),
        "Samples of the data that were not finite and were left out of training.",
    ),
    "time": Shares(
        "Where the time goes",
        (("data", "fetching data", 1), ("game", "training", 0), ("watch", "monitoring", 5)),
        "Share of the time spent on each part of the work. Fetching data should stay below the thin line.",
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
