"""Checks of a run's health: each is right about a history made up to be ill of it, to be well, and to tell nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gansmith import config
from gansmith.config import Recipe
from gansmith.errors import ConfigError
from gansmith.health import manual
from gansmith.health.checks import CAUSES, CHECKS, ONLY_CERTAIN, Check, examine, findings
from gansmith.health.checks import thresholds as limit
from gansmith.health.history import History, between, lately, number, numbers, typical
from gansmith.records import Clear, Finding, NotApplicable

CODES = [check.code for check in CHECKS]
BY_CODE = {check.code: check for check in CHECKS}
COUNT = 20  # examinations in a made-up run
VARIANCE = 20.0
SETTINGS = {
    **config.flat(Recipe()), "loss.name": "relativistic", "penalty.gamma": 0.2, "penalty.gamma_end": 0.2,
    "optimiser.lr_generator": 1e-3, "optimiser.lr_discriminator": 1e-3, "average.halflife": 20_000, "run.batch": 64,
    "run.samples": 128_000, "network.name": "dense", "machine.precision": "fp32",
}  # fmt: skip
DATA: dict[str, Any] = {
    "training": 1_200, "facts": {"total_variance": VARIANCE}, "findings": [],
    "layout": {"blocks": [{"name": "grey", "size": 1, "kind": "bounded"}], "positions": [8, 8], "condition": 10},
}  # fmt: skip
HEALTHY: dict[str, Any] = {  # what 1,200 digits gave after half a minute
    "logit_train": 0.47, "logit_held": 0.33, "logit_fake": 0.14, "scatter": 0.36, "wins_train": 0.8, "wins_held": 0.68, "pull": 1.3,
    "slope": 2.3, "gradients": {"generator.a": 0.3, "generator.b": 0.2, "discriminator.a": 0.3}, "dead_g": 0.01, "dead_d": 0.0,
    "frozen": [],
    "moves": {"generator.a": 7e-3, "generator.b": 6e-3, "discriminator.a": 8e-3}, "ema_gap": 0.05, "off_live": 0.04, "off_average": 0.036,
    "spread": 0.97, "closest": 0.95, "spread_classes": {"0": 0.96, "1": 0.93, "2": 0.85}, "reached": 0.73, "reached_real": 0.76,
    "reached_classes": {"0": [0.7, 0.62], "1": [0.85, 0.8], "2": [0.6, 0.7]}, "response": 1.3, "response_d": 1.1, "dead_latents": 0.0,
    "low": 0.43, "high": 0.09, "low_real": 0.49, "high_real": 0.09, "beyond": 0.0, "mean_gap": 0.01, "deviation": 0.97, "border_gap": 0.01,
    "weave": 1.5, "weave_real": 1.1, "nearest_train": 1.05, "nearest_held": 1.04, "copies": 0.0, "copies_real": 0.0, "poisoned": 0,
}  # fmt: skip


def made(exam: Mapping[str, Any] | None = None, **parts: Any) -> History:
    """A healthy run that has ended, but for `exam`: values of every examination, or functions of the share of the run; and for `parts`."""
    values = {**HEALTHY, **(exam or {})}
    at = [{"step": 100 * i, "share": i / COUNT, "seen": 6_400 * i} for i in range(1, COUNT + 1)]
    exams = [{**a, **{k: v(a["share"]) if callable(v) else v for k, v in values.items() if v is not None}} for a in at]
    ticks = [{**a, "grad_d": 0.8, "grad_g": 0.6, "gamma": 0.2, "lr_generator": 1e-3, "lr_discriminator": 1e-3} for a in at]
    looks = [{"step": a["step"], "share": a["share"], "distance": 0.03 + 0.1 * 0.5 ** (10 * a["share"])} for a in at]
    speeds = [{"step": a["step"], "data": 0.02, "game": 0.96, "watch": 0.02} for a in at]
    history = History(tuple(ticks), tuple(exams), tuple(looks), tuple(speeds), SETTINGS, DATA)
    return replace(history, **{name: {**getattr(history, name), **p} if isinstance(p, dict) else p for name, p in parts.items()})


def ticks(**values: Callable[[float], Any]) -> tuple[Mapping[str, Any], ...]:
    """The healthy log with other values, functions of the share of the run."""
    return tuple({**line, **{name: value(line["share"]) for name, value in values.items()}} for line in made().ticks)


POINTS = {"blocks": [{"size": 2}], "positions": []}


def swinging(share: float) -> float:
    return 0.6 + 0.1 * (-1) ** round(COUNT * share)


FAR = {"off_live": 0.8, "off_average": 0.8}
FAULT = {"code": "D102", "severity": "warning", "message": "900 of 1,000 pictures repeat another exactly.", "advice": "Remove them."}
ROWS = {"blocks": [{"name": "a", "size": 3, "kind": "onehot"}], "positions": [], "condition": 4, "given": True}

SICK: list[tuple[str, str, History]] = [
    ("H201", "severe", made({"spread": 0.05})),
    ("H201", "severe", made({"spread": 0.6, "spread_classes": {"0": 0.03, "1": 0.1, "2": 0.02}})),
    ("H202", "warning", made({"spread": 0.5})),
    ("H202", "warning", made({"closest": 0.1})),
    ("H202", "warning", made({"spread_classes": {"0": 0.9, "1": 0.2, "2": 0.9}})),
    ("H202", "warning", made({"reached_classes": {"0": [0.7, 0.7], "1": [0.0, 0.7], "2": [0.7, 0.7]}})),
    ("H202", "warning", made({"reached": 0.2, "wins_train": 0.6})),
    ("H202", "warning", made({"reached": 0.4, "wins_train": 0.6}, data={"layout": POINTS})),
    ("H203", "warning", made({"response": 0.0})),
    ("H203", "warning", made({"response": 0.5, "response_d": 0.01})),
    ("H203", "warning", made({"response": 0.5, "response_d": 0.9, "response_held": 0.01})),
    ("H204", "severe", made({"logit_held": 0.05, "wins_train": 0.98, "wins_held": 0.3, "nearest_train": 0.5})),
    ("H204", "warning", made({"logit_held": 0.05, "wins_train": 0.98, "wins_held": 0.55, "closest": 0.1})),
    ("H204", "note", made({"logit_held": 0.05, "wins_train": 0.98, "wins_held": 0.3})),
    ("H205", "severe", made({"wins_train": 1.0, "pull": 1e-3})),
    ("H205", "severe", made({"wins_train": 0.7, "pull": 1e-6})),
    ("H205", "severe", made({"wins_train": 1.0, "moves": {"generator.a": 0.0, "discriminator.a": 1e-3}})),
    ("H205", "severe", made({"wins_train": 1.0}, ticks=ticks(grad_g=lambda share: 1.0 if share < 0.6 else 1e-9))),
    ("H205", "severe", made({**FAR, "wins_train": 1.0, "logit_train": 3.0, "logit_fake": -3.0})),
    ("H206", "severe", made({**FAR, "wins_train": 0.5})),
    ("H206", "severe", made({**FAR, "wins_train": 0.1, "moves": {"generator.a": 1e-3, "discriminator.a": 1e-6}})),
    ("H207", "severe", made(ticks=ticks(grad_d=lambda share: 1.0 if share < 0.6 else 1e4))),
    ("H207", "severe", made({**FAR, "moves": {"generator.a": 0.1, "discriminator.a": 0.005}})),
    ("H207", "severe", made({**FAR, "moves": {"generator.a": 1e-4, "discriminator.a": 5e-3}})),
    ("H207", "severe", made(FAR, settings={"optimiser.lr_generator": 1e-2}, data={"automatic": {"optimiser.lr_generator": 1e-3}})),
    ("H208", "warning", made({"logit_train": 90.5, "logit_fake": 90.0})),
    ("H208", "severe", made({"logit_train": -90_000.5, "logit_fake": -90_000.0})),
    ("H209", "severe", made({"off_live": swinging, "off_average": 0.6})),
    ("H210", "severe", made(stopped="training stopped at step 7: the gradient of generator.layers.0.weight is not finite. The last …")),
    ("H210", "severe", made(ticks=ticks(loss_d=lambda share: math.nan))),
    ("H211", "severe", made({"low": 0.5, "high": 0.5, "low_real": 0.3, "high_real": 0.1})),
    ("H211", "warning", made({"low": 0.8, "high": 0.05})),
    ("H212", "warning", made({"low": 0.0})),
    ("H212", "severe", made({"low": 0.0, "wins_train": 1.0})),
    ("H212", "warning", made({"beyond": 0.2})),
    ("H212", "severe", made({"border_gap": 1.0, "mean_gap": 0.1, "wins_train": 1.0})),
    ("H212", "warning", made({"weave": 8.0})),
    ("H212", "warning", made({"mean_gap": 1.2, "wins_train": 1.0})),
    ("H212", "warning", made({"deviation": 3.0, "wins_train": 1.0})),
    ("H213", "warning", made({"scatter": 0.01}, ticks=ticks(gamma=lambda share: 20.0))),
    ("H213", "severe", made({**FAR, "scatter": 0.01}, ticks=ticks(gamma=lambda share: 20.0))),
    ("H214", "severe", made(FAR, ticks=ticks(gamma=lambda share: 0.0))),
    ("H214", "warning", made({"closest": 0.1}, ticks=ticks(gamma=lambda share: 0.002))),
    ("H215", "warning", made({"off_average": 0.2, "ema_gap": 0.5})),
    ("H216", "warning", made(settings={"run.batch": 2})),
    ("H217", "warning", made({"off_live": lambda share: 3 - 2 * share, "off_average": lambda share: 3 - 2 * share})),
    ("H217", "warning", made(FAR, ticks=ticks(step=lambda share: 50 * share))),
    (
        "H217", "warning",
        made(data={"layout": ROWS}, looks=tuple({"share": i / 10, "distance": 2 - i / 10} for i in range(1, 11))),
    ),
    ("H218", "warning", made({"nearest_train": 0.6})),
    ("H218", "severe", made({"nearest_train": 0.2, "copies": 0.8})),
    ("H219", "warning", made(data={"findings": [FAULT]})),
    ("H220", "note", made(speeds=tuple({"data": 0.4, "game": 0.5} for _ in range(9)))),
    ("H220", "warning", made(speeds=tuple({"data": 0.8, "game": 0.1} for _ in range(9)))),
    ("H221", "warning", made({"frozen": ["generator.a"]})),
    ("H221", "severe", made({"dead_g": 1.0})),
    ("H221", "warning", made({"dead_latents": 0.9})),
    ("H222", "warning", made({"poisoned": 3})),
    ("H223", "severe", made(stopped="a process of this run was lost, so the others stopped.")),
    ("H223", "note", made(recovered=({"step": 9, "code": "H223", "changes": {}},))),
    ("H223", "warning", replace(made(recovered=({"step": 9, "code": "H223", "changes": {}},)), ticks=made().ticks[:9], exams=())),
]  # fmt: skip

ABSENT: list[tuple[str, History]] = [
    *((code, History()) for code in CODES if code not in ("H210", "H223")),
    *(
        (code, made(exams=made().exams[:2]))
        for code in ("H201", "H202", "H203", "H204", "H205", "H206", "H208", "H211", "H212", "H218", "H221")
    ),
    ("H202", made({"spread": None})),
    ("H203", made({"response": None})),
    ("H204", made({"wins_held": None})),
    ("H206", made({"off_live": None})),
    ("H209", made({"off_average": None})),
    ("H211", made({"low": None})),
    ("H213", made(ticks=(), settings={"penalty.gamma": None})),
    ("H214", made(data={"facts": {}})),
    ("H215", made({"off_live": None, "off_average": None})),
    ("H217", made(data={"layout": ROWS}, looks=())),
    ("H218", made({"nearest_train": None})),
    ("H220", made(speeds=({"step": 1, "seconds": 2.0},) * 9)),
    ("H222", made({"poisoned": None})),
]


def outcome(code: str, history: History) -> Any:
    return BY_CODE[code].look(history)


@pytest.mark.parametrize(("code", "severity", "history"), SICK, ids=[f"{code}-{i}" for i, (code, _, _) in enumerate(SICK)])
def test_an_illness_is_named(code: str, severity: str, history: History) -> None:
    found = outcome(code, history)
    assert isinstance(found, Finding)
    assert (found.code, found.severity) == (code, severity)
    assert found.message.endswith((".", "…"))
    assert found.advice.endswith(".")


@pytest.mark.parametrize("code", CODES)
def test_every_illness_has_been_made_up(code: str) -> None:
    assert code in {sick for sick, _, _ in SICK}


@pytest.mark.parametrize("code", CODES)
def test_a_healthy_run_is_not_accused(code: str) -> None:
    assert outcome(code, made()) == Clear(code)


@pytest.mark.parametrize(("code", "history"), ABSENT, ids=[f"{code}-{i}" for i, (code, _) in enumerate(ABSENT)])
def test_what_was_not_recorded_is_said(code: str, history: History) -> None:
    found = outcome(code, history)
    assert isinstance(found, NotApplicable)
    assert found.code == code
    assert found.why.endswith(".")


def test_a_young_run_is_not_accused_of_what_every_run_begins_with() -> None:
    bad = {"spread": 0.01, "wins_train": 1.0, "off_live": 2.0, "off_average": 2.0, "reached": 0.0, "response": 0.0, "mean_gap": 1.0}
    young = made({name: lambda share, bad=value, well=HEALTHY[name]: bad if share <= 0.1 else well for name, value in bad.items()})
    for count in range(1, COUNT + 1):
        cut = replace(young, exams=young.exams[:count], ticks=young.ticks[:count], looks=young.looks[:count])
        assert findings(examine(cut)) == []


@pytest.mark.parametrize("name", [name for name, value in HEALTHY.items() if isinstance(value, float)])
@pytest.mark.parametrize("odd", [0.0, 1e6])
def test_one_odd_examination_accuses_nobody(name: str, odd: float) -> None:
    history = made()
    for place in (-1, -2, COUNT // 2):
        exams = list(history.exams)
        exams[place] = {**exams[place], name: odd}
        assert findings(examine(replace(history, exams=tuple(exams)))) == []


class TestCauses:
    def test_a_symptom_is_told_with_its_cause(self) -> None:
        history = made({**FAR, "spread": 0.05, "closest": 0.01}, ticks=ticks(gamma=lambda share: 0.0))
        found = findings(examine(history))
        assert found[0].code == "H214"
        assert found[0].severity == "severe"
        assert "H201" in found[0].evidence["explains"]
        assert found[1].code == "H201"
        assert {f.severity for f in found[1:]} == {"note"}
        assert all(f.evidence["follows from"] for f in found[1:])

    def test_a_cause_is_as_bad_as_what_it_does(self) -> None:
        frozen = made({"frozen": ["generator.a"], "wins_train": 1.0, "pull": 1e-3})
        assert [(f.code, f.severity) for f in findings(examine(frozen))] == [("H221", "severe"), ("H205", "note")]

    def test_what_was_read_from_facts_is_explained_by_nothing(self) -> None:
        both = made({**FAR, "frozen": ["generator.a"], "moves": {"generator.a": 0.1}})
        assert {f.code: f.severity for f in findings(examine(both))} == {"H207": "severe", "H221": "warning"}

    def test_dead_units_may_follow_from_long_steps(self) -> None:
        dead = made({**FAR, "dead_g": 0.8, "moves": {"generator.a": 0.1}})
        assert [(f.code, f.severity) for f in findings(examine(dead))] == [("H207", "severe"), ("H221", "note")]

    def test_the_worst_comes_first(self) -> None:
        several = made({"poisoned": 2, "spread": 0.05}, speeds=tuple({"data": 0.4} for _ in range(9)), data={"findings": [FAULT]})
        told = [(f.code, f.severity) for f in findings(examine(several))]
        assert told == [("H201", "severe"), ("H222", "warning"), ("H219", "warning"), ("H202", "note"), ("H220", "note")]

    def test_findings_of_no_check_are_kept(self) -> None:
        assert [f.code for f in findings([Finding("X1", "note", "strange."), Clear("H201")])] == ["X1"]

    def test_causes_of_causes_stand_first(self) -> None:
        rank = {code: i for i, code in enumerate(CAUSES)}
        assert all(rank[cause] < rank.get(s, 99) for cause, symptoms in CAUSES.items() for s in symptoms - ONLY_CERTAIN)


class TestShortRuns:
    """What has hardly begun looks ill in every way, and its length is why."""

    steps: ClassVar = {"step": lambda share: 60 * share, "seen": lambda share: 3_840 * share}

    def short(self, exam: Mapping[str, Any]) -> History:
        return made({**FAR, **exam}, ticks=ticks(**self.steps), settings={"run.samples": 3_840})

    def test_bad_samples_follow_from_the_length(self) -> None:
        found = findings(examine(self.short({"spread": 0.5, "closest": 0.2})))
        assert [(f.code, f.severity) for f in found] == [("H217", "warning"), ("H202", "note")]
        assert "run.samples=38000 (it is 3,840)" in found[0].advice
        longer = made({**FAR, "spread": 0.5}, ticks=ticks(**{**self.steps, "step": lambda share: 400 * share}))
        assert [f.code for f in findings(examine(longer))] == ["H202"]

    def test_two_players_that_have_hardly_begun_are_equals(self) -> None:
        weak = {"wins_train": 0.45}
        assert [f.code for f in findings(examine(self.short(weak)))] == ["H217"]
        slow = {**weak, "moves": {"generator.a": 1e-3, "discriminator.a": 1e-6}}
        assert findings(examine(self.short(slow)))[0].code == "H206"  # which is no matter of time

    def test_a_cause_that_was_set_is_told_all_the_same(self) -> None:
        free = made({**FAR, "spread": 0.5}, ticks=ticks(**self.steps, gamma=lambda share: 0.0))
        assert next((f.code, f.severity) for f in findings(examine(free))) == ("H214", "severe")

    def test_a_longer_run_is_long_enough(self) -> None:
        tiny = made(FAR, ticks=ticks(step=lambda share: 5 * share), settings={"run.samples": 600})
        assert "run.samples=72000 (it is 600)" in outcome("H217", tiny).advice  # 600 steps in the place of 5


class TestWords:
    def test_codes_are_those_of_the_page(self) -> None:
        page = Path(__file__).parents[1] / "docs" / "diagnose.md"
        headings = re.findall(r"^### (H\d+ .+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert sorted(headings) == sorted(f"{check.code} {check.title}" for check in CHECKS)

    def test_codes_are_all_there_and_stable(self) -> None:
        assert sorted(CODES) == [f"H{n}" for n in range(201, 224)]

    @pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.code)
    def test_a_section_is_that_of_the_code_and_ends_before_the_next(self, check: Check) -> None:
        told = manual.section(check.code.lower())
        assert told.startswith(f"### {check.code} {check.title}\n")
        assert "**What it is.**" in told
        assert "**What to do.**" in told
        assert told.count("\n#") == 0

    def test_a_code_that_there_is_not_is_refused_with_a_near_one(self) -> None:
        with pytest.raises(ConfigError, match=r"no finding 'H24' of a run; did you mean 'H2\d4'"):
            manual.section("H24")

    def test_an_installed_package_has_the_page_beside_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / manual.PAGE).write_text("### H204 As installed\n\ntext\n\n## Next\n")
        monkeypatch.setattr(manual, "files", lambda package: tmp_path)
        assert manual.section("H204") == "### H204 As installed\n\ntext\n"

    def test_advice_names_settings_that_there_are(self) -> None:
        known, groups = set(config.names()), {name.partition(".")[0] for name in config.names()}
        for _, _, history in SICK:
            for found in examine(history):
                if isinstance(found, Finding):
                    named = re.findall(r"\b(\w+\.\w+)(?==|\b)", found.advice)
                    wrong = [name for name in named if name.partition(".")[0] in groups and name not in known]
                    assert not wrong, found

    def test_a_value_is_computed_where_it_can_be(self) -> None:
        automatic = {"automatic": {"penalty.gamma": 0.2, "optimiser.lr_generator": 1e-3}}
        heavy = {"penalty.gamma": 20.0, "penalty.gamma_end": 20.0}
        strong = outcome("H213", made({"scatter": 0.01}, ticks=ticks(gamma=lambda share: 20.0), settings=heavy, data=automatic))
        assert strong.advice.startswith("Set penalty.gamma=0.2 (it is 20).")
        published = {"penalty.gamma": 1e3, "penalty.gamma_end": 1e3, "penalty.name": "wgan-gp"}
        flat = outcome("H213", made({"scatter": 0.01}, ticks=ticks(gamma=lambda share: 1e3), settings=published, data=automatic))
        assert flat.advice.startswith("Set penalty.gamma=10 (it is 1e+03).")  # whose weight is another than that of R1 and R2
        fast = outcome("H207", made(FAR, settings={"optimiser.lr_generator": 1e-2}, data=automatic))
        assert "the learning rate of the generator, 0.01, is 10 times the automatic one" in fast.message
        assert fast.advice.startswith("Set optimiser.lr_generator=0.001 (it is 0.01).")

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({}, "Set optimiser.lr_generator=0.0005 (it is 0.001) and optimiser.lr_discriminator=0.0005 (it is 0.001)."),
            ({"loss.name": "minimax"}, "Set loss.name=relativistic (it is minimax)."),
            ({"game.kept": 0.5}, "Set game.kept=1 (it is 0.5)."),
            ({"penalty.gamma": 0.0, "penalty.gamma_end": 0.0}, "Set penalty.gamma=0.2 (it is 0)."),
            ({"loss.name": "hinge", "game.critics": 5}, "Set game.critics=1 (it is 5) and loss.name=relativistic (it is hinge)."),
        ],
    )
    def test_the_usual_game_is_advised_where_it_is_not_played_and_else_half_the_rates(self, settings: dict[str, Any], words: str) -> None:
        automatic = {"penalty.gamma": 0.2, "optimiser.lr_generator": 1e-3, "optimiser.lr_discriminator": 1e-3}
        found = outcome("H202", made({"spread": 0.5}, settings={"loss.centring": 1e-3, **settings}, data={"automatic": automatic}))
        assert found.advice.removesuffix(" A new run may also set network.spread=true or game.pack=2.") == words

    def test_nothing_is_advised_that_is_so_already(self) -> None:
        for _, _, history in SICK:
            for found in examine(history):
                for name, new, old in re.findall(r"(\w+\.\w+)=(\S+) \(it is (\S+?)\)", found.advice if isinstance(found, Finding) else ""):
                    assert new != old.replace(",", ""), (found, name)

    def test_a_run_that_the_clock_ended_is_given_more_of_it(self) -> None:
        timed = {"run.samples": None, "run.minutes": 0.12}
        tiny = made(FAR, ticks=ticks(step=lambda share: 5 * share), settings=timed)
        assert outcome("H217", tiny).advice == "Train a new run with run.minutes=14 (it is 0.12)."
        both = made(FAR, ticks=ticks(step=lambda share: 5 * share), settings={**timed, "run.samples": 10**9})
        assert outcome("H217", both).advice == outcome("H217", tiny).advice

    def test_a_lost_process_of_a_run_that_came_to_its_end_is_only_noted(self) -> None:
        found = outcome("H223", made(recovered=({"code": "H223"},)))
        assert found.severity == "note"
        assert "--resume" not in found.advice

    def test_a_discriminator_that_is_wrong_is_not_called_blind(self) -> None:
        assert "prefers generated samples in 84% of pairs" in outcome("H206", made({**FAR, "wins_train": 0.16})).message
        several = outcome("H206", made({**FAR, "wins_train": 0.5}, settings={"game.critics": 5}))
        assert several.advice.endswith("a new run may also set game.critics=6.")

    def test_a_weak_discriminator_is_given_a_rate(self) -> None:
        weak = outcome("H206", made({**FAR, "wins_train": 0.5}))
        assert "optimiser.lr_generator=0.0005 (it is 0.001)" in weak.advice
        slower = outcome("H206", made({**FAR, "wins_train": 0.5}, settings={"optimiser.lr_discriminator": 1e-4}))
        assert "optimiser.lr_discriminator=0.001 (it is 0.0001)" in slower.advice

    def test_where_values_became_infinite_is_told(self) -> None:
        found = outcome("H210", made(stopped="training stopped at step 7: the value of discriminator.head is not finite. The last good …"))
        assert found.evidence["where"] == "value of discriminator.head"
        assert "machine.precision" not in found.advice
        rounded = made(stopped="training stopped at step 7: the loss is not finite.", settings={"machine.precision": "bf16"})
        assert "machine.precision=fp32" in outcome("H210", rounded).advice


class TestPoints:
    """Samples of few numbers, of which the distance from the data is a logarithm, and whose modes are found late."""

    far: ClassVar = {"off_live": 8.0, "off_average": 8.0, "reached": 0.05, "wins_train": 0.5}

    def test_modes_that_are_still_looked_for_accuse_nobody(self) -> None:
        history = made(self.far, data={"layout": POINTS})
        cut = round(0.65 * COUNT)
        young = replace(history, exams=history.exams[:cut], ticks=history.ticks[:cut])
        assert isinstance(outcome("H206", young), Clear)
        assert isinstance(outcome("H206", history), Finding)

    def test_a_good_average_is_believed_before_the_swings_have_died_down(self) -> None:
        assert isinstance(outcome("H206", made({**self.far, "off_average": 1.0}, data={"layout": POINTS})), Clear)

    def test_progress_is_measured_in_logarithms(self) -> None:
        falling = {**self.far, "off_average": lambda share: 8.0 - 2.0 * share}  # never by a tenth in a third of the run
        assert isinstance(outcome("H217", made(falling, data={"layout": POINTS})), Finding)
        assert isinstance(outcome("H217", made(self.far, data={"layout": POINTS})), Clear)


class TestSettingsTellTheCause:
    def test_samples_that_stay_far_away_are_put_down_to_a_momentum_that_overshoots(self) -> None:
        overshot = {"optimiser.beta1": 0.9}
        found = outcome("H209", made(FAR, settings=overshot))
        assert isinstance(found, Finding)
        assert found.message == "the samples are far from the data; a momentum of 0.9 makes both networks overshoot."
        assert outcome("H209", made(FAR)) == outcome("H209", made(settings=overshot)) == Clear("H209")
        assert outcome("H209", made(FAR, settings=overshot, ticks=ticks(step=lambda share: 30 * share))) == Clear("H209")  # it is short

    def test_a_weak_penalty_alone_is_no_illness(self) -> None:
        assert outcome("H214", made(ticks=ticks(gamma=lambda share: 0.0))) == Clear("H214")

    @pytest.mark.parametrize("name", ["penalty.clip", "penalty.lecam", "penalty.consistency"])
    def test_a_discriminator_held_otherwise_needs_no_penalty(self, name: str) -> None:
        assert outcome("H214", made(FAR, ticks=ticks(gamma=lambda share: 0.0), settings={name: 0.1})) == Clear("H214")

    def test_one_whose_weights_are_held_by_the_network_itself_needs_none_either(self) -> None:
        assert outcome("H214", made(FAR, ticks=ticks(gamma=lambda share: 0.0), data={"smoothed": True})) == Clear("H214")

    def test_a_penalty_that_asks_for_a_slope_of_one_is_measured_by_what_was_published(self) -> None:
        usual, huge = (
            made(FAR | {"scatter": 0.01}, ticks=ticks(gamma=lambda share, g=gamma: g), settings={"penalty.name": "wgan-gp"})
            for gamma in (10.0, 1_000.0)
        )
        assert isinstance(outcome("H213", usual), Clear)
        assert isinstance(outcome("H213", huge), Finding)

    def test_a_small_batch_of_few_samples_is_all_there_is(self) -> None:
        assert outcome("H216", made(settings={"run.batch": 4}, data={"training": 20})) == Clear("H216")

    def test_the_scheduled_weight_counts_and_not_the_first(self) -> None:
        later = made({"scatter": 0.01}, ticks=ticks(gamma=lambda share: 20.0), settings={"penalty.gamma": 0.2})
        assert outcome("H213", later).evidence["gamma"] == 20.0

    def test_a_range_with_room_is_no_other_preparation(self) -> None:
        narrow = {"beyond": 0.2, "low": 0.0, "high": 0.0, "low_real": 0.0, "high_real": 0.0}
        assert isinstance(outcome("H212", made(narrow)), Clear)
        told = outcome("H212", made({**narrow, "wins_train": 1.0}))
        assert (told.severity, told.evidence["certain"]) == ("warning", False)

    def test_a_note_on_the_data_is_no_fault(self) -> None:
        assert outcome("H219", made(data={"findings": [{**FAULT, "severity": "note"}, {**FAULT, "code": "D111"}]})) == Clear("H219")


# --- whatever a history lacks -----------------------------------------------------------------------------------------------------------

junk = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3) | st.lists(st.floats(), max_size=2)
groups = st.dictionaries(st.sampled_from(["0", "1", "generator.a", "discriminator.a"]), junk, max_size=3)


@st.composite
def histories(draw: st.DrawFn) -> History:
    """A sick or healthy run, cut off somewhere, with keys missing and others holding anything."""
    base = draw(st.sampled_from([history for _, _, history in SICK] + [made()]))
    parts: dict[str, Any] = {}
    for field in fields(History):
        value = getattr(base, field.name)
        if isinstance(value, tuple):
            lines = value[: draw(st.integers(0, len(value)))]
            gone = draw(st.sets(st.sampled_from(sorted(lines[0])), max_size=8)) if lines else set()
            put = draw(st.dictionaries(st.sampled_from(sorted({*HEALTHY, *lines[0]})), junk | groups, max_size=3)) if lines else {}
            parts[field.name] = tuple({**{k: v for k, v in line.items() if k not in gone}, **put} for line in lines)
        elif isinstance(value, Mapping):
            gone = draw(st.sets(st.sampled_from(sorted(value)), max_size=4)) if value else set()
            put = draw(st.dictionaries(st.sampled_from(sorted(value)), junk, max_size=3)) if value else {}
            parts[field.name] = {**{k: v for k, v in value.items() if k not in gone}, **put}
        else:
            parts[field.name] = draw(st.sampled_from([value, "", "the  is not finite", "é\n" * 3]))
    return History(**parts)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(histories())
def test_a_check_always_answers(history: History) -> None:
    outcomes = examine(history)
    assert [o.code for o in outcomes] == CODES
    found = findings(outcomes)
    assert sorted(f.code for f in found) == sorted(o.code for o in outcomes if isinstance(o, Finding))
    order = [("severe", "warning", "note").index(f.severity) for f in found]
    assert order == sorted(order)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([history for _, _, history in SICK]), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(history: History, random: Any) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: turned(value[k]) for k in random.sample(list(value), len(value))}
        return tuple(map(turned, value)) if isinstance(value, tuple) else value

    other = History(**{field.name: turned(getattr(history, field.name)) for field in fields(History)})
    assert repr(examine(other)) == repr(examine(history))


@pytest.mark.parametrize("history", [made(), History(), made(exams=()), made(exams=made().exams[:1], ticks=())])
def test_a_run_of_an_older_version_is_examined(history: History) -> None:
    assert [o.code for o in examine(history)] == CODES


# --- helpers of the history -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, True, "3", math.nan, math.inf, [1.0], 10**400])
def test_what_is_no_finite_number_is_none(value: Any) -> None:
    assert number(value) is None


def test_an_average_that_comes_nearer_at_every_examination_makes_progress() -> None:
    """The first eight examinations of a run on StackedMNIST, however its live generator swings; the guard had taken it back three times."""
    live, average = [0.581, 0.606, 0.457, 0.388, 0.437, 0.345, 0.416, 0.363], [0.596, 0.476, 0.362, 0.335, 0.316, 0.309, 0.303, 0.289]
    exams = tuple(
        {**HEALTHY, "step": 99 * i, "seen": 3168 * i, "share": i / 16, "off_live": a, "off_average": b}
        for i, (a, b) in enumerate(zip(live, average, strict=True), 1)
    )
    assert not isinstance(outcome("H209", made(exams=exams)), Finding)
    back = tuple({**e, "off_average": e["off_average"] + 0.03 * (i == 6)} for i, e in enumerate(exams))
    assert isinstance(outcome("H209", made(exams=back)), Finding)


def test_numbers_of_lines_leave_out_what_is_missing() -> None:
    lines = [{"a": 1}, {}, {"a": "x"}, {"a": 2.0}, {"a": 9}]
    assert numbers(lines, "a") == [1.0, 2.0, 9.0]
    assert typical(lines, "a") == 2.0
    assert typical(lines, "b") is None


def test_a_stretch_of_a_run() -> None:
    lines = made().exams
    assert [line["share"] for line in between(lines, 0.2, 0.3)] == [0.2, 0.25, 0.3]
    assert list(lately(lines, 0.25, 3)) == list(lines[-5:])
    assert list(lately(lines[:4], 0.25, 3)) == list(lines[1:4])
    assert made().share == 1.0
    assert History().share == 0.0


def test_thresholds_are_numbers_or_names() -> None:
    named = {k: v for k, v in vars(limit).items() if k.isupper()}
    assert all(isinstance(v, int | float | tuple) for v in named.values())
