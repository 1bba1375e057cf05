"""The rehearsal teacher on languages that it edits by the line, in the real loop and a real sandbox."""

from pathlib import Path

import pytest

from sera_cli import git, templates
from sera_cli.export import export
from sera_cli.harness.rehearsal import rehearsal
from sera_cli.harness.rehearsal.roaming import knows
from sera_cli.types import Message, Trajectory
from tests.rollouts import rehearsed

CART = """"use strict";

class Cart {
  constructor(items) {
    this.items = items;
  }

  total(rate) {
    var value = 0;
    for (const item of this.items) {
      if (item.price == "0") {
        throw new Error("no price");
      }
      value += parseInt(item.price) * rate;
    }
    return value;
  }
}

const hasName = (items, name) => {
  const names = items.map((item) => item.name);
  return names.indexOf(name) !== -1;
};

module.exports = { Cart, hasName };
"""
STORE = """package store

import "fmt"

// Item is a thing.
type Item struct{ Price int }

func (s *Store) Total(first *Item, rest ...interface{}) (int, error) {
\tsum := first.Price
\tfor range rest {
\t\tsum += 1
\t}
\tif err := s.check(sum); err != nil {
\t\tfmt.Println("bad")
\t\treturn 0, err
\t}
\treturn sum, nil
}

func (s *Store) check(sum int) error {
\tif sum < 0 {
\t\treturn fmt.Errorf("negative")
\t}
\treturn nil
}
"""
SHOPS = """package store

// Open says of all shops that they are open, on any of their days.
func (s *Shops) Open(day *Day) {
\ts.open = day
\ts.first = day.Hours
}

type Shop struct {
\topen  *Day
\tfirst int
\tlast  int
}

func (s *Shop) Open(day *Day) {
\ts.open = day
}
"""
DESK = """#include "desk.h"

int Desk::lamps(const Room& room) {
  if (room.lamps() == NULL) return 0;
  return room.lamps()->size();
}
"""
PLACES = (("Cart.total", "lib/cart.js"), ("hasName", "lib/cart.js"), ("Store.Total", "store/store.go"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import commit

    repo = tmp_path_factory.mktemp("repo")
    adds = "def add(a):\n    return a + 1\n"
    files = {"lib/cart.js": CART, "store/store.go": STORE, "store/shops.go": SHOPS, "src/desk.cc": DESK, "a.py": adds}
    for name, text in files.items():
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).write_text(text)
    commit(repo)
    folder = tmp_path_factory.mktemp("export") / "base"
    export(git.open_repository(repo), folder)
    return folder


@pytest.fixture(scope="module")
def rollouts(base: Path) -> list[Trajectory]:
    places = [PLACES[seed % 3] for seed in range(12)]
    reports = [f"Something is off around `{name}` in {path}." for name, path in places]
    return [rehearsed(base, report, seed) for seed, report in enumerate(reports)]


def test_most_rollouts_end_in_a_small_patch_of_the_file_in_question(rollouts: list[Trajectory]) -> None:
    good = [one for one, (_, path) in zip(rollouts, PLACES * 4, strict=True) if f"b/{path}" in one.patch]
    assert len(good) >= 9
    assert all(one.exit == "submitted" for one in good)
    assert all(2 <= sum(row[:1] in "+-" for row in one.patch.split("\n")[5:]) <= 12 for one in good)


def test_the_same_seed_and_messages_make_the_same_reply(rollouts: list[Trajectory]) -> None:
    for one in rollouts[:3]:
        messages: list[Message] = list(one.prompt)
        for step in one.steps:
            assert rehearsal(one.policy.seed).reply(messages, []).message == step.reply.message
            messages += [step.reply.message, *step.results]


def test_a_method_is_that_of_its_type_and_of_none_whose_name_begins_so(base: Path) -> None:
    report = "Something is off around `Shop.Open` in store/shops.go."
    patches = [rehearsed(base, report, seed).patch for seed in range(4)]
    assert sum(" func (s *Shop) Open(day *Day) {" in patch for patch in patches) >= 3
    assert not any("s.first = day.Hours" in patch for patch in patches)


def test_a_language_that_has_no_word_for_a_function_needs_no_path_either(base: Path) -> None:
    patches = [rehearsed(base, "`Desk.lamps` does not do what I expect.", seed).patch for seed in range(4)]
    assert sum("b/src/desk.cc" in patch for patch in patches) >= 3


def test_words_are_enough_where_no_function_is_named(base: Path) -> None:
    patches = [rehearsed(base, "Trouble with has name in lib/cart.js.", seed).patch for seed in range(4)]
    assert sum("hasName" in patch for patch in patches) >= 3


def test_a_report_without_a_path_is_enough(base: Path) -> None:
    report = "`hasName` asks where something is only to know whether it is there, in a roundabout way."
    patches = [rehearsed(base, report, seed).patch for seed in range(4)]
    assert sum("+  return names.includes(name);" in patch for patch in patches) >= 3


@pytest.mark.parametrize("statement", ["Off: `nothing` in lib/cart.js.", "`none` in lib/none.js", "Off in `x` in a.rs"])
def test_what_is_not_there_ends_without_a_patch(base: Path, statement: str) -> None:
    done = rehearsed(base, statement, 1)
    assert (done.patch, done.error) == ("", "")


def test_the_teacher_accepts_its_own_work_and_writes_it_up(rollouts: list[Trajectory]) -> None:
    from sera_cli.svg.explore import check

    judged = [check(rehearsal(seed), one).check for seed, one in enumerate(rollouts) if one.patch]
    assert judged.count(True) >= len(judged) - 2
    one = next(one for one in rollouts if "cart.js" in one.patch)
    values = {"steps": "[]", "patch": one.patch, "demonstration": "d", "function": "Cart.total", "path": "lib/cart.js"}
    prompt = templates.render("prompts/issue.md", **values)
    asked: list[Message] = [{"role": "user", "content": prompt}]
    texts = [str(rehearsal(seed).reply(asked, []).message["content"]) for seed in range(9)]
    assert any("`Cart.total`" in text for text in texts)


def test_which_paths_are_edited_by_the_line() -> None:
    assert [knows(path) for path in ("a.js", "b/c.tsx", "d.go", "e.py", "f.rs", "g.json")] == [
        True, True, True, False, True, False]
