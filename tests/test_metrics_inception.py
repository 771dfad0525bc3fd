"""Inception score: closed forms and an independent implementation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.inception import inception_scores
from gansmith.randomness import stream


def odds(count: int, classes: int, seed: int = 0) -> Tensor:
    return (2 * torch.randn(count, classes, generator=stream(seed, "test"))).softmax(1)


@given(st.integers(1, 12), st.integers(2, 5))
def test_certain_and_all_alike_is_the_number_of_classes(classes: int, repeats: int) -> None:
    scores = inception_scores(torch.eye(classes).repeat(repeats, 1), 0, splits=1)
    assert scores.tolist() == pytest.approx([classes])


def test_samples_of_one_kind_or_of_no_kind_score_one() -> None:
    assert inception_scores(torch.eye(5)[:1].repeat(20, 1), 0).tolist() == pytest.approx([1] * 10)
    assert inception_scores(torch.full((20, 5), 0.2), 0).tolist() == pytest.approx([1] * 10)


def test_sure_of_two_classes_at_unlike_shares() -> None:
    p = torch.eye(2)[[0, 0, 0, 1]]
    wanted = float(torch.distributions.Categorical(torch.tensor([0.75, 0.25])).entropy().exp())  # exp H(y) - H(y|x), the last 0
    assert inception_scores(p, 0, 1).tolist() == pytest.approx([wanted])


@given(st.integers(20, 60), st.integers(1, 8), st.integers(1, 10), st.integers(0, 99))
def test_between_one_and_the_number_of_classes(count: int, classes: int, splits: int, seed: int) -> None:
    scores = inception_scores(odds(count, classes, seed), seed, splits)
    assert scores.shape == (splits,)
    assert (scores >= 1 - 1e-9).all()
    assert (scores <= classes + 1e-9).all()


def test_samples_in_the_order_of_their_classes_score_as_others_do() -> None:
    p = torch.eye(10).repeat_interleave(50, 0)
    assert float(inception_scores(p, 0).mean()) > 8  # in parts as they come, each would hold one class and score 1


def test_what_cannot_be_done_is_told() -> None:
    with pytest.raises(DataError, match="found 19 given samples; an inception score of 10 splits needs at least 20"):
        inception_scores(odds(19, 3), 0)
    with pytest.raises(DataError, match="softmax"):
        inception_scores(torch.randn(30, 3, generator=stream(0, "test")), 0)
    with pytest.raises(DataError, match="softmax"):
        inception_scores(torch.full((30, 3), 0.3), 0)
    with pytest.raises(DataError, match="1 of 30 rows"):
        inception_scores(torch.cat((odds(29, 3), torch.full((1, 3), torch.nan))), 0)
    with pytest.raises(ConfigError, match="0 splits"):
        inception_scores(odds(30, 3), 0, 0)


@pytest.mark.filterwarnings("ignore")
def test_agreement_with_torchmetrics() -> None:
    peer = pytest.importorskip("torchmetrics.image.inception", reason="torchmetrics is not installed")
    p = odds(300, 10)
    metric = peer.InceptionScore(feature=torch.nn.Identity(), splits=1)
    metric.update(p.log())
    assert float(inception_scores(p, 0, 1)) == pytest.approx(float(metric.compute()[0]), rel=1e-4)
