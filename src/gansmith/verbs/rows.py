"""Rows of a table, drawn or filled in, as a file that a spreadsheet opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import nn

from gansmith.artefact import CHUNK, Generator, Label
from gansmith.domains.table import TableCodec
from gansmith.domains.table.inference_convert import convert, read_words
from gansmith.domains.table.inference_tally import is_gap, is_marker
from gansmith.domains.table.reading import Cells, Piece, Table, read
from gansmith.domains.table.schema import Column
from gansmith.errors import ConfigError, DataError, MissingExtra
from gansmith.runs import replacing, write_json
from gansmith.verbs.place import free, new_folder
from gansmith.verbs.run import load

if TYPE_CHECKING:
    from pandas import DataFrame

FILES = (".csv", ".parquet")
OTHERS = (
    *(".tsv", ".txt", ".feather", ".arrow", ".json", ".jsonl", ".xls", ".xlsx"),
    *(".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz"),
    *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"),
    *(".npy", ".npz"),
)  # no folder's name ends so
PICTURED = 2_000  # rows on a picture at most

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Manner:
    """How a text file is written: what stands between its cells, the names in its first line where they are not those of the columns, and
    whether it begins with a byte order mark."""

    delimiter: str = ","
    header: tuple[str, ...] = ()
    bom: bool = False


def draw(
    source: Generator,
    count: int,
    target: Path,
    *,
    label: Label | None,
    where: str | Sequence[str],
    balance: str | None,
    seed: int,
    truncation: float,
    grid: bool,
    about: dict[str, Any],
    progress: Progress,
) -> None:
    """`count` rows into `target`: a path ending in .csv or .parquet, or a folder that gets rows.csv, manifest.json and maybe grid.png.

    ConfigError, before a file is made, where a condition is unknown or no row can meet it.
    """
    codec, kind = cast(TableCodec, source.codec), target.suffix.lower()
    if kind in OTHERS:
        raise ConfigError(f"rows cannot be written as {kind}. Give a folder, or a path ending in {' or '.join(FILES)}.")

    def chunk(start: int, size: int) -> np.ndarray:
        return source.sample(size, label=label, where=where, balance=balance, seed=seed, truncation=truncation, start=start).raw

    def write(file: Path, picture: Path) -> None:
        starts = range(0, count, CHUNK)
        as_kind = codec.frame if file.suffix.lower() == ".parquet" else codec.cells
        frames = (as_kind(chunk(start, min(CHUNK, count - start)), start) for start in starts)
        _write(file, frames, count, progress, Manner(codec.schema.delimiter))
        if grid:
            drawn = codec.picture(chunk(0, min(count, PICTURED)))
            with replacing(picture) as temporary:
                drawn.save(temporary, "PNG")

    chunk(0, 1)
    if kind in FILES:
        write(target, target.with_suffix(".png"))
        return
    asked = {"label": label, "where": [where] if isinstance(where, str) else list(where), "balance": balance}
    with new_folder(target) as folder:
        write(folder / "rows.csv", folder / "grid.png")
        write_json(folder / "manifest.json", {**about, **{k: v for k, v in asked.items() if v}, "samples": [{"file": "rows.csv"}]})


def impute(
    run: str | Path,
    data: Any,
    *,
    out: str | Path = "filled.csv",
    seed: int = 0,
    generator: nn.Module | None = None,
    progress: Progress = lambda done, all: None,
) -> Path:
    """Fill in the missing cells of a table with columns like those a run was trained on, each drawn given what is there in its row.

    `data` is a path, or a pandas, polars or pyarrow table. Missing is what is empty or marked so (NA, ? …). All else stays as it is, also
    what the run does not know: other columns, new levels, numbers and dates in another form; and ids and free text, missing or not.
    Row i depends on (seed, i) and on itself. The result is a path ending in .csv, with the delimiter and the first line of the file read,
    or in .parquet. ConfigError, DataError, RunError as usual.
    """
    source, target = load(run, generator), free(out)
    if not source.card.layout.given:
        raise ConfigError(f"{run} does not make rows of a table, so it cannot fill in cells.")
    if target.suffix.lower() not in FILES:
        raise ConfigError(f"{out} is not the path of a table; give a path ending in {' or '.join(FILES)}.")
    table = read(data)
    pieces = list(table.pieces())
    if not pieces:
        raise DataError(f"{table.where} has no rows, so there is nothing to fill in.")
    frames = _filled(source, table, pieces, seed, typed=target.suffix.lower() == ".parquet")
    manner = Manner(table.delimiter, table.header, table.bom)
    _write(target, frames, sum(len(piece[0].codes) for piece in pieces), progress, manner)
    return Path(out)


def _filled(source: Generator, table: Table, pieces: Sequence[Piece], seed: int, typed: bool) -> Iterator[DataFrame]:
    """The rows with nothing missing, in the columns of the file: as texts, or as far as they can be of their own types."""
    import pandas

    codec = cast(TableCodec, source.codec)
    columns = {table.names.index(c.name): (m, c) for m, c in enumerate(codec.schema.columns) if c.name in table.names}
    known = {p: m for p, (m, c) in columns.items() if c.learned and not any(_news(piece[p], c) for piece in pieces)}
    start = 0
    for piece in pieces:
        raw = convert(replace(table, pieces=lambda piece=piece: iter([piece])), codec.schema)  # type: ignore[misc]
        there = {place: _there(piece[place].words, column)[piece[place].codes] for place, (_, column) in columns.items()}
        for part in (slice(i, i + CHUNK) for i in range(0, len(raw), CHUNK)):
            made = source.fill(raw[part], seed=seed, start=start)
            words, values = codec.cells(made, start), codec.frame(made, start) if typed else None
            found: dict[int, Any] = {}
            for place, cells in enumerate(piece):
                if values is not None and place in known:
                    found[place] = values.iloc[:, known[place]]
                    continue
                found[place] = np.asarray(cells.words, object)[cells.codes[part]]
                if place in columns:
                    found[place] = np.where(there[place][part], found[place], words.iloc[:, columns[place][0]])
            frame = pandas.DataFrame(found)
            frame.columns = pandas.Index(table.names)
            yield frame
            start += len(made)


def _there(words: Sequence[str], column: Column) -> np.ndarray:
    """Which words [k] of a column stay as they are: those that are read, and all that are no mark of a missing value. What may be an
    answer (none, -) is a mark of a category where it was one in training alone."""
    if column.kind in ("id", "text"):
        return np.ones(len(words), bool)
    read = ~np.isnan(read_words(words, column)) & column.learned
    levels = column.kind in ("category", "boolean")
    return read | np.asarray([not is_marker(w) or (levels and w != column.blank and not is_gap(w)) for w in words], bool)


def _news(cells: Cells, column: Column) -> bool:
    """Whether words stay that are no values of the column, so that it has them as texts alone."""
    there = _there(cells.words, column)
    if not column.numeric:
        return bool(set(np.asarray(cells.words, object)[there]) - set(column.levels))
    values = read_words(cells.words, column)[there]
    return bool(np.isnan(values).any() or (column.step is not None and column.step >= 1 and (values % 1).any()))


def _write(file: Path, frames: Iterator[DataFrame], total: int, progress: Progress, manner: Manner) -> None:
    """All frames one behind the other into one file, which is whole or not there."""
    done = 0
    with replacing(file) as temporary, SINKS[file.suffix.lower()](temporary, manner) as add:
        for frame in frames:
            add(frame)
            done += len(frame)
            progress(done, total)


@contextmanager
def _csv(path: Path, manner: Manner) -> Iterator[Callable[[DataFrame], None]]:
    with path.open("w", encoding="utf-8-sig" if manner.bom else "utf-8", newline="") as out:

        def add(frame: DataFrame) -> None:
            first: Any = not out.tell() and (list(manner.header) or True)
            frame.to_csv(out, sep=manner.delimiter, index=False, header=first, lineterminator="\n")

        yield add


@contextmanager
def _parquet(path: Path, manner: Manner) -> Iterator[Callable[[DataFrame], None]]:
    """All of the types of the first frame; a column that is empty there is of texts."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("Writing parquet", "parquet") from None
    writer: Any = None
    try:

        def add(frame: DataFrame) -> None:
            nonlocal writer
            if writer is None:
                fields = pa.Table.from_pandas(frame, preserve_index=False).schema
                empty = [i for i, kind in enumerate(fields.types) if pa.types.is_null(kind)]
                for i in empty:
                    fields = fields.set(i, fields.field(i).with_type(pa.string()))
                writer = parquet.ParquetWriter(path, fields)
            writer.write_table(pa.Table.from_pandas(frame, writer.schema, preserve_index=False))

        yield add
    finally:
        if writer is not None:
            writer.close()


SINKS: Mapping[str, Any] = {".csv": _csv, ".parquet": _parquet}
