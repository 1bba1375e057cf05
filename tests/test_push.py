"""The hub here is a server of ours, and the real huggingface_hub asks it, in a process told of it by HF_ENDPOINT."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sera_cli.agents.push import named
from sera_cli.errors import ConfigError
from tests.hub_shelf import TOKEN, shelf

pytest.importorskip("huggingface_hub")

PUSH = """
import sys
from pathlib import Path
from sera_cli.agents.push import push
from sera_cli.errors import SeraError
try:
    print(push(Path(sys.argv[1]), sys.argv[2], "Upload shop@2"))
except SeraError as error:
    print(f"{type(error).__name__}: {error}")
"""

FILES = {"adapter_model.safetensors": b"\x00weights\xff" * 1000, "README.md": b"---\nlicense: mit\n---\n# Shop\n",
         "adapter_config.json": b"{}", "tokenizer.json": b'{"model": {}}'}  # fmt: skip


def pushed(url: str, place: Path, repo: str = "me/shop", token: str = TOKEN) -> str:
    """What `push` says of a folder with FILES in it; its home and the folder are under `place`."""
    folder = place / "agent"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    told = {"HF_ENDPOINT": url, "HF_HOME": str(place / "hf"), "HF_TOKEN": token, "HF_HUB_DISABLE_XET": "1"}
    environment = {**os.environ, **told, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PUSH, folder, repo], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_folder_is_uploaded_to_a_new_private_model(tmp_path: Path) -> None:
    with shelf() as (url, models):
        assert pushed(url, tmp_path) == f"{url}/me/shop"
    assert models == {"me/shop": (True, FILES)}


def test_one_that_is_there_and_private_gets_the_new_files(tmp_path: Path) -> None:
    with shelf(me__shop=True) as (url, models):
        assert pushed(url, tmp_path) == f"{url}/me/shop"
    assert models["me/shop"] == (True, FILES)


def test_nothing_is_put_where_everybody_can_read_it(tmp_path: Path) -> None:
    with shelf(me__shop=False) as (url, models):
        said = pushed(url, tmp_path)
    assert said == (
        "ConfigError: me/shop is there already, and everybody can read it; name another one, made private"
    )
    assert models == {"me/shop": (False, {})}


def test_a_token_that_may_not_write_is_one_line_and_is_written_nowhere(tmp_path: Path) -> None:
    with shelf() as (url, models):
        said = pushed(url, tmp_path, token="hf_another")
    assert said == "AuthError: the hub does not let you write me/shop; set HF_TOKEN to a token that may"
    assert models == {}
    assert [file for file in tmp_path.rglob("*") if file.is_file() and b"hf_another" in file.read_bytes()] == []


def test_a_hub_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with shelf() as (url, _):
        pass
    assert pushed(url, tmp_path).startswith("ModelError: me/shop cannot be uploaded: ")


@pytest.mark.parametrize("repo", ["shop", "", "me/shop/more", "https://huggingface.co/me/shop", "me/sh op"])
def test_what_names_no_model_is_refused(repo: str) -> None:
    with pytest.raises(ConfigError, match="names no model of the hub; say OWNER/NAME"):
        named(repo)
