from pathlib import Path

import pytest

from sera_cli.evaluate.index import index


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def conf(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_variables_beat_the_named_file_which_beats_the_users(user: Path) -> None:
    conf(user / ".config/pip/pip.conf", "[global]\ntimeout = 1\nindex-url = https://one/simple\nretries = 9\n")
    named = conf(user / "named.conf", "[global]\ntimeout = 2\n[install]\nindex-url = https://two/simple\n")
    settings = index({"PIP_CONFIG_FILE": str(named), "PIP_TIMEOUT": "3"}).settings.split("\n")
    assert {"index-url = https://two/simple", "retries = 9", "timeout = 3"} <= {*settings}


def test_what_would_install_elsewhere_stays_behind(user: Path) -> None:
    conf(user / ".pip/pip.conf", "[global]\nuser = true\ntarget = /x\n[install]\nno-deps = true\n")
    assert not {"user", "target", "no-deps"} & {line.split(" ")[0] for line in index({}).settings.split("\n")}


def test_places_of_this_machine_are_shown(user: Path) -> None:
    wheels, cert = user / "wheels", conf(user / "ca.pem", "")
    wheels.mkdir()
    (user / "index" / "simple").mkdir(parents=True)
    found = index({
        "PIP_FIND_LINKS": f"{wheels} https://x/y", "PIP_EXTRA_INDEX_URL": f"file://{user}/index/simple",
        "PIP_CERT": "/none", "SSL_CERT_FILE": str(cert), "PIP_CONFIG_FILE": "/dev/null",
    })  # fmt: skip
    assert {*found.shown} == {wheels, user / "index", cert}
    assert found.variables == {"SSL_CERT_FILE": str(cert)}


def test_a_file_that_cannot_be_read_says_nothing(user: Path) -> None:
    named = conf(user / "named.conf", "no section\n")
    assert "no section" not in index({"PIP_CONFIG_FILE": str(named)}).settings
    assert index({"PIP_CONFIG_FILE": "/dev/null"}).settings == "[global]\n"
