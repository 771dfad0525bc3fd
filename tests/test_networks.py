"""The networks: one contract over every pair and geometry, and what each part promises."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any, TypeVar

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gansmith import given as told
from gansmith.config import NetworkSettings
from gansmith.errors import ConfigError
from gansmith.layout import Block, Layout
from gansmith.networks import NETWORKS, apart, discriminator, generator, grid, light, pair, residual, row
from gansmith.networks.grid import SMALLEST, convolution, grids
from gansmith.networks.heads import Discriminator, Input, Output, Projection, bounded, with_condition
from gansmith.networks.inspect import multiply_adds, parameters
from gansmith.penalties import slope_exact

LATENT, WIDTH, CLASSES, BATCH = 5, 8, 3, 6
Network = TypeVar("Network", bound=nn.Module)
POSITIONS = [(), (1,), (2,), (9,), (64,), (1, 1), (4, 4), (7, 7), (5, 12), (1, 30), (3, 37)]
FEWER = [(), (9,), (1, 1), (7, 7), (1, 30)]  # for pairs with batch statistics, which are slow to test, and those on the same grids
EVERY = ("dense", "light", "residual")
OF_NUMBERS = [name for name in NETWORKS if not NETWORKS[name].told]  # the others make hard choices: they have no range, centre or scale
CHOICES = (Block("a", 3, "onehot", shares=(0.5, 0.3, 0.2)), Block("b", 2, "onehot"), Block("in b", 1, "bounded"), Block("c", 4, "onehot"))
ROWS = Layout(CHOICES, condition=10 + 2 * 3, given=True)


def members(positions: dict[str, list[tuple[int, ...]]], conditions: tuple[int, ...] = (0, CLASSES)) -> pytest.MarkDecorator:
    """Every pair on each of its positions that it takes, with and without a condition. What is told of a sample is always one."""
    found = [
        (name, place, condition)
        for name, places in positions.items()
        for place, condition in product(places, conditions)
        if ("row", "line", "plane")[len(place)] in NETWORKS[name].geometries
        and not (NETWORKS[name].told and not condition)
        and not (name == "sagan" and math.prod(place) == 1)  # nothing to attend to, so its queries and keys say nothing
    ]
    return pytest.mark.parametrize(("name", "positions", "condition"), found)


all_members = members({name: [(), (7, 7)] if name == "classic" else POSITIONS for name in NETWORKS})
most_members = members({name: [(), (7, 7)] if name == "classic" else POSITIONS if name in EVERY else FEWER for name in NETWORKS})
most_of_numbers = members({name: [(), (7, 7)] if name == "classic" else POSITIONS if name in EVERY else FEWER for name in OF_NUMBERS})
few_of_numbers = members({name: [(), (9,), (5, 12)] for name in OF_NUMBERS})


def layout_of(positions: tuple[int, ...], condition: int, kind: str = "bounded") -> Layout:
    return Layout((Block("x", 2, kind),), positions, condition)  # type: ignore[arg-type]


def layout_for(name: str, positions: tuple[int, ...], condition: int) -> Layout:
    """The same, for a pair that takes it; for one that is told a part of a sample, rows of choices."""
    return ROWS if NETWORKS[name].told else layout_of(positions, condition)


def latents(layout: Layout, batch: int = BATCH) -> Tensor:
    return torch.randn(batch, row.latents(layout) if layout.given else LATENT)


def samples(layout: Layout, batch: int = BATCH) -> Tensor:
    """Normal numbers, and of rows of choices whole ones."""
    if not layout.given:
        return torch.randn(batch, *layout.shape)
    parts = [
        F.one_hot(torch.randint(b.size, (batch,)), b.size) if b.kind == "onehot" else 2 * torch.rand(batch, 1) - 1 for b in layout.blocks
    ]
    return torch.cat(parts, 1)


def wake(network: Network) -> Network:
    """Nudge the weights that start at zero, behind which nothing receives a gradient at first."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
    return network


def made(name: str, layout: Layout, **chosen: Any) -> tuple[nn.Module, Discriminator]:
    torch.manual_seed(0)
    settings = NetworkSettings(name=name, width=WIDTH, latent=LATENT, **chosen)  # type: ignore[arg-type]
    return wake(generator(settings, layout)), wake(discriminator(settings, layout))


def condition_of(layout: Layout, batch: int = BATCH) -> Tensor | None:
    if layout.given:
        mask, asked = told.told(torch.rand(batch, len(told.choices(layout)) + 1))
        return told.condition(samples(layout, batch), mask, asked, told.owners(layout))
    return torch.eye(CLASSES)[torch.arange(batch) % CLASSES] if layout.condition else None


def unlike(network: nn.Module) -> list[str]:
    """Names of the parameters to which no gradient came."""
    return [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]


@all_members
def test_shapes_and_gradients(name: str, positions: tuple[int, ...], condition: int) -> None:
    layout = layout_for(name, positions, condition)
    g, d = made(name, layout)
    c = condition_of(layout)
    x = g(latents(layout), c)
    assert layout.check(x) is x
    assert x.dtype == torch.float32
    assert x.abs().max() <= 1
    logits = d(x, c)
    assert logits.shape == (BATCH,)
    assert logits.dtype == torch.float32
    (logits * torch.randn(BATCH)).sum().backward()
    assert not unlike(g)
    assert not unlike(d)


@most_members
def test_a_sample_depends_on_its_latent_alone_and_so_does_a_logit_unless_the_pair_says_otherwise(
    name: str, positions: tuple[int, ...], condition: int
) -> None:
    """In eval mode, where batch statistics are those that were learned."""
    layout = layout_for(name, positions, condition)
    g, d = (network.eval() for network in made(name, layout))
    z, x, c = latents(layout), samples(layout), condition_of(layout)
    for network, taken in ((g, z), (d, x)):
        if network is d and NETWORKS[name].spread:
            continue
        together = network(taken, c)
        alone = torch.cat([network(taken[i : i + 1], None if c is None else c[i : i + 1]) for i in range(BATCH)])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chosen", [{}, {"spread": True}], ids=["plain", "spread"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_pair_says_whether_a_logit_depends_on_other_samples_in_train_mode(name: str, chosen: dict[str, bool]) -> None:
    layout = layout_for(name, (9, 9), 0)
    _, d = made(name, layout, **chosen)
    x = samples(layout).requires_grad_()
    (slope,) = torch.autograd.grad(d(x, condition_of(layout))[0], x)
    assert slope[0].any()
    assert apart(NetworkSettings(name=name, **chosen), layout) == (not slope[1:].any())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pair_says_whether_a_sample_depends_on_other_latents_in_train_mode(name: str) -> None:
    layout = layout_for(name, (9, 9), 0)
    g, _ = made(name, layout)
    z = latents(layout).requires_grad_()
    (slope,) = torch.autograd.grad(g(z, condition_of(layout))[0].sum(), z)
    assert NETWORKS[name].made_apart == (not slope[1:].any())


@most_members
def test_the_penalty_reaches_every_weight_it_can(name: str, positions: tuple[int, ...], condition: int) -> None:
    layout = layout_for(name, positions, condition)
    _, d = made(name, layout)
    x = samples(layout).requires_grad_()
    slope = slope_exact(x, d(x, condition_of(layout)))
    assert slope.shape == (BATCH,)
    assert (slope > 0).all()
    slope.sum().backward()
    # a bias moves the slope only by moving a kink of the rectifier, which has no gradient
    assert all(n.endswith("bias") for n in unlike(d))


@most_of_numbers
def test_arithmetic_in_bfloat16_comes_near_and_gives_float32(name: str, positions: tuple[int, ...], condition: int) -> None:
    layout = layout_of(positions, condition, "real")
    g, d = (network.eval() for network in made(name, layout))
    z, x, c = torch.randn(BATCH, LATENT), torch.randn(BATCH, *layout.shape), condition_of(layout)
    for network, taken in ((g, z), (d, x)):
        with torch.no_grad():
            whole = network(taken, c)
            with torch.autocast("cpu", torch.bfloat16):
                half = network(taken, c)
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, whole, rtol=0.1, atol=0.05 * float(whole.abs().max()))


@pytest.mark.parametrize("name", NETWORKS)
def test_both_can_be_trained_in_bfloat16(name: str) -> None:
    layout = layout_for(name, (7, 7), CLASSES)
    g, d = made(name, layout)
    c = condition_of(layout)
    with torch.autocast("cpu", torch.bfloat16):
        x = g(latents(layout), c)
        logits = d(x, c)
    (logits.sum() + slope_exact(x, logits).sum()).backward()
    assert not unlike(g)
    assert not unlike(d)
    assert all(p.grad is not None and p.grad.isfinite().all() for network in (g, d) for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "chosen"),
    [*((name, {}) for name in NETWORKS), *((name, {"conditioning": "auxiliary", "spectral": True, "spread": True}) for name in EVERY)],
)
def test_first_weights_come_of_the_seed_and_are_counted_without_being_made(name: str, chosen: dict[str, Any]) -> None:
    layout, settings = layout_for(name, (7, 7), CLASSES), NetworkSettings(name=name, width=WIDTH, latent=LATENT, **chosen)  # type: ignore[arg-type]
    one, two = made(name, layout, **chosen), made(name, layout, **chosen)
    with torch.device("meta"):
        nowhere = generator(settings, layout), discriminator(settings, layout)
    for a, b, c in zip(one, two, nowhere, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
        assert parameters(a) == parameters(c)
        assert all(t.is_meta for t in c.state_dict().values())


def test_a_logit_has_more_digits_than_bfloat16_also_under_autocast() -> None:
    head, h = Projection(64, CLASSES), torch.randn(200, 64)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logit = head(h, torch.eye(CLASSES)[torch.arange(200) % CLASSES])
    torch.testing.assert_close(logit, head(h, torch.eye(CLASSES)[torch.arange(200) % CLASSES]))


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_a_sample_reaches_both_ends_of_its_range_exactly(name: str) -> None:
    g, _ = made(name, Layout((Block("x", 2, "bounded", spread=1000.0),), (6, 6)))
    x = g(torch.randn(8, LATENT))
    assert x.min() == -1.0
    assert x.max() == 1.0


@pytest.mark.parametrize("name", NETWORKS)
def test_a_condition_is_heard_by_both(name: str) -> None:
    layout = layout_for(name, (6, 6), CLASSES)
    g, d = made(name, layout)
    z, x, c = latents(layout, 1).expand(CLASSES, -1), samples(layout, 1).expand(CLASSES, *layout.shape), condition_of(layout, CLASSES)
    for found in (g(z, c), d(x, c)):
        assert not torch.allclose(found[0], found[1])
        assert not torch.allclose(found[1], found[2])


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_many_kinds_of_block_keep_their_ranges(name: str) -> None:
    layout = Layout((Block("value", 2, "real"), Block("choice", 3, "onehot"), Block("level", 1, "bounded")), (6, 6))
    g, d = made(name, layout)
    x = 100 * torch.randn(4, LATENT)
    parts = {block: g(x)[:, where] for block, where in layout.slices().items()}
    assert parts["value"].abs().max() > 1
    torch.testing.assert_close(parts["choice"].sum(1), torch.ones(4, 6, 6))
    assert (parts["choice"] >= 0).all()
    assert parts["level"].abs().max() <= 1
    assert d(g(x)).shape == (4,)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_the_first_samples_and_logits_are_of_ordinary_size(name: str) -> None:
    """So that neither player starts out saturated, whatever the depth. Layers that stretch nothing give small logits of what is rough."""
    torch.manual_seed(0)
    layout, settings = Layout((Block("x", 3, "real"),), (32, 32)), NetworkSettings(name=name, width=16, latent=64)  # type: ignore[arg-type]
    g, d = generator(settings, layout), discriminator(settings, layout)
    x = g(torch.randn(64, 64))
    assert 0.1 < x.std() < 4
    assert (0.05 if NETWORKS[name].finish is None else 0.005) < d(torch.randn(64, *layout.shape)).std() < 4


# --- choosing a pair -----------------------------------------------------------------------------------------------------


def test_settings_lead_to_a_pair() -> None:
    settings = NetworkSettings(name="residual", width=16, latent=7)
    layout = layout_of((8, 8), 0)
    assert isinstance(generator(settings, layout), residual.ResidualGenerator)
    assert isinstance(discriminator(settings, layout), residual.ResidualDiscriminator)


def test_a_convolutional_pair_for_a_row_is_refused_with_the_mend() -> None:
    for name in set(OF_NUMBERS) - {"dense", "classic"}:
        with pytest.raises(ConfigError, match=r"network\.name=dense"):
            pair(NetworkSettings(name=name), layout_of((), 0))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"network\.name=dense"):
        grids(())


# --- heads ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "grad", "passed"),
    [
        (0.3, 1.0, 1.0),
        (0.3, -1.0, -1.0),
        (1.0, -1.0, -1.0),  # on the edge it is still inside
        (-1.0, 1.0, 1.0),
        (1.05, -1.0, -1.0),  # and within the slack
        (-1.05, 1.0, 1.0),
        (2.0, 1.0, 1.0),  # a descent step leads back
        (2.0, -1.0, 0.0),  # and here further out
        (-2.0, -1.0, -1.0),
        (-2.0, 1.0, 0.0),
    ],
)
def test_the_clamp_lets_pass_what_leads_inside(value: float, grad: float, passed: float) -> None:
    x = torch.tensor([value], requires_grad=True)
    y = bounded(x)
    y.backward(torch.tensor([grad]))
    assert y.item() == pytest.approx(max(-1.0, min(1.0, value)))
    assert x.grad is not None
    assert x.grad.item() == passed


def test_the_clamp_brings_an_escaped_number_back() -> None:
    x = torch.tensor([50.0], requires_grad=True)
    for _ in range(1000):
        (slope,) = torch.autograd.grad((bounded(x) - 0.5).square().sum(), x)
        x = (x - 0.1 * slope).detach().requires_grad_()
    assert x.item() == pytest.approx(0.5, abs=0.01)


@few_of_numbers
def test_centre_and_spread_of_the_data_change_nothing_of_the_game(name: str, positions: tuple[int, ...], condition: int) -> None:
    plain = layout_of(positions, condition, "real")
    moved = Layout((Block("x", 2, "real", centre=0.4, spread=0.125),), positions, condition)
    (g, d), (g_moved, d_moved) = made(name, plain), made(name, moved)
    z, c = torch.randn(BATCH, LATENT), condition_of(plain)
    x = g(z, c)
    torch.testing.assert_close(g_moved(z, c), 0.4 + 0.125 * x)
    torch.testing.assert_close(d_moved(0.4 + 0.125 * x, c), d(x, c), rtol=1e-4, atol=1e-4)
    for network, other, taken, taken_moved in ((g, g_moved, z, z), (d, d_moved, x.detach(), 0.4 + 0.125 * x.detach())):
        one, two = network(taken, c).sum(), other(taken_moved, c).sum() / (0.125 if network is g else 1.0)
        slopes = (torch.autograd.grad(out, list(net.parameters())) for out, net in ((one, network), (two, other)))
        for (n, _), a, b in zip(network.named_parameters(), *slopes, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=n)


def test_each_block_has_its_own_centre_and_spread() -> None:
    layout = Layout((Block("a", 2, "bounded", 0.5, 0.25), Block("b", 1, "real", -3.0, 2.0), Block("c", 2, "onehot")), (4,))
    x = torch.rand(3, 5, 4)
    wanted = torch.cat(((x[:, :2] - 0.5) / 0.25, (x[:, 2:3] + 3) / 2, x[:, 3:]), 1)
    torch.testing.assert_close(Input(layout)(x), wanted)
    back = Output(layout)(wanted)
    torch.testing.assert_close(back[:, :3], x[:, :3])
    assert Output(layout)(torch.full((1, 5, 4), 9.0))[:, :2].max() == 1.0


def test_output_of_one_block_is_that_of_many() -> None:
    one, two = Output(Layout((Block("a", 4, "bounded"),))), Output(Layout((Block("a", 2, "bounded"), Block("b", 2, "bounded"))))
    x = 2 * torch.randn(5, 4)
    assert torch.equal(one(x), two(x))


def test_projection_is_a_line_and_a_line_for_each_class() -> None:
    head, h = Projection(4, CLASSES), torch.randn(6, 4)
    c = condition_of(layout_of((), CLASSES))
    assert head.table is not None
    assert c is not None
    wanted = h @ head.line.weight[0] + head.line.bias + (h * head.table[c.argmax(1)]).sum(1)
    torch.testing.assert_close(head(h, c), wanted)
    torch.testing.assert_close(head(h, None), h @ head.line.weight[0] + head.line.bias)


def test_a_condition_is_as_long_as_a_latent() -> None:
    z, c = torch.ones(2, 16), torch.eye(2)
    found = with_condition(z, c)
    assert found.shape == (2, 18)
    torch.testing.assert_close(found[:, 16:].norm(dim=1), z.norm(dim=1))
    assert with_condition(z, None) is z


# --- grids and resampling ------------------------------------------------------------------------------------------------

sides = st.lists(st.integers(1, 200), min_size=1, max_size=2).map(tuple)


@given(sides)
def test_grids_halve_rounding_up_to_a_few_places(positions: tuple[int, ...]) -> None:
    found = grids(positions)
    assert found[0] == positions
    assert max(found[-1]) <= SMALLEST
    for fine, coarse in pairwise(found):
        assert coarse == tuple(math.ceil(p / 2) for p in fine)
        assert max(fine) > SMALLEST


@given(sides, st.integers(1, 64))
def test_stages_of_the_light_pair_start_from_patches_and_widen(positions: tuple[int, ...], width: int) -> None:
    found = light.stages(positions, width)
    assert found[0] == (tuple(math.ceil(p / light.side(positions)) for p in positions), width)
    assert [w for _, w in found] == [min(width * 2**i, width * light.LARGEST) for i in range(len(found))]


@given(sides.filter(lambda p: math.prod(p) < 2000), st.integers(1, 4))
def test_folding_puts_every_patch_into_channels(positions: tuple[int, ...], by: int) -> None:
    x = torch.randn(2, 3, *positions)
    folded = light.fold(x, by)
    assert folded.shape == (2, 3 * by ** len(positions), *(math.ceil(p / by) for p in positions))
    for offset in product(*(range(min(by, p)) for p in positions)):
        places = tuple(slice(o, None, by) for o in offset)
        channel = sum(o * by**i for i, o in enumerate(reversed(offset)))  # within those of one channel of x
        wanted = x[(..., *places)]
        assert torch.equal(folded[:, channel :: by ** len(positions)][(..., *map(slice, wanted.shape[2:]))], wanted)


@given(sides.filter(lambda p: math.prod(p) < 2000))
def test_resampling_keeps_constants_and_sizes(positions: tuple[int, ...]) -> None:
    smaller = tuple(math.ceil(p / 2) for p in positions)
    x = torch.full((1, 2, *positions), 3.0)
    for half in (grid.halve, grid.shrink):
        torch.testing.assert_close(half(x), torch.full((1, 2, *smaller), 3.0))
    for twice in (grid.double, lambda h, p: grid.enlarge(h, 2, p)):
        torch.testing.assert_close(twice(torch.full((1, 2, *smaller), 3.0), positions), x)
    assert torch.equal(grid.even(x), torch.full((1, 2, *(2 * n for n in smaller)), 3.0))


@given(sides.filter(lambda p: math.prod(p) < 2000))
def test_shrinking_takes_every_second_place_of_what_is_blurred(positions: tuple[int, ...]) -> None:
    x = torch.randn(1, 2, *positions)
    blurred = grid.blur(x)
    assert blurred.shape == x.shape
    torch.testing.assert_close(grid.shrink(x), blurred[(..., *[slice(None, None, 2)] * len(positions))])


def test_shrinking_is_the_filter_1_3_3_1_and_enlarging_its_mirror() -> None:
    impulse = F.one_hot(torch.tensor(4), 10).float().reshape(1, 1, 10)
    torch.testing.assert_close(grid.shrink(impulse)[0, 0], torch.tensor([0, 1, 3, 0, 0]) / 8)
    impulse = F.one_hot(torch.tensor(2), 5).float().reshape(1, 1, 5)
    torch.testing.assert_close(grid.enlarge(impulse, 2, (10,))[0, 0], torch.tensor([0, 0, 0, 1, 3, 3, 1, 0, 0, 0]) / 4)


def test_resampling_of_a_plane_is_that_of_its_rows_and_of_its_columns() -> None:
    x = torch.randn(2, 3, 6, 9)

    def each(x: Tensor) -> Tensor:
        """shrink along the last axis alone"""
        return grid.shrink(x.flatten(0, 2).unsqueeze(1)).squeeze(1).unflatten(0, x.shape[:3])

    torch.testing.assert_close(grid.shrink(x), each(each(x).mT).mT)


# --- the residual pair ---------------------------------------------------------------------------------------------------


def test_the_papers_widths_make_the_papers_number_of_parameters() -> None:
    layout = Layout((Block("pixels", 3, "bounded"),), (32, 32))
    with torch.device("meta"):
        players = residual.ResidualGenerator(layout, 64, residual.CIFAR10), residual.ResidualDiscriminator(layout, residual.CIFAR10)
    assert [round(parameters(p) / 1e6, 1) for p in players] == [20.7, 20.7]  # arXiv:2501.05441


@given(sides, st.integers(1, 300))
def test_default_widths_fit_any_layout(positions: tuple[int, ...], width: int) -> None:
    found = residual.widths(Layout((Block("x", 1, "real"),), positions), width)
    assert len(found) == len(grids(positions))
    assert all(w % residual.GROUP == 0 and w > 0 for w in found)
    assert found[0] - residual.GROUP < width <= found[0]
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("widths", "words"), [((16, 16), "make 3 stages"), ((16, 16, 12), "multiple of 8"), ((16, 16, 0), "multiple of 8")]
)
def test_widths_that_do_not_fit_are_refused(widths: tuple[int, ...], words: str) -> None:
    layout = layout_of((16, 16), 0)
    with pytest.raises(ConfigError, match=words):
        residual.ResidualDiscriminator(layout, widths)
    with pytest.raises(ConfigError, match=words):
        residual.ResidualGenerator(layout, LATENT, widths)


def test_blocks_do_nothing_at_the_start_and_their_branches_shrink_with_the_depth() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 32, 5, 5)
    shallow, deep = residual.Block(32, 2, 1), residual.Block(32, 2, 16)
    assert torch.equal(shallow(x), x)
    assert torch.equal(deep(x), x)
    scales = {block: (block.open.weight.std() * block.mix.weight.std()).item() for block in (shallow, deep)}  # type: ignore[operator, union-attr]
    assert scales[deep] / scales[shallow] == pytest.approx(16**-0.5, rel=0.05)  # two layers of 16^(-1/4)


def test_a_block_is_an_inverted_bottleneck_in_groups_of_16() -> None:
    block = residual.Block(32, 2, 1)
    assert [tuple(layer.weight.shape) for layer in (block.open, block.mix, block.close)] == [  # type: ignore[union-attr]
        (64, 32, 1, 1),
        (64, 16, 3, 3),
        (32, 64, 1, 1),
    ]


# --- inspection ----------------------------------------------------------------------------------------------------------


def test_multiply_adds_are_those_of_the_layers() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, groups=4), nn.Flatten(), nn.Linear(72, 5)
    )
    wanted = 8 * 3 * 9 * 64 + 8 * 2 * 9 * 9 + 72 * 5
    assert multiply_adds(network, torch.zeros(1, 3, 8, 8)) == wanted
    assert multiply_adds(network, torch.zeros(4, 3, 8, 8)) == 4 * wanted
    assert parameters(network) == (8 * 27 + 8) + (8 * 18 + 8) + (72 * 5 + 5)


def test_multiply_adds_of_a_transposed_convolution_and_of_a_product_are_counted_too() -> None:
    up = nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)
    assert multiply_adds(up, torch.zeros(2, 8, 5, 5)) == 2 * 25 * 8 * 3 * 16

    class Product(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ x.mT

    assert multiply_adds(Product(), torch.zeros(2, 4, 7)) == 2 * 4 * 4 * 7


def test_a_layer_used_twice_counts_twice() -> None:
    layer = nn.Conv1d(2, 2, 3, padding=1)
    assert multiply_adds(nn.Sequential(layer, layer), torch.zeros(1, 2, 10)) == 2 * 2 * 2 * 3 * 10
    assert parameters(nn.Sequential(layer, layer)) == 2 * 2 * 3 + 2


def test_counting_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    network[2].eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    multiply_adds(network, torch.randn(5, 3))
    assert [m.training for m in network] == [True, True, False]
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not network[0]._forward_hooks


def test_convolution_keeps_positions_and_scale() -> None:
    torch.manual_seed(0)
    for dims, kernel in ((1, 1), (1, 3), (2, 1), (2, 3)):
        x = torch.randn(4, 64, *(20,) * dims)
        y = convolution(64, 64, dims, kernel, groups=4, gain=1.0)(x)
        assert y.shape == x.shape
        assert y.std().item() == pytest.approx(1.0, rel=0.1)
