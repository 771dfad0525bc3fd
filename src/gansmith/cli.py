"""One command per verb: words in, one call, what came of it told. Nothing heavy is imported until a command runs."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import textwrap
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from gansmith import errors

if TYPE_CHECKING:
    from rich.progress import Progress

    from gansmith.config import PenaltySettings
    from gansmith.engine.loop import Tick
    from gansmith.records import Evaluation, Finding, Proof, Recovery
    from gansmith.tuning.found import Trial
    from gansmith.verbs.describe import Description
    from gansmith.verbs.diagnose import Diagnosis
    from gansmith.verbs.playing import Started
    from gansmith.verbs.tune import Tuned
    from gansmith.verbs.tuned.session import Begun as TuneBegun
    from gansmith.verbs.tuned.session import Progress as TuneProgress

app = typer.Typer(
    name="gansmith",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Train a generative adversarial network on your own data, watch it learn, and draw samples from it.\n\n"
    "[bold]gansmith train photos/[/bold] trains on a folder of pictures, [bold]gansmith train customers.csv[/bold] on a table; "
    "[bold]gansmith train[/bold] alone on 1,797 small digits, in a minute or two.",
)

# What typer raises for any misuse of the command line; it has no public name.
UsageError: type[Exception] = typer.BadParameter.__mro__[2]

LEVELS = 4  # of a column that describe names
WIDE = 160  # columns of a table that a program reads: no line is broken
MARGIN, READ = 9, 110  # characters before a text and in a line of it, on a terminal
SEVERITIES = {"severe": "bold red", "warning": "yellow", "note": "cyan"}
BALANCED = "drawn    every class equally often (data.balance=false: as often as in the data)"

out = Console(highlight=False, soft_wrap=True, emoji=False, width=None if sys.stdout.isatty() else WIDE)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

Data = Annotated[
    str | None,
    typer.Argument(
        help="A table (csv, tsv, parquet, feather); pictures in a folder, class folders, zip, tar, idx(.gz), npy, npz, parquet; hf:NAME; "
        "digits; toy:ring, toy:grid, toy:sines. Default: digits (1,797 small scans from scikit-learn), unless a recipe names others."
    ),
]
Size = Annotated[str | None, typer.Option(help="Height and width in pixels: 64, or 48x64. Default: chosen from the pictures.")]
Channels = Annotated[int | None, typer.Option(help="1 grey, 3 colour, 4 with transparency. Default: as the pictures are.")]
Fit = Annotated[str | None, typer.Option(help="How pictures of another shape are fitted to the size: crop (default), pad or stretch.")]
Labels = Annotated[
    str | None, typer.Option(help="A CSV or JSON file of file names and labels, or 'none'. Class folders are found automatically.")
]
DomainName = Annotated[str | None, typer.Option("--domain", help="Kind of data: image, table or toy. Default: recognised.")]
Target = Annotated[str | None, typer.Option(metavar="COLUMN", help="Tables: the column that models are to predict.")]
Schema = Annotated[
    str | None, typer.Option("--schema", metavar="FILE", help="Tables: a JSON file that corrects how columns were recognised.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps. Default: the best available.")]
Begin = Annotated[
    Path | None,
    typer.Option(help="Recipe to start from: a name that 'gansmith recipes' lists, or a file such as recipe.yaml.", metavar="NAME|FILE"),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any setting of recipe.yaml: penalty.gamma=0.3; may be repeated.")
]


def tell(words: str) -> None:
    """One line to the standard error."""
    err.print(escape(words))


def tell_misuse(error: Exception) -> None:
    """A misuse of the command line in one line; the help where a command was left out."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
    else:
        said, context = error.format_message().rstrip("."), error.ctx  # type: ignore[attr-defined]
        mend = _by_set(getattr(error, "option_name", ""), context)
        tell(f"gansmith: {said}.{mend} See {context.command_path if context else 'gansmith'} --help.")


def _by_set(option: str, context: Any) -> str:
    """A sentence for an option that is no option but a setting: '--loss hinge' is '--set loss.name=hinge'."""
    from gansmith.config import names

    word = option.lstrip("-").replace("-", "_")
    if not word or context is None or not any("--set" in known.opts for known in context.command.params):
        return ""
    found = [name for name in names() if f"{word}.name" == name or name.endswith(f".{word}")]
    return f" It is a setting: --set {found[0]}=VALUE." if len(found) == 1 else ""  # --name may be meant for the run


@app.command()
def train(
    data: Data = None,
    minutes: Annotated[float | None, typer.Option(help="Length of the run in minutes. Default: about 15, less on small data.")] = None,
    samples_seen: Annotated[
        str | None, typer.Option(help="Length of the run in real samples seen, each counted as often as it is shown: 500k, 2M.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Batch size: real samples per step.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed. Default: 0.")] = None,
    size: Size = None,
    channels: Channels = None,
    fit: Fit = None,
    labels: Labels = None,
    target: Target = None,
    schema: Schema = None,
    domain: DomainName = None,
    device: Device = None,
    recipe: Begin = None,
    settings: Set = None,
    guard: Annotated[
        bool | None,
        typer.Option("--guard/--no-guard", help="If training goes wrong, go back and continue with other settings. Default: on."),
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Resume a run that was stopped.", metavar="RUN")] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders are created.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Beginning of the name of the run's folder; a number is added.")] = None,
) -> None:
    """Train on DATA. No option is needed: what you leave out is chosen from the data and this machine, shown, and written down.

    Ctrl-C saves a checkpoint and ends the run, usually within seconds; [bold]gansmith train --resume RUN[/bold] goes on as if nothing had
    happened.
    """
    changes = _data_settings(size, channels, fit, labels, domain, target, schema) | _assignments(settings)
    if device is not None:
        changes["machine.device"] = device
    if guard is not None:
        changes["run.guard"] = guard
    seen = None if samples_seen is None else _whole(samples_seen, "--samples-seen")
    from gansmith.verbs.train import train as verb

    with Stage() as stage:
        try:
            run = verb(
                data, recipe=recipe, settings=changes, minutes=minutes, samples=seen, batch=batch, seed=seed, resume=resume, runs=runs,
                name=name, audience=stage,
            )  # fmt: skip
        except KeyboardInterrupt:
            stage.close()
            if stage.run is not None:
                tell(f"Stopped; {stage.kept}. Go on with: gansmith train --resume {shlex.quote(_short(stage.run))}")
            raise
    if not stage.speaks:
        return
    newest = max(run.folder.previews.glob("*.png"), default=None)
    out.print(f"run      {escape(_short(run.path))}")
    if newest is not None:
        out.print(f"pictures {escape(_short(newest))}")
    if run.folder.report.exists():
        out.print(f"report   {escape(_short(run.folder.report))}")
    if stage.ill:
        out.print(f"health   gansmith diagnose {escape(shlex.quote(_short(run.path)))}")
    out.print(f"judge    gansmith evaluate {escape(shlex.quote(_short(run.path)))}")
    files = "made.csv" if run.data["layout"].get("given") else "samples --grid"
    out.print(f"next     gansmith sample {escape(shlex.quote(_short(run.path)))} -n 1000 -o {files}")


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder, or an exported generator.")],
    count: Annotated[int, typer.Option("-n", "--count", help="Number of samples (with --interpolate: of walks).")] = 64,
    out_to: Annotated[
        Path,
        typer.Option(
            "-o", "--out", help="A folder to create, or a path ending in .npz (for tables: .csv or .parquet). Nothing is overwritten."
        ),
    ] = Path("samples"),
    label: Annotated[
        str | None,
        typer.Option(help="Class to draw; several, separated by commas, in turn. Conditions of several columns: smiling=1,age=35."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help='Tables: a condition that every row meets, "sex=Female", "age>60" or "plan=plus|pro"; may be repeated.',
        ),
    ] = None,
    balance: Annotated[str | None, typer.Option(metavar="COLUMN", help="Tables: draw each value of this column equally often.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed: the same seed gives the same samples.")] = 0,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
    grid: Annotated[bool, typer.Option("--grid", help="Also write one picture of the first 256 samples (of tables: 2,000 rows).")] = False,
    interpolate: Annotated[int, typer.Option(help="Walk from one sample to another in this many steps.")] = 0,
    latents: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the samples of all latents in this .npz, as 'gansmith invert' writes it.")
    ] = None,
) -> None:
    """Draw samples from a run or an exported generator into files, with a manifest. The training data are not needed."""
    from gansmith.verbs.sample import sample as verb

    with Bar("drawing") as bar:
        place = verb(
            run, count, out=out_to, label=label, where=where or (), balance=balance, seed=seed, truncation=truncation, grid=grid,
            interpolate=interpolate, latents=latents, progress=bar.count,
        )  # fmt: skip
    out.print(f"{'' if latents else f'{count * max(interpolate, 1)} '}samples in {escape(str(place))}")


@app.command()
def impute(
    run: Annotated[Path, typer.Argument(help="A run on a table, or an exported generator of one.")],
    data: Annotated[Path, typer.Argument(help="A table (csv, tsv, parquet, feather) with the same columns, in which cells are missing.")],
    out_to: Annotated[Path, typer.Option("-o", "--out", help="A path ending in .csv or .parquet.")] = Path("filled.csv"),
    seed: Annotated[int, typer.Option(help="Random seed: the same seed gives the same cells.")] = 0,
) -> None:
    """Fill in the missing cells of a table, each drawn given the other cells of its row. Other cells stay as they are."""
    from gansmith.verbs.rows import impute as verb

    with Bar("filling in") as bar:
        place = verb(run, data, out=out_to, seed=seed, progress=bar.count)
    out.print(f"filled   {escape(str(place))}")


@app.command()
def directions(
    run: Annotated[Path, typer.Argument(help="A run folder, or an exported generator.")],
    out_to: Annotated[Path, typer.Option("-o", "--out", help="A folder to create.")] = Path("directions"),
    count: Annotated[int, typer.Option("-n", "--count", help="Number of directions, the strongest first.")] = 5,
    steps: Annotated[int, typer.Option(help="Pictures per row.")] = 7,
    rows: Annotated[int, typer.Option(help="Number of samples, one row each.")] = 6,
    reach: Annotated[float, typer.Option(help="How far to go to either side, in standard deviations.")] = 3.0,
    label: Annotated[str | None, typer.Option(help="Use samples of this class.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed: the same seed gives the same samples.")] = 0,
) -> None:
    """Find what a generator varies: the latent directions in which its samples change most, with a picture of each."""
    from gansmith.verbs.directions import directions as verb

    with Bar("walking") as bar:
        place = verb(
            run, out=out_to, count=count, steps=steps, rows=rows, reach=reach, label=label, seed=seed, progress=bar.count
        )  # fmt: skip
    out.print(f"{count} directions in {escape(str(place))}")


@app.command()
def invert(
    run: Annotated[Path, typer.Argument(help="A run folder, or an exported generator.")],
    pictures: Annotated[list[Path], typer.Argument(help="Picture files of the generator's own size.")],
    out_to: Annotated[Path, typer.Option("-o", "--out", help="A folder to create.")] = Path("inverted"),
    label: Annotated[str | None, typer.Option(help="Their class. Default: every class is tried.")] = None,
    starts: Annotated[int, typer.Option(help="Searches per picture.")] = 4,
    steps: Annotated[int, typer.Option(help="Steps of each search.")] = 200,
    seed: Annotated[int, typer.Option(help="Random seed of the starting points.")] = 0,
) -> None:
    """Search for the latents whose samples come closest to PICTURES: can the generator make them?"""
    from gansmith.verbs.invert import invert as verb

    with Bar("searching") as bar:
        found = verb(run, pictures, out=out_to, label=label, starts=starts, steps=steps, seed=seed, progress=bar.count)
    for i, picture in enumerate(pictures):
        kind = "" if found.found.labels is None else f"  label {found.found.classes[found.found.labels[i]]}"
        out.print(f"distance {found.distances[i]:.2f}{escape(kind)}  {escape(str(picture))}")
    out.print(f"pictures {escape(_short(out_to / 'pairs.png'))}")
    latents = shlex.quote(_short(out_to / "latents.npz"))
    out.print(f"next     gansmith sample {escape(shlex.quote(_short(run)))} --latents {escape(latents)} -o drawn")


recipes_app = typer.Typer(invoke_without_command=True)
app.add_typer(recipes_app, name="recipes")


@recipes_app.callback()
def recipes(context: typer.Context) -> None:
    """List the recipes, published ones and ours; [bold]gansmith recipes show NAME[/bold] shows the source and the settings of one."""
    from gansmith.recipes import named

    if context.invoked_subcommand is None:
        width = max(map(len, named.RECIPES))
        for name in named.RECIPES:
            out.print(f"{name:{width}}  {escape(named.line(name))}")


@recipes_app.command()
def show(name: Annotated[str, typer.Argument(help="A name that 'gansmith recipes' lists.")]) -> None:
    """Show the source of a recipe, how it differs from that, and its settings: a file that train --recipe takes."""
    from gansmith.recipes import named

    out.print(escape(named.show(name)), end="")


@app.command()
def toy(
    name: Annotated[str, typer.Argument(help="ring, grid or sines.")] = "ring",
    loss: Annotated[str, typer.Option(help="Loss: relativistic, minimax, nonsaturating, hinge, … (docs/losses.md).")] = "relativistic",
    penalty: Annotated[str, typer.Option(help="Gradient penalty: r1+r2, r1, r2, wgan-gp, lp, dragan, or none.")] = "r1+r2",
    minutes: Annotated[float | None, typer.Option(help="Length of the run in minutes.")] = None,
    samples_seen: Annotated[
        str | None, typer.Option(help="Length of the run in real samples seen: 200k, 2M. Default: 512k (sines: 128k).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed: the same seed gives the same pictures.")] = 0,
    out_to: Annotated[Path, typer.Option("-o", "--out", help="Where the pictures and the run's folder are created.")] = Path("toy"),
    settings: Set = None,
) -> None:
    """Watch a GAN train on toy data: an animation of the samples, the discriminator's output, and the generator's gradients.

    [bold]gansmith toy ring --loss minimax --penalty none[/bold] shows the textbook GAN and its mode collapse.
    """
    seen = None if samples_seen is None else _whole(samples_seen, "--samples-seen")
    from gansmith.verbs.toy import DRAWN, PERFECT, WITHIN
    from gansmith.verbs.toy import toy as verb

    with ExitStack() as shown:
        stage, bar = shown.enter_context(Stage()), Bar("drawing")

        def drawing(done: int, total: int) -> None:
            if not done:
                stage.close()
                shown.enter_context(bar)
            bar.count(done, total)

        made = verb(
            name, loss=loss, penalty=penalty, minutes=minutes, samples=seen, seed=seed, out=out_to, settings=_assignments(settings),
            audience=stage, drawing=drawing,
        )  # fmt: skip
    if made.coverage is not None:
        c = made.coverage
        out.print(f"modes    {c.modes} of {c.there}")
        within = f"within {WITHIN:g} standard deviations of a mode"
        out.print(f"quality  {c.quality:.1%} of {DRAWN:,} samples lie {within}; {PERFECT:.1%} of the data do")
    for word, path in (("watch", made.animation), ("moments", made.strip), ("value", made.value), ("run", made.run.path)):
        out.print(f"{word:8} {escape(_short(path))}")


@app.command()
def describe(
    data: Data = None,
    size: Size = None,
    channels: Channels = None,
    fit: Fit = None,
    labels: Labels = None,
    target: Target = None,
    schema: Schema = None,
    domain: DomainName = None,
    write_schema: Annotated[
        Path | None,
        typer.Option(
            "--write-schema", metavar="FILE", help="Tables: write how columns were recognised, to be edited and passed to --schema."
        ),
    ] = None,
    settings: Set = None,
) -> None:
    """Look at DATA before training: counts, sizes, classes, duplicates, unreadable files, and how long a run would take here."""
    changes = _data_settings(size, channels, fit, labels, domain, target, schema) | _assignments(settings)
    from gansmith.verbs.describe import describe as verb
    from gansmith.verbs.describe import write_schema as write

    with Bar("reading") as bar:
        found = verb(data or "digits", settings=changes, opening=bar.count)
    _show(found)
    if write_schema is not None:
        write(found, write_schema)
        out.print(f"schema   {escape(_short(write_schema))}")


@app.command()
def evaluate(
    subject: Annotated[Path, typer.Argument(help="A run, an exported generator, or samples in a folder, zip, npz …")],
    against: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Real data to compare with. A run has held some out; anything else needs this option."),
    ] = None,
    training: Annotated[
        str | None, typer.Option(metavar="DATA", help="The training data, if SUBJECT is not a run: needed to look for copies.")
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option(
            help="Features for the metrics: classifier, pixels, values, columns, inception or dinov2. Default: chosen from the data."
        ),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="File with the weights of the extractor.")] = None,
    count: Annotated[int | None, typer.Option("-n", "--count", help="Largest number of samples on each side. Default: 10,000.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    size: Size = None,
    channels: Channels = None,
    fit: Fit = None,
    labels: Labels = None,
    target: Target = None,
    schema: Schema = None,
) -> None:
    """Are the samples faithful, diverse and original? Every score stands beside those of held-out real samples, copies, and noise.

    The evaluation of a run is kept in its scores.json and shown in its report.
    """
    from gansmith.verbs.evaluate import evaluate as verb

    with Bar("evaluating") as bar:
        found = verb(
            subject, against=against, training=training, extractor=extractor, weights=weights, count=count, seed=seed,
            settings=_data_settings(size, channels, fit, labels, target=target, schema=schema), command=_command(), progress=bar.stage,
        )  # fmt: skip
    _show_evaluation(found)


@app.command()
def prove(
    run: Annotated[Path, typer.Argument(help="A run on data with labels.")],
    per_class: Annotated[str, typer.Option(help="Real samples of each class to train on: 10,30,all gives three settings.")] = "all",
    ratios: Annotated[str, typer.Option(help="Synthetic samples for each real one: 1,10 gives two settings.")] = "1",
    rare: Annotated[
        str | None,
        typer.Option(metavar="CLASS[=SHARE]", help="A rare class, which the generator fills up; cat=0.01 keeps a hundredth of it first."),
    ] = None,
    test: Annotated[str | None, typer.Option(metavar="DATA", help="Labelled test data. Default: what the run held out.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps of every training (networks only).")] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each kind, at least 3.")] = 5,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Do the samples help a model? Trains one on real samples, synthetic ones and both, with and without classical augmentation.

    The proof is kept in the run's proof.json and shown in its report. "No measurable effect" is a normal answer.
    """
    from gansmith.verbs.prove import prove as verb

    with Bar("proving") as bar:
        found = verb(
            run, per_class=[None if n.strip() == "all" else _whole(n, "--per-class") for n in per_class.split(",")],
            ratios=[_real(n, "--ratios") for n in ratios.split(",")], rare=_rare(rare), test=test, budget=steps, seeds=seeds, seed=seed,
            command=_command(), progress=bar.stage,
        )  # fmt: skip
    _show_proof(found)


def _real(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise errors.ConfigError(f"{option} takes numbers separated by commas, for example 1,10; found {text!r}.") from None


def _rare(text: str | None) -> str | tuple[str, float] | None:
    """'cat=0.01' as a class and the share of it that is kept; 'cat' as a class that is rare already, and '<=50K', for no share ends so."""
    name, _, share = (text or "").rpartition("=")
    try:
        return (name, float(share)) if name else text
    except ValueError:
        return text


def _show_proof(found: Proof) -> None:
    from rich.table import Table

    for setting in found.settings:
        out.print(escape(setting.title))
        table = Table(box=None, pad_edge=False, header_style="")
        for column in ("trained on", "samples", "score", "range over seeds", "ROC area"):
            table.add_column(column, justify="left" if column == "trained on" else "right")
        for arm in setting.arms:
            if arm.failed:
                table.add_row(arm.name, f"{arm.samples:,}", "–", escape(arm.failed), "–")
            else:
                spread = f"{min(arm.scores):.1%} to {max(arm.scores):.1%}"
                table.add_row(
                    arm.name, f"{arm.samples:,}", f"{fmean(arm.scores):.1%}", spread, f"{fmean(arm.ranking):.3f}" if arm.ranking else "–"
                )
        out.print(table)
        out.print(escape(setting.sentence))
    out.print(f"{found.verdict.word:9} {found.verdict.answer:8} {escape(found.verdict.sentence)}")
    for words in found.warnings:
        out.print(f"warning  {escape(words)}")


@app.command()
def tune(
    data: Data = None,
    minutes: Annotated[float | None, typer.Option(help="Time for the whole search, in minutes. Default: 30.")] = None,
    trials: Annotated[int | None, typer.Option(help="Largest number of trials. Default: as many as there is time for.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Number of trials that run at the same time. Default: 1.")] = None,
    space: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A YAML file of what to search: 'penalty.gamma: {low: 0.1, high: 10, log: true}'.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A database that several machines share: postgresql://…, sqlite:///tune.db. Default: a file in the folder."
        ),
    ] = None,
    size: Size = None,
    channels: Channels = None,
    fit: Fit = None,
    labels: Labels = None,
    target: Target = None,
    schema: Schema = None,
    domain: DomainName = None,
    device: Device = None,
    recipe: Begin = None,
    settings: Set = None,
    resume: Annotated[Path | None, typer.Option(help="Resume a search that was stopped.", metavar="FOLDER")] = None,
    runs: Annotated[Path, typer.Option(help="Where the folder of the search is created.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the folder, and of the study in a storage.")] = None,
) -> None:
    """Search for better settings for DATA, and test whether they are better: with several seeds, on data that the search never saw.

    The first trial is what [bold]gansmith train[/bold] would do. What is set with --set is not searched, unless --space names it.

    Ctrl-C stops the search; [bold]gansmith tune --resume FOLDER[/bold] goes on.
    """
    changes = _data_settings(size, channels, fit, labels, domain, target, schema) | _assignments(settings)
    if device is not None:
        changes["machine.device"] = device
    from gansmith.verbs.tune import tune as verb

    with TuneView() as view:
        try:
            found = verb(
                data or (None if resume or recipe else "digits"), minutes=minutes, trials=trials, jobs=jobs, space=space, storage=storage,
                recipe=recipe, settings=changes, runs=runs, name=name, resume=resume, audience=view,
            )  # fmt: skip
        except KeyboardInterrupt:
            view.close()
            if view.folder is not None:
                tell(f"Stopped; every finished trial is kept. Go on with: gansmith tune --resume {shlex.quote(_short(view.folder))}")
            raise
    _show_tuned(found)


def _show_tuned(tuned: Tuned) -> None:
    found, folder = tuned.found, tuned.path
    counted = {state: sum(t.state == state for t in found.trials) for state in ("complete", "pruned", "failed")}
    early = ", ".join(f"{n} {words}" for n, words in ((counted["pruned"], "ended early"), (counted["failed"], "failed")) if n)
    out.print(f"trials   {len(found.trials)}{f' ({early})' if early else ''} in {_clock(found.seconds)}")
    out.print(f"answer   {escape(found.sentence)}")
    if found.changed:
        changed = (f"{_last(name)} {_number_of(was)} → {_number_of(now)}" for name, (was, now) in found.changed.items())
        out.print(f"found    {escape(', '.join(changed))}")
    if found.importance:
        out.print(f"matters  {', '.join(f'{_last(name)} {share:.0%}' for name, share in found.importance.items())}")
    out.print(f"recipe   {escape(_short(folder / 'recipe.yaml'))}")
    out.print(f"report   {escape(_short(tuned.report))}")
    out.print(f"next     gansmith train --recipe {escape(shlex.quote(_short(folder / 'recipe.yaml')))}")


def _last(name: str) -> str:
    """A setting without its group."""
    return name.partition(".")[2]


def _number_of(value: Any) -> str:
    """A setting's value in short."""
    return f"{value:.3g}" if isinstance(value, float) else "open" if value is None else str(value)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="One run, or several to compare side by side.")],
    out_to: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder, or a path ending in .html. Default: the folder of a single run.")
    ] = None,
) -> None:
    """Write everything known about a run on one page that opens anywhere: the four answers, pictures, curves, controls, recipe."""
    from gansmith.verbs.report import report as verb

    out.print(f"report   {escape(_short(verb(runs, out=out_to, command=_command())))}")


@app.command()
def diagnose(
    run: Annotated[Path, typer.Argument(help="A run folder: finished, stopped, or still going.")],
    out_to: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Where to write the page of charts: a folder, or a path ending in .html. Default: RUN."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also show the checks that found nothing, and why others did not apply.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for other programs.")] = False,
) -> None:
    """Show what went wrong in RUN, the evidence, and what to change, worst first; write a page of charts.

    [bold]gansmith diagnose runs/photos-1[/bold] may say "severe H204 The discriminator overfits", how that was seen, and what to change:
    "augment.strength=0.8". Train again with [bold]gansmith train photos/ --set augment.strength=0.8[/bold].
    """
    from gansmith.verbs.diagnose import diagnose as verb

    found = verb(run, out=out_to, command=_command())
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        _show_diagnosis(found, every)


@app.command()
def explain(code: Annotated[str, typer.Argument(help="The code of a finding, as 'gansmith diagnose' prints it: H204.")]) -> None:
    """Explain a finding: what it is, how it is seen, what to do, and what the guard does."""
    from rich.markdown import Markdown

    from gansmith.health.manual import section

    text = section(code)
    if out.is_terminal:
        out.print(Markdown(text, hyperlinks=False))
    else:
        typer.echo(text, nl=False)


def _show_diagnosis(found: Diagnosis, every: bool) -> None:
    from gansmith.pages.health import evidence, explained, taken_back, titled
    from gansmith.pages.words import capital

    r = found.recorded
    told = f"{int(100 * r.share)} % of the way" if r.state == "unfinished" else r.state
    out.print(f"run      {escape(found.run)}: {told}, {_count(r.seen)} real samples seen, {r.examinations} examinations")
    if r.stopped:
        _paragraph("stopped", r.stopped)
    for finding in found.findings:
        _paragraph(finding.severity, f"{finding.code} {titled(finding.code)}", SEVERITIES[finding.severity])
        _paragraph("", capital(finding.message))
        _paragraph("  seen", ", ".join(f"{name} {value}" for name, value in evidence(finding)))
        if every or "follows from" not in finding.evidence:  # what follows from a cause goes with it
            _paragraph("  change", capital(finding.advice))
        _paragraph("  read", explained(finding.code))
    for recovery in found.recoveries:
        _paragraph("back", f"{recovery.get('code')} {titled(str(recovery.get('code')))}")
        _paragraph("", f"{capital(str(recovery.get('message', '')))} {taken_back(recovery)}")
    for past in found.past:
        _paragraph(
            "past", f"{past.finding.code} {titled(past.finding.code)}: {past.finding.severity} from step {past.first:,} to {past.last:,}"
        )
        if every:
            _paragraph("", f"{capital(past.finding.message)} {capital(past.finding.advice)}")
    for gap in found.gaps:
        _paragraph("gap", gap)
    if every:
        for clear in found.clear:
            _paragraph("clear", f"{clear.code} {titled(clear.code)}")
        for absent in found.not_applicable:
            _paragraph("absent", f"{absent.code} {titled(absent.code)}: {absent.why}")
    more = "" if every else " --all lists them."
    _paragraph("healthy" if found.healthy else "checks", f"{found.summary}{more}", "green" if found.healthy else "")
    if found.page is not None:
        out.print(f"charts   {escape(_short(found.page))}")
    if found.again:  # in one line, to be copied
        out.print(f"again    {escape(found.again)}")


def _paragraph(word: str, text: str, style: str = "") -> None:
    """A word, and text beside it: broken into lines below one another on a terminal, one line where a program reads it."""
    if not text.strip():
        return
    room = max(min(out.width, READ) - MARGIN, MARGIN) if out.is_terminal else len(text)
    first, *others = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    start = f"[{style}]{word}[/]{' ' * (MARGIN - len(word))}" if style else f"{word:{MARGIN}}"
    out.print(f"{start}{escape(first)}")
    for line in others:
        out.print(f"{'':{MARGIN}}{escape(line)}")


def _command() -> str:
    """What was typed, to be typed again."""
    return shlex.join(["gansmith", *sys.argv[1:]])


def _show_evaluation(found: Evaluation) -> None:
    from rich.table import Table

    c = found.conditions
    out.print(
        f"judged   {escape(found.subject)}: {c['generated']:,} generated samples, {c['held_out']:,} held-out ones, "
        f"{c['training']:,} training samples"
    )
    out.print(f"features {escape(str(c['extractor']))}, {c['dimensions']} dimensions")
    table = Table(box=None, pad_edge=False, header_style="")
    smote = any(s.smote is not None for s in found.scores)
    for column in ("metric", "samples", "95 % interval", "held-out", "copies", "noise", *(["SMOTE"] if smote else []), ""):
        table.add_column(column, justify="left" if column in ("metric", "") else "right")
    for s in found.scores:
        if s.label is None:
            e = s.estimate
            controls = (_number(x) for x in (s.floor, s.copy, s.noise, *([s.smote] if smote else [])))
            table.add_row(
                s.metric, _number(e.value), f"{_number(e.low)} to {_number(e.high)}", *controls, "" if s.reliable else "unreliable here"
            )
    out.print(table)
    for verdict in found.verdicts:
        out.print(f"{verdict.word:9} {verdict.answer:8} {escape(verdict.sentence)}")
    for words in found.warnings:
        out.print(f"warning  {escape(words)}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _assignments(words: list[str] | None) -> dict[str, Any]:
    from gansmith.config import parse_assignments

    return parse_assignments(words or [])


def _data_settings(
    size: str | None,
    channels: int | None,
    fit: str | None,
    labels: str | None,
    domain: str | None = None,
    target: str | None = None,
    schema: str | None = None,
) -> dict[str, Any]:
    given = {
        "data.channels": channels, "data.fit": fit, "data.labels": labels, "data.domain": domain, "data.target": target,
        "data.table_schema": schema,
    }  # fmt: skip
    found: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    if size is not None:
        found["data.size"] = _two(size)
    return found


def _two(size: str) -> list[int]:
    """'64' or '48x64' as height and width."""
    parts = size.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(p.strip().isdecimal() and len(p) < 10 and int(p) > 0 for p in parts):
        raise errors.ConfigError(f"--size takes one number or HEIGHTxWIDTH, for example 64 or 48x64; found {size!r}.")
    height, width = int(parts[0]), int(parts[-1])
    return [height, width]


def _whole(text: str, option: str) -> int:
    from gansmith.config import count

    number = count(text)
    if number != int(number) or number < 1:
        raise errors.ConfigError(f"{option} takes a whole number above 0, for example 500k or 2M; found {text!r}.")
    return int(number)


def _short(path: Path) -> str:
    """Relative to the working folder where it lies below it."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


class Bar:
    """A progress bar on a terminal, nothing where the output is read by a program."""

    def __init__(self, doing: str) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            console=err, transient=True, disable=not err.is_terminal,
        )  # fmt: skip
        self.doing = doing
        self.task: Any = None

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def stage(self, done: int, total: int, words: str) -> None:
        """One of several things that are done one after the other, in words."""
        self.count(done, total)
        self.progress.update(self.task, description=words)

    def count(self, done: int, total: int) -> None:
        if self.task is None:
            self.task = self.progress.add_task(self.doing, total=total)
        self.progress.update(self.task, completed=done, total=total)


class View:
    """Shows something long: a bar while data are read, then one of its own, or lines."""

    def __init__(self) -> None:
        self.reading = Bar("reading")
        self.bar: Progress | None = None
        self.task: Any = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away, so that what is said next stands on a line of its own."""
        self.reading.__exit__()
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def opening(self, done: int, all: int) -> None:
        self.reading.count(done, all)

    def _say(self, words: str, otherwise: Console = err) -> None:
        """A line, above the bar where there is one."""
        (self.bar.console if self.bar is not None else otherwise).print(escape(words))


class Stage(View):
    """Shows a training: the data and the choices first, then a bar on a terminal or a line now and then elsewhere."""

    LINE_SECONDS = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.speaks = os.environ.get("RANK", "0") == "0"
        self.run: Path | None = None
        self.kept = "everything up to the last checkpoint is saved"
        self.ill = False  # whether anything was found to be wrong on the way
        self.spoken = 0.0
        self.began: tuple[float, float] | None = None  # share and time from which what is left is told

    def __enter__(self) -> Stage:
        if self.speaks:
            self.reading.__enter__()
        return self

    def started(self, started: Started) -> None:
        self.reading.__exit__()
        self.run = started.run.path
        for line in _opening_lines(started):
            out.print(line)
        self.began = (started.resumed.share, time.monotonic())
        if err.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn

            self.bar = Progress(
                BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.description}"), console=err
            )
            self.bar.start()
            self.task = self.bar.add_task("the first tick", total=1.0)
            self.bar.update(self.task, completed=started.resumed.share)

    def tick(self, tick: Tick) -> None:
        share, line = tick.position.share, self._line(tick)
        if tick.last:
            self.kept = "everything up to here is saved"
        if self.bar is not None:
            self.bar.update(self.task, completed=share, description=line)
        elif tick.last or time.monotonic() - self.spoken >= self.LINE_SECONDS:
            out.print(f"{share:4.0%} {line}")
            self.spoken = time.monotonic()

    def finding(self, finding: Finding, step: int) -> None:
        from gansmith.health.lines import line

        self.ill = True
        self._say(line(finding, step))

    def recovered(self, recovery: Recovery) -> None:
        self.ill = True
        self._say(recovery.sentence)
        self.began = None

    def over(self, run: Path) -> None:
        self.close()
        place = shlex.quote(_short(run))
        tell(
            "Ended early: for a quarter of the run the generator was far worse than at its best. Sampling uses the best one. "
            f"To go on anyway: gansmith train --resume {place} --set run.stop_early=false"
        )

    def _line(self, tick: Tick) -> str:
        if self.began is None:
            self.began = (tick.position.share, time.monotonic())
        m, (share, since) = tick.means, self.began
        done = tick.position.share - share
        left = (time.monotonic() - since) / done * (1.0 - tick.position.share) if done > 0 else None
        surprise = f"  surprise {m['surprise']:.3f}" if "surprise" in m else ""
        return (
            f"{_count(tick.seen)} seen  {_count(tick.speed)}/s  {_clock(left)} left  "
            f"D {m['loss_d']:.3f} (real {m['log_d_real']:.2f}, fake {m['log_1_minus_d_fake']:.2f})  G {m['loss_g']:.3f}  "
            f"gap {m['logit_real'] - m['logit_fake']:.2f}{surprise}"
        )


class TuneView(View):
    """Shows a search: what was settled, a line for each trial and each run that was judged, and on a terminal where it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.folder: Path | None = None
        self.trials: set[int] = set()
        self.judged = 0
        self.best: float | None = None

    def __enter__(self) -> TuneView:
        self.reading.__enter__()
        return self

    def doing(self, words: str) -> None:
        self.reading.__exit__()
        self._status(words)

    def begun(self, begun: TuneBegun) -> None:
        asked, counts = begun.asked, begun.counts
        self.folder = begun.folder.path
        self._tell(f"data     {asked.data}: {counts[0]:,} samples to train on, {counts[1]:,} to measure trials by, {counts[2]:,} fresh")
        self._tell(f"search   {', '.join(begun.space)}")
        most = f" or {asked.trials} trials" if asked.trials else ""
        jobs = f", {asked.jobs} at a time" if asked.jobs > 1 else ""
        self._tell(f"budget   {_clock(asked.minutes * 60)}{most}; a trial takes {_clock(asked.trial)}, more on a busy machine{jobs}")
        before = f", with {begun.trials} trial{'s' if begun.trials > 1 else ''}" if begun.trials else ""
        self._tell(f"folder   {_short(self.folder)}{before}")
        for note in begun.notes:
            self._tell(f"note     {note}")

    def moved(self, progress: TuneProgress) -> None:
        for trial in progress.trials:
            if trial.number not in self.trials:
                self.trials.add(trial.number)
                self._tell(self._trial(trial))
        for judged in progress.judged[self.judged :]:
            score = f"{judged.measured.score:.3g}" if judged.measured else f"failed: {judged.why}"
            self._tell(f"judged   {judged.arm}, seed {judged.seed}: {score}")
        self.judged = len(progress.judged)
        going = [f"{number} ({share:.0%})" for number, share in progress.running.items()]
        words = [f"run {min(self.judged + 1, progress.judgements)} of {progress.judgements}"] if progress.stage == "judgement" else []
        words += [f"trial {', '.join(going)}"] if going else []
        words += [f"best {progress.best.score:.3g} (trial {progress.best.number})"] if progress.best else []
        words += [f"default {progress.default.score:.3g}"] if progress.default and progress.default.score is not None else []
        words += [f"{_clock(progress.left)} left", *([_short(progress.picture)] if progress.picture else [])]
        self._status("  ".join(words))

    def _trial(self, trial: Trial) -> str:
        """A line about a trial that has ended."""
        head = f"trial {trial.number:<2} "
        if trial.score is None:
            return head + (f"failed: {trial.why}" if trial.why else f"ended early, at {trial.share:.0%}")
        best = self.best is None or trial.score < self.best
        self.best = trial.score if best else self.best
        values = "the default" if trial.default else ", ".join(f"{_last(name)} {_number_of(value)}" for name, value in trial.values.items())
        return f"{head}{trial.score:.3g}  {'best  ' if best else ''}{values}"

    def _tell(self, words: str) -> None:
        self._say(words, out)

    def _status(self, words: str) -> None:
        if not err.is_terminal:
            return
        if self.bar is None:
            from rich.progress import Progress, SpinnerColumn, TextColumn

            self.bar = Progress(SpinnerColumn(), TextColumn("{task.description}"), console=err)
            self.bar.start()
            self.task = self.bar.add_task(words, total=None)
        self.bar.update(self.task, description=escape(words))


def _opening_lines(started: Started) -> list[str]:
    """The data in short, then what was chosen."""
    r, n = started.recipe, len(started.collection)
    classes = f", {len(started.collection.classes)} classes" if started.collection.classes else ""
    if started.collection.conditions is not None:
        classes = f", with {escape(', '.join(c.name for c in started.collection.conditions.columns[:5]))}"
        classes += ", …" if len(started.collection.conditions.columns) > 5 else ""
    shape = "x".join(str(k) for k in started.collection.raw.shape[1:])
    lines = [f"data     {escape(r.data.source)}: {n:,} samples of {shape}{classes}; {n - started.training:,} held out"]
    lines += [_finding(f) for f in started.collection.findings if f.severity != "note"]
    lines += [] if started.resumed.step else _few_held_out(n, n - started.training)
    lines += [BALANCED] if r.data.balance else []
    g, d = started.parameters
    lines.append(f"networks {r.network.name}, generator {_count(g)} and discriminator {_count(d)} parameters, latent {r.network.latent}")
    lines.append(
        f"game     {r.loss.name}, {_penalty(r.penalty)}, "
        f"rate {_pair(r.optimiser.lr_generator, r.optimiser.lr_discriminator, 'and')}, batch {r.run.batch}, seed {r.run.seed}"
    )
    m = r.machine
    lines.append(
        f"machine  {m.device}, {m.precision}, {m.workers} process{'es' if m.workers != 1 else ''} "
        f"of {m.threads} thread{'s' if m.threads != 1 else ''}"
    )
    ends = [f"{_count(r.run.samples)} samples seen"] if r.run.samples else []
    ends += [f"{r.run.minutes:.3g} minutes"] if r.run.minutes else []
    resumed = f", from step {started.resumed.step:,}" if started.resumed.step else ""
    lines.append(f"ends     after {' or '.join(ends)}{resumed}")
    return lines


def _penalty(penalty: PenaltySettings) -> str:
    """The gradient penalty in words."""
    if not (penalty.gamma or penalty.gamma_end):
        return "no gradient penalty"
    name = {"r1+r2": "R1 and R2", "r1": "R1", "r2": "R2"}.get(penalty.name, penalty.name)
    return f"{name} {penalty.form} with gamma {_pair(penalty.gamma, penalty.gamma_end, 'to')}"


def _pair(first: float | None, second: float | None, between: str) -> str:
    """'0.2 to 0.1', or '0.2' where both are the same."""
    return f"{first:.3g}" if first == second else f"{first:.3g} {between} {second:.3g}"


def _few_held_out(count: int, held: int) -> list[str]:
    """A line where so few samples were held out that the run could not be judged by them; it would come too late behind the run."""
    from gansmith.metrics.judgement import LEAST

    if not 0 < held < LEAST:
        return []
    share = math.ceil(150 * LEAST / count) / 100  # half as many again, for the split is by chance
    mend = f"set data.held_out={share:g}" if share <= 0.5 else "keep other real data for its --against"
    return [f"note     {held} held-out samples are too few for 'gansmith evaluate', which needs {LEAST}: {mend}"]


def _finding(finding: Finding) -> str:
    kind = "note" if finding.severity == "note" else "warning"
    return f"{kind:8} {finding.code} {escape(finding.message)} {escape(finding.advice)}".rstrip()


def _show(found: Description) -> None:
    out.print(f"data     {escape(found.source)}: {found.count:,} samples of {'x'.join(map(str, found.shape))} ({found.domain})")
    out.print(f"split    {found.training:,} to train on, {found.count - found.training:,} held out")
    of_columns = ("range", "dtype") if "columns" in found.facts else ()  # each has its own
    for name, value in found.facts.items():
        words = "" if name in of_columns else _fact(name, value)
        if words:
            out.print(f"{name.replace('_', ' '):8} {escape(words)}")
    if "columns" in found.facts:
        _show_columns(found.facts["columns"])
    told = [*map(_finding, found.findings), *_few_held_out(found.count, found.count - found.training)]
    for line in told:
        out.print(line)
    if not told:
        out.print("no problems were found")
    forecast = found.forecast
    if forecast is not None:
        r, (g, d) = forecast.recipe, forecast.parameters
        out.print(
            f"a run    {r.network.name} networks ({_count(g)} and {_count(d)} parameters), "
            f"{_count(forecast.samples_per_second)} samples/s here, "
            f"about {_clock(forecast.minutes * 60)} and {forecast.memory_mib:,.0f} MiB"
        )
        if r.data.balance:
            out.print(BALANCED)


def _show_columns(columns: dict[str, dict[str, Any]]) -> None:
    """The columns of a table, one a line."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="")
    for title in ("column", "kind", "distinct", "missing", "values"):
        table.add_column(title, justify="right" if title in ("distinct", "missing") else "left", no_wrap=title != "values")
    for name, told in columns.items():
        if "levels" in told:
            values = ", ".join(f"{level} {_count(n)}" for level, n in list(told["levels"].items())[:LEVELS])
        elif "range" in told and told["kind"] != "constant":
            say = _moment if told["kind"] == "date" else "{:,.7g}".format
            often = "".join(f"; {say(value)} in {share:.0%}" for value, share in told.get("spikes", [])[:1])
            values = f"{say(told['range'][0])} to {say(told['range'][1])}{often}"
        else:
            values = ""
        missing = f"{told['missing']:.1%}" if told.get("missing") else ""
        table.add_row(escape(name), told["kind"], f"{told.get('distinct', 0):,}", missing, escape(values))
    out.print(table)


def _moment(seconds: float) -> str:
    """Seconds since 1970 as a day, and the time where there is one."""
    return str(datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds))[:19].removesuffix(" 00:00:00")


def _fact(name: str, value: Any) -> str:
    """One fact in words; '' where there is nothing to tell."""
    if name in ("fingerprint", "shape", "span", "count", "schema", "columns", "total_variance", "target", "repeats") or value in (
        None,
        [],
        {},
        "",
    ):
        return ""
    if name == "conditions":
        return "; ".join(
            f"{column} ({_plain([told['kind'], {k: v for k, v in told.items() if k != 'kind'}])})" for column, told in value.items()
        )
    if name == "sizes":
        common = ", ".join(f"{n:,} of {_by(size)}" for size, n in value["common"])
        return common if value["min"] == value["max"] else f"{_by(value['min'])} to {_by(value['max'])}; {common}"
    if isinstance(value, dict) and "count" in value:
        named = value.get("examples") or value.get("files") or []
        return f"{value['count']:,}" + (f": {_plain(named)}" if named else "") if value["count"] else ""
    return _plain(value)


def _by(size: list[int]) -> str:
    return "x".join(map(str, size))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_plain(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(v) for v in value[:12]) + (", …" if len(value) > 12 else "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _count(number: float | None) -> str:
    """1234567 as 1.23M."""
    number = float(number or 0)
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * scale:  # what rounds to 1M is no 1,000k
            return f"{number / scale:.3g}{letter}"
    return f"{number:.0f}"


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "–:––"
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"
