"""A large table from end to end: what each verb takes in time and memory.

    python benchmarks/large_table.py [--rows 1000000] [--columns 40] [--samples 200k] [--work FOLDER] [--out FILE]

The table is made up: of every ten columns four numbers (normal, log-normal to the cent, nine tenths zeros, whole), three categories (of 5,
of 300, of as many names as a tenth of the rows has), a date, a yes or no and a number with missing cells that follows the first. Each verb
is the command itself in a process of its own, on one thread; peak memory is that of the process. What is drawn is as many rows as there
are. One line is appended for all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

AT_ONCE = 50_000  # rows made up at a time
UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in a MiB


def made_up(path: Path, rows: int, columns: int) -> None:
    """Write the table."""
    import pandas as pd

    source = np.random.default_rng(0)
    part = path.with_name(f".{path.name}")
    with part.open("w", newline="") as out:
        for start in range(0, rows, AT_ONCE):
            block(pd, source, min(AT_ONCE, rows - start), columns, rows).to_csv(out, index=False, header=start == 0)
    part.replace(path)


def block(pd: Any, source: np.random.Generator, rows: int, columns: int, total: int) -> Any:
    """Some rows of it; the columns of one row share a hidden number, so that there is something to learn."""
    hidden = source.standard_normal(rows)

    def near(strength: float) -> np.ndarray:
        return strength * hidden + (1 - strength**2) ** 0.5 * source.standard_normal(rows)

    makers = (
        lambda: near(0.8).round(6),
        lambda: np.exp(3 + near(0.6)).round(2),
        lambda: np.where(source.random(rows) < 0.9, 0, source.exponential(100, rows).round(2)),
        lambda: (40 + 12 * near(0.5)).round().astype(int),
        lambda: np.array(list("abcde"))[np.digitize(near(0.7), (-1, -0.3, 0.3, 1))],
        lambda: np.char.add("place ", (source.zipf(1.5, rows) % 300).astype(str)),
        lambda: np.char.add("name ", source.integers(0, max(1, total // 10), rows).astype(str)),
        lambda: np.datetime_as_string(np.datetime64("2015-01-01") + source.integers(0, 3000, rows), "D"),
        lambda: np.where(near(0.9) > 0, "yes", "no"),
        lambda: np.where(source.random(rows) < 0.1, np.nan, near(0.9).round(3)),
    )
    return pd.DataFrame({f"c{i}": makers[i % len(makers)]() for i in range(columns)})


def measured(command: list[str], log: Path) -> dict[str, float]:
    """Seconds and peak memory in MiB of a command, which must succeed."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    began = time.perf_counter()
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=alone)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return {"seconds": round(time.perf_counter() - began, 1), "MiB": round(used.ru_maxrss / UNIT)}


def main() -> None:
    from gansmith.config import count

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=lambda text: int(count(text)), default=1_000_000)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--samples", type=lambda text: int(count(text)), default=200_000)
    parser.add_argument("--work", type=Path, default=Path("runs/large"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/large_table.jsonl"))
    words = parser.parse_args()
    words.work.mkdir(parents=True, exist_ok=True)
    table = words.work / f"{words.rows}x{words.columns}.csv"
    if not table.exists():
        made_up(table, words.rows, words.columns)
    drawn, run = words.work / "drawn.csv", words.work / "large-1"
    drawn.unlink(missing_ok=True)
    shutil.rmtree(run, ignore_errors=True)
    gansmith = [sys.executable, "-m", "gansmith"]
    one = ["--set", "machine.threads=1", "--set", "machine.workers=1", "--set", "machine.device=cpu"]
    train = [*gansmith, "train", str(table), "--samples-seen", str(words.samples), "--runs", str(words.work), "--name", "large", *one]
    commands = {
        "describe": [*gansmith, "describe", str(table)],
        "train": train,
        "sample": [*gansmith, "sample", str(run), "-n", str(words.rows), "--out", str(drawn)],
    }
    line: dict[str, Any] = {"rows": words.rows, "columns": words.columns, "samples": words.samples}
    line["MiB of the file"] = table.stat().st_size >> 20
    for verb, command in commands.items():
        line[verb] = measured(command, words.work / f"{verb}.log")
        print(verb, line[verb], flush=True)
    line["machine"] = platform.machine()
    with words.out.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line))


if __name__ == "__main__":
    main()
