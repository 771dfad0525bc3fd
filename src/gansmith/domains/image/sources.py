"""From what the user names to where the pictures are: the one place that knows every kind of source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from gansmith.conditions import Conditions
from gansmith.config import DataSettings
from gansmith.domains.image import arrays, columns, manifest, trees
from gansmith.domains.image.arrays import IDX_NAME
from gansmith.domains.image.kinds import Arrays, Files, Origin
from gansmith.domains.image.labels import (
    MISSING,
    TABLES,
    Labels,
    above_folders,
    concern,
    from_folders,
    look_up,
    match,
    of_found,
    parse,
    shared_folder,
    training_part,
)
from gansmith.domains.image.pictures import ENDINGS
from gansmith.domains.image.trees import Tree
from gansmith.errors import DataError, nearest
from gansmith.records import Finding

OTHERS = {  # what holds a table and is not read
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "a spreadsheet"),
    **{".json": "a JSON file", ".sav": "a file of SPSS", ".dta": "a file of Stata"},
}
KINDS = "a folder of pictures, class folders, a zip or tar of either, MNIST-style idx, .npy, .npz, parquet, hf:NAME or digits"


def find(source: str, settings: DataSettings) -> Origin:
    """What `source` is. DataError where there is no such thing, or where it is nothing that holds pictures."""
    labelled = settings.labels != "none"
    table = _table_path(settings.labels)
    if source == "digits":
        if table:
            raise DataError(f"the digits include their labels, so --labels {settings.labels} does not apply. Leave it out.")
        return Origin("digits", lambda: arrays.digits(labelled))
    if source.startswith("hf:"):
        return columns.hub(source.removeprefix("hf:"), labelled)
    path = _path(source)
    if not _exists(path):
        raise DataError(f"there is no {source!r}{_sibling(path)} Give {KINDS}.")
    identity: list[Any] = [trees.stat_identity(table)] if table else []
    if path.is_dir():
        return _folder(path, table, labelled, identity)
    if other := OTHERS.get(path.suffix.lower()):
        raise DataError(
            f"{source} is {other}; tables are read from text, parquet and feather. Save it (of a spreadsheet one sheet) as CSV in UTF-8."
        )
    identity.append(trees.stat_identity(path))
    name = path.name.lower()
    if trees.is_zip(path) or trees.is_tar(path):
        return Origin(identity, lambda: _files(trees.archive(path), table, labelled))
    if name.endswith((".npy", ".npz", ".parquet")) or IDX_NAME.search(name):
        if table:
            raise DataError(
                f"{source} includes its labels, so --labels {settings.labels} does not apply. Leave it out, or pass --labels none."
            )
        return _array_file(path, labelled, identity)
    if path.suffix.lower() in ENDINGS:
        raise DataError(f"{source} is a single picture; a data set was expected. Give its folder.")
    raise DataError(f"{source} is not a source of pictures. Give {KINDS}.")


def recognises(source: str) -> bool:
    """Whether there seem to be pictures in `source`; looks at names, and at the first bytes of array files. Never raises."""
    if source == "digits" or source.startswith("hf:"):
        return True
    try:
        path = Path(source).expanduser()
        name = path.name.lower()
        if path.is_dir():
            found = trees.folder(path)
            listed = _listed(found)
            if listed is not None:
                return any(_is_picture(e["file"]) or e["file"].endswith(".npy") for e in listed)
            return any(_is_picture(n) or IDX_NAME.search(n) or n.endswith((".npy", ".npz")) for n in found.names) or _parquets(found) != []
        if not path.is_file():
            return False
        if trees.is_zip(path) or trees.is_tar(path):
            return any(_is_picture(n) for n in trees.first_names(path))
        if name.endswith(".npy"):
            return bool(arrays.npy(path))
        if name.endswith(".npz"):
            return bool(arrays.npz(path, labelled=False))
        if name.endswith(".parquet"):
            return columns.has_pictures(path)
        return bool(IDX_NAME.search(name))
    except Exception:  # whatever is wrong with it, `open` says so in words
        return False


def _folder(path: Path, table: Path | None, labelled: bool, identity: list[Any]) -> Origin:
    tree = trees.folder(path)
    identity = [*identity, tree.identity]
    if not tree.names:
        raise DataError(f"the folder {path} is empty; runs and samples in it do not count. Add pictures, or give another folder.")
    if any(_is_picture(n) for n in tree.names) or _listed(tree) is not None:
        return Origin(identity, lambda: _files(tree, table, labelled))
    top = [n for n in tree.names if "/" not in n]
    if any(IDX_NAME.search(n) for n in top):
        return Origin(identity, lambda: arrays.idx_folder(path, top, labelled) or _no_pictures(tree))
    parquets = _parquets(tree)
    if parquets:
        return columns.parquet([path / n for n in parquets], labelled, identity)
    packed = [n for n in top if n.lower().endswith((".npy", ".npz"))]
    if len(packed) == 1:
        return _array_file(path / packed[0], labelled, identity)
    if packed:
        endings = " and ".join(sorted({PurePosixPath(n).suffix.lower() for n in packed}))
        raise DataError(
            f"{path} holds {len(packed):,} {endings} files; one array of all pictures was expected. Give the path of one of them, or stack "
            "them into one file."
        )
    _no_pictures(tree)


def _array_file(path: Path, labelled: bool, identity: list[Any]) -> Origin:
    name = path.name.lower()
    if name.endswith(".parquet"):
        return columns.parquet([path], labelled, identity)
    if name.endswith(".npy"):
        return Origin(identity, lambda: arrays.npy(path))
    if name.endswith(".npz"):
        return Origin(identity, lambda: arrays.npz(path, labelled))
    beside = arrays.idx_labels_of(path) if labelled else None
    return Origin([*identity, trees.stat_identity(beside) if beside else None], lambda: arrays.idx(path, labelled))


def _files(tree: Tree, table: Path | None, labelled: bool) -> Files | Arrays:
    """The pictures of a folder or archive with their labels: the named table, else one found beside them, else class folders.

    Where their folders name a training part, only that; of a folder of samples, only what its manifest lists.
    """
    listed = _listed(tree)
    if listed is not None:
        return _samples(tree, listed, table, labelled)
    every = [n for n in tree.names if _is_picture(n)]
    if not every:
        _no_pictures(tree)
    names, left = training_part(every)
    others = sorted(set(every).difference(names))
    notes = [_unused(left, len(others))] if left else []
    labels: Labels | Conditions | None = None
    kind = tree.kind
    if labelled and table:
        labels = _of_table(tree, table, names, others)
    elif labelled:
        labels = _beside(tree, names, others)
        if labels is None:
            labels = from_folders(names)
            kind = kind if labels is None else f"{'class folders' if kind == 'folder' else kind + ' of class folders'}"
            above = above_folders(names)
            notes += [_above(above)] if above else []
    return Files(kind, tuple(names), lambda: tree.walk(names), labels, tuple(notes))


def _listed(tree: Tree) -> list[Mapping[str, Any]] | None:
    """What the manifest of a folder of samples, or of an archive of one, lists; None where it is no such folder."""
    folder = _prefix(shared_folder(tree.names)) if tree.names else ""
    if folder + manifest.NAME not in tree.names:
        return None
    listed = manifest.entries(tree.read(folder + manifest.NAME))
    return None if listed is None else [{**entry, "file": folder + entry["file"]} for entry in listed]


def _samples(tree: Tree, listed: Sequence[Mapping[str, Any]], table: Path | None, labelled: bool) -> Files | Arrays:
    """The samples that a manifest lists, with the labels or conditions that it gives them unless a table was named."""
    wanted = {e["file"] for e in listed}
    names = [n for n in tree.names if n in wanted]
    lost = sorted(wanted.difference(names))
    if lost:
        raise DataError(
            f"{tree.where} lacks {len(lost):,} of the {len(wanted):,} samples that its {manifest.NAME} lists, for example {lost[0]!r}. "
            f"Restore them, or remove {manifest.NAME} to take what is there."
        )
    labels = None
    if labelled and table:
        labels = _of_table(tree, table, names)
    elif labelled:
        pairs = [(e["file"], e.get("label", e.get("condition"))) for e in listed if "label" in e or "condition" in e]
        labels = match(pairs, names, manifest.NAME) if pairs else None
    if names and all(n.endswith(".npy") for n in names):
        return arrays.stacked(tree, names, labels)
    if not names or not all(_is_picture(n) for n in names):
        _no_pictures(tree)
    return Files(tree.kind, tuple(names), lambda: tree.walk(names), labels)


def _of_table(tree: Tree, table: Path, names: Sequence[str], others: Sequence[str] = ()) -> Labels | Conditions:
    """Labels from a table that was named."""
    pairs = parse(_text(table.read_bytes(), table.name), table.name, several=True)
    return match(pairs, names, str(table), _place(tree), others)


def _beside(tree: Tree, names: Sequence[str], others: Sequence[str]) -> Labels | Conditions | None:
    """Labels from a table at the top of the tree or in a folder that all pictures share; None where none has labels of these pictures.

    A file of such a name may describe anything, so it is passed over where it does not fit; only one called labels must.
    """
    shared = shared_folder(names)
    for folder in (_prefix(shared[:depth]) for depth in range(len(shared) + 1)):
        for name in (folder + table for table in TABLES if folder + table in tree.names):
            must = PurePosixPath(name).stem == "labels"
            try:
                pairs = parse(_text(tree.read(name), name), name, several=must)
            except DataError:
                if must:
                    raise
                continue
            inside, beside = ([n.removeprefix(folder) for n in some if n.startswith(folder)] for some in (names, others))
            if not pairs or not (must or concern(pairs, inside)):
                continue
            found = look_up(pairs, inside, name, f"{_place(tree)}/{folder}".rstrip("/"), beside)
            if must or any(v is not MISSING for v in found):
                return of_found(found, inside, pairs, name)
    return None


def _prefix(folders: Sequence[str]) -> str:
    return "".join(f"{folder}/" for folder in folders)


def _place(tree: Tree) -> str:
    """The whole path of a folder, whose last parts may stand before the names in a table; '' of an archive."""
    return Path(tree.where).resolve().as_posix() if tree.kind == "folder" else ""


def _unused(folders: Sequence[str], count: int) -> Finding:
    named = " and ".join(f"{f}/" for f in folders)
    return Finding(
        "D115",
        "note",
        f"{named} ({count:,} picture{'s' if count > 1 else ''}) {'is' if len(folders) == 1 else 'are'} not used, because another folder is "
        "the training part.",
        "Keep it for evaluation, or give its path to train on it; what is in an archive has to be unpacked for that.",
        {"folders": [*folders], "count": count},
    )


def _above(names: Sequence[str]) -> Finding:
    others = f" and {len(names) - 1:,} more lie" if len(names) > 1 else " lies"
    return Finding(
        "D116",
        "warning",
        f"the folders could be classes, but {names[0]}{others} above them, so no labels were taken.",
        "Move what lies above them into one of the folders or elsewhere; if they are no classes, pass --labels none.",
        {"count": len(names), "examples": [*names[:5]]},
    )


def _no_pictures(tree: Tree) -> NoReturn:
    endings = sorted({PurePosixPath(n).suffix.lower() or n for n in tree.names})
    held = f"only {', '.join(endings[:8])}" if endings else "no files"
    raise DataError(f"{tree.where} contains no pictures, {held}. Give {KINDS}.")


def _parquets(tree: Tree) -> list[str]:
    """Parquet files of the training part where parts are named, else all."""
    found = [n for n in tree.names if n.lower().endswith(".parquet")]
    return [n for n in found if "train" in PurePosixPath(n).name.lower()] or found


def _table_path(labels: str | None) -> Path | None:
    if labels in (None, "none"):
        return None
    path = _path(str(labels))
    if not _exists(path) or not path.is_file():
        raise DataError(f"there is no file of labels {labels!r}{_sibling(path)} Give a CSV or JSON of file names and labels, or none.")
    return path


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # ~name where there is no such user
        return Path(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long for any file, or holds a zero byte
        return False


def _sibling(path: Path) -> str:
    """The rest of a sentence about a path that does not exist: the nearest name beside it."""
    here = path.parent
    try:
        beside = [p.name for p in here.iterdir()] if here.is_dir() else []
    except OSError:
        beside = []
    near = nearest(path.name, beside)
    return f"; {near}" if near.startswith("did you mean") else "."


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"the labels in {name} are not UTF-8 text. Save the file again as UTF-8.") from None


def _is_picture(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in ENDINGS
