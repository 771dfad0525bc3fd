"""Made-up generators whose answer is known get the verdicts they deserve, and controls in the wrong order silence a metric."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gansmith.errors import DataError
from gansmith.metrics import judgement
from gansmith.metrics.judgement import LEAST, Evidence, Seen, verdicts, way
from gansmith.records import Estimate, Score

CLASSES, WIDTH = 10, 12
CENTRES = 6.0 * torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(4)) / WIDTH**0.5


def draw(count: int, seed: int, classes: int = CLASSES, noise: float = 1.0) -> Seen:
    """Features of `count` samples of the world: ten clouds, of which a generator may know only some."""
    source = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    x = CENTRES[labels] + noise * 0.7 * torch.randn(count, WIDTH, generator=source)
    odds = (-(x.unsqueeze(1) - CENTRES).square().sum(2)).softmax(1)
    return Seen(x, labels, odds)


def shuffled(of: Seen) -> Seen:
    source = torch.Generator().manual_seed(7)
    x = torch.stack([column[torch.randperm(len(column), generator=source)] for column in of.features.T], 1)
    return Seen(x, of.labels, (-(x.unsqueeze(1) - CENTRES).square().sum(2)).softmax(1))


def evidence(generated: Seen, count: int = 500, **others: object) -> Evidence:
    training, held = draw(2000, 1), draw(count, 2)
    copied = training.only(torch.randperm(2000, generator=torch.Generator().manual_seed(3))[:count])
    names = tuple(f"class {i}" for i in range(CLASSES))
    return Evidence(training, held, generated, copied, shuffled(held), names, **others)  # type: ignore[arg-type]


def copier() -> Seen:
    """Training samples, moved a little."""
    training = draw(2000, 1)
    some = training.only(torch.arange(500) * 4 + torch.arange(500) // 125)
    return replace(some, features=some.features + 0.02 * torch.randn(500, WIDTH, generator=torch.Generator().manual_seed(5)))


def half_a_copier() -> Seen:
    """Every second sample is a copy."""
    honest, copies = draw(500, 8), copier()
    features = torch.where((torch.arange(500) % 20 < 10).unsqueeze(1), honest.features, copies.features)
    return Seen(features, torch.where(torch.arange(500) % 20 < 10, honest.labels, copies.labels), honest.odds)


# faithful, diverse, original; None: nothing is asked of that answer
GENERATORS = {
    "perfect": (draw(500, 8), ("yes", "yes", "yes")),
    "copying": (copier(), ("yes", "yes", "no")),
    "half a copier": (half_a_copier(), ("yes", "yes", "no")),
    "dropping half of the classes": (draw(500, 8, classes=5), ("yes", "no", "yes")),
    "noisy": (draw(500, 8, noise=2.0), ("no", None, "yes")),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_gets_the_verdicts_it_deserves(name: str) -> None:
    generated, wanted = GENERATORS[name]
    found = verdicts(judgement.scores(evidence(generated), seed=0))
    assert [v.word for v in found] == ["faithful", "diverse", "original", "useful"]
    answers = [v.answer for v in found]
    assert answers[3] == "unknown"
    assert [a for a, w in zip(answers, wanted, strict=False) if w] == [w for w in wanted if w], [(v.answer, v.sentence) for v in found]
    assert all(v.sentence for v in found)


@pytest.fixture(scope="module")
def perfect() -> tuple[Score, ...]:
    return judgement.scores(evidence(draw(500, 8)), seed=0)


def test_every_metric_is_there_with_its_controls(perfect: tuple[Score, ...]) -> None:
    whole = [s for s in perfect if s.label is None]
    assert [s.metric for s in whole] == list(judgement.MEANINGS)
    for score in whole:
        if score.metric == judgement.INFINITE:
            continue
        assert None not in (score.floor, score.copy, score.noise), score.metric
        assert score.estimate.low <= score.estimate.value <= score.estimate.high


def test_a_perfect_generator_is_near_the_floor_by_every_reliable_metric(perfect: tuple[Score, ...]) -> None:
    for score in perfect:
        if score.metric != judgement.INFINITE and score.reliable and score.word != "original" and score.label is None:
            assert way(score) > 0.85, score


def test_every_class_with_enough_samples_has_scores_of_its_own(perfect: tuple[Score, ...]) -> None:
    assert {(s.metric, s.label) for s in perfect if s.label} == {
        (metric, f"class {i}") for metric in ("precision", "coverage") for i in range(CLASSES)
    }


def test_a_class_that_is_missing_is_named() -> None:
    generated = draw(500, 8)
    lost = generated.labels == 3
    assert generated.labels is not None
    elsewhere = torch.where(lost.unsqueeze(1), CENTRES[0].expand(500, -1), generated.features)
    found = verdicts(judgement.scores(evidence(replace(generated, features=elsewhere)), seed=0))
    assert "class 3" in found[1].sentence
    assert found[1].answer != "yes"


def test_scores_depend_on_the_seed_alone() -> None:
    found = evidence(draw(200, 8), 200)
    assert judgement.scores(found, seed=1) == judgement.scores(found, seed=1)


def test_what_was_trained_on_must_be_known_to_speak_of_originality() -> None:
    found = judgement.scores(evidence(draw(200, 8), 200, known=False), seed=0)
    assert not [s for s in found if s.word == "original"]
    original = verdicts(found, known=False)[2]
    assert original.answer == "unknown"
    assert "not known" in original.sentence


def test_sets_without_labels_or_odds_have_fewer_metrics() -> None:
    bare = evidence(Seen(draw(200, 8).features), 200)
    bare = replace(bare, **{n: Seen(getattr(bare, n).features) for n in ("training", "held_out", "copied", "noise")}, classes=())
    metrics = {s.metric for s in judgement.scores(bare, seed=0)}
    assert metrics == set(judgement.MEANINGS) - {"label agreement", "inception-type score"}


def test_controls_in_the_wrong_order_silence_a_metric() -> None:
    silent = [
        Score(m, judgement.MEANINGS[m].word, "higher", Estimate(0.5, 0.4, 0.6), floor=0.3, copy=0.2, noise=0.3, reliable=False)
        for m in ("precision", "density", "coverage", "recall", "near-copies")
    ]
    assert [v.answer for v in verdicts(silent)] == ["unknown"] * 4


def test_noise_that_looks_like_the_data_makes_a_metric_unreliable() -> None:
    def independent(count: int, seed: int) -> Seen:  # shuffling numbers that are independent changes nothing
        return Seen(torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)))

    world = Evidence(independent(800, 1), independent(300, 2), independent(300, 3), independent(300, 4), independent(300, 5))
    scores = {s.metric: s for s in judgement.scores(world, seed=0)}
    assert not scores["precision"].reliable
    assert "unreliable here" in scores["precision"].note
    assert verdicts(tuple(scores.values()))[0].answer == "unknown"


def test_the_least_are_enough() -> None:
    found = judgement.scores(evidence(draw(LEAST, 8), LEAST), seed=0)
    assert [s.metric for s in found] == list(judgement.MEANINGS)
    assert verdicts(found)[2].answer == "yes"


def test_too_few_samples_are_told() -> None:
    with pytest.raises(DataError, match=f"found 15 samples on one side; a judgement needs at least {LEAST}"):
        judgement.scores(evidence(draw(15, 8)), seed=0)


def test_the_way_from_noise_to_the_floor() -> None:
    def score(value: float) -> Score:
        return Score("precision", "faithful", "higher", Estimate(value, value, value), floor=0.9, copy=1.0, noise=0.1)

    assert [round(way(score(v)), 3) for v in (0.0, 0.1, 0.5, 0.9, 1.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]
