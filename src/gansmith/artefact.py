"""An exported generator as a folder: load, draw, decode. It needs neither the engine nor the training data.

config.json             networks, layout, classes or columns, domain, the precision and the format's version
codec.json              what turns tensors into native samples
conditions.safetensors  where conditions have several columns: some rows of the training data's, and nothing else of these
weights.safetensors     of the averaged generator
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gansmith import domains, given, latent, networks
from gansmith.conditions import Asked, Column, Conditions, width
from gansmith.config import NetworkSettings
from gansmith.domains.domain import ChoiceCodec, Codec, Domain
from gansmith.errors import ConfigError, DataError, RunError, nearest
from gansmith.layout import Layout
from gansmith.networks.entrance import entrance, styled
from gansmith.runs import read_json, read_tensors, write_json, write_tensors

FORMAT = 1
BLOCK = latent.BLOCK  # samples in one pass of the network, always: a sample's last bit may depend on how many are drawn beside it
CHUNK = 16 * BLOCK  # samples drawn, decoded and written at a time: what is held in memory does not grow with the count
STYLES = 16 * BLOCK  # drawn to see how far styles spread
ROWS = 1000  # of conditions kept at most
Label = str | Asked | Sequence[str | Asked]  # a class or columns with their values; or several of them, in turn


@dataclass(frozen=True)
class Card:
    """What a generator's folder says of itself beside codec and weights."""

    network: NetworkSettings
    layout: Layout
    domain: str
    classes: tuple[str, ...] = ()
    shares: tuple[float, ...] = ()  # of each class in the training data
    own_network: bool = False  # the generator was the user's own module, which only they can build
    step: int = 0  # of the run, when the generator was this one
    columns: tuple[Column, ...] = ()  # of a condition of several

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "network": self.network.model_dump(mode="json"),
            "layout": self.layout.to_dict(),
            "domain": self.domain,
            "classes": list(self.classes),
            "shares": list(self.shares),
            "own_network": self.own_network,
            "revision": networks.revision(self.network),
            "step": self.step,
            **({"columns": [c.to_dict() for c in self.columns]} if self.columns else {}),
        }

    @classmethod
    def from_dict(cls, values: Any, path: Path) -> Card:
        if isinstance(values, dict) and isinstance(values.get("format"), int) and values["format"] > FORMAT:
            raise RunError(f"{path} was written by a newer gansmith. Upgrade with: pip install -U gansmith")
        try:
            card = cls(
                network=NetworkSettings(**values["network"]),
                layout=Layout.from_dict(values["layout"]),
                domain=values["domain"],
                classes=tuple(values["classes"]),
                shares=tuple(values["shares"]),
                own_network=values["own_network"],
                step=int(values.get("step", 0)),
                columns=tuple(Column.from_dict(c) for c in values.get("columns", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise _no_generator(path, error) from None
        if not card.own_network:
            networks.refuse_other_revision(card.network, values.get("revision", 1), path.parent)
        return card


@dataclass(frozen=True)
class Samples:
    """Drawn samples in their native form, with the label or condition of each and the latents they came from."""

    raw: np.ndarray  # [N, ...]; an image is [H, W, C]
    labels: np.ndarray | None  # [N] indices into classes
    classes: tuple[str, ...]
    latents: Tensor  # [N, Z]; those of a generator with styles before any truncation, which moves the style
    codec: Codec = field(repr=False)
    conditions: Conditions | None = None  # of several columns, where the generator knows such

    def __len__(self) -> int:
        return len(self.raw)

    def frame(self) -> Any:
        """Rows of a table as a pandas frame, each column of its own type. ConfigError where they are no rows."""
        if not self.codec.layout.given:
            raise ConfigError("these samples are not rows of a table, so there is no frame. Use .raw, an array.")
        return cast(ChoiceCodec, self.codec).frame(self.raw)

    def picture(self, columns: int | None = None) -> Any:
        """All of them as one PIL image."""
        return self.codec.picture(self.raw, columns)


@dataclass(frozen=True)
class Directions:
    """In what directions a generator's samples change most, by the first layers of it alone, the strongest first.  arXiv:2007.06600

    They lie in its latent or, where it turns the latent into a style first, in its style: add a multiple of one to either.
    """

    space: Literal["latent", "style"]
    vectors: Tensor  # [N, Z], of length 1 and at right angles
    eigenvalues: Tensor  # [N], squared: how far these layers move what they make, for a step of length 1
    shares: Tensor  # [N], of the sum of all eigenvalues
    spreads: Tensor  # [N], standard deviation of what is drawn along each: a step of it is a common one

    def __len__(self) -> int:
        return len(self.vectors)


class Generator:
    """A trained generator, ready to draw."""

    def __init__(self, network: nn.Module, card: Card, codec: Codec, domain: Domain, rows: Conditions | None = None) -> None:
        """`rows`: conditions of training samples, where they have several columns; what is not asked for is drawn from them."""
        self.network, self.card, self.codec, self.domain, self.rows = network.eval(), card, codec, domain, rows

    @classmethod
    def load(cls, folder: str | Path, network: nn.Module | None = None, device: str = "cpu") -> Generator:
        """The generator in an exported folder. `network`: the module to fill, where the run trained the user's own.

        RunError where the folder is none, is not whole, or comes from a newer version.
        """
        folder = Path(folder)
        card = Card.from_dict(read_json(folder / "config.json"), folder / "config.json")
        if network is None:
            if card.own_network:
                raise RunError(
                    f"{folder} holds the weights of your own generator. Pass the module: gansmith.load(path, generator=MyGenerator())."
                )
            try:
                with torch.random.fork_rng(devices=[]):  # first weights, soon replaced, are no reason to move the caller's random state
                    network = networks.generator(card.network, card.layout)
            except (AssertionError, ConfigError) as error:
                raise _no_generator(folder / "config.json", error) from None
        weights = folder / "weights.safetensors"
        try:
            network.load_state_dict(load_file(weights))
        except FileNotFoundError:
            raise RunError(f"{weights} is missing; the folder is incomplete. Copy it again, or train again.") from None
        except (SafetensorError, OSError) as error:
            raise RunError(f"{weights} cannot be read ({error}). Copy it again, or train again.") from None
        except RuntimeError as error:
            raise RunError(f"{weights} does not fit the network ({str(error).splitlines()[0]}).") from None
        domain = domains.by_name(card.domain)
        state = read_json(folder / "codec.json")
        try:
            codec = domain.codec(state)
        except (KeyError, TypeError, ValueError, ConfigError, DataError) as error:
            raise _no_generator(folder / "codec.json", error) from None
        return cls(network.to(device), card, codec, domain, _rows(folder / "conditions.safetensors", card) if card.columns else None)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a condition is made of, where it has several columns."""
        return self.card.columns

    def labels(self, count: int, label: Label | None, seed: int, start: int = 0) -> np.ndarray | None:
        """Classes [count] of the samples start, start + 1, …: the one asked for; those asked for, in turn; or as the data have them.

        Of a generator that knows conditions of several columns these, [count, K]: what is asked for, and the rest as the data have it.
        """
        if self.rows is not None:
            return self._conditions(self.rows, count, label, seed, start)
        if not self.classes:
            if label is not None:
                raise ConfigError(f"label {label!r} was requested, but this generator has no labels: its data had none.")
            return None
        if label is not None:
            asked = _names(label)
            unknown = [name for name in asked if name not in self.classes]
            if unknown:
                raise ConfigError(f"there is no label {unknown[0]!r}; {nearest(unknown[0], self.classes)}")
            return np.array([self.classes.index(asked[i % len(asked)]) for i in range(start, start + count)], np.int64)
        edges = torch.tensor(np.cumsum(self.card.shares)[:-1])
        return torch.searchsorted(edges, _chances(seed, start, count), right=True).numpy()

    def _conditions(self, rows: Conditions, count: int, label: Label | None, seed: int, start: int) -> np.ndarray:
        """Conditions [count, K] of the samples start, start + 1, …"""
        asked = [{}] if label is None else [label] if isinstance(label, str | Mapping) else list(label) or [{}]
        wanted = [rows.parse(one) if isinstance(one, str) else one for one in asked]
        chances, turn = _chances(seed, start, count).numpy(), np.arange(start, start + count) % len(wanted)
        found = np.empty((count, rows.width), np.float32)
        for i, one in enumerate(wanted):
            found[turn == i] = rows.drawn(chances[turn == i], one)
        return found

    def sample(
        self,
        count: int = 64,
        *,
        label: Label | None = None,
        where: str | Sequence[str] = (),
        balance: str | None = None,
        seed: int = 0,
        truncation: float = 1.0,
        start: int = 0,
    ) -> Samples:
        """Draw `count` samples. The i-th depends on (seed, i) alone, whatever the count, the machine's memory or the number of processes.

        label       one class, or several in turn; None: classes as often as in the training data. Of conditions of several columns,
                    "smiling=1,age=35" or {"smiling": 1, "age": 35}, or several of these; what is not said is drawn from training rows
        where       of a table: what every row must meet, ["sex=Female", "age>60"]; exact
        balance     of a table: a column of which each value that `where` leaves is drawn in turn, and so equally often
        truncation  in (0, 1]: shrinks the latents towards 0, or styles towards their mean; lower is more typical and less varied
        start       index of the first sample, so that several processes can share the work
        ConfigError for an unknown label, a condition that no row can meet, or a truncation out of range.
        """
        if count < 1:
            raise ConfigError(f"{count} samples were requested; request at least 1.")
        if not 0.0 < truncation <= 1.0:
            raise ConfigError(f"truncation is {truncation}; it must be above 0, up to 1 (1: no truncation).")
        size = self.card.network.latent
        assert size
        latents = latent.draw(seed, "sample", start, count, size)
        if self.card.layout.given:
            return self._rows(latent.truncate(latents, truncation), label, where, balance, start)
        if where or balance:
            raise ConfigError(
                "conditions on columns were given, but this generator does not make rows of a table. Leave where and balance out."
            )
        labels = self.labels(count, label, seed, start)
        return self.decode(latents, labels, start, truncation=truncation)

    def _rows(self, latents: Tensor, label: Label | None, where: str | Sequence[str], balance: str | None, start: int) -> Samples:
        """Rows of latents [N, Z] that meet every condition in `where`, and are of the class asked for, or those asked for, in turn."""
        codec = cast(ChoiceCodec, self.codec)
        wanted = [codec.where(text) for text in ([where] if isinstance(where, str) else where)]
        turns = _turns(codec, wanted, label, balance)

        def drawn(z: Tensor, first: int) -> np.ndarray:
            allowed = torch.stack([turns[i % len(turns)] for i in range(first, first + len(z))])
            x = self._choose(z, torch.zeros(len(z), self.card.layout.condition), allowed, wanted, first)
            return codec.decode(codec.confine(x, wanted))

        # a row has hundreds of channels for each column, so they are never held for all rows at once
        raw = np.concatenate([drawn(z, start + i * CHUNK) for i, z in enumerate(latents.split(CHUNK))])
        return Samples(raw, codec.labels(raw, self.classes), self.classes, latents, codec)

    def _choose(
        self, latents: Tensor, told: Tensor, allowed: Tensor, wheres: Sequence[Any], start: int, rows: Tensor | None = None
    ) -> Tensor:
        """Rows x [N, C] of latents [N, Z] and what is told of them [N, K], choice by choice among those allowed [N, C].

        `rows` [N, M]: what is told as it stands in the table, NaN where nothing is.
        """
        codec = cast(ChoiceCodec, self.codec)

        def call(z: Tensor, c: Tensor, still: Tensor, known: Tensor | None = None) -> Tensor:
            found: Tensor = self.network.draw(z, c, lambda x, mask: codec.open(x, mask, still, wheres, known))  # type: ignore[operator]
            return found

        tensors = (latents, told, allowed) if rows is None else (latents, told, allowed, rows)
        return torch.cat(list(self._passes(call, tensors, start % BLOCK))).cpu()

    def fill(self, raw: np.ndarray, *, seed: int = 0, start: int = 0) -> np.ndarray:
        """Rows of a table [N, M] with every missing value drawn, given what is there; nothing else is changed.

        What stays missing is a column of which the codec keeps no value at all, and columns of one choice that never have one together.
        Row i depends on (seed, start + i) and on itself alone. ConfigError for a generator that makes no rows of a table.
        """
        if not self.card.layout.given:
            raise ConfigError("this generator does not make rows of a table, so it cannot fill in cells.")
        codec, size = cast(ChoiceCodec, self.codec), self.card.network.latent
        assert size
        mask, allowed = codec.unfilled(raw)
        rows = torch.from_numpy(raw)
        x, owner = codec.encode(rows), given.owners(self.card.layout)
        told = given.condition(x, mask, torch.zeros_like(mask), owner)
        latents = latent.draw(seed, "fill", start, len(raw), size)
        made = codec.decode(codec.confine(self._choose(latents, told, allowed, (), start, rows), (), rows))
        return np.where(np.isnan(raw), made, raw)

    def decode(
        self,
        latents: Tensor,
        labels: np.ndarray | None = None,
        start: int = 0,
        *,
        truncation: float = 1.0,
        shift: Tensor | None = None,
    ) -> Samples:
        """Samples of given latents [N, Z] and what `labels` gives, [N] or [N, K].

        `shift` [N, Z]: added to latents or styles, as `directions` tell. ConfigError for a generator that makes rows of a table.
        """
        refuse_rows(self.card.layout, "a latent alone does not determine a row")
        if not styled(self.network):
            latents = latent.truncate(latents, truncation)
        shift = torch.zeros_like(latents) if shift is None else shift
        condition = self.condition(labels)

        def call(z: Tensor, moved: Tensor, c: Tensor | None = None) -> Tensor:
            return self.draw(z, c, moved, truncation)

        tensors = (latents, shift) if condition is None else (latents, shift, condition)
        raw = np.concatenate([self.codec.decode(x) for x in self._passes(call, tensors, start % BLOCK)])
        if self.columns and labels is not None:
            return Samples(raw, None, (), latents, self.codec, Conditions(labels, self.columns))
        return Samples(raw, labels, self.classes, latents, self.codec)

    def condition(self, labels: np.ndarray | None) -> Tensor | None:
        """What the network is told of class indices [N], one-hot [N, K], or of conditions [N, K]; None where it is not conditional."""
        if not self.card.layout.condition:
            return None
        if labels is None:
            raise ConfigError("this generator is conditional; give the class indices of the samples.")
        if self.columns:
            return torch.from_numpy(labels).to(self.device)
        return nn.functional.one_hot(torch.from_numpy(labels), self.card.layout.condition).float().to(self.device)

    def draw(self, latents: Tensor, condition: Tensor | None = None, shift: Tensor | float = 0.0, truncation: float = 1.0) -> Tensor:
        """Encoded samples x [B, C, *P] of latents [B, Z] and conditions [B, K] on the network's device; a gradient passes to the latents.

        Styles are truncated; `shift` [B, Z] is added to the style, or else to the latent.
        """
        if styled(self.network):
            style = latent.truncate(self.network.mapping(latents, condition), truncation, self.network.mapping.mean)  # type: ignore[operator, arg-type]
            return self.network.synthesis(style + shift, latents).float()  # type: ignore[operator]
        latents = latents + shift
        return (self.network(latents) if condition is None else self.network(latents, condition)).float()

    def directions(self, count: int = 5) -> Directions:
        """The `count` directions in which samples change most. ConfigError where there are not so many, or rows.  arXiv:2007.06600"""
        refuse_rows(self.card.layout, "there are no directions in the latent space along which a row changes gradually")
        size, network = self.card.network.latent or 1, self.network
        if not 1 <= count <= size:
            raise ConfigError(f"{count} directions were requested; this generator has 1 to {size}, the dimensions of its latent.")
        drawn, condition = latent.draw(0, "directions", 0, STYLES, size).to(self.device), self.condition(self.labels(STYLES, None, 0))
        two = None if condition is None else condition[:2]
        space: Literal["latent", "style"] = "style" if styled(network) else "latent"
        if space == "style":
            weight = entrance(network, lambda styles: network.synthesis(styles, drawn[:2]), size)  # type: ignore[operator]
        else:
            weight = entrance(network, lambda latents: self.draw(latents, two), size)
        if weight is None:
            raise ConfigError(f"no layer of this generator is linear in its {space} alone, so its directions have no closed form.")
        vectors, values = latent.directions(weight)
        spreads = torch.ones(size)
        if space == "style":
            with torch.no_grad():
                spreads = (network.mapping(drawn, condition) @ vectors.T).std(0)  # type: ignore[operator]
        return Directions(space, *(found[:count].cpu() for found in (vectors, values, values / values.sum(), spreads)))

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @torch.no_grad()
    def _passes(self, call: Callable[..., Tensor], tensors: Sequence[Tensor], inside: int) -> Iterator[Tensor]:
        """call(*parts) of tensors [N, …] in passes of exactly BLOCK samples, each at its own place of the block, the rest zeros."""
        place, total = 0, len(tensors[0])
        while place < total:
            count = min(BLOCK - inside, total - place)

            def padded(x: Tensor, rows: slice = slice(place, place + count), where: slice = slice(inside, inside + count)) -> Tensor:
                whole = x.new_zeros(BLOCK, *x.shape[1:])
                whole[where] = x[rows]
                return whole.to(self.device)

            yield call(*map(padded, tensors))[inside : inside + count]
            place, inside = place + count, 0


def save(folder: Path, card: Card, codec: dict[str, Any], weights: dict[str, Tensor], rows: Conditions | None = None) -> None:
    """Write a generator's folder; each file is whole or not there, the weights last. `rows`: as of a `Generator`."""
    if rows is not None:
        write_tensors(folder / "conditions.safetensors", {"rows": torch.from_numpy(rows.values)}, {"format": FORMAT})
    write_json(folder / "config.json", card.to_dict())
    write_json(folder / "codec.json", codec)
    write_tensors(folder / "weights.safetensors", weights, {"format": FORMAT})


def refuse_rows(layout: Layout, so: str) -> None:
    """ConfigError for what cannot be done with the latent of rows of choices, `so` saying what follows for it."""
    if layout.given:
        raise ConfigError(f"this generator makes rows of a table, one choice after another, so {so}. Draw rows with sample instead.")


def _turns(codec: ChoiceCodec, wanted: Sequence[Any], label: Label | None, balance: str | None) -> list[Tensor]:
    """What rows that meet all conditions may choose [C], for each class or value that is drawn in turn."""
    if label is not None and balance is not None:
        raise ConfigError("a label and a balanced column were given; give the label with where instead.")
    if label is not None:
        names = _names(label)
        each = {name: codec.allowed([*wanted, codec.labelled(name)]) for name in dict.fromkeys(names)}
        return [each[name] for name in names]
    whole = codec.allowed(wanted)
    if balance is None:
        return [whole]
    found = []
    for value in codec.each(balance):
        with suppress(ConfigError):  # the conditions leave nothing of this value
            found.append(codec.allowed([*wanted, value]))
    return found


def _names(label: Label) -> list[str]:
    """The classes asked for, in turn; a number is the class that is called so. ConfigError where there are none."""
    several = isinstance(label, Iterable) and not isinstance(label, str | Mapping)
    names = [str(name) for name in (label if several else [label])]
    if not names:
        raise ConfigError("an empty list of labels was given. Give at least one, or leave it out.")
    return names


def _chances(seed: int, start: int, count: int) -> Tensor:
    """Numbers [count] uniform in (0, 1), by position like the latents."""
    return torch.special.ndtr(latent.draw(seed, "label", start, count, 1)[:, 0].double())


def _rows(path: Path, card: Card) -> Conditions:
    """Conditions of training samples. RunError where they are not there or do not fit the columns."""
    values = read_tensors(path)[0].get("rows", torch.empty(0))
    if values.dim() != 2 or not len(values) or not card.layout.condition == values.shape[1] == width(card.columns):
        raise RunError(f"{path} does not hold conditions of the columns in config.json. Copy the folder again, or train again.")
    return Conditions(values.numpy(), card.columns)


def _no_generator(path: Path, error: Exception) -> RunError:
    what = str(error).splitlines()[0] if str(error) else ""
    return RunError(f"{path} does not describe a generator ({type(error).__name__}: {what}). Copy the folder again, or train again.")


def is_artefact(folder: str | Path) -> bool:
    """Whether a folder looks like an exported generator."""
    return (Path(folder) / "config.json").is_file() and (Path(folder) / "codec.json").is_file()
