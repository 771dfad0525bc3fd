"""Search settings on the benchmark data for half an hour each, and tell whether anything better than the default was found.

    python benchmarks/tune.py DATA [DATA ...] --minutes 30 --jobs 2 [--seeds 0 1] [--data FOLDER] [--out FILE]
    python benchmarks/tune.py DATA --measure 16 [--minutes 0.06]

DATA is digits, mnist, fashion-mnist, cifar10, emoji, blood_cells or a table (adult, …), from the folder of benchmark data (--data, or
$GANSMITH_DATA). The answer is `gansmith tune`'s own: the default and the best found trained anew with at least five seeds, and measured by
samples that the search never saw. `--seeds` are of whole searches, each with a division of the data of its own. One line is appended for
each finished (data, seed, minutes, jobs); what is there already is not searched again, and a search that was cut off goes on.

--measure asks instead how good the score of a search is: so many settings, drawn from the default space, are trained with two seeds each.
Printed are how far settings differ beside how far seeds do, how alike the part set aside and the fresh one rank the runs, and how early a
look tells the end. A line is appended for each run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pictures import finished, source

TARGETS = {
    "adult": "income",
    "credit_default": "default.payment.next.month",
    "online_shoppers": "Revenue",
    "magic_gamma": "class",
    "beijing_pm25": "pm2.5",
    "covertype_20k": "Cover_Type",
}


def opened(name: str, words: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """What to search on, and the settings that say how it is read."""
    if name in TARGETS:
        return str(words.data / "tables" / f"{name}.csv.gz"), {"data.target": TARGETS[name]}
    return ("digits", {}) if name == "digits" else source(name, words.data, words.work)


def search(name: str, seed: int, words: argparse.Namespace) -> dict[str, Any]:
    """One search, from its beginning or from where it was cut off."""
    import gansmith
    from gansmith.verbs.tuned.folder import TuneFolder

    title = f"{name}-s{seed}-{words.minutes:g}min-{words.jobs}"
    place = words.work / f"{title}-tune-1"
    at, settings = opened(name, words)
    if (place / "found.json").exists():
        from gansmith.tuning.found import Found

        found = Found.from_dict(json.loads((place / "found.json").read_text()))
    elif place.exists():
        found = gansmith.tune(resume=place, audience=Lines()).found
    else:
        found = gansmith.tune(
            at,
            minutes=words.minutes,
            jobs=words.jobs,
            settings={**settings, "run.seed": seed},
            runs=words.work,
            name=title,
            audience=Lines(),
        ).found
    states = [t.state for t in found.trials]
    scores = {arm: [j.measured.score if j.measured else None for j in found.of(arm)] for arm in ("default", "found")}
    return {
        "data": name, "seed": seed, "minutes": words.minutes, "jobs": words.jobs, "winner": found.winner,
        "gain": None if found.gain is None else [found.gain.value, found.gain.low, found.gain.high],
        "trials": len(states), "ended_early": states.count("pruned"), "failed": states.count("failed"),
        "trial_minutes": round(found.trial_minutes, 2), "final_minutes": round(found.final_minutes, 2), "floor": found.floor, **scores,
        "default_score": found.default.score if found.default else None, "best_score": found.closest.score if found.closest else None,
        "changed": found.changed, "importance": found.importance, "seconds": round(found.seconds),
        "hands": TuneFolder(place).read().hands, "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip


class Lines:
    """Says what has ended."""

    def __init__(self) -> None:
        self.said: set[Any] = set()

    def opening(self, done: int, all: int) -> None:
        pass

    def doing(self, words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    def begun(self, begun: Any) -> None:
        print(begun.folder.path, f"{begun.trials} trials so far", file=sys.stderr, flush=True)

    def moved(self, progress: Any) -> None:
        ended = {**{t.number: t for t in progress.trials}, **{(j.arm, j.seed): j for j in progress.judged}}
        for key in ended.keys() - self.said:
            print(ended[key], file=sys.stderr, flush=True)
        self.said |= ended.keys()


def measure(name: str, words: argparse.Namespace) -> None:
    """Train settings of the default space with two seeds each, and tell what the score of a search is worth."""
    import gansmith
    from gansmith import config
    from gansmith.config import Recipe
    from gansmith.engine.distribute import World
    from gansmith.errors import GansmithError
    from gansmith.recipes import automatic
    from gansmith.tuning import space as spaces
    from gansmith.tuning.space import Choice
    from gansmith.verbs.opened import Opened
    from gansmith.verbs.parts import Parts
    from gansmith.verbs.tuned.bench import Bench, share_aside

    at, settings = opened(name, words)
    alone = {"machine.device": "cpu", "machine.workers": 1, "machine.threads": 1}
    start = config.merge(Recipe(), {"data.source": at, **settings, **alone})
    data = Opened.of(start, None, "cpu")
    share = share_aside(data)
    bench = Bench.of(data, start, share)
    default, _, _ = data.resolve(start, Parts(), World(device="cpu"))
    augments = data.layout.geometry == "plane" and min(data.layout.positions) >= automatic.SMALLEST
    where = spaces.automatic(default, (), len(data.members) // 2, augments)
    source_ = np.random.default_rng(0)

    def drawn(one: Any) -> Any:
        if isinstance(one, Choice):
            return one.values[source_.integers(len(one.values))]
        ends = np.log([one.low, one.high]) if one.log else [one.low, one.high]
        value = float(np.exp(source_.uniform(*ends)) if one.log else source_.uniform(*ends))
        return round(value) if one.whole else value

    several = [{}, *({name: drawn(one) for name, one in where.items()} for _ in range(words.measure - 1))]
    lines = []
    with words.out.with_name("tune-measure.jsonl").open("a") as file:
        for place, values in enumerate(several):
            for seed in (0, 1):
                fixed = {
                    "run.minutes": words.minutes, "run.seed": seed, "data.split_seed": 0, "data.held_out": start.data.held_out + share,
                    "run.looks": 0 if data.layout.given else 10, "run.report": False, "run.previews": 0, "run.exams": 0,
                    "machine.precision": default.machine.precision,
                }  # fmt: skip
                try:
                    run = gansmith.train(recipe=spaces.applied(start, values), settings=fixed, runs=words.work, name=f"measure-{name}")
                except GansmithError as error:
                    print(place, seed, error, flush=True)
                    continue
                two = [stick(run.generator).score for stick in (bench.search, bench.judgement)]
                looks = {int(10 * look["share"]): look["distance"] for look in run.folder.looks()}
                line = {"data": name, "setting": place, "seed": seed, "values": values, "aside": two[0], "fresh": two[1], "looks": looks}
                lines.append(line)
                file.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)
    worth(lines)


def worth(lines: list[dict[str, Any]]) -> None:
    """What the score of a search is worth, from such lines."""
    from scipy.stats import spearmanr

    aside, fresh = (np.array([line[part] for line in lines]) for part in ("aside", "fresh"))
    pairs = ([line["aside"] for line in lines if line["setting"] == s] for s in {line["setting"] for line in lines})
    both = np.log([pair for pair in pairs if len(pair) == 2])
    within, between = np.std(both, axis=1, ddof=1).mean(), np.mean(both, axis=1).std(ddof=1)
    print(f"\nsettings differ {between / within:.1f} times as far as seeds; aside and fresh rank alike to {spearmanr(aside, fresh)[0]:.3f}")
    for look in range(1, 10):
        there = [line for line in lines if look in line["looks"]]
        if len(there) > 5:
            print(f"a look at {look / 10:.0%}: {spearmanr([x['looks'][look] for x in there], [x['aside'] for x in there])[0]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--measure", type=int, metavar="SETTINGS")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("GANSMITH_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark-tune"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/tune.jsonl"))
    words = parser.parse_args()
    words.minutes = words.minutes or (0.06 if words.measure else 30.0)
    done = finished(words.out)
    for name in words.names:
        if words.measure:
            measure(name, words)
            continue
        for seed in words.seeds:
            key = (name, seed, words.minutes, words.jobs)
            if key in [(d["data"], d["seed"], d["minutes"], d["jobs"]) for d in done]:
                continue
            done.append(search(name, seed, words))
            with words.out.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
    table(done)


def table(lines: list[dict[str, Any]]) -> None:
    """The answers."""
    print("| data | minutes | jobs | trials (early, failed) | default | found | gain (95 %) | recipe.yaml | mattered most |")
    print("|" + " --- |" * 9)
    for d in lines:
        means = ["–" if None in d[arm] or not d[arm] else f"{np.exp(np.mean(np.log(d[arm]))):.3g}" for arm in ("default", "found")]
        gain = "–" if d["gain"] is None else "{:+.0%} ({:+.0%} to {:+.0%})".format(*d["gain"])
        most = ", ".join(f"{n} {s:.0%}" for n, s in list(d["importance"].items())[:2])
        trials = f"{d['trials']} ({d['ended_early']}, {d['failed']})"
        cells = (d["data"], f"{d['minutes']:g}", d["jobs"], trials, *means, gain, d["winner"], most)
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
