"""What was found of a run's health, as plain values: what the report and the page of a diagnosis tell of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from gansmith.health import checks
from gansmith.health.checks.looking import CERTAIN
from gansmith.pages.words import plain
from gansmith.records import Clear, Finding, NotApplicable, Outcome, as_typed

Line = Mapping[str, Any]
CHECKS = {check.code: check for check in checks.CHECKS}
SAID = {"severe": "Severe", "warning": "Warning", "note": "Note"}
MARKS = {"severe": "✕", "warning": "⚠", "note": "•"}  # so that colour never speaks alone


@dataclass(frozen=True)
class Undone:
    """What a run had recorded when it went back."""

    ticks: tuple[Line, ...] = ()
    exams: tuple[Line, ...] = ()
    looks: tuple[Line, ...] = ()
    speeds: tuple[Line, ...] = ()
    course: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Past:
    """Something that was wrong for a while, and is no more."""

    finding: Finding  # as it was told the last time
    first: int  # step of the examination that told it first, and last
    last: int

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {"finding": self.finding.to_dict(), "first": self.first, "last": self.last}


@dataclass(frozen=True)
class Health:
    """What the checks answered, what the run recovered from, and the records that were looked at."""

    findings: tuple[Finding, ...] = ()  # worst first
    clear: tuple[str, ...] = ()  # codes of the checks that looked and found nothing
    not_applicable: tuple[NotApplicable, ...] = ()
    past: tuple[Past, ...] = ()  # the earliest first
    course: tuple[Line, ...] = ()  # severity of every code that was found at each examination: {"step": 90, "found": {"H205": "severe"}}
    recoveries: tuple[Line, ...] = ()  # of recoveries.jsonl, oldest first
    gaps: tuple[str, ...] = ()  # a sentence for each record that is not whole
    exams: tuple[Line, ...] = ()  # of health.jsonl, quality.jsonl and speed.jsonl, oldest first
    looks: tuple[Line, ...] = ()
    speeds: tuple[Line, ...] = ()
    undone: tuple[Undone, ...] = field(default=(), compare=False, repr=False)  # one a recovery, or none; report.json has none

    @classmethod
    def of(cls, outcomes: Iterable[Outcome], **records: tuple[Any, ...]) -> Self:
        """From what every check answered."""
        several = tuple(outcomes)
        return cls(
            tuple(checks.findings(several)),
            tuple(o.code for o in several if isinstance(o, Clear)),
            tuple(o for o in several if isinstance(o, NotApplicable)),
            **records,
        )

    @property
    def well(self) -> bool:
        """Whether the players were examined, and no check found more than a note."""
        return bool(self.exams) and all(f.severity == "note" for f in self.findings)

    @property
    def summary(self) -> str:
        """How many checks found something, nothing, and did not apply, in one sentence."""
        ill = sum(f.severity != "note" for f in self.findings)
        noted, clear, absent = len(self.findings) - ill, len(self.clear), len(self.not_applicable)
        if not ill + noted + clear:
            return "This run's health is unknown: no check applied."
        parts = [f"{_checks(ill)} found a problem"] if ill else []
        parts += [f"{clear if ill else _checks(clear)} found no problem"]
        parts += [f"{noted} {'has a note' if noted == 1 else 'have notes'}"] if noted else []
        parts += [f"{absent} did not apply"] if absent else []
        return f"{', '.join(parts)}."

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {
            "findings": [f.to_dict() for f in self.findings],
            "clear": list(self.clear),
            "not_applicable": {o.code: o.why for o in self.not_applicable},
            "past": [p.to_dict() for p in self.past],
            "course": [dict(line) for line in self.course],
            "recoveries": [dict(r) for r in self.recoveries],
            "gaps": list(self.gaps),
            "exams": [dict(r) for r in self.exams],
            "looks": [dict(r) for r in self.looks],
            "speeds": [dict(r) for r in self.speeds],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` told of."""
        return cls(
            findings=tuple(Finding(**f) for f in values["findings"]),
            clear=tuple(values["clear"]),
            not_applicable=tuple(NotApplicable(code, why) for code, why in values["not_applicable"].items()),
            past=tuple(Past(Finding(**p["finding"]), p["first"], p["last"]) for p in values["past"]),
            **{key: tuple(values[key]) for key in ("course", "recoveries", "gaps", "exams", "looks", "speeds")},
        )


def _checks(count: int) -> str:
    return f"{count} check{'s' if count != 1 else ''}"


def titled(code: str) -> str:
    """What a check looks for, in a few words; '' of a code that this gansmith does not know."""
    return CHECKS[code].title if code in CHECKS else ""


def explained(code: str) -> str:
    """The command that explains an illness; '' of a code that this gansmith does not know."""
    return f"gansmith explain {code}" if code in CHECKS else ""


def evidence(finding: Finding) -> list[tuple[str, str]]:
    """The numbers and names behind a finding, in words."""
    shown = {key: value for key, value in finding.evidence.items() if key != CERTAIN and value not in (None, [], {})}
    return [(key.replace("_", " "), plain(value)) for key, value in shown.items()]


def back(recoveries: Iterable[Line]) -> list[int]:
    """Steps that a run went back to."""
    return [found for r in recoveries if isinstance(found := r.get("back"), int)]


def taken_back(recovery: Line) -> str:
    """What a run did about an illness, in one sentence."""
    place = f"step {recovery['back']:,}" if recovery.get("back") else "its start"
    changes = as_typed(recovery.get("changes", {})) or "the same settings"
    return f"Seen at step {recovery['step']:,}; the run went back to {place} and continued with {changes}."
