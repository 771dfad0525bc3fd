"""The two moves: their losses and gradients against an independent writing of them, and that a batch may be divided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from duel import BARE, LATENT, LAYOUT, batch_, jitter, noise_, objective_, players_, rates_
from gansmith import given
from gansmith.augment.control import sureness
from gansmith.engine.distribute import World
from gansmith.engine.moves import (
    Draw,
    Noise,
    Objective,
    Weights,
    _correlation,
    discriminator_move,
    generate,
    generator_move,
    logits_of,
    looking_ahead,
    packed,
)
from gansmith.engine.players import Players
from gansmith.engine.steps import parts_of
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES
from gansmith.networks import NETWORKS
from gansmith.networks.devices import spectral
from gansmith.networks.heads import bounded
from gansmith.networks.row import RowDiscriminator, RowGenerator, latents
from gansmith.penalties import PENALTIES, around, between, correlation

RATES = rates_()
pairs = pytest.mark.parametrize("name", LOSSES)
forms = pytest.mark.parametrize("exact", [True, False], ids=["exact", "finite"])


def assert_moved_by(loss: Tensor, players: Players, who: str, wanted: Tensor) -> None:
    """The loss of a move is `wanted`, and so is the gradient of that player's weights; the other player has none."""
    player, other = getattr(players, who), players.generator if who == "discriminator" else players.discriminator
    torch.testing.assert_close(loss, wanted)
    slopes = torch.autograd.grad(wanted, player.parameters, allow_unused=True, materialize_grads=True)
    other.gradient.zero_()
    player.minimise(loss)
    torch.testing.assert_close([p.grad for p in player.parameters], list(slopes), rtol=1e-4, atol=1e-6)
    assert player.gradient.norm() > 1e-4
    assert not other.gradient.any()


# --- the discriminator's move, sample by sample --------------------------------------------------------------------------


def written_out(players: Players, batch: Batch, draw: Draw, objective: Objective, gamma: float) -> Tensor:
    """The discriminator's loss with every sample judged by itself."""
    g, d, size, kind = players.generator.network, players.discriminator.network, len(batch.x), objective.penalty
    conditions = [None] * size if batch.condition is None else list(batch.condition.split(1))
    reals = list(batch.x.split(1))
    fakes = [g(z, c).detach() for z, c in zip(draw.latent.split(1), conditions, strict=True)]
    real, fake = (torch.cat([d(x, c) for x, c in zip(x, conditions, strict=True)]) for x in (reals, fakes))
    loss = objective.pair.discriminator(real, fake).mean() + objective.centring * ((real + fake) / 2).square().mean()

    def slope(x: Tensor, c: Tensor | None, direction: Tensor | None) -> Tensor:
        x = x.clone().requires_grad_()
        logit = d(x, c)
        if objective.exact or direction is None:
            return torch.autograd.grad(logit, x, create_graph=True)[0].square().sum().reshape(1)
        return ((d(x + objective.step * direction, c) - logit) / objective.step).square()

    directions = [None] * (2 * size) if draw.directions is None else list(draw.directions.split(1))
    places = [(reals[i], i, directions[i]) for i in range(size) if kind.real]
    places += [(fakes[i], i, directions[size + i]) for i in range(size) if kind.fake]
    if kind.points is between:
        assert draw.uniform is not None
        places = [(reals[i] + draw.uniform[i] * (fakes[i] - reals[i]), i, None) for i in range(size)]
    if kind.points is around:
        assert draw.directions is not None
        places = [(reals[i] + batch.x.std(correction=0) / 2 * draw.directions[i], i, None) for i in range(size)]
    costs = [kind.cost(slope(x, conditions[i], direction)) for x, i, direction in places]
    return loss + gamma * torch.cat(costs).sum() / size


@pairs
@forms
def test_the_discriminators_gradient_is_that_of_the_papers(name: str, exact: bool) -> None:
    players, batch, draw = players_(), batch_(5), noise_(5, directions=not exact).critics[0]
    goal = objective_(name, exact=exact, centring=0.3)
    loss, record = discriminator_move(players, batch, draw, goal, RATES)
    assert_moved_by(loss, players, "discriminator", written_out(players, batch, draw, goal, RATES.gamma))
    assert all(value.isfinite() and value.shape == () for value in record.values())
    torch.testing.assert_close(record["loss_d"], record["loss_d_real"] + record["loss_d_fake"])


LAYOUTS = {
    "row": Layout((Block("a", 3, "real"),)),
    "line": Layout((Block("a", 2, "real"),), (5,)),
    "plane": Layout((Block("a", 3, "real"),), (3, 4)),
    "conditional row": Layout((Block("a", 3, "real"),), (), 3),
    "conditional line": Layout((Block("a", 2, "real"),), (5,), 3),
    "conditional plane": LAYOUT,
}


@pytest.mark.parametrize("where", LAYOUTS)
@pytest.mark.parametrize("kind", PENALTIES)
def test_a_gradient_penalty_is_taken_where_its_paper_says_in_every_geometry(kind: str, where: str) -> None:
    layout = LAYOUTS[where]
    players, batch = players_(layout), batch_(5, layout)
    draw = noise_(5, layout, directions=True, points=True).critics[0]
    goal = objective_(penalty=PENALTIES[kind])
    rates = rates_(gamma=10.0)
    loss, record = discriminator_move(players, batch, draw, goal, rates)
    assert_moved_by(loss, players, "discriminator", written_out(players, batch, draw, goal, 10.0))
    assert {name for name in ("r1", "r2", "slope") if name in record} == {
        *(["r1"] if PENALTIES[kind].real else []),
        *(["r2"] if PENALTIES[kind].fake else []),
        *(["slope"] if PENALTIES[kind].points else []),
    }


def test_the_record_of_a_penalty_is_the_mean_squared_slope_or_the_mean_slope() -> None:
    players, draw = players_(BARE), noise_(6, BARE, directions=True, points=True).critics[0]
    batch, w = batch_(6, BARE), torch.zeros(32)
    w[:2] = torch.tensor([3.0, 4.0])
    players.discriminator = Players(nn.Linear(1, 1), linear(w)).discriminator
    _, record = discriminator_move(players, batch, draw, objective_(), RATES)
    assert (record["r1"].item(), record["r2"].item()) == pytest.approx((25.0, 25.0))
    _, record = discriminator_move(players, batch, draw, objective_(penalty=PENALTIES["wgan-gp"]), RATES)
    assert record["slope"].item() == pytest.approx(5.0)


def linear(weight: Tensor) -> nn.Module:
    """A critic w·x."""
    layer = nn.Linear(len(weight), 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(weight)
    return nn.Sequential(nn.Flatten(), layer)


@pytest.mark.parametrize("kind", PENALTIES)
def test_no_penalty_is_computed_where_its_weight_is_0(kind: str) -> None:
    players, batch, draw = players_(), batch_(4), noise_(4, directions=True, points=True).critics[0]
    goal = objective_(penalty=PENALTIES[kind])
    for rates, gamma in ((rates_(gamma=0.0), None), (RATES, 0.0)):
        loss, record = discriminator_move(players, batch, draw, goal, rates, gamma)
        torch.testing.assert_close(loss, record["loss_d"])
        assert not {"r1", "r2", "slope"} & record.keys()
    tripled, _ = discriminator_move(players, batch, draw, goal, RATES, 3 * RATES.gamma)
    once, _ = discriminator_move(players, batch, draw, goal, RATES)
    torch.testing.assert_close(tripled - loss, 3 * (once - loss))


def test_the_record_has_both_terms_of_the_minimax_value() -> None:
    players, batch, draw = players_(), batch_(16), noise_(16).critics[0]
    _, record = discriminator_move(players, batch, draw, objective_("minimax"), RATES)
    d, c = players.discriminator.network, batch.condition
    real, fake = d(batch.x, c), d(players.generator.network(draw.latent, c), c)
    torch.testing.assert_close(record["log_d_real"], F.logsigmoid(real).mean())
    torch.testing.assert_close(record["log_1_minus_d_fake"], F.logsigmoid(-fake).mean())
    torch.testing.assert_close(record["loss_d_real"], -record["log_d_real"])
    torch.testing.assert_close(record["loss_d_fake"], -record["log_1_minus_d_fake"])
    torch.testing.assert_close(record["logit_real"], real.mean())
    torch.testing.assert_close(record["logit_fake"], fake.mean())


def test_the_two_forms_agree_in_the_mean() -> None:
    players, batch = players_(), batch_(8)
    exact = discriminator_move(players, batch, noise_(8).critics[0], objective_(), RATES)[1]
    found = []
    for number in range(300):
        # latents of one step and directions of many
        draw = replace(noise_(8).critics[0], directions=noise_(8, step=number, directions=True).critics[0].directions)
        with torch.no_grad():
            record = discriminator_move(players, batch, draw, objective_(exact=False, step=1e-2), RATES)[1]
        found.append(torch.stack((record["r1"], record["r2"])))
    mean, error = torch.stack(found).mean(0), torch.stack(found).std(0) / 300**0.5
    wanted = torch.stack((exact["r1"], exact["r2"])).detach()
    assert ((mean - wanted).abs() < 4 * error).all()
    assert (error < 0.1 * wanted).all()


def test_lecam_holds_logits_by_what_is_remembered() -> None:
    players, batch, draw = players_(), batch_(6), noise_(6).critics[0]
    players.memory["logit_real"].fill_(0.8)
    players.memory["logit_fake"].fill_(-0.4)
    rates = rates_(gamma=0.0)
    loss, record = discriminator_move(players, batch, draw, objective_(weights=Weights(lecam=0.3)), rates)
    d, c = players.discriminator.network, batch.condition
    real, fake = d(batch.x, c), d(players.generator.network(draw.latent, c).detach(), c)
    cost = ((real + 0.4) ** 2).mean() + ((fake - 0.8) ** 2).mean()
    torch.testing.assert_close(record["lecam"], cost)
    assert_moved_by(loss, players, "discriminator", F.softplus(fake - real).mean() + 0.3 * cost)


@pytest.mark.parametrize("pack", [1, 2])
def test_consistency_asks_for_the_logit_of_a_view_of_each_sample(pack: int) -> None:
    players, batch, draw = players_(pack=pack), batch_(6), noise_(6, views=2, chances=2).critics[0]
    goal = objective_(weights=Weights(consistency=0.3), augment=jitter, view=jitter, pack=pack)
    rates = rates_(gamma=0.0, strength=0.5)
    loss, record = discriminator_move(players, batch, draw, goal, rates)
    assert draw.views is not None
    assert draw.chances is not None
    assert batch.condition is not None
    d, fake = players.discriminator.network, players.generator.network(draw.latent, batch.condition).detach()
    views, costs, logits = draw.views.chunk(2), [], []
    for x, chances, numbers in zip((batch.x, fake), draw.chances.chunk(2), views, strict=True):
        shown = jitter(x, chances, 0.5)
        view, c = jitter(shown, numbers, 1.0), packed(batch.condition, pack)
        logits.append(d(packed(shown, pack), c))
        costs.append((logits[-1] - d(packed(view, pack), c)).square().mean())
    torch.testing.assert_close(record["consistency"], costs[0] + costs[1])
    assert_moved_by(loss, players, "discriminator", F.softplus(logits[1] - logits[0]).mean() + 0.3 * (costs[0] + costs[1]))


def test_now_and_then_a_generated_sample_is_shown_as_real() -> None:
    players, batch, draw = players_(), batch_(12), noise_(12, pseudo=True, chances=2).critics[0]
    goal, rates = objective_(augment=jitter), rates_(gamma=0.0, strength=0.5)
    assert draw.pseudo is not None
    assert draw.swap is not None
    assert draw.chances is not None
    assert 0 < (draw.swap < 0.5).sum() < 12
    g, d, c = players.generator.network, players.discriminator.network, batch.condition
    fake, pseudo = (g(z, c).detach() for z in (draw.latent, draw.pseudo))
    shown = torch.stack([other if u < 0.5 else x for x, other, u in zip(batch.x, pseudo, draw.swap, strict=True)])
    real, made = (d(jitter(x, u, 0.5), c) for x, u in zip((shown, fake), draw.chances.chunk(2), strict=True))
    loss, _ = discriminator_move(players, batch, draw, goal, rates)
    assert_moved_by(loss, players, "discriminator", F.softplus(made - real).mean())


@pytest.mark.parametrize("pack", [1, 2])
def test_what_passes_for_real_does_not_make_the_discriminator_look_less_sure(pack: int) -> None:
    """Nor does it change how many generated samples there are for a real one: a sure one would look as if it erred."""
    players, batch, draw = players_(pack=pack), batch_(24), noise_(24, pseudo=True).critics[0]
    assert draw.swap is not None
    assert draw.pseudo is not None
    players.memory["strength"].fill_(0.3)
    _, record = discriminator_move(players, batch, draw, objective_(adapt=True, pack=pack), rates_())
    g, d, c = players.generator.network, players.discriminator.network, batch.condition
    assert c is not None
    shown = torch.where((draw.swap < 0.3)[:, None, None, None], g(draw.pseudo, c), batch.x)
    real, made = (d(packed(x, pack), packed(c, pack)) for x in (shown, g(draw.latent, c)))
    honest = torch.tensor([all(u >= 0.3 for u in part) for part in draw.swap.split(pack)])
    assert 0 < honest.sum() < len(real)
    torch.testing.assert_close(record["sureness"], sureness(real[honest], made[honest]))


@forms
def test_a_discriminator_that_looks_at_its_batch_sees_real_and_generated_samples_apart(exact: bool) -> None:
    torch.manual_seed(5)
    d = nn.Sequential(
        nn.Flatten(), nn.Linear(32, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.Tanh(), nn.Linear(8, 1), nn.Flatten(0)
    )
    players, batch = with_discriminator(d, BARE), batch_(6, BARE)
    draw = noise_(6, BARE, directions=True, views=2).critics[0]
    goal = objective_(exact=exact, step=0.5, apart=False, weights=Weights(consistency=0.3), view=jitter)
    assert draw.directions is not None
    assert draw.views is not None
    fake = players.generator.network(draw.latent).detach()
    logits, penalty, change = [], [], []
    for x, n, u in zip((batch.x, fake), draw.directions.chunk(2), draw.views.chunk(2), strict=True):
        x = x.clone().requires_grad_()
        logits.append(d(x))
        if exact:
            (slope,) = torch.autograd.grad(logits[-1].sum(), x, create_graph=True)
            penalty.append(slope.square().sum() / 6)
        else:
            penalty.append(((d(x + 0.5 * n) - logits[-1]) / 0.5).square().mean())
        change.append((d(jitter(x, u, 1.0)) - logits[-1]).square().mean())
    loss, _ = discriminator_move(players, batch, draw, goal, RATES)
    wanted = F.softplus(logits[1] - logits[0]).mean() + RATES.gamma / 2 * (penalty[0] + penalty[1]) + 0.3 * (change[0] + change[1])
    assert_moved_by(loss, players, "discriminator", wanted)
    together, _ = discriminator_move(players, batch, draw, replace(goal, apart=True), RATES)
    assert abs(together - loss).item() > 1e-3


# --- the generator's move ------------------------------------------------------------------------------------------------


@pairs
def test_the_generators_gradient_is_that_of_the_papers(name: str) -> None:
    players, batch, draw = players_(), batch_(5), noise_(5).generator
    g, d, c = players.generator.network, players.discriminator.network, batch.condition
    wanted = LOSSES[name].generator(d(batch.x, c).detach(), d(g(draw.latent, c), c)).mean()
    loss, record = generator_move(players, batch, draw, objective_(name), RATES)
    torch.testing.assert_close(record["loss_g"], wanted)
    assert_moved_by(loss, players, "generator", wanted)


@pairs
def test_top_k_learns_from_the_best_samples_alone(name: str) -> None:
    players, batch, draw = players_(), batch_(8), noise_(8).generator
    g, d, c = players.generator.network, players.discriminator.network, batch.condition
    real, fake = d(batch.x, c).detach(), d(g(draw.latent, c), c)
    best = fake.argsort()[-4:]
    wanted = LOSSES[name].generator(real[best], fake[best]).mean()
    if LOSSES[name].apart:
        torch.testing.assert_close(LOSSES[name].generator(real, fake)[best].mean(), wanted)
    loss, record = generator_move(players, batch, draw, objective_(name), rates_(kept=0.5))
    torch.testing.assert_close(record["loss_g"], wanted)
    assert_moved_by(loss, players, "generator", wanted)


@pytest.mark.parametrize(("kept", "count"), [(1.0, 8), (0.99, 8), (0.5, 4), (1e-9, 1)])
def test_top_k_keeps_its_share_and_at_least_one(kept: float, count: int) -> None:
    players, batch, draw = players_(), batch_(8), noise_(8).generator
    loss, _ = generator_move(players, batch, draw, objective_("wasserstein"), rates_(kept=kept))
    with torch.no_grad():
        logits = players.discriminator.network(players.generator.network(draw.latent, batch.condition), batch.condition)
    torch.testing.assert_close(loss, -logits.sort(descending=True).values[:count].mean())


class Read(nn.Module):
    """A discriminator in two parts, with an auxiliary classifier and a layer that nobody asks for."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.last, self.classes, self.idle = nn.Linear(32, 8), nn.Linear(8, 1), nn.Linear(8, 3), nn.Linear(1, 1)

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.first(x.flatten(1)).tanh()

    def head(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.last(h).squeeze(1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.head(self.features(x, condition), condition)


def with_discriminator(network: nn.Module, layout: Layout = LAYOUT) -> Players:
    return Players(players_(layout).generator.network, network)


@pytest.mark.parametrize("name", ["relativistic", "hinge"])
def test_feature_matching_brings_the_mean_features_together(name: str) -> None:
    network = Read()
    players, batch, draw = with_discriminator(network), batch_(6), noise_(6).generator
    goal = objective_(name, weights=Weights(features=0.3))
    fake = players.generator.network(draw.latent, batch.condition)
    gap = network.features(batch.x).detach().mean(0) - network.features(fake).mean(0)
    loss, record = generator_move(players, batch, draw, goal, RATES)
    torch.testing.assert_close(record["feature_distance"], gap.square().sum() / 8)
    wanted = LOSSES[name].generator(network(batch.x).detach(), network(fake)).mean() + 0.3 * gap.square().sum() / 8
    assert_moved_by(loss, players, "generator", wanted)
    loss, _ = discriminator_move(players, batch, draw, goal, rates_(gamma=0.0))  # which is asked for no features
    assert_moved_by(loss, players, "discriminator", LOSSES[name].discriminator(network(batch.x), network(fake.detach())).mean())


def test_an_auxiliary_classifier_is_taught_by_both_kinds_of_sample_and_teaches_the_generator() -> None:
    network = Read()
    players, batch, noise = with_discriminator(network), batch_(6), noise_(6)
    assert batch.condition is not None
    classes, goal = batch.condition.argmax(1), objective_("hinge", weights=Weights(classes=0.3))

    def cost(x: Tensor) -> Tensor:
        return F.cross_entropy(network.classes(network.features(x)), classes)

    fake = players.generator.network(noise.critics[0].latent, batch.condition).detach()
    loss, record = discriminator_move(players, batch, noise.critics[0], goal, rates_(gamma=0.0))
    both = cost(batch.x) + cost(fake)
    torch.testing.assert_close(record["class_cost_d"], both)
    wanted = (F.relu(1 - network(batch.x)) + F.relu(1 + network(fake))).mean() + 0.3 * both
    assert_moved_by(loss, players, "discriminator", wanted)

    fake = players.generator.network(noise.generator.latent, batch.condition)
    loss, record = generator_move(players, batch, noise.generator, goal, RATES)
    torch.testing.assert_close(record["class_cost_g"], cost(fake))
    assert_moved_by(loss, players, "generator", -network(fake).mean() + 0.3 * cost(fake))


class Column(Read):
    """The same, as listings write it: logits [B, 1]."""

    def head(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.last(h)


@pytest.mark.parametrize("weights", [Weights(features=0.3), Weights(classes=0.3)], ids=["features", "classes"])
def test_a_head_that_gives_a_column_is_a_head_that_gives_a_row(weights: Weights) -> None:
    batch, noise, goal = batch_(6), noise_(6), objective_("relativistic-average", weights=weights)
    found = []
    for network in (Read(), Column()):
        players = with_discriminator(network)
        players.discriminator.minimise(discriminator_move(players, batch, noise.critics[0], goal, RATES)[0])
        players.generator.minimise(generator_move(players, batch, noise.generator, goal, RATES)[0])
        found.append((players.discriminator.gradient, players.generator.gradient))
    torch.testing.assert_close(found[0], found[1])


def test_the_finite_form_reads_features_and_classes_of_the_samples_as_they_are() -> None:
    network = Read()
    players, batch, draw = with_discriminator(network), batch_(6), noise_(6, directions=True).critics[0]
    weights = Weights(classes=0.3)
    exact, finite = (
        discriminator_move(players, batch, draw, objective_(exact=exact, weights=weights), RATES)[1] for exact in (True, False)
    )
    for name in ("loss_d", "class_cost_d", "logit_real", "logit_fake"):
        torch.testing.assert_close(finite[name], exact[name])


@pytest.mark.parametrize("name", ["relativistic", "hinge"])
def test_likelihood_asks_of_the_generator_what_is_not_told_of_real_rows(name: str) -> None:
    rows = Layout((Block("a", 3, "onehot"), Block("in a", 1, "bounded"), Block("b", 2, "onehot")), condition=10, given=True)
    torch.manual_seed(6)
    g, d = RowGenerator(rows, 8), RowDiscriminator(rows, 8)
    with torch.no_grad():
        for parameter in (*g.parameters(), *d.parameters()):
            parameter.normal_(0, 0.5)
    chosen = torch.tensor([[0, 1], [2, 0], [1, 1], [0, 0], [2, 1], [1, 0]])
    place = 2 * torch.rand(6, 1) - 1
    x = torch.cat((F.one_hot(chosen[:, 0], 3), place, F.one_hot(chosen[:, 1], 2)), 1)
    mask = torch.tensor([[0.0, 0], [0, 1], [1, 0], [0, 0], [0, 1], [1, 0]])
    asked = torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]])
    c = given.condition(x, mask, asked, given.owners(rows))
    players, batch, draw = Players(g, d), Batch(x, c), Draw(torch.randn(6, latents(rows)))
    likely = g.logits(x * mask[:, given.owners(rows)], mask)
    a, b = (F.cross_entropy(likely[:, part], of, reduction="none") for part, of in ((slice(3), chosen[:, 0]), (slice(4, 6), chosen[:, 1])))
    surprise = torch.stack([(a + b)[0] / 2, a[1], b[2], (a + b)[3] / 2, a[4], b[5]]).mean()
    game = LOSSES[name].generator(d(x, c).detach(), d(g(draw.latent, c), c)).mean()
    loss, record = generator_move(players, batch, draw, objective_(name, weights=Weights(likelihood=0.3)), RATES)
    torch.testing.assert_close(record["surprise"], surprise)
    assert_moved_by(loss, players, "generator", game + 0.3 * surprise)
    loss, record = generator_move(players, batch, draw, objective_(name), RATES)
    assert "surprise" not in record
    assert_moved_by(loss, players, "generator", LOSSES[name].generator(d(x, c).detach(), d(g(draw.latent, c), c)).mean())


class Style(nn.Module):
    """Latent and condition to a style, the mean of which it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(LATENT + 3, 6)
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return self.line(torch.cat((latent, condition), 1)).tanh()


class Mapped(nn.Module):
    """A generator in two parts, style and synthesis; the latent may enter both."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.mapping, self.beside, self.body = Style(), nn.Linear(LATENT, 6), nn.Linear(6, 32)

    def synthesis(self, style: Tensor, latent: Tensor) -> Tensor:
        return self.body((style * self.beside(latent)).tanh()).reshape(-1, *LAYOUT.shape)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return self.synthesis(self.mapping(latent, condition), latent)


def path_cost(generator: Callable[[Tensor], Tensor], start: Tensor, noise: Tensor, wanted: float) -> Tensor:
    """The mean squared distance of the path's length from a wanted one, with the slope taken along a basis, sample by sample."""
    lengths = []
    for i in range(len(start)):
        jacobian = torch.autograd.functional.jacobian(lambda w, i=i: generator(i, w).flatten(), start[i : i + 1], create_graph=True)
        lengths.append((noise[i].flatten() @ jacobian.flatten(1)).norm() / 16**0.5)
    return (torch.stack(lengths) - wanted).square().mean()


class Named(nn.Module):
    """A generator that happens to call a layer `mapping`, and has no style."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.mapping, self.body = nn.Linear(LATENT + 3, 6), nn.Linear(6, 32)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return self.body(self.mapping(torch.cat((latent, condition), 1)).tanh()).reshape(-1, *LAYOUT.shape)


@pytest.mark.parametrize("made", [None, Named, Mapped], ids=["from the latent", "from the latent of one's own", "from the style"])
def test_the_path_length_is_brought_to_what_is_remembered(made: type[nn.Module] | None) -> None:
    players, mapped = Players(made(), players_().discriminator.network) if made else players_(), made is Mapped
    batch, draw, g = batch_(4), noise_(4, path=True).generator, players.generator.network
    assert draw.directions is not None
    assert batch.condition is not None
    c = batch.condition.split(1)
    players.memory["path_length"].fill_(0.2)
    loss, record = generator_move(players, batch, draw, objective_("wasserstein", weights=Weights(path=3.0)), RATES)
    if mapped:
        style = g.mapping(draw.latent, batch.condition)  # type: ignore[operator]
        cost = path_cost(lambda i, w: g.synthesis(w, draw.latent[i : i + 1]), style, draw.directions, 0.2)  # type: ignore[operator]
    else:
        cost = path_cost(lambda i, w: g(w, c[i]), draw.latent, draw.directions, 0.2)
    torch.testing.assert_close(record["path"], cost)
    game = -players.discriminator.network(g(draw.latent, batch.condition), batch.condition).mean()
    assert_moved_by(loss, players, "generator", game + 3.0 * cost)
    torch.testing.assert_close(record["loss_g"], game)


class Driven(nn.Module):
    """A generator whose numbers are clamped, those of the first channel driven far out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.body = nn.Linear(LATENT + 3, 32)
        with torch.no_grad():
            self.body.bias[:16] = -50.0

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return bounded(self.body(torch.cat((latent, condition), 1)) / 4).reshape(-1, *LAYOUT.shape)


def test_numbers_that_are_clamped_are_no_part_of_a_paths_length() -> None:
    """The gradient that leads a number back from beyond its end is none of the generator's slope: that is the slope of a true clamp."""
    players, batch, draw = Players(Driven(), players_().discriminator.network), batch_(4), noise_(4, path=True).generator
    assert draw.directions is not None
    assert batch.condition is not None
    _, record = generator_move(players, batch, draw, objective_(weights=Weights(path=1.0)), RATES)
    body, step = players.generator.network.body, 1e-3
    assert isinstance(body, nn.Linear)

    def along(latent: Tensor) -> Tensor:
        x = (body(torch.cat((latent, batch.condition), 1)) / 4).clamp(-1, 1)  # type: ignore[list-item]
        return (x * draw.directions.flatten(1)).sum(1) / 16**0.5  # type: ignore[union-attr]

    with torch.no_grad():
        moved = torch.stack([(along(draw.latent + step * e) - along(draw.latent - step * e)) / (2 * step) for e in torch.eye(LATENT)], 1)
    torch.testing.assert_close(record["path_length"], moved.norm(dim=1).mean(), rtol=1e-3, atol=1e-4)


def test_orthogonal_rows_of_the_generator_are_asked_for() -> None:
    players, batch, draw = players_(), batch_(4), noise_(4).generator
    loss, record = generator_move(players, batch, draw, objective_(weights=Weights(orthogonal=0.3)), RATES)
    game, _ = generator_move(players, batch, draw, objective_(), RATES)
    matrices = [p for p in players.generator.parameters if p.dim() > 1]
    cost = torch.stack([((w @ w.T) * (1 - torch.eye(len(w)))).square().sum() for w in matrices]).sum()
    assert len(matrices) == 2
    torch.testing.assert_close(record["orthogonal"], cost)
    assert_moved_by(loss, players, "generator", game + 0.3 * cost)


@pytest.mark.parametrize("name", [name for name, pair in NETWORKS.items() if not pair.told])
@pytest.mark.parametrize("finish", [lambda network: network, spectral], ids=["as it is", "spectral"])
def test_the_rows_that_are_asked_for_are_those_the_layers_use(name: str, finish: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    network = finish(NETWORKS[name].generator(Layout((Block("pixels", 1, "bounded"),), (8, 8)), LATENT, 4)).eval()
    found, stored = _correlation(network), correlation(network.parameters())
    changed = [(m, list(listed)) for m in network.modules() if isinstance(listed := getattr(m, "parametrizations", None), nn.ModuleDict)]
    for module, names in changed:
        for parameter in names:
            parametrize.remove_parametrizations(module, parameter)  # what a layer used is now what it keeps
    torch.testing.assert_close(found, correlation(network.parameters()))
    assert torch.isclose(found, stored) == (not changed)


# --- packs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 3), (6, 2, 5), (6, 2, 3, 4)], ids=["row", "line", "plane"])
def test_a_pack_is_neighbours_with_their_channels_in_a_row(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    for count in (1, 2, 3):
        found = packed(x, count)
        by_hand = torch.stack([torch.cat(list(x[i : i + count])) for i in range(0, 6, count)])
        assert torch.equal(found, by_hand)


@pytest.mark.parametrize("layout", [LAYOUT, BARE], ids=["conditional", "unconditional"])
@pytest.mark.parametrize("kind", ["r1+r2", "finite", "wgan-gp"])
def test_a_discriminator_of_packs_plays_the_game_of_samples_twice_as_wide(kind: str, layout: Layout) -> None:
    players, batch = players_(layout, pack=2), batch_(8, layout)
    noise = noise_(8, layout, directions=True, points=True)
    draw = noise.critics[0]
    goal = objective_(exact=kind != "finite", penalty=PENALTIES["r1+r2" if kind == "finite" else kind], pack=2)
    assert draw.directions is not None
    assert draw.uniform is not None

    def joined(x: Tensor | None) -> Tensor | None:
        return None if x is None else torch.stack([torch.cat((x[i], x[i + 1])) for i in range(0, len(x), 2)])

    class Twice(nn.Module):
        """A generator of packs: two latents and two conditions in, both samples out."""

        def forward(self, latent: Tensor, condition: Tensor | None) -> Tensor:
            parts = latent.chunk(2, 1), (None, None) if condition is None else condition.chunk(2, 1)
            return torch.cat([players.generator.network(z, c) for z, c in zip(*parts, strict=True)], 1)

    def wide(draw: Draw) -> Draw:
        latent, directions = joined(draw.latent), joined(draw.directions)
        assert latent is not None
        return replace(draw, latent=latent, directions=directions, uniform=None if draw.uniform is None else draw.uniform[::2])

    x = joined(batch.x)
    assert x is not None
    couple, doubled = Batch(x, joined(batch.condition)), players_(layout, pack=2)
    doubled.generator.network = Twice()
    loss, _ = discriminator_move(players, batch, draw, goal, RATES)
    wanted = written_out(doubled, couple, wide(draw), replace(goal, pack=1), RATES.gamma)
    doubled.discriminator.minimise(wanted)
    players.discriminator.minimise(loss)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(players.discriminator.gradient, doubled.discriminator.gradient, rtol=1e-4, atol=1e-6)

    d = players.discriminator.network
    fake = Twice()(wide(noise.generator).latent, couple.condition)
    loss, _ = generator_move(players, batch, noise.generator, goal, RATES)
    assert_moved_by(loss, players, "generator", F.softplus(d(couple.x, couple.condition).detach() - d(fake, couple.condition)).mean())


# --- looking ahead -------------------------------------------------------------------------------------------------------

LINE = Layout((Block("x", 2, "real"),))


class Line(nn.Module):
    """A generator A z and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor([[0.5, -0.2, 0.1], [0.3, 0.8, -0.4]]))

    def forward(self, z: Tensor) -> Tensor:
        return z @ self.matrix.T


@pytest.mark.parametrize("name", ["least-squares", "relativistic"])
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("learned", [False, True], ids=["first step", "later"])
def test_an_unrolled_generator_descends_what_it_will_be_answered_with(name: str, steps: int, learned: bool) -> None:
    """Against finite differences, in double precision, of the generator's cost after so many steps of a critic w·x written out."""
    start, rate = torch.tensor([0.7, -0.4], dtype=torch.float64), 0.2
    players = Players(Line(), linear(start.float()))
    adam = players.discriminator.optimiser
    if learned:
        adam.count = 2
        adam.square.copy_(torch.tensor([0.04, 0.5]))
    square, count = adam.square.double(), adam.count
    batch = Batch(torch.randn(6, 2, generator=torch.Generator().manual_seed(1)))
    draw = Draw(torch.randn(6, 3, generator=torch.Generator().manual_seed(2)))
    rates, goal, pair = rates_(lr_discriminator=rate), objective_(name, unrolled=steps), LOSSES[name]
    x, z = batch.x.double(), draw.latent.double()
    taken: list[Tensor] = []  # the scale of each step, held fixed while the generator is varied

    def after(matrix: Tensor) -> Tensor:
        w, fake = start, z @ matrix.T
        for k in range(steps):
            w = w.detach().requires_grad_()
            (slope,) = torch.autograd.grad(pair.discriminator(x @ w, fake @ w).mean(), w)
            if len(taken) == k:
                mean = (0.9 * square + 0.1 * slope**2) / (1 - 0.9 ** (count + 1))
                taken.append(1 / (mean.sqrt() + 1e-8))
            w = w - rate * taken[k] * slope
        w = w.detach()
        return pair.generator(x @ w, fake @ w).mean()

    matrix = players.generator.parameters[0].detach().double().clone()
    wanted, cost = torch.zeros_like(matrix), after(matrix)
    for place in torch.cartesian_prod(torch.arange(2), torch.arange(3)).tolist():
        by = torch.zeros_like(matrix)
        by[tuple(place)] = 1e-5
        wanted[tuple(place)] = (after(matrix + by) - after(matrix - by)) / 2e-5

    before = players.discriminator.weights.clone()
    loss, record = generator_move(players, batch, draw, goal, rates, looking_ahead(players, batch, draw, goal, rates))
    players.generator.minimise(loss)
    assert loss.item() == record["loss_g"].item() == pytest.approx(cost.item(), rel=1e-5)
    torch.testing.assert_close(players.generator.gradient.reshape(2, 3).double(), wanted, rtol=1e-3, atol=1e-5)
    assert torch.equal(players.discriminator.weights, before)
    players.generator.minimise(generator_move(players, batch, draw, goal, rates)[0])  # without looking ahead it is another
    assert not torch.allclose(players.generator.gradient.reshape(2, 3).double(), wanted, rtol=0.05)


def test_a_step_looked_ahead_is_the_step_that_adam_takes() -> None:
    """Without momentum, on the batch the discriminator is then shown, with no penalty: the answer foreseen is the one given."""
    players, batch, noise = players_(), batch_(8), noise_(8)
    rates, goal = rates_(gamma=0.0), objective_("hinge", unrolled=1)
    for _ in range(3):  # so that its squares are of several gradients
        players.discriminator.minimise(discriminator_move(players, batch, noise.critics[0], goal, rates)[0])
        players.discriminator.step(0.01, 0.0, 0.9)
    foreseen = generator_move(players, batch, noise.generator, goal, rates, looking_ahead(players, batch, noise.generator, goal, rates))[0]
    players.discriminator.minimise(discriminator_move(players, batch, noise.generator, goal, rates)[0])
    players.discriminator.step(rates.lr_discriminator, 0.0, 0.9)
    given = generator_move(players, batch, noise.generator, goal, rates)[0]
    torch.testing.assert_close(foreseen, given)


def test_what_is_looked_ahead_to_has_learned_from_augmented_samples() -> None:
    """The discriminator foreseen is the one that learns from the two halves of the batch as the generator's move shows them."""
    players, batch, draw = players_(), batch_(8), noise_(8, chances=2).generator
    rates, goal = rates_(gamma=0.0, strength=0.5), objective_("hinge", unrolled=1, augment=jitter)
    foreseen = looking_ahead(players, batch, draw, goal, rates)(batch.x, batch.condition).logits
    players.discriminator.minimise(discriminator_move(players, batch, draw, goal, rates)[0])
    players.discriminator.step(rates.lr_discriminator, 0.0, 0.9)
    torch.testing.assert_close(foreseen, players.discriminator.network(batch.x, batch.condition))


@pytest.mark.parametrize("pack", [1, 2])
def test_a_layer_that_no_gradient_reached_so_far_takes_no_endless_step(pack: int) -> None:
    """One behind a layer that starts at zero, or that nobody asks for."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(32 * pack, 8), nn.Tanh(), nn.Linear(8, 1))
    nn.init.zeros_(network[3].weight)
    network[0].idle = nn.Parameter(torch.zeros(2))
    players, batch, noise = with_discriminator(network, BARE), batch_(8, BARE), noise_(8, BARE)
    rates, goal = rates_(lr_discriminator=1e-3), objective_(unrolled=5, pack=pack)
    players.discriminator.minimise(discriminator_move(players, batch, noise.critics[0], goal, rates)[0])
    players.discriminator.step(1e-3, 0.0, 0.9)
    assert not players.discriminator.optimiser.square[: 2 + 32 * pack * 8].any()
    judge = looking_ahead(players, batch, noise.generator, goal, rates)
    now = players.discriminator.network(packed(batch.x, pack)).squeeze(1)
    assert (judge(packed(batch.x, pack), None).logits - now).abs().max() < 0.5


# --- a batch divided -----------------------------------------------------------------------------------------------------

GAMES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{name: ({"pair": name}, {}) for name, pair in LOSSES.items() if pair.apart},
    **{kind: ({"penalty": PENALTIES[kind]}, {"directions": True, "points": True}) for kind in PENALTIES if kind != "dragan"},
    "finite": ({"exact": False}, {"directions": True}),
    "lecam": ({"weights": Weights(lecam=0.5)}, {}),
    "consistency": ({"weights": Weights(consistency=0.5), "view": jitter}, {"views": 2}),
    "augmented": ({"augment": jitter}, {"chances": 2}),
    "pseudo": ({}, {"pseudo": True}),
    "path": ({"weights": Weights(path=0.5)}, {"path": True}),
    "orthogonal": ({"weights": Weights(orthogonal=0.1)}, {}),
    "packs": ({"pack": 2, "penalty": PENALTIES["wgan-gp"]}, {"points": True, "directions": True}),
    "several moves": (
        {"penalty": PENALTIES["wgan-gp"], "augment": jitter},
        {"critics": 3, "points": True, "directions": True, "chances": 2},
    ),
}


@pytest.mark.parametrize("layout", [LAYOUT, BARE], ids=["conditional", "unconditional"])
@pytest.mark.parametrize("name", GAMES)
def test_the_mean_of_two_halves_gradients_is_that_of_the_whole_batch(name: str, layout: Layout) -> None:
    """So any number of processes trains the same run: both what they draw and what they make of it."""
    settings, needs = GAMES[name]
    goal, rates = objective_(**{"centring": 0.1, **settings}), rates_(strength=0.5)
    players, moves = players_(layout, goal.pack), needs.get("critics", 1)
    players.memory["path_length"].fill_(0.3)
    players.memory["logit_real"].fill_(0.2)
    whole = batch_(16 * moves, layout)

    def slopes(world: World) -> list[Tensor]:
        batch = Batch(world.part(whole.x, moves), None if whole.condition is None else world.part(whole.condition, moves))
        noise: Noise = noise_(16, layout, world, **needs)
        parts, found = parts_of(batch, moves), []
        for part, draw in zip(parts, noise.critics, strict=True):
            players.discriminator.minimise(discriminator_move(players, part, draw, goal, rates)[0])
            found.append(players.discriminator.gradient.clone())
        players.generator.minimise(generator_move(players, parts[-1], noise.generator, goal, rates)[0])
        return [*found, players.generator.gradient.clone()]

    for both, first, second in zip(slopes(World()), slopes(World(0, 2)), slopes(World(1, 2)), strict=True):
        assert both.norm() > 1e-3
        assert not torch.allclose(first, second)
        torch.testing.assert_close((first + second) / 2, both, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, pair in LOSSES.items() if not pair.apart])
def test_a_game_of_the_whole_batch_may_not_be_divided(name: str) -> None:
    players, batch, noise = players_(), batch_(16), noise_(16)
    whole = discriminator_move(players, batch, noise.critics[0], objective_(name), RATES)[0]
    halves = [
        discriminator_move(players, part, noise_(16, world=World(rank, 2)).critics[0], objective_(name), RATES)[0]
        for rank, part in enumerate(parts_of(batch, 2))
    ]
    assert abs(sum(halves).item() / 2 - whole.item()) > 1e-4  # type: ignore[union-attr]


# --- whoever plays -------------------------------------------------------------------------------------------------------


def test_any_module_may_play() -> None:
    class Column(nn.Module):
        """A discriminator as listings write it: logits [B, 1], no condition."""

        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.line(x)

    players, batch = Players(nn.Linear(LATENT, 5), Column()), Batch(torch.randn(3, 5))
    draw = Draw(torch.randn(3, LATENT))
    players.discriminator.minimise(discriminator_move(players, batch, draw, objective_(), RATES)[0])
    players.generator.minimise(generator_move(players, batch, draw, objective_(), RATES)[0])
    assert players.discriminator.gradient.any()
    assert players.generator.gradient.any()


@pytest.mark.parametrize("batch", [1, 4])
def test_logits_of_a_column_or_a_row_are_a_row_in_float32(batch: int) -> None:
    x = torch.randn(batch, 3)
    for shape in ((batch,), (batch, 1), (batch, 1, 1, 1)):
        found = logits_of(_Fixed(torch.zeros(shape, dtype=torch.bfloat16)), x, None)
        assert found.shape == (batch,)
        assert found.dtype == torch.float32
    assert generate(_Fixed(torch.zeros(batch, 3, dtype=torch.bfloat16)), x, None).dtype == torch.float32


class _Fixed(nn.Module):
    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = value

    def forward(self, *_: Tensor) -> Tensor:
        return self.value
