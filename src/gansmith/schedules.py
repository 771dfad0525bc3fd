"""How settings move along a run. Every function takes the share of the run that is done, in [0, 1], and gives a number."""

from __future__ import annotations

import math


def cosine(start: float, end: float, share: float, power: float = 1.0) -> float:
    """From start at 0 to end at 1 along half a cosine, to a power: above 1 it comes near its end sooner. Constant outside."""
    share = min(max(share, 0.0), 1.0)
    return end + (start - end) * (0.5 * (1.0 + math.cos(math.pi * share))) ** power


def log_linear(start: float, end: float, share: float) -> float:
    """From start at 0 to end at 1 by a constant factor per unit; linear where one of them is 0."""
    share = min(max(share, 0.0), 1.0)
    if start <= 0.0 or end <= 0.0:
        return start + (end - start) * share
    return math.exp(math.log(start) + (math.log(end) - math.log(start)) * share)


def within(share: float, part: float) -> float:
    """Share of the first `part` of the run that is done: 0 at its start, 1 from its end on."""
    return 1.0 if part <= 0.0 else min(max(share / part, 0.0), 1.0)
