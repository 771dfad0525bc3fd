"""The measures of learning by heart and the step that follows, in closed form; and what is shown as real."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith.augment.apa import shown_as_real
from gansmith.augment.control import LENGTH, LIMIT, TARGET, adapt, overfitting, sureness

logits = st.lists(st.integers(-20, 20), min_size=1, max_size=30).map(lambda found: torch.tensor(found, dtype=torch.float64))
numbers = st.floats(-100, 100)
strengths = st.floats(0, LIMIT)


# --- r_t -------------------------------------------------------------------------------------------------------------------


def normal(mean: float, count: int = 2000) -> Tensor:
    """Numbers that are as a normal distribution of this mean and deviation 1."""
    return mean + torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count)


@pytest.mark.parametrize("constant", [0.0, -7.0, 1e4])
def test_sureness_of_two_normals_is_that_of_the_paper_whatever_the_constant(constant: float) -> None:
    """E sign D(x) of D(x) ~ N(m, 1) is 2 Phi(m) - 1: 0.6 at m = 0.8416."""
    for mean, wanted in ((0.0, 0.0), (0.8416, 0.6), (10.0, 1.0), (-0.8416, -0.6)):
        real, fake = normal(mean), normal(-mean)
        assert real.sign().mean().item() == pytest.approx(wanted, abs=2e-3)
        assert sureness(real + constant, fake + constant).item() == pytest.approx(wanted, abs=2e-3)


@given(logits, logits, st.integers(-50, 50))
def test_sureness_knows_only_the_order_of_the_logits(real: Tensor, fake: Tensor, constant: int) -> None:
    found = sureness(real, fake)
    assert -1 <= found <= 1
    assert torch.equal(sureness(fake, real), -found)
    assert torch.equal(sureness(real + constant, fake + constant), found)
    assert torch.equal(sureness(real**3, fake**3), found)
    assert torch.equal(sureness(real.flip(0), fake.flip(0)), found)


@given(logits)
def test_sureness_is_0_where_the_logits_are_alike_and_1_where_they_are_apart(real: Tensor) -> None:
    assert sureness(real, real.flip(0)) == 0
    assert sureness(real, real - 41) == 1
    assert sureness(real - 41, real) == -1
    assert sureness(real, -real).item() == pytest.approx(real.sign().mean().item())  # as many errors on real as on fake: the paper's number


@given(st.permutations(range(40)))
def test_sureness_is_one_less_twice_the_share_of_errors_which_both_kinds_have(order: list[int]) -> None:
    real, fake = torch.tensor(order[:20]).double(), torch.tensor(order[20:]).double()
    wrong = (real < 19.5).double().mean(), (fake > 19.5).double().mean()
    assert wrong[0] == wrong[1]
    assert sureness(real, fake).item() == pytest.approx(1 - 2 * wrong[0].item())


# --- r_v -------------------------------------------------------------------------------------------------------------------


@given(numbers, st.floats(0.1, 10), st.floats(0, 1), st.floats(0.1, 10), numbers)
def test_overfitting_is_the_share_of_the_way_whatever_the_constant_and_the_scale(
    fake: float, gap: float, share: float, scale: float, constant: float
) -> None:
    train, held_out = fake + gap, fake + gap * (1 - share)
    assert overfitting(train, held_out, fake) == pytest.approx(share, abs=1e-9)
    assert overfitting(*(scale * logit + constant for logit in (train, held_out, fake))) == pytest.approx(share, abs=1e-9)


@given(numbers, numbers, numbers)
def test_overfitting_lies_between_0_and_1(train: float, held_out: float, fake: float) -> None:
    assert 0 <= overfitting(train, held_out, fake) <= 1
    if held_out >= train > fake or train <= fake:
        assert overfitting(train, held_out, fake) == 0
    elif held_out <= fake:
        assert overfitting(train, held_out, fake) == 1


# --- the step --------------------------------------------------------------------------------------------------------------


@given(strengths, numbers, st.integers(0, 10**7))
def test_the_strength_keeps_its_bounds_and_moves_towards_the_target(strength: float, measure: float, samples: int) -> None:
    found = adapt(strength, measure, samples)
    assert 0 <= found <= LIMIT
    if measure > TARGET:
        assert found == pytest.approx(min(strength + samples / LENGTH, LIMIT))
    elif measure < TARGET:
        assert found == pytest.approx(max(strength - samples / LENGTH, 0))
    assert adapt(strength, TARGET, samples) == strength


@given(strengths, numbers, numbers, st.integers(0, 10**6))
def test_a_higher_measure_never_makes_a_lower_strength(strength: float, one: float, other: float, samples: int) -> None:
    low, high = sorted((one, other))
    assert adapt(strength, low, samples) <= adapt(strength, high, samples)


def test_the_strength_rises_from_none_to_its_limit_in_its_share_of_the_length() -> None:
    strength, seen = 0.0, 0
    while strength < LIMIT:
        strength, seen = adapt(strength, 0.9, 4_000), seen + 4_000
    assert seen == pytest.approx(LIMIT * LENGTH, abs=4_000)
    assert adapt(1.0, 0.9, 1) == LIMIT
    assert adapt(0.5, 0.9, 10, length=100, limit=1.0, target=0.95) == pytest.approx(0.4)


@given(st.floats(0.3, 0.9), strengths)
def test_a_measure_that_falls_with_the_strength_is_led_to_its_target(start: float, strength: float) -> None:
    """The measure start - p is 0.1 at p = start - 0.1."""
    for _ in range(200):
        strength = adapt(strength, start - strength, 5_000, target=0.1)
    assert strength == pytest.approx(start - 0.1, abs=5_000 / LENGTH + 1e-9)


# --- shown as real ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 3), (6, 2, 5), (6, 1, 4, 4)], ids=["row", "line", "plane"])
def test_each_real_sample_is_replaced_by_its_own_with_its_own_chance(shape: tuple[int, ...]) -> None:
    real, pseudo = torch.zeros(shape), torch.arange(1.0, 7.0).view(-1, *(1 for _ in shape[1:])).expand(shape)
    uniform = torch.tensor([0.0, 0.5, 0.29, 0.3, 0.9, 0.1])
    shown = shown_as_real(real, pseudo, uniform, 0.3)
    assert shown.flatten(1)[:, 0].tolist() == [1, 0, 3, 0, 0, 6]
    assert torch.equal(shown_as_real(real, pseudo, uniform, torch.tensor(0.3)), shown)
    assert torch.equal(shown_as_real(-real, pseudo, uniform, 0.0).view(torch.int32), (-real).view(torch.int32))
    assert torch.equal(shown_as_real(real, pseudo, uniform, 1.0), pseudo)
