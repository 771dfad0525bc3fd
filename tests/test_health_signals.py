"""What an examination measures, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.health import signals
from gansmith.health.signals import Distances, Originality
from gansmith.layout import Block, Layout


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- logits --------------------------------------------------------------------------------------------------------------


def test_wins_counts_pairs() -> None:
    assert signals.wins(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 0.0])) == 0.75
    assert signals.wins(torch.ones(3), torch.ones(4)) == 0.5
    assert signals.wins(torch.ones(3), torch.zeros(4)) == 1.0


@given(st.floats(-3, 3), st.floats(0.01, 100))
def test_wins_knows_no_units(shift: float, scale: float) -> None:
    real, made = normal(40), normal(30, seed=1)
    assert signals.wins(real * scale + shift, made * scale + shift) == pytest.approx(signals.wins(real, made), abs=2e-3)


def test_of_normal_logits_it_is_the_known_integral() -> None:
    found = signals.wins(normal(3000) + 1.0, normal(3000, seed=1))
    assert found == pytest.approx(0.5 * (1 + math.erf(1 / 2)), abs=0.02)  # a difference of N(1, 2) above 0


def test_an_opinion_tells_held_out_samples_only_where_there_are_any() -> None:
    found = signals.opinion(torch.tensor([2.0, 4.0]), None, torch.tensor([0.0, 2.0]))
    assert found == {"logit_train": 3.0, "logit_fake": 1.0, "wins_train": 0.875, "scatter": pytest.approx(math.sqrt(8 / 3))}
    assert {"logit_held", "wins_held"} <= signals.opinion(normal(4), normal(4), normal(4)).keys()


# --- variety -------------------------------------------------------------------------------------------------------------


def test_a_set_beside_itself_is_as_varied() -> None:
    found = signals.variety(Distances.of(normal(64, 5), None, normal(64, 5)))
    assert found == {"spread": pytest.approx(1.0), "closest": pytest.approx(1.0), "reached": 1.0}


def test_a_repeated_sample_has_no_variety() -> None:
    found = signals.variety(Distances.of(normal(64, 5), None, normal(1, 5, seed=1).expand(64, 5)))
    assert found["spread"] == pytest.approx(0.0, abs=1e-3)
    assert found["closest"] == pytest.approx(0.0, abs=1e-3)
    assert found["reached"] < 0.2


@given(st.floats(0.01, 100))
def test_variety_knows_no_units(scale: float) -> None:
    real, held, made = normal(48, 3), normal(48, 3, seed=1), normal(48, 3, seed=2) * 0.7
    one = signals.variety(Distances.of(real, held, made))
    other = signals.variety(Distances.of(real * scale, held * scale, made * scale))
    assert other == pytest.approx(one, rel=1e-3)


def test_a_lost_half_of_the_modes_halves_what_is_reached() -> None:
    side = torch.arange(200) % 2
    real, held = (normal(200, 2, seed=s) * 0.01 + 10.0 * side[:, None] for s in (0, 1))
    found = signals.variety(Distances.of(real, held, normal(200, 2, seed=2) * 0.01))
    assert found["reached"] / found["reached_real"] == pytest.approx(0.5, abs=0.08)


def test_few_held_out_samples_are_no_control() -> None:
    assert "reached_real" not in signals.variety(Distances.of(normal(64, 5), normal(20, 5, seed=1), normal(64, 5, seed=2)))


def test_as_many_of_each_reach() -> None:
    real, held, made = normal(100, 2), normal(40, 2, seed=1), normal(100, 2, seed=2)
    found = signals.variety(Distances.of(real, held, made))
    assert found["reached"] == signals.variety(Distances.of(real, None, made[:40]))["reached"]


def test_classes_are_told_apart_and_small_ones_left_out() -> None:
    labels = torch.tensor([0] * 40 + [1] * 40 + [2] * 5)
    real, held, made = (normal(85, 3, seed=s) for s in range(3))
    made[labels == 1] *= 0.1
    found = signals.by_class(Distances.of(real, held, made), labels, labels, labels)
    assert found["spread_classes"].keys() == found["reached_classes"].keys() == {"0", "1"}
    assert found["spread_classes"]["0"] == pytest.approx(1.0, abs=0.15)
    assert found["spread_classes"]["1"] == pytest.approx(0.1, abs=0.02)
    assert found["reached_classes"]["1"][0] < found["reached_classes"]["1"][1]


# --- values --------------------------------------------------------------------------------------------------------------


def test_the_ends_are_of_bounded_blocks_alone() -> None:
    layout = Layout((Block("a", 1, "bounded"), Block("b", 1, "real")))
    real = torch.tensor([[-1.0, 9.0], [0.0, 9.0], [1.0, -9.0], [1.0, -9.0]])
    made = torch.tensor([[0.985, 1.0], [-0.985, 1.0], [0.5, 1.0], [0.5, -1.0]])
    assert signals.ends(real, made, layout) == {"low": 0.25, "high": 0.25, "low_real": 0.25, "high_real": 0.5}
    assert signals.ends(real, made, Layout((Block("a", 2, "real"),))) == {}


def test_range_gap_and_deviation_have_closed_forms() -> None:
    real = torch.stack([torch.tensor([[0.0, 2.0]]), torch.tensor([[2.0, 0.0]])])  # [2, 1, 2], mean 1
    made = real * 0.5 + 2.0  # mean 2.5: 2 to 3
    found = signals.range_of(real, made)
    deviation = float(real.std())
    assert found["mean_gap"] == pytest.approx(1.5 / deviation)
    assert found["deviation"] == pytest.approx(0.5)
    assert found["beyond"] == 0.5  # 3 lies beyond 2.2, 2 does not


def test_a_border_is_compared_by_itself() -> None:
    real, made = normal(32, 1, 8, 8), normal(32, 1, 8, 8, seed=1)
    assert signals.border_gap(real, made) < 0.1
    framed = made.clone()
    framed[..., 0, :] = framed[..., -1, :] = 3.0
    framed[..., 0] = framed[..., -1] = 3.0
    assert signals.border_gap(real, framed) == pytest.approx(3.0, abs=0.2)


def test_a_weave_is_seen_and_scale_is_not() -> None:
    real, made = normal(128, 1, 16, 16), normal(128, 1, 16, 16, seed=1)
    assert signals.weave(real, made) < 1.7
    assert signals.weave(real, 5.0 * made) == pytest.approx(signals.weave(real, made), rel=1e-3)
    places = torch.arange(16)
    board = ((places[:, None] + places) % 2).float() - 0.5
    assert signals.weave(real, made + normal(128, 1, 1, 1, seed=2) * board) > 10.0


def test_all_looks_of_a_plane() -> None:
    layout = Layout((Block("v", 1, "bounded"),), (8, 8))
    found = signals.looks(normal(16, 1, 8, 8), normal(16, 1, 8, 8, seed=1), normal(16, 1, 8, 8, seed=2), layout)
    assert found.keys() == {
        "beyond", "mean_gap", "deviation", "low", "high", "low_real", "high_real", "border_gap", "weave", "weave_real",
    }  # fmt: skip
    small = Layout((Block("v", 1, "bounded"),), (4, 4))
    assert "weave" not in signals.looks(normal(16, 1, 4, 4), None, normal(16, 1, 4, 4, seed=2), small)


# --- originality ---------------------------------------------------------------------------------------------------------


def test_what_was_learned_by_heart_lies_on_training_samples() -> None:
    train, unseen = normal(200, 8), normal(100, 8, seed=1)
    original = Originality(train, unseen)
    by_heart = original(train[:50] + 1e-3)
    assert by_heart["nearest_train"] < 0.01
    assert by_heart["copies"] == 1.0
    assert by_heart["copies_real"] == 0.0
    assert by_heart["nearest_held"] == pytest.approx(1.0, abs=0.1)


def test_fresh_samples_lie_as_unseen_ones_do() -> None:
    found = Originality(normal(200, 8), normal(100, 8, seed=1))(normal(100, 8, seed=2))
    assert found["nearest_train"] == pytest.approx(1.0, abs=0.1)
    assert found["nearest_held"] == pytest.approx(1.0, abs=0.1)
    assert found["copies"] == 0.0


def test_where_real_samples_repeat_nothing_is_told_of_copies_and_nearness() -> None:
    few = torch.randint(0, 2, (8, 40), generator=torch.Generator().manual_seed(0)).float()
    of, unseen, made = few.repeat(25, 1), few.repeat(5, 1), few.repeat(4, 1) + 0.1 * normal(32, 40)
    assert Originality(of, unseen)(made) == {}
    assert "closest" not in signals.rounded(signals.variety(Distances.of(of, unseen, made)))


# --- networks ------------------------------------------------------------------------------------------------------------


def test_latents_that_move_nothing_are_dead() -> None:
    assert signals.dead_latents(torch.zeros(3), torch.tensor([[1.0, 0, 0], [0, 0, 0], [0.02, 0, 0], [0.005, 0, 0]])) == 0.5
    assert signals.dead_latents(torch.zeros(3), torch.zeros(4, 3)) == 1.0


def test_units_without_any_gradient_are_dead() -> None:
    kernel = normal(4, 2, 3, 3)
    kernel[1] = 0.0
    assert signals.shares_dead([kernel, torch.zeros(7)]) == 0.25
    assert signals.shares_dead([torch.zeros(7)]) is None


def test_what_is_not_finite_is_left_out() -> None:
    found = signals.rounded({"a": math.nan, "b": 1.23456789, "c": {"d": math.inf, "e": 2.0}, "f": ["x"], "g": {"h": [0.123456789, 1.0]}})
    assert found == {"b": 1.23457, "c": {"e": 2.0}, "f": ["x"], "g": {"h": [0.123457, 1.0]}}
