"""One file to one array: every mode, every shape, every way of fitting."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gansmith.domains.image.pictures import Target, Unreadable, colour, decode, fit_array, header, placement
from gansmith.errors import ConfigError

WHITE = (255, 255, 255)
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
FITS = st.sampled_from(["crop", "pad", "stretch"])


def target(
    height: int = 4, width: int = 4, channels: int = 3, depth: str = "uint8", fit: str = "crop", background: tuple[int, int, int] = WHITE
) -> Target:
    return Target(height, width, channels, depth, fit, background)  # type: ignore[arg-type]


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def plain(mode: str, height: int, width: int) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.full((height, width), 30000, np.uint16))
    if mode == "F":
        return Image.fromarray(np.full((height, width), 0.5, np.float32))
    return Image.new(mode, (width, height), 1 if mode == "1" else None)  # type: ignore[arg-type]


@given(
    mode=st.sampled_from(MODES[:-1]),
    side=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    to=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    channels=st.sampled_from([1, 3, 4]),
    fit=FITS,
)
def test_any_mode_and_shape_is_brought_to_any_other(mode: str, side: tuple[int, int], to: tuple[int, int], channels: int, fit: str) -> None:
    data = saved(plain(mode, *side), "TIFF")
    about = header(io.BytesIO(data))
    assert (about.height, about.width) == side
    assert decode(data, target(*to, channels=channels, fit=fit)).shape == (*to, channels)


@given(side=st.tuples(st.integers(1, 40), st.integers(1, 40)), to=st.tuples(st.integers(1, 40), st.integers(1, 40)), fit=FITS)
def test_a_placement_stays_within_both_pictures(side: tuple[int, int], to: tuple[int, int], fit: str) -> None:
    (left, top, right, bottom), (inner_h, inner_w), (y, x) = placement(*side, target(*to, fit=fit))
    assert 0 <= left < right <= side[1]
    assert 0 <= top < bottom <= side[0]
    assert 0 <= y <= y + inner_h <= to[0]
    assert 0 <= x <= x + inner_w <= to[1]
    if fit == "crop":
        assert (right - left) * to[0] == pytest.approx((bottom - top) * to[1])


@given(
    side=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    to=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    fit=FITS,
    depth=st.sampled_from(["uint16", "float32"]),
)
def test_fitting_an_array_leaves_no_range_and_keeps_what_is_plain(side: tuple[int, int], to: tuple[int, int], fit: str, depth: str) -> None:
    pixels = np.random.default_rng(0).integers(100, 200, (*side, 2)).astype(depth)
    found = fit_array(pixels, target(*to, depth=depth, fit=fit), (0, 255))
    assert found.shape == (*to, 2)
    assert found.dtype == pixels.dtype
    inside = found if fit != "pad" else found[found < 255]
    assert inside.min() >= pixels.min()
    assert inside.max() <= pixels.max()


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(saved(Image.fromarray(pixels)), target(5, 7)), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16] = 255  # only the top left is bright, so every wrong turn is seen
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: np.rot90,
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }
    image = Image.fromarray(np.ascontiguousarray(turn[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(image.convert("RGB"), kind, exif=exif)
    about = header(io.BytesIO(data))
    assert (about.height, about.width) == (16, 32)
    found = decode(data, target(16, 32, channels=1))[..., 0]
    assert np.abs(found.astype(int) - upright).mean() < 8


@pytest.mark.parametrize(("background", "value"), [("white", 255), ("black", 0), ("#0000ff", 0)])
def test_transparency_is_laid_on_the_background(background: str, value: int) -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    palette = clear.convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    for image in (clear, palette, Image.new("LA", (4, 4), (90, 0))):
        data = saved(image)
        assert header(io.BytesIO(data)).alpha
        assert (decode(data, target(background=colour(background)))[..., 0] == value).all()
    assert (decode(saved(clear), target(channels=4))[..., 3] == 0).all()


def test_shrinking_does_not_bleed_the_colour_of_clear_pixels() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0] = 255  # red that nobody sees
    pixels[:, 4:] = (0, 0, 255, 255)
    found = decode(saved(Image.fromarray(pixels)), target(2, 2, channels=4))
    assert found[:, 1, :3].tolist() == [[0, 0, 255]] * 2


def test_cmyk_palette_and_bilevel_keep_their_colours() -> None:
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    assert decode(saved(red.convert("CMYK"), "TIFF"), target())[0, 0].tolist() == [255, 0, 0]
    assert decode(saved(red.convert("P")), target())[0, 0].tolist() == [255, 0, 0]
    assert decode(saved(Image.new("1", (4, 4), 1)), target(channels=1))[0, 0].tolist() == [255]


def test_sixteen_bits_are_kept_or_scaled() -> None:
    pixels = np.array([[0, 257, 30000, 65535]], np.uint16)
    data = saved(Image.fromarray(pixels))
    assert header(io.BytesIO(data)).depth == "uint16"
    assert decode(data, target(1, 4, 1, "uint16"))[0, :, 0].tolist() == [0, 257, 30000, 65535]
    assert decode(data, target(1, 4, 1))[0, :, 0].tolist() == [0, 1, 117, 255]
    assert decode(data, target(1, 4, 3, "uint16")).shape == (1, 4, 3)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_negative_whole_numbers_are_unreadable(depth: str) -> None:
    data = saved(Image.fromarray(np.array([[-1, 5]], np.int32)), "TIFF")
    with pytest.raises(Unreadable, match="negative numbers"):
        decode(data, target(1, 2, 1, depth))


def test_sixteen_bits_are_rounded_and_not_cut() -> None:
    data = saved(Image.fromarray(np.array([[0, 3]], np.uint16)))
    exact = decode(data, target(1, 1, 1, "float32", "stretch"))
    assert 1 < exact.item() % 2 < 2  # between two whole numbers, nearer to the upper one
    assert decode(data, target(1, 1, 1, "uint16", "stretch")).item() == 2


def test_sixteen_bits_with_four_channels_are_opaque_except_where_they_are_padded() -> None:
    data = saved(Image.fromarray(np.full((2, 4), 30000, np.uint16)))
    found = decode(data, target(4, 4, 4, "uint16", "pad"))
    assert found[1:3, :, :3].tolist() == [[[30000] * 3] * 4] * 2
    assert found[:, 0, 3].tolist() == [0, 65535, 65535, 0]


def test_floating_point_is_kept_and_not_mixed() -> None:
    data = saved(plain("F", 4, 4), "TIFF")
    assert (decode(data, target(2, 2, 1, "float32")) == 0.5).all()
    with pytest.raises(Unreadable, match="floating-point"):
        decode(data, target())


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert header(io.BytesIO(data)).animated
    assert decode(data, target())[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_file_cut_short_anywhere_is_unreadable(kind: str) -> None:
    whole = saved(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)), kind)
    for share in (0.0, 0.01, 0.5, 0.9):
        with pytest.raises(Unreadable):
            decode(whole[: int(len(whole) * share)], target())


@given(
    data=st.binary(max_size=64),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"II*\0", b"BM", b"P6 9 9 255\n"]),
)
def test_rubbish_is_unreadable_or_a_picture_and_nothing_else(data: bytes, start: bytes) -> None:
    with warnings.catch_warnings():  # as `build` does
        warnings.simplefilter("ignore")
        for attempt in (lambda: header(io.BytesIO(start + data)), lambda: decode(start + data, target())):
            with suppress(Unreadable):
                attempt()


def test_a_colour_that_is_none_is_told() -> None:
    assert colour("#336699") == (0x33, 0x66, 0x99)
    with pytest.raises(ConfigError, match="not a colour"):
        colour("reddish")
