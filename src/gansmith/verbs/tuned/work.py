"""What one process does in a search: trial after trial, then its part of the last judgement.

Run as `python -m gansmith.verbs.tuned.work FOLDER NUMBER STAGE SECONDS PARENT` it is one of several, which end with their parent.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gansmith.engine import distribute
from gansmith.errors import GansmithError, RunError
from gansmith.tuning.budget import SHORTEST
from gansmith.tuning.found import ARMS, Arm, Trial, failure
from gansmith.verbs.opened import Opened
from gansmith.verbs.train import automatic_device
from gansmith.verbs.tuned import folder as folders
from gansmith.verbs.tuned.bench import Bench
from gansmith.verbs.tuned.folder import Asked, TuneFolder
from gansmith.verbs.tuned.study import Study
from gansmith.verbs.tuned.trying import Orphaned, Share, Shop, attempt, judge

HOPELESS = 4  # trials, after which a search ends of which every one failed, or every one but the default
STORAGE = "GANSMITH_TUNE_STORAGE"  # the address of the storage, which may hold a password, for other processes


def search(study: Study, shop: Shop, seconds: float, share: Share) -> None:
    """Try one setting after another until the time or the trials are used up, or every one fails."""
    until = time.monotonic() + seconds
    while not (ended := study.trials()) or begins(ended, shop.asked, until - time.monotonic()):
        if hopeless(ended):
            return
        trial = study.ask(shop.asked.trials)
        if trial is None:
            return
        attempt(study, trial, shop, share)


def begins(trials: Sequence[Trial], asked: Asked, left: float) -> bool:
    """Whether `left` seconds are time to begin another trial."""
    return left > SHORTEST * asked.trial * stretched(trials, asked)


def stretched(trials: Sequence[Trial], asked: Asked) -> float:
    """Seconds of the clock that a second of a run takes here, what is done around it and beside it included."""
    whole = [t.seconds for t in trials if t.state == "complete"]
    return max(sum(whole) / len(whole) / asked.trial, 1.0) if whole else 1.0


def hopeless(trials: Sequence[Trial]) -> bool:
    """Whether every one of several trials failed, or of several that are not the default: then the space is at fault."""
    others = [t for t in trials if not t.default]
    return any(len(some) >= HOPELESS and all(t.state == "failed" for t in some) for some in (trials, others))


def refuse_failure(trials: Sequence[Trial]) -> None:
    """RunError with the common cause where no trial came to its end."""
    if any(t.state == "complete" for t in trials):
        return
    if not any(t.why for t in trials):
        raise RunError("no trial finished, so nothing was found. Give more --minutes.")
    raise RunError(failure(trials))


def tasks(asked: Asked, seed: int) -> list[tuple[Arm, int]]:
    """The runs of the judgement, both arms of a seed one after the other. `seed`: of the trials, which has chosen and judges no more."""
    return [(arm, seed + 1 + i) for i in range(asked.seeds) for arm in ARMS]


def judgement(study: Study, shop: Shop, part: slice, share: Callable[[float], None]) -> None:
    """Train and measure both arms with every seed, or this process's part of them; what is judged already stays."""
    found = next(t for t in study.trials() if t.number == shop.asked.best)
    values: dict[Arm, Mapping[str, Any]] = {"default": {}, "found": found.values}
    done = {(j.arm, j.seed) for j in shop.folder.judgements()}
    for arm, seed in tasks(shop.asked, shop.recipe.run.seed)[part]:
        if (arm, seed) not in done:
            shop.folder.add(judge(arm, seed, values[arm], shop, share))


def start(folder: TuneFolder, jobs: int, stage: str, seconds: float, storage: str | None) -> list[subprocess.Popen[bytes]]:
    """Start so many processes, each with its share of the cores. What they say goes to the folder's log."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **({STORAGE: storage} if storage else {})}
    words = [sys.executable, "-m", "gansmith.verbs.tuned.work", str(folder.path)]
    with folder.log.open("ab") as log:
        return [
            subprocess.Popen(
                [*words, str(number), stage, str(seconds), str(os.getpid())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the first alone, which ends the others
            )
            for number in range(jobs)
        ]


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the processes to stop, and make sure that they have."""
    for process in processes:
        process.terminate()
    distribute.end(processes)


def main(words: Sequence[str]) -> int:
    """One of several processes."""
    path, number, stage, seconds, parent = words
    try:
        folder = folders.find(Path(path))
        asked, (recipe, space) = folder.read(), folder.begun_from()
        torch.set_num_threads(int(asked.hands["machine.threads"]))
        opened = Opened.of(recipe, None, automatic_device(recipe))
        shop = Shop(folder, recipe, Bench.of(opened, recipe, asked.aside), asked, parent=int(parent))
        study = Study(folder, os.environ.get(STORAGE), asked.study, space, recipe.run.seed, int(number) + 1)
        if stage == "search":
            search(study, shop, float(seconds), lambda number, share: None)
        else:
            judgement(study, shop, slice(int(number), None, asked.jobs), lambda share: None)
    except (GansmithError, KeyboardInterrupt, Orphaned) as error:
        print(f"gansmith: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
