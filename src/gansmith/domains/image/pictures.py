"""One encoded picture to one array, by a stated rule.

* EXIF orientation is applied; of an animated file the first frame is taken; colour profiles are not applied.
* Transparency is laid on `background`, unless four channels are asked for.
* Palette, CMYK, YCbCr and bilevel files become grey or colour of 8 bits.
* Grey files of 16 bits keep them where every file has 16; floating-point files likewise; in a mixed set 16 bits become 8.
  Pillow reads colour files of 16 bits a channel as 8 bits.
* A picture of another size is brought to the wanted one by `fit`: `crop` cuts the middle, `pad` sets it on `background` (with
  four channels: on transparency), `stretch` changes its proportions. Lanczos where it shrinks, bicubic where it grows.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from gansmith.errors import ConfigError

Depth = Literal["uint8", "uint16", "float32"]
Fit = Literal["crop", "pad", "stretch"]

ENDINGS = frozenset(
    [
        ".png",
        ".apng",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".tga",
        ".jp2",
        ".ico",
        ".avif",
        ".qoi",
    ]
)
TOP = 65535.0  # of 16 bits
LARGEST_PICTURE = 100_000_000  # pixels; a larger one is taken for a decompression bomb
GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"))
ALPHA_MODES = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))
SWAPPED = frozenset((5, 6, 7, 8))  # EXIF orientations in which width and height change places
ORIENTATION = 0x0112


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before it is decoded; height and width are those after EXIF rotation."""

    height: int
    width: int
    mode: str
    animated: bool
    alpha: bool

    @property
    def depth(self) -> Depth:
        if self.mode == "F":
            return "float32"
        return "uint16" if self.mode == "I" or self.mode.startswith("I;16") else "uint8"


@dataclass(frozen=True)
class Target:
    """What every picture is brought to."""

    height: int
    width: int
    channels: int
    depth: Depth
    fit: Fit
    background: tuple[int, int, int]


class Unreadable(Exception):
    """A picture that cannot be used, with the reason in a few words."""


def colour(name: str) -> tuple[int, int, int]:
    """'white', '#336699', 'rgb(1,2,3)' as three numbers of 0..255."""
    try:
        red, green, blue, *_ = ImageColor.getrgb(name)
    except ValueError:
        raise ConfigError(f"data.background is {name!r}, which is not a colour. Use for example white, black or #336699.") from None
    return red, green, blue


def header(file: IO[bytes]) -> Header:
    """Read only what stands at the start of a file. Unreadable where it is no picture or one that is too large."""
    try:
        with Image.open(file) as image:
            _refuse_huge(image)
            width, height = image.size
            # a PNG may keep its orientation behind the pixels; asking would decode it, and `decode` asks anyway. TIFF turns itself
            asked = image.format not in ("PNG", "GIF", "TIFF") or (image.format == "PNG" and "exif" in image.info)
            if asked and image.getexif().get(ORIENTATION) in SWAPPED:
                width, height = height, width
            return Header(height, width, image.mode, bool(getattr(image, "is_animated", False)), image.has_transparency_data)
    except (Unreadable, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise Unreadable(_huge()) from None
    except Exception as error:  # a damaged file makes a decoder raise whatever it happens to trip over
        raise Unreadable(reason(error)) from error


def decode(data: bytes, target: Target) -> np.ndarray:
    """The picture in `data` as [H, W, C] of the target. Unreadable where it is damaged, cut short or too large."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            _refuse_huge(image)
            image.draft(None, _draft_size(image, target))
            image.load()
            return arrange(ImageOps.exif_transpose(image), target)
    except (Unreadable, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise Unreadable(_huge()) from None
    except Exception as error:  # as above
        raise Unreadable(reason(error)) from error


def arrange(image: Image.Image, target: Target) -> np.ndarray:
    """A decoded picture as [H, W, C] of the target."""
    if target.depth == "uint8":
        return _array(fit_image(as_mode(image, target.channels, target.background), target))
    if target.depth == "uint16":
        plane = _sixteen_bits(image)[:, :, None]
        if target.channels == 4:  # opaque, before it is fitted: what pads it is not
            plane = np.concatenate([plane.repeat(3, axis=2), np.full_like(plane, TOP)], axis=2)
        fitted = fit_array(plane, target, (0.0, TOP)).round()
    else:
        plane = np.asarray(image, dtype=np.float32)[:, :, None]
        if not np.isfinite(plane).all():
            raise Unreadable("it holds values that are not finite")
        fitted = fit_array(plane, target, (float(plane.min()), float(plane.max())))
    return np.repeat(fitted, target.channels // fitted.shape[2], axis=2).astype(target.depth)


def as_mode(image: Image.Image, channels: int, background: tuple[int, int, int]) -> Image.Image:
    """The picture as L, RGB or RGBA."""
    image = _eight_bits(image)
    clear = image.has_transparency_data
    if image.mode in ("CMYK", "YCbCr", "HSV", "LAB"):
        image = image.convert("RGB")
    if channels == 4:
        return image.convert("RGBA")
    if clear:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (*background, 255)), over).convert("RGB")
    wanted = "L" if channels == 1 else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def fit_image(image: Image.Image, target: Target) -> Image.Image:
    """The picture at the target's size; its mode stays. The filter works on light that is weighted by opacity."""
    width, height = image.size
    if (height, width) == (target.height, target.width):
        return image
    box, (inner_h, inner_w), (top, left) = placement(height, width, target)
    shrinks = inner_h <= box[3] - box[1] and inner_w <= box[2] - box[0]
    resample = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
    small = image.resize((inner_w, inner_h), resample, box=box, reducing_gap=3.0 if shrinks and image.mode != "F" else None)
    if (inner_h, inner_w) == (target.height, target.width):
        return small
    page = Image.new(image.mode, (target.width, target.height), _paper(image.mode, target.background))
    page.paste(small, (left, top))
    return page


def fit_array(pixels: np.ndarray, target: Target, span: tuple[float, float]) -> np.ndarray:
    """[H, W, C] of any depth at the target's size, each channel by itself; no value leaves the range the picture had."""
    if pixels.shape[:2] == (target.height, target.width):
        return pixels
    channels = pixels.shape[2]
    fill = background_values(target.background, channels, span)
    planes = []
    for c in range(channels):
        plane = np.ascontiguousarray(pixels[:, :, c], dtype=np.float32)
        box, (inner_h, inner_w), (top, left) = placement(pixels.shape[0], pixels.shape[1], target)
        shrinks = inner_h <= box[3] - box[1] and inner_w <= box[2] - box[0]
        resample = Image.Resampling.LANCZOS if shrinks else Image.Resampling.BICUBIC
        small = np.asarray(Image.fromarray(plane).resize((inner_w, inner_h), resample, box=box)).clip(plane.min(), plane.max())
        page = np.full((target.height, target.width), fill[c], np.float32)
        page[top : top + inner_h, left : left + inner_w] = small
        planes.append(page)
    fitted = np.stack(planes, axis=2)
    return (fitted.round() if pixels.dtype.kind == "u" else fitted).astype(pixels.dtype)


def placement(height: int, width: int, target: Target) -> tuple[tuple[float, float, float, float], tuple[int, int], tuple[int, int]]:
    """Which box of the picture (left, top, right, bottom) becomes which inner size (h, w), and where it lies (top, left)."""
    whole = (0.0, 0.0, float(width), float(height))
    if target.fit == "stretch":
        return whole, (target.height, target.width), (0, 0)
    across, down = target.width / width, target.height / height
    if target.fit == "crop":
        scale = max(across, down)
        cut_w, cut_h = min(width, target.width / scale), min(height, target.height / scale)
        left, top = (width - cut_w) / 2, (height - cut_h) / 2
        return (left, top, left + cut_w, top + cut_h), (target.height, target.width), (0, 0)
    scale = min(across, down)
    inner_h, inner_w = (min(limit, max(1, round(side * scale))) for side, limit in ((height, target.height), (width, target.width)))
    return whole, (inner_h, inner_w), ((target.height - inner_h) // 2, (target.width - inner_w) // 2)


def background_values(background: tuple[int, int, int], channels: int, span: tuple[float, float]) -> list[float]:
    """The background colour in the numbers of an array: colour for 3 channels, its luma for others, transparent for 4."""
    red, green, blue = (span[0] + (span[1] - span[0]) * part / 255 for part in background)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return {3: [red, green, blue], 4: [red, green, blue, span[0]]}.get(channels, [luma] * channels)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits of grey as 8; a floating-point picture among 8-bit ones has no scale to be brought to."""
    if image.mode == "F":
        raise Unreadable("it holds floating-point values and the other pictures do not")
    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray((_sixteen_bits(image) / 257).round().clip(0, 255).astype(np.uint8))
    return image


def _sixteen_bits(image: Image.Image) -> np.ndarray:
    """[H, W] of 0..TOP as float32. Unreadable where its whole numbers go beyond."""
    values = np.asarray(image, dtype=np.float32)
    if values.min(initial=0) < 0:
        raise Unreadable("it holds negative numbers; pass such pictures as a .npy array")
    if values.max(initial=0) > TOP:
        raise Unreadable("it holds whole numbers of 32 bits; pass such pictures as a .npy array")
    return values


def _draft_size(image: Image.Image, target: Target) -> tuple[int, int]:
    """A size that a JPEG may be decoded at: still twice what is needed, whichever way it is turned and fitted."""
    width, height = image.size
    scale = 2 * max(target.height, target.width) / max(1, min(width, height))
    return max(1, min(width, int(width * scale) + 1)), max(1, min(height, int(height * scale) + 1))


def _paper(mode: str, background: tuple[int, int, int]) -> int | tuple[int, ...]:
    if mode == "L":
        return round(background_values(background, 1, (0, 255))[0])
    return (*background, 0) if mode == "RGBA" else background


def _array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _refuse_huge(image: Image.Image) -> None:
    if image.width * image.height > LARGEST_PICTURE:
        raise Unreadable(_huge())
    if image.width * image.height == 0:
        raise Unreadable("it has no pixels")


def _huge() -> str:
    return f"it has more than {LARGEST_PICTURE // 1_000_000} megapixels"


def reason(error: Exception) -> str:
    """Why a picture cannot be decoded, in a few words."""
    if isinstance(error, UnidentifiedImageError):
        return "it is not a picture, despite its name"
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return "it is truncated"
    return (str(error).splitlines() or [type(error).__name__])[0][:120] or type(error).__name__
