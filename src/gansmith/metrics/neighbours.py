"""Metrics on nearest neighbours: are samples where real ones are, are all real ones met, and are samples more than copies?

Distances are Euclidean. 32-bit arithmetic proposes neighbours, through |a|² + |b|² - 2 a·b in blocks, so that memory stays small whatever
the counts; where its error could change the answer, differences in 64 bits decide. The results are those of 64 bits throughout and
do not depend on the size of the blocks.

Precision, recall, density and coverage look at balls: around each sample of one set, as far as its k-th nearest neighbour in that set. A
ball is open, as in the code of arXiv:2002.09797, so that a set against itself has a density of 1; but its own centre always lies in it,
also where samples repeat so often that the ball has no extent.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.checks import check, check_neighbours
from gansmith.metrics.spread import normal
from gansmith.randomness import seed_of
from gansmith.records import Estimate

BLOCK = 2048  # samples on either side of a block of distances
FLAT = 8  # columns up to which a tree finds neighbours, where there are more than a block of points
SPARE = 3  # neighbours proposed beyond those asked for; the last of them shows whether 32 bits were enough
TOUCHED = 1 << 23  # numbers compared in 64 bits at a time
TIE = 1e-9  # relative difference of squared distances that is only rounding
CELL = 40  # samples that a cell of the copying test should have on average, of the held-out and of the fake ones
LEAST_CELL = 20  # samples of both below which a cell is left out, as in the paper


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest of some points to each of N queries, nearest first."""

    distance: Tensor  # float64 [N, k]
    index: Tensor  # int64 [N, k], into the points


def nearest(queries: Tensor, points: Tensor, k: int = 1) -> Neighbours:
    """The k nearest points [P, D] of each query [N, D], exactly.  DataError for fewer than k points."""
    check_neighbours(k)
    what = f"a nearest-neighbour search with k={k}"
    check(what, 1, query=queries, reference=points)
    check(what, k, reference=points)
    return _search(queries, points, k, None)


def nearest_others(points: Tensor, k: int = 1) -> Neighbours:
    """The k nearest other points of each of points [N, D], exactly, at half the cost.  DataError for fewer than k + 1 points."""
    check_neighbours(k)
    check(f"a search for other neighbours with k={k}", k + 1, given=points)
    return _search(points, points, k, torch.arange(len(points)))


# --- faithful and diverse -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Manifold:
    """A set of features [N, D] with a ball around each, as far as its k-th nearest neighbour in the set."""

    features: Tensor
    k: int
    radius: Tensor  # float64 [N]

    @classmethod
    def of(cls, features: Tensor, k: int = 5) -> Manifold:
        """DataError for fewer than k + 1 samples."""
        check_neighbours(k)
        check(f"a manifold with k={k}", k + 1, given=features)
        return cls(features, k, nearest_others(features, k).distance[:, -1])


@dataclass(frozen=True, eq=False)
class Overlap:
    """Of N real and M fake samples; the metric is the mean of its values, and `spread.bootstrap` gives its interval."""

    precision: Tensor  # [M] 1 where a fake sample lies in the ball of a real one: faithful.  arXiv:1904.06991
    recall: Tensor  # [N] 1 where a real sample lies in the ball of a fake one: diverse
    density: Tensor  # [M] real balls that a fake sample lies in, over k: faithful, and not fooled by a lone outlier.  arXiv:2002.09797
    coverage: Tensor  # [N] 1 where the ball of a real sample holds a fake one: diverse, and not fooled by fake outliers


def overlap(real: Manifold, fake: Manifold) -> Overlap:
    """Precision, recall, density and coverage, in one pass over all pairs.

    For two draws of one distribution with as many samples, density is about 1, coverage 1 - 2^-k, and precision and recall lie somewhere
    below 1 that depends on dimension and count: compare with real against held-out real, at equal counts. DataError for unlike widths.
    """
    check("an overlap of manifolds", 1, real=real.features, fake=fake.features)
    centre = _centre(real.features)
    real_squares, fake_squares = _squares(real.features, centre), _squares(fake.features, centre)
    real_error = _error(real_squares, fake_squares, len(centre)).unsqueeze(1)
    fake_error = _error(fake_squares, real_squares, len(centre))
    real_limit, fake_limit = real.radius.square().unsqueeze(1), fake.radius.square()
    inside_real, inside_fake = torch.zeros(len(fake.features)), torch.zeros(len(real.features))  # how many balls each sample lies in
    covered = torch.zeros(len(real.features))  # how many fake samples each real ball holds
    for rows in _blocks(len(real.features)):
        for columns in _blocks(len(fake.features)):
            a, b = real.features[rows], fake.features[columns]
            squared = _squared(a, b, centre, torch.float32)
            in_real = _inside(squared, real_limit[rows], real_error[rows], a, b)
            inside_real[columns] += in_real.sum(0)
            covered[rows] += in_real.sum(1)
            inside_fake[rows] += _inside(squared, fake_limit[columns], fake_error[columns], a, b).sum(1)
    return Overlap((inside_real > 0).float(), (inside_fake > 0).float(), inside_real / real.k, (covered > 0).float())


# --- original -------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Distances:
    """Of M fake, N training and H held-out samples to the nearest of a set, a sample itself never among them.  float64"""

    fake_to_training: Neighbours  # [M, 1]
    fake_to_held_out: Tensor  # [M]
    training_to_training: Tensor  # [N]
    held_out_to_training: Tensor  # [H]
    held_out_to_held_out: Tensor  # [H]

    @classmethod
    def of(cls, fake: Tensor, training: Tensor, held_out: Tensor) -> Distances:
        """From features [M, D], [N, D], [H, D].  DataError for no fake sample, or fewer than 2 training or held-out ones."""
        what = "a test of originality"
        check(what, 1, fake=fake, training=training, held_out=held_out)
        check(what, 2, training=training, held_out=held_out)
        return cls(
            nearest(fake, training),
            nearest(fake, held_out).distance[:, 0],
            nearest_others(training).distance[:, 0],
            nearest(held_out, training).distance[:, 0],
            nearest_others(held_out).distance[:, 0],
        )


def authenticity(found: Distances) -> Tensor:
    """[M] 1 where a fake sample is farther from its nearest training sample than that one is from the next.  arXiv:2102.08921

    The mean is 0 for a copier. For a perfect generator it is not 0.5 but what held-out samples have in the place of fake ones: 0.4 on
    normal features of 2 dimensions, 0.8 of 64. It also rises where samples are far from all real ones: read it beside precision.
    """
    near = found.fake_to_training
    return (near.distance[:, 0] > found.training_to_training[near.index[:, 0]]).float()


def distance_ratio(found: Distances) -> Estimate:
    """Mean distance of fake samples to the training set over that to the held-out set, over the same ratio for held-out samples.

    1 for a perfect generator, towards 0 for a copier. A larger set has a sample nearer by; dividing by the ratio of held-out samples,
    which see both sets as a perfect generator does, takes that out, so all training samples are used. Samples far from all
    real ones see both sets alike and come out above 1 where the training set is the larger. Normal interval by the delta method, from
    the spread of fake and of held-out samples; in 2 or 3 dimensions, where samples share neighbours, it is too narrow.
    DataError for fewer than 2 fake samples, or where all of a set coincide with others.
    """
    if len(found.fake_to_held_out) < 2:
        raise DataError(f"found {len(found.fake_to_held_out)} fake samples; a distance ratio needs at least 2. Give more samples.")
    near, far = found.fake_to_training.distance[:, 0], found.fake_to_held_out
    real_near, real_far = found.held_out_to_training, found.held_out_to_held_out
    for name, x in (("fake", far), ("held-out", real_far), ("held-out", real_near)):
        if not x.any():
            raise DataError(f"all {name} samples coincide with real ones, so a distance ratio is meaningless. Remove duplicates first.")
    usual = real_near.mean() / real_far.mean()
    ratio = near.mean() / far.mean() / usual
    by_fake = (near - near.mean() / far.mean() * far) / far.mean() / usual  # what each sample moves the ratio by, times their count
    by_held_out = ratio * (real_far / real_far.mean() - real_near / real_near.mean())
    error = (by_fake.var() / len(near) + by_held_out.var() / len(real_near)).sqrt()
    estimate = normal(float(ratio), float(error))
    return Estimate(estimate.value, max(0.0, estimate.low), estimate.high)


@dataclass(frozen=True, eq=False)
class NearCopies:
    """Fake samples nearer to a training sample than all but a share of the held-out samples are."""

    copies: Tensor  # [M] 1 for a near-copy; the metric is the mean
    expected: float  # the mean of a perfect generator
    threshold: float  # the distance


def near_copies(found: Distances, quantile: float = 0.05) -> NearCopies:
    """The share of near-copies, which is `expected` for a perfect generator, about `quantile`, and 1 for a copier.

    The threshold is the j-th smallest distance of the H held-out samples to the training set, with j = quantile · (H + 1), down to a
    whole number: another sample of their distribution is nearer with probability j / (H + 1) exactly, for any distribution and H.
    Equal distances count as near, in both. The quantile is 0.05 because the threshold must stand on several held-out samples (5 of 100):
    with another held-out set the share of a perfect generator would be another, and its deviation is about (quantile / H)^½, 0.02 for 100.
    DataError for H < 1 / quantile - 1.
    """
    if not 0 < quantile < 1:
        raise ConfigError(f"the quantile is {quantile}; it must lie between 0 and 1 (0.05 is usual).")
    real = found.held_out_to_training
    rank = math.floor(quantile * (len(real) + 1) + 1e-9)
    if not rank:
        least = math.ceil(1 / quantile - 1e-9) - 1
        raise DataError(f"found {len(real)} held-out samples; near-copies at quantile {quantile:g} need at least {least}. Hold out more.")
    threshold = real.kthvalue(rank).values
    expected = float((real <= threshold).sum()) / (len(real) + 1)
    return NearCopies((found.fake_to_training.distance[:, 0] <= threshold).float(), expected, float(threshold))


def data_copying(found: Distances, fake: Tensor, training: Tensor, held_out: Tensor, seed: int, cells: int = 10) -> Estimate:
    """C_T: are fake samples nearer to the training set than held-out samples are, in the same region?  arXiv:2004.05675

    In each cell of a k-means partition of the training set, the Mann-Whitney statistic of the distances of fake and held-out samples to
    their nearest training sample, as a normal deviate; then the mean over cells, weighted by the held-out samples in each. About 0
    for a perfect generator, well below 0 for a copier, above 0 where samples lie off the data. The interval is that of a perfect
    generator's C_T, moved to the value found: it excludes 0 where copying (or its contrary) is beyond chance. Cells with fewer than 20
    held-out or fake samples are left out, as the paper does, and there are at most `cells`, fewer for small sets.
    DataError for fewer than 20 held-out or fake samples, or where no cell has as many.
    """
    check("a data-copying test", LEAST_CELL, fake=fake, held_out=held_out)
    count = max(1, min(cells, len(fake) // CELL, len(held_out) // CELL))
    fake_cell, held_out_cell = _cells(training, count, seed, fake, held_out)
    deviates, weights = [], []
    for cell in range(count):
        a = found.fake_to_training.distance[fake_cell == cell, 0]
        b = found.held_out_to_training[held_out_cell == cell]
        if min(len(a), len(b)) >= LEAST_CELL:
            deviates.append(_mann_whitney(a, b))
            weights.append(len(b))
    if not weights:
        raise DataError(
            f"no region holds {LEAST_CELL} fake and {LEAST_CELL} held-out samples, which a data-copying test needs. Give more samples or "
            "fewer cells; if there are plenty, the samples miss the regions of the data."
        )
    weight = torch.tensor(weights, dtype=torch.float64) / sum(weights)
    return normal(float(weight @ torch.tensor(deviates, dtype=torch.float64)), float(weight.norm()))


@dataclass(frozen=True)
class Pair:
    """A fake sample and the training sample nearest to it."""

    fake: int
    training: int
    distance: float


def closest(found: Neighbours, count: int) -> tuple[Pair, ...]:
    """The `count` fake samples nearest to the training set, each with its nearest training sample, the closest first: for a gallery.

    `found` is Distances.fake_to_training, or nearest(fake, training).
    """
    distance, fake = found.distance[:, 0].sort(stable=True)
    return tuple(Pair(int(i), int(found.index[i, 0]), float(d)) for d, i in zip(distance[:count], fake[:count], strict=True))


def _cells(training: Tensor, count: int, seed: int, *sets: Tensor) -> list[Tensor]:
    """The cell of each sample of each set, in a k-means partition of the training set."""
    if count == 1:
        return [torch.zeros(len(x), dtype=torch.int64) for x in sets]
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    partition = KMeans(count, n_init=1, random_state=seed_of(seed, "cells") % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different samples than cells: some stay empty
        partition.fit(training.numpy())
    return [torch.from_numpy(partition.predict(x.numpy())) for x in sets]


def _mann_whitney(a: Tensor, b: Tensor) -> float:
    """How much the values of a [n] exceed those of b [m], as a deviate that is standard normal where both are of one distribution.

    Ties count half, and narrow the deviation; 0 where all values are equal.
    """
    n, m = len(a), len(b)
    _, place, sizes = torch.cat((a, b)).unique(return_inverse=True, return_counts=True)
    rank = (sizes.cumsum(0) - (sizes - 1) / 2).double()  # mean rank of equal values
    wins = rank[place[:n]].sum() - n * (n + 1) / 2
    ties = (sizes**3 - sizes).sum().double() / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    return float((wins - n * m / 2) / variance.sqrt()) if variance > 0 else 0.0


# --- all pairs, in blocks -------------------------------------------------------------------------------------------------------------


def _search(queries: Tensor, points: Tensor, k: int, own: Tensor | None) -> Neighbours:
    """The k nearest points of each query; own [N] is the point that a query itself is and that does not count."""
    if points.shape[1] <= FLAT and len(points) > BLOCK:
        return _by_tree(queries, points, k, own)
    available = len(points) - (own is not None)
    count = min(k + SPARE, available)
    centre = _centre(points)
    value, index = _propose(queries, points, count, centre, torch.float32, own) if own is None else _propose_others(points, count, centre)
    exact = _by_differences(queries, points, index)
    if count < available:
        kth = exact.kthvalue(k).values
        error = _error(_squares(queries, centre), _squares(points, centre), points.shape[1])
        not_proposed = value[:, -1] - error  # or more
        (doubt,) = torch.nonzero((not_proposed <= kth) & (kth > 0), as_tuple=True)
        if len(doubt):
            again = queries[doubt]
            _, index[doubt] = _propose(again, points, count, centre, torch.float64, None if own is None else own[doubt])
            exact[doubt] = _by_differences(again, points, index[doubt])
    index, order = index.sort(1)  # so that of equal distances the first point comes first
    exact, nearest_first = exact.gather(1, order).sort(dim=1, stable=True)
    return Neighbours(exact[:, :k].sqrt(), index.gather(1, nearest_first)[:, :k])


def _by_tree(queries: Tensor, points: Tensor, k: int, own: Tensor | None) -> Neighbours:
    """The same for few columns, where samples lie so dense that 32 bits would leave most of them in doubt, and a tree is quick."""
    from scipy.spatial import cKDTree

    count = k + (own is not None)
    distance, index = (
        torch.from_numpy(found.reshape(-1, count)) for found in cKDTree(points.double().numpy()).query(queries.double().numpy(), count)
    )
    if own is None:
        return Neighbours(distance, index)
    itself = index == own.unsqueeze(1)
    itself[~itself.any(1), -1] = True  # of more equal points than were asked for, it may not be among those found
    return Neighbours(distance[~itself].reshape(-1, k), index[~itself].reshape(-1, k))


def _propose(queries: Tensor, points: Tensor, count: int, centre: Tensor, dtype: torch.dtype, own: Tensor | None) -> tuple[Tensor, Tensor]:
    """The `count` smallest squared distances of each query as this dtype sees them, smallest first, and to which points.  [N, count]"""
    value, index = _no_candidates(len(queries), count, dtype)
    for rows in _blocks(len(queries)):
        for columns in _blocks(len(points)):
            squared = _squared(queries[rows], points[columns], centre, dtype)
            if own is not None:
                squared[own[rows].unsqueeze(1) == torch.arange(columns.start, columns.stop)] = math.inf
            _offer(value[rows], index[rows], squared, columns.start)
    return value, index


def _propose_others(points: Tensor, count: int, centre: Tensor) -> tuple[Tensor, Tensor]:
    """As `_propose`, among the points themselves and in 32 bits: each block serves its rows and its columns."""
    value, index = _no_candidates(len(points), count, torch.float32)
    blocks = list(_blocks(len(points)))
    for place, rows in enumerate(blocks):
        for columns in blocks[place:]:
            squared = _squared(points[rows], points[columns], centre, torch.float32)
            if rows == columns:
                squared.fill_diagonal_(math.inf)
            else:
                _offer(value[columns], index[columns], squared.T.contiguous(), rows.start)
            _offer(value[rows], index[rows], squared, columns.start)
    return value, index


def _no_candidates(rows: int, count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.full((rows, count), math.inf, dtype=dtype), torch.zeros(rows, count, dtype=torch.int64)


def _offer(value: Tensor, index: Tensor, squared: Tensor, first: int) -> None:
    """Keep in value, index [r, count] the smallest of these and of squared [r, c], whose columns are the points from `first` on."""
    count = value.shape[1]
    new, place = squared.topk(min(count, squared.shape[1]), largest=False)
    kept, order = torch.cat((value, new), 1).topk(count, largest=False)
    index.copy_(torch.cat((index, place + first), 1).gather(1, order))
    value.copy_(kept)


def _inside(squared: Tensor, limit: Tensor, error: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """1 where a pair of a [r, D] and b [c, D] is nearer than its ball reaches.  [r, c] in float32

    squared [r, c] within error of the truth; limit, the squared radius, and error are of rows [r, 1] or of columns [c].
    """
    # Comparisons that give floats are six times as quick as those that give bools.
    inside = torch.lt(squared, (limit - error).float(), out=torch.empty_like(squared))
    possible = torch.le(squared, (limit + error).float(), out=torch.empty_like(squared))
    (rows,) = torch.nonzero(possible.sum(1) > inside.sum(1), as_tuple=True)
    if len(rows):
        some, columns = torch.nonzero(possible[rows] > inside[rows], as_tuple=True)
        rows, at_once = rows[some], max(1, TOUCHED // a.shape[1])
        for i, j in zip(rows.split(at_once), columns.split(at_once), strict=True):
            exact = _by_differences(a[i], b, j.unsqueeze(1))[:, 0]
            inside[i, j] = ((exact < limit.expand_as(squared)[i, j] * (1 - TIE)) | (exact == 0)).float()
    return inside


def _by_differences(queries: Tensor, points: Tensor, index: Tensor) -> Tensor:
    """Squared distance of each query [N, D] to the points at its index [N, c], in 64 bits.  [N, c]"""
    at_once = max(1, TOUCHED // (index.shape[1] * points.shape[1]))
    pieces = zip(queries.split(at_once), index.split(at_once), strict=True)
    return torch.cat([points[to].double().sub_(x.unsqueeze(1)).square_().sum(2) for x, to in pieces])


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def _squared(a: Tensor, b: Tensor, centre: Tensor, dtype: torch.dtype) -> Tensor:
    """Squared distances of all pairs of a [r, D] and b [c, D].  [r, c]

    The nearer the centre is to both, the fewer digits the difference of squares and product loses.
    """
    a, b = (x.to(dtype) - centre.to(dtype) for x in (a, b))
    return torch.addmm(b.square().sum(1), a, b.T, alpha=-2).add_(a.square().sum(1, keepdim=True))


def _centre(x: Tensor) -> Tensor:
    return x.float().mean(0)


def _squares(x: Tensor, centre: Tensor) -> Tensor:
    """Squared distance of each sample from the centre.  [N]"""
    return torch.cat([(rows.float() - centre).square().sum(1) for rows in x.split(BLOCK)]).double()


def _error(queries: Tensor, points: Tensor, width: int) -> Tensor:
    """How far a squared distance in 32 bits may be from the truth, for each query, from the squares of both sides.  [N]

    The sum of `width` products errs by about the root of it, in units of the last place; on the data of the tests, less than half of this.
    """
    return 2**-24 * (16 + 2 * width**0.5) * (queries + points.max()) + 1e-36  # the last for squares too small for 32 bits
