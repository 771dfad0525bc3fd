"""From the rows of a table to the blocks that stand for its columns, a few columns at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from gansmith.domains.table.columns import (
    FEW_ROWS,
    FEW_VALUES,
    FEWEST,
    Grid,
    Levels,
    Part,
    are_classes,
    bins_of,
    closest,
    nearest_number,
    preferred,
    single,
)
from gansmith.domains.table.dependencies import MOST_CHOICES, RARE, Unit, exclusive, join, joined
from gansmith.domains.table.inequalities import comparisons, ordered, outward, together
from gansmith.domains.table.schema import Column, Schema
from gansmith.errors import DataError
from gansmith.records import Finding

HELD = 64 << 20  # bytes of columns in memory at a time
LOST = 0.05  # share of the rows whose value of a column is too rare to be made, above which it is a warning
ONE = frozenset(("1", "1.0", "true", "t", "yes", "y"))  # levels of a yes/no column that mean yes


@dataclass
class Tally:
    """The values of a column, ascending, with the rows that hold each; and how many hold none."""

    values: np.ndarray
    counts: np.ndarray
    missing: int

    @property
    def size(self) -> int:
        return len(self.values) + (self.missing > 0)

    @property
    def rare(self) -> int:
        """Rows that hold a value which few hold."""
        return int(self.counts[self.counts < FEWEST].sum())


def grids(schema: Schema) -> dict[int, Grid]:
    """Where the values of each number and date may lie, the declared ranges among them."""
    found = {}
    for place, column in enumerate(schema.columns):
        if column.numeric:
            ranges = [c for c in schema.constraints if c.relation == "within" and c.columns == (column.name,)]
            lowest = max((c.lowest for c in ranges if c.lowest is not None), default=-math.inf)
            highest = min((c.highest for c in ranges if c.highest is not None), default=math.inf)
            found[place] = Grid.of(column, lowest, highest)
    return found


def fit(raw: np.ndarray, schema: Schema, members: np.ndarray | None = None) -> tuple[tuple[Part, ...], tuple[Finding, ...]]:
    """The blocks of a table raw [N, M], of which only the rows `members` are looked at where these are given; and what was noticed.

    DataError where no column is learned, or where nothing satisfies what was declared.
    """
    learned = [m for m, column in enumerate(schema.columns) if column.learned]
    if not learned:
        raise DataError("none of the columns can be learned. A number, category, boolean or date that varies was expected.")
    ordered(schema)  # comparisons in a circle are told before the work is done
    bounds = grids(schema)
    tallies: dict[int, Tally] = {}
    codes: dict[int, np.ndarray] = {}
    outside: dict[str, int] = {}
    declared = {schema.place(n) for c in schema.constraints if c.relation == "together" for n in c.columns}
    for place, seen in _columns(raw, learned, members):
        values = bounds[place].snap(seen) if place in bounds else seen
        moved = int((np.abs(values - seen) > (bounds[place].step or 0)).sum()) if place in bounds else 0
        if moved:
            outside[schema.columns[place].name] = moved
        tallies[place] = _tally(values)
        if tallies[place].size <= MOST_CHOICES or place in declared:
            codes[place] = _codes(values, tallies[place])
    units, left = _units(schema, tallies, codes)
    lost: dict[str, int] = {}
    parts = []
    for unit in units:
        part, rare = _part(unit, schema, tallies, codes, bounds)
        parts.append(part)
        if rare:
            lost[_named(schema, unit.places)] = rare
    rows = len(raw) if members is None else len(members)
    broken = _broken(raw, schema, members)
    return tuple(parts), tuple(_findings(schema, units, left, lost, outside, broken, rows))


def _broken(raw: np.ndarray, schema: Schema, members: np.ndarray | None) -> dict[str, int]:
    """In how many rows a comparison that was declared does not hold."""
    found = {}
    for c in comparisons(schema):
        low, high = (values.copy() for _, values in _columns(raw, (c.low, c.high), members))
        count = int((low >= high).sum() if c.strict else (low > high).sum())
        if count:
            found[f"{schema.columns[c.low].name} {'<' if c.strict else '<='} {schema.columns[c.high].name}"] = count
    return found


def _columns(raw: np.ndarray, places: Sequence[int], members: np.ndarray | None) -> Iterator[tuple[int, np.ndarray]]:
    """(place, values [N]) of each column; a few are gathered in each walk through the rows."""
    rows = len(raw) if members is None else len(members)
    gathered = max(1, HELD // max(1, 8 * rows))
    step = max(1, (16 << 20) // max(1, 8 * raw.shape[1]))
    for first in range(0, len(places), gathered):
        some = list(places[first : first + gathered])
        held = np.empty((len(some), rows))
        for start in range(0, rows, step):
            block = raw[start : start + step] if members is None else np.take(raw, members[start : start + step], axis=0)
            held[:, start : start + len(block)] = block[:, some].T
        yield from zip(some, held, strict=True)


def _tally(values: np.ndarray) -> Tally:
    there = values[~np.isnan(values)]
    known, counts = np.unique(there, return_counts=True)
    return Tally(known, counts, len(values) - len(there))


def _codes(values: np.ndarray, tally: Tally) -> np.ndarray:
    """Which value each row holds; missing is the last."""
    empty = np.isnan(values)
    found = np.searchsorted(tally.values, np.where(empty, 0.0, values))
    return np.where(empty, len(tally.values), found).astype(np.int32)


# --- which columns are one block -----------------------------------------------------------------------------------------


def _units(schema: Schema, tallies: dict[int, Tally], codes: dict[int, np.ndarray]) -> tuple[list[Unit], list[tuple[Unit, Unit]]]:
    """The columns, those that belong together as one unit; in the order of their first columns. And the dependencies that are not kept."""

    def allowed(places: tuple[int, ...]) -> bool:
        return outward(schema, places) <= 1

    free = {
        place: Unit((place,), code, tallies[place].size, 0 if _in_bins(schema, place, tallies[place]) else tallies[place].rare)
        for place, code in codes.items()
    }
    fixed: list[Unit] = []
    for group in _declared(schema):
        if not allowed(tuple(group)):
            raise DataError(
                f"{_named(schema, group)} are declared to stay together, but several of them are compared with other columns, and both "
                "cannot hold. Add these other columns to the group, or leave out constraints implied by the rest."
            )
        both = join([free.pop(place) for place in group], FEWEST)
        if both.rare == len(both.codes) >= FEW_ROWS:
            raise DataError(
                f"{_named(schema, group)} are declared to stay together, and no combination of their values occurs in {FEWEST} rows or "
                "more; rarer ones are never generated. Group their values, or leave the constraint out."
            )
        fixed.append(both)
    ones = [(p, ones) for p in free if (ones := _ones(schema.columns[p], tallies[p], codes[p])) is not None]
    for group in exclusive(ones):
        if allowed(tuple(group)):
            fixed.append(join([free.pop(place) for place in group], FEWEST))
    merged, left = joined([*fixed, *free.values()], FEWEST, allowed)
    alone = [Unit((p,), np.zeros(0, np.int32), t.size) for p, t in tallies.items() if p not in codes]
    units = sorted([*merged, *alone], key=lambda unit: min(unit.places))
    return units, left


def _declared(schema: Schema) -> list[list[int]]:
    """Columns that are declared to stay together; groups with a common column are one."""
    groups: list[set[int]] = []
    for constraint in schema.constraints:
        if constraint.relation == "together":
            new = {schema.place(name) for name in constraint.columns}
            for group in [g for g in groups if g & new]:
                groups.remove(group)
                new |= group
            groups.append(new)
    return [sorted(group) for group in groups]


def _ones(column: Column, tally: Tally, codes: np.ndarray) -> np.ndarray | None:
    """Where a column of 0 and 1 is 1 [N]; None where it is another."""
    if tally.missing or len(tally.values) != 2:
        return None
    if column.numeric:
        return codes == 1 if tally.values.tolist() == [0.0, 1.0] else None
    words = [column.levels[int(v)].strip().lower() for v in tally.values]
    yes = [w in ONE for w in words]
    return codes == yes.index(True) if yes.count(True) == 1 else None


# --- what stands for a unit ----------------------------------------------------------------------------------------------


def _part(unit: Unit, schema: Schema, tallies: dict[int, Tally], codes: dict[int, np.ndarray], bounds: dict[int, Grid]) -> tuple[Part, int]:
    """The block of a unit, and the rows that hold what is too rare to be kept."""
    if len(unit.places) > 1:
        examples = np.zeros(unit.size, np.int64)
        examples[unit.codes] = np.arange(len(unit.codes))  # a row of each combination
        values = np.stack([_choices(tallies[p])[codes[p][examples]] for p in unit.places], 1)
        return _kept(unit.places, values, np.bincount(unit.codes, minlength=unit.size), schema)
    (place,) = unit.places
    tally = tallies[place]
    if _in_bins(schema, place, tally):
        return bins_of(place, tally.values, tally.counts, tally.missing, bounds[place])
    counts = np.append(tally.counts, [tally.missing] * (tally.missing > 0))
    return _kept(unit.places, _choices(tally)[:, None], counts, schema)


def _in_bins(schema: Schema, place: int, tally: Tally) -> bool:
    """Whether a column that stands alone has spikes and bins, and not levels. A target that has classes has levels: what is drawn from a
    bin may be none of them."""
    column, rows = schema.columns[place], int(tally.counts.sum())
    if not column.numeric or (column.name == schema.target and are_classes(len(tally.values), rows)):
        return False
    return len(tally.values) > FEW_VALUES or tally.rare > RARE * rows


def _choices(tally: Tally) -> np.ndarray:
    """The values of a column, and NaN behind them where it is missing in some rows."""
    return np.append(tally.values, [math.nan] * (tally.missing > 0))


def _kept(places: tuple[int, ...], values: np.ndarray, counts: np.ndarray, schema: Schema) -> tuple[Levels, int]:
    """Levels of the combinations that are frequent enough, all rows of others counted to the nearest of them; and how many these are."""
    held = together(schema, places, values)
    if not held.any():
        names = _named(schema, places)
        raise DataError(f"no row holds a combination of {names} that satisfies their constraints. Fix the constraints.")
    falling = np.argsort(np.where(held, -counts, 1), kind="stable")
    frequent = max(1, int((held & (counts >= FEWEST)).sum()))
    most = frequent if len(places) == 1 else min(frequent, MOST_CHOICES)
    kept = np.sort(falling[:most])
    rest = np.setdiff1d(np.arange(len(values)), kept)
    known = Levels(places, values[kept], counts[kept].astype(np.float64))
    if len(rest):
        order = preferred(known, schema)
        if single(schema, places):
            takes = nearest_number(values[rest, 0], known.values[:, 0], int(order[0]))
        else:
            takes = closest(torch.from_numpy(values[rest]), torch.from_numpy(known.values), order).numpy()
        np.add.at(known.counts, takes, counts[rest])
    return known, int(counts[rest].sum())


def kept_schema(schema: Schema, parts: Sequence[Part]) -> Schema:
    """The schema without what it tells of a few rows alone: no level that is never made has a name, and numbers reach as far as those that
    are made."""
    columns = list(schema.columns)
    for part in parts:
        for i, place in enumerate(part.places):
            values = part.values[:, i] if isinstance(part, Levels) else np.concatenate([part.spikes, part.ends.ravel()])
            values, column = values[~np.isnan(values)], columns[place]
            if column.numeric and len(values):
                columns[place] = replace(column, lowest=float(values.min()), highest=float(values.max()))
            elif column.kind == "category":
                made = set(values.astype(np.int64).tolist())
                columns[place] = replace(column, levels=tuple(w if k in made else "" for k, w in enumerate(column.levels)))
    return replace(schema, columns=tuple(columns))


# --- what was noticed ----------------------------------------------------------------------------------------------------


def _findings(
    schema: Schema,
    units: Sequence[Unit],
    left: Sequence[tuple[Unit, Unit]],
    lost: dict[str, int],
    outside: dict[str, int],
    broken: dict[str, int],
    rows: int,
) -> Iterator[Finding]:
    if lost:
        told = "; ".join(f"{name}: {n:,}" for name, n in list(lost.items())[:8]) + ("; …" if len(lost) > 8 else "")
        message = (
            f"values that fewer than {FEWEST} of {rows:,} rows have are not generated; such rows count towards the nearest value ({told})."
        )
        many = [name for name, n in lost.items() if n > LOST * rows]
        advice = "Nothing needs to be done: rare values could identify a person."
        if many:
            advice = f"Group the rare values of {', '.join(many[:8])}{', …' if len(many) > 8 else ''}, or leave them out."
        yield Finding("T120", "warning" if many else "note", message, advice, {"rows": lost})
    several = [_named(schema, unit.places) for unit in units if len(unit.places) > 1]
    if several:
        message = (
            f"columns that depend on one another stay together in every row: {'; '.join(several[:8])}{'; …' if len(several) > 8 else ''}."
        )
        yield Finding("T121", "note", message, "Nothing needs to be done.", {"columns": several})
    if left:
        pairs = [f"{_named(schema, a.places)} determines {_named(schema, b.places)}" for a, b in left]
        message = f"dependencies that may be broken, because they have too many or too rare combinations: {'; '.join(pairs[:8])}."
        yield Finding("T122", "warning", message, "Leave one of the columns out, or declare them together.", {"columns": pairs})
    if broken:
        told = "; ".join(f"{name}: {n:,} rows" for name, n in broken.items())
        message = f"declared comparisons that the data violate ({told}); every generated row satisfies them."
        yield Finding("T124", "warning", message, "Fix the data, or leave the comparison out.", {"rows": broken})
    if outside:
        told = "; ".join(f"{name}: {n:,}" for name, n in outside.items())
        yield Finding("T123", "warning", f"values outside the declared range are set to its ends ({told}).", "", {"rows": outside})


def _named(schema: Schema, places: Sequence[int]) -> str:
    names = [schema.columns[place].name for place in places]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
