"""What the command line may say on the road from a repository to an agent: listed once, for every verb."""

import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sera_cli.config import Resolved


def there(folder: Path) -> Path:
    """A folder that was named, for what would otherwise find a project without runs and settings in it."""
    from sera_cli.errors import DataError

    if not folder.is_dir():
        raise DataError(f"{'is a file' if folder.exists() else 'no such folder'}; name that of a project", folder)
    return folder


Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]
Project = Annotated[
    Path,
    typer.Argument(
        help="The project, or any folder in it.", metavar="PROJECT", show_default="this folder", callback=there),
]
InProject = Annotated[
    Path,
    typer.Option("--project", "-C", help="The project.", show_default="the one around this folder", callback=there),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True)
class Asked:
    """What the command line said. `flags` maps `section.key` to a value, None where it said nothing."""

    repo: Path
    flags: dict[str, Any]
    at: str
    run: str
    retry_failed: bool
    dry_run: bool
    json: bool

    def settings(self) -> "Resolved":
        from sera_cli.config import resolve

        return resolve(self.repo, self.flags)


def ask(
    repo: Annotated[Path, typer.Argument(help="A git repository on this machine.", metavar="REPO")],
    *,
    alpha: Annotated[float | None, typer.Option(help="Share of repository data in training, 0 to 1.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="rehearsal, or openai:, anthropic: or vllm:MODEL.", metavar="TEACHER")] = None,
    teacher_url: Annotated[
        str | None, typer.Option(help="Base URL of the teacher's server, or several.", metavar="URL")] = None,
    student: Annotated[
        str | None, typer.Option(help="rehearsal, a Hugging Face id or a folder.", metavar="MODEL")] = None,
    method: Annotated[str | None, typer.Option(help="lora, full or qlora.", metavar="METHOD")] = None,
    recipe: Annotated[str | None, typer.Option(help="A shipped recipe, or a .toml file.", metavar="RECIPE")] = None,
    report_to: Annotated[
        str | None, typer.Option(help="Tell tensorboard, wandb or trackio how the loss goes.", metavar="WHOM")] = None,
    samples: Annotated[int | None, typer.Option(help="Training samples wanted from the repository.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Least line recall of a second rollout.")] = None,
    general: Annotated[
        list[str] | None, typer.Option(
            help="General data for alpha below 1: .jsonl, .parquet or OWNER/NAME@REVISION; may be said again.",
            metavar="SOURCE")
    ] = None,
    max_epochs_per_sample: Annotated[
        int | None, typer.Option(help="Repeat the smaller side so often, at most.", metavar="N")] = None,
    order: Annotated[str | None, typer.Option(help="shuffle or ratio.", metavar="ORDER")] = None,
    decontaminate: Annotated[
        str | None, typer.Option(help="Drop general data about a benchmark: swe-verified.", metavar="BENCH")] = None,
    auto_submitted: Annotated[
        bool | None, typer.Option("--auto-submitted", help="Also learn from rollouts that ran out of room.")] = None,
    min_ratio: Annotated[float | None, typer.Option(help="Least share of steps that fit the context.")] = None,
    max_patch_lines: Annotated[int | None, typer.Option(help="Drop larger patches; 0 keeps all.")] = None,
    max_tool_tokens: Annotated[
        int | None, typer.Option(help="Drop longer mean tool outputs; 0 keeps all.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option(
            "--set", help="Any setting, as in train.epochs=2; may be said again.", metavar="KEY=VALUE")] = None,
    at: Annotated[str, typer.Option(help="The commit to work from.", metavar="REV")] = "HEAD",
    commits: Annotated[int | None, typer.Option(help="Commits to start from, up to that one.")] = None,
    since: Annotated[
        str | None, typer.Option(help="How far back the first of several commits lies.", metavar="DAYS")] = None,
    focus: Annotated[
        list[str] | None, typer.Option(help="Only functions in this folder or file; may be said again.", metavar="PATH")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Only functions in this language; may be said again.", metavar="NAME")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="The most functions to start from.")] = None,
    demos: Annotated[
        Path | None, typer.Option(help="Issues to take the style from: a .jsonl or a .toml.", metavar="FILE")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop at so many dollars of API calls, keeping all.", metavar="USD")] = None,
    allow_unpriced: Annotated[
        bool | None, typer.Option("--allow-unpriced", help="Go on though the teacher's price is unknown.")] = None,
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Refuse every connection but those to the teacher.")] = None,
    name: Annotated[str | None, typer.Option(help="The agent's name in the registry.")] = None,
    evaluate: Annotated[
        bool | None, typer.Option("--evaluate", help="End with base, agent and teacher on a benchmark.")] = None,
    run: Annotated[str, typer.Option(help="Name of the run.", show_default="from commit and settings")] = "",
    seed: Annotated[int | None, typer.Option(help="Same seed, same work.")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", help="Rollouts at the same time.")] = None,
    sandbox: Annotated[
        str | None, typer.Option(help="auto, bubblewrap, docker or folder.", metavar="SANDBOX")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do again what had failed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    json: Json = False,
) -> Asked:
    from sera_cli.config import assigned, sources

    flags = {
        "mix.alpha": alpha, "mix.general": sources(general, Path.cwd()) if general else None,
        "mix.repeats": max_epochs_per_sample, "mix.order": order, "mix.decontaminate": decontaminate,
        "select.auto_submitted": auto_submitted, "select.ratio": min_ratio, "select.patch_lines": max_patch_lines,
        "select.tool_tokens": max_tool_tokens,
        "teacher.model": teacher, "teacher.url": teacher_url, "student.model": student,
        "train.method": method, "train.recipe": recipe, "train.report_to": report_to,
        "generate.samples": samples, "generate.seed": seed,
        "verify.threshold": threshold, "agent.name": name, "eval.after": evaluate,
        "rollout.jobs": jobs, "rollout.sandbox": sandbox,
        "generate.commits": commits, "generate.since": since, "generate.focus": shlex.join(focus) if focus else None,
        "generate.language": " ".join(language) if language else None, "generate.limit": limit,
        "generate.demonstrations": None if demos is None else str(demos.absolute()),
        "cost.max": max_cost, "cost.allow_unpriced": allow_unpriced, "privacy.offline": offline,
    }
    flags |= {key: value for key, value in assigned(setting or (), Path.cwd()).items() if flags.get(key) is None}
    return Asked(repo, flags, at, run, retry_failed, dry_run, json)


def taking_options(verb: Callable[[Asked], None]) -> Callable[..., None]:
    """The command of a verb: its parameters are those of `ask`, its name and help the verb's own."""

    def command(*said: Any, **more: Any) -> None:
        verb(ask(*said, **more))

    command.__name__, command.__doc__ = verb.__name__, verb.__doc__
    command.__annotations__ = ask.__annotations__
    command.__signature__ = inspect.signature(ask)  # type: ignore[attr-defined]
    return command
