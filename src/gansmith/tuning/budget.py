"""How the time of a search is spent: on trials first, then on judging what they found."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gansmith.errors import ConfigError

RESERVED = 0.4  # share of the time kept to train the default and the best found anew, with several seeds
PLANNED = 12  # trials of full length that the rest is cut into; some end early, so there are more
SEEDS = (5, 10)  # of either at least, and at most …
INTERVAL = 3  # … but where runs would then be too short: over fewer there is no interval, and over these it is a wide one
SHORTEST = 0.5  # of a trial's length, for which there must be time left to begin one, and which a run of the judgement has at least


@dataclass(frozen=True)
class Budget:
    """What may be spent: minutes of the clock, trials (None: as many as fit), processes at a time."""

    minutes: float
    trials: int | None = None
    jobs: int = 1

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ConfigError(f"the budget is {self.minutes:g} minutes, too little to try anything. Give --minutes above 0.")
        if math.isinf(self.minutes):
            raise ConfigError(
                "the budget is not finite, but the time has to be divided between trials and the judgement. Give --minutes a number."
            )
        if self.trials is not None and self.trials < 1:
            raise ConfigError(f"the budget is {self.trials} trials, which can find nothing. Give --trials above 0, or leave it out.")
        if self.jobs < 1:
            raise ConfigError(f"{self.jobs} processes were requested; --jobs takes 1 or more.")

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def search(self) -> float:
        """Seconds that trials may take."""
        return self.until(0.0)

    def until(self, since: float) -> float:
        """Seconds, of all that are spent, before which trials may begin, where the budget was raised when `since` were spent already."""
        return since + (self.seconds - since) * (1 - RESERVED)

    def trial(self, longest: float) -> float:
        """Seconds of a trial, no longer than `longest`."""
        return min(longest, self.search * self.jobs / (self.trials or PLANNED))


def begun_in(left: float, trial: float, jobs: int) -> int:
    """Trials of `trial` seconds each that are begun in `left` seconds, `jobs` at a time."""
    return max(math.ceil(left / trial - SHORTEST), 0) * jobs


def enough(spent: float, seconds: float) -> int:
    """Whole minutes of a budget that leaves so many seconds to trials where `spent` are spent already."""
    return math.ceil((spent + seconds / (1 - RESERVED)) / 60)


def judging(left: float, jobs: int, trial: float, longest: float) -> tuple[int, float]:
    """(seeds, seconds of each run) to train the default and the best found anew in `left` seconds.

    trial    seconds of a trial: settings are not judged by runs much shorter than those they were found by, at the price of seeds and,
             where time is too short even so, of the budget
    longest  seconds that a run should have at most; with more time there are more seeds
    """
    runs, shortest = max(left, 0.0) * jobs / 2, SHORTEST * trial  # of either
    seeds = min(max(int(runs / longest), SEEDS[0]), SEEDS[1])
    if runs < seeds * shortest:
        seeds = max(int(runs / shortest), INTERVAL)
    return seeds, max(min(longest, runs / seeds), shortest)
