"""Downstream models: what is trained on an arm's set and then names the classes of test samples. The default, or the user's own."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.data.order import positions
from gansmith.downstream.classical import Classical
from gansmith.errors import ConfigError
from gansmith.layout import Layout
from gansmith.randomness import seed_of, stream

SIDE = 32  # the default network first averages larger pictures down to about this side
AGREE = 0.9  # share of answers that an estimator's scores must share, to be scores of classes
PASS = 500  # samples predicted at a time
ONCE = "each set once as a whole; if samples are augmented, also one augmented copy of each"


@dataclass(frozen=True)
class Budget:
    """What every arm is trained with, fixed in advance: the same steps, the same batch, the same rate."""

    steps: int = 1000  # of the optimiser
    batch: int = 64  # samples a step
    rate: float = 2e-3  # of AdamW at the start; falls to 0 as a cosine

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 0 < self.rate < math.inf:
            raise ConfigError(
                f"a budget of {self.steps} steps of {self.batch} at a rate of {self.rate:g} trains nothing; all three must be above 0."
            )


@dataclass(frozen=True)
class Labelled:
    """Labelled samples as stored: raw [N, ...], labels [N]."""

    raw: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.raw)


@dataclass(frozen=True)
class TrainingSet:
    """One arm's training set: rows into the real samples and, behind them, the synthetic ones (and noise); `classical` alters what is
    taken."""

    real: Labelled
    synthetic: Labelled
    rows: np.ndarray
    encode: Callable[[Tensor], Tensor]
    classical: Classical | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> np.ndarray:
        """[N] of its rows."""
        return np.concatenate([self.real.labels, self.synthetic.labels])[self.rows]

    @property
    def different(self) -> int:
        """Samples in it that are no repetition of another."""
        return len(np.unique(self.rows))

    @property
    def turns(self) -> np.ndarray:
        """[m] of the rows behind the real samples, true where classical augmentation has its turn: where a real sample is repeated, and at
        every second other one (synthetic, or noise) of a class."""
        count = len(self.real)
        added, labels = self.rows[count:], self.labels[count:]
        chosen: np.ndarray = added < count
        for k in np.unique(labels):
            chosen[np.flatnonzero(~chosen & (labels == k))[1::2]] = True
        return chosen

    def take(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """Encoded samples x [B, C, *P] and labels [B] at these places, not altered."""
        rows = self.rows[places]
        n = len(self.real)
        made = rows >= n
        raw = np.empty((len(rows), *self.real.raw.shape[1:]), self.real.raw.dtype)
        labels = np.empty(len(rows), np.int64)
        for part, here, index in ((self.real, ~made, rows[~made]), (self.synthetic, made, rows[made] - n)):
            raw[here], labels[here] = part.raw[index], part.labels[index]
        return self.encode(torch.from_numpy(raw)), torch.from_numpy(labels)

    def batch(self, step: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
        """The batch of a step: every sample once an epoch, in an order fixed by the seed; some are altered where the arm says so."""
        x, y = self.take(positions(len(self), seed, step * size, size))
        return (x if self.classical is None else self.classical.some(x, stream(seed, "classical", step))), y

    def whole(self, seed: int) -> tuple[Tensor, Tensor]:
        """All of it at once, and, where the arm alters, an altered copy of each sample behind."""
        x, y = self.take(np.arange(len(self)))
        if self.classical is None:
            return x, y
        return torch.cat([x, self.classical(x, stream(seed, "classical"))]), torch.cat([y, y])


class Augmentation(Protocol):
    """What a user without a generator would do to see more variety, for one kind of data."""

    @property
    def words(self) -> str:
        """What is done, for the conditions of a number."""

    def augmented(self, sets: Sequence[TrainingSet], seed: int) -> list[TrainingSet]:
        """Training sets of real samples and as many others of the same classes in the same order, each with this augmentation."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of test samples: the class of each [n], and, where it gives any, a score of every class [n, K], higher where it
    is likelier. Scores rank the samples; which class a sample is given is one threshold of many."""

    classes: np.ndarray
    scores: np.ndarray | None = None


class Learner(Protocol):
    """Trains on a set and gives the classes [n] of test samples as stored [n, ...]; a seed fixes all that is random."""

    words: str  # what it is,
    spent: str  # and what it is trained with, for the conditions of a number

    def __call__(self, train: TrainingSet, test: np.ndarray, seed: int) -> Prediction: ...


def network(layout: Layout) -> nn.Module:
    """The default: a small convolutional network for planes, dense layers for rows and lines. x [B, C, *P] -> logits [B, K]."""
    if layout.geometry != "plane":
        widths = (layout.size, 256, 256)
        dense = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(nn.Flatten(), *dense, nn.Linear(widths[-1], layout.condition))
    shrink = max(1, min(layout.positions) // SIDE)
    sides = [max(1, p // shrink) for p in layout.positions]
    layers: list[nn.Module] = [nn.AvgPool2d(shrink)] if shrink > 1 else []
    stride = 2 if min(sides) > 16 else 1
    layers += [nn.Conv2d(layout.channels, 24, 5, stride, 2), nn.ReLU()]
    sides = [-(-s // stride) for s in sides]
    for a, b in ((24, 48), (48, 96)):
        pool = [2 if s > 3 else 1 for s in sides]
        layers += [nn.MaxPool2d((pool[0], pool[1])), nn.Conv2d(a, b, 3, 1, 1), nn.ReLU()]
        sides = [s // p for s, p in zip(sides, pool, strict=True)]
    places = [min(4, s) for s in sides]
    layers += [nn.AdaptiveAvgPool2d((places[0], places[1])), nn.Flatten(), nn.Linear(96 * places[0] * places[1], 128), nn.ReLU()]
    found = nn.Sequential(*layers, nn.Linear(128, layout.condition))
    # a step of 28 by 28 pictures takes two thirds to four fifths of the time so, on a CPU
    return found.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class Network:
    """A PyTorch module built anew for each training, trained on cross-entropy by AdamW with the budget's steps."""

    def __init__(self, build: Callable[[], nn.Module], budget: Budget, device: str, words: str) -> None:
        self.build, self.budget, self.device, self.words = build, budget, device, words
        self.spent = f"{budget.steps:,} steps of {budget.batch} samples, AdamW from {budget.rate:g} to 0"

    def __call__(self, train: TrainingSet, test: np.ndarray, seed: int) -> Prediction:
        return self.predict(self.fit(train, seed), test, train.encode)

    def fit(self, train: TrainingSet, seed: int) -> nn.Module:
        """A trained module. The same seed gives the same first weights and the same order, whatever the set."""
        steps, size, order = self.budget.steps, self.budget.batch, seed_of(seed, "order")
        with torch.random.fork_rng(devices=[]):  # weights and dropout draw from the global state
            torch.manual_seed(seed_of(seed, "weights"))
            module = self.build().to(self.device).train()
            adam = torch.optim.AdamW(module.parameters(), self.budget.rate, fused=True)
            fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
            for step in range(steps):
                x, y = train.batch(step, size, order)
                loss = F.cross_entropy(module(x.to(self.device)), y.to(self.device))
                adam.zero_grad()
                loss.backward()
                adam.step()
                fall.step()
        return module

    @torch.no_grad()
    def predict(self, module: nn.Module, test: np.ndarray, encode: Callable[[Tensor], Tensor]) -> Prediction:
        """Of samples as stored [n, ...]; the scores are log probabilities."""
        module.eval()
        parts = (encode(torch.from_numpy(np.array(test[i : i + PASS]))) for i in range(0, len(test), PASS))
        logits = torch.cat([module(x.to(self.device)).float().cpu() for x in parts])
        return Prediction(logits.argmax(1).numpy(), logits.log_softmax(1).numpy())


class Estimator:
    """Anything with fit and predict, as in scikit-learn; it sees flat rows [N, C·P] and a fresh copy of it learns each set whole.
    Where it has predict_proba, or decision_function, as well as classes_, these are its scores."""

    def __init__(self, estimator: Any, classes: int) -> None:
        """That is to tell so many classes apart."""
        self.estimator, self.classes, self.words, self.spent = estimator, classes, " ".join(repr(estimator).split()), ONCE

    def __call__(self, train: TrainingSet, test: np.ndarray, seed: int) -> Prediction:
        x, y = train.whole(seed)
        fresh = _fresh(self.estimator, seed)
        fresh.fit(x.flatten(1).numpy(), y.numpy())
        test_x = train.encode(torch.from_numpy(np.array(test))).flatten(1).numpy()
        classes, scores = np.asarray(fresh.predict(test_x)), self._scores(fresh, test_x)
        # of three classes, each against each of the others is as many columns as classes, and says something else
        agree = scores is not None and (scores.argmax(1) == classes).mean() >= AGREE
        return Prediction(classes, scores if agree else None)

    def _scores(self, fitted: Any, x: np.ndarray) -> np.ndarray | None:
        """[n, K] of an estimator that has learned, lowest for classes it has not seen; None where it gives nothing of this form."""
        known = getattr(fitted, "classes_", None)
        asked = getattr(fitted, "predict_proba", None) or getattr(fitted, "decision_function", None)
        if known is None or asked is None:
            return None
        given = np.asarray(asked(x), float)
        if given.ndim == 1:  # a decision function of two classes tells how far a sample lies on the second one's side
            given = np.stack([-given, given], 1)
        return of_all_classes(given, np.asarray(known), self.classes) if given.shape == (len(x), len(known)) else None


class Function:
    """A function (train_x [N, C, *P], train_y [N], test_x [n, C, *P], seed) -> classes [n], or a score of every class [n, K], of which the
    highest is the class; encoded samples as numpy arrays."""

    def __init__(self, function: Callable[[np.ndarray, np.ndarray, np.ndarray, int], Any], classes: int) -> None:
        """That is to tell so many classes apart."""
        self.function, self.classes, self.spent = function, classes, ONCE
        self.words = f"the function {getattr(function, '__name__', type(function).__name__)}"

    def __call__(self, train: TrainingSet, test: np.ndarray, seed: int) -> Prediction:
        x, y = train.whole(seed)
        test_x = train.encode(torch.from_numpy(np.array(test)))
        found = np.asarray(self.function(x.numpy(), y.numpy(), test_x.numpy(), seed))
        return Prediction(found.argmax(1), found.astype(float)) if found.shape == (len(test), self.classes) else Prediction(found)


def of_all_classes(scores: np.ndarray, known: np.ndarray, classes: int) -> np.ndarray:
    """Scores [n, k] of the classes `known` [k] as those of all [n, classes]; one that was not among them is nowhere likely."""
    found = np.full((len(scores), classes), scores.min(initial=0.0))
    found[:, known] = scores
    return found


def learner(model: Any, layout: Layout, budget: Budget, device: str = "cpu") -> Learner:
    """What `model` says: None for the default network; an estimator with fit and predict; a function without arguments that builds a
    module; a function of (train_x, train_y, test_x, seed). ConfigError where it is none of these or does not fit the layout."""
    if model is None:
        count = sum(p.numel() for p in network(layout).parameters())
        kind = "convolutional network" if layout.geometry == "plane" else "dense network"
        return Network(lambda: network(layout), budget, device, f"{kind} of {count:,} parameters")
    if isinstance(model, nn.Module):
        raise ConfigError(
            "model is a module, which would be trained on one set after another. Pass a function that builds a new one: lambda: MyNet()."
        )
    if not isinstance(model, type) and hasattr(model, "fit") and hasattr(model, "predict"):
        return Estimator(model, layout.condition)
    if _takes(model, 0):
        return Network(model, budget, device, _tried(model, layout))
    if _takes(model, 4):
        return Function(model, layout.condition)
    raise ConfigError(
        "model takes an estimator with fit and predict, a function without arguments that builds a PyTorch module, or a function "
        f"(train_x, train_y, test_x, seed) -> classes or scores; found {model!r}."
    )


def _takes(model: Any, count: int) -> bool:
    """Whether a model can be called with so many arguments."""
    try:
        inspect.signature(model).bind(*[None] * count)
    except (TypeError, ValueError):
        return False
    return True


def _tried(build: Callable[[], Any], layout: Layout) -> str:
    """The name of the module that is built, tried on two samples. ConfigError where it gives no logits [2, K]."""
    with torch.random.fork_rng(devices=[]):
        try:
            module = build()
            shape = tuple(module.eval()(torch.zeros(2, *layout.shape)).shape)
        except Exception as error:  # whatever a user's module raises
            given = ", ".join(str(n) for n in layout.shape)
            raise ConfigError(f"model cannot take samples [B, {given}]: {first_line(error)}") from error
    if shape != (2, layout.condition):
        raise ConfigError(f"model gives {shape} for 2 samples; one logit per class is required, [2, {layout.condition}].")
    return type(module).__name__


def _fresh(estimator: Any, seed: int) -> Any:
    """An unfitted copy, with every random_state it has set by the seed."""
    if not hasattr(estimator, "get_params"):
        return copy.deepcopy(estimator)
    from sklearn.base import clone

    found = clone(estimator)
    states = [k for k in found.get_params() if k == "random_state" or k.endswith("__random_state")]
    return found.set_params(**dict.fromkeys(states, seed % 2**32))


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
