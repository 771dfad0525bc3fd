"""A recognised source as a collection, decoded or found in the cache."""

from __future__ import annotations

from pathlib import Path

from gansmith.config import DataSettings
from gansmith.data.store import Collection, cached, key_of
from gansmith.domains.image.build import Progress, build
from gansmith.domains.image.kinds import Origin
from gansmith.errors import DataError

FORMAT = 4  # of what is kept in the cache; a change of any rule of decoding or looking raises it


def open_origin(origin: Origin, settings: DataSettings, largest: int, progress: Progress | None, name: str) -> Collection:
    """The collection of a source under the key of its identity and of the settings that decoding depends on."""
    chosen = settings.model_dump(include={"size", "channels", "fit", "background", "labels"})
    key = key_of(FORMAT, "image", origin.identity, chosen, None if settings.size else largest)

    def make(folder: Path) -> None:
        try:
            build(origin.load(), settings, largest, folder, progress)
        except OSError as error:
            raise DataError(
                f"{name} could not be read to its end ({error.strerror or error}). Check the file or the disk it is on."
            ) from error

    return cached(key, make)
