"""How a local vLLM is started, by which words and in which environment, and what its log says of its end."""

import re
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sera_cli import templates
from sera_cli.errors import ConfigError
from sera_cli.harness import strays
from sera_cli.redact import redact
from sera_cli.types import Value

QUIET = {
    "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "RAY_USAGE_STATS_ENABLED": "0",
    "SPT_NOENV": "1",
}  # fmt: skip
"""No usage statistics. The last keeps a process that renames itself from writing over the mark in its environment."""

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASS(WORD|WD|PHRASE)?|CREDENTIALS?|AUTH)S?(_|$)", re.IGNORECASE)
FETCHING = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""What may hold a secret and stays where weights may be fetched: it takes them from the hub."""

WORDS = re.compile(r"^(?:\([^)]*\) ?)*(?:[A-Z]+ \d[\d: -]*\[[^]]*\] ?|[A-Z]+: +)?(.*)$")
"""What a line says, after who wrote it, how grave it is, when and where."""
ERROR = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt): .|^[\w. -]+: error: .|^cannot start ")
ELSEWHERE = ("root cause", "initialization failed")
"""What vLLM says where the reason stands further up."""

COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Order(Value):
    """What is to be served, by which command line, under which name, and the file that the server's log goes to.

    `offline`: it fetches nothing.
    """

    command: tuple[str, ...]
    model: str
    name: str
    log: Path
    flags: tuple[str, ...] = ()
    offline: bool = False

    def words(self, place: Path) -> list[str]:
        """The command line of a server that listens at a socket of this machine's files."""
        where = ["--uds", str(place), "--served-model-name", self.name]
        return [*self.command, "serve", self.model, *where, *self.flags]


def order(
    model: str, log: Path, environ: Mapping[str, str], *, flags: Sequence[str] = (), offline: bool = False
) -> Order:
    """How to serve a Hugging Face id or a folder. Raises ConfigError where there is no vLLM, or no such folder."""
    folder = Path(model).expanduser()
    local = folder.is_dir()
    if not local and model.startswith(("/", "~", "./", "../")):
        raise ConfigError(f"there is no folder {model} to serve a model from")
    name = folder.resolve().name if local else model
    return Order(
        command=command(environ), model=str(folder.resolve()) if local else model, name=name, log=log,
        flags=(*usual(name), *flags), offline=offline,
    )  # fmt: skip


def command(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The words that start vLLM: SERA_VLLM_CMD, else the `vllm` on PATH."""
    said = environ.get("SERA_VLLM_CMD", "").strip()
    started = words(said, "SERA_VLLM_CMD") or ["vllm"]
    if shutil.which(started[0], path=environ.get("PATH")) is None:
        raise ConfigError(
            f"{'SERA_VLLM_CMD names' if said else 'there is no'} {started[0]}{', which is not there' if said else ''}: "
            "install vLLM in an environment of its own and set SERA_VLLM_CMD to its vllm, such as /opt/vllm/bin/vllm"
        )
    return tuple(started)


def words(said: str, where: str) -> list[str]:
    """What is said somewhere, as a shell takes it apart. Raises ConfigError for quotes that do not close."""
    try:
        return shlex.split(said)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}; write it as you would in a shell") from error


def usual(name: str) -> tuple[str, ...]:
    """The flags for a model of that name, from templates/vllm.toml."""
    table = templates.table("vllm.toml")
    found = next(entry for entry in table["model"] if re.search(entry["pattern"], name, re.IGNORECASE))
    return (*table["always"], *found["flags"])


def environment(environ: Mapping[str, str], *, offline: bool) -> dict[str, str]:
    """What a server is started with: no key, no password, no usage statistics, and the mark of its owner."""
    kept = {
        name: value for name, value in environ.items()
        if not secret(name, value) or (name.upper() in FETCHING and not offline)
    }  # fmt: skip
    return kept | QUIET | (OFFLINE if offline else {}) | strays.mark()


def secret(name: str, value: str) -> bool:
    """Whether a variable holds a secret, by its name or as the password of an address."""
    return bool(SECRET.search(name)) or "@" in value.partition("://")[2].partition("/")[0]


def last_line(text: str) -> str:
    """The last line of a log that says anything; of one that is written over and over, what it says last."""
    return next((line for line in map(_plain, reversed(text.splitlines())) if line), "")


def complaint(text: str) -> str:
    """The line of a failed server's log that says why, redacted; its last one where none does."""
    lines = [_plain(line) for line in text.splitlines()]
    told = [_whole(lines, number) for number, line in enumerate(lines) if ERROR.match(line)]
    reasons = [line for line in told if not _elsewhere(line)] or told
    return redact(reasons[-1] if reasons else last_line(text))[:300]


def _plain(line: str) -> str:
    """What a line says, as it stands after its last carriage return."""
    clean = COLOURS.sub("", line).rstrip().rpartition("\r")[2]
    found = WORDS.match(clean)
    return found[1].rstrip() if found else clean


def _whole(lines: Sequence[str], number: int) -> str:
    """An error, with the line below where it only counts what is told there."""
    line = lines[number]
    if re.search(r"\d+ validation errors? for", line):
        below: Iterable[str] = lines[number + 1 : number + 3]
        line = next((text for text in below if text.startswith("  ")), line)
    return line.partition(" [type=")[0].strip()


def _elsewhere(line: str) -> bool:
    return any(word in line for word in ELSEWHERE)
