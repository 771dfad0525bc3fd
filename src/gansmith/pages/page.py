"""The page: one HTML file with everything in it, from records alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gansmith.errors import ConfigError
from gansmith.pages import charts, compare, facts, health, health_charts, pictures, table_charts, words
from gansmith.pages.board import UNRELIABLE, Card, board
from gansmith.pages.charts import Chart
from gansmith.pages.content import Picture, Report, RunRecord
from gansmith.pages.pictures import Embedded
from gansmith.records import Finding, Score, Setting

if TYPE_CHECKING:
    from jinja2 import Environment

LIMIT = 6 * 2**20  # bytes of a page
FILTERS: tuple[Callable[..., Any], ...] = (
    *(words.number, words.interval, words.control, words.count, words.plain, words.capital),
    *(facts.headline, facts.of_data, facts.made_with, facts.provisos),
    *(health.titled, health.explained, health.evidence, health.taken_back),
)
OVERLAID = 6  # runs on one chart at most


@dataclass(frozen=True)
class Shown:
    """One run with what is derived from its records for the page."""

    run: RunRecord
    anchor: str  # begins every identifier of this run in the page

    @cached_property
    def cards(self) -> tuple[Card, ...]:
        return board(self.run)

    @cached_property
    def training(self) -> tuple[Chart, ...]:
        return charts.training(self.run.log, self.anchor, self.records.turns)

    @cached_property
    def records(self) -> health_charts.Records:
        """Everything that was measured of the run's health, along the run."""
        found = self.run.health or health.Health()
        return self._placed(self.run.log, found, found.recoveries)

    @cached_property
    def ill(self) -> tuple[tuple[Finding, tuple[Chart, ...]], ...]:
        """What the checks found, worst first, with the charts that show it."""
        found = self.run.health.findings if self.run.health else ()
        return tuple((f, health_charts.of_finding(f.code, self.records, f"{self.anchor}-{f.code}")) for f in found)

    @cached_property
    def recovered(self) -> tuple[tuple[health.Line, tuple[Chart, ...]], ...]:
        """Every recovery, with the charts that show why."""
        found = self.run.health or health.Health()
        several = zip(found.recoveries, found.undone or [health.Undone()] * len(found.recoveries), strict=True)
        return tuple((r, self._why(r, undone, f"{self.anchor}-undone{place}")) for place, (r, undone) in enumerate(several))

    def _why(self, recovery: health.Line, undone: health.Undone, prefix: str) -> tuple[Chart, ...]:
        return health_charts.of_recovery(recovery, self._placed(undone.ticks, undone, [recovery]), prefix)

    def _placed(
        self, ticks: Sequence[health.Line], found: health.Health | health.Undone, recoveries: Sequence[health.Line]
    ) -> health_charts.Records:
        return health_charts.placed(ticks, found, health.back(recoveries), self.run.classes)

    @cached_property
    def signals(self) -> tuple[Chart, ...]:
        return health_charts.overview(self.records, f"{self.anchor}-signal")

    @cached_property
    def course(self) -> tuple[Chart, ...]:
        """Learning curves of the scores that were taken under the conditions of the newest."""
        return charts.scores(compare.course(self.run.evaluations), self.anchor)

    @property
    def set_aside(self) -> int:
        """Evaluations under other conditions than the newest."""
        newest = self.run.evaluation
        return sum(compare.judged(e) != compare.judged(newest) for e in self.run.evaluations) if newest else 0

    @property
    def measure(self) -> str:
        return str(self.run.proof.conditions.get("measure", "score")) if self.run.proof else "score"

    @cached_property
    def settings(self) -> tuple[tuple[Setting, Chart | None, Chart | None], ...]:
        """Each setting of the newest proof, with the charts of its arms and of their differences."""
        several = self.run.proof.settings if self.run.proof else ()
        return tuple(
            (s, charts.arms(s, self.measure, f"{self.anchor}-arms{i}"), charts.differences(s, self.measure, f"{self.anchor}-diff{i}"))
            for i, s in enumerate(several)
        )

    @cached_property
    def sweeps(self) -> tuple[Chart, ...]:
        return charts.curves(self.run.proof.settings, self.measure, self.anchor) if self.run.proof else ()

    @property
    def scores(self) -> list[Score]:
        """Of all classes together; those of a table's privacy stand beside its columns."""
        return [s for s in self._whole if s not in self.privacy]

    @property
    def privacy(self) -> list[Score]:
        """Of a table: what its rows betray of the training rows."""
        return [s for s in self._whole if s.word == "original"] if self.run.table else []

    @property
    def _whole(self) -> list[Score]:
        return [s for s in self.run.evaluation.scores if s.label is None] if self.run.evaluation else []

    @property
    def with_smote(self) -> bool:
        """Whether scores have the fourth control."""
        return any(s.smote is not None for s in self._whole)

    @cached_property
    def marginals(self) -> tuple[Chart, ...]:
        return table_charts.marginals(self.run.table, self.anchor) if self.run.table else ()

    @cached_property
    def pairs(self) -> tuple[Chart, ...]:
        return table_charts.pairs(self.run.table, self.anchor) if self.run.table else ()

    @cached_property
    def rare(self) -> Chart | None:
        return table_charts.rare(self.run.table.rare, f"{self.anchor}-rare") if self.run.table else None

    @property
    def by_class(self) -> tuple[list[str], dict[str, list[Score | None]]]:
        """The metrics that were taken class by class, and for each class its score of each; None where it has none."""
        labelled = [s for s in self.run.evaluation.scores if s.label is not None] if self.run.evaluation else []
        metrics = list(dict.fromkeys(s.metric for s in labelled))
        labels = dict.fromkeys(str(s.label) for s in labelled)
        table = {(str(s.label), s.metric): s for s in labelled}
        return metrics, {label: [table.get((label, m)) for m in metrics] for label in labels}

    @staticmethod
    def found(setting: Setting) -> str:
        """A setting's sentence without the answer it begins with, to stand behind the answer."""
        return setting.sentence.removeprefix(f"{setting.answer}: ")

    @staticmethod
    def recalled(setting: Setting) -> list[str]:
        """The classes whose recall some arm tells of, the one made rare first."""
        labels = dict.fromkeys(label for arm in setting.arms for label in arm.recall)
        return sorted(labels, key=lambda label: label != setting.rare)


def html(report: Report) -> str:
    """The whole page. ConfigError where so many runs do not fit one page of LIMIT bytes."""
    shown = [Shown(run, f"r{i}") for i, run in enumerate(report.runs, 1)]
    several = [p for run in report.runs for p in run.pictures.all()]
    empty = [Embedded("image/png", b"", 1, 1)] * len(several)
    beside = _beside(report, shown) if len(shown) > 1 else None
    room = LIMIT - len(_render(report, shown, beside, several, empty).encode()) - 64 * len(several)  # 64: the sizes, and some to spare
    embedded = pictures.embed([p.image for p in several], room) if room > 0 else empty
    found = _render(report, shown, beside, several, embedded)
    if room <= 0 or len(found.encode()) > LIMIT:
        raise ConfigError(f"{len(report.runs)} runs do not fit one page of {LIMIT >> 20} MiB. Report on fewer of them at a time.")
    return found


def diagnosis(run: RunRecord, command: str, version: str) -> str:
    """The page of a diagnosis: findings with the charts that show them, recoveries, all signals. `command` makes it again."""
    return _environment({}).get_template("diagnosis.html").render(one=Shown(run, "r1"), command=command, version=version)


def _render(report: Report, shown: Sequence[Shown], beside: Beside | None, several: Sequence[Picture], embedded: Sequence[Embedded]) -> str:
    place = {id(p): e for p, e in zip(several, embedded, strict=True)}
    return _environment(place).get_template("report.html").render(report=report, shown=shown, beside=beside, unreliable=UNRELIABLE)


def _environment(place: Mapping[int, Embedded]) -> Environment:
    """Templates and what they call. `place`: id of each picture -> it as it goes into the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("gansmith.pages")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update({f.__name__: f for f in FILTERS})
    environment.filters["embedded"] = lambda p: place[id(p)]
    return environment


@dataclass(frozen=True)
class Beside:
    """What several runs are compared by."""

    facts: list[tuple[str, list[str]]]
    settings: Mapping[str, tuple[Any, ...]]
    benches: tuple[compare.Bench, ...]
    charts: tuple[Chart, ...]
    conditions: Mapping[str, tuple[Any, ...]]  # of the groups that cannot be set side by side, where they differ


def _beside(report: Report, shown: Sequence[Shown]) -> Beside:
    tables = [dict(facts.headline(r)) for r in report.runs]
    names = dict.fromkeys(name for table in tables for name in table)
    benches = compare.benches(report.runs)
    return Beside(
        facts=[(name, [t.get(name, "–") for t in tables]) for name in names],
        settings=compare.differing([r.settings for r in report.runs]),
        benches=benches,
        charts=charts.together([(r.name, r.log) for r in report.runs], "all") if len(shown) <= OVERLAID else (),
        conditions=compare.differing([b.conditions for b in benches]),
    )
