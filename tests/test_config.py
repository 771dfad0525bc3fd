"""Settings: what is unknown or impossible is refused in a sentence, and what is written down is read back."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gansmith.augment import POLICIES
from gansmith.config import (
    AugmentSettings,
    NetworkSettings,
    OptimiserSettings,
    PenaltySettings,
    Recipe,
    Settings,
    build,
    count,
    dump,
    flat,
    merge,
    names,
    parse_assignments,
    read,
)
from gansmith.engine.optimisers import OPTIMISERS
from gansmith.errors import ConfigError
from gansmith.networks import NETWORKS
from gansmith.penalties import PENALTIES

FULL = {
    "data.source": "photos/кошки",
    "data.size": (32, 48),
    "data.fit": "pad",
    "network.name": "light",
    "network.width": 32,
    "penalty.gamma": 0.3,
    "optimiser.lr_generator": 2.5e-4,
    "run.batch": 64,
    "run.minutes": 7.5,
    "machine.compile": True,
}


def test_a_recipe_survives_yaml(tmp_path: Path) -> None:
    recipe = merge(Recipe(), FULL)
    path = tmp_path / "recipe.yaml"
    path.write_text(dump(recipe), encoding="utf-8")
    assert read(path) == recipe
    assert {k: v for k, v in flat(recipe).items() if k in FULL} == {**FULL, "data.size": [32, 48]}


@given(
    gamma=st.none() | st.floats(0, 1e300),
    rate=st.none() | st.floats(1e-300, 1e300),
    source=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])),  # PyYAML folds exotic line ends
    seed=st.integers(0, 2**63 - 1),
)
def test_any_value_survives_yaml(gamma: float | None, rate: float | None, source: str, seed: int) -> None:
    recipe = build({"data": {"source": source}, "penalty": {"gamma": gamma}, "optimiser": {"lr_generator": rate}, "run": {"seed": seed}})
    assert build(yaml.safe_load(dump(recipe))) == recipe


def test_an_empty_recipe_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("", encoding="utf-8")
    assert read(path) == Recipe() == build({})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"penalty": {"gama": 1}}, "there is no setting 'penalty.gama'; did you mean 'penalty.gamma'?"),
        ({"penality": {"gamma": 1}}, "there is no setting 'penality'; did you mean 'penalty'?"),
        ({"run": {"xyzzy": 1}}, "known are: data.source"),
        ({"run": {"batch": 0}}, "setting 'run.batch' cannot be 0"),
        ({"run": {"batch": "many"}}, "setting 'run.batch' cannot be 'many'"),
        ({"run": 3}, "setting 'run' cannot be 3"),
        ({"data": {"fit": "squash"}}, "'crop', 'pad' or 'stretch'"),
        ({"penalty": {"gamma": float("nan")}}, "setting 'penalty.gamma' cannot be nan"),
        ({"optimiser": {"beta2": 0.99, "beta2_end": 0.9}}, "beta2_end is lower"),
        ({"optimiser": {"name": "extra"}, "game": {"critics": 2}}, "game.critics must be 1"),
        ({"game": {"unrolled": 1, "features": 0.5}}, "Leave game.features"),
        ({"game": {"unrolled": 1}, "network": {"conditioning": "auxiliary"}}, "network.conditioning=auxiliary out"),
        ({"game": {"packs": 2}}, "there is no setting 'game.packs'; did you mean 'game.pack'?"),
        ({"game": {"kept": 0}}, "setting 'game.kept' cannot be 0"),
        ({"penalty": {"clip": 0}}, "setting 'penalty.clip' cannot be 0"),
        ({"version": 99}, "pip install -U gansmith"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        build(values)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("name", PENALTIES)
def test_finite_differences_are_refused_where_a_penalty_is_not_linear(name: str) -> None:
    values = {"penalty": {"name": name, "form": "finite"}}
    if PENALTIES[name].cheap:
        assert build(values).penalty.name == name
    else:
        with pytest.raises(ConfigError, match=f"penalty.form=finite supports only R1 and R2, not {name}. Set penalty.form=exact."):
            build(values)


@pytest.mark.parametrize(
    ("group", "name", "known"),
    [
        (PenaltySettings, "name", PENALTIES),
        (OptimiserSettings, "name", OPTIMISERS),
        (NetworkSettings, "name", NETWORKS),
        (AugmentSettings, "policy", {*POLICIES, "none"} - {"consistency"}),
    ],
)
def test_what_may_be_named_is_what_there_is(group: type[Settings], name: str, known: Collection[str]) -> None:
    kind = group.model_fields[name].annotation
    literal = next((part for part in get_args(kind) if get_args(part)), kind)  # of an optional one
    assert set(get_args(literal)) == set(known)


def test_groups_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().run.batch = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no recipe file"),
        ("- a\n- b\n", "holds a list"),
        ("run: [", "is not YAML"),
        ("data: {source: 2024-13-45}", "is not YAML: month must be in 1..12"),
        ("\xff\xfe", "cannot be read"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "recipe.yaml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=words):
        read(path)
    with pytest.raises(ConfigError):
        read(tmp_path)


# --- changes from a command line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("optimiser.lr_generator", "1e-3", 1e-3),
        ("optimiser.lr_generator", ".5", 0.5),
        ("run.samples", "2M", 2_000_000),
        ("run.samples", "500k", 500_000),
        ("run.samples", "1e6", 1_000_000),
        ("run.batch", "64", 64),
        ("run.batch", "null", None),
        ("data.size", "[28, 14]", (28, 14)),
        ("data.labels", "none", "none"),
        ("data.source", "photos/3M", "photos/3M"),
        ("data.source", "hf:cifar10", "hf:cifar10"),
        ("data.source", "2024", "2024"),
        ("data.source", "2024-13-01", "2024-13-01"),
        ("data.source", "1e3", "1e3"),
        ("data.labels", "null", None),
        ("machine.device", "cuda:1", "cuda:1"),
        ("machine.compile", "true", True),
        ("network.name", "residual", "residual"),
    ],
)
def test_text_from_a_command_line_becomes_a_value(name: str, text: str, value: object) -> None:
    changed = merge(Recipe(), parse_assignments([f"{name}={text}"]))
    group, _, field = name.partition(".")
    found = getattr(getattr(changed, group), field)
    assert found == value
    assert type(found) is type(value)


def test_merge_changes_what_is_named_and_nothing_else() -> None:
    first = merge(Recipe(), FULL)
    second = merge(first, {"run.batch": 128})
    assert second.run.batch == 128
    assert {k: v for k, v in flat(second).items() if k != "run.batch"} == {k: v for k, v in flat(first).items() if k != "run.batch"}
    assert first.run.batch == 64
    assert merge(first, {}) == first


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("penalty.gama", "did you mean 'penalty.gamma'?"),
        ("penality.gamma", "did you mean 'penalty.gamma'?"),
        ("run.btach", "did you mean 'run.batch'?"),
        ("run", "there is no setting 'run'"),
        ("version", "there is no setting 'version'"),
        ("version.x", "there is no setting 'version.x'"),
        ("", "there is no setting ''"),
        ("run.batch.size", "there is no setting 'run.batch.size'"),
    ],
)
def test_merge_refuses_an_unknown_name_with_the_nearest(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        merge(Recipe(), {name: 1})
    assert words in str(refused.value)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", ".inf", "many", "[", "0x", "2024-13-01"])
def test_a_value_that_is_no_number_is_refused_and_never_a_crash(text: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.minutes"):
        merge(Recipe(), {"run.minutes": text})


@given(st.sampled_from(names()), st.text(max_size=12))
def test_no_text_makes_merge_crash(name: str, text: str) -> None:
    with suppress(ConfigError):
        assert isinstance(merge(Recipe(), {name: text}), Recipe)


def test_assignments_are_split_at_the_first_equals_sign() -> None:
    assert parse_assignments(["data.source=a=b", " run.batch = 8 "]) == {"data.source": "a=b", "run.batch": "8"}
    for word in ("run.batch", "=8", ""):
        with pytest.raises(ConfigError, match="NAME=VALUE"):
            parse_assignments([word])


@pytest.mark.parametrize(
    ("text", "number"),
    [("2M", 2e6), ("2m", 2e6), ("1.5k", 1500), ("3G", 3e9), ("3b", 3e9), ("1e3", 1000), ("-2k", -2000), (7, 7), (0.5, 0.5)],
)
def test_counts(text: str | float, number: float) -> None:
    assert count(text) == number
    assert isinstance(count(text), int) == (number == int(number))


@pytest.mark.parametrize("text", ["", "k", "twoM", "1kk", "nan", "inf", "1e999"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a number"):
        count(text)


def test_every_setting_has_one_name() -> None:
    known = names()
    assert len(known) == len(set(known)) == len(flat(Recipe()))
    assert {"run.batch", "penalty.gamma", "machine.threads"} <= set(known)
