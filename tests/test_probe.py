"""What the probe times is what the game does: as many passes of either player, as often, and the same gradients whatever came before."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from duel import BARE, LATENT, LAYOUT, batch_
from gansmith import config
from gansmith.conditions import Column
from gansmith.config import Recipe
from gansmith.engine import probe
from gansmith.layout import Layout
from gansmith.losses import LOSSES, class_cost
from gansmith.networks.dense import DenseDiscriminator, DenseGenerator

BATCH = 8
RESOLVED = {
    "machine.precision": "fp32", "machine.threads": 1, "machine.workers": 1, "penalty.form": "exact", "network.latent": LATENT,
    "run.batch": BATCH, "penalty.gamma": 0.5,
}  # fmt: skip


def recipe_(**settings: Any) -> Recipe:
    return config.merge(Recipe(), {**RESOLVED, **settings})


def setting_(layout: Layout, *columns: Column) -> probe.Setting:
    return probe.Setting(layout, 1.0, LOSSES["relativistic"], True, "cpu", columns)


def pair_(passes: list[str] | None = None) -> tuple[nn.Module, nn.Module]:
    """Both players; `passes` is told of every forward pass of either, also of copies of them."""
    torch.manual_seed(0)
    pair = DenseGenerator(BARE, LATENT, (16,)), DenseDiscriminator(BARE, (16,))
    for network in pair if passes is not None else ():
        network.register_forward_hook(_Count(passes, type(network).__name__))
    return pair


class _Count:
    def __init__(self, passes: list[str] | None, name: str) -> None:
        self.passes, self.name = passes, name

    def __call__(self, *_: Any) -> None:
        assert self.passes is not None
        self.passes.append(self.name)

    def __deepcopy__(self, memo: object) -> _Count:
        return self


def measured(recipe: Recipe, pair: tuple[nn.Module, nn.Module]) -> list[probe.Trial]:
    return probe.probe(recipe, setting_(BARE), lambda: pair, lambda count: batch_(count, BARE), several=False)


@pytest.mark.parametrize(
    ("settings", "generated", "judged"),
    [
        ({}, 2, 3),  # both moves draw; the discriminator judges in its own, and real and fake samples in the generator's
        ({"game.unrolled": 3}, 3, 1 + 2 * 3 + 2),
        ({"optimiser.name": "extra"}, 4, 6),
        ({"game.critics": 2}, 3, 4),
    ],
)
def test_a_step_of_the_probe_is_a_step_of_the_game(
    settings: dict[str, Any], generated: int, judged: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    passes = list[str]()
    measured(recipe_(**settings), pair_(passes))
    assert (passes.count("DenseGenerator"), passes.count("DenseDiscriminator")) == (2 * generated, 2 * judged)  # one to warm up, one timed


@pytest.mark.parametrize(("every", "seconds"), [(1, 5.0), (2, 3.0), (16, (5.0 + 15 * 1.0) / 16)])
def test_a_penalty_that_is_left_out_of_most_steps_costs_its_share(every: int, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a machine on which a step takes a second, and four more with a gradient penalty."""
    now, play = 0.0, probe.step

    def slow(*given: Any) -> Any:
        nonlocal now
        record = play(*given)
        now += 5.0 if "r1" in record else 1.0
        return record

    monkeypatch.setattr(probe, "step", slow)
    monkeypatch.setattr(probe.time, "perf_counter", lambda: now)
    (trial,) = measured(recipe_(**{"penalty.every": every}), pair_())
    assert trial.samples_per_second == pytest.approx(BATCH / seconds)


@pytest.mark.parametrize(
    "settings", [{}, {"game.unrolled": 2}, {"optimiser.name": "optimistic"}, {"penalty.path": 1.0, "penalty.lecam": 0.5}]
)
def test_every_way_starts_from_the_same_place_and_leaves_the_networks_as_they_were(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.01)
    monkeypatch.setattr(probe, "ways", lambda *_: [probe.Way("fp32", 1)] * 3)
    pair = pair_()
    before = [p.clone() for network in pair for p in network.parameters()]
    assert [trial.cosine for trial in measured(recipe_(**settings), pair)] == pytest.approx([1.0] * 3, abs=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(before, (p for network in pair for p in network.parameters()), strict=True))


@pytest.mark.parametrize("pack", [1, 2, 3])
@pytest.mark.parametrize("columns", [(), (Column("kind", "choice", ("a", "b")), Column("age", "number"))], ids=["classes", "columns"])
def test_whoever_guesses_every_member_of_a_pack_pays_nothing(pack: int, columns: tuple[Column, ...]) -> None:
    recipe = recipe_(**{"network.conditioning": "auxiliary", "game.pack": pack})
    parts = probe.objective(recipe, setting_(LAYOUT, *columns), "fp32").parts
    assert len(parts) == pack * max(1, len(columns))
    kinds = (
        torch.eye(3)[torch.arange(5 * pack) % 3] if not columns else torch.tensor([[1.0, 0.0, 0.7], [0.0, 1.0, -2.0]]).repeat(5 * pack, 1)
    )
    asked = kinds[: 5 * pack].reshape(5, -1)
    guess = torch.cat([100 * part if kind == "choice" else part for place, kind in parts for part in [asked[:, place]]], 1)
    torch.testing.assert_close(class_cost(guess, asked, parts), torch.zeros(5))
    assert (class_cost(guess.roll(1, 1), asked, parts) > 1).all()


def test_nobody_is_asked_for_classes_that_are_not_there() -> None:
    assert probe.objective(recipe_(**{"game.pack": 2}), setting_(BARE), "fp32").parts == ()


def test_the_cost_of_a_pack_is_that_of_its_members() -> None:
    parts = probe.objective(recipe_(**{"game.pack": 2}), setting_(LAYOUT), "fp32").parts
    guess: Tensor = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    asked = torch.eye(3)[torch.tensor([2, 0, 1, 1])]
    of_each = class_cost(guess, asked)
    torch.testing.assert_close(class_cost(guess.reshape(2, 6), asked.reshape(2, 6), parts), of_each.reshape(2, 2).sum(1))
