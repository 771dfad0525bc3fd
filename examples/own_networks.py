"""Your own networks and your own loss in gansmith's engine: a few lines of each.

python examples/own_networks.py [--seconds 10]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of training")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    words = parser.parse_args()

    import torch.nn.functional as F
    from torch import nn

    import gansmith

    generator = nn.Sequential(nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))
    hinge = gansmith.LossPair(
        real=lambda real, fake: F.relu(1 - real),
        fake=lambda real, fake: F.relu(1 + fake),
        generator=lambda real, fake: -fake,
    )
    run = gansmith.train(
        "digits",
        generator=generator,
        discriminator=discriminator,
        loss=hinge,
        settings={"data.labels": "none"},
        minutes=words.seconds / 60,
        runs=words.runs,
        name="own-networks",
    )
    last = run.log[-1]
    run.sample(100, seed=1).picture(columns=10).save(run.path / "samples.png")
    print(f"run      {run.path}")
    print(f"pictures {run.path / 'samples.png'}")
    print(f"result   {last['seen']:,} samples seen, discriminator {last['loss_d']:.3f}, generator {last['loss_g']:.3f}")


if __name__ == "__main__":
    main()
