"""directions: what a generator can change, a strip of pictures for each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from gansmith import latent
from gansmith.errors import ConfigError
from gansmith.runs import DIRECTIONS, write_json
from gansmith.verbs.place import new_folder
from gansmith.verbs.run import load


def directions(
    run: str | Path,
    *,
    out: str | Path = "directions",
    count: int = 5,
    steps: int = 7,
    rows: int = 6,
    reach: float = 3.0,
    label: str | None = None,
    seed: int = 0,
    generator: nn.Module | None = None,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> Path:
    """Walk along the directions in which a generator's samples change most, and return the folder of the pictures.

    count    directions, the strongest first: eigenvectors of what its first layers do to the latent, found without any sample
             (arXiv:2007.06600); a generator that turns the latent into a style first has them in the style
    steps    pictures in a row, the middle one of an odd number being the sample itself
    rows     samples that are walked from, of one class with `label`
    reach    the ends of a walk, in standard deviations of what is drawn along the direction

    Writes direction-1.png, … and directions.json with eigenvalues and vectors. ConfigError for an unknown label, or where there are not so
    many directions; RunError and StorageError as usual.
    """
    for name, value, least in (("steps", steps, 2), ("rows", rows, 1)):
        if value < least:
            raise ConfigError(f"{value} {name} were requested; request at least {least}.")
    if not 0.0 < reach < np.inf:
        raise ConfigError(f"the reach is {reach}; it must be a number above 0, in standard deviations.")
    source = load(run, generator)
    found = source.directions(count)
    size, labels = source.card.network.latent or 1, source.labels(rows, label, seed)
    latents = latent.draw(seed, "sample", 0, rows, size).repeat_interleave(steps, 0)  # a row a sample
    places = torch.linspace(-reach, reach, steps).repeat(rows).unsqueeze(1)
    entries = []
    with new_folder(out) as folder:
        for i, (vector, spread) in enumerate(zip(found.vectors, found.spreads, strict=True)):
            walked = source.decode(latents, None if labels is None else np.repeat(labels, steps, 0), shift=places * spread * vector)
            picture = f"direction-{i + 1}.png"
            walked.picture(steps).save(folder / picture)
            entries.append(
                {
                    "picture": picture,
                    "eigenvalue": found.eigenvalues[i].item(),
                    "share": found.shares[i].item(),
                    "spread": spread.item(),
                    "vector": vector.tolist(),
                }
            )
            progress(i + 1, count)
        about = {"run": str(run), "space": found.space, "seed": seed, "label": label, "steps": steps, "reach": reach}
        write_json(folder / DIRECTIONS, {**about, "directions": entries})
    return Path(out)
