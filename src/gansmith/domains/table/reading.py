"""Tables from files and frames, a piece at a time and as often as wanted, each cell as the text that stands in it.

Nothing is interpreted here: "NA", "007" and "1,234" come through as written, and the schema alone decides what they mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gansmith.domains.table import reading_text
from gansmith.domains.table.reading_text import BOMS
from gansmith.errors import DataError, MissingExtra, nearest
from gansmith.records import Finding

PIECE_CELLS = 1_000_000  # held in memory at a time
TEXT, ARROW, PARQUET = (".csv", ".tsv", ".txt"), (".feather", ".arrow"), (".parquet",)
KINDS = "a .csv, .tsv or .txt file (also .gz, .zip, .bz2 or .xz), .parquet, .feather or .arrow"


@dataclass(frozen=True)
class Cells:
    """A column of a piece: cell i is `words[codes[i]]`. Codes int64 [n]; words differ, and each stands in some cell."""

    codes: np.ndarray
    words: list[str]

    def counts(self) -> list[int]:
        """How many cells each word stands in."""
        return np.bincount(self.codes, minlength=len(self.words)).tolist()


Piece = tuple[Cells, ...]  # a cell column for each column of the table, all of one length


@dataclass(frozen=True)
class Table:
    """A table as it was found.

    where     what to call it in a sentence
    kind      "csv", "parquet", "arrow" or "frame"
    pieces    walks the rows in order, some thousand at a time
    identity  JSON-able; changes whenever the contents may have
    delimiter, header, bom  of a text file: between its cells, the names as they stand in it, and whether it begins with a byte order mark
    """

    where: str
    kind: str
    names: tuple[str, ...]
    pieces: Callable[[], Iterator[Piece]]
    identity: tuple[Any, ...]
    findings: tuple[Finding, ...] = ()
    delimiter: str = ","
    header: tuple[str, ...] = ()
    bom: bool = False


def recognises(source: str) -> bool:
    """Whether a path looks like a table's, by its name, there or not, and, of a zip, by what is inside. Never raises."""
    try:
        path = Path(source).expanduser()
        return not path.is_dir() and _kind(path) != "" and (path.suffix.lower() != ".zip" or reading_text.holds_table(path))
    except Exception:  # whatever is wrong with it, `read` says so in words
        return False


def read(source: Any, delimiter: str | None = None) -> Table:
    """A path, or a pandas, polars or pyarrow table, as text cells. Nothing but the beginning is looked at for its meaning.

    `delimiter`: between the cells of a text file; None finds it. DataError where there is no such file, or none that can be read.
    """
    if isinstance(source, str | Path):
        return _file(Path(source), delimiter)
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return _pandas(source)
    if hasattr(source, "to_batches"):
        return _arrow_table(source)
    for way, onward in (("to_arrow", _arrow_table), ("to_pandas", _pandas)):
        if hasattr(source, way):
            try:
                return onward(getattr(source, way)())
            except ImportError:
                raise MissingExtra(f"Reading a {type(source).__module__.partition('.')[0]} frame", "parquet") from None
    raise DataError(f"found {type(source).__name__}, which is not a table. Give {KINDS}, or a pandas or polars frame.")


def renamed(names: Sequence[Any]) -> tuple[tuple[str, ...], list[Finding]]:
    """Names that differ and are not empty: a second "a" becomes "a.2", an empty name "column 3"."""
    wanted = [str(name).strip() for name in names]
    found: dict[str, None] = {}  # a set in order: a table may have very many columns
    known = set(wanted)
    changes: dict[str, str] = {}
    for place, name in enumerate(wanted, 1):
        base = name or f"column {place}"
        new, turn = base, 1
        while new in found or (new != name and new in known):
            turn += 1
            new = f"{base}.{turn}"
        if new != name:
            changes[f"{name!r} at place {place}"] = new
        found[new] = None
    if not changes:
        return tuple(found), []
    told = "; ".join(f"{old} is called {new!r}" for old, new in list(changes.items())[:5])
    message = f"{len(changes)} column names are empty or occur twice: {told}."
    return tuple(found), [Finding("T102", "warning", message, "Give every column a different name.", {"renamed": list(changes.values())})]


# --- files ---------------------------------------------------------------------------------------------------------------


def _file(path: Path, delimiter: str | None) -> Table:
    try:
        path = path.expanduser()
        there, folder = path.exists(), path.is_dir()
    except (OSError, RuntimeError, ValueError):  # a name too long for any file, or ~name where there is no such user
        there, folder = False, False
    if not there:
        raise DataError(f"there is no file {str(path)!r}{_sibling(path)}")
    kind = _kind(path)
    if folder or not kind:
        raise DataError(f"{path} is {'a folder' if folder else 'not a table, by its name'}. Give {KINDS}.")
    about = path.stat()
    identity = (str(path.resolve()), about.st_size, about.st_mtime_ns, delimiter)
    if not about.st_size:
        raise DataError(f"{path} is empty. A table needs a line of column names and a line for each row.")
    if kind == "parquet":
        return _parquet(path, identity)
    if kind == "arrow":
        return _arrow_file(path, identity)
    return _text(path, delimiter, identity)


def _kind(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in reading_text.PACKED:
        return "csv" if suffixes[-1] == ".zip" or (suffixes[-2:-1] and suffixes[-2] in TEXT) else ""
    ending = suffixes[-1] if suffixes else ""
    return "csv" if ending in TEXT else "parquet" if ending in PARQUET else "arrow" if ending in ARROW else ""


def _text(path: Path, delimiter: str | None, identity: tuple[Any, ...]) -> Table:
    found = reading_text.look(path, delimiter)
    names, notes = renamed(found.header)
    rows = max(1000, PIECE_CELLS // len(names))

    def pieces() -> Iterator[Piece]:
        import pandas

        for block in reading_text.blocks(found, rows):
            coded = (pandas.factorize(_objects(column)) for column in zip(*block, strict=True))
            yield tuple(Cells(codes.astype(np.int64), words.tolist()) for codes, words in coded)

    findings = (*found.findings, *notes)
    return Table(str(path), "csv", names, pieces, identity, findings, found.delimiter, found.header, found.encoding in BOMS.values())


def _parquet(path: Path, identity: tuple[Any, ...]) -> Table:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtra("Reading parquet", "parquet") from None
    with _damage(path, "parquet"):
        columns = parquet.read_schema(path).names
    names, notes = renamed(columns)

    def pieces() -> Iterator[Piece]:
        with _damage(path, "parquet"), parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_rows(names)):
                yield tuple(_arrow_cells(column) for column in batch.columns)

    return Table(str(path), "parquet", _some(names, str(path)), pieces, identity, tuple(notes))


def _arrow_file(path: Path, identity: tuple[Any, ...]) -> Table:
    try:
        import pyarrow as arrow
    except ImportError:
        raise MissingExtra(f"Reading {path.suffix}", "parquet") from None

    def batches() -> Iterator[Any]:
        with _damage(path, "an Arrow file"), arrow.memory_map(str(path)) as file:
            try:
                whole = arrow.ipc.open_file(file)
            except arrow.ArrowInvalid:  # written as a stream
                file.seek(0)
                yield from map(_whole, arrow.ipc.open_stream(file))
            else:
                yield from (_whole(whole.get_batch(i)) for i in range(whole.num_record_batches))

    with _damage(path, "an Arrow file"):
        first = next(batches(), None)
        columns = first.schema.names if first is not None else []
    if first is None:
        raise DataError(f"{path} has no rows. A table needs at least 2.")
    names, notes = renamed(columns)
    return Table(str(path), "arrow", _some(names, str(path)), lambda: _arrow_pieces(batches()), identity, tuple(notes))


# --- frames --------------------------------------------------------------------------------------------------------------


def _arrow_table(table: Any) -> Table:
    names, notes = renamed(table.column_names)
    names = _some(names, "the frame")

    def pieces() -> Iterator[Piece]:
        return _arrow_pieces(table.to_batches(max_chunksize=_rows(names)))

    return Table("the frame", "frame", names, pieces, _digest(names, pieces), tuple(notes))


def _pandas(frame: Any) -> Table:
    names, notes = renamed([" ".join(map(str, name)) if isinstance(name, tuple) else name for name in frame.columns])
    step = _rows(_some(names, "the frame"))

    def pieces() -> Iterator[Piece]:
        for start in range(0, len(frame), step):
            part = frame.iloc[start : start + step]
            yield tuple(_coded(part.iloc[:, place].array) for place in range(len(names)))

    return Table("the frame", "frame", names, pieces, _digest(names, pieces), tuple(notes))


def _whole(batch: Any) -> Any:
    """A batch from a file, looked through: one that is damaged would end the process and not raise."""
    batch.validate(full=True)
    return batch


def _arrow_pieces(batches: Iterator[Any]) -> Iterator[Piece]:
    for batch in batches:
        step = _rows(batch.schema.names)
        for start in range(0, batch.num_rows, step):
            yield tuple(_arrow_cells(column) for column in batch.slice(start, step).columns)


def _arrow_cells(column: Any) -> Cells:
    import pyarrow as arrow

    try:
        coded = column if arrow.types.is_dictionary(column.type) else column.dictionary_encode()
    except arrow.ArrowNotImplementedError:  # lists, structs and other kinds that have no dictionary
        return _coded(_objects(column.to_pylist()))
    exact = arrow.types.is_float32(coded.dictionary.type) or arrow.types.is_float16(coded.dictionary.type)
    words = coded.dictionary.to_numpy(zero_copy_only=False) if exact else coded.dictionary.to_pylist()
    return _worded(coded.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False), words)


def _coded(values: Any) -> Cells:
    """Values of any kind, None and NaN among them, as text cells."""
    import pandas

    try:
        codes, words = pandas.factorize(values)
    except TypeError:  # lists and other values without a hash
        codes, words = pandas.factorize(_objects([None if v is None else str(v) for v in values]))
    return _worded(codes, words)


def _worded(codes: np.ndarray, values: Any) -> Cells:
    """Codes into values, -1 where there is none, as text cells: values that are written alike become one word, and a missing one ""."""
    words = [*map(_word, values), ""]
    places = {word: place for place, word in enumerate(dict.fromkeys(words))}
    codes = np.asarray([places[word] for word in words], np.int64)[codes]
    used = np.bincount(codes, minlength=len(places)) > 0  # a dictionary may hold values that no cell has
    return Cells((np.cumsum(used) - 1)[codes], [word for word, u in zip(places, used, strict=True) if u])


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(sep=" ") if value == value else ""  # NaT is a datetime that equals nothing
    if isinstance(value, date):
        return value.isoformat()
    if value is None or value != value:
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _objects(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _rows(names: Sequence[str]) -> int:
    return max(1000, PIECE_CELLS // max(1, len(names)))


def _some(names: tuple[str, ...], where: str) -> tuple[str, ...]:
    if not names:
        raise DataError(f"{where} has no columns. A table needs at least one, and 2 rows.")
    return names


def _digest(names: Sequence[str], pieces: Callable[[], Iterator[Piece]]) -> tuple[str]:
    state = hashlib.blake2b("\0".join(names).encode(errors="replace"), digest_size=16)
    for piece in pieces():
        for cells in piece:
            state.update(cells.codes.astype("<i8").tobytes())
            state.update("\0".join(cells.words).encode(errors="replace"))
    return (state.hexdigest(),)


class _damage:
    """Whatever pyarrow raises over a damaged file, as one sentence."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, DataError):
            said = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(f"{self.path} cannot be read as {self.kind} ({said}). Download or save it again.") from error


def _sibling(path: Path) -> str:
    """The rest of a sentence about a path that does not exist: the nearest name beside it."""
    try:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except (OSError, ValueError):
        beside = []
    near = nearest(path.name, beside)
    return f"; {near}" if near.startswith("did you mean") else f". Give {KINDS}."
