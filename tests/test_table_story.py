"""What is done with a table from end to end: look at it, train, stop and go on, draw, and open what was drawn beside the original."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import customers
import gansmith
from customers import SETTINGS, assert_whole
from gansmith.engine import probe
from gansmith.errors import RunError
from tiny import Crash, Watching, assert_same_end

Say = Callable[..., tuple[int, str, str]]
KINDS = {
    "id": "id", "plan": "category", "plan_no": "number", "age": "number", "spend": "number", "since": "date", "until": "date",
    "member": "boolean", "wishes": "text", "currency": "constant", "churn": "boolean",
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)


def words(settings: dict[str, Any]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def assert_alike(made: pd.DataFrame, original: pd.DataFrame) -> None:
    """The same columns in the same order, which pandas reads with the same types; free text, which is left empty, aside."""
    assert list(made.columns) == list(original.columns)
    kept = original.columns.drop("wishes")
    assert made[kept].dtypes.to_dict() == original[kept].dtypes.to_dict()


def test_a_schema_that_was_written_is_read_again_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Say) -> None:
    monkeypatch.chdir(tmp_path)
    customers.written(tmp_path)
    known = words({k: v for k, v in SETTINGS.items() if k != "data.target"})
    code, out, err = said(
        "describe", "customers.csv", "--target", "churn", "--schema", "schema.json", "--write-schema", "first.json", *known
    )
    assert code == 0, err
    assert "schema   first.json" in out
    written = json.loads(Path("first.json").read_text())
    assert {c["name"]: c["kind"] for c in written["columns"]} == KINDS
    assert written["target"] == "churn"
    assert written["constraints"]
    code, _, err = said("describe", "customers.csv", "--schema", "first.json", "--write-schema", "second.json", *known)
    assert code == 0, err
    assert json.loads(Path("second.json").read_text()) == written
    code, _, err = said("describe", "digits", "--write-schema", "third.json")
    assert code == 2
    assert "digits is not a table" in err
    assert not Path("third.json").exists()
    for taken in ("first.json", "customers.csv"):  # what was corrected by hand, and the data
        before = Path(taken).read_bytes()
        code, _, err = said("describe", "customers.csv", "--schema", "first.json", "--write-schema", taken, *known)
        assert code == 2
        assert f"{taken} already exists. Choose another path, or remove it first." in err
        assert Path(taken).read_bytes() == before
    code, _, err = said("describe", "customers.csv", "--schema", "first.json", "--write-schema", ".", *known)
    assert code == 2
    assert "is a folder. Give a file: schema.json" in err


def test_from_a_file_to_rows_that_stand_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Say) -> None:
    monkeypatch.chdir(tmp_path)
    customers.written(tmp_path)
    asked = ["customers.csv", "--target", "churn", "--schema", "schema.json"]
    settings = {k: v for k, v in SETTINGS.items() if k != "data.target"}

    code, out, err = said("describe", *asked, *words(settings))
    assert code == 0, err
    table = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.split()[:1] and line.split()[0] in KINDS}
    assert table == KINDS
    assert "columns that depend on one another stay together in every row: plan, plan_no." in out

    code, out, err = said("train", *asked, *words(settings), "--name", "whole")
    assert code == 0, err
    assert "customers.csv: 600 samples of 11, 2 classes" in out

    with pytest.raises(Crash):
        customers.trained(tmp_path, name="broken", audience=Watching(at=15))
    code, out, err = said("train", "--resume", "runs/broken-1")
    assert code == 0, err
    assert_same_end(Path("runs/broken-1"), Path("runs/whole-1"))

    code, out, err = said("sample", "runs/broken-1", "-n", 700, "-o", "made.csv", "--seed", 3)
    assert (code, out) == (0, "700 samples in made.csv\n"), err
    made, original = pd.read_csv("made.csv"), pd.read_csv("customers.csv")
    assert len(made) == 700
    assert_alike(made, original)
    assert_whole(made)
    assert made["id"].is_unique
    assert not set(made["id"]) & set(original["id"])
    assert made["wishes"].isna().all()
    assert made["age"].dropna().isin(original["age"]).all()
    assert made["spend"].between(0, original["spend"].max()).all()
    assert (made["spend"] == 0).mean() == pytest.approx((original["spend"] == 0).mean(), abs=0.08)
    for name in ("plan", "age"):
        assert made[name].isna().mean() == pytest.approx(original[name].isna().mean(), abs=0.06)
    shares = made["churn"].value_counts(normalize=True)
    assert shares["yes"] == pytest.approx((original["churn"] == "yes").mean(), abs=0.08)


def test_from_a_frame_in_python(tmp_path: Path) -> None:
    frame = customers.frame()
    run = gansmith.train(frame, runs=tmp_path, settings=SETTINGS)
    made = run.sample(150, where="plan=pro").frame()
    assert set(made["plan"]) == {"pro"}
    assert list(made.columns) == list(frame.columns)
    assert (made["plan_no"] == 3).all()
    types = ("plan_no", "age", "spend", "member")
    assert [str(made[name].dtype).lower() for name in types] == ["int64", "int64", "float64", "boolean"]
    assert str(made["since"].dtype).startswith("datetime64")
    with pytest.raises(Crash):
        gansmith.train(frame, runs=tmp_path, settings=SETTINGS, name="broken", audience=Watching(at=10))
    with pytest.raises(RunError, match="pass the same data again"):
        gansmith.train(resume=tmp_path / "broken-1")
    gansmith.train(frame, resume=tmp_path / "broken-1")
    assert_same_end(tmp_path / "broken-1", run.path)


def test_neither_the_table_nor_its_run_is_needed_to_draw(tmp_path: Path) -> None:
    run = customers.trained(tmp_path)
    wanted = run.sample(30, balance="churn").raw
    (run.path / "generator").rename(tmp_path / "elsewhere")
    (tmp_path / "customers.csv").unlink()
    made = gansmith.load(tmp_path / "elsewhere").sample(30, balance="churn")
    assert np.array_equal(made.raw, wanted, equal_nan=True)
    told = (tmp_path / "elsewhere" / "codec.json").read_text()
    assert "wishes of customer" not in told
    assert json.loads(told)["domain"] == "table"


# --- tables that are not as they should be -------------------------------------------------------------------------------

BAD: dict[str, tuple[str, list[str], str]] = {
    "an empty file": ("", [], "is empty"),
    "a header alone": ("a,b\n", [], "column names but no rows"),
    "one row": ("a,b\n1,2\n", [], "has one row"),
    "all missing": ("a,b\n" + "NA,\n" * 50, [], "has no column to learn"),
    "free text alone": (
        "a\n" + "".join(f"row {i} of {'x' * (i % 7)} {i * i}\n" for i in range(60)),
        [],
        "has no column to learn: a .text.",
    ),
    "no such target": ("a,b\n1,2\n2,1\n", ["--target", "c"], "there is no column 'c'"),
    "a constant target": ("a,b\n1,2\n2,2\n", ["--target", "b"], "has one value in every row"),
    "an id as target": ("id,b\n" + "".join(f"{i},{i % 3}\n" for i in range(60)), ["--target", "id"], "is an id, different in every row"),
    "a ragged row": ("a,b\n1,2\n3\n4,5\n", [], "line 3 of .* has 1 cell,"),
    "a strange delimiter": ("a:b:c\n" + "1:2:3\n" * 20, [], "was read as one column"),
    "no text": ("a,b\n\0\0,2\n", [], "it contains zero bytes"),
    "no such schema": ("a,b\n1,2\n2,1\n", ["--schema", "no.json"], "the schema no.json cannot be read"),
    "a size": ("a,b\n1,2\n2,1\n", ["--size", "64"], "data.size does not apply to a table"),
}


@pytest.mark.parametrize("verb", ["train", "describe"])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_table_gets_one_sentence_and_leaves_nothing(
    kind: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Say
) -> None:
    text, options, told = BAD[kind]
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, out, err = said(verb, tmp_path / "t.csv", *options)
    assert (code, out) == (2, ""), err
    assert re.search(told, err), err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path.cwd().iterdir())


def rows(write: Callable[[int], str], count: int = 300, header: str = "a,b") -> str:
    return "\n".join([header, *map(write, range(count))]) + "\n"


ODD: dict[str, tuple[bytes, str | None, list[str]]] = {
    "one column": (rows(lambda i: str(i % 9), header="a").encode(), None, ["number"]),
    "two rows": (b"a,b\n1,x\n2,y\n", "T118", ["number", "category"]),
    "a column without any value": (rows(lambda i: f"{i % 9},").encode(), "T111", ["number", "constant"]),
    "columns of one name, and of none": (rows(lambda i: f"{i % 9},{i % 4},x{i % 3}", header="a,a,").encode(), "T102", []),
    "another encoding": (rows(lambda i: f"{'Köln' if i % 2 else 'Málaga'},{i % 5}").encode("latin-1"), "T101", ["category", "number"]),
    "semicolons and decimal commas": (rows(lambda i: f"{i % 9};{i % 7},5", header="a;b").encode(), None, ["number", "number"]),
    "separators of thousands": (rows(lambda i: f'"{(i * 7919) % 9999 * 311:,}",{i % 3}').encode(), None, ["number", "number"]),
    "infinities": (rows(lambda i: f"{'inf' if i % 50 == 0 else i % 90 / 4},{i % 3}").encode(), "T104", ["number", "number"]),
    "several zones": (
        rows(lambda i: f"2024-01-{1 + i % 28:02d}T10:{i % 60:02d}:00{('+01:00', '+02:00', 'Z')[i % 3]},{i % 3}").encode(), "T107",
        ["date", "number"],
    ),
    "no line of names": (rows(lambda i: f"{i % 9},{i % 3}", header="3,7").encode(), "T103", ["number", "number"]),
    "very many levels": (rows(lambda i: f"w{i * 7919 % 15_013}x,{i % 5}", 100_000).encode(), "T112", ["category", "number"]),
    "levels that are all rare": (rows(lambda i: f"w{i * 7919 % 40_009}x,{i % 5}", 100_000).encode(), "T110", ["text", "number"]),
    "words that all differ": (rows(lambda i: f"w{i * i}{'x' * (i % 3)},{i % 5}", 100_000).encode(), "T110", ["text", "number"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_table_is_described_and_what_is_odd_is_said(kind: str, tmp_path: Path) -> None:
    text, finding, kinds = ODD[kind]
    (tmp_path / "t.csv").write_bytes(text)
    found = gansmith.describe(tmp_path / "t.csv", forecast=False)
    assert finding is None or finding in {f.code for f in found.findings}
    columns = [told["kind"] for told in found.facts["columns"].values()]
    assert columns == (kinds or columns)
    assert found.count == text.count(b"\n") - 1


def test_adult(tmp_path: Path, shared: Path) -> None:
    path = shared / "tables" / "adult.csv.gz"
    if not path.is_file():
        pytest.skip(f"no table at {path}")
    original = pd.read_csv(path)
    run = gansmith.train(path, runs=tmp_path, settings={**SETTINGS, "data.target": "income", "run.looks": 1, "run.previews": 1})
    pairs = set(zip(original["education"], original["education-num"], strict=True))
    asked = {
        ("sex=Female",): lambda f: f["sex"] == "Female",
        ("income=>50K",): lambda f: f["income"] == ">50K",
        ("sex=Female", "age>60"): lambda f: (f["sex"] == "Female") & (f["age"] > 60),
        ("education=Doctorate",): lambda f: (f["education"] == "Doctorate") & (f["education-num"] == 16),
    }
    for number, (where, holds) in enumerate(asked.items()):
        made = pd.read_csv(gansmith.sample(run.path, 200, out=tmp_path / f"{number}.csv", where=where))
        assert holds(made).all(), where
        assert set(zip(made["education"], made["education-num"], strict=True)) <= pairs
        assert made.dtypes.to_dict() == original.dtypes.to_dict()
    free = run.sample(500).frame()
    assert set(zip(free["education"], free["education-num"], strict=True)) <= pairs
    even = run.sample(200, balance="income").frame()["income"].value_counts()
    assert even.tolist() == [100, 100]
