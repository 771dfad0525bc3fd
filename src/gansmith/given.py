"""What a generator of rows is told: any of the choices in a sample, from which it makes the others.

The condition of such a generator is the sample with what is not told left empty, which choices are told, and which one it is asked for
next: [B, C + 2 n] for C channels and n choices. One generator then answers every question: told nothing it makes whole rows, told some
columns it makes the others, told all but a few it fills these in. Asked again and again, each time told one choice more, it makes a row
step by step, and each step need only be right given those before it.

A choice is a onehot block; a bounded block behind it belongs to it, and is made and told with it.

Letters: B samples, C channels, n choices.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gansmith.errors import ConfigError
from gansmith.layout import Block, Layout


def choices(layout: Layout) -> list[tuple[slice, Block]]:
    """Where each choice lies on the channel axis, and its block. ConfigError where the blocks are not choices and what belongs to them."""
    found = [(where, block) for where, block in zip(layout.slices().values(), layout.blocks, strict=True) if block.kind == "onehot"]
    if layout.positions or layout.blocks[0].kind != "onehot" or any(block.kind == "real" for block in layout.blocks):
        raise ConfigError("only rows of choices (onehot blocks, each with bounded blocks behind it or without) can be told in part.")
    return found


def width(layout: Layout) -> int:
    """Numbers K of what is told of samples with this layout."""
    return layout.channels + 2 * len(choices(layout))


def owners(layout: Layout) -> Tensor:
    """Index [C] of the choice that each channel belongs to."""
    found, index = [], -1
    for block in layout.blocks:
        index += block.kind == "onehot"
        found += [index] * block.size
    return torch.tensor(found)


def told(chances: Tensor) -> tuple[Tensor, Tensor]:
    """Which choices are told, and which one is asked for next: [B, n] each, 1 or 0, of uniform numbers [B, n + 1].

    Of 0 to n - 1 told choices each number is as likely, and so is each way to choose so many.
    """
    count = (chances[:, :1] * (chances.shape[1] - 1)).floor()  # [B, 1]
    place = chances[:, 1:].argsort(1).argsort(1)
    return (place < count).to(chances.dtype), (place == count).to(chances.dtype)


def condition(x: Tensor, mask: Tensor, asked: Tensor, owner: Tensor) -> Tensor:
    """What is told of samples x [B, C]: those of the mask [B, n], and that `asked` [B, n] comes next.  -> [B, C + 2 n]"""
    return torch.cat((x * mask[:, owner], mask, asked), 1)


def split(condition: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """(x [B, C] with zeros where nothing is told, mask [B, n], asked [B, n]) of a condition [B, C + 2 n] of n choices."""
    return condition[:, : -2 * count], condition[:, -2 * count : -count], condition[:, -count:]
