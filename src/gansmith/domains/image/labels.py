"""Labels: from folders, from a table beside the pictures, or from an array; ended as indices into class names, or as conditions."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath, splitext
from typing import Any

import numpy as np

from gansmith.conditions import Conditions, hardly_repeat, is_measured, of_records
from gansmith.domains.image.pictures import ENDINGS
from gansmith.errors import DataError

TABLES = ("labels.csv", "labels.json", "labels.jsonl", "metadata.csv", "metadata.json", "metadata.jsonl", "dataset.json")
FILE_COLUMNS = ("file_name", "filename", "file", "image", "path", "name", "img", "image_path", "id", "image_id")
LABEL_COLUMNS = ("label", "labels", "class", "category", "target", "y", "class_name", "label_name")
TRAINING = frozenset(("train", "training"))
SPLITS = TRAINING | frozenset(("test", "testing", "val", "valid", "validation"))


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
    if not isinstance(values, np.ndarray):
        _refuse_odd(values, where)
    try:
        found = np.asarray(values)
    except ValueError:
        raise DataError(f"{where} differ in shape; one label per picture was expected, all in the same form.") from None
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
    found = words(found, where)
    if found.dtype.kind == "U":
        found = np.char.strip(found)
    if found.dtype.kind == "b":
        found = found.astype(np.int64)
    if len(classes):
        return _named(found, _different([str(c).strip() for c in classes]), where)
    if found.dtype.kind == "U" and all(_is_whole(str(v)) for v in np.unique(found)):
        found = found.astype(np.int64)
    unique, indices = np.unique(found, return_inverse=True)
    return Labels(indices.astype(np.int64), tuple(str(u) for u in unique))


def words(found: np.ndarray, where: str = "the labels") -> np.ndarray:
    """Bytes as text; any other array as it is."""
    try:
        return np.char.decode(found, "utf-8") if found.dtype.kind == "S" else found
    except UnicodeDecodeError:
        raise DataError(f"{where} hold bytes that are not UTF-8 text. Save them as text, or as whole numbers.") from None


def from_folders(names: Sequence[str]) -> Labels | None:
    """Labels where pictures lie in two subfolders or more and none lies above them; folders they all share are passed over.

    A level that only holds train, test and val folders is passed over as well.
    """
    parents = _parents(names)
    depth = _class_depth(parents)
    return None if depth is None or any(len(p) <= depth for p in parents) else from_values([p[depth] for p in parents])


def above_folders(names: Sequence[str]) -> list[str]:
    """The pictures that lie above class folders, for which `from_folders` gives no labels; [] where there are no class folders."""
    parents = _parents(names)
    depth = _class_depth(parents)
    return [] if depth is None else [name for name, p in zip(names, parents, strict=True) if len(p) <= depth]


def training_part(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The pictures of the training part, and the folders that are left for it; all pictures and [] where there is no such part.

    There is one where all pictures lie in train, test and val folders, after folders that they all share.
    """
    parents = _parents(names)
    depth = _shared_depth(parents)
    if not all(len(p) > depth for p in parents):
        return [*names], []
    parts = {p[depth] for p in parents}
    training = {p for p in parts if p.lower() in TRAINING}
    if not training or not {p.lower() for p in parts} <= SPLITS:
        return [*names], []
    left = sorted("/".join([*parents[0][:depth], part]) for part in parts - training)
    return [name for name, p in zip(names, parents, strict=True) if p[depth] in training], left


def shared_folder(names: Sequence[str]) -> tuple[str, ...]:
    """The parts of the folder that all names lie in."""
    parents = _parents(names)
    return parents[0][: _shared_depth(parents)]


def parse(text: str, name: str, several: bool = False) -> list[tuple[str, Any]]:
    """(file, label) pairs of a CSV, JSON or JSON-lines text; the label of numbers with fractions is a mapping of their column's name.

    Without a column of labels: [], or with `several` a mapping of all other columns. DataError where it holds no such thing.
    """
    ending = PurePosixPath(name).suffix.lower()
    try:
        if ending == ".csv":
            rows: Any = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=_delimiter(text)))
        elif ending == ".jsonl":
            lines = text.replace("\r", "\n").split("\n")  # a text may hold what else ends a line
            rows = [json.loads(line) for line in lines if line.strip()]
        else:
            rows = json.loads(text)
    except (csv.Error, ValueError) as error:
        raise DataError(f"the labels in {name} cannot be read ({error}). Give a CSV or JSON of file names and labels.") from None
    if isinstance(rows, Mapping):
        inner = rows.get("labels", rows)
        if inner is None:
            return []
        rows = inner if isinstance(inner, list | dict) else rows
    if isinstance(rows, Mapping):
        return _measured([(str(k), v) for k, v in rows.items()], "label")
    if isinstance(rows, list) and all(isinstance(r, list) and len(r) == 2 for r in rows):
        return _measured([(str(k), v) for k, v in rows], "label")
    if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
        raise DataError(f"{name} contains no readable labels; a CSV or JSON with a file name and a label per row was expected.")
    return _pairs(rows, name, several)


def match(
    pairs: Iterable[tuple[str, Any]], names: Sequence[str], where: str, above: str = "", others: Sequence[str] = ()
) -> Labels | Conditions:
    """The label of each picture by its path, as `look_up` finds it; its condition where labels are mappings.

    DataError where a picture has no label; rows without a picture do no harm.
    """
    pairs = list(pairs)
    return of_found(look_up(pairs, names, where, above, others), names, pairs, where)


def look_up(pairs: Iterable[tuple[str, Any]], names: Sequence[str], where: str, above: str = "", others: Sequence[str] = ()) -> list[Any]:
    """What a table says of each picture, MISSING where it says nothing.

    `above` is the path of the folder that the names count from; `others` are pictures beside them, whose rows are not theirs.

    The longest ending that a picture's whole path and a row's path have in common decides: the picture's name behind parts of `above`, its
    name alone, then endings of it that no other picture has; and only where there is none, the same without the suffix. DataError where
    that leaves two rows with different labels.
    """
    rows = _rows(pairs, where)
    most = 1 + max((path.count("/") for path in rows), default=0)
    found: list[Any] = [MISSING] * len(names)
    for short in (str, _without_suffix):
        if MISSING not in found:
            break
        exact = _known_by(rows, ((short(path), path) for path in rows))
        ends = _known_by(rows, ((end, path) for path in rows for end in _endings(short(path), most)))
        whole = Counter(map(short, (*names, *others)))
        parts = Counter(end for name in (*names, *others) for end in _endings(short(name), most))
        for i, name in enumerate(map(short, names)):
            if found[i] is not MISSING:
                continue
            for end in _endings(f"{above}/{name}", most):
                known, surely = exact.get(end), len(end) >= len(name)
                if known is None:
                    known, surely = ends.get(end), len(end) > len(name)
                if known is None or (whole[name] if surely else parts[end]) > 1:  # another picture may be meant
                    continue
                if short(known[0]) != name and short(known[0]) in whole:  # the row of another picture
                    continue
                if len(known) > 1:
                    raise DataError(
                        f"{where} has the rows {known[0]!r} and {known[1]!r} with different labels, and either may mean {names[i]!r}. "
                        "Write each picture's path as it is, or pass --labels none."
                    )
                found[i] = rows[known[0]]
                break
    return found


def of_found(values: Sequence[Any], names: Sequence[str], pairs: Iterable[tuple[str, Any]], where: str) -> Labels | Conditions:
    """Labels or conditions of what `look_up` found. DataError where a picture has none."""
    lost = [n for n, v in zip(names, values, strict=True) if v is MISSING or v is None or v == "" or v != v]  # the last: not a number
    if lost:
        known = {short(n) for n in names for short in (str, _file_name, _stem)}
        extra = next((f for f in map(_clean, (file for file, _ in pairs)) if f not in known and _file_name(f) not in known), None)
        example = f", and {extra!r} in it is not a picture" if extra else ""
        raise DataError(
            f"{where} has no label for {len(lost):,} of {len(names):,} pictures, for example {lost[0]!r}{example}. "
            "Write each picture's path or file name as it is, or pass --labels none."
        )
    mappings = [v for v in values if isinstance(v, Mapping)]
    if mappings:
        if len(mappings) < len(values):
            raise DataError(f"some labels in {where} are mappings of columns, but others are not. Write all in the same form.")
        return of_records(mappings, f"the labels in {where}")
    return from_values(np.asarray([str(v) for v in values]), where=f"the labels in {where}")


def concern(pairs: Iterable[tuple[str, Any]], names: Sequence[str]) -> bool:
    """Whether any row may mean any of the pictures, by the last part of its path without the suffix."""
    known = {_stem(name) for name in names}
    return any(_stem(_clean(file)) in known for file, _ in pairs)


MISSING = object()


def _rows(pairs: Iterable[tuple[str, Any]], where: str) -> dict[str, Any]:
    """Labels by the cleaned paths of their rows. DataError where a label is a list, or two rows contradict each other."""
    rows: dict[str, Any] = {}
    for file, label in pairs:
        path, value = _clean(file), label.strip() if isinstance(label, str) else label
        if isinstance(value, list):
            raise DataError(
                f"the label of {path!r} in {where} is a list, {value}; one word or number was expected. Write one label per picture, or a "
                "mapping of columns, or pass --labels none."
            )
        known = rows.setdefault(path, value)
        if known is not value and known != value:
            raise DataError(f"{where} has two rows for {path!r} with different labels, {rows[path]!r} and {value!r}. Remove one of them.")
    return rows


def _known_by(rows: Mapping[str, Any], ends: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The first row with each ending, and behind it the first one with another label where there is such; of (ending, row) pairs."""
    found: dict[str, list[str]] = {}
    for end, path in ends:
        known = found.setdefault(end, [path])
        if len(known) == 1 and known[0] != path and rows[known[0]] != rows[path]:
            known.append(path)
    return found


def _endings(path: str, most: int) -> list[str]:
    """What a path ends in, by whole parts and at most so many of them, the longest first."""
    parts = path.split("/")
    return ["/".join(parts[i:]) for i in range(max(0, len(parts) - most), len(parts))]


def _file_name(path: str) -> str:
    return PurePosixPath(path).name


def _stem(path: str) -> str:
    return _file_name(_without_suffix(path))


def _without_suffix(path: str) -> str:
    """A path without the ending of a picture; what else is behind a point belongs to the name."""
    stem, suffix = splitext(path)
    return stem if suffix.lower() in ENDINGS else path


def _parents(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [PurePosixPath(name).parts[:-1] for name in names]


def _shared_depth(parents: Sequence[tuple[str, ...]]) -> int:
    """How many folders all pictures share."""
    first, last = min(parents), max(parents)  # what these two share, all between them share
    return next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _class_depth(parents: Sequence[tuple[str, ...]]) -> int | None:
    """The first level with two folders or more that are not train, test and val; None where there is none."""
    for depth in range(max(map(len, parents))):
        here = {p[depth] for p in parents if len(p) > depth}
        if len(here) > 1 and not {h.lower() for h in here} <= SPLITS:
            return depth
    return None


def _refuse_odd(values: Sequence[Any], where: str) -> None:
    odd = next((i for i, v in enumerate(values) if v is None or isinstance(v, list | tuple | set | Mapping)), None)
    if odd is not None:
        raise DataError(
            f"{where} hold {values[odd]!r} for picture {odd:,}; one word or number was expected. Give one label per picture, or pass "
            "--labels none."
        )


def _measured(pairs: list[tuple[str, Any]], column: str) -> list[tuple[str, Any]]:
    """The pairs, with mappings for labels where these are numbers with fractions."""
    return [(file, {column: value}) for file, value in pairs] if pairs and is_measured([v for _, v in pairs]) else pairs


def _pairs(rows: Sequence[Mapping[str, Any]], name: str, several: bool) -> list[tuple[str, Any]]:
    if not rows:
        return []
    columns = {str(c).strip().lower(): c for c in rows[0]}
    file = next((columns[c] for c in FILE_COLUMNS if c in columns), None)
    label = next((columns[c] for c in LABEL_COLUMNS if c in columns and columns[c] != file), None)
    if file is None:
        raise DataError(
            f"{name} has no column of file names; it has {', '.join(columns)}. Call that column 'file_name' and the other 'label'."
        )
    others = [c for c in columns.values() if c is not None and c != file]
    if label is None and len(others) == 1:
        (label,) = others
        values = [r.get(label) for r in rows]
        if not is_measured(values) and hardly_repeat([str(v) for v in values]):
            if not several:
                return []
            raise DataError(
                f"the column {label!r} of {name} has {len(set(map(str, values))):,} different values for {len(rows):,} rows, too many for "
                "classes. Call it 'label' if they are classes all the same, or pass --labels none."
            )
    if label is None:
        return [(str(r.get(file)), {str(c).strip(): r.get(c) for c in others}) for r in rows] if several else []
    return _measured([(str(r.get(file)), r.get(label)) for r in rows], str(label).strip())


def _clean(file: str) -> str:
    return normpath(file.strip().replace("\\", "/"))


def _one_hot(rows: np.ndarray) -> bool:
    return bool(((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all())


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number as Python writes it, and of the 18 digits that int64 holds at most."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18 and text == str(int(text))


def _delimiter(text: str) -> str:
    """What stands between the cells of a CSV text: the first of these marks that its first line holds."""
    first = text.partition("\n")[0]
    return next((mark for mark in ",;\t" if mark in first), ",")


def _different(classes: Sequence[str]) -> list[str]:
    """The same names, with its number behind each that occurred before: ImageNet has two classes called crane."""
    first = {name: k for k, name in reversed([*enumerate(classes)])}
    return [name if first[name] == k else f"{name} ({k})" for k, name in enumerate(classes)]


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
