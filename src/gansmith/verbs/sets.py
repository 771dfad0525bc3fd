"""The sets that samples are judged by: what was trained on, what was kept out, and what was generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gansmith import config, domains
from gansmith.artefact import Generator
from gansmith.config import DataSettings, Recipe
from gansmith.data.split import held_out
from gansmith.data.store import Collection
from gansmith.domains.domain import Domain
from gansmith.errors import DataError
from gansmith.randomness import seed_of
from gansmith.runs import RunFolder
from gansmith.verbs.opened import MEMORY, Opened
from gansmith.verbs.run import Run

Opening = Callable[[int, int], None]


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
        """Indices [N] into these classes; None where the collection has others."""
        return self.labels if self.collection.classes == classes else None

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
    opened = Opened.of(recipe, data, recipe.machine.device or "cpu", opening)  # an automatic size depends on the device
    if opened.fingerprint != run.data["fingerprint"]:
        raise DataError(
            f"the data in {recipe.data.source} are not those {run.path} was trained on (fingerprint {opened.fingerprint}, was "
            f"{run.data['fingerprint']}). Put the old data back."
        )
    training = Part(opened.collection, opened.members)
    if against is not None:
        held = whole(_open(opened.domain, against, like(opened.collection, recipe.data), opening))
        _refuse_unlike(held.collection, opened.collection, str(against))
        refuse_overlap(held, training, str(against))
    else:
        held = Part(opened.collection, np.flatnonzero(opened.held))
    if not len(held):
        raise DataError(
            f"{run.path} kept no data aside (data.held_out={recipe.data.held_out:g} left {len(held)} of {len(opened.collection)} samples). "
            "Give data it never saw with --against, or train again with data.held_out above 0."
        )
    records = run.log
    about = {
        "data": recipe.data.source if against is None else f"{recipe.data.source} against {against}",
        "held_out_seed": recipe.run.seed,
        "step": records[-1]["step"] if records else 0,
        "seen": records[-1]["seen"] if records else 0,
    }
    return _with_generator(str(run.path), opened.domain, training, held, True, generator, about, run.folder)


def of_export(
    path: str | Path,
    generator: Generator,
    against: str | Path,
    training: str | Path | None,
    settings: Mapping[str, Any],
    opening: Opening,
) -> Sets:
    """Of an exported generator, against real data."""
    trained, held, known, about = _real(generator.domain, against, training, settings, opening)
    return _with_generator(str(path), generator.domain, trained, held, known, generator, about, None)


def of_data(source: str | Path, against: str | Path, training: str | Path | None, settings: Mapping[str, Any], opening: Opening) -> Sets:
    """Of samples that lie in a folder or an array, whoever made them, against real data."""
    domain = domains.of(str(against))
    trained, held, known, about = _real(domain, against, training, settings, opening)
    made = whole(_open(domain, source, config.merge(Recipe(), settings).data, opening))
    _refuse_unlike(made.collection, trained.collection, str(source))
    classes = trained.collection.classes
    labels = made.labels
    if labels is not None and made.collection.classes != classes:
        labels = None  # classes of other names cannot be set against these

    def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        some = made.some(count, seed, "evaluate")
        return some[:], None if labels is None else some.labels

    return Sets(str(source), domain, trained, held, classes if labels is not None else (), known, draw, len(made), about)


def refuse_overlap(test: Part, training: Part, source: str) -> None:
    """DataError where a sample to judge by is also one that was trained on."""
    both = np.isin(test.digests, training.digests)
    if both.any():
        raise DataError(
            f"{int(both.sum()):,} of the {len(test):,} samples in {source} were also trained on, found by their content. "
            "Remove them: nothing can be judged by samples that the generator has seen."
        )


def whole(collection: Collection) -> Part:
    return Part(collection, np.arange(len(collection)))


def like(collection: Collection, settings: DataSettings) -> DataSettings:
    """Settings that open other data in the form of an opened collection."""
    shape = collection.raw.shape[1:]
    if len(shape) != 3:  # toys have one form only
        return settings
    return settings.model_copy(update={"size": (shape[0], shape[1]), "channels": shape[2], "labels": None})


def _open(domain: Domain, source: str | Path, settings: DataSettings, opening: Opening) -> Collection:
    return domain.open(str(source), settings.model_copy(update={"source": str(source)}), progress=opening)


def _real(
    domain: Domain, against: str | Path, training: str | Path | None, settings: Mapping[str, Any], opening: Opening
) -> tuple[Part, Part, bool, dict[str, Any]]:
    """(training, held out, whether training is known, conditions) of real data that no run tells of."""
    wanted = config.merge(Recipe(), settings).data
    real = _open(domain, against, wanted, opening)
    if training is not None:
        trained, held = whole(_open(domain, training, wanted, opening)), whole(real)
        _refuse_unlike(trained.collection, real, str(training))
        refuse_overlap(held, trained, str(against))
        return trained, held, True, {"data": f"{training} against {against}"}
    half = held_out(real.digests, 0.5, 0)
    if not half.any() or half.all():
        raise DataError(f"found {len(real)} samples in {against}; to judge by them they are halved, which takes at least 2 different ones.")
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
            "Give data with the same labels, or set them aside with --labels none."
        )

    def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        samples = generator.sample(count, seed=seed)
        return samples.raw, samples.labels

    shape = generator.sample(1).raw.shape[1:]
    if shape != training.collection.raw.shape[1:]:
        raise DataError(
            f"the generator makes samples of {_by(shape)} and the data are of {_by(training.collection.raw.shape[1:])}. "
            "Open the data in the generator's form with --size and --channels."
        )
    return Sets(subject, domain, training, held, generator.classes if classes else (), known, draw, None, about, folder, generator)


def _refuse_unlike(found: Collection, wanted: Collection, source: str) -> None:
    if found.raw.shape[1:] != wanted.raw.shape[1:]:
        raise DataError(
            f"the samples in {source} are of {_by(found.raw.shape[1:])}, those they are set against of {_by(wanted.raw.shape[1:])}. "
            "Bring both to one form with --size and --channels."
        )
    if found.raw.dtype != wanted.raw.dtype:
        raise DataError(
            f"the samples in {source} are stored as {found.raw.dtype}, those they are set against as {wanted.raw.dtype}. "
            "Save both in one number format."
        )


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def is_run(path: str | Path) -> bool:
    """Whether a path looks like a run folder, whole or not."""
    return (Path(path) / "recipe.yaml").is_file()
