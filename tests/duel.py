"""A game so small that a test can write its moves out by hand: the players, a batch, what is drawn, what is minimised."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gansmith.engine.distribute import World
from gansmith.engine.moves import Noise, Objective, Rates
from gansmith.engine.noise import Needs, noise
from gansmith.engine.optimisers import Adam
from gansmith.engine.players import Players
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES, LossPair
from gansmith.networks.dense import DenseDiscriminator, DenseGenerator

LAYOUT = Layout((Block("pixels", 2, "real"),), (4, 4), 3)
LATENT = 4
BARE = replace(LAYOUT, condition=0)
ALONE = World()


def players_(layout: Layout = LAYOUT, pack: int = 1, optimiser: type[Adam] = Adam) -> Players:
    """Dense players of one hidden layer."""
    torch.manual_seed(0)
    return Players(DenseGenerator(layout, LATENT, (16,)), DenseDiscriminator(layout.packed(pack), (16,)), optimiser)


def batch_(size: int, layout: Layout = LAYOUT) -> Batch:
    x = torch.randn(size, *layout.shape, generator=torch.Generator().manual_seed(1))
    return Batch(x, torch.eye(layout.condition)[torch.arange(size) % layout.condition] if layout.condition else None)


def noise_(size: int, layout: Layout = LAYOUT, world: World = ALONE, step: int = 0, **needs: Any) -> Noise:
    """What a step draws for batches of `size` samples a move, as the engine draws it."""
    return noise(Needs(**needs), layout, LATENT, size, 0, step, world)


def objective_(pair: str | LossPair = "relativistic", **more: Any) -> Objective:
    settings: dict[str, Any] = {"exact": True, "step": 1.0, "centring": 0.0, "autocast": nullcontext, **more}
    return Objective(LOSSES[pair] if isinstance(pair, str) else pair, **settings)


def rates_(**more: Any) -> Rates:
    settings: dict[str, Any] = {
        "gamma": 0.7, "lr_generator": 1e-2, "lr_discriminator": 1e-2, "beta1": 0.0, "beta2": 0.9, "ema_beta": 0.5, **more,
    }  # fmt: skip
    return Rates(**settings)


def jitter(x: Tensor, uniform: Tensor, strength: float) -> Tensor:
    """What stands for an augmentation: every sample enlarged and shifted by its own numbers.  x [B, ...], uniform [B, 2]"""
    by = strength * uniform.reshape(len(x), 2, *[1] * (x.dim() - 1))
    return x * (1 + by[:, 0]) + by[:, 1]
