"""Generative adversarial networks that people can rely on.

    run = gansmith.train("photos/", minutes=10)
    samples = run.sample(64, label="cat", seed=7)
    samples.picture().save("cats.png")

Names are loaded when they are first used, so that importing gansmith costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gansmith.artefact import Directions, Generator, Samples
    from gansmith.config import Recipe
    from gansmith.domains.domain import Codec, Domain
    from gansmith.downstream.models import Budget
    from gansmith.errors import ConfigError, DataError, GansmithError, MissingExtra, RunError, StorageError, TrainingError
    from gansmith.layout import Batch, Block, Layout
    from gansmith.losses import LOSSES, LossPair
    from gansmith.records import Evaluation, Finding, Proof
    from gansmith.verbs.describe import Description, describe
    from gansmith.verbs.diagnose import Diagnosis, diagnose
    from gansmith.verbs.directions import directions
    from gansmith.verbs.evaluate import evaluate
    from gansmith.verbs.invert import Inversion, invert
    from gansmith.verbs.prove import prove
    from gansmith.verbs.report import report
    from gansmith.verbs.rows import impute
    from gansmith.verbs.run import Run, load
    from gansmith.verbs.sample import sample
    from gansmith.verbs.toy import Demonstration, toy
    from gansmith.verbs.train import train
    from gansmith.verbs.tune import Tuned, tune

__version__ = "0.1.0"

_HOME = {
    "LOSSES": "losses",
    "Batch": "layout",
    "Block": "layout",
    "Budget": "downstream.models",
    "Codec": "domains.domain",
    "ConfigError": "errors",
    "DataError": "errors",
    "Demonstration": "verbs.toy",
    "Description": "verbs.describe",
    "Diagnosis": "verbs.diagnose",
    "Directions": "artefact",
    "Domain": "domains.domain",
    "Evaluation": "records",
    "Finding": "records",
    "GansmithError": "errors",
    "Generator": "artefact",
    "Inversion": "verbs.invert",
    "Layout": "layout",
    "LossPair": "losses",
    "MissingExtra": "errors",
    "Proof": "records",
    "Recipe": "config",
    "Run": "verbs.run",
    "RunError": "errors",
    "Samples": "artefact",
    "StorageError": "errors",
    "TrainingError": "errors",
    "Tuned": "verbs.tune",
    "describe": "verbs.describe",
    "diagnose": "verbs.diagnose",
    "directions": "verbs.directions",
    "evaluate": "verbs.evaluate",
    "impute": "verbs.rows",
    "invert": "verbs.invert",
    "load": "verbs.run",
    "prove": "verbs.prove",
    "report": "verbs.report",
    "sample": "verbs.sample",
    "toy": "verbs.toy",
    "train": "verbs.train",
    "tune": "verbs.tune",
}

__all__ = [
    "LOSSES",
    "Batch",
    "Block",
    "Budget",
    "Codec",
    "ConfigError",
    "DataError",
    "Demonstration",
    "Description",
    "Diagnosis",
    "Directions",
    "Domain",
    "Evaluation",
    "Finding",
    "GansmithError",
    "Generator",
    "Inversion",
    "Layout",
    "LossPair",
    "MissingExtra",
    "Proof",
    "Recipe",
    "Run",
    "RunError",
    "Samples",
    "StorageError",
    "TrainingError",
    "Tuned",
    "describe",
    "diagnose",
    "directions",
    "evaluate",
    "impute",
    "invert",
    "load",
    "prove",
    "report",
    "sample",
    "toy",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gansmith' has no attribute {name!r}")
    return getattr(import_module(f"gansmith.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
