"""The Place seam: where an instance's environment comes from, and how its tests are run there."""

from typing import Protocol

from sera_cli.errors import SeraError
from sera_cli.evaluate.instance import Instance
from sera_cli.harness.sandbox import Sandbox


class Unprepared(SeraError):
    """There is no environment for an instance, and why, in one line: the instance is unvalidated, nobody failed."""


class Place(Protocol):
    name: str
    """`venv` or `docker`."""

    def prepare(self, instance: Instance) -> str:
        """Makes or finds the environment of an instance; the digest of what it is made of. Raises Unprepared."""
        ...

    def sandbox(self, instance: Instance) -> Sandbox:
        """The repository at the instance's commit, as one commit without history, in a place without a network whose
        commands find the environment: for rollouts and for grading alike. Not entered yet. Raises Unprepared.
        """
        ...

    def script(self, instance: Instance) -> str:
        """The bash that restores the tests, applies the test patch, and runs the tests between swebench's markers."""
        ...
