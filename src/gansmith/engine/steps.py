"""One step of the game: the discriminator's moves, then the generator's, then the average's. A record of scalars comes out."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gansmith import ema
from gansmith.augment import control
from gansmith.engine.moves import Noise, Objective, Rates, Record, discriminator_move, generator_move, looking_ahead
from gansmith.engine.players import Players
from gansmith.layout import Batch

Reduce = Callable[[Tensor], None]
ADAPTED = 4  # steps from one look at how sure the discriminator is to the next, each of which waits for the device (arXiv:2006.06676)


def step(players: Players, batch: Batch, noise: Noise, objective: Objective, rates: Rates, reduce: Reduce, number: int = 0) -> Record:
    """The moves of step `number`. `batch` holds as many equal parts as the discriminator has moves; `reduce` averages a tensor over all
    processes."""
    d, g = players.discriminator, players.generator
    # a penalty that is left out of most steps counts for these too when it comes
    gamma = 0.0 if number % objective.every else rates.gamma * objective.every
    record: Record = {}
    batches = parts_of(batch, len(noise.critics))
    if objective.extra:
        _look_ahead(players, batches[-1], noise, objective, rates, gamma, reduce)
    for part, draw in zip(batches, noise.critics, strict=True):
        loss, record = discriminator_move(players, part, draw, objective, rates, gamma)
        d.minimise(loss)
        if not objective.extra:
            _move_discriminator(players, objective, rates, reduce)
    ahead = looking_ahead(players, batches[-1], noise.generator, objective, rates) if objective.unrolled else None
    loss, more = generator_move(players, batches[-1], noise.generator, objective, rates, ahead)
    g.minimise(loss)
    if objective.extra:  # both slopes are of the same place
        _move_discriminator(players, objective, rates, reduce)
    reduce(g.gradient)
    record |= {"grad_d": d.gradient.norm(), **more, "grad_g": g.gradient.norm()}
    g.step(rates.lr_generator, rates.beta1, rates.beta2)
    ema.update(players.average, g.weights, rates.ema_beta)
    players.remember({name: record[name] for name in objective.remembered}, reduce)
    if objective.adapt and number % ADAPTED == ADAPTED - 1:
        strength, sure = players.memory["strength"], float(players.memory["sureness"])
        strength.fill_(control.adapt(float(strength), sure, ADAPTED * rates.samples, limit=rates.strength))
    return {k: v.detach() for k, v in record.items()}


def _move_discriminator(players: Players, objective: Objective, rates: Rates, reduce: Reduce) -> None:
    d = players.discriminator
    reduce(d.gradient)
    d.step(rates.lr_discriminator, rates.beta1, rates.beta2)
    if objective.clip is not None:
        d.weights.clamp_(-objective.clip, objective.clip)


def _look_ahead(players: Players, batch: Batch, noise: Noise, objective: Objective, rates: Rates, gamma: float, reduce: Reduce) -> None:
    """Bring both players to where a move of each would lead, from the same place; their next step is taken from where they were."""
    d, g = players.discriminator, players.generator
    d.minimise(discriminator_move(players, batch, noise.critics[-1], objective, rates, gamma)[0])
    ahead = looking_ahead(players, batch, noise.generator, objective, rates) if objective.unrolled else None
    g.minimise(generator_move(players, batch, noise.generator, objective, rates, ahead)[0])
    for player, rate in ((d, rates.lr_discriminator), (g, rates.lr_generator)):
        reduce(player.gradient)
        player.look_ahead(rate, rates.beta1, rates.beta2)


def parts_of(batch: Batch, count: int) -> list[Batch]:
    """A batch in equal parts, one for each move of the discriminator."""
    if count == 1:
        return [batch]
    conditions = batch.condition.chunk(count) if batch.condition is not None else [None] * count
    return [Batch(x, c) for x, c in zip(batch.x.chunk(count), conditions, strict=True)]
