"""Features of the Inception network that FID is defined on, so that a score can stand beside those in papers.

The network of arXiv:1512.00567 as trained by its authors (inception-2015-12-05), in the form in which FID (arXiv:1706.08500) has
used it ever since: 1,008 classes, average pools that do not count their padding, a maximum where the last block should average. The
names of the weights are those of the file of the pytorch-fid project (Apache-2.0), a port of the original ones.

Letters: B samples, C channels, H and W places.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.data.store import cache_root
from gansmith.errors import DataError
from gansmith.features.native import rgb, unit
from gansmith.features.weights import Published, digest, downloaded, load, save, used, verified

SIDE = 299  # of the pictures it takes
PUBLISHED = Published(
    name="the weights of the features inception",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size=95_628_359,
)


class Normalisation(nn.Module):
    """Batch normalisation with the statistics of training, which never change.  x [B, C, H, W] -> [B, C, H, W]"""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.ones(channels) if name in ("weight", "running_var") else torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-3)  # type: ignore[arg-type]


class Unit(nn.Module):
    """Convolution, normalisation, ReLU. The size stays but for `stride`, or where `padded` is off.  [B, C, H, W] -> [B, C', H', W']"""

    def __init__(self, before: int, after: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = True) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(before, after, (height, width), stride, padding, bias=False)
        self.bn = Normalisation(after)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


Link = Unit | tuple[Unit, Unit]  # a pair takes the same input, and its outputs are joined


class Mixed(nn.Module):
    """Chains of units side by side, their outputs joined along the channels.  [B, C, H, W] -> [B, sum of C', H', W']

    The chain `branch_pool` takes the pooled input and comes last; where there is none, the pooled input itself does.
    """

    def __init__(self, pool: Callable[[Tensor], Tensor], **chains: Sequence[Link]) -> None:
        super().__init__()
        self.pool, self.chains = pool, chains
        for chain, links in chains.items():
            for place, link in enumerate(links, 1):
                name = chain if len(links) == 1 else f"{chain}_{place}"
                for side, unit_ in zip(("a", "b") if isinstance(link, tuple) else ("",), _units(link), strict=True):
                    self.add_module(name + side, unit_)

    def forward(self, x: Tensor) -> Tensor:
        side_by_side = [self._run(chain, x) for chain in self.chains if chain != "branch_pool"]
        return torch.cat([*side_by_side, self._run("branch_pool", self.pool(x))], 1)

    def _run(self, chain: str, x: Tensor) -> Tensor:
        for link in self.chains.get(chain, ()):
            x = torch.cat([unit_(x) for unit_ in _units(link)], 1)
        return x


def _units(link: Link) -> tuple[Unit, ...]:
    return link if isinstance(link, tuple) else (link,)


def average(x: Tensor) -> Tensor:
    """Mean of 3 x 3 places, at the rim of those that are there.  [B, C, H, W] -> [B, C, H, W]"""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def maximum(x: Tensor) -> Tensor:
    """Maximum of 3 x 3 places.  [B, C, H, W] -> [B, C, H, W]"""
    return F.max_pool2d(x, 3, 1, 1)


def coarser(x: Tensor) -> Tensor:
    """Maximum of 3 x 3 places, at every second.  [B, C, H, W] -> [B, C, (H - 1) // 2, (W - 1) // 2]"""
    return F.max_pool2d(x, 3, 2)


def mixed_35(c: int, pooled: int) -> Mixed:
    """At 35 x 35 places: c -> 224 + pooled channels."""
    return Mixed(
        average,
        branch1x1=[Unit(c, 64, 1)],
        branch5x5=[Unit(c, 48, 1), Unit(48, 64, 5)],
        branch3x3dbl=[Unit(c, 64, 1), Unit(64, 96, 3), Unit(96, 96, 3)],
        branch_pool=[Unit(c, pooled, 1)],
    )


def mixed_35_to_17(c: int) -> Mixed:
    """From 35 x 35 to 17 x 17 places: c -> 480 + c channels."""
    return Mixed(
        coarser,
        branch3x3=[Unit(c, 384, 3, 2, padded=False)],
        branch3x3dbl=[Unit(c, 64, 1), Unit(64, 96, 3), Unit(96, 96, 3, 2, padded=False)],
    )


def mixed_17(c: int, m: int) -> Mixed:
    """At 17 x 17 places: c -> 768 channels, m within the chains."""
    return Mixed(
        average,
        branch1x1=[Unit(c, 192, 1)],
        branch7x7=[Unit(c, m, 1), Unit(m, m, (1, 7)), Unit(m, 192, (7, 1))],
        branch7x7dbl=[Unit(c, m, 1), Unit(m, m, (7, 1)), Unit(m, m, (1, 7)), Unit(m, m, (7, 1)), Unit(m, 192, (1, 7))],
        branch_pool=[Unit(c, 192, 1)],
    )


def mixed_17_to_8(c: int) -> Mixed:
    """From 17 x 17 to 8 x 8 places: c -> 512 + c channels."""
    return Mixed(
        coarser,
        branch3x3=[Unit(c, 192, 1), Unit(192, 320, 3, 2, padded=False)],
        branch7x7x3=[Unit(c, 192, 1), Unit(192, 192, (1, 7)), Unit(192, 192, (7, 1)), Unit(192, 192, 3, 2, padded=False)],
    )


def mixed_8(c: int, pool: Callable[[Tensor], Tensor]) -> Mixed:
    """At 8 x 8 places: c -> 2,048 channels."""
    return Mixed(
        pool,
        branch1x1=[Unit(c, 320, 1)],
        branch3x3=[Unit(c, 384, 1), (Unit(384, 384, (1, 3)), Unit(384, 384, (3, 1)))],
        branch3x3dbl=[Unit(c, 448, 1), Unit(448, 384, 3), (Unit(384, 384, (1, 3)), Unit(384, 384, (3, 1)))],
        branch_pool=[Unit(c, 192, 1)],
    )


class FidInception(nn.Module):
    """x [B, 3, 299, 299] in [-1, 1] -> pooled features [B, 2048]; `fc` holds the 1,008 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, 2, padded=False)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3)
        self.Conv2d_3b_1x1 = Unit(64, 80, 1)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3, padded=False)
        self.Mixed_5b = mixed_35(192, 32)
        self.Mixed_5c = mixed_35(256, 64)
        self.Mixed_5d = mixed_35(288, 64)
        self.Mixed_6a = mixed_35_to_17(288)
        self.Mixed_6b = mixed_17(768, 128)
        self.Mixed_6c = mixed_17(768, 160)
        self.Mixed_6d = mixed_17(768, 160)
        self.Mixed_6e = mixed_17(768, 192)
        self.Mixed_7a = mixed_17_to_8(768)
        self.Mixed_7b = mixed_8(1280, average)
        self.Mixed_7c = mixed_8(2048, maximum)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> Tensor:
        h = coarser(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))  # [B, 64, 73, 73]
        h = coarser(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(h)))  # [B, 192, 35, 35]
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                h = block(h)
        return h.mean((2, 3))  # [B, 2048, 8, 8] -> [B, 2048]


class Inception:
    """Pictures [B, H, W, C] -> the 2,048 pooled features of FID, as pytorch-fid computes them.

    Brought to 299 x 299 by bilinear interpolation without anti-aliasing, aligned by the corners of pixels, in [-1, 1]; grey is
    repeated, transparency laid on white. The features were learned on photographs: on drawings, letters or measurements a small
    distance says little, and only scores of the same kind of set compare.

    weights   the published .pth file, or the .safetensors that this class made of it; None: from the cache, else fetched once
    DataError where the weights are missing or others.
    """

    name = "inception"
    batch = 32

    def __init__(
        self,
        shape: Sequence[int],
        span: tuple[float, float],
        weights: Path | None = None,
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, all: None,
    ) -> None:
        self.shape, self.span, self.device = tuple(shape), span, device
        with torch.device("meta"):  # first values would only be thrown away
            network = FidInception()
        network.load_state_dict(state(weights, progress), assign=True)
        self.network: FidInception = network.requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.conditions: Mapping[str, Any] = PUBLISHED.conditions(shape, span, SIDE, 2048)

    @torch.no_grad()
    def __call__(self, raw: np.ndarray) -> Tensor:
        return self.network(prepared(unit(raw, self.shape, self.span)).to(self.device)).cpu()

    def probabilities(self, features: Tensor) -> Tensor:
        """Of the 1,008 classes [B, 1008]. The bias of the last layer is left out, as the inception score has always done.

        arXiv:1606.03498, in the code of its authors.
        """
        return (features @ self.network.fc.weight.T.to(features.device)).softmax(1)


def prepared(x: Tensor) -> Tensor:
    """Pictures [B, C, H, W] in [-1, 1] as the network takes them, [B, 3, 299, 299]."""
    return F.interpolate(rgb(x), (SIDE, SIDE), mode="bilinear", align_corners=False).contiguous(memory_format=torch.channels_last)


def state(weights: Path | None, progress: Callable[[int, int], None] = lambda done, all: None) -> dict[str, Tensor]:
    """The published weights by name, without the counters of batches.

    The published file is a pickle. It is read once, only after its checksum has been found right, by the unpickler of torch that
    makes tensors and nothing else, and kept in the cache as safetensors; from then on that is what is read.
    """
    place = cache_root() / "inception-2015-12-05" / "model.safetensors"
    if weights is not None and weights.suffix == ".safetensors":
        found = _converted(weights)
        if found is None:
            raise DataError(
                f"{weights} cannot be read, or was not made by gansmith from {PUBLISHED.filename}, and scores from other weights "
                f"are not comparable. Give that file itself, from {PUBLISHED.url}"
            )
        return found
    source = None if weights is None else verified(weights, PUBLISHED)
    found = _converted(place)
    if found is not None:
        used(place)
        return found
    pickled = torch.load(source or io.BytesIO(downloaded(PUBLISHED, progress)), map_location="cpu", weights_only=True)
    tensors = {k: v for k, v in pickled.items() if not k.endswith("num_batches_tracked")}
    save(place, tensors, {"source": PUBLISHED.sha256, "digest": digest(tensors)})
    return tensors


def _converted(path: Path) -> dict[str, Tensor] | None:
    """The tensors of a file that `state` wrote; None where it is none or damaged."""
    found = load(path)
    if found is None or found[1] != {"source": PUBLISHED.sha256, "digest": digest(found[0])}:
        return None
    return found[0]
