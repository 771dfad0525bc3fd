"""Classifier two-sample test: how well can a classifier, that has seen others of both, tell a fake sample from a real one?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from gansmith.errors import ConfigError
from gansmith.metrics.checks import check
from gansmith.metrics.neighbours import nearest_others
from gansmith.metrics.spread import normal
from gansmith.randomness import stream
from gansmith.records import Estimate

LEAST = 4  # samples of each side in a fold
PENALTY = 0.01  # inverse strength of the classifier's, on standardised columns; the folds of a few hundred samples need one
TWICE = 2  # the variance of independent folds
STEPS = 200  # of the classifier's solver; one that stops there tells nearly as well


@dataclass(frozen=True)
class TwoSample:
    """How well fake samples are told from real ones, out of samples not seen in learning: 0.5 is not at all, 1 always."""

    accuracy: Estimate  # share of samples given to their side
    auc: Estimate  # share of pairs of a fake and a real sample in which the fake one is taken to be the likelier fake


def two_sample(real: Tensor, fake: Tensor, seed: int, folds: int = 5) -> TwoSample:
    """Cross-validated accuracy and AUC of telling fake [M, D] from real [N, D], with normal intervals.  arXiv:1610.06545

    The classifier is a logistic regression on the standardised features, their squares, and the share of fake samples among the nearest
    neighbours that it has learned from. The features alone see a shift of the mean and nothing else: 600 samples a side, 64 columns and
    variances 15 % too large give them an AUC of 0.50, with the squares 0.83; dependent columns of right variances, 0.50, with
    the neighbours 0.75. Both sides are thinned to the smaller one, so that 0.5 is chance. The AUC is the mean over folds. Variances are
    twice those of independent folds, DeLong's for the AUC: where there is nothing to be told, any two samples judge one another twice, each
    from the fold of the other, to the same effect. Where there is much to be told that is more than enough.
    DataError for fewer than 4 samples a fold on a side.
    """
    if folds < 2:
        raise ConfigError(f"found {folds} folds; a two-sample test needs at least 2 (5 is usual).")
    check(f"a two-sample test of {folds} folds", LEAST * folds, real=real, fake=fake)
    count = min(len(real), len(fake))
    generator = stream(seed, "two-sample test")
    x = torch.cat([side[torch.randperm(len(side), generator=generator)[:count]] for side in (real, fake)])
    is_fake = torch.arange(2 * count) >= count
    fold = torch.arange(count).repeat(2) % folds  # as many of both in each
    columns, neighbours = _columns(x), nearest_others(_standardised(x), round((2 * count) ** 0.5)).index
    scores = torch.cat([_scores(columns, neighbours, is_fake, fold == out) for out in range(folds)])
    order = torch.cat([torch.nonzero(fold == out)[:, 0] for out in range(folds)])
    score = torch.empty_like(scores).index_copy_(0, order, scores)
    right = ((score > 0) == is_fake).double()
    parts = [auc_of(score[is_fake & (fold == out)], score[~is_fake & (fold == out)]) for out in range(folds)]
    auc, variance = (sum(column) for column in zip(*parts, strict=True))
    return TwoSample(
        share_of(float(right.mean()), (TWICE * float(right.var()) / len(right)) ** 0.5),
        share_of(auc / folds, (TWICE * variance) ** 0.5 / folds),
    )


def _standardised(x: Tensor) -> Tensor:
    deviation = x.std(0)
    return (x - x.mean(0)) / torch.where(deviation > 0, deviation, 1)


def _columns(x: Tensor) -> Tensor:
    """Features and their squares, both standardised.  [N, D] -> [N, 2 D]"""
    x = _standardised(x)
    return torch.cat((x, _standardised(x.square())), 1)


def _scores(columns: Tensor, neighbours: Tensor, is_fake: Tensor, out: Tensor) -> Tensor:
    """Log odds of being fake for the samples in the mask `out`, by a classifier that learned from all others."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = (~out)[neighbours].float()  # neighbours that may be looked at
    share = (known * is_fake[neighbours]).sum(1) / known.sum(1).clamp(min=1)
    x = torch.cat((columns, _standardised(share.unsqueeze(1))), 1)
    judge = LogisticRegression(C=PENALTY, max_iter=STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        judge.fit(x[~out].numpy(), is_fake[~out].numpy())
    return torch.from_numpy(judge.decision_function(x[out].numpy())).double()


def auc_of(fake: Tensor, real: Tensor) -> tuple[float, float]:
    """Share of pairs in which the fake score is the higher, ties half, and its variance (DeLong 1988)."""
    by_fake, by_real = _below(fake, real), 1 - _below(real, fake)
    return float(by_fake.mean()), float(by_fake.var() / len(fake) + by_real.var() / len(real))


def _below(x: Tensor, others: Tensor) -> Tensor:
    """For each of x the share of the others below it, ties half."""
    others = others.sort().values
    return (torch.searchsorted(others, x) + torch.searchsorted(others, x, right=True)) / (2 * len(others))


def share_of(value: float, error: float) -> Estimate:
    found = normal(value, error)
    return Estimate(value, max(0.0, found.low), min(1.0, found.high))
