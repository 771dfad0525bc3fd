"""What the steps of a game draw, from the position alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from gansmith import augment, penalties
from gansmith.augment import Policy
from gansmith.config import Recipe
from gansmith.engine.distribute import World
from gansmith.engine.moves import Draw, Noise
from gansmith.layout import Layout
from gansmith.randomness import stream


@dataclass(frozen=True)
class Needs:
    """What has to be drawn beside the latents."""

    critics: int = 1  # moves of the discriminator for one of the generator
    directions: bool = False  # in sample space, for a gradient penalty
    points: bool = False  # places between two samples, for the same
    chances: int = 0  # uniform numbers that the augmentation of a sample takes
    views: int = 0  # … and a view of it, for a consistency penalty
    path: bool = False  # directions in sample space, for the generator's path length
    pseudo: bool = False  # latents of generated samples that are shown as real

    @classmethod
    def of(cls, recipe: Recipe, layout: Layout) -> Self:
        """The needs of a recipe."""
        points = penalties.PENALTIES[recipe.penalty.name].points is not None
        return cls(
            critics=recipe.game.critics,
            directions=points or recipe.penalty.form == "finite",
            points=points,
            chances=augmentation.numbers if (augmentation := augmentation_of(recipe, layout)) else 0,
            views=view.numbers if (view := view_of(recipe, layout)) else 0,
            path=recipe.penalty.path > 0,
            pseudo=bool(recipe.augment.strength) and recipe.augment.pseudo,
        )


def augmentation_of(recipe: Recipe, layout: Layout) -> Policy | None:
    """The augmentation inside the game, where the recipe has one. ConfigError where it does not suit the data."""
    return augment.policy(recipe.augment.policy, layout.geometry) if recipe.augment.strength and recipe.augment.policy != "none" else None


def view_of(recipe: Recipe, layout: Layout) -> Policy | None:
    """The change under which a logit should stay, where the recipe asks for it."""
    return augment.policy("consistency", layout.geometry) if recipe.penalty.consistency else None


def noise(needs: Needs, layout: Layout, latent: int, batch: int, seed: int, step: int, world: World) -> Noise:
    """What step `step` draws for batches of `batch` samples a move; this process's part of it."""

    def normal(source: torch.Generator, groups: int, shape: tuple[int, ...]) -> Tensor:
        return world.part(torch.randn(groups * batch, *shape, generator=source, device=source.device), groups)

    def uniform(purpose: str, groups: int, numbers: int) -> Tensor:
        source = stream(seed, purpose, step, world.device)
        return world.part(torch.rand(groups * batch, numbers, generator=source, device=source.device), groups)

    critics, moves = needs.critics, needs.critics + 1
    source = stream(seed, "noise", step, world.device)
    latents = normal(source, moves, (latent,)).chunk(moves)
    directions = normal(source, 2 * critics, layout.shape).chunk(critics) if needs.directions else None
    places = uniform("penalty", critics, 1).flatten().chunk(critics) if needs.points else None
    chances = uniform("augment", 2 * moves, needs.chances).chunk(moves) if needs.chances else None
    views = uniform("views", 2 * critics, needs.views).chunk(critics) if needs.views else None
    path = normal(stream(seed, "path", step, world.device), 1, layout.shape) if needs.path else None

    def of(parts: Sequence[Tensor] | None, move: int) -> Tensor | None:
        return None if parts is None else parts[move]

    pseudo = normal(stream(seed, "pseudo", step, world.device), critics, (latent,)).chunk(critics) if needs.pseudo else None
    swap = uniform("swap", critics, 1).flatten().chunk(critics) if needs.pseudo else None
    drawn = [
        Draw(latents[i], of(chances, i), of(views, i), of(directions, i), of(places, i), of(pseudo, i), of(swap, i)) for i in range(critics)
    ]
    return Noise(drawn, Draw(latents[-1], of(chances, -1), directions=path))
