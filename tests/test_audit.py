"""What the loss covers, read off the ids of real renderings by a reader that knows nothing of how they were made.

Rollouts of the embedded teacher and a row as AI2 publishes them, for a student of each family.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sera_cli import git
from sera_cli.data import formats
from sera_cli.data.chat import Chat
from sera_cli.data.render import chat
from sera_cli.export import export
from sera_cli.harness import tokens, wire
from sera_cli.harness.tools import specs
from sera_cli.harness.wire.family import Name
from sera_cli.train.course import Course, sequence, write
from sera_cli.train.layout import Layout
from sera_cli.train.rows import IGNORED, Row, rows
from sera_cli.train.student import Student
from sera_cli.train.tutor import trainer
from sera_cli.types import Message, Sample
from tests import families
from tests.conftest import commit
from tests.rollouts import rehearsed
from tests.students import FULL, sample
from tests.test_rehearsal import CART, NAMES, vague

ROW = json.loads((Path(__file__).parent / "golden" / "ai2_row.json").read_text(encoding="utf-8"))
BRACKETS = {f"[{name}]": f"[/{name}]" for name in ("INST", "SYSTEM_PROMPT", "AVAILABLE_TOOLS", "TOOL_RESULTS")}
"""What Mistral's student is given stands in these; all else it writes."""


class Turn(NamedTuple):
    """Places of a turn's text in its row, from after its opening to after the token that ends it."""

    role: str
    first: int
    end: int


def turns(ids: list[int], tokenizer: tokens.Tokenizer, family: Name) -> Iterator[Turn]:
    match family:
        case "mistral":
            return bracketed(ids, tokenizer)
        case "llama3":
            return headed(ids, tokenizer, ("<|start_header_id|>", "<|eot_id|>"), "<|end_header_id|>\n\n")
        case _:
            return headed(ids, tokenizer, ("<|im_start|>", "<|im_end|>"), "\n")


def headed(ids: list[int], tokenizer: tokens.Tokenizer, frame: tuple[str, str], close: str) -> Iterator[Turn]:
    start, end = map(tokenizer.special, frame)
    for at in (place for place, id_ in enumerate(ids) if id_ == start):
        first = next(last for last in range(at + 1, len(ids)) if tokenizer.decode(ids[at + 1 : last]).endswith(close))
        yield Turn(tokenizer.decode(ids[at + 1 : first]).removesuffix(close), first, ids.index(end, first) + 1)


def bracketed(ids: list[int], tokenizer: tokens.Tokenizer) -> Iterator[Turn]:
    closing = {tokenizer.special(one): tokenizer.special(other) for one, other in BRACKETS.items()}
    at = 1  # after <s>
    while at < len(ids):
        given = closing.get(ids[at])
        end = ids.index(tokenizer.special("</s>") if given is None else given, at) + 1
        yield Turn("assistant" if given is None else "given", at, end)
        at = end


def calls(message: Message) -> list[tuple[str, Any]]:
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return [(one["name"], json.loads(one["arguments"])) for one in functions]


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> list[Chat]:
    """Ten rollouts, each from vague words to its submission, and the row."""
    repo, folder = tmp_path_factory.mktemp("repo"), tmp_path_factory.mktemp("export") / "base"
    (repo / "shop").mkdir()
    (repo / "shop" / "cart.py").write_text(CART, encoding="utf-8")
    commit(repo)
    export(git.open_repository(repo), folder)
    done = [rehearsed(folder, vague(NAMES[seed % len(NAMES)]), seed) for seed in range(10)]
    assert {rollout.exit for rollout in done} == {"submitted"}
    published = formats.read(ROW).model_copy(update={"tools": tuple(specs())})
    return [*(chat(rollout, "first") for rollout in done), published]


@pytest.fixture(params=families.NAMES)
def student(request: pytest.FixtureRequest) -> Student:
    return families.student(request.param).model_copy(update={"context": 65536})


def rendered(chats: list[Chat], student: Student) -> list[Row]:
    samples = [
        Sample(
            id=one.id or "row", messages=tuple(wire.flatten(one.messages, one.tools, student.wire)), origin=one.origin,
            kept=1, steps=1, tokens=1,
        )
        for one in chats
    ]  # fmt: skip
    return rows(samples, student)


def test_every_token_under_the_loss_is_the_assistants_and_every_call_it_makes_is_learned(
    chats: list[Chat], student: Student
):
    """But for what was malformed, which is history: of that, nothing is learned."""
    tokenizer = tokens.load(student.base)
    ending = tokenizer.special(wire.ending(student.wire))
    count = {"calls": 0, "history": 0}
    for one, row in zip(chats, rendered(chats, student), strict=True):
        ids, free = list(row.input_ids), [label == IGNORED for label in row.labels]
        spoken = [turn for turn in turns(ids, tokenizer, student.wire.family) if turn.role == "assistant"]
        meant = [message for message in one.messages if message["role"] == "assistant"]
        for turn, message in zip(spoken, meant, strict=True):
            assert ids[turn.end - 1] == ending
            text = tokenizer.decode(ids[turn.first : turn.end - 1])
            if message.get("train", True):
                assert list(row.labels[turn.first : turn.end]) == ids[turn.first : turn.end]
                assert calls(wire.parse(text, tools=one.tools, spoken=student.wire).message) == calls(message)
                free[turn.first : turn.end] = [True] * (turn.end - turn.first)
                count["calls"] += len(calls(message))
            else:
                count["history"] += 1
        assert all(free)
    assert count == {"calls": 84, "history": 1}


SHARES = {"qwen2.5": 0.198, "qwen3": 0.188, "qwen3-coder": 0.182, "llama3": 0.186, "mistral": 0.187}


def test_about_a_fifth_of_what_is_read_is_learned(chats: list[Chat], student: Student):
    """With `pytest -s` it is said. The rest is instructions, the offered tools, and what they answer."""
    made = rendered(chats, student)
    read = sum(len(row.input_ids) for row in made)
    learned = sum(label != IGNORED for row in made for label in row.labels)
    print(f"{student.wire.family}: {learned} of {read} tokens are learned, {learned / read:.3f}")

    assert learned / read == pytest.approx(SHARES[student.wire.family], abs=0.01)


def test_the_trainer_reads_every_token_of_every_sample_in_steps_of_the_recipe(chats: list[Chat], tmp_path: Path):
    """Nothing is cut, dropped or put into another step: neither what shares a micro-batch nor what is too long to."""
    student = families.student("qwen3").model_copy(update={"context": 65536})
    taught = [*rendered(chats[:3], student), *rows([sample(number) for number in range(8)], student)]
    course = Course(student=student, recipe=FULL.model_copy(update={"batch": 4}), seed=3, layout=Layout(tokens=4096))
    write(tmp_path / "training", course, taught, [])
    made = trainer(course, tmp_path / "training")

    read = list(made.get_train_dataloader())
    each, taken = made.args.gradient_accumulation_steps, sequence(course, len(taught))
    for step, first in enumerate(range(0, len(taken), 4)):
        got = sorted(id_ for batch in read[step * each : (step + 1) * each] for id_ in batch["input_ids"][0].tolist())
        fillers = [0] * (len(got) - sum(len(taught[at].input_ids) for at in taken[first : first + 4]))
        assert got == sorted([*fillers, *(id_ for at in taken[first : first + 4] for id_ in taught[at].input_ids)])
        assert len(fillers) < each
    shared = [int((batch["position_ids"] == 0).sum()) for batch in read]
    assert max(shared) > 1
    assert max(batch["input_ids"].shape[1] for batch in read) > 4096
