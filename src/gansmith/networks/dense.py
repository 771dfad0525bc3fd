"""Dense pairs: for rows, and for anything small enough that each number may look at every other."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Layout
from gansmith.networks.heads import Discriminator, Input, Output, Projection, act, init, with_condition


class DenseGenerator(nn.Module):
    """Latent [B, Z] and condition [B, K] -> x [B, C, *P] through rectified layers of the given widths.

    `slope` is that of the rectifier below 0. 0 was measured to give sharper modes than the 0.2 of the other networks
    (benchmarks/modes.py).
    """

    def __init__(self, layout: Layout, latent: int, widths: tuple[int, ...], slope: float = 0.0) -> None:
        super().__init__()
        sizes = (latent + layout.condition, *widths)
        self.layers = nn.ModuleList(init(nn.Linear(a, b)) for a, b in zip(sizes, widths, strict=False))
        self.finish = init(nn.Linear(sizes[-1], layout.size), gain=1.0)
        self.shape, self.slope = layout.shape, slope
        self.output = Output(layout)

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        h = with_condition(latent, condition)
        for layer in self.layers:
            h = F.leaky_relu(layer(h), self.slope)
        return self.output(self.finish(h).reshape(-1, *self.shape))


class DenseDiscriminator(Discriminator):
    """x [B, C, *P] and condition [B, K] -> logits [B], the mirror of the generator."""

    def __init__(self, layout: Layout, widths: tuple[int, ...]) -> None:
        super().__init__()
        sizes = (layout.size, *widths)
        self.input = Input(layout)
        self.layers = nn.ModuleList(init(nn.Linear(a, b)) for a, b in zip(sizes, widths, strict=False))
        self.logit = Projection(sizes[-1], layout.condition)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h: Tensor = self.input(x).flatten(1)
        for layer in self.layers:
            h = act(layer(h))
        return h.float()


CLASSIC_GENERATOR = (256, 512, 1024)  # the widths that beginners' listings use for 28 by 28 digits, with 100 latents
CLASSIC_DISCRIMINATOR = (512, 256)
