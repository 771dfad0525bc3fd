"""Columns that belong together, so that no row can hold a combination that the data never show: one-hot coded groups, columns of which
one determines the other, and what was declared.

All here works on codes: an int array [N] in which a unit — a column, or several taken as one — holds 0 to size - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

MOST_CHOICES = 1000  # of columns that are joined because the data show it
CHANCE = 10.0  # pairs of rows that would break a dependency if there were none, from which it is taken for one
RARE = 0.01  # share of the rows that joining may leave in combinations too rare to be kept
GLANCE = 5_000  # rows on which most pairs of columns are told to be independent


@dataclass
class Unit:
    """Columns taken as one: their places, which of `size` combinations each row holds, and in how many rows it is too rare to be kept."""

    places: tuple[int, ...]
    codes: np.ndarray
    size: int
    rare: int = 0


def join(units: Sequence[Unit], fewest: int) -> Unit:
    """Several units as one, of the combinations that occur; those that fewer than `fewest` rows hold are rare."""
    whole = units[0]
    for unit in units[1:]:
        pairs = whole.codes.astype(np.int64) * unit.size + unit.codes
        if whole.size * unit.size <= 1 << 24:
            present = np.flatnonzero(np.bincount(pairs, minlength=1))
            table = np.zeros(int(present[-1]) + 1, np.int32)
            table[present] = np.arange(len(present), dtype=np.int32)
            codes = table[pairs]
        else:
            present, codes = np.unique(pairs, return_inverse=True)
        whole = Unit((*whole.places, *unit.places), codes.astype(np.int32), len(present))
    counts = np.bincount(whole.codes)
    return replace(whole, rare=int(counts[counts < fewest].sum()))


def exclusive(ones: Sequence[tuple[int, np.ndarray]]) -> list[list[int]]:
    """Groups of columns, given as (place, where it is 1 [N]), of which exactly one is 1 in every row; at least 3, or the two are one
    column said twice, which `determined` finds. Columns of a group are looked for in their order."""
    if len(ones) < 3:
        return []
    rows = len(ones[0][1])
    packed = [np.packbits(one) for _, one in ones]
    counts = [int(one.sum()) for _, one in ones]
    groups, free = [], list(range(len(ones)))
    while free:
        group, taken, total = [free[0]], packed[free[0]], counts[free[0]]
        for other in free[1:]:
            if total == rows:
                break
            if total + counts[other] <= rows and not (taken & packed[other]).any():
                group, taken, total = [*group, other], taken | packed[other], total + counts[other]
        if total == rows and len(group) > 2:
            groups.append([ones[i][0] for i in group])
            free = [i for i in free if i not in group]
        else:
            free = free[1:]
    return groups


def determined(units: Sequence[Unit]) -> list[tuple[int, int]]:
    """(i, j) for each two units of which the first tells the second in every row, and which would not do so by chance; those with the
    fewest values first."""
    if not units:
        return []
    some = np.linspace(0, len(units[0].codes) - 1, min(GLANCE, len(units[0].codes))).astype(np.int64)
    glances = [unit.codes[some] for unit in units]
    counts = [np.bincount(unit.codes, minlength=unit.size).astype(np.float64) for unit in units]
    alike = [float((c * (c - 1)).sum() / 2) for c in counts]  # pairs of rows with one value
    differ = [1 - float((c / c.sum()) @ (c / c.sum())) for c in counts]
    found = []
    for i in sorted(range(len(units)), key=lambda i: units[i].size):
        for j in range(len(units)):
            told = i != j and units[i].size >= units[j].size and alike[i] * differ[j] >= CHANCE
            if told and _tells(glances[i], glances[j], units[i].size) and _tells(units[i].codes, units[j].codes, units[i].size):
                found.append((i, j))
    return found


def _tells(a: np.ndarray, b: np.ndarray, size: int) -> bool:
    """Whether rows of equal a have equal b."""
    last = np.zeros(size, b.dtype)
    last[a] = b
    return bool((last[a] == b).all())


def joined(units: Sequence[Unit], fewest: int, allowed: Callable[[tuple[int, ...]], bool]) -> tuple[list[Unit], list[tuple[Unit, Unit]]]:
    """Units of which one determines the other made one, chains and circles of them too; and the pairs that are not, as their combinations
    would be too many, or rarer than the units themselves. `allowed` tells whether columns at these places may be one block."""
    held = list(range(len(units)))  # which of `now` each unit is in
    now: dict[int, Unit] = dict(enumerate(units))
    left = []
    for i, j in determined(units):
        a, b = held[i], held[j]
        if a == b:
            continue
        both = join([now[a], now[b]], fewest)
        too_rare = both.rare > max(now[a].rare, now[b].rare) + RARE * len(both.codes)
        if both.size > MOST_CHOICES or too_rare or not allowed(both.places):
            left.append((units[i], units[j]))
            continue
        now[a] = both
        del now[b]
        held = [a if h == b else h for h in held]
    return [now[h] for h in sorted(now, key=lambda h: min(now[h].places))], left
