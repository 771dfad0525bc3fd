"""Which loss goes with which penalty? Every pair on three benchmarks of mode coverage, what became of it, and what the checks say of it.

    python benchmarks/pairs.py [ring] [grid] [stacked] [--seeds 0] [--samples N] [--losses NAME ...] [--penalties NAME ...] [--out FILE]

Ring and grid: the protocol and its measures are those of modes.py, in a run an eleventh as long. Stacked: those of stacked.py with a critic
of a quarter, 30,000 pictures seen where its own runs see 300,000; networks of one's own bear no spectral norm. Nothing but the loss and the
penalty is changed: one move of the discriminator for one of the generator, the benchmark's rates, network and weight of R1 and R2 (WGAN-GP:
10, its paper's). The guard is off. Why is the first finding of `gansmith diagnose`, or the sentence with which the run stopped. One line is
appended for each finished run; what is there already is not run again. The tables of all lines are printed at the end, a cell for a pair:
modes, share of samples of high quality (stacked: KL), and the finding; several seeds as medians.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from statistics import median
from typing import Any

import numpy as np
import stacked
from modes import DRAWN, ONE_CORE, SAMPLE_SEED, count
from pictures import finished, places

CRITIC = "quarter"
LENGTH = {"ring": 500_000, "grid": 500_000, "stacked": 30_000}
NO_PENALTY = {"penalty.gamma": 0.0, "penalty.gamma_end": 0.0}
PENALTIES: dict[str, dict[str, Any]] = {
    "none": NO_PENALTY,
    "spectral norm": {**NO_PENALTY, "network.spectral": True},
    "R1": {"penalty.name": "r1"},
    "R1 + R2": {},
    "the same, every 16th step": {"penalty.every": 16},
    "the same, finite difference": {"penalty.form": "finite"},
    "WGAN-GP": {"penalty.name": "wgan-gp", "penalty.gamma": 10.0, "penalty.gamma_end": 10.0},
}
MODES = {"ring": 8, "grid": 25, "stacked": stacked.MODES}


def game(name: str, seed: int, words: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The data of a benchmark, the networks it brings, and its settings."""
    if name != "stacked":
        return f"toy:{name}", {}, {}
    return stacked.stacked(words.data, words.work, seed, CRITIC), *stacked.game(CRITIC, seed)


def became(name: str, run: Any, words: Any) -> dict[str, Any]:
    """The protocol's measures of a finished run, and its first finding."""
    import gansmith

    if name == "stacked":
        found = stacked.judged(run, CRITIC, stacked.namer(words.data, words.work)[0])
    else:
        facts = run.data["facts"]
        found = count(run.sample(DRAWN, seed=SAMPLE_SEED).raw, np.array(facts["centres"]), float(facts["sigma"]))
    said = gansmith.diagnose(run.path).findings
    worst = next((f for f in said if f.severity != "note"), None)
    return {**found, "code": worst.code if worst else None, "why": worst.message if worst else "nothing"}


def main() -> None:
    import gansmith
    from gansmith.errors import GansmithError
    from gansmith.losses import LOSSES

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*MODES, []], metavar="BENCHMARK")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--losses", nargs="+", choices=list(LOSSES), default=list(LOSSES), metavar="NAME")
    parser.add_argument("--penalties", nargs="+", choices=list(PENALTIES), default=list(PENALTIES), metavar="NAME")
    places(parser, "runs/pairs", "benchmarks/results/pairs.jsonl")
    words = parser.parse_args()
    done = finished(words.out)
    for seed in words.seeds:
        for name in words.names:
            samples = words.samples or LENGTH[name]
            for loss in words.losses:
                for penalty in words.penalties:
                    if name == "stacked" and penalty == "spectral norm":
                        continue
                    key = {"data": name, "loss": loss, "penalty": penalty, "seed": seed, "samples": samples}
                    if any(key.items() <= d.items() for d in done):
                        continue
                    data, networks, settings = game(name, seed, words)
                    settings |= {**ONE_CORE, "loss.name": loss, **PENALTIES[penalty], "run.guard": False, "run.report": False}
                    try:
                        run = gansmith.train(data, samples=samples, seed=seed, runs=words.work, name=name, settings=settings, **networks)
                        line = key | became(name, run, words)
                    except GansmithError as error:  # it stopped: a number was not finite
                        line = key | {"modes": 0, "hq": 0.0, "kl": math.log(MODES[name]), "code": "stopped", "why": str(error)}
                    done.append(line)
                    with words.out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    print(json.dumps(line), flush=True)
    for name in dict.fromkeys(d["data"] for d in done):
        table(name, [d for d in done if d["data"] == name])


def table(name: str, lines: list[dict[str, Any]]) -> None:
    """Losses down, penalties across."""
    across = [p for p in PENALTIES if any(d["penalty"] == p for d in lines)]
    print(f"\n| {name}, {MODES[name]} modes | " + " | ".join(across) + " |\n|" + " --- |" * (len(across) + 1))
    for loss in dict.fromkeys(d["loss"] for d in lines):
        cells = [cell([d for d in lines if (d["loss"], d["penalty"]) == (loss, p)]) for p in across]
        print(f"| {loss} | " + " | ".join(cells) + " |")


def cell(lines: list[dict[str, Any]]) -> str:
    """'8, 95 %, H203', or '540, KL 1.62': the medians over seeds, and the finding that most of them have, where one was found."""
    if not lines:
        return ""
    code = Counter(d["code"] for d in lines).most_common(1)[0][0]
    stacks = lines[0]["data"] == "stacked"
    how = f"KL {median(d['kl'] for d in lines):.2f}" if stacks else f"{100 * median(d['hq'] for d in lines):.0f} %"
    found = f"{median(d['modes'] for d in lines):g}, {how}"
    return f"{found}, {code}" if code else found


if __name__ == "__main__":
    main()
