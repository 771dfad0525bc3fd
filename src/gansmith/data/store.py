"""A decoded data set in memory-mapped files, and the bounded cache that keeps such sets between runs.

An entry of the cache is a folder `<root>/<key>/` with raw.npy, digests.npy, labels.npy or conditions.npy (where there are
any) and collection.json. It is written beside its place and moved there in one step, so a killed process leaves no half entry. The root is
$GANSMITH_CACHE or ~/.cache/gansmith/data; $GANSMITH_CACHE_GB (20) bounds the whole, and the entries that were not used for
the longest time go first. No pickle is written or read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from gansmith.conditions import Column, Conditions
from gansmith.errors import ConfigError, storage_error
from gansmith.records import Finding

try:
    import fcntl
except ImportError:  # Windows: two processes may then decode the same data at once; the later one is kept
    fcntl = None  # type: ignore[assignment]

BLOCK_BYTES = 16 << 20  # what is held in memory at a time of a set that is being written or looked through


@dataclass(frozen=True)
class Collection:
    """N samples in their native form, one behind the other, with what is known of them.

    raw       [N, ...] array, usually a read-only memory map; an image is [H, W, C] of uint8, uint16 or float32
    labels    [N] int64 indices into `classes`, or None
    classes   names in the order of their indices; empty without labels
    conditions  what else is known of each sample, in the place of labels: yes or no, numbers and choices; or None
    digests   [N] uint64 hash of each sample's decoded content: equal samples have equal digests
    findings  what was noticed while opening: unreadable files, imbalance, duplicates, ...
    facts     JSON-able counts, sizes, modes, dtype, range, fingerprint; shown by `describe`, kept in data.json
    """

    raw: np.ndarray
    digests: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    conditions: Conditions | None = None

    @property
    def repeats(self) -> bool:
        """Whether equal samples are equal by chance, as rows of a table are, and no copies."""
        return bool(self.facts.get("repeats", False))

    @property
    def condition(self) -> int:
        """Numbers K that a network is told of a sample."""
        return self.conditions.width if self.conditions is not None else len(self.classes)

    def __len__(self) -> int:
        return len(self.raw)


class RowWriter:
    """Appends samples to a .npy file whose count is not known beforehand.

    It writes with plain writes and not through a memory map, because a map on a full disk ends the process with SIGBUS,
    where a write raises an error that can be told. StorageError where the file cannot be written.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype | type | str) -> None:
        self.path, self.shape, self.dtype, self.count = path, tuple(shape), np.dtype(dtype), 0
        try:
            self._file = open(path, "wb")  # noqa: SIM115  (closed by `close`)
            self._header()
        except OSError as error:
            raise storage_error(error, path) from error
        self._start = self._file.tell()

    def append(self, rows: np.ndarray) -> None:
        """Write rows [b, *shape] of the file's dtype behind those already there."""
        assert (rows.shape[1:], rows.dtype) == (self.shape, self.dtype), (rows.shape, rows.dtype, self.shape, self.dtype)
        try:
            self._file.write(np.ascontiguousarray(rows).data)
        except OSError as error:
            raise storage_error(error, self.path) from error
        self.count += len(rows)

    def close(self) -> None:
        """Write the true count into the header; numpy pads its headers so that the first axis can grow in place."""
        try:
            with self._file:
                self._file.seek(0)
                self._header()
                assert self._file.tell() == self._start
        except OSError as error:
            raise storage_error(error, self.path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(OSError):  # the error on its way says more than a second one from the same disk
                self._file.close()

    def _header(self) -> None:
        np.lib.format.write_array_header_1_0(
            self._file,
            {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.count, *self.shape)},
        )


def blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """The rows in consecutive pieces of about BLOCK_BYTES."""
    step = max(1, BLOCK_BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def digest_rows(rows: np.ndarray) -> np.ndarray:
    """[N, ...] -> uint64 [N], the 8-byte BLAKE2b of each row's bytes."""
    found = (hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=8).digest() for row in rows)
    return np.frombuffer(b"".join(found), dtype="<u8").astype(np.uint64)


def key_of(*parts: Any) -> str:
    """A folder name that is fixed by JSON-able parts alone."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def cached(key: str, build: Callable[[Path], None], root: Path | None = None) -> Collection:
    """The collection kept under `key`; where there is none, `build(folder)` writes it first with `write`.

    Several processes may ask for one key at once: one builds, the others wait and read. StorageError where nothing can be
    written; whatever `build` raises passes through and leaves nothing behind.
    """
    root = cache_root() if root is None else root
    held = _hold(root, key)
    try:
        found = _read_or_none(root / key)
        if found is None:
            found = _built(root, key, build)
    except BaseException:
        _release(held)
        raise
    weakref.finalize(found.raw, _release, held)  # in use for as long as its arrays are
    return found


def write(
    folder: Path,
    digests: np.ndarray,
    labels: np.ndarray | None,
    classes: Sequence[str],
    findings: Sequence[Finding],
    facts: Mapping[str, Any],
    conditions: Conditions | None = None,
) -> None:
    """Complete an entry whose raw.npy is written already."""
    try:
        np.save(folder / "digests.npy", digests, allow_pickle=False)
        if labels is not None:
            np.save(folder / "labels.npy", labels, allow_pickle=False)
        about: dict[str, Any] = {"classes": list(classes), "findings": [f.to_dict() for f in findings], "facts": dict(facts)}
        if conditions is not None:
            np.save(folder / "conditions.npy", conditions.values, allow_pickle=False)
            about["columns"] = [c.to_dict() for c in conditions.columns]
        (folder / "collection.json").write_text(json.dumps(about), encoding="utf-8")
    except OSError as error:
        raise storage_error(error, folder) from error


def read(folder: Path) -> Collection:
    """The collection in an entry's folder, its arrays memory-mapped. OSError or ValueError where it is not complete."""
    about = json.loads((folder / "collection.json").read_text(encoding="utf-8"))
    labelled = (folder / "labels.npy").exists()
    return Collection(
        raw=np.load(folder / "raw.npy", mmap_mode="r", allow_pickle=False),
        digests=np.load(folder / "digests.npy", allow_pickle=False),
        labels=np.load(folder / "labels.npy", allow_pickle=False) if labelled else None,
        classes=tuple(about["classes"]),
        findings=tuple(Finding(**f) for f in about["findings"]),
        facts=about["facts"],
        conditions=_conditions(folder, about["columns"]) if "columns" in about else None,
    )


def _conditions(folder: Path, columns: Sequence[Mapping[str, Any]]) -> Conditions:
    return Conditions(np.load(folder / "conditions.npy", allow_pickle=False), tuple(Column.from_dict(c) for c in columns))


def cache_root() -> Path:
    """Where decoded data are kept."""
    chosen = os.environ.get("GANSMITH_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "gansmith" / "data"


def cache_limit() -> int:
    """Bytes the whole cache may take. ConfigError where $GANSMITH_CACHE_GB is not a number."""
    text = os.environ.get("GANSMITH_CACHE_GB", "20")
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise ConfigError(f"GANSMITH_CACHE_GB is {text!r}; it must be a number of gigabytes, for example 20.")
    return int(min(limit, 1e9) * 1e9)


def prune(root: Path, keep: str) -> None:
    """Drop the entries unused for longest until the cache is within its limit; never `keep`, never one in use by a process."""
    entries = sorted((e for e in root.iterdir() if e.is_dir() and not e.name.startswith(".")), key=_last_used)
    sizes = {e: _size(e) for e in entries}
    total, limit = sum(sizes.values()), cache_limit()
    for entry in entries:
        if total <= limit:
            return
        if entry.name != keep and _drop(root, entry.name):
            total -= sizes[entry]


def _built(root: Path, key: str, build: Callable[[Path], None]) -> Collection:
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / ".locks" / f"{key}.build"):
            found = _read_or_none(root / key)  # another process may have built it while this one waited
            if found is None:
                _build(root, key, build)
                found = read(root / key)
    except OSError as error:
        raise storage_error(error, f"the cache {root} (GANSMITH_CACHE moves it)") from error
    prune(root, keep=key)
    return found


def _build(root: Path, key: str, build: Callable[[Path], None]) -> None:
    if fcntl is not None:  # under the lock of this key, whatever is half written was left by a killed process
        for left in root.glob(f".{key}.*"):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f".{key}.", dir=root))
    try:
        build(made)
        shutil.rmtree(root / key, ignore_errors=True)  # an entry that could not be read
        made.replace(root / key)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _read_or_none(place: Path) -> Collection | None:
    try:
        found = read(place)
    except (OSError, ValueError, KeyError, TypeError, EOFError):  # the last: a file that a crash of the machine left empty
        return None
    with suppress(OSError):  # a cache that may only be read still serves
        os.utime(place / "collection.json")
    return found


def _last_used(entry: Path) -> float:
    kept = entry / "collection.json"
    try:
        return max(file.stat().st_mtime for file in ([kept] if kept.exists() else entry.iterdir()))
    except (OSError, ValueError):
        return 0.0


def _size(entry: Path) -> int:
    try:
        return sum(f.stat().st_size for f in entry.iterdir() if f.is_file())
    except OSError:  # another process has dropped it
        return 0


def _hold(root: Path, key: str) -> int | None:
    """Mark the entry as in use by this process; gives what `_release` takes."""
    if fcntl is None:
        return None
    path = root / ".locks" / f"{key}.used"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:  # a cache that may only be read still serves
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
    except OSError:  # and so does one on a file system without locks
        os.close(held)
        return None
    return held


def _release(held: int | None) -> None:
    if held is not None:
        os.close(held)


@contextmanager
def _locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a file alone; gives False where it is held elsewhere and `wait` is off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        if fcntl is None:
            yield True
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _drop(root: Path, key: str) -> bool:
    with _locked(root / ".locks" / f"{key}.used", wait=False) as unused, _locked(root / ".locks" / f"{key}.build", wait=False) as idle:
        if unused and idle:
            shutil.rmtree(root / key, ignore_errors=True)
        return unused and idle
