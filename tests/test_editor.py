import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from sera_cli.harness.editor import Editor
from sera_cli.harness.sandbox import Sandbox
from sera_cli.harness.sandbox.folder import FolderSandbox

SHOP = dedent("""\
    import math

    def price(item):
        total = item.net
        return total

    def tax(item):
        total = item.net
        return total * 0.2
""")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("base")
    (root / "src" / "deep" / "deeper").mkdir(parents=True)
    (root / "src" / "deep" / "deeper" / "x.py").touch()
    (root / "src" / ".hidden").touch()
    (root / "src" / "shop.py").write_text(SHOP)
    (root / "empty").touch()
    (root / "Makefile").write_bytes(b"all:\n\techo 1\n\techo 2\n")
    (root / "dos.py").write_bytes(b"a = 1\r\nb = 2\r\nc = 3\r\n")
    (root / "mixed.py").write_bytes(b"a = 1\r\nb = 2\nc = 3")
    (root / "image").write_bytes(b"\x89PNG\0")
    command = "git init -q --template= . && git add -A && git -c user.name=a -c user.email=a@b commit -q -m x"
    subprocess.run(["bash", "-c", command], cwd=root, check=True, capture_output=True)
    return root


@pytest.fixture
def sandbox(base: Path) -> Iterator[Sandbox]:
    with FolderSandbox(base) as made:
        yield made


@pytest.fixture
def edit(sandbox: Sandbox) -> Editor:
    return Editor(sandbox)


def test_a_view_numbers_lines_as_cat_does(edit: Editor) -> None:
    assert edit("view", "/testbed/Makefile") == (
        "Here are lines 1 to 3 of /testbed/Makefile, which has 3:\n     1\tall:\n     2\t\techo 1\n     3\t\techo 2"
    )


def test_a_view_range_ends_where_it_says_or_at_the_end(edit: Editor) -> None:
    assert edit("view", "/testbed/src/shop.py", view_range=[3, 4]) == (
        "Here are lines 3 to 4 of /testbed/src/shop.py, which has 9:\n"
        "     3\tdef price(item):\n     4\t    total = item.net"
    )
    assert edit("view", "/testbed/src/shop.py", view_range=[9, -1]).endswith(":\n     9\t    return total * 0.2")


@pytest.mark.parametrize("span", [[0, 3], [10, -1], [3, 2], [1, 10], [5, -2]])
def test_a_view_range_outside_the_file_names_its_lines(edit: Editor, span: list[int]) -> None:
    shown = edit("view", "/testbed/src/shop.py", view_range=span)
    assert shown == f"Invalid `view_range` {span}: /testbed/src/shop.py has lines 1 to 9."


def test_a_directory_is_listed_two_levels_deep_without_what_is_hidden(edit: Editor) -> None:
    assert edit("view", "/testbed") == (
        "Files and directories in /testbed, two levels deep, without hidden ones:\n"
        "/testbed/Makefile\n/testbed/dos.py\n/testbed/empty\n/testbed/image\n/testbed/mixed.py\n"
        "/testbed/src\n/testbed/src/deep\n/testbed/src/shop.py"
    )
    inner = edit("view", "/testbed/src/deep/")
    assert inner.endswith("hidden ones:\n/testbed/src/deep/deeper\n/testbed/src/deep/deeper/x.py")
    assert edit("view", "/testbed/src", view_range=[1, 2]) == "/testbed/src is a directory: `view_range` is for files."


def test_an_empty_file_a_missing_one_and_a_binary_one_are_told_apart(edit: Editor) -> None:
    assert edit("view", "/testbed/empty") == "The file /testbed/empty is empty."
    assert edit("view", "/testbed/absent") == "The path /testbed/absent does not exist."
    assert edit("view", "/testbed/image").startswith("/testbed/image cannot be read: it is binary")


def test_a_relative_path_is_refused_with_a_suggestion(edit: Editor) -> None:
    assert edit("view", "./src/shop.py") == "The path ./src/shop.py is not absolute. Did you mean /testbed/src/shop.py?"


def test_a_long_file_is_cut_at_16000_characters(edit: Editor, sandbox: Sandbox) -> None:
    sandbox.write("/testbed/long", "123456789\n" * 2000)
    shown = edit("view", "/testbed/long").split("\n")
    assert shown[1600] == "  1600\t123456789"
    assert "<response clipped>" in shown[-1]
    assert len(shown) < 1605


def test_a_replacement_is_made_and_shown_with_four_lines_around_it(edit: Editor, sandbox: Sandbox) -> None:
    assert edit("str_replace", "/testbed/src/shop.py", old_str="    return total\n", new_str="    return -total\n") == (
        "The file /testbed/src/shop.py has been edited. Here are lines 1 to 9 of /testbed/src/shop.py, which has 9:\n"
        "     1\timport math\n     2\t\n     3\tdef price(item):\n     4\t    total = item.net\n"
        "     5\t    return -total\n     6\t\n     7\tdef tax(item):\n"
        "     8\t    total = item.net\n     9\t    return total * 0.2"
    )
    assert sandbox.read("/testbed/src/shop.py") == SHOP.replace("return total\n", "return -total\n")


def test_a_replacement_without_new_text_removes(edit: Editor, sandbox: Sandbox) -> None:
    edit("str_replace", "/testbed/src/shop.py", old_str="import math\n\n")
    assert sandbox.read("/testbed/src/shop.py") == SHOP.removeprefix("import math\n\n")


@pytest.mark.parametrize(("old", "new", "why"), [
    ("  total = item.gross", "", "No replacement was performed: old_str does not appear verbatim in {}."),
    ("", "x", "No replacement was performed: old_str does not appear verbatim in {}."),
    ("    total = item.net\n", "", "No replacement was performed: "
     "old_str appears in lines [4, 8] of {}. Make it unique."),
    ("import math", "import math", "No replacement was performed: new_str is the same as old_str."),
])
def test_a_replacement_that_cannot_be_made_changes_nothing(
    edit: Editor, sandbox: Sandbox, old: str, new: str, why: str
) -> None:
    path = "/testbed/src/shop.py"
    assert edit("str_replace", path, old_str=old, new_str=new) == why.format(path)
    assert sandbox.diff() == ""


def test_tabs_stay_tabs(edit: Editor, sandbox: Sandbox) -> None:
    edit("str_replace", "/testbed/Makefile", old_str="\techo 1", new_str="\techo one")
    assert sandbox.read("/testbed/Makefile") == "all:\n\techo one\n\techo 2\n"


def test_crlf_in_what_a_model_gives_is_one_line_end(edit: Editor, sandbox: Sandbox) -> None:
    edit("str_replace", "/testbed/dos.py", old_str="a = 1\r\nb", new_str="a = 0\r\nb")
    edit("insert", "/testbed/dos.py", insert_line=1, new_str="x = 0\r\ny = 0\r\n")
    assert sandbox.read("/testbed/dos.py") == "a = 0\r\nx = 0\r\ny = 0\r\nb = 2\r\nc = 3\r\n"


def test_a_file_with_crlf_is_matched_with_lf_and_keeps_its_line_ends(edit: Editor, sandbox: Sandbox) -> None:
    shown = edit("str_replace", "/testbed/dos.py", old_str="a = 1\nb = 2\n", new_str="a = 1\nx = 0\nb = 2\n")
    assert shown.endswith(":\n     1\ta = 1\n     2\tx = 0\n     3\tb = 2\n     4\tc = 3")
    assert sandbox.read("/testbed/dos.py") == "a = 1\r\nx = 0\r\nb = 2\r\nc = 3\r\n"


def test_a_file_with_mixed_line_ends_changes_only_where_it_is_edited(edit: Editor, sandbox: Sandbox) -> None:
    edit("str_replace", "/testbed/mixed.py", old_str="b = 2\nc", new_str="b = 2\nd")
    assert sandbox.read("/testbed/mixed.py") == "a = 1\r\nb = 2\nd = 3"


@pytest.mark.parametrize(("line", "new", "after"), [
    (0, "top", "top\na = 1\nb\n"), (1, "x\ny\n", "a = 1\nx\ny\nb\n"), (2, "end", "a = 1\nb\nend\n"),
    (1, "\n", "a = 1\n\nb\n"),
])
def test_lines_are_inserted_after_the_line_named(
    edit: Editor, sandbox: Sandbox, line: int, new: str, after: str
) -> None:
    sandbox.write("/testbed/f", "a = 1\nb\n")
    assert "has been edited" in edit("insert", "/testbed/f", insert_line=line, new_str=new)
    assert sandbox.read("/testbed/f") == after


def test_an_insert_outside_the_file_names_the_lines_that_work(edit: Editor) -> None:
    for line in (-1, 4):
        shown = edit("insert", "/testbed/dos.py", insert_line=line, new_str="x")
        assert shown == f"Invalid `insert_line` {line}: /testbed/dos.py has 3 lines, so 0 to 3 work."


def test_inserting_into_an_empty_file_works(edit: Editor, sandbox: Sandbox) -> None:
    edit("insert", "/testbed/empty", insert_line=0, new_str="x = 1")
    assert sandbox.read("/testbed/empty") == "x = 1\n"


def test_a_file_is_created_with_its_folders_but_never_overwritten(edit: Editor, sandbox: Sandbox) -> None:
    path = "/testbed/new/a b.py"
    assert edit("create", path, file_text="x\n") == f"The file {path} has been created."
    assert edit("create", path, file_text="y\n") == (
        f"The file {path} exists already; `create` does not overwrite. Use `str_replace` to change it."
    )
    assert sandbox.read(path) == "x\n"


@pytest.mark.parametrize("command", ["create", "str_replace", "insert"])
def test_a_directory_can_only_be_viewed(edit: Editor, command: str) -> None:
    assert edit(command, "/testbed/src", old_str="a", new_str="b") == (
        "The path /testbed/src is a directory; only `view` works on directories."
    )


def test_edits_are_undone_one_by_one_to_the_byte(edit: Editor, sandbox: Sandbox) -> None:
    path = "/testbed/dos.py"
    edit("str_replace", path, old_str="a", new_str="x")
    edit("insert", path, insert_line=0, new_str="y")
    assert [edit("undo_edit", path) for _ in range(3)] == [
        f"The last edit of {path} has been undone.", f"The last edit of {path} has been undone.",
        f"There is no edit of {path} to undo.",
    ]
    assert sandbox.diff() == ""


def test_undoing_a_creation_removes_the_file(edit: Editor, sandbox: Sandbox) -> None:
    edit("create", "/testbed/it's new", file_text="x\n")
    assert edit("undo_edit", "/testbed/it's new") == "The last edit of /testbed/it's new has been undone."
    assert sandbox.diff() == ""


def test_a_failed_edit_leaves_nothing_to_undo(edit: Editor) -> None:
    edit("str_replace", "/testbed/dos.py", old_str="nosuch", new_str="x")
    assert edit("undo_edit", "/testbed/dos.py") == "There is no edit of /testbed/dos.py to undo."


def test_an_error_of_the_sandbox_is_told_to_the_model(edit: Editor) -> None:
    assert edit("create", "/proc/new/file", file_text="x").startswith("cannot write /proc/new/file: ")
