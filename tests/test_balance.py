"""Classes of very unequal size are drawn alike often while training, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gansmith
import tiny
from gansmith.config import Recipe
from gansmith.data.order import Alike, Feed, Shuffled
from gansmith.engine import probe
from gansmith.engine.distribute import World
from gansmith.verbs import opened as room
from gansmith.verbs.opened import Opened
from gansmith.verbs.parts import Parts
from tiny import TICK, Crash, Watching, assert_same_end, train

MANY, FEW = 200, 12
SAID = "drawn    every class equally often"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def unequal(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pictures of 4 x 4 pixels, bright and many or dark and few."""
    path = tmp_path_factory.mktemp("unequal") / "unequal.npz"
    labels = np.repeat([0, 1], [MANY, FEW])
    pixels = np.random.default_rng(0).integers(0, 100, (MANY + FEW, 4, 4)) + 150 * (labels == 0)[:, None, None]
    np.savez(path, images=pixels.astype(np.uint8), labels=labels, class_names=np.array(["bright", "dark"]))
    return str(path)


def opened(source: str, **data: object) -> Opened:
    return Opened.of(Recipe.model_validate({"data": {"source": source, **data}}), None, "cpu")


@pytest.mark.parametrize(("data", "balance"), [({}, True), ({"labels": "none"}, False)])
def test_the_choice_is_made_by_the_classes_of_what_is_trained_on(unequal: str, data: dict[str, object], balance: bool) -> None:
    recipe = Recipe.model_validate({"data": {"source": unequal, **data}})
    found = opened(unequal, **data).resolve(recipe, Parts(), World(device="cpu"))[0]
    assert found.data.balance is balance


def test_a_batch_holds_classes_alike_and_the_generator_is_told_their_frequencies(unequal: str) -> None:
    found = opened(unequal)
    batches = [found.feed(16, 0, World(device="cpu"), balance=balance)(0).condition for balance in (True, False)]
    assert [int(b[:, 1].sum()) for b in batches if b is not None] == [8, pytest.approx(1, abs=4)]
    rare = int((found.collection.labels[found.members] == 1).sum())  # type: ignore[index]
    assert found.card(Recipe(), Parts()).shares == pytest.approx((1 - rare / len(found.members), rare / len(found.members)))


def test_what_is_sampled_has_the_frequencies_of_the_data(unequal: str, tmp_path: Path) -> None:
    run = train(tmp_path, {"data.source": unequal, "run.looks": 0})
    assert run.recipe.data.balance is True
    drawn = torch.tensor(run.sample(2000).labels)
    # of 2,000 draws 113 are expected, standard deviation 10; half of them would be were classes drawn alike often
    assert 60 < int((drawn == 1).sum()) < 170


def test_train_and_describe_say_so_in_a_line(unequal: str, tmp_path: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    verb, *runs_and_settings = tiny.words(tmp_path)
    for words in ((verb, unequal, *runs_and_settings), ("describe", unequal, *runs_and_settings[2:])):
        for settings, lines in (((), 1), (("--set", "data.balance=false"), 0)):
            code, out, err = said(*words, *settings)
            assert (code, err) == (0, "")
            assert out.count(SAID) == lines


def test_classes_that_are_not_there_cannot_be_drawn_alike_often(said: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = said("train", "toy:ring", "--set", "data.balance=true", "--labels", "none")
    assert code == 2
    assert "these data have no classes" in err


def started_and_stopped(source: str, runs: Path) -> Path:
    with pytest.raises(Crash):
        train(runs, {"data.source": source, "run.exams": 0}, audience=Watching(2 * TICK))
    return next(runs.iterdir())


def test_a_run_that_is_gone_on_with_ends_bit_identical(unequal: str, tmp_path: Path) -> None:
    run = started_and_stopped(unequal, tmp_path / "broken")
    gansmith.train(resume=run)
    assert_same_end(run, train(tmp_path / "whole", {"data.source": unequal, "run.exams": 0}).path)


def test_a_run_of_before_there_was_the_setting_goes_on_as_it_was(unequal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[Feed] = []

    class Heard(Feed):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            fed.append(self)

    monkeypatch.setattr(room, "Feed", Heard)
    run = started_and_stopped(unequal, tmp_path)
    assert isinstance(fed[-1].order, Alike)
    recipe = run / "recipe.yaml"
    assert recipe.read_text(encoding="utf-8").count("  balance: true\n") == 1
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("  balance: true\n", ""), encoding="utf-8")
    gansmith.train(resume=run)
    assert isinstance(fed[-1].order, Shuffled)
