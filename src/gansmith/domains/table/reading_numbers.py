"""Numbers as they are written, and ids that are counted on or made after a pattern.

A form of numbers is the number 1234.5 in that form: "1,234.5" has separators of thousands, "1.234,5" and "1234,5" a decimal comma; a blank
(also one that does not break), ' and ’ may separate thousands too. What follows the decimal mark tells the decimals: "5" none that are not
needed, "50" always two ("3.00"), "500" always three, "0" at least one ("3.0"). An "E" behind it writes exponents with a capital. The empty
form is "1234.5".

"1.50e+03" is scientific notation with always two decimals, "1.5e+03" with those that are needed, "1.0e+03" with one, "1e+03" with none.
"1234.5g3" rounds to three significant digits, whatever the decimals.

Round the number stand a currency and a unit, "$1,234.50", "1234.5 kg", "1234.5%", and its sign: "+1234.5" signs positive numbers too,
"(1,234.5)" puts negative ones in parentheses, and a minus stands in the form where it is not "-" or not at the very front: "−1234.5",
"$-1,234.50", "1234.5-".
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import numpy as np

STYLES = ("1234.5", "1,234.5", "1234,5", "1.234,5")  # in the order in which they are preferred
FINEST = 10  # decimals that a step may have
DECIMALS = ("5", "0", *("5" + "0" * more for more in range(1, FINEST)), "5E", "0E")
FINENESS = (*(part * 10**place for place in range(FINEST) for part in (1, 2)), 10**FINEST)  # steps are 1 / these
DIGITS = {"#": "0123456789", "@": "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "&": "abcdefghijklmnopqrstuvwxyz", "~": "0123456789abcdef"}
PLACES = ("front", "inner", "end", "open")
EXACT = 2.0**53  # up to it doubles tell all whole numbers apart
LOOKED_AT = 20  # words of a piece in which something round a number is looked for

_BLANKS = " \u00a0\u202f"
_GAPS = _BLANKS + "\u2009'’"  # between thousands: what can be taken for no decimal mark
_MONEY = "$€£¥₹₽₩₺₪₫₴₦₱฿¢"
_CODES = r"USD|EUR|GBP|JPY|CNY|INR|CHF|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|TRY|BRL|MXN|ZAR|KRW|RUB|Rs\.?|kr\.?|Fr\."
_CURRENCY = rf"[{_BLANKS}]?(?:[A-Z]{{0,3}}[{_MONEY}]|{_CODES})[{_BLANKS}]?|[{_BLANKS}]"
_UNIT = rf"[{_BLANKS}]?(?![eE]\b)(?:[^\W\d_]|[{_MONEY}%‰°])(?:[^\W\d_]|[ ./°%]){{0,11}}|[{_BLANKS}]"
_DIGITS = rf"[1-9]\d{{0,2}}(?P<gap>[{_GAPS}])\d{{3}}(?:(?P=gap)\d{{3}})*(?:[.,]\d+)?|(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?"
_LAID_OUT = r"(?P<open>\()?(?P<front>[+−-])?(?P<before>{0})?(?P<inner>[+−-])?(?:{1})(?:(?P<end>[−-])|(?P<behind>{2})?)(?P<close>\))?"
_DRESSED = re.compile(_LAID_OUT.format(_CURRENCY, f"(?P<digits>{_DIGITS})", _UNIT))
_FORM = re.compile(
    _LAID_OUT.format(
        _CURRENCY,
        rf"1(?P<group>[.,{_GAPS}]?)234(?P<mark>[.,])(?P<decimals>50*|0)(?:g(?P<digits>[1-9]\d?))?(?P<capital>E(?![^\W\d_]))?"
        r"|1(?:(?P<point>[.,])(?P<places>50*|0))?(?P<letter>[eE])(?P<plus>\+?)(?P<width>0*)3",
        _UNIT,
    )
)
_NOT_ZERO = re.compile("[1-9]")
_PLUS = re.compile(r"[^\d.,]*\+")
_SCIENTIFIC = re.compile(r"\d(?:[.,](\d+))?([eE])[+-]?\d+")
_GROUPED = {  # no group of thousands begins with 0: 0,844 is less than one
    "1,234.5": re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d*)?\s*"),
    "1234,5": re.compile(r"\s*[+-]?\d*,?\d+(?:[eE][+-]?\d+)?\s*"),
    "1.234,5": re.compile(r"\s*[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d*)?\s*"),
}


@dataclass(frozen=True)
class Form:
    """A form in its parts.

    before, behind  a currency and a unit
    place           where the sign stands, of PLACES: at the very front, behind the currency, at the end, or as parentheses
    minus, plus     what is written for it
    group, mark     between thousands, and before the decimals
    decimals        as the form has them
    digits          significant ones to which it is rounded; 0 for all
    capital         whether an exponent, where one cannot be left out, is written E
    exponent        of scientific notation: its letter, the sign of positive ones, and its digits at least
    """

    before: str
    behind: str
    place: str
    minus: str
    plus: str
    group: str
    mark: str
    decimals: str
    digits: int
    capital: bool
    exponent: tuple[str, str, int] | None

    @property
    def dressed(self) -> bool:
        """Whether anything has to be taken off before it can be read."""
        return bool(self.before or self.behind or self.place != "front" or self.minus != "-" or self.group not in ("", ",", "."))


@dataclass
class Dress:
    """What the words of a column have round their numbers. A sign and a gap are those of the first word that has one; `rows`: those that
    have the currency and the unit of the column."""

    before: str = ""
    behind: str = ""
    place: str = ""
    minus: str = ""
    gap: str = ""
    rows: int = 0

    @property
    def measured(self) -> bool:
        """Whether the numbers are amounts of something."""
        return bool(self.before or self.behind)

    @classmethod
    def of(cls, words: Sequence[str]) -> Dress | None:
        """That of the first number among these words that has one."""
        for match in map(_DRESSED.fullmatch, words):
            if match and _sound(match):
                found = cls(match["before"] or "", match["behind"] or "")
                if found.measured or match["gap"] or match["open"] or "−" in match[0] or match["end"]:
                    return found
        return None

    def taken_off(self, words: Sequence[str], counts: Sequence[int]) -> list[str]:
        """The words as plain numbers; what is none stays. How signs and thousands are written is noticed."""
        rule, bare = _rule(self.before, self.behind), []
        for word, count in zip(words, counts, strict=True):
            match = rule.fullmatch(word)
            if match is None or not _sound(match):
                bare.append(word)
                continue
            bare.append(_plain(match))
            self.rows += count * (bool(match["before"]) == bool(self.before) and bool(match["behind"]) == bool(self.behind))
            self.gap = self.gap or match["gap"] or ""
            sign = next((place for place in PLACES if match[place]), "")
            self.place = self.place or sign
            if sign and match[sign] in "-−":
                self.minus = self.minus or match[sign]
        return bare

    def put_on(self, number: str, plus: bool = False) -> str:
        """A form of plain numbers with all this round it."""
        if self.gap:
            number = number.replace("1234", f"1{self.gap}234")
        sign = "+" if plus else self.minus or "-"
        if self.place == "open":
            return f"({self.before}{number}{self.behind})"
        if self.place == "end":
            return f"{self.before}{number}{sign}"
        if self.place == "inner" and self.before:
            return f"{self.before}{sign}{number}{self.behind}"
        return f"{sign.replace('-', '')}{self.before}{number}{self.behind}"


def is_form(form: str) -> bool:
    """Whether it is a form of numbers."""
    match = _FORM.fullmatch(form or STYLES[0])
    return match is not None and _sound(match) and (match["mark"] is None or match["group"] != match["mark"])


def style_of(form: str) -> str:
    """The one of STYLES in which a form writes, but for what stands round it and between its thousands."""
    parts = _parts(form)
    return f"1{parts.group if parts.group in ('.', ',') else ''}234{parts.mark}5"


def read_numbers(words: Sequence[str], form: str = STYLES[0]) -> np.ndarray:
    """float64 [k]; NaN for what is no number in that form, ±inf for infinities. Exact: a number is the nearest double. What stands round
    the numbers of the form may be missing."""
    style = style_of(form)
    parts = _parts(form)
    if parts.dressed:
        rule = _rule(parts.before, parts.behind)
        matches = [rule.fullmatch(word.strip()) for word in words]
        words = [_plain(match) if match and _sound(match) else word for word, match in zip(words, matches, strict=True)]
    if style != STYLES[0]:
        rule = _GROUPED[style]
        group, mark = style[1].replace("2", ""), style[-2]
        words = [w.replace(group, "").replace(mark, ".") if rule.fullmatch(w) else "" if mark == "," else w for w in words]
    elif not any("_" in w for w in words) and all(map(str.isascii, words)):
        try:
            return np.array(words, dtype=object).astype(np.float64)
        except ValueError:
            pass
    return np.asarray([_number(word) for word in words], np.float64)


def fineness(values: np.ndarray, least: int = 0) -> int:
    """The first place in FINENESS, `least` or later, whose step all values are multiples of; len(FINENESS) where there is none.

    A value counts when it is the double nearest to the decimal number, so 0.1 is a multiple of 0.1, and 0.1 + 0.2 is not. Of a step below
    1 values so large that they are multiples of it by chance are none.
    """
    largest = float(np.abs(values).max(initial=0))
    with np.errstate(over="ignore", invalid="ignore"):
        while least < len(FINENESS) and not _are_multiples(values, FINENESS[least], largest):
            least += 1
    return least


def _are_multiples(values: np.ndarray, parts: int, largest: float) -> bool:
    """Whether all values, none above the `largest`, are whole parts of 1."""
    return (parts == 1 or largest * parts < EXACT) and bool((np.round(values * parts) / parts == values).all())


def decimal_share(values: np.ndarray, rows: np.ndarray, step: float) -> float:
    """The share of the rows whose values need the last two decimals of a step."""
    parts = round(0.01 / step)
    return float(rows[np.round(values * parts) / parts != values].sum() / max(1, rows.sum()))


def significant(values: Sequence[float]) -> int:
    """The largest number of significant digits that one of these needs."""
    return max((len(Decimal(repr(value)).normalize().as_tuple().digits) for value in values), default=0)


def write_numbers(values: Sequence[float], step: float | None, form: str) -> list[str]:
    """Each number as it would stand in the file: so many decimals as the step has, the shortest exact ones where there is no step; in
    scientific notation those of the form."""
    parts = _parts(form)
    places = None if step is None else max(0, -int(Decimal(repr(float(step))).normalize().as_tuple().exponent))
    return [_written(value, places, parts) for value in values]


def form_of(words: Sequence[str], style: str, step: float | None, dress: Dress | None = None, digits: int = 0) -> str:
    """The form in which most of these words come out as they are written; "" for the plain one. `digits`: what it rounds to, 0 for none."""
    dress = dress or Dress()
    values = read_numbers(words, dress.put_on(style))
    wanted = [word for word, value in zip(words, values, strict=True) if math.isfinite(value)]
    values = values[np.isfinite(values)]

    def merit(form: str) -> int:
        return sum(a == b for a, b in zip(write_numbers(values.tolist(), step, form), wanted, strict=True))

    signed = dress.place in ("", "front", "inner") and any(map(_PLUS.match, wanted))
    rounded = [decimals.replace("E", "") + f"g{digits}" * (digits > 0) + "E" * ("E" in decimals) for decimals in DECIMALS]
    forms = [*(style[:-1] + decimals for decimals in rounded), *_scientific(wanted, style[-2])]
    if all(map(_SCIENTIFIC.search, wanted)):
        forms = forms[len(DECIMALS) :] + forms[: len(DECIMALS)]
    best = max((dress.put_on(form, plus) for plus in (False, True)[: 1 + signed] for form in forms), key=merit)  # the first of equals
    return "" if best == STYLES[0] else best


def _scientific(words: Sequence[str], mark: str) -> Iterator[str]:
    """The forms of scientific notation that some of these words may have."""
    matches = [match for word in words if (match := _SCIENTIFIC.search(word))]
    for letter in dict.fromkeys(match[2] for match in matches):
        ((digits, _),) = Counter(len(match[1] or "") for match in matches if match[2] == letter).most_common(1)
        fixed = f"{mark}5{'0' * (digits - 1)}" if digits > 1 else f"{mark}0" if digits else ""
        for decimals in (fixed, f"{mark}5"):
            yield from (f"1{decimals}{letter}{plus}{'0' * width}3" for plus in ("+", "") for width in (1, 0, 2))


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


def _sound(match: re.Match[str]) -> bool:
    """Whether parentheses are closed, there is one sign at most, and it is no telephone number, +46 123 456."""
    signs = [match[place] for place in PLACES if match[place]]
    telephone = match["front"] == "+" and not match["before"] and bool(match.groupdict().get("gap"))
    return bool(match["open"]) == bool(match["close"]) and len(signs) <= 1 and not telephone


@cache
def _rule(before: str, behind: str) -> re.Pattern[str]:
    """Numbers with this currency and unit, or without."""
    currency, unit = (rf"[{_BLANKS}]?{re.escape(text.strip(_BLANKS))}[{_BLANKS}]?" if text else "(?!)" for text in (before, behind))
    return re.compile(_LAID_OUT.format(currency, f"(?P<digits>{_DIGITS})", unit))


def _plain(match: re.Match[str]) -> str:
    digits = match["digits"].replace(match["gap"], "") if match["gap"] else match["digits"]
    return "-" + digits if any(match[place] and match[place] != "+" for place in PLACES) else digits


@cache
def _parts(form: str) -> Form:
    match = _FORM.fullmatch(form or STYLES[0])
    assert match is not None, form
    place = next((place for place in PLACES if match[place]), "front")
    sign = match[place] or "-"
    return Form(
        match["before"] or "",
        match["behind"] or "",
        place,
        "−" if sign == "−" else "-",
        "+" if sign == "+" else "",
        match["group"] or "",
        match["mark"] or match["point"] or ".",
        match["decimals"] or match["places"] or "",
        int(match["digits"] or 0),
        bool(match["capital"]),
        (match["letter"], match["plus"], 1 + len(match["width"])) if match["letter"] else None,
    )


def _written(value: float, places: int | None, form: Form) -> str:
    text = _exponential(abs(value), form, *form.exponent) if form.exponent else _unsigned(abs(value), places, form)
    sign = form.minus if value < 0 else form.plus
    if sign and not _NOT_ZERO.search(text):  # rounded
        sign = ""
    if form.place == "open" and sign:
        return f"({form.before}{text}{form.behind})"
    if form.place == "end":
        return f"{form.before}{text}{form.behind}{sign}"
    if form.place == "inner":
        return f"{form.before}{sign}{text}{form.behind}"
    return f"{sign}{form.before}{text}{form.behind}"


def _exponential(value: float, form: Form, letter: str, plus: str, width: int) -> str:
    shortest = form.decimals == "5"
    text = f"{Decimal(repr(value)).normalize():e}" if shortest else f"{value:.{len(form.decimals)}e}"
    mantissa, _, power = text.partition("e")
    sign = "-" if int(power) < 0 else plus
    return f"{mantissa.replace('.', form.mark)}{letter}{sign}{abs(int(power)):0{width}d}"


def _unsigned(value: float, places: int | None, form: Form) -> str:
    value = float(f"{value:.{form.digits}g}") if form.digits else value
    text = repr(value) if places is None else f"{value:.{places}f}"
    if "e" in text:
        return (text.upper() if form.capital else text).replace(".", form.mark)
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0")
    if len(form.decimals) > 1:
        rest = rest.ljust(len(form.decimals), "0")
    if form.decimals == "0":
        rest = rest or "0"
    if form.group:
        whole = f"{int(whole):,}".replace(",", form.group)
    return f"{whole}{form.mark}{rest}" if rest else whole
