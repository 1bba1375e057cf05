import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli import store
from sera_cli.data import files
from sera_cli.errors import DataError
from sera_cli.types import Sample, Trajectory

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)


def rows(path: Path) -> list[Any]:
    return [files.parsed(row.text) for row in files.found(path)]


def test_each_line_is_a_row_found_again_by_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n\n  {"b": "\xe2\x80\xa8\xc2\x85"}\r\n{"c": 3}')
    found = list(files.found(path))
    assert [(row.line, row.start) for row in found] == [(1, 0), (3, 10), (4, 28)]
    assert rows(path) == [{"a": 1}, {"b": "\u2028\x85"}, {"c": 3}]
    content = path.read_bytes()
    assert all(content[row.start : row.start + len(row.text)] == row.text for row in found)


def test_a_json_list_is_rows_too_with_the_line_each_begins_on(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\n[\n {"a": "]}\\"["},\n\n {"b":\n [[1], {}]} , {"c": 1}\n]\n')
    found = list(files.found(path))
    assert [row.line for row in found] == [3, 5, 6]
    assert rows(path) == [{"a": ']}"['}, {"b": [[1], {}]}, {"c": 1}]


def test_a_json_file_of_lines_is_read_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}\n{"b": 2}\n')
    assert rows(path) == [{"a": 1}, {"b": 2}]


@settings(max_examples=60, deadline=None)
@given(written=OBJECTS, indent=st.sampled_from([None, 1]), plain=st.booleans(), piece=st.integers(1, 40))
def test_any_json_list_gives_its_rows_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, Any]], indent: int | None, plain: bool, piece: int
) -> None:
    path = tmp_path_factory.mktemp("list") / "a.json"
    path.write_bytes(json.dumps(written, indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE", piece)
        found = list(files.found(path))
    content = path.read_bytes()
    assert [json.loads(row.text.decode("utf-8", "surrogatepass")) for row in found] == written
    assert [row.line for row in found] == [content.count(b"\n", 0, row.start) + 1 for row in found]


@pytest.mark.parametrize(("text", "line"), [
    ('[{"a": 1},\n{"b": 2}', 2), ('[{"a": 1},\n{"b": ', 1), ('[{"a": 1}\n{"b": 2}]', 1), ("[\n1, 2]", 1),
    ('["x"]', 1), ('[{"a": 1}] {"b": 2}', 1), ('[{"a": 1}]\nmore', 1), ('[{"a": "', 1), ("[", 1), ('[{"a": 1},]x', 1),
    ('[{"a": 1}, 7]', 1),
])  # fmt: skip
def test_half_a_list_and_one_of_something_else_are_named_by_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.json:{line}: not a list of rows from here on"):
        list(files.found(path))


@pytest.mark.parametrize(("text", "why"), [
    (b'{"a": ', "not JSON: Expecting value at character 6"),
    (b"[]", "a row is a JSON object with messages, and this is a list"),
    (b"null", "a row is a JSON object with messages, and this is a NoneType"),
    (b'{"a": "\xff"}', "not UTF-8 at byte 8"),
    (b"[" * 100_000, "nested too deeply"),
])
def test_what_is_no_row_says_why(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        files.parsed(text)


def test_the_header_of_a_samples_file_is_no_row(tmp_path: Path) -> None:
    one = Sample(id="one", messages=(), origin="first", kept=1, steps=1, tokens=9)
    store.write(tmp_path / "s.jsonl", Sample, [one], {"context": 7})
    assert [(row.line, json.loads(row.text)["id"]) for row in files.found(tmp_path / "s.jsonl")] == [(2, "one")]


def test_records_of_another_kind_are_named(tmp_path: Path) -> None:
    store.write(tmp_path / "t.jsonl", Trajectory, [])
    with pytest.raises(DataError, match=r"t\.jsonl:1: holds Trajectory records, not samples"):
        list(files.found(tmp_path / "t.jsonl"))


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl: cannot be read \(No such file or directory\); name a"):
        list(files.found(tmp_path / "absent.jsonl"))


def test_a_parquet_file_becomes_lines_without_the_nulls_that_pad_it(tmp_path: Path) -> None:
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    written = [{"messages": [{"role": "user", "content": "x"}]}, {"messages": [{"role": "tool", "id": "1"}], "n": 7}]
    table = pyarrow.Table.from_pylist(written, schema=pyarrow.schema({
        "messages": pyarrow.list_(pyarrow.struct({name: pyarrow.string() for name in ("role", "content", "id")})),
        "n": pyarrow.int64(),
    }))
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=1)
    copy = files.unpacked(tmp_path / "a.parquet", tmp_path / "copy")
    assert copy == tmp_path / "copy"
    assert rows(copy) == written


def test_a_broken_parquet_file_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 is how it begins")
    with pytest.raises(DataError, match=r"a\.parquet: not a parquet file that can be read \(") as caught:
        files.unpacked(tmp_path / "a.parquet", tmp_path / "copy")
    assert "\n" not in str(caught.value)


def test_a_file_of_lines_needs_no_copy(tmp_path: Path) -> None:
    assert files.unpacked(tmp_path / "a.jsonl", tmp_path / "copy") == tmp_path / "a.jsonl"
    assert not (tmp_path / "copy").exists()
