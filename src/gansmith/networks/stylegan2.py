"""The pair of StyleGAN2 for lines and planes, written from its paper (arXiv:1912.04958) in plain PyTorch.

A mapping network turns the latent into a style w, and w scales the input channels of every convolution that draws the sample. What is
drawn on every grid is summed up (the paper's skip generator); the discriminator is residual and sees the spread of neighbours in the
batch. Both players keep their weights equalised (devices.equalised), so they bear a rate of 0.002; the mapping learns at a hundredth of it.

`generator(z, c)` is `generator.synthesis(generator.mapping(z, c), z)`. Latent tools use the two apart: truncation moves w towards
`generator.mapping.mean`, and a sample is sought, or a length of a path measured, in w.

Noise. The paper adds fresh noise to every layer for detail that no style need carry. Here a sample is a function of its latent alone,
whatever is drawn beside it, so each layer makes its noise from the latent (`Noise`), by waves of fixed random frequencies whose phases
are fixed random lines of the latent. Unlike numbers hashed from the latent's bits it is smooth: a walk between two latents does not
flicker, the latent has a gradient, and an exported generator needs no source of random numbers.

Letters: B samples, Z numbers of a latent, S numbers of a style, K of a condition, C channels of the data, W channels of a stage,
L stages, M waves, P positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Layout
from gansmith.networks.devices import equalised, minibatch_spread
from gansmith.networks.grid import blur, convolution, cut, enlarge, everywhere, grids, shrink, smooth
from gansmith.networks.heads import GAIN, Discriminator, Input, Output, Projection, act, init, with_condition

DEPTH = 8  # layers of the mapping network
SLOWER = 0.01  # its rate, in that of the other layers (arXiv:1812.04948, appendix C)
FOLLOWED = 200  # batches after which the mean style forgets, as fast as it has learned until then
MOST = 512  # channels of the widest stage, unless the finest has more
WAVES = 64  # of a layer's noise
TURN = math.pi  # spread of a wave's phase over latents: their mean direction is then exp(-TURN² / 2), less than a hundredth
TINY = 1e-8


def widths(positions: tuple[int, ...], width: int) -> list[int]:
    """Channels of each stage, fine to coarse."""
    return [min(width * 2**i, max(width, MOST)) for i in range(len(grids(positions)))]


class Mapping(nn.Module):
    """Latent [B, Z] and condition [B, K] -> style w [B, S], S = Z. The latent is brought to the length of a typical one first.

    `mean` [S] is the mean style: of all styles made in train mode, and once FOLLOWED batches have been, of about the last so many.
    """

    mean: Tensor
    batches: Tensor

    def __init__(self, latent: int, condition: int) -> None:
        super().__init__()
        sizes = (latent + condition, *[latent] * DEPTH)
        self.layers = nn.ModuleList(init(nn.Linear(a, b)) for a, b in pairwise(sizes))
        equalised(self, SLOWER)
        self.register_buffer("mean", torch.zeros(latent))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):  # little arithmetic, and all that is drawn multiplies with it
            unit = latent.float() * (latent.float().square().mean(1, keepdim=True) + TINY).rsqrt()
            style = with_condition(unit, condition)
            for layer in self.layers:
                style = act(layer(style))
        if self.training:
            self.batches += 1
            self.mean.lerp_(style.detach().mean(0), 1.0 / self.batches.clamp(max=FOLLOWED))
        return style


class Noise(nn.Module):
    """A map of noise for each latent: about normal, of mean 0 and variance 1, each place and each latent about independent of others, where
    latents have a dozen numbers or more.

    latent [B, Z] -> [B, 1, *P]: the sum over M waves of sqrt(2 / M) cos(frequency · place + phase + line · latent), all three of them fixed
    random numbers, kept as buffers (random Fourier features).
    """

    frequency: Tensor
    phase: Tensor
    line: Tensor

    def __init__(self, latent: int, positions: tuple[int, ...]) -> None:
        super().__init__()
        self.positions = positions
        self.register_buffer("frequency", math.pi * (2 * torch.rand(len(positions), WAVES) - 1))
        self.register_buffer("phase", 2 * math.pi * torch.rand(WAVES))
        self.register_buffer("line", TURN * F.normalize(torch.randn(latent, WAVES), dim=0))

    def forward(self, latent: Tensor) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):  # 8 bits would move a wave's phase
            turned = (latent.float() @ self.line + self.phase).unsqueeze(1)  # [B, 1, M]
            *before, last = (
                torch.arange(n, device=latent.device).unsqueeze(1) * f for n, f in zip(self.positions, self.frequency, strict=True)
            )
            for angle in before:  # planes: the waves at the head of every row
                turned = turned + angle  # [B, H, M]
            # cos(a + b) = cos a cos b - sin a sin b, summed over the waves by a product of matrices
            waves = torch.cat((turned.cos(), -turned.sin()), 2) @ torch.cat((last.cos(), last.sin()), 1).T
        return (2 / WAVES) ** 0.5 * waves.reshape(len(latent), 1, *self.positions)


class Modulated(nn.Module):
    """A convolution of which every sample has its own weights: those of each input channel times a number that is a line of the style.

    h [B, a, *P], w [B, S] -> [B, b, *P], or with `up`, [B, b, *2P] through a transposed convolution and `smooth`. With `demodulate` the
    weights of each sample and output channel are divided by their length, as if to normalise the output. The scaling is done on the
    channels before and after one convolution with the weights that all samples share, which is the same.
    """

    def __init__(self, a: int, b: int, dims: int, style: int, kernel: int = 3, demodulate: bool = True, up: bool = False) -> None:
        super().__init__()
        self.demodulate, self.up = demodulate, up
        self.weight = nn.Parameter(torch.randn(b, a, *[kernel] * dims) / (a * kernel**dims) ** 0.5)
        self.style = init(nn.Linear(style, a), gain=1.0)
        nn.init.ones_(self.style.bias)
        equalised(self)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        weight, dims = self.weight, h.dim() - 2
        with torch.autocast(h.device.type, enabled=False):
            scale = self.style(w)  # [B, a]
            lengths = (scale.square() @ weight.square().flatten(2).sum(2).T + TINY).sqrt()  # [B, b]
        h = h * everywhere(scale, h)
        if self.up:
            transpose: Callable[..., Tensor] = F.conv_transpose1d if dims == 1 else F.conv_transpose2d
            h = 2**dims * smooth(F.pad(transpose(h, weight.transpose(0, 1), stride=2), [1, 1] * dims))
        else:
            convolve: Callable[..., Tensor] = F.conv1d if dims == 1 else F.conv2d
            h = convolve(h, weight, padding=weight.shape[2] // 2)
        return h / everywhere(lengths, h) if self.demodulate else h


class Layer(nn.Module):
    """A modulated convolution, noise, a bias, and the rectifier.  h [B, a, *P], w [B, S], latent [B, Z] or None -> [B, b, *positions]"""

    def __init__(self, a: int, b: int, positions: tuple[int, ...], style: int, up: bool = False) -> None:
        super().__init__()
        self.positions = positions
        self.convolution = Modulated(a, b, len(positions), style, up=up)
        self.noise = Noise(style, positions)
        self.strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(b))

    def forward(self, h: Tensor, w: Tensor, latent: Tensor | None) -> Tensor:
        h = cut(self.convolution(h, w), self.positions)
        if latent is not None:
            h = h + (self.strength * self.noise(latent)).to(h.dtype)
        return GAIN * act(h + everywhere(self.bias, h))


class Draw(nn.Module):
    """Features to raw samples of the same grid: a modulated 1x1 convolution, left as long as it is.  [B, W, *P], [B, S] -> [B, C, *P]"""

    def __init__(self, width: int, channels: int, dims: int, style: int) -> None:
        super().__init__()
        self.convolution = Modulated(width, channels, dims, style, kernel=1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        h = self.convolution(h, w).float()  # what all grids draw is summed, and should not be rounded each time
        return h + everywhere(self.bias, h)


class StyleGAN2Generator(nn.Module):
    """Latent [B, Z] and condition [B, K] -> x [B, C, *P], the latent mapped to a style and the style drawn."""

    def __init__(self, layout: Layout, latent: int, width: int) -> None:
        super().__init__()
        dims, coarse = len(layout.positions), widths(layout.positions, width)[::-1]
        self.grids = grids(layout.positions)[::-1]
        self.mapping = Mapping(latent, layout.condition)
        self.basis = nn.Parameter(torch.randn(coarse[0], *self.grids[0]))
        self.ups = nn.ModuleList(Layer(a, b, grid, latent, up=True) for (a, b), grid in zip(pairwise(coarse), self.grids[1:], strict=True))
        self.layers = nn.ModuleList(Layer(w, w, grid, latent) for w, grid in zip(coarse, self.grids, strict=True))
        self.draws = nn.ModuleList(Draw(w, layout.channels, dims, latent) for w in coarse)
        self.output = Output(layout)

    def synthesis(self, style: Tensor, latent: Tensor | None = None) -> Tensor:
        """Samples of styles [B, S], or of one style for each stage, coarse to fine, [B, L, S].  -> x [B, C, *P]

        `latent` [B, Z] is what the noise is made of; without it there is none.
        """
        styles = (style if style.dim() == 3 else style.unsqueeze(1).expand(-1, len(self.grids), -1)).unbind(1)
        h = self.basis.expand(len(style), *self.basis.shape)
        x: Tensor | None = None
        for i, grid in enumerate(self.grids):
            if i:
                h = self.ups[i - 1](h, styles[i], latent)
            h = self.layers[i](h, styles[i], latent)
            drawn = self.draws[i](h, styles[i])
            x = drawn if x is None else enlarge(x, 2, grid) + drawn
        found: Tensor = self.output(x)
        return found

    def forward(self, latent: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.synthesis(self.mapping(latent, condition), latent)


class Down(nn.Module):
    """A residual block that halves: (skip + branch) / sqrt 2.  [B, a, *P] -> [B, b, *ceil(P/2)]"""

    def __init__(self, a: int, b: int, dims: int) -> None:
        super().__init__()
        self.first, self.last = convolution(a, a, dims), convolution(a, b, dims, stride=2)
        self.skip = convolution(a, b, dims, kernel=1, gain=1.0, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        branch = act(self.last(blur(act(self.first(h)))))
        found: Tensor = (branch + self.skip(shrink(h))) / 2.0**0.5
        return found


class StyleGAN2Discriminator(Discriminator):
    """x [B, C, *P] and condition [B, K] -> logits [B], which depend on the spread of up to four neighbours in the batch, also in eval mode.

    Its weights are still to be equalised.
    """

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        dims, fine, coarsest = len(layout.positions), widths(layout.positions, width), grids(layout.positions)[-1]
        self.input = Input(layout)
        self.start = convolution(layout.channels, fine[0], dims, kernel=1)
        self.blocks = nn.ModuleList(Down(a, b, dims) for a, b in pairwise(fine))
        self.last = convolution(fine[-1] + 1, fine[-1], dims)
        self.gather = init(nn.Linear(fine[-1] * math.prod(coarsest), fine[-1]))
        self.logit = Projection(fine[-1], layout.condition)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        h = act(self.start(self.input(x)))
        for block in self.blocks:
            h = block(h)
        spread = minibatch_spread(h).to(h.dtype).reshape(-1, 1, *[1] * (h.dim() - 2)).expand(-1, -1, *h.shape[2:])
        h = act(self.last(torch.cat((h, spread), 1)))
        found: Tensor = act(self.gather(h.flatten(1)))
        return found.float()
