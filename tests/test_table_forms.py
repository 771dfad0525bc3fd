"""Cells of every form come back as they were read: recognised, read and written again."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansmith.domains.table.inference import infer, read_words, write_words
from gansmith.domains.table.output import frame
from gansmith.domains.table.reading import read
from gansmith.domains.table.reading_dates import FORMS, forms_of, has_day, is_form, read_dates, write_dates
from gansmith.domains.table.reading_numbers import is_form as is_number_form
from gansmith.domains.table.reading_numbers import style_of, write_numbers
from gansmith.domains.table.schema import Column, Schema
from gansmith.domains.table.where import parse

RNG = np.random.default_rng(0)
DAYS = [datetime(2015, 1, 1) + timedelta(seconds=int(s)) for s in RNG.integers(0, 6 * 365 * 86_400, 120)]
MICROSECONDS = [d.replace(microsecond=int(m)) for d, m in zip(DAYS, RNG.integers(1, 10**6, len(DAYS)), strict=True)]


def column(words: list[str], name: str = "x") -> Column:
    beside = [str(i % 2) for i in range(len(words))]
    return infer(read(pd.DataFrame({name: words, "other": beside}, dtype=object)))[0][name]


def back(words: list[str], found: Column) -> list[str]:
    return write_words(read_words(words, found), found)


# --- dates ---------------------------------------------------------------------------------------------------------------

DATES: list[tuple[list[str], str]] = [
    ([f"{d:%d-%b-%Y}".upper() for d in DAYS], "%d-%^b-%Y"),
    ([f"{d:%d-%b-%y}".upper() for d in DAYS], "%d-%^b-%y"),
    ([f"{d.day} {d:%b %Y}".lower() for d in DAYS], "%-d %_b %Y"),
    ([f"{d:%d%b%Y}".upper() for d in DAYS], "%d%^b%Y"),
    ([f"{d:%B} {d.day}, {d.year}" for d in DAYS], "%B %-d, %Y"),
    ([f"{d.day} {d:%B %Y}" for d in DAYS], "%-d %B %Y"),
    ([f"{d:%d %B %Y}".upper() for d in DAYS], "%d %^B %Y"),
    ([f"{d:%b} {d.day} {d.year}" for d in DAYS], "%b %-d %Y"),
    ([f"{d:%a, %d %b %Y %H:%M:%S} GMT" for d in DAYS], "%a, %d %b %Y %H:%M:%S GMT"),
    ([f"{d:%Y-%m-%d %H:%M:%S} UTC" for d in DAYS], "%Y-%m-%d %H:%M:%S UTC"),
    ([f"{d:%Y-%m-%d %H:%M:%S}+00" for d in DAYS], "%Y-%m-%d %H:%M:%S+00"),
    ([f"{d:%d/%m/%Y, %H:%M:%S}" for d in DAYS], "%d/%m/%Y, %H:%M:%S"),
    ([f"{d:%Y%m%dT%H%M%S}" for d in DAYS], "%Y%m%dT%H%M%S"),
    ([f"{d:%Y%m%dT%H%M%S}Z" for d in DAYS], "%Y%m%dT%H%M%SZ"),
    ([f"{d:%Y%m%d%H%M%S}" for d in DAYS], "%Y%m%d%H%M%S"),
    ([f"{d:%Y%m%d}" for d in DAYS], "%Y%m%d"),
    ([f"{d:%I:%M}{d:%p}".lower() for d in DAYS], "%I:%M%P"),
    ([f"{d.hour % 12 or 12}:{d:%M %p}" for d in DAYS], "%-I:%M %p"),
    ([f"{d:%Y-%m-%d %H:%M:%S},{d.microsecond // 1000:03}" for d in MICROSECONDS], "%Y-%m-%d %H:%M:%S,%3f"),
    *(
        ([f"{d:%Y-%m-%d %H:%M:%S}.{f'{d.microsecond:06}'[:width]}" for d in MICROSECONDS], f"%Y-%m-%d %H:%M:%S.%{width}f")
        for width in range(1, 6)
    ),
    ([f"{d:%H:%M:%S.%f}" for d in MICROSECONDS], "%H:%M:%S.%f"),
    ([f"{d:%H:%M:%S.%f}".rstrip("0") for d in MICROSECONDS], "%H:%M:%S.%-f"),
    ([str(d.replace(microsecond=d.microsecond % 3 * 1000)) for d in MICROSECONDS], "%Y-%m-%d %H:%M:%S.%-6f"),
    ([f"{d.hour + 24 * (d.day % 3)}:{d:%M}" for d in DAYS], "%-H:%M"),  # a duration
    ([f"{d.hour + 24 * d.day:02}:{d:%M:%S}" for d in DAYS], "%H:%M:%S"),
]


@pytest.mark.parametrize(("words", "form"), DATES, ids=[form for _, form in DATES])
def test_a_date_is_recognised_and_comes_back_as_written(words: list[str], form: str) -> None:
    found = column(words)
    assert (found.kind, found.form, back(words, found)) == ("date", form, words)
    assert is_form(form)
    when = pd.Series(DAYS if "f" not in form else MICROSECONDS).astype("datetime64[us]")
    if has_day(form) and "%-6f" not in form:
        read_again = pd.Series(read_words(words, found) * 1e6).round().astype("int64").astype("datetime64[us]")
        assert (when - read_again).abs().max() < pd.Timedelta(days=1)


DAY_NUMBERS = [f"{d:%Y%m%d}" for d in DAYS]


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        ("x", DAY_NUMBERS, "date"),
        ("x", DAY_NUMBERS[:10] * 6, "number"),  # too few to be no chance
        *((name, DAY_NUMBERS[:10] * 6, "date") for name in ("date", "Order Date", "orderDate", "SALEDATE", "day", "valid_dt")),
        ("customers", DAY_NUMBERS[:10] * 6, "number"),
        ("date", [*DAY_NUMBERS, "20200230"], "number"),
        ("date", [*DAY_NUMBERS, "18991231"], "number"),
        ("date", [*DAY_NUMBERS, "21000101"], "number"),
        ("date", [*DAY_NUMBERS, "0"], "number"),
        ("x", [str(n) for n in range(20200101, 20200131)], "id"),  # counted on
        ("day", [str(n) for n in range(20200101, 20200131)], "date"),
        ("order", [str(n) for n in RNG.integers(10**7, 10**8, 200)], "number"),
        ("date", [f"{d:%Y%m%d}" if d.day > 3 else "" for d in DAYS], "date"),
        ("year", [str(d.year) for d in DAYS], "number"),
        ("month", [f"{d:%Y%m}" for d in DAYS], "number"),
    ],
)
def test_whole_numbers_are_days_where_there_is_no_doubt(name: str, words: list[str], kind: str) -> None:
    found = column(words, name)
    assert found.kind == kind
    if kind == "date":
        assert found.form == "%Y%m%d"
        assert back(words, found) == words


@pytest.mark.parametrize(
    ("name", "words", "kind"),
    [
        ("x", [*DAY_NUMBERS, *["00000000"] * 12], "date"),
        ("date", [*DAY_NUMBERS[:10] * 6, *["00000000"] * 12], "date"),
        ("x", [*DAY_NUMBERS[:10] * 6, *["00000000"] * 12], "category"),  # a chance, as without the zeros
        ("x", [*(f"{d:%Y%m%d%H%M%S}" for d in DAYS), "00000000000000"], "date"),
        ("date", [*DAY_NUMBERS[:20] * 6, "00000000", "20200230"], "category"),
    ],
)
def test_zeros_in_the_place_of_a_day_are_missing(name: str, words: list[str], kind: str) -> None:
    found = column(words, name)
    assert (found.kind, found.blank) == (kind, "0" * len(words[0]) if kind == "date" else "")
    assert back(words, found) == words


@pytest.mark.parametrize(
    ("zones", "form", "written"),
    [
        (["GMT+1"], "%Y/%m/%d %I:%M:%S %p GMT+1", "2020/01/05 10:15:00 PM GMT+1"),
        (["GMT-10:30"], "%Y/%m/%d %I:%M:%S %p GMT-10:30", "2020/01/05 10:15:00 PM GMT-10:30"),
        (["GMT+1", "GMT+2"], "%Y/%m/%d %I:%M:%S %p %z", "2020/01/05 09:15:00 PM +0000"),
        (["+01:00", "Z"], "%Y/%m/%d %I:%M:%S %p %:z", "2020/01/05 09:15:00 PM +00:00"),
    ],
)
def test_zones_behind_a_half_day(zones: list[str], form: str, written: str) -> None:
    words = [f"2020/01/05 10:15:00 PM {zones[0]}", *(f"{d:%Y/%m/%d %I:%M:%S %p} {zones[i % len(zones)]}" for i, d in enumerate(DAYS))]
    found = column(words)
    assert (found.kind, found.form, back(words[:1], found)) == ("date", form, [written])
    assert is_form(form)
    assert str(frame(read_words(words, found)[:, None], Schema((found,)))["x"].dt.tz) == "UTC"


@pytest.mark.parametrize("words", [["2020-Q1", "2019-Q4"], ["2020-W05", "2019-W52"], ["2020-01", "2019-12"], ["Jan 2020", "Dec 2019"]])
def test_months_quarters_and_weeks_are_categories(words: list[str]) -> None:
    assert column(words * 30).kind == "category"


def test_a_wrong_day_of_the_week_is_no_date() -> None:
    assert np.isnan(read_dates(["Mon, 05 Mar 2020"], "%a, %d %b %Y")).all()
    assert not np.isnan(read_dates(["Thu, 05 Mar 2020"], "%a, %d %b %Y")).any()


def test_a_form_can_be_found_by_its_parts() -> None:
    moment = datetime(2013, 11, 25, 21, 45, 50, 120_000).timestamp()
    for form in FORMS:
        assert form in forms_of(write_dates([moment], form)[0])


def test_conditions_and_frames_know_the_new_forms() -> None:
    words = [f"{d:%d-%b-%Y %H:%M:%S} UTC".upper() for d in DAYS]
    found = column(words)
    schema = Schema((found,))
    (span,) = parse("x>=05-JAN-2020 10:00:00 UTC", schema).spans
    assert parse("x>=2020-01-05 10:00:00", schema).spans[0] == span == parse("x>=05-jan-2020 10:00:00", schema).spans[0]
    assert (found.form, span[0]) == ("%d-%^b-%Y %H:%M:%S UTC", 1578218400.0)
    made = frame(read_words(words, found)[:, None], schema)
    assert str(made["x"].dt.tz) == "UTC"
    assert back([str(v) for v in made["x"]], found) == words  # what a frame holds is read again


@st.composite
def date_columns(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A form, and cells of it."""
    form = draw(st.sampled_from(FORMS))
    if draw(st.booleans()) and form.startswith("%") and not form.startswith(("%Y%m", "%d%b")):
        form = re.sub(r"%(?=[dmHI])", "%-", form)
    form = re.sub("%(?=[bB])", draw(st.sampled_from(["%", "%^", "%_"])), form)
    form = form.replace("%p", draw(st.sampled_from(["%p", "%P"])))
    form = form.replace("%z", draw(st.sampled_from(["Z", "UTC", "+02:00", "-0330", "+05", "%z"])))
    form = form.replace("%f", draw(st.sampled_from(["%f", "%-f", "%-3f", "%1f", "%3f", "%5f"])))
    start = datetime(1970, 1, 2) if has_day(form) else datetime(1970, 1, 1)
    end = datetime(2068, 12, 30) if has_day(form) else datetime(1970, 1, 1, 23, 59, 59)
    moments = draw(st.lists(st.datetimes(start, end).map(lambda d: (d - datetime(1970, 1, 1)).total_seconds()), min_size=2, max_size=30))
    return form, write_dates(moments, form)


@given(date_columns())
def test_cells_of_every_form_of_dates_come_back(drawn: tuple[str, list[str]]) -> None:
    form, words = drawn
    found = column(words, "day")
    if len(set(words)) > 1:
        assert (form, found.kind) == (form, "date")
        assert back(words, found) == words


# --- numbers -------------------------------------------------------------------------------------------------------------

SIZES = RNG.lognormal(7, 1.5, 120).round(2).tolist()
SIGNED = RNG.normal(0, 5000, 120).round(2).tolist()
MARKS = str.maketrans(",.", ".,")
NUMBERS: list[tuple[list[str], str]] = [
    ([f"{v / 1e9:.3e}" for v in SIGNED], "1.500e+03"),
    ([f"{v * 1e7:.2E}" for v in SIZES], "1.50E+03"),
    ([f"{v * 1e7:.1e}" for v in SIZES], "1.0e+03"),
    ([f"{v:.0e}" for v in SIZES], "1e+03"),
    ([f"{v:.3e}".replace("e+0", "e") for v in SIZES], "1.500e3"),
    ([repr(v * 1e-12) for v in SIZES], "1.5e+03"),
    ([repr(v * 1e-6) for v in SIZES], ""),  # some with an exponent
    ([f"{v:,.0f}" if v > 0 else f"({-v:,.0f})" for v in SIGNED], "(1,234.5)"),
    ([f"${v:,.2f}" for v in SIZES], "$1,234.50"),
    ([f"${v:,.2f}" if v > 0 else f"-${-v:,.2f}" for v in SIGNED], "$1,234.50"),
    ([f"$ {v:,.2f}" for v in SIGNED], "$ -1,234.50"),
    ([f"${v:,.2f}" if v > 0 else f"(${-v:,.2f})" for v in SIGNED], "($1,234.50)"),
    ([f"€ {v:.0f}" for v in SIZES], "€ 1234.5"),
    ([f"{v:,.2f} €".translate(MARKS) for v in SIZES], "1.234,50 €"),
    ([f"USD {v:.2f}" for v in SIZES], "USD 1234.50"),
    ([f"R$ {v:,.2f}".translate(MARKS) for v in SIZES], "R$ 1.234,50"),
    ([f"{v / 100:.1f}%" for v in SIZES], "1234.0%"),
    ([f"{v / 1000:.0f} %" for v in SIZES], "1234.5 %"),
    ([f"{v / 10:.1f} kg" for v in SIZES], "1234.0 kg"),
    ([f"{v:.0f}km/h" for v in SIZES], "1234.5km/h"),
    ([f" {36 + 24 * (v > 1000)} months" for v in SIZES], " 1234.5 months"),
    ([f"{v / 100:+.1f}" for v in SIGNED], "+1234.0"),
    ([f"{v:,.2f}".replace(",", "'") for v in SIZES], "1'234.50"),
    *(([f"{v:,.1f}".translate(str.maketrans(",.", gap + ",")) for v in SIGNED], f"1{gap}234,0") for gap in " \u00a0\u202f"),
    ([f"{v:.1f}".replace("-", "−") for v in SIGNED], "−1234.0"),
    ([f"{v:.1f}" if v > 0 else f"{-v:.1f}-" for v in SIGNED], "1234.0-"),
]


@pytest.mark.parametrize(
    ("words", "step", "form"),
    [
        ([f"{v:.7f}" for v in RNG.uniform(47, 55, 120)], 1e-7, "1234.5000000"),
        ([repr(round(v, 8)) for v in RNG.uniform(-1, 1, 120).tolist()], 1e-8, ""),
        ([f"{v:.10f}" for v in RNG.uniform(0, 1, 120)], 1e-10, "1234.5000000000"),
        ([repr(round(v, 12)) for v in RNG.uniform(0, 1, 120).tolist()], None, ""),
        ([f"{v:.10g}" for v in (RNG.integers(0, 60, 120) / RNG.integers(1, 7, 120)).tolist()], None, ""),
        ([f"{v:.3g}" for v in RNG.lognormal(0, 6, 120)], None, "1234.5g3"),
        ([f"{v:.2e} kg" for v in RNG.lognormal(0, 6, 120)], None, "1.50e+03 kg"),
        ([f"{float(f'{v:.4g}')!r} kg".replace(".", ",") for v in RNG.lognormal(0, 6, 120)], None, "1234,0g4 kg"),
    ],
)
def test_how_exact_numbers_are_is_kept(words: list[str], step: float | None, form: str) -> None:
    found = column(words)
    assert (found.kind, found.step, found.form) == ("number", step, form)
    assert (read_words(back(words, found), found) == read_words(words, found)).all()
    if "g" in form.removesuffix("kg"):
        assert max(len(re.sub(r"e.*|\D", "", w).strip("0")) for w in back([repr(math.pi * 10**k) for k in range(5)], found)) <= 4


@pytest.mark.parametrize(("words", "form"), NUMBERS, ids=[form for _, form in NUMBERS])
def test_a_number_is_recognised_and_comes_back_as_written(words: list[str], form: str) -> None:
    for cells in (words, [*words, *["", "n/a"] * 30]):
        found = column(cells)
        assert (found.kind, found.form) == ("number", form)
        assert back(words, found) == words
        assert is_number_form(found.form)
    for word in words[:5]:
        assert parse(f"x<={word}", Schema((found,))).spans[0][1] == read_words([word], found)[0]
    if style_of(form) == "1234.5":
        plain = frame(read_words(words, found)[:, None], Schema((found,)))["x"]
        assert back([str(v) for v in plain], found) == words


def test_what_only_looks_like_a_number_is_none() -> None:
    zips = [f"{n:05}" for n in RNG.integers(1000, 99_999, 200)]
    telephones = [f"+46 {n:,}".replace(",", " ") for n in RNG.integers(10**5, 10**6, 200)]
    companies = [f"{n:,}".replace(",", " ") for n in RNG.integers(10**8, 10**9, 200)]
    assert [column(words).kind for words in (zips, companies, telephones, zips[:10] * 20)] == ["id", "id", "id", "category"]
    assert back(zips[:10] * 20, column(zips[:10] * 20)) == zips[:10] * 20
    for words in (
        ["1 year", "2 years"],
        ["5 kg", "3 g"],
        ["5 kg", "3", "8"],
        ["(5", "3)"],
        ["5-kg", "6-kg"],
        ["A12", "A13"],
        ["12-", "-12-"],
    ):
        assert column(words * 30).kind == "category"
    assert column([f"{n} kg" for n in range(60)]).kind == "number"  # though counted on


def test_points_are_of_thousands_where_they_cannot_be_decimal() -> None:
    words = [f"{v:,.0f}".translate(MARKS) for v in SIZES]  # 827 and 2.730
    found = column(words)
    assert (found.form, found.step, found.highest, back(words, found)) == ("1.234,5", 1.0, round(max(SIZES)), words)
    assert column([f"{v:.3f}" for v in SIZES]).form == "1234.500"


# --- words among numbers and dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["unknown", "0000-00-00", "<5", "n/k"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("number", [f"{v:.0f}" for v in SIZES]),
        ("number", [f"{v:,.2f}" for v in SIZES]),
        ("number", [f"{v:,.2f}".translate(MARKS) for v in SIZES]),
        ("date", [f"{d:%d/%m/%Y}" for d in DAYS]),
    ],
)
def test_a_word_that_marks_what_is_missing_comes_back(kind: str, words: list[str], mark: str) -> None:
    for marks in (2, 60):
        cells = [mark] * marks + words
        found = column(cells)
        assert (found.kind, found.blank, back(cells, found)) == (kind, mark, cells)
    assert column([mark] * 200 + words).kind != kind  # more often than a value
    several = [mark, "refused", ">100", "< 0,5", "#"]
    assert column(several * 20 + words).kind == kind
    assert column([*several, "another"] * 10 + words).kind != kind
    few = column([mark, "refused", *words * 2])
    assert (few.kind, few.blank, few.missing) == (kind, "", 2 / 242)
    assert column([mark, *words[:15]] * 6).kind == "category"  # among few values a word is one like them


def test_a_number_without_the_unit_of_the_others_that_occurs_again_marks_what_is_missing() -> None:
    amounts = [f"{v:.1f} kg" for v in SIZES] * 2
    found = column([*amounts, "-9", "-9"])
    assert (found.kind, found.form, found.blank, found.missing) == ("number", "1234.0 kg", "-9", 2 / 242)
    assert (found.lowest, found.step) == (column(amounts).lowest, 0.1)
    assert back(["-9", *amounts], found) == ["-9", *amounts]
    frame = pd.DataFrame({"x": [*amounts, "-9", "71"], "other": "a"}, dtype=object)
    schema, noticed = infer(read(frame))
    assert schema["x"].lowest == -9
    assert ["x: 2, such as '-9'" in f.message for f in noticed if f.code == "T125"] == [True]
    assert not [f for f in infer(read(frame[:-2]))[1] if f.code == "T125"]


def test_amounts_in_other_units_are_no_strays() -> None:
    assert column(["1 year", *(f"{2 + i % 40} years" for i in range(200))]).kind == "category"
    assert column(["free", "free", *(f"${v:,.2f}" for v in SIZES)]).blank == "free"


@st.composite
def number_columns(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A form, and cells of it."""
    before = draw(st.sampled_from(["", "$", " $", "€ ", "USD ", "R$", "kr\u00a0"]))
    place = draw(
        st.sampled_from(["{b}{n}{u}", "({b}{n}{u})", "+{b}{n}{u}", "−{b}{n}{u}", "{b}{n}-", *["{b}-{n}{u}", "{b}+{n}{u}"] * (before != "")])
    )
    unit = draw(st.sampled_from(["", "%", " %", " kg", "€", " km/h", "°C", "K", " rooms "]))
    group, mark = draw(st.sampled_from([*((g, ".") for g in ("", *",'’ \u00a0\u202f")), *((g, ",") for g in ("", ".", *" \u00a0\u202f"))]))
    place = place.replace("+{b}", "{b}") if group in (*" \u00a0\u202f’'",) and not before else place  # a telephone number
    digits = 2 if (group, mark) == (".", ",") else draw(st.integers(0, 3))  # 1.234 alone is a decimal
    number = f"1{group}234{mark}{('5', '0', '50', '500')[digits]}"
    ticks = draw(st.lists(st.integers(-(10**8) + 1, 10**8 - 1), min_size=2, max_size=19))
    if draw(st.booleans()):
        point = f"{mark}5{'0' * (digits - 1)}" if digits > 1 else f"{mark}0" if digits else ""
        number = draw(st.sampled_from([f"1{point or mark + '5'}e+03", f"1{point}E3", f"1{mark}5E+3"]))
    form = place.format(b=before, n=number, u=unit)
    return form, write_numbers([t / 10**digits for t in ticks], 10.0**-digits, form)


@given(number_columns())
def test_cells_of_every_form_of_numbers_come_back(drawn: tuple[str, list[str]]) -> None:
    form, words = drawn
    assert is_number_form(form)
    found = column(words)
    if len(set(words)) > 1 and set(words) != {"0", "1"}:
        assert (form, found.kind) == (form, "number")
        assert back(words, found) == words
