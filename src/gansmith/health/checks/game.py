"""Illnesses of the game between the two players."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from gansmith.health.checks import thresholds as limit
from gansmith.health.checks.looking import (
    Absent,
    Window,
    check,
    ills,
    middle,
    moves,
    nearer,
    over,
    poor,
    rate,
    short,
    since_share,
    stuck,
    times,
    usual,
    window,
)
from gansmith.health.history import History, Line, between, lately, number, numbers, typical
from gansmith.health.remedies import ONE_CENTRED, PUBLISHED
from gansmith.records import Finding, Severity

PLAYERS = ("generator", "discriminator")
SMOOTHING = ("penalty.clip", "penalty.lecam", "penalty.consistency", "network.spectral")  # what holds a discriminator beside its slope


@check("H204")
def discriminator_overfits(history: History) -> Finding | None:
    """It knows its training samples by heart: unseen real ones look generated to it."""
    if history.exams and not any("wins_held" in exam for exam in history.exams):
        raise Absent("too few samples were held out (data.held_out) to check this.")
    seen = window(history)
    train, held, made = seen.of("logit_train"), seen.of("logit_held"), seen.of("logit_fake")
    known, unseen = seen.of("wins_train"), seen.of("wins_held")
    by_heart = over(train - held, max(train - made, limit.TELLING * seen.of("scatter")))
    if known - unseen < limit.OVERFIT_WINS or by_heart < limit.OVERFIT:
        return None
    count = number(history.data.get("training"))
    what = (
        f"the discriminator ranks training samples above generated ones in {known:.0%} of pairs, but unseen real samples in only "
        f"{unseen:.0%}."
    )
    advice = f"It has memorised {f'its {count:,.0f} samples' if count else 'its samples'}: add data if you can."
    if not (suffers := [*ills(history, seen), *_follows(history, seen)]):
        return Finding("H204", "note", f"{what[:-1]}; the samples do not show it.", advice, {"wins_train": known, "wins_held": unseen})
    severity: Severity = "severe" if unseen < limit.OVERFIT_BLIND else "warning"
    evidence = {"wins_train": known, "wins_held": unseen, "by heart": by_heart}
    return Finding("H204", severity, f"{what[:-1]}, and the samples show it: {'; '.join(suffers)}.", advice, evidence)


def _follows(history: History, seen: Window) -> Iterator[str]:
    """What the samples of a generator come to that is led by what was learned by heart, in words."""
    if (by := nearer(seen)) is not None and by < limit.NEARER:
        yield f"they lie {by:.2g} times as far from training samples as from unseen ones"
    distances = numbers(history.looks, "distance")
    if distances and distances[-1] > limit.WORSE * min(distances):
        yield f"they were closer to the data earlier in the run (distance {min(distances):.2g}, now {distances[-1]:.2g})"


@check("H205")
def discriminator_wins(history: History) -> Finding | None:
    """It tells every pair, and what it passes back to the generator is of no use."""
    seen = window(history)
    told, pull = seen.of("wins_train"), seen.of("pull")
    gap, left = seen.of("logit_train") - seen.of("logit_fake"), _change_of_gradient(history, "grad_g")
    vanished = middle([float(_vanishes(exam)) for exam in since_share(history, limit.YOUNG)])
    always, step = told > limit.ALWAYS, moves(seen, "generator")
    if pull < limit.NOTHING or (always and pull < limit.NO_PULL):
        why = f"the gradient that reaches the samples is {pull:.2g} relative to the spread of the data (healthy: 0.1 to 10)"
    elif vanished:
        why = "for more than half of the run almost no gradient has reached the samples"
    elif always and step is not None and step < limit.STILL:
        why = f"the generator hardly moves: a step changes its weights by {step:.1g} of their norm"
    elif always and left is not None and left < limit.FADED:
        why = f"the gradient that reaches the generator's weights is {times(left)} what it was"
    elif always and poor(history, seen) and (gap > limit.OVERWHELMING or (gap > limit.SURE and stuck(history))):
        why = f"its mean logits for real and generated samples are {gap:.2g} apart, and the samples are far from the data"
    else:
        return None
    name = history.settings.get("loss.name")
    advice = f"The gradient of {name} vanishes when the discriminator is sure." if name in limit.VANISHING else ""
    evidence = {"wins_train": told, "pull": pull, "logit gap": gap, "generator's gradient, over what it was": left}
    return Finding("H205", "severe", f"the discriminator is right about {told:.0%} of pairs, and {why}.", advice, evidence)


def _vanishes(exam: Line) -> bool:
    """Whether every pair was told in an examination, and next to no gradient reached the samples."""
    told, pull = number(exam.get("wins_train")), number(exam.get("pull"))
    return told is not None and told > limit.ALWAYS and pull is not None and pull < limit.NO_PULL


@check("H206")
def discriminator_too_weak(history: History) -> Finding | None:
    """It cannot tell samples that are far from the data."""
    seen = window(history, limit.LEARNED)
    told, off = seen.of("wins_train"), seen.of("off_live")
    mine, other = moves(seen, "discriminator"), moves(seen, "generator")
    slow = mine is not None and other is not None and mine < limit.SLOWER * other
    if told > (limit.BELIEVED if slow else limit.CANNOT_TELL) or not poor(history, seen):
        return None
    if short(history) and not slow:  # both have hardly begun
        return None
    what = f"the discriminator is right about only {told:.0%} of pairs, although the samples are far from the data ({off:.2g})"
    if told < limit.REVERSED:
        what = f"the discriminator prefers generated samples in {1 - told:.0%} of pairs, although they are far from the data ({off:.2g})"
    if slow:
        what += f"; a step changes its weights by {mine:.1g} of their norm, and the generator's by {other:.1g}"
    advice = "If its network is narrower than the generator's, widen it"
    if history.settings.get("optimiser.name") != "extra":
        advice += f"; a new run may also set game.critics={(number(history.settings.get('game.critics')) or 1.0) + 1:.0f}"
    evidence = {"wins_train": told, "off_live": off, "moves of the discriminator": mine, "moves of the generator": other}
    return Finding("H206", "severe", f"{what}.", f"{advice}.", evidence)


@check("H207")
def exploding_gradient(history: History) -> Finding | None:
    """Gradients grow by orders of magnitude, or steps are so long that weights are thrown about."""
    grown = {p: g for p in PLAYERS if (g := _change_of_gradient(history, f"grad_{p[0]}")) is not None}
    if not grown and not history.exams:
        raise Absent("the log of this run contains no gradients.")
    burst = {p: g for p, g in grown.items() if g > limit.GROWN}
    signs, fast = [f"the gradient of the {p} is {g:,.0f} times what it was" for p, g in burst.items()], {}
    if len(since_share(history, limit.YOUNG)) >= limit.FEWEST and (wrong := next(ills(history, seen := window(history)), None)):
        fast, slope = _too_fast(history), seen.maybe("slope")
        causes = [*fast.values()]
        if slope is not None and slope > limit.STEEP:
            causes.append(
                f"the discriminator's slope at the samples is {slope:,.0f} relative to the spread of the data (healthy: 0.1 to 10)"
            )
        signs += [*causes, f"the samples show it: {wrong}"] if causes else []
    if not signs:
        return None
    advice = "If that is not enough, use a stronger penalty (penalty.gamma) and no momentum (optimiser.beta1=0)."
    return Finding("H207", "severe", f"{'; '.join(signs)}.", advice, {"gradient now over before": grown, "too fast": sorted(fast)})


def _too_fast(history: History) -> dict[str, str]:
    """Of each player whose steps are too long: what was seen."""
    found = {}
    for player in PLAYERS:
        dotted = f"optimiser.lr_{player}"
        now, automatic = number(history.settings.get(dotted)), usual(history, dotted)
        if now is None:
            continue
        long = moves(Window(between(history.exams, 0.0, 0.5)), player, min)  # a table that began with zeros moves far
        if automatic and now > limit.FAST * automatic:
            sign = f"the learning rate of the {player}, {now:g}, is {now / automatic:.0f} times the automatic one"
        elif long is not None and long > limit.LONG_STEP:
            sign = f"a step changes the weights of the {player} by {long:.1%} of their norm (healthy: below 2 %)"
        elif not automatic and (weight := _weight_of(history, player)) is not None and weight > limit.HEAVY:
            sign = f"the weights of the {player} have grown to a root mean square of {weight:.2g} (usual: 0.05 to 0.3)"
        else:
            continue
        found[player] = sign
    return found


def _weight_of(history: History, player: str) -> float | None:
    """Root mean square of a player's weights, as its steps tell: Adam moves a weight by about the learning rate, so that over what it is of
    the weight leaves the weight. The median over examinations; None where gradients are so small that Adam's steps are shorter."""
    if history.settings.get("network.name") in limit.EQUALISED:
        return None
    rates = {number(line.get("step")): line for line in history.ticks}
    found = []
    for exam in since_share(history, limit.YOUNG):
        seen = Window([exam])
        squares = [g * g for name, g in seen.each("gradients").items() if name.startswith(f"{player}.")]
        move, lr = moves(seen, player), number(rates.get(number(exam.get("step")), {}).get(f"lr_{player}"))
        if move and lr is not None and sum(squares) > limit.GENTLE**2:
            found.append(lr / move)
    return median(found) if len(found) >= limit.FEWEST else None


def _change_of_gradient(history: History, name: str) -> float | None:
    """The gradient's norm of late over the largest of the first half of the run so far."""
    before = max(numbers(between(history.ticks, 0.0, history.share / 2), name), default=0.0)
    now = typical(lately(history.ticks, limit.LATELY / 2, limit.FEWEST), name)
    return over(now, before) if before and now is not None else None


@check("H208")
def logit_drift(history: History) -> Finding | None:
    """All logits wander off together, which says nothing of the samples and costs precision."""
    seen = window(history)
    train, made, scatter = seen.of("logit_train"), seen.of("logit_fake"), seen.of("scatter")
    level, apart = train / 2 + made / 2, max(abs(train - made), scatter)
    if abs(level) < limit.DRIFTED * max(apart, limit.DRIFT_SCALE):
        return None
    severity: Severity = "severe" if abs(level) > limit.DRIFTED_AWAY else "warning"
    what = f"all logits lie around {level:.3g}, while real and generated ones differ by {apart:.2g}."
    advice = "loss.centring pulls the mean logit towards 0; a lower optimiser.lr_discriminator slows the drift down."
    return Finding("H208", severity, what, advice, {"level": level, "difference": apart})


@check("H209")
def oscillation(history: History) -> Finding | None:
    """The generator goes from one bad state to another and is no better than it was."""
    exams = since_share(history, limit.YOUNG)
    live = numbers(exams, "off_live")
    late = live[len(live) // 3 :]
    if (still := stuck(history)) is None or len(late) < 2 * limit.THIRD:
        raise Absent(f"the distance from the data was measured {len(live)} times, too few to see an oscillation.")
    swing = over(median(abs(b - a) for a, b in pairwise(late)), median(late))
    momentum = number(history.settings.get("optimiser.beta1")) or 0.0
    swings, overshoots = still and swing >= limit.SWING, momentum > limit.MOMENTUM and not short(history)
    if not (swings or overshoots) or not poor(history, window(history)):
        return None
    signs = ["the samples are far from the data"]
    if swings:
        signs = [f"the distance from the data swings by {swing:.0%} from one examination to the next, and is no smaller than before"]
    if overshoots:
        signs.append(f"a momentum of {momentum:g} makes both networks overshoot")
    what = f"{'; '.join(signs)}."
    advice = "A larger run.batch calms the game, too."
    return Finding("H209", "severe", what, advice, {"swing": swing, "distance": median(late), "momentum": momentum})


@check("H213")
def penalty_too_strong(history: History) -> Finding | None:
    """The discriminator is held so flat that it cannot say what is wrong."""
    weight, seen = penalty(history), window(history)
    scatter = seen.of("scatter")
    if weight < limit.STRONG_PENALTY or scatter > limit.FLAT:
        return None
    gamma = rate(history, "gamma", "penalty.gamma")
    what = f"the penalty weight is {times(weight)} the usual one, and the logits hardly differ (standard deviation {scatter:.2g})."
    severity: Severity = "severe" if poor(history, seen) else "warning"
    evidence = {"gamma": gamma, "gamma over the usual": weight, "scatter": scatter}
    return Finding("H213", severity, what, "penalty.gamma=null chooses the automatic weight.", evidence)


@check("H214")
def penalty_too_weak(history: History) -> Finding | None:
    """Nothing holds the discriminator, and the samples show it."""
    weight, seen = penalty(history), window(history)
    wrong, held = list(ills(history, seen)), history.data.get("smoothed") or any(history.settings.get(name) for name in SMOOTHING)
    if weight > limit.WEAK_PENALTY or held or not wrong:
        return None
    gamma, slope = rate(history, "gamma", "penalty.gamma"), seen.maybe("slope")
    what = f"the penalty weight is {times(weight) + ' the usual one' if gamma else '0'}, and the samples show it: {'; '.join(wrong)}."
    advice = "" if usual(history, "penalty.gamma") else "Set penalty.name=r1+r2 and penalty.gamma=null, the automatic weight."
    severity: Severity = "severe" if poor(history, seen) else "warning"
    return Finding("H214", severity, what, advice, {"gamma": gamma, "gamma over the usual": weight, "slope": slope})


def penalty(history: History) -> float:
    """The weight of the gradient penalty over what is usual. Absent where that cannot be said."""
    gamma, facts = rate(history, "gamma", "penalty.gamma"), history.data.get("facts")
    if gamma is None:
        raise Absent("the penalty weight is not recorded.")
    if gamma == 0.0 or history.settings.get("penalty.name") in ONE_CENTRED:
        return gamma / PUBLISHED
    variance = number(facts.get("total_variance")) if isinstance(facts, dict) else None
    if not variance:
        raise Absent("the variance of the data, which decides what penalty weight is usual, is not recorded.")
    return over(gamma, limit.SPACE * variance * (number(history.settings.get("game.pack")) or 1.0))
