"""`sera compare`: evaluations side by side, with what can be said of their differences and what cannot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sera_cli.cli.options import InProject, Json
from sera_cli.console import document, exactly, say, show, table
from sera_cli.errors import ConfigError, DataError
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.evaluate.report import Report
    from sera_cli.evaluate.stats.comparison import Comparison, Side
    from sera_cli.evaluate.stats.paired import Difference

Of = Annotated[
    list[str],
    typer.Argument(
        help="The name of an evaluation, its folder or report.json, or an agent's NAME or NAME@VERSION for its newest.",
        metavar="EVALUATION", show_default=False),
]
Detect = Annotated[
    float | None, typer.Option(help="Say what it takes to show such a difference: 0.03 is 3 points.", metavar="SHARE")]


def compare(
    of: Of,
    *,
    detect: Detect = None,
    project: InProject = Path(),
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    json: Json = False,
) -> None:
    """Compare evaluations: scores with intervals, differences to the first with a verdict, and what each cost."""
    from sera_cli.evaluate.stats.comparison import compared

    if detect is not None and not 0 < detect < 1:
        raise ConfigError(f"--detect {detect:g}: give a share between 0 and 1, as in 0.03 for 3 points")
    if json and markdown:
        raise ConfigError("--json and --markdown are two forms of the same table; take one")
    found = compared(named(of, project), detect)
    if json:
        document(found.model_dump())
        return
    head, rows = (found.sides[0].bench, *(side.name for side in found.sides)), lines(found)
    if markdown:
        exactly("\n".join([marked_down([head, *whole(rows)]), *(f"{text}\n" for text in explained(rows))]))
    else:
        show(table(head, rows))
        for text in explained(rows):
            show(text, prose=True)
    for text in [*planned(found, detect), *(f"note: {text}" for text in found.notes)]:
        say(text, prose=True)


def named(of: list[str], project: Path) -> "dict[str, Report]":
    """The reports that were asked for, by a name that tells them apart."""
    from sera_cli import config
    from sera_cli.evaluate.report import read

    evals = config.project(project) / ".sera" / "evals"
    files = [file(spec, evals) for spec in of]
    if len(set(files)) < len(files):
        raise ConfigError("the same evaluation was named twice; name two, or one alone")
    reports = [(place.parent.name, read(place)) for place in files]
    models = [report.model for _, report in reports]
    return {
        report.model if models.count(report.model) == 1 else f"{report.model}, {name}": report
        for name, report in reports
    }  # fmt: skip


def file(spec: str, evals: Path) -> Path:
    """The report that a word means: of an evaluation, else of an agent, whose name a folder of the project may have.

    Raises ConfigError, naming the evaluations that there are, and DataError for one that has not come to an end.
    """
    from sera_cli.evaluate.report import NAME

    places = (evals / spec, Path(spec))
    for place in places:
        if (place / NAME).is_file():
            return (place / NAME).resolve()
    if Path(spec).is_file():
        return Path(spec).resolve()
    try:
        return newest(spec, evals)
    except ConfigError:
        for place in places:
            if place.is_dir() and place.resolve().parent == evals.resolve():
                text = f"has no {NAME}: the evaluation has not come to an end; go on with sera eval"
                raise DataError(text, place) from None
        raise


def newest(agent: str, evals: Path) -> Path:
    """The report of the newest evaluation of an agent."""
    from sera_cli.evaluate.report import NAME

    there = sorted(evals.glob(f"*/{NAME}"), key=lambda place: (place.stat().st_mtime, place.parent.name))
    models = {place: model for place in there if (model := of_model(place))}
    mine = [place for place, model in models.items() if agent in (model, model.partition("@")[0])]
    if mine:
        return mine[-1].resolve()
    known = ", ".join([*(place.parent.name for place in models), *sorted(set(models.values()))])
    what = f"there are {known}" if known else "make one with: sera eval"
    raise ConfigError(f"no evaluation is called {agent!r}, and none is of such an agent; {what}")


def of_model(place: Path) -> str:
    """Who was evaluated; empty for a report that cannot be read, which nobody asked for by its name."""
    from sera_cli.evaluate.report import read

    try:
        return read(place).model
    except DataError:
        return ""


def lines(found: "Comparison") -> "list[tuple[str, ...]]":
    """The table, a row for each measure and a column for each evaluation; rows that say nothing are left out."""
    told = [(label, *(tell(side) for side in found.sides)) for label, tell in SIDES.items()]
    apart = [(label, "", *(tell(one) for one in found.differences)) for label, tell in DIFFERENCES.items()]
    rows = [*told[:HEAD], *passed(found.sides), *apart, *told[HEAD:]]
    if found.sides[0].score == "recall":
        rows[0] = ("mean recall", *rows[0][1:])
    return [row for row in rows if any(row[1:])]


def scored(side: "Side") -> str:
    summary = side.summary
    if summary["mean"] is None:
        return "nothing counted"
    spread = "" if summary["sd"] is None else f" ± {100 * summary['sd']:.1f}"
    return f"{100 * summary['mean']:.1f}{spread} %"


def between(side: "Side", what: str) -> str:
    interval = side.summary[what]
    return f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f} %" if interval else ""


def tried(side: "Side") -> str:
    """Patches that others made have no seeds."""
    tasks = str(side.summary["tasks"])
    fewest = f"{side.fewest} to " if side.fewest < side.seeds else ""
    return f"{tasks} with {fewest}{counted(side.seeds, 'seed')}" if side.exits else tasks


def passed(sides: "tuple[Side, ...]") -> "Iterator[tuple[str, ...]]":
    """The tasks that one of k seeds resolves, and those that all of them do, for as many seeds as all sides have."""
    k = min(max(map(int, side.summary["pass_at"]), default=1) for side in sides)
    for name, what in (("pass@", "pass_at"), ("pass^", "pass_all")) if k > 1 else ():
        shares = [side.summary[what][str(k)] for side in sides]
        yield (f"  {name}{k}", *("" if share is None else f"{100 * share:.1f} %" for share in shares))


def tokens(side: "Side") -> str:
    from sera_cli.harness.money.spend import short

    if side.prompt is None or side.completion is None:
        return ""
    return f"{short(round(side.prompt))} in, {short(round(side.completion))} out"


def left_out(side: "Side") -> str:
    counts = {"infra": side.infra, "unvalidated": side.unvalidated}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


SIDES: "dict[str, Callable[[Side], str]]" = {
    "resolved": scored,
    "  over tasks": lambda side: between(side, "interval"),
    "  over seeds": lambda side: between(side, "over_seeds"),
    "  tasks": tried,
    "steps": lambda side: "" if side.steps is None else f"{side.steps:.1f}",
    "tokens": tokens,
    "dollars": lambda side: "unknown" if side.dollars is None else f"{side.dollars:,.2f}" if side.exits else "",
    "exits": lambda side: ", ".join(f"{count} {exit_}" for exit_, count in side.exits.items()),
    "not counted": left_out,
}
"""The rows about one evaluation. Steps and tokens are means of a rollout; dollars are all of them together."""

HEAD = 4
"""Rows of those before the differences."""

DIFFERENCES: "dict[str, Callable[[Difference], str]]" = {
    "difference": lambda one: f"{100 * one.difference:+.1f} points",
    "  over tasks": lambda one: f"{100 * one.low:+.1f} to {100 * one.high:+.1f}",
    "  p": lambda one: "below 0.001" if one.p < 0.001 else f"{one.p:.3f}",
    "  signal to noise": lambda one: "" if one.snr is None else f"{one.snr:.1f}",
    "  detectable": lambda one: "none" if one.detectable is None else f"{100 * one.detectable:.1f} points",
    "verdict": lambda one: one.verdict,
}


def planned(found: "Comparison", detect: float | None) -> Iterator[str]:
    """What it takes to show the difference that was asked about, to tell each from the first; or why nobody knows."""
    first, *others = found.sides
    sides, least = others or [first], "" if others else "at least "
    for side, plan in zip(sides, found.plans, strict=False):
        share = f"{100 * (detect or 0):g} points"
        if plan is None:
            yield f"{side.name}: what it takes to show {share} is unknown, {unknown(first, side)}"
            continue
        seeds = "" if plan.seeds is None else f"{counted(plan.seeds, 'seed')} of each on these tasks"
        tasks = "" if plan.tasks is None else f"{counted(plan.tasks, 'task')} with as many seeds as now"
        takes = least + (" or ".join(filter(None, [seeds, tasks])) or "more than anybody has")
        rest = "" if seeds else "; on these tasks no number of seeds does"
        yield f"{side.name}: to show {share} four times in five takes {takes}{rest}"


def unknown(*sides: "Side") -> str:
    """Why nobody knows how far scores vary from seed to seed, and what helps."""
    once = {side.name: side for side in sides if side.summary["attempts"] == side.summary["tasks"]}
    runs = [name for name, side in once.items() if side.exits]
    if once and not runs:
        return f"for patches have no seeds and are graded once ({', '.join(once)})"
    who = " and ".join(runs) or "one of the two"
    return f"for {who} tried no task twice that counts: evaluate it with --seeds 3"


def explained(rows: "list[tuple[str, ...]]") -> Iterator[str]:
    """What the less known words of the table mean, in a line, where they stand in it."""
    told = {label.strip(): cells for label, *cells in rows}
    words = [f"{label}: tasks that {what} {label[5:]} seeds resolve" for label in told
             for name, what in (("pass@", "one or more of"), ("pass^", "all of")) if label.startswith(name)]
    if "detectable" in told:
        words.append("detectable: the smallest true difference that these tasks and seeds show four times in five")
    if any("infra" in cell for cell in told.get("not counted", ())):
        words.append("infra: attempts that broke, by no fault of a patch")
    if words:
        yield "; ".join(words)


def whole(rows: "list[tuple[str, ...]]") -> "Iterator[tuple[str, ...]]":
    """The rows, those that are set in below another by the names of both: Markdown sets nothing in."""
    over = ""
    for label, *cells in rows:
        over = over if label.startswith(" ") else label
        yield (f"{over}, {label.strip()}" if label.startswith(" ") else label, *cells)


def marked_down(rows: "list[tuple[str, ...]]") -> str:
    """A Markdown table; what stands between two bars holds none."""
    def line(cells: "tuple[str, ...]") -> str:
        return f"| {' | '.join(cell.strip().replace('|', '/') for cell in cells)} |"

    head, *body = rows
    return "\n".join([line(head), line(("---", *("---:" for _ in head[1:]))), *map(line, body)]) + "\n"
