"""How templates are found and filled; the repository's text in them is data and nothing more."""

import tomllib
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from sera_cli import templates


def test_a_variable_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'path' is undefined"):
        templates.fill("{{ function }} in {{ path }}", function="f")


def test_the_repositorys_text_is_never_read_as_a_template() -> None:
    assert templates.fill("{{ patch }}", patch="{{ 7 * 7 }} <b> {% raw %}") == "{{ 7 * 7 }} <b> {% raw %}"


def test_a_template_cannot_reach_into_python() -> None:
    with pytest.raises(SecurityError):
        templates.fill("{{ text.__class__.__mro__ }}", text="x")


def test_one_trailing_newline_is_dropped() -> None:
    assert templates.fill("{{ text }}\n\n", text="x") == "x\n"


def test_every_template_is_utf_8_and_every_table_is_toml() -> None:
    files = [file for file in templates.folder().rglob("*") if file.is_file()]
    assert len(files) > 15
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.strip(), file
        if file.suffix == ".toml":
            assert tomllib.loads(text), file


def test_every_kind_of_bug_is_told_about_a_function_at_a_path() -> None:
    bugs = templates.table("bugs.toml")["bug"]
    assert len(bugs) == len({bug["kind"] for bug in bugs}) == len({bug["text"] for bug in bugs}) == 51
    for bug in bugs:
        told = templates.fill(bug["text"], function="Cart.total", path="shop/cart.py")
        assert "Cart.total" in told and "shop/cart.py" in told, bug["kind"]


def test_an_edited_prompt_counts_as_another_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "task.md").write_text("Mend it.")
    monkeypatch.setattr(templates, "folder", lambda: tmp_path)
    before = templates.fingerprint("prompts/*.md")
    assert templates.fingerprint("prompts/*.md") == before
    (tmp_path / "prompts" / "task.md").write_text("Mend it, please.")
    assert templates.fingerprint("prompts/*.md") != before
