"""What looks on while the game is played: the log, the previews, the checkpoints. Each is called at every tick."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Set
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gansmith.engine import checkpoint
from gansmith.engine.checkpoint import Position
from gansmith.engine.distribute import World
from gansmith.engine.loop import Tick
from gansmith.engine.moves import generate
from gansmith.engine.players import Players
from gansmith.errors import MissingExtra, storage_error
from gansmith.runs import RunFolder, replacing

if TYPE_CHECKING:
    from PIL.Image import Image


def add_line(path: Path, values: dict[str, Any]) -> None:
    """Add a line of JSON and write it through to the disk, so that a checkpoint written later never knows of more than the log."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(error, path) from error


class Log:
    """log.jsonl holds what the run's settings decide; speed.jsonl what the machine decides. So the first is the same after any resume."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    def __call__(self, tick: Tick, players: Players) -> None:
        add_line(self.run.log, record_of(tick))
        at = tick.position
        speed = {"seconds": round(at.seconds, 3), "samples_per_second": round(tick.speed, 1)}
        add_line(self.run.speed, {"step": at.step, **speed, **{name: round(share, 4) for name, share in tick.phases.items()}})


def record_of(tick: Tick) -> dict[str, Any]:
    """One line of log.jsonl."""
    return {"step": tick.position.step, "seen": tick.seen, "share": tick.position.share, **tick.means, **asdict(tick.rates)}


class Poison:
    """poisoned.jsonl: which samples were found not to be finite, and left out, since the last tick.

    It looks on in every process, for each reads a part of the samples; the first writes down what all have found.
    """

    def __init__(self, run: RunFolder, found: Set[int], world: World) -> None:
        self.run, self.found, self.world = run, found, world
        self.known = run.left_out() if world.first else set()

    def __call__(self, tick: Tick, players: Players) -> None:
        new = self.world.union(self.found - self.known) - self.known
        self.known |= new
        if new and self.world.first:
            add_line(self.run.poisoned, {"step": tick.position.step, "samples": sorted(new)})


class TensorBoard:
    """The same values as scalars for TensorBoard. MissingExtra where it is not installed."""

    def __init__(self, run: RunFolder, seen: int) -> None:
        """`seen`: samples seen where the run goes on; what an earlier writer noted beyond is undone."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtra("run.tensorboard", "tensorboard") from None
        self.writer = SummaryWriter(str(run.tensorboard), purge_step=seen + 1)

    def __call__(self, tick: Tick, players: Players) -> None:
        for name, value in record_of(tick).items():
            self.writer.add_scalar(name, value, tick.seen)

    def close(self) -> None:
        """Write out what is still in memory."""
        self.writer.close()


class Previews:
    """The same latents through the averaged generator, through time, as pictures.

    `draw` turns samples [B, C, *P] into a picture. One is drawn at the first tick, at the last, and `count` times evenly between.
    `start` is where the run goes on, so that a resumed one draws what an unbroken one would.
    """

    def __init__(
        self, run: RunFolder, count: int, latents: Tensor, condition: Tensor | None, draw: Callable[[Tensor], Image], start: Position
    ) -> None:
        self.run, self.count, self.latents, self.condition, self.draw = run, count, latents, condition, draw
        self.drawn = self._due(start.share) if start.step else 0

    def _due(self, share: float) -> int:
        return 1 + int(share * self.count)

    def __call__(self, tick: Tick, players: Players) -> None:
        due = self._due(tick.position.share)
        if not self.count or (self.drawn >= due and not tick.position.finished):
            return
        path = self.run.preview(tick.position.step)
        with replacing(path) as temporary:
            self.draw(draw_averaged(players, self.latents, self.condition)).save(temporary, "PNG")
        self.drawn = due


@torch.no_grad()
def draw_averaged(players: Players, latents: Tensor, condition: Tensor | None) -> Tensor:
    """Samples [B, C, *P] of the averaged generator."""
    with players.averaged() as network:
        return generate(network, latents, condition)


class Checkpoints:
    """A checkpoint at the first tick after `seconds` since the last, and at the end. `after` is called when one is written."""

    def __init__(
        self, run: RunFolder, seconds: float, keep: int, after: Callable[[Tick, Players], None] = lambda tick, players: None
    ) -> None:
        self.run, self.seconds, self.keep, self.after = run, seconds, keep, after
        self.last = time.monotonic()

    def __call__(self, tick: Tick, players: Players) -> None:
        if tick.last or time.monotonic() - self.last >= self.seconds:
            self.after(tick, players)
            checkpoint.save(self.run, players, tick.position, self.keep)
            self.last = time.monotonic()
