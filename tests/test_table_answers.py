"""What is asked of a table's codec by one column, and what may become of cells that are missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from gansmith import given
from gansmith.artefact import Card, Generator
from gansmith.config import NetworkSettings
from gansmith.domains.table import TABLE
from gansmith.domains.table.answers import each, labelled, labels, unfilled
from gansmith.domains.table.codec import TableCodec
from gansmith.domains.table.columns import Bins, Levels
from gansmith.domains.table.schema import UNKNOWN, Column, Constraint, Schema
from gansmith.domains.table.where import Where
from gansmith.errors import ConfigError
from gansmith.networks import row

ROWS = 1200
KIND, GROUP, FEW, SIZE, DAY, ROW, CHURN = range(7)
NAN = math.nan


def table() -> tuple[TableCodec, np.ndarray]:
    """A column of every sort: `kind` tells `group`, both missing in the same rows; `few` is less or equal to `size`, which is in bins."""
    source = np.random.default_rng(0)
    kind = source.integers(0, 4, ROWS).astype(float)
    kind[source.random(ROWS) < 0.1] = NAN
    few = source.integers(0, 6, ROWS).astype(float)
    size = few + np.round(source.exponential(40, ROWS), 2)
    size[source.random(ROWS) < 0.1] = NAN
    day = 86_400.0 * source.integers(0, 3, ROWS)
    churn = (source.random(ROWS) < 0.3).astype(float)
    churn[source.random(ROWS) < 0.05] = NAN
    raw = np.stack([kind, kind // 2, few, size, day, np.zeros(ROWS), churn], 1)
    columns = (
        Column("kind", "category", ("a", "b", "c", "d")),
        Column("group", "category", ("x", "y")),
        Column("few", "number", step=1, lowest=0, highest=5),
        Column("size", "number", step=0.01, lowest=0, highest=float(np.nanmax(size))),
        Column("day", "date", step=86_400.0, lowest=0, highest=2 * 86_400.0, form="%Y-%m-%d"),
        Column("row", "id", form="+1"),
        Column("churn", "boolean", ("no", "yes")),
    )
    return TableCodec.fit(raw, Schema(columns, "churn", (Constraint("less or equal", ("few", "size")),))), raw


CODEC, RAW = table()


def aimed(target: str | None) -> Schema:
    return Schema(CODEC.schema.columns, target)


# --- classes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "label", "wanted"),
    [
        ("churn", "yes", Where(CHURN, ((1.0, 1.0),), False, "churn=yes")),
        ("churn", UNKNOWN, Where(CHURN, (), True, "churn is missing")),
        ("few", "3", Where(FEW, ((3.0, 3.0),), False, "few=3")),
        ("day", "1970-01-02", Where(DAY, ((86_400.0, 86_400.0),), False, "day=1970-01-02")),
    ],
)
def test_a_class_is_a_value_of_the_target(target: str, label: str, wanted: Where) -> None:
    assert labelled(label, aimed(target)) == wanted


@pytest.mark.parametrize(
    ("target", "label", "said"),
    [
        (None, "yes", "this table has no target.*--where.*--target"),
        ("churn", "yess", "there is no class 'yess'; did you mean 'yes'"),
        ("few", "many", "there is no class 'many': few holds numbers"),
        ("day", "soon", "there is no class 'soon': day holds dates"),
    ],
)
def test_a_class_that_is_none(target: str | None, label: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        labelled(label, aimed(target))


def test_a_level_that_is_called_as_rows_without_a_target_are() -> None:
    schema = Schema((Column("y", "category", ("a", UNKNOWN)),), "y")
    assert labelled(UNKNOWN, schema) == Where(0, ((1.0, 1.0),), False, f"y={UNKNOWN}")


def test_rows_and_their_classes() -> None:
    raw = RAW[:4].copy()
    raw[:, CHURN] = [1, 0, NAN, 1]
    found = labels(raw, CODEC.schema, ("no", "yes", UNKNOWN))
    assert found is not None
    assert found.tolist() == [1, 0, 2, 1]
    assert labels(raw, aimed(None), ("no", "yes")) is None
    assert labels(raw, CODEC.schema, ()) is None
    raw[:, FEW] = [5, 0, 3, 3]
    numbers = labels(raw, aimed("few"), ("0", "3", "5"))
    assert numbers is not None
    assert numbers.tolist() == [2, 0, 1, 1]


# --- each value ----------------------------------------------------------------------------------------------------------


def test_every_value_that_is_kept_and_missing_is_one() -> None:
    found = each("churn", CODEC.schema, CODEC.parts)
    assert found == [
        Where(CHURN, ((0.0, 0.0),), False, "churn=no"),
        Where(CHURN, ((1.0, 1.0),), False, "churn=yes"),
        Where(CHURN, (), True, "churn="),
    ]
    assert [w.text for w in each("day", CODEC.schema, CODEC.parts)] == ["day=1970-01-01", "day=1970-01-02", "day=1970-01-03"]


@pytest.mark.parametrize("name", ["kind", "group", "few", "day", "churn"])
def test_each_row_has_one_of_the_values(name: str) -> None:
    values = torch.from_numpy(RAW[:, CODEC.schema.place(name)])
    held = torch.stack([where.holds(values) for where in each(name, CODEC.schema, CODEC.parts)])
    assert (held.sum(0) == 1).all()
    assert held.any(1).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [("size", "size has too many values"), ("row", "row .* is not learned"), ("sise", "there is no column 'sise'; did you mean 'size'")],
)
def test_a_column_without_few_values(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        each(name, CODEC.schema, CODEC.parts)


# --- cells that are missing ----------------------------------------------------------------------------------------------

holes = st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 12))


def holed(drawn: tuple[int, float, int], shuffled: bool = False) -> np.ndarray:
    """Some rows with cells taken out; `shuffled`: each column for itself, so that rows say what no row of the data says."""
    seed, share, count = drawn
    source = np.random.default_rng(seed)
    rows = RAW[source.integers(0, ROWS, count)]
    if shuffled:
        rows = np.stack([source.permutation(RAW[:, m])[:count] for m in range(RAW.shape[1])], 1)
    gone = source.random(rows.shape) < share
    gone[:, ROW] = False
    return np.where(gone, NAN, rows)


def asked(raw: np.ndarray, codec: TableCodec = CODEC) -> tuple[torch.Tensor, torch.Tensor, list[slice]]:
    places = [where for where, _ in given.choices(codec.layout)]
    return *unfilled(raw, codec.parts, places, codec.layout.channels), places


@examples(drawn=holes, shuffled=st.booleans())
def test_what_is_there_is_told_and_what_is_not_has_choices_that_agree(drawn: tuple[int, float, int], shuffled: bool) -> None:
    raw = holed(drawn, shuffled)
    mask, open, places = asked(raw)
    for block, (part, where) in enumerate(zip(CODEC.parts, places, strict=True)):
        cells = raw[:, list(part.places)]
        assert ((mask[:, block] == 1).numpy() == ~np.isnan(cells).any(1)).all()
        assert open[:, where].any(1).all()
        for row_cells, left in zip(cells, open[:, where].numpy(), strict=True):
            if not np.isnan(row_cells).any():
                assert left.all()
            elif isinstance(part, Bins):
                assert left.tolist() == [True] * (part.size - 1) + [False]
            else:
                agree = ((part.values == row_cells) | np.isnan(row_cells)).all(1) & ~np.isnan(part.values).any(1)
                assert left.tolist() == (agree if agree.any() else ~(np.isnan(part.values) & np.isnan(row_cells)).any(1)).tolist()


def test_a_part_of_a_choice_leaves_what_agrees_with_it() -> None:
    raw = RAW[:3].copy()
    raw[:, [KIND, GROUP]] = [[NAN, 1], [2, NAN], [NAN, NAN]]
    mask, open, places = asked(raw)
    block = next(b for b, part in enumerate(CODEC.parts) if part.places == (KIND, GROUP))
    part = CODEC.parts[block]
    assert isinstance(part, Levels)
    assert mask[:, block].tolist() == [0, 0, 0]
    left = [part.values[keep].tolist() for keep in open[:, places[block]].numpy()]
    assert left == [[[2, 1], [3, 1]], [[2, 1]], [[0, 0], [1, 0], [2, 1], [3, 1]]]


def test_columns_that_the_data_never_have_together_leave_a_choice() -> None:
    """A house has a number or a name, never both: the one beside the other cannot be drawn, and nothing breaks of it."""
    number, name = np.repeat([1.0, 2.0, NAN, NAN], 50), np.repeat([NAN, NAN, 0.0, 1.0], 50)
    columns = (Column("number", "number", step=1, lowest=1, highest=2), Column("name", "category", ("a", "b")))
    raw = np.stack([number, name], 1)
    codec = TableCodec.fit(raw, Schema(columns, None, (Constraint("together", ("number", "name")),)))
    _, open, _ = asked(np.array([[NAN, 0], [NAN, NAN]]), codec)
    (part,) = codec.parts
    assert isinstance(part, Levels)
    fills = ~np.isnan(part.values[:, 0])
    assert open.tolist() == [fills.tolist(), [True] * part.size]


def test_a_column_of_which_no_value_is_kept_stays_missing() -> None:
    word = np.full(200, NAN)
    word[:3] = 0
    raw = np.stack([np.arange(200) % 2, word], 1)
    codec = TableCodec.fit(raw, Schema((Column("a", "category", ("x", "y")), Column("word", "category", ("rare",)))))
    filled = generator(codec).fill(np.full((4, 2), NAN))
    assert not np.isnan(filled[:, 0]).any()
    assert np.isnan(filled[:, 1]).all()


def generator(codec: TableCodec) -> Generator:
    """One that has learned nothing but the shares of the columns."""
    settings = NetworkSettings(name="row", width=8, latent=row.latents(codec.layout))
    torch.manual_seed(0)
    return Generator(row.RowGenerator(codec.layout, 8), Card(settings, codec.layout, "table"), codec, TABLE)


GENERATOR = generator(CODEC)


@settings(max_examples=40)
@examples(drawn=holes, shuffled=st.booleans(), seed=st.integers(0, 3))
def test_filling_changes_nothing_that_is_there_and_leaves_nothing_missing(drawn: tuple[int, float, int], shuffled: bool, seed: int) -> None:
    raw = holed(drawn, shuffled)
    before = raw.copy()
    filled = GENERATOR.fill(raw, seed=seed)
    np.testing.assert_array_equal(raw, before)
    there = ~np.isnan(raw)
    np.testing.assert_array_equal(filled[there], raw[there])
    assert not np.isnan(filled).any()
    if not shuffled:
        assert (filled[:, GROUP] == filled[:, KIND] // 2).all()
        assert (filled[:, FEW] <= filled[:, SIZE]).all()
    assert np.isin(filled[:, FEW], range(6)).all()


@settings(max_examples=20)
@examples(start=st.integers(0, 90), count=st.integers(1, 10))
def test_a_row_is_filled_alike_whatever_stands_beside_it(start: int, count: int) -> None:
    assert np.array_equal(GENERATOR.fill(HOLED[start : start + count], seed=1, start=start), FILLED[start : start + count])


HOLED = holed((5, 0.6, 100))
FILLED = GENERATOR.fill(HOLED, seed=1)
