"""Samples that are not finite in the middle of a run: left out, named, and no reason to stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import gansmith
import tiny
from customers import frame
from gansmith.data.order import Feed
from gansmith.errors import DataError
from gansmith.health.checks import examine
from gansmith.records import Finding
from gansmith.runs import RunFolder
from gansmith.verbs.diagnose import history_of
from gansmith.verbs.opened import Opened

COUNT, BATCH = 40, 8


def feed(raw: np.ndarray, labels: np.ndarray | None = None) -> Feed:
    condition = 0 if labels is None else int(labels.max()) + 1
    return Feed(raw, lambda x: x.float(), members=np.arange(len(raw)), labels=labels, condition=condition, batch=BATCH, seed=3)


@given(st.sets(st.integers(0, COUNT - 1), max_size=BATCH - 1), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_batches_stay_finite_and_the_samples_are_named(bad: set[int], value: float) -> None:
    raw = np.arange(COUNT * 3, dtype=np.float32).reshape(COUNT, 3)
    clean, poisoned = feed(raw), raw.copy()
    poisoned[sorted(bad), 1] = value
    dirty = feed(poisoned)
    for step in range(COUNT // BATCH):
        before, after = clean(step).x, dirty(step).x
        assert after.isfinite().all()
        kept = ~torch.isin(before[:, 0], torch.from_numpy(raw[sorted(bad), 0]))
        assert torch.equal(after[kept], before[kept])  # nobody else's place is touched
        assert torch.isin(after[~kept, 0], before[kept, 0]).all()
    assert dirty.poisoned == bad


def test_a_sample_in_the_place_of_another_brings_its_label() -> None:
    raw = np.repeat(np.arange(4.0, dtype=np.float32), 10)[:, None]
    labels = np.repeat(np.arange(4), 10)
    poisoned = raw.copy()
    poisoned[::7] = np.nan
    found = feed(poisoned, labels)
    for step in range(10):
        x, c = found(step)
        assert c is not None
        assert torch.equal(x[:, 0].long(), c.argmax(1))


def test_whole_batches_that_are_not_finite_end_the_run_in_words() -> None:
    with pytest.raises(DataError, match=r"none of the 8 samples of a batch is finite .*--resume"):
        feed(np.full((COUNT, 2), np.nan, np.float32))(0)


def test_whole_numbers_are_not_looked_at() -> None:
    assert feed(np.zeros((COUNT, 2), np.uint8))(0).x.shape == (BATCH, 2)


def test_a_run_survives_a_shard_of_nan_and_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, bad = Opened.feed, set[int]()

    def poisoned(self: Opened, *words: object, **more: object) -> Feed:
        found = real(self, *words, **more)  # type: ignore[arg-type]
        if "members" not in more:  # the batches of the game, not those of an examination
            bad.update(self.members[10:13].tolist())
            found.raw = np.array(found.raw, np.float32)
            found.raw[sorted(bad)] = np.nan
        return found

    monkeypatch.setattr(Opened, "feed", poisoned)
    pictures = np.random.default_rng(0).random((80, 8, 8), np.float32)
    watching = tiny.Watching(at=30)
    settings = {"run.samples": 16 * 60, "run.exams": 12, "run.checkpoint_seconds": 0}
    with pytest.raises(tiny.Crash):
        tiny.train(tmp_path, settings, pictures, audience=watching)
    run = RunFolder(next(tmp_path.iterdir()))
    gansmith.train(pictures, resume=run.path)
    assert run.records()[-1]["step"] == 60
    assert run.left_out() == bad
    assert [e["poisoned"] for e in run.exams()] == [3] * 12  # every sample of 80 comes along in 5 steps
    assert "H222" in {f.code for f in examine(history_of(run)) if isinstance(f, Finding)}


def test_a_picture_of_one_value_is_survived_and_named(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (80, 8, 8), np.uint8)
    pictures[5] = 7
    run = tiny.train(tmp_path, None, pictures)
    assert run.log[-1]["step"] == tiny.STEPS
    assert "D106" in {f["code"] for f in run.data["findings"]}


def test_a_missing_cell_of_a_table_is_no_poison(tmp_path: Path) -> None:
    table = frame(300)
    table.loc[::3, table.select_dtypes("number").columns[0]] = np.nan
    run = RunFolder(tiny.train(tmp_path, {"network.name": None, "network.width": 16, "network.latent": None}, table).path)
    assert not run.left_out()
    assert {exam["poisoned"] for exam in run.exams()} == {0}
