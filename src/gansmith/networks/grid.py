"""What convolutional networks on lines and planes share: grids that halve, a convolution for either, and ways from one grid to another.

Letters: B samples, W channels, P positions. Whatever halves rounds up, and whatever doubles is cut, so any size will do.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.errors import ConfigError
from gansmith.networks.heads import GAIN, init

SMALLEST = 4  # positions on the longer axis of the coarsest grid


def grids(positions: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Positions from the finest grid to the coarsest; each halves the one before, rounding up."""
    if not positions:
        raise ConfigError("a convolutional network needs spatial positions, but a row has none. Use network.name=dense.")
    found = [positions]
    while max(found[-1]) > SMALLEST:
        found.append(tuple(math.ceil(p / 2) for p in found[-1]))
    return found


def convolution(
    c_in: int, c_out: int, dims: int, kernel: int = 3, groups: int = 1, gain: float = GAIN, bias: bool = True, stride: int = 1
) -> nn.Module:
    """A convolution over 1 or 2 position axes. An odd kernel keeps their size, or halves it with a stride of 2.

    [B, c_in, *P] -> [B, c_out, *ceil(P/stride)]
    """
    make = nn.Conv1d if dims == 1 else nn.Conv2d
    made: nn.Module = init(make(c_in, c_out, kernel, padding=kernel // 2, groups=groups, bias=bias, stride=stride), gain)
    return made


def strided(c_in: int, c_out: int, dims: int, bias: bool = True) -> nn.Module:
    """A convolution of 4 that halves: as wide as two strides, so every place counts equally.  [B, c_in, *P] -> [B, c_out, *P/2], P even"""
    make = nn.Conv1d if dims == 1 else nn.Conv2d
    made: nn.Module = init(make(c_in, c_out, 4, stride=2, padding=1, bias=bias))
    return made


def batch_norm(width: int, dims: int, affine: bool = True) -> nn.Module:
    """Batch normalisation of channels over 1 or 2 position axes.  [B, W, *P] -> [B, W, *P].  arXiv:1502.03167"""
    make = nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d
    return make(width, affine=affine)


def channels_last(network: nn.Module) -> None:
    """Lay the weights of 2-D convolutions out channels last, as they are multiplied; anything else stays as it is."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def cut(x: Tensor, positions: tuple[int, ...]) -> Tensor:
    """The first places along every axis.  [B, W, *P] -> [B, W, *positions]"""
    return x[(slice(None), slice(None), *map(slice, positions))]


def everywhere(values: Tensor, h: Tensor) -> Tensor:
    """Numbers of channels [W] or [B, W] so that they meet those of h [B, W, *P] at every place, in its precision.  -> [..., W, 1, ...]"""
    return values.reshape(*values.shape, *[1] * (h.dim() - 2)).to(h.dtype)


def even(x: Tensor) -> Tensor:
    """The last place of every axis of odd length once more.  [B, W, *P] -> [B, W, *2·ceil(P/2)]"""
    if not any(n % 2 for n in x.shape[2:]):
        return x
    return F.pad(x, [k for n in reversed(x.shape[2:]) for k in (0, n % 2)], mode="replicate")


def halve(x: Tensor) -> Tensor:
    """Mean of neighbours.  [B, W, *P] -> [B, W, *ceil(P/2)]"""
    if x.dim() == 3:
        return F.avg_pool1d(x, 2, ceil_mode=True)
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def double(x: Tensor, positions: tuple[int, ...]) -> Tensor:
    """Nearest neighbour, cut to `positions`.  [B, W, *P] -> [B, W, *positions]"""
    return cut(F.interpolate(x, scale_factor=2, mode="nearest"), positions)


def enlarge(x: Tensor, by: int, positions: tuple[int, ...]) -> Tensor:
    """Linear interpolation, cut to `positions`.  [B, W, *P] -> [B, W, *positions]"""
    return cut(F.interpolate(x, scale_factor=by, mode="linear" if x.dim() == 3 else "bilinear"), positions)


def smooth(x: Tensor, stride: int = 1) -> Tensor:
    """The filter that `enlarge` by 2 spreads with, 1 3 3 1 along every axis, without padding.  [B, W, *P] -> [B, W, *ceil((P-3)/stride)]"""
    taps = x.new_full((4,), 3 / 8)
    taps[0] = taps[3] = 1 / 8
    channels = x.shape[1]
    if x.dim() == 3:
        return F.conv1d(x, taps.expand(channels, 1, 4), stride=stride, groups=channels)
    return F.conv2d(x, taps.outer(taps).expand(channels, 1, 4, 4), stride=stride, groups=channels)


def shrink(x: Tensor) -> Tensor:
    """Half as many positions through `smooth`, edges repeated.  [B, W, *P] -> [B, W, *ceil(P/2)]"""
    return smooth(F.pad(x, [k for n in reversed(x.shape[2:]) for k in (1, 1 + n % 2)], mode="replicate"), stride=2)


def blur(x: Tensor) -> Tensor:
    """As many positions through `smooth`, edges repeated, of which `shrink` is every second.  [B, W, *P] -> [B, W, *P]"""
    return smooth(F.pad(x, [1, 2] * (x.dim() - 2), mode="replicate"))
