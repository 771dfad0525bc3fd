"""A finding in one line, for a run that is being watched."""

from __future__ import annotations

from gansmith.records import Finding

WIDEST = 160  # characters
ADVICE = "gansmith diagnose says what to change"


def line(finding: Finding, step: int) -> str:
    """'step 1,200  severe  H207 …': what was seen and what to change; where that does not fit, which command says what to change.

    One line of at most WIDEST characters, unless the numbers in front alone are longer.
    """
    start = f"step {step:,}  {finding.severity}  {finding.code} "
    message, advice = " ".join(finding.message.split()), " ".join(finding.advice.split())
    whole = f"{start}{message} {advice}".rstrip()
    if len(whole) <= WIDEST:
        return whole
    end = f" ({ADVICE})" if advice else ""
    return f"{start}{shortened(message, WIDEST - len(start) - len(end))}{end}"


def shortened(text: str, room: int) -> str:
    """Text of at most `room` characters, cut between two words."""
    if len(text) <= room:
        return text
    kept = text[: room - 1]
    return f"{kept[: kept.rfind(' ')] if ' ' in kept else kept}…"
