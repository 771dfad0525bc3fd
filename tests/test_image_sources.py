"""One set of twelve pictures through every kind of source gives the same pixels and the same labels."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gansmith.config import DataSettings
from gansmith.domains.image import IMAGE
from gansmith.errors import MissingExtra

CLASSES = ("cat", "dog", "eel")
LABELS = np.repeat(np.arange(3), 4)
COLOUR = np.random.default_rng(0).integers(0, 256, (12, 6, 9, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]
TABLES = {"labels.csv", "labels.json", "metadata.jsonl"}


def png(pixels: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def in_classes() -> dict[str, bytes]:
    return {f"set/{CLASSES[k]}/{i:02}.png": png(p) for i, (k, p) in enumerate(zip(LABELS, COLOUR, strict=True))}


def flat(table: str) -> dict[str, bytes]:
    files = {f"{i:02}.png": png(p) for i, p in enumerate(COLOUR)}
    words = [(name, CLASSES[k]) for name, k in zip(files, LABELS, strict=True)]
    text = {
        "labels.csv": "filename,label\n" + "\n".join(f"{n},{k}" for n, k in words),
        "labels.json": json.dumps(dict(words)),
        "metadata.jsonl": "\n".join(json.dumps({"file_name": n, "label": k}) for n, k in words),
    }[table]
    return {**files, table: text.encode(), "notes.txt": b"not a picture", ".DS_Store": b"x", "._00.png": b"x"}


def as_folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = place / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place / "folder"


def as_zip(place: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place / "set.zip", "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return place / "set.zip"


def as_tar(place: Path, files: dict[str, bytes], ending: str = "tar.gz") -> Path:
    with tarfile.open(place / f"set.{ending}", "w:" + ending.partition(".")[2]) as file:
        for name, data in files.items():
            member = tarfile.TarInfo("./" + name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return place / f"set.{ending}"


def as_npz(place: Path, order: str = "nhwc", save: Callable[..., None] = np.savez_compressed) -> Path:
    x = COLOUR if order == "nhwc" else COLOUR.transpose(0, 3, 1, 2)
    save(place / "set.npz", x=x, y=LABELS, class_names=np.array(CLASSES))
    return place / "set.npz"


def as_parquet(place: Path, struct: bool = True) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = [{"bytes": png(p), "path": f"{i}.png"} if struct else png(p) for i, p in enumerate(COLOUR)]
    about = {"info": {"features": {"image": {"_type": "Image"}, "label": {"names": list(CLASSES), "_type": "ClassLabel"}}}}
    table = pyarrow.table({"image": cells, "label": LABELS}).replace_schema_metadata({"huggingface": json.dumps(about)})
    (place / "data").mkdir()
    parquet.write_table(table.slice(0, 5), place / "data" / "train-00000-of-00002.parquet")
    parquet.write_table(table.slice(5), place / "data" / "train-00001-of-00002.parquet")
    parquet.write_table(table.slice(0, 2), place / "data" / "test-00000-of-00001.parquet")
    return place


SOURCES: dict[str, Callable[[Path], Path]] = {
    "class folders": lambda p: as_folder(p, in_classes()),
    "zip of class folders": lambda p: as_zip(p, in_classes()),
    "tar.gz of class folders": lambda p: as_tar(p, in_classes()),
    "tar of class folders": lambda p: as_tar(p, in_classes(), "tar"),
    "folder with labels.csv": lambda p: as_folder(p, flat("labels.csv")),
    "folder with labels.json": lambda p: as_folder(p, flat("labels.json")),
    "zip with metadata.jsonl": lambda p: as_zip(p, flat("metadata.jsonl")),
    "tar with labels.csv": lambda p: as_tar(p, flat("labels.csv")),
    "npz": as_npz,
    "npz, not compressed": lambda p: as_npz(p, save=np.savez),
    "npz of [N, C, H, W], Fortran order": lambda p: as_npz(p, "nchw"),
    "parquet of structs": as_parquet,
    "parquet of bytes": lambda p: as_parquet(p, struct=False),
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gives_the_same_pixels_and_labels(name: str, tmp_path: Path) -> None:
    path = SOURCES[name](tmp_path)
    assert IMAGE.recognises(str(path))
    found = IMAGE.open(str(path), DataSettings())
    np.testing.assert_array_equal(found.raw, COLOUR)
    assert found.labels is not None
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.labels.dtype == np.int64
    assert found.classes == CLASSES
    assert found.facts["classes"] == {"cat": 4, "dog": 4, "eel": 4}
    assert found.facts["fingerprint"] == IMAGE.open(str(path), DataSettings()).facts["fingerprint"]
    json.dumps(dict(found.facts))
    codec = IMAGE.fit(found)
    assert codec.layout.shape == (3, 6, 9)
    assert codec.layout.condition == 3
    assert IMAGE.open(str(path), DataSettings(labels="none")).labels is None


def idx_bytes(array: np.ndarray, code: int = 8) -> bytes:
    big = array.astype(array.dtype.newbyteorder(">"))
    return bytes([0, 0, code, array.ndim]) + np.asarray(array.shape, ">u4").tobytes() + big.tobytes()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dashes", ["-idx3-ubyte", ".idx3-ubyte"])
def test_idx_files_alone_or_in_their_folder(packed: bool, dashes: str, tmp_path: Path) -> None:
    ending, press = (".gz", gzip.compress) if packed else ("", bytes)
    for part, take in (("train", slice(None)), ("t10k", slice(3))):
        (tmp_path / f"{part}-images{dashes}{ending}").write_bytes(press(idx_bytes(GREY[take])))
        (tmp_path / f"{part}-labels{dashes.replace('3', '1')}{ending}").write_bytes(press(idx_bytes(LABELS[take].astype(np.uint8))))
    for source in (tmp_path, tmp_path / f"train-images{dashes}{ending}"):
        assert IMAGE.recognises(str(source))
        found = IMAGE.open(str(source), DataSettings())
        np.testing.assert_array_equal(found.raw[..., 0], GREY)
        assert found.labels is not None
        np.testing.assert_array_equal(found.labels, LABELS)
        assert found.classes == ("0", "1", "2")
        assert ("D115" in {f.code for f in found.findings}) == source.is_dir()
    assert len(IMAGE.open(str(tmp_path / f"t10k-images{dashes}{ending}"), DataSettings())) == 3


@pytest.mark.parametrize(("dtype", "code"), [("int16", 0x0B), ("int32", 0x0C), ("float32", 0x0D), ("float64", 0x0E)])
def test_idx_of_wider_numbers(dtype: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "a-images.idx").write_bytes(idx_bytes(GREY.astype(dtype), code))
    found = IMAGE.open(str(tmp_path / "a-images.idx"), DataSettings())
    assert found.labels is None
    np.testing.assert_array_equal(found.raw[..., 0], GREY)


@pytest.mark.parametrize(
    ("array", "shape", "dtype"),
    [
        (GREY, (6, 9, 1), "uint8"),
        (COLOUR, (6, 9, 3), "uint8"),
        (COLOUR.transpose(0, 3, 1, 2), (6, 9, 3), "uint8"),
        (np.asfortranarray(COLOUR), (6, 9, 3), "uint8"),
        (COLOUR.astype(np.uint16) * 257, (6, 9, 3), "uint16"),
        (COLOUR.astype(np.int64), (6, 9, 3), "uint8"),
        (COLOUR.astype(np.int64) + 300, (6, 9, 3), "uint16"),
        (COLOUR.astype(np.int32) - 300, (6, 9, 3), "float32"),
        (COLOUR / 255, (6, 9, 3), "float32"),
        (COLOUR.astype(np.float16), (6, 9, 3), "float32"),
        (GREY > 100, (6, 9, 1), "uint8"),
        (np.random.default_rng(1).integers(0, 256, (12, 9, 8, 5), dtype=np.uint8), (9, 8, 5), "uint8"),
        (np.random.default_rng(1).integers(0, 256, (12, 5, 9, 8), dtype=np.uint8), (9, 8, 5), "uint8"),
    ],
)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_arrays_of_any_kind(array: np.ndarray, shape: tuple[int, ...], dtype: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "npy":
        np.save(path, array)
    else:
        np.savez_compressed(path, meta=np.arange(3), images=array)
    assert IMAGE.recognises(str(path))
    found = IMAGE.open(str(path), DataSettings())
    assert found.raw.shape == (12, *shape)
    assert str(found.raw.dtype) == dtype
    assert found.facts["dtype"] == dtype
    codec = IMAGE.fit(found)
    assert codec.layout.shape == (shape[2], *shape[:2])


def test_codes_are_stretched_and_told(tmp_path: Path) -> None:
    masks = (GREY > 100).astype(np.uint8)
    np.save(tmp_path / "masks.npy", masks)
    found = IMAGE.open(str(tmp_path / "masks.npy"), DataSettings())
    np.testing.assert_array_equal(found.raw[..., 0], masks * 255)
    assert "D113" in {f.code for f in found.findings}


def test_arrays_are_resized_and_change_channels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", COLOUR)
    found = IMAGE.open(str(tmp_path / "a.npy"), DataSettings(size=(3, 3), channels=1))
    assert found.raw.shape == (12, 3, 3, 1)
    np.save(tmp_path / "b.npy", COLOUR.astype(np.float32) / 255)
    found = IMAGE.open(str(tmp_path / "b.npy"), DataSettings(size=(12, 12), channels=4, fit="pad"))
    assert found.raw.shape == (12, 12, 12, 4)
    assert found.raw[0, 0, 0].tolist() == [1, 1, 1, 0]
    assert found.facts["span"] == [0, 1]
    assert IMAGE.open(str(tmp_path / "a.npy"), DataSettings(), largest=4).raw.shape == (12, 4, 4, 3)


def test_digits_are_inside() -> None:
    found = IMAGE.open("digits", DataSettings())
    assert found.raw.shape == (1797, 8, 8, 1)
    assert (found.raw.min(), found.raw.max()) == (0, 255)
    assert found.classes == tuple("0123456789")


def test_a_changed_folder_is_decoded_again_and_an_unchanged_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_folder(tmp_path, in_classes())
    done: list[tuple[int, int]] = []
    first = IMAGE.open(str(path), DataSettings(), progress=lambda i, n: done.append((i, n)))
    assert done[-1] == (12, 12)
    done.clear()
    IMAGE.open(str(path), DataSettings(), progress=lambda i, n: done.append((i, n)))
    assert not done
    (path / "set/cat/00.png").write_bytes(png(COLOUR[5]))
    os.utime(path / "set/cat/00.png", ns=(1, 1))
    second = IMAGE.open(str(path), DataSettings())
    assert second.facts["fingerprint"] != first.facts["fingerprint"]
    assert second.facts["duplicates"]["count"] == 1
    assert IMAGE.open(str(path), DataSettings(size=(3, 3))).raw.shape == (12, 3, 3, 3)


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    path = as_folder(tmp_path, in_classes())
    (path / "set" / "loop").symlink_to(path, target_is_directory=True)
    assert len(IMAGE.open(str(path), DataSettings())) == 12


@pytest.mark.parametrize("name", ["pyarrow", "datasets"])
def test_a_missing_extra_says_what_to_install(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = str(as_parquet(tmp_path)) if name == "pyarrow" else "hf:mnist"
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, name + ".parquet", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gansmith\[(parquet|hf)\]'"):
        IMAGE.open(source, DataSettings())


def test_a_data_set_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The `datasets` library by the parts of it that are used, as it is not installed for the tests."""

    class ImageFeature:
        def __init__(self, decode: bool = True) -> None:
            pass

    ImageFeature.__name__ = "Image"

    class Part(list):  # type: ignore[type-arg]
        _fingerprint = "f1"
        features = {"image": ImageFeature(), "label": types.SimpleNamespace(names=list(CLASSES))}  # noqa: RUF012

        def __getitem__(self, key):  # type: ignore[no-untyped-def]
            return LABELS.tolist() if key == "label" else super().__getitem__(key)

        def cast_column(self, column: str, feature: object) -> Part:
            return self

    part = Part({"image": {"bytes": png(p), "path": None}} for p in COLOUR)
    fake = types.SimpleNamespace(load_dataset=lambda name: {"test": [], "train": part}, Image=ImageFeature)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    assert IMAGE.recognises("hf:someone/pictures")
    found = IMAGE.open("hf:someone/pictures", DataSettings())
    np.testing.assert_array_equal(found.raw, COLOUR)
    assert found.classes == CLASSES


def test_what_holds_no_pictures_is_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    np.save(tmp_path / "table.npy", np.zeros((3, 4)))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    (tmp_path / "broken.zip").write_bytes(b"PK")
    (tmp_path / "broken.parquet").write_bytes(b"PK")
    as_zip(tmp_path, {"a.wav": b""})
    (tmp_path / "empty").mkdir()
    for name in ("a.csv", "table.npy", "broken.npz", "broken.zip", "broken.parquet", "set.zip", "empty", "nothing", "a\0b"):
        assert not IMAGE.recognises(str(tmp_path / name)), name
    assert not IMAGE.recognises("toy:ring")
