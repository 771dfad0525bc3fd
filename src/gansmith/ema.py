"""Exponential moving average of weights, its half-life counted in samples so that it survives a change of batch."""

from __future__ import annotations

import torch
from torch import Tensor


def ema_beta(samples_per_step: int, halflife: float) -> float:
    """Weight kept each step so that half the past is forgotten every `halflife` samples: 2 ** -(samples_per_step / halflife).

    0 where halflife is 0: then the average is the live weights.
    """
    return 0.5 ** (samples_per_step / halflife) if halflife > 0 else 0.0


@torch.no_grad()
def update(average: Tensor, live: Tensor, beta: float) -> None:
    """average <- beta · average + (1 - beta) · live, in place."""
    average.lerp_(live, 1.0 - beta)
