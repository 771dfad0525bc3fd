"""Every device of the game in a whole run: it plays, it is logged, it is another game, and it resumes to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import gansmith
import tiny
from gansmith.engine import probe
from gansmith.losses import LOSSES
from gansmith.runs import RunFolder
from tiny import BATCH, Crash, Watching, train

HALF = 10  # steps
QUICK = {"run.looks": 0, "run.previews": 0, "run.tick": HALF, "run.samples": 2 * HALF * BATCH}

# Each with what the log then speaks of.
DEVICES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "lecam and path": ({"penalty.lecam": 0.5, "penalty.path": 2.0}, {"lecam", "path", "path_length"}),
    "optimistic": ({"optimiser.name": "optimistic"}, set()),
    "extra": ({"optimiser.name": "extra", "optimiser.beta1": 0.5}, set()),
    "several moves": ({"game.critics": 2, "penalty.name": "wgan-gp", "run.samples": 4 * HALF * BATCH}, {"slope"}),
    "packs": ({"game.pack": 2}, set()),
    "unrolled": ({"game.unrolled": 1}, set()),
    "top-k": ({"game.kept": 0.5}, {"kept"}),
    "consistency": ({"augment.strength": 0.6, "augment.rise": 160, "penalty.consistency": 0.5}, {"consistency", "strength"}),
    "pseudo": ({"augment.strength": 0.6, "augment.rise": 160, "augment.policy": "none", "augment.pseudo": True}, set()),
    "adaptive": ({"augment.strength": 0.6, "augment.adapt": True}, {"sureness", "strength_now"}),
    "classes": ({"network.conditioning": "auxiliary", "game.features": 0.5}, {"class_cost_d", "class_cost_g", "feature_distance"}),
    "lazy": ({"penalty.every": 3, "penalty.name": "r1"}, {"r1"}),
    "clipped": ({"penalty.clip": 0.05, "penalty.orthogonal": 0.1, "loss.name": "wasserstein"}, {"orthogonal"}),
}
NOT_YET = ("adaptive",)  # so short a run is over before the strength has begun to rise: the same game, with more to remember


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with none of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return train(tmp_path_factory.mktemp("plain"), QUICK).path


@pytest.mark.parametrize("name", DEVICES)
def test_a_game_with_a_device_is_another_game_and_resumes_to_the_bit(name: str, plain: Path, tmp_path: Path) -> None:
    settings, logged = DEVICES[name]
    settings = {**QUICK, **settings}
    whole = train(tmp_path / "whole", settings)
    assert logged <= set().union(*whole.log)
    assert [record["step"] for record in whole.log] == [HALF, 2 * HALF]
    assert whole.log[-1]["seen"] == settings["run.samples"]
    assert torch.equal(tiny.newest(whole.path)["average"], tiny.newest(plain)["average"]) == (name in NOT_YET)
    with pytest.raises(Crash):
        train(tmp_path / "cut", settings, audience=Watching(HALF))
    (cut,) = (tmp_path / "cut").iterdir()
    gansmith.train(resume=cut)
    left, right = tiny.newest(cut), tiny.newest(whole.path)
    assert left.keys() == right.keys()
    assert not [key for key in left if not torch.equal(left[key], right[key])]
    assert RunFolder(cut).log.read_bytes() == RunFolder(whole.path).log.read_bytes()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_plays_a_run(name: str, tmp_path: Path) -> None:
    run = train(tmp_path, {**QUICK, "loss.name": name, "run.samples": 4 * BATCH, "run.tick": 4})
    (record,) = run.log
    assert record["loss_d"] == pytest.approx(record["loss_d_real"] + record["loss_d_fake"], rel=1e-5, abs=1e-6)


def test_clipped_weights_stay_within_their_bound_in_a_run(tmp_path: Path) -> None:
    run = train(tmp_path, {**QUICK, "penalty.clip": 0.05, "run.samples": 4 * BATCH})
    assert tiny.newest(run.path)["discriminator.weights"].abs().max() <= 0.05
    assert run.recipe.penalty.gamma == 0.0
    assert "r1" not in run.log[-1]
