"""Where the latent enters: found in every generator, whatever its layers, and the very map that they make of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gansmith.layout import Block, Layout
from gansmith.networks import NETWORKS
from gansmith.networks.dense import DenseGenerator
from gansmith.networks.devices import spectral
from gansmith.networks.entrance import entrance, styled
from gansmith.networks.stylegan2 import Modulated

LATENT, WIDTH, CLASSES = 7, 8, 3


def layout_of(condition: int) -> Layout:
    return Layout((Block("x", 2, "bounded"),), (8, 8), condition)


@pytest.mark.parametrize("condition", [0, CLASSES])
@pytest.mark.parametrize("name", [name for name in NETWORKS if not NETWORKS[name].told])
def test_every_generator_that_is_told_nothing_of_a_sample_has_an_entrance(name: str, condition: int) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name].generator(layout_of(condition), LATENT, WIDTH).eval()
    classes = torch.eye(CLASSES)[:2] if condition else None
    before = {k: v.clone() for k, v in network.state_dict().items()}

    def run(entering: Tensor) -> Tensor:
        return network.synthesis(entering, torch.zeros(2, LATENT)) if styled(network) else network(entering, classes)  # type: ignore[operator]

    found = entrance(network, run, LATENT)
    assert found is not None
    assert found.shape[1] == LATENT
    assert torch.linalg.matrix_rank(found) == LATENT
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(m._forward_pre_hooks for m in network.modules())


@pytest.mark.parametrize("name", [name for name in NETWORKS if NETWORKS[name].told])
def test_a_latent_that_settles_choices_enters_by_no_layer(name: str) -> None:
    rows = Layout((Block("x", 2, "onehot"), Block("y", 3, "onehot")), condition=9, given=True)
    network = NETWORKS[name].generator(rows, LATENT, WIDTH).eval()
    assert entrance(network, lambda z: network(z, torch.zeros(2, 9)), LATENT) is None


@pytest.mark.parametrize("condition", [0, CLASSES])
def test_of_dense_layers_it_is_the_first_ones_weight(condition: int) -> None:
    network = DenseGenerator(layout_of(condition), LATENT, (WIDTH, WIDTH))
    classes = torch.eye(CLASSES)[:2] if condition else None
    found = entrance(network, lambda z: network(z, classes), LATENT)
    assert found is not None
    torch.testing.assert_close(found, network.layers[0].weight[:, :LATENT])


def test_of_styles_it_is_every_modulation() -> None:
    network = NETWORKS["stylegan2"].generator(layout_of(0), LATENT, WIDTH).eval()
    assert styled(network)
    found = entrance(network, lambda w: network.synthesis(w, torch.zeros(2, LATENT)), LATENT)  # type: ignore[operator]
    modulations = [m.style.weight for m in network.modules() if isinstance(m, Modulated)]
    assert len(modulations) >= 4
    assert found is not None
    heads = torch.cat(modulations)
    assert len(found) == len(heads)
    torch.testing.assert_close(found.square().sum(), heads.square().sum())
    torch.testing.assert_close(found.T @ found, heads.T @ heads, atol=1e-4, rtol=1e-4)


def test_convolutions_and_divided_weights_are_taken_as_they_act() -> None:
    layer = nn.ConvTranspose2d(LATENT, 4, 3)
    network = nn.Sequential(nn.Unflatten(1, (LATENT, 1, 1)), layer, nn.ReLU())
    found = entrance(network, network, LATENT)
    assert found is not None
    torch.testing.assert_close(found, layer.weight.flatten(1).T)
    divided = spectral(nn.Sequential(nn.Linear(LATENT, 4))).eval()
    torch.testing.assert_close(entrance(divided, divided, LATENT), divided[0].weight)


def test_a_latent_that_is_changed_before_any_layer_has_none() -> None:
    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(LATENT, 4)

        def forward(self, latent: Tensor) -> Tensor:
            found: Tensor = self.layer(nn.functional.normalize(latent))
            return found

    network = Normalised()
    assert entrance(network, network, LATENT) is None
    assert not network.layer._forward_pre_hooks
