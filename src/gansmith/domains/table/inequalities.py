"""Comparisons that were declared between columns, and what they leave to choose while a row is drawn block by block.

What a column may still be has a lowest and a highest value; a comparison a < b lifts the lowest of b above that of a, and lowers the
highest of a below that of b, along all chains. A choice is open while some value of it lies between both. Since comparisons only ever
bound from one side, whatever is chosen among what is open leaves something open everywhere else, so no row has to be drawn again (bounds
consistency; complete for max-closed constraints, Jeavons and Cooper 1995, doi 10.1016/0004-3702(95)00107-7). A comparison holds where
neither side is missing: a column that may still be missing bounds no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gansmith.domains.table.schema import Schema
from gansmith.errors import DataError


@dataclass(frozen=True)
class Comparison:
    """Column `low` < column `high`, or <= where it is not strict; places in the schema."""

    low: int
    high: int
    strict: bool


def comparisons(schema: Schema) -> tuple[Comparison, ...]:
    """What the schema declares of two columns each."""
    declared = [c for c in schema.constraints if c.relation in ("less", "less or equal")]
    return tuple(Comparison(schema.place(c.columns[0]), schema.place(c.columns[1]), c.relation == "less") for c in declared)


def ordered(schema: Schema) -> list[int]:
    """The columns that are compared, each behind those that are to be less. DataError where they go in a circle."""
    found = comparisons(schema)
    waiting = {place for c in found for place in (c.low, c.high)}
    order: list[int] = []
    while waiting:
        ready = sorted(p for p in waiting if not any(c.high == p and c.low in waiting for c in found))
        if not ready:
            names = ", ".join(sorted(schema.columns[p].name for p in waiting))
            raise DataError(f"the comparisons declared for {names} form a circle, so none can be the smallest. Leave one of them out.")
        order += ready
        waiting -= set(ready)
    return order


def together(schema: Schema, places: Sequence[int], values: np.ndarray) -> np.ndarray:
    """Which combinations [L, k] of the columns at `places` satisfy the comparisons between these.  -> bool [L]"""
    held = np.ones(len(values), bool)
    for c in comparisons(schema):
        if c.low in places and c.high in places:
            low, high = values[:, places.index(c.low)], values[:, places.index(c.high)]
            held &= np.isnan(low) | np.isnan(high) | ((low < high) if c.strict else (low <= high))
    return held


def outward(schema: Schema, places: Sequence[int]) -> int:
    """How many columns of a block at these places are compared with columns of others. Bounds tell all of at most one."""
    return len({p for c in comparisons(schema) for p, q in ((c.low, c.high), (c.high, c.low)) if p in places and q not in places})
