"""Schedules: where they start and end, what lies half way, and that they never leave the two."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.schedules import cosine, log_linear, within

ends = st.floats(1e-6, 1e6)
shares = st.floats(-1, 2)
both = pytest.mark.parametrize("schedule", [cosine, log_linear])
Schedule = Callable[[float, float, float], float]


@both
@given(start=ends, end=ends)
def test_it_goes_from_start_to_end_and_stays_there(schedule: Schedule, start: float, end: float) -> None:
    rounding = 1e-12 * max(start, end)
    assert schedule(start, end, 0.0) == pytest.approx(start, abs=rounding)
    assert schedule(start, end, 1.0) == pytest.approx(end, abs=rounding)
    assert schedule(start, end, -1.0) == schedule(start, end, 0.0)
    assert schedule(start, end, 2.0) == schedule(start, end, 1.0)


@both
@given(start=ends, end=ends, a=shares, b=shares)
def test_it_moves_one_way_between_the_two(schedule: Schedule, start: float, end: float, a: float, b: float) -> None:
    early, late = (schedule(start, end, s) for s in sorted((a, b)))
    slack = 1e-9 * max(start, end)
    assert min(start, end) - slack <= late <= max(start, end) + slack
    assert early <= late + slack if start <= end else late <= early + slack


def test_half_way_is_the_mean_of_the_cosine_and_the_geometric_mean_of_the_other() -> None:
    assert cosine(2.0, 8.0, 0.5) == pytest.approx(5.0)
    assert log_linear(2.0, 8.0, 0.5) == pytest.approx(4.0)


def test_the_cosine_is_flat_at_both_ends_and_steepest_between() -> None:
    assert cosine(1.0, 0.0, 1e-3) == pytest.approx(1.0 - (math.pi * 1e-3) ** 2 / 4, abs=1e-9)
    assert cosine(1.0, 0.0, 1 - 1e-3) == pytest.approx((math.pi * 1e-3) ** 2 / 4, abs=1e-9)
    slope = (cosine(1.0, 0.0, 0.501) - cosine(1.0, 0.0, 0.499)) / 0.002
    assert slope == pytest.approx(-math.pi / 2, rel=1e-5)


@given(share=shares, power=st.floats(1.0, 4.0))
def test_a_power_takes_what_is_left_of_the_cosine_to_it(share: float, power: float) -> None:
    assert cosine(1.0, 0.0, share, power) == pytest.approx(cosine(1.0, 0.0, share) ** power)
    assert cosine(3.0, 1.0, share, power) == pytest.approx(1.0 + 2.0 * cosine(1.0, 0.0, share) ** power)
    assert cosine(1.0, 0.0, share, power) <= cosine(1.0, 0.0, share)


def test_log_linear_loses_the_same_factor_in_equal_times() -> None:
    values = [log_linear(3e-3, 3e-4, s / 10) for s in range(11)]
    ratios = [b / a for a, b in pairwise(values)]
    assert ratios == pytest.approx([10**-0.1] * 10)


def test_log_linear_is_linear_where_an_end_is_0() -> None:
    assert log_linear(0.0, 4.0, 0.25) == 1.0
    assert log_linear(4.0, 0.0, 0.25) == 3.0
    assert log_linear(0.0, 0.0, 0.5) == 0.0


def test_within_counts_the_first_part_alone() -> None:
    assert [within(s, 0.2) for s in (-0.1, 0.0, 0.1, 0.2, 0.9)] == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])
    assert within(0.0, 0.0) == 1.0
