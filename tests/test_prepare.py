import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sera_cli import store
from sera_cli.errors import ConfigError, DataError
from sera_cli.harness.wire.family import Wire
from sera_cli.types import Sample, Trajectory, Verdict
from tests.harvests import (
    firsts,
    general,
    held,
    letters,
    origins,
    rollout,
    rollout_of,
    run,
    seconds,
    trained,
    verdicts,
    written,
)

PATCH = "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x\n+y\n"


def test_everything_dropped_is_counted_under_its_origin_and_reason() -> None:
    one = [*firsts(9), rollout("x", "fx", exit="limit"), rollout("y", "fy", patch="+first0\n")]
    two = seconds(4)
    low = {**verdicts(two), "second3": Verdict(id="second3", recall=0.25, matched=1, target=4)}
    made = run(one, two, 8, judged=low)
    assert made.dropped == {
        "first: duplicate patch": 1, "first: not submitted": 1, "second: recall below threshold": 1,
        "first: not needed": 2,
    }  # fmt: skip


def test_rollouts_of_which_no_step_fits_are_replaced_and_counted() -> None:
    long = rollout("long", "g", prompt=({"role": "user", "content": "x" * 5000},))
    made = run([long, *firsts(8)], seconds(4), 8, context=1000)
    assert "long" not in trained(made)
    assert len(trained(made)) == 8
    assert made.dropped == {"first: no step fits": 1, "first: not needed": 1, "second: not needed": 1}


def test_rollouts_that_could_teach_and_were_not_needed_are_counted() -> None:
    assert run(firsts(8), seconds(4), 8).unneeded == 2
    assert run(firsts(6), seconds(2), 40).unneeded == 0


def test_what_no_file_can_hold_of_general_data_becomes_a_question_mark(tmp_path: Path) -> None:
    path = tmp_path / "g\udcff.jsonl"
    talk = [{"role": "user", "content": "why \ud800"}, {"role": "assistant", "content": "so"}]
    path.write_text(json.dumps({"messages": talk, "func_name": "f\ud800", "func_path": "a\udfff.py"}) + "\n")
    run(firsts(3), [], 1, alpha=0.5, general=str(path), out=tmp_path / "out.jsonl")
    [made] = [one for one in store.scan(tmp_path / "out.jsonl", Sample) if one.origin == "general"]
    assert (made.source, made.function, made.messages[0]["content"]) == ("g?.jsonl", "a?.py::f?", "why ?")
    assert store.about(tmp_path / "out.jsonl", Sample)["sources"] == ["g?.jsonl"]


def test_the_two_samples_of_one_function_have_ids_of_their_own() -> None:
    first = firsts(4)
    again = [one.model_copy(update={"check": None}) for one in first]
    made = run(first, again, 8)
    assert len({sample.id for sample in made.samples}) == len(made.samples) == 8


def test_nothing_to_learn_from_is_one_line_with_the_reasons_and_what_to_do_about_the_greatest(tmp_path: Path) -> None:
    one = [rollout("x", "fx", exit="limit"), rollout("y", "fy", check=False), rollout("z", "fz", exit="context")]
    with pytest.raises(DataError) as caught:
        run(one, [], 8, out=tmp_path / "s.jsonl")
    assert str(caught.value) == (
        "no samples to train on (1 first: failed self-check, 2 first: not submitted); "
        "generate more, or allow more: 2 were dropped as not submitted, see --auto-submitted"
    )
    with pytest.raises(DataError, match=r"no samples to train on \(no rollouts\); generate more$"):
        run([], [], 8)
    assert list(tmp_path.iterdir()) == []


def test_too_few_samples_come_with_the_filter_that_took_the_most(tmp_path: Path) -> None:
    two = seconds(4)
    one = [*firsts(2), rollout("x", "fx", exit="limit"), *(rollout(n, n, check=False) for n in "abcdefg")]
    made = run(one, two, 8, judged=verdicts(two, 0.25))
    assert made.notes == (
        "2 of the 8 samples wanted: no more rollouts may teach",
        "1 sample wanted for training is held out: no others are left to measure with",
        "4 were dropped as recall below threshold, see --threshold",
    )
    assert len(run(firsts(8), two, 8, judged=verdicts(two, 0.25)).notes) == 2
    path = str(general(tmp_path / "g.jsonl", 8))
    assert run(one, two, 8, judged=verdicts(two, 0.25), alpha=0.0, general=path).notes == ()


def test_a_context_shorter_than_every_first_step_is_told_with_the_tokens_it_takes() -> None:
    made = [rollout("a", "f", steps=3, size=400), rollout("b", "g", steps=3, size=300)]
    takes = letters(made[1], 3)
    with pytest.raises(DataError) as caught:
        run(made, [], 8, context=takes - 1)
    assert str(caught.value) == (
        f"no samples to train on (2 first: no step fits): a first step takes {takes} tokens at least, and the context "
        f"is {takes - 1}; raise student.context, or take a student that reads more"
    )
    assert trained(run(made, [], 8, context=takes, select={"ratio": 0.0})) == ["b"]


def test_alpha_below_one_needs_general_data() -> None:
    with pytest.raises(ConfigError, match=r"alpha 0\.5 mixes in general data; name a file or a dataset with --general"):
        run(firsts(8), seconds(4), 8, alpha=0.5)


def test_a_mixture_of_which_one_side_is_empty_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "user", "content": "?"}, {
        "role": "assistant", "content": "x" * 20_000}]}))
    for alpha in (0.0, 0.5):
        with pytest.raises(DataError) as caught:
            run(firsts(8), seconds(4), 8, alpha=alpha, general=str(path), out=tmp_path / "s.jsonl")
        assert str(caught.value) == (
            f"no samples to train on: alpha {alpha:g} takes general data, and none of them are left "
            "(1 general: no step fits); name more with --general"
        )
        assert [file.name for file in tmp_path.iterdir()] == ["g.jsonl"]


def test_half_a_row_of_general_data_is_one_line_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    path, out = general(tmp_path / "g.jsonl", 9), tmp_path / "s.jsonl"
    run(firsts(8), seconds(4), 8, out=out)
    before = out.read_bytes()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"g\.jsonl:9: not a row of chat messages \(not JSON: "):
        run(firsts(8), seconds(4), 8, alpha=0.5, general=str(path), out=out)
    assert out.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"g.jsonl", "s.jsonl"}


def test_alpha_counts_training_samples_only(tmp_path: Path) -> None:
    made = run(firsts(8), seconds(4), 8, alpha=0.5, general=str(general(tmp_path / "g.jsonl", 50)))
    assert origins(made.samples) == {"first": 5, "general": 8, "second": 3}
    assert held(made) == ["first5", "first6"]


def test_general_rows_that_bring_no_tools_are_shown_those_of_the_rollouts(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "submit", "description": "Of this run.", "parameters": {}}}
    call = {"id": "c", "type": "function", "function": {"name": "submit", "arguments": "{}"}}
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    path, out = tmp_path / "g.jsonl", tmp_path / "s.jsonl"
    path.write_text(json.dumps({"messages": talk}), encoding="utf-8")
    run([rollout("a", "f", tools=(tool,))], [], 1, alpha=0.5, general=str(path), out=out)
    (other,) = (sample for sample in written(out) if sample.origin == "general")
    assert '"description": "Of this run."' in other.messages[0]["content"]


def test_without_a_rollout_to_take_them_from_the_tools_are_ours(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    path, out = tmp_path / "g.jsonl", tmp_path / "s.jsonl"
    path.write_text(json.dumps({"messages": talk}), encoding="utf-8")
    run([], [], 1, alpha=0.0, general=str(path), out=out)
    assert '"name": "str_replace_editor"' in written(out)[0].messages[0]["content"]


def test_short_general_data_shrink_the_repository_s_part_and_it_is_said_and_counted(tmp_path: Path) -> None:
    made = run(firsts(8), seconds(4), 8, alpha=0.5, general=str(general(tmp_path / "g.jsonl", 4)))
    counted = origins(made.samples)
    assert counted == {"first": 2, "general": 4, "second": 2}
    assert made.notes[0].startswith("8 general samples are needed for alpha 0.5 and 4 are there")
    assert made.dropped["first: left out for alpha"] + made.dropped["second: left out for alpha"] == 4


def test_what_is_short_is_repeated_as_often_as_it_may_be(tmp_path: Path) -> None:
    out, path = tmp_path / "s.jsonl", str(general(tmp_path / "g.jsonl", 4))
    made = run(firsts(8), seconds(4), 8, alpha=0.5, general=path, repeats=2, out=out)
    assert origins(made.samples) == {"first": 5, "general": 8, "second": 3}
    assert made.notes == ("the 4 general samples are repeated to make 8, each 2 times at most",)
    copies = [sample for sample in written(out) if sample.id.endswith("~2")]
    firsts_ = {sample.id: sample.messages for sample in written(out)}
    assert len(copies) == 4
    assert all(copy.messages == firsts_[copy.id.removesuffix("~2")] for copy in copies)


def test_general_rows_that_ask_what_the_repository_asks_are_dropped(tmp_path: Path) -> None:
    second = rollout("s", "f", statement="the cart forgets what is in it when two people pay")
    said = f"Look here. <issue>{second.task.statement.upper()}</issue> Thanks."
    path = general(tmp_path / "g.jsonl", 2)
    row = {"messages": [{"role": "user", "content": said}, {"role": "assistant", "content": "Yes."}]}
    path.write_text(json.dumps(row) + "\n" + path.read_text())
    made = run([], [second, *seconds(2)], 3, alpha=0.5, general=str(path))
    assert made.dropped.get("general: near-duplicate prompt", 0) <= 1
    assert not any("general" in sample.id for sample in made.samples)


def test_turns_that_no_text_holds_are_told_and_those_marked_as_history_are_not(tmp_path: Path) -> None:
    talk = [
        {"role": "user", "content": "?"}, {"role": "assistant", "content": "Hm.", "train": False},
        {"role": "assistant", "content": "It is </think> that ends it."}, {"role": "assistant", "content": "Yes."},
    ]
    path, out = tmp_path / "g.jsonl", tmp_path / "s.jsonl"
    path.write_text(json.dumps({"messages": talk}), encoding="utf-8")
    made = run([], [], 1, alpha=0.0, general=str(path), out=out)
    assert made.notes == ("1 of 3 assistant turns are not trained on: qwen3 would read their text as something else",)
    assert [one["train"] for one in written(out)[0].messages] == [False, False, False, True]


def test_the_header_tells_how_the_samples_were_made(tmp_path: Path) -> None:
    out, path = tmp_path / "s.jsonl", general(tmp_path / "g.jsonl", 50)
    wire = Wire(family="qwen2.5", thinking="empty")
    made = run(firsts(8), seconds(4), 8, alpha=0.5, general=str(path), order="ratio", out=out, spoken=wire, base="b")
    assert store.about(out, Sample) == {
        "dropped": {"first: not needed": 1, "second: not needed": 1}, "notes": [],
        "wire": {"family": "qwen2.5", "thinking": "empty"}, "tokenizer": "b", "context": 10_000, "order": "ratio",
        "alpha": 0.5, "sources": ["g.jsonl"],
    }  # fmt: skip
    assert tuple(one.model_copy(update={"messages": ()}) for one in written(out)) == made.samples
    assert all(sample.messages for sample in written(out))
    assert {path.name for path in tmp_path.iterdir()} == {"s.jsonl", "g.jsonl"}


def test_what_is_known_of_a_sample_goes_with_it(tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl"
    run([rollout("a", "f", steps=2, size=7, patch=PATCH)], [], 1, out=out)
    (sample,) = written(out)
    assert (sample.id, sample.function, sample.lines, sample.source) == ("a-first", "a.py::f", 2, "")
    assert 0 < sample.trained < sample.tokens == letters(rollout("a", "f", steps=2, size=7))
    assert sample.output is not None


@pytest.mark.parametrize(("alpha", "parts"), [
    (0.0, (0, 0, 100)), (0.25, (62, 38, 300)), (0.5, (62, 38, 100)), (0.75, (62, 38, 33)), (1.0, (62, 38, 0)),
])
def test_alpha_is_exact_the_bytes_are_the_same_twice_and_in_whatever_order_the_input_comes(
    tmp_path: Path, alpha: float, parts: tuple[int, int, int]
) -> None:
    explored, reproduced = firsts(80), seconds(50)
    rows = general(tmp_path / "g.jsonl", 1000).read_bytes().splitlines(keepends=True)
    files: list[bytes] = []
    for seed in (None, None, 1, 2):
        if seed is not None:
            Random(seed).shuffle(rows)
            (tmp_path / "g.jsonl").write_bytes(b"".join(rows))
        out = tmp_path / "s.jsonl"
        one, two, judged = _from_files(tmp_path, explored, reproduced, seed)
        made = run(one, two, 100, judged=judged, alpha=alpha, general=str(tmp_path / "g.jsonl"), out=out)
        counted = origins(made.samples)
        assert tuple(counted.get(origin, 0) for origin in ("first", "second", "general")) == parts
        files.append(out.read_bytes())
    assert len(set(files)) == 1


def _from_files(
    folder: Path, explored: list[Trajectory], reproduced: list[Trajectory], seed: int | None
) -> tuple[list[Trajectory], list[Trajectory], dict[str, Verdict]]:
    """What is read of a run's files whose lines stand in an order drawn by seed, in work order."""
    judged = list(verdicts(reproduced).values())
    shuffled = [list(explored), list(reproduced)]
    if seed is not None:
        for records in (*shuffled, judged):
            Random(seed).shuffle(records)  # type: ignore[arg-type]
    one, two, three = (folder / name for name in ("2.jsonl", "4.jsonl", "5.jsonl"))
    store.write(one, Trajectory, shuffled[0])
    store.write(two, Trajectory, shuffled[1])
    store.write(three, Verdict, judged)
    work = [record.id for record in (*explored, *reproduced)]
    return (
        list(store.ordered(one, Trajectory, work)), list(store.ordered(two, Trajectory, work)),
        store.read(three, Verdict),
    )


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(0, 8), st.integers(1, 10), st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0]),
       st.integers(1, 3), st.integers(0, 9))
def test_alpha_is_kept_or_said_to_be_kept_by_fewer(
    one: int, two: int, samples: int, alpha: float, repeats: int, seed: int
) -> None:
    with TemporaryDirectory() as folder:
        path = str(general(Path(folder) / "g.jsonl", 7))
        made = run(firsts(one), seconds(two), samples, alpha=alpha, general=path, repeats=repeats, seed=seed)
    counted = origins(made.samples)
    others = counted.get("general", 0)
    own = sum(counted.values()) - others
    assert abs(own - alpha * (own + others)) <= 1
    assert own <= samples
    if own < samples and alpha:
        assert made.notes
    every = [sample.id for sample in made.samples]
    assert len(every) == len(set(every))
    assert all(every.count(f"{rollout_of(sample)}~{repeats + 1}") == 0 for sample in made.samples)


def test_another_seed_is_another_order(tmp_path: Path) -> None:
    path = str(general(tmp_path / "g.jsonl", 50))
    made = [run(firsts(8), seconds(4), 8, alpha=0.5, general=path, seed=seed) for seed in (3, 3, 4)]
    assert made[0] == made[1]
    assert made[0].samples != made[2].samples


def test_by_ratio_the_file_begins_with_what_fits_whole(tmp_path: Path) -> None:
    long = [rollout(f"l{n}", f"g{n}", steps=40 + n, size=100) for n in range(4)]
    made = run([*long, *firsts(6)], [], 8, context=letters(long[0], 1 + 2 * 39), order="ratio")
    ratios = [sample.ratio for sample in made.samples if not sample.heldout]
    assert ratios == [1, 1, 1, 1, 1, 1, 39 / 40, 39 / 41]


def test_a_spool_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / ".s.jsonl.spool.part"
    left.write_bytes(b"half a li")
    run(firsts(8), seconds(4), 8, out=tmp_path / "s.jsonl")
    assert not left.exists()
    assert len(written(tmp_path / "s.jsonl")) == 10


def test_what_lies_on_disk_meanwhile_has_the_name_by_which_sera_clean_finds_it(tmp_path: Path) -> None:
    seen = set[str]()

    def watched() -> Iterator[Trajectory]:
        for made in firsts(8):
            seen.update(file.name for file in tmp_path.iterdir())
            yield made

    run(watched(), seconds(4), 8, out=tmp_path / "s.jsonl")
    assert seen == {".s.jsonl.spool.part"}
