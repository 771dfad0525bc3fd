"""Neighbours are exact whatever the data and the blocks; precision, recall, density and coverage are the published formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics import neighbours
from gansmith.metrics.neighbours import Manifold, Overlap, closest, nearest, nearest_others, overlap
from gansmith.randomness import stream


def drawn(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=stream(seed, "test"))


def apart(a: Tensor, b: Tensor) -> Tensor:
    """All distances by differences in 64 bits, as one matrix."""
    return (a.double().unsqueeze(1) - b.double()).square().sum(2).sqrt()


def clusters(count: int, width: int, seed: int) -> Tensor:
    """Tight, and far from each other and from the origin: 32 bits see no distances within one."""
    source = stream(seed, "clusters")
    return 1000 * torch.randint(0, 2, (count, 1), generator=source) + 300 + 0.01 * torch.randn(count, width, generator=source)


def outlier(count: int, width: int, seed: int) -> Tensor:
    x = drawn(count, width, seed)
    x[0] = 1e6
    return x


DATA: dict[str, Callable[[int, int, int], Tensor]] = {
    "normal": drawn,
    "far from the origin": lambda n, d, s: drawn(n, d, s) + 1e4,
    "tight clusters": clusters,
    "an outlier": outlier,
    "whole numbers": lambda n, d, s: drawn(n, d, s).round(),
    "each three times": lambda n, d, s: drawn(-(-n // 3), d, s).repeat_interleave(3, 0)[:n],
    "all alike": lambda n, d, s: torch.full((n, d), 0.1),
    "minute": lambda n, d, s: drawn(n, d, s) * 1e-20,
    "huge": lambda n, d, s: drawn(n, d, s) * 1e13,
    "constant column": lambda n, d, s: torch.cat((drawn(n, d, s), torch.full((n, 1), 7e3)), 1),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("width", [1, 6, 200])
def test_neighbours_are_those_of_64_bits(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 32)
    points, queries = DATA[name](90, width, 0), DATA[name](40, width, 1)
    for k in (1, 5):
        found, all_found = nearest(queries, points, k), apart(queries, points)
        torch.testing.assert_close(found.distance, all_found.sort(1).values[:, :k], rtol=1e-12, atol=0)
        torch.testing.assert_close(all_found.gather(1, found.index), found.distance, rtol=1e-12, atol=0)
        others, all_found = nearest_others(points, k), apart(points, points).fill_diagonal_(torch.inf)
        torch.testing.assert_close(others.distance, all_found.sort(1).values[:, :k], rtol=1e-12, atol=0)
        torch.testing.assert_close(all_found.gather(1, others.index), others.distance, rtol=1e-12, atol=0)
        assert all(len(set(row)) == k for row in others.index.tolist())


def test_these_data_would_defeat_32_bits() -> None:
    """Or the test above says nothing of the passage to 64."""
    x = clusters(90, 6, 0)
    seen = neighbours._squared(x, x, neighbours._centre(x), torch.float32).fill_diagonal_(torch.inf).sqrt()
    truth = apart(x, x).fill_diagonal_(torch.inf)
    assert (seen.nan_to_num(0).argmin(1) != truth.argmin(1)).double().mean() > 0.5


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("width", [2, 64, 700])
def test_the_error_of_32_bits_is_within_what_is_allowed_for(name: str, width: int) -> None:
    a, b = DATA[name](200, width, 0), DATA[name](150, width, 1)
    centre = neighbours._centre(b)
    seen = neighbours._squared(a, b, centre, torch.float32).double()
    allowed = neighbours._error(neighbours._squares(a, centre), neighbours._squares(b, centre), width)
    assert ((seen - apart(a, b).square()).abs() <= 0.5 * allowed.unsqueeze(1)).all()


def prdc(real: Tensor, fake: Tensor, k: int) -> dict[str, Tensor]:
    """Equations of arXiv:1904.06991 and arXiv:2002.09797 with whole matrices; balls open, but for their centre."""

    def radius(x: Tensor) -> Tensor:
        return apart(x, x).fill_diagonal_(torch.inf).sort(1).values[:, k - 1]

    d = apart(real, fake)
    in_real, in_fake = (d < radius(real).unsqueeze(1)) | (d == 0), (d < radius(fake)) | (d == 0)
    return {"precision": in_real.any(0), "recall": in_fake.any(1), "density": in_real.sum(0) / k, "coverage": in_real.any(1)}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("k", [1, 5])
def test_overlap_is_the_published_formulas(name: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = DATA[name](90, 6, 0), DATA[name](70, 6, 1)
    fake[:9] = real[:9]
    wanted = prdc(real, fake, k)
    for block, touched in ((2048, 1 << 23), (32, 100), (13, 60)):
        monkeypatch.setattr(neighbours, "BLOCK", block)
        monkeypatch.setattr(neighbours, "TOUCHED", touched)
        found = overlap(Manifold.of(real, k), Manifold.of(fake, k))
        for metric, values in wanted.items():
            torch.testing.assert_close(getattr(found, metric), values.float(), msg=f"{metric} in blocks of {block}")


def means(found: Overlap) -> list[float]:
    return [float(x.mean()) for x in (found.precision, found.recall, found.density, found.coverage)]


@given(st.integers(7, 60), st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_a_set_against_itself_is_perfect(count: int, width: int, k: int, seed: int) -> None:
    own = Manifold.of(drawn(count, width, seed), k)
    assert means(overlap(own, own)) == pytest.approx([1, 1, 1, 1])


def test_samples_that_repeat_more_often_than_k() -> None:
    x = drawn(4, 3).repeat(10, 1)  # balls of no extent
    found = overlap(Manifold.of(x, 5), Manifold.of(x.flip(0), 5))
    assert means(found) == [1, 1, 2, 1]  # a fake lies on 10 real ones, over k


def test_sets_far_apart_share_nothing() -> None:
    assert means(overlap(Manifold.of(drawn(40, 3)), Manifold.of(drawn(50, 3, 1) + 100))) == [0, 0, 0, 0]


def test_a_dropped_mode_is_not_recalled_and_noise_is_not_precise() -> None:
    real = torch.cat((drawn(200, 4), drawn(200, 4, 1) + 20))
    dropped = overlap(Manifold.of(real), Manifold.of(drawn(400, 4, 2)))
    noisy = overlap(Manifold.of(real), Manifold.of(torch.cat((drawn(200, 4, 3), drawn(200, 4, 4) - 20))))
    assert float(dropped.precision.mean()) > 0.85
    assert float(dropped.recall[200:].mean()) == float(dropped.coverage[200:].mean()) == 0
    assert float(noisy.precision[200:].mean()) == float(noisy.density[200:].mean()) == 0


def test_two_draws_of_one_distribution() -> None:
    """Density 1 and coverage 1 - 2^-k, as the paper derives; these are expectations over both sets."""
    found = overlap(Manifold.of(drawn(2000, 8), 3), Manifold.of(drawn(2000, 8, 1), 3))
    assert float(found.density.mean()) == pytest.approx(1, abs=0.06)
    assert float(found.coverage.mean()) == pytest.approx(1 - 2**-3, abs=0.03)


def test_the_manifold_of_a_class() -> None:
    real, fake, labels = drawn(120, 4), drawn(120, 4, 1), torch.arange(120) % 3
    of_class = overlap(Manifold.of(real[labels == 1]), Manifold.of(fake[labels == 1]))
    wanted = prdc(real[labels == 1], fake[labels == 1], 5)
    assert of_class.precision.shape == (40,)
    assert torch.equal(of_class.precision, wanted["precision"].float())


def test_memory_is_that_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    squared = neighbours._squared

    def watched(a: Tensor, b: Tensor, centre: Tensor, dtype: torch.dtype) -> Tensor:
        seen.append(len(a) * len(b))
        return squared(a, b, centre, dtype)

    monkeypatch.setattr(neighbours, "_squared", watched)
    monkeypatch.setattr(neighbours, "BLOCK", 16)
    a, b = drawn(100, 3), clusters(90, 3, 1)
    overlap(Manifold.of(a), Manifold.of(b))
    nearest(a, b, 2)
    assert max(seen) == 16 * 16


def test_the_closest_pairs() -> None:
    training = torch.tensor([[0.0], [10.0], [20.0]])
    fake = torch.tensor([[13.0], [20.5], [-1.0], [40.0]])
    pairs = closest(nearest(fake, training), 3)
    assert [(p.fake, p.training, p.distance) for p in pairs] == [(1, 2, 0.5), (2, 0, 1.0), (0, 1, 3.0)]
    assert len(closest(nearest(fake, training), 9)) == 4


def test_equal_distances_go_to_the_first() -> None:
    found = nearest(torch.tensor([[0.0]]), torch.tensor([[1.0], [-1.0], [1.0], [2.0]]), 3)
    assert found.index.tolist() == [[0, 1, 2]]


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(DataError, match="found 5 given samples; a manifold with k=5 needs at least 6"):
        Manifold.of(drawn(5, 2))
    with pytest.raises(DataError, match="found 2 reference samples; a nearest-neighbour search with k=3 needs at least 3"):
        nearest(drawn(9, 2), drawn(2, 2), 3)
    with pytest.raises(DataError, match="needs at least 4"):
        nearest_others(drawn(3, 2), 3)
    with pytest.raises(ConfigError, match="k is 0"):
        nearest(drawn(9, 2), drawn(2, 2), 0)
    with pytest.raises(DataError, match=r"differ in width \(real 2, fake 3\)"):
        overlap(Manifold.of(drawn(9, 2)), Manifold.of(drawn(9, 3)))


@pytest.mark.filterwarnings("ignore")
def test_agreement_with_the_reference_code() -> None:
    peer = pytest.importorskip("prdc", reason="prdc is not installed")
    real, fake = drawn(300, 32), 0.9 * drawn(250, 32, 1)
    wanted = peer.compute_prdc(real.numpy(), fake.numpy(), 5)
    found = overlap(Manifold.of(real, 5), Manifold.of(fake, 5))
    for metric, value in wanted.items():
        assert float(getattr(found, metric).mean()) == pytest.approx(float(np.float64(value)), rel=1e-4)


@pytest.mark.parametrize("kind", ["normal", "tight clusters", "whole numbers", "each three times", "all alike"])
@pytest.mark.parametrize("k", [1, 4])
def test_a_tree_finds_the_same_distances(kind: str, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    points, queries = DATA[kind](60, 2, 0), DATA[kind](40, 2, 1)
    plain = nearest(queries, points, k).distance, nearest_others(points, k).distance
    monkeypatch.setattr(neighbours, "BLOCK", 16)  # from which number of points on the tree is used
    found, others = nearest(queries, points, k), nearest_others(points, k)
    torch.testing.assert_close(found.distance, plain[0], rtol=1e-9, atol=0)
    torch.testing.assert_close(others.distance, plain[1], rtol=1e-9, atol=0)
    torch.testing.assert_close(apart(queries, points).gather(1, found.index), found.distance, rtol=1e-9, atol=0)
    assert (others.index != torch.arange(60).unsqueeze(1)).all()
