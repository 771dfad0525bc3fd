"""The automatic recipe: every setting that was left open, from the data and the machine.

What is here was measured (docs/results.md); what was not is the field's common choice, with its source beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gansmith import augment, config
from gansmith.config import Recipe
from gansmith.engine.probe import Trial
from gansmith.errors import ConfigError
from gansmith.layout import Layout
from gansmith.networks import NETWORKS, row
from gansmith.penalties import PENALTIES, automatic_gamma

MINUTES = 15.0  # of a run that was given no length
SAMPLES_PER_NUMBER = 5_000  # … unless the data is so small that it is learned before: samples seen for each number in a sample
FEWEST_SAMPLES = 500_000
FEW_NUMBERS = 16  # in a sample: a dense layer of half the units does, and a step is cheap …
LONGER = 11  # … so there are so many times more of them, …
LARGE_BATCH = 256  # … of which so many cost hardly more than half as many, and stray less
QUICKER = 2  # times the generator's rate is the discriminator's then, which must keep up with what is sharp: at the same it lost its slope
SOONER = 2.0  # power of the cosine along which the rates fall then: modes become sharp only where they are small
FULL_BATCH = 64  # samples a step for which the light pair's rate was measured; with fewer it falls in proportion
THUMBNAIL = 32 * 32  # numbers in a grey picture of 32 by 32
SMALL = 256  # numbers in a sample up to which every number may look at every other
UNEQUAL = 10  # times the smallest class, from which the largest leaves it too seldom seen to be learned
FEW = 5_000  # pictures, below which they are augmented
STRONGEST = 0.8  # above which it may show in samples (arXiv:2006.06676)
SMALLEST = 16  # shortest side of pictures that bear it
BY_HEART = 200  # times a picture is seen before the augmentation is at its strongest
LATENTS = {"classic": 100, "dcgan": 100, "sngan": 128, "sagan": 128, "stylegan2": 512, "fastgan": 256}  # as published
EACH_ROW = 60  # times a row of a table is seen, within …
ROWS_SEEN = (50_000, 2_000_000)  # … so many in all
LIKELIHOOD = 10.0  # weight of the likelihood of rows beside the game
PUBLISHED_GAMMA = 10.0  # of the penalties that ask for a slope of 1 (arXiv:1704.00028, 1705.07215)
TICK_SECONDS = 2.0
LOOKS = 20  # at the generator's distance from the data in a run …
LOOKED_AT = 1_000  # … on so many samples each, where there are as many to train on …
UNSEEN = 4_000  # rows kept out, with a part told, by which a generator of rows is looked at
LOOKING = 1 / 15  # … and all together at most this share of the samples seen: a sample costs twelve times as much to learn from as to draw
FEWEST_TICKS = 20
EXAMINED = 256  # samples of an examination, which together cost about as much as so many to learn from …
EXAMINING = 0.0125  # … so there are so many that they take about this share of the run …
EXAMS = (16, 100)  # … between these: a short run is a trial, of which it is worth more to know why


@dataclass(frozen=True)
class Situation:
    """What the choices depend on."""

    layout: Layout
    samples: int  # to train on
    total_variance: float  # of the encoded data, summed over all its numbers
    device: str
    classes: tuple[int, ...] = ()  # samples to train on of each class that has any


def resolve_game(recipe: Recipe, situation: Situation) -> Recipe:
    """Fill what the data decide: how classes are drawn, networks, batch, rates, penalty weights, augmentation, average.

    ConfigError where one cannot be.
    """
    layout = situation.layout
    _refuse_for_rows(recipe, layout)
    balance = _balance(recipe, situation)
    # where classes are drawn alike often, the smallest is seen as often as if all were of its size
    samples = len(situation.classes) * min(situation.classes) if balance else situation.samples
    cpu = situation.device == "cpu"
    small = layout.geometry == "row" or layout.size <= SMALL
    name = recipe.network.name or ("row" if layout.given else "dense" if small else "light" if cpu else "residual")
    gamma = _gamma(recipe, situation) if recipe.penalty.gamma is None else recipe.penalty.gamma
    batch = recipe.run.batch or min(_largest_batch(layout, small, cpu), _even(situation.samples))
    if batch % recipe.game.pack:
        raise ConfigError(f"a batch of {batch} cannot be divided into packs of {recipe.game.pack}. Set run.batch to a multiple of it.")
    usual = _width(name, layout, cpu)
    width = recipe.network.width or usual
    if width != usual and not NETWORKS[name].sized:
        raise ConfigError(f"network.width does nothing with network.name={name}, whose layers are those of its source. Leave it out.")
    if recipe.penalty.clip is not None and (recipe.network.spectral or NETWORKS[name].finish):
        raise ConfigError(
            "penalty.clip bounds the weights as they are stored, which "
            f"{'network.spectral=true' if recipe.network.spectral else f'network.name={name}'} rescales. Leave one of the two out."
        )
    few = _few_numbers(layout)
    # dense and light measured: twice the rate diverges, of a batch of 32 the whole one does in time, and half of it learns faster;
    # dense goes with its width as arXiv:2203.03466 has it; the others as published
    rate = {
        "dense": 1e-3 * 256 / width,
        "classic": 2e-4,
        "row": 1e-3,
        "light": 1.5e-3 * (16 / width) ** 0.5 * min(1.0, batch / FULL_BATCH),
        "residual": 2e-4,
        "dcgan": 2e-4,  # arXiv:1511.06434, section 4
        "sngan": 2e-4,  # arXiv:1802.05957, table 1, with beta1 = 0 and several moves of the discriminator
        "sagan": 1e-4,  # arXiv:1805.08318, section 4
        "stylegan2": 2e-3,  # arXiv:1912.04958, appendix B, of equalised weights
        "fastgan": 2e-4,  # arXiv:2101.04775
    }[name]
    # sagan as published, beside spectral norm in both players
    quicker = 4 if name == "sagan" else QUICKER if name == "dense" and few else 1
    open_settings: dict[str, Any] = {
        "data.balance": balance,
        "network.name": name,
        "network.width": width,
        # a map from as many normal numbers as a sample has can have any density; each further one is to be unlearned where data are sharp
        "network.latent": row.latents(layout) if layout.given else min(64, layout.size) if name == "dense" else LATENTS.get(name, 64),
        "network.conditioning": "projection",
        "penalty.gamma": gamma,
        "penalty.gamma_end": gamma,
        "penalty.form": "exact",  # by finite differences a step is somewhat faster, and samples stay far from the data: docs/penalty.md
        "augment.strength": STRONGEST if _augments(recipe, layout, samples) else 0.0,
        "augment.rise": 0 if recipe.augment.adapt else BY_HEART * samples,  # what adapts rises by itself
        "optimiser.lr_generator": rate,
        "optimiser.lr_discriminator": quicker * rate,
        "optimiser.lr_end": 0.01 if name in ("dense", "row") else 0.1,
        "optimiser.lr_power": SOONER if name == "dense" and few else 1.0,
        "game.likelihood": LIKELIHOOD if layout.given else 0.0,
        "average.halflife": 20_000,
        "run.batch": batch,
    }
    if any(block.kind == "real" for block in layout.blocks):
        open_settings["machine.precision"] = "fp32"  # bf16 gives such a value three digits, and it may need more
    if recipe.machine.compile:  # a compiled network has no second derivative
        if gamma and not PENALTIES[recipe.penalty.name].cheap:
            raise ConfigError(
                f"machine.compile=true cannot be used with penalty.name={recipe.penalty.name}: a compiled network has no second "
                "derivative. Leave compile out, or use R1 and R2."
            )
        for setting, used in (("penalty.path", recipe.penalty.path), ("game.unrolled", recipe.game.unrolled)):
            if used:
                raise ConfigError(
                    f"machine.compile=true cannot be used with {setting}: a compiled network has no second derivative. "
                    "Leave one of the two out."
                )
        open_settings["penalty.form"] = "finite"
    return _fill(recipe, open_settings)


def resolve_length(recipe: Recipe, situation: Situation, trial: Trial, samples_per_second: float) -> Recipe:
    """Fill what the machine decides: precision, threads, processes, and with its speed the length of the run."""
    way = trial.way
    chosen: dict[str, Any] = {
        "machine.device": situation.device,
        "machine.precision": way.precision,
        "machine.threads": way.threads,
        "machine.workers": trial.workers,
    }
    if recipe.run.samples is None and recipe.run.minutes is None:
        fewest = FEWEST_SAMPLES * (LONGER if _few_numbers(situation.layout) else 1)
        enough = max(fewest, SAMPLES_PER_NUMBER * situation.layout.size)
        if situation.layout.given:
            enough = min(max(ROWS_SEEN[0], EACH_ROW * situation.samples), ROWS_SEEN[1])
        chosen["run.samples"] = _round(min(enough, MINUTES * 60 * samples_per_second))
    assert recipe.run.batch
    seconds = TICK_SECONDS if recipe.run.minutes is None else min(TICK_SECONDS, recipe.run.minutes * 60 / FEWEST_TICKS)
    taken = recipe.run.batch * recipe.game.critics  # in a step
    steps = int(seconds * samples_per_second / taken)
    samples = recipe.run.samples or chosen.get("run.samples")
    seen = min(samples or math.inf, (recipe.run.minutes or math.inf) * 60 * samples_per_second)
    chosen["run.looks"] = min(LOOKS, int(LOOKING * seen / min(LOOKED_AT, situation.samples)))
    chosen["run.exams"] = max(EXAMS[0], min(EXAMS[1], int(EXAMINING * seen / EXAMINED)))
    chosen["run.tick"] = max(1, min(steps, samples // taken // FEWEST_TICKS) if samples else steps)
    return _fill(recipe, chosen)


def _balance(recipe: Recipe, situation: Situation) -> bool:
    """Whether classes are drawn alike often: as was asked, else where they are very unequal."""
    classes = situation.classes
    if situation.layout.given:  # the class is one of the choices: what is drawn is what is learned
        if recipe.data.balance:
            raise ConfigError("data.balance=true would teach shares that the table does not have. Leave it out, and draw with --balance.")
        return False
    if recipe.data.balance is None:
        return bool(classes) and max(classes) >= UNEQUAL * min(classes)
    if recipe.data.balance and not classes:
        raise ConfigError("data.balance=true draws classes alike often, and these data have no classes. Leave it out, or give labels.")
    return recipe.data.balance


def _refuse_for_rows(recipe: Recipe, layout: Layout) -> None:
    """ConfigError for settings that have no meaning for rows of choices, or for anything else alone."""
    if not layout.given:
        if recipe.game.likelihood:
            raise ConfigError("game.likelihood is for rows of choices, as tables are, and these data are none. Leave it out.")
        return
    if recipe.game.pack > 1:
        raise ConfigError("game.pack has no meaning for rows, each of which is told another part of itself. Leave it out.")
    if recipe.network.latent not in (None, row.latents(layout)):
        raise ConfigError(f"a latent of these rows has {row.latents(layout)} numbers, one for all that is drawn. Leave network.latent out.")


def _gamma(recipe: Recipe, situation: Situation) -> float:
    """Weight of the gradient penalty: none beside clipped weights, the automatic one for R1 and R2, the published one for the others."""
    if recipe.penalty.clip is not None:
        return 0.0
    variance = situation.total_variance * recipe.game.pack  # of what the discriminator is shown as one
    return automatic_gamma(variance) if PENALTIES[recipe.penalty.name].cheap else PUBLISHED_GAMMA


def _few_numbers(layout: Layout) -> bool:
    return layout.size <= FEW_NUMBERS


def _largest_batch(layout: Layout, small: bool, cpu: bool) -> int:
    """Samples a step where there are enough of them: where a step is dear, fewer, and more steps."""
    if layout.given:
        return 512
    if small:
        return LARGE_BATCH if _few_numbers(layout) else 128
    if not cpu:
        return 256
    return FULL_BATCH if layout.size <= THUMBNAIL else 32


def _width(name: str, layout: Layout, cpu: bool) -> int:
    """Units of a dense layer, or channels of the finest stage: as published, and of the light pair what the device bears."""
    if name == "row":
        return 256
    if name == "dense":
        return 128 if _few_numbers(layout) else 256
    if name == "classic":
        return 1024
    if name == "stylegan2":
        return max(4, min(512, 2**15 // max(layout.positions, default=1)))  # arXiv:1912.04958, configuration F
    if name == "fastgan":
        return max(4, min(64, 2**13 // max(layout.positions, default=1)))  # arXiv:2101.04775, about
    if name != "light" or not cpu:
        return 64
    return 16 if layout.size <= THUMBNAIL else 32


def _augments(recipe: Recipe, layout: Layout, samples: int) -> bool:
    """Whether a strength that was left open is above 0. ConfigError where something was asked for that a strength of 0 would not do."""
    asked = [name for name in ("adapt", "pseudo") if getattr(recipe.augment, name)]
    if asked and recipe.augment.strength == 0.0:
        raise ConfigError(
            f"augment.{asked[0]}=true does nothing at augment.strength=0. Set augment.strength={STRONGEST}, or leave one of the two out."
        )
    if recipe.augment.policy == "none" and not recipe.augment.pseudo:
        if asked:
            raise ConfigError(
                "augment.adapt=true has nothing to adapt where augment.policy=none. Name a policy, or set augment.pseudo=true."
            )
        return False
    named = recipe.augment.policy not in ("few", "none")
    if named:
        augment.policy(recipe.augment.policy, layout.geometry)
    return bool(asked) or named or _few_pictures(layout, samples)


def _few_pictures(layout: Layout, samples: int) -> bool:
    """Whether a discriminator would learn the samples by heart, and they bear to be augmented."""
    return layout.geometry == "plane" and min(layout.positions) >= SMALLEST and samples < FEW


def _fill(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    now = config.flat(recipe)
    return config.merge(recipe, {name: value for name, value in values.items() if now[name] is None})


def _even(count: int) -> int:
    """The largest power of two that is no more than a quarter of the samples, and at least 4: a batch is not most of the data."""
    batch = 4
    while batch * 2 <= count // 4:
        batch *= 2
    return batch


def _round(samples: float) -> int:
    """To two digits: the length of a run is a choice, not a measurement."""
    scale = 10 ** max(0, len(str(int(samples))) - 2)
    return max(1, round(samples / scale)) * scale
