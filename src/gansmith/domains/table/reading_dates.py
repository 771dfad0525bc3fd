"""Dates and times as they are written. A form is that of strftime, and two things more: "%-d" has no leading zero, "%3f" is milliseconds.

"%z" in a form writes UTC. A zone that stands in every cell alike is written out at the end of the form: "%Y-%m-%dT%H:%M:%S+02:00".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date
from functools import cache

import numpy as np

DAY = 86_400
STEPS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001, 0.000001)  # seconds
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BARE = "dmHI"  # fields that may go without a leading zero

_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y"),
)
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
_ZONED = tuple(f"{time}{gap}%z" for time in _TIMES[:3] for gap in ("", " "))
FORMS = (  # in the order in which they are preferred
    *_DATES,
    *_TIMES,
    *(f"{day}{gap}{time}" for day in _DATES for gap in (" ", "T") for time in (*_TIMES, *_ZONED)),
)
_OF_FRAMES = (*(form for form in FORMS if form.startswith("%Y-%m-%d")), *_TIMES[:3])  # no other could be meant
_FIELDS = {
    "%Y": r"(?P<Y>\d{4})",
    "%y": r"(?P<y>\d{2})",
    "%b": f"(?P<b>{'|'.join(MONTHS)})",
    "%M": r"(?P<M>\d{2})",
    "%S": r"(?P<S>\d{2})",
    "%p": "(?P<p>AM|PM|am|pm)",
    "%z": r"(?P<z>Z|[+-]\d{2}:?\d{2})",
    **{f"%{field}": rf"(?P<{field}>\d{{1,2}})" for field in BARE},
    **{f"%-{field}": rf"(?P<{field}>\d{{1,2}})" for field in BARE},
}
_FRACTION = r"(?:\.(?P<f>\d{1,9}))?"  # a whole second is often written without
_TOKEN = re.compile(r"(\.?%3?f|%-?[A-Za-z])")
_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")


def forms_of(word: str) -> list[str]:
    """All forms that a word may be written in, the preferred one first."""
    if not 3 < len(word) < 40 or not any(mark in word for mark in "-/.:, "):
        return []
    return [form for form in FORMS if not math.isnan(_seconds(word.strip(), form))]


def is_form(form: str) -> bool:
    """Whether it is a form of dates that can be read and written here."""
    tokens = [token.lstrip(".") for token in _TOKEN.findall(form)]
    letters = [token[-1] for token in tokens]
    known = all(token in _FIELDS or token in ("%f", "%3f") for token in tokens) and len(set(letters)) == len(letters)
    days = set("dmbYy") & set(letters)
    return known and bool(letters) and (not days or all(days & set(one) for one in ("d", "mb", "Yy")))


def read_dates(words: Sequence[str], form: str) -> np.ndarray:
    """float64 [k] seconds since 1970-01-01 UTC; a time without a day is one of that day; NaN for what is not of that form."""
    return np.asarray([_seconds(word.strip(), form) for word in words], np.float64)


def read_cells(words: Sequence[str], form: str) -> np.ndarray:
    """The same of cells that may come from a frame: what is not of that form is read as a frame writes dates, year first."""
    values = read_dates(words, form)
    days = "d" in _rule(form).groupindex
    for other in (f for f in _OF_FRAMES if ("%d" in f) == days):
        unread = np.flatnonzero(np.isnan(values)).tolist()
        if not unread:
            break
        values[unread] = read_dates([words[place] for place in unread], other)
    return values


def write_dates(values: Sequence[float], form: str) -> list[str]:
    """Seconds since 1970-01-01 UTC in that form; what is finer than the form tells is cut off."""
    shift = _fixed_zone(form)
    parts = _TOKEN.split(form)
    return ["".join(_part(part, fields) for part in parts) for fields in (_broken_down(value + shift) for value in values)]


def coarsest(values: np.ndarray, least: int = 0) -> int:
    """The first place in STEPS, `least` or later, whose step all seconds are multiples of, to the microsecond."""
    ticks = np.round(values * 1e6)
    while least < len(STEPS) - 1 and (ticks % round(STEPS[least] * 1e6)).any():
        least += 1
    return least


def zones_of(words: Sequence[str], form: str) -> set[str]:
    """The zones that words of a form with %z are written with."""
    return {match["z"] for word in words if (match := _rule(form).fullmatch(word.strip()))}


def bare_fields(words: Sequence[str], form: str) -> set[str]:
    """Those of BARE that some word writes with a single digit."""
    fields = [f for f in BARE if f"%{f}" in form]
    matches = [match for word in words if (match := _rule(form).fullmatch(word.strip()))]
    return {f for f in fields if any(len(match[f]) == 1 for match in matches)}


def final_form(form: str, zones: set[str], bare: set[str], step: float) -> str:
    """A form with what its words have shown: a zone that all share, single digits, milliseconds."""
    if len(zones) == 1:
        form = form.replace("%z", next(iter(zones)))
    for field in bare:
        form = form.replace(f"%{field}", f"%-{field}")
    return form.replace("%f", "%3f") if step >= 0.001 else form


@cache
def _rule(form: str) -> re.Pattern[str]:
    parts = [
        _FRACTION
        if part.startswith(".%")
        else r"(?P<f>\d{1,9})"
        if part.endswith("f") and part.startswith("%")
        else _FIELDS[part]
        if part in _FIELDS
        else re.escape(part)
        for part in _TOKEN.split(form)
    ]
    return re.compile("".join(parts))


@cache
def _fixed_zone(form: str) -> int:
    """Seconds that a zone written out at the end of a form is ahead of UTC."""
    match = _ZONE.search(form)
    return _offset(match[1]) if match else 0


def _seconds(word: str, form: str) -> float:
    match = _rule(form).fullmatch(word)
    if match is None:
        return math.nan
    found = match.groupdict()
    hour = int(found.get("H") or found.get("I") or 0)
    if "p" in found:
        if not 1 <= hour <= 12:
            return math.nan
        hour = hour % 12 + (12 if found["p"] in ("PM", "pm") else 0)
    minute, second = int(found.get("M") or 0), int(found.get("S") or 0)
    if hour > 23 or minute > 59 or second > 59:
        return math.nan
    try:
        day = _days(found) if "d" in found else 0
    except ValueError:  # 30 February
        return math.nan
    fraction = float(f"0.{found['f']}") if found.get("f") else 0.0
    zone = _offset(found["z"]) if "z" in found else _fixed_zone(form)
    return day * DAY + hour * 3600 + minute * 60 + second + fraction - zone


def _days(found: dict[str, str]) -> int:
    if "Y" in found:
        year = int(found["Y"])
    else:
        year = int(found["y"]) + (1900 if int(found["y"]) >= 69 else 2000)  # as POSIX has it
    month = MONTHS.index(found["b"]) + 1 if "b" in found else int(found["m"])
    return date(year, month, int(found["d"])).toordinal() - _EPOCH


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    return (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)


def _broken_down(seconds: float) -> dict[str, str]:
    ticks = round(seconds * 1e6)
    days, rest = divmod(ticks, DAY * 1_000_000)
    day = date.fromordinal(min(max(days + _EPOCH, 1), date.max.toordinal()))
    hour, rest = divmod(rest, 3_600_000_000)
    minute, rest = divmod(rest, 60_000_000)
    second, micro = divmod(rest, 1_000_000)
    numbers = {"m": day.month, "d": day.day, "H": hour, "I": (hour - 1) % 12 + 1}
    return {
        "%Y": f"{day.year:04}",
        "%y": f"{day.year % 100:02}",
        "%b": MONTHS[day.month - 1],
        "%M": f"{minute:02}",
        "%S": f"{second:02}",
        "%f": f"{micro:06}",
        "%3f": f"{micro // 1000:03}",
        "%p": "AM" if hour < 12 else "PM",
        "%z": "+0000",
        **{f"%{field}": f"{number:02}" for field, number in numbers.items()},
        **{f"%-{field}": str(number) for field, number in numbers.items()},
    }


def _part(part: str, fields: dict[str, str]) -> str:
    return f".{fields[part[1:]]}" if part.startswith(".%") else fields.get(part, part)


_EPOCH = date(1970, 1, 1).toordinal()
