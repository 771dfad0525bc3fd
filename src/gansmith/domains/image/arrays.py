"""Pictures that are arrays already: idx, .npy and .npz files, arrays in memory, and the digits inside scikit-learn."""

from __future__ import annotations

import gzip
import io
import re
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from gansmith.conditions import Conditions, of_matrix
from gansmith.data.store import BLOCK_BYTES, blocks
from gansmith.domains.image.kinds import Arrays
from gansmith.domains.image.labels import Labels, from_values, words
from gansmith.domains.image.trees import DAMAGE, Tree
from gansmith.errors import DataError
from gansmith.records import Finding

IDX_NAME = re.compile(r"(idx\d-ubyte|\.idx)(\.gz)?$", re.IGNORECASE)
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IMAGE_KEYS = ("x", "images", "image", "x_train", "train_images", "data", "raw", "arr_0", "samples", "pictures")
LABEL_KEYS = ("y", "labels", "label", "y_train", "train_labels", "targets", "target")
NAME_KEYS = ("class_names", "classes", "names", "label_names")
NPY_DAMAGE = (*DAMAGE, ValueError, RuntimeError, tokenize.TokenError)  # the last two: a password, and a header that is no Python
GZIP_AT_MOST = 1100  # deflate cannot pack more tightly than about 1,032 to 1


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """Which axis of one sample holds the channels; None for (H, W).

    The last where it has 1 to 4 places, else the first where it has 1 to 4, else the shorter of both, the last on a tie.
    """
    if len(shape) == 2:
        return None
    first, last = shape[0], shape[2]
    if last <= 4:
        return 2
    return 0 if first <= 4 or first < last else 2


def as_hwc(block: np.ndarray) -> np.ndarray:
    """[b, H, W], [b, H, W, C] or [b, C, H, W] -> [b, H, W, C]."""
    axis = channel_axis(block.shape[1:])
    if axis is None:
        return block[..., None]
    return block if axis == 2 else np.moveaxis(block, 1, 3)


def is_image_like(shape: Sequence[int], dtype: np.dtype) -> bool:
    """Whether an array [N, ...] may hold pictures."""
    return len(shape) in (3, 4) and dtype.kind in "buif" and all(s > 0 for s in shape)


def of_array(array: np.ndarray, kind: str, labels: Labels | Conditions | None = None, notes: tuple[Finding, ...] = ()) -> Arrays:
    """An array in memory or memory-mapped, [N, ...]. DataError where it is not shaped like pictures."""
    if array.dtype.hasobject:
        raise DataError(f"the array in {kind} holds Python objects, which are never loaded. Save it as plain numbers.")
    if not is_image_like(array.shape, array.dtype):
        raise DataError(
            f"an array of shape {array.shape} and dtype {array.dtype} is not pictures; numbers of shape [N, H, W], [N, H, W, C] "
            "or [N, C, H, W] were expected."
        )
    if labels is not None and len(labels) != len(array):
        raise DataError(f"there are {len(labels):,} labels and {len(array):,} pictures. Give one label per picture, or --labels none.")
    return Arrays(kind, len(array), tuple(array.shape[1:]), array.dtype, lambda: blocks(array), labels, notes)


def digits(labelled: bool = True) -> Arrays:
    """The 1,797 scans of digits inside scikit-learn, 8x8, their 0..16 brought to 0..255."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = (found.images * (255 / 16)).round().astype(np.uint8)
    return of_array(pixels, "digits", from_values(found.target) if labelled else None)


def npy(path: Path) -> Arrays:
    """A .npy file, memory-mapped."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except NPY_DAMAGE as error:
        raise DataError(_npy_trouble(path, error)) from None
    return of_array(array, "npy")


def stacked(tree: Tree, names: Sequence[str], labels: Labels | Conditions | None) -> Arrays:
    """The .npy files of a folder of samples, one sample each, in the order of `names`."""

    def samples() -> Iterator[np.ndarray]:
        for name, opener in tree.walk(names):
            try:
                with opener() as file:
                    yield np.load(io.BytesIO(file.read()), allow_pickle=False)[None]
            except NPY_DAMAGE as error:
                raise DataError(_npy_trouble(Path(tree.where, name), error)) from None

    first = next(samples())

    def alike() -> Iterator[np.ndarray]:
        for name, sample in zip(names, samples(), strict=True):
            if (sample.shape, sample.dtype) != (first.shape, first.dtype):
                raise DataError(
                    f"{name} in {tree.where} has shape {sample.shape[1:]} and dtype {sample.dtype}, and {names[0]} {first.shape[1:]} and "
                    f"{first.dtype}; samples of one form were expected. Draw them again."
                )
            yield sample

    known = of_array(first, tree.where)
    return Arrays(tree.kind, len(names), known.shape, known.dtype, alike, labels)


def npz(path: Path, labelled: bool = True) -> Arrays:
    """The image-like array of a .npz file, its labels (y, labels, label) and class names (class_names), or its conditions [N, K] and their
    names (condition_names).

    Read in pieces from inside the file. DataError that lists what there is where no array is image-like.
    """
    try:
        heads = _npz_heads(path)
    except NPY_DAMAGE as error:
        raise DataError(_npy_trouble(path, error)) from None
    lowered = {name.lower(): name for name in heads}
    candidates = [n for n, (shape, dtype, _) in heads.items() if not dtype.hasobject and is_image_like(shape, dtype)]
    name = next((lowered[k] for k in IMAGE_KEYS if lowered.get(k) in candidates), candidates[0] if candidates else None)
    if name is None:
        listed = ", ".join(
            f"{n} {d} {list(s)}" if not d.hasobject else f"{n} (Python objects, never loaded)" for n, (s, d, _) in heads.items()
        )
        raise DataError(
            f"{path} has no array of pictures; it has {listed or 'nothing'}. Numbers of shape [N, H, W], [N, H, W, C] or [N, C, "
            "H, W] were expected."
        )
    shape, dtype, fortran = heads[name]
    labels = _npz_labels(path, lowered, shape[0]) if labelled else None
    if fortran:  # stored with the samples innermost: it cannot be read in pieces
        return of_array(_npz_member(path, name), "npz", labels)
    return Arrays("npz", shape[0], tuple(shape[1:]), dtype, lambda: _npz_blocks(path, name), labels)


def idx(path: Path, labelled: bool = True, kind: str = "idx", notes: tuple[Finding, ...] = ()) -> Arrays:
    """An idx file of pictures, gzipped or not, with the labels found beside it by its name."""
    shape, dtype, start = _idx_head(path)
    if not is_image_like(shape, dtype):
        raise DataError(
            f"{path} holds an array of shape {list(shape)}; pictures [N, H, W] were expected. Give the images file, not the labels file."
        )
    beside = idx_labels_of(path) if labelled else None
    labels = from_values(idx_vector(beside, shape[0]), where=f"the labels in {beside.name}") if beside else None
    return Arrays(kind, shape[0], tuple(shape[1:]), dtype.newbyteorder("="), lambda: _idx_blocks(path, shape, dtype, start), labels, notes)


def idx_folder(path: Path, names: Sequence[str], labelled: bool = True) -> Arrays | None:
    """The training part of an MNIST-style folder; None where it holds no idx pictures."""
    images = [n for n in names if IDX_NAME.search(n) and "images" in n.lower()]
    if not images:
        return None
    train = [n for n in images if "train" in n.lower()] or images
    if len({n.removesuffix(".gz") for n in train}) > 1:
        raise DataError(f"{path} holds several sets of pictures ({', '.join(train[:4])}). Give the path of one of these files.")
    left = [n for n in images if n not in train]
    notes = (
        Finding(
            "D115",
            "note",
            f"{left[0]} is not used, because it is the test set.",
            "Keep it for evaluation, or give its path to train on it.",
            {"files": left},
        ),
    )
    return idx(path / train[0], labelled, "idx folder", notes if left else ())


def idx_labels_of(path: Path) -> Path | None:
    """The labels file beside a pictures file: 'images' becomes 'labels' and 'idx3' becomes 'idx1', gzipped or not."""
    if "images" not in path.name:
        return None
    name = re.sub(r"idx[34]", "idx1", path.name.replace("images", "labels")).removesuffix(".gz")
    return next((p for p in (path.with_name(name), path.with_name(name + ".gz")) if p.is_file()), None)


def idx_vector(path: Path, count: int) -> np.ndarray:
    """The labels [N] of an idx file. DataError where there are not `count`."""
    shape, dtype, start = _idx_head(path)
    if len(shape) != 1 or shape[0] != count:
        raise DataError(
            f"{path} has shape {list(shape)} and there are {count:,} pictures; one label per picture was expected. Give the matching "
            "file, or --labels none."
        )
    return np.concatenate(list(_idx_blocks(path, shape, dtype, start)))


def is_gzip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextmanager
def _idx_open(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path, "rb") if is_gzip(path) else open(path, "rb") as file:
            yield file  # type: ignore[misc]
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged or truncated ({error}). Download it again.") from None


def _idx_head(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """(shape, dtype, where the numbers start)."""
    with _idx_open(path) as file:
        magic = file.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES or not 1 <= magic[3] <= 4:
            raise DataError(
                f"{path} starts with {magic.hex(' ')}, but no idx file does. Give an MNIST-style file, or correct the extension."
            )
        sizes = file.read(4 * magic[3])
        if len(sizes) < 4 * magic[3]:
            raise DataError(f"{path} is truncated within its first {4 + 4 * magic[3]} bytes. Download it again.")
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(IDX_TYPES[magic[2]])
    start = 4 + 4 * magic[3]
    wanted = start + dtype.itemsize * _product(shape)
    held = path.stat().st_size * (GZIP_AT_MOST if is_gzip(path) else 1)
    if wanted > held:
        raise DataError(f"{path} announces {shape[0]:,} samples but is too short to hold them. Download it again.")
    return shape, dtype, start


def _idx_blocks(path: Path, shape: tuple[int, ...], dtype: np.dtype, start: int) -> Iterator[np.ndarray]:
    with _idx_open(path) as file:
        file.read(start)
        yield from _read_blocks(file, shape, dtype, path)


def _read_blocks(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, path: Path) -> Iterator[np.ndarray]:
    """The numbers of [N, ...] in pieces, in the machine's byte order."""
    row = dtype.itemsize * _product(shape[1:])
    step = max(1, BLOCK_BYTES // row)
    for begin in range(0, shape[0], step):
        rows = min(step, shape[0] - begin)
        data = file.read(rows * row)
        if len(data) < rows * row:
            raise DataError(f"{path} announces {shape[0]:,} samples but ends after {begin + len(data) // row:,}. Download it again.")
        yield np.frombuffer(data, dtype).reshape(rows, *shape[1:]).astype(dtype.newbyteorder("="), copy=False)


def _npz_heads(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype, bool]]:
    """Name -> (shape, dtype, whether Fortran order) of each array, read from its first bytes."""
    found = {}
    with zipfile.ZipFile(path) as file:
        for name in file.namelist():
            if name.endswith(".npy"):
                with file.open(name) as member:
                    found[name.removesuffix(".npy")] = _npy_head(member)
    return found


def _npy_head(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype, bool]:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(file)
    return shape, dtype, fortran


def _npz_blocks(path: Path, name: str) -> Iterator[np.ndarray]:
    try:
        with zipfile.ZipFile(path) as file, file.open(name + ".npy") as member:
            shape, dtype, _ = _npy_head(member)
            yield from _read_blocks(member, shape, dtype, path)
    except NPY_DAMAGE as error:
        raise DataError(_npy_trouble(path, error)) from None


def _npz_member(path: Path, name: str) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as file:
            return file[name]
    except NPY_DAMAGE as error:
        raise DataError(_npy_trouble(path, error)) from None


def _npz_labels(path: Path, lowered: dict[str, str], count: int) -> Labels | Conditions | None:
    if "conditions" in lowered:
        return _npz_conditions(path, lowered, count)
    key = next((lowered[k] for k in LABEL_KEYS if k in lowered), None)
    if key is None:
        return None
    values = _npz_member(path, key)
    if len(np.atleast_1d(values)) != count:
        raise DataError(
            f"{path} has {len(np.atleast_1d(values)):,} labels in {key!r} and {count:,} pictures. Save one label per picture, or "
            "pass --labels none."
        )
    names = next((lowered[k] for k in NAME_KEYS if k in lowered), None)
    classes = words(_npz_member(path, names), f"the class names in {path.name}").ravel().tolist() if names else ()
    return from_values(values, classes, where=f"the labels in {path.name}")


def _npz_conditions(path: Path, lowered: dict[str, str], count: int) -> Conditions:
    values = _npz_member(path, lowered["conditions"])
    names = _npz_member(path, lowered["condition_names"]).tolist() if "condition_names" in lowered else ()
    found = of_matrix(values, [str(n) for n in names], f"the conditions in {path.name}")
    if len(found) != count:
        raise DataError(f"{path} has {len(found):,} conditions and {count:,} pictures. Save one row per picture, or pass --labels none.")
    return found


def _npy_trouble(path: Path, error: Exception) -> str:
    if any(word in str(error) for word in ("pickle", "Object arrays", "Python objects")):
        return f"{path} holds Python objects, which are never loaded as they could run code. Save plain numbers instead."
    return f"{path} cannot be read as numpy arrays ({(str(error).splitlines() or ['damaged'])[0]}). Save it again."


def _product(shape: Sequence[int]) -> int:
    total = 1
    for side in shape:
        total *= int(side)
    return total
