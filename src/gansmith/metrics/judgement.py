"""From features to answers: every metric on the samples and on controls whose answer is known, and the verdicts that these force.

A number alone says nothing: a copy of the training set has the best distance there is, and some metrics like noise. So each is also
taken of held-out real samples (the floor: as good as samples can be), of copies of training samples (must look faithful and not
original) and of shuffled numbers (must look like nothing). A metric whose controls come out in the wrong order, or too close together to be
told apart, decides nothing, but that samples clearly below both held-out and shuffled ones are bad.

Faithful and diverse are judged against a part of the training samples, as many as there are generated ones; original against all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from gansmith.errors import DataError
from gansmith.metrics.frechet import frechet_left_out, frechet_of
from gansmith.metrics.inception import inception_scores
from gansmith.metrics.kernel import mmd2, mmd2_estimate
from gansmith.metrics.neighbours import (
    Distances,
    Manifold,
    Overlap,
    authenticity,
    data_copying,
    distance_ratio,
    near_copies,
    nearest,
    overlap,
)
from gansmith.metrics.sliced import sliced_wasserstein
from gansmith.metrics.spread import bootstrap, extrapolated, jackknife, left_out, student
from gansmith.metrics.twosample import two_sample
from gansmith.randomness import stream
from gansmith.records import Answer, Estimate, Score, Verdict, Word

NEIGHBOURS = 5
BLOCKS = 20  # of a jackknife at most
SPLITS = 10  # of the inception-type score at most
LEAST = 20  # samples on each side
OF_A_CLASS = 30  # samples on each side, from which on a class has scores of its own
YES, PARTLY = 0.85, 0.6  # of the way from noise to held-out real samples
COPIED, SUSPECT = 0.1, 0.03  # share of samples that are near-copies beyond those that chance makes
DIRECTIONS = 128  # of the sliced distance
POOR = 5  # classes of one verdict that are named

# A metric decides only where the way from noise to held-out samples is five times as long as its interval reaches to one side: on a shorter
# one, chance alone (on both ends, 1.4 times as far) would take more than one perfect generator in seven below YES.
REACHES = 5
SIDE = 1.96  # standard errors that a 95 % interval reaches to one side


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known of one set of samples: features [N, D], and where there are classes, indices [N] and a classifier's odds [N, K]."""

    features: Tensor
    labels: Tensor | None = None
    odds: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)

    def only(self, rows: Tensor) -> Seen:
        """The samples at these indices, or where a mask is true."""
        return Seen(self.features[rows], *(None if x is None else x[rows] for x in (self.labels, self.odds)))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that a judgement rests on. `known`: the generator learned from `training`, so that copies of it would be found there."""

    training: Seen
    held_out: Seen
    generated: Seen
    copied: Seen
    noise: Seen
    classes: tuple[str, ...] = ()
    known: bool = True
    smote: Seen | None = None  # of tables: a fourth control


def scores(found: Evidence, seed: int, apart: bool = True) -> tuple[Score, ...]:
    """Every metric that has a meaning for these sets, with its interval and controls; then precision and coverage of each class.

    `apart`: also how far apart the sets are as a whole, by distances of distributions and a two-sample test, which take much of the time.
    DataError for fewer than LEAST samples on a side.
    """
    small = min(len(found.training), len(found.held_out), len(found.generated))
    if small < LEAST:
        raise DataError(f"found {small} samples on one side; a judgement needs at least {LEAST} on each. Give more samples.")
    reference = _Reference.of(found, len(found.generated), seed, apart)
    own = reference.exactly(found.generated)
    floor, copy, noise = (reference.control(x) for x in (found.held_out, found.copied, found.noise))
    smote = reference.control(found.smote) if found.smote is not None else {}
    reaches = {metric: reach(values) for metric, values in reference.floors.items()}
    whole = [scored(m, MEANINGS[m], own[m], floor.get(m), copy.get(m), noise.get(m), smote=smote.get(m)) for m in MEANINGS if m in own]
    whole = [sure(score, reaches[score.metric]) if score.metric in reaches else score for score in whole]
    return (*whole, *(score for index, name in enumerate(found.classes) for score in _of_class(found, index, name, seed)))


@dataclass(frozen=True)
class Meaning:
    """What a metric tells of, and which way is better."""

    word: Word
    better: Literal["lower", "higher"]
    note: str = ""
    blind: bool = False  # noise comes out as good as real samples, whatever the data


COPIES = "near-copies"
INFINITE = "Fréchet distance, N → ∞"  # has no controls: the finite one's are as good, and these would cost most of the time
MEANINGS: Mapping[str, Meaning] = {
    "precision": Meaning("faithful", "higher", "share of samples that lie close to real ones"),
    "density": Meaning("faithful", "higher", "how many real samples lie around each sample; about 1 is perfect"),
    "two-sample AUC": Meaning("faithful", "lower", "how well a classifier tells generated from real samples; 0.5 is chance"),
    "Fréchet distance": Meaning("faithful", "lower"),
    INFINITE: Meaning("faithful", "lower"),
    "kernel distance": Meaning("faithful", "lower"),
    "sliced Wasserstein distance": Meaning("faithful", "lower"),
    "inception-type score": Meaning("faithful", "higher"),
    "label agreement": Meaning("faithful", "higher", "share of samples to which a classifier gives the label they were generated for"),
    "recall": Meaning("diverse", "higher", "share of real samples that lie close to generated ones"),
    "coverage": Meaning("diverse", "higher", "share of real samples with a generated one nearby"),
    COPIES: Meaning("original", "lower", "share of samples closer to a training sample than all but 5 % of held-out samples are"),
    "authenticity": Meaning("original", "higher"),
    "distance ratio": Meaning("original", "higher", "ratio of the distances to training and to held-out samples; 1 is perfect"),
    "data copying C_T": Meaning("original", "higher", "about 0 is perfect, well below is copying"),
}
# Not recall: noise lies far out, where balls are wide, and reaches nearly as many real samples as held-out ones do.
DECIDING: Mapping[Word, tuple[str, ...]] = {
    "faithful": ("precision", "density"),
    "diverse": ("coverage",),
    "original": (COPIES,),
}


@dataclass(frozen=True, eq=False)
class _Reference:
    """What every set is measured against, gathered once: as many training features as there are generated ones, and all of them."""

    found: Evidence
    some: Tensor
    manifold: Manifold
    seed: int
    apart: bool

    @classmethod
    def of(cls, found: Evidence, count: int, seed: int, apart: bool) -> _Reference:
        order = torch.randperm(len(found.training), generator=stream(seed, "reference"))[:count].sort().values
        some = found.training.features[order]
        return cls(found, some, Manifold.of(some, NEIGHBOURS), seed, apart)

    def values(self, own: Seen) -> dict[str, Tensor]:
        """Of the metrics that are means: one value for each sample."""
        balls = overlap(self.manifold, Manifold.of(own.features, NEIGHBOURS))
        found = {"precision": balls.precision, "density": balls.density, "recall": balls.recall, "coverage": balls.coverage}
        if own.odds is not None and own.labels is not None and own.odds.shape[1] == len(self.found.classes):
            found["label agreement"] = (own.odds.argmax(1) == own.labels).float()
        return found

    def exactly(self, own: Seen) -> dict[str, Estimate]:
        """Every metric with its interval."""
        x, real, seed = own.features, self.some, self.seed
        found = {metric: bootstrap(values, seed) for metric, values in self.values(own).items()}
        if self.apart:
            found["two-sample AUC"] = two_sample(real, x, seed).auc
            blocks = min(BLOCKS, len(x) // 2)
            distances = frechet_left_out(real, x, seed, blocks)
            found["Fréchet distance"], found[INFINITE] = left_out(*distances), extrapolated(*distances)
            found["kernel distance"] = mmd2_estimate(real, x, seed, blocks)
            found["sliced Wasserstein distance"] = jackknife(
                lambda a, b: sliced_wasserstein(a, b, seed, DIRECTIONS), real, x, seed=seed, blocks=blocks
            )
        if own.odds is not None:
            found["inception-type score"] = student(inception_scores(own.odds, seed, _splits(own)))
        if self.found.known:
            near = self._distances(own)
            found["near-copies"] = bootstrap(near_copies(near).copies, seed)
            found["authenticity"] = bootstrap(authenticity(near), seed)
            if (ratio := self._ratio(near)) is not None:
                found["distance ratio"] = ratio
            found["data copying C_T"] = self._copying(near, own)
        return found

    def control(self, own: Seen) -> dict[str, float]:
        """The values alone, of a set whose answer is known."""
        x, real, seed = own.features, self.some, self.seed
        means = self.floors if own is self.found.held_out else self.values(own)
        found = {metric: float(values.mean()) for metric, values in means.items()}
        if self.apart:
            found["two-sample AUC"] = two_sample(real, x, seed).auc.value
            found["Fréchet distance"] = frechet_of(real, x)
            found["kernel distance"] = mmd2(real, x)
            found["sliced Wasserstein distance"] = sliced_wasserstein(real, x, seed, DIRECTIONS)
        if own.odds is not None:
            found["inception-type score"] = float(inception_scores(own.odds, seed, _splits(own)).mean())
        if self.found.known:
            near = self._distances(own)
            copies = near_copies(near)
            found["authenticity"] = float(authenticity(near).mean())
            if own is self.found.held_out:  # these are measured by held-out samples: what those would have themselves is known beforehand
                found |= {"near-copies": copies.expected, "distance ratio": 1.0, "data copying C_T": 0.0}
            else:
                found["near-copies"] = float(copies.copies.mean())
                if (ratio := self._ratio(near)) is not None:
                    found["distance ratio"] = ratio.value
                found["data copying C_T"] = self._copying(near, own).value
        return found

    @cached_property
    def floors(self) -> dict[str, Tensor]:
        """`values` of held-out samples."""
        return self.values(self.found.held_out)

    @cached_property
    def _known(self) -> Distances:
        """Of the held-out samples in the place of generated ones."""
        training, held_out = self.found.training.features, self.found.held_out.features
        return Distances.of(held_out, training, held_out)

    def _distances(self, own: Seen) -> Distances:
        if own is self.found.held_out:
            return self._known
        near, far = (nearest(own.features, x.features) for x in (self.found.training, self.found.held_out))
        return replace(self._known, fake_to_training=near, fake_to_held_out=far.distance[:, 0])

    def _ratio(self, near: Distances) -> Estimate | None:
        """None where all of a set coincide with others, as rows of few categories may: then distances are 0, and have no ratio."""
        try:
            return distance_ratio(near)
        except DataError:
            return None

    def _copying(self, near: Distances, own: Seen) -> Estimate:
        return data_copying(near, own.features, self.found.training.features, self.found.held_out.features, self.seed, cells=1)


def _splits(own: Seen) -> int:
    return min(SPLITS, len(own) // 10)


def scored(
    metric: str,
    meaning: Meaning,
    estimate: Estimate,
    floor: float | None,
    copy: float | None,
    noise: float | None,
    label: str | None = None,
    smote: float | None = None,
) -> Score:
    """A score, reliable where the control that must be worse than held-out samples is: copies of originality, noise of all else.

    Of near-copies, copies must be worse by more than a verdict asks for: otherwise even a copier would pass.
    """
    worst = copy if meaning.word == "original" else None if meaning.blind else noise
    least = COPIED if metric == COPIES else 0.0
    reliable = floor is None or worst is None or (worst - floor if meaning.better == "lower" else floor - worst) > least
    control = "copies of training samples" if meaning.word == "original" else "shuffled values"
    wrong = f"{control} come out {'hardly' if least else 'no'} worse than held-out real samples"
    note = meaning.note if reliable else noted(meaning.note, wrong)
    return Score(metric, meaning.word, meaning.better, estimate, floor, copy, noise, reliable, note, label, smote)


def noted(note: str, wrong: str) -> str:
    """A note, and why the score is unreliable."""
    return "; ".join(part for part in (note, f"unreliable here: {wrong}") if part)


def sure(score: Score, reach: float | None = None) -> Score:
    """A score of faithful or diverse that is unreliable where the way from noise to held-out samples is short beside an interval.

    reach  of the interval of held-out samples to one side: whether controls can be told apart must not hang on what was generated. None: of
           the score's own
    """
    if score.word not in ("faithful", "diverse") or not score.reliable or score.floor is None or score.noise is None:
        return score
    side = (score.estimate.high - score.estimate.low) / 2 if reach is None else reach
    if abs(score.floor - score.noise) >= REACHES * side:
        return score
    return replace(score, reliable=False, note=noted(score.note, "shuffled values come out hardly worse than held-out real samples"))


def reach(values: Tensor) -> float:
    """How far the 95 % interval of the mean of values [N], of shares 0 or 1 each, reaches to one side.

    With two samples more that pass and two that do not: where all N pass, others may still not (Agresti and Coull, 1998).
    """
    padded = torch.cat([values, values.new_tensor([0.0, 0.0, 1.0, 1.0])])
    return SIDE * float(padded.std()) / len(padded) ** 0.5


def _of_class(found: Evidence, index: int, name: str, seed: int) -> list[Score]:
    """Precision and coverage of one class, where it has enough samples on each side; coverage alone where none was generated."""
    sides = (found.training, found.held_out, found.generated, found.copied, found.noise)
    training, held_out, generated, copied, noise = (x.only(x.labels == index) if x.labels is not None else x.only(_NONE) for x in sides)
    absent = found.generated.labels is not None and not len(generated)
    count = min(len(x) for x in (training, held_out, copied, noise, *([] if absent else [generated])))
    if count < OF_A_CLASS:
        return []

    def some(own: Seen) -> Manifold:
        """Of as many as there are on every side, drawn at random, for samples may come in an order."""
        chosen = torch.randperm(len(own), generator=stream(seed, "samples of a class", index))[:count]
        return Manifold.of(own.features[chosen], NEIGHBOURS)

    real = some(training)

    def measured(own: Seen) -> Overlap:
        return overlap(real, some(own))

    floor, copy, shuffled = (measured(x) for x in (held_out, copied, noise))

    def score(metric: str, own: Tensor, value: Callable[[Overlap], Tensor]) -> Score:
        at = [float(value(x).mean()) for x in (floor, copy, shuffled)]
        return sure(scored(metric, MEANINGS[metric], bootstrap(own, seed), at[0], at[1], at[2], name), reach(value(floor)))

    if absent:
        return [score("coverage", torch.zeros(count), lambda x: x.coverage)]
    own = measured(generated)
    return [score("precision", own.precision, lambda x: x.precision), score("coverage", own.coverage, lambda x: x.coverage)]


_NONE = torch.zeros(0, dtype=torch.int64)


# --- verdicts -------------------------------------------------------------------------------------------------------------------------


def verdicts(found: Sequence[Score], known: bool = True) -> tuple[Verdict, ...]:
    """The answers to faithful, diverse and original, and a fourth that only a proof can give.

    Faithful and diverse stand on the way that a score has gone from noise (0) to held-out real samples (1): its deciding metrics' least
    one. Original stands on the share of near-copies beyond what chance makes, as far as its interval leaves no doubt.
    """
    whole = [s for s in found if s.label is None]
    return (
        _closeness("faithful", whole, found),
        _closeness("diverse", whole, found),
        _originality(whole, known),
        Verdict("useful", "unknown", "Not measured yet: 'gansmith prove' trains a model with and without the samples."),
    )


def _closeness(word: Word, whole: Sequence[Score], found: Sequence[Score]) -> Verdict:
    deciding = [s for s in whole if s.metric in DECIDING[word] and s.reliable]
    if not deciding:
        return _beneath(word, whole)
    least = min(deciding, key=way)
    answer: Answer = "yes" if way(least) >= YES else "partly" if way(least) >= PARTLY else "no"
    sentence = _sentence(least)
    labelled = [s for s in found if s.label is not None and s.word == word and s.reliable and way(s) < PARTLY]
    poor = [str(s.label) for s in sorted(labelled, key=lambda s: (way(s), str(s.label)))]
    if poor:
        answer = "partly" if answer == "yes" else answer
        more = f" and {len(poor) - POOR} more" if len(poor) > POOR else ""
        sentence += f" Weakest: {', '.join(poor[:POOR])}{more}."
    return Verdict(word, answer, sentence, tuple(s.metric for s in deciding))


def _beneath(word: Word, whole: Sequence[Score]) -> Verdict:
    """The answer where controls cannot be told apart: nothing can then show that samples are good, but they may lie below all controls.

    How far below is measured from nothing (0) to the lower control (1), by the favourable end of the interval.
    """
    both = [(s, min(s.floor, s.noise)) for s in whole if s.metric in DECIDING[word] and s.floor and s.noise]
    reached, score = min(((s.estimate.high / lower, s) for s, lower in both), key=lambda pair: pair[0], default=(1.0, None))
    if score is None or reached >= YES:
        return Verdict(word, "unknown", "No metric works on these data: the controls come out in the wrong order, or too close to tell.")
    return Verdict(word, "partly" if reached >= PARTLY else "no", f"{_sentence(score)} Even shuffled values come closer.", (score.metric,))


def _sentence(score: Score) -> str:
    """What a deciding score says, beside what held-out samples have."""
    assert score.floor is not None
    shown, floor = score.estimate.value, score.floor
    return {
        "precision": f"{_share(shown)} of the samples lie close to real ones; {_share(floor)} of held-out real ones do.",
        "density": f"The density of real samples around the generated ones is {shown:.2f}; around held-out real ones it is {floor:.2f}.",
        "coverage": f"{_share(shown)} of the real samples have a generated one nearby; {_share(floor)} have a held-out real one nearby.",
    }[score.metric]


def way(score: Score) -> float:
    """How far a score has gone from noise (0) to held-out real samples (1); beyond these, 0 and 1."""
    assert score.floor is not None
    assert score.noise is not None
    gone = (score.estimate.value - score.noise) / (score.floor - score.noise)
    return min(1.0, max(0.0, gone))


def _originality(whole: Sequence[Score], known: bool) -> Verdict:
    if not known:
        return Verdict("original", "unknown", "The training data are not known, so copies of them cannot be looked for.")
    deciding = [s for s in whole if s.metric in DECIDING["original"] and s.reliable]
    if not deciding:
        return Verdict("original", "unknown", "No metric works on these data: copies come out hardly worse than held-out real samples.")
    score = deciding[0]
    chance = score.floor or 0.0
    beyond = score.estimate.low - chance
    answer: Answer = "no" if beyond > COPIED else "partly" if beyond > SUSPECT else "yes"
    share = _share(score.estimate.value)
    sentence = f"{share} of the samples count as near-copies of a training sample; {_share(chance)} of new real ones would."
    return Verdict("original", answer, sentence, (score.metric,))


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"
