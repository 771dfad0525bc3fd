"""Adaptive pseudo augmentation: a discriminator is now and then told that a generated sample is real, so that it cannot be too sure of
the few that are (arXiv:2111.06849).

Its probability p is led as the strength of an augmentation is, by `control.adapt` from `control.sureness`: the paper's lambda_r is r_t,
its target 0.6 and its length 500,000 samples. What is shown as real is then a mixture of real samples and a share p of generated ones;
it equals the generated ones in distribution just where the real ones do, for any p < 1, so the game ends where it would without.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gansmith.augment.draws import Strength, over


def shown_as_real(real: Tensor, pseudo: Tensor, uniform: Tensor, p: Strength) -> Tensor:
    """The real samples, each replaced with probability p by the generated one in its row; a p of 0 changes no bit.

    real, pseudo [B, C, *P], uniform [B] in [0, 1) -> [B, C, *P]. For the discriminator's move alone. `pseudo` comes from latents of its
    own, under the conditions of the real ones: a loss that compares a pair learns nothing from a sample beside itself.
    """
    return torch.where(over(uniform < p, real), pseudo, real)
