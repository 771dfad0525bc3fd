"""Pictures of a game on toy data: moments of it, moving or side by side, and the value of the minimax game along it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gansmith.domains.toy.pictures import picture
from gansmith.runs import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

FRAME, MOMENTS, VALUE, DPI = (7.6, 4.3), (8.8, 4.9), (6.4, 3.6), 100  # inches, and pixels of one
MOST = 120  # frames of an animation
ROWS, STRIP = 2, 8  # of moments on one picture, and how many in all
FRAME_MS, LAST_MS, COLOURS = 90, 2_500, 96  # of an animation
REAL, MADE, INK, MUTED = "#8a8a8a", "#1c60c8", "#222222", "#777777"
TINTS, SHADES = ("#ee9a55", "#f9d9b8", "#ffffff", "#bfe6d8", "#55b899"), 15  # of D = 0, generated, to D = 1, real; the middle one is D = ½
ARROW = 0.4  # longest arrow, in deviations of the data; half as long where the slope is 1
LOWEST = -5.0  # of the axis of the value


@dataclass(frozen=True)
class Moment:
    """The game at one step, as it is played (not averaged).

    samples [N, ...] as stored, of the same latents at every moment; and of points alone: belief [S, S], D(x) over the plane, upwards;
    pull [M, 2], minus the slope of the generator's cost at the first M samples, per deviation of the data.
    """

    step: int
    samples: np.ndarray
    belief: np.ndarray | None = None
    pull: np.ndarray | None = None

    @property
    def points(self) -> bool:
        """Whether the samples are points of a plane, not lines."""
        return self.samples.ndim == 2


@dataclass(frozen=True)
class Plane:
    """What does not change: real points [N, 2], the ends of both axes, and one deviation, in the data's unit."""

    real: np.ndarray
    ends: tuple[float, float]
    scale: float


Log = Sequence[Mapping[str, Any]]
T = TypeVar("T")


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, the first and the last among them."""
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, min(most, len(items)))]


def animation(path: Path, moments: Sequence[Moment], plane: Plane, log: Log, title: str, drawing: Callable[[int, int], None]) -> None:
    """A GIF of the moments, beside each the value up to it. One palette for all frames, so that nothing flickers.

    A GIF, and no other kind, moves in every browser, mail and slide.
    """
    from PIL import Image

    frames, chosen = [], evenly(moments, MOST)
    for done, moment in enumerate(chosen):
        drawing(done, len(chosen))
        frames.append(_picture(FRAME, partial(_frame, moment=moment, plane=plane, log=log, title=title)))
    some = evenly(frames, 6)
    sheet = Image.new("RGB", (some[0].width, some[0].height * len(some)))
    for place, frame in enumerate(some):
        sheet.paste(frame, (0, place * frame.height))
    colours = reduced(sheet, COLOURS)
    first, *others = (frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames)
    times = [FRAME_MS] * len(others) + [LAST_MS]
    with replacing(path) as temporary:
        first.save(temporary, "GIF", save_all=True, append_images=others, duration=times, loop=0)
    drawing(len(chosen), len(chosen))


def reduced(image: Image, colours: int) -> Image:
    """The image in so many colours, those of the legend among them: areas as small as there would else get another's."""
    from PIL import Image

    legend = (REAL, MADE, TINTS[0], TINTS[-1])
    whole = Image.new("RGB", (image.width, image.height + image.height // 4), "white")
    whole.paste(image)
    side = image.width // len(legend)
    for place, colour in enumerate(legend):
        whole.paste(colour, (place * side, image.height, (place + 1) * side, whole.height))
    return whole.quantize(colours, dither=Image.Dither.NONE).crop((0, 0, *image.size))


def strip(path: Path, moments: Sequence[Moment], plane: Plane, title: str) -> None:
    """A PNG of some moments side by side."""
    chosen = evenly(moments, STRIP)

    def draw(figure: Figure) -> None:
        across = -(-len(chosen) // ROWS)
        grid = figure.subplots(ROWS, across, squeeze=False)
        figure.subplots_adjust(0.01, 0.06, 0.99, 0.89, 0.04, 0.12)
        figure.text(0.01, 0.985, title, fontsize=10, fontweight="bold", va="top")
        for axes in grid.flat[len(chosen) :]:
            axes.axis("off")
        for axes, moment in zip(grid.flat, chosen, strict=False):
            _draw_plane(axes, moment, plane, 2.0)
            axes.set_title(f"step {moment.step:,}", fontsize=9, loc="left")
        if chosen[0].points:
            _legend(grid[-1][0])

    with replacing(path) as temporary:
        _picture(MOMENTS, draw).save(temporary, "PNG", optimize=True)


def value(path: Path, log: Log) -> None:
    """A PNG of V(D, G) and its two terms along a run."""

    def draw(figure: Figure) -> None:
        draw_value(figure.add_axes((0.09, 0.13, 0.8, 0.84)), log, log[-1]["step"])

    with replacing(path) as temporary:
        _picture(VALUE, draw).save(temporary, "PNG", optimize=True)


def draw_value(axes: Axes, log: Log, step: int) -> None:
    """V(D, G) and its two terms up to a step, with their places at the optimum."""
    steps, real, fake = np.array([[r["step"], r["log_d_real"], r["log_1_minus_d_fake"]] for r in log]).T
    now = steps <= step
    for y, colour, words in (
        (real, REAL, "E log D(x)"),
        (fake, MADE, "E log(1 − D(G(z)))"),
        (real + fake, INK, "V(D, G), their sum"),
    ):
        axes.plot(steps[now], y[now], color=colour, linewidth=1.6, label=words)
    for level, words in ((-np.log(4), "−log 4"), (-np.log(2), "−log 2,\nD = ½")):
        axes.axhline(level, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        axes.annotate(words, (1.02, level), xycoords=("axes fraction", "data"), color=MUTED, fontsize=8, va="center")
    axes.set_xlim(0, steps[-1])
    axes.set_ylim(min(-1.8, max(LOWEST, 1.1 * float((real + fake).min()))), 0.05)
    axes.set_xlabel("step", color=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False, fontsize=8)


def _frame(figure: Figure, moment: Moment, plane: Plane, log: Log, title: str) -> None:
    left, right = figure.add_axes((0.015, 0.09, 0.475, 0.84)), figure.add_axes((0.56, 0.17, 0.36, 0.76))
    _draw_plane(left, moment, plane, 5.0)
    left.set_title(f"{title}: step {moment.step:,}", fontsize=10, loc="left")
    if moment.points:
        _legend(left)
    draw_value(right, log, moment.step)


def _draw_plane(axes: Axes, moment: Moment, plane: Plane, dot: float) -> None:
    """The samples of a moment over real ones; of points, over the belief of the discriminator, with the pull on each."""
    from matplotlib.colors import LinearSegmentedColormap

    axes.set_xticks([])
    axes.set_yticks([])
    if not moment.points:
        axes.imshow(np.asarray(picture(moment.samples, columns=3)))
        return
    if moment.belief is not None:
        tints = LinearSegmentedColormap.from_list("belief", TINTS, SHADES)
        axes.imshow(moment.belief, cmap=tints, vmin=0.0, vmax=1.0, origin="lower", extent=plane.ends * 2, interpolation="bilinear")
    for points, size, colour in ((plane.real, 3 * dot, REAL), (moment.samples, dot, MADE)):
        axes.scatter(points[:, 0], points[:, 1], s=size, color=colour, linewidth=0)
    if moment.pull is not None:
        length = np.linalg.norm(moment.pull, axis=1, keepdims=True)
        (x, y), (u, v) = moment.samples[: len(length)].T, (ARROW * plane.scale * moment.pull / (1.0 + length)).T
        head: dict[str, Any] = {"width": 0.0045, "headwidth": 3.2, "headlength": 3.6, "headaxislength": 3.2, "minlength": 0.3}
        axes.quiver(x, y, u, v, color=INK, angles="xy", scale_units="xy", scale=1.0, **head)
    axes.set_xlim(*plane.ends)
    axes.set_ylim(*plane.ends)
    axes.set_aspect("equal")


def _legend(axes: Axes) -> None:
    """What is what on a plane, in a line below it."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    named = {
        "real": Line2D([], [], color=REAL, linestyle="none", marker="o", markersize=5),
        "generated": Line2D([], [], color=MADE, linestyle="none", marker="o", markersize=5),
        "D says real": Patch(color=TINTS[-1]),
        "D says generated": Patch(color=TINTS[0]),
    }
    axes.legend(
        list(named.values()), list(named), ncols=4, frameon=False, fontsize=8, handlelength=1.0, loc="upper left",
        bbox_to_anchor=(-0.01, 0.0), borderaxespad=0.3, handletextpad=0.4, columnspacing=1.0,
    )  # fmt: skip


def _picture(size: tuple[float, float], draw: Callable[[Figure], None]) -> Image:
    """What `draw` puts on a figure of so many inches."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    style: dict[Any, Any] = {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": MUTED,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
    }
    with rc_context(style):
        figure = Figure(figsize=size, dpi=DPI, facecolor="white")
        draw(figure)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
