"""How good the averaged generator is through a run, cheaply: the best is kept, and a run that is clearly over can be ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from gansmith.engine import checkpoint
from gansmith.engine.checkpoint import Position
from gansmith.engine.loop import Tick
from gansmith.engine.moves import generate
from gansmith.engine.players import Players
from gansmith.engine.watch import add_line
from gansmith.errors import RunError
from gansmith.runs import RunFolder, read_tensors, write_tensors

PIECE = 256  # samples drawn at a time
LOST = 4.0  # times the best distance: a run that stays beyond is lost
PATIENCE = 5  # looks in a row that must be beyond
BETTER = 0.8  # of the last distance: an earlier generator must come below it to be taken in its place


@dataclass(frozen=True)
class Look:
    """The distance of generated samples from the data at a step; 0 is perfect, 1 about what a single repeated sample has."""

    step: int
    share: float
    distance: float


def lost(looks: Sequence[Look]) -> bool:
    """Whether a run is clearly over: its last looks all far beyond its best one."""
    if len(looks) <= PATIENCE:
        return False
    best = min(look.distance for look in looks)
    return all(look.distance > LOST * best for look in looks[-PATIENCE:])


def best_of(looks: Sequence[Look]) -> Look:
    """The look of least distance; the later of two alike."""
    return min(reversed(looks), key=lambda look: look.distance)


class Quality:
    """Looks at the generator `count` times in a run, at the first tick after each of as many equal shares; keeps the weights of the best.

    measure   from samples [N, C, *P] to their distance from the data; it must see what is missing as well as what is wrong
    start     where the run goes on; what was seen before is read from the run folder
    """

    def __init__(
        self,
        run: RunFolder,
        count: int,
        latents: Tensor,
        condition: Tensor | None,
        measure: Callable[[Tensor], float],
        start: Position,
    ) -> None:
        self.run, self.count, self.latents, self.condition, self.measure = run, count, latents, condition, measure
        self.looks = [Look(**r) for r in run.looks()]
        self.seen = int(start.share * count)

    @property
    def lost(self) -> bool:
        return lost(self.looks)

    def __call__(self, tick: Tick, players: Players) -> None:
        due = int(tick.position.share * self.count)
        if due <= self.seen and not tick.position.finished:
            return
        self.seen = due
        look = Look(tick.position.step, tick.position.share, self.measure(self._draw(players)))
        add_line(self.run.quality, asdict(look))
        self.looks.append(look)
        if best_of(self.looks) is look:
            write_tensors(self.run.best, checkpoint.average_weights(players), asdict(look))

    @torch.no_grad()
    def _draw(self, players: Players) -> Tensor:
        with players.averaged() as network:
            pieces = [
                generate(network, z, None if self.condition is None else self.condition[i * PIECE : (i + 1) * PIECE]).cpu()
                for i, z in enumerate(self.latents.split(PIECE))
            ]
        return torch.cat(pieces)

    def chosen(self, tick: Tick, players: Players) -> tuple[int, dict[str, Tensor]]:
        """(step, weights) of the generator to use: the averaged one as it is; at the end of a run that had a clearly better one, that."""
        now = checkpoint.average_weights(players)
        if not (tick.last and self.looks) or (best := best_of(self.looks)).distance >= BETTER * self.looks[-1].distance:
            return tick.position.step, now
        try:
            weights, about = read_tensors(self.run.best)
        except RunError:  # it went missing with a copy of the folder: the last one is there
            return tick.position.step, now
        return (best.step, weights) if about["step"] == best.step and weights.keys() == now.keys() else (tick.position.step, now)
