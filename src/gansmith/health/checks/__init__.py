"""One function for every illness of a run, from its history to a finding, "clear", or "not applicable"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gansmith.health.checks import course, game, samples
from gansmith.health.checks import thresholds as limit
from gansmith.health.checks.looking import CERTAIN, Look, few_numbers
from gansmith.health.history import History
from gansmith.records import Finding, Outcome, Severity


@dataclass(frozen=True)
class Check:
    """An illness and how it is looked for."""

    code: str  # stable
    title: str  # of its section in docs/diagnose.md
    look: Look


# among findings of one severity those are told first that say most: causes, then what is seen of the game and the samples
CHECKS: tuple[Check, ...] = (
    Check("H210", "A value is not finite", course.not_finite),
    Check("H223", "A process was lost", course.process_lost),
    Check("H222", "Poisoned samples", course.poisoned_samples),
    Check("H221", "A layer does not learn", course.layer_does_not_learn),
    Check("H212", "Real and generated samples are prepared differently", samples.prepared_differently),
    Check("H214", "The penalty is too weak", game.penalty_too_weak),
    Check("H213", "The penalty is too strong", game.penalty_too_strong),
    Check("H216", "The batch is too small", course.batch_too_small),
    Check("H201", "Total collapse", samples.total_collapse),
    Check("H207", "The gradient explodes", game.exploding_gradient),
    Check("H204", "The discriminator overfits", game.discriminator_overfits),
    Check("H218", "Memorisation", samples.memorisation),
    Check("H205", "The discriminator wins", game.discriminator_wins),
    Check("H206", "The discriminator is too weak", game.discriminator_too_weak),
    Check("H203", "The condition is ignored", samples.ignored_condition),
    Check("H202", "Partial collapse", samples.partial_collapse),
    Check("H211", "The output is saturated", samples.saturated_output),
    Check("H208", "The logits drift", game.logit_drift),
    Check("H209", "Oscillation without progress", game.oscillation),
    Check("H217", "Too few steps", course.too_few_steps),
    Check("H215", "The average lags", course.average_lags),
    Check("H219", "Faults in the data", course.data_faults),
    Check("H220", "Loading is slower than training", course.slow_loading),
)

# what follows from what: a symptom whose cause is found is told with its cause, and does not crowd it out. Causes of causes stand first
BAD_SAMPLES = frozenset({"H201", "H202", "H203", "H209", "H211", "H217"})
LOST_GAME = frozenset({"H205", "H206", "H207", "H208"})
CAUSES: dict[str, frozenset[str]] = {
    "H210": BAD_SAMPLES | LOST_GAME | {"H221"},
    "H221": BAD_SAMPLES | {"H205", "H206", "H212"},
    "H212": BAD_SAMPLES | {"H205"},
    "H214": BAD_SAMPLES | LOST_GAME | {"H221"},
    "H213": BAD_SAMPLES | {"H206"},
    "H216": BAD_SAMPLES | {"H206", "H221"},
    "H207": BAD_SAMPLES | {"H205", "H206", "H208", "H221"},
    "H217": BAD_SAMPLES - {"H217"},
    "H203": frozenset({"H202", "H205", "H206", "H209", "H217"}),
    "H204": BAD_SAMPLES | {"H205", "H218"},
    "H206": BAD_SAMPLES | {"H221"},
    "H218": frozenset({"H202"}),
    "H201": frozenset({"H202", "H203", "H205", "H209", "H217"}),
    "H211": frozenset({"H205", "H209", "H217"}),
    "H205": frozenset({"H202", "H203", "H209", "H211", "H217"}),
    "H202": frozenset({"H209", "H217"}),
    "H209": frozenset({"H217"}),
}
# causes where they were read from facts; else they may be symptoms themselves
ONLY_CERTAIN = frozenset({"H203", "H211", "H212", "H217", "H221"})

ORDER: dict[Severity, int] = {"severe": 0, "warning": 1, "note": 2}


def examine(history: History) -> tuple[Outcome, ...]:
    """What every check says of a history, in the order of CHECKS. Never raises, whatever the history lacks."""
    return tuple(check.look(history) for check in CHECKS)


def all_look_from(history: History) -> float:
    """Share of a run from which every check looks: before, that none has found anything does not mean that all is well."""
    return limit.SETTLED if few_numbers(history) else limit.LEARNED


def findings(outcomes: Iterable[Outcome]) -> list[Finding]:
    """The findings among outcomes, worst first, a cause before what it causes.

    What follows from a cause that was found becomes a note; the cause takes over its severity and names it among its evidence.
    """
    found = {f.code: f for f in outcomes if isinstance(f, Finding)}
    for code, symptoms in CAUSES.items():
        cause = found.get(code)
        if cause is None or cause.severity == "note" or (code in ONLY_CERTAIN and not cause.evidence.get(CERTAIN)):
            continue
        follows = [s for s in sorted(symptoms & found.keys()) if found[s].severity != "note" and not found[s].evidence.get(CERTAIN)]
        if follows:
            worst = min((cause.severity, *(found[s].severity for s in follows)), key=ORDER.__getitem__)
            found[code] = replace(cause, severity=worst, evidence={**cause.evidence, "explains": follows})
            found |= {s: replace(found[s], severity="note", evidence={**found[s].evidence, "follows from": code}) for s in follows}
    rank = {check.code: i for i, check in enumerate(CHECKS)}
    return sorted(found.values(), key=lambda f: (ORDER[f.severity], rank.get(f.code, len(rank))))
