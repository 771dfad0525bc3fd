"""A table with a rare class: fill it up, and ask whether that helps.

    python examples/rare_rows.py [--seconds 60] [--runs runs]

Real measurements of 569 tumours ship inside scikit-learn. Of the malignant ones of the training part only a tenth is kept, as where a
disease is rare. A generator is trained on what is left, rows of the rare class are drawn alone, and the proof says what they are worth:
trees are trained on the real rows, with the rare ones repeated, with SMOTE's, and with generated ones, and judged on rows nobody has seen.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

RARE = "malignant"
KEPT = 15  # of them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of training")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    words = parser.parse_args()

    import numpy as np
    from sklearn.datasets import load_breast_cancer

    import gansmith
    from gansmith.cli import Stage

    data = load_breast_cancer(as_frame=True)
    table = data.data.iloc[:, :10].assign(tumour=data.target_names[data.target])
    order = np.random.default_rng(0).permutation(len(table))
    training, test = table.iloc[order[:400]], table.iloc[order[400:]]
    rare = training.index[training.tumour == RARE]
    training = training.drop(rare[KEPT:])
    words.runs.mkdir(parents=True, exist_ok=True)
    files = words.runs / "tumours.csv", words.runs / "tumours-test.csv"
    for part, file in zip((training, test), files, strict=True):
        part.to_csv(file, index=False)

    with Stage() as stage:
        settings = {"data.target": "tumour", "data.held_out": 0.0, "run.report": False}
        run = gansmith.train(str(files[0]), minutes=words.seconds / 60, settings=settings, runs=words.runs, audience=stage)

    more = run.sample(200, where=[f"tumour={RARE}"], seed=1)
    made = run.path / "malignant.csv"
    more.frame().to_csv(made, index=False)
    picture = run.path / "malignant.png"
    more.picture().save(picture)
    proof = gansmith.prove(run, rare=RARE, test=files[1])
    print(f"run      {run.path}")
    print(f"rows     {made}")
    print(f"pictures {picture}")
    for arm in proof.settings[0].arms:
        told = f"balanced accuracy {np.mean(arm.scores):.3f}, {RARE} found {arm.recall[RARE]:.3f}, ROC area {np.mean(arm.ranking):.3f}"
        print(f"{'':8} {arm.name:32} {told}")
    print(f"result   {proof.verdict.sentence}")
    for warning in proof.warnings:
        print(f"warning  {warning}")


if __name__ == "__main__":
    main()
