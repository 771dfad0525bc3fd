"""prove: does it help to train a model of one's own on the samples as well?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from gansmith.artefact import Generator
from gansmith.config import Recipe
from gansmith.domains.table.schema import Schema
from gansmith.downstream import arms, judge
from gansmith.downstream.arms import AUGMENTED, Rare, Scheme
from gansmith.downstream.classical import Classical
from gansmith.downstream.mirror import keeps_its_class
from gansmith.downstream.models import Augmentation, Budget, Labelled, Learner, Prediction, TrainingSet, first_line, learner
from gansmith.downstream.tables import Columns, Numbers, Smote, Trees
from gansmith.errors import ConfigError, DataError
from gansmith.metrics.spread import paired
from gansmith.randomness import seed_of
from gansmith.records import Arm, Difference, Estimate, Proof, Setting
from gansmith.verbs import sets
from gansmith.verbs.evaluate import shuffled
from gansmith.verbs.kept import add, proofs
from gansmith.verbs.run import Run
from gansmith.verbs.sets import Part, Sets
from gansmith.verbs.train import automatic_device

LEAST_SEEDS = 3  # that have an interval
FEW_SEEDS = 5  # below it an interval says little
FEW_TESTS = 20  # samples of a class, below which one of them moves its recall by more than 5 points
CONTROL = f"{arms.NOISE}: synthetic samples replaced by real training samples in which every number is taken from a different sample"
RANKING = "area under the ROC curve, one class against the rest, mean over classes"
LOOKED_AT = 3000  # training samples by which it is decided whether pictures are mirrored

Progress = Callable[[int, int, str], None]


class Drawer(Protocol):
    """What samples come from: `artefact.Generator`, or anything else that draws labelled samples like the run's data."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Any:
        """One sample of each class in `label`, `count` in all, with .raw [N, ...] as stored and .labels [N]."""


@dataclass(frozen=True)
class Means:
    """What a kind of data is proved with."""

    encode: Callable[[Tensor], Tensor]  # native samples to what models see of them
    learn: Learner
    classical: Augmentation


@dataclass(frozen=True)
class Case:
    """What all settings of one proof share."""

    real: Part  # what the generator was trained on
    labels: np.ndarray  # [N] of these
    test: Labelled  # what neither it nor any model was
    classes: tuple[str, ...]
    means: Means
    drawer: Drawer
    seeds: tuple[int, ...]


def prove(
    run: str | Path | Run,
    *,
    model: Any = None,
    per_class: Sequence[int | None] = (None,),
    ratios: Sequence[float] = (1.0,),
    seeds: int = FEW_SEEDS,
    rare: str | tuple[str, float] | None = None,
    test: str | Path | None = None,
    budget: Budget | int | None = None,
    seed: int = 0,
    data: Any = None,
    generator: nn.Module | Drawer | None = None,
    command: str = "",
    progress: Progress = lambda done, all, words: None,
) -> Proof:
    """Train a model on real samples, on synthetic ones, on both, with and without classical augmentation, and compare them on real
    samples that neither the generator nor a model has seen. Returns the proof and adds it to the run's proof.json.

    run        a run folder whose data have labels, or are a table with a target
    model      what is trained: None for a small network of the library's own, or gradient-boosted trees for a table; an estimator with fit
               and predict, cloned for each training, which sees flat rows [N, C·P]; a function without arguments that builds a PyTorch
               module mapping x [B, C, *P] to logits [B, K]; or a function (train_x, train_y, test_x, seed) -> classes [n] of test_x, or
               scores [n, K], the highest of which is the class. Samples are encoded as for the networks. Rows of a table come as float32
               [N, D] without the target: categories one-hot, the levels beyond the 64 most frequent as one; numbers in standard
               deviations from their mean; and for a column with missing values one more channel, 1 where one is missing, its others 0
    per_class  real samples of each class to train on, one setting each; None: all that the generator was trained on
    ratios     synthetic samples for each real one, one setting each
    rare       a rare class, or a class and the share of it that is kept, ("cat", 0.01). The generator fills it up, and the arms without
               synthetic samples repeat its samples as often
    test       a labelled data set to judge on instead of the run's held-out part
    budget     steps of the optimiser, or a Budget; the same for every arm (trees, an estimator and a function have their own)
    seeds      trainings of each arm. For one seed all arms share the real samples, the first weights and the order of batches
    data       the data again, where the run was trained on data passed from Python
    generator  the module to fill, where the run trained the user's own; or another source of samples to prove, with .classes and .sample()
    progress   is called with the number of trainings done, of how many, and which comes next

    The measure is balanced accuracy, the mean of the classes' recalls: in a proof with a rare class that class counts as much as
    another, and where classes are equally frequent it is the accuracy. Where the model gives scores (a network, trees, an estimator with
    predict_proba or decision_function) the area under the ROC curve stands beside it, the mean over classes of each against the rest:
    balanced accuracy depends on the decision threshold, the area only on the ranking. Scores and differences
    are shares from 0 to 1.

    The verdict rests on one comparison, named here before any number is known: real + classical + synthetic against real + classical.
    Without a generator one would augment classically, so that is the baseline; the two differ only in the synthetic samples. To take the
    best arm with synthetic samples against the best without, after the fact, would reward luck: of several comparisons without any effect
    one often looks like a gain. All other differences are shown, and may only take a "helps" away: it is withdrawn where an arm without
    synthetic samples scored higher than the arm with them, and where the test samples are ranked measurably worse than by real + classical
    or by real alone, since a threshold moved without any generator would then do as much.

    Whatever spreads a rare class moves the border between classes, which alone can raise balanced accuracy. So with `rare` there is a
    control whose answer is known: real + classical + noise, where as many shuffled samples stand in the place of the synthetic ones, every
    number taken from another of the real samples that the generator was trained on, of whatever class. "helps" is withdrawn too where the
    interval of the difference from this control does not lie above zero.

    The interval (95 %) is that of the paired difference over seeds, widened by the standard error that comes from the choice of the
    test samples; a gain on 100 test samples is not yet a gain.

    A generator that was trained on more real samples than the arms carries what the others taught into them; the proof says so in its
    warnings. For a claim about few samples, train the generator on those few.

    An arm whose training fails says why and the others go on. ConfigError, DataError and RunError as usual; DataError above all where
    there are no labels, no held-out part, or where test samples are among those trained on.
    """
    if seeds < LEAST_SEEDS:
        raise ConfigError(f"a difference over {seeds} seeds has no interval; give at least {LEAST_SEEDS}, preferably {FEW_SEEDS}.")
    few = _rare(rare)
    try:
        schemes = [Scheme(n, float(r), few) for n in per_class for r in ratios]
    except (TypeError, ValueError):
        raise ConfigError(
            f"per_class and ratios are lists of numbers, such as [10, None] and [1, 10]; found {per_class!r} and {ratios!r}."
        ) from None
    if not schemes:
        raise ConfigError("per_class and ratios need at least one entry each; None in per_class means all samples.")
    run = run if isinstance(run, Run) else Run(run, generator if isinstance(generator, nn.Module) else None)
    proofs(run.folder)  # a file that cannot be added to is told of now, not when all is done
    found = sets.of_run(run, test, data, lambda done, all: progress(done, all, "reading"))
    own = run.generator
    of_rows = own.card.layout.given
    labels, classes, tests = _labels(found, of_rows), found.training.collection.classes, _tests(found, of_rows)
    for scheme in schemes:  # what cannot be done is told before anything is trained
        arms.extra_counts(arms.real_counts(labels, classes, scheme), classes, scheme)
    drawer = own if generator is None or isinstance(generator, nn.Module) else generator
    if tuple(drawer.classes) != classes:
        raise DataError(
            f"the generator knows the classes {_listed(drawer.classes)}, the data have {_listed(classes)}. Both must have the same classes."
        )
    each = seeds * len(schemes[0].arms)  # trainings of a setting; all have the same arms
    device = automatic_device(Recipe())
    spent = budget if isinstance(budget, Budget) else Budget() if budget is None else Budget(steps=budget)
    if of_rows:
        means = _of_rows(found, model, spent, device)
    else:
        means = _of_signals(found, own, model, spent, seed, device, lambda words: progress(0, len(schemes) * each, words))
    case = Case(
        real=found.training,
        labels=labels,
        test=tests,
        classes=classes,
        means=means,
        drawer=drawer,
        seeds=tuple(seed_of(seed, "prove", i) for i in range(seeds)),
    )
    settings = tuple(_setting(case, scheme, _counting(progress, i * each, len(schemes) * each)) for i, scheme in enumerate(schemes))
    trained = f"generator trained on {len(labels):,} samples, from which the arms' real ones are drawn"
    proof = Proof(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        subject=found.subject,
        conditions={
            **found.about,
            "trained": trained if drawer is own else f"{type(drawer).__name__} instead of the run's {trained}",
            "training": len(labels),
            "model": means.learn.words,
            "budget": means.learn.spent,
            "seeds": seeds,
            "seed": seed,
            "test": len(tests),
            "measure": "balanced accuracy",
            **({"ranking": RANKING} if any(a.ranking for s in settings for a in s.arms) else {}),
            "primary": " against ".join(judge.PRIMARY),
            **({} if rare is None else {"control": CONTROL}),
            "interval": "95 %, paired over seeds (Student), with the standard error that the test samples give",
            "classical": means.classical.words,
            "device": device,
            "torch": torch.__version__,
        },
        settings=settings,
        verdict=judge.verdict(settings),
        warnings=tuple(_warnings(case, settings)),
    )
    add(run.folder, proof)
    return proof


# --- what is compared ----------------------------------------------------------------------------------------------------


def _rare(rare: str | tuple[str, float] | None) -> Rare | None:
    return None if rare is None else Rare(rare) if isinstance(rare, str) else Rare(*rare)


def _labels_of(part: Part) -> np.ndarray:
    """Labels of a part that is known to have them."""
    assert part.labels is not None
    return part.labels


def _labels(found: Sets, of_rows: bool) -> np.ndarray:
    """Labels [N] of the training part. DataError where there are none, or no classes to tell apart."""
    conditions = found.training.collection.conditions
    if conditions is not None:
        raise DataError(
            f"the data of {found.subject} have conditions ({', '.join(c.name for c in conditions.columns[:5])}) but no classes, and a "
            "proof trains models to tell classes apart. Give one column of classes with --labels, and train again."
        )
    if found.training.labels is None:
        mend = (
            "Name a column with few values for them to predict with --target, and train again"
            if of_rows
            else "Sort the samples into a folder for each class, add a labels.csv, or give an array of labels, and train again"
        )
        raise DataError(
            f"the data of {found.subject} have no labels, but a proof trains models to tell classes apart. {mend} (without --labels none)."
        )
    if len(found.training.collection.classes) < 2:
        raise DataError(f"the data of {found.subject} have only one class, but a proof trains models to tell classes apart. Add another.")
    return found.training.labels


def _tests(found: Sets, of_rows: bool) -> Labelled:
    """The samples to judge on, with the classes of the training part. DataError where they have none, or others."""
    held, own = found.held_out, found.training.collection.classes
    if held.labels is None and of_rows:
        schema = Schema.from_dict(found.facts["schema"])
        unknown_rows = int(np.isnan(held[:][:, schema.place(schema.target)]).sum()) if schema.target is not None else 0
        if 0 < unknown_rows < len(held):
            raise DataError(
                f"{unknown_rows:,} of the {len(held):,} rows of the test set have no class known to the run in the column "
                f"{schema.target!r}; it knows {_listed(own)}. Fix these rows, or leave them out."
            )
    if held.labels is None:
        mend = (
            f"give each row one of the classes {_listed(own)} in the target's column"
            if of_rows
            else "give a folder for each class, a labels.csv, or an array of labels"
        )
        raise DataError(f"the test set has no labels, but a proof needs them: {mend}.")
    names = held.collection.classes
    unknown = [names[k] for k in np.unique(held.labels) if names[k] not in own]
    if unknown:
        raise DataError(f"the test set has the class {unknown[0]!r}, but the run knows {_listed(own)}. Give its classes the same names.")
    places = np.array([own.index(name) if name in own else -1 for name in names])
    return Labelled(held[:], places[held.labels])


# --- what models see, and what they are ----------------------------------------------------------------------------------


def _of_signals(found: Sets, own: Generator, model: Any, budget: Budget, seed: int, device: str, told: Callable[[str], None]) -> Means:
    """Of pictures and lines: encoded as for the generator, and altered as these are."""
    layout, encode = own.card.layout, own.codec.encode
    learn = learner(model, layout, budget, device)
    told("may samples be mirrored?")
    looked_at = found.training.some(LOOKED_AT, seed, "mirror")
    mirrors = keeps_its_class(Labelled(looked_at[:], _labels_of(looked_at)), encode, layout, budget, seed, device)
    return Means(encode, learn, Classical(layout, mirrors))


def _of_rows(found: Sets, model: Any, budget: Budget, device: str) -> Means:
    """Of a table: the columns beside the target. DataError where there is none."""
    schema = Schema.from_dict(found.facts["schema"])
    learned = [(place, c) for place, c in enumerate(schema.columns) if c.learned and c.name != schema.target]
    if not learned:
        raise DataError(f"the data of {found.subject} have no column to predict {schema.target!r} from. Add one, and train again.")
    columns = Columns(tuple(place for place, _ in learned), tuple(0 if c.numeric else len(c.levels) for _, c in learned))
    if model is None:
        return Means(columns, Trees(columns, len(found.training.collection.classes)), Smote(columns))
    numbers = Numbers.of(columns, found.training[:])
    layout = numbers.layout(len(found.training.collection.classes))
    return Means(numbers, learner(model, layout, budget, device), Smote(columns))


# --- the comparison ------------------------------------------------------------------------------------------------------


def _setting(case: Case, scheme: Scheme, told: Callable[[str], None]) -> Setting:
    """All arms under one scheme, for all seeds."""
    told_of: dict[str, list[Prediction]] = {name: [] for name in scheme.arms}
    failed: dict[str, str] = {}
    samples: dict[str, int] = {}
    for i, seed in enumerate(case.seeds):
        for name, train in _training_sets(case, scheme, seed):
            told(f"{name}, seed {i + 1} of {len(case.seeds)}")
            samples[name] = train.different
            if name in failed:
                continue
            try:
                told_of[name].append(_predicted(case, train, seed))
            except Exception as error:  # whatever a user's model raises
                failed[name] = first_line(error)
    measured = {name: Measured.of(told_of[name], case.test.labels) for name in scheme.arms if name not in failed}
    found = {name: _arm(case, name, samples[name], measured.get(name), failed.get(name, "")) for name in scheme.arms}
    differences = tuple(
        Difference(a, b, *_difference(measured[a], measured[b], case.test.labels))
        for a, b in judge.PAIRS
        if a in measured and b in measured
    )
    answer, sentence = judge.answer(found, differences)
    counts = arms.real_counts(case.labels, case.classes, scheme)
    extra = arms.extra_counts(counts, case.classes, scheme)
    return Setting(
        title=arms.title(scheme, counts, extra),
        per_class=scheme.per_class,
        ratio=scheme.ratio if scheme.rare is None else float(extra.sum() / counts.sum()),
        arms=tuple(found.values()),
        differences=differences,
        answer=answer,
        sentence=sentence,
        rare=None if scheme.rare is None else scheme.rare.label,
    )


def _training_sets(case: Case, scheme: Scheme, seed: int) -> Iterator[tuple[str, TrainingSet]]:
    """The training set of each arm; the samples and the noise are drawn once and shared."""
    mix = arms.mix(case.labels, case.classes, scheme, seed)
    try:
        drawn = case.drawer.sample(len(mix.drawn), label=[case.classes[k] for k in mix.drawn], seed=seed_of(seed, "synthetic"))
    except ConfigError as error:  # of a class of a table with too few rows none is ever made
        raise DataError(
            f"the generator cannot draw every class of the data: {error} Leave the samples of the others out, or join classes, and train "
            "again."
        ) from error
    real = Labelled(case.real[mix.real], case.labels[mix.real])
    if (drawn.raw.dtype, drawn.raw.shape[1:]) != (real.raw.dtype, real.raw.shape[1:]):
        raise DataError(
            f"the generator makes {drawn.raw.dtype} samples of shape {drawn.raw.shape[1:]}, the data are {real.raw.dtype} of shape "
            f"{real.raw.shape[1:]}. Make it return samples in the form of the data."
        )
    if len(drawn.raw) != len(mix.drawn) or np.shape(drawn.labels) != mix.drawn.shape:
        raise DataError(
            f"the generator was asked for {len(mix.drawn):,} labelled samples and gave {len(drawn.raw):,} with labels of shape "
            f"{np.shape(drawn.labels)}. Make it return one sample and one label for each class asked for."
        )
    others = Labelled(drawn.raw, drawn.labels)
    if len(mix.noise):
        noise = _noise(case.real, len(mix.noise), seed)
        others = Labelled(np.concatenate([drawn.raw, noise]), np.concatenate([drawn.labels, mix.noise]))
    found = {name: TrainingSet(real, others, rows, case.means.encode) for name, rows in mix.rows.items()}
    augmented = [name for name in AUGMENTED if name in found]
    found |= zip(augmented, case.means.classical.augmented([found[name] for name in augmented], seed), strict=True)
    yield from found.items()


def _noise(known: Part, count: int, seed: int) -> np.ndarray:
    """So many samples of which every number is that of another real one: each looks right alone, nothing fits together.

    Of all that the generator was trained on, where an arm has fewer: shuffled rows of these carry what numbers look like in a rare class
    into an arm that hardly has it, and so may a generator that learned nothing else.
    """
    order = np.random.default_rng(seed_of(seed, "noise")).permutation(len(known))
    return shuffled(known[np.resize(order, count)], seed)


def _predicted(case: Case, train: TrainingSet, seed: int) -> Prediction:
    found = case.means.learn(train, case.test.raw, seed)
    if found.classes.shape != case.test.labels.shape:
        raise DataError(
            f"the model gave predictions of shape {found.classes.shape} for {len(case.test):,} samples; one class per sample is required."
        )
    odd = found.classes[~np.isin(found.classes, np.arange(len(case.classes)))]
    if len(odd):
        raise DataError(
            f"the model returned {odd[0]!s}; it must return the number of a class, from 0 to {len(case.classes) - 1}, or a score per class."
        )
    if found.scores is not None and not np.isfinite(found.scores).all():
        raise DataError("the model gave scores that are not finite, so they cannot be ranked. Check its training data.")
    return found


@dataclass(frozen=True)
class Measured:
    """How the models of one arm did: right [S, n], and pulls [S, n] where they give scores and there are classes to rank."""

    right: np.ndarray
    pulls: np.ndarray | None

    @classmethod
    def of(cls, told: Sequence[Prediction], labels: np.ndarray) -> Measured:
        """From what the model of each seed says of the test samples, whose classes are labels [n]."""
        scores = [p.scores for p in told if p.scores is not None]
        ranked = len(scores) == len(told) and len(np.unique(labels)) > 1
        return cls(np.array([p.classes == labels for p in told]), np.array([judge.pulls(s, labels) for s in scores]) if ranked else None)


def _arm(case: Case, name: str, samples: int, found: Measured | None, failed: str) -> Arm:
    if found is None:
        return Arm(name, samples, (), failed=failed)
    recalls = judge.recalls(found.right, case.test.labels, len(case.classes)).mean(0)
    by_class = {label: float(r) for label, r in zip(case.classes, recalls, strict=True) if np.isfinite(r)}
    accuracies = judge.balanced_accuracy(found.right, case.test.labels)
    areas = () if found.pulls is None else tuple(judge.area(found.pulls).tolist())
    return Arm(name, samples, tuple(accuracies.tolist()), by_class, ranking=areas)


def _difference(a: Measured, b: Measured, labels: np.ndarray) -> tuple[Estimate, Estimate | None]:
    """Paired differences in balanced accuracy and in ROC area, their intervals over seeds and test samples."""
    change = judge.balanced_accuracy(a.right, labels) - judge.balanced_accuracy(b.right, labels)
    accuracy = judge.widened(paired(torch.from_numpy(change)), judge.test_reach(a.right, b.right, labels))
    if a.pulls is None or b.pulls is None:
        return accuracy, None
    change = judge.area(a.pulls) - judge.area(b.pulls)
    return accuracy, judge.widened(paired(torch.from_numpy(change)), judge.ranking_reach(a.pulls, b.pulls, labels))


def _counting(progress: Progress, start: int, all: int) -> Callable[[str], None]:
    """Tells of one training after the other, of which the first is number `start`."""
    done = itertools.count(start)
    return lambda words: progress(next(done), all, words)


def _warnings(case: Case, settings: Sequence[Setting]) -> Iterator[str]:
    fewest = min(a.samples for s in settings for a in s.arms if a.name == arms.REAL)
    if fewest < len(case.labels):
        yield (
            f"The generator was trained on {len(case.labels):,} real samples, and the arms hold as few as {fewest:,} of them: the "
            "synthetic ones carry what it learned from the others. For a claim about few samples, train a generator on those few alone."
        )
    if len(case.seeds) < FEW_SEEDS:
        yield f"An interval over {len(case.seeds)} seeds says little; use {FEW_SEEDS} or more."
    tests = dict(zip(case.classes, np.bincount(case.test.labels, minlength=len(case.classes)).tolist(), strict=True))
    absent, few = [k for k, n in tests.items() if not n], [k for k, n in tests.items() if 0 < n < FEW_TESTS]
    if absent:
        yield f"There are no test samples of {_listed(absent)}; the measure is over the other classes."
    if few:
        yield f"There are fewer than {FEW_TESTS} test samples of {_listed(few)}: intervals are wide. A larger test set narrows them."
    if len(settings) > 1 and any(s.answer == "helps" for s in settings):
        yield (
            f"{len(settings)} settings were tried, each judged at 95 % by itself: by chance alone, one in forty would help. "
            "Look for settings that agree."
        )
    for s in settings:
        yield from (f"{a.name} failed ({s.title}): {a.failed}" for a in s.arms if a.failed)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
