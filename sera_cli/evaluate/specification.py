"""How an instance's environment is made and its tests are run: swebench's own words for the repositories it knows, the
row's for others.
"""

from sera_cli.types import Value, digest


class Specification(Value):
    """Commands are bash, run in the checkout; `requirements` are lines for pip. `python` is a version such as 3.9.

    `before` comes before the tests, `test_command` is whole, with the tests to run; `parser` is the name of the
    function of swebench that reads what they print. `sources` is the digest of the files that `install` goes by.
    """

    repo: str
    language: str = "python"
    python: str = ""
    requirements: tuple[str, ...] = ()
    pre_install: tuple[str, ...] = ()
    install: str = ""
    before: tuple[str, ...] = ()
    test_command: str = ""
    parser: str = ""
    sources: str = ""

    @property
    def digest(self) -> str:
        """Of all that decides what the environment holds; how the tests are run there is no part of it."""
        return digest(self.model_dump(mode="json", exclude={"before", "test_command", "parser"}), 16)
