"""Samples with positions, lines and planes alike: moved, cut out, resampled.

Letters: B samples, C channels, P positions along each of d axes. Beyond its ends a sample goes on as its own mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from operator import mul

import torch
from torch import Tensor

SHIFT = 1 / 8  # furthest, as a share of the side
HOLE = 1 / 2  # side of what is cut out, as a share of the side


def move(x: Tensor, offset: Tensor) -> Tensor:
    """Samples moved on by whole places, filled up with their mirror image.  x [B, C, *P], offset [B, d] -> as x"""
    source = [mirrored(place, side) for place, side in zip(_before(x, offset), x.shape[2:], strict=True)]
    return take(x, _crossed(source))


def move_in_zeros(x: Tensor, offset: Tensor) -> Tensor:
    """Samples moved on by whole places, filled up with zeros.  x [B, C, *P], offset [B, d] -> as x"""
    inside = torch.ones((), dtype=torch.bool, device=x.device)
    for there in _crossed([(place >= 0) & (place < side) for place, side in zip(_before(x, offset), x.shape[2:], strict=True)]):
        inside = inside & there
    return move(x, offset).masked_fill(~inside.unsqueeze(1), 0.0)


def cut_out(x: Tensor, centre: Tensor, chosen: Tensor) -> Tensor:
    """Zero, the middle of the encoded values, in a stretch or rectangle of half the sides, clipped by the sample's, of the chosen samples.

    x [B, C, *P], centre [B, d] as shares of the sides, chosen [B] -> as x
    """
    hole = chosen.view(-1, *(1 for _ in x.shape[2:]))
    for there in _crossed([_within(centre[:, axis], side) for axis, side in enumerate(x.shape[2:])]):
        hole = hole & there  # [B, *P] in the end
    return x.masked_fill(hole.unsqueeze(1), 0.0)


def resample(x: Tensor, at: Sequence[Tensor]) -> Tensor:
    """The values of samples between their places, interpolated linearly along each axis.

    x [B, C, *P], at: for each axis the places asked for, [B, *P] or what goes with it -> [B, C, *P]. At whole places the very values.
    Written with gathers, since grid_sample has no second derivative in every torch, and a gradient penalty asks for one.
    """
    ends = [_between(place, side) for place, side in zip(at, x.shape[2:], strict=True)]
    found = torch.zeros_like(x)
    for corner in product(*ends):
        weight = reduce(mul, (share for _, share in corner))
        found = found + weight.unsqueeze(1) * take(x, [place for place, _ in corner])
    return found


def take(x: Tensor, source: Sequence[Tensor]) -> Tensor:
    """The values of samples at given places.  x [B, C, *P], source: an index for each axis, [B, *P] or what goes with it -> [B, C, *P]"""
    flat = source[0]
    for index, side in zip(source[1:], x.shape[3:], strict=True):
        flat = flat * side + index
    where = flat.expand(len(x), *x.shape[2:]).reshape(len(x), 1, -1).expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(2, where).view_as(x)


def centred(x: Tensor) -> list[Tensor]:
    """The places along each axis, counted from its middle: [1, P] of a line, [1, H, 1] and [1, 1, W] of a plane."""
    return _crossed([torch.arange(side, device=x.device).unsqueeze(0) - (side - 1) / 2 for side in x.shape[2:]])


def mirrored(place: Tensor, side: int) -> Tensor:
    """Places anywhere, as those of the mirror image that a sample goes on as: -1 is 0, side is side - 1."""
    place = place.remainder(2 * side)
    return place.minimum(2 * side - 1 - place)


def _between(place: Tensor, side: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The whole places before and after a place, and the share that each has in its value; outside, those of the mirror image."""
    place = (place + 0.5).remainder(2 * side)
    place = (place.minimum(2 * side - place) - 0.5).clamp(0, side - 1)
    low = place.floor()
    share = place - low
    return (low.long(), 1.0 - share), ((low.long() + 1).clamp(max=side - 1), share)


def _before(x: Tensor, offset: Tensor) -> list[Tensor]:
    """Where each place was before a move, along each axis: [B, side]"""
    return [torch.arange(side, device=x.device) - offset[:, axis, None] for axis, side in enumerate(x.shape[2:])]


def _crossed(along: Sequence[Tensor]) -> list[Tensor]:
    """What is told along each axis apart, [B, side], shaped to be told of all places together: [B, ..., side, ...]"""
    d = len(along)
    return [part.view(len(part), *(-1 if i == axis else 1 for i in range(d))) for axis, part in enumerate(along)]


def _within(centre: Tensor, side: int) -> Tensor:
    """Which places of a side lie in a hole about each centre.  [B] -> [B, side]"""
    length = int(side * HOLE)
    start = (centre * side).long() - length // 2
    place = torch.arange(side, device=centre.device) - start[:, None]
    return (place >= 0) & (place < length)
