"""The held-out part, chosen before training by content: equal samples always fall on the same side."""

from __future__ import annotations

import numpy as np

from gansmith.randomness import seed_of

_ODD = np.uint64(0x9E3779B97F4A7C15)


def held_out(digests: np.ndarray, share: float, seed: int, labels: np.ndarray | None = None) -> np.ndarray:
    """Mask [N], true for samples kept out of training: those whose digest, mixed with the seed, falls below `share` of the range.

    A class of which nothing would be left to train on stays in training, and so does a set of which fewer than two samples would.
    """
    mixed = (digests.astype(np.uint64) ^ np.uint64(seed_of(seed, "split"))) * _ODD
    mixed ^= mixed >> np.uint64(29)
    mixed = mixed * _ODD
    mask = (mixed >> np.uint64(11)).astype(np.float64) < share * 2.0**53
    for label in () if labels is None else np.unique(labels):
        if mask[labels == label].all():
            mask[np.isin(digests, digests[labels == label])] = False  # with its equals of other classes, which would straddle else
    return mask if (~mask).sum() >= 2 else np.zeros_like(mask)
