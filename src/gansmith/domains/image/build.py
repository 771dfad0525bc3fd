"""From a source to an entry of the cache: choose what all pictures are brought to, decode them once, look through them."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np

from gansmith.conditions import Conditions
from gansmith.config import DataSettings
from gansmith.data.store import RowWriter, blocks, digest_rows, write
from gansmith.domains.image import facts
from gansmith.domains.image.arrays import as_hwc
from gansmith.domains.image.kinds import Arrays, Files
from gansmith.domains.image.labels import Labels
from gansmith.domains.image.pictures import (
    GREY_MODES,
    LARGEST_PICTURE,
    Depth,
    Header,
    Target,
    Unreadable,
    background_values,
    colour,
    decode,
    fit_array,
    header,
)
from gansmith.domains.image.trees import DAMAGE
from gansmith.errors import DataError
from gansmith.records import Finding

Progress = Callable[[int, int], None]

UNREADABLE_SHARE = 0.05  # of the pictures; more stops
NARROW = 32  # whole numbers that stay below it are codes such as a mask's 0 and 1, and are stretched to 0..255
LISTED = 100  # unreadable files kept by name


@dataclass
class Decoded:
    """What decoding learnt beside the pixels it wrote to raw.npy."""

    kind: str
    names: Sequence[str]  # of the pictures that were kept
    sizes: Counter[tuple[int, int]]  # height and width before fitting -> how many
    modes: Counter[str]
    rule: str  # in words
    labels: Labels | Conditions | None
    unreadable: dict[str, str] = field(default_factory=dict)  # name -> reason
    findings: list[Finding] = field(default_factory=list)


def build(source: Files | Arrays, settings: DataSettings, largest: int, folder: Path, progress: Progress | None = None) -> None:
    """Write a complete cache entry into `folder`. DataError where the source is not fit to be trained on."""
    with warnings.catch_warnings():  # a decoder's doubts about a file are for nobody; damage raises
        warnings.simplefilter("ignore")
        if isinstance(source, Files):
            decoded = _decode_files(source, settings, largest, folder, progress)
        else:
            decoded = _decode_arrays(source, settings, largest, folder, progress)
    if settings.channels is None:
        _drop_equal_channels(folder, decoded)
    raw = np.load(folder / "raw.npy", mmap_mode="r", allow_pickle=False)
    _finish(folder, raw, decoded)


# --- files ---------------------------------------------------------------------------------------------------------------


def _decode_files(source: Files, settings: DataSettings, largest: int, folder: Path, progress: Progress | None) -> Decoded:
    if settings.channels not in (None, 1, 3, 4):
        raise DataError(f"picture files can be converted to 1, 3 or 4 channels; data.channels is {settings.channels}.")
    heads, unreadable = _headers(source)
    _stop_if_too_many(unreadable, len(source.names))
    target, rule = _target(list(heads.values()), settings, largest)
    kept = []
    with RowWriter(folder / "raw.npy", (target.height, target.width, target.channels), target.depth) as writer:
        for name, pixels in _decoded(source, heads, target):
            if isinstance(pixels, Unreadable):
                unreadable[name] = str(pixels)
            else:
                writer.append(pixels[None])
                kept.append(name)
            if progress:
                progress(len(kept) + len(unreadable), len(source.names))
    _stop_if_too_many(unreadable, len(source.names))
    place = {name: i for i, name in enumerate(source.names)}
    labels = source.labels.keep(np.asarray([place[n] for n in kept], np.int64)) if source.labels else None
    used = [heads[n] for n in kept]
    return Decoded(
        kind=source.kind,
        names=kept,
        sizes=Counter((h.height, h.width) for h in used),
        modes=Counter(h.mode for h in used),
        rule=rule,
        labels=labels,
        unreadable=unreadable,
        findings=[*source.notes, *_file_findings(used, target, settings)],
    )


def _headers(source: Files) -> tuple[dict[str, Header], dict[str, str]]:
    heads, unreadable = {}, {}
    for name, opener in source.walk():
        try:
            with opener() as file:
                heads[name] = header(file)
        except (Unreadable, *DAMAGE) as error:
            unreadable[name] = str(error)
    return heads, unreadable


def _decoded(source: Files, heads: dict[str, Header], target: Target) -> Iterator[tuple[str, np.ndarray | Unreadable]]:
    """Each picture in order, decoded by a few threads (Pillow lets go of the interpreter); few are in memory at a time."""
    workers = min(4, os.cpu_count() or 1)
    waiting: deque[tuple[str, Future[np.ndarray | Unreadable]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for name, opener in source.walk():
            if name not in heads:
                continue
            try:
                with opener() as file:
                    data = file.read()
            except DAMAGE as error:
                yield name, Unreadable(str(error))
                continue
            waiting.append((name, pool.submit(_decode_or_say, data, target)))
            if len(waiting) > 4 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for name, future in waiting:
            yield name, future.result()


def _decode_or_say(data: bytes, target: Target) -> np.ndarray | Unreadable:
    try:
        return decode(data, target)
    except Unreadable as error:
        return error


def _stop_if_too_many(unreadable: dict[str, str], count: int) -> None:
    if len(unreadable) == count:
        name, reason = next(iter(unreadable.items()))
        raise DataError(f"none of the {count:,} pictures can be read; {name}, for one: {reason}. Check that they open in a picture viewer.")
    if len(unreadable) > UNREADABLE_SHARE * count:
        some = "; ".join(f"{n}: {r}" for n, r in list(unreadable.items())[:3])
        raise DataError(
            f"{len(unreadable):,} of {count:,} pictures cannot be read, which is more than {UNREADABLE_SHARE:.0%} ({some}). Fix "
            "or remove them."
        )


def _target(heads: Sequence[Header], settings: DataSettings, largest: int) -> tuple[Target, str]:
    """What every picture is brought to, and the rule in words."""
    background = colour(settings.background)
    depths: set[Depth] = {h.depth for h in heads}
    depth: Depth = next(iter(depths)) if len(depths) == 1 else "uint8"
    grey = all(h.mode in GREY_MODES for h in heads) and (len(set(background)) == 1 or not any(h.alpha for h in heads))
    channels = settings.channels or (1 if grey else 3)
    if channels == 4 and depth == "float32":
        raise DataError(
            "floating-point picture files can be converted to 1 or 3 channels; data.channels is 4, and no value is known to be opaque."
        )
    height, width, why = _size(Counter((h.height, h.width) for h in heads), settings, largest)
    kinds = {1: "grey", 3: "colour", 4: "colour with transparency"}
    return Target(height, width, channels, depth, settings.fit, background), f"{why}; {kinds[channels]}, {depth}"


def _size(sizes: Counter[tuple[int, int]], settings: DataSettings, largest: int) -> tuple[int, int, str]:
    """Height, width, and why. Pictures of one size that is not too large keep it; else a square that few must be enlarged for."""
    ways = {"crop": "cropping the centre", "pad": "padding with the background", "stretch": "stretching"}
    by = f" by {ways[settings.fit]}"
    if settings.size:
        height, width = settings.size
        if height < 1 or width < 1:
            raise DataError(f"data.size is {height}x{width}; both sides need at least 1 pixel.")
        if height * width > LARGEST_PICTURE:
            raise DataError(f"data.size is {height}x{width}, more than {LARGEST_PICTURE // 1_000_000} megapixels. Choose a smaller size.")
        return height, width, f"resized to {height}x{width} as requested{by if _reshapes(sizes, height, width) else ''}"
    if len(sizes) == 1 and max(next(iter(sizes))) <= largest:
        height, width = next(iter(sizes))
        return height, width, f"kept at {height}x{width}, the size of every picture"
    short = median_low([min(size) for size in sizes.elements()])
    side = max(1, min(largest, short))
    return side, side, f"resized to {side}x{side}{by if _reshapes(sizes, side, side) else ''}"


def _reshapes(sizes: Counter[tuple[int, int]], height: int, width: int) -> bool:
    """Whether any picture has other proportions than height to width."""
    return any(h * width != w * height for h, w in sizes)


def _file_findings(heads: Sequence[Header], target: Target, settings: DataSettings) -> list[Finding]:
    found = []
    small = sum(h.height < target.height or h.width < target.width for h in heads)
    if small and settings.fit != "pad":
        found.append(_upscaled(small, len(heads), target))
    clear = sum(h.alpha for h in heads)
    if clear and target.channels != 4:
        message = f"{clear:,} of {len(heads):,} pictures may have transparent parts, which were put on {settings.background}."
        found.append(Finding("D111", "note", message, "Pass --channels 4 to keep the transparency.", {"count": clear}))
    moving = sum(h.animated for h in heads)
    if moving:
        found.append(
            Finding(
                "D114",
                "note",
                f"{moving:,} of {len(heads):,} files contain several pictures, of which the first was used.",
                "",
                {"count": moving},
            )
        )
    depths = Counter(h.depth for h in heads)
    if len(depths) > 1 and depths["uint16"]:
        message = f"{depths['uint16']:,} of {len(heads):,} pictures have 16 bits and were reduced to 8, because the others have 8."
        found.append(Finding("D112", "note", message, "Make all of them 16-bit grey to keep the finer steps.", {"count": depths["uint16"]}))
    return found


def _upscaled(small: int, count: int, target: Target) -> Finding:
    message = f"{small:,} of {count:,} pictures are smaller than {target.height}x{target.width} and were enlarged."
    advice = "The generator will learn their blur; choose a smaller --size, or leave them out."
    return Finding("D107", "warning" if small > 0.1 * count else "note", message, advice, {"count": small})


# --- arrays --------------------------------------------------------------------------------------------------------------


def _decode_arrays(source: Arrays, settings: DataSettings, largest: int, folder: Path, progress: Progress | None) -> Decoded:
    lowest, highest = _range(source)
    depth, stretch = _depth(source.dtype, lowest, highest)
    height, width, channels = as_hwc(np.empty((1, *source.shape), np.bool_)).shape[1:]
    target_h, target_w, why = _size(Counter({(height, width): source.count}), settings, largest)
    target = Target(target_h, target_w, settings.channels or channels, depth, settings.fit, colour(settings.background))
    span = facts.span_of(np.dtype(depth), lowest * stretch, highest * stretch)
    done = 0
    with RowWriter(folder / "raw.npy", (target_h, target_w, target.channels), depth) as writer:
        for block in source.blocks():
            rows = as_hwc(block)
            rows = (rows * stretch).round().astype(depth) if stretch != 1 else rows.astype(depth, copy=False)
            rows = with_channels(rows, target.channels, target.background, span)
            writer.append(rows if (height, width) == (target_h, target_w) else np.stack([fit_array(r, target, span) for r in rows]))
            done += len(rows)
            if progress:
                progress(done, source.count)
    findings = list(source.notes)
    if stretch != 1:
        message = f"the values go from {lowest:g} to {highest:g} only, and were stretched to 0 to 255."
        findings.append(Finding("D113", "note", message, "Samples come out as 0 to 255 too.", {"highest": highest}))
    if (height < target_h or width < target_w) and settings.fit != "pad":
        findings.append(_upscaled(source.count, source.count, target))
    return Decoded(
        kind=source.kind,
        names=_Numbers(source.count),
        sizes=Counter({(height, width): source.count}),
        modes=Counter({f"{channels} x {source.dtype}": source.count}),
        rule=f"{why}; {target.channels} channel{'s' if target.channels > 1 else ''}, {depth}",
        labels=source.labels,
        findings=findings,
    )


def _range(source: Arrays) -> tuple[float, float]:
    """Smallest and largest value. DataError where one is not finite, with the picture it is in."""
    lowest, highest, done = np.inf, -np.inf, 0
    for block in source.blocks():
        if block.dtype.kind == "f":
            with np.errstate(over="ignore"):
                bad = ~np.isfinite(block.astype(np.float32, copy=False)).reshape(len(block), -1).all(1)
            if bad.any():
                raise DataError(
                    f"picture {done + int(bad.argmax()):,} of the array holds a value that is not finite (NaN or infinity) or too large "
                    "for 32 bits. Remove such pictures or set those pixels, for example with numpy.nan_to_num, or scale all of them."
                )
        lowest, highest = min(lowest, float(block.min())), max(highest, float(block.max()))
        done += len(block)
    return lowest, highest


def _depth(dtype: np.dtype, lowest: float, highest: float) -> tuple[Depth, float]:
    """How values are stored, and what they are multiplied with.

    Whole numbers become uint8 or uint16 where they fit and float32 where they do not; those below NARROW are stretched to
    0..255, or they would all be black to the networks and to the eye. Floating point becomes float32.
    """
    if dtype.kind == "f" or lowest < 0 or highest > 65535:
        return "float32", 1.0
    if highest < NARROW and highest > 0:
        return "uint8", 255 / highest
    return ("uint8" if highest <= 255 and dtype != np.uint16 else "uint16"), 1.0


def with_channels(rows: np.ndarray, channels: int, background: tuple[int, int, int], span: tuple[float, float]) -> np.ndarray:
    """[b, H, W, C] with another number of channels, between grey, colour and colour with transparency. DataError for others."""
    found = rows.shape[3]
    if found == channels:
        return rows
    if found not in (1, 3, 4) or channels not in (1, 3, 4):
        raise DataError(
            f"an array of {found} channels cannot be converted to {channels}; only between 1, 3 and 4 is that possible. "
            "Leave --channels out."
        )
    lo, hi = span
    values = rows.astype(np.float32)
    if found == 4:
        opacity = (values[..., 3:] - lo) / (hi - lo)
        values = values[..., :3] * opacity + np.asarray(background_values(background, 3, span), np.float32) * (1 - opacity)
    if channels == 1 and found != 1:
        values = values @ np.asarray([[0.299], [0.587], [0.114]], np.float32)
    if channels != 1 and values.shape[3] == 1:
        values = values.repeat(3, axis=3)
    if channels == 4:
        values = np.concatenate([values, np.full_like(values[..., :1], hi)], axis=3)
    return (values.round() if rows.dtype.kind == "u" else values).astype(rows.dtype)


class _Numbers(Sequence[str]):
    """The names of samples that have none, made when asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        return f"number {i}"


# --- both ----------------------------------------------------------------------------------------------------------------


def _drop_equal_channels(folder: Path, decoded: Decoded) -> None:
    """Colour pictures that are grey everywhere (R = G = B) are kept as grey."""
    path = folder / "raw.npy"
    raw = np.load(path, mmap_mode="r", allow_pickle=False)
    if raw.shape[3] != 3 or not all((b[..., :1] == b).all() for b in blocks(raw)):
        return
    with RowWriter(folder / "grey.npy", (*raw.shape[1:3], 1), raw.dtype) as writer:
        for block in blocks(raw):
            writer.append(block[..., :1])
    del raw
    (folder / "grey.npy").replace(path)
    decoded.rule += "; stored as grey, since red, green and blue are equal everywhere"
    decoded.findings.append(
        Finding(
            "D109",
            "note",
            "all pictures are stored as colour but are grey, so they are kept with one channel.",
            "Pass --channels 3 to keep three.",
        )
    )


def _finish(folder: Path, raw: np.ndarray, decoded: Decoded) -> None:
    count = len(raw)
    if count < 2:
        raise DataError(f"there is {count} picture; at least 2 are needed, and hundreds to learn from.")
    if raw.shape[1:3] == (1, 1):
        raise DataError("every picture is 1x1 pixel, which is too small to learn. Give larger pictures, or put the values into a table.")
    digests = digest_rows(raw)
    groups = facts.duplicate_groups(digests)
    if groups and len(groups[0]) == count:
        raise DataError(f"all {count:,} pictures are equal, so there is nothing to learn. Check that these are the right data.")
    lowest, highest = _extremes(raw)
    span = facts.span_of(raw.dtype, lowest, highest)
    seen = facts.look(raw, span)
    duplicates, about_duplicates = facts.describe_duplicates(groups, decoded.names, count)
    near, about_near = facts.describe_near(facts.near_pairs(seen.hashes, digests, raw, span, seen.total_variance), decoded.names, count)
    findings = [*_unreadable(decoded), *about_duplicates, *about_near]
    labels = decoded.labels if isinstance(decoded.labels, Labels) else None
    conditions = decoded.labels if isinstance(decoded.labels, Conditions) else None
    classes: dict[str, Any] = {"classes": {}, "imbalance": None}
    if labels:
        classes, about_classes = facts.describe_classes(labels.indices, labels.classes)
        findings += about_classes
    plain = [decoded.names[i] for i in seen.constant[: facts.EXAMPLES]]
    constant = {"count": len(seen.constant), "examples": plain}
    if len(seen.constant):
        message = f"{len(seen.constant):,} of {count:,} pictures are of a single colour, for example {plain[0]}."
        findings.append(Finding("D106", "note", message, "Remove them if they are unintended.", constant))
    findings += decoded.findings
    if count < facts.FEW:
        findings.append(
            Finding(
                "D108",
                "warning",
                f"there are only {count} pictures.",
                f"Samples will resemble them closely; {facts.FEW} or more allow variety.",
                {"count": count},
            )
        )
    about = {
        "kind": decoded.kind,
        "count": count,
        "sizes": facts.sizes_in_words(decoded.sizes),
        "modes": dict(decoded.modes.most_common()),
        "dtype": str(raw.dtype),
        "range": [seen.lowest, seen.highest],
        "span": list(span),
        "shape": list(raw.shape[1:]),
        "rule": decoded.rule,
        **classes,
        **({"conditions": conditions.told()} if conditions is not None else {}),
        "duplicates": duplicates,
        "near_duplicates": near,
        "unreadable": {"count": len(decoded.unreadable), "files": dict(list(decoded.unreadable.items())[:LISTED])},
        "constant": constant,
        "fingerprint": fingerprint(digests, decoded.labels),
        "mean": seen.mean.tolist(),
        "std": seen.std.tolist(),
        "total_variance": seen.total_variance,
    }
    write(folder, digests, labels.indices if labels else None, labels.classes if labels else (), findings, about, conditions)


def fingerprint(digests: np.ndarray, labels: Labels | Conditions | None) -> str:
    """Fixed by the decoded pictures, their order, and their labels and the class names or their conditions and the columns of these,
    wherever they came from."""
    made = hashlib.blake2b(digests.astype("<u8").tobytes(), digest_size=16)
    if isinstance(labels, Conditions):
        made.update(labels.values.astype("<f4").tobytes())
        made.update(json.dumps([c.to_dict() for c in labels.columns]).encode())
    elif labels:
        made.update(labels.indices.astype("<i8").tobytes())
        made.update("\0".join(labels.classes).encode(errors="surrogatepass"))
    return made.hexdigest()


def _extremes(raw: np.ndarray) -> tuple[float, float]:
    if raw.dtype == np.uint8:
        return 0.0, 255.0
    pairs = [(float(b.min()), float(b.max())) for b in blocks(raw)]
    return min(p[0] for p in pairs), max(p[1] for p in pairs)


def _unreadable(decoded: Decoded) -> list[Finding]:
    if not decoded.unreadable:
        return []
    name, reason = next(iter(decoded.unreadable.items()))
    count = len(decoded.unreadable)
    left_out = f"{count:,} of {count + len(decoded.names):,} files could not be read and {'was' if count == 1 else 'were'} left out"
    message = f"{left_out}, for example {name}: {reason}."
    return [Finding("D101", "warning", message, "Replace or remove them.", {"files": dict(list(decoded.unreadable.items())[:LISTED])})]
