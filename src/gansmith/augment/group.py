"""A group of transformations that are done one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from gansmith.augment.draws import Strength


@dataclass(frozen=True)
class Group:
    """Transformations by name, the uniform numbers that a sample takes, and what is done.

    The first numbers are chances, one for each transformation: it is done where its chance is less than the strength. The others tell
    how far it goes.
    """

    moves: tuple[str, ...]
    numbers: int
    apply: Callable[[Tensor, Tensor, Strength], Tensor]
