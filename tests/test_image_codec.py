"""The codec of pictures gives back what it was given, and its tensors are where networks want them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gansmith.domains.image import IMAGE, ImageCodec, collect
from gansmith.domains.image.facts import span_of
from gansmith.errors import DataError
from gansmith.layout import Block, Layout

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))


def codec_of(raw: np.ndarray, span: tuple[float, float] | None = None) -> ImageCodec:
    lo, hi = span or span_of(raw.dtype, float(raw.min()), float(raw.max()))
    return ImageCodec(Layout((Block("pixels", raw.shape[3], "bounded"),), raw.shape[1:3]), str(raw.dtype), lo, hi)


@pytest.mark.parametrize(("dtype", "hi"), [("uint8", 255), ("uint16", 255), ("uint16", 1023), ("uint16", 4095), ("uint16", 65535)])
def test_every_whole_number_survives(dtype: str, hi: int) -> None:
    raw = np.arange(hi + 1, dtype=dtype).reshape(1, 1, -1, 1)
    codec = codec_of(raw)
    assert (codec.lo, codec.hi) == (0, hi)
    x = codec.encode(torch.from_numpy(raw))
    assert (x.min().item(), x.max().item()) == (-1, 1)
    np.testing.assert_array_equal(codec.decode(x), raw)


@given(raw=hnp.arrays(st.sampled_from([np.uint8, np.uint16]), SHAPES))
def test_pictures_of_whole_numbers_survive(raw: np.ndarray) -> None:
    codec = codec_of(raw)
    back = codec.decode(codec.encode(torch.from_numpy(raw)))
    assert back.dtype == raw.dtype
    np.testing.assert_array_equal(back, raw)


@given(raw=hnp.arrays(np.float32, SHAPES, elements=st.floats(-1e6, 1e6, width=32)))
def test_floating_point_comes_back_close(raw: np.ndarray) -> None:
    codec = codec_of(raw)
    x = codec.encode(torch.from_numpy(raw))
    half = (codec.hi - codec.lo) / 2
    assert x.abs().max() <= 1 + 1e-6 * max(1, abs(codec.lo) / half, abs(codec.hi) / half)  # a narrow range far from 0 has few digits
    np.testing.assert_allclose(codec.decode(x), raw, atol=1e-6 * max(abs(codec.lo), abs(codec.hi), codec.hi - codec.lo))


def test_a_batch_is_channels_last_and_whatever_lies_beyond_is_clamped() -> None:
    codec = codec_of(np.zeros((1, 4, 5, 3), np.uint8))
    x = codec.encode(torch.zeros(2, 4, 5, 3, dtype=torch.uint8))
    assert x.shape == (2, 3, 4, 5)
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert codec.decode(torch.full((1, 3, 4, 5), 9.0)).min() == 255
    assert codec.decode(torch.full((1, 3, 4, 5), -9.0, dtype=torch.bfloat16, requires_grad=True)).max() == 0


def test_a_state_is_json_and_makes_an_equal_codec() -> None:
    codec = codec_of(np.zeros((1, 4, 5, 3), np.uint16), (0, 4095))
    again = IMAGE.codec(json.loads(json.dumps(codec.state())))
    assert again.state() == codec.state()
    assert again.layout == codec.layout


def test_a_wrong_shape_is_told() -> None:
    codec = codec_of(np.zeros((1, 4, 5, 3), np.uint8))
    with pytest.raises(DataError, match=r"needs \[B, 3, 4, 5\]"):
        codec.decode(torch.zeros(2, 3, 4, 4))
    with pytest.raises(DataError, match=r"needs \[B, 3, 4, 5\]"):
        codec.encode(torch.zeros(2, 4, 4, 3))


@pytest.mark.parametrize(
    ("dtype", "lo", "hi", "span"),
    [
        ("uint8", 3, 9, (0, 255)),
        ("uint16", 0, 100, (0, 255)),
        ("uint16", 0, 4095, (0, 4095)),
        ("uint16", 5, 4096, (0, 8191)),
        ("float32", 0.01, 0.99, (0, 1)),
        ("float32", -0.9, 0.8, (-1, 1)),
        ("float32", 0, 0.1, (0, 0.1)),
        ("float32", 0, 250, (0, 255)),
        ("float32", -3, 7, (-3, 7)),
        ("float32", 2, 2, (1.5, 2.5)),
        ("float32", 0, 1e-45, (-0.5, 0.5)),
    ],
)
def test_the_range_follows_the_rule(dtype: str, lo: float, hi: float, span: tuple[float, float]) -> None:
    assert span_of(np.dtype(dtype), lo, hi) == span


def test_the_layout_carries_centre_and_spread_of_the_pictures() -> None:
    raw = np.random.default_rng(0).integers(90, 140, (40, 6, 5, 3), dtype=np.uint8) + np.array([0, 20, 60], np.uint8)
    codec = ImageCodec.fit(collect(raw))
    (pixels,), x = codec.layout.blocks, codec.encode(torch.from_numpy(raw))
    assert pixels.centre == pytest.approx(x.mean().item(), rel=1e-5)
    assert pixels.spread == pytest.approx(x.std(correction=0).item(), rel=1e-5)
