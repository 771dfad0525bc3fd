"""Conditions of several columns: from a table beside the pictures to samples that are as they were asked to be."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

import gansmith
import tiny
from gansmith.artefact import Card, Generator
from gansmith.cli import app
from gansmith.conditions import Column, Conditions, from_units, of_matrix, of_records, slices
from gansmith.config import DataSettings
from gansmith.data.order import Feed
from gansmith.domains.image import IMAGE, collect
from gansmith.domains.image.labels import match, parse
from gansmith.engine import probe
from gansmith.errors import ConfigError, DataError, RunError
from gansmith.losses import class_cost

PEOPLE = [
    {"smiling": "1", "age": "20", "hair": "black"},
    {"smiling": "0", "age": "35.5", "hair": "red"},
    {"smiling": "1", "age": "50", "hair": "black"},
    {"smiling": "0", "age": "81", "hair": "white"},
]


def people() -> Conditions:
    return of_records(PEOPLE, "the labels")


# --- columns -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind", "encoded"),
    [
        (["0", "1", "1"], "yes/no", [0, 1, 1]),
        (["False", "true", "TRUE"], "yes/no", [0, 1, 1]),
        ([True, False, True], "yes/no", [1, 0, 1]),
        ([1.0, 0.0, 0.0], "yes/no", [1, 0, 0]),
        (["-1", "1", "-1"], "yes/no", [0, 1, 0]),
        (["no", "yes", "yes"], "yes/no", [0, 1, 1]),
        (["1", "2", "3"], "number", [-(1.5**0.5), 0, 1.5**0.5]),
        (["-1", "0", "1"], "number", [-(1.5**0.5), 0, 1.5**0.5]),
        ([5, 5, 5], "number", [0, 0, 0]),
        (["1_2", "0_1", "1_2"], "choice", [[0, 1], [1, 0], [0, 1]]),
        ([1e-200, 2e-200, 3e-200], "number", [-(1.5**0.5), 0, 1.5**0.5]),
        (["b", "a", "b"], "choice", [[0, 1], [1, 0], [0, 1]]),
    ],
)
def test_a_column_is_what_its_values_are(values: list[Any], kind: str, encoded: list[Any]) -> None:
    found = of_records([{"x": v} for v in values], "here")
    assert found.columns[0].kind == kind
    np.testing.assert_allclose(found.values, np.array(encoded, np.float32).reshape(len(values), -1), rtol=1e-6)


@given(
    numbers=st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=3, max_size=30),
    flags=st.data(),
)
def test_what_was_read_is_given_back(numbers: list[float], flags: st.DataObject) -> None:
    words = flags.draw(st.lists(st.sampled_from(["x", "y z", "ü"]), min_size=len(numbers), max_size=len(numbers)))
    found = of_records([{"n": n, "w": w} for n, w in zip(numbers, words, strict=True)], "here")
    assert [r["w"] for r in found.records()] == words
    if found.columns[0].kind == "number":
        scale = float(np.abs(numbers).max()) + found.columns[0].spread
        np.testing.assert_allclose([r["n"] for r in found.records()], numbers, atol=1e-5 * scale)
        np.testing.assert_allclose(found.values[:, 0].std(), 1.0 if np.ptp(numbers) else 0.0, atol=1e-3)
    np.testing.assert_allclose(from_units(found.in_units(), found.columns), found.values, rtol=1e-5, atol=1e-5)


def test_numbers_count_from_the_mean_of_the_training_part() -> None:
    part = np.array([0, 2])
    found = people().fitted(part)
    assert found.values[part, 1].tolist() == [-1.0, 1.0]
    assert (found.columns[1].centre, found.columns[1].spread) == pytest.approx((35.0, 15.0))
    assert found.records() == people().records()


@given(st.integers(0, 3))
def test_columns_survive_a_file(place: int) -> None:
    column = people().columns[min(place, 2)]
    assert Column.from_dict(json.loads(json.dumps(column.to_dict()))) == column


def test_names_of_single_numbers() -> None:
    assert people().names == ["smiling", "age", "hair=black", "hair=red", "hair=white"]
    assert slices(people().columns) == [slice(0, 1), slice(1, 2), slice(2, 5)]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["1", "", "0"], "no value of 'x' for 1 of 3"),
        (["1", None, "0"], "no value of 'x'"),
        ([1.5, float("nan"), float("nan"), 2.5], "no value of 'x' for 2 of 4"),
        ([1.5, pd.NA, np.float32("nan")], "no value of 'x' for 2 of 3"),
        (["a", pd.NaT, "a"], "no value of 'x' for 1 of 3"),
        ([f"person {i}" for i in range(1001)] * 3, "1,001 different texts"),
        (["1.5", "2", "nan"], "holds numbers and 'nan'"),
        (["1", "2", "inf"], "holds numbers and 'inf'"),
        (["1", "2", "1e300"], "holds numbers and '1e300'"),
        ([f"picture of {i}" for i in range(30)], "30 different texts"),
    ],
)
def test_a_column_nothing_can_be_learned_from(values: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        of_records([{"x": v} for v in values], "the labels")


# --- what is asked for ---------------------------------------------------------------------------------------------------


def test_what_is_not_said_comes_from_rows_that_are_like_it() -> None:
    chances = np.linspace(0.01, 0.99, 40)
    smiling = Conditions(people().drawn(chances, {"smiling": 1}), people().columns).records()
    assert {(r["smiling"], r["age"], r["hair"]) for r in smiling} == {(True, 20.0, "black"), (True, 50.0, "black")}
    never = Conditions(people().drawn(chances, {"smiling": 1, "hair": "red", "age": 30}), people().columns).records()
    assert {tuple(r.values()) for r in never} == {(True, 30.0, "red")}


def test_of_many_rows_those_nearest_to_a_number_are_taken() -> None:
    rows = of_records([{"age": i, "twice": 2 * i} for i in range(1000)], "here")
    found = Conditions(rows.drawn(np.linspace(0, 1, 200), {"age": "300"}), rows.columns).records()
    assert {r["age"] for r in found} == {300.0}
    twice = [r["twice"] for r in found]
    assert min(twice) >= 548
    assert max(twice) <= 652
    assert len(set(twice)) > 40


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=10))
def test_every_value_that_is_shown_can_be_asked_for(values: list[float]) -> None:
    rows = of_matrix(np.array(values, np.float32)[:, None], ["age"], "here")
    for record in rows.records():
        (found,) = Conditions(rows.drawn(np.array([0.5]), record), rows.columns).records()
        assert found["age"] == pytest.approx(record["age"], abs=2e-5 * rows.columns[0].spread)


def test_no_may_be_asked_for_as_minus_one() -> None:
    rows = of_matrix(np.array([[-1.0], [1.0], [1.0]]), ["smiling"], "here")
    assert Conditions(rows.drawn(np.array([0.5]), {"smiling": -1}), rows.columns).records() == [{"smiling": False}]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("beard=1", "no label 'beard'; this generator knows smiling .0 or 1.; age .20 to 81."),
        ("age=82", "age=82 is not possible; give a number in the range of the data, 20 to 81"),
        ("age=old", "age=old is not"),
        ("age=nan", "age=nan is not"),
        ("smiling=2", "neither yes nor no"),
        ("hair=blak", "did you mean 'black'"),
        ("smiling", "not of the form NAME=VALUE"),
        ("", "not of the form"),
        ("age=20,age=30", "not of the form"),
    ],
)
def test_what_cannot_be_asked_for(asked: str, words: str) -> None:
    rows = people()
    with pytest.raises(ConfigError, match=words):
        rows.drawn(np.array([0.5]), rows.parse(asked))


# --- the cost of an auxiliary classifier ---------------------------------------------------------------------------------


def test_each_column_costs_by_its_kind() -> None:
    guess = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    asked = torch.from_numpy(people().values).double()
    parts = [(place, c.kind) for c, place in zip(people().columns, slices(people().columns), strict=True)]
    wanted = (
        F.binary_cross_entropy_with_logits(guess[:, 0], asked[:, 0], reduction="none")
        + 0.5 * (guess[:, 1] - asked[:, 1]) ** 2
        + F.cross_entropy(guess[:, 2:], asked[:, 2:].argmax(1), reduction="none")
    )
    torch.testing.assert_close(class_cost(guess, asked, parts), wanted)
    one_hot = asked[:, 2:]
    assert torch.equal(class_cost(guess[:, 2:], one_hot, [(slice(0, 3), "choice")]), class_cost(guess[:, 2:], one_hot))


# --- where conditions are read from --------------------------------------------------------------------------------------

NAMES = ("a.png", "b.png", "c.png", "d.png")


def table(rows: Sequence[dict[str, Any]], form: str) -> tuple[str, str]:
    if form == "csv":
        lines = [",".join(["file_name", *rows[0]]), *(",".join([n, *map(str, r.values())]) for n, r in zip(NAMES, rows, strict=True))]
        return "\n".join(lines), "labels.csv"
    if form == "records":
        return json.dumps([{"file_name": n, **r} for n, r in zip(NAMES, rows, strict=True)]), "labels.json"
    return json.dumps(dict(zip(NAMES, rows, strict=True))), "labels.json"


@pytest.mark.parametrize("form", ["csv", "records", "mapping"])
def test_tables(form: str) -> None:
    text, name = table(PEOPLE, form)
    found = match(parse(text, name, several=True), NAMES, name)
    assert isinstance(found, Conditions)
    assert found.columns == people().columns
    assert np.array_equal(found.values, people().values)


@pytest.mark.parametrize("name", ["brightness", "label"])
def test_one_column_of_fractions_is_a_number(name: str) -> None:
    found = match(parse(f"file,{name}\na.png,0.5\nb.png,1\n", "labels.csv"), NAMES[:2], "labels.csv")
    assert isinstance(found, Conditions)
    assert [(c.name, c.kind) for c in found.columns] == [(name, "number")]


@pytest.mark.parametrize("text", ["file,label,age\na.png,x,0.5\nb.png,y,1\n", "file,age\na.png,1\nb.png,2\n"])
def test_a_column_of_classes_stays_one(text: str) -> None:
    assert not isinstance(match(parse(text, "labels.csv", several=True), NAMES[:2], "labels.csv"), Conditions)


def test_a_table_that_only_describes_is_passed_over() -> None:
    assert parse("file_name,text,size\n1.png,a dog,3\n", "metadata.csv") == []


def test_arrays_and_items(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (4, 4, 4), dtype=np.uint8)
    path = tmp_path / "set.npz"
    np.savez(path, images=pictures, conditions=people().in_units(), condition_names=people().names)
    found = IMAGE.open(str(path), DataSettings()).conditions
    assert found is not None
    assert [c.kind for c in found.columns] == ["yes/no", "number", "yes/no", "yes/no", "yes/no"]
    np.testing.assert_allclose(found.values[:, 1], people().values[:, 1], rtol=1e-5)
    items = collect([(Image.fromarray(p), row) for p, row in zip(pictures, PEOPLE, strict=True)])
    assert items.conditions is not None
    assert items.condition == 5
    assert items.conditions.columns == people().columns
    assert IMAGE.open(str(path), DataSettings(labels="none")).condition == 0


@pytest.mark.parametrize(
    ("values", "names", "words"),
    [
        (np.zeros(4), (), "numbers .N, K. were expected"),
        (np.zeros((4, 2)), ("a",), "2 columns and 1 different names"),
        (np.array([["a"]]), (), "numbers .N, K. were expected"),
    ],
)
def test_an_array_that_is_no_conditions(values: np.ndarray, names: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        of_matrix(values, names, "the conditions")


def test_processes_share_a_batch_of_conditions() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)

    def fed(rank: int, size: int) -> torch.Tensor:
        members = np.arange(0, 40, 2)
        feed = Feed(
            rows, lambda x: x, members=members, labels=None, condition=3, batch=8, seed=1, rank=rank, size=size, moves=2, conditions=rows
        )
        batch = feed(3)
        assert batch.condition is not None
        assert torch.equal(batch.x, batch.condition)
        return batch.condition

    halves = [fed(rank, 2).reshape(2, 4, 3) for rank in range(2)]
    assert torch.equal(torch.cat(halves, 1).flatten(0, 1), fed(0, 1))


# --- end to end ----------------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {
    "network.width": 32,
    "run.batch": 32,
    "run.samples": 9_600,
    "data.held_out": 0.2,
    "run.tick": 100,
    "optimiser.lr_generator": 2e-3,
    "optimiser.lr_discriminator": 2e-3,
}


@pytest.fixture(scope="module")
def lamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of 4 x 4 pixels as bright as `brightness` says, the left half brighter by 60 where they are `lit`."""
    folder, rng = tmp_path_factory.mktemp("lamps"), np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "lit", "brightness"])
        for i in range(200):
            level, lit = rng.uniform(20, 180), rng.random() < 0.5
            pixels = level + rng.normal(0, 6, (4, 4))
            pixels[:, :2] += 60 * lit
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i}.png")
            rows.writerow([f"{i}.png", int(lit), round(level, 2)])
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, lamps: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return tiny.train(tmp_path_factory.mktemp("runs"), SETTINGS, str(lamps)).path


def ranks(x: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(x))


def test_samples_are_as_they_were_asked_to_be(run: Path) -> None:
    generator = gansmith.load(run)
    asked = np.linspace(25, 175, 200)
    made = generator.sample(200, label=[{"brightness": b} for b in asked], seed=3)
    right = made.raw[:, :, 2:].mean((1, 2, 3), dtype=float)
    assert np.corrcoef(ranks(asked), ranks(right))[0, 1] > 0.8
    lit, dark = (
        s.raw[:, :, :2].mean(dtype=float) - s.raw[:, :, 2:].mean(dtype=float)
        for s in (generator.sample(200, label=f"lit={v}", seed=3) for v in (1, 0))
    )
    assert lit > dark + 20  # 60 in the data
    assert made.labels is None
    assert made.conditions is not None
    np.testing.assert_allclose([r["brightness"] for r in made.conditions.records()], asked, rtol=1e-4)


def test_what_is_not_asked_for_is_as_in_the_training_rows(run: Path, lamps: Path) -> None:
    generator = gansmith.load(run)
    with (lamps / "labels.csv").open(encoding="utf-8") as file:
        data = {(r["lit"] == "1", float(r["brightness"])) for r in csv.DictReader(file)}
    made = generator.sample(300).conditions
    assert made is not None
    assert {tuple(r.values()) for r in made.records()} <= data
    whole = generator.sample(20, label="lit=1", seed=5)
    part = generator.sample(5, label="lit=1", seed=5, start=9)
    assert np.array_equal(whole.raw[9:14], part.raw)
    assert whole.conditions is not None
    assert all(r["lit"] for r in whole.conditions.records())


def test_the_folder_tells_its_columns(run: Path, tmp_path: Path) -> None:
    card = json.loads((run / "generator" / "config.json").read_text(encoding="utf-8"))
    assert [(c["name"], c["kind"]) for c in card["columns"]] == [("lit", "yes/no"), ("brightness", "number")]
    assert Card.from_dict(card, tmp_path).to_dict() == card
    copy = tmp_path / "generator"
    copy.mkdir()
    for file in (run / "generator").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert np.array_equal(Generator.load(copy).sample(5).raw, gansmith.load(run).sample(5).raw)
    (copy / "conditions.safetensors").unlink()
    with pytest.raises(RunError, match=r"conditions\.safetensors cannot be read"):
        Generator.load(copy)
    data, rows = json.loads((run / "data.json").read_text(encoding="utf-8")), gansmith.load(run).rows
    assert rows is not None
    assert len(rows) == data["training"]
    assert rows.values[:, 1].mean() == pytest.approx(0.0, abs=1e-5)
    assert rows.values[:, 1].std() == pytest.approx(1.0, abs=1e-5)


def test_the_command_line_draws_and_refuses(run: Path, tmp_path: Path) -> None:
    into = tmp_path / "drawn"
    assert CliRunner().invoke(app, ["sample", str(run), "-n", "3", "-o", str(into), "--label", "lit=1,brightness=90"]).exit_code == 0
    manifest = json.loads((into / "manifest.json").read_text(encoding="utf-8"))
    assert [s["condition"] for s in manifest["samples"]] == [{"lit": True, "brightness": 90.0}] * 3
    assert list(manifest["columns"]) == ["lit", "brightness"]
    for label in ("age=1", "brightness=900", "lit"):
        with pytest.raises(ConfigError):
            gansmith.sample(run, 2, out=tmp_path / "no", label=label)
        assert not (tmp_path / "no").exists()
    gansmith.sample(run, 4, out=tmp_path / "a.npz", label={"lit": True})
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["condition_names"].tolist() == ["lit", "brightness"]
        assert arrays["conditions"][:, 0].tolist() == [1.0] * 4
        assert arrays["conditions"][:, 1].min() >= 20


def test_latents_keep_their_conditions(run: Path, tmp_path: Path) -> None:
    generator = gansmith.load(run)
    made = generator.sample(6, label="brightness=60,lit=0", seed=2)
    found = gansmith.invert(run, made.raw[:2], out=tmp_path / "found", starts=3, steps=5)
    assert found.found.conditions is not None
    gansmith.sample(run, out=tmp_path / "again.npz", latents=tmp_path / "found" / "latents.npz")
    with np.load(tmp_path / "again.npz") as arrays:
        np.testing.assert_allclose(arrays["samples"].astype(int), found.found.raw.astype(int), atol=1)
        np.testing.assert_allclose(arrays["conditions"], found.found.conditions.in_units(), rtol=1e-4)


def test_the_other_verbs_take_it_for_data_without_classes(run: Path, lamps: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"conditions \(lit, brightness\) but no classes"):
        gansmith.prove(run)
    scores = gansmith.evaluate(run, count=20)
    assert {s.label for s in scores.scores} == {None}
    told = gansmith.describe(lamps, forecast=False)
    assert told.classes == ()
    assert [c.name for c in told.columns] == ["lit", "brightness"]
    gansmith.report(run)
    gansmith.directions(run, out=tmp_path / "directions", count=1, steps=2, rows=2)
    assert gansmith.sample(run, 2, out=tmp_path / "walks", interpolate=3).is_dir()


@pytest.mark.parametrize("how", ["projection", "auxiliary"])
def test_a_killed_run_ends_as_one_that_was_not(how: str, lamps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    settings = {"network.conditioning": how}
    whole = tiny.train(tmp_path, settings, str(lamps))
    with pytest.raises(tiny.Crash):
        tiny.train(tmp_path, settings, str(lamps), audience=tiny.Watching(15))
    gansmith.train(resume=tmp_path / f"{lamps.name}-2")
    tiny.assert_same_end(whole.path, tmp_path / f"{lamps.name}-2")
    rows = [(p / "generator" / "conditions.safetensors").read_bytes() for p in (whole.path, tmp_path / f"{lamps.name}-2")]
    assert rows[0] == rows[1]
    assert ("class_cost_d" in whole.log[-1]) == (how == "auxiliary")


def test_a_changed_table_is_other_data(lamps: Path, tmp_path: Path) -> None:
    for file in lamps.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    before = IMAGE.open(str(tmp_path), DataSettings())
    text = (tmp_path / "labels.csv").read_text(encoding="utf-8")
    (tmp_path / "labels.csv").write_text(text.replace("\n0.png,", "\n0.png,0", 1).replace("brightness", "lux"), encoding="utf-8")
    after = IMAGE.open(str(tmp_path), DataSettings())
    assert before.facts["fingerprint"] != after.facts["fingerprint"]
    assert after.conditions is not None
    assert after.conditions.columns[1].name == "lux"
