"""Which sample comes at which step, from the position alone, and whole batches gathered by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gansmith.layout import Batch
from gansmith.randomness import stream


@lru_cache(maxsize=4)
def _shuffled(count: int, seed: int, epoch: int) -> np.ndarray:
    return torch.randperm(count, generator=stream(seed, "order", epoch)).numpy()


def positions(count: int, seed: int, start: int, length: int) -> np.ndarray:
    """Indices [length] into `count` samples for the positions start, start + 1, …

    Every epoch is a shuffle of its own, with each sample once in it.
    """
    found, place = [], start
    while place < start + length:
        epoch, inside = divmod(place, count)
        part = _shuffled(count, seed, epoch)[inside : inside + start + length - place]
        found.append(part)
        place += len(part)
    return np.concatenate(found) if found else np.empty(0, np.int64)


class Feed:
    """feed(step) -> this process's part of the batches of that step, `moves` of them one behind the other, encoded and on its device.

    Batch number i, of all that the steps take, covers the positions [i·batch, (i+1)·batch) of the shuffled data; process `rank` of `size`
    takes its share of each, so what is drawn does not depend on the number of processes. What the batch says of each sample is its row of
    `conditions` [N, K], else its label as one-hot.
    """

    def __init__(
        self,
        raw: np.ndarray,
        encode: Callable[[Tensor], Tensor],
        *,
        members: np.ndarray,
        labels: np.ndarray | None,
        condition: int,
        batch: int,
        seed: int,
        rank: int = 0,
        size: int = 1,
        device: torch.device | str = "cpu",
        moves: int = 1,
        conditions: np.ndarray | None = None,
    ) -> None:
        assert batch % size == 0, "the caller has seen to a batch that divides"
        self.raw, self.encode, self.members, self.labels, self.condition = raw, encode, members, labels, condition
        self.conditions = conditions
        self.batch, self.seed, self.share, self.offset = batch, seed, batch // size, rank * batch // size
        self.device, self.moves = torch.device(device), moves

    def __call__(self, step: int) -> Batch:
        starts = [(step * self.moves + move) * self.batch + self.offset for move in range(self.moves)]
        places = [positions(len(self.members), self.seed, start, self.share) for start in starts]
        index = self.members[np.concatenate(places)]
        # numpy.take on a memory map reads only the pages it needs; the copy is what torch may own
        raw = torch.from_numpy(np.ascontiguousarray(np.take(self.raw, index, axis=0)))
        x = self.encode(self._to_device(raw))
        if self.conditions is not None:
            return Batch(x, self._to_device(torch.from_numpy(self.conditions[index])))
        if not self.condition or self.labels is None:
            return Batch(x)
        label = self._to_device(torch.from_numpy(self.labels[index]))
        return Batch(x, torch.nn.functional.one_hot(label, self.condition).float())

    def _to_device(self, x: Tensor) -> Tensor:
        return x.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else x.to(self.device)
