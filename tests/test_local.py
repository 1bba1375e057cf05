import shutil
from pathlib import Path

import pytest

from sera_cli.agents.local import LocalModel
from sera_cli.errors import ContextOverflow, ModelError
from sera_cli.harness import tokens, wire
from sera_cli.harness.wire.family import Wire
from sera_cli.types import ToolCall
from tests import families
from tests.students import FULL, LORA, TOOLS, chat, sample, tiny, train

LONG = FULL.model_copy(update={"epochs": 80, "batch": 1, "learning_rate": 5e-3})


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> Path:
    """Full tuning on one conversation until it is known by heart."""
    out = tmp_path_factory.mktemp("learned") / "adapter"
    train([sample()], [], tiny(), LONG, out, seed=0)
    return out


@pytest.fixture(scope="module")
def adapter(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("lora") / "adapter"
    train([sample()], [], tiny(), LORA, out, seed=0)
    return out


def model(weights=None, **options) -> LocalModel:
    return LocalModel(tiny().base, weights, name="toy", **{"context": 2000, "max_tokens": 120, **options})


def test_what_was_trained_is_answered_as_a_call(learned):
    reply = model(learned).reply(chat()[:2], TOOLS)

    assert reply.problem == ""
    assert reply.calls == (ToolCall(id="call_0_0", name="bash", arguments='{"command": "ls 0"}'),)
    assert reply.message["reasoning_content"] == "I look."


def test_the_next_turn_reuses_what_was_read_and_answers_as_if_it_were_new(learned):
    warm = model(learned)
    first = warm.reply(chat()[:2], TOOLS)
    history = [*chat()[:2], first.message, chat()[3]]
    second = warm.reply(history, TOOLS)

    assert first.usage.cached == 0
    assert second.usage.cached >= first.usage.prompt
    assert second.message == model(learned).reply(history, TOOLS).message == {"role": "assistant", "content": "Done."}


def test_another_conversation_does_not_see_the_one_before(learned):
    used = model(learned)
    used.reply(chat(5), TOOLS)

    assert used.reply(chat()[:2], TOOLS).message == model(learned).reply(chat()[:2], TOOLS).message


def test_a_reply_that_is_stopped_half_way_through_a_token_leaves_no_trace(learned):
    def stop(*_):
        hook.remove()
        raise KeyboardInterrupt

    used = model(learned)
    first = used.reply(chat()[:2], TOOLS)
    history = [*chat()[:2], first.message, chat()[3]]
    hook = used._model.model.layers[-1].register_forward_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        used.reply(history, TOOLS)

    assert used.reply(history, TOOLS).message == {"role": "assistant", "content": "Done."}
    assert used.reply(chat()[:2], TOOLS).message == first.message


def test_usage_counts_tokens(learned):
    reply = model(learned).reply(chat()[:2], TOOLS)
    tokenizer = tokens.load(str(learned))

    assert reply.usage.prompt == len(tokens.encode(wire.flatten(chat()[:2], TOOLS), tokenizer, prompt=True).ids)
    assert reply.usage.completion == len(tokenizer.encode(wire.render(reply.message)))


def test_what_is_heard_while_it_grows_is_the_text_that_was_parsed(learned):
    heard = []
    reply = model(learned).reply(chat()[:2], TOOLS, on_text=heard.append)

    assert len(heard) > 5
    assert wire.parse("".join(heard)).message == reply.message


@pytest.mark.parametrize("family", families.NAMES)
def test_an_agent_of_any_family_answers_as_it_was_trained(family, tmp_path):
    student = families.student(family)
    agent = LocalModel(
        student.base, families.learned(student, tmp_path / "a"), name="toy", context=student.context, max_tokens=120,
        spoken=student.wire,
    )  # fmt: skip

    called = agent.reply(chat()[:2], TOOLS)
    answered = agent.reply([*chat()[:2], called.message, chat()[3]], TOOLS)

    assert called.calls == (ToolCall(id="call_0_0", name="bash", arguments='{"command": "ls 0"}'),)
    assert called.message["reasoning_content"] == "I look."
    assert answered.message == {"role": "assistant", "content": "Done."}
    assert answered.usage.cached >= called.usage.prompt


def test_a_student_that_lacks_the_end_of_a_turn_is_one_line():
    with pytest.raises(ModelError, match=r"has no <\|eot_id\|>"):
        model(spoken=Wire(family="llama3"))


def test_a_base_that_never_learned_the_tools_does_not_call_one():
    reply = model().reply(chat()[:2], TOOLS)

    assert not [call for call in reply.calls if call.name == "bash"]


def test_an_adapter_is_put_on_its_base(adapter):
    reply = model(adapter).reply(chat()[:2], TOOLS)

    assert reply.usage.completion > 0
    assert any("lora" in name for name, _ in model(adapter)._model.named_parameters())


def test_temperature_zero_repeats_itself_and_a_seed_decides_above_it(learned):
    def said(**options):
        return model(learned, max_tokens=12, **options).reply(chat(9)[:2], TOOLS).message

    assert said() == said(seed=5)
    assert said(temperature=3.0, seed=1) == said(temperature=3.0, seed=1)
    assert said(temperature=3.0, seed=1) != said(temperature=3.0, seed=2)


def test_a_conversation_that_does_not_fit_is_an_overflow(learned):
    with pytest.raises(ContextOverflow, match=r"has \d+ tokens, and toy reads 100"):
        model(learned, context=100).reply(chat()[:2], TOOLS)


def test_a_reply_that_runs_out_of_room_is_an_overflow_and_one_that_is_cut_by_its_limit_is_not(learned):
    prompt = model(learned).reply(chat()[:2], TOOLS).usage.prompt

    with pytest.raises(ContextOverflow, match="does not fit"):
        model(learned, context=prompt + 5).reply(chat()[:2], TOOLS)
    assert model(learned, max_tokens=5).reply(chat()[:2], TOOLS).usage.completion == 5


def test_weights_that_do_not_load_are_one_line(tmp_path):
    shutil.copytree(tiny().base, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").write_bytes(b"torn")

    with pytest.raises(ModelError, match="do not load") as caught:
        LocalModel(str(tmp_path / "broken"), name="x", context=100)
    assert "\n" not in str(caught.value)


def test_a_base_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ModelError):
        LocalModel(str(tmp_path / "absent"), name="x", context=100)
