"""What a generator of rows is told: which choices, how often so many of them, and that a condition says just that."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith import given as told
from gansmith.errors import ConfigError
from gansmith.layout import Block, Layout

# one choice after the other, each with bounded blocks behind it or without
rows = st.lists(st.tuples(st.integers(1, 5), st.lists(st.integers(1, 2), max_size=2)), min_size=1, max_size=6).map(
    lambda sizes: Layout(
        tuple(
            block
            for i, (size, behind) in enumerate(sizes)
            for block in (Block(f"{i}", size, "onehot"), *(Block(f"in {i}, {j}", n, "bounded") for j, n in enumerate(behind)))
        )
    )
)
seeds = st.integers(0, 2**31)


def chances(layout: Layout, batch: int, seed: int = 0) -> Tensor:
    return torch.rand(batch, len(told.choices(layout)) + 1, generator=torch.Generator().manual_seed(seed))


def test_choices_are_the_onehot_blocks_and_own_what_is_bounded_behind_them() -> None:
    a, b, c = Block("a", 3, "onehot"), Block("b", 1, "onehot"), Block("c", 2, "onehot")
    layout = Layout((a, Block("in a", 1, "bounded"), Block("and in a", 2, "bounded"), b, c, Block("in c", 1, "bounded")))
    assert told.choices(layout) == [(slice(0, 3), a), (slice(6, 7), b), (slice(7, 9), c)]
    assert told.owners(layout).tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 2, 2]
    assert told.width(layout) == 10 + 2 * 3


@given(rows)
def test_every_channel_has_an_owner_and_every_choice_owns_its_own_channels(layout: Layout) -> None:
    owner = told.owners(layout)
    assert owner.shape == (layout.channels,)
    assert (owner.diff() >= 0).all()
    for i, (where, _) in enumerate(told.choices(layout)):
        assert (owner[where] == i).all()
        assert (owner == i).nonzero().min() == where.start


@pytest.mark.parametrize(
    "layout",
    [
        Layout((Block("x", 1, "bounded"), Block("a", 2, "onehot"))),  # belongs to nothing
        Layout((Block("x", 1, "bounded"),)),
        Layout((Block("a", 2, "onehot"), Block("x", 1, "real"))),
        Layout((Block("a", 2, "onehot"),), (5,)),
    ],
)
def test_what_are_no_rows_of_choices_is_refused(layout: Layout) -> None:
    for asked in (told.choices, told.width):
        with pytest.raises(ConfigError, match="only rows of choices"):
            asked(layout)


# --- how much is told ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), seeds)
def test_the_choice_asked_for_is_one_that_is_not_told(count: int, seed: int) -> None:
    mask, asked = told.told(torch.rand(50, count + 1, generator=torch.Generator().manual_seed(seed)))
    assert mask.shape == asked.shape == (50, count)
    assert set(torch.cat((mask, asked)).unique().tolist()) <= {0.0, 1.0}
    assert (asked.sum(1) == 1).all()
    assert not (mask * asked).any()


@given(st.integers(1, 300))
def test_at_the_ends_of_their_range_the_chances_tell_nothing_and_all_but_one(count: int) -> None:
    ends = torch.rand(2, count + 1)
    ends[:, 0] = torch.tensor([0.0, 1.0 - 2.0**-24])  # the largest that torch.rand gives
    assert told.told(ends)[0].sum(1).tolist() == [0, count - 1]


def test_each_number_of_told_choices_is_as_likely_and_each_way_to_choose_them_and_each_next_one() -> None:
    mask, asked = told.told(torch.rand(48_000, 5, generator=torch.Generator().manual_seed(0)))
    numbers = mask.sum(1)
    assert numbers.unique().tolist() == [0, 1, 2, 3]
    for number in range(4):
        # 48,000 draws of 4 equal chances: 12,000 each, standard deviation 95; five of them is never seen
        assert abs(int((numbers == number).sum()) - 12_000) < 475
        ways = list(combinations(range(4), number))
        for way in ways:
            this = (numbers == number) & (mask[:, list(way)] == 1).all(1)
            open = [i for i in range(4) if i not in way]
            for i in open:
                wanted = 12_000 / len(ways) / len(open)
                assert abs(int(asked[this, i].sum()) - wanted) < 5 * wanted**0.5


# --- the condition -------------------------------------------------------------------------------------------------------


@given(rows, seeds)
def test_a_condition_says_what_is_told_and_nothing_else(layout: Layout, seed: int) -> None:
    mask, asked = told.told(chances(layout, 8, seed))
    owner, count = told.owners(layout), len(told.choices(layout))
    x = torch.randn(8, layout.channels)
    found = told.condition(x, mask, asked, owner)
    assert found.shape == (8, told.width(layout))
    shown, *parts = told.split(found, count)
    assert torch.equal(parts[0], mask)
    assert torch.equal(parts[1], asked)
    for i in range(count):
        mine = owner == i
        assert torch.equal(shown[mask[:, i] == 1][:, mine], x[mask[:, i] == 1][:, mine])
        assert not shown[mask[:, i] == 0][:, mine].any()
    assert torch.equal(told.condition(shown, mask, asked, owner), found)
