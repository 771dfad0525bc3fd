"""The cache of decoded data: atomic, shared between processes, bounded, and honest about a full disk."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.data import store
from gansmith.errors import ConfigError, DataError, StorageError
from gansmith.records import Finding

FINDING = Finding("D108", "warning", "there are only 3 pictures.", "Add some.", {"count": 3})


def fill(folder: Path, value: int = 1, count: int = 3, side: int = 4) -> None:
    rows = np.full((count, side, side, 1), value, np.uint8)
    with store.RowWriter(folder / "raw.npy", rows.shape[1:], rows.dtype) as writer:
        writer.append(rows)
    store.write(folder, store.digest_rows(rows), np.arange(count), [str(i) for i in range(count)], [FINDING], {"kind": "test"})


def never(folder: Path) -> None:
    raise AssertionError("it was built a second time")


@given(pieces=st.lists(st.integers(0, 5), max_size=6), shape=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_rows_written_in_pieces_are_the_rows_read(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[int], shape: tuple[int, int]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "raw.npy"
    rows = np.random.default_rng(0).integers(0, 65536, (sum(pieces), *shape), dtype=np.uint16)
    with store.RowWriter(path, shape, np.uint16) as writer:
        start = 0
        for piece in pieces:
            writer.append(rows[start : start + piece])
            start += piece
    found = np.load(path, allow_pickle=False)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, rows)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    found = store.cached("key", fill, tmp_path)
    assert isinstance(found.raw, np.memmap)
    assert len(found) == 3
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2]
    assert found.classes == ("0", "1", "2")
    assert found.findings == (FINDING,)
    assert found.facts == {"kind": "test"}
    assert len(set(found.digests.tolist())) == 1
    again = store.cached("key", never, tmp_path)
    np.testing.assert_array_equal(again.raw, found.raw)


def test_what_build_raises_passes_and_leaves_nothing(tmp_path: Path) -> None:
    def fails(folder: Path) -> None:
        fill(folder)
        raise DataError("these data cannot be used.")

    with pytest.raises(DataError, match="cannot be used"):
        store.cached("key", fails, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".locks"]


def test_a_damaged_entry_is_built_again(tmp_path: Path) -> None:
    store.cached("key", fill, tmp_path)
    (tmp_path / "key" / "collection.json").write_text('{"classes": ')
    assert len(store.cached("key", fill, tmp_path)) == 3
    (tmp_path / "key" / "raw.npy").write_bytes(b"\x93NUMPY")
    assert len(store.cached("key", fill, tmp_path)) == 3


@pytest.mark.parametrize("file", ["raw.npy", "digests.npy", "labels.npy", "collection.json"])
def test_an_entry_that_a_crash_of_the_machine_left_empty_is_built_again(file: str, tmp_path: Path) -> None:
    store.cached("key", fill, tmp_path)
    (tmp_path / "key" / file).write_bytes(b"")
    assert store.cached("key", fill, tmp_path).raw.tolist() == np.ones((3, 4, 4, 1)).tolist()


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self) -> None:
            self.room = 200

        def write(self, data: bytes) -> int:
            self.room -= len(bytes(data))
            if self.room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return len(data)

        def tell(self) -> int:
            return 0

        def close(self) -> None:
            pass

    def opens(path: Path, mode: str) -> object:
        return Full() if path.name == "raw.npy" else open(path, mode)

    monkeypatch.setattr(store, "open", opens, raising=False)
    with pytest.raises(StorageError, match="No room left"):
        store.cached("key", lambda folder: fill(folder, count=100), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".locks"]


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="GANSMITH_CACHE"):
        store.cached("key", fill, tmp_path / "file" / "cache")


def _build_and_wait(root: str) -> None:
    def slow(folder: Path) -> None:
        fill(folder)
        Path(root, "started").touch()
        time.sleep(60)

    store.cached("key", slow, Path(root))


def test_a_killed_build_leaves_no_entry_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_build_and_wait, args=(str(tmp_path),))
    process.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not (tmp_path / "key").exists()
    assert list(tmp_path.glob(".key.*"))
    assert len(store.cached("key", fill, tmp_path)) == 3
    assert not list(tmp_path.glob(".key.*"))


def _hold_until_told(root: str) -> None:
    held = store.cached("held", fill, Path(root))
    Path(root, "holding").touch()
    while not Path(root, "enough").exists():
        time.sleep(0.01)
    assert held.raw.max() == 1


def test_the_least_recently_used_go_first_and_never_one_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_hold_until_told, args=(str(tmp_path),))
    process.start()
    while not (tmp_path / "holding").exists():
        time.sleep(0.01)
    try:
        for age, key in enumerate(("newer", "older")):
            folder = tmp_path / key  # as an earlier process left them
            folder.mkdir()
            fill(folder)
            os.utime(folder / "collection.json", (1000 - age, 1000 - age))
        size = sum(f.stat().st_size for f in (tmp_path / "older").iterdir())
        monkeypatch.setenv("GANSMITH_CACHE_GB", str(3.5 * size / 1e9))
        store.cached("now", fill, tmp_path)
        assert {p.name for p in tmp_path.iterdir() if p.is_dir()} == {".locks", "held", "newer", "now"}
        monkeypatch.setenv("GANSMITH_CACHE_GB", "0")
        store.prune(tmp_path, keep="now")
        assert {p.name for p in tmp_path.iterdir() if p.is_dir()} == {".locks", "held", "now"}
    finally:
        (tmp_path / "enough").touch()
        process.join()


def test_an_entry_that_another_process_drops_meanwhile_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.cached("old", fill, tmp_path)

    def last_used(entry: Path) -> float:
        if entry.name == "old":
            shutil.rmtree(entry)
        return 0.0

    monkeypatch.setattr(store, "_last_used", last_used)
    assert len(store.cached("new", fill, tmp_path)) == 3
    assert not (tmp_path / "old").exists()


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl")

    def flock(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    store.cached("key", fill, tmp_path)
    monkeypatch.setattr("fcntl.flock", flock)
    assert len(store.cached("key", never, tmp_path)) == 3  # what is there already serves
    with pytest.raises(StorageError, match="GANSMITH_CACHE moves it"):
        store.cached("other", fill, tmp_path)


@pytest.mark.parametrize("text", ["many", "-1", "nan"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GANSMITH_CACHE_GB", text)
    with pytest.raises(ConfigError, match="gigabytes"):
        store.cache_limit()


def test_no_pickle_is_read(tmp_path: Path) -> None:
    fill(tmp_path)
    np.save(tmp_path / "labels.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        store.read(tmp_path)


def test_equal_samples_have_equal_digests_and_keys_are_fixed() -> None:
    rows = np.array([[1, 2], [2, 1], [1, 2]], np.uint8)
    a, b, c = store.digest_rows(rows)
    assert a == c
    assert a != b
    assert store.key_of({"b": 1, "a": [2]}) == store.key_of(json.loads('{"a": [2], "b": 1}'))
    assert store.key_of("x", 1) != store.key_of("x", 2)


def test_an_entry_is_in_use_for_as_long_as_its_arrays_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANSMITH_CACHE_GB", "0")
    first = store.cached("first", fill, tmp_path)
    store.cached("second", fill, tmp_path)
    assert (tmp_path / "first").exists()
    del first
    store.cached("third", fill, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {".locks", "third"}
