"""The examination of both players, some tens of times in a run: what the checks of gansmith.health look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gansmith.engine.checkpoint import Position
from gansmith.engine.loop import Tick
from gansmith.engine.moves import Objective, Rates, generate, judge_of, packed
from gansmith.engine.players import Player, Players
from gansmith.engine.watch import add_line, draw_averaged
from gansmith.health import signals
from gansmith.layout import Batch, Layout
from gansmith.metrics.gauge import coarse
from gansmith.runs import RunFolder

SOME = 64  # samples, or numbers of a latent, for what one sample tells nearly as well as many


@dataclass(frozen=True)
class Subjects:
    """What both players are examined on: the same in every examination of a run.

    train     N training samples, as the discriminator is shown them before any augmentation
    held      held-out ones; None where there are none
    latents   [N, Z] of the generated samples, which are of the conditions of `train`
    original  compares with all training samples, where they are few enough to be learned by heart
    measure   from samples to their distance from the data, as quality.jsonl has it; None where that is not a matter of samples
    labels    whether a condition is one label, as one-hot
    scale     square root of the total variance of the data: the unit of slopes and distances in sample space
    """

    layout: Layout
    train: Batch
    held: Batch | None
    latents: Tensor
    original: signals.Originality | None = None
    measure: Callable[[Tensor], float] | None = None
    labels: bool = False
    scale: float = 1.0


class Examiner:
    """Examines `count` times in a run, at the first tick after each of as many equal shares, and writes health.jsonl.

    It changes nothing that a later step depends on, so a run is bit for bit the same with and without it.
    """

    def __init__(self, run: RunFolder, count: int, subjects: Subjects, objective: Objective, start: Position) -> None:
        self.run, self.count, self.subjects, self.objective = run, count, subjects, objective
        self.exams: list[dict[str, Any]] = run.exams()
        self.seen = int(start.share * count)

    def __call__(self, tick: Tick, players: Players) -> None:
        due = int(tick.position.share * self.count)
        if due <= self.seen:
            return
        self.seen = due
        at = {"step": tick.position.step, "share": tick.position.share, "seen": tick.seen, "poisoned": len(self.run.left_out())}
        self.exams.append(at | signals.rounded(examine(players, self.subjects, self.objective, tick.rates)))
        add_line(self.run.health, self.exams[-1])


def examine(players: Players, subjects: Subjects, objective: Objective, rates: Rates) -> dict[str, Any]:
    """Everything an examination tells, by the names that docs/diagnose.md lists. What has no meaning for these data is left out."""
    condition = subjects.train.condition
    with _undisturbed(players):
        network, both = players.generator.network, (players.generator, players.discriminator)
        made = _drawn(network, subjects.latents, condition, objective)
        averaged = draw_averaged(players, subjects.latents, condition)
        found = {
            "gradients": {k: float(g.norm()) for p in both for k, g in p.gradients().items()},
            "moves": _moves(players.generator, rates.lr_generator, rates) | _moves(players.discriminator, rates.lr_discriminator, rates),
            "frozen": [name for p in both for name in p.unmoved()],
            **{f"dead_{p.name[0]}": share for p in both if (share := signals.shares_dead(list(p.gradients().values()))) is not None},
            **_judged(players, subjects, objective, made),
            **_responses(network, subjects, objective, made),
            "ema_gap": signals.distance(averaged.flatten(1), made.flatten(1)) / subjects.scale,
        }
    return {**found, **_of_samples(subjects, made.cpu(), averaged.cpu())}


@contextmanager
def _undisturbed(players: Players) -> Iterator[None]:
    """Leaves no trace in what a forward pass may change: batch statistics, the vectors of a power method, the global random state."""
    buffers = [b for p in (players.generator, players.discriminator) for b in p.network.buffers()]
    before = [b.clone() for b in buffers]
    device = players.average.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, kept in zip(buffers, before, strict=True):
                    buffer.copy_(kept)


@torch.no_grad()
def _drawn(network: nn.Module, latents: Tensor, condition: Tensor | None, objective: Objective) -> Tensor:
    """Samples of the generator as it stands, with the same noise inside it each time."""
    torch.manual_seed(0)
    with objective.autocast():
        return generate(network, latents, condition)


@torch.no_grad()
def _moves(player: Player, rate: float, rates: Rates) -> dict[str, float]:
    """Length of the last step of each parameter of two axes or more, over that of the parameter."""
    steps = player.shaped(player.optimiser.direction(rates.beta1, rates.beta2))
    return {
        f"{player.name}.{name}": rate * float(step.norm()) / max(float(parameter.norm()), signals.TINY)
        for (name, parameter), step in zip(player.named, steps, strict=True)
        if parameter.dim() > 1
    }


def _judged(players: Players, subjects: Subjects, objective: Objective, made: Tensor) -> dict[str, float]:
    """The discriminator's logits of training, held-out and generated samples; the slopes at the generated ones of its logits and of what
    the generator minimises."""
    judge, (x, c) = judge_of(players.discriminator.network, objective.weights), subjects.train

    def logits(x: Tensor, c: Tensor | None) -> Tensor:
        torch.manual_seed(0)
        whole = len(x) - len(x) % objective.pack
        with objective.autocast():
            return judge(packed(x[:whole], objective.pack), None if c is None else packed(c[:whole], objective.pack)).logits

    with torch.no_grad():
        train = logits(x, c)
        held = logits(*subjects.held) if subjects.held is not None else None
    place = made.detach().requires_grad_()
    of_made = logits(place, c)
    cost = objective.pair.generator(train, of_made)
    pull, slope = (torch.autograd.grad(v.sum(), place, retain_graph=again)[0] for v, again in ((cost, True), (of_made, False)))
    found = signals.opinion(train, held, of_made.detach())
    for name, gradient in (("pull", pull), ("slope", slope)):
        found[name] = subjects.scale * float(gradient.flatten(1).norm(dim=1).mean())
    if subjects.labels and objective.pack == 1:
        with torch.no_grad():
            for name, batch, of in (("response_d", subjects.train, train), ("response_held", subjects.held, held)):
                if batch is None or batch.condition is None or of is None:
                    continue
                other = batch.condition.roll(1, 0)
                if (differ := (batch.condition != other).any(1)).any():
                    found[name] = float((of - logits(batch.x, other))[differ].mean()) / max(found["scatter"], signals.TINY)
    return found


def _responses(network: nn.Module, subjects: Subjects, objective: Objective, made: Tensor) -> dict[str, float]:
    """How the generator answers to another condition, beside another latent, and to each number of its latent."""
    found, (z, c) = dict[str, float](), (subjects.latents, subjects.train.condition)
    if subjects.layout.given:  # which is told parts of a sample, and has one latent for all that it draws
        return found
    some = slice(min(SOME, len(z)))
    if c is not None and (differ := (c[some] != c.roll(1, 0)[some]).any(1)).any():
        of_other = _drawn(network, z[some], c.roll(1, 0)[some], objective)
        of_latent = _drawn(network, z.roll(1, 0)[some], c[some], objective)
        far = signals.distance(made[some][differ].flatten(1), of_latent[differ].flatten(1))
        found["response"] = signals.distance(made[some][differ].flatten(1), of_other[differ].flatten(1)) / max(far, signals.TINY)
    numbers = torch.linspace(0, z.shape[1] - 1, min(SOME, z.shape[1])).long().unique()
    moved = z[:1].repeat(len(numbers), 1)
    moved[torch.arange(len(numbers)), numbers] += 1.0
    batch = torch.cat((z[:1], moved))
    drawn = _drawn(network, batch, None if c is None else c[:1].expand(len(batch), -1), objective).flatten(1)
    found["dead_latents"] = signals.dead_latents(drawn[0], drawn[1:])
    return found


def _of_samples(subjects: Subjects, made: Tensor, averaged: Tensor) -> dict[str, Any]:
    """What generated samples are beside real ones, without any network."""
    layout, real, of_real = subjects.layout, subjects.train.x.cpu(), subjects.train.condition
    held = subjects.held.x.cpu() if subjects.held is not None else None
    x, y, z = coarse(real), coarse(made), coarse(held) if held is not None else None
    found: dict[str, Any] = signals.looks(real, held, made, layout)
    distances = signals.Distances.of(x, z, y)
    found |= signals.variety(distances)
    if subjects.labels and of_real is not None:
        classes = of_real.argmax(1).cpu()
        of_held = subjects.held.condition if subjects.held is not None else None
        found |= signals.by_class(distances, classes, classes, None if of_held is None else of_held.argmax(1).cpu())
    if subjects.original is not None:
        found |= subjects.original(y)
    if subjects.measure is not None:
        found |= {"off_live": subjects.measure(made), "off_average": subjects.measure(averaged)}
    return found
