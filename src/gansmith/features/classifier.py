"""Features of a small classifier trained on the user's own labelled training split.

It looks at what tells the user's classes apart, which a network trained on photographs may not see in digits, drawings or spectra;
and it has never seen the held-out samples, so the real ones of those are as new to it as generated ones are. It costs at most about
a minute of one core, once: it is kept in the cache.

The budget follows one rule for all data, so that nobody tunes it: it sees SEEN samples for each one in the training split, not fewer
than LEAST and not more than MOST, in batches of BATCH; classes are weighed by the inverse root of their size; pictures are shifted at
random by up to a twentieth of their longer side. A few passes and no more: of a small set a longer training learns every sample by
heart, and then training samples are told from held-out ones by their features alone.

Letters: B samples, C channels, P positions, K classes, D dimensions.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.data.order import positions
from gansmith.data.store import Collection, cache_root, key_of
from gansmith.errors import DataError
from gansmith.features.native import tensor
from gansmith.features.network import DIMENSIONS, Network
from gansmith.features.pixels import shrunk
from gansmith.features.weights import digest, load, save, used
from gansmith.randomness import seed_of, stream

VERSION = 1  # of everything here and in the network that changes what comes out: a kept classifier of another version is not used
SEEN, LEAST, MOST = 15, 5_000, 120_000
BATCH = 128
RATE, DECAY, WARM = 5e-3, 0.02, 0.1  # AdamW: peak learning rate, weight decay, share of the training in which the rate rises
SHIFT = 20  # a shift of at most one such part of the longer side
LARGEST = 64  # longest side it looks at; larger pictures are brought down to it
MEASURED = 10_000  # samples at most from which statistics and accuracy are measured


class Classifier:
    """Native samples -> the last hidden layer of a classifier of their classes, 128 numbers. See `of`."""

    name = "classifier"
    batch = BATCH

    def __init__(self, network: Network, conditions: Mapping[str, Any], device: str = "cpu") -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.conditions, self.device = conditions, device
        self.shape = tuple(conditions["input"])

    @classmethod
    def of(
        cls,
        collection: Collection,
        members: np.ndarray,
        held_collection: Collection,
        held: np.ndarray,
        seed: int = 0,
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, all: None,
    ) -> Classifier:
        """The classifier of collection[members], from the cache or trained now.

        Training is on the CPU with one thread and ends with the same weights whatever the machine's number of cores. Its accuracy and
        mean recall on held_collection[held], which it never saw, stand in the conditions: the features of a classifier that is hardly
        better than chance say little. `progress` is called with the steps done and their number. DataError where there are no two
        classes to tell apart.
        """
        raw, labels = collection.raw, collection.labels
        if labels is None or len(np.unique(labels[members])) < 2:
            raise DataError(
                "the features classifier need training samples of at least two classes, but there are fewer. "
                "Label the data (folders named by class, or data.labels), or use the features pixels."
            )
        shape = tuple(raw.shape[1:])
        place = cache_root() / f"classifier-{_key(collection, members, seed)}" / "model.safetensors"
        kept = load(place)
        if kept is None:
            with one_thread():
                network = train(raw, labels, members, len(collection.classes), seed, progress)
            save(place, network.state_dict(), {"version": VERSION})
        else:
            used(place)
            network = Network(prepared(raw[:1], shape).shape[1:], len(collection.classes))
            network.load_state_dict(kept[0])
        conditions = {
            "input": list(shape),
            "dimensions": DIMENSIONS,
            "weights": digest(network.state_dict()),
            "version": VERSION,
            "training_seed": seed,
            "trained on": len(members),
            **judge(network.eval(), shape, collection.classes, held_collection, held, seed),
        }
        return cls(network, conditions, device)

    @torch.no_grad()
    def __call__(self, raw: np.ndarray) -> Tensor:
        return self.network(prepared(raw, self.shape).to(self.device)).cpu()

    @torch.no_grad()
    def probabilities(self, features: Tensor) -> Tensor:
        """Of each class [B, K]."""
        return self.network.logits(features.to(self.device)).softmax(1).cpu()


def prepared(raw: np.ndarray, shape: Sequence[int]) -> Tensor:
    """Native samples as the network takes them: [B, *P, C] -> [B, C, *P], pictures no larger than LARGEST."""
    x = tensor(raw, shape)
    if x.dim() == 4 and max(x.shape[2:]) > LARGEST:
        x = F.interpolate(x, shrunk(x.shape[2], x.shape[3], LARGEST), mode="area")
    return x


def train(
    raw: np.ndarray,
    labels: np.ndarray,
    members: np.ndarray,
    classes: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Network:
    """A network trained on raw[members], the same bits for the same arguments as long as torch runs on one thread."""
    shape, seed = raw.shape[1:], seed_of(seed, "classifier")
    with torch.random.fork_rng(devices=[]):  # first weights are drawn from the global state
        torch.manual_seed(seed_of(seed, "weights"))
        network = Network(prepared(raw[:1], shape).shape[1:], classes)
    network.centre, network.scale = moments(prepared(raw[some(members, MEASURED // 10, seed)], shape))
    weight = torch.from_numpy(np.bincount(labels[members], minlength=classes).clip(1) ** -0.5).float()

    steps = min(max(SEEN * len(members), LEAST), MOST) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=DECAY, fused=True)
    for step in range(steps):
        index = members[positions(len(members), seed, step * BATCH, BATCH)]
        x = shifted(prepared(raw[index], shape), stream(seed, "shift", step))
        loss = F.cross_entropy(network.logits(network(x)), torch.from_numpy(labels[index]), weight)
        optimiser.zero_grad()
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = rate(step / steps)
        optimiser.step()
        progress(step + 1, steps)

    network.eval()
    with torch.no_grad():
        hidden = [network.hidden(prepared(raw[part], shape)) for part in parts(some(members, MEASURED, seed))]
        network.mean, network.spread = moments(torch.cat(hidden))
    return network


@torch.no_grad()
def judge(
    network: Network, shape: tuple[int, ...], classes: Sequence[str], collection: Collection, held: np.ndarray, seed: int
) -> dict[str, Any]:
    """What a network of such samples and classes is worth on collection[held]: accuracy, and recall as the mean over the classes there.

    Samples of other classes are left out; None where nothing remains.
    """
    place = {name: index for index, name in enumerate(classes)}
    ours = np.asarray([place.get(name, -1) for name in collection.classes], np.int64)  # -1: a class the network does not know
    labels = np.full(len(held), -1) if collection.labels is None else ours[collection.labels[held]]
    chosen = some(np.flatnonzero(labels >= 0), MEASURED, seed)
    if not len(chosen):
        return {"tested on": 0, "accuracy": None, "recall": None}
    found = [network.logits(network(prepared(collection.raw[held[part]], shape))).argmax(1) for part in parts(chosen)]
    labels = labels[chosen]
    right = torch.cat(found).numpy() == labels
    recalls = [right[labels == label].mean() for label in np.unique(labels)]
    return {"tested on": len(chosen), "accuracy": float(right.mean()), "recall": float(np.mean(recalls))}


def rate(done: float) -> float:
    """Learning rate at a share of the training: a linear rise over the first WARM of it, a cosine down to 0.  arXiv:1608.03983"""
    return RATE * min(1.0, (done + 1e-3) / WARM) * (1 + math.cos(math.pi * done)) / 2


def shifted(x: Tensor, source: torch.Generator) -> Tensor:
    """Pictures [B, C, H, W], each moved by up to a SHIFT-th of the longer side either way, the rim repeated. Others stay as they are."""
    if x.dim() != 4 or not (most := round(max(x.shape[2:]) / SHIFT)):
        return x
    count, _, height, width = x.shape
    padded = F.pad(x, (most,) * 4, mode="replicate").movedim(1, -1)  # [B, H', W', C]
    down, right = torch.randint(0, 2 * most + 1, (2, count, 1, 1), generator=source)
    rows, columns = down + torch.arange(height)[:, None], right + torch.arange(width)  # [B, H, 1], [B, 1, W]
    return padded[torch.arange(count)[:, None, None], rows, columns].movedim(-1, 1)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, [C, 1, ...], of x [B, C, *P]; the greatest of them where a channel hardly varies."""
    axes = [axis for axis in range(x.dim()) if axis != 1]
    spread, mean = torch.std_mean(x, axes, correction=0, keepdim=True)
    most = float(spread.max()) or 1.0
    return mean[0], torch.where(spread > 1e-3 * most, spread, most)[0]


def some(index: np.ndarray, count: int, seed: int) -> np.ndarray:
    """At most `count` of the indices, in order: neighbours in a memory map are read together."""
    chosen = torch.randperm(len(index), generator=stream(seed, "some"))[:count].sort().values
    return index[chosen.numpy()]


def parts(index: np.ndarray) -> Iterator[np.ndarray]:
    """The indices, a batch at a time."""
    yield from (index[start : start + Classifier.batch] for start in range(0, len(index), Classifier.batch))


@contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread: how a sum is divided among threads decides its last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _key(collection: Collection, members: np.ndarray, seed: int) -> str:
    """Of everything that a classifier is made from."""
    assert collection.labels is not None
    data = hashlib.blake2b(collection.digests[members].astype("<u8").tobytes(), digest_size=16)
    data.update(collection.labels[members].astype("<i8").tobytes())
    return key_of(VERSION, data.hexdigest(), len(collection.classes), collection.raw.shape[1:], str(collection.raw.dtype), seed)
