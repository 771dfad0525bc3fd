"""Checkpoints: one safetensors file each, its position as JSON in the header, so that it is whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gansmith.engine.players import Players
from gansmith.errors import RunError
from gansmith.runs import RunFolder, write_tensors

FORMAT = 1


@dataclass(frozen=True)
class Position:
    """Where a run stands: steps done, the share of it that is done, seconds trained over all resumes, and whether it has ended."""

    step: int = 0
    share: float = 0.0
    seconds: float = 0.0
    finished: bool = False


def save(run: RunFolder, players: Players, position: Position, keep: int) -> None:
    """Write the newest checkpoint, then drop the oldest beyond `keep`. StorageError where there is no room; older ones then stay."""
    path = run.checkpoint(position.step)
    _write(path, run, players, position)
    # a later one can only be one that could not be read: it must not push out those that can
    for old in [p for p in run.saved() if p.name <= path.name][:-keep]:
        old.unlink(missing_ok=True)


def save_moment(run: RunFolder, players: Players, position: Position, keep: int) -> None:
    """Write a healthy moment, to which a run that falls ill goes back; drop the oldest beyond `keep` of those that even a resume from the
    oldest checkpoint would have before it. The start of the run, where it was kept, stays."""
    _write(run.moment(position.step), run, players, position)
    oldest = min(map(step_of, run.saved()), default=0)
    for old in [p for p in run.moments() if 0 < step_of(p) <= oldest][:-keep]:
        old.unlink(missing_ok=True)


def step_of(path: Path) -> int:
    """The step of a checkpoint, a healthy moment or a best generator, from its name."""
    return int(path.stem.rpartition("-")[2])


def _write(path: Path, run: RunFolder, players: Players, position: Position) -> None:
    tensors: dict[str, Tensor] = {"average": players.average, **{f"memory.{k}": v for k, v in players.memory.items()}}
    for player in (players.generator, players.discriminator):
        tensors.update({f"{player.name}.{k}": v for k, v in player.state().items()})
    write_tensors(path, tensors, {"format": FORMAT, "tries": len(_backs(run)), **asdict(position)})


def _backs(run: RunFolder) -> list[int]:
    """The steps that the run went back to, to go on with other settings."""
    return [int(line["back"]) for line in run.recovered() if line.get("changes")]


def load(run: RunFolder, players: Players) -> Position:
    """Bring the players to the newest checkpoint that can be read; gives its position. Position() where there is none yet."""
    for path, position in _readable(run):
        with safe_open(path, "pt") as file:
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (a safetensors file is no mapping)
        _put(players, tensors, path.name)
        return position
    return Position()


def newest(run: RunFolder) -> Position:
    """The position of the newest checkpoint that can be read, without loading its tensors. Position() where there is none."""
    return next((position for _, position in _readable(run)), Position())


def _readable(run: RunFolder) -> Iterator[tuple[Path, Position]]:
    """Checkpoints and healthy moments that are whole, newest first. RunError where one is of a newer format.

    One that was written before the run went back to an earlier step tells of what was undone, and is passed over.
    """
    backs = _backs(run)
    for path in sorted((*run.saved(), *run.moments()), key=step_of, reverse=True):
        try:
            with safe_open(path, "pt") as file:  # refuses a file that is shorter than its header says
                values: dict[str, Any] = json.loads((file.metadata() or {})["gansmith"])
            newer = values.pop("format") > FORMAT
            undone = any(values["step"] > back for back in backs[values.pop("tries", 0) :])
            position = None if newer else Position(**values)
        except (SafetensorError, OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError):
            continue
        if position is None:
            raise RunError(f"{path} was written by a newer gansmith. Upgrade with: pip install -U gansmith")
        if not undone:
            yield path, position


def _put(players: Players, tensors: dict[str, Tensor], name: str) -> None:
    try:
        players.average.copy_(tensors["average"])
        for key, value in players.memory.items():
            value.copy_(tensors.get(f"memory.{key}", value))  # checkpoints of 0.1.0 have none
        for player in (players.generator, players.discriminator):
            player.load({k.removeprefix(f"{player.name}."): v for k, v in tensors.items() if k.startswith(f"{player.name}.")})
    except (KeyError, RuntimeError) as error:
        raise RunError(
            f"checkpoint {name} does not fit these networks ({str(error).splitlines()[0]}). "
            "Resume with the networks with which the run was started."
        ) from None


@torch.no_grad()
def average_weights(players: Players) -> dict[str, Tensor]:
    """The averaged generator's state_dict, on the CPU."""
    with players.averaged() as network:
        return {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}
