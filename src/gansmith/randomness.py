"""Randomness by position: what is drawn depends on (seed, purpose, step) alone, so a resumed run needs no saved random state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(seed: int, purpose: str, step: int = 0) -> int:
    """A 63-bit seed fixed by these three alone."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def stream(seed: int, purpose: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one purpose at one step.

    Two purposes never share numbers; the same triple gives the same numbers in every process and after every resume.
    """
    return torch.Generator(device=device).manual_seed(seed_of(seed, purpose, step))


def seed_modules(seed: int, device: str) -> None:
    """Set torch's own random state, of the processor and the device: what modules draw from, such as dropout.

    Not torch.manual_seed, which asks for every kind of device and takes as long as a tenth of a small step.
    """
    torch.default_generator.manual_seed(seed)
    if device.startswith("cuda"):
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def numbers_kept(device: str) -> Iterator[None]:
    """Afterwards torch's own random state, of the processor and the device, is what it was."""
    cards = [torch.device(device)] if device.startswith("cuda") else []
    apple = torch.mps.get_rng_state() if device == "mps" else None
    try:
        with torch.random.fork_rng(cards):
            yield
    finally:
        if apple is not None:
            torch.mps.set_rng_state(apple)
