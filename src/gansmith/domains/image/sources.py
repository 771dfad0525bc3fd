"""From what the user names to where the pictures are: the one place that knows every kind of source."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from gansmith.conditions import Conditions
from gansmith.config import DataSettings
from gansmith.domains.image import arrays, columns, trees
from gansmith.domains.image.arrays import IDX_NAME
from gansmith.domains.image.kinds import Files, Origin
from gansmith.domains.image.labels import TABLES, Labels, from_folders, match, parse
from gansmith.domains.image.pictures import ENDINGS
from gansmith.domains.image.trees import Tree
from gansmith.errors import DataError, nearest

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
        raise DataError(f"the folder {path} is empty. Add pictures, or give another folder.")
    if any(_is_picture(n) for n in tree.names):
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


def _files(tree: Tree, table: Path | None, labelled: bool) -> Files:
    """The pictures of a folder or archive with their labels: the named table, else one found beside them, else class folders."""
    names = tuple(n for n in tree.names if _is_picture(n))
    if not names:
        _no_pictures(tree)
    labels: Labels | Conditions | None = None
    kind = tree.kind
    if labelled and table:
        labels = match(parse(_text(table.read_bytes(), table.name), table.name, several=True), names, str(table))
    elif labelled:
        labels = _beside(tree, names)
        if labels is None:
            labels = from_folders(names)
            kind = kind if labels is None else f"{'class folders' if kind == 'folder' else kind + ' of class folders'}"
    return Files(kind, names, lambda: tree.walk(names), labels)


def _beside(tree: Tree, names: tuple[str, ...]) -> Labels | Conditions | None:
    """Labels from a table at the top of the tree; None where there is none or it has no column of labels."""
    for name in TABLES:
        if name in tree.names:
            try:
                pairs = parse(_text(tree.read(name), name), name, several=name.startswith("labels."))
            except DataError:
                if name.startswith("labels."):
                    raise
                continue  # a file of that name may describe anything; only one called labels must hold some
            if pairs:
                return match(pairs, names, name)
    return None


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
