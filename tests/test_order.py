"""Which sample comes at which step is a matter of the position alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith.data.order import Feed, positions
from gansmith.engine.steps import parts_of

counts = st.integers(1, 200)
seeds = st.integers(0, 2**63 - 1)


@given(count=counts, seed=seeds, epoch=st.integers(0, 50))
def test_every_epoch_holds_each_sample_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(positions(count, seed, epoch * count, count)) == list(range(count))


@given(count=counts, seed=seeds, start=st.integers(0, 2000), cuts=st.lists(st.integers(0, 70), max_size=8))
def test_pieces_put_together_are_the_whole_however_it_is_cut(count: int, seed: int, start: int, cuts: list[int]) -> None:
    whole = positions(count, seed, start, sum(cuts))
    places = np.cumsum([0, *cuts])[:-1] + start
    pieces = [positions(count, seed, int(place), length) for place, length in zip(places, cuts, strict=True)]
    assert len(whole) == sum(cuts)
    assert np.array_equal(np.concatenate([*pieces, np.empty(0, np.int64)]), whole)


def test_epochs_and_seeds_are_shuffled_apart() -> None:
    orders = {tuple(positions(50, seed, epoch * 50, 50)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_every_sample_comes_equally_often_at_every_place() -> None:
    first = [int(positions(5, 0, epoch * 5, 1)[0]) for epoch in range(2000)]
    # 2,000 draws of 5 equal chances: 400 each, standard deviation 18; five of them is never seen
    assert np.abs(np.bincount(first, minlength=5) - 400).max() < 90


def feed(count: int, batch: int, seed: int, rank: int, size: int, moves: int = 1) -> Feed:
    raw = np.arange(2 * count, dtype=np.float32)[:, None]
    members = np.arange(0, 2 * count, 2)  # every other sample is held out
    labels = np.arange(2 * count) % 3
    return Feed(raw, lambda x: x, members=members, labels=labels, condition=3, batch=batch, seed=seed, rank=rank, size=size, moves=moves)


@given(count=counts, seed=seeds, step=st.integers(0, 500), quarter=st.integers(1, 16), size=st.sampled_from([1, 2, 4]))
def test_shares_of_the_processes_are_the_batch_in_order(count: int, seed: int, step: int, quarter: int, size: int) -> None:
    whole = feed(count, 4 * quarter, seed, 0, 1)(step)
    shares = [feed(count, 4 * quarter, seed, rank, size)(step) for rank in range(size)]
    assert torch.equal(torch.cat([s.x for s in shares]), whole.x)
    assert torch.equal(torch.cat([s.condition for s in shares if s.condition is not None]), whole.condition)


def test_labels_go_with_their_samples_and_nothing_held_out_is_fed() -> None:
    x, condition = feed(40, 16, 7, 0, 1)(3)
    assert condition is not None
    assert torch.equal(condition.argmax(1), x[:, 0].long() % 3)
    assert (x[:, 0].long() % 2 == 0).all()
    assert torch.equal(condition.sum(1), torch.ones(16))


@pytest.mark.parametrize(("count", "batch"), [(1, 8), (2, 128), (3, 1)])
def test_a_batch_may_be_larger_than_the_data(count: int, batch: int) -> None:
    assert feed(count, batch, 0, 0, 1)(5).x.shape == (batch, 1)


@given(counts, seeds, st.integers(0, 40), st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 2]))
def test_the_moves_of_a_step_take_the_batches_that_as_many_steps_would(
    count: int, seed: int, step: int, half: int, moves: int, size: int
) -> None:
    several = [feed(count, 2 * half, seed, rank, size, moves)(step) for rank in range(size)]
    for move in range(moves):
        one = feed(count, 2 * half, seed, 0, 1)(step * moves + move)
        parts = [parts_of(fed, moves)[move] for fed in several]
        assert torch.equal(torch.cat([part.x for part in parts]), one.x)
        assert torch.equal(torch.cat([part.condition for part in parts if part.condition is not None]), one.condition)  # type: ignore[arg-type]


def test_without_labels_there_is_no_condition() -> None:
    fed = Feed(np.zeros((4, 2), np.float32), lambda x: x, members=np.arange(4), labels=None, condition=0, batch=2, seed=0)
    assert fed(0).condition is None


def test_what_is_fed_is_a_copy() -> None:
    raw = np.zeros((4, 2), np.float32)
    raw.flags.writeable = False  # as a memory map is
    fed = Feed(raw, lambda x: x, members=np.arange(4), labels=None, condition=0, batch=4, seed=0)(0)
    fed.x.add_(1)
    assert not raw.any()
