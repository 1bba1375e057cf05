"""Real repositories, made with git in a temporary folder; some of them hostile."""

import os
import subprocess
from pathlib import Path

import pytest

from sera_cli.errors import ConfigError, DataError, SeraError
from sera_cli.export import export
from sera_cli.git import Checkout, blobs, open_repository, sizes, tracked

WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@localhost", "-c", "init.defaultBranch=trunk")


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["git", *WHO, "-C", folder, *arguments], input=stdin, capture_output=True, check=True)
    return os.fsdecode(done.stdout).strip()


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())


def commit(folder: Path, files: dict[str, str]) -> str:
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "work", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path, *commits: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    for files in commits:
        commit(folder, files)
    return folder


@pytest.fixture
def house(tmp_path: Path) -> Path:
    return repository(tmp_path / "house", {"a.py": "a = 1\n", "pkg/b.py": "b = 2\n"})


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with a program `springe`; the file `sprung` in it says that somebody ran it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "springe").write_text(f"#!/bin/sh\ntouch '{folder}/sprung'\ncat\n")
    (folder / "springe").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "sprung"


def test_a_checkout_knows_its_commit_and_name(house: Path) -> None:
    assert open_repository(house) == Checkout(root=house, commit=git(house, "rev-parse", "HEAD"), name="house")


def test_a_revision_may_be_a_branch_a_tag_or_a_short_id(house: Path) -> None:
    first = git(house, "rev-parse", "HEAD")
    git(house, "tag", "-a", "v1", "-m", "one")
    commit(house, {"a.py": "a = 2\n"})
    assert [open_repository(house, rev).commit for rev in ("v1", first[:8], "trunk~1")] == [first] * 3


@pytest.mark.parametrize("rev", ["no-such", "--all", "-x", "HEAD:a.py", "a..b", ""])
def test_an_unknown_revision_is_a_config_error(house: Path, rev: str) -> None:
    with pytest.raises(ConfigError, match="unknown revision"):
        open_repository(house, rev)


def test_a_folder_without_git_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^{tmp_path}: not a git repository; run `git init`"):
        open_repository(tmp_path)


def test_a_path_that_is_missing_or_a_file_is_named(house: Path) -> None:
    with pytest.raises(DataError, match="no such folder; name the folder"):
        open_repository(house / "nowhere")
    with pytest.raises(DataError, match="is a file; name the folder"):
        open_repository(house / "a.py")


def test_a_repository_without_commits_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its HEAD has no commit yet; commit its files"):
        open_repository(repository(tmp_path / "new"))


def test_without_git_the_error_says_so(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SeraError, match="git is not installed"):
        open_repository(house)


def test_a_folder_inside_opens_the_top_level_and_is_remembered(house: Path) -> None:
    found = open_repository(house / "pkg")
    assert (found.root, found.folder) == (house, "pkg")


def test_the_git_folder_itself_is_refused(house: Path) -> None:
    with pytest.raises(DataError, match=r"is inside a repository's \.git folder"):
        open_repository(house / ".git")


def test_a_bare_repository_and_a_worktree_open(house: Path, tmp_path: Path) -> None:
    git(house, "clone", "-q", "--bare", str(house), str(tmp_path / "store.git"))
    git(house, "worktree", "add", "-q", "--detach", str(tmp_path / "wörk tree"))
    bare, tree = open_repository(tmp_path / "store.git"), open_repository(tmp_path / "wörk tree")
    assert (bare.name, bare.dirty, tree.name, tree.dirty) == ("store", False, "wörk tree", False)
    assert tracked(bare) == tracked(tree) == tracked(open_repository(house))


def test_git_variables_of_the_caller_change_nothing(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other", {"x": "x"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    found = open_repository(house)
    assert (found.name, found.dirty) == ("house", False)


def test_changed_and_new_files_make_a_tree_dirty_but_ours_and_ignored_ones_do_not(house: Path) -> None:
    commit(house, {".gitignore": "*.log\n"})
    write(house, {".sera/config.toml": "", "x.log": ""})
    assert not open_repository(house / "pkg").dirty
    write(house, {"new.py": ""})
    assert open_repository(house / "pkg").dirty
    (house / "new.py").unlink()
    write(house, {"a.py": "a = 3\n"})
    assert open_repository(house).dirty


def test_tracked_lists_files_as_committed(house: Path) -> None:
    (house / "link").symlink_to("a.py")
    (house / "pkg/b.py").chmod(0o755)
    commit(house, {})
    write(house, {"a.py": "changed\n", "new.py": ""})
    checkout = open_repository(house)
    files = [(file.path, file.mode, file.symlink) for file in tracked(checkout)]
    assert files == [("a.py", "100644", False), ("link", "120000", True), ("pkg/b.py", "100755", False)]
    assert [*sizes(checkout, [file.blob for file in tracked(checkout)]).values()] == [6, 4, 6]


def test_a_blob_that_is_not_there_holds_nothing_to_count(house: Path) -> None:
    checkout = open_repository(house)
    assert (sizes(checkout, ["0" * 40]), sizes(checkout, [])) == ({"0" * 40: 0}, {})


def test_odd_names_are_listed_whole(house: Path) -> None:
    Path(os.fsdecode(os.fsencode(house) + b"/caf\xe9.py")).write_text("")
    commit(house, {"two\nlines.py": "", "-x y.py": "", "übung.py": ""})
    names = {file.path: file.utf8 for file in tracked(open_repository(house))}
    assert names == {
        "a.py": True, "pkg/b.py": True, "two\nlines.py": True, "-x y.py": True, "übung.py": True, "caf\\xe9.py": False,
    }


def test_submodules_are_named_and_are_not_files(house: Path) -> None:
    commit_id = git(house, "rev-parse", "HEAD")
    git(house, "update-index", "--add", "--cacheinfo", f"160000,{commit_id},lib/other")
    git(house, "commit", "-qm", "module")
    found = open_repository(house)
    assert found.submodules == ("lib/other",)
    assert [file.path for file in tracked(found)] == ["a.py", "pkg/b.py"]


def test_blobs_come_in_the_order_asked_for(house: Path) -> None:
    found = open_repository(house)
    first, second = (file.blob for file in tracked(found))
    assert list(blobs(found, [second, first, second])) == [
        (second, b"b = 2\n"), (first, b"a = 1\n"), (second, b"b = 2\n"),
    ]


def test_more_blobs_than_a_pipe_holds_come_through_and_may_be_left_early(house: Path) -> None:
    found = open_repository(house)
    wanted = [tracked(found)[0].blob] * 5000
    assert sum(1 for _ in blobs(found, wanted)) == 5000
    stream = blobs(found, wanted)
    assert next(stream)[1] == b"a = 1\n"


def test_a_missing_blob_is_an_error_and_is_not_fetched(house: Path, tmp_path: Path, trap: Path) -> None:
    git(house, "config", "uploadpack.allowFilter", "true")
    git(house, "clone", "-q", "--filter=blob:none", "--no-checkout", house.as_uri(), str(tmp_path / "partial"))
    git(tmp_path / "partial", "config", "remote.origin.uploadpack", "springe")
    blob = git(house, "rev-parse", "HEAD:a.py")
    with pytest.raises(DataError, match="if it is a partial clone, clone it whole"):
        list(blobs(open_repository(tmp_path / "partial"), [blob]))
    assert not trap.exists()


def test_no_program_that_a_repository_names_is_run(house: Path, tmp_path: Path, trap: Path) -> None:
    commit(house, {".gitattributes": "* filter=evil diff=evil\n*.py filter=worse\n"})
    hooks = house / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        (hooks / hook).write_text("#!/bin/sh\nspringe\n")
        (hooks / hook).chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.smudge", "filter.worse.process",
                "diff.evil.textconv", "diff.external", "core.pager", "uploadpack.packObjectsHook"):
        git(house, "config", key, "springe")
    git(house, "config", "filter.worse.required", "true")
    write(house, {"a.py": "a = 9\n"})
    found = open_repository(house)
    assert len(list(blobs(found, [file.blob for file in tracked(found)]))) == 3
    export(found, tmp_path / "copy")
    assert found.dirty
    assert not trap.exists()


def test_an_export_has_one_commit_and_nothing_else_to_reach(tmp_path: Path) -> None:
    house = repository(tmp_path / "house", {"a.py": "old\n", "gone.py": "gone\n"}, {"a.py": "new\n"})
    git(house, "rm", "-q", "gone.py")
    commit(house, {"b/c.py": "c\n"})
    wanted = git(house, "rev-parse", "HEAD")
    commit(house, {"a.py": "later\n"})
    git(house, "tag", "v2")
    git(house, "remote", "add", "origin", "https://example.invalid/x")
    copy = tmp_path / "copy"
    export(open_repository(house, wanted), copy)

    assert git(copy, "rev-list", "--all", "--count") == "1"
    assert git(copy, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert git(copy, "rev-parse", "HEAD^{tree}") == git(house, "rev-parse", f"{wanted}^{{tree}}")
    held = {row.split()[0] for row in git(copy, "cat-file", "--batch-all-objects", "--batch-check").splitlines()}
    reached = {row.split()[0] for row in git(copy, "rev-list", "--objects", "--all").splitlines()}
    assert held == reached
    assert len(held) == 5  # the commit, two trees, two files
    assert git(copy, "fsck", "--unreachable", "--no-reflogs", "--strict") == ""
    assert git(copy, "remote") == ""
    inside = sorted(path.name for path in (copy / ".git").iterdir())
    assert inside == ["HEAD", "config", "index", "info", "objects", "refs"]
    notes = [path.read_bytes() for path in (copy / ".git").rglob("*") if path.is_file()]
    assert not any(bytes(tmp_path) in note for note in notes)


def test_an_export_is_clean_and_dated_so_that_listings_never_vary(house: Path, tmp_path: Path) -> None:
    export(open_repository(house), tmp_path / "copy")
    assert git(tmp_path / "copy", "status", "--porcelain") == ""
    dates = {int(path.lstat().st_mtime) for path in (tmp_path / "copy").rglob("*") if ".git" not in path.parts}
    assert dates == {946684800}
    assert git(tmp_path / "copy", "log", "--format=%an %ae %at %ct") == "sera sera@localhost 946684800 946684800"


def test_the_id_of_an_export_depends_on_its_files_alone(tmp_path: Path) -> None:
    one = repository(tmp_path / "one", {"a.py": "a\n"})
    two = repository(tmp_path / "two", {"z.py": "z\n"}, {"a.py": "a\n"})
    git(two, "rm", "-q", "z.py")
    commit(two, {})
    for folder in (one, two):
        export(open_repository(folder), tmp_path / f"copy-{folder.name}")
    assert git(tmp_path / "copy-one", "rev-parse", "HEAD") == git(tmp_path / "copy-two", "rev-parse", "HEAD")


def test_an_export_holds_files_byte_for_byte(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    house = repository(tmp_path / "house", {"big.bin": pointer, "id.txt": "$Id$\n"})
    commit(house, {"unix.bat": "b\n", ".gitattributes": "* text\n*.bat eol=crlf\n*.txt ident\n*.bin filter=lfs\n"})
    mixed = git(house, "hash-object", "-w", "--stdin", "--no-filters", stdin=b"a\r\nb\n")
    git(house, "update-index", "--add", "--cacheinfo", f"100644,{mixed},mixed.txt")
    git(house, "commit", "-qm", "line ends as they came")
    copy = tmp_path / "copy"
    export(open_repository(house), copy)
    assert (copy / "mixed.txt").read_bytes() == b"a\r\nb\n"
    assert (copy / "unix.bat").read_bytes() == b"b\n"
    assert (copy / "id.txt").read_bytes() == b"$Id$\n"
    assert (copy / "big.bin").read_text() == pointer
    assert git(copy, "status", "--porcelain") == ""


def test_an_export_keeps_links_modes_odd_names_and_empty_submodules(house: Path, tmp_path: Path) -> None:
    names = [b"caf\xe9.py", b"two\nlines", b"-x", b" spaced ", b"back\\slash", "übung".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(house) + b"/" + name)).write_text("x")
    (house / "out").symlink_to("/etc/passwd")
    (house / "pkg/b.py").chmod(0o755)
    git(house, "add", "-A")
    git(house, "update-index", "--add", "--cacheinfo", f"160000,{git(house, 'rev-parse', 'HEAD')},lib/other")
    git(house, "commit", "-qm", "odd")
    copy = tmp_path / "a copy"
    export(open_repository(house), copy)
    assert {os.fsencode(path.name) for path in copy.iterdir()} == {b".git", b"a.py", b"pkg", b"lib", b"out", *names}
    assert (copy / "out").readlink() == Path("/etc/passwd")
    assert os.access(copy / "pkg/b.py", os.X_OK)
    assert list((copy / "lib/other").iterdir()) == []
    assert git(copy, "status", "--porcelain") == ""


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_an_export_of_an_empty_commit_is_empty(tmp_path: Path, kind: str) -> None:
    house = tmp_path / "house"
    house.mkdir()
    git(house, "init", "-q", f"--object-format={kind}")
    commit(house, {})
    export(open_repository(house), tmp_path / "copy")
    assert git(tmp_path / "copy", "ls-files") == ""
    assert git(tmp_path / "copy", "rev-list", "--all", "--count") == "1"


def test_an_export_of_a_tree_that_git_refuses_leaves_nothing_behind(house: Path, tmp_path: Path) -> None:
    blob = git(house, "hash-object", "-w", "--stdin", stdin=b"evil")
    inner = git(house, "mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    tree = git(house, "mktree", stdin=f"040000 tree {inner}\t.git\n".encode())
    evil = git(house, "commit-tree", "-m", "evil", tree)
    with pytest.raises(DataError, match=r"invalid path '\.git/config'"):
        export(open_repository(house, evil), tmp_path / "copies" / "copy")
    assert list((tmp_path / "copies").iterdir()) == []


def test_what_a_killed_export_left_is_swept_and_what_a_living_one_makes_is_not(house: Path, tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    for owner in (ended.pid, os.getppid()):
        (tmp_path / f".copy.{owner}.x.part" / ".git").mkdir(parents=True)
    export(open_repository(house), tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.glob(".copy.*")) == [f".copy.{os.getppid()}.x.part"]


def test_an_export_that_is_there_is_kept_and_another_one_is_refused(house: Path) -> None:
    copy = house / ".sera" / "copy"
    export(open_repository(house), copy)
    (copy / "note").write_text("mine")
    export(open_repository(house), copy)
    assert (copy / "note").read_text() == "mine"
    commit(house, {"a.py": "a = 7\n"})
    with pytest.raises(DataError, match="holds something else than a copy of this commit; remove it"):
        export(open_repository(house), copy)


def test_a_folder_of_something_else_is_not_taken_for_an_export(house: Path) -> None:
    write(house, {".sera/copy/letter": "dear"})
    with pytest.raises(DataError, match="cannot hold a copy of the repository: Directory not empty"):
        export(open_repository(house), house / ".sera" / "copy")
    assert [path.name for path in (house / ".sera").iterdir()] == ["copy"]


def test_the_repository_around_a_folder_is_not_taken_for_an_export_in_it(house: Path) -> None:
    (house / ".sera" / "copy" / ".git").mkdir(parents=True)
    with pytest.raises(DataError, match="holds something else"):
        export(open_repository(house), house / ".sera" / "copy")


def test_an_export_works_from_a_folder_of_another_owner_and_a_shallow_clone(house: Path, tmp_path: Path) -> None:
    commit(house, {"a.py": "a = 5\n"})
    shallow = tmp_path / "shallow"
    git(house, "clone", "-q", "--depth=1", house.as_uri(), str(shallow))
    if os.geteuid() == 0:
        os.chown(shallow, 12345, 12345)
        os.chown(shallow / ".git", 12345, 12345)
    export(open_repository(shallow), tmp_path / "copy")
    assert (tmp_path / "copy" / "a.py").read_text() == "a = 5\n"


def test_what_is_read_is_what_an_independent_reader_finds(house: Path) -> None:
    """GitPython, which parses trees itself. In place of our plumbing it would not do: the git that it runs starts the
    programs that a repository's config names, core.fsmonitor among them.
    """
    from git import Repo

    odd = {"ü b.py": "c = 3\r\n", "pkg/empty.py": "", "-x/y z": "\0\n"}
    (house / "link").symlink_to("a.py")
    (house / "a.py").chmod(0o755)
    sha = commit(house, odd)
    git(house, "gc", "-q")
    checkout = open_repository(house)
    found = {file.path: (file.mode, file.blob) for file in tracked(checkout)}
    contents = dict(blobs(checkout, [blob for _, blob in found.values()]))
    held = sizes(checkout, contents)
    with Repo(house) as theirs:
        items = [item for item in theirs.commit(sha).tree.traverse() if item.type == "blob"]
        assert found == {str(item.path): (f"{item.mode:o}", item.hexsha) for item in items}
        assert held == {item.hexsha: item.size for item in items}
        assert contents == {item.hexsha: item.data_stream.read() for item in items}
    assert len(found) == 6
