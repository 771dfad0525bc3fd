"""Intervals hold their value, cover as often as they say, and agree with the closed forms there are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.spread import bootstrap, extrapolated, groups, jackknife, left_out, normal, paired, student
from gansmith.randomness import stream
from gansmith.records import Estimate

NUMBERS = st.floats(-1e12, 1e12, allow_subnormal=False)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=stream(seed, "test"))


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


@given(st.lists(NUMBERS, min_size=2, max_size=30), st.integers(0, 5))
def test_an_interval_holds_its_value(values: list[float], seed: int) -> None:
    x = torch.tensor(values, dtype=torch.float64)
    for found in (bootstrap(x, seed, 100), student(x), left_out(values[0], values), extrapolated(values[0], values)):
        assert holds(found, found.value)
        assert np.isfinite([found.low, found.high]).all()


def test_values_all_alike_leave_no_doubt() -> None:
    assert bootstrap(torch.full((7,), 0.1), 0) == Estimate(*[float(torch.tensor(0.1))] * 3)
    assert student(torch.full((3,), 2.0)) == Estimate(2.0, 2.0, 2.0)


def test_bootstrap_of_many_is_the_normal_interval() -> None:
    x = drawn(4000)
    found, wanted = bootstrap(x, 1), normal(float(x.mean()), float(x.std()) / 4000**0.5)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.1 * (wanted.high - wanted.low))
    assert found == bootstrap(x, 1)
    assert found != bootstrap(x, 2)


def test_bootstrap_covers_the_share_of_a_hundred() -> None:
    sides = torch.rand(200, 100, generator=stream(0, "test")) < 0.3
    covered = sum(holds(bootstrap(x, seed, 300), 0.3) for seed, x in enumerate(sides.float()))
    assert 0.89 <= covered / 200 <= 0.99


def test_bootstrap_does_not_depend_on_the_rows_drawn_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    x, whole = drawn(50), bootstrap(drawn(50), 0)
    monkeypatch.setattr("gansmith.metrics.spread.DRAWS", 50 * 7)
    assert bootstrap(x, 0) == whole


@pytest.mark.parametrize("count", [3, 5, 10])
def test_the_paired_interval_covers_as_often_as_it_says(count: int) -> None:
    covered = sum(holds(paired(x), 0.0) for x in drawn(3000, count, seed=count))
    assert covered / 3000 == pytest.approx(0.95, abs=0.013)  # 3 deviations of a share of 0.95


def test_the_percentile_bootstrap_would_not() -> None:
    covered = sum(holds(bootstrap(x, seed, 200), 0.0) for seed, x in enumerate(drawn(400, 3)))
    assert covered / 400 < 0.82


def test_paired_is_the_t_interval() -> None:
    found = paired(torch.tensor([1.0, 2.0, 3.0]))  # mean 2, deviation 1, t(2) = 4.3027
    assert (found.value, found.low, found.high) == pytest.approx((2, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))


def test_jackknife_of_a_mean_is_its_t_interval() -> None:
    x = drawn(30, 1)
    found, wanted = jackknife(lambda x: float(x.mean()), x, seed=0, blocks=15), student(x[:, 0])
    assert found.value == wanted.value
    pairs = torch.stack(groups(x[:, 0], 15, 0)).mean(1)  # of groups of 2, the t interval of their means
    wanted = student(pairs)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_jackknife_of_two_sets_is_the_deviation_over_draws() -> None:
    def statistic(a: Tensor, b: Tensor) -> float:
        return float((a.mean() - b.mean()).square() + (a.std() - b.std()).square())

    draws = [(1 + drawn(120, 1, seed=2 * i), 2 * drawn(160, 1, seed=2 * i + 1)) for i in range(100)]
    truth = torch.tensor([statistic(*pair) for pair in draws]).std()
    errors = torch.tensor([(e.high - e.low) / 2 for e in (jackknife(statistic, *pair, seed=0) for pair in draws[:30])]) / 2.093  # t(19)
    assert float(errors.mean() / truth) == pytest.approx(1, abs=0.25)


def test_extrapolation_takes_a_bias_of_one_over_n_away() -> None:
    x = drawn(12)

    def spread(x: Tensor) -> float:  # its mean is (n - 1) / n of the variance
        return float(x.var(unbiased=False))

    found = extrapolated(spread(x), [spread(torch.cat((x[:i], x[i + 1 :]))) for i in range(12)])
    assert found.value == pytest.approx(float(x.var()), rel=1e-12)


@given(st.integers(4, 60), st.integers(2, 10))
def test_groups_share_all_samples_out(count: int, blocks: int) -> None:
    if count < 2 * blocks:
        with pytest.raises(DataError, match=f"found {count} samples; a jackknife of {blocks} blocks needs at least {2 * blocks}"):
            groups(torch.arange(count), blocks, 0)
        return
    parts = groups(torch.arange(count), blocks, 0)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(count))
    sizes = [len(p) for p in parts]
    assert max(sizes) - min(sizes) <= 1


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(DataError, match="found 1 values; a bootstrap interval needs at least 2"):
        bootstrap(torch.ones(1), 0)
    with pytest.raises(DataError, match="found 2 values; a paired interval needs at least 3"):
        paired(torch.ones(2))
    with pytest.raises(DataError, match="2 of 3 values are not finite"):
        student(torch.tensor([1.0, torch.nan, torch.inf]))
    with pytest.raises(DataError, match="one number of each sample"):
        bootstrap(torch.ones(3, 2), 0)
    with pytest.raises(ConfigError, match="at least 100"):
        bootstrap(torch.ones(3), 0, 10)
    with pytest.raises(ConfigError, match="at least 2"):
        jackknife(lambda x: 0.0, torch.ones(9, 1), seed=0, blocks=1)
