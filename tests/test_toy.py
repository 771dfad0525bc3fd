"""Toy data: what they are in closed form, and that the domain keeps its promises on them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gansmith.config import DataSettings
from gansmith.data.store import Collection
from gansmith.domains.domain import Codec, Domain
from gansmith.domains.toy import TOY, ToyCodec, pictures
from gansmith.domains.toy.sources import BANDS, COUNT, PLACES, TOYS
from gansmith.errors import DataError

toys = pytest.mark.parametrize("name", TOYS)
points = pytest.mark.parametrize("name", ["toy:ring", "toy:grid"])


@pytest.fixture(scope="module")
def opened() -> dict[str, Collection]:
    return {name: TOY.open(name, DataSettings(source=name)) for name in TOYS}


def test_it_is_a_domain() -> None:
    domain: Domain = TOY  # for the type checker
    codec: type[Codec] = ToyCodec
    assert domain.name == "toy"
    assert codec is ToyCodec


@toys
def test_the_facts_say_what_is_there(opened: dict[str, Collection], name: str) -> None:
    collection = opened[name]
    facts = collection.facts
    assert len(collection) == COUNT == facts["count"]
    assert collection.raw.dtype == np.float32
    assert list(collection.raw.shape[1:]) == facts["shape"]
    assert facts["kind"] == name
    assert json.loads(json.dumps(facts)) == facts
    assert len(np.unique(collection.digests)) == COUNT
    assert sum(facts["classes"].values()) == (COUNT if collection.classes else 0)
    x = TOY.fit(collection).encode(torch.from_numpy(collection.raw)).double()
    assert facts["total_variance"] == pytest.approx(x.var(0, unbiased=False).sum().item(), rel=1e-5)
    assert facts["total_variance"] == pytest.approx(x[0].numel(), rel=1e-3)  # each number has variance 1 in the mean


@toys
def test_it_is_the_same_every_time(opened: dict[str, Collection], name: str) -> None:
    again = TOY.open(name, DataSettings(source=name))
    assert np.array_equal(again.raw, opened[name].raw)
    assert again.facts["fingerprint"] == opened[name].facts["fingerprint"]
    assert len({c.facts["fingerprint"] for c in opened.values()}) == len(TOYS)


@points
def test_the_points_are_equal_gaussians_at_the_stated_places(opened: dict[str, Collection], name: str) -> None:
    raw, facts = opened[name].raw.astype(np.float64), opened[name].facts
    centres, sigma = np.asarray(facts["centres"]), facts["sigma"]
    assert (len(centres), sigma) == {"toy:ring": (8, 0.01), "toy:grid": (25, 0.05)}[name]
    nearest = ((raw[:, None] - centres) ** 2).sum(2).argmin(1)
    counts = np.bincount(nearest, minlength=len(centres))
    share = 1 / len(centres)
    assert (np.abs(counts - COUNT * share) < 5 * np.sqrt(COUNT * share * (1 - share))).all()
    away = raw - centres[nearest]
    assert np.abs(away.mean(0)).max() < 5 * sigma / COUNT**0.5
    assert away.std(0) == pytest.approx(np.full(2, sigma), rel=0.02)
    assert opened[name].labels is None


def test_the_ring_lies_on_the_unit_circle_and_the_grid_two_apart(opened: dict[str, Collection]) -> None:
    ring, grid = (np.asarray(opened[name].facts["centres"]) for name in ("toy:ring", "toy:grid"))
    assert np.hypot(*ring.T) == pytest.approx(np.ones(8))
    assert np.hypot(*(ring - np.roll(ring, 1, 0)).T) == pytest.approx(np.full(8, 2 * np.sin(np.pi / 8)))
    assert sorted(map(tuple, grid.tolist())) == [(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)]


def test_the_label_of_a_sine_is_its_frequency_band(opened: dict[str, Collection]) -> None:
    collection = opened["toy:sines"]
    assert collection.labels is not None
    assert collection.classes == tuple(BANDS)
    assert collection.raw.shape == (COUNT, PLACES, 1)
    raw = collection.raw[:, :, 0].astype(np.float64)
    assert np.abs(raw).max() <= 1
    # of a sine, the second difference is -(2 sin(w/2))² times the sine itself
    ratio = -(raw[:, 2:] - 2 * raw[:, 1:-1] + raw[:, :-2]) * raw[:, 1:-1]
    steps = 2 * np.arcsin(np.sqrt(ratio.sum(1) / (raw[:, 1:-1] ** 2).sum(1)) / 2)
    waves = steps * (PLACES - 1) / (2 * np.pi)
    for label, (low, high) in enumerate(BANDS.values()):
        band = waves[collection.labels == label]
        assert band.min() == pytest.approx(low, abs=0.01)
        assert band.max() == pytest.approx(high, abs=0.01)
        assert band.mean() == pytest.approx((low + high) / 2, rel=0.01)


@toys
def test_decoding_undoes_encoding(opened: dict[str, Collection], name: str) -> None:
    collection = opened[name]
    codec = TOY.fit(collection)
    raw = collection.raw[:500]
    x = codec.encode(torch.from_numpy(raw))
    assert x.dtype == torch.float32
    assert codec.layout.check(x) is x
    decoded = codec.decode(x.requires_grad_())
    assert decoded.dtype == raw.dtype
    np.testing.assert_allclose(decoded, raw, rtol=0, atol=1e-6)
    assert codec.layout.condition == len(collection.classes)
    assert [b.kind for b in codec.layout.blocks] == ["real"]


@toys
def test_one_scale_keeps_geometry(opened: dict[str, Collection], name: str) -> None:
    codec, raw = TOY.fit(opened[name]), torch.from_numpy(opened[name].raw[:50])
    distances = torch.cdist(raw.flatten(1).double(), raw.flatten(1).double())
    encoded = codec.encode(raw).flatten(1).double()
    torch.testing.assert_close(torch.cdist(encoded, encoded) * codec.scale, distances, atol=1e-5, rtol=1e-5)


@toys
def test_a_codec_survives_json(opened: dict[str, Collection], name: str) -> None:
    codec = TOY.fit(opened[name])
    again = TOY.codec(json.loads(json.dumps(codec.state())))
    raw = torch.from_numpy(opened[name].raw[:20])
    assert torch.equal(again.encode(raw), codec.encode(raw))
    assert again.layout == codec.layout


def test_channels_of_a_batch_of_another_shape_are_refused(opened: dict[str, Collection]) -> None:
    with pytest.raises(DataError, match="this layout needs"):
        TOY.fit(opened["toy:ring"]).decode(torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("name", "words"), [("toy:rign", "did you mean 'toy:ring'"), ("toy:", "toy:"), ("toy:sine", "did you mean 'toy:sines'")]
)
def test_an_unknown_toy_is_refused_with_the_nearest(name: str, words: str) -> None:
    assert TOY.recognises(name)
    with pytest.raises(DataError, match=words):
        TOY.open(name, DataSettings(source=name))


def test_it_recognises_nothing_else() -> None:
    assert not any(TOY.recognises(source) for source in ("digits", "ring", "photos/toy:ring", ""))


def test_settings_that_say_nothing_here_are_refused_and_labels_can_be_left_out() -> None:
    with pytest.raises(DataError, match=r"data\.size does not apply"):
        TOY.open("toy:ring", DataSettings(source="toy:ring", size=(8, 8)))
    bare = TOY.open("toy:sines", DataSettings(source="toy:sines", labels="none"))
    assert bare.labels is None
    assert bare.classes == ()
    assert TOY.fit(bare).layout.condition == 0


# --- pictures and files --------------------------------------------------------------------------------------------------


def colours(image: Image.Image) -> set[tuple[int, ...]]:
    return {colour for _, colour in image.getcolors(image.width * image.height) or () if isinstance(colour, tuple)}


@points
def test_a_scatter_shows_made_points_over_real_ones(opened: dict[str, Collection], name: str) -> None:
    raw = opened[name].raw
    image = pictures.picture(raw[:300], real=raw[-300:])
    assert image.size == (pictures.SIDE, pictures.SIDE)
    assert {pictures.GREY, pictures.MADE, pictures.PAPER} <= colours(image)
    assert pictures.GREY not in colours(pictures.picture(raw[:300]))


def test_points_are_drawn_where_they_are() -> None:
    corners = np.float32([[-1, -1], [1, 1]])
    for x, y in [(-1, 1), (1, -1), (0, 0), (-1, -1)]:
        page = np.asarray(pictures.picture(np.float32([[x, y]]), real=corners))
        rows, columns = np.nonzero((page == pictures.MADE).all(2))
        place = (pictures.MARGIN + (1 - 2 * pictures.MARGIN) * (x + 1) / 2) * pictures.SIDE
        height = (pictures.MARGIN + (1 - 2 * pictures.MARGIN) * (1 - y) / 2) * pictures.SIDE
        assert columns.mean() == pytest.approx(place, abs=1.5)
        assert rows.mean() == pytest.approx(height, abs=1.5)


@pytest.mark.parametrize(
    "raw", [np.zeros((0, 2)), np.zeros((1, 2)), np.full((3, 2), np.nan), np.full((2, 2), 1e30), np.full((1, 2), np.inf)]
)
def test_strange_points_make_a_picture_too(raw: np.ndarray) -> None:
    pictures.picture(raw.astype(np.float32))
    pictures.picture(raw.astype(np.float32), real=np.float32([[0, 0], [1, 1]]))


@pytest.mark.parametrize("columns", [None, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_lines_are_drawn_in_lanes(opened: dict[str, Collection], count: int, columns: int | None) -> None:
    raw = opened["toy:sines"].raw
    image = pictures.picture(raw[:count], columns, real=raw[-count:] if count else None)
    assert image.width >= pictures.SIDE - 10
    assert pictures.PAPER in colours(image)
    assert (pictures.MADE in colours(image)) == (count > 0)
    pictures.picture(np.full((2, 8, 1), np.nan, np.float32))


@toys
def test_written_samples_are_read_back_exactly(opened: dict[str, Collection], name: str, tmp_path: Path) -> None:
    raw = opened[name].raw[:5]
    names = [f"high/{i:03}" for i in range(5)]
    (file,) = TOY.fit(opened[name]).write(raw, tmp_path / "new", names)
    with (tmp_path / "new" / file).open(newline="", encoding="utf-8") as text:
        head, *rows = csv.reader(text)
    assert len(head) == 1 + raw[0].size
    assert [row[0] for row in rows] == names
    assert np.array_equal(np.float32([row[1:] for row in rows]).reshape(raw.shape), raw)


def test_pieces_written_one_after_the_other_lie_side_by_side(opened: dict[str, Collection], tmp_path: Path) -> None:
    raw, codec = opened["toy:ring"].raw, TOY.fit(opened["toy:ring"])
    files = [codec.write(raw[i : i + 2], tmp_path, [f"{i}", f"{i + 1}"]) for i in (0, 2)] + [codec.write(raw[4:5], tmp_path, ["4"])]
    assert [f for (f,) in files] == ["0-1.csv", "2-3.csv", "4.csv"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0-1.csv", "2-3.csv", "4.csv"]
