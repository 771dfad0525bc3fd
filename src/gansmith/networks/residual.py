"""The residual pair of R3GAN for lines and planes, written from its paper (arXiv:2501.05441, section 4) for graphics processors.

Every stage is a transition (bilinear resampling, and a 1x1 convolution where the channels change) and residual blocks of the inverted
bottleneck 1x1 -> 3x3 grouped -> 1x1, which are most of the arithmetic. There is no normalisation: a block's last convolution starts
at zero and the others at a scale that falls with the number of blocks, so that a first step moves the network no more however deep
it is (Fixup, arXiv:1901.09321). Generator and discriminator mirror each other, down to the learned basis on the coarsest grid.

Letters: B samples, C channels of the data, W channels of a stage, P positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gansmith.errors import ConfigError
from gansmith.layout import Layout
from gansmith.networks.grid import convolution, enlarge, grids, shrink
from gansmith.networks.heads import GAIN, Discriminator, Input, Output, Projection, act, init, with_condition

GROUP = 16  # channels of a group of the 3x3 convolution
EXPANSION = 2  # channels of a block's inside, in channels of its stage
BLOCKS = 2  # of a stage
LARGEST = 8  # widest stage, in channels of the finest

# Of the paper's networks for 32x32, fine to coarse: with two blocks a stage, the 20.7 M parameters it states for a player.
CIFAR10 = (768, 768, 768, 768)


def widths(layout: Layout, width: int) -> tuple[int, ...]:
    """Channels of each stage, fine to coarse: `width` at first, doubling up to LARGEST times that and no further than the paper's widest,
    rounded up to whole groups."""
    stages, widest = len(grids(layout.positions)), max(width, max(CIFAR10))
    return tuple(math.ceil(min(width * min(2**i, LARGEST), widest) / GROUP) * GROUP for i in range(stages))


class Block(nn.Module):
    """x + 1x1(act(3x3 grouped(act(1x1(x))))), the last convolution zero at the start.  [B, W, *P] -> [B, W, *P]

    `depth` is the number of blocks in the network: branches of three layers start at depth^(-1/4) of the usual scale (arXiv:1901.09321).
    """

    def __init__(self, width: int, dims: int, depth: int) -> None:
        super().__init__()
        inside, gain = width * EXPANSION, GAIN * depth**-0.25
        self.open = convolution(width, inside, dims, kernel=1, gain=gain)
        self.mix = convolution(inside, inside, dims, groups=inside // GROUP, gain=gain)
        self.close = convolution(inside, width, dims, kernel=1, gain=0.0, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.close(act(self.mix(act(self.open(x)))))
        return x + branch


class ResidualGenerator(nn.Module):
    """Latent [B, Z] and condition [B, K] -> x [B, C, *P].  `widths`: channels of each stage, fine to coarse."""

    def __init__(self, layout: Layout, latent: int, widths: Sequence[int], blocks: int = BLOCKS) -> None:
        super().__init__()
        dims, coarse = len(layout.positions), _checked(layout, widths)[::-1]
        self.grids = grids(layout.positions)[::-1]
        self.gains = init(nn.Linear(latent + layout.condition, coarse[0]), gain=1.0)
        self.basis = nn.Parameter(torch.randn(coarse[0], *self.grids[0]))
        self.stages = nn.ModuleList(_stage(w, dims, blocks, len(coarse)) for w in coarse)
        self.changes = nn.ModuleList(_change(a, b, dims) for a, b in pairwise(coarse))
        self.finish = convolution(coarse[-1], layout.channels, dims, kernel=1, gain=1.0)
        self.output = Output(layout)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        gains = self.gains(with_condition(latent, condition))  # [B, W]
        h = gains.reshape(*gains.shape, *[1] * (self.basis.dim() - 1)) * self.basis.to(gains.dtype)
        if h.dim() == 4:
            h = h.contiguous(memory_format=torch.channels_last)
        h = self.stages[0](h)
        for grid, change, stage in zip(self.grids[1:], self.changes, self.stages[1:], strict=True):
            h = stage(enlarge(change(h), 2, grid))  # the 1x1 before the interpolation: they commute, and it has a quarter of the places
        found: Tensor = self.output(self.finish(h))
        return found


class ResidualDiscriminator(Discriminator):
    """x [B, C, *P] and condition [B, K] -> logits [B].  `widths`: channels of each stage, fine to coarse."""

    def __init__(self, layout: Layout, widths: Sequence[int], blocks: int = BLOCKS) -> None:
        super().__init__()
        dims, fine, coarsest = len(layout.positions), _checked(layout, widths), grids(layout.positions)[-1]
        self.input = Input(layout)
        self.start = convolution(layout.channels, fine[0], dims, kernel=1, gain=1.0)
        self.stages = nn.ModuleList(_stage(w, dims, blocks, len(fine)) for w in fine)
        self.changes = nn.ModuleList(_change(a, b, dims) for a, b in pairwise(fine))
        self.basis = nn.Parameter(torch.randn(fine[-1], *coarsest) / math.prod(coarsest) ** 0.5)
        self.logit = Projection(fine[-1], layout.condition)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.stages[0](self.start(self.input(x)))
        for change, stage in zip(self.changes, self.stages[1:], strict=True):
            h = stage(change(shrink(h)))
        h = (h * self.basis.to(h.dtype)).flatten(2).sum(2)  # a depthwise convolution as large as the grid, [B, W]
        return h.float()


def _stage(width: int, dims: int, blocks: int, stages: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width, dims, blocks * stages) for _ in range(blocks)))


def _change(c_in: int, c_out: int, dims: int) -> nn.Module:
    """The 1x1 convolution between two stages; nothing where the channels stay."""
    return nn.Identity() if c_in == c_out else convolution(c_in, c_out, dims, kernel=1, gain=1.0, bias=False)


def _checked(layout: Layout, widths: Sequence[int]) -> list[int]:
    """The widths, one for each grid of the layout and each in whole groups; else a ConfigError."""
    wanted = len(grids(layout.positions))
    if len(widths) != wanted:
        raise ConfigError(f"found {len(widths)} widths; positions {layout.positions} make {wanted} stages and need one each.")
    if any(w < 1 or w * EXPANSION % GROUP for w in widths):
        raise ConfigError(f"found widths {tuple(widths)}; each must be a multiple of {GROUP // EXPANSION}, for groups of {GROUP} channels.")
    return list(widths)
