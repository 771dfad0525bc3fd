"""What is done to the samples does not show in what is generated: the map from a distribution to the augmented one can be undone.

The map of a transformation that is done with probability p is (1 - p) I + p K, where K is what the transformation makes of a
distribution. Nothing of a difference is lost while no eigenvalue of it is 0 (arXiv:2006.06676, section 2.2 and appendix C).
"""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from gansmith import augment, losses, penalties
from gansmith.augment import POLICIES, Policy, line, plane, row
from gansmith.augment.draws import evenly, near
from gansmith.augment.group import Group
from gansmith.layout import Block, Geometry, Layout
from gansmith.networks.dense import DenseDiscriminator, DenseGenerator
from gansmith.randomness import stream

STRENGTH = 0.8


# --- finite worlds: the map as a matrix -------------------------------------------------------------------------------------


def even(count: int, axes: int) -> Tensor:
    """Numbers evenly over [0, 1) along each of so many axes.  [count ** axes, axes]"""
    return torch.tensor(list(product([(i + 0.5) / count for i in range(count)], repeat=axes)))


def mixing(group: Group, looks: Tensor, rest: Tensor, p: float) -> Tensor:
    """How likely each look is to become each, when a group is applied with strength p.  looks [N, C, *P], rest [R, K] -> [N, N]

    `rest` are numbers, all as likely, that tell how far the transformations go; every choice of which are done is taken.
    """
    found = torch.zeros(len(looks), len(looks), dtype=torch.float64)
    for chosen in product((0.0, 1.0), repeat=len(group.moves)):  # a chance of 0 is always enough, one of 1 never
        likely = math.prod(p if chance == 0.0 else 1 - p for chance in chosen)
        for numbers in rest:
            uniform = torch.cat((torch.tensor(chosen), numbers)).expand(len(looks), -1)
            after = group.apply(looks, uniform, 0.5).flatten(1)
            found += likely / len(rest) * (after.unsqueeze(1) == looks.flatten(1)).all(2)
    torch.testing.assert_close(found.sum(1), torch.ones(len(looks), dtype=torch.float64))  # no look is left out
    return found


def picture() -> Tensor:
    return torch.arange(16.0).reshape(1, 1, 4, 4)


def quarters() -> Tensor:
    return torch.cat([torch.rot90(picture(), k, (2, 3)) for k in range(4)])


def reflected() -> Tensor:
    x = torch.arange(1.0, 5.0).reshape(1, 1, 4)
    return torch.cat((x, x.flip(2), -x, -x.flip(2)))


TURNS = Group(("quarter turn",), 2, lambda x, u, p: plane.blit(x, torch.cat((u[:, :1], torch.ones_like(u[:, :1]), u[:, 1:], u, u), 1), p))

# A group of looks that all become all alike likely: the group, its looks, its numbers, and the powers of 1 - p that are eigenvalues.
WHEELS = {
    "quarter turns": (TURNS, quarters(), even(4, 1), [0, 1, 1, 1]),
    "mirror": (plane.MIRROR, torch.cat((picture(), picture().flip(3))), even(2, 1), [0, 1]),
    "reversal and sign": (line.REFLECTED, reflected(), even(2, 2), [0, 1, 1, 2]),
}


@pytest.mark.parametrize("name", WHEELS)
@pytest.mark.parametrize("p", [0.0, 0.5, STRENGTH, 1.0])
def test_a_wheel_of_looks_can_be_turned_back_below_1_and_not_at_1(name: str, p: float) -> None:
    group, looks, rest, powers = WHEELS[name]
    matrix = mixing(group, looks, rest, p)
    wanted = torch.tensor(sorted((1 - p) ** k for k in powers), dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(matrix), wanted)
    assert torch.linalg.matrix_rank(matrix) == (1 if p == 1.0 else len(looks))


def binary(*shape: int) -> Tensor:
    """Every sample of zeros and ones of this shape."""
    return torch.tensor(list(product((0.0, 1.0), repeat=math.prod(shape)))).reshape(-1, *shape)


# Worlds that a transformation does not leave, for its filling and its holes are zeros and ones too.
WORLDS = {
    "line, shift": (line.SHIFTED, binary(1, 8), even(2, 2)),
    "line, cut-out": (line.CUT_OUT, binary(1, 8), even(8, 1)),
    "row, cut-out": (row.CUT_OUT, binary(8), even(8, 1)),
    "plane, cut-out": (plane.CUTOUT, binary(1, 2, 4), even(4, 2)),
}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("p", [0.5, STRENGTH])
def test_of_any_difference_between_two_distributions_a_share_of_1_minus_p_is_left(name: str, p: float) -> None:
    group, looks, rest = WORLDS[name]
    assert torch.linalg.eigvals(mixing(group, looks, rest, p)).abs().min() > 1 - p - 1e-6


@pytest.mark.parametrize("name", [name for name in WORLDS if name.endswith("cut-out")])
def test_what_is_always_cut_out_is_lost(name: str) -> None:
    group, looks, rest = WORLDS[name]
    assert torch.linalg.matrix_rank(mixing(group, looks, rest, 1.0)) < len(looks)


@pytest.mark.parametrize("furthest", [1, 2, 4, 20])
def test_the_nearer_shifts_being_likelier_no_frequency_is_lost(furthest: int) -> None:
    frequencies = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    uneven, alike = near(even(furthest + 1, 2), furthest), evenly(even(2 * furthest + 1, 1)[:, 0], furthest)
    least_near, least_alike = (torch.cos(frequencies.unsqueeze(1) * shifts.double()).mean(1).min().item() for shifts in (uneven, alike))
    assert least_near > -1e-12
    assert 0.75 - 1e-9 < 1 / (1 - least_alike) < 0.8216  # where (1 - p) + p·least is 0


# --- every transformation: what is left of the difference that a leak would make --------------------------------------------

SHAPES: dict[Geometry, tuple[int, ...]] = {"row": (6,), "line": (2, 16), "plane": (3, 16, 16)}
MOVES = {
    f"{geometry}, {group.apply.__name__}, {name}": (geometry, group, move)
    for by in POLICIES.values()
    for geometry, policy in by.items()
    for group in policy.groups
    for move, name in enumerate(group.moves)
}
IDEMPOTENT = ("quarter turn", "mirror", "luma flip", "hue", "reversal", "sign")  # done twice, as if done once


def similarity(a: Tensor, b: Tensor, width: float) -> float:
    """Mean Gaussian kernel over all pairs of samples [N, ...]: the product of two distributions in its space."""
    return torch.exp(-torch.cdist(a.flatten(1), b.flatten(1)).square() / width).mean().item()


def left(geometry: Geometry, group: Group, move: int, p: float) -> float:
    """The squared distance between augmented honest samples and augmented samples of a generator that makes what the transformation
    makes, as a share of that between the samples as they are: 1 at p = 0."""
    count = 512
    uniform = torch.quasirandom.SobolEngine(2 * group.numbers, scramble=True, seed=0).draw(count, dtype=torch.float64)
    to_leak, to_augment = (alone(group, move, numbers) for numbers in uniform.chunk(2, 1))
    honest = torch.randn(SHAPES[geometry], generator=torch.Generator().manual_seed(1)).double().expand(count, *SHAPES[geometry])
    leaked = group.apply(honest, to_leak, 1.0)
    apart = (leaked - honest).flatten(1).square().sum(1)
    width = apart[apart > 0].median().item()

    def distance(a: Tensor, b: Tensor) -> float:
        return similarity(a, a, width) + similarity(b, b, width) - 2 * similarity(a, b, width)

    return distance(*(group.apply(x, to_augment, p) for x in (honest, leaked))) / distance(honest, leaked)


def alone(group: Group, move: int, uniform: Tensor) -> Tensor:
    """Numbers by which no transformation of a group but this one is done."""
    uniform = uniform.clone()
    uniform[:, [i for i in range(len(group.moves)) if i != move]] = 1.0
    return uniform


@pytest.mark.parametrize("name", MOVES)
def test_a_generator_that_makes_what_a_transformation_makes_is_told_from_one_that_does_not(name: str) -> None:
    geometry, group, move = MOVES[name]
    assert left(geometry, group, move, 0.0) == pytest.approx(1.0)
    for p in (0.5, STRENGTH):
        assert left(geometry, group, move, p) > 0.85 * (1 - p) ** 2
    if group.moves[move] in IDEMPOTENT:
        assert left(geometry, group, move, STRENGTH) == pytest.approx((1 - STRENGTH) ** 2, abs=0.01)
        assert left(geometry, group, move, 1.0) == pytest.approx(0.0, abs=1e-4)  # and not at all where it is always done


# --- a game ----------------------------------------------------------------------------------------------------------------


def levels(layout: Layout, count: int, source: torch.Generator) -> Tensor:
    """Samples of one bright level each: what is cut out of one shows."""
    level = 0.5 + 0.4 * torch.rand(count, generator=source)
    return level.view(-1, *(1 for _ in layout.shape)).expand(count, *layout.shape)


def holed(policy: Policy, fair: bool) -> float:
    """Share of generated samples with a number half as bright as any real one's, after a short game with the augmentation. `fair`: whether
    generated samples are augmented too."""
    layout = Layout((Block("level", 1 if policy.geometry != "row" else 6, "bounded", 0.7, 0.2),), POSITIONS[policy.geometry])
    torch.manual_seed(0)
    g, d = DenseGenerator(layout, 8, (32, 32)), DenseDiscriminator(layout, (32, 32))
    adams = [torch.optim.Adam(player.parameters(), 3e-3, betas=(0.0, 0.9)) for player in (d, g)]
    size, drawn = 32, []
    for number in range(STEPS):
        for player, adam in zip(("discriminator", "generator"), adams, strict=True):
            source = stream(0, player, number)
            fake = g(torch.randn(size, 8, generator=source))
            of_real, of_fake = torch.rand(2, size, policy.numbers, generator=source)
            real = policy(levels(layout, size, source), of_real, STRENGTH)
            fake = policy(fake, of_fake, STRENGTH) if fair else fake
            if player == "discriminator":
                x = torch.cat((real, fake.detach())).requires_grad_()
                logits = d(x)
                slope = penalties.slope_exact(x, logits)
                loss = losses.relativistic_d(*logits.chunk(2)).mean() + 0.1 * slope.mean()
            else:
                loss = losses.relativistic_g(d(real).detach(), d(fake)).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        if number >= STEPS - KEPT:
            with torch.no_grad():
                drawn.append(g(torch.randn(100, 8, generator=stream(0, "drawn", number))))
    return float((torch.cat(drawn).flatten(1).min(1).values < 0.25).float().mean())


STEPS, KEPT = 200, 20
POSITIONS: dict[Geometry, tuple[int, ...]] = {"row": (), "line": (16,), "plane": (8, 8)}


@pytest.mark.parametrize("geometry", POSITIONS)
def test_a_generator_trained_with_holes_makes_none(geometry: Geometry) -> None:
    """Where the generated samples are shown as they are, it makes them: the test can tell."""
    policy = augment.policy("few", geometry)
    assert holed(policy, fair=True) < 0.15
    assert holed(policy, fair=False) > 0.4
