"""Conditions of several columns: yes or no, numbers and choices side by side, as one vector [K] that the networks are told of a sample.

Letters: N samples, K numbers of a condition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from gansmith.errors import ConfigError, DataError, nearest

Kind = Literal["yes/no", "number", "choice"]
Asked = Mapping[str, Any]  # values of some columns, by name

YES, NO = frozenset(("1", "true", "yes")), frozenset(("0", "false", "no"))
MINUS = "-1"  # no, where yes is 1
KEPT = 1e-5  # of a deviation: what float32 keeps of a number, and what a file that was written with it may be off by
LARGEST = 1e30  # of a number; the square of a larger one is soon beyond float64
FEW_CHOICES = 10  # so many different texts are a choice however few samples there are
MOST_CHOICES = 1000  # of a column: each is a number of every sample's condition
LIKE = 50  # rows nearest to the numbers asked for, from which the rest of a condition is drawn


@dataclass(frozen=True)
class Column:
    """One column of a condition, and how its values become numbers.

    yes/no   1 or 0
    number   (value - centre) / spread; seen from `lowest` to `highest`
    choice   a one-hot of `choices`
    """

    name: str
    kind: Kind
    choices: tuple[str, ...] = ()
    centre: float = 0.0
    spread: float = 1.0
    lowest: float = 0.0
    highest: float = 1.0

    @property
    def size(self) -> int:
        """Numbers it has in a condition."""
        return len(self.choices) if self.kind == "choice" else 1

    @property
    def known(self) -> str:
        """The values it can have, in words."""
        if self.kind == "choice":
            return ", ".join(self.choices[:10]) + (", …" if len(self.choices) > 10 else "")
        return "0 or 1" if self.kind == "yes/no" else f"{self.lowest:.10g} to {self.highest:.10g}"

    def encode(self, value: Any) -> np.ndarray:
        """One value as its numbers [size]. ConfigError for one that the data did not have."""
        word = _word(value)
        if self.kind == "choice":
            if str(value).strip() not in self.choices:
                raise ConfigError(f"{self.name}={value} does not occur in the data; {nearest(str(value), self.choices)}")
            return np.eye(self.size, dtype=np.float32)[self.choices.index(str(value).strip())]
        if self.kind == "yes/no":
            if word not in YES | NO | {MINUS}:
                raise ConfigError(f"{self.name}={value} is neither yes nor no; give {self.known}.")
            return np.array([word in YES], np.float32)
        number = _number(word)
        near = KEPT * self.spread
        if number is None or not self.lowest - near <= number <= self.highest + near:
            raise ConfigError(f"{self.name}={value} is not possible; give a number in the range of the data, {self.known}.")
        return np.array([(min(max(number, self.lowest), self.highest) - self.centre) / self.spread], np.float32)

    def decode(self, part: np.ndarray) -> list[Any]:
        """The values of numbers [N, size]: true or false, numbers to a hundred-thousandth of their deviation, words."""
        if self.kind == "choice":
            return [self.choices[k] for k in part.argmax(1)]
        if self.kind == "yes/no":
            return [bool(v > 0.5) for v in part[:, 0]]
        digits = -math.floor(math.log10(KEPT * self.spread))
        return [round(float(v), digits) for v in self.in_units(part)[:, 0]]

    def in_units(self, part: np.ndarray) -> np.ndarray:
        """Numbers [N, size] in the unit of the data."""
        return part.astype(np.float64) * self.spread + self.centre if self.kind == "number" else part

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "choices": list(self.choices)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Column:
        return cls(**{**values, "choices": tuple(values["choices"])})


@dataclass(frozen=True, eq=False)
class Conditions:
    """Conditions of N samples: values [N, K] float32 as networks take them, and the columns they are made of."""

    values: np.ndarray
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def width(self) -> int:
        return width(self.columns)

    @property
    def names(self) -> list[str]:
        """A name for each of the K numbers: the column's, that of a choice with the word it stands for."""
        return [f"{c.name}={choice}" if choice else c.name for c in self.columns for choice in (c.choices or ("",))]

    def keep(self, which: np.ndarray) -> Conditions:
        """Those of some samples."""
        return Conditions(self.values[which], self.columns)

    def fitted(self, members: np.ndarray) -> Conditions:
        """The same with each number counted from the mean of these members, in units of their standard deviation."""
        values, columns = self.values.astype(np.float64), []
        for column, place in zip(self.columns, slices(self.columns), strict=True):
            if column.kind == "number":
                mean, std = _moments(values[members, place])
                values[:, place] = (values[:, place] - mean) / std
                column = replace(column, centre=column.centre + column.spread * mean, spread=column.spread * std)
            columns.append(column)
        return Conditions(values.astype(np.float32), tuple(columns))

    def records(self) -> list[dict[str, Any]]:
        """Values by column of each sample, in the unit of the data."""
        found = [c.decode(self.values[:, place]) for c, place in zip(self.columns, slices(self.columns), strict=True)]
        return [dict(zip((c.name for c in self.columns), row, strict=True)) for row in zip(*found, strict=True)]

    def in_units(self) -> np.ndarray:
        """[N, K] in the unit of the data, float64."""
        parts = [c.in_units(self.values[:, place]) for c, place in zip(self.columns, slices(self.columns), strict=True)]
        return np.concatenate(parts, 1, dtype=np.float64)

    def drawn(self, chances: np.ndarray, asked: Asked) -> np.ndarray:
        """Conditions [N, K] of uniform numbers [N]: a row of these each, with what is asked for in its place.

        The rows are those that are like what is asked for: with the fewest other answers and choices and, where numbers are asked for, the
        LIKE nearest to them. ConfigError for a column that is not there, or a value it never had.
        """
        wanted = self._encoded(asked)
        other, far = np.zeros(len(self)), np.zeros(len(self))
        for column, place, part in wanted:
            gap = np.square(self.values[:, place] - part).sum(1)
            if column.kind == "number":
                far += gap
            else:
                other += gap > 0.5
        rows = np.flatnonzero(other == other.min())
        if far.any():
            rows = rows[np.argsort(far[rows], kind="stable")[:LIKE]]
        found = self.values[rows[np.minimum((chances * len(rows)).astype(np.int64), len(rows) - 1)]]
        for _, place, part in wanted:
            found[:, place] = part
        return found

    def told(self) -> dict[str, Any]:
        """What is known of each column, JSON-able: the share of yes; range, mean and deviation; how many have each choice."""
        found: dict[str, Any] = {}
        for column, place in zip(self.columns, slices(self.columns), strict=True):
            part = self.values[:, place].astype(np.float64)
            if column.kind == "yes/no":
                found[column.name] = {"kind": "yes/no", "yes": float(part.mean())}
            elif column.kind == "choice":
                found[column.name] = {"kind": "choice", "of": {c: int(n) for c, n in zip(column.choices, part.sum(0), strict=True)}}
            else:
                mean, std = column.centre + column.spread * float(part.mean()), column.spread * float(part.std())
                found[column.name] = {"kind": "number", "from": column.lowest, "to": column.highest, "mean": mean, "std": std}
        return found

    def _encoded(self, asked: Asked) -> list[tuple[Column, slice, np.ndarray]]:
        names = [c.name for c in self.columns]
        for name in asked:
            if name not in names:
                raise ConfigError(f"there is no label {name!r}; this generator knows {self.known}.")
        places = zip(self.columns, slices(self.columns), strict=True)
        return [(column, place, column.encode(asked[column.name])) for column, place in places if column.name in asked]

    @property
    def known(self) -> str:
        """The columns with the values they can have, in words."""
        return "; ".join(f"{c.name} ({c.known})" for c in self.columns[:30]) + ("; …" if len(self.columns) > 30 else "")

    def parse(self, words: str) -> dict[str, str]:
        """'smiling=1,age=35' by name. ConfigError where it is not written so."""
        found = {}
        for word in words.split(","):
            name, equals, value = (part.strip() for part in word.partition("="))
            if not equals or not name or name in found:
                raise ConfigError(f"the label {words!r} is not of the form NAME=VALUE,NAME=VALUE; this generator knows {self.known}.")
            found[name] = value
        return found


def width(columns: Sequence[Column]) -> int:
    """Numbers K of a condition of these columns."""
    return sum(column.size for column in columns)


def from_units(values: np.ndarray, columns: Sequence[Column]) -> np.ndarray:
    """What `Conditions.in_units` gave [N, K] as networks take it, float32."""
    parts = [
        (values[:, place] - c.centre) / c.spread if c.kind == "number" else values[:, place]
        for c, place in zip(columns, slices(columns), strict=True)
    ]
    return np.concatenate(parts, 1, dtype=np.float32)


def slices(columns: Sequence[Column]) -> list[slice]:
    """Where each column lies in a condition."""
    ends = np.cumsum([0, *(column.size for column in columns)]).tolist()
    return [slice(*pair) for pair in pairwise(ends)]


def of_records(records: Sequence[Mapping[str, Any]], where: str) -> Conditions:
    """Conditions of one mapping a sample, column name -> value, as a table has them. The columns are those of the first.

    A column of 0 and 1, -1 and 1, true and false or yes and no is yes/no; one of numbers a number; any other a choice. DataError where a
    value is missing, is no number among numbers, or where most samples have a text of their own.
    """
    columns, parts = [], []
    for name in records[0]:
        values = [record.get(name) for record in records]
        empty = [i for i, value in enumerate(values) if _is_empty(value)]
        if empty:
            raise DataError(
                f"{where} have no value of {name!r} for {len(empty):,} of {len(records):,} samples. Fill them in, or remove the column."
            )
        column, part = _column(str(name), values, where)
        columns.append(column)
        parts.append(part)
    if not columns:
        raise DataError(f"{where} have no column besides the file names. Add one, or pass --labels none.")
    return Conditions(np.concatenate(parts, 1, dtype=np.float32), tuple(columns))


def of_matrix(values: np.ndarray, names: Sequence[str], where: str) -> Conditions:
    """Conditions of an array [N, K] of numbers, a column each. DataError where it is none, or has not as many names."""
    if values.ndim != 2 or values.dtype.kind not in "buif" or not values.size:
        raise DataError(f"{where} are of shape {list(values.shape)} and dtype {values.dtype}; numbers [N, K] were expected.")
    names = list(names) or [f"condition {i}" for i in range(values.shape[1])]
    if len(set(names)) != values.shape[1]:
        raise DataError(f"{where} have {values.shape[1]} columns and {len(set(names))} different names. Give each a different name.")
    return of_records([dict(zip(names, row, strict=True)) for row in values.tolist()], where)


def is_measured(values: Sequence[Any]) -> bool:
    """Whether values are numbers, some of them with a fraction: then they are no classes."""
    numbers = [_number(_word(value)) for value in values]
    return all(n is not None for n in numbers) and any(n != round(n) for n in numbers if n is not None)


def hardly_repeat(texts: Sequence[str]) -> bool:
    """Whether most samples have a text of their own, so that nothing can be learned from it."""
    return len(set(texts)) > max(FEW_CHOICES, len(texts) // 2)


def _column(name: str, values: Sequence[Any], where: str) -> tuple[Column, np.ndarray]:
    """What a column is, and its numbers [N, size]."""
    words = [_word(value) for value in values]
    known = set(words)
    numbers = [_number(word) for word in words]
    if known <= YES | NO:
        return Column(name, "yes/no"), np.array([[word in YES] for word in words], np.float32)
    if all(n is not None for n in numbers):
        found = np.array(numbers, np.float64)
        if set(numbers) == {float(MINUS), 1.0}:
            return Column(name, "yes/no"), (found[:, None] > 0).astype(np.float32)
        mean, std = _moments(found)
        column = Column(name, "number", (), mean, std, float(found.min()), float(found.max()))
        return column, ((found[:, None] - mean) / std).astype(np.float32)
    odd = [str(value) for value, n in zip(values, numbers, strict=True) if n is None]
    if len(odd) < 0.5 * len(values):
        raise DataError(f"the column {name!r} of {where} holds numbers and {odd[0]!r}. Write finite numbers, or remove the column.")
    texts = [str(value).strip() for value in values]
    choices = sorted(set(texts))
    if hardly_repeat(texts) or len(choices) > MOST_CHOICES:
        raise DataError(
            f"the column {name!r} of {where} has {len(choices):,} different texts for {len(values):,} samples, too many to learn "
            "from. Group them, or remove the column."
        )
    places = {choice: k for k, choice in enumerate(choices)}
    return Column(name, "choice", tuple(choices)), np.eye(len(choices), dtype=np.float32)[[places[text] for text in texts]]


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation; 1 for the latter where all values are equal, of which rounding may leave a little else."""
    scale = 2.0 ** math.frexp(float(np.abs(values).max()))[1]  # else the square of 1e-200 is 0; a power of 2 changes no digit
    return float(values.mean()), float((values / scale).std()) * scale if np.ptp(values) else 1.0


def _word(value: Any) -> str:
    """A value as it is compared: 1, 1.0, True and ' true' alike as far as yes and no go."""
    word = str(value).strip().lower()
    return {"1.0": "1", "0.0": "0", "-0.0": "0", "-1.0": MINUS}.get(word, word)


def _is_empty(value: Any) -> bool:
    """Whether there is no value: none, nothing written, or what numpy and pandas have in the place of one."""
    word = str(value).strip()
    return value is None or word == "" or (not isinstance(value, str) and word in ("nan", "NaT", "<NA>"))


def _number(word: str) -> float | None:
    try:
        number = float(word) if "_" not in word else math.nan  # 1_2 is a name, and 12 to Python
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < LARGEST else None
