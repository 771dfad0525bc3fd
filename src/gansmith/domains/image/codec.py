"""Pictures to tensors and back: whole numbers survive the round trip exactly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gansmith.data.store import Collection
from gansmith.domains.image import grid
from gansmith.errors import DataError
from gansmith.layout import Block, Layout

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST = 1e-4  # spread of pictures whose values go from -1 to 1, a 16-bit step or three: pictures of one colour have none


class ImageCodec:
    """raw [B, H, W, C] of `dtype`, values in lo..hi <-> x [B, C, H, W] float32 in [-1, 1]."""

    def __init__(self, layout: Layout, dtype: str, lo: float, hi: float) -> None:
        if dtype not in ("uint8", "uint16", "float32"):
            raise DataError(f"pictures are stored as uint8, uint16 or float32; found {dtype!r}.")
        if not lo < hi:
            raise DataError(f"the range of pixel values is {lo} to {hi}; the second must be greater than the first.")
        self.layout, self.dtype, self.lo, self.hi = layout, np.dtype(dtype), float(lo), float(hi)

    @classmethod
    def fit(cls, collection: Collection) -> ImageCodec:
        """The codec of an opened collection."""
        height, width, channels = collection.raw.shape[1:]
        lo, hi = collection.facts["span"]
        mean, std = np.array(collection.facts["mean"]), np.array(collection.facts["std"])  # [C], of the encoded pictures
        centre, spread = float(mean.mean()), float(np.sqrt((std**2).mean() + mean.var()))
        pixels = Block("pixels", channels, "bounded", centre, max(spread, LEAST))
        layout = Layout((pixels,), (height, width), condition=collection.condition)
        return cls(layout, str(collection.raw.dtype), lo, hi)

    def encode(self, raw: Tensor) -> Tensor:
        """Pictures as stored [B, H, W, C] -> x [B, C, H, W], channels_last in memory, on the same device."""
        middle, half = (self.hi + self.lo) / 2, (self.hi - self.lo) / 2
        x = raw.to(torch.float32).sub(middle).div(half)
        return self.layout.check(x.permute(0, 3, 1, 2))

    def decode(self, x: Tensor) -> np.ndarray:
        """x [B, C, H, W] -> pictures [B, H, W, C] as stored; values beyond [-1, 1] are clamped, whole numbers rounded."""
        middle, half = (self.hi + self.lo) / 2, (self.hi - self.lo) / 2
        values = self.layout.check(x.detach()).float().clamp(-1, 1).mul(half).add(middle).permute(0, 2, 3, 1)
        if self.dtype.kind == "u":
            values = values.round()
        return np.ascontiguousarray(values.cpu().numpy().astype(self.dtype))

    def state(self) -> dict[str, Any]:
        return {"domain": "image", "layout": self.layout.to_dict(), "dtype": str(self.dtype), "lo": self.lo, "hi": self.hi}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ImageCodec:
        return cls(Layout.from_dict(state["layout"]), state["dtype"], state["lo"], state["hi"])

    def picture(self, raw: np.ndarray, columns: int | None = None, real: np.ndarray | None = None) -> Image:
        """A grid of pictures [B, H, W, C], with a grid of real ones to its right."""
        return grid.picture(raw, columns, real)

    def write(self, raw: np.ndarray, folder: Path, names: list[str]) -> list[str]:
        """One PNG file a picture (.npy where PNG cannot hold it); gives the files' names."""
        return grid.write(raw, folder, names)
