"""Every picture and every number of docs/article.md: the beginners' listing, its faults one by one, and what mends them.

    python benchmarks/article.py [--work runs/article] [--pictures docs/pictures] [--data FOLDER]

Points of the plane first (`gansmith toy`), then the recipe `article` on the digits inside scikit-learn, whole and with one fault at a
time, each fault a pair of losses; last, where there is a folder of data, on MNIST. A run that is in the work folder already is taken as
it is. Everything on one thread; about eight minutes of one core.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

import gansmith
from gansmith.engine.distribute import World
from gansmith.engine.moves import Objective, discriminator_move, generate, generator_move, logits_of
from gansmith.engine.plan import Plan
from gansmith.losses import LOSSES, LossPair
from gansmith.verbs.frames import draw_value, reduced
from gansmith.verbs.opened import Opened
from gansmith.verbs.parts import Parts, build_players
from gansmith.verbs.toy import toy

ONE_CORE: dict[str, Any] = {
    "machine.device": "cpu",
    "machine.precision": "fp32",
    "machine.threads": 1,
    "machine.workers": 1,
    "penalty.form": "exact",
}
WATCHED: dict[str, Any] = {
    "data.labels": "none", "run.looks": 0, "run.report": False, "run.tick": 20, "run.previews": 3,
    "run.guard": False,  # what goes wrong is what one wants to see
}  # fmt: skip
MODERN: dict[str, Any] = {"loss.name": "relativistic", "loss.centring": 1e-3, "penalty.gamma": None}  # None: by the automatic rule

right = LOSSES["nonsaturating"]
FAULTS: dict[str, LossPair] = {
    "no real pictures": LossPair(real=lambda real, fake: 0.0 * real, fake=right.fake, generator=right.generator),
    "sigmoid twice": LossPair(
        real=lambda real, fake: F.softplus(-real.sigmoid()),
        fake=lambda real, fake: F.softplus(fake.sigmoid()),
        generator=lambda real, fake: F.softplus(-fake.sigmoid()),
    ),
    "one formula": LossPair(real=right.real, fake=right.fake, generator=right.fake),
}
GAMES: dict[str, tuple[LossPair | None, Mapping[str, Any]]] = {
    "repaired": (None, {}),
    **{name: (pair, {}) for name, pair in FAULTS.items()},
    "minimax": (None, {"loss.name": "minimax"}),
    "modern": (None, MODERN),
}
COLOURS = {"repaired": "#1c60c8", "no real pictures": "#d9822b", "sigmoid twice": "#8e44ad", "one formula": "#c0392b",
           "minimax": "#7f7f7f", "modern": "#2a9d75"}  # fmt: skip


@dataclass(frozen=True)
class Spent:
    """A run and the seconds of one core that it took, None where it was there already."""

    run: gansmith.Run
    seconds: float | None


def trained(work: Path, name: str, data: str, pair: LossPair | None, settings: Mapping[str, Any]) -> Spent:
    """The recipe `article` with these changes, on these data."""
    name = name.replace(" ", "-")
    if (work / f"{name}-1" / "generator").exists():
        return Spent(gansmith.Run(work / f"{name}-1"), None)
    start = time.process_time()
    run = gansmith.train(data, recipe="article", settings={**ONE_CORE, **WATCHED, **settings}, loss=pair, runs=work, name=name)
    return Spent(run, time.process_time() - start)


# --- points of the plane -------------------------------------------------------------------------------------------------


def points(work: Path, pictures: Path) -> gansmith.Run:
    """Three games on the ring; gives the run of the minimax game without a penalty."""
    games = {"minimax": ("minimax", "none"), "nonsaturating": ("nonsaturating", "none"), "modern": ("relativistic", "r1+r2")}
    print("\n| game on the ring | penalty | modes | high quality | core seconds |\n| --- | --- | --- | --- | --- |")
    first = None
    for name, (loss, penalty) in games.items():
        start = time.process_time()
        made = toy("ring", loss=loss, penalty=penalty, out=work)
        assert made.coverage
        print(
            f"| {loss} | {penalty} | {made.coverage.modes} of {made.coverage.there} | {made.coverage.quality:.1%} | "
            f"{time.process_time() - start:.0f} |",
            flush=True,
        )
        save(Image.open(made.strip), pictures / f"article-ring-{name}.png", 256)  # with fewer, the key loses the green
        if first is None:
            first = made.run
            small(made.animation, pictures / "article-ring.gif")
    assert first
    return first


def small(animation: Path, path: Path) -> None:
    """Every third frame of an animation at two thirds of its size."""
    with Image.open(animation) as file:
        frames = [f.convert("RGB") for f in ImageSequence.Iterator(file)][::3]
    frames = [f.resize((f.width * 2 // 3, f.height * 2 // 3), Image.Resampling.LANCZOS) for f in frames]
    both = Image.new("RGB", (frames[0].width, 2 * frames[0].height))
    both.paste(frames[0])
    both.paste(frames[-1], (0, frames[0].height))
    colours = reduced(both, 128)
    first, *others = (f.quantize(palette=colours, dither=Image.Dither.NONE) for f in frames)
    first.save(path, save_all=True, append_images=others, duration=[240] * len(others) + [2500], loop=0, optimize=True)


# --- digits --------------------------------------------------------------------------------------------------------------


def digits(work: Path) -> dict[str, Spent]:
    """The recipe on digits, whole, with each fault, and with other objectives; and a table of what came of it."""
    print("\n| game on digits | D's mean logit, real | generated | gradient of G | Fréchet | recall | core seconds |\n|" + " --- |" * 7)
    runs = {}
    for name, (pair, settings) in GAMES.items():
        runs[name] = trained(work, f"digits-{name}", "digits", pair, settings)
        run, seconds = runs[name].run, runs[name].seconds
        scores = {s.metric: s for s in gansmith.evaluate(run).scores if s.label is None}
        last = run.log[-5:]
        real, fake, slope = (float(np.mean([r[key] for r in last])) for key in ("logit_real", "logit_fake", "grad_g"))
        distance, recall = scores["Fréchet distance"], scores["recall"]
        print(
            f"| {name} | {real:.2f} | {fake:.2f} | {slope:.2g} | {distance.estimate.value:.2f} | {recall.estimate.value:.2f} | "
            f"{'' if seconds is None else f'{seconds:.0f}'} |",
            flush=True,
        )
    print(f"| real, held out | | | | {distance.floor:.2f} | {recall.floor:.2f} | |\n| noise | | | | {distance.noise:.2f} | | |")
    return runs


def faults(runs: Mapping[str, Spent], path: Path) -> None:
    """The same latents through time, a row for each game."""
    names = ["repaired", *FAULTS]
    figure = Figure(figsize=(6.9, 6.75), dpi=100)
    grid = figure.subplots(len(names), 4)
    figure.subplots_adjust(0.04, 0.005, 0.995, 0.965, 0.04, 0.04)
    for place, name in enumerate(names):
        shown = sorted(runs[name].run.folder.previews.glob("*.png"))
        for axes, preview in zip(grid[place], (shown[0], *shown[-3:]), strict=True):
            axes.imshow(np.asarray(Image.open(preview).convert("L")), cmap="gray", interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if not place:
                axes.set_title(f"step {int(preview.stem.rpartition('-')[2]):,}", fontsize=10)
        grid[place][0].set_ylabel(name, fontsize=10)
    write(figure, path)


def gradients(runs: Mapping[str, Spent], path: Path) -> None:
    """What reaches the generator, and what the discriminator believes, along each run."""
    figure = Figure(figsize=(8.4, 3.4), dpi=100)
    left, right_ = figure.subplots(1, 2)
    for name in ("repaired", *FAULTS):
        log = runs[name].run.log
        steps = [r["step"] for r in log]
        left.plot(steps, [r["grad_g"] for r in log], color=COLOURS[name], linewidth=1.4, label=name)
        right_.plot(steps, [r["logit_fake"] for r in log], color=COLOURS[name], linewidth=1.4, label=name)
    left.set_yscale("log")
    left.set_title("length of the generator's gradient", fontsize=10, loc="left")
    right_.set_yscale("symlog", linthresh=1.0)
    right_.set_title("D's mean logit on generated pictures", fontsize=10, loc="left")
    for axes in (left, right_):
        plain(axes, "step")
    left.legend(frameon=False, fontsize=8)
    figure.subplots_adjust(0.07, 0.14, 0.99, 0.91, 0.2)
    write(figure, path)


def values(ring: gansmith.Run, runs: Mapping[str, Spent], path: Path) -> None:
    """V(D, G) and its terms in three games."""
    figure = Figure(figsize=(9.6, 3.4), dpi=100)
    games = {"ring, minimax, no penalty": ring, "digits, repaired": runs["repaired"].run, "digits, modern": runs["modern"].run}
    for place, (name, run) in enumerate(games.items()):
        axes = figure.add_axes((0.05 + place * 0.333, 0.14, 0.22, 0.77))
        draw_value(axes, run.log, run.log[-1]["step"])
        axes.set_title(name, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        if place:
            axes.get_legend().remove()
    write(figure, path)


# --- the saturating gradient ---------------------------------------------------------------------------------------------


def saturation(runs: Mapping[str, Spent], path: Path, steps: int = 400, every: int = 10) -> None:
    """The discriminator of the listing is trained against a generator that stands still; what reaches that is measured in both forms."""
    recipe = runs["repaired"].run.recipe
    opened = Opened.of(recipe, None, "cpu")
    players, plan, world = build_players(recipe, opened.layout, Parts(), "cpu"), Plan.of(recipe, opened.layout), World(device="cpu")
    feed = opened.feed(plan.batch, plan.seed, world)
    goals = {
        name: Objective(LOSSES[name], exact=True, step=0.0, centring=0.0, autocast=nullcontext) for name in ("minimax", "nonsaturating")
    }
    lengths: dict[str, list[float]] = {name: [] for name in goals}
    dots: dict[str, list[tuple[float, float]]] = {name: [] for name in goals}
    means = []
    for step in range(steps):
        batch, noise, rates = feed(step), plan.noise(step, world), plan.rates(1000, 0.5)
        if step % every == 0:
            with torch.no_grad():
                logits = logits_of(players.discriminator.network, generate(players.generator.network, noise.generator.latent, None), None)
            means.append(float(logits.mean()))
            for name, goal in goals.items():
                players.generator.minimise(generator_move(players, batch, noise.generator, goal, rates)[0])
                lengths[name].append(float(players.generator.gradient.norm()))
                t = logits[:8].clone().requires_grad_()
                (slope,) = torch.autograd.grad(LOSSES[name].generator(torch.zeros(8), t).sum(), t)
                dots[name] += zip(t.tolist(), slope.abs().tolist(), strict=True)
        players.discriminator.minimise(discriminator_move(players, batch, noise.critics[0], goals["minimax"], rates)[0])
        players.discriminator.step(rates.lr_discriminator, rates.beta1, rates.beta2)
    print(f"\nD alone for {steps} steps: mean logit on generated {means[0]:.2f} to {means[-1]:.2f}; gradient of G", end=" ")
    print(", ".join(f"{name} {found[0]:.3g} to {found[-1]:.3g}" for name, found in lengths.items()))
    figure = Figure(figsize=(9.6, 3.4), dpi=100)
    curve, course, game = figure.subplots(1, 3)
    t = np.linspace(min(x for x, _ in dots["minimax"]) - 1, 4, 200)
    for name, y in (("minimax", 1 / (1 + np.exp(-t))), ("nonsaturating", 1 / (1 + np.exp(t)))):
        colour = COLOURS["minimax" if name == "minimax" else "repaired"]
        curve.plot(t, y, color=colour, linewidth=1.4, label=name)
        curve.scatter(*zip(*dots[name], strict=True), color=colour, s=7, linewidth=0, alpha=0.6)
        course.plot(range(0, steps, every), lengths[name], color=colour, linewidth=1.4, label=name)
        log = runs["minimax" if name == "minimax" else "repaired"].run.log
        game.plot([r["step"] for r in log], [r["grad_g"] for r in log], color=colour, linewidth=1.4, label=name)
    for axes, title, across in (
        (curve, "slope of G's loss at a logit of D", "D's logit on a generated picture"),
        (course, "G stands still, D learns: length of G's gradient", "steps of D"),
        (game, "both play: length of G's gradient", "step"),
    ):
        axes.set_yscale("log")
        axes.set_title(title, fontsize=9, loc="left")
        plain(axes, across)
    curve.legend(frameon=False, fontsize=8, loc="lower right")
    figure.subplots_adjust(0.055, 0.14, 0.99, 0.91, 0.2)
    write(figure, path)


# --- pictures of digits --------------------------------------------------------------------------------------------------


def objectives(runs: Mapping[str, Spent], path: Path) -> None:
    """Samples of three objectives with the same networks, steps and seed."""
    tiles({name: runs[name].run for name in ("minimax", "repaired", "modern")}, path)


def mnist(work: Path, data: Path, path: Path) -> None:
    """The recipe as it stands: five epochs of MNIST."""
    found = trained(work, "mnist", str(data / "mnist"), None, {})
    print(f"\nMNIST: {'' if found.seconds is None else f'{found.seconds:.0f} core seconds'}")
    tiles({"recipe article, five epochs of MNIST": found.run}, path)


def tiles(runs: Mapping[str, gansmith.Run], path: Path) -> None:
    """64 samples of each run, side by side."""
    figure = Figure(figsize=(3.1 * len(runs), 3.3), dpi=100)
    for axes, (name, run) in zip(figure.subplots(1, len(runs), squeeze=False)[0], runs.items(), strict=True):
        axes.imshow(np.asarray(run.sample(64).picture(columns=8).convert("L")), cmap="gray", interpolation="nearest")
        axes.set_title(name, fontsize=10, loc="left")
        axes.axis("off")
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.93, 0.04)
    write(figure, path)


def plain(axes: Axes, across: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.set_xlabel(across, fontsize=9)


def write(figure: Figure, path: Path) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()), path, 128)


def save(image: Image.Image, path: Path, colours: int) -> None:
    """A PNG of so many colours, a quarter of the size that it would have with all."""
    reduced(image.convert("RGB"), colours).save(path, optimize=True)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/article"))
    parser.add_argument("--pictures", type=Path, default=Path(__file__).parents[1] / "docs" / "pictures")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GANSMITH_DATA") or Path(__file__).parents[2] / "shared" / "data"))
    said = parser.parse_args(words)
    torch.set_num_threads(1)
    out = said.pictures
    ring = points(said.work, out)
    runs = digits(said.work)
    faults(runs, out / "article-faults.png")
    gradients(runs, out / "article-gradients.png")
    values(ring, runs, out / "article-value.png")
    saturation(runs, out / "article-saturation.png")
    objectives(runs, out / "article-objectives.png")
    if (said.data / "mnist").exists():
        mnist(said.work, said.data, out / "article-mnist.png")


if __name__ == "__main__":
    main()
