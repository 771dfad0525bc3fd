"""Proofs on tables whose answer is known, what models are shown of rows, and one story on real data."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

import tiny
from gansmith.artefact import Card
from gansmith.config import DataSettings, NetworkSettings
from gansmith.data.store import Collection, digest_rows
from gansmith.domains.table import TABLE
from gansmith.domains.table.opening import open_table
from gansmith.domains.table.schema import Column, Schema
from gansmith.downstream import judge, tables
from gansmith.downstream.arms import ALL, ARMS, BOTH, CLASSICAL, NOISE, REAL, REPEATED, SYNTHETIC
from gansmith.downstream.models import Budget
from gansmith.errors import DataError
from gansmith.layout import Block, Layout
from gansmith.records import Arm, Proof, Setting
from gansmith.runs import RunFolder
from gansmith.verbs import sets
from gansmith.verbs.kept import proofs as history
from gansmith.verbs.prove import prove
from gansmith.verbs.run import Run
from gansmith.verbs.sets import Part, Sets

CLASSES = ("no", "yes", "later")
COUNTS = (150, 150, 150)
TARGET = 1  # where the target stands among the columns
SCHEMA = Schema(
    (
        Column("age", "number", step=1.0, lowest=0, highest=200),
        Column("bought", "category", CLASSES),
        Column("row", "id", form="+1"),
        Column("income", "number"),
        Column("job", "category", ("cook", "judge", "pilot")),
        Column("member", "boolean", ("no", "yes")),
    ),
    target="bought",
)
LAYOUT = Layout((Block("age", 4, "onehot"),), condition=6, given=True)


def rows(labels: np.ndarray, seed: int) -> np.ndarray:
    """[N, 6] of which age and income tell the class a little, and job and member nothing. Few rows do not tell, many do."""
    source = np.random.default_rng(seed)
    count = len(labels)
    raw = np.zeros((count, 6))
    raw[:, 0] = np.rint(source.normal(60 + 12 * labels, 15))
    raw[:, 1] = labels
    raw[:, 3] = source.normal(1e4 * (labels == 1), 1e4)
    raw[:, 4], raw[:, 5] = source.integers(0, 3, count), source.integers(0, 2, count)
    raw[:, 3:] = np.where(source.random((count, 3)) < 0.1, np.nan, raw[:, 3:])
    return raw


def collection(counts: Sequence[int], seed: int, schema: Schema = SCHEMA) -> Collection:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(3), counts))
    raw = rows(labels, seed)
    known = schema.target is not None
    return Collection(
        raw, digest_rows(raw), labels if known else None, CLASSES if known else (), facts={"schema": schema.to_dict(), "fingerprint": "0"}
    )


class Held(Run):
    """A run whose generator nobody trained: what is proved is another source of rows."""

    @property
    def generator(self) -> Any:
        return SimpleNamespace(card=Card(NetworkSettings(), LAYOUT, "table", CLASSES), classes=CLASSES, codec=None)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Of 450 rows, and 900 to judge on."""
    return held(tmp_path, monkeypatch, collection(COUNTS, 0))


def held(folder: Path, patch: pytest.MonkeyPatch, training: Collection, test: Collection | None = None) -> Run:
    test = test or collection((300, 300, 300), 1)
    found = Sets(
        "held", TABLE, sets.whole(training), sets.whole(test), CLASSES, True, lambda count, seed: (test.raw, None), None, {"data": "held"}
    )  # fmt: skip
    patch.setattr(sets, "of_run", lambda run, test, data, opening: found)
    return Held(RunFolder(folder))


class Perfect:
    """Draws new rows of the same kind."""

    classes = CLASSES

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Any:
        labels = np.array([CLASSES.index(name) for name in label])
        return SimpleNamespace(raw=rows(labels, seed), labels=labels)


class Confused:
    """Takes each class for the next one."""

    classes = CLASSES

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Any:
        labels = np.array([CLASSES.index(name) for name in label])
        raw = rows((labels + 1) % 3, seed)
        raw[:, TARGET] = labels
        return SimpleNamespace(raw=raw, labels=labels)


def nearest_mean(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """The class whose mean is nearest: quick, exact, and better the more rows there are."""
    means = np.stack([x[y == k].mean(0) if (y == k).any() else np.full(x.shape[1:], 9.0) for k in range(3)])
    return ((test[:, None] - means) ** 2).sum(2).argmin(1)


def proved(run: Run, **more: Any) -> Proof:
    return prove(run, **{"model": nearest_mean, "generator": Perfect(), **more})


def arm(setting: Setting, name: str) -> Arm:
    return next(a for a in setting.arms if a.name == name)


# --- answers that are known ----------------------------------------------------------------------------------------------


def test_a_perfect_generator_helps_where_there_are_few(table: Run) -> None:
    proof = proved(table, per_class=[3], ratios=[40])
    (setting,) = proof.settings
    assert setting.answer == "helps", setting.sentence
    assert proof.verdict.answer == "yes"
    assert judge.mean(arm(setting, SYNTHETIC)) > judge.mean(arm(setting, REAL)) + 0.05
    assert [(a.name, a.samples) for a in setting.arms] == [
        (REAL, 9),
        (SYNTHETIC, 360),
        (BOTH, 369),
        (CLASSICAL, 369),  # 360 of SMOTE
        (ALL, 369),  # 180 of these and 180 synthetic ones
        (REPEATED, 9),
    ]
    assert [(d.arm, d.against) for d in setting.differences] == [p for p in judge.PAIRS if p != judge.CONTROL]
    assert history(table.folder) == [proof]


def test_rows_of_the_wrong_class_harm(table: Run) -> None:
    (setting,) = proved(table, generator=Confused(), per_class=[100], ratios=[20]).settings
    assert setting.answer == "harms", setting.sentence
    assert judge.mean(arm(setting, SYNTHETIC)) < 1 / 4


def test_the_same_seed_gives_the_same_proof(table: Run) -> None:
    first, again, other = (proved(table, per_class=[10], seeds=3, seed=seed) for seed in (0, 0, 1))
    assert first.settings == again.settings
    assert first.settings != other.settings


def test_a_rare_class_is_filled_up_by_either(table: Run) -> None:
    proof = proved(table, per_class=[60], rare=("later", 0.05))
    (setting,) = proof.settings
    assert setting.answer == "helps", "better than noise too"
    assert setting.title == "3 of 'later' among 123 real samples, 57 synthetic added"
    assert [arm(setting, n).samples for n in (*ARMS, NOISE)] == [123, 180, 180, 180, 180, 123, 180]
    (single,) = proved(table, per_class=[20], rare=("later", 0.01), seeds=3).settings
    assert arm(single, CLASSICAL).samples == 41 + 19, "of one row, 19 like it"
    assert not any(a.failed for a in single.arms)


class Shuffled:
    """Draws rows of which every column looks right alone, and calls them what it was asked for."""

    classes = CLASSES

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Any:
        known = rows(np.random.default_rng(seed).integers(0, 3, count), seed)
        return SimpleNamespace(raw=shuffled(known, seed), labels=np.array([CLASSES.index(name) for name in label]))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_that_fills_up_a_rare_class_never_helps(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.naive_bayes import GaussianNB

    large = held(tmp_path, monkeypatch, collection((300, 300, 300), 0), collection((1500, 1500, 1500), 1))
    asked = {"model": GaussianNB(), "rare": ("later", 0.05), "seed": seed}
    noise, good = (proved(large, generator=source, **asked) for source in (Shuffled(), Perfect()))
    (setting,), (better,) = noise.settings, good.settings
    assert setting.answer != "helps"
    if seed:
        assert setting.differences[0].estimate.low > 0, "it gains over SMOTE"
        assert "noise instead of the samples gains as much" in setting.sentence
        assert noise.verdict.answer == "no"
    assert better.answer == "helps", better.sentence
    assert arm(setting, NOISE) == arm(better, NOISE), "nothing of the generator is in it"


def test_curves_over_real_rows_and_ratios(table: Run) -> None:
    proof = proved(table, per_class=[2, None], ratios=[1, 3], seeds=3)
    assert [(s.per_class, s.ratio) for s in proof.settings] == [(2, 1.0), (2, 3.0), (None, 1.0), (None, 3.0)]
    assert arm(proof.settings[-1], ALL).samples == 4 * 450


# --- what models are shown -----------------------------------------------------------------------------------------------


def shuffled(raw: np.ndarray, seed: int) -> np.ndarray:
    """Rows with every column but the target shuffled by itself."""
    found = np.random.default_rng(seed).permuted(raw, axis=0)
    found[:, TARGET] = raw[:, TARGET]
    return found


@pytest.fixture
def blind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Rows of which the target alone tells the class: who does better than chance has seen it."""
    training, test = collection((60, 60, 60), 0), collection((300, 300, 300), 1)
    return held(tmp_path, monkeypatch, *(replace(part, raw=shuffled(part.raw, 2)) for part in (training, test)))


class Blind(Perfect):
    """Draws rows of which the target alone tells the class."""

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Any:
        drawn = super().sample(count, label=label, seed=seed)
        return SimpleNamespace(raw=shuffled(drawn.raw, seed), labels=drawn.labels)


def test_trees_are_the_default_and_see_no_target(table: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def odds(x: np.ndarray, y: np.ndarray, test: np.ndarray, numeric: np.ndarray, seed: int) -> np.ndarray:
        seen.append((x, test, numeric))
        return np.ones((len(test), 3))

    monkeypatch.setattr(tables, "odds_of", odds)
    proof = prove(table, generator=Perfect(), seeds=3)
    said = proof.conditions
    assert said["model"].startswith("gradient-boosted trees")
    assert said["budget"] == "100 rounds of trees, each set once as a whole"
    assert said["classical"].startswith("SMOTE of 5 neighbours")
    assert (said["training"], said["test"], said["measure"]) == (450, 900, "balanced accuracy")
    assert all(a.scores == pytest.approx([1 / 3] * 3) for a in proof.settings[0].arms)
    assert len(seen) == 3 * len(ARMS)
    for x, test, numeric in seen:
        assert numeric.tolist() == [True, True, False, False]
        np.testing.assert_array_equal(test, collection((300, 300, 300), 1).raw[:, [0, 3, 4, 5]])
        assert x.shape[1] == 4
    np.testing.assert_array_equal(np.sort(seen[0][0], 0), np.sort(collection(COUNTS, 0).raw[:, [0, 3, 4, 5]], 0))


def test_a_model_of_ones_own_is_given_numbers_and_no_target(blind: Run) -> None:
    seen: list[np.ndarray] = []

    def watching(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        seen.extend([x, test])
        return nearest_mean(x, y, test, seed)

    (setting,) = proved(blind, model=watching, generator=Blind(), seeds=3).settings
    assert [judge.mean(a) for a in setting.arms] == pytest.approx([1 / 3] * len(ARMS), abs=0.1)
    # age; income and whether it is missing; the levels of job and of member, and whether they are
    assert {(x.shape[1], x.dtype) for x in seen} == {(1 + 2 + 4 + 3, np.dtype(np.float32))}
    assert all(np.isfinite(x).all() for x in seen)


def test_an_estimator_and_a_module_of_ones_own(table: Run) -> None:
    from sklearn.linear_model import LogisticRegression

    by_estimator = proved(table, model=LogisticRegression(), per_class=[20], seeds=3)
    assert by_estimator.conditions["model"] == "LogisticRegression()"
    by_module = proved(table, model=lambda: nn.Linear(10, 3), per_class=[20], seeds=3, budget=Budget(steps=5, batch=8))
    assert by_module.conditions["model"] == "Linear"
    for proof in (by_estimator, by_module):
        assert not any(a.failed for a in proof.settings[0].arms)


# --- no proof ------------------------------------------------------------------------------------------------------------


def test_a_table_without_a_target_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"no labels.*--target"):
        proved(held(tmp_path, monkeypatch, collection(COUNTS, 0, replace(SCHEMA, target=None))))
    assert not history(RunFolder(tmp_path))


def test_a_table_of_nothing_but_a_target_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = replace(SCHEMA, columns=tuple(c if c.name == "bought" else replace(c, kind="text") for c in SCHEMA.columns))
    with pytest.raises(DataError, match=r"no column to predict 'bought' from"):
        proved(held(tmp_path, monkeypatch, collection(COUNTS, 0, alone)))


# --- real data -----------------------------------------------------------------------------------------------------------


class Fresh:
    """Real rows that were never shown: the best that any generator could draw."""

    def __init__(self, part: Part) -> None:
        self.classes, self.part = part.collection.classes, part

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Any:
        wanted, source = np.array([self.classes.index(name) for name in label]), np.random.default_rng(seed)
        rows = np.empty(count, np.int64)
        for k in range(len(self.classes)):
            rows[wanted == k] = source.choice(np.flatnonzero(self.part.labels == k), (wanted == k).sum(), replace=False)
        return SimpleNamespace(raw=self.part[rows], labels=wanted)


def test_fresh_census_rows_help_where_there_are_few(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = shared / "tables" / "adult.csv.gz"
    if not file.is_file():
        pytest.skip(f"there is no {file}")
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)[:12_001]
    few = tmp_path / "adult.csv"
    few.write_bytes(b"".join(lines))
    adult = open_table(few, DataSettings(target="income"))
    training, fresh, test = (Part(adult, part) for part in np.split(np.arange(12_000), [1000, 9000]))
    found = Sets("adult", TABLE, training, test, adult.classes, True, lambda count, seed: (test[:], None), None, {"data": "adult"})
    monkeypatch.setattr(sets, "of_run", lambda run, test, data, opening: found)
    (setting,) = prove(Held(RunFolder(tmp_path)), generator=Fresh(fresh), per_class=[40], ratios=[20], seeds=3).settings
    assert setting.answer == "helps", setting.sentence
    assert judge.mean(arm(setting, REAL)) > 0.65
    assert judge.mean(arm(setting, BOTH)) > judge.mean(arm(setting, CLASSICAL)) + 0.02


# --- from a file to a proof ----------------------------------------------------------------------------------------------


def test_a_proof_of_a_table_from_the_command_line(tmp_path: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    """A generator of 20 steps: nothing is asked but that all goes through, a test table with its columns in another order included."""
    names, at = ["age", "bought", "row", "income", "job"], {"bought": CLASSES, "job": ("cook", "judge", "pilot")}

    def write(file: Path, counts: Sequence[int], seed: int, order: Sequence[str]) -> Path:
        drawn = collection(counts, seed).raw
        drawn[:, 2] = np.arange(len(drawn)) + 10_000 * seed
        lines = [",".join(order)]
        for row in drawn:
            cells = dict(zip(names, row, strict=False))
            lines.append(",".join("" if np.isnan(v := cells[n]) else at[n][int(v)] if n in at else f"{v:.0f}" for n in order))
        file.write_text("\n".join(lines) + "\n")
        return file

    source = write(tmp_path / "customers.csv", (120, 90, 60), 3, names)
    test = write(tmp_path / "test.csv", (40, 40, 40), 4, names[::-1])
    settings = {"data.target": "bought", "network.name": "row", "network.width": 8, "network.latent": None, "penalty.form": None}
    run = tiny.train(tmp_path / "runs", {"run.samples": 20 * tiny.BATCH, "run.previews": 0, **settings}, data=source)
    code, out, err = said("prove", run.path, "--per-class", "20", "--rare", "later=0.2", "--seeds", "3", "--test", test)
    assert code == 0, err
    (proof,) = history(run.folder)
    (setting,) = proof.settings
    assert setting.title == "4 of 'later' among 44 real samples, 16 synthetic added"
    assert [(a.name, a.samples) for a in setting.arms] == list(zip((*ARMS, NOISE), (44, 60, 60, 60, 60, 44, 60), strict=True))
    assert NOISE in out
    assert not any(a.failed for a in setting.arms)
    assert proof.conditions["test"] == 120
    assert setting.sentence in re.sub(r"\s+", " ", out)
