"""A light residual convolutional pair for lines and planes, made for a processor.

Matrix units like 3 by 3 convolutions of stride 1 and at least 32 channels, and nothing at the finest resolution: the discriminator
folds 2 by 2 or 4 by 4 patches into channels before its first convolution, and the generator's last but one layer works on a quarter of
the positions. Its last one draws a smooth picture there, and on all of them the detail, from channels that were interpolated first: a
layer that draws each place of a patch with weights of its own leaves a weave of 2 pixels, which a smooth critic hardly sees and people do.
No normalisation: residual branches end in a convolution of zeros (arXiv:1901.09321), which is all that these depths need.

Letters: B samples, C channels of the data, W channels of a stage, P positions.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Layout
from gansmith.networks.grid import channels_last, convolution, double, enlarge, grids, halve
from gansmith.networks.heads import Discriminator, Input, Output, Projection, act, init, with_condition

PATCH = 2  # side of the patch that is folded into channels and unfolded from them
SMALL = 32  # longest side for which that holds; above it the discriminator folds patches of twice the side
LARGEST = 4  # widest stage, in widths


def side(positions: tuple[int, ...]) -> int:
    """Side of the patch that the discriminator folds into channels."""
    return PATCH if max(positions) <= SMALL else 2 * PATCH


def stages(positions: tuple[int, ...], width: int) -> list[tuple[tuple[int, ...], int]]:
    """(positions, channels) from the finest stage to the coarsest; each halves the one before, rounding up."""
    folded = tuple(math.ceil(p / side(positions)) for p in positions)
    return [(grid, width * min(2**i, LARGEST)) for i, grid in enumerate(grids(folded))]


def fold(x: Tensor, by: int) -> Tensor:
    """Patches into channels, padding uneven sides by repetition.  [B, C, *P] -> [B, C·by^d, *ceil(P/by)]"""
    missing = [-n % by for n in x.shape[2:]]
    if any(missing):
        x = F.pad(x, [k for n in reversed(missing) for k in (0, n)], mode="replicate")
    if x.dim() == 4:  # channels last from here on: half the time of a step on a processor
        return F.pixel_unshuffle(x, by).contiguous(memory_format=torch.channels_last)
    b, c, t = x.shape
    return x.reshape(b, c, t // by, by).transpose(2, 3).reshape(b, c * by, t // by)


class Residual(nn.Module):
    """x + conv(act(conv(act(x)))), the last convolution zero at the start.  [B, W, *P] -> [B, W, *P]"""

    def __init__(self, width: int, dims: int) -> None:
        super().__init__()
        self.first = convolution(width, width, dims)
        self.last = convolution(width, width, dims)
        nn.init.zeros_(self.last.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.last(act(self.first(act(x))))


class LightGenerator(nn.Module):
    """Latent [B, Z] and condition [B, K] -> x [B, C, *P]

    Also where the discriminator folds patches of 4 the last layer enlarges by 2: the stage between costs little beside the
    discriminator's many passes. There only that stage is enlarged smoothly, as all are of small pictures: repeated, its places leave a
    weave of 4 pixels that people see, and where the coarser ones are smooth too, texture comes late (docs/results.md).
    """

    def __init__(self, layout: Layout, latent: int, width: int) -> None:
        super().__init__()
        dims = len(layout.positions)
        self.positions, places = layout.positions, stages(layout.positions, width)
        self.large = side(layout.positions) > PATCH
        if self.large:
            places = [(tuple(math.ceil(p / PATCH) for p in layout.positions), max(width // 2, 1)), *places]
        self.grids, widths = zip(*reversed(places), strict=True)  # coarse to fine
        self.start_shape = (widths[0], *self.grids[0])
        self.start = init(nn.Linear(latent + layout.condition, math.prod(self.start_shape)), gain=1.0)
        self.blocks = nn.ModuleList(Residual(w, dims) for w in widths)
        self.ups = nn.ModuleList(convolution(a, b, dims) for a, b in pairwise(widths))
        self.smooth = convolution(widths[-1], layout.channels, dims)
        self.detail = convolution(widths[-1], layout.channels, dims)
        nn.init.zeros_(self.detail.weight)  # type: ignore[arg-type]
        self.output = Output(layout)
        channels_last(self)

    def enlarged(self, h: Tensor, grid: tuple[int, ...]) -> Tensor:
        """A stage on the grid of the next, of about twice the sides."""
        return double(h, grid) if self.large and grid != self.grids[-1] else enlarge(h, 2, grid)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.start(with_condition(latent, condition)).reshape(-1, *self.start_shape)
        if h.dim() == 4:
            h = h.contiguous(memory_format=torch.channels_last)
        h = self.blocks[0](h)
        for grid, up, block in zip(self.grids[1:], self.ups, self.blocks[1:], strict=True):
            h = block(up(self.enlarged(act(h), grid)))
        smooth, fine = enlarge(self.smooth(act(h)), PATCH, self.positions), act(enlarge(h, PATCH, self.positions))
        return self.output(smooth + self.detail(fine))


class LightDiscriminator(Discriminator):
    """x [B, C, *P] and condition [B, K] -> logits [B]"""

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        dims = len(layout.positions)
        self.side = side(layout.positions)
        self.input = Input(layout)
        grids, widths = zip(*stages(layout.positions, width), strict=True)  # fine to coarse
        self.start = convolution(layout.channels * self.side**dims, widths[0], dims)
        self.blocks = nn.ModuleList(Residual(w, dims) for w in widths)
        self.downs = nn.ModuleList(convolution(a, b, dims) for a, b in pairwise(widths))
        flat, features = math.prod(grids[-1]) * widths[-1], 2 * widths[-1]
        self.gather = init(nn.Linear(flat, features))
        self.logit = Projection(features, layout.condition)
        channels_last(self)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = self.blocks[0](self.start(fold(self.input(x), self.side)))
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            h = block(down(halve(act(h))))
        found: Tensor = act(self.gather(act(h).flatten(1)))
        return found.float()
