"""Old outputs are folded before a conversation overflows, and what was said stays."""

import pytest

from sera_cli.agents.talk.folding import Folding
from sera_cli.errors import ContextOverflow
from sera_cli.types import Message, Reply, Usage
from tests.scripted import Scripted, says

FOLDED = "OBSERVATION:\n(This output had 1 lines and was taken out to save room. Look again if you need it.)"


def conversation(outputs: int, length: int = 4000) -> list[Message]:
    found: list[Message] = [{"role": "system", "content": "Work."}, {"role": "user", "content": "Go."}]
    for number in range(outputs):
        found += [{"role": "assistant", "content": f"I look at {number}."},
                  {"role": "tool", "tool_call_id": "c", "content": "OBSERVATION:\n" + str(number) * length}]
    return found


def folded(heard: list[Message]) -> list[int]:
    return [at for at, message in enumerate(heard) if message["content"] == FOLDED]


def test_a_conversation_that_fits_is_read_as_it_is() -> None:
    model = Scripted(says("Yes."))
    messages = conversation(3)
    Folding(model, 100_000).reply(messages, [])
    assert model.heard == [messages]


def test_the_oldest_outputs_go_first_down_to_half() -> None:
    model = Scripted(says("Yes."))
    messages = conversation(10)
    folding = Folding(model, 14_000)
    folding.reply(messages, [])
    assert folded(model.heard[0]) == [3, 5, 7, 9, 11]
    assert folding.count(messages) == 5
    assert [message["content"][:13] for message in messages if message["role"] == "tool"] == ["OBSERVATION:\n"] * 10
    assert not any(message["content"] == FOLDED for message in messages)


def test_what_is_folded_stays_folded_and_is_the_same_object() -> None:
    seen: list[list[Message]] = []

    class Model(Scripted):
        def reply(self, messages: list[Message], *rest: object, **more: object) -> Reply:
            seen.append(messages)
            return says("Yes.")

    folding = Folding(Model(says("Yes.")), 14_000)
    messages = conversation(10)
    folding.reply(messages, [])
    messages += conversation(1)[2:]
    folding.reply(messages, [])
    assert all(one is other for one, other in zip(seen[0], seen[1], strict=False))


def test_a_model_that_overflows_all_the_same_is_asked_again_with_all_folded() -> None:
    model = Scripted(ContextOverflow("it has 9 tokens"), says("Yes."))
    assert Folding(model, 0).reply(conversation(8), []).message["content"] == "Yes."
    assert [folded(heard) for heard in model.heard] == [[], [3, 5, 7, 9]]


def test_an_output_too_large_for_the_context_is_folded_though_it_is_the_latest() -> None:
    model = Scripted(ContextOverflow("it has 9 tokens"), says("I look again."))
    assert Folding(model, 0).reply(conversation(1), []).message["content"] == "I look again."
    assert [folded(heard) for heard in model.heard] == [[], [3]]


def test_where_nothing_is_left_to_fold_the_overflow_is_told() -> None:
    with pytest.raises(ContextOverflow):
        Folding(Scripted(ContextOverflow("it has 9 tokens")), 0).reply(conversation(2, length=10), [])


def test_tokens_are_counted_as_the_model_counted_them() -> None:
    told = says("Yes.").model_copy(update={"usage": Usage(prompt=5000, completion=1)})
    folding = Folding(Scripted(told), 100_000)
    messages = conversation(2)
    assert folding.tokens(messages) == 2453
    folding.reply(messages, [])
    assert folding.tokens(messages) == 5000
