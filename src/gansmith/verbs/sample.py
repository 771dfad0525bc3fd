"""sample: from a run or an exported generator to files."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gansmith import latent
from gansmith.artefact import CHUNK, Generator, Label, Samples
from gansmith.conditions import Asked, from_units
from gansmith.engine import distribute
from gansmith.engine.distribute import World
from gansmith.errors import ConfigError, DataError, storage_error
from gansmith.runs import replacing, write_json
from gansmith.verbs import rows
from gansmith.verbs.place import free, settle
from gansmith.verbs.run import load

GRID = 256  # samples on a grid at most
NAMED = 60  # characters of a class in the name of a file, which may have 255 bytes
ARCHIVE = ".npz"
NO_FOLDERS = {*rows.FILES, *rows.OTHERS} - {ARCHIVE}  # endings of a path that nobody means for a folder


def sample(
    run: str | Path,
    count: int = 64,
    *,
    out: str | Path = "samples",
    label: str | Asked | None = None,
    where: Sequence[str] = (),
    balance: str | None = None,
    seed: int = 0,
    truncation: float = 1.0,
    grid: bool = False,
    interpolate: int = 0,
    latents: str | Path | None = None,
    generator: nn.Module | None = None,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> Path:
    """Draw samples from a run or an exported generator into files, and return their path.

    out          a folder, made here: one file a sample in the domain's own format, and manifest.json; or a path ending in .npz: one file
                 with the arrays `samples`, `labels` and `class_names`, or `conditions` and `condition_names`. Rows of a table become the
                 file rows.csv of the folder, or with a path ending in .csv or .parquet that file
    label        one class, or several separated by commas, in turn; None: as often as in the training data. Of conditions of several
                 columns, "smiling=1,age=35" or a mapping; what is not said is drawn from rows of the training data
    where        of a table: conditions that every row meets, exactly: "sex=Female", "age>60", "job=cook|waiter"
    balance      of a table: a column of which each value is drawn in turn, and so equally often
    grid         also draw the first samples as one picture, grid.png (beside an .npz: NAME.png)
    interpolate  instead of single samples, `count` walks of so many steps from one latent to another, along the sphere
    latents      in the place of `count` drawn samples, those of an .npz with the array `latents` [N, Z] and, unless `label` is given,
                 `labels` [N] of class indices or `conditions` [N, K]: what `invert` writes

    Sample i depends on (seed, i) alone. Under torchrun the processes share the work, but for a table. ConfigError, RunError and
    StorageError as usual.
    """
    if interpolate < 0 or interpolate == 1:
        raise ConfigError(f"a walk needs at least 2 steps; interpolate is {interpolate}.")
    if count < 1:
        raise ConfigError(f"{count} samples were requested; request at least 1.")
    if not 0.0 < truncation <= 1.0:
        raise ConfigError(f"truncation is {truncation}; it must be above 0, up to 1 (1: no truncation).")
    if interpolate and latents is not None:
        raise ConfigError("walks are between random latents, but latents were given. Leave one of the two out.")
    source = load(run, generator)
    labels = _asked(label, source)
    if not source.card.layout.given:
        source.labels(1, labels, seed)  # an unknown label is told before a file is made
    target = free(out)
    ending = target.suffix.lower()
    if grid and ending in (ARCHIVE, *rows.FILES):
        free(target.with_suffix(".png"))
    if source.card.layout.given:
        if interpolate or latents is not None or ending == ARCHIVE:
            raise ConfigError("tables support no walks, no given latents and no .npz. Give a folder as -o, or a .csv or .parquet.")
        if distribute.launched():
            raise ConfigError("rows of a table can only be drawn by a single process. Run without torchrun.")
        about = {"run": str(run), "seed": seed, "truncation": truncation, "count": count}
        rows.draw(
            source, count, target, label=labels, where=where, balance=balance, seed=seed, truncation=truncation, grid=grid, about=about,
            progress=progress,
        )  # fmt: skip
        return Path(out)
    if ending in NO_FOLDERS:
        raise ConfigError(f"these samples cannot be written as {ending}. Give a folder as -o, or a path ending in {ARCHIVE}.")
    if where or balance:
        raise ConfigError("conditions on columns were given, but this generator does not make rows of a table. Leave them out.")
    world = distribute.join("cpu")
    try:
        given = None if latents is None else read_latents(latents, source)
        total = count * max(interpolate, 1) if given is None else len(given[0])
        if interpolate:
            chunks = iter([_walks(source, count, interpolate, labels, seed, truncation)] if world.first else [])
        else:
            starts = range(world.rank * CHUNK, total, world.size * CHUNK)
            chunks = (_chunk(source, start, min(CHUNK, total - start), labels, seed, truncation, given) for start in starts)
        conditions = {"run": str(run), "seed": seed, "truncation": truncation, "interpolate": interpolate, "count": total}
        if latents is not None:
            conditions["latents"] = str(latents)
        if ending == ARCHIVE:
            if world.size > 1:
                raise ConfigError("an .npz file can only be written by a single process. Give a folder as -o, or run without torchrun.")
            _write_archive(target, list(chunks), grid, interpolate)
            return Path(out)
        starts_at = 0 if interpolate else world.rank * CHUNK
        stride = CHUNK * world.size
        _write_folder(target, source, chunks, starts_at, stride, total, conditions, grid, interpolate, world, progress)
        return Path(out)
    finally:
        world.leave()


def _asked(label: str | Asked | None, source: Generator) -> Label | None:
    """What is asked for, several classes apart."""
    if not isinstance(label, str) or source.columns:
        return label
    return [label] if label in source.classes else [word.strip() for word in label.split(",")]


def read_latents(path: str | Path, source: Generator) -> tuple[Tensor, np.ndarray | None]:
    """The arrays `latents` [N, Z] and, where there are classes, `labels` [N] of an .npz, or where there are columns, `conditions` [N, K].

    DataError where they do not fit the generator.
    """
    size, classes = source.card.network.latent, len(source.classes)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            latents, labels, conditions = arrays["latents"], arrays.get("labels"), arrays.get("conditions")
    except FileNotFoundError:
        raise DataError(f"there is no file of latents {path}. Give an .npz as written by 'gansmith invert'.") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an .npz with an array 'latents' ({error}). Give one as written by 'gansmith invert'.") from None
    if latents.ndim != 2 or latents.shape[1] != size or not len(latents) or latents.dtype.kind != "f" or not np.isfinite(latents).all():
        raise DataError(
            f"the latents in {path} are of shape {latents.shape} and dtype {latents.dtype}; finite numbers [N, {size}] are required."
        )
    if conditions is not None and source.rows is not None:
        if conditions.shape != (len(latents), source.rows.width) or conditions.dtype.kind != "f" or not np.isfinite(conditions).all():
            raise DataError(f"the conditions in {path} are not {source.rows.width} finite numbers for each of {len(latents)} latents.")
        return torch.from_numpy(latents).float(), from_units(conditions, source.columns)
    if labels is None or not classes:
        return torch.from_numpy(latents).float(), None
    if labels.shape != latents.shape[:1] or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise DataError(f"the labels in {path} are not one class index below {classes} for each of {len(latents)} latents.")
    return torch.from_numpy(latents).float(), labels.astype(np.int64)


def _chunk(
    source: Generator,
    start: int,
    count: int,
    label: Label | None,
    seed: int,
    truncation: float,
    given: tuple[Tensor, np.ndarray | None] | None,
) -> Samples:
    """Samples start .. start + count, drawn or given."""
    if given is None:
        return source.sample(count, label=label, seed=seed, truncation=truncation, start=start)
    latents, labels = given
    rows = slice(start, start + count)
    kinds = source.labels(count, label, seed, start) if labels is None or label is not None else labels[rows]
    return source.decode(latents[rows], kinds, start, truncation=truncation)


def _walks(source: Generator, count: int, steps: int, label: Label | None, seed: int, truncation: float) -> Samples:
    """`count` walks of `steps` samples, each of one class or condition."""
    size = source.card.network.latent
    assert size
    ends = latent.draw(seed, "sample", 0, 2 * count, size)
    places = torch.linspace(0.0, 1.0, steps)
    walks = [latent.slerp(a.expand(steps, -1), b.expand(steps, -1), places[:, None]) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    labels = source.labels(count, label, seed)
    return source.decode(torch.cat(walks), None if labels is None else np.repeat(labels, steps, 0), truncation=truncation)


def _write_archive(target: Path, chunks: list[Samples], grid: bool, columns: int) -> None:
    raw = np.concatenate([c.raw for c in chunks])
    arrays: dict[str, Any] = {"samples": raw}
    if chunks[0].labels is not None:
        arrays["labels"] = np.concatenate([c.labels for c in chunks if c.labels is not None])
        arrays["class_names"] = np.array(chunks[0].classes)
    if chunks[0].conditions is not None:
        arrays["conditions"] = np.concatenate([c.conditions.in_units() for c in chunks if c.conditions is not None])
        arrays["condition_names"] = np.array(chunks[0].conditions.names)
    with replacing(target) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    if grid:
        _save_picture(chunks[0], target.with_suffix(".png"), columns)


def _write_folder(
    target: Path,
    source: Generator,
    chunks: Iterator[Samples],
    start: int,
    stride: int,
    total: int,
    conditions: dict[str, Any],
    grid: bool,
    columns: int,
    world: World,
    progress: Callable[[int, int], None],
) -> None:
    """Write into a folder beside the target, which takes its place when all is there."""
    part = target.with_name(f".{target.name}.part")
    try:
        if world.first:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        world.any(False)  # nobody writes before the folder is there
        for chunk in chunks:
            names = [_name(i, total, chunk, i - start) for i in range(start, start + len(chunk))]
            files = source.codec.write(chunk.raw, part, names)
            entries = _entries(files, chunk)
            (part / f".{start:012d}.json").write_text(json.dumps(entries), encoding="utf-8")
            if grid and start == 0:
                _save_picture(chunk, part / "grid.png", columns)
            progress(min(start + len(chunk), total), total)
            start += stride
        world.any(False)  # the first process counts what all have written
        if world.first:
            lists = sorted(part.glob(".*.json"))
            files = [entry for path in lists for entry in json.loads(path.read_text(encoding="utf-8"))]
            for path in lists:
                path.unlink()
            known = {**conditions, "classes": list(source.classes)}
            known |= {"columns": {c.name: c.known for c in source.columns}} if source.columns else {}
            write_json(part / "manifest.json", {**known, "samples": files})
            settle(part, target)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError):
            raise storage_error(error, target) from error
        raise


def _name(index: int, total: int, chunk: Samples, place: int) -> str:
    number = str(index).zfill(max(5, len(str(total - 1))))
    if chunk.labels is None:
        return number
    label = "".join(c if c.isalnum() or c in "-." else "_" for c in chunk.classes[chunk.labels[place]][:NAMED])
    return f"{number}_{label}"


def _entries(files: list[str], chunk: Samples) -> list[dict[str, Any]]:
    """Each file with the label or condition of its sample, where each sample has one."""
    if len(files) != len(chunk):
        return [{"file": f} for f in files]
    if chunk.conditions is not None:
        return [{"file": f, "condition": c} for f, c in zip(files, chunk.conditions.records(), strict=True)]
    if chunk.labels is None:
        return [{"file": f} for f in files]
    return [{"file": f, "label": chunk.classes[k]} for f, k in zip(files, chunk.labels, strict=True)]


def _save_picture(chunk: Samples, path: Path, columns: int) -> None:
    shown = max(GRID // columns, 1) * columns if columns else GRID  # a walk is a row, and none is cut
    picture = chunk.codec.picture(chunk.raw[:shown], columns or None)
    with replacing(path) as temporary:
        picture.save(temporary, "PNG")
