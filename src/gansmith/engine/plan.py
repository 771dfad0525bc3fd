"""The settings of a run as the loop needs them: plain numbers, and what each step's rates and noise are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gansmith import ema, schedules
from gansmith.augment import plane
from gansmith.config import Recipe
from gansmith.engine.distribute import World
from gansmith.engine.steps import Noise, Rates
from gansmith.errors import ConfigError
from gansmith.layout import Layout
from gansmith.randomness import stream

RISE = 100  # steps in which the rates rise from nothing: Adam's first steps are as long as any, and go anywhere
WARM = 0.05  # the average looks back at most at this share of what has been seen, so early samples are not those of the first step


@dataclass(frozen=True)
class Plan:
    """Every number of a resolved recipe that the engine uses."""

    layout: Layout
    seed: int
    batch: int
    steps: int  # the last step of a run bounded by samples; of one bounded by time, more than it can reach
    minutes: float | None
    tick: int
    latent: int
    lr_generator: float
    lr_discriminator: float
    lr_end: float
    gamma: float
    gamma_end: float
    beta1: float
    beta2: float
    beta2_end: float
    burn_in: float
    halflife: int
    finite: bool
    strength: float = 0.0  # of the augmentation, once it has risen
    rise: int = 0  # samples

    @classmethod
    def of(cls, recipe: Recipe, layout: Layout) -> Plan:
        """The plan of a recipe in which nothing is left to choose."""
        chosen: dict[str, Any] = {
            "batch": recipe.run.batch,
            "tick": recipe.run.tick,
            "latent": recipe.network.latent,
            "lr_generator": recipe.optimiser.lr_generator,
            "lr_discriminator": recipe.optimiser.lr_discriminator,
            "lr_end": recipe.optimiser.lr_end,
            "gamma": recipe.penalty.gamma,
            "gamma_end": recipe.penalty.gamma_end,
            "halflife": recipe.average.halflife,
        }
        _none_left(chosen)
        if recipe.run.samples is None and recipe.run.minutes is None:
            raise ConfigError("a run needs an end: set run.samples or run.minutes.")
        steps = 2**62 if recipe.run.samples is None else -(-recipe.run.samples // chosen["batch"])
        return cls(
            layout=layout,
            seed=recipe.run.seed,
            steps=steps,
            minutes=recipe.run.minutes,
            beta1=recipe.optimiser.beta1,
            beta2=recipe.optimiser.beta2,
            beta2_end=recipe.optimiser.beta2_end,
            burn_in=recipe.run.burn_in,
            finite=recipe.penalty.form == "finite",
            strength=recipe.augment.strength or 0.0,
            rise=recipe.augment.rise or 0,
            **chosen,
        )

    def rates(self, step: int, share: float) -> Rates:
        """The scheduled settings of a step, `share` of the run being done."""
        fall = schedules.cosine(1.0, self.lr_end, share) * min(1.0, (step + 1) / RISE)
        early = schedules.within(share, self.burn_in)
        halflife = min(self.halflife, self.batch + WARM * step * self.batch) if self.halflife else 0.0
        return Rates(
            gamma=schedules.log_linear(self.gamma, self.gamma_end, share),
            lr_generator=self.lr_generator * fall,
            lr_discriminator=self.lr_discriminator * fall,
            beta1=self.beta1,
            beta2=schedules.cosine(self.beta2, self.beta2_end, early),
            ema_beta=ema.ema_beta(self.batch, halflife),
            strength=self.strength * schedules.within(step * self.batch, self.rise),
        )

    def noise(self, step: int, world: World) -> Noise:
        """What a step draws, from its position alone; this process's part of it."""
        device = torch.device(world.device)
        source = stream(self.seed, "noise", step, device)
        latents = torch.randn(2 * self.batch, self.latent, generator=source, device=device)
        directions: Tensor | None = None
        if self.finite:
            whole = torch.randn(2 * self.batch, *self.layout.shape, generator=source, device=device)
            directions = world.part(whole, groups=2)
        chances: Tensor | None = None
        if self.strength:
            source = stream(self.seed, "augment", step, device)
            chances = world.part(torch.rand(4 * self.batch, plane.NUMBERS, generator=source, device=device), groups=4)
        first, second = world.part(latents, groups=2).chunk(2)
        return Noise(first, second, directions, chances)


def _none_left(chosen: dict[str, Any]) -> None:
    left = [name for name, value in chosen.items() if value is None]
    if left:
        raise ConfigError(f"these settings are still to be chosen: {', '.join(left)}. Resolve the recipe first.")
