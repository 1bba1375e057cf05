"""Every knob: its default, its sentence, and where its value comes from.

A flag beats the environment (`SERA_SECTION_KEY`), which beats the project's `.sera/config.toml`, which beats
the user's `config.toml`, which beats the default. The origin of each value is kept.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from re import fullmatch
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from sera_cli.errors import ConfigError
from sera_cli.types import Value

FILES = ("mix.general", "generate.demonstrations")
"""Knobs that name a file: a relative one is read from the folder of the project whose config says it."""

PLACES = ("student.model", "train.recipe")
"""Knobs that name something known or a place on disk; `./…`, `../…` and `~/…` are places."""


def knob(default: Any, sentence: str, *, flag: str = "", **limits: Any) -> Any:
    """A field with its sentence, and the flag that sets it for one command."""
    return Field(default, description=sentence, json_schema_extra={"flag": flag}, **limits)


def _teacher(name: str) -> str:
    kind, _, model = name.partition(":")
    if name in ("", "rehearsal") or (kind == "openai" and model):
        return name
    raise ValueError("should be rehearsal, or openai:MODEL for a server that speaks OpenAI chat completions")


def _name(name: str) -> str:
    if fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)?", name):
        return name
    raise ValueError("should begin with a letter or digit, and go on with those, dots, dashes, underscores")


class Teacher(Value):
    """The model that writes the trajectories an agent learns from."""

    model: Annotated[str, AfterValidator(_teacher)] = knob(
        "", "rehearsal, or openai:MODEL. Empty: none is named, and specialize rehearses.", flag="--teacher")
    url: str = knob(
        "", "Base URL of the teacher's server, such as http://localhost:8000/v1.", flag="--teacher-url")
    temperature: float = knob(0.6, "Sampling temperature (SERA paper, section 3.1).", ge=0, le=2)
    max_tokens: int = knob(8192, "The longest single reply, in tokens.", ge=1)
    timeout: float = knob(600.0, "Seconds to wait for one reply.", gt=0)


class Student(Value):
    """The open-weight model that becomes the agent."""

    model: str = knob(
        "", "rehearsal, a Hugging Face id or a local folder. Empty: rehearsal, and only in a rehearsal.",
        flag="--student")
    context: int = knob(0, "Tokens of one training sample. 0: the student's own context.", ge=0)


class Rollout(Value):
    """How a model works in the repository."""

    steps: int = knob(115, "The most steps of one rollout.", ge=1)
    requeries: int = knob(3, "How often a malformed reply is asked for again, in a row.", ge=0)
    seconds: float = knob(1800.0, "The longest one rollout's commands may run, in seconds.", gt=0)
    command_seconds: float = knob(300.0, "The longest one command may run, in seconds.", gt=0)
    sandbox: Literal["auto", "bubblewrap", "folder"] = knob(
        "auto", "Where commands run: bubblewrap isolates, folder does not, auto takes the best that works.",
        flag="--sandbox")
    jobs: int = knob(
        0, "Rollouts at the same time. 0: chosen for the machine and the teacher.", flag="--jobs", ge=0)
    tries: int = knob(3, "How often a first rollout is begun until one passes the teacher's own check.", ge=1)


class Generate(Value):
    """How many samples the repository is to give."""

    samples: int = knob(
        0, "Training samples wanted from the repository. 0: 8000, or 40 in a rehearsal.",
        flag="--samples", ge=0)
    seed: int = knob(0, "Decides functions, prompts and order; same seed, same work.", flag="--seed", ge=0)
    demonstrations: str = knob(
        "", "A TOML file of [[issue]] tables, each with a text to take the style from. Empty: our own.")


class Verify(Value):
    """Which second rollouts count."""

    threshold: float = knob(
        0.5, "The least line recall of a second rollout's patch, 0 to 1.", flag="--threshold", ge=0, le=1)


class Mix(Value):
    """How much of the training data is the repository's own."""

    alpha: float = knob(
        1.0, "Share of repository samples in the training data, 0 to 1.", flag="--alpha", ge=0, le=1)
    general: str = knob(
        "", "A JSONL file of general coding samples; needed when alpha is below 1.", flag="--general")


class Train(Value):
    """How the student learns."""

    method: Literal["auto", "lora", "full"] = knob(
        "auto", "lora trains an adapter, full all parameters, auto what suits the student.", flag="--method")
    recipe: str = knob("", "Name of a shipped recipe, or a TOML file. Empty: what suits student and method.")


class Agent(Value):
    """What comes out."""

    name: Annotated[str, AfterValidator(_name)] = knob(
        "", "Name of the agent in the registry. Empty: the repository's.", flag="--name")


class Config(Value):
    teacher: Teacher = Teacher()
    student: Student = Student()
    rollout: Rollout = Rollout()
    generate: Generate = Generate()
    verify: Verify = Verify()
    mix: Mix = Mix()
    train: Train = Train()
    agent: Agent = Agent()


class Resolved(Value):
    """A Config, and where the value of each `section.key` is from: flag, variable, file or `default`."""

    config: Config
    origins: dict[str, str]


def resolve(
    folder: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Resolved:
    """The settings of a command on the project around `folder` (None: no project).

    `flags` maps `section.key` to what the command line said, None where it said nothing. Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    origins = {key: "default" for key, _ in knobs()}
    for key, value, origin in _said(folder, flags or {}, environ):
        values[key] = value
        origins[key] = origin
    return Resolved(config=_config(values, origins), origins=origins)


def knobs() -> Iterator[tuple[str, FieldInfo]]:
    """Every `section.key` with its field, in the order they are shown."""
    for section, of in Config.model_fields.items():
        for key, field in _section(of).model_fields.items():
            yield f"{section}.{key}", field


def flag_of(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("flag", "")) if isinstance(extra, dict) else ""


def project(folder: Path) -> Path:
    """The root of the project around `folder`: the nearest one with `.sera` or `.git` in it, or `folder`."""
    start = folder.absolute()
    for at in (start, *start.parents):
        if (at / ".sera").is_dir() or (at / ".git").exists():
            return at
    return start


def project_file(folder: Path) -> Path:
    return project(folder) / ".sera" / "config.toml"


def user_file(environ: Mapping[str, str] | None = None) -> Path:
    return home("config", environ) / "config.toml"


def home(kind: Literal["config", "data", "cache"], environ: Mapping[str, str] | None = None) -> Path:
    """The user's folder for what we keep: `$SERA_HOME/<kind>` if that is set, else the platform's (XDG)."""
    import platformdirs

    own = (os.environ if environ is None else environ).get("SERA_HOME")
    if own:
        return Path(own).expanduser().absolute() / kind
    match kind:
        case "config":
            return platformdirs.user_config_path("sera")
        case "data":
            return platformdirs.user_data_path("sera")
        case "cache":
            return platformdirs.user_cache_path("sera")


def written() -> str:
    """A config file with every knob in it, commented out: what is not set here follows the user's file."""
    import tomli_w

    lines = [
        "# Settings of this project for sera. Take the # off a line to set it. A flag and a SERA_SECTION_KEY",
        "# variable beat what is said here; `sera config show --origin` tells what is in force.",
        "",
    ]
    for section, of in Config.model_fields.items():
        model = _section(of)
        lines += [f"# {model.__doc__}", f"[{section}]"]
        for key, field in model.model_fields.items():
            lines += [f"# {field.description}", "#" + tomli_w.dumps({key: field.default}).strip()]
        lines.append("")
    return "\n".join(lines)


def _section(field: FieldInfo) -> type[Value]:
    assert isinstance(field.annotation, type) and issubclass(field.annotation, Value)
    return field.annotation


def _said(
    folder: Path | None, flags: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[tuple[str, Any, str]]:
    """Whatever anyone said, weakest first: (`section.key`, value, origin)."""
    user = user_file(environ)
    yield from _from_file(user, user.parent)
    if folder is not None:
        yield from _from_file(project_file(folder), project(folder))
    yield from _from_environment(environ)
    fields = dict(knobs())
    for key, value in flags.items():
        if value is not None:
            yield key, value, flag_of(fields[key]) or key


def _from_file(path: Path, root: Path) -> Iterator[tuple[str, Any, str]]:
    known = dict(knobs())
    sections = list(Config.model_fields)
    for section, table in _toml(path).items():
        if section not in sections:
            raise ConfigError(f"{path}: unknown section {section}{_nearest(section, sections)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is a section; write [{section}] and its keys below it")
        for key, value in table.items():
            name = f"{section}.{key}"
            if name not in known:
                raise ConfigError(f"{path}: unknown key {name}{_nearest(name, list(known))}")
            yield name, _placed(name, value, root), str(path)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """Variables of our sections; an empty one counts as not set."""
    fields = {f"SERA_{key.replace('.', '_').upper()}": (key, field) for key, field in knobs()}
    ours = tuple(f"SERA_{section.upper()}_" for section in Config.model_fields)
    for variable in sorted(environ):
        text = environ[variable]
        if not text or not variable.startswith(ours):
            continue
        if variable not in fields:
            raise ConfigError(f"unknown variable {variable}{_nearest(variable, list(fields))}")
        key, field = fields[variable]
        kind: TypeAdapter[Any] = TypeAdapter(field.annotation or str)
        try:
            yield key, kind.validate_strings(text), variable
        except ValidationError as error:
            raise _refused(key, text, variable, error) from error


def _placed(key: str, value: Any, root: Path) -> Any:
    """A path that a config file names, made absolute; anything else as it is."""
    if not isinstance(value, str) or not value:
        return value
    if key in FILES or (key in PLACES and value.startswith(("./", "../", "~"))):
        return str(root / Path(value).expanduser())
    return value


def _config(values: Mapping[str, Any], origins: Mapping[str, str]) -> Config:
    sections: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    try:
        return Config.model_validate(sections, strict=True)
    except ValidationError as error:
        name = ".".join(map(str, error.errors(include_url=False)[0]["loc"][:2]))
        raise _refused(name, values[name], origins[name], error) from error


def _refused(key: str, value: object, origin: str, error: ValidationError) -> ConfigError:
    reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
    reason = reason.removeprefix("Input ")
    return ConfigError(f"{origin}: {key} is {value!r}; it {reason}")


def _nearest(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.0)
    return f"; the nearest known is {close[0]}" if close else ""
