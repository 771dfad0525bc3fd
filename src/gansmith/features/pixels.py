"""Features without learning: the pixels of a small copy, and for points and lines the values themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.features.native import tensor, unit

LARGEST = 32  # longest side of the small copy


class Pixels:
    """Pictures [B, H, W, C] -> their pixels in [-1, 1], each picture first brought to at most 32 x 32 by averaging areas.

    Needs nothing and says least: what is finer than the small copy is not seen, and a shift by one pixel counts as a change.
    `span`: the pixel values that mean -1 and 1.
    """

    name = "pixels"
    batch = 1024

    def __init__(self, shape: Sequence[int], span: tuple[float, float]) -> None:
        height, width, channels = shape
        self.shape, self.span = tuple(shape), span
        self.small = shrunk(height, width, LARGEST)
        self.conditions: Mapping[str, Any] = {
            "input": list(shape),
            "span": list(span),
            "small": list(self.small),
            "dimensions": self.small[0] * self.small[1] * channels,
        }

    def __call__(self, raw: np.ndarray) -> Tensor:
        return F.interpolate(unit(raw, self.shape, self.span), self.small, mode="area").flatten(1)

    def probabilities(self, features: Tensor) -> None:
        """There is no classifier."""


class Values:
    """Points [B, C] and lines [B, T, C] -> their values as (value - centre) / scale.  centre: of each channel [C]; scale: one for all"""

    name = "values"
    batch = 4096

    def __init__(self, shape: Sequence[int], centre: Sequence[float], scale: float) -> None:
        self.shape, self.scale = tuple(shape), float(scale)
        self.centre = torch.tensor(centre).reshape(-1, *[1] * (len(self.shape) - 1))  # [C, 1, ...]
        self.conditions: Mapping[str, Any] = {
            "input": list(shape),
            "centre": list(centre),
            "scale": self.scale,
            "dimensions": int(np.prod(shape)),
        }

    def __call__(self, raw: np.ndarray) -> Tensor:
        return ((tensor(raw, self.shape) - self.centre) / self.scale).flatten(1)

    def probabilities(self, features: Tensor) -> None:
        """There is no classifier."""


def shrunk(height: int, width: int, largest: int) -> tuple[int, int]:
    """Height and width brought down, in proportion, until no side is longer than `largest`; never up, and never below 1."""
    ratio = min(1.0, largest / max(height, width))
    return max(1, round(height * ratio)), max(1, round(width * ratio))
