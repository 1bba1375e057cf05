import json
from pathlib import Path
from typing import Any

from sera_cli.evaluate.evaluation import Files
from sera_cli.evaluate.grade import Grade
from sera_cli.evaluate.submission import Entry, submission

FACTS = {"model": "glm: air", "bench": "swe-verified", "open": True, "version": "1.0", "resolved": 1, "total": 2,
         "date": "2026-11-20", "environment": "venv"}  # fmt: skip


def made(folder: Path, **facts: Any) -> Path:
    files = Files(folder=folder / "run")
    logs, traces = files.logs / "0", files.trajectories / "0"
    texts = ((logs / "a.log", "PASSED"), (logs / "a.sh", "pytest"), (logs / "c.log", "error: it does not"))
    for path, text in (*texts, (traces / "a" / "a.traj.json", "{}")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    entries = [
        Entry(name="a", patch="+x", grade=Grade(
            id="1", instance_id="a", verdict="resolved", applied=True, log="a.log", seconds=1.5), tests={
                "FAIL_TO_PASS": {"success": ["t"], "failure": []}}),
        Entry(name="b", patch="", grade=Grade(id="2", instance_id="b", verdict="unresolved", reason="no patch")),
        Entry(name="c", patch="-y", grade=Grade(
            id="3", instance_id="c", verdict="unresolved", reason="it does not apply", log="c.log")),
    ]  # fmt: skip
    submission(folder / "out", files, 0, entries, FACTS | facts)
    return folder / "out"


def test_a_submission_has_what_the_leaderboard_asks_for(tmp_path: Path) -> None:
    out = made(tmp_path)
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
        "README.md", "all_preds.jsonl", "logs/a/eval.sh", "logs/a/patch.diff", "logs/a/report.json",
        "logs/a/run_instance.log", "logs/a/test_output.txt", "logs/b/patch.diff", "logs/b/report.json",
        "logs/b/run_instance.log", "logs/c/patch.diff", "logs/c/report.json", "logs/c/run_instance.log",
        "metadata.yaml", "trajs/a.traj.json",
    ]  # fmt: skip
    rows = [json.loads(line) for line in (out / "all_preds.jsonl").read_text().splitlines()]
    assert rows == [
        {"instance_id": "a", "model_name_or_path": "glm: air", "model_patch": "+x\n"},
        {"instance_id": "b", "model_name_or_path": "glm: air", "model_patch": ""},
        {"instance_id": "c", "model_name_or_path": "glm: air", "model_patch": "-y\n"},
    ]
    assert json.loads((out / "logs/a/report.json").read_text())["a"] == {
        "patch_is_None": False, "patch_exists": True, "patch_successfully_applied": True, "resolved": True,
        "tests_status": {"FAIL_TO_PASS": {"success": ["t"], "failure": []}}}
    assert json.loads((out / "logs/b/report.json").read_text())["b"]["resolved"] is False


def test_what_was_done_with_a_patch_is_told_as_it_was(tmp_path: Path) -> None:
    logs = made(tmp_path) / "logs"
    told = {name: (logs / name / "run_instance.log").read_text().splitlines() for name in "abc"}
    assert told["a"] == [
        "a: graded by sera 1.0, environment venv", "the patch was applied, and eval.sh run: see test_output.txt",
        "took 1.50 seconds, the making of the sandbox included", "resolved"]
    assert told["b"][1] == "no patch was handed in, and no tests were run"
    assert told["c"][1:3] == ["the patch was not applied, and no tests were run", "error: it does not"]
    assert (logs / "a" / "eval.sh").read_text() == "pytest"


def test_its_metadata_is_yaml_that_says_who_and_how_often(tmp_path: Path) -> None:
    import yaml

    told = yaml.safe_load((made(tmp_path) / "metadata.yaml").read_text())
    assert told["info"]["name"] == "glm: air"
    assert (told["tags"]["model"], told["tags"]["os_model"]) == (["glm: air"], True)
    assert told["tags"]["system"] == {"attempts": "1"}


def test_what_was_filled_in_by_hand_is_left_and_the_rest_is_made_anew(tmp_path: Path) -> None:
    out = made(tmp_path)
    assert "1 of 2 instances resolved" in (out / "README.md").read_text()
    (out / "README.md").write_text("mine")
    (out / "all_preds.jsonl").unlink()
    made(tmp_path)
    assert (out / "README.md").read_text() == "mine"
    assert (out / "all_preds.jsonl").exists()
