"""The games: one contract over every pair, and the closed forms of the papers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gansmith.losses import LOSSES, centring, log_d, log_one_minus_d

GRID = torch.tensor([-1e4, -30.0, -1.0, 0.0, 1.0, 30.0, 1e4])
REAL, FAKE = (t.reshape(-1) for t in torch.meshgrid(GRID, GRID, indexing="ij"))


def slopes(cost: Tensor, *logits: Tensor) -> tuple[Tensor, ...]:
    return tuple(
        torch.zeros_like(x) if g is None else g
        for x, g in zip(logits, torch.autograd.grad(cost.sum(), logits, allow_unused=True), strict=True)
    )


@pytest.mark.parametrize("name", LOSSES)
def test_costs_are_per_sample_and_finite_at_any_logit(name: str) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    for cost in (LOSSES[name].discriminator(real, fake), LOSSES[name].generator(real, fake)):
        assert cost.shape == real.shape
        assert cost.isfinite().all()
        for slope in slopes(cost, real, fake):
            assert slope.isfinite().all()
            assert (slope.abs() <= 1).all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_discriminator_is_paid_for_telling_real_from_fake(name: str) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    to_real, to_fake = slopes(LOSSES[name].discriminator(real, fake), real, fake)
    assert (to_real <= 0).all()
    assert (to_fake >= 0).all()
    assert (to_real < 0).any()
    assert (to_fake > 0).any()


@pytest.mark.parametrize("name", LOSSES)
def test_a_better_fake_never_costs_the_generator_more(name: str) -> None:
    real, fake = REAL.clone(), FAKE.clone().requires_grad_()
    (to_fake,) = slopes(LOSSES[name].generator(real, fake), fake)
    assert (to_fake <= 0).all()
    assert (to_fake < 0).any()


@pytest.mark.parametrize("name", LOSSES)
def test_the_generator_says_rightly_whether_it_needs_the_real_logits(name: str) -> None:
    pair, real = LOSSES[name], REAL.clone().requires_grad_()
    (to_real,) = slopes(pair.generator(real, FAKE.clone().requires_grad_()), real)
    assert pair.generator_needs_real == bool(to_real.abs().sum() > 0)


def test_the_minimax_value_is_minus_log_4_where_nobody_can_tell() -> None:
    logits = torch.zeros(5, dtype=torch.float64)
    value = log_d(logits).mean() + log_one_minus_d(logits).mean()
    assert value.item() == pytest.approx(-math.log(4), abs=1e-15)
    assert LOSSES["minimax"].discriminator(logits, logits).mean().item() == pytest.approx(math.log(4), abs=1e-15)


def test_log_d_is_the_logarithm_of_the_sigmoid() -> None:
    logits = torch.linspace(-20, 20, 41, dtype=torch.float64)
    torch.testing.assert_close(log_d(logits), logits.sigmoid().log())
    torch.testing.assert_close(log_one_minus_d(logits), (-logits).sigmoid().log())


def test_where_the_discriminator_is_sure_minimax_saturates_and_the_other_forms_do_not() -> None:
    fake = torch.full((3,), -30.0, requires_grad=True)
    real = torch.zeros(3)
    wanted = {"minimax": 0.0, "nonsaturating": -1.0, "relativistic": -1.0}
    for name, slope in wanted.items():
        (found,) = slopes(LOSSES[name].generator(real, fake), fake)
        torch.testing.assert_close(found, torch.full((3,), slope), atol=1e-12, rtol=0)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_the_relativistic_pair_sees_differences_alone(player: str) -> None:
    real, fake = torch.randn(2, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    cost = getattr(LOSSES["relativistic"], player)
    torch.testing.assert_close(cost(real + 7, fake + 7), cost(real, fake))
    assert not torch.allclose(cost(real + 7, fake), cost(real, fake))


def test_the_relativistic_players_swap_real_and_fake() -> None:
    pair = LOSSES["relativistic"]
    assert torch.equal(pair.discriminator(REAL, FAKE), pair.generator(FAKE, REAL))


def test_centring_is_the_squared_mean_of_a_pair_and_pulls_it_to_0() -> None:
    real, fake = torch.tensor([3.0, -2.0]).requires_grad_(), torch.tensor([1.0, 2.0]).requires_grad_()
    cost = centring(real, fake)
    torch.testing.assert_close(cost, torch.tensor([4.0, 0.0]))
    for slope in slopes(cost, real, fake):
        torch.testing.assert_close(slope, torch.tensor([2.0, 0.0]))
