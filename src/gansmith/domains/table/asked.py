"""What conditions and declared comparisons leave to choose from, and how positions within bins are moved into it.

A bin is asked for by the places in it that give such values (columns.PLACES), so that what is found here holds of what is decoded, to the
last digit and rounding included.

Letters: B rows, C channels, L choices of a block, G bins of all columns, J spans of values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gansmith.domains.table.columns import PLACES, Bins, Part, Quantiles, position_of
from gansmith.domains.table.inequalities import Comparison, comparisons, ordered
from gansmith.domains.table.lookup import Tables
from gansmith.domains.table.schema import Schema
from gansmith.domains.table.where import ALL, Where
from gansmith.errors import ConfigError

SCRAMBLE = 0x9E3779B1  # odd: turns places into others that look drawn anew


@dataclass(frozen=True)
class Ranges:
    """Values that may be taken within each bin, from low to high [G, J], and their places from start to end; none where the end is before
    the start."""

    quantiles: Quantiles
    low: Tensor
    high: Tensor
    start: Tensor
    end: Tensor

    @classmethod
    def of(cls, quantiles: Quantiles, spans: Sequence[tuple[tuple[float, float], ...]]) -> Ranges:
        """Of the values allowed in each bin [G]."""
        width = max((len(s) for s in spans), default=1) or 1
        padded = [[*s, *[(math.inf, -math.inf)] * (width - len(s))] for s in spans]
        bounds = torch.tensor(padded, dtype=torch.float64).reshape(len(spans), width, 2)
        bins = torch.arange(len(spans)).unsqueeze(1)
        low, high = bounds.unbind(2)
        return cls(quantiles, low, high, quantiles.first(bins, low), quantiles.last(bins, high).clamp(max=PLACES))

    def to(self, device: torch.device) -> Ranges:
        return Ranges(self.quantiles.to(device), *(t.to(device) for t in (self.low, self.high, self.start, self.end)))

    @property
    def open(self) -> Tensor:
        """Which bins have any. bool [G]"""
        return (self.start <= self.end).any(1)

    def lowest(self, bins: Tensor, bound: Tensor) -> Tensor:
        """The least value not below a bound that may be taken in a bin; infinity where there is none."""
        start = torch.maximum(self.start[bins], self.quantiles.first(bins, bound).unsqueeze(-1))
        place = torch.where(start <= self.end[bins], start, PLACES + 1).amin(-1)
        return torch.where(place <= PLACES, self.quantiles.at(bins, place.clamp(max=PLACES)), math.inf)

    def highest(self, bins: Tensor, bound: Tensor) -> Tensor:
        """The greatest value not above a bound that may be taken in a bin; minus infinity where there is none."""
        end = torch.minimum(self.end[bins], self.quantiles.last(bins, bound).unsqueeze(-1))
        place = torch.where(self.start[bins] <= end, end, -1).amax(-1)
        return torch.where(place >= 0, self.quantiles.at(bins, place.clamp(min=0)), -math.inf)

    def moved(self, bins: Tensor, positions: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Positions [B] in bins [B], those whose value may not be taken, or lies outside low to high, anew among those that may: uniform
        if they were, and fixed by what they were. Where nothing may be taken they stay."""
        value = self.quantiles.values(bins, positions).unsqueeze(1)
        good = ((value >= self.low[bins]) & (value <= self.high[bins])).any(1) & (value[:, 0] >= low) & (value[:, 0] <= high)
        start = torch.maximum(self.start[bins], self.quantiles.first(bins, low).unsqueeze(1))  # [B, J]
        end = torch.minimum(self.end[bins], self.quantiles.last(bins, high).unsqueeze(1))
        count = (end - start + 1).clamp(min=0)
        total = count.sum(1)
        chance = ((positions.double() + 1) * (PLACES / 2)).round().long() * SCRAMBLE % PLACES
        rank = chance * total // PLACES  # below 2 ** 50
        before = count.cumsum(1) - count
        span = (
            (rank.unsqueeze(1) >= before)
            .long()
            .mul(count > 0)
            .mul(torch.arange(1, count.shape[1] + 1, device=count.device))
            .argmax(1, True)
        )
        place = (start.gather(1, span) + rank.unsqueeze(1) - before.gather(1, span)).squeeze(1)
        return torch.where(good | (total == 0), positions, position_of(place).to(positions.dtype))


@dataclass(frozen=True)
class Compared:
    """A column that is compared with others: its place in the schema, the block that chooses for it, and of each choice [L] the lowest
    and highest value (NaN where it is missing) and the bin, -1 for none; the channel of the position, -1 for none."""

    place: int
    block: int
    where: slice
    low: Tensor
    high: Tensor
    bin: Tensor
    within: int


@dataclass(frozen=True)
class Asked:
    """Conditions and comparisons worked out for a codec: which choices are allowed at all, and which places within bins.

    compared     the columns that are compared, each behind those that are to be less
    comparisons  (i, j, strict) of two of them, i < j or i <= j
    """

    allowed: Tensor
    ranges: Ranges
    compared: tuple[Compared, ...]
    comparisons: tuple[Comparison, ...]

    @classmethod
    def of(cls, schema: Schema, parts: Sequence[Part], tables: Tables, channels: int, wheres: Mapping[int, Where]) -> Asked:
        """On the device of the tables. ConfigError where the conditions leave a column nothing."""
        spans = [wheres[part.place].spans if part.place in wheres else ALL for part in parts if isinstance(part, Bins) for _ in part.ends]
        ranges = Ranges.of(tables.quantiles, spans)
        allowed = torch.ones(channels, dtype=torch.bool)
        free = iter(ranges.open.split(tables.numbers.flatten().tolist()) if tables.binned else ())
        for part, (where, _), values in zip(parts, tables.where, tables.values, strict=True):
            held = torch.ones(len(values), dtype=torch.bool)
            for place, column in zip(part.places, values.T, strict=True):
                if place in wheres:
                    held &= wheres[place].holds(column)
            if isinstance(part, Bins) and len(part.ends):
                held[len(part.spikes) : len(part.spikes) + len(part.ends)] = next(free)
            if not held.any():
                said = " and ".join(wheres[place].text for place in part.places if place in wheres)
                raise ConfigError(f"no row can have {said}: the generator has no such value. Request another.")
            allowed[where] = held
        order = ordered(schema)
        compared = tuple(_compared(place, parts, tables, ranges) for place in order)
        pairs = tuple(Comparison(order.index(c.low), order.index(c.high), c.strict) for c in comparisons(schema))
        asked = cls(allowed, ranges, compared, pairs)
        return asked._narrowed(wheres)

    def to(self, device: torch.device) -> Asked:
        compared = (replace(c, low=c.low.to(device), high=c.high.to(device), bin=c.bin.to(device)) for c in self.compared)
        return Asked(self.allowed.to(device), self.ranges.to(device), tuple(compared), self.comparisons)

    def open(self, x: Tensor, mask: Tensor, allowed: Tensor, told: Tensor | None = None) -> Tensor:
        """Which choices may still be made [B, C] for rows x [B, C] whose blocks in the mask [B, n] are made, so that all comparisons can
        hold in the end; see `TableCodec.open`."""
        still = allowed.expand(len(x), -1)
        if not self.comparisons:
            return still
        still = still.clone()
        for block, where in {c.block: c.where for c in self.compared}.items():
            made = mask[:, block] > 0
            still[:, where] = torch.where(made.unsqueeze(1), _chosen(x[:, where]), still[:, where])
        still, stuck = self._left(still, [_told(column, told) for column in self.compared])
        return torch.where(stuck.unsqueeze(1), allowed, still)

    def confine(self, x: Tensor, wheres: Mapping[int, Where], tables: Tables, told: Tensor | None = None) -> Tensor:
        """x [B, C] with positions moved so that what is decoded satisfies the conditions and the comparisons; see `TableCodec.confine`."""
        x = x.clone()
        infinite = torch.full((len(x),), math.inf, dtype=torch.float64, device=x.device)
        for row, (block, place) in enumerate(zip(tables.binned, tables.place[tables.binned_rows].tolist(), strict=True)):
            if place in wheres:
                where = tables.where[block][0]
                bins = x[:, where].argmax(1) - tables.skipped[row]
                inside = (bins >= 0) & (bins < tables.numbers[row])
                self._move(x, int(tables.within[row]), bins + tables.starts[row], _unless(inside, told, place), -infinite, infinite)
        if not self.comparisons:
            return x
        chosen = torch.zeros_like(x, dtype=torch.bool)
        for column in self.compared:
            chosen[:, column.where] = _chosen(x[:, column.where])
        fixed = [_told(column, told) for column in self.compared]
        bounds = self._bounds(chosen, fixed)
        made: list[Tensor] = []
        for i, (column, known, (_, _, high)) in enumerate(zip(self.compared, fixed, bounds, strict=True)):
            low = -infinite
            for c in self.comparisons:
                if c.high == i:  # NaN, where that is missing, bounds nothing
                    low = torch.fmax(low, torch.nextafter(made[c.low], infinite) if c.strict else made[c.low])
            choice = x[:, column.where].argmax(1)
            bins = column.bin[choice]
            value = column.low[choice]
            if column.within >= 0:
                self._move(x, column.within, bins, _unless(bins >= 0, told, column.place), low, high)
                value = torch.where(bins >= 0, self.ranges.quantiles.values(bins.clamp(min=0), x[:, column.within]), value)
            made.append(value if known is None else torch.where(known.isnan(), value, known))
        return x

    def _move(self, x: Tensor, channel: int, bins: Tensor, which: Tensor, low: Tensor, high: Tensor) -> None:
        rows = which.nonzero().squeeze(1)
        x[rows, channel] = self.ranges.moved(bins[rows], x[rows, channel], low[rows], high[rows])

    def _bounds(self, still: Tensor, fixed: Sequence[Tensor | None]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """What the comparisons leave of each column, by the choices `still` [B, C] there: the lowest it may be [B], the least value of each
        choice [B, L] that is not below that, and the highest it may be [B]."""
        none = torch.full((len(still),), math.inf, dtype=torch.float64, device=still.device)
        lowest, highest = [-none for _ in self.compared], [none for _ in self.compared]
        there = [still[:, c.where] & ~_missing(c, told) for c, told in zip(self.compared, fixed, strict=True)]
        may_miss = [(still[:, c.where] & _missing(c, told)).any(1) for c, told in zip(self.compared, fixed, strict=True)]
        void = {c: _contradicted(c, fixed) for c in self.comparisons}
        least = []
        for i, column in enumerate(self.compared):  # each behind those below it
            least.append(self._least(column, fixed[i], lowest[i]))
            first = least[i].masked_fill(~there[i], math.inf).amin(1)
            for c in self.comparisons:
                if c.low == i:
                    bound = torch.nextafter(first, none) if c.strict else first
                    lowest[c.high] = torch.where(may_miss[i] | void[c], lowest[c.high], torch.maximum(lowest[c.high], bound))
        for i, column in reversed(list(enumerate(self.compared))):
            last = self._most(column, fixed[i], highest[i]).masked_fill(~there[i], -math.inf).amax(1)
            for c in self.comparisons:
                if c.high == i:
                    bound = torch.nextafter(last, -none) if c.strict else last
                    highest[c.low] = torch.where(may_miss[i] | void[c], highest[c.low], torch.minimum(highest[c.low], bound))
        return list(zip(lowest, least, highest, strict=True))

    def _least(self, column: Compared, fixed: Tensor | None, bound: Tensor) -> Tensor:
        """The least value of each choice that is not below a bound [B]; infinity where there is none.  [B, L]"""
        low, high = _ends(column, fixed, len(bound))
        bound = bound.unsqueeze(1)
        return self._split(column, bound, (low < bound) & (high >= bound), torch.where(low >= bound, low, math.inf), self.ranges.lowest)

    def _most(self, column: Compared, fixed: Tensor | None, bound: Tensor) -> Tensor:
        """The greatest value of each choice that is not above a bound [B]; minus infinity where there is none.  [B, L]"""
        low, high = _ends(column, fixed, len(bound))
        bound = bound.unsqueeze(1)
        return self._split(column, bound, (low <= bound) & (high > bound), torch.where(high <= bound, high, -math.inf), self.ranges.highest)

    def _split(self, column: Compared, bound: Tensor, within: Tensor, found: Tensor, end: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """`found` [B, L] with what a bound [B, 1] leaves of a bin that it falls into."""
        rows, choices = within.nonzero(as_tuple=True)
        if len(rows):
            found[rows, choices] = end(column.bin[choices], bound[rows, 0])
        return found

    def _narrowed(self, wheres: Mapping[int, Where]) -> Asked:
        """With what the comparisons leave of the choices before any is made. ConfigError where they leave nothing."""
        if not self.comparisons:
            return self
        still, stuck = self._left(self.allowed.unsqueeze(0), [None for _ in self.compared])
        if stuck.any():
            said = " and ".join(where.text for where in wheres.values()) or "all declared comparisons"
            raise ConfigError(
                f"no row can have {said}, because the comparisons declared for its columns must hold too. Use fewer conditions."
            )
        return replace(self, allowed=still[0])

    def _left(self, still: Tensor, fixed: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
        """The choices [B, C] of `still` with which all comparisons can hold, and of which rows [B] a block has none."""
        several = len({c.block for c in self.compared}) < len(self.compared)
        while True:
            after = still.clone()
            for column, told, (_, least, high) in zip(self.compared, fixed, self._bounds(still, fixed), strict=True):
                after[:, column.where] &= ((least <= high.unsqueeze(1)) & least.isfinite()) | _missing(column, told)
            settled = not several or torch.equal(after, still)  # a column alone in its block loses nothing that bounds another
            still = after
            if settled:
                return still, torch.stack([~still[:, c.where].any(1) for c in self.compared]).any(0)


def _compared(place: int, parts: Sequence[Part], tables: Tables, ranges: Ranges) -> Compared:
    """A column that is compared, with what conditions have left of its bins."""
    block = next(b for b, part in enumerate(parts) if place in part.places)
    part, values = parts[block], tables.values[block][:, parts[block].places.index(place)]
    low, high, bins, within = values.clone(), values.clone(), torch.full((len(values),), -1), -1
    if block in tables.binned and isinstance(part, Bins):
        row = tables.binned.index(block)
        of_bins = torch.arange(len(part.ends)) + int(tables.starts[row])
        choices = slice(len(part.spikes), len(part.spikes) + len(part.ends))
        infinite = torch.tensor(math.inf, dtype=torch.float64)
        low[choices], high[choices] = ranges.lowest(of_bins, -infinite), ranges.highest(of_bins, infinite)
        bins[choices], within = of_bins, int(tables.within[row])
    return Compared(place, block, tables.where[block][0], low, high, bins, within)


def _chosen(x: Tensor) -> Tensor:
    """The choice of a block [B, L] as true."""
    return torch.zeros_like(x, dtype=torch.bool).scatter_(1, x.argmax(1, True), True)


def _ends(column: Compared, fixed: Tensor | None, count: int) -> tuple[Tensor, Tensor]:
    """Lowest and highest value of each choice [B, L]."""
    low, high = (v.expand(count, -1) for v in (column.low, column.high))
    if fixed is None:
        return low, high
    value = fixed.unsqueeze(1)
    return torch.where(value.isnan(), low, value), torch.where(value.isnan(), high, value)


def _told(column: Compared, told: Tensor | None) -> Tensor | None:
    """The values [B] that were told of a column, which may be others than its choice stands for; NaN elsewhere."""
    return None if told is None else told[:, column.place]


def _missing(column: Compared, fixed: Tensor | None) -> Tensor:
    """With which choices a column is missing, [L] or [B, L]: with none where its value was told."""
    return column.low.isnan() if fixed is None else column.low.isnan() & fixed.isnan().unsqueeze(1)


def _contradicted(c: Comparison, fixed: Sequence[Tensor | None]) -> Tensor | bool:
    """In which rows [B] what was told of two columns contradicts the comparison of them, which then bounds nothing."""
    low, high = fixed[c.low], fixed[c.high]
    if low is None or high is None:
        return False
    return (low >= high) if c.strict else (low > high)


def _unless(which: Tensor, told: Tensor | None, place: int) -> Tensor:
    """Which rows [B], those left out in which a column was told."""
    return which if told is None else which & told[:, place].isnan()
