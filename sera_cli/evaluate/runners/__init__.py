"""Test runners: how the tests of a repository of one's own are recognised, installed, run and read."""

from sera_cli.errors import ConfigError
from sera_cli.evaluate.runners.runner import Runner, Tree

RUNNERS: tuple[Runner, ...] = ()
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
