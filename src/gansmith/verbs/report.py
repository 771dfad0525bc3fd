"""report: everything known of a run, or of several side by side, on one page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch

from gansmith import config, latent, pages
from gansmith.artefact import Generator
from gansmith.domains.domain import ChoiceCodec
from gansmith.domains.image.grid import GAP
from gansmith.engine import checkpoint
from gansmith.errors import ConfigError, GansmithError, RunError, StorageError
from gansmith.health.checks import examine
from gansmith.metrics.table_summary import Summary
from gansmith.pages import Picture, Pictures, Report, RunRecord
from gansmith.pages.words import count
from gansmith.records import Evaluation, Proof
from gansmith.runs import RunFolder, find, read_json, write_json, write_text
from gansmith.verbs import kept
from gansmith.verbs.diagnose import health_of, history_of
from gansmith.verbs.run import Run

if TYPE_CHECKING:
    from PIL.Image import Image

SEED = 0  # of everything drawn for the page
COLUMNS = 12  # pictures in a row
DRAWN = {0: 1000, 1: 24, 2: 6 * COLUMNS}  # samples of the draw, by the number of axes a sample has
OF_A_CLASS = {0: 200, 1: 6, 2: COLUMNS}
STEPS = {0: 100, 1: 6, 2: COLUMNS}  # samples of a walk, the ends included
WALKS = 4
CLASSES = 20  # shown one by one at most
MOMENTS = 7  # previews shown at most
PREVIEW_ROWS = 8  # of pictures in a preview
ROWS = 8  # of a table that are shown
NO_FOLDERS = (".htm", ".pdf", ".md", ".txt", ".json", ".zip", ".png", ".jpg")  # endings of a path that nobody means for a folder
MARKS = ('<p class="overline">gansmith report</p>', "<p>Written by gansmith ")  # in the head and the foot of every page of a report
SMALL = 32  # pixels of a picture's longer side up to which each of them should show

T = TypeVar("T")


def report(runs: str | Path | Sequence[str | Path], *, out: str | Path | None = None, command: str = "") -> Path:
    """Write report.html, report.json and report.md of a run, or of several side by side, and give the path of the page.

    runs     a run folder, or several. A run that never finished, or was never measured, gets a report that says so.
    out      a folder, or a path ending in .html beside which the other two are written; None: the run's own folder
    command  shown as what makes the page again

    The page is one file of at most 6 MiB that asks nothing of any network. The same inputs give the same bytes. RunError where a folder
    is no run, ConfigError where several runs come without `out`, StorageError where there is no room.
    """
    paths = [Path(runs)] if isinstance(runs, str | Path) else [Path(p) for p in runs]
    page = _place(paths, out)
    for path in (page, page.with_suffix(".json"), page.with_suffix(".md")):
        if path.exists() and not _of_a_report(path):
            raise StorageError(f"{path} already exists and is not of a report, so it is not overwritten. Give --out another name.")
    folders = [find(path) for path in paths]
    records = tuple(gather(folder, name) for folder, name in zip(folders, _names(folders), strict=True))
    words = ["gansmith", "report", *map(str, paths), *(["--out", str(out)] if out is not None else [])]
    found = Report(records, command or shlex.join(words), version("gansmith"))
    html, summary = pages.html(found), pages.markdown(found)
    write_json(page.with_suffix(".json"), found.to_dict())
    write_text(page.with_suffix(".md"), summary)
    write_text(page, html)
    return page


def _place(paths: Sequence[Path], out: str | Path | None) -> Path:
    """Where the page goes."""
    if not paths:
        raise ConfigError("no run was given. Give the folder that 'gansmith train' named at its end.")
    if out is not None:
        ending = Path(out).suffix.lower()
        if ending in NO_FOLDERS:
            raise ConfigError(f"a report cannot be written as {ending}. Give a folder as --out, or a path ending in .html.")
        return Path(out) if ending == ".html" else RunFolder(Path(out)).report
    if len(paths) > 1:
        raise ConfigError(
            f"{len(paths)} runs were given, and their common page belongs in none of their folders. Say where to write it with --out."
        )
    return RunFolder(paths[0]).report


def _of_a_report(path: Path) -> bool:
    """Whether this is the page of a report, or was written beside one."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix.lower() == ".html":
            return all(mark in text for mark in MARKS)
        if path.suffix == ".md":
            return text.rstrip().rpartition("\n")[2].startswith("Made with ") and " by gansmith " in text
        found = json.loads(text)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"gansmith", "command", "runs"} <= found.keys()


def _names(folders: Sequence[RunFolder]) -> list[str]:
    """What each run is called on the page: its folder's name, the whole path where two have the same."""
    names = [folder.path.resolve().name for folder in folders]
    return [name if names.count(name) == 1 else str(folder.path) for name, folder in zip(names, folders, strict=True)]


def gather(folder: RunFolder, name: str) -> RunRecord:
    """All that is known of a run. What cannot be read or drawn is told in a sentence of `missing`. ConfigError for a broken recipe."""
    run, missing = Run(folder), list[str]()

    def attempt(read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except GansmithError as error:
            missing.append(str(error))
            return otherwise

    recipe, log = run.recipe, run.log
    data = attempt(lambda: _data(run), dict[str, Any]())
    generator = attempt(lambda: run.generator, None)
    axes = generator.card.layout.positions if generator else tuple(data.get("layout", {}).get("positions", ()))
    seen = {r["step"]: r["seen"] for r in log if "seen" in r}
    of_rows = generator is not None and generator.card.layout.given  # which are read, and not looked at
    drawn = generator if not of_rows else None
    pictures = Pictures(
        draw=_draw(drawn) if drawn else None,
        classes=_classes(drawn) if drawn else (),
        time=attempt(lambda: _time(folder, seen, axes), ()),
        walk=_walk(drawn) if drawn else None,
        closest=attempt(lambda: _closest(folder, axes), None),
    )
    evaluations: tuple[Evaluation, ...] = tuple(attempt(lambda: kept.evaluations(folder), []))
    proofs: tuple[Proof, ...] = tuple(attempt(lambda: kept.proofs(folder), []))
    history = history_of(folder)
    seconds = attempt(lambda: checkpoint.newest(folder).seconds, 0.0)
    return RunRecord(
        name=name,
        path=str(folder.path),
        recipe=folder.recipe.read_text(encoding="utf-8"),
        settings=config.flat(recipe),
        data=data,
        log=tuple(log),
        seconds=seconds or None,
        evaluations=evaluations,
        proofs=proofs,
        missing=tuple(missing),
        table=attempt(lambda: _table(folder), None),
        rows=_rows(generator) if generator and of_rows else (),
        health=health_of(folder, history, examine(history)),
        pictures=pictures,
    )


def _data(run: Run) -> dict[str, Any]:
    """data.json, with the number of held-out samples in the place of their list. RunError where it cannot be read."""
    data = run.data
    split = data.get("split", {})
    return {**data, "split": {**split, "held_out": len(split.get("held_out", ()))}}


def _table(folder: RunFolder) -> Summary | None:
    """What the newest evaluation of a table saw of its columns. RunError where it cannot be read."""
    if not folder.columns.exists():
        return None
    try:
        return Summary.from_dict(read_json(folder.columns))
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{folder.columns} was not written by gansmith or is damaged ({type(error).__name__}: {error}). Evaluate the run again."
        ) from None


def _rows(generator: Generator) -> tuple[tuple[str, ...], ...]:
    """The names of the columns, and a few rows as texts."""
    codec = cast(ChoiceCodec, generator.codec)
    cells = codec.cells(generator.sample(ROWS, seed=SEED).raw)
    return tuple(codec.names), *(tuple(map(str, row)) for row in cells.to_numpy())


def _draw(generator: Generator) -> Picture:
    samples = generator.sample(DRAWN[_axes(generator)], seed=SEED)
    words = f"{len(samples):,} samples drawn at random"
    return _picture(generator, samples.raw, words, f"A grid of {words}" if _axes(generator) == 2 else f"A drawing of {words}")


def _classes(generator: Generator) -> tuple[Picture, ...]:
    """A few samples of each class, of the first classes where there are many."""
    classes, each = generator.classes[:CLASSES], OF_A_CLASS[_axes(generator)]
    if not classes:
        return ()
    raw = generator.sample(len(classes) * each, label=classes, seed=SEED).raw
    return tuple(_picture(generator, raw[i :: len(classes)], c, f"{each} generated samples of class {c}") for i, c in enumerate(classes))


def _walk(generator: Generator) -> Picture:
    """Walks from one latent to another along the sphere, each of one class or condition."""
    steps, size = STEPS[_axes(generator)], generator.card.network.latent
    assert size
    ends = latent.draw(SEED, "walk", 0, 2 * WALKS, size)
    latents = torch.cat([latent.path(pair, steps - 1) for pair in ends.split(2)])
    kinds = np.arange(WALKS) % len(generator.classes) if generator.classes else generator.labels(WALKS, None, SEED)
    labels = None if kinds is None else np.repeat(kinds, steps, 0)
    raw = generator.decode(latents, labels).raw
    words = f"{WALKS} walks of {steps} samples from one latent to another"
    return _picture(generator, raw, words, f"{words}, each sample slightly different from the one before")


def _picture(generator: Generator, raw: np.ndarray, title: str, alt: str) -> Picture:
    axes = generator.card.layout.positions
    return Picture(generator.codec.picture(raw, COLUMNS if len(axes) == 2 else None), title, alt, _small(axes))


def _axes(generator: Generator) -> int:
    return min(len(generator.card.layout.positions), 2)


def _small(axes: Sequence[int]) -> bool:
    return len(axes) == 2 and max(axes) <= SMALL


def _time(folder: RunFolder, seen: Mapping[int, int], axes: Sequence[int]) -> tuple[Picture, ...]:
    """Previews from the first to the last; of pictures, the first row of each. RunError where one cannot be read."""
    paths = sorted(folder.previews.glob("step-*.png"))
    found = []
    for place in sorted({round(i) for i in np.linspace(0, len(paths) - 1, MOMENTS)}) if paths else ():
        step = int(paths[place].stem.removeprefix("step-"))
        image = _read(paths[place])
        if len(axes) == 2:
            whole = PREVIEW_ROWS * axes[0] + (PREVIEW_ROWS - 1) * GAP  # pixels of its height before it was enlarged
            image = image.crop((0, 0, image.width, image.height * axes[0] // whole))
        title = f"{count(seen[step])} samples seen" if step in seen else f"step {step:,}"
        found.append(Picture(image, title, f"Samples from the same latents at step {step:,} of the run", _small(axes)))
    return tuple(found)


def _closest(folder: RunFolder, axes: Sequence[int]) -> Picture | None:
    if not folder.closest.exists():
        return None
    beside = "each above" if len(axes) == 2 else "each with"
    words = f"the generated samples that are nearest to a training sample, {beside} that sample"
    return Picture(_read(folder.closest), f"Pairs: {words}", f"Pairs of pictures: {words}", _small(axes))


def _read(path: Path) -> Image:
    """A picture file, decoded. RunError where it cannot be."""
    from PIL import Image as images

    try:
        with images.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for files that are broken in one way or another
        raise RunError(f"{path} is not a readable picture ({str(error).splitlines()[0]}). Copy the run's folder again.") from None
