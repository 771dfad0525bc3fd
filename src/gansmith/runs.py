"""A run folder and the names of the files in it; nobody else joins paths.

Files are written beside their place and moved there in one step.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gansmith.errors import RunError, StorageError, nearest, storage_error

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 1e18  # of samples seen: a record that tells of more is damaged
SEARCH = "tune.json"  # what makes a folder that of a search for settings, which holds a recipe.yaml as a run does
DIRECTIONS, INVERSION = "directions.json", "inversion.json"  # what makes a folder that of directions, or of inverted pictures


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    StorageError where there is no room.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """A safetensors file with `about` as JSON in its header."""
    from safetensors.torch import save  # not save_file: it tells of a full disk in an error of its own, without the number of the cause

    # a copy each: safetensors refuses tensors that share memory, as flat weights and their views do
    data = save({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, {"gansmith": json.dumps(dict(about))})
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote. RunError where it is not there or not whole."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, json.loads(file.metadata()["gansmith"])  # noqa: SIM118  (no mapping)
    except (OSError, SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} cannot be read ({error}). Copy the folder again from its source, or train again.") from None


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing; the folder {path.parent} is incomplete. Train again, or copy the whole folder.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} cannot be read ({error}). Copy the folder again from its source, or train again.") from None


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def data(self) -> Path:
        return self.path / "data.json"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def speed(self) -> Path:
        return self.path / "speed.jsonl"

    @property
    def quality(self) -> Path:
        return self.path / "quality.jsonl"

    @property
    def health(self) -> Path:
        return self.path / "health.jsonl"

    @property
    def poisoned(self) -> Path:
        return self.path / "poisoned.jsonl"

    @property
    def recoveries(self) -> Path:
        return self.path / "recoveries.jsonl"

    @property
    def tries(self) -> Path:
        """The records of what was undone when the run went back, a numbered folder each time."""
        return self.path / "tries"

    @property
    def stopped(self) -> Path:
        """The sentence with which the run stopped before its end."""
        return self.path / "stopped.txt"

    @property
    def previews(self) -> Path:
        return self.path / "previews"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def generator(self) -> Path:
        return self.path / "generator"

    @property
    def scores(self) -> Path:
        return self.path / "scores.json"

    @property
    def proof(self) -> Path:
        return self.path / "proof.json"

    @property
    def columns(self) -> Path:
        return self.path / "columns.json"

    @property
    def closest(self) -> Path:
        return self.path / "closest.png"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def diagnosis(self) -> Path:
        return self.path / "diagnosis.html"

    @property
    def workers_log(self) -> Path:
        return self.path / "workers.log"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    def preview(self, step: int) -> Path:
        return self.previews / f"step-{step:09d}.png"

    def checkpoint(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:09d}.safetensors"

    def moment(self, step: int) -> Path:
        return self.checkpoints / f"healthy-{step:09d}.safetensors"

    def moments(self) -> list[Path]:
        """Healthy moments that a run which falls ill can go back to, oldest first."""
        return sorted(self.checkpoints.glob("healthy-*.safetensors"))

    def best(self, step: int) -> Path:
        """The averaged generator of a step at which it was the best so far."""
        return self.checkpoints / f"best-{step:09d}.safetensors"

    def bests(self) -> list[Path]:
        """Those that are kept, oldest first, so the best last: that of now, and of every step the run may go on from."""
        return sorted(self.checkpoints.glob("best-*.safetensors"))

    def saved(self) -> list[Path]:
        """Checkpoints, oldest first."""
        return sorted(p for p in self.checkpoints.glob("step-*.safetensors"))

    def records(self) -> list[dict[str, Any]]:
        """The whole records of the log, oldest first; a line that a kill cut off is left out."""
        return list(_whole_lines(self.log))

    def looks(self) -> list[dict[str, Any]]:
        """How good the generator was through the run, oldest first."""
        return list(_whole_lines(self.quality))

    def speeds(self) -> list[dict[str, Any]]:
        """How fast the run was, and what its time went into, oldest first."""
        return list(_whole_lines(self.speed))

    def exams(self) -> list[dict[str, Any]]:
        """What the examinations of both players measured, oldest first."""
        return list(_whole_lines(self.health))

    def left_out(self) -> set[int]:
        """Indices of the samples that were found not to be finite, and left out."""
        return {int(index) for line in _whole_lines(self.poisoned) for index in line["samples"]}

    def recovered(self) -> list[dict[str, Any]]:
        """Every time the run went back and on with other settings, oldest first."""
        return list(_whole_lines(self.recoveries))

    def cut(self, step: int) -> None:
        """Drop what the logs and the previews say of steps after `step`, and what a kill left half-written."""
        for path in (self.log, self.speed, self.quality, self.health, self.poisoned):
            if path.exists():
                kept = [json.dumps(r) for r in _whole_lines(path) if r["step"] <= step]
                write_text(path, "".join(line + "\n" for line in kept))
        later = (p for p in self.previews.glob("step-*.png") if p.name > self.preview(step).name)
        undone = (p for p in self.moments() if p.name > self.moment(step).name)
        worse = (p for p in self.bests() if p.name > self.best(step).name)
        places = (self.path, self.checkpoints, self.previews, self.generator)
        left = (p for place in places for p in place.glob(".*.part") if _left_behind(p))
        for path in (*later, *undone, *worse, *left):
            path.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """RunError where another process is training this run: the two would write into the same files."""
        with ExitStack() as stack:
            with suppress(StorageError):  # a file system without locks is no reason not to train
                if not stack.enter_context(flocked(self.path / "train.lock", wait=False)):
                    raise RunError(f"another process is training {self.path}. Wait until it has ended, or stop it, and resume then.")
            yield


@contextmanager
def flocked(path: Path, wait: bool) -> Iterator[bool]:
    """Holds a lock that the system gives back when its process is gone, however that ended. False where another has it.

    StorageError where the file cannot be opened, or its file system has no locks.
    """
    try:
        file = path.open("a")
    except OSError as error:
        raise storage_error(error, path) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            raise StorageError(f"{path} cannot be locked ({error.strerror}). Choose a folder on another file system.") from error
        yield True


def _left_behind(part: Path) -> bool:
    """Whether a file that `replacing` was writing is of a process that is gone: another may be at work beside this one."""
    process = re.fullmatch(r"\..+\.(\d+)\.part", part.name)
    if process is None or not part.is_file():
        return False
    try:
        os.kill(int(process[1]), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return int(process[1]) == os.getpid()


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(json.JSONDecodeError):
            found = json.loads(line)
            if isinstance(found, dict) and _placed(found):
                yield found


def _placed(line: Mapping[str, Any]) -> bool:
    """Whether a record says where in a run it belongs, in numbers: the step, and of the samples seen and the share done what it has."""
    where = [line[name] for name in ("seen", "share") if name in line]
    return type(line.get("step")) is int and all(isinstance(n, int | float) and 0 <= n < LARGEST for n in where)


def create(parent: Path, name: str) -> RunFolder:
    """A new folder parent/name-1, -2, …: the first that is free. Made in one step, so two runs never share one."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "run"
    number = 1
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, parent) from error
    while True:
        folder = parent / f"{stem}-{number}"
        try:
            folder.mkdir()
            return RunFolder(folder)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise storage_error(error, folder) from error


def find(path: str | Path) -> RunFolder:
    """The run in a folder. RunError where it is none."""
    folder = RunFolder(Path(path))
    if not folder.path.exists():
        known = sorted(p.parent.name for p in folder.path.parent.glob("*/recipe.yaml"))
        mend = nearest(folder.name, known) if known else "give the folder that 'gansmith train' named at its end."
        raise RunError(f"there is no run {path}; {mend}")
    if (folder.path / SEARCH).is_file():
        told = f"its report, once it has ended, is {folder.report}. Give a run, such as those in {path}/finals."
        raise RunError(f"{path} is the folder of a search, not of a run; {told}")
    if not folder.recipe.is_file():
        raise RunError(f"{path} is not a run folder: it has no recipe.yaml. Give the folder that 'gansmith train' named at its end.")
    return folder
