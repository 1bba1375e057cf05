"""Mining real repositories, made with git in a temporary folder."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from sera_cli.errors import ConfigError, DataError
from sera_cli.git import open_repository, tracked
from sera_cli.svg.mine import Mined, mine, uncollected
from tests.conftest import ROOT

ADD = "def add(a, b=1):\n    '''Adds two numbers.'''\n    total = a + b\n    return total\n"


def commit(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    subprocess.run(["git", "init", "-q", folder], check=True)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@localhost"]
    subprocess.run(["git", *who, "-C", folder, "add", "-A"], check=True)
    subprocess.run(["git", *who, "-C", folder, "commit", "-qm", "work"], check=True)
    return folder


def mined(folder: Path, files: dict[str, str | bytes], *, seed: int = 0) -> Mined:
    return mine(open_repository(commit(folder, files)), seed=seed)


def many(count: int) -> str:
    return "\n".join(f"def f{number}(x):\n    return x + {number}\n" for number in range(count))


def test_a_function_is_described_as_committed(tmp_path: Path) -> None:
    kind = "class Sum:\n    @staticmethod\n    def run(x, y):\n        return add(x) * y\n"
    found = mined(tmp_path, {
        "pkg/__init__.py": "",
        "pkg/b.py": "from pkg.a import Sum\n\ndef use(x):\n    y = Sum().run(x)\n    return Sum.run(y, 1)\n",
        "pkg/a.py": f"import os\n\n{kind}\n{ADD}",
    })
    run, add, use = found.functions
    assert (run.path, run.name, run.line, run.end_line) == ("pkg/a.py", "Sum.run", 5, 6)
    assert (add.signature, add.doc) == ("def add(a, b=1)", "Adds two numbers.")
    assert (run.callers, run.callees) == (("pkg/b.py::use",), ("pkg/a.py::add",))
    assert (add.callers, add.callees) == (("pkg/a.py::Sum.run",), ())
    assert (use.callers, use.callees) == ((), ("pkg/a.py::Sum.run",))
    assert (found.files, found.skipped, found.unreadable) == (3, {}, ())


def test_the_working_tree_is_not_looked_at(tmp_path: Path) -> None:
    commit(tmp_path, {"a.py": ADD})
    (tmp_path / "a.py").write_text("changed")
    (tmp_path / "new.py").write_text(ADD)
    assert [function.name for function in mine(open_repository(tmp_path), seed=0).functions] == ["add"]


def test_an_id_survives_edits_elsewhere_and_changes_with_the_text_path_and_name(tmp_path: Path) -> None:
    def ids(name: str, files: dict[str, str | bytes]) -> list[str]:
        found = mined(tmp_path / name, files).functions
        return [function.id for function in found if function.name.endswith("add")]

    before = ids("one", {"a.py": ADD})
    assert ids("two", {"a.py": f"import os\n\n{ADD}\ndef other(x):\n    return x + 1\n", "b.py": "x = 1\n"}) == before
    assert before == ["02b854a2cf44"]
    others = [
        ids("three", {"a.py": ADD.replace("a + b", "a - b")}), ids("four", {"b.py": ADD}),
        ids("five", {"a.py": "class C:\n" + "".join(f"    {line}\n" for line in ADD.splitlines())}),
    ]
    assert all(len(other) == 1 for other in others)
    assert len({other[0] for other in [before, *others]}) == 4


def test_functions_of_one_name_in_a_file_do_not_collide(tmp_path: Path) -> None:
    setter = "    @x.setter\n    def x(self, value):\n        self._x = value + 1\n"
    found = mined(tmp_path, {"a.py": (
        "class C:\n    @property\n    def x(self):\n        return self._x + 1\n" + setter
        + f"if C:\n    def f(x): return x + 1\nelse:\n    def f(x): return x + 2\n{ADD}{ADD}"
    )})
    assert [function.name for function in found.functions] == ["C.x", "C.x", "f", "f", "add"]
    assert len({function.id for function in found.functions}) == 5
    assert found.skipped == {"same definition twice": 1}


def test_one_text_in_two_files_is_two_functions(tmp_path: Path) -> None:
    found = mined(tmp_path, {"b.py": ADD, "a.py": ADD})
    assert [function.path for function in found.functions] == ["a.py", "b.py"]
    assert len({function.id for function in found.functions}) == 2


def test_what_is_skipped_is_counted_by_reason_most_first(tmp_path: Path) -> None:
    found = mined(tmp_path, {
        "a.py": f"{ADD}def t(x): return x\ndef o(x):\n    def i(y): return y\n    return i(x) + 1\n",
        "tests/test_a.py": "def test_a():\n    def helper(): pass\n    assert helper() is None\n",
        "vendor/v.py": ADD,
        "app/migrations/0001_a.py": ADD,
    })
    assert [function.name for function in found.functions] == ["add", "o"]
    assert [*found.skipped.items()] == [
        ("test", 2), ("inside another function", 1), ("migration", 1), ("trivial body", 1), ("vendored", 1),
    ]


def test_what_cannot_be_read_is_named_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to("a.py")
    Path(bytes(tmp_path).decode() + "/caf\udce9.py").write_text(ADD)
    found = mined(tmp_path, {
        "a.py": ADD, "two.py": "print 'two'\n", "latin.py": b"x = '\xe9'\n", "huge.py": b"#" * 1_000_001,
        "empty.py": "", "not_python.txt": ADD,
    })
    assert found.unreadable == (
        ("caf\\xe9.py", "path is not UTF-8"),
        ("huge.py", "larger than 1,000,000 bytes"),
        ("latin.py", "not UTF-8, and names no encoding that Python knows"),
        ("link.py", "symlink"),
        ("two.py", "not the Python of this interpreter, line 1"),
    )
    assert (found.files, [function.path for function in found.functions]) == (7, ["a.py"])


def test_a_submodule_is_named(tmp_path: Path) -> None:
    commit(tmp_path, {"a.py": ADD})
    head = open_repository(tmp_path).commit
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-C", str(tmp_path)]
    subprocess.run([*git, "update-index", "--add", "--cacheinfo", f"160000,{head},lib/other"], check=True)
    subprocess.run([*git, "commit", "-qm", "module"], check=True)
    assert mine(open_repository(tmp_path), seed=0).unreadable == (("lib/other", "submodule"),)


@pytest.mark.parametrize(("count", "wanted"), [(1, 0), (2, 1), (29, 1), (30, 2), (100, 5), (110, 6)])
def test_five_in_a_hundred_are_held_out(tmp_path: Path, count: int, wanted: int) -> None:
    found = mined(tmp_path, {"a.py": many(count)})
    assert (len(found.functions), sum(function.heldout for function in found.functions)) == (count, wanted)


def test_more_may_be_held_out_and_whoever_was_before_still_is(tmp_path: Path) -> None:
    checkout = open_repository(commit(tmp_path, {"a.py": many(100)}))
    few, more = ({one.name for one in mine(checkout, seed=0, heldout=share).functions if one.heldout}
                 for share in (5, 20))
    assert (len(few), len(more), few < more) == (5, 20, True)


def test_who_is_held_out_depends_on_the_seed_and_little_else(tmp_path: Path) -> None:
    def heldout(name: str, text: str, seed: int) -> set[str]:
        found = mined(tmp_path / name, {"a.py": text}, seed=seed).functions
        return {function.name for function in found if function.heldout}

    first = heldout("one", many(60), 1)
    assert heldout("two", many(60), 1) == first
    assert heldout("three", many(60), 2) != first
    assert len(first & heldout("four", f"{many(60)}\n{ADD}", 1)) >= 2


def test_of_many_neighbours_the_first_twenty_by_name_are_kept(tmp_path: Path) -> None:
    users = "\n".join(f"def u{number:02}(x):\n    return add(x) + {number}\n" for number in range(30))
    found = mined(tmp_path, {"a.py": ADD + users})
    assert found.functions[0].callers == tuple(f"a.py::u{number:02}" for number in range(20))


def test_a_repository_without_code_is_an_error(tmp_path: Path) -> None:
    commit(tmp_path, {"readme.md": "words"})
    with pytest.raises(DataError, match=f"^{tmp_path}: no code that can be mined at commit [0-9a-f]{{12}}; name a"):
        mine(open_repository(tmp_path), seed=0)


def test_when_no_function_is_left_the_error_says_why(tmp_path: Path) -> None:
    commit(tmp_path, {"a.py": "def f(): pass\n", "tests/b.py": f"{ADD}\n{ADD}", "c.py": "print 'two'\n"})
    with pytest.raises(DataError, match=r" start from \(2 test, 1 trivial body, unreadable: 1, first c.py: .+\);"):
        mine(open_repository(tmp_path), seed=0)
    commit(tmp_path / "bare", {"a.py": "x = 1\n"})
    with pytest.raises(DataError, match=r"\(its files define none\); name a repository, or with --at a commit"):
        mine(open_repository(tmp_path / "bare"), seed=0)


def several(folder: Path, *versions: dict[str, str | bytes], seed: int = 0) -> tuple[Mined, list[str]]:
    """What is mined from one commit for each version, and those commits."""
    commits = [open_repository(commit(folder, files)).commit for files in versions]
    return mine(open_repository(folder), seed=seed, commits=commits), commits


def test_a_function_of_several_commits_is_one_and_begins_at_one_of_them(tmp_path: Path) -> None:
    other = many(8).replace("+", "-")
    found, commits = several(tmp_path, {"a.py": many(40), "b.py": other}, {"c.py": "x = 1\n"}, {"b.py": "y = 1\n"})
    assert len(found.functions) == 48
    at = {function.commit for function in found.functions if function.path == "a.py"}
    assert at == set(commits)
    assert {function.commit for function in found.functions if function.path == "b.py"} <= set(commits[:2])
    assert found.files == 3


def test_a_function_that_changed_is_two_and_each_is_described_at_its_own_commit(tmp_path: Path) -> None:
    use = "from a import add\n\ndef use(x):\n    y = add(x)\n    return y\n"
    found, (old, new) = several(
        tmp_path, {"a.py": ADD, "b.py": use}, {"a.py": "\n\n" + ADD.replace("a + b", "a - b"), "b.py": "x = 1\n"})
    assert [(one.name, one.line, one.commit, one.callers) for one in found.functions] == [
        ("add", 1, old, ("b.py::use",)), ("add", 3, new, ()), ("use", 3, old, ())]
    assert found.functions[0].id == "02b854a2cf44"


def test_all_versions_of_a_held_out_function_are_held_out(tmp_path: Path) -> None:
    found, _ = several(tmp_path, {"a.py": many(30)}, {"a.py": many(30).replace("+", "*")})
    names = [function.name for function in found.functions if function.heldout]
    assert len(names) in (4, 5, 6)
    assert {function.name for function in found.functions if not function.heldout}.isdisjoint(names)


def test_a_focus_keeps_what_lies_in_its_folders_and_files(tmp_path: Path) -> None:
    commit(tmp_path, {"src/pay/a.py": ADD, "src/payroll.py": ADD, "b.py": f"from src.pay.a import add\n{ADD}"})
    here = open_repository(tmp_path)

    def paths(*focus: str) -> list[str]:
        return [function.path for function in mine(here, seed=0, focus=focus).functions]

    assert paths("src/pay/") == ["src/pay/a.py"]
    assert paths("./src", "b.py") == ["b.py", "src/pay/a.py", "src/payroll.py"]
    assert paths(".") == paths() == ["b.py", "src/pay/a.py", "src/payroll.py"]
    with pytest.raises(ConfigError, match="no function lies in 'src/pa'; name folders or files"):
        paths("b.py", "src/pa")


def test_what_is_ignored_is_not_mined_and_is_no_caller(tmp_path: Path) -> None:
    found = mined(tmp_path, {
        ".seraignore": "secret/\n", "secret/b.py": "from a import add\n\ndef use(x):\n    y = add(x)\n    return y\n",
        "a.py": ADD,
    })  # fmt: skip
    assert [(function.name, function.callers) for function in found.functions] == [("add", ())]
    assert (found.files, found.skipped) == (2, {".seraignore": 1})


def test_a_secret_in_a_signature_or_a_docstring_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    text = "def enter(password='Tr0ub4dor-x3'):\n    'Enters with AKIAIOSFODNN7EXAMPLE.'\n    x = 1\n    return x\n"
    (function,) = mined(tmp_path / "repo", {"a.py": text}).functions
    assert "Tr0ub4dor" not in function.signature
    assert function.signature.startswith("def enter(password='[redacted:secret:")
    assert function.doc.startswith("Enters with [redacted:aws:")


def test_no_half_of_a_secret_is_told_where_a_text_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_HOME", str(tmp_path / "home"))
    long = ", ".join(f"argument_{number}=0" for number in range(10))
    secret = "AKIAIOSFODNN7EXAMPLE"
    text = f"def f({long}, {'a' * 38}=0, x='{secret}'):\n    '{'Says. ' * 31}{secret}.'\n    return x + 1\n"
    (function,) = mined(tmp_path / "repo", {"a.py": text}).functions
    assert (len(function.signature), len(function.doc)) == (200, 200)
    assert "AKIA" not in function.signature + function.doc


def test_the_collector_of_cycles_is_left_as_it_was_found(tmp_path: Path) -> None:
    assert (mined(tmp_path, {"a.py": ADD}).files, gc.isenabled()) == (1, True)
    gc.disable()
    try:
        assert (mine(open_repository(tmp_path), seed=0).files, gc.isenabled()) == (1, False)
    finally:
        gc.enable()


def test_what_was_found_is_not_gone_through_for_cycles_at_the_end() -> None:
    looked: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        looked.append(phase)

    gc.callbacks.append(note)
    try:
        with uncollected():
            held = [[number] for number in range(100_000)]
    finally:
        gc.callbacks.remove(note)
    assert (len(held), looked, gc.get_freeze_count(), gc.isenabled()) == (100_000, [], 0, True)


def test_links_that_go_in_circles_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    for name, target in (("pkg/up", ".."), ("self.py", "self.py"), ("one.py", "two.py"), ("two.py", "one.py")):
        (tmp_path / name).symlink_to(target)
    found = mined(tmp_path, {"pkg/a.py": ADD})
    assert [one.path for one in found.functions] == ["pkg/a.py"]
    assert found.unreadable == (("one.py", "symlink"), ("self.py", "symlink"), ("two.py", "symlink"))


def test_a_sparse_and_a_bare_repository_hold_what_the_commit_holds(tmp_path: Path) -> None:
    whole = mined(tmp_path / "whole", {"pkg/a.py": ADD, "web/b.js": "function f(a) { return a + 1 }\n", "c.txt": "c"})
    for name, options in (("sparse", ("--sparse",)), ("bare", ("--bare",))):
        subprocess.run(["git", "clone", "-q", *options, tmp_path / "whole", tmp_path / name], check=True)
        assert not (tmp_path / name / "pkg").exists()
        assert mine(open_repository(tmp_path / name), seed=0) == whole


def test_what_a_partial_clone_lacks_is_said_in_a_line(tmp_path: Path) -> None:
    commit(tmp_path / "whole", {f"{number}.py": ADD for number in range(3)})
    subprocess.run(["git", "-C", tmp_path / "whole", "config", "uploadpack.allowFilter", "true"], check=True)
    clone = ["git", "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{tmp_path}/whole"]
    subprocess.run([*clone, tmp_path / "part"], check=True)
    with pytest.raises(DataError, match="some of its objects cannot be read; if it is a partial clone, clone it"):
        mine(open_repository(tmp_path / "part"), seed=0)


def test_what_a_damaged_repository_lacks_is_said_in_a_line_whoever_reads(tmp_path: Path) -> None:
    here = open_repository(commit(tmp_path, {f"{number}.py": many(number) for number in range(1, 5)}))
    blob = tracked(here)[2].blob
    (tmp_path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for processes in (0, 2):
        with pytest.raises(DataError, match="some of its objects cannot be read"):
            mine(here, seed=0, processes=processes)


PEAK = """
import sys
from pathlib import Path
from sera_cli.git import open_repository
from sera_cli.svg.mine import mine
found = mine(open_repository(Path(sys.argv[1])), seed=0)
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
print([one.path for one in found.functions], found.unreadable, peak)
"""


def test_a_file_of_200_megabytes_is_named_and_never_held(tmp_path: Path) -> None:
    with (tmp_path / "huge.js").open("wb") as file:
        file.writelines([b"function f(a) { return a ? 1 : 2; }\n" * 56_000] * 100)
    assert (tmp_path / "huge.js").stat().st_size == 201_600_000
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "config", "core.compression", "1"], check=True)
    commit(tmp_path, {"a.py": ADD})
    (tmp_path / "huge.js").unlink()
    told = subprocess.run([sys.executable, "-c", PEAK, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    found, _, peak = told.stdout.rpartition(" ")
    assert found == "['a.py'] (('huge.js', 'larger than 1,000,000 bytes'),)"
    assert int(peak) < 100_000, "kB, half of what the file holds"
