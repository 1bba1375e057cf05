"""Runs a script in a sandbox and brings out what it printed, byte for byte, however much that was.

A Result keeps the beginning of an output, as text that was looked through for secrets; the summary of a test run stands
at the end. So the output goes into a file inside, through a pipe, as it would in a container. What the script leaves
running may hold the pipe open: the script's own end is what counts.
"""

import base64
import secrets

from sera_cli.errors import SandboxError
from sera_cli.harness.sandbox import ROOT, Result, Sandbox

PLACE = "/tmp/grading"
SCRIPT, LOG, PIPE = (f"{PLACE}/{name}" for name in ("tests.sh", "log", "pipe"))
RUN = (
    f"cd {ROOT} && rm -f {LOG} {PIPE} && mkfifo {PIPE} && {{{{ cat {PIPE} >{LOG} & }}}} && "
    f"{{{{ bash {SCRIPT}; builtin printf '\\n%s\\n' {{end}}; }}}} >{PIPE} 2>&1 </dev/null; "
    f"until [[ ! -f {LOG} ]] || grep -qaF {{end}} {LOG}; do sleep 0.1; done"
)
HALF = 8 << 20
"""Bytes that are kept of a long output's beginning, and of its end."""

LINE = 4096
"""Characters that are kept of a line: one of swebench's parsers takes the square of its length."""

READING = 300.0
"""Seconds for bringing out a part of it."""


def output(box: Sandbox, script: str, seconds: float) -> tuple[Result, str]:
    """Runs a bash script in the repository's folder; how that ended, and what it printed, also when it was killed.

    Bytes that are no UTF-8 are replaced, and lines cut at LINE. Of more than twice HALF the beginning and the end are
    kept, in whole lines. Where the script took away what it printed, that is nothing.
    """
    end = secrets.token_hex(16)
    box.write(SCRIPT, script)
    done = box.run(RUN.format(end=end), seconds)
    size = box.run(f"cat {LOG} | wc -c", READING).output.split()[-1:]
    printed = _joined(box, int(size[0])) if size and size[0].isdigit() else ""
    return done, "\n".join(line[:LINE] for line in printed.partition(f"\n{end}\n")[0].split("\n"))


def last(text: str) -> str:
    """The last line that says something, but for what a shell or swebench adds."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("+", ">>>>>"))]
    return lines[-1][:200] if lines else "nothing was printed"


def _joined(box: Sandbox, size: int) -> str:
    first = _part(box, f"head -c {HALF} {LOG}")
    if size <= HALF:
        return _text(first)
    last = _part(box, f"tail -c {min(HALF, size - HALF)} {LOG}")
    if size <= 2 * HALF:
        return _text(first + last)
    first, last = first[: first.rfind(b"\n") + 1], last[last.find(b"\n") + 1 :]
    left = size - len(first) - len(last)
    return _text(first) + f"[{left} bytes are left out here]\n" + _text(last)


def _part(box: Sandbox, command: str) -> bytes:
    """What a command prints, in letters that a sandbox hands out as they are."""
    part = f"{PLACE}/{secrets.token_hex(8)}"
    done = box.run(f"{command} | base64 >{part}", READING)
    if done.code == 127:
        raise SandboxError("grading needs base64, of coreutils, where the tests run; install it")
    try:
        return base64.b64decode(box.read(part))
    except FileNotFoundError:
        return b""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
