"""The folders are the architecture: a room imports only from floors below its own, and rooms on one floor are strangers.

A room is a top-level module or package of gansmith. The walls hold for every import statement, also those inside functions and
under TYPE_CHECKING, and for importlib.import_module with a literal name: they are about who knows whom, not about when.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence, Set
from pathlib import Path

import pytest

PACKAGE = "gansmith"
SOURCE = Path(__file__).parents[1] / "src" / PACKAGE

# The one list of floors, lowest first. A wall in the wrong place is moved here, and the commit says why.
FLOORS: list[set[str]] = [
    {"errors"},
    {"config", "randomness", "records", "runs"},
    {"conditions", "layout", "latent"},
    {"given"},
    {"losses", "penalties", "schedules", "ema", "augment", "data", "metrics"},
    {"networks", "features", "downstream", "health"},
    {"engine", "domains", "tuning"},
    {"recipes", "pages", "artefact"},
    {"verbs"},
    {"serve", "studio"},
    {"cli"},
    {"__init__"},
    {"__main__"},
]


def rooms_of(source: Path) -> dict[str, list[Path]]:
    """Room -> its Python files. A folder without any is no room."""
    rooms = {path.stem: [path] for path in source.glob("*.py")}
    for folder in source.iterdir():
        files = sorted(folder.rglob("*.py")) if folder.is_dir() else []
        if files:
            rooms[folder.name] = files
    return rooms


def imports_of(path: Path, source: Path) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of everything a file imports. `from a.b import c` gives a.b.c, since c may be a module."""
    # The package a relative import counts from: the folder of the file, whether it is a module or an __init__.py.
    package = [PACKAGE, *path.relative_to(source).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                dotted = [*base, *([module] if module else [])]
                yield from ((node.lineno, ".".join([*dotted, alias.name])) for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"), args=[ast.Constant(value=str(name)), *_]
            ):
                yield node.lineno, name


def room_of(dotted: str, rooms: Set[str]) -> str | None:
    """The room a dotted name leads to; None outside the package. A name that is no room belongs to the package's own front page."""
    top, _, rest = dotted.partition(".")
    if top != PACKAGE:
        return None
    first = rest.partition(".")[0]
    return first if first in rooms else "__init__"


def trespasses(source: Path, floors: Sequence[Set[str]]) -> list[str]:
    """Every import that does not go down, and every room that stands on no floor, as readable lines."""
    floor = {room: level for level, rooms in enumerate(floors) for room in rooms}
    rooms = rooms_of(source)
    found = [f"room {room!r} stands on no floor: add it to FLOORS in tests/test_floors.py" for room in sorted(rooms.keys() - floor.keys())]
    for room in sorted(rooms.keys() & floor.keys()):
        for path in rooms[room]:
            for line, dotted in imports_of(path, source):
                other = room_of(dotted, rooms.keys())
                if other is None or other == room or other not in floor or floor[other] < floor[room]:
                    continue
                where = f"{path.relative_to(source)}:{line}"
                way = "next door" if floor[other] == floor[room] else "upwards"
                found.append(f"{where} imports {dotted}: {room} (floor {floor[room]}) reaches {way} to {other} (floor {floor[other]})")
    return found


def test_imports_only_go_down() -> None:
    assert not (found := trespasses(SOURCE, FLOORS)), "\n" + "\n".join(found)


def test_no_room_stands_on_two_floors() -> None:
    listed = [room for rooms in FLOORS for room in rooms]
    assert len(listed) == len(set(listed))


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A made-up package of three floors in which every import goes down."""
    for name, text in {
        "errors.py": "import os\n",
        "ema.py": "from gansmith import errors\n",
        "losses.py": "from gansmith.errors import GansmithError\nfrom .errors import GansmithError as again\n",
        "engine/__init__.py": "from . import loop\n",
        "engine/loop.py": "from ..losses import pair\nfrom .steps import step\nimport torch\n",
        "engine/steps.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


HOUSE_FLOORS: list[set[str]] = [{"errors"}, {"ema", "losses"}, {"engine", "absent"}, {"__init__"}]


def test_a_house_in_order_passes(house: Path) -> None:
    assert trespasses(house, HOUSE_FLOORS) == []


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("import gansmith.engine.loop", "upwards to engine"),
        ("from gansmith.engine import loop", "upwards to engine"),
        ("from gansmith import engine", "upwards to engine"),
        ("from .engine.loop import run", "upwards to engine"),
        ("from . import engine", "upwards to engine"),
        ("def f():\n    from gansmith.engine import loop", "upwards to engine"),
        ("if TYPE_CHECKING:\n    from gansmith.engine import loop", "upwards to engine"),
        ("import importlib\nimportlib.import_module('gansmith.engine.loop')", "upwards to engine"),
        ("from gansmith import ema", "next door to ema"),
        ("import gansmith", "upwards to __init__"),
        ("from gansmith import train", "upwards to __init__"),
    ],
)
def test_a_trespass_is_caught(house: Path, line: str, way: str) -> None:
    (house / "losses.py").write_text(line + "\n", encoding="utf-8")
    (found,) = trespasses(house, HOUSE_FLOORS)
    assert found.startswith("losses.py:")
    assert way in found


def test_a_trespass_from_deep_inside_a_room_is_caught(house: Path) -> None:
    deep = house / "losses"
    (house / "losses.py").unlink()
    (deep / "pairs").mkdir(parents=True)
    (deep / "pairs" / "hinge.py").write_text("from ...engine import loop\n", encoding="utf-8")
    (found,) = trespasses(house, HOUSE_FLOORS)
    assert "upwards to engine" in found


def test_a_room_on_no_floor_is_named(house: Path) -> None:
    (house / "attic").mkdir()
    (house / "attic" / "box.py").write_text("", encoding="utf-8")
    (found,) = trespasses(house, HOUSE_FLOORS)
    assert "'attic'" in found
