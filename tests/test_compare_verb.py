"""`sera compare`, as it is typed, over reports that are written here."""

import json
import os
from pathlib import Path
from typing import Any, Literal

import pytest

from sera_cli import __main__ as door
from sera_cli.evaluate.report import Report, Result, Tokens, write

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".sera").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sera(*arguments: object) -> int:
    return door.run([str(argument) for argument in arguments])


def evaluated(
    project: Path, name: str, *tasks: str, model: str = "", score: Literal["resolved", "recall"] = "resolved",
    **said: Any,
) -> Path:
    """An evaluation whose tasks came out so: `110` was resolved under seeds 0 and 1, `-` broke."""
    results = {f"task-{at}": {seed: result(one) for seed, one in enumerate(row)} for at, row in enumerate(tasks)}
    folder = project / ".sera" / "evals" / name
    folder.mkdir(parents=True)
    report = Report(bench="tiny", model=model or name, score=score, digest="d", seeds=(0, 1, 2), results=results)
    return write(folder, report.model_copy(update=said))


def result(said: str) -> Result:
    if said == "-":
        return Result(verdict="infra", score=None, steps=1, exit="error")
    tokens = Tokens(prompt=20_000, completion=1500)
    verdict = "resolved" if said == "1" else "unresolved"
    return Result(verdict=verdict, score=float(said), steps=12, tokens=tokens, dollars=0.5, exit="submitted")


BASE = (*["000"] * 60, *["111"] * 40)
BETTER = (*["000"] * 40, *["011"] * 10, *["111"] * 50)


def cells(text: str) -> dict[str, list[str]]:
    """The rows of the table, by their first cell."""
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return {row[0]: row[1:] for row in rows}


def test_one_table_says_it_all(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE)
    evaluated(project, "shop", *BETTER, model="shop@2", unvalidated={"x": "its own fix fails"})
    assert sera("compare", "base", "shop") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0].split() == ["tiny", "base", "shop@2"]
    rows = cells(said.out)
    assert rows["resolved"] == ["40.0 ± 0.0 %", "56.7 ± 5.8 %"]
    assert rows["difference"] == ["+16.7 points"]
    assert (rows["tasks"], rows["verdict"]) == (["100 with 3 seeds"] * 2, ["better"])
    assert (rows["pass@3"], rows["pass^3"]) == (["40.0 %", "60.0 %"], ["40.0 %", "50.0 %"])
    assert rows["tokens"] == ["20.0k in, 1.5k out"] * 2
    assert (rows["steps"], rows["dollars"], rows["exits"]) == (["12.0"] * 2, ["150.00"] * 2, ["300 submitted"] * 2)
    assert rows["not counted"] == ["1 unvalidated"]
    assert said.err == ""


def test_the_document_holds_every_number(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE)
    evaluated(project, "shop", *BETTER)
    assert sera("compare", "base", "shop", "--detect", "0.03", "--json") == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert [side["name"] for side in told["sides"]] == ["base", "shop"]
    assert [side["summary"]["mean"] for side in told["sides"]] == [0.4, pytest.approx(0.5667, abs=1e-4)]
    (difference,), (plan,) = told["differences"], told["plans"]
    assert (difference["tasks"], difference["verdict"]) == (100, "better")
    assert 0.09 < difference["low"] < difference["difference"] < difference["high"] < 0.24
    assert (plan["detect"], plan["seeds"]) == (0.03, None)
    assert told["notes"] == []
    assert said.err == ""


def test_markdown_is_a_table_for_a_report(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE)
    evaluated(project, "a|b", *BETTER)
    assert sera("compare", "base", "a|b", "--markdown") == 0
    assert capsys.readouterr().out.splitlines()[:3] == [
        "| tiny | base | a/b |", "| --- | ---: | ---: |", "| resolved | 40.0 ± 0.0 % | 56.7 ± 5.8 % |"]


def test_in_markdown_each_row_says_what_it_is_about(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE)
    evaluated(project, "shop", *BETTER)
    assert sera("compare", "base", "shop", "--markdown") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in said if line.startswith("|")] == [
        "tiny", "---", "resolved", "resolved, over tasks", "resolved, over seeds", "resolved, tasks",
        "resolved, pass@3", "resolved, pass^3", "difference", "difference, over tasks", "difference, p",
        "difference, signal to noise", "difference, detectable", "verdict", "steps", "tokens", "dollars", "exits"]
    assert said[-2] == "" and said[-1].startswith("pass@3: tasks that one or more of 3 seeds resolve; ")


def test_a_line_under_the_table_explains_the_words_in_it(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE, "---")
    evaluated(project, "shop", *BETTER)
    evaluated(project, "once", "1", "0", seeds=(0,))
    assert sera("compare", "base", "shop") == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "pass@3: tasks that one or more of 3 seeds resolve; pass^3: tasks that all of 3 seeds resolve; detectable: the "
        "smallest true difference that these tasks and seeds show four times in five; infra: attempts that broke, by "
        "no fault of a patch")
    assert sera("compare", "once") == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["exits", "2", "submitted"]


def test_what_it_takes_to_show_a_difference_is_said(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *["110"] * 50, *["000"] * 50)
    evaluated(project, "shop", *["110"] * 40, *["010"] * 10, *["000"] * 50)
    assert sera("compare", "base", "shop", "--detect", "0.05") == 0
    assert capsys.readouterr().err == (
        "shop: to show 5 points four times in five takes 11 seeds of each on these tasks or 351 tasks with as many "
        "seeds as now\n")


def test_where_no_number_of_seeds_shows_a_difference_the_tasks_are_said(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE)
    evaluated(project, "shop", *BETTER)
    assert sera("compare", "base", "shop", "--detect", "0.03") == 0
    assert capsys.readouterr().err == (
        "shop: to show 3 points four times in five takes 1,030 tasks with as many seeds as now; on these tasks no "
        "number of seeds does\n")


def test_why_nobody_knows_what_it_takes_is_said(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *"0110100", seeds=(0,))
    evaluated(project, "shop", *["110"] * 7)
    evaluated(project, "gold", results={f"task-{at}": {0: Result(verdict="resolved", score=1.0)} for at in range(7)},
              seeds=(0,))
    said = []
    for of in (("base", "shop"), ("base",), ("shop", "gold")):
        assert sera("compare", *of, "--detect", "0.1") == 0
        said.append(capsys.readouterr().err.splitlines()[0].partition(" is unknown, ")[2])
    assert said == ["for base tried no task twice that counts: evaluate it with --seeds 3"] * 2 + [
        "for patches have no seeds and are graded once (gold)"]


def test_of_one_evaluation_alone_it_is_the_least_it_takes(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *["110"] * 50, *["000"] * 50)
    assert sera("compare", "base", "--detect", "0.05") == 0
    said = capsys.readouterr()
    assert "takes at least 11 seeds of each" in said.err
    assert "difference" not in said.out


@pytest.mark.parametrize("spec", ["shop", "shop@2", "second", ".sera/evals/second", ".sera/evals/second/report.json"])
def test_an_agent_means_its_newest_evaluation(project: Path, capsys: Captured, spec: str) -> None:
    """Everything else is the name of an evaluation, its folder or its report."""
    first = evaluated(project, "first", *BASE, model="shop@2")
    evaluated(project, "second", *BETTER, model="shop@2")
    evaluated(project, "other", *BASE, model="shopping@9")
    os.utime(first, (1, 1))
    assert sera("compare", spec) == 0
    assert cells(capsys.readouterr().out)["resolved"] == ["56.7 ± 5.8 %"]


def test_two_evaluations_of_one_agent_are_told_apart_by_their_names(project: Path, capsys: Captured) -> None:
    evaluated(project, "first", *BASE, model="shop@2")
    evaluated(project, "second", *BETTER, model="shop@2")
    assert sera("compare", "first", "second", "--markdown") == 0
    assert capsys.readouterr().out.splitlines()[0] == "| tiny | shop@2, first | shop@2, second |"


def test_a_report_that_cannot_be_read_is_in_nobodys_way(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE, model="shop@2")
    evaluated(project, "torn", *BASE).write_text("{")
    assert sera("compare", "shop") == 0
    assert sera("compare", "torn") == 1
    assert f"{project / '.sera' / 'evals' / 'torn' / 'report.json'}: not the report" in capsys.readouterr().err


def test_seeds_are_counted_though_no_task_has_them_all(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", "1-0", "-11", "00-")
    assert sera("compare", "base") == 0
    assert cells(capsys.readouterr().out)["tasks"] == ["3 with 2 to 3 seeds"]


def test_the_project_is_the_one_around_this_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated(project, "base", *BASE)
    (project / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "down")
    assert sera("compare", "base") == 0


def test_what_broke_is_left_out_and_said(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE, "---")
    evaluated(project, "shop", *BETTER, "1-1")
    assert sera("compare", "base", "shop") == 0
    said = capsys.readouterr()
    assert cells(said.out)["not counted"] == ["3 infra", "1 infra"]
    assert cells(said.out)["dollars"] == ["150.00", "151.00"]
    assert said.err == "note: base and shop were compared on the 100 tasks counted for both, of 100 and 101\n"


def test_a_price_that_nobody_knows_is_no_zero(project: Path, capsys: Captured) -> None:
    free = {"task-0": {0: result("1").model_copy(update={"dollars": None})}}
    evaluated(project, "base", results=free)
    assert sera("compare", "base") == 0
    assert cells(capsys.readouterr().out)["dollars"] == ["unknown"]


def test_graded_predictions_cost_nothing_and_took_no_steps(project: Path, capsys: Captured) -> None:
    graded = {f"task-{at}": {0: Result(verdict="resolved", score=1.0)} for at in range(3)}
    evaluated(project, "gold", results=graded)
    assert sera("compare", "gold") == 0
    said = capsys.readouterr()
    assert {"steps", "tokens", "dollars", "exits"} & set(cells(said.out)) == set()
    assert cells(said.out)["tasks"] == ["3"]
    assert said.err == ""


def test_one_seed_is_called_too_few_of_a_model_but_not_of_patches(project: Path, capsys: Captured) -> None:
    graded = {f"task-{at}": {0: Result(verdict="resolved", score=1.0)} for at in range(3)}
    evaluated(project, "gold", results=graded, seeds=(0,))
    evaluated(project, "base", "1", "0", "1", seeds=(0,))
    assert sera("compare", "gold", "base") == 0
    assert capsys.readouterr().err == (
        "note: base has one seed, so how far it varies from seed to seed is unknown: evaluate it with --seeds 3\n")


def test_recall_is_called_the_proxy_it_is(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE, score="recall")
    evaluated(project, "shop", *BETTER, score="recall")
    assert sera("compare", "base", "shop") == 0
    said = capsys.readouterr()
    rows = cells(said.out)
    assert "pass@3" not in rows and rows["mean recall"] == ["40.0 ± 0.0 %", "56.7 ± 5.8 %"]
    assert "recall is a proxy" in said.err


def test_several_differences_are_called_several(project: Path, capsys: Captured) -> None:
    for name in ("base", "one", "two"):
        evaluated(project, name, *BASE, bench="tiny" if name != "two" else "small")
    assert sera("compare", "base", "one", "two") == 0
    assert capsys.readouterr().err.splitlines() == [
        "note: two was evaluated on small, base on tiny",
        "note: of 2 differences each may be chance one time in twenty",
    ]


def test_scores_of_two_kinds_are_not_compared(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE)
    evaluated(project, "soft", *BASE, score="recall")
    assert sera("compare", "base", "soft") == 1
    assert capsys.readouterr().err == (
        "error: base tells what was resolved and soft recall; evaluate both on one benchmark\n")


def test_evaluations_of_other_tasks_are_not_compared(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", *BASE)
    evaluated(project, "other", results={"elsewhere": {0: result("1")}}, seeds=(0,))
    assert sera("compare", "base", "other") == 1
    assert capsys.readouterr().err == (
        "error: base and other have fewer than two tasks in common; evaluate both on the same tasks of tiny\n")


STOPPED = ("base has {} of the 6 tasks that shop has; to have all, run its sera eval without --limit and --instances\n")


def test_an_evaluation_of_fewer_tasks_is_told_how_to_have_all(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", "110")
    evaluated(project, "shop", *["111"] * 6)
    assert sera("compare", "base", "shop") == sera("compare", "shop", "base") == 1
    assert capsys.readouterr().err == 2 * ("error: " + STOPPED.format(1))
    evaluated(project, "later", *["110"] * 4, model="base")
    assert sera("compare", "later", "shop") == 0
    assert "note: " + STOPPED.format(4) in capsys.readouterr().err


def test_attempts_that_are_owed_yet_are_said(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", "110", "1", "0", owed=4)
    evaluated(project, "shop", "111", "010", "111")
    assert sera("compare", "base", "shop") == 0
    assert capsys.readouterr().err == (
        "note: base is not finished, 4 attempts short: run its sera eval again, which goes on where it stopped\n")


def test_more_seeds_on_some_tasks_than_on_others_are_no_sign_of_a_stop(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", "110", "1", "0")
    evaluated(project, "shop", "111", "010", "111")
    assert sera("compare", "base", "shop") == 0
    told = capsys.readouterr()
    assert (cells(told.out)["tasks"], told.err) == (["3 with 1 to 3 seeds", "3 with 3 seeds"], "")


def test_tasks_that_all_broke_leave_nothing_to_compare(project: Path, capsys: Captured) -> None:
    evaluated(project, "base", "1-1", "---", "---")
    evaluated(project, "shop", "111", "111", "111")
    assert sera("compare", "base", "shop") == 1
    assert capsys.readouterr().err == (
        "error: of base's 3 tasks 1 counted; mend what its sera eval told, and run that again with --retry-failed\n")


def test_an_evaluation_under_way_has_nothing_to_compare_yet(project: Path, capsys: Captured) -> None:
    (project / ".sera" / "evals" / "going").mkdir(parents=True)
    assert sera("compare", "going") == 1
    assert "has no report.json: the evaluation has not come to an end" in capsys.readouterr().err


def test_a_folder_of_the_project_does_not_stand_before_the_agent_of_its_name(project: Path, capsys: Captured) -> None:
    (project / "timesheet").mkdir()
    (project / ".sera" / "evals" / "timesheet").mkdir(parents=True)
    evaluated(project, "replay-timesheet", *BETTER, model="timesheet@1")
    assert sera("compare", "timesheet") == 0
    assert cells(capsys.readouterr().out)["resolved"] == ["56.7 ± 5.8 %"]


def test_a_folder_that_is_no_evaluation_is_not_taken_for_one(project: Path, capsys: Captured) -> None:
    (project / "timesheet").mkdir()
    assert sera("compare", "timesheet") == 2
    assert "no evaluation is called 'timesheet'" in capsys.readouterr().err


def test_a_name_that_means_nothing_is_told_what_there_is(project: Path, capsys: Captured) -> None:
    assert sera("compare", "base") == 2
    assert capsys.readouterr().err.endswith("; make one with: sera eval\n")
    evaluated(project, "base", *BASE, model="shop@2")
    assert sera("compare", "bass") == 2
    assert capsys.readouterr().err == (
        "error: no evaluation is called 'bass', and none is of such an agent; there are base, shop@2\n")


@pytest.mark.parametrize(("arguments", "reason"), [
    (("base", "base"), "the same evaluation was named twice"),
    (("base", "--detect", "3"), "--detect 3: give a share between 0 and 1, as in 0.03 for 3 points"),
    (("base", "--json", "--markdown"), "two forms of the same table"),
])  # fmt: skip
def test_what_makes_no_sense_is_one_line(
    project: Path, capsys: Captured, arguments: tuple[str, ...], reason: str
) -> None:
    evaluated(project, "base", *BASE)
    assert sera("compare", *arguments) == 2
    assert reason in capsys.readouterr().err


def test_a_file_that_is_no_report_is_named(project: Path, capsys: Captured) -> None:
    (project / "x.json").write_text("{}")
    assert sera("compare", "x.json") == 1
    assert f"{project / 'x.json'}: not the report of an evaluation" in capsys.readouterr().err
