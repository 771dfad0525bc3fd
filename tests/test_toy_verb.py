"""The toy verb: its pictures are whole and the same every time; what they show is what the players say."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gansmith.config import DataSettings
from gansmith.domains.toy import TOY
from gansmith.engine.players import Players
from gansmith.errors import ConfigError, DataError, GansmithError
from gansmith.losses import LOSSES, LossPair
from gansmith.verbs import toy as verb
from gansmith.verbs.frames import Plane, evenly
from gansmith.verbs.toy import BATCH, FIELD, PERFECT, Coverage, Demonstration, Scene, covered, grid, toy

STEPS, TICKS = 200, 5
SMALL = {"network.width": 8, "network.latent": 4}


@pytest.fixture(autouse=True)
def few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "FRAMES", TICKS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verb, "FRAMES", TICKS)
        return toy("ring", loss="minimax", samples=STEPS * BATCH, out=tmp_path_factory.mktemp("toy"), settings=SMALL)


def test_a_run_gives_an_animation_with_a_frame_for_the_start_and_for_every_tick(made: Demonstration) -> None:
    with Image.open(made.animation) as picture:
        assert picture.format == "GIF"
        assert picture.n_frames == TICKS + 1  # type: ignore[attr-defined]
        shown = []
        for place in range(TICKS + 1):
            picture.seek(place)
            assert picture.info["duration"] > 0
            shown.append(np.asarray(picture.convert("RGB")))
    assert all(a.shape == shown[0].shape for a in shown)
    assert all((a != b).any() for a, b in pairwise(shown))
    assert [r["step"] for r in made.run.log] == list(range(STEPS // TICKS, STEPS + 1, STEPS // TICKS))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "penalty", "whole"), [("minimax", "none", False), ("relativistic", "r1+r2", True)])
def test_the_minimax_game_loses_modes_of_the_ring_and_the_default_none(loss: str, penalty: str, whole: bool, tmp_path: Path) -> None:
    found = toy("ring", loss=loss, penalty=penalty, out=tmp_path).coverage
    assert found is not None
    assert (found.modes == found.there) == whole


def test_the_pictures_stand_beside_the_run_under_its_name(made: Demonstration) -> None:
    assert made.run.path.name == "ring-minimax-1"
    assert sorted(p.name for p in made.run.path.parent.iterdir()) == [
        "ring-minimax-1", "ring-minimax-1-strip.png", "ring-minimax-1-value.png", "ring-minimax-1.gif",
    ]  # fmt: skip
    for path in (made.strip, made.value):
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"


def test_the_run_is_one_like_any_other(made: Demonstration) -> None:
    assert made.run.recipe.loss.name == "minimax"
    assert made.run.sample(5).raw.shape == (5, 2)


def test_the_same_arguments_give_the_same_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "FRAMES", 2)
    first, again = (toy("ring", samples=4 * BATCH, out=tmp_path / where, settings=SMALL) for where in ("a", "b"))
    other = toy("ring", samples=4 * BATCH, seed=1, out=tmp_path / "c", settings=SMALL)
    for picture in ("animation", "strip", "value"):
        content = getattr(first, picture).read_bytes()
        assert content == getattr(again, picture).read_bytes()
        assert content != getattr(other, picture).read_bytes()


def test_lines_are_shown_too_and_have_no_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "FRAMES", 2)
    found = toy("sines", samples=2 * BATCH, out=tmp_path, settings=SMALL)
    assert found.coverage is None
    with Image.open(found.animation) as picture:
        assert picture.n_frames == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("penalty", ["none", "wgan-gp"])
def test_a_penalty_and_a_loss_of_ones_own(penalty: str, tmp_path: Path) -> None:
    pair = LossPair(lambda r, f: -r, lambda r, f: f, lambda r, f: -f)
    found = toy("grid", loss=pair, penalty=penalty, samples=BATCH, out=tmp_path, settings=SMALL)
    assert found.run.path.name == f"grid-own-{penalty}-1"
    assert found.run.recipe.penalty.gamma == (0.0 if penalty == "none" else 10.0)
    assert found.coverage is not None
    assert found.coverage.there == 25


def test_a_discriminator_of_packs_has_no_belief_about_a_place(tmp_path: Path) -> None:
    assert toy("ring", samples=BATCH, out=tmp_path, settings={**SMALL, "game.pack": 2}).animation.exists()


# --- what the frames show ------------------------------------------------------------------------------------------------


class Affine(nn.Module):
    """x [B, 2] to logits [B]."""

    def __init__(self, slope: tuple[float, float], height: float) -> None:
        super().__init__()
        self.slope, self.height = nn.Parameter(torch.tensor(slope)), height

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.slope + self.height


@pytest.mark.parametrize("loss", ["minimax", "nonsaturating", "relativistic"])
def test_belief_and_pull_are_those_of_a_discriminator_known_in_closed_form(loss: str) -> None:
    collection = TOY.open("toy:ring", DataSettings())
    codec, slope, height = TOY.fit(collection), torch.tensor([0.5, -2.0]), 0.25
    latents, real = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), codec.encode(torch.from_numpy(collection.raw[:3]))
    places = codec.encode(torch.from_numpy(grid(-2.0, 2.0, FIELD)))
    scene = Scene(LOSSES[loss], codec, Plane(collection.raw, (-2.0, 2.0), codec.scale), latents, None, places, real)
    generator = nn.Linear(2, 2)
    moment = scene.moment(7, Players(generator, Affine((0.5, -2.0), height)))

    with torch.no_grad():
        x = generator(latents)
    logits, of_real = x @ slope + height, real @ slope + height
    weight = {"minimax": logits.sigmoid(), "nonsaturating": (-logits).sigmoid(), "relativistic": (of_real - logits).sigmoid()}[loss]
    assert moment.step == 7
    assert moment.pull is not None
    assert moment.belief is not None
    np.testing.assert_allclose(moment.pull, (weight.unsqueeze(1) * slope).numpy(), rtol=1e-5)
    np.testing.assert_allclose(moment.samples, codec.decode(x), rtol=1e-5)
    corner = codec.encode(torch.tensor([[2.0, -2.0]])) @ slope + height  # right and below: the first row, the last column
    np.testing.assert_allclose(moment.belief[0, -1], corner.sigmoid().item(), rtol=1e-4)


def test_modes_and_quality_are_counted_as_the_protocol_says() -> None:
    centres, sigma = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 0.1
    points = np.array([[0.29, 0.0], [0.0, -0.29], [0.31, 0.0], [1.0, 0.1], [0.5, 0.5]])
    assert covered(points, centres, sigma) == Coverage(2, 3, 3 / 5)
    assert covered(points + 10, centres, sigma) == Coverage(0, 3, 0.0)


def test_the_data_themselves_reach_every_mode() -> None:
    collection = TOY.open("toy:grid", DataSettings())
    found = covered(collection.raw, np.array(collection.facts["centres"]), collection.facts["sigma"])
    assert found.modes == found.there == 25
    assert found.quality == pytest.approx(PERFECT, abs=3 * math.sqrt(PERFECT * (1 - PERFECT) / len(collection.raw)))


@pytest.mark.parametrize(("count", "most", "wanted"), [(5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (1, 8, [0]), (100, 2, [0, 99])])
def test_moments_are_chosen_evenly(count: int, most: int, wanted: list[int]) -> None:
    assert evenly(range(count), most) == wanted


# --- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        ({"name": "rnig"}, DataError, "no toy data 'rnig'; did you mean 'ring'"),
        ({"name": "toy:ring"}, DataError, "did you mean 'ring'"),
        ({"loss": "minmax"}, ConfigError, "no loss 'minmax'; did you mean 'minimax'"),
        ({"penalty": "wgangp"}, ConfigError, "no penalty 'wgangp'; did you mean 'wgan-gp'"),
        ({"penalty": "never"}, ConfigError, "known are: r1\\+r2, .*none"),
        ({"samples": 0}, ConfigError, "run.samples"),
        ({"settings": {"penalty.gama": 1}}, ConfigError, "did you mean 'penalty.gamma'"),
    ],
)
def test_what_does_not_exist_is_told_with_the_nearest_that_does(
    words: dict[str, object], kind: type[GansmithError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        toy(**{"out": tmp_path / "toy", **words})  # type: ignore[arg-type]
    assert not (tmp_path / "toy").exists()


def test_the_command_tells_where_the_animation_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gansmith.__main__ import main

    monkeypatch.chdir(tmp_path)
    said = ["gansmith", "toy", "ring", "--loss", "hinge", "--samples-seen", str(BATCH), "-o", "out", "--set", "network.width=8"]
    monkeypatch.setattr("sys.argv", said)
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr()
    assert not end.value.code, told.err
    assert "watch    out/ring-hinge-1.gif\n" in told.out
    assert (tmp_path / "out" / "ring-hinge-1.gif").exists()
    assert "of 8\n" in told.out


@pytest.mark.parametrize("said", [["rnig"], ["ring", "--loss", "minmax"], ["ring", "--samples-seen", "many"]])
def test_a_mistake_gets_one_sentence_and_leaves_nothing(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gansmith.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gansmith", "toy", *said])
    with pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr().err
    assert end.value.code == 2
    assert len(told.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
