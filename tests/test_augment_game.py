"""The augmentation in the game: what either player is shown, what is drawn for it, and a run with it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gansmith
import tiny
from gansmith import augment, config
from gansmith.config import Recipe
from gansmith.engine.distribute import World
from gansmith.engine.moves import Draw, Objective, Rates, discriminator_move, generator_move, logits_of
from gansmith.engine.plan import Plan
from gansmith.engine.players import Players
from gansmith.errors import ConfigError
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES
from gansmith.networks.dense import DenseDiscriminator, DenseGenerator

LAYOUT, LATENT, GAMMA, STRENGTH = Layout((Block("pixels", 2, "bounded"),), (8, 8)), 4, 0.7, 0.8
POLICY = augment.policy("few", "plane")


def players_() -> Players:
    torch.manual_seed(0)
    return Players(DenseGenerator(LAYOUT, LATENT, (16,)), DenseDiscriminator(LAYOUT, (16,)))


def draws_(size: int) -> tuple[Draw, Draw]:
    source = torch.Generator().manual_seed(2)
    latents = torch.randn(2, size, LATENT, generator=source)
    directions = torch.randn(2 * size, *LAYOUT.shape, generator=source)
    chances = torch.rand(2, 2 * size, POLICY.numbers, generator=source)
    return Draw(latents[0], chances[0], directions=directions), Draw(latents[1], chances[1])


def objective_(exact: bool = True) -> Objective:
    return Objective(LOSSES["relativistic"], exact, 0.5, 0.0, nullcontext, augment=POLICY)


def rates_(strength: float = STRENGTH) -> Rates:
    return Rates(GAMMA, 0.0, 0.0, 0.0, 0.0, 0.0, strength)


def test_both_players_see_both_kinds_of_sample_augmented_and_the_penalty_is_taken_there() -> None:
    players, draws, goal, rates = players_(), draws_(6), objective_(), rates_()
    real = torch.rand(6, *LAYOUT.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    g, d = players.generator.network, players.discriminator.network
    shown = [
        POLICY(x, uniform, STRENGTH)
        for draw in draws
        for x, uniform in zip((real, g(draw.latent)), draw.chances.chunk(2), strict=True)  # type: ignore[union-attr]
    ]

    points = [shown[0].requires_grad_(), shown[1].detach().requires_grad_()]
    logits = [logits_of(d, x, None) for x in points]
    slopes = [torch.autograd.grad(y.sum(), x, create_graph=True)[0] for x, y in zip(points, logits, strict=True)]
    penalty = sum(slope.square().sum() / 6 for slope in slopes)
    loss, record = discriminator_move(players, Batch(real), draws[0], goal, rates)
    torch.testing.assert_close(loss, nn.functional.softplus(logits[1] - logits[0]).mean() + GAMMA / 2 * penalty)
    torch.testing.assert_close(record["r1"] + record["r2"], penalty)

    wanted = nn.functional.softplus(logits_of(d, shown[2], None) - logits_of(d, shown[3], None)).mean()
    loss, _ = generator_move(players, Batch(real), draws[1], goal, rates)
    torch.testing.assert_close(loss, wanted)
    slope = torch.autograd.grad(wanted, players.generator.parameters)
    players.generator.minimise(loss)
    torch.testing.assert_close([p.grad for p in players.generator.parameters], list(slope))


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "finite"])
def test_the_mean_of_two_halves_gradients_is_that_of_the_whole_batch(exact: bool) -> None:
    players, draws, goal, rates = players_(), draws_(64), objective_(exact), rates_()
    real = torch.rand(64, *LAYOUT.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1

    def gradients(x: Tensor, draws: tuple[Draw, Draw]) -> Tensor:
        players.discriminator.minimise(discriminator_move(players, Batch(x), draws[0], goal, rates)[0])
        players.generator.minimise(generator_move(players, Batch(x), draws[1], goal, rates)[0])
        return torch.cat((players.discriminator.gradient, players.generator.gradient))

    def half(draw: Draw, world: World) -> Draw:
        assert draw.chances is not None
        directions = None if draw.directions is None else world.part(draw.directions, 2)
        return Draw(world.part(draw.latent), world.part(draw.chances, 2), directions=directions)

    halves = [gradients(w.part(real), (half(draws[0], w), half(draws[1], w))) for w in (World(0, 2), World(1, 2))]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, gradients(real, draws), rtol=1e-4, atol=1e-6)


def test_no_strength_and_no_numbers_are_the_same_game() -> None:
    players, (draw, _), real = players_(), draws_(6), torch.rand(6, *LAYOUT.shape)
    one = discriminator_move(players, Batch(real), draw, objective_(), rates_(0.0))[0]
    two = discriminator_move(players, Batch(real), replace(draw, chances=None), objective_(), rates_())[0]
    assert torch.equal(one, two)


# --- what is drawn ---------------------------------------------------------------------------------------------------------


def plan(strength: float) -> Plan:
    chosen = {
        "run.batch": 8, "run.samples": 80, "run.tick": 1, "network.latent": LATENT, "optimiser.lr_generator": 1, "optimiser.lr_end": 1,
        "optimiser.lr_discriminator": 1, "penalty.gamma": 1, "penalty.gamma_end": 1, "average.halflife": 1, "augment.strength": strength,
        "augment.rise": 40,
    }  # fmt: skip
    return Plan.of(config.merge(Recipe(), chosen), LAYOUT)


def chances(strength: float, step: int, world: World | None = None) -> list[Tensor]:
    """Of the discriminator's move and of the generator's, [16, K] each where there are no others."""
    noise = plan(strength).noise(step, world or World())
    found = [draw.chances for draw in (*noise.critics, noise.generator)]
    return [numbers for numbers in found if numbers is not None]


def test_what_is_drawn_is_decided_by_the_step_and_shared_out_over_the_processes() -> None:
    assert chances(0.0, 4) == []
    none, some = plan(0.0).noise(4, World()), plan(0.5).noise(4, World())
    assert torch.equal(none.generator.latent, some.generator.latent)  # a game with augmentation draws the latents of one without
    drawn = chances(0.5, 4)
    assert [numbers.shape for numbers in drawn] == [(16, POLICY.numbers)] * 2
    both = torch.cat(drawn)
    assert len(both.unique()) > 0.99 * both.numel()  # every sample has numbers of its own
    assert torch.equal(torch.cat(chances(0.5, 4)), both)
    assert not torch.equal(torch.cat(chances(0.5, 5)), both)
    parts = [chances(0.5, 4, World(rank, 2)) for rank in (0, 1)]
    for move, whole in enumerate(drawn):
        real_and_fake = zip(*(part[move].chunk(2) for part in parts), strict=True)
        assert torch.equal(torch.cat([torch.cat(halves) for halves in real_and_fake]), whole)


def test_the_strength_rises_with_the_samples_seen() -> None:
    assert [plan(0.6).rates(number, number / 10).strength for number in (0, 1, 3, 5, 9)] == pytest.approx([0.0, 0.12, 0.36, 0.6, 0.6])
    assert replace(plan(0.6), rise=0).rates(0, 0.0).strength == 0.6


# --- a run -----------------------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {"augment.strength": 0.6, "augment.rise": tiny.STEPS * tiny.BATCH // 2}


def test_a_run_with_augmentation_is_another_run_and_resumes_to_the_bit(tmp_path: Path) -> None:
    with pytest.raises(tiny.Crash):
        tiny.train(tmp_path / "cut", SETTINGS, audience=tiny.Watching(2 * tiny.TICK))
    (cut,) = (tmp_path / "cut").iterdir()
    gansmith.train(resume=cut)
    whole = tiny.train(tmp_path / "whole", SETTINGS)
    tiny.assert_same_end(cut, whole.path)
    without = tiny.train(tmp_path / "without")
    assert without.recipe.augment.strength == 0.0  # digits are too small for it to be chosen
    assert not torch.equal(tiny.newest(whole.path)["average"], tiny.newest(without.path)["average"])


def test_an_augmentation_made_for_other_data_is_refused_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="diffaugment is for a plane; these data are a row"):
        tiny.train(tmp_path, {"data.source": "toy:ring", "augment.policy": "diffaugment", **SETTINGS})
    assert not list(tmp_path.iterdir())
