"""The list that `gansmith sample` writes into a folder of samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NAME = "manifest.json"


def entries(data: bytes) -> list[Mapping[str, Any]] | None:
    """What a manifest says of each file: its name as `file`, and its `label` or `condition` where it has one.

    None for any other file of that name.
    """
    try:
        found = json.loads(data)
    except ValueError:
        return None
    if not isinstance(found, Mapping) or not {"samples", "truncation"} <= found.keys():
        return None
    listed = found["samples"]
    whole = isinstance(listed, list) and all(isinstance(e, Mapping) and isinstance(e.get("file"), str) for e in listed)
    return listed if whole else None
