"""The sets that samples are judged by: what was trained on, what was kept out, and what was generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gansmith import config, domains
from gansmith.artefact import Generator
from gansmith.config import MEMORY, DataSettings, Recipe
from gansmith.data.split import held_out, keys, usual
from gansmith.data.store import Collection, digest_rows
from gansmith.domains.domain import Domain
from gansmith.domains.table.opening import labels_of, rows_of
from gansmith.domains.table.schema import Schema
from gansmith.errors import DataError
from gansmith.randomness import seed_of
from gansmith.runs import RunFolder
from gansmith.verbs.opened import Opened
from gansmith.verbs.run import Run

Opening = Callable[[int, int], None]

REPEATED = 0.1  # share of rows to judge by that may be equal to training rows beyond those that equal one another


@dataclass(frozen=True)
class Part:
    """Some of a collection's samples, in the order of `members`."""

    collection: Collection
    members: np.ndarray  # [N] indices

    def __len__(self) -> int:
        return len(self.members)

    @property
    def labels(self) -> np.ndarray | None:
        return None if self.collection.labels is None else self.collection.labels[self.members]

    @property
    def digests(self) -> np.ndarray:
        return self.collection.digests[self.members]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Native samples [n, ...] of a slice, or at these places."""
        return np.take(self.collection.raw, self.members[rows], axis=0)

    def labels_among(self, classes: tuple[str, ...]) -> np.ndarray | None:
        """Indices [N] into these classes, by their names; None where a sample is of none of them."""
        own = self.labels
        if own is None:
            return None
        names = self.collection.classes
        if not {names[k] for k in np.unique(own)} <= {*classes}:
            return None
        return np.array([classes.index(name) if name in classes else -1 for name in names])[own]

    def some(self, count: int, seed: int, purpose: str) -> Part:
        """At most `count` of them, drawn without repetition; all of them in their order where there are no more."""
        if len(self) <= count:
            return self
        chosen = np.random.default_rng(seed_of(seed, purpose)).choice(len(self), count, replace=False)
        return Part(self.collection, self.members[np.sort(chosen)])


@dataclass(frozen=True)
class Sets:
    """What an evaluation or a proof works on.

    training   what the generator learned from; where that is not known, one half of the real samples
    held_out   real samples it never saw
    known      whether `training` is what it learned from: otherwise nothing can be said of originality
    draw       (count, classes in turn or None, seed) -> native samples and labels
    """

    subject: str
    domain: Domain
    training: Part
    held_out: Part
    classes: tuple[str, ...]
    known: bool
    draw: Callable[[int, int], tuple[np.ndarray, np.ndarray | None]]
    most: int | None  # samples there are to draw; None: as many as one likes
    about: Mapping[str, Any]  # conditions: step and seed of the run, source and split of the data
    folder: RunFolder | None = None
    generator: Generator | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        return self.training.collection.facts


def of_run(run: Run, against: str | Path | None, data: Any, opening: Opening) -> Sets:
    """Of a run: the part it trained on and the part it kept out, or `against` in the place of the latter."""
    recipe = run.recipe
    if recipe.data.source == MEMORY and data is None:
        raise DataError(f"{run.path} was trained on data passed from Python. From Python, pass the same data again as data=.")
    generator = run.generator
    facts = run.data
    opened = Opened.of(recipe, data, recipe.machine.device or "cpu", opening, facts)  # an automatic size depends on the device
    if opened.fingerprint != facts["fingerprint"]:
        raise DataError(
            f"the data in {recipe.data.source} are not the data that {run.path} was trained on (fingerprint {opened.fingerprint}, was "
            f"{facts['fingerprint']}). Restore the old data."
        )
    training = Part(opened.collection, opened.members)
    if against is not None:
        held = whole(_open_like(opened.domain, against, opened.collection, recipe.data, opening))
        _refuse_unlike(held.collection, opened.collection, str(against))
        refuse_overlap(held, training, str(against))
    else:
        held = Part(opened.collection, np.flatnonzero(opened.held))
    if not len(held):
        raise DataError(
            f"{run.path} held out no data (data.held_out={recipe.data.held_out:g} left {len(held)} of {len(opened.collection)} samples). "
            "Give unseen data (evaluate: --against, prove: --test), or train again with data.held_out above 0."
        )
    step, seen = _progress(run, generator)
    about = {
        "data": recipe.data.source if against is None else f"{recipe.data.source} against {against}",
        "held_out_seed": config.split_seed(recipe),
        "step": step,
        "seen": seen,
    }
    return _with_generator(str(run.path), opened.domain, training, held, True, generator, about, run.folder)


def _progress(run: Run, generator: Generator) -> tuple[int, int]:
    """The step that a run's generator is of, which is the last one or that of the best, and the real samples seen by then.

    Generators of early versions do not know their step, and count as of the last one.
    """
    records = run.log
    step = generator.card.step or (records[-1]["step"] if records else 0)
    return step, max((r["seen"] for r in records if r["step"] <= step), default=0)


def of_export(
    path: str | Path,
    generator: Generator,
    against: str | Path,
    training: str | Path | None,
    settings: Mapping[str, Any],
    opening: Opening,
) -> Sets:
    """Of an exported generator, against real data."""
    trained, held, known, about = _real(generator.domain, against, training, settings, opening, _form_of(generator))
    return _with_generator(str(path), generator.domain, trained, held, known, generator, about, None)


def of_data(source: str | Path, against: str | Path, training: str | Path | None, settings: Mapping[str, Any], opening: Opening) -> Sets:
    """Of samples that lie in a folder or an array, whoever made them, against real data."""
    domain = domains.of(str(against))
    trained, held, known, about = _real(domain, against, training, settings, opening)
    wanted = config.merge(Recipe(), settings).data
    if _is_table(trained.collection):
        made = whole(_open_like(domain, source, trained.collection, wanted, opening))
    else:
        made = whole(_open(domain, source, wanted, opening))
    _refuse_unlike(made.collection, trained.collection, str(source))
    classes = trained.collection.classes

    def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        some = made.some(count, seed, "evaluate")
        return some[:], some.labels_among(classes)

    # classes of other names cannot be set against these
    labelled = made.labels_among(classes) is not None
    return Sets(str(source), domain, trained, held, classes if labelled else (), known, draw, len(made), about)


def refuse_overlap(test: Part, training: Part, source: str) -> None:
    """DataError where a sample to judge by is also one that was trained on.

    Rows of a table may be equal by chance; there, it is where more of them are found in training than training rows have an equal.
    """
    both = np.isin(test.digests, training.digests)
    usual = 0.0
    if _is_table(training.collection):
        _, place, count = np.unique(training.digests, return_inverse=True, return_counts=True)
        usual = float((count[place] > 1).mean()) + REPEATED
    if both.mean() > usual:
        raise DataError(
            f"{int(both.sum()):,} of the {len(test):,} samples in {source} were also trained on (compared by content). "
            "Remove them: samples that the generator has seen cannot be used for judging."
        )


def whole(collection: Collection) -> Part:
    return Part(collection, np.arange(len(collection)))


def like(collection: Collection, settings: DataSettings) -> DataSettings:
    """Settings that open other data in the form of an opened collection."""
    shape = collection.raw.shape[1:]
    if len(shape) != 3:  # toys have one form only
        return settings
    return settings.model_copy(update={"size": (shape[0], shape[1]), "channels": shape[2], "labels": None})


def _is_table(collection: Collection) -> bool:
    return "schema" in collection.facts


def _open_like(domain: Domain, source: str | Path, model: Collection, settings: DataSettings, opening: Opening) -> Collection:
    """Other data in the form of an opened collection: a table by its schema, so that a number means the same in both."""
    if not _is_table(model):
        return _open(domain, source, like(model, settings), opening)
    return _table(str(source), model.facts, model.classes)


def _table(source: str, facts: Mapping[str, Any], classes: tuple[str, ...]) -> Collection:
    """A table read by the schema in `facts`; with labels where its classes are among these."""
    schema = Schema.from_dict(facts["schema"])
    raw = rows_of(source, schema)
    labels, names = labels_of(raw, schema)
    if labels is None or not set(names) <= {*classes}:
        return Collection(raw, digest_rows(raw), facts=facts)
    return Collection(raw, digest_rows(raw), np.array([classes.index(name) for name in names])[labels], classes, facts=facts)


def _form_of(generator: Generator) -> Collection | None:
    """A table without rows of the form that an exported generator makes; None where it makes none."""
    schema = generator.codec.state().get("schema")
    if schema is None:
        return None
    width = len(schema["columns"])
    facts = {"schema": schema, "shape": [width]}
    return Collection(np.zeros((0, width)), np.zeros(0, np.uint64), classes=generator.classes, facts=facts)


def _open(domain: Domain, source: str | Path, settings: DataSettings, opening: Opening) -> Collection:
    return domain.open(str(source), settings.model_copy(update={"source": str(source)}), progress=opening)


def _real(
    domain: Domain,
    against: str | Path,
    training: str | Path | None,
    settings: Mapping[str, Any],
    opening: Opening,
    form: Collection | None = None,
) -> tuple[Part, Part, bool, dict[str, Any]]:
    """(training, held out, whether training is known, conditions) of real data that no run tells of.

    `form`: a table by whose schema the others are read; None: that of the training data, or of the only ones.
    """
    wanted = config.merge(Recipe(), settings).data
    first = _open(domain, against if training is None else training, wanted, opening) if form is None else form

    def opened(source: str | Path) -> Collection:
        return _open_like(domain, source, first, wanted, opening) if _is_table(first) else _open(domain, source, wanted, opening)

    if training is not None:
        trained, real = whole(first if form is None else opened(training)), opened(against)
        _refuse_unlike(trained.collection, real, str(training))
        refuse_overlap(whole(real), trained, str(against))
        return trained, whole(real), True, {"data": f"{training} against {against}"}
    real = first if form is None else opened(against)
    half = held_out(keys(real.digests, usual(real.repeats)), 0.5, 0)
    if not half.any() or half.all():
        raise DataError(f"found {len(real)} samples in {against}; they are halved for judging, which needs at least 2 different ones.")
    return Part(real, np.flatnonzero(~half)), Part(real, np.flatnonzero(half)), False, {"data": f"{against}, in halves"}


def _with_generator(
    subject: str,
    domain: Domain,
    training: Part,
    held: Part,
    known: bool,
    generator: Generator,
    about: Mapping[str, Any],
    folder: RunFolder | None,
) -> Sets:
    classes = training.collection.classes
    if generator.classes and classes and generator.classes != classes:
        raise DataError(
            f"the generator knows the classes {', '.join(generator.classes)}, the data have {', '.join(classes)}. "
            "Give data with the same labels, or ignore them with --labels none."
        )

    def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        samples = generator.sample(count, seed=seed)
        return samples.raw, samples.labels

    shape = generator.sample(1).raw.shape[1:]
    if shape != training.collection.raw.shape[1:]:
        raise DataError(
            f"the generator makes samples of {_by(shape)}, but the data are of {_by(training.collection.raw.shape[1:])}. "
            "Bring the data to the generator's form with --size and --channels."
        )
    return Sets(subject, domain, training, held, generator.classes if classes else (), known, draw, None, about, folder, generator)


def _refuse_unlike(found: Collection, wanted: Collection, source: str) -> None:
    if found.raw.shape[1:] != wanted.raw.shape[1:]:
        raise DataError(
            f"the samples in {source} are of {_by(found.raw.shape[1:])}, those they are compared with of {_by(wanted.raw.shape[1:])}. "
            "Bring both to the same form with --size and --channels."
        )
    if found.raw.dtype != wanted.raw.dtype:
        raise DataError(
            f"the samples in {source} are stored as {found.raw.dtype}, those they are compared with as {wanted.raw.dtype}. "
            "Save both in the same number format."
        )


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def is_run(path: str | Path) -> bool:
    """Whether a path looks like a run folder, whole or not."""
    return (Path(path) / "recipe.yaml").is_file()
