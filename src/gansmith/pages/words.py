"""Numbers and values in words a reader can take in."""

from __future__ import annotations

import math
from typing import Any

from gansmith.records import Estimate

LISTED = 24  # entries of a list at most


def number(value: float | None) -> str:
    """A measured value to three significant digits: 0.0120, 12.3, 1,234; '–' where there is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not finite"
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value + 0.0:#.3g}".rstrip(".")
    return text.replace("-", "−")


def interval(estimate: Estimate, sign: bool = False) -> str:
    """'0.812 (0.801 to 0.823)', with as many decimals as its width deserves; `sign` also writes +."""
    low, value, high = (_beside(v, estimate, "+" if sign else "") for v in (estimate.low, estimate.value, estimate.high))
    return f"{value} ({low} to {high})"


def control(value: float | None, estimate: Estimate) -> str:
    """A value to be read beside an estimate, with the same decimals; '–' where there is none."""
    return number(value) if value is None else _beside(value, estimate)


def _beside(value: float, estimate: Estimate, sign: str = "") -> str:
    width = estimate.high - estimate.low
    if not (math.isfinite(value) and math.isfinite(width) and width > 0):
        return number(value)
    decimals = min(max(1 - math.floor(math.log10(width)), 0), 6)
    return format(round(value, decimals) + 0.0, f"{sign},.{decimals}f").replace("-", "−")  # + 0.0: no minus before a zero


def count(value: float) -> str:
    """1234567890 as '1.23 G', 1234567 as '1.23 M', 12345 as '12,345'."""
    if abs(value) >= 0.9995e9:  # what rounds to 1 G is no 1,000 M
        return f"{value / 1e9:.3g} G"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """'3 h 05 min', '4 min 10 s', '12 s'."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def capital(text: str) -> str:
    """With a capital first letter and the others as they are."""
    return text[:1].upper() + text[1:]


def plain(value: Any) -> str:
    """A setting, a condition or a fact on one line."""
    if value is None or value == "" or value == [] or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return _listed([f"{k}: {plain(v)}" for k, v in value.items()])
    if isinstance(value, list | tuple):
        return _listed([plain(v) for v in value])
    return str(value)


def _listed(several: list[str]) -> str:
    return ", ".join(several[:LISTED]) + (f", … ({len(several):,} in all)" if len(several) > LISTED else "")
