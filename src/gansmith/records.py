"""Values that travel between rooms: plain, frozen, JSON-able."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["note", "warning", "severe"]


@dataclass(frozen=True)
class Finding:
    """One observation about data or a run, with its evidence and what to do about it."""

    code: str  # stable, e.g. "D101"; documented
    severity: Severity
    message: str  # one sentence: what was seen
    advice: str = ""  # one sentence: what to change; empty where nothing need be done
    evidence: Mapping[str, Any] = field(default_factory=dict)  # JSON-able numbers and names behind the message

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {**asdict(self), "evidence": dict(self.evidence)}
