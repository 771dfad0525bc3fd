"""train: from data to a run folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gansmith import config, losses, networks
from gansmith.config import MEMORY, Recipe
from gansmith.engine import checkpoint, distribute, guard, probe
from gansmith.engine.distribute import World
from gansmith.errors import ConfigError, DataError, MissingExtra, RunError
from gansmith.layout import Layout
from gansmith.recipes import named
from gansmith.runs import RunFolder, create, find, read_json, write_json, write_text
from gansmith.verbs.opened import Opened
from gansmith.verbs.parts import Parts, of_the_whole_batch
from gansmith.verbs.playing import HANDS, Audience, Match, Silent, out_of_memory_told, together
from gansmith.verbs.run import Run

FREE = (*HANDS, "run.stop_early")  # settings that a resume may change
NAMES = ("digits",)  # of data sets that are taken before a path of that name


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
    """Train a generative adversarial network and return the run.

    data           a path, hf:NAME, digits, toy:NAME; an array [N, H, W] or [N, H, W, C]; a pandas, polars or pyarrow table; or a torch
                   Dataset of samples or (sample, label); None: what the recipe says, by default the digits
    recipe         where to start from: a Recipe, a recipe.yaml, or a name that `gansmith recipes` lists
    settings       dotted changes to it, {"penalty.gamma": 0.3}
    minutes, samples, batch, seed   the same as settings run.minutes, run.samples, run.batch, run.seed
    resume         a run folder to resume; of the settings only machine.device, .threads, .workers and run.stop_early may then change
    runs, name     the run becomes the folder runs/name-1 (-2, …)
    generator      any module mapping (latent [B, Z]) or (latent, condition [B, K]) to x [B, C, *P]; `discriminator` one mapping x or
                   (x, condition) to logits [B]; `loss` any LossPair. What is not given comes from the recipe.
    audience       is called with the data, the choices and every tick; see `Audience`

    Every setting that is not given is chosen from the data and the machine, and written to recipe.yaml. Ctrl-C and SIGTERM end the run
    at the next tick with a checkpoint. Raises ConfigError, DataError, RunError, TrainingError, StorageError.
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
    base = recipe if isinstance(recipe, Recipe) else named.read(recipe) if recipe is not None else Recipe()
    base = config.merge(base, changes)
    if base.data.source == MEMORY and data is None:
        raise ConfigError("this recipe is for data that were passed from Python. Pass the data too.")
    world = distribute.join(automatic_device(base))
    try:
        with out_of_memory_told():
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
        _refuse_what_cannot_start(recipe, opened.layout, parts, world)
        run = _new_folder(runs, name or opened.name(recipe), recipe, opened.facts(recipe, parts, world.device, trials))
        world.text(str(run.path.resolve()))
    else:
        run = RunFolder(Path(world.text("")))
        recipe = config.read(run.recipe)
        opened = Opened.of(recipe, data, world.device, facts=read_json(run.data))
    return together(Match(run, recipe, opened, parts, world, audience), trials)


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


def _refuse_what_cannot_start(recipe: Recipe, layout: Layout, parts: Parts, world: World) -> None:
    """ConfigError for what would fail only once the run folder is there."""
    workers = recipe.machine.workers or 1
    count = world.size if world.size > 1 else workers
    assert recipe.run.batch
    if recipe.run.batch % count:
        raise ConfigError(
            f"a batch of {recipe.run.batch} cannot be divided over {count} processes. Set run.batch to a multiple of {count}."
        )
    if recipe.run.batch // count % recipe.game.pack:
        raise ConfigError(
            f"a batch of {recipe.run.batch} over {count} process(es) cannot be divided into packs of {recipe.game.pack}. "
            f"Set run.batch to a multiple of {count * recipe.game.pack}."
        )
    if count > 1 and world.size == 1:
        brought = [name for name, own in parts.own.items() if own] + (["data"] if recipe.data.source == MEMORY else [])
        if brought:
            raise ConfigError(
                f"machine.workers={workers} starts processes that do not have a {brought[0]} passed from Python. "
                "Set machine.workers=1, or start your own script with torchrun."
            )
        if whole := of_the_whole_batch(recipe, layout):
            raise ConfigError(f"{whole} looks at the whole batch, which machine.workers={workers} would divide. Set machine.workers=1.")
    if recipe.machine.compile and recipe.penalty.form == "exact" and recipe.penalty.gamma:
        raise ConfigError(
            "machine.compile=true cannot be used with penalty.form=exact: PyTorch has no second derivative of a compiled network. "
            "Set penalty.form=finite, or leave compile out."
        )
    if recipe.run.tensorboard and find_spec("tensorboard") is None:
        raise MissingExtra("run.tensorboard", "tensorboard")


def _resume(run: RunFolder, changes: Mapping[str, Any], data: Any, parts: Parts, audience: Audience) -> Run:
    recipe = guard.mended(config.read(run.recipe), run)
    _refuse_changes(recipe, changes)
    recipe = config.merge(recipe, {k: v for k, v in changes.items() if k in FREE})
    facts = Run(run).data
    if checkpoint.newest(run).finished:
        raise RunError(f"{run.path} has already finished. Draw from it with 'gansmith sample {run.path}', or train a new, longer run.")
    for part, own in facts["own"].items():
        if own != parts.own[part]:
            said = (
                f"was started with your own {part}; pass it again" if own else f"was started with the recipe's own {part}; leave yours out"
            )
            raise RunError(f"{run.path} {said}.")
    if not facts["own"].get("generator"):
        networks.refuse_other_revision(recipe.network, facts.get("revision", 1), run.path)
    if recipe.data.source == MEMORY and data is None:
        raise RunError(f"{run.path} was trained on data passed from Python; pass the same data again to resume.")
    world = distribute.join(automatic_device(recipe))
    try:
        opened = Opened.of(recipe, data, world.device, audience.opening, facts)
        _refuse_what_cannot_start(recipe, opened.layout, parts, world)
        if opened.fingerprint != facts["fingerprint"]:
            raise DataError(
                f"the data in {recipe.data.source} are not the data that this run was trained on "
                f"(fingerprint {opened.fingerprint}, was {facts['fingerprint']}). Restore the old data, or train a new run."
            )
        with out_of_memory_told():
            return together(Match(run, recipe, opened, parts, world, audience), [])
    finally:
        world.leave()


def _refuse_changes(recipe: Recipe, changes: Mapping[str, Any]) -> None:
    """A resume goes on with the same settings: RunError with the list of those that differ."""
    now, wanted = config.flat(recipe), config.flat(config.merge(recipe, changes))
    differ = [f"{k} is {now[k]}, requested {wanted[k]}" for k in now if now[k] != wanted[k] and k not in FREE]
    if differ:
        raise RunError(f"a resumed run keeps its settings, and these differ: {'; '.join(differ)}. Leave them out, or train a new run.")


def automatic_device(recipe: Recipe) -> str:
    """The device asked for, or the best there is. ConfigError where it is not there."""
    asked = recipe.machine.device
    cards = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))] if torch.cuda.is_available() else []
    there = ["cpu"] + (["mps"] if torch.backends.mps.is_available() else []) + cards
    if asked is None:
        return "cuda" if cards else there[-1]
    if asked not in there:
        raise ConfigError(f"machine.device={asked} is not available here; available: {' and '.join(there)}.")
    return asked
