"""The report in short, as Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gansmith.pages import compare, facts, health, words
from gansmith.pages.board import board
from gansmith.pages.content import Report, RunRecord
from gansmith.records import Score, as_typed


def markdown(report: Report) -> str:
    """The four words, the scores with their controls, and the proof of every run, with the commands that make them again."""
    parts = [f"# {_safe(report.title)}"]
    if len(report.runs) > 1:
        parts += _beside(report.runs)
    for run in report.runs:
        parts += _run(run, "#" if len(report.runs) == 1 else "##")
    parts += ["---", f"Made with {_code(report.command)} by gansmith {_safe(report.version)}."]
    return "\n\n".join(parts) + "\n"


def _run(run: RunRecord, level: str) -> list[str]:
    parts = [f"{level} {_safe(run.name)}"] if len(level) > 1 else []
    parts.append(" · ".join(f"{name}: {_safe(value)}" for name, value in facts.headline(run)))
    if run.missing:
        parts.append("\n".join(f"- {_safe(line)}" for line in run.missing))
    parts.append(_table(("Word", "Answer", "Why"), [(c.word, f"{c.mark} {c.said}", c.sentence) for c in board(run)]))
    parts += [f"Measure it: {_code(command)}" for command in dict.fromkeys(c.command for c in board(run) if c.command)]
    if run.evaluation:
        scores = [s for s in run.evaluation.scores if s.label is None]
        smote = ("SMOTE",) if any(s.smote is not None for s in scores) else ()
        rows = [_score(s, smote) for s in scores]
        parts += [f"{level}# Scores", _table(("Metric", "Samples (95 %)", "Real", "Copy", "Noise", *smote, "Better"), rows)]
        parts.append("\n".join(f"- {_safe(line)}" for line in run.evaluation.warnings))
    if run.proof:
        parts += [
            f"{level}# Usefulness",
            _table(("Setting", "Answer", "Found"), [(s.title, s.answer, s.sentence) for s in run.proof.settings]),
        ]
    parts += _health(run, level)
    parts.append(f"Train it again: {_code(run.again)}")
    return [p for p in parts if p]


def _health(run: RunRecord, level: str) -> list[str]:
    found = run.health
    if found is None:
        return []
    parts = [f"{level}# Health", _safe(found.summary), "\n".join(f"- {_safe(gap)}" for gap in found.gaps)]
    if found.findings:
        rows = [(f.severity, f"{f.code} {health.titled(f.code)}", f.message, f.advice) for f in found.findings]
        parts.append(_table(("Severity", "Check", "What was seen", "What to change"), rows))
    if found.recoveries:
        recovered = [
            (words.plain(r["step"]), f"{r.get('code')} {r.get('message')}", as_typed(r.get("changes", {}))) for r in found.recoveries
        ]
        parts += ["Went back and continued with other settings:", _table(("Step", "Finding", "Changed"), recovered)]
    return parts


def _score(score: Score, smote: Sequence[str]) -> tuple[str, ...]:
    controls = (words.control(v, score.estimate) for v in (score.floor, score.copy, score.noise, *(score.smote for _ in smote)))
    return (score.metric + ("" if score.reliable else " (unreliable here)"), words.interval(score.estimate), *controls, score.better)


def _beside(runs: Sequence[RunRecord]) -> list[str]:
    rows = [(r.name, *(f"{c.mark} {c.said}" for c in board(r))) for r in runs]
    parts = [_table(("Run", "Faithful", "Diverse", "Original", "Useful"), rows)]
    names = [r.name for r in runs]
    differ = compare.differing([r.settings for r in runs])
    if differ:
        parts += ["## What differs", _table(("Setting", *names), [(k, *map(words.plain, v)) for k, v in differ.items()])]
    for bench in compare.benches(runs):
        if len(bench.runs) > 1:
            scores = [
                (m.metric, *(words.interval(c.score.estimate) + (" best" if c.best else "") if c.score else "–" for c in cells))
                for m, cells in bench.rows
            ]
            parts += ["## Scores under the same conditions", _table(("Metric", *(names[i] for i in bench.runs)), scores)]
    return parts


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line if line[0] == "---" else map(_safe, line)) + " |" for line in lines)


def _safe(text: str) -> str:
    """Words that come from files and people, so that they stay words: no markup, no mention, one line."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace("@", "@\u2060")
    return re.sub(r"([\\`*_\[\]#|~])", r"\\\1", text)


def _code(text: str) -> str:
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"
