"""Tables as an evaluation takes them: the columns that are learned, what must hold between them, and what a page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gansmith.domains.table.dependencies import Unit, determined
from gansmith.domains.table.inference_convert import written
from gansmith.domains.table.schema import Constraint, Schema
from gansmith.features.columns import learned
from gansmith.metrics import tables
from gansmith.metrics.neighbours import Pair
from gansmith.metrics.table_judgement import Sides, reference
from gansmith.metrics.table_summary import Summary, summary
from gansmith.metrics.tables import Dependency, Ordered, Rule, Together, Within
from gansmith.randomness import seed_of

PAIRS = 6  # of the closest that are shown
DETERMINED = 200  # columns up to which dependencies are looked for, in every pair of them


@dataclass(frozen=True)
class Learned:
    """Which columns of a table are learned, and what is known of them."""

    schema: Schema
    places: np.ndarray  # [m] into the columns of the schema
    numeric: np.ndarray  # bool [m]

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Learned:
        """From what `Schema.to_dict` gave."""
        places, numeric = learned(schema)
        return cls(Schema.from_dict(schema), np.array(places), np.array(numeric))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema.names[place] for place in self.places)

    @property
    def levels(self) -> list[tuple[str, ...]]:
        return [() if number else self.schema.columns[place].levels for place, number in zip(self.places, self.numeric, strict=True)]

    @property
    def target(self) -> int | None:
        """Where the target is among the learned columns, if it is one."""
        name = self.schema.target
        return self.names.index(name) if name in self.names else None

    def smote(self, training: np.ndarray, count: int, seed: int) -> np.ndarray:
        """The fourth control, as rows of all columns [count, M] from training rows [N, M]."""
        found = np.zeros((count, training.shape[1]))
        source = np.random.default_rng(seed_of(seed, "smote"))
        found[:, self.places] = tables.smote(training[:, self.places], self.numeric, source, count)
        return found

    def sides(self, known: bool, **sets: np.ndarray) -> Sides:
        """What is compared, from rows of all columns [N, M] under the names of `Sides`."""
        own = {name: np.ascontiguousarray(rows[:, self.places]) for name, rows in sets.items()}
        rules = self.rules(own["training"])
        return Sides(names=self.names, numeric=self.numeric, target=self.target, rules=rules, known=known, **own)

    def rules(self, training: np.ndarray) -> tuple[tuple[str, Rule], ...]:
        """What was declared, and the columns that tell another in every training row [N, m], with names."""
        declared = [(_said(c), self._rule(c, training)) for c in self.schema.constraints if set(c.columns) <= {*self.names}]
        found = _dependencies(training) if training.shape[1] <= DETERMINED else []
        return (*declared, *((f"{self.names[d.cause]} → {self.names[d.effect]}", d) for d in found))

    def _rule(self, constraint: Constraint, training: np.ndarray) -> Rule:
        places = tuple(self.names.index(name) for name in constraint.columns)
        if constraint.relation == "together":
            return Together.of(training, places)
        if constraint.relation == "within":
            lowest, highest = constraint.lowest, constraint.highest
            return Within(places[0], -np.inf if lowest is None else lowest, np.inf if highest is None else highest)
        return Ordered(places[0], places[1], constraint.relation == "less or equal")

    def summary(self, found: Sides, seed: int, made: np.ndarray, training: np.ndarray, pairs: Sequence[Pair]) -> Summary:
        """What a page shows; made and training rows of all columns [N, M], which `pairs` are of."""
        whole = summary(reference(found, seed), found.generated, found.held_out, self.names, self.numeric, self.levels)
        texts = [
            [tuple(map(str, row)) for row in written(rows, self.schema).to_numpy()]
            for rows in (made[[p.fake for p in pairs]], training[np.array([p.training for p in pairs], np.int64)])
        ]
        dates = {c.name for c in self.schema.columns if c.kind == "date"}
        columns = tuple(replace(c, dates=c.name in dates) for c in whole.columns)
        return replace(whole, columns=columns, names=self.schema.names, closest=tuple(zip(*texts, strict=True)))


def _said(constraint: Constraint) -> str:
    if constraint.relation == "within":
        ends = ("" if v is None else f"{v:g}" for v in (constraint.lowest, constraint.highest))
        return f"{constraint.columns[0]} within {' to '.join(ends)}"
    between = {"less": " < ", "less or equal": " ≤ ", "together": " with "}[constraint.relation]
    return between.join(constraint.columns)


def _dependencies(training: np.ndarray) -> list[Dependency]:
    units = []
    for place, column in enumerate(training.T):
        known, codes = np.unique(column, return_inverse=True)
        units.append(Unit((place,), codes.astype(np.int32), len(known)))
    several = [(i, j) for i, j in determined(units) if units[j].size > 1]
    return [Dependency.of(training, i, j) for i, j in several]
