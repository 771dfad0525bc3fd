"""The pair for rows of choices: what it draws against what it holds likely, what it is told against what comes out."""

from __future__ import annotations

import math
from itertools import permutations, product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gansmith import given as told
from gansmith.config import NetworkSettings
from gansmith.errors import ConfigError
from gansmith.layout import Block, Layout
from gansmith.networks import discriminator, generator, pair
from gansmith.networks.row import DEPTH, TEMPERATURE, Residual, RowDiscriminator, RowGenerator, latents
from gansmith.penalties import slope_exact
from test_networks import CHOICES, ROWS, WIDTH, condition_of, layout_of, samples, wake
from test_networks import latents as drawn

OWNER, COUNT = told.owners(ROWS), len(told.choices(ROWS))
PARTS = [where for where, _ in told.choices(ROWS)]
CHOSEN = [0, 1, 2, 3, 4, 6, 7, 8, 9]  # channels of choices; the other is a place within b
SHARES = [torch.tensor([0.5, 0.3, 0.2]), torch.full((2,), 1 / 2), torch.full((4,), 1 / 4)]
NOTHING = torch.zeros(1, ROWS.condition)
SURE = 60.0  # log odds beside which no noise counts
seeds = st.integers(0, 2**31)


def fresh(layout: Layout = ROWS) -> RowGenerator:
    torch.manual_seed(0)
    return RowGenerator(layout, WIDTH)


def woken() -> RowGenerator:
    """One that has something to say of every choice given the others."""
    made = wake(fresh())
    with torch.no_grad():
        made.finish.weight.normal_(0, 0.5)
    return made


def deviation(found: Tensor, chances: Tensor) -> float:
    """Counts [k] against chances [k]: how many standard deviations chi-square lies above its mean."""
    wanted = chances * found.sum()
    free = len(found) - 1
    return float(((found - wanted).square() / wanted).sum() - free) / (2 * free) ** 0.5


def assert_rows(x: Tensor) -> None:
    """Every choice is one whole one, every bounded number within its range."""
    for part in PARTS:
        assert torch.equal(
            x[:, part].sort(1, descending=True).values, F.one_hot(torch.zeros(len(x), dtype=torch.long), part.stop - part.start)
        )
    assert x.abs().max() <= 1


def at(made: RowGenerator, train: bool, latent: Tensor, condition: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = made.train(train)(latent, condition)
    return found


modes = pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])


# --- what comes out ------------------------------------------------------------------------------------------------------


@modes
@given(seed=seeds)
def test_choices_are_whole_and_what_is_told_is_kept(train: bool, seed: int) -> None:
    made = woken()
    torch.manual_seed(seed)
    condition = condition_of(ROWS, 12)
    assert condition is not None
    shown, mask, _ = told.split(condition, COUNT)
    x = at(made, train, drawn(ROWS, 12), condition)
    assert_rows(x)
    kept = mask[:, OWNER] == 1
    assert torch.equal(x[kept], shown[kept])


@modes
def test_rows_that_are_told_whole_come_back(train: bool) -> None:
    x = samples(ROWS, 8)
    condition = told.condition(x, torch.ones(8, COUNT), torch.zeros(8, COUNT), OWNER)
    assert torch.equal(at(woken(), train, drawn(ROWS, 8), condition), x)


@modes
def test_with_nothing_learned_choices_come_as_often_as_in_the_data_and_each_apart(train: bool) -> None:
    torch.manual_seed(1)
    x = at(fresh(), train, drawn(ROWS, 20_000), NOTHING.expand(20_000, -1))
    for part, shares in zip(PARTS, SHARES, strict=True):
        assert deviation(x[:, part].sum(0), shares) < 5
    together = torch.einsum("bi, bj -> ij", x[:, PARTS[0]], x[:, PARTS[2]])
    assert deviation(together.flatten(), torch.outer(SHARES[0], SHARES[2]).flatten()) < 5


@modes
def test_a_place_within_a_choice_is_uniform(train: bool) -> None:
    torch.manual_seed(2)
    x = at(woken(), train, drawn(ROWS, 20_000), NOTHING.expand(20_000, -1))
    for chosen in (0, 1):
        place = x[x[:, 3 + chosen] == 1, 5].sort().values
        gap = (place - torch.linspace(-1, 1, len(place))).abs().max() / 2  # that of Kolmogorov and Smirnov
        assert gap < 2.2 / len(place) ** 0.5  # exceeded once in ten thousand times


@given(seeds)
def test_each_choice_is_drawn_from_what_is_likely_given_those_before_it(seed: int) -> None:
    """The largest log odds with noise of Gumbel's distribution added are a draw; here row by row and choice by choice."""
    made = woken().eval()
    torch.manual_seed(seed)
    z, condition = drawn(ROWS, 12), condition_of(ROWS, 12)
    assert condition is not None
    shown, mask, _ = told.split(condition, COUNT)
    noise = -(-torch.special.ndtr(z[:, : ROWS.channels]).log()).log()
    wanted, known = shown.clone(), mask.clone()
    for row in range(12):
        for choice in z[row, ROWS.channels :].argsort().tolist():
            if not known[row, choice]:
                with torch.no_grad():
                    likely = made.logits(wanted[row : row + 1], known[row : row + 1])[0, PARTS[choice]]
                wanted[row, PARTS[choice]] = F.one_hot((likely + noise[row, PARTS[choice]]).argmax(), len(likely)).float()
                known[row, choice] = 1
    assert torch.equal(at(made, False, z, condition)[:, CHOSEN], wanted[:, CHOSEN])


def test_choices_made_in_one_pass_do_not_know_of_each_other() -> None:
    """Two choices that each repeat the other agree as often as not."""
    layout = Layout((Block("a", 2, "onehot"), Block("b", 2, "onehot")), condition=8, given=True)

    class Repeating(RowGenerator):
        def logits(self, x: Tensor, mask: Tensor) -> Tensor:
            return SURE * torch.cat((x[:, 2:], x[:, :2]), 1)

    torch.manual_seed(3)
    x = at(Repeating(layout, WIDTH), True, drawn(layout, 4_000), torch.zeros(4_000, 8))
    assert deviation(torch.einsum("bi, bj -> ij", x[:, :2], x[:, 2:]).flatten(), torch.full((4,), 1 / 4)) < 5


def test_what_likelihood_teaches_is_what_is_drawn_in_any_order() -> None:
    """Two fair bits and whether they differ: no pair of choices knows of the third what all together know."""
    layout = Layout(tuple(Block(name, 2, "onehot") for name in "abc"), condition=12, given=True)
    bits = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    masks = torch.tensor(list(product((0.0, 1.0), repeat=3)))[:-1]  # every part of a row that leaves something to make
    x, mask = F.one_hot(bits, 2).flatten(1).float().repeat(len(masks), 1), masks.repeat_interleave(len(bits), 0)
    condition = told.condition(x, mask, mask, told.owners(layout))
    torch.manual_seed(4)
    made = RowGenerator(layout, 32)
    optimiser = torch.optim.Adam(made.parameters(), 1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        made.surprise(x, condition).mean().backward()
        optimiser.step()
    found = at(made, False, drawn(layout, 4_000), torch.zeros(4_000, 12))[:, 1::2].long()
    counts = torch.stack([(found == row).all(1).sum() for row in bits])
    assert counts.sum() > 0.98 * 4_000
    # 4,000 draws of 4 equal chances: 1,000 each, standard deviation 27
    assert (counts - 1_000).abs().max() < 135


@modes
def test_a_row_depends_on_its_own_latent_and_what_is_told_of_it_alone(train: bool) -> None:
    torch.manual_seed(13)
    made, z, condition, order = woken(), drawn(ROWS, 50), condition_of(ROWS, 50), torch.randperm(50)
    assert condition is not None
    whole = at(made, train, z, condition)
    assert torch.equal(at(made, train, z[order], condition[order]), whole[order])
    assert torch.equal(torch.cat([at(made, train, *row) for row in zip(z.split(1), condition.split(1), strict=True)]), whole)


@modes
def test_neither_the_choice_asked_for_nor_a_place_within_one_that_is_told_changes_the_others(train: bool) -> None:
    torch.manual_seed(5)
    made, z, x = woken(), drawn(ROWS, 64), samples(ROWS, 64)
    mask = F.one_hot(torch.ones(64, dtype=torch.long), COUNT).float()
    asked = F.one_hot(torch.zeros(64, dtype=torch.long), COUNT).float()
    moved = x.clone()
    moved[:, 5] = -x[:, 5]
    one = at(made, train, z, told.condition(x, mask, asked, OWNER))
    two = at(made, train, z, told.condition(moved, mask, asked.roll(2, 1), OWNER))
    assert torch.equal(one[:, CHOSEN], two[:, CHOSEN])
    assert torch.equal(one[:, 5], -two[:, 5])


# --- what may be chosen --------------------------------------------------------------------------------------------------


@given(seeds)
def test_only_what_is_open_is_chosen_however_unlikely(seed: int) -> None:
    made = woken().eval()
    torch.manual_seed(seed)
    free = torch.rand(16, ROWS.channels) < 0.3
    for part in PARTS:
        free[:, part.start] |= ~free[:, part].any(1)  # at least one
    with torch.no_grad():
        made.finish.bias -= SURE * free.float().mean(0)
        x = made.draw(drawn(ROWS, 16), NOTHING.expand(16, -1), lambda x, mask: free)
    assert_rows(x)
    assert not x[:, CHOSEN][~free[:, CHOSEN]].any()


def test_among_what_is_open_choices_come_as_often_as_they_are_likely() -> None:
    torch.manual_seed(6)
    free = torch.ones(1, ROWS.channels, dtype=torch.bool)
    free[0, 0] = free[0, 7] = False
    with torch.no_grad():
        x = fresh().draw(drawn(ROWS, 20_000), NOTHING.expand(20_000, -1), lambda x, mask: free.expand(20_000, -1))
    assert not x[:, [0, 7]].any()
    assert deviation(x[:, 1:3].sum(0), torch.tensor([0.6, 0.4])) < 5
    assert deviation(x[:, [6, 8, 9]].sum(0), torch.full((3,), 1 / 3)) < 5


def test_what_is_open_is_asked_before_each_choice_with_those_made_so_far() -> None:
    torch.manual_seed(7)
    shown = condition_of(ROWS, 40)
    assert shown is not None
    seen: list[tuple[Tensor, Tensor]] = []

    def every(x: Tensor, mask: Tensor) -> Tensor:
        seen.append((x.clone(), mask.clone()))
        return torch.ones_like(x, dtype=torch.bool)

    with torch.no_grad():
        x = woken().draw(drawn(ROWS, 40), shown, every)
    start, mask, _ = told.split(shown, COUNT)
    assert torch.equal(seen[0][0], start)
    assert torch.equal(seen[0][1], mask)
    for (before, held), (after, more) in zip(seen, [*seen[1:], (x, torch.ones_like(mask))], strict=True):
        assert (more >= held).all()
        assert ((more - held).sum(1) <= 1).all()
        assert torch.equal(before, x * held[:, OWNER])
        assert torch.equal(after, x * more[:, OWNER])


@pytest.mark.parametrize("given_first", [False, True], ids=["nothing told", "one told"])
def test_every_order_of_the_choices_is_as_likely(given_first: bool) -> None:
    torch.manual_seed(8)
    many, mask = 12_000, torch.zeros(12_000, COUNT)
    mask[:, 1] = float(given_first)
    made = torch.zeros(many, COUNT)

    def note(x: Tensor, mask: Tensor) -> Tensor:
        made.add_(mask)  # a choice has been held at the more steps the earlier it was made
        return torch.ones_like(x, dtype=torch.bool)

    with torch.no_grad():
        woken().draw(drawn(ROWS, many), told.condition(samples(ROWS, many), mask, torch.zeros_like(mask), OWNER), note)
    steps = COUNT - int(given_first)
    orders = list(permutations(range(steps)))
    free = made[:, [0, 2]] if given_first else made
    counts = torch.stack([(free == torch.tensor(held)).all(1).sum() for held in orders])
    assert counts.sum() == many
    assert deviation(counts, torch.full((len(orders),), 1 / len(orders))) < 5


# --- what is likely ------------------------------------------------------------------------------------------------------


def test_the_surprise_of_a_bias_alone_is_the_mean_of_its_costs_over_what_is_not_told() -> None:
    x = samples(ROWS, 5)
    mask = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1], [1, 1, 1]])
    found = fresh().surprise(x, told.condition(x, mask, torch.zeros(5, COUNT), OWNER))
    costs = torch.stack([-shares.log()[x[:, part].argmax(1)] for part, shares in zip(PARTS, SHARES, strict=True)], 1)
    a, b, c = costs.T
    wanted = [(a + b + c)[0] / 3, (b + c)[1] / 2, (a + c)[2] / 2, a[3], torch.tensor(0.0)]
    torch.testing.assert_close(found, torch.stack(wanted))
    assert costs[:, 1].tolist() == pytest.approx([math.log(2)] * 5)


def test_the_mean_surprise_of_the_shares_is_their_entropy() -> None:
    x = at(fresh(), False, drawn(ROWS, 20_000), NOTHING.expand(20_000, -1))
    found = fresh().surprise(x, NOTHING.expand(20_000, -1)).mean().item()
    assert found == pytest.approx(sum(-(p * p.log()).sum().item() for p in SHARES) / 3, abs=0.01)


def test_the_slope_of_surprise_is_what_is_likely_less_what_is() -> None:
    torch.manual_seed(9)
    made, x, condition = woken(), samples(ROWS, 6), condition_of(ROWS, 6)
    assert condition is not None
    condition = told.condition(x, *told.split(condition, COUNT)[1:], OWNER)
    shown, mask, _ = told.split(condition, COUNT)
    likely = made.logits(shown, mask).detach()
    wanted = torch.zeros(ROWS.channels)
    for i, part in enumerate(PARTS):
        weight = (1 - mask[:, i]) / (1 - mask).sum(1)
        wanted[part] = ((likely[:, part].softmax(1) - x[:, part]) * weight.unsqueeze(1)).sum(0)
    (slope,) = torch.autograd.grad(made.surprise(x, condition).sum(), made.finish.bias)
    torch.testing.assert_close(slope, wanted)


def test_what_is_not_told_of_a_row_does_not_come_into_what_is_likely() -> None:
    made, x = woken(), samples(ROWS, 6)
    mask = F.one_hot(torch.arange(6) % COUNT, COUNT).float()
    one, two = (told.split(told.condition(y, mask, mask, OWNER), COUNT) for y in (x, torch.where(mask[:, OWNER] == 1, x, x.flip(0))))
    assert torch.equal(made.logits(*one[:2]), made.logits(*two[:2]))


def test_a_choice_that_the_data_never_take_is_unlikely_and_not_impossible() -> None:
    layout = Layout((Block("a", 3, "onehot", shares=(0.6, 0.0, 0.4)),), condition=5, given=True)
    made, x, nothing = fresh(layout), torch.eye(3), torch.zeros(3, 5)
    surprise = made.surprise(x, nothing)
    torch.testing.assert_close(surprise[[0, 2]], -torch.tensor([0.6, 0.4]).log(), atol=1e-5, rtol=0)
    assert 10 < surprise[1] < math.inf
    surprise.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())
    free = torch.tensor([[False, True, False]]).expand(3, -1)
    assert torch.equal(made.draw(drawn(layout, 3), nothing, lambda x, mask: free), torch.eye(3)[[1, 1, 1]])


def test_surprise_has_its_digits_also_under_autocast() -> None:
    torch.manual_seed(10)
    made, x, condition = woken(), samples(ROWS, 32), condition_of(ROWS, 32)
    assert condition is not None
    whole = made.surprise(x, condition)
    with torch.autocast("cpu", torch.bfloat16):
        half = made.surprise(x, condition)
        likely = made.logits(*told.split(condition, COUNT)[:2])
    assert half.dtype == likely.dtype == torch.float32
    torch.testing.assert_close(half, whole, rtol=0.1, atol=0.05)


# --- what the generator learns through -----------------------------------------------------------------------------------


def test_in_train_mode_the_slope_is_that_of_relaxed_choices() -> None:
    torch.manual_seed(11)
    made, z, condition, weight = woken().train(), drawn(ROWS, 6), condition_of(ROWS, 6), torch.randn(6, ROWS.channels)
    assert condition is not None
    shown, mask, _ = told.split(condition, COUNT)
    noise = -(-torch.special.ndtr(z[:, : ROWS.channels]).log()).log()
    likely = (made.logits(shown, mask) + noise) / TEMPERATURE
    relaxed = torch.cat([likely[:, part].softmax(1) for part in PARTS], 1)
    free = 1 - mask[:, OWNER][:, CHOSEN]
    assert free.any()
    wanted = torch.autograd.grad((relaxed * free * weight[:, CHOSEN]).sum(), list(made.parameters()))
    found = torch.autograd.grad((made(z, condition) * weight).sum(), list(made.parameters()))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert all(slope.any() for slope in found)


def test_weights_are_all_that_is_saved() -> None:
    made, judge = fresh(), RowDiscriminator(ROWS, WIDTH)
    for network in (made, judge):
        assert network.state_dict().keys() == dict(network.named_parameters()).keys()


# --- the discriminator ---------------------------------------------------------------------------------------------------


def judging() -> RowDiscriminator:
    torch.manual_seed(0)
    return wake(RowDiscriminator(ROWS, WIDTH))


@given(seeds)
def test_a_logit_depends_on_the_choices_told_and_asked_for_and_on_nothing_else(seed: int) -> None:
    torch.manual_seed(seed)
    judge, x, condition = judging(), samples(ROWS, 12).requires_grad_(), condition_of(ROWS, 12)
    assert condition is not None
    _, mask, asked = told.split(condition, COUNT)
    (slope,) = torch.autograd.grad(judge(x, condition).sum(), x)
    seen = (mask + asked)[:, OWNER] == 1
    seen[:, 5] = False  # a place within a choice is noise
    assert not slope[~seen].any()
    assert slope[seen].all()


def test_a_logit_depends_on_what_is_told_and_on_what_is_asked() -> None:
    judge, x = judging(), samples(ROWS, 1)
    logits = [
        judge(x, told.condition(x, torch.tensor([mask]), torch.tensor([asked]), OWNER)).item()
        for mask, asked in (
            ([0.0, 0, 0], [1.0, 0, 0]),
            ([0.0, 0, 0], [0.0, 1, 0]),
            ([0.0, 1, 0], [1.0, 0, 0]),
            ([1.0, 0, 0], [0.0, 1, 0]),  # which sees the same choices as the one before
        )
    ]
    assert min(abs(a - b) for i, a in enumerate(logits) for b in logits[:i]) > 1e-4


def test_the_penalty_is_the_slope_in_what_is_seen() -> None:
    torch.manual_seed(12)
    judge, x, condition = judging(), samples(ROWS, 4).requires_grad_(), condition_of(ROWS, 4)
    assert condition is not None
    found = slope_exact(x, judge(x, condition))
    jacobian = torch.autograd.functional.jacobian(lambda y: judge(y, condition), x)
    torch.testing.assert_close(found, torch.stack([jacobian[i, i].square().sum() for i in range(4)]))
    assert (found > 0).all()


@pytest.mark.parametrize("chosen", [{}, {"spread": True, "spectral": True}], ids=["plain", "all"])
def test_a_discriminator_is_features_and_their_head(chosen: dict[str, bool]) -> None:
    judge = discriminator(NetworkSettings(name="row", width=WIDTH, **chosen), ROWS).eval()  # type: ignore[arg-type]
    x, condition = samples(ROWS, 6), condition_of(ROWS, 6)
    h = judge.features(x, condition)
    assert len(h) == 6
    assert torch.equal(judge.head(h, condition), judge(x, condition))
    with torch.autocast("cpu", torch.bfloat16):
        h = judge.features(x, condition)
        assert h.dtype == judge.head(h, condition).dtype == torch.float32


# --- choosing the pair ---------------------------------------------------------------------------------------------------


def test_settings_lead_to_the_pair() -> None:
    settings = NetworkSettings(name="row", width=WIDTH, latent=latents(ROWS))
    assert isinstance(generator(settings, ROWS), RowGenerator)
    assert isinstance(discriminator(settings, ROWS), RowDiscriminator)
    assert latents(ROWS) == 10 + 3


def test_rows_of_choices_and_the_pair_for_them_are_refused_without_each_other() -> None:
    with pytest.raises(ConfigError, match=r"use network\.name=row"):
        pair(NetworkSettings(name="dense"), ROWS)
    with pytest.raises(ConfigError, match="it is for rows of a table"):
        pair(NetworkSettings(name="row"), layout_of((), 0))


@pytest.mark.parametrize("conditioning", ["auxiliary", "concatenation"])
def test_another_way_for_what_is_told_is_refused(conditioning: str) -> None:
    with pytest.raises(ConfigError, match=f"network.conditioning={conditioning} does not apply to rows of a table"):
        discriminator(NetworkSettings(name="row", width=WIDTH, conditioning=conditioning), ROWS)  # type: ignore[arg-type]


def test_rows_may_hold_a_choice_of_one() -> None:
    """A column that never changes."""
    layout = Layout((*CHOICES[:1], Block("one", 1, "onehot", shares=(1.0,))), condition=4 + 4, given=True)
    made, nothing = fresh(layout), torch.zeros(6, 8)
    x = at(made, False, drawn(layout, 6), nothing)
    assert (x[:, 3] == 1).all()
    alone = told.condition(x, torch.tensor([[1.0, 0.0]]).expand(6, -1), torch.zeros(6, 2), told.owners(layout))
    assert not made.surprise(x, alone).any()


def test_blocks_do_nothing_at_the_start() -> None:
    h = torch.randn(5, WIDTH)
    for network in (fresh(), RowDiscriminator(ROWS, WIDTH)):
        found = [block(h) for block in network.blocks if isinstance(block, Residual)]
        assert len(found) == DEPTH
        assert all(torch.equal(after, h) for after in found)
