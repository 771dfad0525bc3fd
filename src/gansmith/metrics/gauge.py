"""A cheap distance from the data, to be taken often while a generator learns."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.metrics.frechet import Moments, frechet
from gansmith.metrics.neighbours import Neighbours, nearest, nearest_others

FINEST = 16  # places along an axis that are looked at; finer detail is averaged
DIRECTIONS = 64  # of greatest variance in the data; the rest is mostly noise, and biases a distance of few samples
FEW = 16  # numbers in a sample, for which its neighbours tell more than the moments of all
CHANCE = 0.05  # what another draw of a thousand real samples has by chance: 0.02 for either mean of logarithms, and a little more


class Gauge:
    """Fréchet distance of samples [N, C, *P] from real ones, in the main directions of these, as a share of their variance.

    0 is perfect; what repeats the mean of the data has 1, and what repeats one of their samples about 2. Missing variety counts as wrong
    samples do, since it is missing variance. It sees no more of meaning than plain values do: it chooses between moments of one run, and
    is no score.
    """

    def __init__(self, real: Tensor) -> None:
        flat = coarse(real)
        self.centre = flat.mean(0)
        values, vectors = torch.linalg.eigh(Moments.of([flat]).covariance)
        self.directions = vectors[:, -DIRECTIONS:].float()  # [D, K]
        self.real = Moments.of([self._seen(real)])
        self.variance = max(float(values[-DIRECTIONS:].sum()), 1e-12)

    def _seen(self, x: Tensor) -> Tensor:
        return (coarse(x) - self.centre) @ self.directions

    def __call__(self, x: Tensor) -> float:
        """[N, C, *P] of at least 2 samples -> distance."""
        return frechet(self.real, Moments.of([self._seen(x)])) / self.variance


class Neighbourhood:
    """How much farther from real samples [N, D] generated ones lie than real ones from each other, and how much farther real ones from
    the generated, in logarithms of distances to the nearest.

    At least CHANCE, which is as good as perfect; log 2 for samples all twice as far off. Samples that miss a cluster raise the second part,
    blurred ones the first, however small the clusters are beside their distances: the moments of all samples see neither.
    """

    def __init__(self, real: Tensor) -> None:
        self.real = real
        self.least = max(float(real.double().std()), 1e-12) * 1e-6  # equal samples are so far apart
        self.own = self._mean_log(nearest_others(real))

    def _mean_log(self, found: Neighbours) -> float:
        return float(found.distance.clamp(min=self.least).log().mean())

    def __call__(self, x: Tensor) -> float:
        """[N, D] -> distance."""
        off, missed = (self._mean_log(found) - self.own for found in (nearest(x, self.real), nearest(self.real, x)))
        return max(off, 0.0) + max(missed, CHANCE)


def gauge(real: Tensor) -> Callable[[Tensor], float]:
    """The gauge that suits real samples [N, C, *P]."""
    return Neighbourhood(real) if real.dim() == 2 and real.shape[1] <= FEW and len(real) > 1 else Gauge(real)


def coarse(x: Tensor) -> Tensor:
    """Samples [N, C, *P] as plain numbers [N, D], with at most FINEST places along each axis, by averaging."""
    x = x.float()
    if x.dim() > 2:
        x = F.interpolate(x, [min(FINEST, n) for n in x.shape[2:]], mode="area")
    return x.flatten(1)
