"""Gradient-boosted trees as judges of tables: do they tell fake rows from real ones, and do they learn as much from the ones as the others?

Tables are as in `tables`. Trees take numbers, categories and missing values as they are, which is why tables are usually judged by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gansmith.errors import ConfigError, DataError
from gansmith.metrics.spread import jackknife
from gansmith.metrics.tables import check_tables
from gansmith.metrics.twosample import LEAST, TWICE, auc_of, share_of
from gansmith.randomness import seed_of, stream
from gansmith.records import Estimate

LEVELS = 255  # of a category that trees can split by; one with more is taken as a number
BLOCKS = 20  # of a jackknife


def two_sample_auc(real: np.ndarray, fake: np.ndarray, numeric: np.ndarray, seed: int, folds: int = 5) -> Estimate:
    """Cross-validated AUC of telling fake rows [F, M] from real ones [N, M]: 0.5 is not at all, 1 always.  arXiv:1610.06545

    Both sides are thinned to the smaller one. Mean over folds, with the interval of `twosample.two_sample`.
    DataError for fewer than 4 rows a fold on a side.
    """
    if folds < 2:
        raise ConfigError(f"found {folds} folds; a two-sample test needs at least 2 (5 is usual).")
    check_tables(f"a two-sample test of {folds} folds", numeric, LEAST * folds, real=real, fake=fake)
    count = min(len(real), len(fake))
    source = stream(seed, "two-sample test of rows")
    x = np.concatenate([side[torch.randperm(len(side), generator=source)[:count].numpy()] for side in (real, fake)])
    is_fake = np.arange(2 * count) >= count
    fold = np.tile(np.arange(count), 2) % folds
    parts = []
    for out in range(folds):
        odds = odds_of(x[fold != out], is_fake[fold != out], x[fold == out], numeric, seed)[:, 1]
        parts.append(auc_of(torch.from_numpy(odds[is_fake[fold == out]]), torch.from_numpy(odds[~is_fake[fold == out]])))
    auc, variance = (sum(column) for column in zip(*parts, strict=True))
    return share_of(auc / folds, (TWICE * variance) ** 0.5 / folds)


@dataclass(frozen=True)
class Classified:
    """How well a class was predicted."""

    auc: Estimate  # of two classes; of more, the mean over classes of each against the rest


@dataclass(frozen=True)
class Regressed:
    """How well a number was predicted."""

    r2: Estimate  # 1 - mean squared error over variance: 1 is perfect, 0 as good as always saying the mean
    rmse: Estimate  # root of the mean squared error, in the number's own unit


def predicted(train: np.ndarray, test: np.ndarray, numeric: np.ndarray, target: int, seed: int) -> Classified | Regressed:
    """How well trees that learned from rows train [N, M] predict the column `target` of rows test [T, M] from the others.

    Fake rows to learn from and real ones to test gives TSTR; real and fake, TRTS; real and real, what there is to reach (arXiv:1706.02633).
    Rows without a target are left out. A class that training lacks is predicted at random; one that the test lacks is not counted. The
    intervals speak of the test rows alone: another training would give another number. The AUC's is DeLong's, of more than two
    classes the mean of theirs, which is no narrower than that of the mean; those of a number are a jackknife's.
    DataError for no training row, or test rows too few or too alike to be predicted.
    """
    check_tables("a prediction", numeric, train=train, test=test)
    train, test = (x[~np.isnan(x[:, target])] for x in (train, test))
    known = np.arange(len(numeric)) != target
    if not known.any():
        raise DataError("found 1 column; a prediction needs at least 2, the target and one to predict it from. Leave this metric out.")
    check_tables("a prediction of a column that is not missing", numeric, train=train, test=test)
    x, y, test_x, test_y = train[:, known], train[:, target], test[:, known], test[:, target]
    if len(np.unique(test_y)) < 2:
        raise DataError(
            f"the target, column {target}, has one value in all {len(test)} test rows; so there is nothing to predict. Give other rows."
        )
    if numeric[target]:
        if len(test_y) < LEAST:
            raise DataError(
                f"found {len(test_y)} test rows with a target, column {target}; a prediction of a number needs at least {LEAST}."
            )
        return _regressed(x, y, test_x, test_y, numeric[known], seed)
    classes = np.unique(np.concatenate((y, test_y)))
    odds = np.full((len(test), len(classes)), 0.0)
    odds[:, np.isin(classes, y)] = odds_of(x, y, test_x, numeric[known], seed)
    parts = [
        auc_of(torch.from_numpy(odds[test_y == name, k]), torch.from_numpy(odds[test_y != name, k]))
        for k, name in enumerate(classes)
        if min((test_y == name).sum(), (test_y != name).sum()) >= 2
    ]
    if not parts:
        raise DataError(f"no class of the target, column {target}, has 2 test rows, which an AUC needs. Give more test rows.")
    return Classified(share_of(sum(a for a, _ in parts) / len(parts), sum(v**0.5 for _, v in parts) / len(parts)))


def odds_of(x: np.ndarray, y: np.ndarray, test: np.ndarray, numeric: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities of the classes of y, sorted, for the rows of test.  [T, K]"""
    if len(np.unique(y)) == 1:
        return np.ones((len(test), 1))
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, test, categories = _prepared(x, test, numeric)
    return HistGradientBoostingClassifier(**_settings(categories, seed)).fit(x, y).predict_proba(test)


def _regressed(x: np.ndarray, y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray, numeric: np.ndarray, seed: int) -> Regressed:
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, test_x, categories = _prepared(x, test_x, numeric)
    guess = HistGradientBoostingRegressor(**_settings(categories, seed)).fit(x, y).predict(test_x)
    both = torch.from_numpy(np.stack((test_y, guess), 1))
    blocks = min(BLOCKS, len(both) // 2)
    r2 = jackknife(_explained, both, seed=seed, blocks=blocks)
    rmse = jackknife(lambda t: _squared_error(t) ** 0.5, both, seed=seed, blocks=blocks)
    return Regressed(r2, rmse)


def _explained(both: torch.Tensor) -> float:
    """Share of the variance of numbers that guesses explain.  [T, 2] -> 1"""
    variance = float(both[:, 0].var(unbiased=False))
    if not variance:  # without one group of rows: all that differ were in it
        raise DataError("the target has one value in nearly all test rows; so it cannot be said how well it is predicted. Give more rows.")
    return 1 - _squared_error(both) / variance


def _squared_error(both: torch.Tensor) -> float:
    return float((both[:, 0] - both[:, 1]).square().mean())


def _settings(categories: np.ndarray, seed: int) -> dict[str, Any]:
    # Early stopping, which is the default for many rows, fails on a class of one row.
    return {"categorical_features": categories, "early_stopping": False, "random_state": seed_of(seed, "boosted trees") % 2**32}


def _prepared(train: np.ndarray, test: np.ndarray, numeric: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both with the levels of categories counted from 0, and which columns are categories to the trees."""
    both = np.concatenate((train, test))
    categories = ~np.asarray(numeric, bool)
    for j in np.flatnonzero(categories):
        given = ~np.isnan(both[:, j])
        levels, place = np.unique(both[given, j], return_inverse=True)
        if len(levels) > LEVELS:
            categories[j] = False
        else:
            both[given, j] = place
    return both[: len(train)], both[len(train) :], categories
