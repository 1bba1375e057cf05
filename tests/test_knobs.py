"""The settings as values: what they say of themselves, and what they refuse."""

import pytest
from pydantic import ValidationError

from sera_cli import knobs


def test_every_knob_has_a_sentence_and_a_default() -> None:
    found = dict(knobs.knobs())
    assert [key for key, field in found.items() if not (field.description or "").endswith(".")] == []
    assert [key for key, field in found.items() if field.is_required()] == []


def test_a_config_is_not_changed_once_it_is_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        knobs.Config().mix.alpha = 0.5


NAMED = ["", "rehearsal", "openai:zai-org/GLM-4.6", "openai:a:b", "anthropic:x", "vllm:./folder"]


@pytest.mark.parametrize("name", NAMED)
def test_these_name_a_teacher(name: str) -> None:
    assert knobs.Teacher(model=name).model == name


@pytest.mark.parametrize("name", ["openai", "openai:", "gpt-5", "anthropic:", "vllm", "azure:x", " rehearsal"])
def test_these_name_no_teacher(name: str) -> None:
    with pytest.raises(ValidationError, match="should be rehearsal, openai:MODEL, anthropic:MODEL, or vllm:MODEL"):
        knobs.Teacher(model=name)


@pytest.mark.parametrize("since", ["", "365", "1y", "0d", "-3d", "365d "])
def test_these_are_no_number_of_days(since: str) -> None:
    with pytest.raises(ValidationError, match="should be a number of days, such as 365d"):
        knobs.Generate(since=since)


@pytest.mark.parametrize("name", ["../up", ".hidden", "a b", "a@2", "-x", "a\n"])
def test_these_name_no_agent(name: str) -> None:
    with pytest.raises(ValidationError, match="should begin with a letter or digit"):
        knobs.Agent(name=name)


def test_a_flag_belongs_to_one_knob() -> None:
    flags = [knobs.flag_of(field) for _, field in knobs.knobs() if knobs.flag_of(field)]
    assert len(flags) == len(set(flags)) == 31


def test_a_knob_of_the_recipe_may_be_left_empty_or_said() -> None:
    assert (knobs.Train().epochs, knobs.Train(epochs=2).epochs, knobs.Train(packing=False).packing) == ("", 2, False)
    with pytest.raises(ValidationError):
        knobs.Train(epochs="two")
