"""How far a number would move with other samples: 95 % intervals for means, for statistics that are no means, and for few pairs.

An interval speaks of the samples that were resampled. Where a metric holds one set fixed, as precision does with the real manifold,
what another draw of that set would change is not in it; the score of held-out real samples beside it shows that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.randomness import stream
from gansmith.records import Estimate

TAIL = 0.025  # on either side
DRAWS = 4_000_000  # indices drawn at a time


def bootstrap(values: Tensor, seed: int, resamples: int = 1000) -> Estimate:
    """Mean of values [N], one of each sample, with its percentile bootstrap interval.

    For a few dozen samples or more; below that, and where a share is nearly 0 or 1, it is too narrow (`student` is for few values).
    Values that are all equal have an interval of no width. DataError for fewer than 2 values or one that is not finite.
    """
    x = _finite(values, 2, "a bootstrap interval")
    if resamples < 100:
        raise ConfigError(f"found {resamples} resamples; the ends of an interval need at least 100 (1000 is usual).")
    generator, count = stream(seed, "bootstrap"), len(x)
    at_once = max(1, DRAWS // count)
    means = [
        x[torch.randint(count, (min(at_once, resamples - start), count), generator=generator)].mean(1)
        for start in range(0, resamples, at_once)
    ]
    low, high = torch.cat(means).quantile(torch.tensor([TAIL, 1 - TAIL], dtype=x.dtype)).tolist()
    value = float(x.mean())
    return Estimate(value, min(low, value), max(high, value))  # where all resamples are alike, rounding may leave the value outside


def student(values: Tensor) -> Estimate:
    """Mean of a few independent values [S], S >= 2, with Student's t interval.

    DataError for fewer than 2 values or one that is not finite.
    """
    x = _finite(values, 2, "a t interval")
    return _students(float(x.mean()), float(x.std()) / len(x) ** 0.5, len(x) - 1)


def paired(differences: Tensor) -> Estimate:
    """Mean of paired differences [S], S >= 3, one of each seed, with Student's t interval.

    It covers as often as it says for normal differences at any S, where the percentile bootstrap of 3 or 5 pairs covers in 3 of 4 and in
    5 of 6 cases, not in 19 of 20, and bootstrap-t of 3 divides by a deviation that is 0 in every ninth resample. Skew costs it some:
    at S = 5, differences of an exponential law are covered in about 88 % of cases.
    DataError for fewer than 3 differences or one that is not finite.
    """
    return student(_finite(differences, 3, "a paired interval"))


def jackknife(function: Callable[..., float], *sets: Tensor, seed: int, blocks: int = 20) -> Estimate:
    """function(*sets) with its delete-a-group jackknife interval, for smooth statistics that are no means: Fréchet, kernel, sliced.

    Each set [N, D] is cut into `blocks` random groups, and the function called with the g-th group of every set left out: blocks + 1
    calls. The groups are random because samples often come in an order, such as all classes in turn. A statistic that is biased for
    few samples keeps its bias: the interval says how far the number would move, not how far it is from that of infinitely many samples.
    """
    parts = [groups(x, blocks, seed) for x in sets]
    left = [function(*(torch.cat([*p[:out], *p[out + 1 :]]) for p in parts)) for out in range(blocks)]
    return left_out(function(*sets), left)


def groups(x: Tensor, blocks: int, seed: int) -> tuple[Tensor, ...]:
    """x [N, ...] in random groups whose sizes differ by one at most.  DataError for fewer samples than twice the groups."""
    if blocks < 2:
        raise ConfigError(f"found {blocks} blocks; a jackknife needs at least 2 (20 is usual).")
    if len(x) < 2 * blocks:
        raise DataError(f"found {len(x)} samples; a jackknife of {blocks} blocks needs at least {2 * blocks}. Give more, or fewer blocks.")
    return x[torch.randperm(len(x), generator=stream(seed, "jackknife"))].tensor_split(blocks)


def left_out(value: float, left: Sequence[float]) -> Estimate:
    """The jackknife interval of a statistic, from its values with each group of samples left out in turn.

    Variance (B - 1)/B · Σ (left - mean left)², with B the number of groups; normal, with Student's t for B - 1 degrees of freedom.
    """
    x = torch.tensor(left, dtype=torch.float64)
    return _students(value, (len(x) - 1) / len(x) ** 0.5 * float(x.std()), len(x) - 1)


def extrapolated(value: float, left: Sequence[float]) -> Estimate:
    """A statistic whose bias falls as 1 / N, without that bias: on the line through its values at N and N (1 - 1/B), at 1/N = 0.

    It is the jackknife's B · value - (B - 1) · mean left (Quenouille 1956); arguments and interval as in `left_out`.
    """
    spread, shift = left_out(value, left), (len(left) - 1) * (value - sum(left) / len(left))
    return Estimate(value + shift, spread.low + shift, spread.high + shift)


def normal(value: float, error: float) -> Estimate:
    """A value with its normal interval, from its standard error."""
    reach = 1.959963984540054 * error
    return Estimate(value, value - reach, value + reach)


def student_quantile(freedom: float) -> float:
    """Standard errors on either side of a mean that hold 95 % of Student's t distribution; any number of degrees of freedom above 0."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - TAIL))


def _students(value: float, error: float, freedom: int) -> Estimate:
    reach = student_quantile(freedom) * error
    return Estimate(value, value - reach, value + reach)


def _finite(values: Tensor, least: int, what: str) -> Tensor:
    if values.ndim != 1:
        raise DataError(f"found values of shape {list(values.shape)}; {what} needs one number of each sample, [N].")
    if len(values) < least:
        raise DataError(f"found {len(values)} values; {what} needs at least {least}. Give more samples or seeds.")
    x = values.double()
    bad = int((~x.isfinite()).sum())
    if bad:
        raise DataError(f"{bad} of {len(x)} values are not finite; {what} needs finite numbers. Find their cause.")
    return x
