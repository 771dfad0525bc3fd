"""tune: what may be changed, how the time is spent, what is measured, which trial comes next, and whether anything better was found."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy.pool import NullPool

import customers
import gansmith
import tiny
from gansmith import config
from gansmith.config import Recipe
from gansmith.engine import probe
from gansmith.engine.loop import not_finite
from gansmith.errors import ConfigError, DataError, MissingExtra, NotFinite, NotFiniteData, RunError, TrainingError
from gansmith.features.pixels import Values
from gansmith.metrics.frechet import Moments
from gansmith.pages import Picture, tuned
from gansmith.runs import RunFolder, flocked
from gansmith.tuning import budget, measure
from gansmith.tuning import space as spaces
from gansmith.tuning.budget import Budget
from gansmith.tuning.found import ARMS, Arm, Found, Judged, Trial, _percent, decide, gain
from gansmith.tuning.measure import Measured, Ruler, View
from gansmith.tuning.space import Choice, Range
from gansmith.verbs import tune as verb
from gansmith.verbs.opened import Opened
from gansmith.verbs.tuned import cost, session, trying, work
from gansmith.verbs.tuned import study as studies
from gansmith.verbs.tuned.bench import Bench
from gansmith.verbs.tuned.folder import TuneFolder
from gansmith.verbs.tuned.session import Progress
from gansmith.verbs.tuned.study import LOOKS, Study
from test_pages import Reader

Say = Callable[..., tuple[int, str, str]]

# Nothing to probe, no classes to learn to see, and hardly anything to train.
SETTINGS: dict[str, Any] = {**{k: v for k, v in tiny.SETTINGS.items() if k != "run.looks"}, "data.labels": "none"}
SPACE: dict[str, Any] = {"penalty.gamma": {"low": 0.01, "high": 10, "log": True}, "network.width": [4, 8, 16]}
GAMMA = 0.5  # of the best imaginable trial


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    monkeypatch.setattr(budget, "SEEDS", (3, 3))


# --- the space --------------------------------------------------------------------------------------------------------------


def resolved(**changes: Any) -> Recipe:
    """A recipe in which what the default space is about is chosen."""
    settings = {
        "optimiser.lr_generator": 1e-3, "optimiser.lr_discriminator": 2e-3, "network.width": 16, "run.batch": 64, "penalty.gamma": 0.3,
        "average.halflife": 20_000,
    }  # fmt: skip
    return config.merge(Recipe(), {**settings, **{k.replace("__", "."): v for k, v in changes.items()}})


def test_the_default_space_lies_around_the_default() -> None:
    assert spaces.automatic(resolved(), (), 1000, augments=True) == {
        "optimiser.lr_generator": Range(3e-4, 3e-3, log=True),
        "optimiser.lr_discriminator": Range(6e-4, 6e-3, log=True),
        "network.width": Choice((8, 16, 32)),
        "run.batch": Choice((32, 64, 128)),
        "optimiser.beta2_end": Choice((0.9, 0.99, 0.999)),
        "penalty.gamma": Range(0.03, 3.0, log=True),
        "average.halflife": Range(5000, 80_000, log=True, whole=True),
        "augment.strength": Range(0.0, 0.8),
    }


def test_what_was_set_is_not_searched_and_what_has_no_meaning_is_left_out() -> None:
    without = resolved(penalty__gamma=0, average__halflife=0, game__pack=8, network__width=4, optimiser__beta2=0.95)
    found = spaces.automatic(without, {"optimiser.lr_generator"}, 64, augments=False)
    assert found.keys() == {"optimiser.lr_discriminator", "network.width", "run.batch", "optimiser.beta2_end"}
    assert found["run.batch"] == Choice((32, 64))
    assert found["network.width"] == Choice((4, 8))
    assert found["optimiser.beta2_end"] == Choice((0.99, 0.999))
    with pytest.raises(ConfigError, match="nothing is left to search"):
        spaces.automatic(without, found.keys() | {"optimiser.lr_generator"}, 64, augments=False)


@given(
    lr=st.floats(1e-6, 1), gamma=st.floats(1e-6, 1e4), width=st.integers(4, 4096), batch=st.integers(1, 512),
    halflife=st.integers(1, 10**6), beta2_end=st.floats(0.9, 0.9999), most=st.integers(1, 1000),
)  # fmt: skip
def test_the_default_always_lies_in_its_space_and_every_value_can_be_set(
    lr: float, gamma: float, width: int, batch: int, halflife: int, beta2_end: float, most: int
) -> None:
    recipe = resolved(
        optimiser__lr_generator=lr, penalty__gamma=gamma, network__width=width, run__batch=batch, average__halflife=halflife,
        optimiser__beta2_end=beta2_end,
    )  # fmt: skip
    values = config.flat(recipe)
    for name, where in spaces.automatic(recipe, (), most, augments=True).items():
        assert name == "augment.strength" or where.holds(values[name])
        for value in where.values if isinstance(where, Choice) else (where.low, where.high):
            spaces.applied(recipe, {name: value})


@given(seed=st.integers(0, 10**6), low=st.floats(1e-6, 1), times=st.floats(1.01, 1e4))
def test_what_is_drawn_near_the_default_lies_in_the_space(seed: int, low: float, times: float) -> None:
    space = {
        "a": Range(low, low * times), "b": Range(low, low * times, log=True), "c": Range(1, 9, log=True, whole=True), "d": Choice((1, "x")),
    }  # fmt: skip
    default = {"a": low, "b": low, "c": 4}
    drawn = [spaces.near(space, default, np.random.default_rng([seed, i])) for i in range(40)]
    assert all(where.holds(values[name]) for values in drawn for name, where in space.items())
    kept = [sum(values[name] == value for name, value in default.items()) for values in drawn]
    assert max(kept) <= 3
    assert 0.8 < sum(kept) / len(kept) < 1.9  # a half of three but for the one that is drawn in any case
    assert {values["d"] for values in drawn} == {1, "x"}


def test_a_space_is_read_as_it_was_written(tmp_path: Path) -> None:
    told = {
        **SPACE,
        "optimiser.beta1": {"low": 0, "high": 0.5},
        "loss.name": ["relativistic", "hinge"],
        "average.halflife": {"low": 1, "high": 9},
    }
    found = spaces.of(told, Recipe())
    assert found["average.halflife"] == Range(1, 9, whole=True)
    assert found["loss.name"] == Choice(("relativistic", "hinge"))
    path = tmp_path / "space.yaml"
    path.write_text(spaces.dump(found))
    assert spaces.read(path, Recipe()) == found
    assert yaml.safe_load(path.read_text())["penalty.gamma"] == {"low": 0.01, "high": 10.0, "log": True}


BAD_SPACES = {
    "an unknown setting": ({"penalty.gama": [1, 2]}, "'penalty.gama', which is no setting; did you mean 'penalty.gamma'"),
    "the seed": ({"run.seed": [1, 2]}, "'run.seed', which is no part of the game"),
    "the machine": ({"machine.threads": [1, 2]}, "'machine.threads', which is no part of the game"),
    "ends the wrong way round": ({"penalty.gamma": {"low": 2, "high": 1}}, "the low end must be below"),
    "a log scale from 0": ({"penalty.gamma": {"low": 0, "high": 1, "log": True}}, "which has no 0"),
    "a log that is none": ({"penalty.gamma": {"low": 1, "high": 2, "log": "yes"}}, "a range is of numbers"),
    "a range of words": ({"loss.name": {"low": "a", "high": "b"}}, "a range is of numbers"),
    "one value": ({"network.width": [16, 16]}, "1 value.s. to choose among"),
    "a bare value": ({"network.width": 16}, "'network.width' 16; write"),
    "an end too many": ({"penalty.gamma": {"low": 0, "high": 1, "step": 0.1}}, "write 'penalty.gamma"),
    "out of range": ({"penalty.gamma": {"low": -1, "high": 1}}, "'penalty.gamma' cannot be -1"),
    "a choice that is none": ({"network.name": ["light", "lite"]}, "'network.name' cannot be 'lite'"),
    "a list in a list": ({"network.width": [[1, 2], 3]}, "which is no single one"),
    "nothing": ({}, "an empty space was given"),
}


@pytest.mark.parametrize("kind", BAD_SPACES)
def test_a_bad_space_gets_one_sentence(kind: str) -> None:
    told, words = BAD_SPACES[kind]
    with pytest.raises(ConfigError, match=words):
        spaces.of(told, Recipe())


@pytest.mark.parametrize(
    ("text", "words"), [("a: [", "is not YAML"), ("", "names no setting"), ("- 1", "names no setting"), (None, "there is no")]
)
def test_a_space_file_that_cannot_be_used_is_told(text: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        spaces.read(path, Recipe())


def test_a_value_that_only_other_values_contradict_is_taken() -> None:
    found = spaces.of({"optimiser.beta2": [0.9, 0.999], "optimiser.beta2_end": [0.5, 0.999]}, Recipe())
    with pytest.raises(ConfigError, match="beta2_end is lower"):
        spaces.applied(Recipe(), {"optimiser.beta2": 0.999, "optimiser.beta2_end": 0.5})
    assert found["optimiser.beta2_end"] == Choice((0.5, 0.999))


def test_a_penalty_weight_falls_by_the_same_factor_from_another_start() -> None:
    constant, falling = resolved(penalty__gamma_end=0.3), resolved(penalty__gamma_end=0.1)
    assert spaces.applied(constant, {"penalty.gamma": 2.0}).penalty.gamma_end == 2.0
    assert spaces.applied(falling, {"penalty.gamma": 2.0}).penalty.gamma_end == pytest.approx(2.0 / 3)
    assert spaces.applied(falling, {"penalty.gamma": 2.0, "penalty.gamma_end": 0.7}).penalty.gamma_end == 0.7
    assert spaces.applied(resolved(), {"penalty.gamma": 2.0}).penalty.gamma_end is None


# --- the budget -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget_", "words"),
    [
        ((0.0,), "0 minutes"), ((-1.0,), "-1 minutes"), ((math.nan,), "nan minutes"), ((math.inf,), "is not finite"), ((1, 0), "0 trials"),
        ((1, 1, 0), "--jobs"),
    ],
)  # fmt: skip
def test_an_empty_budget_is_refused(budget_: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Budget(*budget_)


def test_the_time_is_shared_out() -> None:
    assert Budget(30).search == pytest.approx(18 * 60)
    assert Budget(30).trial(math.inf) == pytest.approx(90)
    assert Budget(30, jobs=2).trial(math.inf) == pytest.approx(180)
    assert Budget(30, trials=4).trial(math.inf) == pytest.approx(270)
    assert Budget(30).trial(20.0) == 20.0
    assert Budget(60).until(30 * 60) == pytest.approx(48 * 60)  # of what is added, the judgement has its share


def test_the_rest_is_for_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "SEEDS", (5, 10))  # against the one that keeps searches of tests short
    assert budget.judging(720, 1, 90, math.inf) == (5, pytest.approx(72))
    assert budget.judging(720, 2, 20, 50) == (10, 50)
    assert budget.judging(720, 1, 60, 60) == (6, 60)
    assert budget.judging(720, 1, 180, math.inf) == (4, 90)  # no shorter than half a trial, so with fewer seeds …
    assert budget.judging(720, 1, 400, math.inf) == (3, 200)  # … but never without an interval, at the price of time
    assert budget.judging(-5, 1, 60, 60) == (3, 30)


@given(left=st.floats(-100, 1e4), each=st.floats(0.1, 100), jobs=st.integers(1, 4))
def test_trials_are_begun_while_half_of_one_has_room(left: float, each: float, jobs: int) -> None:
    count = budget.begun_in(left, each, jobs) // jobs
    assert not count or left - (count - 1) * each > budget.SHORTEST * each * (1 - 1e-9)
    assert left - count * each <= budget.SHORTEST * each * (1 + 1e-9)


@given(spent=st.floats(0, 1e4), seconds=st.floats(0, 1e4))
def test_enough_minutes_are_as_few_as_are_enough(spent: float, seconds: float) -> None:
    minutes = budget.enough(spent, seconds)
    assert Budget(max(minutes, 1)).until(spent) - spent >= seconds - 1e-6
    assert minutes <= 1 or Budget(minutes - 1).until(spent) - spent < seconds


def test_a_set_up_that_leaves_too_little_time_is_told() -> None:
    asked: Any = SimpleNamespace(trial=1.0, trials=4, jobs=1, search=18.0, spent=0.0)
    told = {setup: session.shortage(asked, [], setup) for setup in (0.0, 14.4, 14.6, 33.0)}
    assert told == {
        0.0: [], 14.4: [], 14.6: ["set-up took 15 s; time for 3 trials of 4"], 33.0: ["set-up took 33 s; time for 1 trial of 4"],
    }  # fmt: skip
    slow = [trial(0, default=True), trial(1)]  # of 4 seconds each
    assert session.shortage(asked, slow, 11.9) == []
    assert session.shortage(asked, slow, 12.1) == ["set-up took 12 s; time for 1 trial of 2"]
    assert session.shortage(asked, slow, 33.0) == ["set-up took 33 s; time for 0 trials of 2"]
    assert session.shortage(asked, [*slow, *slow], 33.0) == []  # nothing more was planned
    asked.jobs = 2
    assert session.shortage(asked, [], 33.0) == ["set-up took 33 s; time for 2 trials of 4"]


@given(left=st.floats(0, 1e5, allow_subnormal=False), jobs=st.integers(1, 8), longest=st.floats(0.1, 1e4), share=st.floats(0.01, 1))
def test_the_judgement_keeps_to_its_time(left: float, jobs: int, longest: float, share: float) -> None:
    trial = share * longest
    seeds, seconds = budget.judging(left, jobs, trial, longest)
    assert 3 <= seeds <= 10
    assert trial / 2 <= seconds <= longest
    if left * jobs >= 3 * trial:  # for three runs of either, each half as long as a trial
        assert 2 * seeds * seconds <= left * jobs * (1 + 1e-9)
    else:
        assert (seeds, seconds) == (3, trial / 2)


# --- the measure ------------------------------------------------------------------------------------------------------------

WIDE = 20


def view(real: np.ndarray, labels: np.ndarray | None = None, classes: int = 0) -> View:
    return View(Values((WIDE,), [0.0] * WIDE, 1.0), real, labels, classes)


@pytest.fixture
def normal() -> Callable[..., np.ndarray]:
    source = np.random.default_rng(0)
    return lambda count=600, scale=1.0: (scale * source.normal(size=(count, WIDE))).astype(np.float32)


def test_the_distance_sees_what_is_missing_and_what_is_wrong(normal: Callable[..., np.ndarray]) -> None:
    ruler = Ruler([view(normal())])
    perfect, narrow, off, one = (ruler(x, None) for x in (normal(), normal(scale=0.5), normal() + 1, np.repeat(normal(1), 600, 0)))
    assert perfect.score < 0.1 < narrow.score < 0.5 < off.score
    assert one.score > 0.9
    assert perfect.coverage > 0.9 > 0.05 > one.coverage
    assert perfect.density == pytest.approx(1, abs=0.15)


def test_half_of_the_modes_is_twice_seen(normal: Callable[..., np.ndarray]) -> None:
    far = np.where(np.arange(600) % 2, 8, 0).astype(np.float32)[:, None]
    ruler = Ruler([view(normal() + far)])
    both, one = ruler(normal() + far, None), ruler(normal(), None)
    assert one.score > 5 * both.score
    assert (both.coverage, one.coverage) == pytest.approx((1, 0.5), abs=0.06)


def test_labels_that_are_not_heeded_are_far_from_the_data(normal: Callable[..., np.ndarray]) -> None:
    labels = np.arange(600) % 3
    centres = 3 * np.eye(3, WIDE, dtype=np.float32)
    ruler = Ruler([view(normal() + centres[labels], labels, 3)])
    made = normal() + centres[labels]
    right, mixed = ruler(made, labels), ruler(made, np.roll(labels, 1))
    assert mixed.score > 5 * right.score
    assert mixed.coverage == right.coverage  # which look at no labels


def test_one_class_alone_weighs_nothing(normal: Callable[..., np.ndarray]) -> None:
    real, labels = normal(), np.zeros(600, np.int64)
    assert view(real, labels, 2).distance(torch.from_numpy(normal()), labels) == pytest.approx(
        view(real).distance(torch.from_numpy(normal()), None), rel=0.5
    )


def test_of_two_views_neither_outweighs_the_other() -> None:
    assert measure.geometric([0.1, 0.4]) == pytest.approx(0.2)
    assert measure.geometric([0.2]) == pytest.approx(0.2)
    assert measure.geometric([0.0, 1.0]) == pytest.approx(measure.LEAST**0.5)


def opened(data: Any, **settings: Any) -> tuple[Opened, Recipe]:
    recipe = config.merge(Recipe(), {"data.source": data if isinstance(data, str) else "memory:", **settings})
    return Opened.of(recipe, None if isinstance(data, str) else data, "cpu"), recipe


def test_the_data_are_divided_into_three_that_share_nothing() -> None:
    found, recipe = opened("digits")
    bench = Bench.of(found, recipe, 0.2)
    parts = [set(part.tolist()) for part in (bench.members, bench.aside, bench.fresh)]
    assert set.union(*parts) == set(range(len(found.collection)))
    assert sum(map(len, parts)) == len(found.collection)
    assert parts[2] == set(np.flatnonzero(found.held).tolist())
    digests = [set(found.collection.digests[sorted(part)].tolist()) for part in parts]
    assert not digests[0] & digests[1] | digests[0] & digests[2] | digests[1] & digests[2]


def test_too_few_samples_to_measure_by_are_refused() -> None:
    found, recipe = opened("digits", **{"data.held_out": 0.0})
    with pytest.raises(DataError, match="leaves 0 samples for the last judgement"):
        Bench.of(found, recipe, 0.2)


def test_rows_are_measured_by_how_surely_they_are_told_apart() -> None:
    found, recipe = opened(customers.frame(1000), **{"data.target": "churn"})
    bench = Bench.of(found, recipe, 0.2)
    stick = bench.search
    shuffled = np.random.default_rng(0).permuted(found.collection.raw[bench.members][: stick.count], axis=0)
    mixed = stick.ruler(shuffled, None)
    assert mixed.distances.keys() == {measure.TOLD_APART}
    assert bench.floor < 0.3 < 0.5 < mixed.score
    assert "boosted trees" in stick.words


# --- what a sample costs ------------------------------------------------------------------------------------------------------


def test_the_cost_is_the_least_that_steps_took() -> None:
    meter = cost.Meter(iter([10.0, 10.1, 10.2, 10.8, 10.9, 11.1]).__next__)
    ticks: list[Any] = [SimpleNamespace(seen=100 * i) for i in range(6)]
    for tick in ticks[:5]:
        meter.tick(tick)
    assert meter.cost == pytest.approx(0.001)
    with pytest.raises(cost.Enough):
        meter.tick(ticks[5])


def test_a_wide_network_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SECONDS", 0.05)
    recipe = config.merge(Recipe(), SETTINGS)
    narrow, wide = (
        cost.measured(config.merge(recipe, {"network.width": width}), {"machine.device": "cpu"}, tiny.BATCH, None) for width in (8, 1024)
    )
    assert wide > 2 * narrow > 0


def test_what_costs_nothing_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def measured(recipe: Recipe, settings: Any, batch: int, data: Any) -> float:
        asked.append(recipe.network.width or 0)
        return 1e-4 * batch * (recipe.network.width or 8)

    monkeypatch.setattr(cost, "measured", measured)

    def costs() -> cost.Costs:
        return cost.Costs(tmp_path / "costs.json", Recipe(), {}, {"network.width": 8, "penalty.gamma": 0.3}, 64, None)

    default = costs()({"network.width": 8, "penalty.gamma": 2.0, "optimiser.lr_generator": 1.0, "augment.strength": 0.1})
    assert costs()({"network.width": 16}) == pytest.approx(2 * default)
    assert costs()({"network.width": 16, "run.batch": 128}) == pytest.approx(4 * default)
    assert costs()({}) == default
    assert asked == [0, *[0, 16] * 4]


@pytest.mark.parametrize("slower", [1.0, 3.0])
def test_settings_are_set_beside_the_default_where_and_when_they_are_measured(slower: float, tmp_path: Path, monkeypatch: Any) -> None:
    here = 1.0
    monkeypatch.setattr(cost, "measured", lambda recipe, *others: here * (recipe.network.width or 8))
    costs = cost.Costs(tmp_path / "costs.json", Recipe(), {}, {"network.width": 8}, 64, None)
    default = costs({})
    here = slower  # as where another process has come to share the machine
    assert costs({"network.width": 16}) == pytest.approx(2 * default)


# --- what was found ---------------------------------------------------------------------------------------------------------


def judged(arm: Arm, scores: list[float | None]) -> list[Judged]:
    whole = (None if s is None else Measured(s, {"pixels": s}, 0.9, 0.8) for s in scores)
    return [Judged(arm, seed, m, f"finals/{arm}-{seed}-1", "" if m else "it stopped.") for seed, m in enumerate(whole)]


def trial(number: int, score: float | None = 0.2, default: bool = False, why: str = "", **values: Any) -> Trial:
    state = "failed" if why else "pruned" if score is None else "complete"
    return Trial(number, state, {"penalty.gamma": 0.3, **values}, score, 4.0, 1.0 if score else 0.3, default, why, f"trials/{number:03d}-1")  # type: ignore[arg-type]


def test_a_gain_is_a_share_of_the_default_s_distance() -> None:
    found = gain([*judged("default", [0.2, 0.4, 0.1]), *judged("found", [0.1, 0.2, 0.05])])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    factors = np.array([0.7, 0.8, 0.9])
    spread = gain([*judged("default", [0.2, 0.4, 0.1]), *judged("found", (factors * [0.2, 0.4, 0.1]).tolist())])
    assert spread is not None
    logs = -np.log(factors)
    reach = 4.302652729911275 * logs.std(ddof=1) / 3**0.5  # Student's t of 2 degrees of freedom
    assert spread.value == pytest.approx(1 - np.exp(-logs.mean()))
    assert (spread.low, spread.high) == pytest.approx(tuple(1 - np.exp(-(logs.mean() + s * reach)) for s in (-1, 1)))


@pytest.mark.parametrize(
    ("default", "found", "winner", "words"),
    [
        ([0.2, 0.21, 0.2], [0.1, 0.11, 0.1], "found", "49 % closer to fresh data .*recipe.yaml holds them"),
        ([0.2, 0.2, 0.2], [0.1, 0.3, 0.2], "default", "Nothing found is clearly better"),
        ([0.1, 0.11, 0.1], [0.2, 0.21, 0.2], "default", "The default is better than anything found.*97 % farther"),
        ([0.2, 0.2, 0.2], [0.1, 0.1, None], "default", "best settings found failed with seed 2"),
        ([None, None, 0.2], [0.1, 0.1, 0.1], "found", "Training with the default failed with 2 seeds"),
    ],
)
def test_only_an_interval_that_leaves_out_zero_wins(default: list[Any], found: list[Any], winner: str, words: str) -> None:
    _, arm, sentence = decide([*judged("default", default), *judged("found", found)], trial(1))
    assert arm == winner
    assert re.search(words, sentence), sentence


def test_with_the_default_alone_there_is_nothing_to_judge() -> None:
    alone = [trial(0, default=True)]
    for minutes, words in ((None, "Give the search more --trials."), (7, "Give the search more time: --minutes 7.")):
        assert decide([], None, alone, minutes) == (
            None, "default", f"No trial except the default finished, so recipe.yaml holds the default. {words}",
        )  # fmt: skip


def test_where_all_other_trials_failed_the_space_is_at_fault() -> None:
    several = [trial(0, default=True), *(trial(i, None, why=f"step {i} burst." if i < 3 else "no room.") for i in range(1, 4))]
    said = decide([], None, several, 7)[2]
    assert said.startswith("All 3 other trials failed, 2 of them with this: step 1 burst.")
    assert said.endswith("narrow the space around it.")
    assert "The one other trial failed, with this: step 1 burst. So" in decide([], None, several[:2], 7)[2]
    assert "more time" in decide([], None, [*several, trial(4, None)], 7)[2]  # one of them only fell behind


def test_a_search_is_hopeless_where_only_the_default_can_be_trained() -> None:
    default, failed = trial(0, default=True), [trial(i, None, why="no room.") for i in range(1, 6)]
    assert [work.hopeless([default, *failed[:n]]) for n in range(6)] == [False] * 4 + [True] * 2
    assert work.hopeless([replace(failed[0], default=True), *failed[1:4]])
    assert not work.hopeless([default, *failed, trial(6)])


def test_a_share_has_no_zero_with_a_sign() -> None:
    shares = {-0.0: "0 %", 0.0004: "0 %", -0.0004: "0 %", -0.002: "−0.2 %", 0.004: "+0.4 %", 0.005: "+0.5 %", -0.012: "−1 %", 0.49: "+49 %"}
    assert {share: _percent(share) for share in shares} == shares


def test_samples_that_are_no_numbers_are_told_as_such() -> None:
    broken = np.full((8, WIDE), np.nan, np.float32)
    ruler = Ruler([view(np.random.default_rng(0).normal(size=(40, WIDE)).astype(np.float32))])
    with pytest.raises(DataError) as of_features:
        ruler(broken, None)
    with pytest.raises(DataError) as of_distance:
        Moments.of([torch.from_numpy(broken)])
    assert {trying.reason(told.value) for told in (of_features, of_distance)} == {trying.DIVERGED}
    assert trying.reason(DataError("there is no data.")) == "there is no data."


def test_no_checkpoint_is_promised_that_is_not_kept() -> None:
    players: Any = SimpleNamespace(discriminator=SimpleNamespace(culprit=str), generator=SimpleNamespace(culprit=str))
    assert trying.reason(not_finite(players, 3)).startswith("training stopped at step 3: the loss is not finite. Lower optimiser")


def example(**changes: Any) -> Found:
    """What a search may have found."""
    runs = (*judged("default", [0.2, 0.21, 0.2]), *judged("found", [0.1, 0.11, 0.1]))
    trials = (
        trial(0, 0.25, default=True), trial(1, 0.12, **{"penalty.gamma": 1.5}), trial(2, None), trial(3, None, why="it <b>burst</b>."),
        trial(4, 0.3),
    )  # fmt: skip
    over, winner, sentence = decide(runs, trials[1])
    found = Found(
        name="digits-tune-1", data="digits", fingerprint="f", measure="distance", minutes=30.0, jobs=2, trial_minutes=1.5,
        final_minutes=2.0, whole_minutes=15.0, space=SPACE, values={"penalty.gamma": 0.3, "network.width": 8}, trials=trials, floor=0.03,
        judged=runs, best=1,
        gain=over, winner=winner, sentence=sentence, importance={"penalty.gamma": 0.7, "network.width": 0.3}, seconds=1790.0,
    )  # fmt: skip
    return replace(found, **changes)


def test_what_was_found_comes_back_from_json() -> None:
    found = example()
    assert Found.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert found.changed == {"penalty.gamma": (0.3, 1.5)}
    with pytest.raises(RunError, match="pip install -U gansmith"):
        Found.from_dict({**found.to_dict(), "format": 99})


# --- the page ---------------------------------------------------------------------------------------------------------------


def page(found: Found, pictures: bool = True) -> Reader:
    image = Picture(Image.new("L", (40, 20)), "The default", "samples", True)
    drawn = tuned.Drawn(image, image, image) if pictures else tuned.Drawn()
    text = tuned.html(found, drawn, "runs/digits-tune-1/recipe.yaml", "gansmith tune --resume runs/digits-tune-1", "0.1")
    assert "<b>burst" not in text
    return Reader(text)


def test_the_page_says_what_was_found() -> None:
    said = page(example()).said
    for words in (
        "✓ Better settings were found", "49 % closer to fresh data", "gansmith train --recipe runs/digits-tune-1/recipe.yaml",
        "0.01 to 10, log",
        "4, 8, 16", "70%", "ended early, at 30%", "it <b>burst</b>.", "by itself it would train for 15 min 00 s", "2 at a time",
    ):  # fmt: skip
        assert words in said, words
    assert len(page(example()).all("img")) == 3


def test_the_page_of_a_search_that_found_nothing() -> None:
    none = example(
        trials=(trial(0, 0.25, default=True),), judged=(), best=None, gain=None, winner="default", importance={}, final_minutes=2.0
    )
    said = page(replace(none, sentence="No trial."), pictures=False).said
    for words in ("Nothing clearly better", "There are no samples to show", "Too few trials"):
        assert words in said, words
    assert "by itself" not in said
    assert "real samples have 0.0300" in said
    assert "real samples have 0. " in page(replace(none, sentence="No trial.", floor=0.001)).said
    worse = [*judged("default", [0.1, 0.11, 0.1]), *judged("found", [0.2, 0.21, None])]
    over, winner, sentence = decide(worse[:3] + judged("found", [0.2, 0.21, 0.2]), trial(1))
    assert "○ The default is better" in page(example(gain=over, winner=winner, sentence=sentence)).said
    assert "failed with seed 2: it stopped." in page(example(judged=tuple(worse))).said


# --- the study --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> TuneFolder:
    path = tmp_path / "tune-1"
    path.mkdir()
    return TuneFolder(path)


ABOUT = {"fingerprint": "f", "space": "s"}


def study(folder: TuneFolder, storage: str | None = None, space: Mapping[str, Any] = SPACE, worker: int = 0) -> Study:
    return Study(folder, storage, "test", spaces.of(space, Recipe()), 0, worker)


def begun(folder: TuneFolder, default: Mapping[str, Any] | None = None, **more: Any) -> Study:
    found = study(folder, **more)
    found.begin(ABOUT, {"penalty.gamma": 0.3, "network.width": 8} if default is None else default, 1)
    return found


def played(
    found: Study, count: int, score: Callable[[Mapping[str, Any]], float] = lambda v: abs(math.log(v["penalty.gamma"] / GAMMA))
) -> None:
    for _ in range(count):
        asked = found.ask(None)
        assert asked is not None
        found.tell(asked, "complete", score(found.drawn(asked)), run=f"trials/{asked.number:03d}-1")


def different(trials: list[Trial]) -> int:
    """How many of them differ in their values."""
    return len({tuple(sorted(t.values.items())) for t in trials})


def test_the_default_comes_first_and_then_the_space(folder: TuneFolder) -> None:
    found = begun(folder)
    played(found, 12)
    trials = found.trials()
    assert [t.number for t in trials] == list(range(12))
    assert (trials[0].default, dict(trials[0].values)) == (True, {"penalty.gamma": 0.3, "network.width": 8})
    assert not any(t.default for t in trials[1:])
    for t in trials:
        assert t.values.keys() == SPACE.keys()
        assert all(spaces.of(SPACE, Recipe())[name].holds(value) for name, value in t.values.items())
    assert different(trials) == 12
    assert trials[3].run == "trials/003-1"


def test_a_default_outside_the_space_is_tried_all_the_same(folder: TuneFolder) -> None:
    found = begun(folder, default={"network.width": 8})
    asked = found.ask(None)
    assert asked is not None
    assert found.drawn(asked) == {"network.width": 8}
    found.tell(asked, "complete", 1.0)
    played(found, 12, lambda values: values["network.width"])
    weights = found.importance(found.trials())
    assert weights.keys() == SPACE.keys()
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["network.width"] > 0.8
    assert found.importance(found.trials()[:4]) == {}


def test_processes_that_follow_one_another_draw_different_trials(folder: TuneFolder) -> None:
    played(begun(folder), 3)
    played(study(folder), 2)
    played(study(folder, worker=1), 2)
    assert different(study(folder).trials()) == 7


def test_the_number_of_trials_is_kept(folder: TuneFolder) -> None:
    found = begun(folder)
    running, other = found.ask(2), found.ask(2)
    assert running is not None
    assert other is not None
    assert found.ask(2) is None
    found.drawn(running)
    found.leave(running.number)  # its process was stopped: another may be had in its place
    again = found.ask(2)
    assert again is not None
    assert (again.user_attrs["default"], found.drawn(again)) == ({"penalty.gamma": 0.3, "network.width": 8}, found.drawn(again))
    assert found.ask(2) is None
    found.tell(other, "failed", why="it burst")
    assert [(t.state, t.why) for t in found.trials()] == [("failed", "it burst")]
    assert found.ask(2) is None  # one that failed was tried


def test_what_was_left_behind_is_tried_again(folder: TuneFolder, tmp_path: Path) -> None:
    found = begun(folder)
    played(found, 1)
    asked = found.ask(None)
    assert asked is not None
    values = found.drawn(asked)
    moved = TuneFolder(folder.path.rename(tmp_path / "moved"))
    later = study(moved)
    assert later.abandoned() == [1]
    assert later.shares() == {1: 0.0}
    for number in later.abandoned():
        later.leave(number)
    assert later.abandoned() == []
    again = later.ask(None)
    assert again is not None
    assert (again.number, later.drawn(again)) == (2, values)


def test_what_another_machine_is_at_is_left_to_it(folder: TuneFolder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    begun(folder, storage=url).ask(None)
    other = TuneFolder(tmp_path / "tune-2")
    other.path.mkdir()
    assert study(other, url).abandoned() == []
    assert study(folder, url).abandoned() == [0]


def test_a_trial_that_falls_behind_is_told_to_end(folder: TuneFolder) -> None:
    found = begun(folder)
    for _ in range(studies.COMPLETE):
        asked = found.ask(None)
        assert asked is not None
        assert not any(found.report(asked, 1.0 / look, look) for look in range(1, LOOKS + 1))
        found.tell(asked, "complete", 0.1)
    good, bad = found.ask(None), found.ask(None)
    assert good is not None
    assert bad is not None
    assert [found.report(good, 0.9 / look, look) for look in range(1, 5)] == [False] * 4
    assert [found.report(bad, 2.0 / look, look) for look in range(1, 5)] == [False, False, True, True]
    found.tell(bad, "pruned")
    assert (found.trials()[-1].state, found.trials()[-1].share, found.trials()[-1].score) == ("pruned", 0.4, None)


def test_a_line_that_a_kill_cut_off_is_dropped(folder: TuneFolder) -> None:
    played(begun(folder), 2)
    with folder.journal.open("a") as file:
        file.write('{"op_code": 4, "wor')
    folder.judged.write_text('{"arm": "defa')
    folder.mend()
    assert folder.judgements() == []
    played(study(folder), 1)
    assert len(study(folder).trials()) == 3


@pytest.mark.parametrize(
    ("about", "words"),
    [({"fingerprint": "g"}, "has other data .fingerprint f, these have g"), ({"space": "t"}, "differs in its space from")],
)
def test_a_storage_that_belongs_to_something_else_is_refused(about: dict[str, str], words: str, folder: TuneFolder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    begun(folder, storage=url)
    with pytest.raises(RunError, match=words):
        study(folder, url).begin({**ABOUT, **about}, {}, 1)


@pytest.mark.parametrize(("direction", "trials"), [("maximize", 0), ("minimize", 1), ("maximize", 2)])
def test_a_study_of_another_program_is_refused_and_left_as_it_is(
    direction: str, trials: int, folder: TuneFolder, tmp_path: Path, said: Say
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    other = optuna.create_study(storage=url, study_name="test", direction=direction)
    other.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    before = other.get_trials()
    with pytest.raises(RunError, match=r"the study 'test' in .*study.db was not made by gansmith tune. Choose another --name."):
        study(folder, url).begin(ABOUT, {}, 1)
    with pytest.raises(RunError, match="was not made by gansmith tune"):
        studies.refuse_unusable(url, "test")
    studies.refuse_unusable(url, "of no study yet")
    assert (other.get_trials(), other.user_attrs) == (before, {})
    assert optuna.study.get_all_study_names(url) == ["test"]


def test_an_empty_study_is_taken(folder: TuneFolder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(storage=url, study_name="test")
    begun(folder, storage=url)
    studies.refuse_unusable(url, "test")


def test_who_joins_a_study_takes_its_trials_length(folder: TuneFolder, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    assert study(folder, url).begin(ABOUT, {}, 2000) == 2000
    assert study(folder, url).begin(ABOUT, {}, 9000) == 2000
    assert len(study(folder, url).study.get_trials()) == 1  # the default, once


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("sqlite:////nowhere/at/all.db", RunError, "cannot be reached .unable to open database file"),
        ("somewhere", ConfigError, "--storage takes the address of a database"),
        ("postgresql://me:secret@127.0.0.1:1/x", RunError, r"postgresql://me:\*\*\*@127.0.0.1:1/x (needs a driver|cannot be reached)"),
        ("nosuchdatabase://x", RunError, "needs a driver"),
        ("sqlite://", ConfigError, "in the memory of one process"),
        ("sqlite:///:memory:", ConfigError, "in the memory of one process"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_told(url: str, error: type[Exception], words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words) as told:
        gansmith.tune("toy:ring", storage=url, settings=SETTINGS_OF_TOYS, runs=tmp_path / "runs")
    assert "secret" not in str(told.value)
    assert not list((tmp_path / "runs").glob("*"))


SETTINGS_OF_TOYS = {k: v for k, v in SETTINGS.items() if not k.startswith("data.")}

WORKER = """
import math, sys
from gansmith.config import Recipe
from gansmith.tuning import space as spaces
from gansmith.verbs.tuned.folder import TuneFolder
from gansmith.verbs.tuned.study import Study
from pathlib import Path
place, url, worker = sys.argv[1:]
study = Study(TuneFolder(Path(place)), url, "test", spaces.of({space!r}, Recipe()), 0, int(worker))
while (trial := study.ask(12)) is not None:
    score = abs(math.log(study.drawn(trial)["penalty.gamma"]))
    for look in range(1, 11):
        if study.report(trial, score / look, look):
            study.tell(trial, "pruned", run=worker)
            break
    else:
        study.tell(trial, "complete", score, run=worker)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a storage that holds no study of the name the tests use."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    if not (url := os.environ.get("GANSMITH_POSTGRES")):
        pytest.skip("GANSMITH_POSTGRES does not say at which address a database is")
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    if "test" in optuna.study.get_all_study_names(storage):
        optuna.delete_study(study_name="test", storage=storage)
    return url


def test_two_processes_share_a_study_in_a_database(database: str, folder: TuneFolder, tmp_path: Path) -> None:
    url = database
    begun(folder, storage=url)
    code = WORKER.format(space=SPACE)
    words = [sys.executable, "-W", "error", "-c", code, str(folder.path), url]
    own = study(folder, url, worker=2)
    with subprocess.Popen([*words, "1"], env=tiny.environment(), stderr=subprocess.PIPE, text=True) as process:
        while not own.shares() and process.poll() is None:  # until the other is at work
            time.sleep(0.02)
        played(own, 3)
        _, err = process.communicate(timeout=tiny.PATIENCE)
    assert (process.returncode, err) == (0, "")
    trials = own.trials()
    assert len(trials) == 12
    assert [t.run for t in trials].count("1") == 9
    assert [t.default for t in trials] == [True] + [False] * 11
    assert different(trials) == 12
    assert {t.state for t in trials} <= {"complete", "pruned"}


# --- the search, with trials that cost nothing --------------------------------------------------------------------------------


def closeness(values: Mapping[str, Any]) -> float:
    """What a made-up trial of these settings scores."""
    return 0.1 + abs(math.log(values.get("penalty.gamma", 0.05) / GAMMA))


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Trials and judgements that know their scores beforehand. `score` may be replaced, and may raise; `page`: whether to write one."""
    told: dict[str, Any] = {"score": closeness, "tried": [], "judged": [], "page": False}
    html, importance = tuned.html, Study.importance

    def trained(shop: Any, runs: Path, name: str, values: Mapping[str, Any], seconds: float, settings: Any, audience: Any) -> Any:
        told["judged" if runs == shop.folder.finals else "tried"].append((name, dict(values)))
        score = told["score"](values)
        folder = RunFolder(runs / f"{name}-1")
        folder.path.mkdir(parents=True)
        run = gansmith.Run(folder)
        run.generator_ = Measured(score, {"made up": score}, 1.0, 1.0)  # type: ignore[attr-defined]
        return run

    class Stick:
        words = "made up"

        def __call__(self, generator: Measured) -> Measured:
            return generator

    monkeypatch.setattr(trying, "_trained", trained)
    monkeypatch.setattr(cost, "measured", lambda recipe, *others: 1e-6 * (recipe.network.width or 8))
    monkeypatch.setattr(gansmith.Run, "generator", property(lambda run: run.generator_))
    monkeypatch.setattr(Bench, "search", Stick())
    monkeypatch.setattr(Bench, "judgement", Stick())
    monkeypatch.setattr(Bench, "floor", 0.01)
    monkeypatch.setattr(verb, "_drawn", lambda folder, found, bench: tuned.Drawn())
    monkeypatch.setattr(tuned, "html", lambda *words: html(*words) if told["page"] else "")
    monkeypatch.setattr(Study, "importance", lambda study, trials: importance(study, trials) if told["page"] else {})
    return told


def tune(runs: Path, **more: Any) -> verb.Tuned:
    """A search on points that needs no time, unless something else is said."""
    if "resume" not in more:
        more = {"data": "toy:ring", "minutes": 5, "trials": 6, "space": SPACE, "settings": SETTINGS_OF_TOYS, **more}
    return gansmith.tune(runs=runs, **more)


def test_a_search_ends_with_recipes_importance_and_a_page(stubbed: dict[str, Any], tmp_path: Path) -> None:
    stubbed["page"] = True
    found = tune(tmp_path, trials=10)
    folder = found.path
    assert folder == tmp_path / "toy-ring-tune-1"
    trials = found.found.trials
    assert [t.number for t in trials] == list(range(10))
    assert trials[0].default
    best = min(trials[1:], key=lambda t: t.score or 9)
    assert found.found.best == best.number
    assert [name for name, _ in stubbed["judged"]] == [f"{arm}-{seed}" for seed in (1, 2, 3) for arm in ARMS]  # 0 has chosen
    assert stubbed["judged"][1][1] == best.values
    assert stubbed["judged"][0][1] == {}  # the default is what train would do
    assert found.found.winner == "found"
    assert found.recipe.penalty.gamma == best.values["penalty.gamma"]
    assert config.read(folder / "found.yaml") == found.recipe
    assert found.recipe.data.source == "toy:ring"
    assert found.recipe.data.split_seed is None
    assert found.recipe.run.samples == SETTINGS["run.samples"]
    assert found.recipe.machine == Recipe().machine.model_copy(
        update={k.split(".")[1]: v for k, v in SETTINGS.items() if k.startswith("machine.")}
    )
    assert sum(found.found.importance.values()) == pytest.approx(1)
    assert Found.from_dict(json.loads((folder / "found.json").read_text())) == found.found
    assert "Better settings were found" in Reader(found.report.read_text()).said
    assert spaces.read(folder / "space.yaml", Recipe()) == spaces.of(SPACE, Recipe())
    assert not list(folder.rglob("*.part"))


def test_what_was_found_by_short_runs_is_of_their_length(stubbed: dict[str, Any], tmp_path: Path) -> None:
    stubbed["score"] = lambda values: 0.1 if values.get("network.width") == 16 else 0.2
    found = tune(tmp_path, settings={**SETTINGS_OF_TOYS, "run.samples": 10**9}, trials=12)
    asked = json.loads((found.path / "tune.json").read_text())
    assert found.found.winner == "found"
    assert found.found.final_minutes < found.found.whole_minutes
    assert found.recipe.run.samples == round(asked["speed"] * asked["final"] / 2)  # twice as wide, so for the same time
    assert found.recipe.run.minutes is None


def test_where_nothing_is_better_the_recipe_is_the_default(stubbed: dict[str, Any], tmp_path: Path) -> None:
    stubbed["score"] = lambda values: 0.2 if not values or values == {"penalty.gamma": 0.02, "network.width": 8} else 0.4
    found = tune(tmp_path, trials=4)
    assert found.found.winner == "default"
    assert "The default is better" in found.found.sentence
    assert found.recipe == config.read(found.path / "start.yaml")
    assert config.read(found.path / "found.yaml").penalty.gamma == found.found.closest.values["penalty.gamma"]  # type: ignore[union-attr]


def test_one_trial_is_the_default_alone(stubbed: dict[str, Any], tmp_path: Path) -> None:
    found = tune(tmp_path, trials=1)
    assert (len(found.found.trials), found.found.best, found.found.judged) == (1, None, ())
    assert "No trial except the default" in found.found.sentence


def test_the_default_is_what_train_would_do(stubbed: dict[str, Any], tmp_path: Path) -> None:
    free = {k: v for k, v in SETTINGS_OF_TOYS.items() if k != "network.width"}
    found = tune(tmp_path, trials=1, space=None, settings=free)
    values = stubbed["tried"][0][1]
    run = tiny.train(tmp_path / "runs", data="toy:ring", settings={"network.width": None, "run.looks": 1})
    assert values == {name: value for name, value in config.flat(run.recipe).items() if name in values}
    assert values.keys() == found.found.space.keys()
    assert "network.width" in values
    assert "run.batch" not in values  # it was set


def test_a_failing_trial_is_one_of_many(stubbed: dict[str, Any], tmp_path: Path) -> None:
    def score(values: Mapping[str, Any]) -> float:
        if values.get("network.width") == 16:
            raise TrainingError("it burst.")
        return closeness(values)

    stubbed["score"] = score
    found = tune(tmp_path, trials=8).found
    failed = [t for t in found.trials if t.state == "failed"]
    assert 0 < len(failed) < 8
    assert {t.why for t in failed} == {"it burst."}
    assert found.changed.get("network.width", (None, 8))[1] != 16


def test_where_only_the_default_can_be_trained_the_search_ends_and_says_why(stubbed: dict[str, Any], tmp_path: Path) -> None:
    def score(values: Mapping[str, Any]) -> float:
        if len(stubbed["tried"]) > 1:
            raise NotFiniteData("8 of 8 rows of the given features hold a NaN.")
        return closeness(values)

    stubbed["score"] = score
    found = tune(tmp_path, trials=20)
    assert len(found.found.trials) == 1 + work.HOPELESS
    assert f"All 4 other trials failed, each with this: {trying.DIVERGED}" in found.found.sentence
    with pytest.raises(RunError, match=r"all 4 other trials failed, .* with a narrower --space"):
        tune(tmp_path, resume=found.path, trials=40)


def test_a_search_too_short_for_a_second_trial_names_the_minutes(
    stubbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, notes = session.Session.run, list[str]()

    def late(self: session.Session) -> Found:
        self.began -= 33.0  # seconds that the set-up took
        return begun(self)

    class Listening(verb.Silent):
        def begun(self, begun: session.Begun) -> None:
            notes.extend(begun.notes)

    monkeypatch.setattr(session.Session, "run", late)
    found = tune(tmp_path, minutes=0.5, trials=4, audience=Listening())
    assert len(found.found.trials) == 1
    assert re.fullmatch(r"set-up took 3\d s; time for 1 trial of 4", notes[0])
    minutes = re.search(r"more time: --minutes (\d+)\.", found.found.sentence)
    assert minutes
    assert 1 <= int(minutes[1]) <= 3
    assert len(tune(tmp_path, resume=found.path, minutes=int(minutes[1])).found.trials) == 4


def test_a_cause_before_the_first_trial_promises_no_checkpoint(
    stubbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*words: Any) -> float:
        raise NotFinite("training stopped at step 1: the loss is not finite. The last good checkpoint is kept. Lower a rate.", 1)

    monkeypatch.setattr(cost, "measured", measured)
    with pytest.raises(NotFinite, match=r"is not finite\. Lower a rate\.$"):
        tune(tmp_path, settings={**SETTINGS_OF_TOYS, "machine.device": "cpu"})
    assert not list(tmp_path.iterdir())


def test_a_bad_space_or_storage_is_told_before_the_data_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "_opened", lambda *words: pytest.fail("the data were opened"))
    url = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(storage=url, study_name="mine", direction="maximize")
    for words, error in (
        ({"space": {"penalty.gama": [1, 2]}}, "did you mean 'penalty.gamma'"),
        ({"storage": "sqlite:////nowhere/x.db"}, "cannot be reached"),
        ({"storage": url, "name": "mine"}, "was not made by gansmith tune"),
    ):
        with pytest.raises((ConfigError, RunError), match=error):
            tune(tmp_path / "runs", **words)


def test_all_trials_failing_says_the_common_cause(stubbed: dict[str, Any], tmp_path: Path, said: Say) -> None:
    causes = iter(["a gradient is not finite.", "there is no memory.", "a gradient is not finite.", "a gradient is not finite."])

    def score(values: Mapping[str, Any]) -> float:
        raise TrainingError(next(causes))

    stubbed["score"] = score
    with pytest.raises(RunError, match=r"all 4 trials failed, 3 of them with this: a gradient is not finite."):
        tune(tmp_path, trials=20)
    stubbed["score"] = lambda values: (_ for _ in ()).throw(TrainingError("there is no memory."))
    with pytest.raises(RunError, match=r"all 2 trials failed, each with this: there is no memory."):
        tune(tmp_path, trials=2)
    with pytest.raises(RunError, match=r"the one trial failed, with this: there is no memory."):
        tune(tmp_path, trials=1)


def test_a_cause_is_the_same_at_another_step_and_layer(stubbed: dict[str, Any], tmp_path: Path) -> None:
    causes = iter(["no room.", "at step 7 layers.0.weight burst.", "at step 1,200 layers.2.weight burst.", "no disk."])
    stubbed["score"] = lambda values: (_ for _ in ()).throw(TrainingError(next(causes)))
    with pytest.raises(RunError, match=r"2 of them with this: at step 7 layers.0.weight burst."):
        tune(tmp_path, trials=20)


class Killed(verb.Silent):
    """An audience that ends the process, as far as a test can, when so many trials have ended."""

    def __init__(self, at: int) -> None:
        self.at = at

    def moved(self, progress: Progress) -> None:
        if len(progress.trials) >= self.at:
            raise tiny.Crash


def crash_at(stubbed: dict[str, Any], done: str, count: int) -> None:
    """From now on the search is killed where so many are tried, or judged."""

    def score(values: Mapping[str, Any]) -> float:
        if len(stubbed[done]) == count:
            raise tiny.Crash
        return closeness(values)

    stubbed["score"] = score


def test_a_search_that_was_killed_goes_on_where_it_was(stubbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_at(stubbed, "tried", 3)
    with pytest.raises(tiny.Crash):
        tune(tmp_path)
    folder = tmp_path / "toy-ring-tune-1"
    found = tune(tmp_path, resume=folder)
    tried = stubbed["tried"]
    assert len(found.found.trials) == 6
    assert [t.number for t in found.found.trials] == [0, 1, 3, 4, 5, 6]
    assert tried[3] == ("003", tried[2][1])  # what the killed one was at
    assert found.found.seconds > 0
    assert (folder / "recipe.yaml").is_file()


def test_a_judgement_that_was_killed_goes_on_where_it_was(stubbed: dict[str, Any], tmp_path: Path) -> None:
    crash_at(stubbed, "judged", 4)
    with pytest.raises(tiny.Crash):
        tune(tmp_path)
    folder = tmp_path / "toy-ring-tune-1"
    (folder / "finals" / "found-2-1").mkdir()
    tried, asked = len(stubbed["tried"]), json.loads((folder / "tune.json").read_text())
    found = tune(tmp_path, resume=folder).found
    assert len(stubbed["tried"]) == tried
    assert [name for name, _ in stubbed["judged"]][4:] == ["found-2", "default-3", "found-3"]
    assert found.final_minutes == pytest.approx(asked["final"] / 60)
    assert len(found.judged) == 6


def test_a_finished_search_goes_on_only_with_more_to_spend(stubbed: dict[str, Any], tmp_path: Path) -> None:
    first = tune(tmp_path)
    with pytest.raises(RunError, match=r"has already finished.*more --minutes"):
        tune(tmp_path, resume=first.path)
    with pytest.raises(RunError, match="has already finished"):
        tune(tmp_path, resume=first.path, trials=6, jobs=1)
    more = tune(tmp_path, resume=first.path, trials=8).found
    assert len(more.trials) == 8
    assert more.trials[:6] == first.found.trials
    assert len(more.judged) == 6


def test_more_time_without_more_trials_leaves_the_judgement(stubbed: dict[str, Any], tmp_path: Path) -> None:
    stubbed["page"] = True
    first = tune(tmp_path)
    kept = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file() and path.suffix in (".json", ".jsonl", ".yaml")}
    del kept[first.path / "study.jsonl"]  # to look at a study leaves a line in it
    with pytest.raises(RunError, match=r"all 6 trials of .* are used up.*Give more --trials too\.$"):
        tune(tmp_path, resume=first.path, minutes=10)
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(list((first.path / "finals").iterdir())) == 6
    (command,) = re.findall(r"gansmith tune --resume \S+ --minutes (\d+) --trials (\d+)", Reader(first.report.read_text()).said)
    more = tune(tmp_path, resume=first.path, minutes=int(command[0]), trials=int(command[1]))  # what the report says
    assert (more.found.minutes, len(more.found.trials)) == (10, 12)


def test_a_judgement_stays_where_the_set_up_took_the_time_that_was_added(
    stubbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tune(tmp_path).path
    asked = json.loads((first / "tune.json").read_text())
    (first / "tune.json").write_text(json.dumps({**asked, "spent": 300.0}))
    opened, clock = verb._opened, time.monotonic

    def slowly(*words: Any) -> Opened:
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 100)
        return opened(*words)

    monkeypatch.setattr(verb, "_opened", slowly)
    with pytest.raises(RunError, match=r"too few are left .* Give --minutes 8 or more"):  # 5 are spent, and 3/5 of 3 are over 100 s
        tune(tmp_path, resume=first, minutes=6, trials=8)
    assert (first / "found.json").exists()
    assert json.loads((first / "tune.json").read_text())["minutes"] == 5


def test_what_is_added_to_a_search_is_for_trials_too(stubbed: dict[str, Any], tmp_path: Path) -> None:
    first = tune(tmp_path).path
    asked = json.loads((first / "tune.json").read_text())
    (first / "tune.json").write_text(json.dumps({**asked, "spent": 301.0}))
    with pytest.raises(RunError, match=r"of the 5 minutes of .* too few are left .*\(5 are spent\). Give --minutes 6 or more\."):
        tune(tmp_path, resume=first, trials=8)
    more = tune(tmp_path, resume=first, minutes=7, trials=8)  # three fifths of 7 are spent long ago
    assert len(more.found.trials) == 8


def test_a_moment_is_time_for_the_default(stubbed: dict[str, Any], tmp_path: Path) -> None:
    asked = json.loads((tune(tmp_path, minutes=1e-9, trials=None).path / "tune.json").read_text())
    assert asked["trial"] * asked["speed"] == pytest.approx(tiny.BATCH)


def test_a_storage_is_found_again_from_anywhere_and_missed_where_it_is_gone(
    stubbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(tiny.Crash):
        tune(Path("runs"), storage="sqlite:///study.db", audience=Killed(2))
    monkeypatch.chdir(tmp_path / "there")
    folder = tmp_path / "here" / "runs" / "toy-ring-tune-1"
    assert len(tune(tmp_path, resume=folder).found.trials) == 6
    assert not list((tmp_path / "there").iterdir())
    (tmp_path / "here" / "study.db").unlink()
    with pytest.raises(RunError, match=r"here/study.db holds no trials of this search. Restore"):
        tune(tmp_path, resume=folder, trials=8)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"settings": {"run.seed": 3}}, "run.seed is 0, requested 3"),
        ({"data": "toy:grid"}, "data.source is toy:ring, requested toy:grid"),
        ({"space": {"penalty.gamma": [1, 2]}}, "the space is different"),
        ({"storage": "sqlite:///x.db"}, "the storage is in the folder, requested sqlite:////.*/x.db"),
        ({"recipe": Recipe()}, "keeps its recipe"),
        ({"name": "x"}, "keeps its recipe and its name"),
        ({"minutes": 0}, "0 minutes"),
        ({"jobs": 0}, "--jobs takes 1 or more"),
    ],
)
def test_a_search_goes_on_with_the_same_settings(words: dict[str, Any], told: str, stubbed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(tiny.Crash):
        tune(tmp_path, audience=Killed(2))
    with pytest.raises((RunError, ConfigError), match=told):
        tune(tmp_path, resume=tmp_path / "toy-ring-tune-1", **words)
    assert len(tune(tmp_path, resume=tmp_path / "toy-ring-tune-1", space=SPACE, settings=SETTINGS_OF_TOYS).found.trials) == 6


def test_what_is_no_search_is_told(stubbed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no search"):
        tune(tmp_path, resume=tmp_path / "nothing")
    with pytest.raises(RunError, match="is not the folder of a search"):
        tune(tmp_path, resume=tmp_path)
    folder = tune(tmp_path).path
    asked = json.loads((folder / "tune.json").read_text())
    for change, words in (
        ({"format": 99}, "pip install -U gansmith"),
        ({"hands": 1, "nonsense": 2}, "was not written by gansmith or is damaged"),
    ):
        (folder / "tune.json").write_text(json.dumps({**asked, **change}))
        with pytest.raises(RunError, match=words):
            tune(tmp_path, resume=folder, minutes=60)


def test_a_search_is_held_by_one_process(stubbed: dict[str, Any], tmp_path: Path) -> None:
    folder = tune(tmp_path).path
    with flocked(folder / "held.lock", wait=False), pytest.raises(RunError, match="another process is working"):
        tune(tmp_path, resume=folder, trials=9)
    assert len(tune(tmp_path, resume=folder, trials=9).found.trials) == 9


def test_other_data_in_the_same_place_are_refused(stubbed: dict[str, Any], tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 400, 6, 6), np.uint8)
    np.save(tmp_path / "a.npy", pictures[0])
    with pytest.raises(tiny.Crash):
        tune(tmp_path, data=tmp_path / "a.npy", audience=Killed(2))
    np.save(tmp_path / "a.npy", pictures[1])
    with pytest.raises(DataError, match="are not the data of this search"):
        tune(tmp_path, resume=tmp_path / "a-tune-1")
    db = f"sqlite:///{tmp_path}/study.db"
    tune(tmp_path, data=tmp_path / "a.npy", storage=db)
    np.save(tmp_path / "a.npy", pictures[0])
    with pytest.raises(RunError, match="has other data"):
        tune(tmp_path, data=tmp_path / "a.npy", storage=db)
    assert len(list(tmp_path.glob("a-tune-*"))) == 2  # none for the one that was refused


def test_two_machines_share_a_study_in_a_storage(stubbed: dict[str, Any], tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path}/study.db"
    first = tune(tmp_path / "one", storage=db, trials=4)
    second = tune(tmp_path / "two", storage=db, trials=7)
    assert second.found.trials[:4] == first.found.trials
    assert len(second.found.trials) == 7
    assert len(stubbed["tried"]) == 7


def test_who_joins_a_study_with_another_budget_is_told_that_its_trials_are_of_another_length(
    stubbed: dict[str, Any], tmp_path: Path
) -> None:
    told: list[tuple[str, ...]] = []

    class Listening(verb.Silent):
        def begun(self, begun: session.Begun) -> None:
            told.append(begun.notes)

    words: dict[str, Any] = {
        "storage": f"sqlite:///{tmp_path}/study.db", "settings": {**SETTINGS_OF_TOYS, "run.samples": 10**12}, "audience": Listening(),
    }  # fmt: skip
    for minutes in (60, 60, 300):
        tune(tmp_path, minutes=minutes, trials=2, **words)
    assert told[:2] == [(), ()]
    (only,) = told[2]
    found = re.fullmatch(r"trials are .* study 'toy-ring' already has them: ([\d,]+) samples; this budget alone would give ([\d,]+)", only)
    assert found
    has, alone = (int(number.replace(",", "")) for number in found.groups())
    assert alone == pytest.approx(5 * has, rel=0.5)


@pytest.mark.parametrize("ends", [True, False])
def test_trials_of_another_machine_are_awaited_but_not_for_ever(
    ends: bool, stubbed: dict[str, Any], folder: TuneFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "OFTEN", 0.01)
    monkeypatch.setattr(work, "stretched", lambda trials, asked: (60.0 if ends else 0.05) / asked.trial)
    db, there = f"sqlite:///{tmp_path}/study.db", {}

    def score(values: Mapping[str, Any]) -> float:
        if len(stubbed["tried"]) == 2:  # the other machine begins its trial while this one is at its third
            trial = there["study"].ask(None)
            there["study"].drawn(trial)
            there["trial"] = trial
        return closeness(values)

    class Other(verb.Silent):
        def begun(self, begun: session.Begun) -> None:
            there["study"] = Study(folder, db, begun.asked.study, begun.space, 0, 9)

        def moved(self, progress: Progress) -> None:
            if ends and progress.stage == "search" and progress.running:
                there["study"].tell(there["trial"], "complete", 0.01)

    stubbed["score"] = score
    found = tune(tmp_path / "here", storage=db, trials=5, audience=Other()).found
    number = there["trial"].number
    assert (found.best == number) is ends
    assert (number in [t.number for t in found.trials]) is ends


def test_data_from_python_are_searched_in_this_process(stubbed: dict[str, Any], tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (400, 6, 6), np.uint8)
    with pytest.raises(ConfigError, match="--jobs starts others"):
        tune(tmp_path, data=pictures, jobs=2)
    with pytest.raises(tiny.Crash):
        tune(tmp_path, data=pictures, audience=Killed(2))
    (folder,) = tmp_path.glob("*-tune-1")
    with pytest.raises(ConfigError, match="Pass the data too"):
        tune(tmp_path, resume=folder)
    assert len(tune(tmp_path, resume=folder, data=pictures).found.trials) == 6


def test_an_interruption_keeps_what_there_is(stubbed: dict[str, Any], tmp_path: Path) -> None:
    def score(values: Mapping[str, Any]) -> float:
        if len(stubbed["tried"]) == 3:
            raise KeyboardInterrupt
        return closeness(values)

    stubbed["score"] = score
    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path)
    found = tune(tmp_path, resume=tmp_path / "toy-ring-tune-1").found
    assert len(found.trials) == 6
    assert stubbed["tried"][3][1] == stubbed["tried"][2][1]


# --- the command line -------------------------------------------------------------------------------------------------------


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Say) -> Say:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("space.yaml").write_text(yaml.safe_dump(SPACE))
    return said


WORDS = ["tune", "toy:ring", *(w for k, v in SETTINGS_OF_TOYS.items() for w in ("--set", f"{k}={v}"))]


def test_a_program_reads_a_line_for_each_trial(stubbed: dict[str, Any], say: Say) -> None:
    code, out, err = say(*WORDS, "--trials", 5, "--minutes", 5, "--space", "space.yaml")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("data     toy:ring: ")
    assert lines[1] == "search   network.width, penalty.gamma"
    assert lines[2].startswith("budget   5:00 or 5 trials; a trial takes ")
    assert lines[3] == "folder   runs/toy-ring-tune-1"
    assert [line[:8] for line in lines[4:9]] == [f"trial {i}  "[:8] for i in range(5)]
    assert lines[4].endswith("best  the default")
    assert sum(line.startswith("judged   ") for line in lines) == 6
    assert lines[-1] == "next     gansmith train --recipe runs/toy-ring-tune-1/recipe.yaml"
    assert any(line.startswith("answer   Samples of the settings found are") for line in lines)
    code, out, err = say("tune", "--resume", "runs/toy-ring-tune-1", "--trials", 6)
    assert (code, err) == (0, "")
    assert "folder   runs/toy-ring-tune-1, with 5 trials" in out


def test_an_interruption_says_how_to_go_on(stubbed: dict[str, Any], say: Say) -> None:
    def score(values: Mapping[str, Any]) -> float:
        raise KeyboardInterrupt

    stubbed["score"] = score
    code, _, err = say(*WORDS)
    assert code == 130
    assert err == "Stopped; every finished trial is kept. Go on with: gansmith tune --resume runs/toy-ring-tune-1\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--minutes", "0"], "the budget is 0 minutes"),
        (["--trials", "0"], "the budget is 0 trials"),
        (["--jobs", "0"], "--jobs takes 1 or more"),
        (["--space", "nowhere.yaml"], "there is no space file nowhere.yaml"),
        (["--space", "wrong.yaml"], "did you mean 'penalty.gamma'"),
        (["--storage", "nowhere"], "--storage takes the address of a database"),
        (["--storage", "sqlite:////nowhere/x.db"], "cannot be reached"),
        (["--set", "data.held_out=0"], "leaves 0 samples for the last judgement"),
        (["--set", "data.held_out=0.82"], "leave too little to train on. Set data.held_out below 0.8"),
        (["--set", "penalty.gama=1"], "did you mean 'penalty.gamma'"),
        (["--resume", "nowhere"], "there is no search nowhere"),
        (["--recipe", "nowhere.yaml"], "there is no recipe"),
    ],
)
def test_bad_words_get_one_sentence_and_leave_nothing(words: list[str], told: str, stubbed: dict[str, Any], say: Say) -> None:
    Path("wrong.yaml").write_text("penalty.gama: [1, 2]")
    code, _, err = say(*WORDS, *words)
    assert code == 2, err
    assert re.search(told, err), err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("gansmith: ")
    assert not Path("runs").exists() or not list(Path("runs").iterdir())


def test_without_the_extra_it_says_how_to_install_it(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, _, err = say("tune", "toy:ring")
    assert (code, err) == (
        2,
        "gansmith: gansmith tune needs the extra 'tune', which is not installed. Install it with: pip install 'gansmith[tune]'\n",
    )
    with pytest.raises(MissingExtra):
        gansmith.tune("toy:ring")


# --- the search, for real -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[verb.Tuned]:
    """A search of which every run takes a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        patch.setattr(budget, "SEEDS", (3, 3))
        patch.setattr(trying, "KEPT", 1)
        yield gansmith.tune("digits", minutes=5, trials=3, space=SPACE, settings=SETTINGS, runs=tmp_path_factory.mktemp("runs"))


def test_no_sample_is_on_two_sides(searched: verb.Tuned) -> None:
    found, recipe = opened("digits", **{"data.labels": "none"})
    bench = Bench.of(found, recipe, 0.2)
    for run in (searched.path / "trials").iterdir():
        kept = gansmith.Run(run).data["split"]["held_out"]
        assert sorted(kept) == sorted([*bench.aside.tolist(), *bench.fresh.tolist()])
    finals = list((searched.path / "finals").iterdir())
    assert sorted(run.name for run in finals) == sorted(f"{arm}-{seed}-1" for arm in ARMS for seed in (1, 2, 3))
    for run in finals:
        assert gansmith.Run(run).data["split"]["held_out"] == bench.fresh.tolist()
        assert gansmith.Run(run).recipe.run.seed == int(run.name.split("-")[1])


def test_only_the_best_trials_keep_more_than_their_records(searched: verb.Tuned) -> None:
    complete = [t for t in searched.found.trials if t.score is not None]
    best = min(complete, key=lambda t: t.score or 9)
    for t in searched.found.trials:
        run = RunFolder(searched.path / t.run)
        assert run.generator.exists() == run.checkpoints.exists() == (t is best)
        assert run.recipe.exists()
        assert run.records()
    with (
        Image.open(searched.path / "best.png") as picture,
        Image.open(max(RunFolder(searched.path / best.run).previews.iterdir())) as newest,
    ):
        assert picture.tobytes() == newest.tobytes()


def test_a_trial_has_the_settings_that_are_told_of_it(searched: verb.Tuned) -> None:
    for t in searched.found.trials:
        recipe = config.flat(gansmith.Run(searched.path / t.run).recipe)
        assert {name: recipe[name] for name in t.values} == dict(t.values)
        assert recipe["penalty.gamma_end"] == recipe["penalty.gamma"]
        assert recipe["run.looks"] == LOOKS
    assert searched.found.floor < 0.1


def test_the_page_shows_both_beside_real_samples(searched: verb.Tuned) -> None:
    page = Reader(searched.report.read_text())
    assert len(page.all("img")) == 3
    assert "Real, not used for training" in page.said
    assert gansmith.Run(searched.path / "finals" / "found-1-1").sample(3).raw.shape == (3, 8, 8, 1)


def test_a_table_is_searched_too_and_is_not_looked_at_while_it_learns(tmp_path: Path) -> None:
    made = gansmith.tune(
        customers.frame(), minutes=5, trials=1, runs=tmp_path,
        settings={**{k: v for k, v in customers.SETTINGS.items() if k != "run.looks"}, "run.samples": 300},
    )  # fmt: skip
    (only,) = made.found.trials
    assert 0.1 < (only.score or 0.0) <= 1.0
    assert not RunFolder(made.path / only.run).looks()
    assert "boosted trees" in made.found.measure


@pytest.mark.slow
def test_several_processes_search_one_sqlite_and_one_that_is_killed_is_no_loss(tmp_path: Path) -> None:
    words = [
        "tune",
        "digits",
        "--jobs",
        "2",
        "--trials",
        "5",
        "--minutes",
        "3",
        "--storage",
        "sqlite:///study.db",
    ]
    words += [w for k, v in SETTINGS.items() for w in ("--set", f"{k}={v}")]
    with tiny.start(*words, cwd=tmp_path) as process:
        folder = TuneFolder(tmp_path / "runs" / "digits-tune-1")
        while not list(folder.trials.glob("001-1/log.jsonl")) and process.poll() is None:
            time.sleep(0.05)
        process.kill()
    done = tiny.command("tune", "--resume", "runs/digits-tune-1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = Found.from_dict(json.loads(folder.found.read_text()))
    assert len(found.trials) == 5
    assert len(found.judged) >= 6
