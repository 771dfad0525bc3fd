"""describe: what a data set is, and what training on it would cost here."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gansmith import config
from gansmith.conditions import Column
from gansmith.config import MEMORY, Recipe
from gansmith.engine.distribute import World
from gansmith.errors import ConfigError, DataError
from gansmith.records import Finding
from gansmith.runs import write_json
from gansmith.verbs.opened import Opened
from gansmith.verbs.parts import Parts, parameter_counts
from gansmith.verbs.place import free
from gansmith.verbs.train import automatic_device


@dataclass(frozen=True)
class Forecast:
    """What a run with the automatic recipe would be on this machine: measured on a few real steps, not guessed."""

    recipe: Recipe
    samples_per_second: float
    minutes: float
    memory_mib: float  # the largest resident size seen while measuring, times the processes
    parameters: tuple[int, int]


@dataclass(frozen=True)
class Description:
    """Counts and measures of a data set, what was noticed in it, and the forecast of a run (None where it was not asked for)."""

    source: str
    domain: str
    count: int
    training: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    facts: dict[str, Any]
    findings: tuple[Finding, ...]
    forecast: Forecast | None = None
    columns: tuple[Column, ...] = ()  # of conditions, where there are such in the place of classes


def write_schema(found: Description, path: str | Path) -> Path:
    """Write what the columns of a described table were taken for as JSON, to be corrected by hand and read again as `data.table_schema`.

    DataError where what was described is no table, ConfigError where `path` is a folder, StorageError where something is there already
    (it may have been corrected by hand, or be the table itself) or the file cannot be written.
    """
    if "schema" not in found.facts:
        raise DataError(f"{found.source} is not a table ({found.domain}), so it has no schema of columns. Leave --write-schema out.")
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"the path given for the schema, {path}, is a folder. Give a file: {path / 'schema.json'}")
    write_json(free(path), found.facts["schema"])
    return path


def describe(
    data: Any = "digits",
    *,
    settings: Mapping[str, Any] | None = None,
    forecast: bool = True,
    opening: Callable[[int, int], None] = lambda done, all: None,
) -> Description:
    """Look at data before training on them; `data` and `settings` as for `train`. DataError where they cannot be opened.

    `forecast` also measures a few real steps, to tell how long a run would take and what memory it would need.
    """
    brought = None if isinstance(data, str | Path) else data
    recipe = config.merge(Recipe(), {**(settings or {}), "data.source": str(data) if brought is None else MEMORY})
    device = automatic_device(recipe)
    opened = Opened.of(recipe, brought, device, opening)
    return Description(
        source=recipe.data.source,
        domain=opened.domain.name,
        count=len(opened.collection),
        training=len(opened.members),
        shape=tuple(opened.collection.raw.shape[1:]),
        classes=opened.collection.classes,
        facts=dict(opened.collection.facts),
        findings=opened.collection.findings,
        forecast=_forecast(recipe, opened, device) if forecast else None,
        columns=opened.collection.conditions.columns if opened.collection.conditions is not None else (),
    )


def _forecast(recipe: Recipe, opened: Opened, device: str) -> Forecast:
    resolved, speed, _ = opened.resolve(recipe, Parts(), World(device=device))
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20 * (resolved.machine.workers or 1)
    minutes = resolved.run.minutes or (resolved.run.samples or 0) / speed / 60
    return Forecast(resolved, speed, minutes, memory, parameter_counts(resolved, opened.layout))
