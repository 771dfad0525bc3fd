"""What a domain is: it opens a source and fits a codec, which pictures samples and writes them out. It knows nothing of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from torch import Tensor

from gansmith.config import DataSettings
from gansmith.data.store import Collection
from gansmith.layout import Layout

if TYPE_CHECKING:
    from PIL.Image import Image


class Codec(Protocol):
    """Native samples to tensors and back, to pictures and to files; alone knows what a tensor means, and what a native number does."""

    layout: Layout

    def encode(self, raw: Tensor) -> Tensor:
        """Native samples [B, ...] (as stored, any dtype) -> x [B, C, *P] float32 on the same device."""

    def decode(self, x: Tensor) -> np.ndarray:
        """x [B, C, *P] -> native samples [B, ...] in the dtype they were stored in."""

    def state(self) -> dict[str, Any]:
        """JSON-able; `Domain.codec(state)` makes an equal codec."""

    def picture(self, raw: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image:
        """Native samples [B, ...] as one picture: a grid of images, a scatter of points, a sheaf of lines, distributions of columns.

        `real`: drawn beside for comparison where it helps.
        """

    def write(self, raw: np.ndarray, folder: Path, names: list[str]) -> list[str]:
        """Write native samples in the domain's own format, one file each where that is usual; gives the files' names."""


class Domain(Protocol):
    """One kind of data."""

    name: str

    def recognises(self, source: str) -> bool:
        """Whether `source` (a path or a name) looks like this domain's data. Cheap; never raises."""

    def open(
        self, source: str, settings: DataSettings, largest: int = 64, progress: Callable[[int, int], None] | None = None
    ) -> Collection:
        """Decode the source, or find it decoded in the cache. `largest`: side in pixels that an automatic size does not exceed.

        progress(done, all) is called while samples are decoded. Raises DataError for bad input.
        """

    def fit(self, collection: Collection) -> Codec:
        """The codec of a collection; `layout.condition` is that of the collection."""

    def codec(self, state: Mapping[str, Any]) -> Codec:
        """A codec from what `Codec.state` gave."""
