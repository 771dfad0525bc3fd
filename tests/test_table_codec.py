"""What a codec of tables keeps comes back as it was; what belongs together stays together; nothing rare is kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from gansmith import given
from gansmith.domains.table.codec import TableCodec
from gansmith.domains.table.columns import FEWEST, PLACES, Bins, Grid, Levels, position_of
from gansmith.domains.table.inference import OTHER
from gansmith.domains.table.schema import Column, Constraint, Schema
from gansmith.errors import DataError


def number(name: str, values: np.ndarray, step: float | None = None) -> Column:
    return Column(name, "number", step=step, lowest=float(np.nanmin(values)), highest=float(np.nanmax(values)))


def category(name: str, count: int) -> Column:
    return Column(name, "category", tuple(f"{name}{i}" for i in range(count)))


def fitted(columns: dict[str, tuple[Column, np.ndarray]], *constraints: Constraint) -> tuple[TableCodec, np.ndarray]:
    raw = np.stack([values.astype(np.float64) for _, values in columns.values()], 1)
    return TableCodec.fit(raw, Schema(tuple(c for c, _ in columns.values()), None, constraints)), raw


def of(**columns: tuple[np.ndarray, float | None]) -> tuple[TableCodec, np.ndarray]:
    return fitted({name: (number(name, values, step), values) for name, (values, step) in columns.items()})


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(((a == b) | (np.isnan(a) & np.isnan(b))).all())


def chosen(codec: TableCodec, x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x[:, where].argmax(1) for where, _ in given.choices(codec.layout)], 1)


def back(codec: TableCodec, raw: np.ndarray) -> np.ndarray:
    return codec.decode(codec.encode(torch.from_numpy(raw)))


def table(seed: int = 0, rows: int = 3000) -> tuple[TableCodec, np.ndarray]:
    """A column of every sort."""
    source = np.random.default_rng(seed)
    amount = np.where(source.random(rows) < 0.6, 0.0, np.round(source.lognormal(3, 1, rows), 2))
    length = source.normal(0, 10, rows)
    length[source.random(rows) < 0.1] = np.nan
    kind = source.integers(0, 4, rows)
    date = 86_400.0 * source.integers(0, 4000, rows)
    return fitted(
        {
            "kind": (category("kind", 4), kind),
            "group": (category("group", 2), kind // 2),
            "few": (number("few", np.array([0, 9]), 1), source.integers(0, 10, rows)),
            "amount": (number("amount", amount, 0.01), amount),
            "length": (number("length", length), length),
            "date": (Column("date", "date", step=86_400.0, lowest=date.min(), highest=date.max(), form="%Y-%m-%d"), date),
            "name": (Column("name", "id", form="+1", highest=float(rows)), np.zeros(rows)),
        }
    )


def test_a_row_comes_back() -> None:
    codec, raw = table()
    found = back(codec, raw)
    assert same(found[:, [0, 1, 2, 6]], raw[:, [0, 1, 2, 6]])
    for place, close in ((3, 0.0), (4, 1e-5), (5, 0.0)):  # all but the few outermost, which move inward
        before, after = raw[:, place], found[:, place]
        assert (np.isnan(after) == np.isnan(before)).all()
        low, high = np.sort(before[~np.isnan(before) & ((before != 0) | (place != 3))])[[FEWEST - 1, -FEWEST]]
        inner = ((before >= low) & (before <= high)) | ((before == 0) & (place == 3)) | np.isnan(before)
        np.testing.assert_allclose(after[inner], before[inner], atol=close)
        assert (after[before > high] <= before[before > high]).all()
        assert (after[before > high] >= high).all()


def test_what_is_decoded_has_the_choices_it_was_decoded_from() -> None:
    codec, _ = table()
    source = torch.Generator().manual_seed(0)
    x = torch.rand(4000, codec.layout.channels, generator=source) * 2 - 1
    again = codec.encode(torch.from_numpy(codec.decode(x)))
    assert torch.equal(chosen(codec, again), chosen(codec, x))


def test_x_is_what_the_layout_says() -> None:
    codec, raw = table()
    x = codec.encode(torch.from_numpy(raw))
    assert x.dtype == torch.float32
    assert codec.layout.check(x) is x
    assert codec.layout.given
    assert codec.layout.condition == given.width(codec.layout)
    for where, block in given.choices(codec.layout):
        assert (x[:, where].sum(1) == 1).all()
        assert set(x[:, where].unique().tolist()) <= {0.0, 1.0}
        taken = x[:, where].mean(0)
        np.testing.assert_allclose(block.shares, taken, atol=1e-3)
        assert min(block.shares) > 0
        assert math.isclose(sum(block.shares), 1)
    names = [b.name for b in codec.layout.blocks]
    assert names == ["kind + group", "few", "amount", "amount/within", "length", "length/within", "date", "date/within"]


def test_a_codec_is_its_state() -> None:
    codec, raw = table()
    again = TableCodec.from_state(json.loads(json.dumps(codec.state(), allow_nan=False)))
    assert again.layout == codec.layout
    assert again.schema == codec.schema
    x = codec.encode(torch.from_numpy(raw))
    assert torch.equal(again.encode(torch.from_numpy(raw)), x)
    assert same(again.decode(x), codec.decode(x))


def test_positions_within_bins_are_uniform() -> None:
    values = np.random.default_rng(0).lognormal(0, 2, 20_000)
    codec, raw = of(a=(values, None))
    place = codec.encode(torch.from_numpy(raw))[:, -1].double()
    share = torch.tensor([(place < cut).double().mean() for cut in (-0.5, 0.0, 0.5)])
    np.testing.assert_allclose(share, [0.25, 0.5, 0.75], atol=0.01)
    assert codec.layout.blocks[1].spread == pytest.approx(float(place.square().mean().sqrt()), rel=0.02)


def test_what_is_made_is_distributed_as_the_data() -> None:
    """Choices by their shares and uniform positions: Kolmogorov's distance to the data is small, and no value is drawn again."""
    source = np.random.default_rng(1)
    values = source.standard_cauchy(10_000)
    codec, _ = of(a=(values, None))
    block = codec.layout.blocks[0]
    x = torch.zeros(10_000, codec.layout.channels)
    x[torch.arange(len(x)), torch.from_numpy(source.choice(block.size, len(x), p=block.shares))] = 1
    x[:, -1] = torch.from_numpy(source.uniform(-1, 1, len(x)))
    made = np.sort(codec.decode(x)[:, 0])
    both = np.concatenate([made, values])
    distance = np.abs(np.searchsorted(made, both, side="right") - np.searchsorted(np.sort(values), both, side="right")).max() / len(made)
    assert distance < 0.02
    assert np.isin(made, values).mean() < 0.001
    assert values.min() <= made.min()
    assert made.max() <= values.max()


def test_few_values_are_levels_and_many_are_spikes_and_bins() -> None:
    source = np.random.default_rng(0)
    few, many = source.integers(0, 100, 20_000), source.integers(0, 2000, 20_000)
    many[:9000] = 7
    many[9000:9400] = 1500
    codec, _ = of(few=(few, 1.0), many=(many, 1.0))
    levels, bins = codec.parts
    assert isinstance(levels, Levels)
    assert isinstance(bins, Bins)
    assert levels.size == 100
    assert bins.spikes.tolist() == [7, 1500]
    assert 45 <= len(bins.ends) <= 55
    assert not bins.missing
    assert not any((low <= spike <= high) for low, high in bins.ends for spike in bins.spikes)


@pytest.mark.parametrize("step", [None, 1.0, 0.01, 5.0])
def test_decoding_keeps_to_the_step_and_the_range(step: float | None) -> None:
    source = np.random.default_rng(0)
    values = source.normal(50, 20, 3000)
    values = values if step is None else np.round(values / step) * step if step >= 1 else np.round(values * 100) / 100
    if step == 5.0:
        values = np.round(source.uniform(0, 5000, 3000) / 5) * 5
    codec, _ = of(a=(values, step))
    x = torch.rand(5000, codec.layout.channels, generator=torch.Generator().manual_seed(0)) * 2 - 1
    made = codec.decode(x)[:, 0]
    assert values.min() <= made.min()
    assert made.max() <= values.max()
    if step == 0.01:
        assert (made == np.round(made, 2)).all()
    elif step is not None:
        assert (made % step == 0).all()


@settings(max_examples=60)
@examples(
    st.lists(st.one_of(st.floats(-1e300, 1e300), st.just(math.nan), st.integers(-50, 50).map(float)), min_size=1, max_size=300),
    st.sampled_from([None, 1.0, 0.001, 1000.0]),
    st.integers(1, 12),
)
def test_any_column_is_encoded_and_its_choices_come_back(values: list[float], step: float | None, times: int) -> None:
    seen = Grid(step, -1e300, 1e300).snap(np.repeat(np.asarray(values), times))
    there = seen[~np.isnan(seen)]
    low, high = (there.min(), there.max()) if len(there) else (0.0, 0.0)
    codec, raw = fitted({"a": (Column("a", "number", step=step, lowest=low, highest=high), seen)} | {"b": (category("b", 2), seen > 0)})
    x = codec.encode(torch.from_numpy(raw))
    assert x.isfinite().all()
    assert (x.abs() <= 1).all()
    made = codec.decode(x)
    assert torch.equal(chosen(codec, codec.encode(torch.from_numpy(made))), chosen(codec, x))
    anything = codec.decode(torch.rand(50, codec.layout.channels) * 2 - 1)[:, 0]
    assert (((anything >= low) & (anything <= high)) | np.isnan(anything)).all()


@settings(max_examples=40)
@examples(st.integers(0, 10_000), st.sampled_from([None, 1.0, 0.1]), st.lists(st.floats(-300, 300), min_size=1, max_size=20))
def test_places_within_bins_are_found_by_their_values(seed: int, step: float | None, bounds: list[float]) -> None:
    values = np.random.default_rng(seed).normal(0, 100, 400)
    values = values if step is None else np.round(values / step) / round(1 / step)
    codec, _ = of(a=(values, step))
    quantiles = codec.tables(torch.device("cpu")).quantiles
    bins = torch.arange(len(quantiles.pieces)).unsqueeze(1)
    bound = torch.tensor(bounds, dtype=torch.float64)
    first = quantiles.first(bins, bound)
    assert ((first == 0) | (quantiles.at(bins, (first - 1).clamp(min=0)) < bound)).all()
    assert ((first == PLACES + 1) | (quantiles.at(bins, first.clamp(max=PLACES)) >= bound)).all()
    last = quantiles.last(bins, bound)
    assert ((last == -1) | (quantiles.at(bins, last.clamp(min=0)) <= bound)).all()
    assert ((last == PLACES) | (quantiles.at(bins, (last + 1).clamp(max=PLACES)) > bound)).all()
    place = torch.randint(0, PLACES + 1, (20,), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(position_of(place).float().double(), position_of(place))


# --- what is rare ----------------------------------------------------------------------------------------------------------


def test_what_few_rows_hold_is_never_made() -> None:
    level = np.array([0] * 50 + [1] * FEWEST + [2] * (FEWEST - 1))
    value = np.array([1.0] * 600 + [2.0] * 500 + [9.0] * 2 + [np.nan])
    codec, raw = fitted({"a": (category("a", 3), level)})
    assert set(codec.parts[0].values[:, 0]) == {0, 1}  # type: ignore[union-attr]
    assert back(codec, raw)[-1, 0] == 0  # the most frequent
    codec, raw = of(b=(value, 1.0))
    assert back(codec, raw)[-3:, 0].tolist() == [2, 2, 1]
    (finding,) = codec.findings
    assert finding.code == "T120"
    assert finding.evidence["rows"] == {"b": 3}
    assert "9.0" not in json.dumps(codec.state()["parts"])


def test_rare_levels_go_to_the_one_that_stands_for_the_rest() -> None:
    column = Column("a", "category", ("x", "y", "z", OTHER))
    level = np.array([0] * 50 + [1] * 2 + [3] * 20)
    codec, raw = fitted({"a": (column, level)})
    assert back(codec, raw)[50:52, 0].tolist() == [3, 3]


def test_a_rare_combination_becomes_the_kept_one_that_agrees_most() -> None:
    together = Constraint("together", ("a", "b", "c"))
    rows = np.array([[0, 0, 0]] * 40 + [[1, 1, 1]] * 30 + [[1, 1, 0]] * 3)
    codec, raw = fitted({n: (category(n, 2), rows[:, i]) for i, n in enumerate("abc")}, together)
    assert back(codec, raw)[-1].tolist() == [1, 1, 1]
    assert codec.parts[0].counts.tolist() == [40, 33]


def test_rows_that_the_codec_has_not_seen_become_the_nearest() -> None:
    codec, _ = table()
    found = back(codec, np.array([[3.0, 0.0, 99.0, -5.0, 1e9, -1e12, 0.0], [math.nan] * 7]))
    assert found[0, 1] == found[0, 0] // 2
    assert found[0, 2] == 9
    assert found[0, 3] == 0
    assert not np.isnan(found[1, :4]).any()
    assert np.isnan(found[1, 4])


# --- what belongs together -------------------------------------------------------------------------------------------------


def test_dependencies_are_found_in_chains_and_circles() -> None:
    source = np.random.default_rng(0)
    city = source.integers(0, 30, 5000)
    codec, raw = fitted(
        {
            "city": (category("city", 30), city),
            "state": (category("state", 6), city // 5),
            "land": (category("land", 2), city // 15),
            "code": (number("code", np.array([100, 129]), 1), city + 100),
            "free": (category("free", 5), source.integers(0, 5, 5000)),
        }
    )
    assert [p.places for p in codec.parts] == [(0, 1, 2, 3), (4,)]
    assert codec.parts[0].size == 30
    made = codec.decode(torch.rand(2000, codec.layout.channels))
    known = {tuple(row) for row in raw[:, :4]}
    assert {tuple(row) for row in made[:, :4]} == known
    assert "T121" in {f.code for f in codec.findings}


def test_names_of_rows_and_chance_make_no_dependency() -> None:
    source = np.random.default_rng(0)
    codec, _ = fitted(
        {
            "nearly": (number("nearly", np.array([0, 999]), 1), np.arange(1000) // 2 * 2),
            "coin": (category("coin", 2), source.integers(0, 2, 1000)),
            "dice": (category("dice", 6), source.integers(0, 6, 1000)),
        }
    )
    assert all(len(p.places) == 1 for p in codec.parts)


def test_one_hot_columns_are_one_choice() -> None:
    source = np.random.default_rng(0)
    which, area = source.integers(0, 8, 4000), source.integers(0, 3, 4000)
    soils = {f"soil{i}": (number(f"soil{i}", np.array([0, 1]), 1), which == i) for i in range(8)}
    words = [("1", "0"), ("0", "1"), ("no", "yes")]
    areas = {f"area{i}": (Column(f"area{i}", "boolean", words[i]), (area == i) == bool(i)) for i in range(3)}
    codec, raw = fitted({**soils, **areas})
    assert [p.places for p in codec.parts] == [tuple(range(8)), (8, 9, 10)]
    made = codec.decode(torch.rand(500, codec.layout.channels))
    assert (made[:, :8].sum(1) == 1).all()
    assert same(back(codec, raw), raw)


def test_a_dependency_of_too_many_combinations_is_told() -> None:
    source = np.random.default_rng(0)
    a, b = source.integers(0, 60, 6000), source.integers(0, 60, 6000)
    both = np.minimum(a // 30, 1)
    b = np.where(b // 30 == both, b, (b + 30) % 60)  # a and b each tell `both`; their combinations are many and rare
    codec, _ = fitted({"a": (category("a", 60), a), "b": (category("b", 60), b), "both": (category("both", 2), both)})
    assert sorted(len(p.places) for p in codec.parts) == [1, 2]
    assert "T122" in {f.code for f in codec.findings}


def test_declared_combinations_are_kept_whatever_their_number() -> None:
    source = np.random.default_rng(0)
    rows = np.minimum(source.geometric(0.05, (20_000, 2)), 60) - 1
    codec, _ = fitted({n: (category(n, 60), rows[:, i]) for i, n in enumerate("ab")}, Constraint("together", ("a", "b")))
    (part,) = codec.parts
    assert part.size <= 1000
    made = codec.decode(torch.rand(3000, codec.layout.channels))
    assert {tuple(r) for r in made} <= {tuple(r) for r in rows.astype(float)}


def test_declared_combinations_that_are_all_rare_are_refused() -> None:
    rows = np.arange(60)
    columns = {"a": (category("a", 20), rows % 20), "b": (category("b", 15), rows % 15)}
    with pytest.raises(DataError, match="a, b are declared to stay together, and no combination of their values occurs in 5 rows"):
        fitted(columns, Constraint("together", ("a", "b")))


def test_what_depends_on_a_declared_group_stays_with_it() -> None:
    rows = np.minimum(np.random.default_rng(0).geometric(0.12, (1500, 2)), 20) - 1  # many combinations are rare
    columns = {n: (category(n, 20), rows[:, i]) for i, n in enumerate("ab")} | {"half": (category("half", 10), rows[:, 0] // 2)}
    codec, _ = fitted(columns, Constraint("together", ("a", "b")))
    assert [p.places for p in codec.parts] == [(0, 1, 2)]
    assert "T122" not in {f.code for f in codec.findings}


@pytest.mark.parametrize(("rare", "severity"), [(4, "note"), (60, "warning")])
def test_many_rows_of_rare_values_are_a_warning(rare: int, severity: str) -> None:
    rows = np.minimum(np.arange(1000), rare)
    codec, _ = fitted({"city": (category("city", rare + 1), rows)})
    (finding,) = (f for f in codec.findings if f.code == "T120")
    assert finding.severity == severity
    assert ("Group the rare values of city" in finding.advice) == (severity == "warning")


def test_a_declared_range_holds() -> None:
    values = np.random.default_rng(0).integers(0, 1000, 5000).astype(float)
    codec, _ = fitted({"a": (number("a", values, 1), values)}, Constraint("within", ("a",), 99.5, 800.0))
    made = codec.decode(torch.rand(3000, codec.layout.channels) * 2 - 1)
    assert made.min() >= 100
    assert made.max() <= 800
    assert "T123" in {f.code for f in codec.findings}


def test_a_range_that_nothing_fits_is_refused() -> None:
    with pytest.raises(DataError, match="can take no value"):
        Grid.of(Column("a", "number", step=10.0, lowest=0, highest=100), 41, 49)


# --- small and odd ---------------------------------------------------------------------------------------------------------


def test_two_rows_are_enough() -> None:
    codec, raw = fitted({"a": (category("a", 2), np.array([0, 1])), "b": (number("b", np.array([0.5, 2.0])), np.array([0.5, 2.0]))})
    assert codec.encode(torch.from_numpy(raw)).shape == (2, codec.layout.channels)


def test_only_some_rows_are_looked_at() -> None:
    values = np.concatenate([np.zeros(500), np.ones(500)])
    whole = number("a", values, 1)
    codec = TableCodec.fit(values[:, None], Schema((whole,)), np.arange(500))
    assert codec.parts[0].size == 1


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(DataError, match="none of the columns"):
        TableCodec.fit(np.zeros((5, 1)), Schema((Column("a", "constant", ("x",)),)))


def test_block_names_differ_whatever_columns_are_called() -> None:
    values = np.random.default_rng(0).normal(size=500)
    codec, _ = of(**{"a/within": (values, None), "a": (values + 1, None), "b": (values, None)})
    assert len({b.name for b in codec.layout.blocks}) == 6


# --- out -------------------------------------------------------------------------------------------------------------------


def test_a_written_table_is_the_original_in_columns_and_cells(tmp_path: Path) -> None:
    columns = (
        Column("id", "id", form="+1", highest=41.0),
        Column("sex", "category", ("m", "f"), missing=0.2, blank="?"),
        Column("age", "number", step=1, lowest=0, highest=99),
        Column("fixed", "constant", ("x, y",)),
        Column("note", "text"),
        Column("day", "date", step=86_400.0, lowest=0, highest=864_000, form="%Y-%m-%d"),
        Column("yes", "boolean", ("True", "False")),
    )
    raw = np.array([[0, 0, 30, 0, 0, 86_400, 0], [0, math.nan, 41, 0, 0, math.nan, 1]])
    codec = TableCodec.fit(np.repeat(raw, 10, 0), Schema(columns))
    (file,) = codec.write(raw, tmp_path, ["s0", "s1"])
    assert (tmp_path / file).read_text() == ('id,sex,age,fixed,note,day,yes\n42,m,30,"x, y",,1970-01-02,True\n43,?,41,"x, y",,,False\n')
    frame = codec.frame(raw)
    assert list(frame.columns) == [c.name for c in columns]
    assert frame["age"].dtype == pd.Int64Dtype()
    assert frame["sex"].dtype == pd.CategoricalDtype(["m"])  # no row holds the other
    assert frame["day"].iloc[0] == pd.Timestamp("1970-01-02")
    assert frame["day"].isna().tolist() == [False, True]
    assert frame["yes"].tolist() == [True, False]


@pytest.mark.parametrize("beside", [False, True])
def test_a_picture_of_a_table(beside: bool) -> None:
    codec, raw = table()
    small = codec.picture(raw[:60], 3, raw if beside else None)
    assert small.mode == "RGB"
    grey = (np.asarray(small) == 203).all(2).sum() > 2000  # letters have some of any grey
    assert grey == beside
    assert codec.picture(raw[:1]).size[0] > 0
    assert codec.picture(np.full((3, raw.shape[1]), np.nan)).size[0] > 0


def test_the_columns_of_adult_that_say_the_same_stay_together(shared: Path) -> None:
    from gansmith.domains.table import reading
    from gansmith.domains.table.inference import infer
    from gansmith.domains.table.inference_convert import convert

    found = reading.read(str(shared / "tables" / "adult.csv.gz"))
    schema, _ = infer(found)
    raw = convert(found, schema)
    codec = TableCodec.fit(raw, schema)
    assert {schema.columns[p].name for part in codec.parts if len(part.places) > 1 for p in part.places} == {"education", "education-num"}
    moved = ~((back(codec, raw) == raw) | np.isnan(raw))
    ends = 2 * (FEWEST - 1)  # rows of the one column whose outermost values differ from row to row
    assert 0 <= moved.sum() - sum(codec.findings[0].evidence["rows"].values()) <= ends


def test_levels_that_say_the_same_stay_together_even_where_many_are_rare() -> None:
    source = np.random.default_rng(0)
    city = np.minimum(source.geometric(0.02, 3000), 299) - 1
    codec, _ = fitted({"city": (category("city", 299), city), "code": (category("code", 299), (city * 7) % 299)})
    assert [p.places for p in codec.parts] == [(0, 1)]


def test_comparisons_that_the_data_break_are_told() -> None:
    rows = np.random.default_rng(0).normal(0, 1, (1000, 2))
    codec, _ = fitted({n: (number(n, rows[:, i]), rows[:, i]) for i, n in enumerate("ab")}, Constraint("less", ("a", "b")))
    (finding,) = (f for f in codec.findings if f.code == "T124")
    assert finding.evidence["rows"] == {"a < b": int((rows[:, 0] >= rows[:, 1]).sum())}


@pytest.mark.parametrize("others", [True, False])
def test_a_handful_of_values_is_not_kept_as_a_bin(others: bool) -> None:
    raw = np.full((100, 1 + others), math.nan)
    raw[:3, 0] = (11.5, 12.25, 17.0)
    if others:
        raw[:, 1] = np.arange(100) % 2
    columns = (Column("a", "number", lowest=11.5, highest=17), Column("b", "number", step=1, lowest=0, highest=1))
    codec = TableCodec.fit(raw, Schema(columns[: 1 + others]))
    assert codec.parts[0].size == 1
    assert np.isnan(codec.decode(codec.encode(torch.from_numpy(raw)))[:, 0]).all()
