"""What `describe` shows of toy data and the codec is fitted to."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from gansmith.domains.toy.sources import Toy


def facts(kind: str, toy: Toy, digests: np.ndarray) -> dict[str, Any]:
    """JSON-able; `centre` and `scale` in the data's unit, `mean`, `std` and `total_variance` in that of the encoded samples."""
    channels = toy.raw.reshape(-1, toy.raw.shape[-1]).astype(np.float64)  # [N·P, C]
    centre = channels.mean(0)
    scale = float(np.sqrt(((channels - centre) ** 2).mean()))
    counts = np.bincount(toy.labels, minlength=len(toy.classes)) if toy.labels is not None else np.zeros(0, np.int64)
    return {
        "kind": kind,
        "count": len(toy.raw),
        "shape": list(toy.raw.shape[1:]),
        "dtype": str(toy.raw.dtype),
        "range": [float(channels.min()), float(channels.max())],
        "classes": {name: int(n) for name, n in zip(toy.classes, counts, strict=True)},
        "imbalance": float(counts.max() / counts.min()) if len(counts) else None,
        "fingerprint": hashlib.blake2b(digests.astype("<u8").tobytes(), digest_size=16).hexdigest(),
        "centre": centre.tolist(),
        "scale": scale,
        "mean": [0.0] * len(centre),
        "std": (channels.std(0) / scale).tolist(),
        "total_variance": float((toy.raw.astype(np.float64) / scale).var(0).sum()),
        **toy.known,
    }
