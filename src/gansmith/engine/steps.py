"""One step of the game: the discriminator's move, then the generator's. Tensors in, a record of scalars out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gansmith import ema, losses, penalties
from gansmith.augment import plane
from gansmith.engine.players import Players
from gansmith.layout import Batch

Record = dict[str, Tensor]
Reduce = Callable[[Tensor], None]


@dataclass(frozen=True)
class Objective:
    """What is minimised: the pair of losses, the form of the penalty, and how the arithmetic is done."""

    pair: losses.LossPair
    exact: bool
    step: float  # of the finite difference, in the unit of x
    centring: float
    autocast: Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Rates:
    """The scheduled settings of one step."""

    gamma: float
    lr_generator: float
    lr_discriminator: float
    beta1: float
    beta2: float
    ema_beta: float
    strength: float = 0.0  # of the augmentation


@dataclass(frozen=True)
class Noise:
    """What a step draws: latents [B, Z] for each player's move, directions [2B, C, *P] for a finite-difference penalty (else None), and
    uniform numbers [4B, K] for the augmentation (else None): of real and fake in the discriminator's move, of real and fake in the
    generator's."""

    discriminator: Tensor
    generator: Tensor
    directions: Tensor | None = None
    chances: Tensor | None = None


def logits_of(network: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """Logits [B] in float32, also of a network that gives [B, 1] or takes no condition."""
    found: Tensor = network(x) if condition is None else network(x, condition)
    return found.float().reshape(len(x), -1).squeeze(1)


def generate(network: nn.Module, latent: Tensor, condition: Tensor | None) -> Tensor:
    """Samples [B, C, *P] in float32."""
    found: Tensor = network(latent) if condition is None else network(latent, condition)
    return found.float()


def discriminator_move(
    players: Players, batch: Batch, noise: Noise, objective: Objective, gamma: float, strength: float = 0.0
) -> tuple[Tensor, Record]:
    """The discriminator's loss (a scalar with a graph) and its parts.

    The penalties are taken at the augmented samples: the game with augmentation is the same game with other data, and what is known of
    it (arXiv:1801.04406, arXiv:2501.05441) asks for a smooth discriminator where these lie. Taken before, they would ask for nothing
    within a hole and for more where a picture is mirrored.
    """
    c = batch.condition
    with objective.autocast():
        with torch.no_grad():
            fake = generate(players.generator.network, noise.discriminator, c)
        x, cc = torch.cat((batch.x, fake)), None if c is None else torch.cat((c, c))
        if noise.chances is not None:
            x = plane.augment(x, noise.chances.chunk(2)[0], strength)
        network = players.discriminator.network
        if gamma == 0.0:
            logits, slope = logits_of(network, x, cc), torch.zeros(len(x), device=x.device)
        elif objective.exact:
            x.requires_grad_()
            logits = logits_of(network, x, cc)
            slope = penalties.slope_exact(x, logits)
        else:
            assert noise.directions is not None
            both = torch.cat((x, x + objective.step * noise.directions))
            logits, moved = logits_of(network, both, None if cc is None else torch.cat((cc, cc))).chunk(2)
            slope = penalties.slope_finite(logits, moved, objective.step)
    real, fake_logits = logits.chunk(2)
    r1, r2 = slope.chunk(2)
    game = objective.pair.discriminator(real, fake_logits).mean()
    centring = losses.centring(real, fake_logits).mean()
    loss = game + 0.5 * gamma * (r1.mean() + r2.mean()) + objective.centring * centring
    with torch.no_grad():
        record = {
            "loss_d": game,
            "log_d_real": losses.log_d(real).mean(),
            "log_1_minus_d_fake": losses.log_one_minus_d(fake_logits).mean(),
            "logit_real": real.mean(),
            "logit_fake": fake_logits.mean(),
            "r1": r1.mean(),
            "r2": r2.mean(),
        }
    return loss, record


def generator_move(players: Players, batch: Batch, noise: Noise, objective: Objective, strength: float = 0.0) -> tuple[Tensor, Record]:
    """The generator's loss (a scalar with a graph) and its parts."""
    c = batch.condition
    network = players.discriminator.network
    with objective.autocast():
        x, fake = batch.x, generate(players.generator.network, noise.generator, c)
        if noise.chances is not None:
            _, _, of_real, of_fake = noise.chances.chunk(4)
            x, fake = plane.augment(x, of_real, strength), plane.augment(fake, of_fake, strength)
        if objective.pair.generator_needs_real:
            with torch.no_grad():
                real = logits_of(network, x, c)
        else:
            real = torch.zeros(len(x), device=x.device)
        logits = logits_of(network, fake, c)
    loss = objective.pair.generator(real, logits).mean()
    return loss, {"loss_g": loss}


def step(players: Players, batch: Batch, noise: Noise, objective: Objective, rates: Rates, reduce: Reduce) -> Record:
    """One move of each player and of the average. `reduce` averages a gradient over all processes."""
    loss, record = discriminator_move(players, batch, noise, objective, rates.gamma, rates.strength)
    d, g = players.discriminator, players.generator
    d.minimise(loss)
    reduce(d.gradient)
    record["grad_d"] = d.gradient.norm()
    d.step(rates.lr_discriminator, rates.beta1, rates.beta2)

    loss, more = generator_move(players, batch, noise, objective, rates.strength)
    g.minimise(loss)
    reduce(g.gradient)
    record |= more
    record["grad_g"] = g.gradient.norm()
    g.step(rates.lr_generator, rates.beta1, rates.beta2)
    ema.update(players.average, g.weights, rates.ema_beta)
    return {k: v.detach() for k, v in record.items()}
