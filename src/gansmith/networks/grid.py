"""What convolutional networks on lines and planes share: grids that halve, and a convolution for either."""

from __future__ import annotations

import math

import torch
from torch import nn

from gansmith.errors import ConfigError
from gansmith.networks.heads import GAIN, init

SMALLEST = 4  # positions on the longer axis of the coarsest grid


def grids(positions: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Positions from the finest grid to the coarsest; each halves the one before, rounding up."""
    if not positions:
        raise ConfigError("a convolutional network needs positions, and a row has none. Use network.name=dense.")
    found = [positions]
    while max(found[-1]) > SMALLEST:
        found.append(tuple(math.ceil(p / 2) for p in found[-1]))
    return found


def convolution(c_in: int, c_out: int, dims: int, kernel: int = 3, groups: int = 1, gain: float = GAIN, bias: bool = True) -> nn.Module:
    """A convolution over 1 or 2 position axes that keeps their size.  [B, c_in, *P] -> [B, c_out, *P]"""
    make = nn.Conv1d if dims == 1 else nn.Conv2d
    made: nn.Module = init(make(c_in, c_out, kernel, padding=kernel // 2, groups=groups, bias=bias), gain)
    return made


def channels_last(network: nn.Module) -> None:
    """Lay the weights of 2-D convolutions out channels last, as they are multiplied; anything else stays as it is."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
