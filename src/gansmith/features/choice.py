"""Which extractor a set gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gansmith.data.store import Collection
from gansmith.errors import ConfigError, DataError, nearest
from gansmith.features.classifier import Classifier
from gansmith.features.columns import Columns
from gansmith.features.dinov2 import Dinov2
from gansmith.features.extractor import Extractor
from gansmith.features.inception import Inception
from gansmith.features.pixels import Pixels, Values
from gansmith.randomness import seed_of

FEW = 200  # labelled training samples below which a classifier is not the default
RANKED = 50_000  # training rows of a table that ranks are taken among
FEW_OF_A_CLASS = 10  # training samples below which a class does not count as one that can be learned


@dataclass(frozen=True)
class Asked:
    """What extractors are made from; see `choose`."""

    collection: Collection
    members: np.ndarray
    held_collection: Collection
    held: np.ndarray
    weights: Path | None
    device: str
    seed: int
    progress: Callable[[int, int], None]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.collection.raw.shape[1:]

    @property
    def span(self) -> tuple[float, float]:
        """The pixel values that mean -1 and 1. DataError where the samples are no pictures."""
        low, high = self._fact("span", "pictures", "values or classifier")
        return low, high

    def _fact(self, name: str, of: str, instead: str) -> Any:
        if name not in self.collection.facts:
            raise DataError(f"these features are of {of}, and a sample here has the shape {self.shape}. Use the features {instead}.")
        return self.collection.facts[name]

    def pixels(self) -> Extractor:
        return Pixels(self.shape, self.span)

    def values(self) -> Extractor:
        centre, scale = (self._fact(name, "points and lines", "pixels") for name in ("centre", "scale"))
        return Values(self.shape, centre, scale)

    def columns(self) -> Extractor:
        schema = self._fact("schema", "tables", "pixels or classifier")
        source = np.random.default_rng(seed_of(self.seed, "ranks"))
        few = len(self.members) <= RANKED
        chosen = self.members if few else np.sort(source.choice(self.members, RANKED, replace=False))
        return Columns.of(np.take(self.collection.raw, chosen, axis=0), schema)

    def classifier(self) -> Extractor:
        return Classifier.of(self.collection, self.members, self.held_collection, self.held, self.seed, self.device, self.progress)

    def inception(self) -> Extractor:
        return Inception(self.shape, self.span, self.weights, self.device, self.progress)

    def dinov2(self) -> Extractor:
        return Dinov2(self.shape, self.span, self.weights, self.device, self.progress)


EXTRACTORS: Mapping[str, Callable[[Asked], Extractor]] = {
    "pixels": Asked.pixels,
    "values": Asked.values,
    "columns": Asked.columns,
    "classifier": Asked.classifier,
    "inception": Asked.inception,
    "dinov2": Asked.dinov2,
}
WITH_WEIGHTS = ("inception", "dinov2")


def choose(
    name: str | None,
    collection: Collection,
    members: np.ndarray,
    held_collection: Collection,
    held: np.ndarray,
    *,
    weights: str | Path | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> Extractor:
    """The extractor of that name for the samples collection[members]; where none is named, the one that tells most about them.

    inception, where weights are given: whoever has them wants the numbers that papers give. It is not the default, for it must be
    fetched, takes hundreds of times as long, and looks for what tells dogs from cars, which says little of digits, spectra or drawings.
    classifier, where at least two classes can be learned: it looks for what matters to the user's own model.
    pixels, or values for points and lines: no labels, nothing to learn from.
    columns, for tables, which have no others.

    members, held  indices of the training samples, and of those that the classifier's accuracy is measured on
    weights        the file, of an extractor that has published ones
    seed           of the classifier's training
    progress       called with what is done and all there is, while a classifier is trained or weights are fetched
    ConfigError for an unknown name; DataError, MissingExtra where the extractor cannot serve these samples or its weights are missing.
    """
    if name is None:
        name = "inception" if weights else _automatic(collection, members)
    if name not in EXTRACTORS:
        raise ConfigError(f"there are no features {name!r}; {nearest(name, EXTRACTORS)}")
    if "schema" in collection.facts and name != "columns":
        raise ConfigError(f"the features {name} are not for tables. Use the features columns, or leave --extractor out.")
    if weights and name not in WITH_WEIGHTS:
        raise ConfigError(
            f"weights were given, but the features {name} take none; {' and '.join(WITH_WEIGHTS)} do. Leave one of the two out."
        )
    path = Path(weights) if weights else None
    return EXTRACTORS[name](Asked(collection, members, held_collection, held, path, device, seed, progress))


def _automatic(collection: Collection, members: np.ndarray) -> str:
    if "schema" in collection.facts:
        return "columns"
    if collection.labels is not None:
        counts = np.bincount(collection.labels[members])
        if counts.sum() >= FEW and (counts >= FEW_OF_A_CLASS).sum() >= 2:
            return "classifier"
    return "pixels" if "span" in collection.facts else "values"
