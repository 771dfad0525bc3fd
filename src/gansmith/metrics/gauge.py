"""A cheap distance from the data, to be taken often while a generator learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.metrics.frechet import Moments, frechet

FINEST = 16  # places along an axis that are looked at; finer detail is averaged
DIRECTIONS = 64  # of greatest variance in the data; the rest is mostly noise, and biases a distance of few samples


class Gauge:
    """Fréchet distance of samples [N, C, *P] from real ones, in the main directions of these, as a share of their variance.

    0 is perfect; what repeats the mean of the data has 1, and what repeats one of their samples about 2. Missing variety counts as wrong
    samples do, since it is missing variance. It sees no more of meaning than plain values do: it chooses between moments of one run, and
    is no score.
    """

    def __init__(self, real: Tensor) -> None:
        flat = _coarse(real)
        self.centre = flat.mean(0)
        values, vectors = torch.linalg.eigh(Moments.of([flat]).covariance)
        self.directions = vectors[:, -DIRECTIONS:].float()  # [D, K]
        self.real = Moments.of([self._seen(real)])
        self.variance = max(float(values[-DIRECTIONS:].sum()), 1e-12)

    def _seen(self, x: Tensor) -> Tensor:
        return (_coarse(x) - self.centre) @ self.directions

    def __call__(self, x: Tensor) -> float:
        """[N, C, *P] of at least 2 samples -> distance."""
        return frechet(self.real, Moments.of([self._seen(x)])) / self.variance


def _coarse(x: Tensor) -> Tensor:
    """[N, C, *P] -> [N, D] with at most FINEST places along each axis, by averaging."""
    x = x.float()
    if x.dim() > 2:
        x = F.interpolate(x, [min(FINEST, n) for n in x.shape[2:]], mode="area")
    return x.flatten(1)
