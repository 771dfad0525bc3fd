"""The table section of a report: the worst columns first, controls beside, whatever the columns hold, within the size of a page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gansmith import pages
from gansmith.errors import RunError
from gansmith.metrics.table_summary import Marginal, Rare, Summary, summary
from gansmith.pages import Report, RunRecord, table_charts
from gansmith.pages.page import LIMIT, Shown
from gansmith.records import Estimate, Score
from gansmith.runs import RunFolder, write_json
from gansmith.verbs.report import _table
from test_pages import NASTY, Reader, evaluation, record, report

PRIVACY = Score("singling out, one column", "original", "lower", Estimate(0.01, -0.01, 0.03), 0.0, 0.09, smote=0.02)


def made_up(numbers: int, categories: int, seed: int = 0) -> Summary:
    """A summary of columns of which the later ones are less alike."""
    rng = np.random.default_rng(seed)
    count = numbers + categories
    numeric = np.arange(count) < numbers
    levels = [() if n else (NASTY, *(f"level {i}" for i in range(12))) for n in numeric]
    sides = []
    for _ in range(2):
        x = np.where(numeric, rng.normal(size=(300, count)), rng.integers(0, 13, (300, count)) * (rng.random((300, count)) < 0.1))
        sides.append(x)
    sides[1][:, :numbers] += np.linspace(0, 2, numbers)
    sides[1][:5] = np.nan
    names = [f"column {i}" for i in range(count)]
    found = summary(sides[0], sides[1], sides[0], names, numeric, levels)
    pair = tuple(str(i) for i in range(count))
    return replace(found, names=tuple(names), closest=((pair, (NASTY, *pair[1:])),))


def of_a_table(table: Summary) -> RunRecord:
    judged = evaluation()
    scores = (*(replace(s, smote=0.5) for s in judged.scores if s.word != "original"), PRIVACY)
    rows = (table.names, tuple(NASTY for _ in table.names))
    return record(evaluations=(replace(judged, scores=scores),), table=table, rows=rows)


def test_the_section_is_there_and_well_formed() -> None:
    text = pages.html(report(of_a_table(made_up(3, 3))))
    said = Reader(text).said
    for words in ("Columns, real and generated", "Pairs of columns", "Rare values", "Privacy", "nearest to a training", "A random draw"):
        assert words in said, words
    titles = [chart.title for chart in table_charts.marginals(made_up(3, 3), "x")]
    assert titles.index("column 2") < titles.index("column 1") < titles.index("column 0")
    assert "SMOTE" in said
    assert NASTY not in text
    shown = Shown(of_a_table(made_up(3, 3)), "r1")
    assert shown.privacy == [PRIVACY]  # and not among the scores too
    assert PRIVACY not in shown.scores
    assert "of 6 columns" not in said


def test_a_run_on_pictures_has_no_such_section() -> None:
    said = Reader(pages.html(report())).said
    assert "Columns" not in said
    assert "SMOTE" not in said


def test_many_columns_fit_a_page_that_says_what_it_left_out() -> None:
    text = pages.html(report(of_a_table(made_up(30, 30))))
    assert len(text.encode()) < LIMIT / 2
    said = Reader(text).said
    assert f"the {table_charts.SHOWN} of 60 columns that differ most, the worst first" in said


def test_a_report_with_a_table_comes_back_from_its_json() -> None:
    found = report(of_a_table(made_up(2, 2)))
    assert Report.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_every_chart_says_in_words_what_it_shows() -> None:
    table = made_up(2, 2)
    for chart in (*table_charts.marginals(table, "x"), *table_charts.pairs(table, "x"), table_charts.rare(table.rare, "x")):
        assert chart is not None
        assert chart.alt.count(" ") > 6, chart.title
        assert "var(--" in chart.svg or "currentColor" in chart.svg
        assert "#0" not in chart.svg.replace('href="#', "").replace("url(#", ""), chart.title  # no colour that dark mode would keep


@pytest.mark.parametrize(
    "marginal",
    [
        Marginal("one value", (-0.5, 0.5), (), (1.0,), (1.0,), (0.0, 0.0), 1.0, 1.0),
        Marginal("nothing", (0.0, 1.0), (), (0.0,), (0.0,), (1.0, 1.0), 1.0, 1.0),
        Marginal("huge", (-1e149, 0.0, 1e149), (), (0.5, 0.5), (0.0, 1.0), (0.0, 0.0), 0.5, 1.0),
        Marginal("dates", (-86400.0, 0.0, 1e9), (), (0.5, 0.5), (0.5, 0.5), (0.0, 0.0), 1.0, 1.0, dates=True),
        Marginal("far dates", (-1e14, 1e14), (), (1.0,), (1.0,), (0.0, 0.0), 1.0, 1.0, dates=True),
        Marginal("a level", None, ("x",), (1.0,), (1.0,), (0.0, 0.0), 1.0, 1.0),
    ],
)
def test_odd_columns_are_drawn(marginal: Marginal) -> None:
    (chart,) = table_charts.marginals(Summary((marginal,), ((None,),), ((None,),), ((None,),), (), 0), "x")
    assert chart.svg.startswith("<svg")
    assert not table_charts.pairs(Summary((marginal,), ((None,),), ((None,),), ((None,),), (), 0), "x")


def test_a_spike_is_shown_on_a_log_scale() -> None:
    spike = Marginal("gain", (0.0, 1.0, 2.0), (), (0.95, 0.05), (0.96, 0.04), (0.0, 0.0), 0.99, 1.0)
    charts = table_charts.marginals(Summary((spike,), ((None,),), ((None,),), ((None,),), (), 0), "x")
    assert "logarithmic" in charts[0].caption


def test_rare_levels() -> None:
    assert table_charts.rare((), "x") is None
    chart = table_charts.rare((Rare("job", "diver", 0.002, 0.0), Rare("job", "pilot", 0.004, 0.005)), "x")
    assert chart is not None
    assert "1 were never generated" in chart.alt
    assert "job diver (0.2 % of real rows, 0 % of generated)" in chart.alt
    assert table_charts.rare((Rare("job", "diver", 0.002, 0.0),), "x") is not None


def test_a_broken_summary_is_told(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert _table(folder) is None
    write_json(folder.columns, {"columns": []})
    with pytest.raises(RunError, match="Evaluate the run again"):
        _table(folder)
    write_json(folder.columns, made_up(2, 1).to_dict())
    assert _table(folder) == made_up(2, 1)
