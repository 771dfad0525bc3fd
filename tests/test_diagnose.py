"""diagnose: everything a run recorded becomes an answer and a page, whatever is missing, and a mistake gets one sentence."""

from __future__ import annotations

import io
import json
import math
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import gansmith
import test_pages_health as made
from gansmith import cli, config, pages
from gansmith.config import Recipe
from gansmith.errors import ConfigError, RunError, StorageError
from gansmith.health import checks, lines
from gansmith.health.history import History
from gansmith.pages.health import Undone
from gansmith.records import Finding, Outcome, Severity
from gansmith.runs import RunFolder, write_json, write_text
from gansmith.verbs import diagnose as verb
from gansmith.verbs.diagnose import diagnose, history_of
from gansmith.verbs.report import gather

Said = Callable[..., tuple[int, str, str]]
ESCAPE = "\x1b["


def write_lines(path: Path, several: Iterable[dict[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(line) + "\n" for line in several))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """The folder of a run that recovered once, as a training leaves it, without its weights."""
    folder = RunFolder(tmp_path / "zoo-1")
    write_text(folder.recipe, config.dump(config.merge(Recipe(), {"data.source": "zoo", "run.samples": 6400, "run.batch": 16})))
    write_json(folder.data, {"source": "zoo", "training": 900, "classes": ["cat", "dog"], "findings": []})
    records = {folder.log: made.ticks(), folder.health: made.exams(), folder.quality: made.looks(), folder.speed: made.speeds()}
    for path, several in records.items():
        write_lines(path, several)
    write_lines(folder.recoveries, made.RECOVERIES)
    write_lines(folder.tries / "1" / folder.log.name, made.ticks(48))
    return folder


@pytest.fixture
def drawn() -> None:
    """For a test of what is on the page."""


@pytest.fixture(autouse=True)
def page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts take a second or two, so that only the tests of the page draw them; the others get a word."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(pages, "diagnosis", lambda record, command, version: command)


@pytest.fixture
def ill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks that find three things, so that no test here depends on a threshold."""
    monkeypatch.setattr(verb, "examine", lambda history: made.ILL)


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "examine", lambda history: made.WELL)


# --- the history ---------------------------------------------------------------------------------------------------------


def test_a_history_holds_everything_the_run_recorded(run: RunFolder) -> None:
    write_text(run.stopped, "training stopped at step 400: the loss is not finite.\n")
    history = history_of(run)
    assert [len(x) for x in (history.ticks, history.exams, history.looks, history.speeds, history.recovered)] == [80, 20, 20, 80, 1]
    assert history.exams == tuple(made.exams())
    assert history.settings["run.samples"] == 6400
    assert history.settings.keys() == set(config.names())
    assert history.data["training"] == 900
    assert history.stopped == "training stopped at step 400: the loss is not finite."


def test_what_is_not_there_is_left_out_of_a_history(run: RunFolder) -> None:
    for path in (run.data, run.log, run.health, run.quality, run.speed, run.recoveries):
        path.unlink()
    history = history_of(run)
    assert (history.ticks, history.exams, history.looks, history.speeds, history.recovered, history.stopped) == ((), (), (), (), (), "")
    assert history.data == {}


# --- the diagnosis -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("drawn")
def test_every_check_answers_and_the_charts_are_written(run: RunFolder) -> None:
    found = diagnose(run.path)
    assert [o.code for o in found.outcomes] == [check.code for check in checks.CHECKS]
    assert found.page == run.path / "diagnosis.html"
    assert found.recorded == verb.Recorded("finished", 400, 6400, 1.0, 80, 20)
    assert found.recoveries == tuple(dict(r) for r in made.RECOVERIES)
    assert found.gaps == ()
    text = made.Reader((run.path / "diagnosis.html").read_text(encoding="utf-8")).said
    for words in ("zoo-1", "Went back", "Signals over the run", "Logits of samples", "6,400 real samples seen in 1 min 15 s"):
        assert words in text, words
    assert not list(run.path.glob(".*.part"))


@pytest.mark.usefixtures("ill")
def test_findings_come_worst_first_and_outcomes_by_kind(run: RunFolder) -> None:
    found = diagnose(run.path)
    assert found.outcomes == made.ILL
    assert [f.code for f in found.findings] == ["H204", "H221", "H217"]
    assert [o.code for o in found.not_applicable] == ["H218"]
    assert len(found.clear) == len(checks.CHECKS) - 4
    assert not found.healthy


@pytest.mark.parametrize(
    ("outcomes", "healthy"),
    [(made.WELL, True), ((*made.WELL[1:], Finding("H217", "note", "it is short.")), True), (made.ILL, False), (made.ILL[1:2], False)],
)
def test_a_run_is_healthy_where_it_was_examined_and_checks_found_notes_at_most(
    outcomes: Sequence[Outcome], healthy: bool, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "examine", lambda history: tuple(outcomes))
    assert diagnose(run.path).healthy is healthy


@pytest.mark.usefixtures("ill")
def test_a_diagnosis_is_plain_values_too(run: RunFolder) -> None:
    found = json.loads(json.dumps(gansmith.diagnose(run.path).to_dict()))
    (first, *_) = found["findings"]
    assert (first["code"], first["severity"], first["title"]) == ("H204", "severe", "The discriminator overfits")
    assert first["explained"] == "gansmith explain H204"
    assert first["evidence"]["wins_train"] == 0.97
    assert found["not_applicable"] == {"H218": "none were held out."}
    assert (found["recorded"]["state"], found["recorded"]["examinations"]) == ("finished", 20)
    assert Path(found["page"]) == run.path / "diagnosis.html"


@pytest.mark.parametrize(("out", "place"), [("pages", "pages/diagnosis.html"), ("pages/zoo.html", "pages/zoo.html")])
def test_the_page_goes_where_it_is_wanted(out: str, place: str, run: RunFolder, tmp_path: Path) -> None:
    assert diagnose(run.path, out=tmp_path / out).page == tmp_path / place
    assert (tmp_path / place).is_file()
    assert not (run.path / "diagnosis.html").exists()


def test_a_page_that_cannot_be_written_is_told(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="a file exists where a folder is needed"):
        diagnose(run.path, out=run.recipe / "page.html")


@pytest.mark.usefixtures("drawn")
def test_what_a_run_undid_is_shown(run: RunFolder) -> None:
    (undone,) = verb.health_of(run, history_of(run), made.WELL).undone
    assert undone.ticks == tuple(made.ticks(48))
    assert undone.exams == ()
    assert "Charts of the run before it went back" in made.Reader(diagnose(run.path).page.read_text(encoding="utf-8")).said


def finding(code: str, severity: Severity = "severe") -> Finding:
    return Finding(code, severity, f"{code} is there.")


def test_what_was_there_for_a_while_is_past() -> None:
    course = [
        (10, [finding("H205"), finding("H204")]),
        (20, [finding("H205", "warning"), finding("H202", "note"), finding("H216")]),
        (30, [finding("H202", "note"), finding("H204"), finding("H216")]),
        (40, [finding("H204"), finding("H207"), finding("H216")]),
    ]
    past = verb._past(course, {"H216"})
    # not what is there now, what was only a note, or what was seen once
    assert [(p.finding.code, p.finding.severity, p.first, p.last) for p in past] == [
        ("H205", "warning", 10, 20),
        ("H204", "severe", 30, 40),
    ]
    assert verb._past([], ()) == []


def test_each_examination_is_judged_by_what_was_known_then(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def examine(history: History) -> tuple[Outcome, ...]:
        seen.append([max(line["step"] for line in part) for part in (history.ticks, history.exams, history.looks, history.speeds)])
        return (finding("H205"),) if len(history.exams) in (3, 4) else made.WELL

    write_text(run.stopped, "training stopped.")
    monkeypatch.setattr(verb, "examine", examine)
    history = history_of(run)
    found = verb.health_of(run, history, made.WELL)
    assert seen == [[step] * 4 for step in range(20, 401, 20)]
    assert [line["step"] for line in found.course if line["found"]] == [60, 80]
    assert [(p.finding.code, p.first, p.last) for p in found.past] == [("H205", 60, 80)]


# --- what to type --------------------------------------------------------------------------------------------------------

SICK = {"loss.name": "minimax", "penalty.gamma": 0.0, "penalty.gamma_end": 0.0, "optimiser.beta1": 0.9, "data.source": "my photos"}
FREE = Finding("H214", "severe", "it is too weak.")


def ill_history(settings: dict[str, Any], **data: Any) -> History:
    return History((), settings={**config.flat(Recipe()), **SICK, **settings}, data={"automatic": {"penalty.gamma": 0.2}, **data})


def test_the_command_that_trains_anew_is_given_whole(run: RunFolder) -> None:
    words = shlex.split(verb._again(run, ill_history({}), [FREE]))
    assert words[:4] == ["gansmith", "train", "--recipe", str(run.recipe)]
    assert words[4::2] == ["--set"] * 3
    assert set(words[5::2]) == {"loss.name=relativistic", "penalty.gamma=0.2", "penalty.gamma_end=0.2"}


@pytest.mark.parametrize(
    ("history", "found"),
    [
        (ill_history({}), []),
        (ill_history({}), [Finding("H214", "note", "it is too weak.")]),
        (ill_history({}), [Finding("H219", "warning", "samples are repeated.")]),
        (ill_history({"data.source": config.MEMORY}), [FREE]),
        (ill_history({}, own={"generator": True, "discriminator": False, "loss": False}), [FREE]),
    ],
    ids=["well", "a note", "no matter of settings", "data from Python", "a network of one's own"],
)
def test_no_command_is_given_where_none_would_do(history: History, found: list[Finding], run: RunFolder) -> None:
    assert verb._again(run, history, found) == ""


# --- what is missing -----------------------------------------------------------------------------------------------------


def said_of(run: RunFolder) -> str:
    return " ".join(diagnose(run.path).gaps)


def test_a_history_cut_off_in_the_middle_is_read_up_to_there(run: RunFolder) -> None:
    for path in (run.log, run.health, run.speed):
        text = path.read_text(encoding="utf-8")
        path.write_text(text[: text.rindex("{") + 25], encoding="utf-8")
    told = said_of(run)
    for name in ("log.jsonl", "health.jsonl", "speed.jsonl"):
        assert f"{name} was cut off or damaged: 1 of its lines cannot be read and is left out." in told
    assert "quality.jsonl" not in told
    found = diagnose(run.path)
    assert (found.recorded.records, found.recorded.examinations) == (79, 19)
    assert (found.recorded.state, found.recorded.share) == ("unfinished", 79 / 80)


def test_a_log_that_is_lost_is_no_run_that_has_not_begun(run: RunFolder) -> None:
    lines = run.log.read_text(encoding="utf-8").splitlines(keepends=True)
    run.log.write_text("".join(lines[:40]), encoding="utf-8")
    assert "log.jsonl ends at step 200, although the run went on to step 400 at least." in said_of(run)
    run.log.unlink()
    told = said_of(run)
    assert "log.jsonl is missing or empty, although this run was trained. Copy the whole folder again" in told
    assert "--resume" not in told


def test_findings_are_told_where_there_is_no_place_for_the_page(run: RunFolder, tmp_path: Path) -> None:
    run.diagnosis.unlink(missing_ok=True)
    run.diagnosis.mkdir()
    found = diagnose(run.path)
    assert found.page is None
    assert found.to_dict()["page"] is None
    assert "The page of charts was not written: " in found.gaps[-1]
    assert len(found.outcomes) == len(checks.CHECKS)
    (tmp_path / "there.html").mkdir()
    with pytest.raises(StorageError):
        diagnose(run.path, out=tmp_path / "there.html")


def test_a_process_that_was_replaced_undid_nothing(run: RunFolder) -> None:
    lost = {**made.RECOVERIES[0], "changes": {}}
    assert verb._undone(run, lost) == Undone()


@pytest.mark.parametrize("where", [{"step": "x"}, {"step": None}, {"step": {}}, {"seen": {}}, {"seen": 10**400}, {"share": math.inf}])
def test_a_record_that_belongs_nowhere_is_left_out(where: dict[str, Any], run: RunFolder) -> None:
    write_lines(run.log, ({**line, **where} if i == 40 else line for i, line in enumerate(made.ticks())))
    write_lines(run.health, ({**line, **where} if i == 9 else line for i, line in enumerate(made.exams())))
    told = said_of(run)
    assert "log.jsonl was cut off or damaged: 1 of its lines" in told
    assert "health.jsonl was cut off or damaged: 1 of its lines" in told


def test_a_run_of_an_older_gansmith_says_what_cannot_be_judged(run: RunFolder) -> None:
    run.health.unlink()
    write_lines(run.log, ({k: v for k, v in line.items() if not k.endswith("_peak")} for line in made.ticks()))
    write_lines(run.speed, ({"step": line["step"], "seconds": line["seconds"]} for line in made.speeds()))
    assert "never examined (an older gansmith trained it" in said_of(run)
    found = diagnose(run.path)
    assert found.not_applicable
    assert not found.healthy


def test_examinations_that_were_switched_off_are_told_as_that(run: RunFolder) -> None:
    run.health.unlink()
    write_text(run.recipe, config.dump(config.merge(Recipe(), {"run.exams": 0})))
    assert "run.exams=0" in said_of(run)


def test_a_run_that_has_not_begun_says_how_to_go_on(run: RunFolder) -> None:
    for path in (run.log, run.health, run.quality, run.speed, run.recoveries):
        path.unlink()
    assert f"gansmith train --resume {run.path}" in said_of(run)
    found = diagnose(run.path)
    assert found.recorded == verb.Recorded("not begun", 0, 0, 0.0, 0, 0)
    assert not found.healthy


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("{"), lambda path: path.write_text("[1]")])
def test_a_run_whose_data_are_not_known_is_still_judged(spoil: Callable[[Path], object], run: RunFolder) -> None:
    spoil(run.data)
    assert "data.json cannot be read" in said_of(run)


def test_what_is_no_run_is_told(tmp_path: Path, run: RunFolder) -> None:
    with pytest.raises(RunError, match="there is no run"):
        diagnose(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="is not a run folder"):
        diagnose(tmp_path / "empty")
    with pytest.raises(RunError, match="is not a run folder"):
        diagnose(run.recipe)
    run.recipe.write_text("version: 99\nfuture: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="Upgrade with"):
        diagnose(run.path)


@settings(max_examples=25)
@given(cut=st.floats(0, 1), which=st.integers(0, 3))
def test_a_record_may_end_anywhere(cut: float, which: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("cut") / "zoo-1")
    write_text(folder.recipe, config.dump(Recipe()))
    records = {folder.log: made.ticks(3), folder.health: made.exams(3), folder.quality: made.looks(3), folder.speed: made.speeds(3)}
    for place, (path, several) in enumerate(records.items()):
        write_lines(path, several)
        if place == which:
            path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    history = history_of(folder)
    assert len(checks.examine(history)) == len(checks.CHECKS)
    gaps = list(verb._gaps(folder, history))
    assert sum("was cut off" in gap for gap in gaps) <= 1


# --- the report ----------------------------------------------------------------------------------------------------------


def test_a_report_gathers_the_same_health(run: RunFolder) -> None:
    found, history = gather(run, "zoo-1"), history_of(run)
    assert found.health == verb.health_of(run, history, checks.examine(history))
    assert found.health is not None
    assert found.health.exams == tuple(made.exams())


# --- the command ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ill")
def test_the_command_tells_the_worst_first(run: RunFolder, said: Said) -> None:
    code, out, err = said("diagnose", run.path)
    assert (code, err) == (0, "")
    assert ESCAPE not in out
    parts = (
        "run      ", "finished, 6.4k real samples seen, 20 examinations",
        "severe   H204 The discriminator overfits", "It tells training samples apart.", "  seen   wins train 0.97",
        "  change Set augment.strength=0.8.", "  read   gansmith explain H204", "warning  H221", "note     H217",
        "back     H207 The gradient explodes", "went back to step 160",
        "checks   2 checks found a problem", "--all lists them", "charts   ",
    )  # fmt: skip
    places = [out.index(part) for part in parts]
    assert places == sorted(places)
    assert "H201" not in out


def test_the_command_tells_of_what_is_past(run: RunFolder, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "examine", lambda history: (finding("H205"),) if len(history.exams) in (3, 4) else made.WELL)
    line = "past     H205 The discriminator wins: severe from step 60 to 80\n"
    _, out, _ = said("diagnose", run.path)
    assert line in out
    assert "is there" not in out
    _, out, _ = said("diagnose", run.path, "--all")
    assert f"{line}         H205 is there." in out


@pytest.mark.usefixtures("ill")
def test_the_command_lists_every_check_when_asked(run: RunFolder, said: Said) -> None:
    _, out, _ = said("diagnose", run.path, "--all")
    assert all(check.code in out for check in checks.CHECKS)
    assert "absent   H218 Memorisation: none were held out." in out
    assert "--all" not in out


@pytest.mark.usefixtures("well")
def test_a_healthy_run_is_told_in_a_line(run: RunFolder, said: Said) -> None:
    run.recoveries.unlink()
    _, out, _ = said("diagnose", run.path)
    assert [line.split()[0] for line in out.splitlines()] == ["run", "healthy", "charts"]
    assert f"healthy  {len(checks.CHECKS)} checks found no problem." in out


@pytest.mark.usefixtures("ill")
def test_json_is_all_that_a_program_gets(run: RunFolder, said: Said, tmp_path: Path) -> None:
    _, out, _ = said("diagnose", run.path, "--json", "--out", tmp_path / "page.html")
    found = json.loads(out)
    assert [f["code"] for f in found["findings"]] == ["H204", "H221", "H217"]
    assert found["page"] == str(tmp_path / "page.html")


@pytest.mark.parametrize(("words", "told"), [("nowhere", "there is no run"), (".", "is not a run folder")])
def test_a_mistake_gets_one_sentence(words: str, told: str, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = said("diagnose", words)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_the_help_teaches_by_an_example(said: Said) -> None:
    _, out, _ = said("diagnose", "--help")
    assert "augment.strength=0.8" in " ".join(out.split())


@pytest.mark.usefixtures("ill")
@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_shows_severity_in_colour_and_breaks_lines(
    colour: bool, run: RunFolder, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    screen = io.StringIO()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(cli, "out", Console(file=screen, force_terminal=True, highlight=False, soft_wrap=True, width=60))
    said("diagnose", run.path, "--all")
    text = screen.getvalue()
    assert ("\x1b[1;31msevere" in text) is colour
    assert ("\x1b[33mwarning" in text) is colour
    body = [line for line in text.splitlines() if not line.startswith(("run", "charts", "again", "  read"))]
    assert max(len(line) for line in body if ESCAPE not in line) <= 60


# --- a finding in one line -----------------------------------------------------------------------------------------------


def test_a_line_says_what_and_what_to_change() -> None:
    finding = Finding("H207", "severe", "the gradient grew 90 times.", "Halve optimiser.lr_generator.")
    assert lines.line(finding, 1200) == "step 1,200  severe  H207 the gradient grew 90 times. Halve optimiser.lr_generator."


def test_a_line_without_room_for_the_advice_says_where_it_stands() -> None:
    told = lines.line(Finding("H204", "warning", "the discriminator overfits " * 9, "Set augment.strength=0.8."), 7)
    assert told.startswith("step 7  warning  H204 the discriminator overfits the")
    assert told.endswith("… (gansmith diagnose says what to change)")
    assert "…" not in lines.line(Finding("H204", "note", "short.", "long " * 99), 7)
    assert lines.line(Finding("H204", "note", "nothing to do."), 7).endswith("nothing to do.")


@given(
    message=st.text(max_size=400),
    advice=st.text(max_size=400),
    severity=st.sampled_from(["note", "warning", "severe"]),
    step=st.integers(0, 10**12),
)
def test_a_line_is_one_line_that_fits(message: str, advice: str, severity: Severity, step: int) -> None:
    told = lines.line(Finding("H204", severity, message, advice), step)
    assert len(told) <= lines.WIDEST
    assert len(told.splitlines()) == 1
    assert told.startswith(f"step {step:,}  {severity}  H204")
