"""The convolutional pair of DCGAN for lines and planes (arXiv:1511.06434).

Strided convolutions halve the grid in the discriminator and transposed ones double it in the generator; both players normalise by
the statistics of the batch everywhere but at the generator's output and the discriminator's input. The kernels are 4 wide instead of 5,
which two strides divide: those of 5 draw a checkerboard. Weights start with the variance that their layer keeps, as in our other pairs,
which at the widths of the paper is about its 0.02.

Batch statistics bind the samples of a batch together. A generator in eval mode uses running ones, so there each sample comes of its
latent alone; in train mode a discriminator's logits, and any penalty on their slope, are those of the batch as a whole.

Letters: B samples, C channels of the data, W channels of a stage, P positions.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Layout
from gansmith.networks.grid import batch_norm, channels_last, convolution, cut, even, grids, strided
from gansmith.networks.heads import Discriminator, Input, Output, Projection, act, init, with_condition

LARGEST = 8  # widest stage, in widths


def stages(positions: tuple[int, ...], width: int) -> list[tuple[tuple[int, ...], int]]:
    """(positions, channels) of the hidden layers, fine to coarse; samples of a few places have one such layer, on their own grid."""
    found = grids(positions)
    return [(grid, width * min(2**i, LARGEST)) for i, grid in enumerate(found[1:] or found)]


def transposed(c_in: int, c_out: int, dims: int, gain: float = 2.0**0.5, bias: bool = False) -> nn.Module:
    """A transposed convolution that doubles the places: each place of its output is a sum over two of the input along every axis.

    [B, c_in, *P] -> [B, c_out, *2P]
    """
    make = nn.ConvTranspose1d if dims == 1 else nn.ConvTranspose2d
    made = make(c_in, c_out, 4, stride=2, padding=1, bias=bias)
    with torch.no_grad():
        made.weight.normal_(0.0, gain / (c_in * 2**dims) ** 0.5)
        if made.bias is not None:
            made.bias.zero_()
    return made


class DCGANGenerator(nn.Module):
    """Latent [B, Z] and condition [B, K] -> x [B, C, *P]"""

    def __init__(self, layout: Layout, latent: int, width: int) -> None:
        super().__init__()
        dims = len(layout.positions)
        hidden, widths = zip(*reversed(stages(layout.positions, width)), strict=True)  # coarse to fine
        self.grids = (*hidden[1:], layout.positions)
        self.start_shape = (widths[0], *hidden[0])
        self.start = init(nn.Linear(latent + layout.condition, math.prod(self.start_shape), bias=False))
        self.norms = nn.ModuleList(batch_norm(w, dims) for w in widths)
        self.ups = nn.ModuleList(transposed(a, b, dims) for a, b in pairwise(widths))
        if hidden[-1] == layout.positions:
            self.finish = convolution(widths[-1], layout.channels, dims, gain=1.0)
        else:
            self.finish = transposed(widths[-1], layout.channels, dims, gain=1.0, bias=True)
        self.output = Output(layout)
        channels_last(self)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.start(with_condition(latent, condition)).reshape(-1, *self.start_shape)
        for norm, up, grid in zip(self.norms, (*self.ups, self.finish), self.grids, strict=True):
            h = cut(up(F.relu(norm(h))), grid)
        found: Tensor = self.output(h)
        return found


class DCGANDiscriminator(Discriminator):
    """x [B, C, *P] and condition [B, K] -> logits [B]. In train mode they depend on the whole batch."""

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        dims = len(layout.positions)
        hidden, widths = zip(*stages(layout.positions, width), strict=True)  # fine to coarse
        self.input = Input(layout)
        self.halves = hidden[0] != layout.positions
        self.start = strided(layout.channels, widths[0], dims) if self.halves else convolution(layout.channels, widths[0], dims)
        self.downs = nn.ModuleList(strided(a, b, dims, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(batch_norm(w, dims) for w in widths[1:])
        self.logit = Projection(math.prod(hidden[-1]) * widths[-1], layout.condition)
        channels_last(self)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.input(x)
        h = act(self.start(even(h) if self.halves else h))
        for down, norm in zip(self.downs, self.norms, strict=True):
            h = act(norm(down(even(h))))
        return h.flatten(1).float()
