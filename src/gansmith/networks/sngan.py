"""The residual pair of SNGAN for lines and planes (arXiv:1802.05957), and with attention that of SAGAN (arXiv:1805.08318).

The generator's blocks normalise by the batch, with gains and biases of their own for each class; the discriminator has no
normalisation but that of its weights, every one of which is divided by its largest singular value (devices.spectral), sums its last
features over all positions, and asks for the class by projection (arXiv:1802.05637). Attention lets every place of a middle grid take
from every other what a convolution would have to carry there; SAGAN also divides the weights of the generator.

A generator in eval mode uses running statistics, so there each sample comes of its latent alone.

Letters: B samples, C channels of the data, W channels of a stage, N places of a grid, P positions.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Layout
from gansmith.networks.condition import ConditionalNorm
from gansmith.networks.devices import spectral
from gansmith.networks.grid import channels_last, convolution, double, grids, halve
from gansmith.networks.heads import Discriminator, Input, Output, Projection, init

LARGEST = 16  # widest stage, in widths
ATTENDED = 8  # channels of a place, in those that attention compares places by


def stages(positions: tuple[int, ...], width: int) -> list[tuple[tuple[int, ...], int]]:
    """(positions, channels) from the finest grid to the coarsest."""
    return [(grid, width * min(2**i, LARGEST)) for i, grid in enumerate(grids(positions))]


def middle(count: int) -> int:
    """Which of so many grids, fine to coarse, attention works on: the second of 32 places, the third of 128, as the paper found best."""
    return min(max((count - 1) // 2, 1), count - 1)


class Attention(nn.Module):
    """h + g · what each place takes from all: a mean of their values, weighted by how well their keys fit its query.

    h [B, W, *P] -> [B, W, *P].  g starts at 0.  arXiv:1805.08318
    """

    def __init__(self, width: int, dims: int) -> None:
        super().__init__()
        inside = max(width // ATTENDED, 1)
        self.query, self.key, self.value = (convolution(width, inside, dims, kernel=1, gain=1.0, bias=False) for _ in range(3))
        self.mix = convolution(inside, width, dims, kernel=1, gain=1.0, bias=False)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, h: Tensor) -> Tensor:
        query, key, value = (layer(h).flatten(2) for layer in (self.query, self.key, self.value))  # [B, W / 8, N]
        share = (query.transpose(1, 2) @ key).softmax(2)  # [B, N, N]
        taken = value @ share.transpose(1, 2)
        mixed: Tensor = self.mix(taken.unflatten(2, h.shape[2:]))
        return h + self.gain.to(h.dtype) * mixed


class Up(nn.Module):
    """A generator's block, which ends on the next finer grid.  h [B, a, *P/2], condition [B, K] -> [B, b, *P]"""

    def __init__(self, a: int, b: int, dims: int, condition: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ConditionalNorm(w, dims, condition) for w in (a, b))
        self.first, self.last = convolution(a, b, dims), convolution(b, b, dims)
        self.skip = convolution(a, b, dims, kernel=1, gain=1.0)

    def forward(self, h: Tensor, condition: Tensor | None, grid: tuple[int, ...]) -> Tensor:
        inside = self.first(double(F.relu(self.norms[0](h, condition)), grid))
        branch: Tensor = self.last(F.relu(self.norms[1](inside, condition)))
        return branch + double(self.skip(h), grid)  # a 1x1 convolution and the enlargement commute


class Down(nn.Module):
    """A discriminator's block. `first`: h are samples, not features.  [B, a, *P] -> [B, b, *ceil(P/2)], or [B, b, *P] without `halves`"""

    def __init__(self, a: int, b: int, dims: int, first: bool, halves: bool) -> None:
        super().__init__()
        self.bare, self.halves = first, halves
        self.first, self.last = convolution(a, b, dims), convolution(b, b, dims)
        self.skip = convolution(a, b, dims, kernel=1, gain=1.0)

    def forward(self, h: Tensor) -> Tensor:
        branch = self.last(F.relu(self.first(h if self.bare else F.relu(h))))
        found: Tensor = branch + self.skip(h)
        return halve(found) if self.halves else found


class SNGANGenerator(nn.Module):
    """Latent [B, Z] and condition [B, K] -> x [B, C, *P]. With `attention` it is that of SAGAN."""

    def __init__(self, layout: Layout, latent: int, width: int, attention: bool = False) -> None:
        super().__init__()
        dims = len(layout.positions)
        self.grids, widths = zip(*reversed(stages(layout.positions, width)), strict=True)  # coarse to fine
        self.start_shape = (widths[0], *self.grids[0])
        self.start = init(nn.Linear(latent, math.prod(self.start_shape)), gain=1.0)
        self.blocks = nn.ModuleList(Up(a, b, dims, layout.condition) for a, b in pairwise(widths))
        self.norm = ConditionalNorm(widths[-1], dims, layout.condition)
        self.finish = convolution(widths[-1], layout.channels, dims, gain=1.0)
        self.attended = len(widths) - 1 - middle(len(widths))
        self.attention = Attention(widths[self.attended], dims) if attention else None
        self.output = Output(layout)
        channels_last(self)
        if attention:
            for layer in [m for m in self.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)]:
                spectral(layer)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.start(latent).reshape(-1, *self.start_shape)
        for i, grid in enumerate(self.grids):
            h = h if i == 0 else self.blocks[i - 1](h, condition, grid)
            if self.attention is not None and i == self.attended:
                h = self.attention(h)
        found: Tensor = self.output(self.finish(F.relu(self.norm(h, condition))))
        return found


class SNGANDiscriminator(Discriminator):
    """x [B, C, *P] and condition [B, K] -> logits [B]; its weights are still to be divided. With `attention` it is that of SAGAN."""

    def __init__(self, layout: Layout, width: int, attention: bool = False) -> None:
        super().__init__()
        dims, count = len(layout.positions), len(grids(layout.positions))
        widths = [layout.channels, *(w for _, w in stages(layout.positions, width))]
        self.input = Input(layout)
        # a block to each coarser grid, and one more on the coarsest
        self.blocks = nn.ModuleList(Down(a, b, dims, first=i == 0, halves=i < count - 1) for i, (a, b) in enumerate(pairwise(widths)))
        self.attended = max(middle(count) - 1, 0)  # the block that ends on the middle grid
        self.attention = Attention(widths[self.attended + 1], dims) if attention else None
        self.logit = Projection(widths[-1], layout.condition)
        channels_last(self)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.input(x)
        for i, block in enumerate(self.blocks):
            h = block(h)
            if self.attention is not None and i == self.attended:
                h = self.attention(h)
        return F.relu(h).float().flatten(2).sum(2)
