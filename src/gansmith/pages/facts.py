"""What is known of a run beside its scores, as names and words."""

from __future__ import annotations

from typing import Any

from gansmith.pages import words
from gansmith.pages.content import RunRecord

COUNTED = ("duplicates", "near_duplicates", "unreadable", "constant")  # among the facts of data


def headline(run: RunRecord) -> list[tuple[str, str]]:
    """What one has to know of a run before anything else."""
    told = {"finished": "finished", "unfinished": f"{run.percent} % of the way", "not begun": "ended before its first record"}
    data, setting = run.data, run.settings.get
    found = [("State", told[run.state]), ("Data", str(data.get("source", setting("data.source"))))]
    if "training" in data:
        found.append(("Trained on", f"{words.count(data['training'])} samples" + (f", {len(run.classes)} classes" if run.classes else "")))
    network = f"{setting('network.name')}, width {setting('network.width')}"
    found.append(("Network", "your own generator" if data.get("own", {}).get("generator") else network))
    if run.log:
        time = f" in {words.duration(run.seconds)}" if run.seconds else ""
        found.append(("Training", f"{words.count(run.seen)} real samples seen{time}"))
    found.append(("Seed", str(setting("run.seed"))))
    return found


def of_data(run: RunRecord) -> list[tuple[str, str]]:
    """What is known of the data, in words."""
    data, known = run.data, run.data.get("facts", {})
    split, layout = data.get("split", {}), data.get("layout", {})
    found = [
        ("source", data.get("source")),
        ("kind", data.get("domain")),
        ("samples", data.get("count")),
        ("trained on", data.get("training")),
        ("held out", f"{words.count(split['held_out'])}, {split['rule']}" if {"held_out", "rule"} <= split.keys() else None),
        ("each sample", " × ".join(map(str, [sum(b["size"] for b in layout["blocks"]), *layout["positions"]])) if layout else None),
        ("fitted", known.get("rule")),
        ("classes", known.get("classes")),
        ("conditions", {name: column["kind"] for name, column in known.get("conditions", {}).items()}),
        ("columns", {column["name"]: column["kind"] for column in known.get("schema", {}).get("columns", ())}),
        *((name.replace("_", " "), _counted(known[name])) for name in COUNTED if name in known),
        ("fingerprint", data.get("fingerprint")),
    ]
    return [(name, words.plain(value)) for name, value in found if value not in (None, "", {})]


def _counted(found: Any) -> Any:
    """How many there are, of a bare number or with examples beside it."""
    return found["count"] if isinstance(found, dict) else found


def made_with(run: RunRecord) -> list[tuple[str, str]]:
    """Seed, machine and versions."""
    setting = run.settings.get
    workers, threads = setting("machine.workers"), setting("machine.threads")
    hands = f"{workers}, each of {threads} thread{'s' if threads != 1 else ''}"
    chosen = [
        ("seed", str(setting("run.seed"))),
        ("device", setting("machine.device")),
        ("precision", setting("machine.precision")),
        ("processes", hands),
    ]
    return [(name, words.plain(value)) for name, value in [*chosen, *run.data.get("machine", {}).items()]]


def provisos(run: RunRecord) -> list[str]:
    """What the command that trains again cannot promise or needs beside it."""
    own = [part for part, is_own in run.data.get("own", {}).items() if is_own]
    found = []
    if run.settings.get("run.minutes"):
        found.append("The run ends after a given time, so on another day or machine it sees a different number of samples.")
    if run.data.get("source") == "memory:":
        found.append("The data were passed from Python: pass them again, gansmith.train(data, recipe=...).")
    if own:
        found.append(f"The {' and the '.join(own)} came from Python: pass the same again, gansmith.train(..., {own[0]}=...).")
    return found
