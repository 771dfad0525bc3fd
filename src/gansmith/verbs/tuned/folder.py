"""The folder of a search: what was asked, the study, the trials, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gansmith import config
from gansmith.config import Recipe
from gansmith.engine.watch import add_line
from gansmith.errors import RunError, nearest
from gansmith.runs import SEARCH, flocked, read_json, replacing, write_json
from gansmith.tuning import space as spaces
from gansmith.tuning.budget import Budget
from gansmith.tuning.found import Judged
from gansmith.tuning.space import Space

FORMAT = 1


@dataclass(frozen=True)
class Asked:
    """tune.json: what was asked for, what was settled before the first trial, and the time spent."""

    data: str  # the source
    fingerprint: str  # of the data
    study: str  # its name in the storage
    storage: str | None  # address without its password; None: in the folder
    minutes: float
    trials: int | None
    jobs: int
    aside: float  # share of the data by which trials are measured
    hands: Mapping[str, Any]  # settings that say how the arithmetic is done, the same in every run
    values: Mapping[str, Any]  # of the searched settings in the default, where the space holds them
    batch: int  # of the default
    speed: float = 0.0  # samples a second of the default, where nothing else is done on this machine
    longest: float = 0.0  # seconds that a run of the default has by itself
    trial: float = 0.0  # seconds of a trial, where nothing else is done
    spent: float = 0.0  # seconds, over all resumes
    since: float = 0.0  # of these, when a search that was over was given more to spend
    settled: bool = False  # the search is over: what follows says how it is judged
    best: int | None = None  # the trial that is judged beside the default
    seeds: int = 0  # of the judgement
    final: float = 0.0  # seconds of each of its runs, where nothing else is done

    @property
    def budget(self) -> Budget:
        return Budget(self.minutes, self.trials, self.jobs)

    @property
    def search(self) -> float:
        """Seconds, of all that are spent, before which trials may begin."""
        return self.budget.until(self.since)


@dataclass(frozen=True)
class TuneFolder:
    """Paths inside a search, and what is read and written there."""

    path: Path

    @property
    def asked(self) -> Path:
        return self.path / SEARCH

    @property
    def costs(self) -> Path:
        """What a sample costs with each network and batch."""
        return self.path / "costs.json"

    @property
    def space(self) -> Path:
        return self.path / "space.yaml"

    @property
    def start(self) -> Path:
        """The recipe that every trial begins from."""
        return self.path / "start.yaml"

    @property
    def journal(self) -> Path:
        return self.path / "study.jsonl"

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    @property
    def finals(self) -> Path:
        return self.path / "finals"

    @property
    def judged(self) -> Path:
        return self.path / "judged.jsonl"

    @property
    def picture(self) -> Path:
        """Samples of the best trial so far."""
        return self.path / "best.png"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def found_recipe(self) -> Path:
        return self.path / "found.yaml"

    @property
    def found(self) -> Path:
        return self.path / "found.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def log(self) -> Path:
        """What further processes said."""
        return self.path / "workers.log"

    def read(self) -> Asked:
        """RunError where a newer gansmith wrote it, or it is not whole."""
        values = read_json(self.asked)
        try:
            if values["format"] > FORMAT:
                raise RunError(f"{self.path} was written by a newer gansmith. Upgrade with: pip install -U gansmith")
            return Asked(**{k: v for k, v in values.items() if k != "format"})
        except (KeyError, TypeError) as error:
            raise RunError(
                f"{self.asked} was not written by gansmith or is damaged ({type(error).__name__}: {error}). Start a new search."
            ) from None

    def write(self, asked: Asked) -> None:
        write_json(self.asked, {"format": FORMAT, **asdict(asked)})

    def begun_from(self) -> tuple[Recipe, Space]:
        """The recipe that trials begin from, and the space."""
        recipe = config.read(self.start)
        return recipe, spaces.read(self.space, recipe)

    def mend(self) -> None:
        """Drop what a kill left of a line that was being written, lest the next one be written behind it."""
        for path in (self.journal, self.judged):
            written = path.read_bytes() if path.exists() else b""
            if written and not written.endswith(b"\n"):
                with replacing(path) as temporary:
                    temporary.write_bytes(written[: written.rfind(b"\n") + 1])

    def judgements(self) -> list[Judged]:
        """The runs that were judged, oldest first; a line that is still being written is left out."""
        if not self.judged.exists():
            return []
        lines = self.judged.read_text(encoding="utf-8").splitlines(keepends=True)
        return [Judged.from_dict(json.loads(line)) for line in lines if line.endswith("\n")]

    def add(self, judged: Judged) -> None:
        add_line(self.judged, asdict(judged))

    @contextmanager
    def held(self) -> Iterator[None]:
        """RunError where another process is at work on this search."""
        with flocked(self.path / "held.lock", wait=False) as got:
            if not got:
                raise RunError(f"another process is working on {self.path}. Wait until it has ended, or stop it.")
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process of this search at a time."""
        with flocked(self.path / "turn.lock", wait=True):
            yield


def find(path: str | Path) -> TuneFolder:
    """The search in a folder. RunError where it is none."""
    folder = TuneFolder(Path(path))
    if not folder.path.exists():
        known = sorted(p.parent.name for p in folder.path.parent.glob(f"*/{SEARCH}"))
        raise RunError(f"there is no search {path}; " + nearest(folder.path.name, known))
    if not folder.asked.is_file():
        raise RunError(f"{path} is not the folder of a search: it has no {SEARCH}. Give the one that 'gansmith tune' named.")
    return folder
