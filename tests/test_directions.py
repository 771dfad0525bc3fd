"""What a generator can change: directions in closed form, walks along them, and truncation where a latent becomes a style first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import exports
import gansmith
from gansmith import latent
from gansmith.errors import ConfigError, StorageError
from gansmith.networks import NETWORKS


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("name", [name for name in NETWORKS if not NETWORKS[name].told])
def test_every_generator_that_is_told_nothing_of_a_sample_has_directions(name: str, classes: int) -> None:
    found = exports.generator(name, classes).directions(4)
    assert len(found) == 4
    assert found.space == ("style" if name == "stylegan2" else "latent")
    torch.testing.assert_close(found.vectors @ found.vectors.T, torch.eye(4), atol=1e-5, rtol=0)
    assert (found.eigenvalues.diff() <= 0).all()
    assert (found.eigenvalues > 0).all()
    assert (found.spreads > 0).all()
    if name != "stylegan2":
        assert found.spreads.tolist() == [1.0] * 4
    assert 0.25 < found.shares.sum() <= 1


def test_of_a_linear_generator_they_are_its_principal_axes() -> None:
    made = exports.linear()
    weight = made.network[0].weight  # type: ignore[index]
    assert isinstance(weight, Tensor)
    found = made.directions(4)
    _, s, axes = torch.linalg.svd(weight.detach())
    torch.testing.assert_close(found.eigenvalues, s[:4].square())
    torch.testing.assert_close((found.vectors * axes[:4]).sum(1).abs(), torch.ones(4))
    assert found.shares.sum().item() == pytest.approx(1)


def test_the_spread_of_styles_is_what_is_measured() -> None:
    made = exports.generator("stylegan2")
    found = made.directions(3)
    with torch.no_grad():
        styles = made.network.mapping(latent.draw(5, "other", 0, 4000, 6))  # type: ignore[operator]
    torch.testing.assert_close((styles @ found.vectors.T).std(0), found.spreads, rtol=0.1, atol=0)


@pytest.mark.parametrize("count", [0, -1, 7])
def test_more_directions_than_numbers_in_a_latent_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match="has 1 to 6"):
        exports.generator("dense").directions(count)


def test_a_generator_that_changes_its_latent_first_is_told_of() -> None:
    class Normalised(nn.Sequential):
        def forward(self, z: Tensor) -> Tensor:
            found: Tensor = super().forward(nn.functional.normalize(z))
            return found

    made = exports.generator("dense", network=Normalised(nn.Linear(6, 64), nn.Unflatten(1, (1, 8, 8))))
    with pytest.raises(ConfigError, match="no layer of this generator is linear in its latent"):
        made.directions(2)


# --- truncation and shifts -----------------------------------------------------------------------------------------------


@pytest.fixture
def of_styles() -> exports.Generator:
    made = exports.generator("stylegan2", dtype="float32", lo=-1.0, hi=1.0)
    with torch.no_grad():
        made.network.mapping.mean.copy_(made.network.mapping(latent.draw(0, "mean", 0, 1000, 6)).mean(0))  # type: ignore[operator, union-attr]
    return made


def test_styles_are_drawn_towards_their_mean_and_latents_stay(of_styles: exports.Generator) -> None:
    network = of_styles.network
    whole, half = of_styles.sample(5, seed=1), of_styles.sample(5, seed=1, truncation=0.5)
    assert torch.equal(whole.latents, half.latents)
    with torch.no_grad():
        w, mean = network.mapping(half.latents), network.mapping.mean  # type: ignore[operator, union-attr]
        wanted = network.synthesis(mean + 0.5 * (w - mean), half.latents)  # type: ignore[operator]
        untouched = network(whole.latents)
    torch.testing.assert_close(torch.from_numpy(half.raw)[..., 0], wanted[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(torch.from_numpy(whole.raw)[..., 0], untouched[:, 0], atol=1e-5, rtol=1e-4)
    assert not np.allclose(half.raw, whole.raw, atol=1e-2)


def test_full_truncation_is_the_typical_sample(of_styles: exports.Generator) -> None:
    nearly = of_styles.sample(50, truncation=1e-4).raw
    whole = of_styles.sample(50).raw
    assert nearly.std(0).mean() < 0.3 * whole.std(0).mean()  # what is left is the noise of each latent


@pytest.mark.parametrize("name", ["dense", "stylegan2"])
def test_a_shift_is_added_where_the_directions_lie(name: str) -> None:
    made = exports.generator(name, dtype="float32", lo=-1.0, hi=1.0)
    z, shift = torch.randn(3, 6), torch.randn(3, 6)
    found = made.decode(z, shift=shift).raw[..., 0]
    network = made.network
    with torch.no_grad():
        wanted = network(z + shift) if name == "dense" else network.synthesis(network.mapping(z) + shift, z)  # type: ignore[operator]
    torch.testing.assert_close(torch.from_numpy(found), wanted[:, 0], atol=1e-5, rtol=1e-4)


# --- the verb ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.save(exports.generator("light", 3), tmp_path_factory.mktemp("export"))


def test_a_strip_for_each_direction_and_what_they_are(export: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    place = gansmith.directions(export, out=tmp_path / "d", count=3, steps=5, rows=2, label="b", progress=lambda *at: seen.append(at))
    assert place == tmp_path / "d"
    assert sorted(p.name for p in place.iterdir()) == ["direction-1.png", "direction-2.png", "direction-3.png", "directions.json"]
    told = json.loads((place / "directions.json").read_text())
    found = gansmith.load(export).directions(3)
    assert told["space"] == "latent"
    assert [e["picture"] for e in told["directions"]] == ["direction-1.png", "direction-2.png", "direction-3.png"]
    torch.testing.assert_close(torch.tensor([e["vector"] for e in told["directions"]]), found.vectors)
    torch.testing.assert_close(torch.tensor([e["eigenvalue"] for e in told["directions"]]), found.eigenvalues)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with Image.open(place / "direction-1.png") as strip:
        assert strip.width > strip.height  # two rows of five


def test_the_middle_of_a_walk_is_the_sample_and_its_ends_are_the_reach(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[np.ndarray] = []
    real = exports.Generator.decode

    def kept(self: exports.Generator, *args: object, **more: object) -> object:
        found = real(self, *args, **more)  # type: ignore[arg-type]
        drawn.append(found.raw)
        return found

    monkeypatch.setattr(exports.Generator, "decode", kept)
    gansmith.directions(export, out=tmp_path / "d", count=1, steps=3, rows=2, reach=2.0, label="a", seed=4)
    monkeypatch.undo()
    made = gansmith.load(export)
    z, way, kinds = latent.draw(4, "sample", 0, 2, 6), made.directions(1).vectors[0], np.zeros(2, np.int64)
    for column, place in enumerate((-2.0, 0.0, 2.0)):
        assert np.abs(drawn[0][column::3].astype(int) - made.decode(z + place * way, kinds).raw.astype(int)).max() <= 1
    assert np.array_equal(made.sample(2, seed=4, label="a").raw, made.decode(z, kinds).raw)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"count": 7}, "7 directions were requested"),
        ({"steps": 1}, "1 steps were requested; request at least 2"),
        ({"rows": 0}, "0 rows were requested"),
        ({"reach": 0.0}, "the reach is 0.0"),
        ({"reach": float("nan")}, "the reach is nan"),
        ({"label": "z"}, "there is no label 'z'"),
    ],
)
def test_what_cannot_be_walked_is_told_and_leaves_nothing(asked: dict[str, float], words: str, export: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        gansmith.directions(export, out=tmp_path / "d", **asked)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_taken_is_left_alone(export: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mine").write_text("mine")
    with pytest.raises(StorageError, match="already exists"):
        gansmith.directions(export, out=tmp_path / "d")
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["mine"]
    assert [p.name for p in tmp_path.iterdir()] == ["d"]
