"""A step of the game: whose move comes when, with which batch and which weight, and what is remembered."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from duel import batch_, jitter, noise_, objective_, players_, rates_
from gansmith import ema
from gansmith.engine import steps
from gansmith.engine.moves import Draw, Noise, Objective, Record, Weights, discriminator_move, generator_move, looking_ahead
from gansmith.engine.optimisers import OPTIMISERS
from gansmith.engine.players import FOLLOW, Players
from gansmith.engine.steps import parts_of, step
from gansmith.layout import Batch
from gansmith.penalties import PENALTIES

RATES = rates_(strength=0.5)


def alone(tensor: Tensor) -> None:
    """The average over one process."""


def play(players: Players, objective: Objective, count: int = 1, **needs: Any) -> list[dict[str, float]]:
    """So many steps; their records."""
    moves = needs.get("critics", 1)
    found = []
    for number in range(count):
        record = step(players, batch_(8 * moves), noise_(8, step=number, **needs), objective, RATES, alone, number)
        assert all(value.shape == () and not value.requires_grad for value in record.values())
        found.append({name: value.item() for name, value in record.items()})
    return found


def state(players: Players) -> dict[str, Tensor]:
    both = (players.generator, players.discriminator)
    return {f"{p.name}.{k}": v.clone() for p in both for k, v in p.state().items()} | {"average": players.average.clone()}


def assert_same(a: Players, b: Players) -> None:
    assert state(a).keys() == state(b).keys()
    for name, value in state(a).items():
        assert torch.equal(value, state(b)[name]), name


# --- who moves when ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [1, 3])
def test_the_discriminator_moves_on_batches_of_its_own_and_then_the_generator_on_the_last(moves: int) -> None:
    players, by_hand, goal = players_(), players_(), objective_(penalty=PENALTIES["wgan-gp"])
    needs = {"critics": moves, "directions": True, "points": True}
    (record,) = play(players, goal, **needs)
    batch, noise, g, d = batch_(8 * moves), noise_(8, **needs), by_hand.generator, by_hand.discriminator
    for part, draw in zip(parts_of(batch, moves), noise.critics, strict=True):
        loss, last = discriminator_move(by_hand, part, draw, goal, RATES)
        d.minimise(loss)
        d.step(RATES.lr_discriminator, RATES.beta1, RATES.beta2)
    loss, more = generator_move(by_hand, part, noise.generator, goal, RATES)
    g.minimise(loss)
    g.step(RATES.lr_generator, RATES.beta1, RATES.beta2)
    ema.update(by_hand.average, g.weights, RATES.ema_beta)
    assert_same(players, by_hand)
    assert record == {
        **{name: value.item() for name, value in (last | more).items()},
        "grad_d": d.gradient.norm().item(),
        "grad_g": g.gradient.norm().item(),
    }
    assert players.discriminator.optimiser.count == moves


def test_every_move_has_other_samples_other_latents_and_other_places() -> None:
    noise = noise_(8, critics=2, directions=True, points=True, chances=2, views=2, path=True)
    draws = [*noise.critics, noise.generator]
    for part in ("latent", "chances", "views", "directions", "uniform"):
        numbers = [getattr(draw, part).flatten() for draw in draws if getattr(draw, part) is not None]
        together = torch.cat(numbers)
        assert len(together.unique()) > 0.99 * len(together), part
    first, second = parts_of(batch_(16), 2)
    assert torch.equal(torch.cat((first.x, second.x)), batch_(16).x)
    assert first.condition is not None
    assert second.condition is not None
    assert torch.equal(torch.cat((first.condition, second.condition)), batch_(16).condition)
    assert [part.condition for part in parts_of(Batch(torch.zeros(4, 2)), 2)] == [None, None]


def test_what_one_need_draws_does_not_change_what_another_does() -> None:
    """So a setting that is turned on leaves the rest of the game as it was."""
    bare, full = noise_(8), noise_(8, directions=True, points=True, chances=2, views=2, path=True)
    assert torch.equal(bare.critics[0].latent, full.critics[0].latent)
    assert torch.equal(bare.generator.latent, full.generator.latent)
    some = noise_(8, chances=2).critics[0].chances
    assert some is not None
    assert torch.equal(some, full.critics[0].chances)  # type: ignore[arg-type]
    assert {name for name, value in vars(bare.critics[0]).items() if value is not None} == {"latent"}


def test_gradients_and_what_is_remembered_are_averaged_over_the_processes_before_they_are_used() -> None:
    memory = Weights(lecam=0.1)  # a game that remembers its logits
    players, goal, seen = players_(), objective_(weights=memory), []

    def other_has_nothing(tensor: Tensor) -> None:
        seen.append(tensor.numel())
        tensor /= 2

    halved = players_()
    step(halved, batch_(8), noise_(8), goal, RATES, other_has_nothing)
    step(players, batch_(8), noise_(8), goal, RATES, alone)
    assert seen == [len(players.discriminator.weights), len(players.generator.weights), 2]
    seen.clear()
    step(players_(), batch_(8), noise_(8), objective_(extra=True, weights=memory), RATES, other_has_nothing)
    assert seen == 2 * [len(players.discriminator.weights), len(players.generator.weights)] + [2]
    for name in ("logit_real", "logit_fake"):
        assert halved.memory[name] == pytest.approx(players.memory[name].item() / 2)
    # the first square that Adam keeps is a tenth of the gradient's: a quarter where that is halved
    torch.testing.assert_close(halved.discriminator.optimiser.square, players.discriminator.optimiser.square / 4)


# --- weights and rates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PENALTIES)
def test_a_lazy_penalty_is_of_every_so_many_steps_and_counts_so_many_times(kind: str) -> None:
    needs = {"directions": True, "points": True}
    lazy = objective_(penalty=PENALTIES[kind], every=3)
    players = players_()
    records = play(players, lazy, 7, **needs)
    measured = {"r1", "r2", "slope"}
    assert [bool(measured & record.keys()) for record in records] == [True, False, False, True, False, False, True]

    by_hand = players_()
    for number in range(2):
        loss, _ = discriminator_move(by_hand, batch_(8), noise_(8, step=number, **needs).critics[0], lazy, RATES, 0.7 * (3, 0)[number])
        by_hand.discriminator.minimise(loss)
        by_hand.discriminator.step(RATES.lr_discriminator, RATES.beta1, RATES.beta2)
        by_hand.generator.minimise(generator_move(by_hand, batch_(8), noise_(8, step=number, **needs).generator, lazy, RATES)[0])
        by_hand.generator.step(RATES.lr_generator, RATES.beta1, RATES.beta2)
    two = players_()
    play(two, lazy, 2, **needs)
    assert torch.equal(two.discriminator.weights, by_hand.discriminator.weights)
    assert torch.equal(two.generator.weights, by_hand.generator.weights)


def test_clipped_weights_stay_within_their_bound_and_the_generators_are_free() -> None:
    players, free = players_(), players_()
    play(players, objective_("wasserstein", clip=0.05), 3)
    play(free, objective_("wasserstein"), 3)
    assert players.discriminator.weights.abs().max() == pytest.approx(0.05)
    assert free.discriminator.weights.abs().max() > 0.5
    assert players.generator.weights.abs().max() > 0.5


def test_an_unrolled_step_asks_the_discriminator_that_will_answer() -> None:
    players, by_hand, goal = players_(), players_(), objective_(unrolled=2)
    (record,) = play(players, goal)
    batch, noise = batch_(8), noise_(8)
    by_hand.discriminator.minimise(discriminator_move(by_hand, batch, noise.critics[0], goal, RATES)[0])
    by_hand.discriminator.step(RATES.lr_discriminator, RATES.beta1, RATES.beta2)
    ahead = looking_ahead(by_hand, batch, noise.generator, goal, RATES)
    loss, _ = generator_move(by_hand, batch, noise.generator, goal, RATES, ahead)
    by_hand.generator.minimise(loss)
    by_hand.generator.step(RATES.lr_generator, RATES.beta1, RATES.beta2)
    assert record["loss_g"] == loss.item()
    assert torch.equal(players.generator.weights, by_hand.generator.weights)
    assert torch.equal(players.discriminator.weights, by_hand.discriminator.weights)


# --- the game min max xy -------------------------------------------------------------------------------------------------


class Place(nn.Module):
    """A generator that makes its one number, whatever the latent."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(at))

    def forward(self, latent: Tensor) -> Tensor:
        return self.at.expand(len(latent), 1)


class Slope(nn.Module):
    """A critic y·x."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(at))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.at).squeeze(1)


def bilinear(optimiser: str) -> Players:
    """Against real samples of 0 the Wasserstein critic y minimises xy, and the generator x minimises -xy."""
    return Players(Place(0.8), Slope(-0.5), OPTIMISERS[optimiser])


STILL = Batch(torch.zeros(2, 1))
UNUSED = Noise([Draw(torch.zeros(2, 1))], Draw(torch.zeros(2, 1)))


def test_extra_gradient_moves_both_players_from_where_they_were_by_the_slope_of_where_they_would_be() -> None:
    players, rates = bilinear("extra"), rates_(gamma=0.0, beta1=0.5, beta2=0.9)
    x, y = (torch.nn.Parameter(torch.tensor(v)) for v in (0.8, -0.5))
    adams = [torch.optim.Adam([p], lr=1e-2, betas=(0.5, 0.9), eps=1e-8) for p in (x, y)]

    def both_step() -> None:
        x.grad, y.grad = -y.detach().clone(), x.detach().clone()
        for adam in adams:
            adam.step()

    for _ in range(5):
        was = x.item(), y.item()
        both_step()
        with torch.no_grad():  # the slopes of there, from here
            there = x.clone(), y.clone()
            x.grad, y.grad = -there[1], there[0]
            x.fill_(was[0]), y.fill_(was[1])
        for adam in adams:
            adam.step()
        record = step(players, STILL, UNUSED, objective_("wasserstein", extra=True), rates, alone)
        assert (record["grad_d"].item(), record["grad_g"].item()) == pytest.approx((there[0].abs().item(), there[1].abs().item()))
        assert players.generator.weights.item() == pytest.approx(x.item(), abs=1e-6)
        assert players.discriminator.weights.item() == pytest.approx(y.item(), abs=1e-6)


def test_both_slopes_of_an_unrolled_generator_look_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def spied(*words: Any) -> tuple[Tensor, Record]:
        looks.append(words[-1] is not None and callable(words[-1]))
        return generator_move(*words)

    monkeypatch.setattr(steps, "generator_move", spied)
    step(bilinear("extra"), STILL, UNUSED, objective_("wasserstein", extra=True, unrolled=1), rates_(gamma=0.0), alone)
    assert looks == [True, True]


def test_in_alternation_the_generator_meets_the_discriminator_that_has_moved() -> None:
    players = bilinear("adam")
    record = step(players, STILL, UNUSED, objective_("wasserstein"), rates_(gamma=0.0, lr_discriminator=0.1), alone)
    assert record["grad_d"].item() == pytest.approx(0.8)
    assert record["grad_g"].item() == pytest.approx(0.6)  # Adam's first step is of length 0.1: from -0.5 to -0.6


# --- what is remembered --------------------------------------------------------------------------------------------------


def test_running_means_follow_the_values_of_the_steps() -> None:
    players = players_()
    goal = objective_(weights=Weights(lecam=0.1, path=0.1))
    records = play(players, goal, 6, critics=2, path=True)
    for name in ("logit_real", "logit_fake", "path_length"):
        wanted = 0.0
        for record in records:
            wanted += FOLLOW * (record[name] - wanted)
        assert players.memory[name].item() == pytest.approx(wanted, rel=1e-5)
        assert wanted != 0.0
    assert play(players_(), objective_(), 1)[0].keys().isdisjoint({"path_length", "lecam"})


def test_an_adaptive_strength_follows_how_sure_the_discriminator_is_up_to_its_limit() -> None:
    players, goal = players_(), objective_(augment=jitter, adapt=True)
    # 50,000 samples a step move it by 4/10 at every fourth
    rates = rates_(strength=0.7, samples=50_000)
    found = []
    for number, sure in enumerate(4 * [1.0] + 8 * [0.9] + 8 * [-1.0]):
        players.memory["sureness"].fill_(sure)
        record = step(players, batch_(8), noise_(8, step=number, chances=2), goal, rates, alone, number)
        found.append(record["strength_now"])  # that of the step itself, also when it has since been changed
        assert -1.0 <= record["sureness"] <= 1.0
        assert players.memory["sureness"].item() == pytest.approx(sure + FOLLOW * (record["sureness"].item() - sure))
    assert [value.item() for value in found] == pytest.approx(4 * [0.0] + 4 * [0.4] + 8 * [0.7] + 4 * [0.3])
    assert players.memory["strength"].item() == 0.0


def test_the_average_follows_the_generator() -> None:
    players = players_()
    before = players.average.clone()
    play(players, objective_(), 1)
    torch.testing.assert_close(players.average, (before + players.generator.weights) / 2)  # ema_beta is 1/2
