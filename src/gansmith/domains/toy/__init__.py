"""Toy data as a domain: points of known Gaussians and sine waves, for studying how a GAN learns and for testing that it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gansmith.config import DataSettings
from gansmith.data.store import Collection, digest_rows
from gansmith.domains.toy.codec import ToyCodec
from gansmith.domains.toy.facts import facts
from gansmith.domains.toy.sources import TOYS, Toy
from gansmith.errors import DataError, nearest

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

    def fit(self, collection: Collection, members: np.ndarray | None = None) -> ToyCodec:
        """The codec of a collection; `layout.condition` is that of the collection."""
        return ToyCodec.fit(collection)

    def codec(self, state: Mapping[str, Any]) -> ToyCodec:
        """A codec from what `ToyCodec.state` gave."""
        return ToyCodec.from_state(state)


def _refuse_what_has_no_meaning(source: str, settings: DataSettings) -> None:
    given = {
        "data.size": settings.size,
        "data.channels": settings.channels,
        "data.labels": None if settings.labels == "none" else settings.labels,
    }
    for name, value in given.items():
        if value is not None:
            raise DataError(f"{name} does not apply to {source}, whose shape and labels are fixed. Leave it out.")


TOY = ToyDomain()
