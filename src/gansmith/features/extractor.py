"""What every extractor is, and how one is run over a set that does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gansmith.errors import DataError, NotFiniteData

CHUNK = 8 << 20  # numbers of native samples that are taken up at a time, whatever the extractor would bear


class Rows(Protocol):
    """Native samples [N, ...] that are read a piece at a time: an array, a memory map, or some of either."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


class Extractor(Protocol):
    """Native samples [B, ...] -> features [B, D]. Deterministic, and each sample by itself: the others of its batch change nothing."""

    @property
    def name(self) -> str:
        """Carried into every score."""

    @property
    def conditions(self) -> Mapping[str, Any]:
        """JSON-able: `input` (shape of a sample), `dimensions` (D), checksum of the weights, ... Unlike conditions, unlike scores."""

    @property
    def batch(self) -> int:
        """Samples at a time that keep it busy and need little memory."""

    def __call__(self, raw: np.ndarray) -> Tensor:
        """Native samples [B, ...] of shape `conditions["input"]` -> features [B, D] float32 on the CPU. DataError for other shapes."""

    def probabilities(self, features: Tensor) -> Tensor | None:
        """Class probabilities [B, K] of samples with these features [B, D]; None where there is no classifier."""


def extract(
    extractor: Extractor,
    raw: Rows,
    batch: int | None = None,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> Tensor:
    """Features [N, D] float32 of native samples [N, ...], a piece at a time: of a memory map only one piece is ever read in.

    batch     samples in a piece; None: as the extractor likes it, fewer where samples are large
    progress  called with the samples done and their number after each piece
    DataError where there are no samples, NotFiniteData where some give features that are not finite.
    """
    count = len(raw)
    if not count:
        raise DataError(f"there are no samples to extract {extractor.name} features from. Give at least one.")
    step = batch or max(1, min(extractor.batch, CHUNK // max(1, raw[:1].size)))
    found = torch.empty(count, extractor.conditions["dimensions"])
    for start in range(0, count, step):
        piece = found[start : start + step]
        piece.copy_(extractor(raw[start : start + step]))
        broken = (~piece.isfinite().all(1)).nonzero()
        if len(broken):
            raise NotFiniteData(
                f"sample {start + int(broken[0])} gives {extractor.name} features that are not finite, so it holds values that are not "
                "finite or far out of range. Remove such samples, or train the generator again if it made them."
            )
        progress(min(start + step, count), count)
    return found
