"""What the cells of a column show, gathered piece by piece in bounded memory."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gansmith.domains.table.reading import Cells
from gansmith.domains.table.reading_dates import STEPS, Manner, coarsest, forms_of, read_cells, read_dates
from gansmith.domains.table.reading_numbers import FINENESS, LOOKED_AT, STYLES, Dress, fineness, read_numbers

ANSWERS = frozenset({"none", "-", "--", "."})  # what may be a value of a category: no allergies, a negative test
MARKERS = ANSWERS | {  # in small letters, without blanks around
    *("", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "(null)", "\\n", "?", "n.a.", "k.a."),
    *("#div/0!", "#ref!", "#value!", "#num!", "#name?", "#nv"),  # of spreadsheets
}
KEPT = 120_000  # words counted exactly; above it, the rarer half is dropped and what remains are lower bounds
KEPT_CHARACTERS = 16_000_000
SKETCH = 1 << 16  # smallest hashes kept: a count of distinct words above it is right to about 0.4 %
STRAYS = 6  # different words that are no values, kept as they are written
SAMPLE = 500  # words kept as they are written
LONGEST_PATTERN = 64
LONGEST_INTEGER = 15  # digits; a double cannot tell all longer ones apart

_LEADING_ZERO = re.compile(r"^\s*[+-]?0\d", re.MULTILINE)
_LONG_INTEGER = re.compile(rf"^\s*[+-]?\d{{{LONGEST_INTEGER + 1},}}\s*$", re.MULTILINE)
_COUNTED = re.compile(r"(.*?\D)(\d+)", re.DOTALL)
_DAY_NUMBER = re.compile(r"\d{8}(\d{4}(\d\d)?)?")  # 20200131, maybe with a time: a number, and maybe a day
_NO_DAY = re.compile(r"0{8}(0{4}(00)?)?")  # among such numbers
_CONSTANT = re.compile(r"\d+(?=#)")  # the leading digits of a number, which have not changed yet


def is_marker(word: str) -> bool:
    """Whether a word may stand for a missing value."""
    return (len(word) < 8 and word.strip().lower() in MARKERS) or not word.strip()


def is_gap(word: str) -> bool:
    """Whether a marker of a missing value is nothing else in a category either."""
    return word.strip().lower() not in ANSWERS


@dataclass
class Numbers:
    """A column read as numbers of one style. `fine`: place in FINENESS; `counted`: every row is the one before it + 1."""

    unread: int = 0  # rows
    strays: tuple[str, ...] = ()  # the first words in them, STRAYS at most
    infinite: int = 0
    lowest: float = math.inf
    highest: float = -math.inf
    fine: int = 0
    counted: bool = True
    last: float = math.nan

    def add(self, values: np.ndarray, words: Sequence[str], codes: np.ndarray) -> None:
        """Values [k] of the words, NaN where one is no number, and codes [n] of the rows."""
        if not np.isfinite(values).all():
            rows = np.bincount(codes, minlength=len(values))
            self.unread += int(rows[np.isnan(values)].sum())
            self.strays = _some(self.strays, words, np.isnan(values))
            self.infinite += int(rows[np.isinf(values)].sum())
        finite = values[np.isfinite(values)]
        if not len(finite):
            return
        self.lowest, self.highest = min(self.lowest, float(finite.min())), max(self.highest, float(finite.max()))
        self.fine = fineness(finite, self.fine)
        if self.counted:
            ordered = np.concatenate([[] if math.isnan(self.last) else [self.last], values[codes]])
            with np.errstate(invalid="ignore", over="ignore"):  # infinity less infinity, 1e308 less -1e308
                self.counted = bool((np.diff(ordered) == 1).all())
            self.last = float(ordered[-1])

    @property
    def step(self) -> float | None:
        return 1 / FINENESS[self.fine] if self.fine < len(FINENESS) else None


@dataclass
class Dates:
    """A column read as dates of one form. `fine`: place in STEPS."""

    unread: int = 0  # rows
    strays: tuple[str, ...] = ()  # the first words in them, STRAYS at most
    lowest: float = math.inf
    highest: float = -math.inf
    fine: int = 0
    manner: Manner = field(default_factory=Manner)

    def add(self, values: np.ndarray, words: Sequence[str], form: str) -> None:
        self.lowest, self.highest = min(self.lowest, float(values.min())), max(self.highest, float(values.max()))
        self.fine = coarsest(values, self.fine)
        self.manner.add(words, form)

    @property
    def step(self) -> float:
        return max(STEPS[self.fine], self.manner.finest)


def _some(known: tuple[str, ...], words: Sequence[str], which: np.ndarray) -> tuple[str, ...]:
    """The words known, and of others as many as make STRAYS."""
    if len(known) == STRAYS:
        return known
    return tuple(dict.fromkeys([*known, *(words[place] for place in np.flatnonzero(which)[:STRAYS].tolist())]))[:STRAYS]


class Pattern:
    """What codes have in common: their length and the kind of character at each place, or a prefix before a number."""

    def __init__(self) -> None:
        self.first: np.ndarray | None = None
        self.last = ""  # of words of one length the one that is the highest number, whatever the places that count
        self.fits: np.ndarray = np.ones((5, 0), bool)  # at each place: the same, a digit, a capital, a small letter, a hex digit
        self.prefix: str | None = None
        self.highest = 0  # number behind the prefix
        self.even = self.prefixed = True

    def add(self, words: Sequence[str]) -> None:
        if not words:
            return
        if self.first is None:
            self.first = _characters(words[:1])[0] if len(words[0]) <= LONGEST_PATTERN else None
            self.even = self.first is not None and bool(words[0])
            self.fits = np.ones((5, len(words[0])), bool)
            match = _COUNTED.fullmatch(words[0])
            self.prefix, self.prefixed = (match[1], True) if match else (None, False)
        if self.even:
            length = self.fits.shape[1]
            self.even = all(len(word) == length for word in words)
        if self.even:
            self.last = max(self.last, *words)
            seen = _characters(words)
            digit, capital, small = (_between(seen, *ends) for ends in ("09", "AZ", "az"))
            self.fits &= np.stack([a.all(0) for a in (seen == self.first, digit, capital, small, digit | _between(seen, "a", "f"))])
        if self.prefixed and self.prefix is not None:
            begins, rest = self.prefix, len(self.prefix)
            self.prefixed = all(
                w.startswith(begins) and w[rest:].isdecimal() and w.isascii() and len(w) - rest <= LONGEST_INTEGER for w in words
            )
            if self.prefixed:
                self.highest = max(self.highest, *(int(w[rest:]) for w in words))

    @property
    def form(self) -> str | None:
        """ "C-######", "user+1", or None."""
        if self.even and self.first is not None:
            text = "".join(map(chr, self.first))
            signs = [
                letter if same else "#" if digit else "@" if capital else "&" if small else "~" if hexes else ""
                for letter, (same, digit, capital, small, hexes) in zip(text, self.fits.T, strict=True)
            ]
            literal = "".join(letter for letter, same in zip(text, self.fits[0], strict=True) if same)
            form = _CONSTANT.sub(lambda digits: "#" * len(digits[0]), "".join(signs))
            if all(signs) and not set(literal) & set("#@&~") and not self.fits[0].all() and not form.endswith("+1"):
                return form
        return f"{self.prefix}+1" if self.prefixed and self.prefix is not None else None


class Tally:
    """One column. `counting`: keep the counts of all words, also where there are very many numbers. `date_form`: read dates by this form
    alone, whatever cells it does not fit."""

    def __init__(self, counting: bool = False, date_form: str = "") -> None:
        self.rows = 0
        self.missing: Counter[str] = Counter()  # words that may stand for a missing value
        self.counts: Counter[str] = Counter()  # all other words, or the most frequent of them
        self.exact = True  # whether `counts` has all of them
        self.characters = 0
        self.sample: list[str] = []
        self.numbers = {style: Numbers() for style in STYLES}  # in which half of the cells can be read so far, and the first of them
        self.codes = False  # whether some integer is written as no number is: 007, or in more digits than a number can hold
        self.scientific = False
        self.dress: Dress | None = None  # what stands round the numbers, where something does
        # forms in which half of the cells can be read so far; None: not looked at yet
        self.dates: dict[str, Dates] | None = {date_form: Dates()} if date_form else None
        self.pattern = Pattern()
        self._always = counting
        self._date_form = date_form
        self._numbers_counted = True
        self._sketch = np.zeros(0, np.uint64)

    def add(self, cells: Cells) -> None:
        """The next piece of the column."""
        self.rows += len(cells.codes)
        values = read_numbers(cells.words)
        if np.isnan(values).any():
            cells, values = self._without_markers(cells, values)
        words = cells.words
        if not words:
            return
        counts = cells.counts()
        self.characters += sum(len(word) * count for word, count in zip(words, counts, strict=True))
        if len(self.sample) < SAMPLE:
            self.sample = list(dict.fromkeys([*self.sample, *words[:SAMPLE]]))[:SAMPLE]
        self._number(values, words, cells.codes, counts)
        self._date(words, counts, numeric=not np.isnan(values).any())
        self.pattern.add(words)
        self._count(words, counts, values)

    @property
    def given(self) -> int:
        """Rows with something that is no marker of a missing value."""
        return self.rows - self.missing.total()

    @property
    def distinct(self) -> int:
        """Different words, markers of missing values aside; an estimate where they are very many."""
        if self.exact:
            return len(self.counts)
        if len(self._sketch) < SKETCH:
            return len(self._sketch)
        return round((SKETCH - 1) / (float(self._sketch[-1]) / 2.0**64))

    def _without_markers(self, cells: Cells, values: np.ndarray) -> tuple[Cells, np.ndarray]:
        given = np.asarray([not is_marker(word) for word in cells.words], bool)
        self.missing.update({word: n for word, n, there in zip(cells.words, cells.counts(), given, strict=True) if not there})
        codes = (np.cumsum(given) - 1)[cells.codes[given[cells.codes]]]
        return Cells(codes, [word for word, there in zip(cells.words, given, strict=True) if there]), values[given]

    def _number(self, values: np.ndarray, words: Sequence[str], codes: np.ndarray, counts: Sequence[int]) -> None:
        given, unread = words, np.isnan(values)
        if unread.any():
            first = np.flatnonzero(unread)[:LOOKED_AT].tolist()
            self.dress = self.dress or Dress.of([words[place] for place in first])
            if self.dress is not None:
                words = self.dress.taken_off(words, counts)
                values = read_numbers(words)
                unread = np.isnan(values)
        text = "\n".join([word for word, no in zip(words, unread, strict=True) if not no] if unread.any() else words)
        self.scientific |= "e" in text or "E" in text
        self.codes |= bool(_LEADING_ZERO.search(text) or _LONG_INTEGER.search(text))
        marked = "," in text or "." in text
        for style, seen in list(self.numbers.items()):
            alike = not unread.any() and (style == STYLES[1] or not marked)  # separators of thousands need not be there
            read = values if style == STYLES[0] or alike else read_numbers(words, style)
            seen.add(read, given, codes)
            if 2 * seen.unread > self.given and style != STYLES[0]:
                del self.numbers[style]

    def _date(self, words: Sequence[str], counts: Sequence[int], numeric: bool) -> None:
        if self.dates is None:
            some = [word for word in words[:LOOKED_AT] if not _NO_DAY.fullmatch(word)]
            forms = [] if numeric and not all(map(_DAY_NUMBER.fullmatch, some)) else next(filter(None, map(forms_of, some)), [])
            self.dates = {form: Dates() for form in forms if not (numeric and np.isnan(read_dates(some, form)).any())}
        for form, seen in list(self.dates.items()):
            values = (read_cells if form == self._date_form else read_dates)(words, form)
            there = ~np.isnan(values)
            if not there.all():
                seen.unread += int(np.asarray(counts)[~there].sum())
                seen.strays = _some(seen.strays, words, ~there)
                other = numeric and not all(_NO_DAY.fullmatch(words[place]) for place in np.flatnonzero(~there).tolist())
                if (other or 2 * seen.unread > self.given) and form != self._date_form:
                    del self.dates[form]
                    continue
            if there.any():
                seen.add(values[there], [word for word, fits in zip(words, there, strict=True) if fits], form)

    def _count(self, words: Sequence[str], counts: Sequence[int], values: np.ndarray) -> None:
        if not self.exact:
            self._hash(words)
        if self._numbers_counted:
            self.counts.update(dict(zip(words, counts, strict=True)))
        else:
            self.counts.update({w: c for w, c, v in zip(words, counts, values, strict=True) if math.isnan(v)})
        if len(self.counts) <= KEPT and (len(self.counts) < 1000 or sum(map(len, self.counts)) <= KEPT_CHARACTERS):
            return
        if self.exact:
            self.exact = False
            self._hash(list(self.counts))
        if any(seen.unread == 0 for seen in self.numbers.values()) and not self.codes and not self._always:
            self._numbers_counted = False
            self.counts.clear()
        else:
            self.counts = Counter(dict(self.counts.most_common(len(self.counts) // 2)))

    def _hash(self, words: Sequence[str]) -> None:
        import pandas

        array = np.empty(len(words), object)
        array[:] = words
        self._sketch = np.unique(np.concatenate([self._sketch, pandas.util.hash_array(array, categorize=False)]))[:SKETCH]


def _characters(words: Sequence[str]) -> np.ndarray:
    """Code points [k, L] of words of one length."""
    return np.asarray(words, dtype=f"U{len(words[0]) or 1}").view(np.uint32).reshape(len(words), -1)


def _between(characters: np.ndarray, low: str, high: str) -> np.ndarray:
    return (characters >= ord(low)) & (characters <= ord(high))
