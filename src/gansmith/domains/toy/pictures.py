"""Points as a scatter and lines one below the other, the real ones grey beneath the made ones."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

SIDE = 480  # pixels of a picture
OVER = 3  # drawn so many times larger and then brought down, which smooths every edge
MARGIN = 0.08  # of the side, on either end
DOT, HALO = 1.4, 2.8  # radius of a made and a real point in pixels: where both are, a grey rim shows
LANE = 28  # least height of a line in pixels
MOST = 20_000  # points drawn of either kind

PAPER, GREY, MADE, EDGE = (255, 255, 255), (190, 190, 190), (28, 96, 200), (225, 225, 225)


def picture(raw: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image.Image:
    """Points [B, 2] as a scatter in a square, lines [B, T, 1] in lanes of `columns` columns; `real` of the same form in grey beneath."""
    return scatter(raw, real) if raw.ndim == 2 else lanes(raw, columns, real)


def scatter(points: np.ndarray, real: np.ndarray | None = None) -> Image.Image:
    """[B, 2] in a square whose both axes have one scale, wide enough for the real points, else for all."""
    low, span = _window(points if real is None or not len(real) else real)
    image = Image.new("RGB", (SIDE * OVER, SIDE * OVER), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIDE * OVER - 1, SIDE * OVER - 1), outline=EDGE, width=OVER)
    for cloud, colour, radius in ((real, GREY, HALO * OVER), (points, MADE, DOT * OVER)):
        if cloud is None:
            continue
        shown = cloud[np.isfinite(cloud).all(1)][:MOST].astype(np.float64)
        place = (shown - low) / span * (1 - 2 * MARGIN) + MARGIN
        place[:, 1] = 1 - place[:, 1]  # up is up
        for x, y in place[((place > 0) & (place < 1)).all(1)] * SIDE * OVER:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return _reduced(image)


def lanes(lines: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image.Image:
    """[B, T, 1] one below the other in as many columns as keep them legible; a real line lies beneath each made one."""
    count = max(1, len(lines))
    across = max(1, columns or math.ceil(count * LANE / SIDE))
    down = math.ceil(count / across)
    width, height = SIDE * OVER // across, max(LANE, SIDE // down) * OVER
    known = lines if real is None or not len(real) else real
    most = float(np.abs(known[np.isfinite(known)]).max(initial=1e-9))
    image = Image.new("RGB", (width * across, height * down), PAPER)
    draw = ImageDraw.Draw(image)
    for sheaf, colour in ((real, GREY), (lines, MADE)):
        for i, line in enumerate(() if sheaf is None else sheaf[: across * down]):
            left, middle = i % across * width, (i // across + 0.5) * height
            x = left + (np.linspace(0, 1, len(line)) * (1 - 2 * MARGIN) + MARGIN) * width
            y = middle - np.nan_to_num(line[:, 0] / most).clip(-1.1, 1.1) * (0.5 - MARGIN) * height
            draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour, width=math.ceil(1.4 * OVER), joint="curve")
    return _reduced(image)


def _window(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Lower left corner and side of the least square round the finite points."""
    finite = points[np.isfinite(points).all(1)].astype(np.float64)
    if not len(finite):
        return np.full(2, -1.0), 2.0
    low, high = finite.min(0), finite.max(0)
    span = float((high - low).max()) or 1.0
    return (low + high - span) / 2, span


def _reduced(image: Image.Image) -> Image.Image:
    return image.resize((image.width // OVER, image.height // OVER), Image.Resampling.BOX)
