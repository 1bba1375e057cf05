"""Tests that `cargo test` runs: those in a crate's tests/ one by one, those beside its code all together."""

import re
import tomllib
from collections.abc import Sequence
from posixpath import dirname
from shlex import quote
from typing import Any

from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners.runner import Tree

# What a test is called is unique in its own program only, so the program stands before it; tests in documentation
# have spaces in their names.
NAMED = (
    """awk '/^ *(Running|Doc-tests) /{p=$2; if (p=="unittests") p=$3} """
    """/^test .* \\.\\.\\. /{n=$0; sub(/^test /,"",n); s=n; sub(/ \\.\\.\\. .*$/,"",n); sub(/^.* \\.\\.\\. /,"",s); """
    """gsub(/ /,"_",n); print "test " p "::" n " ... " s; next} {print}'"""
)
TEST = "(cd {crate} && cargo test --offline --no-fail-fast {target} 2>&1 | {named})"


class Cargo:
    name = "cargo"
    language = "rust"
    parser = "parse_log_cargo"
    inside = True

    def suits(self, tree: Tree) -> bool:
        crates = any(path.rpartition("/")[2] == "Cargo.toml" for path in tree.files)
        return crates and any(
            self.is_test(path) or "#[test]" in tree.text(path) for path in sorted(tree.files) if path.endswith(".rs")
        )

    def is_test(self, path: str) -> bool:
        """Tests may also stand inside a file of code; such a file is none."""
        return re.search(r"(?:^|/)(?:tests/.*[^/]|tests?|[^/]*_tests?)\.rs$", path) is not None

    def config(self, tree: Tree) -> InstallConfig:
        crates = sorted({dirname(path) for path in tree.files if path.rpartition("/")[2] == "Cargo.toml"}, key=len)
        fetch = f"(cd {quote(crates[0] or '.')} && cargo fetch)" if crates else ""
        return InstallConfig(
            language="rust", install=fetch, test_cmd="cargo test --no-fail-fast", log_parser=self.parser)

    def command(self, tree: Tree, tests: Sequence[str]) -> str:
        """One program after the other: what does not compile takes no other along."""
        there = Tree(tree.files | {*tests}, tree.text)
        wanted = {(there.nearest("Cargo.toml", path) or ".", _target(there, path)) for path in tests}
        return "; ".join(
            TEST.format(crate=quote(crate), target=target, named=NAMED)
            for crate, target in sorted(wanted)
        )


def _target(tree: Tree, path: str) -> str:
    """What names the programs that a file is part of: those of the crate's tests/, or of its src/; empty for what is
    part of others.
    """
    crate = tree.nearest("Cargo.toml", path) or ""
    inner = path[len(crate) :].lstrip("/")
    root = path.removesuffix(inner)
    if inner.startswith("tests/"):
        return _of_tests(tree, root, inner)
    if not inner.startswith("src/"):
        return ""
    said = _manifest(tree, root)
    library = "lib" in said or f"{root}src/lib.rs" in tree.files
    programs = any(one == f"{root}src/main.rs" or one.startswith(f"{root}src/bin/") for one in tree.files)
    return " ".join(["--lib"] * library + ["--bins"] * ("bin" in said or programs))


def _of_tests(tree: Tree, root: str, inner: str) -> str:
    """A file of tests/ is a program if the crate says so, or says nothing else, and it lies where they do; what is
    neither is part of them all.
    """
    said = _manifest(tree, root)
    for one in said.get("test", []):
        if one.get("path", f"tests/{one.get('name')}.rs") == inner:
            return f"--test={quote(str(one.get('name')))}"
    found = re.fullmatch(r"tests/([^/]+?)(?:\.rs|/(.+))", inner)
    alone = found and (not found[2] or f"{root}tests/{found[1]}/main.rs" in tree.files)
    own = alone and said.get("package", {}).get("autotests", True)
    return f"--test={quote(found[1])}" if found and own else "--test='*'" if said.get("test") else ""


def _manifest(tree: Tree, root: str) -> dict[str, Any]:
    try:
        return tomllib.loads(tree.text(f"{root}Cargo.toml"))
    except tomllib.TOMLDecodeError:
        return {}
