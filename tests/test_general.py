import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sera_cli import store
from sera_cli.data.general import conversation, read
from sera_cli.data.truncate import Trim, cut
from sera_cli.errors import DataError
from sera_cli.types import Sample, Trajectory
from tests.letters import Letters

BASH = {"type": "function", "function": {"name": "bash", "parameters": {}}}


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"messages": [
        {"role": "user", "content": f"question {number}"}, {"role": "assistant", "content": f"answer {number}"},
    ], **fields}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


def fitting(context: int) -> Trim:
    return partial(cut, tokenizer=Letters(), context=context)


def load(path: Path, wanted: int = 100, context: int = 10_000, seed: int = 0) -> list[Sample]:
    return read(path, wanted, Counter(), trim=fitting(context), seed=seed)


def test_chat_rows_become_general_samples(tmp_path: Path) -> None:
    made = load(lines(tmp_path / "g.jsonl", row(1)))
    assert [(s.origin, s.kept, s.steps, s.heldout) for s in made] == [("general", 1, 1, False)]
    assert made[0].messages == (
        {"role": "user", "content": "question 1", "train": False},
        {"role": "assistant", "content": "answer 1", "train": True},
    )


def test_only_as_many_as_wanted_are_drawn_and_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    rows = [row(number) for number in range(20)]
    forward = load(lines(tmp_path / "a.jsonl", *rows), wanted=7)
    backward = load(lines(tmp_path / "b.jsonl", *reversed(rows)), wanted=7)
    assert forward == backward
    assert len({sample.id for sample in forward}) == 7
    assert load(lines(tmp_path / "a.jsonl", *rows), wanted=7, seed=1) != forward


def test_a_row_said_twice_counts_once(tmp_path: Path) -> None:
    assert len(load(lines(tmp_path / "g.jsonl", row(1), row(1), row(2)))) == 2


def test_rows_in_which_no_step_fits_are_counted_and_others_take_their_place(tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "x" * 500}, {"role": "assistant", "content": "y"}]}
    path = lines(tmp_path / "g.jsonl", *({**long, "n": number} for number in range(20)), row(1), row(2))
    dropped: Counter[str] = Counter()
    made = read(path, 2, dropped, trim=fitting(100))
    assert sorted(sample.messages[1]["content"] for sample in made) == ["answer 1", "answer 2"]
    assert 0 < dropped["general: no step fits"] <= 20


PUBLISHED = {
    "instance_id": "cantools_1",
    "messages": json.dumps([
        {"role": "system", "content": "You help.", "agent": "main", "message_type": "system_prompt"},
        {"role": "user", "content": [{"type": "text", "text": "Fix it."}]},
        {
            "role": "assistant", "content": "<think>Look.</think>\nI'll look.", "thought": "…", "action": "bash ls",
            "tool_calls": [{
                "index": -1, "id": "call_1", "type": "function",
                "function": {"name": "bash", "arguments": "{\"command\": \"ls\"}"},
            }],
        },
        {"role": "tool", "content": [{"type": "text", "text": "OBSERVATION:\na.py"}], "tool_call_ids": ["call_1"]},
    ]),
}


def test_a_row_as_the_sera_datasets_have_it_goes_through_the_same_codec() -> None:
    flat = conversation(PUBLISHED, [BASH])
    assert [message["role"] for message in flat] == ["system", "user", "assistant", "user"]
    assert flat[0]["content"].startswith("You help.\n\n# Tools\n")
    assert flat[2]["content"] == (
        '<think>\nLook.\n</think>\n\n<tool_call>\n{"name": "bash", "arguments": {"command": "ls"}}\n</tool_call>'
    )
    assert flat[3]["content"] == "<tool_response>\nOBSERVATION:\na.py\n</tool_response>"


def test_our_tools_are_not_offered_to_a_row_that_calls_others() -> None:
    other = {"type": "function", "function": {"name": "search", "parameters": {}}}
    assert conversation(PUBLISHED, [other])[0]["content"] == "You help."


def test_tools_that_a_system_message_already_shows_are_not_shown_again() -> None:
    messages = [{"role": "system", "content": "<tools>\n{}\n</tools>"}, {"role": "assistant", "content": "x"}]
    assert conversation({"messages": messages, "tool_json": [BASH]})[0]["content"] == "<tools>\n{}\n</tools>"


def test_a_row_s_own_tools_are_shown_also_as_a_json_string() -> None:
    made = conversation(row(1, tools=json.dumps([BASH])))
    assert '"name": "bash"' in made[0]["content"]


def test_a_turn_that_a_row_marks_untrained_stays_so() -> None:
    messages = [{"role": "assistant", "content": "no", "train": False}, {"role": "assistant", "content": "yes"}]
    assert [message["train"] for message in conversation({"messages": messages})] == [False, True]


def test_samples_of_our_own_are_read_without_those_held_out(tmp_path: Path) -> None:
    flat = tuple({**message, "train": False} for message in row(1)["messages"][:1])
    talk = (*flat, {"role": "assistant", "content": "yes", "train": True})
    made = Sample(id="one", messages=talk, origin="first", kept=1, steps=1, tokens=9)
    held = made.model_copy(update={"id": "two", "heldout": True})
    store.write(tmp_path / "s.jsonl", Sample, [made, held])
    read_back = load(tmp_path / "s.jsonl")
    assert [(sample.origin, sample.messages) for sample in read_back] == [("general", talk)]


def test_records_of_another_kind_are_named(tmp_path: Path) -> None:
    store.write(tmp_path / "t.jsonl", Trajectory, [])
    with pytest.raises(DataError, match=r"t\.jsonl:1: holds Trajectory records, not samples"):
        load(tmp_path / "t.jsonl")


@pytest.mark.parametrize("broken", [
    b'{"messages": [{"role": "user", "con', b"\xff\xfe", b"[]", b'{"text": "x"}', b'{"messages": "no json"}',
    b'{"messages": [{"role": "critic", "content": "x"}]}', b'{"messages": [{"role": "user", "content": 7}]}',
    b'{"messages": ["x"]}', b'{"messages": [{"role": "assistant", "tool_calls": [{}]}]}', b"null",
    b'{"messages": 5}', b'{"messages": [], "tools": 5}',
])
def test_a_broken_row_is_named_by_path_and_line_even_if_it_is_not_wanted(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "g.jsonl"
    path.write_bytes(json.dumps(row(1)).encode() + b"\n\n" + broken)
    with pytest.raises(DataError, match=r"g\.jsonl:3: not a row of chat messages") as caught:
        load(path, wanted=1)
    assert "\n" not in str(caught.value)


def test_a_line_separator_inside_a_string_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    odd = {"messages": [{"role": "assistant", "content": "a\u2028b\x85c"}]}
    path.write_text(json.dumps(odd, ensure_ascii=False), encoding="utf-8")
    assert load(path)[0].messages[0]["content"] == "a\u2028b\x85c"


def test_a_file_that_is_not_there_or_empty_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match="holds no rows to learn from"):
        load(lines(tmp_path / "empty.jsonl"))
