"""Differentiable transformations of planes, for a game with few samples: both players are shown transformed samples, real and
generated alike, so that a discriminator cannot learn the few by heart, and the generator still learns what was not transformed.

Each transformation is applied to a sample with probability `strength`, from random numbers that are passed in. That a sample is often
left as it is keeps a transformation from showing in what is generated (arXiv:2006.06676, which advises at most 0.8); the
transformations and how far they go are those of arXiv:2006.10738, with two differences. A picture moved aside is filled up with its own
mirror image, not with zeros, which would be borders that no sample has; and colours are left alone, for they are often what a sample
is about.

Letters: B samples, C channels, H and W positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

NUMBERS = 6  # random numbers that a sample takes
SHIFT = 1 / 8  # furthest, as a share of the side
HOLE = 1 / 2  # side of what is cut out, as a share of the side


def augment(x: Tensor, uniform: Tensor, strength: float) -> Tensor:
    """Each sample moved and cut out, each with probability `strength`; a strength of 0 changes no bit.

    x [B, C, H, W], uniform [B, NUMBERS] in [0, 1) -> [B, C, H, W]. Differentiable in x. Row i depends on rows i of both alone.
    """
    chosen, place, hole = (uniform < strength)[:, :2], uniform[:, 2:4], uniform[:, 4:6]
    x = move(x, chosen[:, :1] * _offsets(place, x.shape[2:]))
    return cut_out(x, hole, chosen[:, 1])


def move(x: Tensor, offset: Tensor) -> Tensor:
    """Samples moved down and to the right by whole places, filled up with their mirror image.  x [B, C, H, W], offset [B, 2] -> as x"""
    b, c, h, w = x.shape
    rows = _mirrored(torch.arange(h, device=x.device) - offset[:, :1], h)  # [B, H]
    columns = _mirrored(torch.arange(w, device=x.device) - offset[:, 1:], w)  # [B, W]
    source = rows[:, :, None] * w + columns[:, None, :]  # [B, H, W], places in a flat picture
    return x.flatten(2).gather(2, source.view(b, 1, h * w).expand(b, c, h * w)).view_as(x)


def cut_out(x: Tensor, centre: Tensor, chosen: Tensor) -> Tensor:
    """Zero, the middle of the encoded values, in a rectangle of half the sides, clipped by the picture's, of the chosen samples.

    x [B, C, H, W], centre [B, 2] as shares of the sides, chosen [B] -> as x
    """
    rows, columns = (_within(centre[:, axis], side) for axis, side in enumerate(x.shape[2:]))  # [B, H], [B, W]
    hole = chosen[:, None, None] & rows[:, :, None] & columns[:, None, :]  # [B, H, W]
    return x.masked_fill(hole[:, None], 0.0)


def _offsets(uniform: Tensor, sides: torch.Size) -> Tensor:
    """Whole places, each up to a share of the side either way alike often.  [B, 2] -> [B, 2]"""
    furthest = torch.tensor([round(side * SHIFT) for side in sides], device=uniform.device)
    return (uniform * (2 * furthest + 1)).long().minimum(2 * furthest) - furthest


def _mirrored(place: Tensor, side: int) -> Tensor:
    """Places up to a side's length outside a picture, as those of its mirror image.  -1 is 0, side is side - 1"""
    place = torch.where(place < 0, -1 - place, place)
    return torch.where(place >= side, 2 * side - 1 - place, place)


def _within(centre: Tensor, side: int) -> Tensor:
    """Which places of a side lie in a hole about each centre.  [B] -> [B, side]"""
    length = int(side * HOLE)
    start = (centre * side).long() - length // 2
    place = torch.arange(side, device=centre.device) - start[:, None]
    return (place >= 0) & (place < length)
