import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from sera_cli import store
from sera_cli.errors import DataError
from sera_cli.types import Task, Verdict


def item(name: str) -> Task:
    return Task(id=name, repo="r", commit="c", statement="", source=name)


def verdict(name: str, attempt: int = 1, matched: int = 0) -> Verdict:
    return Verdict(id=name, recall=None, matched=matched, target=0, attempt=attempt)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def grown(path: Path, names: str, pool: ThreadPoolExecutor, **options: bool) -> tuple[list[str], list[str]]:
    """What was yielded, in order, and what was worked on."""
    worked: list[str] = []

    def work(task: Task, attempt: int) -> Verdict:
        worked.append(task.id)
        return verdict(task.id, attempt)

    yielded = [task.id for task, _ in store.grow(path, Verdict, map(item, names), work, pool, **options)]
    return yielded, sorted(worked)


def test_what_a_file_holds_is_not_done_again(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path = tmp_path / "5-verdicts.jsonl"
    assert grown(path, "ab", pool) == (["a", "b"], ["a", "b"])
    assert grown(path, "abc", pool) == (["a", "b", "c"], ["c"])
    assert sorted(store.read(path, Verdict)) == ["a", "b", "c"]


def test_records_come_in_the_order_of_the_work_whatever_finishes_first(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    path = tmp_path / "v.jsonl"

    def work(task: Task, attempt: int) -> Verdict:
        while task.id == "a" and "b" not in store.read(path, Verdict):
            time.sleep(0.001)
        return verdict(task.id)

    assert [task.id for task, _ in store.grow(path, Verdict, map(item, "abc"), work, pool)] == ["a", "b", "c"]
    assert next(iter(store.read(path, Verdict))) != "a"


def test_a_record_is_on_disk_before_it_is_yielded(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path = tmp_path / "v.jsonl"
    for task, _ in store.grow(path, Verdict, map(item, "abcdef"), lambda task, n: verdict(task.id), pool):
        assert task.id in store.read(path, Verdict)


def test_an_id_that_comes_twice_is_worked_on_once(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    assert grown(tmp_path / "v.jsonl", "aba", pool) == (["a", "b"], ["a", "b"])


def test_a_torn_line_is_work_still_owed(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path = tmp_path / "v.jsonl"
    grown(path, "abc", pool)
    path.write_bytes(path.read_bytes()[:-7])
    torn = [name for name in "abc" if name not in store.read(path, Verdict)]
    assert len(torn) == 1
    assert grown(path, "abc", pool) == (["a", "b", "c"], torn)
    assert len(path.read_bytes().splitlines()) == 4


def test_a_torn_line_longer_than_one_look_at_the_end_is_cut_off_whole(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "v.jsonl"
    grown(path, "ab", pool)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "c' + b"c" * 50)
    monkeypatch.setattr(store, "TAIL", 7)
    assert grown(path, "ab", pool)[1] == []
    assert path.read_bytes() == whole


def test_what_no_longer_fits_its_item_is_made_again_as_the_next_attempt(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    path = tmp_path / "v.jsonl"
    grown(path, "ab", pool)
    again = store.grow(
        path, Verdict, map(item, "ab"), lambda task, attempt: verdict(task.id, attempt, matched=1), pool,
        fits=lambda task, made: task.id != "b" or made.matched == 1,
    )  # fmt: skip
    assert [(made.attempt, made.matched) for _, made in again] == [(1, 0), (2, 1)]
    assert len(path.read_bytes().splitlines()) == 4


def test_records_are_found_in_an_order_of_ones_own_the_last_of_an_id_alone(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    store.write(path, Verdict, [verdict("a"), verdict("b"), verdict("a", 2), verdict("c")])
    assert [(one.id, one.attempt) for one in store.ordered(path, Verdict, "cxa")] == [("c", 1), ("a", 2)]
    seen: list[str] = []
    assert sorted(store.index(path, Verdict, lambda one: seen.append(one.id))) == ["a", "b", "c"]
    assert seen == ["a", "b", "a", "c"]
    assert list(store.ordered(tmp_path / "none.jsonl", Verdict, "a")) == []


def test_a_file_that_threads_share_gives_what_it_holds_and_makes_what_it_lacks_once(tmp_path: Path) -> None:
    path, made = tmp_path / "verdicts.jsonl", list[str]()

    def work(task: Task, attempt: int) -> Verdict:
        made.append(task.id)
        return verdict(task.id, attempt)

    kept = store.Kept(path, Verdict)
    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(lambda one: kept.at(kept.place(one, work)), map(item, "abcd")))
    assert [one.id for one in first] == list("abcd")
    again = store.Kept(path, Verdict)
    assert [again.at(again.place(one, work)).id for one in map(item, "dcba")] == list("dcba")
    assert sorted(made) == list("abcd")


def test_a_torn_header_is_a_new_file(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path = tmp_path / "v.jsonl"
    path.write_bytes(b'{"sera": 1, "ki')
    assert grown(path, "a", pool) == (["a"], ["a"])


def test_line_separators_inside_a_string_do_not_split_a_record(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    odd = item("a").model_copy(update={"statement": "one\u2028two\u0085three\x0bfour"})
    store.write(path, Task, [odd])
    assert store.read(path, Task)["a"].statement == "one\u2028two\u0085three\x0bfour"


def test_failed_work_is_done_again_only_when_asked_as_the_next_attempt(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    path = tmp_path / "t.jsonl"

    def fail(task: Task, attempt: int) -> Task:
        return task.model_copy(update={"error": "no answer", "attempt": attempt})

    def succeed(task: Task, attempt: int) -> Task:
        return task.model_copy(update={"attempt": attempt})

    list(store.grow(path, Task, map(item, "a"), fail, pool))
    assert [made.failed for _, made in store.grow(path, Task, map(item, "a"), succeed, pool)] == [True]
    again = list(store.grow(path, Task, map(item, "a"), succeed, pool, retry_failed=True))
    assert [(made.failed, made.attempt) for _, made in again] == [(False, 2)]
    assert store.read(path, Task)["a"].attempt == 2


def test_work_that_raises_ends_the_growth_and_keeps_the_rest(tmp_path: Path) -> None:
    def work(task: Task, attempt: int) -> Verdict:
        if task.id == "c":
            raise DataError("stop here")
        return verdict(task.id)

    path = tmp_path / "v.jsonl"
    with ThreadPoolExecutor(1) as pool, pytest.raises(DataError, match="stop here"):
        list(store.grow(path, Verdict, map(item, "abcdefgh"), work, pool))
    assert {"a", "b"} <= set(store.read(path, Verdict))
    assert "c" not in store.read(path, Verdict)


def test_chained_growth_streams_instead_of_waiting_for_the_stage_before(tmp_path: Path) -> None:
    made: list[str] = []

    def first(task: Task, attempt: int) -> Verdict:
        made.append("1" + task.id)
        time.sleep(0.01)
        return verdict(task.id)

    def second(task: Task, attempt: int) -> Verdict:
        made.append("2" + task.id)
        return verdict(task.id)

    with ThreadPoolExecutor(1) as pool:
        upstream = (
            task for task, _ in store.grow(tmp_path / "1", Verdict, map(item, "abcdefgh"), first, pool, ahead=2)
        )
        list(store.grow(tmp_path / "2", Verdict, upstream, second, pool, ahead=2))
    assert made.index("2a") < made.index("1h")


def test_a_pool_that_stages_share_is_not_filled_by_the_first_of_them(tmp_path: Path) -> None:
    made: list[str] = []

    def work(name: str) -> Callable[[Task, int], Verdict]:
        def done(task: Task, attempt: int) -> Verdict:
            made.append(name + task.id)
            time.sleep(0.005)
            return verdict(task.id)

        return done

    with ThreadPoolExecutor(1) as pool:
        upstream = (task for task, _ in store.grow(
            tmp_path / "1", Verdict, map(item, "abcdefghijklmnop"), work("1"), pool, queued=2))  # fmt: skip
        list(store.grow(tmp_path / "2", Verdict, upstream, work("2"), pool, queued=2))
    assert made.index("2a") <= 5
    assert len(made) == 32


def test_one_slow_piece_of_work_holds_up_nothing_but_its_own_turn(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    path, go = tmp_path / "v.jsonl", Event()

    def work(task: Task, attempt: int) -> Verdict:
        if task.id == "a":
            assert go.wait(30)
        if task.id == "t":
            go.set()
        return verdict(task.id)

    letters = "abcdefghijklmnopqrst"
    grown = store.grow(path, Verdict, map(item, letters), work, pool, queued=4)
    assert [task.id for task, _ in grown] == list(letters)


def test_a_line_that_is_no_record_is_named_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    store.write(path, Verdict, [verdict("a")])
    path.write_bytes(path.read_bytes() + b'{"id": "b"}\n')
    with pytest.raises(DataError, match=r"v\.jsonl:3: not a Verdict \(recall: Field required\); remove this line"):
        store.read(path, Verdict)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"hello\n", "does not begin with the header"),
        (b'{"sera": 99, "kind": "Verdict"}\n', "schema 99; this sera reads schema 1"),
        (b'{"sera": 1, "kind": "Task"}\n', "holds Task records, not Verdict"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, first: bytes, said: str) -> None:
    path = tmp_path / "v.jsonl"
    path.write_bytes(first)
    with pytest.raises(DataError, match=said):
        store.read(path, Verdict)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    store.write(path, Verdict, [verdict("a", matched=1)], {"skipped": {"test": 3}})
    assert store.about(path, Verdict) == {"skipped": {"test": 3}}
    assert json.loads(path.read_text().splitlines()[0])["sera"] == store.SCHEMA

    def broken() -> Iterator[Verdict]:
        yield verdict("b")
        raise DataError("no more")

    with pytest.raises(DataError):
        store.write(path, Verdict, broken())
    assert list(store.read(path, Verdict)) == ["a"]
    assert list(tmp_path.iterdir()) == [path]


def test_content_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("torn")

    for before in ([], ["whole"]):
        with pytest.raises(ValueError, match="torn"):
            store.replace(path, broken())
        assert [file.read_text() for file in tmp_path.iterdir()] == before
        store.replace(path, [b"who", b"le"])


@pytest.mark.parametrize("letters", [3_000, 30_000])
def test_a_record_that_no_longer_fits_on_the_disk_leaves_no_trace(
    tmp_path: Path, pool: ThreadPoolExecutor, letters: int
) -> None:
    path = tmp_path / "t.jsonl"
    grown(path, "a", pool)
    before, most = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 2 * letters // 3, most[1]))
        with pytest.raises(DataError, match="File too large; what was written before is kept"):
            list(store.grow(path, Verdict, [item("b" * letters)], lambda one, _: verdict(one.id), pool))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
        signal.signal(signal.SIGXFSZ, old)
    assert path.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_that_names_the_file() -> None:
    with (
        pytest.raises(DataError, match="/dev/full: No space left on device; what was written before is kept"),
        store._writing(Path("/dev/full")),
        Path("/dev/full").open("wb") as file,
    ):
        file.write(b"x" * 9000)
        file.flush()
