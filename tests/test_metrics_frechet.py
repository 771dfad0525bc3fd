"""Fréchet distance: Gaussians in closed form, singular covariances, and two independent implementations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.errors import DataError
from gansmith.metrics.frechet import Moments, frechet, frechet_estimate, frechet_infinity, frechet_left_out, frechet_of
from gansmith.metrics.spread import extrapolated, groups, jackknife
from gansmith.randomness import stream


def drawn(count: int, width: int, seed: int = 0, rank: int | None = None) -> Tensor:
    """Correlated features [count, width] of a given rank."""
    source = stream(seed, "test")
    rank = width if rank is None else rank
    return torch.randn(count, rank, generator=source) @ torch.randn(rank, width, generator=source) + torch.randn(width, generator=source)


def distance(a: Tensor, b: Tensor) -> float:
    return frechet(Moments.of([a]), Moments.of([b]))


def white(count: int, width: int) -> Tensor:
    """Features of mean 0 and covariance 1, exactly."""
    x = torch.randn(count, width, dtype=torch.float64, generator=stream(0, "test"))
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / (count - 1)).T)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=6),
    st.integers(0, 9),
)
def test_gaussians_shifted_and_scaled(columns: list[tuple[float, float, float]], seed: int) -> None:
    shift, a, b = torch.tensor(columns, dtype=torch.float64).T
    turn, _ = torch.linalg.qr(torch.randn(len(shift), len(shift), dtype=torch.float64, generator=stream(seed, "turn")))
    x = white(40, len(shift))
    found = distance((x * a) @ turn, (x * b + shift) @ turn)  # deviations of 0 make the covariance singular
    assert found == pytest.approx(float(shift.square().sum() + (a - b).square().sum()), rel=1e-5, abs=1e-6)


def test_a_set_against_itself_is_at_no_distance() -> None:
    for x in (drawn(100, 8), drawn(10, 30), drawn(50, 8, rank=3), torch.ones(9, 4)):
        assert distance(x, x) == pytest.approx(0, abs=1e-9 * float(x.square().sum()))


@pytest.mark.parametrize(("count", "other", "width"), [(200, 300, 16), (500, 80, 40), (400, 400, 64)])
def test_agreement_with_the_root_of_a_matrix(count: int, other: int, width: int) -> None:
    from scipy.linalg import sqrtm

    a, b = Moments.of([drawn(count, width, 0)]), Moments.of([drawn(other, width, 1)])
    root = torch.from_numpy(sqrtm((a.covariance @ b.covariance).numpy()).real)
    wanted = (a.mean - b.mean).square().sum() + (a.covariance + b.covariance - 2 * root).trace()
    assert frechet(a, b) == pytest.approx(float(wanted), rel=1e-7)


@pytest.mark.parametrize(("count", "other", "width"), [(20, 30, 64), (30, 20, 64), (100, 20, 64), (70, 90, 64), (5, 3, 2)])
def test_fewer_samples_than_columns(count: int, other: int, width: int) -> None:
    """With A = X'X and B = Y'Y, tr (A B)^½ is the sum of the singular values of X Y', which needs no covariance at all."""
    a, b = drawn(count, width, 0).double(), drawn(other, width, 1).double()
    a[:, 1], b[:, 1] = 3.0, 5.0  # a constant column
    x, y = (a - a.mean(0)) / (count - 1) ** 0.5, (b - b.mean(0)) / (other - 1) ** 0.5
    wanted = (a.mean(0) - b.mean(0)).square().sum() + x.square().sum() + y.square().sum() - 2 * torch.linalg.svdvals(x @ y.T).sum()
    assert distance(a, b) == pytest.approx(float(wanted), rel=1e-6)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(sum), st.integers(1, 5), st.integers(0, 99))
def test_moments_do_not_depend_on_the_batches(sizes: list[int], width: int, seed: int) -> None:
    x = drawn(sum(sizes), width, seed)
    found = Moments.of(x.split(sizes))
    assert found.count == len(x)
    torch.testing.assert_close(found.mean, x.double().mean(0), rtol=1e-12, atol=1e-12)
    wanted = torch.cov(x.double().T).reshape(width, width) if len(x) > 1 else torch.zeros(width, width, dtype=torch.float64)
    torch.testing.assert_close(found.covariance, wanted, rtol=1e-10, atol=1e-12)
    parts = [Moments.of([part]) for part in x.split(sizes) if len(part)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merged(part)
    assert merged.count == found.count
    torch.testing.assert_close(merged.mean, found.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(merged.covariance, found.covariance, rtol=1e-10, atol=1e-12)


def test_moments_far_from_the_origin_keep_their_digits() -> None:
    x = torch.randn(3000, 300, dtype=torch.float64, generator=stream(0, "test"))
    found = Moments.of((x + 1e7).split(1000))
    torch.testing.assert_close(found.covariance, torch.cov(x.T), rtol=0, atol=1e-8)


@pytest.mark.parametrize("width", [1, 300])
def test_moments_in_pieces(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = drawn(50, width)
    whole = Moments.of([x])
    monkeypatch.setattr("gansmith.metrics.frechet.ROWS", 7)
    monkeypatch.setattr("gansmith.metrics.frechet.COLUMNS", 13)
    torch.testing.assert_close(Moments.of([x]).covariance, whole.covariance)


def test_the_estimate_is_the_jackknife_of_the_distance() -> None:
    a, b = drawn(60, 4, 0), drawn(90, 4, 1)
    found, wanted = frechet_estimate(a, b, 3, 10), jackknife(distance, a, b, seed=3, blocks=10)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high), rel=1e-9)
    assert frechet_infinity(a, b, 3, 10) == extrapolated(*frechet_left_out(a, b, 3, 10))


def test_extrapolation_takes_the_bias_of_few_samples_away() -> None:
    width, truth, found, plain = 24, 24 * 0.04, [], []
    for seed in range(30):
        a, b = torch.randn(2, 300, width, generator=stream(seed, "test"))
        plain.append(distance(a, 1.2 * b))
        found.append(frechet_infinity(a, 1.2 * b, seed))
    values = torch.tensor([e.value for e in found])
    bias = float(torch.tensor(plain).mean()) - truth
    assert bias > 1.0
    assert float(values.mean()) == pytest.approx(truth, abs=0.1 * bias)
    assert sum(e.low <= truth <= e.high for e in found) >= 25
    assert frechet_infinity(a, b, 0).low < 0 < frechet_infinity(a, b, 0).high  # of one distribution


def test_too_few_samples_and_unlike_widths() -> None:
    with pytest.raises(DataError, match="found 1 and 5 samples; a Fréchet distance needs at least 2"):
        distance(drawn(1, 3), drawn(5, 3))
    with pytest.raises(DataError, match="found no samples"):
        Moments.of([torch.ones(0, 3)])
    with pytest.raises(DataError, match="width 4 after width 3"):
        Moments.of([torch.ones(2, 3), torch.ones(2, 4)])
    with pytest.raises(DataError, match=r"differ in width \(3 and 4\)"):
        distance(drawn(5, 3), drawn(5, 4))
    with pytest.raises(DataError, match="found 39 fake samples; the spread of a Fréchet distance needs at least 40"):
        frechet_estimate(drawn(40, 2), drawn(39, 2), 0)


@pytest.mark.filterwarnings("ignore")
def test_agreement_with_torchmetrics() -> None:
    peer = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")
    a, b = drawn(400, 32, 0), drawn(300, 32, 1)

    class Same(torch.nn.Module):
        num_features = 32

        def forward(self, x: Tensor) -> Tensor:
            return x

    metric = peer.FrechetInceptionDistance(feature=Same())
    metric.set_dtype(torch.float64)
    metric.update(a, real=True)
    metric.update(b, real=False)
    assert distance(a, b) == pytest.approx(float(metric.compute()), rel=1e-4)


@pytest.mark.parametrize(("real", "fake"), [(20, 20), (20, 33), (39, 5), (60, 10)])
def test_fewer_samples_than_columns_give_the_same_without_a_matrix_of_columns(real: int, fake: int) -> None:
    source = torch.Generator().manual_seed(0)
    x, y = torch.randn(real, 40, generator=source) + 0.3, 2 * torch.randn(fake, 40, generator=source)
    wanted = frechet(Moments.of([x]), Moments.of([y]))
    assert frechet_of(x, y) == pytest.approx(wanted, rel=1e-6)


def test_left_out_values_do_not_depend_on_the_form() -> None:
    source = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 40, generator=source), torch.randn(30, 40, generator=source) + 1
    whole, left = frechet_left_out(x, y, seed=0, blocks=5)
    pieces = [groups(z, 5, 0) for z in (x, y)]
    assert whole == pytest.approx(frechet(Moments.of([x]), Moments.of([y])), rel=1e-6)
    for out, found in enumerate(left):
        a, b = (torch.cat([p for i, p in enumerate(side) if i != out]) for side in pieces)
        assert found == pytest.approx(frechet(Moments.of([a]), Moments.of([b])), rel=1e-6)
