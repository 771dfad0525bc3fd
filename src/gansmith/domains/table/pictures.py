"""The columns of a table as small multiples: bars of levels, histograms of numbers, those of the real rows in grey beneath."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gansmith.domains.table.inference_convert import write_words
from gansmith.domains.table.schema import Column, Schema

MOST = 24  # columns shown
BARS, STEPS = 7, 24  # levels and steps of a histogram
WIDTH, HEIGHT, TITLE, ROW, PAD = 300, 168, 22, 17, 10  # of a panel, its title and one bar, in pixels
NAMES = 104  # pixels for the name of a level
LETTERS = 12  # pixels high

PAPER, INK, FAINT, GREY, MADE, EDGE = (255, 255, 255), (30, 30, 30), (120, 120, 120), (203, 203, 203), (28, 96, 200), (225, 225, 225)


def picture(raw: np.ndarray, schema: Schema, columns: int | None = None, real: np.ndarray | None = None) -> Image.Image:
    """Rows raw [B, M] by their first MOST learned columns, so many panels side by side; `real` rows beneath."""
    places = [m for m, column in enumerate(schema.columns) if column.learned][:MOST]
    across = max(1, min(columns or math.ceil(math.sqrt(len(places) * HEIGHT / WIDTH)), len(places)))
    page = Image.new("RGB", (across * WIDTH, math.ceil(len(places) / across) * HEIGHT), PAPER)
    for i, place in enumerate(places):
        known = None if real is None or not len(real) else real[:, place]
        page.paste(panel(schema.columns[place], raw[:, place], known), (i % across * WIDTH, i // across * HEIGHT))
    return page


def panel(column: Column, made: np.ndarray, real: np.ndarray | None = None) -> Image.Image:
    """One column: values [B] made and real ones beneath."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH - 1, HEIGHT - 1), outline=EDGE)
    _text(draw, (PAD, 5), column.name, WIDTH - 2 * PAD)
    shown = made if real is None else np.concatenate([made, real])
    known = np.unique(shown[~np.isnan(shown)])
    if column.numeric and len(known) > BARS:
        _histogram(draw, column, made, real)
    else:
        _bars(draw, column, made, real, known)
    return image


def _bars(draw: ImageDraw.ImageDraw, column: Column, made: np.ndarray, real: np.ndarray | None, known: np.ndarray) -> None:
    """The most frequent levels, missing among them, as bars whose lengths are shares of the rows."""
    levels = [*known.tolist(), *([math.nan] if _missing(made) or (real is not None and _missing(real)) else [])]
    ours, theirs = _shares(made, levels), None if real is None else _shares(real, levels)
    order = np.argsort(-(ours if theirs is None else theirs), kind="stable")[:BARS]
    most = max(float(ours[order].max(initial=0)), float(theirs[order].max(initial=0)) if theirs is not None else 0.0, 1e-9)
    words = write_words(known, column)
    left, long = PAD + NAMES + 6, WIDTH - 2 * PAD - NAMES - 6
    for line, k in enumerate(order.tolist()):
        top = TITLE + 8 + line * (ROW + 2)
        _text(draw, (PAD, top + 1), words[k] if k < len(words) else "(missing)", NAMES, FAINT)
        if theirs is not None:
            draw.rectangle((left, top, left + theirs[k] / most * long, top + ROW - 2), fill=GREY)
        draw.rectangle((left, top + 5, left + ours[k] / most * long, top + ROW - 7), fill=MADE)


def _histogram(draw: ImageDraw.ImageDraw, column: Column, made: np.ndarray, real: np.ndarray | None) -> None:
    """Numbers over equal steps, up to where the tails begin; missing and beyond is told below."""
    known = made if real is None or np.isnan(real).all() else real
    low, high = (float(q) for q in np.nanquantile(known, (0.005, 0.995), method="nearest"))
    if low == high:
        low, high = float(np.nanmin(known)), float(np.nanmax(known))
    edges = _edges(low, high, column.step)
    ours, theirs = _heights(made, edges), None if real is None else _heights(real, edges)
    most = max(float(ours.max()), float(theirs.max()) if theirs is not None else 0.0, 1e-9)
    bottom, tall = HEIGHT - 24, HEIGHT - 24 - TITLE - 8
    wide = (WIDTH - 2 * PAD) / len(ours)
    for k in range(len(ours)):
        left = PAD + k * wide
        if theirs is not None:
            draw.rectangle((left, bottom - theirs[k] / most * tall, left + wide - 1, bottom), fill=GREY)
        draw.rectangle((left + wide * 0.25, bottom - ours[k] / most * tall, left + wide * 0.75 - 1, bottom), fill=MADE)
    draw.line((PAD, bottom + 1, WIDTH - PAD, bottom + 1), fill=FAINT)
    first, last = write_words(np.array([low, high]), column)
    _text(draw, (PAD, bottom + 5), first, 90, FAINT)
    _text(draw, (WIDTH - PAD - min(90, round(_font().getlength(last))), bottom + 5), last, 90, FAINT)
    if _missing(made):
        _text(draw, (PAD + 95, bottom + 5), f"{np.isnan(made).mean():.0%} missing", 90, FAINT)


def _shares(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Share of the rows that hold each level."""
    counts = [np.isnan(values).sum() if math.isnan(level) else (values == level).sum() for level in levels]
    return np.asarray(counts) / max(1, len(values))


def _edges(low: float, high: float, step: float | None) -> np.ndarray:
    """Ends of about STEPS equal stretches, each of as many values of a grid as the others."""
    if step is None or (high - low) / step > 20 * STEPS:
        return np.linspace(low, high, STEPS + 1)
    wide = math.ceil(((high - low) / step + 1) / STEPS) * step
    return low - step / 2 + wide * np.arange(math.ceil((high - low + step) / wide) + 1)


def _heights(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    inside = values[~np.isnan(values)].clip(edges[0], edges[-1])
    return np.histogram(inside, edges)[0] / max(1, len(values))


def _missing(values: np.ndarray) -> bool:
    return bool(np.isnan(values).any())


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(LETTERS)


def _text(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, wide: float, colour: tuple[int, int, int] = INK) -> None:
    """Text cut to a width. Letters that the font lacks are drawn as boxes."""
    font = _font()
    text = " ".join(text.split()) or "(empty)"
    while font.getlength(text) > wide and len(text) > 1:
        text = text.rstrip("…")[:-1] + "…"
    draw.text(place, text, fill=colour, font=font)
