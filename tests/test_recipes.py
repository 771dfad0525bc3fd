"""Recipes by name: each says where it comes from, resolves, trains, and is the file that `recipes show` prints."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import gansmith
from gansmith import config
from gansmith.config import Recipe
from gansmith.engine import probe
from gansmith.engine.plan import Plan
from gansmith.engine.probe import Trial, Way
from gansmith.errors import ConfigError
from gansmith.layout import Block, Layout
from gansmith.losses import LOSSES
from gansmith.recipes import named
from gansmith.recipes.automatic import Situation, resolve_game, resolve_length
from gansmith.recipes.named import RECIPES

DIGITS = Layout((Block("pixels", 1, "bounded"),), (28, 28), 10)
SITUATION = Situation(DIGITS, 60_000, 300.0, "cpu")
TRIAL = Trial(Way("fp32", 1), 1, 100.0, 1.0)
PUBLISHED = [name for name in RECIPES if name not in ("light", "mlp")]

# What makes a run small, and nothing else.
SMALL: dict[str, Any] = {
    "machine.device": "cpu", "machine.precision": "fp32", "machine.threads": 1, "machine.workers": 1, "penalty.form": "exact",
    "network.width": 8, "run.batch": 8, "run.tick": 1, "run.looks": 0, "run.previews": 1, "run.report": False,
}  # fmt: skip


def small(name: str) -> dict[str, Any]:
    """Settings with which a recipe takes no time; the article's network is as large as it is."""
    return {k: v for k, v in SMALL.items() if (k, name) != ("network.width", "article")}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)


def resolved(name: str) -> Recipe:
    return resolve_length(resolve_game(named.get(name), SITUATION), SITUATION, TRIAL, 100.0)


def test_the_names_are_those_that_were_promised() -> None:
    assert list(RECIPES) == ["article", "dcgan", "wgan-gp", "sngan", "stylegan2", "r3gan", "light", "mlp"]


@pytest.mark.parametrize("name", RECIPES)
def test_each_says_in_a_line_what_it_is_and_below_where_it_comes_from(name: str) -> None:
    assert 20 < len(named.line(name)) <= 110
    assert not named.line(name).endswith(".")
    told = named.show(name)
    assert told.startswith(f"# {named.line(name)}\n#\n# Source: ")
    if name in PUBLISHED:
        assert re.search(r"arXiv:\d{4}\.\d{5}", told)
        assert "# Differs: " in told


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_shown_is_a_file_of_the_same_recipe(name: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(named.show(name), encoding="utf-8")
    assert config.read(path) == named.get(name) == named.read(path)
    plain, found = config.flat(Recipe()), config.flat(named.get(name))
    shown = {f"{group}.{key}": value for group, values in yaml.safe_load(named.show(name)).items() for key, value in values.items()}
    assert shown == {k: v for k, v in found.items() if v != plain[k]}


@pytest.mark.parametrize("name", RECIPES)
def test_each_resolves_and_keeps_what_it_says(name: str) -> None:
    given, found = config.flat(named.get(name)), config.flat(resolved(name))
    assert {k: found[k] for k, v in given.items() if v is not None} == {k: v for k, v in given.items() if v is not None}
    assert [k for k, v in found.items() if v is None and not k.startswith("data.") and k not in ("run.minutes", "penalty.clip")] == []
    assert found["loss.name"] in LOSSES
    Plan.of(resolved(name), DIGITS)


@pytest.mark.parametrize("name", [n for n in PUBLISHED if n != "r3gan"])
def test_older_recipes_have_no_schedule_and_none_of_our_aids(name: str) -> None:
    plan, r = Plan.of(resolved(name), DIGITS), resolved(name)
    first, last = plan.rates(1000, 0.1), plan.rates(2000, 0.99)
    assert (first.beta1, first.beta2, first.gamma, first.strength) == (last.beta1, last.beta2, last.gamma, last.strength)
    assert last.strength == r.loss.centring == 0
    if name == "sngan":
        assert last.lr_generator < 0.01 * first.lr_generator
    else:
        assert last.lr_generator == first.lr_generator
    if name != "stylegan2":
        assert first.ema_beta == last.ema_beta == 0


def test_a_few_numbers_as_published() -> None:
    def of(name: str, *settings: str) -> tuple[Any, ...]:
        found = config.flat(named.get(name))
        return tuple(found[setting] for setting in settings)

    adam = ("optimiser.lr_generator", "optimiser.lr_discriminator", "optimiser.beta1", "optimiser.beta2", "run.batch")
    assert of("dcgan", *adam) == of("article", *adam) == (2e-4, 2e-4, 0.5, 0.999, 128)
    assert of("article", "run.samples", "network.latent", "penalty.gamma") == (5 * 60_000, 100, 0)
    assert of("wgan-gp", *adam, "game.critics", "penalty.name", "penalty.gamma") == (1e-4, 1e-4, 0, 0.9, 64, 5, "wgan-gp", 10)
    assert of("sngan", *adam, "game.critics", "loss.name") == (2e-4, 2e-4, 0, 0.9, 64, 5, "hinge")
    assert of("stylegan2", *adam, "penalty.name", "penalty.every", "average.halflife") == (2e-3, 2e-3, 0, 0.99, 32, "r1", 16, 10_000)
    assert of("r3gan", "loss.name", "penalty.name", "penalty.gamma", "penalty.gamma_end") == ("relativistic", "r1+r2", 0.05, 0.005)
    for size, weight in ((64, 0.2), (32, 0.25)):
        assert math.log(2) / (math.log(size) - math.log(2)) == pytest.approx(weight)
    assert of("stylegan2", "penalty.path") == (0.2,)


@pytest.mark.parametrize("name", ["light", "mlp"])
def test_ours_are_the_automatic_choices_and_a_network(name: str) -> None:
    assert named.differences(named.get(name)) == {"network": {"name": "light" if name == "light" else "dense"}}


# --- by name, by file ----------------------------------------------------------------------------------------------------


def test_a_name_is_taken_where_there_is_no_such_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "light").mkdir()
    assert named.read("light") == named.read(Path("light")) == named.get("light")
    (tmp_path / "dcgan").write_text("run: {batch: 7}")
    assert named.read("dcgan").run.batch == 7


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("dcgam", "there is no recipe 'dcgam', neither a file nor a name; did you mean 'dcgan'"),
        ("xyz", "known are: article, dcgan"),
        ("dcgan.yaml", "there is no recipe file dcgan.yaml"),
        ("recipes/dcgan", "there is no recipe file recipes/dcgan"),
    ],
)
def test_what_is_neither_is_told(given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        named.read(given)


# --- training ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blots() -> np.ndarray:
    """Pictures [40, 28, 28] of a light blot on black."""
    source = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    places = source.uniform(8, 20, (40, 2, 1, 1))
    return (255 * np.exp(-((y - places[:, 0]) ** 2 + (x - places[:, 1]) ** 2) / 20)).astype(np.uint8)


@pytest.mark.parametrize("name", RECIPES)
def test_each_trains(name: str, blots: np.ndarray, tmp_path: Path) -> None:
    critics = named.get(name).game.critics
    run = gansmith.train(blots, recipe=name, runs=tmp_path, settings={**small(name), "run.samples": 3 * 8 * critics})
    assert [record["step"] for record in run.log] == [1, 2, 3]
    assert all(math.isfinite(v) for record in run.log for v in record.values())
    given = config.flat(named.get(name))
    kept = {k: v for k, v in given.items() if v is not None and k not in (*SMALL, "run.samples", "data.source")}
    now = config.flat(run.recipe)
    assert {k: now[k] for k in kept} == kept
    assert run.sample(2).raw.shape == (2, 28, 28, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", RECIPES)
def test_each_learns_on_fashion_mnist_for_200_steps(name: str, shared: Path, tmp_path: Path) -> None:
    critics = named.get(name).game.critics
    settings = {**small(name), "run.batch": 16, "run.samples": 200 * 16 * critics, "run.tick": 20}
    run = gansmith.train(shared / "fashion-mnist", recipe=name, runs=tmp_path, settings=settings)
    assert run.log[-1]["step"] == 200
    assert all(math.isfinite(v) for record in run.log for v in record.values())
    raw = run.sample(64).raw.astype(float)
    assert raw.std(0).mean() > 5  # unlike one another, in grey values
    assert raw.std((1, 2, 3)).mean() > 5  # and not of one shade


# --- the command line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    return said


def test_they_are_listed_with_a_line_each(say: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = say("recipes")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == list(RECIPES)
    assert all(named.line(name) in line for name, line in zip(RECIPES, out.splitlines(), strict=True))


def test_one_is_shown_and_trains_with_changes_on_top(say: Callable[..., tuple[int, str, str]]) -> None:
    assert say("recipes", "show", "article") == (0, named.show("article"), "")
    changes = {**small("article"), "run.samples": 24, "optimiser.beta1": 0.25}
    code, out, err = say("train", "digits", "--recipe", "article", *(w for k, v in changes.items() for w in ("--set", f"{k}={v}")))
    assert code == 0, err
    assert "networks classic" in out
    recipe = config.read("runs/digits-1/recipe.yaml")
    assert (recipe.optimiser.beta1, recipe.optimiser.beta2, recipe.run.samples) == (0.25, 0.999, 24)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("recipes", "show", "dcgam"), "did you mean 'dcgan'?"),
        (("recipes", "show"), "Missing argument"),
        (("recipes", "shew"), "No such command"),
        (("train", "--recipe", "r3gam"), "there is no recipe 'r3gam', neither a file nor a name; did you mean 'r3gan'?"),
    ],
)
def test_a_mistake_is_one_sentence(words: tuple[str, ...], told: str, say: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path.cwd().iterdir())
