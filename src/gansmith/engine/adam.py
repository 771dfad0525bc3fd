"""Adam on one flat tensor.  arXiv:1412.6980

The same arithmetic as torch.optim.Adam, whose construction alone loads PyTorch's compiler and so adds 1.8 s to the start of every process.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-8


@torch.no_grad()
def adam(weights: Tensor, gradient: Tensor, momentum: Tensor, square: Tensor, count: int, rate: float, beta1: float, beta2: float) -> None:
    """Step number `count` (from 1): brings weights, momentum and square, all [P], up to date in place.  arXiv:1412.6980, algorithm 1"""
    momentum.lerp_(gradient, 1.0 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
    root = square.sqrt().div_((1.0 - beta2**count) ** 0.5).add_(EPSILON)
    weights.addcdiv_(momentum, root, value=-rate / (1.0 - beta1**count))


class Adam:
    """What Adam remembers of one flat tensor of weights [P]."""

    def __init__(self, weights: Tensor) -> None:
        self.momentum, self.square, self.count = torch.zeros_like(weights), torch.zeros_like(weights), 0

    def step(self, weights: Tensor, gradient: Tensor, rate: float, beta1: float, beta2: float) -> None:
        """One step against the gradient."""
        self.count += 1
        adam(weights, gradient, self.momentum, self.square, self.count, rate, beta1, beta2)

    def state(self) -> dict[str, Tensor]:
        """Everything a later step depends on, as named tensors."""
        return {"momentum": self.momentum, "square": self.square, "count": torch.tensor(self.count)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.momentum.copy_(state["momentum"])
        self.square.copy_(state["square"])
        self.count = int(state["count"])
