"""Checkpoints are whole or not there, and the newest that is whole is the one that counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from gansmith.engine import checkpoint
from gansmith.engine.checkpoint import Position
from gansmith.engine.optimisers import OPTIMISERS
from gansmith.engine.players import Players
from gansmith.errors import RunError, StorageError
from gansmith.runs import RunFolder, write_tensors


def players(seed: int = 0, width: int = 3) -> Players:
    torch.manual_seed(seed)
    return Players(nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width)), nn.Linear(width, 1))


def trained(seed: int = 0) -> Players:
    who = players(seed)
    for player in (who.generator, who.discriminator):
        player.gradient.normal_()
        player.step(0.1, 0.0, 0.9)
    who.average.normal_()
    for value in who.memory.values():
        value.normal_()
    return who


def state(who: Players) -> dict[str, torch.Tensor]:
    parts = {f"{p.name}.{k}": v.clone() for p in (who.generator, who.discriminator) for k, v in p.state().items()}
    return {"average": who.average.clone(), **{k: v.clone() for k, v in who.memory.items()}, **parts}


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_what_was_saved_comes_back_to_the_bit(tmp_path: Path) -> None:
    run, who = RunFolder(tmp_path), trained()
    position = Position(7, 0.1 + 0.2, 1 / 3, False)
    checkpoint.save(run, who, position, keep=2)
    again = players(seed=1)
    assert checkpoint.load(run, again) == position == checkpoint.newest(run)
    assert_equal(state(again), state(who))


def test_without_a_checkpoint_a_run_stands_at_its_start(tmp_path: Path) -> None:
    who = players()
    before = state(who)
    assert checkpoint.load(RunFolder(tmp_path), who) == Position() == checkpoint.newest(RunFolder(tmp_path))
    assert_equal(state(who), before)


def test_the_newest_are_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in range(1, 6):
        checkpoint.save(run, trained(step), Position(step), keep=2)
    assert [p.name for p in sorted(run.checkpoints.iterdir())] == ["step-000000004.safetensors", "step-000000005.safetensors"]


def damaged(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "noise":
        path.write_bytes(b"\xff" * 300)
    elif how == "foreign":
        write_tensors(path, {"a": torch.zeros(1)}, {"hello": 1})
    elif how == "header":
        write_tensors(path, {"a": torch.zeros(1)}, {"format": 1, "no_such": 1})
    elif how == "folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("how", ["cut", "empty", "noise", "foreign", "header", "folder"])
def test_a_damaged_newest_gives_way_to_the_one_before_and_does_not_push_it_out(how: str, tmp_path: Path) -> None:
    run, good = RunFolder(tmp_path), trained(1)
    checkpoint.save(run, good, Position(10), keep=2)
    checkpoint.save(run, trained(2), Position(20), keep=2)
    damaged(run.checkpoint(20), how)
    again = players(3)
    assert checkpoint.load(run, again).step == 10
    assert_equal(state(again), state(good))
    checkpoint.save(run, trained(4), Position(15), keep=1)  # the run goes on from 10; the damaged file still lies at 20
    assert checkpoint.newest(run).step == 15
    if how != "folder":
        checkpoint.save(run, trained(5), Position(20), keep=1)
        assert checkpoint.newest(run).step == 20


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    checkpoint.save(run, trained(), Position(1), keep=2)
    write_tensors(run.checkpoint(2), {"later": torch.zeros(1)}, {"format": checkpoint.FORMAT + 1, "step": 2, "epoch": 3})
    for look in (lambda: checkpoint.load(run, players()), lambda: checkpoint.newest(run)):
        with pytest.raises(RunError, match=r"step-000000002.*newer gansmith.*Upgrade"):
            look()


def test_other_networks_are_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    checkpoint.save(run, trained(), Position(1), keep=2)
    with pytest.raises(RunError, match=r"step-000000001\.safetensors does not fit these networks"):
        checkpoint.load(run, players(width=4))


def test_other_optimisers_are_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    checkpoint.save(run, trained(), Position(1), keep=2)
    other = Players(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Linear(3, 1), OPTIMISERS["optimistic"])
    with pytest.raises(RunError, match="does not fit"):
        checkpoint.load(run, other)


def test_a_checkpoint_from_before_there_was_a_memory_is_read(tmp_path: Path) -> None:
    """That of 0.1.0, whose games had nothing to remember."""
    run, who = RunFolder(tmp_path), trained()
    checkpoint.save(run, who, Position(1), keep=2)
    kept = {k: v for k, v in load_file(run.checkpoint(1)).items() if not k.startswith("memory.")}
    assert len(kept) < len(load_file(run.checkpoint(1)))
    write_tensors(run.checkpoint(1), kept, {"format": 1, "step": 1, "share": 0.0, "seconds": 0.0, "finished": False})
    again = players(seed=1)
    assert checkpoint.load(run, again) == Position(1)
    assert torch.equal(again.average, who.average)
    assert not any(again.memory.values())


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, good = RunFolder(tmp_path), trained(1)
    checkpoint.save(run, good, Position(1), keep=1)

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match="No room left on the disk"):
            checkpoint.save(run, trained(2), Position(2), keep=1)
    assert [p.name for p in run.checkpoints.iterdir()] == ["step-000000001.safetensors"]
    assert checkpoint.load(run, players()).step == 1


def test_the_header_is_json_and_nothing_is_pickled(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    checkpoint.save(run, trained(), Position(3, 0.5, 2.0, True), keep=2)
    data = run.checkpoint(3).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["gansmith"]) == {
        "format": 1, "tries": 0, "step": 3, "share": 0.5, "seconds": 2.0, "finished": True,
    }  # fmt: skip


def test_the_average_is_exported_in_the_names_of_the_network() -> None:
    who = trained()
    exported = checkpoint.average_weights(who)
    assert exported.keys() == who.generator.network.state_dict().keys()
    assert torch.equal(exported["0.weight"].flatten(), who.average[:6])
    assert not torch.equal(who.generator.weights, who.average)
