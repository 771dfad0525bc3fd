"""The penalties against closed forms, their two forms against each other, and the units of the automatic weight."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from gansmith.layout import Block, Layout
from gansmith.networks.dense import DenseDiscriminator
from gansmith.networks.light import LightDiscriminator
from gansmith.penalties import automatic_gamma, slope_exact, slope_finite


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_penalty_of_a_plane_is_its_slope_squared(batch: int) -> None:
    w = torch.tensor([3.0, 4.0])  # |w|^2 = 25, whatever the batch
    x = torch.randn(batch, 2, requires_grad=True)
    torch.testing.assert_close(slope_exact(x, x @ w), torch.full((batch,), 25.0))


def test_penalty_of_a_quadratic_is_its_own_at_every_sample() -> None:
    a, x = normal(3, 3), normal(5, 3, seed=1).requires_grad_()
    slope = slope_exact(x, torch.einsum("bi,ij,bj->b", x, a, x))
    wanted = (x.detach() @ (a + a.T)).square().sum(1)  # grad x'Ax = (A + A')x
    torch.testing.assert_close(slope.double(), wanted, rtol=1e-6, atol=0)


def test_gradient_of_the_penalty_reaches_the_weights() -> None:
    w = normal(3).requires_grad_()
    x = normal(4, 3, seed=1).requires_grad_()
    slope = slope_exact(x, (x @ w).square())  # grad = 2 (x·w) w, so the penalty is 4 (x·w)² |w|²
    (found,) = torch.autograd.grad(slope.sum(), w)
    u = (x @ w).detach()
    wanted = (8 * u.unsqueeze(1) * x.detach() * w.detach().square().sum() + 8 * u.square().unsqueeze(1) * w.detach()).sum(0)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_finite_form_of_a_plane_is_exact_for_any_step() -> None:
    w, x, n = normal(4), normal(6, 4, seed=1), normal(6, 4, seed=2)
    for step in (1e-3, 1.0, 100.0):
        torch.testing.assert_close(slope_finite(x @ w, (x + step * n) @ w, step), (n @ w).square(), rtol=1e-9, atol=1e-12)


def smooth() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 16), nn.Softplus(), nn.Linear(16, 1), nn.Flatten(0)).double()


def test_mean_of_the_finite_form_is_the_exact_form() -> None:
    network, draws, step = smooth(), 20_000, 1e-3
    x = normal(3, 6).requires_grad_()
    exact = slope_exact(x, network(x)).detach().double()
    n = normal(draws, 3, 6, seed=1)
    with torch.no_grad():
        moved = network((x + step * n).flatten(0, 1)).reshape(draws, 3)
        found = slope_finite(network(x), moved, step)
    error = found.std(0) / draws**0.5
    assert ((found.mean(0) - exact).abs() < 4 * error).all()
    assert (error < 0.02 * exact).all()  # or the line above says nothing
    # n·g is normal of variance |g|², so its square has a deviation of sqrt(2) times its mean
    torch.testing.assert_close(found.std(0) / exact, torch.full((3,), 2.0**0.5, dtype=torch.float64), rtol=0.1, atol=0)


def test_mean_gradient_of_the_finite_form_is_that_of_the_exact_form() -> None:
    network, parts, draws, step = smooth(), 50, 400, 1e-3
    weight = network[0].weight  # type: ignore[index]
    x = normal(3, 6).requires_grad_()
    (exact,) = torch.autograd.grad(slope_exact(x, network(x)).mean(), weight)
    found = []
    for part in range(parts):
        n = normal(draws, 3, 6, seed=part + 1)
        moved = network((x.detach() + step * n).flatten(0, 1)).reshape(draws, 3)
        found.append(torch.autograd.grad(slope_finite(network(x.detach()), moved, step).mean(), weight)[0])
    mean, error = torch.stack(found).mean(0), torch.stack(found).std(0) / parts**0.5
    assert (((mean - exact) / error).abs() < 5).all()  # 96 numbers
    assert error.norm() < 0.1 * exact.norm()


def test_error_of_the_finite_form_falls_with_the_step_squared() -> None:
    """With n and -n taken together the odd terms vanish, as they do in the mean."""
    network, x, n = smooth(), normal(64, 6), normal(64, 6, seed=1)
    with torch.no_grad():
        logits = network(x)
        both = {
            h: (slope_finite(logits, network(x + h * n), h) + slope_finite(logits, network(x - h * n), h)).mean() for h in (1e-3, 0.1, 0.2)
        }
    assert ((both[0.2] - both[1e-3]) / (both[0.1] - both[1e-3])).item() == pytest.approx(4.0, rel=0.3)


LAYOUTS = {
    "row": Layout((Block("a", 3, "real"),), ()),
    "line": Layout((Block("a", 2, "real"),), (9,)),
    "plane": Layout((Block("a", 3, "bounded"),), (7, 10)),
    "conditional row": Layout((Block("a", 3, "real"),), (), 4),
    "conditional plane": Layout((Block("a", 1, "bounded"),), (8, 8), 4),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_both_forms_agree_on_every_geometry(name: str) -> None:
    layout, batch, draws, step = LAYOUTS[name], 4, 500, 1e-3
    torch.manual_seed(0)
    network = DenseDiscriminator(layout, (16, 16)) if layout.geometry == "row" else LightDiscriminator(layout, 8)
    x = normal(batch, *layout.shape).float().requires_grad_()
    c = torch.eye(4) if layout.condition else None
    logits = network(x, c)
    exact = slope_exact(x, logits).detach()
    assert exact.shape == (batch,)
    n = normal(draws, batch, *layout.shape, seed=1).float()
    with torch.no_grad():
        moved = network((x + step * n).flatten(0, 1), None if c is None else c.repeat(draws, 1)).reshape(draws, batch)
        found = slope_finite(logits, moved, step)
    assert ((found.mean(0) - exact).abs() < 5 * found.std(0) / draws**0.5).all()


def variance(x: Tensor) -> float:
    return x.flatten(1).var(0, unbiased=False).sum().item()


# How data are changed, the critic of the changed data that does the same, and what the weight is multiplied by.
CHANGES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], float]] = {
    "rescaled by 3": (lambda x: 3 * x, lambda x: x / 3, 9.0),
    "shifted": (lambda x: x + 5, lambda x: x - 5, 1.0),
    "pixels repeated 2x2": (
        lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3),
        lambda x: nn.functional.avg_pool2d(x, 2),
        4.0,
    ),
    "channel repeated 3 times": (lambda x: x.repeat(1, 3, 1, 1), lambda x: x.mean(1, keepdim=True), 3.0),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_automatic_weight_undoes_a_change_of_units(name: str) -> None:
    change, back, factor = CHANGES[name]
    x = normal(32, 1, 4, 4)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)).double()
    there = change(x).requires_grad_()
    x.requires_grad_()
    before, after = automatic_gamma(variance(x)), automatic_gamma(variance(there))
    assert after == pytest.approx(factor * before)
    torch.testing.assert_close(after * slope_exact(there, critic(back(there))), before * slope_exact(x, critic(x)), rtol=1e-5, atol=1e-12)


def test_the_automatic_weight_knows_nothing_of_the_batch() -> None:
    x = normal(32, 1, 4, 4)
    assert automatic_gamma(variance(x.repeat(2, 1, 1, 1))) == pytest.approx(automatic_gamma(variance(x)))
