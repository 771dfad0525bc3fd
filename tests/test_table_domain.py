"""Tables as a domain: what is recognised, what a collection holds, what is said of bad input."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gansmith import domains
from gansmith.config import DataSettings
from gansmith.data.store import Collection
from gansmith.domains.domain import Codec, Domain
from gansmith.domains.table import TABLE, collect, opening, rows_of
from gansmith.domains.table.schema import Schema
from gansmith.errors import ConfigError, DataError

ROWS = 600


def frame(rows: int = ROWS) -> pd.DataFrame:
    source = np.random.default_rng(0)
    kind = source.integers(0, 3, rows)
    return pd.DataFrame(
        {
            "id": [f"C-{i:05d}" for i in range(rows)],
            "kind": np.array(["a", "b", "c"])[kind],
            "size": source.normal(0, 1, rows).round(3),
            "count": source.poisson(3, rows),
            "churn": np.where(source.random(rows) < 0.2 + 0.2 * kind, "yes", "no"),
        }
    )


@pytest.fixture
def source(tmp_path: Path) -> str:
    frame().to_csv(tmp_path / "a.csv", index=False)
    return str(tmp_path / "a.csv")


def facts(found: Collection) -> dict[str, object]:
    return dict(found.facts)


def test_it_is_a_domain(source: str) -> None:
    domain: Domain = TABLE
    found = domain.open(source, DataSettings(target="churn"))
    codec: Codec = domain.fit(found)
    x = codec.encode(torch.from_numpy(np.array(found.raw)))
    again = domain.codec(json.loads(json.dumps(codec.state())))
    assert again.layout == codec.layout
    np.testing.assert_array_equal(again.decode(x), codec.decode(x))
    assert codec.layout.condition != found.condition  # what it is told is of the row, not of the classes


def test_a_collection_tells_what_verbs_ask_of_it(source: str) -> None:
    found = TABLE.open(source, DataSettings(target="churn"))
    assert found.raw.shape == (ROWS, 5)
    assert found.raw.dtype == np.float64
    assert not found.raw.flags.writeable
    assert found.classes == ("no", "yes")
    assert found.labels is not None
    assert np.bincount(found.labels).tolist() == list(found.facts["classes"].values())
    assert found.facts["count"] == ROWS
    assert found.facts["shape"] == [5]
    assert found.facts["imbalance"] == pytest.approx(np.bincount(found.labels).max() / np.bincount(found.labels).min())
    schema = Schema.from_dict(found.facts["schema"])
    assert [c.kind for c in schema.columns] == ["id", "category", "number", "number", "boolean"]
    assert schema.target == "churn"
    x = TABLE.fit(found).encode(torch.from_numpy(np.array(found.raw)))
    assert found.facts["total_variance"] == pytest.approx(float(x.double().var(0, unbiased=False).sum()), rel=0.02)
    assert len(found.digests) == ROWS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "a spreadsheet") for name in ("book.xlsx", "book.XLS", "book.ods")),
        *(("rows.json", "a JSON file"), ("rows.sav", "a file of SPSS"), ("rows.dta", "a file of Stata")),
    ],
)
def test_a_file_of_another_program_is_to_be_saved_as_csv(name: str, said: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:  # as a spreadsheet is, and there may be pictures in it
        archive.writestr("xl/media/image1.png", b"")
    source = str(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name} is {said}; .* as CSV in UTF-8\."):
        domains.of(source).open(source, DataSettings())


def test_a_table_of_which_nothing_varies_without_rare_values_is_refused(tmp_path: Path) -> None:
    few = pd.DataFrame({"a": ["x"] * 38 + ["y", "z"], "b": ["u", "v", *"w" * 38]})
    few.to_csv(tmp_path / "few.csv", index=False)
    found = TABLE.open(str(tmp_path / "few.csv"), DataSettings())
    with pytest.raises(DataError, match="no column has two values that occur in 5 rows each"):
        TABLE.fit(found)


def test_the_delimiter_is_kept_and_an_older_schema_has_commas(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "a.csv", index=False, sep=";", decimal=",")
    found = TABLE.open(str(tmp_path / "a.csv"), DataSettings())
    codec = TABLE.codec(TABLE.fit(found).state())
    (name,) = codec.write(np.array(found.raw), tmp_path, ["all"])
    lines = (tmp_path / name).read_text().splitlines()
    assert lines[0] == "id;kind;size;count;churn"
    assert lines[1].split(";")[1:] == (tmp_path / "a.csv").read_text().splitlines()[1].split(";")[1:]
    assert "delimiter" not in Schema(codec.schema.columns).to_dict()
    assert Schema.from_dict({"columns": []}).delimiter == ","
    (tmp_path / "schema.json").write_text(json.dumps(found.facts["schema"]))
    again = TABLE.open(str(tmp_path / "a.csv"), DataSettings(table_schema=str(tmp_path / "schema.json")))
    assert again.facts["schema"] == found.facts["schema"]


def test_the_cache_is_used_again_and_told_apart(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = TABLE.open(source, DataSettings(target="churn"))
    other = TABLE.open(source, DataSettings())
    assert other.classes == ()
    assert other.facts["fingerprint"] == first.facts["fingerprint"]
    monkeypatch.setattr(opening, "build", lambda *args: pytest.fail("it was read again"))
    assert facts(TABLE.open(source, DataSettings(target="churn"))) == facts(first)


def test_frames_are_tables_too(source: str) -> None:
    a, b = collect(frame(), DataSettings(target="churn")), TABLE.open(source, DataSettings(target="churn"))
    np.testing.assert_array_equal(a.raw, b.raw)
    assert a.facts["fingerprint"] == b.facts["fingerprint"]


def test_a_number_of_few_values_has_classes_and_one_of_many_has_none(source: str) -> None:
    few = TABLE.open(source, DataSettings(target="count"))
    assert few.classes == tuple(str(n) for n in sorted(set(frame()["count"])))
    assert few.labels is not None
    assert [int(few.classes[k]) for k in few.labels] == frame()["count"].tolist()
    assert TABLE.open(source, DataSettings(target="size")).labels is None
    assert TABLE.open(source, DataSettings(target="churn", labels="none")).labels is None


def test_a_number_that_has_classes_is_made_as_one_of_them(tmp_path: Path) -> None:
    values = np.concatenate([np.repeat(np.arange(10.0, 40.0), 20), np.repeat(np.arange(100.0, 900.0, 50.0), 2)])  # a tail of rare ones
    found = collect(pd.DataFrame({"y": values, "x": np.arange(len(values)) % 7}), DataSettings(target="y"))
    assert len(found.classes) == 46
    codec = TABLE.fit(found)
    labels = codec.labels(codec.decode(torch.rand(500, codec.layout.channels) * 2 - 1), found.classes)
    assert labels is not None
    assert set(labels) <= set(range(30))
    with pytest.raises(ConfigError, match="no row can have y=850: the generator has no such value"):
        codec.allowed([codec.labelled("850")])


def test_classes_lie_in_the_range_that_was_declared(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"constraints": [{"relation": "within", "columns": ["y"], "lowest": 3}]}))
    rows = pd.DataFrame({"y": np.arange(400) % 5 * 2, "x": np.arange(400) % 7})
    found = collect(rows, DataSettings(target="y", table_schema=str(tmp_path / "s.json")))
    assert found.classes == ("3", "4", "6", "8")
    codec = TABLE.fit(found)
    labels = codec.labels(codec.decode(torch.rand(50, codec.layout.channels)), found.classes)
    assert labels is not None
    assert set(labels) == {0, 1, 2, 3}


def test_a_number_of_which_every_value_is_rare_has_no_classes() -> None:
    rows = pd.DataFrame({"y": np.arange(200) % 45, "x": np.arange(200) % 7})
    found = collect(rows, DataSettings(target="y"))
    assert found.labels is None
    schema = Schema.from_dict(found.facts["schema"])
    assert len(opening.labels_of(found.raw[:60], schema)[1]) == 45  # a table to judge by may be small
    codec = TABLE.fit(found)
    assert len(np.unique(codec.decode(torch.rand(500, codec.layout.channels) * 2 - 1)[:, 0])) > 20


def test_rows_without_a_target_are_a_class_of_their_own(tmp_path: Path) -> None:
    rows = frame()
    rows.loc[::10, "kind"] = None
    found = collect(rows, DataSettings(target="kind"))
    assert found.classes[-1] == "(missing)"
    assert found.labels is not None
    assert (found.labels[::10] == 3).all()


def test_a_schema_that_is_given_goes_before_what_was_found(source: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(
        json.dumps(
            {"columns": [{"name": "count", "kind": "category"}], "constraints": [{"relation": "within", "columns": ["size"], "lowest": -1}]}
        )
    )
    found = TABLE.open(source, DataSettings(table_schema=str(tmp_path / "s.json")))
    schema = Schema.from_dict(found.facts["schema"])
    assert schema["count"].kind == "category"
    codec = TABLE.fit(found)
    assert codec.decode(torch.rand(100, codec.layout.channels) * 2 - 1)[:, 2].min() >= -1


def test_another_table_is_read_by_the_same_schema(source: str, tmp_path: Path) -> None:
    found = TABLE.open(source, DataSettings())
    rows = frame(50)[["churn", "count", "kind", "size", "id"]].iloc[::-1]
    rows.to_csv(tmp_path / "b.csv", index=False)
    again = rows_of(str(tmp_path / "b.csv"), Schema.from_dict(found.facts["schema"]))
    original = rows_of(frame(50).iloc[::-1], Schema.from_dict(found.facts["schema"]))
    np.testing.assert_array_equal(again, original)


def test_samples_are_written_with_the_columns_of_the_file(source: str, tmp_path: Path) -> None:
    found = TABLE.open(source, DataSettings())
    codec = TABLE.fit(found)
    made = codec.decode(codec.encode(torch.from_numpy(np.array(found.raw))))
    (file,) = codec.write(made, tmp_path / "out", [f"sample-{i}" for i in range(ROWS)])
    assert file == f"sample-0-sample-{ROWS - 1}.csv"
    written = pd.read_csv(tmp_path / "out" / file)
    assert list(written.columns) == list(frame().columns)
    assert written.dtypes.equals(pd.read_csv(source).dtypes)
    assert (written["kind"] == frame()["kind"]).all()
    assert written["id"].is_unique


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet", "a.feather"])
def test_tables_are_recognised_by_their_names(name: str, tmp_path: Path) -> None:
    assert TABLE.recognises(str(tmp_path / name))  # so that it is missed as a table
    (tmp_path / name).write_bytes(b"")
    assert TABLE.recognises(str(tmp_path / name))


def test_folders_pictures_and_nonsense_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "a.png").write_bytes(b"")
    for source in (str(tmp_path), str(tmp_path / "folder.csv"), str(tmp_path / "a.png"), "toy:ring", "\0", ""):
        assert not TABLE.recognises(source)


def test_a_parquet_file_of_pictures_is_no_table(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    picture = arrow.array([{"bytes": b"", "path": "a.png"}])
    parquet.write_table(arrow.table({"image": picture, "label": arrow.array([0])}), tmp_path / "a.parquet")
    parquet.write_table(arrow.table({"x": arrow.array([0.5]), "label": arrow.array([0])}), tmp_path / "b.parquet")
    assert not TABLE.recognises(str(tmp_path / "a.parquet"))
    assert TABLE.recognises(str(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("", {}, "is empty"),
        ("a,b\n", {}, "no rows"),
        ("a,b\n1,2\n", {}, "one row"),
        ("a,b\n1,x\n2,y\n", {"target": "c"}, "no column 'c'"),
        ("a,b\n1,x\n2,x\n", {"target": "b"}, "one value"),
        ("a,b\n1,x\n2,y\n", {"size": (8, 8)}, "data.size does not apply"),
        ("a,b\n1,x\n2,y\n", {"labels": "b.csv"}, "data.target"),
        ("a,b\n1,x\n2,y\n", {"table_schema": "nowhere.json"}, "nowhere.json cannot be read"),
        ("a,b\n,\n,\n", {}, "no column to learn"),
    ],
)
def test_bad_input_is_said_in_one_sentence(text: str, settings: dict[str, object], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=said) as error:
        TABLE.open(str(tmp_path / "a.csv"), DataSettings(**settings))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_a_schema_file_that_is_none(source: str, tmp_path: Path) -> None:
    for text in ("[1, 2]", "{"):
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(DataError, match="schema"):
            TABLE.open(source, DataSettings(table_schema=str(tmp_path / "s.json")))


def test_a_schema_file_may_begin_with_a_byte_order_mark(source: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"target": "size"}), encoding="utf-8-sig")
    found = TABLE.open(source, DataSettings(table_schema=str(tmp_path / "s.json")))
    assert found.facts["schema"]["target"] == "size"


def test_comparisons_that_no_row_can_keep_are_told_when_the_data_are_opened(source: str, tmp_path: Path) -> None:
    constraint = {"relation": "less", "columns": ["size", "big"]}
    rows = frame()
    rows["big"] = rows["size"] - 100
    (tmp_path / "s.json").write_text(json.dumps({"constraints": [constraint]}))
    with pytest.raises(ConfigError, match="no row can have all declared comparisons"):
        collect(rows, DataSettings(table_schema=str(tmp_path / "s.json")))


def test_progress_is_told(source: str, tmp_path: Path) -> None:
    frame(50).to_csv(tmp_path / "b.csv", index=False)
    seen: list[tuple[int, int]] = []
    TABLE.open(str(tmp_path / "b.csv"), DataSettings(), progress=lambda done, all: seen.append((done, all)))
    assert seen[-1] == (50, 50)


@pytest.mark.parametrize("name", ["adult", "beijing_pm25", "online_shoppers"])
def test_real_tables(name: str, shared: Path) -> None:
    about = json.loads((shared / "tables" / f"{name}.json").read_text())
    found = TABLE.open(str(shared / "tables" / f"{name}.csv.gz"), DataSettings(target=about["target"]))
    codec = TABLE.fit(found)
    some = np.array(found.raw[::37])
    x = codec.encode(torch.from_numpy(some))
    again = codec.encode(torch.from_numpy(codec.decode(x)))
    assert (x - again).abs().max() < 1e-4
    kept = ((codec.decode(x) == some) | np.isnan(some)).mean(0)
    assert np.mean(kept > 0.99) > 0.5
    assert (found.labels is None) == (name == "beijing_pm25")
