"""What a column is, is recognised; cells become numbers and the same cells again."""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.data.store import digest_rows
from gansmith.domains.table import facts, inference, inference_tally
from gansmith.domains.table.inference import OTHER, convert, infer, overridden, with_target, written
from gansmith.domains.table.reading import Table, read
from gansmith.domains.table.reading_dates import FORMS, read_dates, write_dates
from gansmith.domains.table.reading_dates import is_form as is_date_form
from gansmith.domains.table.reading_numbers import fineness, form_of, read_numbers, write_ids, write_numbers
from gansmith.domains.table.schema import Column, Schema
from gansmith.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


def table(**columns: Any) -> Table:
    return read(pd.DataFrame(columns, dtype=object))


def column(words: list[str], beside: str = "x") -> Column:
    """What one column is taken as, beside one that is learned in any case."""
    return seen(words, beside)[0]


def seen(words: list[str], name: str = "x", **override: Any) -> tuple[Column, dict[str, str]]:
    asked = {"columns": [{"name": name, **override}]} if override else None
    schema, findings = infer(table(**{name: words, "other": ["a", "b"] * (len(words) // 2) + ["a"] * (len(words) % 2)}), asked)
    return schema[name], {f.code: f.message for f in findings}


def many(of: list[str], count: int = 60) -> list[str]:
    return [of[i % len(of)] for i in range(count)]


# --- kinds ---------------------------------------------------------------------------------------------------------------

KINDS: list[tuple[list[str], dict[str, Any]]] = [
    (["1", "2", "10"], {"kind": "number", "step": 1.0, "lowest": 1.0, "highest": 10.0, "form": ""}),
    (["0.5", "2", "-1.5"], {"kind": "number", "step": 0.5, "form": ""}),
    (["0.05", "2.10", "1.00"], {"kind": "number", "step": 0.05, "form": "1234.50"}),
    (["1.0", "2.0", ""], {"kind": "number", "step": 1.0, "form": "1234.0", "missing": 1 / 3, "blank": ""}),
    (["0.1234567", "2", "3"], {"kind": "number", "step": None}),
    (["1e-9", "2.5e-3", "1"], {"kind": "number", "step": None}),
    (["1e+05", "120000", "7"], {"kind": "number", "step": 1.0}),
    (["1,234.50", "12.25", "1,000,000.00"], {"kind": "number", "form": "1,234.50", "step": 0.05, "highest": 1e6}),
    (["1,234", "12", "5"], {"kind": "number", "form": "1,234.5", "highest": 1234.0}),
    (["1,5", "2,25", "3"], {"kind": "number", "form": "1234,5", "highest": 3.0}),
    (["0,844", "1,205", "12,5"], {"kind": "number", "form": "1234,5", "highest": 12.5}),
    (["0,844", "1,205", "2,125"], {"kind": "number", "form": "1234,5", "lowest": 0.844}),
    (["1.234,5", "2,25", "3"], {"kind": "number", "form": "1.234,5", "highest": 1234.5}),
    (["1", "2", "NA", "3", "NA"], {"kind": "number", "missing": 0.4, "blank": "NA"}),
    (["1", "2", "-", "3", " "], {"kind": "number", "missing": 0.4}),
    (["0", "1"], {"kind": "boolean", "levels": ("0", "1")}),
    (["1", "0", "1"], {"kind": "boolean", "levels": ("1", "0")}),
    (["TRUE", "FALSE", "?"], {"kind": "boolean", "levels": ("FALSE", "TRUE"), "blank": "?"}),
    (["yes", "no", "yes"], {"kind": "boolean", "levels": ("yes", "no")}),
    (["t", "f"], {"kind": "boolean", "levels": ("f", "t")}),
    (["1", "2"], {"kind": "number", "step": 1.0}),
    (["Private", "?", "State", "Private"], {"kind": "category", "levels": ("Private", "State"), "blank": "?", "missing": 0.25}),
    (["low", "NA", "", "high"], {"kind": "category", "levels": ("NA", "high", "low"), "blank": ""}),
    (["+", "-"], {"kind": "category", "levels": ("+", "-"), "missing": 0.0}),
    (["none", "nuts", "?", "none"], {"kind": "category", "levels": ("none", "nuts"), "blank": "?"}),
    (["none", "nuts"], {"kind": "category", "levels": ("none", "nuts"), "missing": 0.0}),
    (["yes", "-", "no"], {"kind": "category", "levels": ("-", "no", "yes"), "missing": 0.0}),
    (["1", "2", "none"], {"kind": "number", "blank": "none"}),
    (["yes", ""], {"kind": "category", "levels": ("yes",), "missing": 0.5}),
    (["007", "012", "101"], {"kind": "category", "levels": ("007", "012", "101")}),
    (["12345678901234567", "12345678901234568"], {"kind": "category"}),
    (["2", "3", "5more"], {"kind": "category"}),
    (["5"], {"kind": "constant", "levels": ("5",), "missing": 0.0}),
    (["", ""], {"kind": "constant", "missing": 1.0}),
    (["NA"], {"kind": "constant", "levels": ("NA",), "missing": 1.0}),
    (["5", ""], {"kind": "number", "lowest": 5.0, "highest": 5.0, "missing": 0.5}),
    (["2020-01-31", "2020-02-01"], {"kind": "date", "form": "%Y-%m-%d", "step": 86400.0, "lowest": 1580428800.0}),
    (["31.1.2020", "1.2.2020"], {"kind": "date", "form": "%-d.%-m.%Y"}),
    (["12/31/2020", "01/02/2021"], {"kind": "date", "form": "%m/%d/%Y"}),
    (["31/12/2020", "01/02/2021"], {"kind": "date", "form": "%d/%m/%Y"}),
    (["2020-01-31 10:00", "2020-02-01 11:30", "?"], {"kind": "date", "form": "%Y-%m-%d %H:%M", "step": 60.0, "blank": "?"}),
    (["2020-01-31T10:00:00.250Z", "2020-02-01T11:30:01.000Z"], {"kind": "date", "form": "%Y-%m-%dT%H:%M:%S.%3fZ", "step": 0.001}),
    (
        ["2020-01-31T10:00:00+02:00", "2020-01-31T12:00:00+02:00"],
        {"kind": "date", "lowest": 1580457600.0, "form": "%Y-%m-%dT%H:%M:%S+02:00"},
    ),
    (["2020-01-31T10:00:00+02:00", "2020-01-31T12:00:00-0100"], {"kind": "date", "lowest": 1580457600.0, "form": "%Y-%m-%dT%H:%M:%S%z"}),
    (["10:30", "23:59"], {"kind": "date", "form": "%H:%M", "lowest": 37800.0}),
    (["1/2/2020 1:05 PM", "1/13/2020 12:00 AM"], {"kind": "date", "form": "%-m/%-d/%Y %-I:%M %p"}),
    (["9999-12-31", "0001-01-01"], {"kind": "date"}),
    (["2020-02-30", "2020-02-01"], {"kind": "category"}),
]


@pytest.mark.parametrize(("words", "wanted"), KINDS, ids=[" ".join(words)[:40] for words, _ in KINDS])
def test_a_column_is_recognised_and_comes_back_as_written(words: list[str], wanted: dict[str, Any]) -> None:
    cells = words * 6
    found = column(cells)
    assert {field: getattr(found, field) for field in wanted} == wanted
    back = inference.write_words(inference.read_words(cells, found), found)
    if found.kind == "constant":
        assert set(back) == set(words)
    elif "%z" in found.form:
        assert back[:2] == ["2020-01-31T08:00:00+0000", "2020-01-31T13:00:00+0000"]
    elif words not in (["1", "2", "-", "3", " "], ["1e-9", "2.5e-3", "1"], ["1e+05", "120000", "7"]):
        assert back == cells


@pytest.mark.parametrize(
    ("words", "kind", "form"),
    [
        ([str(i) for i in range(7, 67)], "id", "+1"),
        ([str((i * 7) % 61 + 1) for i in range(61)], "id", "+1"),
        ([f"user_{i}" for i in range(60)], "id", "user_+1"),
        ([f"C-{i:06}" for i in RNG.permutation(900_000)[:60]], "id", "C-######"),
        ([f"{chr(65 + i % 26)}{chr(97 + i // 26)}x{i % 10}{i // 10}" for i in range(60)], "id", None),
        (["550e8400-e29b-41d4-a716-" + f"{int(i):012x}" for i in RNG.integers(0, 2**47, 60)], "id", None),
        ([str(i * i) for i in range(60)], "number", ""),
        ([f"{'so ' * (i % 7)}many words {i * i}x" for i in range(60)], "text", ""),
        ([""] + [f"C-{i:06}" for i in range(59)], "text", ""),
        ([f"C-{i % 20:06}" for i in range(120)], "category", ""),
        ([f"C-{i % 20:06}" for i in range(60)], "text", ""),  # each in 3 rows: none could be made
        (["none"] * 50 + [f"C-{i % 4:06}" for i in range(10)], "category", ""),
        (["a@x.de", "b@x.de"] * 12 + [f"user{i % 30}@x.de" for i in range(60)], "text", ""),  # most would read one of two addresses
        (["a@x.de", "b@x.de"] * 30 + [f"user{i % 30}@x.de" for i in range(60)], "category", ""),
        ([f"{i % 24:02}:{i:02} Uhr" for i in range(60)], "text", ""),
        ([f"v{i // 10}.{i % 10}" for i in range(60)], "text", ""),
        ([f"52.{1000 + i},12.{2000 - i}" for i in range(60)], "text", ""),
        ([f"file.{chr(97 + i % 26)}{i:02}" for i in range(60)], "id", "file.&##"),
    ],
)
def test_ids_and_text_are_told_from_values(words: list[str], kind: str, form: str | None) -> None:
    found, codes = seen(words)
    assert found.kind == kind
    assert form is None or found.form == form
    assert ("T109" in codes, "T110" in codes) == (kind == "id", kind == "text")


def test_numbers_that_differ_are_an_id_where_they_are_named_so() -> None:
    words = [str(int(i)) for i in RNG.permutation(10**6)[:60]]
    assert {column_kind(words, name) for name in ("customer_id", "OrderID", "orderId", "ID", "uuid", "No.", "key", "Index")} == {"id"}
    values = ("income", "paid", "solid", "AMOUNT_PAID", "GRID", "COVID", "No of employees", "Body mass index")
    assert {column_kind(words, name) for name in values} == {"number"}


def test_a_time_is_an_id_where_the_name_says_so() -> None:
    words = [f"{i % 24:02}:{i:02} Uhr" for i in range(60)]
    assert column_kind(words, "visit_id") == "id"
    assert column_kind(words, "arrival") == "text"


def column_kind(words: list[str], name: str) -> str:
    return seen(words, name)[0].kind


def test_made_ids_are_of_the_same_kind_and_differ() -> None:
    assert write_ids(0, 3, "+1", 100) == ["101", "102", "103"]
    assert write_ids(5, 2, "user_+1", 60) == ["user_66", "user_67"]
    assert write_ids(9, 2, "C-##@", 0) == ["C-00K", "C-00L"]
    assert len(set(write_ids(0, 300, "a~~-&", 0))) == 300
    assert write_ids(0, 3, "C-##", 97) == ["C-98", "C-99", "C-100"]


@pytest.mark.parametrize(
    "real",
    [
        [f"C-{i:05}" for i in range(600)],
        [f"{i:05}" for i in range(600)],
        [f"K{i:02}" for i in RNG.permutation(100)[:60]],
        [f"{chr(65 + i % 26)}{chr(97 + i // 26)}x{i % 10}{i // 10}" for i in range(60)],
        ["550e8400-e29b-41d4-a716-" + f"{int(i):012x}" for i in RNG.integers(0, 2**47, 60)],
        [f"{int(a):016x}{int(b):016x}" for a, b in RNG.integers(2**62, 2**63 - 1, (60, 2))],
    ],
)
def test_made_ids_are_neither_real_ones_nor_twice_there(real: list[str]) -> None:
    found = column(real)
    assert found.kind == "id"
    made = [*write_ids(0, 3000, found.form, found.highest), *write_ids(3000, 500, found.form, found.highest)]
    assert len({*made, *real}) == len(made) + len(real)


@pytest.mark.parametrize(
    ("form", "words", "wanted"),
    [
        ("%Y-%m-%d", ["2020-04-29 00:00:00", "2020-04-29"], 1588118400.0),
        ("%d.%m.%Y", ["2020-04-29 00:00:00", "29.04.2020"], 1588118400.0),
        ("%-m/%-d/%Y %H:%M", ["2020-04-29 10:05:00", "4/29/2020 10:05"], 1588154700.0),
        ("%Y-%m-%dT%H:%M:%S+02:00", ["2020-04-29 10:05:00+00:00", "2020-04-29T12:05:00+02:00"], 1588154700.0),
        ("%H:%M", ["10:05:00", "10:05"], 36300.0),
    ],
)
def test_dates_of_a_frame_are_read_whatever_the_form(form: str, words: list[str], wanted: float) -> None:
    found = Column("x", "date", form=form)
    assert inference.read_words([*words, "", "29/04/2020", "04/29/2020"], found).tolist() == pytest.approx(
        [wanted] * 2 + [math.nan] * 3, nan_ok=True
    )


def test_many_levels_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_tally, "KEPT", 3000)
    tally = inference_tally.Tally()
    frequent = [f"often {i}" for i in range(500)]
    for piece in range(40):
        words = [f"rare {piece}.{i}" for i in range(1000)] + frequent * 2
        tally.add(next(read(pd.DataFrame({"x": words}, dtype=object)).pieces())[0])
        assert len(tally.counts) <= 3000
    assert tally.distinct == 40_500
    found = inference._column("x", tally, {}, notes := {code: {} for code in ("T112", "T105")})
    assert (found.kind, len(found.levels), found.levels[-1]) == ("category", 1000, OTHER)
    assert set(found.levels[:500]) == set(frequent)
    assert "40,500 levels" in notes["T112"]["x"]
    assert inference.read_words([frequent[0], "never seen", ""], found).tolist()[1:] == pytest.approx([999.0, math.nan], nan_ok=True)
    assert inference.write_words(np.array([999.0]), found) == [OTHER]


def test_a_count_of_very_many_words_is_nearly_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_tally, "KEPT", 1000)
    monkeypatch.setattr(inference_tally, "SKETCH", 2048)
    tally = inference_tally.Tally()
    for start in range(0, 40_000, 5000):
        tally.add(next(read(pd.DataFrame({"x": [f"w{i}" for i in range(start, start + 5000)]})).pieces())[0])
    assert tally.distinct == pytest.approx(40_000, rel=0.1)


def test_pieces_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 2600
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "late": ["5"] * 2500 + ["x"] * 100,
            "grouped": [str(i % 900) for i in range(2000)] + ["1,234"] * 600,
            "step": ["1"] * 1100 + ["1.5"] * 1400 + ["2.25"] * 100,
            "zip": [str(10_000 + i % 50) for i in range(2500)] + ["01234"] * 100,
            "day": [""] * 1200 + ["13/01/2020", "01/02/2020"] * 700,
            "other": ["a", "b"] * 1300,
        }
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    whole, _ = infer(read(tmp_path / "a.csv"))
    assert [c.kind for c in whole.columns] == ["id", "category", "number", "number", "category", "date", "category"]
    assert (whole["step"].step, whole["grouped"].form, whole["day"].form) == (0.05, "1,234.5", "%d/%m/%Y")
    from gansmith.domains.table import reading

    monkeypatch.setattr(reading, "PIECE_CELLS", 1)
    assert infer(read(tmp_path / "a.csv"))[0] == whole
    np.testing.assert_array_equal(convert(read(tmp_path / "a.csv"), whole)[:, 1:3], convert(read(frame), whole)[:, 1:3])


# --- what is noticed -----------------------------------------------------------------------------------------------------


def test_infinities_are_missing_and_counted() -> None:
    found, codes = seen(["1", "2", "inf", "-Infinity", "3", "1e999"] * 4)
    assert (found.kind, found.highest, found.missing) == ("number", 3.0, 0.5)
    assert "x: 12" in codes["T104"]


def test_words_among_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    found, codes = seen(many(["1", "2", "unknown"]))
    assert (found.kind, "20 words and 40 numbers" in codes["T105"]) == ("category", True)
    found, codes = seen([str(18 + i % 73) for i in range(299)] + ["unknown"])
    assert (found.kind, found.missing, found.highest) == ("number", pytest.approx(1 / 300), 90)
    assert "1 words such as 'unknown'" in codes["T105"]
    assert seen([str(i) for i in RNG.permutation(10**6)[:200]] + ["unknown"])[0].kind == "number"
    assert seen([str(i % 19) for i in range(299)] + ["unknown"])[0].kind == "category"
    found, codes = seen([str(i / 8) for i in range(2000)] + ["broken"] * 10)
    assert (found.kind, found.missing) == ("number", pytest.approx(10 / 2010))
    assert "10 words such as 'broken'" in codes["T105"]
    monkeypatch.setattr(inference_tally, "KEPT", 1500)
    assert "10 words such as 'broken'" in seen([str(i / 8) for i in range(2000)] + ["broken"] * 10)[1]["T105"]


def test_several_words_that_mark_what_is_missing_are_told() -> None:
    numbers = [f"{i % 73 + 0.5}" for i in range(300)]
    found, codes = seen(numbers + ["<0.5", ">100", "offen"] * 50)
    assert (found.kind, found.missing, found.blank) == ("number", pytest.approx(1 / 3), "")
    assert "150 words such as '<0.5', '>100', 'offen' are taken as missing, so that the limit in '<0.5', '>100' is lost" in codes["T105"]
    assert seen(numbers + ["a", "b", "c", "d", "e", "f"] * 20)[0].kind != "number"
    assert seen([*numbers, "a", "b", "c", "d", "e", "f"])[0].kind == "number"


@pytest.mark.parametrize(
    "mark",
    ["#DIV/0!", "#REF!", "#VALUE!", "#NUM!", "#NAME?", "#NV", "\\N", "(null)", "n.a.", "k.A.", "--", "."],
)
def test_marks_of_other_programs_are_missing(mark: str) -> None:
    found, codes = seen(["1", "2", "3", mark] * 15)
    assert (found.kind, found.blank, found.missing, "T105" in codes) == ("number", mark, 0.25, False)
    assert (seen(["a", "b", mark] * 20)[0].missing == 0) == (mark in ("--", "."))  # which may be answers


def test_levels_that_differ_in_case_or_blanks_alone_are_told() -> None:
    found, codes = seen(["ja", "nein", "JA ", " nein"] * 15)
    assert len(found.levels) == 4
    assert "(x: 'JA ' and 'ja' and 1 more)" in codes["T126"]
    assert "T126" not in seen(["ja", "nein", "na ja"] * 15)[1]


def test_marks_zones_and_doubtful_days_are_told() -> None:
    assert "'', 'NA'" in seen(many(["1", "2", "NA", ""]))[1]["T106"]
    assert "+02:00" in seen(many(["2020-01-31T10:00:00+02:00", "2020-01-31T12:00:00Z"]))[1]["T107"]
    assert "%m/%d/%Y" in seen(many(["01/02/2020", "03/04/2020"]))[1]["T108"]
    assert "T108" not in seen(many(["01/02/2020", "03/14/2020"]))[1]
    assert "'5'" in seen(["5"] * 9)[1]["T111"]


def test_every_finding_is_a_sentence() -> None:
    _, found = infer(table(x=["5"] * 60, y=[f"{i}!" for i in range(60)], z=many(["1", "2", "", "NA"]), w=many(["a", "b"])))
    told = facts.findings(described(table(w=many(["a", "b"])), schema=None))
    for finding in [*found, *told]:
        assert finding.message.endswith(".")
        assert finding.advice.endswith(".")
    assert json.dumps([f.to_dict() for f in found])


# --- what is refused -----------------------------------------------------------------------------------------------------


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(DataError, match=r"no column to learn: x \(constant\)"):
        infer(table(x=["5"] * 5))
    with pytest.raises(DataError, match="one row"):
        infer(table(x=["5"]))


@pytest.mark.parametrize(
    ("name", "said"),
    [("incme", "did you mean 'income'"), ("same", "has one value"), ("key", "is an id"), ("words", "is free text")],
)
def test_a_target_that_cannot_be_predicted_is_refused(name: str, said: str) -> None:
    columns = [Column("income", "number"), Column("same", "constant"), Column("key", "id"), Column("words", "text")]
    with pytest.raises(DataError, match=said):
        with_target(Schema(tuple(columns)), name)
    assert with_target(Schema(tuple(columns)), "income").target == "income"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"colums": []}, "did you mean 'columns'"),
        ({"columns": [{"name": "agee"}]}, "did you mean 'age'"),
        ({"columns": [{"name": "age", "kid": "number"}]}, "did you mean 'kind'"),
        ({"columns": [{"name": "age", "kind": "numbr"}]}, "did you mean 'number'"),
        ({"columns": [{"name": "age", "kind": "number", "form": "x"}]}, "forms of numbers are"),
        ({"columns": [{"name": "age", "kind": "date", "form": "%Q"}]}, "cannot be used to read dates"),
        ({"columns": [{"name": "sex", "kind": "number"}]}, "'sex' cannot be of numbers: it holds 'm'"),
        ({"columns": [{"name": "sex", "kind": "date"}]}, "'sex' cannot be of dates"),
        ({"columns": [{"name": "sex", "kind": "date", "form": "%Y-%m-%d"}]}, "cannot have the form"),
        ({"columns": [{"name": "age", "kind": "boolean"}]}, "a boolean has 2"),
        ({"columns": [{"name": "age", "lowest": "young"}]}, "a number was expected"),
        ({"columns": [{"name": "sex", "levels": "m"}]}, "a list of values was expected"),
        ({"target": "sexx"}, "did you mean 'sex'"),
        ({"constraints": [{"relation": "les", "columns": ["age", "end"]}]}, "did you mean 'less'"),
        ({"constraints": [{"relation": "less", "columns": ["age", "ende"]}]}, "did you mean 'end'"),
        ({"constraints": [{"relation": "less", "columns": ["age"]}]}, "names 1 columns; it needs 2"),
        ({"constraints": [{"relation": "within", "columns": ["sex"], "lowest": 1}]}, "which is a category"),
        ({"constraints": [{"relation": "less", "columns": ["age", "day"]}]}, "a number, with 'day', a date"),
        ({"constraints": [{"relation": "within", "columns": ["age"], "low": 1}]}, "did you mean 'lowest'"),
        ({"columns": {"zip": "category"}}, "a list was expected, such as"),
        ({"columns": ["zip"]}, "a list was expected, such as"),
        ({"columns": "zip"}, "a list was expected, such as"),
        ({"columns": None}, "a list was expected, such as"),
        ({"target": 5}, "the name of a column was expected"),
        ({"columns": [{"name": "age", "kind": ["number"]}]}, "a text was expected"),
        ({"columns": [{"name": "age", "form": 5}]}, "has form 5; a text was expected"),
        ({"columns": [{"name": "age", "blank": None}]}, "a text was expected"),
        ({"columns": [{"name": "age", "form": "1,234"}]}, "forms of numbers are"),
        ({"columns": [{"name": "day", "form": "Y-M-D"}]}, "cannot be used to read dates"),
        ({"columns": [{"name": "sex", "form": "%d.%m.%Y"}]}, "cannot have the form '%d.%m.%Y'"),
        ({"columns": [{"name": "sex", "form": "1.234,5"}]}, "cannot have the form '1.234,5'"),
        ({"columns": [{"name": "age", "step": 0}]}, "a number above 0"),
        ({"columns": [{"name": "age", "step": -1}]}, "a number above 0"),
        ({"columns": [{"name": "age", "step": math.nan}]}, "a number above 0"),
        ({"columns": [{"name": "age", "lowest": None}]}, "a number was expected"),
        ({"columns": [{"name": "age", "missing": 2}]}, "from 0 to 1"),
        ({"columns": [{"name": "age", "lowest": 90, "highest": 20}]}, "lowest 90 above highest 20"),
        ({"columns": [{"name": "age", "lowest": 90}]}, "lowest 90 above highest 69"),
        ({"columns": [{"name": "sex", "levels": []}]}, "has no levels"),
        ({"columns": [{"name": "sex", "levels": ["m", "m"]}]}, "a list of values that differ"),
        ({"columns": [{"name": "sex", "levels": [["m"]]}]}, "a list of values was expected"),
        ({"columns": [{"name": "sex", "kind": "boolean", "levels": ["m"]}]}, "a boolean has 2"),
        ({"constraints": {"relation": "less"}}, "a list was expected, such as"),
        ({"constraints": ["less"]}, "a list was expected, such as"),
        ({"constraints": [{"relation": "together", "columns": "age"}]}, "a list of different names"),
        ({"constraints": [{"relation": "together", "columns": ["age", "age"]}]}, "a list of different names"),
        ({"constraints": [{"relation": "within", "columns": ["age"], "lowest": "young"}]}, "a number was expected"),
        ({"constraints": [{"relation": "within", "columns": ["age"]}]}, "a lowest, a highest or both"),
        ({"constraints": [{"relation": "within", "columns": ["age"], "lowest": 9, "highest": 1}]}, "not above the highest"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        infer(PEOPLE, overrides)


def test_a_range_of_dates_is_given_as_dates_are_written() -> None:
    within = {"relation": "within", "columns": ["seen"], "lowest": "02.01.2020 00:30", "highest": "2020-01-05"}
    times = table(seen=many(["02.01.2020 00:30", "13.01.2020 12:00"]), x=many(["a", "b"]))
    (constraint,) = infer(times, {"constraints": [within]})[0].constraints
    assert constraint.lowest == 1577925000.0
    assert constraint.highest == math.nextafter(1578268800.0, 0)  # the whole day
    with pytest.raises(ConfigError, match="'seen' is a date, but 'soon' is not"):
        infer(times, {"constraints": [{**within, "lowest": "soon"}]})


def test_a_form_tells_the_kind() -> None:
    days = many(["01/02/2020", "03/04/2020"])
    assert (seen(days)[0].form, seen(days)[0].lowest) == ("%m/%d/%Y", 1577923200.0)
    found = seen(days, form="%d/%m/%Y")[0]
    assert (found.kind, found.form, found.lowest, found.highest) == ("date", "%d/%m/%Y", 1580515200.0, 1585872000.0)
    assert seen(["1,844", "2,125"] * 30, form="1234,5")[0].highest == 2.125
    assert seen(["20200102", "20200103"] * 30, form="%Y%m%d")[0].kind == "date"


PEOPLE = table(
    age=[str(20 + i % 50) for i in range(100)],
    end=[str(30 + i % 40) for i in range(100)],
    sex=many(["m", "w", "d"], 100),
    day=many(["2020-01-01", "2020-01-02", "2020-01-05"], 100),
)


def test_what_is_written_by_hand_is_taken() -> None:
    asked = {
        "columns": [{"name": "age", "kind": "category"}, {"name": "end", "lowest": 0}, {"name": "sex", "kind": "text"}],
        "target": "day",
        "constraints": [{"relation": "together", "columns": ["age", "day"]}, {"relation": "within", "columns": ["end"], "highest": 90}],
    }
    schema, _ = infer(PEOPLE, asked)
    assert [c.kind for c in schema.columns] == ["category", "number", "text", "date"]
    assert (len(schema["age"].levels), schema["end"].lowest, schema.target) == (50, 0, "day")
    assert [c.relation for c in schema.constraints] == ["together", "within"]
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    assert overridden(schema, asked) == schema
    with pytest.raises(DataError, match="must be set when the data are opened"):
        overridden(schema, {"columns": [{"name": "age", "kind": "number"}]})


def test_a_whole_schema_may_be_given_back_with_a_kind_changed() -> None:
    schema, _ = infer(PEOPLE)
    whole = json.loads(json.dumps(schema.to_dict()))
    assert infer(PEOPLE, whole)[0] == schema
    whole["columns"][0]["kind"] = "category"
    assert infer(PEOPLE, whole)[0]["age"] == infer(PEOPLE, {"columns": [{"name": "age", "kind": "category"}]})[0]["age"]


def test_numbers_may_be_taken_as_a_category_or_a_date_by_its_form() -> None:
    assert seen(["2001", "2002"] * 30, kind="category")[0].levels == ("2001", "2002")
    assert seen(["01022020", "13022020"] * 30, kind="date", form="%d%m%Y")[0].highest == 1581552000.0
    found, codes = seen(["01022020", "2020", "?"] * 30, kind="date", form="%d%m%Y")
    assert (found.missing, "30 cells" in codes["T105"]) == (pytest.approx(2 / 3), True)
    found, codes = seen(["1", "2", "x"] * 30, kind="number")
    assert (found.missing, "T105" in codes) == (pytest.approx(1 / 3), True)


def test_columns_are_found_by_name() -> None:
    schema, _ = infer(PEOPLE)
    fewer = table(sex=["w", "x", ""], day=["2020-01-01"] * 3, age=["1", "?", "three"], end=["1"] * 3)
    raw = convert(fewer, schema)
    np.testing.assert_array_equal(raw[:, 0], [1, math.nan, math.nan])
    np.testing.assert_array_equal(raw[:, 2], [schema["sex"].levels.index("w"), math.nan, math.nan])
    with pytest.raises(DataError, match="no column 'age', but the schema does"):
        convert(table(sex=["w"], day=[""], end=["1"]), schema)


# --- there and back ------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.sampled_from(["", "1,234.5", "1.234,5", "1234.0", "1234,5E"]),
)
def test_a_number_is_read_as_it_was_written(values: list[float], form: str) -> None:
    style = form[:-1] + "5" if form.endswith("0") else form.removesuffix("E") or "1234.5"
    if style == "1234.5":
        np.testing.assert_array_equal(read_numbers(write_numbers(values, None, form), style), values)
    values = [float(round(v)) for v in values if abs(v) < 1e15]
    np.testing.assert_array_equal(read_numbers(write_numbers(values, 1.0, form), style), values)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20), st.sampled_from([1, 2, 10, 20, 100, 1000, 1_000_000]))
def test_decimals_are_found_and_kept(ticks: list[int], fine: int) -> None:
    values = np.asarray(ticks) / fine
    found = fineness(values)
    step = 1 / (1, 2, 10, 20, 100, 200, 1000, 2000, 10_000, 20_000, 100_000, 200_000, 1_000_000)[found]
    assert step >= 1 / fine
    for form in ("", "1234.50", "1.234,5"):
        np.testing.assert_array_equal(
            read_numbers(write_numbers(values.tolist(), step, form), "1.234,5" if "," in form else "1234.5"), values
        )


@pytest.mark.parametrize(
    "words", [["1.50", "2.00"], ["1.5", "2"], ["1.5", "2.0"], ["1,200.50", "3.00"], ["1.000", "2.500"], ["1E-09", "2.5E-09"]]
)
def test_a_form_writes_what_it_was_taken_from(words: list[str]) -> None:
    style = "1,234.5" if "," in words[0] else "1234.5"
    step = None if "E" in words[0] else 0.5
    form = form_of(words, style, step)
    assert write_numbers(read_numbers(words, style).tolist(), step, form) == words


@given(st.lists(st.floats(-6e10, 2e11), max_size=10), st.sampled_from(FORMS))
def test_a_date_is_read_as_it_was_written(values: list[float], form: str) -> None:
    assert is_date_form(form)
    once = write_dates(values, form)
    again = read_dates(once, form)
    if "%y" not in form:  # of two digits the century is a guess
        assert not np.isnan(again).any()
    assert write_dates(again[~np.isnan(again)].tolist(), form) == [w for w, v in zip(once, again, strict=True) if not math.isnan(v)]


def test_dates_are_those_of_the_calendar() -> None:
    assert read_dates(["1970-01-01", "2000-02-29", "1969-12-31", "2001-02-29", "x"], "%Y-%m-%d").tolist()[:3] == [0, 951782400, -86400]
    assert write_dates([951827696.789], "%b %d, %Y %I:%M %p") == ["Feb 29, 2000 12:34 PM"]


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
columns = st.one_of(
    st.lists(st.integers(-(10**6), 10**6).map(str) | st.just(""), min_size=25, max_size=25),
    st.lists(st.integers(0, 10**7).map(lambda i: f"{i / 100:,.2f}"), min_size=25, max_size=25),
    st.lists(st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.just("NA"), min_size=25, max_size=25),
    st.lists(st.sampled_from(["a", "b", " c", "", "NA", "?", "(other)"]), min_size=25, max_size=25),
    st.lists(st.datetimes().map(lambda d: d.isoformat(sep=" ", timespec="seconds")) | st.just("-"), min_size=25, max_size=25),
    st.lists(words, min_size=25, max_size=25),
    st.lists(st.sampled_from(["1", "1.0", "01", "x", "inf", "2020-01-01", "", "1e5", "1,5"]), min_size=25, max_size=25),
)


@given(st.lists(columns, min_size=1, max_size=4))
def test_raw_numbers_come_back_from_the_cells_they_are_written_as(given_columns: list[list[str]]) -> None:
    source = table(always=["a", "b", "b", "b", "a"] * 5, **{f"c{i}": words for i, words in enumerate(given_columns)})
    schema, _ = infer(source)
    raw = convert(source, schema)
    assert raw.shape == (25, len(given_columns) + 1)
    assert not np.isinf(raw).any()
    for m, c in enumerate(schema.columns):
        if c.learned:
            assert np.isnan(raw[:, m]).mean() == pytest.approx(c.missing)
            there = raw[~np.isnan(raw[:, m]), m]
            assert not c.numeric or (there.min(), there.max()) == (c.lowest, c.highest)
    cells = written(raw, schema)
    assert list(cells.columns) == list(schema.names)
    np.testing.assert_array_equal(convert(read(cells), schema), raw)


@pytest.mark.parametrize("name", ["adult", "beijing_pm25", "covertype_20k", "credit_default", "magic_gamma", "online_shoppers"])
def test_real_tables_come_back_as_written(name: str, shared: Path) -> None:
    path = shared / "tables" / f"{name}.csv.gz"
    about = json.loads((shared / "tables" / f"{name}.json").read_text())
    source = read(path)
    schema, _ = infer(source, {"target": about["target"]})
    raw = convert(source, schema)
    assert raw.shape == (about["n_rows"], about["n_columns"])
    assert {c.name for c in schema.columns if c.kind == "id"} == {c["name"] for c in about["columns"] if c["kind"] == "id"}
    back = written(raw, schema)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = np.array(list(csv.reader(file))[1:], object)
    for m, c in enumerate(schema.columns):
        real, made = rows[:, m], back.iloc[:, m].to_numpy()
        if c.kind == "number":  # 1e+05 among plain numbers is written as 100000, 7.50E-05 as 7.5E-05
            unlike = real != made
            assert unlike.mean() < 0.15
            assert all("E" in word.upper() and float(word) == float(new) for word, new in zip(real[unlike], made[unlike], strict=True))
        elif c.kind != "id":
            assert (real == made).all()
    for i, c in enumerate(about["columns"]):
        assert np.isnan(raw[:, i]).sum() == c["n_missing"]
        if schema.columns[i].learned:
            assert len(np.unique(raw[~np.isnan(raw[:, i]), i])) <= c["n_unique"]


# --- facts ---------------------------------------------------------------------------------------------------------------


def described(source: Table, target: str | None = None, schema: Schema | None = None) -> dict[str, Any]:
    schema = schema or infer(source, {"target": target} if target else None)[0]
    raw = convert(source, schema)
    return facts.facts("csv", raw, schema, digest_rows(raw))


def test_facts_are_those_of_the_columns() -> None:
    source = table(
        x=["0"] * 90 + [str(i) for i in range(1, 11)],
        c=["a"] * 60 + ["b"] * 30 + [""] * 10,
        same=["5"] * 100,
        key=[str(i) for i in range(100)],
    )
    found = described(source)
    assert (found["count"], found["shape"], found["dtype"], found["range"]) == (100, [4], "float64", [0.0, 10.0])
    x = found["columns"]["x"]
    assert (x["distinct"], x["spikes"], x["range"], x["mean"]) == (11, [[0.0, 0.9]], [0.0, 10.0], pytest.approx(0.55))
    assert (x["quantiles"]["0.5"], x["quantiles"]["1.0"]) == (0.0, 10.0)
    assert found["columns"]["c"]["levels"] == {"a": 60, "b": 30}
    assert found["columns"]["c"]["missing"] == pytest.approx(0.1)
    assert found["columns"]["same"] == {"kind": "constant", "missing": 0.0}
    assert found["duplicates"] == 100 - 12  # (0, a), (0, b) and ten others; ids do not make rows different
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {f.code for f in facts.findings(found)} == {"T113", "T118"}


def test_moments_are_the_textbook_ones() -> None:
    values = np.array([1.0, 2.0, 2.0, 7.0])
    found = facts.moments(values)
    assert found["mean"] == pytest.approx(3.0)
    assert found["std"] == pytest.approx(values.std())
    assert found["skew"] == pytest.approx(((values - 3) ** 3).mean() / values.std() ** 3)
    assert facts.moments(np.array([1e300, -1e300]))["std"] == pytest.approx(1e300)
    assert facts.moments(np.array([3.0, 3.0]))["skew"] == 0.0


def test_a_column_that_tells_the_target_is_named() -> None:
    label = RNG.integers(0, 3, 300)
    value = RNG.normal(size=300)
    found = described(
        table(
            label=[f"class {i}" for i in label],
            code=[str(7 - i) for i in label],
            near=[str(i) for i in np.where(np.arange(300) == 0, (label + 1) % 3, label)],
            finer=[str(i) for i in label * 2 + RNG.integers(0, 2, 300)],
        ),
        "label",
    )
    assert found["target"] == {"name": "label", "told by": ["code"]}
    assert "T115" in {f.code for f in facts.findings(found)}
    assert sum(found["classes"].values()) == 300
    numbers = table(
        y=[repr(v) for v in value.tolist()],
        scaled=[repr(3 * v + 1) for v in value.tolist()],
        noisy=[repr(v + 1e-3 * i) for i, v in enumerate(value.tolist())],
    )
    assert described(numbers, "y")["target"] == {"name": "y", "told by": ["scaled"]}


def test_imbalance_skew_and_missing_values_are_told() -> None:
    found = described(
        table(y=["yes"] * 15 + ["no"] * 585, tail=["0"] * 590 + [str(2**i) for i in range(10)], gaps=[""] * 400 + ["1", "2"] * 100), "y"
    )
    assert found["imbalance"] == pytest.approx(39.0)
    assert {"T113", "T114", "T116", "T117"} == {f.code for f in facts.findings(found)}


def test_a_class_that_is_never_made_is_told() -> None:
    found = described(table(y=["yes"] * 597 + ["rare"] * 3, x=["1", "2"] * 300), "y")
    (told,) = [f for f in facts.findings(found) if f.code == "T116"]
    assert told.severity == "warning"
    assert "never generated and cannot be requested: 'rare'." in told.message
    enough = described(table(y=["yes"] * 595 + ["rare"] * 5, x=["1", "2"] * 300), "y")
    assert "never" not in "".join(f.message for f in facts.findings(enough))
