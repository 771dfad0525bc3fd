"""Numbers as they are written, and ids that are counted on or made after a pattern.

A form of numbers is the number 1234.5 in that form: "1,234.5" has separators of thousands, "1.234,5" and "1234,5" a decimal comma. What
follows the decimal mark tells the decimals: "5" none that are not needed, "50" always two ("3.00"), "500" always three, "0" at least one
("3.0"). An "E" behind it writes exponents with a capital. The empty form is "1234.5".
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

STYLES = ("1234.5", "1,234.5", "1234,5", "1.234,5")  # in the order in which they are preferred
DECIMALS = ("5", "0", "50", "500", "5000", "50000", "500000", "5E", "0E")
FINENESS = (1, 2, 10, 20, 100, 200, 1000, 2000, 10_000, 20_000, 100_000, 200_000, 1_000_000)  # steps are 1 / these
DIGITS = {"#": "0123456789", "@": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "&": "abcdefghijklmnopqrstuvwxyz", "~": "0123456789abcdef"}

_FORM = re.compile(r"1([.,]?)234([.,])(50*|0)(E?)")
_GROUPED = {  # no group of thousands begins with 0: 0,844 is less than one
    "1,234.5": re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d*)?\s*"),
    "1234,5": re.compile(r"\s*[+-]?\d*,?\d+\s*"),
    "1.234,5": re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d*)?\s*"),
}


def is_form(form: str) -> bool:
    """Whether it is a form of numbers."""
    match = _FORM.fullmatch(form or STYLES[0])
    return match is not None and match[1] != match[2]


def style_of(form: str) -> str:
    """The one of STYLES in which a form writes; it alone decides how cells are read."""
    group, mark = _parts(form)[:2]
    return f"1{group}234{mark}5"


def read_numbers(words: Sequence[str], style: str = STYLES[0]) -> np.ndarray:
    """float64 [k]; NaN for what is no number in that style, ±inf for infinities. Exact: a number is the nearest double."""
    if style != STYLES[0]:
        rule = _GROUPED[style]
        group, mark = _parts(style)[:2]
        words = [w.replace(group, "").replace(mark, ".") if rule.fullmatch(w) else "" if mark == "," else w for w in words]
    elif not any("_" in w for w in words) and all(map(str.isascii, words)):
        try:
            return np.array(words, dtype=object).astype(np.float64)
        except ValueError:
            pass
    return np.asarray([_number(word) for word in words], np.float64)


def fineness(values: np.ndarray, least: int = 0) -> int:
    """The first place in FINENESS, `least` or later, whose step all values are multiples of; len(FINENESS) where there is none.

    A value counts when it is the double nearest to the decimal number, so 0.1 is a multiple of 0.1, and 0.1 + 0.2 is not.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        while least < len(FINENESS) and not (np.round(values * FINENESS[least]) / FINENESS[least] == values).all():
            least += 1
    return least


def write_numbers(values: Sequence[float], step: float | None, form: str) -> list[str]:
    """Each number as it would stand in the file: so many decimals as the step has, the shortest exact ones where there is no step."""
    group, mark, decimals, capital = _parts(form)
    places = None if step is None else max(0, -int(Decimal(repr(float(step))).normalize().as_tuple().exponent))
    return [_written(value, places, group, mark, decimals, capital) for value in values]


def form_of(words: Sequence[str], style: str, step: float | None) -> str:
    """The form in which most of these words come out as they are written; "" for the plain one."""
    values = read_numbers(words, style)
    wanted = [word for word, value in zip(words, values, strict=True) if math.isfinite(value)]
    values = values[np.isfinite(values)]

    def merit(form: str) -> int:
        return sum(a == b for a, b in zip(write_numbers(values.tolist(), step, form), wanted, strict=True))

    best = max((style[:-1] + decimals for decimals in DECIMALS), key=merit)  # the first of equals
    return "" if best == STYLES[0] else best


# --- ids -----------------------------------------------------------------------------------------------------------------


def write_ids(start: int, count: int, form: str, highest: float) -> list[str]:
    """So many ids from number `start` on, counted on behind `highest`: "+1", also behind a prefix, as a number; a pattern by its places,
    and longer than the pattern where these do not suffice, so that no two are equal."""
    first = int(highest) + 1 + start
    if form.endswith("+1"):
        return [f"{form[:-2]}{number}" for number in range(first, first + count)]
    return [_patterned(form, number) for number in range(first, first + count)]


def id_number(form: str, word: str) -> float:
    """The number of an id of this pattern, not below it where a double cannot hold it; 0 where it is none."""
    number = 0
    if len(word) != len(form):
        return 0.0
    for sign, letter in zip(form, word, strict=True):
        if sign in DIGITS:
            if letter not in DIGITS[sign]:
                return 0.0
            number = number * len(DIGITS[sign]) + DIGITS[sign].index(letter)
        elif sign != letter:
            return 0.0
    return float(number) if int(float(number)) >= number else math.nextafter(float(number), math.inf)


def _patterned(form: str, number: int) -> str:
    text = list(form)
    places = [place for place, sign in enumerate(form) if sign in DIGITS]
    for place in reversed(places):
        number, digit = divmod(number, len(DIGITS[form[place]]))
        text[place] = DIGITS[form[place]][digit]
    while number and places:
        digits = DIGITS[form[places[0]]]
        number, digit = divmod(number, len(digits))
        text[places[0]] = digits[digit] + text[places[0]]
    return "".join(text)


def _number(word: str) -> float:
    try:
        return float(word) if word.isascii() and "_" not in word else math.nan
    except ValueError:
        return math.nan


def _parts(form: str) -> tuple[str, str, str, str]:
    match = _FORM.fullmatch(form or STYLES[0])
    assert match is not None, form
    group, mark, decimals, capital = match.groups()
    return group, mark, decimals, capital


def _written(value: float, places: int | None, group: str, mark: str, decimals: str, capital: str) -> str:
    text = repr(value + 0.0) if places is None else f"{value:.{places}f}"
    if "e" in text:
        return (text.upper() if capital else text).replace(".", mark)
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0")
    if len(decimals) > 1:
        rest = rest.ljust(len(decimals), "0")
    if decimals == "0":
        rest = rest or "0"
    if whole == "-0" and not rest.strip("0"):
        whole = "0"
    if group:
        whole = f"{int(whole):,}".replace(",", group) if whole != "-0" else whole
    return f"{whole}{mark}{rest}" if rest else whole
