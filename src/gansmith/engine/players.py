"""The two players: their weights, gradients, optimisers, and the generator's moving average, each as one flat tensor.

A network's parameters are views into one flat tensor, and their gradients into another. So the optimiser, the average, the
all-reduce between processes, the finite check and the checkpoint each work on one tensor, whatever the network is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from gansmith.engine.optimisers import Adam
from gansmith.errors import ConfigError

MEANS = ("logit_real", "logit_fake", "path_length", "sureness")  # values of a step whose running mean is kept where it is used
FOLLOW = 0.01  # how far a running mean goes towards the value of a step (arXiv:2104.03310, arXiv:1912.04958)


class Player:
    """One network with its flat weights, flat gradient and Adam.

    Any `nn.Module` will do. Only parameters that require a gradient are trained; buffers are kept and saved with the weights.
    """

    def __init__(self, network: nn.Module, name: str, optimiser: type[Adam] = Adam) -> None:
        self.name = name
        self.network = network
        self.named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
        if not self.named:
            raise ConfigError(f"the {name} has no parameter that requires a gradient; it cannot be trained.")
        if any(p.dtype != torch.float32 for _, p in self.named):
            raise ConfigError(f"the {name} has parameters that are not float32; keep weights in float32 and set machine.precision instead.")
        self.parameters = [p for _, p in self.named]
        device = self.parameters[0].device
        self.sizes = [p.numel() for p in self.parameters]
        self.weights = torch.empty(sum(self.sizes), device=device)
        self.gradient = torch.zeros_like(self.weights)
        for parameter, view, gradient in zip(self.parameters, self.shaped(self.weights), self.shaped(self.gradient), strict=True):
            view.copy_(parameter.data)
            parameter.data, parameter.grad = view, gradient
        self.optimiser = optimiser(self.weights)
        self.held: Tensor | None = None

    def shaped(self, flat: Tensor) -> list[Tensor]:
        """A flat tensor [P] as views in the shapes of the parameters."""
        return [_like(part, parameter) for part, parameter in zip(flat.split(self.sizes), self.parameters, strict=True)]

    def minimise(self, loss: Tensor) -> None:
        """Set the gradient of this player's weights to that of `loss`; nobody else's gradient is touched."""
        self.gradient.zero_()
        loss.backward(inputs=self.parameters)

    def step(self, rate: float, beta1: float, beta2: float) -> None:
        """One step of the optimiser, from where the player last looked ahead, where it did."""
        if self.held is not None:
            self.weights.copy_(self.held)
            self.held = None
        self.optimiser.step(self.weights, self.gradient, rate, beta1, beta2)

    def look_ahead(self, rate: float, beta1: float, beta2: float) -> None:
        """One step of the optimiser that the next `step` takes back, keeping what was learned of the slope there.  arXiv:1802.10551"""
        self.held = self.weights.clone()
        self.optimiser.step(self.weights, self.gradient, rate, beta1, beta2)

    def gradients(self) -> dict[str, Tensor]:
        """The gradient of each parameter in the last step, by the player's and the parameter's name."""
        return {f"{self.name}.{n}": g for (n, _), g in zip(self.named, self.shaped(self.gradient), strict=True)}

    def unmoved(self) -> list[str]:
        """Names of the weights, parameters of two axes or more, that nothing moves: not to be trained, or without any gradient."""
        frozen = [n for n, p in self.network.named_parameters() if p.dim() > 1 and not p.requires_grad]
        still = [n for n, p in self.named if p.dim() > 1 and p.grad is not None and not p.grad.any()]
        return [f"{self.name}.{n}" for n in (*frozen, *still)]

    def culprit(self) -> str:
        """Name of the first parameter whose gradient or value is not finite; '' where all are."""
        for name, parameter in self.named:
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                return f"gradient of {self.name}.{name}"
            if not parameter.isfinite().all():
                return f"value of {self.name}.{name}"
        return ""

    def state(self) -> dict[str, Tensor]:
        """Everything that a later step depends on, as named tensors."""
        found = {"weights": self.weights}
        found.update({f"optimiser.{k}": v for k, v in self.optimiser.state().items()})
        found.update(self._fixed())
        return found

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self.weights.copy_(state["weights"])
        self.optimiser.load({k.removeprefix("optimiser."): v for k, v in state.items() if k.startswith("optimiser.")})
        for name, tensor in self._fixed().items():
            tensor.copy_(state[name])

    def _fixed(self) -> dict[str, Tensor]:
        """What no gradient moves: buffers, and parameters that a user has frozen."""
        found: dict[str, Tensor] = {f"buffer.{n}": b for n, b in self.network.named_buffers()}
        found.update({f"frozen.{n}": p.data for n, p in self.network.named_parameters() if not p.requires_grad})
        return found


def _like(flat: Tensor, parameter: Tensor) -> Tensor:
    """A part of a flat tensor in the shape of a parameter, and in its order in memory: channels last stays channels last."""
    if parameter.dim() == 4 and parameter.is_contiguous(memory_format=torch.channels_last):
        return flat.as_strided(parameter.shape, parameter.stride(), flat.storage_offset())
    return flat.view(parameter.shape)


class Players:
    """Generator, discriminator, the averaged generator's weights, and what both remember of the game so far."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, optimiser: type[Adam] = Adam) -> None:
        self.generator = Player(generator, "generator", optimiser)
        self.discriminator = Player(discriminator, "discriminator", optimiser)
        self.average = self.generator.weights.clone()
        self.memory = {name: torch.zeros((), device=self.average.device) for name in (*MEANS, "strength")}

    def remember(self, record: Mapping[str, Tensor], reduce: Callable[[Tensor], None]) -> None:
        """Let the running means follow the values of a step, averaged over all processes."""
        if not record:  # most games ask for nothing, and an average over processes costs each step
            return
        values = torch.stack([value.detach() for value in record.values()])
        reduce(values)
        for name, value in zip(record, values, strict=True):
            self.memory[name].lerp_(value, FOLLOW)

    def finite(self) -> bool:
        """Whether every weight is finite: what is not must not reach a checkpoint."""
        return bool(torch.stack([x.isfinite().all() for x in (self.generator.weights, self.discriminator.weights, self.average)]).all())

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The generator with its averaged weights in place, for as long as the block lasts."""
        live = self.generator.weights.clone()
        modes = [(module, module.training) for module in self.generator.network.modules()]
        self.generator.weights.copy_(self.average)
        self.generator.network.eval()
        try:
            yield self.generator.network
        finally:
            self.generator.weights.copy_(live)
            for module, training in modes:
                module.training = training
