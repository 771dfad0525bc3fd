"""From cells to a schema: what the columns of a table are.

A category has at most MOST_LEVELS levels. Where the file has more, the least frequent are one level, the last, called OTHER: its index
stands in raw for all of them, and OTHER is what is written for it.

The codes of what is noticed; they never change their meaning. Reading: T101 not UTF-8, T102 column names empty or twice, T103 the first
line may be values. Here: T104 infinities, T105 numbers and words mixed, T106 several marks of missing values, T107 zones brought to UTC,
T108 day and month may be confused, T109 ids, T110 free text, T111 constants, T112 very many levels, T125 cells without the unit of the
others, T126 levels that differ in case or blanks alone. `facts` goes on at T113, `fitting` at T120.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import numpy as np

from gansmith.domains.table.columns import FEW_ROWS, FEWEST
from gansmith.domains.table.inference_asked import asked_of, check_form, overridden, with_target
from gansmith.domains.table.inference_convert import OTHER, convert, converted, read_words, write_words, written
from gansmith.domains.table.inference_tally import STRAYS, Dates, Numbers, Tally, is_gap
from gansmith.domains.table.reading import Table
from gansmith.domains.table.reading_dates import final_form, read_dates
from gansmith.domains.table.reading_numbers import (
    STYLES,
    Dress,
    decimal_share,
    fineness,
    form_of,
    id_number,
    read_numbers,
    significant,
    style_of,
    write_numbers,
)
from gansmith.domains.table.schema import Column, Kind, Schema
from gansmith.errors import DataError
from gansmith.records import Finding, Severity

__all__ = ["OTHER", "convert", "converted", "infer", "overridden", "read_words", "with_target", "write_words", "written"]

MOST_LEVELS = 1000
NEARLY = 0.9  # share of distinct values from which they are names of rows, and not values that rows share
FEWEST_IDS = 20  # rows; with fewer, that all values differ tells nothing
STRAY = 0.05  # share of words among numbers that are taken as missing values, whatever they are
MARKS = 5  # different words among numbers that mark what is missing, in up to half of the cells
FEWEST_NUMBERS = 20  # different ones; among fewer, a word is a level like them
SURE = 1e-6  # a step; finer ones are told from what was divided by the share of the numbers that have all decimals
ALIKE = 0.8  # that share
MOST_DIGITS = 8  # significant ones to which numbers are rounded; more are what a program has computed
LONG = 60  # characters of a cell on average, above which it is free text where cells differ
PAIRS = tuple(map(frozenset, ("01", ("0.0", "1.0"), ("true", "false"), ("yes", "no"), "tf", "yn")))
CALENDAR = read_dates(["19000101", "21000101"], "%Y%m%d").tolist()  # from and to where numbers such as 20200131 may be days
DAY_WORDS = frozenset({"day", "time", "datetime", "timestamp", "dt", "dob", "birthday", "ymd", "yyyymmdd", "datum", "fecha"})  # of a name
ID_WORDS = frozenset({"id", "ids", "uuid", "guid"})  # of a name
ID_NAMES = frozenset({"key", "index", "nr", "no"})  # whole names: a body mass index is none

_MEASURED = re.compile(r":|[#~\d][.,][#~\d]")  # in the pattern of what is no id
_LIMIT = re.compile(r"\s*[<>≤≥]")

Notes = dict[str, dict[str, str]]  # code -> column -> what was seen


def infer(table: Table, overrides: Mapping[str, Any] | None = None) -> tuple[Schema, list[Finding]]:
    """Look through a table once and say what its columns are. Memory does not grow with the rows.

    `overrides`: as for `overridden`; a kind given there is taken, and levels, range and form are found for it. DataError where there
    are fewer than 2 rows, where nothing can be learned, and where a column cannot be of the kind that was asked for.
    """
    asked = asked_of(overrides or {}, table.names)
    tallies = [_tally(asked.get(name, {})) for name in table.names]
    for piece in table.pieces():
        for tally, cells in zip(tallies, piece, strict=True):
            tally.add(cells)
    if tallies[0].rows < 2:
        raise DataError(
            f"{table.where} has {'one row' if tallies[0].rows else 'no rows'}. A table needs at least 2, and hundreds to learn from."
        )
    notes: Notes = defaultdict(dict)
    columns = tuple(_column(name, tally, asked.get(name, {}), notes) for name, tally in zip(table.names, tallies, strict=True))
    if not any(column.learned for column in columns):
        held = ", ".join(f"{column.name} ({column.kind})" for column in columns[:5])
        raise DataError(f"{table.where} has no column to learn: {held}. A number, category, boolean or date that varies was expected.")
    given = [
        {"name": name, **_meant(asked[name], recognised(name, t))} for name, t in zip(table.names, tallies, strict=True) if name in asked
    ]
    schema = overridden(Schema(columns, delimiter=table.delimiter), {**(overrides or {}), "columns": given})
    return schema, [*table.findings, *_findings(notes)]


def _tally(asked: Mapping[str, Any]) -> Tally:
    kind = asked.get("kind")
    return Tally(counting=kind in ("category", "boolean"), date_form=asked.get("form", "") if kind == "date" else "")


def _meant(asked: Mapping[str, Any], found: Kind) -> Mapping[str, Any]:
    """Of a whole column, as a schema file has it, whose kind alone was changed by hand, the kind: the rest tells of the kind before."""
    whole = len(asked) == len(fields(Column)) - 1
    return {"kind": asked["kind"]} if whole and asked["kind"] != found else asked


# --- what a column is ----------------------------------------------------------------------------------------------------


def recognised(name: str, tally: Tally) -> Kind:
    """The kind of a column by what its cells have shown."""
    if not tally.given or (tally.distinct == 1 and not tally.missing):
        return "constant"
    pair = tally.exact and len(tally.counts) == 2 and frozenset(word.strip().lower() for word in tally.counts) in PAIRS
    if pair and all(map(is_gap, tally.missing)):
        return "boolean"
    if style := _style(tally):
        if _are_days(name, tally, style):
            return "date"
        return "id" if _is_count(name, tally, style) else "number"
    form, dates = _dates(tally)
    if form and not dates.unread:
        return "date"
    if _with_strays(tally):
        return "number"
    if form and _are_strays(dates.unread, dates.strays, tally) and _are_many_days(name, tally, form, dates):
        return "date"
    if tally.given >= FEWEST_IDS and tally.distinct >= NEARLY * tally.given:
        return "id" if _is_pattern(name, tally) else "text"
    if tally.characters > LONG * tally.given and tally.distinct > max(MOST_LEVELS, 0.2 * tally.given):
        return "text"
    missing, levels = _split_markers(tally)
    held = sum(count for count in levels.values() if count >= FEWEST)
    rare = 2 * held < tally.rows - missing.total() and tally.rows >= FEW_ROWS
    return "text" if rare else "category"  # most rows would read the few values that are kept


def _style(tally: Tally) -> str | None:
    """The style in which every cell is a number; None where there is none, or where they are codes made of digits."""
    if tally.codes or _oddly_dressed(tally):
        return None
    styles = [style for style, seen in tally.numbers.items() if not seen.unread and seen.lowest <= seen.highest]
    if {STYLES[0], STYLES[3]} <= set(styles) and any("." in word for word in tally.sample):  # beside 827, 2.730 is no decimal
        styles.sort(key=lambda style: -_kept(tally, style))
    return styles[0] if styles else None


def _kept(tally: Tally, style: str) -> int:
    """How many of the words come out as they are written, taken as numbers of a style."""
    form = form_of(tally.sample, style, tally.numbers[style].step, tally.dress)
    again = write_numbers(read_numbers(tally.sample, form).tolist(), tally.numbers[style].step, form)
    return sum(a == b for a, b in zip(again, tally.sample, strict=True))


def _likeliest(tally: Tally) -> str:
    """The style in which most cells are numbers."""
    return min(tally.numbers, key=lambda style: tally.numbers[style].unread)


def _dates(tally: Tally) -> tuple[str, Dates]:
    """The form that most cells have, and what was read by it; "" where there is none."""
    return min((tally.dates or {}).items(), key=lambda item: item[1].unread, default=("", Dates()))


def _with_strays(tally: Tally) -> bool:
    """Whether the cells are different numbers, but for a few words."""
    seen, dress = tally.numbers[_likeliest(tally)], tally.dress
    if tally.codes or _oddly_dressed(tally) or seen.lowest > seen.highest or not _are_strays(seen.unread, seen.strays, tally):
        return False
    if dress is not None and dress.measured and any(letter.isdigit() for word in seen.strays for letter in word):  # amounts in other units
        return False
    form = (dress or Dress()).put_on(_likeliest(tally))
    return tally.distinct > MOST_LEVELS or int(np.isfinite(read_numbers(list(tally.counts), form)).sum()) >= FEWEST_NUMBERS


def _are_strays(unread: int, words: Sequence[str], tally: Tally) -> bool:
    """Whether what stands among the values is but little, or a few words that mark what is missing."""
    return unread <= (STRAY if len(words) > MARKS else 0.5) * tally.given


def _oddly_dressed(tally: Tally) -> bool:
    """Whether a currency or unit stands in some cells and not in others, or blanks are in codes that are all as long, as 732 829 320 is."""
    dress, seen = tally.dress, tally.numbers.get(STYLES[0])
    if dress is None or seen is None:
        return False
    if dress.measured:
        return dress.rows < (1 - STRAY) * (tally.given - tally.numbers[_likeliest(tally)].unread)
    return bool(dress.gap) and seen.step == 1 and seen.lowest >= 1e8 and len(f"{seen.lowest:.0f}") == len(f"{seen.highest:.0f}")


def _is_count(name: str, tally: Tally, style: str) -> bool:
    """Whether whole numbers only count the rows, in order or not, or are named an id and differ."""
    seen = tally.numbers[style]
    if tally.dress or tally.missing or seen.infinite or seen.step != 1 or tally.rows < FEWEST_IDS:
        return False
    differ = tally.distinct >= 0.99 * tally.rows
    return seen.counted or (differ and (_is_id_name(name) or seen.highest - seen.lowest + 1 == tally.rows))


def _is_pattern(name: str, tally: Tally) -> bool:
    """Whether words that all differ follow a pattern of ids. What has a colon, or a point or comma between digits, is rather a time or an
    amount, of which a pattern makes such as 00:60, unless the name says that it is an id."""
    form = tally.pattern.form
    if not form or tally.missing:
        return False
    return _is_id_name(name) or not _MEASURED.search(form.removesuffix("+1") + "#" * form.endswith("+1"))


def _is_id_name(name: str) -> bool:
    words = "".join(letter if letter.isalnum() else " " for letter in name).lower().split()
    return bool(ID_WORDS & set(words)) or " ".join(words) in ID_NAMES or re.search(r"[a-z]I[dD]$", name) is not None


def _are_days(name: str, tally: Tally, style: str) -> bool:
    """Whether whole numbers such as 20200131 are days: each is one of the calendar, and the name says so, or there are too many different
    ones for chance, and they do not count the rows."""
    seen = _dates(tally)[1]
    if not _in_calendar(seen):
        return False
    return _is_day_name(name) or (tally.distinct >= FEWEST_NUMBERS and not tally.numbers[style].counted)


def _are_many_days(name: str, tally: Tally, form: str, seen: Dates) -> bool:
    """Whether the dates among strays are no chance: there are many different ones, and numbers are of the calendar; of numbers also where
    the name says so."""
    number = form.startswith("%Y%m%d")
    many = tally.distinct - len(seen.strays) >= FEWEST_NUMBERS
    return _in_calendar(seen) and (many or _is_day_name(name)) if number else many


def _in_calendar(seen: Dates) -> bool:
    return bool(CALENDAR[0] <= seen.lowest <= seen.highest < CALENDAR[1])


def _is_day_name(name: str) -> bool:
    parts = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    return any(part in DAY_WORDS or part.endswith("date") for part in parts)


def _column(name: str, tally: Tally, asked: Mapping[str, Any], notes: Notes) -> Column:
    kind: Kind = asked.get("kind") or recognised(name, tally)
    check_form(name, kind, asked.get("form", ""))
    build = {"number": _number, "date": _date, "category": _category, "boolean": _category, "constant": _constant}.get(kind, _unlearned)
    column = build(Column(name, kind, form=asked.get("form", "")), tally, notes)
    if kind in ("number", "date") and len(tally.missing) > 1:
        notes["T106"][name] = f"{', '.join(map(repr, sorted(tally.missing)))} (written as {column.blank!r})"
    return column


def _missing(column: Column, tally: Tally, more: int = 0, strays: Sequence[str] = ()) -> Column:
    """With every marker taken as missing, and so many rows besides; if one word stands in all of them, it is a marker as well."""
    markers = tally.missing + Counter({strays[0]: more} if len(strays) == 1 else {})
    blank = markers.most_common(1)[0][0] if markers else ""
    return replace(column, missing=(tally.missing.total() + more) / tally.rows, blank=blank)


def _number(column: Column, tally: Tally, notes: Notes) -> Column:
    style = style_of(column.form) if column.form else _style(tally) or _likeliest(tally)
    seen = tally.numbers.get(style)
    if seen is None or seen.lowest > seen.highest:
        wanted = f"have the form {column.form!r}" if column.form else "be of numbers"
        raise DataError(f"column {column.name!r} cannot {wanted}: it holds {_example(tally)}. Leave its kind and form out, to be detected.")
    if column.form and not np.isfinite(read_numbers(tally.sample, column.form)).any():
        raise DataError(
            f"column {column.name!r} cannot have the form {column.form!r}: it holds {_example(tally)}. Leave its form out, to be detected."
        )
    bare = _bare(tally, style)
    mark = next(iter(bare)) if len(bare) == 1 and bare.total() > 1 and tally.exact else None
    if mark is not None:
        seen = _without(mark, tally, style)
    elif bare:
        notes["T125"][column.name] = f"{bare.total():,}, such as {next(iter(bare))!r}"
    if seen.unread:
        notes["T105"][column.name] = f"{seen.unread:,} words such as {_listed(seen.strays)} are taken as missing{_lost(seen.strays)}"
    if seen.infinite:
        notes["T104"][column.name] = f"{seen.infinite:,}"
    step, digits = _places(seen, tally, style)
    form = column.form or form_of(tally.sample, style, step, tally.dress, digits)
    column = replace(column, step=step, lowest=seen.lowest, highest=seen.highest, form=form)
    column = _missing(column, tally, seen.unread + seen.infinite, seen.strays if not seen.infinite else ())
    return column if mark is None else replace(column, blank=mark)  # else it could be read as a number


def _bare(tally: Tally, style: str) -> Counter[str]:
    """The few cells without the currency or unit that the others have, by how often they occur."""
    if tally.dress is None or not tally.dress.measured:
        return Counter()
    values = read_numbers(list(tally.counts), style)
    found = Counter({word: n for (word, n), value in zip(tally.counts.items(), values, strict=True) if math.isfinite(value)})
    return found if found.total() <= STRAY * tally.given else Counter()


def _without(mark: str, tally: Tally, style: str) -> Numbers:
    """The numbers seen, were a word no number that is one."""
    values = read_numbers([word for word in tally.counts if word != mark], (tally.dress or Dress()).put_on(style))
    values, seen = values[np.isfinite(values)], tally.numbers[style]
    strays, unread = (mark, *seen.strays)[:STRAYS], seen.unread + tally.counts[mark]
    lowest, highest = float(values.min()), float(values.max())
    return replace(seen, unread=unread, strays=strays, lowest=lowest, highest=highest, fine=fineness(values))


def _places(seen: Numbers, tally: Tally, style: str) -> tuple[float | None, int]:
    """The step of numbers, and, where they have none, to how many significant digits they are rounded, 0 for not at all. A step of more
    than 6 decimals is one only where nearly all numbers have so many: a quotient that is written with 10 digits has any."""
    if seen.step is not None and (seen.step == 1 or (not tally.scientific and seen.step >= SURE)):
        return seen.step, 0
    words = tally.counts if tally.exact else Counter(tally.sample)
    values = read_numbers(list(words), (tally.dress or Dress()).put_on(style))
    finite, rows = np.isfinite(values), np.asarray(list(words.values()))
    values, rows = values[finite], rows[finite]
    if seen.step is not None and not tally.scientific and decimal_share(values, rows, seen.step) >= ALIKE:
        return seen.step, 0
    digits = significant(values.tolist())
    return None, digits if digits <= MOST_DIGITS else 0


def _listed(words: Sequence[str]) -> str:
    return ", ".join(repr(word[:40]) for word in words)


def _lost(words: Sequence[str]) -> str:
    """What is to be said of limits of measurement among words that are taken as missing."""
    limits = [word for word in words if _LIMIT.match(word)]
    return f", so that the limit in {_listed(limits)} is lost" if limits else ""


def _date(column: Column, tally: Tally, notes: Notes) -> Column:
    form, seen = _dates(tally)
    if seen.lowest > seen.highest:
        wanted = f"have the form {column.form!r}" if column.form else "be of dates"
        raise DataError(f"column {column.name!r} cannot {wanted}: it holds {_example(tally)}. Give its form, for example %d.%m.%Y %H:%M.")
    if seen.unread:
        strays = f"{seen.unread:,} cells that do not have the form {form}, such as {_listed(seen.strays)},"
        notes["T105"][column.name] = f"{strays} are taken as missing"
    if len(seen.manner.zones) > 1:
        notes["T107"][column.name] = ", ".join(sorted(seen.manner.zones)[:4])
    swapped = form.translate({ord("m"): "d", ord("d"): "m"})
    if swapped != form and tally.dates and swapped in tally.dates and tally.dates[swapped].unread == seen.unread:
        notes["T108"][column.name] = f"{form}, and not {swapped}"
    form = column.form or final_form(form, seen.manner)
    return _missing(replace(column, step=seen.step, lowest=seen.lowest, highest=seen.highest, form=form), tally, seen.unread, seen.strays)


def _category(column: Column, tally: Tally, notes: Notes) -> Column:
    missing, counts = _split_markers(tally) if column.kind == "category" else (tally.missing, tally.counts)
    levels = [word for word, _ in heapq.nsmallest(MOST_LEVELS, counts.items(), key=lambda item: (-item[1], item[0]))]
    if column.kind == "boolean" and not (tally.exact and len(counts) == 2):
        raise DataError(f"column {column.name!r} has {tally.distinct:,} values; a boolean has 2. Take it as category.")
    if len(counts) > MOST_LEVELS or not tally.exact:
        levels = [*[level for level in levels if level != OTHER][: MOST_LEVELS - 1], OTHER]
        share = 1 - sum(counts[level] for level in levels[:-1]) / max(1, tally.rows - missing.total())
        notes["T112"][column.name] = f"{tally.distinct:,} levels, {MOST_LEVELS - 1} of them kept, {share:.1%} of the rows in the others"
    words = tally.numbers[_likeliest(tally)].unread
    measured = tally.dress is not None and tally.dress.measured  # 3 kg and 200 g are no mixture
    if column.kind == "category" and not measured and STRAY * tally.given < words < (1 - STRAY) * tally.given:
        notes["T105"][column.name] = f"{words:,} words and {tally.given - words:,} numbers are both levels"
    if alike := _alike(levels):
        notes["T126"][column.name] = alike
    blank = missing.most_common(1)[0][0] if missing else ""
    return replace(column, levels=tuple(levels), missing=missing.total() / tally.rows, blank=blank)


def _alike(levels: Sequence[str]) -> str:
    """Two levels that are one but for case and blanks, and how many more there are; "" where there are none."""
    first: dict[str, str] = {}
    pairs = [(one, level) for level in levels if (one := first.setdefault(level.strip().casefold(), level)) != level]
    return f"{pairs[0][0]!r} and {pairs[0][1]!r}" + (f" and {len(pairs) - 1:,} more" if len(pairs) > 1 else "") if pairs else ""


def _split_markers(tally: Tally) -> tuple[Counter[str], Counter[str]]:
    """Markers of a category that mean missing, and its levels. One mark is taken as such and the others stay levels, so that all come back
    as they were: empty cells where there are any, else the most frequent mark, provided that 2 levels remain. What may be an answer
    (none, -) is always a level."""
    empty = {word for word in tally.missing if not word.strip()}
    gaps = [word for word, _ in tally.missing.most_common() if is_gap(word)]
    taken = empty or (set(gaps[:1]) if len(tally.counts) + len(tally.missing) > 2 else set())
    missing = Counter({word: count for word, count in tally.missing.items() if word in taken})
    return missing, tally.counts + Counter({word: count for word, count in tally.missing.items() if word not in taken})


def _constant(column: Column, tally: Tally, notes: Notes) -> Column:
    word = (tally.counts or tally.missing).most_common(1)[0][0]
    notes["T111"][column.name] = "empty" if not tally.given else repr(word)
    return replace(_missing(column, tally), levels=(word,))


def _unlearned(column: Column, tally: Tally, notes: Notes) -> Column:
    """An id or free text."""
    column = _missing(column, tally)
    if column.kind == "text":
        notes["T110"][column.name] = "left empty"
        return column
    style = _style(tally)
    form = column.form or ("+1" if style else tally.pattern.form) or "+1"
    notes["T109"][column.name] = "continued" if form.endswith("+1") else f"generated as {form}"
    if style and form == "+1":
        return replace(column, form=form, lowest=tally.numbers[style].lowest, highest=tally.numbers[style].highest)
    highest = float(tally.pattern.highest or tally.rows) if form.endswith("+1") else id_number(form, tally.pattern.last)
    return replace(column, form=form, highest=highest)


def _example(tally: Tally) -> str:
    return repr(tally.sample[0][:40]) if tally.sample else "no value"


# --- what was noticed ----------------------------------------------------------------------------------------------------

_SENTENCES: dict[str, tuple[Severity, str, str]] = {
    "T104": ("warning", "infinite values are taken as missing", "Replace them with the intended values if known."),
    "T105": ("warning", "numbers and words are mixed", "Clean the column, or set its kind in the schema."),
    "T106": ("note", "several different marks for missing values become one", "Nothing needs to be done."),
    "T107": ("note", "times of several zones are converted to UTC", "Nothing needs to be done."),
    "T108": ("warning", "day and month cannot be distinguished", "Give the form in the schema if the other is right."),
    "T109": (
        "note",
        "ids are not learned; new ones are generated",
        "Set kind to number or category in the schema if the values carry information.",
    ),
    "T110": (
        "warning",
        "free text, and words that nearly all differ or are mostly rare, are not learned",
        "Group the values so that many rows share one, or set kind to category in the schema if some are shared.",
    ),
    "T111": ("note", "columns with a single value are not learned but written as they are", "Nothing needs to be done."),
    "T112": (
        "warning",
        f"categories of more than {MOST_LEVELS:,} levels keep the most frequent",
        "Group the levels if the others matter.",
    ),
    "T125": (
        "note",
        "cells without the unit that the others have are read as amounts in it",
        "Write the unit there too, or leave the cell empty if it stands for a missing value.",
    ),
    "T126": (
        "note",
        "levels that differ in case or blanks alone are different levels",
        "Write them alike in the file if they mean the same.",
    ),
}


def _findings(notes: Notes) -> list[Finding]:
    found = []
    for code in sorted(notes):
        severity, said, advice = _SENTENCES[code]
        seen = notes[code]
        told = "; ".join(f"{name}: {what}" for name, what in list(seen.items())[:8]) + ("; …" if len(seen) > 8 else "")
        found.append(Finding(code, severity, f"{said} ({told}).", advice, {"columns": cast("dict[str, Any]", dict(seen))}))
    return found
