"""The settings of a run as the loop needs them: plain numbers, and what each step's rates are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gansmith import ema, schedules
from gansmith.config import Recipe
from gansmith.engine.distribute import World
from gansmith.engine.moves import Noise, Rates
from gansmith.engine.noise import Needs, noise
from gansmith.errors import ConfigError
from gansmith.layout import Layout

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
    lr_power: float
    gamma: float
    gamma_end: float
    beta1: float
    beta2: float
    beta2_end: float
    burn_in: float
    halflife: int
    needs: Needs
    strength: float = 0.0  # of the augmentation, once it has risen
    rise: int = 0  # samples
    kept: float = 1.0  # share of the generated samples that the generator learns from at the end

    @property
    def taken(self) -> int:
        """Real samples that a step takes."""
        return self.batch * self.needs.critics

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
        taken = chosen["batch"] * recipe.game.critics
        steps = 2**62 if recipe.run.samples is None else -(-recipe.run.samples // taken)
        return cls(
            layout=layout,
            seed=recipe.run.seed,
            steps=steps,
            minutes=recipe.run.minutes,
            lr_power=recipe.optimiser.lr_power or 1.0,  # runs of 0.1.0 have none, and fall along the plain cosine
            beta1=recipe.optimiser.beta1,
            beta2=recipe.optimiser.beta2,
            beta2_end=recipe.optimiser.beta2_end,
            burn_in=recipe.run.burn_in,
            needs=Needs.of(recipe, layout),
            strength=recipe.augment.strength or 0.0,
            rise=recipe.augment.rise or 0,
            kept=recipe.game.kept,
            **chosen,
        )

    def rates(self, step: int, share: float) -> Rates:
        """The scheduled settings of a step, `share` of the run being done."""
        fall = schedules.cosine(1.0, self.lr_end, share, self.lr_power) * min(1.0, (step + 1) / RISE)
        early = schedules.within(share, self.burn_in)
        seen = step * self.taken
        halflife = min(self.halflife, self.taken + WARM * seen) if self.halflife else 0.0
        return Rates(
            gamma=schedules.log_linear(self.gamma, self.gamma_end, share),
            lr_generator=self.lr_generator * fall,
            lr_discriminator=self.lr_discriminator * fall,
            beta1=self.beta1,
            beta2=schedules.cosine(self.beta2, self.beta2_end, early),
            ema_beta=ema.ema_beta(self.taken, halflife),
            samples=self.taken,
            strength=self.strength * schedules.within(seen, self.rise),
            kept=1.0 - (1.0 - self.kept) * share,
        )

    def noise(self, step: int, world: World) -> Noise:
        """What a step draws; this process's part of it."""
        return noise(self.needs, self.layout, self.latent, self.batch, self.seed, step, world)


def _none_left(chosen: dict[str, Any]) -> None:
    left = [name for name, value in chosen.items() if value is None]
    if left:
        raise ConfigError(f"these settings are still to be chosen: {', '.join(left)}. Resolve the recipe first.")
