"""What else can be asked of a table's codec: conditions by the values of one column, classes of rows, and which cells are to be filled in.

Letters: B rows, M columns, n choices, C channels, L choices of a block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gansmith.domains.table.columns import Levels, Part
from gansmith.domains.table.inference import read_words, write_words
from gansmith.domains.table.schema import UNKNOWN, Schema
from gansmith.domains.table.where import Where
from gansmith.errors import ConfigError, nearest


def labelled(label: str, schema: Schema) -> Where:
    """The condition that a row is of a class: that its target has this value, or none. ConfigError where there is no such class."""
    if schema.target is None:
        raise ConfigError(f"label {label!r} was requested, but this table has no target. Use --where, or train with --target.")
    column, place = schema[schema.target], schema.place(schema.target)
    if label == UNKNOWN and label not in column.levels:
        return Where(place, (), True, f"{column.name} is missing")
    if not column.numeric and label not in column.levels:
        raise ConfigError(f"there is no class {label!r}; {nearest(label, column.named)}")
    value = float(read_words([label], column)[0])
    if np.isnan(value):
        raise ConfigError(f"there is no class {label!r}: {column.name} holds {column.kind}s.")
    return Where(place, ((value, value),), False, f"{column.name}={label}")


def each(name: str, schema: Schema, parts: Sequence[Part]) -> list[Where]:
    """A condition for each value of a column that is kept. ConfigError where it has bins, is not learned or not there."""
    if name not in schema.names:
        raise ConfigError(f"there is no column {name!r}; {nearest(name, schema.names)}")
    place = schema.place(name)
    part = next((p for p in parts if place in p.places), None)
    if not isinstance(part, Levels):
        raise ConfigError(f"{name} has too many values to draw each equally often, or is not learned. Choose a column with few values.")
    values = np.unique(part.values[:, part.places.index(place)])
    words = write_words(values, schema.columns[place])
    return [
        Where(place, () if np.isnan(v) else ((float(v), float(v)),), bool(np.isnan(v)), f"{name}={word}")
        for v, word in zip(values, words, strict=True)
    ]


def labels(raw: np.ndarray, schema: Schema, classes: Sequence[str]) -> np.ndarray | None:
    """Indices [B] into the classes of rows raw [B, M]; None where there is no target."""
    if schema.target is None or not classes:
        return None
    values = raw[:, schema.place(schema.target)]
    words = write_words(values, schema[schema.target])
    places = {name: k for k, name in enumerate(classes)}
    return np.array([places[UNKNOWN if np.isnan(v) else w] for v, w in zip(values, words, strict=True)], np.int64)


def unfilled(raw: np.ndarray, parts: Sequence[Part], wheres: Sequence[slice], channels: int) -> tuple[Tensor, Tensor]:
    """(mask [B, n] of the blocks whose columns are all there, choices [B, C] that agree with what is there of the others and miss nothing).

    Where no choice agrees with all that is there, those are left that fill each missing cell; where there are none, all.
    """
    mask, open = torch.ones(len(raw), len(parts)), torch.ones(len(raw), channels, dtype=torch.bool)
    for block, (part, where) in enumerate(zip(parts, wheres, strict=True)):
        cells = torch.from_numpy(raw[:, list(part.places)])  # [B, k]
        settled = ~cells.isnan().any(1)
        mask[:, block] = settled.float()
        if isinstance(part, Levels):
            values, some = torch.from_numpy(part.values), cells[~settled].unsqueeze(1)  # [L, k], [b, 1, k]
            fills = ~(some.isnan() & values.isnan()).any(2)
            agrees = ((some == values) | some.isnan()).all(2) & fills
            agrees = torch.where(agrees.any(1, keepdim=True), agrees, fills)
        else:
            agrees = torch.ones(int((~settled).sum()), part.size, dtype=torch.bool)
            if part.missing:
                agrees[:, -1] = False
        agrees[~agrees.any(1)] = True
        open[(~settled).nonzero().squeeze(1), where] = agrees
    return mask, open
