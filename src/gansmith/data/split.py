"""The held-out part, chosen before training by content.

Equal pictures are copies, and a copy on each side would make a judgement worthless, so they fall on the same side. Rows of a table are
equal by chance: kept together, a row that is held out would be missing among the training rows, with its answer, so that a model learns
the opposite there. So each of these is divided for itself.
"""

from __future__ import annotations

import numpy as np

from gansmith.randomness import seed_of

_ODD, _NEXT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)

TOGETHER = "by content hash, so equal samples fall on the same side"
EACH = "by content hash, each of equal rows for itself"


def usual(repeats: bool) -> str:
    """The rule for samples that may be equal by chance (`Collection.repeats`), or for others."""
    return EACH if repeats else TOGETHER


def keys(digests: np.ndarray, rule: str) -> np.ndarray:
    """What the split is made by, uint64 [N]: the digests themselves; by the rule EACH those of equal samples told apart by their number.

    The first of equal ones keeps its digest, so that the rules differ in repeated samples alone.
    """
    if rule != EACH:
        return digests
    order = np.argsort(digests, kind="stable")
    _, first, place = np.unique(digests[order], return_index=True, return_inverse=True)
    number = np.empty(len(digests), np.uint64)
    number[order] = np.arange(len(digests)) - first[place]
    return digests.astype(np.uint64) + number * _NEXT


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
