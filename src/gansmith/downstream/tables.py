"""Rows of a table as models take them: the columns beside the target, trees that learn from these as they are, and SMOTE, which is to
rows what shifts and turns are to pictures.

A table is raw [N, M] float64: a number, or the index of a category's level; NaN where there is none.

Letters: F columns that are learned from, D numbers that they become.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gansmith.downstream.models import Labelled, Prediction, TrainingSet, of_all_classes
from gansmith.layout import Block, Layout
from gansmith.metrics.boosted import odds_of
from gansmith.metrics.tables import smote
from gansmith.randomness import seed_of

LEVELS = 64  # of a category that have a channel of their own; the rarer ones share one
FARTHEST = 1e6  # deviations from the mean that are told apart: a model squares them
NEIGHBOURS = 5  # of SMOTE, as in the paper


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns that models learn from: never the target.

    places   [F] where they stand among the M of a row
    levels   [F] of a category, the most frequent first; 0 of a number or date
    """

    places: tuple[int, ...]
    levels: tuple[int, ...]

    @property
    def numeric(self) -> np.ndarray:
        """[F] which of them are numbers, with an order and a distance."""
        return np.array(self.levels) == 0

    def __call__(self, raw: Tensor) -> Tensor:
        """Rows [B, M] -> these columns [B, F] as they are stored."""
        return raw[:, self.places]


@dataclass(frozen=True, eq=False)
class Numbers:
    """Columns as numbers of which none is missing: categories one-hot, numbers in standard deviations from their mean.

    A column of which training rows miss values has one channel more, 1 where the value is missing and all its others are 0.

    mean, deviation, missing   [F] of the training rows
    """

    columns: Columns
    mean: np.ndarray
    deviation: np.ndarray
    missing: np.ndarray

    @classmethod
    def of(cls, columns: Columns, raw: np.ndarray) -> Numbers:
        """Fitted to training rows [N, M]."""
        moments = [_moments(raw[:, place]) for place in columns.places]
        mean, deviation = np.array(moments).T
        return cls(columns, mean, deviation, np.isnan(raw[:, columns.places]).any(0))

    @property
    def sizes(self) -> list[int]:
        """[F] channels of each column."""
        each = zip(self.columns.levels, self.missing, strict=True)
        return [(min(levels, LEVELS + 1) or 1) + int(missing) for levels, missing in each]

    def layout(self, classes: int) -> Layout:
        """Of what is given to models that tell so many classes apart."""
        return Layout((Block("columns", sum(self.sizes), "real"),), (), classes)

    def __call__(self, raw: Tensor) -> Tensor:
        """Rows [B, M] -> x [B, D] float32."""
        parts = [self._column(j, raw[:, place], size) for j, (place, size) in enumerate(zip(self.columns.places, self.sizes, strict=True))]
        return torch.cat(parts, 1)

    def _column(self, j: int, values: Tensor, size: int) -> Tensor:
        gone, own = values.isnan(), size - int(self.missing[j])
        if self.columns.levels[j]:
            level = values.nan_to_num().long().clamp(max=own - 1)
            x = torch.nn.functional.one_hot(level, size) * ~gone.unsqueeze(1)
        else:
            x = ((values - self.mean[j]) / self.deviation[j]).clamp(-FARTHEST, FARTHEST).nan_to_num().unsqueeze(1).repeat(1, size)
        if self.missing[j]:
            x[:, -1] = gone
        return x.float()


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of what is there; (0, 1) where nothing is, a deviation of 1 where nothing varies."""
    there = values[~np.isnan(values)]
    if not len(there):
        return 0.0, 1.0
    scale = float(np.abs(there).max()) or 1.0  # squares of large numbers do not fit
    deviation = scale * float((there / scale).std())
    return scale * float((there / scale).mean()), deviation if np.ptp(there) else 1.0


class Trees:
    """Gradient-boosted trees, the default for tables; they take numbers, categories and missing values as they are."""

    def __init__(self, columns: Columns, classes: int) -> None:
        """Of what `columns` gives, to tell so many classes apart."""
        self.columns, self.classes, self.spent = columns, classes, "100 rounds of trees, each set once as a whole"
        self.words = "gradient-boosted trees (HistGradientBoostingClassifier of scikit-learn)"

    def __call__(self, train: TrainingSet, test: np.ndarray, seed: int) -> Prediction:
        x, y = train.whole(seed)
        test_x = train.encode(torch.from_numpy(np.array(test)))
        known, odds = np.unique(y), odds_of(x.numpy(), y.numpy(), test_x.numpy(), self.columns.numeric, seed)
        return Prediction(known[odds.argmax(1)], of_all_classes(odds, known, self.classes))


class Smote:
    """Classical augmentation of rows: new ones between real ones of a class.  arXiv:1106.1813"""

    def __init__(self, columns: Columns) -> None:
        """In these columns; the others are those of a real row of the class."""
        self.columns = columns
        self.words = (
            f"SMOTE of {NEIGHBOURS} neighbours, a row interpolated between real ones of its class instead of each repeated one; together "
            "with synthetic rows, one of each kind in turn"
        )

    def augmented(self, sets: Sequence[TrainingSet], seed: int) -> list[TrainingSet]:
        """Of sets that hold the same real rows and, behind them, repeated or other ones of the same classes in the same order: with a new
        row in the place of each repeated one, and of every second other (synthetic, or noise) of a class.

        What is new is drawn once and shared, so that sets differ only where one holds a synthetic row or noise.
        """
        first = sets[0]
        wanted = first.labels[len(first.real) :]
        made = Labelled(self.rows(first.real, wanted, seed), wanted)
        return [_exchanged(train, made) for train in sets]

    def rows(self, real: Labelled, wanted: np.ndarray, seed: int) -> np.ndarray:
        """New rows [m, M] of these classes [m], each between two real ones of its class; of a class with one row, this row."""
        source = np.random.default_rng(seed_of(seed, "smote"))
        made = np.empty((len(wanted), *real.raw.shape[1:]), real.raw.dtype)
        for k in np.unique(wanted):
            here, own = wanted == k, real.raw[real.labels == k]
            made[here] = own[0]
            if len(own) > 1:
                between = smote(own[:, self.columns.places], self.columns.numeric, source, int(here.sum()), min(NEIGHBOURS, len(own) - 1))
                made[np.ix_(here, self.columns.places)] = between
        return made


def _exchanged(train: TrainingSet, made: Labelled) -> TrainingSet:
    """A set with rows made [m, M] wherever classical augmentation has its turn."""
    count, chosen, old = len(train.real), train.turns, train.synthetic
    pool = Labelled(np.concatenate([old.raw, made.raw[chosen]]), np.concatenate([old.labels, made.labels[chosen]]))
    rows = train.rows.copy()
    rows[count:][chosen] = count + len(old) + np.arange(chosen.sum())
    return replace(train, synthetic=pool, rows=rows)
