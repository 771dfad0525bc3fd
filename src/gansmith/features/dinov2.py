"""Features of DINOv2, learned on 142 million photographs without labels.  arXiv:2304.07193

Distances on them follow human judgement of photographs better than those on Inception's features.  arXiv:2306.04675
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from gansmith.errors import MissingExtra
from gansmith.features.native import rgb, unit
from gansmith.features.weights import Published, kept, verified

SIDE = 224  # of the pictures it takes
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels in [0, 1]
FORM = {"image_size": 518, "patch_size": 14}  # of the base model, with the extra's own defaults: 12 layers of 768
PUBLISHED = Published(
    name="the weights of the features dinov2",
    url="https://huggingface.co/facebook/dinov2-base/resolve/f9e44c814b77203eaa57a6bdbbd535f21ede1415/model.safetensors",
    sha256="d73036b56966966d07975d696bde331762f37297e2f095de8cea0040c3aa0841",
    size=346_345_912,
)


class Dinov2:
    """Pictures [B, H, W, C] -> the class token of DINOv2 base after its last normalisation, 768 numbers.

    Brought to 224 x 224 by anti-aliased bicubic interpolation, in ImageNet's units; grey is repeated, transparency laid on white.

    weights   the published model.safetensors; None: from the cache, else fetched once
    MissingExtra without the extra `dinov2`, DataError where the weights are missing or others.
    """

    name = "dinov2"
    batch = 32

    def __init__(
        self,
        shape: Sequence[int],
        span: tuple[float, float],
        weights: Path | None = None,
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, all: None,
    ) -> None:
        try:
            transformers = importlib.import_module("transformers")
        except ImportError:
            raise MissingExtra("the extractor dinov2", "dinov2") from None
        self.shape, self.span, self.device = tuple(shape), span, device
        source = verified(weights, PUBLISHED) if weights else kept(PUBLISHED, "dinov2-base", progress)
        transformers.utils.logging.disable_progress_bar()
        # without a path, so that it looks for nothing on the network or beside the file
        model = transformers.Dinov2Model.from_pretrained(None, config=transformers.Dinov2Config(**FORM), state_dict=load_file(source))
        self.network = model.eval().requires_grad_(False).to(device)
        self.conditions: Mapping[str, Any] = PUBLISHED.conditions(shape, span, SIDE, model.config.hidden_size)

    @torch.no_grad()
    def __call__(self, raw: np.ndarray) -> Tensor:
        return self.network(prepared(unit(raw, self.shape, self.span)).to(self.device)).pooler_output.cpu()

    def probabilities(self, features: Tensor) -> None:
        """There is no classifier."""


def prepared(x: Tensor) -> Tensor:
    """Pictures [B, C, H, W] in [-1, 1] as the network takes them, [B, 3, 224, 224]."""
    small = F.interpolate((rgb(x) + 1) / 2, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)  # it overshoots at edges
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (MEAN, STD))
    return (small - mean) / std
