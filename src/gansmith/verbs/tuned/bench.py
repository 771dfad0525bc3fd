"""The work bench of a search: the data divided, and what generators are measured by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gansmith import config, features
from gansmith.artefact import Generator
from gansmith.config import Recipe
from gansmith.data.split import held_out, keys
from gansmith.errors import ConfigError, DataError
from gansmith.randomness import seed_of
from gansmith.tuning.measure import Measured, Ruler, View
from gansmith.verbs.judged_rows import Learned
from gansmith.verbs.opened import Opened

ASIDE = (0.1, 0.2)  # share of the data that trials are measured by: the second where the first would be …
FEW = 200  # … fewer samples than so many
MOST_OUT = 0.9  # of the data kept out of training, as data.held_out allows
LEAST = 20  # samples to measure by
MOST, ROWS = 2_000, 5_000  # samples to measure by at most; of rows, in each of which there is less to see, more
DRAWN = 1_000  # generated at least, so that few real ones are set beside enough


@dataclass(frozen=True, eq=False)
class Bench:
    """Opened data, divided: `members` are trained on, `aside` measures trials, `fresh` the last judgement."""

    opened: Opened
    members: np.ndarray
    aside: np.ndarray
    fresh: np.ndarray
    share: float  # of the data that is set aside
    seed: int  # of the division

    @classmethod
    def of(cls, opened: Opened, recipe: Recipe, share: float) -> Bench:
        """The held-out part of the recipe is fresh; the next `share` of the same order by content is set aside.

        ConfigError where next to nothing is left to train on, DataError where one of the other two is too small to measure by.
        """
        if recipe.data.held_out + share >= MOST_OUT:
            raise ConfigError(
                f"data.held_out={recipe.data.held_out:g} and the {share:.0%} of the data by which trials are measured leave too little to "
                f"train on. Set data.held_out below {MOST_OUT - share:.2g}."
            )
        by, labels, seed = keys(opened.collection.digests, opened.rule), opened.collection.labels, config.split_seed(recipe)
        out = held_out(by, recipe.data.held_out + share, seed, labels)
        fresh = held_out(by, recipe.data.held_out, seed, labels) & out  # a class that would be lost to training stays there
        found = cls(opened, np.flatnonzero(~out), np.flatnonzero(out & ~fresh), np.flatnonzero(fresh), share, seed)
        if min(len(found.aside), len(found.fresh)) < LEAST:
            raise DataError(
                f"data.held_out={recipe.data.held_out:g} leaves {len(found.fresh)} samples for the last judgement and {len(found.aside)} "
                f"to measure trials by, but each needs at least {LEAST}. Give more data, or a larger data.held_out."
            )
        return found

    @cached_property
    def search(self) -> Yardstick:
        """Measures by what was set aside."""
        return Yardstick.of(self, self.aside)

    @cached_property
    def judgement(self) -> Yardstick:
        """Measures by what is fresh."""
        return Yardstick.of(self, self.fresh)

    @property
    def floor(self) -> float:
        """The score, in the search, of real samples that may be trained on, in the place of generated ones: as good as samples can be."""
        return self.search.floor(self.members)


def share_aside(opened: Opened) -> float:
    """The share of these data that trials are measured by."""
    usual, larger = ASIDE
    return usual if usual * len(opened.collection) >= FEW else larger


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Measures generators by some of the real samples, with the same latents and, in the order of these, the same classes every time."""

    opened: Opened
    members: np.ndarray
    ruler: Ruler
    seed: int

    @classmethod
    def of(cls, bench: Bench, part: np.ndarray) -> Yardstick:
        opened, facts = bench.opened, bench.opened.collection.facts
        most = ROWS if opened.layout.given else MOST
        part = np.sort(np.random.default_rng(seed_of(bench.seed, "measured by")).permutation(part)[:most])
        raw, labels = _of(opened, part)
        seers = [_extractor(None, bench, part)]
        if seers[0].name == "classifier":  # it sees what tells classes apart, and little else
            seers.append(_extractor("pixels" if "span" in facts else "values", bench, part))
        views = [View(seer, raw, labels, opened.layout.condition) for seer in seers]
        rows = None
        if opened.layout.given:
            learned = Learned.of(facts["schema"])
            rows = (np.ascontiguousarray(raw[:, learned.places]), learned.numeric, learned.places)
        return cls(opened, part, Ruler(views, rows), bench.seed)

    @property
    def count(self) -> int:
        """Samples that are drawn: a whole number of times as many as there are real ones."""
        return len(self.members) * (1 if self.opened.layout.given else -(-DRAWN // len(self.members)))

    def __call__(self, generator: Generator) -> Measured:
        _, labels = _of(self.opened, self.members)
        asked = None if labels is None else [self.opened.collection.classes[i] for i in labels]
        drawn = generator.sample(self.count, label=asked, seed=self.seed)
        return self.ruler(drawn.raw, drawn.labels if asked else None)

    def floor(self, members: np.ndarray) -> float:
        """The score of real samples out of these, of the same classes as generated ones."""
        source = np.random.default_rng(seed_of(self.seed, "floor"))
        labels, wanted = (_of(self.opened, part)[1] for part in (members, self.members))
        if labels is None or wanted is None:
            return self.ruler(*_of(self.opened, np.resize(source.permutation(members), self.count))).score
        wanted = np.resize(wanted, self.count)
        some = np.empty(self.count, np.int64)
        for label in np.unique(wanted):
            places = np.flatnonzero(wanted == label)
            some[places] = np.resize(source.permutation(members[labels == label]), len(places))
        return self.ruler(*_of(self.opened, some)).score

    @property
    def words(self) -> str:
        """What a score is."""
        if self.opened.layout.given:
            return "how well boosted trees tell the rows from real ones: 0 not at all, 1 always"
        names = " and ".join(view.seer.name for view in self.ruler.views)
        return f"distance from real samples, by {names}: 0 is perfect, about 1 as bad as one sample repeated"


def _extractor(name: str | None, bench: Bench, part: np.ndarray) -> features.Extractor:
    """What learns does so from the members alone."""
    return features.choose(name, bench.opened.collection, bench.members, bench.opened.collection, part)


def _of(opened: Opened, members: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Native samples [N, ...] and, where a generator is asked for classes, their labels [N]."""
    classes = opened.layout.condition and not opened.layout.given and opened.collection.conditions is None
    labels = opened.collection.labels if classes else None
    return np.take(opened.collection.raw, members, axis=0), None if labels is None else labels[members]
