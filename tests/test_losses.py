"""The games: one contract over every pair, and the closed forms of the papers with their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.losses import LOSSES, centring, class_cost, feature_distance, hinge, least_squares, log_d, log_one_minus_d

GRID = torch.tensor([-1e4, -30.0, -1.0, 0.0, 1.0, 30.0, 1e4])
REAL, FAKE = (t.reshape(-1) for t in torch.meshgrid(GRID, GRID, indexing="ij"))

names = pytest.mark.parametrize("name", LOSSES)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slopes(cost: Tensor, *logits: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.autograd.grad(cost.sum(), logits, allow_unused=True, materialize_grads=True))


# --- the contract --------------------------------------------------------------------------------------------------------


@names
def test_costs_are_per_sample_and_finite_at_any_logit(name: str) -> None:
    pair, real, fake = LOSSES[name], REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    for cost in (pair.real(real, fake), pair.fake(real, fake), pair.discriminator(real, fake), pair.generator(real, fake)):
        assert cost.shape == real.shape
        assert cost.isfinite().all()
        for slope in slopes(cost, real, fake):
            assert slope.isfinite().all()


@names
def test_both_terms_make_up_the_discriminators_cost(name: str) -> None:
    pair = LOSSES[name]
    torch.testing.assert_close(pair.discriminator(REAL, FAKE), pair.real(REAL, FAKE) + pair.fake(REAL, FAKE), rtol=0, atol=0)


# Where a cost has a target beyond which it draws back: the contract holds on this side of it.
TARGETS = {"least-squares": (1.0, 0.0, 1.0)}  # of real and fake logits for the discriminator, of fake ones for the generator
NOWHERE = (math.inf, -math.inf, math.inf)


@names
def test_the_discriminator_is_paid_for_telling_real_from_fake(name: str) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    to_real, to_fake = slopes(LOSSES[name].discriminator(real, fake), real, fake)
    highest, lowest, _ = TARGETS.get(name, NOWHERE)
    assert (to_real[real <= highest] <= 0).all()
    assert (to_fake[fake >= lowest] >= 0).all()
    assert (to_real[real < 0] < 0).any()
    assert (to_fake[fake > 0] > 0).any()


@names
def test_a_better_fake_never_costs_the_generator_more(name: str) -> None:
    real, fake = REAL.clone(), FAKE.clone().requires_grad_()
    (to_fake,) = slopes(LOSSES[name].generator(real, fake), fake)
    assert (to_fake[fake <= TARGETS.get(name, NOWHERE)[2]] <= 0).all()
    assert (to_fake < 0).any()


@names
def test_the_generator_says_rightly_whether_it_needs_the_real_logits(name: str) -> None:
    pair, real = LOSSES[name], REAL.clone().requires_grad_()
    (to_real,) = slopes(pair.generator(real, FAKE.clone().requires_grad_()), real)
    assert pair.generator_needs_real == bool(to_real.abs().sum() > 0)


@names
def test_a_pair_says_rightly_whether_a_cost_is_of_its_own_two_logits_alone(name: str) -> None:
    pair, (real, fake) = LOSSES[name], normal(2, 6)
    others = torch.arange(6) != 2
    alike = [
        torch.equal(cost(real, fake)[2], cost(*moved)[2])
        for cost in (pair.real, pair.fake, pair.generator)
        for moved in ((real + others, fake), (real, fake + others))
    ]
    assert pair.apart == all(alike)


@names
def test_the_order_of_the_pairs_does_not_matter(name: str) -> None:
    (real, fake), order = normal(2, 9), torch.randperm(9, generator=torch.Generator().manual_seed(1))
    for cost in (LOSSES[name].real, LOSSES[name].fake, LOSSES[name].generator):
        torch.testing.assert_close(cost(real, fake)[order], cost(real[order], fake[order]))


# --- closed forms --------------------------------------------------------------------------------------------------------

Cost = Callable[[Tensor, Tensor], Tensor]


class Paper(NamedTuple):
    """Both terms of the discriminator's cost and the generator's, as a paper writes them."""

    real: Cost
    fake: Cost
    generator: Cost


def log_sigmoid(x: Tensor) -> Tensor:
    return x.sigmoid().log()


def share(x: Tensor, others: Tensor) -> Tensor:
    """-log of the share of exp(x_i) among it and all exp(others).  [B], [N] -> [B]"""
    return torch.stack([-(one.exp() / (one.exp() + others.exp().sum())).log() for one in x])


PAPERS = {
    "relativistic": Paper(
        lambda r, f: -0.5 * log_sigmoid(r - f),
        lambda r, f: -0.5 * log_sigmoid(r - f),
        lambda r, f: -log_sigmoid(f - r),
    ),
    "nonsaturating": Paper(lambda r, f: -log_sigmoid(r), lambda r, f: -(1 - f.sigmoid()).log(), lambda r, f: -log_sigmoid(f)),
    "minimax": Paper(lambda r, f: -log_sigmoid(r), lambda r, f: -(1 - f.sigmoid()).log(), lambda r, f: (1 - f.sigmoid()).log()),
    "least-squares": Paper(lambda r, f: (r - 1) ** 2 / 2, lambda r, f: f**2 / 2, lambda r, f: (f - 1) ** 2 / 2),
    "wasserstein": Paper(lambda r, f: -r, lambda r, f: f, lambda r, f: -f),
    "hinge": Paper(lambda r, f: -(r - 1).clamp(max=0), lambda r, f: -(-f - 1).clamp(max=0), lambda r, f: -f),
    "relativistic-average": Paper(
        lambda r, f: -log_sigmoid(r - f.mean()),
        lambda r, f: -(1 - (f - r.mean()).sigmoid()).log(),
        lambda r, f: -log_sigmoid(f - r.mean()) - (1 - (r - f.mean()).sigmoid()).log(),
    ),
    "dual-contrastive": Paper(
        lambda r, f: share(r, f),
        lambda r, f: share(-f, -r),
        lambda r, f: -share(r, f) - share(-f, -r),
    ),
}


def test_every_pair_has_its_paper() -> None:
    assert PAPERS.keys() == LOSSES.keys()


@pytest.mark.parametrize("part", Paper._fields)
@names
def test_costs_and_their_gradients_are_those_of_the_papers(name: str, part: str) -> None:
    real, fake = (x.requires_grad_() for x in 2 * normal(2, 32))
    found, wanted = (getattr(of[name], part)(real, fake) for of in (LOSSES, PAPERS))
    torch.testing.assert_close(found, wanted)
    weights = normal(32, seed=1)  # a gradient of each cost, not of their sum alone
    torch.testing.assert_close(slopes(found * weights, real, fake), slopes(wanted * weights, real, fake))


def test_the_hinge_pulls_with_one_force_up_to_its_margin_and_not_beyond() -> None:
    logits = torch.tensor([-5.0, 0.0, 0.999, 1.001, 5.0], requires_grad=True)
    assert torch.equal(slopes(hinge(logits), logits)[0], torch.tensor([-1.0, -1.0, -1.0, 0.0, 0.0]))


def test_least_squares_pull_by_the_distance_from_the_target_on_either_side() -> None:
    logits = torch.tensor([-5.0, 0.0, 1.0, 5.0], requires_grad=True)
    assert torch.equal(slopes(least_squares(logits, 1.0), logits)[0], torch.tensor([-6.0, -1.0, 0.0, 4.0]))


def test_a_wasserstein_critic_costs_the_gap_of_the_means() -> None:
    real, fake = normal(2, 32)
    torch.testing.assert_close(LOSSES["wasserstein"].discriminator(real, fake).mean(), fake.mean() - real.mean())


def test_contrast_is_the_logarithm_of_the_batch_where_nobody_can_tell() -> None:
    logits = torch.full((7,), 3.0)
    torch.testing.assert_close(LOSSES["dual-contrastive"].real(logits, logits), torch.full((7,), math.log(8)))
    assert LOSSES["dual-contrastive"].discriminator(REAL, FAKE).mean() == -LOSSES["dual-contrastive"].generator(REAL, FAKE).mean()


def test_the_minimax_value_is_minus_log_4_where_nobody_can_tell() -> None:
    logits = torch.zeros(5, dtype=torch.float64)
    value = log_d(logits).mean() + log_one_minus_d(logits).mean()
    assert value.item() == pytest.approx(-math.log(4), abs=1e-15)
    assert LOSSES["minimax"].discriminator(logits, logits).mean().item() == pytest.approx(math.log(4), abs=1e-15)


def test_the_discriminator_of_minimax_stands_still_where_it_knows_the_densities() -> None:
    """D = p / (p + q): with real and generated samples at one place as often as p = 0.3 to q = 0.7, the logit log(p / q) is stationary."""
    logit = torch.tensor(math.log(0.3 / 0.7), dtype=torch.float64, requires_grad=True)
    pair = LOSSES["minimax"]
    (slope,) = slopes(0.3 * pair.real(logit, logit) + 0.7 * pair.fake(logit, logit), logit)
    assert abs(slope.item()) < 1e-15


def test_log_d_is_the_logarithm_of_the_sigmoid() -> None:
    logits = torch.linspace(-20, 20, 41, dtype=torch.float64)
    torch.testing.assert_close(log_d(logits), logits.sigmoid().log())
    torch.testing.assert_close(log_one_minus_d(logits), (-logits).sigmoid().log())


def test_minimax_and_non_saturating_pull_as_their_derivatives_say() -> None:
    """-D(G(z)) and D(G(z)) - 1: alike where D is 1/2, and the first vanishes where D is sure that a sample is generated."""
    fake = torch.linspace(-30, 30, 61, dtype=torch.float64, requires_grad=True)
    d = fake.detach().sigmoid()
    (saturating,), (other,) = (slopes(LOSSES[name].generator(fake, fake), fake) for name in ("minimax", "nonsaturating"))
    torch.testing.assert_close(saturating, -d)
    torch.testing.assert_close(other, d - 1)


@pytest.mark.parametrize(
    ("name", "slope"),
    [("minimax", 0.0), ("nonsaturating", -1.0), ("relativistic", -1.0), ("wasserstein", -1.0), ("hinge", -1.0), ("least-squares", -31.0)],
)
def test_where_the_discriminator_is_sure_minimax_saturates_and_the_other_forms_do_not(name: str, slope: float) -> None:
    fake = torch.full((3,), -30.0, requires_grad=True)
    (found,) = slopes(LOSSES[name].generator(torch.zeros(3), fake), fake)
    torch.testing.assert_close(found, torch.full((3,), slope), atol=1e-12, rtol=0)


RELATIVE = ("relativistic", "relativistic-average", "dual-contrastive")


@pytest.mark.parametrize("part", Paper._fields)
@names
def test_a_game_on_differences_sees_these_alone(name: str, part: str) -> None:
    real, fake = normal(2, 64)
    cost = getattr(LOSSES[name], part)
    assert torch.allclose(cost(real + 7, fake + 7), cost(real, fake)) == (name in RELATIVE)
    if name in RELATIVE:
        assert not torch.allclose(cost(real + 7, fake), cost(real, fake))


@pytest.mark.parametrize("name", ["relativistic", "relativistic-average"])
def test_the_relativistic_players_swap_real_and_fake(name: str) -> None:
    pair = LOSSES[name]
    assert torch.equal(pair.discriminator(REAL, FAKE), pair.generator(FAKE, REAL))


# --- what is added to a game ---------------------------------------------------------------------------------------------


def test_centring_is_the_squared_mean_of_a_pair_and_pulls_it_to_0() -> None:
    real, fake = torch.tensor([3.0, -2.0]).requires_grad_(), torch.tensor([1.0, 2.0]).requires_grad_()
    cost = centring(real, fake)
    torch.testing.assert_close(cost, torch.tensor([4.0, 0.0]))
    for slope in slopes(cost, real, fake):
        torch.testing.assert_close(slope, torch.tensor([2.0, 0.0]))


def test_the_class_cost_is_the_cross_entropy_and_pulls_by_what_is_missing() -> None:
    guess, classes = normal(9, 4).requires_grad_(), torch.arange(9) % 4
    one_hot = F.one_hot(classes, 4).double()
    cost = class_cost(guess, one_hot)
    torch.testing.assert_close(cost, -guess.exp()[torch.arange(9), classes].log() + guess.exp().sum(1).log())
    torch.testing.assert_close(slopes(cost, guess)[0], guess.softmax(1).detach() - one_hot)
    shares = normal(9, 4, seed=1).softmax(1)
    torch.testing.assert_close(class_cost(guess, shares), F.cross_entropy(guess, shares, reduction="none"))
    assert class_cost(1e4 * guess, one_hot).isfinite().all()


def test_the_feature_distance_is_that_of_the_means_alone() -> None:
    real, fake = normal(8, 5), normal(6, 5, seed=1).requires_grad_()
    cost = feature_distance(real, fake)
    gap = fake.detach().mean(0) - real.mean(0)
    torch.testing.assert_close(cost, (gap @ gap) / 5)
    torch.testing.assert_close(slopes(cost, fake)[0], (2 / (6 * 5) * gap).expand(6, 5))
    alike = fake.detach() - gap  # other samples, one mean
    assert feature_distance(real, alike).item() == pytest.approx(0.0, abs=1e-30)
