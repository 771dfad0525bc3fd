"""Pictures side by side as one picture, and pictures as files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from gansmith.domains.image.facts import span_of
from gansmith.errors import storage_error

WANTED_WIDTH = 512  # a grid of small pictures is enlarged until it is at least so wide
GAP = 2  # pixels between neighbours
PAPER = 255  # grey value of the gaps


def picture(raw: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image.Image:
    """A grid of pictures raw [B, H, W, C]; `real` [B', H, W, C] stands to its right behind a thin line.

    1 and 2 channels show the first as grey, 3 are colour, 4 colour with transparency, and of more than 4 the first three are
    shown. Small pictures are enlarged by a whole number without smoothing, so that every pixel can be seen.
    """
    lo, hi = _shown_range(raw, real)
    panel = _grid(_shown(raw, lo, hi), columns)
    if real is not None and len(real):
        panel = _beside(panel, _grid(_shown(real, lo, hi), columns))
    times = max(1, math.ceil(WANTED_WIDTH / panel.shape[1]))
    panel = panel.repeat(times, 0).repeat(times, 1)
    return Image.fromarray(panel[:, :, 0] if panel.shape[2] == 1 else panel)


def write(raw: np.ndarray, folder: Path, names: list[str]) -> list[str]:
    """Write each picture of raw [B, H, W, C] to `folder` under its name; gives the names with their endings.

    uint8 with 1, 3 or 4 channels and uint16 with 1 become PNG files; anything else keeps its numbers in a .npy file.
    """
    png = (raw.dtype == np.uint8 and raw.shape[3] in (1, 3, 4)) or (raw.dtype == np.uint16 and raw.shape[3] == 1)
    ending = ".png" if png else ".npy"
    files = [name if name.endswith(ending) else name + ending for name in names]
    for pixels, file in zip(raw, files, strict=True):
        path = folder / file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if png:
                Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(path)
            else:
                np.save(path, pixels, allow_pickle=False)
        except OSError as error:
            raise storage_error(error, path) from error
    return files


def _shown_range(raw: np.ndarray, real: np.ndarray | None) -> tuple[float, float]:
    """The values drawn black and white; those of the real pictures where there are any, as fakes may lie beyond."""
    known = raw if real is None or not len(real) else real
    finite = known[np.isfinite(known)] if known.dtype.kind == "f" else known
    return span_of(known.dtype, float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _shown(raw: np.ndarray, lo: float, hi: float) -> np.ndarray:
    """[B, H, W, C] of any dtype -> uint8 [B, H, W, 1 | 3 | 4]."""
    kept = {1: 1, 2: 1, 3: 3, 4: 4}.get(raw.shape[3], 3)
    values = raw[..., :kept]
    if raw.dtype == np.uint8:
        return values
    shares = (np.nan_to_num(values.astype(np.float64), nan=lo) - lo) / (hi - lo)
    return (shares.clip(0, 1) * 255).round().astype(np.uint8)


def _grid(tiles: np.ndarray, columns: int | None) -> np.ndarray:
    """[B, H, W, C] -> [rows * (H + gap) - gap, columns * (W + gap) - gap, C]; as near to a square as may be."""
    count, height, width, channels = tiles.shape
    across = columns or max(1, round(math.sqrt(count * height / width)))
    across = max(1, min(across, count))
    down = max(1, math.ceil(count / across))
    page = np.full((down * (height + GAP) - GAP, across * (width + GAP) - GAP, channels), PAPER, np.uint8)
    for i, tile in enumerate(tiles):
        y, x = i // across * (height + GAP), i % across * (width + GAP)
        page[y : y + height, x : x + width] = tile
    return page


def _beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two panels of equal channels behind one another in a row, with a dark line of two pixels between."""
    height = max(len(left), len(right))
    line = np.zeros((height, GAP, left.shape[2]), np.uint8)
    line[..., 3:] = 255  # opaque where there is transparency
    gap = np.full((height, GAP, left.shape[2]), PAPER, np.uint8)
    return np.concatenate([_filled(left, height), gap, line, gap, _filled(right, height)], axis=1)


def _filled(panel: np.ndarray, height: int) -> np.ndarray:
    return np.pad(panel, ((0, height - len(panel)), (0, 0), (0, 0)), constant_values=PAPER)
