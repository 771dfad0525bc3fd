"""The examination of both players: what it measures of networks whose answers are known, and that it leaves no trace."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from customers import frame
from gansmith import networks
from gansmith.config import Recipe, merge
from gansmith.engine.distribute import World
from gansmith.engine.examine import Subjects, examine
from gansmith.engine.moves import Rates
from gansmith.engine.players import Players
from gansmith.engine.steps import step
from gansmith.health.signals import Originality
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES
from gansmith.runs import RunFolder
from test_loop import GOAL, LAYOUT, feed, plan, players

RATES = Rates(1.0, 1e-3, 1e-3, 0.0, 0.9, 0.9)
PLANE = Layout((Block("value", 1, "bounded"),), (16, 16), 3)
ALWAYS = {
    "gradients", "moves", "frozen", "logit_train", "logit_fake", "wins_train", "scatter", "pull", "slope", "ema_gap", "spread", "closest",
    "reached", "beyond", "mean_gap", "deviation", "dead_latents",
}  # fmt: skip


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def subjects(layout: Layout, latent: int, count: int = 48, held: bool = True, **more: Any) -> Subjects:
    labels = torch.arange(count) % max(layout.condition, 1)
    condition = nn.functional.one_hot(labels, layout.condition).float() if layout.condition else None
    real, unseen = (0.5 * normal(count, *layout.shape, seed=s) for s in (1, 2))
    return Subjects(layout, Batch(real, condition), Batch(unseen, condition) if held else None, normal(count, latent), **more)


class Line(nn.Module):
    """D(x) = w·x, or G(z) = w∘z."""

    def __init__(self, weight: Tensor, judge: bool) -> None:
        super().__init__()
        self.weight, self.judge = nn.Parameter(weight), judge

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight if self.judge else x * self.weight


def lines(w: Tensor) -> Players:
    return Players(Line(torch.ones(len(w)), False), Line(w.clone(), True))


ROW = Layout((Block("numbers", 3, "real"),))


# --- closed forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_slope_and_pull_of_a_linear_discriminator(name: str) -> None:
    w = torch.tensor([0.3, -0.4, 1.2])
    found = examine(lines(w), subjects(ROW, 3, scale=2.5), replace(GOAL, pair=LOSSES[name]), RATES)
    assert found["slope"] == pytest.approx(2.5 * 1.3, rel=1e-4)
    of = subjects(ROW, 3)
    fake = (of.latents @ w).requires_grad_()
    LOSSES[name].generator(of.train.x @ w, fake).sum().backward()
    assert fake.grad is not None
    assert found["pull"] == pytest.approx(2.5 * 1.3 * float(fake.grad.abs().mean()), rel=1e-4)


def test_the_logits_of_each_kind_of_sample() -> None:
    w, of = torch.tensor([1.0, 0.0, 0.0]), subjects(ROW, 3)
    assert of.held is not None
    found = examine(lines(w), of, GOAL, RATES)
    assert found["logit_train"] == pytest.approx(float(of.train.x[:, 0].mean()), abs=1e-6)
    assert found["logit_held"] == pytest.approx(float(of.held.x[:, 0].mean()), abs=1e-6)
    assert found["logit_fake"] == pytest.approx(float(of.latents[:, 0].mean()), abs=1e-6)


def test_a_latent_without_weight_is_dead_and_the_average_may_lag() -> None:
    both = lines(torch.ones(3))
    with torch.no_grad():
        both.generator.weights.copy_(torch.tensor([1.0, 0.0, 1.0]))
        both.average.copy_(torch.tensor([1.0, 0.0, 0.0]))
    of = subjects(ROW, 3, scale=2.0)
    found = examine(both, of, GOAL, RATES)
    assert found["dead_latents"] == pytest.approx(1 / 3)
    assert found["ema_gap"] == pytest.approx(float(of.latents[:, 2].abs().mean()) / 2.0, rel=1e-4)


def test_a_move_is_what_the_last_step_changed() -> None:
    both, asked = players(), plan()
    for place in range(3):
        before = {n: p.detach().clone() for p_ in (both.generator, both.discriminator) for n, p in _named(p_)}
        rates = asked.rates(place, 0.1)
        step(both, feed(place), asked.noise(place, World()), GOAL, rates, World().average, place)
    found = examine(both, subjects(LAYOUT, 3), GOAL, rates)
    checked = 0
    for player in (both.generator, both.discriminator):
        for name, parameter in _named(player):
            if parameter.dim() > 1:
                moved = float((parameter.detach() - before[name]).norm() / parameter.detach().norm())
                assert found["moves"][name] == pytest.approx(moved, rel=2e-3)
                assert found["gradients"][name] == pytest.approx(float(parameter.grad.norm()), rel=1e-5)
                checked += 1
    assert checked


def _named(player: Any) -> list[tuple[str, Any]]:
    return [(f"{player.name}.{n}", p) for n, p in player.named]


def test_what_nothing_moves_is_named() -> None:
    generator = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 3))
    generator[0].weight.requires_grad_(False)
    both = Players(generator, Line(torch.ones(3), True))
    both.generator.gradient.fill_(1.0)
    both.discriminator.gradient.fill_(1.0)
    assert examine(both, subjects(ROW, 3), GOAL, RATES)["frozen"] == ["generator.0.weight"]
    both.generator.gradient.zero_()
    assert examine(both, subjects(ROW, 3), GOAL, RATES)["frozen"] == ["generator.0.weight", "generator.1.weight"]


class Told(nn.Module):
    """A generator whose samples are its latent, moved by its condition as far as `by`."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by, self.gain = by, nn.Parameter(torch.ones(1))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return self.gain * (z + self.by * c)


class Asked(nn.Module):
    """A discriminator that likes what lies towards its condition."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.gain * (x * c).sum(1)


@pytest.mark.parametrize("by", [0.0, 1.0, 4.0])
def test_an_answer_to_the_condition_is_beside_that_to_the_latent(by: float) -> None:
    layout = Layout((Block("numbers", 3, "real"),), condition=3)
    of = subjects(layout, 3, labels=True)
    found = examine(Players(Told(by), Asked()), of, GOAL, RATES)
    far = float((of.latents - of.latents.roll(1, 0)).norm(dim=1).mean())
    assert found["response"] == pytest.approx(by * 2**0.5 / far, rel=1e-4)
    assert {"spread_classes", "reached_classes", "response_d"} <= found.keys()
    assert of.train.condition is not None
    x, c = of.train.x, of.train.condition
    wrong = (x * c).sum(1) - (x * c.roll(1, 0)).sum(1)
    assert found["response_d"] * found["scatter"] == pytest.approx(float(wrong.mean()), abs=1e-5)
    assert found["response_held"] != found["response_d"]


# --- whatever the networks are -------------------------------------------------------------------------------------------


def built(name: str, layout: Layout, pack: int = 1) -> Players:
    settings = merge(Recipe(), {"network.name": name, "network.width": 8, "network.latent": 8, "network.conditioning": "projection"})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Players(networks.generator(settings.network, layout), networks.discriminator(settings.network, layout.packed(pack)))


@pytest.mark.parametrize("name", ["dense", "light", "residual", "dcgan", "sngan", "stylegan2", "fastgan"])
def test_every_network_can_be_examined_and_nothing_is_left_changed(name: str) -> None:
    both = built(name, PLANE)
    of = subjects(PLANE, 8, 24, labels=True, measure=lambda x: float(x.square().mean()))
    state = [{k: v.clone() for k, v in p.network.state_dict().items()} for p in (both.generator, both.discriminator)]
    gradients = [p.gradient.clone() for p in (both.generator, both.discriminator)]
    average, random = both.average.clone(), torch.get_rng_state()
    goal = replace(GOAL, apart=name != "dcgan")
    found = examine(both, of, goal, RATES)
    assert found.keys() >= ALWAYS | {"border_gap", "weave", "off_live", "off_average", "response", "logit_held"}
    assert examine(both, of, goal, RATES) == found
    for player, before, gradient in zip((both.generator, both.discriminator), state, gradients, strict=True):
        assert all(torch.equal(v, before[k]) for k, v in player.network.state_dict().items())
        assert torch.equal(player.gradient, gradient)
    assert torch.equal(both.average, average)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for p in (both.generator, both.discriminator) for module in p.network.modules())
    json.dumps(found)


def test_packs_are_judged_as_packs() -> None:
    layout = replace(PLANE, condition=0)
    found = examine(built("light", layout, 5), subjects(layout, 8, 24), replace(GOAL, pack=5), RATES)  # 24 are not a multiple of 5
    assert {"wins_train", "wins_held", "pull"} <= found.keys()


def test_what_cannot_be_told_is_left_out() -> None:
    found = examine(lines(torch.ones(3)), subjects(ROW, 3, held=False), GOAL, RATES)
    absent = {"logit_held", "wins_held", "reached_real", "response", "spread_classes", "off_live", "nearest_train", "border_gap", "low"}
    assert not absent & found.keys()
    of = subjects(ROW, 3)
    with_all = replace(of, original=Originality(of.train.x, of.latents))
    assert {"nearest_train", "copies"} <= examine(lines(torch.ones(3)), with_all, GOAL, RATES).keys()


# --- in a run ------------------------------------------------------------------------------------------------------------


def test_a_run_is_the_same_bit_for_bit_with_and_without_examinations_and_guard(tmp_path: Path) -> None:
    few = {"optimiser.lr_generator": 1e-4, "optimiser.lr_discriminator": 1e-4}  # nothing goes wrong so slowly
    with_all = tiny.train(tmp_path / "a", {"run.exams": 6, "run.guard": True, **few}).path
    without = tiny.train(tmp_path / "b", {"run.exams": 0, "run.guard": False, **few}).path
    exams = RunFolder(with_all).exams()
    assert [e["step"] for e in exams] == [5, 10, 15, 20, 25, 30]
    assert all(e.keys() >= ALWAYS for e in exams)
    assert not RunFolder(with_all).recovered()
    assert not (without / "health.jsonl").exists()
    (without / "health.jsonl").write_bytes((with_all / "health.jsonl").read_bytes())
    tiny.assert_same_end(with_all, without)


def test_a_table_is_examined_as_far_as_it_goes(tmp_path: Path) -> None:
    exam = RunFolder(tiny.train(tmp_path, {"network.name": None, "network.width": 16, "network.latent": None}, frame(400)).path).exams()[-1]
    assert {"pull", "wins_train", "spread", "gradients"} <= exam.keys()
    assert not {"off_live", "response", "low", "dead_latents", "nearest_train"} & exam.keys()


def test_the_phases_of_a_tick_are_all_of_its_time(tmp_path: Path) -> None:
    for line in RunFolder(tiny.train(tmp_path).path).speeds():
        assert line["data"] + line["game"] + line["watch"] == pytest.approx(1.0, abs=1e-3)
