"""Lines: moved in time, cut out, stretched, reversed.

Letters: B samples, C channels, T positions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gansmith.augment import places
from gansmith.augment.draws import Strength, near, normals, over
from gansmith.augment.group import Group
from gansmith.augment.places import SHIFT, centred

STRETCH = 0.2  # standard deviation of the power of 2 that a line is stretched by
SLIDE = 1 / 8  # standard deviation of a move, as a share of the length


def shift(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Moved by whole places, up to an eighth of the length either way, with probability `strength`, and filled up with the mirror image.

    x [B, C, T], uniform [B, 3] -> as x
    """
    offset = (uniform[:, 0] < strength) * near(uniform[:, 1:3], round(x.shape[2] * SHIFT))
    return places.move(x, offset.unsqueeze(1))


def cut_out(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """A stretch of half the length cut out, with probability `strength`.  x [B, C, T], uniform [B, 2] -> as x"""
    return places.cut_out(x, uniform[:, 1:], uniform[:, 0] < strength)


def reflect(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """The end made the beginning, and up made down, each in half of the samples that are chosen for it, with probability `strength`.

    x [B, C, T], uniform [B, 4] -> as x
    """
    back, down = ((uniform[:, :2] < strength) & (uniform[:, 2:] < 0.5)).unbind(1)
    x = torch.where(over(back, x), x.flip(-1), x)
    return torch.where(over(down, x), -x, x)


def geometric(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Stretched about the middle and moved by parts of a place, each with probability `strength`, and resampled once.

    x [B, C, T], uniform [B, 4] -> as x. The general geometric transformations of arXiv:2006.06676 that a line has.
    """
    chosen = uniform[:, :2] < strength
    stretch, move = (normals(uniform[:, 2:4]) * chosen).unbind(1)
    (place,) = centred(x)
    place = (place - over(SLIDE * x.shape[2] * move, place)) / over(torch.exp2(STRETCH * stretch), place)
    return torch.where(over(chosen.any(1), x), places.resample(x, [place + (x.shape[2] - 1) / 2]), x)


SHIFTED = Group(("shift",), 3, shift)
CUT_OUT = Group(("cut-out",), 2, cut_out)
REFLECTED = Group(("reversal", "sign"), 4, reflect)
GEOMETRIC = Group(("stretch", "slide"), 4, geometric)
