"""Checkpoints: one safetensors file each, its position as JSON in the header, so that it is whole or not there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gansmith.engine.players import Players
from gansmith.errors import RunError
from gansmith.runs import RunFolder, replacing

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
    tensors: dict[str, Tensor] = {"average": players.average}
    for player in (players.generator, players.discriminator):
        tensors.update({f"{player.name}.{k}": v for k, v in player.state().items()})
    path = run.checkpoint(position.step)
    with replacing(path) as temporary:
        # a copy each: safetensors refuses tensors that share memory, as flat weights and their views do
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, temporary, {"gansmith": _header(position)})
    for old in run.saved()[:-keep]:
        old.unlink(missing_ok=True)


def load(run: RunFolder, players: Players) -> Position:
    """Bring the players to the newest checkpoint that can be read; gives its position. Position() where there is none yet."""
    for path in reversed(run.saved()):
        try:
            with safe_open(path, "pt") as file:
                values: dict[str, Any] = json.loads((file.metadata() or {})["gansmith"])
                tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (a safetensors file is no mapping)
        except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
            continue
        if values.pop("format") > FORMAT:
            raise RunError(f"{path.name} was written by a newer gansmith. Upgrade with: pip install -U gansmith")
        _put(players, tensors, path.name)
        return Position(**values)
    return Position()


def _put(players: Players, tensors: dict[str, Tensor], name: str) -> None:
    try:
        players.average.copy_(tensors["average"])
        for player in (players.generator, players.discriminator):
            player.load({k.removeprefix(f"{player.name}."): v for k, v in tensors.items() if k.startswith(f"{player.name}.")})
    except (KeyError, RuntimeError) as error:
        raise RunError(
            f"checkpoint {name} does not fit these networks ({str(error).splitlines()[0]}). Resume with the networks the run was started with."
        ) from None


def _header(position: Position) -> str:
    return json.dumps({"format": FORMAT, **asdict(position)})


def finished(run: RunFolder) -> bool:
    """Whether the newest readable checkpoint is that of a run that came to its end."""
    return newest(run).finished


def newest(run: RunFolder) -> Position:
    """The position of the newest readable checkpoint, without loading its tensors."""
    for path in reversed(run.saved()):
        try:
            with safe_open(path, "pt") as file:
                values = json.loads((file.metadata() or {})["gansmith"])
        except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
            continue
        values.pop("format")
        return Position(**values)
    return Position()


@torch.no_grad()
def average_weights(players: Players) -> dict[str, Tensor]:
    """The averaged generator's state_dict, on the CPU."""
    with players.averaged() as network:
        return {k: v.detach().cpu().contiguous().clone() for k, v in network.state_dict().items()}
