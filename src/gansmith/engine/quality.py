"""How good the averaged generator is through a run, cheaply: the best is kept, and a run that is clearly over can be ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from gansmith.engine import checkpoint
from gansmith.engine.checkpoint import Position
from gansmith.engine.loop import Tick
from gansmith.engine.moves import generate
from gansmith.engine.players import Players
from gansmith.engine.watch import add_line
from gansmith.errors import RunError
from gansmith.runs import RunFolder, read_tensors, write_tensors

PIECE = 256  # samples drawn at a time
PATIENCE = 5  # looks in a row that must be beyond what a run is lost at


@dataclass(frozen=True)
class Standard:
    """How a generator is measured while it learns; lower is better.

    measure   from the averaged generator to its distance from the data; it must see what is missing as well as what is wrong
    better    share of the last distance that an earlier generator must come below to be taken in its place
    lost      times the best distance: a run that stays beyond is lost
    """

    measure: Callable[[nn.Module], float]
    better: float = 0.8
    lost: float = 4.0


def by_samples(latents: Tensor, condition: Tensor | None, measure: Callable[[Tensor], float]) -> Standard:
    """By samples of these latents [N, Z] and conditions [N, K]; `measure`: from samples [N, C, *P] to their distance from the data, 0 where
    perfect and about 1 of a single repeated sample."""

    def distance(network: nn.Module) -> float:
        pieces = [
            generate(network, z, None if condition is None else condition[i * PIECE : (i + 1) * PIECE]).cpu()
            for i, z in enumerate(latents.split(PIECE))
        ]
        return measure(torch.cat(pieces))

    return Standard(distance)


def by_surprise(x: Tensor, condition: Tensor) -> Standard:
    """By how unlikely a generator of rows holds real ones [N, C] that it has not seen, told a part of each [N, K]; in nats.

    The same rows each time, so that small differences tell; it rises when the generator begins to know its own rows by heart.
    """
    return Standard(lambda network: float(network.surprise(x, condition).mean()), better=1.0, lost=1.05)  # type: ignore[operator]


@dataclass(frozen=True)
class Look:
    """The distance of the averaged generator from the data at a step, as its standard measures it."""

    step: int
    share: float
    distance: float


def lost(looks: Sequence[Look], beyond: float) -> bool:
    """Whether a run is clearly over: its last looks all far beyond its best one."""
    if len(looks) <= PATIENCE:
        return False
    best = min(look.distance for look in looks)
    return all(look.distance > beyond * best for look in looks[-PATIENCE:])


def best_of(looks: Sequence[Look]) -> Look:
    """The look of least distance; the later of two alike."""
    return min(reversed(looks), key=lambda look: look.distance)


class Quality:
    """Looks at the generator `count` times in a run, at the first tick after each of as many equal shares; keeps the weights of the best.

    start     where the run goes on; what was seen before is read from the run folder
    """

    def __init__(self, run: RunFolder, count: int, standard: Standard, start: Position) -> None:
        self.run, self.count, self.standard = run, count, standard
        self.looks = [Look(**r) for r in run.looks()]
        self.seen = int(start.share * count)

    @property
    def lost(self) -> bool:
        return lost(self.looks, self.standard.lost)

    def __call__(self, tick: Tick, players: Players) -> None:
        due = int(tick.position.share * self.count)
        if due <= self.seen and not tick.position.finished:
            return
        self.seen = due
        look = Look(tick.position.step, tick.position.share, self._measured(players))
        add_line(self.run.quality, asdict(look))
        self.looks.append(look)
        if best_of(self.looks) is look:
            write_tensors(self.run.best(look.step), checkpoint.average_weights(players), asdict(look))
            self._drop_worse()

    def _drop_worse(self) -> None:
        """Keep the best generator of now, and of every step that the run may go on from."""
        ends = [checkpoint.step_of(path) for path in (*self.run.moments(), *self.run.saved())] + [self.looks[-1].step]
        seen = ([look for look in self.looks if look.step <= end] for end in ends)
        kept = {self.run.best(best_of(looks).step) for looks in seen if looks}
        for path in self.run.bests():
            if path not in kept:
                path.unlink(missing_ok=True)

    @torch.no_grad()
    def _measured(self, players: Players) -> float:
        with players.averaged() as network:
            return self.standard.measure(network)

    def chosen(self, tick: Tick, players: Players) -> tuple[int, dict[str, Tensor]]:
        """(step, weights) of the generator to use: the averaged one as it is; at the end of a run that had a clearly better one, that."""
        now = checkpoint.average_weights(players)
        if not (tick.last and self.looks) or (best := best_of(self.looks)).distance >= self.standard.better * self.looks[-1].distance:
            return tick.position.step, now
        try:
            weights, _ = read_tensors(self.run.best(best.step))
        except RunError:  # it went missing with a copy of the folder: the last one is there
            return tick.position.step, now
        return (best.step, weights) if weights.keys() == now.keys() else (tick.position.step, now)
