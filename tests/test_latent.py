"""Latents: a row depends on its place alone, walks keep to the sphere they lie near, and directions and the search are closed forms."""

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


@given(st.floats(0, 1))
def test_styles_are_truncated_towards_their_mean(psi: float) -> None:
    w, mean = torch.randn(100, 3) + 5, torch.tensor([5.0, 4.0, 6.0])
    torch.testing.assert_close(latent.truncate(w, psi, mean) - mean, psi * (w - mean), atol=1e-5, rtol=1e-5)
    assert torch.equal(latent.truncate(w, 1.0, mean), w)
    assert torch.equal(latent.truncate(w, 0.0, mean), mean.expand(100, 3))


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


def test_directions_of_a_map_along_the_axes_are_the_axes() -> None:
    vectors, values = latent.directions(torch.tensor([[0.0, -2.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]))
    torch.testing.assert_close(vectors, torch.eye(3)[[2, 1, 0]])
    torch.testing.assert_close(values, torch.tensor([9.0, 4.0, 1.0]))


@given(rows=st.integers(1, 12), size=st.integers(1, 12), seed=st.integers(0, 99))
def test_directions_are_the_strongest_there_are_and_at_right_angles(rows: int, size: int, seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    a = torch.randn(rows, size, generator=source)
    vectors, values = latent.directions(a)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(size), atol=1e-5, rtol=0)
    torch.testing.assert_close((vectors @ a.T).square().sum(1), values, atol=1e-4, rtol=1e-4)
    assert (values.diff() <= 0).all()
    assert (values >= 0).all()
    any_way = torch.nn.functional.normalize(torch.randn(50, size, generator=source))
    assert ((any_way @ a.T).square().sum(1) <= values[0] * (1 + 1e-4)).all()
    again, _ = latent.directions(-a)
    assert torch.equal(vectors, again)  # neither end comes first by chance


@pytest.mark.parametrize("size", [1, 2, 4, 64, 512])
def test_nearly_every_drawn_latent_is_drawable_and_stays(size: int) -> None:
    z = latent.draw(0, "sample", 0, 4000, size)
    moved = (latent.drawable(z) - z).norm(dim=1) > 1e-4
    assert moved.float().mean() < 0.01
    far = latent.drawable(torch.cat((z * 100, z / 100)))
    root = size**0.5
    assert far.norm(dim=1).max() == pytest.approx(root + latent.SLACK, rel=1e-4)
    assert far.norm(dim=1).min() >= max(root - latent.SLACK, 0) - 1e-4
    torch.testing.assert_close(torch.cosine_similarity(far[:4000], z), torch.ones(4000))


def test_a_descent_reaches_the_foot_of_a_bowl() -> None:
    foot, steep = latent.drawable(latent.draw(0, "bowl", 0, 5, 8)), torch.linspace(0.5, 5, 8)  # no latent goes beyond these lengths

    def bowl(z: Tensor) -> Tensor:
        return ((z - foot).square() * steep).sum(1)

    steps: list[int] = []
    found, cost = latent.descend(bowl, torch.zeros(5, 8) + 1, 300, 0.1, lambda: steps.append(1))
    torch.testing.assert_close(found, foot, atol=1e-3, rtol=0)
    assert cost.shape == (5,)
    assert cost.max() < 1e-5
    assert len(steps) == 300


def test_a_descent_keeps_the_best_and_each_row_goes_its_own_way() -> None:
    aims = torch.tensor([[30.0, 0.0, 0.0], [0.0, 1.0, 1.0]])  # the first is longer than any latent that is drawn
    start = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])

    def cost(z: Tensor, to: Tensor = aims) -> Tensor:
        return (z - to).square().sum(1)

    found, least = latent.descend(cost, start, 200, 0.3)
    torch.testing.assert_close(found[0], torch.tensor([3**0.5 + latent.SLACK, 0.0, 0.0]), atol=1e-2, rtol=0)
    assert torch.equal(found[1], latent.drawable(start)[1])  # where it began it was best
    torch.testing.assert_close(least, cost(found), atol=1e-6, rtol=1e-6)
    alone, _ = latent.descend(lambda z: cost(z, aims[:1]), start[:1], 200, 0.3)
    torch.testing.assert_close(alone[0], found[0])
