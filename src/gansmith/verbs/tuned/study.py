"""The study of a search: where it is kept, which setting is tried next, which trials were left behind, and what counts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gansmith.errors import ConfigError, MissingExtra, RunError
from gansmith.randomness import seed_of
from gansmith.runs import flocked
from gansmith.tuning import space as spaces
from gansmith.tuning.found import State, Trial
from gansmith.tuning.space import Choice, Range, Space
from gansmith.verbs.tuned.folder import TuneFolder

if TYPE_CHECKING:
    import optuna

AT_RANDOM = 6  # trials before the sampler has something to go by; they are drawn near the default
REDRAWN = 20  # times, where it was tried before
COMPLETE = 4  # trials, before another is ended early for being worse than their median …
LEAST = 3  # … no earlier than at this of LOOKS looks
LOOKS = 10
WEIGHED = 6  # complete trials, below which the importance of a setting is no more than chance
PATIENCE = 100.0  # seconds to wait for another process that writes to the same SQLite file
SAMPLES = "samples of a trial"
WORDS: dict[State, str] = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}


def optuna_or_told() -> Any:
    """The library, quiet. MissingExtra where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise MissingExtra("gansmith tune", "tune") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return optuna


@contextmanager
def reached(storage: str | None) -> Iterator[None]:
    """RunError, in a sentence without the password, for whatever a storage that cannot be reached raises."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (ImportError, NoSuchModuleError) as error:
        raise RunError(f"the storage {shown(storage)} needs a driver that is not installed ({error}). Install it with pip.") from None
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ or error
        what = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        raise RunError(f"the storage {shown(storage)} cannot be reached ({what}). Check its address, and that it is running.") from None


def shown(storage: str | None) -> str:
    """The address of a storage without its password. ConfigError where it is none."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(storage or "").render_as_string(hide_password=True)
    except ArgumentError:
        raise ConfigError(
            f"--storage takes the address of a database, such as sqlite:///tune.db or postgresql://user@host/name; found {storage!r}."
        ) from None


def lasting(storage: str) -> str:
    """The address of a storage, a file's path whole, so that it means the same from any working folder. ConfigError where it is none, or
    lasts no longer than this process."""
    shown(storage)
    from sqlalchemy.engine import make_url

    url = make_url(storage)
    if url.get_backend_name() != "sqlite" or (url.database or "").startswith("file:"):  # a URI of SQLite's own is left as it is
        return storage
    if url.database in (None, "", ":memory:"):
        raise ConfigError(f"the storage {storage} is in the memory of one process and ends with it. Name a file: sqlite:///tune.db.")
    return url.set(database=str(Path(str(url.database)).resolve())).render_as_string(hide_password=False)


def refuse_unusable(storage: str, name: str | None) -> None:
    """RunError where a storage cannot be reached, or holds a study of that name that another program made: to be told before what takes
    long. Nothing is noted in it."""
    library = optuna_or_told()
    with reached(storage), suppress(KeyError):  # which says that there is no such study yet
        database = _database(storage)
        if name is not None:
            _refuse_foreign(library.load_study(study_name=name, storage=database), storage)


def _refuse_foreign(study: optuna.Study, storage: str | None) -> None:
    """RunError where another program made a study: its trials are of other settings, and its scores mean something else."""
    least = [direction.name for direction in study.directions] == ["MINIMIZE"]
    if not least or ("fingerprint" not in study.user_attrs and study.get_trials(deepcopy=False)):
        raise RunError(f"the study {study.study_name!r} in {shown(storage)} was not made by gansmith tune. Choose another --name.")


def _database(storage: str) -> Any:
    """A storage that several machines may share."""
    from optuna.storages import RDBStorage

    if storage.startswith("sqlite"):
        return RDBStorage(storage, engine_kwargs={"connect_args": {"timeout": PATIENCE}})
    from sqlalchemy.pool import NullPool

    # a trial takes minutes, after which a server may have dropped an idle connection, or have run out of them
    return RDBStorage(storage, engine_kwargs={"poolclass": NullPool})


class JournalLock:
    """A lock of the journal that ends with its process, whatever ended that."""

    def __init__(self, folder: TuneFolder) -> None:
        self.path = folder.path / "study.lock"
        self.holding: Any = None

    def acquire(self) -> bool:
        self.holding = flocked(self.path, wait=True)
        return bool(self.holding.__enter__())

    def release(self) -> None:
        self.holding.__exit__(None, None, None)


class Study:
    """A study in a storage, as a search needs it.

    A trial that failed says why; one that ended without is left behind: its process was stopped, and its values are in the queue again.
    """

    def __init__(self, folder: TuneFolder, storage: str | None, name: str, space: Space, seed: int, worker: int = 0) -> None:
        """The study of that name, made where there is none. ConfigError, RunError where the storage cannot be reached.

        seed, worker  of what the sampler draws: processes that work side by side, or one after the other, must not draw the same
        """
        library = optuna_or_told()
        self.folder, self.storage, self.name, self.space, self.seed, self.library = folder, storage, name, space, seed, library
        with reached(storage):
            self.study: optuna.Study = library.create_study(
                storage=self._opened(storage),
                study_name=name,
                load_if_exists=True,
                pruner=library.pruners.MedianPruner(n_startup_trials=COMPLETE, n_warmup_steps=LEAST),
            )
            drawn = seed_of(seed, f"tune/{worker}", len(self.study.get_trials(deepcopy=False))) % 2**32
            self.study.sampler = library.samplers.TPESampler(n_startup_trials=AT_RANDOM, seed=drawn)

    def _opened(self, storage: str | None) -> Any:
        if storage is not None:
            return _database(storage)
        storages = self.library.storages
        return storages.JournalStorage(storages.journal.JournalFileBackend(str(self.folder.journal), lock_obj=JournalLock(self.folder)))

    def begin(self, about: Mapping[str, Any], default: Mapping[str, Any], samples: int) -> int:
        """Note what the study is of, and put the default first. Gives the samples that a trial of the default sees: as many as whoever came
        first has chosen.

        about    what has to be the same for all who work on it: fingerprint, space, settings
        default  the settings of the automatic recipe, as far as they lie in the space

        RunError, before anything is noted, where the study is of something else.
        """
        with reached(self.storage):
            _refuse_foreign(self.study, self.storage)
            known = self.study.user_attrs
            if known.get("fingerprint", about["fingerprint"]) != about["fingerprint"]:
                raise RunError(
                    f"the study {self.name!r} in {shown(self.storage)} has other data (fingerprint {known['fingerprint']}, these have "
                    f"{about['fingerprint']}). Choose another --name, or another storage."
                )
            differ = [name for name, value in about.items() if name in known and known[name] != value]
            if differ:
                raise RunError(
                    f"the study {self.name!r} in {shown(self.storage)} differs in its {' and '.join(differ)} from what was requested. "
                    "Use the same, or choose another --name."
                )
            for name, value in about.items():
                self.study.set_user_attr(name, value)
            if not self.study.get_trials(deepcopy=False):
                self.study.enqueue_trial(dict(default), user_attrs={"default": dict(default)})
            if SAMPLES not in known:
                self.study.set_user_attr(SAMPLES, samples)
            return int(known.get(SAMPLES, samples))

    def refuse_other(self, fingerprint: str) -> None:
        """RunError where the study is not the one of these data that a search began: its storage is gone, or another."""
        with reached(self.storage):
            known = self.study.user_attrs.get("fingerprint")
        if known != fingerprint:
            where = shown(self.storage) if self.storage else self.folder.journal
            what = "holds no trials of this search" if known is None else "belongs to other data"
            raise RunError(f"the study {self.name!r} in {where} {what}. Restore it, or start a new search.")

    def ask(self, most: int | None) -> optuna.trial.Trial | None:
        """The next trial; None where there are `most` already."""
        with self.folder.alone(), reached(self.storage):
            if most is not None and sum(not _left(t) for t in self._begun()) >= most:
                return None
            several = self.study.get_trials(deepcopy=False)
            if len(several) < AT_RANDOM and all(t.state != self.library.trial.TrialState.WAITING for t in several):
                source = np.random.default_rng(seed_of(self.seed, "tune/near", len(several)))
                drawn = (spaces.near(self.space, several[0].user_attrs["default"], source) for _ in range(REDRAWN))
                known = [t.params for t in several]
                self.study.enqueue_trial(next((values for values in drawn if values not in known), {}))
            trial = self.study.ask()
            trial.set_user_attr("folder", self._home)
            return trial

    def drawn(self, trial: optuna.trial.Trial) -> dict[str, Any]:
        """The values of a trial; of the default, those that lie in the space."""
        with reached(self.storage):
            fixed = trial.user_attrs.get("default")
            return {name: _suggested(trial, name, where) for name, where in self.space.items() if fixed is None or name in fixed}

    def report(self, trial: optuna.trial.Trial, distance: float, look: int) -> bool:
        """Note the distance at one of LOOKS looks. Whether the trial is to be ended, being worse than the median of those before it."""
        with reached(self.storage):
            trial.report(distance, look)
            return trial.should_prune()

    def tell(self, trial: optuna.trial.Trial, state: State, score: float | None = None, **about: str) -> None:
        """The end of a trial, and what is to be known of it: `why` it failed, its `run`."""
        with reached(self.storage):
            for name, value in about.items():
                trial.set_user_attr(name, value)
            self.study.tell(trial, score, state=self.library.trial.TrialState[WORDS[state]])

    def leave(self, number: int) -> None:
        """Give up a trial whose process is gone or is to stop, and put its values into the queue."""
        with reached(self.storage):
            frozen = self.study.trials[number]
            self.study.tell(number, state=self.library.trial.TrialState.FAIL)
            default = frozen.user_attrs.get("default")
            self.study.enqueue_trial(default or frozen.params, user_attrs={} if default is None else {"default": default})

    def abandoned(self) -> list[int]:
        """Trials that were begun from this folder and never ended. Only to be asked by the one who holds the folder."""
        with reached(self.storage):
            going = [t for t in self._begun() if not t.state.is_finished()]
            # what is kept in the folder is all from here, wherever the folder has been moved to
            return [t.number for t in going if self.storage is None or t.user_attrs.get("folder") == self._home]

    def trials(self) -> list[Trial]:
        """Every trial that came to some end and was not left behind, in order."""
        with reached(self.storage):
            return [_trial(t) for t in self._begun() if t.state.is_finished() and not _left(t)]

    def shares(self) -> dict[int, float]:
        """How far the trials that are going on are."""
        with reached(self.storage):
            return {t.number: (t.last_step or 0) / LOOKS for t in self._begun() if not t.state.is_finished()}

    @property
    def _home(self) -> str:
        return str(self.folder.path.resolve())

    def _begun(self) -> list[optuna.trial.FrozenTrial]:
        waiting = self.library.trial.TrialState.WAITING
        return [t for t in self.study.get_trials(deepcopy=False) if t.state != waiting]

    def importance(self, trials: Sequence[Trial]) -> dict[str, float]:
        """Share of the differences between complete trials that each setting makes, by fANOVA; {} where they are too few to tell."""
        complete = [t for t in trials if t.state == "complete" and t.values.keys() == self.space.keys()]
        if len(complete) < WEIGHED:
            return {}
        whole = self.library.create_study()
        where = {name: _distribution(space) for name, space in self.space.items()}
        for t in complete:
            whole.add_trial(self.library.trial.create_trial(params=dict(t.values), distributions=where, value=t.score))
        evaluator = self.library.importance.FanovaImportanceEvaluator(seed=0)
        try:
            found = self.library.importance.get_param_importances(whole, evaluator=evaluator)
        except RuntimeError:  # all scores are alike
            return {}
        return {name: float(share) for name, share in found.items()}


def _left(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial failed without a reason, as one does whose process was stopped."""
    return trial.state.name == "FAIL" and "why" not in trial.user_attrs


def _trial(trial: optuna.trial.FrozenTrial) -> Trial:
    """A trial that has ended, as plain values."""
    about, state = trial.user_attrs, next(word for word, name in WORDS.items() if name == trial.state.name)
    return Trial(
        number=trial.number,
        state=state,
        values=trial.params,
        score=trial.value if state == "complete" else None,
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        share=1.0 if state == "complete" else (trial.last_step or 0) / LOOKS,
        default="default" in about,
        why=about.get("why", ""),
        run=about.get("run", ""),
    )


def _suggested(trial: optuna.trial.Trial, name: str, where: Choice | Range) -> Any:
    if isinstance(where, Choice):
        return trial.suggest_categorical(name, list(where.values))
    if where.whole:
        return trial.suggest_int(name, int(where.low), int(where.high), log=where.log)
    return trial.suggest_float(name, where.low, where.high, log=where.log)


def _distribution(where: Choice | Range) -> Any:
    from optuna import distributions

    if isinstance(where, Choice):
        return distributions.CategoricalDistribution(list(where.values))
    if where.whole:
        return distributions.IntDistribution(int(where.low), int(where.high), log=where.log)
    return distributions.FloatDistribution(where.low, where.high, log=where.log)
