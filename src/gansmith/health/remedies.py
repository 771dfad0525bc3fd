"""What a run changes when it goes back to its last healthy moment: settings alone, and none that the shape of a network depends on. One on
which the samples of a step depend is changed only where the run begins anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gansmith.health.history import number
from gansmith.records import Finding

Changes = dict[str, Any]

STEEPEST = 1e6  # weight of a penalty, beyond which more of it is no remedy
SLOWEST = 1e-7  # learning rate, below which a run does not move
FACTOR = 3.0  # by which a weight is changed: less is not felt (docs/penalty.md), more may be the opposite illness
PUBLISHED = 10.0  # weight of a penalty that asks for a slope of 1 (arXiv:1704.00028) …
ONE_CENTRED = ("wgan-gp", "lp", "dragan")  # … which these do
STRENGTH = 0.8  # of the augmentation, above which it may show in samples (arXiv:2006.06676)
CENTRING = (1e-3, 1e-1)  # weight of the square of the mean logit: the usual one, and the largest that is tried
RATES = ("optimiser.lr_generator", "optimiser.lr_discriminator")
BETAS = ("optimiser.beta1", "optimiser.beta2", "optimiser.beta2_end")
WEIGHTS = ("penalty.gamma", "penalty.gamma_end")


@dataclass(frozen=True)
class Now:
    """What a step of a treatment knows: the run's settings, those the automatic recipe would choose for the data, what was found."""

    settings: Mapping[str, Any]
    automatic: Mapping[str, Any]
    finding: Finding

    def number(self, name: str) -> float | None:
        return number(self.settings.get(name))

    def usual(self, name: str) -> float | None:
        """The automatic value of a setting; None where it is not known."""
        return number(self.automatic.get(name))


Step = Callable[[Now], Changes]


def remedy(
    finding: Finding, settings: Mapping[str, Any], tries: int = 0, automatic: Mapping[str, Any] | None = None, anew: bool = False
) -> Changes:
    """Dotted settings and their new values, each other than it is; {} where nothing more can be done, or settings cannot mend the illness.

    settings   of the run as it is: dotted name -> value
    tries      how often this illness was treated before in this run; each time goes further
    automatic  what the automatic recipe would have chosen for the data, dotted name -> value: remedies go towards it
    anew       the run goes back to its start
    """
    now, treatment = Now(settings, automatic or {}, finding), TREATMENTS.get(finding.code, ())
    # from the start also one step of the discriminator for one of the generator, which else takes too few in a run of that many samples
    always = {"game.critics": 1} if anew and {usual_game, exact_numbers} & set(treatment) else {}
    for step in treatment[tries:]:
        if changes := {name: value for name, value in (always | step(now)).items() if name in settings and settings[name] != value}:
            return changes
    return {}


def changeable(settings: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run that other values would do something for: the name of a loss does nothing where a loss was brought."""
    own = data.get("own")
    fixed = {"loss.name"} if isinstance(own, Mapping) and own.get("loss") else set()
    return {name: value for name, value in settings.items() if name not in fixed}


def usual_game(now: Now) -> Changes:
    """What the automatic recipe plays: relativistic pairing, R1 and R2 of the automatic weight, and about its learning rates."""
    centring = max(CENTRING[0], now.number("loss.centring") or 0.0)
    betas = {name: usual for name in BETAS if (usual := now.usual(name)) is not None}
    return {
        "loss.name": "relativistic",
        "loss.centring": centring,
        "game.kept": 1.0,
        **betas,
        **_about_usual_rates(now),
        **usual_penalty(now),
    }


def usual_penalty(now: Now) -> Changes:
    """R1 and R2 of the automatic weight, in the place of what there is."""
    usual = now.usual("penalty.gamma")
    compiled = now.settings.get("machine.compile") and now.settings.get("penalty.form") != "finite"  # which has no second derivative
    if not usual or compiled:
        return {}
    return {"penalty.name": "r1+r2", "penalty.clip": None, **dict.fromkeys(WEIGHTS, usual)}


def firmer(now: Now) -> Changes:
    """A stronger penalty; the automatic one where there is none."""
    if not now.number("penalty.gamma"):
        return usual_penalty(now)
    return {name: min(FACTOR * w, STEEPEST) for name in WEIGHTS if (w := now.number(name)) and w < STEEPEST}


def looser(now: Now) -> Changes:
    """The automatic weight where that is less, of a penalty that asks for a slope of 1 the published one, else a weaker penalty."""
    usual = PUBLISHED if now.settings.get("penalty.name") in ONE_CENTRED else now.usual("penalty.gamma")
    weights = {name: w for name in WEIGHTS if (w := now.number(name))}
    return {name: usual if usual and w > FACTOR * usual else w / FACTOR for name, w in weights.items()}


def slower(now: Now) -> Changes:
    """Half the learning rates."""
    return {name: rate / 2 for name in RATES if (rate := now.number(name)) is not None and rate > SLOWEST}


def usual_rates(now: Now) -> Changes:
    """The automatic learning rates where they are lower, else half of those there are."""
    return _lower_rates(now) or slower(now)


def _lower_rates(now: Now) -> Changes:
    return {name: usual for name in RATES if (usual := now.usual(name)) is not None and usual < (now.number(name) or 0.0)}


def _about_usual_rates(now: Now) -> Changes:
    """The automatic learning rates in the place of higher ones, and of such as are lower by more than FACTOR."""
    rates = {name: (now.number(name), now.usual(name)) for name in RATES}
    return {name: usual for name, (rate, usual) in rates.items() if rate and usual and (rate > usual or FACTOR * rate < usual)}


def slower_and_firmer(now: Now) -> Changes:
    return slower(now) | firmer(now)


def slower_discriminator(now: Now) -> Changes:
    rate = now.number("optimiser.lr_discriminator")
    return {"optimiser.lr_discriminator": rate / 2} if rate is not None and rate > SLOWEST else {}


def quicker_discriminator(now: Now) -> Changes:
    """A discriminator as quick as the automatic one and the generator; where it is that already, a generator at half the rate."""
    mine, other = now.number("optimiser.lr_discriminator"), now.number("optimiser.lr_generator")
    if mine is None or other is None:
        return {}
    level = max(mine, other, now.usual("optimiser.lr_discriminator") or 0.0)
    return {"optimiser.lr_discriminator": level} if level > mine else {"optimiser.lr_generator": other / 2}


def augmented(now: Now) -> Changes:
    """Samples changed before the discriminator sees them, as strongly as does not show in what is generated; and the automatic penalty
    where there is none, for what nothing holds can be steep between any two samples."""
    held = {} if now.number("penalty.gamma") else usual_penalty(now)
    if (now.number("augment.strength") or 0.0) >= STRENGTH and now.settings.get("augment.policy") != "none":
        return held
    policy = {"augment.policy": "few"} if now.settings.get("augment.policy") == "none" else {}
    return {**policy, "augment.strength": STRENGTH, **held}


def centred(now: Now) -> Changes:
    """Ten times the weight that holds the mean logit near 0."""
    weight = now.number("loss.centring") or 0.0
    return {"loss.centring": max(CENTRING[0], 10 * weight)} if 10 * weight <= CENTRING[1] else {}


def exact_numbers(now: Now) -> Changes:
    """All digits, and the usual game."""
    return {"machine.precision": "fp32"} | usual_game(now)


def quicker_average(now: Now) -> Changes:
    """The automatic half-life of the average where that is less, else a tenth."""
    present, usual = now.number("average.halflife"), now.usual("average.halflife")
    if present is None:
        return {}
    return {"average.halflife": int(usual) if usual is not None and usual < present else max(1, int(present / 10))}


def revived(now: Now) -> Changes:
    """Shorter steps, where units died on the way; nothing where a layer was never reached by a gradient."""
    return usual_rates(now) | firmer(now) if now.finding.evidence.get("dead") else {}


# of each illness that settings can mend, one step a try; where a step would change nothing, the next is taken
TREATMENTS: Mapping[str, tuple[Step, ...]] = {
    "H201": (usual_game, slower_and_firmer, slower_and_firmer),
    "H202": (usual_game, slower, slower_and_firmer),  # half the rate brought back modes and ended crises (docs/results.md)
    "H204": (augmented, firmer, firmer),
    "H205": (usual_game, firmer, slower_discriminator),
    "H206": (quicker_discriminator, looser, quicker_discriminator),
    "H207": (usual_rates, slower_and_firmer, slower_and_firmer),
    "H208": (centred, centred, centred),
    "H209": (usual_game, slower, slower_and_firmer),
    "H210": (exact_numbers, slower_and_firmer, slower_and_firmer),
    "H211": (usual_game, slower, slower_and_firmer),
    "H213": (looser, looser, looser),
    "H214": (usual_game, firmer, slower_and_firmer),
    "H215": (quicker_average, quicker_average),
    "H216": (slower, slower),
    "H218": (augmented, firmer, firmer),
    "H221": (revived, revived),
}
