"""How strong the augmentation should be: so strong that a discriminator does not learn its samples by heart (arXiv:2006.06676, section 3).

Two measures of that, 0 where nothing is learned by heart and 1 where everything is, and the step that follows from either. Both are taken
from logits of augmented samples, as the players see them, and neither changes when a constant is added to all logits: a relativistic game
leaves that constant free, so the sign of a logit, which is what the paper looks at, says nothing there.
"""

from __future__ import annotations

import torch
from torch import Tensor

TARGET = 0.6  # of the measure
LENGTH = 500_000  # samples in which the strength could rise from 0 to 1
LIMIT = 0.8  # of the strength; above, a transformation may show in what is generated


def sureness(real: Tensor, fake: Tensor) -> Tensor:
    """How sure a discriminator is of the real samples it was trained on, r_t.  [B], [B] -> a number in [-1, 1]

    The paper has E[sign D(x)] over real x: above a logit of 0 a sample is called real. A game on differences of logits finds
    log p(x) - log q(x) + c, of the densities p of real and q of generated samples, with any c. So 0 is taken here to lie at the median of
    all logits, real and fake: the threshold that calls half of all samples real, and so errs as often on real as on fake. The measure,
    half the mean sign of real logits less half that of fake ones, is then 1 - 2e, where e is the share of errors: 0 where real and fake
    logits are alike, 1 where all real ones lie above all fake ones, whatever increasing function the logits are put through. Where
    the paper's discriminator errs as often on real samples as on fake ones, the two are one number, so a target means here what
    it means there: 0.6 is one sample in five misjudged.

    It also rises where the generator is merely bad. `overfitting` does not, and is to be preferred where there are held-out samples.
    """
    ordered = torch.cat((real, fake)).sort().values
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return ((real - middle).sign().mean() - (fake - middle).sign().mean()) / 2


def overfitting(train: float, held_out: float, fake: float) -> float:
    """Share of the way from training samples to generated ones that a discriminator puts held-out samples, r_v.  Mean logits -> [0, 1]

    (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(fake)]), arXiv:2006.06676, equation 1: 0 where held-out samples are to it what
    training samples are, 1 where they are no better than generated ones. A ratio of differences: neither a constant added to the
    logits nor a factor changes it. Where training samples are put no higher than generated ones, it has learned none by heart: 0.
    """
    if train <= fake:
        return 0.0
    return min(max((train - held_out) / (train - fake), 0.0), 1.0)


def adapt(strength: float, measure: float, samples: int, *, target: float = TARGET, length: int = LENGTH, limit: float = LIMIT) -> float:
    """The strength after so many more samples seen: up by samples/length where the measure is above its target, down where it is below.

    It stays within [0, limit], and where it is when the measure is on target.  arXiv:2006.06676, section 3
    """
    up = (measure > target) - (measure < target)
    return min(max(strength + up * samples / length, 0.0), limit)
