"""What a search found, as plain values: enough to write its page, and to read in another program."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import torch

from gansmith.errors import RunError
from gansmith.metrics.spread import paired
from gansmith.records import Estimate
from gansmith.tuning.measure import Measured

FORMAT = 1

State = Literal["complete", "pruned", "failed"]
Arm = Literal["default", "found"]
ARMS: tuple[Arm, ...] = ("default", "found")


@dataclass(frozen=True)
class Trial:
    """One setting that was tried."""

    number: int
    state: State
    values: Mapping[str, Any]  # of the settings that were searched
    score: float | None  # on the part that the search was measured by; None where it ended early
    seconds: float
    share: float  # of its run that was done
    default: bool = False  # with the settings of the automatic recipe
    why: str = ""  # it failed
    run: str = ""  # its folder, below that of the search


@dataclass(frozen=True)
class Judged:
    """One run of the default or of the best found, measured by samples that the search never saw."""

    arm: Arm
    seed: int
    measured: Measured | None  # None where the run failed
    run: str  # its folder, below that of the search
    why: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` told of."""
        return cls(**{**values, "measured": Measured(**values["measured"]) if values["measured"] else None})


@dataclass(frozen=True)
class Found:
    """Everything that a search found.

    best       the number of the trial that came closest, the default aside; None where no other came to its end
    gain       share of the default's distance that the best found took away, over the seeds; None where there was nothing to compare
    winner     whose settings recipe.yaml holds: those found only where the interval of the gain lies above 0
    importance share of what made trials differ that is due to each setting; empty where too few were complete
    """

    name: str  # of the folder
    data: str
    fingerprint: str
    measure: str  # what a score is, in words
    minutes: float
    jobs: int
    trial_minutes: float
    final_minutes: float
    whole_minutes: float  # of a run of the default by itself
    space: Mapping[str, Any]
    values: Mapping[str, Any]  # of the searched settings in the default
    trials: tuple[Trial, ...]
    floor: float  # score of real samples that were trained on
    judged: tuple[Judged, ...]
    best: int | None
    gain: Estimate | None
    winner: Arm
    sentence: str
    importance: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0  # spent in all

    @property
    def closest(self) -> Trial | None:
        """The trial that is judged beside the default."""
        return next((t for t in self.trials if t.number == self.best), None)

    @property
    def default(self) -> Trial | None:
        """The trial of the automatic recipe."""
        return next((t for t in self.trials if t.default), None)

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """Settings in which the best found differs from the default: (the default's value, the one found)."""
        found = self.closest.values if self.closest else {}
        return {name: (self.values.get(name), value) for name, value in found.items() if self.values.get(name) != value}

    def of(self, arm: Arm) -> list[Judged]:
        """The runs of an arm, by seed."""
        return sorted((j for j in self.judged if j.arm == arm), key=lambda j: j.seed)

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` told of. RunError where a newer gansmith wrote it."""
        if values["format"] > FORMAT:
            raise RunError(
                f"this search has format {values['format']} and this gansmith reads up to {FORMAT}. Upgrade with: pip install -U gansmith"
            )
        judged = tuple(map(Judged.from_dict, values["judged"]))
        plain = {k: v for k, v in values.items() if k != "format"}
        gain = Estimate(**plain["gain"]) if plain["gain"] else None
        trials = tuple(Trial(**t) for t in plain["trials"])
        return cls(**{**plain, "trials": trials, "judged": judged, "gain": gain})


def gain(judged: Sequence[Judged]) -> Estimate | None:
    """Share of the default's distance that the found settings took away, with its 95 % interval over seeds; negative where they added.

    Of each seed the logarithm of the ratio of both scores: settings make a distance a share smaller, not a number. None for fewer than 3
    seeds of which both runs came to their end.
    """
    score = {(j.arm, j.seed): j.measured.score for j in judged if j.measured is not None}
    both = [seed for arm, seed in score if arm == "found" and ("default", seed) in score]
    if len(both) < 3:
        return None
    ratios = [math.log(score["default", seed] / score["found", seed]) for seed in sorted(both)]
    over = paired(torch.tensor(ratios, dtype=torch.float64))
    value, low, high = (1 - math.exp(-x) for x in (over.value, over.low, over.high))
    return Estimate(value, low, high)


def closest(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial of least score, the earliest of several; None where none is complete."""
    return min((t for t in trials if t.score is not None), key=lambda t: t.score or 0.0, default=None)


def rival(trials: Sequence[Trial]) -> Trial | None:
    """The trial that came closest, the default aside."""
    return closest([t for t in trials if not t.default])


def failure(trials: Sequence[Trial], which: str = "") -> str:
    """What trials have in common of which none came to its end. `which`: a word about them, and a space."""
    several = [t for t in trials if t.why]
    kind, count = Counter(_kind(t.why) for t in several).most_common(1)[0]
    why = next(t.why for t in several if _kind(t.why) == kind)
    if len(trials) == 1:
        return f"the one {which}trial failed, with this: {why}"
    return f"all {len(trials)} {which}trials failed, {'each' if count == len(trials) else f'{count} of them'} with this: {why}"


def _kind(why: str) -> str:
    """A cause without its numbers and what is named by them: the step and the layer differ from trial to trial."""
    return re.sub(r"\S*\d\S*", "#", why)


def decide(
    judged: Sequence[Judged], best: Trial | None, trials: Sequence[Trial] = (), minutes: int | None = None
) -> tuple[Estimate | None, Arm, str]:
    """(gain, whose settings are to be used, the sentence that says so).

    trials   all that there were
    minutes  that would be enough for more of them; None where time was not what ended the search
    """
    if best is None:
        others = [t for t in trials if not t.default]
        if others and all(t.state == "failed" for t in others):
            told = failure(others, "other ")
            return None, "default", f"{told[0].upper()}{told[1:]} So recipe.yaml holds the default; narrow the space around it."
        mend = "Give the search more --trials." if minutes is None else f"Give the search more time: --minutes {minutes}."
        return None, "default", f"No trial except the default finished, so recipe.yaml holds the default. {mend}"
    over = gain(judged)
    failed = {arm: [j.seed for j in judged if j.arm == arm and j.measured is None] for arm in ARMS}
    if failed["found"]:
        told = f"Training with the best settings found failed with seed {failed['found'][0]}, so recipe.yaml holds the default."
        return over, "default", f"{told} They are in found.yaml."
    if over is None:
        told = f"Training with the default failed with {len(failed['default'])} seeds and with the best settings found with none"
        return None, "found", f"{told}; recipe.yaml holds them."
    seeds = len([j for j in judged if j.arm == "found"])
    told = f"{100 * abs(over.value):.0f} % {'closer to' if over.value >= 0 else 'farther from'} fresh data than those of the default"
    between = f"95 % interval of the gain over {seeds} seeds: {_percent(over.low)} to {_percent(over.high)}"
    if over.low > 0:
        return over, "found", f"Samples of the settings found are {told} ({between}); recipe.yaml holds them."
    first = "The default is better than anything found" if over.high < 0 else "Nothing found is clearly better"
    rest = f"samples of the best settings found, which are in found.yaml, are {told} ({between})."
    return over, "default", f"{first}, so recipe.yaml holds the default: {rest}"


def _percent(share: float) -> str:
    """With its sign, and one digit more where nothing else would be left but that; never a zero with a sign."""
    digits = 0 if round(100 * share) else 1
    return f"{100 * share:+.{digits}f} %".replace("-", "−") if round(100 * share, digits) else "0 %"
