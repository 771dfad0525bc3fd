"""evaluate: are the samples faithful, diverse and original? Scores with their spread, beside controls whose answer is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gansmith import artefact, features
from gansmith.artefact import Generator
from gansmith.config import Recipe
from gansmith.errors import ConfigError, DataError
from gansmith.features import Extractor, Rows
from gansmith.metrics import judgement, table_judgement
from gansmith.metrics.judgement import LEAST, Evidence, Seen
from gansmith.metrics.neighbours import Pair, closest, nearest
from gansmith.randomness import seed_of
from gansmith.records import Evaluation
from gansmith.runs import RunFolder, replacing, write_json
from gansmith.verbs import judged_rows, sets
from gansmith.verbs.judged_rows import Learned
from gansmith.verbs.kept import add, evaluations
from gansmith.verbs.run import Run
from gansmith.verbs.sets import Part, Sets
from gansmith.verbs.train import automatic_device

MOST = 10_000  # samples on each side unless told otherwise: beyond it the spread hardly shrinks, and the time goes on
ROOM = 1 << 30  # bytes that the samples on a side may take
SHUFFLED = 1 << 22  # numbers shuffled at a time
SEARCHED = 50_000  # training samples among which copies are looked for
FEW = 500  # below it the intervals are wide
PAIRS = 12  # in the gallery of the closest

Progress = Callable[[int, int, str], None]


def evaluate(
    subject: str | Path | Run,
    *,
    against: str | Path | None = None,
    training: str | Path | None = None,
    extractor: str | Extractor | None = None,
    weights: str | Path | None = None,
    count: int | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    data: Any = None,
    generator: torch.nn.Module | None = None,
    command: str = "",
    progress: Progress = lambda done, all, words: None,
) -> Evaluation:
    """Judge the samples of a run, of an exported generator, or in a folder or an array, whoever made them.

    subject    a run, the path of one, of an export, or of data that some generator made
    against    real data that the generator never saw; default for a run: the part it held out
    training   what it was trained on, if `subject` is no run; without it nothing can be said about originality
    extractor  pixels, classifier, inception, dinov2 or columns, or an object like those of `gansmith.features`; None: the best for the data
    weights    of the extractor, as a file
    count      samples on each side at most; None: as many as were kept out, up to 10,000, or a GiB of them
    settings   data.size, data.channels and the like, to open folders in one form; data.target of a table

    The evaluation of a run is added to its scores.json, with a picture of the closest pairs beside it, or of a table a summary of its
    columns. DataError, ConfigError, RunError.
    """
    if count is not None and count < LEAST:
        raise ConfigError(f"{count} samples were requested; a judgement needs at least {LEAST} on each side.")
    found = _sets(subject, against, training, settings or {}, data, generator, lambda done, all: progress(done, all, "reading"))
    most = max(LEAST, ROOM // found.training[:1].nbytes)
    n = min(count or MOST, most, len(found.held_out), len(found.training), *([found.most] if found.most is not None else []))
    if n < LEAST:
        raise DataError(
            f"found {len(found.training)} training, {len(found.held_out)} held-out and {found.most or 'any number of'} generated samples; "
            f"a judgement needs at least {LEAST} of each. Train with a larger data.held_out, or give more real data with --against."
        )
    if found.folder is not None:
        evaluations(found.folder)  # a file that cannot be added to is told of now, not when all is done
    return _judge(found, n, extractor, weights, seed, command, progress)


def _judge(
    found: Sets, n: int, extractor: str | Extractor | None, weights: str | Path | None, seed: int, command: str, progress: Progress
) -> Evaluation:
    seer = _extractor(extractor, weights, found, progress)
    held, trained, copied = (
        part.some(count, seed, purpose)
        for part, count, purpose in ((found.held_out, n, "held out"), (found.training, SEARCHED, "training"), (found.training, n, "copy"))
    )
    made, labels = found.draw(n, seed)
    noise = shuffled(held[:], seed)
    schema = found.facts.get("schema")
    table = None if schema is None else Learned.of(schema)
    smote = None if table is None else table.smote(trained[:], n, seed)
    classes = found.classes if labels is not None else ()

    def see(raw: Rows, of: np.ndarray | None, words: str) -> Seen:
        x = features.extract(seer, raw, progress=lambda done, all: progress(done, all, words))
        return Seen(x, torch.from_numpy(of) if classes and of is not None else None, seer.probabilities(x))

    evidence = Evidence(
        training=see(trained, trained.labels_among(classes), "training samples"),
        held_out=see(held, held.labels_among(classes), "held-out samples"),
        generated=see(made, labels, "generated samples"),
        copied=see(copied, copied.labels_among(classes), "copies, a control"),
        noise=see(noise, held.labels_among(classes), "noise, a control"),
        classes=classes,
        known=found.known,
        smote=None if smote is None else see(smote, None, "SMOTE, a control"),
    )
    progress(0, 1, "comparing")
    if table is None or smote is None:
        sides, scores = None, judgement.scores(evidence, seed)
        verdicts = judgement.verdicts(scores, found.known)
    else:
        sides = table.sides(found.known, training=trained[:], held_out=held[:], generated=made, copied=copied[:], noise=noise, smote=smote)
        scores = table_judgement.scores(evidence, sides, seed, progress)
        verdicts = table_judgement.verdicts(scores, found.known)
    evaluation = Evaluation(
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        subject=found.subject,
        conditions={
            **found.about,
            "extractor": seer.name,
            **seer.conditions,
            "generated": n,
            "held_out": len(held),
            "training": len(trained),
            "seed": seed,
        },
        scores=scores,
        verdicts=verdicts,
        warnings=_warnings(found, n, seer),
    )
    if found.folder is not None:
        pairs = closest(nearest(evidence.generated.features, evidence.training.features), PAIRS)
        if table is None or sides is None:
            _gallery(found, made, trained, pairs, found.folder)
        else:
            write_json(found.folder.columns, table.summary(sides, seed, made, trained[:], pairs[: judged_rows.PAIRS]).to_dict())
        add(found.folder, evaluation)
    progress(1, 1, "comparing")
    return evaluation


def _sets(
    subject: str | Path | Run,
    against: str | Path | None,
    training: str | Path | None,
    settings: Mapping[str, Any],
    data: Any,
    generator: torch.nn.Module | None,
    opening: Callable[[int, int], None],
) -> Sets:
    if isinstance(subject, Run) or sets.is_run(subject):
        if training is not None or settings:
            raise ConfigError("a run knows its training data and their form. Leave --training, --size and --channels out.")
        run = subject if isinstance(subject, Run) else Run(subject, generator)
        return sets.of_run(run, against, data, opening)
    if not Path(subject).exists():
        raise DataError(f"{subject} does not exist. Give a run, an exported generator, or samples in a folder or a file.")
    if against is None:
        raise ConfigError(f"{subject} is not a run, so there are no real data to compare it with. Give them with --against.")
    if artefact.is_artefact(subject):
        return sets.of_export(subject, Generator.load(subject, generator), against, training, settings, opening)
    return sets.of_data(subject, against, training, settings, opening)


def _extractor(asked: str | Extractor | None, weights: str | Path | None, found: Sets, progress: Progress) -> Extractor:
    if asked is not None and not isinstance(asked, str):
        return asked
    return features.choose(
        asked,
        found.training.collection,
        found.training.members,
        found.held_out.collection,
        found.held_out.members,
        weights=weights,
        device=automatic_device(Recipe()),
        progress=lambda done, all: progress(done, all, "training features"),
    )


def shuffled(raw: np.ndarray, seed: int) -> np.ndarray:
    """The control without structure: every number of a sample taken from another sample, so that each alone looks right.

    raw [N, ...] -> [N, ...], the same values at each place, in an order of its own.
    """
    source = np.random.default_rng(seed_of(seed, "shuffled"))
    flat = raw.reshape(len(raw), -1)
    mixed = np.empty_like(flat)
    at_once = max(1, SHUFFLED // len(raw))
    for start in range(0, flat.shape[1], at_once):
        columns = flat[:, start : start + at_once]
        order = np.argsort(source.random(columns.shape, dtype=np.float32), axis=0)
        mixed[:, start : start + at_once] = np.take_along_axis(columns, order, 0)
    return mixed.reshape(raw.shape)


def _warnings(found: Sets, n: int, seer: Extractor) -> tuple[str, ...]:
    said = []
    if n < FEW:
        said.append(f"Only {n} samples on each side: the intervals are wide, and small faults go unnoticed.")
    if not found.known:
        said.append("The training data are not known, so nothing is said about originality. Give them with --training.")
    if found.classes and any(p.labels is not None and p.labels_among(found.classes) is None for p in (found.held_out, found.training)):
        said.append(
            f"The real samples have classes that are not among {', '.join(found.classes[:10])}; there are no scores class by class."
        )
    if len(found.training) > SEARCHED:
        said.append(f"Copies were looked for among {SEARCHED:,} of the {len(found.training):,} training samples.")
    if seer.name in ("pixels", "values") and len(found.facts["shape"]) > 2:
        classes = len(found.training.collection.classes) > 1
        better = "--extractor classifier gives" if classes else "Labels, or --extractor inception, give"
        said.append(f"Scores are computed on plain pixels, which see shape and colour but little meaning. {better} better features.")
    return tuple(said)


def _gallery(found: Sets, made: np.ndarray, trained: Part, pairs: Sequence[Pair], folder: RunFolder) -> None:
    """closest.png: the generated samples that lie nearest to a training sample, in a row, and these training samples below them."""
    below = trained[np.array([pair.training for pair in pairs])]
    picture = found.domain.fit(found.training.collection).picture(
        np.concatenate([made[[pair.fake for pair in pairs]], below]), columns=len(pairs)
    )
    with replacing(folder.closest) as temporary:
        picture.save(temporary, "PNG")
