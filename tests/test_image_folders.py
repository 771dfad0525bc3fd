"""What of a folder or an archive counts as data: the training part, what a manifest lists, never what gansmith wrote beside it."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gansmith
import tiny
from gansmith.config import DataSettings
from gansmith.data.store import Collection
from gansmith.domains.image import IMAGE, trees
from gansmith.engine import probe
from gansmith.errors import DataError
from gansmith.records import Finding
from gansmith.runs import DIRECTIONS, INVERSION


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)).save(path)


def pictures(place: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        picture(place / name, i)
    return place


def opened(place: Path, labels: Path | None = None) -> Collection:
    return IMAGE.open(str(place), DataSettings(labels=None if labels is None else str(labels)))


def words(found: Collection) -> list[str]:
    assert found.labels is not None
    return [found.classes[i] for i in found.labels]


def finding(found: Collection, code: str) -> Finding:
    (one,) = [f for f in found.findings if f.code == code]
    return one


def zipped(place: Path) -> Path:
    path = place.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted(p for p in place.rglob("*") if p.is_file()):
            file.write(member, member.relative_to(place.parent))
    return path


# --- what gansmith wrote -------------------------------------------------------------------------------------------------


def test_a_run_inside_its_own_data_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    pictures(tmp_path, *(f"{i}.png" for i in range(60)))
    monkeypatch.chdir(tmp_path)
    before = trees.folder(tmp_path)
    with pytest.raises(tiny.Crash):
        tiny.train(Path("runs"), {"data.held_out": 0.5}, ".", audience=tiny.Watching(15))
    (folder,) = (tmp_path / "runs").iterdir()
    assert any(folder.rglob("*.png"))
    run = gansmith.train(resume=folder)
    gansmith.sample(run.path, 12, out="samples", grid=True)
    (tmp_path / "search").mkdir()
    picture(tmp_path / "search" / "best.png", 99)
    (tmp_path / "search" / "tune.json").write_text("{}")
    for name, file in (("directions", DIRECTIONS), ("inverted", INVERSION)):
        picture(tmp_path / name / "pairs.png", 98)
        (tmp_path / name / file).write_text("{}")
    after = trees.folder(tmp_path)
    assert (after.names, after.identity) == (before.names, before.identity)
    assert gansmith.describe(".", forecast=False).count == 60
    assert gansmith.evaluate(run.path, count=20).scores
    assert len(opened(tmp_path / "samples")) == 12  # given as data itself, it is


def test_a_folder_of_nothing_but_runs_is_told(tmp_path: Path) -> None:
    pictures(tmp_path, "a-1/closest.png", "a-1/previews/0.png", "a-2/closest.png")
    for name, file in (("a-1", "data.json"), ("a-2", "log.jsonl")):
        (tmp_path / name / "recipe.yaml").write_text("")
        (tmp_path / name / file).write_text("")
    assert not IMAGE.recognises(str(tmp_path))
    with pytest.raises(DataError, match="is empty; runs and samples in it do not count"):
        opened(tmp_path)
    assert len(opened(tmp_path / "a-1")) == 2  # named itself, it is what it is


@pytest.mark.parametrize("text", ["{}", '{"samples": 3}', '{"samples": 3, "truncation": 1}', "[1]", "no JSON", "\udcff"])
def test_a_manifest_of_somebody_else_hides_nothing(text: str, tmp_path: Path) -> None:
    pictures(tmp_path, "a/0.png", "a/1.png", "2.png")
    for place in (tmp_path, tmp_path / "a"):
        (place / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert len(opened(tmp_path)) == 3


def test_a_link_to_a_folder_is_passed_over_and_not_the_folder(tmp_path: Path) -> None:
    pictures(tmp_path, "b/0.png", "c/1.png")
    (tmp_path / "a").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "b" / "link").symlink_to(tmp_path / "c", target_is_directory=True)
    assert trees.folder(tmp_path).names == ("b/0.png", "c/1.png")


# --- samples as data -----------------------------------------------------------------------------------------------------


def manifest(place: Path, entries: list[dict[str, object]]) -> Path:
    (place / "manifest.json").write_text(json.dumps({"truncation": 1.0, "classes": ["x", "y"], "samples": entries}))
    return place


def test_samples_are_what_the_manifest_lists_with_its_labels(tmp_path: Path) -> None:
    pictures(tmp_path / "made", "0.png", "1.png", "grid.png")
    manifest(tmp_path / "made", [{"file": "1.png", "label": "x"}, {"file": "0.png", "label": "y"}])
    assert words(opened(tmp_path / "made")) == ["y", "x"]
    with zipfile.ZipFile(tmp_path / "flat.zip", "w") as file:
        for path in (tmp_path / "made").iterdir():
            file.write(path, path.name)
    for archive in (tmp_path / "flat.zip", zipped(tmp_path / "made")):
        assert words(opened(archive)) == ["y", "x"]
    (tmp_path / "labels.csv").write_text("file,label\n0.png,a\n1.png,b\n")
    assert words(opened(tmp_path / "made", tmp_path / "labels.csv")) == ["a", "b"]


def test_samples_keep_their_conditions_and_may_have_none(tmp_path: Path) -> None:
    place = manifest(pictures(tmp_path, "0.png", "1.png"), [{"file": f"{i}.png", "condition": {"lit": bool(i)}} for i in range(2)])
    found = opened(place).conditions
    assert found is not None
    assert found.records() == [{"lit": False}, {"lit": True}]
    manifest(place, [{"file": "0.png"}, {"file": "1.png"}])
    assert opened(place).condition == 0


def test_samples_that_are_arrays_are_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((5, 6, 7, 2)).astype(np.float32)
    for i, sample in enumerate(values):
        np.save(tmp_path / f"{i}.npy", sample)
    picture(tmp_path / "grid.png", 9)
    manifest(tmp_path, [{"file": f"{i}.npy", "label": "xy"[i % 2]} for i in range(5)])
    assert IMAGE.recognises(str(tmp_path))
    found = opened(tmp_path)
    np.testing.assert_array_equal(found.raw, values)
    assert words(found) == list("xyxyx")
    np.save(tmp_path / "3.npy", values[3, :5])
    with pytest.raises(DataError, match=r"3\.npy in .* has shape \(5, 7, 2\) and dtype float32, and 0\.npy \(6, 7, 2\)"):
        opened(tmp_path)
    (tmp_path / "3.npy").write_bytes(b"\x93NUMPY\1\0")
    with pytest.raises(DataError, match=r"3\.npy cannot be read as numpy arrays"):
        opened(tmp_path)


def test_samples_that_are_gone_are_told(tmp_path: Path) -> None:
    manifest(pictures(tmp_path, "0.png", "1.png"), [{"file": f"{i}.png"} for i in range(4)])
    with pytest.raises(DataError, match=r"lacks 2 of the 4 samples that its manifest\.json lists, for example '2\.png'"):
        opened(tmp_path)


def test_a_table_of_samples_holds_no_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "grid.png", 0)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    manifest(tmp_path, [{"file": "rows.csv"}])
    assert not IMAGE.recognises(str(tmp_path))
    with pytest.raises(DataError, match="no pictures"):
        opened(tmp_path)


# --- parts and classes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_of_named_parts_only_the_training_part_is_used(packed: bool, tmp_path: Path) -> None:
    place = pictures(tmp_path / "set", "train/cat/0.png", "train/dog/1.png", "test/eel/2.png", "val/cat/3.png")
    found = opened(zipped(place) if packed else place)
    assert words(found) == ["cat", "dog"]
    assert found.classes == ("cat", "dog")
    told = finding(found, "D115")
    assert told.severity == "note"
    assert "test/ and " in told.message
    assert "(2 pictures) are not used" in told.message


def test_without_a_training_part_all_are_used(tmp_path: Path) -> None:
    found = opened(pictures(tmp_path, "test/cat/0.png", "val/dog/1.png"))
    assert words(found) == ["cat", "dog"]
    assert not [f for f in found.findings if f.code == "D115"]


def test_a_picture_above_class_folders_is_named(tmp_path: Path) -> None:
    found = opened(pictures(tmp_path, "cat/0.png", "dog/1.png", "cover.png"))
    assert found.labels is None
    told = finding(found, "D116")
    assert told.severity == "warning"
    assert "cover.png lies above them" in told.message
    picture(tmp_path / "zebra.png", 7)
    assert "cover.png and 1 more lie above them" in finding(opened(tmp_path), "D116").message
    (tmp_path / "labels.csv").write_text("file,label\ncover.png,a\n0.png,b\n1.png,a\nzebra.png,b\n")
    assert words(opened(tmp_path)) == ["b", "a", "a", "b"]


# --- tables of labels ----------------------------------------------------------------------------------------------------


def test_a_table_of_all_parts_fits_one_of_them(tmp_path: Path) -> None:
    pictures(tmp_path / "photos", "train/0.png", "train/1.png", "test/0.png", "test/1.png")
    rows = "".join(f"{part}/{i}.png,{part} {i}\n" for part in ("test", "train") for i in range(2))
    table = tmp_path / "photos" / "labels.csv"
    table.write_text("file,label\n" + rows)
    assert words(opened(tmp_path / "photos" / "train", table)) == ["train 0", "train 1"]
    assert words(opened(tmp_path / "photos")) == ["train 0", "train 1"]
    shutil.move(tmp_path / "photos" / "train", tmp_path / "mine")
    with pytest.raises(DataError, match=r"rows 'test/0\.png' and 'train/0\.png' with different labels, and either may mean '0\.png'"):
        opened(tmp_path / "mine", table)


def test_a_table_is_found_in_the_folder_that_all_pictures_share(tmp_path: Path) -> None:
    place = pictures(tmp_path / "photos", "0.png", "1.png")
    (place / "labels.csv").write_text("file,label\n0.png,a\n1.png,b\n")
    assert words(opened(zipped(place))) == ["a", "b"]
    (place / "labels.csv").unlink()
    pictures(place, "train/2.png", "train/3.png", "test/2.png")
    for i in range(2):
        (place / f"{i}.png").unlink()
    (place / "train" / "metadata.csv").write_text("file_name,label\n2.png,c\n3.png,d\n")
    assert words(opened(place)) == ["c", "d"]


def test_a_metadata_table_of_other_things_is_passed_over(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/0.png", "dog/1.png")
    (tmp_path / "metadata.csv").write_text("name,label\nthe camera,old\nthe camera,new\n")
    (tmp_path / "dataset.json").write_text('{"labels": null}')
    assert words(opened(tmp_path)) == ["cat", "dog"]
    (tmp_path / "metadata.csv").write_text("name,label\n0.png,old\n")
    with pytest.raises(DataError, match=r"metadata\.csv has no label for 1 of 2"):
        opened(tmp_path)
    (tmp_path / "metadata.csv").rename(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_text("name,label\nthe camera,old\n")
    with pytest.raises(DataError, match=r"labels\.csv has no label for 2 of 2"):
        opened(tmp_path)


def test_captions_beside_pictures_are_no_classes(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{'cat' if i % 2 else 'dog'}/{i}.png" for i in range(20)))
    (tmp_path / "metadata.csv").write_text("file_name,text\n" + "".join(f"{i}.png,picture of {i}\n" for i in range(20)))
    assert opened(tmp_path).classes == ("cat", "dog")


def test_a_picture_of_the_training_part_never_takes_the_row_of_a_test_picture(tmp_path: Path) -> None:
    pictures(tmp_path, "train/0.png", "train/1.png", "test/0.png", "test/1.png")
    rows = ["file,label", "train/0.png,cat", "test/0.png,dog", "test/1.png,dog"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"no label for 1 of 2 pictures, for example 'train/1\.png'"):
        opened(tmp_path)
    with pytest.raises(DataError, match="no label for 1 of 2"):
        opened(tmp_path, tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_text("\n".join([*rows, "train/1.png,owl"]))
    assert words(opened(tmp_path)) == ["cat", "owl"]
