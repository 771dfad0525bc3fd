"""Copies are told from new samples, and a perfect generator is not accused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.neighbours import (
    Distances,
    Neighbours,
    _mann_whitney,
    authenticity,
    data_copying,
    distance_ratio,
    near_copies,
)
from gansmith.randomness import stream
from gansmith.records import Estimate

WIDTH = 8


def drawn(count: int, seed: int = 0) -> Tensor:
    """Samples of five clusters."""
    source = stream(seed, "test")
    return torch.randn(count, WIDTH, generator=source) + 4 * torch.eye(5, WIDTH)[torch.randint(5, (count,), generator=source)]


def noise(count: int) -> Tensor:
    return torch.randn(count, WIDTH, generator=stream(0, "noise"))


TRAINING, HELD_OUT = drawn(600, 1), drawn(200, 2)
GENERATORS = {
    "perfect": drawn(300, 3),
    "copies": TRAINING[:300],
    "near copies": TRAINING[:300] + 0.05 * noise(300),
    "a fifth are copies": torch.cat((drawn(240, 3), TRAINING[:60])),
    "a few repeated": TRAINING[:3].repeat(100, 1),
    "noise": 4 * noise(300) + 10,
}
FOUND = {name: Distances.of(fake, TRAINING, HELD_OUT) for name, fake in GENERATORS.items()}


def copying(name: str, cells: int = 10) -> Estimate:
    return data_copying(FOUND[name], GENERATORS[name], TRAINING, HELD_OUT, 0, cells)


def test_a_perfect_generator_is_not_accused() -> None:
    found = FOUND["perfect"]
    ratio = distance_ratio(found)
    assert ratio.low <= 1 <= ratio.high
    assert ratio.value == pytest.approx(1, abs=0.05)
    assert not copying("perfect").excludes_zero
    copies = near_copies(found)
    assert float(copies.copies.mean()) == pytest.approx(copies.expected, abs=0.05)
    usual = float(authenticity(Distances.of(HELD_OUT, TRAINING, drawn(200, 4))).mean())  # of real samples in the place of fake ones
    assert float(authenticity(found).mean()) == pytest.approx(usual, abs=0.12)
    assert 0.3 < usual < 0.8


@pytest.mark.parametrize("name", ["copies", "near copies", "a few repeated"])
def test_copiers_fail_every_test(name: str) -> None:
    found = FOUND[name]
    assert float(authenticity(found).mean()) == 0
    assert distance_ratio(found).high < 0.2
    assert copying(name).high < -2
    assert float(near_copies(found).copies.mean()) == 1


def test_exact_copies_are_at_no_distance() -> None:
    assert not FOUND["copies"].fake_to_training.distance.any()
    assert FOUND["copies"].fake_to_training.index[:, 0].tolist() == list(range(300))
    assert distance_ratio(FOUND["copies"]).value == 0


def test_a_fifth_of_copies_is_counted() -> None:
    copies = near_copies(FOUND["a fifth are copies"])
    assert float(copies.copies.mean()) == pytest.approx(0.2 + 0.8 * copies.expected, abs=0.04)
    assert float(authenticity(FOUND["a fifth are copies"])[240:].mean()) == 0


def test_noise_is_no_copy() -> None:
    assert float(near_copies(FOUND["noise"]).copies.mean()) == 0
    assert float(authenticity(FOUND["noise"]).mean()) == 1
    assert copying("noise").low > 2
    assert distance_ratio(FOUND["noise"]).low > 0.95


def test_a_larger_training_set_changes_no_ratio() -> None:
    """Its samples are nearer, to fake and held-out ones alike."""
    values = [distance_ratio(Distances.of(drawn(400, 3), drawn(count, 1), drawn(300, 2))).value for count in (100, 300, 3000)]
    assert values == pytest.approx([1, 1, 1], abs=0.06)


# --- on distances made up -------------------------------------------------------------------------------------------------------------


def made_up(fake: Tensor, held_out: Tensor) -> Distances:
    """With these distances to the training set, and all others 1."""
    fake, held_out = fake.double(), held_out.double()
    near = Neighbours(fake.unsqueeze(1), torch.arange(len(fake)).unsqueeze(1))
    return Distances(near, torch.ones_like(fake), torch.ones_like(fake), held_out, torch.ones_like(held_out))


@pytest.mark.parametrize(("count", "quantile", "whole"), [(19, 0.05, False), (20, 0.05, False), (50, 0.1, False), (50, 0.1, True)])
def test_the_expected_share_is_exact(count: int, quantile: float, whole: bool) -> None:
    source, shares, expected = stream(0, "test"), [], []
    for _ in range(2000):
        x = torch.rand(count + 20, generator=source) * 10
        found = near_copies(made_up(*((x.ceil() if whole else x).split((20, count)))), quantile)
        shares.append(float(found.copies.mean()))
        expected.append(found.expected)
    error = float(torch.tensor(shares).std()) / 2000**0.5
    if whole:  # where distances are equal, the share of those at the threshold is itself estimated, one short of the count
        assert sum(shares) / 2000 == pytest.approx(sum(expected) / 2000 * (count + 1) / count, abs=4 * error)
    else:
        assert set(expected) == {int(quantile * (count + 1) + 1e-9) / (count + 1)}
        assert sum(shares) / 2000 == pytest.approx(expected[0], abs=4 * error)


def test_the_ratio_and_its_interval_are_those_of_the_delta_method() -> None:
    source = stream(0, "test")
    found = [distance_ratio(made_up(1 + torch.rand(40, generator=source), 2 + torch.rand(60, generator=source))) for _ in range(400)]
    values = torch.tensor([e.value for e in found])
    errors = torch.tensor([(e.high - e.value) / 1.96 for e in found])
    assert float(values.mean()) == pytest.approx(1.5 / 2.5, abs=0.005)
    assert float(errors.mean()) == pytest.approx(float(values.std()), rel=0.15)


@given(st.lists(st.integers(0, 8), min_size=2, max_size=30), st.lists(st.integers(0, 8), min_size=2, max_size=30))
def test_mann_whitney_is_that_of_scipy(a: list[int], b: list[int]) -> None:
    from scipy.special import ndtr
    from scipy.stats import mannwhitneyu

    found = _mann_whitney(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
    if len({*a, *b}) == 1:
        assert found == 0
        return
    wanted = mannwhitneyu(a, b, use_continuity=False, method="asymptotic", alternative="less").pvalue
    assert float(ndtr(found)) == pytest.approx(wanted, rel=1e-9)


def test_copying_is_beyond_chance_as_often_as_it_says() -> None:
    source, accused = stream(0, "test"), 0
    for _ in range(300):
        x = torch.rand(140, generator=source)
        features = torch.zeros(140, 1)
        accused += data_copying(made_up(x[:60], x[60:]), features[:60], features[:60], features[60:], 0, 1).excludes_zero
    assert accused / 300 == pytest.approx(0.05, abs=0.035)


def test_copying_in_one_region_is_seen_in_its_cell() -> None:
    """Elsewhere samples lie off the data by as much, so that over all they look as far as held-out ones."""
    where = torch.cat((torch.zeros(100, 1), torch.ones(100, 1)))
    held_out = torch.rand(200, generator=stream(0, "test")) + 1
    copied = made_up(torch.cat((held_out[:100] - 1, held_out[100:] + 1)), held_out)
    alone = made_up(torch.cat((held_out[:100] - 1, held_out[100:])), held_out)
    one, two = (data_copying(copied, where, where, where, 0, cells) for cells in (1, 2))
    assert abs(one.value) < 2
    assert abs(two.value) < 1e-9  # C_T is a mean: -z in one cell, z in the other
    assert data_copying(alone, where, where, where, 0, 2).value == pytest.approx(_mann_whitney(held_out[:100] - 1, held_out[:100]) / 2)


def test_cells_with_few_samples_are_left_out() -> None:
    where = torch.cat((torch.zeros(190, 1), torch.ones(10, 1)))
    x = torch.rand(200, generator=stream(0, "test"))
    found = data_copying(made_up(x - 1, x + 1), where, where, where, 0, 2)
    assert found.value == pytest.approx(_mann_whitney(x[:190] - 1, x[:190] + 1))
    assert (found.high - found.low) / 2 == pytest.approx(1.96, abs=0.001)
    with pytest.raises(DataError, match="no region holds 20 fake and 20 held-out samples"):
        data_copying(made_up(x, x), torch.ones(200, 1), where, where, 0, 2)


def test_what_cannot_be_done_is_told() -> None:
    few = made_up(torch.ones(30), torch.ones(18))
    with pytest.raises(DataError, match=r"found 18 held-out samples; near-copies at quantile 0.05 need at least 19"):
        near_copies(few)
    with pytest.raises(ConfigError, match="quantile is 2"):
        near_copies(few, 2.0)
    with pytest.raises(DataError, match="found 18 held out samples; a data-copying test needs at least 20"):
        data_copying(few, torch.ones(30, 1), torch.ones(30, 1), torch.ones(18, 1), 0)
    with pytest.raises(DataError, match="found 1 training samples; a test of originality needs at least 2"):
        Distances.of(torch.ones(3, 1), torch.ones(1, 1), torch.ones(3, 1))
    with pytest.raises(DataError, match="found 1 fake samples; a distance ratio needs at least 2"):
        distance_ratio(Distances.of(torch.zeros(1, 1), drawn(9)[:, :1], drawn(9, 1)[:, :1]))
    alike = Distances.of(torch.ones(3, 1), torch.ones(3, 1), torch.ones(3, 1))
    with pytest.raises(DataError, match="all fake samples coincide with real ones"):
        distance_ratio(alike)
