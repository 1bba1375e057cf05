"""Edits of the comments above a function in the languages that are edited by the line."""

import re
from collections.abc import Iterator

from sera_cli.harness.rehearsal import phrases
from sera_cli.harness.rehearsal.change import Change
from sera_cli.harness.rehearsal.documentation import SPECIAL, sentence
from sera_cli.harness.rehearsal.listings import COMMENT, CSHARP, GO, JAVA, PHP, RUBY, SWIFT, Listing, parameters
from sera_cli.harness.rehearsal.scene import lead

ABOVE = 8
"""Lines looked at above a function. A comment that fills them may begin further up."""

_MADE = ("constructor", "construct", "init", "initialize")


def block_doc(seen: Listing) -> Iterator[Change]:
    made = seen.path.endswith(JAVA) and seen.name[:1].isupper()
    yield from _above(seen, f"/** {SPECIAL['init'] if made else _said(seen.name)}. */")


def line_doc(seen: Listing) -> Iterator[Change]:
    said = f"{_said(seen.name)}."
    if seen.path.endswith(CSHARP):
        said = f"<summary>{said}</summary>"
    yield from _above(seen, f"{'#' if seen.path.endswith(RUBY) else '///'} {said}")


def go_doc(seen: Listing) -> Iterator[Change]:
    """`// readAll reads all.`: the name, and its verb as one says it of somebody."""
    verb, _, rest = _said(seen.name).partition(" ")
    said = f"is the {rest}" if verb == "The" else f"{_third(verb.lower())} {rest}"
    yield from _above(seen, f"// {seen.name} {said}.")


def more_doc(seen: Listing) -> Iterator[Change]:
    """What the comment does not speak of: a parameter, or what comes back. Only where it was seen to its beginning."""
    rows = [index for index, line in enumerate(seen.lines[: seen.head]) if COMMENT.match(line)]
    if not rows or rows[-1] - rows[0] >= ABOVE - 1:
        return
    at, last = rows[-1], seen.lines[rows[-1]]
    told = "\n".join(seen.lines[index] for index in rows)
    found = parameters(seen)
    names = [name for name in found if not re.search(rf"\b{re.escape(name)}\b", told)]
    if mark := re.match(r"\s*(///?|#)(?= |$)", last):
        more = [(name, _of(seen.path, name)) for name in names] + _returned(seen, told)
        yield from (Change(at, (last,), (last, f"{mark[0]} {said}"), name) for name, said in more)
    elif single := re.fullmatch(r"(\s*)/\*\*? *(.*?) *\*/", last):
        for name in names:
            rest = (" * " + single[2], " *", f" * {_tag(seen.path, name, found[name])}", " */")
            yield Change(at, (last,), (f"{single[1]}/**", *(single[1] + row for row in rest)), name)
    elif last.strip() == "*/" and "/*" in told:
        for name in names:
            yield Change(at, (last,), (f"{lead(last)}* {_tag(seen.path, name, found[name])}", last), name)


def _returned(seen: Listing, told: str) -> list[tuple[str, str]]:
    """What a function returns, where its language writes that at the end of its head."""
    head = " ".join(line.strip() for line in seen.lines[seen.head : seen.opened])
    found = re.search(r"-> *([^{]*?) *(?:where\b[^{]*)?\{$", head)
    if seen.path.endswith(GO):
        found = re.search(r"\) (?:\(.*\b(error)\)|(error)|([*\w.\[\]]+)) \{$", head)
    said = next((one for one in found.groups() if one), "") if found else ""
    name = re.search(r"\w+", said)
    if not name or "eturn" in told:
        return []
    shown = f"`{said}`" if not seen.path.endswith(GO) else f"a {said}" if said != "error" else "an error when it fails"
    return [(name[0], f"It returns {shown}.")]


def _above(seen: Listing, comment: str) -> Iterator[Change]:
    """Above the function and its marks, where no comment stands yet."""
    if not seen.documented:
        rows = seen.lines[: seen.head + 1]
        yield Change(0, rows, (lead(rows[0]) + comment, *rows))


def _tag(path: str, name: str, written: str) -> str:
    """PHP's names the type, which stands before the name or may be any."""
    if path.endswith(PHP):
        kind = re.match(r"(?:(?:public|protected|private|readonly) )*([?\w\\|]+) ", written)
        return f"@param {kind[1] if kind else 'mixed'} ${name} the {name}"
    return f"@param {name} the {name}"


def _of(path: str, name: str) -> str:
    """How a language writes what a parameter is, after the mark of its comment."""
    if path.endswith(GO):
        return f"It takes {name}."
    if path.endswith(CSHARP):
        return f'<param name="{name}">The {name}.</param>'
    if path.endswith(SWIFT):
        return f"- Parameter {name}: The {name}."
    return f"@param {name} the {name}" if path.endswith(RUBY) else f"It takes `{name}`."


def _said(name: str) -> str:
    """What a function does, as far as its name tells; one word may be a verb or a noun."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")
    words = re.sub(r"\W+|__+", "_", words).strip("_")
    if words in _MADE:
        return SPECIAL["init"]
    told = words in SPECIAL or ("_" in words and words.partition("_")[0] in phrases.words()["verbs"])
    return sentence(words) if told else f"The {words.replace('_', ' ')} step"


def _third(verb: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", verb):
        return f"{verb}es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", verb) + "s"
