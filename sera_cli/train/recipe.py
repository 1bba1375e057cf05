"""How a student is trained: a frozen Recipe, read from templates/recipes/ or from a file of the user's own."""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from sera_cli import templates
from sera_cli.errors import ConfigError
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


def recipe(spec: str = "", *, method: str = "auto", rehearsal: bool = False) -> Recipe:
    """The recipe called `spec`, or the TOML file at that path; with none named, the one for student and method.

    `auto` is full tuning of the embedded student and LoRA of any other. Raises ConfigError, naming the file and key.
    """
    if spec.endswith(".toml"):
        return _agreed(_read(Path(spec).expanduser()), method)
    name = spec or _default(method, rehearsal)
    if name not in names():
        raise ConfigError(f"no recipe is called {name!r}; take {', '.join(names())}, or the path of a .toml file")
    return _agreed(_made(name, templates.table(f"recipes/{name}.toml"), f"recipe {name}"), method)


def names() -> list[str]:
    return sorted(file.stem for file in (templates.folder() / "recipes").glob("*.toml"))


def _default(method: str, rehearsal: bool) -> str:
    if rehearsal:
        return "rehearsal-lora" if method == "lora" else "rehearsal"
    return "full" if method == "full" else "lora"


def _agreed(found: Recipe, method: str) -> Recipe:
    if method not in ("auto", found.method):
        raise ConfigError(f"recipe {found.name} is for {found.method}, and the method is {method}: change one of them")
    return found


def _read(path: Path) -> Recipe:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {error}") from error
    return _made(path.stem, table, str(path))


def _made(name: str, table: dict[str, object], where: str) -> Recipe:
    known = set(Recipe.model_fields) - {"name"}
    for key in sorted(set(table) - known):
        near = get_close_matches(key, known, 1)
        raise ConfigError(f"{where}: unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    try:
        made = Recipe.model_validate({**table, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if made.method != "full" and not (made.rank and made.alpha):
        raise ConfigError(f"{where}: LoRA needs rank and alpha above 0")
    return made
