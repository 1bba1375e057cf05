"""The test runners: what they take for theirs, what they ask to be installed, what they run, and how that is read."""

import json
import shutil
from pathlib import Path
from subprocess import run

import pytest

from sera_cli.errors import ConfigError
from sera_cli.evaluate import swebench
from sera_cli.evaluate.flaky import tried
from sera_cli.evaluate.local import LocalPlace
from sera_cli.evaluate.runners import RUNNERS, choose, packaging
from sera_cli.evaluate.runners.cargo import Cargo
from sera_cli.evaluate.runners.django import Django
from sera_cli.evaluate.runners.go import Go
from sera_cli.evaluate.runners.jest import TOLD, Jest, Vitest
from sera_cli.evaluate.runners.node import Node
from sera_cli.evaluate.runners.pytest import Pytest
from sera_cli.evaluate.runners.runner import Tree, tree
from sera_cli.evaluate.runners.unittest import NAMED, Unittest
from sera_cli.evaluate.toolchains import toolchain
from sera_cli.harness.sandbox import bubblewrap
from tests import owned

pytest.importorskip("swebench")


def of(files: dict[str, str] | None = None) -> Tree:
    named = files or {}
    return Tree(frozenset(named), lambda path: named.get(path, ""))


def pyproject(text: str, *others: str) -> Tree:
    """A tree with this pyproject.toml, and other files that are empty."""
    return of({"pyproject.toml": text} | dict.fromkeys(others, ""))


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"tests/test_a.py": "def test_a(): pass"}, "pytest"),
        ({"tests/test_a.py": "from unittest import TestCase"}, "unittest"),
        ({"tests/test_a.py": "from unittest import TestCase", "setup.cfg": "[tool:pytest]"}, "pytest"),
        ({"tests/runtests.py": "import django  # --verbosity", "tests/a/tests.py": "def test_a(): pass"}, "django"),
        ({"tests/runtests.py": "import pytest", "tests/test_a.py": "def test_a(): pass"}, "pytest"),
        ({"web/manage.py": "import django", "web/shop/tests.py": "from django.test import TestCase"}, "django"),
        ({"manage.py": "import django", "shop/tests.py": "TestCase", "tox.ini": "pytest"}, "pytest"),
        ({"manage.py": "", "shop/tests.py": "TestCase"}, "unittest"),
        ({"package.json": '{"devDependencies": {"jest": "29"}}', "a.test.js": ""}, "jest"),
        ({"web/package.json": '{"scripts": {"test": "vitest run"}}', "web/a.spec.ts": ""}, "vitest"),
        ({"package.json": '{"scripts": {"test": "node --test"}}', "test/a.js": ""}, "node"),
        ({"go.mod": "module a", "b/a_test.go": ""}, "go"),
        ({"Cargo.toml": "", "src/lib.rs": "#[test]\nfn a() {}"}, "cargo"),
        ({"package.json": "not JSON", "README.md": "pytest"}, None),
    ],
)
def test_the_first_runner_that_suits_is_chosen(files: dict[str, str], name: str | None) -> None:
    chosen = choose(of(files))
    assert (chosen.name if chosen else None) == name


def test_a_runner_that_nobody_knows_is_told_with_those_there_are() -> None:
    assert isinstance(choose(of(), "cargo"), Cargo)
    with pytest.raises(ConfigError, match="no test runner is called nose; say django, pytest, unittest, jest"):
        choose(of(), "nose")


def test_each_runner_names_a_log_parser_that_swebench_has() -> None:
    assert {runner.parser for runner in RUNNERS} <= set(swebench.parsers())


@pytest.mark.parametrize(
    ("runner", "tests", "others"),
    [
        (Pytest(), ["test_a.py", "a/b_test.py", "app/tests.py"], ["conftest.py", "tests/__init__.py", "latest.py"]),
        (Jest(), ["a.test.ts", "a/b.spec.jsx", "src/__tests__/a.js"],
         ["__tests__/fixtures/a.js", "__tests__/__snapshots__/a.js", "node_modules/x/a.test.js", "a.test.d.ts"]),
        (Node(), ["test/a.js", "test.mjs", "a_test.js", "x.test.cjs"], ["test/fixtures/a.js", "contest.js", "a.js"]),
        (Go(), ["a_test.go", "x/y_test.go"], ["a.go", "testdata/a_test.go", "test.go"]),
        (Cargo(), ["tests/a.rs", "crates/x/tests/it/main.rs", "src/tests.rs", "src/a_test.rs"], ["src/latest.rs"]),
    ],
)  # fmt: skip
def test_test_files_are_known_by_the_conventions_of_their_runner(
    runner: Pytest | Jest | Node | Go | Cargo, tests: list[str], others: list[str]
) -> None:
    assert [path for path in [*tests, *others] if runner.is_test(path)] == tests


def test_a_python_repository_says_what_it_needs() -> None:
    config = Pytest().config(pyproject(
        '[project]\nname = "a"\nrequires-python = ">=3.9"\noptional-dependencies = {test = ["pytest"], docs = []}\n',
        "requirements.txt", "requirements/tests.txt", "requirements/docs.txt"))  # fmt: skip
    assert (config.language, config.python, config.packages) == ("python", "3.12", "requirements.txt")
    assert config.reqs_path == ("requirements.txt", "requirements/tests.txt")
    assert config.install == "python -m pip install -e .[test]"
    assert config.pip_packages == ("pytest",)
    assert config.test_cmd.startswith("python -m pytest -rA ")
    assert config.log_parser == "parse_log_pytest"


def test_what_is_only_for_developing_is_taken_where_nothing_is_for_testing() -> None:
    dev = pyproject("[project]\nname = 'a'\n[project.optional-dependencies]\ndev = []\n", "docs/requirements.txt")
    config = packaging.config(dev, "", "")
    assert (config.install, config.reqs_path) == ("python -m pip install -e .[dev]", ())
    lists = {"dev-requirements.txt": "", "requirements/docs.txt": ""}
    assert packaging.config(of(lists), "", "").reqs_path == ("dev-requirements.txt",)
    assert packaging.config(of(lists | {"tests/requirements.txt": ""}), "", "").reqs_path == ("tests/requirements.txt",)


def test_what_builds_compiled_sources_is_installed_with_them() -> None:
    build = '[build-system]\nrequires = ["setuptools", "cython>=3"]\n'
    assert packaging.config(pyproject(build, "setup.py", "a/b.pyx"), "", "").pip_packages == ("setuptools", "cython>=3")
    assert packaging.config(pyproject(build, "setup.py", "a/b.py"), "", "").pip_packages == ()


def test_dependency_groups_may_include_others() -> None:
    groups = '[dependency-groups]\nbase = ["attrs", "pytest>=8"]\ntest = [{include-group = "base"}, "hypothesis"]\n'
    config = Pytest().config(pyproject(groups))
    assert config.pip_packages == ("attrs", "pytest>=8", "hypothesis")
    assert config.install == ""
    circle = '[dependency-groups]\na = [{include-group = "test"}]\ntest = ["x", {include-group = "a"}]\n'
    assert packaging.config(pyproject(circle), "", "").pip_packages == ("x",)


def test_poetry_says_versions_in_its_own_way() -> None:
    poetry = (
        '[build-system]\n[tool.poetry.dependencies]\npython = "^3.11"\n[tool.poetry.group.test.dependencies]\n'
        'pytest = "^8.1"\nattrs = "*"\nsix = {version = "1.16.0"}\n'
    )
    config = Pytest().config(pyproject(poetry))
    assert config.pip_packages == ("pytest>=8.1", "attrs", "six==1.16.0")
    assert config.python == "3.12"


def test_of_what_only_setup_py_could_tell_the_likely_extras_are_asked_for() -> None:
    unknown = packaging.config(of({"setup.py": "setup(extras_require=extras)"}), "", "")
    assert unknown.install.endswith("-e .[test,tests,testing]")
    setup = of({"setup.py": "setup()", "setup.cfg": "[options.extras_require]\ntests =\n    pytest\n"})
    assert packaging.config(setup, "", "").install.endswith("-e .[tests]")


@pytest.mark.parametrize(
    ("files", "pythons"),
    [
        ({".python-version": "3.10.4\n"}, ("3.10",)),
        ({"setup.py": "python_requires='>=3.8, <3.10'"}, ("3.9", "3.8")),
        ({"setup.cfg": "python_requires = ~=3.8.1\n"}, ("3.8",)),
        ({"setup.cfg": "Programming Language :: Python :: 3.7\nProgramming Language :: Python :: 3.8"},
         ("3.8", "3.7")),
        ({"pyproject.toml": '[project]\nrequires-python = ">3.11,!=3.12"'}, ("3.13", "3.14")),
        ({}, packaging.RELEASES),
    ],
)  # fmt: skip
def test_the_pythons_are_those_that_the_repository_names_or_allows(
    files: dict[str, str], pythons: tuple[str, ...]
) -> None:
    assert packaging.pythons(of(files)) == pythons


def test_packages_of_javascript_are_installed_as_their_lock_says() -> None:
    needs = '{"devDependencies": {"jest": "29"}}'
    assert Jest().config(of({"package.json": needs})).install == "npm install --ignore-scripts"
    assert Jest().config(of({"package.json": needs, "package-lock.json": ""})).install == "npm ci --ignore-scripts"
    assert Jest().config(of({"package.json": "{}"})).install == ""


def test_javascript_tests_run_in_the_package_they_belong_to() -> None:
    files = of({"package.json": '{"workspaces": ["a", "b"]}', "a/package.json": '{"jest": {}}', "b/package.json": "{}"})
    command = Jest().command(files, ["a/src/x.test.js", "b/y.test.js"])
    assert "(cd . && rm -f /tmp/results.json; npx --no-install jest" in command
    assert "--runTestsByPath b/y.test.js;" in command
    assert "(cd a && " in command and "--runTestsByPath src/x.test.js;" in command
    assert "vitest run " in Vitest().command(files, ["a/src/x.test.js"])


def test_the_words_of_jest_are_read_by_swebench(tmp_path: Path) -> None:
    """What jest 29 wrote for these tests, by the program that tells it."""
    if not shutil.which("node"):
        pytest.skip("node is not on this machine")
    tests = [
        {"ancestorTitles": ["group", "deep"], "status": "failed", "title": "in\nner"},
        {"ancestorTitles": [], "status": "passed", "title": "alone"},
        {"ancestorTitles": [], "status": "pending", "title": "no"},
    ]
    suites = [{"name": "/testbed/src/a.test.js", "assertionResults": tests}, {"name": "b.js", "assertionResults": []}]
    (tmp_path / "results.json").write_text(json.dumps({"testResults": suites}))
    said = run(["node", "-e", TOLD, tmp_path / "results.json"], capture_output=True, text=True, check=True).stdout
    assert swebench.parsers()["parse_log_jest_json"](said, None) == {
        "src/a.test.js > group > deep > in ner": "FAILED", "src/a.test.js > alone": "PASSED",
    }  # fmt: skip


def test_a_rust_test_that_does_not_compile_takes_no_other_along() -> None:
    tests = ["tests/a.rs", "x/tests/it/main.rs", "x/src/tests.rs", "x/tests/common/mod.rs"]
    files = of(dict.fromkeys(["Cargo.toml", "x/Cargo.toml", *tests], ""))
    command = Cargo().command(files, tests)
    assert [part.partition(" 2>&1")[0] for part in command.split("; (")] == [
        "(cd . && cargo test --offline --no-fail-fast --test=a",
        "cd x && cargo test --offline --no-fail-fast ",
        "cd x && cargo test --offline --no-fail-fast --test=it",
    ]


def test_go_packages_are_tested_in_their_module() -> None:
    files = of({"go.mod": "", "a_test.go": "", "tool/go.mod": "", "tool/x/b_test.go": ""})
    command = Go().command(files, ["a_test.go", "tool/x/b_test.go"])
    assert "(cd . && go test -v -count=1 ./. " in command
    assert "(cd tool && go test -v -count=1 ./x " in command


def test_rust_tests_in_files_of_code_are_run_with_the_programs_of_their_crate() -> None:
    files = of(dict.fromkeys(["x/Cargo.toml", "x/src/lib.rs", "x/src/bin/a.rs", "x/src/a.rs", "y/Cargo.toml"], ""))
    assert "(cd x && cargo test --offline --no-fail-fast --lib --bins 2>&1" in Cargo().command(files, ["x/src/a.rs"])
    assert "(cd y && cargo test --offline --no-fail-fast  2>&1" in Cargo().command(files, ["y/core/a.rs"])
    named = of({"Cargo.toml": '[lib]\npath = "src/own.rs"\n', "src/own.rs": "", "src/main.rs": ""})
    assert " --lib --bins 2>&1" in Cargo().command(named, ["src/own.rs"])


def test_rust_tests_that_a_crate_names_are_run_by_that_name() -> None:
    files = of({
        "Cargo.toml": '[package]\nautotests = false\n[[test]]\nname = "all"\npath = "tests/tests.rs"\n',
        "tests/tests.rs": "", "tests/a.rs": ""})  # fmt: skip
    assert " --test=all 2>&1" in Cargo().command(files, ["tests/tests.rs"])
    assert " --test='*' 2>&1" in Cargo().command(files, ["tests/a.rs"])


def test_django_is_given_modules_seen_from_its_suite_or_the_project() -> None:
    suite = of({"tests/runtests.py": "django --verbosity", "tests/test_sqlite.py": ""})
    assert Django().command(suite, ["tests/queries/test_q.py", "tests/mail/tests.py"]).startswith(
        "python -u tests/runtests.py --verbosity 2 --parallel 1 --settings=test_sqlite "
        "queries.test_q mail.tests 2>&1 | ")
    project = of({"web/manage.py": "django"})
    assert Django().command(project, ["web/shop/tests.py"]).startswith(
        "(cd web && python -u manage.py test --verbosity 2 --parallel 1 --noinput shop.tests 2>&1 | ")


def test_the_suite_of_django_says_what_it_needs() -> None:
    suite = {"tests/runtests.py": "django --verbosity", "tests/requirements/py3.txt": "asgiref", "setup.py": ""}
    config = Django().config(of(suite))
    assert (config.packages, config.reqs_path) == ("requirements.txt", ("tests/requirements/py3.txt",))
    assert Django().config(of({"web/manage.py": "django"})).reqs_path == ()


def test_a_test_of_unittest_is_called_by_its_name_and_not_by_its_docstring() -> None:
    said = ("test_a (m.C.test_a)\nCounts ... all. ... ok\ntest_b (m.C.test_b) ... FAIL\ntest_c (m.C.test_c)\n"
            "Fails. ... noise\nok\n")
    told = run(["bash", "-c", f"cat | {NAMED}"], input=said, capture_output=True, text=True, check=True).stdout
    assert swebench.parsers()["parse_log_django"](told, None) == {
        "test_a (m.C.test_a)": "PASSED", "test_b (m.C.test_b)": "FAILED", "test_c (m.C.test_c)": "PASSED"}


def test_what_a_go_module_depends_on_is_fetched_unless_the_repository_holds_it() -> None:
    needing = "module a\n\nrequire example.com/b v1.0.0\n"
    files = {"go.mod": "module a\n", "x/go.mod": needing, "y/go.mod": needing, "y/vendor/modules.txt": ""}
    assert Go().config(of(files)).install == "(cd x && go mod download)"
    assert "(cd y && go test -v -count=1 -mod=vendor ./. 2>&1" in Go().command(of(files), ["y/a_test.go"])
    assert "(cd . && go test -v -count=1 ./. 2>&1" in Go().command(of(files), ["a_test.go"])


def test_a_folder_is_read_as_a_tree(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "go.mod").write_bytes(b"module \xff")
    found = tree(tmp_path)
    assert found.files == {"a/go.mod"}
    assert (found.text("a/go.mod"), found.text("b"), found.text(".git/HEAD")) == ("module \ufffd", "", "")
    assert (found.nearest("go.mod", "a/b/c.go"), found.nearest("go.mod", "c.go")) == ("a", None)


LANGUAGES = [
    (owned.UNITTEST, "python", ["test_sum (tests.test_own.Sum"], 1),
    (owned.NODE, "node", ["test/sum.test.js > sum > adds"], 2),
    (owned.GO, "go", ["sum.TestSum", "sum.TestSum/two_and_two"], 2),
    (owned.VENDORED, "go", ["sum.TestSum", "sum.TestSum/two_and_two"], 2),
    (owned.CARGO, "cargo", ["tests/sum.rs::adds"], 2),
]


@pytest.mark.parametrize(("of_own", "program", "fixed", "kept"), LANGUAGES, ids=[one[1] for one in LANGUAGES])
def test_a_change_is_tried_for_real_in_each_language(
    of_own: owned.Owned, program: str, fixed: list[str], kept: int, tmp_path: Path
) -> None:
    """Two suites, packages or programs have a test of the same name, and one test prints what a log would say."""
    if program != "python" and not shutil.which(program):
        pytest.skip(f"{program} is not on this machine")
    if problem := bubblewrap.probe():
        pytest.skip(problem)
    instance = owned.instance(tmp_path / "repo", of_own)
    assert instance.install_config is not None
    place = LocalPlace(tmp_path / "repo", toolchain(instance.install_config.language), tmp_path / "scratch")
    found = tried(instance, place, runs=1)
    assert (found.reason, found.detail, found.flaky) == ("", "", ())
    assert [test[: len(start)] for test, start in zip(found.fail_to_pass, fixed, strict=True)] == fixed
    assert len(found.pass_to_pass) == kept


def test_pytest_goes_on_after_a_file_that_cannot_be_imported() -> None:
    pytest_command = Pytest().command(of(), ["tests/test_a.py", "tests/test b.py"])
    assert pytest_command.endswith("-p no:cacheprovider tests/test_a.py 'tests/test b.py'")
    assert "--continue-on-collection-errors" in pytest_command and "--maxfail=0" in pytest_command
    assert Unittest().command(of(), ["tests/test_a.py"]).startswith(
        "python -m unittest -v -b tests/test_a.py 2>&1 | awk ")
