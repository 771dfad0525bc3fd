"""The settings of a run: typed, frozen, with units; an unknown name is refused with the nearest known one.

A setting of None means "chosen from the data and the machine". `recipes.resolve` fills every None before training, and the
resolved recipe is written to `recipe.yaml`, so that file alone trains the same run again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gansmith.errors import ConfigError, nearest


class Settings(BaseModel):
    """Base of every group of settings: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class DataSettings(Settings):
    """The data, and how they are brought into shape."""

    source: str = Field("digits", description="a path, hf:NAME, digits, or toy:ring, toy:grid, toy:sines")
    domain: str | None = Field(None, description="image, table or toy; None: recognised from the data")
    size: tuple[int, int] | None = Field(None, description="height and width in pixels; None: chosen from the pictures")
    channels: int | None = Field(None, ge=1, le=512, description="1 grey, 3 colour, 4 with transparency; None: as the pictures are")
    fit: Literal["crop", "pad", "stretch"] = Field("crop", description="how a picture of another shape is brought to `size`")
    background: str = Field("white", description="colour laid under transparent pixels and used by fit=pad")
    target: str | None = Field(None, description="tables: the column that models are to predict")
    table_schema: str | None = Field(None, description="tables: a JSON file that corrects how columns were recognised")
    labels: str | None = Field(
        None, description="a CSV or JSON file of file names and labels, or 'none'; None: class folders or the array file"
    )
    held_out: float = Field(0.1, ge=0.0, lt=0.9, description="share held out of training by content hash, for every later evaluation")
    split_seed: int | None = Field(
        None, ge=0, lt=2**63, description="seed of the split, so that runs with several seeds can share it; None: run.seed"
    )
    balance: bool | None = Field(
        None, description="draw every class equally often; None: if the largest is at least ten times the smallest"
    )


class NetworkSettings(Settings):
    """The generator and the discriminator."""

    name: Literal["dense", "classic", "light", "residual", "dcgan", "sngan", "sagan", "stylegan2", "fastgan", "row"] | None = Field(
        None, description="architecture of both networks; None: chosen from the data and the device"
    )
    width: int | None = Field(
        None,
        ge=4,
        le=4096,
        description="channels of the finest stage (convolutional) or units of a layer (dense); None: depends on the network",
    )
    latent: int | None = Field(None, ge=1, le=8192, description="dimensions of the latent; None: depends on the network")
    conditioning: Literal["projection", "concatenation", "auxiliary"] | None = Field(
        None, description="how the discriminator uses a label: by projection, as an input, or by predicting it; None: projection"
    )
    spectral: bool = Field(
        False, description="spectral normalisation: divide every weight of the discriminator by its largest singular value"
    )
    spread: bool = Field(False, description="minibatch standard deviation: show the discriminator how much the samples of a batch differ")


class LossSettings(Settings):
    """The loss."""

    name: str = Field("relativistic", description="relativistic, nonsaturating, minimax, hinge, …; all of them: docs/losses.md")
    centring: float = Field(
        1e-3, ge=0, description="weight of the square of the mean logit; the logits of a relativistic loss drift without it"
    )


class GameSettings(Settings):
    """How the two networks take turns, and what the generator learns from besides the logits."""

    critics: int = Field(1, ge=1, le=100, description="steps of the discriminator for one of the generator, each on a batch of its own")
    pack: int = Field(1, ge=1, le=64, description="samples that the discriminator judges together, against mode collapse (PacGAN)")
    kept: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of the generated samples, those with the highest logits, that is learned from at the end (top-k)",
    )
    unrolled: int = Field(
        0, ge=0, le=50, description="steps of the discriminator that the generator looks ahead and differentiates through"
    )
    features: float = Field(
        0.0, ge=0, description="weight of feature matching: mean features of generated samples are matched to those of real ones"
    )
    likelihood: float | None = Field(
        None, ge=0, description="tables: weight of the negative log-likelihood of the hidden part of real rows; None: 10 for tables, else 0"
    )
    classes: float = Field(1.0, ge=0, description="weight of the auxiliary classifier, if network.conditioning=auxiliary")


class PenaltySettings(Settings):
    """What keeps the discriminator smooth: by default R1 on real and R2 on fake samples, at every step."""

    name: Literal["r1+r2", "r1", "r2", "wgan-gp", "lp", "dragan"] = Field("r1+r2", description="gradient penalty; gamma=0: none")
    form: Literal["exact", "finite"] | None = Field(
        None, description="double backward, or finite differences; None: exact, unless machine.compile, which knows no second derivative"
    )
    gamma: float | None = Field(
        None, ge=0, description="weight at the start; None: the automatic rule of docs/penalty.md, or 10 as published"
    )
    gamma_end: float | None = Field(None, ge=0, description="weight at the end, reached log-linearly; None: as at the start")
    every: int = Field(1, ge=1, description="take the penalty at every so many steps, with as many times the weight")
    epsilon: float = Field(
        0.05, gt=0, description="step of the finite difference, in standard deviations of the data; below 0.03 bf16 rounds it away"
    )
    lecam: float = Field(0.0, ge=0, description="weight of LeCam, which keeps logits near running means; for few samples")
    consistency: float = Field(0.0, ge=0, description="weight of bCR: a logit should not change when its sample is shifted a little")
    path: float = Field(
        0.0, ge=0, description="weight of path length regularisation: equal steps in the latent make equal steps in the samples"
    )
    orthogonal: float = Field(0.0, ge=0, description="weight of orthogonal regularisation of the generator")
    clip: float | None = Field(None, gt=0, description="clip the discriminator's weights to this size; None: no clipping")


class AugmentSettings(Settings):
    """Samples changed before the discriminator sees them, real and generated alike, where there are few of them."""

    policy: Literal["few", "diffaugment", "ada", "ada-mirror", "none"] = Field(
        "few", description="how samples are changed: docs/augment.md"
    )
    strength: float | None = Field(
        None, ge=0, le=1, description="probability of each change; above 0.8 it may show in samples; None: 0.8 for few pictures, else 0"
    )
    rise: int | None = Field(
        None,
        ge=0,
        description="samples seen over which the strength rises from 0; None: 200 for each training sample, 0 if it adapts",
    )
    adapt: bool = Field(False, description="adapt the strength, up to `strength`, to how sure the discriminator is of its samples (ADA)")
    pseudo: bool = Field(False, description="show generated samples as real with the same probability (APA)")


class OptimiserSettings(Settings):
    """The optimiser of both networks."""

    name: Literal["adam", "optimistic", "extra"] = Field("adam", description="Adam, optimistic Adam, or extra-gradient Adam")
    lr_generator: float | None = Field(None, gt=0, description="learning rate of the generator at the start; None: depends on the network")
    lr_discriminator: float | None = Field(
        None, gt=0, description="learning rate of the discriminator at the start; None: depends on the network"
    )
    lr_end: float | None = Field(
        None, ge=0, le=1, description="learning rate at the end as a share of that at the start (cosine); None: depends on the network"
    )
    lr_power: float | None = Field(
        None, gt=0, description="power of that cosine: above 1 the rate falls sooner; None: 2 for points (dense), else 1"
    )
    beta1: float = Field(0.0, ge=0, lt=1, description="of Adam: momentum")
    beta2: float = Field(0.9, gt=0, lt=1, description="of Adam, at the start")
    beta2_end: float = Field(0.99, gt=0, lt=1, description="of Adam, after the burn-in")


class AverageSettings(Settings):
    """The exponential moving average (EMA) of the generator, which sampling uses."""

    halflife: int | None = Field(
        None, ge=0, description="half-life of the EMA in samples seen, at most a twentieth of those so far; 0: no average; None: 20,000"
    )


class RunSettings(Settings):
    """Length, batch, seed, reporting."""

    seed: int = Field(0, ge=0, lt=2**63, description="random seed")
    batch: int | None = Field(None, ge=1, description="batch size: real samples per step, all processes together")
    samples: int | None = Field(None, ge=1, description="length of the run in real samples that the discriminator sees")
    minutes: float | None = Field(None, gt=0, description="length of the run in minutes, over all its resumes")
    burn_in: float = Field(0.2, ge=0, le=1, description="share of the run in which beta2 rises to beta2_end")
    tick: int | None = Field(None, ge=1, description="steps between two records of the log")
    previews: int = Field(16, ge=0, description="number of preview pictures in a run")
    looks: int | None = Field(
        None, ge=0, description="how often in a run the generator's distance from the data is measured; the best generator is kept"
    )
    exams: int | None = Field(
        None, ge=0, description="how often in a run both networks are examined for problems; costs 1 to 2 % of the time"
    )
    guard: bool = Field(
        True, description="on a severe finding go back to the last healthy moment and continue with other settings (docs/diagnose.md)"
    )
    stop_early: bool = Field(True, description="end a run whose generator has been far worse than its best for a quarter of the run")
    checkpoint_seconds: float = Field(30.0, ge=0, description="shortest time between two checkpoints, in seconds")
    keep: int = Field(2, ge=1, description="number of checkpoints kept")
    report: bool = Field(True, description="write report.html at the end")
    tensorboard: bool = Field(False, description="also write TensorBoard events (extra 'tensorboard')")


class MachineSettings(Settings):
    """How the arithmetic is done. Fixed values make runs comparable bit by bit."""

    device: str | None = Field(None, description="cpu, cuda, cuda:N or mps; None: the best there is")
    precision: Literal["fp32", "bf16"] | None = Field(
        None, description="precision of the networks' arithmetic; weights are always fp32; None: by trial"
    )
    threads: int | None = Field(None, ge=1, description="threads of each process; None: by trial")
    workers: int | None = Field(None, ge=1, description="processes on this machine; None: by trial")
    compile: bool = Field(False, description="torch.compile the networks (CUDA; slower on CPU)")


class Recipe(Settings):
    """Every setting of a run."""

    version: int = Field(1, description="of this file's format")
    data: DataSettings = DataSettings()
    network: NetworkSettings = NetworkSettings()
    loss: LossSettings = LossSettings()
    game: GameSettings = GameSettings()
    penalty: PenaltySettings = PenaltySettings()
    augment: AugmentSettings = AugmentSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    average: AverageSettings = AverageSettings()
    run: RunSettings = RunSettings()
    machine: MachineSettings = MachineSettings()

    @model_validator(mode="before")
    @classmethod
    def _not_newer(cls, values: Any) -> Any:
        """Before the rest, for a newer recipe may well have settings that this gansmith does not know."""
        version = values.get("version") if isinstance(values, dict) else None
        if isinstance(version, int) and version > RECIPE_VERSION:
            raise ConfigError(
                f"this recipe has format {version} and this gansmith reads up to {RECIPE_VERSION}. Upgrade with: pip install -U gansmith"
            )
        return values

    @model_validator(mode="after")
    def _not_contradictory(self) -> Self:
        if self.optimiser.beta2_end < self.optimiser.beta2:
            raise ConfigError("optimiser.beta2_end is lower than optimiser.beta2; beta2 rises during the burn-in.")
        if self.penalty.form == "finite" and self.penalty.name not in ("r1+r2", "r1", "r2"):
            raise ConfigError(f"penalty.form=finite supports only R1 and R2, not {self.penalty.name}. Set penalty.form=exact.")
        if self.optimiser.name == "extra" and self.game.critics > 1:
            raise ConfigError("optimiser.name=extra updates both networks at once, so game.critics must be 1.")
        if self.game.unrolled and (self.game.features or self.network.conditioning == "auxiliary"):
            raise ConfigError("game.unrolled supports only losses of logits. Leave game.features and network.conditioning=auxiliary out.")
        return self


RECIPE_VERSION = 1
MEMORY = "memory:"  # the source of data that were passed from Python


def build(values: Mapping[str, Any]) -> Recipe:
    """A Recipe from nested plain values. ConfigError in one sentence where a name is unknown or a value is out of range."""
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from None


def read_yaml(path: str | Path, what: str, where: str, like: str) -> Any:
    """What a YAML file holds. ConfigError where it is not there, with `where` to find one, or broken, with what one is `like`."""
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no {what} file {path}. Give the path of {where}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the {what} file {path} cannot be read ({error}).") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2024-13-01 looks like a date to YAML
        raise ConfigError(f"{path} is not YAML: {str(error).splitlines()[0]}. {like}.") from None


def read(path: str | Path) -> Recipe:
    """A Recipe from a YAML file."""
    where = "a recipe.yaml, for example one of an earlier run"
    values = read_yaml(path, "recipe", where, "Compare it with a recipe.yaml written by a run")
    if values is None:
        return Recipe()
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}; a recipe is a mapping of groups such as 'run:' and 'network:'.")
    return build(values)


def split_seed(recipe: Recipe) -> int:
    """The seed by which a part of the data is held out."""
    return recipe.run.seed if recipe.data.split_seed is None else recipe.data.split_seed


def dump(recipe: Recipe) -> str:
    """The YAML text of a recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def merge(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A copy with dotted settings changed: merge(r, {"run.batch": 64}). Values may be text, as from a command line."""
    values = recipe.model_dump()
    for dotted, value in changes.items():
        group, _, name = dotted.partition(".")
        fields = Recipe.model_fields
        if group not in fields or group == "version" or not name:
            raise ConfigError(f"there is no setting {dotted!r}; {nearest(dotted, names())}")
        if name not in values[group]:
            raise ConfigError(f"there is no setting {dotted!r}; {nearest(dotted, names())}")
        values[group][name] = value if _is_text(group, name) and value != "null" else _plain(value)
    return build(values)


def parse_assignments(words: Iterable[str]) -> dict[str, Any]:
    """`--set a.b=v` words as a mapping."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set takes NAME=VALUE, for example --set penalty.gamma=0.3; found {word!r}.")
        found[name.strip()] = value.strip()
    return found


def names() -> list[str]:
    """Every dotted setting there is."""
    return [f"{group}.{name}" for group, model in _groups().items() for name in model.model_fields]


def flat(recipe: Recipe) -> dict[str, Any]:
    """Dotted setting -> value."""
    values = recipe.model_dump(mode="json")
    return {name: values[name.partition(".")[0]][name.partition(".")[2]] for name in names()}


def _groups() -> dict[str, type[Settings]]:
    return {
        k: f.annotation for k, f in Recipe.model_fields.items() if isinstance(f.annotation, type) and issubclass(f.annotation, Settings)
    }


def _is_text(group: str, name: str) -> bool:
    """Whether a setting is free text, which is taken as it stands: a folder may be called 2024, or 1e3."""
    kind = _groups()[group].model_fields[name].annotation
    return str in (kind, *get_args(kind))


def _plain(value: Any) -> Any:
    """Text from a command line as YAML reads it ('1e-3' and '2M' as numbers too)."""
    if not isinstance(value, str):
        return value
    try:
        found = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):  # ValueError: 2024-13-01 looks like a date to YAML
        return value
    if isinstance(found, str):
        try:
            return count(found)
        except ConfigError:
            return found
    return found


def count(text: str | int | float) -> int | float:
    """'2M', '500k', '1e6', 1000 as a number."""
    if isinstance(text, int | float):
        return text
    scale = {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}.get(text[-1:].lower(), 1.0)
    try:
        number = float(text[:-1] if scale != 1.0 else text) * scale
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{text!r} is not a number; write for example 500k, 2M or 1000000.")
    return int(number) if number == int(number) else number


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(p) for p in first["loc"])
    if first["type"] == "extra_forbidden":
        known = names() if "." in where else list(Recipe.model_fields)
        return f"there is no setting {where!r}; {nearest(where, known)}"
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    return f"setting {where!r} cannot be {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}."
