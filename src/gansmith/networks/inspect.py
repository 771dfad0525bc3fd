"""How large a network is and how much arithmetic one pass of it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


def parameters(network: nn.Module) -> int:
    """Numbers in the network that can be trained."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def multiply_adds(network: nn.Module, *inputs: Tensor | None) -> int:
    """Multiplications in the convolutions and matrix products of one forward pass on these inputs, each with its addition.

    All samples of the inputs together; a layer used twice counts twice. Other arithmetic is not counted: in networks made of such
    layers it is small, and the share of a machine's matrix-multiply rate is about these alone.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()  # batch statistics must not move for being counted
    try:
        with torch.no_grad(), _Counter() as counter:
            network(*inputs)
    finally:
        for module, training in modes:
            module.training = training
    return counter.total


class _Counter(TorchDispatchMode):
    """Counts what is multiplied while it is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is aten.convolution.default:
            x, weight, transposed = args[0], args[1], args[6]
            # weight[0]: what one number of the output is a sum of, or what one of the input goes into
            self.total += (x if transposed else output).numel() * weight[0].numel()
        elif func in (aten.mm.default, aten.bmm.default):
            self.total += output.numel() * args[0].shape[-1]
        elif func is aten.addmm.default:
            self.total += output.numel() * args[1].shape[-1]
        return output
