from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.evaluate.report import NAME, Report, Result, Tokens, read, result, score, totals, write
from sera_cli.types import Usage
from tests.rollouts import rollout


def of(verdict: str) -> Result:
    return Result(verdict=verdict, score=score(verdict))


def test_a_result_says_what_the_rollout_took() -> None:
    done = rollout(usage=Usage(prompt=100, cached=60, completion=7), seconds=3.5)
    made = result(done, "resolved", 1.0, dollars=0.25)
    assert made == Result(
        verdict="resolved", score=1.0, steps=0, tokens=Tokens(prompt=100, completion=7), dollars=0.25,
        exit="submitted", seconds=3.5,
    )  # fmt: skip
    assert result(None, "unresolved", 0.0) == Result(verdict="unresolved", score=0.0)


def test_only_what_was_graded_has_a_score() -> None:
    assert [score(verdict) for verdict in ("resolved", "unresolved", "infra", "unvalidated")] == [1.0, 0.0, None, None]


def test_with_one_seed_every_instance_counts_once() -> None:
    found = {"b": {0: of("unresolved")}, "a": {0: of("resolved")}, "c": {0: of("infra")}}
    assert totals(found, [0]) == {
        "resolved": 1, "unresolved": 1, "infra": 1, "unvalidated": 0, "total": 3,
        "instances": {"a": "resolved", "b": "unresolved", "c": "infra"},
    }  # fmt: skip


def test_with_several_seeds_attempts_count_and_an_instance_may_be_mixed() -> None:
    found = {"a": {0: of("resolved"), 1: of("unresolved")}, "b": {0: of("unvalidated"), 1: of("unvalidated")}}
    assert totals(found, [0, 1]) == {
        "resolved": 1, "unresolved": 1, "infra": 0, "unvalidated": 2, "total": 4,
        "instances": {"a": "mixed", "b": "unvalidated"},
        "seeds": {
            "0": {"resolved": 1, "unresolved": 0, "infra": 0, "unvalidated": 1, "total": 2,
                  "instances": {"a": "resolved", "b": "unvalidated"}},
            "1": {"resolved": 0, "unresolved": 1, "infra": 0, "unvalidated": 1, "total": 2,
                  "instances": {"a": "unresolved", "b": "unvalidated"}},
        },
    }  # fmt: skip


def test_a_report_comes_back_as_it_was_written_from_its_file_or_its_folder(tmp_path: Path) -> None:
    report = Report(
        bench="swe-verified", model="glm", digest="abc", seeds=(0, 1), results={"a": {0: of("resolved")}},
        unvalidated={"b": "its gold patch fails \ud800"},
    )  # fmt: skip
    path = write(tmp_path, report)
    assert path == tmp_path / NAME
    assert '"0": {' in path.read_text()
    assert read(path).results == read(tmp_path).results == report.results


def test_what_is_no_report_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"report\.json: No such file or directory; name the folder of an evaluation"):
        read(tmp_path)
    (tmp_path / NAME).write_text('{"sera": 1, "bench": "x"}')
    with pytest.raises(DataError, match=r"not the report of an evaluation \(model: Field required\)"):
        read(tmp_path)
