"""The small networks behind the features `classifier`: convolutions for pictures, dense layers for points and lines.

Letters: B samples, C channels, P positions, K classes, W width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = 16  # longest side after the first convolution
WIDTH = 32  # channels after the first convolution
DIMENSIONS = 128  # of the features


class Network(nn.Module):
    """x [B, C, *P] -> features [B, DIMENSIONS], the last hidden layer, standardised by what it is on the training split.

    They are taken before the layer's activation, where they are nearer to normal and none is dead.
    """

    centre: Tensor
    scale: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, shape: Sequence[int], classes: int) -> None:
        """shape: of x without its batch, (C, *P)"""
        super().__init__()
        channels, *places = shape
        self.register_buffer("centre", torch.zeros(channels, *[1] * len(places)))  # of the training split, for each channel
        self.register_buffer("scale", torch.ones(channels, *[1] * len(places)))
        self.body = plane(channels, *places) if len(places) == 2 else dense(math.prod(shape))
        self.register_buffer("mean", torch.zeros(DIMENSIONS))
        self.register_buffer("spread", torch.ones(DIMENSIONS))
        self.head = nn.Linear(DIMENSIONS, classes)

    def forward(self, x: Tensor) -> Tensor:
        return (self.hidden(x) - self.mean) / self.spread

    def hidden(self, x: Tensor) -> Tensor:
        """Before they are standardised.  [B, C, *P] -> [B, DIMENSIONS]"""
        return self.body((x - self.centre) / self.scale)

    def logits(self, features: Tensor) -> Tensor:
        """[B, DIMENSIONS] -> [B, K]"""
        return self.head(F.silu(features * self.spread + self.mean))


class Folded(nn.Module):
    """A convolution of stride `by` that sees every place: sides that do not divide are repeated.  [B, C, *P] -> [B, W, *ceil(P / by)]"""

    def __init__(self, channels: int, by: int) -> None:
        super().__init__()
        self.by, self.conv = by, nn.Conv2d(channels, WIDTH, by + 2, by, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % self.by, 0, -height % self.by), mode="replicate")
        return self.conv(x.contiguous(memory_format=torch.channels_last))


class Residual(nn.Module):
    """x + the convolution of x.  [B, C, H, W] -> [B, C, H, W]"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def convolution(before: int, after: int) -> nn.Sequential:
    """[B, before, H, W] -> [B, after, H, W]"""
    return nn.Sequential(nn.Conv2d(before, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


def plane(channels: int, height: int, width: int) -> nn.Sequential:
    """[B, C, H, W] -> [B, DIMENSIONS]"""
    by = math.ceil(max(height, width) / GRID)
    last = math.prod(math.ceil(math.ceil(math.ceil(n / by) / 2) / 2) for n in (height, width))
    return nn.Sequential(
        Folded(channels, by),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(),
        nn.AvgPool2d(2, ceil_mode=True),
        convolution(WIDTH, 2 * WIDTH),
        Residual(2 * WIDTH),
        nn.AvgPool2d(2, ceil_mode=True),
        convolution(2 * WIDTH, 4 * WIDTH),
        nn.Flatten(),
        nn.Linear(4 * WIDTH * last, DIMENSIONS),
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def dense(size: int) -> nn.Sequential:
    """[B, C, *P] of `size` numbers -> [B, DIMENSIONS]"""
    layers: list[nn.Module] = [nn.Flatten()]
    for before in (size, DIMENSIONS):
        layers += [nn.Linear(before, DIMENSIONS, bias=False), nn.BatchNorm1d(DIMENSIONS), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(DIMENSIONS, DIMENSIONS))
