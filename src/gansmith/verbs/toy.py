"""toy: a game on points of the plane, seconds long, that can be watched: where the samples go, what the discriminator believes, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gansmith import latent
from gansmith.domains.toy import TOY, ToyCodec
from gansmith.domains.toy.sources import TOYS
from gansmith.engine import checkpoint
from gansmith.engine.loop import Tick
from gansmith.engine.moves import generate, logits_of
from gansmith.engine.players import Players
from gansmith.errors import ConfigError, DataError, nearest
from gansmith.losses import LOSSES, LossPair
from gansmith.penalties import PENALTIES
from gansmith.records import Finding, Recovery
from gansmith.verbs import frames
from gansmith.verbs.frames import Moment, Plane
from gansmith.verbs.parts import Parts, build_players, pair_of
from gansmith.verbs.playing import Audience, Silent, Started
from gansmith.verbs.run import Run
from gansmith.verbs.train import train

NAMES = tuple(name.removeprefix("toy:") for name in TOYS)
FRAMES, BATCH = 60, 128  # moments looked at in a run whose end is known in samples

# Nothing is left to probe, so the same seed makes the same pictures; and no generator but the last is kept, for that is what is watched.
ALIKE: dict[str, Any] = {
    "machine.device": "cpu",
    "machine.precision": "fp32",
    "machine.threads": 1,
    "machine.workers": 1,
    "run.guard": False,  # what goes wrong is what one wants to see
    "run.batch": BATCH,
    "run.previews": 0,
    "run.looks": 0,
    "run.checkpoint_seconds": 0.0,
    "run.report": False,
}
# Two numbers a sample need little: these networks take a third of the time of the automatic ones, and learn three times as fast.
SMALL: dict[str, Any] = {
    "network.name": "dense",
    "network.width": 64,
    "network.latent": 2,
    "optimiser.lr_generator": 3e-3,
    "optimiser.lr_discriminator": 3e-3,
    "optimiser.lr_end": 0.02,
    "optimiser.lr_power": 1.0,  # rates that fall sooner would end the minimax game before it collapses
    "optimiser.beta2_end": 0.999,
}
SAMPLES = {"ring": 512_000, "grid": 512_000, "sines": 128_000}

DRAWN, WITHIN = 2_500, 3.0  # samples that are counted, and how many deviations from a mode one is of high quality
PERFECT = 1.0 - math.exp(-(WITHIN**2) / 2)  # share of the data themselves that is
SHOWN, PULLED = 400, 50  # samples in a frame, and how many of them carry an arrow
LINES = 24  # … where samples are lines
FIELD = 64  # places along a side of the plane at which the discriminator is asked
ROOM = 0.22  # of the real points' span, on each side of them


@dataclass(frozen=True)
class Coverage:
    """Modes with a sample of high quality, modes there are, and the share of samples of high quality."""

    modes: int
    there: int
    quality: float


@dataclass(frozen=True)
class Demonstration:
    """What `toy` made: the run, three pictures of it, and what its averaged generator reaches (None where the data have no modes)."""

    run: Run
    animation: Path
    strip: Path
    value: Path
    coverage: Coverage | None


def toy(
    name: str = "ring",
    *,
    loss: str | LossPair = "relativistic",
    penalty: str = "r1+r2",
    minutes: float | None = None,
    samples: int | None = None,
    seed: int = 0,
    out: str | Path = "toy",
    settings: Mapping[str, Any] | None = None,
    audience: Audience | None = None,
    drawing: Callable[[int, int], None] = lambda done, all: None,
) -> Demonstration:
    """Train on toy data and draw how it went.

    name      ring, grid (points), or sines (lines)
    loss      a name of LOSSES, or a pair of your own
    penalty   r1+r2, r1, r2, wgan-gp, lp, dragan, or none
    minutes, samples, seed   as for `train`; default 512,000 samples (sines: 128,000)
    out       the folder of the run, OUT/NAME-LOSS-1 (-2, …), and beside it of its pictures, with the same name: .gif, the animation;
              -strip.png, moments side by side; -value.png, the value of the minimax game and its two terms
    settings  dotted changes to the recipe, as for `train`
    drawing   is called with the number of frames drawn, of how many

    The same arguments give the same pictures, unless the run is bounded by minutes. ConfigError, DataError and others as for `train`.
    """
    if name not in NAMES:
        raise DataError(f"there are no toy data {name!r}; {nearest(name, NAMES)}")
    if isinstance(loss, str) and loss not in LOSSES:
        raise ConfigError(f"there is no loss {loss!r}; {nearest(loss, LOSSES)}")
    if penalty not in (*PENALTIES, "none"):
        raise ConfigError(f"there is no penalty {penalty!r}; {nearest(penalty, (*PENALTIES, 'none'))}")
    if samples is None and minutes is None:
        samples = SAMPLES[name]
    pace = {} if samples is None else {"run.tick": max(1, math.ceil(samples / BATCH / FRAMES))}
    pair = None if isinstance(loss, str) else loss
    recorder = Recorder(audience or Silent(), pair)
    words = [name, loss if isinstance(loss, str) else "own", *([penalty] if penalty != "r1+r2" else [])]
    run = train(
        f"toy:{name}", settings={**ALIKE, **pace, **_game(name, loss, penalty), **(settings or {})}, minutes=minutes, samples=samples,
        seed=seed, loss=pair, runs=out, name="-".join(words), audience=recorder,
    )  # fmt: skip
    animation, strip, value = (run.path.with_name(run.path.name + end) for end in (".gif", "-strip.png", "-value.png"))
    moments, plane, title = recorder.moments, recorder.scene.plane, ", ".join(words).replace("none", "no penalty")
    frames.animation(animation, moments, plane, run.log, title, drawing)
    frames.strip(strip, moments, plane, title)
    frames.value(value, run.log)
    return Demonstration(run, animation, strip, value, _coverage(run))


def _game(name: str, loss: str | LossPair, penalty: str) -> dict[str, Any]:
    """The settings of a game on these data."""
    found: dict[str, Any] = {**({} if name == "sines" else SMALL), **({"loss.name": loss} if isinstance(loss, str) else {})}
    return {**found, **({"penalty.gamma": 0.0} if penalty == "none" else {"penalty.name": penalty})}


def covered(points: np.ndarray, centres: np.ndarray, sigma: float) -> Coverage:
    """Points [N, 2] counted against modes [K, 2] of deviation sigma.

    A point within 3 deviations of the nearest mode is of high quality; a mode counts with at least one of these.  arXiv:1712.04086, 4.1
    """
    distance = np.linalg.norm(points[:, None] - centres, axis=2)  # [N, K]
    good = distance.min(1) < WITHIN * sigma
    return Coverage(len(np.unique(distance.argmin(1)[good])), len(centres), float(good.mean()))


def _coverage(run: Run) -> Coverage | None:
    facts = run.data["facts"]
    return covered(run.sample(DRAWN).raw, np.array(facts["centres"]), facts["sigma"]) if "centres" in facts else None


class Recorder:
    """An audience that looks at both players before the first step and at every tick, by the checkpoint that was just written."""

    def __init__(self, audience: Audience, own: LossPair | None) -> None:
        self.audience, self.parts = audience, Parts(loss=own)
        self.moments: list[Moment] = []

    def opening(self, done: int, all: int) -> None:
        self.audience.opening(done, all)

    def started(self, started: Started) -> None:
        self.audience.started(started)
        self.run = started.run
        self.players = build_players(started.recipe, started.layout, self.parts, "cpu")
        self.scene = Scene.of(started, pair_of(started.recipe, self.parts))
        self.moments.append(self.scene.moment(0, self.players))

    def tick(self, tick: Tick) -> None:
        reached = checkpoint.load(self.run, self.players)
        self.moments.append(self.scene.moment(reached.step, self.players))
        self.audience.tick(tick)

    def finding(self, finding: Finding, step: int) -> None:
        self.audience.finding(finding, step)

    def recovered(self, recovery: Recovery) -> None:
        self.audience.recovered(recovery)

    def over(self, run: Path) -> None:
        self.audience.over(run)


@dataclass(frozen=True)
class Scene:
    """What is asked of the players at every moment.

    latents [N, Z] and their condition [N, K]; and of points alone: the plane, its places [FIELD², 2] and some real points [M, 2], encoded.
    """

    pair: LossPair
    codec: ToyCodec
    plane: Plane
    latents: Tensor
    condition: Tensor | None
    places: Tensor | None
    real: Tensor

    @classmethod
    def of(cls, started: Started, pair: LossPair) -> Scene:
        """The scene of a run on toy data."""
        recipe, codec, raw = started.recipe, TOY.fit(started.collection), started.collection.raw
        assert recipe.network.latent
        points, classes = raw.ndim == 2, started.layout.condition
        count = SHOWN if points else LINES
        latents = latent.draw(recipe.run.seed, "toy", 0, count, recipe.network.latent)
        condition = nn.functional.one_hot(torch.arange(count) % classes, classes).float() if classes else None
        low, high = float(raw.min()), float(raw.max())
        low, high = low - ROOM * (high - low), high + ROOM * (high - low)
        # a discriminator that judges several samples as one has no belief about a single place
        places = codec.encode(torch.from_numpy(grid(low, high, FIELD))) if points and recipe.game.pack == 1 else None
        return cls(
            pair,
            codec,
            Plane(raw[:SHOWN], (low, high), codec.scale),
            latents,
            condition,
            places,
            codec.encode(torch.from_numpy(raw[:PULLED])),
        )

    def moment(self, step: int, players: Players) -> Moment:
        """The game as it stands."""
        discriminator = players.discriminator.network
        with torch.no_grad():
            x = generate(players.generator.network, self.latents, self.condition)
            if self.places is None:
                return Moment(step, self.codec.decode(x))
            belief = logits_of(discriminator, self.places, None).sigmoid().reshape(FIELD, FIELD)
            real = logits_of(discriminator, self.real, None)
        pulled = x[:PULLED].requires_grad_()
        cost = self.pair.generator(real, logits_of(discriminator, pulled, None))
        (slope,) = torch.autograd.grad(cost.sum(), pulled)
        return Moment(step, self.codec.decode(x), belief.numpy(), -slope.numpy())


def grid(low: float, high: float, side: int) -> np.ndarray:
    """side² places of a square of the plane, by rows upwards.  [side², 2] float32"""
    along = np.linspace(low, high, side, dtype=np.float32)
    return np.stack(np.meshgrid(along, along), 2).reshape(-1, 2)
