"""evaluate on tables: rows whose answer is known get the verdicts they deserve, whoever made them and however their file is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gansmith
from gansmith.domains.table.schema import Column, Constraint, Schema
from gansmith.errors import ConfigError, DataError
from gansmith.features.columns import Columns, learned
from gansmith.metrics import table_judgement
from gansmith.metrics.neighbours import Pair
from gansmith.metrics.table_judgement import AUC, NEARER, POOREST, SHAPE, TREND, answer, sure, verdicts
from gansmith.metrics.table_summary import Summary, summary
from gansmith.records import Estimate, Evaluation, Score
from gansmith.verbs import sets
from gansmith.verbs.judged_rows import Learned

TRAINING, OTHERS = 900, 300
LEVELS = ("clerk", "smith", "nurse", "cook")


def people(count: int, seed: int) -> pd.DataFrame:
    """Rows in which nearly everything has to do with age, and the grade says the job in other words."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, count)
    job = (age // 16 + rng.integers(0, 2, count)) % 4
    pay = np.round(900 + 30 * age + 200 * job + rng.normal(0, 60, count), 1)
    rich = pay + rng.normal(0, 80, count) > 2600
    frame = pd.DataFrame({"age": age, "job": np.array(LEVELS)[job], "grade": job + 1, "pay": pay, "rich": np.where(rich, "yes", "no")})
    frame.insert(0, "id", np.arange(count) + 1000)
    return frame


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("rows")
    training, fresh = people(TRAINING, 1), people(OTHERS, 3)
    rng = np.random.default_rng(0)
    rows = {
        "training": training,
        "held": people(OTHERS, 2),
        "fresh": fresh,
        "copy": training.iloc[rng.permutation(TRAINING)[:OTHERS]],
        "shuffled": fresh.apply(lambda column: column.to_numpy()[rng.permutation(OTHERS)]),
        "turned": fresh[fresh.columns[::-1]].sort_values("job"),
        "lacking": fresh.drop(columns="job"),
    }
    for name, frame in rows.items():
        frame.to_csv(place / f"{name}.csv", index=False)
    return place


def judge(files: Path, name: str, **words: object) -> Evaluation:
    given = {"against": files / "held.csv", "training": files / "training.csv", "settings": {"data.target": "rich"}}
    return gansmith.evaluate(files / f"{name}.csv", **{**given, **words})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(files: Path) -> Mapping[str, Evaluation]:
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(table_judgement, "ATTACKS", 200)  # of few columns, few predicates are of use, and many are tried
        return {name: judge(files, name) for name in ("fresh", "copy", "shuffled")}


def whole(evaluation: Evaluation) -> dict[str, Score]:
    return {s.metric: s for s in evaluation.scores if s.label is None}


@pytest.mark.parametrize(
    ("name", "wanted"), [("fresh", ("yes", "yes", "yes")), ("copy", ("yes", "yes", "no")), ("shuffled", ("no", "no", "yes"))]
)
def test_rows_get_the_verdicts_they_deserve(name: str, wanted: tuple[str, ...], found: Mapping[str, Evaluation]) -> None:
    told = found[name].verdicts
    assert tuple(v.answer for v in told) == (*wanted, "unknown"), [(v.answer, v.sentence) for v in told]


def test_every_score_of_tables_is_there_with_four_controls(found: Mapping[str, Evaluation]) -> None:
    scores = whole(found["fresh"])
    wanted = {*table_judgement.MEANINGS} - {"TSTR", "TRTS"} | {"TSTR AUC", "TRTS AUC", "precision", "density", "coverage", "near-copies"}
    assert wanted <= {*scores}
    assert not {"Fréchet distance", "two-sample AUC"} & {*scores}  # published scores of tables stand in their place
    for metric in wanted:
        score = scores[metric]
        assert None not in (score.floor, score.copy, score.smote), metric
        assert (score.noise is None) == (metric in table_judgement.MEANINGS and score.word == "original"), metric
    assert found["fresh"].conditions["extractor"] == "columns"


def test_controls_come_out_in_order(found: Mapping[str, Evaluation]) -> None:
    scores = whole(found["fresh"])
    for metric in ("precision", "coverage", TREND):
        assert scores[metric].floor > scores[metric].noise + 0.1, metric  # type: ignore[operator]
    assert scores[AUC].floor < 0.65 < 0.9 < scores[AUC].noise  # type: ignore[operator]
    assert scores["rule breaks"].floor == 0
    assert scores["rule breaks"].noise > 0.5  # type: ignore[operator]
    assert "job → grade" in scores["rule breaks"].note
    assert scores["near-copies"].copy == 1


def test_shuffling_keeps_shapes_and_loses_all_else(found: Mapping[str, Evaluation]) -> None:
    scores, fresh = whole(found["shuffled"]), whole(found["fresh"])
    assert scores[SHAPE].estimate.value == pytest.approx(fresh[SHAPE].estimate.value)
    assert scores[TREND].estimate.high < fresh[TREND].estimate.low
    assert scores["TSTR AUC"].estimate.high < scores["TSTR AUC"].floor  # type: ignore[operator]


def test_the_layout_of_a_file_changes_nothing(files: Path) -> None:
    """Levels are read by the training data's schema: the numbers behind them would be others in a file of its own."""
    drawn = []
    for name in ("fresh", "turned"):
        found = sets.of_data(files / f"{name}.csv", files / "held.csv", files / "training.csv", {"data.target": "rich"}, lambda *_: None)
        raw, labels = found.draw(OTHERS, 0)
        assert labels is not None
        drawn.append(np.column_stack((raw[:, 1:], labels)))
    assert set(found.classes) == {"no", "yes"}
    first, second = (x[np.lexsort(x.T)] for x in drawn)
    np.testing.assert_array_equal(first, second)


def test_what_a_table_cannot_be_judged_by_is_told(files: Path) -> None:
    with pytest.raises(DataError, match="has no column 'job'"):
        judge(files, "lacking")
    with pytest.raises(ConfigError, match="the features pixels are not for tables"):
        judge(files, "fresh", extractor="pixels")
    with pytest.raises(DataError, match=r"300 of the 300 samples in .*copy\.csv were also trained on"):
        judge(files, "fresh", against=files / "copy.csv")


# --- verdicts -------------------------------------------------------------------------------------------------------------------------


def score(metric: str, value: float, floor: float, noise: float | None, copy: float | None = None, reach: float = 0.005) -> Score:
    meaning = table_judgement.MEANINGS[metric]
    return Score(metric, meaning.word, meaning.better, Estimate(value, value - reach, value + reach), floor, copy, noise)


@pytest.mark.parametrize(
    ("metric", "floor", "noise", "copy", "values"),
    [
        (SHAPE, 0.99, 0.99, None, {0.985: "yes", 0.95: "partly", 0.91: "no"}),
        (TREND, 0.98, 0.78, None, {0.96: "yes", 0.93: "partly", 0.88: "no"}),
        (AUC, 0.5, 0.99, None, {0.58: "yes", 0.7: "partly", 0.8: "no"}),
        (POOREST, 0.97, 0.97, None, {0.93: "yes", 0.85: "partly", 0.7: "no"}),
        (NEARER, 0.5, None, 0.6, {0.51: "yes", 0.525: "partly", 0.56: "no"}),
    ],
)
def test_thresholds(metric: str, floor: float, noise: float | None, copy: float | None, values: dict[float, str]) -> None:
    assert {v: answer(score(metric, v, floor, noise, copy)) for v in values} == values


def ordinary() -> list[Score]:
    """What neighbours say of a perfect generator."""

    def of(metric: str, word: str, value: float, noise: float, copy: float = 1.0, better: str = "higher") -> Score:
        return Score(metric, word, better, Estimate(value, value, value), value, copy, noise)  # type: ignore[arg-type]

    return [
        of("precision", "faithful", 0.9, 0.2),
        of("density", "faithful", 1.0, 0.2),
        of("coverage", "diverse", 0.95, 0.2),
        of("near-copies", "original", 0.05, 0.0, better="lower"),
    ]


@pytest.mark.parametrize(
    ("spoilt", "word", "wanted", "said"),
    [
        (score(AUC, 0.95, 0.5, 0.99), 0, "no", "AUC of 0.95"),
        (score(TREND, 0.93, 0.98, 0.78), 0, "partly", "Pairs of columns"),
        (score(POOREST, 0.5, 0.97, 0.97), 1, "no", "One column"),
        (score(NEARER, 0.58, 0.5, None, 0.6), 2, "no", "nearer to the training rows"),
    ],
)
def test_one_score_is_enough_to_lower_an_answer(spoilt: Score, word: int, wanted: str, said: str) -> None:
    fine = [score(SHAPE, 0.99, 0.99, 0.99), score(AUC, 0.51, 0.5, 0.99), score(TREND, 0.98, 0.98, 0.78), score(POOREST, 0.97, 0.97, 0.97)]
    assert [v.answer for v in verdicts([*ordinary(), *fine])][:3] == ["yes", "yes", "yes"]
    lowered = verdicts([*ordinary(), *(s for s in fine if s.metric != spoilt.metric), spoilt])
    assert lowered[word].answer == wanted
    assert said in lowered[word].sentence
    assert spoilt.metric in lowered[word].because
    assert [v.answer for i, v in enumerate(lowered[:3]) if i != word] == ["yes", "yes"]


def test_what_is_unknown_is_not_made_good_by_columns_alone() -> None:
    blind = [replace(s, reliable=False) for s in ordinary()]
    fine = [score(SHAPE, 0.99, 0.99, 0.99), score(POOREST, 0.97, 0.97, 0.97), score(NEARER, 0.5, 0.5, None, 0.6)]
    assert [v.answer for v in verdicts([*blind, *fine])] == ["unknown"] * 4
    assert verdicts([*blind, *fine, score(AUC, 0.51, 0.5, 0.99)])[0].answer == "yes"
    assert verdicts([*blind, score(SHAPE, 0.8, 0.99, 0.99)])[0].answer == "no"
    assert verdicts(blind)[0].answer == "unknown"


def test_a_short_way_from_noise_decides_nothing() -> None:
    near, far = score(TREND, 0.9, 0.92, 0.9), score(TREND, 0.9, 0.92, 0.5)
    assert not sure(near).reliable
    assert "hardly worse" in sure(near).note
    assert sure(far) == far
    assert sure(replace(near, word="original")).reliable


# --- what goes in ---------------------------------------------------------------------------------------------------------------------

SCHEMA = Schema(
    (
        Column("id", "id"),
        Column("a", "number"),
        Column("b", "category", ("x", "y", "z")),
        Column("when", "date", form="%Y-%m-%d"),
        Column("c", "number"),
    ),
    "b",
    (Constraint("less or equal", ("a", "c")), Constraint("within", ("a",), 0.0, None), Constraint("together", ("a", "b"))),
)


def rows(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 9, count), rng.integers(0, 3, count)
    return np.stack((np.zeros(count), a, b, 86400.0 * rng.integers(0, 900, count), a + b), 1).astype(float)


def test_columns_that_are_not_learned_are_not_seen() -> None:
    raw = rows(50)
    other = raw.copy()
    other[:, 0] = 7
    seer = Columns.of(raw, SCHEMA.to_dict())
    np.testing.assert_array_equal(seer(raw), seer(other))
    assert seer(raw).shape == (50, seer.conditions["dimensions"])
    assert learned(SCHEMA.to_dict()) == ((1, 2, 3, 4), (True, False, True, True))
    with pytest.raises(DataError, match="the extractor is for 5 columns"):
        seer(raw[:, 1:])


def test_rules_are_those_declared_and_those_found() -> None:
    raw = rows(400)
    raw[:, 3] = 86400.0 * raw[:, 2]  # a date for each level of b
    table = Learned.of(SCHEMA.to_dict())
    rules = dict(table.rules(raw[:, table.places]))
    assert {"a ≤ c", "a within 0 to ", "a with b", "b → when", "when → b"} <= {*rules}
    wrong = np.array([[5.0, 1, 86400, 4], [-1, 1, 86400, 6], [5, 1, 0, 6]])
    assert rules["a ≤ c"].breaks(wrong).tolist() == [True, False, False]
    assert rules["a within 0 to "].breaks(wrong).tolist() == [False, True, False]
    assert rules["b → when"].breaks(wrong).tolist() == [False, False, True]


def test_a_summary_comes_back_from_its_json() -> None:
    table, real, made = Learned.of(SCHEMA.to_dict()), rows(300), rows(300, 1)
    sides = table.sides(True, training=real, held_out=made, generated=made, copied=real, noise=made, smote=table.smote(real, 300, 0))
    found = table.summary(sides, 0, made, real, [Pair(0, 5, 0.1)])
    assert Summary.from_dict(found.to_dict()) == found
    assert [c.dates for c in found.columns] == [False, False, True, False]
    assert found.closest[0][0][1] == str(int(made[0, 1]))
    assert found.names == SCHEMA.names


def test_a_summary_counts_what_is_there() -> None:
    x = np.array([[0.0] * 150 + [1.0] * 49 + [2.0], [*range(200)]]).T
    y = x.copy()
    y[:100, 0] = 1
    y[0, 1] = np.nan
    found = summary(x, y, x, ("kind", "n"), np.array([False, True]), (("often", "seldom", "once"), ()))
    kind, n = found.columns
    assert kind.real == (0.75, 0.245, 0.005)
    assert kind.made == (0.25, 0.745, 0.005)
    assert kind.levels == ("often", "seldom", "once")
    assert kind.shape == pytest.approx(0.5)
    assert sum(n.real) == pytest.approx(1)
    assert sum(n.made) == pytest.approx(199 / 200)
    assert n.missing == (0.0, 1 / 200)
    assert [(r.level, r.real, r.made) for r in found.rare] == [("once", 0.005, 0.005)]
    assert n.edges is not None
    assert len({round(b - a, 9) for a, b in zip(n.edges, n.edges[1:], strict=False)}) == 1
