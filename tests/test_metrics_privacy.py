"""What fake rows betray: distances against a plain loop, copiers found out, fresh rows let off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gansmith.errors import DataError
from gansmith.metrics import privacy
from gansmith.metrics.neighbours import near_copies
from gansmith.metrics.privacy import (
    Risk,
    distances,
    inference,
    nearer_share,
    risk,
    singling_out,
    singling_out_together,
    thinned,
    wilson,
)
from gansmith.metrics.tables import ranked, shuffled_columns, smote
from gansmith.records import Estimate

NAN = np.nan
NUMERIC = np.array([True, True, False, False, True])


def drawn(count: int, seed: int) -> np.ndarray:
    """Three numbers and two categories, a tenth of the last missing; all rows differ."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=count)
    x = np.stack((a, a + rng.normal(size=count), rng.integers(3, size=count), rng.integers(9, size=count), rng.normal(size=count)), 1)
    x[rng.random(count) < 0.1, 4] = NAN
    return x


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# --- shares and risks -----------------------------------------------------------------------------------------------------------------


def test_wilsons_interval() -> None:
    for successes, count, low, high in ((0, 10, 0, 0.27753), (5, 10, 0.23659, 0.76341), (10, 10, 0.72247, 1), (1, 1, 0.20654, 1)):
        found = wilson(successes, count)
        assert (found.value, found.low, found.high) == pytest.approx((successes / count, low, high), abs=1e-5)
    assert wilson(0, 0) == Estimate(0, 0, 1)


@given(st.integers(1, 3000), st.data())
def test_a_risk_has_its_value_within_and_nothing_above_one(attacks: int, data: st.DataObject) -> None:
    attacked, controlled = (data.draw(st.integers(0, attacks)) for _ in range(2))
    found = risk(attacked, controlled, attacks)
    assert found.risk.low <= found.risk.value <= found.risk.high <= 1
    if controlled < attacks:
        assert found.risk.value == pytest.approx((attacked - controlled) / (attacks - controlled))
    assert (attacked == controlled) <= (found.risk.value == 0)


def test_the_interval_of_a_risk_covers() -> None:
    """Attacks that succeed in 30 %, controls in 20 %: a risk of 1/8."""
    source = rng()
    found = [risk(source.binomial(400, 0.3), source.binomial(400, 0.2), 400).risk for _ in range(400)]
    assert 0.92 < np.mean([x.low <= 0.125 <= x.high for x in found]) < 0.98


def test_no_attack_tells_nothing() -> None:
    found = risk(0, 0, 0)
    assert (found.risk, found.attacks) == (Estimate(0, -1, 1), 0)


# --- distance to the closest record ---------------------------------------------------------------------------------------------------


def plain(a: np.ndarray, b: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """All distances, cell by cell.  [A, B]"""
    a, b = (ranked(x, reference, NUMERIC) for x in (a, b))
    gone = np.isnan(a)[:, None] != np.isnan(b)
    numbers = np.nan_to_num(np.abs(a[:, None] - b))
    other = (a[:, None] != b) & ~(np.isnan(a)[:, None] & np.isnan(b))
    return np.where(gone, 1, np.where(NUMERIC, numbers, other)).mean(2)


CELL = st.sampled_from([NAN, 0.0, 1.0, 2.5, 7.0])


@given(*(arrays(float, (n, 5), elements=CELL) for n in (5, 7, 6)))
def test_distances_are_those_of_a_plain_loop(fake: np.ndarray, training: np.ndarray, held_out: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(privacy, "ROWS", 2)
        patch.setattr(privacy, "COLUMNS", 4)
        found = distances(fake, training, held_out, NUMERIC)
    reference = np.concatenate((training, held_out))
    near = plain(fake, training, reference)
    np.testing.assert_allclose(found.fake_to_training.distance[:, 0], near.min(1), atol=1e-6)
    np.testing.assert_allclose(near[np.arange(5), found.fake_to_training.index[:, 0]], near.min(1), atol=1e-6)
    np.testing.assert_allclose(found.fake_to_held_out, plain(fake, held_out, reference).min(1), atol=1e-6)
    np.testing.assert_allclose(found.held_out_to_training, plain(held_out, training, reference).min(1), atol=1e-6)
    for rows, among in ((training, found.training_to_training), (held_out, found.held_out_to_held_out)):
        apart = plain(rows, rows, reference)
        np.fill_diagonal(apart, np.inf)
        np.testing.assert_allclose(among, apart.min(1), atol=1e-6)


def test_nearer_to_training() -> None:
    training, held_out = drawn(700, 0), drawn(700, 1)
    for fake, low, high in ((training, 0.99, 1), (held_out, 0, 0.01), (drawn(700, 2), 0.44, 0.56)):
        assert low <= nearer_share(distances(fake, training, held_out, NUMERIC)).value <= high
    alike = np.ones((10, 5))
    assert nearer_share(distances(alike, alike, alike, NUMERIC)).value == 0.5
    with pytest.raises(DataError, match="found 700 training and 600 held-out rows"):
        nearer_share(distances(training, training, held_out[:600], NUMERIC))


def test_near_copies_are_told_from_fresh_rows() -> None:
    training, held_out = drawn(500, 0), drawn(200, 1)
    shares = [float(near_copies(distances(x, training, held_out, NUMERIC)).copies.mean()) for x in (training, drawn(500, 2))]
    assert shares[0] == 1
    assert shares[1] == pytest.approx(0.05, abs=0.05)


def test_thinned_to_equal_numbers() -> None:
    training, held_out = drawn(50, 0), drawn(20, 1)
    first, second = thinned(training, held_out, rng())
    assert second is held_out
    assert len(first) == 20
    places = [int(np.flatnonzero(training[:, 0] == x)[0]) for x in first[:, 0]]
    assert places == sorted(set(places))


# --- attacks --------------------------------------------------------------------------------------------------------------------------


def test_predicates_of_one_column_in_closed_form() -> None:
    """Unique: 3, 9 of the number (with <= 3, >= 9), 1 of the category. Missing twice."""
    fake = np.array([[3, 0], [9, 0], [5, 1], [5, NAN], [5, NAN]])
    training = np.array([[3, 0], [5, 1], [9, NAN], [12, 2], [6, 2]])  # alone: = 3, <= 3, = 9, category 1; >= 9 holds for two
    held_out = np.array([[1, 1], [4, 1], [4, 0], [4, 0], [10, 0]])  # alone: <= 3, >= 9
    found = singling_out(fake, training, held_out, np.array([True, False]), rng())
    assert (found.attacks, found.attack.value, found.control.value) == (5, 4 / 5, 2 / 5)
    assert found.risk.value == pytest.approx(2 / 3)
    assert singling_out(fake, training, held_out, np.array([True, False]), rng(), attacks=3).attacks == 3
    once = np.array([[NAN], [1], [1]])
    assert singling_out(once, once, np.ones((3, 1)), np.array([False]), rng()) == risk(1, 0, 1)
    assert singling_out(np.ones((3, 1)), once, once, np.array([False]), rng()).attacks == 0


ATTACKS = {
    "one column": lambda fake, training, held_out: singling_out(fake, training, held_out, NUMERIC, rng()),
    "four columns": lambda fake, training, held_out: singling_out_together(fake, training, held_out, NUMERIC, rng(), 300),
    "a category": lambda fake, training, held_out: inference(fake, training, held_out, NUMERIC, 3, rng()),
    "a number": lambda fake, training, held_out: inference(fake, training, held_out, NUMERIC, 4, rng()),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_copies_are_found_out_and_fresh_rows_are_not(name: str) -> None:
    training, held_out, attack = drawn(800, 0), drawn(800, 1), ATTACKS[name]
    copied: Risk = attack(training[::-1], training, held_out)
    assert copied.risk.low > 0.8
    fresh: Risk = attack(drawn(800, 2), training, held_out)
    assert fresh.attacks > 100
    assert fresh.risk.low < 0.03
    assert fresh.risk.value < 0.1
    assert attack(training[::-1], held_out, training).risk.high < 0  # the other way round, it is the control that succeeds
    assert attack(training[::-1], training, held_out) == copied


def test_columns_together_single_out_where_none_does_alone() -> None:
    """Sixteen rows of all combinations of four values; each value alone holds for half of them."""
    every = np.array([[(i >> j) & 1 for j in range(4)] for i in range(16)], float)
    kinds = np.zeros(4, bool)
    assert singling_out(every, every, every[:, ::-1], kinds, rng()).attacks == 0
    found = singling_out_together(every, every, np.zeros((16, 4)), kinds, rng(), 50)
    assert (found.attacks, found.attack.value, found.control.value) == (50, 1, 0)


def test_a_guess_of_a_number_may_be_five_percent_off() -> None:
    known = np.arange(6.0)
    training, held_out = (np.stack((known, known * 0 + x), 1) for x in (100, -100))
    training[5, 1] = held_out[5, 1] = NAN
    for guess, right in ((105, 5 / 6), (105.1, 0), (95, 5 / 6), (94.9, 0)):
        fake = np.stack((known, known * 0 + guess), 1)
        found = inference(fake, training, held_out, np.array([True, True]), 1, rng())
        assert (found.attack.value, found.control.value) == (pytest.approx(right), 0)
    gone = np.stack((known, known * NAN), 1)
    assert inference(gone, training, held_out, np.array([True, True]), 1, rng()).attack.value == pytest.approx(1 / 6)


def test_what_cannot_be_done_is_told() -> None:
    x = drawn(5, 0)
    with pytest.raises(DataError, match="found 1 held out rows; a test of originality needs at least 2"):
        distances(x, x, x[:1], NUMERIC)
    with pytest.raises(DataError, match=r"the training rows have shape \[5, 4\]; singling out needs \[rows, 5\]"):
        singling_out(x, x[:, :4], x, NUMERIC, rng())
    with pytest.raises(DataError, match="5 of 5 fake rows hold an infinity"):
        singling_out_together(x + np.inf, x, x, NUMERIC, rng())
    with pytest.raises(DataError, match="found 1 column; attribute inference needs at least 2"):
        inference(x[:, :1], x[:, :1], x[:, :1], NUMERIC[:1], 0, rng())


# --- a real table ---------------------------------------------------------------------------------------------------------------------


def test_the_controls_of_adult_come_out_in_order(shared: Path) -> None:
    frame = pd.read_csv(shared / "tables" / "adult.csv.gz", na_values="?").sample(4500, random_state=0)
    numeric = np.array([pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes])
    columns = [frame[c] if number else pd.factorize(frame[c])[0] for c, number in zip(frame, numeric, strict=True)]
    values = np.stack([np.asarray(x, float) for x in columns], 1)
    training, held_out, fresh = np.split(values, 3)
    sets = {"fresh": fresh, "copy": training, "shuffled": shuffled_columns(training, rng()), "smote": smote(training, numeric, rng(), 1500)}
    near = {name: nearer_share(distances(x, training, held_out, numeric)) for name, x in sets.items()}
    assert near["copy"].value > 0.99
    assert near["smote"].low > 0.7
    assert near["fresh"].value == pytest.approx(0.5, abs=0.04)
    assert near["shuffled"].value == pytest.approx(0.5, abs=0.07)
    alone = {name: singling_out(x, training, held_out, numeric, rng()).risk for name, x in sets.items()}
    assert alone["copy"].low > 0.5  # most predicates are on weights, which few rows share
    assert alone["shuffled"].low > 0.5
    assert alone["fresh"].low < 0.02
    together = {name: singling_out_together(x, training, held_out, numeric, rng(), 150).risk for name, x in sets.items()}
    assert together["copy"].low > 0.5
    assert together["fresh"].low < 0.05
    assert together["shuffled"].low < 0.05
    job = list(frame).index("occupation")
    guessed = {name: inference(x, training, held_out, numeric, job, rng()).risk for name, x in sets.items()}
    assert guessed["copy"].low > 0.5
    assert guessed["smote"].low > 0.2
    assert guessed["fresh"].low < 0.05
