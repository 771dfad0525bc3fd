"""The scores that tables have beside those of features, each with its controls, and the verdicts that all of them force together.

Rows are [N, M] as in `tables`, of the columns that are learned. Faithful and diverse are judged against as many training rows as there are
generated ones. Controls are those of `judgement`, and a fourth: SMOTE, rows between training rows and their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from gansmith.errors import DataError
from gansmith.metrics import judgement, privacy, tables
from gansmith.metrics.boosted import Classified, predicted, two_sample_auc
from gansmith.metrics.judgement import Evidence, Meaning, noted, scored, sure, way
from gansmith.metrics.spread import groups, left_out
from gansmith.metrics.tables import Quality, Rule
from gansmith.randomness import seed_of
from gansmith.records import Answer, Estimate, Score, Verdict, Word

BLOCKS = 20  # of a jackknife
ATTACKS = 2000  # of each kind at most

# Of columns and of pairs, 1 - shape is the share of the cells that would have to be others: two in a hundred beyond what held-out rows
# have are hardly seen in a plot, six are plain. A column by itself varies more, and one that is poor is hidden by a mean.
SHAPES, WEAKEST = (0.02, 0.06), (0.05, 0.15)
# Where a share s of the rows is told from real ones beyond doubt and the rest not at all, the AUC is 1/2 + s/2: every fifth row, every
# second. Trees see all columns at once, and a fault long before people do, so this is laxer than YES and PARTLY (0.075 and 0.2 above).
TOLD = (0.20, 0.50)
# Of the way from held-out rows to copies. Where a tenth of the rows is held out, what compares equal numbers meets one copy in nine, and
# its interval reaches a fifth to a third of the way: thresholds as near as those of near-copies would be crossed by chance.
BEYOND = (0.1, 0.3)


@dataclass(frozen=True, eq=False)
class Sides:
    """The sets [N, M] that are compared.

    rules   what must hold in every row, with its name; found in the training rows, or declared
    target  the column that models are to predict, if any
    known   the generator learned from `training`
    """

    training: np.ndarray
    held_out: np.ndarray
    generated: np.ndarray
    copied: np.ndarray
    noise: np.ndarray
    smote: np.ndarray
    names: tuple[str, ...]
    numeric: np.ndarray  # bool [M]
    target: int | None = None
    rules: tuple[tuple[str, Rule], ...] = ()
    known: bool = True


SHAPE, POOREST, TREND, AUC, BREAKS = "column shapes", "weakest column", "pair trends", "C2ST AUC", "rule breaks"
NEARER, ALONE, TOGETHER, INFERRED = "nearer to training", "singling out, one column", "singling out, four columns", "attribute inference"
MEANINGS: Mapping[str, Meaning] = {
    SHAPE: Meaning(
        "faithful", "higher", "mean over columns of 1 - the distance of the distributions; shuffling does not change it", blind=True
    ),
    TREND: Meaning("faithful", "higher"),
    AUC: Meaning("faithful", "lower", "how well boosted trees tell generated rows from training rows; 0.5 is chance"),
    BREAKS: Meaning("faithful", "lower"),
    "α-precision": Meaning(
        "faithful", "higher", "whether shells around the centre of the real rows hold as large a share of generated ones"
    ),
    "TRTS": Meaning("faithful", "higher", "trained on real rows, tested on generated ones"),
    POOREST: Meaning("diverse", "higher", blind=True),
    "β-recall": Meaning("diverse", "higher", "whether shells around the centre of the generated rows hold as large a share of real ones"),
    "TSTR": Meaning("useful", "higher", "trained on generated rows, tested on held-out ones; beside it, trained on as many real ones"),
    NEARER: Meaning("original", "lower", "share of rows nearer to a training row than to as many held-out ones"),
    ALONE: Meaning("original", "lower", "how much more often an unusual value singles out a training row than a held-out one"),
    TOGETHER: Meaning("original", "lower", "the same for four values that are unusual together"),
    INFERRED: Meaning("original", "lower"),
}
DECIDING: Mapping[Word, tuple[str, ...]] = {
    "faithful": (SHAPE, TREND, AUC),
    "diverse": (POOREST,),
    "original": (NEARER, ALONE, TOGETHER),
}
TRENDS_OF = "1 - half the difference of correlations, or 1 - total variation of joint shares; mean over"


def scores(
    seen: Evidence, found: Sides, seed: int, progress: Callable[[int, int, str], None] = lambda done, all, words: None
) -> tuple[Score, ...]:
    """Every score that these tables allow: of neighbours in the features `seen`, and of the rows themselves. DataError for too few rows."""
    groups_of_scores: Mapping[str, Callable[[], Sequence[Score]]] = {
        "comparing neighbours": lambda: judgement.scores(seen, seed, apart=False),
        "comparing columns": lambda: _of_columns(found, seed),
        "telling rows apart": lambda: _told_apart(found, seed),
        "looking for broken rules": lambda: _rules(found, seed),
        "comparing regions": lambda: _regions(found, seed),
        "training on rows": lambda: _predictions(found, seed),
        "attacking": lambda: _attacks(found, seed),
    }
    made: list[Score] = []
    for done, (words, group) in enumerate(groups_of_scores.items()):
        progress(done, len(groups_of_scores), words)
        made += group()
    order: tuple[Word, ...] = ("faithful", "diverse", "original", "useful")
    return tuple(sorted(made, key=lambda s: (s.label is not None, order.index(s.word) if s.label is None else 0)))


def reference(found: Sides, seed: int) -> np.ndarray:
    """As many training rows as there are generated ones, drawn at random."""
    return _some(found.training, len(found.generated), _source(seed, "reference"))


def _of_columns(found: Sides, seed: int) -> list[Score]:
    real = reference(found, seed)
    compare = partial(tables.quality, numeric=found.numeric)
    floor, copy, noise, smote = (compare(real, x) for x in (found.held_out, found.copied, found.noise, found.smote))
    own = compare(real, found.generated)
    blocks = min(BLOCKS, len(real) // 2, len(found.generated) // 2)
    parts = [groups(torch.from_numpy(x), blocks, seed) for x in (real, found.generated)]
    left = [compare(*(torch.cat([*p[:out], *p[out + 1 :]]).numpy() for p in parts)) for out in range(blocks)]
    weakest = found.names[int(own.shapes.argmin())]

    def score(metric: str, value: Callable[[Quality], float], note: str) -> Score:
        meaning = replace(MEANINGS[metric], note=note) if note else MEANINGS[metric]
        spread = left_out(value(own), [value(x) for x in left])
        estimate = Estimate(spread.value, max(0.0, spread.low), min(1.0, spread.high))
        return _scored(metric, meaning, estimate, *(value(x) for x in (floor, copy, noise, smote)))

    made = [score(SHAPE, lambda q: q.shape, ""), score(POOREST, lambda q: float(q.shapes.min()), f"the least alike: {weakest}")]
    if len(found.names) > 1:
        strong, pairs = int(own.strong.sum()) // 2, len(found.names) * (len(found.names) - 1) // 2
        said = f"the {strong} strong ones of {pairs} pairs" if strong else f"all {pairs} pairs, none of them strong"
        made.append(score(TREND, lambda q: q.trend, f"{TRENDS_OF} {said}"))
    return made


def _told_apart(found: Sides, seed: int) -> list[Score]:
    real = reference(found, seed)
    own, *controls = (two_sample_auc(real, x, found.numeric, seed) for x in _with_controls(found))
    return [_scored(AUC, MEANINGS[AUC], own, *(c.value for c in controls))]


def _rules(found: Sides, seed: int) -> list[Score]:
    if not found.rules:
        return []
    own, *controls = (np.stack([rule.breaks(x) for _, rule in found.rules]) for x in _with_controls(found))  # bool [R, N]
    names, shares = [name for name, _ in found.rules], own.mean(1)
    worst = [f"{names[i]} ({_percent(shares[i])})" for i in np.argsort(-shares, kind="stable")[:3] if shares[i]]
    said = f"share of rows that break one of {len(names)} rules" + (f"; most of all {', '.join(worst)}" if worst else f": {_few(names)}")
    estimate = privacy.wilson(float(own.any(0).sum()), own.shape[1])
    meaning = replace(MEANINGS[BREAKS], note=said)
    return [_scored(BREAKS, meaning, estimate, *(float(c.any(0).mean()) for c in controls))]


def _regions(found: Sides, seed: int) -> list[Score]:
    real, *several = (tables.features(x, found.training, found.numeric) for x in (reference(found, seed), *_with_controls(found)))
    if min(len(real), *map(len, several)) < 2 * tables.BLOCKS:
        return []
    own, *controls = (tables.support(real, x, seed) for x in several)
    return [
        _scored("α-precision", MEANINGS["α-precision"], own.alpha_precision, *(c.alpha_precision.value for c in controls)),
        _scored("β-recall", MEANINGS["β-recall"], own.beta_recall, *(c.beta_recall.value for c in controls)),
    ]


def _predictions(found: Sides, seed: int) -> list[Score]:
    """TSTR and TRTS. A target that cannot be predicted, since it has one value, has none."""
    if found.target is None or len(found.names) < 2:
        return []
    real = reference(found, seed)
    sets = _with_controls(found)
    best = _predicted(real, found.held_out, found, seed)
    made = []
    for metric, values in (
        ("TSTR", [best, *(_predicted(x, found.held_out, found, seed) for x in (sets[0], *sets[2:]))]),
        ("TRTS", [best, *(_predicted(real, x, found, seed) for x in (sets[0], *sets[2:]))]),
    ):
        floor, own, copy, noise, smote = values
        if own is not None:
            name = f"{metric} {'R²' if found.numeric[found.target] else 'AUC'}"
            meaning = MEANINGS[metric]
            note = f"of {found.names[found.target]}: {meaning.note}"
            controls = (x.value if x is not None else None for x in (floor, copy, noise, smote))
            made.append(_scored(name, replace(meaning, note=note), own, *controls))
    return made


def _predicted(train: np.ndarray, test: np.ndarray, found: Sides, seed: int) -> Estimate | None:
    assert found.target is not None
    try:
        how = predicted(train, test, found.numeric, found.target, seed)
    except DataError:
        return None
    return how.auc if isinstance(how, Classified) else how.r2


def _attacks(found: Sides, seed: int) -> list[Score]:
    """The floors are what held-out rows would have themselves, which is known beforehand; noise tells nothing of copies."""
    if not found.known:
        return []
    sets = (found.generated, found.copied, found.smote)

    def attacked(metric: str, attack: Callable[[np.ndarray], Estimate | None], floor: float, note: str = "") -> list[Score]:
        own, copy, smote = (attack(x) for x in sets)
        if own is None or copy is None:
            return []
        meaning = replace(MEANINGS[metric], note=note) if note else MEANINGS[metric]
        score = scored(metric, meaning, own, floor, copy.value, None, smote=smote.value if smote else None)
        if score.reliable and copy.value - floor < (own.high - own.low) / 2:
            wrong = "copies of training samples come out no worse than chance could make held-out ones"
            return [replace(score, reliable=False, note=noted(meaning.note, wrong))]
        return [score]

    def risk(attack: Callable[..., privacy.Risk], fake: np.ndarray) -> Estimate | None:
        found_risk = attack(fake, found.training, found.held_out, found.numeric, rng=_source(seed, "attacks"), attacks=ATTACKS)
        return found_risk.risk if found_risk.attacks else None

    def nearer(fake: np.ndarray) -> Estimate:
        halves = privacy.thinned(found.training, found.held_out, _source(seed, "halves"))
        return privacy.nearer_share(privacy.distances(fake, *halves, found.numeric))

    secret = _secret(found)
    return [
        *attacked(NEARER, nearer, 0.5),
        *attacked(ALONE, partial(risk, privacy.singling_out), 0.0),
        *(attacked(TOGETHER, partial(risk, privacy.singling_out_together), 0.0) if len(found.names) > 1 else ()),
        *(
            attacked(
                INFERRED,
                partial(risk, partial(privacy.inference, secret=secret)),
                0.0,
                f"how much more often {found.names[secret]} is guessed of a training row than of a held-out one, from all other columns",
            )
            if secret is not None and len(found.names) > 1
            else ()
        ),
    ]


def _secret(found: Sides) -> int | None:
    """The column to guess: the target, else the category with the rarest level, else none."""
    if found.target is not None:
        return found.target
    rarest = {j: int(np.unique(x, return_counts=True)[1].min()) for j, x in enumerate(found.training.T) if not found.numeric[j]}
    return min(rarest, key=rarest.__getitem__, default=None)


def _with_controls(found: Sides) -> tuple[np.ndarray, ...]:
    return found.generated, found.held_out, found.copied, found.noise, found.smote


def _scored(
    metric: str, meaning: Meaning, estimate: Estimate, floor: float | None, copy: float | None, noise: float | None, smote: float | None
) -> Score:
    score = scored(metric, meaning, estimate, floor, copy, noise, smote=smote)
    return score if meaning.blind else sure(score)


def _some(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= count else rows[np.sort(rng.choice(len(rows), count, replace=False))]


def _source(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(seed_of(seed, f"judged rows, {purpose}"))


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


# --- verdicts -------------------------------------------------------------------------------------------------------------------------


def verdicts(found: Sequence[Score], known: bool = True) -> tuple[Verdict, ...]:
    """The answers of `judgement.verdicts`, taken down by what only tables are asked: each needs its own scores and these.

    faithful  column shapes, pair trends and the C2ST near those of held-out rows
    diverse   no column far from the real one
    original  neither nearer to the training rows nor singling them out, as far as intervals leave no doubt
    """
    whole = {s.metric: s for s in found if s.label is None}
    return tuple(
        _lowered(v, [whole[m] for m in DECIDING.get(v.word, ()) if m in whole and whole[m].reliable])
        for v in judgement.verdicts(found, known)
    )


SEVERITY: tuple[Answer, ...] = ("no", "partly", "yes")


def _lowered(verdict: Verdict, deciding: Sequence[Score]) -> Verdict:
    """The lowest answer of a verdict and of these scores, with the words of the one that gives it.

    An unknown answer may become a poor one by any of them, and a good one by the AUC alone, which sees all that the others see.
    """
    worst = min(deciding, key=lambda s: SEVERITY.index(answer(s)), default=None)
    if worst is None:
        return verdict
    because, own = (*verdict.because, *(s.metric for s in deciding)), answer(worst)
    if verdict.answer == "unknown":
        kept = own == "yes" and all(s.metric != AUC for s in deciding)
    else:
        kept = SEVERITY.index(own) >= SEVERITY.index(verdict.answer)
    return replace(verdict, because=because) if kept else replace(verdict, answer=own, sentence=_sentence(worst), because=because)


def answer(score: Score) -> Answer:
    """What a score by itself would have one say."""
    assert score.floor is not None
    estimate = score.estimate
    if score.metric == TREND:
        gone = way(score)
        return "yes" if gone >= judgement.YES else "partly" if gone >= judgement.PARTLY else "no"
    if score.metric == AUC:
        short, limits = 2 * (estimate.low - score.floor), TOLD
    elif score.word == "original":
        assert score.copy is not None
        short, limits = (estimate.low - score.floor) / (score.copy - score.floor), BEYOND
    else:
        short, limits = score.floor - estimate.high, SHAPES if score.metric == SHAPE else WEAKEST
    return "yes" if short <= limits[0] else "partly" if short <= limits[1] else "no"


def _sentence(score: Score) -> str:
    assert score.floor is not None
    value, floor = _percent(score.estimate.value), _percent(score.floor)
    return {
        SHAPE: f"Single columns match the real ones by {value} on average; those of held-out rows by {floor}.",
        TREND: f"Pairs of columns match the real ones by {value} on average; those of held-out rows by {floor}.",
        AUC: f"Boosted trees tell the rows from real ones with an AUC of {score.estimate.value:.2f}; held-out rows with {score.floor:.2f}.",
        POOREST: f"One column matches the real one by only {value}, each column of held-out rows by at least {floor}; {score.note}.",
        NEARER: f"{value} of the rows are nearer to the training rows than to as many held-out ones, where {floor} is chance.",
        ALONE: "Unusual single values among the rows match training rows more often than held-out ones.",
        TOGETHER: "Unusual combinations of values among the rows match training rows more often than held-out ones.",
    }[score.metric]
