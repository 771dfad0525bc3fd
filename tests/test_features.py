"""Feature extractors: one contract over all of them, closed forms of what each does to a sample, and weights that are the right ones."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from gansmith.data.split import held_out
from gansmith.data.store import Collection, digest_rows
from gansmith.domains.toy.facts import facts as toy_facts
from gansmith.domains.toy.sources import Toy
from gansmith.errors import ConfigError, DataError, MissingExtra, StorageError
from gansmith.features import EXTRACTORS, Extractor, choose, classifier, dinov2, extract, inception, native, weights
from gansmith.features.classifier import Classifier
from gansmith.features.dinov2 import Dinov2
from gansmith.features.inception import FidInception, Inception, Mixed
from gansmith.features.network import DIMENSIONS, Network
from gansmith.features.pixels import LARGEST, Pixels, Values, shrunk
from gansmith.features.weights import Published
from gansmith.randomness import stream
from gansmith.runs import write_tensors

SPAN = (0.0, 255.0)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, *shape: int, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(dtype)


def labelled(raw: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], **facts: Any) -> Collection:
    return Collection(raw, digest_rows(raw), labels.astype(np.int64), classes, facts=facts)


@pytest.fixture(scope="module")
def digits() -> Collection:
    from sklearn.datasets import load_digits

    found = load_digits()
    return labelled((found.images * 15.9375).astype(np.uint8)[..., None], found.target, tuple("0123456789"), span=[0, 255])


def split(collection: Collection) -> tuple[Collection, np.ndarray, Collection, np.ndarray]:
    held = held_out(collection.digests, 0.1, 0, collection.labels)
    return collection, np.flatnonzero(~held), collection, np.flatnonzero(held)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of a few steps: for what holds however well the classifier has learned."""
    monkeypatch.setattr(classifier, "LEAST", 640)
    monkeypatch.setattr(classifier, "MOST", 640)


# Every extractor, made small


@pytest.fixture(scope="module")
def random_inception() -> dict[str, Tensor]:
    """Weights of the right names and shapes, tame enough that features differ from picture to picture."""
    found = FidInception().state_dict()
    for name, value in found.items():
        if name.endswith("conv.weight"):
            value.normal_(0, (2 / value[0].numel()) ** 0.5, generator=source())
        elif name.endswith(("running_var", "bn.weight")):
            value.uniform_(0.5, 1.5, generator=source(1))
        elif name.endswith(("running_mean", "bn.bias")):
            value.normal_(0, 0.2, generator=source(2))
    return found


class TinyVit(nn.Module):
    """Stands in for DINOv2: what it is given, averaged over patches."""

    config = SimpleNamespace(hidden_size=12)

    def forward(self, x: Tensor) -> SimpleNamespace:
        return SimpleNamespace(pooler_output=nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


@pytest.fixture
def extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The extra as if it were installed, and published weights of its own; gives their file."""
    fake = SimpleNamespace(
        Dinov2Config=lambda **form: form,
        Dinov2Model=SimpleNamespace(from_pretrained=lambda path, config, state_dict: TinyVit()),
        utils=SimpleNamespace(logging=SimpleNamespace(disable_progress_bar=lambda: None)),
    )
    monkeypatch.setitem(sys.modules, "transformers", fake)
    file = tmp_path / "away" / "dinov2.safetensors"
    write_tensors(file, {"a": torch.ones(2)}, {})
    monkeypatch.setattr(dinov2, "PUBLISHED", published(file))
    return file


def published(file: Path) -> Published:
    data = file.read_bytes()
    return Published("the weights of a test", file.as_uri(), hashlib.sha256(data).hexdigest(), len(data))


@pytest.fixture(params=["pixels", "pixels of colour", "values of points", "values of lines", "classifier", "inception", "dinov2"])
def member(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Extractor, np.ndarray]:
    """An extractor and a few samples of the kind it takes."""
    name = request.param
    if name.startswith("values"):
        shape = (2,) if "points" in name else (9, 2)
        raw = np.random.default_rng(0).normal(3, 2, (10, *shape)).astype(np.float32)
        return Values(shape, [3.0, 2.5], 2.0), raw
    if name.startswith("pixels"):
        raw = pictures(10, 50, 40, 3) if "colour" in name else pictures(10, 9, 7, 1)
        return Pixels(raw.shape[1:], SPAN), raw
    if name == "classifier":
        request.getfixturevalue("short")
        raw = pictures(40, 11, 6, 2)
        found = labelled(raw, np.arange(40) % 3, ("a", "b", "c"))
        return Classifier.of(found, np.arange(30), found, np.arange(30, 40)), raw[30:]
    raw = pictures(2, 8, 6, 1) if name == "inception" else pictures(10, 8, 6, 4)
    if name == "inception":
        state = request.getfixturevalue("random_inception")
        monkeypatch.setattr(inception, "state", lambda path, progress: state)
        return Inception(raw.shape[1:], SPAN), raw
    request.getfixturevalue("extra")
    return Dinov2(raw.shape[1:], SPAN), raw


def test_the_contract(member: tuple[Extractor, np.ndarray]) -> None:
    extractor, raw = member
    before = raw.copy()
    found = extractor(raw)
    assert extractor.name in EXTRACTORS
    assert found.shape == (len(raw), extractor.conditions["dimensions"])
    assert (found.dtype, found.device.type, found.requires_grad) == (torch.float32, "cpu", False)
    assert found.isfinite().all()
    assert extractor.conditions["input"] == list(raw.shape[1:])
    assert json.loads(json.dumps(extractor.conditions)) == extractor.conditions
    np.testing.assert_array_equal(raw, before)
    torch.testing.assert_close(extractor(raw), found, rtol=0, atol=0)
    alone = torch.cat([extractor(raw[i : i + 1]) for i in range(len(raw))])
    torch.testing.assert_close(alone, found, rtol=1e-4, atol=1e-4 * float(found.std()))
    assert (found.std(0) > 0).any()  # or all of the above says nothing
    probabilities = extractor.probabilities(found)
    if probabilities is not None:
        assert len(probabilities) == len(raw)
        assert (probabilities >= 0).all()
        torch.testing.assert_close(probabilities.sum(1), torch.ones(len(raw)))
    with pytest.raises(DataError, match="found samples of shape"):
        extractor(raw[:, :-1])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_set_is_looked_through_in_pieces(dtype: str, tmp_path: Path) -> None:
    raw = pictures(23, 5, 6, 3, dtype=dtype)
    np.save(tmp_path / "raw.npy", raw)
    mapped = np.load(tmp_path / "raw.npy", mmap_mode="r")
    extractor, seen = Pixels((5, 6, 3), SPAN), []
    found = extract(extractor, mapped, batch=10, progress=lambda done, all: seen.append((done, all)))
    torch.testing.assert_close(found, extractor(raw), rtol=0, atol=0)
    assert seen == [(10, 23), (20, 23), (23, 23)]
    torch.testing.assert_close(extract(extractor, mapped), found, rtol=0, atol=0)


def test_large_samples_come_fewer_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from gansmith.features import extractor

    monkeypatch.setattr(extractor, "CHUNK", 100)
    seen: list[int] = []
    extract(Pixels((5, 8, 1), SPAN), pictures(5, 5, 8, 1), progress=lambda done, all: seen.append(done))
    assert seen == [2, 4, 5]
    extract(Pixels((50, 8, 1), SPAN), pictures(2, 50, 8, 1), progress=lambda done, all: seen.append(done))
    assert seen == [2, 4, 5, 1, 2]


def test_what_is_not_finite_is_named() -> None:
    raw = pictures(8, 3, 3, 1, dtype="float32")
    raw[5, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="sample 5 gives pixels features that are not finite"):
        extract(Pixels((3, 3, 1), SPAN), raw, batch=3)
    with pytest.raises(DataError, match="there are no samples"):
        extract(Pixels((3, 3, 1), SPAN), raw[:0])


# Pixels and values


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 64))
def test_a_shrunk_side_is_never_longer(height: int, width: int, largest: int) -> None:
    h, w = shrunk(height, width, largest)
    assert 1 <= h <= min(height, largest)
    assert 1 <= w <= min(width, largest)
    if max(height, width) <= largest:
        assert (h, w) == (height, width)
    else:
        assert max(h, w) == largest
        assert abs(h * width - w * height) <= max(height, width)  # half a pixel of rounding, and the least of one


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([1, 2, 3, 4, 7]),
    st.sampled_from([("uint8", 0.0, 255.0), ("uint16", 0.0, 65535.0), ("float32", -1.0, 1.0), ("float32", -3.0, 5.0)]),
    st.integers(0, 100),
)
def test_pixels_lie_in_their_range_and_keep_a_colour(
    height: int, width: int, channels: int, kind: tuple[str, float, float], seed: int
) -> None:
    dtype, low, high = kind
    rng = np.random.default_rng(seed)
    colour = rng.uniform(low, high, channels).astype(dtype)
    raw = rng.uniform(low, high, (3, height, width, channels)).astype(dtype)
    raw[0], raw[1, ..., 0] = colour, low
    extractor = Pixels(raw.shape[1:], (low, high))
    found = extractor(raw).reshape(3, channels, *extractor.small)
    assert found.numel() == 3 * extractor.conditions["dimensions"]
    assert found.abs().max() <= 1 + 1e-6
    wanted = (colour.astype(np.float64) - low) / (high - low) * 2 - 1
    np.testing.assert_allclose(found[0].flatten(1).numpy(), np.broadcast_to(wanted[:, None], (channels, found[0, 0].numel())), atol=1e-5)
    np.testing.assert_allclose(found[1, 0].numpy(), -1, atol=1e-6)


def test_small_pictures_are_kept_and_large_ones_averaged() -> None:
    raw = pictures(4, 32, 20, 3)
    x = Pixels((32, 20, 3), SPAN)(raw).reshape(4, 3, 32, 20)
    np.testing.assert_allclose(x.numpy(), (raw / 127.5 - 1).transpose(0, 3, 1, 2), atol=1e-6)
    large = pictures(4, 2 * LARGEST, LARGEST, 1)
    found = Pixels((2 * LARGEST, LARGEST, 1), SPAN)(large).reshape(4, LARGEST, LARGEST // 2)
    wanted = (large[..., 0] / 127.5 - 1).reshape(4, LARGEST, 2, LARGEST // 2, 2).mean((2, 4))
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)


def test_values_are_standardised() -> None:
    points = np.array([[1.0, 10.0], [3.0, 14.0]], np.float32)
    torch.testing.assert_close(Values((2,), [1.0, 12.0], 2.0)(points), torch.tensor([[0.0, -1.0], [1.0, 1.0]]))
    lines = np.arange(12, dtype=np.float32).reshape(2, 3, 2)  # [B, T, C]
    found = Values((3, 2), [0.0, 1.0], 2.0)(lines).reshape(2, 2, 3)
    torch.testing.assert_close(found, torch.from_numpy(lines).mT / 2 - torch.tensor([0.0, 0.5])[:, None])


# Pictures for networks that know photographs


def test_grey_is_repeated_and_transparency_laid_on_white() -> None:
    x = torch.tensor([[0.2, -0.4, 0.6, 1.0], [0.2, -0.4, 0.6, -1.0], [0.2, -0.4, 0.6, 0.0]])[..., None, None]
    found = native.rgb(x).flatten(1)
    torch.testing.assert_close(found, torch.tensor([[0.2, -0.4, 0.6], [1.0, 1.0, 1.0], [0.6, 0.3, 0.8]]))
    torch.testing.assert_close(native.rgb(x[:, :1]), x[:, :1].repeat(1, 3, 1, 1))
    torch.testing.assert_close(native.rgb(x[:, :3]), x[:, :3])
    with pytest.raises(DataError, match="pictures of 2 channels"):
        native.rgb(x[:, :2])


def bilinear(x: np.ndarray, size: int) -> np.ndarray:
    """[H, W] -> [size, size] along one axis after the other; numpy repeats the ends."""
    for axis in (0, 1):
        places = (np.arange(size) + 0.5) * x.shape[axis] / size - 0.5
        x = np.apply_along_axis(lambda line, places=places: np.interp(places, np.arange(len(line)), line), axis, x)
    return x


@pytest.mark.parametrize("shape", [(8, 8), (28, 40), (299, 299), (640, 350)])
def test_inception_sees_a_bilinear_copy_without_anti_aliasing(shape: tuple[int, int]) -> None:
    x = torch.rand(1, 1, *shape, generator=source()) * 2 - 1
    found = inception.prepared(x)
    assert found.shape == (1, 3, 299, 299)
    np.testing.assert_allclose(found[0, 1].numpy(), bilinear(x[0, 0].double().numpy(), 299), atol=2e-4)


@pytest.mark.parametrize("shape", [(8, 8), (28, 40), (224, 224), (640, 350)])
def test_dinov2_sees_a_smooth_copy_in_the_units_of_imagenet(shape: tuple[int, int]) -> None:
    x = torch.rand(1, 3, *shape, generator=source()) * 2 - 1
    found = dinov2.prepared(x)
    assert found.shape == (1, 3, 224, 224)
    for channel in range(3):
        picture = Image.fromarray(((x[0, channel] + 1) / 2).numpy())
        small = np.asarray(picture.resize((224, 224), Image.Resampling.BICUBIC)).clip(0, 1)
        wanted = (small - dinov2.MEAN[channel]) / dinov2.STD[channel]
        np.testing.assert_allclose(found[0, channel].numpy(), wanted, atol=2e-4)


# The network of FID


def test_names_shapes_and_count_are_those_of_the_published_file() -> None:
    found = FidInception().state_dict()
    assert len(found) == 94 * 5 + 2  # convolutions with four numbers a channel, and the classes
    listed = "\n".join(f"{name} {tuple(value.shape)}" for name, value in sorted(found.items()))
    # of the names and shapes of an independent implementation that reads the published file
    assert hashlib.sha256(listed.encode()).hexdigest() == "d84f693f2abd7fea61cb31c87d3b2f268bf707c1bae1db219afdad3363959cb0"
    learned = sum(v.numel() for k, v in found.items() if "running" not in k)
    assert learned == 23_850_960


def run(block: nn.Module, *names: str) -> Callable[[Tensor], Tensor]:
    def through(x: Tensor) -> Tensor:
        for name in names:
            x = getattr(block, name)(x)
        return x

    return through


@torch.no_grad()
def test_branches_are_joined_in_the_order_of_the_names() -> None:
    x = torch.rand(2, 8, 9, 9, generator=source())
    for block, pool in (
        (inception.mixed_8(8, inception.average), inception.average),
        (inception.mixed_8(8, inception.maximum), inception.maximum),
    ):
        short, long = run(block, "branch3x3_1")(x), run(block, "branch3x3dbl_1", "branch3x3dbl_2")(x)
        wanted = [
            run(block, "branch1x1")(x),
            run(block, "branch3x3_2a")(short),
            run(block, "branch3x3_2b")(short),
            run(block, "branch3x3dbl_3a")(long),
            run(block, "branch3x3dbl_3b")(long),
            run(block, "branch_pool")(pool(x)),
        ]
        torch.testing.assert_close(block(x), torch.cat(wanted, 1))
    block = inception.mixed_17_to_8(8)
    wanted = [
        run(block, "branch3x3_1", "branch3x3_2")(x),
        run(block, "branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4")(x),
        nn.functional.max_pool2d(x, 3, 2),
    ]
    torch.testing.assert_close(block(x), torch.cat(wanted, 1))


def test_the_last_block_pools_by_the_maximum_and_no_average_counts_its_padding() -> None:
    pools = {name: block.pool for name, block in FidInception().named_children() if isinstance(block, Mixed)}
    assert pools.pop("Mixed_7c") is inception.maximum
    assert {name for name, pool in pools.items() if pool is inception.coarser} == {"Mixed_6a", "Mixed_7a"}
    assert {pool for name, pool in pools.items() if name not in ("Mixed_6a", "Mixed_7a")} == {inception.average}
    torch.testing.assert_close(inception.average(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))


def test_probabilities_leave_the_bias_out(monkeypatch: pytest.MonkeyPatch, random_inception: dict[str, Tensor]) -> None:
    monkeypatch.setattr(inception, "state", lambda path, progress: random_inception)
    features = torch.randn(5, 2048, generator=source())
    found = Inception((8, 8, 3), SPAN).probabilities(features)
    torch.testing.assert_close(found, (features @ random_inception["fc.weight"].T).softmax(1))
    assert found.shape == (5, 1008)


# Weights


@pytest.fixture
def pickled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A published file as inception's is, with an empty cache beside it."""
    monkeypatch.setenv("GANSMITH_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "away" / "inception.pth"
    file.parent.mkdir()
    torch.save({"fc.bias": torch.arange(3.0), "bn.num_batches_tracked": torch.tensor(5)}, file)
    monkeypatch.setattr(inception, "PUBLISHED", published(file))
    return file


def same(found: dict[str, Tensor]) -> bool:
    return found.keys() == {"fc.bias"} and torch.equal(found["fc.bias"], torch.arange(3.0))


def test_weights_are_fetched_once_and_kept_without_a_pickle(pickled: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert same(inception.state(None, lambda done, all: seen.append((done, all))))
    assert seen[-1] == (pickled.stat().st_size, pickled.stat().st_size)
    pickled.unlink()
    assert same(inception.state(None))
    (entry,) = (tmp_path / "cache").glob("inception*")
    assert [file.name for file in entry.iterdir()] == ["model.safetensors"]
    assert same(inception.state(entry / "model.safetensors"))  # carried to a machine without a network


def test_damaged_weights_are_fetched_again(pickled: Path, tmp_path: Path) -> None:
    inception.state(None)
    (place,) = (tmp_path / "cache").glob("inception*/*")
    whole = place.read_bytes()
    for damaged in (whole[:-4], whole[:-1] + b"\x01", b""):
        place.write_bytes(damaged)
        assert same(inception.state(None))
    place.write_bytes(whole[:-1] + b"\x01")
    pickled.unlink()
    with pytest.raises(DataError, match="could not be fetched"):
        inception.state(None)


def test_given_weights_must_be_the_published_ones(pickled: Path, tmp_path: Path) -> None:
    assert same(inception.state(pickled))
    other = tmp_path / "other.pth"
    torch.save({"fc.bias": torch.zeros(3)}, other)
    with pytest.raises(DataError, match=r"other\.pth is not inception\.pth: its SHA-256 begins with"):
        inception.state(other)
    weights.save(tmp_path / "a" / "other.safetensors", {"fc.bias": torch.zeros(3)}, {"source": "elsewhere"})
    with pytest.raises(DataError, match="was not made by gansmith from"):
        inception.state(tmp_path / "a" / "other.safetensors")
    for missing in ("no.pth", "no.safetensors"):
        with pytest.raises(DataError, match="cannot be read"):
            inception.state(tmp_path / missing)


def test_without_a_network_one_sentence_says_what_to_do(pickled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pickled.unlink()
    with pytest.raises(DataError) as caught:
        inception.state(None)
    said = str(caught.value)
    assert all(part in said for part in (str(tmp_path / "cache"), pickled.as_uri(), "--weights"))
    assert "\n" not in said
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_what_the_server_sends_is_checked(pickled: Path, tmp_path: Path) -> None:
    torch.save({"fc.bias": torch.zeros(3)}, pickled)
    with pytest.raises(DataError, match=r"what the server sent is not inception\.pth"):
        inception.state(None)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_pickle_that_would_run_something_is_not_read(pickled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the checksum right, the unpickler would still refuse."""
    import pickle

    torch.save({"fc.bias": Path("x")}, pickled)
    monkeypatch.setattr(inception, "PUBLISHED", published(pickled))
    with pytest.raises(pickle.UnpicklingError):
        inception.state(pickled)


def test_the_published_files_are_named_in_full() -> None:
    for file in (inception.PUBLISHED, dinov2.PUBLISHED):
        assert file.url.startswith("https://")
        assert len(file.sha256) == 64
    assert inception.PUBLISHED.sha256[:8] in inception.PUBLISHED.filename


def test_dinov2_without_its_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gansmith\[dinov2\]'"):
        Dinov2((8, 8, 3), SPAN)


def test_dinov2_keeps_its_weights_too(extra: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANSMITH_CACHE", str(tmp_path / "cache"))
    raw = pictures(3, 8, 8, 1)
    found = Dinov2((8, 8, 1), SPAN, weights=extra)(raw)
    torch.testing.assert_close(Dinov2((8, 8, 1), SPAN)(raw), found)
    place = tmp_path / "cache" / "dinov2-base" / extra.name
    place.write_bytes(b"damaged")
    torch.testing.assert_close(Dinov2((8, 8, 1), SPAN)(raw), found)
    extra.unlink()
    torch.testing.assert_close(Dinov2((8, 8, 1), SPAN)(raw), found)
    place.unlink()
    with pytest.raises(DataError, match="could not be fetched"):
        Dinov2((8, 8, 1), SPAN)
    place.write_bytes(b"another")
    with pytest.raises(DataError, match="is not dinov2"):
        Dinov2((8, 8, 1), SPAN, weights=place)


def test_dinov2_agrees_with_the_extra_on_weights_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra dinov2 is not installed")
    form = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14}
    torch.manual_seed(0)
    model = transformers.Dinov2Model(transformers.Dinov2Config(**form)).eval()
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    monkeypatch.setattr(dinov2, "PUBLISHED", published(file))
    monkeypatch.setattr(dinov2, "FORM", form)
    raw = pictures(2, 30, 20, 3)
    with torch.no_grad():
        wanted = model(dinov2.prepared(native.unit(raw, (30, 20, 3), SPAN))).last_hidden_state[:, 0]
    torch.testing.assert_close(Dinov2((30, 20, 3), SPAN, weights=file)(raw), wanted)


# The classifier


def test_digits_are_told_apart(digits: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "MOST", 8000)
    collection, members, _, held = split(digits)
    found = Classifier.of(*split(digits))
    said = found.conditions
    assert said["accuracy"] > 0.9
    assert said["recall"] > 0.9
    assert (said["trained on"], said["tested on"]) == (len(members), len(held))
    features = extract(found, collection.raw[members])
    torch.testing.assert_close(features.mean(0), torch.zeros(DIMENSIONS), atol=1e-4, rtol=0)
    assert features.std(0).max() == pytest.approx(1, abs=1e-2)
    probabilities = found.probabilities(extract(found, collection.raw[held]))
    assert digits.labels is not None
    right = probabilities.argmax(1).numpy() == digits.labels[held]
    assert right.mean() == pytest.approx(said["accuracy"])


def test_noise_is_far_from_digits_and_held_out_digits_are_near(digits: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the features are for: distances on them rank sets as people would."""
    monkeypatch.setattr(classifier, "MOST", 8000)
    collection, members, _, held = split(digits)
    found = Classifier.of(*split(digits))

    def apart(raw: np.ndarray) -> float:
        return float((extract(found, raw).mean(0) - extract(found, collection.raw[members]).mean(0)).norm())

    assert digits.labels is not None
    real, threes = collection.raw[held], collection.raw[held][digits.labels[held] == 3]
    assert apart(real) < 0.3 * min(apart(threes), apart(pictures(200, 8, 8, 1)))


def test_training_is_the_same_to_the_last_bit_whatever_the_threads(short: None, digits: Collection) -> None:
    assert digits.labels is not None
    arguments = (digits.raw, digits.labels, np.arange(500), 10)
    first = weights.digest(classifier.train(*arguments, 0, lambda done, all: None).state_dict())
    torch.rand(3)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with classifier.one_thread():
            second = weights.digest(classifier.train(*arguments, 0, lambda done, all: None).state_dict())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert first == second
    assert weights.digest(classifier.train(*arguments, 1, lambda done, all: None).state_dict()) != first


def test_training_leaves_the_global_random_state_alone(short: None, digits: Collection) -> None:
    assert digits.labels is not None
    before = torch.get_rng_state()
    classifier.train(digits.raw, digits.labels, np.arange(300), 10, 0, lambda done, all: None)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_classifier_is_kept(short: None, digits: Collection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANSMITH_CACHE", str(tmp_path))
    steps: list[tuple[int, int]] = []
    first = Classifier.of(*split(digits), progress=lambda done, all: steps.append((done, all)))
    assert steps == [(i + 1, 5) for i in range(5)]
    real = classifier.train
    monkeypatch.setattr(classifier, "train", None)  # would fail
    again = Classifier.of(*split(digits))
    assert again.conditions == first.conditions
    torch.testing.assert_close(again(digits.raw[:9]), first(digits.raw[:9]), rtol=0, atol=0)
    monkeypatch.setattr(classifier, "train", real)
    (place,) = tmp_path.glob("classifier-*/*")
    place.write_bytes(place.read_bytes()[:-1])
    assert Classifier.of(*split(digits)).conditions == first.conditions
    for other in (
        lambda c, m, hc, h: Classifier.of(c, m[1:], hc, h),
        lambda c, m, hc, h: Classifier.of(c, m, hc, h, seed=1),
    ):
        assert other(*split(digits)).conditions["weights"] != first.conditions["weights"]
    assert len(list(tmp_path.glob("classifier-*"))) == 3


def test_the_cache_is_bounded(short: None, digits: Collection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANSMITH_CACHE", str(tmp_path))
    monkeypatch.setenv("GANSMITH_CACHE_GB", "0")
    for seed in (0, 1):
        Classifier.of(*split(digits), seed=seed)
    assert len(list(tmp_path.glob("classifier-*"))) == 1  # the newest alone


def test_a_cache_that_cannot_be_written_is_told(short: None, digits: Collection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANSMITH_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="a file exists where a folder is needed"):
        Classifier.of(*split(digits))


CASES: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "one sample of a class": (pictures(60, 9, 9, 1), np.repeat([0, 1], [59, 1])),
    "two samples": (pictures(2, 4, 4, 1), np.array([0, 1])),
    "fifty classes": (pictures(100, 8, 8, 1), np.arange(100) % 50),
    "a class that is absent": (pictures(40, 8, 8, 1), np.arange(40) % 2 * 2),
    "one colour": (np.full((40, 8, 8, 3), 7, np.uint8), np.arange(40) % 2),
    "one place": (pictures(40, 1, 1, 1), np.arange(40) % 2),
    "a strip": (pictures(40, 70, 3, 2), np.arange(40) % 2),
    "an uneven plane": (pictures(40, 37, 21, 4), np.arange(40) % 2),
    "sixteen bits": (pictures(40, 8, 8, 1, dtype="uint16") * 257, np.arange(40) % 2),
    "large pictures": (pictures(12, 90, 130, 1), np.arange(12) % 2),
    "points": (np.random.default_rng(0).normal(5, 0.01, (40, 2)).astype(np.float32), np.arange(40) % 2),
    "lines": (np.random.default_rng(0).normal(size=(40, 16, 2)).astype(np.float32), np.arange(40) % 2),
}


@pytest.mark.parametrize("name", CASES)
def test_awkward_sets_still_give_features(name: str, short: None) -> None:
    raw, labels = CASES[name]
    classes = tuple(f"class {i}" for i in range(int(labels.max()) + 1))
    found = Classifier.of(labelled(raw, labels, classes), np.arange(len(raw)), labelled(raw, labels, classes), np.arange(0))
    assert found.conditions["accuracy"] is None
    features = extract(found, raw)
    assert features.shape == (len(raw), DIMENSIONS)
    assert features.abs().max() < 100
    probabilities = found.probabilities(features)
    assert probabilities.shape == (len(raw), len(classes))


def test_a_rare_class_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "MOST", 5000)
    labels = np.repeat([0, 1], [390, 10])
    raw = pictures(400, 6, 6, 1) // 4 + (labels * 150).astype(np.uint8)[:, None, None, None]
    found = labelled(raw, labels, ("dark", "bright"))
    assert Classifier.of(found, np.arange(0, 400, 2), found, np.arange(1, 400, 2)).conditions["recall"] > 0.99


def test_classes_of_another_set_are_matched_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "MOST", 3000)
    labels = np.arange(200) % 2
    raw = pictures(200, 6, 6, 1) // 4 + (labels * 150).astype(np.uint8)[:, None, None, None]
    ours = labelled(raw[:100], labels[:100], ("dark", "bright"))
    theirs = labelled(raw[100:], np.array([2, 0])[labels[100:]], ("bright", "other", "dark"))
    strange = labelled(raw[100:], labels[100:], ("x", "y"))
    none = Collection(raw[100:], digest_rows(raw[100:]))
    every = np.arange(100)
    assert Classifier.of(ours, every, theirs, every).conditions["accuracy"] == 1
    for other in (strange, none):
        said = Classifier.of(ours, every, other, every).conditions
        assert (said["tested on"], said["accuracy"], said["recall"]) == (0, None, None)
    with pytest.raises(DataError, match="found samples of shape"):
        Classifier.of(ours, every, labelled(pictures(4, 5, 5, 1), np.arange(4) % 2, ("dark", "bright")), np.arange(4))


def test_recall_is_the_mean_over_classes() -> None:
    class Always(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)

        def logits(self, features: Tensor) -> Tensor:
            return torch.tensor([1.0, 0.0, 0.0]).expand(len(features), 3)

    found = labelled(pictures(10, 2, 2, 1), np.array([0] * 8 + [1] * 2), ("a", "b", "c"))
    said = classifier.judge(Always(), (2, 2, 1), ("a", "b", "c"), found, np.arange(10), 0)  # type: ignore[arg-type]
    assert said == {"tested on": 10, "accuracy": 0.8, "recall": 0.5}


def test_without_classes_there_is_no_classifier() -> None:
    raw = pictures(10, 4, 4, 1)
    every = np.arange(10)
    for found in (Collection(raw, digest_rows(raw)), labelled(raw, np.zeros(10), ("a",)), labelled(raw, np.repeat([0, 1], 5), ("a", "b"))):
        with pytest.raises(DataError, match="at least two classes"):
            Classifier.of(found, every[:5], found, every[5:])


def test_shifts_are_whole_and_few_and_repeat_the_rim() -> None:
    x = torch.rand(40, 2, 24, 9, generator=source())
    found = classifier.shifted(x, stream(0, "a"))
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    rows, columns = torch.arange(24), torch.arange(9)
    every = torch.stack([x[:, :, (rows + d).clamp(0, 23)][..., (columns + r).clamp(0, 8)] for d, r in moves])  # [9, B, C, H, W]
    which = (every == found).flatten(2).all(2)  # [9, B]
    assert which.sum(0).eq(1).all()
    assert which.any(1).all()  # each of the moves occurs
    for still in (torch.rand(3, 2, 9, 9), torch.rand(3, 2), torch.rand(3, 2, 50)):
        assert classifier.shifted(still, stream(0, "a")) is still


def test_features_are_standardised_and_probabilities_know_it() -> None:
    torch.manual_seed(0)
    network = Network((1, 5, 5), 3).eval()
    x = torch.rand(50, 1, 5, 5)
    with torch.no_grad():
        plain = network.head(nn.functional.silu(network.hidden(x)))
        network.mean, network.spread = classifier.moments(network.hidden(x))
        features = network(x)
        torch.testing.assert_close(features.mean(0), torch.zeros(DIMENSIONS), atol=1e-5, rtol=0)
        assert features.std(0, correction=0).max() == pytest.approx(1, abs=1e-4)
        torch.testing.assert_close(network.logits(features), plain, atol=1e-5, rtol=1e-5)


def test_a_channel_that_hardly_varies_is_not_blown_up() -> None:
    x = torch.stack([torch.tensor([0.0, 2.0] * 8), 5 + 1e-6 * torch.arange(16)], 1)[..., None]  # [B, C, T]
    mean, spread = classifier.moments(x)
    torch.testing.assert_close(spread, torch.ones(2, 1))
    torch.testing.assert_close(mean, torch.tensor([[1.0], [5.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(classifier.moments(torch.ones(4, 2))[1], torch.ones(2))


def test_the_rate_rises_and_falls_to_nothing() -> None:
    rates = [classifier.rate(i / 1000) for i in range(1000)]
    peak = int(np.argmax(rates))
    assert 80 <= peak <= 110
    assert max(rates) == pytest.approx(classifier.RATE, rel=0.03)
    assert all(np.diff(rates[:peak]) > 0)
    assert all(np.diff(rates[peak:]) < 0)
    assert 0 < rates[-1] < 1e-5


def test_the_budget_follows_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "BATCH", 2)
    monkeypatch.setattr(classifier, "LEAST", 30)
    monkeypatch.setattr(classifier, "MOST", 90)
    raw, labels = pictures(20, 2, 2, 1), np.arange(20) % 2
    for count, seen in ((1, 30), (2, 30), (4, 60), (20, 90)):
        steps: list[int] = []
        members = np.arange(count) if count > 1 else np.array([0])
        classifier.train(raw, labels, members, 2, 0, lambda done, all, steps=steps: steps.append(all))
        assert len(steps) == seen // 2 == steps[-1]


# Which one


def test_names_are_checked(digits: Collection) -> None:
    with pytest.raises(ConfigError, match="did you mean 'inception'"):
        choose("incepton", *split(digits))
    with pytest.raises(ConfigError, match="the features pixels take none; inception and dinov2 do"):
        choose("pixels", *split(digits), weights="a.pth")
    assert choose("pixels", *split(digits)).name == "pixels"


def points(count: int, labels: np.ndarray | None = None) -> Collection:
    raw = np.random.default_rng(0).normal(size=(count, 2)).astype(np.float32)
    toy = Toy(raw, labels, () if labels is None else tuple(f"c{i}" for i in range(int(labels.max()) + 1)))
    digests = digest_rows(raw)
    return Collection(raw, digests, labels, toy.classes, facts=toy_facts("toy:test", toy, digests))


def test_features_of_the_wrong_kind_are_refused(digits: Collection) -> None:
    for name in ("pixels", "inception", "dinov2"):
        with pytest.raises(DataError, match=r"these features are of pictures, and a sample here has the shape \(2,\)"):
            choose(name, *split(points(30)))
    with pytest.raises(DataError, match=r"of points and lines.*Use the features pixels"):
        choose("values", *split(digits))


def test_the_default_is_what_tells_most(
    short: None, digits: Collection, pickled: Path, random_inception: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert choose(None, *split(digits)).name == "classifier"
    bare = Collection(digits.raw, digits.digests, facts=digits.facts)
    assert choose(None, *split(bare)).name == "pixels"
    assert choose(None, *split(points(300))).name == "values"
    assert choose(None, *split(points(300, np.arange(300) % 2))).name == "classifier"
    few, rare = np.arange(150) % 2, np.repeat([0, 1], [395, 5])
    assert choose(None, *split(points(150, few))).name == "values"
    assert choose(None, *split(points(400, rare))).name == "values"
    monkeypatch.setattr(inception, "state", lambda path, progress: random_inception if path == pickled else None)
    assert choose(None, *split(digits), weights=str(pickled)).name == "inception"


def test_what_is_held_out_has_no_part_in_the_training(short: None, digits: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    collection, members, _, held = split(digits)
    assert collection.labels is not None
    raw, labels = collection.raw.copy(), collection.labels.copy()
    raw[held], labels[held] = 255, 0
    arguments = (members, 10, 0, lambda done, all: None)
    honest = classifier.train(collection.raw, collection.labels, *arguments)
    assert weights.digest(classifier.train(raw, labels, *arguments).state_dict()) == weights.digest(honest.state_dict())
    raw[members] = 0
    assert weights.digest(classifier.train(raw, labels, *arguments).state_dict()) != weights.digest(honest.state_dict())
