"""A run folder becomes a page, whatever is in it and whatever is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tiny
from gansmith.errors import ConfigError, RunError, StorageError
from gansmith.pages import Report
from gansmith.runs import RunFolder, write_json
from gansmith.verbs.report import gather, report
from gansmith.verbs.run import Run
from test_pages import Reader, evaluation, proof


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three finished runs: digits with classes, points, and lines."""
    place = tmp_path_factory.mktemp("runs")
    return {name: tiny.train(place, data=name).path for name in ("digits", "toy:ring", "toy:sines")}


@pytest.fixture
def run(trained: dict[str, Path], tmp_path: Path) -> RunFolder:
    """A copy of the run on digits, to be spoilt."""
    return RunFolder(shutil.copytree(trained["digits"], tmp_path / "digits-1", ignore=shutil.ignore_patterns("report.*")))


def said(page: Path) -> str:
    return Reader(page.read_text(encoding="utf-8")).said


def test_a_run_gets_its_page_its_json_and_its_summary(run: RunFolder) -> None:
    write_json(run.scores, {"format": 1, "evaluations": [evaluation(10).to_dict(), evaluation(30).to_dict()]})
    write_json(run.proof, {"format": 1, "proofs": [proof().to_dict()]})
    Image.new("L", (80, 20)).save(run.closest)
    page = report(run.path)
    assert page == run.report
    text = said(page)
    for words in ("✓ Yes", "What is gained or lost", "Scores over the run", "Class by class", "over time", "Closest to", "Losses"):
        assert words in text, words
    assert "480 real samples seen" in text
    shown = Reader(page.read_text(encoding="utf-8")).all("img")
    assert len(shown) == 1 + 1 + 1 + 10 + 4  # a draw, a walk, the closest, the classes, the previews
    kept = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    found = Report.from_dict(kept)
    assert found.runs == (gather(run, "digits-1"),)
    assert found.runs[0].evaluations == (evaluation(10), evaluation(30))
    assert found.runs[0].data["split"]["held_out"] == len(Run(run).data["split"]["held_out"]) > 0
    summary = page.with_suffix(".md").read_text(encoding="utf-8")
    assert summary.startswith("# digits-1\n")
    assert "| faithful | ✓ Yes |" in summary
    assert not list(run.path.glob(".*.part"))


def test_a_moment_is_the_first_row_of_a_preview_to_the_pixel(run: RunFolder) -> None:
    (first, *_, last) = gather(run, "digits-1").pictures.time
    whole = np.asarray(Image.open(max(run.previews.glob("*.png"))))
    height = whole.shape[0] * 8 // (8 * 8 + 7 * 2)  # eight rows of eight pixels with gaps of two, enlarged
    np.testing.assert_array_equal(np.asarray(last.image), whole[:height])
    assert (whole[height : height + 2] == 255).all()  # the gap below
    assert (first.title, last.title) == ("80 samples seen", "480 samples seen")
    assert first.pixelated


def test_the_same_run_gives_the_same_bytes(run: RunFolder, tmp_path: Path) -> None:
    first, again = (report(run.path, out=tmp_path / name, command="gansmith report") for name in ("a", "b"))
    for ending in (".html", ".json", ".md"):
        assert first.with_suffix(ending).read_bytes() == again.with_suffix(ending).read_bytes()


@pytest.mark.parametrize("source", ["toy:ring", "toy:sines"])
def test_points_and_lines_get_a_page_too(source: str, trained: dict[str, Path], tmp_path: Path) -> None:
    page = report(trained[source], out=tmp_path)
    assert page == tmp_path / "report.html"
    text = said(page)
    assert "A random draw" in text
    assert "From one sample to another" in text


def test_several_runs_share_a_page(trained: dict[str, Path], run: RunFolder, tmp_path: Path) -> None:
    page = report([trained["digits"], run.path, trained["toy:ring"]], out=tmp_path / "all.html")
    assert page == tmp_path / "all.html"
    text = said(page)
    assert "3 runs side by side" in text
    assert "data.source digits digits toy:ring" in text
    names = [r["name"] for r in json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["runs"]]
    assert names == [str(trained["digits"]), str(run.path), "toy-ring-1"]  # two folders have one name
    with pytest.raises(ConfigError, match=r"2 runs were given, .* --out"):
        report([trained["digits"], trained["toy:ring"]])


@pytest.mark.parametrize(
    ("name", "text"), [("notes.md", "# mine\n"), ("notes.json", '{"runs": 1}'), ("notes.json", "[1]"), ("notes.md", "")]
)
def test_a_file_beside_the_page_that_is_not_of_a_report_stays(name: str, text: str, run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match=rf"{name} already exists and is not of a report"):
        report(run.path, out=tmp_path / "notes.html")
    assert (tmp_path / name).read_text(encoding="utf-8") == text
    assert not (tmp_path / "notes.html").exists()
    (tmp_path / name).unlink()
    for _ in range(2):  # its own are written again
        report(run.path, out=tmp_path / "notes.html")


@pytest.mark.parametrize("text", ["", "<!doctype html><h1>My page on gansmith report</h1>", "<p>Written by gansmith 1.0</p>"])
def test_a_page_of_somebody_else_stays(text: str, run: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "mine.html"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(StorageError, match=r"mine\.html already exists and is not of a report"):
        report(run.path, out=page)
    assert [(p.name, p.read_text(encoding="utf-8")) for p in tmp_path.iterdir() if p.is_file()] == [("mine.html", text)]


def test_a_page_of_an_earlier_version_is_written_again(run: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "old.html"
    page.write_text(
        '<p class="overline">gansmith report</p>\n<p>Written by gansmith 0.1.0. Everything on this page is in the page itself.</p>\n',
        encoding="utf-8",
    )
    assert "digits-1" in said(report(run.path, out=page))


def test_an_ending_is_the_same_in_capitals_and_others_are_of_no_folder(run: RunFolder, tmp_path: Path) -> None:
    for _ in range(2):
        assert report(run.path, out=tmp_path / "R.HTML").is_file()
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["R.HTML", "R.json", "R.md"]
    with pytest.raises(ConfigError, match=r"cannot be written as \.pdf\. Give a folder as --out, or a path ending in \.html"):
        report(run.path, out=tmp_path / "a.PDF")


def test_what_a_run_knows_of_its_data_is_not_overwritten(run: RunFolder) -> None:
    before = run.data.read_bytes()
    with pytest.raises(StorageError, match=r"data\.json already exists"):
        report(run.path, out=run.data.with_suffix(".html"))
    assert run.data.read_bytes() == before


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run"):
        report(tmp_path / "nowhere")
    with pytest.raises(RunError, match="is not a run folder"):
        report(tmp_path)
    with pytest.raises(ConfigError, match="no run was given"):
        report([])


def test_a_run_that_was_stopped_says_so(run: RunFolder) -> None:
    run.cut(10)
    text = said(report(run.path))
    assert "This run has not finished. It is 33 % of the way" in text
    assert f"gansmith train --resume {run.path}" in text


def test_a_run_that_never_began_says_so(run: RunFolder) -> None:
    for path in run.path.iterdir():
        if path != run.recipe:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    text = said(report(run.path))
    for words in ("no record of any training", "holds no generator yet", "data.json is missing", "no samples to show", "Not measured yet"):
        assert words in text, words


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda run: run.scores.write_text("{", encoding="utf-8"),
            "scores.json was not written by gansmith or is damaged (JSONDecodeError",
        ),
        (lambda run: write_json(run.scores, {"format": 9}), "scores.json was written by a newer gansmith"),
        (
            lambda run: write_json(run.proof, {"format": 1, "proofs": [{"when": ""}]}),
            "proof.json was not written by gansmith or is damaged (KeyError",
        ),
        (lambda run: write_json(run.proof, [1]), "proof.json was not written by gansmith or is damaged (TypeError"),
        (lambda run: write_json(run.data, [1]), "data.json does not say what this run was trained on"),
        (lambda run: run.closest.write_bytes(b"no picture"), "closest.png is not a readable picture"),
        (lambda run: cut(sorted(run.previews.glob("*.png"))[0]), "is not a readable picture"),
        (lambda run: cut(run.generator / "weights.safetensors"), "weights.safetensors cannot be read"),
    ],
)
def test_what_is_spoilt_is_told_and_the_rest_is_kept(spoil: Callable[[RunFolder], object], told: str, run: RunFolder) -> None:
    spoil(run)
    found = gather(run, "digits-1")
    assert told in " ".join(found.missing)
    assert found.state == "finished"
    assert found.pictures.draw or found.pictures.time


def test_a_generator_of_ones_own_is_shown_by_its_previews(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.Unflatten(1, (1, 8, 8)))
    run = tiny.train(tmp_path, {"data.labels": "none"}, generator=module)
    text = said(report(run.path))
    assert "gansmith.load(path, generator=MyGenerator())" in text
    assert "The same latents over time" in text
    assert "The generator came from Python" in text


def test_a_class_may_be_called_anything(tmp_path: Path) -> None:
    nasty = "<img src=x onerror=alert(1)> | *b*"
    for name in (nasty, "plain"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i, pixels in enumerate(np.random.default_rng(len(name)).integers(0, 256, (20, 8, 8), np.uint8)):
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    page = report(tiny.train(tmp_path / "runs", data=str(tmp_path / "data")).path)
    seen = Reader(page.read_text(encoding="utf-8"))
    assert nasty in seen.said
    assert not any("onerror" in attributes for _, attributes in seen.tags)
    assert "<img" not in re.sub(r"`[^`]*`", "", page.with_suffix(".md").read_text(encoding="utf-8"))
