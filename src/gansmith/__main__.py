"""python -m gansmith: the command line. A mistake gets one sentence and exit code 2, an interruption 130, never a traceback."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line."""
    # idle OpenMP threads that spin take the core from those that work; torch reads this when it is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from gansmith.cli import app, tell
    from gansmith.errors import GansmithError

    try:
        app()
    except GansmithError as error:
        tell(f"gansmith: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
