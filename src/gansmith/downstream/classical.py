"""Classical augmentation: what a user without a generator would do to see more variety, and hence the rival of synthetic samples.

The strengths are usual ones and fixed in advance; nothing here is tuned on any data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.layout import Kind, Layout

if TYPE_CHECKING:
    from gansmith.downstream.models import TrainingSet

ALTERED = 0.5  # share of the samples of a batch that are altered: a model is judged on samples that are not
ANGLE = math.radians(10)  # planes are turned by up to so much
ZOOM = 0.1  # and enlarged or reduced by up to so much
SHIFT = 0.07  # and moved by up to this share of their sides
CONTRAST = 0.2  # and their distance from their own mean changed by up to this share
BRIGHTNESS = 0.2  # and all their values moved by up to so many standard deviations of the data
HOLE = 0.25  # and in half of them a rectangle with this share of the sides is emptied
JITTER = 0.05  # rows and lines: noise on every number, in standard deviations of the data
SCALE = 0.1  # rows and lines: standard deviation of the factor that a sample is multiplied with
TURN = "; together with synthetic samples, repeated real ones and synthetic ones in turn"


@dataclass(frozen=True)
class Classical:
    """Alters samples of one layout at random, each in its own way. `mirrors`: half of the planes are also mirrored left to right.

    Planes are shifted, turned, scaled, changed in contrast and brightness, and lose a rectangle (arXiv:1708.04552). Rows and lines are
    jittered and scaled (arXiv:1706.00527). Channels that stand for a choice (one-hot) are moved with the others and else left alone.
    """

    layout: Layout
    mirrors: bool = False

    def __call__(self, x: Tensor, source: torch.Generator) -> Tensor:
        """x [B, C, *P] -> altered samples of the same shape on the same device, drawn from `source`, a generator of the CPU."""
        altered = self._plane(x, source) if self.layout.geometry == "plane" else self._flat(x, source)
        return self._within(altered)

    def some(self, x: Tensor, source: torch.Generator) -> Tensor:
        """x [B, C, *P] of which about half are altered and the others are as they were."""
        chosen = torch.rand(len(x), generator=source).to(x.device) < ALTERED
        return torch.where(chosen.view(-1, *(1 for _ in x.shape[1:])), self(x, source), x)

    def augmented(self, sets: Sequence[TrainingSet], seed: int) -> list[TrainingSet]:
        """Of sets that hold the same real samples and, behind them, repeated or other ones of the same classes in the same order, the
        first of them repeated: with a repeated one in the place of every second other (synthetic, or noise) of a class. Samples are altered
        when they are taken."""
        return [replace(train, rows=_exchanged(train, sets[0].rows), classical=self) for train in sets]

    @property
    def words(self) -> str:
        """What is done, for the conditions of a number."""
        if self.layout.geometry != "plane":
            return f"jitter {JITTER:g} and scaling {SCALE:g} standard deviations{TURN}"
        return (
            f"shift {SHIFT:.0%}, turn {math.degrees(ANGLE):.0f} degrees, scale {ZOOM:.0%}, contrast {CONTRAST:.0%}, brightness "
            f"{BRIGHTNESS:g} standard deviations, cutout {HOLE:.0%}, {'mirrored' if self.mirrors else 'never mirrored'}{TURN}"
        )

    def _plane(self, x: Tensor, source: torch.Generator) -> Tensor:
        count = len(x)
        turn, zoom, right, down, contrast, brightness = (2 * torch.rand(6, count, generator=source) - 1).to(x.device)
        mirror = torch.rand(count, generator=source).to(x.device) < (0.5 if self.mirrors else 0.0)
        x = warp(x, turn * ANGLE, 1 + zoom * ZOOM, torch.stack([right, down], 1) * SHIFT, mirror)
        numbers, spread, centre = (self._channels(x, n) for n in ("numbers", "spread", "centre"))
        mean = x.mean((2, 3), keepdim=True)
        gain = 1 + numbers * contrast.view(-1, 1, 1, 1) * CONTRAST
        x = mean + (x - mean) * gain + numbers * spread * brightness.view(-1, 1, 1, 1) * BRIGHTNESS
        hole = holes(count, x.shape[2], x.shape[3], source).to(x.device)
        return torch.where(hole.unsqueeze(1) & (numbers > 0), centre, x)

    def _flat(self, x: Tensor, source: torch.Generator) -> Tensor:
        numbers, spread = self._channels(x, "numbers"), self._channels(x, "spread")
        factor = torch.randn(len(x), *(1 for _ in x.shape[1:]), generator=source).to(x.device)
        noise = torch.randn(x.shape, generator=source).to(x.device)
        return x + numbers * (x * SCALE * factor + spread * JITTER * noise)

    def _within(self, x: Tensor) -> Tensor:
        bounded = self._channels(x, "bounded") > 0
        return torch.where(bounded, x.clamp(-1, 1), x)

    def _channels(self, x: Tensor, what: str) -> Tensor:
        """One number a channel, [1, C, 1, …]: 1 where it is a number and no choice, 1 where it is bounded, its centre or its spread."""
        kinds: dict[str, tuple[Kind, ...]] = {"numbers": ("bounded", "real"), "bounded": ("bounded",)}
        values = [
            float(b.kind in kinds[what]) if what in kinds else float(getattr(b, what)) for b in self.layout.blocks for _ in range(b.size)
        ]
        return torch.tensor(values, device=x.device).view(1, -1, *(1 for _ in x.shape[2:]))


def _exchanged(train: TrainingSet, repeated: np.ndarray) -> np.ndarray:
    """Rows of a set, with those of another that repeats wherever classical augmentation has its turn."""
    rows, count, chosen = train.rows.copy(), len(train.real), train.turns
    rows[count:][chosen] = repeated[count:][chosen]
    return rows


def warp(x: Tensor, turn: Tensor, zoom: Tensor, shift: Tensor, mirror: Tensor) -> Tensor:
    """Planes mirrored left to right, turned about their middle, enlarged and moved, each as it is told; the edge goes on outside.

    x [B, C, H, W], turn [B] in radians (counter-clockwise as seen), zoom [B], shift [B, 2] in shares of width and height to the right
    and down, mirror [B] -> [B, C, H, W], bilinear.
    """
    height, width = x.shape[2:]
    cos, sin = torch.cos(turn) / zoom, torch.sin(turn) / zoom
    sign = 1.0 - 2.0 * mirror.to(x.dtype)
    right, down = 2 * shift[:, 0], 2 * shift[:, 1]  # the sampler's coordinates go from -1 to 1
    ratio = height / width
    # where each place of the result is found in x; the ratio keeps a turn a turn where height and width differ
    a, b, c, d = cos * sign, -sin * ratio * sign, sin / ratio, cos
    rows = [torch.stack([a, b, -a * right - b * down], 1), torch.stack([c, d, -c * right - d * down], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def holes(count: int, height: int, width: int, source: torch.Generator) -> Tensor:
    """[count, height, width], true inside a rectangle of HOLE of each side, its middle anywhere, in half of them.  arXiv:1708.04552"""
    there = torch.rand(count, generator=source) < 0.5
    inside = []
    for side in (height, width):
        middle = torch.rand(count, 1, generator=source) * side
        inside.append((torch.arange(side) + 0.5 - middle).abs() <= HOLE * side / 2)
    return inside[0].unsqueeze(2) & inside[1].unsqueeze(1) & there.view(-1, 1, 1)
