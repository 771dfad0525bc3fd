"""From Python: what may be passed for data and for every part, and what comes back."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as spectral

import gansmith
import tiny
from gansmith.config import Recipe
from gansmith.engine import probe
from gansmith.errors import ConfigError, DataError, RunError, TrainingError
from gansmith.layout import Block, Layout
from gansmith.losses import LossPair
from gansmith.verbs.parts import Parts, apart
from tiny import STEPS, TICK, Crash, Watching, assert_same_end, train

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)


class Pairs(torch.utils.data.Dataset[tuple[Any, Any]]):
    """A torch Dataset of (sample, label)."""

    classes = ("cat", "dog", "eel")

    def __len__(self) -> int:
        return 60

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        return torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(place)), place % 3


def images(count: int = 30) -> list[Image.Image]:
    return [Image.fromarray(RANDOM.integers(0, 256, (9, 7, 3), np.uint8)) for _ in range(count)]


# --- data ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "shape", "classes"),
    [
        (RANDOM.integers(0, 256, (50, 6, 5), np.uint8), (6, 5, 1), ()),
        (RANDOM.random((50, 6, 5, 2), np.float32), (6, 5, 2), ()),
        (torch.rand(50, 3, 6, 5), (6, 5, 3), ()),
        (Pairs(), (6, 5, 3), ("cat", "dog", "eel")),
        (images(), (9, 7, 3), ()),
        ([(i, n % 2) for n, i in enumerate(images())], (9, 7, 3), ("0", "1")),
    ],
    ids=["array", "array of channels", "tensor", "dataset", "images", "labelled images"],
)
def test_data_in_memory_train_and_resume(data: Any, shape: tuple[int, ...], classes: tuple[str, ...], tmp_path: Path) -> None:
    run = train(tmp_path / "a", data=data)
    samples = run.sample(7, seed=1)
    assert samples.raw.shape == (7, *shape)
    assert samples.classes == classes
    assert run.path.name == "memory-1"
    with pytest.raises(Crash):
        train(tmp_path / "b", data=data, audience=Watching(TICK))
    half = tmp_path / "b" / "memory-1"
    with pytest.raises(RunError, match="pass the same data again"):
        gansmith.train(resume=half)
    with pytest.raises(DataError, match="are not the data that this run was trained on"):
        gansmith.train(RANDOM.random((50, *shape)), resume=half)
    gansmith.train(data, resume=half)
    assert_same_end(half, run.path)


def test_a_recipe_of_data_from_python_wants_them_again(tmp_path: Path) -> None:
    data = RANDOM.integers(0, 256, (50, 6, 5), np.uint8)
    run = train(tmp_path / "a", data=data)
    with pytest.raises(ConfigError, match="Pass the data too"):
        gansmith.train(recipe=run.path / "recipe.yaml", runs=tmp_path / "b")
    again = gansmith.train(data, recipe=run.path / "recipe.yaml", runs=tmp_path / "b")
    assert_same_end(again.path, run.path)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_very_little_data_train_too(count: int, tmp_path: Path) -> None:
    run = train(tmp_path, data=RANDOM.integers(0, 256, (count, 4, 4), np.uint8), settings={"run.batch": None})
    assert run.data["training"] >= 2
    assert run.log[-1]["step"] == run.recipe.run.samples // run.recipe.run.batch  # type: ignore[operator]


def test_one_sample_is_too_little(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 2"):
        train(tmp_path / "runs", data=RANDOM.integers(0, 256, (1, 4, 4), np.uint8))
    assert not (tmp_path / "runs").exists()


def test_one_class_is_no_trouble(tmp_path: Path) -> None:
    class One(Pairs):
        classes = ("cat",)  # type: ignore[assignment]

        def __getitem__(self, place: int) -> tuple[Any, Any]:
            return torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(place)), 0

    run = train(tmp_path, data=One())
    assert run.sample(3, label="cat").raw.shape == (3, 6, 5, 3)


@pytest.mark.parametrize("source", ["toy:ring", "toy:grid", "toy:sines"])
def test_toys_train_and_sample(source: str, tmp_path: Path) -> None:
    run = train(tmp_path, data=source)
    assert len(run.sample(5)) == 5
    place = gansmith.sample(run.path, 130, out=tmp_path / "out", grid=True)
    assert (place / "grid.png").exists()


@pytest.mark.parametrize("held_out", [0.0, 0.5])
def test_the_held_out_part_is_told_and_never_trained_on(held_out: float, tmp_path: Path) -> None:
    data = np.repeat(np.arange(40, dtype=np.uint8)[:, None, None] * 6, 4, 1).repeat(4, 2)
    run = train(tmp_path, {"data.held_out": held_out}, data=data)
    split = run.data["split"]
    assert run.data["count"] == 40 == run.data["training"] + len(split["held_out"])
    assert bool(split["held_out"]) == (held_out > 0)


# --- parts of one's own --------------------------------------------------------------------------------------------------


class Maker(nn.Module):
    """A generator as a beginner writes it: a plain stack with batch statistics, and no condition."""

    def __init__(self, latent: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(latent, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 64), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z).view(-1, 1, 8, 8)


class Told(Maker):
    """The same, told the class."""

    def __init__(self) -> None:
        super().__init__(14)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        return super().forward(torch.cat((z, condition), 1))


class Judge(nn.Module):
    """A discriminator that gives [B, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Reader(nn.Module):
    """A discriminator in the parts that an auxiliary classifier wants, of so many classes; its head gives [B, 1]."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.body, self.line, self.classes = nn.Linear(64, 16), nn.Linear(16, 1), nn.Linear(16, classes)

    def features(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.body(x.flatten(1)).tanh()

    def head(self, features: Tensor, condition: Tensor) -> Tensor:
        return self.line(features)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.head(self.features(x, condition), condition)


class Asked(Judge):
    """A discriminator that is told the class."""

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return super().forward(x)


BARE = {"data.labels": "none"}
AUXILIARY = {"network.conditioning": "auxiliary"}


def own(seed: int = 0) -> dict[str, nn.Module]:
    torch.manual_seed(seed)
    return {"generator": Maker(), "discriminator": Judge()}


def test_modules_of_ones_own_train_sample_and_resume(tmp_path: Path) -> None:
    parts = own()
    run = train(tmp_path / "a", BARE, **parts)
    samples = run.sample(5, seed=3)
    assert samples.raw.shape == (5, 8, 8, 1)
    with pytest.raises(RunError, match="Pass the module"):
        gansmith.load(run.path)
    with pytest.raises(RunError, match="Pass the module"):
        gansmith.Run(run.path).sample(3)
    again = gansmith.load(run.path, generator=Maker())
    assert np.array_equal(again.sample(5, seed=3).raw, samples.raw)
    gansmith.sample(run.path, 3, out=tmp_path / "out", generator=Maker())
    with pytest.raises(RunError, match="does not fit the network"):
        gansmith.load(run.path, generator=nn.Linear(2, 2))

    with pytest.raises(Crash):
        train(tmp_path / "b", BARE, **own(), audience=Watching(TICK))
    half = tmp_path / "b" / "digits-1"
    with pytest.raises(RunError, match="with your own generator; pass it again"):
        gansmith.train(resume=half)
    gansmith.train(resume=half, **own(seed=9))  # type: ignore[arg-type]  # other first weights: those of the run count
    assert_same_end(half, run.path)


def test_a_generator_of_ones_own_may_play_against_the_recipes(tmp_path: Path) -> None:
    run = train(tmp_path, generator=Told())
    assert len(run.sample(3, label="8")) == 3
    run = train(tmp_path, BARE, discriminator=Judge())
    assert len(gansmith.load(run.path).sample(3)) == 3


class Neighbours(Judge):
    """One that is also told how different the samples of its group are (arXiv:1710.10196)."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        groups = x.reshape(min(4, len(x)), -1, *x.shape[1:])
        spread = groups.std(0, correction=0).mean((1, 2, 3)).repeat(len(groups))
        return super().forward(x) + spread[:, None]


@pytest.mark.parametrize(
    ("made", "alone"),
    [
        (lambda: Judge(), True),
        (lambda: nn.Sequential(nn.Flatten(), nn.Dropout(), spectral(nn.Linear(64, 1))), True),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), zeroed(nn.Linear(8, 1))), False),
        (lambda: Neighbours(), False),
    ],
    ids=["plain", "dropout and spectral norm", "batch norm", "spread"],
)
def test_whether_a_discriminator_of_ones_own_looks_at_its_batch_is_tried(made: Callable[[], nn.Module], alone: bool) -> None:
    """Real and generated samples must not share a batch then."""
    network = made()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert apart(Recipe(), Layout((Block("grey", 1, "bounded"),), (8, 8)), Parts(discriminator=network)) == alone
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def zeroed(layer: nn.Linear) -> nn.Linear:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def test_an_auxiliary_classifier_of_ones_own(tmp_path: Path) -> None:
    (*_, last) = train(tmp_path, {**AUXILIARY, "game.features": 0.5}, discriminator=Reader()).log
    assert {"class_cost_d", "class_cost_g", "feature_distance"} <= last.keys()


def test_a_loss_of_ones_own(tmp_path: Path) -> None:
    pair = LossPair(real=lambda real, fake: -real, fake=lambda real, fake: fake, generator=lambda real, fake: -fake)
    run = train(tmp_path, loss=pair)
    assert run.log[-1]["loss_d_real"] == pytest.approx(-run.log[-1]["logit_real"], abs=1e-6)
    assert run.log[-1]["loss_d"] == pytest.approx(run.log[-1]["logit_fake"] - run.log[-1]["logit_real"], abs=1e-5)
    assert run.data["own"] == {"generator": False, "discriminator": False, "loss": True}


@pytest.mark.parametrize(
    ("settings", "parts", "words"),
    [
        ({}, {"generator": Maker()}, "10 classes, but the forward of the generator takes no condition.*labels=none"),
        ({}, {"discriminator": Judge()}, "forward of the discriminator takes no condition"),
        (BARE, {"generator": Maker(7)}, r"generator cannot take latents \[B, 4\] \(network.latent=4\)"),
        (BARE, {"generator": nn.Linear(4, 9)}, r"gives \(2, 9\) for 2 latents; samples of this data are \[B, 1, 8, 8\]"),
        (BARE, {"discriminator": nn.Linear(8, 3)}, "gives 24 numbers for each sample; one logit is required"),
        (BARE, {"discriminator": nn.Flatten()}, "64 numbers for each sample"),
        (AUXILIARY, {"discriminator": Asked()}, r"asks your discriminator for labels.*features.*head.*classes\(features\) -> \[B, 10\]"),
        (AUXILIARY, {"discriminator": Reader(7)}, r"classes of the discriminator gives \(2, 7\) for 2 samples; \(2, 10\) was expected"),
        ({**BARE, **AUXILIARY}, {"discriminator": Judge()}, "asks the discriminator for labels, but these data have none"),
        ({**BARE, "game.features": 1.0}, {"discriminator": Judge()}, "game.features compares your discriminator's features"),
        ({**BARE, "network.spectral": True}, {"discriminator": Judge()}, "network.spectral=true changes the recipe's own discriminator"),
        ({**BARE, "network.spread": True}, {"discriminator": Judge()}, "network.spread=true changes the recipe's own"),
        ({"network.conditioning": "concatenation"}, {"discriminator": Asked()}, "conditioning=concatenation changes the recipe's own"),
        ({"network.name": "dence"}, {}, "network.name"),
        ({"loss.name": "hing"}, {}, "there is no loss 'hing'; did you mean 'hinge'?"),
        ({"game.pack": 3}, {}, "a batch of 16 cannot be divided into packs of 3"),
        ({**BARE, "game.pack": 2}, {"discriminator": nn.Linear(8, 1)}, "gives 16 numbers for each sample; one logit is required"),
    ],
)
def test_parts_that_do_not_fit_are_told_before_anything_is_written(
    settings: dict[str, Any], parts: dict[str, nn.Module], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        train(tmp_path / "runs", settings, **parts)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "runs").exists()


def test_looking_at_the_machine_changes_nothing_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # how many steps a probe takes is a matter of the machine: batch statistics must not remember them
    first = train(tmp_path / "a", BARE, **own()).path
    monkeypatch.setattr(probe, "SECONDS", 0.05)
    assert_same_end(train(tmp_path / "b", BARE, **own()).path, first)


@pytest.mark.parametrize(
    "raised", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: no room")]
)
def test_memory_that_runs_out_is_told_in_one_sentence(raised: Exception, tmp_path: Path) -> None:
    judge = Judge()
    calls = iter(range(10**6))

    def refuse() -> None:
        if next(calls) == 60:
            raise raised

    judge.register_forward_hook(lambda module, x, y: refuse())
    with pytest.raises(TrainingError, match="not enough memory for this run") as told:
        train(tmp_path, BARE, discriminator=judge)
    assert "\n" not in str(told.value)


# --- what comes back -----------------------------------------------------------------------------------------------------


def test_a_run_tells_all_of_itself(tmp_path: Path) -> None:
    run = train(tmp_path, name="my digits", seed=3, samples=480, batch=16)
    assert run.path == tmp_path / "my-digits-1"
    assert repr(run) == f"Run({str(run.path)!r})"
    assert (run.recipe.run.seed, run.recipe.run.samples, run.recipe.run.batch) == (3, 480, 16)
    assert [r["step"] for r in run.log] == list(range(TICK, STEPS + 1, TICK))
    assert {
        "loss_d",
        "loss_d_real",
        "loss_d_fake",
        "loss_g",
        "log_d_real",
        "log_1_minus_d_fake",
        "logit_real",
        "logit_fake",
        "r1",
        "r2",
        "grad_d",
        "grad_g",
    } <= run.log[0].keys()
    assert run.data["training"] + len(run.data["split"]["held_out"]) == 1797
    samples = run.sample(6, label=["1", "2"], seed=7, truncation=0.8)
    assert len(samples) == 6
    assert samples.picture().size[0] > 8
    assert (run.path / "previews").is_dir()
    left = {k for k, v in gansmith.config.flat(run.recipe).items() if v is None and not k.startswith(("data.", "run."))}
    assert left == {"penalty.clip"}
    assert isinstance(gansmith.load(str(run.path)), gansmith.Generator)


def test_a_training_leaves_the_callers_torch_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train(tmp_path, {"machine.threads": 2})
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_a_run_may_be_trained_in_a_thread(tmp_path: Path) -> None:
    found: list[gansmith.Run] = []
    thread = threading.Thread(target=lambda: found.append(train(tmp_path)))
    thread.start()
    thread.join(60)
    assert found[0].log[-1]["step"] == STEPS


def test_minutes_bound_a_run(tmp_path: Path) -> None:
    run = train(tmp_path, {"run.samples": None, "run.tick": 2}, minutes=0.01)
    assert run.log[-1]["share"] == 1.0
    assert run.recipe.run.samples is None
    assert 0.5 < gansmith.engine.checkpoint.newest(run.folder).seconds < 20


@pytest.mark.parametrize("verb", [gansmith.train, gansmith.sample, gansmith.describe, gansmith.load])
def test_every_verb_is_typed_and_documented(verb: Any) -> None:
    assert len(verb.__doc__.strip()) > 40
    signature = inspect.signature(verb)
    assert signature.return_annotation is not inspect.Signature.empty
    for name, parameter in signature.parameters.items():
        assert parameter.annotation is not inspect.Parameter.empty, name
        assert name in verb.__doc__ or verb is not gansmith.train, name


def test_describe_looks_and_forecasts() -> None:
    found = gansmith.describe(
        "digits", settings={k: v for k, v in tiny.SETTINGS.items() if k.startswith(("machine", "network", "penalty"))}
    )
    assert (found.count, found.shape, found.domain, len(found.classes)) == (1797, (8, 8, 1), "image", 10)
    assert found.forecast is not None
    assert found.forecast.samples_per_second > 0
    assert found.forecast.memory_mib > 50
    assert gansmith.describe("toy:ring", forecast=False).forecast is None
    with pytest.raises(DataError, match="there is no"):
        gansmith.describe("nowhere")
