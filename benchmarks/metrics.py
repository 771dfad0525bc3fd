"""What the metrics cost in time and memory, beside torchmetrics (Fréchet and kernel distance) and prdc (the reference code of precision,
recall, density and coverage) on the same random features, in turn in one run.

    python benchmarks/metrics.py [--n 5000] [--dims 512] [--rounds 3] [--threads 1]
    python benchmarks/metrics.py --ours --only neighbours --n 50000 --dims 2048

Features [n, dims] on each side come in batches of 256 where a metric takes a stream. Every measurement is a process of its own, so that its
peak memory is its own: that of the whole process, features and libraries with it; "features alone" is what it would be without a metric.
All get --threads threads of BLAS; prdc also starts 8 threads of its own. Peers: pip install torchmetrics prdc.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

BATCH = 256
SUBSETS, SIZE = 100, 1000  # of the kernel distance
K = 5


def ours_frechet(real: Any, fake: Any) -> dict[str, float]:
    from gansmith.metrics.frechet import Moments, frechet

    return {"distance": frechet(Moments.of(real.split(BATCH)), Moments.of(fake.split(BATCH)))}


def theirs_frechet(real: Any, fake: Any) -> dict[str, float]:
    from torchmetrics.image.fid import FrechetInceptionDistance

    return {"distance": float(_fed(FrechetInceptionDistance(feature=_same(real.shape[1])), real, fake))}


def ours_kernel(real: Any, fake: Any) -> dict[str, float]:
    from gansmith.metrics.kernel import kernel_distance

    return {"distance": float(kernel_distance(real, fake, 0, SUBSETS, SIZE).mean())}


def theirs_kernel(real: Any, fake: Any) -> dict[str, float]:
    from torchmetrics.image.kid import KernelInceptionDistance

    return {
        "distance": float(_fed(KernelInceptionDistance(feature=_same(real.shape[1]), subsets=SUBSETS, subset_size=SIZE), real, fake)[0])
    }


def ours_neighbours(real: Any, fake: Any) -> dict[str, float]:
    from gansmith.metrics.neighbours import Manifold, overlap

    found = overlap(Manifold.of(real, K), Manifold.of(fake, K))
    return {name: float(getattr(found, name).mean()) for name in ("precision", "recall", "density", "coverage")}


def theirs_neighbours(real: Any, fake: Any) -> dict[str, float]:
    from prdc import compute_prdc

    with contextlib.redirect_stdout(io.StringIO()):
        return {name: float(value) for name, value in compute_prdc(real.numpy(), fake.numpy(), K).items()}


def _same(width: int) -> Any:
    """An extractor that gives back what it is given."""
    import torch

    extractor = torch.nn.Identity()
    extractor.num_features = width
    return extractor


def _fed(metric: Any, real: Any, fake: Any) -> Any:
    for batch in real.split(BATCH):
        metric.update(batch, real=True)
    for batch in fake.split(BATCH):
        metric.update(batch, real=False)
    return metric.compute()


METRICS: dict[str, tuple[Callable[[Any, Any], dict[str, float]], Callable[[Any, Any], dict[str, float]], str]] = {
    "frechet": (ours_frechet, theirs_frechet, "torchmetrics"),
    "kernel": (ours_kernel, theirs_kernel, "torchmetrics"),
    "neighbours": (ours_neighbours, theirs_neighbours, "prdc"),
}


def measured(name: str, side: int, n: int, dims: int) -> dict[str, Any]:
    """In this process: seconds, peak memory in MiB, and what came out."""
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    source = torch.Generator().manual_seed(0)
    real, fake = torch.randn(n, dims, generator=source), torch.randn(n, dims, generator=source)
    values, seconds = {}, 0.0
    if name != "nothing":
        run = METRICS[name][side]
        run(real[:1100, :8].contiguous(), fake[:1100, :8].contiguous())  # imports and first calls
        start = time.perf_counter()
        values = run(real, fake)
        seconds = time.perf_counter() - start
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return {"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, "values": values}


def child(name: str, side: int, words: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", name, str(side), "--n", str(words.n), "--dims", str(words.dims)]
    fixed = {"OMP_NUM_THREADS": str(words.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, env={**os.environ, **fixed}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} of side {side} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=5000, help="samples on each side, at least 1,100")
    parser.add_argument("--dims", type=int, default=512, help="numbers of each, at least 8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=list(METRICS))
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.child:
        print(json.dumps(measured(words.child[0], int(words.child[1]), words.n, words.dims)))
        return
    print(
        f"{words.n:,} x {words.dims:,} on each side, median of {words.rounds} rounds in turn, threads: {words.threads} of {os.cpu_count()}"
    )
    print(f"features alone: {child('nothing', 0, words)['memory']:,.0f} MiB")
    for name in [words.only] if words.only else METRICS:
        peer = METRICS[name][2]
        sides = [0] if words.ours or importlib.util.find_spec(peer) is None else [0, 1]
        rounds = [[child(name, side, words) for side in sides] for _ in range(words.rounds)]
        for side, label in zip(sides, ("gansmith", peer), strict=False):
            own = [found[side] for found in rounds]
            values = ", ".join(f"{metric} {value:.6g}" for metric, value in own[0]["values"].items())
            seconds, memory = (statistics.median(x[what] for x in own) for what in ("seconds", "memory"))
            print(f"{name:11s} {label:13s} {seconds:8.2f} s {memory:8,.0f} MiB   {values}", flush=True)
        if len(sides) == 2:
            ratios = [theirs["seconds"] / own["seconds"] for own, theirs in rounds]
            print(f"{name:11s} {'times faster':13s} {statistics.median(ratios):8.2f}   {min(ratios):.2f} to {max(ratios):.2f}", flush=True)
        elif not words.ours:
            print(f"{name:11s} {peer} is not installed here: pip install {peer}")


if __name__ == "__main__":
    main()
