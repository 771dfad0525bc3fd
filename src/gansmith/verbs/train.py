"""train: from data to a run folder."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gansmith import artefact, config, domains, latent, losses, networks
from gansmith.config import Recipe
from gansmith.data.order import Feed
from gansmith.data.split import held_out
from gansmith.data.store import Collection
from gansmith.domains.domain import Codec, Domain
from gansmith.domains.image import collect
from gansmith.engine import checkpoint, distribute, probe
from gansmith.engine.checkpoint import Position
from gansmith.engine.distribute import World
from gansmith.engine.loop import Tick, Watcher, play
from gansmith.engine.plan import Plan
from gansmith.engine.players import Players
from gansmith.engine.watch import Checkpoints, Log, Previews, TensorBoard
from gansmith.errors import ConfigError, DataError, RunError, nearest
from gansmith.layout import Batch, Layout
from gansmith.randomness import seed_of
from gansmith.recipes import automatic
from gansmith.runs import RunFolder, create, find, read_json, write_json, write_text
from gansmith.verbs.run import Run

PREVIEW = 64  # samples in a preview
LARGEST = {"cpu": 64, "mps": 128, "cuda": 256}  # side of pictures that an automatic size does not exceed


@dataclass(frozen=True)
class Parts:
    """What a user may bring instead of naming it in the recipe."""

    generator: nn.Module | None = None
    discriminator: nn.Module | None = None
    loss: losses.LossPair | None = None

    @property
    def own(self) -> dict[str, bool]:
        return {"generator": self.generator is not None, "discriminator": self.discriminator is not None, "loss": self.loss is not None}


@dataclass(frozen=True)
class Started:
    """What is known when a run begins; the command line shows it."""

    run: RunFolder
    recipe: Recipe
    collection: Collection
    layout: Layout
    training: int
    parameters: tuple[int, int]  # of generator and discriminator
    trials: Sequence[probe.Trial] = ()
    resumed: Position = field(default_factory=Position)


class Audience:
    """Told what happens; the command line has one that draws a progress bar. This one is silent."""

    def opening(self, done: int, all: int) -> None:
        """`done` of `all` samples are decoded."""

    def started(self, started: Started) -> None:
        """Everything is chosen; the first step comes next."""

    def tick(self, tick: Tick) -> None:
        """A tick has passed."""


def train(
    data: Any = "digits",
    *,
    recipe: Recipe | str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    samples: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    resume: str | Path | None = None,
    runs: str | Path = "runs",
    name: str | None = None,
    generator: nn.Module | None = None,
    discriminator: nn.Module | None = None,
    loss: losses.LossPair | None = None,
    audience: Audience | None = None,
) -> Run:
    """Train a generative adversarial network and give the run.

    data           a path, hf:NAME, digits, toy:NAME; an array [N, H, W] or [N, H, W, C]; or a torch Dataset of samples or (sample, label)
    recipe         a Recipe or a recipe.yaml to begin from; `settings` are dotted changes to it, {"penalty.gamma": 0.3}
    minutes, samples, batch, seed   the same as settings run.minutes, run.samples, run.batch, run.seed
    resume         a run folder to go on with; nothing else may then be changed
    runs, name     the run becomes the folder runs/name-1 (-2, …)
    generator      any module mapping (latent [B, Z]) or (latent, condition [B, K]) to x [B, C, *P]; `discriminator` one mapping x or
                   (x, condition) to logits [B]; `loss` any pair of losses. What is not brought comes from the recipe.

    Every setting that is not given is chosen from the data and the machine and written to recipe.yaml. Ctrl-C and SIGTERM end the run at
    the next tick with a checkpoint. Raises ConfigError, DataError, RunError, TrainingError, StorageError.
    """
    parts, audience = Parts(generator, discriminator, loss), audience or Audience()
    short = {"run.minutes": minutes, "run.samples": samples, "run.batch": batch, "run.seed": seed}
    changes = {**(settings or {}), **{k: v for k, v in short.items() if v is not None}}
    if resume is not None:
        return _resume(find(resume), changes, data if not isinstance(data, str) or data != "digits" else None, parts, audience)
    base = recipe if isinstance(recipe, Recipe) else config.read(recipe) if recipe is not None else Recipe()
    if isinstance(data, str | Path):
        if not (recipe is not None and str(data) == "digits"):
            changes["data.source"] = str(data)
        data = None
    else:
        changes["data.source"] = "memory"
    base = config.merge(base, changes)
    world = distribute.join(automatic_device(base))
    try:
        return _fresh(base, data, parts, world, audience, Path(runs), name)
    finally:
        world.leave()


def _fresh(recipe: Recipe, data: Any, parts: Parts, world: World, audience: Audience, runs: Path, name: str | None) -> Run:
    """Prepare a new run folder in the first process, then train."""
    run, trials = None, list[probe.Trial]()
    if world.first:
        opened = Opened.of(recipe, data, world.device, audience)
        recipe, _, trials = opened.resolve(recipe, parts, world)
        run = create(runs, name or opened.name(recipe))
        write_text(run.recipe, config.dump(recipe))
        write_json(run.data, opened.facts(recipe, parts))
        place = str(run.path.resolve())
    else:
        place = ""
    run = run or RunFolder(Path(world.text(place)))
    if world.first:
        world.text(place)
    else:
        recipe = config.read(run.recipe)
        opened = Opened.of(recipe, data, world.device, Audience())
    return _together(run, recipe, opened, parts, world, audience, trials)


def _resume(run: RunFolder, changes: Mapping[str, Any], data: Any, parts: Parts, audience: Audience) -> Run:
    recipe = config.read(run.recipe)
    _refuse_changes(recipe, changes)
    facts = read_json(run.data)
    if checkpoint.newest(run).finished:
        raise RunError(f"{run.path} has already finished. Draw from it with 'gansmith sample {run.path}', or train anew for longer.")
    for part, own in facts["own"].items():
        if own != parts.own[part]:
            said = f"was started with a {part} of your own; pass it again" if own else f"was started with the recipe's own {part}; leave yours out"
            raise RunError(f"{run.path} {said}.")
    world = distribute.join(automatic_device(recipe))
    try:
        if recipe.data.source == "memory" and (data is None or isinstance(data, str | Path)):
            raise RunError(f"{run.path} was trained on data passed from Python; pass the same data again to go on.")
        opened = Opened.of(recipe, None if recipe.data.source != "memory" else data, world.device, audience)
        if opened.fingerprint != facts["fingerprint"]:
            raise DataError(
                f"the data in {recipe.data.source} are not those this run was trained on (fingerprint {opened.fingerprint}, was {facts['fingerprint']}). "
                "Put the old data back, or train anew."
            )
        return _together(run, recipe, opened, parts, world, audience, [])
    finally:
        world.leave()


def _refuse_changes(recipe: Recipe, changes: Mapping[str, Any]) -> None:
    """A resume goes on with the same settings: RunError with the list of those that differ."""
    now, wanted = config.flat(recipe), config.flat(config.merge(recipe, changes))
    differ = [f"{k} is {now[k]}, asked for {wanted[k]}" for k in now if now[k] != wanted[k]]
    if differ:
        raise RunError(f"a resumed run keeps its settings, and these differ: {'; '.join(differ)}. Leave them out, or train a new run.")


def _together(
    run: RunFolder, recipe: Recipe, opened: Opened, parts: Parts, world: World, audience: Audience, trials: Sequence[probe.Trial]
) -> Run:
    """Train in as many processes of this machine as the recipe says, unless a launcher has already made them."""
    workers = recipe.machine.workers or 1
    if world.size > 1 or workers == 1:
        _play(run, recipe, opened, parts, world, audience, trials)
        return Run(run)
    others = distribute.launch(workers, ["train", "--resume", str(run.path)], run.workers_log)
    alike = World(0, workers, world.device)
    try:
        _play(run, recipe, opened, parts, alike, audience, trials)
    finally:
        alike.leave()
        _end(others)
    return Run(run)


def _end(others: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in others:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _play(
    run: RunFolder, recipe: Recipe, opened: Opened, parts: Parts, world: World, audience: Audience, trials: Sequence[probe.Trial]
) -> None:
    """Build the players, bring them to the newest checkpoint, and play to the end."""
    plan = Plan.of(recipe, opened.layout)
    if plan.batch % world.size:
        raise ConfigError(f"a batch of {plan.batch} cannot be divided over {world.size} processes. Set run.batch to a multiple of {world.size}.")
    torch.set_num_threads(recipe.machine.threads or 1)
    players = build_players(recipe, opened.layout, parts, world.device)
    position = checkpoint.load(run, players)
    if position.finished:
        raise RunError(f"{run.path} has already finished.")
    feed = opened.feed(plan.batch, plan.seed, world)
    goal = probe.objective(
        recipe, pair_of(recipe, parts), opened.spread, recipe.machine.precision or "fp32", recipe.penalty.form or "exact", world.device
    )
    watch: list[Watcher] = []
    if world.first:
        run.cut_log(position.step)
        watch = _watchers(run, recipe, opened, parts, world, audience)
        weights = (players.generator.weights.numel(), players.discriminator.weights.numel())
        audience.started(Started(run, recipe, opened.collection, opened.layout, len(opened.members), weights, trials, position))
    with asked_to_stop() as asked:
        reached = play(players, feed, goal, plan, world, position, watch, asked)
    if not reached.finished and world.first and asked():
        raise KeyboardInterrupt


def _watchers(run: RunFolder, recipe: Recipe, opened: Opened, parts: Parts, world: World, audience: Audience) -> list[Watcher]:
    card = opened.card(recipe, parts)

    def export(tick: Tick, players: Players) -> None:
        artefact.save(run.generator, card, opened.codec.state(), checkpoint.average_weights(players))

    found: list[Watcher] = [Log(run)]
    if recipe.run.tensorboard:
        found.append(TensorBoard(run))
    latents, condition = opened.preview_latents(recipe, world.device)
    found.append(Previews(run, recipe.run.previews, latents, condition, lambda x: opened.domain.picture(opened.codec.decode(x), columns=8)))
    found.append(Checkpoints(run, recipe.run.checkpoint_seconds, recipe.run.keep, export))
    found.append(lambda tick, players: audience.tick(tick))
    return found


def build_players(recipe: Recipe, layout: Layout, parts: Parts, device: str) -> Players:
    """Both networks with first weights fixed by the seed, the user's own where brought, on the device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(recipe.run.seed, "weights"))
        generator = parts.generator or networks.generator(recipe.network, layout)
        discriminator = parts.discriminator or networks.discriminator(recipe.network, layout)
    if device.startswith("cuda") and layout.geometry == "plane":
        generator, discriminator = (n.to(memory_format=torch.channels_last) for n in (generator, discriminator))
    players = Players(generator.to(device), discriminator.to(device))
    if recipe.machine.compile:
        players.generator.network = torch.compile(players.generator.network)  # type: ignore[assignment]
        players.discriminator.network = torch.compile(players.discriminator.network)  # type: ignore[assignment]
    return players


def parameter_counts(recipe: Recipe, layout: Layout) -> tuple[int, int]:
    """Numbers to learn in the recipe's generator and discriminator."""
    with torch.device("meta"):
        pair = networks.generator(recipe.network, layout), networks.discriminator(recipe.network, layout)
    generator, discriminator = (sum(p.numel() for p in n.parameters()) for n in pair)
    return generator, discriminator


def pair_of(recipe: Recipe, parts: Parts) -> losses.LossPair:
    """The pair of losses brought or named. ConfigError for an unknown name."""
    if parts.loss is not None:
        return parts.loss
    if recipe.loss.name not in losses.LOSSES:
        raise ConfigError(f"there is no loss {recipe.loss.name!r}; {nearest(recipe.loss.name, losses.LOSSES)}")
    return losses.LOSSES[recipe.loss.name]


@dataclass(frozen=True)
class Opened:
    """Data opened for training: what they are, how they are encoded, which of them may be trained on."""

    domain: Domain
    collection: Collection
    codec: Codec
    held: np.ndarray  # [N] mask of the held-out part

    @classmethod
    def of(cls, recipe: Recipe, data: Any, device: str, audience: Audience) -> Opened:
        """Open the recipe's source, or `data` brought from Python. DataError where that cannot be done."""
        if data is not None:
            domain, collection = domains.by_name("image"), collect(data, recipe.data)
        else:
            domain = domains.of(recipe.data.source, recipe.data.domain)
            collection = domain.open(recipe.data.source, recipe.data, LARGEST.get(device.partition(":")[0], 64), audience.opening)
        held = held_out(collection.digests, recipe.data.held_out, recipe.run.seed, collection.labels)
        if (~held).sum() < 2:
            raise DataError(f"{int((~held).sum())} sample is left to train on; a game needs at least 2. Add data, or lower data.held_out.")
        return cls(domain, collection, domain.fit(collection), held)

    @property
    def layout(self) -> Layout:
        return self.codec.layout

    @property
    def members(self) -> np.ndarray:
        return np.flatnonzero(~self.held)

    @property
    def total_variance(self) -> float:
        return float(self.collection.facts["total_variance"])

    @property
    def spread(self) -> float:
        """Standard deviation of one number of the encoded data, over samples."""
        return max((self.total_variance / self.layout.size) ** 0.5, 1e-6)

    @property
    def fingerprint(self) -> str:
        return str(self.collection.facts["fingerprint"])

    def name(self, recipe: Recipe) -> str:
        """What a run on these data is called unless the user names it."""
        return Path(recipe.data.source.rstrip("/")).name.split(".")[0].replace(":", "-") or "run"

    def feed(self, batch: int, seed: int, world: World) -> Feed:
        return Feed(
            self.collection.raw,
            self.codec.encode,
            members=self.members,
            labels=self.collection.labels,
            condition=self.layout.condition,
            batch=batch,
            seed=seed,
            rank=world.rank,
            size=world.size,
            device=world.device,
        )

    def resolve(self, recipe: Recipe, parts: Parts, world: World) -> tuple[Recipe, float, list[probe.Trial]]:
        """The recipe with nothing left to choose, the samples a second it gives here, and what the probe of the machine found."""
        situation = automatic.Situation(self.layout, len(self.members), self.total_variance, world.device)
        trials: list[probe.Trial] = []

        def measure(game: Recipe) -> automatic.Speed:
            def pair() -> tuple[nn.Module, nn.Module]:
                return parts.generator or networks.generator(game.network, self.layout), parts.discriminator or networks.discriminator(
                    game.network, self.layout
                )

            alone = not any(parts.own.values()) and world.size == 1 and recipe.data.source != "memory"
            feeder = lambda count: self.feed(count, game.run.seed, World(device=world.device))(0)  # noqa: E731
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed_of(game.run.seed, "weights"))
                trials.extend(probe.probe(game, pair_of(game, parts), pair, feeder, self.spread, world.device, alone))
            chosen = probe.best(trials)
            return automatic.Speed(
                chosen.way.precision, chosen.way.threads, chosen.workers, chosen.way.form, chosen.samples_per_second * world.size
            )

        resolved = automatic.resolve(recipe, situation, measure)
        return resolved, probe.best(trials).samples_per_second * world.size, trials

    def preview_latents(self, recipe: Recipe, device: str) -> tuple[Tensor, Tensor | None]:
        """The latents of every preview, and conditions that go through the classes in turn."""
        assert recipe.network.latent
        latents = latent.draw(recipe.run.seed, "preview", 0, PREVIEW, recipe.network.latent).to(device)
        if not self.layout.condition:
            return latents, None
        turn = torch.arange(PREVIEW) % self.layout.condition
        return latents, nn.functional.one_hot(turn, self.layout.condition).float().to(device)

    def card(self, recipe: Recipe, parts: Parts) -> artefact.Card:
        shares: tuple[float, ...] = ()
        if self.collection.labels is not None:
            counts = np.bincount(self.collection.labels[self.members], minlength=self.layout.condition)
            shares = tuple((counts / counts.sum()).tolist())
        return artefact.Card(recipe.network, self.layout, self.domain.name, self.collection.classes, shares, parts.generator is not None)

    def facts(self, recipe: Recipe, parts: Parts) -> dict[str, Any]:
        """data.json: what was trained on, what was kept out, what was noticed, and on which machine."""
        return {
            "fingerprint": self.fingerprint,
            "source": recipe.data.source,
            "domain": self.domain.name,
            "count": len(self.collection),
            "training": len(self.members),
            "split": {
                "rule": "by content hash, so equal samples fall on the same side",
                "share": recipe.data.held_out,
                "seed": recipe.run.seed,
                "held_out": np.flatnonzero(self.held).tolist(),
            },
            "layout": self.layout.to_dict(),
            "classes": list(self.collection.classes),
            "facts": dict(self.collection.facts),
            "findings": [f.to_dict() for f in self.collection.findings],
            "own": parts.own,
            "machine": {"torch": torch.__version__, "python": platform.python_version(), "cores": os.cpu_count(), "system": platform.platform()},
        }


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM has come. The first is answered at the next tick with a checkpoint; a second Ctrl-C ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    seen: list[int] = []

    def note(number: int, frame: object) -> None:
        if seen and number == signal.SIGINT:
            raise KeyboardInterrupt
        seen.append(number)

    before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def automatic_device(recipe: Recipe) -> str:
    """The device asked for, or the best there is. ConfigError where it is not there."""
    asked = recipe.machine.device
    there = ["cpu"] + (["mps"] if torch.backends.mps.is_available() else []) + (["cuda"] if torch.cuda.is_available() else [])
    if asked is None:
        return there[-1]
    if asked.partition(":")[0] not in there:
        raise ConfigError(f"machine.device={asked} is not to be had here; there is {' and '.join(there)}.")
    return asked


