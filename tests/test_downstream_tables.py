"""Rows as models take them in closed forms, trees that see no target, and SMOTE in the place of repeated rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith.downstream import arms, tables
from gansmith.downstream.arms import ALL, AUGMENTED, BOTH, CLASSICAL, NOISE, REAL, REPEATED, Rare, Scheme
from gansmith.downstream.models import Budget, Labelled, TrainingSet, learner
from gansmith.downstream.tables import Columns, Numbers, Smote, Trees

NAN = float("nan")
COLUMNS = Columns(places=(0, 1, 3), levels=(0, 3, 0))  # a number, a category, (the target), another number
CLASSES = ("a", "b", "c")


def table(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rows [N, 4] of classes that lie far apart: 100·class + noise, a category, the target, whole numbers of which some are missing."""
    source = np.random.default_rng(seed)
    count = len(labels)
    whole = np.where(source.random(count) < 0.2, NAN, source.integers(0, 9, count) + 1000 * labels)
    return np.stack([100 * labels + source.random(count), source.integers(0, 3, count), labels, whole], 1).astype(np.float64)


def labelled(labels: np.ndarray, seed: int = 0) -> Labelled:
    return Labelled(table(labels, seed), labels)


# --- what models see -----------------------------------------------------------------------------------------------------


def test_columns_as_they_are_stored() -> None:
    raw = torch.arange(8.0).reshape(2, 4)
    assert COLUMNS(raw).tolist() == [[0, 1, 3], [4, 5, 7]]
    assert COLUMNS.numeric.tolist() == [True, False, True]


def test_numbers_in_a_closed_form() -> None:
    train = np.array([[1.0, 0, 9, 5], [3.0, 1, 9, NAN], [5.0, NAN, 9, 5]])
    numbers = Numbers.of(COLUMNS, train)
    assert numbers.sizes == [1, 4, 2]
    step = (8 / 3) ** 0.5  # deviation of 1, 3, 5
    x = numbers(torch.tensor([[1.0, 2, 0, 7], [3 + 2 * step, NAN, 1, NAN]], dtype=torch.float64))
    assert x.dtype == torch.float32
    torch.testing.assert_close(x, torch.tensor([[-2 / step, 0, 0, 1, 0, 2, 0], [2, 0, 0, 0, 1, 0, 1]]))
    assert numbers.layout(2).shape == (7,)
    assert numbers.layout(2).condition == 2


def test_a_value_that_only_other_rows_miss_is_the_mean_or_no_level() -> None:
    numbers = Numbers.of(COLUMNS, np.array([[1.0, 0, 9, 5], [3.0, 1, 9, 8]]))
    assert numbers(torch.full((1, 4), NAN, dtype=torch.float64)).tolist() == [[0.0] * 5]


def test_rare_levels_share_a_channel() -> None:
    many = Columns((0,), (100_000,))
    numbers = Numbers.of(many, np.zeros((2, 1)))
    assert numbers.sizes == [tables.LEVELS + 1]
    levels = [0, tables.LEVELS - 1, tables.LEVELS, 99_999]
    x = numbers(torch.tensor(levels, dtype=torch.float64).unsqueeze(1))
    assert x.argmax(1).tolist() == [0, tables.LEVELS - 1, tables.LEVELS, tables.LEVELS]
    assert (x.sum(1) == 1).all()


cells = st.floats(-8e307, 8e307) | st.just(NAN) | st.sampled_from([0.0, 1e-300, 8e307])
columns_of_numbers = st.integers(1, 12).flatmap(lambda n: st.lists(st.tuples(cells, cells), min_size=n, max_size=n))


@given(columns_of_numbers, columns_of_numbers)
def test_nothing_is_missing_or_infinite_whatever_the_rows(train: list[tuple[float, ...]], other: list[tuple[float, ...]]) -> None:
    numbers = Numbers.of(Columns((0, 1), (0, 0)), np.array(train))
    x = numbers(torch.tensor(train, dtype=torch.float64))
    assert x.shape == (len(train), sum(numbers.sizes))
    assert x.isfinite().all()
    assert numbers(torch.tensor(other, dtype=torch.float64)).isfinite().all()


@given(st.integers(0, 99))
def test_the_target_is_never_seen(seed: int) -> None:
    raw = table(np.arange(12) % 3, seed)
    other = raw.copy()
    other[:, 2] = np.random.default_rng(seed).permutation(12)
    for see in (COLUMNS, Numbers.of(COLUMNS, raw)):
        np.testing.assert_array_equal(see(torch.from_numpy(raw)).numpy(), see(torch.from_numpy(other)).numpy())


# --- trees ---------------------------------------------------------------------------------------------------------------


def train_set(labels: np.ndarray, seed: int = 0) -> TrainingSet:
    real = labelled(labels, seed)
    return TrainingSet(real, Labelled(real.raw[:0], real.labels[:0]), np.arange(len(labels)), COLUMNS)


def test_trees_are_given_native_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def odds(*given: Any) -> np.ndarray:
        seen.append(given)
        return np.array([[0.2, 0.8], [0.9, 0.1]])

    monkeypatch.setattr(tables, "odds_of", odds)
    train = train_set(np.array([0, 2, 2, 0]))
    found = Trees(COLUMNS, 3)(train, table(np.array([1, 1])), 7)
    assert found.classes.tolist() == [2, 0], "classes, of which one is not there"
    assert found.scores is not None
    assert found.scores[:, 1].tolist() == [found.scores.min()] * 2
    x, y, test, numeric, seed = seen[0]
    np.testing.assert_array_equal(x, train.real.raw[:, [0, 1, 3]])
    np.testing.assert_array_equal(test, table(np.array([1, 1]))[:, [0, 1, 3]])
    assert (y.tolist(), numeric.tolist(), seed) == ([0, 2, 2, 0], [True, False, True], 7)


def test_trees_learn_from_numbers_categories_and_what_is_missing() -> None:
    source = np.random.default_rng(0)
    raw = np.stack([source.random(900), source.integers(0, 3, 900), np.zeros(900), source.random(900)], 1)
    raw[source.random(900) < 0.5, 3] = NAN
    labels = np.where(np.isnan(raw[:, 3]), 0, np.where(raw[:, 1] == 1, 1, np.where(raw[:, 0] > 0.5, 2, 3)))
    train = TrainingSet(Labelled(raw[:600], labels[:600]), Labelled(raw[:0], labels[:0]), np.arange(600), COLUMNS)
    found = Trees(COLUMNS, 4)(train, raw[600:], 0).classes
    assert (found == labels[600:]).mean() > 0.97
    np.testing.assert_array_equal(found, Trees(COLUMNS, 4)(train, raw[600:], 0).classes)


def test_an_estimator_and_a_module_are_given_numbers() -> None:
    from sklearn.linear_model import LogisticRegression

    train = train_set(np.arange(60) % 3)
    numbers = Numbers.of(COLUMNS, train.real.raw)
    seen = TrainingSet(train.real, train.synthetic, train.rows, numbers)
    layout = numbers.layout(3)
    test = labelled(np.arange(30) % 3, seed=1)
    for model in (LogisticRegression(), lambda: torch.nn.Linear(layout.channels, 3)):
        assert (learner(model, layout, Budget(steps=150, batch=32, rate=0.05))(seen, test.raw, 0).classes == test.labels).mean() > 0.9


# --- SMOTE ---------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 15), min_size=3, max_size=3), st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 99))
def test_new_rows_lie_between_real_ones_of_their_class(counts: list[int], asked: list[int], seed: int) -> None:
    real = labelled(np.random.default_rng(seed).permutation(np.repeat(np.arange(3), counts)), seed)
    wanted = np.array(asked)
    made = Smote(COLUMNS).rows(real, wanted, seed)
    np.testing.assert_array_equal(made[:, 2], wanted)
    for k in np.unique(wanted):
        own, new = real.raw[real.labels == k], made[wanted == k]
        assert ((own[:, 0].min() <= new[:, 0]) & (new[:, 0] <= own[:, 0].max())).all()
        assert np.isin(new[:, 1], own[:, 1]).all()
        there = new[~np.isnan(new[:, 3]), 3]
        np.testing.assert_array_equal(there, np.rint(there))
        if len(own) == 1:
            np.testing.assert_array_equal(new, np.repeat(own, len(new), 0))
    np.testing.assert_array_equal(made, Smote(COLUMNS).rows(real, wanted, seed))


def test_another_seed_makes_other_rows() -> None:
    real, wanted = labelled(np.arange(30) % 3), np.arange(9) % 3
    assert not np.array_equal(Smote(COLUMNS).rows(real, wanted, 0), Smote(COLUMNS).rows(real, wanted, 1), equal_nan=True)


rare = st.builds(Rare, st.sampled_from(CLASSES), st.floats(0.05, 0.4))
schemes = st.builds(Scheme, st.none() | st.integers(1, 4), st.floats(0.2, 4)) | st.builds(
    Scheme, st.none() | st.integers(4, 6), st.floats(1, 4), rare
)


@given(schemes, st.integers(0, 99))
def test_augmented_sets_differ_in_synthetic_rows_alone(scheme: Scheme, seed: int) -> None:
    labels = np.repeat(np.arange(3), (12, 9, 10))
    mix = arms.mix(labels, CLASSES, scheme, seed)
    everything = labelled(labels)
    real = Labelled(everything.raw[mix.real], labels[mix.real])
    drawn = np.concatenate([mix.drawn, mix.noise])
    synthetic = Labelled(table(drawn, seed=1) + 0.5, drawn)
    sets = {name: TrainingSet(real, synthetic, rows, COLUMNS) for name, rows in mix.rows.items()}
    asked = [name for name in AUGMENTED if name in sets]
    found = dict(zip(asked, Smote(COLUMNS).augmented([sets[name] for name in asked], seed), strict=True))
    classical, both = found[CLASSICAL], found[ALL]
    n, size = len(real), len(sets[BOTH])
    for train in found.values():
        assert len(train) == size
        np.testing.assert_array_equal(train.rows[:n], np.arange(n))
        np.testing.assert_array_equal(train.labels, sets[BOTH].labels)
        assert train.classical is None
        assert train.different == size, "nothing is repeated"
    np.testing.assert_array_equal(classical.labels, sets[REPEATED].labels)
    assert not np.isin(classical.rows[n:] - n, np.arange(len(synthetic))).any()
    kept = both.rows == sets[ALL].rows  # synthetic rows, and the real ones
    for k in range(3):
        added = (both.labels == k)[n:]
        assert kept[n:][added].sum() == -(-added.sum() // 2), "every second one, and the only one"
    x, y = both.take(np.flatnonzero(~kept))
    for train in found.values():
        other_x, other_y = train.take(np.flatnonzero(~kept))
        np.testing.assert_array_equal(x.numpy(), other_x.numpy())
        np.testing.assert_array_equal(y.numpy(), other_y.numpy())
    if NOISE in found:
        np.testing.assert_array_equal(found[NOISE].rows == sets[NOISE].rows, kept)
    assert sets[CLASSICAL].different == sets[REAL].different == n, "sets that were given are left as they were"


def test_smote_says_what_it_is() -> None:
    assert Smote(COLUMNS).words.startswith("SMOTE of 5 neighbours")
