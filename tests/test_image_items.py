"""Pictures in memory and torch data sets become collections."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import gansmith
from gansmith.config import DataSettings
from gansmith.domains.image import IMAGE, collect
from gansmith.errors import DataError

COLOUR = np.random.default_rng(0).integers(0, 256, (12, 6, 9, 3), dtype=np.uint8)
LABELS = np.repeat([0, 1, 2], 4)


class Pairs(Dataset):  # type: ignore[type-arg]
    """As torchvision's: pairs, and a list of class names; asked beyond its end it would go on for ever."""

    classes = ("cat", "dog", "eel")

    def __init__(self, form: str) -> None:
        self.form = form

    def __len__(self) -> int:
        return 12

    def __getitem__(self, i: int) -> tuple[object, object]:
        pixels = COLOUR[i % 12]
        made = {
            "pil": lambda: Image.fromarray(pixels),
            "array": lambda: pixels,
            "tensor": lambda: torch.from_numpy(pixels).permute(2, 0, 1),
            "float": lambda: torch.from_numpy(pixels).permute(2, 0, 1) / 255,
        }[self.form]()
        return made, int(LABELS[i % 12])


@pytest.mark.parametrize("form", ["pil", "array", "tensor"])
def test_a_torch_data_set_gives_the_same_as_its_pictures(form: str) -> None:
    found = collect(Pairs(form))
    np.testing.assert_array_equal(found.raw, COLOUR)
    assert found.labels is not None
    assert found.labels.tolist() == LABELS.tolist()
    assert found.classes == ("cat", "dog", "eel")
    assert found.facts["kind"] == "items"
    assert collect(Pairs(form), DataSettings(labels="none")).labels is None


def test_floating_point_tensors_are_kept_as_such() -> None:
    found = collect(Pairs("float"))
    assert found.raw.dtype == np.float32
    assert found.facts["span"] == [0, 1]
    codec = IMAGE.fit(found)
    x = codec.encode(torch.from_numpy(np.array(found.raw)))
    np.testing.assert_allclose(codec.decode(x) * 255, COLOUR, atol=1e-3)


@pytest.mark.parametrize(
    "items",
    [
        COLOUR,
        torch.from_numpy(COLOUR),
        torch.from_numpy(COLOUR).permute(0, 3, 1, 2),
        TensorDataset(torch.from_numpy(COLOUR)),
        [Image.fromarray(p) for p in COLOUR],
        [{"image": p} for p in COLOUR],
        (p for p in COLOUR),
    ],
)
def test_pictures_in_any_form(items: object) -> None:
    found = collect(items, labels=LABELS, classes=("cat", "dog", "eel"))
    np.testing.assert_array_equal(found.raw, COLOUR)
    assert found.classes == ("cat", "dog", "eel")


def test_images_of_different_sizes_and_modes_are_fitted() -> None:
    images = [
        Image.fromarray(p).resize((9 + i, 12)).convert(m)
        for i, (p, m) in enumerate(zip(COLOUR, ["RGB", "CMYK", "P", "L", "RGBA", "LA"] * 2, strict=True))
    ]
    assert collect(images, DataSettings(size=(5, 4))).raw.shape == (12, 5, 4, 3)
    float_images = [Image.fromarray(p[..., 0].astype(np.float32)) for p in COLOUR]
    assert collect(float_images).raw.dtype == np.float32


def test_bfloat16_tensors_are_read() -> None:
    assert collect(torch.rand(5, 4, 4).bfloat16()).raw.dtype == np.float32


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], "is empty"),
        ([COLOUR[0], COLOUR[1][:3]], "Give all the same shape"),
        ([COLOUR[0], "b.png"], "item 1 is a str"),
        ([Image.fromarray(COLOUR[0]), COLOUR[1]], "item 1 is a ndarray but the first is a PIL image"),
        (["a.png"], "item 0 is a str"),
        ([np.zeros(3)], r"item 0 has shape \(3,\)"),
        (np.zeros((4, 4)), r"shape \(4, 4\) is not pictures"),
        ([{"pixels": 1}], "'image' was expected"),
        (3, "cannot be taken from a int"),
        ({"a": 1}, "cannot be taken from a mapping with a;"),
        ([(COLOUR[0], None), (COLOUR[1], 1)], "None for picture 0; one word or number was expected"),
        ([(COLOUR[0], ["a"]), (COLOUR[1], ["b"])], r"\['a'\] for picture 0"),
    ],
)
def test_what_is_no_picture_is_told(items: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        collect(items)


def test_labels_of_another_length_are_told() -> None:
    with pytest.raises(DataError, match="5 labels and 12 pictures"):
        collect(COLOUR, labels=[0, 1, 2, 3, 4])
    with pytest.raises(DataError, match="5 labels and 12 pictures"):
        collect(list(COLOUR), labels=[0, 1, 2, 3, 4])


def test_labels_that_are_missing_are_told() -> None:
    for items in (COLOUR, list(COLOUR)):
        with pytest.raises(DataError, match="None for picture 11"):
            collect(items, labels=["a"] * 11 + [None])


def test_a_mapping_is_no_data_set() -> None:
    with pytest.raises(DataError, match="of a table, a pandas DataFrame"):
        gansmith.describe({"a": 1})
