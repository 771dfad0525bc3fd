"""The one tensor convention: an encoded batch is x [B, C, *P] — samples, channels, positions.

A table row has P = (), a series, text or waveform P = (T,), an image or spectrogram P = (H, W). C is divided into named
blocks. Blocks, P and the width of the condition are the Layout, and the layout is all that networks learn of a domain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

from torch import Tensor

from gansmith.errors import ConfigError, DataError

Kind = Literal["bounded", "real", "onehot"]
Geometry = Literal["row", "line", "plane"]


@dataclass(frozen=True)
class Block:
    """A run of channels that mean one thing.

    `bounded` values lie in [-1, 1]; `real` values are standardised and unbounded; `onehot` channels are one choice of `size`.
    `centre` and `spread` are mean and standard deviation of the block's values: what a network takes and gives counts in them. `shares`
    are how often each choice of a onehot block is taken, where that is known.
    """

    name: str
    size: int
    kind: Kind
    centre: float = 0.0
    spread: float = 1.0
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"block {self.name!r} has {self.size} channels; it needs at least 1.")
        if self.kind not in ("bounded", "real", "onehot"):
            raise ConfigError(f"block {self.name!r} has kind {self.kind!r}; kinds are bounded, real and onehot.")
        if not (math.isfinite(self.centre) and 0.0 < self.spread < math.inf):
            raise ConfigError(
                f"block {self.name!r} has centre {self.centre} and spread {self.spread}; these must be a number, and one above 0."
            )
        if self.shares and (self.kind != "onehot" or len(self.shares) != self.size):
            raise ConfigError(
                f"block {self.name!r} is {self.kind} of {self.size} with {len(self.shares)} shares; one for each choice is wanted."
            )


@dataclass(frozen=True)
class Layout:
    """Shape and meaning of one encoded sample: channel blocks, positions, and the width K of its condition (0: none).

    `given`: a generator is told any of the blocks and makes the others (gansmith.given). The condition is then what it is told.
    """

    blocks: tuple[Block, ...]
    positions: tuple[int, ...] = ()
    condition: int = 0
    given: bool = False

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ConfigError("a layout needs at least one block of channels.")
        if len(self.positions) > 2:
            raise ConfigError(f"a layout has at most two position axes (row, line, plane); found {len(self.positions)}.")
        if any(p < 1 for p in self.positions):
            raise ConfigError(f"every position axis needs at least 1 place; found {self.positions}.")
        names = [b.name for b in self.blocks]
        if len(set(names)) != len(names):
            raise ConfigError(f"block names must differ; found {names}.")

    @property
    def channels(self) -> int:
        return sum(b.size for b in self.blocks)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample, (C, *P)."""
        return (self.channels, *self.positions)

    @property
    def size(self) -> int:
        """Numbers in one sample."""
        return math.prod(self.shape)

    @property
    def geometry(self) -> Geometry:
        return ("row", "line", "plane")[len(self.positions)]

    def slices(self) -> dict[str, slice]:
        """Where each block lies on the channel axis."""
        found, start = {}, 0
        for block in self.blocks:
            found[block.name] = slice(start, start + block.size)
            start += block.size
        return found

    def packed(self, count: int) -> Layout:
        """The layout of so many samples as one, their channels and conditions in a row: what a discriminator of packs is shown."""
        if count == 1:
            return self
        blocks = tuple(replace(block, name=f"{block.name}/{i}") for i in range(count) for block in self.blocks)
        return Layout(blocks, self.positions, self.condition * count)

    def check(self, x: Tensor) -> Tensor:
        """Return x if it is a batch [B, C, *P] of this layout; else a DataError that says what was found and wanted."""
        if tuple(x.shape[1:]) != self.shape:
            wanted = ", ".join(str(n) for n in self.shape)
            raise DataError(f"found a batch of shape {tuple(x.shape)}; this layout needs [B, {wanted}].")
        return x

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {
            "blocks": [_plain(b) for b in self.blocks],
            "positions": list(self.positions),
            "condition": self.condition,
            **({"given": True} if self.given else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Layout:
        """The inverse of `to_dict`."""
        return cls(
            blocks=tuple(Block(**{**b, "shares": tuple(b.get("shares", ()))}) for b in values["blocks"]),
            positions=tuple(values["positions"]),
            condition=int(values.get("condition", 0)),
            given=bool(values.get("given", False)),
        )


def _plain(block: Block) -> dict[str, Any]:
    """A block as plain values; shares only where there are any."""
    values = asdict(block)
    shares = values.pop("shares")
    return {**values, "shares": list(shares)} if shares else values


class Batch(NamedTuple):
    """Encoded samples x [B, C, *P] and their condition [B, K] (None where the layout has none)."""

    x: Tensor
    condition: Tensor | None = None
