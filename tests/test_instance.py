import json
from pathlib import Path

import pytest

from sera_cli.errors import ConfigError, DataError
from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.reading import chosen, instance, instances

ROW = {
    "instance_id": "owner__name-1", "repo": "owner/name", "base_commit": "abc", "version": "1.2",
    "problem_statement": "It fails.", "hints_text": "", "patch": "--- a", "test_patch": "--- b",
    "FAIL_TO_PASS": '["t::one"]', "PASS_TO_PASS": "[]", "created_at": "2020-01-01", "environment_setup_commit": "def",
}  # fmt: skip


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_row_is_an_instance_and_is_kept_as_it_was_given() -> None:
    made = instance(ROW)
    assert (made.instance_id, made.version) == ("owner__name-1", "1.2")
    assert (made.fail_to_pass, made.pass_to_pass) == (("t::one",), ())
    assert (made.image, made.eval_script, made.install_config, made.row) == ("", "", None, ROW)


@pytest.mark.parametrize(("noted", "past"), [({"commit": "f"}, {"commit": "f"}), ("no", {}), (None, {})])
def test_what_a_build_noted_of_a_task_is_told_from_what_others_call_so(noted: object, past: dict[str, str]) -> None:
    assert instance({**ROW, "replay": noted}).past == past
    assert instance(ROW).past == {}


def test_lists_of_tests_may_be_lists() -> None:
    assert instance({**ROW, "FAIL_TO_PASS": ["a", "b"]}).fail_to_pass == ("a", "b")


def test_a_row_may_name_its_image_its_script_and_how_it_is_installed() -> None:
    config = {"python": "3.9", "packages": None, "install": ["pip install -e .", "make"], "test_cmd": "pytest -rA",
              "pre_install": "make deps", "pip_packages": ["pytest"], "log_parser": "parse_log_pytest", "env_vars": {}}
    made = instance({**ROW, "docker_image": "o/n:1", "eval_script": ["set -e", "pytest"], "install_config": config})
    assert (made.image, made.eval_script) == ("o/n:1", "set -e\npytest")
    assert made.install_config == InstallConfig(
        python="3.9", install="pip install -e . && make", test_cmd="pytest -rA", pre_install=("make deps",),
        pip_packages=("pytest",), log_parser="parse_log_pytest")


@pytest.mark.parametrize("field", ["repo", "base_commit", "problem_statement", "patch", "test_patch", "FAIL_TO_PASS"])
def test_a_field_that_is_lacking_is_named_with_its_row(tmp_path: Path, field: str) -> None:
    file = written(tmp_path / "rows.jsonl", ROW, {key: value for key, value in ROW.items() if key != field})
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: the row of owner__name-1 .*{field}"):
        instances(file)


@pytest.mark.parametrize(("changed", "text"), [
    ({"FAIL_TO_PASS": "[1]"}, "FAIL_TO_PASS: a list of names of tests is wanted"),
    ({"FAIL_TO_PASS": "not json"}, "no JSON in 'not json'"),
    ({"install_config": {"python": 3.9}}, "python"),
    ({"patch": ""}, "unusable patch"),
    ({"repo": 7}, "unusable repo"),
    ({"instance_id": "../../x"}, "'../../x' is no instance_id: files are named by it; use letters, digits"),
    ({"instance_id": "/etc/x"}, "'/etc/x' is no instance_id"),
    ({"instance_id": "a\nb"}, "is no instance_id"),
    ({"instance_id": "a" * 201}, "is no instance_id"),
])  # fmt: skip
def test_a_field_that_is_not_what_it_should_be_is_named(changed: dict[str, object], text: str) -> None:
    with pytest.raises(DataError, match=text):
        instance({**ROW, **changed})


def test_an_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r":2: owner__name-1 is also in row 1"):
        instances(written(tmp_path / "rows.jsonl", ROW, ROW))


@pytest.mark.parametrize(("text", "said"), [
    ("{\n", ":1: not JSON"), ("[]\n", ":1: a row is a JSON object, and this is a list"), ("", "holds no instances"),
])  # fmt: skip
def test_what_is_no_file_of_rows_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=said):
        instances(file)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file; name the"):
        instances(tmp_path / "rows.jsonl")
    with pytest.raises(DataError, match="no dataset of the hub is called that"):
        instances("rows")
    (tmp_path / "rows.csv").write_text("a,b")
    with pytest.raises(DataError, match=r"is no \.jsonl, \.json or \.parquet file"):
        instances(tmp_path / "rows.csv")


def test_a_list_and_a_parquet_file_hold_the_same_rows(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "instance_id": "owner__name-2"}]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").Table.from_pylist(rows)
    parquet.write_table(table, tmp_path / "rows.parquet")
    of_lines = instances(written(tmp_path / "rows.jsonl", *rows))
    assert instances(tmp_path / "rows.json") == instances(tmp_path / "rows.parquet") == of_lines


def test_what_is_no_parquet_file_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "rows.parquet").write_text("no")
    with pytest.raises(DataError, match="not a parquet file that can be read"):
        instances(tmp_path / "rows.parquet")


def test_offline_no_dataset_is_fetched() -> None:
    with pytest.raises(ConfigError, match="offline: the dataset SWE-bench/SWE-bench_Verified would be fetched"):
        instances("swe-verified", offline=True)


def test_instances_are_chosen_by_globs_and_the_first_of_them() -> None:
    rows = [instance({**ROW, "instance_id": f"{name}-{n}"}) for name in ("a__b", "c__d") for n in (1, 2)]
    assert [one.instance_id for one in chosen(rows, "c__*")] == ["c__d-1", "c__d-2"]
    assert [one.instance_id for one in chosen(rows, "*-1, c__d-2", limit=2)] == ["a__b-1", "c__d-1"]
    with pytest.raises(ConfigError, match="no instance is called x; there are 4, such as a__b-1"):
        chosen(rows, "x")
