"""Generators and discriminators.

A generator maps (latent [B, Z], condition [B, K] or None) to x [B, C, *P], a discriminator (x, condition) to logits [B].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from gansmith.config import NetworkSettings
from gansmith.errors import ConfigError, nearest
from gansmith.layout import Geometry, Layout
from gansmith.networks import dense, light, residual


@dataclass(frozen=True)
class NetworkPair:
    """How a generator and a discriminator of one family are made from a layout, a latent size and a width."""

    generator: Callable[[Layout, int, int], nn.Module]
    discriminator: Callable[[Layout, int], nn.Module]
    geometries: tuple[Geometry, ...] = ("row", "line", "plane")


DEPTH = 3  # layers of the dense pair

NETWORKS: dict[str, NetworkPair] = {
    "dense": NetworkPair(
        lambda layout, latent, width: dense.DenseGenerator(layout, latent, (width,) * DEPTH),
        lambda layout, width: dense.DenseDiscriminator(layout, (width,) * DEPTH),
    ),
    # the widths are those of the listing it is named after, so `width` says nothing here
    "classic": NetworkPair(
        lambda layout, latent, width: dense.DenseGenerator(layout, latent, dense.CLASSIC_GENERATOR),
        lambda layout, width: dense.DenseDiscriminator(layout, dense.CLASSIC_DISCRIMINATOR),
    ),
    "light": NetworkPair(light.LightGenerator, light.LightDiscriminator, ("line", "plane")),
    "residual": NetworkPair(
        lambda layout, latent, width: residual.ResidualGenerator(layout, latent, residual.widths(layout, width)),
        lambda layout, width: residual.ResidualDiscriminator(layout, residual.widths(layout, width)),
        ("line", "plane"),
    ),
}


def pair(settings: NetworkSettings, layout: Layout) -> NetworkPair:
    """The family that resolved settings name. ConfigError where it does not exist or does not fit the layout's geometry."""
    name = settings.name or ""
    if name not in NETWORKS:
        raise ConfigError(f"there is no network {name!r}; {nearest(name, NETWORKS)}")
    found = NETWORKS[name]
    if layout.geometry not in found.geometries:
        raise ConfigError(
            f"network.name={name} works on {' and '.join(found.geometries)}; this data is a {layout.geometry}. Use network.name=dense."
        )
    return found


def generator(settings: NetworkSettings, layout: Layout) -> nn.Module:
    """The generator of resolved settings, freshly initialised from torch's global random state."""
    assert settings.latent
    assert settings.width
    return pair(settings, layout).generator(layout, settings.latent, settings.width)


def discriminator(settings: NetworkSettings, layout: Layout) -> nn.Module:
    """The discriminator of resolved settings, freshly initialised from torch's global random state."""
    assert settings.width
    return pair(settings, layout).discriminator(layout, settings.width)
