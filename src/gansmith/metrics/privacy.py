"""What fake rows of a table betray of the rows that they were learned from: distances to the closest record, and three attacks.

Tables are as in `tables`. Everything compares the training rows with rows that were held out of training: what is as true of these is
knowledge of the population, and only what is truer of the training rows is a leak. Where the two sets must be equally large, the
larger one is thinned, and with it what can be found: half the rows held out is the strictest test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gansmith.errors import DataError
from gansmith.metrics.neighbours import Distances, Neighbours
from gansmith.metrics.spread import normal
from gansmith.metrics.tables import check_tables, ranked
from gansmith.records import Estimate

ROWS, COLUMNS = 128, 1024  # of a block of distances: two of them stay in the cache of a processor
MISSING = -2.0  # where a missing number stands: at least 1 from every rank, and 0 from another missing one
Z = normal(0.0, 1.0).high
TRIES = 50  # random predicates for each one that is wanted
FIRST = 2000  # fake rows that show of most random predicates that they hold for several
TOLERANCE = 0.05  # of a guessed number, relative to the true one


def wilson(successes: float, count: int) -> Estimate:
    """successes / count with Wilson's interval, which holds for shares near 0 and 1 too; 0 within 0 to 1 for a count of 0."""
    if not count:
        return Estimate(0.0, 0.0, 1.0)
    share = successes / count
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    reach = Z / (1 + Z**2 / count) * (share * (1 - share) / count + Z**2 / (4 * count**2)) ** 0.5
    return Estimate(share, max(0.0, min(share, centre - reach)), min(1.0, max(share, centre + reach)))


def thinned(training: np.ndarray, held_out: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Both with as many rows as the smaller has, drawn at random, in their order."""
    count = min(len(training), len(held_out))
    first, second = (x if len(x) == count else x[np.sort(rng.choice(len(x), count, replace=False))] for x in (training, held_out))
    return first, second


# --- distance to the closest record ---------------------------------------------------------------------------------------------------


def distances(fake: np.ndarray, training: np.ndarray, held_out: np.ndarray, numeric: np.ndarray) -> Distances:
    """To the closest records, for `neighbours.near_copies`, `authenticity`, `distance_ratio`, `closest`, and `nearer_share`.

    The distance of two rows is the mean over columns of: for a number, the difference of ranks among all real rows (`tables.ranked`);
    for a category, 0 or 1; for a value that is missing in one row only, 1. It is Gower's (1971) with ranks for ranges.
    32-bit sums in blocks: memory stays small whatever the counts. DataError for no fake row, or fewer than 2 training or held-out ones.
    """
    what = "a test of originality"
    check_tables(what, numeric, fake=fake)
    check_tables(what, numeric, 2, training=training, held_out=held_out)
    reference = np.concatenate((training, held_out))
    f, t, h = (_placed(x, reference, numeric) for x in (fake, training, held_out))
    return Distances(
        _closest(f, t, numeric),
        _closest(f, h, numeric).distance[:, 0],
        _closest(t, t, numeric, others=True).distance[:, 0],
        _closest(h, t, numeric).distance[:, 0],
        _closest(h, h, numeric, others=True).distance[:, 0],
    )


def nearer_share(found: Distances) -> Estimate:
    """Share of fake rows that are nearer to the training rows than to as many held-out ones, ties half: 0.5 is no memory, 1 a copier.

    Wilson's interval speaks of the fake rows, and takes them to be independent: where they lie off the data and share neighbours, it is too
    narrow (by half, for shuffled columns of 3,000 rows of Adult). DataError where there are not as many held-out rows as training rows:
    `thinned` makes them so.
    """
    training, held_out = len(found.training_to_training), len(found.held_out_to_held_out)
    if training != held_out:
        raise DataError(
            f"found {training} training and {held_out} held-out rows; a share of nearer rows needs as many of both, since a larger set "
            "has closer rows. Subsample the larger one."
        )
    near, far = found.fake_to_training.distance[:, 0], found.fake_to_held_out
    return wilson(float((near < far).sum()) + float((near == far).sum()) / 2, len(near))


def _placed(values: np.ndarray, reference: np.ndarray, numeric: np.ndarray) -> Tensor:
    """A line for each column, in which a difference is a distance.  float32 [M, N]"""
    return torch.from_numpy(np.nan_to_num(ranked(values, reference, numeric), nan=MISSING).T.astype(np.float32, order="C"))


def _closest(queries: Tensor, points: Tensor, numeric: np.ndarray, others: bool = False) -> Neighbours:
    """The closest of points [M, P] to each of queries [M, Q], or the closest other one where both are the same rows.  [Q, 1]"""
    count = queries.shape[1]
    value, index = torch.full((count,), torch.inf), torch.zeros(count, dtype=torch.int64)
    for top in range(0, count, ROWS):
        rows = slice(top, top + ROWS)
        for left in range(0, points.shape[1], COLUMNS):
            block = _sums(queries[:, rows], points[:, left : left + COLUMNS], numeric)
            if others:
                block.diagonal(top - left).fill_(torch.inf)
            least, place = block.min(1)
            better = least < value[rows]
            value[rows] = torch.where(better, least, value[rows])
            index[rows] = torch.where(better, place + left, index[rows])
    return Neighbours((value.double() / len(numeric)).unsqueeze(1), index.unsqueeze(1))


def _sums(queries: Tensor, points: Tensor, numeric: np.ndarray) -> Tensor:
    """Sums over the columns of the distances of all pairs of queries [M, q] and points [M, p].  [q, p]"""
    total = torch.zeros(queries.shape[1], points.shape[1])
    part = torch.empty_like(total)
    for a, b, number in zip(queries.unsqueeze(2), points.unsqueeze(1), numeric, strict=True):
        if number:
            torch.sub(a, b, out=part).abs_().clamp_(max=1)
        else:
            torch.ne(a, b, out=part)
        total += part
    return total


# --- attacks --------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Risk:
    """How much more often an attack succeeds on training rows than on held-out ones, of what was left to succeed: (a - c) / (1 - c).

    About 0 where fake rows betray nothing but the population, below 0 by chance alone, 1 for a copier of rows that are all different.
    """

    attack: Estimate  # share of successes on training rows
    control: Estimate  # on held-out rows
    risk: Estimate
    attacks: int  # 0: no predicate could be made, and nothing is known


def risk(attacked: int, controlled: int, attacks: int) -> Risk:
    """From the successes of as many attacks on training rows and on held-out ones.  arXiv:2211.10459

    Shares with Wilson's intervals; that of the risk has each of these moved through the formula by itself, and added in squares. Where all
    succeed on held-out rows, nothing is left, and the risk is the plain difference.
    """
    a, c = wilson(attacked, attacks), wilson(controlled, attacks)
    left = 1 - c.value or 1.0
    value, by_attack, by_control = (a.value - c.value) / left, 1 / left, (1 - a.value) / left**2
    low = value - np.hypot(by_attack * (a.value - a.low), by_control * (c.high - c.value))
    high = value + np.hypot(by_attack * (a.high - a.value), by_control * (c.value - c.low))
    return Risk(a, c, Estimate(value, float(low), min(1.0, float(high))), attacks)


def singling_out(
    fake: np.ndarray, training: np.ndarray, held_out: np.ndarray, numeric: np.ndarray, rng: np.random.Generator, attacks: int = 2000
) -> Risk:
    """Does a value of one column, that stands out among the fake rows, single out a training row?  arXiv:2211.10459

    Predicates, at most `attacks` drawn from all of them: column = a value that one fake row has; a number <= the least or >= the greatest
    fake one. A success is a predicate that holds for exactly one row. Training and held-out rows are thinned to equal numbers.
    """
    check_tables("singling out", numeric, fake=fake, training=training, held_out=held_out)
    training, held_out = thinned(training, held_out, rng)
    predicates = np.concatenate([_standing_out(fake[:, j], j, bool(numeric[j])) for j in range(len(numeric))])
    chosen = predicates[rng.permutation(len(predicates))[:attacks]]
    hits = [int((_holding(x, chosen) == 1).sum()) for x in (training, held_out)]
    return risk(hits[0], hits[1], len(chosen))


EQUAL, AT_MOST, AT_LEAST = 0.0, -1.0, 1.0  # kinds of predicates


def _standing_out(x: np.ndarray, column: int, number: bool) -> np.ndarray:
    """Predicates on values that stand out of x [N]: column, kind, value.  [P, 3]"""
    known, count = np.unique(x, return_counts=True)
    kinds = [(EQUAL, known[count == 1])]
    known = known[~np.isnan(known)]
    if number and len(known):
        kinds += [(AT_MOST, known[:1]), (AT_LEAST, known[-1:])]
    return np.array([(column, kind, value) for kind, values in kinds for value in values]).reshape(-1, 3)


def _holding(values: np.ndarray, predicates: np.ndarray) -> np.ndarray:
    """For how many rows [N, M] each predicate [P, 3] holds.  [P]"""
    found = np.zeros(len(predicates), np.int64)
    for j in range(values.shape[1]):
        mine = predicates[:, 0] == j
        kind, value = predicates[mine, 1:].T
        known = np.sort(values[:, j])  # missing ones come last
        gone = int(np.isnan(known).sum())
        known = known[: len(known) - gone]
        below, up_to = np.searchsorted(known, value), np.searchsorted(known, value, "right")
        equal = np.where(np.isnan(value), gone, up_to - below)
        found[mine] = np.select([kind == AT_MOST, kind == AT_LEAST], [up_to, len(known) - below], equal)
    return found


def singling_out_together(
    fake: np.ndarray,
    training: np.ndarray,
    held_out: np.ndarray,
    numeric: np.ndarray,
    rng: np.random.Generator,
    attacks: int = 2000,
    columns: int = 4,
) -> Risk:
    """Do values of several columns, that together stand out among the fake rows, single out a training row?  arXiv:2211.10459

    A predicate is made of a random fake row in random columns: a category or a missing value equal to its own, a number >= its own where
    that is above the median of the fake rows, else <= it. Those that hold for this one fake row alone are used, at most `attacks` of fifty
    times as many. A success is a predicate that holds for exactly one row. Training and held-out rows are thinned to equal numbers.
    """
    check_tables("singling out", numeric, fake=fake, training=training, held_out=held_out)
    training, held_out = thinned(training, held_out, rng)
    sets = [np.ascontiguousarray(x.T) for x in (fake, training, held_out)]
    middle = np.array([np.median(x[~np.isnan(x)]) if not np.isnan(x).all() else np.nan for x in sets[0]])
    first = sets[0][:, :FIRST]
    made, hits = 0, [0, 0]
    for _ in range(TRIES * attacks):
        if made == attacks:
            break
        row = fake[rng.integers(len(fake))]
        chosen = rng.permutation(len(numeric))[:columns]
        kinds = np.where(~np.asarray(numeric, bool), EQUAL, np.where(row > middle, AT_LEAST, AT_MOST))[chosen]
        if _holding_together(first, chosen, kinds, row) > 1 or _holding_together(sets[0], chosen, kinds, row) > 1:
            continue
        made += 1
        for place, rows in enumerate(sets[1:]):
            hits[place] += _holding_together(rows, chosen, kinds, row) == 1
    return risk(hits[0], hits[1], made)


def _holding_together(columns: np.ndarray, chosen: np.ndarray, kinds: np.ndarray, row: np.ndarray) -> int:
    """How many rows, given as columns [M, N], are as this row in each of the chosen ones."""
    left: np.ndarray | slice = slice(None)
    for j, kind in zip(chosen, kinds, strict=True):
        x = columns[j][left]
        if np.isnan(row[j]):
            holds = np.isnan(x)
        elif kind == EQUAL:
            holds = x == row[j]
        else:
            holds = x * kind >= row[j] * kind
        left = np.flatnonzero(holds) if isinstance(left, slice) else left[holds]
    return len(columns[0][left])


def inference(
    fake: np.ndarray,
    training: np.ndarray,
    held_out: np.ndarray,
    numeric: np.ndarray,
    secret: int,
    rng: np.random.Generator,
    attacks: int = 1000,
) -> Risk:
    """Can who knows all other columns of a row guess this one, from the closest fake row?  arXiv:2211.10459

    Closest as in `distances`, by ranks among the fake rows. A guess is right where it is equal, for a number within 5 % of the true one.
    As many random training rows are attacked as held-out ones, at most `attacks`. DataError for a table of one column.
    """
    check_tables("attribute inference", numeric, fake=fake, training=training, held_out=held_out)
    if len(numeric) < 2:
        raise DataError("found 1 column; attribute inference needs at least 2, one to guess and one that is known. Leave this metric out.")
    count = min(attacks, len(training), len(held_out))
    known = np.arange(len(numeric)) != secret
    points = _placed(fake[:, known], fake[:, known], numeric[known])
    hits = []
    for rows in (training, held_out):
        targets = rows[rng.choice(len(rows), count, replace=False)]
        queries = _placed(targets[:, known], fake[:, known], numeric[known])
        guess = fake[_closest(queries, points, numeric[known]).index[:, 0].numpy(), secret]
        hits.append(int(_right(guess, targets[:, secret], bool(numeric[secret])).sum()))
    return risk(hits[0], hits[1], count)


def _right(guess: np.ndarray, truth: np.ndarray, number: bool) -> np.ndarray:
    close = np.abs(guess - truth) <= (TOLERANCE * np.abs(truth) if number else 0)
    return close | (np.isnan(guess) & np.isnan(truth))
