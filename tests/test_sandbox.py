"""One suite that every sandbox has to pass, and what each of them adds."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sera_cli.errors import Cancelled, ConfigError, SandboxError
from sera_cli.harness.sandbox import Bounds, Maker, Sandbox, Shown, Terms, bubblewrap, choose, folder, places
from sera_cli.harness.sandbox.bubblewrap import BubblewrapSandbox
from sera_cli.harness.sandbox.folder import FolderSandbox
from sera_cli.harness.sandbox.private import remove
from tests.backends import ALL, HERE, making, needs_bubblewrap
from tests.processes import running

WAIT = 20.0


def git(root: Path, *words: str) -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *settings, *words], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose path has a space, a comma and a letter beyond ASCII."""
    root = tmp_path_factory.mktemp("somewhere") / "my répo, v2"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "a.py").write_text("def f(x):\n    return x\n")
    (root / "notes.txt").write_bytes(b"one\r\ntwo\r\n")
    (root / ".gitattributes").write_text("*.txt text eol=lf filter=evil\n")
    (root / ".gitignore").write_text("ignored/\n")
    git(root, "init", "-q", "--template=", ".")
    git(root, "config", "filter.evil.clean", "touch /tmp/evil; cat")
    git(root, "-c", "filter.evil.clean=cat", "-c", "core.autocrlf=false", "add", "-A")
    git(root, "commit", "-q", "-m", "all")
    git(root, "config", "--remove-section", "filter.evil")
    (root / "notes.txt").write_bytes(git(root, "cat-file", "blob", "HEAD:notes.txt").encode())
    return root


@pytest.fixture(scope="module", params=ALL)
def kind(request: pytest.FixtureRequest) -> Iterator[Maker]:
    with making(request.param) as maker:
        yield maker


@pytest.fixture(scope="module", params=HERE)
def copying(request: pytest.FixtureRequest) -> Iterator[Maker]:
    with making(request.param) as maker:
        yield maker


@pytest.fixture
def sandbox(kind: Maker, base: Path) -> Iterator[Sandbox]:
    with kind(base) as made:
        yield made


def said(sandbox: Sandbox, command: str) -> str:
    return sandbox.run(command, WAIT).output



def test_a_command_starts_in_the_repository(sandbox: Sandbox) -> None:
    assert said(sandbox, "pwd; ls") == "/testbed\nnotes.txt\npkg\n"


def test_output_keeps_the_order_of_both_streams_and_the_exit_status(sandbox: Sandbox) -> None:
    result = sandbox.run("echo out; echo err >&2; echo end; exit 3", WAIT)
    assert (result.output, result.code, result.timed_out) == ("out\nerr\nend\n", 3, False)


def test_folder_variables_functions_and_jobs_carry_over(sandbox: Sandbox) -> None:
    sandbox.run("cd pkg; a=1; f() { echo f $1; }; sleep 98765 &", WAIT)
    assert said(sandbox, "pwd; echo $a; f 2; jobs -p | wc -l; kill %1") == "/testbed/pkg\n1\nf 2\n1\n"


def test_a_shell_that_ended_comes_back_with_its_folder_and_exported_variables_and_says_so(sandbox: Sandbox) -> None:
    ended = sandbox.run("cd pkg; export A=$'b  c\\n\"d\\''; B=lost; exit 5", WAIT)
    assert (ended.output, ended.code) == ("", 5)
    assert ended.note == (
        "The shell ended with exit status 5. "
        "A new shell has the folder and the exported variables; nothing else of it is left."
    )
    assert said(sandbox, 'pwd; echo "$A"; echo "[$B]"') == "/testbed/pkg\nb  c\n\"d'\n[]\n"


def test_an_unset_variable_stays_unset(sandbox: Sandbox) -> None:
    sandbox.run("export A=1", WAIT)
    sandbox.run("unset A", WAIT)
    assert said(sandbox, 'echo "[$A]"') == "[]\n"


def test_a_folder_that_is_gone_leaves_commands_in_the_repository(sandbox: Sandbox) -> None:
    sandbox.run("mkdir new; cd new; rm -r ../new", WAIT)
    assert said(sandbox, "pwd") == "/testbed\n"


def test_a_syntax_error_is_told_as_bash_tells_it(sandbox: Sandbox) -> None:
    assert said(sandbox, "echo 'open").startswith("bash: eval: line 1: unexpected EOF while looking for matching `''")


def test_errors_name_the_line_of_the_command(sandbox: Sandbox) -> None:
    assert said(sandbox, "true\nnosuch") == "bash: line 2: nosuch: command not found\n"


def test_a_command_longer_than_an_argument_may_be_runs(sandbox: Sandbox) -> None:
    assert said(sandbox, f"cat <<'END' | wc -c\n{'x' * 300_000}\nEND") == "300001\n"


def test_nothing_can_be_typed(sandbox: Sandbox) -> None:
    assert sandbox.run("read line", WAIT).code == 1


def test_a_slow_command_is_stopped_with_its_children_and_keeps_what_it_printed(sandbox: Sandbox) -> None:
    result = sandbox.run("echo before; setsid sleep 98761 & sleep 98762", 0.5)
    assert (result.output, result.timed_out) == ("before\n", True)
    assert result.note.startswith("A new shell has the folder and the exported variables;")
    assert running("98761") == running("98762") == []


def test_what_runs_in_the_background_holds_nothing_up_and_ends_before_the_changes_are_told(sandbox: Sandbox) -> None:
    result = sandbox.run("(setsid sleep 98763 &) ; sleep 98764 & echo done", WAIT)
    assert (result.output, result.timed_out) == ("done\n", False)
    end = time.monotonic() + WAIT
    while not (running("98763") and running("98764")):
        assert time.monotonic() < end
    assert sandbox.diff() == ""
    assert running("98763") == running("98764") == []


def test_what_runs_in_the_background_ends_with_the_sandbox(kind: Maker, base: Path) -> None:
    with kind(base) as sandbox:
        sandbox.run("(setsid sleep 98766 &) ; nohup sleep 98767 >/dev/null 2>&1 &", WAIT)
    assert running("98766") == running("98767") == []


def test_a_timeout_keeps_the_state_from_before(sandbox: Sandbox) -> None:
    sandbox.run("cd pkg", WAIT)
    sandbox.run("cd /; sleep 9876", 0.3)
    assert said(sandbox, "pwd") == "/testbed/pkg\n"


def test_a_command_that_prints_for_ever_fills_no_memory(sandbox: Sandbox) -> None:
    result = sandbox.run("yes", WAIT)
    assert result.note.startswith("The command was killed: it printed more than 256 MiB.")
    assert len(result.output) == 1 << 20


def test_a_run_that_stops_waits_for_no_command(kind: Maker, base: Path) -> None:
    began = time.monotonic()
    terms = Terms(cancelled=lambda: time.monotonic() > began + 0.5)
    with making(kind.name, terms) as maker, maker(base) as sandbox, pytest.raises(Cancelled):
        sandbox.run("sleep 600", 600)


def test_undecodable_output_is_replaced(sandbox: Sandbox) -> None:
    assert said(sandbox, r"printf 'a\377b'") == "a\ufffdb"


def test_the_environment_is_clean(kind: Maker, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERA_PROBE", "of-the-user")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    with kind(base) as sandbox:
        names = {line.partition("=")[0] for line in said(sandbox, "env").splitlines()}
    assert names == {
        "PATH", "HOME", "TMPDIR", "LANG", "TZ", "TERM", "PAGER", "PWD", "OLDPWD", "SHLVL", "_",
        "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED",
        "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_NOSYSTEM", "GIT_EDITOR", "GIT_PAGER", "GIT_TERMINAL_PROMPT",
    }


def test_python_is_the_one_that_runs_sera(copying: Maker, base: Path) -> None:
    version = f"Python {sys.version.split()[0]}\n"
    with copying(base) as sandbox:
        assert said(sandbox, "python -V; python3 -V") == version * 2


def test_a_secret_in_the_environment_of_sera_is_taken_out_of_output(
    kind: Maker, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_API_KEY", "do-not-tell-1")
    with kind(base) as sandbox:
        token = said(sandbox, "echo do-not-tell-1")
        assert re.fullmatch(r"\[redacted:environment\S*\]\n", token)
        sandbox.write("/testbed/b", "do-not-tell-1\n")
        assert sandbox.diff().endswith(f"\n+{token}")


def test_no_path_of_the_machine_is_seen(sandbox: Sandbox, base: Path) -> None:
    shown = said(sandbox, "pwd -P; echo $HOME $TMPDIR $PATH; cd ~; pwd; cd /testbed; git status; realpath pkg")
    shown += said(sandbox, "python -c 'import json; print(json.__file__)'; python /tmp/nosuch; git rev-parse --git-dir")
    assert str(base.parent) not in shown
    assert "sera-" not in shown
    assert "/testbed\n/home/user /tmp /opt/bin:" in shown


def test_paths_a_model_knows_work_in_commands(sandbox: Sandbox) -> None:
    sandbox.run("cd /; echo 'print(1)' > /testbed/pkg/new.py; echo two > /tmp/b; echo three > /home/user/c", WAIT)
    assert said(sandbox, 'python "/testbed/pkg/new.py"; cat /tmp/b ~/c; ls --color=never /tmp/') == "1\ntwo\nthree\nb\n"


def test_a_path_that_only_ends_like_the_repository_is_left_alone(sandbox: Sandbox) -> None:
    others = "a/testbed /testbed2 x.tmp/tmp */tmp /tmp.d"
    assert said(sandbox, f"echo {others}") == f"{others}\n"


def test_one_sandbox_sees_nothing_of_another(kind: Maker, base: Path) -> None:
    with kind(base) as one, kind(base) as other:
        one.run("touch /tmp/x /testbed/x ~/x", WAIT)
        assert said(other, "ls -A /tmp ~ /testbed/x").splitlines()[1:] == ["/home/user:", "", "/tmp:"]
    assert not (base / "x").exists()


def test_the_same_commands_give_the_same_bytes(kind: Maker, base: Path) -> None:
    commands = (
        "find .", "ls -laR pkg .gitignore", "python -c 'print(hash(\"a\"), {\"x\", \"y\", \"z\"})'", "nosuch", "(",
        "python -c 'import nosuch'", "date +%Z", "git log", "cat nosuch; mktemp -u /tmp/x.XX | wc -c", "env | sort",
    )

    def story() -> list[str]:
        with kind(base) as sandbox:
            return [said(sandbox, command) for command in commands]

    assert story() == story()


def test_a_file_is_read_as_it_is(sandbox: Sandbox) -> None:
    sandbox.run(r"printf '\357\273\277h\303\251\r\n\tend' > x", WAIT)
    assert sandbox.read("/testbed/x") == "\ufeffhé\r\n\tend"


def test_what_is_no_text_file_is_not_read(sandbox: Sandbox) -> None:
    sandbox.run(r"printf '\377' > latin; printf 'a\0' > binary; mkfifo pipe; truncate -s 17M large", WAIT)
    with pytest.raises(FileNotFoundError):
        sandbox.read("/testbed/absent")
    with pytest.raises(IsADirectoryError):
        sandbox.read("/testbed/pkg")
    for name in ("latin", "binary", "pipe", "large"):
        with pytest.raises(SandboxError, match=f"^/testbed/{name} "):
            sandbox.read(f"/testbed/{name}")


def test_writing_makes_folders_and_keeps_the_mode(sandbox: Sandbox) -> None:
    sandbox.write("/testbed/new/deep dir/é.txt", "text\r\n")
    sandbox.run("chmod 755 'new/deep dir/é.txt'", WAIT)
    sandbox.write("/testbed/new/deep dir/é.txt", "other")
    assert said(sandbox, "stat -c %a new/*/*; cat new/*/*") == "755\nother"


def test_a_file_that_names_the_python_of_this_machine_is_written_back_as_it_was(sandbox: Sandbox) -> None:
    text = f"#!{places.python_home() or sys.base_prefix}/bin/python\n"
    sandbox.write("/testbed/run", text)
    assert sandbox.read("/testbed/run") == text
    assert f"+{text}" in sandbox.diff()


def test_half_a_surrogate_pair_in_a_path_is_a_path_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.read("/testbed/\ud800")


def test_a_sandbox_that_a_command_removed_is_an_error_of_the_sandbox(base: Path) -> None:
    with FolderSandbox(base) as sandbox:
        sandbox.run("rm -rf $(dirname /testbed)", WAIT)
        with pytest.raises(SandboxError, match=r"cannot tell what changed|cannot start"):
            sandbox.diff()


@pytest.mark.parametrize("odd", [
    "set -x", "set -v", "set -T; trap 'echo dbg' DEBUG", "shopt -s expand_aliases; alias builtin=true", "set -eu",
])
def test_what_a_shell_is_set_to_is_no_part_of_a_file(sandbox: Sandbox, odd: str) -> None:
    sandbox.run(odd, WAIT)
    assert sandbox.read("/testbed/pkg/a.py") == "def f(x):\n    return x\n"
    sandbox.write("/testbed/b", "new\n")
    assert sandbox.read("/testbed/b") == "new\n"


def test_a_mark_that_a_command_got_hold_of_ends_nothing_but_the_command(sandbox: Sandbox) -> None:
    sandbox.run("for n in {10..20}; do IFS= read -t 0.1 -r -d '' -u $n m 2>/dev/null && echo \"${m}zzz\"; done", 2)
    assert said(sandbox, "echo back") == "back\n"


def test_a_failed_write_says_why(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"^cannot write /testbed/pkg: Is a directory$"):
        sandbox.write("/testbed/pkg", "x")


def test_nothing_changed_is_an_empty_diff(sandbox: Sandbox) -> None:
    assert sandbox.diff() == ""


def test_the_diff_holds_edits_new_files_and_removals(sandbox: Sandbox) -> None:
    sandbox.run("echo 'y = 1' >> pkg/a.py; echo new > é.txt; rm notes.txt", WAIT)
    assert sandbox.diff() == (
        "diff --git a/notes.txt b/notes.txt\ndeleted file mode 100644\nindex 814f4a4229..0000000000\n"
        "--- a/notes.txt\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-one\n-two\n"
        "diff --git a/pkg/a.py b/pkg/a.py\nindex 10219f0331..749e03dd03 100644\n"
        "--- a/pkg/a.py\n+++ b/pkg/a.py\n@@ -1,2 +1,3 @@\n def f(x):\n     return x\n+y = 1\n"
        "diff --git a/é.txt b/é.txt\nnew file mode 100644\nindex 0000000000..3e757656cf\n"
        "--- /dev/null\n+++ b/é.txt\n@@ -0,0 +1 @@\n+new\n"
    )


def test_the_diff_applies_to_the_base(sandbox: Sandbox, base: Path, tmp_path: Path) -> None:
    sandbox.run("sed -i s/x/z/ pkg/a.py; git mv notes.txt moved.txt; printf 'no end' > n; chmod +x pkg/a.py", WAIT)
    git(tmp_path, "clone", "-q", str(base), "clone")
    (tmp_path / "patch").write_text(sandbox.diff())
    git(tmp_path / "clone", "apply", "--index", str(tmp_path / "patch"))
    assert (tmp_path / "clone" / "pkg" / "a.py").read_text() == "def f(z):\n    return z\n"
    assert (tmp_path / "clone" / "n").read_text() == "no end"


def test_binary_ignored_and_cached_files_are_no_part_of_the_diff(sandbox: Sandbox) -> None:
    sandbox.run(r"printf 'a\0b' > blob; mkdir ignored; touch ignored/x; mkfifo pipe", WAIT)
    sandbox.run("python -m py_compile pkg/a.py", WAIT)
    assert "a.cpython" in said(sandbox, "ls pkg/__pycache__")
    assert sandbox.diff() == ""


@pytest.mark.parametrize("mischief", [
    "git add -A && git commit -q -m mine",
    "rm -rf .git",
    "rm -rf .git; ln -s / .git",
    "git config core.fsmonitor 'touch /testbed/evil'; git config core.hooksPath /testbed",
    "git config diff.external 'touch /testbed/evil'; git config filter.evil.clean 'touch /testbed/evil; cat'",
    "echo '*.py diff=x' > .git/info/attributes; git config diff.x.textconv 'touch /testbed/evil; cat'",
    "git update-index --assume-unchanged pkg/a.py; echo 'pkg' > .git/info/exclude",
    "git init -q sub",
])
def test_what_a_command_does_to_git_changes_nothing_of_the_diff(sandbox: Sandbox, mischief: str) -> None:
    sandbox.run("echo 'y = 1' >> pkg/a.py", WAIT)
    plain = sandbox.diff()
    sandbox.run(mischief, WAIT)
    assert plain.count("+y = 1") == 1
    assert sandbox.diff() == plain


def test_a_diff_is_told_when_a_file_cannot_be_read(sandbox: Sandbox) -> None:
    sandbox.run("echo 'y = 1' >> pkg/a.py; mkdir -p sub && cd sub && git init -q . && touch x; chmod 0 x", WAIT)
    assert "+y = 1\n" in sandbox.diff()


def test_leaving_removes_the_copy_whatever_a_command_did_to_it(
    copying: Maker, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with copying(base, tmp_path) as sandbox:
        sandbox.run("mkdir closed; touch closed/x; chmod 0 closed; rm -rf pkg; ln -s /usr link", WAIT)
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_folders_deeper_than_python_recurses_are_removed(base: Path, tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    command = f"cd {deep}; python -c 'import os; [(os.mkdir(\"d\"), os.chdir(\"d\")) for _ in range(1001)]'"
    with FolderSandbox(base) as sandbox:
        assert sandbox.run(command, WAIT).code == 0
    remove(deep)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_sera_left_behind_is_removed_by_the_next(
    copying: Maker, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stale, fresh = tmp_path / "sera-stale", tmp_path / ".sera-fresh"
    for left in (stale, fresh):
        left.mkdir()
        (left / "lock").touch()
    with copying(base, tmp_path) as one, copying(base, tmp_path):
        assert said(one, "pwd") == "/testbed\n"
    assert list(tmp_path.iterdir()) == [fresh]


def test_a_base_without_a_commit_is_refused(kind: Maker, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="is not a checkout with a commit"), kind(tmp_path):
        pass


def test_the_folder_sandbox_works_here_and_says_that_it_does_not_isolate() -> None:
    assert folder.probe() == ""
    assert (choose("folder").name, choose("folder").isolates) == ("folder", False)


def test_the_folder_sandbox_refuses_a_path_that_would_fall_apart_in_commands(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "a b"))
    with pytest.raises(SandboxError, match="set TMPDIR to another folder"), FolderSandbox(base):
        pass
    assert list((tmp_path / "a b").iterdir()) == []


def test_without_the_program_bubblewrap_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rm").symlink_to("/bin/rm")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bubblewrap.probe() == "bubblewrap is not installed; try `apt-get install bubblewrap`"
    assert choose("auto").name == "folder"
    with pytest.raises(SandboxError, match="bubblewrap does not work here: bubblewrap is not installed"):
        choose("bubblewrap")


def test_an_unknown_sandbox_is_refused() -> None:
    with pytest.raises(ConfigError, match="no sandbox is called chroot; say auto, bubblewrap, docker or folder"):
        choose("chroot")


@needs_bubblewrap
@pytest.mark.skipif(not os.access("/usr/local", os.W_OK), reason="nothing can be put below /usr")
def test_a_repository_that_lies_in_the_system_is_not_seen(base: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/usr/local") as inside:
        (Path(inside) / "hidden.py").write_text("x = 1\n")
        with making("bubblewrap", Terms(hidden=Path(inside))) as maker, maker(base) as sandbox:
            assert said(sandbox, f"ls -A {inside}; touch {inside}/new") == (
                f"touch: cannot touch '{inside}/new': Read-only file system\n")
            assert said(sandbox, f"ls -d {Path(inside).parent}/bin") == "/usr/local/bin\n"


@needs_bubblewrap
def test_bubblewrap_is_chosen_where_it_works() -> None:
    assert choose("auto").name == choose("bubblewrap").name == "bubblewrap"
    assert choose("bubblewrap").isolates is True


@needs_bubblewrap
def test_bubblewrap_has_no_network_no_home_and_a_read_only_system(base: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the user")
    with BubblewrapSandbox(base) as sandbox:
        assert said(sandbox, "ls /sys/class/net 2>/dev/null; tail -n +3 /proc/net/dev | cut -d: -f1").split() == ["lo"]
        assert sandbox.run(f"cat {tmp_path}/secret", WAIT).code == 1
        assert said(sandbox, f"ls -A {Path.home()}/.ssh /etc/shadow 2>&1 | grep -vc 'No such file'").strip() == "0"
        assert "Read-only file system" in said(sandbox, "touch /usr/x; touch /x; touch /etc/x; touch /opt/bin/x")
        assert said(sandbox, "id -un; hostname; ls /proc | grep -c '^[0-9]'").splitlines()[:2] == ["user", "testbed"]
        assert int(said(sandbox, "ls -d /proc/[0-9]* | wc -l")) < 10


@needs_bubblewrap
def test_bubblewrap_follows_no_link_out_of_the_copy(base: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the user")
    with BubblewrapSandbox(base) as sandbox:
        sandbox.run(f"ln -s {tmp_path}/secret link; ln -s {tmp_path} out", WAIT)
        with pytest.raises(FileNotFoundError):
            sandbox.read("/testbed/link")
        with pytest.raises(SandboxError):
            sandbox.write("/testbed/out/new", "x")
        assert f"+{tmp_path}/secret" in sandbox.diff()
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


@needs_bubblewrap
def test_bubblewrap_leads_sera_itself_to_no_file_of_the_user(base: Path, tmp_path: Path) -> None:
    victim = tmp_path / "profile"
    with BubblewrapSandbox(base) as sandbox:
        where = "find /run /opt/bin /tmp /home -maxdepth 2 -type f 2>/dev/null"
        lure = f"for x in $({where}) /run/sera/shell; do rm -f $x; ln -s {victim} $x; done"
        sandbox.run(lure, WAIT)
        assert said(sandbox, "echo all the same") == "all the same\n"
        sandbox.write("/testbed/a.py", "x")
        sandbox.diff()
    assert not victim.exists()


@needs_bubblewrap
def test_bubblewrap_copies_where_no_overlay_can_be_mounted(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sera_cli.harness.sandbox.overlay.MOUNT", "exit 1")
    with BubblewrapSandbox(base) as sandbox:
        sandbox.run("echo 'y = 1' >> pkg/a.py", WAIT)
        assert sandbox.diff().count("\n+y = 1\n") == 1
        assert said(sandbox, "grep -c testbed /proc/mounts") == "1\n"
    assert (base / "pkg" / "a.py").read_text() == "def f(x):\n    return x\n"


@needs_bubblewrap
def test_what_bubblewrap_leaves_when_killed_can_be_removed_by_its_user(base: Path, tmp_path: Path) -> None:
    with BubblewrapSandbox(base, tmp_path) as sandbox:
        sandbox.run("echo 'y = 1' >> pkg/a.py", WAIT)
        folders = [found for found in tmp_path.rglob("*") if found.is_dir()]
        assert {found.stat().st_uid for found in folders} == {os.geteuid()}
        assert any(found.name == "upper" for found in folders) == sandbox._walls.mounted


def test_a_file_and_all_processes_together_may_only_grow_so_large(kind: Maker, base: Path) -> None:
    bounds = Bounds(memory=256 << 20, disk=64 << 20)
    with making(kind.name, Terms(bounds)) as maker, maker(base) as sandbox:
        assert sandbox.run("truncate -s 65M x", WAIT).code != 0
        hungry = sandbox.run("python -c 'bytearray(b\"x\") * (1 << 29)'", WAIT)
        assert hungry.code != 0
        assert said(sandbox, "echo still here") == "still here\n"


def test_commands_find_a_shown_folder_and_cannot_write_it(base: Path, tmp_path: Path) -> None:
    if problem := bubblewrap.probe():
        pytest.skip(problem)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho $0 $COLOUR\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    terms = Terms(shown=(Shown(tmp_path, "/opt/tools"),), path=("/opt/tools/bin",), variables={"COLOUR": "red"})
    with choose("bubblewrap", terms)(base) as sandbox:
        assert sandbox.run("python", WAIT).output == "/opt/tools/bin/python red\n"
        assert sandbox.run("touch /opt/tools/x", WAIT).code != 0


def test_a_shown_folder_keeps_its_own_path_unless_it_is_given_another(base: Path, tmp_path: Path) -> None:
    (tmp_path / "greet").write_text("#!/bin/sh\necho there $COLOUR\n")
    (tmp_path / "greet").chmod(0o755)
    maker = choose("folder", Terms(shown=(Shown(tmp_path),), path=(str(tmp_path),), variables={"COLOUR": "red"}))
    with maker(base) as sandbox:
        assert sandbox.run("greet", WAIT).output == "there red\n"
    with pytest.raises(SandboxError, match="cannot show a folder as /opt/tools"):
        choose("folder", Terms(shown=(Shown(tmp_path, "/opt/tools"),)))(base).__enter__()


def test_a_container_shows_no_folder_of_this_machine(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="a container shows no folder"):
        choose("docker", Terms(shown=(Shown(tmp_path),)))
