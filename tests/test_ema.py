"""The moving average: its half-life is exact and does not depend on the batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith.ema import ema_beta, update


@given(batch=st.integers(1, 512), steps=st.integers(1, 100))
def test_half_the_past_is_forgotten_in_a_half_life(batch: int, steps: int) -> None:
    beta = ema_beta(batch, batch * steps)
    assert beta**steps == pytest.approx(0.5)


@given(batch=st.integers(1, 512), halflife=st.floats(1.0, 1e7))
def test_two_half_batches_weigh_as_one_batch(batch: int, halflife: float) -> None:
    assert ema_beta(batch, halflife) ** 2 == pytest.approx(ema_beta(2 * batch, halflife))


def test_two_updates_with_half_a_batch_are_one_with_a_whole() -> None:
    live = torch.randn(7, dtype=torch.float64)
    halves, whole = torch.zeros(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
    for _ in range(2):
        update(halves, live, ema_beta(32, 1000))
    update(whole, live, ema_beta(64, 1000))
    torch.testing.assert_close(halves, whole)


def test_an_update_keeps_beta_of_the_average_in_place() -> None:
    average, live = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 4.0])
    where = average.data_ptr()
    update(average, live, 0.75)
    torch.testing.assert_close(average, torch.tensor([0.75, 1.0]))
    assert average.data_ptr() == where
    assert torch.equal(live, torch.tensor([0.0, 4.0]))


def test_the_average_of_still_weights_comes_to_them() -> None:
    average, live, beta = torch.zeros(3), torch.ones(3), ema_beta(10, 50)
    for _ in range(5):  # one half-life
        update(average, live, beta)
    torch.testing.assert_close(average, torch.full((3,), 0.5))


def test_a_half_life_of_0_is_the_live_weights() -> None:
    assert ema_beta(64, 0) == 0.0
    average, live = torch.zeros(3), torch.randn(3)
    update(average, live, 0.0)
    assert torch.equal(average, live)
