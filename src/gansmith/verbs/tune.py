"""tune: a search for better settings, and a judgement of whether they are."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gansmith import config
from gansmith.artefact import Generator
from gansmith.config import MEMORY, Recipe
from gansmith.engine.distribute import World
from gansmith.errors import ConfigError, DataError, NotFinite, RunError
from gansmith.pages import Picture, tuned
from gansmith.recipes import automatic, named
from gansmith.runs import RunFolder, create, write_json, write_text
from gansmith.tuning import space as spaces
from gansmith.tuning.budget import Budget, enough
from gansmith.tuning.found import ARMS, Arm, Found, Trial, failure
from gansmith.tuning.space import Space
from gansmith.verbs.opened import Opened
from gansmith.verbs.parts import Parts
from gansmith.verbs.report import COLUMNS, DRAWN, SMALL
from gansmith.verbs.train import _lasting, automatic_device
from gansmith.verbs.tuned import folder as folders
from gansmith.verbs.tuned import work
from gansmith.verbs.tuned.bench import Bench, share_aside
from gansmith.verbs.tuned.folder import Asked, TuneFolder
from gansmith.verbs.tuned.session import Audience, Begun, Progress, Session
from gansmith.verbs.tuned.study import Study, lasting, optuna_or_told, refuse_unusable, shown
from gansmith.verbs.tuned.trying import Shop, reason

MINUTES = 30.0  # of a search that was given no length
NOISE = 0.1  # of a measured speed, and so of what a budget gives a trial: two commands that ask for the same differ by as much
TITLES: dict[Arm, str] = {"default": "The default", "found": "The best found"}


class Silent:
    """An audience that says nothing."""

    def opening(self, done: int, all: int) -> None:
        pass

    def doing(self, words: str) -> None:
        pass

    def begun(self, begun: Begun) -> None:
        pass

    def moved(self, progress: Progress) -> None:
        pass


@dataclass(frozen=True)
class Tuned:
    """What a search found, and its folder."""

    path: Path
    found: Found

    @property
    def recipe(self) -> Recipe:
        """The settings to train with: those found where they are better beyond doubt, else the default."""
        return config.read(TuneFolder(self.path).recipe)

    @property
    def report(self) -> Path:
        """The page that sets the best found beside the default."""
        return TuneFolder(self.path).report


def tune(
    data: Any = None,
    *,
    minutes: float | None = None,
    trials: int | None = None,
    jobs: int | None = None,
    space: str | Path | Mapping[str, Any] | None = None,
    storage: str | None = None,
    recipe: Recipe | str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    runs: str | Path = "runs",
    name: str | None = None,
    resume: str | Path | None = None,
    audience: Audience | None = None,
) -> Tuned:
    """Search for settings that bring samples closer to the data, and judge what was found.

    data            as for `train`
    minutes         for the whole search, over all resumes; default 30. Two fifths are kept for the judgement
    trials          at most; None: as many as there is time for
    jobs            trials that run at the same time; default 1
    space           a YAML file, or a mapping: what may be changed (docs/tune.md); None: a few settings around the automatic recipe's
    storage         address of a database, "sqlite:///tune.db" or "postgresql://…", that several machines may share; None: in the folder
    recipe, settings  as for `train`: where every trial starts from. What `settings` names is not searched,
                      unless `space` names it: then that is where the search begins
    runs, name      the folder is runs/name-tune-1 (-2, …); `name` is also that of the study in a storage
    resume          the folder of a search to resume; only minutes, trials and jobs may then change

    The first trial is the automatic recipe. Each is trained without the part of the data that `train` holds out and without another part,
    on which it is measured. The best one and the default are then trained again with at least five seeds (three if time is short), and
    measured on the first part, which nothing has seen. The settings found win only if the interval of the difference lies above zero.

    Ctrl-C stops; what is finished is kept. ConfigError, DataError, RunError, StorageError; MissingExtra without the extra 'tune'.
    """
    began = time.monotonic()
    optuna_or_told()
    if storage is not None:
        storage = lasting(storage)  # an address that is none is refused before anything is read
    audience = audience or Silent()
    brought = None if isinstance(data, str | Path) else data
    if resume is not None:
        if recipe is not None or name is not None:
            raise ConfigError("a resumed search keeps its recipe and its name. Leave them out, or start a new search.")
        folder = folders.find(resume)
        _refuse_changes(folder, data, settings, space, storage)
        return _go_on(folder, Wanted(minutes, trials, jobs), brought, storage, audience, began)
    budget = Budget(MINUTES if minutes is None else minutes, trials, 1 if jobs is None else jobs)
    start = recipe if isinstance(recipe, Recipe) else named.read(recipe) if recipe is not None else Recipe()
    changes = dict(settings or {})
    if data is not None:
        changes["data.source"] = _lasting(data) if brought is None else MEMORY
    start = config.merge(start, changes)
    _refuse_others(start, budget.jobs)
    given = None if space is None else _given(space, start)
    if storage is not None:
        refuse_unusable(storage, name)
    opened = _opened(start, brought, audience)
    try:
        folder, notes = _begin(start, set(changes), given, budget, opened, brought, storage, name, Path(runs), audience)
    except NotFinite as error:  # of the first steps, on which the machine is measured
        raise NotFinite(reason(error), error.step) from None
    with folder.held():
        return _searched(folder, folder.read(), opened, brought, storage, audience, began, notes)


def _refuse_others(start: Recipe, jobs: int) -> None:
    """ConfigError for processes that would know nothing of the data."""
    if start.data.source == MEMORY and jobs > 1:
        raise ConfigError("data passed from Python exist only in this process, but --jobs starts others. Leave jobs out, or save the data.")


def _opened(start: Recipe, data: Any, audience: Audience) -> Opened:
    if start.data.source == MEMORY and data is None:
        raise ConfigError("these settings are for data that were passed from Python. Pass the data too.")
    return Opened.of(start, data, automatic_device(start), audience.opening)


def _begin(
    start: Recipe,
    fixed: set[str],
    given: Space | None,
    budget: Budget,
    opened: Opened,
    data: Any,
    storage: str | None,
    name: str | None,
    runs: Path,
    audience: Audience,
) -> tuple[TuneFolder, tuple[str, ...]]:
    """Settle what is the same in every trial, and make the folder and the study; what of it may surprise, in sentences."""
    device = automatic_device(start)
    machine: dict[str, Any] = {"machine.device": device, "machine.workers": start.machine.workers or 1}
    if budget.jobs > 1 and start.machine.threads is None:
        machine["machine.threads"] = max(1, (os.cpu_count() or 1) // budget.jobs)
    audience.doing("measuring this machine")
    default, speed, _ = opened.resolve(config.merge(start, machine), Parts(), World(device=device))
    where = given or _around(default, fixed, opened)
    bench = Bench.of(opened, start, share_aside(opened))  # data that cannot be divided are refused before there is a folder
    assert default.run.batch
    asked = Asked(
        data=start.data.source,
        fingerprint=opened.fingerprint,
        study=name or opened.name(start),
        storage=None if storage is None else shown(storage),
        **asdict(budget),
        aside=bench.share,
        hands=_hands(default),
        values={name: value for name, value in config.flat(default).items() if name in where and where[name].holds(value)},
        batch=default.run.batch,
    )
    folder = TuneFolder(create(runs, f"{asked.study}-tune").path)
    try:
        write_text(folder.start, config.dump(start))
        write_text(folder.space, spaces.dump(where))
        if device == "cpu":  # the clock may have been disturbed
            speed = max(speed, 1 / Shop(folder, start, bench, asked, data).costs({}))
        longest = _longest(default, speed)
        study = Study(folder, storage, asked.study, where, start.run.seed)
        planned = max(default.run.batch, round(budget.trial(longest) * speed))  # a step, however short the time
        samples = study.begin(_about(asked, start, where), asked.values, planned)
        asked = replace(asked, speed=speed, longest=longest, trial=samples / speed)
        folder.write(asked)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return folder, _adopted(asked.study, samples, planned)


def _adopted(study: str, samples: int, planned: int) -> tuple[str, ...]:
    """A sentence where trials see as many samples as those that a study has already, and not as many as this budget would give them."""
    if abs(samples / planned - 1) <= NOISE:
        return ()
    return (f"trials are as long as the study {study!r} already has them: {samples:,} samples; this budget alone would give {planned:,}",)


def _longest(default: Recipe, speed: float) -> float:
    """Seconds that a run has by itself."""
    return min(default.run.samples / speed if default.run.samples else math.inf, 60 * (default.run.minutes or math.inf))


def _around(default: Recipe, fixed: set[str], opened: Opened) -> Space:
    """What may be changed where nothing was asked for: around the default."""
    places = opened.layout.positions
    augments = opened.layout.geometry == "plane" and min(places) >= automatic.SMALLEST
    return spaces.automatic(default, fixed, len(opened.members) // 2, augments)


def _given(space: str | Path | Mapping[str, Any], start: Recipe) -> Space:
    """The space that was asked for."""
    return spaces.of(space, start) if isinstance(space, Mapping) else spaces.read(space, start)


def _hands(default: Recipe) -> dict[str, Any]:
    """How the arithmetic is done, so that no run of the search has to find it out again."""
    names = ["machine.device", "machine.precision", "machine.threads", "machine.workers"]
    values = config.flat(default)
    return {name: values[name] for name in names}


def _about(asked: Asked, start: Recipe, space: Space) -> dict[str, Any]:
    """What has to be the same for all who work on one study; where the data lie, and on which machine, may differ."""
    apart = ("data.source", "machine.")
    settings = {name: value for name, value in config.flat(start).items() if not name.startswith(apart)}
    return {"fingerprint": asked.fingerprint, "space": spaces.dump(space), "settings": settings, "share set aside": asked.aside}


@dataclass(frozen=True)
class Wanted:
    """What may be other when a search goes on; None: as it was."""

    minutes: float | None
    trials: int | None
    jobs: int | None


def _go_on(folder: TuneFolder, wanted: Wanted, data: Any, storage: str | None, audience: Audience, began: float) -> Tuned:
    before, changes = folder.read(), {name: value for name, value in asdict(wanted).items() if value is not None}
    asked = replace(before, **changes)
    more = asked.minutes > before.minutes or _or_any(asked.trials) > _or_any(before.trials)
    if folder.found.exists() and not more:
        give = "--minutes" if before.trials is None else "--minutes and --trials"
        raise RunError(f"{folder.path} has already finished. Train with 'gansmith train --recipe {folder.recipe}', or give more {give}.")
    Budget(asked.minutes, asked.trials, asked.jobs)
    again = more and before.settled  # another trial may come out best, and other runs are then judged
    if more:
        asked = replace(asked, settled=False, since=asked.spent if again else asked.since)
    start, where = folder.begun_from()
    _refuse_others(start, asked.jobs)
    storage = storage or asked.storage
    with folder.held():
        folder.mend()
        study = Study(folder, storage, asked.study, where, start.run.seed)
        study.refuse_other(asked.fingerprint)
        if again:
            _refuse_no_room(folder, asked, study.trials(), 0.0)
        opened = _opened(start, data, audience)
        if opened.fingerprint != asked.fingerprint:
            raise DataError(
                f"the data in {asked.data} are not the data of this search (fingerprint {opened.fingerprint}, was {asked.fingerprint}). "
                "Restore the old data, or start a new search."
            )
        return _searched(folder, asked, opened, data, storage, audience, began, again=again)


def _or_any(trials: int | None) -> float:
    """The most trials, where None is any number."""
    return math.inf if trials is None else trials


def _refuse_no_room(folder: TuneFolder, asked: Asked, trials: list[Trial], setup: float) -> None:
    """RunError where a search that was over can try nothing more, after a set-up of so many seconds: its judgement is to stay."""
    rest = "" if folder.found.exists() else ", or leave out what was added to finish the judgement"
    if asked.trials is not None and len(trials) >= asked.trials:
        raise RunError(
            f"all {asked.trials} trials of {folder.path} are used up, so in more time nothing else would be tried. "
            f"Give more --trials too{rest}."
        )
    if work.hopeless(trials):
        raise RunError(f"{failure([t for t in trials if not t.default], 'other ')} Start a new search, with a narrower --space.")
    if not work.begins(trials, asked, asked.search - asked.spent - setup):
        least = enough(asked.spent, setup + asked.trial * work.stretched(trials, asked))
        raise RunError(
            f"of the {asked.minutes:g} minutes of {folder.path} too few are left for another trial ({asked.spent / 60:.2g} are spent). "
            f"Give --minutes {least} or more{rest}."
        )


def _refuse_changes(
    folder: TuneFolder, data: Any, settings: Mapping[str, Any] | None, space: str | Path | Mapping[str, Any] | None, storage: str | None
) -> None:
    """A search goes on with the same settings: RunError with what differs."""
    asked, (start, where) = folder.read(), folder.begun_from()
    changes = {**(settings or {}), **({"data.source": _lasting(data)} if isinstance(data, str | Path) else {})}
    now, wanted = config.flat(start), config.flat(config.merge(start, changes))
    differ = [f"{k} is {now[k]}, requested {wanted[k]}" for k in now if now[k] != wanted[k]]
    if space is not None and spaces.dump(_given(space, start)) != spaces.dump(where):
        differ.append("the space is different")
    if storage is not None and shown(storage) != asked.storage:
        differ.append(f"the storage is {asked.storage or 'in the folder'}, requested {shown(storage)}")
    if differ:
        raise RunError(
            f"a resumed search keeps its settings, and these differ: {'; '.join(differ)}. Leave them out, or start a new search."
        )
    if storage is None and asked.storage is not None and "***" in asked.storage:
        raise RunError(f"the password of {asked.storage} is not kept. Give the whole address again with --storage.")


def _searched(
    folder: TuneFolder,
    asked: Asked,
    opened: Opened,
    data: Any,
    storage: str | None,
    audience: Audience,
    began: float,
    notes: tuple[str, ...] = (),
    again: bool = False,
) -> Tuned:
    """Search, judge, write down; by the one who holds the folder. `again`: a search that was over goes on, and is judged anew."""
    start, where = folder.begun_from()
    audience.doing("training features")
    shop = Shop(folder, start, Bench.of(opened, start, asked.aside), asked, data)
    _ = shop.bench.search  # what learns to see does so once, and is then in the cache
    study = Study(folder, storage, asked.study, where, start.run.seed)
    study.refuse_other(asked.fingerprint)
    if again:
        _refuse_no_room(folder, asked, study.trials(), time.monotonic() - began)
        for path in (folder.judged, folder.found):
            path.unlink(missing_ok=True)
        shutil.rmtree(folder.finals, ignore_errors=True)
    folder.write(asked)
    session = Session(shop, study, storage, audience, began, notes)
    found = session.run()
    audience.doing("writing the report")
    _write(found, session.shop, session.longer)
    return Tuned(folder.path, found)


def _write(found: Found, shop: Shop, longer: int) -> None:
    """The recipes, what was found, and the page. `longer`: minutes that are enough to try something else."""
    folder, default = shop.folder, config.dump(shop.recipe)
    best = default if found.closest is None else _told(found, found.closest.values, shop)
    write_text(folder.found_recipe, best)
    write_text(folder.recipe, best if found.winner == "found" else default)
    write_json(folder.found, found.to_dict())
    recipe, path = shlex.quote(str(folder.recipe)), shlex.quote(str(folder.path))
    trials = f" --trials {2 * shop.asked.trials}" if shop.asked.trials else ""
    command = f"gansmith tune --resume {path} --minutes {max(2 * found.minutes, longer):g}{trials}"
    write_text(folder.report, tuned.html(found, _drawn(folder, found, shop.bench), recipe, command, version("gansmith")))


def _told(found: Found, values: Mapping[str, Any], shop: Shop) -> str:
    """The recipe of these settings, of the length with which they were judged where a run by itself would be longer."""
    length = {"run.minutes": None, "run.samples": shop.samples(values, shop.asked.final)}
    recipe = config.merge(shop.recipe, length if found.final_minutes < found.whole_minutes else {})
    return f"# Found by gansmith tune, for runs of about {found.final_minutes:.2g} minutes.\n{config.dump(spaces.applied(recipe, values))}"


def _drawn(folder: TuneFolder, found: Found, bench: Bench) -> tuned.Drawn:
    """Samples of both arms with the first seed of which there is a run, and fresh ones."""
    codec, axes = bench.opened.codec, bench.opened.layout.positions
    several: dict[Arm, Picture] = {}

    def picture(raw: np.ndarray, title: str) -> Picture:
        drawn = codec.picture(raw, COLUMNS if len(axes) == 2 else None)
        return Picture(drawn, title, f"{len(raw):,} samples: {title[0].lower() + title[1:]}", len(axes) == 2 and max(axes) <= SMALL)

    for arm in ARMS:
        run = next((j.run for j in found.of(arm) if j.measured is not None), None)
        if run is not None:
            generator = Generator.load(RunFolder(folder.path / run).generator)
            several[arm] = picture(generator.sample(DRAWN[min(len(axes), 2)]).raw, TITLES[arm])
    fresh = np.take(bench.opened.collection.raw, bench.fresh[: DRAWN[min(len(axes), 2)]], axis=0)
    return tuned.Drawn(picture(fresh, "Real, not used for training"), several.get("default"), several.get("found"))
