"""The guard: it goes back and on with other settings, never twice the same way, and a kill in the middle changes nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as asked
from hypothesis import strategies as st

import gansmith
import tiny
from gansmith import config
from gansmith.engine import checkpoint, guard
from gansmith.errors import NotFinite, RunError
from gansmith.health.history import History
from gansmith.losses import LOSSES
from gansmith.records import Clear, Finding, Outcome
from gansmith.runs import RunFolder
from tiny import BATCH, STEPS, TICK, Crash, Watching

RATE = "optimiser.lr_generator"
GUARDED = {"run.guard": True, "run.exams": STEPS // TICK, RATE: 0.008}
Examine = Callable[[History], tuple[Outcome, ...]]


def ill_above(rate: float, since: int = 20, severity: Any = "severe", code: str = "H999") -> Examine:
    """A check that finds a rate too high, from a step on."""

    def examine(history: History) -> tuple[Outcome, ...]:
        ill = history.settings[RATE] > rate and history.exams[-1]["step"] >= since
        return (Finding(code, severity, "the rate is too high.", "Lower it."),) if ill else (Clear(code),)

    return examine


def halved(
    finding: Finding, settings: Mapping[str, Any], tries: int = 0, automatic: Mapping[str, Any] | None = None, anew: bool = False
) -> dict[str, Any]:
    return {RATE: settings[RATE] / 2}


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "examine", ill_above(0.005))
    monkeypatch.setattr(guard, "remedy", halved)


def train(runs: Path, settings: Mapping[str, Any] | None = None, **more: Any) -> Path:
    return tiny.train(runs, {**GUARDED, **(settings or {})}, **more).path


# --- going back ----------------------------------------------------------------------------------------------------------


def test_a_severe_finding_takes_the_run_back_and_on_with_other_settings(tmp_path: Path) -> None:
    watching = Watching()
    run = RunFolder(train(tmp_path, audience=watching))
    (recovery,) = guard.recoveries(run)
    assert (recovery.step, recovery.back, recovery.code, recovery.changes) == (25, 15, "H999", {RATE: 0.004})
    assert [r["step"] for r in run.records()] == [5, 10, 15, 20, 25, 30]
    rates = [r["lr_generator"] for r in run.records()]
    assert rates[3] < 0.6 * rates[2]  # from step 15 on
    assert config.read(run.recipe).optimiser.lr_generator == 0.004
    assert "H999" in run.recipe.read_text()
    assert "the rate is too high" in run.recipe.read_text()
    assert [r["step"] for r in RunFolder(run.tries / "1").records()] == [5, 10, 15, 20, 25]  # what was undone is kept beside
    assert [t.position.step for t in watching.ticks] == [5, 10, 15, 20, 25, 20, 25, 30]
    assert checkpoint.newest(run).finished


@pytest.mark.parametrize("code", ["H204", "H218"])
def test_what_was_learned_by_heart_is_not_unlearned_and_the_run_begins_anew(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "examine", ill_above(0.005, code=code))  # of any other code it goes back to step 15
    (recovery,) = guard.recoveries(RunFolder(train(tmp_path)))
    assert (recovery.step, recovery.back, recovery.code) == (25, 0, code)


def test_it_goes_on_as_a_run_that_was_always_so_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "examine", ill_above(0.005, since=5))  # ill from the first examination: there is no healthy moment
    run = train(tmp_path / "mended")
    (recovery,) = guard.recoveries(RunFolder(run))
    assert (recovery.step, recovery.back) == (10, 0)
    fresh = tiny.train(tmp_path / "fresh", {**GUARDED, RATE: 0.004}).path
    tiny.assert_same_end(run, fresh)


@pytest.mark.parametrize("stop", [None, 3])
def test_steps_of_the_discriminator_are_changed_from_the_start_alone(
    stop: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step takes other samples then, so that a run goes on as one that was always so; also one that was killed in between."""
    monkeypatch.setattr(guard, "examine", ill_above(0.005, since=5))
    monkeypatch.setattr(guard, "remedy", lambda f, settings, tries, automatic, anew: {RATE: 0.004, **({"game.critics": 1} if anew else {})})
    several = {"game.critics": 2, "run.samples": STEPS * BATCH}
    if stop is None:
        run = train(tmp_path / "mended", settings=several)
    else:
        with pytest.raises(Crash):
            train(tmp_path / "mended", settings=several, audience=CrashAt(stop))
        run = gansmith.train(resume=tmp_path / "mended" / "digits-1").path
    (recovery,) = guard.recoveries(RunFolder(run))
    assert (recovery.step, recovery.back, recovery.changes) == (10, 0, {RATE: 0.004, "game.critics": 1})
    tiny.assert_same_end(run, tiny.train(tmp_path / "fresh", {**GUARDED, RATE: 0.004, "run.samples": STEPS * BATCH}).path)


def test_a_network_of_ones_own_is_given_back_as_it_was_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import nn

    def own() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))

    monkeypatch.setattr(guard, "examine", ill_above(0.005, since=5))
    import torch

    torch.manual_seed(0)
    generator = own()
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    settings = {**GUARDED, "data.labels": "none"}
    mended = tiny.train(tmp_path / "mended", settings, generator=generator).path
    again = own()
    again.load_state_dict(before)
    fresh = tiny.train(tmp_path / "fresh", {**settings, RATE: 0.004}, generator=again).path
    tiny.assert_same_end(mended, fresh)


def test_each_try_goes_farther_and_there_are_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "examine", ill_above(0.0))
    run = RunFolder(train(tmp_path))
    found = guard.recoveries(run)
    assert len(found) == guard.TRIES
    assert [r.number for r in found] == [1, 2, 3]
    assert [r.back for r in found] == sorted((r.back for r in found), reverse=True)
    assert len({(r.back, tuple(r.changes.items())) for r in found}) == guard.TRIES
    assert run.records()[-1]["step"] == STEPS  # then it goes on to its end


def test_a_loss_of_ones_own_is_not_said_to_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()

    def spied(finding: Finding, settings: Mapping[str, Any], *_: Any) -> dict[str, Any]:
        seen.update(settings)
        return {RATE: 0.004}

    monkeypatch.setattr(guard, "remedy", spied)
    train(tmp_path / "own", loss=LOSSES["hinge"])
    assert "loss.centring" in seen
    assert "loss.name" not in seen
    train(tmp_path / "named")
    assert "loss.name" in seen


def test_nothing_is_done_where_nothing_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "remedy", lambda *_: {})
    run = RunFolder(train(tmp_path))
    assert not run.recovered()
    assert run.records()[-1]["step"] == STEPS


@pytest.mark.parametrize("how", ["off", "warning"])
def test_it_only_tells_where_it_is_off_or_it_is_a_warning(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "warning":
        monkeypatch.setattr(guard, "examine", ill_above(0.005, severity="warning"))
    told: list[tuple[str, int]] = []

    class Listening(Watching):
        def finding(self, finding: Finding, step: int) -> None:
            told.append((finding.code, step))

    run = RunFolder(tiny.train(tmp_path, {**GUARDED, "run.guard": how != "off"}, audience=Listening()).path)
    assert told == [("H999", 25)]  # once, when it was sure
    assert not run.recovered()


def test_a_single_odd_examination_is_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def now_and_then(history: History) -> tuple[Outcome, ...]:
        odd = history.exams[-1]["step"] in (10, 20, 30)
        return (Finding("H999", "severe", "odd."),) if odd else (Clear("H999"),)

    monkeypatch.setattr(guard, "examine", now_and_then)
    assert not RunFolder(train(tmp_path)).recovered()


# --- a value that is not finite ------------------------------------------------------------------------------------------


def stops_above(rate: float) -> Examine:
    def examine(history: History) -> tuple[Outcome, ...]:
        return (Finding("H210", "severe", history.stopped),) if history.stopped else (Clear("H210"),)

    return examine


def test_what_is_not_finite_is_gone_back_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "examine", stops_above(1.0))
    monkeypatch.setattr(guard, "remedy", lambda finding, settings, *_: {RATE: 1e-3})
    run = RunFolder(tiny.train(tmp_path, {**GUARDED, RATE: 1e36}).path)
    (recovery,) = guard.recoveries(run)
    assert recovery.code == "H210"
    assert "not finite" in recovery.message
    assert run.records()[-1]["step"] == STEPS
    assert not run.stopped.exists()


def test_what_cannot_be_mended_stops_as_before_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "examine", stops_above(1.0))
    monkeypatch.setattr(guard, "remedy", lambda *_: {})
    with pytest.raises(NotFinite, match="not finite"):
        tiny.train(tmp_path, {**GUARDED, RATE: 1e36})
    assert "not finite" in RunFolder(tmp_path / "digits-1").stopped.read_text()


# --- a kill in the middle ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "examine", ill_above(0.003))
        patch.setattr(guard, "remedy", halved)
        run = train(tmp_path_factory.mktemp("unbroken"))
    assert len(guard.recoveries(RunFolder(run))) == 2
    return run


class CrashAt(Watching):
    """Crashes after so many ticks, however often the run goes back."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def tick(self, tick: Any) -> None:
        super().tick(tick)
        if len(self.ticks) == self.count:
            raise Crash()


@asked(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 8), min_size=1, max_size=3), st.sampled_from([0, 1e9]))
def test_interrupted_anywhere_it_recovers_bit_identically(
    unbroken: Path, tmp_path_factory: pytest.TempPathFactory, stops: list[int], saved: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "examine", ill_above(0.003))
        patch.setattr(guard, "remedy", halved)
        runs = tmp_path_factory.mktemp("runs")
        path = runs / "digits-1"
        for i, count in enumerate(stops):
            try:
                if i == 0:
                    tiny.train(runs, {**GUARDED, "run.checkpoint_seconds": saved}, audience=CrashAt(count))
                elif not checkpoint.newest(RunFolder(path)).finished:
                    gansmith.train(resume=path, audience=CrashAt(count))
            except Crash:
                pass
        if not checkpoint.newest(RunFolder(path)).finished:
            gansmith.train(resume=path)
    tiny.assert_same_end(path, unbroken)
    same = [{**line, "seconds": 0} for line in RunFolder(path).recovered()]
    assert same == [{**line, "seconds": 0} for line in RunFolder(unbroken).recovered()]


@pytest.mark.parametrize("at", ["line", "recipe"])
def test_killed_while_it_goes_back_it_goes_back_all_the_same(
    at: str, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "examine", ill_above(0.003))
    written = guard.add_line if at == "line" else guard.write_text

    def crash(*words: Any) -> None:
        if at == "recipe":
            raise Crash()
        written(*words)
        raise Crash()

    monkeypatch.setattr(guard, "add_line" if at == "line" else "write_text", crash)
    with pytest.raises(Crash):
        train(tmp_path)
    monkeypatch.setattr(guard, "add_line" if at == "line" else "write_text", written)
    gansmith.train(resume=tmp_path / "digits-1")
    tiny.assert_same_end(tmp_path / "digits-1", unbroken)


@pytest.mark.parametrize("stop", ["killed", "asked"])
def test_ended_at_its_last_step_before_it_went_back_it_goes_back_all_the_same(
    stop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "examine", ill_above(0.005, since=STEPS - TICK))
    unbroken = train(tmp_path / "unbroken")
    (recovery,) = guard.recoveries(RunFolder(unbroken))
    assert recovery.step == STEPS

    class AtTheEnd(Watching):
        def act(self) -> None:
            if stop == "killed":
                raise Crash()
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises((Crash, KeyboardInterrupt)):
        train(tmp_path / "broken", audience=AtTheEnd(at=STEPS))
    gansmith.train(resume=tmp_path / "broken" / "digits-1")
    tiny.assert_same_end(tmp_path / "broken" / "digits-1", unbroken)


def test_a_recovery_that_is_not_known_is_told(tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train(tmp_path, audience=Watching(at=TICK))
    run = RunFolder(tmp_path / "digits-1")
    guard.add_line(run.recoveries, {"step": 5, "code": "H201"})
    with pytest.raises(RunError, match=r"recoveries.jsonl has a line that this version of gansmith does not know \(missing 4"):
        gansmith.train(resume=run.path)


def test_healthy_moments_stay_few_and_go_with_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "examine", ill_above(1.0))
    run, counts = RunFolder(tmp_path / "digits-1"), list[int]()

    class Counting(Watching):
        def tick(self, tick: Any) -> None:
            counts.append(len(run.moments()))

    tiny.train(tmp_path, {**GUARDED, "run.samples": 16 * TICK * BATCH, "run.exams": 16}, audience=Counting())
    assert 2 <= max(counts) <= guard.KEPT + 2  # and those behind the older of the two checkpoints kept
    assert not run.moments()
