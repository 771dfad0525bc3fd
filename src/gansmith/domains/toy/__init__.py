"""Toy data as a domain: points of known Gaussians and sine waves, for studying how a GAN learns and for testing that it does."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gansmith.config import DataSettings
from gansmith.data.store import Collection, digest_rows
from gansmith.domains.toy import pictures
from gansmith.domains.toy.codec import ToyCodec
from gansmith.domains.toy.facts import facts
from gansmith.domains.toy.sources import TOYS, Toy
from gansmith.errors import DataError, nearest, storage_error

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["TOY", "ToyCodec", "ToyDomain"]


class ToyDomain:
    """The domain of toy data. Raw samples are float32, points [2] or lines [T, 1]."""

    name = "toy"

    def recognises(self, source: str) -> bool:
        """Whether the source is written as a toy, known or not. Never raises."""
        return source.startswith("toy:")

    def open(
        self, source: str, settings: DataSettings, largest: int = 64, progress: Callable[[int, int], None] | None = None
    ) -> Collection:
        """Make the toy data; they take no file and no place in the cache. DataError where there is no such toy."""
        if source not in TOYS:
            raise DataError(f"there are no toy data {source!r}; {nearest(source, TOYS)}")
        _refuse_what_has_no_meaning(source, settings)
        toy = TOYS[source]()
        if settings.labels == "none":
            toy = Toy(toy.raw, known=toy.known)
        digests = digest_rows(toy.raw)
        return Collection(toy.raw, digests, toy.labels, toy.classes, facts=facts(source, toy, digests))

    def fit(self, collection: Collection) -> ToyCodec:
        """The codec of a collection; `layout.condition` is that of the collection."""
        return ToyCodec.fit(collection)

    def codec(self, state: Mapping[str, Any]) -> ToyCodec:
        """A codec from what `ToyCodec.state` gave."""
        return ToyCodec.from_state(state)

    def picture(self, raw: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image:
        """Points [B, 2] as a scatter, lines [B, T, 1] one below the other, with real ones in grey beneath."""
        return pictures.picture(raw, columns, real)

    def write(self, raw: np.ndarray, folder: Path, names: list[str]) -> list[str]:
        """All samples as one CSV file, a row each behind its name; gives the file's name, which tells the first and the last of them."""
        ends = names[:1] + names[1:][-1:]
        file = ("-".join(ends).replace("/", "_") or "samples") + ".csv"
        columns = ["x", "y"] if raw.ndim == 2 else [f"t{i}" for i in range(raw.shape[1])]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / file).open("w", newline="", encoding="utf-8") as out:
                rows = csv.writer(out)
                rows.writerow(["name", *columns])
                for name, sample in zip(names, raw.reshape(len(raw), len(columns)), strict=True):
                    rows.writerow([name, *map(str, sample)])  # the shortest digits that give the same float32 back
        except OSError as error:
            raise storage_error(error, folder / file) from error
        return [file]


def _refuse_what_has_no_meaning(source: str, settings: DataSettings) -> None:
    given = {
        "data.size": settings.size,
        "data.channels": settings.channels,
        "data.labels": None if settings.labels == "none" else settings.labels,
    }
    for name, value in given.items():
        if value is not None:
            raise DataError(f"{name} has no meaning for {source}, whose shape and labels are fixed. Leave it out.")


TOY = ToyDomain()
