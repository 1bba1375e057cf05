import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from sera_cli.errors import DataError, SandboxError
from sera_cli.evaluate.bases import KEPT, Bases, Standing
from sera_cli.harness.sandbox import choose


def making(made: list[Path]) -> Callable[[Path], None]:
    def make(part: Path) -> None:
        made.append(part)
        part.mkdir()

    return make


def test_a_checkout_is_made_once_for_all_who_want_it(tmp_path: Path) -> None:
    bases, made, together = Bases(tmp_path), list[Path](), Barrier(4)

    def hold(_: int) -> Path:
        together.wait()
        with bases.held("a", making(made)) as base:
            return base

    with ThreadPoolExecutor(4) as pool:
        assert len({*pool.map(hold, range(4))}) == len(made) == 1


def test_a_few_are_kept_that_nobody_uses_and_none_goes_that_somebody_does(tmp_path: Path) -> None:
    bases = Bases(tmp_path)
    with bases.held("used", making([])) as used:
        for number in range(KEPT + 2):
            with bases.held(str(number), making([])) as base:
                pass
        assert sorted(path.name for path in base.parent.glob("?*") if path.is_dir()) == [*"234567", "used"]
    assert used.exists()


def test_one_that_could_not_be_made_is_begun_again(tmp_path: Path) -> None:
    def broken(part: Path) -> None:
        part.mkdir()
        raise DataError("no")

    bases = Bases(tmp_path)
    with pytest.raises(DataError), bases.held("a", broken):
        pass
    with bases.held("a", making([])) as base:
        assert base.is_dir()


def test_they_go_with_what_made_them(tmp_path: Path) -> None:
    bases = Bases(tmp_path)
    with bases.held("a", making([])):
        pass
    del bases
    gc.collect()
    assert [*tmp_path.iterdir()] == []


def test_a_sandbox_stands_on_one_as_long_as_it_is_open(tmp_path: Path, repository: Callable[..., Path]) -> None:
    base = repository({"a.txt": "one\n"})
    bases = Bases(tmp_path / "bases")
    with Standing(lambda: bases.held("a", base.rename), choose("folder")) as sandbox:
        sandbox.write("/testbed/a.txt", "two\n")
        assert (sandbox.run("cat a.txt", 20).output, sandbox.read("/testbed/a.txt")) == ("two\n", "two\n")
        assert "+two" in sandbox.diff()


def test_a_clone_that_cannot_be_read_is_a_sandbox_that_cannot_be_had(tmp_path: Path) -> None:
    def broken(_: Path) -> None:
        raise DataError("some of its objects cannot be read")

    bases = Bases(tmp_path)
    with pytest.raises(SandboxError, match="some of its objects"):
        Standing(lambda: bases.held("a", broken), choose("folder")).__enter__()
