"""A small table with a column of every sort, and runs on it that a test can afford."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import gansmith
import tiny
from gansmith.verbs.run import Run

ROWS = 600
PLANS = {"basic": 1, "plus": 2, "pro": 3}  # the one tells the other, and both are missing in the same rows
SETTINGS: dict[str, Any] = {
    **{k: v for k, v in tiny.SETTINGS.items() if not k.startswith("network.")},
    "data.target": "churn",
    "network.width": 32,
    "run.batch": 100,
    "run.samples": 3_000,
    "run.report": False,
}


def frame(rows: int = ROWS) -> pd.DataFrame:
    """Customers. `since` is before `until` in every row; `spend` is 0 in a third of them."""
    source = np.random.default_rng(0)
    plan = source.permutation(np.resize(list(PLANS), rows)).astype(object)
    since = source.integers(0, 300, rows)
    plan[source.random(rows) < 0.05] = None
    age = source.integers(18, 60, rows).astype(object)
    age[source.random(rows) < 0.1] = None
    return pd.DataFrame(
        {
            "id": np.arange(1001, 1001 + rows),
            "plan": plan,
            "plan_no": pd.array([PLANS.get(p, pd.NA) for p in plan], "Int64"),
            "age": pd.array(age, "Int64"),
            "spend": np.where(source.random(rows) < 0.3, 0.0, source.lognormal(3, 1, rows).round(2)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(since, "D"),
            "until": pd.Timestamp("2020-01-02") + pd.to_timedelta(since + source.integers(0, 200, rows), "D"),
            "member": source.random(rows) < 0.5,
            "wishes": [f"wishes of customer {i}: {source.integers(1e9)}" for i in range(rows)],
            "currency": "EUR",
            "churn": np.where(source.random(rows) < 0.2 + 0.1 * (plan == "pro"), "yes", "no"),
        }
    )


def written(folder: Path, rows: int = ROWS) -> tuple[Path, Path]:
    """The table as a file, and what is declared of it as another."""
    frame(rows).to_csv(folder / "customers.csv", index=False)
    (folder / "schema.json").write_text(json.dumps({"constraints": [{"relation": "less", "columns": ["since", "until"]}]}))
    return folder / "customers.csv", folder / "schema.json"


def trained(folder: Path, settings: Mapping[str, Any] | None = None, **more: Any) -> Run:
    """A run on the file, with what is declared of it."""
    data, schema = written(folder)
    return gansmith.train(data, runs=folder / "runs", settings={**SETTINGS, "data.table_schema": str(schema), **(settings or {})}, **more)


def assert_whole(made: pd.DataFrame) -> None:
    """What holds in every row of the data holds in every row that was made."""
    told = made[made["plan"].notna()]
    assert (told["plan"].astype(object).map(PLANS) == told["plan_no"]).all()
    assert made.loc[made["plan"].isna(), "plan_no"].isna().all()
    assert (pd.to_datetime(made["since"]) < pd.to_datetime(made["until"])).all()
    assert (made["currency"] == "EUR").all()
