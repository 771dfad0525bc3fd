"""What is to be known of an illness: its section of docs/diagnose.md, a copy of which is in the installed package."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from gansmith.errors import ConfigError, nearest
from gansmith.health.checks import CHECKS

PAGE = "diagnose.md"  # beside this module where it was installed; a clone has it in docs


def section(code: str) -> str:
    """The section of a code such as H204, in Markdown. ConfigError for a code that there is not."""
    wanted = code.strip().upper()
    if wanted not in (known := sorted(check.code for check in CHECKS)):
        raise ConfigError(f"there is no finding {code!r} of a run; {nearest(wanted, known)}")
    found = re.search(rf"^### {wanted} .*?(?=^##|\Z)", _page(), re.MULTILINE | re.DOTALL)
    assert found  # a test holds the page to the checks
    return found[0].strip() + "\n"


def _page() -> str:
    installed = files("gansmith.health") / PAGE
    place = installed if installed.is_file() else Path(__file__).parents[3] / "docs" / PAGE
    return place.read_text(encoding="utf-8")
