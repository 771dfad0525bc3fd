"""invert: the latents whose samples come closest to given pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gansmith import latent
from gansmith.artefact import BLOCK, Generator, Samples, refuse_rows
from gansmith.domains.image.pictures import Target, Unreadable, decode, header
from gansmith.errors import ConfigError, DataError
from gansmith.networks.grid import grids, halve
from gansmith.networks.heads import Input
from gansmith.runs import INVERSION, write_json
from gansmith.verbs.place import new_folder
from gansmith.verbs.run import load

POOL = 4 * BLOCK  # samples drawn of each class, from the nearest of which the search starts
RATE = 0.1  # of Adam, in standard deviations of a latent
COLUMNS = 8  # pictures in a row of pairs at most
KINDS = {1: "grey", 3: "colour", 4: "transparency"}  # what picture files hold, by channels
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Inversion:
    """Given samples, and the nearest that a generator was found to make of each."""

    given: np.ndarray  # [N, ...] native samples
    found: Samples  # with the latents [N, Z], and the class of each where there are classes
    distances: np.ndarray  # [N], root mean square of the difference, in standard deviations of the data
    place: Path | None = None  # the folder that was written


def invert(
    run: str | Path | Generator,
    pictures: Sequence[str | Path] | np.ndarray,
    *,
    out: str | Path | None = None,
    label: str | None = None,
    starts: int = 4,
    steps: int = 200,
    seed: int = 0,
    generator: nn.Module | None = None,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> Inversion:
    """Search for the latents whose samples come closest to given pictures.

    run       a run, an exported generator, or a loaded `Generator`
    pictures  paths of picture files, or native samples [N, ...]; of the generator's own size and channels
    out       folder to create: pairs.png (each given picture, and behind it the one found), latents.npz (`latents`, `distances` and, where
              there are classes, `labels` and `class_names`; `sample` draws from it) and inversion.json; None: nothing is written
    label     the class; None: every class is tried
    starts    searches for each picture, from the nearest of some hundred samples drawn of every class

    Adam on the latent, which is kept to normal lengths, minimises the mean squared difference, averaged over the sample and
    smaller copies of it, down to a few positions. The same seed gives the same result. DataError where a picture cannot be read, is of
    another form or holds values that are not finite; ConfigError, RunError and StorageError as usual.
    """
    for name, value in (("starts", starts), ("steps", steps)):
        if value < 1:
            raise ConfigError(f"{value} {name} were requested; request at least 1.")
    if starts > POOL:
        raise ConfigError(f"{starts} starts were requested; there are {POOL} drawn samples to start from.")
    source = run if isinstance(run, Generator) else load(run, generator)
    refuse_rows(source.card.layout, "no latent can be found by small steps towards a given row")
    wanted = source.sample(1).raw
    given = pictures if isinstance(pictures, np.ndarray) else _opened([Path(path) for path in pictures], source, wanted)
    if not len(given) or given.shape[1:] != wanted.shape[1:] or given.dtype != wanted.dtype:
        raise DataError(
            f"found an array of shape {given.shape} and dtype {given.dtype}; this generator makes samples of shape {wanted.shape[1:]} and "
            f"dtype {wanted.dtype}. Give at least one in that form."
        )
    odd = int((~np.isfinite(given)).reshape(len(given), -1).any(1).sum())
    if odd:
        raise DataError(f"{odd:,} of the {len(given):,} given samples hold values that are not finite. Mend these, or leave them out.")
    if out is None:
        return _search(source, given, label, starts, steps, seed, progress)
    with new_folder(out) as folder:
        inversion = _search(source, given, label, starts, steps, seed, progress)
        names = [f"sample {i}" for i in range(len(given))] if isinstance(pictures, np.ndarray) else [str(path) for path in pictures]
        _write(folder, inversion, names, {"run": str(run), "starts": starts, "steps": steps, "seed": seed})
    return replace(inversion, place=Path(out))


def _search(
    source: Generator, given: np.ndarray, label: str | None, starts: int, steps: int, seed: int, progress: Callable[[int, int], None]
) -> Inversion:
    scale = Input(source.card.layout)
    x = scale(source.codec.encode(torch.from_numpy(given))).to(source.device)

    def features(latents: Tensor, labels: np.ndarray | None) -> Tensor:
        return _pyramid(scale(source.draw(latents, source.condition(labels))))

    asked = source.labels(1, label, seed) if label is not None else np.arange(len(source.classes)) if source.classes else None
    if source.columns and label is None:
        asked = source.labels(starts, None, seed)
    targets = _pyramid(x)
    begin, labels = _starts(source, features, targets, asked, starts, seed)
    best, kinds, distances, done = [], [], [], 0
    for group in torch.arange(len(given)).split(max(1, BLOCK // starts)):
        rows = slice(int(group[0]) * starts, (int(group[-1]) + 1) * starts)
        aims, of_rows = targets[group].repeat_interleave(starts, 0), None if labels is None else labels[rows]

        def cost(latents: Tensor, aims: Tensor = aims, labels: np.ndarray | None = of_rows) -> Tensor:
            return (features(latents, labels) - aims).square().sum(1)

        def step(count: int = len(group)) -> None:
            nonlocal done
            done += count
            progress(done, len(given) * steps)

        latents, costs = latent.descend(cost, begin[rows], steps, RATE, step)
        chosen = (costs.reshape(-1, starts).argmin(1) + starts * torch.arange(len(group), device=costs.device)).cpu()
        kind = None if of_rows is None else of_rows[chosen.numpy()]
        with torch.no_grad():
            made = scale(source.draw(latents[chosen], source.condition(kind)))
        best.append(latents[chosen].cpu())
        kinds.append(kind)
        distances.append((made - x[group]).flatten(1).square().mean(1).sqrt().cpu().numpy())
    found = source.decode(torch.cat(best), None if labels is None else np.concatenate([kind for kind in kinds if kind is not None]))
    return Inversion(given, found, np.concatenate(distances))


@torch.no_grad()
def _starts(
    source: Generator,
    features: Callable[[Tensor, np.ndarray | None], Tensor],
    targets: Tensor,
    asked: np.ndarray | None,
    starts: int,
    seed: int,
) -> tuple[Tensor, np.ndarray | None]:
    """The drawn latents [N · starts, Z] whose samples are nearest to targets [N, F], and their classes.

    First the nearest of each class asked for, as many of each as are needed to have enough, then the nearest of these: so that where
    there are more classes than starts, each search is of another.
    """
    pool = latent.draw(seed, "invert", 0, POOL, source.card.network.latent or 1).to(source.device)
    each = starts if asked is None else -(-starts // len(asked))
    rows, far = [], []
    for kind in [None] if asked is None else asked:
        drawn = [features(z, None if kind is None else np.repeat(kind[None], len(z), 0)) for z in pool.split(BLOCK)]
        near = torch.cdist(targets, torch.cat(drawn), compute_mode="donot_use_mm_for_euclid_dist").topk(each, largest=False)
        rows.append(near.indices)
        far.append(near.values)
    place = torch.cat(far, 1).topk(starts, largest=False).indices  # [N, starts], among the candidates
    latents = pool[torch.cat(rows, 1).gather(1, place).flatten()]
    return latents, None if asked is None else asked[(place.flatten() // each).cpu().numpy()]


def _pyramid(x: Tensor) -> Tensor:
    """Features [B, F] of samples [B, C, *P], whose squared distance is the mean square difference of x and its halved copies, averaged."""
    levels = [x]
    for _ in grids(tuple(x.shape[2:]))[1:] if x.dim() > 2 else ():
        levels.append(halve(levels[-1]))
    return torch.cat([level.flatten(1) / (level[0].numel() * len(levels)) ** 0.5 for level in levels], 1)


def _opened(paths: list[Path], source: Generator, wanted: np.ndarray) -> np.ndarray:
    """Picture files as native samples [N, H, W, C] of the form of `wanted`. DataError where one is of another."""
    if source.domain.name != "image" or wanted.shape[3] not in KINDS:
        raise ConfigError("this generator does not make pictures. From Python, pass samples as an array.")
    if not paths:
        raise DataError("no picture was given. Give at least one.")
    return np.stack([_picture(path, wanted) for path in paths])


def _picture(path: Path, wanted: np.ndarray) -> np.ndarray:
    """One picture file as [H, W, C]. DataError where something of it would be lost, or has to be made up."""
    height, width, channels = wanted.shape[1:]
    try:
        data = path.read_bytes()
        head = header(io.BytesIO(data))
        if (head.height, head.width) != (height, width):
            raise DataError(f"{path} is {head.height}x{head.width}, and this generator makes {height}x{width}. Resize it.")
        if head.depth != wanted.dtype:
            raise DataError(f"{path} is stored as {head.depth}, but this generator makes {wanted.dtype}. Save it in that number format.")
        colours = decode(data, Target(height, width, 4, head.depth, "crop", WHITE))
        if (found := _channels(colours)) > channels:
            have = f"{channels} channel{'s' if channels > 1 else ''}"
            raise DataError(f"{path} has {KINDS[found]}, but this generator's pictures have {have}. Convert it.")
        return decode(data, Target(height, width, channels, head.depth, "crop", WHITE))
    except FileNotFoundError:
        raise DataError(f"there is no picture {path}. Give the path of a picture file.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}). Give the path of a picture file.") from None
    except Unreadable as error:
        raise DataError(f"{path} cannot be used: {error}. Give another picture.") from None


def _channels(pixels: np.ndarray) -> int:
    """The fewest channels that lose nothing of a picture [H, W, 4]: grey saved as colour is grey, and nothing clear needs no fourth."""
    if pixels.dtype == np.uint8 and (pixels[..., 3] < 255).any():
        return 4
    return 1 if (pixels[..., :3] == pixels[..., :1]).all() else 3


def _write(folder: Path, inversion: Inversion, names: list[str], about: dict[str, Any]) -> None:
    found, given = inversion.found, inversion.given
    pairs = np.stack([given, found.raw], 1).reshape(-1, *given.shape[1:])
    found.codec.picture(pairs, min(len(pairs), COLUMNS)).save(folder / "pairs.png")
    arrays: dict[str, Any] = {"latents": found.latents.numpy(), "distances": inversion.distances}
    entries = [{"picture": name, "distance": float(d)} for name, d in zip(names, inversion.distances, strict=True)]
    if found.labels is not None:
        arrays |= {"labels": found.labels, "class_names": np.array(found.classes)}
        entries = [{**entry, "label": found.classes[k]} for entry, k in zip(entries, found.labels, strict=True)]
    if found.conditions is not None:
        arrays |= {"conditions": found.conditions.in_units(), "condition_names": np.array(found.conditions.names)}
        entries = [{**entry, "condition": c} for entry, c in zip(entries, found.conditions.records(), strict=True)]
    np.savez_compressed(folder / "latents.npz", **arrays)
    write_json(folder / INVERSION, {**about, "pictures": entries})
