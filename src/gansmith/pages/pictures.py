"""Pictures as data inside a page, recompressed until they keep to the room there is."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

WIDEST, TALLEST = 1600, 4800  # pixels; what is larger is brought down first, for no page shows more
QUALITIES = (92, 85, 75, 60)  # of JPEG, tried in turn
SMALLEST = 48  # pixels of the longer side, below which nothing is made smaller
LEAST = 1200  # characters that even the smallest picture may have: what a header takes, and some more


@dataclass(frozen=True)
class Embedded:
    """A compressed picture with the size it is shown at, which may be larger than what is left of it."""

    media: str
    data: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        return f"data:{self.media};base64,{base64.b64encode(self.data).decode('ascii')}"


def embed(images: Sequence[Image], room: int) -> list[Embedded]:
    """Each picture as PNG where all fit in `room` bytes of text together; else JPEG, then smaller, in proportion to their areas.

    Transparency is laid on white where a picture has to become JPEG. Only pictures of SMALLEST pixels may exceed the room.
    """
    sized = [_bounded(image) for image in images]
    exact = [_png(image) for image in sized]
    if sum(_text(e) for e in exact) <= room:
        return exact
    area = sum(i.width * i.height for i in sized)
    spare = room - LEAST * len(sized)
    shares = (LEAST + int(spare * i.width * i.height / area) for i in sized)
    fitted = (_fitted(i, e, share) for i, e, share in zip(sized, exact, shares, strict=True))
    return [replace(f, width=i.width, height=i.height) for f, i in zip(fitted, sized, strict=True)]


def _text(picture: Embedded) -> int:
    """Characters of a picture in a page."""
    return len(picture.uri)


def _fitted(image: Image, exact: Embedded, room: int) -> Embedded:
    if _text(exact) <= room:
        return exact
    while True:
        for quality in QUALITIES:
            found = _jpeg(image, quality)
            if _text(found) <= room:
                return found
        if max(image.size) <= SMALLEST:
            return found
        image = _reduced(image, 0.7)


def _bounded(image: Image) -> Image:
    image = (
        image
        if image.mode in ("L", "RGB", "RGBA")
        else image.convert("RGBA" if "A" in image.mode or "transparency" in image.info else "RGB")
    )
    times = min(WIDEST / image.width, TALLEST / image.height)
    return _reduced(image, times) if times < 1 else image


def _reduced(image: Image, times: float) -> Image:
    from PIL.Image import Resampling

    return image.resize((max(1, round(image.width * times)), max(1, round(image.height * times))), Resampling.LANCZOS)


def _png(image: Image) -> Embedded:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return Embedded("image/png", out.getvalue(), *image.size)


def _jpeg(image: Image, quality: int) -> Embedded:
    from PIL import Image as images

    if image.mode == "RGBA":
        paper = images.new("RGB", image.size, "white")
        paper.paste(image, mask=image.getchannel("A"))
        image = paper
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, optimize=True)
    return Embedded("image/jpeg", out.getvalue(), *image.size)
