"""The four words as a scoreboard: a question, its answer, and the numbers that forced it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gansmith.pages.content import RunRecord
from gansmith.pages.words import control, interval
from gansmith.records import Evaluation, Score, Setting, Verdict, Word

QUESTIONS: dict[Word, str] = {
    "faithful": "Does each sample look like real data?",
    "diverse": "Do the samples cover the variety of the real data?",
    "original": "Are the samples new, rather than copies of the training data?",
    "useful": "Does a model trained with the samples get better?",
}
SAID = {"yes": "Yes", "partly": "Partly", "no": "No", "unknown": "Undecided", "unmeasured": "Not measured yet"}
MARKS = {"yes": "✓", "partly": "◐", "no": "✕", "unknown": "?", "unmeasured": "–"}  # so that colour never speaks alone
EVIDENCE = 3  # lines under an answer whose verdict does not name what decided it
UNRELIABLE = "unreliable here: its controls came out in the wrong order, or too close to tell"


@dataclass(frozen=True)
class Line:
    """One piece of evidence."""

    title: str
    value: str
    beside: str = ""  # the controls
    warning: str = ""


@dataclass(frozen=True)
class Card:
    """One of the four words."""

    word: Word
    answer: Literal["yes", "partly", "no", "unknown", "unmeasured"]
    sentence: str
    evidence: tuple[Line, ...] = ()
    command: str = ""  # measures it, where that is still to be done

    @property
    def question(self) -> str:
        return QUESTIONS[self.word]

    @property
    def said(self) -> str:
        return SAID[self.answer]

    @property
    def mark(self) -> str:
        return MARKS[self.answer]


def board(run: RunRecord) -> tuple[Card, ...]:
    """The four cards of a run: from its newest evaluation and its newest proof."""
    return tuple(_card(word, run) for word in QUESTIONS)


def _card(word: Word, run: RunRecord) -> Card:
    command = run.command("prove" if word == "useful" else "evaluate")
    verdict = _verdict(word, run)
    if verdict is None:
        return Card(word, "unmeasured", "Not checked yet.", command=command)
    if word == "useful":
        lines = tuple(_setting(s) for s in run.proof.settings) if run.proof else ()
    else:
        lines = tuple(_score(s) for s in _deciding(verdict, run.evaluation)) if run.evaluation else ()
    return Card(word, verdict.answer, verdict.sentence, lines, command if verdict.answer == "unknown" else "")


def _verdict(word: Word, run: RunRecord) -> Verdict | None:
    if word == "useful":
        return run.proof.verdict if run.proof else None
    return next((v for v in run.evaluation.verdicts if v.word == word), None) if run.evaluation else None


def _deciding(verdict: Verdict, evaluation: Evaluation) -> list[Score]:
    """The scores, over all classes, that a verdict names; its word's first few where it names none."""
    whole = [s for s in evaluation.scores if s.label is None]
    named = [s for s in whole if s.metric in verdict.because]
    return named or [s for s in whole if s.word == verdict.word][:EVIDENCE]


def _score(score: Score) -> Line:
    return Line(score.metric, interval(score.estimate), controls(score), "" if score.reliable else UNRELIABLE)


def _setting(setting: Setting) -> Line:
    return Line(setting.title, setting.sentence)


def controls(score: Score) -> str:
    """What the same metric gives on sets whose answer is known; '' where it was not asked."""
    asked = (("real", score.floor), ("copy", score.copy), ("noise", score.noise), ("SMOTE", score.smote))
    return " · ".join(f"{name} {control(value, score.estimate)}" for name, value in asked if value is not None)
