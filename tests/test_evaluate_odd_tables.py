"""Tables that one metric or another cannot be taken of are judged all the same, by the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import gansmith
from gansmith.data.store import Collection
from gansmith.downstream import judge
from gansmith.errors import DataError
from gansmith.metrics.boosted import predicted
from gansmith.records import Evaluation
from gansmith.verbs.sets import Part

WHO = ("train", "real", "made")


def few_categories(seed: int, count: int = 400) -> pd.DataFrame:
    """64 different rows at most, and an answer that depends on two of three columns."""
    source = np.random.default_rng(seed)
    a, b, c = source.integers(0, 4, (3, count))
    ill = source.random(count) < 1 / (1 + np.exp(-(a - 1.5) - 0.8 * (b - 1.5)))
    return pd.DataFrame(
        {"a": np.char.add("a", a.astype(str)), "b": np.char.add("b", b.astype(str)), "c": np.char.add("c", c.astype(str))}
    ).assign(ill=np.where(ill, "yes", "no"))


def judged(folder: Path, tables: list[pd.DataFrame], target: str | None = None) -> Evaluation:
    files = [folder / f"{name}.csv" for name in WHO]
    for file, table in zip(files, tables, strict=True):
        table.to_csv(file, index=False)
    settings = {} if target is None else {"data.target": target}
    return gansmith.evaluate(files[2], against=files[1], training=files[0], settings=settings)


def metrics(found: Evaluation) -> set[str]:
    return {score.metric for score in found.scores}


def test_rows_that_all_have_an_equal_have_no_ratio_of_distances(tmp_path: Path) -> None:
    found = judged(tmp_path, [few_categories(seed, 100)[["a", "b"]] for seed in range(3)])
    assert "distance ratio" not in metrics(found)
    assert {"precision", "coverage", "near-copies"} <= metrics(found)


def test_a_target_of_which_one_row_differs_is_not_predicted(tmp_path: Path) -> None:
    tables = [pd.DataFrame(np.random.default_rng(seed).normal(size=(120, 2)).round(3), columns=["x", "y"]) for seed in range(3)]
    for table in tables:
        table["claims"] = (np.arange(120) == 7) * 1.0
    tables[0].loc[:60, "claims"] = np.random.default_rng(9).integers(0, 60, 61)
    found = judged(tmp_path, tables, "claims")
    assert not {name for name in metrics(found) if name.startswith("TSTR")}
    assert "precision" in metrics(found)


@pytest.mark.parametrize("known", [1, 2, 3])
def test_a_number_that_is_hardly_known_is_not_predicted(known: int) -> None:
    source = np.random.default_rng(0)
    train, test = source.normal(size=(2, 60, 2))
    test[known:, 1] = np.nan
    with pytest.raises(DataError, match=r"one value|needs at least 4"):
        predicted(train, test, np.array([True, True]), 1, 0)


def test_models_of_rows_that_repeat_learn_what_is_so(tmp_path: Path) -> None:
    """Kept together, equal rows would be missing among the training rows with their answer, and trees would answer the opposite."""
    few_categories(0, 1500).to_csv(tmp_path / "ward.csv", index=False)
    run = gansmith.train(
        str(tmp_path / "ward.csv"), samples=2_000, runs=tmp_path,
        settings={"data.target": "ill", "machine.threads": 1, "machine.workers": 1, "machine.precision": "fp32", "run.report": False,
                  "penalty.form": "exact", "run.exams": 0, "run.looks": 0},
    )  # fmt: skip
    assert run.data["split"]["rule"] == "by content hash, each of equal rows for itself"
    assert 100 <= len(run.data["split"]["held_out"]) <= 200
    (setting,) = gansmith.prove(run, seeds=3).settings
    assert judge.mean(setting.arms[0]) > 0.65
    assert min(setting.arms[0].ranking) > 0.7


def test_labels_are_told_by_their_names() -> None:
    raw = torch.zeros(4, 2).numpy()
    part = Part(Collection(raw, np.arange(4, dtype=np.uint64), np.array([0, 1, 1, 0]), ("dog", "cat")), np.arange(4))
    found = part.labels_among(("bird", "cat", "dog"))
    assert found is not None
    assert found.tolist() == [2, 1, 1, 2]
    assert part.labels_among(("cat", "bird")) is None
    assert Part(part.collection, np.array([1, 2])).labels_among(("cat", "bird")).tolist() == [0, 0]  # type: ignore[union-attr]
