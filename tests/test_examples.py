"""The examples run as they stand, and end by saying what they made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_an_example_runs_and_names_what_it_made(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path), "--seconds", "2", "--runs", str(tmp_path)],
        capture_output=True, text=True, timeout=110, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    picture = re.search(r"^pictures (.+)$", done.stdout, re.MULTILINE)
    assert picture is not None
    assert Path(picture[1]).stat().st_size > 1000
    assert re.search(r"^result ", done.stdout, re.MULTILINE)
