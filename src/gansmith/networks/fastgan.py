"""The pair of FastGAN for lines and planes, for few samples of many positions (arXiv:2101.04775).

Every stage of the generator is one convolution with batch statistics and a gated linear unit, and coarse stages excite the channels of
far finer ones (skip-layer excitation): gradients take a short way, and a style is passed on. The discriminator's blocks halve twice
over, by strided convolutions and by averaging, and take the mean. The paper's discriminator also learns to rebuild real pictures from its
inner grids, by decoders and a loss of their own; features and a head have no place for that, so it is left out.

Batch statistics bind the samples of a batch together: see dcgan.

Letters: B samples, C channels of the data, W channels of a stage, P positions.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Layout
from gansmith.networks.grid import SMALLEST, batch_norm, channels_last, convolution, double, even, grids, halve, strided
from gansmith.networks.heads import Discriminator, Input, Output, Projection, act, init, with_condition

LARGEST = 16  # widest stage, in widths
REACH = 4  # grids from a stage to the finer one that it excites; half of them where there are fewer than twice as many


def stages(positions: tuple[int, ...], width: int) -> list[tuple[tuple[int, ...], int]]:
    """(positions, channels) from the finest grid to the coarsest."""
    return [(grid, width * min(2**i, LARGEST)) for i, grid in enumerate(grids(positions))]


class Excitation(nn.Module):
    """Channels of a fine grid, each times a number in (0, 1) that a coarse grid gives.  [B, b, *P], [B, a, *Q] -> [B, b, *P]"""

    def __init__(self, a: int, b: int, dims: int) -> None:
        super().__init__()
        make = nn.Conv1d if dims == 1 else nn.Conv2d
        self.gather = init(make(a, b, SMALLEST))  # on a grid of as many places: all of them to one
        self.gate = convolution(b, b, dims, kernel=1, gain=1.0)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        pool = F.adaptive_avg_pool1d if coarse.dim() == 3 else F.adaptive_avg_pool2d
        pooled = pool(coarse, SMALLEST)
        gate: Tensor = self.gate(act(self.gather(pooled)))
        return fine * gate.sigmoid()


class FastGANGenerator(nn.Module):
    """Latent [B, Z] and condition [B, K] -> x [B, C, *P]"""

    def __init__(self, layout: Layout, latent: int, width: int) -> None:
        super().__init__()
        dims = len(layout.positions)
        self.grids, widths = zip(*reversed(stages(layout.positions, width)), strict=True)  # coarse to fine
        self.start_shape = (2 * widths[0], *self.grids[0])  # a gated linear unit gives half of what it takes
        self.start = init(nn.Linear(latent + layout.condition, math.prod(self.start_shape), bias=False))
        self.ups = nn.ModuleList(convolution(a, 2 * b, dims, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(batch_norm(2 * w, dims) for w in widths)
        self.reach = min(REACH, max(len(widths) // 2, 1))
        self.excitations = nn.ModuleList(Excitation(a, b, dims) for a, b in zip(widths, widths[self.reach :], strict=False))
        self.finish = convolution(widths[-1], layout.channels, dims, gain=1.0)
        self.output = Output(layout)
        channels_last(self)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.start(with_condition(latent, condition)).reshape(-1, *self.start_shape)
        found = [F.glu(self.norms[0](h), 1)]
        for i, (grid, up, norm) in enumerate(zip(self.grids[1:], self.ups, self.norms[1:], strict=True), 1):
            h = F.glu(norm(up(double(found[-1], grid))), 1)
            if i >= self.reach:
                h = self.excitations[i - self.reach](h, found[i - self.reach])
            found.append(h)
        x: Tensor = self.output(self.finish(found[-1]))
        return x


class Down(nn.Module):
    """The mean of two ways to halve: by a strided convolution and one more, and by averaging.  [B, a, *P] -> [B, b, *ceil(P/2)]"""

    def __init__(self, a: int, b: int, dims: int) -> None:
        super().__init__()
        self.first, self.last = strided(a, b, dims, bias=False), convolution(b, b, dims, bias=False)
        self.skip = convolution(a, b, dims, kernel=1, bias=False)
        self.norms = nn.ModuleList(batch_norm(b, dims) for _ in range(3))

    def forward(self, h: Tensor) -> Tensor:
        branch = act(self.norms[1](self.last(act(self.norms[0](self.first(even(h)))))))
        return (branch + act(self.norms[2](self.skip(halve(h))))) / 2


class FastGANDiscriminator(Discriminator):
    """x [B, C, *P] and condition [B, K] -> logits [B]. In train mode they depend on the whole batch."""

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        dims = len(layout.positions)
        found, widths = zip(*stages(layout.positions, width), strict=True)  # fine to coarse
        self.input = Input(layout)
        self.start = convolution(layout.channels, widths[0], dims)
        self.blocks = nn.ModuleList(Down(a, b, dims) for a, b in pairwise(widths))
        self.last = convolution(widths[-1], widths[-1], dims, kernel=1, bias=False)
        self.norm = batch_norm(widths[-1], dims)
        self.logit = Projection(math.prod(found[-1]) * widths[-1], layout.condition)
        channels_last(self)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = act(self.start(self.input(x)))
        for block in self.blocks:
            h = block(h)
        found: Tensor = act(self.norm(self.last(h))).flatten(1)
        return found.float()
