"""Every exception a user can meet, drawn as a tree.

GansmithError              anything the user can mend; the command line prints it in one sentence and exits with 2
├── ConfigError            a setting is unknown, out of range, or contradicts another
├── DataError              the data cannot be opened, read, or used as asked
│   └── NotFiniteData      samples hold values that are not finite or far out of range
├── RunError               a run folder or an exported generator cannot be used as asked
├── TrainingError          training had to stop
│   ├── NotFinite          a value is not finite
│   └── LostProcess        one of several processes is gone
├── StorageError           a file could not be written: no room, no permission
└── MissingExtra           an optional dependency is not installed

Each message says what was found, what was expected, and how to mend it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches


class GansmithError(Exception):
    """An error that the user can fix. `exit_code` is the exit status of the command line."""

    exit_code = 2


class ConfigError(GansmithError):
    """A setting is unknown, out of range, or contradicts another."""


class DataError(GansmithError):
    """The data cannot be opened, read, or used as asked."""


class NotFiniteData(DataError):
    """Samples, or the features of some, hold values that are not finite or far out of range."""


class RunError(GansmithError):
    """A run folder or an exported generator cannot be used as asked."""


class TrainingError(GansmithError):
    """Training had to stop; the last good checkpoint is kept."""


class NotFinite(TrainingError):
    """A loss, a gradient or a weight is not finite after so many steps."""

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class LostProcess(TrainingError):
    """One of the processes of a run is gone, and the others could not go on without it."""


class StorageError(GansmithError):
    """A file could not be written."""


class MissingExtra(GansmithError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}, which is not installed. Install it with: pip install 'gansmith[{extra}]'")


def nearest(name: str, known: Iterable[str]) -> str:
    """The rest of a sentence that follows an unknown name: a near match where there is one, else all known names."""
    names = [str(k) for k in known]
    near = get_close_matches(str(name), names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
    return f"known are: {shown}." if names else "there are none."


def storage_error(error: OSError, path: object) -> StorageError:
    """Turn an OSError met while writing into a sentence that says how to mend it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"No room left on the disk while writing {path}. Free some space (or choose another folder) and run the command again."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"No permission to write {path}. Choose a folder you may write to.")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return StorageError(
            f"Could not write {path}: a file exists where a folder is needed. Choose another folder, or move the file away."
        )
    return StorageError(f"Could not write {path}: {error.strerror or error}.")
