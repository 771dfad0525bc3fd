"""A step of the game: its gradients against an independent writing of them, and that a batch may be divided."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gansmith.engine.players import Players
from gansmith.engine.steps import Noise, Objective, discriminator_move, generate, generator_move, logits_of
from gansmith.layout import Batch, Block, Layout
from gansmith.losses import LOSSES
from gansmith.networks.light import LightDiscriminator, LightGenerator

LAYOUT = Layout((Block("pixels", 2, "bounded"),), (6, 6), 3)
LATENT, GAMMA = 4, 0.7
STEP = 1.0  # of the finite difference: a small one divides the rounding of the logits, and what is compared here holds for any
pairs = pytest.mark.parametrize("name", LOSSES)
forms = pytest.mark.parametrize("exact", [True, False], ids=["exact", "finite"])


def players_(condition: bool = True) -> Players:
    torch.manual_seed(0)
    layout = LAYOUT if condition else replace(LAYOUT, condition=0)
    found = Players(LightGenerator(layout, LATENT, 8), LightDiscriminator(layout, 8))
    with torch.no_grad():  # also behind the convolutions that start at zero
        for player in (found.generator, found.discriminator):
            player.weights.add_(0.05 * torch.randn_like(player.weights))
    return found


def batch_(size: int, condition: bool = True) -> Batch:
    source = torch.Generator().manual_seed(1)
    x = torch.rand(size, *LAYOUT.shape, generator=source) * 2 - 1
    return Batch(x, torch.eye(3)[torch.arange(size) % 3] if condition else None)


def noise_(size: int) -> Noise:
    source = torch.Generator().manual_seed(2)
    return Noise(
        torch.randn(size, LATENT, generator=source),
        torch.randn(size, LATENT, generator=source),
        torch.randn(2 * size, *LAYOUT.shape, generator=source),
    )


def objective_(name: str = "relativistic", exact: bool = True, centring: float = 1e-3, step: float = STEP) -> Objective:
    return Objective(LOSSES[name], exact, step, centring, nullcontext)


COSTS = {
    "relativistic": lambda real, fake: -torch.log(torch.sigmoid(real - fake)),
    "nonsaturating": lambda real, fake: -torch.log(torch.sigmoid(real)) - torch.log(1 - torch.sigmoid(fake)),
    "minimax": lambda real, fake: -torch.log(torch.sigmoid(real)) - torch.log(1 - torch.sigmoid(fake)),
}


def independent(players: Players, batch: Batch, noise: Noise, objective: Objective, name: str) -> Tensor:
    """The discriminator's loss sample by sample, as the papers write it."""
    g, d = players.generator.network, players.discriminator.network
    total = torch.zeros(())
    assert batch.condition is not None
    assert noise.directions is not None
    size = len(batch.x)
    for i in range(size):
        c = batch.condition[i : i + 1]
        fake = g(noise.discriminator[i : i + 1], c).detach()
        logits, penalty = [], torch.zeros(())
        for x, direction in ((batch.x[i : i + 1], noise.directions[i]), (fake, noise.directions[size + i])):
            x = x.clone().requires_grad_()
            logit = d(x, c)
            logits.append(logit)
            if objective.exact:
                (slope,) = torch.autograd.grad(logit, x, create_graph=True)
                penalty = penalty + slope.square().sum()
            else:
                moved = d(x + objective.step * direction, c)
                penalty = penalty + ((moved - logit) / objective.step).square().squeeze()
        real, made = logits
        total = total + (
            COSTS[name](real, made).squeeze() + GAMMA / 2 * penalty + objective.centring * ((real + made) / 2).square().squeeze()
        )
    return total / size


@pairs
@forms
def test_the_discriminators_gradient_is_that_of_the_papers(name: str, exact: bool) -> None:
    players, batch, noise, objective = players_(), batch_(5), noise_(5), objective_(name, exact, centring=0.3)
    wanted = torch.autograd.grad(independent(players, batch, noise, objective, name), players.discriminator.parameters)
    loss, record = discriminator_move(players, batch, noise, objective, GAMMA)
    players.discriminator.minimise(loss)
    torch.testing.assert_close([p.grad for p in players.discriminator.parameters], list(wanted), rtol=1e-4, atol=1e-6)
    assert not players.generator.gradient.any()
    assert all(value.isfinite() and value.shape == () for value in record.values())


@pairs
def test_the_generators_gradient_is_that_of_the_papers(name: str) -> None:
    players, batch, noise = players_(), batch_(5), noise_(5)
    g, d, c = players.generator.network, players.discriminator.network, batch.condition
    real, fake = d(batch.x, c).detach(), d(g(noise.generator, c), c)
    wanted = {
        "relativistic": -torch.log(torch.sigmoid(fake - real)),
        "nonsaturating": -torch.log(torch.sigmoid(fake)),
        "minimax": torch.log(1 - torch.sigmoid(fake)),
    }[name].mean()
    slopes = torch.autograd.grad(wanted, players.generator.parameters)
    loss, record = generator_move(players, batch, noise, objective_(name))
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(record["loss_g"], wanted)
    players.generator.minimise(loss)
    torch.testing.assert_close([p.grad for p in players.generator.parameters], list(slopes), rtol=1e-4, atol=1e-6)
    assert not players.discriminator.gradient.any()


@pytest.mark.parametrize("condition", [True, False], ids=["conditional", "unconditional"])
@pairs
@forms
def test_the_mean_of_two_halves_gradients_is_that_of_the_whole_batch(name: str, exact: bool, condition: bool) -> None:
    """So any number of processes trains the same run."""
    players, batch, noise, objective = players_(condition), batch_(64, condition), noise_(64), objective_(name, exact)
    assert noise.directions is not None

    def gradients(batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        players.discriminator.minimise(discriminator_move(players, batch, noise, objective, GAMMA)[0])
        players.generator.minimise(generator_move(players, batch, noise, objective)[0])
        return players.discriminator.gradient.clone(), players.generator.gradient.clone()

    halves = []
    for part in (slice(0, 32), slice(32, 64)):
        directions = torch.cat([n[part] for n in noise.directions.chunk(2)])
        c = None if batch.condition is None else batch.condition[part]
        halves.append(gradients(Batch(batch.x[part], c), Noise(noise.discriminator[part], noise.generator[part], directions)))
    for whole, first, second in zip(gradients(batch, noise), *halves, strict=True):
        assert whole.norm() > 1e-3
        torch.testing.assert_close((first + second) / 2, whole, rtol=1e-5, atol=1e-6)


def test_no_penalty_is_computed_where_its_weight_is_0() -> None:
    players, batch, noise = players_(), batch_(4), noise_(4)
    loss, record = discriminator_move(players, batch, noise, objective_(centring=0.0), 0.0)
    torch.testing.assert_close(loss, record["loss_d"])
    assert record["r1"] == record["r2"] == 0.0
    with_penalty, more = discriminator_move(players, batch, noise, objective_(centring=0.0), GAMMA)
    torch.testing.assert_close(with_penalty, loss + GAMMA / 2 * (more["r1"] + more["r2"]))


def test_the_record_has_both_terms_of_the_minimax_value() -> None:
    players, batch, noise = players_(), batch_(16), noise_(16)
    _, record = discriminator_move(players, batch, noise, objective_("minimax"), GAMMA)
    d, c = players.discriminator.network, batch.condition
    real, fake = d(batch.x, c), d(players.generator.network(noise.discriminator, c), c)
    torch.testing.assert_close(record["log_d_real"], F.logsigmoid(real).mean())
    torch.testing.assert_close(record["log_1_minus_d_fake"], F.logsigmoid(-fake).mean())
    torch.testing.assert_close(record["loss_d"], -record["log_d_real"] - record["log_1_minus_d_fake"])
    torch.testing.assert_close(record["logit_real"], real.mean())
    torch.testing.assert_close(record["logit_fake"], fake.mean())


def test_the_two_forms_agree_in_the_mean() -> None:
    players, batch = players_(), batch_(8)
    exact = discriminator_move(players, batch, noise_(8), objective_(exact=True), GAMMA)[1]
    found = []
    for seed in range(300):
        directions = torch.randn(16, *LAYOUT.shape, generator=torch.Generator().manual_seed(seed))
        noise = replace(noise_(8), directions=directions)
        with torch.no_grad():
            record = discriminator_move(players, batch, noise, objective_(exact=False, step=1e-2), GAMMA)[1]
        found.append(torch.stack((record["r1"], record["r2"])))
    mean, error = torch.stack(found).mean(0), torch.stack(found).std(0) / 300**0.5
    wanted = torch.stack((exact["r1"], exact["r2"])).detach()
    assert ((mean - wanted).abs() < 4 * error).all()
    assert (error < 0.1 * wanted).all()


def test_any_module_may_play() -> None:
    class Column(nn.Module):
        """A discriminator as listings write it: logits [B, 1], no condition."""

        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(5, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.line(x)

    players = Players(nn.Linear(LATENT, 5), Column())
    noise = Noise(torch.randn(3, LATENT), torch.randn(3, LATENT))
    batch = Batch(torch.randn(3, 5))
    players.discriminator.minimise(discriminator_move(players, batch, noise, objective_(), GAMMA)[0])
    players.generator.minimise(generator_move(players, batch, noise, objective_())[0])
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
