"""Where the latent enters a generator, whatever its layers.

Letters: B samples, Z numbers of a latent, S of a style, K of a condition, M numbers that layers make of a latent or style.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


def styled(network: nn.Module) -> bool:
    """Whether a generator turns its latent into a style first, network(z, c) being network.synthesis(network.mapping(z, c), z).

    The mean style is then network.mapping.mean [S], and a style has as many numbers as a latent.
    """
    return hasattr(network, "synthesis") and hasattr(getattr(network, "mapping", None), "mean")


@torch.no_grad()
def entrance(network: nn.Module, run: Callable[[Tensor], Any], size: int) -> Tensor | None:
    """The linear map A [M, Z] from what enters a network to what the layers make of it that take it as it is; None where no layer does.

    `run` gives the network rows [B, Z] and is called once, on two of them. A layer takes them as they are where its input begins with
    them, whatever stands behind, such as a condition; its part of A is what it makes of the unit vectors, without what it makes of zeros.
    So nothing has to be known of it but that it is linear. It stays in the mode the network is in: call it in eval mode.
    """
    rows = torch.randn(2, size, generator=torch.Generator().manual_seed(0)).to(next(network.parameters()).device)
    taken: list[tuple[nn.Module, Tensor]] = []

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        if torch.equal(given[0].flatten(1)[:, :size], rows):
            taken.append((layer, given[0]))

    hooks = [layer.register_forward_pre_hook(look) for layer in network.modules() if isinstance(layer, LINEAR)]
    try:
        run(rows)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat([_matrix(layer, given, size) for layer, given in taken]) if taken else None


def _matrix(layer: nn.Module, given: Tensor, size: int) -> Tensor:
    """What an affine layer makes of the first `size` numbers of its input, as a matrix [M, size]."""
    basis = torch.zeros(size + 1, given[0].numel(), device=given.device)
    basis[1:, :size] = torch.eye(size, device=given.device)
    made: Tensor = layer(basis.reshape(-1, *given.shape[1:])).flatten(1)
    return (made[1:] - made[0]).T
