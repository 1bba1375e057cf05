"""The call graph as a file: names that need quoting, and nodes beyond those that are kept."""

from dataclasses import replace
from xml.etree import ElementTree

from sera_cli.svg.drawing import dot, graphml, near
from sera_cli.svg.mine import Mined
from sera_cli.svg.ties import Ties
from sera_cli.types import Function


def odd() -> Mined:
    one = Function(id="1", path='a"\\b<&>.js', name="f\x00", line=1, end_line=2, signature="f()", language="javascript")
    ties = Ties({}, {one.path: {one.name: {"b.js::g": True}}})
    return Mined(functions=(one,), ties=ties, files=1, unreadable=(), missing={}, read=1, pages=())


def test_dot_quotes_what_would_end_a_name() -> None:
    assert dot(odd()) == (
        'digraph calls {\n  "a\\"\\\\b<&>.js::f\x00" [label="f\x00"];\n  "b.js::g" [label="g"];\n'
        '  "a\\"\\\\b<&>.js::f\x00" -> "b.js::g";\n}\n'
    )


def test_graphml_is_xml_whatever_a_name_holds() -> None:
    root = ElementTree.fromstring(graphml(odd()))
    space = "{http://graphml.graphdrawing.org/xmlns}"
    one, two = root.iter(f"{space}node")
    assert one.get("id") == 'a"\\b<&>.js::f\N{REPLACEMENT CHARACTER}'
    assert {data.get("key"): data.text for data in one} == {
        "path": 'a"\\b<&>.js', "name": "f\N{REPLACEMENT CHARACTER}", "language": "javascript"}
    assert {data.get("key"): data.text for data in two} == {"path": "b.js", "name": "g"}
    assert [edge.get("target") for edge in root.iter(f"{space}edge")] == ["b.js::g"]


def test_graphml_keeps_every_letter_that_xml_can_hold() -> None:
    one = odd().functions[0].model_copy(update={"path": "資料\u3000一\n二.js", "name": "\N{GRINNING FACE}\ufffe"})
    root = ElementTree.fromstring(graphml(replace(odd(), functions=(one,), ties=Ties({}, {}))))
    (node,) = root.iter("{http://graphml.graphdrawing.org/xmlns}node")
    assert node.get("id") == "資料\u3000一\n二.js::\N{GRINNING FACE}\N{REPLACEMENT CHARACTER}"
    assert node[0].text == "資料\u3000一\n二.js"


def test_near_are_the_calls_of_and_to_what_is_there() -> None:
    links = {
        "a.js": {"f": {'a"\\b<&>.js::f\x00': False, "b.js::g": True}}, "b.js": {"g": {"c.js::h": True}},
        'a"\\b<&>.js': {"f\x00": {"c.js::h": True}},
    }
    assert near(replace(odd(), ties=Ties({}, links))).calls == (
        ('a"\\b<&>.js::f\x00', "c.js::h", True), ("a.js::f", 'a"\\b<&>.js::f\x00', False))


def test_a_call_that_could_mean_several_is_dashed_and_says_so() -> None:
    found = replace(odd(), functions=(), ties=Ties({}, {"a.py": {"f": {"c.py::g": False, "b.py::g": True}}}))
    edges = [row for row in dot(found).splitlines() if "->" in row]
    assert edges == ['  "a.py::f" -> "b.py::g";', '  "a.py::f" -> "c.py::g" [style=dashed];']
    space = "{http://graphml.graphdrawing.org/xmlns}"
    root = ElementTree.fromstring(graphml(found))
    assert [(edge.get("target"), [data.text for data in edge]) for edge in root.iter(f"{space}edge")] == [
        ("b.py::g", []), ("c.py::g", ["true"])]
    (key,) = (key for key in root.iter(f"{space}key") if key.get("for") == "edge")
    assert (key.get("id"), key[0].text) == ("ambiguous", "false")
