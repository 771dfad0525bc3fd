"""Rows on demand: every condition holds in every row, the same seed gives the same rows, and what is there of a table stays there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import customers
import gansmith
import tiny
from gansmith import artefact, latent
from gansmith.artefact import BLOCK, Generator
from gansmith.domains.table.codec import TableCodec
from gansmith.domains.table.schema import Column
from gansmith.engine import probe
from gansmith.errors import ConfigError, DataError, StorageError
from gansmith.verbs import rows
from gansmith.verbs.run import Run

Say = Callable[..., tuple[int, str, str]]
COUNT = 100
CONDITIONS: dict[str, tuple[list[str], Callable[[pd.DataFrame], pd.Series]]] = {
    "a level": (["churn=yes"], lambda f: f["churn"] == "yes"),
    "not a level": (["plan!=pro"], lambda f: f["plan"] != "pro"),
    "one of two": (["plan=pro|basic"], lambda f: f["plan"].isin(["pro", "basic"])),
    "missing": (["plan="], lambda f: f["plan"].isna() & f["plan_no"].isna()),
    "not missing": (["age!="], lambda f: f["age"].notna()),
    "a whole number": (["age=42"], lambda f: f["age"] == 42),
    "more": (["age>40"], lambda f: f["age"] > 40),
    "both ends": (["age>=40", "age<=41"], lambda f: f["age"].between(40, 41)),
    "within bins": (["spend>17.25", "spend<18.5"], lambda f: (f["spend"] > 17.25) & (f["spend"] < 18.5)),
    "a spike": (["spend=0"], lambda f: f["spend"] == 0),
    "a date": (["since>=2020-06-01", "until<2020-07-01"], lambda f: (f["since"] >= "2020-06-01") & (f["until"] < "2020-07-01")),
    "a day": (["until=2020-05-05"], lambda f: f["until"] == "2020-05-05"),
    "a boolean": (["member=True"], lambda f: f["member"]),
    "by what depends on it": (["plan_no=2"], lambda f: f["plan"] == "plus"),
    "four columns": (
        ["churn=yes", "plan=pro", "age<30", "member=False"],
        lambda f: (f["churn"] == "yes") & (f["plan"] == "pro") & (f["age"] < 30) & ~f["member"],
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return customers.trained(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return tiny.train(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Say) -> Say:
    """gansmith WORDS in an empty working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return said


def assert_told(told: tuple[int, str, str], words: str) -> None:
    """One sentence, exit code 2, and nothing was written."""
    code, out, err = told
    assert (code, out) == (2, ""), err
    assert re.search(words, err), err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


# --- conditions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CONDITIONS)
def test_every_row_meets_every_condition(kind: str, run: Run) -> None:
    where, holds = CONDITIONS[kind]
    made = run.sample(COUNT, where=where, seed=3).frame()
    assert len(made) == COUNT
    assert holds(made).fillna(False).all()
    customers.assert_whole(made)


@pytest.mark.parametrize("start", [0, 7, BLOCK])
def test_rows_are_drawn_a_part_at_a_time_and_are_the_same(start: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    choose, sizes = Generator._choose, []
    asked: dict[str, Any] = {"seed": 3, "label": ["yes", "no", "no"], "where": "age>30"}
    whole = run.generator.sample(200, **asked)
    monkeypatch.setattr(artefact, "CHUNK", BLOCK)
    monkeypatch.setattr(Generator, "_choose", lambda self, z, *more: sizes.append(len(z)) or choose(self, z, *more))  # type: ignore[func-returns-value]
    parts = run.generator.sample(200 - start, start=start, **asked)
    assert np.array_equal(parts.raw, whole.raw[start:], equal_nan=True)
    assert np.array_equal(parts.labels, whole.labels[start:])  # type: ignore[arg-type, index]
    assert (max(sizes), sum(sizes)) == (BLOCK, 200 - start)


def test_a_single_condition_need_not_be_a_list(run: Run) -> None:
    assert np.array_equal(run.sample(20, where="age>40").raw, run.sample(20, where=["age>40"]).raw, equal_nan=True)


def test_a_class_is_a_condition_and_several_come_in_turn(run: Run) -> None:
    one = run.sample(COUNT, label="yes")
    assert set(one.frame()["churn"]) == {"yes"}
    assert np.array_equal(one.raw, run.sample(COUNT, where="churn=yes").raw, equal_nan=True)
    turn = run.sample(5, label=["yes", "yes", "no"], where="plan=pro")
    assert turn.frame()["churn"].tolist() == ["yes", "yes", "no", "yes", "yes"]
    assert turn.labels is not None
    assert [turn.classes[k] for k in turn.labels] == turn.frame()["churn"].tolist()
    assert set(turn.frame()["plan"]) == {"pro"}


@pytest.mark.parametrize("column", ["churn", "plan", "plan_no", "member", "age"])
def test_each_value_of_a_balanced_column_is_drawn_alike_often(column: str, run: Run) -> None:
    count = run.sample(COUNT, balance=column).frame()[column].value_counts(dropna=False)
    assert count.max() - count.min() <= 1
    known = customers.frame()[column].value_counts(dropna=False)
    assert len(count) == (known >= 5).sum()


def test_of_a_balanced_column_the_values_are_drawn_that_the_conditions_leave(run: Run) -> None:
    made = run.sample(90, balance="plan", where=["plan!=", "plan_no>1"]).frame()
    assert made["plan"].value_counts().to_dict() == {"plus": 45, "pro": 45, "basic": 0}


def test_conditions_are_drawn_among_and_not_written_over(run: Run) -> None:
    """What is asked for changes what depends on it, and nothing else is the same in every row."""
    made = run.sample(COUNT, where="plan=pro").frame()
    assert made["age"].nunique() > 15
    assert made["churn"].nunique() == 2


# --- the same seed, the same rows ----------------------------------------------------------------------------------------

ASKED: list[dict[str, Any]] = [{}, {"where": ["age>40", "plan=pro|plus"]}, {"balance": "plan"}, {"label": ["yes", "no", "no"]}]


@pytest.fixture(scope="module")
def whole(run: Run) -> list[np.ndarray]:
    return [run.generator.sample(COUNT, seed=5, **asked).raw for asked in ASKED]


@settings(max_examples=12)
@given(kind=st.integers(0, len(ASKED) - 1), start=st.integers(0, COUNT - 20), count=st.integers(1, 20))
def test_a_row_is_the_same_whatever_is_drawn_beside_it(kind: int, start: int, count: int, run: Run, whole: list[np.ndarray]) -> None:
    made = run.generator.sample(count, seed=5, start=start, **ASKED[kind]).raw
    assert np.array_equal(made, whole[kind][start : start + count], equal_nan=True)


def test_another_seed_is_another(run: Run) -> None:
    a, b = (run.sample(20, seed=seed).raw for seed in (1, 2))
    assert not np.array_equal(a, b, equal_nan=True)


# --- files ---------------------------------------------------------------------------------------------------------------


def test_a_frame_has_the_types_of_the_table(run: Run) -> None:
    made = run.sample(30).frame()
    assert list(made.columns) == list(customers.frame().columns)
    types = {name: str(kind) for name, kind in made.dtypes.items()}
    known = ("plan", "plan_no", "age", "spend", "since", "until", "member", "churn")
    assert [types[name].partition("[")[0] for name in known] == [
        "category", "Int64", "Int64", "float64", "datetime64", "datetime64", "boolean", "category",
    ]  # fmt: skip


def test_a_file_of_several_chunks_is_one_table(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    gansmith.sample(run.path, 150, out=tmp_path / "whole.csv", where="age>30")
    monkeypatch.setattr(rows, "CHUNK", BLOCK)
    gansmith.sample(run.path, 150, out=tmp_path / "parts.CSV", where=["age>30"], progress=lambda *at: seen.append(at))
    assert (tmp_path / "parts.CSV").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert seen == [(BLOCK, 150), (2 * BLOCK, 150), (150, 150)]
    made = pd.read_csv(tmp_path / "whole.csv")
    assert made["id"].tolist() == list(range(1001 + customers.ROWS, 1151 + customers.ROWS))
    np.testing.assert_array_equal(made["age"], run.sample(150, where="age>30").frame()["age"])


def test_parquet_holds_the_frame(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(rows, "CHUNK", BLOCK)
    gansmith.sample(run.path, 150, out=tmp_path / "a.parquet", seed=2)
    found, wanted = pd.read_parquet(tmp_path / "a.parquet"), run.sample(150, seed=2).frame()
    assert found["id"].tolist() == wanted["id"].tolist()
    pd.testing.assert_frame_equal(found[LEARNED], wanted[LEARNED], check_dtype=True)


LEARNED = ["plan", "plan_no", "age", "spend", "since", "until", "member", "churn"]


def test_a_folder_says_what_was_asked_for(run: Run, tmp_path: Path) -> None:
    place = gansmith.sample(run.path, 40, out=tmp_path / "a", where="plan=pro", balance="churn", seed=4, grid=True)
    assert sorted(p.name for p in place.iterdir()) == ["grid.png", "manifest.json", "rows.csv"]
    manifest = json.loads((place / "manifest.json").read_text())
    assert {k: manifest[k] for k in ("count", "seed", "where", "balance")} == {
        "count": 40, "seed": 4, "where": ["plan=pro"], "balance": "churn",
    }  # fmt: skip
    assert manifest["samples"] == [{"file": "rows.csv"}]
    made = pd.read_csv(place / "rows.csv")
    assert made["churn"].value_counts().tolist() == [20, 20]
    with Image.open(place / "grid.png") as picture:
        assert min(picture.size) > 100


def test_a_picture_stands_beside_a_file(run: Run, tmp_path: Path) -> None:
    gansmith.sample(run.path, 20, out=tmp_path / "new" / "a.csv", grid=True)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["a.csv", "a.png"]


@pytest.mark.parametrize("out", ["a", "a.csv", "a.parquet"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bug")])
def test_a_failure_half_way_leaves_nothing(
    out: str, error: BaseException, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if out == "a.parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(rows, "CHUNK", BLOCK)
    real, starts = Generator.sample, []

    def failing(self: Generator, *words: Any, start: int = 0, **more: Any) -> Any:
        starts.append(start)
        if start == BLOCK:
            raise error
        return real(self, *words, start=start, **more)

    monkeypatch.setattr(Generator, "sample", failing)
    with pytest.raises(StorageError if isinstance(error, OSError) else type(error)):
        gansmith.sample(run.path, 3 * BLOCK, out=tmp_path / out)
    assert BLOCK in starts
    assert not list(tmp_path.iterdir())


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--where", "agee>3"], "there is no column 'agee'; did you mean 'age'"),
        (["--where", "plan=prro"], "'plan' has no level 'prro'; did you mean 'pro'"),
        (["--where", "age"], "'age' is not a condition"),
        (["--where", "age>99"], "generated values go from 18 to 59"),
        (["--where", "age>50", "--where", "age<30"], "no row can have age>50 and age<30"),
        (["--where", "plan=pro", "--where", "plan_no=1"], "no row can have plan=pro and plan_no=1"),
        (["--where", "since>2020-09-01", "--where", "until<2020-08-01"], "because the comparisons declared"),
        (["--where", "wishes=hello"], "not learned"),
        (["--where", "plan=pro", "--label", "yes", "--balance", "churn"], "a label and a balanced column"),
        (["--balance", "chrun"], "there is no column 'chrun'; did you mean 'churn'"),
        (["--balance", "spend"], "spend has too many values"),
        (["--balance", "wishes"], "not learned"),
        (["--label", "maybe"], "there is no class 'maybe'"),
        (["--label", ""], "there is no class ''"),
        (["-o", "a.npz"], "no .npz"),
        (["-o", "a.xlsx"], "rows cannot be written as .xlsx"),
        (["-o", "a.csv.gz"], "rows cannot be written as .gz"),
        (["--interpolate", "3"], "support no walks"),
        (["--latents", "z.npz"], "no given latents"),
        (["-n", "0"], "request at least 1"),
    ],
)
def test_what_cannot_be_drawn_gets_one_sentence(words: list[str], told: str, run: Run, say: Say) -> None:
    assert_told(say("sample", run.path, "-o", "a.csv", *words), told)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("words", [("invert", "made.png"), ("invert", "rows.csv"), ("directions",), ("directions", "--label", "yes")])
def test_the_latent_of_rows_is_not_walked_or_sought(words: tuple[str, ...], run: Run, say: Say) -> None:
    verb, *rest = words
    assert_told(say(verb, run.path, *rest), "this generator makes rows of a table, one choice after another, so")
    assert not list(Path.cwd().iterdir())


def test_latents_alone_are_no_rows_with_or_without_classes(run: Run) -> None:
    made = gansmith.load(run.path)
    assert made.classes
    for card in (made.card, replace(made.card, classes=(), shares=())):
        source = Generator(made.network, card, made.codec, made.domain)
        for ask in (
            lambda of: of.decode(latent.draw(0, "sample", 0, 3, made.card.network.latent or 1)),
            lambda of: of.directions(2),
            lambda of: gansmith.invert(of, made.sample(2).raw),
        ):
            with pytest.raises(ConfigError, match=r"makes rows of a table, one choice after another, so .*Draw rows with sample"):
                ask(source)


def test_a_file_that_is_there_is_not_written_over(run: Run, say: Say) -> None:
    Path("a.csv").write_text("mine")
    assert_told(say("sample", run.path, "-o", "a.csv"), "already exists")
    assert_told(say("impute", run.path, "a.csv", "-o", "a.csv"), "already exists")
    assert Path("a.csv").read_text() == "mine"


def test_an_empty_list_of_labels_is_refused(run: Run) -> None:
    with pytest.raises(ConfigError, match="an empty list of labels"):
        run.sample(3, label=[])


def test_pictures_have_no_columns(pictures: Run, say: Say, tmp_path: Path) -> None:
    for words in (["--where", "a=1"], ["--balance", "a"]):
        assert_told(say("sample", pictures.path, *words), "does not make rows of a table")
    customers.written(tmp_path)
    assert_told(say("impute", pictures.path, tmp_path / "customers.csv"), "does not make rows of a table")
    assert not list(Path.cwd().iterdir())
    with pytest.raises(ConfigError, match="does not make rows of a table"):
        pictures.sample(2, where=["a=1"])
    with pytest.raises(ConfigError, match="there is no frame"):
        pictures.sample(2).frame()
    with pytest.raises(ConfigError, match="does not make rows of a table"):
        pictures.generator.fill(np.zeros((1, 2)))


# --- filling in ----------------------------------------------------------------------------------------------------------


def holes() -> pd.DataFrame:
    """Rows of the table, its columns in another order, with cells taken out, words that are new, and a column that it does not have."""
    source = np.random.default_rng(1)
    found = customers.frame(90)
    found[["since", "until"]] = found[["since", "until"]].astype(str)
    found = found.astype(object)
    for name in LEARNED:
        found.loc[source.random(len(found)) < 0.3, name] = None
    found.loc[3:6, "plan"] = ["martian", "?", "NA", None]
    found.loc[7, "currency"], found.loc[8, "currency"] = "USD", None
    found.loc[9, "wishes"] = None
    found.loc[10:12, "age"], found.loc[10, "since"] = ["about 40", 33.5, None], "3 May 2020"
    found["colour"] = [None if i % 2 else f"red, {i}" for i in range(len(found))]
    return found[found.columns[::-1]]


def read(path: Path, mark: str = ",") -> pd.DataFrame:
    return pd.read_csv(path, sep=mark, dtype=str, keep_default_na=False)


def test_what_may_be_an_answer_is_no_gap_of_a_category() -> None:
    words = ["a", "none", "-", "NA", "?", ""]
    assert rows._there(words, Column("x", "category", ("a", "b"), blank="NA")).tolist() == [True] * 3 + [False] * 3
    assert rows._there(words, Column("x", "category", ("a", "b"), blank="-")).tolist() == [True, True] + [False] * 4
    assert rows._there(["1", "none", "-"], Column("x", "number")).tolist() == [True, False, False]


def test_what_is_there_stays_and_what_is_missing_is_drawn(run: Run, tmp_path: Path, say: Say) -> None:
    holes().to_csv(tmp_path / "holes.csv", index=False)
    code, out, err = say("impute", run.path, tmp_path / "holes.csv", "-o", "filled.csv", "--seed", 2)
    assert (code, out) == (0, "filled   filled.csv\n"), err
    before, after = read(tmp_path / "holes.csv"), read(Path("filled.csv"))
    assert list(after.columns) == list(before.columns)
    there = ~before.isin(["", "?", "NA"])
    pd.testing.assert_frame_equal(after[there], before[there])
    assert (after[[*LEARNED, "currency"]] != "").all(axis=None)
    assert after["plan"].isin([*customers.PLANS, "martian"]).all()
    assert after.loc[[7, 8], "currency"].tolist() == ["USD", "EUR"]
    assert after.loc[9, "wishes"] == ""
    assert (after["colour"] == before["colour"]).all()
    known = after["plan"] != "martian"
    assert (after.loc[known, "plan"].map(customers.PLANS) == after.loc[known, "plan_no"].astype(int)).all()
    dated = after["since"] != "3 May 2020"
    assert (after.loc[dated, "since"] < after.loc[dated, "until"]).all()


def test_a_filled_file_is_written_as_the_one_that_was_read(run: Run, tmp_path: Path) -> None:
    found = holes()
    found["colour"] = found["colour"].str.replace(", ", ",")
    text = found.rename(columns={"colour": " "}).to_csv(index=False, sep=";")
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "holes.csv").write_text(text, encoding=encoding)
        gansmith.impute(run.path, tmp_path / "holes.csv", out=tmp_path / f"{encoding}.csv")
        assert (tmp_path / f"{encoding}.csv").read_bytes().startswith(b"\xef\xbb\xbf") == (encoding == "utf-8-sig")
    lines = (tmp_path / "utf-8.csv").read_text().splitlines()
    assert lines[0] == text.splitlines()[0].replace(" ;", ";", 1).replace('" "', '""', 1)
    assert lines[1].startswith("red,0;")
    assert (tmp_path / "utf-8-sig.csv").read_text(encoding="utf-8-sig").splitlines() == lines


def test_rows_have_the_delimiter_of_the_table(run: Run, tmp_path: Path) -> None:
    source = run.generator
    codec = TableCodec(replace(source.codec.schema, delimiter=";"), source.codec.parts)  # type: ignore[attr-defined]
    made = Generator(source.network, source.card, codec, source.domain)
    about: dict[str, Any] = {"label": None, "where": (), "balance": None, "seed": 0, "truncation": 1.0, "grid": False, "about": {}}
    rows.draw(made, 5, tmp_path / "a.csv", progress=lambda done, all: None, **about)
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == ";".join(customers.frame(1).columns)


def test_a_row_is_filled_alike_in_any_chunk_and_from_any_table(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holes().to_csv(tmp_path / "holes.csv", index=False, sep=";")
    holes().head(20).to_csv(tmp_path / "first.csv", index=False)
    gansmith.impute(run.path, tmp_path / "holes.csv", out=tmp_path / "a.csv")
    monkeypatch.setattr(rows, "CHUNK", 50)
    gansmith.impute(str(run.path), holes(), out=tmp_path / "b.csv")
    gansmith.impute(run.path, tmp_path / "first.csv", out=tmp_path / "c.csv")
    a, b, c = (read(tmp_path / name, mark) for name, mark in (("a.csv", ";"), ("b.csv", ","), ("c.csv", ",")))
    pd.testing.assert_frame_equal(a, b)
    pd.testing.assert_frame_equal(a.head(20), c)
    gansmith.impute(run.path, holes(), out=tmp_path / "d.csv", seed=1)
    assert not a["spend"].equals(read(tmp_path / "d.csv")["spend"])


def test_a_filled_table_is_typed_where_it_can_be(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(rows, "CHUNK", 50)
    table = holes()
    gansmith.impute(run.path, table, out=tmp_path / "a.parquet")
    gansmith.impute(run.path, table, out=tmp_path / "a.csv")
    typed, text = pd.read_parquet(tmp_path / "a.parquet"), pd.read_csv(tmp_path / "a.csv")
    assert list(typed.columns) == list(table.columns)
    assert str(typed["plan_no"].dtype) == "Int64"
    assert str(typed["spend"].dtype) == "float64"
    assert str(typed["until"].dtype).startswith("datetime64")
    assert set(typed["age"]) > {"about 40", "33.5"}
    assert str(typed["member"].dtype) == "boolean"
    assert str(typed["churn"].dtype) == "category"
    assert "martian" in set(typed["plan"])
    for name in ("plan", "plan_no", "age", "since", "spend", "member", "churn", "currency"):
        assert typed[name].tolist() == text[name].tolist()


def test_a_table_with_nothing_missing_comes_back_as_it_was(run: Run, tmp_path: Path) -> None:
    whole = customers.frame(40).dropna()
    whole.to_csv(tmp_path / "whole.csv", index=False)
    gansmith.impute(run.path, tmp_path / "whole.csv", out=tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "whole.csv").read_text()


@pytest.mark.parametrize(
    ("text", "out", "told"),
    [
        ("a,b\n1,2\n", "f.csv", "has no column 'id', but the schema does"),
        (customers.frame(2).drop(columns="age").rename(columns={"plan": "Plan"}).to_csv(index=False), "f.csv", "did you mean 'Plan'"),
        (customers.frame(0).to_csv(index=False), "f.csv", "no rows"),
        ("", "f.csv", "is empty"),
        (customers.frame(3).to_csv(index=False) + "1,2\n", "f.csv", "line 5 of .* has 2 cells"),
        (customers.frame(3).to_csv(index=False), "f.json", "f.json is not the path of a table"),
        (customers.frame(3).to_csv(index=False), "f", "f is not the path of a table"),
    ],
)
def test_what_cannot_be_filled_in_gets_one_sentence(text: str, out: str, told: str, run: Run, tmp_path: Path, say: Say) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert_told(say("impute", run.path, tmp_path / "t.csv", "-o", out), told)
    assert_told(say("impute", run.path, tmp_path / "nowhere.csv"), "there is no file .*nowhere.csv")
    assert not list(Path.cwd().iterdir())


def test_a_frame_without_rows_and_what_is_no_table_are_told(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the frame has no rows"):
        gansmith.impute(run.path, customers.frame(0), out=tmp_path / "a.csv")
    with pytest.raises(DataError, match="is not a table"):
        gansmith.impute(run.path, 5, out=tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())


def test_a_failure_while_filling_in_leaves_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK", 30)
    real = TableCodec.cells

    def failing(self: TableCodec, raw: np.ndarray, start: int = 0) -> Any:
        if start:
            raise OSError(28, "No space left on device")
        return real(self, raw, start)

    monkeypatch.setattr(TableCodec, "cells", failing)
    with pytest.raises(StorageError, match=r"No room left on the disk while writing .*a\.csv"):
        gansmith.impute(run.path, holes(), out=tmp_path / "a.csv")
    assert not list(tmp_path.iterdir())
