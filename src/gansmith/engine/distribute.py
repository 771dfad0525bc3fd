"""Several processes, on one machine or many: one flat all-reduce of the gradients, and nothing wrapped round the networks.

A batch is divided over the processes; a mean over a batch is the mean over the processes of the means over their parts. Every
process draws the noise of the whole batch and takes its part, so the number of processes does not change what is drawn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gansmith.errors import LostProcess, TrainingError

TCPStore = dist.TCPStore  # type: ignore[attr-defined]  # public, says its documentation

PARENT = "GANSMITH_LAUNCHED_BY"  # in a process made by `launch`: the id of the one that made it
DECODING = timedelta(hours=12)  # in which the others wait for the first process to decode the data; that one has died is seen at once
PATIENCE = 5.0  # seconds in which a process whose first is gone may end by itself
LOST = (
    "a process of this run was lost, so the others stopped. Everything up to the last checkpoint is saved: "
    "go on with 'gansmith train --resume RUN'."
)


@dataclass(frozen=True)
class World:
    """This process among its peers. World() is one process alone, for which every method does nothing."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    ours: bool = True  # the process group was made here, not by the user's own script

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

    def same(self, values: Tensor) -> None:
        """Replace values by the first process's, in place."""
        if self.size > 1:
            with _lost_process_told():
                dist.broadcast(values, 0)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        carried = torch.tensor([float(flag)], device=self.device)
        with _lost_process_told():
            dist.all_reduce(carried, dist.ReduceOp.MAX)
        return bool(carried.item())

    def union(self, numbers: Set[int]) -> set[int]:
        """Whole numbers that any process gives, not below 0, in every process."""
        if self.size == 1:
            return set(numbers)
        most = torch.tensor([len(numbers)], device=self.device)
        with _lost_process_told():
            dist.all_reduce(most, dist.ReduceOp.MAX)
            if not (count := int(most.item())):
                return set()
            own = torch.tensor([*numbers, *[-1] * (count - len(numbers))], device=self.device)
            every = [torch.empty_like(own) for _ in range(self.size)]
            dist.all_gather(every, own)
        return set(torch.cat(every).tolist()) - {-1}

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
        """End the talk with the others."""
        if self.size > 1 and self.ours and dist.is_initialized():
            dist.destroy_process_group()


class _lost_process_told:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, RuntimeError):
            raise LostProcess(f"{LOST} ({str(error).splitlines()[0]})") from error


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
    ours = not dist.is_initialized()
    with _lost_process_told():
        if PARENT in os.environ:
            _join_parent()
        elif ours:
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=DECODING)
    return World(dist.get_rank(), dist.get_world_size(), device, ours)


def launch(size: int, words: Sequence[str], log: Path | None = None) -> list[subprocess.Popen[bytes]]:
    """Start the processes 1 to size-1 on this machine as `python WORDS`, and make this one their first.

    What they say goes to `log`. They end by themselves when this one is gone: the next all-reduce tells them.
    """
    store = TCPStore("127.0.0.1", 0, size, is_master=True, wait_for_workers=False)
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), PARENT: str(os.getpid())}
    alone = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with (log or Path(os.devnull)).open("ab") as file:
        others = [
            subprocess.Popen(
                [sys.executable, *words],
                env={**os.environ, **shared, **alone, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C reaches the first alone, which tells the others at the next tick
            )
            for rank in range(1, size)
        ]
    try:
        _wait_for(others, store, log)
        dist.init_process_group("gloo", store=store, rank=0, world_size=size)
    except BaseException:
        end(others, patience=0.0)
        raise
    return others


def end(others: Sequence[subprocess.Popen[bytes]], patience: float = 20.0) -> None:
    """Wait until the processes have ended; those that have not after so many seconds are killed."""
    until = time.monotonic() + patience
    for process in others:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(others: Sequence[subprocess.Popen[bytes]], store: Any, log: Path | None) -> None:
    """Until every process has said that it is there; TrainingError where one has ended instead."""
    while not store.check([_here(rank) for rank in range(1, len(others) + 1)]):
        for process in others:
            if process.poll() is not None:
                said = f" Its output is in {log}." if log else ""
                raise TrainingError(f"a process of this run ended before the first step (exit code {process.returncode}).{said}")
        time.sleep(0.02)


def _here(rank: int) -> str:
    return f"here/{rank}"


def _join_parent() -> None:
    """Say to the process that launched this one that it is there, and end soon after that one has."""
    parent, rank, size = int(os.environ[PARENT]), int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        time.sleep(PATIENCE)  # most learn it from the next all-reduce, and say so in words; on a busy machine that can take longer
        os.write(sys.stderr.fileno(), f"gansmith: {LOST}\n".encode())
        os._exit(TrainingError.exit_code)

    threading.Thread(target=watch, daemon=True).start()
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), size, is_master=False, timeout=timedelta(seconds=60))
    store.set(_here(rank), "")
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
