"""From right and wrong answers to scores, differences and words.

Letters: S seeds, n test samples, K classes. right [S, n] says which test samples a model of each seed named rightly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from gansmith.downstream.arms import ALL, BOTH, CLASSICAL, NOISE, REAL, REPEATED, SYNTHETIC
from gansmith.records import Arm, Difference, Estimate, Setting, Verdict

Answer = Literal["helps", "no measurable effect", "harms", "not measured"]

PRIMARY = (ALL, CLASSICAL)
CONTROL = (ALL, NOISE)  # where a class is rare
PAIRS = (PRIMARY, CONTROL, (BOTH, CLASSICAL), (BOTH, REAL), (BOTH, REPEATED), (SYNTHETIC, REAL), (CLASSICAL, REAL))
WITHOUT = (REAL, CLASSICAL, REPEATED)  # arms that hold no synthetic sample
NORMAL = 1.96  # standard deviations of a normal distribution on either side of its middle that hold 95 % of it
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


def test_error(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> float:
    """Standard error of the difference of two balanced accuracies that comes from the choice of the test samples.

    a, b [S, n], labels [n]. The n differences, each a mean over seeds, are taken as a sample of their class:
    sqrt(sum over classes of var_k / n_k) / K.
    """
    change = a.mean(0) - b.mean(0, dtype=float)
    parts = [change[labels == k] for k in np.unique(labels)]
    return math.sqrt(sum(p.var() / max(len(p) - 1, 1) for p in parts)) / len(parts)


def widened(estimate: Estimate, error: float) -> Estimate:
    """An interval with an independent standard error added in squares."""
    low, high = (math.hypot(end - estimate.value, NORMAL * error) for end in (estimate.low, estimate.high))
    return Estimate(estimate.value, estimate.value - low, estimate.value + high)


def points(estimate: Estimate) -> str:
    """'+1.8 points (0.9 to 2.6)': in hundredths, with a second digit where the interval is narrow."""
    digits = 1 if estimate.high - estimate.low >= 0.005 else 2
    value, low, high = (round(100 * n, digits) + 0.0 for n in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.{digits}f} points ({low:.{digits}f} to {high:.{digits}f})"


def answer(arms: Mapping[str, Arm], differences: Sequence[Difference]) -> tuple[Answer, str]:
    """The answer of one setting and its sentence.

    It helps where the interval of the primary difference lies above zero, no arm without synthetic samples did better still, and, where
    there is a control with noise, the interval of the difference from this lies above zero too; it harms where the first lies below.
    """
    primary = _between(PRIMARY, differences)
    if primary is None:
        return "not measured", "not measured: " + "; ".join(f"{n} failed, {arms[n].failed}" for n in PRIMARY if arms[n].failed)
    told = f"{points(primary)} over {CLASSICAL}"
    if primary.high < 0:
        return "harms", f"harms: {told}"
    if primary.low <= 0:
        return "no measurable effect", f"no measurable effect: {told}"
    but = _objection(arms, differences)
    return ("no measurable effect", f"no measurable effect: {told}, but {but}") if but else ("helps", f"helps: {told}")


def _between(pair: tuple[str, str], differences: Sequence[Difference]) -> Estimate | None:
    """The difference of two arms, where both were measured."""
    return next((d.estimate for d in differences if (d.arm, d.against) == pair), None)


def _objection(arms: Mapping[str, Arm], differences: Sequence[Difference]) -> str:
    """Why a gain over the rival is none of the synthetic samples; empty where nothing speaks against it."""
    best = max((arms[name] for name in WITHOUT if arms[name].scores), key=mean)
    ahead = mean(best) - mean(arms[ALL])
    if ahead > 0:
        return f"{best.name} did better still, by {100 * ahead:.1f} points"
    if NOISE not in arms:
        return ""
    control = _between(CONTROL, differences)
    if control is None:
        return f"{NOISE} failed, so that nothing says whether noise would gain as much"
    if control.low <= 0:
        return f"noise in the place of the samples gains as much, as far as can be measured: {points(control)} over it"
    return ""


def mean(arm: Arm) -> float:
    """Mean score of an arm over its seeds."""
    return float(np.mean(arm.scores))


def verdict(settings: Sequence[Setting]) -> Verdict:
    """The word useful over all settings: yes where all help, partly where some do, no where none does, unknown where none was measured."""
    decided = (PRIMARY, CONTROL) if any(_between(CONTROL, s.differences) for s in settings) else (PRIMARY,)
    because = tuple(f"balanced accuracy of {arm} against {against}" for arm, against in decided)
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
            f"Trained on synthetic samples alone the model falls {100 * min(behind):.0f} points behind real ones: "
            "train the generator longer, and look at what 'gansmith evaluate' says of its samples."
        )
    if any(NOISE in a for a in arms):
        return (
            "A model that names the rare class more often can gain without a generator, for example by a lower threshold for that class. "
            "For more than that, train the generator longer, or on more samples of the class."
        )
    return (
        "Synthetic samples alone teach nearly as much as real ones, so more of them add little: a gain is likelier with fewer real samples "
        "of a class, where one class is rare, or at another ratio; try these."
    )
