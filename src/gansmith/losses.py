"""The games two players can play, as pairs of functions on logits. No state, no mean: the caller reduces.

Logits are [B]; D(x) = sigmoid(logit). A pair gives each player's cost of every sample, in nats, lower is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

LogitCost = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LossPair:
    """What each player minimises, given the logits of real and of fake samples: ([B], [B]) -> [B].

    `generator_needs_real` tells whether the generator's cost depends on the logits of real samples at all.
    """

    discriminator: LogitCost
    generator: LogitCost
    generator_needs_real: bool = False


def log_d(real: Tensor) -> Tensor:
    """log D(x), the real term of the minimax value.  [B] -> [B], in nats, at most 0.  arXiv:1406.2661"""
    return F.logsigmoid(real)


def log_one_minus_d(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))), the fake term of the minimax value.  [B] -> [B], in nats, at most 0.  arXiv:1406.2661"""
    return F.logsigmoid(-fake)


def minimax_d(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator of the minimax game: -log D(x) - log(1 - D(G(z))).  [B], [B] -> [B].  arXiv:1406.2661, equation 1"""
    return -log_d(real) - log_one_minus_d(fake)


def minimax_g(real: Tensor, fake: Tensor) -> Tensor:
    """Generator of the minimax game: log(1 - D(G(z))). Its gradient vanishes where D is sure.  [B], [B] -> [B].  arXiv:1406.2661"""
    return log_one_minus_d(fake)


def nonsaturating_g(real: Tensor, fake: Tensor) -> Tensor:
    """Generator of the non-saturating game: -log D(G(z)), as softplus, which keeps its slope at any logit.

    [B], [B] -> [B].  arXiv:1406.2661
    """
    return F.softplus(-fake)


def relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator of relativistic pairing: softplus(D(G(z)) - D(x)).  [B], [B] -> [B].  arXiv:1807.00734, 2501.05441"""
    return F.softplus(fake - real)


def relativistic_g(real: Tensor, fake: Tensor) -> Tensor:
    """Generator of relativistic pairing: softplus(D(x) - D(G(z))).  [B], [B] -> [B].  arXiv:1807.00734, 2501.05441"""
    return F.softplus(real - fake)


LOSSES: dict[str, LossPair] = {
    "relativistic": LossPair(relativistic_d, relativistic_g, generator_needs_real=True),
    "nonsaturating": LossPair(minimax_d, nonsaturating_g),
    "minimax": LossPair(minimax_d, minimax_g),
}


def centring(real: Tensor, fake: Tensor) -> Tensor:
    """Square of the mean logit of each pair.  [B], [B] -> [B].  A small weight of it holds the free constant of a relativistic
    critic near 0, so that low precision keeps its digits for the difference. Per pair, so a batch can be divided over processes."""
    return (0.5 * (real + fake)).square()
