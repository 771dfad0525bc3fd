"""The tensor convention: what a layout says of itself, what it refuses, and that it survives being written down."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith.engine.moves import packed
from gansmith.errors import ConfigError, DataError
from gansmith.layout import Block, Layout

blocks = st.builds(
    Block,
    st.text(min_size=1),
    st.integers(1, 9),
    st.sampled_from(["bounded", "real", "onehot"]),
    st.floats(-1, 1),
    st.floats(1e-4, 9),
)
counted = st.builds(
    lambda name, shares: Block(name, len(shares), "onehot", shares=shares),
    st.text(min_size=1),
    st.lists(st.floats(0, 1), min_size=1, max_size=9).map(tuple),
)
layouts = st.builds(
    Layout,
    st.lists(
        st.one_of(blocks, counted),
        min_size=1,
        unique_by=lambda b: b.name,
    ).map(tuple),
    st.lists(st.integers(1, 300), max_size=2).map(tuple),
    st.integers(0, 1000),
    st.booleans(),
)


@given(layouts)
def test_a_layout_survives_json(layout: Layout) -> None:
    assert Layout.from_dict(json.loads(json.dumps(layout.to_dict()))) == layout


@given(layouts)
def test_blocks_follow_one_another_and_fill_the_channels(layout: Layout) -> None:
    places = [i for where in layout.slices().values() for i in range(where.start, where.stop)]
    assert places == list(range(layout.channels))
    assert list(layout.slices()) == [b.name for b in layout.blocks]
    assert layout.size == math.prod(layout.shape) == layout.channels * math.prod(layout.positions)


@given(layouts, st.integers(1, 5))
def test_a_pack_is_so_many_samples_with_their_channels_and_conditions_in_a_row(layout: Layout, count: int) -> None:
    pack = layout.packed(count)
    assert pack.shape == (count * layout.channels, *layout.positions)
    assert pack.condition == count * layout.condition
    assert [replace(b, name="") for b in pack.blocks] == count * [replace(b, name="") for b in layout.blocks]
    assert (pack is layout) == (count == 1)


def test_the_blocks_of_a_pack_lie_where_its_samples_do() -> None:
    layout = Layout((Block("a", 2, "real"), Block("b", 1, "bounded")), (3,), 4)
    x = torch.randn(6, 3, 3)
    shown = layout.packed(2).check(packed(x, 2))
    for i in (0, 1):
        assert torch.equal(shown[:, layout.packed(2).slices()[f"b/{i}"]], x[i::2][:, layout.slices()["b"]])


def test_geometry_is_the_number_of_position_axes() -> None:
    block = (Block("x", 1, "real"),)
    assert [Layout(block, p).geometry for p in ((), (5,), (5, 6))] == ["row", "line", "plane"]


def test_a_layout_written_without_a_condition_has_none() -> None:
    values = Layout((Block("x", 1, "real"),)).to_dict()
    del values["condition"], values["blocks"][0]["centre"], values["blocks"][0]["spread"]
    assert Layout.from_dict(values) == Layout((Block("x", 1, "real"),))


def test_shares_and_that_a_sample_may_be_told_in_part_are_written_where_they_say_something() -> None:
    plain = Layout((Block("x", 2, "onehot"),)).to_dict()
    assert "given" not in plain
    assert "shares" not in plain["blocks"][0]
    told = Layout((Block("x", 2, "onehot", shares=(0.25, 0.75)),), (), 6, given=True).to_dict()
    assert told["given"] is True
    assert told["blocks"][0]["shares"] == [0.25, 0.75]


def test_check_gives_a_right_batch_back_and_says_what_is_wrong_with_another() -> None:
    layout = Layout((Block("colour", 3, "bounded"), Block("depth", 1, "real")), (4, 5))
    x = torch.zeros(7, 4, 4, 5)
    assert layout.check(x) is x
    with pytest.raises(DataError, match=r"found a batch of shape \(7, 3, 4, 5\); this layout needs \[B, 4, 4, 5\]"):
        layout.check(x[:, :3])
    with pytest.raises(DataError):
        layout.check(x[0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Block("x", 0, "real"), "at least 1"),
        (lambda: Block("x", 1, "real", spread=0.0), "one above 0"),
        (lambda: Block("x", 1, "real", centre=float("nan")), "must be a number"),
        (lambda: Block("x", 1, "discrete"), "bounded, real and onehot"),  # type: ignore[arg-type]
        (lambda: Block("x", 2, "onehot", shares=(1.0,)), "onehot of 2 with 1 shares; one for each choice"),
        (lambda: Block("x", 1, "real", shares=(1.0,)), "real of 1 with 1 shares; one for each choice"),
        (lambda: Layout(()), "at least one block"),
        (lambda: Layout((Block("x", 1, "real"),), (2, 2, 2)), "at most two"),
        (lambda: Layout((Block("x", 1, "real"),), (2, 0)), "at least 1 place"),
        (lambda: Layout((Block("x", 1, "real"), Block("x", 2, "real"))), "names must differ"),
    ],
)
def test_what_cannot_be_is_refused(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=words):
        make()
