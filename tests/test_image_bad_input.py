"""Every kind of bad input ends in one sentence with the mend, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gansmith.config import DataSettings
from gansmith.data.store import Collection, cache_root
from gansmith.domains.image import IMAGE, pictures, trees
from gansmith.errors import DataError


def png(seed: int, side: int = 6, mode: str = "RGB") -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(held, "PNG")
    return held.getvalue()


def folder(place: Path, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        path = place / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(place / "photos")


def zipped(place: Path, files: dict[str, bytes], mode: int = 0o100644) -> str:
    with zipfile.ZipFile(place / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(member, data)
    return str(place / "a.zip")


def tarred(place: Path, name: str, kind: bytes = tarfile.REGTYPE) -> str:
    with tarfile.open(place / "a.tar", "w") as file:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/passwd"
        data = png(0) if kind == tarfile.REGTYPE else b""
        member.size = len(data)
        file.addfile(member, io.BytesIO(data))
    return str(place / "a.tar")


def saved(place: Path, **arrays: np.ndarray) -> str:
    np.savez(place / "a.npz", **arrays)
    return str(place / "a.npz")


def array(place: Path, values: np.ndarray) -> str:
    np.save(place / "a.npy", values, allow_pickle=True)
    return str(place / "a.npy")


def raw(place: Path, name: str, data: bytes) -> str:
    (place / name).write_bytes(data)
    return str(place / name)


def patched(data: bytes, place: int, value: int) -> bytes:
    """A zip with another byte at a place of the first entry of its list."""
    at = data.index(b"PK\1\2") + place
    return data[:at] + bytes([value]) + data[at + 1 :]


def idx(*shape: int, code: int = 8) -> bytes:
    return bytes([0, 0, code, len(shape)]) + np.asarray(shape, ">u4").tobytes()


def with_nan(value: float) -> np.ndarray:
    found = np.random.default_rng(0).random((5, 4, 4))
    found[3, 1, 1] = value
    return found


GOOD = {f"{i}.png": png(i) for i in range(12)}
NOISE = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)

BAD: dict[str, tuple[Callable[[Path], str], str]] = {
    "no such path": (lambda p: folder(p, GOOD).replace("photos", "fotos"), "did you mean 'photos'"),
    "no such path, nothing near": (lambda p: str(p / "nothing"), "Give a folder of pictures"),
    "a name too long for a path": (lambda p: "x" * 5000, "there is no 'xxx"),
    "a user who does not exist": (lambda p: "~nobody-here/photos", "there is no '~nobody-here/photos'"),
    "an empty folder": (lambda p: (p / "e").mkdir() or str(p / "e"), "is empty"),
    "a folder without pictures": (lambda p: folder(p, {"a.txt": b"", "b.csv": b""}), "no pictures, only .csv, .txt"),
    "an archive without pictures": (lambda p: zipped(p, {"a.txt": b""}), "no pictures, only .txt"),
    "an empty archive": (lambda p: zipped(p, {}), "no files"),
    "one picture file": (lambda p: raw(p, "a.png", png(0)), "Give its folder"),
    "a file of another kind": (lambda p: raw(p, "a.docx", b""), "not a source of pictures"),
    "no picture can be read": (lambda p: folder(p, {"a.png": b"x", "b.jpg": b""}), "none of the 2 pictures can be read"),
    "too many cannot be read": (
        lambda p: folder(p, {**GOOD, "x.png": b"x", "y.png": png(0)[:90]}),
        "of 14 pictures cannot be read, which is more than 5%",
    ),
    "one picture": (lambda p: folder(p, {"a.png": png(0)}), "there is 1 picture; at least 2"),
    "equal pictures": (lambda p: folder(p, {"a.png": png(0), "b.png": png(0)}), "all 2 pictures are equal"),
    "pictures of one pixel": (lambda p: folder(p, {f"{i}.png": png(i, 1) for i in range(9)}), "1x1 pixel"),
    "a damaged zip": (lambda p: raw(p, "a.zip", b"PK\3\4 not a zip"), "cannot be read as an archive"),
    "a damaged tar": (lambda p: raw(p, "a.tar.gz", gzip.compress(b"not a tar" * 99)), "cannot be read as an archive"),
    "a tar cut short": (lambda p: raw(p, "a.tar.gz", Path(tarred(p, "a.png")).read_bytes()[:300]), "cannot be read as an archive"),
    "a zip path that leads out": (lambda p: zipped(p, {**GOOD, "../../x.png": png(0)}), "leads out of the archive"),
    "an absolute zip path": (lambda p: zipped(p, {**GOOD, "/x.png": png(0)}), "leads out of the archive"),
    "a zip path from Windows": (lambda p: zipped(p, {**GOOD, "C:\\x.png": png(0)}), "leads out of the archive"),
    "a link in a zip": (lambda p: zipped(p, {"x.png": b"/etc/passwd"}, 0o120777), "holds a link"),
    "a tar path that leads out": (lambda p: tarred(p, "../x.png"), "leads out of the archive"),
    "an absolute tar path": (lambda p: tarred(p, "/x.png"), "leads out of the archive"),
    "a link in a tar": (lambda p: tarred(p, "x.png", tarfile.SYMTYPE), "holds a link"),
    "a hard link in a tar": (lambda p: tarred(p, "x.png", tarfile.LNKTYPE), "holds a link"),
    "a device in a tar": (lambda p: tarred(p, "x.png", tarfile.CHRTYPE), "not a regular file"),
    "NaN in an array": (lambda p: array(p, with_nan(np.nan)), "picture 3 of the array holds a value that is not finite"),
    "infinity in an array": (lambda p: array(p, with_nan(-np.inf)), "not finite"),
    "a number that 32 bits cannot hold": (lambda p: array(p, with_nan(1e300).astype(np.float64)), "picture 3 .* too large for 32 bits"),
    "an array of objects": (lambda p: array(p, np.array([{}, {}], dtype=object)), "Python objects, which are never loaded"),
    "an npz of objects": (lambda p: saved(p, x=np.array([{}, {}], dtype=object)), "x .Python objects, never loaded."),
    "a table as an array": (lambda p: array(p, np.zeros((5, 4))), r"shape \(5, 4\)"),
    "an array of words": (lambda p: array(p, np.full((5, 4, 4), "a")), "is not pictures"),
    "an empty array": (lambda p: array(p, np.zeros((0, 4, 4))), "is not pictures"),
    "a constant array": (lambda p: array(p, np.zeros((5, 4, 4))), "all 5 pictures are equal"),
    "a damaged npy": (lambda p: raw(p, "a.npy", b"\x93NUMPY\1\0"), "cannot be read as numpy arrays"),
    "an npy whose head is no Python": (
        lambda p: raw(p, "a.npy", Path(array(p, NOISE)).read_bytes().replace(b"False", b"(alse")),
        "cannot be read as numpy arrays",
    ),
    "an npz packed in an unknown way": (
        lambda p: raw(p, "a.npz", patched(Path(saved(p, x=NOISE)).read_bytes(), 10, 99)),
        "cannot be read as numpy arrays",
    ),
    "an npz with a password": (
        lambda p: raw(p, "a.npz", patched(Path(saved(p, x=NOISE)).read_bytes(), 8, 1)),
        "cannot be read as numpy arrays",
    ),
    "a zip whose names are no text": (
        lambda p: raw(p, "a.zip", Path(zipped(p, {"ä.png": png(0), **GOOD})).read_bytes().replace("ä".encode(), b"\xff\xff")),
        "cannot be read as an archive",
    ),
    "a damaged npz": (lambda p: raw(p, "a.npz", b"PK"), "cannot be read as numpy arrays"),
    "an npz without pictures": (lambda p: saved(p, a=np.zeros(3), b=np.zeros((2, 2))), r"it has a float64 \[3\], b float64 \[2, 2\]"),
    "npz labels of another length": (lambda p: saved(p, x=NOISE, y=np.zeros(4)), "4 labels in 'y' and 5 pictures"),
    "npz labels that are fractions": (lambda p: saved(p, x=NOISE, y=np.linspace(0, 1, 5)), "fractions"),
    "npz labels beyond the names": (
        lambda p: saved(p, x=NOISE, y=np.arange(5), class_names=np.array(["a", "b"])),
        "from 0 to 4, and there are 2 class names",
    ),
    "npz class names of one number": (
        lambda p: saved(p, x=NOISE, y=np.arange(5), class_names=np.array(3)),
        "from 0 to 4, and there are 1 class names",
    ),
    "npz labels that are no text": (lambda p: saved(p, x=NOISE, y=np.array([b"\xff"] * 5)), "bytes that are not UTF-8"),
    "npz class names that are no text": (
        lambda p: saved(p, x=NOISE, y=np.zeros(5, int), class_names=np.array([b"\xff"])),
        "the class names in a.npz hold bytes that are not UTF-8",
    ),
    "several arrays": (
        lambda p: [array(p, NOISE), np.save(p / "b.npy", NOISE)] and str(p),
        r"holds 2 \.npy files; one array of all pictures was expected",
    ),
    "idx pictures without a side": (lambda p: raw(p, "a-images-idx3-ubyte", idx(5, 0, 4)), r"shape \[5, 0, 4\]; pictures"),
    "an idx of no pictures": (lambda p: raw(p, "a-images-idx3-ubyte", idx(0, 4, 4)), r"shape \[0, 4, 4\]; pictures"),
    "a list for a label": (
        lambda p: folder(p, {**GOOD, "labels.json": b'{"0.png": ["a", "b"]}'}),
        "the label of '0.png' in labels.json is a list",
    ),
    "wrong idx magic": (lambda p: raw(p, "a-images-idx3-ubyte", b"\x89PNG" * 9), "no idx file does"),
    "an idx header cut short": (lambda p: raw(p, "a-images-idx3-ubyte", idx(5, 4, 4)[:9]), "truncated within its first 16 bytes"),
    "idx cut short": (lambda p: raw(p, "a-images-idx3-ubyte", idx(5, 4, 4) + bytes(40)), "too short"),
    "idx.gz that ends early": (
        lambda p: raw(p, "a-images-idx3-ubyte.gz", gzip.compress(idx(5, 4, 4) + bytes(40))),
        "announces 5 samples but ends after 2",
    ),
    "idx.gz cut short": (
        lambda p: raw(p, "a-images-idx3-ubyte.gz", gzip.compress(idx(5, 4, 4) + NOISE.tobytes())[:-30]),
        "damaged or truncated",
    ),
    "idx that announces a million": (lambda p: raw(p, "a-images-idx3-ubyte.gz", gzip.compress(idx(2**20, 999, 999))), "too short"),
    "the labels file of idx": (lambda p: raw(p, "a-labels-idx1-ubyte", idx(5) + bytes(5)), "Give the images file"),
    "a damaged parquet": (lambda p: raw(p, "a.parquet", b"PAR1"), "cannot be read as parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told_in_a_sentence_with_the_mend(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANSMITH_CACHE", str(tmp_path / "cache"))
    make, words = BAD[name]
    source = make(tmp_path)
    with pytest.raises(DataError, match=words) as caught:
        IMAGE.open(source, DataSettings())
    assert str(caught.value).endswith((".", "?"))
    assert "\n" not in str(caught.value)
    assert {p.name for p in cache_root().glob("*")} <= {".locks"}


def codes(found: Collection) -> set[str]:
    return {f.code for f in found.findings}


def test_one_corrupt_file_among_many_is_left_out_and_named(tmp_path: Path) -> None:
    good = {f"cat/{i:03}.png": png(i) for i in range(30)} | {f"dog/{i:03}.png": png(100 + i) for i in range(29)}
    for source in (folder(tmp_path, good | {"cat/007x.png": png(1)[:70]}), zipped(tmp_path, good | {"cat/007x.png": png(1)[:70]})):
        found = IMAGE.open(source, DataSettings())
        assert len(found) == 59
        assert found.facts["unreadable"] == {"count": 1, "files": {"cat/007x.png": "it is truncated"}}
        (finding,) = [f for f in found.findings if f.code == "D101"]
        assert "cat/007x.png" in finding.message
        assert found.labels is not None
        assert np.bincount(found.labels).tolist() == [30, 29]


def test_a_damaged_member_of_a_zip_is_left_out(tmp_path: Path) -> None:
    files = {f"{i:02}.png": png(i, 300) for i in range(30)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    at = data.index(files["05.png"]) + 90_000  # beyond what is read for the size alone
    data[at] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    found = IMAGE.open(str(tmp_path / "a.zip"), DataSettings())
    assert list(found.facts["unreadable"]["files"]) == ["05.png"]


def bomb(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds nothing."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 14_143, 60_000])
def test_a_huge_picture_is_left_out_and_named(side: int, tmp_path: Path) -> None:
    files = {f"{i:02}.png": png(i) for i in range(20)}
    found = IMAGE.open(folder(tmp_path, files | {"huge.png": bomb(side, side)}), DataSettings())
    assert found.facts["unreadable"]["files"] == {"huge.png": "it has more than 100 megapixels"}


def test_pillow_warns_of_90_megapixels_and_nobody_hears(tmp_path: Path) -> None:
    files = {f"{i:02}.png": png(i) for i in range(20)}
    found = IMAGE.open(folder(tmp_path, files | {"large.png": bomb(9_700, 9_700)}), DataSettings())
    assert found.facts["unreadable"]["count"] == 1
    assert pictures.LARGEST_PICTURE == 100_000_000


@pytest.mark.parametrize("pack", ["zip", "tar.gz"])
def test_a_bomb_is_refused_before_it_is_unpacked(pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "BOMB_BYTES", 1 << 20)
    files = {f"{i}.png": bytes(1 << 19) for i in range(4)}
    if pack == "zip":
        source = zipped(tmp_path, files)
    else:
        source = str(tmp_path / "a.tar.gz")
        with tarfile.open(source, "w:gz") as file:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
    with pytest.raises(DataError, match="zip bomb"):
        IMAGE.open(source, DataSettings())
    monkeypatch.setattr(trees, "LARGEST_MEMBER", 1 << 18)
    with pytest.raises(DataError, match=r"'0\.png', which would unpack to"):
        IMAGE.open(source, DataSettings())


def test_a_locked_zip_is_told(tmp_path: Path) -> None:
    data = bytearray(Path(zipped(tmp_path, {"a.png": png(0)})).read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match="password"):
        IMAGE.open(str(tmp_path / "a.zip"), DataSettings())


TABLE = "file_name,label\n" + "".join(f"{i}.png,{'cat' if i % 2 else 'dog'}\n" for i in range(12))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "labels.csv",
            TABLE.replace("3.png", "three.png"),
            r"no label for 1 of 12 pictures, for example '3\.png', and 'three\.png' in it is not a picture",
        ),
        ("labels.csv", "file_name,label\n", "no label for 12 of 12"),
        ("labels.csv", "a,b\n1,2\n", "no column of file names; it has a, b"),
        ("labels.json", "{", "cannot be read"),
        ("labels.json", "[1, 2]", "contains no readable labels"),
        ("labels.csv", "file_name,label\n\udcff", "not UTF-8"),
        ("labels.csv", TABLE.replace("3.png,cat", "3.png,"), r"no label for 1 of 12 pictures, for example '3\.png'"),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_labels_that_do_not_match_are_told(name: str, text: str, words: str, named: bool, tmp_path: Path) -> None:
    source = folder(tmp_path, GOOD)
    table = (tmp_path if named else Path(source)) / name
    table.write_bytes(text.encode("utf-8", "surrogateescape"))
    if not named and text.count("\n") == 1 and text.startswith("file"):
        return  # an empty table that was not asked for is passed over
    with pytest.raises(DataError, match=words):
        IMAGE.open(source, DataSettings(labels=str(table) if named else None))


def test_a_labels_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(TABLE)
    with pytest.raises(DataError, match=r"did you mean 'labels\.csv'"):
        IMAGE.open(folder(tmp_path, GOOD), DataSettings(labels=str(tmp_path / "label.csv")))


def test_a_class_of_one_is_a_finding_and_no_error(tmp_path: Path) -> None:
    files = {f"cat/{i}.png": png(i) for i in range(20)} | {"dog/0.png": png(99)}
    found = IMAGE.open(folder(tmp_path, files), DataSettings())
    assert {"D104", "D105"} <= codes(found)
    assert found.facts["imbalance"] == 20


def test_channels_that_files_cannot_have_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1, 3 or 4"):
        IMAGE.open(folder(tmp_path, GOOD), DataSettings(channels=7))
    with pytest.raises(DataError, match="cannot be converted to 3"):
        IMAGE.open(array(tmp_path, np.random.default_rng(0).integers(0, 256, (5, 9, 9, 7))), DataSettings(channels=3))


def test_a_source_that_vanishes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder(tmp_path, GOOD)
    inner = trees.folder(Path(source))
    for name in GOOD:
        Path(source, name).unlink()
    monkeypatch.setattr(trees, "folder", lambda path: inner)
    with pytest.raises(DataError, match="none of the 12 pictures can be read"):
        IMAGE.open(source, DataSettings())


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = folder(tmp_path, GOOD)

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(trees.os, "scandir", refused)
    with pytest.raises(DataError, match=r"photos cannot be opened \(Permission denied\)"):
        IMAGE.open(source, DataSettings())


def test_names_that_are_not_unicode_do_no_harm(tmp_path: Path) -> None:
    files = {f"{kind}/{i}.png": png(10 * ord(kind[0]) + i) for kind in ("cat", "d\udcffg") for i in range(12)}
    assert IMAGE.open(folder(tmp_path, files), DataSettings()).classes == ("cat", "d\udcffg")


def parquets(place: Path, *tables: dict[str, object]) -> str:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (place / "tables").mkdir()
    for i, table in enumerate(tables):
        parquet.write_table(pyarrow.table(table), place / "tables" / f"{i}.parquet", compression="none", use_dictionary=False)
    return str(place / "tables")


PART: dict[str, object] = {"image": [png(i) for i in range(6)], "label": ["x", "y"] * 3}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"picture": PART["image"], "label": PART["label"]}, r"1\.parquet has no column of pictures 'image', but 0\.parquet has"),
        ({"image": ["words"] * 6, "label": PART["label"]}, r"1\.parquet has no column of pictures 'image'"),
        ({"image": PART["image"]}, r"1\.parquet has no column 'label', .*--labels none"),
        ({"image": PART["image"], "label": [["x"], ["y", "x"]] * 3}, "one word or number was expected"),
    ],
)
def test_parquet_files_that_do_not_go_together_are_told(second: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        IMAGE.open(parquets(tmp_path, PART, second), DataSettings())


def test_parquet_files_may_lack_labels_that_are_not_wanted(tmp_path: Path) -> None:
    source = parquets(tmp_path, PART, {"image": [png(i) for i in range(6, 12)], "more": [0] * 6})
    assert len(IMAGE.open(source, DataSettings(labels="none"))) == 12


@pytest.mark.parametrize("column", ["image", "label"])
def test_a_damaged_page_of_parquet_is_told(column: str, tmp_path: Path) -> None:
    source = parquets(tmp_path, PART)
    import pyarrow.parquet

    path = Path(source) / "0.parquet"
    about = pyarrow.parquet.read_metadata(path).row_group(0).column(["image", "label"].index(column))
    data = bytearray(path.read_bytes())
    data[about.data_page_offset : about.data_page_offset + 12] = bytes([0xFF] * 12)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"0\.parquet cannot be read as parquet"):
        IMAGE.open(source, DataSettings())


def test_a_parquet_file_with_more_rows_than_it_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = parquets(tmp_path, PART)
    import pyarrow.parquet

    monkeypatch.setattr(pyarrow.parquet, "read_metadata", lambda path: SimpleNamespace(num_rows=5))
    with pytest.raises(DataError, match="more rows than it says"):
        IMAGE.open(source, DataSettings(labels="none"))


def test_floating_point_files_take_no_transparency(tmp_path: Path) -> None:
    for i in range(4):
        Image.fromarray(np.random.default_rng(i).random((6, 9)).astype(np.float32)).save(tmp_path / f"{i}.tif")
    with pytest.raises(DataError, match=r"data\.channels is 4"):
        IMAGE.open(str(tmp_path), DataSettings(channels=4))
    assert IMAGE.open(str(tmp_path), DataSettings(channels=3)).raw.shape == (4, 6, 9, 3)


@pytest.mark.parametrize("pack", ["zip", "tar", "tar.gz"])
def test_of_a_name_that_an_archive_holds_twice_the_last_counts(pack: str, tmp_path: Path) -> None:
    parts = [("a.png", png(0)), ("b.png", png(1)), ("a.png", png(2)), ("./b.png", png(3))]
    path = tmp_path / f"a.{pack}"
    if pack == "zip":
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as packed:
            warnings.simplefilter("ignore")
            for name, data in parts:
                packed.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz" if pack == "tar.gz" else "w") as file:
            for name, data in parts:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
    wanted = [np.asarray(Image.open(io.BytesIO(png(k)))).reshape(-1).tolist() for k in (2, 3)]
    assert [picture.reshape(-1).tolist() for picture in IMAGE.open(str(path), DataSettings()).raw] == wanted


def test_a_size_beyond_measure_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="more than 100 megapixels"):
        IMAGE.open(folder(tmp_path, GOOD), DataSettings(size=(20_000, 20_000)))
