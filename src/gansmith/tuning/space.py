"""What a search may change: for each setting the values to choose among, or a range.

In a file, one line for each setting:

    penalty.gamma: {low: 0.1, high: 10, log: true}
    network.width: [16, 32, 64]
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import yaml

from gansmith import config
from gansmith.config import Recipe
from gansmith.errors import ConfigError, nearest
from gansmith.networks import NETWORKS

APART = ("data.", "machine.", "run.")  # what is learned, who does the work, and how a run is kept: no part of the game …
ALLOWED = ("run.batch", "run.burn_in")  # … but for these
EXAMPLE = "write 'penalty.gamma: {low: 0.1, high: 10, log: true}' or 'network.width: [16, 32]'"
KEPT = 0.5  # chance of a setting to stay as it is, in what is drawn near the default
DIGITS = 3  # of a bound that is derived from another number

RATE = (0.3, 3.0)  # times the automatic recipe's own value, on a log scale
GAMMA = (0.1, 10.0)
HALFLIFE = (0.25, 4.0)
STRENGTH = (0.0, 0.8)  # above it may show in samples (arXiv:2006.06676)
SIZES = (0.5, 1, 2)  # of networks and batches
BETA2 = (0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        """Whether a setting's value is one of them."""
        return value in self.values

    def draw(self, source: np.random.Generator) -> Any:
        """One of them at random."""
        return self.values[source.integers(len(self.values))]

    def to_plain(self) -> list[Any]:
        """As it stands in a file."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """Any number from `low` to `high`, both included: on a log scale, whole numbers alone."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a setting's value lies in it."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def draw(self, source: np.random.Generator) -> float:
        """One at random, on its scale."""
        value = math.exp(source.uniform(math.log(self.low), math.log(self.high))) if self.log else source.uniform(self.low, self.high)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else value

    def to_plain(self) -> dict[str, Any]:
        """As it stands in a file."""
        return {"low": self.low, "high": self.high, **({"log": True} if self.log else {})}


Space = Mapping[str, Choice | Range]


def near(space: Space, default: Mapping[str, Any], source: np.random.Generator) -> dict[str, Any]:
    """Values of which about a half are the default's, and at least one is drawn: where the default is good, most of it is to be kept."""
    drawn = source.random(len(space)) >= KEPT
    drawn[source.integers(len(space))] = True
    return {
        name: where.draw(source) if changed or name not in default else default[name]
        for (name, where), changed in zip(space.items(), drawn, strict=True)
    }


def automatic(recipe: Recipe, fixed: Collection[str], largest_batch: int, augments: bool) -> Space:
    """The few settings that matter most, around the values of a recipe in which none is left open.

    fixed          settings that were asked for, which stay as they are
    largest_batch  samples a step at most
    augments       whether these data can be augmented inside the game

    ConfigError where nothing is left to change.
    """
    value = config.flat(recipe)

    def around(name: str, times: tuple[float, float], whole: bool = False) -> Range:
        low, high = (_rounded(value[name] * t) for t in times)
        return Range(max(1, round(low)), round(high), True, True) if whole else Range(low, high, True)

    def sizes(name: str, step: int, least: int, most: int) -> Choice:
        found = sorted({int(value[name] * t) for t in SIZES} | {value[name]})
        return Choice(tuple(n for n in found if n == value[name] or (least <= n <= most and n % step == 0)))

    found: dict[str, Choice | Range] = {
        "optimiser.lr_generator": around("optimiser.lr_generator", RATE),
        "optimiser.lr_discriminator": around("optimiser.lr_discriminator", RATE),
        "network.width": sizes("network.width", 1, 4, 4096),
        "run.batch": sizes("run.batch", recipe.game.pack, 4, largest_batch),
        "optimiser.beta2_end": Choice(tuple(sorted({b for b in BETA2 if b >= recipe.optimiser.beta2} | {recipe.optimiser.beta2_end}))),
    }
    if recipe.penalty.gamma:
        found["penalty.gamma"] = around("penalty.gamma", GAMMA)
    if recipe.average.halflife:
        found["average.halflife"] = around("average.halflife", HALFLIFE, whole=True)
    if augments:
        found["augment.strength"] = Range(*STRENGTH)
    if recipe.network.name and not NETWORKS[recipe.network.name].sized:
        del found["network.width"]
    kept = {name: where for name, where in found.items() if name not in fixed and not (isinstance(where, Choice) and len(where.values) < 2)}
    if not kept:
        raise ConfigError("every setting of the default space was set by hand, so nothing is left to search. Set fewer, or give --space.")
    return kept


def read(path: str | Path, recipe: Recipe) -> Space:
    """The space in a YAML file, for changes to a recipe. ConfigError where it cannot be read or names what cannot be searched."""
    values = config.read_yaml(path, "space", f"a YAML file: {EXAMPLE}", f"In it, {EXAMPLE}")
    if not isinstance(values, dict) or not values:
        raise ConfigError(f"{path} names no setting to search. In it, {EXAMPLE}.")
    return of(values, recipe)


def of(values: Mapping[str, Any], recipe: Recipe) -> Space:
    """A space from plain values, every bound and choice of which the recipe can have. ConfigError in one sentence where not."""
    if not values:
        raise ConfigError(f"an empty space was given, and there is nothing to search in it. In it, {EXAMPLE}.")
    return {str(name): _where(str(name), told, recipe) for name, told in values.items()}


def dump(space: Space) -> str:
    """The text of a space file."""
    return yaml.safe_dump({name: where.to_plain() for name, where in space.items()}, sort_keys=False, default_flow_style=None)


def applied(recipe: Recipe, found: Mapping[str, Any]) -> Recipe:
    """A recipe with the settings of a trial. ConfigError where they contradict each other.

    A penalty weight that falls during a run falls by the same factor from another start.
    """
    gamma, end = recipe.penalty.gamma, recipe.penalty.gamma_end
    ends = {"penalty.gamma_end": found["penalty.gamma"] * (end / gamma)} if gamma and end is not None and "penalty.gamma" in found else {}
    return config.merge(recipe, {**ends, **found})


def _where(name: str, told: Any, recipe: Recipe) -> Choice | Range:
    if name not in config.names():
        raise ConfigError(f"the space names {name!r}, which is no setting; {nearest(name, config.names())}")
    if name.startswith(APART) and name not in ALLOWED:
        raise ConfigError(f"the space names {name!r}, which is no part of the game and the same in every trial. Set it with --set instead.")
    if isinstance(told, list):
        return _choice(name, told, recipe)
    if isinstance(told, dict) and {"low", "high"} <= told.keys() <= {"low", "high", "log"}:
        return _range(name, told, recipe)
    raise ConfigError(f"the space gives {name!r} {told!r}; {EXAMPLE}.")


def _choice(name: str, told: list[Any], recipe: Recipe) -> Choice:
    values = tuple(dict.fromkeys(_taken(name, value, recipe) for value in told))
    if len(values) < 2:
        raise ConfigError(f"the space gives {name!r} {len(values)} value(s) to choose among; a search needs at least 2. Set it with --set.")
    return Choice(values)


def _range(name: str, told: Mapping[str, Any], recipe: Recipe) -> Range:
    low, high = (_taken(name, told[end], recipe) for end in ("low", "high"))
    log = told.get("log", False)
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)) or not isinstance(log, bool):
        raise ConfigError(f"the space gives {name!r} {dict(told)!r}, and a range is of numbers; {EXAMPLE}.")
    if not low < high:
        raise ConfigError(f"the space lets {name!r} go from {low} to {high}; the low end must be below the high one.")
    if log and low <= 0:
        raise ConfigError(f"the space lets {name!r} go from {low} on a log scale, which has no 0. Begin above it, or leave log out.")
    return Range(low, high, log, _whole(name))


def _taken(name: str, value: Any, recipe: Recipe) -> Any:
    """A value as the setting takes it. ConfigError where it does not, contradictions with other settings aside."""
    if isinstance(value, list | dict):
        raise ConfigError(f"the space gives {name!r} the value {value!r}, which is no single one; {EXAMPLE}.")
    group, _, field = name.partition(".")
    try:
        return config.flat(config.merge(recipe, {name: value}))[name]
    except ConfigError as error:
        try:  # a whole recipe may refuse what another trial's would take, such as beta2 above beta2_end
            return getattr(type(getattr(recipe, group))(**{field: value}), field)
        except ValueError:
            raise error from None


def _whole(name: str) -> bool:
    """Whether a setting takes whole numbers alone."""
    group, _, field = name.partition(".")
    kind = type(getattr(Recipe(), group)).model_fields[field].annotation
    return int in (kind, *get_args(kind)) and float not in (kind, *get_args(kind))


def _rounded(number: float) -> float:
    """To a few digits: a bound is a choice, not a measurement."""
    return round(number, DIGITS - 1 - math.floor(math.log10(number)))
