"""How a student is trained: a frozen Recipe, read from templates/recipes/ or from a file of the user's own."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from sera_cli import templates
from sera_cli.errors import ConfigError
from sera_cli.knobs import Train
from sera_cli.types import Value

Method = Literal["lora", "full", "qlora"]
Attention = Literal[
    "auto", "eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3", "flash_attention_4"]


class Recipe(Value):
    """`batch` counts samples per optimizer step. `rank`, `alpha`, `dropout` shape LoRA, and full tuning ignores them.

    `precision` is that of the arithmetic on a GPU; a CPU always computes in float32. `offload` keeps activations in
    the machine's memory. `save_every` counts steps, and 0 saves at the end of each epoch. A loss that stays above
    `loss_ceiling` (0: none) for `patience` steps ends the training.
    """

    name: str
    method: Method
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    schedule: Literal["cosine", "linear", "constant_with_warmup"]
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    betas: tuple[float, float]
    epsilon: float = Field(gt=0)
    max_grad_norm: float = Field(gt=0)
    batch: int = Field(ge=1)
    precision: Literal["float32", "bfloat16"]
    checkpointing: bool
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    packing: bool = True
    attention: Attention = "auto"
    offload: bool = False
    save_every: int = Field(default=0, ge=0)
    loss_ceiling: float = Field(default=0.0, ge=0)
    patience: int = Field(default=50, ge=1)
    rank: int = Field(default=0, ge=0)
    alpha: int = Field(default=0, ge=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @field_validator("betas", mode="before")
    @classmethod
    def _split(cls, said: object) -> object:
        """`[train]` says them in a line, as `0.9 0.95`."""
        if isinstance(said, str) and len(said.split()) != 2:
            raise ValueError("should be two numbers, with a space between them")
        return said.split() if isinstance(said, str) else said


def recipe(spec: str, *, method: str = "auto", changes: Mapping[str, object] | None = None) -> Recipe:
    """The recipe called `spec`, or the TOML file at that path, with `changes` made to its fields.

    Raises ConfigError, naming the file or section and the key, and for a recipe of another method than `method`.
    """
    changes = changes or {}
    if spec.endswith(".toml"):
        path = Path(spec).expanduser()
        return _agreed(_made(path.stem, _read(path), str(path), changes), method)
    if spec not in names():
        raise ConfigError(f"no recipe is called {spec!r}; take {', '.join(names())}, or the path of a .toml file")
    return _agreed(_made(spec, templates.table(f"recipes/{spec}.toml"), f"recipe {spec}", changes), method)


def changes(said: Train) -> dict[str, object]:
    """What `[train]` says of a recipe's fields; what is empty there is left to the recipe."""
    own = {name: getattr(said, name) for name in Recipe.model_fields if name not in ("name", "method")}
    return {name: value for name, value in own.items() if value != ""}


def names() -> list[str]:
    return sorted(file.stem for file in (templates.folder() / "recipes").glob("*.toml"))


def _agreed(found: Recipe, method: str) -> Recipe:
    if method not in ("auto", found.method):
        raise ConfigError(f"recipe {found.name} is for {found.method}, and the method is {method}: change one of them")
    return found


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {error}") from error


def _made(name: str, table: Mapping[str, object], where: str, changes: Mapping[str, object]) -> Recipe:
    known = set(Recipe.model_fields) - {"name"}
    for key in sorted(set(table) - known):
        near = get_close_matches(key, known, 1)
        raise ConfigError(f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    try:
        made = Recipe.model_validate({**table, **changes, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key, reason = str(first["loc"][0]), first["msg"].removeprefix("Value error, ")
        if key in changes:
            raise ConfigError(f"train.{key} is {changes[key]!r}; it {reason.removeprefix('Input ')}") from error
        raise ConfigError(f"{where}: {key}: {reason}") from error
    if made.method != "full" and not (made.rank and made.alpha):
        raise ConfigError(f"{where}: LoRA needs rank and alpha above 0")
    return made
