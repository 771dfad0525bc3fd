"""The report as a page: whole in itself, well formed, escaped, the same every time, and honest about what is missing."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gansmith import pages
from gansmith.errors import ConfigError, RunError
from gansmith.pages import Picture, Pictures, Report, RunRecord, board, charts, compare, content, page, pictures, words
from gansmith.records import Answer, Arm, Difference, Estimate, Evaluation, Proof, Score, Setting, Verdict

NASTY = "<script>alert('x')</script> & \"q\""
CLASSES = ("cat", "dog", NASTY)
ARMS = ("real", "synthetic", "real + synthetic", "real + classical", "real + classical + synthetic", "real repeated")


def evaluation(step: int = 300, extractor: str = "classifier", gain: float = 0.0) -> Evaluation:
    """Three answers, an unreliable score, scores of classes."""

    def near(value: float, width: float = 0.02) -> Estimate:
        return Estimate(value, value - width, value + width)

    return Evaluation(
        when="2026-11-22T14:02:11+00:00",
        command="gansmith evaluate runs/zoo-1",
        subject="runs/zoo-1",
        conditions={"extractor": extractor, "input": [8, 8], "seed": 0, "step": step, "seen": 16 * step},
        scores=(
            Score("frechet distance", "faithful", "lower", near(6.2 - gain, 0.6), floor=1.3, copy=0.4, noise=214.0),
            Score("precision", "faithful", "higher", near(0.89), floor=0.93, copy=1.0, noise=0.0),
            Score("recall", "diverse", "higher", near(0.41 + gain / 10), floor=0.93, copy=0.98, noise=0.02),
            Score("sliced distance", "diverse", "lower", near(0.24), floor=0.22, copy=0.2, noise=0.21, reliable=False),
            Score("near copies", "original", "lower", near(0.5), floor=0.003, copy=1.0, note="Share of samples."),
            *(Score("recall", "diverse", "higher", near(0.3 + i / 10), label=c) for i, c in enumerate(CLASSES)),
        ),
        verdicts=(
            Verdict("faithful", "yes", "Hardly told from real ones.", ("frechet distance", "precision")),
            Verdict("diverse", "partly", "Some of the variety is missing.", ("recall", "sliced distance")),
            Verdict("original", "no", "Half of them are copies."),
        ),
        warnings=("Only 300 samples on each side.",),
    )


def proof() -> Proof:
    """Six arms, five seeds, two settings, the second with an arm that failed and a class made rare."""
    seeds = np.random.default_rng(0).normal(0, 0.01, 5)
    arms = tuple(
        Arm(
            name,
            300,
            tuple(float(v) for v in 0.8 + i / 100 + seeds),
            {c: 0.7 + i / 100 for c in CLASSES},
            ranking=tuple(float(v) for v in 0.9123 + i / 100 + seeds - seeds.mean()),
        )
        for i, name in enumerate(ARMS)
    )
    failed = (*arms[:5], Arm("real repeated", 300, (), failed="the estimator stopped: ValueError"))
    gains = (Difference("real + synthetic", "real + classical", Estimate(0.02, 0.01, 0.03), Estimate(0.004, -0.001, 0.009)),)
    losses = (Difference("real + synthetic", "real + classical", Estimate(-0.001, -0.02, 0.018)),)
    helps = "helps: +2.0 points (1.0 to 3.0) over real + classical"
    return Proof(
        when="2026-11-22T15:40:00+00:00",
        command="gansmith prove runs/zoo-1",
        subject="runs/zoo-1",
        conditions={"model": "small CNN", "steps": 1500, "seeds": 5, "measure": "accuracy"},
        settings=(
            Setting("10 a class", 10, 5.0, arms, gains, "helps", helps),
            Setting("30 a class", 30, 5.0, failed, losses, "no measurable effect", "no measurable effect: −0.1 points", rare="dog"),
        ),
        verdict=Verdict("useful", "partly", "It helps where there is little.", ("10 a class",)),
    )


def log(count: int = 60) -> tuple[dict[str, Any], ...]:
    """A made-up record of a training that converges."""
    fall = [math.exp(-i / 10) for i in range(count)]
    keys = {
        "loss_d": 0.7,
        "log_d_real": -0.7,
        "log_1_minus_d_fake": -0.7,
        "logit_real": 1.0,
        "logit_fake": -1.0,
        "r1": 0.1,
        "slope": 1.0,
        "r2": 0.2,
    }
    keys |= {"loss_g": 0.8, "grad_d": 2.0, "grad_g": 3.0, "lr_generator": 1e-3, "lr_discriminator": 1e-3}
    return tuple(
        {"step": 5 * i, "seen": 80 * i, "share": i / count, **{k: v * (1 + f) for k, v in keys.items()}} for i, f in enumerate(fall, 1)
    )


def picture(title: str, width: int = 60, height: int = 30, seed: int = 0) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Picture(Image.fromarray(noise), title, f"{title}, as it looks", True)


def record(name: str = "zoo-1", **changes: Any) -> RunRecord:
    """A run of which everything is known."""
    found = RunRecord(
        name=name,
        path=f"runs/{name}",
        recipe="run:\n  seed: 7\n",
        settings={"data.source": "zoo", "network.name": "light", "network.width": 16, "run.seed": 7, "run.minutes": None, "run.batch": 16},
        data={
            "source": "zoo",
            "domain": "image",
            "count": 1000,
            "training": 900,
            "classes": list(CLASSES),
            "layout": {"blocks": [{"size": 1}], "positions": [8, 8]},
            "split": {"rule": "by content hash", "held_out": 100},
            "facts": {"classes": dict.fromkeys(CLASSES, 333), "duplicates": {"count": 2, "examples": []}, "rule": "kept at 8x8"},
            "findings": [{"code": "D102", "severity": "warning", "message": "2 pictures are the same.", "advice": "Remove one."}],
            "own": {"generator": False},
            "machine": {"torch": "2.13.0", "cores": 2},
        },
        log=log(),
        seconds=75.0,
        evaluations=(evaluation(100, gain=-3.0), evaluation(200), evaluation(300)),
        proofs=(proof(),),
        pictures=Pictures(
            picture("72 samples drawn at random"),
            tuple(picture(c, 120, 10) for c in CLASSES),
            tuple(picture(f"{n} samples seen", 80, 10) for n in (16, 900)),
            picture("4 walks"),
            picture("The nearest"),
        ),
    )
    return replace(found, **changes)


def bare(name: str = "zoo-1", **changes: Any) -> RunRecord:
    """A run of which hardly anything is there."""
    return RunRecord(name, f"runs/{name}", "run:\n  seed: 7\n", {"run.seed": 7, "data.source": "zoo"}, **changes)


def report(*runs: RunRecord) -> Report:
    return Report(runs or (record(),), "gansmith report runs/zoo-1", "0.2.0")


VOID = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Reads a page as a strict reader would: every tag closed in order; collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"<{tag}> has an attribute twice"
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def values(self, attribute: str) -> Iterator[str]:
        return (a[attribute] for _, a in self.tags if attribute in a)


PAGES = {
    "whole": report(),
    "bare": report(bare()),
    "several": report(record(proofs=()), record("zoo-2", evaluations=()), bare("zoo-3")),
    "nasty": report(record(NASTY, path=f"runs/{NASTY}", missing=(NASTY,), recipe=NASTY, log=log(1))),
}


@pytest.fixture(scope="module")
def html() -> dict[str, str]:
    return {name: pages.html(r) for name, r in PAGES.items()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed_and_asks_for_nothing(name: str, html: dict[str, str]) -> None:
    text = html[name]
    seen = Reader(text)
    assert text.startswith("<!doctype html>")
    assert all(v.startswith(("data:", "#")) for key in ("src", "href", "xlink:href") for v in seen.values(key))
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert not {"script", "iframe", "object", "embed", "form"} & {tag for tag, _ in seen.tags}
    assert not [key for _, a in seen.tags for key in a if key.startswith("on")]
    ids = list(seen.values("id"))
    assert len(ids) == len(set(ids))
    wanted = {v[1:] for v in seen.values("href") if v.startswith("#")} | set(seen.values("aria-labelledby"))
    wanted |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(ids)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_aloud(name: str, html: dict[str, str]) -> None:
    seen = Reader(html[name])
    tags = [tag for tag, _ in seen.tags]
    assert seen.all("html") == [{"lang": "en"}]
    assert [tags.count(t) for t in ("main", "h1", "nav")] == [1, 1, 1]
    levels = [int(t[1]) for t in tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert all(a["alt"].strip() and int(a["width"]) > 0 for a in seen.all("img"))
    assert all(a["aria-label"].strip() for tag, a in seen.tags if a.get("role") == "img")
    assert tags.count("table") == tags.count("caption")
    assert all(a.get("scope") in ("col", "row") for a in seen.all("th"))
    assert seen.all("svg") == [] or all(a["aria-hidden"] == "true" for a in seen.all("svg"))


def test_what_people_named_stays_text(html: dict[str, str]) -> None:
    text = html["nasty"]
    assert "<script" not in text
    assert Reader(text).said.count(" ".join(NASTY.split())) > 5  # the run, its path, a class in several places, the recipe, a sentence
    assert "<script" not in re.sub(r"`[^`]*`", "", pages.markdown(PAGES["nasty"]))  # between ticks nothing is markup


def test_every_part_of_a_whole_run_is_there(html: dict[str, str]) -> None:
    said = Reader(html["whole"]).said
    for words_ in (
        "✓ Yes", "◐ Partly", "✕ No", "6.2 (5.6 to 6.8)", "real 1.3 · copy 0.4 · noise 214.0", "unreliable here", "Only 300 samples",
        "A random draw", "Class by class", "The same latents over time", "From one sample to another", "Closest to the training data",
        "Scores of each class", "Scores over the run", "What a model learned", "What is gained or lost", "failed", "made rare",
        "the estimator stopped: ValueError", "Losses", "Gradient norms", "D102", "Remove one.", "torch", "2.13.0", "recipe.yaml",
        "gansmith train --recipe runs/zoo-1/recipe.yaml", "gansmith report runs/zoo-1", "1 min 15 s",
    ):  # fmt: skip
        assert words_ in said, words_
    assert "Not measured yet" not in said
    assert "has not finished" not in said


def test_a_run_of_which_nothing_is_known_says_so(html: dict[str, str]) -> None:
    said = Reader(html["bare"]).said
    for words_ in (
        "no record of any training", "gansmith train --resume runs/zoo-1", "Not measured yet", "gansmith evaluate runs/zoo-1",
        "gansmith prove runs/zoo-1", "no samples to show", "too few records", "are unknown",
    ):  # fmt: skip
        assert words_ in said, words_
    for absent in ("Class by class", "over time", "From one sample", "Closest to", "over the run", "What a model learned", "Losses"):
        assert absent not in said, absent


def test_a_run_that_never_finished_says_how_far_it_came() -> None:
    said = Reader(pages.html(report(bare(log=({"step": 5, "seen": 80, "share": 0.999},))))).said
    assert "This run has not finished." in said
    assert "99 % of the way" in said
    assert "gansmith train --resume runs/zoo-1" in said


def test_what_could_not_be_read_is_told() -> None:
    found = report(bare(missing=("scores.json cannot be read.",)))
    assert "scores.json cannot be read." in Reader(pages.html(found)).said
    assert "scores.json cannot be read." in pages.markdown(found)


def test_runs_stand_side_by_side_where_their_conditions_agree() -> None:
    less = record("zoo-1", evaluations=(evaluation(),), proofs=(), log=log(1))
    better = replace(less, name="zoo-2", evaluations=(evaluation(500, gain=2.0),), settings={**less.settings, "run.batch": 32})
    other = replace(less, name="zoo-3", evaluations=(evaluation(extractor="pixels"),))
    found = report(less, better, other)
    (both, alone) = compare.benches(found.runs)
    assert (both.runs, alone.runs) == ((0, 1), (2,))
    cells = {metric.metric: cells for metric, cells in both.rows}
    assert [c.best for c in cells["frechet distance"]] == [False, True]
    assert [c.best for c in cells["precision"]] == [False, False]  # their intervals overlap
    assert [c.best for c in cells["sliced distance"]] == [False, False]
    assert compare.differing([r.settings for r in found.runs]) == {"run.batch": (16, 32, 16)}
    said = Reader(pages.html(found)).said
    assert "4.2 (3.6 to 4.8) best" in said
    assert "2 different sets of conditions" in said
    assert "extractor classifier pixels" in said


def test_an_unreliable_score_is_never_the_best() -> None:
    loser, winner = evaluation(), evaluation()
    good = tuple(replace(s, estimate=Estimate(0.01, 0.0, 0.02)) if s.metric == "sliced distance" else s for s in winner.scores)
    (bench,) = compare.benches([record(evaluations=(loser,)), record(evaluations=(replace(winner, scores=good),))])
    assert not any(c.best for metric, cells in bench.rows if metric.metric == "sliced distance" for c in cells)


def test_a_course_holds_the_newest_of_each_step_under_the_newest_conditions() -> None:
    old, again = evaluation(200, gain=1.0), evaluation(200, gain=2.0)
    found = compare.course([evaluation(300), old, evaluation(100, "pixels"), again, evaluation(100)])
    assert [e.conditions["step"] for e in found] == [100, 200, 300]
    assert found[1] is again
    assert compare.course([]) == ()


@pytest.mark.parametrize("answer", ["yes", "partly", "no", "unknown"])
def test_a_card_says_what_its_verdict_says(answer: Answer) -> None:
    verdict = Verdict("faithful", answer, "For a reason.", ("precision",))
    cards = {c.word: c for c in board.board(record(evaluations=(replace(evaluation(), verdicts=(verdict,)),), proofs=()))}
    assert (cards["faithful"].answer, cards["faithful"].sentence) == (answer, "For a reason.")
    assert [line.title for line in cards["faithful"].evidence] == ["precision"]
    assert (cards["diverse"].answer, cards["diverse"].command) == ("unmeasured", "gansmith evaluate runs/zoo-1")
    assert (cards["useful"].answer, cards["useful"].command) == ("unmeasured", "gansmith prove runs/zoo-1")


def test_no_answer_is_told_by_colour_alone() -> None:
    assert len({board.MARKS[a] for a in board.MARKS}) == len({board.SAID[a] for a in board.SAID}) == len(board.MARKS)


def test_the_same_content_gives_the_same_bytes(html: dict[str, str]) -> None:
    assert pages.html(report()) == html["whole"]
    assert pages.markdown(report()) == pages.markdown(PAGES["whole"])


@pytest.mark.parametrize("name", PAGES)
def test_a_report_comes_back_from_its_json(name: str) -> None:
    found = PAGES[name]
    assert Report.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_report_of_a_newer_format_is_refused() -> None:
    with pytest.raises(RunError, match=r"format 9 .* Upgrade with"):
        Report.from_dict({**report().to_dict(), "format": content.FORMAT + 8})


def test_a_page_keeps_to_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    several = tuple(picture(f"{i}", 400, 300, i) for i in range(4))
    found = report(bare(pictures=Pictures(classes=several)))
    whole = pages.html(found)
    monkeypatch.setattr(page, "LIMIT", 400_000)
    less = pages.html(found)
    assert len(less.encode()) <= 400_000 < len(whole.encode())
    shown = [a for a in Reader(less).all("img") if a["width"] == "400"]
    assert len(shown) == 4  # what was made smaller is still shown at its size
    assert all(a["src"].startswith("data:image/jpeg") for a in shown)


def test_more_runs_than_a_page_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "LIMIT", 15_000)
    with pytest.raises(ConfigError, match=r"2 runs do not fit one page .* fewer"):
        pages.html(report(bare(), bare("zoo-2")))


@given(
    sizes=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 200)), min_size=1, max_size=4),
    mode=st.sampled_from(["L", "RGB", "RGBA"]),
    room=st.integers(20_000, 200_000),
)
def test_pictures_keep_to_their_room(sizes: list[tuple[int, int]], mode: str, room: int) -> None:
    source = np.random.default_rng(0)
    bands = len(mode)
    images = [Image.fromarray(source.integers(0, 256, (h, w, bands)[: 2 if bands == 1 else 3], np.uint8), mode) for w, h in sizes]
    found = pictures.embed(images, room)
    assert [(e.width, e.height) for e in found] == sizes
    assert sum(len(e.uri) for e in found) <= room


def test_a_picture_with_room_loses_nothing() -> None:
    image = picture("x").image
    (found,) = pictures.embed([image], 10**6)
    assert found.media == "image/png"
    np.testing.assert_array_equal(np.asarray(read_image(found.data)), np.asarray(image))


def test_transparency_becomes_white_where_it_has_to_go() -> None:
    clear = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    clear[..., 3] = 0
    (found,) = pictures.embed([Image.fromarray(clear)], 2_000)
    assert found.media == "image/jpeg"
    assert np.asarray(read_image(found.data)).min() > 250


def test_a_huge_picture_is_brought_down() -> None:
    (found,) = pictures.embed([Image.new("L", (3200, 100))], 10**6)
    assert (found.width, found.height) == (pictures.WIDEST, 50)


def read_image(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_charts_take_their_colours_from_the_page_and_share_no_names() -> None:
    found = [*charts.training(log(), "a"), *charts.training(log(), "b"), *charts.scores([evaluation(100), evaluation(200)], "a")]
    found += [c for s in proof().settings for c in (charts.arms(s, "accuracy", f"{s.title}"), charts.differences(s, "accuracy", "d")) if c]
    text = "".join(c.svg for c in found)
    assert not re.search(r"#0[0-9a-f]{5}\b", text)  # no mark is left
    assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", text)) <= {"none", *charts.COLOURS.values()}
    assert "<style" not in text
    assert "<metadata" not in text
    ids = re.findall(r'\bid="([^"]+)"', "".join(c.svg for c in found if not c.title.startswith("What")))
    assert len(ids) == len(set(ids))
    assert all(c.alt.strip() for c in found)


def test_each_panel_of_a_training_is_drawn_from_what_was_recorded() -> None:
    assert [c.title for c in charts.training(log(), "a")] == [p.title for p in charts.PANELS]
    assert charts.training(log(1), "a") == ()
    only = [{"seen": r["seen"], "loss_d": r["loss_d"]} for r in log()]
    (chart,) = charts.training(only, "a")
    assert "discriminator from 1.40 to 0.702" in chart.alt


def test_what_cannot_be_drawn_is_left_out() -> None:
    values = [1.0, math.nan, math.inf, 0.0, -1.0, 2.0]
    records = [{"seen": i, "r1": v} for i, v in enumerate(values)]
    linear, above = charts.recorded(records, "r1", "R1", 0), charts.recorded(records, "r1", "R1", 0, "log")
    assert linear is not None
    assert above is not None
    assert (linear.y.tolist(), above.y.tolist()) == ([1.0, 0.0, -1.0, 2.0], [1.0, 2.0])
    assert charts.recorded(records, "absent", "R1", 0) is None


def test_a_long_record_becomes_means_with_the_range_of_most() -> None:
    records = [{"seen": i, "loss_d": float(i % 10)} for i in range(16 * charts.POINTS)]
    found = charts.recorded(records, "loss_d", "D", 0)
    assert found is not None
    assert len(found.y) == charts.POINTS
    assert found.low is not None
    assert found.high is not None
    assert found.y.mean() == pytest.approx(4.5)
    assert ((found.low >= 0) & (found.low < found.y) & (found.y < found.high) & (found.high <= 9)).all()


def test_a_ranking_stands_beside_the_measure() -> None:
    ranked, plain = proof().settings
    both, one = (charts.differences(s, "accuracy", "d") for s in (ranked, plain))
    assert both is not None
    assert one is not None
    assert "area under the ROC curve" in both.alt
    assert "Square" in both.caption
    assert "ROC" not in one.alt + one.caption
    page = pages.html(report(record()))
    assert page.count('<th scope="row">area under the ROC curve</th>') == 2
    assert '<td class="n">0.912</td>' in page


def test_a_proof_over_several_sizes_becomes_curves() -> None:
    few, rare = proof().settings
    more = replace(few, title="100 a class", per_class=100)
    wider = replace(few, title="10 a class, 10 synthetic", ratio=10.0)
    assert [c.title for c in charts.curves([few, more, rare], "accuracy", "a")] == ["More real samples, 5 synthetic for each"]
    assert [c.title for c in charts.curves([few, wider], "accuracy", "a")] == ["More synthetic samples, 10 real per class"]
    assert charts.curves([few, rare], "accuracy", "a") == ()


def test_an_arm_that_failed_and_an_endless_interval_are_not_drawn() -> None:
    failed = Setting("none", None, 1.0, (Arm("real", 3, (), failed="why"),), (), "no measurable effect", "")
    assert charts.arms(failed, "accuracy", "a") is None
    assert charts.differences(failed, "accuracy", "a") is None
    endless = Difference("real", "synthetic", Estimate(0.0, -math.inf, math.inf))
    assert charts.differences(replace(failed, differences=(endless,)), "accuracy", "a") is None


def test_names_in_letters_that_no_font_here_has_are_still_drawn() -> None:
    found = charts.together([("走る", log()), ("$x_1$", log()), ("<b>", log())], "a")
    assert len(found) == len(charts.ACROSS)
    assert all("走る" in c.svg and "$x_1$" in c.svg and "&lt;b&gt;" in c.svg and "<b>" not in c.svg for c in found)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0.0, "0.00"),
        (1.0, "1.00"),
        (0.0123456, "0.0123"),
        (214.0, "214"),
        (12345.6, "12,346"),
        (-0.5, "−0.500"),
        (math.nan, "not finite"),
    ],
)
def test_a_measured_number_in_words(value: float | None, said: str) -> None:
    assert words.number(value) == said


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (Estimate(0.8123, 0.801, 0.8234), "0.812 (0.801 to 0.823)"),
        (Estimate(6.2, 5.6, 6.8), "6.2 (5.6 to 6.8)"),
        (Estimate(1234.5, 1000.0, 1500.0), "1,234 (1,000 to 1,500)"),
        (Estimate(-0.001, -0.01, 0.008), "−0.001 (−0.010 to 0.008)"),
        (Estimate(0.5, 0.5, 0.5), "0.500 (0.500 to 0.500)"),
        (Estimate(1.0, -math.inf, math.inf), "1.00 (not finite to not finite)"),
    ],
)
def test_an_interval_in_words(estimate: Estimate, said: str) -> None:
    assert words.interval(estimate) == said


def test_a_control_has_the_decimals_of_its_score() -> None:
    score = Estimate(0.8123, 0.801, 0.8234)
    assert [words.control(v, score) for v in (1.0, -0.02, None, math.nan)] == ["1.000", "−0.020", "–", "not finite"]
    assert words.control(0.5, Estimate(0.5, 0.5, 0.5)) == "0.500"


@given(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3).map(sorted))
def test_an_interval_never_loses_its_width(ends: list[float]) -> None:
    low, value, high = ends
    said = words.interval(Estimate(value, low, high), sign=True)
    assert said.count("(") == said.count(" to ") == 1


def test_settings_in_words() -> None:
    assert words.plain({"a": 1, "b": [True, None, 2.5]}) == "a: 1, b: yes, –, 2.5"
    assert words.plain(list(range(30))).endswith("23, … (30 in all)")
    assert [words.duration(s) for s in (12.4, 75, 3900)] == ["12 s", "1 min 15 s", "1 h 05 min"]
    assert [words.count(n) for n in (999, 12345, 1234567, 999_600_000, 1.23e9)] == ["999", "12,345", "1.23 M", "1 G", "1.23 G"]


@pytest.mark.parametrize("name", PAGES)
def test_the_summary_is_markdown_with_whole_tables(name: str) -> None:
    text = pages.markdown(PAGES[name])
    assert text.startswith("# ")
    width = None
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert cells is None or width is None or cells == width, line
        width = cells
    for run in PAGES[name].runs:
        assert all(c.said in text for c in board.board(run))


def test_a_name_in_the_summary_calls_nobody_and_marks_nothing_up() -> None:
    text = pages.markdown(report(bare(name="@everyone *x* | <b> `y` [z](u)\n# big")))
    (title, *_) = text.splitlines()
    assert title == "# @\u2060everyone \\*x\\* \\| &lt;b> \\`y\\` \\[z\\](u) \\# big"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "raised"])
def test_every_colour_of_text_can_be_read(theme: int, ground: str) -> None:
    """WCAG 2.2 AA: text 4.5 : 1, lines of charts 3 : 1."""
    style = (Path(pages.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    themes = [dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)]
    assert len(themes) == 2
    for name, colour in themes[theme].items():
        if name in ("paper", "raised", "line"):
            continue
        light, dark = sorted((luminance(colour), luminance(themes[theme][ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= (3.0 if re.fullmatch(r"s\d", name) else 4.5), name


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium: one that is installed on this machine, else the one playwright has fetched."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    installed = next(
        (p for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable") if (p := shutil.which(name))), None
    )
    with api.sync_playwright() as driver:
        path = installed or driver.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("no Chromium is installed: apt-get install chromium, or playwright install chromium")
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any, html: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page from disk under a browser's settings; at the end, nothing must have been complained of or asked for elsewhere."""
    complaints: list[str] = []

    def open_one(name: str, **settings: Any) -> Any:
        path = tmp_path / "report.html"
        path.write_text(html[name], encoding="utf-8")
        tab = chromium.new_page(**settings)
        tab.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda r: None if r.url.startswith(("data:", path.as_uri())) else complaints.append(f"asked for {r.url}"))
        tab.goto(path.as_uri())
        return tab

    yield open_one
    for context in chromium.contexts:
        context.close()
    assert complaints == []


def brightness(screenshot: bytes) -> float:
    """Mean grey value of a picture, 0 to 255."""
    return float(np.asarray(read_image(screenshot).convert("L")).mean())


@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_every_picture_of_a_page(name: str, opened: Callable[..., Any]) -> None:
    tab = opened(name, viewport={"width": 1200, "height": 900})
    decoded = tab.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth > 0, () => false)))")
    assert decoded == [True] * len(Reader(tab.content()).all("img"))
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1200
    drawn = tab.evaluate("[...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect().height)")
    assert all(height > 50 for height in drawn)


def test_a_page_is_light_in_the_light_and_dark_in_the_dark(opened: Callable[..., Any]) -> None:
    light = opened("whole", viewport={"width": 1200, "height": 900}, color_scheme="light").screenshot()
    dark = opened("whole", viewport={"width": 1200, "height": 900}, color_scheme="dark").screenshot()
    assert brightness(light) > 200
    assert brightness(dark) < 70


def test_a_page_fits_a_telephone(opened: Callable[..., Any]) -> None:
    tab = opened("several", viewport={"width": 380, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") == 380
    assert len(tab.screenshot(full_page=True)) > 50_000


def test_a_page_prints_in_light_colours_with_nothing_folded_away(opened: Callable[..., Any]) -> None:
    tab = opened("whole", color_scheme="dark")
    hidden = "[...document.querySelectorAll('details > :not(summary)')].filter(e => !e.checkVisibility()).length"
    assert tab.evaluate(hidden) > 0
    tab.emulate_media(media="print")
    assert tab.evaluate(hidden) == 0
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.pdf(prefer_css_page_size=True).startswith(b"%PDF")
