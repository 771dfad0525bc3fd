"""Generators and discriminators.

A generator maps (latent [B, Z], condition [B, K] or None) to x [B, C, *P], a discriminator (x, condition) to logits [B].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from gansmith.config import NetworkSettings
from gansmith.errors import ConfigError, RunError, nearest
from gansmith.layout import Geometry, Layout
from gansmith.networks import dcgan, dense, fastgan, light, residual, row, sngan, stylegan2
from gansmith.networks.condition import Concatenated, auxiliary, joined
from gansmith.networks.devices import equalised, spectral, spread
from gansmith.networks.heads import SLOPE, Discriminator


@dataclass(frozen=True)
class NetworkPair:
    """How a generator and a discriminator of one family are made from a layout, a latent size and a width.

    `finish` is done to every weight of the discriminator when all its layers are there. `apart` tells whether its logit of a sample depends
    on that sample alone, also in train mode, and `made_apart` whether a generated sample depends on its latent alone; `spread` whether the
    discriminator sees the spread of neighbours in a batch, whatever the settings. `told`: the generator is told a part of the sample and
    makes the rest (Layout.given). `sized`: whether the width changes its layers. `revision` goes up whenever the same weights make other
    samples than before, so that what was trained earlier is refused and not drawn wrongly.
    """

    generator: Callable[[Layout, int, int], nn.Module]
    discriminator: Callable[[Layout, int], Discriminator]
    geometries: tuple[Geometry, ...] = ("row", "line", "plane")
    finish: Callable[[Discriminator], Discriminator] | None = None
    apart: bool = True
    made_apart: bool = True
    spread: bool = False
    told: bool = False
    sized: bool = True
    revision: int = 1


DEPTH = 4  # layers of the dense pair

NETWORKS: dict[str, NetworkPair] = {
    "dense": NetworkPair(
        lambda layout, latent, width: dense.DenseGenerator(layout, latent, (width,) * DEPTH),
        lambda layout, width: dense.DenseDiscriminator(layout, (width,) * DEPTH),
    ),
    # the widths are those of the listing it is named after
    "classic": NetworkPair(
        lambda layout, latent, width: dense.DenseGenerator(layout, latent, dense.CLASSIC_GENERATOR, SLOPE),
        lambda layout, width: dense.DenseDiscriminator(layout, dense.CLASSIC_DISCRIMINATOR),
        sized=False,
    ),
    # a latent settles every choice, so its size is that of the layout; a discriminator of one choice needs few units
    "row": NetworkPair(
        lambda layout, latent, width: row.RowGenerator(layout, width),
        lambda layout, width: row.RowDiscriminator(layout, max(4, width // 4)),
        ("row",),
        told=True,
    ),
    "light": NetworkPair(light.LightGenerator, light.LightDiscriminator, ("line", "plane"), revision=2),
    "residual": NetworkPair(
        lambda layout, latent, width: residual.ResidualGenerator(layout, latent, residual.widths(layout, width)),
        lambda layout, width: residual.ResidualDiscriminator(layout, residual.widths(layout, width)),
        ("line", "plane"),
    ),
    "dcgan": NetworkPair(dcgan.DCGANGenerator, dcgan.DCGANDiscriminator, ("line", "plane"), apart=False, made_apart=False),
    "sngan": NetworkPair(sngan.SNGANGenerator, sngan.SNGANDiscriminator, ("line", "plane"), finish=spectral, made_apart=False),
    "sagan": NetworkPair(
        lambda layout, latent, width: sngan.SNGANGenerator(layout, latent, width, attention=True),
        lambda layout, width: sngan.SNGANDiscriminator(layout, width, attention=True),
        ("line", "plane"),
        finish=spectral,
        made_apart=False,
    ),
    "stylegan2": NetworkPair(
        stylegan2.StyleGAN2Generator, stylegan2.StyleGAN2Discriminator, ("line", "plane"), finish=equalised, apart=False, spread=True
    ),
    "fastgan": NetworkPair(fastgan.FastGANGenerator, fastgan.FastGANDiscriminator, ("line", "plane"), apart=False, made_apart=False),
}


def pair(settings: NetworkSettings, layout: Layout) -> NetworkPair:
    """The family that resolved settings name. ConfigError where it does not exist or does not fit the layout's geometry."""
    name = settings.name or ""
    if name not in NETWORKS:
        raise ConfigError(f"there is no network {name!r}; {nearest(name, NETWORKS)}")
    found = NETWORKS[name]
    if found.told != layout.given:
        rows, others = "these data are rows of a table; use network.name=row", "it is for rows of a table; leave it out"
        raise ConfigError(f"network.name={name} does not suit: {rows if layout.given else others}.")
    if layout.geometry not in found.geometries:
        raise ConfigError(
            f"network.name={name} works on {' and '.join(found.geometries)}; this data is a {layout.geometry}. Use network.name=dense."
        )
    return found


def revision(settings: NetworkSettings) -> int:
    """Of the family that settings name; 1 where they name none, as for a network of the user's own."""
    return NETWORKS[settings.name].revision if settings.name in NETWORKS else 1


def refuse_other_revision(settings: NetworkSettings, trained: object, where: object) -> None:
    """RunError where weights, found at `where`, were trained by another revision of the family: here they would make other samples."""
    own = revision(settings)
    if trained != own:
        raise RunError(
            f"{where} holds weights of the {settings.name} network, revision {trained}, but this gansmith has revision {own}, which makes "
            "different samples from them. Use the version that trained them, or train again."
        )


def apart(settings: NetworkSettings, layout: Layout) -> bool:
    """Whether the discriminator of resolved settings judges each sample alone, also in train mode: no batch statistics, no spread."""
    return pair(settings, layout).apart and not settings.spread


def smoothed(settings: NetworkSettings, layout: Layout) -> bool:
    """Whether the weights of the discriminator of resolved settings are held at a norm, so that it needs no gradient penalty."""
    return settings.spectral or pair(settings, layout).finish is spectral


def divisible(settings: NetworkSettings, layout: Layout) -> bool:
    """Whether both networks of resolved settings take each sample alone, so that processes may divide a batch."""
    return apart(settings, layout) and pair(settings, layout).made_apart


def generator(settings: NetworkSettings, layout: Layout) -> nn.Module:
    """The generator of resolved settings, freshly initialised from torch's global random state."""
    assert settings.latent
    assert settings.width
    return pair(settings, layout).generator(layout, settings.latent, settings.width)


def discriminator(settings: NetworkSettings, layout: Layout) -> Discriminator:
    """The discriminator of resolved settings, freshly initialised from torch's global random state.

    ConfigError where it is to ask for a condition that the layout does not have.
    """
    found = pair(settings, layout)
    network = _conditioned(found, settings, layout)
    if found.finish is not None:
        network = found.finish(network)
    if settings.spectral and found.finish is not spectral:
        network = spectral(network)
    return network


def _conditioned(found: NetworkPair, settings: NetworkSettings, layout: Layout) -> Discriminator:
    """All layers of a discriminator, those for condition and spread with them."""
    assert settings.width
    how, width = settings.conditioning or "projection", settings.width
    if layout.given and how != "projection":
        raise ConfigError(f"network.conditioning={how} does not apply to rows of a table. Leave it out.")

    def made(shown: Layout) -> Discriminator:
        network = found.discriminator(shown, width)
        return spread(network) if settings.spread and not found.spread else network

    if how == "auxiliary":
        if not layout.condition:
            raise ConfigError("network.conditioning=auxiliary asks the discriminator for labels, but these data have none. Leave it out.")
        return auxiliary(made(replace(layout, condition=0)), layout.condition)
    if how == "concatenation" and layout.condition:
        flat = "row" in found.geometries  # such a network does not mind positions, and K numbers do where K channels would be many more
        return Concatenated(made(joined(layout, flat)), flat)
    return made(layout)
