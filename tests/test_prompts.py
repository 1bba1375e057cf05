"""What a teacher is told, word for word: an edit of a prompt shows here, beside the edit."""

from pathlib import Path

import pytest

from sera_cli import templates

GOLDEN = Path(__file__).parent / "golden"
STEPS = '[{"action": "submit {}", "observation": "", "response": "Done."}]'
WORK = {"steps": STEPS, "patch": "diff --git a/a.py b/a.py"}
VALUES: dict[str, dict[str, str]] = {
    "system": {},
    "reader": {},
    "task": {"root": "/testbed", "statement": "`f` fails on an empty list."},
    "requery": {"problem": "There is no tool `python`."},
    "check": {"statement": "Something is off around `f` in a.py.", **WORK},
    "issue": {"demonstration": "docs of `g` are wrong", "function": "f", "path": "a.py", **WORK},
}


@pytest.mark.parametrize("name", VALUES)
def test_a_prompt_reads_as_it_did(name: str) -> None:
    assert templates.render(f"prompts/{name}.md", **VALUES[name]) + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_every_prompt_is_pinned() -> None:
    assert {file.stem for file in (templates.folder() / "prompts").iterdir()} == set(VALUES)


def test_demonstrations_differ_in_length_and_manner() -> None:
    texts = [issue["text"] for issue in templates.table("demonstrations.toml")["issue"]]
    assert len(set(texts)) == len(texts) == 15
    assert min(map(len, texts)) < 100 and max(map(len, texts)) > 500
    for mark in ("```", "###", "**", ">>>", "Hi!", "Traceback"):
        assert any(mark in text for text in texts), mark


@pytest.mark.parametrize("bug", templates.table("bugs.toml")["bug"], ids=lambda bug: bug["kind"])
def test_a_vague_report_names_the_place_in_backticks_and_no_cause(bug: dict[str, str]) -> None:
    told = templates.fill(bug["text"], function="Cart.total", path="shop/cart.py")
    assert "`Cart.total`" in told and "in shop/cart.py" in told
    assert 100 < len(told) < 400 and "{{" not in told
