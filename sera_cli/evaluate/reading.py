"""Benchmarks as they are published: SWE-bench rows out of a JSONL file, a parquet file or a dataset of the hub."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from sera_cli.errors import ConfigError, DataError
from sera_cli.evaluate.instance import InstallConfig, Instance

HUB = {
    "swe-verified": "SWE-bench/SWE-bench_Verified", "swe-lite": "SWE-bench/SWE-bench_Lite",
    "swe-full": "SWE-bench/SWE-bench", "swe-multilingual": "SWE-bench/SWE-bench_Multilingual",
}  # fmt: skip
"""Benchmarks by their short names, and the datasets of the hub that hold them."""

SPLIT = "test"
INSTALL = "run: pip install 'sera[eval]'"
NEEDED = ("instance_id", "repo", "base_commit", "problem_statement", "patch", "test_patch")
NAME = re.compile(r"[\w+@][\w.+@:,= -]{0,199}")
IMAGES = ("image", "docker_image", "image_name")
"""What a row may call the image that it names."""

Row = dict[str, Any]


def instances(source: str | Path, *, offline: bool = False, revision: str = "") -> tuple[Instance, ...]:
    """The instances of a `.jsonl`, `.json` or `.parquet` file, or of a dataset of the hub (`owner/name`, split test).

    Raises DataError, with the row's number and the field, for what is no instance, and for an id that comes twice;
    ConfigError where the hub is out of reach because of `offline`.
    """
    path, rows = Path(source), _rows(str(source), offline=offline, revision=revision)
    found, seen = list[Instance](), dict[str, int]()
    for number, row in rows:
        made = instance(row, path, number)
        if made.instance_id in seen:
            first = seen[made.instance_id]
            raise DataError(f"{made.instance_id} is also in row {first}; keep one of the two", path, number)
        seen[made.instance_id] = number
        found.append(made)
    if not found:
        raise DataError("holds no instances; name a file with a SWE-bench row on each line", path)
    return tuple(found)


def instance(row: Row, path: Path | None = None, number: int | None = None) -> Instance:
    """One row as an Instance. The test_patch of one with a script of its own may be empty: that may bring all tests.

    Raises DataError, which names the field that is lacking or not what it should be.
    """
    for field in NEEDED:
        needed = field != "problem_statement" and not (field == "test_patch" and row.get("eval_script"))
        if not isinstance(row.get(field), str) or (needed and not row[field].strip()):
            what = "lacks" if row.get(field) is None else "has an unusable"
            name = f" of {row['instance_id']}" if field != "instance_id" and row.get("instance_id") else ""
            raise DataError(f"the row{name} {what} {field}; give each row the fields of SWE-bench", path, number)
    if not NAME.fullmatch(row["instance_id"]):
        what = f"{row['instance_id'][:40]!r} is no instance_id"
        raise DataError(f"{what}: files are named by it; use letters, digits, '.', '_' and '-'", path, number)
    config = row.get("install_config")
    try:
        return Instance(
            **{field: row[field] for field in NEEDED}, version=str(row.get("version") or ""),
            fail_to_pass=_tests(row, "FAIL_TO_PASS"), pass_to_pass=_tests(row, "PASS_TO_PASS"),
            environment_setup_commit=row.get("environment_setup_commit") or "",
            created_at=str(row.get("created_at") or ""), eval_script=_script(row.get("eval_script")),
            image=next((row[name] for name in IMAGES if row.get(name)), ""),
            install_config=InstallConfig.model_validate(_parsed(config)) if config else None, row=row,
        )  # fmt: skip
    except (ValidationError, ValueError) as error:
        why = _place(error) if isinstance(error, ValidationError) else str(error)
        raise DataError(f"the row of {row['instance_id']} has an unusable {why}", path, number) from error


def chosen(found: Iterable[Instance], pattern: str = "", limit: int = 0) -> tuple[Instance, ...]:
    """Those whose id fits one of the patterns (shell globs, with commas between them), and of those the first `limit`.

    Raises ConfigError when none fits.
    """
    everyone = tuple(found)
    patterns = [one.strip() for one in pattern.split(",") if one.strip()] or ["*"]
    fitting = [one for one in everyone if any(fnmatchcase(one.instance_id, glob) for glob in patterns)]
    if not fitting:
        raise ConfigError(
            f"no instance is called {pattern}; there are {len(everyone)}, such as {everyone[0].instance_id}"
            if everyone else "there are no instances to choose from"
        )
    return tuple(fitting[:limit] if limit else fitting)


def _tests(row: Row, field: str) -> tuple[str, ...]:
    """The names of tests: a list, or its JSON in a string, as the published datasets have it."""
    if row.get(field) is None:
        raise ValueError(f"{field}: there is none")
    value = _parsed(row[field])
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{field}: a list of names of tests is wanted")
    return tuple(value)


def _script(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"field: no JSON in {value[:40]!r}") from error


def _place(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'install_config'}: {first['msg']}"


def _rows(source: str, *, offline: bool, revision: str) -> Iterator[tuple[int, Row]]:
    path = Path(source)
    match path.suffix:
        case ".jsonl":
            yield from _of_lines(path)
        case ".json":
            yield from _of_list(path)
        case ".parquet":
            yield from _of_parquet(path)
        case _ if path.exists():
            raise DataError("is no .jsonl, .json or .parquet file; give it the ending of what is in it", path)
        case _:
            yield from enumerate(_of_hub(HUB.get(source, source), offline=offline, revision=revision), 1)


def _of_lines(path: Path) -> Iterator[tuple[int, Row]]:
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _object(line, path, number)


def _of_list(path: Path) -> Iterator[tuple[int, Row]]:
    with _opened(path) as file:
        found = _json(file.read(), path, None)
    rows = list(found.values()) if isinstance(found, Mapping) else found
    if not isinstance(rows, list):
        raise DataError("is no list of rows; write one, or a row on each line of a .jsonl file", path)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"a row is a JSON object, and this is a {type(row).__name__}", path, number)
        yield number, row


def _of_parquet(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ConfigError(f"parquet files are read with pyarrow; {INSTALL}") from error
    try:
        with _opened(path) as opened, ParquetFile(opened) as file:
            rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
            yield from enumerate(rows, 1)
    except ArrowException as error:
        why = str(error).partition("\n")[0]
        raise DataError(f"not a parquet file that can be read ({why})", path) from error


def _of_hub(name: str, *, offline: bool, revision: str) -> Iterator[Row]:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise DataError(f"there is no such file, and no dataset of the hub is called that; know {', '.join(HUB)}",
                        Path(name))
    if offline:
        raise ConfigError(f"offline: the dataset {name} would be fetched; give a file of it by --dataset FILE")
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ConfigError(f"datasets of the hub are read with datasets; {INSTALL}") from error
    try:
        yield from map(dict, load_dataset(name, split=SPLIT, revision=revision or None))
    except (OSError, ValueError, RuntimeError) as error:  # those of the hub's own client are kinds of OSError
        what = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise DataError(f"cannot be had from the hub ({what}); give a file of it by --dataset FILE",
                        Path(name)) from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise DataError("there is no such file; name the .jsonl or .parquet file of a benchmark", path) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path) from error


def _object(text: bytes, path: Path, number: int) -> Row:
    row = _json(text, path, number)
    if not isinstance(row, dict):
        raise DataError(f"a row is a JSON object, and this is a {type(row).__name__}", path, number)
    return row


def _json(text: bytes, path: Path, number: int | None) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"not JSON: {getattr(error, 'msg', 'nested too deeply')}", path, number) from error
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 at byte {error.start + 1}", path, number) from error
