"""The Modelfile: its text, and what Go makes of its template beside what the codec makes of the same conversation."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sera_cli.agents.ollama import modelfile, template
from sera_cli.harness import wire
from sera_cli.harness.tools import specs
from sera_cli.harness.wire.family import Wire
from sera_cli.types import Message
from tests.families import NAMES
from tests.test_registry import CARD

POLICIES = ("fold", "keep", "empty")
OTHER = {"type": "function", "function": {"name": "ls", "description": "Lists.", "parameters": {"type": "object"}}}


def call(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": f"c{number}", "type": "function", "function": function}


def result(number: int, text: str) -> Message:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": text}


SYSTEM: Message = {"role": "system", "content": "Work well."}
USER: Message = {"role": "user", "content": "It is <broken>, & \"how\"."}
GREP = call(0, "bash", {"command": "grep -n 'a < b' src/*.py 2>&1 | head\necho \"é\\t\""})
VIEW = call(1, "str_replace_editor", {"command": "view", "path": "/testbed/a.py"})
THINKS: Message = {"role": "assistant", "content": "", "reasoning_content": "I look.\nTwice.", "tool_calls": [GREP]}
TALKS: Message = {"role": "assistant", "content": "First this:", "tool_calls": [GREP, VIEW]}
BARE: Message = {"role": "assistant", "content": "", "tool_calls": [call(2, "submit", {})]}
ENDS: Message = {"role": "assistant", "content": "It is done."}
CONVERSATIONS: dict[str, list[Message]] = {
    "a question": [USER],
    "a system message": [SYSTEM, USER],
    "an answer": [SYSTEM, USER, ENDS, USER],
    "an answer after thinking": [USER, {**ENDS, "reasoning_content": "I know."}, USER],
    "a call after thinking": [SYSTEM, USER, THINKS, result(0, "OBSERVATION:\nx = 1")],
    "calls after words": [SYSTEM, USER, TALKS, result(0, "one"), result(1, "OBSERVATION:\ntwo"), ENDS, USER],
    "a call alone, and more": [SYSTEM, USER, BARE, result(2, ""), THINKS, result(0, "3"), TALKS, result(0, "4")],
}


def asked(messages: list[Message], tools: list[dict[str, Any]], spoken: Wire) -> dict[str, Any]:
    """As ollama hands a conversation to a template."""
    return {
        "Template": template(spoken),
        "Tools": tools,
        "Messages": [
            {
                "Role": message["role"], "Content": message["content"],
                "Thinking": message.get("reasoning_content", ""),
                "ToolCalls": [called(**one["function"]) for one in message.get("tool_calls", [])],
            } for message in messages
        ],
    }  # fmt: skip


def called(name: str, arguments: str) -> dict[str, Any]:
    return {"Function": {"Name": name, "Arguments": json.loads(arguments)}}


def framed(messages: list[Message], tools: list[dict[str, Any]], spoken: Wire) -> str:
    flat = wire.flatten(messages, tools, spoken)
    pieces = [piece for message in flat for piece in wire.frame(message, spoken)]
    return "".join(piece.text for piece in [*pieces, *wire.opening(spoken)])


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go, whose templates ollama uses")
def test_go_writes_every_conversation_as_the_codec_does(tmp_path: Path) -> None:
    cases = [
        (family, policy, name, offered) for family in NAMES for policy in POLICIES for name in CONVERSATIONS
        for offered in (False, True)
    ]  # fmt: skip
    lines, wanted = [], []
    for family, policy, name, offered in cases:
        spoken, tools = Wire(family=family, thinking=policy), list(specs()) if offered else []
        lines.append(json.dumps(asked(CONVERSATIONS[name], tools, spoken)) + "\n")
        wanted.append(framed(CONVERSATIONS[name], tools, spoken))
    for case, made, text in zip(cases, through_go("".join(lines), tmp_path), wanted, strict=True):
        assert made == text, case


@pytest.mark.skipif(shutil.which("go") is None, reason="needs Go, whose templates ollama uses")
def test_a_tool_that_is_not_ours_is_offered_as_ollama_writes_it(tmp_path: Path) -> None:
    [text] = through_go(json.dumps(asked([USER], [*specs(), OTHER], Wire())) + "\n", tmp_path)

    ours = json.dumps(specs()[-1], ensure_ascii=False)
    other = '{"type":"function","function":{"name":"ls","description":"Lists.","parameters":{"type":"object"}}}'
    assert f"{ours}\n{other}\n</tools>" in text


def through_go(lines: str, place: Path) -> list[str]:
    program = Path(__file__).with_name("template.go")
    environ = {"HOME": str(place), "PATH": str(Path(shutil.which("go") or "").parent), "GOCACHE": str(place / "cache")}
    ran = subprocess.run(
        ["go", "run", program], input=lines, capture_output=True, text=True, env=environ, check=False, cwd=place
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_modelfile_says_where_the_weights_are_and_where_a_turn_ends() -> None:
    said = modelfile(CARD.model_copy(update={"version": 3}), Wire())

    assert said.startswith("# flask@3: the weights are in this folder")
    assert '\nFROM .\nTEMPLATE """' in said
    assert said.endswith(
        '"""\nPARAMETER stop "<|im_end|>"\nPARAMETER num_ctx 32768\nPARAMETER temperature 0\nLICENSE """apache-2.0"""\n'
    )


def test_calls_in_tags_are_left_to_the_reader_that_ollama_has_for_them() -> None:
    assert "\nPARSER qwen3-coder\n" in modelfile(CARD, Wire(family="qwen3-coder"))
    assert "PARSER" not in modelfile(CARD, Wire(family="llama3"))


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_template_neither_ends_its_quotes_nor_holds_a_mark(family, policy) -> None:
    made = template(Wire(family=family, thinking=policy))

    assert '"""' not in made and "⟦" not in made
    assert made.count("{{ end }}") == made.count("{{ if ") + made.count("{{ range ")


@pytest.mark.parametrize(
    ("family", "begins"),
    [("qwen3", "<tool_call>"), ("llama3", "{"), ("mistral", "[TOOL_CALLS]"), ("qwen3-coder", "<tool_call>")],
)
def test_the_template_begins_with_how_a_call_begins(family, begins) -> None:
    """Where ollama looks for it: the first text inside the first condition on `.ToolCalls`."""
    assert template(Wire(family=family)).startswith("{{ if and .ToolCalls false }}" + begins)
