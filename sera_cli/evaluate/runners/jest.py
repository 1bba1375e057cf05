"""Tests that jest or vitest runs: both write the same JSON, which is told in the words of swebench's parser."""

import re
from collections.abc import Sequence
from posixpath import relpath
from shlex import quote

from sera_cli.evaluate.instance import InstallConfig
from sera_cli.evaluate.runners import modules
from sera_cli.evaluate.runners.runner import Tree, words

# Each test by its file and the titles around it: names that are alike in two suites would be one.
TOLD = """
const path = require("path"), told = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
for (const suite of told.testResults) for (const test of suite.assertionResults)
  if (["passed", "failed"].includes(test.status))
    console.log("[" + test.status.toUpperCase() + "] " + [path.relative("/testbed", suite.name), ...test.ancestorTitles,
      test.title].filter(Boolean).join(" > ").replace(/\\s+/g, " "));
"""
RESULTS = "/tmp/results.json"


class Jest:
    name = "jest"
    language = "javascript"
    parser = "parse_log_jest_json"
    inside = False
    runs = f"jest --ci --colors=false --json --outputFile={RESULTS} --runTestsByPath"

    def suits(self, tree: Tree) -> bool:
        return bool(modules.packages(tree, self.name)) and any(map(self.is_test, tree.files))

    def is_test(self, path: str) -> bool:
        return is_test(path)

    def config(self, tree: Tree) -> InstallConfig:
        install = modules.install(tree)
        return InstallConfig(language="javascript", install=install, test_cmd="npm test", log_parser=self.parser)

    def command(self, tree: Tree, tests: Sequence[str]) -> str:
        """In the nearest package that names the runner, or in the root."""
        known = modules.packages(tree, self.name)
        homes = {path: next((folder for folder in modules.above(path) if folder in known), "") for path in tests}
        return "; ".join(
            self._tested(home, [path for path in tests if homes[path] == home]) for home in sorted({*homes.values()})
        )

    def _tested(self, home: str, tests: Sequence[str]) -> str:
        files = words([relpath(path, home or ".") for path in tests])
        run = f"npx --no-install {self.runs} {files}"
        return f"(cd {quote(home or '.')} && rm -f {RESULTS}; {run}; node -e {quote(TOLD)} {RESULTS})"


class Vitest(Jest):
    name = "vitest"
    runs = f"vitest run --reporter=default --reporter=json --outputFile.json={RESULTS}"


def is_test(path: str) -> bool:
    by_name = re.search(r"(?:^|/)[^/]+[.-](?:test|spec)\.[cm]?[jt]sx?$", path)
    by_folder = re.search(r"(?:^|/)__tests__/(?:[^/]+/)*[^./][^/]*\.[cm]?[jt]sx?$", path)
    beside = re.search(r"(?:^|/)(?:node_modules|fixtures|helpers|__\w+__/.*__\w+__)/|\.d\.ts$", path)
    return bool(by_name or by_folder) and not beside
