"""Do a generator's samples help where there are few real ones, or few of one class? Every setting that was tried, the lost ones too.

    python benchmarks/prove.py SETTING [SETTING ...] [--seeds 0] [--ratios 1 10] [--minutes M | --samples N] [--data FOLDER] [--out FILE]

SETTING is digits-10, mnist-30, fashion-mnist-100 and the like (so many a class), emoji, fashion-mnist-rare and mnist-rare (shirts cut to
1 %, one digit to 15 pictures), or `all`. The generator is trained on exactly the small set whose samples are the real ones of the proof,
so it knows nothing more than the models do; they are judged on the official test set (digits: 597 scans set aside; emoji: 30 % held out).
Steps and strengths are those of gansmith.prove, fixed in advance. One line is appended for each finished (setting, seed, ratio); what is
there already is not done again, and a training that was cut off is resumed. The table of all lines is printed at the end.
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pictures import digits, finished, idx, places

MINUTES = {"digits": 1.0, "mnist": 5.0, "fashion-mnist": 5.0, "emoji": 15.0}
SIZES = (10, 30, 100)
RARE = {"fashion-mnist": ("6", 60), "mnist": ("8", 15)}  # a class and how many of it stay; shirts are the hardest to tell apart
NAMES = [f"{name}-{n}" for name in ("digits", "mnist", "fashion-mnist") for n in SIZES] + ["emoji", *(f"{name}-rare" for name in RARE)]


@dataclass(frozen=True)
class Source:
    """What a generator is trained on, and what the proof is told."""

    minutes: float
    path: str
    settings: dict[str, Any]
    proof: dict[str, Any] = field(default_factory=dict)


def source(name: str, seed: int, data: Path, work: Path) -> Source:
    """The small set of a setting, drawn by the seed and written below `work`."""
    if name == "emoji":
        return Source(MINUTES[name], str(data / "fewshot" / "emoji.zip"), {"data.held_out": 0.3})
    base, _, part = name.rpartition("-")
    work.mkdir(parents=True, exist_ok=True)
    if base == "digits":
        x, y, test_x, test_y = digits()
        test = saved(work / "digits-test.npz", test_x, test_y)
    else:
        x, y = (idx(data / base / f"train-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
        test = data / base / "t10k-images-idx3-ubyte.gz"
    shuffled = np.random.default_rng(seed).permutation(len(x))
    classes = [shuffled[y[shuffled] == k] for k in range(10)]
    rare, few = RARE[base] if part == "rare" else ("", 0)
    if rare:
        chosen = [c[:few] if str(k) == rare else c for k, c in enumerate(classes)]
    else:
        chosen = [c[: int(part)] for c in classes]
    rows = np.sort(np.concatenate(chosen))
    path = saved(work / f"{name}-s{seed}.npz", x[rows], y[rows])
    return Source(MINUTES[base], str(path), {"data.held_out": 0.0}, {"test": test, **({"rare": rare} if rare else {})})


def saved(path: Path, x: np.ndarray, y: np.ndarray) -> Path:
    if not path.exists():
        part = path.with_name(f".{path.name}")
        np.savez(part, x=x, y=y)
        part.replace(path)
    return path


def trained(place: Path, found: Source, minutes: float | None, samples: int | None, seed: int, settings: dict[str, Any]) -> Any:
    """The finished run at `place`, begun or resumed where it is not."""
    import gansmith
    from gansmith.engine import checkpoint

    if not place.exists():
        name = place.name.removesuffix("-1")
        return gansmith.train(
            found.path, minutes=minutes, samples=samples, seed=seed, runs=place.parent, name=name, settings=found.settings | settings
        )
    run = gansmith.Run(place)
    return run if checkpoint.newest(run.folder).finished else gansmith.train(resume=place)


def lines_of(proof: Any) -> list[dict[str, Any]]:
    """One plain mapping for each setting of a proof."""

    def spread(e: Any) -> list[float]:
        return [e.value, e.low, e.high]

    def arm(a: Any) -> dict[str, Any]:
        return {"samples": a.samples, "scores": a.scores, "ranking": a.ranking, "recall": a.recall, "failed": a.failed}

    return [
        {
            "answer": s.answer, "sentence": s.sentence, "title": s.title,
            "arms": {a.name: arm(a) for a in s.arms},
            "differences": {f"{d.arm} against {d.against}": spread(d.estimate) for d in s.differences},
            "rankings": {f"{d.arm} against {d.against}": spread(d.ranking) for d in s.differences if d.ranking},
            "conditions": proof.conditions, "warnings": proof.warnings,
        }
        for s in proof.settings
    ]  # fmt: skip


def main() -> None:
    from gansmith.config import parse_assignments
    from gansmith.verbs.prove import prove

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, "all", []], metavar="SETTING")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of the small set and the generator")
    parser.add_argument("--trainings", type=int, default=5, help="paired trainings of each arm")
    parser.add_argument("--ratios", nargs="+", type=float, default=[1.0, 10.0])
    places(parser, "runs/prove", "benchmarks/results/prove.jsonl")
    words = parser.parse_args()
    done = finished(words.out)
    for name in NAMES if "all" in words.names else words.names:
        for seed in words.seeds:
            found = source(name, seed, words.data, words.work)
            minutes = None if words.samples else words.minutes or found.minutes
            length = f"{words.samples} samples" if words.samples else f"{minutes:g} min"
            there = {d["ratio"] for d in done if (d["setting"], d["seed"], d["length"]) == (name, seed, length)}
            ratios = [r for r in ([1.0] if "rare" in found.proof else words.ratios) if r not in there]  # a rare class is filled up once
            if not ratios:
                continue
            title = f"{name}-s{seed}-{length.replace(' ', '')}"
            run = trained(words.work / f"{title}-1", found, minutes, words.samples, seed, parse_assignments(words.set))
            proof = prove(run, seeds=words.trainings, ratios=ratios, seed=seed, **found.proof)
            for ratio, line in zip(ratios, lines_of(proof), strict=True):
                key = {"setting": name, "seed": seed, "length": length, "ratio": ratio, "machine": platform.machine()}
                done.append({**key, **line})
                with words.out.open("a") as file:
                    file.write(json.dumps(done[-1]) + "\n")
            print(f"{title}: {proof.verdict.sentence}", flush=True)
    table(done)


def table(lines: list[dict[str, Any]]) -> None:
    """Balanced accuracy in per cent, mean over trainings, and the differences that matter, in points."""
    arms = list(dict.fromkeys(name for d in lines for name in d["arms"]))
    pairs = ["real + classical + synthetic against real + classical", "real + synthetic against real + classical"]
    columns = ["setting", "seed", "length", "ratio", *arms, *pairs, "answer"]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for d in lines:
        scores = [d["arms"][name]["scores"] if name in d["arms"] else None for name in arms]  # noise: of a rare class alone
        means = ["" if s is None else f"{100 * np.mean(s):.2f}" if s else "failed" for s in scores]
        gains = [[100 * n for n in d["differences"][p]] if p in d["differences"] else None for p in pairs]
        told = [f"{g[0]:+.2f} ({g[1]:.2f} to {g[2]:.2f})" if g else "" for g in gains]
        print("| " + " | ".join([d["setting"], str(d["seed"]), d["length"], f"{d['ratio']:g}", *means, *told, d["answer"]]) + " |")


if __name__ == "__main__":
    main()
