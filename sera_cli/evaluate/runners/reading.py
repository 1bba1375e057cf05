"""What became of each test, read out of a log by the swebench package's parser of that name."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sera_cli.errors import DataError

Statuses = dict[str, str]
"""PASSED, FAILED, SKIPPED, ERROR or XFAIL by test."""


def statuses(log: str, parser: str) -> Statuses:
    """The status of each test that `log`, the text between swebench's markers, tells of.

    Raises DataError where there is no parser of that name, or no swebench.
    """
    return {test: str(status) for test, status in _parsers()[_known(parser)](log, None).items()}


def _known(parser: str) -> str:
    if parser not in _parsers():
        raise DataError(f"no log parser of swebench is called {parser or 'by no name'}; log_parser names one")
    return parser


@cache
def _parsers() -> dict[str, Callable[[str, Any], dict[str, str]]]:
    """By the name of the function; swebench's own map is by repository."""
    try:
        from swebench.harness.log_parsers import MAP_REPO_TO_PARSER, python
    except ImportError as error:
        raise DataError("grading needs the swebench package; pip install 'sera[eval]'") from error
    named = {name: function for name, function in vars(python).items() if name.startswith("parse_log_")}
    return {function.__name__: function for function in MAP_REPO_TO_PARSER.values()} | named
