"""Which sample comes at which step, from the position alone, and whole batches gathered by it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gansmith import given
from gansmith.errors import DataError
from gansmith.layout import Batch, Layout
from gansmith.randomness import seed_of, stream


class Shuffled:
    """Indices into `count` samples by position; every epoch is a shuffle of its own, with each sample once in it."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed
        self._epoch = lru_cache(maxsize=2)(self._shuffle)  # a batch lies in one or two, and small ones are quickly made

    def _shuffle(self, epoch: int) -> np.ndarray:
        return torch.randperm(self.count, generator=stream(self.seed, "order", epoch)).numpy()

    def __call__(self, start: int, length: int) -> np.ndarray:
        """Indices [length] for the positions start, start + 1, …"""
        found, place = [], start
        while place < start + length:
            epoch, inside = divmod(place, self.count)
            part = self._epoch(epoch)[inside : inside + start + length - place]
            found.append(part)
            place += len(part)
        return np.concatenate(found) if found else np.empty(0, np.int64)


_shuffled = lru_cache(maxsize=2)(Shuffled)


def positions(count: int, seed: int, start: int, length: int) -> np.ndarray:
    """What Shuffled(count, seed)(start, length) gives, for callers that keep no order of their own."""
    return _shuffled(count, seed)(start, length)


class Alike:
    """Indices into samples of labels [N] by position, every class as often as any other however many samples it has.

    As many positions as there are classes make a round, with each class once in it, in an order of its own: else batches that divide a
    round, and the shares of processes, would always hold the same classes together. Round r takes the sample at position r of each
    class's own epochs.
    """

    def __init__(self, labels: np.ndarray, seed: int) -> None:
        present, counts = np.unique(labels, return_counts=True)
        self._members = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
        self._rounds = Shuffled(len(present), seed_of(seed, "rounds"))
        self._within = [Shuffled(int(n), seed_of(seed, "class", int(k))) for k, n in zip(present, counts, strict=True)]

    def __call__(self, start: int, length: int) -> np.ndarray:
        """Indices [length] for the positions start, start + 1, …"""
        which = self._rounds(start, length)
        found = np.empty(length, np.int64)
        for k in np.unique(which):
            places = np.flatnonzero(which == k)  # no round between them is without one, for only the outermost may be cut
            first = (start + int(places[0])) // len(self._members)
            found[places] = self._members[k][self._within[k](first, len(places))]
        return found


class Feed:
    """feed(step) -> this process's part of the batches of that step, `moves` of them one behind the other, encoded and on its device.

    Batch number i, of all that the steps take, covers the positions [i·batch, (i+1)·batch) of the shuffled data, or with `balance` of the
    classes drawn alike often; process `rank` of `size` takes its share of each, so what is drawn does not depend on the number of
    processes. What the batch says of each sample is its row of `conditions` [N, K], else its label as one-hot; of samples that
    are `told` in part, that part.
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
        balance: bool = False,
        told: Layout | None = None,
    ) -> None:
        assert batch % size == 0, "the caller has seen to a batch that divides"
        assert not balance or labels is not None, "the caller has seen to classes"
        self.raw, self.encode, self.members, self.labels, self.condition = raw, encode, members, labels, condition
        self.conditions, self.told = conditions, told
        self.order = Alike(labels[members], seed) if balance and labels is not None else Shuffled(len(members), seed)
        self.batch, self.share, self.offset = batch, batch // size, rank * batch // size
        self.device, self.moves, self.seed = torch.device(device), moves, seed
        self.poisoned: set[int] = set()  # samples that were not finite, and were left out
        self.owner = None if told is None else given.owners(told).to(device)

    def __call__(self, step: int) -> Batch:
        starts = [(step * self.moves + move) * self.batch + self.offset for move in range(self.moves)]
        index = self.members[np.concatenate([self.order(start, self.share) for start in starts])]
        # numpy.take on a memory map reads only the pages it needs; the copy is what torch may own
        taken = np.ascontiguousarray(np.take(self.raw, index, axis=0))
        if np.issubdtype(taken.dtype, np.floating) and self.owner is None:  # in a row of a table it is a missing cell
            index, taken = self._finite(index, taken)
        raw = torch.from_numpy(taken)
        if raw.dtype == torch.float64 and self.device.type == "mps":  # which has no such numbers
            x = self._to_device(self.encode(raw))
        else:
            x = self.encode(self._to_device(raw))
        if self.owner is not None:
            return Batch(x, given.condition(x, *given.told(self._chances(step)), self.owner))
        if self.conditions is not None:
            return Batch(x, self._to_device(torch.from_numpy(self.conditions[index])))
        if not self.condition or self.labels is None:
            return Batch(x)
        label = self._to_device(torch.from_numpy(self.labels[index]))
        return Batch(x, torch.nn.functional.one_hot(label, self.condition).float())

    def _finite(self, index: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Samples [B, ...] with another of the batch in the place of each that is not finite, and the index [B] of each.

        Data are looked through when they are opened; a file may still change beneath a run, and one sample would end it. DataError where
        a whole batch is not finite.
        """
        well = np.isfinite(taken.reshape(len(taken), -1)).all(1)
        if well.all():
            return index, taken
        self.poisoned.update(index[~well].tolist())
        if not well.any():
            raise DataError(
                f"none of the {len(index)} samples of a batch is finite (the first is number {int(index[0])}). "
                "The data have changed since they were opened; restore the old ones, and go on with --resume."
            )
        kept = np.where(well, np.arange(len(index)), np.resize(np.flatnonzero(well), len(index)))
        return index[kept], taken[kept]

    def _chances(self, step: int) -> Tensor:
        """Uniform numbers [B, n + 1] that settle what is told of each sample: this process's part of those of the step."""
        assert self.owner is not None
        source = stream(self.seed, "told", step)
        every = torch.rand(self.moves, self.batch, int(self.owner.max()) + 2, generator=source)
        return self._to_device(every[:, self.offset : self.offset + self.share].flatten(0, 1))

    def _to_device(self, x: Tensor) -> Tensor:
        return x.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else x.to(self.device)
