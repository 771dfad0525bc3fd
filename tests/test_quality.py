"""The distance that is taken through a run: what it is, what is kept because of it, and when it ends a run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import gansmith
from gansmith.engine import checkpoint, quality
from gansmith.engine.checkpoint import Position
from gansmith.engine.loop import Tick
from gansmith.engine.moves import Rates
from gansmith.engine.players import Players
from gansmith.engine.quality import PATIENCE, Look, Quality, Standard, best_of, lost
from gansmith.errors import RunError
from gansmith.metrics.gauge import CHANCE, Gauge, Neighbourhood, gauge
from gansmith.runs import RunFolder, read_tensors
from gansmith.verbs import opened
from tiny import STEPS, TICK, Watching, train

SHAPES = [(5,), (2, 40), (3, 24, 20)]


def real(shape: tuple[int, ...], count: int = 400, seed: int = 0) -> Tensor:
    """Correlated samples [N, C, *P] off centre."""
    source = torch.Generator().manual_seed(seed)
    low = torch.randn(count, 6, generator=source) @ torch.randn(6, torch.Size(shape).numel(), generator=torch.Generator().manual_seed(9))
    return (low + 0.1 * torch.randn(low.shape, generator=source) + 3.0).reshape(count, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gauge_has_its_closed_forms(shape: tuple[int, ...]) -> None:
    x = real(shape)
    gauge, middle = Gauge(x), x.mean(0, keepdim=True)
    assert gauge(x) == pytest.approx(0.0, abs=1e-5)
    assert gauge(middle.expand(100, *shape)) == pytest.approx(1.0, rel=1e-3)  # the mean of the data, repeated
    assert gauge(middle + 0.5 * (x - middle)) == pytest.approx(0.25, rel=1e-3)  # half as varied: (1 - 1/2)² of the variance
    assert gauge(real(shape, seed=1)) < 0.05


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_gauge_knows_no_units(shape: tuple[int, ...], scale: float) -> None:
    x, y = real(shape), real(shape, seed=1)[:50] + 0.3
    assert Gauge(scale * x)(scale * y) == pytest.approx(Gauge(x)(y), rel=1e-3)


def test_missing_variety_counts_as_much_as_wrong_samples() -> None:
    x = torch.cat([torch.randn(500, 2) * 0.1 + m for m in (-2.0, 2.0)])
    gauge, fresh = Gauge(x), torch.cat([torch.randn(100, 2) * 0.1 + m for m in (-2.0, 2.0)])
    assert gauge(fresh) < 0.02 < 0.2 < gauge(fresh[:100])


def test_a_single_repeated_value_is_no_trouble() -> None:
    assert Gauge(torch.ones(10, 1, 4, 4))(torch.ones(10, 1, 4, 4)) == 0.0


def ring(count: int, width: float, modes: int = 8, seed: int = 0) -> Tensor:
    """Points [count, 2] in normal clusters of a width, on a circle of radius 1."""
    source = torch.Generator().manual_seed(seed)
    angle = torch.arange(count) % modes * (2 * torch.pi / 8)
    return torch.stack((angle.cos(), angle.sin()), 1) + width * torch.randn(count, 2, generator=source)


def test_few_numbers_are_told_by_their_neighbours() -> None:
    assert isinstance(gauge(ring(100, 0.01)), Neighbourhood)
    assert isinstance(gauge(real((2, 40))), Gauge)
    near = gauge(ring(1000, 0.01))
    fresh = near(ring(1000, 0.01, seed=1))
    assert CHANCE <= fresh < 1.5 * CHANCE
    wider, lost = near(ring(1000, 0.03, seed=1)), near(ring(1000, 0.01, modes=7, seed=1))
    assert 2 * fresh < wider < near(torch.randn(1000, 2))
    assert 2 * fresh < lost
    moments = Gauge(ring(1000, 0.01))  # why: to these the wider clusters are as good as the right ones
    assert moments(ring(1000, 0.03, seed=1)) < 0.01


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_neighbours_know_no_units_and_mind_no_repetition(scale: float) -> None:
    x, y = ring(200, 0.1), ring(100, 0.3, seed=1)
    assert gauge(scale * x)(scale * y) == pytest.approx(gauge(x)(y), rel=1e-4)
    assert gauge(torch.ones(10, 2))(torch.ones(10, 2)) == CHANCE
    assert gauge(x)(2.0 * x.repeat(2, 1)) < torch.inf


looks = st.lists(st.floats(1e-3, 10), min_size=1, max_size=30).map(
    lambda found: [Look(10 * i, i / len(found), distance) for i, distance in enumerate(found)]
)


@given(looks)
def test_only_a_run_that_stays_far_beyond_its_best_is_lost(found: list[Look]) -> None:
    best = best_of(found)
    assert all(best.distance <= look.distance for look in found)
    beyond = [look.distance > 4.0 * best.distance for look in found]
    assert lost(found, 4.0) == (len(found) > PATIENCE and all(beyond[-PATIENCE:]))


def test_of_two_alike_the_later_is_the_best() -> None:
    assert best_of([Look(1, 0.1, 2.0), Look(2, 0.2, 1.0), Look(3, 0.3, 1.0)]).step == 3


# --- in a run ------------------------------------------------------------------------------------------------------------


class Told(Gauge):
    """A gauge that reads its distances from a list."""

    distances: Any = iter(())

    def __call__(self, x: Tensor) -> float:
        return next(self.distances)


def told(monkeypatch: pytest.MonkeyPatch, *distances: float) -> None:
    monkeypatch.setattr(Told, "distances", itertools.chain(distances, itertools.repeat(distances[-1])))
    monkeypatch.setattr(opened, "gauge", Told)


def exported(run: Path) -> tuple[int, dict[str, Tensor]]:
    return json.loads((run / "generator" / "config.json").read_text())["step"], read_tensors(run / "generator" / "weights.safetensors")[0]


def test_a_run_looks_as_often_as_it_is_told_and_keeps_the_best(tmp_path: Path) -> None:
    run = train(tmp_path, {"run.looks": 3, "run.tick": 1})
    found = RunFolder(run.path).looks()
    assert [look["step"] for look in found] == [10, 20, 30]
    assert all(look["distance"] > 0 for look in found)
    (best,) = RunFolder(run.path).bests()
    weights, about = read_tensors(best)
    assert about["distance"] == min(look["distance"] for look in found)
    assert weights.keys() == exported(run.path)[1].keys()


def test_no_looks_no_file(tmp_path: Path) -> None:
    run = train(tmp_path, {"run.looks": 0}).path
    assert not (run / "quality.jsonl").exists()
    assert not RunFolder(run).bests()


@pytest.mark.parametrize(("last", "taken"), [(1.0, 10), (0.5 / Standard.better * 0.99, STEPS)])
def test_a_clearly_better_generator_is_what_the_run_ends_with(
    last: float, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, 1.0, 0.5, last)
    run = train(tmp_path, {"run.looks": STEPS // TICK, "run.exams": 0}).path  # an examination would measure too
    step, weights = exported(run)
    assert step == taken
    best = read_tensors(RunFolder(run).bests()[-1])[0]
    assert all(torch.equal(weights[k], best[k]) for k in best) == (taken == 10)


@pytest.mark.parametrize("save", [checkpoint.save_moment, checkpoint.save])
def test_the_best_generator_before_a_step_that_the_run_goes_on_from_is_there(save: Callable[..., None], tmp_path: Path) -> None:
    distances = iter([0.10, 0.05, 3.0, 0.9])
    run, players = RunFolder(tmp_path), Players(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1))
    standard = Standard(lambda network: next(distances))

    def look(quality: Quality, step: int, share: float) -> tuple[int, dict[str, Tensor]]:
        tick = Tick(Position(step, share, 1.0, share == 1.0), step, {}, Rates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 1.0, {}, share == 1.0)
        with torch.no_grad():
            players.average.fill_(step)
        quality(tick, players)
        return quality.chosen(tick, players)

    quality = Quality(run, 10, standard, Position())
    look(quality, 10, 0.1)
    save(run, players, Position(20, 0.2, 1.0, False), 4)
    look(quality, 30, 0.3)
    look(quality, 50, 0.5)
    assert [checkpoint.step_of(p) for p in run.bests()] == [10, 30]
    run.cut(20)  # as a run does that goes back, or was killed
    step, weights = look(Quality(run, 10, standard, Position(20, 0.2, 1.0, False)), 100, 1.0)
    assert step == 10
    assert all((value == 10).all() for value in weights.values())


def test_without_the_best_ones_file_the_last_generator_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, 0.5, 1.0)

    def gone(path: Path) -> None:
        raise RunError(f"{path} cannot be read.")

    monkeypatch.setattr(quality, "read_tensors", gone)
    assert exported(train(tmp_path).path)[0] == STEPS


def test_a_lost_run_ends_and_can_be_made_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, 0.1, 1.0)
    watching = Watching()
    changes = {"run.looks": STEPS, "run.tick": 1, "run.exams": 0}
    run = train(tmp_path, changes, audience=watching).path
    assert watching.ended_early == run
    assert watching.ticks[-1].position.step == 2 + PATIENCE  # seen at the look before, answered at the next tick
    assert exported(run)[0] == 1
    told(monkeypatch, 1.0)
    gansmith.train(resume=run, settings={"run.stop_early": False})
    assert RunFolder(run).records()[-1]["step"] == STEPS
    assert exported(run)[0] == 1


def test_a_run_may_be_told_never_to_end_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, 0.1, 1.0)
    run = train(tmp_path, {"run.looks": STEPS, "run.tick": 1, "run.stop_early": False, "run.exams": 0})
    assert run.log[-1]["step"] == STEPS
