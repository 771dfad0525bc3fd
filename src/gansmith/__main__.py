"""python -m gansmith: the command line. A mistake gets one sentence and exit code 2, an interruption 130, never a traceback."""

from __future__ import annotations

import errno
import os
import sys


def main() -> None:
    """Run the command line."""
    # idle OpenMP threads that spin take the core from those that work; torch reads this when it is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file's name may hold what this terminal cannot show
    from gansmith.cli import UsageError, app, tell, tell_misuse
    from gansmith.errors import GansmithError, storage_error

    try:
        sys.exit(app(prog_name="gansmith", standalone_mode=False) or 0)
    except UsageError as error:
        tell_misuse(error)
        sys.exit(2)
    except GansmithError as error:
        tell(f"gansmith: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            tell(f"gansmith: {storage_error(error, error.filename or 'a file')}")
        elif error.filename:  # a path that no file can have, or one that may not be read
            tell(f"gansmith: {error.filename} cannot be used: {error.strerror}. Check the path and its permissions.")
        else:
            raise
        sys.exit(2)


if __name__ == "__main__":
    main()
