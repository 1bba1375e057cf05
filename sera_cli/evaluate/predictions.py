"""Predictions: a patch for each instance, as SWE-bench's tools write and read them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sera_cli.errors import ConfigError, DataError
from sera_cli.evaluate.instance import Instance
from sera_cli.store import atomically
from sera_cli.types import Value

Row = dict[str, Any]


class Predictions(Value):
    """`patches` by instance, an empty one where there was none. `unknown` are those of instances that are not asked
    for, in their order; `model` is who made them, empty where the file does not say.
    """

    model: str
    patches: dict[str, str]
    unknown: tuple[str, ...] = ()


def predictions(source: str, instances: Iterable[Instance]) -> Predictions:
    """`gold`, `empty`, or a file: `.jsonl`, or `.json` with a list, or an object by instance.

    Raises ConfigError where there is no such file, DataError where it does not read or names none of the instances.
    """
    wanted = {one.instance_id: one for one in instances}
    match source:
        case "gold":
            return Predictions(model="gold", patches={name: one.patch for name, one in wanted.items()})
        case "empty":
            return Predictions(model="empty", patches=dict.fromkeys(wanted, ""))
        case _:
            return _of_file(Path(source), wanted)


def row(instance_id: str, model: str, patch: str) -> Row:
    """One prediction as SWE-bench has it."""
    return {"instance_id": instance_id, "model_name_or_path": model, "model_patch": patch}


def write(path: Path, model: str, patches: Mapping[str, str]) -> None:
    """Writes predictions as JSON lines, in the order of their ids: the file appears whole or not at all."""
    rows = (json.dumps(row(name, model, patch)) for name, patch in sorted(patches.items()))
    atomically(path, "".join(f"{one}\n" for one in rows).encode())


def _of_file(path: Path, wanted: Mapping[str, Instance]) -> Predictions:
    patches, models, unknown = dict[str, str](), dict[str, None](), list[str]()
    lines = dict[str, int | None]()
    for number, one in _rows(path):
        name, model, patch = _read(one, path, number)
        if name in lines:
            raise DataError(f"{name} is predicted twice; keep one of the two", path, number)
        lines[name] = number
        models |= {model: None} if model else {}
        if name in wanted:
            patches[name] = patch
        else:
            unknown.append(name)
    if not patches:
        said = f"such as {unknown[0]}" if unknown else "for it is empty"
        raise DataError(f"holds no prediction for an instance of this benchmark, {said}", path)
    return Predictions(model=next(iter(models), ""), patches=patches, unknown=tuple(unknown))


def _read(one: object, path: Path, number: int | None) -> tuple[str, str, str]:
    """Instance, model and patch. Raises DataError."""
    if not isinstance(one, dict):
        raise DataError(f"a prediction is a JSON object, and this is a {type(one).__name__}", path, number)
    name, patch = one.get("instance_id"), one.get("model_patch")
    if not isinstance(name, str) or not name:
        raise DataError("a prediction lacks instance_id; say which instance it is for", path, number)
    if not isinstance(patch, str | None):
        raise DataError(f"model_patch of {name} is a {type(patch).__name__}; a diff is wanted, or null", path, number)
    return _plain(name), _plain(str(one.get("model_name_or_path") or "")), _plain(patch or "")


def _plain(text: str) -> str:
    """JSON can say half of a surrogate pair, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _rows(path: Path) -> Iterator[tuple[int | None, object]]:
    """Predictions with their lines, where they have any."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"--predictions {path}: {error.strerror}; name a file, or say gold or empty") from error
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start + 1}", path) from error
    match path.suffix:
        case ".jsonl":
            for number, line in enumerate(text.split("\n"), 1):
                if line.strip():
                    yield number, _parsed(line, path, number)
        case ".json":
            whole = _parsed(text, path, None)
            if not isinstance(whole, list | dict):
                raise DataError("neither a list of predictions nor an object with one for each instance", path)
            for one in whole if isinstance(whole, list) else map(_named, whole.items()):
                yield None, one
        case _:
            raise DataError("is no .jsonl or .json file; give it the ending of what is in it", path)


def _named(pair: tuple[str, object]) -> object:
    """A prediction that stands under its instance: an object, or the patch alone."""
    name, value = pair
    return {"instance_id": name, **(value if isinstance(value, dict) else {"model_patch": value})}


def _parsed(text: str, path: Path, number: int | None) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"not JSON: {getattr(error, 'msg', 'nested too deeply')}", path, number) from error
