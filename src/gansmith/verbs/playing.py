"""From a resolved recipe and opened data to the end of a run: the processes, what looks on, and going back when something goes wrong."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from gansmith import artefact, config
from gansmith.config import Recipe
from gansmith.data.store import Collection
from gansmith.engine import checkpoint, distribute, guard, probe
from gansmith.engine.checkpoint import Position
from gansmith.engine.distribute import World
from gansmith.engine.examine import Examiner
from gansmith.engine.guard import Guard
from gansmith.engine.loop import Tick, Watcher, play
from gansmith.engine.moves import Objective
from gansmith.engine.plan import Plan
from gansmith.engine.players import Players
from gansmith.engine.quality import Quality
from gansmith.engine.watch import Checkpoints, Log, Poison, Previews, TensorBoard
from gansmith.errors import GansmithError, LostProcess, NotFinite, TrainingError
from gansmith.layout import Layout
from gansmith.randomness import numbers_kept
from gansmith.records import Finding, Recovery
from gansmith.runs import RunFolder, read_json, write_text
from gansmith.verbs.opened import Opened
from gansmith.verbs.parts import Parts, build_players
from gansmith.verbs.run import Run

HANDS = ("machine.device", "machine.threads", "machine.workers")  # who does the work, not what is drawn
LOSSES = 2  # lost processes that are replaced; a machine that loses more of them will lose the next too


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

    def finding(self, finding: Finding, step: int) -> None:
        """Something is wrong with the run, for sure since this step."""

    def recovered(self, recovery: Recovery) -> None:
        """The run went back to a healthy moment and goes on with other settings, or replaced a lost process."""

    def over(self, run: Path) -> None:
        """The run was ended before its time: its generator had been far worse than its best for long."""


class Silent:
    """An audience that says nothing."""

    def opening(self, done: int, all: int) -> None:
        pass

    def started(self, started: Started) -> None:
        pass

    def tick(self, tick: Tick) -> None:
        pass

    def finding(self, finding: Finding, step: int) -> None:
        pass

    def recovered(self, recovery: Recovery) -> None:
        pass

    def over(self, run: Path) -> None:
        pass


@dataclass(frozen=True)
class Match:
    """Everything that a run is played with."""

    run: RunFolder
    recipe: Recipe
    opened: Opened
    parts: Parts
    world: World
    audience: Audience


def together(match: Match, trials: Sequence[probe.Trial] | None) -> Run:
    """Train in as many processes of this machine as the recipe says, unless a launcher has already made them.

    One that is lost is replaced, and the run goes on from its newest checkpoint; with run.guard=false it stops with LostProcess.
    RunError where another process is training this run.
    """
    with match.run.held() if match.world.first else nullcontext():
        return _together(match, trials)


def _together(match: Match, trials: Sequence[probe.Trial] | None) -> Run:
    run, recipe, workers = match.run, match.recipe, match.recipe.machine.workers or 1
    if match.world.size > 1 or workers == 1:
        _play(match, trials)
        return Run(run, match.parts.generator)
    hands = [word for name in HANDS for word in ("--set", f"{name}={config.flat(recipe)[name]}")]
    lost = 0
    while True:
        others = distribute.launch(workers, ["-m", "gansmith", "train", "--resume", str(run.path), *hands], run.workers_log)
        alike = World(0, workers, match.world.device)
        try:
            _play(replace(match, world=alike), trials)
            return Run(run)
        except LostProcess as error:
            lost += 1
            if not recipe.run.guard or lost > LOSSES:
                raise
            match.audience.recovered(guard.note_loss(run, str(error)))
        finally:
            alike.leave()
            distribute.end(others)
        match, trials = replace(match, recipe=guard.mended(recipe, run)), None


def _play(match: Match, trials: Sequence[probe.Trial] | None) -> None:
    """Play to the end, going back as often as the guard wants. `trials`: None where the audience knows already what is played."""
    run, world, audience = match.run, match.world, match.audience
    if world.first:
        run.stopped.unlink(missing_ok=True)
    while True:
        ending = _played(match, trials)
        if world.first and ending.recovery is not None:
            guard.go_back(run, match.recipe, ending.recovery)
            audience.recovered(ending.recovery)
        # only the first process knows what the guard says
        changes = json.loads(world.text(json.dumps(ending.recovery and dict(ending.recovery.changes))))
        if changes is None:
            break
        match, trials = replace(match, recipe=config.merge(match.recipe, changes)), None
    if ending.error is not None:
        if world.first:
            write_text(run.stopped, str(ending.error))
        raise ending.error
    if world.first and ending.finished:
        for path in (*run.moments(), *run.bests()[:-1]):  # there is nothing left to go back for
            path.unlink(missing_ok=True)
    if world.first and match.recipe.run.report and (ending.over or ending.finished):
        _write_report(run)
    if ending.over:
        audience.over(run.path)
    elif not ending.finished:  # a stop was asked for, here or in another process
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Ending:
    """How a game ended: finished, over before its time, stopped by what is not finite, or to be taken back; else a stop was asked for."""

    finished: bool = False
    over: bool = False
    error: NotFinite | None = None
    recovery: Recovery | None = None


def _played(match: Match, trials: Sequence[probe.Trial] | None) -> Ending:
    """Build the players, bring them to the newest checkpoint, and play until the end, or until something is severely wrong."""
    run, recipe, opened, parts, world, audience = match.run, match.recipe, match.opened, match.parts, match.world, match.audience
    plan = Plan.of(recipe, opened.layout)
    players = build_players(recipe, opened.layout, parts, world.device)
    position = checkpoint.load(run, players)
    position = replace(position, seconds=max(position.seconds, *(r.seconds for r in guard.recoveries(run)), 0.0))
    for weights in (players.generator.weights, players.discriminator.weights, players.average):
        world.same(weights)  # a user's own modules need not begin alike in every process
    feed = opened.feed(plan.batch, plan.seed, world, plan.needs.critics, bool(recipe.data.balance))
    setting = opened.setting(recipe, parts, world.device)
    goal = probe.objective(recipe, setting, recipe.machine.precision or "fp32")
    care = Care()
    if world.first:
        run.cut(position.step)
    watch: list[Watcher] = [Poison(run, feed.poisoned, world)]
    closing = ExitStack()
    if world.first:
        if position.step == 0 and recipe.run.guard and any(parts.own.values()):
            checkpoint.save_moment(run, players, position, guard.KEPT)  # nothing else could give the user's own networks back
        care = Care.of(match, goal, position)
        if recipe.run.tensorboard:
            board = TensorBoard(run, position.step * plan.taken)
            closing.callback(board.close)
            watch.append(board)
        watch = _watchers(match, position, care, watch)
        if trials is not None:
            counts = (players.generator.weights.numel(), players.discriminator.weights.numel())
            audience.started(Started(run, recipe, opened.collection, opened.layout, len(opened.members), counts, trials, position))
    with closing, asked_to_stop() as asked, probe.threads(recipe.machine.threads or 1), numbers_kept(world.device):
        try:
            reached = play(players, feed, goal, plan, world, position, watch, lambda: asked() or care.over, lambda: care.wanted is not None)
        except NotFinite as error:
            return Ending(error=error, recovery=care.guard.after(str(error), error.step) if care.guard else None)
    if (wanted := care.back(reached.finished)) is not None:  # where a stop was asked for, a resume goes back
        return Ending() if asked() else Ending(recovery=replace(wanted, seconds=reached.seconds))
    return Ending(reached.finished, care.over)


@dataclass(frozen=True)
class Care:
    """What the first process knows of how the run is doing. Care() is what the others know, and a run that is not looked after."""

    quality: Quality | None = None
    examiner: Examiner | None = None
    guard: Guard | None = None
    early: bool = False  # whether a run that is lost ends
    timed: bool = False  # whether the clock ends the run

    @classmethod
    def of(cls, match: Match, goal: Objective, start: Position) -> Care:
        """As the recipe asks for it, from where the run goes on."""
        run, recipe, opened, device = match.run, match.recipe, match.opened, match.world.device
        quality = examiner = looking_after = None
        if recipe.run.looks:
            quality = Quality(run, recipe.run.looks, opened.standard(recipe, device), start)
        if recipe.run.exams:
            examiner = Examiner(run, recipe.run.exams, opened.subjects(recipe, device), goal, start)
            looking_after = Guard(run, examiner, quality, recipe, read_json(run.data), match.audience.finding)
        return cls(quality, examiner, looking_after, recipe.run.stop_early, recipe.run.minutes is not None)

    @property
    def over(self) -> bool:
        """Whether the run is lost and to be ended."""
        return self.early and self.quality is not None and self.quality.lost

    @property
    def wanted(self) -> Recovery | None:
        """How to go back, where that is called for."""
        return self.guard.wanted if self.guard is not None else None

    def back(self, finished: bool) -> Recovery | None:
        """The same where the run stands still; at the end of one that the clock has ended there is no time to go back in."""
        return None if finished and self.timed else self.wanted


def _write_report(run: RunFolder) -> None:
    """The page of the run; that it could not be written is no reason to lose what was trained."""
    from gansmith.verbs.report import report  # matplotlib takes a second to load, in which nothing would be seen of the run

    with suppress(GansmithError):
        report(run.path)


def _watchers(match: Match, start: Position, care: Care, noting: Sequence[Watcher]) -> list[Watcher]:
    """In this order, for the guard reads what those before it have noted. `noting`: what also looks on in a run like this one."""
    run, recipe, opened, quality = match.run, match.recipe, match.opened, care.quality
    card, rows = opened.card(recipe, match.parts), opened.rows

    def export(tick: Tick, players: Players) -> None:
        step, weights = quality.chosen(tick, players) if quality else (tick.position.step, checkpoint.average_weights(players))
        artefact.save(run.generator, replace(card, step=step), opened.codec.state(), weights, rows)

    save = Checkpoints(run, recipe.run.checkpoint_seconds, recipe.run.keep, export)

    def save_unless_undone(tick: Tick, players: Players) -> None:
        """An end that is to be gone back from is none: once it was saved, a kill before that would leave the run ended."""
        if not tick.position.finished or care.back(finished=True) is None:
            save(tick, players)

    latents, condition = opened.preview_latents(recipe, match.world.device)
    looking = [watcher for watcher in (quality, care.examiner, care.guard) if watcher is not None]
    return [
        Log(run),
        *noting,
        *looking,
        Previews(run, recipe.run.previews, latents, condition, lambda x: opened.codec.picture(opened.codec.decode(x), columns=8), start),
        save_unless_undone,
        lambda tick, players: match.audience.tick(tick),
    ]


@contextmanager
def out_of_memory_told() -> Iterator[None]:
    """Turns what is raised where there is no memory left into a TrainingError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        raise TrainingError(
            "there is not enough memory for this run. Lower run.batch (--batch), network.width or --size, or close other programs on the "
            f"device; everything up to the last checkpoint is kept. ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error


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
