"""First and last layers shared by the networks: how a condition enters, how a logit and a sample leave.

Letters: B samples, Z numbers of a latent, K numbers of a condition, E features, C channels, P positions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Block, Layout

SLOPE = 0.2  # of the leaky rectifier
GAIN = (2.0 / (1.0 + SLOPE**2)) ** 0.5  # keeps the variance through it


def act(x: Tensor) -> Tensor:
    return F.leaky_relu(x, SLOPE)


def init(layer: nn.Module, gain: float = GAIN) -> Any:
    """Give a linear or convolutional layer normal weights of variance gain² / fan-in and no bias; gives it back.  arXiv:1502.01852"""
    weight, bias = layer.weight, layer.bias
    assert isinstance(weight, Tensor)
    fan_in = weight[0].numel()
    with torch.no_grad():
        weight.normal_(0.0, gain / fan_in**0.5)
        if isinstance(bias, Tensor):
            bias.zero_()
    return layer


def with_condition(x: Tensor, condition: Tensor | None) -> Tensor:
    """Latents or samples [B, C, *P] and conditions [B, K] side by side, [B, C + K, *P], the condition the same everywhere.  arXiv:1411.1784

    The condition is scaled by the square root of C: a one-hot has length 1 and a normal latent the square root of its size, so that
    unscaled the network would hear the latent alone.
    """
    if condition is None:
        return x
    places = x.shape[2:]
    beside = (condition * x.shape[1] ** 0.5).reshape(*condition.shape, *[1] * len(places))
    return torch.cat((x, beside.expand(-1, -1, *places)), 1)


class Projection(nn.Module):
    """Features and condition to a logit: h·w + h·(V c), so that the class asks its own question.

    h [B, E], c [B, K] -> [B].  arXiv:1802.05637
    """

    def __init__(self, features: int, condition: int) -> None:
        super().__init__()
        self.features, self.condition = features, condition
        self.line = init(nn.Linear(features, 1), gain=1.0)
        self.table = nn.Parameter(torch.randn(condition, features) / features**0.5) if condition else None

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):  # autocast would round the logit to 8 bits: too few for a finite difference
            h = h.float()
            logit: Tensor = self.line(h).squeeze(1)  # [B]
            if self.table is not None and condition is not None:
                logit = logit + (h * (condition @ self.table)).sum(1)
            return logit


class Discriminator(nn.Module):
    """x [B, C, *P] and condition [B, K] -> logits [B], in two parts that losses may use apart: `features`, and their `head`.

    A subclass gives `features` and sets `logit`. Only one that asks for the condition instead of being shown it has a layer `classes`
    too, which gives K numbers for the features (condition.auxiliary).
    """

    logit: Projection

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The last hidden features, in float32.  x [B, C, *P], condition [B, K] -> [B, E]"""
        raise NotImplementedError

    def head(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        """The logits of features.  h [B, E], condition [B, K] -> [B]"""
        found: Tensor = self.logit(h, condition)
        return found

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.head(self.features(x, condition), condition)


SLACK = 0.25  # how far beyond [-1, 1] a number may be driven: black that is meant stays black when the next sample moves it a little


class _Inward(torch.autograd.Function):
    """Clamp to [-1, 1] whose gradient still passes up to SLACK outside, and beyond where a step against it would lead back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(-1.0, 1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,), (grad,) = ctx.saved_tensors, grads
        outward = ((x > 1.0 + SLACK) & (grad < 0.0)) | ((x < -1.0 - SLACK) & (grad > 0.0))
        return grad.masked_fill(outward, 0.0)


def bounded(x: Tensor) -> Tensor:
    """x clamped to [-1, 1]: black can be black, which tanh never gives.

    Beyond a slack, a gradient passes whole where a descent step leads back, and not at all where it leads further out. So a generator that
    a bad step drove far out comes back; one that ends in a tanh was seen to stay white for good, its gradient zero to the last bit.
    Without the slack, black would be held at the very edge, and a part of what is meant to be black a shade above it.
    """
    found: Tensor = _Inward.apply(x)  # type: ignore[no-untyped-call]
    return found


class _Blocks(nn.Module):
    """Each block of x [B, C, *P] by itself, in fp32."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.parts = list(zip(layout.slices().values(), layout.blocks, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        if len(self.parts) == 1:
            return self.part(x, self.parts[0][1])
        return torch.cat([self.part(x[:, where], block) for where, block in self.parts], 1)

    def part(self, x: Tensor, block: Block) -> Tensor:
        raise NotImplementedError


class Input(_Blocks):
    """Samples [B, C, *P] as deviations from the centre of each block, in its spread.

    A step of Adam has one length whatever the data, so a critic of pictures of low contrast would learn slowly and its generator
    overshoot. With this and `Output`, which undoes it, the rates mean the same for all data, as the penalty's weight does.
    """

    def part(self, x: Tensor, block: Block) -> Tensor:
        return x if (block.centre, block.spread) == (0.0, 1.0) else (x - block.centre) / block.spread


class Output(_Blocks):
    """Raw channels [B, C, *P], in the spread of each block, to its values: bounded clamped, real as it is, onehot a softmax."""

    def part(self, x: Tensor, block: Block) -> Tensor:
        if block.kind == "onehot":
            return x.softmax(1)
        x = x if (block.centre, block.spread) == (0.0, 1.0) else x * block.spread + block.centre
        return bounded(x) if block.kind == "bounded" else x
