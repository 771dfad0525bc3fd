"""Kernel distance: the squared maximum mean discrepancy (MMD²) of two sets of features under the kernel (x·y / D + 1)³.

Unbiased at any count, so sets of unlike size may be compared; 0 on average for independent samples of one distribution, and below 0 for
about half of them and for copies. The kernel is that of arXiv:1801.01401, which has no width to choose but feels the features' origin
and scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.checks import check
from gansmith.metrics.spread import groups, left_out
from gansmith.randomness import stream
from gansmith.records import Estimate

ROWS = 1024  # on either side of a block of kernel values


def mmd2(real: Tensor, fake: Tensor) -> float:
    """Unbiased MMD² over all pairs of real [N, D] and fake [M, D], in blocks.  Equation 4 of arXiv:1801.01401

    DataError for fewer than 2 samples on a side, and for features too large for a cube in 32 bits.
    """
    check("a kernel distance", 2, real=real, fake=fake)
    return float(_of_subsets(real, fake, torch.ones(1, len(real)), torch.ones(1, len(fake))))


def mmd2_estimate(real: Tensor, fake: Tensor, seed: int, blocks: int = 20) -> Estimate:
    """MMD² over all pairs with its delete-a-group jackknife interval, in the one pass that the value alone takes.

    DataError for fewer than 2 samples a block.
    """
    check("the spread of a kernel distance", 2 * blocks, real=real, fake=fake)
    whole, *left = _of_subsets(real, fake, *(_without_each(groups(torch.arange(len(x)), blocks, seed)) for x in (real, fake))).tolist()
    return left_out(whole, left)


def kernel_distance(real: Tensor, fake: Tensor, seed: int, subsets: int = 100, size: int = 1000) -> Tensor:
    """MMD² of random subsets of `size` samples of each side: [subsets], whose mean is the kernel distance (KID) as papers print it.

    The subsets share samples, so the spread of their values is not that of another draw; for an interval take `mmd2_estimate`, whose
    value is also the less noisy one. DataError for fewer samples than `size`.
    """
    if subsets < 1 or size < 2:
        raise ConfigError(f"found {subsets} subsets of {size}; a kernel distance needs at least 1 subset of at least 2 samples.")
    check(f"a kernel distance over subsets of {size}", size, real=real, fake=fake)
    generator = stream(seed, "kernel distance")
    chosen = [[torch.randperm(len(x), generator=generator)[:size] for x in (real, fake)] for _ in range(subsets)]
    if subsets * size**2 < len(real) * len(fake):  # few pairs of samples are in any subset
        return torch.tensor([mmd2(real[i], fake[j]) for i, j in chosen], dtype=torch.float64)
    in_real, in_fake = torch.zeros(subsets, len(real)), torch.zeros(subsets, len(fake))
    for subset, (i, j) in enumerate(chosen):
        in_real[subset, i] = in_fake[subset, j] = 1
    return _of_subsets(real, fake, in_real, in_fake)


def _of_subsets(real: Tensor, fake: Tensor, in_real: Tensor, in_fake: Tensor) -> Tensor:
    """MMD² of S subsets in one pass over all pairs; in_real [S, N] and in_fake [S, M] are 1 where a sample belongs to a subset.  [S]"""
    n, m = in_real.sum(1).double(), in_fake.sum(1).double()
    within = _within(real, in_real) / (n * (n - 1)) + _within(fake, in_fake) / (m * (m - 1))
    squared = within - 2 * _between(real, in_real, fake, in_fake) / (n * m)
    if not squared.isfinite().all():
        raise DataError("the features are too large for the cubic kernel in 32 bits. Divide them all by one number.")
    return squared


def _within(x: Tensor, inside: Tensor) -> Tensor:
    """For each subset, the kernel summed over the pairs of two different samples of x.  float64 [S]"""
    total = torch.zeros(len(inside), dtype=torch.float64)
    for rows in _blocks(x):
        for columns in _blocks(x[: rows.start]):
            total += 2 * _summed(_kernel(x[rows], x[columns]), inside[:, rows], inside[:, columns])
        total += _summed(_kernel(x[rows], x[rows]).fill_diagonal_(0), inside[:, rows], inside[:, rows])
    return total


def _between(x: Tensor, in_x: Tensor, y: Tensor, in_y: Tensor) -> Tensor:
    """For each subset, the kernel summed over the pairs of a sample of x and one of y.  float64 [S]"""
    total = torch.zeros(len(in_x), dtype=torch.float64)
    for rows in _blocks(x):
        for columns in _blocks(y):
            total += _summed(_kernel(x[rows], y[columns]), in_x[:, rows], in_y[:, columns])
    return total


def _summed(k: Tensor, in_rows: Tensor, in_columns: Tensor) -> Tensor:
    """k [r, c] summed over the pairs of each subset: sums of a thousand in 32 bits, whose errors are at random, and of those in 64.  [S]"""
    return ((in_rows @ k).double() * in_columns).sum(1)


def _blocks(x: Tensor) -> Iterator[slice]:
    return (slice(start, min(start + ROWS, len(x))) for start in range(0, len(x), ROWS))


def _without_each(parts: Sequence[Tensor]) -> Tensor:
    """Membership [1 + groups, N] of the subset that is all, and of those that lack one group of indices each."""
    rows = torch.ones(1 + len(parts), sum(map(len, parts)))
    for row, part in zip(rows[1:], parts, strict=True):
        row[part] = 0
    return rows


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x·y / D + 1)³ of all pairs.  [n, D], [m, D] -> [n, m]"""
    return torch.addmm(x.new_ones(1), x, y.T, alpha=1 / x.shape[1]).pow_(3)
