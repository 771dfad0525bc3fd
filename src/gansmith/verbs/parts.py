"""Networks and losses that a user may bring instead of naming them in the recipe."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gansmith import losses, networks
from gansmith.config import Recipe
from gansmith.engine.moves import Weights, generate, judge_of, logits_of
from gansmith.engine.optimisers import OPTIMISERS
from gansmith.engine.players import Players
from gansmith.errors import ConfigError, nearest
from gansmith.layout import Layout
from gansmith.randomness import seed_of

HALF = 4  # samples: as many as one group of those whose spread is commonly taken together (arXiv:1710.10196)


@dataclass(frozen=True)
class Parts:
    """What a user may bring instead of naming it in the recipe."""

    generator: nn.Module | None = None
    discriminator: nn.Module | None = None
    loss: losses.LossPair | None = None

    @property
    def own(self) -> dict[str, bool]:
        return {"generator": self.generator is not None, "discriminator": self.discriminator is not None, "loss": self.loss is not None}


def build_players(recipe: Recipe, layout: Layout, parts: Parts, device: str) -> Players:
    """Both networks with first weights fixed by the seed, the user's own where brought, on the device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(recipe.run.seed, "weights"))
        generator, discriminator = networks_of(recipe, layout, parts)
    players = Players(generator.to(device), discriminator.to(device), OPTIMISERS[recipe.optimiser.name])
    if recipe.machine.compile:
        players.generator.network.compile()  # in place, so that the names in its state_dict stay
        players.discriminator.network.compile()
    return players


def networks_of(recipe: Recipe, layout: Layout, parts: Parts) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator: the user's own where brought, else those the recipe names."""
    return (
        parts.generator or networks.generator(recipe.network, layout),
        parts.discriminator or networks.discriminator(recipe.network, layout.packed(recipe.game.pack)),
    )


def apart(recipe: Recipe, layout: Layout, parts: Parts) -> bool:
    """Whether the discriminator judges each sample by itself, also in train mode.

    One that was brought is tried on a batch and on its half, unless it has batch normalisation: with a last layer that begins with zeros
    nothing would show.
    """
    if parts.discriminator is None:
        return networks.apart(recipe.network, layout)
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in parts.discriminator.modules()):
        return False
    judged = layout.packed(recipe.game.pack)
    x = torch.randn(2 * HALF, *judged.shape, generator=torch.Generator().manual_seed(0))
    condition = nn.functional.one_hot(torch.zeros(len(x), dtype=torch.int64), judged.condition).float() if judged.condition else None
    whole = _in_training(parts.discriminator, x, condition)[:HALF]
    half = _in_training(parts.discriminator, x[:HALF], None if condition is None else condition[:HALF])
    return torch.allclose(whole, half, rtol=1e-3, atol=1e-5 * float(whole.abs().max()))


def _in_training(discriminator: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """Its logits [B] as it gives them while it trains, but for what it leaves to chance; of a copy, for a pass may change it."""
    copied = copy.deepcopy(discriminator).cpu().train()
    for module in copied.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return logits_of(copied, x, condition).float()


def smoothed(recipe: Recipe, layout: Layout, parts: Parts) -> bool:
    """Whether the discriminator's weights are held by spectral norm: of one that was brought, whether torch keeps its vectors in it."""
    if parts.discriminator is None:
        return networks.smoothed(recipe.network, layout)
    return any(name.endswith("_u") for name, _ in parts.discriminator.named_buffers())


def of_the_whole_batch(recipe: Recipe, layout: Layout) -> str | None:
    """The first setting of a resolved recipe that uses all of a batch at once; processes that divide it would play another game."""
    uses = {
        f"loss.name={recipe.loss.name}": not pair_of(recipe, Parts()).apart,
        "network.spread=true": recipe.network.spread,
        f"network.name={recipe.network.name}": not networks.divisible(recipe.network, layout),
        f"game.kept={recipe.game.kept}": recipe.game.kept < 1.0,
        f"game.features={recipe.game.features}": recipe.game.features > 0.0,
        f"game.unrolled={recipe.game.unrolled}": recipe.game.unrolled > 0,
        f"penalty.name={recipe.penalty.name}": recipe.penalty.name == "dragan",
    }
    return next((setting for setting, whole in uses.items() if whole), None)


def check_parts(parts: Parts, layout: Layout, recipe: Recipe, several: bool = False) -> None:
    """ConfigError where a module that was brought does not fit these data or the game: tried on two samples.

    `several`: whether the condition has several columns, and is no class.
    """
    latents = recipe.network.latent or 1
    condition = nn.functional.one_hot(torch.zeros(2, dtype=torch.int64), layout.condition).float() if layout.condition else None
    shape = ", ".join(str(n) for n in layout.shape)
    told = (f"a condition of {layout.condition} numbers", "one") if several else (f"{layout.condition} classes", "a one-hot")
    if parts.generator is not None:
        if recipe.game.likelihood and not hasattr(parts.generator, "surprise"):
            raise ConfigError(
                "game.likelihood asks your generator for the surprise of a row. Give it a method surprise(x, condition) -> [B], "
                "or set game.likelihood=0."
            )
        given = f"latents [B, {latents}] (network.latent={latents})"
        x = _try("generator", parts.generator, generate, torch.zeros(2, latents), condition, given, told)
        if tuple(x.shape) != (2, *layout.shape):
            raise ConfigError(f"the generator gives {tuple(x.shape)} for 2 latents; samples of this data are [B, {shape}].")
    if parts.discriminator is not None:
        _check_asked(parts.discriminator, layout, recipe)
        judged = layout.packed(recipe.game.pack)
        shape = ", ".join(str(n) for n in judged.shape)
        condition = None if condition is None else condition.repeat(1, recipe.game.pack)
        logits = _try(
            "discriminator", parts.discriminator, logits_of, torch.zeros(2, *judged.shape), condition, f"samples [B, {shape}]", told
        )
        if tuple(logits.shape) != (2,):
            raise ConfigError(
                f"the discriminator gives {logits.numel() // 2} numbers for each sample; one logit is required, [B] or [B, 1]."
            )
        if condition is not None and recipe.network.conditioning == "auxiliary":
            guess = _try(
                "discriminator", parts.discriminator, _guess, torch.zeros(2, *judged.shape), condition, f"samples [B, {shape}]", told
            )
            if guess.shape != condition.shape:
                raise ConfigError(
                    f"the classes of the discriminator gives {tuple(guess.shape)} for 2 samples; (2, {condition.shape[1]}) was expected, a "
                    "number for each of a condition."
                )


def _guess(network: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """What an auxiliary classifier makes of samples, [B, K]."""
    guess = judge_of(network, Weights(classes=1.0))(x, condition).classes
    assert guess is not None
    return guess


def _check_asked(discriminator: nn.Module, layout: Layout, recipe: Recipe) -> None:
    """ConfigError where a discriminator that was brought cannot give what the recipe asks of it, or would not be what the recipe says."""
    two = "features(x, condition) -> [B, E] and head(features, condition) -> logits [B]"
    has = {name: hasattr(discriminator, name) for name in ("features", "head", "classes")}
    if recipe.game.features and not (has["features"] and has["head"]):
        raise ConfigError(
            f"game.features compares your discriminator's features of samples. Give it methods {two}, or leave game.features out."
        )
    if recipe.network.conditioning == "auxiliary":
        if not layout.condition:
            raise ConfigError("network.conditioning=auxiliary asks the discriminator for labels, but these data have none. Leave it out.")
        if not all(has.values()):
            raise ConfigError(
                f"network.conditioning=auxiliary asks your discriminator for labels. Give it methods {two}, and "
                f"classes(features) -> [B, {layout.condition * recipe.game.pack}], or leave it out."
            )
    ignored = {
        "network.conditioning=concatenation": recipe.network.conditioning == "concatenation",
        "network.spectral=true": recipe.network.spectral,
        "network.spread=true": recipe.network.spread,
    }
    for setting, used in ignored.items():
        if used:
            raise ConfigError(
                f"{setting} changes the recipe's own discriminator, but you passed your own. Leave it out, or build it into yours."
            )


def _try(
    name: str,
    module: nn.Module,
    call: Callable[[nn.Module, Tensor, Tensor | None], Tensor],
    x: Tensor,
    condition: Tensor | None,
    given: str,
    told: tuple[str, str],
) -> Tensor:
    if condition is not None and not _takes_two(module):
        raise ConfigError(
            f"these data have {told[0]}, but the forward of the {name} takes no condition. Let it take {told[1]} "
            f"[B, {condition.shape[1]}] as its second argument, or ignore the labels with data.labels=none."
        )
    try:
        with torch.no_grad():
            return call(copy.deepcopy(module).eval().cpu(), x, condition)
    except Exception as error:  # whatever a user's module raises
        also = f" and a condition [B, {condition.shape[1]}]" if condition is not None else ""
        raise ConfigError(f"the {name} cannot take {given}{also}: {type(error).__name__}: {str(error).splitlines()[0]}") from error


def _takes_two(module: nn.Module) -> bool:
    """Whether a module's forward can be called with two arguments."""
    try:
        inspect.signature(module.forward).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a forward whose signature cannot be known
        return True
    return True


def parameter_counts(recipe: Recipe, layout: Layout) -> tuple[int, int]:
    """Numbers to learn in the recipe's generator and discriminator."""
    with torch.device("meta"):
        pair = networks_of(recipe, layout, Parts())
    generator, discriminator = (sum(p.numel() for p in n.parameters()) for n in pair)
    return generator, discriminator


def pair_of(recipe: Recipe, parts: Parts) -> losses.LossPair:
    """The pair of losses brought or named. ConfigError for an unknown name."""
    if parts.loss is not None:
        return parts.loss
    if recipe.loss.name not in losses.LOSSES:
        raise ConfigError(f"there is no loss {recipe.loss.name!r}; {nearest(recipe.loss.name, losses.LOSSES)}")
    return losses.LOSSES[recipe.loss.name]
