"""Kernel distance: the sums written out, no bias, and the jackknife in one pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics import kernel
from gansmith.metrics.kernel import kernel_distance, mmd2, mmd2_estimate
from gansmith.metrics.spread import jackknife
from gansmith.randomness import stream


def drawn(count: int, width: int, seed: int = 0, shift: float = 0.0) -> Tensor:
    return torch.randn(count, width, generator=stream(seed, "test")) + shift


def written_out(x: Tensor, y: Tensor) -> float:
    """Equation 4 of the paper, in 64 bits, with whole matrices."""
    x, y = x.double(), y.double()
    n, m, d = len(x), len(y), x.shape[1]
    xx, yy, xy = (x @ x.T / d + 1) ** 3, (y @ y.T / d + 1) ** 3, (x @ y.T / d + 1) ** 3
    return float((xx.sum() - xx.trace()) / (n * (n - 1)) + (yy.sum() - yy.trace()) / (m * (m - 1)) - 2 * xy.mean())


def test_two_points() -> None:
    assert mmd2(torch.zeros(2, 1), torch.ones(3, 1)) == pytest.approx(1 + 8 - 2)  # k(0, 0) = 1, k(1, 1) = 2³, k(0, 1) = 1
    assert mmd2(torch.full((2, 4), 3.0), torch.full((5, 4), 3.0)) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(("count", "other", "width"), [(2, 2, 1), (50, 70, 3), (200, 90, 300)])
def test_agreement_with_the_sums_written_out(count: int, other: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = drawn(count, width), drawn(other, width, 1, 0.5)
    assert mmd2(a, b) == pytest.approx(written_out(a, b), rel=1e-4)
    monkeypatch.setattr(kernel, "ROWS", 32)
    assert mmd2(a, b) == pytest.approx(written_out(a, b), rel=1e-4)


def test_no_bias() -> None:
    """Of one distribution the mean over draws is 0 at any count; with the pairs of a sample with itself it would be above 1."""
    found = torch.tensor([mmd2(drawn(12, 2, 2 * i), drawn(30, 2, 2 * i + 1)) for i in range(600)])
    assert abs(float(found.mean())) < 3 * float(found.std()) / 600**0.5
    assert float(found.std()) / 600**0.5 < 0.05


def test_the_estimate_is_the_jackknife_of_all_pairs() -> None:
    a, b = drawn(60, 5), drawn(83, 5, 1, 0.3)
    found, wanted = mmd2_estimate(a, b, 3, 10), jackknife(mmd2, a, b, seed=3, blocks=10)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high), rel=1e-4)


def test_the_interval_covers() -> None:
    truth = mmd2(drawn(4000, 3, 1000), drawn(4000, 3, 1001, 0.4))
    found = [mmd2_estimate(drawn(150, 3, 2 * i), drawn(150, 3, 2 * i + 1, 0.4), i) for i in range(60)]
    assert sum(e.low <= truth <= e.high for e in found) >= 51


def test_subsets_summed_together_are_subsets_summed_apart() -> None:
    a, b = drawn(60, 4), drawn(50, 4, 1, 0.3)
    together = kernel_distance(a, b, 7, subsets=12, size=20)  # 12 · 20² is more than 60 · 50, 5 · 20² is not
    apart = kernel_distance(a, b, 7, subsets=5, size=20)
    torch.testing.assert_close(together[:5], apart, rtol=1e-4, atol=1e-5)
    assert together.shape == (12,)
    assert len(together.unique()) == 12


def test_one_subset_of_all_is_all() -> None:
    a, b = drawn(40, 4), drawn(40, 4, 1, 0.3)
    torch.testing.assert_close(kernel_distance(a, b, 0, 1, 40), torch.tensor([mmd2(a, b)], dtype=torch.float64), rtol=1e-4, atol=0)


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(DataError, match="found 1 fake samples; a kernel distance needs at least 2"):
        mmd2(drawn(5, 2), drawn(1, 2))
    with pytest.raises(DataError, match="found 60 real samples; a kernel distance over subsets of 1000 needs at least 1000"):
        kernel_distance(drawn(60, 2), drawn(1000, 2), 0)
    with pytest.raises(DataError, match="found 19 real samples; the spread of a kernel distance needs at least 20"):
        mmd2_estimate(drawn(19, 2), drawn(20, 2), 0, 10)
    with pytest.raises(DataError, match="too large for the cubic kernel"):
        mmd2(drawn(5, 2) * 1e9, drawn(5, 2))
    with pytest.raises(ConfigError, match="0 subsets"):
        kernel_distance(drawn(60, 2), drawn(60, 2), 0, 0, 10)


@pytest.mark.filterwarnings("ignore")
def test_agreement_with_torchmetrics() -> None:
    peer = pytest.importorskip("torchmetrics.image.kid", reason="torchmetrics is not installed")
    a, b = drawn(200, 32), drawn(200, 32, 1, 0.2)

    class Same(torch.nn.Module):
        num_features = 32

        def forward(self, x: Tensor) -> Tensor:
            return x

    metric = peer.KernelInceptionDistance(feature=Same(), subsets=1, subset_size=200)
    metric.set_dtype(torch.float64)
    metric.update(a.double(), real=True)
    metric.update(b.double(), real=False)
    assert mmd2(a, b) == pytest.approx(float(metric.compute()[0]), rel=1e-4)
