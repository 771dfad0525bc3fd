"""Planes: moved, cut out, turned and stretched.

Letters: B samples, C channels, H and W positions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gansmith.augment import places
from gansmith.augment.draws import Strength, angles, evenly, normals, over
from gansmith.augment.group import Group
from gansmith.augment.places import SHIFT, centred, cut_out, mirrored, move

SIZE = 0.2  # standard deviation of the power of 2 that a picture is enlarged by, or made narrower and taller
SLIDE = 1 / 8  # standard deviation of a move, as a share of the side


def few(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Each sample moved by up to an eighth of its sides and cut out, each with probability `strength`.

    x [B, C, H, W], uniform [B, 6] -> as x. How far they go is that of arXiv:2006.10738, with two differences. A picture moved aside is
    filled up with its own mirror image, not with zeros, which would be borders that no sample has; and colours are left alone, for they
    are often what a sample is about.
    """
    chosen, place, hole = (uniform < strength)[:, :2], uniform[:, 2:4], uniform[:, 4:6]
    x = move(x, chosen[:, :1] * _offsets(place, x))
    return cut_out(x, hole, chosen[:, 1])


def shift(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """The move of `few` by itself.  x [B, C, H, W], uniform [B, 3] -> as x"""
    return move(x, (uniform[:, :1] < strength) * _offsets(uniform[:, 1:], x))


def translation(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Moved by up to an eighth of the sides and filled up with zeros, with probability `strength`, as in arXiv:2006.10738.

    x [B, C, H, W], uniform [B, 3] -> as x
    """
    return places.move_in_zeros(x, (uniform[:, :1] < strength) * _offsets(uniform[:, 1:], x))


def cutout(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """A rectangle of half the sides cut out, with probability `strength`, as in arXiv:2006.10738.

    x [B, C, H, W], uniform [B, 3] -> as x
    """
    return cut_out(x, uniform[:, 1:], uniform[:, 0] < strength)


def mirror(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Left and right exchanged in half of the samples that are chosen, with probability `strength`.

    x [B, C, H, W], uniform [B, 2] -> as x
    """
    return torch.where(over((uniform[:, 0] < strength) & (uniform[:, 1] < 0.5), x), x.flip(-1), x)


def blit(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Turned by whole quarters, none of four more likely than another, and moved by whole places of up to an eighth of the sides, each
    with probability `strength`: the pixel blitting of arXiv:2006.06676, appendix B, without its mirror.

    x [B, C, H, W], uniform [B, 5] -> as x. Every value comes from one place. A picture that is not square is filled up where a quarter
    turn leaves it empty.
    """
    chosen = uniform[:, :2] < strength
    quarter = (4.0 * uniform[:, 2]).floor() * chosen[:, 0] * (math.pi / 2)
    offset = _places(SHIFT * (2.0 * uniform[:, 3:5] - 1.0), x).round() * chosen[:, 1:]
    down, right = _back(x, offset)
    down, right = _turned(down, right, -quarter.sin().round(), quarter.cos().round())
    source = [mirrored((place + side / 2).floor().long(), side) for place, side in zip((down, right), x.shape[2:], strict=True)]
    return places.take(x, source)


def geometric(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Enlarged, turned, made narrower and taller, turned again, and moved, each with probability `strength`, a turn with that of one or
    two: the general geometric transformations of arXiv:2006.06676, appendix B.

    x [B, C, H, W], uniform [B, 11] -> as x. Composed into one place for each pixel to come from, and resampled once; bilinearly, where
    the paper has a filter of its own, so what is turned is a little softer, real and generated alike.
    """
    a_turn = 1.0 - (1.0 - strength) ** 0.5
    chosen = torch.cat((uniform[:, :3] < strength, uniform[:, 3:5] < a_turn), 1)
    larger, taller = torch.exp2(SIZE * normals(uniform[:, 5:7]) * chosen[:, :2]).unbind(1)
    first, second = (angles(uniform[:, 7:9]) * chosen[:, 3:]).unbind(1)
    offset = _places(SLIDE * normals(uniform[:, 9:11]), x) * chosen[:, 2:3]

    # from the place of a pixel back to where it came from: the last step is undone first
    down, right = _back(x, offset)
    down, right = _turned(down, right, -second.sin(), second.cos())
    down, right = down / over(taller, down), right * over(taller, right)
    down, right = _turned(down, right, -first.sin(), first.cos())
    down, right = (place / over(larger, place) for place in (down, right))
    found = places.resample(x, [place + (side - 1) / 2 for place, side in zip((down, right), x.shape[2:], strict=True)])
    return torch.where(over(chosen.any(1), x), found, x)


def _offsets(uniform: Tensor, x: Tensor) -> Tensor:
    """Whole places, each up to a share of the side either way alike often.  [B, 2] -> [B, 2]"""
    return torch.stack([evenly(uniform[:, axis], round(side * SHIFT)) for axis, side in enumerate(x.shape[2:])], 1)


def _places(shares: Tensor, x: Tensor) -> Tensor:
    """Shares of the height and the width as numbers of places.  [B, 2] -> [B, 2]"""
    return torch.stack([shares[:, axis] * side for axis, side in enumerate(x.shape[2:])], 1)


def _back(x: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Where each place was before a move, counted from the middle.  offset [B, 2] -> [B, H, 1] and [B, 1, W]"""
    down, right = centred(x)
    return down - over(offset[:, 0], down), right - over(offset[:, 1], right)


def _turned(down: Tensor, right: Tensor, sine: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
    """Places turned about the middle, from right to down where the sine is positive.  [B, ...], [B, ...], [B], [B] -> both"""
    sine, cosine = over(sine, down), over(cosine, down)
    return cosine * down + sine * right, cosine * right - sine * down


FEW = Group(("shift", "cut-out"), 6, few)
SHIFTED = Group(("shift",), 3, shift)
TRANSLATION = Group(("translation",), 3, translation)
CUTOUT = Group(("cut-out",), 3, cutout)
MIRROR = Group(("mirror",), 2, mirror)
BLIT = Group(("quarter turn", "shift"), 5, blit)
GEOMETRIC = Group(("scale", "squeeze", "slide", "turn", "second turn"), 11, geometric)
