"""Grading patches on the tiny instance: real sandboxes, the real judge."""

from pathlib import Path

import pytest

from sera_cli.evaluate.grade import grade
from tests import tiny


def test_the_fix_resolves_it(tmp_path: Path) -> None:
    repo = tiny.repository(tmp_path)
    one = tiny.instance(repo)
    place = tiny.Here(repo, tmp_path / "bases")
    g = grade(one, one.patch, place, logs=tmp_path / "logs", id="a")
    print(g)
    assert g.verdict == "resolved"


@pytest.mark.parametrize("name", tiny.BROKEN)
def test_broken(tmp_path: Path, name: str) -> None:
    repo = tiny.repository(tmp_path)
    one = tiny.instance(repo)
    place = tiny.Here(repo, tmp_path / "bases")
    g = grade(one, tiny.patch(repo, tiny.BROKEN[name]), place, logs=tmp_path / "logs", id="a", seconds=5)
    print(g)
    if g.log:
        print((tmp_path / "logs" / g.log).read_text())
    assert g.verdict == "unresolved"
