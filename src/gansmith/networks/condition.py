"""How a condition enters a network, other than beside the latent (heads.with_condition) and at the logit (heads.Projection).

A condition is any vector [B, K]: one class as a one-hot, several labels at once, or measured numbers. Every way below is linear in it.

Letters: B samples, K numbers of a condition, E features, C channels of the data, W channels of a stage, P positions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn

from gansmith.layout import Block, Layout
from gansmith.networks.grid import batch_norm, everywhere
from gansmith.networks.heads import Discriminator, init, with_condition

Norm = Literal["batch", "instance", "layer"]


class ConditionalNorm(nn.Module):
    """Normalised channels with a gain and a bias that depend on the condition: (g + c G) · norm(h) + (b + c H).

    h [B, W, *P], c [B, K] -> [B, W, *P]. G and H start at zero, so that every class starts alike; a one-hot then gives each class gains and
    biases of its own.  arXiv:1610.07629, arXiv:1707.00683

    `norm` is "batch": over samples and positions, in eval mode with the running statistics; "instance": over the positions of each sample
    and channel, which leaves nothing of a grid of one place; "layer": over channels and positions of each sample.
    """

    def __init__(self, width: int, dims: int, condition: int, norm: Norm = "batch") -> None:
        super().__init__()
        if norm == "batch":
            self.norm = batch_norm(width, dims, affine=False)
        else:
            self.norm = nn.GroupNorm(width if norm == "instance" else 1, width, affine=False)
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.gains = nn.Parameter(torch.zeros(condition, width)) if condition else None
        self.biases = nn.Parameter(torch.zeros(condition, width)) if condition else None

    def forward(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        gain: Tensor = self.gain
        bias: Tensor = self.bias
        if self.gains is not None and self.biases is not None and condition is not None:
            gain, bias = gain + condition @ self.gains, bias + condition @ self.biases  # [B, W]
        return self.norm(h) * everywhere(gain, h) + everywhere(bias, h)


def joined(layout: Layout, flat: bool) -> Layout:
    """The layout of samples with their condition beside them as one more block. `flat`: as rows, whatever the positions."""
    size = layout.size // layout.channels if flat else 1
    blocks = tuple(replace(block, size=block.size * size) for block in layout.blocks)
    name = "+".join(("condition", *(block.name for block in blocks)))  # unlike all others
    return Layout((*blocks, Block(name, layout.condition, "real")), () if flat else layout.positions)


class Concatenated(Discriminator):
    """A discriminator that is shown the condition as a part of the sample: K constant channels, or K numbers more of a flattened sample.

    `network` is one made for the layout `joined(layout, flat)`.  arXiv:1411.1784
    """

    def __init__(self, network: Discriminator, flat: bool) -> None:
        super().__init__()
        self.network, self.flat = network, flat

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.network.features(with_condition(x.flatten(1) if self.flat else x, condition))

    def head(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.network.head(h)


class Classes(nn.Linear):
    """Features to a number for every class, in float32 also under autocast.  h [B, E] -> [B, K]"""

    def forward(self, h: Tensor) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):
            return super().forward(h.float())


def auxiliary(network: Discriminator, condition: int) -> Discriminator:
    """Let a discriminator that is not shown the condition say what it is: adds the layer `classes`; gives the network back.

    `network.classes(h)` [B, K] are logits of one class or of several labels, or predictions of numbers: the loss decides. arXiv:1610.09585
    """
    network.classes = init(Classes(network.logit.features, condition), gain=1.0)
    return network
