"""Dates and times as they are written. A form is that of strftime, and some things more: "%-d" has no leading zero; "%^b" and "%_b" are
months in capitals and in small letters, "%P" am and pm; "%3f" is milliseconds, ".%-f" a fraction whose zeros are cut and ".%-3f" one that
a whole second goes without.

"%z" in a form writes UTC as +0000, "%:z" as +00:00. A zone that stands in every cell alike is written out at the end of the form:
"%Y-%m-%dT%H:%M:%S+02:00". A time without a day may have more than 24 hours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import NamedTuple

import numpy as np

DAY = 86_400
STEPS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001, 0.000001)  # seconds
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BARE = "dmHI"  # fields that may go without a leading zero

_DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y"),
    *("%d-%b-%y", "%d/%b/%Y", "%d%b%Y", "%d %B %Y", "%B %d, %Y", "%b %d %Y", "%a, %d %b %Y", "%A, %d %B %Y", "%A, %B %d, %Y"),
)
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H:%M:%S,%f", "%I:%M%p", "%I:%M:%S%p")
_ZONED = tuple(f"{time}{gap}%z" for time in _TIMES[:3] for gap in ("", " "))
_HALF_ZONED = tuple(f"{time} %z" for time in _TIMES[3:5])
_GAPS = (" ", "T", ", ")
_COMPACT = tuple(f"%Y%m%d{gap}{time}" for gap in ("", "T", " ") for time in ("%H%M", "%H%M%S", "%H%M%S%z"))
FORMS = (  # in the order in which they are preferred
    *_DATES,
    *_TIMES,
    *(f"{day}{gap}{time}" for day in _DATES for gap in _GAPS for time in (*_TIMES, *_ZONED, *_HALF_ZONED)),
    *("%Y%m%d", *_COMPACT),
)
_OF_FRAMES = ("%Y-%m-%d", *_TIMES[:3], *(f"%Y-%m-%d{gap}{time}" for gap in " T" for time in (*_TIMES[:3], *_ZONED)))  # as frames write
_ZONES = r"Z|(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d{2})?)?|[+-]\d{2}(?::?\d{2})?"
_FIELDS = {
    "%Y": r"(?P<Y>\d{4})",
    "%y": r"(?P<y>\d{2})",
    **{f"%{case}b": f"(?P<b>(?i:{'|'.join(name[:3] for name in MONTHS)}))" for case in ("", "^", "_")},
    **{f"%{case}B": f"(?P<b>(?i:{'|'.join(MONTHS)}))" for case in ("", "^", "_")},
    "%a": f"(?P<a>{'|'.join(name[:3] for name in WEEKDAYS)})",
    "%A": f"(?P<a>{'|'.join(WEEKDAYS)})",
    "%M": r"(?P<M>\d{2})",
    "%S": r"(?P<S>\d{2})",
    **{f"%{half}": "(?P<p>AM|PM|am|pm)" for half in "pP"},
    **{field: f"(?P<z>{_ZONES})" for field in ("%z", "%:z")},
    **{f"%{field}": rf"(?P<{field}>\d{{1,2}})" for field in BARE},
    **{f"%-{field}": rf"(?P<{field}>\d{{1,2}})" for field in BARE},
}
_TOKEN = re.compile(r"([.,]?%-?[1-6]?f|%[-^_:]?[A-Za-z])")
_ZONE = re.compile(f"({_ZONES})$")
_AHEAD = re.compile(r"([+-])(\d{1,2}):?(\d{2})?$")  # of UTC


@dataclass
class Manner:
    """How words of one form are written, in what the form leaves open.

    zones     as they are written
    bare      those of BARE that some word writes with a single digit
    months    "^" for capitals, "_" for small letters, "" for others; `halves`: "p" for AM and PM, "P" for am and pm
    decimals  digits of the fractions of a second, 0 where there is none; `padded`: some fraction ends with a zero
    """

    zones: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    months: set[str] = field(default_factory=set)
    halves: set[str] = field(default_factory=set)
    decimals: set[int] = field(default_factory=set)
    padded: bool = False

    def add(self, words: Sequence[str], form: str) -> None:
        """More words, all of that form."""
        rule = _rule(form)
        bare = [field for field in BARE if field in rule.groupindex]
        for match in filter(None, (rule.fullmatch(word.strip()) for word in words)):
            self.bare.update(field for field in bare if len(match[field]) == 1)
            if "z" in rule.groupindex:
                self.zones.add(match["z"])
            if "b" in rule.groupindex:
                self.months.add("^" if match["b"].isupper() else "_" if match["b"].islower() else "")
            if "p" in rule.groupindex:
                self.halves.add("p" if match["p"].isupper() else "P")
            if "f" in rule.groupindex:
                self.decimals.add(len(match["f"] or ""))
                self.padded |= (match["f"] or "").endswith("0")

    @property
    def finest(self) -> float:
        """Seconds that the last digit of the fractions counts."""
        return 10.0 ** -min(6, max(self.decimals, default=6))


def forms_of(word: str) -> list[str]:
    """All forms that a word may be written in, the preferred one first."""
    word = word.strip()
    return [form for form in _likely(word) if not math.isnan(_seconds(word, form))] if 3 < len(word) < 60 else []


def _likely(word: str) -> Iterator[str]:
    """Those of FORMS that a word may be of, in their order, found by its parts: there are very many."""
    behind = [(form, word[match.end() :]) for form in _DATES if (match := _rule(form).match(word))]
    times = (*_TIMES, *_ZONED, *_HALF_ZONED)
    yield from (form for form, rest in behind if not rest)
    yield from (form for form in _TIMES if _rule(form).fullmatch(word))
    for day, rest in behind:
        for gap in _GAPS:
            if rest.startswith(gap):
                yield from (f"{day}{gap}{time}" for time in times if _rule(time).fullmatch(rest[len(gap) :]))
    if word[:8].isdecimal():
        yield from ("%Y%m%d", *_COMPACT)


def is_form(form: str) -> bool:
    """Whether it is a form of dates that can be read and written here."""
    tokens = _TOKEN.findall(form)
    letters = [token[-1] for token in tokens]
    known = all(token in _FIELDS or (token.endswith("f") and (token[0] != "%" or "-" not in token)) for token in tokens)
    days = set("dmbBYy") & set(letters)
    whole = not days or all(days & set(one) for one in ("d", "mbB", "Yy"))
    return known and bool(letters) and len(set(letters)) == len(letters) and whole


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
    shift = fixed_zone(form) or 0
    days, writers = has_day(form), [_writer(part) for part in _TOKEN.split(form) if part]
    return ["".join([write(moment) for write in writers]) for moment in (_broken_down(value + shift, days) for value in values)]


def _writer(part: str) -> Callable[[_Moment], str]:
    if _TOKEN.fullmatch(part) and part.endswith("f"):
        return lambda moment: _fraction_of(part, moment.micro)
    return _WRITERS.get(part, lambda moment: part)


def coarsest(values: np.ndarray, least: int = 0) -> int:
    """The first place in STEPS, `least` or later, whose step all seconds are multiples of, to the microsecond."""
    ticks = np.round(values * 1e6)
    while least < len(STEPS) - 1 and (ticks % round(STEPS[least] * 1e6)).any():
        least += 1
    return least


def names_zone(form: str) -> bool:
    """Whether each cell of a form names its zone."""
    return "z" in _rule(form).groupindex or fixed_zone(form) is not None


def has_day(form: str) -> bool:
    """Whether a form has days, and not only the time of one."""
    return "d" in _rule(form).groupindex


def final_form(form: str, manner: Manner) -> str:
    """A form with what its words have shown: a zone that all share, single digits, how months and fractions are written."""
    if len(manner.zones) == 1:
        form = form.replace("%z", next(iter(manner.zones)))
    ahead = [zone for zone in manner.zones if _AHEAD.search(zone)]
    if ahead and all(":" in zone for zone in ahead):
        form = form.replace("%z", "%:z")
    for bare in manner.bare:
        form = form.replace(f"%{bare}", f"%-{bare}")
    if len(manner.months) == 1:
        form = re.sub(r"%(?=[bB])", f"%{next(iter(manner.months))}", form)
    if manner.halves == {"P"}:
        form = form.replace("%p", "%P")
    return form.replace("%f", _fraction(manner))


def _fraction(manner: Manner) -> str:
    lengths = manner.decimals - {0}
    longest = min(6, max(lengths, default=6))
    if len(lengths) > 1 and not manner.padded:
        return "%-f"
    return f"%{'-' if 0 in manner.decimals else ''}{longest}f".replace("%6f", "%f")


@cache
def _rule(form: str) -> re.Pattern[str]:
    parts = _TOKEN.split(form)  # what stands between fields, and fields, in turn
    found = [re.escape(part) for part in parts]
    days = bool(re.search("%-?d", form))
    for place in range(1, len(parts), 2):
        field = parts[place]
        beside = (parts[place - 1] == "" and place > 1) or (parts[place + 1] == "" and place < len(parts) - 2)
        if field.endswith("f"):  # of a whole second it is often not written
            found[place] = rf"(?:[{field[0]}](?P<f>\d{{1,9}}))?" if field[0] != "%" else r"(?P<f>\d{1,9})"
        elif field in ("%H", "%-H") and not days:
            found[place] = r"(?P<H>\d+)"
        else:
            found[place] = _FIELDS[field].replace("{1,2}", "{2}") if beside else _FIELDS[field]
    return re.compile("".join(found))


@cache
def fixed_zone(form: str) -> int | None:
    """Seconds that a zone written out at the end of a form is ahead of UTC; None where there is none."""
    match = _ZONE.search(form)
    return _offset(match[1]) if match else None


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
    if (hour > 23 and "d" in found) or minute > 59 or second > 59:
        return math.nan
    try:
        day = _days(found) if "d" in found else 0
    except ValueError:  # 30 February
        return math.nan
    fraction = float(f"0.{found['f']}") if found.get("f") else 0.0
    zone = _offset(found["z"]) if "z" in found else fixed_zone(form) or 0
    return day * DAY + hour * 3600 + minute * 60 + second + fraction - zone


def _days(found: dict[str, str]) -> int:
    if "Y" in found:
        year = int(found["Y"])
    else:
        year = int(found["y"]) + (1900 if int(found["y"]) >= 69 else 2000)  # as POSIX has it
    month = _MONTH[found["b"][:3].lower()] if "b" in found else int(found["m"])
    day = date(year, month, int(found["d"]))
    if "a" in found and not WEEKDAYS[day.weekday()].startswith(found["a"]):
        raise ValueError("another day of the week")
    return day.toordinal() - _EPOCH


def _offset(zone: str) -> int:
    match = _AHEAD.search(zone)
    return (1 if match[1] == "+" else -1) * (int(match[2]) * 3600 + int(match[3] or 0) * 60) if match else 0


class _Moment(NamedTuple):
    day: date
    hours: int  # since the day of a form began, or all of a time without a day
    minute: int
    second: int
    micro: int


def _broken_down(seconds: float, has_day: bool) -> _Moment:
    days, rest = divmod(round(seconds * 1e6), DAY * 1_000_000)
    day = date.fromordinal(min(max(days + _EPOCH, 1), date.max.toordinal()))
    hour, rest = divmod(rest, 3_600_000_000)
    minute, rest = divmod(rest, 60_000_000)
    second, micro = divmod(rest, 1_000_000)
    return _Moment(day, hour if has_day else hour + 24 * max(0, days), minute, second, micro)


def _fraction_of(field: str, micro: int) -> str:
    mark, _, width = field.partition("%")
    digits = f"{micro:06}"[: int(width.strip("-f") or 6)]
    if width == "-f":
        digits = digits.rstrip("0")
    return mark + digits if digits.strip("0") or "-" not in width else ""


_WRITERS: dict[str, Callable[[_Moment], str]] = {
    "%Y": lambda m: f"{m.day.year:04}",
    "%y": lambda m: f"{m.day.year % 100:02}",
    "%b": lambda m: MONTHS[m.day.month - 1][:3],
    "%^b": lambda m: MONTHS[m.day.month - 1][:3].upper(),
    "%_b": lambda m: MONTHS[m.day.month - 1][:3].lower(),
    "%B": lambda m: MONTHS[m.day.month - 1],
    "%^B": lambda m: MONTHS[m.day.month - 1].upper(),
    "%_B": lambda m: MONTHS[m.day.month - 1].lower(),
    "%m": lambda m: f"{m.day.month:02}",
    "%-m": lambda m: str(m.day.month),
    "%d": lambda m: f"{m.day.day:02}",
    "%-d": lambda m: str(m.day.day),
    "%a": lambda m: WEEKDAYS[m.day.weekday()][:3],
    "%A": lambda m: WEEKDAYS[m.day.weekday()],
    "%H": lambda m: f"{m.hours:02}",
    "%-H": lambda m: str(m.hours),
    "%I": lambda m: f"{(m.hours - 1) % 12 + 1:02}",
    "%-I": lambda m: str((m.hours - 1) % 12 + 1),
    "%M": lambda m: f"{m.minute:02}",
    "%S": lambda m: f"{m.second:02}",
    "%p": lambda m: "AM" if m.hours % 24 < 12 else "PM",
    "%P": lambda m: "am" if m.hours % 24 < 12 else "pm",
    "%z": lambda m: "+0000",
    "%:z": lambda m: "+00:00",
}
_EPOCH = date(1970, 1, 1).toordinal()
_MONTH = {name[:3].lower(): place for place, name in enumerate(MONTHS, 1)}
