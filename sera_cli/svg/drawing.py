"""The call graph as a file that other programs draw. Its edges are told by name, and never exact.

Where a name could mean a few functions there is an edge to each: dashed in DOT, with `ambiguous` in GraphML.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.sax.saxutils import quoteattr

from sera_cli.svg.meaning import Links
from sera_cli.svg.mine import Mined

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, however it is written."""

_KEYS = ("path", "name", "language")
_AMBIGUOUS = '<key id="ambiguous" for="edge" attr.name="ambiguous" attr.type="boolean"><default>false</default></key>'


def dot(found: Mined) -> str:
    """In Graphviz' language: functions that rollouts may set out from, and whoever else calls or is called."""
    rows = [f"  {_quoted(name)} [label={_quoted(facts['name'])}];\n" for name, facts in _nodes(found)]
    for caller, callee, sure in found.calls:
        rows.append(f"  {_quoted(caller)} -> {_quoted(callee)}{'' if sure else ' [style=dashed]'};\n")
    return "".join(["digraph calls {\n", *rows, "}\n"])


def graphml(found: Mined) -> str:
    """In GraphML, with path, name and language of each function, and of each call whether it is ambiguous."""
    keys = "".join(f'  <key id="{key}" for="node" attr.name="{key}" attr.type="string"/>\n' for key in _KEYS)
    keys += f"  {_AMBIGUOUS}\n"
    rows = [f"    <node id={_attribute(name)}>{_data(facts)}</node>\n" for name, facts in _nodes(found)]
    for caller, callee, sure in found.calls:
        end = "/>" if sure else '><data key="ambiguous">true</data></edge>'
        rows.append(f"    <edge source={_attribute(caller)} target={_attribute(callee)}{end}\n")
    return "".join([
        '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n', keys,
        '  <graph edgedefault="directed">\n', *rows, "  </graph>\n</graphml>\n",
    ])  # fmt: skip


def near(found: Mined) -> Mined:
    """The same with no calls but those of and to its functions: of a part of a repository, what is around that."""
    own = {f"{one.path}::{one.name}" for one in found.functions}
    links: Links = {}
    for path, called in found.ties.links.items():
        for name, some in called.items():
            kept = some if f"{path}::{name}" in own else {one: sure for one, sure in some.items() if one in own}
            links.setdefault(path, {})[name] = kept
    return replace(found, ties=replace(found.ties, told=links))


def _nodes(found: Mined) -> Iterator[tuple[str, dict[str, str]]]:
    """Each function once, by `path::name`; the language is known of those that rollouts may set out from."""
    nodes = {f"{one.path}::{one.name}": {key: getattr(one, key) for key in _KEYS} for one in found.functions}
    for place in (place for call in found.calls for place in call[:2]):
        path, _, name = place.partition("::")
        nodes.setdefault(place, {"path": path, "name": name, "language": ""})
    yield from sorted(nodes.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _attribute(text: str) -> str:
    return quoteattr(_NO_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _data(facts: dict[str, str]) -> str:
    return "".join(f'<data key="{key}">{_attribute(value)[1:-1]}</data>' for key, value in facts.items() if value)
