"""Made-up generators whose answer is known get the verdicts they deserve, and controls in the wrong order silence a metric."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gansmith.errors import DataError
from gansmith.metrics import judgement
from gansmith.metrics.judgement import LEAST, Evidence, Seen, reach, sure, verdicts, way
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


def test_a_class_of_which_nothing_was_generated_is_named_too() -> None:
    """Nine of ten classes reach so much of all data that the whole would pass."""
    generated = draw(500, 8, classes=9)
    scores = judgement.scores(evidence(generated), seed=0)
    assert [s.estimate.high for s in scores if s.label == "class 9"] == [0.0]
    found = verdicts(scores)
    assert "Weakest: class 9." in found[1].sentence
    assert found[1].answer != "yes"
    unlabelled = judgement.scores(evidence(replace(generated, labels=None)), seed=0)
    assert not [s for s in unlabelled if s.label]


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


@pytest.mark.parametrize(("value", "wanted"), [(0.9, "unknown"), (0.6, "unknown"), (0.55, "partly"), (0.45, "partly"), (0.3, "no")])
def test_samples_below_all_controls_are_bad_even_where_these_are_alike(value: float, wanted: str) -> None:
    """The upper end of the interval counts, here 0.1 above the value, as a share of the lower control, 0.8."""
    interval = Estimate(value, value - 0.1, value + 0.1)
    alike = Score("coverage", "diverse", "higher", interval, floor=0.8, copy=0.9, noise=0.82, reliable=False)
    above = replace(alike, metric="precision", word="faithful", estimate=Estimate(0.8, 0.7, 0.9))
    faithful, diverse = verdicts([alike, above])[:2]
    assert (faithful.answer, diverse.answer) == ("unknown", wanted)
    assert ("Even shuffled values come closer." in diverse.sentence) == (wanted != "unknown")
    assert verdicts([replace(alike, floor=0.82, noise=0.8)])[1].answer == wanted
    assert verdicts([alike, replace(alike, metric="recall", reliable=True)])[1].answer == wanted  # what never decides does not here


def test_half_of_a_grid_is_told_from_the_whole_though_its_numbers_are_independent() -> None:
    def grid(count: int, seed: int, columns: int = 5) -> Seen:
        source = torch.Generator().manual_seed(seed)
        places = torch.stack([torch.randint(n, (count,), generator=source) for n in (columns, 5)], 1)
        return Seen(places.float() + 0.05 * torch.randn(count, 2, generator=source))

    training, held = grid(2000, 1), grid(500, 2)
    whole, half = (Evidence(training, held, x, grid(500, 3), shuffled_only(held)) for x in (grid(500, 4), grid(500, 4, columns=2)))
    told = [[v.answer for v in verdicts(judgement.scores(x, 0, apart=False))[:2]] for x in (whole, half)]
    assert told == [["unknown", "unknown"], ["unknown", "no"]]


def at(metric: str, value: float, label: str | None = None, floor: float = 1.0, noise: float = 0.0) -> Score:
    meaning = judgement.MEANINGS[metric]
    return Score(metric, meaning.word, meaning.better, Estimate(value, value, value), floor, 1.0, noise, label=label)


def test_a_short_way_from_noise_decides_nothing_whatever_was_generated() -> None:
    near, far = at("coverage", 0.0, floor=0.9, noise=0.5), at("coverage", 0.0, floor=0.9, noise=0.4)
    assert not sure(near, 0.09).reliable
    assert "hardly worse" in sure(near, 0.09).note
    assert sure(far, 0.09) == far
    bad = replace(near, estimate=Estimate(0.5, 0.3, 0.7))
    assert sure(bad, 0.01) == bad
    assert not sure(bad).reliable  # of its own interval, where none is given


@pytest.mark.parametrize(("passed", "count"), [(300, 500), (500, 500), (0, 500), (46, 46)])
def test_an_interval_of_a_share_never_loses_its_width(passed: int, count: int) -> None:
    share = (passed + 2) / (count + 4)
    wanted = 1.96 * (share * (1 - share) / (count + 3)) ** 0.5
    assert reach((torch.arange(count) < passed).float()) == pytest.approx(wanted, rel=1e-5)


def world(seed: int, count: int, matrix: torch.Tensor) -> Evidence:
    """A perfect generator: all samples are of the same normal distribution, and noise is its numbers by themselves."""
    source = torch.Generator().manual_seed(seed)
    training, held, generated = (Seen(torch.randn(n, len(matrix), generator=source) @ matrix) for n in (4 * count, count, count))
    return Evidence(training, held, generated, training.only(torch.arange(count)), shuffled_only(held))


def shuffled_only(of: Seen) -> Seen:
    source = torch.Generator().manual_seed(7)
    return Seen(torch.stack([column[torch.randperm(len(column), generator=source)] for column in of.features.T], 1))


@pytest.mark.parametrize("related", [0.0, 0.5, 1.0])
def test_chance_calls_no_perfect_generator_bad(related: float) -> None:
    """Whether the numbers of a sample have much to do with each other, or nothing, so that noise is as good as they are."""
    matrix = torch.eye(8) + related * torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    several = [judgement.scores(world(seed, 120, matrix), seed, apart=False) for seed in range(8)]
    answers = [v.answer for found in several for v in verdicts(found)[:2]]
    if not related:
        assert set(answers) == {"unknown"}
        return
    assert "no" not in answers
    assert answers.count("partly") <= len(answers) / 7  # what REACHES leaves to chance
    assert answers.count("yes") > len(answers) / 2


def test_recall_decides_nothing() -> None:
    told = verdicts([at("precision", 1.0), at("density", 1.0), at("recall", 0.0), at("coverage", 0.99)])[1]
    assert (told.answer, told.because) == ("yes", ("coverage",))


@pytest.mark.parametrize(
    ("values", "word", "said"),
    [
        ({"precision": 0.7, "density": 0.9}, 0, "70 % of the samples lie close to real ones; 100 % of held-out real ones do."),
        ({"precision": 0.9, "density": 0.7}, 0, "The density of real samples around the generated ones is 0.70; "),
        ({"density": 1.12}, 0, "The density of real samples around the generated ones is 1.12; around held-out real ones it is 1.00."),
        ({"coverage": 0.7, "recall": 0.1}, 1, "70 % of the real samples have a generated one nearby; 100 % have a held-out "),
    ],
)
def test_the_sentence_is_of_the_metric_that_decides(values: dict[str, float], word: int, said: str) -> None:
    assert verdicts([at(metric, value) for metric, value in values.items()])[word].sentence.startswith(said)


def test_the_weakest_classes_are_named_worst_first_and_the_others_counted() -> None:
    classes = [at("coverage", 0.5 - i / 100, f"class {i}") for i in range(7)]
    told = verdicts([at("coverage", 0.95), *classes, at("coverage", 0.0, "zebra"), at("coverage", 0.7, "fair")])[1]
    assert told.sentence.endswith(" Weakest: zebra, class 6, class 5, class 4, class 3 and 3 more.")
    assert told.answer == "partly"
    assert verdicts([at("coverage", 0.95), *classes[:2]])[1].sentence.endswith(" Weakest: class 1, class 0.")


@pytest.mark.parametrize(("columns", "wanted"), [(4, "unknown"), (9, "unknown"), (40, "no")])
def test_copies_of_rows_that_chance_makes_too_are_not_told(columns: int, wanted: str) -> None:
    source = torch.Generator().manual_seed(1)
    training, held = (Seen((torch.rand(n, columns, generator=source) < 0.3).float()) for n in (1500, 200))
    copied = training.only(torch.arange(200))
    found = judgement.scores(Evidence(training, held, copied, training.only(torch.arange(200, 400)), shuffled_only(held)), 0, apart=False)
    (copies,) = [s for s in found if s.metric == "near-copies"]
    assert copies.reliable == (wanted == "no")
    assert copies.reliable or "come out hardly worse" in copies.note
    assert verdicts(found)[2].answer == wanted


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
