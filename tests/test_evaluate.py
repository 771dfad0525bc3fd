"""evaluate on runs, exports and data: what comes back, what is kept, and what is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gansmith
from gansmith import features
from gansmith.errors import ConfigError, DataError, GansmithError
from gansmith.features.pixels import Pixels
from gansmith.runs import RunFolder
from gansmith.verbs import evaluate as verb
from gansmith.verbs.evaluate import shuffled
from tiny import SETTINGS, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("judged"), {"data.held_out": 0.1}).path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as files: a training set, a test set, others of another size, and pictures that are copies of the first."""
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("files")
    x = np.round(load_digits().data.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8)
    np.save(folder / "training.npy", x[:900])
    np.save(folder / "test.npy", x[900:])
    np.save(folder / "small.npy", x[:15])
    np.save(folder / "wide.npy", np.repeat(x[:200], 2, axis=2))
    np.save(folder / "deep.npy", x[:200].astype(np.uint16))
    np.save(folder / "overlap.npy", x[890:1200])
    return folder


def judge(subject: Any, **words: Any) -> gansmith.Evaluation:
    return gansmith.evaluate(subject, extractor=words.pop("extractor", "pixels"), **words)


def test_an_evaluation_is_kept_with_the_run(run: Path) -> None:
    first = judge(run, command="gansmith evaluate it")
    second = judge(gansmith.Run(run), seed=1)
    kept = json.loads((run / "scores.json").read_text())
    assert [gansmith.Evaluation.from_dict(e) for e in kept["evaluations"]] == [first, second]
    assert first.command == "gansmith evaluate it"
    assert {v.word for v in first.verdicts} == {"faithful", "diverse", "original", "useful"}
    assert first.verdicts[0].answer == "no"  # thirty steps teach nothing
    with Image.open(RunFolder(run).closest) as picture:
        assert picture.width > picture.height


def test_entries_of_a_newer_version_are_not_written_over(run: Path) -> None:
    scores = RunFolder(run).scores
    before = scores.read_text() if scores.exists() else None
    newer = json.dumps({"format": 99, "evaluations": []})
    scores.write_text(newer)
    with pytest.raises(GansmithError, match="written by a newer gansmith"):
        judge(run, count=60, progress=lambda done, all, words: words == "reading" or pytest.fail("the work was begun"))
    assert scores.read_text() == newer
    scores.write_text(before) if before is not None else scores.unlink()


def test_conditions_say_what_the_scores_depend_on(run: Path) -> None:
    found = judge(run, count=60, seed=3).conditions
    assert found["extractor"] == "pixels"
    assert (found["generated"], found["held_out"], found["seed"]) == (60, 60, 3)
    assert found["training"] == gansmith.Run(run).data["training"]
    assert found["step"] == gansmith.Run(run).log[-1]["step"]


def test_the_step_is_that_of_the_generator_which_may_be_the_best_and_not_the_last(run: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(run, tmp_path / "best"))
    config = kept / "generator" / "config.json"
    card, records = json.loads(config.read_text()), gansmith.Run(kept).log
    for said, record in ((records[2]["step"], records[2]), (0, records[-1])):  # early versions said nothing
        config.write_text(json.dumps({**card, "step": said}))
        about = judge(kept, count=60).conditions
        assert (about["step"], about["seen"]) == (record["step"], record["seen"])


def test_the_same_seed_gives_the_same_scores(run: Path) -> None:
    assert judge(run, count=60).scores == judge(run, count=60).scores != judge(run, count=60, seed=1).scores


def test_few_samples_are_warned_of(run: Path) -> None:
    assert any("Only 60 samples" in words for words in judge(run, count=60).warnings)


@pytest.mark.parametrize(("labels", "advised"), [("auto", "--extractor classifier gives"), ("none", "Labels, or --extractor inception,")])
def test_what_gives_better_features_than_pixels(labels: str, advised: str, run: Path, tmp_path: Path) -> None:
    judged = run if labels == "auto" else train(tmp_path, {"data.held_out": 0.1, "data.labels": "none"}).path
    (words,) = [words for words in judge(judged, count=60).warnings if "plain pixels" in words]
    assert advised in words
    assert ("Labels" in words) == (labels == "none")


def test_features_are_computed_on_the_best_device_there_is(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def choose(*given: Any, device: str, **more: Any) -> Any:
        asked.append(device)
        return real(*given, **more)

    real = features.choose
    monkeypatch.setattr(features, "choose", choose)
    monkeypatch.setattr(verb, "automatic_device", lambda recipe: "an accelerator")
    assert judge(run, count=60).scores
    assert asked == ["an accelerator"]


def test_an_extractor_of_ones_own(run: Path) -> None:
    class Rows(Pixels):
        name = "rows"

        def __call__(self, raw: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(raw[..., 0].astype(np.float32).mean(2))

    seer = Rows((8, 8, 1), (0.0, 255.0))
    seer.conditions = {**seer.conditions, "dimensions": 8}
    assert judge(run, extractor=seer, count=60).conditions["extractor"] == "rows"


def test_an_export_is_judged_by_data_it_is_given(run: Path, files: Path) -> None:
    found = judge(run / "generator", against=files / "test.npy", settings={"data.labels": "none"}, count=100)
    assert found.verdicts[0].answer == "no"
    assert found.verdicts[2].answer == "unknown"
    assert any("--training" in words for words in found.warnings)
    assert not (run / "generator" / "scores.json").exists()


def test_real_samples_are_faithful_diverse_and_original(files: Path) -> None:
    x = np.load(files / "test.npy")
    np.save(files / "fresh.npy", x[:400])
    np.save(files / "rest.npy", x[400:])
    found = judge(files / "fresh.npy", against=files / "rest.npy", training=files / "training.npy")
    assert [v.answer for v in found.verdicts] == ["yes", "yes", "yes", "unknown"]


def test_copies_are_not_original(files: Path) -> None:
    np.save(files / "copies.npy", np.load(files / "training.npy")[:500])
    found = judge(files / "copies.npy", against=files / "test.npy", training=files / "training.npy")
    assert found.verdicts[2].answer == "no"


def test_toys_are_judged_by_their_values(tmp_path: Path) -> None:
    found = judge(train(tmp_path, {"data.source": "toy:ring"}).path, extractor=None, count=300)
    assert found.conditions["extractor"] == "values"


def test_labels_of_other_names_are_not_taken_for_ones_own(run: Path, files: Path) -> None:
    x = 255 - np.load(files / "test.npy")
    np.savez(files / "renamed.npz", x=x, y=np.array([f"digit {i % 7}" for i in range(len(x))]))
    found = judge(run, against=files / "renamed.npz", count=60, extractor="classifier")
    (agreement,) = [s for s in found.scores if s.metric == "label agreement"]
    assert agreement.floor is None
    assert not [s for s in found.scores if s.label]


def test_shuffled_numbers_keep_what_each_place_holds() -> None:
    raw = np.random.default_rng(0).integers(0, 255, (50, 4, 3, 2), dtype=np.uint8)
    mixed = shuffled(raw, seed=1)
    np.testing.assert_array_equal(np.sort(mixed, 0), np.sort(raw, 0))
    assert (mixed != raw).mean() > 0.9
    np.testing.assert_array_equal(mixed, shuffled(raw, seed=1))
    assert (mixed != shuffled(raw, seed=2)).any()


# --- refused -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"count": 10}, "10 samples were requested; a judgement needs at least 20"),
        ({"training": "x"}, "a run knows its training data"),
        ({"extractor": "pixel"}, "pixels"),
        ({"against": "{files}/overlap.npy"}, "were also trained on"),
        ({"against": "{files}/wide.npy"}, None),
        ({"against": "{files}/nothing"}, "no"),
    ],
)
def test_what_a_run_cannot_be_judged_by_is_told(run: Path, files: Path, words: dict[str, Any], said: str | None) -> None:
    words = {k: v.format(files=files) if isinstance(v, str) else v for k, v in words.items()}
    if said is None:  # it is brought to the run's own form
        judge(run, **words)
        return
    with pytest.raises(GansmithError, match=said) as told:
        judge(run, **words)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("subject", "words", "said"),
    [
        ("nothing", {}, "nothing does not exist"),
        ("test.npy", {}, "is not a run, so there are no real data to compare it with"),
        ("wide.npy", {"against": "test.npy"}, "are of 8x16x1, those they are compared with of 8x8x1"),
        ("deep.npy", {"against": "test.npy"}, "stored as uint16, those they are compared with as uint8"),
        ("small.npy", {"against": "test.npy"}, "15 generated samples; a judgement needs at least 20"),
        ("test.npy", {"against": "overlap.npy", "training": "training.npy"}, "10 of the 310 samples in .* were also trained on"),
    ],
)
def test_what_data_cannot_be_judged_by_is_told(files: Path, subject: str, words: dict[str, str], said: str) -> None:
    with pytest.raises((ConfigError, DataError), match=said) as told:
        judge(files / subject, **{k: str(files / v) for k, v in words.items()})
    assert "\n" not in str(told.value)


def test_a_run_that_kept_nothing_aside_wants_other_data(tmp_path: Path, files: Path) -> None:
    kept = train(tmp_path, {"data.held_out": 0.0, "data.source": str(files / "training.npy")}).path
    with pytest.raises(DataError, match=r"held out no data.*--against"):
        judge(kept)
    assert judge(kept, against=str(files / "test.npy"), count=100).verdicts


def test_data_that_came_from_python_are_asked_for_again(tmp_path: Path, files: Path) -> None:
    x = np.load(files / "training.npy")
    settings = {**SETTINGS, "data.held_out": 0.2}
    kept = gansmith.train(x, runs=tmp_path, settings=settings)
    with pytest.raises(DataError, match="passed from Python"):
        judge(kept.path)
    with pytest.raises(DataError, match="are not the data"):
        judge(kept.path, data=x[:500])
    assert judge(kept.path, data=x, count=60).verdicts
