"""The health of a run on a page: findings with the charts that show them, what was recovered from, and signals that can be read aloud."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from gansmith import pages
from gansmith.health.checks import CHECKS
from gansmith.pages import Health, Report, charts, health, health_charts, health_maps
from gansmith.records import Clear, Finding, NotApplicable, Outcome, as_typed
from test_pages import NASTY, Reader, bare, record, report

LAYERS = ("start", "blocks.0.first", "blocks.0.last", "finish")
BATCH, STEPS = 16, 400


def ticks(count: int = 80, **values: Callable[[float], float]) -> list[dict[str, Any]]:
    """Lines of log.jsonl of a healthy run; `values`: others, as functions of the share of the run."""
    usual: dict[str, Callable[[float], float]] = {
        "loss_d": lambda s: 1.3 - 0.1 * s,
        "loss_g": lambda s: 0.7 + 0.1 * math.sin(40 * s),
        "logit_real": lambda s: 0.4,
        "logit_fake": lambda s: -0.4,
        "log_d_real": lambda s: -0.5,
        "log_1_minus_d_fake": lambda s: -0.5,
        "r1": lambda s: 0.3 * math.exp(-2 * s),
        "r2": lambda s: 0.4 * math.exp(-2 * s),
        "grad_d": lambda s: 0.8 + 0.1 * math.sin(90 * s),
        "grad_g": lambda s: 0.5 + 0.1 * math.cos(70 * s),
        "grad_d_peak": lambda s: 1.6 + 0.3 * math.sin(90 * s),
        "grad_g_peak": lambda s: 1.1 + 0.2 * math.cos(70 * s),
        "lr_generator": lambda s: 2e-3 * (1 - 0.9 * s),
        "lr_discriminator": lambda s: 2e-3 * (1 - 0.9 * s),
    }
    return [_at(i, count, usual | values) for i in range(1, count + 1)]


def exams(count: int = 20, **values: Callable[[float], Any]) -> list[dict[str, Any]]:
    """Lines of health.jsonl of a healthy run on two classes."""

    def parameters(of: Callable[[float], float]) -> Callable[[float], dict[str, float]]:
        names = [f"{player}.{layer}.{part}" for player in ("generator", "discriminator") for layer in LAYERS for part in ("weight", "bias")]
        return lambda s: {name: of(s) * 0.8**i for i, name in enumerate(names)}

    usual: dict[str, Callable[[float], Any]] = {
        "logit_train": lambda s: 0.5 + 0.2 * s,
        "logit_held": lambda s: 0.45 + 0.1 * s,
        "logit_fake": lambda s: -0.5 + 0.1 * s,
        "scatter": lambda s: 0.9,
        "wins_train": lambda s: 0.9 - 0.15 * s,
        "wins_held": lambda s: 0.88 - 0.15 * s,
        "pull": lambda s: 0.8 * math.exp(-s),
        "slope": lambda s: 1.5 * math.exp(-s),
        "gradients": parameters(lambda s: 0.3 * math.exp(-s)),
        "moves": parameters(lambda s: 3e-3 * (1 - 0.9 * s)),
        "dead_g": lambda s: 0.02,
        "dead_d": lambda s: 0.01,
        "frozen": lambda s: [],
        "ema_gap": lambda s: 0.2 * math.exp(-2 * s),
        "off_live": lambda s: 0.7 * math.exp(-4 * s) + 0.12,
        "off_average": lambda s: 0.7 * math.exp(-3 * s) + 0.08,
        "spread": lambda s: 1 - 0.5 * math.exp(-6 * s),
        "closest": lambda s: 0.9 - 0.6 * math.exp(-6 * s),
        "spread_classes": lambda s: {"0": 0.9, "1": 0.85},
        "reached": lambda s: 0.85 - 0.7 * math.exp(-5 * s),
        "reached_real": lambda s: 0.92,
        "reached_classes": lambda s: {"0": [0.8, 0.9], "1": [0.7, 0.9]},
        "response": lambda s: 0.9,
        "response_d": lambda s: 0.6,
        "dead_latents": lambda s: 0.0,
        "low": lambda s: 0.4,
        "high": lambda s: 0.1,
        "low_real": lambda s: 0.42,
        "high_real": lambda s: 0.12,
        "beyond": lambda s: 0.0,
        "mean_gap": lambda s: 0.05,
        "deviation": lambda s: 0.98,
        "border_gap": lambda s: 0.02,
        "weave": lambda s: 1.2,
        "weave_real": lambda s: 1.1,
        "nearest_train": lambda s: 0.95,
        "nearest_held": lambda s: 1.0,
        "copies": lambda s: 0.01,
        "poisoned": lambda s: 0,
    }
    return [_at(i, count, usual | values) for i in range(1, count + 1)]


def looks(count: int = 20) -> list[dict[str, Any]]:
    """Lines of quality.jsonl."""
    return [_at(i, count, {"distance": lambda s: 0.7 * math.exp(-3 * s) + 0.08}, ("step", "share")) for i in range(1, count + 1)]


def speeds(count: int = 80) -> list[dict[str, Any]]:
    """Lines of speed.jsonl."""
    values: dict[str, Callable[[float], float]] = {
        "seconds": lambda s: 75 * s,
        "samples_per_second": lambda s: 85.0,
        "data": lambda s: 0.04,
        "game": lambda s: 0.93,
        "watch": lambda s: 0.03,
    }
    return [_at(i, count, values, ("step",)) for i in range(1, count + 1)]


def _at(i: int, count: int, values: dict[str, Callable[[float], Any]], first: Sequence[str] = ("step", "share", "seen")) -> dict[str, Any]:
    share = i / count
    place = {"step": round(STEPS * share), "share": share, "seen": BATCH * round(STEPS * share)}
    return {**{k: place[k] for k in first}, **{k: of(share) for k, of in values.items()}}


RECOVERIES = (
    {
        "step": 240,
        "back": 160,
        "code": "H207",
        "message": "the gradient grew to 90 times what is usual.",
        "changes": {"optimiser.lr_generator": 0.001, "optimiser.lr_discriminator": 0.001},
        "number": 1,
        "seconds": 40.0,
    },
)

LOG = tuple(ticks())

ILL: tuple[Outcome, ...] = (
    Finding("H204", "severe", "it tells training samples apart.", "Set augment.strength=0.8.", {"wins_train": 0.97, "classes": []}),
    Finding("H221", "warning", f"{NASTY} does not learn.", f"Mind {NASTY}.", {"names": [NASTY]}),
    Finding("H217", "note", "the run is short."),
    *(Clear(check.code) for check in CHECKS if check.code not in ("H204", "H221", "H217", "H218")),
    NotApplicable("H218", "none were held out."),
)
WELL: tuple[Outcome, ...] = tuple(Clear(check.code) for check in CHECKS)


COURSE = tuple({"step": 40 * i, "found": {"H204": "severe"} if i > 6 else {"H205": "severe", "H202": "note"}} for i in range(1, 11))
PAST = (health.Past(Finding("H205", "severe", "the discriminator wins.", "Let it lose."), 40, 240),)


def found(outcomes: Sequence[Outcome] = ILL, **changes: Any) -> Health:
    """The health of a run that recovered once, of which everything is kept."""
    records: dict[str, Any] = {
        "past": PAST,
        "course": COURSE,
        "recoveries": RECOVERIES,
        "exams": tuple(exams()),
        "looks": tuple(looks()),
        "speeds": tuple(speeds()),
        "undone": (health.Undone(tuple(ticks(48, grad_d_peak=lambda s: math.exp(9 * s))), tuple(exams(12))),),
    }
    return Health.of(outcomes, **(records | changes))


def placed(ticks: Sequence[Any] | None = None, back: Sequence[int] = (160,), **changes: Sequence[Any]) -> health_charts.Records:
    records = {"exams": exams(), "looks": looks(), "speeds": speeds(), "course": COURSE} | changes
    kept = Health(**{key: tuple(lines) for key, lines in records.items()})  # type: ignore[arg-type]
    return health_charts.placed(LOG if ticks is None else ticks, kept, back, ["cat", NASTY])


# --- records along the run -----------------------------------------------------------------------------------------------


def test_every_record_is_put_along_the_samples_seen() -> None:
    uneven = [{"step": 10, "seen": 100}, {"step": 20, "seen": 400}]
    records = placed(ticks=uneven, exams=[{"step": 5}, {"step": 15}], looks=[{"step": 20}], speeds=[{"step": 30}], back=[15, 0, 15])
    assert [e["seen"] for e in records.exams] == [50, 250]
    assert [lines[0]["seen"] for lines in (records.looks, records.speeds)] == [400, 400]
    assert records.turns == (0.0, 250.0)


def test_without_a_log_nothing_is_put_anywhere() -> None:
    records = placed(ticks=[])
    assert (records.exams, records.looks, records.speeds, records.course, records.turns) == ((), (), (), (), ())


# --- charts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", health_charts.SIGNALS)
def test_every_signal_is_drawn_with_what_it_is_read_against(name: str) -> None:
    chart = health_charts.SIGNALS[name].draw(placed(), "x")
    assert chart is not None
    assert chart.title
    assert chart.caption.endswith(".")
    assert chart.alt.count(" ") > 6
    assert "went back" in chart.svg
    assert not re.search(r"#0[0-9a-f]{5}\b", chart.svg)  # no colour that dark mode would keep
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", chart.svg)) <= {"none", *charts.COLOURS.values()}


@pytest.mark.parametrize("name", health_charts.SIGNALS)
@pytest.mark.parametrize("count", [0, 1])
def test_of_fewer_than_two_records_no_line_can_be_drawn(name: str, count: int) -> None:
    records = placed(exams=exams()[:count], looks=looks()[:count], speeds=speeds()[:count], course=COURSE[:count])
    assert health_charts.SIGNALS[name].draw(replace(records, ticks=LOG[:count]), "x") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(["gradients", "moves", "spread_classes", "reached_classes", "spread"]), value=json_values)
def test_an_odd_line_costs_its_values_only(key: str, value: Any) -> None:
    lines = exams(4)
    lines[1] = {**lines[1], key: value}
    records = placed(ticks=ticks(2), exams=lines, looks=[], speeds=[])
    for part in ("generator", "discriminator"):
        assert health_maps.layers(records.exams, "gradients", part, health_maps.norm) is not None
    assert health_maps.of_classes(records.exams, (), "reached_classes", health_maps.of_reachable) is not None
    assert charts.recorded(records.exams, "spread", "spread", 0) is not None


def test_a_healthy_band_is_drawn_and_told_of() -> None:
    chart = health_charts.SIGNALS["pull"].draw(placed(), "x")
    assert chart is not None
    assert "healthy" in chart.svg
    assert "Healthy is above 0.100 and below 10.0." in chart.alt
    assert "The run went back to 2,560." in chart.alt
    well = health_charts.SIGNALS["pull"].draw(placed(back=[]), "x")
    assert well is not None
    assert "went back" not in well.svg + well.alt


@pytest.mark.parametrize("end", [-5.0, 0.0, 1.5, 5.0])
@pytest.mark.parametrize("values", [[-3.0, 3.0], [1.0, 1.0], [1.2, 1.7]])
def test_a_band_never_hides_a_value(end: float, values: list[float]) -> None:
    axes = Figure().add_subplot()
    axes.plot(values)
    charts._marked(axes, charts.Marks(healthy=(end, math.inf)))
    low, high = axes.get_ylim()
    assert low <= min(values)
    assert max(values) <= high
    assert low <= end <= high


@given(st.lists(st.text("abcdefghijkl ", min_size=1, max_size=30), min_size=1, max_size=7))
def test_a_legend_is_as_wide_as_there_is_room(names: list[str]) -> None:
    columns = charts.fitting(names)
    assert 1 <= columns <= len(names)
    assert columns == 1 or len("".join(names)) * charts.LETTER < charts.WIDTH * -(-len(names) // columns)


# --- maps ----------------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4).map(".".join), min_size=1, max_size=80, unique=True))
def test_layers_keep_every_parameter_once_and_are_few(names: list[str]) -> None:
    groups = health_maps.grouped(names)
    assert sorted(place for places in groups.values() for place in places) == list(range(len(names)))
    assert len(groups) <= health_maps.ROWS
    assert all(names[place].startswith(layer.partition(".")[0]) for layer, places in groups.items() for place in places)


def test_a_layer_is_called_by_its_module() -> None:
    names = ["start.weight", "start.bias", "basis", "up.parametrizations.weight.original", "up.bias"]
    assert health_maps.grouped(names) == {"start": [0, 1], "basis": [2], "up": [3, 4]}


def test_the_gradient_of_a_layer_is_that_of_all_its_parameters() -> None:
    lines = [{"seen": n, "gradients": {"generator.a.weight": 3.0, "generator.a.bias": 4.0, "discriminator.a.weight": 9.0}} for n in (1, 2)]
    rows = health_maps.layers(lines, "gradients", "generator", health_maps.norm)
    assert rows is not None
    assert rows.names == ("a",)
    np.testing.assert_allclose(rows.values, [[5.0, 5.0]])


def test_the_step_of_a_layer_is_that_of_its_weights() -> None:
    moves = {"generator.a.weight": 0.01, "generator.a.bias": 70.0, "generator.b.bias": 5.0}
    rows = health_maps.layers([{"seen": n, "moves": moves} for n in (1, 2)], "moves", "generator", health_maps.middle)
    assert rows is not None
    assert rows.names == ("a",)
    np.testing.assert_allclose(rows.values, [[0.01, 0.01]])


def test_classes_stand_the_worst_first_by_their_names() -> None:
    several = exams(3, reached_classes=lambda s: {"0": [0.9, 0.9], "1": [0.3, 0.6], "7": [0.1, 0.0]})
    rows = health_maps.of_classes(placed(exams=several).exams, ["cat", NASTY], "reached_classes", health_maps.of_reachable)
    assert rows is not None
    assert rows.names == (NASTY, "cat", "7")  # what cannot be reached comes last; what has no name keeps its number
    np.testing.assert_allclose(rows.values[:, 0], [0.5, 1.0, np.nan])
    many = exams(3, spread_classes=lambda s: {str(k): k / 99 for k in range(99)})
    rows = health_maps.of_classes(placed(exams=many).exams, ["cat", NASTY], "spread_classes", float)
    assert rows is not None
    assert rows.names == ("cat", NASTY, *map(str, range(2, health_maps.ROWS)))


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=40))
def test_every_gradient_has_one_shade(values: list[float]) -> None:
    shades = health_maps.decades(np.array(values))
    assert all(sum(s.low <= v < s.high for s in shades) == 1 for v in values)
    assert len({s.name for s in shades}) == len(shades)


@pytest.mark.parametrize("shades", [health_maps.MOVES, health_maps.beside_real(0.4)])
def test_shades_follow_one_another_from_end_to_end(shades: Sequence[health_maps.Shade]) -> None:
    assert (shades[0].low, shades[-1].high) == (-math.inf, math.inf)
    assert all(a.high == b.low < b.high for a, b in pairwise(shades))


def test_a_long_run_is_brought_down_to_medians() -> None:
    long = health_maps.Rows(("a", "b"), np.arange(480.0), np.stack([np.arange(480.0), np.ones(480)]))
    seen, values = health_maps.condensed(long)
    assert values.shape == (2, health_maps.COLUMNS)
    np.testing.assert_allclose(values, [seen, np.ones(health_maps.COLUMNS)])
    short = replace(long, seen=long.seen[:5], values=long.values[:, :5])
    np.testing.assert_array_equal(health_maps.condensed(short)[1], short.values)


def test_a_long_run_keeps_what_was_found_once() -> None:
    course = [{"seen": i, "found": {"H205": "severe"} if i == 77 else {}} for i in range(480)]
    rows = health_maps.found_when(course)
    assert rows is not None
    _, values = health_maps.condensed(rows)
    assert np.nansum(values) == health_maps.RANKS["severe"]


def test_a_map_says_where_its_rows_stand_at_the_end() -> None:
    still = exams(6, moves=lambda s: {"generator.a.weight": 0.003, "generator.b.weight": 0.0, "generator.c.weight": 5.0})
    chart = health_charts.SIGNALS["moves of the generator"].draw(placed(exams=still), "x")
    assert chart is not None
    assert chart.alt.endswith("At the end: 1 stands still (b); 1 healthy (a); 1 above 0.2 (c).")


def test_what_was_found_stands_in_the_order_of_the_checks() -> None:
    rows = health_maps.found_when(placed(course=[*COURSE, {"step": 400, "found": {"H999": "severe", "H205": "warning"}}]).course)
    assert rows is not None
    assert rows.names == ("H204 The discriminator overfits", "H205 The discriminator wins", "H202 Partial collapse")
    np.testing.assert_array_equal(rows.values[:, 0], [np.nan, 3, 1])
    np.testing.assert_array_equal(rows.values[:, -1], [np.nan, 2, np.nan])
    assert health_maps.found_when(placed(course=[{"step": 40, "found": {}}] * 5).course) is None


def test_shares_of_the_time_add_up() -> None:
    chart = health_charts.SIGNALS["time"].draw(placed(), "x")
    assert chart is not None
    assert "fetching data 4.00 %; training 93.0 %; monitoring 3.00 %" in chart.alt


# --- which charts show what ----------------------------------------------------------------------------------------------


def test_every_illness_that_a_signal_shows_has_its_charts() -> None:
    codes = {check.code for check in CHECKS}
    assert codes - health_charts.SHOWN.keys() == {"H219", "H223"}  # of the data, and of the machine: nothing is measured over the run
    assert health_charts.SHOWN.keys() <= codes
    assert {name for names in health_charts.SHOWN.values() for name in names} | set(health_charts.OVERVIEW) <= health_charts.SIGNALS.keys()
    assert health_charts.of_finding("H999", placed(), "x") == ()


# --- what was found, in words --------------------------------------------------------------------------------------------


def test_a_summary_counts_the_checks() -> None:
    count = len(CHECKS)
    assert found().summary == f"2 checks found a problem, {count - 4} found no problem, 1 has a note, 1 did not apply."
    assert found(WELL).summary == f"{count} checks found no problem."
    assert found((ILL[0],)).summary == "1 check found a problem, 0 found no problem."
    assert found((ILL[2], replace(ILL[2], code="H220"), Clear("H201"))).summary == "1 check found no problem, 2 have notes."
    assert found((ILL[-1],)).summary == "This run's health is unknown: no check applied."


def test_health_comes_back_from_its_json() -> None:
    whole = report(record(health=found()))
    assert Report.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


def test_a_report_of_an_older_gansmith_has_no_health() -> None:
    values = report(record(health=found())).to_dict()
    for run in values["runs"]:
        del run["health"]
    assert Report.from_dict(values).runs[0].health is None


def test_a_recovery_says_what_was_changed() -> None:
    assert as_typed(RECOVERIES[0]["changes"]) == "optimiser.lr_generator=0.001, optimiser.lr_discriminator=0.001"
    assert health.taken_back({**RECOVERIES[0], "changes": {"a.b": 1.23456}}) == (
        "Seen at step 240; the run went back to step 160 and continued with a.b=1.23."
    )
    anew = health.taken_back({"step": 3000, "back": 0})
    assert anew == "Seen at step 3,000; the run went back to its start and continued with the same settings."
    assert health.back([*RECOVERIES, {"step": 3}]) == [160]


# --- pages ---------------------------------------------------------------------------------------------------------------

FEW: dict[str, Any] = {"past": (), "course": (), "recoveries": (), "exams": tuple(exams(1)), "looks": (), "speeds": (), "undone": ()}
NEWER = Finding("H999", "note", NASTY, NASTY, {NASTY: {NASTY: 1}})
PAGES = {
    "ill": record(health=found(gaps=(NASTY,)), log=tuple(ticks())),
    "well": record(health=found(WELL, **FEW), log=tuple(ticks())),
    "older": bare(health=Health.of([NotApplicable("H201", NASTY)], gaps=("never examined",))),
    "nasty": record(NASTY, path=NASTY, health=found([NEWER], **FEW | {"recoveries": ({"step": 1},)}), log=()),
}


@pytest.fixture(scope="module")
def html() -> dict[str, str]:
    """Every run as a diagnosis and in a report."""
    made = {f"{name} diagnosis": pages.diagnosis(run, f"gansmith diagnose {run.path}", "0.2.0") for name, run in PAGES.items()}
    return made | {f"{name} report": pages.html(report(PAGES[name])) for name in ("ill", "nasty")}


KINDS = [*(f"{name} diagnosis" for name in PAGES), "ill report", "nasty report"]


@pytest.mark.parametrize("name", KINDS)
def test_a_page_is_whole_in_itself_and_can_be_read_aloud(name: str, html: dict[str, str]) -> None:
    text = html[name]
    seen = Reader(text)
    assert text.startswith("<!doctype html>")
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert not {"script", "iframe", "object", "embed", "form"} & {tag for tag, _ in seen.tags}
    assert "<script" not in text
    ids = list(seen.values("id"))
    assert len(ids) == len(set(ids))
    wanted = {v[1:] for v in seen.values("href") if v.startswith("#")} | set(seen.values("aria-labelledby"))
    wanted |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(ids)
    tags = [tag for tag, _ in seen.tags]
    assert [tags.count(t) for t in ("main", "h1")] == [1, 1]
    levels = [int(t[1]) for t in tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all(a["aria-label"].strip() for _, a in seen.tags if a.get("role") == "img")


@pytest.mark.parametrize("name", ["ill diagnosis", "ill report"])
def test_a_page_tells_what_is_wrong_the_worst_first(name: str, html: dict[str, str]) -> None:
    said = Reader(html[name]).said
    parts = (
        "✕ Severe", "The discriminator overfits", "It tells training samples", "What to change Set augment.strength=0.8.", "Logits of",
        "⚠ Warning", "A layer does not learn", "• Note", "Too few steps",
        "↺ Went back", "The gradient explodes", "The gradient grew to 90",
        "went back to step 160", "optimiser.lr_generator=0.001",
        "severe, step 40 to 240 The discriminator wins.", "H210 A value is not finite found nothing",
        "did not apply: none were held out.",
    )  # fmt: skip
    places = [said.index(part) for part in parts]
    assert places == sorted(places)
    assert "wins train" in said
    assert "classes –" not in said  # evidence that says nothing
    assert "gansmith explain H204" in said
    assert NASTY in said


def test_a_healthy_run_says_so_in_a_line(html: dict[str, str]) -> None:
    said = Reader(html["well diagnosis"]).said
    assert f"✓ {len(CHECKS)} checks found no problem." in said
    assert "What to change" not in said
    assert "Went back" not in said
    assert "for a while" not in said
    assert "Signals over the run" in said


def test_what_could_not_be_looked_at_is_said(html: dict[str, str]) -> None:
    said = Reader(html["older diagnosis"]).said
    assert "This run's health is unknown" in said
    assert "never examined" in said
    assert f"did not apply: {NASTY}" in said
    assert "There are too few records to draw a chart." in said


def test_an_illness_of_a_newer_gansmith_is_still_told(html: dict[str, str]) -> None:
    said = Reader(html["nasty diagnosis"]).said
    assert "H999" in said
    assert "Explained in" not in said


def test_a_report_that_knows_no_health_says_how_to_look() -> None:
    said = Reader(pages.html(report(bare()))).said
    assert "gansmith diagnose runs/zoo-1" in said
    assert "## Health" not in pages.markdown(report(bare()))


def test_the_summary_names_illness_and_remedy() -> None:
    text = pages.markdown(report(PAGES["ill"]))
    assert "| severe | H204 The discriminator overfits | it tells training samples apart. | Set augment.strength=0.8. |" in text
    assert "| 240 | H207 the gradient grew to 90 times what is usual. |" in text
    assert "<script" not in re.sub(r"`[^`]*`", "", text)


def test_the_same_run_gives_the_same_page(html: dict[str, str]) -> None:
    assert pages.diagnosis(PAGES["well"], "gansmith diagnose runs/zoo-1", "0.2.0") == html["well diagnosis"]
