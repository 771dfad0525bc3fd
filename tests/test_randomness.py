"""Randomness by position: fixed for ever by seed, purpose and step, and by nothing else."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith.randomness import seed_of, stream

seeds = st.integers(0, 2**63 - 1)
steps = st.integers(0, 2**40)


@given(seeds, st.text(max_size=20), steps)
def test_a_seed_fits_a_generator(seed: int, purpose: str, step: int) -> None:
    assert 0 <= seed_of(seed, purpose, step) < 2**63


@given(seeds, steps)
def test_the_same_three_give_the_same_numbers_and_another_gives_others(seed: int, step: int) -> None:
    def numbers(*position: object) -> list[float]:
        return torch.rand(4, generator=stream(*position)).tolist()  # type: ignore[arg-type]

    here = numbers(seed, "noise", step)
    assert here == numbers(seed, "noise", step)
    assert here != numbers(seed, "noise", step + 1)
    assert here != numbers(seed, "order", step)
    assert here != numbers(seed + 1 if seed < 2**63 - 1 else 0, "noise", step)


def test_the_global_state_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    here, state = torch.rand(3, generator=stream(0, "noise")), torch.get_rng_state()
    torch.manual_seed(2)
    there = torch.rand(3, generator=stream(0, "noise"))
    assert torch.equal(here, there)
    torch.manual_seed(1)
    stream(0, "noise")
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seeds_stay_what_they_were() -> None:
    """A run must be resumable by a later version: these never change."""
    assert seed_of(0, "noise", 0) == 5858681329433569406
    assert seed_of(7, "order", 123) == 3820328418585898705
