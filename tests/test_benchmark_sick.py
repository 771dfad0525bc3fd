"""The suite of sick and healthy runs: its cases are what they say, what it measures is right, and it counts as it should."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gansmith import config
from gansmith.health.checks import CHECKS
from gansmith.recipes.named import RECIPES

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import sick
    import sick_cases
    from sick_cases import CASES, Case, Conv, Dense, Judge

OWN = [case for case in CASES if case.parts]


# --- the cases ------------------------------------------------------------------------------------------------------------------------


def test_every_case_has_a_name_of_its_own_and_asks_for_what_there_is() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    known = {check.code for check in CHECKS}
    for case in CASES:
        assert {case.illness, *case.also} - {""} <= known, case.name
        assert case.settings.keys() <= set(config.names()), case.name
        config.merge(config.Recipe(), case.settings)
        assert case.recipe is None or case.recipe in RECIPES, case.name
        assert len(set(case.seeds)) == len(case.seeds) > 0, case.name
        assert case.illness or not (case.also or case.fact or case.recoverable), case.name


def test_there_are_enough_runs_and_about_half_of_them_are_healthy() -> None:
    sick_runs, healthy = (sum(len(case.seeds) for case in CASES if bool(case.illness) is ill) for ill in (True, False))
    assert sick_runs + healthy >= 130
    assert 0.4 < healthy / (sick_runs + healthy) < 0.6


def test_about_half_of_either_kind_is_set_aside_and_the_same_half_always() -> None:
    for ill in (True, False):
        parts = [sick.part_of(case.name, seed) for case in CASES for seed in case.seeds if bool(case.illness) is ill]
        assert 0.4 < parts.count("aside") / len(parts) < 0.6
    assert [sick.part_of("ring", seed) for seed in range(1, 7)] == ["open", "open", "open", "open", "aside", "aside"]


@pytest.mark.parametrize("case", OWN, ids=lambda case: case.name)
def test_what_a_case_brings_has_the_form_that_training_wants(case: Case) -> None:
    shape = sick_cases.SHAPES[case.domain]
    brought = case.parts(shape) if case.parts else {}
    assert brought.keys() <= {"generator", "discriminator", "loss"}
    condition = torch.eye(10)[:4]
    if "generator" in brought:
        assert brought["generator"](torch.randn(4, 64), condition).shape == (4, *shape)
    if "discriminator" in brought:
        assert brought["discriminator"](torch.randn(4, *shape), condition).shape == (4,)


def test_modules_have_the_faults_they_are_named_after() -> None:
    shape, z, c = (1, 8, 8), torch.randn(4, 64), torch.eye(10)[:4]
    moved = z + torch.eye(64)[5]
    whole, deaf, part = Dense(shape), Dense(shape, deaf=True), Dense(shape, used=2)
    assert torch.equal(part(z, c), part(moved, c))
    assert not torch.equal(whole(z, c), whole(moved, c))
    assert not torch.equal(whole(z, c), whole(z, c.roll(1, 0)))
    assert torch.equal(deaf(z, c), deaf(z, c.roll(1, 0)))
    x = torch.randn(4, *shape)
    assert torch.equal((judge := Judge(shape, deaf=True))(x, c), judge(x, c.roll(1, 0)))
    assert (Dense(shape, torch.sigmoid)(z, c) > 0).all()
    border = Conv(border=2)(z, c)
    assert (border[..., :2, :] == 0).all()
    assert (border[..., :, -2:] == 0).all()
    assert (border[..., 2:-2, 2:-2] != 0).any()


def test_frozen_zeroed_and_unscaled_do_what_they_say() -> None:
    frozen = sick_cases.frozen(Dense((1, 8, 8)), "layers.1")
    assert [n for n, p in frozen.named_parameters() if not p.requires_grad] == ["layers.1.weight", "layers.1.bias"]
    zeroed = sick_cases.zeroed(Dense((1, 8, 8)), "layers.1", "last")
    zeroed(torch.randn(4, 64), torch.eye(10)[:4]).sum().backward()
    still = {n for n, p in zeroed.named_parameters() if not p.grad.any()}
    assert still == {n for n, _ in zeroed.named_parameters()} - {"last.bias"}
    loud = sick_cases.unscaled(Judge((1, 8, 8)))
    assert abs(float(loud.layers[1].weight.detach().std()) - 1) < 0.02


def test_the_naive_loss_is_the_logistic_one_until_its_logarithm_is_of_zero() -> None:
    from gansmith.losses import LOSSES

    real, fake = torch.linspace(-5, 5, 7), torch.linspace(5, -5, 7)
    for side in ("real", "fake", "generator"):
        cost = getattr(sick_cases.naive(), side)
        torch.testing.assert_close(cost(real, fake), getattr(LOSSES["nonsaturating"], side)(real, fake), atol=1e-4, rtol=1e-4)
    assert not sick_cases.naive().fake(real, torch.full((1,), 20.0)).isfinite().any()


# --- the data -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """60 pictures of 2 by 2, all different, in three classes."""
    return np.arange(240, dtype=np.uint8).reshape(60, 2, 2), np.tile([0, 1, 2], 20)


def test_data_are_what_their_makers_say(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    def made(part: str) -> tuple[np.ndarray, np.ndarray]:
        return sick_cases.PARTS[part.rstrip("0123456789") or "few"](*pictures, part)

    x, y = made("9")
    assert np.bincount(y).tolist() == [3, 3, 3]
    x, y = made("classes2")
    assert np.bincount(y).tolist() == [20, 20]
    x, y = made("copies6")
    assert len(x) == 180
    assert (np.unique(x, axis=0, return_counts=True)[1] == 30).all()
    x, y = made("variants6")
    assert len(np.unique(x, axis=0)) > 60  # of 72: most differ …
    assert np.abs(x.reshape(12, 6, 2, 2).astype(int) - x[:6]).max() <= 8  # … by little
    x, y = made("skewed1")
    assert np.bincount(y).tolist() == [20, 20, 1]
    x, y = made("shuffled")
    assert np.array_equal(x, pictures[0])
    assert np.bincount(y).tolist() == [20, 20, 20]
    assert not np.array_equal(y, pictures[1])


def test_a_part_of_the_digits_comes_with_unseen_ones_of_its_classes(tmp_path: Path) -> None:
    found = sick_cases.source("digits-classes3", tmp_path, tmp_path)
    assert set(np.load(found.path)["y"]) == {0, 1, 2} == set(found.labels)
    assert len(found.real) == len(found.labels)
    trained, unseen = np.load(found.path)["x"], found.real[..., 0]
    assert not any((trained == x).all((1, 2)).any() for x in unseen[:20])


# --- what is measured -----------------------------------------------------------------------------------------------------------------


def test_what_is_like_the_data_measures_perfect_and_one_repeated_sample_does_not() -> None:
    real = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.arange(200) % 4
    perfect = sick.measured(real, real, real, labels, real + 10)
    assert perfect["distance"] == pytest.approx(0, abs=1e-4)
    assert [perfect[name] for name in ("spread", "within", "reached", "agreement")] == [1.0] * 4
    assert perfect["copies"] == perfect["border"] == 0.0
    repeated = sick.measured(real, real[:1].expand(200, -1, -1, -1), real, labels, real[:1] + 0.01)
    assert repeated["spread"] == repeated["within"] == 0.0
    assert repeated["agreement"] == 0.25
    assert repeated["reached"] < 0.05
    assert repeated["copies"] == 1.0
    assert repeated["distance"] > 1
    assert repeated["live"] == pytest.approx(0, abs=1e-4)


def test_a_border_is_measured_in_the_deviation_of_the_data() -> None:
    real = torch.randn(100, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    framed = real.clone()
    framed[..., 0, :] += 3
    framed[..., -1, :] += 3
    share = 16 / 28  # of the outermost places
    assert sick.measured(real, framed, real, None, None)["border"] == pytest.approx(3 * share, rel=0.02)


def test_preferred_counts_pairs() -> None:
    assert sick.preferred(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 2.0])) == 0.75
    assert sick.preferred(torch.ones(3), torch.ones(5)) == 0.5


# --- what is counted ------------------------------------------------------------------------------------------------------------------


def line(case: str, seed: int = 1, illness: str = "", distance: float | None = 0.1, guard: bool = False, **more: Any) -> dict[str, Any]:
    outcome = {} if distance is None else {"distance": distance, "spread": 1.0, **more.pop("outcome", {})}
    told = {"stopped": "", "recovered": [], "scale": 1.0, "domain": "digits", "part": sick.part_of(case, seed), "core_seconds": 1.0}
    return {"case": case, "seed": seed, "illness": illness, "guard": guard, "outcome": outcome, **told, **more}


def finding(code: str, severity: str = "severe") -> SimpleNamespace:
    return SimpleNamespace(code=code, severity=severity)


HEALTHY = [line("well", seed, distance=d) for seed, d in enumerate((0.1, 0.12, 0.14, 0.5), 1)]
RANGE = sick.range_for(Case("a", "digits"), HEALTHY)


def test_a_sick_run_that_is_shorter_is_held_against_controls_that_are_no_longer_cut_than_it() -> None:
    far = {"domain": "fashion", "distance": 0.3}
    lines = [line("fashion", domain="fashion"), line("fashion-half", **far), line("fashion-shorter", domain="fashion", distance=0.2)]

    def worst(length: float, illness: str = "H205") -> float:
        return sick.range_for(Case("a", "fashion", illness, length=length), lines).worst["distance"]

    assert [worst(length) for length in (1.0, 0.7, 0.6, 0.5)] == [0.1, 0.2, 0.2, 0.3]
    assert worst(0.5, illness="") == 0.1
    alike = line("fashion-50-automatic", domain="fashion", distance=0.4)
    assert sick.range_for(Case("a", "fashion-50", "H204", length=0.5), [*lines, alike]).worst["distance"] == 0.4
    assert sick.judge(lines, [(case, 1) for case in sick_cases.CONTROLS], lambda told, case: []) == []


def test_the_range_is_that_of_the_healthy_runs_that_stayed_so() -> None:
    assert pytest.approx(0.13) == RANGE.usual
    assert RANGE.worst == {"distance": 0.14, "spread": 1.0}


@pytest.mark.parametrize(
    ("told", "worse"),
    [
        (line("a", distance=0.13), []),
        (line("a", distance=0.16), []),  # not by much
        (line("a", distance=0.17), ["distance"]),
        (line("a", outcome={"spread": 0.9}), []),
        (line("a", outcome={"spread": 0.85}), ["spread"]),
        (line("a", outcome={"spread": 1.1, "weave": 9.0}), []),  # more spread is no illness, and no healthy run has a weave to compare
        (line("a", distance=None), ["stopped"]),
        (line("a", distance=0.2, stopped="not finite"), ["distance", "stopped"]),
    ],
)
def test_beyond_names_what_is_worse_than_every_healthy_run(told: dict[str, Any], worse: list[str]) -> None:
    assert sick.beyond(told, RANGE) == worse


def test_a_run_that_came_out_well_did_not_fall_ill_unless_its_fault_is_a_fact() -> None:
    def state(distance: float, **of_case: Any) -> str:
        case = Case("a", "digits", **of_case)
        return sick.state(line("a", illness=case.illness, distance=distance), case, RANGE)

    assert state(0.1, illness="H205") == "did not fall ill"
    assert state(0.1, illness="H219", fact=True) == "ill"
    assert state(0.2, illness="H205") == "ill"
    assert state(0.2) == "healthy"
    assert state(0.5) == "did not stay healthy"


CASE = Case("ill", "digits", "H205", frozenset({"H214"}), recoverable=True, seeds=range(1, 9))
WELL = Case("well", "digits", seeds=range(1, 5))
RUNS = [(case, seed) for case in (CASE, WELL) for seed in case.seeds]


def test_the_sums_count_what_was_named_and_who_was_accused() -> None:
    lines = HEALTHY + [line("ill", seed, "H205", 0.1 if seed == 8 else 1.0) for seed in CASE.seeds]
    found = {1: ["H205"], 2: ["H207", "H205"], 3: ["H207", "H214"], 4: ["H207", "H208", "H205"], 5: []}

    def look(told: dict[str, Any], case: Case) -> list[SimpleNamespace]:
        if case is WELL:
            return [finding("H217", "warning" if told["seed"] == 1 else "note")]
        return [finding(code) for code in found.get(told["seed"], ["H205"])]

    judged = sick.judge(lines, RUNS, look)
    *_, every = [row for row in sick.summary(judged).splitlines() if row]
    # seed 8 did not fall ill; the healthy run of distance 0.5 did not stay so
    assert every == "| all | 7 | 3 of 7, 43 % | 4 of 7, 57 % | 5 of 7, 71 % | 3 | 1 of 3, 33 % | 1 | 1 |"
    assert "| H205 | 3 | 3 |  | 1 |" in sick.confusion(judged)
    shown = [row.split(" | ")[:2] for row in sick.mistakes(judged).splitlines()[2:]]
    assert shown == [["| ill", "3"], ["| ill", "4"], ["| ill", "5"], ["| ill", "8"], ["| well", "1"], ["| well", "4"]]


def test_runs_without_a_line_or_a_history_are_not_judged() -> None:
    assert sick.judge(HEALTHY, RUNS, lambda told, case: None) == []
    assert [j.line["seed"] for j in sick.judge(HEALTHY[:2], RUNS, lambda told, case: [])] == [1, 2]


def test_what_the_guard_mended_is_counted_over_the_ill_that_could_be() -> None:
    without = [line("ill", seed, "H205", 1.0) for seed in (1, 2, 3)] + [line("ill", 4, "H205", 0.1)]
    after = [
        line("ill", seed, "H205", distance, guard=True, recovered=[{"step": 1}])
        for seed, distance in ((1, 0.1), (2, 0.9), (3, None), (4, 0.1))
    ]
    assert "| all | 3 | 1 of 3, 33 % | 1.0 | 1 | 0.5 |" in sick.mended(HEALTHY + without + after, RUNS)


# --- the command ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def words(tmp_path: Path) -> Callable[[str], list[str]]:
    """A command line whose runs and lines lie in a folder of the test's."""

    def given(text: str) -> list[str]:
        return [*text.split(), "--scale", "0.003", "--work", str(tmp_path / "runs"), "--out", str(tmp_path / "out.jsonl")]

    return given


def test_runs_are_chosen_by_name_domain_illness_seed_and_part() -> None:
    def names(text: str) -> list[tuple[str, int]]:
        return [(case.name, seed) for case, seed in sick.chosen(sick.asked(["list", *text.split()]))]

    assert names("ring --seeds 1 2") == [("ring", 1), ("ring", 2)]
    assert all(name.startswith("ring") for name, _ in names("ring*"))
    assert {case.domain for case, _ in sick.chosen(sick.asked(["list", "--domain", "table"]))} == {"table"}
    assert {case.illness for case, _ in sick.chosen(sick.asked(["list", "--illness", "H205"]))} == {"H205"}
    assert {case.illness for case, _ in sick.chosen(sick.asked(["list", "--illness", "healthy"]))} == {""}
    assert sorted(names("--part open") + names("--part aside")) == sorted(names(""))


def test_a_run_leaves_a_line_and_its_history_and_is_not_trained_twice(
    words: Callable[[str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sick.main(words("run ring-minimax --seeds 1"))
    (told,) = [json.loads(text) for text in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert (told["case"], told["seed"], told["illness"], told["guard"], told["samples"]) == ("ring-minimax", 1, "H202", False, 1200)
    assert told["outcome"].keys() == {"distance", "live", "spread", "reached", "known"}
    assert all(np.isfinite(value) for value in told["outcome"].values())
    place = tmp_path / "runs" / "ring-minimax-s1-0.003-1"
    assert {"recipe.yaml", "data.json", "log.jsonl", "health.jsonl", "quality.jsonl"} <= {p.name for p in place.iterdir()}
    assert not (place / "checkpoints").exists()
    assert config.read(place / "recipe.yaml").run.guard is False
    monkeypatch.setattr(sick, "trained", lambda *given: pytest.fail("trained again"))
    capsys.readouterr()
    sick.main(words("run ring-minimax --seeds 1"))
    sick.main(words("judge ring-minimax"))
    assert f"| {told['part']} | 1 |" in capsys.readouterr().out


def test_those_set_aside_are_told_of_in_sums_alone(
    words: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    case, seed = next((c, s) for c in CASES for s in c.seeds if c.illness and not c.fact and sick.part_of(c.name, s) == "aside")
    told = line(case.name, seed, case.illness, None, scale=0.003, domain=case.domain)
    (tmp_path / "out.jsonl").write_text(json.dumps(told) + "\n")
    place = tmp_path / "runs" / f"{sick.title_of(case, seed, 0.003, False)}-1"
    place.mkdir(parents=True)
    (place / "recipe.yaml").touch()
    monkeypatch.setattr(sick, "findings", lambda place, stopped: [finding("H223")])
    sick.main(words("judge"))
    hidden = capsys.readouterr().out
    assert "| aside | 1 | 0 of 1, 0 % |" in hidden
    assert case.name not in hidden
    sick.main(words("judge --part aside"))
    assert f"| {case.name} | {seed} | {case.illness} |" in capsys.readouterr().out


def test_recover_trains_what_settings_can_mend_with_the_guard_on(
    words: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []

    def trained(case: Case, seed: int, given: Any, guard: bool) -> dict[str, Any]:
        seen.append((case.recoverable, guard))
        return line(case.name, seed, case.illness, guard=guard, scale=0.003, domain=case.domain)

    monkeypatch.setattr(sick, "trained", trained)
    sick.main(words("recover --domain ring"))
    assert set(seen) == {(True, True)}
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(seen)
