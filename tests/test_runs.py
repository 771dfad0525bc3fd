"""Files are whole or not there, and a run folder is one run's alone."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gansmith import runs
from gansmith.errors import RunError, StorageError
from gansmith.runs import RunFolder


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*"))


def test_a_block_that_ends_well_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    runs.write_text(path, "one")
    runs.write_text(path, "two")
    assert path.read_text() == "two"
    assert names(tmp_path) == ["a.txt", "new"]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), runs.replacing(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "No room left"), (errno.EDQUOT, "No room left"), (errno.EACCES, "No permission"), (errno.EIO, "Could not write")],
)
def test_a_disk_that_refuses_is_told_in_a_sentence(number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=words) as told:
        runs.write_json(path, {"a": 1})
    assert str(path) in str(told.value)
    assert path.read_text() == "{}"
    assert names(tmp_path) == ["a.json"]


def test_tensors_that_share_memory_are_written(tmp_path: Path) -> None:
    from safetensors import safe_open

    flat = torch.arange(6.0)
    runs.write_tensors(tmp_path / "a.safetensors", {"flat": flat, "part": flat[:3], "turned": flat.view(2, 3).t()}, {"format": 1})
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert json.loads(file.metadata()["gansmith"]) == {"format": 1}
        assert torch.equal(file.get_tensor("turned"), flat.view(2, 3).t())


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: runs.create(tmp_path / "runs", "cats").path.name, range(24)))
    assert sorted(made, key=lambda n: int(n[5:])) == [f"cats-{i}" for i in range(1, 25)]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cats & dogs/2", "cats-dogs-2-1"),
        ("../..", "run-1"),
        ("", "run-1"),
        ("ü", "run-1"),
        (".hidden", "hidden-1"),
        ("a" * 300, "a" * 100 + "-1"),
    ],
)
def test_any_name_makes_a_folder_that_lies_in_its_place(name: str, folder: str, tmp_path: Path) -> None:
    assert runs.create(tmp_path, name).path == tmp_path / folder


def test_a_place_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    for place in (tmp_path / "runs", tmp_path / "runs" / "below"):
        with pytest.raises(StorageError, match="runs"):
            runs.create(place, "a")


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    runs.create(tmp_path, "digits").recipe.write_text("")
    (tmp_path / "holidays").mkdir()
    with pytest.raises(RunError, match=r"there is no run .*did you mean 'digits-1'"):
        runs.find(tmp_path / "digits-2")
    with pytest.raises(RunError, match="there is no run") as told:
        runs.find(tmp_path / "zzz")
    assert "holidays" not in str(told.value)
    with pytest.raises(RunError, match="there is no run"):
        runs.find(tmp_path / "no" / "where")
    with pytest.raises(RunError, match=r"is not a run folder: it has no recipe.yaml"):
        runs.find(tmp_path / "holidays")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is not a run folder"):
        runs.find(tmp_path / "file")
    assert runs.find(tmp_path / "digits-1").name == "digits-1"


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b""])
def test_json_that_cannot_be_read_is_told(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(RunError, match=r"a.json cannot be read"):
        runs.read_json(tmp_path / "a.json")
    with pytest.raises(RunError, match="is missing"):
        runs.read_json(tmp_path / "b.json")


@given(steps=st.integers(0, 12), at=st.integers(0, 14), lost=st.integers(0, 200))
def test_a_log_cut_anywhere_keeps_whole_lines_up_to_the_step(
    steps: int, at: int, lost: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = RunFolder(tmp_path_factory.mktemp("run"))
    lines = [json.dumps({"step": s, "loss": s / 3, "words": "é\u2028"}) + "\n" for s in range(1, steps + 1)]
    text = "".join(lines).encode()
    run.log.write_bytes(text[: len(text) - lost] if lost else text)
    whole = [r for r in run.records() if r["step"] <= at]
    run.cut(at)
    assert run.records() == whole
    assert run.log.read_text() == "".join(lines[: len(whole)])
    assert len(whole) >= min(at, steps) - (lost // 20 + 1)


def test_a_cut_drops_later_pictures_and_what_a_kill_left(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (5, 10, 15):
        runs.write_text(run.preview(step), "")
    (run.previews / ".step-000000020.png.77.part").write_text("")
    (tmp_path / ".recipe.yaml.77.part").write_text("")
    (run.path / "speed.jsonl").write_text('{"step": 5}\nnull\n[1]\n{"no": 1}\n{"step": 15}\n')
    run.cut(10)
    assert [p.name for p in sorted(run.previews.iterdir())] == ["step-000000005.png", "step-000000010.png"]
    assert run.speed.read_text() == '{"step": 5}\n'
    assert not list(tmp_path.glob(".*"))


def test_a_run_without_a_log_has_no_records(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.cut(3)
    assert run.records() == []
    assert run.saved() == []


def test_what_a_kill_left_half_written_goes_and_what_others_are_writing_stays(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.checkpoints.mkdir()
    gone = subprocess.Popen(["true"])
    gone.wait()
    dead = [tmp_path / f".log.jsonl.{gone.pid}.part", run.checkpoints / f".step-000000010.safetensors.{os.getpid()}.part"]
    alive = [tmp_path / f".report.html.{os.getppid()}.part", tmp_path / ".notes.part"]
    for path in dead + alive:
        path.write_text("half")
    (tmp_path / ".samples.part").mkdir()  # as `sample` makes one while it writes a folder
    run.cut(5)
    assert names(tmp_path) == sorted(["checkpoints", ".samples.part", *(p.name for p in alive)])


def test_a_run_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with run.held(), pytest.raises(RunError, match=r"another process is training .*resume then"), run.held():
        pass
    with run.held():  # it is free again
        pass


def test_a_file_system_without_locks_is_no_reason_not_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(runs.fcntl, "flock", none)
    entered = []
    with RunFolder(tmp_path).held():
        entered.append(True)
    assert entered
