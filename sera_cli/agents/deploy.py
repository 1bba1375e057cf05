"""An agent on machines with a GPU that are not this one: a Modal app, or a folder for docker compose on one's own host.

There vLLM answers by itself, with the parser, template and limits of the agent's card, and asks for a key.
"""

import os
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sera_cli import templates
from sera_cli.agents.export import KEPT_HERE
from sera_cli.agents.serving.stand import Served, settings
from sera_cli.errors import ConfigError, DataError
from sera_cli.harness.vllm.launch import usual
from sera_cli.types import Value

ENGINE = "vllm/vllm-openai:v0.32.0"
AGENT, BASE = "/agent", "/base"
"""Where the agent's weights are there, and those of a base that is on no hub: below a root, if there is one."""

WEIGHTS = "/weights"
VOLUME = "sera-weights"
"""A volume of Modal's, and where an app sees it."""

GPU = re.compile(r"([A-Za-z0-9-]+!?)(?::([1-8]))?")
KEY = "VLLM_API_KEY"


class Place(Value):
    """A folder of weights: where it is here, and where it is there."""

    here: str
    there: str


class Deployment(Value):
    """What is to run elsewhere: the command that serves the agent, and the folders that must go there."""

    agent: str
    app: str
    command: tuple[str, ...]
    places: tuple[Place, ...]
    gpus: int = 1

    @property
    def secret(self) -> str:
        return f"{self.app}-key"


def deployment(served: Served, gpus: int = 1, root: str = "") -> Deployment:
    """How vLLM serves the agent there, on so many GPUs of one machine. Its base comes from the hub, or from here.

    Weights are in folders below `root`.
    """
    here = Path(served.base).is_dir() if served.adapter else False
    places = [Place(here=str(served.weights), there=root + AGENT)]
    places += [Place(here=served.base, there=root + BASE)] if here else []
    model = (root + BASE if here else served.base) if served.adapter else root + AGENT
    name = Path(served.base).name if served.adapter else served.name
    flags = [*usual(name), *settings([served], lambda _: root + AGENT)]
    several = ["--tensor-parallel-size", str(gpus)] if gpus > 1 else []
    where = ["--host", "0.0.0.0", "--port", "8000", "--served-model-name", name]
    return Deployment(
        agent=served.name, app=f"sera-{served.card.name}".lower().replace(".", "-").replace("_", "-"),
        command=("vllm", "serve", model, *where, *_last([*flags, *several])), places=tuple(places), gpus=gpus,
    )  # fmt: skip


def modal(served: Served, gpu: str, others: Sequence[str] = ()) -> tuple[Deployment, str]:
    """A Modal app in Python. `others` are secrets of Modal beside the key's, such as one with HF_TOKEN.

    Raises ConfigError for what is no kind of GPU.
    """
    made = deployment(served, counted(gpu), f"{WEIGHTS}/{served.card.name}-{served.card.version}")
    return made, templates.render(
        "deploy/modal.jinja", agent=made.agent, app=made.app, command=made.command, engine=ENGINE, gpu=gpu,
        secret=made.secret, secrets=[made.secret, *others], weights=WEIGHTS, volume=VOLUME,
    ) + "\n"  # fmt: skip


def uploads(made: Deployment) -> list[list[str]]:
    """What Modal's tool is told so that the weights are in its volume; what is there already needs no second time."""
    puts = (["put", VOLUME, place.here, place.there.removeprefix(WEIGHTS)] for place in made.places)
    return [["volume", *words] for words in (["create", VOLUME], *puts)]


def counted(gpu: str) -> int:
    """How many GPUs `H100:2` means. Raises ConfigError for what is no such word."""
    found = GPU.fullmatch(gpu)
    if not found:
        raise ConfigError(f"--gpu {gpu}: name a kind of GPU, or several of one machine, as in H100 or H100:2")
    return int(found[2] or 1)


def compose(made: Deployment, out: Path, key: str = "") -> str:
    """Writes a folder with a compose file, the weights, and a `.env` for its owner alone; returns the key in it.

    The folder appears whole or not at all. Raises ConfigError where it is there, DataError where the disk refuses.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already; name a folder that is not, with --out")
    key = key or secrets.token_urlsafe(24)
    there = [Place(here=f".{place.there}", there=place.there) for place in made.places]
    text = templates.render(
        "deploy/compose.jinja", agent=made.agent, command=made.command, places=there, engine=ENGINE, gpus=made.gpus)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".", suffix=".part", dir=out.parent, ignore_cleanup_errors=True) as place:
            part = Path(place) / "deploy"
            part.mkdir()
            for one, to in zip(made.places, there, strict=True):
                shutil.copytree(one.here, part / to.here, ignore=shutil.ignore_patterns(*KEPT_HERE))
            (part / "compose.yaml").write_text(text + "\n", encoding="utf-8")
            with os.fdopen(os.open(part / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(f"COMPOSE_PROJECT_NAME={made.app}\n{KEY}='{key}'\nHF_TOKEN=\nSERA_BIND=127.0.0.1\nSERA_PORT=8000\n")
            part.rename(out)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{reason}; nothing was written", out) from error
    return key


def size(made: Deployment) -> int:
    """Bytes of the weights that would go there."""
    files = (file for place in made.places for file in Path(place.here).rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in files)


def _last(words: Sequence[str]) -> list[str]:
    """Each flag once, as it is said last."""
    said: dict[str, list[str]] = {}
    flag = ""
    for word in words:
        if word.startswith("--"):
            flag = word
            said[flag] = []
        else:
            said[flag].append(word)
    return [word for flag, values in said.items() for word in (flag, *values)]
