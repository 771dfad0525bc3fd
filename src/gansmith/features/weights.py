"""Weights of extractors on disk: safetensors with JSON in the header, kept in the cache; published files fetched once, by checksum."""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from gansmith.data.store import cache_root, prune
from gansmith.errors import DataError
from gansmith.runs import replacing, write_tensors

PIECE = 1 << 20  # bytes read at a time
PATIENCE = 30  # seconds without an answer after which a server is given up


@dataclass(frozen=True)
class Published:
    """A file of weights that others use, too."""

    name: str  # what sentences call it
    url: str
    sha256: str
    size: int  # bytes

    @property
    def filename(self) -> str:
        return self.url.rpartition("/")[2]

    def conditions(self, shape: Sequence[int], span: tuple[float, float], side: int, dimensions: int) -> dict[str, Any]:
        """What scores of an extractor with these weights depend on: pictures as stored, the square it sees, its features."""
        return {"input": list(shape), "span": list(span), "small": [side, side], "dimensions": dimensions, "weights": self.sha256}


def save(place: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write <root>/<entry>/<file>, whole or not at all, then bring the cache back within its limit. StorageError where that fails."""
    write_tensors(place, tensors, about)
    prune(place.parents[1], keep=place.parent.name)


def load(place: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The tensors of a file that `save` wrote and what it says of them; None where there is none, or it is not whole."""
    try:
        with safe_open(place, "pt") as file:
            tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118  (a safetensors file is no mapping)
            about = json.loads((file.metadata() or {})["gansmith"])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
        return None
    return tensors, about


def used(place: Path) -> None:
    """Mark a file of the cache as used now: what is not used for long is dropped first."""
    with suppress(OSError):  # a cache that may only be read still serves
        os.utime(place)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values, which does not depend on how a file orders them."""
    found = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def verified(path: Path, published: Published) -> Path:
    """The path, when its file is the published one. DataError where it cannot be read or is another."""
    try:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"the weights {path} cannot be read ({error.strerror or error}). Give the path of {published.filename}.") from None
    _refuse_another(str(path), found, published)
    return path


def downloaded(published: Published, progress: Callable[[int, int], None]) -> bytes:
    """The published file over the network, verified. `progress` is called with the bytes that have come and all there are.

    DataError where it cannot be fetched, or what comes is another file.
    """
    data = bytearray()
    try:
        with urllib.request.urlopen(published.url, timeout=PATIENCE) as answer:
            while piece := answer.read(PIECE):
                data += piece
                progress(len(data), published.size)
    except (OSError, HTTPException) as error:
        raise DataError(
            f"{published.name} are not in the cache {cache_root()} and could not be fetched ({error}). "
            f"Fetch {published.url} ({published.size >> 20} MiB) on a machine with network access, and give the file with --weights."
        ) from None
    _refuse_another("what the server sent", hashlib.sha256(data).hexdigest(), published)
    return bytes(data)


def kept(published: Published, entry: str, progress: Callable[[int, int], None]) -> Path:
    """The published file in the cache, downloaded where it is not there or damaged. DataError, StorageError where that fails."""
    place = cache_root() / entry / published.filename
    with suppress(DataError):
        used(verified(place, published))
        return place
    data = downloaded(published, progress)
    with replacing(place) as temporary:
        temporary.write_bytes(data)
    prune(cache_root(), keep=entry)
    return place


def _refuse_another(what: str, found: str, published: Published) -> None:
    if found != published.sha256:
        raise DataError(
            f"{what} is not {published.filename}: its SHA-256 begins with {found[:16]} instead of {published.sha256[:16]}, "
            f"and scores from other weights are not comparable. Fetch {published.url} again."
        )
