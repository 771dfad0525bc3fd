"""The parts of a codec as tensors, all columns side by side, so that a batch is encoded in a few operations.

Letters: B rows, m learned columns, n blocks of choices, A anchors of a column, k columns of a block, L choices of a block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from gansmith import given
from gansmith.domains.table.columns import Bins, Grid, Levels, Part, Quantiles, closest, preferred, single, snapped
from gansmith.domains.table.schema import Schema
from gansmith.layout import Block, Layout


class _Tensors:
    """A dataclass of tensors and of such, in tuples too."""

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return type(self)(*(_moved(getattr(self, f.name), device) for f in fields(self)))  # type: ignore[arg-type]


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor | _Tensors | Quantiles):
        return value.to(device)
    return tuple(_moved(v, device) for v in value) if type(value) is tuple else value


@dataclass(frozen=True)
class Joint(_Tensors):
    """A block of several columns: its choice is found by a key of their codes.

    rows   which of the learned columns they are
    """

    rows: Tensor
    factors: Tensor  # [k] int64
    keys: Tensor  # [L] ascending
    sorted: Tensor  # [L] the choice of each key
    known: Tensor  # [L, k]
    order: Tensor

    def choices(self, codes: Tensor, values: Tensor) -> Tensor:
        """Choices [B] of codes and values [k, B]."""
        key = (codes * self.factors.unsqueeze(1)).sum(0)
        place = torch.searchsorted(self.keys, key).clamp(max=len(self.keys) - 1)
        found = self.sorted[place]
        strange = self.keys[place] != key
        if strange.any():
            found[strange] = closest(values[:, strange].T, self.known, self.order)
        return found

    @classmethod
    def of(cls, part: Levels, schema: Schema, rows: Sequence[int], anchors: Sequence[np.ndarray]) -> Joint:
        """`rows` are the columns of the part among the learned ones, `anchors` the known values of each."""
        factors = _ODD[: len(rows)]
        codes = np.stack([_codes_of(part.values[:, j], anchors[j]) for j in range(len(rows))], 1)  # [L, k]
        with np.errstate(over="ignore"):
            keys = (codes * factors).sum(1)
        order = np.argsort(keys, kind="stable")
        assert (keys[order][1:] > keys[order][:-1]).all(), "two combinations share a key"
        return cls(
            rows=torch.from_numpy(np.asarray(rows)),
            factors=torch.from_numpy(factors.copy()),
            keys=torch.from_numpy(keys[order]),
            sorted=torch.from_numpy(order),
            known=torch.from_numpy(part.values),
            order=preferred(part, schema),
        )


def _codes_of(values: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """The place of each value among the anchors; of a missing one the place behind them all and one further."""
    return np.where(np.isnan(values), len(anchors) + 1, np.searchsorted(anchors, values)).astype(np.int64)


_ODD = np.random.default_rng(0).integers(np.iinfo(np.int64).min, np.iinfo(np.int64).max, 4096, dtype=np.int64) | 1


@dataclass(frozen=True)
class Tables(_Tensors):
    """What encoding and decoding look up. An anchor is a value of a column that is kept, or an end of a bin.

    Of the learned columns, a row each: place [m] in the schema, low and high [m, 1] and factors [m, 1] of the grid, anchors [m, A]
    ascending with infinity behind them, the code [m, A] of each, whether a bin begins there [m, A], whether the nearest anchor is taken
    for a value that is none [m, 1] or else the code `other` [m, 1], and the code of a missing value [m, 1]. A code is the choice, where
    the block is of one column.
    Of the blocks: first [n] of their columns, joints, offsets [n, 1] of their channels, where each lies, columns and values of each choice.
    Of those with bins: binned [b] the blocks, binned_rows [b] their columns, the channel within [b], skipped [b, 1] spikes before the
    numbers [b, 1] of bins, which begin at starts [b, 1] of the quantiles.
    """

    place: Tensor
    low: Tensor
    high: Tensor
    factor: Tensor
    divisor: Tensor
    anchors: Tensor
    code: Tensor
    begins: Tensor
    near: Tensor
    other: Tensor
    missing: Tensor
    first: Tensor
    joints: tuple[tuple[int, Joint], ...]
    offsets: Tensor
    where: tuple[tuple[slice, Block], ...]
    columns: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    binned: tuple[int, ...]
    binned_blocks: Tensor
    binned_rows: Tensor
    within: Tensor
    skipped: Tensor
    numbers: Tensor
    starts: Tensor
    quantiles: Quantiles

    @classmethod
    def of(cls, schema: Schema, parts: Sequence[Part], grids: Mapping[int, Grid], layout: Layout) -> Tables:
        lines: list[_Line] = []
        first: list[int] = []
        joints: list[tuple[int, Joint]] = []
        for block, part in enumerate(parts):
            first.append(len(lines))
            lines += _lines(part, schema)
            if len(part.places) > 1:
                assert isinstance(part, Levels)
                rows = range(first[-1], len(lines))
                joints.append((block, Joint.of(part, schema, rows, [lines[r].anchors for r in rows])))
        longest = max(1, *(len(line.anchors) for line in lines)) + 1
        anywhere = Grid(None, -math.inf, math.inf)
        bounds = [grids.get(line.place, anywhere) for line in lines]
        where = given.choices(layout)
        binned = [(b, part) for b, part in enumerate(parts) if isinstance(part, Bins) and len(part.ends)]
        numbers = [len(part.ends) for _, part in binned]
        return cls(
            place=torch.tensor([line.place for line in lines]),
            low=_column([g.lowest for g in bounds], torch.float64),
            high=_column([g.highest for g in bounds], torch.float64),
            factor=_column([g.factors[0] for g in bounds], torch.float64),
            divisor=_column([g.factors[1] for g in bounds], torch.float64),
            anchors=_rows([line.anchors for line in lines], longest, math.inf),
            code=_rows([line.codes for line in lines], longest, 0),
            begins=_rows([line.begins for line in lines], longest, False),
            near=_column([line.near for line in lines], torch.bool),
            other=_column([line.other for line in lines], torch.long),
            missing=_column([line.missing for line in lines], torch.long),
            first=torch.tensor(first),
            joints=tuple(joints),
            offsets=_column([w.start for w, _ in where], torch.long),
            where=tuple(where),
            columns=tuple(torch.tensor(part.places) for part in parts),
            values=tuple(torch.from_numpy(_values(part)) for part in parts),
            binned=tuple(b for b, _ in binned),
            binned_blocks=torch.tensor([b for b, _ in binned], dtype=torch.long),
            binned_rows=torch.tensor([first[b] for b, _ in binned], dtype=torch.long),
            within=torch.tensor([where[b][0].stop for b, _ in binned], dtype=torch.long),
            skipped=_column([len(part.spikes) for _, part in binned], torch.long),
            numbers=_column(numbers, torch.long),
            starts=_column(np.cumsum([0, *numbers])[:-1].tolist(), torch.long),
            quantiles=Quantiles.of([(part, grids[part.place]) for _, part in binned]),
        )

    def codes(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and values [m, B] of rows raw [B, M]; values lie on their grid, NaN where missing."""
        values = raw.double()[:, self.place].T.contiguous()
        values = snapped(values.clamp(self.low, self.high), self.factor, self.divisor)
        values = torch.minimum(torch.maximum(values, self.low), self.high)
        at = (torch.searchsorted(self.anchors, values, right=True) - 1).clamp(0, self.anchors.shape[1] - 2)
        here = self.anchors.gather(1, at)
        onward = ~self.begins.gather(1, at) & (self.anchors.gather(1, at + 1) - values < values - here)
        exact = here == values
        code = torch.where(exact | self.near, self.code.gather(1, at + onward), self.other)
        return torch.where(values.isnan(), self.missing, code), values

    def bins(self, choice: Tensor) -> tuple[Tensor, Tensor]:
        """Of choices [n, B]: which bin each of the columns with bins is in [b, B], 0 where in none, and whether it is in one."""
        bins = choice[self.binned_blocks] - self.skipped
        inside = (bins >= 0) & (bins < self.numbers)
        return torch.where(inside, bins + self.starts, 0), inside


@dataclass(frozen=True)
class _Line:
    """What `Tables` has of one learned column."""

    place: int
    anchors: np.ndarray
    codes: np.ndarray
    begins: np.ndarray
    near: bool
    other: int
    missing: int


def _lines(part: Part, schema: Schema) -> list[_Line]:
    usual = int(part.counts.argmax())
    if isinstance(part, Bins):
        return [_of_bins(part, usual)]
    if len(part.places) > 1:
        found = []
        for place, values in zip(part.places, part.values.T, strict=True):
            anchors = np.unique(values[~np.isnan(values)])
            codes = np.arange(len(anchors))
            found.append(_Line(place, anchors, codes, np.zeros(len(anchors), bool), False, len(anchors), len(anchors) + 1))
        return found
    values = part.values[:, 0]
    empty = np.isnan(values)
    anchors, codes = values[~empty], np.flatnonzero(~empty)
    order = np.argsort(anchors)
    other = int(preferred(part, schema)[0])
    missing = int(empty.argmax()) if empty.any() else other
    near = single(schema, part.places) and len(anchors) > 0
    return [_Line(part.places[0], anchors[order], codes[order], np.zeros(len(anchors), bool), near, other, missing)]


def _of_bins(part: Bins, usual: int) -> _Line:
    spikes, bins = len(part.spikes), len(part.ends)
    anchors = np.concatenate([part.spikes, part.ends[:, 0], part.ends[:, 1]])
    choice = np.concatenate([np.arange(spikes), np.tile(np.arange(spikes, spikes + bins), 2)])
    begins = np.concatenate([np.zeros(spikes, bool), np.ones(bins, bool), np.zeros(bins, bool)])
    order = np.lexsort((~begins, anchors))  # of a bin of one value, the end behind the beginning
    missing = spikes + bins if part.missing else usual
    return _Line(part.place, anchors[order], choice[order], begins[order], len(anchors) > 0, usual, missing)


def _values(part: Part) -> np.ndarray:
    """Of each choice the values of its columns [L, k]; 0 for a bin."""
    if isinstance(part, Levels):
        return part.values
    return np.concatenate([part.spikes, np.zeros(len(part.ends)), [math.nan] * part.missing])[:, None]


def _column(values: Sequence[Any], dtype: torch.dtype) -> Tensor:
    return torch.tensor(values, dtype=dtype).reshape(-1, 1)


def _rows(parts: Sequence[np.ndarray], length: int, fill: float) -> Tensor:
    """Arrays of different lengths as one matrix."""
    dtype = np.result_type(*(p.dtype for p in parts))
    found = np.full((len(parts), length), fill, dtype)
    for row, part in zip(found, parts, strict=True):
        row[: len(part)] = part
    return torch.from_numpy(found)
