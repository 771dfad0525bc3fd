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

COLUMNS = 256  # of the products of all columns, summed at a time
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
            check("a Fréchet distance", 0, given=batch)
            if not len(batch):
                continue
            for rows in batch.split(ROWS):
                if shift is None:  # near the mean, so that no digits are lost between the squares and the square of the sum
                    shift = rows[:64].double().mean(0)
                    total, products = torch.zeros_like(shift), shift.new_zeros(len(shift), len(shift))
                if rows.shape[1] != len(shift):
                    raise DataError(
                        f"found features of width {rows.shape[1]} after width {len(shift)}; all features must come from one extractor."
                    )
                x = rows - shift  # in 64 bits
                total += x.sum(0)
                for start in range(0, len(shift), COLUMNS):  # the lower half alone
                    products[start:, start : start + COLUMNS].addmm_(x[:, start:].T, x[:, start : start + COLUMNS])
                count += len(x)
        if shift is None:
            raise DataError("found no samples; a Fréchet distance needs at least 2 on each side. Give samples.")
        products = products.tril() + products.tril(-1).T
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
    the wider the features: compare only at equal counts, or extrapolate with `frechet_infinity`.
    DataError for unlike widths or fewer than 2 samples.
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


def frechet_of(real: Tensor, fake: Tensor) -> float:
    """The distance of two sets of features [N, D], [M, D].

    Where there are fewer samples than columns, tr (A B)^½ is the sum of the singular values of the [N, M] products of the centred samples,
    over the root of (N - 1)(M - 1), and no matrix [D, D] is needed. DataError as for `Moments` and `frechet`.
    """
    if max(len(real), len(fake)) >= real.shape[1] or min(len(real), len(fake)) < 2:
        return frechet(Moments.of([real]), Moments.of([fake]))
    check("a Fréchet distance", 2, real=real, fake=fake)
    means = [x.double().mean(0) for x in (real, fake)]
    a, b = ((x.double() - mean) / (len(x) - 1) ** 0.5 for x, mean in zip((real, fake), means, strict=True))
    roots = torch.linalg.svdvals(a @ b.T)
    squared = (means[0] - means[1]).square().sum() + a.square().sum() + b.square().sum() - 2 * roots.sum()
    return max(0.0, float(squared))


def frechet_estimate(real: Tensor, fake: Tensor, seed: int, blocks: int = 20) -> Estimate:
    """The distance of two sets [N, D], [M, D] with its delete-a-group jackknife interval.  DataError for fewer than 2 samples a block."""
    return left_out(*frechet_left_out(real, fake, seed, blocks))


def frechet_infinity(real: Tensor, fake: Tensor, seed: int, blocks: int = 20) -> Estimate:
    """The distance extrapolated to infinitely many samples on both sides, with its interval; may be below 0 where there is none.

    The bias of the distance falls as 1 / N, so a straight line over 1 / N, continued to 0, is free of it (arXiv:1911.07023). The paper lays
    it through random subsets down to a tenth. Here it goes through all samples and those without one group in turn, as
    the jackknife does: on Gaussians this left less bias and two thirds of the deviation, that of the plain distance. The line bends where
    there are fewer samples than columns that matter, and some bias stays. DataError for fewer than 2 samples a block.
    """
    return extrapolated(*frechet_left_out(real, fake, seed, blocks))


def frechet_left_out(real: Tensor, fake: Tensor, seed: int, blocks: int = 20) -> tuple[float, list[float]]:
    """The distance, and the distances without each group of both sets in turn: what both estimates are made of, for who wants the two.

    Moments are gathered once for each group and merged, so it costs blocks + 1 decompositions and no second look at the samples.
    """
    check("the spread of a Fréchet distance", 2 * blocks, real=real, fake=fake)
    pieces = [groups(x, blocks, seed) for x in (real, fake)]
    if max(len(real), len(fake)) < real.shape[1]:

        def few(out: int | None) -> float:
            a, b = (torch.cat([part for i, part in enumerate(side) if i != out]) for side in pieces)
            return frechet_of(a, b)

        return few(None), [few(out) for out in range(blocks)]
    sides = [[Moments.of([group]) for group in side] for side in pieces]

    def distance(out: int | None) -> float:
        a, b = (reduce(Moments.merged, (part for i, part in enumerate(side) if i != out)) for side in sides)
        return frechet(a, b)

    return distance(None), [distance(out) for out in range(blocks)]


def _factor(covariance: Tensor) -> Tensor:
    """F [D, r] with F F' = covariance: Cholesky's where it exists, else by eigenvalues, without those that are only rounding."""
    triangle, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return triangle
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    return vectors[:, kept] * values[kept].sqrt()
