"""What can be said of decoded pictures by looking through them once, a piece at a time.

The codes of what is noticed; they never change their meaning:

D101 files that could not be read       D106 pictures of a single colour        D111 transparency laid on the background
D102 pictures that repeat another       D107 pictures that were enlarged        D112 16 bits reduced to 8 in a mixed set
D103 near duplicates                    D108 few pictures                       D113 codes of a narrow range stretched
D104 imbalance of the classes           D109 grey stored as colour              D114 animations, of which the first frame is used
D105 classes with few pictures                                                  D115 the test part of a set is not used
                                                                                D116 pictures above class folders: no labels
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gansmith.data.store import blocks
from gansmith.records import Finding

NEAR_BITS = 6  # of 64 hash bits that two near duplicates may differ in
NEAR_DISTANCE = 0.02  # squared distance of near duplicates, as a share of that of two pictures taken at random
ROTATIONS, NEIGHBOURS = 8, 3  # orders in which hashes are sorted, and how many neighbours each is compared with
NEAR_WORK = 1_000_000_000  # numbers compared at most to tell near duplicates from pictures with like hashes
EXAMPLES = 5
FEW = 200  # pictures; below it a generator has little to learn variety from
TINY_CLASS = 10
KNOWN_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))


def span_of(dtype: np.dtype, lo: float, hi: float) -> tuple[float, float]:
    """The values that mean -1 and 1 to the networks, from a dtype and the smallest and largest value seen.

    uint8: 0 to 255. uint16: 0 to the full range of the fewest bits, 8 or more, that hold the largest value. Floating point: the
    first of [0, 1], [-1, 1], [0, 255] that holds all values and is half filled by them, else the smallest and largest value.
    """
    if dtype == np.uint8:
        return 0.0, 255.0
    if dtype == np.uint16:
        return 0.0, float(2 ** max(8, int(hi).bit_length()) - 1)
    for low, high in KNOWN_RANGES:
        if low <= lo and hi <= high and hi - lo >= (high - low) / 2:
            return low, high
    wide = (hi - lo) / 2 >= np.finfo(np.float32).tiny  # a narrower range is none: nothing can be divided by it
    return (lo, hi) if wide else (lo - 0.5, lo + 0.5)


@dataclass(frozen=True)
class Look:
    """Measured on N pictures in units of -1 to 1.

    mean, std  [C] of each channel over all pictures and places
    total_variance  sum over places and channels of the variance across pictures
    lowest, highest  in stored units
    constant  indices of pictures of a single colour
    hashes  uint64 [N], difference hash
    """

    mean: np.ndarray
    std: np.ndarray
    total_variance: float
    lowest: float
    highest: float
    constant: np.ndarray
    hashes: np.ndarray


def look(raw: np.ndarray, span: tuple[float, float]) -> Look:
    """One pass over raw [N, H, W, C]."""
    total = np.zeros(raw.shape[1:], np.float64)
    squares = np.zeros(raw.shape[1:], np.float64)
    lowest, highest, constant, hashes = math.inf, -math.inf, [], []
    middle, half = np.float32((span[0] + span[1]) / 2), np.float32((span[1] - span[0]) / 2)
    for block in blocks(raw):
        x = (block.astype(np.float32) - middle) / half
        total += x.sum(0, dtype=np.float64)
        squares += np.einsum("bhwc,bhwc->hwc", x, x, dtype=np.float64)
        lows, highs = block.min((1, 2)), block.max((1, 2))  # [b, C]
        lowest, highest = min(lowest, float(lows.min())), max(highest, float(highs.max()))
        constant.append((lows == highs).all(1))
        hashes.append(difference_hash(x.mean(3)))
    n, channels = len(raw), raw.shape[3]
    variance = (squares / n - (total / n) ** 2).clip(0)
    mean = (total / n).reshape(-1, channels).mean(0)
    std = np.sqrt(((squares / n).reshape(-1, channels).mean(0) - mean**2).clip(0))
    return Look(mean, std, float(variance.sum()), lowest, highest, np.flatnonzero(np.concatenate(constant)), np.concatenate(hashes))


def difference_hash(grey: np.ndarray) -> np.ndarray:
    """uint64 [B] of pictures [B, H, W]: each brought to 8x9 by area, a bit where a cell is brighter than its left neighbour."""
    small = np.einsum("ih,bhw->biw", _area(grey.shape[1], 8), grey, optimize=True) @ _area(grey.shape[2], 9).T
    bits = (small[:, :, 1:] > small[:, :, :-1] + 1e-4).reshape(len(grey), 64)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64)[:, 0]


def near_pairs(hashes: np.ndarray, digests: np.ndarray, raw: np.ndarray, span: tuple[float, float], total_variance: float) -> np.ndarray:
    """[P, 2] indices of pictures that are alike but not equal.

    Hashes are sorted in several rotations of their bits and neighbours compared, so nearly all pairs are found in N log N; a
    pair counts when its pixels are within NEAR_DISTANCE of the usual squared distance, which is twice the total variance.
    """
    _, first = np.unique(digests, return_index=True)  # exact duplicates are told of by themselves
    known = hashes[first]
    candidates = []
    for turn in range(0, 64, 64 // ROTATIONS):
        turned = (known << np.uint64(turn)) | (known >> np.uint64((64 - turn) % 64))
        order = np.argsort(turned, kind="stable")
        for step in range(1, NEIGHBOURS + 1):
            a, b = order[:-step], order[step:]
            close = _bits(known[a] ^ known[b]) <= NEAR_BITS
            candidates.append(np.minimum(a, b)[close] * len(known) + np.maximum(a, b)[close])
    pairs = np.stack(np.divmod(np.unique(np.concatenate(candidates)), len(known)), axis=1)
    most = NEAR_WORK // max(1, raw[:1].size)
    if len(pairs) > most:  # the likeliest
        pairs = pairs[np.argsort(_bits(known[pairs[:, 0]] ^ known[pairs[:, 1]]), kind="stable")[:most]]
    if not len(pairs):
        return np.zeros((0, 2), np.int64)
    found = np.sort(first[pairs], axis=1)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    limit, half = NEAR_DISTANCE * 2 * total_variance, np.float32((span[1] - span[0]) / 2)
    step = max(1, (4 << 20) // max(1, raw[:1].size))
    near = [
        (((raw[part[:, 0]].astype(np.float32) - raw[part[:, 1]].astype(np.float32)) / half) ** 2).sum((1, 2, 3)) <= limit
        for part in (found[i : i + step] for i in range(0, len(found), step))
    ]
    return found[np.concatenate(near)]


def duplicate_groups(digests: np.ndarray) -> list[np.ndarray]:
    """Indices of each group of equal pictures, the largest group first."""
    _, inverse, counts = np.unique(digests, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    groups = np.split(order, np.cumsum(counts)[:-1])
    return sorted((g for g in groups if len(g) > 1), key=lambda g: (-len(g), int(g[0])))


def sizes_in_words(sizes: Counter[tuple[int, int]]) -> dict[str, Any]:
    """{min, median, max, common} of heights and widths before fitting."""
    all_sizes = np.asarray(list(sizes), np.int64)
    weights = np.asarray(list(sizes.values()), np.int64)
    return {
        "min": all_sizes.min(0).tolist(),
        "median": [int(np.median(np.repeat(all_sizes[:, axis], weights))) for axis in (0, 1)],
        "max": all_sizes.max(0).tolist(),
        "common": [[list(size), count] for size, count in sizes.most_common(EXAMPLES)],
    }


def describe_duplicates(groups: Sequence[np.ndarray], names: Sequence[str], count: int) -> tuple[dict[str, Any], list[Finding]]:
    """The fact and the finding of pictures that occur more than once."""
    extra = sum(len(g) - 1 for g in groups)
    examples = [[names[i] for i in g[:3]] for g in groups[:EXAMPLES]]
    fact = {"count": extra, "examples": examples}
    if not extra:
        return fact, []
    message = f"{extra:,} of {count:,} pictures are exact duplicates, for example {examples[0][1]} repeats {examples[0][0]}."
    advice = "They stay on one side of the split, so scores are right, but they are learned more often. Remove them if they are unintended."
    return fact, [Finding("D102", "warning" if extra > 0.05 * count else "note", message, advice, fact)]


def describe_near(pairs: np.ndarray, names: Sequence[str], count: int) -> tuple[dict[str, Any], list[Finding]]:
    """The fact and the finding of pictures that are nearly another."""
    involved = len(np.unique(pairs))
    examples = [[names[a], names[b]] for a, b in pairs[:EXAMPLES].tolist()]
    fact = {"count": involved, "examples": examples}
    if not involved:
        return fact, []
    message = f"{involved:,} of {count:,} pictures have a near duplicate, for example {examples[0][0]} and {examples[0][1]}."
    advice = "Copies of one picture on both sides of the split make the scores look better than they are; remove some of them."
    return fact, [Finding("D103", "warning" if involved > 0.05 * count else "note", message, advice, fact)]


def describe_classes(labels: np.ndarray, classes: Sequence[str]) -> tuple[dict[str, Any], list[Finding]]:
    """Samples of each class, the ratio of the largest to the smallest, and what follows from them."""
    counts = np.bincount(labels, minlength=len(classes))
    by_name = {name: int(n) for name, n in zip(classes, counts, strict=True)}
    present = {name: n for name, n in by_name.items() if n}
    imbalance = max(present.values()) / min(present.values())
    fact = {"classes": by_name, "imbalance": imbalance}
    found = []
    tiny = sorted((n, name) for name, n in by_name.items() if n < TINY_CLASS)
    if tiny:
        message = (
            f"{len(tiny)} of {len(by_name)} classes have fewer than {TINY_CLASS} pictures, for example {tiny[0][1]!r} with {tiny[0][0]}."
        )
        found.append(
            Finding(
                "D105",
                "warning",
                message,
                "Add pictures to it or merge it with another class; samples of it will be copies.",
                {"classes": {name: n for n, name in tiny[:20]}},
            )
        )
    if imbalance >= 5:
        most, least = max(present, key=present.__getitem__), min(present, key=present.__getitem__)
        message = f"the class {most!r} has {imbalance:.0f} times as many pictures as {least!r} ({present[most]:,} and {present[least]:,})."
        found.append(
            Finding(
                "D104",
                "warning" if imbalance >= 20 else "note",
                message,
                "Samples of the rare class will vary less; add pictures to it if you can.",
                {"ratio": imbalance},
            )
        )
    return fact, found


_ONES = np.asarray([bin(byte).count("1") for byte in range(256)], np.uint8)


def _bits(values: np.ndarray) -> np.ndarray:
    """How many bits of each uint64 [N] are set; numpy 1 has no function for it."""
    return _ONES[values.view(np.uint8).reshape(-1, 8)].sum(1)


def _area(size: int, cells: int) -> np.ndarray:
    """[cells, size] weights that average equal shares of a side; each row sums to 1."""
    edges = np.linspace(0, size, cells + 1)
    places = np.arange(size)
    overlap = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    weights = overlap.clip(0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
