"""The built wheel works where there is no checkout: its templates are in it, and its command starts."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    here = importlib.util.find_spec("hatchling") is not None
    options = ["--quiet", "--no-deps", "--wheel-dir", str(folder), *(["--no-build-isolation"] if here else [])]
    pip = [sys.executable, "-m", "pip", "wheel", *options, str(ROOT)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=300)
    if done.returncode and not here:
        pytest.skip(f"hatchling is not installed and pip does not get it: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    return next(folder.glob("sera-*.whl"))


def unpacked(wheel: Path, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code against the unpacked wheel, from a folder that is no checkout."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    environ = os.environ | {"PYTHONPATH": str(folder / "site"), "SERA_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True, timeout=60)


def test_a_wheel_holds_what_a_checkout_shows(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("sera_cli/_templates/") for name in archive.namelist() if "_templates/" in name}
        others = {name.partition("/")[0] for name in archive.namelist()}
        entry = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "sera = sera_cli.__main__:main" in archive.read(entry).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    files = [file for file in (ROOT / "templates").rglob("*") if file.is_file()]
    assert packed == {file.relative_to(ROOT / "templates").as_posix() for file in files}
    assert others == {"sera_cli", wheel.name.replace("-py3-none-any.whl", ".dist-info")}


def test_the_command_of_a_wheel_starts_and_finds_its_templates(wheel: Path, tmp_path: Path) -> None:
    code = (
        "from sera_cli.__main__ import run; from sera_cli import templates\n"
        "assert run(['config', 'show']) == 0\n"
        "print(templates.folder()); print(len(templates.table('bugs.toml')['bug']))"
    )
    done = unpacked(wheel, tmp_path, code)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-2:] == [str(tmp_path / "site" / "sera_cli" / "_templates"), "51"]
