"""Several processes, on one machine or many: one flat all-reduce of the gradients, and nothing wrapped round the networks.

A batch is divided over the processes; a mean over a batch is the mean over the processes of the means over their parts. Every
process draws the noise of the whole batch and takes its part, so the number of processes does not change what is drawn.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from gansmith.errors import TrainingError


@dataclass(frozen=True)
class World:
    """This process among its peers. World() is one process alone, for which every method does nothing."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        return self.rank == 0

    def average(self, values: Tensor) -> None:
        """Replace values by their mean over all processes, in place."""
        if self.size > 1:
            with _lost_process_told():
                dist.all_reduce(values)
            values /= self.size

    def share(self, values: Sequence[float]) -> list[float]:
        """The first process's numbers, in every process."""
        if self.size == 1:
            return list(values)
        carried = torch.tensor(values, dtype=torch.float64, device=self.device)
        with _lost_process_told():
            dist.broadcast(carried, 0)
        return carried.tolist()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        carried = torch.tensor([float(flag)], device=self.device)
        with _lost_process_told():
            dist.all_reduce(carried, dist.ReduceOp.MAX)
        return bool(carried.item())

    def text(self, words: str) -> str:
        """The first process's words, in every process."""
        if self.size == 1:
            return words
        (length,) = self.share([len(words.encode())])
        carried = torch.zeros(int(length), dtype=torch.uint8, device=self.device)
        if self.first:
            carried.copy_(torch.frombuffer(bytearray(words.encode()), dtype=torch.uint8))
        with _lost_process_told():
            dist.broadcast(carried, 0)
        return bytes(carried.cpu().tolist()).decode()

    def part(self, values: Tensor, groups: int = 1) -> Tensor:
        """This process's part of a whole batch [groups·B, ...] made of `groups` batches one behind the other."""
        if self.size == 1:
            return values
        return torch.cat([g.chunk(self.size)[self.rank] for g in values.chunk(groups)])

    def leave(self) -> None:
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


class _lost_process_told:  # noqa: N801  (used as a verb)
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, RuntimeError):
            raise TrainingError(
                "a process of this run was lost, so the others stopped. What the last checkpoint holds is safe: "
                f"go on with 'gansmith train --resume RUN'. ({str(error).splitlines()[0]})"
            ) from error


def launched() -> bool:
    """Whether a launcher such as torchrun has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def join(device: str) -> World:
    """Join the processes that the environment (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) tells of: gloo, or NCCL on CUDA."""
    if not launched():
        return World(device=device)
    if device.startswith("cuda"):
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return World(dist.get_rank(), dist.get_world_size(), device)


def launch(size: int, words: Sequence[str], log: Path) -> list[subprocess.Popen[bytes]]:
    """Start the processes 1 to size-1 of a run on this machine as `python -m gansmith WORDS`, and make this one their first.

    What they say goes to `log`. The others end by themselves when this one is gone: the next all-reduce tells them.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    with log.open("ab") as file:
        others = [
            subprocess.Popen(
                [sys.executable, "-m", "gansmith", *words],
                env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
            for rank in range(1, size)
        ]
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=size)
    return others
