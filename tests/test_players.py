"""Flat players: the same optimiser as on ordinary parameters, whatever the network, and states that can be carried over."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from gansmith.engine.players import Player, Players
from gansmith.errors import ConfigError


class Odd(nn.Module):
    """What a user may bring: convolutions kept channels_last, batch statistics, a tied weight, one that is frozen and one that is idle."""

    def __init__(self) -> None:
        super().__init__()
        # no bias before batch statistics: its gradient is pure rounding, which Adam would enlarge to a whole step
        self.convolution = nn.Conv2d(1, 4, 3, bias=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm2d(4)
        self.first = nn.Linear(16, 16)
        self.second = nn.Linear(16, 16)
        self.second.weight = self.first.weight
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.frozen = nn.Parameter(torch.ones(16), requires_grad=False)
        self.idle = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.convolution(x)).flatten(1)  # [B, 4, 2, 2] -> [B, 16]
        return (self.scale * self.second(self.first(h).tanh()) * self.frozen).sum(1)


def odd(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Odd()


def inputs(step: int) -> Tensor:
    return torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(step))


def train(player: Player, steps: range) -> None:
    for step in steps:
        player.minimise(player.network(inputs(step)).square().mean())
        player.step(1e-2, 0.0, 0.9 + 0.01 * step)


def test_steps_equal_those_of_adam_on_ordinary_parameters() -> None:
    network = odd()
    plain = copy.deepcopy(network)
    adam = torch.optim.Adam([p for p in plain.parameters() if p.requires_grad], betas=(0.0, 0.9), eps=1e-8)
    player = Player(network, "generator")
    train(player, range(5))
    for step in range(5):
        adam.param_groups[0].update(lr=1e-2, betas=(0.0, 0.9 + 0.01 * step))
        adam.zero_grad()
        plain(inputs(step)).square().mean().backward()
        adam.step()
    for (name, found), wanted in zip(network.state_dict().items(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-7, msg=name)


def test_weights_and_gradients_are_views_of_the_flat_ones() -> None:
    player = Player(odd(), "generator")
    assert player.weights.numel() == sum(p.numel() for p in player.network.parameters() if p.requires_grad)
    with torch.no_grad():
        player.weights.fill_(0.25)
    assert all((p == 0.25).all() for p in player.parameters)
    player.minimise(player.network(inputs(0)).mean())
    assert torch.equal(torch.cat([p.grad.reshape(-1) for p in player.parameters if p.grad is not None]), player.gradient)


def test_only_what_is_minimised_receives_a_gradient_and_the_last_one_is_forgotten() -> None:
    players = Players(nn.Linear(3, 3), nn.Linear(3, 1))
    x = torch.randn(4, 3)
    loss = players.discriminator.network(players.generator.network(x)).mean()
    players.generator.minimise(loss)
    assert players.generator.gradient.any()
    assert not players.discriminator.gradient.any()
    first = players.generator.gradient.clone()
    players.generator.minimise(players.discriminator.network(players.generator.network(x)).mean())
    torch.testing.assert_close(players.generator.gradient, first)


def test_a_state_carried_to_a_new_player_goes_on_as_if_nothing_had_happened() -> None:
    whole, cut = Player(odd(), "generator"), Player(odd(), "generator")
    train(whole, range(6))
    train(cut, range(3))
    state = {k: v.clone() for k, v in cut.state().items()}
    other = Player(odd(seed=1), "generator")
    other.network.frozen.data.fill_(9.0)  # type: ignore[union-attr, operator]
    train(other, range(2))
    other.load(state)
    train(other, range(3, 6))
    assert state.keys() == whole.state().keys() == other.state().keys()
    for name, value in whole.state().items():
        assert torch.equal(value, other.state()[name]), name


def test_loading_does_not_tie_two_players_together() -> None:
    one, two = Player(odd(), "generator"), Player(odd(), "generator")
    train(one, range(2))
    two.load(one.state())
    before = {k: v.clone() for k, v in one.state().items()}
    train(two, range(2))
    assert all(torch.equal(v, before[k]) for k, v in one.state().items())


def test_a_state_from_before_the_first_step_brings_the_optimiser_back_to_its_start() -> None:
    fresh, used = Player(odd(), "generator"), Player(odd(), "generator")
    start = {k: v.clone() for k, v in fresh.state().items()}
    train(used, range(3))
    used.load(start)
    train(fresh, range(2))
    train(used, range(2))
    assert torch.equal(fresh.weights, used.weights)


@pytest.mark.parametrize("fails", [False, True])
def test_the_average_is_in_place_for_a_block_alone_also_when_it_raises(fails: bool) -> None:
    players = Players(odd(), nn.Linear(1, 1))
    network = players.generator.network
    network.norm.eval()  # type: ignore[union-attr, operator]
    modes = [m.training for m in network.modules()]
    players.average.fill_(2.0)
    live = players.generator.weights.clone()

    def use() -> None:
        with players.averaged() as averaged:
            assert all((p == 2.0).all() for p in averaged.parameters() if p.requires_grad)
            assert not any(m.training for m in averaged.modules())
            if fails:
                raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            use()
    else:
        use()
    assert torch.equal(players.generator.weights, live)
    assert [m.training for m in network.modules()] == modes
    assert torch.equal(players.average, torch.full_like(live, 2.0))


def test_the_average_starts_as_the_weights_and_is_apart_from_them() -> None:
    players = Players(nn.Linear(3, 3), nn.Linear(3, 1))
    assert torch.equal(players.average, players.generator.weights)
    players.average.zero_()
    assert players.generator.weights.any()


def test_the_culprit_is_named() -> None:
    player = Player(odd(), "generator")
    assert player.culprit() == ""
    player.minimise(player.network(inputs(0)).mean())
    assert player.culprit() == ""
    gradient = dict(player.named)["first.bias"].grad
    assert gradient is not None
    gradient[3] = torch.nan
    assert player.culprit() == "gradient of generator.first.bias"
    gradient.zero_()
    with torch.no_grad():
        dict(player.named)["scale"].fill_(torch.inf)
    assert player.culprit() == "value of generator.scale"


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(ConfigError, match="the generator has no parameter"):
        Player(nn.Flatten(), "generator")
    with pytest.raises(ConfigError, match="not float32"):
        Player(nn.Linear(2, 2).double(), "discriminator")
