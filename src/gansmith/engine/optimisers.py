"""Optimisers of one flat tensor: Adam, and its optimistic form.

Adam is the same arithmetic as torch.optim.Adam, whose construction alone loads PyTorch's compiler and so adds 1.8 s to the start of every
process. Two players who each descend circle about the end of the game and drift outwards; a step corrected by the one before
(optimistic), or taken by the slope at the place it leads to (extra-gradient, two steps of Adam: `Player.look_ahead`), comes to it.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-8


@torch.no_grad()
def adam(momentum: Tensor, square: Tensor, gradient: Tensor, count: int, beta1: float, beta2: float) -> Tensor:
    """Bring momentum and square, all [P], up to date in place; gives the direction [P] that a step of rate 1 goes against.

    `count` is the number of this step, from 1.  arXiv:1412.6980, algorithm 1
    """
    momentum.lerp_(gradient, 1.0 - beta1)
    square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
    return _direction(momentum, square, count, beta1, beta2)


def _direction(momentum: Tensor, square: Tensor, count: int, beta1: float, beta2: float) -> Tensor:
    direction = _root(square, count, beta2)
    torch.div(momentum, direction, out=direction)
    return direction.div_(1.0 - beta1**count) if beta1 else direction


def scale(square: Tensor, gradient: Tensor, count: int, beta2: float) -> Tensor:
    """What step number `count` would multiply a gradient with, were Adam to remember its squares and not its past.  [P], [P] -> [P]

    This gradient's own square is in it, so that a weight that never had one takes no endless step at its first.
    """
    return 1.0 / _root(beta2 * square + (1.0 - beta2) * gradient.square(), count, beta2)


def _root(square: Tensor, count: int, beta2: float) -> Tensor:
    return square.sqrt().div_((1.0 - beta2**count) ** 0.5).add_(EPSILON)


class Adam:
    """What Adam remembers of one flat tensor of weights [P]."""

    def __init__(self, weights: Tensor) -> None:
        self.momentum, self.square, self.count = torch.zeros_like(weights), torch.zeros_like(weights), 0

    @torch.no_grad()
    def step(self, weights: Tensor, gradient: Tensor, rate: float, beta1: float, beta2: float) -> None:
        """One step against the gradient."""
        self.count += 1
        weights.add_(adam(self.momentum, self.square, gradient, self.count, beta1, beta2), alpha=-rate)

    @torch.no_grad()
    def direction(self, beta1: float, beta2: float) -> Tensor:
        """What the last step went against, for a rate of 1: [P]. Nothing before the first."""
        return _direction(self.momentum, self.square, max(self.count, 1), beta1, beta2)

    def state(self) -> dict[str, Tensor]:
        """Everything a later step depends on, as named tensors."""
        return {"momentum": self.momentum, "square": self.square, "count": torch.tensor(self.count)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.count = int(state["count"])
        for name, kept in self.state().items():
            if name != "count":
                kept.copy_(state[name])


class Optimistic(Adam):
    """Adam whose step is twice this direction less the last one.  arXiv:1711.00141, algorithm 1"""

    def __init__(self, weights: Tensor) -> None:
        super().__init__(weights)
        self.last = torch.zeros_like(weights)

    @torch.no_grad()
    def step(self, weights: Tensor, gradient: Tensor, rate: float, beta1: float, beta2: float) -> None:
        self.count += 1
        direction = adam(self.momentum, self.square, gradient, self.count, beta1, beta2)
        weights.add_(direction, alpha=-2.0 * rate).add_(self.last, alpha=rate)
        self.last.copy_(direction)

    def state(self) -> dict[str, Tensor]:
        return {**super().state(), "last": self.last}


# the extra-gradient is Adam, asked twice: `Player.look_ahead`
OPTIMISERS: dict[str, type[Adam]] = {"adam": Adam, "optimistic": Optimistic, "extra": Adam}
