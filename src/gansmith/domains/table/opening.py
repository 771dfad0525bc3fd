"""A table as a collection: read, recognised and kept in the cache as raw numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gansmith.config import DataSettings
from gansmith.data.store import Collection, RowWriter, cached, digest_rows, key_of, write
from gansmith.domains.table import facts
from gansmith.domains.table.codec import TableCodec
from gansmith.domains.table.columns import FEW_CLASSES, are_classes
from gansmith.domains.table.fitting import grids
from gansmith.domains.table.inference import infer
from gansmith.domains.table.inference_convert import convert, converted, write_words
from gansmith.domains.table.reading import Table, read
from gansmith.domains.table.schema import UNKNOWN, Schema
from gansmith.errors import DataError

Progress = Callable[[int, int], None]

FORMAT = 5  # of what is kept in the cache; a change of any rule of recognising or converting raises it


def open_table(source: Any, settings: DataSettings, progress: Progress | None = None) -> Collection:
    """The collection of a path or a frame, under the key of its contents and of what was said of its columns."""
    _refuse_what_has_no_meaning(settings)
    table = read(source)
    overrides = asked(settings)
    key = key_of(FORMAT, "table", list(table.identity), overrides, settings.labels)

    def make(folder: Path) -> None:
        try:
            build(table, overrides, settings.labels != "none", folder, progress)
        except OSError as error:
            raise DataError(f"{table.where} could not be read to its end ({error.strerror or error}). Check the file.") from error

    return cached(key, make)


def rows_of(source: Any, schema: Schema) -> np.ndarray:
    """raw [N, M] of another table whose columns are those of a schema, in whatever order; a level that the schema lacks is missing."""
    return convert(read(source), schema)


def asked(settings: DataSettings) -> dict[str, Any]:
    """What the settings say of columns, as `inference.infer` takes it. DataError where the schema's file cannot be read."""
    overrides: dict[str, Any] = {}
    if settings.table_schema is not None:
        try:
            overrides = json.loads(Path(settings.table_schema).expanduser().read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise DataError(
                f"the schema {settings.table_schema} cannot be read ({said}). Give a JSON file as shown in docs/tables.md."
            ) from error
        if not isinstance(overrides, dict):
            raise DataError(f'the schema {settings.table_schema} holds no columns; {{"columns": [{{"name": …, "kind": …}}]}} was expected.')
    return {**overrides, "target": settings.target} if settings.target is not None else overrides


def build(table: Table, overrides: Mapping[str, Any], labelled: bool, folder: Path, progress: Progress | None = None) -> None:
    """Write a complete entry of the cache into `folder`."""
    schema, noticed = infer(table, overrides)
    done = 0
    with RowWriter(folder / "raw.npy", (len(schema.columns),), np.float64) as writer:
        for piece in converted(table, schema):
            writer.append(piece)
            done += len(piece)
            if progress:
                progress(done, done)  # how many there are is known at the end
    raw = np.load(folder / "raw.npy", mmap_mode="r", allow_pickle=False)
    digests = digest_rows(raw)
    codec = TableCodec.fit(raw, schema)
    codec.allowed()  # what was declared and no row can satisfy is told before anything is trained
    labels, classes = labels_of(raw, schema) if labelled and _has_classes(raw, schema) else (None, ())
    counts = np.bincount(labels, minlength=len(classes)) if labels is not None else np.zeros(0, np.int64)
    known = facts.facts(table.kind, raw, schema, digests)
    about = {
        **known,
        "classes": {name: int(n) for name, n in zip(classes, counts, strict=True)},
        "imbalance": float(counts.max() / counts[counts > 0].min()) if len(counts) else None,
        "total_variance": total_variance(codec),
    }
    write(folder, digests, labels, classes, [*noticed, *facts.findings(known), *codec.findings], about)


def _has_classes(raw: np.ndarray, schema: Schema) -> bool:
    """Whether a codec of these rows, or of half of them, keeps the values of the target as levels."""
    if schema.target is None or not schema[schema.target].numeric:
        return schema.target is not None
    values = raw[:, schema.place(schema.target)]
    there = values[~np.isnan(values)]
    return are_classes(len(np.unique(there)), len(there) // 2)


def labels_of(raw: np.ndarray, schema: Schema) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Classes of the rows [N] int64 by the target, and their names: its levels, or its values where they are few numbers. (None, ()) where
    there is no target, or one of many values."""
    if schema.target is None:
        return None, ()
    column, values = schema[schema.target], np.asarray(raw[:, schema.place(schema.target)])
    empty = np.isnan(values)
    if column.numeric:
        values = grids(schema)[schema.place(column.name)].snap(values)  # what a declared range moves to its ends is made as that
        known = np.unique(values[~empty])
        if len(known) > FEW_CLASSES:
            return None, ()
        names = tuple(write_words(known, column))
        labels = np.searchsorted(known, np.where(empty, 0.0, values))
    else:
        names = column.levels
        labels = np.where(empty, 0.0, values).astype(np.int64)
    return np.where(empty, len(names), labels).astype(np.int64), (*names, UNKNOWN) if empty.any() else names


def total_variance(codec: TableCodec) -> float:
    """Of the encoded rows, summed over their channels: p (1 - p) of each choice, and what a position varies."""
    return sum(
        sum(p * (1 - p) for p in block.shares) if block.kind == "onehot" else block.spread**2 * block.size for block in codec.layout.blocks
    )


def _refuse_what_has_no_meaning(settings: DataSettings) -> None:
    given = {"data.size": settings.size, "data.channels": settings.channels}
    for name, value in given.items():
        if value is not None:
            raise DataError(f"{name} does not apply to a table. Leave it out.")
    if settings.labels not in (None, "none"):
        raise DataError("data.labels does not apply to a table: name the column to predict as data.target, or leave it out.")
