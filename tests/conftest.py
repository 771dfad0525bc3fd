"""What every test shares: one thread, a cache of its own, the benchmark data where they are, and how hypothesis searches."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Read once, when torch loads its OpenMP: they must stand before the import. Child processes inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from hypothesis import HealthCheck, settings

from gansmith.__main__ import main

torch.set_num_threads(1)

# A busy machine is not a failure, so there is no deadline. CI draws the same examples every time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "local")

DATA = Path(os.environ.get("GANSMITH_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of benchmark data (mnist/, fashion-mnist/, fewshot/, ...); the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no benchmark data at {DATA}; set GANSMITH_DATA to the folder that holds mnist/, fashion-mnist/, ...")
    return DATA


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for this session alone, so no test reads what another run decoded, and none touches the user's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANSMITH_CACHE", str(folder))
        yield folder


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """gansmith WORDS where the test stands: exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gansmith", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        return int(end.value.code or 0), told.out, told.err

    return call
