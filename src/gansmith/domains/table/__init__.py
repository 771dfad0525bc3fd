"""Tables as a domain: read from files and frames, encoded as choices, shown as small multiples, written as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gansmith.config import DataSettings
from gansmith.data.store import Collection
from gansmith.domains.table import reading
from gansmith.domains.table.codec import TableCodec
from gansmith.domains.table.opening import Progress, open_table, rows_of
from gansmith.domains.table.where import Where, parse

__all__ = ["TABLE", "TableCodec", "TableDomain", "Where", "collect", "parse", "rows_of"]


class TableDomain:
    """The domain of tables. Raw samples are rows [M] of float64, a number for each column (see `schema`)."""

    name = "table"

    def recognises(self, source: str) -> bool:
        """Whether a path is a table's by its name. A folder is none, nor is a file of pictures. Never raises."""
        return reading.recognises(source) and not _holds_pictures(source)

    def open(self, source: str, settings: DataSettings, largest: int = 64, progress: Progress | None = None) -> Collection:
        """Read the table, or find it read in the cache. `largest` has no meaning here.

        progress(done, done) is called while rows are read. DataError for bad input, MissingExtra where a reader is not installed,
        StorageError where the cache cannot be written.
        """
        return open_table(source, settings, progress)

    def fit(self, collection: Collection, members: np.ndarray | None = None) -> TableCodec:
        """The codec of a collection, by its rows `members` alone where these are given.

        `layout.condition` is the width of what a generator of rows is told, whatever the collection's is.
        """
        return TableCodec.of(collection, members)

    def codec(self, state: Mapping[str, Any]) -> TableCodec:
        """A codec from what `TableCodec.state` gave."""
        return TableCodec.from_state(state)


def collect(frame: Any, settings: DataSettings | None = None, progress: Progress | None = None) -> Collection:
    """A collection from a pandas, polars or pyarrow table. DataError where it is none, or not fit to be trained on."""
    return open_table(frame, settings or DataSettings(), progress)


def _holds_pictures(source: str) -> bool:
    """Whether a parquet file has a column of pictures, as data sets on the Hub have them: bytes beside a path."""
    if Path(source).suffix.lower() != ".parquet":
        return False
    try:
        import pyarrow.parquet as parquet

        fields = list(parquet.read_schema(Path(source).expanduser()))
        return any({"bytes", "path"} <= {inner.name for inner in field.type} for field in fields if hasattr(field.type, "num_fields"))
    except Exception:  # whatever is wrong with it, reading it says so in words
        return False


TABLE = TableDomain()
