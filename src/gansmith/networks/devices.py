"""What may be done to a whole network, whatever its layers: to every weight of it, or to its last layer.

Letters: B samples, E features, P positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from gansmith.networks.heads import Discriminator, Projection

Network = TypeVar("Network", bound=nn.Module)

NEIGHBOURS = 4  # samples at most whose spread is taken together
SMOOTH = 1e-8  # keeps the slope of a standard deviation finite where samples are equal (arXiv:1710.10196)


def weights(network: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """(module, name) of every weight: a parameter of two axes or more, also one that is parametrised already."""
    for module in list(network.modules()):
        if isinstance(module, parametrize.ParametrizationList):
            continue
        names = [name for name, _ in module.named_parameters(recurse=False)]
        if isinstance(listed := getattr(module, "parametrizations", None), nn.ModuleDict):
            names += listed.keys()
        yield from ((module, name) for name in names if getattr(module, name).dim() > 1)


def spectral(network: Network) -> Network:
    """Divide every weight by its largest singular value, so that its matrix stretches nothing; gives the network back.  arXiv:1802.05957

    A weight of more axes than two is taken as a matrix of its first axis against the others. In train mode each pass takes one step of the
    power method, whose vectors are buffers. A weight that starts at zero has no direction to be scaled, so it is drawn like the others.
    """
    for module, name in list(weights(network)):
        weight: Tensor = getattr(module, name)
        if not weight.is_meta and not weight.any():
            with torch.no_grad():
                weight.normal_(0.0, weight[0].numel() ** -0.5)
        parametrizations.spectral_norm(module, name)
    return network


class Scaled(nn.Module):
    """A tensor times a fixed number, kept divided by it."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by

    def right_inverse(self, x: Tensor) -> Tensor:
        return x / self.by


def equalised(network: Network, rate: float = 1.0) -> Network:
    """Keep every weight divided by the spread it starts with, the root of 1 / fan-in; gives the network back.  arXiv:1710.10196

    An optimiser such as Adam takes steps of one length: now they are equally long in every layer, counted in what its weights are. With a
    `rate` other than 1 they are so many times as long, those of biases too.
    """
    for module, name in list(weights(network)):
        weight: Tensor = getattr(module, name)
        parametrize.register_parametrization(module, name, Scaled(rate / weight[0].numel() ** 0.5))
    if rate != 1.0:
        for module in list(network.modules()):
            if isinstance(getattr(module, "bias", None), Tensor):
                parametrize.register_parametrization(module, "bias", Scaled(rate))
    return network


def minibatch_spread(x: Tensor) -> Tensor:
    """How much neighbours in a batch differ: the standard deviation of every feature over a group of samples, averaged over the features.

    x [B, ...] -> [B], one number for all samples of a group. Groups are runs of up to NEIGHBOURS samples, as even as can be: so real and
    generated samples that lie behind each other in one batch stay apart where NEIGHBOURS divides their numbers.  arXiv:1710.10196
    """
    count = len(x)
    groups = -(-count // NEIGHBOURS)
    member = F.one_hot(torch.arange(count, device=x.device) * groups // count, groups).float()  # [B, groups]
    share = (member / member.sum(0)).T  # sums by matrices: those by index have no fixed order on a graphics processor
    with torch.autocast(x.device.type, enabled=False):
        flat = x.float().flatten(1)
        variance = share @ (flat - member @ (share @ flat)).square()  # [groups, features]
        return member @ (variance + SMOOTH).sqrt().mean(1)


class Spread(Projection):
    """A projection that sees the spread of neighbours as one more feature.  h [B, E], c [B, K] -> [B].  arXiv:1710.10196"""

    def __init__(self, features: int, condition: int) -> None:
        super().__init__(features + 1, condition)
        self.features = features

    def forward(self, h: Tensor, condition: Tensor | None) -> Tensor:
        return super().forward(torch.cat((h.float(), minibatch_spread(h).unsqueeze(1)), 1), condition)


def spread(network: Discriminator) -> Discriminator:
    """Let the last layer of a discriminator see how much neighbours in a batch differ, which collapsing samples do not; gives it back."""
    network.logit = Spread(network.logit.features, network.logit.condition)
    return network
