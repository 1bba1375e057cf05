"""`sera`, and `python -m sera_cli`: runs a command and turns what ends it early into one line and an exit code."""

import errno
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from io import TextIOWrapper
from typing import Any

import typer

from sera_cli.cli.app import app
from sera_cli.console import document, say, urgent
from sera_cli.errors import SeraError

STOPPED = "stopped: what was done is kept; the same command goes on (again: at once)"
"""A single row of a terminal of 80 columns."""

OVER = "stopped (again: at once)"
GOING_ON = {"specialize", "mine", "generate", "prepare", "train", "eval", "bench"}
"""Verbs that go on from what they did before: those of a run, and of an evaluation."""

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

NOT_OURS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOLCK, errno.ENOSYS, errno.EMFILE}
"""What a disk refuses, locks too, and what `ulimit -n` does: the user's to mend, so one line tells it and not a
traceback.
"""

TRAINING = {
    "accelerate", "datasets", "huggingface_hub", "peft", "safetensors", "tokenizers", "torch", "transformers", "trl",
}  # fmt: skip
"""Packages of the extra `train`: without them sera does all but prepare, train and chat."""


def main(arguments: Sequence[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    listen(STOPPED if GOING_ON.intersection(words[:1]) else OVER)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal has every letter
    sys.exit(run(words))


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command: 0, that of its error, 2 for a wrong command line, 130 after Ctrl-C."""
    as_json = "--json" in arguments
    try:
        return int(app(args=list(arguments), prog_name="sera", standalone_mode=False) or 0)
    except SeraError as error:
        return failed(str(error), error.code, type(error).__name__, as_json=as_json, beside=error.beside())
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            say(error.format_message())
            return error.exit_code
        return failed(usage(error), error.exit_code, "UsageError", as_json=as_json)
    except typer.Abort:
        return failed("stopped: no answer; nothing was done", 1, "Abort", as_json=as_json)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in TRAINING:
            raise
        return failed(f"{error.name} is not installed; run: pip install 'sera[train]'", 1, "Missing", as_json=as_json)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{error.strerror}; mend that and run the same command again, what was done is kept"
        return failed(text, 1, "OSError", as_json=as_json)


def failed(text: str, code: int, kind: str, *, as_json: bool, beside: Mapping[str, Any] | None = None) -> int:
    text = "; ".join(text.splitlines())
    say(f"error: {text}", prose=True)
    if not as_json:
        return code
    with suppress(OSError):  # where stdout takes no more, nobody is told twice
        document({"error": {"kind": kind, "code": code, "message": text, **(beside or {})}})
    return code


def usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return error.format_message().rstrip(".") + (f"; see `{context.command_path} --help`" if context else "")


def listen(said: str) -> None:
    """Ctrl-C, SIGTERM and a terminal that is gone are answered by what is `said`, and unwind once, so that `with` and
    `finally` tidy up; the second of them ends the process at once. What nohup has sera not hear it does not hear.
    """
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, partial(stop, said))


def stop(said: str, number: int, _: object) -> None:
    for each in ENDS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, end)
    with suppress(OSError):  # nobody reads any more
        urgent(said)
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def end(number: int, _: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
