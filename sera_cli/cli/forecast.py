"""`--dry-run`: what a verb would do and what that takes, told before anything is spent.

What a rollout takes and brings is what this run has shown so far; before that, what earlier runs with the same teacher
have; before any of those, what the SERA paper tells, or a rehearsal that was measured once.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import sqrt
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from sera_cli.cli.evaluation import measuring
from sera_cli.cli.job import Job
from sera_cli.console import document, say
from sera_cli.wording import counted

if TYPE_CHECKING:
    from sera_cli.harness.money.prices import Price
    from sera_cli.profile import Profile
    from sera_cli.svg.pipeline import Goal
    from sera_cli.train.plan import Plan
    from sera_cli.types import Function, Usage

CHARACTERS = 4
"""Bytes of a token, where nobody has measured what a record takes on disk."""

DRAWS = 200
"""Runs that are imagined to tell how many functions one takes."""

SPENDING = ("specialize", "generate")
TRAINING = ("specialize", "train")


class Work(NamedTuple):
    """What generation is expected to have made in the end, and the seconds of rollouts that are still to go.

    Of the rollouts, so many are `teaching`. No bytes: nobody has measured any; None for seconds: likewise.
    """

    first: int
    second: int
    teaching: int
    usage: "Usage"
    bytes: int
    seconds: float | None

    @property
    def rollouts(self) -> int:
        return self.first + self.second


def foretell(job: Job, verb: str) -> None:
    """Prints what `sera VERB` would do."""
    from sera_cli.train.plan import document as told
    from sera_cli.train.plan import rows

    plan = ahead(job, verb)
    taught = plan.get("training")
    if job.asked.json:
        return document({"dry_run": True, **plan} | ({"training": told(taught)} if taught else {}))
    for name, value in (*_rows(plan), *(rows(taught) if taught else ())):
        say(f"{name:10} {value}")
    say("Nothing was done. Leave out --dry-run to begin.")
    return None


def ahead(job: Job, verb: str) -> dict[str, Any]:
    """All that the verb would do, what the run already did counted in; `training` is a Plan, None if unknown."""
    from sera_cli import store
    from sera_cli.harness.sandbox import choose

    found, usable = _functions(job, verb)
    plan: dict[str, Any] = {
        "verb": verb,
        "run": str(job.run.folder),
        "functions": len(found),
        "samples": job.samples,
        "wanted": job.samples,
        "jobs": job.jobs,
        "teacher": job.teacher,
        "student": job.student,
        "sandbox": choose(job.config.rollout.sandbox).name,
    }
    plan |= _generation(job, usable) if verb in SPENDING else _nothing()
    plan["disk"] += sum(len(store.line(function)) for function in found)
    if verb == "train":
        plan |= _trained(job)
    if verb in TRAINING and job.config.eval.after:
        plan["evaluate"] = measuring.ahead(job)
    if verb in TRAINING and job.student != "rehearsal":
        plan["gpu_hours"] = round(plan["gpu_hours"] + _training(plan), 2)
    return plan


def work(profile: "Profile", goal: "Goal", tasks: int, done: "Profile") -> Work:
    """What reaching `goal` takes on average, at a profile's yields; `done` is what the run holds already."""
    from sera_cli.profile import Part

    explored, kept = profile.explored, profile.explored.each("kept")
    again = kept * profile.issues.each("kept")
    share = profile.second(goal.threshold) / max(1, profile.reproduced.records)
    owed = max(0.0, done.explored.records * again - done.reproduced.records)
    begun = (done.explored.records, done.first, done.second(goal.threshold) + round(owed * share))
    used, teaching = _imagined(goal, tasks, begun, (profile.first / explored.records, again * share))
    stages = ((explored, used, done.explored), (profile.issues, used * kept, done.issues),
              (profile.reproduced, used * again, done.reproduced))  # fmt: skip
    left = [part.times(max(0.0, count - there.records) / max(1, part.records)) for part, count, there in stages]
    rest, made = sum(left, Part()), done.whole
    return Work(
        first=done.explored.rollouts + left[0].rollouts,
        second=done.reproduced.rollouts + left[2].rollouts,
        teaching=round(teaching),
        usage=made.usage + rest.usage,
        bytes=made.bytes + rest.bytes if profile.whole.bytes else 0,
        seconds=rest.seconds if profile.whole.seconds else None,
    )


def _imagined(
    goal: "Goal", tasks: int, begun: tuple[int, int, int], chances: tuple[float, float]
) -> tuple[float, float]:
    """How many functions the waves of generation take in the end, and how many rollouts may teach then, on average.

    `begun` are functions used, and first and second rollouts that may teach; `chances` those of a function to give one.
    Luck costs: a wave that falls short is followed by another whole one. So it is drawn by lot, the same each time.
    """
    from sera_cli.svg.pipeline import Tally, wave

    dice, ended = Random(0), list[Tally]()
    for _ in range(DRAWS):
        used, first, second = begun
        while not (tally := Tally(used=used, first=first, second=second)).reaches(goal) and used < tasks:
            taken = min(tasks - used, wave(tally, goal))
            used += taken
            first += _drawn(taken, chances[0], dice)
            second += _drawn(taken, chances[1], dice)
        ended.append(tally)
    return sum(one.used for one in ended) / DRAWS, sum(one.first + one.second for one in ended) / DRAWS


def _drawn(count: int, chance: float, dice: Random) -> int:
    """How many of so many turn out well: a draw from the normal distribution that a binomial one is like."""
    drawn = round(dice.gauss(count * chance, sqrt(count * chance * (1 - chance))))
    return min(count, max(0, drawn))


def learnt(job: Job, own: "Profile") -> tuple["Profile", str]:
    """The profile to go by, and where it is from. `own` is that of the run itself."""
    from sera_cli import profile
    from sera_cli.config import home

    if own.enough:
        return own, "this run so far"
    if others := profile.known(home("data"), job.teacher, job.run):
        return others, f"{others.runs} earlier {'run' if others.runs == 1 else 'runs'} with this teacher"
    if job.rehearsing:
        return profile.rehearsed(), "a rehearsal measured once"
    return profile.paper(), "the SERA paper"


def _functions(job: Job, verb: str) -> tuple[Sequence["Function"], int]:
    """Those there are, and how many first rollouts may begin from them. Training begins none, and reads no code."""
    from sera_cli.cli import stages
    from sera_cli.cli.mine import mined
    from sera_cli.svg.sample import tasks

    generate = job.config.generate
    if verb == "train":
        return list(stages.functions(job)) if job.run.functions.exists() else [], 0
    found = mined(job).functions
    usable = tasks(found, job.checkout.name, job.checkout.commit, generate.seed, limit=generate.limit)
    return found, len(list(usable))


def _generation(job: Job, usable: int) -> dict[str, Any]:
    from sera_cli import profile
    from sera_cli.cli import money, stages

    own = profile.of(job.run)
    known, origin = learnt(job, own)
    made = work(known, stages.goal(job), usable, own)
    usage, price = made.usage, money.price(job)
    return {
        "samples": min(job.samples, made.teaching) if job.config.mix.alpha else job.samples,
        "rollouts": made.rollouts,
        "first": made.first,
        "second": made.second,
        "tokens": {
            "cached": usage.cached,
            "new": usage.prompt - usage.cached,
            "completion": usage.completion,
            "total": usage.prompt + usage.completion,
        },
        "usd": None if price is None else round(price.of(usage), 2),
        "gpu_hours": _serving(job, made, price),
        "disk": made.bytes or CHARACTERS * (usage.prompt - usage.cached + usage.completion),
        "seconds": None if made.seconds is None else round(made.seconds / job.jobs),
        "done": {"rollouts": own.whole.rollouts, "usd": round(money.spent(job.run).all.usd, 2)},
        "from": origin,
    }


def _trained(job: Job) -> dict[str, Any]:
    """What training on the samples that are there will do. Raises DataError where there are none to learn from."""
    from sera_cli.cli.planning import foreseen
    from sera_cli.cli.training import apart

    taught, heldout = apart(job)
    made = foreseen(job, taught)
    return {
        "samples": len(taught), "wanted": len(taught), "heldout": len(heldout), "training": made,
        "disk": made.disk if made else 0,
    }  # fmt: skip


def _training(plan: dict[str, Any]) -> float:
    """GPU-hours of training: by its own plan, else by what the paper's took."""
    taught: Plan | None = plan.get("training")
    known = taught.gpu_hours if taught else None
    return plan["samples"] * _hours("training") if known is None else known


def _nothing() -> dict[str, Any]:
    """Of a verb that asks no teacher."""
    tokens = dict.fromkeys(("cached", "new", "completion", "total"), 0)
    return {"rollouts": 0, "tokens": tokens, "usd": 0.0, "gpu_hours": 0.0, "disk": 0}


def _serving(job: Job, made: Work, price: "Price | None") -> float:
    """GPU-hours of a teacher of one's own: by the time it took, else by what the paper's took."""
    from sera_cli.cli import money
    from sera_cli.harness.money.prices import LOCAL

    if job.rehearsing or price is not LOCAL:
        return 0.0
    gpus = money.gpus(job)
    if made.seconds is None or not gpus:
        return round(made.rollouts * _hours("self_hosted"), 2)
    return round((money.spent(job.run).gpu_seconds + made.seconds / job.jobs * gpus) / 3600, 2)


def _hours(of: str) -> float:
    """GPU-hours of one trajectory (SERA paper, appendix D)."""
    from sera_cli import templates

    return float(templates.table("paper.toml")["gpu_hours"][of])


def _rows(plan: dict[str, Any]) -> list[tuple[str, str]]:
    from sera_cli.harness.money.spend import short

    if plan["verb"] == "train":
        return _taught(plan) + _measured(plan)
    tokens, done = plan["tokens"], plan.get("done", {"rollouts": 0, "usd": 0.0})
    usd = "unpriced" if plan["usd"] is None else f"${plan['usd']:,.2f} of API calls"
    kinds = f": {plan['first']:,} first, {plan['second']:,} second" if "first" in plan else ""
    kinds += f"; {done['rollouts']:,} are made" if done["rollouts"] else ""
    short_of = plan["samples"] < plan["wanted"]
    few = f" of the {plan['wanted']:,} wanted; then the functions are used up" if short_of else ""
    rows = [
        *((name, str(plan[name])) for name in ("run", "teacher", "student", "sandbox", "jobs", "functions")),
        ("samples", f"{plan['samples']:,}{few}"),
        ("rollouts", f"{plan['rollouts']:,}{kinds}"),
        ("tokens", ", ".join(f"{short(count)} {what}" for what, count in tokens.items())),
        ("dollars", usd + (f", ${done['usd']:,.2f} spent already" if done["usd"] else "")),
        ("GPU-hours", f"{plan['gpu_hours']:,.1f}"),
        ("disk", f"{short(plan['disk'])}B"),
    ]
    if "from" in plan:
        rows += [
            ("time to go", "unknown" if plan["seconds"] is None else str(timedelta(seconds=plan["seconds"]))),
            ("going by", plan["from"]),
        ]
    return rows + _measured(plan)


def _measured(plan: dict[str, Any]) -> list[tuple[str, str]]:
    if not (found := plan.get("evaluate")):
        return []
    usd = "of unknown cost" if found["usd"] is None else f"${found['usd']:,.2f} of API calls for the teacher's part"
    tried = f"{counted(found['tasks'], 'task')}, {counted(found['seeds'], 'seed')}"
    rollouts = counted(found["attempts"], "rollout")
    return [("evaluate", f"{found['bench']}, {tried}: {rollouts} by each of base, agent and teacher, {usd}")]


def _taught(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person is told of a training before its plan, and all there is of a student that nobody here knows."""
    heldout = f", {plan['heldout']:,} held out" if plan["heldout"] else ""
    rows = [("run", plan["run"]), ("student", plan["student"]), ("samples", f"{plan['samples']:,}{heldout}")]
    return rows if plan["training"] else [*rows, ("GPU-hours", f"{plan['gpu_hours']:,.1f}, as the paper's took")]
