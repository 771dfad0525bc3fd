"""The pair for rows of choices: a generator that is told any of them and makes the others, and a discriminator of what it was asked for.

A row is made choice by choice, in an order of its own for each row: so each is drawn from what the generator holds likely given those
before it, exactly, and no relaxation is left in a sample. In training all choices that are not told are made in one pass.

Where the discriminator sees a whole row whose choices were made in one pass, it sees above all that they were: so it is shown what was
told and the one choice that was asked for.

Letters: B samples, C channels, n choices, W units.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith import given
from gansmith.layout import Layout
from gansmith.networks.heads import Discriminator, Projection, init

DEPTH = 3  # residual blocks of either network
LEAST = 1e-6  # distance of a chance from 0 and 1
TEMPERATURE = 0.5  # of the relaxed choice that the gradient passes through

Open = Callable[[Tensor, Tensor], Tensor]  # of rows so far [B, C] and which choices they hold [B, n]: what may still be chosen [B, C]


def latents(layout: Layout) -> int:
    """Numbers of a latent: one for each channel, which settles what is chosen, and one for each choice, which settles the order."""
    return layout.channels + len(given.choices(layout))


class Residual(nn.Module):
    """h + last(silu(first(norm(h)))), the last layer zero at the start.  [B, W] -> [B, W]"""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.first, self.last = init(nn.Linear(width, 2 * width)), init(nn.Linear(2 * width, width))
        nn.init.zeros_(self.last.weight)

    def forward(self, h: Tensor) -> Tensor:
        return h + self.last(F.silu(self.first(self.norm(h))))


class RowGenerator(nn.Module):
    """Latent [B, C + n] and what is told [B, C + 2 n] -> x [B, C].

    In train mode all choices that are not told are made at once, as one-hots through which the gradient of relaxed ones passes
    (arXiv:1611.01144). In eval mode they are made one after the other. What is told stays as it is. A bounded block that is not told is
    uniform: it stands for a place within what was chosen.
    """

    owner: Tensor
    chosen: Tensor

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        places = given.choices(layout)
        self.count, self.channels = len(places), layout.channels
        self.register_buffer("owner", given.owners(layout), persistent=False)
        chosen = torch.zeros(layout.channels, dtype=torch.bool)
        for where, _ in places:
            chosen[where] = True
        self.register_buffer("chosen", chosen, persistent=False)
        self.parts = [where for where, _ in places]
        nexts = [part.start for part in self.parts[1:]] + [layout.channels]
        self.rests = [slice(part.stop, end) for part, end in zip(self.parts, nexts, strict=True)]  # what belongs to each
        self.start = init(nn.Linear(layout.channels + self.count, width), gain=1.0)
        self.blocks = nn.Sequential(*(Residual(width, norm=True) for _ in range(DEPTH)), nn.LayerNorm(width))
        self.finish = init(nn.Linear(width, layout.channels), gain=0.0)
        with torch.no_grad():
            for where, block in places:
                if block.shares:  # nothing learned yet, every choice is as likely as it is in the data, and none impossible
                    self.finish.bias[where] = torch.tensor(block.shares).clamp(min=LEAST).log()

    def logits(self, x: Tensor, mask: Tensor) -> Tensor:
        """What is likely given the choices of x [B, C] in the mask [B, n]: log odds [B, C] within each choice, up to a constant."""
        found: Tensor = self.finish(self.blocks(self._shown(x, mask)))
        return found.float()

    def _shown(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the first layer makes of the choices of x [B, C] in the mask [B, n].  [B, W]"""
        found: Tensor = self.start(torch.cat((x * self.chosen, mask), 1))
        return found

    def surprise(self, x: Tensor, condition: Tensor) -> Tensor:
        """How unlikely the choices of x [B, C] that are not told are held, given those that are: the mean of -log p over them, in nats.
        [B]"""
        told, mask, _ = given.split(condition, self.count)
        logits = self.logits(told, mask)
        costs = torch.stack([-(logits[:, part].log_softmax(1) * x[:, part]).sum(1) for part in self.parts], 1)  # [B, n]
        hidden = 1 - mask
        return (costs * hidden).sum(1) / hidden.sum(1).clamp(min=1)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        if not self.training:
            return self.draw(latent, condition)
        told, mask, _ = given.split(condition, self.count)
        noise, _ = self._noise(latent)
        logits = self.logits(told, mask)
        made = [logits.new_zeros(0)] * self.count
        for i, part in enumerate(self.parts):
            likely = logits[:, part] + noise[:, part]
            soft = (likely / TEMPERATURE).softmax(1)
            made[i] = F.one_hot(likely.argmax(1), soft.shape[1]) + (soft - soft.detach())  # which is 0: the choice stays whole
        x = torch.where(self.chosen, self._spread(made), noise)
        return torch.where(mask[:, self.owner] > 0, told, x)

    @torch.no_grad()
    def draw(self, latent: Tensor, condition: Tensor, open: Open | None = None) -> Tensor:
        """Rows [B, C] made choice by choice, without a gradient. `open` tells before each which choices there still are; it leaves at
        least one of each."""
        x, mask, _ = given.split(condition, self.count)
        x, mask = x.clone(), mask.clone()
        noise, order = self._noise(latent)
        order = order.masked_fill(mask > 0, -torch.inf).argsort(1)  # what is told comes first, and is passed over
        h, weights = self._shown(x, mask).float(), self.start.weight.T.contiguous()
        for step in range(int(mask.sum(1).min()), self.count):
            now = order[:, step : step + 1]
            left = None if open is None else open(x, mask)
            ready = self.blocks(h)
            asked = torch.where(mask.gather(1, now) > 0, self.count, now).flatten()
            together = asked.argsort().split(asked.bincount(minlength=self.count + 1).tolist())
            # rows that are asked for the same: only its outputs are computed, and what the first layer learns of it is added
            for choice, rows in enumerate(together[: self.count]):
                if not len(rows):
                    continue
                part, rest = self.parts[choice], self.rests[choice]
                likely = F.linear(ready[rows], self.finish.weight[part], self.finish.bias[part]).float() + noise[rows, part]
                if left is not None:
                    likely = likely.masked_fill(~left[rows, part], -torch.inf)
                made = part.start + likely.argmax(1)
                x[rows, made] = 1.0
                x[rows, rest] = noise[rows, rest]
                h[rows] += weights[made] + weights[self.channels + choice]
            mask.scatter_(1, now, 1.0)
        return x

    def _noise(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Gumbel noise for choices and uniform numbers in [-1, 1] for the rest [B, C], and what orders the choices [B, n], of
        latents [B, C + n]."""
        chance = torch.special.ndtr(latent[:, : self.channels].float()).clamp(LEAST, 1 - LEAST)
        return torch.where(self.chosen, -(-chance.log()).log(), 2 * chance - 1), latent[:, self.channels :]

    def _spread(self, made: list[Tensor]) -> Tensor:
        """Choices [B, …] each in its place of a row [B, C]."""
        x = made[0].new_zeros(len(made[0]), self.channels)
        x[:, self.chosen] = torch.cat(made, 1)
        return x


class RowDiscriminator(Discriminator):
    """x [B, C] and what its generator was told [B, C + 2 n] -> logits [B], of the choice that was asked for beside those that were told."""

    owner: Tensor
    chosen: Tensor

    def __init__(self, layout: Layout, width: int) -> None:
        super().__init__()
        places = given.choices(layout)
        self.count = len(places)
        self.register_buffer("owner", given.owners(layout), persistent=False)
        chosen = torch.zeros(layout.channels)
        for where, _ in places:
            chosen[where] = 1.0
        self.register_buffer("chosen", chosen, persistent=False)
        self.start = init(nn.Linear(layout.channels + 2 * self.count, width), gain=1.0)
        self.blocks = nn.Sequential(*(Residual(width, norm=False) for _ in range(DEPTH)))
        self.logit = Projection(width, 0)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        assert condition is not None
        _, mask, asked = given.split(condition, self.count)
        seen = x * (mask + asked)[:, self.owner] * self.chosen
        h: Tensor = self.blocks(self.start(torch.cat((seen, mask, asked), 1)))
        return F.silu(h).float()
