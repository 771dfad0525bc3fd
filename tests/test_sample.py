"""Samples: the same seed gives the same ones, wherever, however many at a time, and without the training data."""

from __future__ import annotations

import json
import os
import shutil
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import customers
import gansmith
import tiny
from gansmith import cli
from gansmith.artefact import BLOCK, Generator
from gansmith.domains.image import grid
from gansmith.engine import probe
from gansmith.errors import ConfigError, RunError, StorageError
from gansmith.verbs import rows
from gansmith.verbs import sample as verb

CLASSES = [str(i) for i in range(10)]
picture = grid.picture


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return tiny.train(tmp_path_factory.mktemp("runs")).path


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return tiny.train(tmp_path_factory.mktemp("runs"), {"data.labels": "none", "network.name": "light"}).path


@pytest.fixture(scope="module", params=["dense", "light"])
def drawn(request: pytest.FixtureRequest, run: Path, unlabelled: Path) -> tuple[Generator, np.ndarray]:
    """A generator and its first 200 samples."""
    generator = gansmith.load(run if request.param == "dense" else unlabelled)
    return generator, generator.sample(200, seed=5).raw


# --- the same seed, the same samples -------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(start=st.integers(0, 180), count=st.integers(1, 20))
def test_a_sample_is_the_same_whatever_is_drawn_beside_it(start: int, count: int, drawn: tuple[Generator, np.ndarray]) -> None:
    generator, whole = drawn
    assert np.array_equal(generator.sample(count, seed=5, start=start).raw, whole[start : start + count])


def test_floats_are_the_same_to_the_last_bit_too(run: Path) -> None:
    generator = gansmith.load(run)
    seen: list[torch.Tensor] = []
    generator.codec.decode = lambda x: seen.append(x) or np.zeros((len(x), 1))  # type: ignore[method-assign,assignment,func-returns-value]
    generator.sample(150, seed=1)
    generator.sample(30, seed=1, start=BLOCK - 7)
    whole, part = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert torch.equal(whole[BLOCK - 7 : BLOCK + 23], part)


def test_a_seed_is_remembered_and_another_is_another(run: Path) -> None:
    a, b, c = (gansmith.load(run).sample(20, seed=s) for s in (3, 3, 4))
    assert np.array_equal(a.raw, b.raw)
    assert torch.equal(a.latents, b.latents)
    assert not np.array_equal(a.raw, c.raw)


def test_drawing_moves_nobodys_random_state(run: Path) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    gansmith.load(run).sample(3)
    assert torch.equal(torch.get_rng_state(), before)


# --- labels --------------------------------------------------------------------------------------------------------------


def test_labels_asked_for_come_in_turn_also_from_the_middle(run: Path) -> None:
    generator = gansmith.load(run)
    assert set(generator.sample(5, label="7").labels.tolist()) == {7}  # type: ignore[union-attr]
    turn = generator.sample(7, label=["3", "1", "4"], start=2)
    assert [turn.classes[i] for i in turn.labels.tolist()] == ["4", "3", "1", "4", "3", "1", "4"]  # type: ignore[union-attr]


def test_labels_not_asked_for_are_as_often_as_in_the_training_data(run: Path) -> None:
    generator = gansmith.load(run)
    found = generator.labels(20_000, None, seed=0)
    assert found is not None
    shares = np.bincount(found, minlength=10) / len(found)
    wanted = np.array(generator.card.shares)
    assert wanted.sum() == pytest.approx(1)
    assert (np.abs(shares - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 20_000)).all()
    uneven = Generator(generator.network, replace_shares(generator, (0.9, 0.1) + (0.0,) * 8), generator.codec, generator.domain)
    counts = np.bincount(uneven.labels(5000, None, seed=0), minlength=10)  # type: ignore[arg-type]
    assert counts[2:].sum() == 0
    assert 430 < counts[1] < 570


def replace_shares(generator: Generator, shares: tuple[float, ...]) -> Any:
    return replace(generator.card, shares=shares)


@pytest.mark.parametrize("label", ["seven", ["1", "seven"], ""])
def test_an_unknown_label_lists_the_known(label: Any, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no label .*0, 1, 2, 3, 4, 5, 6, 7, 8, 9"):
        gansmith.load(run).sample(2, label=label)
    if isinstance(label, str):
        with pytest.raises(ConfigError, match="there is no label"):
            gansmith.sample(run, 2, label=label, out=tmp_path / "new")
        assert not list(tmp_path.iterdir())


def test_a_label_that_is_nearly_one_is_told_which_even_of_many(run: Path) -> None:
    generator = gansmith.load(run)
    many = replace(generator.card, classes=tuple(f"class {i}" for i in range(1000)), shares=(0.001,) * 1000)
    asked = Generator(generator.network, many, generator.codec, generator.domain)
    with pytest.raises(ConfigError, match=r"there is no label 'clas 7'; did you mean 'class 7'\?"):
        asked.labels(1, "clas 7", 0)
    with pytest.raises(ConfigError, match=r"there is no label 'zebra'; known are: class 0, ") as told:
        asked.labels(1, "zebra", 0)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize("asked", [3, "3", np.int64(3), [3, 1], np.array([3, 1]), ("3", 1), {"3": 0, "1": 0}.keys()])
def test_a_number_is_the_class_that_is_called_so(asked: Any, run: Path) -> None:
    found = gansmith.load(run).labels(5, asked, seed=0)
    assert found is not None
    assert found.tolist() in ([3] * 5, [3, 1, 3, 1, 3])
    assert (set(found.tolist()) == {3}) == (np.size(asked) == 1 and not hasattr(asked, "isdisjoint"))


@pytest.mark.parametrize("empty", [[], (), np.empty(0, int)])
def test_no_label_at_all_is_refused(empty: Any, run: Path) -> None:
    with pytest.raises(ConfigError, match="an empty list of labels was given"):
        gansmith.load(run).sample(2, label=empty)


def test_data_without_labels_have_none(unlabelled: Path, tmp_path: Path) -> None:
    samples = gansmith.load(unlabelled).sample(3)
    assert (samples.labels, samples.classes) == (None, ())
    with pytest.raises(ConfigError, match="has no labels"):
        gansmith.load(unlabelled).sample(3, label="3")
    with pytest.raises(ConfigError, match="has no labels"):
        gansmith.sample(unlabelled, 3, label="3", out=tmp_path / "x")
    place = gansmith.sample(unlabelled, 2, out=tmp_path / "y")
    assert json.loads((place / "manifest.json").read_text())["samples"] == [{"file": "00000.png"}, {"file": "00001.png"}]
    with np.load(gansmith.sample(unlabelled, 2, out=tmp_path / "z.npz")) as arrays:
        assert list(arrays) == ["samples"]


def test_a_label_with_a_comma_in_it_is_one_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    data = torch.utils.data.TensorDataset(torch.randint(0, 256, (40, 4, 4), dtype=torch.uint8), torch.arange(40) % 2)
    data.classes = ["Smith, J.", "Doe/../x"]  # type: ignore[attr-defined]
    made = tiny.train(tmp_path / "runs", data=data).path
    place = gansmith.sample(made, 2, label="Smith, J.", out=tmp_path / "a")
    assert [e["label"] for e in json.loads((place / "manifest.json").read_text())["samples"]] == ["Smith, J."] * 2
    place = gansmith.sample(made, 2, label="Doe/../x", out=tmp_path / "b")
    assert {p.parent for p in tmp_path.joinpath("b").rglob("*.png")} == {tmp_path / "b"}


# --- truncation, grids, walks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("truncation", [0.0, -0.5, 1.01, float("nan")])
def test_a_truncation_out_of_range_is_refused(truncation: float, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="truncation"):
        gansmith.load(run).sample(2, truncation=truncation)
    with pytest.raises(ConfigError, match="truncation"):
        gansmith.sample(run, 2, truncation=truncation, out=tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_truncation_shrinks_the_latents(run: Path) -> None:
    a, b = (gansmith.load(run).sample(4, truncation=t).latents for t in (1.0, 0.5))
    assert torch.equal(a * 0.5, b)


@pytest.mark.parametrize("asked", [{"count": 0}, {"count": -3}, {"interpolate": 1}, {"interpolate": -4}, {"count": 0, "interpolate": 3}])
def test_nothing_and_less_is_refused(asked: dict[str, int], run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"request at least 1|at least 2 steps"):
        gansmith.sample(run, **asked, out=tmp_path / "new")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_walk_goes_from_one_sample_to_another_within_one_class(run: Path, tmp_path: Path) -> None:
    gansmith.sample(run, 3, interpolate=5, out=tmp_path / "walks", grid=True, seed=2)
    manifest = json.loads((tmp_path / "walks" / "manifest.json").read_text())
    labels = [e["label"] for e in manifest["samples"]]
    assert len(labels) == 15
    assert all(len(set(labels[i : i + 5])) == 1 for i in (0, 5, 10))
    with Image.open(tmp_path / "walks" / "grid.png") as grid:
        assert grid.width > grid.height  # a row a walk
    generator = gansmith.load(run)
    ends = generator.sample(6, seed=2, label=[labels[0]]).raw
    with Image.open(tmp_path / "walks" / manifest["samples"][0]["file"]) as first:
        assert np.array_equal(np.asarray(first), ends[0, :, :, 0])


def test_help_says_how_many_samples_a_grid_holds() -> None:
    option = typing.get_type_hints(cli.sample, include_extras=True)["grid"].__metadata__[0]
    assert f"first {verb.GRID} samples (of tables: {rows.PICTURED:,} rows)" in option.help


@pytest.mark.parametrize(("walks", "steps", "shown"), [(5, 6, 3), (1, 30, 1), (3, 30, 1), (2, 3, 2)])
def test_a_grid_holds_whole_walks_alone(
    walks: int, steps: int, shown: int, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "GRID", 20)
    seen: list[int] = []
    monkeypatch.setattr(grid, "picture", lambda raw, *more: seen.append(len(raw)) or picture(raw, *more))  # type: ignore[func-returns-value]
    gansmith.sample(run, walks, interpolate=steps, out=tmp_path / "walks", grid=True)
    assert seen == [shown * steps]


# --- files ---------------------------------------------------------------------------------------------------------------


def test_a_folder_holds_one_picture_a_sample_and_says_what_it_is(run: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    place = gansmith.sample(run, 70, out=tmp_path / "a", seed=9, label="2,5", grid=True, progress=lambda *at: seen.append(at))
    assert place == tmp_path / "a"
    manifest = json.loads((place / "manifest.json").read_text())
    assert {k: manifest[k] for k in ("count", "seed", "truncation", "interpolate", "classes")} == {
        "count": 70, "seed": 9, "truncation": 1.0, "interpolate": 0, "classes": CLASSES,
    }  # fmt: skip
    raw = gansmith.load(run).sample(70, seed=9, label=["2", "5"]).raw
    for i, entry in enumerate(manifest["samples"]):
        assert entry == {"file": f"{i:05d}_{'25'[i % 2]}.png", "label": "25"[i % 2]}
        with Image.open(place / entry["file"]) as picture:
            assert np.array_equal(np.asarray(picture), raw[i, :, :, 0])
    assert sorted(p.name for p in place.iterdir()) == sorted([e["file"] for e in manifest["samples"]] + ["grid.png", "manifest.json"])
    assert seen[-1] == (70, 70)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_many_chunks_are_one_folder(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gansmith.sample(run, 150, out=tmp_path / "whole")
    monkeypatch.setattr(verb, "CHUNK", BLOCK)
    gansmith.sample(run, 150, out=tmp_path / "parts")
    files = {p.name: p.read_bytes() for p in (tmp_path / "whole").iterdir()}
    assert {p.name: p.read_bytes() for p in (tmp_path / "parts").iterdir()} == files


def test_an_archive_holds_arrays_and_no_pickle(run: Path, tmp_path: Path) -> None:
    place = gansmith.sample(run, 30, out=tmp_path / "new" / "a.npz", seed=4, grid=True)
    with np.load(place, allow_pickle=False) as arrays:
        assert np.array_equal(arrays["samples"], gansmith.load(run).sample(30, seed=4).raw)
        assert arrays["labels"].shape == (30,)
        assert arrays["class_names"].tolist() == CLASSES
    assert sorted(p.name for p in place.parent.iterdir()) == ["a.npz", "a.png"]


def test_a_target_that_is_there_is_refused_and_an_empty_folder_is_filled(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "a.npz").write_text("mine")
    for target in ("full", "a.npz"):
        with pytest.raises(StorageError, match="already exists"):
            gansmith.sample(run, 2, out=tmp_path / target)
    with pytest.raises(RunError, match="nothing"):  # what is wrong with the request is told first
        gansmith.sample(tmp_path / "nothing", 2, out=tmp_path / "full")
    with pytest.raises(ConfigError, match="no label 'cat'"):
        gansmith.sample(run, 2, out=tmp_path / "full", label="cat")
    assert (tmp_path / "full" / "mine.txt").read_text() == (tmp_path / "a.npz").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert gansmith.sample(run, 2, out=".") == Path()
    assert (tmp_path / "empty" / "manifest.json").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npz", "empty", "full"]


@pytest.mark.parametrize("leads_to", ["empty", "nowhere"])
def test_a_link_is_replaced_and_not_what_it_leads_to(leads_to: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(leads_to)
    gansmith.sample(run, 2, out=tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link" / "manifest.json").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "link"]
    assert not list((tmp_path / "empty").iterdir())


def test_a_folder_that_cannot_be_replaced_is_refused_before_anything_is_drawn(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path / "mounted")
    monkeypatch.setattr(verb, "_chunk", None)
    (tmp_path / "mounted").mkdir()
    with pytest.raises(StorageError, match=r"is a mount point.* Give a path inside it: .*mounted/new"):
        gansmith.sample(run, 2, out=tmp_path / "mounted")
    assert [p.name for p in tmp_path.iterdir()] == ["mounted"]


NO_FOLDERS = ("zip", "npy", "png", "jpg", "jpeg", "gif", "webp", "tif", "tiff", "tar", "gz", "PNG", "Zip")


@pytest.mark.parametrize("ending", ["csv", "parquet", *NO_FOLDERS])
def test_an_ending_that_is_of_no_folder_is_refused(ending: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"cannot be written as \.{ending.lower()}\. Give a folder as -o, or a path ending in \.npz"):
        gansmith.sample(run, 2, out=tmp_path / f"a.{ending}")
    assert not list(tmp_path.iterdir())


def test_rows_go_into_no_picture_and_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    made = customers.trained(tmp_path).path
    before = sorted(tmp_path.iterdir())
    for ending in NO_FOLDERS:
        with pytest.raises(ConfigError, match=rf"cannot be written as \.{ending.lower()}\. Give a folder, or a path ending in \.csv or "):
            gansmith.sample(made, 2, out=tmp_path / f"a.{ending}")
    with pytest.raises(ConfigError, match=r"no \.npz"):
        gansmith.sample(made, 2, out=tmp_path / "a.NPZ")
    monkeypatch.setenv("WORLD_SIZE", "2")  # what torchrun sets; two processes would write into one folder
    with pytest.raises(ConfigError, match="by a single process"):
        gansmith.sample(made, 2, out=tmp_path / "a")
    assert sorted(tmp_path.iterdir()) == before


def test_an_ending_in_capitals_is_the_same_ending(run: Path, tmp_path: Path) -> None:
    with np.load(gansmith.sample(run, 3, out=tmp_path / "a.NPZ")) as arrays:
        assert len(arrays["samples"]) == 3


def test_a_grid_does_not_take_the_place_of_a_picture(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(StorageError, match=r"a\.png already exists"):
        gansmith.sample(run, 2, out=tmp_path / "a.npz", grid=True)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.png", "mine")]
    assert gansmith.sample(run, 2, out=tmp_path / "a.npz").exists()


def test_a_long_class_is_cut_in_the_names_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    data = torch.utils.data.TensorDataset(torch.randint(0, 256, (40, 4, 4), dtype=torch.uint8), torch.arange(40) % 2)
    data.classes = ["ä" * 300, "b" * 60]  # type: ignore[attr-defined]
    made = tiny.train(tmp_path / "runs", data=data).path
    place = gansmith.sample(made, 2, label=data.classes, out=tmp_path / "a")  # type: ignore[attr-defined]
    manifest = json.loads((place / "manifest.json").read_text())
    assert [e["file"] for e in manifest["samples"]] == [f"00000_{'ä' * 60}.png", f"00001_{'b' * 60}.png"]
    assert [e["label"] for e in manifest["samples"]] == ["ä" * 300, "b" * 60]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bug")])
@pytest.mark.parametrize("out", ["a", "a.npz"])
def test_a_failure_half_way_leaves_nothing(
    error: BaseException, out: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "CHUNK", BLOCK)
    calls: list[int] = []

    def failing(*_: object, **__: object) -> Any:
        calls.append(1)
        if len(calls) == 2 or out == "a.npz":
            raise error
        return real(*_, **__)

    real = grid.write
    monkeypatch.setattr(grid, "write", failing)
    monkeypatch.setattr(np, "savez_compressed", failing)
    with pytest.raises(StorageError if isinstance(error, OSError) else type(error)):
        gansmith.sample(run, 2 * BLOCK, out=tmp_path / out)
    assert not list(tmp_path.iterdir())


# --- where a generator comes from ----------------------------------------------------------------------------------------


def test_neither_training_data_nor_run_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    monkeypatch.setenv("GANSMITH_CACHE", str(tmp_path / "cache"))
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (40, 6, 5, 3), np.uint8))
    made = tiny.train(tmp_path / "runs", data=tmp_path / "a.npy")
    wanted = made.sample(5, seed=1).raw
    (tmp_path / "a.npy").unlink()
    shutil.rmtree(tmp_path / "cache")
    assert np.array_equal(gansmith.load(made.path).sample(5, seed=1).raw, wanted)
    shutil.move(made.path / "generator", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "runs")
    assert np.array_equal(gansmith.load(tmp_path / "elsewhere").sample(5, seed=1).raw, wanted)
    assert wanted.shape == (5, 6, 5, 3)


@pytest.fixture
def export(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run / "generator", tmp_path / "export"))


def edit(path: Path, **changes: Any) -> None:
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, **changes}))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda p: (p / "weights.safetensors").unlink(), "weights.safetensors is missing"),
        (lambda p: (p / "weights.safetensors").write_bytes(b"no"), "weights.safetensors cannot be read"),
        (lambda p: os.truncate(p / "weights.safetensors", 900), "weights.safetensors cannot be read"),
        (lambda p: (p / "codec.json").write_text("{}"), r"codec.json does not describe"),
        (lambda p: (p / "codec.json").write_text("[1]"), r"codec.json does not describe"),
        (lambda p: edit(p / "config.json", format=2), "newer gansmith"),
        (lambda p: edit(p / "config.json", revision=0), "of the dense network, revision 0, but this gansmith has revision 1"),
        (lambda p: (p / "config.json").write_text("[]"), "does not describe a generator"),
        (lambda p: (p / "config.json").write_text("{"), "cannot be read"),
        (lambda p: edit(p / "config.json", network={"name": "dense", "width": 9, "latent": 4}), "does not fit the network"),
        (lambda p: edit(p / "config.json", network={"name": "dense"}), "does not describe a generator"),
        (lambda p: edit(p / "config.json", network={"nome": "dense"}), "does not describe a generator"),
        (lambda p: edit(p / "config.json", layout={"blocks": []}), "does not describe a generator"),
        (lambda p: edit(p / "config.json", domain="smell"), "no domain 'smell'"),
    ],
)
def test_an_export_that_is_not_whole_is_told(harm: Any, words: str, export: Path) -> None:
    harm(export)
    with pytest.raises((RunError, ConfigError), match=words) as told:
        gansmith.load(export)
    assert "\n" not in str(told.value)


def test_what_is_neither_run_nor_export_is_told(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        gansmith.load(tmp_path / "no")
    with pytest.raises(RunError, match="is not a run folder"):
        gansmith.load(tmp_path)
    early = Path(shutil.copytree(run, tmp_path / "early"))
    shutil.rmtree(early / "generator")
    with pytest.raises(RunError, match=r"holds no generator yet.*--resume"):
        gansmith.load(early)
