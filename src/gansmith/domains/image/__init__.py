"""Pictures as a domain: opened from many kinds of source, encoded for the networks, shown as grids, written as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gansmith.config import DataSettings
from gansmith.data.store import Collection
from gansmith.domains.image import sources
from gansmith.domains.image.build import Progress
from gansmith.domains.image.codec import ImageCodec
from gansmith.domains.image.items import collect
from gansmith.domains.image.opening import open_origin

__all__ = ["IMAGE", "ImageCodec", "ImageDomain", "collect"]


class ImageDomain:
    """The domain of pictures. Raw samples are [H, W, C] of uint8, uint16 or float32."""

    name = "image"

    def recognises(self, source: str) -> bool:
        """Whether there seem to be pictures in `source`. Cheap; never raises."""
        return sources.recognises(source)

    def open(self, source: str, settings: DataSettings, largest: int = 64, progress: Progress | None = None) -> Collection:
        """Decode the source, or find it decoded in the cache. Sides chosen automatically do not exceed `largest` pixels.

        progress(done, all) is called while pictures are decoded. DataError for bad input, MissingExtra where a reader is not
        installed, StorageError where the cache cannot be written.
        """
        origin = sources.find(source, settings)
        return open_origin(origin, settings, largest, progress, source)

    def fit(self, collection: Collection, members: np.ndarray | None = None) -> ImageCodec:
        """The codec of a collection; `layout.condition` is that of the collection."""
        return ImageCodec.fit(collection)

    def codec(self, state: Mapping[str, Any]) -> ImageCodec:
        """A codec from what `ImageCodec.state` gave."""
        return ImageCodec.from_state(state)


IMAGE = ImageDomain()
