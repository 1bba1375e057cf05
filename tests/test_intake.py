import json
from pathlib import Path
from typing import Any

import pytest

from sera_cli import store
from sera_cli.data.formats import read
from sera_cli.data.intake import BadRows, take
from sera_cli.errors import ConfigError, DataError
from sera_cli.types import Sample

ASKED = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
PUBLISHED = {"messages": json.dumps([
    {"role": "user", "content": [{"type": "text", "text": "Fix it."}], "agent": "main", "message_type": "observation"},
    {"role": "assistant", "content": "<think>Look.</think>\nSo.", "thought": "", "action": "ls", "tool_calls": [
        {"index": -1, "id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}},
    ]},
    {"role": "tool", "content": [{"type": "text", "text": "OBSERVATION:\na.py"}], "tool_call_ids": ["c1"]},
]), "instance_id": "cantools_1", "rollout_patch": "+x\n", "docker_image": "i"}  # fmt: skip
WRITTEN = {"tool_json": [], "instance_id": "i2", "messages": [
    {"role": "user", "content": "Q", "train": False},
    {"role": "assistant", "content": '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', "train": True},
]}  # fmt: skip
TURNS = {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def taken(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_of_several_formats_become_chat_rows_in_their_order(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", PUBLISHED, WRITTEN, TURNS, {"messages": ASKED}, PUBLISHED)
    made = take([path, lines(tmp_path / "b.jsonl", {"messages": ASKED})], "auto", tmp_path / "out.jsonl")
    assert made.rows == 4
    assert made.formats == {"ai2": 1, "axolotl": 1, "messages": 1, "sharegpt": 1}
    assert made.dropped == {"said twice": 2}
    rows = taken(tmp_path / "out.jsonl")
    assert [row["messages"][0]["content"] for row in rows] == ["Fix it.", "Q", "hi", "q"]
    assert rows[0]["messages"][1] == {
        "role": "assistant", "content": "So.", "reasoning_content": "Look.", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}],
    }  # fmt: skip
    assert json.loads(rows[0]["metadata"]) | {"id": ""} == {
        "id": "", "origin": "general", "instance": "cantools_1", "patch": "+x\n", "image": "i", "source": "a.jsonl",
    }  # fmt: skip
    assert [read(row).messages for row in rows] == [tuple(row["messages"]) for row in rows]


def test_a_row_as_ai2_publishes_them_is_taken_with_its_calls_and_what_its_columns_tell(tmp_path: Path) -> None:
    published = json.loads((Path(__file__).parent / "golden" / "ai2_row.json").read_text())
    take([lines(tmp_path / "a.jsonl", published)], "auto", tmp_path / "out.jsonl")
    [row] = taken(tmp_path / "out.jsonl")
    history = json.loads(published["messages"])
    calls = [call["function"]["name"] for message in row["messages"] for call in message.get("tool_calls", ())]
    assert calls == [call["function"]["name"] for turn in history for call in turn.get("tool_calls") or ()] != []
    metadata = json.loads(row["metadata"])
    assert metadata["instance"] == "shop_10309"
    assert metadata["image"] == "jyangballin/swesmith.x86_64.acme_1776_shop.10644a0e"


def test_where_a_row_says_it_is_from_stays_known(tmp_path: Path) -> None:
    """Or a benchmark's rows would pass as others once they are imported."""
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    file = lines(
        tmp_path / "a.jsonl", {"conversations": turns, "metadata": {"instance_id": "django__django-1"}},
        {"messages": [{"role": "user", "content": "r"}], "instance": '{"repo": "psf/requests", "image_name": "i"}'},
    )  # fmt: skip
    take([file], "auto", tmp_path / "out.jsonl")
    first, second = (json.loads(row["metadata"]) for row in taken(tmp_path / "out.jsonl"))
    assert first["instance"] == "django__django-1"
    assert (second["repo"], second["image"]) == ("psf/requests", "i")


def test_a_named_format_is_not_asked_for_again(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"messages": [*ASKED, {"role": "assistant", "content": "more"}]})
    assert take([path], "ai2", tmp_path / "out.jsonl").formats == {"ai2": 1}


@pytest.mark.parametrize(("format", "row", "kept"), [("ai2", PUBLISHED, "Fix it."), ("axolotl", WRITTEN, "Q")])
def test_what_is_in_a_named_format_is_read_as_that(tmp_path: Path, format: str, row: Any, kept: str) -> None:
    take([lines(tmp_path / "a.jsonl", row)], format, tmp_path / "out.jsonl")
    [made] = taken(tmp_path / "out.jsonl")
    assert made["messages"][0] == {"role": "user", "content": kept}
    assert len(made["messages"][1]["tool_calls"]) == 1


def test_a_single_bad_row_is_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(BadRows, match=r"^1 row cannot be read, so"):
        take([lines(tmp_path / "a.jsonl", {})], "messages", tmp_path / "out.jsonl")


def test_bad_rows_are_all_named_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"messages": [{"role": "x"}]}\n\n{"mess\n' + json.dumps({"messages": ASKED}) + "\n")
    with pytest.raises(BadRows, match="2 rows cannot be read, so nothing was written; mend them, or leave") as told:
        take([path], "auto", tmp_path / "out.jsonl")
    assert tuple(map(str, told.value.taken.bad)) == (
        f"{path}:1: message 1 has the role 'x'; known are system, user, assistant and tool",
        f"{path}:3: not JSON: Unterminated string starting at character 2",
    )
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


def test_bad_rows_may_be_skipped_and_are_counted(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", *([{"messages": 5}] * 12), {"messages": ASKED})
    made = take([path], "auto", tmp_path / "out.jsonl", skip_bad=True)
    assert (made.rows, made.dropped, len(made.bad)) == (1, {"bad": 12}, 10)


def test_where_every_row_is_bad_nothing_is_written_even_if_they_may_be_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows to write"):
        take([lines(tmp_path / "a.jsonl", {})], "auto", tmp_path / "out.jsonl", skip_bad=True)
    assert not (tmp_path / "out.jsonl").exists()


def test_samples_of_our_own_are_taken_without_those_held_out(tmp_path: Path) -> None:
    talk = ({"role": "user", "content": "q", "train": False}, {"role": "assistant", "content": "a", "train": True})
    one = Sample(id="one", messages=talk, origin="first", kept=1, steps=1, tokens=9)
    two = one.model_copy(update={"id": "two", "heldout": True})
    store.write(tmp_path / "s.jsonl", Sample, [one, two])
    made = take([tmp_path / "s.jsonl"], "auto", tmp_path / "out.jsonl")
    assert (made.rows, made.formats, made.dropped) == (1, {"samples": 1}, {"held out": 1})


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"messages": ASKED})
    with pytest.raises(ConfigError, match=r"gone is no folder; make it, or name another file with --out"):
        take([tmp_path / "a.jsonl"], "auto", tmp_path / "gone" / "out.jsonl")
    with pytest.raises(ConfigError, match=r"a\.jsonl is there already"):
        take([path], "auto", path)
    assert taken(path) == [{"messages": ASKED}]


@pytest.mark.parametrize("name", ["out.parquet", "out.json", "out"])
def test_rows_are_written_under_a_name_that_says_how_they_are_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: rows are written as lines of JSON; name a \.jsonl file"):
        take([lines(tmp_path / "a.jsonl", {"messages": ASKED})], "auto", tmp_path / name)


def test_what_has_to_be_unpacked_lies_beside_the_file_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").Table.from_pylist([{"messages": ASKED}])
    parquet.write_table(table, tmp_path / "a.parquet")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    assert take([tmp_path / "a.parquet"], "auto", tmp_path / "out.jsonl").rows == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.parquet", "out.jsonl"]


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--format is one of auto, messages, ai2, axolotl; it is 'alpaca'"):
        take([], "alpaca", tmp_path / "out.jsonl")
