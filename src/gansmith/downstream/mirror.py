"""Whether pictures keep their class when they are mirrored left to right, asked of the training part alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from torch import Tensor

from gansmith.downstream.models import Budget, Labelled, Network, TrainingSet, network
from gansmith.layout import Layout
from gansmith.randomness import seed_of

FOLDS = 3


def keeps_its_class(real: Labelled, encode: Callable[[Tensor], Tensor], layout: Layout, budget: Budget, seed: int, device: str) -> bool:
    """Whether a network that never saw a mirrored picture recognises mirrored ones no worse than others, by one standard error.

    Cross-validated over folds of these pictures, each fold with its share of the budget's steps. A digit fails this, a face does
    not; and where all objects look one way, mirroring would not help and is left out too. False for rows and lines, and for fewer
    pictures than folds.
    """
    if layout.geometry != "plane" or len(real) < FOLDS:
        return False
    chosen = np.random.default_rng(seed_of(seed, "mirror")).permutation(len(real))
    learner = Network(lambda: network(layout), replace(budget, steps=max(1, budget.steps // FOLDS)), device, "")
    nothing = Labelled(real.raw[:0], real.labels[:0])
    change = []
    for fold in np.array_split(chosen, FOLDS):
        module = learner.fit(TrainingSet(real, nothing, np.setdiff1d(chosen, fold), encode), seed)
        test, labels = real.raw[fold], real.labels[fold]
        plain = learner.predict(module, test, encode).classes == labels
        mirrored = learner.predict(module, test, lambda raw: encode(raw).flip(-1)).classes == labels
        change.append(mirrored.astype(float) - plain)
    found = np.concatenate(change)
    return bool(found.mean() >= -found.std() / len(found) ** 0.5)
