"""train: from data to a run folder."""

from __future__ import annotations

import copy
import inspect
import os
import platform
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

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
from gansmith.engine.steps import generate, logits_of
from gansmith.engine.watch import Checkpoints, Log, Previews, TensorBoard
from gansmith.errors import ConfigError, DataError, MissingExtra, RunError, nearest
from gansmith.layout import Batch, Layout
from gansmith.randomness import seed_of
from gansmith.recipes import automatic
from gansmith.runs import RunFolder, create, find, read_json, write_json, write_text
from gansmith.verbs.run import Run

MEMORY = "memory:"  # the source of data that were passed from Python
HANDS = ("machine.device", "machine.threads", "machine.workers")  # who does the work, not what is drawn: a resume may change them
NAMES = ("digits",)  # of data sets that are taken before a path of that name
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


class Audience(Protocol):
    """Told what happens; the command line has one that draws a progress bar."""

    def opening(self, done: int, all: int) -> None:
        """`done` of `all` samples are decoded."""

    def started(self, started: Started) -> None:
        """Everything is chosen; the first step comes next."""

    def tick(self, tick: Tick) -> None:
        """A tick has passed."""


class Silent:
    """An audience that says nothing."""

    def opening(self, done: int, all: int) -> None:
        pass

    def started(self, started: Started) -> None:
        pass

    def tick(self, tick: Tick) -> None:
        pass


def train(
    data: Any = None,
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

    data           a path, hf:NAME, digits, toy:NAME; an array [N, H, W] or [N, H, W, C]; or a torch Dataset of samples or (sample, label);
                   None: what the recipe says, the digits unless it says otherwise
    recipe         a Recipe or a recipe.yaml to begin from; `settings` are dotted changes to it, {"penalty.gamma": 0.3}
    minutes, samples, batch, seed   the same as settings run.minutes, run.samples, run.batch, run.seed
    resume         a run folder to go on with; nothing else may then be changed, but for machine.device, .threads and .workers
    runs, name     the run becomes the folder runs/name-1 (-2, …)
    generator      any module mapping (latent [B, Z]) or (latent, condition [B, K]) to x [B, C, *P]; `discriminator` one mapping x or
                   (x, condition) to logits [B]; `loss` any pair of losses. What is not brought comes from the recipe.
    audience       told of the data, the choices and every tick, as `Audience` says

    Every setting that is not given is chosen from the data and the machine and written to recipe.yaml. Ctrl-C and SIGTERM end the run at
    the next tick with a checkpoint. Raises ConfigError, DataError, RunError, TrainingError, StorageError.
    """
    parts, audience = Parts(generator, discriminator, loss), audience or Silent()
    short = {"run.minutes": minutes, "run.samples": samples, "run.batch": batch, "run.seed": seed}
    changes = {**(settings or {}), **{k: v for k, v in short.items() if v is not None}}
    if data is not None:
        changes["data.source"] = _lasting(data) if isinstance(data, str | Path) else MEMORY
        data = None if isinstance(data, str | Path) else data
    if resume is not None:
        if recipe is not None or name is not None:
            raise ConfigError("a resumed run keeps its recipe and its name. Leave them out, or train a new run.")
        return _resume(find(resume), changes, data, parts, audience)
    base = recipe if isinstance(recipe, Recipe) else config.read(recipe) if recipe is not None else Recipe()
    base = config.merge(base, changes)
    if base.data.source == MEMORY and data is None:
        raise ConfigError("this recipe is of data that were passed from Python. Pass data too.")
    world = distribute.join(automatic_device(base))
    try:
        return _fresh(base, data, parts, world, audience, Path(runs), name)
    finally:
        world.leave()


def _lasting(source: str | Path) -> str:
    """A source in words that mean the same from any working folder: paths whole, names as they are."""
    path = Path(source)
    return str(path.resolve()) if path.exists() and str(source) not in NAMES else str(source)


def _fresh(recipe: Recipe, data: Any, parts: Parts, world: World, audience: Audience, runs: Path, name: str | None) -> Run:
    """Prepare a new run folder in the first process, then train."""
    trials: list[probe.Trial] = []
    if world.first:
        opened = Opened.of(recipe, data, world.device, audience.opening)
        recipe, _, trials = opened.resolve(recipe, parts, world)
        _refuse_what_cannot_start(recipe, parts, world)
        run = _new_folder(runs, name or opened.name(recipe), recipe, opened.facts(recipe, parts, trials))
        world.text(str(run.path.resolve()))
    else:
        run = RunFolder(Path(world.text("")))
        recipe = config.read(run.recipe)
        opened = Opened.of(recipe, data, world.device)
    return _together(run, recipe, opened, parts, world, audience, trials)


def _new_folder(runs: Path, name: str, recipe: Recipe, facts: dict[str, Any]) -> RunFolder:
    """A run folder with its recipe and its data's facts; none where they cannot be written."""
    run = create(runs, name)
    try:
        write_text(run.recipe, config.dump(recipe))
        write_json(run.data, facts)
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _refuse_what_cannot_start(recipe: Recipe, parts: Parts, world: World) -> None:
    """ConfigError for what would fail only once the run folder is there."""
    workers = recipe.machine.workers or 1
    count = world.size if world.size > 1 else workers
    assert recipe.run.batch
    if recipe.run.batch % count:
        raise ConfigError(
            f"a batch of {recipe.run.batch} cannot be divided over {count} processes. Set run.batch to a multiple of {count}."
        )
    if count > 1 and world.size == 1:
        brought = [name for name, own in parts.own.items() if own] + (["data"] if recipe.data.source == MEMORY else [])
        if brought:
            raise ConfigError(
                f"machine.workers={workers} starts processes that know nothing of a {brought[0]} passed from Python. "
                "Set machine.workers=1, or start your own script with torchrun."
            )
    if recipe.machine.compile and recipe.penalty.form == "exact":
        raise ConfigError(
            "machine.compile=true cannot be used with penalty.form=exact: PyTorch has no second derivative of a compiled network. "
            "Set penalty.form=finite, or leave compile out."
        )
    if recipe.run.tensorboard and find_spec("tensorboard") is None:
        raise MissingExtra("run.tensorboard", "tensorboard")


def _resume(run: RunFolder, changes: Mapping[str, Any], data: Any, parts: Parts, audience: Audience) -> Run:
    recipe = config.read(run.recipe)
    _refuse_changes(recipe, changes)
    recipe = config.merge(recipe, {k: v for k, v in changes.items() if k in HANDS})
    facts = read_json(run.data)
    if not isinstance(facts, dict) or not {"fingerprint", "own"} <= facts.keys():
        raise RunError(f"{run.data} does not say what this run was trained on. Copy the whole folder again, or train anew.")
    if checkpoint.newest(run).finished:
        raise RunError(f"{run.path} has already finished. Draw from it with 'gansmith sample {run.path}', or train anew for longer.")
    for part, own in facts["own"].items():
        if own != parts.own[part]:
            said = (
                f"was started with a {part} of your own; pass it again"
                if own
                else f"was started with the recipe's own {part}; leave yours out"
            )
            raise RunError(f"{run.path} {said}.")
    if recipe.data.source == MEMORY and data is None:
        raise RunError(f"{run.path} was trained on data passed from Python; pass the same data again to go on.")
    world = distribute.join(automatic_device(recipe))
    try:
        _refuse_what_cannot_start(recipe, parts, world)
        opened = Opened.of(recipe, data, world.device, audience.opening)
        if opened.fingerprint != facts["fingerprint"]:
            raise DataError(
                f"the data in {recipe.data.source} are not those this run was trained on "
                f"(fingerprint {opened.fingerprint}, was {facts['fingerprint']}). Put the old data back, or train anew."
            )
        return _together(run, recipe, opened, parts, world, audience, [])
    finally:
        world.leave()


def _refuse_changes(recipe: Recipe, changes: Mapping[str, Any]) -> None:
    """A resume goes on with the same settings: RunError with the list of those that differ."""
    now, wanted = config.flat(recipe), config.flat(config.merge(recipe, changes))
    differ = [f"{k} is {now[k]}, asked for {wanted[k]}" for k in now if now[k] != wanted[k] and k not in HANDS]
    if differ:
        raise RunError(f"a resumed run keeps its settings, and these differ: {'; '.join(differ)}. Leave them out, or train a new run.")


def _together(
    run: RunFolder, recipe: Recipe, opened: Opened, parts: Parts, world: World, audience: Audience, trials: Sequence[probe.Trial]
) -> Run:
    """Train in as many processes of this machine as the recipe says, unless a launcher has already made them."""
    workers = recipe.machine.workers or 1
    if world.size > 1 or workers == 1:
        _play(run, recipe, opened, parts, world, audience, trials)
        return Run(run, parts.generator)
    hands = [word for name in HANDS for word in ("--set", f"{name}={config.flat(recipe)[name]}")]
    others = distribute.launch(workers, ["-m", "gansmith", "train", "--resume", str(run.path), *hands], run.workers_log)
    alike = World(0, workers, world.device)
    try:
        _play(run, recipe, opened, parts, alike, audience, trials)
    finally:
        alike.leave()
        distribute.end(others)
    return Run(run)


def _play(
    run: RunFolder, recipe: Recipe, opened: Opened, parts: Parts, world: World, audience: Audience, trials: Sequence[probe.Trial]
) -> None:
    """Build the players, bring them to the newest checkpoint, and play to the end."""
    plan = Plan.of(recipe, opened.layout)
    players = build_players(recipe, opened.layout, parts, world.device)
    position = checkpoint.load(run, players)
    for weights in (players.generator.weights, players.discriminator.weights, players.average):
        world.same(weights)  # a user's own modules need not begin alike in every process
    feed = opened.feed(plan.batch, plan.seed, world)
    goal = probe.objective(
        recipe, pair_of(recipe, parts), opened.spread, recipe.machine.precision or "fp32", recipe.penalty.form or "exact", world.device
    )
    watch: list[Watcher] = []
    if world.first:
        run.cut(position.step)
        watch = _watchers(run, recipe, opened, parts, world, audience, position)
        counts = (players.generator.weights.numel(), players.discriminator.weights.numel())
        audience.started(Started(run, recipe, opened.collection, opened.layout, len(opened.members), counts, trials, position))
    with asked_to_stop() as asked, probe.threads(recipe.machine.threads or 1):
        reached = play(players, feed, goal, plan, world, position, watch, asked)
    if not reached.finished:  # a stop was asked for, here or in another process
        raise KeyboardInterrupt


def _watchers(
    run: RunFolder, recipe: Recipe, opened: Opened, parts: Parts, world: World, audience: Audience, start: Position
) -> list[Watcher]:
    card = opened.card(recipe, parts)

    def export(tick: Tick, players: Players) -> None:
        artefact.save(run.generator, card, opened.codec.state(), checkpoint.average_weights(players))

    found: list[Watcher] = [Log(run)]
    if recipe.run.tensorboard:
        found.append(TensorBoard(run))
    latents, condition = opened.preview_latents(recipe, world.device)
    found.append(
        Previews(run, recipe.run.previews, latents, condition, lambda x: opened.domain.picture(opened.codec.decode(x), columns=8), start)
    )
    found.append(Checkpoints(run, recipe.run.checkpoint_seconds, recipe.run.keep, export))
    found.append(lambda tick, players: audience.tick(tick))
    return found


def build_players(recipe: Recipe, layout: Layout, parts: Parts, device: str) -> Players:
    """Both networks with first weights fixed by the seed, the user's own where brought, on the device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(recipe.run.seed, "weights"))
        generator = parts.generator or networks.generator(recipe.network, layout)
        discriminator = parts.discriminator or networks.discriminator(recipe.network, layout)
    players = Players(generator.to(device), discriminator.to(device))
    if recipe.machine.compile:
        players.generator.network.compile()  # in place, so that the names in its state_dict stay
        players.discriminator.network.compile()
    return players


def check_parts(parts: Parts, layout: Layout, latents: int) -> None:
    """ConfigError where a module that was brought does not fit these data: tried on two samples."""
    condition = nn.functional.one_hot(torch.zeros(2, dtype=torch.int64), layout.condition).float() if layout.condition else None
    shape = ", ".join(str(n) for n in layout.shape)
    if parts.generator is not None:
        x = _try(
            "generator", parts.generator, generate, torch.zeros(2, latents), condition, f"latents [B, {latents}] (network.latent={latents})"
        )
        if tuple(x.shape) != (2, *layout.shape):
            raise ConfigError(f"the generator gives {tuple(x.shape)} for 2 latents; samples of this data are [B, {shape}].")
    if parts.discriminator is not None:
        logits = _try("discriminator", parts.discriminator, logits_of, torch.zeros(2, *layout.shape), condition, f"samples [B, {shape}]")
        if tuple(logits.shape) != (2,):
            raise ConfigError(f"the discriminator gives {logits.numel() // 2} numbers for each sample; one logit is wanted, [B] or [B, 1].")


def _try(
    name: str,
    module: nn.Module,
    call: Callable[[nn.Module, Tensor, Tensor | None], Tensor],
    x: Tensor,
    condition: Tensor | None,
    given: str,
) -> Tensor:
    if condition is not None and not _takes_two(module):
        raise ConfigError(
            f"these data have {condition.shape[1]} classes, and the forward of the {name} takes no condition. Let it take a one-hot "
            f"[B, {condition.shape[1]}] as its second argument, or leave the labels aside with data.labels=none."
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
    def of(cls, recipe: Recipe, data: Any, device: str, opening: Callable[[int, int], None] = lambda done, all: None) -> Opened:
        """Open the recipe's source, or `data` brought from Python. DataError where that cannot be done."""
        largest = LARGEST.get(device.partition(":")[0], 64)
        if data is not None:
            domain, collection = domains.by_name("image"), collect(data, recipe.data, largest, progress=opening)
        else:
            domain = domains.of(recipe.data.source, recipe.data.domain)
            collection = domain.open(recipe.data.source, recipe.data, largest, opening)
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
        game = automatic.resolve_game(recipe, situation)
        check_parts(parts, self.layout, game.network.latent or 1)

        def pair() -> tuple[nn.Module, nn.Module]:
            # copies, for a forward pass may change what a module remembers, such as batch statistics
            return (
                copy.deepcopy(parts.generator) if parts.generator else networks.generator(game.network, self.layout),
                copy.deepcopy(parts.discriminator) if parts.discriminator else networks.discriminator(game.network, self.layout),
            )

        def batch(count: int) -> Batch:
            return self.feed(count, game.run.seed, World(device=world.device))(0)

        several = not any(parts.own.values()) and world.size == 1 and recipe.data.source != MEMORY
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(game.run.seed, "weights"))
            trials = probe.probe(game, pair_of(game, parts), pair, batch, self.spread, world.device, several)
        chosen = probe.best(trials)
        speed = chosen.samples_per_second * world.size
        return automatic.resolve_length(game, situation, chosen, speed), speed, trials

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

    def facts(self, recipe: Recipe, parts: Parts, trials: Sequence[probe.Trial] = ()) -> dict[str, Any]:
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
            "probe": [
                {**asdict(t.way), "workers": t.workers, "samples_per_second": round(t.samples_per_second), "cosine": t.cosine}
                for t in trials
            ],
            "machine": {
                "torch": torch.__version__,
                "python": platform.python_version(),
                "cores": os.cpu_count(),
                "system": platform.platform(),
            },
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
    cards = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))] if torch.cuda.is_available() else []
    there = ["cpu"] + (["mps"] if torch.backends.mps.is_available() else []) + cards
    if asked is None:
        return "cuda" if cards else there[-1]
    if asked not in there:
        raise ConfigError(f"machine.device={asked} is not to be had here; there is {' and '.join(there)}.")
    return asked
