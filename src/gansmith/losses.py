"""The games two players can play, as pairs of functions on logits. No state, no mean: the caller reduces.

Logits are [B]; D(x) = sigmoid(logit). A pair gives each player's cost of every sample, lower is better: in nats where the game is
logistic, else in units of the logit or its square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.conditions import Kind

LogitCost = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LossPair:
    """What each player minimises, given the logits of real and of fake samples: ([B], [B]) -> [B] each.

    real, fake             the two terms of the discriminator's cost, logged apart; a game on differences has one, half of it in each
    generator              the generator's cost
    generator_needs_real   whether that depends on the logits of real samples at all
    apart                  whether a cost depends on its own two logits alone; else it depends on the whole batch, and several processes
                           each play with their part of it
    """

    real: LogitCost
    fake: LogitCost
    generator: LogitCost
    generator_needs_real: bool = False
    apart: bool = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's cost, the sum of its terms.  [B], [B] -> [B]"""
        return self.real(real, fake) + self.fake(real, fake)


def log_d(real: Tensor) -> Tensor:
    """log D(x), the real term of the minimax value.  [B] -> [B], in nats, at most 0.  arXiv:1406.2661"""
    return F.logsigmoid(real)


def log_one_minus_d(fake: Tensor) -> Tensor:
    """log(1 - D(G(z))), the fake term of the minimax value.  [B] -> [B], in nats, at most 0.  arXiv:1406.2661"""
    return F.logsigmoid(-fake)


def minimax_g(real: Tensor, fake: Tensor) -> Tensor:
    """Generator of the minimax game: log(1 - D(G(z))). Its gradient vanishes where D is sure.  [B], [B] -> [B].  arXiv:1406.2661"""
    return log_one_minus_d(fake)


def nonsaturating_g(real: Tensor, fake: Tensor) -> Tensor:
    """Generator of the non-saturating game: -log D(G(z)), as softplus, which keeps its slope at any logit.

    [B], [B] -> [B].  arXiv:1406.2661
    """
    return F.softplus(-fake)


def least_squares(logit: Tensor, target: float) -> Tensor:
    """Half the squared distance of a logit from its target.  [B] -> [B].  arXiv:1611.04076, equation 9 with a = 0, b = c = 1"""
    return 0.5 * (logit - target).square()


def hinge(logit: Tensor) -> Tensor:
    """max(0, 1 - logit): nothing is gained beyond a margin of 1.  [B] -> [B].  arXiv:1705.02894"""
    return F.relu(1.0 - logit)


def relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    """Discriminator of relativistic pairing: softplus(D(G(z)) - D(x)).  [B], [B] -> [B].  arXiv:1807.00734, 2501.05441"""
    return F.softplus(fake - real)


def relativistic_g(real: Tensor, fake: Tensor) -> Tensor:
    """Generator of relativistic pairing: softplus(D(x) - D(G(z))).  [B], [B] -> [B].  arXiv:1807.00734, 2501.05441"""
    return F.softplus(real - fake)


def _half_relativistic_d(real: Tensor, fake: Tensor) -> Tensor:
    return 0.5 * relativistic_d(real, fake)


def above_mean(logit: Tensor, others: Tensor) -> Tensor:
    """-log of the probability that a sample is more real than the mean of the others.  [B], [B] -> [B].  arXiv:1807.00734, section 4"""
    return F.softplus(others.mean() - logit)


def below_mean(logit: Tensor, others: Tensor) -> Tensor:
    """-log of the probability that a sample is less real than the mean of the others.  [B], [B] -> [B].  arXiv:1807.00734, section 4"""
    return F.softplus(logit - others.mean())


def contrast_real(real: Tensor, fake: Tensor) -> Tensor:
    """-log of the share of a real sample's exponential among it and all fake ones.  [B], [B] -> [B].  arXiv:2103.16364, equation 1"""
    return F.softplus(torch.logsumexp(fake, 0) - real)


def contrast_fake(real: Tensor, fake: Tensor) -> Tensor:
    """-log of the share of a fake sample's exponential among it and all real ones, signs turned.  [B], [B] -> [B].  arXiv:2103.16364,
    equation 2"""
    return F.softplus(fake + torch.logsumexp(-real, 0))


LOSSES: dict[str, LossPair] = {
    # arXiv:1807.00734, the default
    "relativistic": LossPair(_half_relativistic_d, _half_relativistic_d, relativistic_g, generator_needs_real=True),
    # arXiv:1406.2661: one discriminator, two generators
    "nonsaturating": LossPair(lambda r, f: -log_d(r), lambda r, f: -log_one_minus_d(f), nonsaturating_g),
    "minimax": LossPair(lambda r, f: -log_d(r), lambda r, f: -log_one_minus_d(f), minimax_g),
    # arXiv:1611.04076
    "least-squares": LossPair(lambda r, f: least_squares(r, 1.0), lambda r, f: least_squares(f, 0.0), lambda r, f: least_squares(f, 1.0)),
    # arXiv:1701.07875; means nothing without a penalty or clipping that bounds the critic's slope
    "wasserstein": LossPair(lambda r, f: -r, lambda r, f: f, lambda r, f: -f),
    # arXiv:1705.02894
    "hinge": LossPair(lambda r, f: hinge(r), lambda r, f: hinge(-f), lambda r, f: -f),
    # arXiv:1807.00734
    "relativistic-average": LossPair(
        above_mean,
        lambda r, f: below_mean(f, r),
        lambda r, f: below_mean(r, f) + above_mean(f, r),
        generator_needs_real=True,
        apart=False,
    ),
    # arXiv:2103.16364, a zero-sum game
    "dual-contrastive": LossPair(
        contrast_real,
        contrast_fake,
        lambda r, f: -contrast_real(r, f) - contrast_fake(r, f),
        generator_needs_real=True,
        apart=False,
    ),
}


def centring(real: Tensor, fake: Tensor) -> Tensor:
    """Square of the mean logit of each pair.  [B], [B] -> [B].  A small weight of it holds the free constant of a relativistic
    critic near 0, so that low precision keeps its digits for the difference. Per pair, so a batch can be divided over processes."""
    return (0.5 * (real + fake)).square()


def class_cost(guess: Tensor, condition: Tensor, parts: Sequence[tuple[slice, Kind]] = ()) -> Tensor:
    """Cost of an auxiliary classifier: cross-entropy of its K numbers with the classes of each sample, in nats.

    guess [B, K] logits, condition [B, K] one-hot or shares that sum to 1 -> [B].  arXiv:1610.09585

    `parts`: where each column of a condition of several lies and what it is. The cost is then the sum of theirs: the cross-entropy of a
    choice, the binary one of yes or no, half the squared error of a number, each -log of a likelihood but for a constant.
    """
    if parts:
        return torch.stack([_COSTS[kind](guess[:, place], condition[:, place]) for place, kind in parts]).sum(0)
    return -(condition * F.log_softmax(guess, 1)).sum(1)


_COSTS: dict[Kind, LogitCost] = {
    "choice": class_cost,
    "yes/no": lambda guess, asked: F.binary_cross_entropy_with_logits(guess, asked, reduction="none").sum(1),
    "number": lambda guess, asked: 0.5 * (guess - asked).square().sum(1),
}


def feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of the mean features of real and fake samples, over their number.  [B, E], [B, E] -> scalar.  arXiv:1606.03498"""
    return (real.mean(0) - fake.mean(0)).square().mean()
