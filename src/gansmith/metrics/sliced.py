"""Sliced Wasserstein distance: the mean transport distance of two sets seen along random directions."""

from __future__ import annotations

import torch
from torch import Tensor

from gansmith.errors import ConfigError
from gansmith.metrics.checks import check
from gansmith.randomness import stream

AT_ONCE = 64  # directions


def sliced_wasserstein(real: Tensor, fake: Tensor, seed: int, directions: int = 512) -> float:
    """Root of the mean over directions of the squared 2-Wasserstein distance, in units of the features.  arXiv:1902.00434

    real [N, D], fake [M, D]. The directions depend on (seed, D, directions) alone, so two scores with one seed see the same. The distance
    along a direction is that of the two quantile functions, exactly, also where N and M differ. Biased upwards for few samples, as 1 / N
    in its square. `spread.jackknife` gives its interval.
    """
    if directions < 1:
        raise ConfigError(f"found {directions} directions; a sliced distance needs at least 1 (512 is usual).")
    check("a sliced Wasserstein distance", 1, real=real, fake=fake)
    width = real.shape[1]
    way = torch.randn(width, directions, generator=stream(seed, "sliced wasserstein", width))
    way = way / way.norm(dim=0)
    middle = real.mean(0)  # taken from both: the distance is the same, and more of its digits are left
    share, i, j = _steps(len(real), len(fake))
    squared = torch.zeros((), dtype=torch.float64)
    for some in way.split(AT_ONCE, 1):
        a, b = (((x - middle) @ some).sort(0).values.double() for x in (real, fake))
        squared += share @ (a[i] - b[j]).square().sum(1)
    return float((squared / directions).sqrt())


def _steps(n: int, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pieces of (0, 1) on which the quantile functions of n and of m samples are both constant: length, index in n, index in m.

    Counted in whole n·m-ths, so that equal ends are equal.
    """
    ends = torch.cat((torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n)).unique()
    starts = torch.cat((ends.new_zeros(1), ends[:-1]))
    return (ends - starts).double() / (n * m), starts // m, starts // n
