"""A run folder in Python's hands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from gansmith import artefact, config, runs
from gansmith.artefact import Generator, Label, Samples
from gansmith.config import Recipe
from gansmith.errors import RunError
from gansmith.runs import RunFolder


class Run:
    """A trained (or half-trained) run: its folder, recipe and log, and samples of its averaged generator."""

    def __init__(self, folder: RunFolder | str | Path, generator: nn.Module | None = None) -> None:
        self.folder = folder if isinstance(folder, RunFolder) else runs.find(folder)
        self._own = generator
        self._loaded: Generator | None = None

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def recipe(self) -> Recipe:
        """Every setting of the run."""
        return config.read(self.folder.recipe)

    @property
    def log(self) -> list[dict[str, Any]]:
        """One record a tick: losses and their parts, logits, penalties, gradient norms, rates."""
        return self.folder.records()

    @property
    def data(self) -> dict[str, Any]:
        """What the run was trained on: counts, the held-out part, findings. RunError where it does not say so."""
        found = runs.read_json(self.folder.data)
        if not isinstance(found, dict) or not {"fingerprint", "own"} <= found.keys():
            raise RunError(
                f"{self.folder.data} does not say what this run was trained on. Copy the whole folder again, or train a new run."
            )
        return found

    @property
    def generator(self) -> Generator:
        """The averaged generator. RunError where the run has not written one yet."""
        if self._loaded is None:
            if not artefact.is_artefact(self.folder.generator):
                raise RunError(
                    f"{self.path} holds no generator yet: it ended before its first checkpoint. "
                    f"Go on with 'gansmith train --resume {self.path}'."
                )
            self._loaded = Generator.load(self.folder.generator, self._own)
        return self._loaded

    def sample(
        self,
        count: int = 64,
        *,
        label: Label | None = None,
        where: Sequence[str] = (),
        balance: str | None = None,
        seed: int = 0,
        truncation: float = 1.0,
    ) -> Samples:
        """Draw samples; see `Generator.sample`."""
        return self.generator.sample(count, label=label, where=where, balance=balance, seed=seed, truncation=truncation)


def load(path: str | Path, generator: nn.Module | None = None) -> Generator:
    """The generator of a run folder or of an exported folder. `generator`: the module to fill, where the run trained the user's own.

    RunError where the folder is neither, is not whole, or comes from a newer version.
    """
    if artefact.is_artefact(path):
        return Generator.load(path, generator)
    return Run(path, generator).generator
