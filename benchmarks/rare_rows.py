"""Does a generator fill up a rare class of a table better than SMOTE, better than repeating, and better than noise?

    python benchmarks/rare_rows.py TABLE [TABLE ...] [--draws 0 1 2] [--many 8000] [--few 80] [--data FOLDER] [--out FILE]

TABLE is one of tables.py whose target has two values: adult, online_shoppers, credit_default, magic_gamma. Each draw takes `many`
training rows of the frequent class and `few` of the other; a generator is trained on these with no setting but the target, and
`gansmith prove` fills the class up for three models: boosted trees, logistic regression and fifteen nearest neighbours. They are judged on
the rows that tables.py sets aside, with the class as frequent as it is. A model can also be told to name a rare class more often, without
any generator; so beside the balanced accuracy stands the area under the ROC curve of the trees, which no threshold changes. One line is
appended for each finished (table, draw, model); what is there already is not done again. The table of all lines is printed at the end.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from few_rows import auc
from pictures import finished, places
from prove import Source, lines_of, trained
from tables import split

TWO = ("adult", "online_shoppers", "credit_default", "magic_gamma")


def models() -> dict[str, Any]:
    """What is proved with; None is the trees of gansmith.prove."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "boosted trees": None,
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        "15 nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
    }


def drawn(train: str | Path, target: str, draw: int, many: int, few: int, place: Path) -> tuple[Path, str]:
    """A table with so many rows of the frequent class and so few of the other, written to `place`, and the name of the rare class."""
    import pandas as pd

    every = pd.read_csv(train, dtype=str, keep_default_na=False)
    frequent, rare = every[target].value_counts().index
    order = np.random.default_rng(draw).permutation(len(every))
    labels = every[target].to_numpy()[order]
    rows = np.concatenate([order[labels == frequent][:many], order[labels == rare][:few]])
    if not place.exists():
        every.iloc[np.sort(rows)].to_csv(place, index=False)
    return place, str(rare)


def ranked(run: Any, train: Path, test: str | Path, target: str, rare: str, seed: int) -> dict[str, float]:
    """Area under the ROC curve of trees taught by the real rows, and by these with the rare class filled up in each way."""
    from gansmith.domains.table import rows_of
    from gansmith.metrics import tables

    schema = run.generator.codec.schema
    learned = np.array([i for i, c in enumerate(schema.columns) if c.learned])
    numeric = np.array([schema.columns[i].numeric for i in learned])
    column = int(np.flatnonzero(learned == schema.place(target))[0])
    real, fresh = (rows_of(str(p), schema)[:, learned] for p in (train, test))
    own = real[real[:, column] == schema[target].levels.index(rare)]
    lack = len(real) - 2 * len(own)
    made = run.sample(lack, label=rare, seed=seed).raw[:, learned]
    smote = tables.smote(own, numeric, np.random.default_rng(seed), lack)
    added = {
        "real": own[:0], "repeated": own[np.resize(np.arange(len(own)), lack)], "SMOTE": smote, "generated": made,
        "SMOTE and generated": np.concatenate([made[::2], smote[1::2]]),
    }  # fmt: skip
    return {name: round(auc(np.concatenate([real, x]), fresh, numeric, column), 4) for name, x in added.items()}


def main() -> None:
    import torch

    from gansmith.config import parse_assignments
    from gansmith.verbs.prove import prove

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*TWO, []], metavar="TABLE")
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--many", type=int, default=8000)
    parser.add_argument("--few", type=int, default=80)
    places(parser, "runs/rare-rows", "benchmarks/results/rare_rows.jsonl")
    words = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=UserWarning)  # of scikit-learn, on columns that are constant in few rows
    done = finished(words.out)
    for name in words.names:
        train, test, about = split(name, words.data, words.work)
        for draw in words.draws:
            key = {"table": name, "many": words.many, "few": words.few, "draw": draw}
            left = {n: m for n, m in models().items() if not any({**key, "model": n}.items() <= d.items() for d in done)}
            if not left:
                continue
            title = f"{name}-{words.many}-{words.few}-d{draw}"
            path, rare = drawn(train, about["target"], draw, words.many, words.few, words.work / f"{title}.csv")
            found = Source(0, str(path), {"data.target": about["target"], "data.held_out": 0.0})
            run = trained(words.work / f"{title}-1", found, None, words.samples, draw, parse_assignments(words.set))
            areas = ranked(run, path, test, about["target"], rare, draw)
            for model, estimator in left.items():
                proof = prove(run, model=estimator, test=test, rare=rare, seed=draw)
                line = key | {"model": model, "rare": rare, "areas": areas} | lines_of(proof)[0]
                done.append(line)
                with words.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{title}, {model}: {line['sentence']}; {areas}", flush=True)
    table(done)


def table(lines: list[dict[str, Any]]) -> None:
    """Balanced accuracy in per cent and differences in points with their intervals; one row for each draw and model."""
    from gansmith.downstream.arms import ALL, CLASSICAL, NOISE

    arms = list(dict.fromkeys(name for d in lines for name in d["arms"]))
    areas = list(dict.fromkeys(name for d in lines for name in d["areas"]))
    columns = ["table", "draw", "model", *arms, "over SMOTE", "over noise", *(f"ROC of trees, {n}" for n in areas), "answer"]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for d in lines:
        means = [f"{100 * np.mean(d['arms'][n]['scores']):.1f}" if n in d["arms"] else "" for n in arms]
        gains = [[100 * x for x in d["differences"][f"{ALL} against {n}"]] for n in (CLASSICAL, NOISE)]
        told = [f"{g[0]:+.1f} ({g[1]:.1f} to {g[2]:.1f})" for g in gains]
        ranks = [f"{d['areas'][n]:.3f}" for n in areas]
        print("| " + " | ".join([d["table"], str(d["draw"]), d["model"], *means, *told, *ranks, d["answer"]]) + " |")


if __name__ == "__main__":
    main()
