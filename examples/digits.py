"""The demonstration: a generator of digits in under a minute, and whether its samples are any use.

    python examples/digits.py [--seconds 50] [--runs runs]

Trains on two thirds of the 1,797 scans that ship inside scikit-learn, draws 3,000 digits, trains a support vector machine on those alone,
and has it read the real scans that were held out. Both machines are asked the same question; one has never seen a real digit. Then the
samples are judged, and all of it goes onto one page.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=50.0, help="of training")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    words = parser.parse_args()

    import numpy as np
    from sklearn.svm import SVC

    import gansmith
    from gansmith.cli import Stage
    from gansmith.domains.image import IMAGE

    with Stage() as stage:
        settings = {"data.held_out": 1 / 3, "run.report": False}
        run = gansmith.train("digits", minutes=words.seconds / 60, settings=settings, runs=words.runs, audience=stage)

    scans = IMAGE.open("digits", run.recipe.data)
    held_out = np.zeros(len(scans), bool)
    held_out[run.data["split"]["held_out"]] = True
    assert scans.labels is not None
    test, answers = scans.raw[held_out].reshape(held_out.sum(), -1), scans.labels[held_out]

    drawn = run.sample(3_000, label=run.generator.classes, seed=1)
    assert drawn.labels is not None

    def reads(pictures: np.ndarray, labels: np.ndarray) -> float:
        """Share of the held-out scans that a machine taught by these pictures reads rightly."""
        return float(SVC(gamma="scale", C=10).fit(pictures.reshape(len(pictures), -1), labels).score(test, answers))

    from_drawn, from_real = reads(drawn.raw, drawn.labels), reads(scans.raw[~held_out], scans.labels[~held_out])
    grid = run.path / "digits.png"
    gansmith.Samples(drawn.raw[:100], drawn.labels[:100], drawn.classes, drawn.latents[:100], drawn.codec).picture(columns=10).save(grid)
    evaluation = gansmith.evaluate(run, command=f"gansmith evaluate {run.path}")
    page = gansmith.report(run.path)
    print(f"run      {run.path}")
    print(f"pictures {grid}")
    print(
        f"result   trained on generated digits alone, a support vector machine reads {from_drawn:.1%} of {held_out.sum()} held-out real "
        f"scans; trained on the {(~held_out).sum():,} real ones it reads {from_real:.1%}"
    )
    for verdict in evaluation.verdicts[:3]:
        print(f"{verdict.word:8} {verdict.answer}: {verdict.sentence}")
    print(f"report   {page}")


if __name__ == "__main__":
    main()
