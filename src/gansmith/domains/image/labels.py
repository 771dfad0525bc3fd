"""Labels: from folders, from a table beside the pictures, or from an array; ended as indices into class names, or as conditions."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from gansmith.conditions import Conditions, is_measured, of_records
from gansmith.errors import DataError

TABLES = ("labels.csv", "labels.json", "labels.jsonl", "metadata.csv", "metadata.json", "metadata.jsonl", "dataset.json")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "name", "img", "image_path", "id", "image_id")
LABEL_COLUMNS = ("label", "labels", "class", "category", "target", "y", "class_name", "label_name")
SPLITS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation"))


@dataclass(frozen=True)
class Labels:
    """indices [N] int64 into classes."""

    indices: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def keep(self, which: np.ndarray) -> Labels:
        """The labels of some samples; a class that loses all of its samples keeps its place."""
        return Labels(self.indices[which], self.classes)


def from_values(values: Sequence[Any] | np.ndarray, classes: Sequence[str] = (), where: str = "the labels") -> Labels:
    """Labels from one value a sample: words, whole numbers, or one-hot rows. `classes` names whole numbers 0..K-1.

    Without names, classes are the values that occur, numbers in numerical order and words in alphabetical.
    """
    found = np.asarray(values)
    if found.dtype.hasobject:
        found = np.asarray([str(v) for v in values])
    if found.ndim == 2 and found.shape[1] > 1 and found.dtype.kind in "bif" and _one_hot(found):
        found = found.argmax(1)
    elif found.ndim > 1 and found.size == len(found):
        found = found.reshape(-1)
    if found.ndim != 1:
        raise DataError(f"{where} have shape {found.shape}; one label per picture was expected. Pass --labels none to train without them.")
    if found.dtype.kind == "f":
        if not (np.isfinite(found).all() and (found == found.round()).all()):
            raise DataError(
                f"{where} are fractions such as {found[found != found.round()][:1]}; classes were expected. Pass --labels none to "
                "train without them."
            )
        found = found.astype(np.int64)
    if found.dtype.kind == "S":
        found = np.char.decode(found, "utf-8")
    if found.dtype.kind == "b":
        found = found.astype(np.int64)
    if len(classes):
        return _named(found, [str(c) for c in classes], where)
    if found.dtype.kind == "U" and all(_is_whole(v) for v in np.unique(found)):
        found = found.astype(np.int64)
    unique, indices = np.unique(found, return_inverse=True)
    return Labels(indices.astype(np.int64), tuple(str(u) for u in unique))


def from_folders(names: Sequence[str]) -> Labels | None:
    """Labels where pictures lie in two subfolders or more and none lies above them; folders they all share are passed over.

    A level that only holds train, test and val folders is passed over as well.
    """
    parents = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while all(len(p) > depth for p in parents):
        here = {p[depth] for p in parents}
        if len(here) > 1 and not ({h.lower() for h in here} <= SPLITS):
            return from_values([p[depth] for p in parents])
        depth += 1
    return None


def parse(text: str, name: str, several: bool = False) -> list[tuple[str, Any]]:
    """(file, label) pairs of a CSV, JSON or JSON-lines text; the label of numbers with fractions is a mapping of their column's name.

    Without a column of labels: [], or with `several` a mapping of all other columns. DataError where it holds no such thing.
    """
    ending = PurePosixPath(name).suffix.lower()
    try:
        if ending == ".csv":
            rows: Any = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        elif ending == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            rows = json.loads(text)
    except (csv.Error, json.JSONDecodeError) as error:
        raise DataError(f"the labels in {name} cannot be read ({error}). Give a CSV or JSON of file names and labels.") from None
    if isinstance(rows, Mapping):
        inner = rows.get("labels")
        rows = inner if isinstance(inner, list | dict) else rows
    if isinstance(rows, Mapping):
        return _measured([(str(k), v) for k, v in rows.items()], "label")
    if isinstance(rows, list) and all(isinstance(r, list) and len(r) == 2 for r in rows):
        return _measured([(str(k), v) for k, v in rows], "label")
    if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
        raise DataError(f"{name} contains no readable labels; a CSV or JSON with a file name and a label per row was expected.")
    return _pairs(rows, name, several)


def match(pairs: Iterable[tuple[str, Any]], names: Sequence[str], where: str) -> Labels | Conditions:
    """The label of each picture by its path, else its file name, else its name without ending; its condition where labels are mappings.

    DataError where a picture has no label; rows without a picture do no harm.
    """
    table = {_clean(file): label for file, label in pairs}
    by_path = [table.get(name, _MISSING) for name in names]
    for short in (_file_name, _stem):
        if _MISSING not in by_path:
            break
        keys = Counter(short(n) for n in names)
        shortened = {short(file): label for file, label in table.items()}
        by_path = [
            shortened.get(short(n), _MISSING) if v is _MISSING and keys[short(n)] == 1 else v for v, n in zip(by_path, names, strict=True)
        ]
    lost = [n for n, v in zip(names, by_path, strict=True) if v is _MISSING or v is None or v == ""]
    if lost:
        known = {short(n) for n in names for short in (str, _file_name, _stem)}
        extra = next((f for f in table if f not in known and _file_name(f) not in known), None)
        example = f", and {extra!r} in it is not a picture" if extra else ""
        raise DataError(
            f"{where} has no label for {len(lost):,} of {len(names):,} pictures, for example {lost[0]!r}{example}. "
            "Write each picture's path or file name as it is, or pass --labels none."
        )
    mappings = [v for v in by_path if isinstance(v, Mapping)]
    if mappings:
        if len(mappings) < len(by_path):
            raise DataError(f"some labels in {where} are mappings of columns, but others are not. Write all in the same form.")
        return of_records(mappings, f"the labels in {where}")
    return from_values(np.asarray([str(v) for v in by_path]), where=f"the labels in {where}")


_MISSING = object()


def _file_name(path: str) -> str:
    return PurePosixPath(path).name


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _measured(pairs: list[tuple[str, Any]], column: str) -> list[tuple[str, Any]]:
    """The pairs, with mappings for labels where these are numbers with fractions."""
    return [(file, {column: value}) for file, value in pairs] if pairs and is_measured([v for _, v in pairs]) else pairs


def _pairs(rows: Sequence[Mapping[str, Any]], name: str, several: bool) -> list[tuple[str, Any]]:
    if not rows:
        return []
    columns = {str(c).strip().lower(): c for c in rows[0]}
    file = next((columns[c] for c in FILE_COLUMNS if c in columns), None)
    label = next((columns[c] for c in LABEL_COLUMNS if c in columns and columns[c] != file), None)
    if label is None and file is not None and len(columns) == 2:
        label = next(c for c in columns.values() if c != file)
    if file is None:
        raise DataError(
            f"{name} has no column of file names; it has {', '.join(columns)}. Call that column 'file_name' and the other 'label'."
        )
    if label is None:
        others = [c for c in columns.values() if c is not None and c != file]
        return [(str(r.get(file)), {str(c).strip(): r.get(c) for c in others}) for r in rows] if several else []
    return _measured([(str(r.get(file)), r.get(label)) for r in rows], str(label).strip())


def _clean(file: str) -> str:
    return str(PurePosixPath(file.strip().replace("\\", "/")))


def _one_hot(rows: np.ndarray) -> bool:
    return bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all())


def _is_whole(text: str) -> bool:
    return str(text).removeprefix("-").isdigit() and str(text) == str(int(text))


def _named(found: np.ndarray, classes: list[str], where: str) -> Labels:
    if found.dtype.kind == "U":
        place = {c: i for i, c in enumerate(classes)}
        strangers = [str(v) for v in np.unique(found) if str(v) not in place]
        if strangers:
            raise DataError(f"{where} hold {strangers[0]!r}, which is not among the class names {classes[:10]}.")
        return Labels(np.asarray([place[str(v)] for v in found], np.int64), tuple(classes))
    if found.size and not (found.min() >= 0 and found.max() < len(classes)):
        raise DataError(
            f"{where} go from {found.min()} to {found.max()}, and there are {len(classes)} class names; labels 0 to "
            f"{len(classes) - 1} were expected."
        )
    return Labels(found.astype(np.int64), tuple(classes))
