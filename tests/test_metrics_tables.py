"""Metrics of tables: closed forms of columns, pairs and rules, controls that are what they say, and boosted trees as judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp
from scipy.stats.contingency import association

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.boosted import Classified, Regressed, predicted, two_sample_auc
from gansmith.metrics.tables import (
    Dependency,
    Ordered,
    Together,
    Within,
    broken,
    features,
    missing,
    quality,
    ranked,
    shapes,
    shuffled_columns,
    smote,
    strengths,
    support,
    trends,
)

NAN = np.nan
CELL = st.one_of(st.sampled_from([NAN, 0.0, 1.0, 2.0]), st.floats(-1e12, 1e12))


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def yes(count: int) -> np.ndarray:
    return np.ones(count, bool)


def drawn(count: int, seed: int) -> np.ndarray:
    """Two numbers of correlation 0.8, a category that their sum decides, and one that nothing decides."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=count)
    b = 0.8 * a + 0.6 * rng.normal(size=count)
    return np.stack((a, b, (a + b > 0).astype(float), rng.integers(4, size=count).astype(float)), 1)


NUMERIC = np.array([True, True, False, False])


# --- columns and pairs ----------------------------------------------------------------------------------------------------------------


def test_shapes_in_closed_form() -> None:
    shifted = np.arange(100.0)[:, None]
    assert shapes(shifted, shifted + 10, yes(1)) == pytest.approx([0.9])
    assert shapes(shifted, shifted + 100, yes(1)) == pytest.approx([0])
    assert shapes(column(0, 0, 1, 1), column(0, 0, 0, 1), ~yes(1)) == pytest.approx([0.75])
    assert shapes(column(0, 1), column(2, 3, 4), ~yes(1)) == pytest.approx([0])


@given(arrays(float, (7, 1), elements=st.integers(0, 9)), arrays(float, (4, 1), elements=st.integers(0, 9)))
def test_the_shape_of_a_number_is_that_of_scipy(real: np.ndarray, fake: np.ndarray) -> None:
    assert shapes(real, fake, yes(1))[0] == pytest.approx(1 - ks_2samp(real[:, 0], fake[:, 0]).statistic)


@pytest.mark.parametrize("number", [True, False])
def test_missing_values_are_left_out_of_shapes_and_told_apart(number: bool) -> None:
    real, fake, kind = column(0, 1, NAN, NAN), column(0, 1, NAN, 0, 1, 0, 1, 0), np.array([number])
    assert shapes(real, fake, kind) == pytest.approx([0.5 + 3 / 7])
    assert missing(real, fake, kind) == pytest.approx([1 - (1 / 2 - 1 / 8)])
    nothing = column(NAN, NAN)
    assert shapes(real, nothing, kind) == [0]
    assert shapes(nothing, nothing, kind) == [1]


def test_trends_in_closed_form() -> None:
    x = np.arange(8.0)
    up, down, flat = (np.stack((x, y), 1) for y in (3 * x + 1, -x, 0 * x + 0.1))
    for fake, value in ((up * 1e100, 1.0), (down, 0.0), (flat, 0.5)):
        assert trends(up, fake, yes(2))[0, 1] == pytest.approx(value)
    tied, free = np.array([[0, 0], [1, 1]] * 2, float), np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    assert trends(tied, free, ~yes(2))[1, 0] == pytest.approx(0.5)
    found = trends(tied, free, ~yes(2))
    assert np.isnan(found.diagonal()).all()
    np.testing.assert_array_equal(found, found.T)


def test_a_number_beside_a_category_is_cut_into_ten_bins_of_the_real_range() -> None:
    kinds, x = np.array([True, False]), np.linspace(0, 10, 101)
    real = np.stack((x, 0 * x), 1)
    inside = np.stack((np.floor(x.clip(max=9.99)) + 0.99, 0 * x), 1)  # moved within its bin
    assert trends(real, inside, kinds)[0, 1] == pytest.approx(1)
    assert trends(real, real + np.array([1, 0]), kinds)[0, 1] == pytest.approx(1 - 11 / 101, abs=0.011)  # the lowest bin is empty
    for outside in (-1e-9, 10.001, NAN):
        fake = real.copy()
        fake[:20, 0] = outside
        assert trends(real, fake, kinds)[0, 1] == pytest.approx(1 - 20 / 101)


def test_missing_is_a_level_of_a_pair_of_categories() -> None:
    real, fake = np.array([[0, 0], [NAN, 1], [0, 0], [NAN, 1]]), np.array([[0, 0], [NAN, NAN], [0, 0], [NAN, 1]])
    assert trends(real, fake, ~yes(2))[0, 1] == pytest.approx(0.75)
    assert np.isnan(trends(real[:, :1], fake[:, :1], ~yes(1))).all()


def test_categories_of_very_many_levels() -> None:
    rng = np.random.default_rng(0)
    real = rng.permuted(np.tile(np.arange(20_000.0)[:, None], 2), axis=0)
    found = quality(real, real[::-1], ~yes(2))
    assert (found.shape, found.trend_of_all) == (1, 1)
    assert found.strengths[0, 1] == pytest.approx(1)


@given(arrays(float, st.tuples(st.integers(1, 9), st.just(3)), elements=CELL), st.lists(st.booleans(), min_size=3, max_size=3), st.data())
def test_a_table_is_entirely_like_itself_and_any_other_is_between(real: np.ndarray, kinds: list[bool], data: st.DataObject) -> None:
    numeric = np.array(kinds)
    same = quality(real, real[data.draw(st.permutations(range(len(real))))], numeric)
    assert same.score == pytest.approx(1)
    fake = data.draw(arrays(float, (5, 3), elements=CELL))
    found, back = quality(real, fake, numeric), shapes(fake, real, numeric)
    np.testing.assert_allclose(found.shapes, back)
    for values in (found.shapes, found.missing, found.trends[~np.eye(3, dtype=bool)], found.strengths[~np.eye(3, dtype=bool)]):
        assert (values >= -1e-12).all()
        assert (values <= 1 + 1e-12).all()


def test_strengths_are_pearsons_and_cramers() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(3, size=300).astype(float)
    b = np.where(rng.random(300) < 0.5, a, rng.integers(5, size=300))
    real = np.stack((a, b, rng.normal(size=300), 0 * a), 1)
    table = np.zeros((3, 5), int)
    np.add.at(table, (a.astype(int), b.astype(int)), 1)
    found = strengths(real, np.array([False, False, True, False]))
    assert found[0, 1] == pytest.approx(association(table, method="cramer"))
    assert found[0, 3] == found[2, 3] == 0
    assert strengths(real[:, :3], yes(3))[0, 2] == pytest.approx(abs(np.corrcoef(a, real[:, 2])[0, 1]))


def test_only_strong_pairs_count_where_there_are_any() -> None:
    real = drawn(4000, 0)
    found = quality(real, shuffled_columns(real, np.random.default_rng(0)), NUMERIC)
    np.testing.assert_array_equal(np.argwhere(np.triu(found.strong)), [[0, 1], [0, 2], [1, 2]])
    assert found.shapes == pytest.approx(1)
    assert found.trends[0, 1] == pytest.approx(0.6, abs=0.03)  # 1 - 0.8 / 2
    assert found.trend == pytest.approx(found.trends[[0, 0, 1], [1, 2, 2]].mean())
    assert found.trend < found.trend_of_all - 0.1
    assert found.score == pytest.approx((1 + found.trend) / 2)
    weak = quality(real[:, [1, 3]], real[:, [1, 3]], NUMERIC[[1, 3]])
    assert not weak.strong.any()
    assert weak.trend == weak.trend_of_all == 1
    single = quality(real[:, :1], real[:, :1] + 100, yes(1))
    assert (single.score, np.isnan(single.trend)) == (0, True)


# --- rows as points -------------------------------------------------------------------------------------------------------------------


def test_ranks_are_shares_of_the_reference_below() -> None:
    reference = column(10, 20, 20, 40, NAN)
    values = column(10, 20, 30, 40, 1e9, -1e9, NAN)
    np.testing.assert_allclose(ranked(values, reference, yes(1))[:, 0], [0.125, 0.5, 0.6875, 0.875, 0.875, 0.125, NAN])
    np.testing.assert_array_equal(ranked(values, reference, ~yes(1)), values)


def test_distances_of_features() -> None:
    reference = np.array([[10, 0], [20, 1], [20, NAN], [40, 1]])
    x = features(np.array([[10, 0], [40, 0], [40, 1], [NAN, NAN], [10, 7], [10, 8]]), reference, np.array([True, False]))
    squared = torch.cdist(x, x).square()
    for i, j, value in ((0, 1, 0.75**2), (1, 2, 1), (0, 2, 1 + 0.75**2), (0, 3, 2 + 0.375**2), (0, 4, 1), (4, 5, 0)):
        assert float(squared[i, j]) == pytest.approx(value, abs=1e-6)


def test_rare_levels_share_a_feature() -> None:
    values = np.concatenate((np.arange(100.0).repeat(2), np.arange(100.0, 1000.0)))[:, None]
    x = features(values, values, ~yes(1))
    assert x.shape[1] == 65
    assert torch.equal(x[500], x[1000])
    assert not torch.equal(x[0], x[2])


def test_support_of_the_same_rows_of_fewer_modes_and_of_outliers() -> None:
    rng = np.random.default_rng(0)
    real, fresh = (torch.from_numpy(rng.normal(size=(1000, 3))) for _ in range(2))
    assert support(real, real, 0).alpha_precision.value == pytest.approx(1)
    good = support(real, fresh, 0)
    assert good.alpha_precision.low > 0.9
    assert good.beta_recall.low > 0.75
    core = support(real, fresh[fresh.norm(dim=1) < 1], 0)  # what lies in the middle, and nothing else
    assert core.alpha_precision.high < 0.5
    assert core.beta_recall.high < good.beta_recall.low - 0.2
    far = support(real, fresh + 20, 0)
    assert far.alpha_precision.value == pytest.approx(0, abs=0.01)
    assert far.beta_recall.value == pytest.approx(-0.05)  # the mean over 20 steps of β is a little more than one half
    alike = torch.ones(50, 2)
    assert support(alike, alike, 0).alpha_precision.value == 1


# --- rules ----------------------------------------------------------------------------------------------------------------------------


def test_a_dependency_is_learned_and_its_breaks_counted() -> None:
    real = np.array([[0, 5, 1], [1, 6, 1], [1, 6, 2], [NAN, 7, 3], [2, NAN, 4]])
    rule = Dependency.of(real, 0, 1)
    assert not rule.breaks(real).any()
    fake = np.array([[0, 6, 0], [NAN, 7, 0], [NAN, 5, 0], [2, NAN, 0], [2, 5, 0], [3, 5, 0], [1, NAN, 0]])
    np.testing.assert_array_equal(rule.breaks(fake), [True, False, True, False, True, False, True])
    with pytest.raises(DataError, match="column 2 does not depend on column 1 alone: 1 of 4 values of column 1 have more"):
        Dependency.of(real, 1, 2)


def test_order_range_and_combinations() -> None:
    real = np.array([[0, 0], [1, 1], [NAN, 2]])
    fake = np.array([[0, 0], [2, 1], [0, 1], [NAN, 2], [NAN, 1], [1, NAN]])
    rules = [Ordered(0, 1), Ordered(0, 1, equal=False), Together.of(real, (0, 1)), Within(0, 0, 1), Dependency.of(real, 0, 1)]
    np.testing.assert_allclose(broken(fake, rules), np.array([1, 2, 4, 1, 3]) / 6)
    np.testing.assert_array_equal(broken(real, rules), [0, 1 * 2 / 3, 0, 0, 0])
    assert hash(rules[2]) == hash(Together.of(real[::-1], (0, 1)))
    assert broken(real, []).shape == (0,)
    with pytest.raises(DataError, match="found no rows"):
        broken(real[:0], rules)


# --- controls -------------------------------------------------------------------------------------------------------------------------


def test_smote_lies_between_neighbours() -> None:
    rng = np.random.default_rng(0)
    group = np.arange(40) % 2
    real = np.stack((rng.normal(size=40) + 50 * group, rng.integers(0, 90, 40), group, group + 3), 1)
    fake = smote(real, NUMERIC, np.random.default_rng(1), 100)
    assert fake.shape == (100, 4)
    np.testing.assert_array_equal(fake[:, 2] + 3, fake[:, 3])  # all neighbours agree in the categories, and so do their children
    for side in (0, 1):
        mine, parents = fake[fake[:, 2] == side], real[group == side]
        assert (mine[:, :2] >= parents[:, :2].min(0)).all()
        assert (mine[:, :2] <= parents[:, :2].max(0)).all()
    np.testing.assert_array_equal(fake[:, 1], np.rint(fake[:, 1]))
    assert len(np.setdiff1d(fake[:, 0], real[:, 0])) == 100
    np.testing.assert_array_equal(fake, smote(real, NUMERIC, np.random.default_rng(1), 100))


def test_smote_on_a_line_keeps_to_it() -> None:
    x = np.linspace(0, 1, 60)
    real = np.stack((x, 3 * x - 1), 1)
    fake = smote(real, yes(2), np.random.default_rng(0), 60)
    np.testing.assert_allclose(fake[:, 1], 3 * fake[:, 0] - 1)
    assert np.abs(np.sort(fake[:, 0]) - x).max() < 6 / 59  # every row is used once


def test_smote_of_missing_values_and_repeated_rows() -> None:
    real = np.array([[NAN, 1.0], [NAN, NAN]] * 5)
    fake = smote(real, np.array([True, False]), np.random.default_rng(0), 25)
    assert np.isnan(fake[:, 0]).all()
    assert set(np.nan_to_num(fake[:, 1], nan=-1)) == {-1, 1}
    assert smote(real, yes(2), np.random.default_rng(0), 0).shape == (0, 2)
    with pytest.raises(DataError, match="found 5 real rows; SMOTE of 5 neighbours needs at least 6"):
        smote(real[:5], yes(2), np.random.default_rng(0), 3)


def test_shuffled_columns_keep_each_column() -> None:
    real = drawn(200, 0)
    fake = shuffled_columns(real, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(fake, axis=0), np.sort(real, axis=0))
    assert (fake != real).any(0).all()


# --- boosted trees --------------------------------------------------------------------------------------------------------------------


def test_two_sample_auc() -> None:
    real, fresh = drawn(500, 0), drawn(400, 1)
    found = two_sample_auc(real, fresh, NUMERIC, 0)
    assert found.low < 0.5 < found.high
    assert found == two_sample_auc(real, fresh, NUMERIC, 0)
    assert two_sample_auc(real, fresh + np.array([9, 0, 0, 0]), NUMERIC, 0).value == 1
    assert two_sample_auc(real, shuffled_columns(real, np.random.default_rng(0)), NUMERIC, 0).low > 0.7
    gone = fresh.copy()
    gone[:200, 3] = NAN
    assert two_sample_auc(real, gone, NUMERIC, 0).low > 0.6


def test_categories_of_more_levels_than_trees_can_split_by() -> None:
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(1000, size=(400, 1)).astype(float) for _ in range(2))
    assert two_sample_auc(real, fake, ~yes(1), 0).low < 0.5
    assert two_sample_auc(real, fake + 1000, ~yes(1), 0).value > 0.99


def test_what_is_learned_from_rows_serves_others() -> None:
    train, test = drawn(600, 0), drawn(300, 1)
    assert isinstance(found := predicted(train, test, NUMERIC, 2, 0), Classified)
    assert found.auc.low > 0.98
    lost = shuffled_columns(train, np.random.default_rng(0))
    assert isinstance(found := predicted(lost, test, NUMERIC, 2, 0), Classified)
    assert found.auc.value == pytest.approx(0.5, abs=0.12)
    assert isinstance(found := predicted(train, test, NUMERIC, 3, 0), Classified)  # four classes that nothing decides
    assert found.auc.low < 0.5 < found.auc.high
    assert isinstance(number := predicted(train, test, NUMERIC, 1, 0), Regressed)
    assert number.r2.high > 0.6 > number.r2.value - 0.2  # 0.64 + what the category adds
    assert number.rmse.value == pytest.approx(float(test[:, 1].std()) * (1 - number.r2.value) ** 0.5)
    assert number.rmse.low < number.rmse.value < number.rmse.high


def test_classes_that_training_or_test_lack() -> None:
    train, test = drawn(300, 0), drawn(200, 1)
    assert predicted(train[train[:, 2] == 0], test, NUMERIC, 2, 0) == Classified(predicted(train[:1], test, NUMERIC, 2, 0).auc)  # type: ignore[union-attr]
    assert isinstance(found := predicted(train[train[:, 2] == 1], test, NUMERIC, 2, 0), Classified)
    assert found.auc.value == 0.5
    three = train.copy()
    three[:, 2] += train[:, 0] > 1
    assert isinstance(found := predicted(train, three, NUMERIC, 2, 0), Classified)
    assert 0.5 < found.auc.value < 1
    blank = test.copy()
    blank[::2, 2] = NAN
    assert predicted(train, blank, NUMERIC, 2, 0) == predicted(train, test[1::2], NUMERIC, 2, 0)


# --- bad input ------------------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_done_is_told() -> None:
    x = drawn(30, 0)
    with pytest.raises(DataError, match=r"the fake rows have shape \[30, 3\]; a comparison of columns needs \[rows, 4\]"):
        shapes(x, x[:, :3], NUMERIC)
    with pytest.raises(DataError, match="found 0 real rows; a comparison of columns needs at least 1"):
        shapes(x[:0], x, NUMERIC)
    with pytest.raises(DataError, match="30 of 30 fake rows hold an infinity"):
        trends(x, x + np.inf, NUMERIC)
    with pytest.raises(DataError, match="found 19 fake rows; a two-sample test of 5 folds needs at least 20"):
        two_sample_auc(x, x[:19], NUMERIC, 0)
    with pytest.raises(ConfigError, match="found 1 folds"):
        two_sample_auc(x, x, NUMERIC, 0, folds=1)
    with pytest.raises(DataError, match="found 1 column; a prediction needs at least 2"):
        predicted(x[:, :1], x[:, :1], yes(1), 0, 0)
    with pytest.raises(DataError, match="the target, column 2, has one value in all"):
        predicted(x, x[x[:, 2] == 0], NUMERIC, 2, 0)
    with pytest.raises(DataError, match="found 0 train rows; a prediction of a column that is not missing"):
        predicted(x * np.array([1, 1, NAN, 1]), x, NUMERIC, 2, 0)
    with pytest.raises(DataError, match="found 39 fake samples; α-precision and β-recall needs at least 40"):
        support(torch.ones(40, 2), torch.ones(39, 2), 0)


# --- a real table ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def adult(shared: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """[48842, 15], which columns are numbers, and their names."""
    frame = pd.read_csv(shared / "tables" / "adult.csv.gz", na_values="?")
    kinds = np.array([pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes])
    columns = [frame[c] if number else pd.factorize(frame[c])[0] for c, number in zip(frame, kinds, strict=True)]
    values = np.stack([np.asarray(x, float) for x in columns], 1)
    values[:, ~kinds] = np.where(values[:, ~kinds] < 0, NAN, values[:, ~kinds])
    return values, kinds, list(frame)


def test_adult(adult: tuple[np.ndarray, np.ndarray, list[str]]) -> None:
    """The scores of controls on the usual split, as the published scorer gives them: 0.994 and 0.986, and 1 and 0.764."""
    values, numeric, names = adult
    real, fresh = values[:32561], values[32561:]
    found = quality(real, fresh, numeric)
    assert (found.shape, found.trend) == (pytest.approx(0.994, abs=5e-4), pytest.approx(0.986, abs=5e-4))
    copy = quality(real, real.copy(), numeric)
    assert copy.score == pytest.approx(1)
    rng = np.random.default_rng(0)
    shuffled = shuffled_columns(real, rng)
    found = quality(real, shuffled, numeric)
    assert (found.shape, found.trend) == (pytest.approx(1), pytest.approx(0.764, abs=1e-3))
    number, name = names.index("education-num"), names.index("education")
    rules = [Dependency.of(real, name, number), Dependency.of(real, number, name)]
    np.testing.assert_array_equal(broken(fresh, rules), [0, 0])
    assert (broken(shuffled, rules) > 0.7).all()
    some, target = rng.permutation(real)[:2000], names.index("income")
    others = fresh[:2000]
    near = smote(some, numeric, rng, 2000)
    aucs = [two_sample_auc(others, x, numeric, 0) for x in (some, near, shuffled_columns(some, rng))]
    assert aucs[0].high < 0.53 < aucs[1].low < aucs[1].high < aucs[2].low
    learned = [predicted(x, others, numeric, target, 0) for x in (some, near, shuffled_columns(some, rng))]
    learned = [x.auc.value for x in learned if isinstance(x, Classified)]
    assert learned[0] > learned[1] > 0.85
    assert learned[2] == pytest.approx(0.5, abs=0.15)
