"""What looks on while the game is played: the log, the previews, the checkpoints. Each is called at every tick."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
from torch import Tensor

from gansmith.engine import checkpoint
from gansmith.engine.loop import Tick
from gansmith.engine.players import Players
from gansmith.engine.steps import generate
from gansmith.errors import MissingExtra, storage_error
from gansmith.runs import RunFolder, replacing

if TYPE_CHECKING:
    from PIL.Image import Image


class Lines:
    """A file of JSON lines that is only added to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file: IO[str] = path.open("a", encoding="utf-8")
        except OSError as error:
            raise storage_error(error, path) from error

    def add(self, values: dict[str, Any]) -> None:
        """Write one line through to the disk, so that a checkpoint written later never knows of more than the log."""
        try:
            self.file.write(json.dumps(values) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise storage_error(error, self.path) from error


class Log:
    """log.jsonl holds what the run's settings decide; speed.jsonl what the machine decides. So the first is the same after any resume."""

    def __init__(self, run: RunFolder) -> None:
        self.log, self.speed = Lines(run.log), Lines(run.speed)

    def __call__(self, tick: Tick, players: Players) -> None:
        self.log.add(record_of(tick))
        at = tick.position
        self.speed.add({"step": at.step, "seconds": round(at.seconds, 3), "samples_per_second": round(tick.speed, 1)})


def record_of(tick: Tick) -> dict[str, Any]:
    """One line of log.jsonl."""
    return {"step": tick.position.step, "seen": tick.seen, "share": tick.position.share, **tick.means, **asdict(tick.rates)}


class TensorBoard:
    """The same values as scalars for TensorBoard. MissingExtra where it is not installed."""

    def __init__(self, run: RunFolder) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtra("run.tensorboard", "tensorboard") from None
        self.writer = SummaryWriter(str(run.tensorboard))

    def __call__(self, tick: Tick, players: Players) -> None:
        for name, value in record_of(tick).items():
            self.writer.add_scalar(name, value, tick.seen)
        if tick.last:
            self.writer.close()


class Previews:
    """The same latents through the averaged generator, through time, as pictures.

    `draw` turns samples [B, C, *P] into a picture. One is drawn at the first tick, at the last, and `count` times evenly between.
    """

    def __init__(self, run: RunFolder, count: int, latents: Tensor, condition: Tensor | None, draw: Callable[[Tensor], Image]) -> None:
        self.run, self.count, self.latents, self.condition, self.draw = run, count, latents, condition, draw
        self.drawn = len(list(run.previews.glob("step-*.png")))

    def __call__(self, tick: Tick, players: Players) -> None:
        due = 1 + int(tick.position.share * self.count)
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

    def __init__(self, run: RunFolder, seconds: float, keep: int, after: Callable[[Tick, Players], None] = lambda tick, players: None) -> None:
        self.run, self.seconds, self.keep, self.after = run, seconds, keep, after
        self.last = time.monotonic()

    def __call__(self, tick: Tick, players: Players) -> None:
        if tick.last or time.monotonic() - self.last >= self.seconds:
            self.after(tick, players)
            checkpoint.save(self.run, players, tick.position, self.keep)
            self.last = time.monotonic()
