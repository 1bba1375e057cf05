"""The rehearsal teacher's edits for JavaScript, TypeScript and Go: simple ones, by the text of single lines."""

import re
from collections.abc import Callable, Iterator

from sera_cli.harness.rehearsal.change import Change
from sera_cli.harness.rehearsal.listings import Listing, asked, inserted, parameters, replaced
from sera_cli.harness.rehearsal.remarks import block_doc, go_doc, more_doc
from sera_cli.harness.rehearsal.scene import lead

_NOT_OURS = ("next", "callback", "cb", "done", "_", "req", "res")
"""Parameters that a caller leaves out, or that a framework passes in."""

Kinds = dict[str, Callable[[Listing], Iterator[Change]]]


def strict_equal(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"(?<![=!<>])([=!]=)(?![=>]| *(null|undefined)\b)", r"\1=")


def includes(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"\.indexOf\(([^()]+)\) (?:!==? -1|> -1|>= 0)", r".includes(\1)")


def radix(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"\bparseInt\(([^(),]+)\)", r"parseInt(\1, 10)")


def block_scope(seen: Listing) -> Iterator[Change]:
    """Not where a later line may need the name outside its block: only at the top of the body."""
    at = seen.opened
    depth = lead(seen.lines[at]) if at else "\0"
    yield from (one for one in replaced(seen, r"^(\s*)var (\w+ =)", r"\1let \2") if lead(one.old[0]) == depth)


def constant(seen: Listing) -> Iterator[Change]:
    """`let` for a name that is given a value once. Only where the function was seen to its end."""
    for one in replaced(seen, r"^(\s*)let (\w+ =)", r"\1const \2"):
        name = one.old[0].split()[1]
        given = rf"(?<![\w.$]){name}\s*(?:[-+*/%&|?^<>]{{0,3}}=(?![=>])|\+\+|--)|[-+]{{2}}{name}\b"
        taken_apart = re.search(rf"[\[{{,]\s*{name}\s*[,\]}}][^;\n]*=", seen.body)
        if seen.complete and not taken_apart and len(re.findall(given, seen.body)) == 1:
            yield one._replace(name=name)


def nullish(seen: Listing) -> Iterator[Change]:
    """Not beside other such operators, with which `??` does not mix."""
    for one in replaced(seen, r"(?<=[\w)\]]) \|\| (\{\}|\[\])(?=[;,)]|$)", r" ?? \1"):
        if len(re.findall(r"\|\||&&", one.old[0])) == 1:
            yield one


def optional(seen: Listing) -> Iterator[Change]:
    """Where only the truth of a member counts."""
    yield from replaced(seen, r"(?<![\w.$!])([\w$]+) && \1\.([\w$]+)(?=\)| &&| \|\|)", r"\1?.\2")


def template(seen: Listing) -> Iterator[Change]:
    """A text and a name put together, where they are all there is."""
    yield from replaced(seen, r"(?<!\+ )(['\"])([^'\"`$\\{]+)\1 \+ ([\w$.]+)(?=[;,)]|$)", r"`\2${\3}`")


def null_guard(seen: Listing) -> Iterator[Change]:
    """In the manner of the lines around: with or without semicolons, in these quotes or those."""
    bare = not re.search(r";$", seen.body, re.MULTILINE) and re.search(r"[\w)\]'\"]$", seen.body, re.MULTILINE)
    single = seen.body.count("'") - seen.body.count('"')
    quote, end = "'" if single > 0 or (bare and single == 0) else '"', "" if bare else ";"
    for name, part in parameters(seen).items():
        if part == name and name not in _NOT_OURS and not asked(seen, name):
            raised = f"throw new TypeError({quote}{name} is required{quote}){end}"
            yield from inserted(seen, [f"if ({name} == null) {{", f"\t{raised}", "}"], name)


def wrap_error(seen: Listing) -> Iterator[Change]:
    """Only where `fmt` is imported."""
    if '"fmt"' in seen.imports or "fmt." in seen.body:
        yield from replaced(seen, r"^(\s*return (?:[^\"]+, )?)err$", rf'\1fmt.Errorf("{seen.name}: %w", err)')


def keep_error(seen: Listing) -> Iterator[Change]:
    """`%v` makes a text of an error; `%w` keeps what it was."""
    yield from replaced(seen, r"(?<=fmt\.Errorf\()(\"[^\"%]*)%v(\", err\))", r"\1%w\2")


def nil_guard(seen: Listing) -> Iterator[Change]:
    for name, part in parameters(seen).items():
        if re.match(r"\w+ (\*|func\(|chan )", part) and not asked(seen, name):
            yield from inserted(seen, [f"if {name} == nil {{", f'\tpanic("{seen.name}: {name} is nil")', "}"], name)


def any_type(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"\binterface\{\}", "any")


def increment(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"^(\s*[\w.\[\]]+) ([+-])= 1$", r"\1\2\2")


def room(seen: Listing) -> Iterator[Change]:
    """A slice that a loop right after it fills is made as long as what is looped over."""
    for index, line in enumerate(seen.lines[:-2]):
        made = re.match(r"(\s*)var (\w+) (\[\]\S+)$", line)
        after = "\n".join(seen.lines[index + 1 : index + 3])
        loop = re.match(r"\s*for \w+, \w+ := range ([\w.]+) \{$", seen.lines[index + 1])
        if made and loop and re.search(rf"\b{made[2]} = append\({made[2]}, ", after):
            new = f"{made[1]}{made[2]} := make({made[3]}, 0, len({loop[1]}))"
            yield Change(index, (line,), (new,), made[2])


SCRIPT_KINDS: Kinds = {
    "strict-equal": strict_equal, "includes": includes, "radix": radix, "block-scope": block_scope,
    "constant": constant, "nullish": nullish, "optional": optional, "template": template, "null-guard": null_guard,
    "block-doc": block_doc, "more-doc": more_doc,
}  # fmt: skip
GO_KINDS: Kinds = {
    "wrap-error": wrap_error, "keep-error": keep_error, "nil-guard": nil_guard, "any-type": any_type,
    "increment": increment, "room": room, "go-doc": go_doc, "more-doc": more_doc,
}
