import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sera_cli.agents import registry
from sera_cli.errors import ConfigError, DataError
from sera_cli.harness.wire.family import Wire
from sera_cli.types import AgentCard, Evaluation

CARD = AgentCard(
    name="flask", version=0, created="2026-11-20T12:00:00Z", base="Qwen/Qwen3-8B", method="lora",
    repository="/home/someone/secret place/flask", commit="0123456789abcdef", alpha=1.0, samples=8000,
    data_digest="abcdefabcdef", recipe="lora", teacher="openai:glm-4.6", context=32768,
    scores={"loss last": 0.25, "heldout agent": 0.5}, base_license="apache-2.0",
)


@pytest.fixture
def weights(tmp_path) -> Path:
    folder = tmp_path / "run" / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text("{}")
    return folder


def test_a_registered_agent_is_found_with_its_weights(tmp_path, weights):
    card = registry.register(tmp_path, CARD, weights)

    assert card == CARD.model_copy(update={"version": 1})
    assert registry.find(tmp_path, "flask") == card
    names = sorted(file.name for file in registry.folder(tmp_path, card).iterdir())
    assert names == ["README.md", "adapter_config.json", "adapter_model.safetensors", "card.toml"]
    assert tomllib.loads((registry.folder(tmp_path, card) / "card.toml").read_text())["scores"]["loss last"] == 0.25


def test_registering_again_makes_the_next_version_and_a_bare_name_means_the_newest(tmp_path, weights):
    for _ in range(11):
        registry.register(tmp_path, CARD, weights)

    assert registry.find(tmp_path, "flask").version == 11
    assert registry.find(tmp_path, "flask@2").version == 2
    assert [card.version for card in registry.agents(tmp_path)] == list(range(1, 12))


def test_two_who_register_at_once_both_get_a_version(tmp_path, weights):
    with ThreadPoolExecutor(4) as pool:
        cards = list(pool.map(lambda n: registry.register(tmp_path, CARD, weights), range(8)))

    assert sorted(card.version for card in cards) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [card.version for card in registry.agents(tmp_path)] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_empty_registry_lists_nothing_and_says_how_to_fill_it(tmp_path):
    assert registry.agents(tmp_path) == []
    with pytest.raises(ConfigError, match="no agent is called 'flask'; make one with `sera specialize REPO`"):
        registry.find(tmp_path, "flask")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("flsk", "did you mean 'flask'"), ("flask@3", "flask has no version '3'; it has flask@1"),
        ("flask@new", "flask has no version 'new'"), ("zebra", "there are flask"), ("../flask", "no agent is called"),
        ("", "no agent is called"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_what_is(tmp_path, weights, spec, message):
    registry.register(tmp_path, CARD, weights)

    with pytest.raises(ConfigError, match=message):
        registry.find(tmp_path, spec)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_name_that_cannot_be_a_folder_is_refused(tmp_path, weights, name):
    with pytest.raises(ConfigError, match="cannot name an agent"):
        registry.register(tmp_path, CARD.model_copy(update={"name": name}), weights)


def test_removing_one_version_leaves_the_others(tmp_path, weights):
    first, second = registry.register(tmp_path, CARD, weights), registry.register(tmp_path, CARD, weights)

    registry.remove(tmp_path, first)
    assert registry.agents(tmp_path) == [second]
    registry.remove(tmp_path, second)
    assert list((tmp_path / "agents").iterdir()) == []


@pytest.mark.parametrize(("text", "why"), [("name = ", "cannot be read"), ('name = "a"', "version: Field required")])
def test_a_broken_card_is_named_by_its_path(tmp_path, weights, text, why):
    file = registry.folder(tmp_path, registry.register(tmp_path, CARD, weights)) / "card.toml"
    file.write_text(text)

    with pytest.raises(DataError, match=why) as caught:
        registry.agents(tmp_path)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_there_leave_no_agent(tmp_path):
    with pytest.raises(DataError, match="cannot be registered"):
        registry.register(tmp_path, CARD, tmp_path / "absent")
    assert registry.agents(tmp_path) == []


def test_what_a_killed_registration_left_is_no_agent(tmp_path, weights):
    registry.register(tmp_path, CARD, weights)
    shutil.copytree(weights, tmp_path / "agents" / "flask" / ".123.part")

    assert [card.version for card in registry.agents(tmp_path)] == [1]


def front(text: str) -> dict[str, object]:
    import yaml

    return yaml.safe_load(text.split("---\n")[1])


def test_the_model_card_has_front_matter_and_no_path_of_this_machine():
    text = registry.model_card(CARD.model_copy(update={"version": 3}))

    assert front(text) == {
        "library_name": "peft", "pipeline_tag": "text-generation", "base_model": "Qwen/Qwen3-8B",
        "base_model_relation": "adapter", "license": "apache-2.0",
        "tags": ["sera", "coding-agent", "lora", "sft", "trl"],
    }
    assert "# flask@3" in text
    assert "| repository | flask at `0123456789abcdef` |" in text
    assert "| heldout agent | 0.5 |\n| loss last | 0.25 |\n" in text
    assert "someone" not in text
    assert "rehearsal" not in text.lower()


def test_the_card_of_a_rehearsal_says_that_it_is_a_toy():
    toy = {"rehearsal": True, "base": "rehearsal-12345678", "base_license": "", "method": "full", "scores": {}}
    text = registry.model_card(CARD.model_copy(update=toy))

    assert front(text) == {
        "library_name": "transformers", "pipeline_tag": "text-generation",
        "tags": ["sera", "coding-agent", "full-tuning", "sft", "trl"],
    }
    assert "**A rehearsal.**" in text
    assert "## Scores" not in text


def test_a_base_and_a_licence_that_the_hub_does_not_know_are_not_told_as_if_it_did():
    local = registry.model_card(CARD.model_copy(update={"base": "/srv/models/My Model", "base_license": "PSF-2.0"}))

    assert "base_model" not in front(local)
    assert (front(local)["license"], front(local)["license_name"]) == ("other", "psf-2.0")
    assert "| base | My Model, PSF-2.0 |" in local


def test_a_merged_adapter_is_a_whole_model_and_its_card_says_why():
    text = registry.model_card(CARD.model_copy(update={"method": "qlora", "merged": "its rank is 600"}))

    assert (front(text)["library_name"], front(text)["base_model_relation"]) == ("transformers", "finetune")
    assert "LoRA on all linear layers over a base in 4 bits, recipe `lora` |\n| weights | the adapter is merged" in text
    assert "into the base, in bfloat16: its rank is 600 |\n| teacher |" in text


@pytest.mark.parametrize(
    ("family", "calls", "parser"),
    [
        ("qwen2.5", '`{"name": …, "arguments": {…}}` in `<tool_call>`', "hermes"),
        ("qwen3-coder", "`<function=name>`", "qwen3_coder"),
        ("llama3", '`{"name": …, "parameters": {…}}`', "llama3_json"),
        ("mistral", "`[TOOL_CALLS]name[ARGS]{…}`", "mistral"),
    ],
)
def test_the_model_card_says_how_the_agent_speaks_and_is_served(family, calls, parser):
    text = registry.model_card(CARD.model_copy(update={"family": family}))

    assert f"| family | {family} |\n| turns |" in text
    assert next(line for line in text.splitlines() if line.startswith("| calls |")).count(calls) == 1
    assert f"--tool-call-parser {parser} " in text
    assert "| thinking | alone before a call; commentary became thinking where there was none |" in text
    assert "\n\n\n" not in text


SOFT = Evaluation(bench="soft", score="recall", tasks=44, seeds=3, mean=0.5, low=0.4, high=0.625, sd=0.01, digest="")
BASE = SOFT.model_copy(update={"who": "Qwen3-8B", "mean": 0.25, "low": 0.2, "high": 0.3, "sd": None, "verdict": "up"})


def test_what_was_measured_stands_in_both_cards_and_the_newest_of_a_benchmark_wins(tmp_path, weights):
    card = registry.register(tmp_path, CARD, weights)
    past = SOFT.model_copy(update={"bench": "replay", "score": "resolved"})

    registry.measured(tmp_path, card, [past])
    registry.measured(tmp_path, card, [SOFT.model_copy(update={"mean": 0.1})])
    told = registry.measured(tmp_path, card, [SOFT, BASE])

    assert told.evaluations == (past, SOFT, BASE)
    assert registry.find(tmp_path, "flask") == told
    people = (registry.folder(tmp_path, card) / "README.md").read_text()
    assert "\n| soft | this agent | recall | 50.0 % | 40.0 to 62.5 % | 1.0 % | 44 | 3 |  |\n" in people
    assert "\n| soft | Qwen3-8B | recall | 25.0 % | 20.0 to 30.0 % |  | 44 | 3 | up |\n" in people
    assert "a\nproxy for tasks resolved, not a count of them" in people


def test_what_a_card_tells_already_keeps_whoever_was_measured_beside(tmp_path, weights):
    card = registry.register(tmp_path, CARD, weights)

    registry.measured(tmp_path, card, [SOFT, BASE])
    assert registry.measured(tmp_path, card, [SOFT]).evaluations == (SOFT, BASE)
    other = SOFT.model_copy(update={"seeds": 5})
    assert registry.measured(tmp_path, card, [other]).evaluations == (other,)


def test_a_card_from_before_there_were_evaluations_has_none(tmp_path, weights):
    file = registry.folder(tmp_path, registry.register(tmp_path, CARD, weights)) / "card.toml"
    file.write_text("".join(line for line in file.open() if not line.startswith("evaluations")))

    assert registry.find(tmp_path, "flask").evaluations == ()
    assert "## Evaluation" not in registry.model_card(CARD)
    assert "\n\n\n" not in registry.model_card(CARD.model_copy(update={"evaluations": (SOFT, BASE)}))


def test_an_agent_speaks_as_its_card_says(tmp_path, weights):
    card = registry.register(tmp_path, CARD.model_copy(update={"family": "llama3", "thinking": "keep"}), weights)

    assert registry.spoken(registry.find(tmp_path, "flask")) == Wire(family="llama3", thinking="keep")
    assert card.family == "llama3"


def test_a_family_of_another_sera_is_one_line():
    with pytest.raises(ConfigError) as caught:
        registry.spoken(CARD.model_copy(update={"family": "gpt-oss"}))
    assert str(caught.value) == "flask@0 speaks gpt-oss with thinking fold, which this sera does not; upgrade it"
