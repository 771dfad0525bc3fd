"""Conditions and comparisons hold in every row, to the last digit, whatever was drawn among what was allowed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, settings
from hypothesis import given as examples
from hypothesis import strategies as st

from gansmith import given
from gansmith.domains.table.codec import TableCodec
from gansmith.domains.table.schema import Column, Constraint, Relation, Schema
from gansmith.domains.table.where import Where, both, opposite, parse, united
from gansmith.errors import ConfigError, DataError

SCHEMA = Schema(
    (
        Column("sex", "category", ("Male", "Female"), blank="?"),
        Column("job", "category", ("clerk", "nurse", "a|b", ""), missing=0.1),
        Column("age", "number", step=1, lowest=17, highest=90),
        Column("pay>", "number", lowest=0.5, highest=1e6, form="1,234.5"),
        Column("born", "date", step=86_400.0, lowest=0, highest=86_400.0 * 9000, form="%d.%m.%Y"),
        Column("seen", "date", step=1.0, lowest=0, highest=86_400.0 * 9000, form="%Y-%m-%d %H:%M:%S+02:00"),
        Column("id", "id", form="+1"),
        Column("cost", "number", lowest=0.5, highest=1e6, form="1.234,50"),
    )
)
DAY = 86_400.0


def holds(text: str, *values: float) -> list[bool]:
    return parse(text, SCHEMA).holds(torch.tensor(values, dtype=torch.float64)).tolist()


@pytest.mark.parametrize(
    ("text", "values", "wanted"),
    [
        ("sex=Female", (0, 1, math.nan), [False, True, False]),
        (" sex == Female ", (0, 1), [False, True]),
        ("sex!=Female", (0, 1, math.nan), [True, False, True]),
        ("sex=?", (0, 1, math.nan), [False, False, True]),
        ("job=clerk|nurse", (0, 1, 2, math.nan), [True, True, False, False]),
        ("job=a|b", (0, 2), [False, True]),
        ("job!=clerk|nurse", (0, 1, 2, math.nan), [False, False, True, True]),
        ("age>60", (60, 61, math.nan), [False, True, False]),
        ("age>=17", (17, math.nan), [True, False]),
        ("age<40", (39, 40), [True, False]),
        ("age<=40", (40, 41), [True, False]),
        ("age=30|32|", (30, 31, 32, math.nan), [True, False, True, True]),
        ("age!=30", (29, 30, 31, math.nan), [True, False, True, True]),
        ("pay>>1,000", (999, 1000, 1000.5), [False, False, True]),
        ("pay>=1e3", (1000, 1001), [True, False]),
        ("pay>>=1,000.5", (1000, 1000.5), [False, True]),
        ("cost>1.234", (2, 1234, 1235), [False, False, True]),
        ("cost>1.5", (1, 2), [False, True]),
        ("born>31.12.1970", (364 * DAY, 365 * DAY), [False, True]),
        ("born=1970-01-02", (0, DAY), [False, True]),
        ("seen=1970-01-02", (DAY - 7201, DAY - 7200, 2 * DAY - 7201, 2 * DAY - 7200), [False, True, True, False]),
        ("seen>1970-01-02", (2 * DAY - 7201, 2 * DAY - 7200), [False, True]),
        ("seen<1970-01-02 12:00", (DAY + 35999, DAY + 36000), [True, False]),
    ],
)
def test_what_a_condition_means(text: str, values: tuple[float, ...], wanted: list[bool]) -> None:
    assert holds(text, *values) == wanted


def test_a_level_is_tried_as_it_stands_and_then_without_blanks() -> None:
    schema = Schema((Column("x", "category", ("ja", " ja", "JA ", "u|v", " u | v ", "u", "")),))
    wanted = {"ja": [0], " ja": [1], "  ja": [0], "JA ": [2], "u|v": [3], " u | v ": [4], "u | v|u": None, "u|ja": [0, 5], "JA |u": [2, 5]}
    for text, places in wanted.items():
        if places is None:
            with pytest.raises(ConfigError, match="no level 'v'"):
                parse(f"x={text}", schema)
        else:
            found = parse(f"x={text}", schema).holds(torch.arange(7.0))
            assert found.nonzero().squeeze(1).tolist() == places, text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sx=Female", "did you mean 'sex'"),
        ("sex=Femal", "did you mean 'Female'"),
        ("sex>1", "levels without an order"),
        ("age", "is not a condition"),
        ("age>90", "generated values go from 17 to 90"),
        ("age=16", "17 to 90"),
        ("age=old", "is a number"),
        ("age<17", "leaves nothing"),
        ("id=5", "not learned"),
        ("born=tomorrow", "is a date"),
        ("born>2200-01-01", "01.01.1970 to"),
        ("pay>>=2,000,000", "generated values go from 0.5 to 1,000,000"),
    ],
)
def test_what_cannot_be_asked_for(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        parse(text, SCHEMA)
    assert "\n" not in str(error.value)


@examples(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 5)), max_size=6))
def test_spans_and_their_opposite_are_all_values_once(pairs: list[tuple[int, int]]) -> None:
    spans = united((float(a), float(a + b)) for a, b in pairs)
    values = torch.arange(-20, 20, 0.25, dtype=torch.float64)
    inside, outside = (Where(0, s, False).holds(values) for s in (spans, opposite(spans)))
    assert torch.equal(inside, ~outside)
    assert inside.tolist() == [any(a <= v <= a + b for a, b in pairs) for v in values.tolist()]
    assert opposite(opposite(spans)) == spans


# --- rows that satisfy them ------------------------------------------------------------------------------------------------


def table(seed: int = 0, rows: int = 2000) -> tuple[TableCodec, np.ndarray]:
    source = np.random.default_rng(seed)
    kind = source.integers(0, 4, rows).astype(float)
    age = source.integers(17, 91, rows).astype(float)
    pay = np.where(source.random(rows) < 0.3, 0.0, np.round(source.lognormal(8, 1, rows), 2))
    size = source.normal(0, 10, rows)
    size[source.random(rows) < 0.1] = math.nan
    raw = np.stack([kind, kind // 2, age, pay, size], 1)
    columns = (
        Column("kind", "category", ("a", "b", "c", "d")),
        Column("group", "category", ("x", "y")),
        Column("age", "number", step=1, lowest=17, highest=90),
        Column("pay", "number", step=0.01, lowest=0, highest=float(pay.max())),
        Column("size", "number", lowest=float(np.nanmin(size)), highest=float(np.nanmax(size)), missing=0.1),
    )
    return TableCodec.fit(raw, Schema(columns)), raw


CODEC, RAW = table()


def drawn(codec: TableCodec, wheres: list[Where], rows: int, seed: int) -> torch.Tensor:
    """Rows drawn block by block in an order of their own, each choice anyhow among those that are open."""
    source = torch.Generator().manual_seed(seed)
    places, owner = given.choices(codec.layout), given.owners(codec.layout)
    allowed = codec.allowed(wheres)
    x, mask = torch.zeros(rows, codec.layout.channels), torch.zeros(rows, len(places))
    order = torch.rand(rows, len(places), generator=source).argsort(1)
    for step in range(len(places)):
        still = codec.open(x, mask, allowed, wheres)
        assert still.shape == x.shape
        for block, (where, _) in enumerate(places):
            mine = order[:, step] == block
            if not mine.any():
                continue
            assert still[mine][:, where].any(1).all(), "a dead end"
            assert (~still[mine] | allowed).all(), "what was not allowed came back"
            choice = torch.multinomial(still[mine][:, where].float(), 1, generator=source)
            made = torch.rand(int(mine.sum()), codec.layout.channels, generator=source) * 2 - 1
            made[:, where] = torch.zeros_like(made[:, where]).scatter_(1, choice, 1.0)
            x[mine] = torch.where(owner == block, made, x[mine])
        mask[torch.arange(rows), order[:, step]] = 1
    return x


def conditions() -> st.SearchStrategy[str]:
    numbers = st.sampled_from(["age", "pay", "size"]).flatmap(
        lambda name: st.tuples(
            st.just(name),
            st.sampled_from([">", ">=", "<", "<=", "!=", "="]),
            st.integers(0, len(RAW) - 1).map(lambda i: repr(float(RAW[i, {"age": 2, "pay": 3, "size": 4}[name]]))),
        ).map("".join)
    )
    return st.one_of(numbers, st.sampled_from(["kind=a", "kind!=b", "group=y", "kind=a|d", "size=", "size!=", "age>=20.5", "pay!=0"]))


@settings(max_examples=50)
@examples(st.lists(conditions(), min_size=1, max_size=4), st.integers(0, 9999))
def test_every_row_satisfies_every_condition(texts: list[str], seed: int) -> None:
    try:
        wheres = [parse(text, CODEC.schema) for text in texts if "nan" not in text]
        CODEC.allowed(wheres)
    except ConfigError:
        assume(False)
    made = torch.from_numpy(CODEC.decode(CODEC.confine(drawn(CODEC, wheres, 40, seed), wheres)))
    for where in wheres:
        assert where.holds(made[:, where.place]).all(), where.text


@settings(max_examples=40)
@examples(st.lists(conditions(), min_size=1, max_size=3), st.integers(0, len(RAW) - 1))
def test_a_real_row_that_satisfies_them_is_allowed_and_stays(texts: list[str], row: int) -> None:
    try:
        wheres = [parse(text, CODEC.schema) for text in texts if "nan" not in text]
        allowed = CODEC.allowed(wheres)
    except ConfigError:
        assume(False)
    x = CODEC.encode(torch.from_numpy(RAW[row : row + 1]))
    raw = torch.from_numpy(CODEC.decode(x))
    assume(all(where.holds(raw[:, where.place]).all() for where in wheres))
    chosen = torch.cat([x[0, where] for where, _ in given.choices(CODEC.layout)]) > 0
    free = torch.cat([allowed[where] for where, _ in given.choices(CODEC.layout)])
    assert free[chosen].all()
    assert torch.equal(CODEC.confine(x, wheres), x)


def test_conditions_on_columns_that_stay_together_work_on_their_combinations() -> None:
    wheres = [parse("group=y", CODEC.schema), parse("kind!=d", CODEC.schema)]
    made = CODEC.decode(CODEC.confine(drawn(CODEC, wheres, 50, 0), wheres))
    assert (made[:, 0] == 2).all()
    with pytest.raises(ConfigError, match="no row can have kind=a and group=y"):
        CODEC.allowed([parse("kind=a", CODEC.schema), parse("group=y", CODEC.schema)])


@pytest.mark.parametrize("texts", [("age>60", "age<50"), ("size>5", "size="), ("age=30.5",), ("age>30", "age<31")])
def test_what_nothing_satisfies_is_said_at_once(texts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=f"no row can have {' and '.join(texts)}"):
        CODEC.allowed([parse(text, CODEC.schema) for text in texts])


def test_positions_that_are_moved_are_uniform_over_what_is_allowed() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 30_000)
    codec = TableCodec.fit(values[:, None], Schema((Column("a", "number", lowest=0.0, highest=1.0),)))
    wheres = [parse("a>=0.315", codec.schema), parse("a<=0.317", codec.schema)]
    allowed = codec.allowed(wheres)
    assert int(allowed.sum()) == 2  # one bin, and the channel of the position
    x = torch.zeros(4000, codec.layout.channels)
    x[:, allowed] = 1.0
    x[:, -1] = torch.rand(4000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    made = np.sort(codec.decode(codec.confine(x, wheres))[:, 0])
    assert made[0] >= 0.315
    assert made[-1] <= 0.317
    assert np.abs((made - 0.315) / 0.002 - np.linspace(0, 1, 4000)).max() < 0.05
    within = codec.decode(x)[:, 0]
    inside = (within >= 0.315) & (within <= 0.317)
    assert (codec.decode(codec.confine(x, wheres))[inside, 0] == within[inside]).all()


def test_without_comparisons_everything_allowed_is_open() -> None:
    allowed = CODEC.allowed([parse("age>60", CODEC.schema)])
    still = CODEC.open(torch.zeros(3, CODEC.layout.channels), torch.zeros(3, 4), allowed)
    assert torch.equal(still, allowed.expand(3, -1))


def test_several_conditions_on_a_column_are_one() -> None:
    (where,) = both([parse("age>20", SCHEMA), parse("age!=30", SCHEMA)]).values()
    assert where.holds(torch.tensor([20.0, 21.0, 30.0, math.nan])).tolist() == [False, True, False, False]


# --- comparisons -----------------------------------------------------------------------------------------------------------

CHAINS: list[tuple[tuple[Relation, str, str], ...]] = [
    (("less", "a", "b"),),
    (("less or equal", "a", "b"), ("less or equal", "b", "c")),
    (("less", "a", "b"), ("less", "b", "c"), ("less", "a", "c")),
    (("less", "a", "b"), ("less", "c", "b")),
    (("less", "a", "b"), ("less or equal", "a", "c")),
]


def ordered(seed: int, step: float | None, spread: float, missing: float, obey: bool) -> np.ndarray:
    source = np.random.default_rng(seed)
    raw = source.normal(0, spread, (1500, 3)) + (np.arange(3) * spread if obey else 0)
    raw = raw if step is None else np.round(raw / step) * step
    raw[source.random(raw.shape) < missing] = math.nan
    raw[:300, 1] = raw[0, 1] if not math.isnan(raw[0, 1]) else 0.0  # a spike
    return np.concatenate([raw, source.integers(0, 3, (1500, 1))], 1)


@settings(max_examples=40)
@examples(
    st.integers(0, 9999),
    st.sampled_from([None, 1.0, 5.0]),
    st.sampled_from([3.0, 30.0, 3000.0]),
    st.sampled_from([0.0, 0.2]),
    st.booleans(),
    st.sampled_from(CHAINS),
    st.sampled_from(["", "b>0", "b!=0", "a<=1", "c="]),
)
def test_rows_drawn_in_any_order_end_satisfying_all(
    seed: int,
    step: float | None,
    spread: float,
    missing: float,
    obey: bool,
    chain: tuple[tuple[Relation, str, str], ...],
    text: str,
) -> None:
    raw = ordered(seed, step, spread, missing, obey)
    columns = [
        Column(n, "number", step=step, lowest=float(np.nanmin(v)), highest=float(np.nanmax(v))) for n, v in zip("abc", raw.T, strict=False)
    ]
    schema = Schema((*columns, Column("d", "category", ("x", "y", "z"))), None, tuple(Constraint(r, (a, b)) for r, a, b in chain))
    codec = TableCodec.fit(raw, schema)
    try:
        wheres = [parse(text, schema)] if text else []
        codec.allowed(wheres)
    except ConfigError:
        assume(False)
    x = drawn(codec, wheres, 40, seed)
    made = torch.from_numpy(codec.decode(codec.confine(x, wheres)))
    column = dict(zip("abc", made.T, strict=False))
    for relation, a, b in chain:
        low, high = column[a], column[b]
        held = (low < high) if relation == "less" else (low <= high)
        assert (held | low.isnan() | high.isnan()).all()
    assert all(where.holds(made[:, where.place]).all() for where in wheres)


def test_what_was_told_is_not_moved() -> None:
    raw = ordered(0, None, 30.0, 0.0, True)
    columns = [Column(n, "number", lowest=float(v.min()), highest=float(v.max())) for n, v in zip("abc", raw.T, strict=False)]
    schema = Schema(
        (*columns, Column("d", "category", ("x", "y", "z"))), None, (Constraint("less", ("a", "b")), Constraint("less", ("b", "c")))
    )
    codec = TableCodec.fit(raw, schema)
    middle = torch.tensor([[math.nan, 20.0, math.nan, math.nan]], dtype=torch.float64).repeat(200, 1)
    told = torch.tensor([[0.0, 1.0, 0.0, 0.0]]).repeat(200, 1)
    start = codec.encode(middle)
    owner = given.owners(codec.layout)
    x, mask = start * told[:, owner], told.clone()
    source = torch.Generator().manual_seed(0)
    for block in (0, 2, 3):
        where = given.choices(codec.layout)[block][0]
        still = codec.open(x, mask, codec.allowed(), told=middle)
        choice = torch.multinomial(still[:, where].float(), 1, generator=source)
        x[:, where] = torch.zeros_like(x[:, where]).scatter_(1, choice, 1.0)
        mask[:, block] = 1
    made = codec.decode(codec.confine(x, told=middle))
    np.testing.assert_allclose(made[:, 1], codec.decode(start)[:, 1])
    assert (made[:, 0] < made[:, 1]).all()
    assert (made[:, 1] < made[:, 2]).all()


@pytest.mark.parametrize("values", [12, 400])
@pytest.mark.parametrize("gaps", [0.0, 0.1])
def test_a_told_value_that_is_not_kept_counts_as_it_is(values: int, gaps: float) -> None:
    source = np.random.default_rng(values)
    raw = np.sort(source.integers(0, values, (3000, 2)), 1).astype(float)
    raw[source.random(raw.shape) < gaps] = math.nan
    raw[-1] = (values + 10, values + 12)  # stands once; the nearest value that is kept is lower
    raw[:300, 1] = values + 20
    columns = tuple(Column(n, "number", step=1, lowest=0, highest=values + 20) for n in "ab")
    codec = TableCodec.fit(raw, Schema(columns, None, (Constraint("less or equal", ("a", "b")),)))
    told = torch.tensor([[values + 10.0, math.nan], [math.nan, values + 10.0]], dtype=torch.float64)[torch.arange(300) % 2]
    mask = (~told.isnan()).float()
    x = codec.encode(told) * mask[:, given.owners(codec.layout)]
    for block in (0, 1):
        where, free = given.choices(codec.layout)[block][0], mask[:, block] == 0
        still = codec.open(x, mask, codec.allowed(), told=told)
        choice = torch.multinomial(still[:, where].float(), 1, generator=torch.Generator().manual_seed(block))
        drawn = torch.zeros_like(x[:, where]).scatter_(1, choice, 1.0)
        x[:, where] = torch.where(free.unsqueeze(1), drawn, x[:, where])
    made = np.where(told.isnan(), codec.decode(codec.confine(x, told=told)), told)
    assert not (made[:, 0] > made[:, 1]).any()


def test_what_is_told_against_the_comparisons_gets_what_is_allowed() -> None:
    raw = ordered(0, 1.0, 30.0, 0.0, True)
    columns = [Column(n, "number", step=1, lowest=float(v.min()), highest=float(v.max())) for n, v in zip("abc", raw.T, strict=False)]
    schema = Schema((*columns, Column("d", "category", ("x", "y", "z"))), None, (Constraint("less", ("a", "b")),))
    codec = TableCodec.fit(raw, schema)
    told = torch.tensor([[raw[:, 0].max(), raw[:, 1].min(), math.nan, math.nan]], dtype=torch.float64)
    x, mask = codec.encode(told), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    still = codec.open(x, mask, codec.allowed(), told=told)[0]
    for block, (where, _) in enumerate(given.choices(codec.layout)):
        assert still[where].sum() == 1 if mask[0, block] else torch.equal(still[where], codec.allowed()[where])
    assert torch.equal(codec.confine(x, told=told), x)


def test_comparisons_within_a_block_choose_its_combinations() -> None:
    source = np.random.default_rng(0)
    raw = source.integers(0, 5, (3000, 2)).astype(float)
    columns = tuple(Column(n, "number", step=1, lowest=0, highest=4) for n in "ab")
    codec = TableCodec.fit(raw, Schema(columns, None, (Constraint("together", ("a", "b")), Constraint("less", ("a", "b")))))
    made = codec.decode(torch.rand(500, codec.layout.channels))
    assert (made[:, 0] < made[:, 1]).all()


def test_comparisons_that_cannot_hold_are_refused() -> None:
    raw = np.random.default_rng(0).integers(0, 50, (1000, 2)).astype(float)
    raw[:, 1] += 100
    columns = (Column("a", "number", step=1, lowest=0, highest=49), Column("b", "number", step=1, lowest=100, highest=149))
    codec = TableCodec.fit(raw, Schema(columns, None, (Constraint("less", ("b", "a")),)))
    with pytest.raises(ConfigError, match="no row can have all declared comparisons"):
        codec.allowed()
    circle = (Constraint("less", ("b", "a")), Constraint("less or equal", ("a", "b")))
    with pytest.raises(DataError, match="form a circle"):
        TableCodec.fit(raw, Schema(columns, None, circle)).allowed()


def test_a_comparison_that_was_told_otherwise_takes_no_other_with_it() -> None:
    values = np.sort(np.random.default_rng(0).uniform(0, 100, (2000, 4)), 1)
    columns = [Column(n, "number", lowest=float(v.min()), highest=float(v.max())) for n, v in zip("abcd", values.T, strict=True)]
    codec = TableCodec.fit(values, Schema(tuple(columns), None, (Constraint("less", ("a", "b")), Constraint("less", ("c", "d")))))
    cells = torch.tensor([[50.0, 30.0, 70.0, math.nan]], dtype=torch.float64).repeat(200, 1)  # a < b does not hold
    mask = torch.tensor([[1.0, 1.0, 1.0, 0.0]]).repeat(200, 1)
    x = codec.encode(cells) * mask[:, given.owners(codec.layout)]
    where = given.choices(codec.layout)[3][0]
    still = codec.open(x, mask, codec.allowed(), told=cells)[:, where]
    assert 0 < still[0].sum() < len(still[0])
    x[:, where] = torch.zeros_like(x[:, where]).scatter_(
        1, torch.multinomial(still.float(), 1, generator=torch.Generator().manual_seed(0)), 1.0
    )
    assert codec.decode(codec.confine(x, told=cells))[:, 3].min() > 70.0
