"""The augmentation: each transformation against its closed form, and what every policy promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gansmith import augment, config
from gansmith.augment import POLICIES, Policy, line, places, plane, row, values
from gansmith.augment.draws import angles, evenly, near, normals
from gansmith.augment.group import Group
from gansmith.config import Recipe
from gansmith.errors import ConfigError
from gansmith.layout import Geometry

GEOMETRIES: tuple[Geometry, ...] = ("row", "line", "plane")
seeds = st.integers(0, 2**32)
strengths = st.floats(0, 1)
ALL = [policy for by in POLICIES.values() for policy in by.values()]
every_policy = pytest.mark.parametrize("policy", ALL, ids=lambda policy: f"{policy.name}-{policy.geometry}")


def shapes(geometry: Geometry, most: int = 20) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes [B, C, *P] of a few small samples."""
    sides = [st.integers(1, most)] * GEOMETRIES.index(geometry)
    return st.tuples(st.integers(1, 4), st.integers(1, 5), *sides)


def drawn(shape: tuple[int, ...], numbers: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Samples and the numbers by which they are augmented."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=source, dtype=dtype), torch.rand(shape[0], numbers, generator=source, dtype=dtype)


def steps(count: int, axes: int = 1) -> Tensor:
    """Numbers evenly over [0, 1) along each of so many axes.  [count ** axes, axes]"""
    along = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    return torch.stack(torch.meshgrid(*[along] * axes, indexing="ij"), -1).reshape(-1, axes)


def alone(group: Group, move: int, uniform: Tensor) -> Tensor:
    """Numbers by which no transformation of a group but this one is done."""
    others = [i for i in range(len(group.moves)) if i != move]
    uniform = uniform.clone()
    uniform[:, others] = 1.0
    return uniform


def certain(group: Group, *rest: float) -> Tensor:
    """One sample's numbers by which all of a group is done, the others being told."""
    return torch.tensor([[0.0] * len(group.moves) + list(rest)], dtype=torch.float64)


# --- draws -----------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 12))
def test_whole_numbers_are_even_or_nearer_to_none(furthest: int) -> None:
    values, count = evenly(steps(2 * furthest + 1)[:, 0], furthest).unique(return_counts=True)
    assert values.tolist() == list(range(-furthest, furthest + 1))
    assert (count == 1).all()
    values, count = near(steps(furthest + 1, 2), furthest).unique(return_counts=True)
    assert values.tolist() == list(range(-furthest, furthest + 1))
    assert count.tolist() == [furthest + 1 - abs(v) for v in values.tolist()]
    ends = torch.tensor([[0.0], [1 - 2**-24]])
    assert evenly(ends[:, 0], furthest).tolist() == [-furthest, furthest]
    assert near(torch.cat((ends, ends.flip(0)), 1), furthest).tolist() == [-furthest, furthest]


def test_normal_numbers_have_the_moments_of_two_independent_normals() -> None:
    a, b = normals(steps(1000, 2)).unbind(1)
    for found, wanted in ((a, 0), (b, 0), (a * b, 0), (a**2, 1), (b**2, 1), (a**2 * b**2, 1), (a**4, 3), (b**4, 3)):
        assert found.mean().item() == pytest.approx(wanted, abs=0.03)
    assert normals(torch.tensor([[0.0, 0.0], [1 - 2**-24, 0.5]])).isfinite().all()
    assert angles(torch.tensor([0.0, 0.5, 0.75])).tolist() == pytest.approx([-math.pi, 0.0, math.pi / 2])


# --- places ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("move", "mode"), [(places.move, "symmetric"), (places.move_in_zeros, "constant")], ids=["mirror", "zeros"])
@given(st.sampled_from(["line", "plane"]).flatmap(shapes), seeds, st.data())
def test_a_move_is_a_crop_of_the_padded_sample(
    move: Callable[[Tensor, Tensor], Tensor], mode: Any, shape: tuple[int, ...], seed: int, data: st.DataObject
) -> None:
    x, _ = drawn(shape, 0, seed)
    sides = shape[2:]
    offsets = [[data.draw(st.integers(-side, side)) for side in sides] for _ in x]
    found = move(x, torch.tensor(offsets))
    for sample, moved, offset in zip(x.numpy(), found.numpy(), offsets, strict=True):
        wide = np.pad(sample, ((0, 0), *((side, side) for side in sides)), mode=mode)
        crop = tuple(slice(side - step, 2 * side - step) for side, step in zip(sides, offset, strict=True))
        np.testing.assert_array_equal(moved, wide[:, *crop])


@given(st.integers(-100, 100), st.integers(1, 12))
def test_beyond_its_ends_a_sample_goes_on_as_its_mirror_image(place: int, side: int) -> None:
    wanted = np.pad(np.arange(side), 100 + side, mode="symmetric")[place + 100 + side]
    assert places.mirrored(torch.tensor(place), side).item() == wanted


@given(st.sampled_from(["line", "plane"]).flatmap(shapes), seeds)
def test_what_is_cut_out_is_one_stretch_of_half_the_sides_and_no_more(shape: tuple[int, ...], seed: int) -> None:
    x, uniform = drawn(shape, len(shape) - 1, seed)
    x = (x + 10).requires_grad_()  # nothing is 0 by itself
    chosen = uniform[:, -1] < 0.8
    found = places.cut_out(x, uniform[:, :-1], chosen)
    (slope,) = torch.autograd.grad(found.sum(), x)
    for sample, cut, passed, centre, done in zip(x, found, slope, uniform, chosen, strict=True):
        spans = []
        for side, at in zip(sample.shape[1:], centre, strict=False):
            start = int(at * side) - side // 2 // 2
            spans.append(slice(max(start, 0), max(start + side // 2, 0)))
        wanted = sample.detach().clone()
        if done:
            wanted[:, *spans] = 0.0
        assert torch.equal(cut, wanted)
        assert torch.equal(passed, (wanted != 0).float())


@given(st.sampled_from(["line", "plane"]).flatmap(shapes), seeds)
def test_resampling_at_whole_places_gives_their_very_values(shape: tuple[int, ...], seed: int) -> None:
    x, uniform = drawn(shape, len(shape) - 2, seed)
    offset = (uniform * 60).round() - 30
    at = [place - (step - (side - 1) / 2).view(-1, *[1] * (x.ndim - 2)) for place, step, side in _along(x, offset)]
    whole = [place.round().long() for place in at]
    wanted = places.take(x, [places.mirrored(place, side) for place, side in zip(whole, x.shape[2:], strict=True)])
    assert torch.equal(places.resample(x, at), wanted)


def _along(x: Tensor, offset: Tensor) -> Any:
    return zip(places.centred(x), offset.unbind(1), x.shape[2:], strict=True)


def test_resampling_between_places_is_that_of_torch() -> None:
    x, _ = drawn((5, 3, 6, 9), 0, dtype=torch.float64)
    down, right = (torch.rand(2, 5, 6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.2) * 14
    grid = torch.stack(((2 * right + 1) / 9 - 1, (2 * down + 1) / 6 - 1), -1)
    wanted = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(places.resample(x, (down, right)), wanted)


# --- planes ----------------------------------------------------------------------------------------------------------------


def test_mirror_exchanges_left_and_right() -> None:
    x, _ = drawn((1, 2, 3, 4), 0)
    assert torch.equal(plane.mirror(x, certain(plane.MIRROR, 0.2), 1.0), x.flip(3))
    assert torch.equal(plane.mirror(x, certain(plane.MIRROR, 0.7), 1.0), x)


@pytest.mark.parametrize("side", [7, 8])
@pytest.mark.parametrize("quarters", range(4))
def test_blitting_turns_by_quarters_and_then_moves(side: int, quarters: int) -> None:
    x, _ = drawn((1, 2, side, side), 0)
    turned = torch.rot90(x, -quarters, (2, 3))  # clockwise as seen
    wanted = places.move(turned, torch.tensor([[1, -1]]))
    assert torch.equal(plane.blit(x, certain(plane.BLIT, (quarters + 0.5) / 4, 0.99, 0.01), 1.0), wanted)


def test_a_half_turn_keeps_what_is_not_square() -> None:
    x, _ = drawn((1, 2, 3, 8), 0)
    assert torch.equal(plane.blit(x, certain(plane.BLIT, 0.6, 0.5, 0.5), 1.0), x.flip(2, 3))


@given(seeds)
def test_the_geometric_group_is_one_affine_map(seed: int) -> None:
    x, uniform = drawn((1, 2, 7, 10), plane.GEOMETRIC.numbers, seed, torch.float64)
    uniform[:, :5] = 0.0
    (larger, taller), slide = (2 ** (0.2 * normals(uniform[:, 5:7])[0])).tolist(), normals(uniform[:, 9:11])[0] / 8
    first, second = angles(uniform[0, 7:9]).tolist()

    def turn(angle: float) -> np.ndarray:
        """Clockwise as seen, of (down, right) about the middle."""
        return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])

    forward = turn(second) @ np.diag([taller, 1 / taller]) @ turn(first) * larger
    down, right = np.mgrid[:7, :10] - np.array([3.0, 4.5]).reshape(2, 1, 1)
    moved = np.stack((down - 7 * slide[0].item(), right - 10 * slide[1].item())).reshape(2, -1)
    source = (np.linalg.inv(forward) @ moved).reshape(2, 7, 10) + np.array([3.0, 4.5]).reshape(2, 1, 1)
    wanted = places.resample(x, [torch.from_numpy(place).unsqueeze(0) for place in source])
    torch.testing.assert_close(plane.geometric(x, uniform, 1.0), wanted)


def test_a_turn_and_a_second_one_are_together_as_likely_as_the_strength() -> None:
    uniform = torch.ones(40_000, plane.GEOMETRIC.numbers)
    uniform[:, 3:] = torch.rand(40_000, plane.GEOMETRIC.numbers - 3, generator=torch.Generator().manual_seed(0))
    x, _ = drawn((1, 1, 2, 2), 0)
    changed = (plane.geometric(x.expand(40_000, 1, 2, 2), uniform, 0.6) != x).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.6, abs=0.01)


# --- values ----------------------------------------------------------------------------------------------------------------


@given(st.sampled_from(GEOMETRIES).flatmap(lambda g: shapes(g, 6)), seeds)
def test_the_colour_of_diffaugment_is_as_published(shape: tuple[int, ...], seed: int) -> None:
    x, uniform = drawn(shape, 4, seed, torch.float64)
    uniform[:, 0] = 0.0
    for sample, found, (_, brightness, saturation, contrast) in zip(
        x.numpy(), values.diffaugment_colour(x, uniform, 1.0).numpy(), uniform.tolist(), strict=True
    ):
        bright = sample + (brightness - 0.5)
        mean = bright.mean(0, keepdims=True)
        saturated = (bright - mean) * (saturation * 2) + mean
        wanted = (saturated - saturated.mean()) * (contrast + 0.5) + saturated.mean()
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@given(seeds, st.booleans())
def test_the_colours_of_ada_are_the_product_of_the_papers_matrices(seed: int, flipped: bool) -> None:
    x, uniform = drawn((1, 3, 2, 3), values.ADA_COLOUR.numbers, seed, torch.float64)
    uniform[:, :5], uniform[:, 7] = 0.0, 0.2 if flipped else 0.7
    brightness, contrast = normals(uniform[:, 5:7])[0].tolist()
    theta, saturation = angles(uniform[0, 8]).item(), normals(uniform[:, 9:11])[0, 0].item()
    v = np.full(3, 3**-0.5)
    grey, cross = np.outer(v, v), np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])

    def linear(m: np.ndarray) -> np.ndarray:
        return np.block([[m, np.zeros((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]])

    shift = np.eye(4)
    shift[:3, 3] = 0.2 * brightness
    chain = [
        shift,
        linear(np.eye(3) * 2 ** (0.5 * contrast)),
        linear(np.eye(3) - 2 * grey * flipped),
        linear(math.cos(theta) * np.eye(3) + math.sin(theta) * cross + (1 - math.cos(theta)) * grey),
        linear(grey + (np.eye(3) - grey) * 2**saturation),
    ]
    whole = np.linalg.multi_dot(chain[::-1])
    pixels = np.concatenate((x.numpy().reshape(3, -1), np.ones((1, 6))))
    found = values.ada_colour(x, uniform, 1.0).numpy().reshape(3, -1)
    np.testing.assert_allclose(found, (whole @ pixels)[:3], atol=1e-10)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_that_are_no_colours_have_brightness_and_contrast(channels: int) -> None:
    x, uniform = drawn((20, channels, 3, 3), values.ADA_COLOUR.numbers, dtype=torch.float64)
    uniform[:, :5] = 0.0
    brightness, contrast = normals(uniform[:, 5:7]).unbind(1)
    sign = torch.where(uniform[:, 7] < 0.5, -1.0, 1.0) if channels == 1 else torch.ones(20)  # the luma of a grey picture is the picture
    offset, factor = (part.view(-1, 1, 1, 1) for part in (0.2 * brightness, sign * 2 ** (0.5 * contrast)))
    torch.testing.assert_close(values.ada_colour(x, uniform, 1.0), factor * (x + offset))
    both = torch.cat((uniform[:, :2], uniform[:, 5:7]), 1)
    torch.testing.assert_close(values.levels(x, both, 1.0), factor.abs() * (x + offset))


# --- lines and rows --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 30), seeds)
def test_a_line_is_stretched_about_its_middle_and_slides(length: int, seed: int) -> None:
    x, uniform = drawn((1, 1, length), line.GEOMETRIC.numbers, seed, torch.float64)
    uniform[:, :2] = 0.0
    stretch, slide = normals(uniform[:, 2:4])[0].tolist()
    middle = (length - 1) / 2
    source = (np.arange(length) - middle - slide * length / 8) / 2 ** (0.2 * stretch) + middle
    wide = np.pad(x[0, 0].numpy(), 10 * length, mode="symmetric")
    wanted = np.interp(source, np.arange(len(wide)) - 10 * length, wide)
    np.testing.assert_allclose(line.geometric(x, uniform, 1.0)[0, 0].numpy(), wanted, atol=1e-9)


def test_a_line_is_reversed_and_turned_upside_down() -> None:
    x, _ = drawn((1, 2, 5), 0)
    cases: dict[tuple[float, float], Tensor] = {(0.2, 0.7): x.flip(2), (0.7, 0.2): -x, (0.2, 0.2): -x.flip(2), (0.7, 0.7): x}
    for (back, down), wanted in cases.items():
        assert torch.equal(line.reflect(x, certain(line.REFLECTED, back, down), 1.0), wanted)


@given(st.integers(1, 40))
def test_half_of_a_rows_columns_are_cut_out_each_as_often_as_any(columns: int) -> None:
    uniform = torch.cat((torch.zeros(columns, 1), steps(columns).float()), 1)
    gone = row.cut_out(torch.ones(columns, columns), uniform, 1.0) == 0
    assert (gone.sum(0) == columns // 2).all()
    assert (gone.sum(1) == columns // 2).all()
    if columns > 1:
        assert ((gone & ~gone.roll(1, 1)).sum(1) == 1).all()  # one run, counted round


def test_a_row_is_scaled_turned_in_one_plane_and_shifted_along_one_column() -> None:
    x, uniform = drawn((1, 4), row.AFFINE.numbers, dtype=torch.float64)
    power, step = normals(uniform[:, 3:5])[0].tolist()
    angle = angles(uniform[0, 5]).item()
    uniform[:, :3], uniform[:, 6], uniform[:, 7] = 0.0, 0.9, 0.4  # columns 3 and 0, and 1
    a, b, c, d = (x[0] * 2 ** (0.2 * power)).tolist()
    wanted = [math.sin(angle) * d + math.cos(angle) * a, b + 0.2 * step, c, math.cos(angle) * d - math.sin(angle) * a]
    assert row.affine(x, uniform, 1.0)[0].tolist() == pytest.approx(wanted)


def test_a_single_column_is_scaled_and_shifted_but_not_turned() -> None:
    x, uniform = drawn((9, 1), row.AFFINE.numbers)
    uniform = alone(row.AFFINE, 1, uniform)
    assert torch.equal(row.affine(x, uniform, 1.0), x)


# --- what every policy promises ---------------------------------------------------------------------------------------------


@every_policy
@settings(max_examples=30)
@given(st.data(), seeds)
def test_no_strength_changes_no_bit(policy: Policy, data: st.DataObject, seed: int) -> None:
    x, uniform = drawn(data.draw(shapes(policy.geometry)), policy.numbers, seed)
    x[0, 0], uniform[0] = -0.0, 0.0
    assert torch.equal(policy(x, uniform, 0.0).view(torch.int32), x.view(torch.int32))


@every_policy
@settings(max_examples=30)
@given(st.data(), seeds, strengths)
def test_samples_are_apart_and_the_same_numbers_do_the_same(policy: Policy, data: st.DataObject, seed: int, strength: float) -> None:
    x, uniform = drawn(data.draw(shapes(policy.geometry)), policy.numbers, seed)
    found = policy(x, uniform, strength)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert found.isfinite().all()
    assert torch.equal(policy(x, uniform, strength), found)
    others, more = drawn(tuple(x.shape), policy.numbers, seed + 1)
    others[0], more[0] = x[0], uniform[0]
    assert torch.equal(policy(others, more, strength)[0], found[0])


@every_policy
def test_a_strength_on_the_device_is_one_like_another(policy: Policy) -> None:
    x, uniform = drawn((8, 3, *(9, 8)[: GEOMETRIES.index(policy.geometry)]), policy.numbers)
    torch.testing.assert_close(policy(x, uniform, torch.tensor(0.6)), policy(x, uniform, 0.6))


@every_policy
@pytest.mark.parametrize("channels", [1, 3])
def test_slopes_and_their_slopes_are_those_of_finite_differences(policy: Policy, channels: int) -> None:
    """The second ones, for a gradient penalty is taken at augmented samples."""
    x, uniform = drawn((3, channels, *(4, 3)[: GEOMETRIES.index(policy.geometry)]), policy.numbers, 1, torch.float64)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: policy(x, uniform, 0.9), x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: policy(x, uniform, 0.9).square(), x, fast_mode=True)


@every_policy
def test_nothing_is_rounded_under_autocast_or_drawn_from_the_global_state(policy: Policy) -> None:
    x, uniform = drawn((4, 3, *(9, 8)[: GEOMETRIES.index(policy.geometry)]), policy.numbers)
    before = torch.get_rng_state()
    wanted = policy(x, uniform, 0.8)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(policy(x, uniform, 0.8), wanted)
    assert torch.equal(torch.get_rng_state(), before)


@every_policy
def test_all_stays_on_the_device_of_the_samples(policy: Policy) -> None:
    """On the meta device an operation that mixes devices, or looks at a value, raises."""
    x = torch.empty(4, 3, *(9, 8)[: GEOMETRIES.index(policy.geometry)], device="meta")
    found = policy(x, torch.empty(4, policy.numbers, device="meta"), torch.empty((), device="meta"))
    assert found.shape == x.shape
    assert found.device.type == "meta"


@every_policy
def test_each_transformation_is_done_to_its_share_of_the_samples(policy: Policy) -> None:
    strength, count = 0.3, 1500
    for group in policy.groups:
        for move, name in enumerate(group.moves):
            x, uniform = drawn((count, 3, *(8, 8)[: GEOMETRIES.index(policy.geometry)]), group.numbers)
            changed = (group.apply(x, alone(group, move, uniform), strength) != x).flatten(1).any(1)
            chosen = uniform[:, move] < strength
            assert not (changed & ~chosen).any(), name
            assert changed.sum() > 0.4 * chosen.sum(), name  # half of all mirrors and sign flips leave a sample as it is


def test_each_group_has_a_chance_for_each_of_its_transformations() -> None:
    for policy in ALL:
        for group in policy.groups:
            assert len(group.moves) == len(set(group.moves)) < group.numbers
        assert policy.numbers == sum(group.numbers for group in policy.groups)


def test_few_moves_a_plane_and_cuts_it_out() -> None:
    """The very numbers of the first release, so that its runs can be had again."""
    x, uniform = drawn((200, 2, 16, 20), 6)
    offset = torch.stack(((uniform[:, 2] * 5).long() - 2, (uniform[:, 3] * 5).long() - 2), 1)
    moved = torch.where((uniform[:, 0] < 0.7).view(-1, 1, 1, 1), places.move(x, offset), x)
    wanted = places.cut_out(moved, uniform[:, 4:], uniform[:, 1] < 0.7)
    assert torch.equal(augment.policy("few", "plane")(x, uniform, 0.7), wanted)


def test_a_policy_is_found_by_name_and_geometry_or_refused_with_a_way_out() -> None:
    assert augment.policy("ada", "line") is POLICIES["ada"]["line"]
    with pytest.raises(ConfigError, match="there is no augmentation 'diffaugmnt'; did you mean 'diffaugment'"):
        augment.policy("diffaugmnt", "plane")
    with pytest.raises(ConfigError, match=r"diffaugment is for a plane; these data are a row\. Use few or ada\."):
        augment.policy("diffaugment", "row")


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_what_is_advised_instead_of_a_policy_can_be_set_and_fits(geometry: Geometry) -> None:
    for name in POLICIES:
        if geometry in POLICIES[name]:
            continue
        with pytest.raises(ConfigError) as told:
            augment.policy(name, geometry)
        advised = str(told.value).rpartition("Use ")[2].rstrip(".").split(" or ")
        for other in advised:
            assert config.merge(Recipe(), {"augment.policy": other}).augment.policy == other
            assert augment.policy(other, geometry).geometry == geometry
