"""Real data sets: transparent class folders in a zip, photographs of one size, MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gansmith.config import DataSettings
from gansmith.domains.image import IMAGE, grid


def test_emoji(shared: Path) -> None:
    found = IMAGE.open(str(shared / "fewshot" / "emoji.zip"), DataSettings())
    assert found.raw.shape == (717, 64, 64, 3)
    assert found.classes == (
        "animals",
        "faces",
        "food_and_plants",
        "objects_and_signs",
        "things_and_places",
        "transport",
        "weather_and_clocks",
    )
    assert found.labels is not None
    assert (np.bincount(found.labels).min(), np.bincount(found.labels).max()) == (57, 157)
    assert found.raw[:, 0, 0].mean() > 250  # corners are clear, and white is laid under them
    assert "D111" in {f.code for f in found.findings}
    assert grid.picture(found.raw[:9]).mode == "RGB"
    clear = IMAGE.open(str(shared / "fewshot" / "emoji.zip"), DataSettings(channels=4, size=(32, 32)))
    assert clear.raw.shape == (717, 32, 32, 4)
    assert clear.raw[:, 0, 0, 3].mean() < 5


def test_blood_cells(shared: Path) -> None:
    found = IMAGE.open(str(shared / "fewshot" / "blood_cells.zip"), DataSettings(), largest=48)
    assert found.raw.shape == (364, 48, 48, 3)
    assert found.labels is None
    assert found.facts["sizes"]["common"] == [[[480, 640], 364]]
    assert "cropping the centre" in found.facts["rule"]


def test_the_test_part_of_mnist(shared: Path) -> None:
    path = shared / "mnist" / "t10k-images-idx3-ubyte.gz"
    assert IMAGE.recognises(str(path))
    assert IMAGE.recognises(str(shared / "mnist"))
    found = IMAGE.open(str(path), DataSettings())
    assert found.raw.shape == (10_000, 28, 28, 1)
    assert found.classes == tuple("0123456789")
    assert found.facts["mean"][0] == pytest.approx(2 * 0.1325 - 1, abs=1e-3)
    codec = IMAGE.fit(found)
    sample = np.array(found.raw[:100])
    np.testing.assert_array_equal(codec.decode(codec.encode(torch.from_numpy(sample))), sample)


@pytest.mark.parametrize("name", ["audio/fsdd.zip", "series/stock_data.csv", "text/names.txt", "tables/adult.csv.gz", "series", "text"])
def test_what_is_not_pictures_is_not_recognised(name: str, shared: Path) -> None:
    assert not IMAGE.recognises(str(shared / name))
