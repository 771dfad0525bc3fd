"""Are illnesses of a run named, are healthy runs left in peace, and does the guard mend what can be mended? Really trained runs, judged.

    python benchmarks/sick.py run [CASE ...] [--domain digits] [--illness H205] [--seeds 1] [--part open] [--data FOLDER] [--work FOLDER]
    python benchmarks/sick.py judge [the same] [--out FILE]      what the checks say of the histories that `run` left; trains nothing
    python benchmarks/sick.py recover [the same]                 train the cases that settings can mend again, with the guard on
    python benchmarks/sick.py list [the same]

The runs are those of benchmarks/sick_cases.py: each case, with each of its seeds. What illness a case has was said of its cause before any
check had looked. Half of the runs, chosen by a hash of case and seed, are `aside`: thresholds are chosen on the `open` ones alone, and of
those set aside nothing but the sums is printed unless --part aside is asked for. Once that has been read it is open too: --fresh 1 takes
a seed of each case that was in neither.

Whether a run fell ill at all is measured without the checks, by what its last generator makes beside real samples that it has not seen:
its distance from them (gansmith.metrics.gauge), live and averaged; its spread, of all and within classes; the share of them that it
reaches; the share of its samples whose nearest real one has the class asked for; copies of training samples; the border and the weave of
pictures; and whether the discriminator prefers the samples it was trained on to other real ones. A sick case that is in none of them a
tenth worse than the worst of the healthy runs of its domain, and of the controls beside it, did not fall ill: it is
counted, named, and left out. So is a healthy one whose distance is more than three times the median of the healthy runs of its domain, or
that stopped: it did not stay healthy. Faults of data and modules that are there from the first step count as they are.

A run is one thread of one process, in fixed precision. One line is appended for each finished run; what is there is not run again, and a
run that was cut off is trained anew. Histories stay in the folder of runs; checkpoints do not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pictures import finished, look
from sick_cases import CASES, CONTROLS, SAMPLES, SHAPES, Case, Source, source
from torch import Tensor

Line = dict[str, Any]

ALWAYS = {
    "machine.device": "cpu", "machine.threads": 1, "machine.workers": 1, "penalty.form": "exact", "run.report": False, "run.previews": 0,
    "run.looks": 20,  # as a run of the usual length has
    "run.checkpoint_seconds": 1e9,  # at the end alone
}  # fmt: skip
PRECISION = {"fashion": "bf16"}  # half as long; all else fp32
DROPPED = ("checkpoints", "generator", "previews")  # of a run folder, which is else kept
CLEARLY, LEAST = 0.1, 0.01  # of the worst value of healthy runs, and more: of ten measures of a run like them one is often a little beyond
FRESH = 1000  # above which seeds are of neither part
LOST = 3.0  # times the median distance of healthy runs, beyond which a healthy one did not stay so
FEW = 2_000  # training samples, up to which copies of them are looked for
WOVEN = 16  # side of the smallest pictures in which a weave can be told from what they show
WORSE = {
    "distance": 1, "live": 1, "spread": -1, "reached": -1, "within": -1, "agreement": -1, "copies": 1, "known": 1,
    "border": 1, "weave": 1,
}  # fmt: skip


# --- train ----------------------------------------------------------------------------------------------------------------------------


def trained(case: Case, seed: int, words: argparse.Namespace, guard: bool) -> Line:
    """Train a case, keep its history, and measure what its generator makes."""
    import gansmith
    from gansmith.errors import TrainingError

    title, found = title_of(case, seed, words.scale, guard), source(case.data, words.data, words.work / "data")
    place = words.work / f"{title}-1"
    shutil.rmtree(place, ignore_errors=True)
    torch.manual_seed(seed)  # of a module's first weights
    parts = case.parts(SHAPES[case.domain]) if case.parts else {}
    settings = {
        **ALWAYS, "machine.precision": PRECISION.get(case.domain, "fp32"), "run.guard": guard,
        **found.settings, **case.settings,
    }  # fmt: skip
    samples, stopped, started = max(1, round(case.samples * words.scale)), "", time.process_time()
    try:
        gansmith.train(found.path, recipe=case.recipe, samples=samples, seed=seed, runs=words.work, name=title, settings=settings, **parts)
    except TrainingError as error:
        stopped = str(error)
    run = gansmith.Run(place)
    line = {
        "case": case.name, "seed": seed, "guard": guard, "scale": words.scale, "illness": case.illness, "domain": case.domain,
        "part": part_of(case.name, seed), "stopped": stopped, "samples": samples, "share": (run.log or [{"share": 0.0}])[-1]["share"],
        "outcome": outcome(run, parts, found), "recovered": run.folder.recovered(),
        "core_seconds": round(time.process_time() - started, 1), "machine": platform.machine(), "torch": torch.__version__,
    }  # fmt: skip
    for name in DROPPED:
        shutil.rmtree(place / name, ignore_errors=True)
    return line


def title_of(case: Case, seed: int, scale: float, guard: bool) -> str:
    """Of the folder of a run."""
    return f"{case.name}-s{seed}{'' if scale == 1 else f'-{scale:g}'}{'-guard' if guard else ''}"


def part_of(name: str, seed: int) -> str:
    """ "open" or "aside", half of all runs each, by case and seed alone; "fresh": seeds that no threshold has been chosen on since."""
    if seed > FRESH:
        return "fresh"
    return ("open", "aside")[hashlib.blake2b(f"{name}/{seed}".encode(), digest_size=1).digest()[0] % 2]


def outcome(run: Any, parts: Mapping[str, Any], found: Source) -> dict[str, float]:
    """What the last generator of a run makes beside real samples that it has not seen; {} where it left none."""
    from gansmith import latent
    from gansmith.engine import checkpoint
    from gansmith.engine.moves import generate, logits_of
    from gansmith.engine.watch import draw_averaged
    from gansmith.verbs.opened import Opened
    from gansmith.verbs.parts import Parts, build_players

    if not run.folder.saved():
        return {}
    recipe = run.recipe
    opened = Opened.of(recipe, None, "cpu")
    if opened.layout.given:
        return rows_apart(run, opened)
    assert found.real is not None
    players = build_players(recipe, opened.layout, Parts(**parts), "cpu")
    checkpoint.load(run.folder, players)

    def condition(labels: Any) -> Tensor | None:
        width = opened.layout.condition
        return torch.nn.functional.one_hot(torch.as_tensor(labels), width).float() if width else None

    z, classes = latent.draw(0, "outcome", 0, len(found.real), recipe.network.latent), condition(found.labels)
    real = opened.codec.encode(torch.from_numpy(found.real))
    rows = opened.members[:FEW]
    known = opened.codec.encode(torch.from_numpy(np.take(opened.collection.raw, rows, axis=0)))
    averaged = draw_averaged(players, z, classes)
    with torch.no_grad():
        live = generate(players.generator.network, z, classes)
        told = measured(real, averaged, live, None if classes is None else classes.argmax(1), known if len(rows) < FEW else None)
        if recipe.game.pack == 1:
            judge, own = players.discriminator.network, condition(opened.collection.labels[rows] if classes is not None else None)
            told["known"] = preferred(logits_of(judge, known, own), logits_of(judge, real, classes))
    if min(opened.layout.positions, default=0) >= WOVEN and told["spread"] > 0:
        told["weave"] = look(found.real, opened.codec.decode(averaged))["grid_peak"]
    return told


def preferred(a: Tensor, b: Tensor) -> float:
    """Share of the pairs of one number of a [N] and one of b [M] in which that of a is larger; equal ones count half."""
    return float(0.5 + 0.5 * torch.sign(a[:, None] - b).double().mean())


def rows_apart(run: Any, opened: Any) -> dict[str, float]:
    """How far the shapes of the columns of drawn rows are from those of rows that were held out: 0 none, 1 nothing in common."""
    from gansmith.metrics import tables

    columns = opened.codec.schema.columns
    learned, numeric = (np.array([getattr(c, name) for c in columns]) for name in ("learned", "numeric"))
    real = np.take(opened.collection.raw, np.flatnonzero(opened.held), axis=0)
    made = run.sample(len(real), seed=1).raw
    return {"distance": 1 - float(tables.shapes(real[:, learned], made[:, learned], numeric[learned]).mean())}


def measured(real: Tensor, made: Tensor, live: Tensor, labels: Tensor | None, known: Tensor | None) -> dict[str, float]:
    """Generated samples [N, C, *P], of the averaged and of the live generator, beside real ones [N, C, *P] of the same classes [N].

    distance, live  from the data, of the averaged and of the live generator (gansmith.metrics.gauge)
    spread          mean distance of two samples over that of two real ones; `within` classes
    reached         share of real samples that have a made one nearer than their 3rd nearest other real one
    agreement       share of made samples whose nearest real one has the class they were asked for
    copies          share of made samples nearer to one of the training samples `known` than half the median distance of a real one
    border          |mean of the outermost places, made - real| over the deviation of the data
    """
    from gansmith.metrics.gauge import gauge
    from gansmith.metrics.neighbours import nearest, nearest_others

    x, y = real.flatten(1), made.flatten(1)
    off = gauge(real)
    found = {"distance": off(made), "live": off(live), "spread": apart(y) / apart(x)}
    radius = nearest_others(x, 3).distance[:, -1]
    found["reached"] = float((nearest(x, y).distance[:, 0] <= radius).double().mean())
    if labels is not None:
        inside = [apart(y[labels == k]) / apart(x[labels == k]) for k in labels.unique() if (labels == k).sum() > 1]
        found["within"] = float(np.mean(inside))
        found["agreement"] = float((labels[nearest(y, x).index[:, 0]] == labels).double().mean())
    if known is not None:
        flat = known.flatten(1)
        usual = nearest(x, flat).distance[:, 0].median()
        found["copies"] = float((nearest(y, flat).distance[:, 0] < usual / 2).double().mean())
    if real.dim() == 4:
        edge = torch.ones(real.shape[-2:], dtype=torch.bool)
        edge[1:-1, 1:-1] = False
        found["border"] = float((made[..., edge].mean() - real[..., edge].mean()).abs() / real.std())
    return found


def apart(x: Tensor) -> float:
    """Mean distance of two of the samples [N, D]."""
    return float((x - x.roll(1, 0)).norm(dim=1).mean())


# --- judge ----------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """What the healthy runs of a domain came to: their median distance, and the worst of those that stayed healthy by every measure."""

    usual: float
    worst: Mapping[str, float]

    @classmethod
    def of(cls, outcomes: Sequence[Mapping[str, float]], beside: Sequence[Mapping[str, float]] = ()) -> Range:
        """Of what healthy runs, and controls `beside` them, came to; healthy ones that left no generator are left out."""
        there = [o for o in outcomes if o]
        usual = float(np.median([o["distance"] for o in there])) if there else float("nan")
        kept = [*(o for o in there if o["distance"] <= LOST * usual), *beside]
        worst = {
            name: sign * max(sign * o[name] for o in kept if name in o) for name, sign in WORSE.items() if any(name in o for o in kept)
        }
        return cls(usual, worst)


BESIDE = {control.name: control for control in CONTROLS}


def range_for(case: Case, lines: Iterable[Line]) -> Range:
    """What a case is held against: the healthy runs of its domain, and of a sick one the controls on its data that are no shorter."""
    well = [line for line in lines if line["domain"] == case.domain and not (line["illness"] or line["guard"])]
    beside = [line for line in well if (control := BESIDE.get(line["case"])) and _like(control, case)] if case.illness else []
    return Range.of([line["outcome"] for line in well if line["case"] not in BESIDE], [line["outcome"] for line in beside])


def _like(control: Case, case: Case) -> bool:
    return control.data == case.data and control.length >= case.length


def beyond(line: Line, healthy: Range) -> list[str]:
    """By which measures a run came out clearly worse than every one that stayed healthy, and "stopped" where it did not reach an end."""
    found = [
        name
        for name, value in line["outcome"].items()
        if name in healthy.worst and WORSE[name] * (value - healthy.worst[name]) > CLEARLY * abs(healthy.worst[name]) + LEAST
    ]
    return found + ["stopped"] * bool(line["stopped"] or not line["outcome"])


def state(line: Line, case: Case, healthy: Range) -> str:
    """ "ill", "did not fall ill", "healthy" or "did not stay healthy". Where no healthy run is there, a sick one is taken at its word."""
    if case.illness:
        return "ill" if case.fact or not healthy.worst or beyond(line, healthy) else "did not fall ill"
    stayed = not line["stopped"] and line["outcome"] and line["outcome"]["distance"] <= LOST * healthy.usual
    return "healthy" if stayed else "did not stay healthy"


@dataclass(frozen=True)
class Judged:
    """A run, what became of it, and the findings of the checks, worst first."""

    line: Line
    case: Case
    state: str
    found: Sequence[Any]  # of gansmith.records.Finding

    @property
    def codes(self) -> list[str]:
        return [f.code for f in self.found]

    def named(self, places: int, alike: bool = False) -> bool:
        """Whether one of the first findings is the illness, or also a code that names it as truly."""
        return bool({self.case.illness, *(self.case.also if alike else ())} & set(self.codes[:places]))

    @property
    def accused(self) -> bool:
        return any(f.severity in ("warning", "severe") for f in self.found)

    @property
    def first(self) -> str:
        return self.codes[0] if self.codes else "nothing"


def findings(place: Path, stopped: str) -> list[Any]:
    """What the checks find in the history of a run that stopped with this sentence, worst first."""
    from gansmith.health import checks
    from gansmith.runs import RunFolder
    from gansmith.verbs.diagnose import history_of

    return checks.findings(checks.examine(replace(history_of(RunFolder(place)), stopped=stopped)))


def judge(lines: Sequence[Line], chosen: Sequence[tuple[Case, int]], look: Callable[[Line, Case], Sequence[Any] | None]) -> list[Judged]:
    """Every chosen run of which there is a line and a history. `look` gives what the checks find, None where there is no history."""
    there = {(line["case"], line["seed"]): line for line in lines if not line["guard"]}
    found = []
    for case, seed in chosen:
        if case.name in BESIDE:
            continue
        line = there.get((case.name, seed))
        seen = None if line is None else look(line, case)
        if line is not None and seen is not None:
            found.append(Judged(line, case, state(line, case, range_for(case, lines)), seen))
    return found


def summary(judged: Sequence[Judged]) -> str:
    """How many were named and accused, of both parts and together."""
    rows = []
    for part in (*sorted({j.line["part"] for j in judged} | {"open", "aside"}, reverse=True), "all"):
        own = [j for j in judged if part in (j.line["part"], "all")]
        ill, healthy = ([j for j in own if j.state == word] for word in ("ill", "healthy"))
        rows.append(
            [
                part, str(len(ill)), share(ill, lambda j: j.named(1)), share(ill, lambda j: j.named(2)),
                share(ill, lambda j: j.named(2, alike=True)), str(len(healthy)), share(healthy, lambda j: j.accused),
                *(str(sum(j.state == word for j in own)) for word in ("did not fall ill", "did not stay healthy")),
            ]
        )  # fmt: skip
    return table(
        [
            "part", "ill", "named first", "named first or second", "or by a name as true", "healthy", "accused", "did not fall ill",
            "did not stay healthy",
        ],
        rows,
    )  # fmt: skip


def confusion(judged: Sequence[Judged]) -> str:
    """What was found first, of every illness."""
    ill = [j for j in judged if j.state in ("ill", "healthy")]
    columns = sorted({j.first for j in ill})
    counts = Counter((j.case.illness or "healthy", j.first) for j in ill)
    return table(
        ["illness \\ found first", *columns],
        [[row, *(str(counts[row, c] or "") for c in columns)] for row in sorted({j.case.illness or "healthy" for j in ill})],
    )


def mistakes(judged: Sequence[Judged]) -> str:
    """The runs that were not named, or accused wrongly, or are left out, with what was found."""
    shown = [
        j for j in judged
        if j.state.startswith("did not") or (j.state == "ill" and not j.named(2)) or (j.state == "healthy" and j.accused)
    ]  # fmt: skip
    rows = [
        [j.case.name, str(j.line["seed"]), j.case.illness, ", ".join(sorted(j.case.also)), j.state,
         ", ".join(f"{f.code} {f.severity}" for f in j.found[:4]) or "nothing"]
        for j in shown
    ]  # fmt: skip
    return table(["case", "seed", "illness", "as true", "state", "found"], rows)


def outcomes(judged: Sequence[Judged], lines: Sequence[Line]) -> str:
    """What every run came to; what lies beyond the worst of those it is held against is marked."""
    names = [name for name in WORSE if any(name in j.line["outcome"] for j in judged)]
    rows = []
    for j in judged:
        worse = beyond(j.line, range_for(j.case, lines))
        cells = [f"{j.line['outcome'][n]:.3g}{' !' if n in worse else ''}" if n in j.line["outcome"] else "" for n in names]
        rows.append([j.case.name, str(j.line["seed"]), j.case.illness, j.state, *cells, "yes" if j.line["stopped"] else ""])
    return table(["case", "seed", "illness", "state", *names, "stopped"], rows)


def mended(lines: Sequence[Line], chosen: Sequence[tuple[Case, int]]) -> str:
    """Of the ill runs that settings could mend, how many ended healthy with the guard on; without it none did."""
    there = {(line["case"], line["seed"], line["guard"]): line for line in lines}
    pairs = [(case, there.get((case.name, seed, False)), there.get((case.name, seed, True))) for case, seed in chosen if case.recoverable]
    ill = [(case, a, b) for case, a, b in pairs if a and b and state(a, case, range_for(case, lines)) == "ill"]
    rows = []
    for code in [*sorted({case.illness for case, _, _ in ill}), "all"]:
        own = [(case, a, b) for case, a, b in ill if code in (case.illness, "all")]
        well = [not beyond(b, range_for(case, lines)) for case, _, b in own]
        tries = sum(len(b["recovered"]) for _, _, b in own) / max(len(own), 1)
        rows.append([code, str(len(own)), share(well, bool), f"{tries:.1f}", usual(a for _, a, _ in own), usual(b for _, _, b in own)])
    return table(["illness", "ill without the guard", "healthy with it", "recoveries a run", "distance without", "with"], rows)


def usual(lines: Iterable[Line]) -> str:
    """The median distance of the runs that left a generator."""
    found = [line["outcome"]["distance"] for line in lines if line["outcome"]]
    return f"{np.median(found):.3g}" if found else "none"


def share(found: Sequence[Any], is_so: Callable[[Any], bool]) -> str:
    """ "19 of 20, 95 %" """
    count = sum(map(is_so, found))
    return f"{count} of {len(found)}, {100 * count / len(found):.0f} %" if found else ""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# --- words ----------------------------------------------------------------------------------------------------------------------------


def chosen(words: argparse.Namespace, cases: Iterable[Case] = CASES) -> list[tuple[Case, int]]:
    """The cases and seeds that were asked for."""
    return [
        (case, seed)
        for case in cases
        for seed in (range(FRESH + 1, FRESH + 1 + words.fresh) if words.fresh else case.seeds)
        if (not words.names or any(fnmatch(case.name, name) for name in words.names))
        and words.domain in (None, case.domain)
        and words.illness in (None, case.illness or "healthy")
        and (words.seeds is None or seed in words.seeds)
        and words.part in (None, part_of(case.name, seed))
    ]


def asked(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["run", "judge", "recover", "list"])
    parser.add_argument("names", nargs="*", metavar="CASE", help="names of cases, which may hold *; all where there are none")
    parser.add_argument("--domain", choices=list(SAMPLES))
    parser.add_argument("--illness", help="a code such as H205, or healthy")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--part", choices=["open", "aside", "fresh"])
    parser.add_argument("--fresh", type=int, default=0, metavar="N", help="N seeds of each case that were in neither part")
    parser.add_argument("--outcomes", action="store_true", help="with judge: what every run came to")
    parser.add_argument("--scale", type=float, default=1.0, help="times the samples of a case, to try whether it runs")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GANSMITH_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path("runs/sick"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/sick.jsonl"))
    return parser.parse_args(words)


def run(words: argparse.Namespace, wanted: Sequence[tuple[Case, int]], guard: bool) -> None:
    """Train what is wanted and not there yet."""
    there = {(line["case"], line["seed"], line["guard"], line["scale"]) for line in finished(words.out)}
    left = [(case, seed) for case, seed in wanted if (case.name, seed, guard, words.scale) not in there]
    for number, (case, seed) in enumerate(left, 1):
        line = trained(case, seed, words, guard)
        with words.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        told = {k: f"{v:.3g}" for k, v in line["outcome"].items() if line["part"] == "open" or words.part == "aside"}
        print(f"{number} of {len(left)}: {case.name} s{seed} {case.illness or 'healthy'}, {line['core_seconds']} s {told}", flush=True)


def main(given: Sequence[str] | None = None) -> None:
    words = asked(given)
    wanted = chosen(words)
    if words.verb == "list":
        print(table(
            ["case", "data", "illness", "as true", "recoverable", "seeds", "open"],
            [[c.name, c.data, c.illness or "healthy", " ".join(sorted(c.also)), "yes" if c.recoverable else "",
              " ".join(str(s) for d, s in wanted if d is c), " ".join(str(s) for d, s in wanted if d is c and part_of(c.name, s) == "open")]
             for c in dict.fromkeys(c for c, _ in wanted)],
        ))  # fmt: skip
        print(f"{len(wanted)} runs, {sum(bool(c.illness) for c, _ in wanted)} of them of a sick case")
        return
    if words.verb == "run":
        run(words, wanted, guard=False)
    if words.verb == "recover":
        run(words, [(case, seed) for case, seed in wanted if case.recoverable], guard=True)
    lines = [line for line in finished(words.out) if line["scale"] == words.scale]
    if words.verb == "recover":
        print(mended(lines, wanted))
        return

    def look(line: Line, case: Case) -> list[Any] | None:
        place = words.work / f"{title_of(case, line['seed'], words.scale, False)}-1"
        return findings(place, line["stopped"]) if (place / "recipe.yaml").exists() else None

    found = judge(lines, wanted, look)
    detail = [j for j in found if j.line["part"] == (words.part or "open")]
    print(summary(found))
    print(f"Found first, of the part {words.part or 'open'}:\n\n{confusion(detail)}\n{mistakes(detail)}")
    if words.outcomes:
        print(outcomes(detail, lines))


if __name__ == "__main__":
    main()
