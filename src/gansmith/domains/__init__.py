"""Every domain, and which of them a source belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gansmith.config import DataSettings
from gansmith.data.store import Collection
from gansmith.domains import image, table
from gansmith.domains.domain import Domain
from gansmith.domains.image import IMAGE
from gansmith.domains.table import TABLE
from gansmith.domains.toy import TOY
from gansmith.errors import ConfigError, nearest

DOMAINS: dict[str, Domain] = {"image": IMAGE, "table": TABLE, "toy": TOY}


def by_name(name: str) -> Domain:
    """The domain of that name. ConfigError where there is none."""
    if name not in DOMAINS:
        raise ConfigError(f"there is no domain {name!r}; {nearest(name, DOMAINS)}")
    return DOMAINS[name]


def of(source: str, name: str | None = None) -> Domain:
    """The domain named, else the first that recognises the source, else pictures, whose reader says best what is wrong."""
    if name is not None:
        return by_name(name)
    if source.startswith("toy:"):
        return TOY
    for domain in DOMAINS.values():
        if domain.recognises(source):
            return domain
    return IMAGE


def collect(data: Any, settings: DataSettings, largest: int, progress: Callable[[int, int], None]) -> tuple[Domain, Collection]:
    """Data brought from Python and their domain: a frame with named columns is a table, all else are pictures. DataError as `open`."""
    if hasattr(data, "columns") or hasattr(data, "column_names"):
        return TABLE, table.collect(data, settings, progress)
    return IMAGE, image.collect(data, settings, largest, progress=progress)


__all__ = ["DOMAINS", "Domain", "by_name", "collect", "of"]
