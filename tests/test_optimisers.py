"""The optimisers: their arithmetic against the papers', their state, and the game in which descent alone goes in circles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gansmith.config import OptimiserSettings
from gansmith.engine.optimisers import OPTIMISERS, scale
from gansmith.engine.players import Player

names = pytest.mark.parametrize("name", OPTIMISERS)
GRADIENTS = torch.randn(8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def directions(beta1: float, beta2: float) -> list[Tensor]:
    """What Adam goes against, step by step, as algorithm 1 of arXiv:1412.6980 writes it."""
    m, v, found = torch.zeros(5).double(), torch.zeros(5).double(), []
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        found.append(m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + 1e-8))
    return found


def test_every_optimiser_may_be_asked_for_by_name() -> None:
    assert all(OptimiserSettings(name=name).name == name for name in OPTIMISERS)  # type: ignore[arg-type]


@pytest.mark.parametrize(("beta1", "beta2"), [(0.0, 0.9), (0.5, 0.999)])
@names
def test_steps_are_those_of_the_paper(name: str, beta1: float, beta2: float) -> None:
    weights, rate, taken = torch.ones(5, dtype=torch.float64), 0.03, directions(beta1, beta2)
    optimiser, wanted = OPTIMISERS[name](weights), weights.clone()
    for t, gradient in enumerate(GRADIENTS):
        optimiser.step(weights, gradient, rate, beta1, beta2)
        if name == "optimistic":  # arXiv:1711.00141, algorithm 1
            last = taken[t - 1] if t else torch.zeros(5).double()
            wanted -= 2 * rate * taken[t] - rate * last
        else:
            wanted -= rate * taken[t]
        torch.testing.assert_close(weights, wanted)


@pytest.mark.parametrize("beta1", [0.0, 0.5])
@names
def test_a_state_carried_over_goes_on_as_if_nothing_had_happened(name: str, beta1: float) -> None:
    whole, cut = (torch.ones(5, dtype=torch.float64) for _ in range(2))
    one, two = OPTIMISERS[name](whole), OPTIMISERS[name](cut)
    for gradient in GRADIENTS:
        one.step(whole, gradient, 0.03, beta1, 0.9)
    for gradient in GRADIENTS[:3]:
        two.step(cut, gradient, 0.03, beta1, 0.9)
    other = OPTIMISERS[name](cut)
    other.step(cut.clone(), 9 * GRADIENTS[0], 0.03, beta1, 0.9)  # something to be forgotten
    other.load({k: v.clone() for k, v in two.state().items()})
    for gradient in GRADIENTS[3:]:
        other.step(cut, gradient, 0.03, beta1, 0.9)
    assert torch.equal(cut, whole)
    assert one.state().keys() == other.state().keys()
    assert all(torch.equal(v, other.state()[k]) for k, v in one.state().items())


@pytest.mark.parametrize("count", [0, 3])
def test_the_scale_of_a_gradient_is_that_of_the_next_step_without_momentum(count: int) -> None:
    weights = torch.ones(5, dtype=torch.float64)
    adam = OPTIMISERS["adam"](weights)
    for gradient in GRADIENTS[:count]:
        adam.step(weights, gradient, 0.03, 0.0, 0.9)
    found, before = scale(adam.square, GRADIENTS[count], adam.count + 1, 0.9), weights.clone()
    adam.step(weights, GRADIENTS[count], 0.03, 0.0, 0.9)
    torch.testing.assert_close(weights, before - 0.03 * found * GRADIENTS[count])


def test_no_gradient_however_new_makes_a_long_step() -> None:
    gradient = torch.tensor([1e-3, 1.0, 1e3])
    for count in (1, 2, 1000):
        assert (scale(torch.zeros(3), gradient, count, 0.9) * gradient).max() < 10**0.5 + 1e-3
    assert scale(torch.zeros(1), torch.zeros(1), 1, 0.9).isfinite()


# --- the game min max xy -------------------------------------------------------------------------------------------------

X, Y, RATE, STEPS = 0.8, -0.5, 0.03, 3000
FROM = math.hypot(X, Y)


def test_plain_descent_of_both_players_leaves_the_end_of_the_game_by_a_fixed_factor_a_step() -> None:
    x, y = X, Y
    for _ in range(STEPS):
        x, y = x - RATE * y, y + RATE * x
    assert math.hypot(x, y) == pytest.approx(FROM * (1 + RATE**2) ** (STEPS / 2))
    assert math.hypot(x, y) > 3 * FROM


class Number(nn.Module):
    """A player whose whole strategy is one number."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(at))


def distance(name: str) -> float:
    """How far from (0, 0) the players of min max xy are after so many steps of one length."""
    x, y = (Player(Number(at), "player", OPTIMISERS[name]) for at in (X, Y))

    def look() -> None:
        x.gradient.copy_(y.weights)
        y.gradient.copy_(-x.weights)

    for _ in range(STEPS):
        for act in ("look_ahead", "step") if name == "extra" else ("step",):
            look()
            for player in (x, y):
                getattr(player, act)(RATE, 0.0, 0.999)
    return math.hypot(x.weights.item(), y.weights.item())


ARRIVES = {"adam": False, "optimistic": True, "extra": True}


@names
def test_adam_leaves_the_end_too_and_its_other_forms_come_to_it(name: str) -> None:
    if ARRIVES[name]:
        assert distance(name) < 1e-3 * FROM
    else:
        assert distance(name) > 1.5 * FROM


def test_a_step_after_a_look_ahead_is_taken_from_where_the_player_was() -> None:
    player = Player(nn.Linear(2, 2), "player")
    start = player.weights.clone()
    player.gradient.fill_(1.0)
    player.look_ahead(0.1, 0.0, 0.9)
    torch.testing.assert_close(player.weights, start - 0.1)
    assert player.held is not None
    player.gradient.fill_(-1.0)
    player.step(0.1, 0.0, 0.9)
    torch.testing.assert_close(player.weights, start + 0.1)
    assert player.held is None
    player.step(0.1, 0.0, 0.9)  # and an ordinary step is one again
    torch.testing.assert_close(player.weights, start + 0.2)
    assert player.optimiser.count == 3  # what was learned of the slope there is kept
