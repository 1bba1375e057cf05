"""Output of a script in a sandbox, in full and in good order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sera_cli.evaluate.output import HALF, output
from sera_cli.export import export
from sera_cli.git import open_repository
from sera_cli.harness.sandbox import Sandbox, choose
from tests import tiny


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    export(open_repository(tiny.repository(folder)), folder / "base")
    return folder / "base"


@pytest.fixture
def box(base: Path) -> Iterator[Sandbox]:
    with choose("auto")(base) as sandbox:
        yield sandbox


def test_all_of_a_short_output_is_kept_in_the_order_it_was_printed_in(box: Sandbox) -> None:
    done, printed = output(box, "echo one; echo two >&2; printf three; exit 3", 20)
    assert (printed, done.timed_out) == ("one\ntwo\nthree", False)


def test_a_script_begins_in_the_folder_of_the_repository(box: Sandbox) -> None:
    assert output(box, "cat README.md", 20)[1] == "Tallies.\n"


def test_what_opens_its_output_anew_takes_nothing_away(box: Sandbox) -> None:
    printed = output(box, "echo one; echo two >/dev/stdout; echo three | tee /dev/stderr", 20)[1]
    assert printed == "one\ntwo\nthree\nthree\n"


def test_bytes_that_are_no_text_are_replaced(box: Sandbox) -> None:
    assert output(box, r"printf 'caf\351 \000 na\303\257ve\r\n'", 20)[1] == "caf\ufffd \0 naïve\r\n"


def test_of_a_hundred_megabytes_the_beginning_and_the_end_are_kept(box: Sandbox) -> None:
    done, printed = output(box, "echo first; yes 'some words' | head -c 100000000; echo; echo last", 60)
    assert printed.startswith("first\nsome words\n")
    assert printed.endswith("some words\ns\nlast\n")
    assert "\n[" in printed and " bytes are left out here]\n" in printed
    assert 2 * HALF - 100 < len(printed) < 2 * HALF + 100
    assert not done.timed_out


def test_the_rest_of_a_very_long_line_is_left_out(box: Sandbox) -> None:
    printed = output(box, "head -c 50000 /dev/zero | tr '\\0' x; echo; echo PASSED", 20)[1]
    assert printed == "x" * 4096 + "\nPASSED\n"


def test_what_runs_on_in_the_background_is_not_waited_for(box: Sandbox) -> None:
    done, printed = output(box, "sleep 300 & echo done", 30)
    assert (printed, done.timed_out) == ("done\n", False)


def test_a_script_that_hangs_is_killed_and_what_it_printed_is_told(box: Sandbox) -> None:
    done, printed = output(box, "echo begun; sleep 300", 5)
    assert (printed, done.timed_out) == ("begun\n", True)


def test_a_script_that_tears_down_the_shell_around_it_is_told_too(box: Sandbox) -> None:
    done, printed = output(box, "echo begun; kill -9 $PPID; sleep 1; echo gone on", 20)
    assert printed.startswith("begun\n")
    assert done.note != ""


@pytest.mark.parametrize(
    "takes", ["rm -r $there", "rm $there/log", "rm -r $there; mkdir -p $there/log"]
)
def test_a_script_that_takes_away_what_it_printed_has_printed_nothing(box: Sandbox, takes: str) -> None:
    done, printed = output(box, f'echo begun; there="${{TMPDIR:?}}/grading"; {takes}', 60)
    assert (printed, done.timed_out) == ("", False)


def test_a_sandbox_serves_more_than_one_script(box: Sandbox) -> None:
    assert [output(box, f"echo {number}", 20)[1] for number in (1, 2)] == ["1\n", "2\n"]
