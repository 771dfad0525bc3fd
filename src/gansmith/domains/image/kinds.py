"""What a source turns out to be: encoded files or arrays; both are read in pieces, as often as wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gansmith.conditions import Conditions
from gansmith.domains.image.labels import Labels
from gansmith.domains.image.trees import Opener
from gansmith.records import Finding


@dataclass(frozen=True)
class Files:
    """Encoded pictures, opened one at a time in the order of `names`, and as often as wanted."""

    kind: str
    names: tuple[str, ...]
    walk: Callable[[], Iterator[tuple[str, Opener]]]
    labels: Labels | Conditions | None = None
    notes: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Arrays:
    """Samples of one shape, read in pieces and as often as wanted.

    shape is that of one sample as found: (H, W), (H, W, C) or (C, H, W); `blocks()` gives [b, *shape] in order.
    """

    kind: str
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Callable[[], Iterator[np.ndarray]]
    labels: Labels | Conditions | None = None
    notes: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Origin:
    """A source that was recognised. `identity` (JSON-able) changes whenever the contents may have; `load` looks inside."""

    identity: Any
    load: Callable[[], Files | Arrays]
