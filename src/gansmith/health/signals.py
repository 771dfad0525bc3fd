"""What an examination measures of samples and logits: tensors in, plain numbers out.

Letters: N real samples, M generated ones, H held-out ones, D numbers of a sample (`metrics.gauge.coarse`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gansmith.layout import Layout

NEIGHBOURS = 3  # as far as which a real sample counts as reached; at 1 the chance of a pair decides, at 10 a lost mode is bridged
FEWEST = 8  # samples of a class, on either side, of which anything is told
EDGE = 0.01  # of the range of a bounded value, which counts as its end
BEYOND = 0.1  # of the width of the real range, by which a value lies outside it
COPY = 0.25  # of the usual distance of an unseen sample to the nearest training sample, below which a generated one is a copy
SMALLEST = 8  # places along a side, below which a grid of 2 or 4 places is the picture itself
TINY = 1e-12
SAME = 1e-3  # of the usual distance between samples, up to which two are equal: a distance of equal ones is not exactly 0

Values = dict[str, float]


def wins(real: Tensor, made: Tensor) -> float:
    """Share of pairs of a real logit [N] and a generated one [M] of which the real one is the higher; equal ones count half."""
    difference = real[:, None] - made
    return float((difference > 0).float().mean() + 0.5 * (difference == 0).float().mean())


def opinion(train: Tensor, held: Tensor | None, made: Tensor) -> Values:
    """What the discriminator thinks, from its logits of training, held-out and generated samples."""
    found = {"logit_train": float(train.mean()), "logit_fake": float(made.mean()), "wins_train": wins(train, made)}
    if held is not None:
        found |= {"logit_held": float(held.mean()), "wins_held": wins(held, made)}
    return {**found, "scatter": scatter(train, held, made)}


def scatter(train: Tensor, held: Tensor | None, made: Tensor) -> float:
    """Standard deviation of all these logits."""
    return float(torch.cat([train, made] if held is None else [train, held, made]).std())


def distance(x: Tensor, y: Tensor) -> float:
    """Mean distance of samples of the same number, [N, D] both."""
    return float((x - y).norm(dim=1).mean())


@dataclass(frozen=True)
class Distances:
    """Of N real samples, M generated and H held-out ones: between all of two kinds, and between those of one kind.

    One pass over all pairs is what most of an examination of samples would cost, so everything is told from these.
    """

    real: Tensor  # [N, N]
    made: Tensor  # [M, M]
    real_made: Tensor  # [N, M]
    real_held: Tensor | None  # [N, H]

    @classmethod
    def of(cls, real: Tensor, held: Tensor | None, made: Tensor) -> Distances:
        """Of samples [N, D], [H, D] and [M, D]."""
        return cls(
            torch.cdist(real, real), torch.cdist(made, made), torch.cdist(real, made), None if held is None else torch.cdist(real, held)
        )

    def within(self, of_real: Tensor, of_made: Tensor, of_held: Tensor | None) -> Distances:
        """Those between samples that masks [N], [M] and [H] choose."""
        held = None if self.real_held is None or of_held is None else self.real_held[of_real][:, of_held]
        return Distances(self.real[of_real][:, of_real], self.made[of_made][:, of_made], self.real_made[of_real][:, of_made], held)

    @property
    def spread(self) -> float:
        """Mean distance of two generated samples over that of two real ones; near 0: collapse."""
        return float(_mean_of_pairs(self.made) / _mean_of_pairs(self.real).clamp(min=TINY))

    @property
    def closest(self) -> float:
        """Median distance of a generated sample to the nearest other, over that of real ones; 0: repeats; nan where real ones repeat."""
        real = _nth(self.real, 1).median()
        return float(_nth(self.made, 1).median() / real) if real > SAME * self.real.median() else math.nan

    @property
    def reached(self) -> Tensor:
        """Of each real sample, whether a generated one lies within the distance of its NEIGHBOURS-th nearest real one.  [N]

        The mean is the coverage of arXiv:2002.09797.
        """
        return self.real_made.amin(1) <= _nth(self.real, NEIGHBOURS)

    def beside_held(self, fewest: int) -> tuple[float, float] | None:
        """Share of real samples that generated ones reach, and that as many held-out ones reach, as a perfect generator would; None where
        there are not so many of these."""
        if self.real_held is None or self.real_held.shape[1] < fewest:
            return None
        count = min(self.real_held.shape[1], self.real_made.shape[1])
        radius = _nth(self.real, NEIGHBOURS)
        shares = [float((found[:, :count].amin(1) <= radius).float().mean()) for found in (self.real_made, self.real_held)]
        return shares[0], shares[1]


def _mean_of_pairs(found: Tensor) -> Tensor:
    return found.sum() / max(len(found) * (len(found) - 1), 1)


def _nth(found: Tensor, n: int) -> Tensor:
    """Distance of each sample to the n-th nearest other, of distances [N, N] between all."""
    others = found + torch.diag(torch.full((len(found),), torch.inf))
    return others.kthvalue(min(n, max(len(found) - 1, 1)), dim=1).values


def variety(found: Distances) -> Values:
    """How varied generated samples are beside real ones, and how much of the data they reach."""
    values = {"spread": found.spread, "closest": found.closest, "reached": float(found.reached.float().mean())}
    if (shares := found.beside_held(4 * FEWEST)) is not None:
        values["reached"], values["reached_real"] = shares
    return values


def by_class(found: Distances, of_real: Tensor, of_made: Tensor, of_held: Tensor | None) -> dict[str, dict[str, Any]]:
    """Variety within each class, and what is reached of it, where there are FEWEST samples.  of_…: classes [N], [M], [H]"""
    spread, share = dict[str, float](), dict[str, list[float]]()
    for k in of_real.unique().tolist():
        within = found.within(of_real == k, of_made == k, None if of_held is None else of_held == k)
        if min(within.real_made.shape) < FEWEST:
            continue
        spread[str(k)] = within.spread
        if (shares := within.beside_held(FEWEST)) is not None:
            share[str(k)] = list(shares)
    return {"spread_classes": spread, "reached_classes": share}


def ends(real: Tensor, made: Tensor, layout: Layout) -> Values:
    """Share of values at either end of what bounded blocks may take, generated and real.  [M, C, *P], [N, C, *P]"""
    bounded = [layout.slices()[b.name] for b in layout.blocks if b.kind == "bounded"]
    if not bounded or layout.given:
        return {}
    x, y = (torch.cat([s[:, part].flatten() for part in bounded]) for s in (real, made))
    end = 1.0 - 2.0 * EDGE
    return {
        "low": float((y <= -end).float().mean()),
        "high": float((y >= end).float().mean()),
        "low_real": float((x <= -end).float().mean()),
        "high_real": float((x >= end).float().mean()),
    }


def range_of(real: Tensor, made: Tensor) -> Values:
    """How the values of generated samples [M, C, *P] lie beside those of real ones [N, C, *P]."""
    low, high, deviation = real.min(), real.max(), float(real.std())
    room = BEYOND * (high - low)
    gap = (made.transpose(0, 1).flatten(1).mean(1) - real.transpose(0, 1).flatten(1).mean(1)).abs().max()
    return {
        "beyond": float(((made < low - room) | (made > high + room)).float().mean()),
        "mean_gap": float(gap) / max(deviation, TINY),
        "deviation": float(made.std()) / max(deviation, TINY),
    }


def border_gap(real: Tensor, made: Tensor) -> float:
    """Difference of the mean of the outermost places of planes [N, C, H, W], generated and real, in standard deviations of the real."""

    def border(x: Tensor) -> Tensor:
        return torch.cat([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], dim=-1).mean()

    return float((border(made) - border(real)).abs() / real.std().clamp(min=TINY))


def weave(real: Tensor, made: Tensor) -> float:
    """The worst excess of the power spectrum of planes [M, C, H, W] over that of real ones [N, C, H, W], at the frequencies of a grid of 2
    or 4 places, over its own neighbourhood. 1: none."""

    def power(x: Tensor) -> Tensor:
        grey = x.double().mean(1)
        return torch.fft.fft2(grey - grey.mean(0)).abs().square().mean(0)

    of_real = power(real)
    ratio = power(made) / (of_real + 1e-9 * of_real.max()).clamp(min=TINY)
    height, width = ratio.shape
    peaks = []
    for a, b in ((a, b) for a in (0, height // 4, height // 2) for b in (0, width // 4, width // 2) if a or b):
        rows, columns = torch.arange(a - 2, a + 3) % height, torch.arange(b - 2, b + 3) % width
        peaks.append(float(ratio[a, b] / ratio[rows[:, None], columns].median().clamp(min=TINY)))
    return max(peaks)


def looks(real: Tensor, held: Tensor | None, made: Tensor, layout: Layout) -> Values:
    """Range, ends, border and weave of generated samples beside real ones, [M, C, *P] and [N, C, *P]."""
    found = range_of(real, made) | ends(real, made, layout)
    if layout.geometry == "plane":
        found["border_gap"] = border_gap(real, made)
        if min(layout.positions) >= SMALLEST:
            found["weave"] = weave(real, made)
            if held is not None and len(held) >= FEWEST:
                found["weave_real"] = weave(real, held)
    return found


class Originality:
    """How near generated samples [M, D] lie to all training samples [T, D], beside what unseen ones [H, D] do.

    A generator that learned by heart has a nearest_train near 0 and a nearest_held near 1; one that blurs has both below 1. Nothing is told
    where most unseen samples are equal to training ones: so are then those of a perfect generator.
    """

    def __init__(self, train: Tensor, unseen: Tensor) -> None:
        self.train, self.unseen = train, unseen
        between = torch.cdist(unseen, train)
        self.of_unseen = between.amin(1)
        self.usual, self.back = self.of_unseen.median(), between.amin(0).median()
        self.least = SAME * between.median()

    def __call__(self, made: Tensor) -> Values:
        if not min(self.usual, self.back) > self.least:
            return {}
        of_made = torch.cdist(made, self.train).amin(1)
        return {
            "nearest_train": float(of_made.median() / self.usual),
            "nearest_held": float(torch.cdist(made, self.unseen).amin(1).median() / self.back),
            "copies": float((of_made < COPY * self.usual).float().mean()),
            "copies_real": float((self.of_unseen < COPY * self.usual).float().mean()),
        }


def dead_latents(base: Tensor, moved: Tensor) -> float:
    """Share of a latent's numbers whose change moves the sample [D] hardly: to [L, D], less than a hundredth of what the largest does."""
    response = (moved - base).norm(dim=1)
    return float((response <= 0.01 * response.max()).float().mean())


def shares_dead(gradients: Sequence[Tensor]) -> float | None:
    """Share of units, rows of weights of two or more axes, whose gradient is exactly 0; None where there are none."""
    rows = [g.flatten(1).abs().amax(1) == 0 for g in gradients if g.dim() > 1]
    return float(torch.cat(rows).float().mean()) if rows else None


def rounded(values: Mapping[str, object]) -> dict[str, object]:
    """Finite numbers to six digits, which is more than any of them means; what is not finite is left out."""
    return dict(_rounded(values))


def _rounded(values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, float):
            if math.isfinite(value):
                yield name, float(f"{value:.6g}")
        elif isinstance(value, Mapping):
            yield name, dict(_rounded(value))
        else:
            yield name, [float(f"{v:.6g}") for v in value] if isinstance(value, list) and value and isinstance(value[0], float) else value
