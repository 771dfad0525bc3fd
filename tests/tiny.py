"""Runs so small that a test can afford many of them, and what two runs are compared by."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import gansmith
from gansmith.engine.loop import Tick
from gansmith.runs import RunFolder
from gansmith.verbs.playing import Silent
from gansmith.verbs.run import Run

SOURCE = Path(__file__).parents[1] / "src"
STEPS, TICK, BATCH = 30, 5, 16
PATIENCE = 240.0  # seconds for what takes a few on an idle machine: a busy one is not a failure

# Nothing is left to probe, so that the same arithmetic is done every time.
SETTINGS: dict[str, Any] = {
    "machine.device": "cpu",
    "machine.precision": "fp32",
    "machine.threads": 1,
    "machine.workers": 1,
    "penalty.form": "exact",
    "network.name": "dense",
    "network.width": 8,
    "network.latent": 4,
    "run.batch": BATCH,
    "run.samples": STEPS * BATCH,
    "run.tick": TICK,
    "run.previews": 3,
    "run.checkpoint_seconds": 0,
    "run.report": False,
    "run.looks": 5,
    "run.exams": 6,
    "run.guard": False,  # networks of eight units are ill by any measure
}


def train(runs: Path, settings: Mapping[str, Any] | None = None, data: Any = None, **more: Any) -> Run:
    """A fresh tiny run below `runs`."""
    return gansmith.train(data, runs=runs, settings={**SETTINGS, **(settings or {})}, **more)


def words(runs: Path, settings: Mapping[str, Any] | None = None) -> list[str]:
    """The same run as words of a command line; without examinations, which would have something to say of it."""
    every = {**SETTINGS, "run.exams": 0, **(settings or {})}
    return ["train", "--runs", str(runs), *(word for name, value in every.items() for word in ("--set", f"{name}={value}"))]


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(SOURCE),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONWARNINGS": "default",
        **more,
    }


def command(*said: str, cwd: Path | None = None, timeout: float = PATIENCE, **env: str) -> subprocess.CompletedProcess[str]:
    """python -m gansmith in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gansmith", *said],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=cwd,
        env=environment(**env),
    )


def start(*said: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen(
        [sys.executable, "-m", "gansmith", *said],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(**env),
    )


class Watching(Silent):
    """An audience that counts ticks, and raises `error` after the tick of step `at`."""

    def __init__(self, at: int | None = None, error: BaseException | None = None) -> None:
        self.at, self.error, self.ticks = at, error or Crash(), list[Tick]()
        self.ended_early: Path | None = None

    def tick(self, tick: Tick) -> None:
        self.ticks.append(tick)
        if tick.position.step == self.at:
            self.act()

    def act(self) -> None:
        raise self.error

    def over(self, run: Path) -> None:
        self.ended_early = run


class Crash(Exception):
    """What stands for a kill inside one process."""


def newest(run: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the newest checkpoint: weights, average, both Adam states."""
    return load_file(RunFolder(run).saved()[-1])


def assert_same_end(a: Path, b: Path, previews: bool = True) -> None:
    """Two runs ended bit-identically: checkpoint, log, exported generator, and the pictures on the way."""
    left, right = newest(a), newest(b)
    assert left.keys() == right.keys()
    different = [k for k in left if not torch.equal(left[k], right[k])]
    assert not different
    for name in ("log.jsonl", "quality.jsonl", "health.jsonl"):
        assert (a / name).exists() == (b / name).exists(), name
        assert not (a / name).exists() or (a / name).read_bytes() == (b / name).read_bytes(), name
    best, other = RunFolder(a).bests()[-1:], RunFolder(b).bests()[-1:]  # of a run that was killed after its end, earlier ones may be left
    assert [(p.name, p.read_bytes()) for p in best] == [(p.name, p.read_bytes()) for p in other]
    for name in ("config.json", "codec.json", "weights.safetensors"):
        assert (a / "generator" / name).read_bytes() == (b / "generator" / name).read_bytes(), name
    if previews:
        assert pictures(a) == pictures(b)
    assert not list(a.rglob(".*.part"))
    assert not list(b.rglob(".*.part"))


def pictures(run: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((run / "previews").iterdir())}
