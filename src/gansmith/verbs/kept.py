"""scores.json and proof.json of a run: what was found of it, entry by entry, oldest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gansmith.errors import RunError
from gansmith.records import Evaluation, Proof
from gansmith.runs import RunFolder, write_json

FORMAT = 1

T = TypeVar("T")


def evaluations(folder: RunFolder) -> list[Evaluation]:
    """Every evaluation of a run. RunError where they cannot be read, or were written by a newer version."""
    return _entries(folder.scores, "evaluations", Evaluation.from_dict)


def proofs(folder: RunFolder) -> list[Proof]:
    """Every proof of a run. RunError where they cannot be read, or were written by a newer version."""
    return _entries(folder.proof, "proofs", Proof.from_dict)


def add(folder: RunFolder, entry: Evaluation | Proof) -> None:
    """Add an evaluation or a proof to those of a run. RunError where the others cannot be read: they are not written over."""
    if isinstance(entry, Evaluation):
        path, key, before = folder.scores, "evaluations", [e.to_dict() for e in evaluations(folder)]
    else:
        path, key, before = folder.proof, "proofs", [p.to_dict() for p in proofs(folder)]
    write_json(path, {"format": FORMAT, key: [*before, entry.to_dict()]})


def _entries(path: Path, key: str, entry: Callable[[Mapping[str, Any]], T]) -> list[T]:
    if not path.exists():
        return []
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] > FORMAT:
            raise RunError(f"{path} was written by a newer gansmith. Upgrade with: pip install -U gansmith")
        return [entry(e) for e in values[key]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path} was not written by gansmith or is damaged ({type(error).__name__}: {error}). Move it away and measure again."
        ) from None
