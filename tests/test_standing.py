"""Who is served where is known while the server runs, and no longer."""

import subprocess
import sys
from pathlib import Path

from sera_cli.agents.serving.standing import logged, noted, where


def test_agents_are_found_while_they_are_served(tmp_path: Path) -> None:
    with noted(tmp_path, "http://127.0.0.1:1", ["shop@1", "shop@2"]):
        assert where(tmp_path) == {"shop@1": ["http://127.0.0.1:1"], "shop@2": ["http://127.0.0.1:1"]}
    assert where(tmp_path) == {}
    assert [*(tmp_path / "serving").iterdir()] == []


def test_what_a_killed_server_left_is_swept(tmp_path: Path) -> None:
    words = [sys.executable, "-c", (
        "import os, pathlib, signal, sys\nfrom sera_cli.agents.serving.standing import noted\n"
        "with noted(pathlib.Path(sys.argv[1]), 'http://x', ['a@1']):\n    os.kill(os.getpid(), signal.SIGKILL)"
    ), str(tmp_path)]  # fmt: skip
    assert subprocess.run(words, check=False).returncode == -9
    assert len([*(tmp_path / "serving").iterdir()]) == 1
    assert where(tmp_path) == {}
    assert [*(tmp_path / "serving").iterdir()] == []


def test_each_server_writes_a_log_of_its_own_and_takes_one_that_is_free(tmp_path: Path) -> None:
    with logged(tmp_path) as first, logged(tmp_path) as second:
        assert [first.name, second.name] == ["serve.log", "serve-2.log"]
    with logged(tmp_path) as again:
        assert again == first


def test_a_note_that_is_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "1.json").write_text("[]")
    (tmp_path / "serving" / "2.json").write_text("{")
    assert where(tmp_path) == {}
