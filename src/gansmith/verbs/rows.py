"""Rows of a table, drawn or filled in, as a file that a spreadsheet opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from gansmith.artefact import BLOCK, Generator, Label
from gansmith.domains.domain import ChoiceCodec
from gansmith.errors import ConfigError, MissingExtra, storage_error
from gansmith.runs import replacing, write_json
from gansmith.verbs.place import free, new_folder
from gansmith.verbs.run import load

CHUNK = 16 * BLOCK  # rows drawn and written at a time: what is held in memory does not grow with the count
FILES = (".csv", ".parquet")
PICTURED = 2_000  # rows on a picture at most

Progress = Callable[[int, int], None]


def draw(
    source: Generator,
    count: int,
    target: Path,
    *,
    label: Label | None,
    where: Sequence[str],
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

    def chunk(start: int, size: int) -> np.ndarray:
        return source.sample(size, label=label, where=where, balance=balance, seed=seed, truncation=truncation, start=start).raw

    chunk(0, 1)
    pieces = (chunk(start, min(CHUNK, count - start)) for start in range(0, count, CHUNK))

    def write(file: Path, picture: Path) -> None:
        _write(file, cast(ChoiceCodec, source.codec), pieces, count, progress)
        if grid:
            drawn = source.codec.picture(chunk(0, min(count, PICTURED)))
            with replacing(picture) as temporary:
                drawn.save(temporary, "PNG")

    if target.suffix in FILES:
        write(target, target.with_suffix(".png"))
        return
    asked = {"label": label, "where": list(where), "balance": balance}
    with new_folder(target) as folder:
        write(folder / "rows.csv", folder / "grid.png")
        write_json(folder / "manifest.json", {**about, **{k: v for k, v in asked.items() if v}, "samples": [{"file": "rows.csv"}]})


def impute(
    run: str | Path,
    data: str | Path,
    *,
    out: str | Path = "filled.csv",
    seed: int = 0,
    generator: nn.Module | None = None,
    progress: Progress = lambda done, all: None,
) -> Path:
    """Fill in the missing cells of a table with columns like those a run was trained on, each drawn given what is there in its row.

    Nothing that is there is changed, but that columns which are not learned are written as `sample` writes them. Row i depends on (seed, i)
    and on itself. The result is a path ending in .csv or .parquet. ConfigError, DataError, RunError as usual.
    """
    source, target = load(run, generator), free(out)
    if not source.card.layout.given:
        raise ConfigError(f"{run} makes no rows of a table, so there is nothing it can fill in.")
    if target.suffix not in FILES:
        raise ConfigError(f"{out} names no table; give a path ending in {' or '.join(FILES)}.")
    codec = cast(ChoiceCodec, source.codec)
    raw = codec.read(str(data))
    pieces = (source.fill(raw[start : start + CHUNK], seed=seed, start=start) for start in range(0, len(raw), CHUNK))
    _write(target, codec, pieces, len(raw), progress)
    return Path(out)


def _write(file: Path, codec: ChoiceCodec, pieces: Iterator[np.ndarray], total: int, progress: Progress) -> None:
    """All pieces of native rows [n, M] into one file, which is whole or not there."""
    done = 0
    with replacing(file) as temporary, _sink(temporary, file.suffix, codec) as add:
        for raw in pieces:
            add(raw, done)
            done += len(raw)
            progress(done, total)


@contextmanager
def _sink(path: Path, suffix: str, codec: ChoiceCodec) -> Iterator[Callable[[np.ndarray, int], None]]:
    """add(raw, start) writes native rows that begin at number `start` behind those already there."""
    if suffix == ".parquet":
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise MissingExtra("writing parquet", "parquet") from None
        first = pa.Table.from_pandas(codec.frame(np.empty((0, len(codec.names)))), preserve_index=False)
        with parquet.ParquetWriter(path, first.schema) as writer:

            def add(raw: np.ndarray, start: int) -> None:
                writer.write_table(pa.Table.from_pandas(codec.frame(raw, start), first.schema, preserve_index=False))

            yield add
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as out:

            def add(raw: np.ndarray, start: int) -> None:
                codec.cells(raw, start).to_csv(out, index=False, header=start == 0, lineterminator="\n")

            yield add
    except OSError as error:
        raise storage_error(error, path) from error
