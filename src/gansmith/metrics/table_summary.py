"""What a page shows of a table: how each column is distributed, how pairs hang together, what became of rare values. JSON-able."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from gansmith.metrics import tables

BINS = 24  # of a number
TAILS = 0.005  # share of the real values beyond either end of the bins; the first and the last bin hold them
LEVELS = 10  # of a category that are shown; the others are one
RARE = 0.01  # share of the real rows below which a level is rare
LISTED = 2000  # rare levels that are kept at most


@dataclass(frozen=True)
class Marginal:
    """One column, real and made.

    edges   of the bins of a number; the first and the last bin also hold what lies beyond. None: a category
    levels  names of a category's bars; the last one may hold several
    real, made  share of the rows in each bin or bar, missing ones counted in the whole
    missing  share of the rows without a value, real and made
    shape   see `tables.shapes`; floor: that of held-out rows
    """

    name: str
    edges: tuple[float, ...] | None
    levels: tuple[str, ...]
    real: tuple[float, ...]
    made: tuple[float, ...]
    missing: tuple[float, float]
    shape: float
    floor: float
    dates: bool = False  # the edges are seconds since 1970-01-01 UTC


@dataclass(frozen=True)
class Rare:
    """A level that few rows have."""

    column: str
    level: str
    real: float
    made: float


@dataclass(frozen=True)
class Summary:
    """A generated table beside the real one. Matrices [M, M] have None on the diagonal."""

    columns: tuple[Marginal, ...]
    trends: tuple[tuple[float | None, ...], ...]  # see `tables.trends`
    strength: tuple[tuple[float | None, ...], ...]  # see `tables.strengths`, of real rows
    change: tuple[tuple[float | None, ...], ...]  # by how much it is larger among the made ones
    rare: tuple[Rare, ...]  # the least found first
    rare_count: int  # before only LISTED were kept
    names: tuple[str, ...] = ()  # of all columns, learned or not, whose cells `closest` shows
    closest: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()  # made rows and the training rows nearest to them, as texts

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` told of."""

        def marginal(m: Mapping[str, Any]) -> Marginal:
            lists = {k: tuple(m[k]) for k in ("levels", "real", "made", "missing")}
            return Marginal(**{**m, **lists, "edges": tuple(m["edges"]) if m["edges"] is not None else None})

        matrices = {k: tuple(map(tuple, values[k])) for k in ("trends", "strength", "change")}
        pairs = tuple((tuple(a), tuple(b)) for a, b in values["closest"])
        columns, rare = tuple(map(marginal, values["columns"])), tuple(Rare(**r) for r in values["rare"])
        return cls(**{**values, **matrices, "columns": columns, "rare": rare, "names": tuple(values["names"]), "closest": pairs})


def summary(
    real: np.ndarray, made: np.ndarray, held_out: np.ndarray, names: Sequence[str], numeric: np.ndarray, levels: Sequence[Sequence[str]]
) -> Summary:
    """Of made rows [F, M] beside real ones [N, M]; `levels` are the names of each column's levels, empty for numbers."""
    own, floor = tables.quality(real, made, numeric), tables.shapes(real, held_out, numeric)
    columns = tuple(
        _marginal(names[j], real[:, j], made[:, j], bool(numeric[j]), levels[j], float(own.shapes[j]), float(floor[j]))
        for j in range(len(names))
    )
    change = tables.strengths(made, numeric) - own.strengths
    rare = [r for j in range(len(names)) if not numeric[j] for r in _rare(names[j], levels[j], real[:, j], made[:, j])]
    rare.sort(key=lambda r: (r.made / r.real, -r.real))
    return Summary(columns, _listed(own.trends), _listed(own.strengths), _listed(change), tuple(rare[:LISTED]), len(rare))


def _marginal(name: str, real: np.ndarray, made: np.ndarray, number: bool, levels: Sequence[str], shape: float, floor: float) -> Marginal:
    missing = (float(np.isnan(real).mean()), float(np.isnan(made).mean()))
    known, given = real[~np.isnan(real)], made[~np.isnan(made)]
    if number:
        edges = _edges(known)
        low, high = edges[0], edges[-1]
        shares = [np.histogram(x.clip(low, high), edges)[0] / max(1, len(all_of)) for x, all_of in ((known, real), (given, made))]
        return Marginal(name, _floats(edges), (), _floats(shares[0]), _floats(shares[1]), missing, shape, floor)
    counts = [np.bincount(x.astype(np.int64), minlength=len(levels)) / max(1, len(all_of)) for x, all_of in ((known, real), (given, made))]
    order = np.argsort(-counts[0], kind="stable")
    shown, others = (order, order[:0]) if len(order) <= LEVELS else (order[: LEVELS - 1], order[LEVELS - 1 :])
    bars = [[*c[shown], *([c[others].sum()] if len(others) else [])] for c in counts]
    labels = (*(levels[i] for i in shown), *([f"{len(others)} others"] if len(others) else []))
    return Marginal(name, None, labels, _floats(bars[0]), _floats(bars[1]), missing, shape, floor)


def _edges(known: np.ndarray) -> np.ndarray:
    """Ends of bins of equal width; of whole numbers, each bin holds as many."""
    if not len(known):
        return np.array([0.0, 1.0])
    low, high = np.quantile(known, (TAILS, 1 - TAILS))
    if low == high:
        low, high = known.min(), known.max()
    if (known == np.rint(known)).all() and high - low < 2**50:
        width = np.ceil((np.rint(high) - np.rint(low) + 1) / BINS)
        count = int(np.ceil((np.rint(high) - np.rint(low) + 1) / width))
        return np.rint(low) - 0.5 + width * np.arange(count + 1)
    return np.linspace(low, high, BINS + 1) if low < high else low + np.array([-0.5, 0.5])


def _rare(column: str, levels: Sequence[str], real: np.ndarray, made: np.ndarray) -> list[Rare]:
    counts = [np.bincount(x[~np.isnan(x)].astype(np.int64), minlength=len(levels)) / len(x) for x in (real, made)]
    return [Rare(column, level, float(a), float(b)) for level, a, b in zip(levels, *counts, strict=True) if 0 < a < RARE]


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(round(float(v), 6) if abs(v) < 1 else float(v) for v in values)


def _listed(matrix: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if np.isnan(v) else round(float(v), 4) for v in row) for row in matrix)
