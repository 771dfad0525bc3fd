"""The command line: words in, one call; a mistake gets one sentence and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import gansmith
import tiny
from gansmith import cli, config
from gansmith.engine import checkpoint, probe, quality
from gansmith.errors import StorageError
from gansmith.records import Finding
from gansmith.runs import RunFolder
from tiny import STEPS, TICK, assert_same_end

ESCAPE = "\x1b"
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Say) -> Say:
    """gansmith WORDS in an empty working folder: exit code, standard output, standard error."""
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    return said


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return tiny.train(tmp_path_factory.mktemp("runs")).path


def assert_one_sentence(told: tuple[int, str, str], words: str) -> None:
    code, out, err = told
    assert code == 2, err
    assert re.search(words, err), err
    assert err.startswith("gansmith: ")
    assert len(err.strip().splitlines()) == 1
    assert err.strip().endswith((".", "?", "pip install -U gansmith"))
    for noise in ("Traceback", "errors.pydantic", ESCAPE):
        assert noise not in out + err


def test_names_in_brackets_are_told_as_they_are(tmp_path: Path, say: Say) -> None:
    lines = ["file,speed [m/s],up [/b]"]
    for i in range(12):
        picture(tmp_path / "dots" / f"{i}.png", i, (2, 2))
        lines.append(f"{i}.png,{i / 7},{i % 2}")
    (tmp_path / "dots" / "labels.csv").write_text("\n".join(lines))
    words = tiny.words(Path("runs"))
    code, out, err = say(words[0], tmp_path / "dots", *words[1:])
    assert code == 0, err
    assert "with speed [m/s], up [/b]; " in out


def test_notes_of_a_search_are_told_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    asked = SimpleNamespace(data="a [b].csv", trials=None, jobs=1, minutes=1.0, trial=2.0)
    begun = SimpleNamespace(
        asked=asked, counts=(1, 2, 3), folder=SimpleNamespace(path=Path("x")), space=["a"], trials=0, notes=["see [c]."]
    )
    cli.TuneView().begun(begun)  # type: ignore[arg-type]
    assert "data     a [b].csv: " in (told := capsys.readouterr().out)
    assert "note     see [c].\n" in told


# --- bad input -----------------------------------------------------------------------------------------------------------


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (6, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def pictures(folder: Path, count: int = 8) -> Path:
    for i in range(count):
        picture(folder / f"{i}.png", i)
    return folder


def empty(place: Path) -> Path:
    (place / "photos").mkdir()
    return place / "photos"


def unreadable(place: Path) -> Path:
    for i in range(4):
        (place / f"{i}.png").write_bytes(b"not a picture")
    return place


def half_corrupt(place: Path) -> Path:
    pictures(place)
    (place / "0.png").write_bytes(b"\x89PNG broken")
    return place


def gigantic(place: Path) -> Path:
    Image.new("1", (15_000, 14_000)).save(place / "a.png")
    return place


def escaping(place: Path) -> Path:
    with zipfile.ZipFile(place / "a.zip", "w") as file:
        file.writestr("../evil.png", picture(place / "x.png").read_bytes())
    return place / "a.zip"


def bomb(place: Path) -> Path:
    held = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(held, "PNG")
    with zipfile.ZipFile(place / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(4):
            file.writestr(f"{i}.png", held.getvalue())
            file.writestr(f"{i}.bin", b"\0" * 40_000_000)
    return place / "a.zip"


def labels_of_others(place: Path) -> Path:
    pictures(place)
    (place / "labels.csv").write_text("file,label\nnobody.png,cat\n")
    return place


def constant(place: Path) -> Path:
    np.save(place / "a.npy", np.full((20, 5, 5), 7, np.uint8))
    return place / "a.npy"


def not_a_number(place: Path) -> Path:
    values = np.random.default_rng(0).random((20, 5, 5), np.float32)
    values[3, 1, 1] = np.nan
    np.save(place / "a.npy", values)
    return place / "a.npy"


def alone(place: Path) -> Path:
    picture(place / "0.png")
    return place


def dots(place: Path) -> Path:
    for i in range(12):
        picture(place / f"{i}.png", i, (1, 1))
    return place


BAD = {
    "no such path": (lambda place: place / "nowhere", "there is no .*nowhere"),
    "no such table": (lambda place: place / "nowhere.csv", "there is no file .*nowhere.csv.* Give a .csv"),
    "no such toy": (lambda place: "toy:rink", "did you mean 'toy:ring'"),
    "an empty folder": (empty, "is empty"),
    "no readable picture": (unreadable, "none of the 4 pictures can be read"),
    "more than 5 % corrupt": (half_corrupt, "1 of 8 pictures cannot be read, which is more than 5%"),
    "200 megapixels": (gigantic, "none of the 1 pictures can be read|megapixel"),
    "a zip that climbs out": (escaping, r"\.\./evil.png"),
    "a zip bomb": (bomb, "a.zip|picture"),
    "labels that do not match": (labels_of_others, "label"),
    "constant data": (constant, "constant|the same|equal"),
    "NaN": (not_a_number, "not finite"),
    "one picture": (alone, "there is 1 picture; at least 2 are needed"),
    "pictures of one pixel": (dots, "every picture is 1x1 pixel"),
}


@pytest.mark.parametrize("verb", ["train", "describe"])
@pytest.mark.parametrize("kind", BAD)
def test_bad_data_get_one_sentence_and_leave_nothing(kind: str, verb: str, tmp_path: Path, say: Say) -> None:
    make, words = BAD[kind]
    place = tmp_path / "data"
    place.mkdir()
    assert_one_sentence(say(verb, make(place)), words)
    assert not list(Path.cwd().iterdir())


def test_a_class_of_one_sample_is_noted_and_trained_on(tmp_path: Path, say: Say) -> None:
    for i in range(12):
        picture(tmp_path / "dots" / "many" / f"{i}.png", i, (2, 2))
    picture(tmp_path / "dots" / "few" / "0.png", 99, (2, 2))
    words = tiny.words(Path("runs"))
    code, out, err = say(words[0], tmp_path / "dots", *words[1:])
    assert code == 0, err
    assert "13 samples of 2x2x3, 2 classes" in out
    assert "warning" in out
    code, _, err = say("sample", "runs/dots-1", "-n", 3, "--label", "few")
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "penalty.gama=1"], "there is no setting 'penalty.gama'; did you mean 'penalty.gamma'"),
        (["--set", "gamma=1"], "there is no setting 'gamma'"),
        (["--set", "penalty.gamma"], "--set takes NAME=VALUE"),
        (["--set", "penalty.gamma=-1"], "penalty.gamma.* cannot be -1"),
        (["--set", "run.batch=many"], "run.batch.* cannot be 'many'"),
        (["--batch", "0"], "run.batch.* cannot be 0"),
        (["--seed", "-1"], "run.seed"),
        (["--minutes", "-1"], "run.minutes"),
        (["--samples-seen", "lots"], "'lots' is not a number"),
        (["--samples-seen", "inf"], "is not a number"),
        (["--samples-seen", "0.5"], "--samples-seen takes a whole number"),
        (["--size", "big"], "--size takes one number or HEIGHTxWIDTH"),
        (["--size", "²"], "--size takes one number or HEIGHTxWIDTH"),
        (["--size", "9" * 5000], "--size takes one number or HEIGHTxWIDTH"),
        (["--fit", "squeeze"], "data.fit.* cannot be 'squeeze'"),
        (["--domain", "smell"], "there is no domain 'smell'"),
        (["--device", "tpu"], "machine.device=tpu is not available here"),
        (["--device", "cuda:99"], "machine.device=cuda:99 is not available here"),
        (["--set", "machine.compile=true", "--set", "penalty.form=exact"], "machine.compile=true cannot be used with penalty.form=exact"),
        (["--set", "network.name=denze"], "network.name"),
        (["--set", "loss.name=minmax"], "there is no loss 'minmax'; did you mean 'minimax'"),
        (["--set", "optimiser.beta2=0.999"], "beta2_end is lower"),
        (["--recipe", "no.yaml"], "there is no recipe file no.yaml"),
        (["--resume", "no"], "there is no run no"),
        (["--resume", "."], "is not a run folder"),
        (["--nope"], "[Nn]o such option.*--nope"),
        (["--batch", "x"], "--batch.*valid integer"),
        (["a", "b"], "[Uu]nexpected extra argument"),
        (["--batch"], "--batch.* requires an argument"),
    ],
)
def test_a_mistake_in_the_words_gets_one_sentence(words: list[str], told: str, say: Say) -> None:
    assert_one_sentence(say("train", *words), told)
    assert not list(Path.cwd().iterdir())


def test_a_command_that_does_not_exist(say: Say) -> None:
    assert_one_sentence(say("trian"), "[Nn]o such command 'trian'")


def test_a_bad_background_leaves_nothing(tmp_path: Path, say: Say) -> None:
    assert_one_sentence(say("train", pictures(tmp_path / "p"), "--set", "data.background=sky"), "sky")
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--label", "seven"], "there is no label 'seven'; known are: 0, 1, 2"),
        (["--truncation", "2"], "truncation is 2"),
        (["-n", "0"], "request at least 1"),
        (["--interpolate", "1"], "at least 2 steps"),
        (["-o", "full"], "full already exists"),
    ],
)
def test_bad_words_for_sampling(words: list[str], told: str, run: Path, say: Say) -> None:
    Path("full").mkdir()
    Path("full/mine").write_text("")
    assert_one_sentence(say("sample", run, *words), told)
    assert [str(p) for p in Path.cwd().rglob("*")] == [str(Path.cwd() / "full"), str(Path.cwd() / "full" / "mine")]


def test_sampling_from_what_is_no_run(run: Path, say: Say, tmp_path: Path) -> None:
    assert_one_sentence(say("sample", run.parent), "is not a run folder")
    search = run.parent / "search"
    search.mkdir()
    (search / "tune.json").write_text("{}")
    assert_one_sentence(say("report", search), "is the folder of a search, not of a run")
    assert_one_sentence(say("sample", run.parent / "digits-9"), "there is no run .*did you mean 'digits-1'")
    newer = Path(shutil.copytree(run / "generator", tmp_path / "newer"))
    (newer / "config.json").write_text('{"format": 7}')
    assert_one_sentence(say("sample", newer), "newer gansmith.*pip install -U gansmith")


def test_a_finished_run_and_changed_settings_are_refused(run: Path, say: Say) -> None:
    assert_one_sentence(say("train", "--resume", run), "already finished")
    assert_one_sentence(say("train", "--resume", run, "--batch", "32"), "run.batch is 16, requested 32")
    assert_one_sentence(say("train", "digits", "--resume", run, "--recipe", run / "recipe.yaml"), "keeps its recipe")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, say: Say, run: Path) -> None:
    (tmp_path / "file").write_text("")
    assert_one_sentence(say(*tiny.words(tmp_path / "file")), f"Could not write {tmp_path / 'file'}")
    assert_one_sentence(say("sample", run, "-o", tmp_path / "file" / "below"), "Could not write")


# --- a full disk ---------------------------------------------------------------------------------------------------------


class Full:
    """A disk on which one write finds no room."""

    def __init__(self, at: int) -> None:
        self.left, self.fsync = at, os.fsync

    def __call__(self, number: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(28, os.strerror(28))
        self.fsync(number)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(3, 38))
def test_a_write_that_finds_no_room_anywhere_loses_nothing(at: int, run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    runs = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", Full(at))
        with pytest.raises(StorageError, match=r"No room left on the disk while writing .*Free some space"):
            tiny.train(runs)
    half = runs / "digits-1"
    assert not list(half.rglob(".*.part"))
    newest = checkpoint.newest(RunFolder(half)).step
    if newest:
        assert len(gansmith.load(half).sample(2)) == 2
    if newest < STEPS:
        gansmith.train(resume=half)
        assert_same_end(half, run)


@pytest.mark.parametrize("at", [1, 2])
def test_no_room_for_the_first_files_leaves_no_folder(at: int, tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", Full(at))
    assert_one_sentence(say(*tiny.words(tmp_path / "runs")), "No room left")
    assert not list((tmp_path / "runs").iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here ({error})")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until there is no room."""
    with suppress(OSError), open(path, "wb", buffering=0) as film:
        while True:
            film.write(b"\0" * 4096)


@pytest.mark.timeout(600)
def test_a_disk_that_fills_up_ends_a_run_with_a_sentence(small_disk: Path, tmp_path: Path) -> None:
    long = {"run.samples": 16 * 100_000, "run.tick": 20}
    with tiny.start(*tiny.words(small_disk, long)) as process:
        folder = RunFolder(small_disk / "digits-1")
        until = time.monotonic() + tiny.PATIENCE
        while not folder.saved() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        fill(small_disk / "film")
        _, err = process.communicate(timeout=tiny.PATIENCE)
    assert_one_sentence((process.returncode, "", err), "No room left on the disk while writing .*digits-1")
    step = checkpoint.newest(folder).step
    assert step >= 20
    assert len(gansmith.load(folder.path).sample(2)) == 2
    (small_disk / "film").unlink()
    with pytest.raises(tiny.Crash):
        gansmith.train(resume=folder.path, audience=tiny.Watching(step + 40))
    assert checkpoint.newest(folder).step == step + 40


# --- good input ----------------------------------------------------------------------------------------------------------


def test_a_recipe_trains_the_same_run_again(run: Path, say: Say) -> None:
    code, out, err = say("train", "--recipe", run / "recipe.yaml")
    assert code == 0, err
    assert_same_end(Path("runs/digits-1"), run)
    code, out, _ = say("train", "--recipe", run / "recipe.yaml", "--seed", "4", "--name", "other", "--set", "run.tick=10")
    assert code == 0
    recipe = config.read("runs/other-1/recipe.yaml")
    assert (recipe.run.seed, recipe.run.tick, recipe.network) == (4, 10, config.read(run / "recipe.yaml").network)
    assert "run      runs/other-1" in out


def test_a_recipe_of_other_data_yields_to_data_that_are_named(run: Path, tmp_path: Path, say: Say) -> None:
    values = yaml.safe_load((run / "recipe.yaml").read_text())
    values["data"]["source"] = "toy:ring"
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(values))
    assert say("train", "--recipe", tmp_path / "r.yaml")[0] == 0
    assert say("train", "digits", "--recipe", tmp_path / "r.yaml")[0] == 0
    assert sorted(p.name for p in Path("runs").iterdir()) == ["digits-1", "toy-ring-1"]


def test_every_short_option_arrives(tmp_path: Path, say: Say) -> None:
    words = tiny.words(Path("elsewhere"))
    code, _, err = say(
        words[0], pictures(tmp_path / "2024", 20), *words[1:], "--seed", 5, "--batch", 8, "--samples-seen", "0.24k", "--size", "4x6",
        "--channels", 1, "--fit", "pad", "--labels", "none", "--domain", "image", "--device", "cpu", "--name", "few", "--minutes", 9,
    )  # fmt: skip
    assert code == 0, err
    found = config.flat(config.read("elsewhere/few-1/recipe.yaml"))
    wanted = {
        "run.seed": 5, "run.batch": 8, "run.samples": 240, "data.size": [4, 6], "data.channels": 1, "data.fit": "pad",
        "data.labels": "none", "data.domain": "image", "machine.device": "cpu", "run.minutes": 9.0,
    }  # fmt: skip
    assert {k: found[k] for k in wanted} == wanted


def test_the_end_names_the_diagnosis_where_something_was_found(run: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cli.Stage.started

    def ill(stage: cli.Stage, started: Any) -> None:
        real(stage, started)
        stage.finding(Finding("H214", "severe", "it is too weak."), 1)

    monkeypatch.setattr(cli.Stage, "started", ill)
    code, out, err = say(*tiny.words(Path("my runs")))
    assert code == 0
    assert "H214" in err
    assert "health   gansmith diagnose 'my runs/digits-1'" in out.splitlines()


def test_the_end_names_the_run_the_pictures_and_what_comes_next(run: Path, say: Say) -> None:
    code, out, err = say(*tiny.words(Path("my runs")))
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "data     digits: 1,797 samples of 8x8x1, 10 classes; 163 held out"
    assert "100% 480 seen" in lines[-5]
    assert lines[-4] == "run      my runs/digits-1"
    assert Path(lines[-3].removeprefix("pictures ")).is_file()
    assert lines[-2] == "judge    gansmith evaluate 'my runs/digits-1'"
    assert lines[-1] == "next     gansmith sample 'my runs/digits-1' -n 1000 -o samples --grid"
    code, out, err = say("sample", "my runs/digits-1", "-n", 12, "--grid")
    assert (code, out, err) == (0, "12 samples in samples\n", "")
    assert Path("samples/grid.png").is_file()


def test_a_run_is_judged_proved_and_reported(run: Path, say: Say) -> None:
    code, out, err = say("evaluate", run, "--extractor", "pixels", "-n", 60)
    assert (code, err) == (0, "")
    assert "60 generated samples, 60 held-out ones" in out
    assert re.search(r"^precision +\d.* to ", out, re.MULTILINE)
    assert [line.split()[1] for line in out.splitlines() if line.startswith(("faithful", "diverse", "original", "useful"))] != []
    code, out, err = say("prove", run, "--per-class", "5, all", "--steps", 2, "--seeds", 3)
    assert (code, err) == (0, "")
    assert out.count("real + classical + synthetic ") >= 2
    assert re.search(r"^useful +(yes|partly|no)", out, re.MULTILINE)
    code, out, err = say("report", run)
    assert (code, err) == (0, "")
    page = Path(out.removeprefix("report   ").strip()).read_text()
    assert "gansmith evaluate" in page
    assert "gansmith prove" in page
    assert "two-sample AUC" in page


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["evaluate", "{run}", "-n", "3"], "3 samples were requested; a judgement needs at least 20"),
        (["evaluate", "nothing"], "nothing does not exist"),
        (["evaluate", "{run}", "--extractor", "pixls"], "did you mean 'pixels'"),
        (["evaluate", "{run}", "--size", "8"], "Leave --training, --size and --channels out"),
        (["prove", "{run}", "--seeds", "1"], "a difference over 1 seeds has no interval"),
        (["prove", "{run}", "--ratios", "x"], "--ratios takes numbers separated by commas"),
        (["prove", "{run}", "--rare", "cat=0.1"], "there is no class 'cat' to make rare"),
        (["prove", "{run}", "--rare", "<=50K"], "there is no class '<=50K' to make rare; known are: 0, 1, 2"),
        (["prove", "{run}", "--rare", "<=50K=1"], "there is no class '<=50K' to make rare"),
        (["prove", "{run}", "--rare", "3=10"], "the rare class '3' would keep a share of 10; give a share above 0, up to 1"),
        (["prove", "{run}", "--per-class", "few"], "'few' is not a number"),
        (["prove", "nothing"], "there is no run nothing; give the folder that 'gansmith train' named"),
        (["report", "nothing"], "there is no run nothing"),
        (["report", "{run}", "{run}"], "Say where to write it with --out"),
    ],
)
def test_bad_words_for_judging(words: list[str], told: str, run: Path, say: Say) -> None:
    assert_one_sentence(say(*(w.format(run=run) for w in words)), told)
    assert not list(Path.cwd().iterdir())


def test_the_report_is_written_at_the_end_and_lost_runs_say_so(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "lost", lambda looks, beyond: len(looks) > 1)
    code, out, err = say(*tiny.words(Path("runs"), {"run.report": True, "run.tick": 1}))
    assert code == 0
    assert "Ended early" in err
    assert "--set run.stop_early=false" in err
    assert Path("runs/digits-1/report.html").is_file()
    assert "report   runs/digits-1/report.html" in out.splitlines()


def test_describe_tells_what_is_there(say: Say) -> None:
    code, out, err = say("describe", "digits", "--set", "machine.threads=1")
    assert (code, err) == (0, "")
    assert "1,797 samples of 8x8x1" in out
    assert "samples/s here" in out


@pytest.mark.parametrize(
    ("count", "held", "mend"),
    [
        (120, 9, "set data.held_out=0.25"),
        (40, 4, "keep other real data for its --against"),
        (60, 6, "set data.held_out=0.5"),
        (200, 19, "=0.15"),
    ],
)
def test_too_few_held_out_to_judge_by_are_told_before_a_run(count: int, held: int, mend: str) -> None:
    (line,) = cli._few_held_out(count, held)
    assert re.fullmatch(rf"note     {held} held-out samples are too few .*{mend}", line)


@pytest.mark.parametrize(("count", "held"), [(120, 0), (200, 20), (10_000, 1_000)])
def test_enough_held_out_or_none_on_purpose_is_no_matter(count: int, held: int) -> None:
    assert cli._few_held_out(count, held) == []


def test_few_samples_are_described_with_what_to_do(tmp_path: Path, say: Say) -> None:
    np.save(tmp_path / "few.npy", np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8))
    assert "too few for 'gansmith evaluate', which needs 20: set data.held_out=0.5" in say("describe", str(tmp_path / "few.npy"))[1]
    assert "too few" not in say("describe", str(tmp_path / "few.npy"), "--set", "data.held_out=0.5")[1]


def test_names_that_look_like_markup_or_emoji_are_told_as_they_are(tmp_path: Path, say: Say) -> None:
    assert_one_sentence(say("train", "[red]no:smile:"), re.escape("'[red]no:smile:'"))


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"LANG": "C", "PYTHONIOENCODING": "ascii"}])
def test_a_pipe_gets_plain_lines(variables: dict[str, str], tmp_path: Path) -> None:
    if variables:  # one is enough to train; the others ask for help, which is where colour would be
        done = tiny.command("--help", cwd=tmp_path, **variables)
    else:
        done = tiny.command(*tiny.words(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert ESCAPE not in done.stdout
    assert "\r" not in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["train", "digits", "--loss", "hinge"],
            r"option: --loss\. It is a setting: --set loss\.name=VALUE\. See gansmith train --help",
        ),
        (["tune", "digits", "--gamma", "1"], r"It is a setting: --set penalty\.gamma=VALUE\. See gansmith tune --help"),
        (["train", "digits", "--nosuch"], r"No such option: --nosuch[^I]* See gansmith train --help"),
        (["describe", "digits", "--name", "x"], r"No such option: --name[^I]* See gansmith describe --help"),
        (["evaluate", "runs/x", "--gamma", "1"], r"No such option: --gamma[^I]* See gansmith evaluate --help"),
        (["nosuch"], r"No such command 'nosuch'\. See gansmith --help"),
    ],
)
def test_a_misuse_leads_to_the_help_of_the_command(words: list[str], told: str, say: Say) -> None:
    assert_one_sentence(say(*words), told)


def test_a_finding_is_explained_in_words_that_can_be_piped(say: Say) -> None:
    code, out, err = say("explain", "h204")
    assert (code, err) == (0, "")
    assert out.startswith("### H204 The discriminator overfits\n")
    assert "**The guard**" in out
    assert_one_sentence(say("explain", "H999"), "there is no finding 'H999'")


def test_help_names_every_command(say: Say) -> None:
    code, out, _ = say("--help")
    assert code == 0
    commands = [c.name or c.callback.__name__ for c in cli.app.registered_commands if c.callback]
    assert {"train", "sample", "describe"} <= set(commands)
    for name in commands:
        assert re.search(rf"\b{name}\b", out)
        assert say(name, "--help")[0] == 0
    code, out, _ = say()
    assert "train" in out


@pytest.mark.parametrize(("text", "words"), [(1234567.0, "1.23M"), (999, "999"), (None, "0"), (2e9, "2G"), (1500, "1.5k")])
def test_counts_are_short(text: float | None, words: str) -> None:
    assert cli._count(text) == words


@given(st.integers(0, 999_499_999_999))
def test_counts_are_read_as_they_were_to_three_digits(number: int) -> None:
    words = cli._count(number)
    assert "e" not in words
    assert abs(config.count(words) - number) <= 0.00501 * number


@pytest.mark.parametrize(("seconds", "words"), [(None, "–:––"), (0.2, "0:00"), (61, "1:01"), (3601, "1:00:01")])
def test_clocks_read_as_clocks(seconds: float | None, words: str) -> None:
    assert cli._clock(seconds) == words


def test_an_interruption_before_the_first_step_leaves_nothing(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(probe, "probe", interrupted)
    assert say(*tiny.words(Path("runs"))) == (130, "", "")
    assert not list(Path.cwd().iterdir())


def test_a_second_ctrl_c_ends_at_once_and_says_what_is_safe(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    real = cli.Stage.tick

    def impatient(stage: cli.Stage, tick: object) -> None:
        real(stage, tick)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(cli.Stage, "tick", impatient)
    code, _, err = say(*tiny.words(Path("runs")))
    assert code == 130
    assert err == "Stopped; everything up to the last checkpoint is saved. Go on with: gansmith train --resume runs/digits-1\n"
    assert checkpoint.newest(RunFolder(Path("runs/digits-1"))).step == TICK
