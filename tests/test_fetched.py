"""What a repository depends on, fetched by a command of its own; here one that needs no network."""

import gc
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli.evaluate.environments import USED
from sera_cli.evaluate.fetched import FetchedPlace
from sera_cli.evaluate.flaky import tried
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.harness.sandbox import Terms, bubblewrap
from sera_cli.presence import deserted
from tests import owned
from tests.past import git

pytest.importorskip("swebench")

if problem := bubblewrap.probe():
    pytest.skip(problem, allow_module_level=True)
if not shutil.which("node"):
    pytest.skip("node is not on this machine", allow_module_level=True)

NEEDING = owned.NODE._replace(tests={
    path: text.replace('require("node:assert")', 'require("node:assert"); require("needed")')
    for path, text in owned.NODE.tests.items()
})  # fmt: skip
INSTALL = "mkdir -p node_modules/needed && echo 'exports.one = 1' >node_modules/needed/index.js"


@pytest.fixture
def instance(tmp_path: Path) -> Callable[[str], Instance]:
    bare = owned.instance(tmp_path / "repo", NEEDING)

    def installed(command: str) -> Instance:
        assert bare.install_config is not None
        config = bare.install_config.model_copy(update={"install": command})
        return bare.model_copy(update={"install_config": config})

    return installed


def test_tests_find_what_was_fetched_outside_of_the_repository(
    instance: Callable[[str], Instance], tmp_path: Path
) -> None:
    told: list[str] = []
    terms, cache = Terms(tell=told.append), tmp_path / "cache"
    place = FetchedPlace(tmp_path / "repo", tmp_path / "scratch", terms=terms, cache=cache)
    one = instance(INSTALL)
    found = tried(one, place, runs=1)
    assert (found.reason, found.fail_to_pass) == ("", ("test/sum.test.js > sum > adds",))
    with place.sandbox(one) as box:
        assert box.run("ls; git status --short", 30).output == "package.json\nsum.js\n"
    assert told == [f"fetching over the network what repo depends on: {INSTALL}"]


def test_what_was_fetched_once_is_there_offline(instance: Callable[[str], Instance], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    made = FetchedPlace(tmp_path / "repo", tmp_path / "one", cache=cache).prepare(instance(INSTALL))
    offline = FetchedPlace(tmp_path / "repo", tmp_path / "two", cache=cache, offline=True)
    assert offline.prepare(instance(INSTALL)) == made
    with pytest.raises(Unprepared, match=r"^offline: what it depends on is not there yet"):
        offline.prepare(instance("true"))


def test_what_was_fetched_is_in_use_for_as_long_as_its_place_is(
    instance: Callable[[str], Instance], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    place = FetchedPlace(tmp_path / "repo", tmp_path / "scratch", cache=cache)
    place.prepare(instance(INSTALL))
    with pytest.raises(Unprepared):
        place.prepare(instance("false"))
    locks = {(lock.parent / "made").exists(): lock for lock in cache.glob(f"evaluate/fetched/*/{USED}")}
    for made, free in ((True, False), (False, True)):
        with deserted(locks[made]) as nobody:
            assert nobody is free
    del place
    gc.collect()
    with deserted(locks[True]) as nobody:
        assert nobody


def test_what_cannot_be_fetched_is_said_and_tried_again(instance: Callable[[str], Instance], tmp_path: Path) -> None:
    place = FetchedPlace(tmp_path / "repo", tmp_path / "scratch", cache=tmp_path / "cache")
    for _ in range(2):
        with pytest.raises(Unprepared, match=r"^what it depends on cannot be fetched: no such package"):
            place.prepare(instance("echo no such package; false"))


def test_commits_that_depend_on_other_things_share_nothing(instance: Callable[[str], Instance], tmp_path: Path) -> None:
    one = instance("mkdir -p node_modules; cp package.json node_modules/")
    place = FetchedPlace(tmp_path / "repo", tmp_path / "scratch", cache=tmp_path / "cache")
    made = place.prepare(one)
    (tmp_path / "repo" / "package.json").write_text('{"name": "other"}\n')
    git(tmp_path / "repo", "commit", "-q", "-a", "-m", "Depend on something else")
    other = one.model_copy(update={"base_commit": git(tmp_path / "repo", "rev-parse", "HEAD")})
    assert place.prepare(other) != made
    with place.sandbox(other) as box:
        assert box.run("cat /node_modules/package.json", 30).output == '{"name": "other"}\n'
