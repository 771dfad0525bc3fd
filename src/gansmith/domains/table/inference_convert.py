"""From cells to raw numbers by a schema, and back to cells as they would stand in the file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gansmith.domains.table.reading import Table
from gansmith.domains.table.reading_dates import read_cells, write_dates
from gansmith.domains.table.reading_numbers import read_numbers, write_ids, write_numbers
from gansmith.domains.table.schema import Column, Schema
from gansmith.errors import DataError, nearest

if TYPE_CHECKING:
    from pandas import DataFrame

OTHER = "(other)"  # the last level of a category that has more than were kept: its index stands in raw for all of them


def convert(table: Table, schema: Schema) -> np.ndarray:
    """raw [N, M] float64 of a whole table."""
    return np.concatenate([np.zeros((0, len(schema.columns))), *converted(table, schema)])


def converted(table: Table, schema: Schema) -> Iterator[np.ndarray]:
    """raw [n, M] float64 of a table, piece by piece. Its columns are found by name; what cannot be read as the schema says is missing."""
    for name in schema.names:
        if name not in table.names:
            raise DataError(f"{table.where} has no column {name!r}, but the schema does; {nearest(name, table.names)}")
    places = [table.names.index(name) for name in schema.names]
    for piece in table.pieces():
        raw = np.empty((len(piece[0].codes), len(places)))
        for m, (place, column) in enumerate(zip(places, schema.columns, strict=True)):
            raw[:, m] = read_words(piece[place].words, column)[piece[place].codes]
        yield raw


def read_words(words: Sequence[str], column: Column) -> np.ndarray:
    """float64 [k] of words of a column: its raw numbers, NaN for missing; 0 where the column is not learned."""
    if column.kind == "number":
        values = read_numbers(words, column.form) + 0.0  # no negative zero: equal cells have equal bits
        given = np.asarray([word != column.blank for word in words], bool)  # what marks a missing value may look like a number
        return np.where(np.isfinite(values) & given, values, math.nan)
    if column.kind == "date":
        return read_cells(words, column.form)
    if not column.learned:
        return np.zeros(len(words))
    places = {level: float(place) for place, level in enumerate(column.levels) if level}
    rest = float(len(column.levels) - 1) if column.levels[-1:] == (OTHER,) else math.nan
    return np.asarray([places[w] if w in places else math.nan if w == column.blank or not w.strip() else rest for w in words], np.float64)


def written(raw: np.ndarray, schema: Schema, start: int = 0) -> DataFrame:
    """raw [N, M] as cells of text, as they would stand in the file; ids are those of the rows from `start` on."""
    import pandas

    cells = {}
    for m, column in enumerate(schema.columns):
        if column.kind == "id":
            cells[m] = write_ids(start, len(raw), column.form, column.highest)
            continue
        values, codes = np.unique(raw[:, m], return_inverse=True)
        texts = np.empty(len(values), object)
        texts[:] = write_words(values, column)
        cells[m] = texts[codes].tolist()
    frame = pandas.DataFrame(cells, dtype=object)
    frame.columns = pandas.Index(schema.names)
    return frame


def write_words(values: np.ndarray, column: Column) -> list[str]:
    """Raw numbers [k] of a column that is no id, as words."""
    if column.kind == "constant":
        return [column.levels[0] if column.levels else column.blank] * len(values)
    if column.kind == "text":
        return [""] * len(values)
    there = ~np.isnan(values)
    known = values[there].tolist()
    if column.kind == "number":
        words = write_numbers(known, column.step, column.form)
    elif column.kind == "date":
        words = write_dates(known, column.form)
    else:
        words = [column.levels[int(value)] for value in known]
    told = iter(words)
    return [next(told) if here else column.blank for here in there]
