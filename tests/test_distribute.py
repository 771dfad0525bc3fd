"""Several processes draw what one would, learn what one would, and end together. With real gloo processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import gansmith
import tiny
from gansmith.engine import checkpoint, distribute, probe
from gansmith.engine.distribute import World
from gansmith.engine.noise import Needs
from gansmith.engine.plan import Plan
from gansmith.errors import ConfigError, TrainingError
from gansmith.layout import Layout
from gansmith.runs import RunFolder
from tiny import BATCH, STEPS, TICK, Crash, Watching, assert_same_end, train

TWO = {"machine.workers": 2}
pytestmark = pytest.mark.timeout(600)  # real processes, on a machine that may be busy


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    monkeypatch.setenv("PYTHONPATH", str(tiny.SOURCE))


# --- without another process ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize(
    "needs",
    [Needs(), Needs(directions=True), Needs(3, True, True, 5, 2, True, True)],
    ids=["latents", "directions", "everything"],
)
def test_noise_does_not_depend_on_the_number_of_processes(size: int, needs: Needs) -> None:
    layout = Layout((gansmith.Block("x", 3, "real"),), (5,))
    plan = Plan(
        layout=layout, seed=3, batch=8, steps=9, minutes=None, tick=1, latent=6, lr_generator=1, lr_discriminator=1, lr_end=1, gamma=1,
        lr_power=1,
        gamma_end=1, beta1=0, beta2=0.9, beta2_end=0.9, burn_in=0, halflife=1, needs=needs,
    )  # fmt: skip
    whole, parts = plan.noise(4, World()), [plan.noise(4, World(rank, size)) for rank in range(size)]
    moves = [(whole.generator, [part.generator for part in parts])]
    moves += [(draw, [part.critics[i] for part in parts]) for i, draw in enumerate(whole.critics)]
    assert len(moves) == needs.critics + 1
    for draw, shares in moves:
        doubled = {"chances", "views", *(["directions"] if draw is not whole.generator else [])}
        for name, numbers in vars(draw).items():
            assert all((getattr(share, name) is None) == (numbers is None) for share in shares)
            if numbers is not None:  # of a batch of 8, or of its real and its generated samples one behind the other
                joined = torch.cat([torch.stack(getattr(share, name).split(8 // size)) for share in shares], 1)
                assert torch.equal(joined.flatten(0, 1), numbers)
                assert len(numbers) == (16 if name in doubled else 8)


def test_one_process_alone_does_nothing() -> None:
    world, values = World(), torch.arange(3.0)
    world.average(values)
    world.same(values)
    world.leave()
    assert world.first
    assert torch.equal(world.part(values), torch.arange(3.0))
    assert (world.share([1.5]), world.any(True), world.any(False), world.text("é")) == ([1.5], True, False, "é")


class Plain(torch.nn.Module):
    """A generator of one's own for the digits."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(4, 64)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return self.line(latent).tanh().reshape(-1, 1, 8, 8)


@pytest.mark.parametrize(
    ("settings", "brought", "words"),
    [
        ({"run.batch": 15}, {}, "a batch of 15 cannot be divided over 2 processes"),
        ({"data.labels": "none"}, {"generator": Plain()}, "do not have a generator passed from Python"),
        ({}, {"loss": gansmith.LOSSES["minimax"]}, "do not have a loss passed"),
        ({}, {"data": torch.rand(50, 6, 6)}, "do not have a data"),
        ({"loss.name": "relativistic-average"}, {}, "loss.name=relativistic-average looks at the whole batch.*Set machine.workers=1"),
        (
            {"loss.name": "dual-contrastive"},
            {},
            "loss.name=dual-contrastive looks at the whole batch, which machine.workers=2 would divide",
        ),
        ({"network.spread": True}, {}, "network.spread=true looks at the whole batch"),
        ({"network.name": "sngan"}, {}, "network.name=sngan looks at the whole batch"),
        ({"network.name": "stylegan2"}, {}, "network.name=stylegan2 looks at the whole batch"),
        ({"game.kept": 0.5}, {}, "game.kept=0.5 looks at the whole batch"),
        ({"game.features": 1.0}, {}, "game.features=1.0 looks at the whole batch"),
        ({"game.unrolled": 2}, {}, "game.unrolled=2 looks at the whole batch"),
        ({"penalty.name": "dragan"}, {}, "penalty.name=dragan looks at the whole batch"),
    ],
)
def test_what_several_processes_cannot_do_is_told_before_anything_is_written(
    settings: dict[str, Any], brought: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words):
        train(tmp_path / "runs", TWO | settings, **brought)
    assert not (tmp_path / "runs").exists()


# --- with two ------------------------------------------------------------------------------------------------------------

GRADIENTS = """
import sys, torch
from gansmith import config, networks
from gansmith.config import NetworkSettings, Recipe
from gansmith.data.order import Feed
from gansmith.engine import distribute, probe
from gansmith.engine.plan import Plan
from gansmith.engine.players import Players
from gansmith.engine.steps import step
from gansmith.layout import Block, Layout
from gansmith.losses import LOSSES

world = distribute.join("cpu")
torch.set_num_threads(1)
layout = Layout((Block("pixels", 1, "bounded"),), (8, 8), condition=3)
raw = torch.rand(100, 1, 8, 8, generator=torch.Generator().manual_seed(0)).numpy() * 2 - 1
found = {}
games = [({"network.name": name}, form) for name in ("dense", "light") for form in ("exact", "finite")]
games += [({"game.critics": 2, "penalty.name": "wgan-gp"}, "exact"), ({"game.pack": 2}, "exact")]
for number, (settings, form) in enumerate(games):
    recipe = config.merge(Recipe(), {
        "network.name": "dense", "network.width": 8, "network.latent": 5, "network.conditioning": "projection", "run.batch": 64,
        "run.samples": 64, "run.tick": 1, "penalty.gamma": 0.5, "penalty.gamma_end": 0.5, "penalty.form": form, "average.halflife": 10,
        "optimiser.lr_end": 1, "optimiser.lr_power": 1, "optimiser.lr_generator": 1e-3, "optimiser.lr_discriminator": 1e-3,
        "penalty.lecam": 0.1, **settings})
    torch.manual_seed(1)
    players = Players(networks.generator(recipe.network, layout), networks.discriminator(recipe.network, layout.packed(recipe.game.pack)))
    plan = Plan.of(recipe, layout)
    feed = Feed(raw, lambda x: x, members=torch.arange(100).numpy(), labels=torch.arange(100).numpy() % 3, condition=3,
                batch=64, seed=0, rank=world.rank, size=world.size, moves=recipe.game.critics)
    goal = probe.objective(recipe, probe.Setting(layout, 0.5, LOSSES["relativistic"], True, "cpu"), "fp32")
    reduced = []
    step(players, feed(5), plan.noise(5, world), goal, plan.rates(5, 0.5), lambda g: (world.average(g), reduced.append(g.clone())))
    for place, values in enumerate((*reduced, players.average)):  # the gradient of every move, then what is remembered, and the average
        found[f"{form}.{number}.{place}{'.average' if values is players.average else ''}"] = values
said = world.text("first" if world.first else "not heard")
assert said == "first", said
assert world.share([1 / 3, float(world.rank)]) == [1 / 3, 0.0]
assert world.union({3, 5} if world.first else {4}) == ({3, 5, 4} if world.size > 1 else {3, 5}) and world.union(set()) == set()
assert world.any(world.rank == world.size - 1) and not world.any(False)
torch.save(found, f"{sys.argv[1]}/{world.size}-{world.rank}.pt")
world.leave()
"""


def torchrun(*said: str, cwd: Path, size: int = 2, timeout: float = tiny.PATIENCE, module: bool = True) -> subprocess.CompletedProcess[str]:
    """torchrun with so many processes on this machine."""
    head = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(size)]
    told = [*head, *(["-m"] if module else []), *said]
    return subprocess.run(told, capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd, env=tiny.environment())


def test_gradients_of_two_halves_are_those_of_one_whole(tmp_path: Path) -> None:
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    alone = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env=tiny.environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=tiny.PATIENCE,
    )
    assert alone.returncode == 0, alone.stderr
    two = torchrun(str(script), str(tmp_path), cwd=tmp_path, module=False)
    assert two.returncode == 0, two.stderr
    whole, first, second = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1"))
    assert len(whole) == 6 * 4 + 1
    for name, wanted in whole.items():
        assert torch.equal(first[name], second[name]), name  # to the bit: the processes must never drift apart
        if name.endswith("average"):
            continue
        assert wanted.norm() > 1e-4, name
        # of the finite form rounding is enlarged by 1 / step, in one process as in two
        assert (first[name] - wanted).norm() <= (1e-6 if "exact" in name else 3e-5) * wanted.norm(), name


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pid: int, seconds: float) -> bool:
    """Whether a process is gone, or is but a zombie, within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that was never interrupted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        patch.setenv("PYTHONPATH", str(tiny.SOURCE))
        return train(tmp_path_factory.mktemp("two"), TWO).path


def test_two_processes_learn_what_one_does(unbroken: Path, tmp_path: Path) -> None:
    two, one = RunFolder(unbroken).records(), train(tmp_path).log
    assert [r["step"] for r in two] == [r["step"] for r in one]
    assert two[0]["loss_d"] == pytest.approx(one[0]["loss_d"], rel=1e-4)
    assert two[-1]["r1"] == pytest.approx(one[-1]["r1"], rel=1e-2)


def test_a_crash_of_two_resumes_bit_identical_on_two_and_goes_on_with_one(unbroken: Path, tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train(tmp_path, TWO, audience=Watching(2 * TICK))
    run = tmp_path / "digits-1"
    shutil.copytree(run, tmp_path / "copy")
    gansmith.train(resume=run)
    assert_same_end(run, unbroken)
    on_one = gansmith.train(resume=tmp_path / "copy", settings={"machine.workers": 1})
    assert on_one.log[-1]["step"] == STEPS
    assert on_one.log[:2] == RunFolder(unbroken).records()[:2]
    assert on_one.log[-1]["loss_d"] == pytest.approx(RunFolder(unbroken).records()[-1]["loss_d"], rel=1e-3)


def test_torchrun_trains_and_samples_as_one_process_does(unbroken: Path, tmp_path: Path) -> None:
    done = torchrun("gansmith", *tiny.words(Path("runs")), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "digits-1"
    assert done.stdout.count("next     gansmith sample") == 1
    for name in ("weights", "average"):
        key = name if name == "average" else f"generator.{name}"
        assert torch.equal(tiny.newest(run)[key], tiny.newest(unbroken)[key])
    count = 1024 * 2 + 30  # two chunks and a part of a third
    done = torchrun("gansmith", "sample", str(run), "-n", str(count), "-o", "two", "--grid", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    gansmith.sample(run, count, out=tmp_path / "one", grid=True)
    one, two = (sorted(p.name for p in (tmp_path / name).iterdir()) for name in ("one", "two"))
    assert one == two
    assert len(one) == count + 2
    for name in set(one) - {"manifest.json"}:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert (tmp_path / "one" / "manifest.json").read_text() == (tmp_path / "two" / "manifest.json").read_text()


ENDLESS = {"run.samples": BATCH * 10**7, "run.tick": 50, "run.checkpoint_seconds": 0.2}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells the processes of a run apart by /proc")
@pytest.mark.parametrize("who", ["first", "other", pytest.param("interrupt", marks=pytest.mark.slow)])
def test_a_process_that_dies_ends_the_run_in_seconds(who: str, tmp_path: Path) -> None:
    with tiny.start(*tiny.words(tmp_path, TWO | ENDLESS)) as process:
        run = RunFolder(tmp_path / "digits-1")
        until = time.monotonic() + tiny.PATIENCE
        while not run.saved() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        (other,) = children_of(process.pid)
        if who == "interrupt":
            process.send_signal(signal.SIGINT)
        else:
            os.kill(process.pid if who == "first" else other, signal.SIGKILL)
        _, told = process.communicate(timeout=100)  # far from the half hour that it takes unless told
    try:
        assert gone(other, 60), "a process was left behind"
    finally:
        if not gone(other, 0.1):
            os.kill(other, signal.SIGKILL)
    if who == "first":
        assert process.returncode == -signal.SIGKILL
        assert "a process of this run was lost" in run.workers_log.read_text()
    elif who == "other":
        assert process.returncode == 2, told
        assert len(told.strip().splitlines()) == 1
        assert "a process of this run was lost" in told
        assert "--resume" in told
    else:
        assert process.returncode == 130, told
        assert "everything up to here is saved" in told
    at = checkpoint.newest(run).step
    assert at >= 50
    with pytest.raises(Crash):
        gansmith.train(resume=run.path, settings={"machine.workers": 1}, audience=Watching((at // 50 + 1) * 50))


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="tells the processes of a run apart by /proc")
def test_a_process_that_dies_is_replaced_and_the_run_ends_as_if_it_had_not(tmp_path: Path) -> None:
    settings = TWO | {"run.samples": BATCH * 400, "run.tick": 50, "run.guard": True, "run.exams": 0}
    whole = tiny.command(*tiny.words(tmp_path / "whole", settings))
    assert whole.returncode == 0, whole.stderr
    with tiny.start(*tiny.words(tmp_path / "lost", settings)) as process:
        run = RunFolder(tmp_path / "lost" / "digits-1")
        until = time.monotonic() + tiny.PATIENCE
        while not run.saved() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        (other,) = children_of(process.pid)
        os.kill(other, signal.SIGKILL)
        _, told = process.communicate(timeout=tiny.PATIENCE)
    assert process.returncode == 0, told
    (loss,) = run.recovered()
    assert (loss["code"], loss["changes"]) == ("H223", {})
    assert loss["step"] % 50 == 0
    assert "H223" in told
    tiny.assert_same_end(run.path, tmp_path / "whole" / "digits-1")


def test_a_process_that_does_not_come_up_is_told_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TrainingError, match=r"ended before the first step \(exit code 7\).*said\.log"):
        distribute.launch(2, ["-c", "print('oh'); raise SystemExit(7)"], tmp_path / "said.log")
    assert time.monotonic() - began < 60
    assert (tmp_path / "said.log").read_text() == "oh\n"
    assert not torch.distributed.is_initialized()


def test_a_group_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        World(0, 2, ours=False).leave()
        assert torch.distributed.is_initialized()
    finally:
        torch.distributed.destroy_process_group()
