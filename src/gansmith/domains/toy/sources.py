"""The toy data: known in closed form, so what a generator missed can be counted. Made from a fixed seed, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from gansmith.randomness import stream

COUNT = 50_000
SEED = 0
PLACES = 64  # of a sine wave
BANDS = {"low": (1.0, 2.0), "middle": (3.0, 4.0), "high": (6.0, 8.0)}  # waves in a window


@dataclass(frozen=True)
class Toy:
    """raw float32 [N, 2] points or [N, T, 1] lines; labels [N] int64 and their names where there are any; what is known of them."""

    raw: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    known: dict[str, Any] = field(default_factory=dict)


def ring() -> Toy:
    """8 equal Gaussians on a circle of radius 1, standard deviation 0.01.  arXiv:1712.04086, section 4.1"""
    angles = [2 * math.pi * k / 8 for k in range(8)]
    return _gaussians("toy:ring", [[math.cos(a), math.sin(a)] for a in angles], 0.01)


def grid() -> Toy:
    """25 equal Gaussians on {-4, -2, 0, 2, 4}², standard deviation 0.05.  arXiv:1712.04086, section 4.1"""
    marks = (-4.0, -2.0, 0.0, 2.0, 4.0)
    return _gaussians("toy:grid", [[x, y] for x in marks for y in marks], 0.05)


def sines() -> Toy:
    """Sine waves of amplitude 1 on 64 places, phase and frequency uniform, the frequency within one of three bands: the label."""
    source = stream(SEED, "toy:sines")
    labels = torch.randint(len(BANDS), (COUNT,), generator=source)
    low, high = torch.tensor(list(BANDS.values())).T
    share, phase = torch.rand(2, COUNT, generator=source)
    waves = low[labels] + share * (high - low)[labels]  # [N]
    angle = waves.unsqueeze(1) * torch.linspace(0, 1, PLACES) + phase.unsqueeze(1)  # [N, T], in turns
    raw = torch.sin(2 * math.pi * angle).unsqueeze(2)
    return Toy(raw.numpy(), labels.numpy(), tuple(BANDS), {"bands": {name: list(band) for name, band in BANDS.items()}})


def _gaussians(name: str, centres: list[list[float]], sigma: float) -> Toy:
    source = stream(SEED, name)
    modes = torch.randint(len(centres), (COUNT,), generator=source)
    raw = torch.tensor(centres)[modes] + sigma * torch.randn(COUNT, 2, generator=source)
    return Toy(raw.numpy(), known={"centres": centres, "sigma": sigma})


TOYS: dict[str, Callable[[], Toy]] = {"toy:ring": ring, "toy:grid": grid, "toy:sines": sines}
