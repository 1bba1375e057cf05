"""What is kept on purpose: told with its size, removed when asked for, and never under somebody's hands."""

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sera_cli import __main__ as door
from sera_cli.agents.talk import session
from sera_cli.cli import stock
from sera_cli.cli.app import app
from sera_cli.evaluate import environments, fetched
from sera_cli.harness.sandbox import private
from sera_cli.presence import attended
from tests.test_clean import place

__all__ = ["place"]


@pytest.fixture
def kept(place: Path) -> dict[str, Path]:
    """An environment, one of another language, a validation and a conversation; the place of each by what it is."""
    evaluate = place / "home" / "cache" / "evaluate"
    there = {
        "venv": evaluate / "venvs" / "a1", "fetched": evaluate / "fetched" / "b2",
        "validated": evaluate / "validated", "chat": place / "project" / ".sera" / "chat",
    }
    for name, size, whole in (("venv", 3000, environments.MARKER), ("fetched", 500, fetched.MARKER)):
        (there[name] / "env" / "lib").mkdir(parents=True)
        (there[name] / "env" / "lib" / "code.py").write_bytes(b"x" * size)
        (there[name] / whole).write_bytes(b"")
        (there[name] / "lock").touch()
    there["validated"].mkdir()
    (there["validated"] / "c3.json").write_text("{}")
    (there["validated"] / "c3.lock").touch()
    there["chat"].mkdir(parents=True)
    (there["chat"] / "20260102-030405.jsonl").write_text('{"kind": "begin"}\n')
    (there["chat"] / "snapshots").mkdir()
    return there


def cleaned(place: Path, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["clean", str(place / "project"), "--json", *words])
    return dict(json.loads(done.stdout), code=done.exit_code)


def test_what_each_takes_is_told_and_nothing_of_it_goes_unasked(place: Path, kept: dict[str, Path]) -> None:
    found = cleaned(place)
    assert found["kept"] == {
        "environments": {str(kept["venv"]): 3000, str(kept["fetched"]): 500},
        "validations": {str(kept["validated"]): 2},
        "chats": {str(kept["chat"] / "20260102-030405.jsonl"): 18, str(kept["chat"] / "snapshots"): 0},
    }
    assert not {"environments", "validations", "chats"} & {*found["removed"], *found["left"]}


def test_a_person_is_told_how_to_remove_them(place: Path, kept: dict[str, Path]) -> None:
    told = CliRunner().invoke(app, ["clean", str(place / "project")]).stderr
    assert ("kept: environments, 3.5 kB; an evaluation that wants them builds them again. To remove them: "
            "sera clean --also environments\n") in told
    assert "kept: validations, 2 B; " in told and "kept: chats, 18 B; " in told


def test_what_is_asked_for_goes_and_the_rest_stays(place: Path, kept: dict[str, Path]) -> None:
    found = cleaned(place, "--also", "environments", "--also", "chats")
    assert found["removed"]["environments"] == [f"{kept['fetched']} (500 B)", f"{kept['venv']} (3.0 kB)"]
    assert len(found["removed"]["chats"]) == 2
    assert sorted(file.name for file in kept["venv"].iterdir()) == ["lock", "used"]
    assert [file.name for file in kept["chat"].iterdir()] == ["lock"]
    assert (kept["validated"] / "c3.json").exists()
    assert cleaned(place, "--also", "validations")["removed"]["validations"] == [f"{kept['validated']} (2 B)"]
    assert cleaned(place)["kept"] == {"environments": {}, "validations": {}, "chats": {}}


def test_a_dry_run_only_says_what_would_go(place: Path, kept: dict[str, Path]) -> None:
    found = cleaned(place, "--also", "environments", "--dry-run")
    assert found["left"]["environments"] == [f"{kept['fetched']} (500 B)", f"{kept['venv']} (3.0 kB)"]
    assert found["code"] == 0 and (kept["venv"] / "made.json").exists()


def test_an_environment_that_somebody_uses_stays_and_the_others_go(place: Path, kept: dict[str, Path]) -> None:
    with attended(kept["venv"] / environments.USED), attended(kept["venv"] / environments.USED):
        found = cleaned(place, "--also", "environments")
        assert found["removed"]["environments"] == [f"{kept['fetched']} (500 B)"]
        assert (found["left"]["environments"], found["code"]) == ([f"{kept['venv']} (3.0 kB)"], 1)
        assert (kept["venv"] / "env" / "lib" / "code.py").exists()
    assert cleaned(place, "--also", "environments")["removed"]["environments"] == [f"{kept['venv']} (3.0 kB)"]


def test_an_environment_that_is_being_built_stays(place: Path, kept: dict[str, Path]) -> None:
    with (kept["venv"] / "lock").open("ab") as building:
        fcntl.flock(building, fcntl.LOCK_EX)
        found = cleaned(place, "--also", "environments")
    assert found["removed"]["environments"] == [f"{kept['fetched']} (500 B)"]
    assert found["left"]["environments"] == [f"{kept['venv']} (3.0 kB)"]


def test_an_environment_of_which_a_part_went_is_none_any_more(
    place: Path, kept: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = private.remove

    def killed(folder: Path) -> None:
        if folder.is_dir():
            raise KeyboardInterrupt
        remove(folder)

    for name in ("fetched", "venv"):
        with monkeypatch.context() as patch:
            patch.setattr(private, "remove", killed)
            with pytest.raises(KeyboardInterrupt):
                stock._remove_environments(place / "project")
        assert sorted(part.name for part in kept[name].iterdir()) == ["env", "lock", "used"]
        private.remove(kept[name])


def test_conversations_stay_while_somebody_talks(place: Path, kept: dict[str, Path]) -> None:
    with session.attended(kept["chat"]), session.attended(kept["chat"]):
        assert len(cleaned(place, "--also", "chats")["left"]["chats"]) == 2
    assert len(cleaned(place, "--also", "chats")["removed"]["chats"]) == 2


def test_a_link_among_conversations_goes_and_what_it_leads_to_stays(place: Path, kept: dict[str, Path]) -> None:
    (place / "own").mkdir()
    (kept["chat"] / "link").symlink_to(place / "own")
    (kept["chat"] / "nowhere").symlink_to(place / "none")
    assert len(cleaned(place, "--also", "chats")["removed"]["chats"]) == 4
    assert [file.name for file in kept["chat"].iterdir()] == ["lock"] and (place / "own").is_dir()


@pytest.mark.parametrize("link", [".sera", ".sera/chat"])
def test_a_repository_cannot_have_anything_else_removed_as_conversations(
    place: Path, kept: dict[str, Path], link: str
) -> None:
    own = place / "own" / link.removeprefix(".sera").strip("/")
    own.parent.mkdir(exist_ok=True)
    (place / "project" / link).rename(own)
    (place / "project" / link).symlink_to(own)
    found = cleaned(place, "--also", "chats")
    assert "chats" not in found["removed"] and found["code"] == 0
    assert len(list((place / "own").rglob("20260102-030405.jsonl"))) == 1


def test_the_checkouts_that_a_killed_evaluation_left_are_leftovers(place: Path) -> None:
    left = place / "home" / "cache" / "evaluate" / "bases" / "sera-x1"
    left.mkdir(parents=True)
    (left / "lock").touch()
    assert str(left) in cleaned(place)["removed"]["folder"]
    assert not left.exists()


def test_a_kind_that_there_is_not_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.run(["clean", str(place / "project"), "--also", "agents"]) == 2
    assert capsys.readouterr().err == "error: --also agents: sera keeps environments, validations, chats\n"
