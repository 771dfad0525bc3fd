"""From uniform random numbers to what a transformation is done with: whole steps, normal numbers, angles.

Letters: B samples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Strength = float | Tensor  # a probability; a tensor of one number where it lives on the device


def over(values: Tensor, x: Tensor) -> Tensor:
    """A value of each sample, shaped to go with x.  [B], x [B, ...] -> [B, 1, ...]"""
    return values.view(-1, *(1 for _ in x.shape[1:]))


def evenly(uniform: Tensor, furthest: int) -> Tensor:
    """Whole numbers from -furthest to furthest, each as likely as any.  [B] in [0, 1) -> [B]"""
    return (uniform * (2 * furthest + 1)).long().clamp(max=2 * furthest) - furthest


def near(uniform: Tensor, furthest: int) -> Tensor:
    """Whole numbers from -furthest to furthest, the nearer to 0 the likelier: the difference of two even ones.  [B, 2] in [0, 1) -> [B]

    Its characteristic function is a square, so it hides no frequency: of what the shifts of a sample are distributed like, a share of at
    least 1 - p is left where samples are shifted with probability p. With all shifts alike likely, some frequency is wiped out where p
    is between 0.75 (furthest = 1) and 0.82.
    """
    first, second = (uniform * (furthest + 1)).long().clamp(max=furthest).unbind(1)
    return first - second


def normals(uniform: Tensor) -> Tensor:
    """Two independent standard normal numbers from two uniform ones, after Box and Muller (1958).  [B, 2] in [0, 1) -> [B, 2]"""
    radius = (-2.0 * torch.log1p(-uniform[:, 0])).sqrt()
    direction = 2.0 * math.pi * uniform[:, 1]
    return torch.stack((radius * direction.cos(), radius * direction.sin()), 1)


def angles(uniform: Tensor) -> Tensor:
    """Any angle as likely as any, in radians from -pi to pi.  [...] in [0, 1) -> [...]"""
    return (2.0 * uniform - 1.0) * math.pi
