from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from sera_cli import templates
from sera_cli.cli.job import Job, _exports, _generation, named, open_job, real_run
from sera_cli.cli.options import ask
from sera_cli.config import Config
from sera_cli.errors import ConfigError
from sera_cli.git import open_repository
from sera_cli.knobs import Eval, Generate
from sera_cli.runs import Run
from tests.past import commit, git


@pytest.mark.parametrize(("teacher", "other"), [("rehearsal", True), ("openai:glm", False)])
def test_the_words_of_the_rehearsal_teacher_decide_what_is_generated_only_when_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, teacher: str, other: bool
) -> None:
    monkeypatch.setattr(templates, "folder", lambda: tmp_path)
    before = _generation(Config(), ("c",), teacher)
    (tmp_path / "rehearsal.toml").write_text("empty = []")
    assert (_generation(Config(), ("c",), teacher) != before) is other


def test_commits_and_focus_decide_what_is_generated_and_how_much_of_it_does_not() -> None:
    def made(at: tuple[str, ...] = ("c",), **said: object) -> dict[str, object]:
        return _generation(Config(generate=Generate.model_validate(said)), at, "rehearsal")

    plain = made()
    assert made(limit=5, samples=7, commits=2) == plain
    assert (plain["commit"], plain["commits"], plain["focus"]) == ("c", ["c"], [])
    assert made(("b", "c"))["commits"] == ["b", "c"]
    assert made(focus="src docs") == made(focus="docs src") != plain


def test_a_commit_is_exported_once_and_not_before_it_is_asked_for(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    old, new = (commit(repo, day, a=f"x = {day}\n") for day in (1, 2))
    job = Job(ask(repo), Config(), open_repository(repo), Run(folder=tmp_path / "run"), "rehearsal", {})
    exports = tmp_path / "exports"
    base = _exports(job, exports)
    assert not exports.exists()
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(base, [old] * 8))
    assert folders == {exports / old}
    assert [file.name for file in exports.iterdir()] == [old]
    assert (base(old) / "a.py").read_text() == "x = 1\n"
    assert (base(new) / "a.py").read_text() == "x = 2\n"


def test_a_folder_that_looks_like_a_flag_is_named_so_that_it_can_be_typed() -> None:
    assert named(Path("-shop [2]")) == "'./-shop [2]'"
    assert named(Path("../shop")) == "../shop"


@pytest.mark.parametrize(("at", "typed"), [
    ("HEAD", "shop"),
    ("v1.2", "shop --at v1.2"),
    ("HEAD~50", "shop --at HEAD~50"),
    ("HEAD~2^{}", "shop --at 'HEAD~2^{}'"),
    ("HEAD@{1 day ago}", "shop --at 'HEAD@{1 day ago}'"),
    ("fix/it's-$HOME", """shop --at 'fix/it'"'"'s-$HOME'"""),
])  # fmt: skip
def test_a_commit_is_named_so_that_a_shell_takes_it_for_one_word(at: str, typed: str) -> None:
    assert named(Path("shop"), at) == typed


def test_a_real_run_is_at_the_commit_of_the_rehearsal(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    git(tmp_path / "shop", "init", "-q")
    commit(tmp_path / "shop", 1, a="x = 1\n")
    checkout = open_repository(tmp_path / "shop")
    job = Job(ask(Path("shop"), at="v1"), Config(), checkout, Run(folder=tmp_path / "run"), "rehearsal", {})
    assert "\n    sera specialize shop --at v1 --teacher openai:MODEL " in real_run(job)


def asking(repo: Path, *sources: str, **flags: object) -> None:
    """Opens a job that mixes these sources of general data in."""
    asked = ask(repo, student="s", alpha=0.5, general=list(sources), sandbox="folder")
    open_job(replace(asked, flags=asked.flags | flags))


def test_every_source_of_general_data_is_looked_at_before_anything_is_done(example: Path, tmp_path: Path) -> None:
    there = tmp_path / "two words.jsonl"
    there.touch()
    asking(example, str(there), "owner/name@main")
    with pytest.raises(ConfigError, match=r"absent\.parquet: No such file or directory; name a file"):
        asking(example, str(there), str(tmp_path / "absent.parquet"))
    with pytest.raises(ConfigError, match="offline: the dataset owner/name@main would be fetched; name a file, or"):
        asking(example, str(there), "owner/name@main", **{"privacy.offline": True})
    with pytest.raises(ConfigError, match=r"No closing quotation; put quotes around a name with a space in it"):
        asking(example, **{"mix.general": "it's.jsonl"})
    assert not (example / ".sera").exists()


def test_another_share_held_out_is_another_generation_and_the_usual_one_goes_on_with_older_runs() -> None:
    assert "heldout" not in _generation(Config(), ("c",), "rehearsal")
    assert _generation(Config(eval=Eval(heldout=20)), ("c",), "rehearsal")["heldout"] == 20
