"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gansmith.errors import StorageError, storage_error


def free(out: str | Path) -> Path:
    """The whole path of what is to be written. StorageError where something is there already, other than an empty folder that can be
    replaced."""
    target = Path(os.path.abspath(out))  # noqa: PTH100  (not resolve: a link is replaced, not what it leads to)
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise StorageError(f"{target} already exists. Choose another path, or remove it first.")
    if os.path.ismount(target):  # Path.is_mount of Python 3.11 also says so of a link to another disk
        raise StorageError(f"{target} is a mount point, which no new folder can replace. Give a path inside it: {target / 'new'}")
    return target


def settle(part: Path, target: Path) -> None:
    """Move a folder to a path that is free: an empty folder there goes, and a link, but not what it leads to."""
    if target.is_symlink():
        target.unlink()
    elif target.exists():
        target.rmdir()
    part.replace(target)


@contextmanager
def new_folder(out: str | Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends well, and vanishes when it does not. StorageError as `free`."""
    target = free(out)
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        settle(part, target)
    except OSError as error:
        raise storage_error(error, target) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
