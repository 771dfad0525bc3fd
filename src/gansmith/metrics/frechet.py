"""Fréchet distance: the squared Wasserstein distance of two Gaussians with the mean and covariance of two sets of features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from gansmith.errors import DataError
from gansmith.metrics.checks import check
from gansmith.metrics.spread import extrapolated, groups, left_out
from gansmith.records import Estimate

ROWS = 4096  # taken to 64 bits at a time


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean [D] and unbiased covariance [D, D] of features, in float64: all that the distance needs of them."""

    count: int
    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, batches: Iterable[Tensor]) -> Moments:
        """Of batches [B, D] read once, in a stream; memory is that of a few matrices [D, D].

        The covariance of a single sample is 0. DataError for no sample, batches of unlike width, or features that are not finite.
        """
        count, shift = 0, None
        for batch in batches:
            check("a Fréchet distance", 0, sample=batch)
            for rows in batch.split(ROWS) if len(batch) else ():
                x = rows.double()
                if shift is None:  # near the mean, so that no digits are lost between the squares and the square of the sum
                    shift = x.mean(0)
                    total, products = torch.zeros_like(shift), shift.new_zeros(len(shift), len(shift))
                if x.shape[1] != len(shift):
                    raise DataError(f"found features of width {x.shape[1]} after width {len(shift)}; all must come from one extractor.")
                x = x - shift
                total += x.sum(0)
                products.addmm_(x.T, x)
                count += len(x)
        if shift is None:
            raise DataError("found no samples; a Fréchet distance needs at least 2 on each side. Give samples.")
        covariance = (products - torch.outer(total, total) / count) / max(1, count - 1)
        return cls(count, shift + total / count, covariance)

    def merged(self, other: Moments) -> Moments:
        """Of both sets of samples together, exactly (Chan, Golub and LeVeque 1979)."""
        count = self.count + other.count
        apart = other.mean - self.mean
        products = self.covariance * (self.count - 1) + other.covariance * (other.count - 1)
        products += torch.outer(apart, apart) * (self.count * other.count / count)
        return Moments(count, self.mean + apart * (other.count / count), products / (count - 1))


def frechet(a: Moments, b: Moments) -> float:
    """|Δ mean|² + tr A + tr B - 2 tr (A B)^½, for covariances A and B; in squared units of the features, at least 0.  arXiv:1706.08500

    With A = F F', tr (A B)^½ is the sum of the square roots of the eigenvalues of the symmetric F' B F; no root of a matrix is taken, so
    singular covariances (constant columns, fewer samples than columns) are as good as others. Biased upwards for few samples, the more
    the wider the features: compare only at equal counts, or extrapolate with `frechet_estimates`. DataError for unlike widths or fewer than 2 samples.
    """
    if min(a.count, b.count) < 2:
        raise DataError(f"found {a.count} and {b.count} samples; a Fréchet distance needs at least 2 on each side. Give more samples.")
    if len(a.mean) != len(b.mean):
        raise DataError(f"the features differ in width ({len(a.mean)} and {len(b.mean)}); both sets must come from one extractor.")
    if b.count < a.count:  # of two singular covariances, the one of lower rank leaves fewer eigenvalues that are only rounding
        a, b = b, a
    factor = _factor(a.covariance)
    roots = torch.linalg.eigvalsh(factor.T @ b.covariance @ factor).clamp(min=0).sqrt()
    squared = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * roots.sum()
    return max(0.0, float(squared))


def frechet_estimates(real: Tensor, fake: Tensor, seed: int, blocks: int = 20) -> tuple[Estimate, Estimate]:
    """The distance of two sets [N, D], [M, D] as it is, and extrapolated to infinitely many samples on both sides; each with its interval.

    The bias of the distance falls as 1 / N, so a straight line over 1 / N, continued to 0, is free of it (arXiv:1911.07023). The paper lays
    it through random subsets down to a tenth. Here it goes through all samples and those without one group in turn, which the
    jackknife needs in any case: on Gaussians this left less bias and two thirds of the deviation, that of the plain distance. The
    line bends where there are fewer samples than columns that matter, and some bias stays. The extrapolated distance may be below 0
    where there is none. DataError for fewer than 2 samples a block.
    """
    check("the spread of a Fréchet distance", 2 * blocks, real=real, fake=fake)
    sides = [[Moments.of([group]) for group in groups(x, blocks, seed)] for x in (real, fake)]

    def distance(out: int | None) -> float:
        a, b = (reduce(Moments.merged, (part for i, part in enumerate(side) if i != out)) for side in sides)
        return frechet(a, b)

    whole, left = distance(None), [distance(out) for out in range(blocks)]
    return left_out(whole, left), extrapolated(whole, left)


def _factor(covariance: Tensor) -> Tensor:
    """F [D, r] with F F' = covariance: Cholesky's where it exists, else by eigenvalues, without those that are only rounding."""
    triangle, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return triangle
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()
