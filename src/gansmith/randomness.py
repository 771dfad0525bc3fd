"""Randomness by position: what is drawn depends on (seed, purpose, step) alone, so a resumed run needs no saved random state."""

from __future__ import annotations

import hashlib

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
