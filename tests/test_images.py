"""Environments from published images, on a real engine: the tiny instance in an image of the layout of SWE-bench's."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sera_cli import __main__ as door
from sera_cli.evaluate import grade, images
from sera_cli.evaluate.images import ImagePlace, Published
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.places import Unprepared
from sera_cli.harness.sandbox import Bounds, Sandbox, Terms, daemon
from tests import published, tiny
from tests.chat_server import serving
from tests.docker_engine import BASE, needed
from tests.test_evaluate import scripted

WAIT = 60.0
TERMS = Terms(bounds=Bounds(memory=512 << 20, disk=64 << 20, processes=64), label="images")
NAMES = Published(namespace=published.NAMESPACE)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny.repository(tmp_path_factory.mktemp("images"))
    tiny._git(made, "tag", "v1", "HEAD~1")
    return made


@pytest.fixture(scope="module", autouse=True)
def engine(repo: Path) -> Iterator[None]:
    before = os.environ.get("DOCKER_HOST")
    needed()
    name = published.named(tiny.ID)
    published.publish(repo, name, tiny.instance(repo).base_commit)
    yield
    daemon.connect().remove_image(name, force=True)
    if before is None:
        os.environ.pop("DOCKER_HOST", None)


@pytest.fixture(scope="module")
def place(engine: None) -> Iterator[ImagePlace]:
    with ImagePlace(TERMS, NAMES, pull=False) as made:
        yield made


@pytest.fixture
def instance(repo: Path) -> Instance:
    return tiny.instance(repo)


def known(repo: Path) -> Instance:
    """The same task in the name of a repository that swebench knows, whose tests pytest runs."""
    return tiny.instance(repo, repo="pallets/flask", version="2.3", install_config=None)


def test_the_fix_resolves_and_no_patch_does_not(place: ImagePlace, instance: Instance, tmp_path: Path) -> None:
    assert grade.tested(instance, instance.patch, place, tmp_path / "gold.log").verdict == "resolved"
    empty = grade.tested(instance, "", place, tmp_path / "empty.log")
    assert (empty.verdict, empty.failing) == ("unresolved", instance.fail_to_pass)


def test_swebenchs_own_script_decides_where_it_knows_the_repository(
    place: ImagePlace, repo: Path, tmp_path: Path
) -> None:
    made = known(repo)
    words = place.script(made)
    assert "\npytest -rA tests/test_tally.py\n" in words
    assert "\npython -m pip install -e .\n" in words
    assert made.base_commit not in words
    assert grade.tested(made, made.patch, place, tmp_path / "gold.log").verdict == "resolved"
    assert grade.tested(made, "", place, tmp_path / "empty.log").failing == made.fail_to_pass


@pytest.mark.parametrize("kind", ["wrong fix", "edits the test", "prints the end marker", "kills the shell"])
def test_a_broken_patch_resolves_nothing(
    place: ImagePlace, repo: Path, instance: Instance, kind: str, tmp_path: Path
) -> None:
    patch = tiny.patch(repo, tiny.BROKEN[kind])
    assert grade.tested(instance, patch, place, tmp_path / "log", seconds=WAIT).verdict == "unresolved"


def test_a_rollout_finds_one_commit_and_its_version_and_nothing_later(place: ImagePlace, instance: Instance) -> None:
    everything = "git cat-file --batch-all-objects --batch"
    with place.sandbox(instance) as box:
        def said(command: str) -> str:
            return box.run(command, WAIT).output

        assert said("git log --all --format=%s") == "Export\n"
        assert said(f"{everything}-check | grep -c commit") == "1\n"
        assert said(f"{everything} | grep -aEc 'else 0|nothing'") == "0\n"
        refs = "git for-each-ref --format='%(refname)'; git remote; git stash list"
        assert said(f"git describe --tags; {refs}") == "v1\nrefs/heads/main\nrefs/tags/v1\n"
        assert said("ls .git | sort") == "HEAD\nconfig\nindex\nobjects\nrefs\n"
        assert said("git status --short") == "?? installed.txt\n"
        assert said(f"git cat-file -e {instance.base_commit} || echo gone").endswith("gone\n")
        assert said("grep -rIl 'else 0' / --include=tally.py 2>/dev/null") == ""


def test_the_environment_is_active_in_every_command_for_the_images_own_user(
    place: ImagePlace, instance: Instance
) -> None:
    asked = "python -c 'import sys; print(sys.prefix)'; echo $HOME; id -u"
    told = "/opt/miniconda3/envs/testbed\n/root\n0\n"
    with place.sandbox(instance) as box:
        assert box.run(asked, WAIT).output == told
        box.run("exit 3", WAIT)
        assert box.run(asked, WAIT).output == told


def test_there_is_no_network_and_a_command_that_kills_all_it_can_costs_only_the_shell(
    place: ImagePlace, instance: Instance
) -> None:
    with place.sandbox(instance) as box:
        assert box.run("ls /sys/class/net; grep CapEff /proc/self/status", WAIT).output.split("\n")[0] == "lo"
        own = "import socket; print(socket.gethostbyname(socket.gethostname()))"
        assert box.run(f"python -c '{own}'", WAIT).output == "127.0.0.1\n"
        call = "import socket; socket.create_connection((\"192.0.2.1\", 80), 5)"
        assert "Network is unreachable" in box.run(f"python -c '{call}'", WAIT).output
        box.run("cd tests", WAIT)
        assert box.run("python -c 'import os; os.kill(-1, 9)'", WAIT).code == 137
        assert box.run("pwd", WAIT).output == "/testbed/tests\n"


def test_files_are_read_and_written_and_the_diff_tells_what_a_rollout_did(
    place: ImagePlace, instance: Instance
) -> None:
    with place.sandbox(instance) as box:
        assert box.diff() == ""
        assert box.read("/testbed/README.md") == "Tallies.\nInstalled.\n"
        box.write("/testbed/more/new.py", "x = 1\n")
        box.run("rm -rf .git; echo more >> installed.txt; sed -i s/max/min/ tally.py; touch tally.pyc", WAIT)
        told = box.diff()
    assert [line for line in told.splitlines() if line[:1] in "+-"] == [
        "--- a/installed.txt", "+++ b/installed.txt", "+more", "--- /dev/null", "+++ b/more/new.py", "+x = 1",
        "--- a/tally.py", "+++ b/tally.py", "-    return max(numbers)", "+    return min(numbers)",
    ]  # fmt: skip


class Dying:
    """A place whose containers are ended from outside as soon as they run."""

    name = "docker"

    def __init__(self, place: ImagePlace) -> None:
        self._place = place
        self.prepare, self.script = place.prepare, place.script

    @contextmanager
    def sandbox(self, instance: Instance) -> Iterator[Sandbox]:
        with self._place.sandbox(instance) as box:
            daemon.connect().kill(box._box)
            yield box


def test_a_container_that_dies_is_nobodys_failure(place: ImagePlace, instance: Instance, tmp_path: Path) -> None:
    dying: Any = Dying(place)
    found = grade.grade(instance, instance.patch, dying, logs=tmp_path, id="1")
    assert (found.verdict, found.failed) == ("infra", True)


def test_an_image_that_is_no_environment_is_named_in_one_line(place: ImagePlace, repo: Path) -> None:
    def why(**changed: Any) -> str:
        with pytest.raises(Unprepared) as error:
            place.prepare(tiny.instance(repo, **changed))
        return str(error.value)

    name = "sera-tests/sweb.eval.x86_64.tiny_1776_tally-2:latest"
    assert why(instance_id="tiny__tally-2") == (
        f"the image {name} is no environment: it is not here, and nothing may be fetched; try `docker pull {name}` "
        "beforehand")
    mine = published.named(tiny.ID)
    assert why(base_commit="a" * 40) == (
        f"the image {mine} is no environment: its repository in /testbed does not hold the commit {'a' * 40}")
    assert why(image=BASE) == (
        f"the image {BASE} is no environment: its environment cannot be made active by `{NAMES.activate}`")
    with pytest.raises(Unprepared, match=r"there is no git repository in /testbed$"):
        ImagePlace(TERMS, Published(activate="true"), pull=False).prepare(tiny.instance(repo, image=BASE))


def test_an_instance_whose_tests_nobody_describes_has_no_script(place: ImagePlace, repo: Path) -> None:
    with pytest.raises(Unprepared, match="nobody says how its tests are run; give the row an eval_script"):
        place.script(tiny.instance(repo, install_config=None))
    own = tiny.instance(repo, eval_script=f"git checkout {tiny.instance(repo).base_commit} tests")
    assert "git checkout HEAD tests" in place.script(own)


def test_the_digest_tells_images_and_commits_apart(place: ImagePlace, repo: Path, instance: Instance) -> None:
    later = tiny.instance(repo, base_commit=tiny._git(repo, "rev-parse", "HEAD"))
    assert place.prepare(instance) == place.prepare(instance) != place.prepare(later)


def test_names_are_those_of_swebenchs_images_and_of_rows() -> None:
    from swebench.harness.test_spec.test_spec import make_test_spec

    row = {"instance_id": "A__b-1", "repo": "sympy/sympy", "version": "1.9", "base_commit": "", "patch": "",
           "problem_statement": "", "test_patch": "", "FAIL_TO_PASS": "[]", "PASS_TO_PASS": "[]"}  # fmt: skip
    one = Instance(**{"fail_to_pass": (), "pass_to_pass": (), "row": {}} | {
        name: value for name, value in row.items() if name.islower()})
    assert Published().image(one) == "swebench/sweb.eval.x86_64.a_1776_b-1:latest"
    assert Published().image(one) == make_test_spec(row, namespace="swebench").instance_image_key
    mirror = Published(namespace="registry.example:5000/team", tag="v2", arch="arm64")
    assert mirror.image(one) == "registry.example:5000/team/sweb.eval.arm64.a_1776_b-1:v2"
    assert mirror.image(one.model_copy(update={"image": "own/image:1"})) == "own/image:1"


def test_a_repository_elsewhere_and_other_words_for_its_environment(repo: Path, tmp_path: Path) -> None:
    own = Published(root="/src/app", activate="source /opt/miniconda3/envs/testbed/bin/activate")
    published.publish(repo, "sera-tests/elsewhere:1", tiny.instance(repo).base_commit, root="/src/app")
    made = tiny.instance(repo, image="sera-tests/elsewhere:1")
    with ImagePlace(TERMS, own) as place:
        assert grade.tested(made, made.patch, place, tmp_path / "log").verdict == "resolved"
        with place.sandbox(made) as box:
            box.run("echo x = 1 > /src/app/new.py", WAIT)
            assert "\n+++ b/new.py\n" in box.diff()
    daemon.connect().remove_image("sera-tests/elsewhere:1", force=True)


def test_what_was_cut_from_images_goes_with_the_place_and_the_images_stay(instance: Instance) -> None:
    client = daemon.connect()

    def ours() -> set[str]:
        wanted = {"label": f"{daemon.OWNER}={daemon.owner(os.getpid())}"}
        return {one["Id"] for one in [*client.images(filters=wanted), *client.containers(all=True, filters=wanted)]}

    before = ours()
    with ImagePlace(TERMS, NAMES) as place:
        place.prepare(instance)
        place.prepare(instance)
        assert len(ours() - before) == 1
    assert ours() == before
    assert daemon.image(client, published.named(tiny.ID))


def test_an_image_that_is_not_here_is_fetched_told_and_makes_room_for_the_next(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    client = daemon.connect()
    monkeypatch.setattr(images, "ROOM", 0)
    with published.registry(published.named(tiny.ID)) as address:
        names = [f"{address}/team/{name}:v1" for name in ("one", "two", "absent/three")]
        with ImagePlace(replace(TERMS, tell=told.append), NAMES) as place:
            place.prepare(tiny.instance(repo, image=names[0]))
            place.prepare(tiny.instance(repo, image=names[0]))
            assert told == [f"fetching the image {names[0]}"]
            with pytest.raises(Unprepared, match=rf"^the image {names[2]} is .* cannot fetch .*: manifest unknown$"):
                place.prepare(tiny.instance(repo, image=names[2]))
            monkeypatch.setattr(images, "ROOM", 1 << 60)
            with place.sandbox(tiny.instance(repo, image=names[0])), pytest.raises(Unprepared, match="GiB are free"):
                place.prepare(tiny.instance(repo, image=names[1]))
            assert daemon.image(client, names[0])
            with pytest.raises(Unprepared, match=r"make room, as with `docker image prune -a`$"):
                place.prepare(tiny.instance(repo, image=names[1]))
            assert daemon.image(client, names[0]) == ""
    assert daemon.image(client, published.named(tiny.ID))


def test_sera_eval_takes_a_model_through_an_image_and_grades_it_there(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = tmp_path / "one.jsonl"
    dataset.write_text(json.dumps(tiny.row(repo)))
    (tmp_path / "project").mkdir()
    where = ["-C", str(tmp_path / "project"), "--dataset", str(dataset)]
    words = [*where, "--environment", "docker", "--image-namespace", published.NAMESPACE, "--model", "openai:glm"]
    with serving(scripted(f"cat > tally.py <<'END'\n{tiny.FIXED}END")) as server:
        assert door.run(["eval", *words, "--url", server.url, "--json"]) == 0
        said = json.dumps(server.asked[-1])
    assert json.loads(capsys.readouterr().out)["instances"] == {tiny.ID: "resolved"}
    assert str(tmp_path) not in said
