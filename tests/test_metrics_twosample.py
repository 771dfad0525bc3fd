"""Classifier two-sample test: 0.5 where there is nothing to be told, and power against shifts, shapes and dependence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.twosample import auc_of, two_sample
from gansmith.randomness import stream


def drawn(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=stream(seed, "test"))


def dependent(count: int, width: int, seed: int) -> Tensor:
    """Columns that go in pairs, each of them standard normal."""
    x = drawn(count, width, seed)
    x[:, 1::2] = 0.8 * x[:, 0::2] + 0.6 * x[:, 1::2]
    return x


def test_nothing_to_be_told() -> None:
    found = [two_sample(drawn(80, 6, 2 * i), drawn(80, 6, 2 * i + 1), i) for i in range(20)]
    for estimates in ([e.accuracy for e in found], [e.auc for e in found]):
        values, errors = torch.tensor([e.value for e in estimates]), torch.tensor([(e.high - e.low) / 3.92 for e in estimates])
        assert sum(e.low <= 0.5 <= e.high for e in estimates) >= 16  # 19 expected
        assert float(values.mean()) == pytest.approx(0.5, abs=0.03)
        assert 0.8 < float(errors.mean() / values.std()) < 1.6


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("shifted", drawn(300, 16, 1) + 0.3),
        ("scaled", drawn(300, 16, 1) * 1.4),
        ("shrunk", drawn(300, 16, 1) * 0.7),
        ("dependent", dependent(300, 16, 1)),
        ("heavy tails", drawn(300, 16, 1) ** 3 / 15**0.5),
    ],
)
def test_each_kind_of_difference_is_seen(name: str, other: Tensor) -> None:
    found = two_sample(drawn(300, 16), other, 0)
    assert found.auc.low > 0.6
    assert found.accuracy.low > 0.53


def test_sides_that_have_nothing_in_common_are_always_told_apart() -> None:
    found = two_sample(drawn(60, 3), drawn(60, 3, 1) + 50, 0)
    assert (found.auc.value, found.accuracy.value) == (1, 1)


def test_the_larger_side_gives_no_advantage() -> None:
    found = [two_sample(drawn(400, 4, 2 * i), drawn(40, 4, 2 * i + 1), i).accuracy.value for i in range(10)]
    assert sum(found) / 10 == pytest.approx(0.5, abs=0.08)  # always saying real would be right in 10 of 11 cases


def test_constant_columns_and_all_alike() -> None:
    constant = torch.ones(50, 3)
    assert two_sample(constant, constant, 0).auc.value == 0.5
    x = torch.cat((drawn(60, 2), torch.ones(60, 1)), 1)
    assert 0.2 < two_sample(x, x.flip(0), 0).auc.value < 0.8


def test_the_auc_is_the_share_of_pairs() -> None:
    fake, real = torch.tensor([1.0, 2.0, 2.0, 5.0]), torch.tensor([0.0, 2.0, 3.0])
    pairs = (fake.unsqueeze(1) > real).double() + (fake.unsqueeze(1) == real).double() / 2
    value, variance = auc_of(fake, real)
    assert value == pytest.approx(float(pairs.mean()))
    assert variance == pytest.approx(float(pairs.mean(1).var() / 4 + pairs.mean(0).var() / 3))


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(DataError, match="found 19 fake samples; a two-sample test of 5 folds needs at least 20"):
        two_sample(drawn(30, 2), drawn(19, 2), 0)
    with pytest.raises(ConfigError, match="1 folds"):
        two_sample(drawn(30, 2), drawn(30, 2), 0, 1)
