"""Illnesses of the run's course: its arithmetic, its length, its data, its machine."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from gansmith.health.checks import thresholds as limit
from gansmith.health.checks.looking import (
    CERTAIN,
    Absent,
    Window,
    check,
    enough_steps,
    listed,
    over,
    poor,
    short,
    stuck,
    usual,
    whole,
    window,
)
from gansmith.health.history import History, between, lately, number, numbers, typical
from gansmith.records import Finding, Severity


@check("H210")
def not_finite(history: History) -> Finding | None:
    """A loss, a gradient or a weight is no number any more."""
    named = re.search(r"the (\S.*?) is not finite", history.stopped)
    last = history.ticks[-1] if history.ticks else {}
    where = named.group(1) if named else next((str(k) for k, v in last.items() if isinstance(v, float) and not math.isfinite(v)), None)
    if where is None:
        return None
    return Finding("H210", "severe", f"the {where} is not finite.", "The last good checkpoint is kept.", {"where": where, CERTAIN: True})


@check("H215")
def average_lags(history: History) -> Finding | None:
    """The averaged generator, which sampling uses, is behind the live one."""
    seen = window(history, limit.LEARNED)
    live, average, gap = seen.of("off_live"), seen.of("off_average"), seen.of("ema_gap")
    if average < limit.LAGS * live or gap < limit.LAG_GAP:
        return None
    halflife = number(history.settings.get("average.halflife"))
    advice = "A network of your own with batch statistics must let them follow within a few hundred steps."
    what = f"the averaged generator is at a distance of {average:.2g} from the data, the live one at {live:.2g}."
    return Finding("H215", "warning", what, advice, {"off_average": average, "off_live": live, "apart": gap, "halflife": halflife})


def _length(history: History) -> float | None:
    """Real samples that the whole run will have seen; None where nothing tells."""
    seen = numbers(history.ticks[-1:], "seen")
    return seen[0] / history.share if seen and history.share > 0 else None


@check("H216")
def batch_too_small(history: History) -> Finding | None:
    """Each step sees so few samples that the game is mostly chance."""
    batch, count = number(history.settings.get("run.batch")), number(history.data.get("training"))
    if batch is None:
        raise Absent("the batch of this run is not recorded.")
    if batch >= limit.SMALL_BATCH or (count is not None and count < limit.BATCHES * batch):
        return None
    of = f" of {count:,.0f}" if count is not None else ""
    what = f"each step sees only {batch:.0f} sample{'s' if batch > 1 else ''}{of}, so its gradient is mostly noise."
    advice = f"Train a new run with run.batch={usual(history, 'run.batch') or limit.USUAL_BATCH:.0f} and as many steps."
    return Finding("H216", "warning", what, advice, {"batch": batch, "training samples": count, CERTAIN: True})


@check("H217")
def too_few_steps(history: History) -> Finding | None:
    """The run ends, or will end, while the generator is far from what it could become."""
    layout = history.data.get("layout")
    if isinstance(layout, Mapping) and layout.get("given"):
        return _too_few_for_rows(history)
    seen, steps, enough = window(history, limit.LEARNED), whole(history), enough_steps(history)
    if not poor(history, seen):
        return None
    few, falling = steps is not None and steps < enough, history.share >= limit.SETTLED and stuck(history) is False
    if not few and not falling:
        return None
    what = f"the samples are far from the data{f', and the whole run has {steps:,.0f} steps' if steps is not None else ''}"
    what += "; they were still getting better." if falling else "."
    longer = max(limit.LONGER, 2 * over(enough, steps)) if steps is not None else limit.LONGER
    evidence = {"steps": steps, "off_average": seen.maybe("off_average"), CERTAIN: short(history)}
    return Finding("H217", "warning", what, _train_longer(history, longer), evidence)


def _train_longer(history: History, times: float) -> str:
    """The setting that ended the run, so many times as large."""
    minutes, samples, length = number(history.settings.get("run.minutes")), number(history.settings.get("run.samples")), _length(history)
    if minutes is not None and (samples is None or length is None or length < samples):
        return f"Train a new run with run.minutes={float(f'{times * minutes:.2g}'):g} (it is {minutes:g})."
    if (now := length if samples is None else samples) is None:
        return f"Train a new run with run.samples {times:.0f} times as high."
    return f"Train a new run with run.samples={float(f'{times * now:.2g}'):.0f} (it is {now:,.0f})."


def _too_few_for_rows(history: History) -> Finding | None:
    """The same of rows of choices, of which only how surprising unseen ones are is measured."""
    surprise = numbers(between(history.looks, limit.YOUNG, 1.0), "distance")
    if len(surprise) < limit.LOOKS or history.share < limit.SETTLED:
        raise Absent(f"unseen rows were measured {len(surprise)} times, up to {history.share:.0%} of the run: too few to see a trend.")
    before, now = surprise[2 * len(surprise) // 3 - 1], surprise[-1]
    if (late := over(before - now, surprise[0] - now)) < limit.FALLING:
        return None
    what = f"unseen rows were still becoming more likely when the run ended: {late:.0%} of the whole improvement came in its last third."
    return Finding("H217", "warning", what, _train_longer(history, 3), {"surprise": now, "late": late})


@check("H219")
def data_faults(history: History) -> Finding | None:
    """Faults of the data that were noticed when they were opened, and which no training mends."""
    told = history.data.get("findings")
    if not isinstance(told, list):
        raise Absent("the findings about the data are not recorded: data.json is missing, or was written by an older gansmith.")
    faults = [f for f in told if isinstance(f, Mapping) and f.get("code") in limit.FAULTS and f.get("severity") != "note"]
    if not faults:
        return None
    what, advice = (" ".join(dict.fromkeys(_sentence(f.get(key)) for f in faults)) for key in ("message", "advice"))
    return Finding("H219", "warning", what, advice, {"codes": sorted(str(f["code"]) for f in faults), CERTAIN: True})


def _sentence(text: Any) -> str:
    return text if isinstance(text, str) else ""


@check("H220")
def slow_loading(history: History) -> Finding | None:
    """The players wait for samples."""
    recent = lately(history.speeds, limit.LATELY, limit.FEWEST)
    waiting, playing = typical(recent, "data"), typical(recent, "game")
    if waiting is None or len(recent) < limit.FEWEST:
        raise Absent("how the time was spent is not recorded: this run was trained by an older gansmith, or has only just begun.")
    if waiting < limit.WAITING:
        return None
    what = f"{waiting:.0%} of the time goes into fetching samples{f', and {playing:.0%} into training' if playing is not None else ''}."
    advice = "Keep the data on a local disk, and resize large pictures once, before the run, not at every step."
    severity: Severity = "warning" if waiting > limit.MOSTLY_WAITING else "note"
    return Finding("H220", severity, what, advice, {"fetching": waiting, "training": playing, CERTAIN: True})


@check("H221")
def layer_does_not_learn(history: History) -> Finding | None:
    """Parameters that no gradient reaches, units that are dead, numbers of the latent without effect."""
    seen = window(history)
    frozen, deaf = seen.always("frozen"), seen.maybe("dead_latents")
    shares = {"generator": seen.maybe("dead_g"), "discriminator": seen.maybe("dead_d")}
    dead = {player: share for player, share in shares.items() if share is not None and share > limit.DEAD}
    signs = [f"no gradient reaches {listed(frozen)}"] if frozen else []
    signs += [f"{share:.0%} of the units of the {player} are dead" for player, share in dead.items()]
    if deaf is not None and deaf > limit.DEAF:
        signs.append(f"{deaf:.0%} of the latent's dimensions have no effect")
    if not signs:
        return None
    advice = (
        "Check that every parameter has requires_grad and contributes to the output, that no two consecutive layers are initialised with "
        "zeros, and that activations have a slope everywhere (leaky ReLU); if units died during training, halve the learning rate."
    )
    severity: Severity = "severe" if any(share > limit.ALL_DEAD for share in dead.values()) else "warning"
    from_the_start = bool(frozen) and set(frozen) <= set(Window(history.exams).always("frozen"))  # else they died of something
    evidence = {"frozen": frozen, "dead": dead, "dead latents": deaf, CERTAIN: from_the_start}
    return Finding("H221", severity, f"{'; '.join(signs)}.", advice, evidence)


@check("H222")
def poisoned_samples(history: History) -> Finding | None:
    """Samples of the data that are not finite, and were left out."""
    counts = numbers(history.exams, "poisoned") + numbers(history.ticks[-1:], "poisoned")
    if not counts:
        raise Absent(
            "samples that were left out are not recorded: this run was trained by an older gansmith, or ended before the first examination."
        )
    if max(counts) <= 0:
        return None
    what = f"{max(counts):,.0f} samples were not finite and were left out."
    advice = "Find and fix them in the source: NaN or infinite values, or damaged files."
    return Finding("H222", "warning", what, advice, {"count": max(counts), CERTAIN: True})


@check("H223")
def process_lost(history: History) -> Finding | None:
    """A process of the run ended by itself."""
    lost = sum(line.get("code") == "H223" for line in history.recovered)
    now = "process of this run" in history.stopped
    if not lost and not now:
        return None
    what = (
        history.stopped if now else f"a process was lost {lost} time{'s' if lost > 1 else ''}; the run went on from its newest checkpoint."
    )
    severity: Severity = "severe" if now else "note" if history.share >= 1 else "warning"
    advice = "See workers.log in the run folder; if memory ran out, lower machine.workers or run.batch."
    advice += " Go on with gansmith train --resume." if now else ""
    return Finding("H223", severity, what, advice, {"times": lost, CERTAIN: True})
