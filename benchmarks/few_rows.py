"""Do generated rows help where there are a thousand real ones? Adult, five draws of the thousand, the usefulness of real rows beside them.

    python benchmarks/few_rows.py [--rows 1000] [--draws 0 1 2 3 4] [--data FOLDER] [--out FILE]

Each draw takes so many rows of the training part, trains on them with no setting at all, and draws as many rows again, and five times as
many. The same trees (AUC on the 16,281 test rows, mean of 3 seeds) then learn from the real rows alone, repeated, with generated ones, and
with SMOTE's. One line is appended for each finished draw; what is there already is not done again. The table is printed at the end.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
from pictures import finished, places
from prove import Source, trained
from tables import split

SEEDS = 3  # of the trees


def auc(train: np.ndarray, test: np.ndarray, numeric: np.ndarray, target: int) -> float:
    from gansmith.metrics import boosted

    found = [boosted.predicted(train, test, numeric, target, seed) for seed in range(SEEDS)]
    return float(np.mean([f.auc.value for f in found if isinstance(f, boosted.Classified)]))


def main() -> None:
    import pandas as pd
    import torch

    from gansmith.config import parse_assignments
    from gansmith.domains.table import rows_of
    from gansmith.domains.table.schema import Schema
    from gansmith.metrics import tables

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    places(parser, "runs/few-rows", "benchmarks/results/few_rows.jsonl")
    words = parser.parse_args()
    torch.set_num_threads(1)
    done = finished(words.out)
    train, test, about = split("adult", words.data, words.work)
    for draw in words.draws:
        if any((d["draw"], d["rows"]) == (draw, words.rows) for d in done):
            continue
        path = words.work / f"few{words.rows}-d{draw}.csv"
        every = pd.read_csv(train, dtype=str, keep_default_na=False)
        every.iloc[np.random.default_rng(draw).permutation(len(every))[: words.rows]].to_csv(path, index=False)
        found = Source(0, str(path), {"data.target": about["target"]})
        run = trained(words.work / f"{path.stem}-1", found, None, words.samples, draw, parse_assignments(words.set))
        schema = Schema.from_dict(run.data["facts"]["schema"])  # that of a generator has no rare levels
        learned = np.array([i for i, c in enumerate(schema.columns) if c.learned])
        numeric = np.array([schema.columns[i].numeric for i in learned])
        target = int(np.flatnonzero(learned == schema.place(about["target"]))[0])
        real, fresh = (rows_of(str(p), schema)[:, learned] for p in (path, test))
        made = run.sample(20 * len(real), seed=draw).raw[:, learned]
        smote = tables.smote(real, numeric, np.random.default_rng(draw), len(real))
        arms = {
            "real": real, "repeated": np.concatenate([real, real]),
            **{f"generated x {n}": made[: n * len(real)] for n in (1, 5, 20)},
            **{f"real + generated x {n}": np.concatenate([real, made[: n * len(real)]]) for n in (1, 5, 20)},
            "real + SMOTE": np.concatenate([real, smote]),
        }  # fmt: skip
        line: dict[str, Any] = {"draw": draw, "rows": words.rows, **{n: round(auc(x, fresh, numeric, target), 4) for n, x in arms.items()}}
        done.append(line)
        with words.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
    columns = list(dict.fromkeys(name for d in done for name in d))
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for d in done:
        print("| " + " | ".join(str(d.get(c, "")) for c in columns) + " |")


if __name__ == "__main__":
    main()
