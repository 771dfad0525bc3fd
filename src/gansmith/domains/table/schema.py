"""The columns of a table: what each means, what its values may be, and what must hold between them. JSON-able, and written by hand where
what was recognised is wrong.

A table is kept as raw [N, M] float64, a number for each cell, NaN where it is missing: a number itself, the index of a category's or
boolean's level, a date as seconds since 1970-01-01 UTC. Columns that are not learned hold 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from gansmith.errors import DataError, nearest

Kind = Literal["number", "category", "boolean", "date", "constant", "id", "text"]
Relation = Literal["less", "less or equal", "together", "within"]
UNKNOWN = "(missing)"  # the class of rows whose target is missing
LEARNED: tuple[Kind, ...] = ("number", "category", "boolean", "date")


@dataclass(frozen=True)
class Column:
    """One column.

    kind      number, category, boolean and date are learned; a constant is written as it is; an id is counted on or made after its
              pattern; text is left empty
    levels    of a category or boolean: its values as written in the file, most frequent first, at most 1,000, of which "(other)" at the end
              stands for the rest; of a constant: its one value
    step      of a number: what its values are whole multiples of (1: integers, 0.01: two decimals), of a date in seconds; None: any value
    lowest, highest  of numbers and dates, as seen; of an id the highest number, behind which ids are made
    form      how a value is written: the strftime format of a date (mixed zones as %z or %:z, a shared one as it stands; %-d: no leading
              zero; %3f: milliseconds; %^b and %_b: months in capitals and in small letters), the pattern of an id ("C-######": # a digit,
              ~ a hex digit, @ a capital letter, & a small one; "+1": numbers counted on, maybe behind a prefix), "1,234.5" for a number
              with thousands separators, "1234,5" with a decimal comma, "1234.50" with always two decimals, "$1,234.50", "1234.5%",
              "(1,234.5)" with what stands round it, "1.50e+03" in scientific notation, "1234.5g3" rounded to three significant digits;
              else empty
    missing   share of the rows in which there is no value
    blank     how a missing value is written
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    step: float | None = None
    lowest: float = 0.0
    highest: float = 0.0
    form: str = ""
    missing: float = 0.0
    blank: str = ""

    @property
    def learned(self) -> bool:
        return self.kind in LEARNED

    @property
    def named(self) -> tuple[str, ...]:
        """The levels whose names are kept."""
        return tuple(level for level in self.levels if level)

    @property
    def numeric(self) -> bool:
        """Whether its values have an order and a distance."""
        return self.kind in ("number", "date")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Column:
        return cls(**{**values, "levels": tuple(values.get("levels", ()))})


@dataclass(frozen=True)
class Constraint:
    """What must hold in every row.

    less, less or equal  columns (a, b): a < b, a <= b where neither is missing
    together             columns (a, b, …): only combinations that the data have
    within               columns (a,): lowest <= a <= highest
    """

    relation: Relation
    columns: tuple[str, ...]
    lowest: float | None = None
    highest: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "columns": list(self.columns)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Constraint:
        return cls(**{**values, "columns": tuple(values["columns"])})


@dataclass(frozen=True)
class Schema:
    """All columns in their order; `target`, the one that models are to predict, if any; what must hold between them; and the delimiter of
    the file that they were read from."""

    columns: tuple[Column, ...]
    target: str | None = None
    constraints: tuple[Constraint, ...] = ()
    delimiter: str = ","

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    def place(self, name: str) -> int:
        """Where a column stands. DataError where there is none of that name."""
        if name not in self.names:
            raise DataError(f"there is no column {name!r}; {nearest(name, self.names)}")
        return self.names.index(name)

    def __getitem__(self, name: str) -> Column:
        return self.columns[self.place(name)]

    def put(self, column: Column) -> Schema:
        """The same with this column in the place of the one of its name."""
        place = self.place(column.name)
        return replace(self, columns=(*self.columns[:place], column, *self.columns[place + 1 :]))

    def to_dict(self) -> dict[str, Any]:
        return {
            "columns": [c.to_dict() for c in self.columns],
            "target": self.target,
            "constraints": [c.to_dict() for c in self.constraints],
            **({"delimiter": self.delimiter} if self.delimiter != "," else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Schema:
        return cls(
            tuple(Column.from_dict(c) for c in values["columns"]),
            values.get("target"),
            tuple(Constraint.from_dict(c) for c in values.get("constraints", ())),
            values.get("delimiter", ","),
        )
