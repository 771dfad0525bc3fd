"""Zero-centred gradient penalties on samples of any shape, in an exact and a finite-difference form, and their automatic weight.

R1 is the penalty on real samples, R2 on fake ones; both are the same function of samples and logits.
"""

from __future__ import annotations

import torch
from torch import Tensor


def slope_exact(x: Tensor, logits: Tensor) -> Tensor:
    """Squared gradient norm of each logit with respect to its sample, by double backward.  x [B, ...], logits [B] -> [B].  arXiv:1801.04406

    `x` must require a gradient. Assumes a critic that treats samples apart; one that mixes a batch needs a penalty of its own.
    """
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return slope.float().flatten(1).square().sum(1)


def slope_finite(logits: Tensor, moved: Tensor, step: float) -> Tensor:
    """Squared slope along a random direction: ((D(x + step·n) - D(x)) / step)², n standard normal of the shape of x.  [B], [B] -> [B].

    Its mean over n is the squared gradient norm, up to terms of order step². Needs no double backward.  arXiv:2511.22475
    """
    return ((moved - logits) / step).square()


COST = 0.01  # of one unit of squared logit over one typical distance in the data; derived and measured in docs/penalty.md


def automatic_gamma(total_variance: float) -> float:
    """Weight of R1 and R2, from the variance of the encoded data summed over all their numbers: COST · total_variance.

    gamma · |grad D|² has no unit when gamma carries that of x²; E|x - E x|² is the only such scale that does not change when a
    picture is enlarged, a channel repeated, or the data rescaled together with the critic. The rule knows nothing of the batch,
    since a mean over samples does not.
    """
    return COST * total_variance
