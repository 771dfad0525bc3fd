"""The pages for students say what is there: their code runs, their tables are whole, and the loss of the tutorial is a loss."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import gansmith
import test_losses
import tiny
from gansmith import config
from gansmith.losses import LOSSES, LossPair
from gansmith.penalties import PENALTIES
from gansmith.verbs import toy

ROOT = Path(__file__).parents[1]
CONTRACT = [
    test for name, test in vars(test_losses).items() if name.startswith("test_") and [*inspect.signature(test).parameters] == ["name"]
]


def text(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """The Python code of a page."""
    found = re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)
    assert found
    return found


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs every Python block of a page in one module, its trainings cut to a step or two; gives the names it made."""
    train, play = gansmith.train, toy.toy

    def short(data: Any, *, minutes: float = 0, settings: dict[str, Any] | None = None, **more: Any) -> Any:
        cut = {k: v for k, v in tiny.SETTINGS.items() if k not in ("network.name", "network.latent", "network.width")}
        return train(data, settings={**cut, **(settings or {}), "run.samples": 2 * tiny.BATCH}, runs=tmp_path, **more)

    monkeypatch.setattr(gansmith, "train", short, raising=False)
    monkeypatch.setattr(gansmith, "toy", lambda name, **more: play(name, samples=1, out=tmp_path, **more), raising=False)

    def run(page: str) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for block in blocks(page):
            exec(compile(block, page, "exec"), names)
        return names

    return run


def test_the_tutorials_loss_is_added_in_five_lines_and_keeps_the_contract(run_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_page("losses.md")
    monkeypatch.setitem(LOSSES, "mine", names["mine"])
    assert len(CONTRACT) > 5
    for test in CONTRACT:
        test("mine")
    assert names["seen"].animation.exists()
    lines = [line for line in blocks("losses.md")[0].partition("seen = ")[0].splitlines() if line]
    assert len(lines) == 5


def test_the_articles_code_runs_and_its_faults_are_those_that_were_measured(run_page: Any) -> None:
    faults: dict[str, LossPair] = run_page("article.md")["faults"]
    measured = benchmark().FAULTS
    assert faults.keys() == measured.keys()
    real, fake = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    for name, pair in faults.items():
        for cost in ("real", "fake", "generator"):
            assert torch.equal(getattr(pair, cost)(real, fake), getattr(measured[name], cost)(real, fake)), (name, cost)


def benchmark() -> Any:
    """benchmarks/article.py as a module."""
    spec = importlib.util.spec_from_file_location("article", ROOT / "benchmarks" / "article.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["article"] = importlib.util.module_from_spec(spec)  # where a dataclass looks for its annotations
    spec.loader.exec_module(module)
    return module


def test_the_tables_name_every_loss_and_every_penalty_and_no_other() -> None:
    _, losses, penalties, _, _ = re.split(r"^## ", text("losses.md"), flags=re.MULTILINE)
    assert rows(losses) == list(LOSSES)
    assert rows(penalties) == list(PENALTIES)


def rows(section: str) -> list[str]:
    """The names in the first column of a table."""
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize("page", ["article.md", "losses.md"])
def test_every_setting_on_the_page_exists(page: str) -> None:
    groups = "|".join(sorted({name.partition(".")[0] for name in config.names()}))
    named = set(re.findall(rf"(?:`|--set )((?:{groups})\.[a-z0-9_]+)(?=[`=])", text(page)))
    assert named
    assert not named - set(config.names())
