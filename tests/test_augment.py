"""The augmentation: each transformation against its closed form, samples apart, and a game that learns the data as they are."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import gansmith
import tiny
from gansmith import config
from gansmith.augment import plane
from gansmith.config import Recipe
from gansmith.engine.distribute import World
from gansmith.engine.plan import Plan
from gansmith.engine.players import Players
from gansmith.engine.steps import Noise, Objective, Rates, discriminator_move, generator_move, logits_of, step
from gansmith.errors import ConfigError
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES
from gansmith.networks.dense import DenseDiscriminator, DenseGenerator
from gansmith.randomness import stream

shapes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 20), st.integers(1, 20))
seeds = st.integers(0, 2**32)
strengths = st.floats(0, 1)


def pictures(shape: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    """Pictures and the numbers by which they are augmented."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=source), torch.rand(shape[0], plane.NUMBERS, generator=source)


# --- each transformation ---------------------------------------------------------------------------------------------------


@given(shapes, seeds, st.data())
def test_a_move_is_a_crop_of_the_mirrored_picture(shape: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    x, _ = pictures(shape, seed)
    (b, _, h, w) = shape
    offsets = [(data.draw(st.integers(-h, h)), data.draw(st.integers(-w, w))) for _ in range(b)]
    found = plane.move(x, torch.tensor(offsets))
    for sample, moved, (down, right) in zip(x.numpy(), found.numpy(), offsets, strict=True):
        wide = np.pad(sample, ((0, 0), (h, h), (w, w)), mode="symmetric")
        np.testing.assert_array_equal(moved, wide[:, h - down : 2 * h - down, w - right : 2 * w - right])


def test_a_move_takes_each_gradient_back_to_where_its_value_came_from() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    slopes = torch.autograd.functional.jacobian(lambda x: plane.move(x, torch.tensor([[1, -2]])), x).reshape(12, 12)
    assert torch.equal(slopes.sort(1).values, torch.cat((torch.zeros(12, 11), torch.ones(12, 1)), 1))  # one 1 in each row: a selection
    assert torch.equal(slopes @ x.flatten(), plane.move(x, torch.tensor([[1, -2]])).flatten())


@given(st.integers(1, 100), st.integers(1, 100))
def test_every_whole_place_within_reach_is_as_likely_as_any(h: int, w: int) -> None:
    reach = [round(side * plane.SHIFT) for side in (h, w)]
    ways = [2 * r + 1 for r in reach]
    each = 3
    for axis, (r, n) in enumerate(zip(reach, ways, strict=True)):
        uniform = torch.full((n * each, 2), 0.5)
        uniform[:, axis] = (torch.arange(n * each) + 0.5) / (n * each)
        found = plane._offsets(uniform, torch.Size((h, w)))
        assert torch.equal(found[:, axis].unique(return_counts=True)[0], torch.arange(-r, r + 1))
        assert (found[:, axis].unique(return_counts=True)[1] == each).all()
        assert (found[:, 1 - axis] == 0).all()
    ends = plane._offsets(torch.tensor([[0.0, 1 - 2**-24]]), torch.Size((h, w)))
    assert ends.tolist() == [[-reach[0], reach[1]]]


@given(shapes, seeds)
def test_what_is_cut_out_is_one_rectangle_of_half_the_sides_and_no_more(shape: tuple[int, ...], seed: int) -> None:
    x, uniform = pictures(shape, seed)
    x = (x + 10).requires_grad_()  # nothing is 0 by itself
    chosen = uniform[:, 2] < 0.8
    found = plane.cut_out(x, uniform[:, :2], chosen)
    (slope,) = torch.autograd.grad(found.sum(), x)
    for sample, cut, passed, centre, done in zip(x, found, slope, uniform, chosen, strict=True):
        spans = []
        for side, at in zip(sample.shape[1:], centre.tolist(), strict=False):
            start = int(torch.tensor(at) * side) - side // 2 // 2
            spans.append(slice(max(start, 0), max(start + side // 2, 0)))
        wanted = sample.detach().clone()
        if done:
            wanted[:, spans[0], spans[1]] = 0.0
        assert torch.equal(cut, wanted)
        assert torch.equal(passed, (wanted != 0).float())


# --- together --------------------------------------------------------------------------------------------------------------


@given(shapes, seeds)
def test_no_strength_changes_no_bit(shape: tuple[int, ...], seed: int) -> None:
    x, uniform = pictures(shape, seed)
    uniform[0] = 0.0
    assert torch.equal(plane.augment(x, uniform, 0.0), x)


@given(shapes, seeds, strengths)
def test_samples_are_apart_and_the_same_numbers_do_the_same(shape: tuple[int, ...], seed: int, strength: float) -> None:
    x, uniform = pictures(shape, seed)
    found = plane.augment(x, uniform, strength)
    assert found.shape == x.shape
    alone = [plane.augment(x[i : i + 1], uniform[i : i + 1], strength) for i in range(len(x))]
    assert torch.equal(torch.cat(alone), found)
    assert torch.equal(plane.augment(x, uniform, strength), found)


def test_each_transformation_is_done_to_its_share_of_the_samples() -> None:
    x, uniform = pictures((2000, 1, 16, 16), 0)
    x = x + 10
    changed = (plane.augment(x, uniform, 0.3) != x).flatten(1).any(1).float().mean()
    assert changed == pytest.approx(1 - 0.7**2, abs=0.05)  # a move by nothing is one in 25
    holes = (plane.augment(x, uniform, 0.3) == 0).flatten(1).any(1).float().mean()
    assert holes == pytest.approx(0.3, abs=0.04)
    assert (plane.augment(x, uniform, 1.0) == 0).flatten(1).any(1).all()


def test_gradients_are_those_of_finite_differences() -> None:
    x, uniform = pictures((3, 3, 6, 5), 1)
    x = x.double().requires_grad_()
    uniform[:, :2] = 0.0
    assert torch.autograd.gradcheck(lambda x: plane.augment(x, uniform.double(), 0.5), x)


# --- in the game -----------------------------------------------------------------------------------------------------------

LAYOUT, LATENT, GAMMA, STRENGTH = Layout((Block("pixels", 2, "bounded"),), (8, 8)), 4, 0.7, 0.8


def players_() -> Players:
    torch.manual_seed(0)
    return Players(DenseGenerator(LAYOUT, LATENT, (16,)), DenseDiscriminator(LAYOUT, (16,)))


def noise_(size: int) -> Noise:
    source = torch.Generator().manual_seed(2)
    latents = torch.randn(2, size, LATENT, generator=source)
    directions = torch.randn(2 * size, *LAYOUT.shape, generator=source)
    return Noise(latents[0], latents[1], directions, torch.rand(4 * size, plane.NUMBERS, generator=source))


def objective_(exact: bool = True) -> Objective:
    return Objective(LOSSES["relativistic"], exact, 0.5, 0.0, nullcontext)


def test_both_players_see_both_kinds_of_sample_augmented_and_the_penalty_is_taken_there() -> None:
    players, noise, goal = players_(), noise_(6), objective_()
    real = torch.rand(6, *LAYOUT.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    g, d = players.generator.network, players.discriminator.network
    assert noise.chances is not None
    numbers = noise.chances.chunk(4)  # real, fake for the discriminator; real, fake for the generator
    shown = [plane.augment(x, u, STRENGTH) for x, u in zip((real, g(noise.discriminator), real, g(noise.generator)), numbers, strict=True)]

    points = [shown[0].requires_grad_(), shown[1].detach().requires_grad_()]
    logits = [logits_of(d, x, None) for x in points]
    slopes = [torch.autograd.grad(y.sum(), x, create_graph=True)[0] for x, y in zip(points, logits, strict=True)]
    penalty = sum(slope.square().sum() / 6 for slope in slopes)
    loss, record = discriminator_move(players, Batch(real), noise, goal, GAMMA, STRENGTH)
    torch.testing.assert_close(loss, nn.functional.softplus(logits[1] - logits[0]).mean() + GAMMA / 2 * penalty)
    torch.testing.assert_close(record["r1"] + record["r2"], penalty)

    wanted = nn.functional.softplus(logits_of(d, shown[2], None) - logits_of(d, shown[3], None)).mean()
    loss, _ = generator_move(players, Batch(real), noise, goal, STRENGTH)
    torch.testing.assert_close(loss, wanted)
    slope = torch.autograd.grad(wanted, players.generator.parameters)
    players.generator.minimise(loss)
    torch.testing.assert_close([p.grad for p in players.generator.parameters], list(slope))


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "finite"])
def test_the_mean_of_two_halves_gradients_is_that_of_the_whole_batch(exact: bool) -> None:
    players, noise, goal = players_(), noise_(64), objective_(exact)
    real = torch.rand(64, *LAYOUT.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert noise.directions is not None
    assert noise.chances is not None

    def gradients(x: Tensor, noise: Noise) -> Tensor:
        players.discriminator.minimise(discriminator_move(players, Batch(x), noise, goal, GAMMA, STRENGTH)[0])
        players.generator.minimise(generator_move(players, Batch(x), noise, goal, STRENGTH)[0])
        return torch.cat((players.discriminator.gradient, players.generator.gradient))

    halves = []
    for rank in (0, 1):
        w = World(rank, 2)
        parts = w.part(noise.discriminator), w.part(noise.generator), w.part(noise.directions, 2), w.part(noise.chances, 4)
        halves.append(gradients(w.part(real), Noise(*parts)))
    torch.testing.assert_close((halves[0] + halves[1]) / 2, gradients(real, noise), rtol=1e-4, atol=1e-6)


def plan(strength: float) -> Plan:
    chosen = {
        "run.batch": 8, "run.samples": 80, "run.tick": 1, "network.latent": LATENT, "optimiser.lr_generator": 1, "optimiser.lr_end": 1,
        "optimiser.lr_discriminator": 1, "penalty.gamma": 1, "penalty.gamma_end": 1, "average.halflife": 1, "augment.strength": strength,
        "augment.rise": 40,
    }  # fmt: skip
    return Plan.of(config.merge(Recipe(), chosen), LAYOUT)


def test_what_is_drawn_is_decided_by_the_step_and_shared_out_over_the_processes() -> None:
    none, some = plan(0.0).noise(4, World()), plan(0.5).noise(4, World())
    assert none.chances is None
    assert torch.equal(none.discriminator, some.discriminator)  # a game with augmentation draws the latents of one without
    assert some.chances is not None
    assert some.chances.shape == (32, plane.NUMBERS)
    assert len(some.chances.unique()) > 0.99 * some.chances.numel()  # every sample has numbers of its own
    again, later = plan(0.5).noise(4, World()).chances, plan(0.5).noise(5, World()).chances
    assert again is not None
    assert later is not None
    assert torch.equal(again, some.chances)
    assert not torch.equal(later, some.chances)
    parts = [plan(0.5).noise(4, World(rank, 2)).chances for rank in (0, 1)]
    joined = [torch.cat(both) for both in zip(*(p.chunk(4) for p in parts if p is not None), strict=True)]
    assert torch.equal(torch.cat(joined), some.chances)


def test_the_strength_rises_with_the_samples_seen() -> None:
    assert [plan(0.6).rates(number, number / 10).strength for number in (0, 1, 3, 5, 9)] == pytest.approx([0.0, 0.12, 0.36, 0.6, 0.6])
    assert replace(plan(0.6), rise=0).rates(0, 0.0).strength == 0.6


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


def test_only_planes_are_augmented(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"augment\.strength works on pictures; this data is a row"):
        tiny.train(tmp_path, {"data.source": "toy:ring", **SETTINGS})
    assert not list(tmp_path.iterdir())


def test_what_was_done_to_the_samples_does_not_show_in_what_is_generated() -> None:
    """Pictures of one bright level each, with holes in most of what either player sees, are learned without holes; where the generated
    are shown as they are, the holes are learned too."""
    layout, size = Layout((Block("pixels", 1, "bounded", 0.7, 0.2),), (8, 8)), 32
    goal = Objective(LOSSES["relativistic"], True, 0.05, 1e-3, nullcontext)
    rates = Rates(gamma=0.1, lr_generator=3e-3, lr_discriminator=3e-3, beta1=0.0, beta2=0.9, ema_beta=0.98, strength=STRENGTH)

    def holes(fair: bool) -> float:
        """Share of generated pictures with a place half as bright as any of the real ones."""
        torch.manual_seed(0)
        players = Players(DenseGenerator(layout, 8, (32, 32)), DenseDiscriminator(layout, (32, 32)))
        for number in range(200):
            source = stream(0, "leak", number)
            level = 0.5 + 0.4 * torch.rand(size, 1, 1, 1, generator=source)
            chances = torch.rand(4 * size, plane.NUMBERS, generator=source)
            if not fair:
                chances[size : 2 * size, :2] = chances[3 * size :, :2] = 1.0
            latents = torch.randn(2, size, 8, generator=source)
            step(players, Batch(level.expand(size, 1, 8, 8)), Noise(latents[0], latents[1], None, chances), goal, rates, World().average)
        with players.averaged() as network, torch.no_grad():
            drawn = network(torch.randn(500, 8, generator=stream(0, "drawn")))
        return float((drawn.flatten(1).min(1).values < 0.25).float().mean())

    assert holes(fair=True) < 0.15
    assert holes(fair=False) > 0.4


def test_the_numbers_of_a_move_need_a_strength() -> None:
    """A strength of 0 with numbers, and no numbers, are the same game."""
    players, noise, real = players_(), noise_(6), torch.rand(6, *LAYOUT.shape)
    one = discriminator_move(players, Batch(real), noise, objective_(), GAMMA, 0.0)[0]
    two = discriminator_move(players, Batch(real), replace(noise, chances=None), objective_(), GAMMA)[0]
    assert torch.equal(one, two)
