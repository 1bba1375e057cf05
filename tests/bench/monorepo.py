"""A repository made up for measuring: as many files as are asked for, in six languages, that call one another.

    python tests/bench/monorepo.py FOLDER FILES

Packages of 40 files each; a file has 2 to 8 functions of some ten lines, with a comment or docstring, a loop and two
decisions, which call others of their file and of an imported one. One file in ten is a test that names functions of the
others. The same number of files makes the same repository everywhere.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

PACKAGE = 40
WORDS = (
    "account", "balance", "batch", "branch", "cache", "channel", "chunk", "client", "cursor", "deploy", "digest",
    "entry", "event", "filter", "format", "frame", "graph", "header", "index", "invoice", "label", "ledger",
    "limit", "merge", "message", "metric", "node", "offset", "order", "parcel", "parse", "path", "patch", "price",
    "probe", "queue", "range", "record", "refund", "region", "render", "report", "request", "result", "route",
    "sample", "schema", "score", "segment", "session", "shard", "signal", "slot", "source", "span", "stock",
    "store", "stream", "table", "task", "tenant", "ticket", "token", "total", "trace", "tree", "unit", "update",
    "user", "value", "vector", "view", "window", "worker", "zone",
)  # fmt: skip

KINDS = {
    "py": ("from {package} import {other}\n", '''
def {name}({a}, {b}):
    """{doc}"""
    total = 0
    for item in {a}:
        if item > {b} and total < {number}:
            total += {near}(item, {b})
        elif item == {number}:
            total -= {other}.{far}(item)
    return total * {number}
'''),
    "ts": ("import {{ {far} }} from './{other}';\n", """
/** {doc} */
export function {name}({a}: number[], {b}: number): number {{
  let total = 0;
  for (const item of {a}) {{
    if (item > {b} && total < {number}) {{
      total += {near}([item], {b});
    }} else if (item === {number}) {{
      total -= {far}([item], {b});
    }}
  }}
  return total * {number};
}}
"""),
    "go": ("package {package}\n", """
// {name} {doc}
func {name}({a} []int, {b} int) int {{
	total := 0
	for _, item := range {a} {{
		if item > {b} && total < {number} {{
			total += {near}({a}, {b})
		}} else if item == {number} {{
			total -= {far}({a}, {b})
		}}
	}}
	return total * {number}
}}
"""),
    "java": ("package {package};\n\nclass {file} {{", """
    /** {doc} */
    static int {name}(int[] {a}, int {b}) {{
        int total = 0;
        for (int item : {a}) {{
            if (item > {b} && total < {number}) {{
                total += {near}({a}, {b});
            }} else if (item == {number}) {{
                total -= {other}.{far}({a}, {b});
            }}
        }}
        return total * {number};
    }}
"""),
    "rs": ("use crate::{package}::{other};\n", """
/// {doc}
pub fn {name}({a}: &[i64], {b}: i64) -> i64 {{
    let mut total = 0;
    for item in {a}.iter() {{
        if *item > {b} && total < {number} {{
            total += {near}({a}, {b});
        }} else if *item == {number} {{
            total -= {other}::{far}({a}, {b});
        }}
    }}
    total * {number}
}}
"""),
    "c": ("#include \"{other}.h\"\n", """
/* {doc} */
static int {name}(const int *{a}, int {b}) {{
    int total = 0;
    for (int item = 0; item < {b}; item++) {{
        if ({a}[item] > {b} && total < {number}) {{
            total += {near}({a}, {b});
        }} else if ({a}[item] == {number}) {{
            total -= {far}({a}, {b});
        }}
    }}
    return total * {number};
}}
"""),
}  # fmt: skip


def made(folder: Path, count: int) -> Path:
    """Makes a repository of `count` files in the folder, with one commit."""
    subprocess.run(["git", "init", "-q", folder], check=True)
    command = ["git", "-C", folder, "-c", "core.compression=1", "fast-import", "--quiet", "--depth=0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"commit refs/heads/main\ncommitter bench <bench@localhost> 1700000000 +0000\ndata 3\nall")
        for path, text in files(count):
            content = text.encode()
            process.stdin.write(f"\nM 100644 inline {path}\ndata {len(content)}\n".encode() + content)
        process.stdin.write(b"\n")
    if process.returncode:
        raise SystemExit("git fast-import failed")
    subprocess.run(["git", "-C", folder, "symbolic-ref", "HEAD", "refs/heads/main"], check=True)
    return folder


def files(count: int) -> Iterator[tuple[str, str]]:
    """Paths and texts."""
    kinds = list(KINDS)
    for number in range(count):
        package, place = divmod(number, PACKAGE)
        kind = kinds[package % len(kinds)]
        folder = f"{WORDS[package % len(WORDS)]}{package}"
        names = [_file(package, one % PACKAGE) for one in (place, place + 1)]
        chance = Random(number)
        test = place % 10 == 9
        path = f"team{package % 97}/{folder}/{'tests/test_' if test else ''}{names[0]}.{kind}"
        yield path, _text(kind, {"package": folder, "file": names[0], "other": names[1]}, chance, number)


def _text(kind: str, around: dict[str, str], chance: Random, number: int) -> str:
    head, body = KINDS[kind]
    own, other = _functions(number), _functions(number + 1)
    parts = [head.format(**around, far=other[0])]
    for name in own:
        a, b = chance.sample(WORDS, 2)
        doc = " ".join(["Reckons", *chance.choices(WORDS, k=6)]).capitalize() + "."
        parts.append(body.format(
            **around, name=name, a=a, b=f"{b}_", doc=doc, number=chance.randrange(2, 9999), near=chance.choice(own),
            far=chance.choice(other),
        ))  # fmt: skip
    return "".join(parts) + ("}\n" if kind == "java" else "")


def _file(package: int, place: int) -> str:
    return f"{WORDS[(package + 7 * place) % len(WORDS)].capitalize()}{place}"


def _functions(number: int) -> list[str]:
    """The names in a file: some of them are those of functions elsewhere, as they are in any repository."""
    chance = Random(f"names {number}")
    return list(dict.fromkeys(
        f"{chance.choice(WORDS)}_{chance.choice(WORDS)}_{number % 1000}" for _ in range(chance.randrange(2, 9))
    ))  # fmt: skip


if __name__ == "__main__":
    made(Path(sys.argv[1]), int(sys.argv[2]))
