"""Many files under one name: a folder, a zip or a tar, read in place and never unpacked to disk."""

from __future__ import annotations

import lzma
import os
import tarfile
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

from gansmith.domains.image import manifest
from gansmith.errors import DataError
from gansmith.runs import DIRECTIONS, INVERSION, SEARCH, RunFolder

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
LARGEST_MEMBER = 512 << 20  # bytes, unpacked
BOMB_RATIO, BOMB_BYTES = 200, 1 << 30  # an archive that unpacks to more than 1 GiB and 200 times itself is a bomb

Opener = Callable[[], IO[bytes]]

# what opening or reading a damaged file or member raises
DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, UnicodeDecodeError)


@dataclass(frozen=True)
class Tree:
    """Files by their names relative to the top, '/' between folders.

    `walk(names)` opens each of the names, one at a time, in the order of `names` here; an opener holds until the next is taken.
    """

    kind: str
    where: str
    names: tuple[str, ...]
    identity: Any  # JSON-able; changes when the contents may have
    walk: Callable[[Collection[str]], Iterator[tuple[str, Opener]]]

    def read(self, name: str) -> bytes:
        """The whole of one file. DataError where it is damaged."""
        try:
            for _, opener in self.walk((name,)):
                with opener() as file:
                    return file.read()
        except DAMAGE as error:
            raise DataError(f"{name} in {self.where} cannot be read ({error}). Fix or remove it.") from error
        raise DataError(f"{self.where} no longer contains {name!r}; it changed while it was read. Run the command again.")


def folder(path: Path) -> Tree:
    """Everything under a folder; hidden files, and what gansmith wrote below it, are passed over, links are followed once.

    Links come last, so that of a folder and a link to it, it is the link that is passed over.
    """
    found: list[tuple[str, int, int]] = []
    seen: set[tuple[int, int]] = set()
    folders, links = deque([(path, "")]), deque[tuple[Path, str]]()

    def look(here: Path, prefix: str) -> None:
        about = here.stat()
        if (about.st_dev, about.st_ino) in seen:  # a link that leads back
            return
        seen.add((about.st_dev, about.st_ino))
        if prefix and _is_output(here):
            return
        with os.scandir(here) as entries:  # one look at the disk a file: a folder may hold millions
            for entry in sorted(entries, key=lambda entry: entry.name):
                if _hidden(entry.name):
                    continue
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append((here / entry.name, f"{prefix}{entry.name}/"))
                elif entry.is_file():
                    stat = entry.stat()
                    found.append((prefix + entry.name, stat.st_size, stat.st_mtime_ns))

    try:
        while folders or links:
            look(*(folders or links).popleft())
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be opened ({error.strerror or error}). Check its permissions.") from error
    found.sort()

    def walk(names: Collection[str]) -> Iterator[tuple[str, Opener]]:
        wanted = set(names)
        for name, _, _ in found:
            if name in wanted:
                yield name, _opener_of(path / name)

    return Tree("folder", str(path), tuple(f[0] for f in found), [str(path.resolve()), found], walk)


def archive(path: Path) -> Tree:
    """The members of a zip or tar. DataError for a damaged one, one that would unpack beyond measure, '..' and links."""
    try:
        return _zip(path) if is_zip(path) else _tar(path)
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(":")
        raise DataError(f"{path} cannot be read as an archive ({reason}). Download or pack it again.") from error


def first_names(path: Path, count: int = 100) -> list[str]:
    """The names of the first members of an archive; of a packed tar only its beginning is unpacked for them."""
    if is_zip(path):
        with zipfile.ZipFile(path) as zipped:
            return zipped.namelist()
    with tarfile.open(path) as tarred:
        return [member.name for member in islice(tarred, count)]


def stat_identity(path: Path) -> list[Any]:
    """What tells whether a file may have changed: where it is, its size and its time."""
    about = path.stat()
    return [str(path.resolve()), about.st_size, about.st_mtime_ns]


def is_zip(path: Path) -> bool:
    return path.name.lower().endswith(".zip")


def is_tar(path: Path) -> bool:
    return path.name.lower().endswith(TAR_ENDINGS)


def _zip(path: Path) -> Tree:
    with zipfile.ZipFile(path) as file:
        members = [m for m in file.infolist() if not m.is_dir()]
    total = 0
    for member in members:
        total += member.file_size
        _refuse_bomb(path, member.filename, member.file_size, total)
        if (member.external_attr >> 16) & 0o170000 == 0o120000:
            raise DataError(
                f"{path} holds a link ({member.filename!r}), which could lead anywhere. Pack it again with the files themselves."
            )
        if member.flag_bits & 1:
            raise DataError(f"{path} is protected by a password. Unpack it and give the folder.")
    names = sorted({_safe(path, m.filename) for m in members if not _hidden_anywhere(m.filename)})

    def walk(wanted: Collection[str]) -> Iterator[tuple[str, Opener]]:
        chosen = set(wanted)
        with zipfile.ZipFile(path) as file:
            inside = {_safe(path, m.filename): m for m in file.infolist() if not m.is_dir()}
            for name in names:
                if name in chosen:
                    yield name, _zip_opener(file, inside[name])

    return Tree("zip", str(path), tuple(names), stat_identity(path), walk)


def _tar(path: Path) -> Tree:
    places: dict[str, int] = {}
    total = 0
    with tarfile.open(path) as file:
        for place, member in enumerate(file):
            if member.issym() or member.islnk():
                raise DataError(
                    f"{path} holds a link ({member.name!r}), which could lead anywhere. Pack it again with the files themselves (tar -h)."
                )
            if member.isdir():
                continue
            if not member.isfile():
                raise DataError(f"{path} holds {member.name!r}, which is not a regular file. Pack it again with pictures only.")
            total += member.size
            _refuse_bomb(path, member.name, member.size, total)
            if not _hidden_anywhere(member.name):
                name = _safe(path, member.name)
                places.pop(name, None)  # of a name that occurs again the last one counts, as where it is unpacked
                places[name] = place
    names = {place: name for name, place in places.items()}

    def walk(wanted: Collection[str]) -> Iterator[tuple[str, Opener]]:
        chosen = set(wanted)
        with tarfile.open(path) as file:
            for place, member in enumerate(file):
                if names.get(place) in chosen:
                    yield names[place], _tar_opener(file, member)

    return Tree("tar", str(path), tuple(places), stat_identity(path), walk)


def _refuse_bomb(path: Path, name: str, size: int, total: int) -> None:
    """DataError where one member, or all so far, would unpack beyond measure."""
    if size > LARGEST_MEMBER:
        raise DataError(
            f"{path} holds {name!r}, which would unpack to {size / 2**20:,.0f} MiB; more than {LARGEST_MEMBER >> 20} MiB is taken "
            "for a zip bomb. Remove that file."
        )
    if total > BOMB_BYTES and total > BOMB_RATIO * path.stat().st_size:
        raise DataError(
            f"{path} would unpack to {total / 2**30:,.1f} GiB or more, over {BOMB_RATIO} times its size, and is taken for a zip bomb. "
            "Unpack it yourself if you trust it, and give the folder."
        )


def _safe(path: Path, name: str) -> str:
    """The member's name, cleaned; DataError where it leads out of the archive."""
    clean = name.replace("\\", "/")
    if clean.startswith("/") or clean[1:2] == ":" or ".." in PurePosixPath(clean).parts:
        raise DataError(
            f"{path} holds {name!r}, a path that leads out of the archive. Do not trust it; pack the pictures again with plain paths."
        )
    return str(PurePosixPath(clean))


def _is_output(here: Path) -> bool:
    """Whether a folder is what a command of gansmith wrote: what was trained on a folder may be kept inside it."""
    run = RunFolder(here)
    if any((here / name).is_file() for name in (SEARCH, DIRECTIONS, INVERSION)) or (
        run.recipe.is_file() and (run.data.is_file() or run.log.is_file())
    ):
        return True
    listing = here / manifest.NAME
    return listing.is_file() and manifest.entries(listing.read_bytes()) is not None


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _hidden_anywhere(name: str) -> bool:
    return any(_hidden(part) for part in PurePosixPath(name.replace("\\", "/")).parts if part not in (".", ".."))


def _opener_of(path: Path) -> Opener:
    return lambda: open(path, "rb")


def _zip_opener(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> Opener:
    return lambda: file.open(member)


def _tar_opener(file: tarfile.TarFile, member: tarfile.TarInfo) -> Opener:
    def opener() -> IO[bytes]:
        found = file.extractfile(member)
        assert found is not None  # only ordinary files come here
        return found

    return opener
