"""What a domain is: it opens a source and fits a codec, which pictures samples and writes them out. It knows nothing of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


class ChoiceCodec(Codec, Protocol):
    """A codec of rows of choices (`Layout.given`), of which one can ask for rows that meet conditions.

    Letters: B rows, M columns, C channels, n choices.
    """

    def where(self, text: str) -> Any:
        """A condition as users write it, "age>60". ConfigError where it cannot be understood or names what is not there."""

    @property
    def names(self) -> Sequence[str]:
        """Of the M columns."""

    def frame(self, raw: np.ndarray, start: int = 0) -> Any:
        """Native rows [B, M], the first of number `start`, as a pandas frame, each column of its own type."""

    def cells(self, raw: np.ndarray, start: int = 0) -> Any:
        """The same as a pandas frame of texts, each cell as it would be written in the file."""

    def labelled(self, label: str) -> Any:
        """The condition that a row is of this class. ConfigError where there is no such class."""

    def each(self, column: str) -> Sequence[Any]:
        """A condition for each value of a column that has few. ConfigError where it has many, or is not there."""

    def labels(self, raw: np.ndarray, classes: Sequence[str]) -> np.ndarray | None:
        """Indices [B] into the classes of native rows [B, M]; None where there are no classes."""

    def allowed(self, wheres: Sequence[Any]) -> Tensor:
        """Choices [C], true where a row with it can meet all conditions. ConfigError where a choice has none left."""

    def open(self, x: Tensor, mask: Tensor, allowed: Tensor, wheres: Sequence[Any] = (), told: Tensor | None = None) -> Tensor:
        """Choices [B, C] that rows x [B, C] can still take, of those allowed [B, C], given what they hold already (mask [B, n]).

        told: the native rows [B, M] of what was told and may not be moved, NaN where nothing was.
        """

    def confine(self, x: Tensor, wheres: Sequence[Any] = (), told: Tensor | None = None) -> Tensor:
        """Rows x [B, C] of allowed choices with their places within these moved so that what is decoded meets all conditions."""

    def unfilled(self, raw: np.ndarray) -> tuple[Tensor, Tensor]:
        """(mask [B, n] of the choices that rows [B, M] settle, choices [B, C] that agree with all that is there and miss nothing)."""


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

    def fit(self, collection: Collection, members: np.ndarray | None = None) -> Codec:
        """The codec of a collection; `layout.condition` is that of the collection, or what a generator of rows is told.

        members: the samples that may be looked at where single ones would show in the codec; None: all.
        """

    def codec(self, state: Mapping[str, Any]) -> Codec:
        """A codec from what `Codec.state` gave."""
