"""How far the samples of a trial are from real ones that it never saw, in one number.

It has to see what is missing as well as what is wrong, to be cheap, and to mean the same in every trial. So it is the distance by which
a training looks at itself (metrics.gauge: the Fréchet distance as a share of the data's variance), taken in the features of the metrics
and together with the labels, whose agreement is then a part of it (arXiv:1912.07870). Of pictures with classes there are two views, their
pixels and what a classifier sees in them: settings that please one alone are not taken for good. Of tables it is how surely boosted trees
tell the rows from real ones.

0 is perfect, about 1 a single repeated sample, or rows that are told beyond doubt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gansmith import features
from gansmith.features import Extractor
from gansmith.metrics.boosted import two_sample_auc
from gansmith.metrics.gauge import gauge
from gansmith.metrics.neighbours import Manifold, overlap

NEIGHBOURS = 5
LEAST = 1e-3  # of a distance: below it, only chance differs
TOLD_APART = "rows told apart"


@dataclass(frozen=True)
class Measured:
    """What one generator's samples have."""

    score: float  # the geometric mean of the distances
    distances: Mapping[str, float]  # by each view
    density: float  # faithful: about 1 is perfect (arXiv:2002.09797)
    coverage: float  # diverse: share of the real samples that are met


class View:
    """Real samples [N, ...] and their labels [N] as an extractor sees them, and the distance of others from them."""

    def __init__(self, seer: Extractor, real: np.ndarray, labels: np.ndarray | None, classes: int) -> None:
        self.seer, self.classes = seer, classes
        seen = self.features(real)
        self.manifold = Manifold.of(seen, min(NEIGHBOURS, len(seen) - 1))
        self.weight = 0.0 if labels is None else _weight(seen, labels, classes)
        self.gauge = gauge(self._with_labels(seen, labels))

    def features(self, raw: np.ndarray) -> Tensor:
        """Native samples [N, ...] -> [N, D]"""
        return features.extract(self.seer, raw)

    def distance(self, seen: Tensor, labels: np.ndarray | None) -> float:
        """Of features [M, D] and labels [M]."""
        return self.gauge(self._with_labels(seen, labels))

    def overlap(self, seen: Tensor) -> tuple[float, float]:
        """(density, coverage) of as many features [N, D] as there are real ones."""
        found = overlap(self.manifold, Manifold.of(seen[: len(self.manifold.features)], self.manifold.k))
        return float(found.density.mean()), float(found.coverage.mean())

    def _with_labels(self, seen: Tensor, labels: np.ndarray | None) -> Tensor:
        if labels is None or not self.weight:
            return seen
        return torch.cat((seen, self.weight * _onehot(labels, self.classes)), 1)


@dataclass(frozen=True, eq=False)
class Ruler:
    """Measures samples by a fixed part of the real ones.

    views  the first also tells density and coverage
    rows   of tables: real rows [N, M] of the learned columns, which of them are numbers [M], and where they are in a whole row
    """

    views: Sequence[View]
    rows: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __call__(self, raw: np.ndarray, labels: np.ndarray | None) -> Measured:
        """Native samples [M, ...], at least as many as there are real ones, and their labels [M]."""
        first = self.views[0]
        seen = first.features(raw)
        density, coverage = first.overlap(seen)
        if self.rows is not None:
            real, numeric, places = self.rows
            auc = two_sample_auc(real, np.ascontiguousarray(raw[:, places]), numeric, seed=0).value
            distances = {TOLD_APART: 2 * auc - 1}
        else:
            several = [(view, seen if view is first else view.features(raw)) for view in self.views]
            distances = {view.seer.name: view.distance(x, labels) for view, x in several}
        return Measured(geometric(list(distances.values())), distances, density, coverage)


def geometric(distances: Sequence[float]) -> float:
    """The geometric mean of distances: a tenth less counts the same in each."""
    return math.exp(sum(math.log(max(d, LEAST)) for d in distances) / len(distances))


def _weight(seen: Tensor, labels: np.ndarray, classes: int) -> float:
    """What a one-hot label is multiplied by to vary as much as the features [N, D] do: 0 where there is one class alone."""
    varies = float(_onehot(labels, classes).var(0).sum())
    return (float(seen.var(0).sum()) / varies) ** 0.5 if varies > 0 else 0.0


def _onehot(labels: np.ndarray, classes: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(labels), classes).float()
