"""The choices that a recipe leaves open: what was given stays, nothing is left open, and each choice keeps within its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith import config
from gansmith.config import Recipe
from gansmith.engine.probe import Trial, Way
from gansmith.errors import ConfigError
from gansmith.layout import Block, Layout
from gansmith.penalties import PENALTIES
from gansmith.recipes.automatic import FEWEST_TICKS, MINUTES, STRONGEST, TICK_SECONDS, Situation, resolve_game, resolve_length
from gansmith.tuning import space as spaces

rows = st.builds(
    lambda sizes, place: Layout(
        (*(Block(f"{i}", size, "onehot") for i, size in enumerate(sizes)), *[Block("in the last", 1, "bounded")] * place),
        condition=sum(sizes) + place + 2 * len(sizes),
        given=True,
    ),
    st.lists(st.integers(1, 300), min_size=1, max_size=30),
    st.integers(0, 1),
)
layouts = st.one_of(
    st.builds(
        lambda size, positions, kind, condition: Layout((Block("x", size, kind),), positions, condition),
        st.integers(1, 4),
        st.lists(st.integers(1, 300), max_size=2).map(tuple),
        st.sampled_from(["bounded", "real", "onehot"]),
        st.integers(0, 20),
    ),
    rows,
)
situations = st.builds(
    Situation, layouts, st.integers(2, 10**6), st.floats(1e-6, 1e7), st.sampled_from(["cpu", "cuda", "cuda:1", "mps"]),
    st.lists(st.integers(1, 10**5), max_size=20).map(tuple),
)  # fmt: skip
trials = st.builds(
    Trial, st.builds(Way, st.sampled_from(["fp32", "bf16"]), st.integers(1, 64)), st.integers(1, 8),
    st.just(1.0), st.just(1.0),
)  # fmt: skip
speeds = st.floats(0.1, 1e6)


def picture(*shape: int) -> Layout:
    channels, *positions = shape
    return Layout((Block("pixels", channels, "bounded"),), tuple(positions), 10)


def whole(recipe: Recipe, situation: Situation, trial: Trial, speed: float) -> Recipe:
    return resolve_length(resolve_game(recipe, situation), situation, trial, speed)


@given(situations, trials, speeds)
def test_nothing_is_left_open_but_the_bound_that_was_not_chosen(situation: Situation, trial: Trial, speed: float) -> None:
    resolved = config.flat(whole(Recipe(), situation, trial, speed))
    may_be_open = {"run.minutes", "penalty.clip"} | {name for name in resolved if name.startswith("data.") and name != "data.balance"}
    assert [name for name, value in resolved.items() if value is None and name not in may_be_open] == []


GIVEN = {
    "data.balance": False, "game.likelihood": 3.0,
    "network.name": "light", "network.width": 24, "network.latent": 7, "network.conditioning": "auxiliary",
    "penalty.gamma": 0.3, "penalty.gamma_end": 0.1, "augment.strength": 0.0, "augment.rise": 5,
    "optimiser.lr_generator": 1e-4, "optimiser.lr_discriminator": 3e-4, "optimiser.lr_end": 0.5, "optimiser.lr_power": 1.5,
    "average.halflife": 99, "run.batch": 12, "run.samples": 5_000, "run.tick": 3,
    "machine.precision": "bf16", "machine.threads": 2, "machine.workers": 2, "penalty.form": "finite",
}  # fmt: skip


@given(situations, trials, speeds, st.sets(st.sampled_from(sorted(GIVEN))))
def test_what_was_given_stays(situation: Situation, trial: Trial, speed: float, names: set[str]) -> None:
    rows = {"network.latent"} if situation.layout.given else {"game.likelihood"}  # whose value is not free, or that have no meaning
    given = {name: GIVEN[name] for name in names - rows}
    resolved = config.flat(whole(config.merge(Recipe(), given), situation, trial, speed))
    assert {name: resolved[name] for name in given} == given


@given(situations, trials, speeds)
def test_a_second_resolution_changes_nothing(situation: Situation, trial: Trial, speed: float) -> None:
    once = whole(Recipe(), situation, trial, speed)
    assert whole(once, situation, trial, 2 * speed) == once


@given(situations, trials, speeds)
def test_looks_cost_a_small_part_of_a_run(situation: Situation, trial: Trial, speed: float) -> None:
    run = whole(Recipe(), situation, trial, speed).run
    assert run.looks is not None
    assert run.samples is not None
    assert 0 <= run.looks <= 20
    assert run.looks * min(1000, situation.samples) <= run.samples / 15


def test_a_run_of_ten_minutes_is_looked_at_twenty_times_and_one_of_seconds_never() -> None:
    situation = Situation(picture(1, 28, 28), 54_000, 100.0, "cpu")
    looks = [
        whole(config.merge(Recipe(), {"run.minutes": m}), situation, Trial(Way("bf16", 1), 2, 1.0, 1.0), 1000.0).run.looks
        for m in (10, 1, 0.1)
    ]
    assert looks == [20, 4, 0]


@given(situations)
def test_a_batch_is_never_most_of_the_data(situation: Situation) -> None:
    batch = resolve_game(Recipe(), situation).run.batch
    assert batch is not None
    assert batch == 4 or batch * 4 <= situation.samples
    assert batch & (batch - 1) == 0


@given(situations, trials, speeds, st.integers(1, 5))
def test_a_run_without_a_bound_ends_in_its_minutes_and_shows_itself_often_enough(
    situation: Situation, trial: Trial, speed: float, moves: int
) -> None:
    run = whole(config.merge(Recipe(), {"game.critics": moves}), situation, trial, speed).run
    assert run.samples is not None
    assert run.batch is not None
    assert run.tick is not None
    assert 1 <= run.samples <= max(1.0, 1.05 * MINUTES * 60 * speed)  # rounded to two digits
    taken = moves * run.batch  # samples of a step
    assert run.tick == 1 or run.tick * taken <= min(TICK_SECONDS * speed, run.samples / FEWEST_TICKS)


@given(situations, trials, speeds, st.floats(0.01, 1000))
def test_a_run_bounded_by_minutes_is_given_no_other_bound(situation: Situation, trial: Trial, speed: float, minutes: float) -> None:
    run = whole(config.merge(Recipe(), {"run.minutes": minutes}), situation, trial, speed).run
    assert run.samples is None
    assert run.tick is not None
    assert run.batch is not None
    assert run.tick == 1 or run.tick * run.batch <= minutes * 60 * speed / FEWEST_TICKS


@pytest.mark.parametrize(
    ("layout", "device", "name", "width", "batch"),
    [
        (picture(1, 8, 8), "cpu", "dense", 256, 128),
        (Layout((Block("x", 2, "real"),)), "cuda", "dense", 128, 256),
        (picture(1, 28, 28), "cpu", "light", 16, 64),
        (picture(3, 32, 32), "cpu", "light", 32, 32),
        (picture(3, 64, 64), "cpu", "light", 32, 32),
        (picture(3, 32, 32), "cuda", "residual", 64, 256),
    ],
)
def test_networks_and_batch_follow_the_data_and_the_device(layout: Layout, device: str, name: str, width: int, batch: int) -> None:
    recipe = resolve_game(Recipe(), Situation(layout, 60_000, 100.0, device))
    assert (recipe.network.name, recipe.network.width, recipe.run.batch) == (name, width, batch)


@given(rows, st.integers(2, 10**6), st.sampled_from(["cpu", "cuda"]), st.lists(st.integers(1, 10**5), max_size=20).map(tuple))
def test_rows_of_choices_get_the_pair_for_them_and_their_classes_as_they_come(
    layout: Layout, samples: int, device: str, classes: tuple[int, ...]
) -> None:
    recipe = resolve_game(Recipe(), Situation(layout, samples, 10.0, device, classes))
    assert recipe.network.name == "row"
    assert recipe.network.latent == layout.condition - len([b for b in layout.blocks if b.kind == "onehot"])
    assert recipe.network.conditioning == "projection"
    assert recipe.game.likelihood == 10.0
    assert recipe.data.balance is False
    assert recipe.augment.strength == 0.0


@given(situations)
def test_likelihood_is_asked_of_the_generator_of_rows_alone(situation: Situation) -> None:
    assert resolve_game(Recipe(), situation).game.likelihood == (10.0 if situation.layout.given else 0.0)
    asked = config.merge(Recipe(), {"game.likelihood": 0.5})
    if situation.layout.given:
        assert resolve_game(asked, situation).game.likelihood == 0.5
    else:
        with pytest.raises(ConfigError, match=r"game\.likelihood is for rows of choices"):
            resolve_game(asked, situation)


@pytest.mark.parametrize(("settings", "words"), [({"game.pack": 2}, "game.pack has no meaning"), ({"network.latent": 5}, "has 3 numbers")])
def test_what_has_no_meaning_for_rows_is_refused(settings: dict[str, int], words: str) -> None:
    layout = Layout((Block("x", 2, "onehot"),), condition=4, given=True)
    with pytest.raises(ConfigError, match=words):
        resolve_game(config.merge(Recipe(), settings), Situation(layout, 100, 1.0, "cpu", ()))


def test_rows_of_choices_are_never_drawn_by_class() -> None:
    layout = Layout((Block("x", 2, "onehot"),), condition=4, given=True)
    with pytest.raises(ConfigError, match="shares that the table does not have"):
        resolve_game(config.merge(Recipe(), {"data.balance": True}), Situation(layout, 100, 1.0, "cpu", (90, 10)))


def test_the_penalty_follows_the_variance_and_nothing_else() -> None:
    weights = [
        resolve_game(Recipe(), Situation(layout, samples, variance, device)).penalty.gamma
        for layout, samples, device in ((picture(1, 28, 28), 60_000, "cpu"), (picture(3, 64, 64), 300, "cuda"))
        for variance in (50.0, 500.0)
    ]
    assert weights == pytest.approx([0.5, 5.0, 0.5, 5.0])


@pytest.mark.parametrize(
    ("settings", "gamma"),
    [
        ({}, 0.5),
        ({"penalty.name": "r1"}, 0.5),
        ({"penalty.name": "r2", "penalty.every": 16}, 0.5),
        ({"game.pack": 4}, 2.0),  # four samples vary four times as much as one
        ({"penalty.name": "wgan-gp"}, 10.0),
        ({"penalty.name": "lp"}, 10.0),
        ({"penalty.name": "dragan", "game.pack": 4}, 10.0),
        ({"penalty.clip": 0.01}, 0.0),
        ({"penalty.clip": 0.01, "penalty.name": "wgan-gp"}, 0.0),
        ({"penalty.clip": 0.01, "penalty.gamma": 3.0}, 3.0),
    ],
)
def test_the_weight_is_that_of_the_penalty_and_none_beside_clipped_weights(settings: dict[str, object], gamma: float) -> None:
    recipe = config.merge(Recipe(), settings)
    for variance in (50.0, 500.0):
        penalty = resolve_game(recipe, Situation(picture(1, 28, 28), 60_000, variance, "cpu")).penalty
        follows = "penalty.gamma" not in settings and penalty.clip is None and PENALTIES[penalty.name].cheap
        assert penalty.gamma == penalty.gamma_end == pytest.approx(gamma * (variance / 50.0 if follows else 1.0))


def test_a_batch_that_cannot_be_packed_is_refused_before_anything_is_tried() -> None:
    situation = Situation(picture(1, 28, 28), 60_000, 50.0, "cpu")
    for settings, pack in (({"game.pack": 3}, 3), ({"game.pack": 8, "run.batch": 20}, 8)):
        with pytest.raises(ConfigError, match=f"cannot be divided into packs of {pack}. Set run.batch"):
            resolve_game(config.merge(Recipe(), settings), situation)
    assert resolve_game(config.merge(Recipe(), {"game.pack": 3, "run.batch": 21}), situation).run.batch == 21


@pytest.mark.parametrize(
    ("layout", "samples", "strength"),
    [
        (picture(3, 64, 64), 328, 0.8),
        (picture(3, 64, 64), 1_000, 0.8),
        (picture(3, 64, 64), 4_999, 0.8),
        (picture(3, 64, 64), 5_000, 0.0),
        (picture(1, 28, 28), 54_000, 0.0),
        (picture(3, 32, 32), 45_000, 0.0),
        (picture(1, 28, 28), 300, 0.8),
        (picture(1, 8, 8), 1_200, 0.0),
        (picture(1, 200, 15), 300, 0.0),
        (picture(1, 200), 300, 0.0),
        (Layout((Block("x", 2, "real"),)), 300, 0.0),
    ],
)
def test_few_pictures_are_augmented_unless_they_are_tiny(layout: Layout, samples: int, strength: float) -> None:
    found = resolve_game(Recipe(), Situation(layout, samples, 100.0, "cpu")).augment
    assert (found.strength, found.rise) == (strength, 200 * samples)


@pytest.mark.parametrize(
    ("classes", "balance", "strength", "rise"),
    [
        ((), False, 0.0, 200 * 54_060),
        ((54_060,), False, 0.0, 200 * 54_060),
        ((49_148, 4_912), True, 0.0, 200 * 2 * 4_912),
        ((49_148, 4_915), False, 0.0, 200 * 54_060),
        ((6_000,) * 9 + (60,), True, 0.8, 200 * 600),
    ],
)
def test_very_unequal_classes_are_drawn_alike_often_and_augmented_as_if_all_were_of_the_smallest_size(
    classes: tuple[int, ...], balance: bool, strength: float, rise: int
) -> None:
    situation = Situation(picture(1, 28, 28), 54_060, 100.0, "cpu", classes)
    found = resolve_game(Recipe(), situation)
    assert (found.data.balance, found.augment.strength, found.augment.rise) == (balance, strength, rise)
    asked = resolve_game(config.merge(Recipe(), {"data.balance": False}), situation)
    assert (asked.data.balance, asked.augment.strength, asked.augment.rise) == (False, 0.0, 200 * 54_060)


def test_equal_classes_are_drawn_alike_often_where_that_is_asked_for_and_none_cannot_be() -> None:
    recipe = config.merge(Recipe(), {"data.balance": "true"})
    assert resolve_game(recipe, Situation(picture(1, 28, 28), 100, 100.0, "cpu", (40, 60))).augment.rise == 200 * 80
    with pytest.raises(ConfigError, match="these data have no classes"):
        resolve_game(recipe, Situation(picture(1, 28, 28), 100, 100.0, "cpu"))


@given(situations, st.floats(0, 1))
def test_an_augmentation_that_was_asked_for_stays(situation: Situation, strength: float) -> None:
    assert resolve_game(config.merge(Recipe(), {"augment.strength": strength}), situation).augment.strength == strength


@pytest.mark.parametrize("layout", [picture(1, 28, 28), picture(1, 8, 8), Layout((Block("x", 2, "real"),))], ids=["large", "tiny", "row"])
@pytest.mark.parametrize(
    ("settings", "strength"),
    [
        ({"augment.adapt": True}, 0.8),
        ({"augment.pseudo": True}, 0.8),
        ({"augment.pseudo": True, "augment.policy": "none"}, 0.8),
        ({"augment.adapt": True, "augment.strength": 0.3}, 0.3),
        ({"augment.policy": "none"}, 0.0),
    ],
)
def test_what_needs_a_strength_is_given_one(layout: Layout, settings: dict[str, object], strength: float) -> None:
    assert resolve_game(config.merge(Recipe(), settings), Situation(layout, 60_000, 100.0, "cpu")).augment.strength == strength


def test_a_strength_that_adapts_rises_by_itself() -> None:
    found = [
        resolve_game(config.merge(Recipe(), {f"augment.{name}": True}), situation_of(5_000)).augment.rise for name in ("adapt", "pseudo")
    ]
    assert found == [0, 200 * 5_000]


def situation_of(samples: int) -> Situation:
    return Situation(picture(1, 28, 28), samples, 100.0, "cpu")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network.name": "stylegan2"}, "which network.name=stylegan2 rescales"),
        ({"network.name": "sngan"}, "which network.name=sngan rescales"),
        ({"network.spectral": True}, "which network.spectral=true rescales"),
    ],
)
def test_weights_that_are_rescaled_are_not_clipped(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_game(config.merge(Recipe(), {"penalty.clip": 0.01, **settings}), situation_of(1_000))


def test_few_pictures_are_not_said_to_be_augmented_where_there_is_nothing_to_do_it_with() -> None:
    recipe = config.merge(Recipe(), {"augment.policy": "none"})
    assert resolve_game(recipe, Situation(picture(1, 28, 28), 300, 100.0, "cpu")).augment.strength == 0.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"augment.adapt": True, "augment.strength": 0.0}, r"augment\.adapt=true does nothing at augment\.strength=0"),
        ({"augment.pseudo": True, "augment.strength": 0.0}, r"augment\.pseudo=true does nothing at augment\.strength=0"),
        ({"augment.adapt": True, "augment.policy": "none"}, "nothing to adapt where augment.policy=none"),
    ],
)
def test_what_could_do_nothing_is_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_game(config.merge(Recipe(), settings), Situation(picture(1, 28, 28), 300, 100.0, "cpu"))


def test_values_that_need_more_digits_are_not_computed_in_bf16() -> None:
    points = Layout((Block("x", 2, "real"),))
    assert resolve_game(Recipe(), Situation(points, 1000, 2.0, "cpu")).machine.precision == "fp32"
    assert resolve_game(Recipe(), Situation(picture(1, 28, 28), 1000, 2.0, "cpu")).machine.precision is None


@given(situations)
def test_the_penalty_is_exact_unless_it_cannot_be(situation: Situation) -> None:
    assert resolve_game(Recipe(), situation).penalty.form == "exact"
    assert resolve_game(config.merge(Recipe(), {"machine.compile": True}), situation).penalty.form == "finite"


def test_a_compiled_network_takes_the_penalty_it_can() -> None:
    recipe, situation = config.merge(Recipe(), {"machine.compile": True}), Situation(picture(3, 32, 32), 1000, 2.0, "cuda")
    assert resolve_game(recipe, situation).penalty.form == "finite"
    for name, value in (("penalty.path", 0.2), ("game.unrolled", 3), ("penalty.name", "wgan-gp")):
        with pytest.raises(ConfigError, match=rf"machine\.compile=true cannot be used with {name}.*no second derivative"):
            resolve_game(config.merge(recipe, {name: value}), situation)


@pytest.mark.parametrize(("name", "generator", "discriminator"), [("sagan", 1e-4, 4e-4), ("sngan", 2e-4, 2e-4), ("stylegan2", 2e-3, 2e-3)])
def test_the_rates_of_published_pairs_are_the_published_ones(name: str, generator: float, discriminator: float) -> None:
    recipe = config.merge(Recipe(), {"network.name": name})
    found = resolve_game(recipe, Situation(picture(3, 32, 32), 60_000, 100.0, "cuda")).optimiser
    assert (found.lr_generator, found.lr_discriminator) == (generator, discriminator)


def test_an_augmentation_that_was_named_is_used_and_has_to_suit_the_data() -> None:
    many = Situation(picture(1, 28, 28), 60_000, 200.0, "cpu")
    assert resolve_game(config.merge(Recipe(), {"augment.policy": "ada"}), many).augment.strength == STRONGEST
    assert resolve_game(config.merge(Recipe(), {"augment.policy": "none"}), many).augment.strength == 0.0
    points = Situation(Layout((Block("x", 2, "real"),)), 60_000, 2.0, "cpu")
    with pytest.raises(ConfigError, match="diffaugment is for a plane; these data are a row"):
        resolve_game(config.merge(Recipe(), {"augment.policy": "diffaugment"}), points)


def test_a_width_that_would_do_nothing_is_refused() -> None:
    situation = Situation(picture(1, 8, 8), 1_800, 20.0, "cpu")
    found = resolve_game(config.merge(Recipe(), {"network.name": "classic"}), situation)
    assert resolve_game(found, situation) == found
    with pytest.raises(ConfigError, match=r"network\.width does nothing with network\.name=classic"):
        resolve_game(config.merge(found, {"network.width": 8}), situation)
    assert "network.width" not in spaces.automatic(config.merge(found, {"run.tick": 1}), (), 1_000, augments=False)


@pytest.mark.parametrize(("layout", "times", "power"), [(Layout((Block("x", 2, "real"),)), 2, 2), (picture(1, 8, 8), 1, 1)])
def test_points_have_a_quicker_discriminator_and_rates_that_fall_sooner(layout: Layout, times: float, power: float) -> None:
    found = resolve_game(Recipe(), Situation(layout, 60_000, 100.0, "cpu")).optimiser
    assert found.lr_generator is not None
    assert found.lr_discriminator == times * found.lr_generator
    assert found.lr_power == power


@pytest.mark.parametrize(("batch", "share"), [(8, 0.125), (32, 0.5), (64, 1.0), (256, 1.0)])
def test_the_light_pair_learns_in_proportion_to_a_small_batch_and_never_faster(batch: int, share: float) -> None:
    situation = Situation(picture(1, 28, 28), 60_000, 200.0, "cpu")
    whole_rate = resolve_game(Recipe(), situation).optimiser.lr_generator
    found = resolve_game(config.merge(Recipe(), {"run.batch": batch}), situation)
    assert whole_rate is not None
    assert found.optimiser.lr_generator == found.optimiser.lr_discriminator == pytest.approx(share * whole_rate)
