"""Rows of a table to one-hot choices and back.

Letters: B rows, M columns of the schema, m learned ones, n blocks of choices, C channels, L choices of a block, G bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gansmith import given
from gansmith.data.store import Collection
from gansmith.domains.table import answers, fitting, output, pictures
from gansmith.domains.table.asked import Asked
from gansmith.domains.table.columns import FEWEST, Bins, Levels, Part, part_from_dict, shares
from gansmith.domains.table.inference import written
from gansmith.domains.table.lookup import Tables
from gansmith.domains.table.schema import Schema
from gansmith.domains.table.where import Where, both, parse
from gansmith.errors import DataError
from gansmith.layout import Block, Layout
from gansmith.records import Finding

if TYPE_CHECKING:
    from pandas import DataFrame
    from PIL.Image import Image

KNOWN = 16  # sets of conditions that are kept worked out
WITHIN = "/within"  # behind the name of a choice of bins: the position in the bin


class TableCodec:
    """raw [B, M] float64 <-> x [B, C]: a one-hot of each block's choice, and beside bins the position within.

    `findings`: what was noticed when it was fitted; a codec from a state has none.
    """

    def __init__(self, schema: Schema, parts: Sequence[Part], findings: Sequence[Finding] = ()) -> None:
        self.schema, self.parts, self.findings = schema, tuple(parts), tuple(findings)
        self.layout = _layout(schema, self.parts)
        self.grids = fitting.grids(schema)
        self._known: dict[tuple[tuple[Where, ...], torch.device], Asked] = {}
        self._tables = {torch.device("cpu"): Tables.of(schema, self.parts, self.grids, self.layout)}

    @classmethod
    def fit(cls, raw: np.ndarray, schema: Schema, members: np.ndarray | None = None) -> TableCodec:
        """The codec of a table raw [N, M], by its rows `members` alone where these are given. DataError where nothing can be learned."""
        parts, findings = fitting.fit(raw, schema, members)
        return cls(fitting.kept_schema(schema, parts), parts, findings)

    @classmethod
    def of(cls, collection: Collection, members: np.ndarray | None = None) -> TableCodec:
        """The codec of an opened collection, by its rows `members` alone where these are given. DataError where all that is made would be
        the same."""
        codec = cls.fit(collection.raw, Schema.from_dict(collection.facts["schema"]), members)
        if all(isinstance(part, Levels) and part.size == 1 for part in codec.parts):
            raise DataError(
                f"nothing is left to learn: no column has two values that occur in {FEWEST} rows each, and rarer ones are never generated. "
                "Add rows, or group the values."
            )
        return codec

    def encode(self, raw: Tensor) -> Tensor:
        """Rows as stored -> x [B, C] float32 on the same device. What the codec does not keep becomes the nearest that it does."""
        t = self.tables(raw.device)
        code, values = t.codes(raw)
        choice = code[t.first]  # [n, B]; of a block of several columns not the choice yet
        for block, joint in t.joints:
            choice[block] = joint.choices(code[joint.rows], values[joint.rows])
        x = torch.zeros(len(raw), self.layout.channels, device=raw.device)
        x.scatter_(1, (choice + t.offsets).T, 1.0)
        if t.binned:
            bins, inside = t.bins(choice)
            x[:, t.within] = torch.where(inside, t.quantiles.positions(bins, values[t.binned_rows]), 0.0).T.float()
        return x

    def decode(self, x: Tensor) -> np.ndarray:
        """x [B, C] -> rows as stored [B, M] float64; the highest number of a block is its choice. Columns that are not learned are 0."""
        return self.raw(x).cpu().numpy()

    def raw(self, x: Tensor) -> Tensor:
        """What `decode` gives, as a tensor on the device of x."""
        x = self.layout.check(x.detach())
        t = self.tables(x.device)
        found = torch.zeros(len(x), len(self.schema.columns), dtype=torch.float64, device=x.device)
        choice = torch.stack([x[:, where].argmax(1) for where, _ in t.where])  # [n, B]
        for chosen, places, values in zip(choice, t.columns, t.values, strict=True):
            found[:, places] = values[chosen]
        if t.binned:
            bins, inside = t.bins(choice)
            places = t.place[t.binned_rows]
            found[:, places] = torch.where(inside, t.quantiles.values(bins, x[:, t.within].T), found[:, places].T).T
        return found

    def picture(self, raw: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image:
        """Rows [B, M] as small multiples, one for each of the first columns: bars of levels and histograms, real ones in grey beneath."""
        return pictures.picture(raw, self.schema, columns, real)

    def write(self, raw: np.ndarray, folder: Path, names: list[str]) -> list[str]:
        """All rows as one CSV file with the columns of the original; gives its name, which tells the first and the last of `names`."""
        ends = names[:1] + names[1:][-1:]
        file = ("-".join(ends).replace("/", "_") or "samples") + ".csv"
        output.write(raw, self.schema, folder / file)
        return [file]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns."""
        return self.schema.names

    def frame(self, raw: np.ndarray, start: int = 0) -> DataFrame:
        """Rows [B, M], the first of number `start`, as a typed pandas frame (see `output.frame`)."""
        return output.frame(raw, self.schema, start)

    def cells(self, raw: np.ndarray, start: int = 0) -> DataFrame:
        """The same as texts, each cell as it would be written in the file."""
        return written(raw, self.schema, start)

    def where(self, text: str) -> Where:
        """A condition as users write it, "age>60" (see `where.parse`)."""
        return parse(text, self.schema)

    def labelled(self, label: str) -> Where:
        """The condition that a row is of a class. ConfigError where there is no such class."""
        return answers.labelled(label, self.schema)

    def each(self, column: str) -> list[Where]:
        """A condition for each value of a column. ConfigError where it has too many."""
        return answers.each(column, self.schema, self.parts)

    def labels(self, raw: np.ndarray, classes: Sequence[str]) -> np.ndarray | None:
        """Indices [B] into the classes of rows [B, M]; None where there are none."""
        return answers.labels(raw, self.schema, classes)

    def unfilled(self, raw: np.ndarray) -> tuple[Tensor, Tensor]:
        """What is there of rows [B, M] with missing cells, and what these may become (see `answers.unfilled`)."""
        return answers.unfilled(raw, self.parts, [where for where, _ in given.choices(self.layout)], self.layout.channels)

    def state(self) -> dict[str, Any]:
        """JSON-able. It tells of columns, of values that several rows share, and of round numbers between which several rows lie."""
        return {"domain": "table", "schema": self.schema.to_dict(), "parts": [part.to_dict() for part in self.parts]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TableCodec:
        """The codec that `state` told of."""
        return cls(Schema.from_dict(state["schema"]), [part_from_dict(p) for p in state["parts"]])

    def allowed(self, wheres: Sequence[Where] = ()) -> Tensor:
        """Which choices [C] a row that satisfies all conditions, and what was declared, can have; true for bins of which only a part can.

        ConfigError where a block has none left. Every channel that is no choice is true.
        """
        return self._asked(wheres, torch.device("cpu")).allowed

    def open(self, x: Tensor, mask: Tensor, allowed: Tensor, wheres: Sequence[Where] = (), told: Tensor | None = None) -> Tensor:
        """Which choices are still possible in each row [B, C], so that the comparisons that were declared can hold in the end.

        x        rows [B, C] so far
        mask     [B, n] above 0: the blocks whose choice is made (n as in gansmith.given)
        allowed  [C] or [B, C]: choices that are possible at all, as of `allowed` or fewer
        wheres   the conditions that the rows are to satisfy
        told     rows as stored [B, M], NaN where nothing was told: these values count in comparisons, whatever is kept of them

        As long as each choice is made among these, none is ever left without: no row has to be drawn again. What is told may contradict
        a comparison itself, which then counts for nothing in that row; where it contradicts a chain of them, none does.
        """
        return self._asked(wheres, x.device).open(x, mask, allowed, told)

    def confine(self, x: Tensor, wheres: Sequence[Where] = (), told: Tensor | None = None) -> Tensor:
        """x [B, C] with positions within bins moved so that each row, decoded, satisfies all conditions and comparisons.

        The choices of x must be such as `allowed` and `open` leave. Positions that are in order stay; the others become uniform over what
        is allowed, by what they were. `told` as in `open`; positions of what was told stay.
        """
        return self._asked(wheres, x.device).confine(x, both(wheres), self.tables(x.device), told)

    def _asked(self, wheres: Sequence[Where], device: torch.device) -> Asked:
        key = (tuple(wheres), device)
        if key not in self._known:
            if len(self._known) > KNOWN:
                self._known.clear()
            tables = self.tables(torch.device("cpu"))
            self._known[key] = Asked.of(self.schema, self.parts, tables, self.layout.channels, both(wheres)).to(device)
        return self._known[key]

    def tables(self, device: torch.device) -> Tables:
        """All that encoding needs, on a device."""
        if device not in self._tables:
            self._tables[device] = self._tables[torch.device("cpu")].to(device)
        return self._tables[device]


def _layout(schema: Schema, parts: Sequence[Part]) -> Layout:
    blocks: list[Block] = []
    names: set[str] = set()
    for part in parts:
        name = " + ".join(schema.columns[p].name for p in part.places[:3]) + (f" + {len(part.places) - 3}" if len(part.places) > 3 else "")
        while name in names or name + WITHIN in names:  # a column may be called as another's position
            name += "'"
        blocks.append(Block(name, part.size, "onehot", shares=shares(part)))
        names.add(name)
        if isinstance(part, Bins) and len(part.ends):
            held = part.counts[len(part.spikes) : len(part.spikes) + len(part.ends)].sum() / part.counts.sum()
            blocks.append(Block(name + WITHIN, 1, "bounded", spread=max(float(held) / 3, 1e-6) ** 0.5))  # the variance of uniform is 1 / 3
            names.add(name + WITHIN)
    layout = Layout(tuple(blocks))
    return Layout(layout.blocks, condition=given.width(layout), given=True)
