"""How large a network is and how much arithmetic one pass of it takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def parameters(network: nn.Module) -> int:
    """Numbers in the network that can be trained."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def multiply_adds(network: nn.Module, *inputs: Tensor | None) -> int:
    """Multiplications of the linear and convolutional layers in one forward pass on these inputs, each with its addition.

    All samples of the inputs together; a layer used twice counts twice. Other arithmetic is not counted: in networks made of such
    layers it is small, and the share of a machine's matrix-multiply rate is about these alone.
    """
    total = 0

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer.weight, Tensor)
        total += output.numel() * layer.weight[0].numel()  # weight[0]: what one output is a sum of

    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    modes = [(module, module.training) for module in network.modules()]
    network.eval()  # batch statistics must not move for being counted
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for module, training in modes:
            module.training = training
        for hook in hooks:
            hook.remove()
    return total
