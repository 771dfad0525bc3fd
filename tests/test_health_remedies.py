"""Remedies: every change is one that may come in the middle of a run, to a legal value other than it is, and they come to an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith import config
from gansmith.config import Recipe
from gansmith.health.checks import CHECKS
from gansmith.health.remedies import TREATMENTS, remedy
from gansmith.records import Finding

CODES = [check.code for check in CHECKS]
MENDABLE = sorted(TREATMENTS)
FREE = {  # what neither the shape of a network nor the order of the samples depends on
    "optimiser.lr_generator", "optimiser.lr_discriminator", "optimiser.beta1", "optimiser.beta2", "optimiser.beta2_end", "penalty.name",
    "penalty.gamma", "penalty.gamma_end", "penalty.clip", "penalty.lecam", "loss.name", "loss.centring", "augment.strength",
    "augment.policy", "augment.rise", "augment.adapt", "game.kept", "game.unrolled", "game.features", "average.halflife",
    "machine.precision",
}  # fmt: skip
AUTOMATIC: dict[str, Any] = {
    **config.flat(Recipe()), "penalty.gamma": 0.2, "penalty.gamma_end": 0.2, "optimiser.lr_generator": 1e-3,
    "optimiser.lr_discriminator": 1e-3, "optimiser.lr_end": 0.1, "optimiser.lr_power": 1.0,
    "average.halflife": 20_000, "augment.strength": 0.0, "augment.rise": 1_000,
    "machine.precision": "fp32", "penalty.form": "exact",
}  # fmt: skip
DEAD = {"dead": {"generator": 0.9}}  # the evidence without which dead units are not treated


def finding(code: str) -> Finding:
    return Finding(code, "severe", "it is ill.", evidence=DEAD)


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings after a change. ConfigError where it is not legal."""
    return config.flat(config.merge(config.merge(Recipe(), settings), changes))


SICK: dict[str, Any] = {  # a run in which everything that a remedy looks at is otherwise than it should be
    "loss.name": "minimax", "loss.centring": 0.0, "penalty.gamma": 0.0, "penalty.gamma_end": 0.0, "penalty.clip": 0.01, "game.kept": 0.2,
    "optimiser.lr_generator": 1e-2, "optimiser.lr_discriminator": 1e-4, "optimiser.beta1": 0.5, "optimiser.beta2": 0.999,
    "optimiser.beta2_end": 0.999, "average.halflife": 10_000_000, "augment.policy": "none", "machine.precision": "bf16",
}  # fmt: skip

rates = st.floats(1e-9, 10.0)
weights = st.sampled_from([0.0, 1e-6, 0.2, 20.0, 1e6]) | st.floats(0.0, 1e9)
present = st.fixed_dictionaries(
    {
        "loss.name": st.sampled_from(["relativistic", "minimax", "hinge", "wasserstein"]),
        "loss.centring": st.sampled_from([0.0, 1e-3, 1e-2, 0.5]),
        "penalty.gamma": weights,
        "penalty.gamma_end": weights,
        "penalty.name": st.sampled_from(["r1+r2", "r1", "wgan-gp", "dragan"]),
        "penalty.clip": st.none() | st.just(0.01),
        "optimiser.lr_generator": rates,
        "optimiser.lr_discriminator": rates,
        "optimiser.beta1": st.sampled_from([0.0, 0.5]),
        "game.kept": st.sampled_from([1.0, 0.1]),
        "game.critics": st.sampled_from([1, 5]),
        "augment.policy": st.sampled_from(["few", "ada", "none"]),
        "augment.strength": st.sampled_from([0.0, 0.5, 1.0]),
        "average.halflife": st.sampled_from([0, 5, 20_000, 10**8]),
        "machine.precision": st.sampled_from(["fp32", "bf16"]),
        "machine.compile": st.booleans(),
    }
)


@given(st.sampled_from(CODES), present, st.booleans(), st.booleans())
def test_every_change_is_legal_and_a_change_and_they_end(code: str, settings: Mapping[str, Any], known: bool, anew: bool) -> None:
    now, automatic = {**AUTOMATIC, **settings}, AUTOMATIC if known else None
    for tries in range(10):
        changes = remedy(finding(code), now, tries, automatic, anew)
        if not changes:
            break
        assert changes.keys() <= (FREE | {"game.critics"} if anew else FREE)
        assert all(now[name] != value for name, value in changes.items())
        now = merged(now, changes)
        assert all(now[name] == value for name, value in changes.items())
    assert remedy(finding(code), now, 10, automatic) == {}
    assert tries <= 3


@pytest.mark.parametrize("code", MENDABLE)
def test_every_illness_that_settings_can_mend_is_treated(code: str) -> None:
    sick = {**AUTOMATIC, **SICK} if code not in ("H208", "H213") else {**AUTOMATIC, "penalty.gamma": 200.0, "penalty.gamma_end": 200.0}
    assert remedy(finding(code), sick, 0, AUTOMATIC)


@pytest.mark.parametrize("code", ["H203", "H212", "H217", "H219", "H220", "H222", "H223", "H999"])
def test_what_settings_cannot_mend_is_left_alone(code: str) -> None:
    assert remedy(finding(code), {**AUTOMATIC, **SICK}, 0, AUTOMATIC) == {}


def test_a_layer_that_was_never_reached_is_no_matter_of_settings() -> None:
    assert remedy(Finding("H221", "warning", "it is frozen.", evidence={"frozen": ["generator.a"]}), AUTOMATIC | SICK) == {}


class TestTowardsTheAutomaticRecipe:
    def test_a_collapse_is_answered_by_the_game_that_was_measured(self) -> None:
        now = merged({**AUTOMATIC, **SICK}, remedy(finding("H201"), {**AUTOMATIC, **SICK}, 0, AUTOMATIC))
        assert now["loss.name"] == "relativistic"
        assert now["loss.centring"] == 1e-3
        assert now["penalty.gamma"] == now["penalty.gamma_end"] == 0.2
        assert now["penalty.clip"] is None
        assert now["game.kept"] == 1.0
        assert (now["optimiser.lr_generator"], now["optimiser.lr_discriminator"]) == (1e-3, 1e-3)  # a tenth of it is too low

    def test_several_steps_of_the_discriminator_for_one_are_given_up_where_a_run_begins_anew(self) -> None:
        sick = {**AUTOMATIC, **SICK, "game.critics": 5}
        in_the_middle, anew = (remedy(finding("H205"), sick, 0, AUTOMATIC, anew) for anew in (False, True))
        assert anew == {**in_the_middle, "game.critics": 1}
        assert "game.critics" not in in_the_middle

    def test_rates_a_little_lower_are_kept(self) -> None:
        slow = {**AUTOMATIC, **SICK, "optimiser.lr_generator": 5e-4, "optimiser.lr_discriminator": 5e-4}
        assert not {"optimiser.lr_generator", "optimiser.lr_discriminator"} & remedy(finding("H201"), slow, 0, AUTOMATIC).keys()

    def test_where_the_run_is_automatic_already_the_next_step_is_taken(self) -> None:
        assert remedy(finding("H201"), AUTOMATIC, 0, AUTOMATIC) == {
            "optimiser.lr_generator": 5e-4,
            "optimiser.lr_discriminator": 5e-4,
            "penalty.gamma": pytest.approx(0.6),
            "penalty.gamma_end": pytest.approx(0.6),
        }

    def test_missing_variety_is_answered_by_half_the_rates_before_a_stronger_penalty(self) -> None:
        first = remedy(finding("H202"), AUTOMATIC, 0, AUTOMATIC)
        assert first == {"optimiser.lr_generator": 5e-4, "optimiser.lr_discriminator": 5e-4}
        now = merged(AUTOMATIC, first)
        assert remedy(finding("H202"), now, 2, AUTOMATIC).keys() == {*first, "penalty.gamma", "penalty.gamma_end"}
        assert remedy(finding("H202"), {**AUTOMATIC, "loss.name": "minimax"}, 0, AUTOMATIC) == {"loss.name": "relativistic"}

    def test_each_try_goes_further(self) -> None:
        now, levels = dict(AUTOMATIC), []
        for tries in range(3):
            now = merged(now, remedy(finding("H209"), now, tries, AUTOMATIC))
            levels.append(now["optimiser.lr_generator"])
        assert levels == [5e-4, 2.5e-4, 1.25e-4]

    def test_a_rate_ten_times_too_high_comes_back_to_the_automatic_one(self) -> None:
        fast = {**AUTOMATIC, "optimiser.lr_generator": 1e-2, "optimiser.lr_discriminator": 1e-2}
        wanted = {"optimiser.lr_generator": 1e-3, "optimiser.lr_discriminator": 1e-3}
        assert remedy(finding("H207"), fast, 0, AUTOMATIC) == wanted
        assert remedy(finding("H207"), fast, 0) == {name: 5e-3 for name in wanted}  # nobody knows the automatic one

    @pytest.mark.parametrize(("gamma", "wanted"), [(20.0, 0.2), (0.3, 0.1)])
    def test_a_strong_penalty_comes_down(self, gamma: float, wanted: float) -> None:
        found = remedy(finding("H213"), {**AUTOMATIC, "penalty.gamma": gamma, "penalty.gamma_end": gamma}, 0, AUTOMATIC)
        assert found == {"penalty.gamma": pytest.approx(wanted), "penalty.gamma_end": pytest.approx(wanted)}

    def test_a_penalty_of_another_kind_keeps_its_measure(self) -> None:
        found = remedy(finding("H213"), {**AUTOMATIC, "penalty.name": "wgan-gp", "penalty.gamma": 30.0}, 0, AUTOMATIC)
        assert found["penalty.gamma"] == pytest.approx(10.0)

    def test_no_penalty_becomes_the_automatic_one(self) -> None:
        assert remedy(finding("H214"), {**AUTOMATIC, "penalty.gamma": 0.0, "penalty.gamma_end": 0.0}, 0, AUTOMATIC) == {
            "penalty.gamma": 0.2,
            "penalty.gamma_end": 0.2,
        }
        unknown = remedy(finding("H214"), {**AUTOMATIC, "penalty.gamma": 0.0, "penalty.gamma_end": 0.0})
        assert not {"penalty.gamma", "penalty.gamma_end"} & unknown.keys()  # three times nothing is nothing

    def test_a_compiled_network_has_no_second_derivative(self) -> None:
        compiled = {**AUTOMATIC, "machine.compile": True, "penalty.gamma": 0.0, "penalty.gamma_end": 0.0}
        assert "penalty.gamma" not in remedy(finding("H214"), compiled, 0, AUTOMATIC)
        assert remedy(finding("H214"), {**compiled, "penalty.form": "finite"}, 0, AUTOMATIC)["penalty.gamma"] == 0.2

    def test_a_weak_discriminator_is_made_as_quick_as_the_generator_and_then_the_generator_slower(self) -> None:
        slow = {**AUTOMATIC, "optimiser.lr_discriminator": 1e-5}
        assert remedy(finding("H206"), slow, 0, AUTOMATIC) == {"optimiser.lr_discriminator": 1e-3}
        assert remedy(finding("H206"), AUTOMATIC, 0, AUTOMATIC) == {"optimiser.lr_generator": 5e-4}

    def test_what_is_known_by_heart_is_augmented_and_then_held_more_firmly(self) -> None:
        assert remedy(finding("H204"), AUTOMATIC, 0) == {"augment.strength": 0.8}
        assert remedy(finding("H204"), {**AUTOMATIC, "augment.policy": "none"}, 0) == {"augment.policy": "few", "augment.strength": 0.8}
        assert remedy(finding("H218"), {**AUTOMATIC, "augment.strength": 0.8}, 0) == {
            "penalty.gamma": pytest.approx(0.6),
            "penalty.gamma_end": pytest.approx(0.6),
        }

    def test_what_is_not_finite_gets_all_digits(self) -> None:
        assert remedy(finding("H210"), {**AUTOMATIC, "machine.precision": "bf16"}, 0, AUTOMATIC) == {"machine.precision": "fp32"}

    def test_drifting_logits_are_centred_ever_more(self) -> None:
        now, levels = {**AUTOMATIC, "loss.centring": 0.0}, []
        for tries in range(4):
            now |= remedy(finding("H208"), now, tries)
            levels.append(now["loss.centring"])
        assert levels == pytest.approx([1e-3, 1e-2, 1e-1, 1e-1])

    def test_an_average_that_lags_is_quickened(self) -> None:
        assert remedy(finding("H215"), {**AUTOMATIC, "average.halflife": 10**7}, 0, AUTOMATIC) == {"average.halflife": 20_000}
        assert remedy(finding("H215"), AUTOMATIC, 0, AUTOMATIC) == {"average.halflife": 2_000}
