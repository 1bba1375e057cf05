import pytest
from hypothesis import given
from hypothesis import strategies as st

from sera_cli.errors import DataError
from sera_cli.evaluate.requirements import declared, of_conda, of_environment, of_file, words


def test_files_that_a_file_names_are_read_where_they_stand() -> None:
    files = {"req/dev.txt": "-r tests.txt\n--requirement ../base.txt\nmypy\n", "req/tests.txt": "pytest==7 # why\n",
             "base.txt": "click>=8 \\\n  --hash=sha256:ab\n-r req/dev.txt\n"}
    assert of_file("req/dev.txt", files.get) == ("pytest==7", "click>=8", "mypy")


def test_the_repository_itself_and_where_packages_come_from_are_left_out() -> None:
    text = "-e .\n.[test]\n-i https://example.org/simple\n--find-links x\n-c bounds.txt\n-e git+https://x/y#egg=y\nsix\n"
    assert of_file("a", {"a": text}.get) == ("-e git+https://x/y#egg=y", "six")


def test_a_package_that_the_index_no_longer_has_is_replaced() -> None:
    assert of_file("a", {"a": "types-pkg_resources==0.1.3\n"}.get) == ("types-setuptools",)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"req/none\.txt is not in the repository at that commit"):
        of_file("req/a.txt", {"req/a.txt": "-r none.txt"}.get)


@pytest.mark.parametrize(("wish", "line"), [
    ("numpy", "numpy"), ("numpy=1.23", "numpy==1.23.*"), ("numpy=1.23.4=py39_0", "numpy==1.23.4.*"),
    ("numpy==1.2", "numpy==1.2"),
    ("conda-forge::dask-core >=2021.1", "dask>=2021.1"), ("pandas >=1,<2", "pandas>=1,<2"), ("python>=3.9", ""),
    ("libnetcdf", ""), ("pip", ""), ("iris", "scitools-iris"), ("_libgcc_mutex", ""),
])  # fmt: skip
def test_a_package_of_conda_in_the_words_of_pip(wish: str, line: str) -> None:
    assert of_conda(wish) == line


def test_packages_on_a_command_line_may_be_in_quotes() -> None:
    assert words("'numpy==1.19.2' \"scipy<2\" cython pip") == ("numpy==1.19.2", "scipy<2", "cython")


def test_an_environment_of_conda_wants_of_conda_and_of_pip() -> None:
    text = "name: x\ndependencies:\n  - python=3.10\n  - numpy\n  - pip\n  - pip:\n    - numbagg\n    - -e .\n"
    assert of_environment(text) == (("numpy",), ("numbagg",))
    assert of_environment("") == ((), ())
    with pytest.raises(DataError, match="is no environment of conda"):
        of_environment("- a\n- b\n")


@given(st.text(max_size=80))
def test_no_text_of_a_file_is_too_much(text: str) -> None:
    assert all(line == line.strip() and line for line in of_file("a", {"a": text.replace("-r", "")}.get))


@pytest.mark.parametrize(("path", "text", "lines"), [
    ("pyproject.toml", '[project]\ndependencies = ["blinker>=1.6.2", "click"]\n', ("blinker>=1.6.2", "click")),
    ("pyproject.toml", "[project\n", ()),
    ("pyproject.toml", "project = 1\n", ()),
    ("setup.cfg", "[options]\ninstall_requires =\n    six >= 0.2\n    asgiref\n", ("asgiref", "six >= 0.2")),
    ("setup.cfg", "install_requires\n", ()),
    ("setup.py", "setup(install_requires=['mpmath>=0.19'])", ("mpmath>=0.19",)),
    ("setup.py", "INSTALL_REQUIRES = ['py', 'six>=1']\nsetup(install_requires=INSTALL_REQUIRES)", ("py", "six>=1")),
    ("setup.py", "print 'of another age'", ()),
])  # fmt: skip
def test_what_a_repository_declares_to_need_is_found_in_each_of_its_files(
    path: str, text: str, lines: tuple[str, ...]
) -> None:
    assert declared({path: text}.get) == lines
