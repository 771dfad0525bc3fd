"""The held-out part is chosen by content, and nothing that is judged by it was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.data.split import EACH, TOGETHER, held_out, keys

# Few different digests, so that equal ones abound.
digest_lists = st.lists(st.integers(0, 30).map(lambda i: i * 0x9E3779B97F4A7C15 % 2**64), min_size=2, max_size=60)
shares = st.sampled_from([0.0, 0.1, 0.5, 0.89])
seeds = st.integers(0, 2**63 - 1)


def array(digests: list[int]) -> np.ndarray:
    return np.array(digests, np.uint64)


@given(digests=digest_lists, share=shares, seed=seeds, data=st.data())
def test_equal_samples_never_straddle_and_no_class_is_emptied(digests: list[int], share: float, seed: int, data: st.DataObject) -> None:
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(digests), max_size=len(digests))))
    mask = held_out(array(digests), share, seed, labels)
    for digest in set(digests):
        assert len(set(mask[array(digests) == np.uint64(digest)])) == 1
    for label in np.unique(labels):
        assert not mask[labels == label].all()
    assert (~mask).sum() >= 2


@given(digests=digest_lists, share=shares, seed=seeds, data=st.data())
def test_the_order_of_the_files_says_nothing(digests: list[int], share: float, seed: int, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(digests)))))
    assert np.array_equal(held_out(array(digests)[order], share, seed), held_out(array(digests), share, seed)[order])


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.8])
@pytest.mark.parametrize("digests", [np.random.default_rng(0).integers(0, 2**64, 20_000, np.uint64), np.arange(20_000, dtype=np.uint64)])
def test_the_share_is_about_right_also_for_digests_in_a_row(share: float, digests: np.ndarray) -> None:
    found = [held_out(digests, share, seed).mean() for seed in range(5)]
    spread = (share * (1 - share) / len(digests)) ** 0.5
    assert np.abs(np.array(found) - share).max() < 5 * spread


def test_another_seed_is_another_split_and_the_same_seed_the_same() -> None:
    digests = np.random.default_rng(1).integers(0, 2**64, 1000, np.uint64)
    a, b = held_out(digests, 0.5, 0), held_out(digests, 0.5, 1)
    assert np.array_equal(a, held_out(digests, 0.5, 0))
    assert 0.4 < (a != b).mean() < 0.6


def test_nothing_is_held_out_of_nothing_or_where_too_little_would_be_left() -> None:
    assert not held_out(np.arange(100, dtype=np.uint64), 0.0, 0).any()
    assert not any(held_out(np.arange(2, dtype=np.uint64), 0.8, seed).any() for seed in range(20))
    assert not held_out(np.zeros(10, np.uint64), 0.8, 0).any()
    assert len(held_out(np.empty(0, np.uint64), 0.1, 0)) == 0


@given(digests=digest_lists)
def test_each_of_equal_rows_is_divided_for_itself(digests: list[int]) -> None:
    given = array(digests)
    found = keys(given, EACH)
    assert len(set(found.tolist())) == len(found), "no two are alike"
    _, first = np.unique(given, return_index=True)
    assert np.array_equal(found[first], given[first]), "what is not repeated is divided as ever"
    assert keys(given, TOGETHER) is given
    shuffled = np.random.default_rng(0).permutation(len(given))
    assert sorted(keys(given[shuffled], EACH).tolist()) == sorted(found.tolist()), "of equal rows as many are held out, in whatever order"


def test_of_rows_that_repeat_the_same_share_is_held_out() -> None:
    digests = np.repeat(np.arange(5, dtype=np.uint64), 2000)
    mask = held_out(keys(digests, EACH), 0.1, 3)
    shares = [mask[digests == k].mean() for k in range(5)]
    assert np.abs(np.array(shares) - 0.1).max() < 5 * (0.09 / 2000) ** 0.5
