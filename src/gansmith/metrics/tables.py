"""How like the real rows of a table the fake ones are: columns, pairs of columns, the region they fill, rules; and rows to compare with.

A table is [N, M] float64: a number, or the index of a category's level; NaN where there is none. numeric [M] tells which columns are
numbers (dates are), so that their values have an order and a distance. A missing value is a value of its own unless it is said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gansmith.errors import DataError
from gansmith.metrics.checks import check
from gansmith.metrics.neighbours import Manifold, nearest
from gansmith.metrics.spread import jackknife
from gansmith.records import Estimate

LARGEST = 1e150  # sums of squares of larger numbers do not fit into 64 bits
BINS = 10  # of a number beside a category
CORRELATED, ASSOCIATED = 0.5, 0.3  # from which on a pair of two numbers, or another pair, is strong
SPARSE = 4  # cells for each value in them, from which on they are sorted and not counted in a list of all
LEVELS = 64  # of a category that have a feature of their own; the rarer ones share one
SHELLS = 20  # steps of β
BLOCKS = 20  # of a jackknife


def check_tables(what: str, numeric: np.ndarray, least: int = 1, **sets: np.ndarray) -> None:
    """DataError unless every set is [N, M] with N >= least rows, M = len(numeric) columns, and no number that cannot be reckoned with.

    `what` names the metric in the message; a set is named by its keyword, with spaces for underscores.
    """
    for key, values in sets.items():
        name = key.replace("_", " ")
        if values.ndim != 2 or values.shape[1] != len(numeric) or not len(numeric):
            raise DataError(
                f"the {name} rows have shape {list(values.shape)}; {what} needs [rows, {len(numeric)}], a column for each entry of "
                "`numeric`. Give all sets with the same columns."
            )
        if len(values) < least:
            raise DataError(f"found {len(values)} {name} rows; {what} needs at least {least}. Give more rows.")
        unusable = int((np.abs(values) > LARGEST).any(1).sum())
        if unusable:
            raise DataError(
                f"{unusable} of {len(values)} {name} rows hold an infinity or a number beyond {LARGEST:g}; {what} needs smaller ones. "
                "Mark them as missing (NaN), or leave these rows out."
            )


# --- columns and pairs of columns -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Quality:
    """How like the columns and their pairs are; 1 is the same, 0 nothing in common."""

    shapes: np.ndarray  # [M]
    trends: np.ndarray  # [M, M], NaN on the diagonal
    strengths: np.ndarray  # [M, M] how much the real columns of a pair have to do with one another, NaN on the diagonal
    strong: np.ndarray  # [M, M] whether that is enough for the pair to count in `trend`
    missing: np.ndarray  # [M]; not part of the score

    @property
    def shape(self) -> float:
        """Mean over columns."""
        return float(self.shapes.mean())

    @property
    def trend(self) -> float:
        """Mean over pairs that are strong, as the SDMetrics quality report takes it today; over all pairs where none is."""
        return float(self.trends[self.strong].mean()) if self.strong.any() else self.trend_of_all

    @property
    def trend_of_all(self) -> float:
        """Mean over all pairs, as papers print it. NaN for a single column."""
        return float(np.nanmean(self.trends)) if len(self.shapes) > 1 else float("nan")

    @property
    def score(self) -> float:
        """Mean of shape and trend; of a single column, its shape."""
        return (self.shape + self.trend) / 2 if len(self.shapes) > 1 else self.shape


def quality(real: np.ndarray, fake: np.ndarray, numeric: np.ndarray) -> Quality:
    """Column shapes and pair trends of fake [F, M] against real [N, M] rows, and their shares of missing values."""
    found = strengths(real, numeric)
    strong = found > np.where(np.logical_and.outer(numeric, numeric), CORRELATED, ASSOCIATED)
    return Quality(shapes(real, fake, numeric), trends(real, fake, numeric), found, strong, missing(real, fake, numeric))


def shapes(real: np.ndarray, fake: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """[M] how like each column is: 1 - Kolmogorov-Smirnov distance of a number, 1 - total variation distance of a category.

    The column shapes of the SDMetrics quality report, after its public documentation. Missing values are left out; a column of which one
    side has nothing else is 0, or 1 where the other has nothing else either.
    """
    check_tables("a comparison of columns", numeric, real=real, fake=fake)
    return np.array([_shape(real[:, j], fake[:, j], bool(numeric[j])) for j in range(len(numeric))])


def missing(real: np.ndarray, fake: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """[M] 1 - |difference of the shares of missing values|."""
    check_tables("a comparison of missing values", numeric, real=real, fake=fake)
    return 1 - np.abs(np.isnan(real).mean(0) - np.isnan(fake).mean(0))


def trends(real: np.ndarray, fake: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """[M, M] how like each pair of columns hangs together, NaN on the diagonal.

    Two numbers: 1 - |difference of their Pearson correlations| / 2, over rows in which neither is missing; a column that is constant there
    correlates with nothing (0). Else 1 - total variation distance of the joint table, in which missing is a level, and a number is cut
    into 10 bins of equal width over its real range, with one more below and one above. The column pair trends of the SDMetrics quality
    report, after its public documentation.
    """
    check_tables("a comparison of pairs of columns", numeric, real=real, fake=fake)
    count = len(numeric)
    cells = [_cells(real[:, j], fake[:, j], bool(numeric[j])) for j in range(count)]
    found = np.full((count, count), np.nan)
    for i, j in combinations(range(count), 2):
        if numeric[i] and numeric[j]:
            apart = abs(_correlation(real[:, i], real[:, j]) - _correlation(fake[:, i], fake[:, j])) / 2
        else:
            apart = _total_variation(cells[i] * (int(cells[j].max()) + 1) + cells[j], len(real))
        found[i, j] = found[j, i] = 1 - apart
    return found


def strengths(real: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """[M, M] of two numbers the absolute Pearson correlation, else Cramér's V, with bins and levels as in `trends`; NaN on the diagonal."""
    check_tables("the strength of trends", numeric, real=real)
    cells = [_cells(x, x[:0], bool(number)) for x, number in zip(real.T, numeric, strict=True)]
    found = np.full((len(numeric), len(numeric)), np.nan)
    for i, j in combinations(range(len(numeric)), 2):
        both = numeric[i] and numeric[j]
        found[i, j] = found[j, i] = abs(_correlation(real[:, i], real[:, j])) if both else _cramers_v(cells[i], cells[j])
    return found


def _shape(real: np.ndarray, fake: np.ndarray, numeric: bool) -> float:
    a, b = real[~np.isnan(real)], fake[~np.isnan(fake)]
    if not len(a) or not len(b):
        return float(len(a) == len(b))
    if not numeric:
        return 1 - _total_variation(_cells(a, b, False), len(a))
    at = np.concatenate((a, b))
    below = (np.searchsorted(np.sort(x), at, "right") / len(x) for x in (a, b))
    return 1 - float(np.abs(np.subtract(*below)).max())


def _cells(real: np.ndarray, fake: np.ndarray, numeric: bool) -> np.ndarray:
    """The bin or level of each value of both, counted from 0.  [N + F]"""
    both = np.concatenate((real, fake))
    known = real[~np.isnan(real)]
    if not numeric or not len(known):
        return np.unique(both, return_inverse=True)[1]
    edges = np.linspace(known.min(), known.max(), BINS + 1)
    place = np.searchsorted(edges, both, "right")  # 0 below the range, BINS + 1 from its upper end on
    place[both == edges[-1]] = BINS
    return np.where(np.isnan(both), BINS + 2, place)


def _total_variation(cell: np.ndarray, real: int) -> float:
    """Of the first `real` entries against the others."""
    if cell.max() >= SPARSE * len(cell):
        cell = np.unique(cell, return_inverse=True)[1]
    count = int(cell.max()) + 1
    shares = (np.bincount(part, minlength=count) / len(part) for part in (cell[:real], cell[real:]))
    return float(np.abs(np.subtract(*shares)).sum()) / 2


def _cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    """Of cells counted from 0; 0 where one is constant. Sums over the pairs that occur, for there may be very many that do not."""
    of_a, of_b = (np.bincount(x) / len(x) for x in (a, b))
    levels = min(np.count_nonzero(of_a), np.count_nonzero(of_b))
    if levels == 1:
        return 0.0
    joint, count = _counted(a * len(of_b) + b)
    expected = of_a[joint // len(of_b)] * of_b[joint % len(of_b)]
    squared = float(((count / len(a)) ** 2 / expected).sum()) - 1  # χ² / N
    return (max(0.0, squared) / (levels - 1)) ** 0.5


def _counted(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cells that occur, and how often."""
    if cell.max() >= SPARSE * len(cell):
        return np.unique(cell, return_counts=True)
    count = np.bincount(cell)
    found = np.flatnonzero(count)
    return found, count[found]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if not len(a) or a.min() == a.max() or b.min() == b.max():
        return 0.0
    a, b = (x / np.abs(x).max() for x in (a - a.mean(), b - b.mean()))  # squares of tiny numbers would be 0
    return float(a @ b / ((a @ a) * (b @ b)) ** 0.5)


# --- rows as points -------------------------------------------------------------------------------------------------------------------


def ranked(values: np.ndarray, reference: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """values [N, M] with each number as the share of the reference [R, M] below it, ties half; between two known ones, on the line.

    So that all columns count alike, whatever their units and tails. Numbers beyond the reference are where its last ones are.
    """
    found = values.astype(np.float64)
    for j in np.flatnonzero(numeric):
        known, count = np.unique(reference[~np.isnan(reference[:, j]), j], return_counts=True)
        given = ~np.isnan(values[:, j])
        if len(known):
            found[given, j] = np.interp(values[given, j], known, (count.cumsum() - count / 2) / count.sum())
        else:
            found[given, j] = 0.5
    return found


def features(values: np.ndarray, reference: np.ndarray, numeric: np.ndarray) -> Tensor:
    """Rows [N, M] as points [N, D] in float32, for metrics on features: in the squared distance of two rows a category that differs counts
    1, a number the square of its difference in rank (`ranked`), and missing or not at least 1.

    Levels of a category beyond the reference's 64 most frequent ones are one level.
    """
    check_tables("a set of features", numeric, values=values, reference=reference)
    blocks = []
    place = ranked(values, reference, numeric)
    for j in range(len(numeric)):
        if numeric[j]:
            gone = np.isnan(place[:, j])
            blocks.append(np.stack((np.where(gone, 0.5, place[:, j]), gone), 1).astype(np.float32))
            continue
        known, count = np.unique(_filled(reference[:, j]), return_counts=True)
        frequent = known[np.argsort(-count, kind="stable")[:LEVELS]]
        hot = np.zeros((len(values), len(frequent) + 1), np.float32)
        hot[:, :-1] = _filled(values[:, j])[:, None] == frequent
        hot[:, -1] = 1 - hot[:, :-1].sum(1)
        blocks.append(hot * np.float32(0.5**0.5))
    return torch.from_numpy(np.concatenate(blocks, 1))


def _filled(values: np.ndarray) -> np.ndarray:
    """With infinity for missing, which is equal to itself and is no other value."""
    return np.where(np.isnan(values), np.inf, values)


@dataclass(frozen=True)
class Support:
    """Do fake rows fill the typical region of the real ones, and do they reach all of it? 1 is perfect."""

    alpha_precision: Estimate
    beta_recall: Estimate


def support(real: Tensor, fake: Tensor, seed: int, k: int = 5) -> Support:
    """Integrated α-precision and β-recall of fake [F, D] against real [N, D] features, with jackknife intervals.  arXiv:2102.08921

    A ball round the mean of the real rows that holds a share α of them should hold α of the fake ones: 1 - 2 · mean over α of |share - α|.
    Of the real rows, a share β should have, nearer than their k-th real neighbour, one of the fake rows in the ball round the fake mean
    that holds a share β of these; likewise, over 20 steps of β. The paper learns the space in which regions are balls; here it is that of
    the features as given. β-recall of a perfect generator is below 1 where balls of neighbours are wide: compare with held-out rows.
    Where many rows are at one distance, α is the share within it. DataError for fewer than 40 rows on a side.
    """
    check("α-precision and β-recall", 2 * BLOCKS, real=real, fake=fake)
    centre = real.double().mean(0)
    radii = [(x.double() - centre).norm(dim=1).unsqueeze(1) for x in (real, fake)]
    precision = jackknife(_alpha_precision, *radii, seed=seed, blocks=BLOCKS)
    recall = jackknife(_beta_recall, _first_shell(real, fake, k).unsqueeze(1), seed=seed, blocks=BLOCKS)
    return Support(*(replace(found, high=min(1.0, found.high)) for found in (precision, recall)))


def _alpha_precision(real: Tensor, fake: Tensor) -> float:
    """From the distances [N, 1], [F, 1] to the real centre."""
    real, fake = real[:, 0].sort().values, fake[:, 0].sort().values
    alpha, share = (torch.searchsorted(x, real, right=True) / len(x) for x in (real, fake))
    return 1 - 2 * float((share - alpha).abs().mean())


def _first_shell(real: Tensor, fake: Tensor, k: int) -> Tensor:
    """[N] the innermost of the shells of fake rows, from 1, with one in the ball of each real row; SHELLS + 1 where there is none."""
    order = (fake.double() - fake.double().mean(0)).norm(dim=1).argsort(stable=True)
    radius = Manifold.of(real, k).radius
    first = torch.full((len(real),), SHELLS + 1)
    for place, shell in enumerate(order.tensor_split(SHELLS), 1):
        distance = nearest(real, fake[shell]).distance[:, 0]
        first[((distance < radius) | (distance == 0)) & (first > place)] = place
    return first


def _beta_recall(first: Tensor) -> float:
    """From the first shell [N, 1] of each real row."""
    step = torch.arange(1, SHELLS + 1)
    reached = (first <= step).double().mean(0)
    return 1 - 2 * float((reached - step / SHELLS).abs().mean())


# --- rules ----------------------------------------------------------------------------------------------------------------------------


class Rule(Protocol):
    """Something that must hold in every row."""

    def breaks(self, values: np.ndarray) -> np.ndarray:
        """Of rows [N, M], which break it.  bool [N]"""
        ...


@dataclass(frozen=True)
class Dependency:
    """A value of one column fixes that of another. Says nothing of values of the first that were not seen."""

    cause: int
    effect: int
    pairs: tuple[tuple[float, float], ...]  # sorted; infinity for missing

    @classmethod
    def of(cls, real: np.ndarray, cause: int, effect: int) -> Dependency:
        """As it is in these rows [N, M].  DataError where a value of the first column has more than one of the second."""
        pairs = _combinations(real, (cause, effect))
        first, count = np.unique(pairs[:, 0], return_counts=True)
        if len(first) < len(pairs):
            raise DataError(
                f"column {effect} does not depend on column {cause} alone: {int((count > 1).sum())} of {len(first)} values of column "
                f"{cause} have more than one of column {effect}. Leave this rule out."
            )
        return cls(cause, effect, tuple((float(a), float(b)) for a, b in pairs))

    def breaks(self, values: np.ndarray) -> np.ndarray:
        known = np.array(self.pairs)
        cause, effect = (_filled(values[:, j]) for j in (self.cause, self.effect))
        place = np.searchsorted(known[:, 0], cause).clip(max=len(known) - 1)
        return (known[place, 0] == cause) & (known[place, 1] != effect)


@dataclass(frozen=True)
class Ordered:
    """Column `smaller` < column `larger`, or <= where `equal`; holds where one is missing."""

    smaller: int
    larger: int
    equal: bool = True

    def breaks(self, values: np.ndarray) -> np.ndarray:
        a, b = values[:, self.smaller], values[:, self.larger]
        return a > b if self.equal else a >= b


@dataclass(frozen=True)
class Together:
    """Only these combinations of values."""

    columns: tuple[int, ...]
    allowed: frozenset[tuple[float, ...]]  # infinity for missing

    @classmethod
    def of(cls, real: np.ndarray, columns: tuple[int, ...]) -> Together:
        """Those of these rows [N, M]."""
        return cls(columns, frozenset(map(tuple, _combinations(real, columns).tolist())))

    def breaks(self, values: np.ndarray) -> np.ndarray:
        found, place = np.unique(_filled(values[:, self.columns]), axis=0, return_inverse=True)
        return np.array([tuple(row) not in self.allowed for row in found.tolist()], bool)[place.ravel()]


@dataclass(frozen=True)
class Within:
    """lowest <= column <= highest; holds where it is missing."""

    column: int
    lowest: float
    highest: float

    def breaks(self, values: np.ndarray) -> np.ndarray:
        x = values[:, self.column]
        return (x < self.lowest) | (x > self.highest)


def broken(values: np.ndarray, rules: Sequence[Rule]) -> np.ndarray:
    """The share of rows [N, M] that break each of R rules.  [R]  DataError for no rows."""
    if not len(values):
        raise DataError("found no rows; a share of broken rules needs at least 1. Give some rows.")
    return np.array([rule.breaks(values).mean() for rule in rules], np.float64)


def _combinations(values: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
    """Different rows of these columns, sorted, with infinity for missing."""
    return np.unique(_filled(values[:, columns]), axis=0)


# --- rows whose answer is known -------------------------------------------------------------------------------------------------------


def shuffled_columns(real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows [N, M] with every column shuffled by itself: all shapes are kept, all that columns have to do with one another is lost."""
    return rng.permuted(real, axis=0)


def smote(real: np.ndarray, numeric: np.ndarray, rng: np.random.Generator, count: int, k: int = 5) -> np.ndarray:
    """`count` rows, each between one of real [N, M] and one of its k nearest others.  SMOTE-NC of arXiv:1106.1813

    A number lies at the same random share of the way in all columns, and is rounded where all real ones are whole; one that is missing in
    one of the two rows is taken from the nearer. A category is the most frequent one of the k neighbours. Nearest in `features`, where
    the paper weighs columns by their deviations. Every real row is used before one is used again. DataError for fewer than k + 1 rows.
    """
    check_tables(f"SMOTE of {k} neighbours", numeric, k + 1, real=real)
    rounds = -(-count // len(real))
    base = np.concatenate([np.zeros(0, np.int64), *(rng.permutation(len(real)) for _ in range(rounds))])[:count]
    if not count:
        return real[base]
    used, place = np.unique(base, return_inverse=True)
    near = _near_others(features(real, real, numeric), used, k)[place]  # [count, k]
    other = real[near[np.arange(count), rng.integers(k, size=count)]]
    way = rng.random((count, 1))
    fake = real[base] + way * (other - real[base])
    fake = np.where(np.isnan(fake), np.where(way < 0.5, real[base], other), fake)
    whole = np.array([bool((x == np.rint(x))[~np.isnan(x)].all()) for x in real.T])
    fake[:, whole] = np.rint(fake[:, whole])
    for j in np.flatnonzero(~np.asarray(numeric, bool)):
        fake[:, j] = _most_frequent(real[near, j])
    return fake


def _near_others(points: Tensor, used: np.ndarray, k: int) -> np.ndarray:
    """The k nearest others of some of the points.  [len(used), k]"""
    index = nearest(points[torch.from_numpy(used)], points, k + 1).index.numpy()
    itself = index == used[:, None]
    itself[~itself.any(1), -1] = True  # of more equal points than were asked for, it may not be among those found
    return index[~itself].reshape(-1, k)


def _most_frequent(values: np.ndarray) -> np.ndarray:
    """The most frequent of each row of values [N, k], the first of equals.  [N]"""
    filled = _filled(values)
    count = (filled[:, :, None] == filled[:, None, :]).sum(2)
    return values[np.arange(len(values)), count.argmax(1)]
