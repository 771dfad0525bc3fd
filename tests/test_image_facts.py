"""What is said of the pictures is true."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gansmith.config import DataSettings
from gansmith.data import store
from gansmith.data.store import Collection
from gansmith.domains.image import IMAGE, collect, facts

RNG = np.random.default_rng(0)


def noise(count: int, side: int = 16, channels: int = 3) -> np.ndarray:
    """Smooth random pictures, as natural ones are, so that small changes leave their hashes nearly alone."""
    coarse = np.random.default_rng(1).integers(0, 256, (count, 4, 4, channels), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(c).resize((side, side), Image.Resampling.BICUBIC)) for c in coarse])


def save(place: Path, images: dict[str, Image.Image], **options: object) -> str:
    for name, image in images.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(place / name, **options)
    return str(place)


def codes(found: Collection) -> set[str]:
    return {f.code for f in found.findings}


def test_moments_are_those_of_the_encoded_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = noise(40)
    monkeypatch.setattr(store, "BLOCK_BYTES", 5000)  # several pieces
    seen = facts.look(raw, (0, 255))
    x = raw / 127.5 - 1.0
    np.testing.assert_allclose(seen.mean, x.mean((0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(seen.std, x.std((0, 1, 2)), atol=1e-6)
    assert seen.total_variance == pytest.approx(x.var(0).sum(), rel=1e-6)
    assert (seen.lowest, seen.highest) == (raw.min(), raw.max())


def test_duplicates_are_counted_and_named(tmp_path: Path) -> None:
    pictures = noise(30)
    files = {f"{i:02}.png": Image.fromarray(p) for i, p in enumerate(pictures)}
    files |= {"again.png": files["03.png"], "and_again.bmp": files["03.png"]}
    found = IMAGE.open(save(tmp_path / "a", files), DataSettings())
    assert found.facts["duplicates"] == {"count": 2, "examples": [["03.png", "again.png", "and_again.bmp"]]}
    assert "D102" in codes(found)
    assert len(np.unique(found.digests)) == 30


def test_near_duplicates_are_found_among_many_and_others_are_not() -> None:
    pictures = noise(400, 24)
    near = pictures[:20].astype(int) + RNG.integers(-3, 4, (20, 24, 24, 3))
    held = io.BytesIO()
    Image.fromarray(pictures[20]).save(held, "JPEG", quality=80)
    jpeg = np.asarray(Image.open(held))
    found = collect(np.concatenate([pictures, near.clip(0, 255).astype(np.uint8), jpeg[None]]))
    assert found.facts["near_duplicates"]["count"] == 42
    assert found.facts["duplicates"]["count"] == 0
    assert collect(pictures).facts["near_duplicates"]["count"] == 0


def test_a_hash_of_a_picture_does_not_depend_on_its_size() -> None:
    small = noise(20, 16, 3).mean(3).astype(np.float32)
    large = small.repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(facts.difference_hash(small), facts.difference_hash(large))
    assert len(np.unique(facts.difference_hash(small))) == 20
    assert facts.difference_hash(np.zeros((2, 1, 1), np.float32)).tolist() == [0, 0]


def test_grey_stored_as_colour_is_kept_as_grey(tmp_path: Path) -> None:
    files = {f"{i}.png": Image.fromarray(p).convert("L").convert("RGB") for i, p in enumerate(noise(12))}
    source = save(tmp_path / "a", files)
    found = IMAGE.open(source, DataSettings())
    assert found.raw.shape[3] == 1
    assert "D109" in codes(found)
    np.testing.assert_array_equal(found.raw[0, ..., 0], np.asarray(files["0.png"].convert("L")))
    assert IMAGE.open(source, DataSettings(channels=3)).raw.shape[3] == 3
    (tmp_path / "a" / "one.png").write_bytes(b"")
    Image.fromarray(noise(1)[0]).save(tmp_path / "a" / "one.png")
    assert IMAGE.open(source, DataSettings()).raw.shape[3] == 3


def test_grey_files_are_grey_and_sixteen_bits_stay(tmp_path: Path) -> None:
    grey = {f"{i}.png": Image.fromarray(p).convert("L") for i, p in enumerate(noise(12))}
    found = IMAGE.open(save(tmp_path / "a", grey), DataSettings())
    assert (found.raw.shape[3], codes(found) & {"D109"}) == (1, set())
    deep = {f"{i}.png": Image.fromarray(p[..., 0].astype(np.uint16) * 257) for i, p in enumerate(noise(12))}
    found = IMAGE.open(save(tmp_path / "b", deep), DataSettings(size=(8, 8)))
    assert found.raw.dtype == np.uint16
    assert found.facts["span"] == [0, 65535]
    found = IMAGE.open(save(tmp_path / "b", {"eight.png": Image.new("L", (16, 16), 9)}), DataSettings())
    assert found.raw.dtype == np.uint8
    assert {"D112", "D106"} <= codes(found)


def test_the_size_follows_the_rule(tmp_path: Path) -> None:
    one = {f"{i}.png": Image.fromarray(p) for i, p in enumerate(noise(12, 16))}
    source = save(tmp_path / "a", one)
    found = IMAGE.open(source, DataSettings())
    assert found.raw.shape[1:3] == (16, 16)
    assert found.facts["rule"].startswith("kept at 16x16")
    assert IMAGE.open(source, DataSettings(), largest=8).raw.shape[1:3] == (8, 8)
    mixed = {f"b{i}.png": image.resize((40, 24 + i)) for i, image in enumerate(one.values())}
    source = save(tmp_path / "b", mixed)
    found = IMAGE.open(source, DataSettings())
    assert found.raw.shape[1:3] == (29, 29)
    assert found.facts["sizes"]["min"] == [24, 40]
    assert found.facts["sizes"]["max"] == [35, 40]
    assert "cropping the centre" in found.facts["rule"]
    assert "D107" in codes(found)
    assert IMAGE.open(source, DataSettings(), largest=20).raw.shape[1:3] == (20, 20)
    found = IMAGE.open(source, DataSettings(size=(30, 20), fit="pad"))
    assert found.raw.shape[1:3] == (30, 20)
    assert "D107" not in codes(found)
    assert (found.raw[0, 0] == 255).all()


def test_transparency_and_animation_are_told(tmp_path: Path) -> None:
    files = {f"{i}.png": Image.fromarray(p) for i, p in enumerate(noise(12, 16, 4))}
    source = save(tmp_path / "a", files)
    assert "D111" in codes(IMAGE.open(source, DataSettings()))
    found = IMAGE.open(source, DataSettings(channels=4))
    assert "D111" not in codes(found)
    np.testing.assert_array_equal(found.raw[0], np.asarray(files["0.png"]))
    a, b = (Image.fromarray(p) for p in noise(2))
    a.save(tmp_path / "a" / "moves.gif", save_all=True, append_images=[b])
    assert "D114" in codes(IMAGE.open(source, DataSettings()))


def test_classes_are_counted() -> None:
    fact, found = facts.describe_classes(np.repeat([0, 1, 2], [400, 20, 3]), ("a", "b", "c"))
    assert fact == {"classes": {"a": 400, "b": 20, "c": 3}, "imbalance": 400 / 3}
    assert {f.code for f in found} == {"D104", "D105"}
    assert facts.describe_classes(np.repeat([0, 1], 20), ("a", "b"))[1] == []


def test_groups_come_largest_first() -> None:
    groups = facts.duplicate_groups(np.array([5, 7, 5, 7, 9, 7], np.uint64))
    assert [g.tolist() for g in groups] == [[1, 3, 5], [0, 2]]


def test_sizes_in_words() -> None:
    found = facts.sizes_in_words(Counter({(4, 8): 3, (6, 6): 1}))
    assert found == {"min": [4, 6], "median": [4, 8], "max": [6, 8], "common": [[[4, 8], 3], [[6, 6], 1]]}


def test_every_finding_is_a_sentence_with_a_code(tmp_path: Path) -> None:
    files = {f"cat/{i}.png": Image.fromarray(p) for i, p in enumerate(noise(30, 16, 4))}
    files |= {"dog/a.png": files["cat/0.png"], "dog/b.png": Image.new("RGB", (3, 5)), "dog/c.png": Image.new("L", (9, 9), 3)}
    source = save(tmp_path / "a", files)
    (tmp_path / "a" / "cat" / "broken.png").write_bytes(b"")
    found = IMAGE.open(source, DataSettings())
    assert {"D101", "D102", "D104", "D105", "D106", "D107", "D108", "D111"} <= codes(found)
    for finding in found.findings:
        assert finding.message.endswith(".")
        assert finding.advice == "" or finding.advice.endswith(".")
