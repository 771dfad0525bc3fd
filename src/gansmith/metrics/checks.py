"""What every metric asks of the numbers it is given."""

from __future__ import annotations

from torch import Tensor

from gansmith.errors import ConfigError, DataError, NotFiniteData

LARGEST = 1e15  # squares of larger numbers, summed, do not fit into 32 bits


def check(what: str, least: int = 1, **sets: Tensor) -> None:
    """DataError unless every set is [N, D] with at least `least` samples and all of one width, NotFiniteData unless all are finite.

    `what` names the metric in the message; a set is named by its keyword, with spaces for underscores.
    """
    widths = {}
    for key, x in sets.items():
        name = key.replace("_", " ")
        if x.ndim != 2 or not x.shape[1]:
            raise DataError(f"the {name} features have shape {list(x.shape)}; {what} needs [samples, numbers]. Flatten each sample.")
        if len(x) < least:
            raise DataError(f"found {len(x)} {name} samples; {what} needs at least {least}. Give more samples.")
        unusable = int((~((x.amax(1) <= LARGEST) & (x.amin(1) >= -LARGEST))).sum())  # a NaN is neither
        if unusable:
            raise NotFiniteData(
                f"{unusable} of {len(x)} rows of the {name} features hold a NaN, an infinity or a number beyond {LARGEST:g}; {what} needs "
                "finite ones. Find their cause, or leave these samples out."
            )
        widths[name] = x.shape[1]
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise DataError(f"the features differ in width ({found}); {what} needs them all from one extractor. Extract them again.")


def check_neighbours(k: int) -> None:
    """ConfigError unless k is a number of neighbours."""
    if k < 1:
        raise ConfigError(f"k is {k}; the number of nearest neighbours must be at least 1.")
