"""Train on the benchmark pictures with no setting but the time, and judge the samples: are they useful, do they look right?

    python benchmarks/pictures.py DATA [DATA ...] --seeds 0 1 2 [--minutes M | --samples N] [--data FOLDER] [--out FILE]

DATA is digits, mnist, fashion-mnist, cifar10, emoji or blood_cells, from the folder of benchmark data (--data, or $GANSMITH_DATA).
A run bounded by --samples comes to the same end on a busy machine as on a quiet one. One line is appended for each finished (data,
seed); what is there already is not run again, and a run that was cut off is resumed. The table of all lines is printed at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np

MINUTES = {"digits": 1.0, "mnist": 10.0, "fashion-mnist": 15.0, "cifar10": 10.0, "emoji": 15.0, "blood_cells": 15.0}
LONGEST = 90  # characters of a name
DRAWN = {"digits": 3_000, "mnist": 20_000, "fashion-mnist": 20_000}


def idx(path: Path) -> np.ndarray:
    import gzip

    content = gzip.decompress(path.read_bytes())
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(content[3])]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def source(name: str, data: Path, work: Path) -> tuple[str, dict[str, Any]]:
    """What to train on, and the settings that make it the protocol's training part."""
    work.mkdir(parents=True, exist_ok=True)
    if name == "digits":  # 1,200 scans to train on, 597 to test on, as the protocol has it
        x, y, _, _ = digits()
        path = work / "digits_1200.npz"
        if not path.exists():
            np.savez(path, x=x, y=y)
        return str(path), {"data.held_out": 0.0}
    if name == "cifar10":
        path = work / "cifar10.npz"
        if not path.exists():
            import sys

            sys.path.insert(0, str(data))
            from verify import load_cifar10

            x, y = load_cifar10("train")
            np.savez(path, x=x, y=y)
        return str(path), {}
    return str(data / name if name.endswith("mnist") else data / "fewshot" / f"{name}.zip"), {}


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = np.round(x.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    order = np.random.RandomState(0).permutation(len(x))
    x, y = x[order], y[order]
    return x[:1200], y[:1200], x[1200:], y[1200:]


def svm(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray) -> float:
    """Accuracy of an RBF support vector machine on held-out real scans."""
    from sklearn.svm import SVC

    flat = [a.reshape(len(a), -1) / 255.0 for a in (x, test_x)]
    return float(SVC(gamma="scale", C=10).fit(flat[0], y).score(flat[1], test_y))


def cnn(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, seed: int, epochs: int = 3) -> float:
    """Accuracy of a small CNN (2 convolutions, 105k parameters, Adam 1e-3, batch 64) on real test pictures [N, H, W]."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    adam = torch.optim.Adam(net.parameters(), 1e-3)
    pictures, labels = torch.from_numpy(x.copy()).float()[:, None] / 255, torch.from_numpy(y.astype(np.int64))
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(64):
            adam.zero_grad()
            F.cross_entropy(net(pictures[part]), labels[part]).backward()
            adam.step()
    with torch.no_grad():
        found = net(torch.from_numpy(test_x.copy()).float()[:, None] / 255).argmax(1).numpy()
    return float((found == test_y).mean())


def look(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """Pixel mean and deviation of fakes [N, H, W, C] against real ones, the worst peak of the power spectrum at the frequencies of a grid
    of 2 or 4 pixels, relative to the real spectrum and to its own neighbourhood, and the share of exactly black pixels."""
    import torch

    from gansmith.health.signals import weave

    r, f = real.astype(np.float64), fake.astype(np.float64)
    pairs = min(200, len(r) // 2, len(f) // 2)
    distance = [np.linalg.norm((x[: 2 * pairs : 2] - x[1 : 2 * pairs : 2]).reshape(pairs, -1), axis=1).mean() for x in (r, f)]
    return {
        "mean": f.mean() / r.mean() - 1,
        "deviation": f.std() / r.std() - 1,
        "grid_peak": weave(*(torch.from_numpy(x).permute(0, 3, 1, 2) for x in (r, f))),
        "black_real": float((real == 0).mean()),
        "black_fake": float((fake == 0).mean()),
        "spread": float(distance[1] / distance[0]),  # mean distance of two fakes over that of two real ones; near 0: collapse
    }


def judge(name: str, run: Any, data: Path) -> dict[str, Any]:
    from gansmith.config import DataSettings
    from gansmith.domains.image import IMAGE

    count = DRAWN.get(name, 2_000)
    classes = run.data["classes"] or None
    drawn = run.sample(count, label=classes, seed=123)
    opened = IMAGE.open(run.recipe.data.source, DataSettings(**{**run.recipe.data.model_dump(), "source": run.recipe.data.source}))
    choice = np.sort(np.random.default_rng(0).choice(len(opened), min(count, len(opened)), replace=False))
    real = np.asarray(opened.raw[choice])
    found: dict[str, Any] = look(np.random.default_rng(1).permutation(real), drawn.raw)
    if name == "digits":
        x, y, tx, ty = digits()
        found["useful"], found["useful_real"] = svm(drawn.raw[..., 0], drawn.labels, tx, ty), svm(x, y, tx, ty)
    elif name in DRAWN:
        tx, ty = idx(data / name / "t10k-images-idx3-ubyte.gz"), idx(data / name / "t10k-labels-idx1-ubyte.gz")
        found["useful"] = float(np.median([cnn(drawn.raw[..., 0], drawn.labels, tx, ty, s) for s in range(3)]))
        found["useful_real"] = cnn(real[..., 0], opened.labels[choice], tx, ty, 0)
    return found


def places(parser: argparse.ArgumentParser, work: str, out: str) -> None:
    """The options that bound a training and say where things lie."""
    from gansmith.config import count

    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--minutes", type=float)
    bound.add_argument("--samples", type=lambda text: int(count(text)))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GANSMITH_DATA", "../shared/data")))
    parser.add_argument("--work", type=of_this_recipe, default=work)
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")


def of_this_recipe(folder: str) -> Path:
    """A place below a folder for the runs of the automatic recipe as it is now: one that another recipe left there is not taken for its."""
    from gansmith.recipes import automatic

    return Path(folder) / digest(Path(automatic.__file__).read_bytes())


def digest(content: bytes) -> str:
    """Eight letters that stand for it."""
    return hashlib.blake2b(content, digest_size=4).hexdigest()


def title(text: str) -> str:
    """A name that a run folder keeps as it is: what is too long for one ends in a digest of the whole."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 9]}-{digest(plain.encode())}"


def finished(out: Path) -> list[dict[str, Any]]:
    """The lines that are there already."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def main() -> None:
    import torch

    import gansmith
    from gansmith.config import parse_assignments
    from gansmith.engine import checkpoint

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    places(parser, "runs/benchmark", "benchmarks/results/pictures.jsonl")
    words = parser.parse_args()
    done = finished(words.out)
    for name in words.names:
        for seed in words.seeds:
            minutes = None if words.samples else words.minutes or MINUTES[name]
            length = f"{words.samples} samples" if words.samples else f"{minutes:g} min"
            if any((d["data"], d["seed"], d["length"]) == (name, seed, length) for d in done):
                continue
            title = f"{name}-s{seed}-{length.replace(' ', '')}"
            place = words.work / f"{title}-1"
            at, settings = source(name, words.data, words.work)
            if place.exists():
                run = gansmith.Run(place) if checkpoint.newest(gansmith.Run(place).folder).finished else gansmith.train(resume=place)
            else:
                settings |= parse_assignments(words.set)
                run = gansmith.train(at, minutes=minutes, samples=words.samples, seed=seed, runs=words.work, name=title, settings=settings)
            reached, r = checkpoint.newest(run.folder), run.recipe
            line = {
                "data": name, "seed": seed, "length": length, "seconds": round(reached.seconds, 1), "seen": reached.step * r.run.batch,
                "network": f"{r.network.name} {r.network.width}", "batch": r.run.batch, "gamma": r.penalty.gamma,
                "machine": f"{platform.machine()}, {r.machine.precision}, {r.machine.workers} x {r.machine.threads}",
                "torch": torch.__version__, "penalty": r.penalty.form, **judge(name, run, words.data),
            }  # fmt: skip
            done.append(line)
            with words.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
    table(done)


def table(lines: list[dict[str, Any]]) -> None:
    """Median and range over seeds."""
    columns = ["seen", "useful", "useful_real", "mean", "deviation", "grid_peak", "black_fake", "black_real", "spread"]
    print("| data | length | seeds | " + " | ".join(columns) + " |\n|" + " --- |" * (len(columns) + 3))
    for key in dict.fromkeys((d["data"], d["length"]) for d in lines):
        part = [d for d in lines if (d["data"], d["length"]) == key]
        cells = []
        for column in columns:
            values = [d[column] for d in part if column in d]
            cells.append(f"{np.median(values):.4g} ({min(values):.4g} to {max(values):.4g})" if values else "")
        print(f"| {key[0]} | {key[1]} | {len(part)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
