"""Test runners: how the tests of a repository of one's own are recognised, installed, run and read."""

from sera_cli.errors import ConfigError
from sera_cli.evaluate.runners.cargo import Cargo
from sera_cli.evaluate.runners.django import Django
from sera_cli.evaluate.runners.go import Go
from sera_cli.evaluate.runners.jest import Jest, Vitest
from sera_cli.evaluate.runners.node import Node
from sera_cli.evaluate.runners.pytest import Pytest
from sera_cli.evaluate.runners.runner import Runner, Tree
from sera_cli.evaluate.runners.unittest import Unittest

RUNNERS: tuple[Runner, ...] = (Django(), Pytest(), Unittest(), Jest(), Vitest(), Node(), Go(), Cargo())
"""Where a repository suits several, the first of these runs its tests."""


def choose(tree: Tree, name: str = "") -> Runner | None:
    """The runner called `name`, else the first one that suits the repository; None where none does.

    Raises ConfigError for a name that no runner has.
    """
    if not name:
        return next((runner for runner in RUNNERS if runner.suits(tree)), None)
    for runner in RUNNERS:
        if runner.name == name:
            return runner
    raise ConfigError(f"no test runner is called {name}; say {', '.join(runner.name for runner in RUNNERS)}")
