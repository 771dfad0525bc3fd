"""Pictures in a column of a table: parquet files as the Hugging Face Hub lays them out, and data sets of the Hub by name."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gansmith.domains.image.kinds import Files, Origin
from gansmith.domains.image.labels import LABEL_COLUMNS, Labels, from_values
from gansmith.domains.image.trees import Opener, stat_identity
from gansmith.errors import DataError, MissingExtra

ROWS = 256  # of a parquet file that are held in memory at a time


def parquet(paths: Sequence[Path], labelled: bool, identity: list[Any]) -> Origin:
    """Encoded pictures in parquet files: a column of bytes, or of structs with `bytes`; labels in a column of numbers or words."""
    return Origin([*identity, *(stat_identity(p) for p in paths)], lambda: _parquet_files(paths, labelled))


def has_pictures(path: Path) -> bool:
    """Whether a parquet file has a column that may hold pictures; True where pyarrow is not there to tell."""
    try:
        schema = _pyarrow_parquet().read_schema(path)
    except MissingExtra:
        return True
    return _image_column(schema) is not None


def hub(name: str, labelled: bool) -> Origin:
    """The training part of a data set of the Hugging Face Hub."""
    try:
        import datasets  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingExtra("Reading hf:NAME", "hf") from None
    try:
        found = datasets.load_dataset(name)
    except Exception as error:  # the Hub, the network and the data set's own code each raise their own kinds
        raise DataError(
            f"hf:{name} could not be opened ({(str(error).splitlines() or [type(error).__name__])[0]}). Check the name and the connection."
        ) from error
    part = found["train"] if "train" in found else found[next(iter(found))]
    column = next((c for c, f in part.features.items() if type(f).__name__ == "Image"), None)
    if column is None:
        raise DataError(f"hf:{name} has no column of pictures; it has {', '.join(part.features)}. Choose a data set of images.")
    return Origin([name, str(getattr(part, "_fingerprint", len(part)))], lambda: _hub_files(part, column, labelled, datasets))


def _hub_files(part: Any, column: str, labelled: bool, datasets: Any) -> Files:
    rows = part.cast_column(column, datasets.Image(decode=False))  # the files' bytes as they are; decoding is ours
    label = next((c for c in LABEL_COLUMNS if c in part.features), None) if labelled else None
    names = tuple(f"row {i}" for i in range(len(part)))
    labels = from_values(part[label], getattr(part.features[label], "names", None) or ()) if label else None

    def walk() -> Iterator[tuple[str, Opener]]:
        for name, row in zip(names, rows, strict=True):
            cell = row[column]
            yield name, _bytes_opener(cell["bytes"] if cell["bytes"] is not None else Path(cell["path"]).read_bytes())

    return Files("hf", names, walk, labels)


def _parquet_files(paths: Sequence[Path], labelled: bool) -> Files:
    reader = _pyarrow_parquet()
    schemas, count = [], 0
    for path in paths:
        with _damage_told(path):
            schemas.append(reader.read_schema(path))
            count += reader.read_metadata(path).num_rows
    schema = schemas[0]
    column = _image_column(schema)
    if column is None:
        raise DataError(
            f"{paths[0]} has no column of pictures; it has {', '.join(schema.names)}. A column of encoded pictures (bytes) was expected."
        )
    label = next((c for c in LABEL_COLUMNS if c in schema.names), None) if labelled else None
    for path, other in zip(paths, schemas, strict=True):
        if column not in _image_columns(other):
            raise DataError(
                f"{path} has no column of pictures {column!r}, but {paths[0].name} has; it has {', '.join(other.names)}. Give one of the "
                "files alone."
            )
        if label and label not in other.names:
            raise DataError(
                f"{path} has no column {label!r}, from which the labels in {paths[0].name} come. Give one of the files alone, or pass "
                "--labels none."
            )
    names = tuple(f"row {i}" for i in range(count))

    def walk() -> Iterator[tuple[str, Opener]]:
        at = iter(names)
        for path in paths:
            with _damage_told(path), reader.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=ROWS, columns=[column]):
                    for cell in batch.column(0):
                        value = cell.as_py()
                        value = value["bytes"] if isinstance(value, dict) else value
                        name = next(at, None)
                        if name is None:
                            raise ValueError("it has more rows than it says")
                        yield name, _bytes_opener(value or b"")

    return Files("parquet", names, walk, _parquet_labels(reader, paths, schema, label) if label else None)


def _parquet_labels(reader: Any, paths: Sequence[Path], schema: Any, label: str) -> Labels:
    values = []
    for path in paths:
        with _damage_told(path):
            values += reader.read_table(path, columns=[label]).column(0).to_pylist()
    if None in values:
        raise DataError(
            f"the column {label!r} of {paths[0]} is empty for {values.count(None):,} of {len(values):,} pictures. Fill it in, or "
            "pass --labels none."
        )
    return from_values(values, _class_names(schema, label), where=f"the labels in {paths[0].name}")


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """DataError where pyarrow cannot make sense of a file."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} cannot be read as parquet ({reason}). Download or save it again.") from error


def _image_column(schema: Any) -> str | None:
    return next(iter(_image_columns(schema)), None)


def _image_columns(schema: Any) -> list[str]:
    """The columns of structs with a field `bytes`, and behind them those of plain bytes."""
    from pyarrow import types

    structs = [f.name for f in schema if types.is_struct(f.type) and f.type.get_field_index("bytes") >= 0]
    plain = [f.name for f in schema if types.is_binary(f.type) or types.is_large_binary(f.type)]
    return [*structs, *plain]


def _class_names(schema: Any, label: str) -> list[str]:
    """The names of a ClassLabel that the `datasets` library wrote into the file's metadata; [] where there are none."""
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        return list(about["info"]["features"][label]["names"])
    except (KeyError, TypeError, ValueError):
        return []


def _pyarrow_parquet() -> Any:
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("Reading parquet", "parquet") from None
    return pyarrow.parquet


def _bytes_opener(data: bytes) -> Opener:
    return lambda: io.BytesIO(data)
