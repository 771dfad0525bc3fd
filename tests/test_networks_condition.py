"""Ways of a condition into a network and out of it: one contract over every pair and way, and closed forms of the parts."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gansmith.config import NetworkSettings
from gansmith.errors import ConfigError
from gansmith.layout import Block, Layout
from gansmith.networks import NETWORKS, apart
from gansmith.networks.condition import Classes, Concatenated, ConditionalNorm, joined
from gansmith.networks.dense import DenseDiscriminator
from gansmith.networks.heads import with_condition
from gansmith.penalties import slope_exact
from test_networks import BATCH, CLASSES, LATENT, OF_NUMBERS, WIDTH, layout_for, layout_of, made, unlike

CHOICES: list[dict[str, Any]] = [
    {},
    {"conditioning": "projection", "spread": True},
    {"conditioning": "concatenation"},
    {"conditioning": "concatenation", "spread": True, "spectral": True},
    {"conditioning": "auxiliary"},
    {"conditioning": "auxiliary", "spread": True, "spectral": True},
]
# what a pair is told of a sample comes into it in one way alone (test_networks_row.py)
MEMBERS = [
    (name, positions, chosen)
    for name, positions, chosen in product(OF_NUMBERS, [(), (9,), (7, 7)], CHOICES)
    if ("row", "line", "plane")[len(positions)] in NETWORKS[name].geometries and (positions != (9,) or name == "light")
]
members = pytest.mark.parametrize(("name", "positions", "chosen"), MEMBERS)

CONDITIONS = {
    "one class": torch.eye(CLASSES)[torch.arange(BATCH) % CLASSES],
    "several labels": torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 1], [0, 0, 1]]),
    "numbers": torch.randn(BATCH, CLASSES, generator=torch.Generator().manual_seed(3)),
}


@members
def test_a_discriminator_is_features_and_their_head(name: str, positions: tuple[int, ...], chosen: dict[str, Any]) -> None:
    layout = layout_of(positions, CLASSES)
    d = made(name, layout, **chosen)[1].eval()
    x, c = torch.randn(BATCH, *layout.shape), CONDITIONS["one class"]
    h = d.features(x, c)
    assert h.dim() == 2
    assert len(h) == BATCH
    assert torch.equal(d.head(h, c), d(x, c))
    assert hasattr(d, "classes") == (chosen.get("conditioning") == "auxiliary")
    with torch.autocast("cpu", torch.bfloat16):
        h = d.features(x, c)
        assert h.dtype == d.head(h, c).dtype == torch.float32
        if hasattr(d, "classes"):
            assert d.classes(h).dtype == torch.float32
    if hasattr(d, "classes"):
        assert d.classes(h).shape == (BATCH, CLASSES)


@members
def test_every_kind_of_condition_is_heard_and_learned_from(name: str, positions: tuple[int, ...], chosen: dict[str, Any]) -> None:
    layout = layout_of(positions, CLASSES, "real")
    g, d = made(name, layout, **chosen)
    same = torch.randn(1, *layout.shape).expand(BATCH, *layout.shape)
    asked = chosen.get("conditioning") == "auxiliary"  # and so not shown
    for c in CONDITIONS.values():
        logits = d.eval()(same, c)
        assert torch.allclose(logits, logits[0]) == asked
        x = g(torch.randn(1, LATENT).expand(BATCH, -1), c)
        assert not torch.allclose(x[0], x[1])
    h = d.train().features(x, c)
    loss = (d.head(h, c) * torch.randn(BATCH)).sum()
    if asked:
        loss = loss + (d.classes(h) * torch.randn(BATCH, CLASSES)).sum()  # type: ignore[operator]
    loss.backward()
    assert not unlike(g)
    assert not unlike(d)


@members
def test_the_penalty_reaches_every_weight_it_can(name: str, positions: tuple[int, ...], chosen: dict[str, Any]) -> None:
    layout = layout_of(positions, CLASSES)
    _, d = made(name, layout, **chosen)
    x = torch.randn(BATCH, *layout.shape, requires_grad=True)
    slope = slope_exact(x, d(x, CONDITIONS["several labels"]))
    assert (slope > 0).all()
    slope.sum().backward()
    idle = [n for n in unlike(d) if "classes" not in n]  # what is said of the class is no part of a logit
    assert all(n.split(".")[-1] == "bias" or ".bias." in n for n in idle)


@pytest.mark.parametrize("name", OF_NUMBERS)
@pytest.mark.parametrize("chosen", CHOICES, ids=str)
def test_without_a_condition_the_way_of_one_changes_nothing(name: str, chosen: dict[str, Any]) -> None:
    layout = layout_of((7, 7), 0)
    if chosen.get("conditioning") == "auxiliary":
        with pytest.raises(ConfigError, match="these data have none"):
            made(name, layout, **chosen)
        return
    same = {k: v for k, v in chosen.items() if k != "conditioning"}
    one, two = made(name, layout, **chosen)[1].state_dict(), made(name, layout, **same)[1].state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_whether_samples_are_judged_apart_follows_the_settings() -> None:
    for name, chosen in product(NETWORKS, CHOICES):
        settings = NetworkSettings(name=name, **chosen)  # type: ignore[arg-type]
        assert apart(settings, layout_for(name, (7, 7), CLASSES)) == (NETWORKS[name].apart and not chosen.get("spread", False))


# --- concatenation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("positions", [(), (5,), (3, 4)])
def test_beside_a_sample_a_condition_is_the_same_everywhere_and_as_long_as_a_place_of_it(positions: tuple[int, ...]) -> None:
    x, c = torch.randn(BATCH, 4, *positions), CONDITIONS["numbers"]
    found = with_condition(x, c)
    assert torch.equal(found[:, :4], x)
    wanted = 2.0 * c.reshape(BATCH, CLASSES, *[1] * len(positions)).expand(-1, -1, *positions)
    torch.testing.assert_close(found[:, 4:], wanted)


def test_concatenation_is_the_network_of_samples_with_more_channels() -> None:
    layout = Layout((Block("a", 1, "bounded", 0.3, 0.5), Block("condition", 1, "real")), (7, 7), CLASSES)
    d = made("residual", layout, conditioning="concatenation")[1]
    assert isinstance(d, Concatenated)
    x, c = torch.randn(BATCH, 2, 7, 7), CONDITIONS["one class"]
    beside = (2**0.5 * c)[:, :, None, None].expand(-1, -1, 7, 7)
    torch.testing.assert_close(d(x, c), d.network(torch.cat((x, beside), 1)))
    assert d.network.start.weight.shape[1] == 2 + CLASSES  # type: ignore[union-attr]


def test_a_dense_network_sees_a_condition_once_and_not_at_every_place() -> None:
    layout = Layout((Block("a", 1, "real", 0.3, 0.5), Block("b", 2, "real", -1.0, 2.0)), (7, 7), CLASSES)
    d = made("dense", layout, conditioning="concatenation")[1]
    assert isinstance(d, Concatenated)
    assert isinstance(d.network, DenseDiscriminator)
    assert d.network.layers[0].weight.shape[1] == 3 * 49 + CLASSES  # type: ignore[union-attr]
    x = torch.randn(BATCH, 3, 7, 7)
    seen = d.network.input(with_condition(x.flatten(1), CONDITIONS["one class"]))
    apart = torch.cat(((x[:, :1] - 0.3) / 0.5, (x[:, 1:] + 1.0) / 2.0), 1)  # each block still in its own spread
    torch.testing.assert_close(seen[:, : 3 * 49], apart.flatten(1))


def test_the_layout_of_samples_with_their_conditions_has_a_block_more() -> None:
    layout = layout_of((5, 6), CLASSES)
    assert joined(layout, flat=False).shape == (2 + CLASSES, 5, 6)
    assert joined(layout, flat=True).shape == (2 * 30 + CLASSES,)
    assert joined(layout, flat=True).condition == joined(layout, flat=False).condition == 0


# --- the auxiliary classifier --------------------------------------------------------------------------------------------


def test_classes_are_a_line_of_the_features() -> None:
    d = made("dense", layout_of((), CLASSES), conditioning="auxiliary")[1]
    assert isinstance(d.classes, Classes)
    h = torch.randn(4, WIDTH)
    torch.testing.assert_close(d.classes(h), h @ d.classes.weight.T + d.classes.bias)


# --- conditional normalisation -------------------------------------------------------------------------------------------


def plain(h: Tensor, kind: str) -> Tensor:
    """Normalised channels by arithmetic."""
    axes = {"batch": (0, *range(2, h.dim())), "instance": tuple(range(2, h.dim())), "layer": tuple(range(1, h.dim()))}[kind]
    return (h - h.mean(axes, keepdim=True)) / (h.var(axes, unbiased=False, keepdim=True) + 1e-5).sqrt()


def drawn_norm(kind: str, dims: int) -> ConditionalNorm:
    torch.manual_seed(0)
    norm = ConditionalNorm(6, dims, CLASSES, kind)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_()
    return norm


@pytest.mark.parametrize("kind", ["batch", "instance", "layer"])
@pytest.mark.parametrize("positions", [(9,), (3, 4)])
def test_a_class_has_gains_and_biases_of_its_own(kind: str, positions: tuple[int, ...]) -> None:
    norm, h = drawn_norm(kind, len(positions)), 3 + 2 * torch.randn(BATCH, 6, *positions)
    assert norm.gains is not None
    assert norm.biases is not None
    for label in range(CLASSES):
        c = F.one_hot(torch.full((BATCH,), label), CLASSES).float()
        gain, bias = (v.reshape(1, 6, *[1] * len(positions)) for v in (norm.gain + norm.gains[label], norm.bias + norm.biases[label]))
        torch.testing.assert_close(norm(h, c), plain(h, kind) * gain + bias)


@pytest.mark.parametrize("kind", ["batch", "instance", "layer"])
def test_conditional_normalisation_is_linear_in_the_condition(kind: str) -> None:
    norm, h, c = drawn_norm(kind, 2), torch.randn(BATCH, 6, 3, 4), CONDITIONS["numbers"]
    nothing = norm(h, torch.zeros(BATCH, CLASSES))
    torch.testing.assert_close(nothing, norm(h, None))
    parts = sum(norm(h, c * F.one_hot(torch.tensor(k), CLASSES)) - nothing for k in range(CLASSES))
    torch.testing.assert_close(norm(h, c) - nothing, parts, rtol=1e-4, atol=1e-4)


def test_at_the_start_every_class_is_normalised_alike() -> None:
    norm, h = ConditionalNorm(6, 1, CLASSES), torch.randn(BATCH, 6, 5)
    torch.testing.assert_close(norm(h, CONDITIONS["one class"]), plain(h, "batch"))
    assert {n for n, _ in ConditionalNorm(6, 1, 0).named_parameters()} == {"gain", "bias"}
