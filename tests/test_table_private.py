"""What a codec tells of a table, and so an exported generator: nothing that fewer rows hold than are kept."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given as examples
from hypothesis import strategies as st

import gansmith
from gansmith.domains.table.codec import TableCodec
from gansmith.domains.table.columns import FEWEST, _roundest
from gansmith.domains.table.schema import Column, Schema
from gansmith.errors import ConfigError


def fitted(values: np.ndarray, step: float | None = None) -> TableCodec:
    column = Column("a", "number", step=step, lowest=float(np.nanmin(values)), highest=float(np.nanmax(values)))
    return TableCodec.fit(values[:, None], Schema((column,)))


def numbers(state: object) -> list[float]:
    """All that stand in it."""
    if isinstance(state, dict):
        return [n for value in state.values() for n in numbers(value)]
    if isinstance(state, list):
        return [n for value in state for n in numbers(value)]
    return [float(state)] if isinstance(state, int | float) and not isinstance(state, bool) else []


def drawn(codec: TableCodec, rows: int = 20_000) -> np.ndarray:
    """Values of a choice as often as its share, uniform within."""
    source = torch.Generator().manual_seed(0)
    shares = torch.tensor(codec.layout.blocks[0].shares)
    x = torch.zeros(rows, codec.layout.channels)
    x[torch.arange(rows), torch.multinomial(shares, rows, True, generator=source)] = 1.0
    x[:, -1] = torch.rand(rows, generator=source) * 2 - 1
    return codec.decode(x)[:, 0]


@pytest.mark.parametrize("rows", [12, 60, 400, 5000])
@pytest.mark.parametrize("shape", ["normal", "heavy tail", "two clusters", "spikes"])
def test_no_number_of_a_codec_is_the_value_of_a_few_rows(rows: int, shape: str) -> None:
    source = np.random.default_rng(rows)
    values = {
        "normal": lambda: source.normal(50, 7, rows),
        "heavy tail": lambda: source.pareto(0.7, rows),
        "two clusters": lambda: source.normal(0, 0.01, rows) + 100 * source.integers(0, 2, rows),
        "spikes": lambda: np.where(source.random(rows) < 0.5, 11.3 + 3.217 * source.integers(0, 3, rows), 10 + source.exponential(2, rows)),
    }[shape]()
    known, counts = np.unique(values, return_counts=True)
    few = set(known[counts < FEWEST].tolist())
    assert few.isdisjoint(numbers(json.loads(json.dumps(fitted(values).state()))))


def test_an_outlier_neither_shows_nor_stretches_a_bin() -> None:
    plain = np.round(np.random.default_rng(0).lognormal(10, 0.5, 3000))
    codec = fitted(np.append(plain, [1e9, 2.5e9]), 1.0)
    made = drawn(codec)
    assert made.max() <= np.sort(plain)[-2]
    assert made.mean() == pytest.approx(plain.mean(), rel=0.02)
    assert made.std() == pytest.approx(plain.std(), rel=0.05)
    far = codec.decode(codec.encode(torch.tensor([[2.5e9]], dtype=torch.float64)))
    assert made.max() <= far[0, 0] == codec.schema.columns[0].highest <= np.sort(plain)[-2]


@examples(st.integers(-(10**9), 10**9).map(lambda n: n / 1000), st.floats(1e-3, 1e6), st.sampled_from([None, 1.0, 0.01, 86_400.0]))
def test_the_roundest_number_of_a_stretch(low: float, width: float, step: float | None) -> None:
    if step is not None:
        low, width = round(low / step) * step, round(width / step) * step
    high = low + width
    (found,) = _roundest(np.array([low]), np.array([high]), np.array([low]), step).tolist()
    slack = 1e-9 * max(abs(low), abs(high), 1.0)
    assert low - slack <= found <= high + slack
    if step is not None:
        assert found / step == pytest.approx(round(found / step), abs=1e-5)
    unit = 10.0 ** math.floor(math.log10(min(width, max(abs(low), abs(high))))) if width else 0.0  # round 0 both ends are shorter
    if unit >= (step or 0.0) and high > low and step in (None, 1.0):  # so wide a stretch has a multiple of it
        assert found / unit == pytest.approx(round(found / unit), abs=1e-5)


def test_levels_of_a_few_rows_have_no_name() -> None:
    values = np.repeat([0.0, 1.0, 2.0], [500, 300, FEWEST - 1])
    column = Column("job", "category", ("clerk", "smith", "astronaut"))
    codec = TableCodec.fit(values[:, None], Schema((column,)))
    assert "astronaut" not in json.dumps(codec.state())
    assert codec.schema.columns[0].levels == ("clerk", "smith", "")
    assert TableCodec.from_state(codec.state()).schema == codec.schema
    with pytest.raises(ConfigError, match="has no level 'astronaut'"):
        codec.where("job=astronaut")
    assert codec.frame(np.array([[1.0], [0.0]])).iloc[:, 0].cat.categories.tolist() == ["clerk", "smith"]
    assert codec.encode(torch.from_numpy(values[-1:, None])).sum() == 1  # a row of it is of the nearest


def test_a_cell_that_holds_what_is_not_kept_stays_when_others_are_filled_in(tmp_path: Path) -> None:
    source = np.random.default_rng(0)
    frame = pd.DataFrame({"job": source.choice(["clerk", "smith"], 400), "pay": source.normal(50, 10, 400).round(1)})
    frame.loc[:1, "job"] = "astronaut"
    run = gansmith.train(frame, samples=2_000, runs=tmp_path, settings={"run.report": False, "machine.workers": 1})
    holes = pd.DataFrame({"job": ["astronaut", None], "pay": [None, 50.5]})
    filled = pd.read_csv(gansmith.impute(run.path, holes, out=tmp_path / "filled.csv"))
    assert filled["job"].tolist()[0] == "astronaut"
    assert filled["job"][1] in ("clerk", "smith")
    assert filled["pay"].notna().all()
    assert "astronaut" not in (run.path / "generator" / "codec.json").read_text()
