"""Samples as they are stored to tensors that extractors take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gansmith.errors import DataError


def tensor(raw: np.ndarray, shape: Sequence[int]) -> Tensor:
    """raw [B, *P, C] of uint8, uint16 or float32 -> x [B, C, *P] float32, the same values. DataError unless samples are [*P, C] = shape."""
    if tuple(raw.shape[1:]) != tuple(shape):
        raise DataError(
            f"found samples of shape {tuple(raw.shape[1:])}, but the extractor is for {tuple(shape)}. "
            "Both sets need the same size and channels: set data.size and data.channels."
        )
    return torch.from_numpy(raw.astype(np.float32)).movedim(-1, 1)  # a copy: of a memory map, and where torch has no uint16


def unit(raw: np.ndarray, shape: Sequence[int], span: tuple[float, float]) -> Tensor:
    """Pictures [B, H, W, C] -> x [B, C, H, W], where the two ends of the span of pixel values become -1 and 1."""
    low, high = span
    return tensor(raw, shape).sub_((high + low) / 2).div_((high - low) / 2)


def rgb(x: Tensor) -> Tensor:
    """Pictures [B, C, H, W] in [-1, 1] -> [B, 3, H, W]: grey repeated, transparency laid on white. DataError for other channels."""
    channels = x.shape[1]
    if channels == 1:
        return x.expand(-1, 3, -1, -1)
    if channels == 4:
        cover = (x[:, 3:] + 1) / 2
        return x[:, :3] * cover + (1 - cover)
    if channels != 3:
        raise DataError(
            f"found pictures of {channels} channels; features learned on photographs take 1 (grey), 3 (colour) or 4 (with transparency). "
            "Use the features pixels or classifier."
        )
    return x
