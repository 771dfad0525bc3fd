"""Latents: drawn by position, drawn towards the middle, walked between, walked along directions that matter, and sought."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gansmith.errors import ConfigError
from gansmith.randomness import stream

BLOCK = 64  # rows drawn from one stream
SLACK = 2.0  # of the lengths of normal latents round their root mean square: one in two hundred lies further out, whatever their size


def draw(seed: int, purpose: str, start: int, count: int, size: int) -> Tensor:
    """Rows start .. start + count of an endless table of standard normals, [count, size].

    Row i depends on (seed, purpose, i) alone: whole blocks of BLOCK rows are drawn, each from a stream of its own, and cut. So the
    same sample comes out whatever the batch it is asked for in.
    """
    first, last = start // BLOCK, -(-(start + count) // BLOCK)
    blocks = [torch.randn(BLOCK, size, generator=stream(seed, purpose, block)) for block in range(first, last)]
    rows = torch.cat(blocks) if blocks else torch.empty(0, size)
    return rows[start - first * BLOCK :][:count]


def truncate(latent: Tensor, psi: float, mean: Tensor | None = None) -> Tensor:
    """Latents shrunk towards their mean, psi in [0, 1].  [B, Z], mean [Z] -> [B, Z]

    Normal latents have the mean 0 (arXiv:1809.11096); styles that a network made of them have a mean of their own (arXiv:1812.04948,
    section 2.1). Below 1 the samples grow more typical and less varied, at 0 all are one; nothing about the data themselves has changed,
    so scores of truncated samples are no scores of the generator.
    """
    if not 0.0 <= psi <= 1.0:
        raise ConfigError(f"the truncation is {psi}; it must lie between 0 (one typical sample) and 1 (full variety).")
    return latent * psi if mean is None else mean.lerp(latent, psi)


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


def directions(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Directions in which a linear map A [M, Z] moves its result most: eigenvectors of AᵀA, and their eigenvalues.  -> [Z, Z], [Z]

    A row a direction, of length 1, at right angles to all others, the strongest first; a step of length 1 along it moves the result by the
    root of its eigenvalue. The largest number of each is positive, since neither end of it comes first.  arXiv:2007.06600
    """
    a = weight.double()
    values, vectors = torch.linalg.eigh(a.T @ a)
    found = vectors.T.flip(0)
    largest = found.gather(1, found.abs().argmax(1, keepdim=True))
    return (found * largest.sign()).to(weight.dtype), values.flip(0).clamp(min=0.0).to(weight.dtype)


def drawable(latent: Tensor) -> Tensor:
    """Latents brought to the nearest length that normal ones have: within SLACK of the root of Z.  [B, Z] -> [B, Z]

    Other lengths the generator has never seen, and what it makes of them is no sample of it.
    """
    length, root = latent.norm(dim=1, keepdim=True), latent.shape[1] ** 0.5
    return _unit(latent, length) * length.clamp(max(root - SLACK, 0.0), root + SLACK)


def descend(
    cost: Callable[[Tensor], Tensor], start: Tensor, steps: int, rate: float, done: Callable[[], None] = lambda: None
) -> tuple[Tensor, Tensor]:
    """The best latents on Adam's way down from each start, and their costs.  start [B, Z] -> [B, Z], [B]

    `cost` maps [B, Z] to [B], a row at a time. The rate falls to 0 along half a cosine, and every latent stays `drawable`.
    """
    z = drawable(start).requires_grad_()
    adam = torch.optim.Adam([z], rate)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    best, least = z.detach().clone(), torch.full((len(z),), torch.inf, device=z.device)
    for step in range(steps + 1):
        found = cost(z)
        better = found.detach() < least
        best[better], least[better] = z.detach()[better], found.detach()[better]
        if step == steps:
            break
        (z.grad,) = torch.autograd.grad(found.sum(), z)
        adam.step()
        fall.step()
        with torch.no_grad():
            z.copy_(drawable(z))
        done()
    return best, least


def _unit(x: Tensor, length: Tensor) -> Tensor:
    return x / length.clamp(min=torch.finfo(x.dtype).tiny)
