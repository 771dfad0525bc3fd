"""Train on the benchmark tables with no setting at all, and judge the rows: shapes, pairs, detection, usefulness, privacy, conditions.

    python benchmarks/tables.py TABLE [TABLE ...] --seeds 0 1 2 [--samples N] [--data FOLDER] [--out FILE] [--ctgan PYTHON]

TABLE is adult, credit_default, online_shoppers, magic_gamma, beijing_pm25 or covertype_20k, from the folder of benchmark data (--data, or
$GANSMITH_DATA). Adult is split as its authors did; of the others a tenth of the rows, drawn once, is set aside. Everything is measured
beside fresh real rows (those set aside), and as many rows are drawn as there are to train on. --ctgan names the interpreter of an
environment that has ctgan installed: the peer is then trained in turn on the same rows (peer_ctgan.py) and judged by the same scorer.

One line is appended for each finished (table, seed, length); what is there already is not run again, and a run that was cut off is resumed.
The table of all lines is printed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pictures import finished, places

HERE = Path(__file__).parent
NUMERIC = ("continuous", "integer", "ordinal")
ASKED = {"adult": (["sex=Female"], ["income=>50K"], ["sex=Female", "age>60"], ["native-country=Philippines"])}
ATTACKS = 2_000


def split(name: str, data: Path, work: Path) -> tuple[Path, Path, dict[str, Any]]:
    """(training file, file of fresh rows, what is known of the table), written below `work`."""
    import pandas as pd

    about = json.loads((data / "tables" / f"{name}.json").read_text())
    train, test = work / f"{name}.csv", work / f"{name}-fresh.csv"
    if not test.exists():
        work.mkdir(parents=True, exist_ok=True)
        rows = pd.read_csv(data / "tables" / f"{name}.csv.gz", dtype=str, keep_default_na=False)
        rows = rows.drop(columns=[c["name"] for c in about["columns"] if c["kind"] == "id"])
        if name == "beijing_pm25":  # rows without the target are dropped, as is usual
            rows = rows[rows["pm2.5"] != "NA"]
        if "splits" in about and "train" in about["splits"] and name == "adult":
            (a, b), (c, d) = about["splits"]["train"], about["splits"]["test"]
            parts = rows.iloc[a:b], rows.iloc[c:d]
        else:
            order = np.random.default_rng(0).permutation(len(rows))
            kept = len(rows) * 9 // 10
            parts = rows.iloc[np.sort(order[:kept])], rows.iloc[np.sort(order[kept:])]
        for part, path in zip(parts, (train, test), strict=True):
            part.to_csv(path, index=False)
    return train, test, about


@dataclass(frozen=True)
class Sets:
    """Rows trained on and fresh ones [N, M], learned columns alone; which are numbers, and which one is to be predicted."""

    training: np.ndarray
    fresh: np.ndarray
    numeric: np.ndarray
    target: int


def judged(made: np.ndarray, sets: Sets, seed: int, private: bool) -> dict[str, Any]:
    """Every score of rows `made` [N, M]; those of privacy take longest."""
    from gansmith.metrics import boosted, privacy, tables

    training, fresh, numeric = sets.training, sets.fresh, sets.numeric
    quality = tables.quality(training, made, numeric)
    found: dict[str, Any] = {
        "shapes": quality.shape, "trends": quality.trend_of_all, "strong_trends": quality.trend,
        "c2st": boosted.two_sample_auc(fresh, made[: len(fresh)], numeric, seed).value,
    }  # fmt: skip
    found["tstr"] = asdict(boosted.predicted(made, fresh, numeric, sets.target, seed))
    if private:
        rng = np.random.default_rng(seed)
        alike, held = privacy.thinned(training, fresh, rng)
        near = privacy.distances(made[: len(alike)], alike, held, numeric)
        found["nearer"] = privacy.nearer_share(near).value
        one = privacy.singling_out(made, training, fresh, numeric, rng, attacks=ATTACKS)
        four = privacy.singling_out_together(made, training, fresh, numeric, rng, attacks=ATTACKS)
        found["singled_out"], found["singled_out_by_four"] = one.risk.value, four.risk.value
    return found


def floor(sets: Sets) -> dict[str, Any]:
    """What fresh real rows score, one half of them judged beside the other, and what a model learns from the rows trained on."""
    from gansmith.metrics import boosted

    half = replace(sets, fresh=sets.fresh[1::2])
    real = asdict(boosted.predicted(sets.training, sets.fresh, sets.numeric, sets.target, 0))
    return {**judged(sets.fresh[::2], half, 0, private=False), "tstr": real}


def met(run: Any, name: str, count: int = 1000) -> dict[str, float]:
    """Share of drawn rows that meet what was asked for, read back from the cells as they are written."""
    import operator

    signs = {">": operator.gt, "<": operator.lt}
    found = {}
    for asked in ASKED.get(name, ()):
        cells = run.generator.codec.cells(run.sample(count, where=asked, seed=5).raw)
        right = np.ones(count, bool)
        for text in asked:
            sign = "=" if "=" in text else ">"
            column, _, value = text.partition(sign)
            right &= (
                (cells[column] == value).to_numpy() if sign == "=" else signs[sign](cells[column].astype(float), float(value)).to_numpy()
            )
        found[" and ".join(asked)] = float(right.mean())
    return found


def broken(run: Any, raw: np.ndarray, name: str) -> float | None:
    """Share of rows whose education is not that of their education-num in the real rows."""
    if name != "adult":
        return None
    from gansmith.domains.table import rows_of
    from gansmith.domains.table.schema import Schema
    from gansmith.metrics import tables

    schema = Schema.from_dict(run.data["facts"]["schema"])
    a, b = schema.place("education"), schema.place("education-num")
    rule = tables.Dependency.of(rows_of(run.recipe.data.source, schema), a, b)
    return float(tables.broken(raw, [rule])[0])


def main() -> None:
    import torch

    import gansmith
    from gansmith.config import parse_assignments
    from gansmith.domains.table import rows_of
    from gansmith.domains.table.schema import Schema
    from gansmith.engine import checkpoint

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--ctgan", type=Path, help="an interpreter with ctgan installed")
    parser.add_argument("--epochs", type=int, default=50, help="of ctgan")
    places(parser, "runs/tables", "benchmarks/results/tables.jsonl")
    words = parser.parse_args()
    torch.set_num_threads(1)
    done = finished(words.out)

    def add(line: dict[str, Any]) -> None:
        done.append(line)
        with words.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    for name in words.names:
        train, test, about = split(name, words.data, words.work)
        for seed in words.seeds:
            length = f"{words.samples} samples" if words.samples else f"{words.minutes} min" if words.minutes else "default"
            key = {"table": name, "seed": seed, "length": length}
            if any(all(d.get(k) == v for k, v in key.items()) for d in done):
                continue
            place = words.work / f"{name}-s{seed}-{length.replace(' ', '')}-1"
            began = time.process_time()
            if place.exists():
                run = gansmith.Run(place) if checkpoint.newest(gansmith.Run(place).folder).finished else gansmith.train(resume=place)
            else:
                settings = {"data.target": about["target"]} | parse_assignments(words.set)
                run = gansmith.train(
                    str(train),
                    minutes=words.minutes,
                    samples=words.samples,
                    seed=seed,
                    runs=words.work,
                    name=place.name[:-2],
                    settings=settings,
                )
            spent = time.process_time() - began
            recipe, schema = run.recipe, Schema.from_dict(run.data["facts"]["schema"])  # that of a generator has no rare levels
            learned = np.array([i for i, c in enumerate(schema.columns) if c.learned])
            numeric = np.array([schema.columns[i].numeric for i in learned])
            real, fresh = (rows_of(str(p), schema) for p in (train, test))
            drawn = run.sample(len(real), seed=123).raw
            target = int(np.flatnonzero(learned == schema.place(about["target"]))[0])
            sets = Sets(real[:, learned], fresh[:, learned], numeric, target)
            scores = judged(drawn[:, learned], sets, seed, private=name == "adult")
            add({
                **key, "model": "gansmith", "processor_seconds": round(spent, 1), "rows": len(real),
                "seen": checkpoint.newest(run.folder).step * recipe.run.batch, "network": f"{recipe.network.name} {recipe.network.width}",
                **scores, "met": met(run, name), "broken": broken(run, drawn, name),
            })  # fmt: skip
            if not any(d["table"] == name and d["model"] == "fresh real rows" for d in done):
                add({"table": name, "seed": 0, "length": "", "model": "fresh real rows", **floor(sets)})
            length = f"{words.epochs} epochs"
            if words.ctgan and not any((d["table"], d["seed"], d["length"]) == (name, seed, length) for d in done):
                drawn, told = peer(words, name, seed, train, about, schema)
                scores = judged(drawn[:, learned], sets, seed, name == "adult")
                add({"table": name, "seed": seed, "length": length, "model": "ctgan", **told, **scores})
    table(done)


def peer(words: Any, name: str, seed: int, train: Path, about: dict[str, Any], schema: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """Rows of CTGAN, trained on the same file in its own interpreter, and what it told of itself."""
    from gansmith.domains.table import rows_of

    out = words.work / f"{name}-s{seed}-ctgan{words.epochs}.csv"
    discrete = [c["name"] for c in about["columns"] if c["kind"] not in NUMERIC]
    command = [words.ctgan, HERE / "peer_ctgan.py", train, out, words.epochs, seed, *discrete]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, env=alone).stdout
    return rows_of(str(out), schema), json.loads(told.splitlines()[-1])


SHOWN = ("table", "model", "seed", "length", "processor_seconds", "shapes", "trends", "strong_trends", "c2st", "tstr", "nearer")
SHOWN += ("singled_out", "singled_out_by_four", "broken")


def table(lines: list[dict[str, Any]]) -> None:
    print("| " + " | ".join(SHOWN) + " |\n|" + " --- |" * len(SHOWN))
    for line in lines:
        values = [line.get(name) for name in SHOWN]
        plain = [next(iter(v.values()))["value"] if isinstance(v, dict) else v for v in values]
        cells = ["" if v is None else f"{v:.4f}" if isinstance(v, float) else str(v) for v in plain]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
