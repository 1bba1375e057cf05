"""Where a setting comes from, and what is said of one that cannot be."""

import re
from pathlib import Path

import pytest

from sera_cli import config
from sera_cli.errors import ConfigError
from sera_cli.knobs import Config


def project(folder: Path, text: str) -> Path:
    (folder / ".sera").mkdir()
    (folder / ".sera" / "config.toml").write_text(text, encoding="utf-8")
    return folder


def home(folder: Path, text: str = "") -> dict[str, str]:
    """An environment whose user's config says `text`."""
    (folder / "home" / "config").mkdir(parents=True)
    (folder / "home" / "config" / "config.toml").write_text(text, encoding="utf-8")
    return {"SERA_HOME": str(folder / "home")}


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config.resolve(project(folder, text), environ={"SERA_HOME": "/nowhere"})
    return str(caught.value).replace(str(folder), "")


def test_with_nothing_said_every_value_is_its_default() -> None:
    found = config.resolve(None, environ={"SERA_HOME": "/nowhere"})
    assert found.config == Config()
    assert set(found.origins.values()) == {"default"}
    assert (found.config.rollout.steps, found.config.teacher.temperature, found.config.mix.alpha) == (115, 0.6, 1.0)


def test_a_flag_beats_a_variable_beats_the_project_beats_the_user(tmp_path: Path) -> None:
    said = "[mix]\nalpha = {0}\n[rollout]\nsteps = {1}\n"
    user = said.format(0.1, 1) + "tries = 1\n[verify]\nthreshold = 0.1\n"
    environ = home(tmp_path, user) | {"SERA_MIX_ALPHA": "0.3", "SERA_ROLLOUT_STEPS": "3"}
    here = project(tmp_path, said.format(0.2, 2) + "tries = 2\n")
    found = config.resolve(here, {"mix.alpha": 0.4, "rollout.steps": None}, environ)
    assert (found.config.mix.alpha, found.origins["mix.alpha"]) == (0.4, "--alpha")
    assert (found.config.rollout.steps, found.origins["rollout.steps"]) == (3, "SERA_ROLLOUT_STEPS")
    assert (found.config.rollout.tries, found.origins["rollout.tries"]) == (
        2, str(tmp_path / ".sera" / "config.toml"))
    assert (found.config.verify.threshold, found.origins["verify.threshold"]) == (
        0.1, str(tmp_path / "home" / "config" / "config.toml"))


def test_the_project_is_found_from_a_folder_inside_it(tmp_path: Path) -> None:
    here = project(tmp_path, "[generate]\nseed = 7\n")
    (here / "src" / "deep").mkdir(parents=True)
    assert config.resolve(here / "src" / "deep", environ={"SERA_HOME": "/nowhere"}).config.generate.seed == 7


def test_a_repository_is_not_ruled_by_a_config_above_it(tmp_path: Path) -> None:
    inner = project(tmp_path, "[generate]\nseed = 7\n") / "vendor" / "other"
    (inner / ".git").mkdir(parents=True)
    assert config.resolve(inner, environ={"SERA_HOME": "/nowhere"}).config.generate.seed == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[rollout]\nstepz = 3\n", "/.sera/config.toml: unknown key rollout.stepz; the nearest known is rollout.steps"),
        ("[roll]\nsteps = 3\n", "/.sera/config.toml: unknown section roll; the nearest known is rollout"),
        ("mix = 3\n", "/.sera/config.toml: mix is a section; write [mix] and its keys below it"),
        ("[mix]\nalpha = 1.5\n", "/.sera/config.toml: mix.alpha is 1.5; it should be less than or equal to 1"),
        ("[rollout]\nsteps = '9'\n", "/.sera/config.toml: rollout.steps is '9'; it should be a valid integer"),
        ("[rollout]\nsteps = true\n", "/.sera/config.toml: rollout.steps is True; it should be a valid integer"),
        ("[rollout]\nsandbox = 'moon'\n",
         "/.sera/config.toml: rollout.sandbox is 'moon'; it should be 'auto', 'bubblewrap', 'docker' or 'folder'"),
        ("[teacher]\nmodel = 'gpt'\n",
         "/.sera/config.toml: teacher.model is 'gpt'; it should be rehearsal, openai:MODEL, "
         "anthropic:MODEL, or vllm:MODEL for a server of our own"),
        ("[agent]\nname = '../x'\n",
         "/.sera/config.toml: agent.name is '../x'; it should begin with a letter or digit, "
         "and go on with those, dots, dashes, underscores"),
        ("[mix]\nalpha = \n", "/.sera/config.toml: not TOML: Invalid value (at line 2, column 9)"),
    ],
)
def test_what_a_file_gets_wrong_is_named_in_one_line(tmp_path: Path, text: str, sentence: str) -> None:
    assert refusal(tmp_path, text) == sentence


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    project(tmp_path, "")
    (tmp_path / ".sera" / "config.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"config\.toml: not UTF-8 at byte 5; save it as UTF-8"):
        config.resolve(tmp_path, environ={"SERA_HOME": "/nowhere"})


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("SERA_ROLLOUT_STEPZ", "3", "unknown variable SERA_ROLLOUT_STEPZ; the nearest known is SERA_ROLLOUT_STEPS"),
        ("SERA_MIX_ALPHA", "half", "SERA_MIX_ALPHA: mix.alpha is 'half'; it should be a valid number, "
                                   "unable to parse string as a number"),
        ("SERA_MIX_ALPHA", "-1", "SERA_MIX_ALPHA: mix.alpha is -1.0; it should be greater than or equal to 0"),
    ],
)
def test_what_a_variable_gets_wrong_is_named_in_one_line(variable: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.resolve(None, environ={"SERA_HOME": "/nowhere", variable: text})
    assert str(caught.value) == sentence


def test_an_empty_variable_and_anothers_variable_say_nothing() -> None:
    found = config.resolve(None, environ={"SERA_HOME": "/nowhere", "SERA_MIX_ALPHA": "", "SERA_OTHER_TOOL": "x"})
    assert set(found.origins.values()) == {"default"}


def test_a_flag_out_of_range_is_named_as_it_was_typed() -> None:
    with pytest.raises(ConfigError, match=r"^--alpha: mix\.alpha is 2\.0; it should be less than or equal to 1$"):
        config.resolve(None, {"mix.alpha": 2.0}, {"SERA_HOME": "/nowhere"})


def test_a_file_named_in_a_config_is_read_from_the_projects_folder(tmp_path: Path) -> None:
    text = "[mix]\ngeneral = 'data/general.jsonl'\n[train]\nrecipe = 'lora'\n[student]\nmodel = './weights'\n"
    found = config.resolve(project(tmp_path, text), environ={"SERA_HOME": "/nowhere"}).config
    assert found.mix.general == str(tmp_path / "data" / "general.jsonl")
    assert found.student.model == str(tmp_path / "weights")
    assert found.train.recipe == "lora"


def test_the_written_config_holds_every_knob_and_says_nothing_until_edited(tmp_path: Path) -> None:
    text = config.written()
    asleep = config.resolve(project(tmp_path, text), environ={"SERA_HOME": "/nowhere"})
    assert set(asleep.origins.values()) == {"default"}
    awake = "\n".join(line[1:] if line[:1] == "#" and line[1:2] != " " else line for line in text.split("\n"))
    (tmp_path / ".sera" / "config.toml").write_text(awake, encoding="utf-8")
    found = config.resolve(tmp_path, environ={"SERA_HOME": "/nowhere"})
    assert found.config == Config()
    assert set(found.origins.values()) == {str(tmp_path / ".sera" / "config.toml")}


def test_the_users_folders_follow_xdg_unless_sera_home_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg/data")
    assert config.home("data", {}) == Path("/xdg/data/sera")
    assert config.home("data", {"SERA_HOME": "/own"}) == Path("/own/data")


@pytest.mark.parametrize("example", ["large.toml", "timesheet/sera.toml"])
def test_the_example_configs_can_be_used_as_they_are(tmp_path: Path, example: str) -> None:
    text = (Path(__file__).parent.parent / "examples" / example).read_text(encoding="utf-8")
    found = config.resolve(project(tmp_path, text), environ={"SERA_HOME": "/nowhere"})
    assert found.origins["generate.samples"] == str(tmp_path / ".sera" / "config.toml")


def test_any_knob_can_be_set_by_a_text_and_a_flag_of_its_own_beats_it(tmp_path: Path) -> None:
    said = ["train.epochs=2", "train.learning_rate=1e-4", "train.packing=false", "generate.demonstrations=i.toml"]
    assert config.assigned(said, tmp_path) == {
        "train.epochs": 2, "train.learning_rate": 1e-4, "train.packing": False,
        "generate.demonstrations": str(tmp_path / "i.toml"),
    }  # fmt: skip
    assert config.assigned(["teacher.url=http://h/v1?a=b"], tmp_path) == {"teacher.url": "http://h/v1?a=b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.epochs", "--set train.epochs: write KEY=VALUE, as in --set train.epochs=2"),
        ("train.epoch=2", "--set train.epoch=2: unknown key train.epoch; the nearest known is train.epochs"),
        ("epochs=2", "--set epochs=2: unknown key epochs; the nearest known is train.epochs"),
        ("train.epochs=two", "--set train.epochs=two: train.epochs is 'two'; it should be a valid integer"),
    ],
)
def test_a_text_that_sets_nothing_is_answered_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        config.assigned([text], Path())


def test_a_value_out_of_range_that_was_set_is_named_so() -> None:
    with pytest.raises(ConfigError, match=re.escape("--set: train.processes is -1; it should be greater than or")):
        config.resolve(None, {"train.processes": -1})
