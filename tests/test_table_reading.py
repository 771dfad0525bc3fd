"""Tables come through as they are written, whatever holds them; what is wrong is said in one sentence."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.domains.table import reading
from gansmith.domains.table.inference import infer
from gansmith.domains.table.reading import Cells, Table, read, recognises, renamed
from gansmith.errors import DataError, MissingExtra

TEXT = "name,age,when\nAnn,007,2020-01-01\nBob,NA,\n"
CELLS = [["Ann", "007", "2020-01-01"], ["Bob", "NA", ""]]


def cells(table: Table) -> list[list[str]]:
    """All rows as text."""
    return [list(row) for piece in table.pieces() for row in zip(*([c.words[i] for i in c.codes] for c in piece), strict=True)]


def put(place: Path, text: str | bytes, name: str = "a.csv") -> str:
    path = place / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def codes(table: Table) -> set[str]:
    return {f.code for f in table.findings}


def test_a_word_stands_once_and_every_word_stands_somewhere() -> None:
    frame = pd.DataFrame({"a": [1.0, None, 1.0, 2.5], "b": pd.Categorical(["x", "x", None, "y"], ["unused", "x", "y"])})
    for column in next(read(frame).pieces()):
        assert len(set(column.words)) == len(column.words)
        assert set(column.codes.tolist()) == set(range(len(column.words)))
    assert Cells(np.array([0, 1, 0]), ["a", "b"]).counts() == [2, 1]


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.txt", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.zip", "a.csv.zip"])
def test_cells_come_through_as_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner.csv", TEXT)
            archive.writestr("__MACOSX/._inner.csv", "x")
    else:
        packers = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
        path.write_bytes(packers.get(path.suffix, bytes)(TEXT.encode()))
    assert recognises(str(path))
    table = read(path)
    assert (table.kind, table.names, cells(table)) == ("csv", ("name", "age", "when"), CELLS)
    assert cells(table) == CELLS  # it may be walked again
    assert table.findings == ()


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(mark: str, tmp_path: Path) -> None:
    text = f'a{mark}b{mark}c\n1,5{mark}"x{mark}y"{mark}"two\nlines ""quoted"""\n'.replace("1,5", "1.5" if mark == "," else "1,5")
    table = read(put(tmp_path, text + text.split("\n", 1)[1]))
    assert table.names == ("a", "b", "c")
    assert cells(table)[0][1:] == [f"x{mark}y", 'two\nlines "quoted"']


def test_a_first_line_that_tells_the_delimiter_is_heeded(tmp_path: Path) -> None:
    table = read(put(tmp_path, "\ufeffsep=;\r\na,1;b,2\r\n1,5;x\r\n2,5;y\r\n"))
    assert (table.names, table.delimiter, table.bom) == (("a,1", "b,2"), ";", True)
    assert cells(table) == [["1,5", "x"], ["2,5", "y"]]
    with pytest.raises(DataError, match=r"line 4 of .* has 1 cell"):
        cells(read(put(tmp_path, "sep=;\na;b\n1;2\n3\n4;5\n")))
    with pytest.raises(DataError, match="no rows"):
        read(put(tmp_path, "sep=;\na;b\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Report\n\na;b;c\n1;2;3\n4;5;6\n", "'Report', looks like a title: .* have 3. Line 3 seems to hold the column names \\(a, b, c"),
        ("Report, of 2024\na;b;c\n1;2;3\n4;5;6\n", "Line 2 seems"),
        ("Report,\na,b,c\n1,2,3\n4,5,6\n", "Line 2 seems"),
        ('Report\n"a\nb",c,d\n1,2,3\n3,4,5\n', "Line 3 seems"),
        ("sep=;\nReport\na;b;c\n1;2;3\n", "Line 3 seems"),
    ],
)
def test_a_title_above_the_column_names_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read(put(tmp_path, text))


def test_what_is_no_title(tmp_path: Path) -> None:
    assert read(put(tmp_path, "note\none; two\nthree; four\n")).names == ("note",)
    with pytest.raises(DataError, match=r"line 2 of .* has 2 cells"):
        cells(read(put(tmp_path, "name\nDoe, John\nRoe, Jane\n")))
    assert read(put(tmp_path, "code\nA|B|C\nA|B\nC|D|E\n")).names == ("code",)
    with pytest.raises(DataError, match=r"line 2 of .* has 3 cells"):
        cells(read(put(tmp_path, "a;b\nx;y;\nz;w;\n")))
    with pytest.raises(DataError, match=r"line 2 of .* has 2 cells"):
        cells(read(put(tmp_path, "x\n1,5\n2,5\n")))


def test_a_blank_behind_every_delimiter_belongs_to_no_cell(tmp_path: Path) -> None:
    table = read(put(tmp_path, "age, work\n39, State-gov\n50, ?\n"))
    assert (table.names, cells(table)) == (("age", "work"), [["39", "State-gov"], ["50", "?"]])


def test_windows_lines_and_empty_lines(tmp_path: Path) -> None:
    assert cells(read(put(tmp_path, "a,b\r\n1,2\r\n\r\n3,4\r\n"))) == [["1", "2"], ["3", "4"]]


def test_empty_lines_of_one_column_are_empty_cells(tmp_path: Path) -> None:
    assert cells(read(put(tmp_path, "\na\n\n1\n\n\n2\n\n"))) == [[""], ["1"], [""], [""], ["2"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_found(encoding: str, tmp_path: Path) -> None:
    table = read(put(tmp_path, "straße,größe\nMüller,1\nGrün,2\n".encode(encoding)))
    assert (table.names, cells(table)[0]) == (("straße", "größe"), ["Müller", "1"])
    assert codes(table) == ({"T101"} if encoding == "cp1252" else set())


def test_small_pieces_are_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, "a,b\n" + "".join(f"{i},{i % 3}\n" for i in range(2500)))
    whole = cells(read(path))
    monkeypatch.setattr(reading, "PIECE_CELLS", 2)
    assert [len(p[0].codes) for p in read(path).pieces()] == [1000, 1000, 500]
    assert cells(read(path)) == whole


def test_names_become_different() -> None:
    names, (finding,) = renamed(["a", "", "a", "b", "a", "a.2"])
    assert names == ("a", "column 2", "a.3", "b", "a.4", "a.2")
    assert finding.code == "T102"
    assert renamed(["a", "b"]) == (("a", "b"), [])


@given(st.lists(st.sampled_from(["", "a", "a.2", "column 2", " a "]), max_size=8))
def test_names_are_always_different_and_never_empty(names: list[str]) -> None:
    found, _ = renamed(names)
    assert len(set(found)) == len(found) == len(names)
    assert all(found)


def test_names_that_look_like_values_are_told(tmp_path: Path) -> None:
    assert codes(read(put(tmp_path, "5.1,3.5,setosa\n4.9,3.0,setosa\n4.7,3.2,setosa\n"))) == {"T103"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n3\n", "line 3 of .* has 1 cell, and the line of column names has 2"),
        ('a,b\n1,"x\ny"\n3,4,5\n', "line 4 of .* has 3 cells"),
        ("a,b\n1,2,\n3,4,\n", "line 2 of .* has 3 cells"),
        ("a^b^c\n1^2^3\n4^5^6\n", "read as one column, 'a\\^b\\^c', in which '\\^'"),
        ("a#b\n1#2\n3#4\n", "read as one column"),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', "ends within a quote that was opened in the row at line 3"),
        ('a,b\n"1,2\n3,4', "row at line 2"),
        ("a b c\n1 2 3\n4 5 6\n", "read as one column"),
        (b"a,b\n1,\x00\n", "zero bytes"),
        (b"a,b\n1,\x81\xff\n2,3\n", "neither UTF-8 nor Windows-1252"),
        ('a,b\n1,"' + "x" * 200_000, "line 2 .* quote"),
        (b"\xef\xbb\xbfa,b\n\xff,2\n", "no utf-8-sig"),
    ],
)
def test_bad_text_is_refused(text: str | bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        cells(read(put(tmp_path, text)))


def test_a_mark_in_one_column_is_no_delimiter(tmp_path: Path) -> None:
    assert read(put(tmp_path, "item #\n#1\n#2\n")).names == ("item #",)


def test_a_wrong_delimiter_is_told(tmp_path: Path) -> None:
    path = put(tmp_path, "a,b\n1,2\n3,4\n")
    assert len(read(path, ",").names) == 2
    with pytest.raises(DataError, match="read as one column, 'a,b'"):
        read(path, ";")


def test_paths_that_are_no_tables(tmp_path: Path) -> None:
    put(tmp_path, TEXT, "adult.csv")
    for name, said in {
        "adlt.csv": "there is no file .* did you mean 'adult.csv'",
        "x" * 5000: "there is no file",
        ".": "a folder",
        "a.png": "not a table, by its name",
    }.items():
        (tmp_path / "a.png").write_bytes(b"x")
        assert recognises(str(tmp_path / name)) == name.endswith(".csv")
        with pytest.raises(DataError, match=said):
            read(tmp_path / name)
    with pytest.raises(DataError, match="int, which is not a table"):
        read(3)


def test_damaged_and_crowded_archives(tmp_path: Path) -> None:
    whole = gzip.compress(TEXT.encode() * 100)
    with pytest.raises(DataError, match="cannot be read"):
        read(put(tmp_path, whole[: len(whole) // 2], "a.csv.gz"))
    for path, inside in ((tmp_path / "two.zip", ["a.csv", "b.csv"]), (tmp_path / "none.zip", ["a.png"])):
        with zipfile.ZipFile(path, "w") as archive:
            for name in inside:
                archive.writestr(name, TEXT)
        assert not recognises(str(path))
        with pytest.raises(DataError, match=r"holds (2 tables|no table)"):
            read(path)


FRAME = pd.DataFrame(
    {
        "i": [1, 2],
        "f": [1.0, np.nan],
        "small": np.array([0.1, 2], np.float32),
        "b": [True, False],
        "when": pd.to_datetime(["2020-01-01 00:00:00", "2020-01-02 03:04:05"]),
        "zone": pd.to_datetime(["2020-01-01", None]).tz_localize("UTC"),
        "s": ["x", None],
        "day": [date(2020, 1, 1), None],
        "exact": [Decimal("1.50"), Decimal("2.25")],
    }
)
FRAME_CELLS = [
    ["1", "1.0", "0.1", "True", "2020-01-01 00:00:00", "2020-01-01 00:00:00+00:00", "x", "2020-01-01", "1.50"],
    ["2", "", "2.0", "False", "2020-01-02 03:04:05", "", "", "", "2.25"],
]


class Polars:
    """What a polars frame is to this reader."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def to_arrow(self) -> Any:
        return pytest.importorskip("pyarrow").Table.from_pandas(self.frame)


def test_frames_of_every_kind_are_the_same_cells(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    FRAME.to_parquet(tmp_path / "a.parquet")
    FRAME.to_feather(tmp_path / "a.feather")
    with arrow.OSFile(str(tmp_path / "a.arrow"), "wb") as file, arrow.ipc.new_stream(file, arrow.Schema.from_pandas(FRAME)) as stream:
        stream.write(arrow.Table.from_pandas(FRAME))
    files = [tmp_path / name for name in ("a.parquet", "a.feather", "a.arrow")]
    assert all(recognises(str(path)) for path in files)
    for source in (FRAME, *files, Polars(FRAME), arrow.Table.from_pandas(FRAME)):
        table = read(source)
        assert table.names == tuple(FRAME.columns)
        assert cells(table) == FRAME_CELLS


def test_frames_are_told_apart_by_what_they_hold() -> None:
    assert read(FRAME).identity == read(FRAME.copy()).identity != read(FRAME.assign(i=[1, 3])).identity


def test_coded_columns_of_arrow_may_have_any_codes() -> None:
    arrow = pytest.importorskip("pyarrow")
    for kind in (arrow.uint32(), arrow.int8()):  # polars codes in unsigned numbers
        coded = arrow.DictionaryArray.from_arrays(arrow.array([1, None, 1], kind), arrow.array(["unused", "x"]))
        assert cells(read(arrow.table({"a": coded}))) == [["x"], [""], ["x"]]


def test_lists_in_a_frame_are_text() -> None:
    assert cells(read(pd.DataFrame({"a": [[1], None], 3: [1, 1]}))) == [["[1]", "1"], ["", "1"]]


def test_frames_without_anything() -> None:
    with pytest.raises(DataError, match="no columns"):
        read(pd.DataFrame())
    for rows in (0, 1):
        with pytest.raises(DataError, match="at least 2"):
            infer(read(pd.DataFrame({"a": [1] * rows})))


@pytest.mark.parametrize("stream", [False, True])
def test_an_arrow_file_that_points_outside_itself_is_told(stream: bool, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({"x": ["a", "b", "c"] * 20})
    path = tmp_path / "a.arrow"
    with (arrow.ipc.new_stream if stream else arrow.ipc.new_file)(str(path), table.schema) as file:
        file.write_table(table)
    starts = np.arange(61, dtype="<i4").tobytes()  # of the cells, a letter each
    assert len(infer(read(path))[0].columns) == 1
    path.write_bytes(path.read_bytes().replace(starts, starts[:40] + np.int32(1 << 30).tobytes() + starts[44:]))
    with pytest.raises(DataError, match="cannot be read as an Arrow file"):
        infer(read(path))


def test_a_name_of_an_arrow_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    path = tmp_path / "a.feather"
    with arrow.ipc.new_file(str(path), arrow.schema({"naïve": arrow.int64()})) as file:
        file.write_table(arrow.table({"naïve": [1, 2]}))
    path.write_bytes(path.read_bytes().replace("ï".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match="cannot be read as an Arrow file"):
        read(path)


def test_a_zip_whose_names_are_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("naïve.csv", "a,b\n1,2\n3,4\n")
    path.write_bytes(path.read_bytes().replace("ï".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match="Download or pack it again"):
        read(path)


def test_damaged_parquet_and_missing_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    for name in ("a.parquet", "a.feather"):
        with pytest.raises(DataError, match="cannot be read as"):
            read(put(tmp_path, "nonsense", name))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    for name in ("a.parquet", "a.feather"):
        with pytest.raises(MissingExtra, match="parquet"):
            read(tmp_path / name)
