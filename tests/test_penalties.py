"""The penalties against closed forms, the two forms of a slope against each other, and the units of the automatic weight."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gansmith import penalties
from gansmith.layout import Block, Layout
from gansmith.networks.dense import DenseDiscriminator
from gansmith.networks.light import LightDiscriminator
from gansmith.penalties import PENALTIES, around, automatic_gamma, between, slope_exact, slope_finite


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


# --- what a slope costs, and where it is taken ---------------------------------------------------------------------------

# Of gradient norms 0, 1/2, 1, 2 and 8.
COSTS = {
    "r1+r2": [0.0, 0.125, 0.5, 2.0, 32.0],
    "r1": [0.0, 0.125, 0.5, 2.0, 32.0],
    "r2": [0.0, 0.125, 0.5, 2.0, 32.0],
    "wgan-gp": [1.0, 0.25, 0.0, 1.0, 49.0],
    "lp": [0.0, 0.0, 0.0, 1.0, 49.0],
    "dragan": [1.0, 0.25, 0.0, 1.0, 49.0],
}
# … and the slope of that cost by the squared norm; of a norm of 0 it has to be finite, no more.
SLOPES = {
    "r1+r2": [0.5] * 5,
    "r1": [0.5] * 5,
    "r2": [0.5] * 5,
    "wgan-gp": [None, -1.0, 0.0, 0.5, 7 / 8],
    "lp": [0.0, 0.0, 0.0, 0.5, 7 / 8],
    "dragan": [None, -1.0, 0.0, 0.5, 7 / 8],
}
kinds = pytest.mark.parametrize("name", PENALTIES)


@kinds
def test_a_gradient_norm_costs_what_the_paper_says(name: str) -> None:
    squared = torch.tensor([0.0, 0.25, 1.0, 4.0, 64.0], dtype=torch.float64, requires_grad=True)
    cost = PENALTIES[name].cost(squared)
    torch.testing.assert_close(cost, torch.tensor(COSTS[name], dtype=torch.float64), rtol=0, atol=3e-6)
    (slope,) = torch.autograd.grad(cost.sum(), squared)
    assert slope.isfinite().all()
    for found, wanted in zip(slope.tolist(), SLOPES[name], strict=True):
        assert wanted is None or found == pytest.approx(wanted, abs=1e-6)


@kinds
def test_a_penalty_is_taken_somewhere_and_its_cheap_form_is_of_what_is_linear(name: str) -> None:
    kind = PENALTIES[name]
    assert (kind.real or kind.fake) != (kind.points is not None)
    one, two = torch.rand(2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 9
    assert kind.cheap == torch.allclose(kind.cost((one + two) / 2), (kind.cost(one) + kind.cost(two)) / 2)


@pytest.mark.parametrize("batch", [1, 4, 64])
@kinds
def test_a_critic_of_slope_1_costs_each_sample_alike_whatever_the_batch(name: str, batch: int) -> None:
    w = torch.tensor([0.6, 0.8])
    x = torch.randn(batch, 2, requires_grad=True)
    cost = PENALTIES[name].cost(slope_exact(x, x @ w))
    torch.testing.assert_close(cost, torch.full((batch,), COSTS[name][2]), rtol=0, atol=1e-6)


def test_a_norm_taken_over_the_whole_batch_is_another_penalty() -> None:
    """The fault of many listings: 64 slopes of 1 have together a norm of 8, and (8 - 1)² is 49."""
    x, w = torch.randn(64, 2, requires_grad=True), torch.tensor([0.6, 0.8])
    (slope,) = torch.autograd.grad((x @ w).sum(), x)
    assert (slope.norm() - 1).square().item() == pytest.approx(49.0, rel=1e-5)
    assert PENALTIES["wgan-gp"].cost(slope_exact(x, x @ w)).max().item() < 1e-10


shapes = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))


@given(shapes, st.integers(1, 4), st.integers(0, 2**32))
def test_a_point_between_two_samples_is_on_the_line_that_joins_them(shape: tuple[int, ...], axes: int, seed: int) -> None:
    real, fake, rest = normal(3, *shape[:axes], seed=seed)
    uniform = torch.rand(shape[0], dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = between(real, fake, uniform, rest)
    assert found.shape == real.shape
    for point, a, b, u in zip(found, real, fake, uniform, strict=True):
        torch.testing.assert_close(point, a + u * (b - a))
    assert torch.equal(between(real, fake, torch.zeros_like(uniform), rest), real)
    assert torch.equal(between(real, fake, torch.ones_like(uniform), rest), fake)


def test_a_point_around_a_real_sample_is_half_a_deviation_away_in_each_number() -> None:
    real, fake, n = 3 * normal(3, 1000, 2, 5) + 7
    found = around(real, fake, normal(1000), (n - 7) / 3)
    torch.testing.assert_close(found, real + real.std(correction=0) / 2 * (n - 7) / 3)
    assert (found - real).std().item() == pytest.approx(1.5, rel=0.03)
    assert torch.equal(around(real, fake, normal(1000), torch.zeros_like(n)), real)
    assert torch.equal(around(torch.ones(1, 1), torch.ones(1, 1), torch.ones(1), torch.ones(1, 1)), torch.ones(1, 1))  # of a single number


NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "r1+r2": lambda n: n**2 / 2, "r1": lambda n: n**2 / 2, "r2": lambda n: n**2 / 2,
    "wgan-gp": lambda n: (n - 1) ** 2, "lp": lambda n: torch.relu(n - 1) ** 2, "dragan": lambda n: (n - 1) ** 2,
}  # fmt: skip


@pytest.mark.parametrize("geometry", LAYOUTS)
@kinds
def test_the_critics_gradient_of_a_penalty_is_that_of_its_definition(name: str, geometry: str) -> None:
    layout = LAYOUTS[geometry]
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(layout.size + layout.condition, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    with torch.no_grad():
        network[2].weight *= 4  # slopes on both sides of 1
    c = torch.eye(4, dtype=torch.float64) if layout.condition else torch.zeros(4, 0, dtype=torch.float64)

    def critic(x: Tensor, c: Tensor) -> Tensor:
        return network(torch.cat((x.flatten(1), c), 1)).squeeze(1)

    x = normal(4, *layout.shape).requires_grad_()
    found = torch.autograd.grad(PENALTIES[name].cost(slope_exact(x, critic(x, c))).sum(), network.parameters(), allow_unused=True)
    total = torch.zeros((), dtype=torch.float64)
    for sample, condition in zip(x.detach(), c, strict=True):  # by hand: d tanh(u) = 1 - tanh(u)²
        hidden = network[0](torch.cat((sample.flatten(), condition))).tanh()
        slope = (network[2].weight[0] * (1 - hidden**2)) @ network[0].weight[:, : layout.size]
        total = total + NORMS[name]((slope**2).sum().sqrt())
    wanted = torch.autograd.grad(total, network.parameters(), allow_unused=True)
    assert found[3] is wanted[3] is None  # a bias of the logit has no slope
    torch.testing.assert_close(found[:3], wanted[:3], rtol=1e-5, atol=1e-6)  # slopes are float32


# --- on logits and on weights --------------------------------------------------------------------------------------------


def test_lecam_is_the_squared_distance_from_the_average_of_the_others() -> None:
    real, fake = torch.tensor([2.0, -1.0], requires_grad=True), torch.tensor([0.5, 3.0], requires_grad=True)
    cost = penalties.lecam(real, fake, torch.tensor(1.5), torch.tensor(-1.0))
    torch.testing.assert_close(cost, torch.tensor([9.0 + 1.0, 0.0 + 2.25]))
    to_real, to_fake = torch.autograd.grad(cost.sum(), (real, fake))
    torch.testing.assert_close(to_real, torch.tensor([6.0, 0.0]))
    torch.testing.assert_close(to_fake, torch.tensor([-2.0, 3.0]))


def test_inconsistency_is_the_squared_change_of_a_logit_and_pulls_both_together() -> None:
    logits, of_view = torch.tensor([2.0, -1.0], requires_grad=True), torch.tensor([0.5, -1.0], requires_grad=True)
    cost = penalties.inconsistency(logits, of_view)
    torch.testing.assert_close(cost, torch.tensor([2.25, 0.0]))
    one, other = torch.autograd.grad(cost.sum(), (logits, of_view))
    torch.testing.assert_close(one, torch.tensor([3.0, 0.0]))
    torch.testing.assert_close(other, -one)


@pytest.mark.parametrize("places", [(), (5,), (3, 4)], ids=["row", "line", "plane"])
def test_the_path_length_of_a_linear_generator_is_that_of_its_matrix(places: tuple[int, ...]) -> None:
    shape, batch = (2, *places), 4000
    count, size = math.prod(places), math.prod(shape)
    matrix = normal(size, 3).requires_grad_()
    latent, noise = normal(batch, 3, seed=1).requires_grad_(), normal(batch, *shape, seed=2)
    lengths = penalties.path_lengths((latent @ matrix.T).reshape(batch, *shape), latent, noise)
    torch.testing.assert_close(lengths.double(), (noise.flatten(1) @ matrix).norm(dim=1) / count**0.5, rtol=1e-5, atol=1e-6)

    squares = lengths.detach().double().square()  # their mean is |J|² / places, J being the matrix
    error = squares.std().item() / batch**0.5
    assert squares.mean().item() == pytest.approx(matrix.square().sum().item() / count, abs=4 * error)
    (found,) = torch.autograd.grad(lengths.square().sum(), matrix)
    y = noise.flatten(1)
    torch.testing.assert_close(found, 2 / count * y.T @ (y @ matrix.detach()), rtol=1e-4, atol=1e-3)  # of |y'J|² / places


def test_the_correlation_of_orthogonal_rows_is_0_whatever_their_length() -> None:
    rows = (torch.linalg.qr(normal(6, 6)).Q[:4] * torch.tensor([[1.0], [2.0], [0.5], [9.0]])).requires_grad_()
    cost = penalties.correlation([rows, normal(7)])
    assert cost.item() == pytest.approx(0.0, abs=1e-24)
    assert torch.autograd.grad(cost, rows)[0].abs().max() < 1e-10


def test_the_correlation_is_that_of_all_pairs_of_rows() -> None:
    w, kernel = normal(3, 5).requires_grad_(), normal(2, 3, 2, 2, seed=1)
    found = penalties.correlation([w, normal(5), kernel])
    pairs = [
        (matrix[i] @ matrix[j]) ** 2 for matrix in (w, kernel.flatten(1)) for i in range(len(matrix)) for j in range(len(matrix)) if i != j
    ]
    torch.testing.assert_close(found, torch.stack(pairs).sum())
    product = (w @ w.T).detach()
    torch.testing.assert_close(torch.autograd.grad(found, w)[0], 4 * (product - product.diag().diag()) @ w.detach())
    assert penalties.correlation([normal(5)]).item() == 0.0


# --- the automatic weight ------------------------------------------------------------------------------------------------


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
