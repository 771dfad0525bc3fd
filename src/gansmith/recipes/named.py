"""Recipes by name: what a paper trained with, as settings of ours. A docstring says where they come from and in what ours differ.

What a recipe leaves open is chosen as ever, from the data and the machine; so are the rates' rise over the first hundred steps and the
labels, which become a condition where the data have them (`data.labels=none` leaves them aside).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from gansmith import config
from gansmith.config import Recipe
from gansmith.errors import ConfigError, nearest


def article() -> Recipe:
    """The dense pair of beginners' listings on 28x28 digits: 5 epochs, no penalty, no average

    Source: the widely copied listing of dense layers, 100-256-512-1024-784 against 784-512-256-1, with batches of 128 and 5 epochs of
    60,000; the game of Goodfellow et al. 2014 (arXiv:1406.2661), algorithm 1, with the generator's loss that its section 3 recommends
    against vanishing gradients (the other: loss.name=minimax); Adam with 2e-4 and 0.5 as in arXiv:1511.06434.
    Differs: the discriminator sees real pictures, and its loss is told logits, not probabilities; every hidden layer is a leaky
    rectifier, and samples are clamped instead of sent through a tanh.
    """
    return _older(
        {
            "network.name": "classic",
            "network.latent": 100,
            "loss.name": "nonsaturating",
            **_adam(2e-4, 0.5, 0.999),
            "run.batch": 128,
            "run.samples": 300_000,
        }
    )


def dcgan() -> Recipe:
    """Strided convolutions and batch statistics in both players (Radford et al. 2015)

    Source: arXiv:1511.06434, section 4 and figure 1: Adam with 2e-4 and a first moment of 0.5, batches of 128, 100 latents, 128 channels in
    the finest hidden stage, doubled at each coarser one; the non-saturating game of arXiv:1406.2661.
    Differs: latents are normal, not uniform; kernels are 4 wide, not 5 (see networks/dcgan.py). The paper knows no labels.
    """
    return _older(
        {
            "network.name": "dcgan",
            "network.width": 128,
            "network.latent": 100,
            "loss.name": "nonsaturating",
            **_adam(2e-4, 0.5, 0.999),
            "run.batch": 128,
        }
    )


def wgan_gp() -> Recipe:
    """Wasserstein critic, five moves for one, its slope held at 1 between real and fake (Gulrajani et al. 2017)

    Source: arXiv:1704.00028, algorithm 1: penalty weight 10, five moves of the critic, Adam with 1e-4, 0 and 0.9, batches of 64.
    Differs: the paper trains many networks with these numbers, and asks of them no more than a critic without batch statistics (section 4);
    so the networks are left to be chosen, and all that can be have none. Its residual ones for CIFAR-10 were run at 2e-4, falling to 0.
    """
    return _older(
        {
            "loss.name": "wasserstein",
            "game.critics": 5,
            "penalty.name": "wgan-gp",
            "penalty.gamma": 10.0,
            **_adam(1e-4, 0.0, 0.9),
            "run.batch": 64,
        }
    )


def sngan() -> Recipe:
    """Hinge loss, weights of the critic divided by their largest singular value, residual pair (Miyato et al. 2018)

    Source: arXiv:1802.05957, section 4 and appendix B: Adam with 2e-4, 0 and 0.9, five moves of the discriminator, the rate falling to 0,
    batches of 64, 128 latents; 64 channels on the finest grid, doubled at each coarser one, as its networks for 128x128.
    Differs: the rate falls along half a cosine, not a line; the generator's batches are as large as the discriminator's, not twice that.
    Labels, where there are any, enter by projection and conditional statistics, as in arXiv:1802.05637.
    """
    return _older(
        {
            "network.name": "sngan",
            "network.width": 64,
            "network.latent": 128,
            "loss.name": "hinge",
            "game.critics": 5,
            **_adam(2e-4, 0.0, 0.9),
            "optimiser.lr_end": 0.0,
            "run.batch": 64,
        }
    )


def stylegan2() -> Recipe:
    """Styles, modulated convolutions, R1 every 16 steps, path length (Karras et al. 2019)

    Source: arXiv:1912.04958, sections 3 and 4, appendix B: non-saturating game, R1 with weight 10 every 16 steps, Adam with 2e-3, 0 and
    0.99, batches of 32, 512 latents, an average with a half-life of 10,000 samples. The path length weighs ln 2 / (ln r - ln 2), with
    gradients divided by r, for pictures of r by r: 0.2 is that of 64.
    Differs: the path length is taken at every step, not at every eighth; Adam's rate and moments are not rescaled for the penalty of every
    16th step, as the paper's are; no two styles are mixed in one sample; noise is made from the latent (networks/stylegan2.py). The
    channels are left to be chosen; the paper has 512 on every grid up to 64x64. Its weight of R1 is for 1024x1024; penalty.gamma=null
    chooses one by the data.
    """
    return _older(
        {
            "network.name": "stylegan2",
            "network.latent": 512,
            "loss.name": "nonsaturating",
            "penalty.name": "r1",
            "penalty.gamma": 10.0,
            "penalty.every": 16,
            "penalty.path": 0.2,
            **_adam(2e-3, 0.0, 0.99),
            "average.halflife": 10_000,
            "run.batch": 32,
        }
    )


def r3gan() -> Recipe:
    """Relativistic pairing, R1 and R2 with falling weights, norm-free residual pair (Huang et al. 2025)

    Source: arXiv:2501.05441, section 4 and the appendix's settings for CIFAR-10: penalty weight 0.05 falling to 0.005, Adam with 2e-4
    falling to 5e-5, a first moment of 0 and a second rising from 0.9 to 0.99, batches of 512, 64 latents, an average with a half-life of
    5 million samples.
    Differs: the penalty falls over the whole run, not its first part; a weight of 1e-3 holds the mean logit near 0 (loss.centring); the
    paper augments, here only few pictures are. The penalty's weights are for colour pictures of 32x32; penalty.gamma=null and
    penalty.gamma_end=null choose by the data.
    """
    return config.merge(
        Recipe(),
        {
            "network.name": "residual",
            "network.width": 768,
            "network.latent": 64,
            "penalty.gamma": 0.05,
            "penalty.gamma_end": 0.005,
            "optimiser.lr_generator": 2e-4,
            "optimiser.lr_discriminator": 2e-4,
            "optimiser.lr_end": 0.25,
            "average.halflife": 5_000_000,
            "run.batch": 512,
        },
    )


def light() -> Recipe:
    """Ours: the automatic choices, with the convolutional pair made for a processor

    Source: docs/results.md, where it was measured. It is what lines and pictures get on a CPU when nothing is said.
    """
    return config.merge(Recipe(), {"network.name": "light"})


def mlp() -> Recipe:
    """Ours: the automatic choices, with dense layers in each player

    Source: docs/results.md, where it was measured. It is what rows and very small pictures get when nothing is said.
    """
    return config.merge(Recipe(), {"network.name": "dense"})


RECIPES: dict[str, Callable[[], Recipe]] = {
    "article": article,
    "dcgan": dcgan,
    "wgan-gp": wgan_gp,
    "sngan": sngan,
    "stylegan2": stylegan2,
    "r3gan": r3gan,
    "light": light,
    "mlp": mlp,
}


def get(name: str) -> Recipe:
    """The recipe of that name. ConfigError with the nearest where there is none."""
    return _called(name)()


def read(given: str | Path) -> Recipe:
    """The recipe in a file or, where there is no such file, of that name. ConfigError where there is neither."""
    path = Path(given)
    if not path.is_file() and not path.suffix and len(path.parts) == 1:
        return get(str(given))
    return config.read(path)


def line(name: str) -> str:
    """A recipe in one line."""
    return _told(name).partition("\n")[0]


def show(name: str) -> str:
    """Where a recipe comes from, as comments, and all that differs from the settings without one: the text of a recipe file."""
    comments = "".join(f"# {words}".rstrip() + "\n" for words in _told(name).splitlines())
    return comments + yaml.safe_dump(differences(get(name)), sort_keys=False)


def differences(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The settings of each group that are not those of an empty recipe."""
    plain, found = config.flat(Recipe()), dict[str, dict[str, Any]]()
    for dotted, value in config.flat(recipe).items():
        if value != plain[dotted]:
            group, _, name = dotted.partition(".")
            found.setdefault(group, {})[name] = value
    return found


def _called(name: str) -> Callable[[], Recipe]:
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}, neither a file nor a name; {nearest(name, RECIPES)}")
    return RECIPES[name]


def _told(name: str) -> str:
    return inspect.getdoc(_called(name)) or ""


def _adam(rate: float, beta1: float, beta2: float) -> dict[str, Any]:
    """Adam with one rate for both players, and nothing that changes along the run."""
    rates = {"optimiser.lr_generator": rate, "optimiser.lr_discriminator": rate, "optimiser.lr_end": 1.0}
    return {**rates, "optimiser.beta1": beta1, "optimiser.beta2": beta2, "optimiser.beta2_end": beta2}


def _older(settings: dict[str, Any]) -> Recipe:
    """A recipe with what older papers do not have turned off, unless it is set: centring, penalty, augmentation and average."""
    off = {"loss.centring": 0.0, "penalty.gamma": 0.0, "augment.strength": 0.0, "average.halflife": 0}
    return config.merge(Recipe(), {**off, **settings})
