"""What the published pairs promise beyond the contract of all: closed forms of their parts, and the sizes their papers state."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gansmith.layout import Block, Layout
from gansmith.networks import dcgan, fastgan, sngan, stylegan2
from gansmith.networks.grid import enlarge, grids
from gansmith.networks.inspect import parameters
from gansmith.penalties import path_lengths
from test_networks import BATCH, CLASSES, LATENT, condition_of, layout_of, made, wake

FACES = Layout((Block("pixels", 3, "bounded"),), (64, 64))


# --- DCGAN ---------------------------------------------------------------------------------------------------------------


def test_dcgan_of_64_pixels_has_the_layers_of_the_paper() -> None:
    with torch.device("meta"):
        g, d = dcgan.DCGANGenerator(FACES, 100, 64), dcgan.DCGANDiscriminator(FACES, 64)
    kernels = [8, 4, 2, 1]  # in 64 channels, coarse to fine
    norms = 2 * 64 * sum(kernels)
    between = 16 * 64 * 64 * sum(a * b for a, b in pairwise(kernels))
    assert parameters(g) == 100 * 512 * 16 + between + norms + 16 * 64 * 3 + 3
    assert parameters(d) == 16 * 64 * 3 + 64 + between + (norms - 2 * 64) + 512 * 16 + 1


def test_dcgan_normalises_everywhere_but_at_the_ends() -> None:
    g, d = dcgan.DCGANGenerator(FACES, 8, 4), dcgan.DCGANDiscriminator(FACES, 4)
    for network, first in ((g, nn.Linear), (d, nn.Conv2d)):
        layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        bare = {id(layers[-1]), id(layers[0])} if first is nn.Conv2d else {id(layers[-1])}
        assert len(norms) == len(layers) - len(bare)
        assert all((m.bias is None) == (id(m) not in bare) for m in layers)


@pytest.mark.parametrize("dims", [1, 2])
def test_a_transposed_convolution_doubles_and_keeps_the_scale(dims: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 64, *(20,) * dims)
    y = dcgan.transposed(64, 64, dims, gain=1.0)(x)
    assert y.shape == (4, 64, *(40,) * dims)
    assert y.std().item() == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("name", ["dcgan", "sngan", "fastgan"])
def test_in_eval_mode_running_statistics_take_the_place_of_the_batch(name: str) -> None:
    g = made(name, layout_of((9, 9), CLASSES))[0]
    z, c = torch.randn(60, LATENT), condition_of(layout_of((), CLASSES), 60)
    for _ in range(60):
        whole = g(z, c)
    torch.testing.assert_close(g.eval()(z, c), whole, rtol=0.05, atol=0.05)


# --- SNGAN and attention -------------------------------------------------------------------------------------------------


def attention(width: int = 16, dims: int = 2, gain: float = 1.0) -> sngan.Attention:
    torch.manual_seed(0)
    module = sngan.Attention(width, dims)
    nn.init.constant_(module.gain, gain)
    return module


@pytest.mark.parametrize("shape", [(2, 16, 9), (2, 16, 3, 5)])
def test_attention_starts_as_the_identity(shape: tuple[int, ...]) -> None:
    h = torch.randn(shape)
    torch.manual_seed(0)
    assert torch.equal(sngan.Attention(16, len(shape) - 2)(h), h)
    assert not torch.allclose(attention(16, len(shape) - 2)(h), h)


def test_attention_is_a_mean_of_values_weighted_by_fitting_keys() -> None:
    module, h = attention(dims=1), torch.randn(1, 16, 4)
    query, key, value = (layer.weight[:, :, 0].detach() @ h[0] for layer in (module.query, module.key, module.value))  # type: ignore[index]
    wanted = torch.empty(2, 4)
    for place in range(4):
        fit = torch.tensor([float(query[:, place] @ key[:, other]) for other in range(4)])
        share = fit.exp() / fit.exp().sum()
        wanted[:, place] = sum(share[other] * value[:, other] for other in range(4))
    torch.testing.assert_close(module(h)[0], h[0] + module.mix.weight[:, :, 0] @ wanted)  # type: ignore[index]


def test_attention_does_not_know_where_a_place_is() -> None:
    module, h, order = attention(dims=1), torch.randn(2, 16, 7), torch.randperm(7)
    torch.testing.assert_close(module(h)[..., order], module(h[..., order]))


@pytest.mark.parametrize(("side", "wanted"), [(4, 4), (8, 4), (16, 8), (32, 16), (64, 16), (128, 32), (256, 32)])
def test_attention_works_on_a_middle_grid_in_both(side: int, wanted: int) -> None:
    assert grids((side,))[sngan.middle(len(grids((side,))))] == (wanted,)
    layout = Layout((Block("x", 1, "real"),), (side,))
    seen = []
    for network, taken in ((sngan.SNGANGenerator(layout, 3, 4, True), (2, 3)), (sngan.SNGANDiscriminator(layout, 4, True), (2, 1, side))):
        assert network.attention is not None
        network.attention.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[2:]))
        network(torch.randn(taken))
    assert seen == [(wanted,), (wanted,)]


def test_features_of_sngan_are_sums_over_positions() -> None:
    d = sngan.SNGANDiscriminator(layout_of((9, 6), 0), 4)
    last: list[Tensor] = []
    d.blocks[-1].register_forward_hook(lambda _, __, h: last.append(h))
    found = d.features(torch.randn(2, 2, 9, 6))
    assert last[0].shape[2:] == (3, 2)
    torch.testing.assert_close(found, last[0].clamp(min=0).sum((2, 3)))


# --- StyleGAN2 -----------------------------------------------------------------------------------------------------------


def modulated(dims: int, kernel: int = 3, demodulate: bool = True, up: bool = False) -> stylegan2.Modulated:
    torch.manual_seed(0)
    return wake(stylegan2.Modulated(4, 6, dims, LATENT, kernel, demodulate, up))


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("dims", [1, 2])
def test_a_modulated_convolution_is_one_with_weights_of_each_samples_own(dims: int, demodulate: bool) -> None:
    layer, h, w = modulated(dims, demodulate=demodulate), torch.randn(3, 4, *(7,) * dims), torch.randn(3, LATENT)
    found = layer(h, w)
    for i in range(3):
        style = w[i] @ layer.style.weight.T + layer.style.bias  # type: ignore[operator, union-attr]
        weight = layer.weight * style.reshape(1, 4, *[1] * dims)
        if demodulate:
            weight = weight / weight.flatten(1).norm(dim=1).reshape(6, 1, *[1] * dims)
        wanted = (F.conv1d if dims == 1 else F.conv2d)(h[i : i + 1], weight, padding=1)
        torch.testing.assert_close(found[i : i + 1], wanted, rtol=1e-4, atol=1e-5)


def test_demodulated_channels_of_noise_have_variance_1_whatever_the_style() -> None:
    layer, h = modulated(2), torch.randn(4, 4, 60, 60)
    found = layer(h, 30 * torch.randn(4, LATENT))[..., 1:-1, 1:-1]
    torch.testing.assert_close(found.std((2, 3)), torch.ones(4, 6), rtol=0.1, atol=0.0)


@pytest.mark.parametrize("dims", [1, 2])
def test_enlarging_within_the_convolution_is_enlarging_before_it(dims: int) -> None:
    up, plain = modulated(dims, up=True), modulated(dims)
    with torch.no_grad():
        plain.parametrizations.weight.original.copy_(up.parametrizations.weight.original.flip(*range(2, 2 + dims)))  # type: ignore[union-attr]
    h, w = torch.randn(2, 4, *(8,) * dims), torch.randn(2, LATENT)
    found, wanted = up(h, w), plain(enlarge(h, 2, (16,) * dims), w)
    assert found.shape == wanted.shape
    inside = (..., *[slice(3, -3)] * dims)  # the edges differ in what lies beyond them
    torch.testing.assert_close(found[inside], wanted[inside], rtol=1e-4, atol=1e-5)


def test_a_style_starts_by_leaving_channels_as_they_are() -> None:
    torch.manual_seed(0)
    layer = stylegan2.Modulated(4, 6, 2, LATENT)
    torch.testing.assert_close(layer.style(torch.zeros(1, LATENT)), torch.ones(1, 4))


def generator(positions: tuple[int, ...] = (9, 6), condition: int = 0) -> stylegan2.StyleGAN2Generator:
    g = made("stylegan2", layout_of(positions, condition, "real"))[0]
    assert isinstance(g, stylegan2.StyleGAN2Generator)
    return g


def test_a_generator_is_its_synthesis_of_its_mapping() -> None:
    g = generator(condition=CLASSES).eval()
    z, c = torch.randn(BATCH, LATENT), condition_of(layout_of((), CLASSES))
    w = g.mapping(z, c)
    assert w.shape == (BATCH, LATENT)
    x = g(z, c)
    assert torch.equal(g.synthesis(w, z), x)
    torch.testing.assert_close(g.synthesis(w.unsqueeze(1).expand(-1, len(g.grids), -1), z), x)
    assert not torch.allclose(g.synthesis(w), x)  # without noise
    mixed = torch.stack([w, w, w.roll(1, 0)], 1)
    assert not torch.allclose(g.synthesis(mixed, z), x)


def test_a_mapping_knows_the_direction_of_a_latent_alone() -> None:
    mapping, z = generator().mapping.eval(), torch.randn(BATCH, LATENT)
    torch.testing.assert_close(mapping(3 * z), mapping(z))


def test_the_mean_style_is_that_of_all_batches_until_it_begins_to_forget() -> None:
    mapping = generator().mapping
    batches = [mapping(torch.randn(7, LATENT)).mean(0).detach() for _ in range(5)]
    torch.testing.assert_close(mapping.mean, torch.stack(batches).mean(0))
    mapping.eval()(torch.randn(7, LATENT))
    torch.testing.assert_close(mapping.mean, torch.stack(batches).mean(0))
    mapping.train().batches.fill_(10**6)
    before = mapping.mean.clone()
    new = mapping(torch.randn(7, LATENT)).mean(0).detach()
    torch.testing.assert_close(mapping.mean, before + (new - before) / stylegan2.FOLLOWED)


def test_the_mapping_learns_at_a_hundredth_of_the_rate() -> None:
    g = generator()
    for layer, scale in ((g.mapping.layers[0], 0.01), (g.layers[0].convolution.style, 1.0)):
        before = layer.weight.detach().clone()  # type: ignore[union-attr, operator]
        with torch.no_grad():
            layer.parametrizations.weight.original.add_(1.0)  # type: ignore[union-attr]
        torch.testing.assert_close(layer.weight - before, torch.full_like(before, scale / before.shape[1] ** 0.5))  # type: ignore[operator]


def test_the_length_of_a_path_can_be_learned_from() -> None:
    g = generator()
    z = torch.randn(BATCH, LATENT)
    w = g.mapping(z)
    x = g.synthesis(w, z)
    path_lengths(x, w, torch.randn_like(x)).square().sum().backward()
    idle = [n for n, p in g.named_parameters() if p.grad is None or not p.grad.any()]
    assert all("bias" in n or "strength" in n for n in idle)


@given(st.sampled_from([(64,), (16, 20), (1, 30), (1,)]), st.integers(1, 64), st.integers(0, 100))
def test_noise_is_a_function_of_the_latent_and_smooth(positions: tuple[int, ...], latent: int, seed: int) -> None:
    torch.manual_seed(seed)
    noise, z = stylegan2.Noise(latent, positions), torch.randn(BATCH, latent)
    found = noise(z)
    assert found.shape == (BATCH, 1, *positions)
    torch.testing.assert_close(noise(z[2:3]), found[2:3])
    assert torch.equal(noise(z), found)
    near = noise(z + 1e-3 * torch.randn(BATCH, latent))
    assert (near - found).abs().max() < 0.2
    assert not list(noise.parameters())


@pytest.mark.parametrize("positions", [(400,), (20, 20)])
@pytest.mark.parametrize("latent", [12, 64, 512])
def test_noise_is_about_normal_and_independent_from_place_to_place_and_from_latent_to_latent(
    positions: tuple[int, ...], latent: int
) -> None:
    torch.manual_seed(0)
    found = stylegan2.Noise(latent, positions)(torch.randn(4000, latent)).flatten(1)  # [4000, 400]
    error = 4000**-0.5
    assert found.mean(0).abs().max() < 6 * error + 0.02
    torch.testing.assert_close(found.var(0), torch.ones(400), rtol=0.2, atol=0.0)
    torch.testing.assert_close((found**4).mean(), torch.tensor(3.0), rtol=0.1, atol=0.0)
    between = torch.corrcoef(found.T) - torch.eye(400)
    assert between.square().mean().sqrt() < 2 / (2 * stylegan2.WAVES) ** 0.5 + error
    latents = torch.corrcoef(found[:200]) - torch.eye(200)
    assert latents.mean().abs() < 0.02


def test_two_layers_make_unlike_noise() -> None:
    g, z = generator((8,)), torch.randn(400, LATENT)
    one, two = g.ups[0].noise(z).flatten(1), g.layers[1].noise(z).flatten(1)  # type: ignore[operator, union-attr]
    assert one.shape == two.shape
    assert torch.corrcoef(torch.cat((one, two), 1).T)[: one.shape[1], one.shape[1] :].abs().max() < 0.25


def test_of_1024_pixels_it_has_the_size_the_paper_states() -> None:
    with torch.device("meta"):
        g = stylegan2.StyleGAN2Generator(Layout((Block("pixels", 3, "bounded"),), (1024, 1024)), 512, 32)
    assert round(parameters(g) / 1e6) == 30  # arXiv:1912.04958, section 4: 23 M before its large networks, 30 M with them


# --- FastGAN -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("positions", [(9,), (5, 12)])
def test_an_excitation_multiplies_each_channel_by_a_share(positions: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = fastgan.Excitation(8, 6, len(positions))
    fine, coarse = torch.randn(3, 6, *positions), torch.randn(3, 8, *(4,) * len(positions))
    share = module(fine, coarse) / fine
    flat = share.flatten(2)
    torch.testing.assert_close(flat, flat[..., :1].expand_as(flat), rtol=1e-4, atol=1e-5)
    assert (share > 0).all()
    assert (share < 1).all()
    gathered: Tensor = (module.gather.weight.flatten(1) @ coarse[0].flatten()) + module.gather.bias  # type: ignore[operator]
    gate = module.gate.weight.flatten(1) @ F.leaky_relu(gathered, 0.2) + module.gate.bias  # type: ignore[union-attr, operator]
    torch.testing.assert_close(flat[0, :, 0], gate.sigmoid())


@pytest.mark.parametrize(("side", "reach", "count"), [(4, 1, 0), (8, 1, 1), (32, 2, 2), (256, 3, 4), (1024, 4, 5)])
def test_coarse_stages_excite_far_finer_ones(side: int, reach: int, count: int) -> None:
    with torch.device("meta"):
        g = fastgan.FastGANGenerator(Layout((Block("x", 1, "real"),), (side,)), 3, 4)
    assert (g.reach, len(g.excitations)) == (reach, count)
