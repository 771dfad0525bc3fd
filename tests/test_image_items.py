"""Pictures in memory and torch data sets become collections."""

from __future__ import annotations

import io
from pathlib import Path

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


def picture_of(pixels: np.ndarray, mode: str) -> Image.Image:
    if mode in ("I", "F"):
        return Image.fromarray(pixels[..., 0].astype(np.int32 if mode == "I" else np.float32))
    if mode.startswith("I;16"):
        return Image.fromarray(pixels[..., 0].astype(">u2" if mode.endswith("B") else "<u2") * 257)
    if mode == "LAB":
        return Image.frombytes("LAB", (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    image = Image.fromarray(pixels)
    return image.convert({"La": "LA", "RGBa": "RGBA"}.get(mode, mode)).convert(mode)


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


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *(("1", "PNG"), ("L", "PNG"), ("L", "JPEG"), ("LA", "PNG"), ("P", "PNG"), ("RGB", "PNG"), ("RGB", "JPEG"), ("RGBA", "WEBP")),
        *(("RGBA", "TIFF"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("LAB", "TIFF"), ("I", "TIFF"), ("F", "TIFF")),
        *(("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF")),
    ],
)
def test_opened_files_are_what_their_folder_is(mode: str, kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for i, pixels in enumerate(COLOUR[:4]):
        picture_of(pixels, mode).save(tmp_path / f"{i}.{kind.lower()}", kind, exif=exif)
    opened = [Image.open(io.BytesIO(path.read_bytes())) for path in sorted(tmp_path.iterdir())]
    wanted, found = IMAGE.open(str(tmp_path), DataSettings()), collect(opened)
    np.testing.assert_array_equal(found.raw, wanted.raw)
    assert found.raw.dtype == wanted.raw.dtype
    assert found.raw.shape[1:3] == ((6, 9) if orientation == 1 else (9, 6))


@pytest.mark.parametrize("mode", ["PA", "La", "RGBa", "RGBX", "HSV", "YCbCr"])
def test_modes_of_memory_alone_are_taken(mode: str) -> None:
    made = [picture_of(p, mode) for p in COLOUR[:4]]
    assert collect(made).raw.shape[:3] == (4, 6, 9)


def test_sixteen_bits_stay_whatever_the_order_of_the_bytes() -> None:
    values = COLOUR[..., 0].astype(np.uint16) * 257
    for order in "<>":
        np.testing.assert_array_equal(collect([Image.fromarray(v.astype(f"{order}u2")) for v in values]).raw[..., 0], values)


def test_an_opened_file_that_is_damaged_is_named() -> None:
    held = [io.BytesIO() for _ in range(3)]
    for file, pixels in zip(held, COLOUR, strict=False):
        Image.fromarray(pixels).resize((90, 60)).save(file, "JPEG")
    held[1] = io.BytesIO(held[1].getvalue()[:1000])
    with pytest.raises(DataError, match=r"item 1 cannot be read \(it is truncated\)"):
        collect([Image.open(file) for file in held])


def test_what_a_data_set_raises_is_its_own() -> None:
    class Gone(Pairs):
        def __getitem__(self, i: int) -> tuple[object, object]:
            return super().__getitem__(i) if i < 3 else Image.open("nowhere.png")  # type: ignore[return-value]

    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        collect(Gone("pil"))


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
        (np.zeros((4, 4, 4), "M8[s]"), "datetime64.* is not pictures"),
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
