"""Exported generators that were never trained, of any network: for what is done with a generator, not for how it came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gansmith import artefact, networks
from gansmith.artefact import Card, Generator
from gansmith.config import NetworkSettings
from gansmith.domains.image import IMAGE, ImageCodec
from gansmith.layout import Block, Layout

SIDE = 8


def generator(name: str, classes: int = 0, latent: int = 6, width: int = 8, network: nn.Module | None = None, **codec: Any) -> Generator:
    """Of pictures [8, 8, 1]: of the network so named, or of one's own."""
    layout = Layout((Block("pixels", 1, "bounded"),), (SIDE, SIDE), classes)
    settings = NetworkSettings(name=name, width=width, latent=latent)  # type: ignore[arg-type]
    if network is None:
        torch.manual_seed(0)
        network = networks.generator(settings, layout)
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():
                    parameter.normal_(0, 0.1)  # else much of some networks says nothing at first
    card = Card(settings, layout, "image", tuple("abcdefgh"[:classes]), (1 / classes,) * classes if classes else ())
    return Generator(network, card, ImageCodec(layout, **{"dtype": "uint8", "lo": 0, "hi": 255, **codec}), IMAGE)


def of_classes(classes: int, **codec: Any) -> Generator:
    """A dense generator whose classes differ more than its latents do."""
    made = generator("dense", classes, latent=6, width=32, **codec)
    with torch.no_grad():
        made.network.layers[0].weight[:, 6:] *= 3  # type: ignore[index, union-attr]
        made.network.finish.weight *= 0.5  # type: ignore[operator, union-attr]
    return made


def linear(latent: int = 4, seed: int = 0) -> Generator:
    """A linear map from the latent to pictures of floats that stay within their range."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(latent, SIDE * SIDE), nn.Unflatten(1, (1, SIDE, SIDE)))
        nn.init.normal_(network[0].weight, 0, 0.05)  # type: ignore[arg-type]
    return generator("dense", latent=latent, network=network, dtype="float32", lo=-4.0, hi=4.0)


def save(made: Generator, folder: Path) -> Path:
    """The generator as an exported folder."""
    artefact.save(folder, made.card, made.codec.state(), dict(made.network.state_dict()))
    return folder
