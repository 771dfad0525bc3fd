"""The search for a given sample: it finds what the generator made, the same whenever asked, and says in a sentence what it cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import exports
import gansmith
from gansmith import latent
from gansmith.errors import ConfigError, DataError, StorageError
from gansmith.verbs.invert import _pyramid
from gansmith.verbs.sample import read_latents


def test_a_sample_of_a_linear_generator_is_found_and_its_latent_with_it() -> None:
    made = exports.linear()
    own = made.sample(5, seed=3)
    found = gansmith.invert(made, own.raw)
    assert found.distances.max() < 1e-4
    torch.testing.assert_close(found.found.latents, own.latents, atol=1e-3, rtol=0)
    np.testing.assert_allclose(found.found.raw, own.raw, atol=1e-3)
    assert found.place is None


@pytest.mark.parametrize("name", ["dense", "light", "stylegan2"])
def test_a_sample_of_ones_own_is_found(name: str) -> None:
    made = exports.generator(name, dtype="float32", lo=-1.0, hi=1.0)
    own = made.sample(3, seed=8)
    found = gansmith.invert(made, own.raw, starts=6, steps=150)
    apart = np.sqrt(np.mean((own.raw - own.raw[[1, 2, 0]]) ** 2, (1, 2, 3)))
    assert (found.distances < 0.3 * apart).all()


def test_the_class_is_found_too_or_held_to() -> None:
    made = exports.of_classes(3, dtype="float32", lo=-1.0, hi=1.0)
    own = made.sample(6, seed=2, label=["a", "b", "c"])
    found = gansmith.invert(made, own.raw, starts=6)
    assert found.found.labels is not None
    assert found.found.labels.tolist() == own.labels.tolist()  # type: ignore[union-attr]
    held = gansmith.invert(made, own.raw, label="b")
    assert held.found.labels is not None
    assert set(held.found.labels.tolist()) == {1}
    mine = np.arange(6) % 3 == 1
    assert held.distances[mine].max() < held.distances[~mine].min()


def test_what_no_latent_gives_is_approached_and_its_distance_is_told() -> None:
    made = exports.linear()
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype(np.float32)
    found = gansmith.invert(made, noise)
    drawn = np.sqrt(np.mean((made.sample(200).raw[:, None] - noise) ** 2, (2, 3, 4)))
    assert (found.distances * 4 < drawn.min(0)).all()  # in the units of the codec, which spans -4 to 4
    np.testing.assert_allclose(found.distances, np.sqrt(np.mean((found.found.raw - noise) ** 2, (1, 2, 3))) / 4, rtol=1e-3)
    length = found.found.latents.norm(dim=1)
    assert (length <= 2 + latent.SLACK + 1e-4).all()


def test_the_same_seed_finds_the_same_and_the_count_does_not_matter() -> None:
    made = exports.generator("dense", 2)
    own = made.sample(20, seed=1).raw
    whole, again = (gansmith.invert(made, own, steps=10) for _ in range(2))
    assert torch.equal(whole.found.latents, again.found.latents)
    part = gansmith.invert(made, own[17:19], steps=10)  # in other company, and in another batch
    torch.testing.assert_close(part.found.latents, whole.found.latents[17:19], atol=1e-3, rtol=0)
    other = gansmith.invert(made, own, steps=10, seed=1)
    assert not torch.equal(whole.found.latents, other.found.latents)


def test_progress_goes_to_its_end() -> None:
    made, seen = exports.generator("dense"), list[tuple[int, int]]()
    gansmith.invert(made, made.sample(20).raw, starts=4, steps=3, progress=lambda *at: seen.append(at))
    assert seen[-1] == (60, 60)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 9), (2, 1, 8, 8), (2, 3, 5, 12), (2, 1, 1, 30)])
def test_the_distance_of_a_pyramid_is_a_mean_square(shape: tuple[int, ...]) -> None:
    x, y = torch.randn(shape), torch.randn(shape)
    assert (_pyramid(x + 2) - _pyramid(x)).square().sum(1).tolist() == pytest.approx([4.0, 4.0], rel=1e-4)  # a step of 2 at every scale
    assert (_pyramid(x) - _pyramid(y)).square().sum(1).max() > 0
    assert _pyramid(x).shape[1] >= x[0].numel()


# --- files ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exports.save(exports.of_classes(3), tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def pictures(export: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three samples of the generator, of its three classes, the last saved in colour."""
    folder = tmp_path_factory.mktemp("pictures")
    raw = gansmith.load(export).sample(3, seed=6, label=["a", "b", "c"]).raw
    paths = [folder / f"{i}.png" for i in range(3)]
    for path, pixels in zip(paths, raw[..., 0], strict=True):
        Image.fromarray(pixels).save(path)
    Image.fromarray(raw[2, ..., 0]).convert("RGB").save(paths[2])
    return paths


def test_a_folder_of_pairs_latents_and_distances(export: Path, pictures: list[Path], tmp_path: Path) -> None:
    found = gansmith.invert(export, pictures, out=tmp_path / "i", steps=60)
    assert found.place == tmp_path / "i"
    assert sorted(p.name for p in found.place.iterdir()) == ["inversion.json", "latents.npz", "pairs.png"]
    told = json.loads((found.place / "inversion.json").read_text())
    assert [e["picture"] for e in told["pictures"]] == [str(p) for p in pictures]
    assert [e["label"] for e in told["pictures"]] == ["a", "b", "c"]
    assert [e["distance"] for e in told["pictures"]] == pytest.approx(found.distances.tolist())
    with np.load(found.place / "latents.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["latents"], found.found.latents.numpy())
        assert arrays["labels"].tolist() == [0, 1, 2]
        assert arrays["class_names"].tolist() == ["a", "b", "c"]
        assert np.array_equal(arrays["distances"], found.distances)
    with Image.open(found.place / "pairs.png") as pairs:
        assert pairs.width > 5 * pairs.height  # six pictures in one row


def test_samples_are_drawn_from_the_latents_that_were_found(export: Path, pictures: list[Path], tmp_path: Path) -> None:
    found = gansmith.invert(export, pictures, out=tmp_path / "i", steps=60)
    place = gansmith.sample(export, latents=tmp_path / "i" / "latents.npz", out=tmp_path / "s")
    manifest = json.loads((place / "manifest.json").read_text())
    assert (manifest["count"], manifest["latents"]) == (3, str(tmp_path / "i" / "latents.npz"))
    assert [e["label"] for e in manifest["samples"]] == ["a", "b", "c"]
    for entry, pixels in zip(manifest["samples"], found.found.raw, strict=True):
        with Image.open(place / entry["file"]) as picture:
            assert np.array_equal(np.asarray(picture), pixels[..., 0])
    gansmith.sample(export, latents=tmp_path / "i" / "latents.npz", label="b", out=tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz") as arrays:
        assert arrays["labels"].tolist() == [1, 1, 1]


def test_latents_may_be_any_and_need_no_labels(export: Path, tmp_path: Path) -> None:
    z = torch.randn(70, 6)
    np.savez(tmp_path / "z.npz", latents=z.numpy())
    gansmith.sample(export, latents=tmp_path / "z.npz", seed=5, out=tmp_path / "s.npz")
    made = gansmith.load(export)
    with np.load(tmp_path / "s.npz") as arrays:
        assert np.array_equal(arrays["samples"], made.decode(z, made.labels(70, None, 5)).raw)
    with pytest.raises(ConfigError, match="walks are between random latents"):
        gansmith.sample(export, latents=tmp_path / "z.npz", interpolate=3, out=tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"other": np.zeros((2, 6), np.float32)}, "is not an .npz with an array 'latents'"),
        ({"latents": np.zeros((2, 5), np.float32)}, r"shape \(2, 5\).*\[N, 6\] are required"),
        ({"latents": np.zeros((0, 6), np.float32)}, r"shape \(0, 6\)"),
        ({"latents": np.zeros(6, np.float32)}, r"shape \(6,\)"),
        ({"latents": np.full((2, 6), np.nan)}, "finite numbers"),
        ({"latents": np.zeros((2, 6), np.int64)}, "dtype int64"),
        ({"latents": np.zeros((2, 6)), "labels": np.array([0, 3])}, "one class index below 3"),
        ({"latents": np.zeros((2, 6)), "labels": np.array([0, -1])}, "one class index below 3"),
        ({"latents": np.zeros((2, 6)), "labels": np.array([0])}, "one class index below 3"),
        ({"latents": np.zeros((2, 6)), "labels": np.array(["a", "b"])}, "one class index below 3"),
        (None, "is not an .npz"),
        ("nothing", "there is no file of latents"),
    ],
)
def test_latents_that_do_not_fit_are_told(arrays: Any, words: str, export: Path, tmp_path: Path) -> None:
    path = tmp_path / "z.npz"
    if arrays is None:
        path.write_bytes(b"no")
    elif arrays != "nothing":
        np.savez(path, **arrays)
    with pytest.raises(DataError, match=words):
        read_latents(path, gansmith.load(export))


# --- bad input -----------------------------------------------------------------------------------------------------------


def of_size(path: Path) -> None:
    Image.new("L", (9, 8)).save(path)


def of_colour(path: Path) -> None:
    Image.effect_noise((8, 8), 50).convert("RGB").point([i // 2 for i in range(256)] + list(range(512))).save(path)


def with_holes(path: Path) -> None:
    Image.new("LA", (8, 8), (100, 50)).save(path)


def of_sixteen_bits(path: Path) -> None:
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999).save(path)


def no_picture(path: Path) -> None:
    path.write_text("hello")


def a_folder(path: Path) -> None:
    path.mkdir()


BAD: list[tuple[Callable[[Path], None], str]] = [
    (of_size, "is 8x9, and this generator makes 8x8"),
    (of_colour, "has colour, but this generator's pictures have 1 channel."),
    (with_holes, "has transparency, but"),
    (of_sixteen_bits, "is stored as uint16"),
    (no_picture, "it is not a picture"),
    (a_folder, "cannot be read"),
    (lambda path: None, "there is no picture"),
]


@pytest.mark.parametrize(("write", "words"), BAD)
def test_a_picture_that_does_not_fit_is_told(write: Callable[[Path], None], words: str, export: Path, tmp_path: Path) -> None:
    write(tmp_path / "x.png")
    with pytest.raises(DataError, match=words) as told:
        gansmith.invert(export, [tmp_path / "x.png"], out=tmp_path / "new")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"label": "z"}, "there is no label 'z'"),
        ({"starts": 0}, "0 starts were requested"),
        ({"starts": 1000}, "1000 starts were requested; there are 256"),
        ({"steps": 0}, "0 steps were requested"),
    ],
)
def test_a_search_that_cannot_be_is_told_and_leaves_nothing(
    asked: dict[str, Any], words: str, export: Path, pictures: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        gansmith.invert(export, pictures, out=tmp_path / "new", **asked)
    assert not list(tmp_path.iterdir())


def test_arrays_of_another_form_and_generators_of_other_things_are_told(export: Path, pictures: list[Path], tmp_path: Path) -> None:
    made = gansmith.load(export)
    for wrong in (np.zeros((1, 8, 9, 1), np.uint8), np.zeros((1, 8, 8, 1), np.float32), np.zeros((0, 8, 8, 1), np.uint8)):
        with pytest.raises(DataError, match="this generator makes samples of shape"):
            gansmith.invert(made, wrong)
    with pytest.raises(DataError, match="no picture was given"):
        gansmith.invert(made, [])
    made.domain = gansmith.artefact.domains.by_name("toy")
    with pytest.raises(ConfigError, match="does not make pictures"):
        gansmith.invert(made, pictures)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_told(odd: float, tmp_path: Path) -> None:
    made = exports.linear()
    given = made.sample(3).raw.copy()
    given[1, 0, 0, 0] = given[2, 3, 3, 0] = given[2, 4, 4, 0] = odd
    with pytest.raises(DataError, match="2 of the 3 given samples hold values that are not finite"):
        gansmith.invert(made, given, out=tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_a_place_that_is_taken_is_left_alone(export: Path, pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "i").write_text("mine")
    with pytest.raises(StorageError, match="already exists"):
        gansmith.invert(export, pictures, out=tmp_path / "i")
    assert [p.name for p in tmp_path.iterdir()] == ["i"]


# --- the command line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    return said


def test_from_the_command_line(export: Path, pictures: list[Path], say: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = say("invert", export, *pictures[:2], "-o", "i", "--steps", "20")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("distance 0.")
    assert lines[0].endswith(f"label a  {pictures[0]}")
    assert lines[-1].endswith("--latents i/latents.npz -o drawn")
    code, out, _ = say("sample", export, "--latents", "i/latents.npz", "-o", "drawn")
    assert (code, out) == (0, "samples in drawn\n")
    code, out, _ = say("directions", export, "-n", "2", "-o", "d")
    assert (code, out) == (0, "2 directions in d\n")
    assert Path("d/direction-2.png").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("invert", "EXPORT", "no.png"), "there is no picture no.png"),
        (("invert", "EXPORT", "PICTURE", "--label", "z"), "there is no label 'z'"),
        (("invert", "EXPORT"), "Missing argument"),
        (("directions", "EXPORT", "--label", "z"), "there is no label 'z'"),
        (("directions", "no"), "there is no run no"),
        (("sample", "EXPORT", "--latents", "no.npz"), "there is no file of latents no.npz"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: tuple[str, ...], told: str, export: Path, pictures: list[Path], say: Callable[..., tuple[int, str, str]]
) -> None:
    places = {"EXPORT": export, "PICTURE": pictures[0]}
    code, out, err = say(*(places.get(word, word) for word in words))
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path.cwd().iterdir())
