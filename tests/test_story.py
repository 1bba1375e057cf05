"""What the README and the examples tell people to type is there to be typed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from sera_cli import knobs
from sera_cli.__main__ import run
from sera_cli.cli import bench, parity
from sera_cli.cli.chat import chat
from sera_cli.cli.clean import clean
from sera_cli.cli.compare import compare
from sera_cli.cli.connect import connect
from sera_cli.cli.evaluate import evaluate
from sera_cli.cli.mine import options
from sera_cli.cli.options import ask
from sera_cli.cli.serve import serve

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOLD = README + (ROOT / "examples" / "README.md").read_text(encoding="utf-8")

NO_KNOBS = {"SERA_SECTION_KEY", "SERA_API_KEY", "SERA_VLLM_CMD", "SERA_SECRETS_FILE"}


def commands(text: str) -> list[str]:
    """Indented lines that begin with `sera`, continued lines joined, without comments and what they are piped into."""
    joined = text.replace("\\\n", " ")
    return [re.split(r"\s#\s|\s\|\s", line)[0].strip() for line in re.findall(r"^ {4}(sera .*)$", joined, re.MULTILINE)]


@pytest.mark.parametrize("command", commands(TOLD))
def test_every_command_told_is_one_that_sera_knows(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*shlex.split(command)[1:], "--help"]) == 0
    assert capsys.readouterr().out.startswith("Usage: sera ")


def test_the_readme_tells_enough_to_find_a_mistake_in() -> None:
    assert len(commands(README)) >= 6
    assert run(["specialize", ".", "--allpha", "1", "--help"]) == 2


def test_every_flag_told_in_a_sentence_is_one() -> None:
    flags = {flag.removeprefix("--").replace("-", "_") for flag in re.findall(r"`(--[a-z-]+)", README)}
    known = (ask, options, parity.options, serve, chat, connect, evaluate, bench.build, compare, clean)
    assert flags - {"origin"}.union(*(verb.__annotations__ for verb in known)) == set()


def test_every_make_target_told_exists() -> None:
    told = set(re.findall(r"\bmake (\w+)", README))
    assert {"demo", "test", "check", "bench"} <= told
    for target in told:
        done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


def test_a_variable_told_is_that_of_a_knob() -> None:
    variables = {f"SERA_{key.replace('.', '_').upper()}" for key, _ in knobs.knobs()}
    told = set(re.findall(r"SERA_[A-Z]+_[A-Z_]*[A-Z]", README)) - NO_KNOBS
    assert told
    assert told <= variables


@pytest.mark.parametrize("place", re.findall(r"`((?:[\w.]+/)+(?:[\w.]+)?|\w+\.py)`", README))
def test_every_file_told_is_there(place: str) -> None:
    if place.startswith(".sera"):
        return
    assert any((at / place).exists() for at in (ROOT, ROOT / "sera_cli", ROOT / "tests")), place
