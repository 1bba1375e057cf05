"""The teacher of a run for as long as it is needed: its connections, and the server that sera starts for vllm:MODEL."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sera_cli.cli.job import Job
from sera_cli.errors import ConfigError

if TYPE_CHECKING:
    from sera_cli.harness.http.remote import Remote
    from sera_cli.harness.model import Teacher
    from sera_cli.harness.money.spend import Meter
    from sera_cli.harness.pace import Pace
    from sera_cli.harness.vllm.launch import Order

LOG = "vllm.log"

USUAL = {
    "openai": (("OPENAI_BASE_URL", "OPENAI_API_BASE"), "https://api.openai.com/v1"),
    "anthropic": (("ANTHROPIC_BASE_URL",), "https://api.anthropic.com"),
}
"""Where a kind of teacher is when no setting says so: what these variables say, else its maker's own address."""


@contextmanager
def teaching(
    job: Job, *, meter: "Meter | None" = None, pace: "Pace | None" = None, tell: Callable[[str], None] = lambda _: None
) -> Iterator["Teacher"]:
    """Makes the Model of each rollout: the one place that knows which kinds of teacher there are.

    The server of a vllm: teacher is started when the first Model is asked for, which `tell` hears of; on leaving it is
    gone, its GPU memory given back. Raises ConfigError for a teacher that cannot be, and Unreachable, on asking for a
    Model, for a server that does not come up.
    """
    match job.teacher.partition(":")[0]:
        case "rehearsal":
            from sera_cli.harness.money.metered import metered
            from sera_cli.harness.rehearsal import rehearsal

            yield metered(rehearsal, meter) if meter else rehearsal
        case "openai" | "anthropic":
            with closing(remote(job, addresses(job), meter=meter, pace=pace)) as teacher:
                yield teacher
        case "vllm":
            from sera_cli.harness.pace import Pace
            from sera_cli.harness.vllm.engine import URL, serving
            from sera_cli.harness.vllm.served import Served

            wanted = served(job)
            named = replace(job, teacher=f"vllm:{wanted.name}")
            with (
                serving(wanted, tell=tell, lazily=True) as engine,
                closing(remote(named, (URL,), meter=meter, pace=pace, socket=str(engine.socket))) as asked,
            ):

                def ready(seed: int) -> Served:
                    engine.ready(pace or Pace())
                    return Served(asked(seed), engine, pace)

                yield ready
        case _:
            raise ConfigError(
                f"no teacher is called {job.teacher!r}; use rehearsal, openai:MODEL, anthropic:MODEL or vllm:MODEL"
            )


def served(job: Job) -> "Order":
    """What the server of a vllm: teacher is to be. Raises ConfigError where there is no vLLM, or no such folder."""
    from sera_cli.harness.vllm.launch import order, words

    settings = job.config.teacher
    parallel = ["--tensor-parallel-size", str(settings.gpus)] if settings.gpus > 1 else []
    flags = [*parallel, *words(settings.flags, "teacher.flags")]
    model = job.teacher.partition(":")[2]
    return order(model, job.run.folder / LOG, os.environ, flags=flags, offline=job.config.privacy.offline)


def addresses(job: Job) -> tuple[str, ...]:
    """The base URLs of the teacher's servers; none of a rehearsal, or of a server that sera starts itself."""
    kind = job.teacher.partition(":")[0]
    if kind not in USUAL:
        return ()
    variables, own = USUAL[kind]
    usual = next((os.environ[name] for name in variables if os.environ.get(name)), own)
    return tuple((job.config.teacher.url or usual).split())


def remote(
    job: Job, urls: tuple[str, ...], *, meter: "Meter | None" = None, pace: "Pace | None" = None, socket: str = ""
) -> "Remote":
    """The teacher of `openai:MODEL` or `anthropic:MODEL`, or the model of `vllm:MODEL` that is served at `urls`, or at
    a `socket` of this machine.

    Close it at the end. Raises ConfigError for a key or a URL that cannot be one.
    """
    from sera_cli.harness.http.anthropic import Messages
    from sera_cli.harness.http.completions import Completions
    from sera_cli.harness.http.dialect import Dialect
    from sera_cli.harness.http.keys import key
    from sera_cli.harness.http.remote import Place, Remote, Terms
    from sera_cli.harness.vllm import gpu

    dialect: Dialect
    kind, _, name = job.teacher.partition(":")
    terms = Terms(**job.config.teacher.model_dump(include=set(Terms.model_fields)))
    match kind:
        case "openai":
            dialect, secret = Completions(), key("OPENAI_API_KEY", os.environ)
        case "vllm":
            dialect, secret = Completions(), ""
        case "anthropic":
            token = key("ANTHROPIC_AUTH_TOKEN", os.environ)
            dialect, secret = Messages(bearer=bool(token)), token or key("ANTHROPIC_API_KEY", os.environ)
        case _:
            raise ConfigError(f"no teacher behind HTTP is called {job.teacher!r}; use openai:MODEL or anthropic:MODEL")
    found = Remote(dialect, Place(name, urls, secret, socket), terms, most=job.jobs, meter=meter, pace=pace)
    if kind == "vllm" and gpu.used() is None:
        found.leave_out("seed")  # vLLM 0.32 on a CPU dies of one where a prompt begins as one before did
    return found
