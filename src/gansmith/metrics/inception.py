"""Inception score: samples that a classifier is sure of, of all its classes alike."""

from __future__ import annotations

import torch
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.checks import check
from gansmith.randomness import stream

ROUNDING = 1e-3  # by which the probabilities of a sample may miss 1: those of a classifier in 16 bits do


def inception_scores(probabilities: Tensor, seed: int, splits: int = 10) -> Tensor:
    """exp of the mean KL divergence of p(y|x) from p(y), in each of `splits` random parts: [splits], 1 to K.  arXiv:1606.03498

    probabilities [N, K] of the classes y for each sample x. `spread.student` gives their mean, which is the score, and its interval. It
    sees no real samples and rewards one perfect picture of each class as much as variety; the score of real samples is its ceiling.
    Small parts score lower, so compare at equal counts. DataError for fewer than 2 samples a part, or numbers that are no probabilities.
    """
    if splits < 1:
        raise ConfigError(f"found {splits} splits; an inception score needs at least 1 (10 is usual).")
    check(f"an inception score of {splits} splits", 2 * splits, given=probabilities)
    p = probabilities.double()
    if (p < 0).any() or ((p.sum(1) - 1).abs() > ROUNDING).any():
        raise DataError("the class probabilities of a sample are negative or do not sum to 1. Pass them through a softmax first.")
    parts = p[torch.randperm(len(p), generator=stream(seed, "inception score"))].tensor_split(splits)
    return torch.stack([_divergence(part).exp() for part in parts])


def _divergence(p: Tensor) -> Tensor:
    """Mean KL divergence of the rows of p [n, K] from their mean, in nats: entropy of the mean less mean of the entropies."""
    return torch.special.entr(p.mean(0)).sum() - torch.special.entr(p).sum(1).mean()
