"""Rows: columns cut out, scaled, turned, shifted. A row has no places to be moved along, and its columns have no order to be kept.

Letters: B samples, C columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.augment.draws import Strength, angles, normals, over
from gansmith.augment.group import Group

SCALE = 0.2  # standard deviation of the power of 2 that a row is multiplied with
LITTLE = 0.1  # … where the row should hardly change
STEP = 0.2  # standard deviation of what is added to a column, in the unit of the encoded values


def cut_out(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Half of the columns set to zero, the middle of the encoded values, with probability `strength`: neighbours, counted round, of which
    none are more likely than others.  x [B, C], uniform [B, 2] -> as x

    To judge by half of what a row says is what masked and corrupted columns ask of a network elsewhere (arXiv:2006.13095,
    arXiv:2106.15147). Neighbours, for the columns of one block stand together. Noise on every column, the other usual choice, would do
    again what the gradient penalties do already: to second order they are the same (arXiv:1705.09367).
    """
    columns = x.shape[1]
    first = (uniform[:, 1:] * columns).long()
    hole = (torch.arange(columns, device=x.device) - first).remainder(columns) < columns // 2
    return x.masked_fill(hole & (uniform[:, :1] < strength), 0.0)


def affine(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Scaled about zero, turned by any angle in the plane of two neighbouring columns, and shifted along one, each with probability
    `strength`: what the general geometric transformations of arXiv:2006.06676 are to points.

    x [B, C], uniform [B, 8] -> as x. A single column is not turned.
    """
    columns = x.shape[1]
    chosen = uniform[:, :3] < strength
    scale, step = (normals(uniform[:, 3:5]) * chosen[:, ::2]).unbind(1)  # not of the turn
    angle = angles(uniform[:, 5]) * chosen[:, 1]
    turned, shifted = (uniform[:, 6:8] * columns).long().clamp(max=columns - 1).unbind(1)
    found = x * over(torch.exp2(SCALE * scale), x)
    if columns > 1:
        found = _turn(found, turned, angle)
    found = found + over(STEP * step, x) * F.one_hot(shifted, columns)
    return torch.where(over(chosen.any(1), x), found, x)


def scale(x: Tensor, uniform: Tensor, strength: Strength) -> Tensor:
    """Multiplied with a factor near 1, with probability `strength`.  x [B, C], uniform [B, 3] -> as x"""
    power = normals(uniform[:, 1:3])[:, 0] * (uniform[:, 0] < strength)
    return x * over(torch.exp2(LITTLE * power), x)


def _turn(x: Tensor, column: Tensor, angle: Tensor) -> Tensor:
    """Rows turned in the plane of a column and the next one, counted round.  x [B, C], column [B], angle [B] -> [B, C]"""
    pair = torch.stack((column, (column + 1) % x.shape[1]), 1)
    a, b = x.gather(1, pair).unbind(1)
    cos, sin = angle.cos(), angle.sin()
    return x.scatter(1, pair, torch.stack((cos * a - sin * b, sin * a + cos * b), 1).to(x.dtype))


CUT_OUT = Group(("cut-out",), 2, cut_out)
AFFINE = Group(("scale", "turn", "shift"), 8, affine)
SCALED = Group(("scale",), 3, scale)
