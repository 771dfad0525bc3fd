"""What it costs to look after a run: the share of its time that examinations and checks take.

    python benchmarks/care.py [DATA ...] [--seconds 15] [--out FILE]

DATA is anything that `gansmith train` takes; digits and toy:ring where there is none. The recipe is chosen as for a whole run, of which
the first seconds are trained, with an examination every second: what one takes with all its checks, times as many as the whole run has,
over the time that the game of the whole run takes at the speed of these seconds. Both are measured in one run, one thread of one process.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import gansmith
from gansmith import config
from gansmith.engine.examine import Examiner
from gansmith.engine.guard import Guard

ONE_CORE = {"machine.device": "cpu", "machine.threads": 1, "machine.workers": 1}


class Spent:
    """Seconds that a watcher took."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def of(self, call: Callable[..., None]) -> Callable[..., None]:
        def timed(*words: Any) -> None:
            began = time.perf_counter()
            call(*words)
            self.seconds += time.perf_counter() - began

        return timed


def care(data: str, seconds: float) -> dict[str, Any]:
    """Of one kind of data, a line of the table."""
    with tempfile.TemporaryDirectory() as folder:
        short = {"run.report": False, "run.looks": 0, "run.previews": 0}
        whole = gansmith.train(data, settings=ONE_CORE | short | {"run.minutes": 0.01}, runs=folder).recipe  # for what was chosen
        chosen = {k: v for k, v in config.flat(whole).items() if k.startswith(("network.", "machine."))}
        spent = Spent()
        calls = Examiner.__call__, Guard.__call__
        Examiner.__call__, Guard.__call__ = spent.of(calls[0]), spent.of(calls[1])  # type: ignore[method-assign]
        try:
            asked = chosen | short | {"run.minutes": seconds / 60, "run.exams": round(seconds), "run.tick": 5, "run.guard": True}
            run = gansmith.train(data, settings=asked, runs=folder)
        finally:
            Examiner.__call__, Guard.__call__ = calls  # type: ignore[method-assign]
        exams, last = run.folder.exams(), run.folder.speeds()[-1]
        each, speed = spent.seconds / len(exams), run.log[-1]["seen"] / (last["seconds"] - spent.seconds)
    full = defaults(data, chosen, speed)
    return {
        "data": Path(data).name, "network": chosen["network.name"], "precision": chosen["machine.precision"],
        "milliseconds": 1e3 * each, "samples_per_second": speed, **full,
        "share": each * full["exams"] / (full["samples"] / speed), "machine": platform.machine(), "torch": torch.__version__,
    }  # fmt: skip


def defaults(data: str, chosen: dict[str, Any], speed: float) -> dict[str, int]:
    """How long a run of these data is and how often it is examined, at this speed, unless told."""
    from gansmith.config import Recipe
    from gansmith.engine.probe import Trial, Way
    from gansmith.recipes import automatic
    from gansmith.verbs.opened import Opened

    recipe = config.merge(Recipe(), {**chosen, "data.source": data})
    opened = Opened.of(recipe, None, "cpu")
    situation = automatic.Situation(opened.layout, len(opened.members), opened.total_variance, "cpu")
    game = automatic.resolve_game(recipe, situation)
    trial = Trial(Way(recipe.machine.precision or "fp32", 1), 1, speed, 1.0)
    run = automatic.resolve_length(game, situation, trial, speed).run
    assert run.samples
    assert run.exams
    return {"samples": run.samples, "exams": run.exams}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="*", default=["digits", "toy:ring"])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--out", type=Path)
    words = parser.parse_args()
    print("| data | network | an examination, ms | samples/s | samples of a run | examinations in it | share of its time |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in words.data:
        line = care(name, words.seconds)
        print(
            f"| {line['data']} | {line['network']}, {line['precision']} | {line['milliseconds']:.0f} | {line['samples_per_second']:.0f} | "
            f"{line['samples']:,} | {line['exams']} | {line['share']:.1%} |",
            flush=True,
        )
        if words.out:
            with words.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
