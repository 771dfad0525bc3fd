"""The public surface is written down in one place, documented, and light to import."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import gansmith
from gansmith import config

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference.md"
# What takes a second or so to load, and so only when it is used.
HEAVY = ("torch", "sklearn", "scipy", "pandas", "matplotlib", "optuna")


def names_on_the_page(text: str) -> list[str]:
    """The names a reference page documents: its headings of the form ## `name`."""
    return re.findall(r"^#{2,3} `([A-Za-z_]\w*)`", text, flags=re.MULTILINE)


def heavy_after(statements: str) -> set[str]:
    """Which heavy packages a fresh interpreter has loaded after the statements."""
    code = f"import sys\n{statements}\nprint('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("loaded:")[2].split())


def test_public_names_are_exactly_those_listed() -> None:
    # Rooms become attributes of the package when something imports them; they are reached by their own names.
    seen = {name for name in dir(gansmith) if not name.startswith("_") and not isinstance(getattr(gansmith, name), ModuleType)}
    listed = {name for name in gansmith.__all__ if not name.startswith("_") and not isinstance(getattr(gansmith, name), ModuleType)}
    assert seen == listed


def test_every_listed_name_is_there_once() -> None:
    assert len(gansmith.__all__) == len(set(gansmith.__all__))
    assert set(gansmith.__all__) <= set(dir(gansmith))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = gansmith.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", gansmith.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(gansmith, name)
    if not callable(value) and not isinstance(value, ModuleType):
        return  # a plain value has no docstring of its own; the page says what it is
    # The docstring of its own: inspect.getdoc would also take one from a base class.
    assert (value.__doc__ or "").strip(), f"gansmith.{name} has no docstring"
    for method, function in vars(value).items() if inspect.isclass(value) else ():
        if inspect.isfunction(function) and not method.startswith("_"):
            assert inspect.getdoc(getattr(value, method)), f"gansmith.{name}.{method} has no docstring"


def test_the_reference_page_has_exactly_the_public_names() -> None:
    names = names_on_the_page(REFERENCE.read_text(encoding="utf-8"))
    public = [name for name in gansmith.__all__ if not name.startswith("_")]
    assert sorted(names) == sorted(public), "run `make reference`"


def test_the_reference_page_has_every_setting_with_its_meaning() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| `[^`]+` \| (.+) \|$", REFERENCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [name for name, _ in rows] == config.names(), "run `make reference`"
    assert all(meaning != "None" for _, meaning in rows)


def test_the_reference_page_says_what_the_docstrings_say() -> None:
    page, stale = REFERENCE.read_text(encoding="utf-8"), []
    for name in (name for name in gansmith.__all__ if not name.startswith("_")):
        value = getattr(gansmith, name)
        own = {name: value} if callable(value) or isinstance(value, ModuleType) else {}
        if inspect.isclass(value):
            own |= {f"{name}.{key}": member for key, member in vars(value).items() if not key.startswith("_") and inspect.isroutine(member)}
        stale += [key for key, member in own.items() if (inspect.getdoc(member) or "") not in page]
    assert not stale, "run `make reference`"


def test_the_version_is_that_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert gansmith.__version__ == declared


@pytest.mark.parametrize(
    "statements",
    [
        "import gansmith",
        "import gansmith; dir(gansmith); gansmith.__all__; gansmith.__version__",
        "from gansmith.__main__ import main",
    ],
)
def test_importing_loads_nothing_heavy(statements: str) -> None:
    assert heavy_after(statements) == set()


def test_help_loads_nothing_heavy() -> None:
    ask = """
sys.argv = ["gansmith", "--help"]
from gansmith.__main__ import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert heavy_after(ask) == set()
