"""Text files of rows: how they are packed, encoded and delimited is found out; what is ragged is refused by the number of its line."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import IO

from gansmith.errors import DataError
from gansmith.records import Finding

PACKED = (".gz", ".bz2", ".xz", ".zip")
INNER = (".csv", ".tsv", ".txt")  # what counts as a table inside a zip
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
OTHER_DELIMITERS = ":^~ \x1f#!&@$%*=\\"
_TOLD = re.compile(r'"?sep=(?P<mark>.)"?(?:\r?\n|\r|$)')  # the delimiter, as a spreadsheet is told it by a first line
END = "\x03\x04"  # put behind the last line: what is quoted there was never closed
SAMPLE = 1 << 18  # characters in which the delimiter is looked for
SAMPLE_ROWS = 500
DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError)
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"} | {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # UTF-32 before UTF-16, whose mark it begins with


@dataclass(frozen=True)
class Text:
    """How a text file is written. `spaced`: a blank stands behind each delimiter and belongs to no cell; `skipped`: lines above the column
    names that are none of the table."""

    path: Path
    encoding: str
    delimiter: str
    spaced: bool
    header: tuple[str, ...]
    findings: tuple[Finding, ...]
    skipped: int = 0


def look(path: Path, delimiter: str | None = None) -> Text:
    """Find out how a file is written. DataError where it is empty, is no text, or has no rows of cells."""
    encoding, notes = _encoding(path)
    with _opened(path, encoding) as file:
        sample = file.read(SAMPLE)
        whole = not file.read(1)
    if "\0" in sample:
        raise DataError(f"{path} is not text: it contains zero bytes. Save the table as CSV in UTF-8.")
    if not sample.strip():
        raise DataError(f"{path} is empty. A table needs a line of column names and a line for each row.")
    sample = sample if whole else sample[: sample.rfind("\n") + 1] or sample
    told = _TOLD.match(sample)
    sample, skipped = (sample[told.end() :], 1) if told else (sample, 0)
    found = delimiter or (told["mark"] if told else _delimiter(sample))
    rows = _parsed(sample, found)
    header = tuple(rows[0])
    _refuse_title(path, sample, rows, skipped)
    _refuse_other_delimiter(path, rows, found)
    if whole and not any(map(str.strip, sample.splitlines()[1:])):
        raise DataError(f"{path} has a line of column names but no rows ({', '.join(header[:5])}). A table needs at least 2 rows.")
    spaced = len(header) > 1 and all(cell.startswith(" ") for row in rows for cell in row[1:] if cell)
    header = tuple(cell.strip() for cell in header)
    return Text(path, encoding, found, spaced, header, (*notes, *_headless(header)), skipped)


def blocks(text: Text, count: int) -> Iterator[list[list[str]]]:
    """All rows behind the header, so many at a time. DataError names the line of a row that is longer or shorter than the header."""
    with _opened(text.path, text.encoding) as file:
        reader = csv.reader(chain(islice(file, text.skipped, None), [END]), delimiter=text.delimiter, skipinitialspace=text.spaced)
        rows = _even(text, reader)
        try:
            next(rows)
            while block := list(islice(rows, count)):
                yield block
        except csv.Error as error:
            raise DataError(
                f"{text.path} cannot be read at line {text.skipped + reader.line_num:,} ({error}). The usual cause is a quote that "
                "is never closed; close or remove it. A cell of more than 131,072 characters has to be shortened."
            ) from error


def holds_table(path: Path) -> bool:
    """Whether a zip holds one text table."""
    with zipfile.ZipFile(path) as archive:
        return len(_members(archive)) == 1


def _even(text: Text, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    width = len(text.header)
    line, empty = text.skipped, 0
    headed = False
    for row in reader:
        if row == [END]:
            return
        if row and row[-1].endswith(END):
            raise DataError(f"{text.path} ends within a quote that was opened in the row at line {line + 1:,}. Close or remove it.")
        line = text.skipped + reader.line_num  # type: ignore[attr-defined]
        if len(row) != width:
            if not row:  # an empty line; below a single name an empty cell, unless nothing follows
                empty += headed and width == 1
                continue
            cells = f"{len(row)} cell{'s' * (len(row) != 1)}"
            raise DataError(
                f"line {line:,} of {text.path} has {cells}, and the line of column names has {width} (cells are separated by "
                f"{DELIMITERS.get(text.delimiter, repr(text.delimiter))}). Fix that line, or put quotes around cells that contain the "
                "separator."
            )
        yield from ([""] for _ in range(empty))
        yield row
        empty, headed = 0, True


def _parsed(sample: str, delimiter: str) -> list[list[str]]:
    """The first rows of a sample; a row that its end or a stray quote broke is left out."""
    rows = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows or [[sample.splitlines()[0]]]


def _delimiter(sample: str) -> str:
    """The one that cuts most rows into as many cells as the header has; of equals the one that makes more cells."""
    best, most = ",", (0.0, 1)
    for mark in DELIMITERS:
        rows = _parsed(sample, mark)
        width = len(rows[0])
        merit = (sum(len(row) == width for row in rows) / len(rows), width)
        if width > 1 and merit > most:
            best, most = mark, merit
    return best


def _refuse_title(path: Path, sample: str, rows: list[list[str]], skipped: int) -> None:
    """DataError where a first line of one cell, narrower than most, is a title, and a line below it holds the column names."""
    width = len(rows[0])
    even = all(len(row) == width for row in rows)
    if even and width > 1:
        return
    for mark in DELIMITERS:
        cut = _parsed(sample, mark)
        common, count = Counter(map(len, cut)).most_common(1)[0]
        place = next(place for place, row in enumerate(cut) if len(row) == common)
        names, below = cut[place], cut[place + 1 :]
        if common < max(3, len(cut[0]) + 1) or sum(map(bool, map(str.strip, cut[0]))) > 1 or 2 * count <= len(cut):
            continue
        if any(map(_is_number, names)) or not below:  # a row of values
            continue
        if even and any(len(row) != common for row in below):  # one column of texts may have such marks
            continue
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=mark)
        line = skipped + next(reader.line_num for row in reader if row == names)
        raise DataError(
            f"the first line of {path}, {cut[0][0][:60]!r}, looks like a title: it has fewer cells than most others, which have {common}. "
            f"Line {line} seems to hold the column names ({', '.join(names[:3])}); remove the lines above it."
        )


def _refuse_other_delimiter(path: Path, rows: list[list[str]], delimiter: str) -> None:
    """One column whose name and cells hold a mark equally often is a table cut at the wrong mark."""
    if any(len(row) != 1 for row in rows[:50]):
        return
    for mark in [m for m in (*DELIMITERS, *OTHER_DELIMITERS) if m != delimiter]:
        counts = {row[0].count(mark) for row in rows[:50]}
        if all(map(str.strip, rows[0][0].split(mark))) and len(counts) == 1 and counts.pop() >= (2 if mark in " :" else 1):
            raise DataError(
                f"{path} was read as one column, {rows[0][0][:60]!r}, in which {mark!r} occurs equally often in every row. Separate the "
                f"cells by commas, semicolons, tabs or bars{', which are detected automatically' if mark in DELIMITERS else ''}."
            )


def _headless(header: tuple[str, ...]) -> list[Finding]:
    numbers = [name for name in header if _is_number(name)]
    if 3 * len(numbers) < len(header) or not numbers:
        return []
    message = f"{len(numbers)} of {len(header)} column names are numbers ({', '.join(numbers[:3])}): the first line may be a row of values."
    return [Finding("T103", "warning", message, "If it is, put a line of column names above it.", {"names": list(numbers[:20])})]


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _encoding(path: Path) -> tuple[str, list[Finding]]:
    """The encoding by its mark, else UTF-8 where all bytes are such, else Windows-1252."""
    with _unpacked(path) as file:
        start = file.read(4)
    for mark, name in BOMS.items():
        if start.startswith(mark):
            _decode(path, name)
            return name, []
    if _decode(path, "utf-8", refuse=False):
        return "utf-8", []
    _decode(path, "cp1252")
    message = f"{path.name} is not UTF-8 and was read as Windows-1252 (cp1252)."
    return "cp1252", [Finding("T101", "note", message, "Save it as UTF-8 if accented letters look wrong.", {"encoding": "cp1252"})]


def _decode(path: Path, encoding: str, refuse: bool = True) -> bool:
    """Whether every byte is of that encoding; DataError where it must be."""
    decoder, at = codecs.getincrementaldecoder(encoding)(), 0
    with _unpacked(path) as file:
        try:
            while block := file.read(1 << 20):
                decoder.decode(block)
                at += len(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            if not refuse:
                return False
            wanted = "neither UTF-8 nor Windows-1252" if encoding == "cp1252" else f"no {encoding}, which its first bytes say it is"
            raise DataError(f"{path} has bytes near number {at + error.start:,} that are {wanted}. Save it again as UTF-8.") from None
    return True


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    with _unpacked(path) as file, io.TextIOWrapper(file, encoding=encoding, newline="") as text:  # type: ignore[arg-type,type-var,unused-ignore]
        yield text


@contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    ending = path.suffix.lower()
    try:
        if ending == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(_only_member(path, archive)) as member:
                yield member
        else:
            with openers.get(ending, open)(path, "rb") as file:  # type: ignore[operator]
                yield file
    except DAMAGE as error:
        raise DataError(f"{path} cannot be read ({error}). Download or pack it again.") from error


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = _members(archive)
    if len(names) != 1:
        held = f"{len(names)} tables ({', '.join(names[:5])})" if names else "no table"
        raise DataError(f"{path} holds {held}. Give a zip of one .csv, .tsv or .txt file, or unpack it and give one.")
    return names[0]


def _members(archive: zipfile.ZipFile) -> list[str]:
    """The text tables of a zip; what macOS puts beside them does not count."""
    return [n for n in archive.namelist() if n.lower().endswith(INNER) and not PurePosixPath(n).name.startswith((".", "__"))]
