"""Values that travel between rooms: plain, frozen, JSON-able."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

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


@dataclass(frozen=True)
class Clear:
    """A check that looked and found nothing."""

    code: str


@dataclass(frozen=True)
class NotApplicable:
    """A check that could not look, or that means nothing here."""

    code: str
    why: str  # one sentence


Outcome = Finding | Clear | NotApplicable


def as_typed(changes: Mapping[str, Any]) -> str:
    """Settings as they would be typed: "run.batch=64, penalty.gamma=0.3"."""
    return ", ".join(f"{name}={typed(value)}" for name, value in changes.items())


def typed(value: Any) -> str:
    """A setting's value as it would be typed."""
    return "null" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Recovery:
    """A time a run went back and on with other settings; a line of recoveries.jsonl."""

    step: int  # at which the illness was sure
    back: int  # step gone back to; 0: anew
    code: str
    message: str
    changes: Mapping[str, Any]  # dotted setting -> its new value; empty where a lost process was replaced
    number: int  # of this recovery in the run, from 1
    seconds: float = 0.0  # trained until then

    @property
    def sentence(self) -> str:
        """What was done, for people."""
        if not self.changes:
            return f"step {self.step:,}: {self.code}, going on from the newest checkpoint."
        place = f"step {self.back:,}" if self.back else "the start"
        return f"step {self.step:,}: {self.code}, going back to {place} and continuing with {as_typed(self.changes)}."


Word = Literal["faithful", "diverse", "original", "useful"]
Answer = Literal["yes", "partly", "no", "unknown"]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"an interval of {self.low} to {self.high} does not hold its value {self.value}")

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Score:
    """One metric of one set of samples, with the same metric on sets whose answer is known.

    floor    real samples held out of training, as good as samples can be
    copy     samples of the training set itself: perfect, and not original
    noise    samples without structure
    smote    of tables: rows between training rows and their neighbours, which a generator must beat to be worth its training
    reliable whether the controls came out in the order they must; where not, it can only tell that samples are worse than any
    """

    metric: str  # "frechet distance", "precision", ...
    word: Word  # the question it helps to answer
    better: Literal["lower", "higher"]
    estimate: Estimate
    floor: float | None = None
    copy: float | None = None
    noise: float | None = None
    reliable: bool = True
    note: str = ""  # one sentence, where something must be known to read it
    label: str | None = None  # the class it is of; None: all
    smote: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The answer to one of the four questions, in words that the numbers force."""

    word: Word
    answer: Answer
    sentence: str
    because: tuple[str, ...] = ()  # the metrics that decided


@dataclass(frozen=True)
class Evaluation:
    """Everything one `evaluate` found. Two are set side by side only where their conditions agree."""

    when: str  # ISO 8601, UTC
    command: str  # makes it again
    subject: str  # the run, export, folder or array that was judged
    conditions: Mapping[str, Any]  # extractor and its weights, input, counts on each side, split, seed, step of the run
    scores: tuple[Score, ...]
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {**asdict(self), "conditions": dict(self.conditions)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        scores = (Score(**{**s, "estimate": Estimate(**s["estimate"])}) for s in values["scores"])
        verdicts = (Verdict(**{**v, "because": tuple(v["because"])}) for v in values["verdicts"])
        return cls(**{**values, "scores": tuple(scores), "verdicts": tuple(verdicts), "warnings": tuple(values["warnings"])})


@dataclass(frozen=True)
class Arm:
    """One way to make a training set, and how a model did that learned from it, for each seed."""

    name: str  # "real", "synthetic", "real + synthetic", "real + classical", "real + classical + synthetic", "real repeated"
    samples: int  # different samples in its training set
    scores: tuple[float, ...]  # one for each seed, on real samples held out of everything
    recall: Mapping[str, float] = field(default_factory=dict)  # of each class, mean over seeds
    failed: str = ""  # why there are no scores
    ranking: tuple[float, ...] = ()  # area under the ROC curve for each seed; none where a model names classes and no more


@dataclass(frozen=True)
class Difference:
    """Paired difference of two arms over the same seeds."""

    arm: str
    against: str
    estimate: Estimate
    ranking: Estimate | None = None  # of their areas under the ROC curve


@dataclass(frozen=True)
class Setting:
    """All arms under one condition: so many real samples a class, so many synthetic ones for each real one."""

    title: str  # "30 a class, 5 synthetic for each real one"
    per_class: int | None  # None: all there are
    ratio: float
    arms: tuple[Arm, ...]
    differences: tuple[Difference, ...]
    answer: Literal["helps", "no measurable effect", "harms", "not measured"]
    sentence: str  # "helps: +1.8 points (0.9 to 2.6) over real + classical"
    rare: str | None = None  # the class that was made rare, in the imbalance case


@dataclass(frozen=True)
class Proof:
    """Everything one `prove` found."""

    when: str
    command: str
    subject: str
    conditions: Mapping[str, Any]  # model, budget in steps and batch, seeds, test samples, measure
    settings: tuple[Setting, ...]
    verdict: Verdict  # of the word useful
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values."""
        return {**asdict(self), "conditions": dict(self.conditions)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""

        def setting(s: Mapping[str, Any]) -> Setting:
            arms = tuple(Arm(**{**a, "scores": tuple(a["scores"]), "ranking": tuple(a.get("ranking", ()))}) for a in s["arms"])
            differences = tuple(
                Difference(d["arm"], d["against"], Estimate(**d["estimate"]), Estimate(**d["ranking"]) if d.get("ranking") else None)
                for d in s["differences"]
            )
            return Setting(**{**s, "arms": arms, "differences": differences})

        verdict = Verdict(**{**values["verdict"], "because": tuple(values["verdict"]["because"])})
        settings = tuple(setting(s) for s in values["settings"])
        return cls(**{**values, "settings": settings, "verdict": verdict, "warnings": tuple(values["warnings"])})
