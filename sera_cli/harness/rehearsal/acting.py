"""How the rehearsal teacher works on a task: it finds a function, changes it, checks the change and submits.

The plan is a generator over turns: what comes next depends on the prompt, the dice and what came back, on nothing else.
"""

import builtins
import re
import shlex
from random import Random
from typing import NamedTuple

from sera_cli.harness.rehearsal.change import Change, again
from sera_cli.harness.rehearsal.edits import propose
from sera_cli.harness.rehearsal.phrases import about, say
from sera_cli.harness.rehearsal.reading import Report
from sera_cli.harness.rehearsal.scene import Scene, numbered, scene
from sera_cli.harness.rehearsal.turns import Plan, Turn, bash, call, edit

GIVES_UP = 0.03
"""Of all rollouts, the share that ends without an edit though a function was found."""
STUCK = 0.3
"""Of those that give up, the share that does not even submit."""
WRONG_FUNCTION = 0.05
"""Of all rollouts, the share that works on another function of the same file."""
NEIGHBOUR = 0.15
"""Of all rollouts, the share that goes on to a function that the first one calls."""
MISMATCH = 0.08
"""Of all edits, the share whose old text is not copied exactly at first."""
SECOND_EDIT = 0.25
"""Of all rollouts with an edit, the share that makes another one in the same function."""
SCRIPT = 0.2
"""Of all rollouts with an edit, the share that tries it with a script."""
LEAVES_SCRIPT = 0.2
"""Of the scripts, the share that is not removed before the first submit."""
NOTICES = 0.6
"""Of the scripts left behind, the share that is noticed in the review."""
WINDOW = 26
"""Lines looked at in one view."""


class Place(NamedTuple):
    path: str
    line: int
    name: str


def solve(report: Report, dice: Random) -> Plan[None]:
    place = yield from _find(report, dice)
    if place and dice.random() < WRONG_FUNCTION:
        place = (yield from _another(place, dice)) or place
    seen = (yield from _look(place, dice)) if place else None
    if seen and dice.random() < NEIGHBOUR:
        seen = (yield from _neighbour(seen, dice)) or seen
    if seen is None or dice.random() < GIVES_UP or not (yield from _change(seen, report, dice)):
        yield from _give_up(dice)
        return
    script = (yield from _try(seen, report, dice)) if dice.random() < SCRIPT else ""
    yield from _submit(script, dice)


def _find(report: Report, dice: Random) -> Plan[Place | None]:
    """Goes by the path and the names in the report; where it has none, by its words."""
    for symbol in report.symbols[:3]:
        name = symbol.rpartition(".")[2]
        if report.paths:
            place = yield from _in_file(_inside(report, report.paths[0]), symbol, dice)
        else:
            came = yield bash(say("thoughts", "search", dice, function=name), _grep(f"def {name}"))
            place = _best(came, symbol, report)
        if place:
            return place
    stems = [word for word in report.words if "_" in word] or list(report.words)[:4]
    if not stems:
        return None
    came = yield bash(say("thoughts", "words", dice), _grep(rf"def \w*({'|'.join(stems[:4])})\w*"))
    return _best(came, "", report)


def _in_file(path: str, symbol: str, dice: Random) -> Plan[Place | None]:
    parts = [part for part in symbol.split(".") if part != "<locals>"]
    name = parts[-1]
    wanted = "|".join([*(f"class {part}" for part in parts[:-1]), f"def {name}"])
    command = f"grep -nwE {shlex.quote(wanted)} {shlex.quote(path)} | head -8"
    came = yield bash(say("thoughts", "locate", dice, function=name), command)
    rows = re.findall(r"^(\d+):(.*)$", came, re.MULTILINE)
    lines = [int(number) for number, text in rows if re.search(rf"\bdef\s+{name}\b", text)]
    classes = [int(number) for number, text in rows if len(parts) > 1 and re.search(rf"\bclass\s+{parts[-2]}\b", text)]
    after = [line for line in lines if classes and line > classes[0]]
    return Place(path, (after or lines)[0], name) if lines else None


def _best(came: str, symbol: str, report: Report) -> Place | None:
    """The likeliest of the definitions that a search found: not in the tests, and by the words of the report."""
    rows = re.findall(r"^(.+?\.py):(\d+):.*?\bdef\s+(\w+)", came, re.MULTILINE)
    heard = report.text.lower()

    def rank(row: tuple[str, str, str]) -> tuple[bool, int]:
        stem = row[0].lower()
        return "test" in stem, -sum(part in heard for part in re.findall(r"[a-z]{3,}", f"{stem} {row[2]}"))

    found = min(rows, key=rank, default=None)
    return Place(_inside(report, found[0]), int(found[1]), symbol.rpartition(".")[2] or found[2]) if found else None


def _another(place: Place, dice: Random) -> Plan[Place | None]:
    came = yield bash(say("thoughts", "defs", dice), f"grep -nE '^ *def ' {shlex.quote(place.path)} | head -12")
    rows = re.findall(r"^(\d+): *def\s+(\w+)", came, re.MULTILINE)
    others = [Place(place.path, int(line), name) for line, name in rows if name != place.name]
    return dice.choice(others) if others else None


def _look(place: Place, dice: Random) -> Plan[Scene | None]:
    """Views the function, and what follows when its end is not in sight."""
    first = max(1, place.line - 1)
    seen = yield from _view(place.path, first, say("thoughts", "view", dice, function=place.name), dice)
    found = scene(place.path, seen, place.name, place.line)
    if found and not found.complete and len(seen) == WINDOW:
        seen |= yield from _view(place.path, first + WINDOW, say("thoughts", "more", dice), dice)
        found = scene(place.path, seen, place.name, place.line)
    return found._replace(complete=True) if found and len(seen) % WINDOW else found


def _view(path: str, first: int, thought: str, dice: Random) -> Plan[dict[int, str]]:
    """One window of a file, or what is left of it there."""
    came = yield edit(thought, "view", path, view_range=[first, first + WINDOW - 1])
    if not numbered(came):
        came = yield edit(say("thoughts", "end", dice), "view", path, view_range=[first, -1])
    return numbered(came)


def _neighbour(seen: Scene, dice: Random) -> Plan[Scene | None]:
    """Goes on to a function of the same file that this one calls, if it finds one."""
    names = set(re.findall(r"\b([a-z_]\w{3,})\(", "\n".join(seen.lines[1:])))
    called = sorted(names - {seen.node.name} - set(dir(builtins)))
    if not called:
        return None
    name = dice.choice(called)
    thought = say("thoughts", "neighbour", dice, function=seen.node.name, name=name)
    came = yield bash(thought, f"grep -nw {shlex.quote('def ' + name)} {shlex.quote(seen.path)} | head -3")
    found = re.search(r"^(\d+):", came, re.MULTILINE)
    return (yield from _look(Place(seen.path, int(found[1]), name), dice)) if found else None


def _change(seen: Scene, report: Report, dice: Random) -> Plan[bool]:
    """Makes one edit, sometimes two; whether one is in place and compiles."""
    tried: set[str] = set()
    done = False
    for _ in range(3):
        kind, change = next((row for row in propose(seen, report.text, dice) if row[0] not in tried), ("", None))
        if change is None:
            break
        tried.add(kind)
        thought = about(kind, "thought", dice, function=seen.node.name, name=change.name, path=seen.path)
        if not (yield from _apply(seen, change, thought, dice)):
            continue
        came = yield bash(say("thoughts", "compile", dice), _compile(seen.path))
        if "Error" in came:
            yield edit(say("thoughts", "broken", dice), "undo_edit", seen.path)
            continue
        done = True
        if dice.random() >= SECOND_EDIT:
            break
        seen = again(seen, change)
    return done


def _apply(seen: Scene, change: Change, thought: str, dice: Random) -> Plan[bool]:
    """Makes the edit, after a copy that does not match now and then; whether the tool took it."""
    above = 1 if "\n".join(seen.lines).count("\n".join(change.old)) > 1 else 0
    if dice.random() < MISMATCH:
        yield _replace(seen, change, thought, above, slip=" ")
        first = seen.first + change.first
        spot = [max(1, first - 1), first + len(change.old)]
        yield edit(say("thoughts", "again", dice), "view", seen.path, view_range=spot)
    came = yield _replace(seen, change, thought, above)
    if not _taken(came) and re.search(r"(?i)multiple|unique|more than once|occur", came):
        came = yield _replace(seen, change, say("thoughts", "wider", dice), above + 2)
    return _taken(came)


def _replace(seen: Scene, change: Change, thought: str, above: int, *, slip: str = "") -> Turn:
    """The edit as a call, with lines `above` it to make the old text unique. A `slip` shifts the first line."""
    context = seen.lines[max(0, change.first - above) : change.first]
    old, new = (slip + "\n".join((*context, *rows)) for rows in (change.old, change.new))
    return edit(thought, "str_replace", seen.path, old_str=old, new_str=new)


def _taken(came: str) -> bool:
    return bool(numbered(came)) or "has been edited" in came


def _try(seen: Scene, report: Report, dice: Random) -> Plan[str]:
    """Writes and runs a script; its path, when it is left behind."""
    path = f"{report.root}/check_{seen.node.name.strip('_')}.py"
    text = f'import ast\n\ntree = ast.parse(open({seen.path!r}, "rb").read())\n'
    text += f'names = [getattr(node, "name", "") for node in ast.walk(tree)]\nprint({seen.node.name!r} in names)\n'
    yield edit(say("thoughts", "script", dice), "create", path, file_text=text)
    yield bash(say("thoughts", "try", dice), f"python {shlex.quote(path)}")
    if dice.random() < LEAVES_SCRIPT:
        return path
    yield bash(say("thoughts", "clean", dice), f"rm {shlex.quote(path)}")
    return ""


def _submit(script: str, dice: Random) -> Plan[None]:
    """Submits and confirms. The rollout ends with the call that is taken for good."""
    yield call(say("thoughts", "submit", dice), "submit")
    if script and dice.random() < NOTICES:
        yield bash(say("thoughts", "noticed", dice), f"rm {shlex.quote(script)}")
        yield call(say("thoughts", "submit", dice), "submit")
    while True:
        yield call(say("thoughts", "confirm", dice), "submit")


def _give_up(dice: Random) -> Plan[None]:
    thought = say("thoughts", "give_up", dice)
    silent = dice.random() < STUCK
    while True:
        yield Turn(thought, content=say("stumble", "stuck", dice)) if silent else call(thought, "submit")


def _inside(report: Report, path: str) -> str:
    return path if path.startswith("/") else f"{report.root}/{path}"


def _grep(pattern: str) -> str:
    """git's grep goes through files in a fixed order, and leaves out what is not tracked."""
    return f"git grep -nwE {shlex.quote(pattern)} -- '*.py' | head -8"


def _compile(path: str) -> str:
    """Compiles without leaving a `__pycache__` behind."""
    return "python -c " + shlex.quote(f"compile(open({path!r}, 'rb').read(), {path!r}, 'exec')")
