"""What keeps a game stable beside its loss: penalties on the slope of the critic, on its logits, on the weights. Tensors in, tensors out.

A gradient penalty is where the slope is taken and what it costs there. Of the zero-centred ones R1 is that on real samples, R2 on fake
ones; they have a cheap form by finite differences, and an automatic weight. None is averaged here but over the numbers of a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

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


SMOOTH = 1e-12  # keeps the slope of a norm finite where the norm is 0


def zero_centred(slope: Tensor) -> Tensor:
    """Half the squared gradient norm.  slope [B], squared -> [B].  arXiv:1801.04406, equation 9"""
    return 0.5 * slope


def one_centred(slope: Tensor) -> Tensor:
    """(|grad D| - 1)², the squared distance of each sample's own gradient norm from 1.  slope [B], squared -> [B].  arXiv:1704.00028"""
    return ((slope + SMOOTH).sqrt() - 1.0).square()


def one_sided(slope: Tensor) -> Tensor:
    """max(0, |grad D| - 1)²: a critic may be flatter than 1.  slope [B], squared -> [B].  arXiv:1709.08894"""
    return ((slope + SMOOTH).sqrt() - 1.0).clamp(min=0.0).square()


def between(real: Tensor, fake: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """A point on the line from each real sample to a fake one.

    real [B, ...], fake [B, ...], uniform [B], normal unused -> [B, ...].  arXiv:1704.00028
    """
    return torch.lerp(real, fake, uniform.reshape(-1, *[1] * (real.dim() - 1)))


def around(real: Tensor, fake: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """A point near each real sample: half the deviation of all numbers of the batch away, in a normal direction.

    real [B, ...], fake unused, uniform unused, normal [B, ...] -> [B, ...].  arXiv:1705.07215
    """
    return real + 0.5 * real.std(correction=0) * normal


@dataclass(frozen=True)
class GradientPenalty:
    """Where the slope of the critic is taken, and what a squared gradient norm [B] costs there, [B].

    At the real samples, at the fake ones, or at points made of both, as `between` and `around` make them.
    `cheap` tells whether the mean of a squared slope along random directions will do, which is so where the cost is linear in it.
    """

    cost: Callable[[Tensor], Tensor]
    real: bool = False
    fake: bool = False
    points: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None
    cheap: bool = False


PENALTIES: dict[str, GradientPenalty] = {
    "r1+r2": GradientPenalty(zero_centred, real=True, fake=True, cheap=True),  # arXiv:1801.04406, 2501.05441
    "r1": GradientPenalty(zero_centred, real=True, cheap=True),
    "r2": GradientPenalty(zero_centred, fake=True, cheap=True),
    "wgan-gp": GradientPenalty(one_centred, points=between),  # arXiv:1704.00028
    "lp": GradientPenalty(one_sided, points=between),  # arXiv:1709.08894
    "dragan": GradientPenalty(one_centred, points=around),  # arXiv:1705.07215
}


def lecam(real: Tensor, fake: Tensor, anchor_real: Tensor, anchor_fake: Tensor) -> Tensor:
    """Squared distance of real logits from the average fake logit of the past, and of fake ones from the average real one.

    real [B], fake [B], two numbers -> [B].  It keeps the two apart by no more than needed; for few samples.  arXiv:2104.03310, equation 4
    """
    return (real - anchor_fake).square() + (fake - anchor_real).square()


def inconsistency(logits: Tensor, of_view: Tensor) -> Tensor:
    """Squared change of a logit under a change of the sample that should not matter.  [B], [B] -> [B].  arXiv:1910.12027, 2002.04724"""
    return (logits - of_view).square()


def path_lengths(x: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
    """Length of the generator's slope along a random direction y of sample space: |J^T y|, y being noise over the root of x's positions.

    x [B, C, *P] made of latent [B, Z], which must require a gradient; noise [B, C, *P] normal -> [B].  arXiv:1912.04958, section 3.2
    """
    places = x[0, 0].numel()
    (slope,) = torch.autograd.grad((x * noise).sum() / places**0.5, latent, create_graph=True)
    return (slope.float().square().sum(1) + SMOOTH).sqrt()


def correlation(weights: Iterable[Tensor]) -> Tensor:
    """Sum over all pairs of a layer's rows of their squared product: |W W^T - diag(W W^T)|², over the matrices among the weights.

    A scalar; tensors of one axis count nothing, those of more are flattened behind the first.  arXiv:1809.11096, equation 3
    """
    products = [w.flatten(1) @ w.flatten(1).T for w in weights if w.dim() > 1]
    return torch.stack([(p - p.diag().diag()).square().sum() for p in products]).sum() if products else torch.zeros(())


COST = 0.01  # of one unit of squared logit over one typical distance in the data; derived and measured in docs/penalty.md


def automatic_gamma(total_variance: float) -> float:
    """Weight of R1 and R2, from the variance of the encoded data summed over all their numbers: COST · total_variance.

    gamma · |grad D|² has no unit when gamma carries that of x²; E|x - E x|² is the only such scale that does not change when a
    picture is enlarged, a channel repeated, or the data rescaled together with the critic. The rule knows nothing of the batch,
    since a mean over samples does not.
    """
    return COST * total_variance
