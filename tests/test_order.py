"""Which sample comes at which step is a matter of the position alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith import given as told
from gansmith.data.order import Alike, Feed, Shuffled, positions
from gansmith.engine.steps import parts_of
from gansmith.layout import Batch, Block, Layout
from gansmith.randomness import stream

counts = st.integers(1, 200)
seeds = st.integers(0, 2**63 - 1)
# classes of their own sizes, some of them absent, in any order among each other
labelled = st.lists(st.integers(0, 12).map(lambda k: k * k), min_size=1, max_size=200).map(np.array)
balances = st.booleans()


def order(labels: np.ndarray, seed: int, balance: bool) -> Shuffled | Alike:
    return Alike(labels, seed) if balance else Shuffled(len(labels), seed)


@given(count=counts, seed=seeds, epoch=st.integers(0, 50))
def test_every_epoch_holds_each_sample_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(Shuffled(count, seed)(epoch * count, count)) == list(range(count))


@given(labels=labelled, seed=seeds, balance=balances, start=st.integers(0, 2000), cuts=st.lists(st.integers(0, 70), max_size=8))
def test_pieces_put_together_are_the_whole_however_it_is_cut(
    labels: np.ndarray, seed: int, balance: bool, start: int, cuts: list[int]
) -> None:
    whole = order(labels, seed, balance)(start, sum(cuts))
    places = np.cumsum([0, *cuts])[:-1] + start
    pieces = [order(labels, seed, balance)(int(place), length) for place, length in zip(places, cuts, strict=True)]
    assert len(whole) == sum(cuts)
    assert np.array_equal(np.concatenate([*pieces, np.empty(0, np.int64)]), whole)


@given(labels=labelled, seed=seeds, balance=balances, starts=st.lists(st.integers(0, 2000), min_size=1, max_size=6))
def test_what_was_drawn_before_changes_nothing(labels: np.ndarray, seed: int, balance: bool, starts: list[int]) -> None:
    used = order(labels, seed, balance)
    for start in starts:
        assert np.array_equal(used(start, 9), order(labels, seed, balance)(start, 9))


def test_the_shuffle_of_an_epoch_is_that_of_its_stream() -> None:
    # runs of earlier versions go on with it
    expected = torch.randperm(50, generator=stream(7, "order", 3)).tolist()
    assert Shuffled(50, 7)(150, 50).tolist() == positions(50, 7, 150, 50).tolist() == expected


@pytest.mark.parametrize("balance", [False, True])
def test_epochs_and_seeds_are_shuffled_apart(balance: bool) -> None:
    labels = np.arange(50) % 2
    orders = {tuple(order(labels, seed, balance)(epoch * 50, 50)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


@pytest.mark.parametrize("balance", [False, True])
def test_every_sample_comes_equally_often_at_every_place(balance: bool) -> None:
    whole = order(np.zeros(5, np.int64), 0, balance)
    first = [int(whole(epoch * 5, 1)[0]) for epoch in range(2000)]
    # 2,000 draws of 5 equal chances: 400 each, standard deviation 18; five of them is never seen
    assert np.abs(np.bincount(first, minlength=5) - 400).max() < 90


@given(labels=labelled, seed=seeds, start=st.integers(0, 2000))
def test_every_round_holds_each_class_once(labels: np.ndarray, seed: int, start: int) -> None:
    classes = np.unique(labels)
    drawn = labels[Alike(labels, seed)(start * len(classes), len(classes))]
    assert np.array_equal(np.sort(drawn), classes)


@given(labels=labelled, seed=seeds, epoch=st.integers(0, 5))
def test_every_epoch_of_a_class_holds_each_of_its_samples_once(labels: np.ndarray, seed: int, epoch: int) -> None:
    classes, sizes = np.unique(labels, return_counts=True)
    drawn = Alike(labels, seed)(0, len(classes) * int(sizes.max()) * (epoch + 1))
    for k, size in zip(classes, sizes, strict=True):
        of_class = drawn[labels[drawn] == k]
        assert sorted(of_class[epoch * size : (epoch + 1) * size]) == np.flatnonzero(labels == k).tolist()


def test_each_class_comes_equally_often_at_every_place_of_a_round() -> None:
    labels = np.array([0] * 40 + [1] + [2] * 4)
    drawn = labels[Alike(labels, 0)(0, 3 * 1800)].reshape(1800, 3)
    # 1,800 draws of 3 equal chances: 600 each, standard deviation 20; five of them is never seen
    assert max(np.abs(np.bincount(drawn[:, place], minlength=3) - 600).max() for place in range(3)) < 100


def test_two_classes_of_one_size_are_shuffled_apart() -> None:
    labels = np.array([0] * 30 + [1] * 30)
    drawn = Alike(labels, 0)(0, 60)
    assert not np.array_equal(drawn[drawn < 30], drawn[drawn >= 30] - 30)


def feed(count: int, batch: int, seed: int, rank: int, size: int, moves: int = 1, balance: bool = False) -> Feed:
    raw = np.arange(2 * count, dtype=np.float32)[:, None]
    members = np.arange(0, 2 * count, 2)  # every other sample is held out
    labels = np.where(np.arange(2 * count) < 2, 0, 1 + np.arange(2 * count) % 3)  # of class 0 one sample is to be trained on
    return Feed(
        raw, lambda x: x, members=members, labels=labels, condition=4, batch=batch, seed=seed, rank=rank, size=size, moves=moves,
        balance=balance,
    )  # fmt: skip


@given(count=counts, seed=seeds, step=st.integers(0, 500), quarter=st.integers(1, 16), size=st.sampled_from([1, 2, 4]), balance=balances)
def test_shares_of_the_processes_are_the_batch_in_order(count: int, seed: int, step: int, quarter: int, size: int, balance: bool) -> None:
    whole = feed(count, 4 * quarter, seed, 0, 1, balance=balance)(step)
    shares = [feed(count, 4 * quarter, seed, rank, size, balance=balance)(step) for rank in range(size)]
    assert torch.equal(torch.cat([s.x for s in shares]), whole.x)
    assert torch.equal(torch.cat([s.condition for s in shares if s.condition is not None]), whole.condition)


@pytest.mark.parametrize("balance", [False, True])
def test_labels_go_with_their_samples_and_nothing_held_out_is_fed(balance: bool) -> None:
    x, condition = feed(40, 16, 7, 0, 1, balance=balance)(3)
    assert condition is not None
    assert torch.equal(condition.argmax(1), torch.where(x[:, 0] == 0, 0, 1 + x[:, 0].long() % 3))
    assert (x[:, 0].long() % 2 == 0).all()
    assert torch.equal(condition.sum(1), torch.ones(16))


def test_classes_drawn_alike_often_fill_a_batch_alike() -> None:
    condition = feed(40, 16, 7, 0, 1, balance=True)(3).condition
    assert condition is not None
    assert condition.sum(0).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("balance", [False, True])
@pytest.mark.parametrize(("count", "batch"), [(1, 8), (2, 128), (3, 1)])
def test_a_batch_may_be_larger_than_the_data(count: int, batch: int, balance: bool) -> None:
    assert feed(count, batch, 0, 0, 1, balance=balance)(5).x.shape == (batch, 1)


@given(counts, seeds, st.integers(0, 40), st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 2]), balances)
def test_the_moves_of_a_step_take_the_batches_that_as_many_steps_would(
    count: int, seed: int, step: int, half: int, moves: int, size: int, balance: bool
) -> None:
    several = [feed(count, 2 * half, seed, rank, size, moves, balance)(step) for rank in range(size)]
    for move in range(moves):
        one = feed(count, 2 * half, seed, 0, 1, balance=balance)(step * moves + move)
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


# --- samples that are told in part -----------------------------------------------------------------------------------------

ROWS = Layout((Block("a", 3, "onehot"), Block("in a", 1, "bounded"), Block("b", 2, "onehot"), Block("c", 2, "onehot")), given=True)


def rows(batch: int, seed: int, rank: int = 0, size: int = 1, moves: int = 1, count: int = 50) -> Feed:
    raw = np.arange(count * 8, dtype=np.float32).reshape(count, 8) + 1  # every number another, and none 0
    return Feed(
        raw, lambda x: x, members=np.arange(0, count, 2), labels=np.arange(count) % 3, condition=told.width(ROWS), batch=batch, seed=seed,
        rank=rank, size=size, moves=moves, told=ROWS,
    )  # fmt: skip


def spoken(batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    assert batch.condition is not None
    return told.split(batch.condition, 3)


@given(seeds, st.integers(0, 500))
def test_a_sample_is_told_in_part_and_asked_for_one_choice_more(seed: int, step: int) -> None:
    batch = rows(16, seed)(step)
    shown, mask, asked = spoken(batch)
    assert torch.equal(shown, batch.x * mask[:, told.owners(ROWS)])
    assert ((mask + asked) <= 1).all()
    assert (asked.sum(1) == 1).all()


@given(seeds, st.integers(0, 500), st.integers(1, 8), st.integers(1, 3), st.sampled_from([2, 4]))
def test_what_is_told_does_not_depend_on_the_number_of_processes(seed: int, step: int, quarter: int, moves: int, size: int) -> None:
    whole = parts_of(rows(4 * quarter, seed, moves=moves)(step), moves)
    shares = [parts_of(rows(4 * quarter, seed, rank, size, moves)(step), moves) for rank in range(size)]
    for move in range(moves):
        for name in ("x", "condition"):
            together = torch.cat([getattr(share[move], name) for share in shares])
            assert torch.equal(together, getattr(whole[move], name))


@given(seeds, st.lists(st.integers(0, 500), min_size=1, max_size=5))
def test_what_is_told_at_a_step_does_not_depend_on_the_steps_before(seed: int, steps: list[int]) -> None:
    used = rows(8, seed)
    for step in steps:
        for now, fresh in zip(used(step), rows(8, seed)(step), strict=True):
            assert torch.equal(now, fresh)


def test_what_is_told_differs_between_steps_seeds_and_moves_and_is_not_tied_to_the_sample() -> None:
    feed = rows(64, 0, moves=2)
    masks = [part.condition[:, 8:11] for step in range(3) for part in parts_of(feed(step), 2)]  # type: ignore[index]
    masks += [rows(64, 1)(0).condition[:, 8:11]]  # type: ignore[index]
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) == len(masks)
    batch = rows(64, 0, count=2)(0)  # one sample, again and again
    assert (batch.x == batch.x[0]).all()
    assert len(spoken(batch)[1].unique(dim=0)) > 4


def test_as_many_samples_are_told_nothing_as_are_told_all_but_one() -> None:
    mask, asked = spoken(rows(9_000, 3)(7))[1:]
    # 9,000 draws of 3 equal chances: 3,000 each, standard deviation 45; five of them is never seen
    for counts in (torch.bincount(mask.sum(1).long(), minlength=3), asked.sum(0)):
        assert (counts - 3_000).abs().max() < 225
    told_each = mask.sum(0)  # a choice is told in a third of the rows on average: of 0, 1 and 2 of 3 alike often
    assert (told_each - 3_000).abs().max() < 225
