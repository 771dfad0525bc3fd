"""From what models say of test samples to scores, differences and words.

Two measures. Balanced accuracy asks whether the class that is named is right; it moves with the threshold from which a class is named,
and whatever makes a rare class more frequent moves that. The area under the ROC curve asks whether samples of a class are taken to be
likelier of it than others are; no threshold moves it.

Letters: S seeds, n test samples, K classes. right [S, n] says which test samples a model of each seed named rightly, pulls [S, n] what each
test sample adds to the area.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from gansmith.downstream.arms import ALL, BOTH, CLASSICAL, NOISE, REAL, REPEATED, SYNTHETIC
from gansmith.metrics.spread import student_quantile
from gansmith.records import Arm, Difference, Estimate, Setting, Verdict

Answer = Literal["helps", "no measurable effect", "harms", "not measured"]

PRIMARY = (ALL, CLASSICAL)
CONTROL = (ALL, NOISE)  # where a class is rare
PAIRS = (PRIMARY, CONTROL, (ALL, REAL), (BOTH, CLASSICAL), (BOTH, REAL), (BOTH, REPEATED), (SYNTHETIC, REAL), (CLASSICAL, REAL))
RANKED = (PRIMARY, (ALL, REAL))  # pairs whose ranking may take a "helps" away
WITHOUT = (REAL, CLASSICAL, REPEATED)  # arms that hold no synthetic sample
FAR = 0.05  # of balanced accuracy: synthetic samples alone fall so far behind real ones that they are what must improve


def recalls(right: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Share of each class that was named rightly.  right [S, n], labels [n] -> [S, K]; NaN for a class without a test sample"""
    found = np.full((len(right), classes), np.nan)
    for k in np.unique(labels):
        found[:, k] = right[:, labels == k].mean(1)
    return found


def balanced_accuracy(right: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean of the classes' recalls, so that a rare class counts as much as another; accuracy where classes are alike.
    right [S, n], labels [n] -> [S]"""
    return np.nanmean(recalls(right, labels, int(labels.max()) + 1), axis=1)


def test_reach(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> float:
    """How far the difference of two balanced accuracies reaches to either side because of the choice of the test samples, at 95 %.

    a, b [S, n], labels [n]. The n differences, each a mean over seeds, are taken as a sample of their class (`_reach_of_sum`).
    """
    change = a.mean(0) - b.mean(0, dtype=float)
    sizes = np.bincount(labels)
    return _reach_of_sum(change / (np.count_nonzero(sizes) * sizes[labels]), labels)


def _reach_of_sum(parts: np.ndarray, labels: np.ndarray) -> float:
    """Half the 95 % interval of the sum of what each test sample adds [n]; those of a class, labels [n], are a sample of their own.

    The variance of a class is that of its samples and of one more, whose square is what a sample has on average over all classes:
    a class with one test sample, or with five that happen to agree, has no variance of its own, and an interval without it would hold
    nothing. Degrees of freedom by Welch and Satterthwaite (doi:10.2307/3002019).
    """
    own = [len(p) * p for p in (parts[labels == k] for k in np.unique(labels))]  # the sum of a class is the mean of these
    usual = sum(float((x**2).mean()) for x in own) / len(own)
    squares = [(len(x) * float(x.var()) + usual) / len(x) ** 2 for x in own]  # of the standard errors of the means
    if not any(squares):
        return 0.0
    freedom = sum(squares) ** 2 / sum(s**2 / len(x) for s, x in zip(squares, own, strict=True))
    return student_quantile(freedom) * math.sqrt(sum(squares))


def pulls(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What each test sample adds to the area under the ROC curve, the mean over classes of each class against the rest. Every pair of a
    sample of a class and one of another, ties half, is added to both, so that half of the sum is the area (`area`), and the spread of the
    parts within a class is DeLong's (doi:10.2307/2531595), for more than two classes as for two.

    scores [n, K], higher for the likelier class; labels [n], of at least two classes -> [n]
    """
    found, present = np.zeros(len(labels)), np.unique(labels)
    for k in present:
        own = labels == k
        for here, sign in ((own, 1), (~own, -1)):
            x, others = sign * scores[here, k], np.sort(sign * scores[~here, k])
            below = np.searchsorted(others, x) + np.searchsorted(others, x, side="right")
            found[here] += below / (2 * len(others) * here.sum() * len(present))
    return found


def area(pulls: np.ndarray) -> np.ndarray:
    """Area under the ROC curve: 0.5 is chance, 1 a perfect ranking.  pulls [S, n] -> [S]"""
    return pulls.sum(1) / 2


def ranking_reach(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> float:
    """The same of the difference of two areas.  pulls a, b [S, n], labels [n]"""
    return _reach_of_sum(a.mean(0) - b.mean(0), labels)


def widened(estimate: Estimate, reach: float) -> Estimate:
    """An interval with half of another, independent one added in squares."""
    low, high = (math.hypot(end - estimate.value, reach) for end in (estimate.low, estimate.high))
    return Estimate(estimate.value, estimate.value - low, estimate.value + high)


def points(estimate: Estimate) -> str:
    """'+1.8 points (0.9 to 2.6)': in hundredths, with a second digit where the interval is narrow."""
    digits = 1 if estimate.high - estimate.low >= 0.005 else 2
    value, low, high = (round(100 * n, digits) + 0.0 for n in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.{digits}f} points ({low:.{digits}f} to {high:.{digits}f})".replace("-", "−")


def answer(arms: Mapping[str, Arm], differences: Sequence[Difference]) -> tuple[Answer, str]:
    """The answer of one setting and its sentence.

    It helps where the interval of the primary difference lies above zero, no arm without synthetic samples did better still, the test
    samples are not ranked worse for it, and, where there is a control with noise, the interval of the difference from this lies above zero
    too; it harms where the first lies below.
    """
    primary = _between(PRIMARY, differences)
    if primary is None:
        return "not measured", "not measured: " + "; ".join(f"{n} failed, {arms[n].failed}" for n in PRIMARY if arms[n].failed)
    told = f"{points(primary)} over {CLASSICAL}"
    if primary.high < 0:
        return "harms", f"harms: {told}"
    if primary.low <= 0:
        return "no measurable effect", f"no measurable effect: {told}"
    if but := _objection(arms, differences):
        return "no measurable effect", f"no measurable effect: {told}, but {but}"
    ranking = _ranking(PRIMARY, differences)
    return "helps", f"helps: {told}" + (f", and {points(ranking)} of ROC area" if ranking else "")


def _between(pair: tuple[str, str], differences: Sequence[Difference]) -> Estimate | None:
    """The difference of two arms, where both were measured."""
    return next((d.estimate for d in differences if (d.arm, d.against) == pair), None)


def _ranking(pair: tuple[str, str], differences: Sequence[Difference]) -> Estimate | None:
    """The difference of two arms' areas under the ROC curve, where both have one."""
    return next((d.ranking for d in differences if (d.arm, d.against) == pair), None)


def _objection(arms: Mapping[str, Arm], differences: Sequence[Difference]) -> str:
    """Why a gain over the rival is none of the synthetic samples; empty where nothing speaks against it."""
    best = max((arms[name] for name in WITHOUT if arms[name].scores), key=mean)
    ahead = mean(best) - mean(arms[ALL])
    if ahead > 0:
        return f"{best.name} was even better, by {100 * ahead:.1f} points"
    for pair in RANKED:
        ranking = _ranking(pair, differences)
        if ranking and ranking.high < 0:
            return (
                f"the test samples are ranked worse than by {pair[1]}, {points(ranking)} of ROC area: moving the threshold would do as much"
            )
    if NOISE not in arms:
        return ""
    control = _between(CONTROL, differences)
    if control is None:
        return f"{NOISE} failed, so it is unknown whether noise would gain as much"
    if control.low <= 0:
        return f"as far as can be measured, noise instead of the samples gains as much: {points(control)} over noise"
    return ""


def mean(arm: Arm) -> float:
    """Mean score of an arm over its seeds."""
    return float(np.mean(arm.scores))


def verdict(settings: Sequence[Setting]) -> Verdict:
    """The word useful over all settings: yes where all help, partly where some do, no where none does, unknown where none was measured."""
    decided = (PRIMARY, CONTROL) if any(_between(CONTROL, s.differences) for s in settings) else (PRIMARY,)
    because = tuple(f"balanced accuracy of {arm} against {against}" for arm, against in decided)
    because += tuple(f"ROC area of {' against '.join(pair)}" for pair in RANKED if any(_ranking(pair, s.differences) for s in settings))
    measured = [s for s in settings if _between(PRIMARY, s.differences)]
    if not measured:
        return Verdict("useful", "unknown", settings[0].sentence, because)
    helping = [s for s in measured if s.answer == "helps"]
    if len(measured) == 1:
        said = measured[0].sentence
    else:
        counts = {w: sum(s.answer == w for s in measured) for w in ("helps", "no measurable effect", "harms")}
        said = f"of {len(measured)} settings: " + ", ".join(f"{n} {w!r}" for w, n in counts.items() if n)
        said += "".join(f"; {s.title}: {s.sentence}" for s in helping[:1])
    if helping:
        return Verdict("useful", "yes" if len(helping) == len(measured) else "partly", said, because)
    return Verdict("useful", "no", f"{said}. {advice(measured)}", because)


def advice(settings: Sequence[Setting]) -> str:
    """What to try where synthetic samples do not help."""
    arms = [{a.name: a for a in s.arms} for s in settings]
    behind = [mean(a[REAL]) - mean(a[SYNTHETIC]) for a in arms if a[REAL].scores and a[SYNTHETIC].scores]
    if behind and min(behind) > FAR:
        return (
            f"Trained on synthetic samples alone, the model is {100 * min(behind):.0f} points behind one trained on real samples: "
            "train the generator longer, and look at what 'gansmith evaluate' says of its samples."
        )
    if any(NOISE in a for a in arms):
        return (
            "A model that predicts the rare class more often can gain without a generator, for example with a lower threshold for it. "
            "For more than that, train the generator longer, or on more samples of the class."
        )
    return (
        "Synthetic samples alone teach nearly as much as real ones, so more of them add little: a gain is likelier with fewer real samples "
        "per class, with a rare class, or at another ratio; try these."
    )
