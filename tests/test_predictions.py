"""Predictions in the forms that SWE-bench's tools write."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sera_cli.errors import ConfigError, DataError
from sera_cli.evaluate.instance import Instance
from sera_cli.evaluate.predictions import Predictions, predictions, row, write


def instance(name: str, patch: str = "fix") -> Instance:
    return Instance(
        instance_id=name, repo="o/r", base_commit="c", problem_statement="", patch=patch, test_patch="", version="1",
        fail_to_pass=("t",), pass_to_pass=(), row={},
    )  # fmt: skip


NONE = "holds no prediction for an instance of this benchmark"
TWO = (instance("a", "fix a"), instance("b", "fix b"))


def file(folder: Path, name: str, text: object) -> str:
    (folder / name).write_text(text if isinstance(text, str) else json.dumps(text))
    return str(folder / name)


def test_gold_is_the_fix_of_each_and_empty_is_none() -> None:
    assert predictions("gold", TWO) == Predictions(model="gold", patches={"a": "fix a", "b": "fix b"})
    assert predictions("empty", TWO) == Predictions(model="empty", patches={"a": "", "b": ""})


@pytest.mark.parametrize(
    "text",
    [
        [row("a", "m", "x"), row("b", "m", "")],
        {"a": {"model_name_or_path": "m", "model_patch": "x"}, "b": {"model_name_or_path": "m", "model_patch": None}},
        {"a": row("a", "m", "x"), "b": {"instance_id": "b"}},
    ],
    ids=["a list", "by instance", "whole rows by instance"],
)  # fmt: skip
def test_json_may_be_a_list_or_an_object(tmp_path: Path, text: object) -> None:
    found = predictions(file(tmp_path, "preds.json", text), TWO)
    assert found == Predictions(model="m", patches={"a": "x", "b": ""})


def test_a_patch_may_stand_alone_under_its_instance(tmp_path: Path) -> None:
    assert predictions(file(tmp_path, "p.json", {"a": "x", "b": None}), TWO).patches == {"a": "x", "b": ""}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "preds.jsonl", "m", {"b": "line\u2028one\n", "a": ""})
    found = predictions(str(tmp_path / "preds.jsonl"), TWO)
    assert found == Predictions(model="m", patches={"a": "", "b": "line\u2028one\n"})
    first = (tmp_path / "preds.jsonl").read_text().splitlines()[0]
    assert first == '{"instance_id": "a", "model_name_or_path": "m", "model_patch": ""}'


def test_half_a_surrogate_pair_is_no_character(tmp_path: Path) -> None:
    line = '{"instance_id": "a", "model_name_or_path": "\\ud83d", "model_patch": "x\\udc80"}'
    assert predictions(file(tmp_path, "p.jsonl", line), TWO) == Predictions(model="?", patches={"a": "x?"})


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from("ab"), st.text(st.characters())), st.text(min_size=1))
def test_any_patch_survives_being_written(
    tmp_path_factory: pytest.TempPathFactory, patches: dict[str, str], model: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "preds.jsonl"
    assume(patches)
    write(path, model, patches)
    assert predictions(str(path), TWO) == Predictions(model=model, patches=patches)


def test_predictions_for_other_instances_are_named_and_left(tmp_path: Path) -> None:
    lines = "\n\n".join(json.dumps(row(name, "m", "x")) for name in ("z", "a", "y"))
    assert predictions(file(tmp_path, "p.jsonl", lines), TWO) == Predictions(
        model="m", patches={"a": "x"}, unknown=("z", "y")
    )


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("p.jsonl", '{"instance_id": "a"}\n{"instance_id": "a"}\n', "p.jsonl:2: a is predicted twice"),
        ("p.jsonl", '{"instance_id": "a"}\n{"inst', "p.jsonl:2: not JSON: "),
        ("p.jsonl", '["a"]', "p.jsonl:1: a prediction is a JSON object, and this is a list"),
        ("p.jsonl", '{"model_patch": "x"}', "p.jsonl:1: a prediction lacks instance_id"),
        ("p.jsonl", '{"instance_id": "a", "model_patch": 3}', "p.jsonl:1: model_patch of a is a int"),
        ("p.jsonl", '{"instance_id": "z"}', f"p.jsonl: {NONE}, such as z"),
        ("p.jsonl", "", f"p.jsonl: {NONE}, for it is empty"),
        ("p.json", "3", "p.json: neither a list of predictions nor an object"),
        ("p.json", "[" * 100000, "p.json: not JSON: "),
        ("p.txt", "", "p.txt: is no .jsonl or .json file"),
        ("p.jsonl", "\udcff", "p.jsonl: not UTF-8 at byte 1"),
    ],
)  # fmt: skip
def test_what_is_no_prediction_is_named_with_its_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError) as error:
        predictions(str(tmp_path / name), TWO)
    assert str(error.value).startswith(f"{tmp_path}/{says}")


def test_a_file_that_is_not_there_says_what_else_there_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; name a file, or say gold or empty"):
        predictions(str(tmp_path / "golden"), TWO)
