"""The two moves of the game: each player's loss with a graph, and its parts. Tensors in, a scalar and a record of scalars out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize

from gansmith import losses, penalties
from gansmith.augment import Policy, apa, control
from gansmith.conditions import Kind
from gansmith.engine.optimisers import scale
from gansmith.engine.players import Players
from gansmith.layout import Batch
from gansmith.networks.devices import weights as weights_of
from gansmith.networks.entrance import styled
from gansmith.penalties import GradientPenalty

Record = dict[str, Tensor]


@dataclass(frozen=True)
class Weights:
    """What is asked of the players beside the game itself; nothing where 0."""

    lecam: float = 0.0
    consistency: float = 0.0
    path: float = 0.0
    orthogonal: float = 0.0
    classes: float = 0.0  # of an auxiliary classifier
    features: float = 0.0  # of feature matching
    likelihood: float = 0.0  # of how unlikely the generator holds what it is not told of real samples


@dataclass(frozen=True)
class Objective:
    """What is minimised: the pair of losses, the penalties, and how the arithmetic is done."""

    pair: losses.LossPair
    exact: bool
    step: float  # of the finite difference, in the unit of x
    centring: float
    autocast: Callable[[], AbstractContextManager[Any]]
    penalty: GradientPenalty = penalties.PENALTIES["r1+r2"]
    every: int = 1  # steps from one gradient penalty to the next, each then counting so many times
    weights: Weights = Weights()
    augment: Policy | None = None
    adapt: bool = False  # whether the strength of the augmentation follows the game, and that of the rates is its limit
    view: Policy | None = None  # under which a logit should stay
    apart: bool = True  # whether the discriminator judges each sample by itself; else real and fake ones must not share a batch
    pack: int = 1  # samples that the discriminator judges as one
    extra: bool = False  # whether both players move from where they are by the slope of where they would be after a move
    clip: float | None = None  # largest weight of the discriminator
    unrolled: int = 0  # steps of the discriminator that the generator looks ahead
    parts: tuple[tuple[slice, Kind], ...] = ()  # of a condition of several columns, for an auxiliary classifier

    @property
    def remembered(self) -> tuple[str, ...]:
        """Values of a step whose running mean a later step depends on."""
        used = {
            "logit_real": self.weights.lecam,
            "logit_fake": self.weights.lecam,
            "path_length": self.weights.path,
            "sureness": self.adapt,
        }
        return tuple(name for name, use in used.items() if use)


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
    samples: int = 0  # real ones that the step takes
    kept: float = 1.0  # share of the generated samples, the best ones, that the generator learns from


@dataclass(frozen=True)
class Draw:
    """What one move draws: latents [B, Z]; and where they are used, else None: uniform numbers for the augmentation [2B, K] and for the
    views of a consistency penalty [2B, K], of real and fake each; normal directions in sample space [2B, C, *P] and uniform
    numbers [B] for gradient penalties; latents [B, Z] of what is shown as real, and uniform numbers [B] that say which."""

    latent: Tensor
    chances: Tensor | None = None
    views: Tensor | None = None
    directions: Tensor | None = None
    uniform: Tensor | None = None
    pseudo: Tensor | None = None
    swap: Tensor | None = None


@dataclass(frozen=True)
class Noise:
    """What a step draws: for each move of the discriminator, and for the generator's."""

    critics: Sequence[Draw]
    generator: Draw


class Judgement(NamedTuple):
    """Of a discriminator on samples: logits [B], the features [B, E] behind them and the class logits [B, K], None where not asked for."""

    logits: Tensor
    features: Tensor | None = None
    classes: Tensor | None = None


Judge = Callable[[Tensor, Tensor | None], Judgement]


def logits_of(network: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """Logits [B] in float32, also of a network that gives [B, 1] or takes no condition."""
    found: Tensor = network(x) if condition is None else network(x, condition)
    return _as_row(found, len(x))


def _as_row(logits: Tensor, count: int) -> Tensor:
    """So many logits, [B] or [B, 1], as [B] in float32."""
    return logits.float().reshape(count, -1).squeeze(1)


def generate(network: nn.Module, latent: Tensor, condition: Tensor | None) -> Tensor:
    """Samples [B, C, *P] in float32."""
    found: Tensor = network(latent) if condition is None else network(latent, condition)
    return found.float()


def packed(x: Tensor, count: int) -> Tensor:
    """So many neighbours of a batch as one sample, their channels in a row.  [B, C, *P] -> [B/count, count·C, *P].  arXiv:1712.04086"""
    return x if count == 1 else x.reshape(len(x) // count, count * x.shape[1], *x.shape[2:])


def judge_of(network: nn.Module, weights: Weights) -> Judge:
    """How the objective asks a discriminator: for its logits alone, unless features or classes are wanted."""

    def judge(x: Tensor, condition: Tensor | None) -> Judgement:
        if not (weights.classes or weights.features):
            return Judgement(logits_of(network, x, condition))
        features: Tensor = network.features(x, condition)  # type: ignore[operator]
        logits = _as_row(network.head(features, condition), len(x))  # type: ignore[operator]
        return Judgement(logits, features, network.classes(features) if weights.classes else None)  # type: ignore[operator]

    return judge


def discriminator_move(
    players: Players, batch: Batch, draw: Draw, objective: Objective, rates: Rates, gamma: float | None = None
) -> tuple[Tensor, Record]:
    """The discriminator's loss and its parts. `gamma`: the weight of the gradient penalty in this step, where it is not that of the rates.

    The penalties are taken at the augmented samples: the game with augmentation is the same game with other data, and what is known of
    it (arXiv:1801.04406, arXiv:2501.05441) asks for a smooth discriminator where these lie. Taken before, they would ask for nothing
    within a hole and for more where a picture is mirrored.
    """
    gamma, weights, kind = rates.gamma if gamma is None else gamma, objective.weights, objective.penalty
    strength = players.memory["strength"] if objective.adapt else rates.strength
    judge = judge_of(players.discriminator.network, weights)
    with objective.autocast():
        with torch.no_grad():
            fake = generate(players.generator.network, draw.latent, batch.condition)
            shown = batch.x
            if draw.pseudo is not None and draw.swap is not None:
                pseudo = generate(players.generator.network, draw.pseudo, batch.condition)
                shown = apa.shown_as_real(shown, pseudo, draw.swap, strength)
        x, c = torch.cat((shown, fake)), None if batch.condition is None else torch.cat((batch.condition, batch.condition))
        if objective.augment and draw.chances is not None:
            x = objective.augment(x, draw.chances, strength)
        view = packed(objective.view(x, draw.views, 1.0), objective.pack) if objective.view and draw.views is not None else None
        x, c = packed(x, objective.pack), None if c is None else packed(c, objective.pack)
        found, slope = _judged_with_slope(judge, x, c, draw, objective, bool(gamma))
        real, made = found.logits.chunk(2)
        cost_real, cost_fake = objective.pair.real(real, made).mean(), objective.pair.fake(real, made).mean()
        loss = cost_real + cost_fake + objective.centring * losses.centring(real, made).mean()
        record = {"loss_d": cost_real + cost_fake, "loss_d_real": cost_real, "loss_d_fake": cost_fake}
        if slope is not None:
            for name, used, part in zip(("r1", "r2"), (kind.real, kind.fake), slope.chunk(2), strict=True):
                if used:
                    loss, record[name] = loss + gamma * kind.cost(part).mean(), part.mean()
        if gamma and kind.points is not None:
            slope = _slope_at_points(judge, kind.points, x, c, draw)
            loss, record["slope"] = loss + gamma * kind.cost(slope).mean(), slope.sqrt().mean()
        if weights.lecam:
            cost = penalties.lecam(real, made, players.memory["logit_real"], players.memory["logit_fake"]).mean()
            loss, record["lecam"] = loss + weights.lecam * cost, cost
        if view is not None:
            of_view = _in_parts(judge, view, c, 1 if objective.apart else 2).logits
            cost = 2.0 * penalties.inconsistency(found.logits, of_view).mean()  # the sum of real and fake
            loss, record["consistency"] = loss + weights.consistency * cost, cost
        if found.classes is not None and c is not None:
            cost = 2.0 * losses.class_cost(found.classes, c, objective.parts).mean()  # the sum of real and fake (arXiv:1610.09585)
            loss, record["class_cost_d"] = loss + weights.classes * cost, cost
    with torch.no_grad():
        record |= {
            "log_d_real": losses.log_d(real).mean(),
            "log_1_minus_d_fake": losses.log_one_minus_d(made).mean(),
            "logit_real": real.mean(),
            "logit_fake": made.mean(),
        }
        if objective.adapt:
            if draw.swap is not None:  # what was made to pass for real would make it look less sure than it is
                honest = packed((draw.swap >= strength).float()[:, None], objective.pack).amin(1) > 0
                if honest.any():
                    real, made = real[honest], made[honest]
            record |= {"sureness": control.sureness(real, made), "strength_now": players.memory["strength"].clone()}
    return loss, record


def generator_move(
    players: Players, batch: Batch, draw: Draw, objective: Objective, rates: Rates, judge: Judge | None = None
) -> tuple[Tensor, Record]:
    """The generator's loss and its parts. `judge`: in the place of the discriminator as it stands."""
    c, weights = batch.condition, objective.weights
    learned_through = judge is not None  # its logits of real samples depend on the generator too
    judge = judge or judge_of(players.discriminator.network, weights)
    with objective.autocast():
        style, fake = _generated(players.generator.network, draw.latent, c, weights)
        x, shown = _augmented(players, batch.x, fake, draw, objective, rates)
        x, shown, cc = packed(x, objective.pack), packed(shown, objective.pack), None if c is None else packed(c, objective.pack)
        real = Judgement(torch.zeros(len(x), device=x.device))
        if objective.pair.generator_needs_real or weights.features:
            with nullcontext() if learned_through else torch.no_grad():
                real = judge(x, cc)
        found = judge(shown, cc)
        logits = real.logits, found.logits
        if rates.kept < 1.0:  # before the cost is taken, which in some games is of the whole batch
            best = found.logits.topk(max(1, round(rates.kept * len(shown)))).indices
            logits = real.logits[best], found.logits[best]
        game = objective.pair.generator(*logits).mean()
        loss, record = game, {"loss_g": game}
        if weights.features and real.features is not None and found.features is not None:
            distance = losses.feature_distance(real.features, found.features)
            loss, record["feature_distance"] = loss + weights.features * distance, distance
        if found.classes is not None and cc is not None:
            cost = losses.class_cost(found.classes, cc, objective.parts).mean()
            loss, record["class_cost_g"] = loss + weights.classes * cost, cost
        if weights.likelihood and c is not None:
            cost = players.generator.network.surprise(batch.x, c).mean()  # type: ignore[operator]
            loss, record["surprise"] = loss + weights.likelihood * cost, cost
    if weights.path:
        assert draw.directions is not None
        free = fake.detach().abs() != 1.0  # what is clamped does not move, though a gradient passes it (networks.heads.bounded)
        lengths = penalties.path_lengths(fake, style, draw.directions * free)
        cost = (lengths - players.memory["path_length"]).square().mean()
        loss, record["path"], record["path_length"] = loss + weights.path * cost, cost, lengths.mean()
    if weights.orthogonal:
        cost = _correlation(players.generator.network)
        loss, record["orthogonal"] = loss + weights.orthogonal * cost, cost
    return loss, record


def _augmented(players: Players, x: Tensor, fake: Tensor, draw: Draw, objective: Objective, rates: Rates) -> tuple[Tensor, Tensor]:
    """Real and fake samples [B, C, *P] as the discriminator is shown them in the generator's move."""
    if objective.augment is None or draw.chances is None:
        return x, fake
    strength = players.memory["strength"] if objective.adapt else rates.strength
    of_real, of_fake = draw.chances.chunk(2)
    return objective.augment(x, of_real, strength), objective.augment(fake, of_fake, strength)


def _correlation(network: nn.Module) -> Tensor:
    """Of the weights as the layers use them, which of equalised or spectral ones are not those that are stored."""
    with parametrize.cached():  # each is looked at twice, and looking at a spectral one changes it
        return penalties.correlation([getattr(module, name) for module, name in weights_of(network)])


def _judged_with_slope(
    judge: Judge, x: Tensor, c: Tensor | None, draw: Draw, objective: Objective, wanted: bool
) -> tuple[Judgement, Tensor | None]:
    """The judgement of samples [B, ...] and, where the penalty is taken at the samples themselves, the squared slope [B] there."""
    kind, parts = objective.penalty, 1 if objective.apart else 2
    if not (wanted and (kind.real or kind.fake)):
        return _in_parts(judge, x, c, parts), None
    if objective.exact:
        x.requires_grad_()
        found = _in_parts(judge, x, c, parts)
        return found, penalties.slope_exact(x, found.logits)
    assert draw.directions is not None
    both = torch.cat((x, x + objective.step * packed(draw.directions, objective.pack)))
    twice = _in_parts(judge, both, None if c is None else torch.cat((c, c)), 2 * parts if parts > 1 else 1)
    found = Judgement(*(None if part is None else part[: len(x)] for part in twice))  # type: ignore[arg-type]
    return found, penalties.slope_finite(found.logits, twice.logits[len(x) :], objective.step)


def _in_parts(judge: Judge, x: Tensor, c: Tensor | None, parts: int) -> Judgement:
    """The judgement of samples in so many equal batches, one behind the other, each judged by itself."""
    if parts == 1:
        return judge(x, c)
    conditions = [None] * parts if c is None else c.chunk(parts)
    found = [judge(*batch) for batch in zip(x.chunk(parts), conditions, strict=True)]
    return Judgement(*(None if part[0] is None else torch.cat(part) for part in zip(*found, strict=True)))  # type: ignore[arg-type]


def _slope_at_points(
    judge: Judge, points: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor], x: Tensor, c: Tensor | None, draw: Draw
) -> Tensor:
    """The squared slope [B] at points made of the real and the fake half of samples [2B, ...]."""
    assert draw.uniform is not None
    assert draw.directions is not None
    real, fake = x.detach().chunk(2)
    uniform = draw.uniform[:: len(draw.uniform) // len(real)]  # that of the first sample of each pack, whichever process has it
    place = points(real, fake, uniform, draw.directions.reshape(-1, *real.shape[1:])[: len(real)]).requires_grad_()
    return penalties.slope_exact(place, judge(place, None if c is None else c.chunk(2)[0]).logits)


def _generated(network: nn.Module, latent: Tensor, c: Tensor | None, weights: Weights) -> tuple[Tensor, Tensor]:
    """Samples, and what the length of a path to them is measured from: its style where it has one, else the latent."""
    if not weights.path:
        return latent, generate(network, latent, c)
    if styled(network):
        style: Tensor = network.mapping(latent, c)  # type: ignore[operator]
        return style, network.synthesis(style, latent).float()  # type: ignore[operator]
    latent = latent.detach().requires_grad_()
    return latent, generate(network, latent, c)


def looking_ahead(players: Players, batch: Batch, draw: Draw, objective: Objective, rates: Rates) -> Judge:
    """The discriminator as it will have become after `objective.unrolled` steps against this generator, as a function the generator can
    learn through: it sees what its move will be answered with.  arXiv:1611.02163

    A step is that of Adam without its past, its scale of every weight taken as given, on the game's loss alone, and on one batch, augmented
    as it is in this move.
    """
    player, c = players.discriminator, batch.condition
    weights: dict[str, Tensor] = dict(player.named)
    optimiser, squares = player.optimiser, player.shaped(player.optimiser.square)
    judge = _with_weights(player.network, weights)
    with objective.autocast():
        fake = generate(players.generator.network, draw.latent, c)
        x, fake = _augmented(players, batch.x, fake, draw, objective, rates)
        x, fake, c = packed(x, objective.pack), packed(fake, objective.pack), None if c is None else packed(c, objective.pack)
        for _ in range(objective.unrolled):
            cost = objective.pair.discriminator(judge(x, c).logits, judge(fake, c).logits).mean()
            slopes = torch.autograd.grad(cost, list(weights.values()), create_graph=True, materialize_grads=True)
            steps = [scale(q, s.detach(), optimiser.count + 1, rates.beta2) * s for q, s in zip(squares, slopes, strict=True)]
            weights = {n: w - rates.lr_discriminator * s for (n, w), s in zip(weights.items(), steps, strict=True)}
            judge = _with_weights(player.network, weights)
    return judge


def _with_weights(network: nn.Module, weights: dict[str, Tensor]) -> Judge:
    """A discriminator with other weights in the place of its own."""

    def judge(x: Tensor, condition: Tensor | None) -> Judgement:
        logits: Tensor = functional_call(network, weights, (x,) if condition is None else (x, condition))
        return Judgement(_as_row(logits, len(x)))

    return judge
