"""The promise: a run killed at any instant goes on, and on a CPU ends with the same bits as one that was never interrupted."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gansmith
import tiny
from gansmith import config
from gansmith.engine import checkpoint, probe
from gansmith.errors import ConfigError, DataError, RunError
from gansmith.runs import RunFolder, flocked, read_json, write_json, write_tensors
from tiny import BATCH, STEPS, TICK, Crash, Watching, assert_same_end, train

TICKS = STEPS // TICK


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that all others are compared with."""
    return train(tmp_path_factory.mktemp("unbroken")).path


class Signalled(Watching):
    """An audience that asks the run to stop in the way the system does."""

    def __init__(self, at: int, number: signal.Signals) -> None:
        super().__init__(at)
        self.number = number

    def act(self) -> None:
        os.kill(os.getpid(), self.number)


def interrupted(run: Path | None, at: int, how: str, runs: Path, changes: dict[str, Any]) -> Path:
    """A run, fresh or gone on with, that is stopped at a step; its folder."""
    watching = Watching(at) if how == "crash" else Signalled(at, signal.SIGTERM if how == "SIGTERM" else signal.SIGINT)
    play = partial(train, runs, changes) if run is None else partial(gansmith.train, resume=run)
    with pytest.raises((Crash, KeyboardInterrupt)):
        play(audience=watching)
    return run or next(runs.iterdir())


# A crash may come at any tick. A signal is answered at the next one, so one at the last tick but one meets the end of the run.
stops = st.lists(st.tuples(st.integers(1, TICKS - 2), st.sampled_from(["crash", "SIGTERM", "SIGINT"])), min_size=1, max_size=3)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops=stops, saved=st.sampled_from([0.0, 1e9]))
def test_interrupted_anywhere_it_ends_bit_identical(
    stops: list[tuple[int, str]], saved: float, unbroken: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runs, run = tmp_path_factory.mktemp("broken"), None
    # with checkpoints far apart a crash loses what the log already tells, which must be told again in the same words
    for tick, how in sorted(stops):
        at = tick * TICK
        if run is not None and checkpoint.newest(RunFolder(run)).step >= at:
            continue
        run = interrupted(run, at, how, runs, {"run.checkpoint_seconds": saved})
    assert run is not None
    gansmith.train(resume=run)
    assert_same_end(run, unbroken)


@pytest.mark.parametrize(
    "changes",
    [
        {"network.name": "light", "machine.precision": "bf16", "penalty.form": "finite"},
        {"network.name": "light", "penalty.form": "exact"},
        {"loss.name": "nonsaturating", "average.halflife": 0, "data.labels": "none"},
    ],
    ids=["light-bf16-finite", "light-fp32-exact", "unconditional"],
)
def test_other_networks_and_arithmetic_resume_bit_identical_too(changes: dict[str, Any], tmp_path: Path) -> None:
    whole = train(tmp_path / "a", changes).path
    run = interrupted(None, 2 * TICK, "crash", tmp_path / "b", changes)
    gansmith.train(resume=run)
    assert_same_end(run, whole)


def test_two_equal_runs_are_equal_and_another_seed_is_another(unbroken: Path, tmp_path: Path) -> None:
    assert_same_end(train(tmp_path).path, unbroken)
    other = train(tmp_path, seed=1).path
    assert not torch.equal(tiny.newest(other)["average"], tiny.newest(unbroken)["average"])


def test_a_damaged_newest_checkpoint_costs_a_tick_and_no_bit(unbroken: Path, tmp_path: Path) -> None:
    run = interrupted(None, 3 * TICK, "crash", tmp_path, {"run.guard": False})  # whose healthy moments would cost not even a tick
    newest = RunFolder(run).saved()[-1]
    newest.write_bytes(newest.read_bytes()[:-50])
    watching = Watching()
    gansmith.train(resume=run, audience=watching)
    assert watching.ticks[0].position.step == 3 * TICK
    assert_same_end(run, unbroken)


def test_a_run_without_any_checkpoint_begins_again(unbroken: Path, tmp_path: Path) -> None:
    run = interrupted(None, TICK, "crash", tmp_path, {})
    shutil.rmtree(run / "checkpoints")
    gansmith.train(resume=run)
    assert_same_end(run, unbroken)


def test_a_resume_from_another_folder_and_of_a_moved_run_is_the_same(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = interrupted(None, TICK, "crash", tmp_path, {})
    moved = tmp_path / "else where"
    shutil.move(run, moved)
    monkeypatch.chdir(tmp_path)
    gansmith.train(resume="else where")
    assert_same_end(moved, unbroken)


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    return interrupted(None, TICK, "crash", tmp_path / "runs", {})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def untouched(stopped: Path) -> Iterator[Path]:
    """A stopped run that is the same after the test as before."""
    before = contents(stopped)
    yield stopped
    assert contents(stopped) == before


def test_changed_settings_are_refused_and_listed(untouched: Path) -> None:
    with pytest.raises(RunError) as told:
        gansmith.train("toy:ring", resume=untouched, seed=5, batch=BATCH, settings={"penalty.gamma": 2.5, "run.tick": TICK})
    words = str(told.value)
    for part in ("run.seed is 0, requested 5", "penalty.gamma is ", "requested 2.5", "data.source is digits, requested toy:ring"):
        assert part in words
    assert "run.batch" not in words
    assert "run.tick" not in words


def test_a_run_of_before_rates_could_fall_sooner_goes_on(stopped: Path) -> None:
    recipe = (stopped / "recipe.yaml").read_text()
    (stopped / "recipe.yaml").write_text("".join(line for line in recipe.splitlines(keepends=True) if "lr_power" not in line))
    assert "lr_power" in recipe
    assert gansmith.train(resume=stopped).log[-1]["step"] == STEPS


def test_a_run_that_is_being_trained_is_refused(untouched: Path) -> None:
    (untouched / "train.lock").touch()
    with flocked(untouched / "train.lock", wait=False), pytest.raises(RunError, match="another process is training"):
        gansmith.train(resume=untouched)


def test_samples_that_were_being_written_into_the_run_do_not_stop_it(stopped: Path) -> None:
    (stopped / ".samples.part").mkdir()
    assert gansmith.train(resume=stopped).log[-1]["step"] == STEPS


class Forgetful(torch.nn.Module):
    """A discriminator that draws from torch's own random state."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def test_networks_of_ones_own_that_draw_at_random_resume_bit_identical_too(tmp_path: Path) -> None:
    settings = {"data.labels": "none"}

    def own() -> Forgetful:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Forgetful()

    whole = train(tmp_path / "whole", settings, discriminator=own())
    with pytest.raises(Crash):
        train(tmp_path / "cut", settings, discriminator=own(), audience=Watching(3 * TICK))
    torch.rand(7)  # whatever else was drawn in the meantime
    before = torch.random.get_rng_state()
    cut = gansmith.train(resume=next((tmp_path / "cut").iterdir()), discriminator=own())
    assert_same_end(cut.path, whole.path)
    assert torch.equal(torch.random.get_rng_state(), before)  # the caller's own numbers go on as if nothing had been trained


def test_a_misspelt_setting_a_recipe_and_a_name_are_refused(untouched: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'penalty.gamma'"):
        gansmith.train(resume=untouched, settings={"penalty.gama": 1})
    with pytest.raises(ConfigError, match="keeps its recipe"):
        gansmith.train(resume=untouched, recipe=untouched / "recipe.yaml")
    with pytest.raises(ConfigError, match="its name"):
        gansmith.train(resume=untouched, name="other")


def test_parts_of_ones_own_must_be_the_same_kind(untouched: Path) -> None:
    with pytest.raises(RunError, match="recipe's own loss; leave yours out"):
        gansmith.train(resume=untouched, loss=gansmith.LOSSES["minimax"])


def test_a_finished_run_is_refused(unbroken: Path) -> None:
    before = contents(unbroken)
    with pytest.raises(RunError, match=r"already finished.*gansmith sample"):
        gansmith.train(resume=unbroken)
    assert contents(unbroken) == before


def test_a_newer_recipe_is_refused(stopped: Path) -> None:
    recipe = stopped / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("version: 1", "version: 2\nlater:\n  thing: 3"))
    with pytest.raises(ConfigError, match=r"format 2 .*Upgrade"):
        gansmith.train(resume=stopped)


def test_a_newer_checkpoint_is_refused(stopped: Path) -> None:
    write_tensors(RunFolder(stopped).checkpoint(99), {"a": torch.zeros(1)}, {"format": 2, "step": 99})
    with pytest.raises(RunError, match="newer gansmith"):
        gansmith.train(resume=stopped)


def test_a_run_of_networks_that_have_changed_since_is_refused(stopped: Path) -> None:
    path = RunFolder(stopped).data
    write_json(path, {**read_json(path), "revision": 0})
    with pytest.raises(RunError, match=r"network, revision 0, .*train again"):
        gansmith.train(resume=stopped)


@pytest.mark.parametrize(("name", "words"), [("data.json", "data.json is missing"), ("recipe.yaml", "is not a run folder")])
def test_a_half_written_run_is_told(name: str, words: str, stopped: Path) -> None:
    (stopped / name).unlink()
    with pytest.raises(RunError, match=words):
        gansmith.train(resume=stopped)


@pytest.mark.parametrize("text", ["[]", "{}", "{"])
def test_a_data_file_that_says_nothing_is_told(text: str, stopped: Path) -> None:
    (stopped / "data.json").write_text(text)
    with pytest.raises(RunError, match=r"data.json"):
        gansmith.train(resume=stopped)


def test_changed_data_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.npy"
    pictures = np.random.default_rng(0).integers(0, 256, (40, 6, 6), np.uint8)
    np.save(source, pictures)
    with pytest.raises(Crash):
        train(tmp_path / "runs", data=str(source), audience=Watching(TICK))
    run = next((tmp_path / "runs").iterdir())
    pictures[3, 2, 2] ^= 1
    np.save(source, pictures)
    with pytest.raises(DataError, match="are not the data that this run was trained on"):
        gansmith.train(resume=run)
    source.unlink()
    with pytest.raises(DataError, match=r"a\.npy"):
        gansmith.train(resume=run)
    pictures[3, 2, 2] ^= 1
    np.save(source, pictures)
    assert gansmith.train(str(source), resume=run).log[-1]["step"] == STEPS


def test_the_hands_may_change_and_the_recipe_stays(stopped: Path) -> None:
    recipe = config.read(stopped / "recipe.yaml")
    gansmith.train(resume=stopped, settings={"machine.threads": 2})
    assert config.read(stopped / "recipe.yaml") == recipe
    assert torch.get_num_threads() == 1


# --- in a process of its own ---------------------------------------------------------------------------------------------

LAST = 400
LONG: dict[str, Any] = {"run.exams": 0, "run.samples": BATCH * LAST, "run.tick": 40}


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return train(tmp_path_factory.mktemp("long"), LONG).path


def wait_for(run: RunFolder, step: int, process: Any) -> None:
    """Until the log has reached a step, or the process has ended."""
    until = time.monotonic() + tiny.PATIENCE
    while process.poll() is None and time.monotonic() < until:
        if any(r["step"] >= step for r in run.records()):
            return
        time.sleep(0.002)


def killed_run(kills: int, tmp_path: Path, seed: int) -> Path:
    """A run killed with SIGKILL at random moments between the first tick and the last, gone on with each time, and ended."""
    chance = random.Random(seed)
    ends = sorted(chance.randrange(0, LAST, 40) for _ in range(kills))
    said = tiny.words(tmp_path, LONG)
    for end in ends:
        process = tiny.start(*said)
        with process:
            run = RunFolder(tmp_path / "digits-1")
            wait_for(run, end, process)
            time.sleep(chance.random() * 0.05)
            process.kill()
        if process.returncode == 0:
            return run.path  # it was faster
        if run.path.exists():
            said = ["train", "--resume", str(run.path)]
    done = tiny.command(*said)
    assert done.returncode == 0, done.stderr
    return run.path


@pytest.mark.timeout(600)
def test_killed_twice_it_ends_bit_identical(long_run: Path, tmp_path: Path) -> None:
    assert_same_end(killed_run(2, tmp_path, seed=0), long_run)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_ten_random_moments_it_ends_bit_identical(long_run: Path, tmp_path: Path) -> None:
    assert_same_end(killed_run(10, tmp_path, seed=random.randrange(2**32)), long_run)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_it_with_a_checkpoint_and_the_way_to_go_on(number: signal.Signals, long_run: Path, tmp_path: Path) -> None:
    with tiny.start(*tiny.words(tmp_path, LONG | {"run.checkpoint_seconds": 1e9})) as process:
        run = RunFolder(tmp_path / "digits-1")
        wait_for(run, 40, process)
        process.send_signal(number)
        _, told = process.communicate(timeout=tiny.PATIENCE)
    assert process.returncode == 130, told
    assert told.strip() == f"Stopped; everything up to here is saved. Go on with: gansmith train --resume {run.path}"
    assert checkpoint.newest(run).step == run.records()[-1]["step"] < LAST
    gansmith.train(resume=run.path)
    assert_same_end(run.path, long_run)
