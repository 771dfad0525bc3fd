"""The benchmarks of mode coverage: their measures in closed form, and a small version of each from end to end."""

from __future__ import annotations

import gzip
import json
import math
import struct
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith import runs

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import modes
    import pairs
    import pictures
    import stacked

ONE = ("--set", "machine.threads=1", "--set", "machine.workers=1")


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, words)])
    module.main()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_counted_of_points() -> None:
    centres = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    even = np.repeat(centres, 10, 0)
    found = modes.count(even, centres, 0.01)
    assert (found["modes"], found["hq"], found["kl"], found["kl_all"]) == (4, 1.0, 0.0, 0.0)
    two = np.concatenate([np.repeat(centres[:2], 10, 0), [[0.5, 0.0], [1.0, 0.031]]])  # between two modes, and just too far off
    found = modes.count(two, centres, 0.01)
    assert found["modes"] == 2
    assert found["hq"] == pytest.approx(20 / 22)
    assert found["kl"] == pytest.approx(math.log(2))  # half of all modes, evenly
    apart = modes.count(centres + np.array([0.02, 0.0]), centres, 0.01)
    assert apart["width"] == pytest.approx(math.sqrt(2))  # deviation over both directions, in that of the data


@given(st.text(min_size=1, max_size=300))
def test_a_run_folder_keeps_the_name_that_a_benchmark_looks_for(text: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        name = pictures.title(f"ring-{text}")
        assert runs.create(Path(place), name).path.name == f"{name}-1"


def test_long_names_that_differ_at_their_ends_differ() -> None:
    assert len({pictures.title("a" * 200 + end) for end in "bcd"}) == 3


def test_what_is_counted_of_digits() -> None:
    assert stacked.counted(np.arange(1000)) == (1000, 0.0)
    count, kl = stacked.counted(np.zeros(50, np.int64))
    assert count == 1
    assert kl == pytest.approx(math.log(1000))


@pytest.mark.parametrize("size", ["quarter", "half", "dcgan"])
def test_networks_of_the_protocol(size: str) -> None:
    generator, critic, latent = stacked.networks(size, 0)
    x = generator(torch.randn(2, latent))
    assert x.shape == (2, 3, 28, 28)
    assert x.abs().max() <= 1
    assert critic(x).shape == (2, 1)
    again = stacked.networks(size, 0)[0]
    assert all(torch.equal(a, b) for a, b in zip(generator.parameters(), again.parameters(), strict=True))
    assert not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in critic.modules())


def test_mixtures_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "modes.jsonl"
    words = ("ring", "--samples", "4k", "--work", tmp_path, "--out", out)
    run(modes, monkeypatch, *words)
    (line,) = lines(out)
    assert (line["data"], line["seed"], line["seen"] >= 4000) == ("ring", 0, True)
    assert 0 <= line["hq"] <= 1
    assert line["perfect"]["modes"] == 8
    run(modes, monkeypatch, *words)  # it is there
    assert lines(out) == [line]
    assert "a perfect sampler" in capsys.readouterr().out


def test_pairs_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pairs.jsonl"
    chosen = ("--losses", "minimax", "relativistic", "--penalties", "none", "R1 + R2")
    run(pairs, monkeypatch, "ring", "--samples", "3k", *chosen, "--work", tmp_path, "--out", out)
    assert [(d["loss"], d["penalty"]) for d in lines(out)] == [(a, b) for a in ("minimax", "relativistic") for b in ("none", "R1 + R2")]
    assert "| ring, 8 modes | none | R1 + R2 |" in capsys.readouterr().out


def test_stacked_digits_in_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from sklearn.datasets import load_digits

    small, names = load_digits(return_X_y=True)
    pictures = np.pad(np.kron((small.reshape(-1, 8, 8) * 15).astype(np.uint8), np.ones((1, 3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))
    (tmp_path / "mnist").mkdir()
    for part, some in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        for kind, values in (("images-idx3", pictures[some]), ("labels-idx1", names[some].astype(np.uint8))):
            head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            (tmp_path / "mnist" / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))
    for name, value in {"DRAWN": 400, "JUDGED": dict.fromkeys(stacked.JUDGED, 100), "PERFECT": 100, "ENOUGH": 0.0}.items():
        monkeypatch.setattr(stacked, name, value)
    out = tmp_path / "stacked.jsonl"
    words = ("quarter", "--samples", "400", "--data", tmp_path, "--work", tmp_path / "work", "--out", out, *ONE)
    run(stacked, monkeypatch, *words)
    (line,) = lines(out)
    assert 1 <= line["modes"] <= 100
    assert math.log(10) - 1e-9 <= line["kl"] <= math.log(1000) + 1e-9  # a hundred pictures reach at most a tenth of the modes
    assert next((tmp_path / "work").rglob("quarter-*.png")).stat().st_size
    run(stacked, monkeypatch, *words)
    assert lines(out) == [line]

    out = tmp_path / "pairs.jsonl"
    words = ("stacked", "--samples", "400", "--data", tmp_path, "--work", tmp_path / "work", "--out", out)
    run(pairs, monkeypatch, *words, "--losses", "hinge", "--penalties", "spectral norm", "R1")
    (line,) = lines(out)  # networks of one's own bear no spectral norm
    assert (line["loss"], line["penalty"], 1 <= line["modes"] <= 100) == ("hinge", "R1", True)
    assert f"| hinge | {line['modes']}, KL {line['kl']:.2f}" in capsys.readouterr().out
