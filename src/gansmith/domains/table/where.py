"""Conditions on columns as a user writes them: sex=Female, age>60, country!=US, job=clerk|nurse, income= (missing).

A condition is a set of raw values: spans, ascending and apart, and whether a missing value is in it. What `=` says, `!=` says the opposite
of, so country!=US holds where the country is missing; comparisons never hold there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gansmith.domains.table.reading_dates import DAY, fixed_zone, forms_of, read_dates, write_dates
from gansmith.domains.table.reading_numbers import read_numbers, write_numbers
from gansmith.domains.table.schema import Column, Schema
from gansmith.errors import ConfigError, nearest

Span = tuple[float, float]  # lowest and highest value in it

ALL: tuple[Span, ...] = ((-math.inf, math.inf),)
_SIGN = re.compile(r"(?=(>=|<=|!=|==|=|>|<))")  # wherever one begins: a column may be called "pay>"


@dataclass(frozen=True)
class Where:
    """That the column at `place` of a schema has a value in one of the `spans`, or none where `missing` holds; `text` as it was written."""

    place: int
    spans: tuple[Span, ...]
    missing: bool
    text: str = ""

    def holds(self, values: Tensor) -> Tensor:
        """Whether raw values of the column satisfy it: bool, in their shape."""
        empty = values.isnan()
        found = empty if self.missing else torch.zeros_like(empty)
        values = values.double()
        for low, high in self.spans:
            found = found | ((values >= low) & (values <= high))
        return found


def parse(text: str, schema: Schema) -> Where:
    """A condition in words. ConfigError where it is none, names an unknown column or level, or a number that the data do not reach."""
    name, sign, value = _parts(text, schema)
    place = schema.names.index(name)
    column = schema.columns[place]
    if not column.learned:
        known = [c.name for c in schema.columns if c.learned]
        raise ConfigError(f"{text!r} uses {name!r}, which is of kind {column.kind} and not learned. Use another: {_some(known)}.")
    if sign in ("=", "!="):
        spans, missing = _equal(column, value)
        where = Where(place, spans, missing, text)
        return where if sign == "=" else Where(place, opposite(spans), not missing, text)
    return Where(place, (_compared(column, sign, value, text),), False, text)


def both(wheres: Iterable[Where]) -> dict[int, Where]:
    """All conditions on each column as one, by its place."""
    found: dict[int, Where] = {}
    for where in wheres:
        other = found.get(where.place, Where(where.place, ALL, True))
        found[where.place] = Where(
            where.place,
            tuple((max(a, c), min(b, d)) for a, b in other.spans for c, d in where.spans if max(a, c) <= min(b, d)),
            where.missing and other.missing,
            " and ".join(text for text in (other.text, where.text) if text),
        )
    return found


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same values as ascending spans that are apart."""
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def opposite(spans: Sequence[Span]) -> tuple[Span, ...]:
    """All values that are in none of ascending spans."""
    edges = [-math.inf]
    for low, high in spans:
        edges += [math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]
    edges.append(math.inf)
    return tuple((a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b or (a == b and math.isfinite(a)))


def _parts(text: str, schema: Schema) -> tuple[str, str, str]:
    """Column, sign and value. A column's name may hold a sign itself."""
    signs = list(_SIGN.finditer(text))
    for sign in signs:
        if text[: sign.start()].strip() in schema.names:
            return text[: sign.start()].strip(), sign[1].replace("==", "="), text[sign.end(1) :]
    if not signs:
        raise ConfigError(f"{text!r} is not a condition. Write it like sex=Female, age>60, country!=US, or income= for a missing value.")
    name = text[: signs[0].start()].strip()
    raise ConfigError(f"there is no column {name!r}; {nearest(name, schema.names)}")


def _equal(column: Column, value: str) -> tuple[tuple[Span, ...], bool]:
    """The values in a list 'a|b', and whether a missing one is among them. Each is tried as it stands, then without blanks around it."""
    whole = next((word for word in (value, value.strip()) if word in column.levels), None)
    words = [word if word in column.levels else word.strip() for word in value.split("|")] if whole is None else [whole]
    missing = any(not word or (word == column.blank and word not in column.levels) for word in words)
    given = [word for word in words if word and (word != column.blank or word in column.levels)]
    return united(_seen(column, word) for word in given), missing


def _seen(column: Column, word: str) -> Span:
    """The values that a word means."""
    if not column.numeric:
        if word not in column.levels:
            raise ConfigError(f"{column.name!r} has no level {word!r}; {nearest(word, column.named)}")
        return float(column.levels.index(word)), float(column.levels.index(word))
    low, high = _number(column, word)
    if column.lowest < column.highest and not (low <= column.highest and high >= column.lowest):
        raise ConfigError(f"{column.name}={word} is outside the range that is generated, {_range(column)}.")
    return low, high


def _compared(column: Column, sign: str, word: str, text: str) -> Span:
    if not column.numeric:
        raise ConfigError(f"{text!r} compares {column.name!r}, which has levels without an order. Use = or !=, and a|b for several.")
    low, high = _number(column, word.strip())
    span = {
        ">": (math.nextafter(high, math.inf), math.inf),
        ">=": (low, math.inf),
        "<": (-math.inf, math.nextafter(low, -math.inf)),
        "<=": (-math.inf, high),
    }[sign]
    if column.lowest < column.highest and (span[0] > column.highest or span[1] < column.lowest):
        raise ConfigError(f"{text!r} leaves nothing: generated values go from {_range(column)}.")
    return span


def _number(column: Column, word: str) -> Span:
    """The number or the stretch of time that a word means: a day is all of its seconds."""
    if column.kind == "date":
        return stretch(column, word)
    value = float(read_numbers([word], column.form)[0])  # as the column writes it, or plain: 1.234 may be a thousand and more
    if math.isnan(value):
        value = float(read_numbers([word])[0])
    if not math.isfinite(value):
        raise ConfigError(f"{column.name!r} is a number, but {word!r} is not; generated values go from {_range(column)}.")
    return value, value


def stretch(column: Column, word: str) -> Span:
    """The stretch of time that a word means in a column of dates. ConfigError where it is none."""
    value = float(read_dates([word], column.form)[0])
    if not math.isnan(value):
        return value, value
    shift = fixed_zone(column.form) or 0
    for form in forms_of(word):
        value = float(read_dates([word], form)[0]) - (0 if "%z" in form else shift)
        whole = not any(field in form for field in ("%H", "%I"))
        return value, math.nextafter(value + DAY, -math.inf) if whole else value
    raise ConfigError(f"{column.name!r} is a date, but {word!r} is not; write it like {write_dates([column.lowest], column.form)[0]}.")


def _range(column: Column) -> str:
    ends = [column.lowest, column.highest]
    words = write_dates(ends, column.form) if column.kind == "date" else write_numbers(ends, column.step, column.form)
    return " to ".join(words)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
