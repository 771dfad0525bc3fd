"""The loop: how much of a run is done, what is recorded, and what stops it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gansmith.engine import loop
from gansmith.engine.checkpoint import Position
from gansmith.engine.distribute import World
from gansmith.engine.loop import Pace, Tick, play
from gansmith.engine.moves import Objective
from gansmith.engine.noise import Needs
from gansmith.engine.plan import Plan
from gansmith.engine.players import Players
from gansmith.engine.steps import step
from gansmith.errors import TrainingError
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES
from gansmith.randomness import stream

LAYOUT = Layout((Block("x", 2, "real"),))
BATCH = 4
START, LITTLE = Position(), Needs()


def plan(steps: int = 20, tick: int = 5, minutes: float | None = None, needs: Needs = LITTLE) -> Plan:
    return Plan(
        layout=LAYOUT, seed=0, batch=BATCH, steps=steps, minutes=minutes, tick=tick, latent=3, lr_generator=1e-2, lr_discriminator=1e-2,
        lr_end=0.1, lr_power=1.0, gamma=0.1, gamma_end=0.01, beta1=0.0, beta2=0.9, beta2_end=0.99, burn_in=0.2, halflife=100, needs=needs,
    )  # fmt: skip


def players() -> Players:
    torch.manual_seed(0)
    return Players(nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)))


def feed(place: int, moves: int = 1) -> Batch:
    return Batch(torch.randn(moves * BATCH, 2, generator=stream(0, "data", place)))


GOAL = Objective(LOSSES["relativistic"], True, 0.01, 1e-3, contextlib.nullcontext)


class Seen:
    """Keeps every tick, and the weights it was shown."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.weights: list[Tensor] = []

    def __call__(self, tick: Tick, players: Players) -> None:
        self.ticks.append(tick)
        self.weights.append(players.generator.weights.clone())


def run(
    asked: Plan, start: Position = START, who: Players | None = None, stop: Callable[[], bool] = lambda: False
) -> tuple[Position, Seen]:
    seen = Seen()
    return play(who or players(), feed, GOAL, asked, World(), start, [seen], stop), seen


# --- how much is done ----------------------------------------------------------------------------------------------------


def test_bounded_by_samples_the_share_is_that_of_the_steps() -> None:
    pace = Pace(plan(steps=20), Position())
    assert [pace.share(s) for s in (0, 5, 20, 30)] == [0.0, 0.25, 1.0, 1.0]
    assert pace.tick(5, 1e6, 1e6) == Position(5, 0.25, 1e6, False)
    assert pace.tick(20, 2e6, 1e6) == Position(20, 1.0, 2e6, True)


def test_bounded_by_minutes_the_share_follows_the_time_and_ends_at_1() -> None:
    pace, seconds, step_seconds = Pace(plan(steps=2**62, minutes=1.0), Position()), 0.0, 0.1
    position, shares = Position(), []
    while not position.finished:
        place = position.step + 10
        shares += [pace.share(s) for s in range(position.step, place)]
        seconds += 10 * step_seconds
        position = pace.tick(place, seconds, step_seconds)
        step_seconds *= 1.02  # the machine grows slower
    assert position.share == 1.0
    assert 60.0 <= seconds < 65.0
    assert shares == sorted(shares)
    assert max(shares[:10]) < 1e-12  # nothing is known of the speed before the first tick
    assert 0.95 < shares[-1] <= 1.0
    middle = len([s for s in shares if s < 0.5]) / len(shares)
    assert 0.35 < middle < 0.75


def test_a_resumed_run_bounded_by_minutes_goes_on_from_its_share() -> None:
    pace = Pace(plan(steps=2**62, minutes=1.0), Position(100, 0.5, 30.0))
    assert pace.share(100) == pace.share(105) == 0.5
    position = pace.tick(110, 31.0, 0.1)
    here = 0.5 + 0.5 * 1.0 / 30.0  # the first tick took one of the 30 seconds that were left
    assert position.share == pytest.approx(here)
    assert not position.finished
    assert pace.share(400) == pytest.approx(here + (1.0 - here) * 290 * 0.1 / 29.0)
    assert pace.tick(400, 60.5, 0.1).finished


def test_bounded_by_both_the_first_bound_ends_it() -> None:
    assert Pace(plan(steps=10, minutes=1e6), Position()).tick(10, 1.0, 0.1) == Position(10, 1.0, 1.0, True)
    assert Pace(plan(steps=10**9, minutes=0.1), Position()).tick(10, 7.0, 0.1).finished


def test_a_run_of_a_moment_ends_after_one_tick() -> None:
    began = time.perf_counter()
    position, seen = run(plan(steps=2**62, tick=3, minutes=1e-6))
    assert (position.step, position.share, position.finished) == (3, 1.0, True)
    assert time.perf_counter() - began < 5
    assert seen.ticks[-1].last


# --- what is recorded ----------------------------------------------------------------------------------------------------


def test_a_tick_tells_the_mean_of_every_value_since_the_last() -> None:
    asked = plan(steps=10, tick=5)
    by_hand = players()
    records = [step(by_hand, feed(s), asked.noise(s, World()), GOAL, asked.rates(s, s / 10), World().average) for s in range(10)]
    _, seen = run(asked)
    for tick, part in zip(seen.ticks, (records[:5], records[5:]), strict=True):
        assert tick.means.keys() == {*part[0], "grad_d_peak", "grad_g_peak"}
        for name in ("grad_d", "grad_g"):
            assert tick.means.pop(f"{name}_peak") == pytest.approx(max(float(r[name]) for r in part), rel=1e-6)
        for name, value in tick.means.items():
            assert value == pytest.approx(sum(float(r[name]) for r in part) / 5, rel=1e-5)
    assert torch.equal(seen.weights[-1], by_hand.generator.weights)


def test_what_is_not_of_every_step_has_a_mean_over_those_it_is_of() -> None:
    asked, goal, by_hand = plan(steps=10, tick=5), replace(GOAL, every=4), players()
    records = [step(by_hand, feed(s), asked.noise(s, World()), goal, asked.rates(s, s / 10), World().average, s) for s in range(10)]
    seen = Seen()
    play(players(), feed, goal, asked, World(), START, [seen])
    for tick, steps in zip(seen.ticks, ((0, 4), (8,)), strict=True):
        assert [s for s in range(tick.position.step - 5, tick.position.step) if "r1" in records[s]] == list(steps)
        assert tick.means["r1"] == pytest.approx(sum(float(records[s]["r1"]) for s in steps) / len(steps), rel=1e-5)
    assert torch.equal(seen.weights[-1], by_hand.generator.weights)


def test_a_tick_without_any_step_of_a_lazy_penalty_does_not_speak_of_it() -> None:
    seen = Seen()
    play(players(), feed, replace(GOAL, every=8), plan(steps=9, tick=3), World(), START, [seen])
    assert ["r1" in tick.means for tick in seen.ticks] == [True, False, True]


def test_samples_are_counted_as_the_discriminator_sees_them() -> None:
    asked, seen = plan(steps=6, tick=3, needs=Needs(critics=2)), Seen()
    play(players(), lambda place: feed(place, 2), GOAL, asked, World(), START, [seen])
    assert asked.taken == 2 * BATCH
    assert [t.seen for t in seen.ticks] == [6 * BATCH, 12 * BATCH]


@pytest.mark.parametrize(("steps", "tick", "at"), [(20, 5, [5, 10, 15, 20]), (12, 5, [5, 10, 12]), (3, 100, [3]), (1, 1, [1])])
def test_ticks_fall_where_the_plan_says_and_at_the_end(steps: int, tick: int, at: list[int]) -> None:
    position, seen = run(plan(steps=steps, tick=tick))
    assert [t.position.step for t in seen.ticks] == at
    assert [t.seen for t in seen.ticks] == [s * BATCH for s in at]
    assert [t.last for t in seen.ticks] == [False] * (len(at) - 1) + [True]
    assert position.finished
    assert all(t.speed > 0 for t in seen.ticks)


def test_a_stop_is_answered_at_the_next_tick_and_a_later_run_goes_on_the_same() -> None:
    whole, unbroken = run(plan())
    who = players()
    asked = iter([False, True])
    position, first = run(plan(), who=who, stop=lambda: next(asked))
    assert (position.step, position.finished) == (10, False)
    assert first.ticks[-1].last
    end, second = run(plan(), start=position, who=who)
    assert end.step == whole.step
    assert [t.means for t in first.ticks + second.ticks] == [t.means for t in unbroken.ticks]
    assert torch.equal(second.weights[-1], unbroken.weights[-1])


def test_a_run_that_is_at_its_end_does_nothing() -> None:
    end = Position(20, 1.0, 3.0, True)
    position, seen = run(plan(), start=end)
    assert position == end
    assert not seen.ticks


# --- what stops it -------------------------------------------------------------------------------------------------------


def poison(who: Players, name: str, at: int) -> Callable[[int], Batch]:
    """A feed that spoils one gradient from step `at` on."""
    network = who.generator.network if name == "generator" else who.discriminator.network
    weight = dict(network.named_parameters())["0.weight" if name == "discriminator" else "weight"]
    hooked = []

    def spoiling(place: int) -> Batch:
        if place == at:
            hooked.append(weight.register_hook(lambda g: g * float("nan")))
        return feed(place)

    return spoiling


@pytest.mark.parametrize("device", ["cpu", "elsewhere"])
@pytest.mark.parametrize(("name", "culprit"), [("generator", "generator.weight"), ("discriminator", "discriminator.0.weight")])
def test_a_gradient_that_is_not_finite_stops_before_anything_is_saved(name: str, culprit: str, device: str) -> None:
    who, seen = players(), Seen()
    world = World(device="cpu" if device == "cpu" else "cpu:0")  # other devices are looked at once a tick
    named = culprit if device == "cpu" else r"\S+"  # between two looks it spreads
    with pytest.raises(TrainingError, match=f"the gradient of {named} is not finite") as told:
        play(who, poison(who, name, 7), GOAL, plan(), world, Position(), [seen])
    assert [t.position.step for t in seen.ticks] == [5]
    assert ("step 8" if device == "cpu" else "step 10") in str(told.value)


def test_weights_that_overflow_never_reach_a_watcher() -> None:
    done = []
    who = players()
    asked = plan(steps=5, tick=5)
    real_step = who.generator.step

    def last_one_overflows(*rates: float) -> None:
        real_step(*rates)
        done.append(1)
        if len(done) == 5:
            who.generator.weights[0] = float("inf")

    who.generator.step = last_one_overflows  # type: ignore[method-assign]
    seen = Seen()
    with pytest.raises(TrainingError, match=r"value of generator.weight is not finite"):
        play(who, feed, GOAL, asked, World(), Position(), [seen])
    assert not seen.ticks


def test_data_that_are_not_finite_stop_it() -> None:
    with pytest.raises(TrainingError, match="is not finite"):
        play(players(), lambda s: Batch(torch.full((BATCH, 2), float("nan"))), GOAL, plan(), World(), Position())


def test_a_culprit_that_is_nowhere_is_the_loss() -> None:
    assert "the loss is not finite" in str(loop.not_finite(players(), 3))
