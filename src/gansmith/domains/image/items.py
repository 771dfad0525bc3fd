"""Pictures that are in memory, or come from a torch Dataset, as a collection."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from gansmith.conditions import Conditions, of_records
from gansmith.config import DataSettings
from gansmith.data.store import Collection, RowWriter
from gansmith.domains.image.arrays import of_array
from gansmith.domains.image.build import Progress
from gansmith.domains.image.kinds import Arrays, Files, Origin
from gansmith.domains.image.labels import Labels, from_values
from gansmith.domains.image.opening import open_origin
from gansmith.domains.image.pictures import reason
from gansmith.domains.image.trees import Opener
from gansmith.errors import DataError

ALPHA = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}
PNG_MODES = frozenset(("1", "L", "LA", "P", "RGB", "RGBA", "I;16"))


def collect(
    items: Any,
    settings: DataSettings | None = None,
    largest: int = 64,
    *,
    labels: Sequence[Any] | np.ndarray | None = None,
    classes: Sequence[str] = (),
    progress: Progress | None = None,
) -> Collection:
    """A collection from a torch Dataset, a sequence of pictures, or one array or tensor [N, ...] of all.

    A picture is a PIL image, or an array or tensor [H, W], [H, W, C] or [C, H, W], all of one shape. Items may be pairs (picture,
    label) or mappings with `image` and `label`; or `labels` gives one label a picture. A label that is a mapping, column name to value,
    is a condition. Each item is asked for once, so a Dataset
    that draws random variants is frozen as it came. DataError where items are no pictures or do not go together.
    """
    settings = settings or DataSettings()
    names = [str(c) for c in (classes or getattr(items, "classes", None) or ())]
    whole = _whole(items)
    if whole is not None:
        found = _of_items(labels, names) if labels is not None and settings.labels != "none" else None
        known = of_array(whole, "an array in memory", found)
        mark = hashlib.blake2b(np.ascontiguousarray(whole).data, digest_size=16).hexdigest()
        origin = Origin([mark, list(whole.shape), str(whole.dtype), _mark(found)], lambda: known)
        return open_origin(origin, settings, largest, progress, "the array")
    with tempfile.TemporaryDirectory(prefix="gansmith-") as folder:
        source, mark = _spool(_each(items), Path(folder), labels, names, settings.labels != "none")
        return open_origin(Origin([mark, _mark(source.labels)], lambda: source), settings, largest, progress, "the data set")


def _whole(items: Any) -> np.ndarray | None:
    """All pictures as one array where they are given so."""
    array = _plain(items) if _is_array(items) else None
    if array is not None and array.ndim < 3:
        raise DataError(
            f"an array of shape {array.shape} is not pictures; numbers of shape [N, H, W], [N, H, W, C] or [N, C, H, W] were expected."
        )
    return array


def _each(items: Any) -> Iterator[tuple[Any, Any]]:
    """(picture, label or None) of each item."""
    for item in _iterate(items):
        if isinstance(item, tuple | list) and len(item) == 2:
            yield item[0], item[1]
        elif isinstance(item, tuple | list) and len(item) == 1:
            yield item[0], None
        elif isinstance(item, dict):
            if "image" not in item:
                raise DataError(
                    f"an item is a mapping with {', '.join(map(str, item))}; 'image' was expected, and 'label' where there are labels."
                )
            yield item["image"], item.get("label")
        else:
            yield item, None


def _iterate(items: Any) -> Iterable[Any]:
    if isinstance(items, Mapping):
        raise DataError(
            f"pictures cannot be taken from a mapping with {', '.join(map(str, items)) or 'nothing in it'}; a torch Dataset, a sequence of "
            "pictures or an array was expected. Give one of its values; of a table, a pandas DataFrame."
        )
    if hasattr(items, "__getitem__") and hasattr(items, "__len__"):  # a map-style Dataset need not end by itself when iterated
        return (items[i] for i in range(len(items)))
    if isinstance(items, Iterable):
        return items
    raise DataError(
        f"pictures cannot be taken from a {type(items).__name__}; a torch Dataset, a sequence of pictures or an array was expected."
    )


def _spool(pairs: Iterator[tuple[Any, Any]], folder: Path, labels: Any, names: Sequence[str], labelled: bool) -> tuple[Files | Arrays, str]:
    """Write the items to a folder as they come, so that they need never be in memory together; what they are, and their hash."""
    first = next(pairs, None)
    if first is None:
        raise DataError("the data set is empty. Give at least 2 pictures, and hundreds to learn from.")
    own: list[Any] = []

    def pictures() -> Iterator[Any]:
        yield first[0]
        own.append(first[1])
        for picture, label in pairs:
            yield picture
            own.append(label)

    source, mark = _spool_images(pictures(), folder) if isinstance(first[0], Image.Image) else _spool_arrays(pictures(), folder)
    values = labels if labels is not None else own if any(label is not None for label in own) else None
    if values is None or not labelled:
        return source, mark
    found = _of_items(values, names)
    if len(found) != len(own):
        raise DataError(f"there are {len(found):,} labels and {len(own):,} pictures. Give one label per picture.")
    if isinstance(source, Files):
        return Files(source.kind, source.names, source.walk, found), mark
    return Arrays(source.kind, source.count, source.shape, source.dtype, source.blocks, found), mark


def _of_items(values: Any, names: Sequence[str]) -> Labels | Conditions:
    """Labels, or conditions where each is a mapping of columns."""
    if _is_array(values):
        return from_values(_plain(values), names)
    if any(isinstance(v, Mapping) for v in values):
        odd = next((i for i, v in enumerate(values) if not isinstance(v, Mapping)), None)
        if odd is not None:
            raise DataError(f"the label of item {odd} is not a mapping of columns, unlike others. Give all in the same form.")
        return of_records([{k: _scalar(x) for k, x in v.items()} for v in values], "the labels")
    return from_values([_scalar(v) for v in values], names)


def _spool_arrays(pictures: Iterator[Any], folder: Path) -> tuple[Arrays, str]:
    """Arrays or tensors of one shape behind one another in one file."""
    first = _picture(next(pictures), 0)
    mark = hashlib.blake2b(repr((first.shape, str(first.dtype))).encode(), digest_size=16)
    with RowWriter(folder / "items.npy", first.shape, first.dtype) as writer:
        for i, array in enumerate(chain([first], (_picture(p, n) for n, p in enumerate(pictures, 1)))):
            if array.shape != first.shape or array.dtype != first.dtype:
                raise DataError(
                    f"item {i} has shape {array.shape} and dtype {array.dtype}, and the first {first.shape} and {first.dtype}. "
                    "Give all the same shape, or give PIL images, which are resized automatically."
                )
            mark.update(np.ascontiguousarray(array).data)
            writer.append(array[None])
    return of_array(np.load(folder / "items.npy", mmap_mode="r", allow_pickle=False), "items"), mark.hexdigest()


def _picture(value: Any, place: int) -> np.ndarray:
    """One item as an array. DataError where it is none, or not shaped like a picture."""
    if not _is_array(value):
        raise DataError(f"item {place} is a {type(value).__name__}; a PIL image, an array or a tensor was expected.")
    array = _plain(value)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3):
        raise DataError(
            f"item {place} has shape {array.shape} and dtype {array.dtype}; a picture [H, W], [H, W, C] or [C, H, W] was expected."
        )
    return array


def _spool_images(pictures: Iterator[Any], folder: Path) -> tuple[Files, str]:
    """PIL images as lossless PNG (TIFF for floating point) behind one another in one file."""
    path, mark, ends = folder / "items.npy", hashlib.blake2b(digest_size=16), [0]
    with RowWriter(path, (), np.uint8) as writer:
        for i, picture in enumerate(pictures):
            if not isinstance(picture, Image.Image):
                raise DataError(f"item {i} is a {type(picture).__name__} but the first is a PIL image. Give all in the same form.")
            data = _encoded(picture, i)
            mark.update(data)
            writer.append(np.frombuffer(data, np.uint8))
            ends.append(writer.count)
    names = tuple(f"item {i}" for i in range(len(ends) - 1))

    def walk() -> Iterator[tuple[str, Opener]]:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
        for name, start, end in zip(names, ends, ends[1:], strict=False):
            data = held[start:end].tobytes()
            yield name, lambda data=data: io.BytesIO(data)  # type: ignore[misc]

    return Files("items", names, walk), mark.hexdigest()


def _encoded(image: Image.Image, place: int) -> bytes:
    """A picture as a file, turned as its EXIF says, since not every format would keep that. DataError where it is damaged: Pillow decodes
    an opened file no sooner than here."""
    held = io.BytesIO()
    try:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # whatever the order of its bytes
            image = Image.fromarray(np.asarray(image).astype(np.uint16))
        if image.mode in PNG_MODES:
            image.save(held, "PNG", compress_level=1)
        elif image.mode in ("I", "F", "CMYK"):
            image.save(held, "TIFF")
        else:
            image.convert(ALPHA.get(image.mode, "RGB")).save(held, "PNG", compress_level=1)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes a decoder raise whatever it happens to trip over
        raise DataError(f"item {place} cannot be read ({reason(error)}). Replace its file, or leave it out.") from error
    return held.getvalue()


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or (hasattr(value, "detach") and hasattr(value, "numpy"))


def _plain(value: Any) -> np.ndarray:
    """An array or tensor as an array."""
    if isinstance(value, np.ndarray):
        return value
    if not hasattr(value, "detach"):
        return np.asarray(value)
    tensor = value.detach().cpu()
    with suppress(TypeError):  # numpy has no bfloat16
        return np.asarray(tensor.numpy())
    return np.asarray(tensor.float().numpy())


def _scalar(value: Any) -> Any:
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _mark(labels: Labels | Conditions | None) -> Any:
    """What tells two sets of labels apart."""
    if isinstance(labels, Conditions):
        return [hashlib.blake2b(labels.values.tobytes(), digest_size=16).hexdigest(), [c.to_dict() for c in labels.columns]]
    return None if labels is None else [hashlib.blake2b(labels.indices.tobytes(), digest_size=16).hexdigest(), list(labels.classes)]
