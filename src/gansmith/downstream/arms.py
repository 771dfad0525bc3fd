"""The arms of a proof: which samples each training set is made of, by arithmetic on labels alone.

Letters: K classes, n real samples, m synthetic samples, e samples of noise. A training set is a list of rows; row i < n is the i-th
real sample, row n + j the j-th synthetic one, row n + m + j the j-th of noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gansmith.errors import ConfigError, DataError, nearest

REAL, SYNTHETIC, BOTH, REPEATED = "real", "synthetic", "real + synthetic", "real repeated"
CLASSICAL, ALL = "real + classical", "real + classical + synthetic"
NOISE = "real + classical + noise"  # a control: noise in the place of the synthetic samples of a rare class
ARMS = (REAL, SYNTHETIC, BOTH, CLASSICAL, ALL, REPEATED)
AUGMENTED = (CLASSICAL, ALL, NOISE)  # arms whose samples are altered classically, each time anew


@dataclass(frozen=True)
class Rare:
    """One class of which there are few: `share` of its samples stay (1: it is rare already)."""

    label: str
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 1.0:
            raise ConfigError(f"the rare class {self.label!r} would keep a share of {self.share:g}; give a share above 0, up to 1.")


@dataclass(frozen=True)
class Scheme:
    """One condition under which arms are compared.

    per_class  real samples of each class; None: all there are
    ratio      synthetic samples for each real one, class by class. With a rare class only that one gets any: as many as it lacks to the
               size of the largest class, times the ratio
    """

    per_class: int | None = None
    ratio: float = 1.0
    rare: Rare | None = None

    def __post_init__(self) -> None:
        if self.per_class is not None and self.per_class < 1:
            raise ConfigError(f"{self.per_class} real samples per class were requested; request at least 1, or None for all.")
        if not 0.0 < self.ratio < float("inf"):
            raise ConfigError(
                f"a ratio of {self.ratio:g} synthetic samples for each real one is not possible; give one above 0, for example 1."
            )

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that are compared; with a rare class also one of noise, since whatever spreads that class moves its border, and that
        alone can raise balanced accuracy."""
        return ARMS if self.rare is None else (*ARMS, NOISE)


@dataclass(frozen=True)
class Mix:
    """What all arms of one scheme and seed are made of.

    real     [n] indices of the real samples among those there are
    drawn    [m] class of each synthetic sample to draw
    noise    [e] class of each sample of noise: those of the synthetic samples that are added to a rare class; else none
    rows     arm -> rows of its training set
    """

    real: np.ndarray
    drawn: np.ndarray
    noise: np.ndarray
    rows: Mapping[str, np.ndarray]


def real_counts(labels: np.ndarray, classes: tuple[str, ...], scheme: Scheme) -> np.ndarray:
    """Real samples of each class [K] that a scheme takes from those with these labels [N]; none of a class of which there are none.

    ConfigError for an unknown rare class, DataError where there are fewer of a class than asked for, or none of the rare one.
    """
    there = np.bincount(labels, minlength=len(classes))
    wanted = there.copy()
    if scheme.per_class is not None:
        short = [f"{classes[k]!r} has {there[k]:,}" for k in np.flatnonzero((there > 0) & (there < scheme.per_class))]
        if short:
            raise DataError(
                f"{scheme.per_class:,} real samples of each class were requested, but {', '.join(short[:3])} to train on. "
                f"Request at most {there[there > 0].min():,} (--per-class), or leave it out to use all."
            )
        wanted = np.minimum(there, scheme.per_class)
    if scheme.rare is not None:
        if scheme.rare.label not in classes:
            raise ConfigError(f"there is no class {scheme.rare.label!r} to make rare; {nearest(scheme.rare.label, classes)}")
        k = classes.index(scheme.rare.label)
        if not there[k]:
            raise DataError(f"there are no samples of the rare class {scheme.rare.label!r} to train on. Choose another class.")
        wanted[k] = min(wanted[k], max(1, round(scheme.rare.share * wanted[k])))
    return wanted


def extra_counts(counts: np.ndarray, classes: tuple[str, ...], scheme: Scheme) -> np.ndarray:
    """Synthetic samples of each class [K] that are added to so many real ones [K]. DataError where a rare class lacks none."""
    if scheme.rare is None:
        return np.where(counts > 0, np.maximum(1, np.rint(scheme.ratio * counts)), 0).astype(np.int64)
    extra = np.zeros_like(counts)
    k = classes.index(scheme.rare.label)
    extra[k] = round(scheme.ratio * (counts.max() - counts[k]))
    if not extra[k]:
        raise DataError(
            f"the class {scheme.rare.label!r} is as large as any ({counts[k]:,}). Give the share to which it is cut, for example 0.01."
        )
    return extra


def mix(labels: np.ndarray, classes: tuple[str, ...], scheme: Scheme, seed: int) -> Mix:
    """The training sets of one scheme and seed, from the labels [N] of the real samples there are. Errors as `real_counts`.

    Arms that hold real samples hold the same ones, and those of fewer a class are among those of more. The enlarged sets are alike
    row by row: where one holds a synthetic sample, another holds a real one of that class once more, or noise of that class, so that a
    rare class is as frequent in all of them. The synthetic set is as large as what is added; for a rare class, as the enlarged sets, of
    every class.
    """
    counts = real_counts(labels, classes, scheme)
    extra = extra_counts(counts, classes, scheme)
    source = np.random.default_rng(seed)
    real = np.concatenate([source.permutation(np.flatnonzero(labels == k))[:c] for k, c in enumerate(counts)])
    real = real[source.permutation(len(real))]
    n, taken = len(real), labels[real]
    drawn = np.repeat(np.arange(len(counts)), extra if scheme.rare is None else counts + extra)
    drawn = drawn[source.permutation(len(drawn))]
    added = np.sort(np.concatenate([np.flatnonzero(drawn == k)[:e] for k, e in enumerate(extra)]))
    again = np.empty(len(added), np.int64)
    for k in np.flatnonzero(extra):
        again[drawn[added] == k] = np.resize(np.flatnonzero(taken == k), extra[k])
    once = np.arange(n)
    both, repeated = np.concatenate([once, n + added]), np.concatenate([once, again])
    rows = {REAL: once, SYNTHETIC: n + np.arange(len(drawn)), BOTH: both, CLASSICAL: repeated, ALL: both, REPEATED: repeated}
    if scheme.rare is None:
        return Mix(real, drawn, drawn[:0], rows)
    rows[NOISE] = np.concatenate([once, n + len(drawn) + np.arange(len(added))])
    return Mix(real, drawn, drawn[added], rows)


def title(scheme: Scheme, counts: np.ndarray, extra: np.ndarray) -> str:
    """A scheme in words, from the real and the added samples of each class [K]."""
    if scheme.rare is not None:
        return f"{counts[extra.argmax()]:,} of {scheme.rare.label!r} among {counts.sum():,} real samples, {extra.sum():,} synthetic added"
    real = f"all {counts.sum():,} real samples" if scheme.per_class is None else f"{scheme.per_class:,} a class"
    return f"{real}, {scheme.ratio:g} synthetic for each real one"
