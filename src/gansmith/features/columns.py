"""Features of the rows of a table: levels as places of their own, numbers as ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from gansmith.errors import DataError
from gansmith.metrics import tables


class Columns:
    """Rows [B, M] -> points in which a category that differs counts 1 in the squared distance, and a number the square of its difference in
    rank among the training rows, so 1/6 on average. `metrics.tables.features` has the formula.

    So a column has a say whatever its units, tail and number of levels, and a wrong level weighs as much as a number moved from one end
    to the other. Columns that are not learned are not seen.

    reference  training rows [R, M], which the ranks and levels are of
    places     [m] which columns are learned
    numeric    [m] which of these are numbers
    """

    name = "columns"
    batch = 1 << 14

    def __init__(self, reference: np.ndarray, places: Sequence[int], numeric: Sequence[bool]) -> None:
        self.places, self.numeric = np.asarray(places, np.int64), np.asarray(numeric, bool)
        self.width, self.reference = reference.shape[1], reference[:, self.places]
        self.conditions: Mapping[str, Any] = {
            "input": [self.width],
            "columns": len(self.places),
            "dimensions": tables.features(self.reference[:1], self.reference, self.numeric).shape[1],
        }

    @classmethod
    def of(cls, reference: np.ndarray, schema: Mapping[str, Any]) -> Columns:
        """From training rows [R, M] and what `Schema.to_dict` gave."""
        places, numeric = learned(schema)
        return cls(reference, places, numeric)

    def __call__(self, raw: np.ndarray) -> Tensor:
        if raw.shape[1:] != (self.width,):
            raise DataError(
                f"found rows of shape {tuple(raw.shape[1:])}, but the extractor is for {self.width} columns. Give the same columns."
            )
        return tables.features(raw[:, self.places], self.reference, self.numeric)

    def probabilities(self, features: Tensor) -> None:
        """There is no classifier."""


LEARNED, NUMERIC = ("number", "category", "boolean", "date"), ("number", "date")  # kinds of columns


def learned(schema: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Places of the columns that are learned, and which of these are numbers, from what `Schema.to_dict` gave."""
    kinds = [column["kind"] for column in schema["columns"]]
    places = tuple(i for i, kind in enumerate(kinds) if kind in LEARNED)
    return places, tuple(kinds[i] in NUMERIC for i in places)
