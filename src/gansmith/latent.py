"""Latents: drawn by position, drawn towards the middle, and walked between."""

from __future__ import annotations

import torch
from torch import Tensor

from gansmith.errors import ConfigError
from gansmith.randomness import stream

BLOCK = 64  # rows drawn from one stream


def draw(seed: int, purpose: str, start: int, count: int, size: int) -> Tensor:
    """Rows start .. start + count of an endless table of standard normals, [count, size].

    Row i depends on (seed, purpose, i) alone: whole blocks of BLOCK rows are drawn, each from a stream of its own, and cut. So the
    same sample comes out whatever the batch it is asked for in.
    """
    first, last = start // BLOCK, -(-(start + count) // BLOCK)
    blocks = [torch.randn(BLOCK, size, generator=stream(seed, purpose, block)) for block in range(first, last)]
    rows = torch.cat(blocks) if blocks else torch.empty(0, size)
    return rows[start - first * BLOCK :][:count]


def truncate(latent: Tensor, psi: float) -> Tensor:
    """Normal latents shrunk towards 0, psi in [0, 1].  [B, Z] -> [B, Z]

    Below 1 the samples grow more typical and less varied, at 0 all are one; nothing about the data themselves has changed, so scores
    of truncated samples are no scores of the generator.  arXiv:1809.11096
    """
    if not 0.0 <= psi <= 1.0:
        raise ConfigError(f"the truncation is {psi}; it lies between 0 (one typical sample) and 1 (the full variety).")
    return latent * psi


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """From a at t = 0 to b at t = 1 along the arc between them, the length moving evenly.  [..., Z], [..., Z], t [..., 1] -> [..., Z]

    Normal latents of many numbers all lie near one sphere; a straight line would leave it and pass through lengths that the
    generator has never seen.  arXiv:1609.04468
    """
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    u, v = _unit(a, length_a), _unit(b, length_b)
    along = (u * v).sum(-1, keepdim=True)
    across = v - along * u
    width = across.norm(dim=-1, keepdim=True)
    angle = torch.atan2(width, along)
    # Parallel or opposite: any direction across will do, for instance that of the axis u is least along.
    axis = torch.nn.functional.one_hot(u.abs().argmin(-1), u.shape[-1]).to(u.dtype)
    spare = axis - (axis * u).sum(-1, keepdim=True) * u
    side = torch.where(width > 1e-6, across, spare)
    w = _unit(side, side.norm(dim=-1, keepdim=True))
    return (length_a + t * (length_b - length_a)) * (torch.cos(t * angle) * u + torch.sin(t * angle) * w)


def path(latents: Tensor, steps: int) -> Tensor:
    """From each latent to the next by `steps` equal parts of the arc, the given ones included.  [N, Z] -> [(N - 1) · steps + 1, Z]"""
    if steps < 1:
        raise ConfigError(f"found {steps} steps between two latents; it needs at least 1.")
    if len(latents) < 2:
        return latents.clone()
    place = torch.arange((len(latents) - 1) * steps + 1, device=latents.device)
    leg = (place // steps).clamp(max=len(latents) - 2)
    t = ((place - leg * steps) / steps).to(latents.dtype).unsqueeze(1)
    found = slerp(latents[leg], latents[leg + 1], t)
    found[::steps] = latents  # to the last bit
    return found


def _unit(x: Tensor, length: Tensor) -> Tensor:
    return x / length.clamp(min=torch.finfo(x.dtype).tiny)
