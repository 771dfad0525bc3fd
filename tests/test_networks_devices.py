"""What is done to whole networks: singular values, equal rates, the spread of neighbours; and that it is trained, saved and loaded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gansmith.config import NetworkSettings
from gansmith.engine.players import Players
from gansmith.layout import Layout
from gansmith.networks import NETWORKS, discriminator
from gansmith.networks.devices import Spread, equalised, minibatch_spread, spectral, weights
from gansmith.networks.heads import Projection
from test_networks import CLASSES, WIDTH, condition_of, latents, layout_for, layout_of, made, samples

ALL: dict[str, Any] = {"conditioning": "auxiliary", "spread": True, "spectral": True}


def chosen_for(name: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """As many of them as a pair takes: what it is told of a sample comes into it in one way alone."""
    return {k: v for k, v in chosen.items() if not (k == "conditioning" and NETWORKS[name].told)}


# --- spectral normalisation ----------------------------------------------------------------------------------------------


def largest(weight: Tensor) -> float:
    return float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_largest_singular_value_of_every_weight_is_1_also_of_those_that_would_start_at_zero(name: str) -> None:
    torch.manual_seed(0)
    settings = NetworkSettings(name=name, width=WIDTH, **chosen_for(name, ALL))  # type: ignore[arg-type]
    d = discriminator(settings, layout_for(name, (7, 7), CLASSES))
    found = list(weights(d))
    assert len(found) > 2
    for module, which in found:
        assert getattr(module, which).isfinite().all()
        for _ in range(300):  # steps of the power method
            getattr(module, which)
        assert largest(getattr(module, which)) == pytest.approx(1.0, rel=0.02), which


@pytest.mark.parametrize("name", ["sngan", "sagan"])
def test_pairs_that_divide_their_weights_do_so_by_themselves_and_once(name: str) -> None:
    layout = layout_of((7, 7), 0)
    one, two = made(name, layout)[1].state_dict(), made(name, layout, spectral=True)[1].state_dict()
    assert one.keys() == two.keys()
    assert any(k.endswith("_u") for k in one)
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_attention_comes_with_divided_weights_of_the_generator() -> None:
    plain, divided = made("sngan", layout_of((7, 7), CLASSES))[0], made("sagan", layout_of((7, 7), CLASSES))[0]
    assert not any(k.endswith("_u") for k in plain.state_dict())
    layers = [m for m in divided.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert sum(k.endswith("_u") for k in divided.state_dict()) == len(layers) > 8


def test_a_power_step_is_taken_in_train_mode_alone() -> None:
    torch.manual_seed(0)
    layer = spectral(nn.Linear(20, 30))
    before = {k: v.clone() for k, v in layer.named_buffers()}
    layer.eval()(torch.randn(2, 20))
    assert all(torch.equal(v, before[k]) for k, v in layer.named_buffers())
    layer.train()(torch.randn(2, 20))
    assert not any(torch.equal(v, before[k]) for k, v in layer.named_buffers())


def test_what_is_no_matrix_is_left() -> None:
    layer = spectral(nn.BatchNorm1d(4))
    assert not list(layer.named_children())


def test_a_divided_network_does_not_stretch() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(10, 20), nn.LeakyReLU(0.2), nn.Linear(20, 20), nn.LeakyReLU(0.2), nn.Linear(20, 5))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(30)
    spectral(network)
    for _ in range(100):
        network(torch.zeros(1, 10))
    a, b = torch.randn(200, 10), torch.randn(200, 10)
    assert ((network(a) - network(b)).norm(dim=1) <= 1.001 * (a - b).norm(dim=1)).all()


# --- equal rates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.0, 0.01])
def test_equalised_weights_are_what_they_were_and_move_in_their_own_spread(rate: float) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(100, 50)
    before = {n: p.detach().clone() for n, p in layer.named_parameters()}
    equalised(layer, rate)
    torch.testing.assert_close(layer.weight, before["weight"])
    torch.testing.assert_close(layer.bias, before["bias"])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1.0)
    torch.testing.assert_close(layer.weight, before["weight"] + rate / 10)  # 10: the root of 100 inputs
    torch.testing.assert_close(layer.bias, before["bias"] + rate)


# --- the spread of neighbours --------------------------------------------------------------------------------------------


def test_spread_of_equal_samples_is_0_and_of_a_known_batch_the_known_number() -> None:
    assert minibatch_spread(torch.randn(1, 3, 2, 2).expand(8, -1, -1, -1)).max() < 2e-4
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 6.0], [-1.0, 6.0], [5.0, 2.0], [5.0, 2.0], [5.0, -2.0], [5.0, -2.0]])
    torch.testing.assert_close(minibatch_spread(x), torch.tensor([2.0] * 4 + [1.0] * 4), rtol=0, atol=1e-4)


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_groups_are_even_runs_of_at_most_four(count: int, seed: int) -> None:
    x = torch.randn(count, 2, 3, generator=torch.Generator().manual_seed(seed))
    found = minibatch_spread(x)
    edges = [i for i in range(1, count) if found[i] != found[i - 1]]  # two groups may be as wide but for the last digits
    runs = x.tensor_split(edges)
    sizes = sorted(len(run) for run in runs)
    assert len(runs) == math.ceil(count / 4)
    assert sizes[-1] <= 4
    assert sizes[-1] - sizes[0] <= 1
    values = torch.cat([run.std(0, unbiased=False).mean().expand(len(run)) for run in runs])
    torch.testing.assert_close(found, values, rtol=1e-4, atol=2e-4)


def test_real_and_generated_samples_behind_each_other_stay_apart() -> None:
    real, fake = torch.randn(8, 5), torch.randn(8, 5)
    together = minibatch_spread(torch.cat((real, fake)))
    torch.testing.assert_close(together, torch.cat((minibatch_spread(real), minibatch_spread(fake))))


def test_a_last_layer_with_spread_is_a_projection_of_one_feature_more() -> None:
    torch.manual_seed(0)
    head, h, c = Spread(6, CLASSES), torch.randn(8, 6), torch.eye(CLASSES)[torch.arange(8) % CLASSES]
    plain = Projection(7, CLASSES)
    plain.load_state_dict(head.state_dict())
    torch.testing.assert_close(head(h, c), plain(torch.cat((h, minibatch_spread(h).unsqueeze(1)), 1), c))


def test_stylegan2_has_its_spread_whatever_is_asked() -> None:
    layout = layout_of((7, 7), 0)
    one, two = made("stylegan2", layout)[1].state_dict(), made("stylegan2", layout, spread=True)[1].state_dict()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert one.keys() == two.keys()


# --- trained, saved, loaded ----------------------------------------------------------------------------------------------


def train(players: Players, layout: Layout, steps: range) -> None:
    """A few steps of an ordinary game on both heads."""
    for step in steps:
        torch.manual_seed(step)
        z, x, c = latents(layout), samples(layout), condition_of(layout)
        assert c is not None
        d, g = players.discriminator, players.generator
        features = d.network.features(torch.cat((x, g.network(z, c).detach())), torch.cat((c, c)))  # type: ignore[operator]
        loss = d.network.head(features, torch.cat((c, c))).tanh().mean()  # type: ignore[operator]
        if hasattr(d.network, "classes"):
            loss = loss + d.network.classes(features).tanh().square().mean()  # type: ignore[operator]
        d.minimise(loss)
        d.step(1e-2, 0.0, 0.9)
        g.minimise(d.network(g.network(z, c), c).tanh().mean())
        g.step(1e-2, 0.0, 0.9)


@pytest.mark.parametrize("chosen", [{}, ALL], ids=["plain", "all"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_game_carried_through_a_file_goes_on_bit_for_bit(name: str, chosen: dict[str, Any], tmp_path: Path) -> None:
    layout = layout_for(name, (7, 7), CLASSES)

    def players(drawn: int = 0) -> Players:
        networks = made(name, layout, **chosen_for(name, chosen))
        if drawn:
            with torch.no_grad():
                for network in networks:
                    for tensor in (*network.parameters(), *network.buffers()):
                        tensor.fill_(drawn)
        return Players(*networks)

    whole, cut, other = players(), players(), players(drawn=7)
    train(whole, layout, range(4))
    train(cut, layout, range(2))
    for side in ("generator", "discriminator"):
        save_file(getattr(cut, side).state(), tmp_path / side)
        getattr(other, side).load(load_file(tmp_path / side))
    train(other, layout, range(2, 4))
    for side in ("generator", "discriminator"):
        found, wanted = getattr(other, side).state(), getattr(whole, side).state()
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[k], wanted[k]) for k in wanted)
        assert all(v.isfinite().all() for v in wanted.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_generator_written_and_read_draws_the_same(name: str, tmp_path: Path) -> None:
    layout = layout_for(name, (7, 7), CLASSES)
    g = made(name, layout)[0]
    z, c = latents(layout), condition_of(layout)
    g(z, c)  # in train mode, so that running statistics are no more what they start with
    save_file({k: v.contiguous() for k, v in g.state_dict().items()}, tmp_path / "weights")
    other = made(name, layout)[0]
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.zero_()
    other.load_state_dict(load_file(tmp_path / "weights"))
    assert torch.equal(other.eval()(z, c), g.eval()(z, c))
