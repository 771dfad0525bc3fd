"""Does a generator fill up a rare class of a table better than SMOTE, better than repeating, and better than noise?

    python benchmarks/rare_rows.py TABLE [TABLE ...] [--draws 0 1 2] [--many 8000] [--few 80] [--data FOLDER] [--out FILE]

TABLE is one of tables.py whose target has two values: adult, online_shoppers, credit_default, magic_gamma. Each draw takes `many`
training rows of the frequent class and `few` of the other; a generator is trained on these with no setting but the target, and
`gansmith prove` fills the class up for three models: boosted trees, logistic regression and fifteen nearest neighbours. They are judged on
the rows that tables.py sets aside, with the class as frequent as it is. A model can also be told to name a rare class more often, without
any generator; so beside the balanced accuracy stands the area under the ROC curve, which no threshold changes. One line is appended for
each finished (table, draw, model); what is there already is not done again. The table of all lines is printed at the end.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
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
            for model, estimator in left.items():
                proof = prove(run, model=estimator, test=test, rare=rare, seed=draw)
                line = key | {"model": model, "rare": rare} | lines_of(proof)[0]
                done.append(line)
                with words.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{title}, {model}: {line['sentence']}", flush=True)
    table(done)


def table(lines: list[dict[str, Any]]) -> None:
    """Balanced accuracy and ROC area in per cent, differences in points with their intervals; one row for each draw and model."""
    from gansmith.downstream.arms import ALL, CLASSICAL, NOISE, REAL

    arms = list(dict.fromkeys(name for d in lines for name in d["arms"]))
    columns = ["table", "draw", "model", *arms, "over SMOTE", "over noise", "area over SMOTE", "area over real", "answer"]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for d in lines:
        found = [d["arms"].get(n) for n in arms]
        means = [f"{100 * np.mean(a['scores']):.1f} / {100 * np.mean(a['ranking']):.1f}" if a else "" for a in found]
        gains = [d["differences"][f"{ALL} against {n}"] for n in (CLASSICAL, NOISE)]
        gains += [d["rankings"][f"{ALL} against {n}"] for n in (CLASSICAL, REAL)]
        told = ["{:+.1f} ({:.1f} to {:.1f})".format(*(100 * x for x in g)) for g in gains]
        print("| " + " | ".join([d["table"], str(d["draw"]), d["model"], *means, *told, d["answer"]]) + " |")


if __name__ == "__main__":
    main()
