"""What `describe` shows of a table, and what is noticed in it beside what reading it has shown.

Codes: T113 rows that repeat another, T114 skewed columns, T115 a column that tells the target, T116 imbalance of the target, T117 columns
that are mostly missing, T118 few rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gansmith.domains.table.columns import FEWEST
from gansmith.domains.table.schema import Column, Schema
from gansmith.records import Finding

SPIKE = 0.02  # share of the rows from which a value of its own is a spike
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
SHOWN = 20  # levels of a category that are listed
SKEWED = 5.0
FEW = 500  # rows; below it a generator has little to learn from
SMALLEST = 10  # rows of a class
SAME = 1 - 1e-9  # correlation of two columns that are one


def facts(kind: str, raw: np.ndarray, schema: Schema, digests: np.ndarray) -> dict[str, Any]:
    """JSON-able measures of raw [N, M]. `digests` uint64 [N] of its rows; ids and text are 0 in raw, so rows that differ in them alone
    count as equal. `target` tells of the column to predict: {"name", "told by": columns that determine it}; None without one."""
    columns = {column.name: column_facts(raw[:, m], column) for m, column in enumerate(schema.columns)}
    learned = [c for c in columns.values() if "range" in c]
    counts = target_counts(raw, schema)
    present = [n for n in counts.values() if n]
    return {
        "kind": kind,
        "count": len(raw),
        "shape": [raw.shape[1]],
        "dtype": str(raw.dtype),
        "range": [min((c["range"][0] for c in learned), default=0.0), max((c["range"][1] for c in learned), default=0.0)],
        "schema": schema.to_dict(),
        "columns": columns,
        "repeats": True,
        "duplicates": int(len(raw) - len(np.unique(digests))),
        "classes": counts,
        "imbalance": max(present) / min(present) if present else None,
        "fingerprint": hashlib.blake2b(digests.astype("<u8").tobytes(), digest_size=16).hexdigest(),
        "target": {"name": schema.target, "told by": tells_target(raw, schema)} if schema.target is not None else None,
    }


def column_facts(values: np.ndarray, column: Column) -> dict[str, Any]:
    """JSON-able measures of one column of raw, values [N] with NaN for missing.

    kind, missing (share); of a learned column also distinct, range and spikes ([[value, share], ...]: what stands in at least SPIKE of
    the rows, most frequent first); of numbers and dates quantiles, mean, std, skew; of categories and booleans the top levels with counts.
    """
    found: dict[str, Any] = {"kind": column.kind, "missing": column.missing}
    if not column.learned:
        return found
    values = np.asarray(values, np.float64)
    there = np.sort(values[~np.isnan(values)])
    found["missing"] = 1 - len(there) / max(1, len(values))
    known, counts = np.unique(there, return_counts=True)
    found["distinct"] = len(known)
    order = np.argsort(-counts, kind="stable")
    if not column.numeric:
        levels = {column.levels[int(known[i])]: int(counts[i]) for i in order[:SHOWN]}
        return {**found, "levels": levels, "range": [0.0, float(max(0, len(column.levels) - 1))]}
    frequent = [i for i in order[: math.ceil(1 / SPIKE)] if counts[i] >= SPIKE * len(values)]
    found["spikes"] = [[float(known[i]), float(counts[i] / len(values))] for i in frequent]
    if len(there):
        found["range"] = [float(there[0]), float(there[-1])]
        found["quantiles"] = {str(q): float(there[round(q * (len(there) - 1))]) for q in QUANTILES}
        found |= moments(there)
    return found


def moments(values: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation and skewness (third standardised moment; 0 where nothing varies)."""
    scale = float(np.abs(values).max()) or 1.0  # 1e300 has a square all the same
    scaled = values / scale
    mean, std = float(scaled.mean()), float(scaled.std())
    skew = float((((scaled - mean) / std) ** 3).mean()) if std > 1e-12 else 0.0
    return {"mean": mean * scale, "std": std * scale, "skew": skew}


def target_counts(raw: np.ndarray, schema: Schema) -> dict[str, int]:
    """Rows of each level of the target, where it has levels; {} else."""
    if schema.target is None or schema[schema.target].numeric:
        return {}
    values = raw[:, schema.place(schema.target)]
    levels = schema[schema.target].levels
    counts = np.bincount(values[~np.isnan(values)].astype(np.int64), minlength=len(levels))
    return {level: int(n) for level, n in zip(levels, counts, strict=True)}


def tells_target(raw: np.ndarray, schema: Schema) -> list[str]:
    """Columns that are the target in other words: their values and its values go in pairs, or the one is the other scaled and shifted."""
    if schema.target is None:
        return []
    target = raw[:, schema.place(schema.target)]
    found = []
    for m, column in enumerate(schema.columns):
        if column.learned and column.name != schema.target:
            both = ~np.isnan(raw[:, m]) & ~np.isnan(target)
            if (np.isnan(raw[:, m]) == np.isnan(target)).all() and _same(raw[both, m], target[both]):
                found.append(column.name)
    return found


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if len(a) < 2:
        return False
    kinds_a, codes_a = np.unique(a, return_inverse=True)
    kinds_b, codes_b = np.unique(b, return_inverse=True)
    if min(len(kinds_a), len(kinds_b)) < 2:
        return False
    if 2 * len(kinds_b) <= len(b):  # values that stand but once go in pairs with anything
        return len(kinds_a) == len(kinds_b) == len(np.unique(codes_a * len(kinds_b) + codes_b))
    a, b = a / np.abs(a).max(), b / np.abs(b).max()
    return bool(a.std() > 0 and b.std() > 0 and abs(np.corrcoef(a, b)[0, 1]) > SAME)


def findings(found: Mapping[str, Any]) -> list[Finding]:
    """What the facts of a table give reason to say."""
    count, columns = found["count"], found["columns"]
    notes = []
    if count < FEW:
        message = f"there are only {count:,} rows; a generator learns little from fewer than {FEW}."
        notes.append(Finding("T118", "warning", message, "Add rows if you can.", {"count": count}))
    if found["duplicates"]:
        share = found["duplicates"] / count
        message = f"{found['duplicates']:,} of {count:,} rows are duplicates, apart from ids and free text."
        advice = "Nothing needs to be done, because each of them is held out or trained on by itself; remove them if they are unintended."
        notes.append(Finding("T113", "warning" if share > 0.05 else "note", message, advice, {"count": found["duplicates"]}))
    skewed = {name: round(c["skew"], 1) for name, c in columns.items() if abs(c.get("skew", 0.0)) > SKEWED}
    if skewed:
        message = f"long tails in {_listed(skewed)} (skewness)."
        notes.append(Finding("T114", "note", message, "Nothing needs to be done: bins follow the quantiles.", {"columns": skewed}))
    missing = {name: round(c["missing"], 3) for name, c in columns.items() if "range" in c and c["missing"] > 0.5}
    if missing:
        message = f"more than half of the values are missing in {_listed(missing)} (share)."
        notes.append(Finding("T117", "note", message, "Leave the column out if it is not informative.", {"columns": missing}))
    return notes + _target_findings(found)


def _target_findings(found: Mapping[str, Any]) -> list[Finding]:
    notes = []
    if found["target"] and (told := found["target"]["told by"]):
        message = (
            f"{', '.join(map(repr, told[:5]))} {'is' if len(told) == 1 else 'are'} equivalent to the target {found['target']['name']!r}."
        )
        advice = "Leave it out: any model that sees it knows the answer."
        notes.append(Finding("T115", "warning", message, advice, {"columns": told}))
    counts = {name: n for name, n in found["classes"].items() if n}
    if counts and (found["imbalance"] >= 5 or min(counts.values()) < SMALLEST):
        most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        message = f"{most!r} occurs in {counts[most]:,} rows, {least!r} in {counts[least]:,}."
        severe = found["imbalance"] >= 20 or counts[least] < SMALLEST
        advice = "Samples of the rare class will vary less; add rows of it if you can."
        if gone := [name for name, n in counts.items() if n < FEWEST]:
            message += f" Classes of fewer than {FEWEST} rows are never generated and cannot be requested: {', '.join(map(repr, gone[:8]))}"
            message += ", …." if len(gone) > 8 else "."
            advice = "Add rows of them if you can."
        notes.append(Finding("T116", "warning" if severe else "note", message, advice, {"ratio": found["imbalance"]}))
    return notes


def _listed(values: Mapping[str, float]) -> str:
    most = sorted(values.items(), key=lambda item: -abs(item[1]))
    return ", ".join(f"{name} ({value:g})" for name, value in most[:8]) + (", …" if len(most) > 8 else "")
