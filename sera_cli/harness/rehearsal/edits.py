"""The kinds of edit that the rehearsal teacher knows, and which of them it would try first."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

from sera_cli.harness.rehearsal import blocks, checks, documentation, expressions
from sera_cli.harness.rehearsal.change import Change, sound
from sera_cli.harness.rehearsal.phrases import hints
from sera_cli.harness.rehearsal.scene import Scene

KINDS: dict[str, Callable[[Scene], Iterator[Change]]] = {
    "mutable-default": checks.mutable_default, "assert-raise": checks.assert_raise, "none-guard": checks.none_guard,
    "type-check": checks.type_check, "empty-guard": checks.empty_guard, "raise-from": blocks.raise_from,
    "error-message": expressions.error_message, "narrow-except": blocks.narrow_except,
    "context-manager": blocks.context_manager, "encoding": expressions.encoding,
    "type-compare": expressions.type_compare, "isinstance-merge": expressions.isinstance_merge,
    "prefix-merge": expressions.prefix_merge, "identity": expressions.identity,
    "bool-compare": expressions.bool_compare, "membership": expressions.membership,
    "emptiness": expressions.emptiness, "keys": expressions.keys, "super-call": expressions.super_call,
    "literal": expressions.literal, "return-bool": blocks.return_bool, "get-default": blocks.get_default,
    "fstring": expressions.fstring, "annotation": documentation.annotation,
    "docstring": documentation.docstring, "doc-raises": documentation.doc_raises,
    "doc-returns": documentation.doc_returns, "doc-parameters": documentation.doc_parameters,
    "copy-argument": checks.copy_argument, "comprehension": expressions.comprehension, "order": expressions.order,
    "else-return": blocks.else_return,
}  # fmt: skip
ANYWHERE = frozenset(
    {
        "none-guard", "type-check", "annotation", "docstring", "doc-raises", "doc-returns", "doc-parameters",
        "null-guard", "block-doc", "nil-guard", "go-doc", "required", "line-doc", "more-doc",
    }
)
"""Kinds that fit most functions: what is particular to this one goes before them, unless the report hints at them."""


def propose(scene: Scene, report: str, dice: Random) -> list[tuple[str, Change]]:
    """Every edit that fits the function, the one to try first in front."""
    found = ranked({kind: find(scene) for kind, find in KINDS.items()}, report, dice)
    return [(kind, change) for kind, change in found if sound(scene, change)]


def ranked(found: Mapping[str, Iterable[Change]], report: str, dice: Random) -> list[tuple[str, Change]]:
    """Edits by kind in the order in which they are to be tried.

    What the report hints at counts most, then names that it mentions, then how particular an edit is; chance decides
    the rest, and now and then prefers another edit to the likeliest.
    """
    hinted = hints(report)
    rows: list[tuple[float, str, Change]] = []
    for kind, changes in found.items():
        weight = 4.0 * (kind in hinted) + 2.0 * (kind not in ANYWHERE) + dice.random() * 2.5
        for place, change in enumerate(changes):
            named = bool(change.name) and f"`{change.name}`" in report
            rows.append((weight + 2.0 * named - 0.6 * place + dice.random() * 0.8, kind, change))
    rows.sort(key=lambda row: -row[0])
    return [(kind, change) for _, kind, change in rows]
