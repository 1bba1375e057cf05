"""The door: every verb and every group of `sera`. Each opens its room only when it is called."""

from inspect import getdoc
from typing import Annotated

import typer

from sera_cli import __version__
from sera_cli.cli import (
    agents,
    bench,
    chat,
    clean,
    compare,
    config,
    connect,
    data,
    deploy,
    doctor,
    env,
    estimate,
    evaluate,
    init,
    mine,
    parity,
    runs,
    serve,
    specialize,
)
from sera_cli.cli.options import taking_options
from sera_cli.console import show

app = typer.Typer(
    name="sera",
    help="Give a private codebase its own coding agent, on weights you own.",
    epilog="Begin with: sera specialize REPO. With no teacher named it rehearses, and nothing leaves this machine.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(wanted: bool) -> None:
    if wanted:
        show(f"sera {__version__}")
        raise typer.Exit


@app.callback()
def sera(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Give a private codebase its own coding agent, on weights you own."""


for verb in specialize.VERBS:
    app.command()(taking_options(verb))
app.command()(parity.command)
app.command()(mine.command)
app.command()(chat.chat)
app.command()(serve.serve)
app.command()(connect.connect)
app.command()(init.init)
app.command(name="eval")(evaluate.evaluate)
app.command()(estimate.estimate)
app.command()(doctor.doctor)
app.command()(compare.compare)
app.command()(clean.clean)
app.add_typer(agents.app, name="agents")
app.add_typer(deploy.app, name="deploy")
app.add_typer(runs.app, name="runs")
app.add_typer(bench.app, name="bench")
app.add_typer(data.app, name="data")
app.add_typer(env.app, name="env")
app.add_typer(config.app, name="config")


def whole(group: typer.Typer) -> None:
    """Has lists of commands give the first sentence of each whole, on as many rows as it takes."""
    for command in group.registered_commands:
        sentence, stop, _ = " ".join((getdoc(command.callback) or "").partition("\n\n")[0].split()).partition(". ")
        command.short_help = sentence + stop.strip()
    for each in group.registered_groups:
        if each.typer_instance:
            whole(each.typer_instance)


whole(app)
