"""Arms by arithmetic, classical augmentation in closed forms, models under one budget, and words that the numbers force."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gansmith.downstream import arms, classical, judge, models
from gansmith.downstream.arms import ALL, ARMS, BOTH, CLASSICAL, NOISE, REAL, REPEATED, SYNTHETIC, Rare, Scheme
from gansmith.downstream.classical import Classical, holes, warp
from gansmith.downstream.mirror import keeps_its_class
from gansmith.downstream.models import Budget, Labelled, Network, TrainingSet, learner
from gansmith.errors import ConfigError, DataError
from gansmith.layout import Block, Layout
from gansmith.metrics.spread import student_quantile
from gansmith.metrics.twosample import auc_of
from gansmith.randomness import stream
from gansmith.records import Arm, Difference, Estimate, Setting

CLASSES = ("a", "b", "c")
PLANE = Layout((Block("pixels", 1, "bounded", -0.5, 0.5),), (9, 9), condition=2)
LAYOUTS = {
    "grey plane": PLANE,
    "wide plane": Layout((Block("pixels", 3, "bounded"),), (6, 11), condition=3),
    "spectrogram": Layout((Block("level", 2, "real", 1.0, 3.0), Block("voice", 2, "onehot")), (7, 5), condition=2),
    "line": Layout((Block("values", 2, "real"), Block("kind", 3, "onehot")), (12,), condition=4),
    "row": Layout((Block("age", 1, "real"), Block("share", 1, "bounded"), Block("kind", 4, "onehot")), (), condition=2),
}


def samples(layout: Layout, count: int = 40) -> Tensor:
    source = stream(0, "samples")
    parts = []
    for block in layout.blocks:
        shape = (count, block.size, *layout.positions)
        if block.kind == "onehot":
            choice = torch.randint(block.size, (count, *layout.positions), generator=source)
            parts.append(nn.functional.one_hot(choice, block.size).movedim(-1, 1).float())
        else:
            x = torch.randn(shape, generator=source)
            parts.append(x.clamp(-1, 1) if block.kind == "bounded" else x * block.spread + block.centre)
    return torch.cat(parts, 1)


# --- arms ----------------------------------------------------------------------------------------------------------------


@st.composite
def situations(draw: st.DrawFn) -> tuple[np.ndarray, Scheme, int]:
    counts = draw(st.lists(st.just(0) | st.integers(2, 30), min_size=3, max_size=3).filter(any))
    labels = np.random.default_rng(draw(st.integers(0, 99))).permutation(np.repeat(np.arange(3), counts))
    per_class = draw(st.none() | st.integers(1, min(n for n in counts if n)))
    rare = draw(st.none() | st.builds(Rare, st.sampled_from(CLASSES), st.floats(0.01, 0.4)))
    return labels, Scheme(per_class, draw(st.floats(0.2, 5)), rare), draw(st.integers(0, 2**62))


@given(situations())
def test_arms_hold_what_they_say(situation: tuple[np.ndarray, Scheme, int]) -> None:
    labels, scheme, seed = situation
    try:
        counts = arms.real_counts(labels, CLASSES, scheme)
        extra = arms.extra_counts(counts, CLASSES, scheme)
    except DataError:
        assert scheme.rare is not None, "only a class that lacks none cannot be filled up, or one of which there is none"
        return
    mix = arms.mix(labels, CLASSES, scheme, seed)
    n = len(mix.real)
    of = np.concatenate([labels[mix.real], mix.drawn, mix.noise])  # class of every row there is
    assert tuple(mix.rows) == scheme.arms
    assert scheme.arms == (ARMS if scheme.rare is None else (*ARMS, NOISE)), "a control where a class is rare"
    assert len(set(mix.real.tolist())) == n
    assert np.bincount(labels[mix.real], minlength=3).tolist() == counts.tolist()
    enlarged = [name for name in scheme.arms if name not in (REAL, SYNTHETIC)]
    for name in (REAL, *enlarged):
        assert mix.rows[name][:n].tolist() == list(range(n)), "the same real samples, all of them"
    for name in enlarged:
        assert np.bincount(of[mix.rows[name]], minlength=3).tolist() == (counts + extra).tolist()
        assert of[mix.rows[name]].tolist() == of[mix.rows[BOTH]].tolist(), "row by row of one class"
    assert mix.rows[SYNTHETIC].min() >= n
    assert mix.rows[BOTH][n:].min() >= n
    assert len(set(mix.rows[BOTH].tolist())) == len(mix.rows[BOTH]), "no synthetic sample is repeated"
    assert max(mix.rows[REPEATED].max(), mix.rows[CLASSICAL].max()) < n
    assert max(mix.rows[SYNTHETIC].max(), mix.rows[ALL].max()) < n + len(mix.drawn)
    if scheme.rare is not None:
        assert mix.rows[NOISE][n:].tolist() == list(range(n + len(mix.drawn), len(of))), "noise in the place of what is added"
    else:
        assert len(mix.noise) == 0
    whole = extra if scheme.rare is None else counts + extra
    assert np.bincount(mix.drawn, minlength=3).tolist() == whole.tolist()
    again = arms.mix(labels, CLASSES, scheme, seed)
    assert np.array_equal(again.real, mix.real)
    assert np.array_equal(again.drawn, mix.drawn)


@given(situations())
def test_repeated_and_other_samples_take_turns_under_classical_augmentation(situation: tuple[np.ndarray, Scheme, int]) -> None:
    labels, scheme, seed = situation
    try:
        mix = arms.mix(labels, CLASSES, scheme, seed)
    except DataError:
        return
    n, drawn = len(mix.real), np.concatenate([mix.drawn, mix.noise])
    real, others = Labelled(np.zeros((n, 1, 9, 9)), labels[mix.real]), Labelled(np.zeros((len(drawn), 1, 9, 9)), drawn)
    sets = {name: TrainingSet(real, others, rows, plain) for name, rows in mix.rows.items()}
    asked = [name for name in arms.AUGMENTED if name in sets]
    found = dict(zip(asked, Classical(PLANE).augmented([sets[name] for name in asked], seed), strict=True))
    assert found[CLASSICAL].rows.tolist() == sets[REPEATED].rows.tolist()
    for name, train in found.items():
        assert train.labels.tolist() == sets[BOTH].labels.tolist(), "each as often as before, row by row"
        assert train.rows[:n].tolist() == list(range(n)), "the real samples all"
        if name == CLASSICAL:
            continue
        kept = train.rows == sets[name].rows
        assert np.array_equal(train.rows[~kept], sets[REPEATED].rows[~kept])
        for k in range(3):
            added = (train.labels == k)[n:]
            assert kept[n:][added].sum() == -(-added.sum() // 2), "every second one, and the only one"
        assert np.array_equal(kept, found[ALL].rows == sets[ALL].rows), "noise stands where samples stood"


def test_counts_by_hand() -> None:
    labels = np.repeat(np.arange(3), (100, 60, 10))
    assert arms.real_counts(labels, CLASSES, Scheme()).tolist() == [100, 60, 10]
    assert arms.real_counts(labels, CLASSES, Scheme(7)).tolist() == [7, 7, 7]
    assert arms.real_counts(labels, CLASSES, Scheme(10, 1.0, Rare("a", 0.2))).tolist() == [2, 10, 10]
    assert arms.real_counts(labels, CLASSES, Scheme(None, 1.0, Rare("b", 0.001))).tolist() == [100, 1, 10]
    assert arms.extra_counts(np.array([100, 60, 0]), CLASSES, Scheme(ratio=0.5)).tolist() == [50, 30, 0]
    assert arms.extra_counts(np.array([1, 1, 1]), CLASSES, Scheme(ratio=0.1)).tolist() == [1, 1, 1]
    assert arms.extra_counts(np.array([100, 60, 10]), CLASSES, Scheme(ratio=1.0, rare=Rare("c"))).tolist() == [0, 0, 90]
    assert arms.extra_counts(np.array([100, 60, 10]), CLASSES, Scheme(ratio=0.5, rare=Rare("c"))).tolist() == [0, 0, 45]


def test_few_real_samples_are_among_the_many() -> None:
    labels = np.random.default_rng(0).integers(3, size=200)
    few, many = (set(arms.mix(labels, CLASSES, Scheme(n), seed=5).real.tolist()) for n in (3, 20))
    assert few < many


def test_repetitions_are_spread_evenly() -> None:
    mix = arms.mix(np.repeat(np.arange(3), 4), CLASSES, Scheme(ratio=2.5), seed=1)
    times = np.bincount(mix.rows[REPEATED], minlength=12)
    assert set(times.tolist()) <= {3, 4}
    assert times.sum() == 12 + 30


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: Scheme(0), ConfigError, "request at least 1"),
        (lambda: Scheme(ratio=0.0), ConfigError, "give one above 0"),
        (lambda: Scheme(ratio=math.nan), ConfigError, "give one above 0"),
        (lambda: Scheme(ratio=math.inf), ConfigError, "give one above 0"),
        (lambda: Rare("a", 0.0), ConfigError, "above 0, up to 1"),
        (lambda: Rare("a", 1.5), ConfigError, "above 0, up to 1"),
        (lambda: arms.real_counts(np.array([0, 1, 1, 2, 2]), CLASSES, Scheme(2)), DataError, r"'a' has 1 .*at most 1"),
        (lambda: arms.real_counts(np.array([0, 1, 2]), CLASSES, Scheme(rare=Rare("d"))), ConfigError, "known are: a, b, c"),
        (lambda: arms.extra_counts(np.array([3, 3, 2]), CLASSES, Scheme(rare=Rare("a"))), DataError, "as large as any"),
    ],
)
def test_what_makes_no_arms_is_refused(wrong: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        wrong()


def test_titles_say_the_condition() -> None:
    assert arms.title(Scheme(30, 5.0), np.array([30, 30]), np.array([150, 150])) == "30 a class, 5 synthetic for each real one"
    assert arms.title(Scheme(), np.array([900, 700]), np.array([900, 700])) == "all 1,600 real samples, 1 synthetic for each real one"
    rare = arms.title(Scheme(rare=Rare("b", 0.01)), np.array([100, 1]), np.array([0, 99]))
    assert rare == "1 of 'b' among 101 real samples, 99 synthetic added"


# --- classical augmentation ----------------------------------------------------------------------------------------------


def moved(x: Tensor, turn: float = 0.0, zoom: float = 1.0, shift: tuple[float, float] = (0.0, 0.0), mirror: bool = False) -> Tensor:
    n = len(x)
    return warp(x, torch.full((n,), turn), torch.full((n,), zoom), torch.tensor([shift] * n), torch.full((n,), mirror))


@pytest.mark.parametrize("shape", [(8, 8), (9, 9), (6, 11)])
def test_movements_of_whole_pixels_are_exact(shape: tuple[int, int]) -> None:
    x = torch.randn(3, 2, *shape)
    close = {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(moved(x), x, **close)
    torch.testing.assert_close(moved(x, mirror=True), x.flip(-1), **close)
    torch.testing.assert_close(moved(x, turn=math.pi), x.flip(-1, -2), **close)
    right, down = moved(x, shift=(2 / shape[1], 0.0)), moved(x, shift=(0.0, 1 / shape[0]))
    torch.testing.assert_close(right[..., 2:], x[..., :-2], **close)
    torch.testing.assert_close(right[..., :2], x[..., :1].expand(-1, -1, -1, 2), **close)  # the edge goes on
    torch.testing.assert_close(down[..., 1:, :], x[..., :-1, :], **close)
    both = moved(x, shift=(1 / shape[1], 0.0), mirror=True)
    torch.testing.assert_close(both[..., 1:], x.flip(-1)[..., :-1], **close)  # mirrored first, then moved to the right


def test_a_quarter_turn_is_a_turn_also_where_sides_differ() -> None:
    x = torch.randn(2, 1, 7, 7)
    torch.testing.assert_close(moved(x, turn=math.pi / 2), torch.rot90(x, 1, (2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(moved(x, turn=math.pi / 2, mirror=True), torch.rot90(x.flip(-1), 1, (2, 3)), atol=1e-5, rtol=1e-4)
    wide = torch.zeros(1, 1, 9, 15)
    wide[0, 0, 4, 7 + 3] = 1.0  # three places to the right of the middle
    wide[0, 0, 4 - 2, 7] = 0.5  # two above it
    turned = moved(wide, turn=math.pi / 2)
    assert turned[0, 0, 4 - 3, 7] == pytest.approx(1.0, abs=1e-4)  # three above it
    assert turned[0, 0, 4, 7 - 2] == pytest.approx(0.5, abs=1e-4)  # two to the left


def test_zoom_above_one_enlarges() -> None:
    x = torch.zeros(1, 1, 9, 9)
    x[..., 3:6, 3:6] = 1.0
    assert moved(x, zoom=1.5).sum() == pytest.approx(9 * 1.5**2, rel=0.1)
    assert moved(x, zoom=0.7).sum() == pytest.approx(9 * 0.7**2, rel=0.2)


@pytest.mark.parametrize("mirrors", [False, True])
@pytest.mark.parametrize("name", LAYOUTS)
def test_classical_augmentation_keeps_what_the_layout_promises(name: str, mirrors: bool) -> None:
    layout = LAYOUTS[name]
    x = samples(layout)
    alter = Classical(layout, mirrors)
    found = alter(x, stream(1, "t"))
    layout.check(found)
    assert found.shape == x.shape
    assert found.isfinite().all()
    assert torch.equal(found, alter(x, stream(1, "t")))
    assert not torch.equal(found, alter(x, stream(2, "t")))
    assert (found != x).flatten(1).any(1).all(), "every sample is altered"
    for block, place in zip(layout.blocks, layout.slices().values(), strict=True):
        if block.kind == "bounded":
            assert found[:, place].abs().max() <= 1
        if block.kind == "onehot":
            torch.testing.assert_close(found[:, place].sum(1), torch.ones_like(found[:, 0]))
            if layout.geometry != "plane":
                assert torch.equal(found[:, place], x[:, place])


def test_about_half_of_a_batch_is_left_as_it_is() -> None:
    x = samples(PLANE, 400)
    same = (Classical(PLANE).some(x, stream(3, "t")) == x).flatten(1).all(1).sum()
    assert 150 < same < 250


def test_only_mirrors_mirror() -> None:
    """A picture whose right half is bright keeps it to the right, unless mirrored."""
    x = torch.full((200, 1, 9, 9), -1.0)
    x[..., 5:] = 1.0
    for mirrors, low, high in ((False, 0, 0), (True, 70, 130)):
        found = Classical(PLANE, mirrors)(x, stream(4, "t"))
        left = found[..., :4].mean((1, 2, 3)) > found[..., 5:].mean((1, 2, 3))
        assert low <= int(left.sum()) <= high
    assert "never mirrored" in Classical(PLANE).words
    assert "never" not in Classical(PLANE, True).words


def test_holes_have_a_quarter_of_each_side() -> None:
    found = holes(400, 16, 32, stream(0, "t"))
    there = found.flatten(1).any(1)
    assert 150 < int(there.sum()) < 250
    assert int(found.any(2).sum(1).max()) in (4, 5)
    assert int(found.any(1).sum(1).max()) in (8, 9)
    assert torch.equal(found, found.any(2, keepdim=True) & found.any(1, keepdim=True)), "rectangles"


def test_rows_are_jittered_and_scaled_by_so_much() -> None:
    layout = Layout((Block("v", 2, "real", 0.0, 2.0),))
    still = Classical(layout)(torch.zeros(20_000, 2), stream(0, "t"))
    assert still.std() == pytest.approx(classical.JITTER * 2.0, rel=0.03)
    large = Classical(layout)(torch.full((20_000, 2), 100.0), stream(0, "t"))
    assert (large / 100).std() == pytest.approx(classical.SCALE, rel=0.03)
    assert large.mean() == pytest.approx(100.0, rel=0.01)


# --- models --------------------------------------------------------------------------------------------------------------


def plain(raw: Tensor) -> Tensor:
    """Samples stored as [B, H, W, C] bytes -> x [B, C, H, W] in -1 to 1."""
    return raw.float().div(127.5).sub(1).permute(0, 3, 1, 2)


def halves(count: int, vertical: bool, seed: int = 0) -> Labelled:
    """9x9 pictures with one bright half: left or right (class 0 or 1), or upper or lower."""
    source = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    raw = source.integers(0, 120, (count, 9, 9, 1), dtype=np.uint8)
    for picture, label in zip(raw, labels, strict=True):
        part = slice(5, None) if label else slice(None, 4)
        picture[(slice(None), part) if vertical else part] += 100
    return Labelled(raw, labels)


NOTHING = Labelled(np.zeros((0, 9, 9, 1), np.uint8), np.zeros(0, np.int64))


def a_set(part: Labelled, alter: Classical | None = None) -> TrainingSet:
    return TrainingSet(part, NOTHING, np.arange(len(part)), plain, alter)


@pytest.mark.parametrize("name", [*LAYOUTS, "28", "64", "200x3", "1x40", "2x2"])
def test_the_default_network_fits_any_layout(name: str) -> None:
    places = {"28": (28, 28), "64": (64, 64), "200x3": (200, 3), "1x40": (1, 40), "2x2": (2, 2)}
    layout = LAYOUTS.get(name) or Layout((Block("pixels", 3, "bounded"),), places[name], condition=5)
    module = models.network(layout)
    logits = module(torch.randn(3, *layout.shape))
    assert logits.shape == (3, layout.condition)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    assert 50_000 < sum(p.numel() for p in module.parameters()) < 500_000


def test_a_set_gives_real_and_synthetic_rows_in_their_order() -> None:
    real = Labelled(np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1), np.array([0, 1, 0]))
    made = Labelled(np.arange(10, 12, dtype=np.uint8).reshape(2, 1, 1, 1), np.array([1, 1]))
    train = TrainingSet(real, made, np.array([0, 1, 2, 4, 1]), lambda raw: raw.float().permute(0, 3, 1, 2))
    x, y = train.take(np.array([3, 0, 4]))
    assert x.flatten().tolist() == [11.0, 0.0, 1.0]
    assert y.tolist() == [1, 0, 1]
    assert (len(train), train.different) == (5, 4)
    seen = torch.cat([train.batch(step, 5, seed=3)[0].flatten() for step in range(4)])
    assert sorted(seen.tolist()) == sorted([0.0, 1.0, 2.0, 11.0, 1.0] * 4), "each row once an epoch"


def test_arms_of_one_size_see_like_rows_at_like_places() -> None:
    part = halves(10, True)
    a, b = TrainingSet(part, part, np.arange(20), plain), TrainingSet(part, part, np.concatenate([np.arange(10)] * 2), plain)
    for step in range(3):
        assert torch.equal(a.batch(step, 8, 1)[0], b.batch(step, 8, 1)[0])


def test_alterations_are_new_at_every_step_and_fixed_by_the_seed() -> None:
    train = TrainingSet(halves(1, True), NOTHING, np.zeros(9, np.int64), plain, Classical(PLANE))  # one picture again and again
    first, step, seed = (train.batch(*where)[0] for where in ((0, 9, 1), (1, 9, 1), (0, 9, 2)))
    assert torch.equal(first, train.batch(0, 9, 1)[0])
    assert not torch.equal(first, step)
    assert not torch.equal(first, seed)


def test_an_altered_set_taken_whole_keeps_its_samples_and_adds_copies() -> None:
    part = halves(6, True)
    x, y = a_set(part, Classical(PLANE)).whole(seed=0)
    assert torch.equal(x[:6], a_set(part).whole(seed=0)[0])
    assert x.shape == (12, 1, 9, 9)
    assert y.tolist() == part.labels.tolist() * 2


def test_the_default_learns_and_is_fixed_by_its_seed() -> None:
    learn = learner(None, PLANE, Budget(steps=25, batch=16))
    train, test = halves(40, True), halves(60, True, seed=1)
    state = torch.get_rng_state()
    found = learn(a_set(train, Classical(PLANE)), test.raw, 7)
    assert torch.equal(torch.get_rng_state(), state), "nobody's random state is moved"
    assert (found.classes == test.labels).mean() > 0.95
    again = learn(a_set(train, Classical(PLANE)), test.raw, 7)
    assert np.array_equal(found.classes, again.classes)
    assert found.scores is not None
    assert again.scores is not None
    assert np.array_equal(found.scores, again.scores)
    assert np.array_equal(found.scores.argmax(1), found.classes)
    np.testing.assert_allclose(np.exp(found.scores).sum(1), 1, rtol=1e-5)
    assert "parameters" in learn.words
    assert "25 steps of 16" in learn.spent


class Tiny(nn.Module):
    """Remembers what it was built with, and how often it was trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(81, 2)
        self.first = self.layer.weight.detach().clone()
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += self.training
        return self.layer(x.flatten(1))


def test_first_weights_depend_on_the_seed_alone_and_steps_on_the_budget_alone() -> None:
    learn = learner(Tiny, PLANE, Budget(steps=9, batch=4))
    assert isinstance(learn, Network)
    a, b, c = (learn.fit(a_set(halves(n, True)), seed) for n, seed in ((4, 1), (30, 1), (30, 2)))
    assert torch.equal(a.first, b.first)  # type: ignore[arg-type]
    assert not torch.equal(b.first, c.first)  # type: ignore[arg-type]
    assert a.steps == b.steps == c.steps == 9


def test_an_estimator_is_cloned_and_seeded() -> None:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    forest = make_pipeline(StandardScaler(), RandomForestClassifier(5))
    learn = learner(forest, PLANE, Budget())
    train, test = halves(40, True), halves(60, True, seed=1)
    found = learn(a_set(train), test.raw, 3)
    assert (found.classes == test.labels).mean() > 0.9
    assert np.array_equal(found.classes, learn(a_set(train), test.raw, 3).classes)
    assert found.scores is not None
    np.testing.assert_allclose(found.scores.sum(1), 1)
    assert not hasattr(forest[-1], "classes_"), "the user's own stays unfitted"
    assert "RandomForestClassifier" in learn.words


def test_anything_with_fit_and_predict_will_do() -> None:
    class Majority:
        def fit(self, x: np.ndarray, y: np.ndarray) -> None:
            assert x.shape[1] == 81
            self.most = np.bincount(y).argmax()

        def predict(self, x: np.ndarray) -> np.ndarray:
            return np.full(len(x), self.most)

    mine = Majority()
    part = halves(5, True)
    found = learner(mine, PLANE, Budget())(a_set(part), part.raw, 0)
    assert found.classes.tolist() == [0] * 5
    assert found.scores is None, "it names classes and no more"
    assert not hasattr(mine, "most")


def test_the_scores_of_an_estimator_are_those_of_all_classes() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    part, three = halves(20, True), replace(PLANE, condition=3)
    for model, lowest in ((LogisticRegression(), 0.0), (LinearSVC(), None)):
        found = learner(model, three, Budget())(a_set(part), part.raw, 0)
        assert found.scores is not None
        assert found.scores.shape == (20, 3), "the third class was in no training sample"
        assert np.array_equal(found.scores.argmax(1), found.classes)
        assert (found.scores[:, 2] == found.scores.min()).all()
        assert lowest is None or found.scores.min() >= lowest


def test_columns_of_pairs_of_classes_are_no_scores_of_classes() -> None:
    from sklearn.svm import SVC

    source = np.random.default_rng(0)
    three, labels = replace(PLANE, condition=3), np.arange(90) % 3
    raw = source.integers(0, 90, (90, 9, 9, 1))
    for k in range(3):
        raw[labels == k, :, 3 * k : 3 * k + 3] += 100
    part = Labelled(raw.astype(np.uint8), labels)
    each, pairs = (learner(SVC(decision_function_shape=s), three, Budget())(a_set(part), part.raw, 0) for s in ("ovr", "ovo"))
    assert np.array_equal(each.classes, pairs.classes)
    assert each.scores is not None
    assert pairs.scores is None


def test_scores_may_be_whole_numbers_without_a_sign() -> None:
    part = halves(3, True)
    found = learner(lambda x, y, test, seed: np.eye(2, dtype=np.uint8)[[1, 0, 1]], PLANE, Budget())(a_set(part), part.raw, 0)
    assert found.scores is not None
    assert judge.area(judge.pulls(found.scores, np.array([1, 0, 1]))[None]).tolist() == pytest.approx([1.0])


def test_a_function_sees_encoded_samples() -> None:
    seen: list[Any] = []

    def mine(x: np.ndarray, y: np.ndarray, test: np.ndarray, seed: int) -> list[int]:
        seen.append((x, y, test, seed))
        return [1] * len(test)

    part = halves(4, True)
    found = learner(mine, PLANE, Budget())(a_set(part), part.raw[:3], 11)
    assert (found.classes.tolist(), found.scores) == ([1, 1, 1], None)
    ((x, y, test, seed),) = seen
    np.testing.assert_array_equal(x, plain(torch.from_numpy(part.raw)).numpy())
    np.testing.assert_array_equal(test, x[:3])
    assert (y.tolist(), seed) == ([0, 1, 0, 1], 11)


def test_a_function_may_give_scores_instead_of_classes() -> None:
    part = halves(3, True)
    found = learner(lambda x, y, test, seed: [[0.2, 0.8], [3, -1], [0, 1]], PLANE, Budget())(a_set(part), part.raw, 0)
    assert found.classes.tolist() == [1, 0, 1]
    assert found.scores is not None
    assert found.scores.tolist() == [[0.2, 0.8], [3.0, -1.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Tiny(), "lambda: MyNet"),
        (lambda a, b: None, "function without arguments"),
        (42, "function without arguments"),
        (lambda: nn.Linear(9, 2), r"model gives \(2, 1, 9, 2\) for 2 samples; .*\[2, 2\]"),
        (lambda: nn.Linear(8, 2), "cannot take samples"),
        (lambda: None, "cannot take samples"),
    ],
)
def test_what_is_no_model_is_refused(model: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        learner(model, PLANE, Budget())


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"rate": 0.0}, {"rate": math.inf}])
def test_a_budget_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="trains nothing"):
        Budget(**wrong)


def test_pictures_are_mirrored_only_where_they_stay_what_they_are() -> None:
    budget = Budget(steps=75, batch=16)
    assert not keeps_its_class(halves(60, vertical=True), plain, PLANE, budget, 0, "cpu")
    assert keeps_its_class(halves(60, vertical=False), plain, PLANE, budget, 0, "cpu")
    assert not keeps_its_class(halves(60, vertical=False), plain, LAYOUTS["row"], budget, 0, "cpu")
    assert not keeps_its_class(halves(2, vertical=False), plain, PLANE, budget, 0, "cpu"), "fewer than folds"


# --- judgement -----------------------------------------------------------------------------------------------------------

LABELS = np.array([0, 0, 0, 0, 2, 2])  # no test sample of class 1


def test_balanced_accuracy_by_hand() -> None:
    right = np.array([[1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 1, 1]], bool)
    found = judge.recalls(right, LABELS, 3)
    assert found[:, [0, 2]].tolist() == [[0.75, 0.5], [0.0, 1.0]]
    assert np.isnan(found[:, 1]).all()
    assert judge.balanced_accuracy(right, LABELS).tolist() == [0.625, 0.5]


def test_the_error_of_the_test_samples_is_that_of_a_mean() -> None:
    source = np.random.default_rng(0)
    a, b, labels = source.random((1, 500)) < 0.9, source.random((1, 500)) < 0.7, np.zeros(500, np.int64)
    change = a[0] - b[0].astype(float)

    def squared(x: np.ndarray, usual: float) -> float:
        """Of the standard error of a mean, with one more sample of a usual square."""
        return (((x - x.mean()) ** 2).sum() + usual) / len(x) ** 2

    one = squared(change, (change**2).mean())
    assert one == pytest.approx(change.var(ddof=1) / 500, rel=0.003), "of many samples, the ordinary error"
    assert judge.test_reach(a, b, labels) == pytest.approx(student_quantile(500) * math.sqrt(one))
    assert judge.test_reach(a, a, labels) == 0
    two = np.repeat([0, 1], (100, 400))
    halves = change[:100], change[100:]
    usual = sum((x**2).mean() for x in halves) / 2
    parts = [squared(x, usual) for x in halves]
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 100 + parts[1] ** 2 / 400)
    assert judge.test_reach(a, b, two) == pytest.approx(student_quantile(freedom) * math.sqrt(sum(parts)) / 2)


@pytest.mark.parametrize("few", [1, 2, 3, 5, 10, 20])
def test_a_class_of_few_test_samples_makes_no_narrow_interval(few: int) -> None:
    source = np.random.default_rng(few)
    labels = np.repeat([0, 1], (300, few))
    missed = 0
    for _ in range(400):
        a, b = source.random((2, 1, 300 + few)) < 0.8  # two models of the same recalls
        change = judge.balanced_accuracy(a, labels) - judge.balanced_accuracy(b, labels)
        missed += abs(change[0]) > judge.test_reach(a, b, labels)
    assert missed <= 0.08 * 400


def test_one_test_sample_of_a_class_decides_nothing() -> None:
    labels = np.repeat([0, 1], (300, 1))
    a, b = np.ones((3, 301), bool), np.ones((3, 301), bool)
    b[:, -1] = False
    assert (judge.balanced_accuracy(a, labels) - judge.balanced_accuracy(b, labels)).tolist() == [0.5] * 3
    assert judge.test_reach(a, b, labels) > 0.5


def ranked(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(judge.area(judge.pulls(scores, labels)[None])[0])


@given(st.integers(2, 4), st.integers(0, 99), st.integers(0, 3))
def test_the_area_is_that_of_another_implementation(classes: int, seed: int, digits: int) -> None:
    from sklearn.metrics import roc_auc_score

    source = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), source.integers(classes, size=40)])
    odds = source.dirichlet(np.ones(classes), len(labels)).round(digits)  # rounded: ties
    each = [roc_auc_score(labels == k, odds[:, k]) for k in range(classes)]
    assert ranked(odds, labels) == pytest.approx(np.mean(each))
    assert ranked(-odds, labels) == pytest.approx(1 - np.mean(each))
    assert ranked(np.exp(3 * odds), labels) == pytest.approx(np.mean(each)), "only the order counts"


def test_the_area_of_orders_that_are_known() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    right = np.eye(2)[labels]
    assert ranked(right, labels) == pytest.approx(1)
    assert ranked(1 - right, labels) == pytest.approx(0)
    assert ranked(np.ones((5, 2)), labels) == pytest.approx(0.5)
    assert ranked(np.array([[0, 1], [1, 0], [0, 1], [0, 2], [0, 3]]) * 1.0, labels) == pytest.approx(5.5 / 6 / 2 + 4.5 / 6 / 2)
    assert ranked(np.eye(3)[labels], labels) == pytest.approx(1), "a class without a test sample is not counted"


def test_the_error_of_an_area_is_delongs() -> None:
    source = np.random.default_rng(0)
    labels = np.repeat([0, 1], (400, 60))
    score = labels + source.standard_normal(460)
    both = judge.pulls(np.stack([-score, score], 1), labels)[None]
    value, variance = auc_of(torch.from_numpy(score[labels == 1]), torch.from_numpy(score[labels == 0]))
    nothing = np.zeros_like(both)
    assert judge.area(both)[0] == pytest.approx(value)
    assert judge.ranking_reach(both, nothing, labels) == pytest.approx(1.96 * variance**0.5, rel=0.2), "wider for the few of one class"
    many = np.repeat([0, 1], (4000, 6000))
    score_of_many = many + source.standard_normal(10_000)
    pulls = judge.pulls(np.stack([-score_of_many, score_of_many], 1), many)[None]
    _, variance = auc_of(torch.from_numpy(score_of_many[many == 1]), torch.from_numpy(score_of_many[many == 0]))
    assert judge.ranking_reach(pulls, np.zeros_like(pulls), many) == pytest.approx(1.96 * variance**0.5, rel=0.01)
    assert judge.ranking_reach(both, both, labels) == 0
    noisier = judge.pulls(np.stack([-score, score + 1e-9 * source.standard_normal(460)], 1), labels)[None]
    assert judge.ranking_reach(both, noisier, labels) < 2e-3, "the same test samples: what they share cancels"


def test_an_interval_is_widened_in_squares() -> None:
    found = judge.widened(Estimate(1.0, 0.7, 1.3), 0.4)
    assert (found.value, found.low, found.high) == (1.0, pytest.approx(0.5), pytest.approx(1.5))
    assert judge.widened(Estimate(0.0, 0.0, 0.0), 0.0) == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (Estimate(0.018, 0.009, 0.026), "+1.8 points (0.9 to 2.6)"),
        (Estimate(-0.05, -0.07, -0.03), "−5.0 points (−7.0 to −3.0)"),
        (Estimate(-0.0001, -0.02, 0.02), "+0.0 points (−2.0 to 2.0)"),
        (Estimate(0.0006, 0.0004, 0.0008), "+0.06 points (0.04 to 0.08)"),
        (Estimate(0.0, 0.0, 0.0), "+0.00 points (0.00 to 0.00)"),
    ],
)
def test_points(estimate: Estimate, words: str) -> None:
    assert judge.points(estimate) == words


def setting(
    primary: Estimate | None,
    real: float = 0.8,
    synthetic: float = 0.7,
    title: str = "t",
    control: Estimate | str | None = None,
    ranking: tuple[Estimate, Estimate] | None = None,
) -> Setting:
    """One whose rival scored 0.85, with a control (or the reason why it failed) where a class is rare, and with differences of ROC area
    from the rival and from real samples alone where the models rank."""
    gain = 0.0 if primary is None else primary.value
    means = {REAL: real, SYNTHETIC: synthetic, BOTH: 0.8, CLASSICAL: 0.85, ALL: 0.85 + gain, REPEATED: 0.8}
    found = {name: Arm(name, 9, (m, m)) for name, m in means.items()}
    if primary is None:
        found[ALL] = Arm(ALL, 9, (), failed="ValueError: too little")
    by_rival, by_real = ranking or (None, None)
    differences = (Difference(*judge.PRIMARY, primary, by_rival),) if primary else ()
    differences += (Difference(ALL, REAL, Estimate(0.1, 0.0, 0.2), by_real),)
    if isinstance(control, Estimate):
        found[NOISE] = Arm(NOISE, 9, (means[ALL] - control.value,) * 2)
        differences += (Difference(*judge.CONTROL, control),)
    elif control is not None:
        found[NOISE] = Arm(NOISE, 9, (), failed=control)
    return Setting(title, None, 1.0, tuple(found.values()), differences, *judge.answer(found, differences))


@pytest.mark.parametrize(
    ("low", "value", "high", "real", "answer", "sentence"),
    [
        (0.009, 0.018, 0.026, 0.8, "helps", "helps: +1.8 points (0.9 to 2.6) over real + classical"),
        (-0.008, 0.002, 0.011, 0.8, "no measurable effect", "no measurable effect: +0.2 points (−0.8 to 1.1) over real + classical"),
        (0.0, 0.002, 0.011, 0.8, "no measurable effect", "no measurable effect: +0.2 points (0.0 to 1.1) over real + classical"),
        (-0.05, -0.03, -0.01, 0.8, "harms", "harms: −3.0 points (−5.0 to −1.0) over real + classical"),
        (0.01, 0.02, 0.03, 0.9, "no measurable effect", "but real was even better, by 3.0 points"),
    ],
)
def test_the_answer_is_forced_by_the_numbers(low: float, value: float, high: float, real: float, answer: str, sentence: str) -> None:
    found = setting(Estimate(value, low, high), real)
    assert found.answer == answer
    assert found.sentence.startswith(f"{answer}: ")
    assert found.sentence.endswith(sentence)


@pytest.mark.parametrize(
    ("control", "real", "answer", "but"),
    [
        (Estimate(0.03, 0.001, 0.059), 0.8, "helps", ""),
        (Estimate(0.03, 0.0, 0.06), 0.8, "no measurable effect", "noise instead of the samples gains as much"),
        (Estimate(-0.04, -0.05, -0.03), 0.8, "no measurable effect", "−4.0 points (−5.0 to −3.0) over noise"),
        (Estimate(0.03, 0.001, 0.059), 0.95, "no measurable effect", ", but real was even better, by 5.0 points"),
        ("ValueError: too noisy", 0.8, "no measurable effect", "but real + classical + noise failed, so it is unknown"),
    ],
)
def test_a_gain_that_noise_has_too_is_withdrawn(control: Estimate | str, real: float, answer: str, but: str) -> None:
    found = setting(Estimate(0.05, 0.001, 0.099), real, control=control)
    told = "+5.0 points (0.1 to 9.9) over real + classical"
    assert found.answer == answer
    assert found.sentence.startswith(f"{answer}: {told}")
    assert but in found.sentence
    assert bool(but) == (found.sentence != f"{answer}: {told}")


def test_noise_takes_a_gain_away_and_nothing_else() -> None:
    above, below = Estimate(0.3, 0.2, 0.4), Estimate(-0.3, -0.4, -0.2)
    for primary in (Estimate(-0.02, -0.03, -0.01), Estimate(0.0, -0.01, 0.01), None):
        for control in (above, below):
            assert setting(primary, control=control).sentence == setting(primary).sentence


UP, LEVEL, DOWN = Estimate(0.02, 0.01, 0.03), Estimate(0.0, -0.01, 0.01), Estimate(-0.02, -0.03, -0.01)


@pytest.mark.parametrize(
    ("by_rival", "by_real", "answer", "end"),
    [
        (UP, UP, "helps", "over real + classical, and +2.0 points (1.0 to 3.0) of ROC area"),
        (LEVEL, LEVEL, "helps", "over real + classical, and +0.0 points (−1.0 to 1.0) of ROC area"),
        (
            DOWN,
            UP,
            "no measurable effect",
            "than by real + classical, −2.0 points (−3.0 to −1.0) of ROC area: moving the threshold would do as much",
        ),
        (UP, DOWN, "no measurable effect", "than by real, −2.0 points (−3.0 to −1.0) of ROC area: moving the threshold would do as much"),
    ],
)
def test_a_gain_that_ranks_worse_is_withdrawn(by_rival: Estimate, by_real: Estimate, answer: str, end: str) -> None:
    found = setting(Estimate(0.05, 0.001, 0.099), ranking=(by_rival, by_real))
    assert found.answer == answer
    assert found.sentence.startswith(f"{answer}: +5.0 points (0.1 to 9.9) over real + classical, ")
    assert found.sentence.endswith(end)
    assert len(judge.verdict([found]).because) == 3, "what decided"


def test_a_ranking_takes_a_gain_away_and_nothing_else() -> None:
    for primary in (DOWN, LEVEL, None):
        for ranking in ((UP, UP), (DOWN, DOWN)):
            assert setting(primary, ranking=ranking).sentence == setting(primary).sentence


def test_an_arm_that_failed_is_no_answer() -> None:
    found = setting(None)
    assert found.sentence == "not measured: real + classical + synthetic failed, ValueError: too little"
    verdict = judge.verdict([found])
    assert (verdict.answer, verdict.sentence) == ("unknown", found.sentence)


def test_the_verdict_over_settings() -> None:
    helps, harms = setting(Estimate(0.02, 0.01, 0.03), title="few"), setting(Estimate(-0.02, -0.03, -0.01))
    none, near = setting(Estimate(0.0, -0.01, 0.01)), setting(Estimate(0.0, -0.01, 0.01), synthetic=0.79)
    assert (judge.verdict([helps]).answer, judge.verdict([helps]).sentence) == ("yes", helps.sentence)
    assert judge.verdict([helps, helps, setting(None)]).answer == "yes"
    partly = judge.verdict([none, helps, harms])
    assert partly.answer == "partly"
    assert partly.sentence.startswith("of 3 settings: 1 'helps', 1 'no measurable effect', 1 'harms'; few: helps: +2.0")
    assert judge.verdict([none, harms]).answer == "no"
    assert "train the generator longer" in judge.verdict([none]).sentence
    assert "10 points behind" in judge.verdict([none]).sentence
    assert "fewer real samples" in judge.verdict([near]).sentence
    assert judge.verdict([helps]).word == "useful"
    as_noise = setting(Estimate(0.02, 0.01, 0.03), synthetic=0.79, control=Estimate(0.0, -0.01, 0.01))
    assert "lower threshold" in judge.verdict([as_noise]).sentence
    assert [len(judge.verdict([s]).because) for s in (helps, as_noise)] == [1, 2], "what decided"
