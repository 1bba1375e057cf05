from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.harness.sandbox.places import INSIDE, Walls

PRIVATE = Path("/var/tmp/sera-x1")
FOLDER = Walls(folder=PRIVATE, names={place: f"{PRIVATE}/{place}" for place in INSIDE})
SAME = Walls(folder=PRIVATE, names=INSIDE)


@pytest.mark.parametrize(("command", "meant"), [
    ("cd /testbed", "cd {}/testbed"),
    ("ls /testbed/ '/testbed/a b' --root=/testbed;", "ls {0}/testbed/ '{0}/testbed/a b' --root={0}/testbed;"),
    ("cat /tmp/x>/testbed/y", "cat {0}/tmp/x>{0}/testbed/y"),
    ("PYTHONPATH=/testbed:/testbed/src", "PYTHONPATH={0}/testbed:{0}/testbed/src"),
    ("ls /home/user/.cache", "ls {}/home/.cache"),
    ("look in /testbed.", "look in {}/testbed."),
])
def test_a_path_a_model_knows_is_where_the_folder_has_it(command: str, meant: str) -> None:
    assert FOLDER.inward(command) == meant.format(PRIVATE)


@pytest.mark.parametrize("other", [
    "/testbed2", "/testbed-old", "/testbed_", "/testbed.d", "a/testbed", "./testbed", "../tmp", "~/tmp", "$HOME/tmp",
    "${X}/tmp", "$(pwd)/tmp", "*/tmp", "/var/tmp", "testbed", "/home/users", "https://x/tmp",
])
def test_another_path_is_left_alone(other: str) -> None:
    assert FOLDER.inward(f"ls {other}") == f"ls {other}"


def test_output_shows_the_paths_a_model_knows() -> None:
    output = f"{PRIVATE}/testbed/a.py {PRIVATE}/home/.cache {PRIVATE}/tmp {PRIVATE} {PRIVATE}/lock"
    assert FOLDER.outward(output) == "/testbed/a.py /home/user/.cache /tmp / /lock"


@given(st.lists(st.sampled_from(["/testbed", "/tmp", "/home/user", " ", "/a", "é", "'", "\n", ":", "x"])).map("".join))
def test_no_text_names_a_private_path_after_a_way_in_and_out(text: str) -> None:
    assert FOLDER.outward(FOLDER.inward(text)) == text
    assert str(PRIVATE) not in FOLDER.outward(f"{text}{PRIVATE}/testbed/{text}")


def test_where_the_paths_are_the_same_nothing_is_changed() -> None:
    assert SAME.inward("cd /testbed /tmp") == SAME.outward("cd /testbed /tmp") == "cd /testbed /tmp"


def test_the_environment_names_the_places_of_the_sandbox() -> None:
    environment = FOLDER.environment()
    assert environment["HOME"] == f"{PRIVATE}/home"
    assert environment["TMPDIR"] == f"{PRIVATE}/tmp"
    assert environment["PATH"].startswith(f"{PRIVATE}/bin:")
    assert environment["GIT_CEILING_DIRECTORIES"] == str(PRIVATE)
    assert SAME.environment()["GIT_CEILING_DIRECTORIES"] == "/"
