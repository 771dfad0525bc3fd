"""Data opened for training."""

from __future__ import annotations

import copy
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gansmith import artefact, config, domains, given, latent, networks
from gansmith.conditions import Conditions
from gansmith.config import MEMORY, Recipe
from gansmith.data import split
from gansmith.data.order import Feed
from gansmith.data.store import Collection
from gansmith.domains.domain import Codec, Domain
from gansmith.engine import probe
from gansmith.engine.distribute import World
from gansmith.engine.examine import Subjects
from gansmith.engine.quality import Standard, by_samples, by_surprise
from gansmith.errors import DataError
from gansmith.health.signals import FEWEST, Originality
from gansmith.layout import Batch, Layout
from gansmith.metrics.gauge import coarse, gauge
from gansmith.randomness import seed_of, stream
from gansmith.recipes import automatic
from gansmith.verbs.parts import Parts, apart, check_parts, networks_of, of_the_whole_batch, pair_of, smoothed

BY_HEART = 2_000  # training samples, up to which they may be learned by heart, and are all compared
PREVIEW = 64  # samples in a preview
LARGEST = {"cpu": 64, "mps": 128, "cuda": 256}  # side of pictures that an automatic size does not exceed


@dataclass(frozen=True)
class Opened:
    """Data opened for training: what they are, how they are encoded, which of them may be trained on."""

    domain: Domain
    collection: Collection
    codec: Codec
    held: np.ndarray  # [N] mask of the held-out part
    rule: str  # by which it was chosen

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        data: Any,
        device: str,
        opening: Callable[[int, int], None] = lambda done, all: None,
        facts: Mapping[str, Any] | None = None,
    ) -> Opened:
        """Open the recipe's source, or `data` brought from Python. DataError where that cannot be done.

        facts: data.json of the run that was trained on them, where there is one; its split is made again, by its rule.
        """
        largest = LARGEST.get(device.partition(":")[0], 64)
        if data is not None:
            domain, collection = domains.collect(data, recipe.data, largest, opening)
        else:
            domain = domains.of(recipe.data.source, recipe.data.domain)
            collection = domain.open(recipe.data.source, recipe.data, largest, opening)
        rule = (facts or {}).get("split", {}).get("rule", split.usual(collection.repeats))
        keys = split.keys(collection.digests, rule)
        held = split.held_out(keys, recipe.data.held_out, config.split_seed(recipe), collection.labels)
        if (~held).sum() < 2:
            raise DataError(
                f"{int((~held).sum())} sample is left to train on; training needs at least 2. Add data, or lower data.held_out."
            )
        if collection.conditions is not None:
            collection = replace(collection, conditions=collection.conditions.fitted(np.flatnonzero(~held)))
        return cls(domain, collection, domain.fit(collection, np.flatnonzero(~held)), held, rule)

    @property
    def layout(self) -> Layout:
        return self.codec.layout

    @property
    def members(self) -> np.ndarray:
        return np.flatnonzero(~self.held)

    @property
    def total_variance(self) -> float:
        return float(self.collection.facts["total_variance"])

    @property
    def spread(self) -> float:
        """Standard deviation of one number of the encoded data, over samples."""
        return max((self.total_variance / self.layout.size) ** 0.5, 1e-6)

    @property
    def fingerprint(self) -> str:
        return str(self.collection.facts["fingerprint"])

    def name(self, recipe: Recipe) -> str:
        """What a run on these data is called unless the user names it."""
        return Path(recipe.data.source.rstrip("/")).name.split(".")[0].replace(":", "-") or "run"

    def feed(self, batch: int, seed: int, world: World, moves: int = 1, balance: bool = False, members: np.ndarray | None = None) -> Feed:
        """Batches of the training samples, or of `members`."""
        return Feed(
            self.collection.raw,
            self.codec.encode,
            members=self.members if members is None else members,
            labels=self.collection.labels,
            condition=self.layout.condition,
            batch=batch,
            seed=seed,
            rank=world.rank,
            size=world.size,
            device=world.device,
            moves=moves,
            conditions=None if self.collection.conditions is None else self.collection.conditions.values,
            balance=balance,
            told=self.layout if self.layout.given else None,
        )

    def resolve(self, recipe: Recipe, parts: Parts, world: World) -> tuple[Recipe, float, list[probe.Trial]]:
        """The recipe with nothing left to choose, the samples a second it gives here, and what the probe of the machine found."""
        situation = self._situation(world.device)
        game = automatic.resolve_game(recipe, situation)
        check_parts(parts, self.layout, game, several=self.collection.conditions is not None)

        def pair() -> tuple[nn.Module, nn.Module]:
            # copies, for a forward pass may change what a module remembers, such as batch statistics
            generator, discriminator = networks_of(game, self.layout, parts)
            return copy.deepcopy(generator), copy.deepcopy(discriminator)

        def batch(count: int) -> Batch:
            return self.feed(count, game.run.seed, World(device=world.device), balance=bool(game.data.balance))(0)

        setting = self.setting(game, parts, world.device)
        here = world.size == 1 and recipe.data.source != MEMORY and not any(parts.own.values())
        several = here and of_the_whole_batch(game, self.layout) is None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(game.run.seed, "weights"))
            trials = probe.probe(game, setting, pair, batch, several)
        chosen = probe.best(trials)
        speed = chosen.samples_per_second * world.size
        return automatic.resolve_length(game, situation, chosen, speed), speed, trials

    def _situation(self, device: str) -> automatic.Situation:
        labels = self.collection.labels
        classes = () if labels is None else tuple(np.unique(labels[self.members], return_counts=True)[1].tolist())
        return automatic.Situation(self.layout, len(self.members), self.total_variance, device, classes)

    def automatic(self, recipe: Recipe, device: str) -> dict[str, Any]:
        """Settings that the data would have been trained with, had none been asked for but the network and the batch."""
        kept = {name: value for name, value in config.flat(recipe).items() if name in ("network.name", "network.width", "run.batch")}
        return config.flat(automatic.resolve_game(config.merge(Recipe(data=recipe.data), kept), self._situation(device)))

    def setting(self, recipe: Recipe, parts: Parts, device: str) -> probe.Setting:
        """What the engine has to know of these data and parts."""
        of_several = self.collection.conditions.columns if self.collection.conditions is not None else ()
        return probe.Setting(self.layout, self.spread, pair_of(recipe, parts), apart(recipe, self.layout, parts), device, of_several)

    def preview_latents(self, recipe: Recipe, device: str) -> tuple[Tensor, Tensor | None]:
        """The latents of every preview, and conditions that go through the classes in turn, or are those of training samples."""
        if self.collection.conditions is not None:
            return self._drawn(recipe, "preview", self._rows(PREVIEW).values[np.arange(PREVIEW) % len(self.members)], device)
        return self._drawn(recipe, "preview", np.arange(PREVIEW) % max(self.layout.condition, 1), device)

    def standard(self, recipe: Recipe, device: str) -> Standard:
        """What the generator is measured by as it learns: rows of choices by those that were kept out, all else by its samples."""
        if self.layout.given:
            return by_surprise(*self._unseen(recipe, device))
        real, latents, condition = self.look(recipe, device)
        return by_samples(latents, condition, gauge(real))

    def _unseen(self, recipe: Recipe, device: str) -> tuple[Tensor, Tensor]:
        """Rows [N, C] that were kept out, each several times where there are few, and what is told of them [N, K]."""
        kept = np.flatnonzero(self.held) if self.held.any() else self.members
        chosen = np.resize(np.random.default_rng(seed_of(recipe.run.seed, "look")).permutation(kept), automatic.UNSEEN)
        x = self.codec.encode(torch.from_numpy(np.take(self.collection.raw, chosen, axis=0)))
        owner = given.owners(self.layout)
        chances = torch.rand(len(x), int(owner.max()) + 2, generator=stream(recipe.run.seed, "unseen"))
        return x.to(device), given.condition(x, *given.told(chances), owner).to(device)

    def look(self, recipe: Recipe, device: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """Real samples [N, C, *P] to measure a generator by, and latents and conditions of as many generated ones of the same classes."""
        order = np.random.default_rng(seed_of(recipe.run.seed, "look")).permutation(self.members)
        members = np.sort(order[: automatic.LOOKED_AT])
        real = self.codec.encode(torch.from_numpy(np.take(self.collection.raw, members, axis=0)))
        labels = self.collection.labels[members] if self.collection.labels is not None else np.zeros(len(members), np.int64)
        if self.collection.conditions is not None:
            labels = self.collection.conditions.values[members]
        return real, *self._drawn(recipe, "look", labels, device)

    def subjects(self, recipe: Recipe, device: str) -> Subjects:
        """What both players are examined on through a run."""
        assert recipe.network.latent
        seed, kept = seed_of(recipe.run.seed, "exam"), np.flatnonzero(self.held)

        def some(members: np.ndarray) -> Batch:
            return self.feed(min(automatic.EXAMINED, len(members)), seed, World(device=device), members=members)(0)

        def all_of(members: np.ndarray) -> Tensor:
            return coarse(self.codec.encode(torch.from_numpy(np.take(self.collection.raw, members, axis=0))))

        train, unlike_rows = some(self.members), not self.layout.given
        few = unlike_rows and len(kept) >= FEWEST and max(len(self.members), len(kept)) <= BY_HEART
        return Subjects(
            self.layout,
            train,
            some(kept) if len(kept) >= FEWEST else None,
            latent.draw(recipe.run.seed, "exam", 0, len(train.x), recipe.network.latent).to(device),
            original=Originality(all_of(self.members), all_of(kept)) if few else None,
            measure=gauge(self.look(recipe, device)[0]) if unlike_rows else None,
            labels=self.collection.labels is not None and self.collection.conditions is None and unlike_rows,
            scale=max(self.total_variance, 1e-12) ** 0.5,
        )

    def _drawn(self, recipe: Recipe, purpose: str, labels: np.ndarray, device: str) -> tuple[Tensor, Tensor | None]:
        """Latents, and the conditions that labels [N] or rows of conditions [N, K] are."""
        assert recipe.network.latent
        latents = latent.draw(recipe.run.seed, purpose, 0, len(labels), recipe.network.latent).to(device)
        if not self.layout.condition:
            return latents, None
        if self.layout.given:  # nothing is told
            return latents, torch.zeros(len(labels), self.layout.condition, device=device)
        if self.collection.conditions is not None:
            return latents, torch.from_numpy(labels).to(device)
        return latents, nn.functional.one_hot(torch.from_numpy(labels), self.layout.condition).float().to(device)

    def _rows(self, count: int) -> Conditions:
        """Conditions of at most so many training samples, evenly over them."""
        assert self.collection.conditions is not None
        return self.collection.conditions.keep(
            self.members[np.linspace(0, len(self.members) - 1, min(count, len(self.members))).astype(int)]
        )

    @property
    def rows(self) -> Conditions | None:
        """The conditions that a generator keeps, to draw from; None where they have no columns."""
        return None if self.collection.conditions is None else self._rows(artefact.ROWS)

    def card(self, recipe: Recipe, parts: Parts) -> artefact.Card:
        shares: tuple[float, ...] = ()
        if self.collection.labels is not None:
            counts = np.bincount(self.collection.labels[self.members], minlength=self.layout.condition)
            shares = tuple((counts / counts.sum()).tolist())
        return artefact.Card(
            recipe.network,
            self.layout,
            self.domain.name,
            self.collection.classes,
            shares,
            parts.generator is not None,
            columns=self.collection.conditions.columns if self.collection.conditions is not None else (),
        )

    def facts(self, recipe: Recipe, parts: Parts, device: str, trials: Sequence[probe.Trial] = ()) -> dict[str, Any]:
        """data.json: what was trained on, what was kept out, what was noticed, what would be chosen for it, and on which machine."""
        return {
            "fingerprint": self.fingerprint,
            "source": recipe.data.source,
            "domain": self.domain.name,
            "count": len(self.collection),
            "training": len(self.members),
            "split": {
                "rule": self.rule,
                "share": recipe.data.held_out,
                "seed": config.split_seed(recipe),
                "held_out": np.flatnonzero(self.held).tolist(),
            },
            "layout": self.layout.to_dict(),
            "classes": list(self.collection.classes),
            "facts": dict(self.collection.facts),
            "findings": [f.to_dict() for f in self.collection.findings],
            "own": parts.own,
            "smoothed": smoothed(recipe, self.layout, parts),
            "revision": networks.revision(recipe.network),
            "automatic": self.automatic(recipe, device),
            "probe": [
                {**asdict(t.way), "workers": t.workers, "samples_per_second": round(t.samples_per_second), "cosine": t.cosine}
                for t in trials
            ],
            "machine": {
                "torch": torch.__version__,
                "python": platform.python_version(),
                "cores": os.cpu_count(),
                "system": platform.platform(),
            },
        }
