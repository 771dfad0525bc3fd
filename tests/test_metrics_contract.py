"""What every metric owes: one clear sentence for bad features, the same number again, and no number where the question has not changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gansmith.errors import DataError
from gansmith.metrics.checks import check
from gansmith.metrics.frechet import Moments, frechet, frechet_estimate, frechet_infinity
from gansmith.metrics.kernel import kernel_distance, mmd2, mmd2_estimate
from gansmith.metrics.neighbours import Distances, Manifold, authenticity, data_copying, distance_ratio, near_copies, nearest, overlap
from gansmith.metrics.sliced import sliced_wasserstein
from gansmith.metrics.twosample import two_sample
from gansmith.randomness import stream

Metric = Callable[[Tensor, Tensor], float]


def balls(values: str) -> Metric:
    return lambda real, fake: float(getattr(overlap(Manifold.of(real, 3), Manifold.of(fake, 3)), values).mean())


def original(metric: Callable[[Distances, Tensor, Tensor, Tensor], float]) -> Metric:
    """Half of the real samples are the training set, half are held out."""

    def measured(real: Tensor, fake: Tensor) -> float:
        training, held_out = real.chunk(2)
        return metric(Distances.of(fake, training, held_out), fake, training, held_out)

    return measured


@dataclass(frozen=True)
class Known:
    """A metric, and what may be done to the features of both sides without changing it."""

    metric: Metric
    shuffled: bool = True  # the samples of a side in another order, also up to the random choice that a seed makes
    moved: bool = True
    turned: bool = True
    power: float | None = 0.0  # of a common factor that comes out of the metric; None: no such rule
    dtype: torch.dtype = torch.float64  # in which a turn leaves all distances as they are, to the last digits that count


METRICS = {
    "fréchet": Known(lambda a, b: frechet(Moments.of([a]), Moments.of([b])), power=2),
    "fréchet estimate": Known(lambda a, b: frechet_estimate(a, b, 0, 10).high, shuffled=False, power=2),
    "fréchet infinity": Known(lambda a, b: frechet_infinity(a, b, 0, 10).value, shuffled=False, power=2),
    "mmd²": Known(mmd2, moved=False, power=None, dtype=torch.float32),
    "mmd² estimate": Known(lambda a, b: mmd2_estimate(a, b, 0, 10).high, False, moved=False, power=None, dtype=torch.float32),
    "kernel distance": Known(
        lambda a, b: float(kernel_distance(a, b, 0, 5, 20).mean()), False, moved=False, power=None, dtype=torch.float32
    ),
    "sliced": Known(lambda a, b: sliced_wasserstein(a, b, 0, 50), turned=False, power=1, dtype=torch.float32),
    "precision": Known(balls("precision")),
    "recall": Known(balls("recall")),
    "density": Known(balls("density")),
    "coverage": Known(balls("coverage")),
    "two-sample": Known(lambda a, b: two_sample(a, b, 0).auc.value, shuffled=False, turned=False),
    "authenticity": Known(original(lambda d, *_: float(authenticity(d).mean())), shuffled=False),
    "distance ratio": Known(original(lambda d, *_: distance_ratio(d).value), shuffled=False),
    "near-copies": Known(original(lambda d, *_: float(near_copies(d, 0.2).copies.mean())), shuffled=False),
    "data copying": Known(original(lambda d, f, t, h: data_copying(d, f, t, h, 0).value), shuffled=False),
    "nearest": Known(lambda a, b: float(nearest(a, b).distance.mean()), power=1),
}


def sides(seed: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    source = stream(seed, "test")
    real, fake = torch.randn(50, width, generator=source, dtype=dtype), torch.randn(45, width, generator=source, dtype=dtype)
    return real, 1.3 * fake + 0.5


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=8)
@given(seed=st.integers(0, 999), width=st.integers(1, 6), exponent=st.integers(-6, 6))
def test_what_does_not_change_a_metric(name: str, seed: int, width: int, exponent: int) -> None:
    known, source = METRICS[name], stream(seed, "changes")
    real, fake = sides(seed, width, known.dtype)
    before = known.metric(real, fake)
    near = {"rel": 1e-6 if known.dtype == torch.float64 else 2e-3, "abs": 1e-9 if known.dtype == torch.float64 else 1e-4}
    assert known.metric(real.clone(), fake.clone()) == before
    if known.shuffled:
        assert known.metric(real[torch.randperm(50, generator=source)], fake[torch.randperm(45, generator=source)]) == pytest.approx(
            before, **near
        )
    if known.moved:
        shift = torch.randn(width, generator=source, dtype=known.dtype)
        assert known.metric(real + shift, fake + shift) == pytest.approx(before, **near)
    if known.turned:
        turn, _ = torch.linalg.qr(torch.randn(width, width, generator=source, dtype=known.dtype))
        assert known.metric(real @ turn, fake @ turn) == pytest.approx(before, **near)
    if known.power is not None:
        factor = 2.0**exponent
        assert known.metric(real * factor, fake * factor) == pytest.approx(before * factor**known.power, **near)


@pytest.mark.parametrize("name", METRICS)
def test_features_that_are_views_count_as_their_copies(name: str) -> None:
    real, fake = sides(0, 6, torch.float32)
    metric = METRICS[name].metric
    assert metric(real[:, ::2], fake.T[1::2].T) == pytest.approx(metric(real[:, ::2].clone(), fake[:, 1::2].clone()), rel=1e-5)


@pytest.mark.parametrize("name", METRICS)
def test_constant_columns_are_borne(name: str) -> None:
    real, fake = (torch.cat((x, torch.full((len(x), 2), 3.0)), 1) for x in sides(0, 4, torch.float32))
    assert torch.tensor(METRICS[name].metric(real, fake)).isfinite()


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_rows_that_are_not_finite_are_counted(name: str, side: int, value: float) -> None:
    both = sides(0, 4, torch.float32)
    both[side][3, 1] = both[side][7] = value
    with pytest.raises(DataError, match=r"2 of \d+ rows of the [\w ]+ features hold a NaN"):
        METRICS[name].metric(*both)


@pytest.mark.parametrize("name", METRICS)
def test_too_few_samples_are_told(name: str) -> None:
    real, fake = sides(0, 4, torch.float32)
    with pytest.raises(DataError, match=r"found (0|1|no|0 and 45) [\w ]*samples"):
        METRICS[name].metric(real[:0], fake)


@pytest.mark.parametrize("name", METRICS)
def test_unlike_widths_are_told(name: str) -> None:
    real, fake = sides(0, 4, torch.float32)
    with pytest.raises(DataError, match="differ in width"):
        METRICS[name].metric(real, fake[:, :3])


def test_a_refusal_is_one_sentence_with_its_mend() -> None:
    x = torch.ones(3, 2)
    for wrong in (x[:, 0], x[:, :0], x.unsqueeze(2)):
        with pytest.raises(DataError, match=r"the held out features have shape .* needs \[samples, numbers\]\. Flatten each sample\."):
            check("a metric", 1, held_out=wrong)
    with pytest.raises(DataError, match=r"found 3 fake samples; a metric needs at least 4\. Give more samples\."):
        check("a metric", 4, real=torch.ones(5, 2), fake=x)
    with pytest.raises(DataError, match="1 of 3 rows of the fake features hold a NaN, an infinity or a number beyond 1e"):
        check("a metric", 1, fake=torch.tensor([[1.0], [1e16], [2.0]]))
    check("a metric", 0, fake=x[:0])
