"""Illnesses that are seen in the samples."""

from __future__ import annotations

from collections.abc import Iterator

from gansmith.health.checks import thresholds as limit
from gansmith.health.checks.looking import (
    CERTAIN,
    Absent,
    Window,
    check,
    classes,
    few_numbers,
    middle,
    moves,
    nearer,
    over,
    poor,
    window,
    within_classes,
)
from gansmith.health.history import History, number
from gansmith.records import Finding, Severity


@check("H201")
def total_collapse(history: History) -> Finding | None:
    """Generated samples are all the same, or all the same within their class."""
    seen = window(history)
    spread, inside = seen.of("spread"), within_classes(seen)
    if spread < limit.COLLAPSED:
        what = f"generated samples lie {spread:.2g} times as far apart as real ones: they are nearly all the same."
    elif inside is not None and inside < limit.COLLAPSED:
        what = f"generated samples of one class lie {inside:.2g} times as far apart as real ones: each class is nearly one sample."
    else:
        return None
    return Finding("H201", "severe", what, "", {"spread": spread, "spread within classes": inside, "closest": seen.maybe("closest")})


@check("H202")
def partial_collapse(history: History) -> Finding | None:
    """Some of the data's variety is gone: classes or modes that are not made, samples that repeat."""
    seen = window(history, limit.LEARNED)
    spread, closest, inside = seen.of("spread"), seen.maybe("closest"), within_classes(seen)
    reached, possible = seen.maybe("reached"), seen.maybe("reached_real") or limit.REACHED_BY_REAL
    signs = []
    if spread < limit.NARROW:
        signs.append(f"generated samples lie {spread:.2g} times as far apart as real ones")
    elif inside is not None and inside < limit.NARROW_INSIDE:
        signs.append(f"generated samples of one class lie {inside:.2g} times as far apart as real ones")
    if closest is not None and closest < limit.REPEATED:
        signs.append(f"the nearest other sample is {closest:.2g} times as far away as among real ones, so samples repeat")
    if narrow := _behind(seen.each("spread_classes"), limit.NARROW_CLASS):
        signs.append(f"there is little variety within {classes(narrow)}")
    if missing := _behind({k: over(v, possible) for k, v in seen.each("reached_classes").items()}, limit.MISSED_CLASS):
        signs.append(f"hardly any real sample of {classes(missing)} has a generated one nearby")
    told, sharp = seen.maybe("wins_train"), closest is not None and closest < limit.SHARP
    believed = sharp and history.share >= limit.ENDING and told is not None and told < limit.BELIEVED
    enough = limit.HALF_REACHED if few_numbers(history) else limit.MISSED
    if believed and reached is not None and reached < enough * possible:
        signs.append(f"{reached:.0%} of the real samples have a generated one nearby, where {possible:.0%} would be possible")
    if not signs:
        return None
    evidence = {
        "spread": spread, "spread within classes": inside, "closest": closest, "reached": reached, "could be reached": possible,
        "classes": sorted({*narrow, *missing}),
    }  # fmt: skip
    advice = "" if history.settings.get("network.spread") else "A new run may also set network.spread=true or game.pack=2."
    return Finding("H202", "warning", f"part of the data's variety is missing: {'; '.join(signs)}.", advice, evidence)


def _behind(values: dict[str, float], least: float) -> list[str]:
    """Classes far below the others: where those are low too, it is no matter of classes."""
    usual = middle(list(values.values()))
    return [] if usual is None or usual < limit.OTHERS else [name for name, value in values.items() if value < least]


@check("H203")
def ignored_condition(history: History) -> Finding | None:
    """The generator makes the same sample whatever it is asked for, or the discriminator does not mind what it is shown."""
    seen = window(history, limit.LEARNED)
    response, asked, unseen = seen.of("response"), seen.maybe("response_d"), seen.maybe("response_held")
    if history.settings.get("network.conditioning") == "auxiliary":  # whose logits are not asked by a condition: it says it
        asked = unseen = None
    minded = asked if unseen is None else unseen
    never = response < limit.NEVER or (asked is not None and abs(asked) < limit.NEVER)
    empty = minded is not None and minded < limit.UNASKED
    if not never and response >= (limit.FOLLOWED if empty else limit.IGNORED):
        return None
    what = f"a different condition changes a generated sample {response:.2g} times as much as a different latent"
    asks = "" if history.settings.get("network.conditioning") == "projection" else " (network.conditioning=projection)"
    if empty:
        of = " for an unseen sample" if unseen is not None else ""
        what += f", and a wrong condition{of} hardly changes the discriminator's logit (by {minded:.2g} of the logits' standard deviation)"
        advice = f"Check that the labels belong to their samples, and that the discriminator uses them{asks}."
    else:
        advice = f"Check that the generator uses its condition; train for longer{asks}."
    evidence = {
        "response": response, "discriminator's response": asked, "the same, to unseen samples": unseen,
        CERTAIN: never and (seen.maybe("spread") or 0.0) > limit.NARROW,
    }  # fmt: skip
    return Finding("H203", "warning", f"{what}.", advice, evidence)


@check("H211")
def saturated_output(history: History) -> Finding | None:
    """The generator's values sit at the ends of their range, where its last layer has no slope."""
    if history.exams and not any("low" in exam for exam in history.exams):
        raise Absent("the values of these data have no bounds, so they cannot saturate.")
    seen = window(history)
    made, real = seen.of("low") + seen.of("high"), seen.of("low_real") + seen.of("high_real")
    if made - real < limit.SATURATED:
        return None
    what = (
        f"{made:.0%} of the generated values lie at the ends of their range, against {real:.0%} of the real ones; a saturated generator "
        "hardly learns."
    )
    advice = "Initialise a network of your own with small weights, of standard deviation 1/√(number of inputs)."
    severity: Severity = "severe" if made >= limit.ALL_SATURATED else "warning"
    first = Window(history.exams[:1])
    from_the_start = (first.maybe("low") or 0.0) + (first.maybe("high") or 0.0) - real >= limit.SATURATED
    evidence = {"generated": made, "real": real, "moves of the generator": moves(seen, "generator"), CERTAIN: from_the_start}
    return Finding("H211", severity, what, advice, evidence)


@check("H212")
def prepared_differently(history: History) -> Finding | None:
    """What is shown as real and what is generated differ in a way that no training mends: range, border, grid."""
    seen = window(history, limit.LEARNED)
    told, spread, pull = seen.of("wins_train"), seen.of("spread"), seen.maybe("pull")
    if pull is not None and pull < limit.NO_PULL:  # no gradient came, so what it makes is what it began with
        return None
    certain, doubtful = dict(_ends(seen)), dict[str, str]()
    if limit.NARROW < spread < 1 / limit.NARROW and (told > limit.ALWAYS or not poor(history, seen)):  # else it has learned nothing yet
        certain |= dict(_grid(seen))
        doubtful |= dict(_values(seen)) if told > limit.ALWAYS else {}
    if not certain | doubtful:
        return None
    what = f"real and generated samples differ in how they are prepared: {'; '.join((certain | doubtful).values())}."
    advice = (
        "Give both the same form: the generator's last layer must reach every value that the encoded data take and no others (as tanh "
        "does), and both sides must be padded, cropped and scaled alike."
    )
    evidence = {"signs": sorted(certain | doubtful), "wins_train": told, CERTAIN: bool(certain)}
    return Finding("H212", "severe" if certain and told > limit.ALWAYS else "warning", what, advice, evidence)


def _ends(seen: Window) -> Iterator[tuple[str, str]]:
    """Values that one side takes and the other never does."""
    if (dead := seen.maybe("dead_g")) is not None and dead > limit.ALL_DEAD:  # it stands still: where, says nothing
        return
    for end, word in (("low", "lower"), ("high", "upper")):
        real, made = seen.maybe(f"{end}_real"), seen.maybe(end)
        if real is not None and made is not None and real > limit.END_USED and made < limit.END_NEVER * real:
            yield end, f"{real:.0%} of the real values lie at the {word} end of the range and {made:.1%} of the generated ones"
    if _whole_range(seen):
        yield from _beyond(seen)


def _whole_range(seen: Window) -> bool:
    """Whether real values reach both ends of what they may be: else a generator that may go farther has only not learned where to stop."""
    return all((seen.maybe(f"{end}_real") or 0.0) > 0.0 for end in ("low", "high"))


def _beyond(seen: Window) -> Iterator[tuple[str, str]]:
    """Values of the generator where there are no real ones."""
    beyond = seen.maybe("beyond")
    if seen.maybe("low") is not None and beyond is not None and beyond > limit.BEYOND:
        yield "beyond", f"{beyond:.0%} of the generated values lie outside the range of the real ones"


def _grid(seen: Window) -> Iterator[tuple[str, str]]:
    """Places and frequencies that one side treats otherwise."""
    gap, border, woven = seen.maybe("mean_gap"), seen.maybe("border_gap"), seen.maybe("weave")
    if border is not None and border > limit.BORDER_GAP and border > limit.BORDER_ALONE * (gap or 0.0):
        yield "border", f"the outermost pixels differ by {border:.2g} standard deviations"
    if woven is not None and woven > limit.WOVEN * max(1.0, seen.maybe("weave_real") or 1.0):
        yield "weave", f"a regular grid pattern is {woven:.2g} times as strong in generated samples"


def _values(seen: Window) -> Iterator[tuple[str, str]]:
    """Level and contrast, which are also off where a generator has only not learned them."""
    gap, deviation = seen.maybe("mean_gap"), seen.maybe("deviation")
    if not _whole_range(seen):
        yield from _beyond(seen)
    if gap is not None and gap > limit.MEAN_GAP:
        yield "mean", f"their means differ by {gap:.2g} standard deviations"
    if deviation is not None and not 1 / limit.DEVIATION < deviation < limit.DEVIATION:
        yield "deviation", f"generated values vary {deviation:.2g} times as much as real ones"


@check("H218")
def memorisation(history: History) -> Finding | None:
    """Generated samples are training samples."""
    seen, count = window(history, limit.LEARNED), number(history.data.get("training"))
    by = nearer(seen)
    if by is None:
        if count is None or count > limit.TOO_FEW:
            raise Absent(
                "the training samples were not compared: there are too many to be memorised, too few samples were held out, or these "
                "are mostly equal to them."
            )
        return _repeated(seen, count)
    copies, real = seen.of("copies"), seen.maybe("copies_real") or 0.0
    copied = copies - real
    if by >= limit.NEARER and copied < limit.COPIES:
        return None
    what = f"generated samples lie {by:.2g} times as far from training samples as from unseen ones"
    if copied >= limit.COPIES:
        what += f", and {copies:.0%} are near-copies (of unseen real samples {real:.0%} are)"
    severity: Severity = "severe" if by < limit.MUCH_NEARER or copied >= limit.MANY_COPIES else "warning"
    return Finding("H218", severity, f"{what}.", ADD_DATA, {"nearer": by, "copies": copies, "copies among real ones": real})


def _repeated(seen: Window, count: float) -> Finding | None:
    """The same where there are so few samples that none could be held out to compare with: they are all there, and little else is."""
    reached, closest = seen.of("reached"), seen.of("closest")
    if reached < limit.ALL_REACHED or closest > limit.CROWDED:
        return None
    what = (
        f"{reached:.0%} of the {count:,.0f} training samples have a generated one nearby, and generated samples lie {closest:.2g} times "
        "as far apart as real ones: the same ones are generated again and again."
    )
    return Finding("H218", "warning", what, ADD_DATA, {"reached": reached, "closest": closest})


ADD_DATA = "Add data if you can; a shorter run (run.samples) learns fewer by heart."
