"""Tests that node runs by itself: `node --test`, which needs no package."""

import re
from collections.abc import Sequence
from shlex import quote

from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners import jest, modules
from sera_cli.evaluate.runners.runner import Tree, words

REPORTER = "/tmp/told.mjs"

# Each test by its file and the suites around it, in the words of swebench's parser of jest.
TOLD = """
import { relative } from "node:path";
export default async function* (events) {
  const around = [];
  for await (const { type, data } of events) {
    if (type === "test:start") around[data.nesting] = data.name;
    if (type === "test:stdout" || type === "test:stderr") yield data.message.replace(/^/gm, "# ") + "\\n";
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.skip !== undefined || data.todo !== undefined || data.details?.type === "suite") continue;
    if (type === "test:fail") yield String(data.details?.error?.cause?.stack ?? data.details?.error) + "\\n";
    const titles = [relative("/testbed", data.file ?? ""), ...around.slice(0, data.nesting), data.name];
    const name = titles.filter(Boolean).join(" > ").replace(/\\s+/g, " ");
    yield `[${type === "test:pass" ? "PASSED" : "FAILED"}] ${name}\\n`;
  }
}
"""


class Node:
    name = "node"
    language = "javascript"
    parser = "parse_log_jest_json"
    inside = False

    def suits(self, tree: Tree) -> bool:
        found = (modules.package(tree, path) for path in tree.files if path.rpartition("/")[2] == "package.json")
        by_script = any(re.search(r"\bnode\b.*--test\b", modules.tests(said)) for said in found)
        return by_script or any("node:test" in tree.text(path) for path in sorted(filter(self.is_test, tree.files)))

    def is_test(self, path: str) -> bool:
        """What `node --test` looks for, and what others run."""
        found = re.search(r"(?:^|/)(?:test/(?!fixtures/).*[^/]|test(?:-[^/]*)?|[^/]*[._-]test)\.[cm]?js$", path)
        return jest.is_test(path) or (bool(found) and "node_modules/" not in path)

    def config(self, tree: Tree) -> InstallConfig:
        install = modules.install(tree)
        return InstallConfig(language="javascript", install=install, test_cmd="node --test", log_parser=self.parser)

    def command(self, _tree: Tree, tests: Sequence[str]) -> str:
        return f"printf %s {quote(TOLD)} >{REPORTER}; node --test --test-reporter={REPORTER} {words(tests)}"
