"""Points and lines to tensors and back, by one shift for each channel and one scale for all."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gansmith.data.store import Collection
from gansmith.domains.toy import pictures
from gansmith.errors import storage_error
from gansmith.layout import Block, Layout

if TYPE_CHECKING:
    from PIL.Image import Image


class ToyCodec:
    """raw [B, C] or [B, T, C] float32 <-> x [B, C] or [B, C, T] = (raw - centre) / scale.

    One scale for all channels: circles stay circles, and a distance in x is one in the data.
    """

    def __init__(self, layout: Layout, centre: Sequence[float], scale: float) -> None:
        self.layout, self.centre, self.scale = layout, [float(c) for c in centre], float(scale)

    @classmethod
    def fit(cls, collection: Collection) -> ToyCodec:
        """The codec of an opened collection."""
        *positions, channels = collection.raw.shape[1:]
        layout = Layout((Block("values", channels, "real"),), tuple(positions), condition=collection.condition)
        return cls(layout, collection.facts["centre"], collection.facts["scale"])

    def encode(self, raw: Tensor) -> Tensor:
        """Samples as stored -> x [B, C, *P] float32 on the same device."""
        centre = torch.tensor(self.centre, device=raw.device)
        return self.layout.check(raw.float().sub(centre).div(self.scale).movedim(-1, 1))

    def decode(self, x: Tensor) -> np.ndarray:
        """x [B, C, *P] -> samples as stored."""
        centre = torch.tensor(self.centre, device=x.device)
        raw = self.layout.check(x.detach()).float().movedim(1, -1).mul(self.scale).add(centre)
        return np.ascontiguousarray(raw.cpu().numpy())

    def state(self) -> dict[str, Any]:
        return {"domain": "toy", "layout": self.layout.to_dict(), "centre": self.centre, "scale": self.scale}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ToyCodec:
        return cls(Layout.from_dict(state["layout"]), state["centre"], state["scale"])

    def picture(self, raw: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image:
        """Points [B, 2] as a scatter, lines [B, T, 1] one below the other, with real ones in grey beneath."""
        return pictures.picture(raw, columns, real)

    def write(self, raw: np.ndarray, folder: Path, names: list[str]) -> list[str]:
        """All samples as one CSV file, a row each behind its name; gives the file's name, which tells the first and the last of them."""
        ends = names[:1] + names[1:][-1:]
        file = ("-".join(ends).replace("/", "_") or "samples") + ".csv"
        columns = ["x", "y"] if raw.ndim == 2 else [f"t{i}" for i in range(raw.shape[1])]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / file).open("w", newline="", encoding="utf-8") as out:
                rows = csv.writer(out)
                rows.writerow(["name", *columns])
                for name, sample in zip(names, raw.reshape(len(raw), len(columns)), strict=True):
                    rows.writerow([name, *map(str, sample)])  # the shortest digits that give the same float32 back
        except OSError as error:
            raise storage_error(error, folder / file) from error
        return [file]
