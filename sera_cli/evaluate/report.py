"""report.json: what came of every attempt, for `sera eval` to print and for `sera compare` to read."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from sera_cli.errors import DataError
from sera_cli.store import atomically
from sera_cli.types import Trajectory, Value

NAME = "report.json"
SCHEMA: Literal[1] = 1
BUCKETS = ("resolved", "unresolved", "infra", "unvalidated")
"""The verdicts, in the order in which they are told. The first two count."""


class Tokens(Value):
    prompt: int = 0
    completion: int = 0


class Result(Value):
    """What came of one attempt. `score` is 1 or 0, or a recall; None where the attempt does not count.

    `dollars` is None where nobody knows what a token costs. `reason` says in a line why it was not resolved.
    """

    verdict: str
    score: float | None
    steps: int = 0
    tokens: Tokens = Tokens()
    dollars: float | None = 0.0
    exit: str = ""
    seconds: float = 0.0
    reason: str = ""


class Report(Value):
    """All of an evaluation. `digest` is of what decides the result; `results` are by task and seed.

    `unvalidated` says by task why it could not be tried. `summary` are the statistics, `totals` counts verdicts. `owed`
    are attempts that were asked for last and are still to be made.
    """

    sera: Literal[1] = SCHEMA
    bench: str
    model: str
    score: Literal["resolved", "recall"] = "resolved"
    digest: str
    seeds: tuple[int, ...]
    results: dict[str, dict[int, Result]]
    unvalidated: dict[str, str] = Field(default_factory=dict)
    summary: dict[str, Any] = Field(default_factory=dict)
    totals: dict[str, Any] = Field(default_factory=dict)
    owed: int = 0


def result(
    rollout: Trajectory | None, verdict: str, score: float | None, *, dollars: float | None = 0.0, reason: str = ""
) -> Result:
    """What the report says of one attempt. Without a rollout, as for predictions, nothing was spent."""
    if rollout is None:
        return Result(verdict=verdict, score=score, reason=reason)
    return Result(
        verdict=verdict, score=score, steps=len(rollout.steps), exit=rollout.exit, seconds=rollout.seconds,
        tokens=Tokens(prompt=rollout.usage.prompt, completion=rollout.usage.completion), dollars=dollars, reason=reason,
    )  # fmt: skip


def score(verdict: str) -> float | None:
    """1 for resolved, 0 for unresolved, None for what does not count."""
    return {"resolved": 1.0, "unresolved": 0.0}.get(verdict)


def totals(results: Mapping[str, Mapping[int, Result]], seeds: Iterable[int]) -> dict[str, Any]:
    """How many attempts came to each verdict, and the verdict on each task: `mixed` where seeds differ.

    With several seeds, `seeds` tells the same of each by itself.
    """
    each = tuple(seeds)
    told = _counted(results)
    if len(each) > 1:
        told["seeds"] = {str(seed): _counted(_only(results, seed)) for seed in each}
    return told


def _only(results: Mapping[str, Mapping[int, Result]], seed: int) -> dict[str, dict[int, Result]]:
    return {name: {seed: one[seed]} for name, one in results.items() if seed in one}


def _counted(results: Mapping[str, Mapping[int, Result]]) -> dict[str, Any]:
    counts = Counter(one.verdict for by_seed in results.values() for one in by_seed.values())
    verdicts = {name: {one.verdict for one in by_seed.values()} for name, by_seed in sorted(results.items())}
    return {
        **{bucket: counts[bucket] for bucket in BUCKETS}, "total": counts.total(),
        "instances": {name: next(iter(found)) if len(found) == 1 else "mixed" for name, found in verdicts.items()},
    }  # fmt: skip


def write(folder: Path, report: Report) -> Path:
    """Puts report.json into a run's folder, whole or not at all."""
    path = folder / NAME
    text = json.dumps(report.model_dump(mode="json"), indent=1, ensure_ascii=False)
    atomically(path, text.encode("utf-8", "replace") + b"\n")
    return path


def read(path: Path) -> Report:
    """The report in a file, or in the folder of an evaluation. Raises DataError for what is none."""
    file = path / NAME if path.is_dir() else path
    try:
        return Report.model_validate_json(file.read_bytes())
    except OSError as error:
        text = f"{error.strerror}; name the folder of an evaluation that came to its end, or its {NAME}"
        raise DataError(text, file) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise DataError(f"not the report of an evaluation ({where}: {first['msg']})", file) from error
