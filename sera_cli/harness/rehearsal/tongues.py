"""The languages that the rehearsal teacher edits by the line, with the kinds of edit it knows for each."""

import re
from collections.abc import Callable, Iterator
from random import Random

from sera_cli.harness.rehearsal import listings
from sera_cli.harness.rehearsal.braces import GO_KINDS, SCRIPT_KINDS, Kinds, strict_equal
from sera_cli.harness.rehearsal.change import Change
from sera_cli.harness.rehearsal.edits import ranked
from sera_cli.harness.rehearsal.listings import Listing, asked, inserted, parameters, replaced
from sera_cli.harness.rehearsal.remarks import block_doc, line_doc, more_doc


def propose(seen: Listing, report: str, dice: Random) -> list[tuple[str, Change]]:
    """Every edit that fits the function, the one to try first in front."""
    own = next(kinds for endings, kinds in TONGUES.items() if seen.path.endswith(endings))
    return ranked({kind: list(find(seen)) for kind, find in own.items()}, report, dice)


def definition(name: str, path: str) -> str:
    """A pattern of the lines that define a name, as far as a line tells, in the language of a path or in any."""
    said = name if "[" in name else re.sub(r"([.$?])", r"\\\1", name)
    fitting = [found for endings, found in _DEFINED.items() if path.endswith(endings)] or _ANY
    return "|".join(fitting).replace("NAME", said)


def expect(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"\.unwrap\(\)", rf'.expect("{seen.name}: a value")')


def null_pointer(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"\bNULL\b", "nullptr")


def null_pattern(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"(?<=[\w)\]]) != null\b", " is not null")
    yield from replaced(seen, r"(?<=[\w)\]]) == null\b", " is null")


def nil_question(seen: Listing) -> Iterator[Change]:
    yield from replaced(seen, r"(?<=[\w)\]]) == nil\b", ".nil?")


def no_parameters(seen: Listing) -> Iterator[Change]:
    made = replaced(seen, rf"\b({re.escape(seen.name)})\(\)", r"\1(void)")
    yield from (one for one in made if one.first == seen.head)


def java_guard(seen: Listing) -> Iterator[Change]:
    """Only for objects that nothing is asked about and that may not be left out."""
    for name, part in parameters(seen).items():
        if re.match(r"(final )?[A-Z][\w.<>?, ]* \w+$", part) and not asked(seen, name):
            raised = f'throw new IllegalArgumentException("{name} is required");'
            yield from inserted(seen, [f"if ({name} == null) {{", f"\t{raised}", "}"], name)


def sharp_guard(seen: Listing) -> Iterator[Change]:
    for name, part in parameters(seen).items():
        if re.match(r"(this )?(string|[A-Z][\w.<>, ]*) \w+$", part) and not asked(seen, name):
            yield from inserted(seen, [f"ArgumentNullException.ThrowIfNull({name});"], name)


def empty(pattern: str, new: str) -> Callable[[Listing], Iterator[Change]]:
    """Asks whether something is empty in place of how long it is."""
    return lambda seen: replaced(seen, pattern, new)


_LONG = r"\.(?:size|length)\(\) == 0\b"
_BLOCK: Kinds = {"block-doc": block_doc, "more-doc": more_doc}
_LINE: Kinds = {"line-doc": line_doc, "more-doc": more_doc}

TONGUES: dict[tuple[str, ...], Kinds] = {
    listings.SCRIPT: SCRIPT_KINDS,
    listings.GO: GO_KINDS,
    listings.RUST: {"is-empty": empty(r"\.len\(\) == 0\b", ".is_empty()"), "expect": expect, **_LINE},
    listings.JAVA: {"is-empty": empty(_LONG, ".isEmpty()"), "required": java_guard, **_BLOCK},
    listings.KOTLIN: {"is-empty": empty(r"\.(?:size|length) == 0\b", ".isEmpty()"), **_BLOCK},
    listings.CSHARP: {"null-pattern": null_pattern, "required": sharp_guard, **_LINE},
    listings.PHP: {"strict-equal": strict_equal, **_BLOCK},
    listings.C: {"no-parameters": no_parameters, **_BLOCK},
    listings.CPP: {"is-empty": empty(_LONG, ".empty()"), "null-pointer": null_pointer, **_BLOCK},
    listings.SWIFT: {"is-empty": empty(r"\.count == 0\b", ".isEmpty"), **_LINE},
    listings.RUBY: {
        "is-empty": empty(r"\.(?:size|length|count) == 0\b", ".empty?"), "nil-question": nil_question, **_LINE},
}

_SCRIPT = (
    r"function *\*? *NAME *[<(]|\bNAME[\"']? *[:=] *(async *)?(function|\(|[A-Za-z_]+ *=>)"
    r"|^\s*([a-z]+ )*\*?NAME *(<.*>)?\(.*[{(,]$"
)
_TYPED = r"^\s*([A-Za-z_@].*[ *&:>~])?NAME *\([^;]*(\{.*)?$"
_WORD = r"\b(func|fn|fun|def|function) (.*[ .&)])?NAME([^[:alnum:]_]|$)"
_DEFINED = {
    listings.SCRIPT: _SCRIPT,
    listings.GO: r"^func (\(.*\) )?NAME[[(]",
    listings.RUST: r"\bfn NAME\b",
    listings.KOTLIN: r"\bfun (.*[ .])?NAME\(",
    listings.PHP: r"\bfunction &?NAME\(",
    listings.SWIFT: r"\b(func )?NAME[?!]?(<.*>)?\(.*[{(,]$",
    listings.RUBY: r"\bdef (self\.)?NAME([^[:alnum:]_]|$)",
    listings.JAVA + listings.CSHARP + listings.C + listings.CPP: _TYPED,
}
_ANY = [_WORD, _SCRIPT, r"^\s*[A-Za-z_][^(=;]*[ *&:>]NAME *\([^;]*(\{.*)?$"]
