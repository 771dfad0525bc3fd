"""Grids for the eye and files for the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gansmith.domains.image import grid
from gansmith.errors import StorageError


def some(count: int, channels: int, dtype: str = "uint8", side: int = 8) -> np.ndarray:
    values = np.random.default_rng(0).random((count, side, side, channels))
    return values.astype(np.float32) if dtype == "float32" else (values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "L"), (3, "RGB"), (4, "RGBA"), (7, "RGB")])
def test_any_number_of_channels_makes_a_picture(dtype: str, channels: int, mode: str) -> None:
    page = grid.picture(some(6, channels, dtype), real=some(4, channels, dtype))
    assert page.mode == mode
    assert page.width >= 512


def test_a_grid_shows_each_picture_in_its_place() -> None:
    raw = np.zeros((4, 10, 10, 1), np.uint8)
    raw[3] = 200
    page = np.asarray(grid.picture(raw, columns=2))
    times = len(page) // 22
    small = page[::times, ::times]
    assert small.shape == (22, 22)
    assert (small[12:, 12:] == 200).all()
    assert (small[:10, :10] == 0).all()
    assert (small[10:12] == 255).all()


def test_one_picture_and_a_last_row_that_is_not_full() -> None:
    assert grid.picture(some(1, 3)).width >= 512
    page = grid.picture(some(5, 1, side=600), columns=3)
    assert page.size == (3 * 602 - 2, 2 * 602 - 2)


@pytest.mark.parametrize(
    ("dtype", "channels", "ending"),
    [
        ("uint8", 1, ".png"),
        ("uint8", 3, ".png"),
        ("uint8", 4, ".png"),
        ("uint16", 1, ".png"),
        ("uint16", 3, ".npy"),
        ("float32", 1, ".npy"),
        ("uint8", 6, ".npy"),
    ],
)
def test_files_hold_the_numbers_exactly(tmp_path: Path, dtype: str, channels: int, ending: str) -> None:
    raw = some(2, channels, dtype)
    files = grid.write(raw, tmp_path / "out", ["a", "class/b" + ending])
    assert files == ["a" + ending, "class/b" + ending]
    for pixels, file in zip(raw, files, strict=True):
        path = tmp_path / "out" / file
        found = np.asarray(Image.open(path)) if ending == ".png" else np.load(path)
        np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        grid.write(some(1, 1), tmp_path / "file", ["a"])
