"""Rows as users want them: a CSV file as the original was, or a typed frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gansmith.domains.table.inference_convert import written
from gansmith.domains.table.reading_dates import has_day, names_zone
from gansmith.domains.table.schema import Column, Schema
from gansmith.errors import storage_error

if TYPE_CHECKING:
    from pandas import DataFrame

AT_ONCE = 1 << 20  # cells written at a time


def write(raw: np.ndarray, schema: Schema, path: Path) -> None:
    """Rows raw [N, M] as a CSV file with the columns and the delimiter of the schema, each cell as it would stand in the original; ids are
    counted on. StorageError where it cannot be written."""
    step = max(1, AT_ONCE // max(1, raw.shape[1]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as out:
            for start in range(0, max(1, len(raw)), step):
                rows = written(raw[start : start + step], schema, start)
                rows.to_csv(out, sep=schema.delimiter, index=False, header=start == 0, lineterminator="\n")
    except OSError as error:
        raise storage_error(error, path) from error


def frame(raw: np.ndarray, schema: Schema, start: int = 0) -> DataFrame:
    """Rows raw [N, M] as a pandas frame: whole numbers as Int64, others as float64, levels as categories (true and false as boolean), days
    and times as datetime64, in UTC where the file names a zone; all else as text."""
    import pandas

    texts = [m for m, column in enumerate(schema.columns) if _is_text(column)]
    words = written(raw[:, texts], Schema(tuple(schema.columns[m] for m in texts)), start) if texts else None
    series: list[Any] = []
    for m, column in enumerate(schema.columns):
        series.append(words.iloc[:, texts.index(m)] if words is not None and m in texts else _typed(raw[:, m], column))
    found = pandas.DataFrame(dict(enumerate(series)), index=pandas.RangeIndex(len(raw)))
    found.columns = pandas.Index(schema.names)
    return found


def _is_text(column: Column) -> bool:
    return not column.learned or (column.kind == "date" and not has_day(column.form))


def _typed(values: np.ndarray, column: Column) -> Any:
    import pandas

    empty = np.isnan(values)
    filled = np.where(empty, 0.0, values)
    if column.kind == "date":
        moments = (filled * 1e6).round().astype("int64").view("datetime64[us]")
        moments[empty] = np.datetime64("NaT")
        found = pandas.Series(moments)
        return found.dt.tz_localize("UTC") if names_zone(column.form) else found
    if column.kind == "number":
        whole = column.step is not None and column.step >= 1 and float(column.step).is_integer() and np.abs(filled).max(initial=0) < 2**53
        return pandas.Series(pandas.arrays.IntegerArray(filled.astype(np.int64), empty)) if whole else pandas.Series(values)
    if sorted(level.lower() for level in column.levels) == ["false", "true"]:
        true = [level.lower() == "true" for level in column.levels]
        return pandas.Series(pandas.arrays.BooleanArray(np.asarray(true)[filled.astype(np.int64)], empty))
    places = np.cumsum([bool(level) for level in column.levels]) - 1  # among those that have names; no other is made
    codes = np.where(empty, -1, places[filled.astype(np.int64)])
    return pandas.Series(pandas.Categorical.from_codes(codes, categories=pandas.Index(column.named)))
