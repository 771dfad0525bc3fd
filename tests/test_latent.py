"""Latents: a row depends on its place alone, and walks between them keep to the sphere they lie near."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith import latent
from gansmith.errors import ConfigError


@pytest.fixture(scope="module")
def table() -> Tensor:
    return latent.draw(3, "sample", 0, 400, 5)


@given(start=st.integers(0, 399), count=st.integers(0, 400))
def test_a_row_depends_on_its_place_alone(table: Tensor, start: int, count: int) -> None:
    count = min(count, 400 - start)
    assert torch.equal(latent.draw(3, "sample", start, count, 5), table[start : start + count])


@given(cuts=st.lists(st.integers(0, 300), max_size=6), size=st.integers(1, 40))
def test_pieces_put_together_are_the_whole(cuts: list[int], size: int) -> None:
    edges = [0, *sorted(cuts), 300]
    pieces = [latent.draw(0, "sample", a, b - a, size) for a, b in pairwise(edges)]
    assert torch.equal(torch.cat(pieces), latent.draw(0, "sample", 0, 300, size))


def test_seed_and_purpose_make_other_rows() -> None:
    rows = latent.draw(0, "sample", 0, 8, 4)
    assert not torch.equal(rows, latent.draw(1, "sample", 0, 8, 4))
    assert not torch.equal(rows, latent.draw(0, "preview", 0, 8, 4))
    assert len(latent.draw(0, "sample", 0, 1000, 4).unique(dim=0)) == 1000


def test_rows_are_standard_normals() -> None:
    z = latent.draw(0, "sample", 0, 20_000, 10).double()
    assert z.mean(0).abs().max() < 5 / 20_000**0.5
    assert (z.T @ z / 20_000 - torch.eye(10)).abs().max() < 6 * (2 / 20_000) ** 0.5
    assert (z**4).mean().item() == pytest.approx(3.0, abs=0.1)


@given(st.floats(0, 1))
def test_truncation_shrinks_the_deviation_and_nothing_else(psi: float) -> None:
    z = torch.randn(100, 3)
    torch.testing.assert_close(latent.truncate(z, psi).std(0), psi * z.std(0))
    assert torch.equal(latent.truncate(z, 1.0), z)
    assert not latent.truncate(z, 0.0).any()


@pytest.mark.parametrize("psi", [-0.1, 1.1, math.nan])
def test_a_truncation_out_of_range_is_refused(psi: float) -> None:
    with pytest.raises(ConfigError, match="between 0"):
        latent.truncate(torch.zeros(1, 2), psi)


def test_half_way_between_two_axes_is_their_diagonal() -> None:
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    torch.testing.assert_close(latent.slerp(a, b, 0.5), torch.tensor([2.0, 2.0]) / 2**0.5)
    torch.testing.assert_close(latent.slerp(a, b, 1 / 3), 2 * torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)]))


vectors = st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3).map(torch.tensor)


@given(vectors, vectors, st.floats(0, 1))
def test_the_length_moves_evenly_and_the_ends_are_met(a: Tensor, b: Tensor, t: float) -> None:
    if min(a.norm(), b.norm()) < 1e-3:
        return  # a point without a direction
    a, b = a.double(), b.double()
    found = latent.slerp(a, b, t)
    torch.testing.assert_close(found.norm(), (1 - t) * a.norm() + t * b.norm())
    torch.testing.assert_close(latent.slerp(a, b, 0.0), a)
    torch.testing.assert_close(latent.slerp(a, b, 1.0), b, atol=1e-5, rtol=1e-5)


@given(vectors, vectors)
def test_the_angle_moves_evenly(a: Tensor, b: Tensor) -> None:
    if min(a.norm(), b.norm()) < 1e-3:
        return
    a, b = a.double() / a.norm().double(), b.double() / b.norm().double()
    points = torch.stack([latent.slerp(a, b, t / 4) for t in range(5)])
    steps = (points[1:] - points[:-1]).norm(dim=1)  # equal chords on a circle
    torch.testing.assert_close(steps, steps.mean().expand(4), atol=1e-5, rtol=1e-5)


def test_between_opposite_latents_there_is_a_way_round() -> None:
    a = torch.randn(4, 6)
    torch.testing.assert_close(latent.slerp(a, -a, 0.5).norm(dim=1), a.norm(dim=1))
    torch.testing.assert_close((latent.slerp(a, -a, 0.5) * a).sum(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(latent.slerp(a, -a, 1.0), -a, atol=1e-5, rtol=1e-5)


def test_a_path_goes_through_every_latent_along_the_arcs() -> None:
    z = torch.randn(4, 16)
    found = latent.path(z, 5)
    assert found.shape == (16, 16)
    assert torch.equal(found[::5], z)
    for i in range(16):
        leg, part = min(i // 5, 2), i / 5
        torch.testing.assert_close(found[i], latent.slerp(z[leg], z[leg + 1], part - leg), atol=1e-5, rtol=1e-5)


def test_a_path_of_few_latents_or_steps() -> None:
    z = torch.randn(3, 4)
    assert torch.equal(latent.path(z, 1), z)
    assert torch.equal(latent.path(z[:1], 7), z[:1])
    with pytest.raises(ConfigError, match="at least 1"):
        latent.path(z, 0)
