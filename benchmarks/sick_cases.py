"""The runs of benchmarks/sick.py: what each is trained on and with, and which illness its cause is, said before any check has looked.

A sick run has one natural cause: a setting that someone would choose, a module that someone would write, data that someone would have. The
healthy ones are the automatic recipe and what lies near it, other games with sane settings, named recipes, and modules of one's own that
are written well.

Left out are illnesses that no cause was found for in runs of this length, or none that trains. Logits that drift (H208) are here only
beside what makes them large. An average cannot lag (H215) by its half-life, which never exceeds a twentieth of the samples seen, only by
batch statistics; and two pictures a batch (H216) do no harm without these. Data are decoded before training and then lie in memory, so that
loading them is never slower (H220). Files that hold what is not finite (H222) are refused when they are opened, and one process loses no
other (H223).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pictures import digits, idx
from prove import saved
from torch import Tensor, nn

from gansmith import LossPair

# --- data -----------------------------------------------------------------------------------------------------------------------------

SAMPLES = {"ring": 400_000, "grid": 600_000, "digits": 120_000, "fashion": 30_000, "table": 150_000}  # seen in a run, unless a case says so


@dataclass(frozen=True)
class Source:
    """What a run is trained on, and real samples of the same kind that it has not seen: raw [N, ...], their classes [N] where there are."""

    path: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    real: np.ndarray | None = None
    labels: np.ndarray | None = None


def source(name: str, data: Path, work: Path) -> Source:
    """The data of a case, below `work` where they have to be made."""
    work.mkdir(parents=True, exist_ok=True)
    kind, _, part = name.partition("-")
    if kind in ("ring", "grid"):
        return Source(f"toy:{kind}", real=points(kind))
    if kind == "digits":
        x, y, test_x, test_y = digits()
    elif kind == "fashion":
        x, y, test_x, test_y = fashion(data)
    else:
        return Source(str(rows(kind, int(part), data, work)))
    if not part and kind == "fashion":
        return Source(str(data / "fashion-mnist"), real=test_x[:REFERENCE, ..., None].copy(), labels=test_y[:REFERENCE].astype(np.int64))
    x, y = PARTS[part.rstrip("0123456789-") or "few"](x, y, part) if part else (x, y)
    known = np.isin(test_y, np.unique(y)) if part.startswith("classes") else np.full(len(test_y), True)
    named = {k: i for i, k in enumerate(np.unique(y))}  # classes of a run are numbered from 0
    real, labels = test_x[known][:REFERENCE, ..., None], np.array([named[k] for k in test_y[known][:REFERENCE]])
    return Source(str(saved(work / f"{name}.npz", x, y)), real=real, labels=labels)


REFERENCE = 1_000  # real samples that a generator's are held against


def points(kind: str) -> np.ndarray:
    """Fresh points [N, 2] of a toy mixture."""
    from gansmith.domains.toy.sources import TOYS

    known, rng = TOYS[f"toy:{kind}"]().known, np.random.default_rng(0)
    centres = np.array(known["centres"])
    return (centres[rng.integers(len(centres), size=REFERENCE)] + known["sigma"] * rng.standard_normal((REFERENCE, 2))).astype(np.float32)


def fashion(data: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pictures and classes to train on and to test with."""
    folder = data / "fashion-mnist"
    x, test_x = (idx(folder / f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k"))
    y, test_y = (idx(folder / f"{part}-labels-idx1-ubyte.gz") for part in ("train", "t10k"))
    return x, y, test_x, test_y


def rows(name: str, count: int, data: Path, work: Path) -> Path:
    """A file of so many rows of a benchmark table, drawn once."""
    import pandas as pd

    path = work / f"{name}-{count}.csv"
    if not path.exists():
        table = pd.read_csv(data / "tables" / f"{name}.csv.gz", dtype=str, keep_default_na=False)
        table.iloc[np.sort(np.random.default_rng(0).permutation(len(table))[:count])].to_csv(path, index=False)
    return path


Pictures = tuple[np.ndarray, np.ndarray]


def few(x: np.ndarray, y: np.ndarray, part: str) -> Pictures:
    """So many pictures in all, of every class as many."""
    each = max(1, int(part) // len(np.unique(y)))
    chosen = np.sort(np.concatenate([np.flatnonzero(y == k)[:each] for k in np.unique(y)]))
    return x[chosen], y[chosen]


def classes(x: np.ndarray, y: np.ndarray, part: str) -> Pictures:
    """The first so many classes."""
    chosen = y < int(part.removeprefix("classes"))
    return x[chosen], y[chosen]


def copies(x: np.ndarray, y: np.ndarray, part: str) -> Pictures:
    """So many different pictures, each of them thirty times, as in a folder that was gathered carelessly."""
    x, y = few(x, y, part.removeprefix("copies"))
    return np.repeat(x, 30, 0), np.repeat(y, 30)


def variants(x: np.ndarray, y: np.ndarray, part: str) -> Pictures:
    """So many different pictures, each in twelve variants a few grey levels apart, as a tool that augments saves them."""
    x, y = few(x, y, part.removeprefix("variants"))
    noise = np.random.default_rng(0).integers(-4, 5, (12, *x.shape))
    return (x[None].astype(int) + noise).clip(0, 255).astype(np.uint8).reshape(-1, *x.shape[1:]), np.tile(y, 12)


def skewed(x: np.ndarray, y: np.ndarray, part: str) -> Pictures:
    """The last class with so many pictures, 500 times fewer than the first, and the others whole."""
    least = int(part.removeprefix("skewed"))
    chosen = np.sort(np.concatenate([np.flatnonzero(y == k)[: 500 * least if k < y.max() else least] for k in np.unique(y)]))
    return x[chosen], y[chosen]


def shuffled(x: np.ndarray, y: np.ndarray, part: str) -> Pictures:
    """Labels in another order than the pictures, as where two lists were sorted differently."""
    return x, np.random.default_rng(0).permutation(y)


PARTS: dict[str, Callable[[np.ndarray, np.ndarray, str], Pictures]] = {
    "few": few, "classes": classes, "copies": copies, "variants": variants, "skewed": skewed, "shuffled": shuffled,
}  # fmt: skip


# --- modules that a user would write --------------------------------------------------------------------------------------------------

LATENT = 64
SHAPES = {"digits": (1, 8, 8), "fashion": (1, 28, 28)}
CLASSES = 10


class Dense(nn.Module):
    """A generator of small pictures: latent and class through two layers of 256, then `end`.

    used    numbers of the latent that are looked at; the others have no effect
    deaf    the class has none
    norm    momentum of batch statistics behind each layer; None: there are none
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        end: Callable[[Tensor], Tensor] = torch.tanh,
        used: int = LATENT,
        deaf: bool = False,
        norm: float | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.end, self.used, self.deaf = shape, end, used, deaf
        self.layers = nn.ModuleList((nn.Linear(used + CLASSES, 256), nn.Linear(256, 256)))
        self.norms = nn.ModuleList(nn.Identity() if norm is None else nn.BatchNorm1d(256, momentum=norm) for _ in self.layers)
        self.last = nn.Linear(256, int(np.prod(shape)))

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        h = torch.cat((latent[:, : self.used], 0 * condition if self.deaf else 3 * condition), 1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = F.leaky_relu(norm(layer(h)), 0.2)
        return self.end(self.last(h)).reshape(-1, *self.shape)


class Conv(nn.Module):
    """A generator of 28 by 28 pictures from a grid of 7 by 7, enlarged twice.

    woven   by transposed convolutions of 3 places at a stride of 2, whose kernels overlap unevenly; else by interpolation
    border  places on each side that are left at 0, the grey between black and white: drawn on 6 by 6, and padded
    """

    def __init__(self, woven: bool = False, border: int = 0, end: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__()
        self.grid, self.border, self.end = (28 - 2 * border) // 4, border, end
        self.start = nn.Linear(LATENT + CLASSES, 64 * self.grid**2)
        self.mix = nn.Conv2d(64, 64, 3, padding=1)
        if woven:
            self.ups = nn.ModuleList((nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.ConvTranspose2d(32, 1, 3, 2, 1, 1)))
        else:
            up = lambda a, b: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(a, b, 3, padding=1))  # noqa: E731
            self.ups = nn.ModuleList((up(64, 32), up(32, 1)))

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        h = F.leaky_relu(self.start(torch.cat((latent, 3 * condition), 1)).reshape(-1, 64, self.grid, self.grid), 0.2)
        h = F.leaky_relu(self.mix(h), 0.2)
        h = F.leaky_relu(self.ups[0](h), 0.2)
        return F.pad(self.end(self.ups[1](h)), [self.border] * 4)


class Judge(nn.Module):
    """A discriminator of small pictures: picture and class through two layers, then `end`.

    deaf    the class has no effect
    """

    def __init__(
        self, shape: tuple[int, ...], width: int = 256, deaf: bool = False, end: Callable[[Tensor], Tensor] = lambda logit: logit
    ) -> None:
        super().__init__()
        self.deaf, self.end = deaf, end
        size = int(np.prod(shape))
        self.layers = nn.ModuleList((nn.Linear(size + CLASSES, width), nn.Linear(width, width)))
        self.last = nn.Linear(width, 1)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, 0.2)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = torch.cat((x.flatten(1), 0 * condition if self.deaf else 3 * condition), 1)
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.2)
        return self.end(self.last(h)).squeeze(1)


def frozen(module: nn.Module, *names: str) -> nn.Module:
    """A module whose layers of these names require no gradient, as left so after another experiment."""
    for name in names:
        module.get_submodule(name).requires_grad_(False)
    return module


def zeroed(module: nn.Module, *names: str) -> nn.Module:
    """A module whose layers of these names begin with zeros: two in a row pass no gradient to each other, ever."""
    for name in names:
        for parameter in module.get_submodule(name).parameters():
            nn.init.zeros_(parameter)
    return module


def unscaled(module: nn.Module) -> nn.Module:
    """A module whose weights begin with a deviation of 1, as torch.randn gives them."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter)
    return module


def naive() -> LossPair:
    """The logistic game through a sigmoid and a logarithm, as it stands in the paper: of a sure discriminator the logarithm of 0."""
    return LossPair(
        real=lambda real, fake: -torch.log(torch.sigmoid(real)),
        fake=lambda real, fake: -torch.log(1 - torch.sigmoid(fake)),
        generator=lambda real, fake: -torch.log(torch.sigmoid(fake)),
    )


Made = Callable[[tuple[int, ...]], dict[str, Any]]  # from the shape of a sample to modules and losses, as gansmith.train takes them


# --- cases ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Case:
    """One way to train, which several seeds share.

    illness      code of the illness that the cause is; "": healthy
    also         codes that name the same thing as truly; each is justified where it stands
    fact         the fault lies in the data or a module, and is there from the first step whatever the samples come out like
    recoverable  whether other settings, chosen in the middle of the run, could mend it
    """

    name: str
    data: str
    illness: str = ""
    also: frozenset[str] = frozenset()
    fact: bool = False
    recoverable: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: str | None = None
    parts: Made | None = None
    length: float = 1.0  # times the samples of its domain
    seeds: Sequence[int] = (1, 2)

    @property
    def domain(self) -> str:
        kind = self.data.partition("-")[0]
        return kind if kind in SAMPLES else "table"

    @property
    def samples(self) -> int:
        return int(SAMPLES[self.domain] * self.length)


def codes(*names: str) -> frozenset[str]:
    return frozenset(names)


def rates(both: float) -> dict[str, float]:
    """One rate for both players."""
    return {"optimiser.lr_generator": both, "optimiser.lr_discriminator": both}


RATE = {"ring": 2e-3, "grid": 2e-3, "digits": 1e-3, "fashion": 1.5e-3}  # of the generator in the automatic recipe …
GAMMA = {"ring": 0.02, "grid": 0.02, "digits": 0.19, "fashion": 2.7}  # … and about the weight of its penalty
FREE = {"penalty.gamma": 0.0, "loss.centring": 0.0}  # nothing holds the discriminator
ALONE = {"data.labels": "none"}  # nothing but the discriminator keeps the generator from one class
OLD = {"optimiser.beta1": 0.5, **FREE}  # as before penalties were known

# A rate far too high has no code of its own. Steps are thrown about (H207), which is seen as a distance that gets nowhere (H209), as
# samples that are all alike (H201, H202), or as outputs driven to their ends and held there (H211).
THROWN = codes("H201", "H202", "H209", "H211")
# Where nothing holds the discriminator, the illness is that nothing does (H214). The shape that it takes is as true a name: slopes and
# logits that grow without end (H207, H208), a discriminator that wins (H205), a generator that runs from one few to the next (H202, H209).
LOOSE = codes("H202", "H205", "H207", "H208", "H209")
# The discriminator knows a few samples by heart (H204), and by it the generator does (H218): one illness, seen on either side.
BY_HEART = codes("H204", "H218")
# A generator that is far quicker than its discriminator runs to the few samples that this likes best: the cause (H206), and what comes of
# it, of all (H201) or within each class (H202).
OUTRUN = codes("H201", "H202", "H206")

SICK = (
    # collapse, and variety that cannot be had
    Case(
        "digits-outrun",
        "digits",
        "H201",
        codes("H206", "H214"),
        recoverable=True,
        settings={"loss.name": "nonsaturating", "optimiser.lr_generator": 1e-2, "optimiser.lr_discriminator": 1e-4, **FREE, **ALONE},
    ),
    Case(
        "digits-minimax",
        "digits",
        "H201",
        codes("H214"),
        recoverable=True,
        settings={"loss.name": "minimax", "optimiser.lr_generator": 5e-3, **OLD, **ALONE},
    ),
    Case(
        "digits-article",
        "digits",
        "H201",
        codes("H202", "H206", "H214"),
        recipe="article",
        recoverable=True,
        settings={"optimiser.lr_generator": 4e-3, **ALONE},
    ),
    Case("ring-minimax", "ring", "H202", codes("H214"), settings={"loss.name": "minimax", **OLD}, recoverable=True),
    Case("grid-minimax", "grid", "H202", codes("H214"), settings={"loss.name": "minimax", **OLD}, length=0.5, recoverable=True),
    Case("digits-latent-1", "digits", "H202", settings={"network.latent": 1, **ALONE}),
    Case("digits-latent-1-classes", "digits", "H202", settings={"network.latent": 1}),
    # a condition that nobody looks at, or labels that say nothing, which are a fault of the data, too
    Case("digits-deaf", "digits", "H203", parts=lambda shape: {"generator": Dense(shape, deaf=True)}),
    Case("digits-deaf-judge", "digits", "H203", parts=lambda shape: {"discriminator": Judge(shape, deaf=True)}),
    Case("digits-shuffled", "digits-shuffled", "H203", codes("H219"), fact=True),
    Case("fashion-shuffled", "fashion-shuffled", "H203", codes("H219"), fact=True, seeds=(1,)),
    # few samples, and no augmentation
    Case("digits-20", "digits-20", "H218", BY_HEART, settings={"run.batch": 16}, length=0.5),
    Case("digits-50", "digits-50", "H218", BY_HEART, settings={"run.batch": 32}),
    Case("digits-100", "digits-100", "H204", BY_HEART, settings={"run.batch": 32}),
    Case("digits-300", "digits-300", "H204", BY_HEART, settings={"penalty.gamma": 0.0}, recoverable=True),
    Case("fashion-50", "fashion-50", "H204", BY_HEART, settings={"run.batch": 32, "augment.strength": 0.0}, recoverable=True),
    # a game whose gradient vanishes where the discriminator is sure, and one that is
    *(
        Case(
            f"{kind}-sure",
            kind,
            "H205",
            codes("H214"),
            recoverable=True,
            length=0.6,
            seeds=(1, 2) if kind != "fashion" else (1,),
            settings={"loss.name": "minimax", "game.critics": 5, "optimiser.lr_discriminator": 4 * RATE[kind], **FREE},
        )
        for kind in ("ring", "digits", "fashion")
    ),
    # a discriminator that cannot tell: too slow, too small, or of a logit between 0 and 1, which passes next to no gradient at its ends
    *(
        Case(
            f"{kind}-slow",
            kind,
            "H206",
            OUTRUN,
            settings={"optimiser.lr_discriminator": RATE[kind] / 100},
            length=0.5,
            recoverable=True,
            seeds=seeds,
        )
        for kind, seeds in (("ring", (1, 2)), ("grid", (1,)), ("digits", (1, 2)), ("fashion", (1,)))
    ),
    Case("digits-tiny", "digits", "H206", OUTRUN, parts=lambda shape: {"discriminator": Judge(shape, width=2)}, length=0.5),
    Case(
        "digits-squeezed",
        "digits",
        "H206",
        codes("H205", "H221"),
        length=0.5,
        parts=lambda shape: {"discriminator": Judge(shape, end=torch.sigmoid)},
    ),
    # rates far too high, and weights that begin far too large, of which all that a discriminator says is too loud (H208)
    *(
        Case(f"{kind}-rate-10", kind, "H207", THROWN, settings=rates(10 * RATE[kind]), length=0.5, recoverable=True, seeds=seeds)
        for kind, seeds in (("ring", (1, 2)), ("grid", (1,)), ("digits", (1, 2)), ("fashion", (1,)))
    ),
    Case("digits-rate-100", "digits", "H207", THROWN, settings=rates(100 * RATE["digits"]), length=0.5, recoverable=True),
    Case(
        "digits-loud",
        "digits",
        "H207",
        codes("H208"),
        length=0.5,
        parts=lambda shape: {"discriminator": unscaled(Judge(shape))},
    ),
    # momentum in a game that turns
    Case("ring-momentum", "ring", "H209", settings={"optimiser.beta1": 0.9}, length=0.5, recoverable=True),
    Case(
        "grid-momentum",
        "grid",
        "H209",
        codes("H214"),
        settings={"optimiser.beta1": 0.9, "penalty.gamma": 0.0},
        length=0.5,
        recoverable=True,
    ),
    # not finite
    *(
        Case(f"{kind}-rate-1000000", kind, "H210", settings=rates(1e6 * RATE[kind]), recoverable=True, seeds=(1,))
        for kind in ("ring", "digits", "fashion")
    ),
    Case(
        "digits-naive",
        "digits",
        "H210",
        codes("H214"),
        settings={"penalty.gamma": 0.0, **rates(100 * RATE["digits"])},
        length=0.5,
        recoverable=True,
        parts=lambda shape: {"loss": naive()},
    ),
    # outputs driven to their ends from the first step, where a tanh passes no gradient back: its layers do not learn (H221)
    Case("digits-unscaled", "digits", "H211", codes("H221"), length=0.5, parts=lambda shape: {"generator": unscaled(Dense(shape))}),
    Case("fashion-unscaled", "fashion", "H211", codes("H221"), length=0.5, parts=lambda shape: {"generator": unscaled(Conv())}),
    # pictures that cannot be like the real ones: from 0 to 1, which is driven to its lower end (H211); of another frame; woven
    Case("digits-range", "digits", "H212", codes("H211"), length=0.5, parts=lambda shape: {"generator": Dense(shape, torch.sigmoid)}),
    Case("fashion-range", "fashion", "H212", codes("H211"), length=0.5, parts=lambda shape: {"generator": Conv(end=torch.sigmoid)}),
    Case("fashion-border", "fashion", "H212", length=0.7, parts=lambda shape: {"generator": Conv(border=2)}),
    Case("fashion-woven", "fashion", "H212", length=0.7, parts=lambda shape: {"generator": Conv(woven=True)}),
    # the penalty
    *(
        Case(
            f"{kind}-held-flat",
            kind,
            "H213",
            codes("H206"),
            settings={"penalty.gamma": 1000 * GAMMA[kind]},
            length=0.5,
            recoverable=True,
            seeds=seeds,
        )
        for kind, seeds in (("ring", (1, 2)), ("digits", (1, 2)), ("fashion", (1,)))
    ),
    Case("digits-free", "digits", "H214", LOOSE, settings={"loss.name": "nonsaturating", **OLD, **ALONE}, recoverable=True),
    Case("grid-free", "grid", "H214", LOOSE, settings={"loss.name": "nonsaturating", **OLD}, recoverable=True),
    Case("fashion-free", "fashion", "H214", LOOSE, settings={"loss.name": "nonsaturating", **OLD}, length=0.7, recoverable=True),
    Case("ring-free-critic", "ring", "H214", LOOSE, settings={"loss.name": "wasserstein", "penalty.gamma": 0.0}, recoverable=True),
    Case("digits-free-critic", "digits", "H214", LOOSE, settings={"loss.name": "wasserstein", "penalty.gamma": 0.0}, recoverable=True),
    Case(
        "fashion-free-critic",
        "fashion",
        "H214",
        LOOSE,
        settings={"loss.name": "wasserstein", "penalty.gamma": 0.0},
        length=0.7,
        recoverable=True,
    ),
    Case(
        "digits-hardly-held",
        "digits",
        "H214",
        LOOSE | BY_HEART,
        settings={"penalty.gamma": GAMMA["digits"] / 1000},
        length=2.0,
        recoverable=True,
    ),
    # batch statistics that hardly follow, so that the averaged generator draws with old ones; and statistics of two samples
    Case("digits-stale", "digits", "H215", length=0.5, parts=lambda shape: {"generator": Dense(shape, norm=1e-4)}),
    Case("fashion-stale", "fashion", "H215", length=0.5, parts=lambda shape: {"generator": Dense(shape, norm=1e-4)}, seeds=(1,)),
    Case(
        "digits-pairs", "digits", "H216", length=0.1, settings={"run.batch": 2}, parts=lambda shape: {"generator": Dense(shape, norm=0.1)}
    ),
    # a tenth of the steps
    *(Case(f"{kind}-short", kind, "H217", length=0.1) for kind in ("ring", "grid", "digits", "fashion")),
    # data: equal pictures, and nearly equal ones, of which so few are different that they are learned by heart, too; a class of 4
    Case("digits-copies", "digits-copies40", "H219", BY_HEART, fact=True),
    Case("digits-variants", "digits-variants100", "H219", BY_HEART, fact=True),
    Case("fashion-skewed", "fashion-skewed4", "H219", fact=True, length=0.7, seeds=(1,)),
    # layers that were left frozen, that began with zeros, or that leave most of the latent aside
    Case("digits-frozen", "digits", "H221", fact=True, parts=lambda shape: {"generator": frozen(Dense(shape), "layers.1")}, length=0.7),
    Case(
        "digits-frozen-judge",
        "digits",
        "H221",
        fact=True,
        parts=lambda shape: {"discriminator": frozen(Judge(shape), "layers.0")},
        length=0.7,
    ),
    Case(
        "digits-zeroed",
        "digits",
        "H221",
        codes("H201"),  # nothing of the latent reaches the samples, so there is one
        fact=True,
        parts=lambda shape: {"generator": zeroed(Dense(shape), "layers.1", "last")},
        length=0.7,
    ),
    Case("digits-used-2", "digits", "H221", fact=True, parts=lambda shape: {"generator": Dense(shape, used=2)}, length=0.7),
    Case(
        "fashion-frozen", "fashion", "H221", fact=True, parts=lambda shape: {"generator": frozen(Conv(), "ups.0")}, length=0.7, seeds=(1,)
    ),
)


def game(name: str, **more: float) -> dict[str, Any]:
    """Another pair of losses, all else automatic."""
    return {"loss.name": name, **more}


HEALTHY = (
    Case("ring", "ring", seeds=(1, 2, 3, 4, 5)),
    Case("ring-shorter", "ring", length=0.7),
    Case("ring-longer", "ring", length=2.0, seeds=(1,)),
    Case("ring-wide", "ring", settings={"network.width": 256}, seeds=(1,)),
    Case("ring-batch-64", "ring", settings={"run.batch": 64}, length=0.7, seeds=(1,)),
    Case("ring-rate-half", "ring", settings=rates(RATE["ring"] / 2), seeds=(1, 2)),
    Case("ring-nonsaturating", "ring", settings=game("nonsaturating")),
    Case("ring-hinge", "ring", settings=game("hinge"), seeds=(1,)),
    Case("ring-pack", "ring", settings={"game.pack": 2}, seeds=(1,)),
    Case("ring-held-more", "ring", settings={"penalty.gamma": 3 * GAMMA["ring"]}, seeds=(1,)),
    Case("grid", "grid", seeds=(1, 2, 3)),
    Case("grid-nonsaturating", "grid", settings=game("nonsaturating"), seeds=(1,)),
    Case("grid-held-less", "grid", settings={"penalty.gamma": GAMMA["grid"] / 3}, seeds=(1,)),
    Case("digits", "digits", seeds=range(1, 11)),
    Case("digits-alone", "digits", settings=ALONE, seeds=(1, 2, 3)),
    Case("digits-classes3", "digits-classes3", settings={"run.batch": 64}),
    Case("digits-classes1", "digits-classes1", settings={"run.batch": 32}, length=0.3, seeds=(1,)),
    Case("digits-shorter", "digits", length=0.5),
    Case("digits-longer", "digits", length=2.0),
    Case("digits-nonsaturating", "digits", settings=game("nonsaturating")),
    Case("digits-hinge", "digits", settings=game("hinge")),
    Case("digits-least-squares", "digits", settings=game("least-squares")),
    Case("digits-relativistic-average", "digits", settings=game("relativistic-average"), seeds=(1,)),
    Case("digits-dual-contrastive", "digits", settings=game("dual-contrastive"), seeds=(1,)),
    Case("digits-wgan-gp", "digits", recipe="wgan-gp", length=2.0),
    Case("digits-narrow", "digits", settings={"network.width": 128}),
    Case("digits-wide", "digits", settings={"network.width": 512}, seeds=(1,)),
    Case("digits-batch-64", "digits", settings={"run.batch": 64}),
    Case("digits-batch-256", "digits", settings={"run.batch": 256}, length=1.5, seeds=(1,)),
    Case("digits-rate-half", "digits", settings=rates(RATE["digits"] / 2)),
    Case("digits-held-more", "digits", settings={"penalty.gamma": 3 * GAMMA["digits"]}),
    Case("digits-held-less", "digits", settings={"penalty.gamma": GAMMA["digits"] / 3}),
    Case("digits-shown", "digits", settings={"network.conditioning": "concatenation"}, seeds=(1,)),
    Case("digits-said", "digits", settings={"network.conditioning": "auxiliary"}, seeds=(1,)),
    Case("digits-spectral", "digits", settings={"network.spectral": True}, seeds=(1,)),
    Case("digits-momentum-half", "digits", settings={"optimiser.beta1": 0.5}, seeds=(1,)),
    Case("digits-optimistic", "digits", settings={"optimiser.name": "optimistic"}, seeds=(1,)),
    Case("digits-average-half", "digits", settings={"average.halflife": 10_000}, seeds=(1,)),
    Case("digits-held-out-third", "digits", settings={"data.held_out": 0.33}, seeds=(1,)),
    Case("digits-pack", "digits", settings={"game.pack": 2}, seeds=(1,)),
    Case("digits-own", "digits", parts=lambda shape: {"generator": Dense(shape)}, seeds=(1, 2, 3)),
    Case("digits-own-norm", "digits", parts=lambda shape: {"generator": Dense(shape, norm=0.1)}),
    Case("digits-own-pair", "digits", parts=lambda shape: {"generator": Dense(shape), "discriminator": Judge(shape)}, length=1.5),
    Case("fashion", "fashion", seeds=(1, 2, 3)),
    Case("fashion-classes5", "fashion-classes5", seeds=(1,)),
    Case("fashion-alone", "fashion", settings=ALONE, seeds=(1,)),
    Case("fashion-nonsaturating", "fashion", settings=game("nonsaturating"), seeds=(1,)),
    Case("fashion-hinge", "fashion", settings=game("hinge"), seeds=(1,)),
    Case("fashion-narrow", "fashion", settings={"network.width": 8}, seeds=(1,)),
    Case("fashion-batch-32", "fashion", settings={"run.batch": 32}, seeds=(1,)),
    Case("fashion-held-less", "fashion", settings={"penalty.gamma": GAMMA["fashion"] / 3}, seeds=(1,)),
    Case("fashion-own", "fashion", parts=lambda shape: {"generator": Conv()}),
    Case("fashion-1000", "fashion-1000"),
    Case("adult", "adult-5000"),
    Case("magic", "magic_gamma-5000", seeds=(1,)),
    Case("shoppers", "online_shoppers-5000", seeds=(1,)),
    Case("credit", "credit_default-3000", length=0.7, seeds=(1,)),
)

# Automatic runs on the few samples of a sick one, or as short as one, where no healthy run is: how well such a run can come out at all.
# They are neither accused nor named, for whether they are healthy is a matter of taste.
CONTROLS = (
    Case("digits-300-automatic", "digits-300"),
    Case("fashion-50-automatic", "fashion-50", settings={"run.batch": 32}),
    Case("fashion-three-fifths", "fashion", length=0.6),
    Case("ring-half", "ring", length=0.5),
    Case("grid-half", "grid", length=0.5),
    Case("fashion-shorter", "fashion", length=0.7),
    Case("fashion-half", "fashion", length=0.5),
)

CASES = (*SICK, *HEALTHY, *CONTROLS)
