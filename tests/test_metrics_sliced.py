"""Sliced Wasserstein distance: closed forms in one direction and many, and unlike counts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics import sliced
from gansmith.metrics.sliced import sliced_wasserstein
from gansmith.randomness import stream


def drawn(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=stream(seed, "test"))


POINTS = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=12)


@given(POINTS, POINTS)
def test_on_a_line_it_is_the_distance_of_the_quantiles(a: list[float], b: list[float]) -> None:
    """With every sample repeated up to a common count, sorted samples are matched one to one."""
    common = math.lcm(len(a), len(b))
    x, y = (torch.tensor(sorted(v), dtype=torch.float64).repeat_interleave(common // len(v)) for v in (a, b))
    found = sliced_wasserstein(torch.tensor(a).unsqueeze(1), torch.tensor(b).unsqueeze(1), 0, 3)
    assert found == pytest.approx(float((x - y).square().mean().sqrt()), rel=1e-5, abs=1e-4)


def test_a_shift_is_seen_as_its_mean_part_along_a_direction() -> None:
    x, shift = drawn(300, 16), drawn(1, 16, 1)
    found = sliced_wasserstein(x, x + shift, 0, 4000)
    assert found == pytest.approx(float(shift.norm()) / 16**0.5, rel=0.05)
    assert sliced_wasserstein(x, x + 2 * shift, 0, 4000) == pytest.approx(2 * found, rel=1e-4)


def test_scaled_gaussians() -> None:
    found = sliced_wasserstein(drawn(20_000, 3), 1.5 * drawn(20_000, 3, 1), 0, 64)
    assert found == pytest.approx(0.5, abs=0.02)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_repeating_every_sample_changes_nothing(count: int, width: int, times: int, seed: int) -> None:
    a, b = drawn(count, width, seed), drawn(17, width, seed + 1)
    assert sliced_wasserstein(a, b.repeat(times, 1), 0, 20) == pytest.approx(sliced_wasserstein(a, b, 0, 20), rel=1e-6)
    assert sliced_wasserstein(a, a.repeat(times, 1), 0, 20) == 0


def test_directions_are_those_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = drawn(50, 8), drawn(40, 8, 1)
    whole = sliced_wasserstein(a, b, 0, 100)
    assert whole == sliced_wasserstein(a, b, 0, 100)
    assert whole != sliced_wasserstein(a, b, 1, 100)
    monkeypatch.setattr(sliced, "AT_ONCE", 7)
    assert sliced_wasserstein(a, b, 0, 100) == pytest.approx(whole, rel=1e-6)


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(DataError, match="found 0 fake samples; a sliced Wasserstein distance needs at least 1"):
        sliced_wasserstein(drawn(3, 2), drawn(0, 2), 0)
    with pytest.raises(ConfigError, match="0 directions"):
        sliced_wasserstein(drawn(3, 2), drawn(3, 2), 0, 0)
