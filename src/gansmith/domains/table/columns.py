"""What stands for the columns of a table in an encoded row: levels, or spikes and bins.

A `Levels` block is a choice among combinations of values of one or several columns. A `Bins` block is a choice for one number or date:
values that are frequent by themselves (spikes), bins of the others by their quantiles, and missing. Beside the choice of a bin stands the
position within it, in [-1, 1]: uniform over the rows of the bin, since it runs along their quantile function, which is taken as straight
between at most SEGMENTS + 1 knots.

Letters: L choices, k columns of a block, S spikes, G bins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gansmith.domains.table.inference_convert import OTHER
from gansmith.domains.table.schema import Column, Schema
from gansmith.errors import DataError

FEWEST = 5  # rows that hold a value that is kept; what fewer hold is never made
FEW_ROWS = 10 * FEWEST  # of a table; below it all may be rare, and the most frequent is kept all the same
FEW_CLASSES = 50  # different values of a number that is the target, up to which they are classes
FEW_VALUES = 128  # different values of a number or date that are levels
SPIKE = 0.01  # share of the rows from which a value is a spike
BINS = 50
IN_BIN = 20  # rows of a bin at least, where there are so many
SEGMENTS = 8  # straight pieces of the quantile function of a bin, of FEWEST rows at least
LARGEST = 8e307  # of a number: the difference of any two is finite
DIGITS = 17  # any two doubles differ in so many
CLOSE = 1e-6  # of a step
NEAR = 8  # places on either side of where a value ought to be, where it is looked for first
PLACES = 1 << 24  # positions within a bin that are told apart: every one is exact in float32


@dataclass(frozen=True)
class Grid:
    """Where the values of a number or date may lie: whole multiples of `step`, where there is one, from `lowest` to `highest`."""

    step: float | None
    lowest: float
    highest: float

    @classmethod
    def of(cls, column: Column, lowest: float = -math.inf, highest: float = math.inf) -> Grid:
        """That of a column, also kept within the bounds of a constraint. DataError where nothing is left."""
        if column.lowest < column.highest:
            lowest, highest = max(lowest, column.lowest), min(highest, column.highest)
        lowest, highest = max(lowest, -LARGEST), min(highest, LARGEST)
        grid = cls(column.step, -LARGEST, LARGEST)
        low, high = grid.snap(np.array([lowest, highest])).tolist()
        if column.step is not None:
            inward = grid.snap(np.array([low + column.step, high - column.step])).tolist()
            low, high = inward[0] if low < lowest else low, inward[1] if high > highest else high
        if low > high:
            raise DataError(
                f"column {column.name!r} can take no value: its values lie from {lowest:.10g} to {highest:.10g}"
                f"{f' in steps of {column.step:g}' if column.step else ''}. Fix its range in the schema."
            )
        return cls(column.step, low, high)

    @property
    def factors(self) -> tuple[float, float]:
        """(a, b) so that round(v·a / b)·b / a is the nearest multiple of the step, and the double nearest to a decimal number; (0, 0)
        without a step."""
        if self.step is None:
            return 0.0, 0.0
        parts = round(1 / self.step) if self.step < 1 else 0
        return (float(parts), 1.0) if parts and abs(parts * self.step - 1) < 1e-9 else (1.0, float(self.step))

    def snap(self, values: np.ndarray) -> np.ndarray:
        """Values as the grid has them; NaN stays NaN."""
        a, b = self.factors
        values = np.clip(values, self.lowest, self.highest)
        if not a:
            return values
        with np.errstate(over="ignore"):  # what is too large for the step is a multiple of it already
            near = np.round(values * a / b) * b / a + 0.0  # no negative zero
        return np.clip(np.where(np.isinf(near), values, near), self.lowest, self.highest)


@dataclass(frozen=True)
class Levels:
    """A choice among combinations `values` [L, k] of the columns at `places` of the schema, NaN where one is missing; `counts` [L] are
    the rows that take each."""

    places: tuple[int, ...]
    values: np.ndarray
    counts: np.ndarray

    @property
    def size(self) -> int:
        return len(self.values)

    def to_dict(self) -> dict[str, Any]:
        return {"places": list(self.places), "values": [_listed(row) for row in self.values], "counts": self.counts.tolist()}


@dataclass(frozen=True)
class Bins:
    """A choice among spikes [S], bins [G] and missing, in this order, for the column at `place` of the schema.

    ends   [G, 2] lowest and highest value of each bin; no spike lies between them
    knots  [G, SEGMENTS + 1] the quantile function of each at equal steps; behind its last knot stands infinity
    """

    place: int
    spikes: np.ndarray
    ends: np.ndarray
    knots: np.ndarray
    missing: bool
    counts: np.ndarray

    @property
    def places(self) -> tuple[int, ...]:
        return (self.place,)

    @property
    def size(self) -> int:
        return len(self.spikes) + len(self.ends) + self.missing

    def to_dict(self) -> dict[str, Any]:
        return {
            "place": self.place,
            "spikes": self.spikes.tolist(),
            "ends": self.ends.tolist(),
            "knots": [row[np.isfinite(row)].tolist() for row in self.knots],
            "missing": self.missing,
            "counts": self.counts.tolist(),
        }


Part = Levels | Bins


def part_from_dict(values: Mapping[str, Any]) -> Part:
    """What `to_dict` of either told of."""
    counts = np.asarray(values["counts"], np.float64)
    if "places" in values:
        known = np.asarray([[math.nan if v is None else v for v in row] for row in values["values"]], np.float64)
        return Levels(tuple(values["places"]), known, counts)
    ends = np.asarray(values["ends"], np.float64).reshape(-1, 2)
    knots = np.asarray([_padded(np.asarray(row, np.float64)) for row in values["knots"]]).reshape(-1, SEGMENTS + 1)
    return Bins(values["place"], np.asarray(values["spikes"], np.float64), ends, knots, bool(values["missing"]), counts)


def shares(part: Part) -> tuple[float, ...]:
    """How often each choice is taken, none of them 0."""
    smooth = np.maximum(part.counts, 0.5)
    return tuple((smooth / smooth.sum()).tolist())


def _listed(row: np.ndarray) -> list[float | None]:
    return [None if math.isnan(v) else float(v) for v in row]


# --- fitting -------------------------------------------------------------------------------------------------------------


def are_classes(different: int, rows: int) -> bool:
    """Whether so many different values of a number that is the target are classes: they are few, and in so many rows some are not rare."""
    return different <= min(FEW_CLASSES, rows // FEWEST)


def bins_of(place: int, values: np.ndarray, counts: np.ndarray, missing: int, grid: Grid) -> tuple[Bins, int]:
    """Spikes and bins of a column of which these `values` stand in `counts` rows each, ascending, and in `missing` rows none; and how
    many rows hold something that is not kept: they take what is nearest.

    None of its numbers tells of one row alone: bins reach no further than the value that FEWEST rows reach, so that an outlier neither
    shows nor stretches a bin, and ends and knots are round numbers near those that were found.
    """
    rows = int(counts.sum()) + missing
    frequent = counts >= max(FEWEST, SPIKE * rows)
    spikes = np.concatenate([[-np.inf], values[frequent], [np.inf]])
    gap = np.cumsum(frequent)[~frequent]  # which spikes a value lies between
    rest, heavy = values[~frequent], counts[~frequent]
    target = max(heavy.sum() / BINS, IN_BIN)
    ends, knots, taken, lost = [np.zeros((0, 2))], [np.zeros((0, SEGMENTS + 1))], [], 0
    for start, stop in _runs(gap):
        held = int(heavy[start:stop].sum())
        if held < FEWEST and (frequent.any() or missing >= FEWEST):  # else nothing would be left
            lost += held
            continue
        inside = _inward(heavy[start:stop])
        inner, weights = rest[start:stop][inside], heavy[start:stop][inside]
        parts = list(pairwise(_cut(weights, target)))
        lines = [_quantiles(*_cells(inner[a:b], grid.step), weights[a:b]) for a, b in parts]
        outside = spikes[gap[start]], spikes[gap[start] + 1]
        within = [int(weights[a:b].sum()) for a, b in parts]
        round_ends, round_knots = _rounded([inner[a:b] for a, b in parts], lines, within, outside, grid)
        ends.append(round_ends)
        knots.append(round_knots)
        within[0] += int(heavy[start : start + inside.start].sum())  # what lies further out is nearest to these
        within[-1] += int(heavy[start + inside.stop : stop].sum())
        taken += within
    kept = missing >= FEWEST or (missing > 0 and not len(values))
    counted = np.concatenate([counts[frequent], np.asarray(taken), [missing] * kept]).astype(np.float64)
    return Bins(place, values[frequent], np.concatenate(ends), np.concatenate(knots), kept, counted), lost + (0 if kept else missing)


def _inward(counts: np.ndarray) -> slice:
    """Of values that stand in `counts` rows each, ascending, those from the one that FEWEST rows reach to its like at the other end; FEWEST
    rows lie between where there are as many."""
    reached = np.cumsum(counts)
    spare = max(0, min(FEWEST - 1, (int(reached[-1]) - FEWEST) // 2))
    low, high = np.searchsorted(reached, [spare, reached[-1] - 1 - spare], side="right").tolist()
    return slice(low, high + 1)


def _runs(keys: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of runs of equal keys."""
    cut = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
    return list(pairwise(cut)) if len(keys) else []


def _cells(values: np.ndarray, step: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Left and right end of the stretch over which the rows of each value of a bin are thought spread: its rounding where there is a step,
    else half the way to its neighbours."""
    if step is not None:
        return values - step / 2, values + step / 2
    middle = _halfway(values[:-1], values[1:])
    return np.concatenate([values[:1], middle]), np.concatenate([middle, values[-1:]])


def _halfway(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Above a and up to b, a < b; halfway where there is a number between, infinite where either is."""
    middle = a / 2 + b / 2
    return np.where((middle > a) | np.isinf(a), middle, b)


def _cut(counts: np.ndarray, target: float) -> list[int]:
    """Where bins of values with these counts begin, and where the last ends: each has `target` rows or hardly more, but the last."""
    ends = np.cumsum(counts)
    parts = max(1, round(ends[-1] / target))
    cut = [0]
    while cut[-1] < len(counts):
        done = ends[cut[-1] - 1] if cut[-1] else 0
        wanted = (ends[-1] - done) / max(1, parts - len(cut) + 1)  # what is left, in equal parts
        stop = max(cut[-1] + 1, int(np.searchsorted(ends, done + max(wanted, min(target, IN_BIN)))) + 1)
        cut.append(len(counts) if stop >= len(counts) or ends[-1] - ends[stop - 1] < min(target, IN_BIN) else stop)
    return cut


def _quantiles(left: np.ndarray, right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Knots of the quantile function of a bin, SEGMENTS + 1 or fewer."""
    ends = np.cumsum(counts)
    pieces = int(min(SEGMENTS, max(1, ends[-1] // FEWEST)))
    wanted = ends[-1] * np.arange(1, pieces) / pieces
    ranks = np.stack([ends - counts, ends], 1).ravel()
    inner = np.interp(wanted, ranks, np.stack([left, right], 1).ravel())
    return np.concatenate([left[:1], inner, right[-1:]])


def _rounded(
    bins: Sequence[np.ndarray], lines: Sequence[np.ndarray], rows: Sequence[int], outside: tuple[float, float], grid: Grid
) -> tuple[np.ndarray, np.ndarray]:
    """Ends [G, 2] and knots [G, SEGMENTS + 1] of bins side by side as round numbers, given their values, the knots that were found and
    how many rows each holds.

    Each moves by at most half of what a row takes of the stretch beside it; an end moves outward, and less than half the way to the next
    bin or to what is `outside`, or inward where the grid ends there.
    """
    first, last = np.asarray([b[0] for b in bins]), np.asarray([b[-1] for b in bins])
    before, after = np.append(outside[0], last[:-1]), np.append(first[1:], outside[1])
    stretches = [np.diff(line) * (len(line) - 1) / (2 * held) for line, held in zip(lines, rows, strict=True)]
    left, right = np.asarray([(stretch[0], stretch[-1]) for stretch in stretches]).T
    half, middle = (grid.step or 0.0) / 2, _halfway(last, after)
    least = np.maximum(_halfway(before, first), grid.lowest)
    most = np.nextafter(middle, -np.inf) if grid.step is None else middle - grid.step / 4  # in the middle the next may begin
    low = _roundest(np.maximum(first - left, least), np.where(first > grid.lowest, first, first + left), first, grid.step)
    furthest = np.minimum(np.minimum(last + right, np.maximum(most, last)), grid.highest)
    high = _roundest(np.where(last < grid.highest, last, last - right), furthest, last, grid.step)
    ends, knots = np.stack([grid.snap(low), grid.snap(high)], 1), []
    for line, stretch, (start, stop) in zip(lines, stretches, ends, strict=True):
        near = np.minimum(stretch[:-1], stretch[1:])
        inner = _roundest(line[1:-1] - near, line[1:-1] + near, line[1:-1], None)
        knots.append(_padded(np.concatenate([[start - half], inner, [stop + half]])))
    return ends, np.asarray(knots)


def _roundest(low: np.ndarray, high: np.ndarray, otherwise: np.ndarray, step: float | None) -> np.ndarray:
    """The numbers of fewest digits from low to high, whole multiples of a step where there is one; `otherwise` where none is found."""
    unit = step or 1.0
    low, high = low / unit, high / unit
    if step is not None:  # the ends may be off by the last bit
        low, high = np.ceil(low - CLOSE), np.floor(high + CLOSE)
    found, searched = np.asarray(otherwise, np.float64).copy(), low < high
    with np.errstate(all="ignore"):  # of numbers near the largest and the smallest that there are
        top = np.floor(np.log10(np.maximum(np.abs(low), np.abs(high))))
        for digits in range(DIGITS):
            power, inverse = 10.0 ** (top - digits), 10.0 ** (digits - top)
            if step is not None:
                power, inverse = np.maximum(power, 1.0), np.minimum(inverse, 1.0)
            near = np.where(power < 1, np.ceil(low * inverse) / inverse, np.ceil(low / power) * power) + 0.0  # no negative zero
            hit = searched & (near >= low) & (near <= high)
            found[hit] = near[hit] * unit
            searched &= ~hit
    return found


def _padded(knots: np.ndarray) -> np.ndarray:
    return np.concatenate([knots, np.full(SEGMENTS + 1 - len(knots), np.inf)])


def single(schema: Schema, places: tuple[int, ...]) -> bool:
    """Whether a block stands for one number or date, among whose values one is the nearest."""
    return len(places) == 1 and schema.columns[places[0]].numeric


def preferred(levels: Levels, schema: Schema) -> Tensor:
    """The choices [L] of a block, most frequent first; before them, of a category cut short, the level that stands for all others."""
    order = np.argsort(-levels.counts, kind="stable")
    column = schema.columns[levels.places[0]]
    if len(levels.places) == 1 and column.levels[-1:] == (OTHER,):
        last = levels.values[order, 0] == len(column.levels) - 1
        order = np.concatenate([order[last], order[~last]])
    return torch.from_numpy(order)


def closest(values: Tensor, known: Tensor, order: Tensor) -> Tensor:
    """Which of the combinations `known` [L, k] agrees with each of `values` [b, k] in most columns; of equals the first in `order` [L]."""
    known = known[order]
    found = [values.new_zeros(0, dtype=torch.long)]
    for some in values.split(max(1, (1 << 22) // max(1, known.numel()))):
        a, b = some.unsqueeze(1), known.unsqueeze(0)
        found.append(order[((a == b) | (a.isnan() & b.isnan())).sum(2).argmax(1)])
    return torch.cat(found)


def nearest_number(values: np.ndarray, known: np.ndarray, usual: int) -> np.ndarray:
    """Which of the numbers `known` [L], ascending and NaN behind them, is nearest to each value; the lower of two; `usual` for NaN."""
    there = known[~np.isnan(known)]
    if not len(there):
        return np.full(len(values), usual)
    after = np.searchsorted(there, values).clip(1, max(1, len(there) - 1))
    lower = there[after - 1]
    upper = there[np.minimum(after, len(there) - 1)]
    return np.where(np.isnan(values), usual, np.where(upper - values < values - lower, np.minimum(after, len(there) - 1), after - 1))


# --- within bins ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantiles:
    """The bins of all columns one behind the other: value of a position and position of a value. All arguments broadcast.

    knots [G, SEGMENTS + 1], pieces [G], lowest [G], highest [G], factors [G, 2] as `Grid.factors`.
    """

    knots: Tensor
    pieces: Tensor
    lowest: Tensor
    highest: Tensor
    factors: Tensor

    @classmethod
    def of(cls, parts: list[tuple[Bins, Grid]]) -> Quantiles:
        knots = torch.from_numpy(np.concatenate([np.zeros((0, SEGMENTS + 1)), *(b.knots for b, _ in parts)]))
        ends = torch.from_numpy(np.concatenate([np.zeros((0, 2)), *(b.ends for b, _ in parts)]))
        factors = [grid.factors for b, grid in parts for _ in b.ends]
        return cls(knots, knots.isfinite().sum(1) - 1, ends[:, 0], ends[:, 1], torch.tensor(factors, dtype=torch.float64).reshape(-1, 2))

    def to(self, device: torch.device) -> Quantiles:
        return Quantiles(*(t.to(device) for t in (self.knots, self.pieces, self.lowest, self.highest, self.factors)))

    def values(self, bins: Tensor, positions: Tensor) -> Tensor:
        """The value of a position in [-1, 1] within a bin, float64: never falls as the position grows, and stays in the bin."""
        pieces = self.pieces[bins]
        along = (positions.double().nan_to_num() + 1).div(2).clamp(0, 1) * pieces
        piece = torch.minimum(along.floor().long(), pieces - 1)
        start, end = self.knots[bins, piece], self.knots[bins, piece + 1]
        value = torch.minimum(start + (along - piece) * (end - start), end)
        value = snapped(value, self.factors[bins, 0], self.factors[bins, 1])
        return torch.minimum(torch.maximum(value, self.lowest[bins]), self.highest[bins])

    def positions(self, bins: Tensor, values: Tensor) -> Tensor:
        """The position of a value within a bin, float64 in [-1, 1]; the nearest where it lies outside."""
        knots, pieces = self.knots[bins], self.pieces[bins]
        piece = torch.minimum((values.unsqueeze(-1) >= knots[..., 1:]).sum(-1), pieces - 1)
        start = knots.gather(-1, piece.unsqueeze(-1)).squeeze(-1)
        end = knots.gather(-1, piece.unsqueeze(-1) + 1).squeeze(-1)
        along = torch.where(end > start, (values - start) / (end - start), 0.5).nan_to_num(0.5).clamp(0, 1)
        return (piece + along) / pieces * 2 - 1

    def at(self, bins: Tensor, places: Tensor) -> Tensor:
        """The value at a place, 0 to PLACES."""
        return self.values(bins, position_of(places))

    def first(self, bins: Tensor, bound: Tensor) -> Tensor:
        """The first place whose value is not below a bound; PLACES + 1 where there is none."""
        bins, bound = torch.broadcast_tensors(bins, bound)
        half = torch.where(self.factors[bins, 0] > 0, self.factors[bins, 1] / self.factors[bins, 0] / 2, 0.0)
        guess = ((self.positions(bins, bound - half) + 1) * (PLACES / 2)).long()
        low, high = (guess - NEAR).clamp(min=0), (guess + NEAR).clamp(max=PLACES + 1)
        low = torch.where(self.at(bins, low) >= bound, 0, low)
        high = torch.where(self.at(bins, high.clamp(max=PLACES)) < bound, PLACES + 1, high)
        while (low < high).any():
            middle = (low + high) // 2
            reached = self.at(bins, middle.clamp(max=PLACES)) >= bound
            reached |= middle > PLACES
            low, high = torch.where(reached, low, torch.minimum(middle + 1, high)), torch.where(reached, middle, high)
        return high

    def last(self, bins: Tensor, bound: Tensor) -> Tensor:
        """The last place whose value is not above a bound; -1 where there is none."""
        return self.first(bins, torch.nextafter(bound.double(), bound.new_tensor(math.inf, dtype=torch.float64))) - 1


def position_of(places: Tensor) -> Tensor:
    """Places 0 to PLACES as positions in [-1, 1], exact in float32."""
    return places.double() / (PLACES / 2) - 1


def snapped(values: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Values on the grid with these factors, as `Grid.snap` has them."""
    near = (values * a / b).round() * b / a + 0.0  # no negative zero
    return torch.where((a > 0) & ~near.isinf(), near, values)
