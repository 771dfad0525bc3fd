"""StackedMNIST: three digits as the channels of one picture make 1,000 modes. How many does a generator reach, and how evenly?

    python benchmarks/stacked.py SIZE [SIZE ...] --seeds 0 1 2 3 4 --samples 2M [--data FOLDER] [--set NAME=VALUE]

SIZE is quarter, half (the critic's channels in those of the protocol's tiny networks, 25,600 samples judged), dcgan (26,000) or default
(the networks and rates of the automatic recipe, which knows nothing of this benchmark; judged as dcgan). Protocol and networks are those of
PacGAN (arXiv:1712.04086, appendix; the tiny ones are those of unrolled GANs, arXiv:1611.02163), but for these differences: the critic has
no batch normalisation, since a gradient penalty is a matter of one sample; pictures are drawn once, 128,000 of them, where the protocol of
the tiny networks draws new ones for each batch; and all else is gansmith's default, with no setting but the length and, of the tiny
networks, the two rates: loss, penalty and its weight, batch, schedules, average. Unconditional, without labels. The protocol's lengths are,
by the settings that its authors published, 64 million samples for the tiny networks (500,000 steps of 128) and 6.4 million (50 epochs of
the 128,000) for dcgan. Several lengths of default are its learning curve.

A digit is named by a convolutional network of at least 99.2 % on MNIST's test pictures, trained once and kept. KL is that of the modes'
histogram to the uniform one, in nats; a perfect sampler's is in the table, computed in the same way from real digits.
One line is appended for each finished (size, seed, settings); what is there is not done again, and a run that was cut off is resumed.
"""

from __future__ import annotations

import argparse
import json
import platform
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pictures import finished, idx, places, title
from torch import Tensor, nn

DRAWN = 128_000  # stacked pictures to train on
JUDGED = {"quarter": 25_600, "half": 25_600, "dcgan": 26_000, "default": 26_000}
PERFECT = 26_000  # of a perfect sampler
CRITIC = {"quarter": 2, "half": 4}  # channels of the first layer
# a critic so small answers too late at the rate of the generator, and learns nothing; chosen in runs of 60,000 samples, on seeds 0 and 1
# of quarter and seed 0 of half
RATE = 3e-4
RATES = {"quarter": 4e-3, "half": 2e-3}
MODES = 1000
AT_ONCE = 32  # pictures that are named: of more, what lies between the layers is fetched anew from the system each time
ENOUGH = 0.992


class Tiny(nn.Module):
    """The generator of the tiny protocol: 256 latents, 64 channels on 4 by 4, halved at 7, 14 and 28."""

    def __init__(self) -> None:
        super().__init__()
        widths, self.grids = (64, 32, 16, 8), (7, 14, 28)
        self.start = nn.Linear(256, 64 * 4 * 4)
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 3, 2, 1, 1) for a, b in pairwise(widths))
        self.finish = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = F.relu(self.norms[0](self.start(z).reshape(-1, 64, 4, 4)))
        for up, norm, side in zip(self.ups, self.norms[1:], self.grids, strict=True):
            h = F.relu(norm(up(h)[:, :, :side, :side]))
        return torch.tanh(self.finish(h))


class TinyCritic(nn.Module):
    """Three strided convolutions and a logit; `width` channels, doubling."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.logit = nn.Linear(4 * width * 4 * 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.3)
        return self.logit(x.flatten(1))


class Large(nn.Module):
    """The generator of DCGAN size: 100 latents, 512 channels on 2 by 2, halved at 4, 7 and 14, and 3 at 28."""

    def __init__(self) -> None:
        super().__init__()
        widths, self.grids = (512, 256, 128, 64), (4, 7, 14, 28)
        self.start = nn.Linear(100, 512 * 2 * 2)
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths)
        self.ups = nn.ModuleList(nn.ConvTranspose2d(a, b, 5, 2, 2, 1) for a, b in zip(widths, (*widths[1:], 3), strict=True))

    def forward(self, z: Tensor) -> Tensor:
        h = self.start(z).reshape(-1, 512, 2, 2)
        for norm, up, side in zip(self.norms, self.ups, self.grids, strict=True):
            h = up(F.relu(norm(h)))[:, :, :side, :side]
        return torch.tanh(h)


class LargeCritic(nn.Module):
    """Four strided convolutions of 64 to 512 channels and a logit."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 64, 128, 256, 512)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 5, 2, 2) for a, b in pairwise(widths))
        self.logit = nn.Linear(512 * 2 * 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
        return self.logit(x.flatten(1))


def networks(size: str, seed: int) -> tuple[nn.Module, nn.Module, int]:
    """Generator, critic and number of latents of a size, their first weights by the seed."""
    torch.manual_seed(seed)
    return (Large(), LargeCritic(), 100) if size == "dcgan" else (Tiny(), TinyCritic(CRITIC[size]), 256)


def game(size: str, seed: int) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """The networks of a size, none where the recipe's are meant, and the settings of its runs."""
    settings: dict[str, Any] = {"run.report": False, "data.held_out": 0.0}
    if size == "default":
        return {}, settings
    generator, critic, latent = networks(size, seed)
    settings["network.latent"] = latent
    if size in RATES:
        settings |= {"optimiser.lr_generator": RATE, "optimiser.lr_discriminator": RATES[size]}
    return {"generator": generator, "discriminator": critic}, settings


class Namer(nn.Module):
    """Names a digit.  [B, 1, 28, 28] -> logits [B, 10]"""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in ((1, 32), (32, 32), (32, 64), (64, 64)))
        self.hidden, self.answer = nn.Linear(64 * 7 * 7, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        a, b, c, d = self.convolutions
        x = F.max_pool2d(F.relu(b(F.relu(a(x)))), 2)
        x = F.max_pool2d(F.relu(d(F.relu(c(x)))), 2)
        return self.answer(F.dropout(F.relu(self.hidden(x.flatten(1))), 0.3, self.training))


def namer(data: Path, work: Path) -> tuple[Namer, float]:
    """The network that names digits, trained unless it is there, and its accuracy on the test pictures."""
    from gansmith.runs import read_tensors, write_tensors

    network, kept = Namer(), work / "namer.safetensors"
    if kept.exists():
        weights, about = read_tensors(kept)
        network.load_state_dict(weights)
        return network.eval(), about["accuracy"]
    x, y = digits(data, "train")
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    epochs, batch = 6, 128
    for number in range(epochs * len(x) // batch):
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * (1 - number * batch / (epochs * len(x)))
        rows = torch.randint(len(x), (batch,))
        down, right = (int(n) for n in torch.randint(-2, 3, (2,)))  # nothing wraps round: the border of a digit is black
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(network(x[rows].roll((down, right), (2, 3))), y[rows])
        loss.backward()
        optimiser.step()
    network.eval()
    x, y = digits(data, "t10k")
    accuracy = float((named(network, x) == y.numpy()).mean())
    if accuracy < ENOUGH:
        raise SystemExit(f"the network that names digits reached {accuracy:.2%} on test pictures; the protocol asks for {ENOUGH:.1%}")
    write_tensors(kept, network.state_dict(), {"accuracy": accuracy})
    return network, accuracy


def digits(data: Path, part: str) -> tuple[Tensor, Tensor]:
    """Pictures [N, 1, 28, 28] in [0, 1] and their digits [N]."""
    x, y = (idx(data / "mnist" / f"{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return torch.from_numpy(x.astype(np.float32) / 255).unsqueeze(1), torch.from_numpy(y.astype(np.int64))


@torch.no_grad()
def named(network: Namer, x: Tensor) -> np.ndarray:
    """[B, 1, 28, 28] -> [B]"""
    return torch.cat([network(part).argmax(1) for part in x.split(AT_ONCE)]).numpy()


def counted(modes: np.ndarray) -> tuple[int, float]:
    """How many of the modes [N] there are, and the KL divergence of their histogram from the uniform one, in nats."""
    counts = np.bincount(modes, minlength=MODES)
    share = counts[counts > 0] / counts.sum()
    return int((counts > 0).sum()), float((share * np.log(share * MODES)).sum())


def stacked(data: Path, work: Path, seed: int, size: str) -> Path:
    """The pictures of a seed [128,000, 28, 28, 3], written below `work`: of the training digits, for dcgan of all 70,000."""
    path = work / f"stacked-{'all' if size == 'dcgan' else 'train'}-{seed}.npy"
    if not path.exists():
        x, _ = digits(data, "train")
        if size == "dcgan":
            x = torch.cat((x, digits(data, "t10k")[0]))
        grey = (x[:, 0] * 255).round().to(torch.uint8).numpy()
        rows = np.random.default_rng(seed).integers(len(grey), size=(DRAWN, 3))
        work.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}")
        np.save(part, np.stack([grey[rows[:, channel]] for channel in range(3)], -1))
        part.replace(path)
    return path


def main() -> None:
    import gansmith
    from gansmith.config import parse_assignments
    from gansmith.engine import checkpoint
    from gansmith.layout import Layout
    from gansmith.verbs.parts import parameter_counts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", choices=[*JUDGED, []], metavar="SIZE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    places(parser, "runs/stacked", "benchmarks/results/stacked.jsonl")
    words = parser.parse_args()
    words.work.mkdir(parents=True, exist_ok=True)
    done, asked = finished(words.out), " ".join(sorted(words.set))
    judge, accuracy = namer(words.data, words.work)
    for size in words.sizes:
        for seed in words.seeds:
            if any((d["size"], d["seed"], d["settings"], d["samples"]) == (size, seed, asked, words.samples) for d in done):
                continue
            name = title(f"{size}-s{seed}-{words.samples}-{asked}")
            place, source = words.work / f"{name}-1", stacked(words.data, words.work, seed, size)
            brought, settings = game(size, seed)
            settings |= parse_assignments(words.set)
            if not place.exists():
                run = gansmith.train(source, samples=words.samples, seed=seed, runs=words.work, name=name, settings=settings, **brought)
            elif checkpoint.newest(gansmith.Run(place).folder).finished:
                run = gansmith.Run(place, brought.get("generator"))
            else:
                run = gansmith.train(resume=place, **brought)
            run.sample(64, seed=1).picture(8).save(words.work / f"{name}.png")
            done.append(
                {
                    "size": size, "seed": seed, "settings": asked, "samples": words.samples, **judged(run, size, judge),
                    "seconds": checkpoint.newest(run.folder).seconds, "gamma": run.recipe.penalty.gamma,
                    "rates": [run.recipe.optimiser.lr_generator, run.recipe.optimiser.lr_discriminator], "batch": run.recipe.run.batch,
                    "parameters": [sum(p.numel() for p in n.parameters()) for n in brought.values()]
                    or parameter_counts(run.recipe, Layout.from_dict(run.data["layout"])),
                    "namer": accuracy, "machine": platform.machine(),
                }
            )  # fmt: skip
            with words.out.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            print(f"{name}: {done[-1]['modes']} modes, KL {done[-1]['kl']:.4f}", flush=True)
    table(done, judge, words.data, words.work)


def judged(run: Any, size: str, judge: Namer) -> dict[str, Any]:
    """The protocol's measures of a finished run."""
    modes, kl = counted(modes_of(judge, torch.from_numpy(run.sample(JUDGED[size], seed=1).raw)))
    return {"modes": modes, "kl": kl}


def modes_of(judge: Namer, raw: Tensor) -> np.ndarray:
    """The mode of each picture [B, 28, 28, 3] of bytes, 0 to 999."""
    x = raw.float().div(255).movedim(-1, 1)  # [B, 3, 28, 28]
    hundreds, tens, ones = (named(judge, x[:, i : i + 1]) for i in range(3))
    return 100 * hundreds + 10 * tens + ones


def perfect(judge: Namer, data: Path, work: Path) -> tuple[int, float]:
    """Modes and KL of real digits stacked at random, counted once and kept."""
    kept = work / "perfect.json"
    if not kept.exists():
        x, _ = digits(data, "train")
        grey, source = (x[:, 0] * 255).round().to(torch.uint8), np.random.default_rng(0)
        stacks = torch.stack([grey[source.integers(len(grey), size=PERFECT)] for _ in range(3)], -1)
        part = kept.with_name(f".{kept.name}")
        part.write_text(json.dumps(counted(modes_of(judge, stacks))))
        part.replace(kept)
    modes, kl = json.loads(kept.read_text())
    return modes, kl


def table(lines: list[dict[str, Any]], judge: Namer, data: Path, work: Path) -> None:
    """Mean and standard deviation over seeds, and what a perfect sampler has."""
    modes, kl = perfect(judge, data, work)
    print("| critic | settings | samples seen | seeds | modes | KL | parameters | minutes |\n|" + " --- |" * 8)
    for key in dict.fromkeys((d["size"], d["settings"], d["samples"]) for d in lines):
        own = [d for d in lines if (d["size"], d["settings"], d["samples"]) == key]
        spread = [f"{np.mean([d[n] for d in own]):.{p}f} ± {np.std([d[n] for d in own]):.{p}f}" for n, p in (("modes", 1), ("kl", 4))]
        sizes = " + ".join(f"{n:,}" for n in own[0]["parameters"])
        minutes = np.mean([d["seconds"] for d in own]) / 60
        cells = [key[0], key[1], f"{key[2]:,}", str(len(own)), *spread, sizes, f"{minutes:.1f}"]
        print(f"| {' | '.join(cells)} |")
    print(f"| a perfect sampler | | | {PERFECT:,} pictures | {modes} | {kl:.4f} | | |")


if __name__ == "__main__":
    main()
