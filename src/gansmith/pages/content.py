"""What a report shows, as plain values: gathered by a verb, or read back from report.json."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from gansmith.errors import RunError
from gansmith.metrics.table_summary import Summary
from gansmith.pages.health import Health
from gansmith.records import Evaluation, Proof

if TYPE_CHECKING:
    from PIL.Image import Image

FORMAT = 1

State = Literal["finished", "unfinished", "not begun"]


@dataclass(frozen=True)
class Picture:
    """A picture with what is said of it."""

    image: Image
    title: str  # "a draw of 72", a class, "1,344 samples seen"
    alt: str  # what is to be seen, for those who cannot
    pixelated: bool = False  # made of samples so small that each of their pixels should show


@dataclass(frozen=True)
class Pictures:
    """What a run's generator draws, and what was drawn on the way. Any may be absent."""

    draw: Picture | None = None
    classes: tuple[Picture, ...] = ()
    time: tuple[Picture, ...] = ()  # the same latents, oldest first
    walk: Picture | None = None
    closest: Picture | None = None

    def all(self) -> list[Picture]:
        """Those there are, in a fixed order."""
        single = [p for p in (self.draw, self.walk, self.closest) if p is not None]
        return [*single, *self.classes, *self.time]


@dataclass(frozen=True)
class RunRecord:
    """One run as a report tells of it."""

    name: str
    path: str  # as it is written in the commands that are shown
    recipe: str  # recipe.yaml as it stands
    settings: Mapping[str, Any]  # dotted name -> value
    data: Mapping[str, Any] = field(default_factory=dict)  # data.json with the number of held-out samples in place of their list
    log: tuple[Mapping[str, Any], ...] = ()  # records of log.jsonl, oldest first
    seconds: float | None = None  # spent in training, over all resumes
    evaluations: tuple[Evaluation, ...] = ()  # oldest first
    proofs: tuple[Proof, ...] = ()  # oldest first
    missing: tuple[str, ...] = ()  # a sentence for each thing that could not be read or drawn
    table: Summary | None = None  # of a table: its columns beside the real ones, as the newest evaluation saw them
    rows: tuple[tuple[str, ...], ...] = ()  # of a table: a few made rows as texts, below the names of the columns
    health: Health | None = None  # None of a report that an older gansmith wrote
    pictures: Pictures = field(default_factory=Pictures, compare=False, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.data.get("classes", ()))

    @property
    def seen(self) -> int:
        """Real samples that the discriminator has seen."""
        return int(self.log[-1].get("seen", 0)) if self.log else 0

    @property
    def share(self) -> float:
        """Of the run that is done, in [0, 1]."""
        return float(self.log[-1].get("share", 0.0)) if self.log else 0.0

    @property
    def percent(self) -> int:
        """The share in whole percent, 100 only when all is done."""
        return int(100 * self.share)

    @property
    def state(self) -> State:
        if not self.log:
            return "not begun"
        return "finished" if self.share >= 1.0 else "unfinished"

    @property
    def evaluation(self) -> Evaluation | None:
        """The newest."""
        return self.evaluations[-1] if self.evaluations else None

    @property
    def proof(self) -> Proof | None:
        """The newest."""
        return self.proofs[-1] if self.proofs else None

    @property
    def quoted(self) -> str:
        """The path for a command line."""
        return shlex.quote(self.path)

    def command(self, verb: str) -> str:
        """What to type to do something with this run."""
        return f"gansmith {verb} {self.quoted}"

    @property
    def again(self) -> str:
        """The command that trains the same run anew."""
        return f"gansmith train --recipe {shlex.quote(self.path + '/recipe.yaml')}"

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values, without the pictures."""
        return {
            "name": self.name,
            "path": self.path,
            "state": self.state,
            "seen": self.seen,
            "seconds": self.seconds,
            "recipe": self.recipe,
            "settings": dict(self.settings),
            "data": dict(self.data),
            "evaluations": [e.to_dict() for e in self.evaluations],
            "proofs": [p.to_dict() for p in self.proofs],
            "missing": list(self.missing),
            "table": self.table.to_dict() if self.table else None,
            "rows": [list(row) for row in self.rows],
            "health": self.health.to_dict() if self.health else None,
            "log": [dict(r) for r in self.log],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` told of."""
        return cls(
            name=values["name"],
            path=values["path"],
            recipe=values["recipe"],
            settings=values["settings"],
            data=values["data"],
            log=tuple(values["log"]),
            seconds=values["seconds"],
            evaluations=tuple(Evaluation.from_dict(e) for e in values["evaluations"]),
            proofs=tuple(Proof.from_dict(p) for p in values["proofs"]),
            missing=tuple(values["missing"]),
            table=Summary.from_dict(values["table"]) if values.get("table") else None,
            rows=tuple(map(tuple, values.get("rows", ()))),
            health=Health.from_dict(values["health"]) if values.get("health") else None,
        )


@dataclass(frozen=True)
class Report:
    """One page: a run, or several side by side."""

    runs: tuple[RunRecord, ...]
    command: str  # makes the page again
    version: str = ""  # of the gansmith that gathered it

    @property
    def title(self) -> str:
        return self.runs[0].name if len(self.runs) == 1 else f"{len(self.runs)} runs side by side"

    def to_dict(self) -> dict[str, Any]:
        """As plain, JSON-able values, without the pictures."""
        return {"format": FORMAT, "gansmith": self.version, "command": self.command, "runs": [r.to_dict() for r in self.runs]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `to_dict` told of. RunError where a newer gansmith wrote it."""
        if values["format"] > FORMAT:
            raise RunError(
                f"this report has format {values['format']} and this gansmith reads up to {FORMAT}. Upgrade with: pip install -U gansmith"
            )
        return cls(tuple(RunRecord.from_dict(r) for r in values["runs"]), values["command"], values["gansmith"])
