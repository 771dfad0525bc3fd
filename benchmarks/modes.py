"""Does the generator reach every mode, evenly and sharply? Mixtures of Gaussians, trained with no setting but the seed.

    python benchmarks/modes.py ring grid --seeds 0 1 2 3 4 5 6 7 8 9 [--samples N | --minutes M] [--set NAME=VALUE] [--out FILE]

Protocol (arXiv:1712.04086, section 4.1): ring, 8 Gaussians of deviation 0.01 on a circle of radius 1; grid, 25 of deviation 0.05 on
{-4, -2, 0, 2, 4}²; neither has labels. 2,500 samples are drawn, none truncated: one within 3 deviations of the nearest mode is of high
quality, a mode with at least one of these counts, and the KL is that of the histogram of these over the modes to the uniform one, in
nats. Differences: trained on 45,000 samples (50,000 less the held-out tenth), not 100,000; the length is that of the recipe.

A run is one thread of one process; without --samples or --minutes its length is the recipe's own. One line is appended for each
finished (data, seed, settings, length); what is there already is not run again, and a run that was cut off is resumed. The table of all
lines is printed at the end, beside a perfect sampler's.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from typing import Any

import numpy as np
from pictures import finished, places, title

DRAWN = 2_500
WITHIN = 3.0  # deviations
SAMPLE_SEED = 123
ONE_CORE = {"machine.device": "cpu", "machine.threads": 1, "machine.workers": 1}


def count(points: np.ndarray, centres: np.ndarray, sigma: float) -> dict[str, float]:
    """Modes reached, share of high quality, and KL to the uniform histogram in nats, of points [N, 2].

    Beside the protocol: the KL with every point counted, and the deviation of good points in that of the data (a perfect sampler: 0.97).
    """
    distance = np.linalg.norm(points[:, None] - centres, axis=2)  # [N, K]
    nearest, good = distance.argmin(1), distance.min(1) < WITHIN * sigma
    histogram = np.bincount(nearest[good], minlength=len(centres))
    return {
        "modes": int((histogram > 0).sum()),
        "hq": float(good.mean()),
        "kl": kl(histogram),
        "kl_all": kl(np.bincount(nearest, minlength=len(centres))),
        "width": float(np.sqrt((distance.min(1)[good] ** 2).mean() / 2) / sigma) if good.any() else 0.0,
    }


def kl(histogram: np.ndarray) -> float:
    """Divergence of a histogram [K] from the uniform one, in nats; that of a mode which holds all where it is empty."""
    shares = histogram[histogram > 0] / max(histogram.sum(), 1)
    return float((shares * np.log(shares * len(histogram))).sum()) if len(shares) else float(np.log(len(histogram)))


def perfect(centres: np.ndarray, sigma: float, seed: int) -> dict[str, float]:
    """What the protocol finds of as many samples of the mixture itself."""
    source = np.random.default_rng(seed)
    points = centres[source.integers(len(centres), size=DRAWN)] + sigma * source.standard_normal((DRAWN, 2))
    return count(points, centres, sigma)


def main() -> None:
    import torch

    import gansmith
    from gansmith.config import parse_assignments
    from gansmith.engine import checkpoint
    from gansmith.layout import Layout
    from gansmith.verbs.parts import parameter_counts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    places(parser, "runs/benchmark", "benchmarks/results/modes.jsonl")
    words = parser.parse_args()
    if unknown := set(words.names) - {"ring", "grid"}:
        parser.error(f"there is no mixture {sorted(unknown)[0]}; there are ring and grid.")
    done = finished(words.out)
    settings = " ".join(sorted(words.set)) or "default"
    length = f"{words.samples} samples" if words.samples else f"{words.minutes:g} min" if words.minutes else "the recipe's"
    for name in words.names:
        for seed in words.seeds:
            if any((d["data"], d["seed"], d["settings"], d["length"]) == (name, seed, settings, length) for d in done):
                continue
            called = title(f"{name}-s{seed}-{settings}-{length}")
            place, started = words.work / f"{called}-1", time.process_time()
            whole = not place.exists()
            if whole:
                chosen = ONE_CORE | parse_assignments(words.set)
                run = gansmith.train(
                    f"toy:{name}", minutes=words.minutes, samples=words.samples, seed=seed, runs=words.work, name=called, settings=chosen
                )
            else:
                run = gansmith.Run(place) if checkpoint.newest(gansmith.Run(place).folder).finished else gansmith.train(resume=place)
            spent = time.process_time() - started
            reached, r, facts = checkpoint.newest(run.folder), run.recipe, run.data["facts"]
            centres, sigma = np.array(facts["centres"]), float(facts["sigma"])
            line = {
                "data": name, "seed": seed, "settings": settings, "length": length,
                **count(run.sample(DRAWN, seed=SAMPLE_SEED).raw, centres, sigma),
                "perfect": perfect(centres, sigma, seed), "seen": reached.step * r.run.batch, "seconds": round(reached.seconds, 1),
                # what one undisturbed core would need, opening and reporting included; unknown where a run was resumed
                "core_seconds": round(spent, 1) if whole else None,
                "network": f"{r.network.name} {r.network.width}, latent {r.network.latent}", "batch": r.run.batch,
                "parameters": parameter_counts(r, Layout.from_dict(run.data["layout"])),
                "gamma": r.penalty.gamma, "gamma_end": r.penalty.gamma_end, "penalty": r.penalty.form, "loss": r.loss.name,
                "rates": [r.optimiser.lr_generator, r.optimiser.lr_discriminator],
                "machine": f"{platform.machine()}, {r.machine.precision}, {r.machine.workers} x {r.machine.threads}",
                "torch": torch.__version__,
            }  # fmt: skip
            done.append(line)
            with words.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
    table(done)


def spread(values: list[float], digits: int) -> str:
    """Mean ± standard deviation over seeds, and the range."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.{digits}f} ± {deviation:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def table(lines: list[dict[str, Any]]) -> None:
    """Every set of runs over its seeds, and a perfect sampler below."""
    columns = ["data", "settings", "length", "seeds", "modes", "HQ %", "KL", "minutes", "core minutes", "samples seen", "parameters G + D"]
    print("| " + " | ".join([*columns, "machine"]) + " |\n|" + " --- |" * (len(columns) + 1))
    for key in dict.fromkeys((d["data"], d["settings"], d["length"]) for d in lines):
        part = [d for d in lines if (d["data"], d["settings"], d["length"]) == key]
        core = [d["core_seconds"] / 60 for d in part if d["core_seconds"] is not None]
        last = part[-1]
        found = [
            spread([d["seconds"] / 60 for d in part], 1), spread(core, 1) if core else "", f"{np.mean([d['seen'] for d in part]):,.0f}",
            " + ".join(f"{n:,}" for n in last["parameters"]), last["machine"],
        ]  # fmt: skip
        print("| " + " | ".join([*key, str(len(part)), *scores(part), *found]) + " |")
        print("| " + " | ".join([key[0], "a perfect sampler", "", str(len(part)), *scores([d["perfect"] for d in part]), *[""] * 5]) + " |")


def scores(found: list[dict[str, Any]]) -> list[str]:
    """The cells of modes, high quality and KL."""
    return [spread([d["modes"] for d in found], 1), spread([100 * d["hq"] for d in found], 1), spread([d["kl"] for d in found], 4)]


if __name__ == "__main__":
    main()
