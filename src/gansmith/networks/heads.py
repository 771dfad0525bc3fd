"""First and last layers shared by the networks: how a condition enters, how a logit and a sample leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.layout import Layout

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


def with_condition(latent: Tensor, condition: Tensor | None) -> Tensor:
    """Latent [B, Z] and condition [B, K] side by side, the condition scaled to the length of a latent.  arXiv:1411.1784

    A one-hot has length 1 and a normal latent the square root of Z: unscaled, the network would hear the latent alone.
    """
    if condition is None:
        return latent
    return torch.cat((latent, condition * latent.shape[1] ** 0.5), 1)


class Projection(nn.Module):
    """Features and condition to a logit: h·w + h·(V c), so that the class asks its own question.

    h [B, E], c [B, K] -> [B].  arXiv:1802.05637
    """

    def __init__(self, features: int, condition: int) -> None:
        super().__init__()
        self.line = init(nn.Linear(features, 1), gain=1.0)
        self.table = nn.Parameter(torch.randn(condition, features) / features**0.5) if condition else None

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):  # autocast would round the logit to 8 bits: too few for a finite difference
            h = h.float()
            logit: Tensor = self.line(h).squeeze(1)  # [B]
            if self.table is not None and condition is not None:
                logit = logit + (h * (condition @ self.table)).sum(1)
            return logit


class _Inward(torch.autograd.Function):
    """Clamp to [-1, 1] whose gradient still passes where a step against it would lead back inside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(-1.0, 1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,), (grad,) = ctx.saved_tensors, grads
        outward = ((x > 1.0) & (grad < 0.0)) | ((x < -1.0) & (grad > 0.0))
        return grad.masked_fill(outward, 0.0)


def bounded(x: Tensor) -> Tensor:
    """x clamped to [-1, 1]: black can be black, which tanh never gives.

    Outside, a gradient passes whole where a descent step leads back inside, and not at all where it leads further out. So a generator that
    a bad step drove far out comes back; one that ends in a tanh was seen to stay white for good, its gradient zero to the last bit.
    """
    found: Tensor = _Inward.apply(x)  # type: ignore[no-untyped-call]
    return found


class Output(nn.Module):
    """Brings raw channels [B, C, *P] into the range of each block: bounded clamped, real as it is, onehot a softmax."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.parts = [(layout.slices()[b.name], b.kind) for b in layout.blocks]

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        if len(self.parts) == 1:
            return _SHAPES[self.parts[0][1]](x)
        return torch.cat([_SHAPES[kind](x[:, where]) for where, kind in self.parts], 1)


_SHAPES: dict[str, Callable[[Tensor], Tensor]] = {"bounded": bounded, "real": lambda x: x, "onehot": lambda x: x.softmax(1)}
