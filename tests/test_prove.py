"""Proofs whose answer is known: a perfect generator helps, noise harms, copies do nothing; and every way in which there is no proof."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from gansmith.downstream import judge
from gansmith.downstream.arms import ALL, ARMS, BOTH, CLASSICAL, NOISE, REAL, REPEATED, SYNTHETIC
from gansmith.downstream.models import Budget
from gansmith.engine import probe
from gansmith.errors import ConfigError, DataError, RunError
from gansmith.records import Arm, Estimate, Proof, Setting
from gansmith.verbs.kept import add
from gansmith.verbs.kept import proofs as history
from gansmith.verbs.prove import prove
from gansmith.verbs.run import Run

CLASSES = ("left", "middle", "right")
SIDE = 6
QUICK = Budget(steps=6, batch=8)


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[N, 6, 6] noise with a third that is a little brighter: the class. A few pictures do not tell, many do."""
    source = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    raw = source.normal(110, 60, (count, SIDE, SIDE))
    for k in range(3):
        raw[labels == k, :, 2 * k : 2 * k + 2] += 35
    return raw.clip(0, 255).astype(np.uint8), labels


def dataset(count: int = 900, seed: int = 0) -> torch.utils.data.TensorDataset:
    raw, labels = pictures(count, seed)
    found = torch.utils.data.TensorDataset(torch.from_numpy(raw), torch.from_numpy(labels))
    found.classes = list(CLASSES)  # type: ignore[attr-defined]
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of 900 pictures, about half of them held out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 0.0)
        return tiny.train(tmp_path_factory.mktemp("runs"), {"data.held_out": 0.5}, data=dataset())


@dataclass
class Drawn:
    raw: np.ndarray
    labels: np.ndarray


class Perfect:
    """Draws new pictures of the same kind."""

    classes = CLASSES

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Drawn:
        labels = np.array([CLASSES.index(name) for name in label])
        assert len(labels) == count
        raw, of = pictures(3 * count, seed % 2**32)
        return Drawn(np.stack([raw[of == k][i] for i, k in enumerate(labels)])[..., None], labels)


class Noise:
    """Knows neither the pictures nor their classes."""

    classes = CLASSES

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Drawn:
        source = np.random.default_rng(seed)
        return Drawn(source.integers(0, 256, (count, SIDE, SIDE, 1), dtype=np.uint8), source.integers(0, 3, count))


class Shuffled(Perfect):
    """Draws pictures of which every pixel looks right alone, and calls them what it was asked for."""

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Drawn:
        source = np.random.default_rng(seed)
        known = super().sample(count, label=source.choice(CLASSES, count).tolist(), seed=seed).raw
        return Drawn(source.permuted(known.reshape(count, -1), axis=0).reshape(known.shape), np.array([CLASSES.index(k) for k in label]))


class Copies:
    """Gives back what it was trained on, in turn."""

    classes = CLASSES

    def __init__(self, run: Run) -> None:
        raw, labels = pictures(900, 0)
        kept = np.setdiff1d(np.arange(900), run.data["split"]["held_out"])
        self.raw, self.labels = raw[kept][..., None], labels[kept]

    def sample(self, count: int, *, label: Sequence[str], seed: int) -> Drawn:
        labels = np.array([CLASSES.index(name) for name in label])
        raw = np.empty((count, SIDE, SIDE, 1), np.uint8)
        for k in range(3):
            raw[labels == k] = np.resize(self.raw[self.labels == k], ((labels == k).sum(), SIDE, SIDE, 1))
        return Drawn(raw, labels)


def linear(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """The class whose mean is nearest: quick, exact, and better the more samples there are."""
    means = np.stack([x[y == k].mean(0) if (y == k).any() else np.full(x.shape[1:], 9.0) for k in range(3)])
    return ((test[:, None] - means) ** 2).sum((2, 3, 4)).argmin(1)


def proved(run: Run, **more: Any) -> Proof:
    return prove(run, **{"data": dataset(), "model": linear, "budget": QUICK, **more})


def arm(setting: Setting, name: str) -> Arm:
    return next(a for a in setting.arms if a.name == name)


# --- answers that are known ----------------------------------------------------------------------------------------------


def test_a_perfect_generator_helps_where_there_are_few(run: Run) -> None:
    proof = proved(run, generator=Perfect(), per_class=[3], ratios=[40])
    (setting,) = proof.settings
    assert setting.answer == "helps", setting.sentence
    assert proof.verdict.answer == "yes"
    assert proof.verdict.sentence == setting.sentence
    assert judge.mean(arm(setting, SYNTHETIC)) > judge.mean(arm(setting, REAL)) + 0.05
    assert (setting.per_class, setting.ratio, setting.title) == (3, 40.0, "3 a class, 40 synthetic for each real one")
    assert [(a.name, a.samples) for a in setting.arms] == [
        (REAL, 9),
        (SYNTHETIC, 360),
        (BOTH, 369),
        (CLASSICAL, 9),
        (ALL, 189),
        (REPEATED, 9),
    ]
    assert all(len(a.scores) == 5 and set(a.recall) == set(CLASSES) and not a.failed for a in setting.arms)
    assert [(d.arm, d.against) for d in setting.differences] == [p for p in judge.PAIRS if p != judge.CONTROL]
    assert "control" not in proof.conditions


def test_noise_with_random_labels_never_helps_and_harms_where_it_stands_alone(run: Run) -> None:
    (setting,) = proved(run, generator=Noise(), per_class=[30], ratios=[30]).settings
    assert setting.answer in ("harms", "no measurable effect"), setting.sentence
    alone = next(d.estimate for d in setting.differences if (d.arm, d.against) == (BOTH, REAL))
    assert alone.high < 0
    assert judge.mean(arm(setting, SYNTHETIC)) == pytest.approx(1 / 3, abs=0.1)


def test_copies_of_the_training_samples_have_no_measurable_effect(run: Run) -> None:
    proof = proved(run, generator=Copies(run))
    (setting,) = proof.settings
    assert setting.answer == "no measurable effect", setting.sentence
    assert proof.verdict.answer == "no"
    assert "try these" in proof.verdict.sentence
    # all real samples and a copy of each: the sets are equal, so the models are
    assert arm(setting, BOTH).scores == pytest.approx(arm(setting, REPEATED).scores)
    same = next(d.estimate for d in setting.differences if (d.arm, d.against) == (BOTH, REPEATED))
    assert same.value == pytest.approx(0, abs=1e-9)


def test_the_default_network_on_a_real_generator(run: Run) -> None:
    """A generator of 30 steps: nothing is asked but that all goes through, the same twice, and stands in proof.json."""
    before = len(history(run.folder))
    told: list[tuple[int, int, str]] = []
    first = prove(run.path, data=dataset(), budget=QUICK, seeds=3, command="gansmith prove it", progress=lambda *at: told.append(at))
    again = prove(run, data=dataset(), budget=QUICK, seeds=3)
    assert first.settings == again.settings
    assert first.conditions == again.conditions
    assert history(run.folder)[before:] == [first, again]
    assert json.loads(run.folder.proof.read_text())["format"] == 1
    trainings = [t for t in told if "seed" in t[2]]
    assert [t[:2] for t in trainings] == [(i, 18) for i in range(18)]
    assert trainings[0][2] == "real, seed 1 of 3"
    c, members = first.conditions, run.data["training"]
    assert f"generator trained on {members:,} samples" in c["trained"]
    assert (c["training"], c["test"], c["seeds"], c["measure"]) == (members, 900 - members, 3, "balanced accuracy")
    assert "6 steps of 8" in c["budget"]
    assert "never mirrored" in c["classical"], "left and right are classes here"
    assert c["primary"] == "real + classical + synthetic against real + classical"
    assert first.command == "gansmith prove it"
    assert any("3 seeds says little" in w for w in first.warnings)
    other = prove(run, data=dataset(), budget=QUICK, seeds=3, seed=1)
    assert other.settings != first.settings


def test_lines_have_a_proof_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    waves = tiny.train(tmp_path, {"data.source": "toy:sines"})
    proof = prove(waves, per_class=[3], ratios=[2], seeds=3, budget=QUICK)
    assert "dense network" in proof.conditions["model"]
    assert "jitter" in proof.conditions["classical"]
    assert [len(a.scores) for a in proof.settings[0].arms] == [3] * len(ARMS)


# --- what makes it fair --------------------------------------------------------------------------------------------------


def test_every_arm_has_the_same_steps(run: Run) -> None:
    built: list[Any] = []

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(SIDE * SIDE, 3)
            self.batches: list[int] = []
            built.append(self)

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                self.batches.append(len(x))
            return self.layer(x.flatten(1))

    proved(run, model=Counting, generator=Perfect(), per_class=[2], ratios=[1, 20], seeds=3, budget=Budget(steps=7, batch=5))
    trained = [m.batches for m in built if m.batches]
    assert trained == [[5] * 7] * (2 * 3 * len(ARMS))


def test_arms_are_paired(run: Run) -> None:
    """For one seed: the same real samples, the same synthetic ones, the same seed of the model; for another seed, others."""
    seen: list[tuple[np.ndarray, np.ndarray, int]] = []

    def watching(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        seen.append((x, y, seed))
        return linear(x, y, test, seed)

    proved(run, model=watching, generator=Perfect(), per_class=[4], ratios=[2], seeds=3)
    assert len(seen) == 3 * len(ARMS)
    firsts = []
    for start in range(0, len(seen), len(ARMS)):
        of = dict(zip(ARMS, seen[start : start + len(ARMS)], strict=True))
        assert len({seed for _, _, seed in of.values()}) == 1
        real, _, seed = of[REAL]
        assert len(real) == 12
        for name in (BOTH, CLASSICAL, ALL, REPEATED):
            np.testing.assert_array_equal(of[name][0][:12], real)
            np.testing.assert_array_equal(of[name][1][:36], of[BOTH][1])
        np.testing.assert_array_equal(of[BOTH][0][12:], of[SYNTHETIC][0])
        synthetic, again = ((of[ALL][0][:36] == of[name][0][:36]).reshape(36, -1).all(1) for name in (BOTH, REPEATED))
        assert (synthetic | again).all()
        assert (synthetic[12:].sum(), again[12:].sum()) == (12, 12), "one of each in turn"
        np.testing.assert_array_equal(of[CLASSICAL][0][:36], of[REPEATED][0])
        firsts.append((real, seed))
    assert len({seed for _, seed in firsts}) == 3
    assert not np.array_equal(firsts[0][0], firsts[1][0])


def test_a_generator_that_saw_more_than_the_arms_is_told_of(run: Run) -> None:
    members = run.data["training"]
    few = proved(run, generator=Perfect(), per_class=[5], seeds=3)
    assert any(f"trained on {members:,} real samples, and the arms hold as few as 15" in w for w in few.warnings)
    assert "Perfect instead of" in few.conditions["trained"]
    all_of_them = proved(run, generator=Perfect(), seeds=3)
    assert not any("For a claim about few samples" in w for w in all_of_them.warnings)
    assert arm(all_of_them.settings[0], REAL).samples == members


def test_curves_over_real_samples_and_ratios(run: Run) -> None:
    proof = proved(run, generator=Perfect(), per_class=[2, None], ratios=[1, 3], seeds=3)
    assert [(s.per_class, s.ratio) for s in proof.settings] == [(2, 1.0), (2, 3.0), (None, 1.0), (None, 3.0)]
    if any(s.answer == "helps" for s in proof.settings):
        assert any("one in forty" in w for w in proof.warnings)


def test_a_rare_class_is_filled_up(run: Run) -> None:
    proof = proved(run, generator=Perfect(), per_class=[60], rare=("middle", 0.05))
    (setting,) = proof.settings
    assert setting.rare == "middle"
    assert setting.title == "3 of 'middle' among 123 real samples, 57 synthetic added"
    assert setting.ratio == pytest.approx(57 / 123)
    assert [arm(setting, n).samples for n in (REAL, SYNTHETIC, BOTH, REPEATED, ALL, NOISE)] == [123, 180, 180, 123, 152, 152]
    assert [(d.arm, d.against) for d in setting.differences] == list(judge.PAIRS)
    assert setting.answer == "helps", "better than noise too"
    assert arm(setting, BOTH).recall["middle"] > arm(setting, REPEATED).recall["middle"]
    (as_it_is,) = proved(run, generator=Perfect(), rare=min_class(run), seeds=3).settings
    assert arm(as_it_is, REAL).samples == run.data["training"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_that_fills_up_a_rare_class_never_helps(seed: int, run: Run) -> None:
    from sklearn.naive_bayes import GaussianNB

    asked = {"model": GaussianNB(), "rare": ("middle", 0.03), "seed": seed}
    noise, good = (proved(run, generator=source, **asked) for source in (Shuffled(), Perfect()))
    (setting,), (better,) = noise.settings, good.settings
    assert setting.differences[0].estimate.low > 0, "it gains over the rival"
    assert setting.answer == "no measurable effect"
    assert "noise instead of the samples gains as much" in setting.sentence
    assert (noise.verdict.answer, noise.verdict.because[1]) == ("no", f"balanced accuracy of {ALL} against {NOISE}")
    assert noise.conditions["control"].startswith(f"{NOISE}: ")
    for name in (REAL, CLASSICAL, NOISE):
        assert arm(setting, name) == arm(better, name), "nothing of the generator is in them"


def test_the_control_is_shuffled_real_samples_called_the_rare_class(run: Run) -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def watching(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        seen.append((x, y))
        return linear(x, y, test, seed)

    kept = np.setdiff1d(np.arange(900), run.data["split"]["held_out"])
    known = run.generator.codec.encode(torch.from_numpy(pictures(900, 0)[0][kept][..., None])).flatten(1).numpy()
    told: list[tuple[int, int, str]] = []
    for ratio in (1, 10):  # fewer than there are real ones, and more
        proved(
            run, model=watching, generator=Perfect(), per_class=[60], ratios=[ratio], rare=("middle", 0.05), seeds=3,
            progress=lambda *at: told.append(at),
        )  # fmt: skip
    trainings = [t for t in told if "seed" in t[2]]
    assert [t[:2] for t in trainings] == 2 * [(i, 21) for i in range(21)]
    assert trainings[6][2] == f"{NOISE}, seed 1 of 3"
    for start, added in zip(range(0, len(seen), 7), [57] * 3 + [570] * 3, strict=True):
        of = dict(zip((*ARMS, NOISE), seen[start : start + 7], strict=True))
        (x, y), real = of[NOISE], of[REAL][0]
        size = len(real) + added
        np.testing.assert_array_equal(y, of[ALL][1])
        np.testing.assert_array_equal(x[: len(real)], real)
        noise = x[len(real) : size : 2].reshape(-(-added // 2), -1)  # real ones of the class between
        assert (y[len(real) : size] == CLASSES.index("middle")).all()
        assert all(np.isin(noise[:, j], known[:, j]).all() for j in range(known.shape[1])), "each number is that of a real sample"
        assert (noise[:, None] == known).mean(2).max() < 0.5, "and few are of the same one"
        assert noise.mean() == pytest.approx(known.mean(), abs=0.05)


def test_a_proof_of_a_rare_class_from_before_there_was_a_control_is_shown(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gansmith.cli import _show_proof
    from gansmith.pages import charts
    from gansmith.runs import RunFolder

    proof = proved(run, generator=Perfect(), per_class=[60], rare=("middle", 0.05), seeds=3)
    kept = json.loads(json.dumps(proof.to_dict()))
    del kept["conditions"]["control"]
    for setting in kept["settings"]:
        setting["arms"] = [a for a in setting["arms"] if a["name"] != NOISE]
        setting["differences"] = [d for d in setting["differences"] if d["against"] != NOISE]
    old = Proof.from_dict(kept)
    assert tuple(a.name for a in old.settings[0].arms) == ARMS
    add(RunFolder(tmp_path), old)
    add(RunFolder(tmp_path), proof)
    assert history(RunFolder(tmp_path)) == [old, proof]
    for one, there in ((old, False), (proof, True)):
        _show_proof(one)
        assert (NOISE in capsys.readouterr().out) is there
        for chart in (charts.arms, charts.differences):
            drawn = chart(one.settings[0], "accuracy", "p")
            assert drawn is not None
            assert (NOISE in drawn.alt) is there


def min_class(run: Run) -> str:
    counts = np.delete(np.arange(900) % 3, run.data["split"]["held_out"])
    return CLASSES[int(np.bincount(counts).argmin())]


def test_an_arm_that_fails_says_why_and_the_others_go_on(run: Run) -> None:
    def fussy(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        if len(x) == 12:
            raise ValueError("twelve is too few\nfor me")
        return linear(x, y, test, seed)

    proof = proved(run, model=fussy, generator=Perfect(), per_class=[4], ratios=[2], seeds=3)
    (setting,) = proof.settings
    assert (arm(setting, REAL).failed, arm(setting, REAL).scores) == ("ValueError: twelve is too few", ())
    assert all(len(arm(setting, n).scores) == 3 for n in ARMS if n != REAL)
    assert [(d.arm, d.against) for d in setting.differences] == [p for p in judge.PAIRS if REAL not in p and p != judge.CONTROL]
    assert proof.verdict.answer != "unknown"
    assert any("real failed" in w for w in proof.warnings)
    assert history(run.folder)[-1] == proof


def test_models_that_give_scores_are_judged_by_their_ranking_too(run: Run) -> None:
    def by_brightness(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        """The third of a picture that is brightest; learns nothing."""
        return np.stack([test[..., 2 * k : 2 * k + 2].mean((1, 2, 3)) for k in range(3)], 1)

    def names_alone(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        return by_brightness(x, y, test, seed).argmax(1)

    ranked, named = (proved(run, model=m, generator=Perfect(), per_class=[4], seeds=3) for m in (by_brightness, names_alone))
    (setting,), (plain,) = ranked.settings, named.settings
    assert all(len(a.ranking) == 3 and 0.7 < min(a.ranking) <= max(a.ranking) < 1 for a in setting.arms)
    assert all(d.ranking == Estimate(0.0, 0.0, 0.0) for d in setting.differences), "the same answers whatever it is taught by"
    assert all(a.ranking == () for a in plain.arms)
    assert all(d.ranking is None for d in plain.differences)
    assert [a.scores for a in setting.arms] == [a.scores for a in plain.arms]
    assert "ROC" in str(ranked.verdict.because)
    assert "ROC" not in str(named.verdict.because)


def test_a_proof_is_read_as_it_was_written_and_so_is_one_without_rankings(run: Run) -> None:
    proof = proved(run, model=None, generator=Perfect(), per_class=[4], seeds=3)
    assert all(len(a.ranking) == 3 for a in proof.settings[0].arms), "the default model gives scores"
    written = json.loads(json.dumps(proof.to_dict()))
    assert Proof.from_dict(written) == proof
    for setting in written["settings"]:  # of an earlier version
        for record in (*setting["arms"], *setting["differences"]):
            del record["ranking"]
    old = Proof.from_dict(written)
    assert [a.scores for a in old.settings[0].arms] == [a.scores for a in proof.settings[0].arms]
    assert {a.ranking for a in old.settings[0].arms} | {d.ranking for d in old.settings[0].differences} == {(), None}


@pytest.mark.parametrize("answer", [7, -1, 0.5, "left", None])
def test_an_answer_that_is_no_class_fails_an_arm(run: Run, answer: Any) -> None:
    def broken(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        return np.array([answer] + [0] * (len(test) - 1))

    (setting,) = proved(run, model=broken, generator=Perfect(), per_class=[4], seeds=3).settings
    assert setting.answer == "not measured"
    assert f"the model returned {answer}; it must return the number of a class, from 0 to 2" in setting.arms[0].failed


def test_scores_that_are_no_numbers_fail_an_arm(run: Run) -> None:
    def broken(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        return np.full((len(test), 3), np.nan)

    (setting,) = proved(run, model=broken, generator=Perfect(), per_class=[4], seeds=3).settings
    assert setting.answer == "not measured"
    assert "scores that are not finite" in setting.arms[0].failed


def test_a_model_that_never_works_leaves_the_answer_open(run: Run) -> None:
    def wrong(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        return np.zeros((len(test), 2))

    proof = proved(run, model=wrong, generator=Perfect(), per_class=[4], seeds=3)
    assert proof.verdict.answer == "unknown"
    assert "one class per sample is required" in proof.verdict.sentence
    assert proof.settings[0].differences == ()


# --- another test set ----------------------------------------------------------------------------------------------------


def archive(path: Path, raw: np.ndarray, labels: np.ndarray | None, names: Sequence[str] = CLASSES) -> Path:
    arrays: dict[str, Any] = {"x": raw} if labels is None else {"x": raw, "y": labels, "class_names": np.array(names)}
    np.savez(path, **arrays)
    return path


def test_a_test_set_of_its_own_is_matched_by_the_names_of_its_classes(run: Run, tmp_path: Path) -> None:
    raw, labels = pictures(300, seed=9)
    there = archive(tmp_path / "a.npz", raw, labels)
    turned = archive(tmp_path / "b.npz", raw, 2 - labels, CLASSES[::-1])
    a, b = (proved(run, generator=Perfect(), test=path, seeds=3) for path in (there, str(turned)))
    assert a.conditions["test"] == 300
    assert a.settings == b.settings
    assert str(there) in a.conditions["data"]


def test_a_class_without_test_samples_is_left_out_and_told_of(run: Run, tmp_path: Path) -> None:
    raw, labels = pictures(90, seed=9)
    two = archive(tmp_path / "two.npz", raw[labels < 2], labels[labels < 2])
    proof = proved(run, generator=Perfect(), test=two, seeds=3)
    assert set(arm(proof.settings[0], REAL).recall) == {"left", "middle"}
    assert any("no test samples of right" in w for w in proof.warnings)
    few = archive(tmp_path / "few.npz", raw[:12], labels[:12])
    assert any("fewer than 20 test samples" in w for w in proved(run, generator=Perfect(), test=few, seeds=3).warnings)


def test_test_samples_that_were_trained_on_are_refused_with_their_number(run: Run, tmp_path: Path) -> None:
    raw, labels = pictures(900, seed=0)
    kept = np.setdiff1d(np.arange(900), run.data["split"]["held_out"])[:7]
    fresh, of = pictures(50, seed=9)
    path = archive(tmp_path / "mixed.npz", np.concatenate([fresh, raw[kept]]), np.concatenate([of, labels[kept]]))
    with pytest.raises(DataError, match=r"7 of the 57 .*Remove"):
        proved(run, test=path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": None}, "test set has no labels"),
        ({"names": ("left", "middle", "wrong")}, r"class 'wrong', but the run knows left, middle, right"),
    ],
)
def test_a_test_set_that_cannot_judge_is_refused(change: dict[str, Any], words: str, run: Run, tmp_path: Path) -> None:
    raw, labels = pictures(30, seed=9)
    with pytest.raises(DataError, match=words):
        proved(run, test=archive(tmp_path / "t.npz", raw, **{"labels": labels, **change}))


# --- no proof ------------------------------------------------------------------------------------------------------------


def test_a_run_without_labels_or_with_one_class_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 0.0)
    bare = tiny.train(tmp_path, {"data.labels": "none", "data.held_out": 0.5}, data=dataset(60))
    with pytest.raises(DataError, match=r"no labels.*labels\.csv"):
        prove(bare, data=dataset(60))
    whole = tiny.train(tmp_path, {"data.held_out": 0.0}, data=dataset(60))
    with pytest.raises(DataError, match="held_out"):
        prove(whole, data=dataset(60))
    assert not bare.folder.proof.exists()


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"seeds": 2}, ConfigError, "at least 3"),
        ({"per_class": []}, ConfigError, "at least one entry"),
        ({"per_class": 10}, ConfigError, "are lists of numbers.*found 10 and"),
        ({"per_class": "all"}, ConfigError, "are lists of numbers.*found 'all' and"),
        ({"ratios": 2}, ConfigError, "are lists of numbers.*and 2"),
        ({"ratios": "1,10"}, ConfigError, "are lists of numbers.*and '1,10'"),
        ({"per_class": [1000]}, DataError, r"1,000 real samples of each class.*at most 1\d\d"),
        ({"rare": "wrong"}, ConfigError, "there is no class 'wrong'"),
        ({"ratios": [0]}, ConfigError, "above 0"),
        ({"budget": 0}, ConfigError, "trains nothing"),
        ({"model": 3}, ConfigError, "model takes"),
        ({"data": None}, DataError, "pass"),
        ({"data": dataset(seed=1)}, DataError, "not the data"),
    ],
)
def test_what_cannot_be_proved_is_refused_before_anything_is_trained(
    asked: dict[str, Any], error: type[Exception], words: str, run: Run
) -> None:
    before = history(run.folder)
    with pytest.raises(error, match=f"(?i){words}"):
        proved(run, **asked)
    assert history(run.folder) == before


def test_a_generator_of_other_things_is_refused(run: Run) -> None:
    class Other(Perfect):
        classes = ("left", "right")  # type: ignore[assignment]

    class Floats(Perfect):
        def sample(self, count: int, *, label: Sequence[str], seed: int) -> Drawn:
            drawn = super().sample(count, label=label, seed=seed)
            return Drawn(drawn.raw / np.float32(255), drawn.labels)

    with pytest.raises(DataError, match="the generator knows the classes left, right"):
        proved(run, generator=Other())
    with pytest.raises(DataError, match="makes float32 samples"):
        proved(run, generator=Floats())


@pytest.mark.parametrize(("raw", "labels"), [(slice(1, None), slice(1, None)), (slice(None), slice(1, None)), (slice(None), None)])
def test_a_generator_that_gives_other_than_it_was_asked_for_is_refused(raw: slice, labels: slice | None, run: Run) -> None:
    class Short(Perfect):
        def sample(self, count: int, *, label: Sequence[str], seed: int) -> Any:
            drawn = super().sample(count, label=label, seed=seed)
            return SimpleNamespace(raw=drawn.raw[raw], labels=None if labels is None else drawn.labels[labels])

    with pytest.raises(DataError, match=r"asked for \d+ labelled samples and gave \d+ with labels of shape"):
        proved(run, generator=Short())


def test_a_class_that_the_generator_cannot_draw_is_told_of(run: Run) -> None:
    class Few(Perfect):
        def sample(self, count: int, *, label: Sequence[str], seed: int) -> Drawn:
            raise ConfigError("there is no class 'right'; known are: left, middle.")

    with pytest.raises(DataError, match=r"cannot draw every class of the data: there is no class 'right'.* join classes, and train again"):
        proved(run, generator=Few())


def test_a_file_that_the_proof_cannot_be_added_to_is_told_of_before_anything_is_trained(run: Run, tmp_path: Path) -> None:
    def never(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        raise AssertionError("this was trained")

    damaged = Run(shutil.copytree(run.path, tmp_path / "run"))
    damaged.folder.proof.write_text("{")
    with pytest.raises(RunError, match=r"proof\.json was not written by gansmith or is damaged"):
        proved(damaged, model=never, progress=lambda *at: pytest.fail("nothing was begun"))
    assert damaged.folder.proof.read_text() == "{"


def test_proofs_of_a_newer_version_are_left_alone(tmp_path: Path, run: Run) -> None:
    from gansmith.runs import RunFolder

    folder = RunFolder(tmp_path)
    proof = proved(run, generator=Perfect(), per_class=[2], seeds=3)
    add(folder, proof)
    add(folder, proof)
    assert history(folder) == [proof, proof]
    folder.proof.write_text('{"format": 2, "proofs": []}')
    with pytest.raises(RunError, match="newer gansmith"):
        add(folder, proof)
