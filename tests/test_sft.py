import json
import shutil
from pathlib import Path

import pytest

from sera_cli.errors import DataError, ModelError
from sera_cli.harness import tokens, wire
from sera_cli.train.course import order
from sera_cli.train.rows import rows
from sera_cli.train.student import Student
from tests import families
from tests.conversations import objects
from tests.students import FULL, LORA, TOOLS, chat, sample, tiny, train

DATA = [sample(n) for n in range(6)]
KEPT_BACK = [sample(n, heldout=True) for n in (7, 8)]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    out = tmp_path_factory.mktemp("full") / "adapter"
    heard = []
    done = train(DATA, KEPT_BACK, tiny(), FULL, out, seed=1, on_progress=lambda *told: heard.append(told[:2]))
    return out, done, heard


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    out = tmp_path_factory.mktemp("lora") / "adapter"
    return out, train(DATA, [], tiny(), LORA, out, seed=1)


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_the_loss_falls_in_training_and_on_what_was_held_out(full):
    _, done, heard = full

    assert done.loss_last < done.loss_first
    assert done.heldout_agent < done.heldout_base
    assert done.steps == 6
    assert heard[-1] == (6, 6)
    assert done.tokens == 2 * sum(len(row.input_ids) for row in rows(DATA, tiny()))


def test_a_single_epoch_tells_its_first_half_from_its_last(tmp_path):
    out = tmp_path / "adapter"

    done = train(DATA, [], tiny(), FULL.model_copy(update={"epochs": 1}), out, seed=1)

    losses = [line["loss"] for line in lines(out) if "loss" in line]
    assert len(losses) == 3
    assert (done.loss_first, done.loss_last) == (losses[0], losses[2])


def test_full_tuning_leaves_a_model_that_loads_by_its_folder(full):
    out, _, _ = full
    names = {file.name for file in out.iterdir()}

    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "metrics.jsonl"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_lora_leaves_an_adapter_that_names_its_base_without_a_path(lora):
    out, done = lora
    config = json.loads((out / "adapter_config.json").read_text())

    assert config["base_model_name_or_path"] == tiny().name
    assert {name.rpartition(".")[2] for name in config["target_modules"]} == {
        "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"
    }
    assert (out / "adapter_model.safetensors").is_file()
    assert not (out / "model.safetensors").exists()
    assert done.heldout_base is None


def test_no_file_of_the_result_holds_a_path_of_this_machine(full, lora):
    for out in (full[0], lora[0]):
        for file in out.iterdir():
            content = file.read_bytes()
            assert str(out.parent).encode() not in content, file.name
            assert str(Path(tiny().base).parent).encode() not in content, file.name


def test_metrics_begin_with_the_facts_and_tell_each_step(full):
    out, done, _ = full
    facts, *rest = lines(out)

    assert facts["data"] == done.data_digest
    assert facts["recipe"]["name"] == "quick"
    assert [row["step"] for row in rest if "ids" in row] == [1, 2, 3, 4, 5, 6]
    assert [(row["heldout"], row["step"]) for row in rest if "heldout" in row] == [
        ("base", 0), ("epoch", 3), ("agent", 6)
    ]


def test_batches_are_the_seeded_order(full):
    out, _, _ = full
    seen = [id_ for row in lines(out) if "ids" in row for id_ in row["ids"]]

    assert seen == [DATA[index].id for index in order(6, 2, 1)]
    assert sorted(seen[:6]) == sorted(seen[6:]) == [f"s{n}" for n in range(6)]
    assert seen[:6] != seen[6:]


def test_an_order_that_is_not_to_be_shuffled_is_kept_in_every_epoch(tmp_path):
    train(DATA[:3], [], tiny(), FULL, tmp_path / "ratio", seed=1, shuffle=False)

    seen = [id_ for row in lines(tmp_path / "ratio") if "ids" in row for id_ in row["ids"]]
    assert seen == ["s0", "s1", "s2", "s0", "s1", "s2"]


def test_the_first_loss_is_that_of_the_labels_alone(full):
    """Computed here by hand, so that a trainer that masks anew, shifts twice or averages otherwise is caught."""
    import torch
    from transformers import AutoModelForCausalLM

    out, _, _ = full
    first = next(row for row in lines(out) if "ids" in row)
    by_id = {row.id: row for row in rows(DATA, tiny())}
    model = AutoModelForCausalLM.from_pretrained(tiny().base)
    nats, count = 0.0, 0
    for row in (by_id[id_] for id_ in first["ids"]):
        with torch.no_grad():
            logits = model(torch.tensor([list(row.input_ids)])).logits[0, :-1].float()
        chosen = torch.log_softmax(logits, -1)[range(len(row.labels) - 1), list(row.input_ids[1:])]
        kept = [at for at, label in enumerate(row.labels[1:]) if label != -100]
        nats -= float(chosen[kept].sum())
        count += len(kept)

    assert first["loss"] == pytest.approx(nats / count, rel=1e-3)


def test_the_same_seed_trains_the_same_weights(full, tmp_path):
    train(DATA, KEPT_BACK, tiny(), FULL, tmp_path / "again", seed=1)

    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (full[0] / "model.safetensors").read_bytes()


def changed(**messages):
    """A sample whose nth message is changed."""
    turns = [dict(message) for message in sample().messages]
    for key, change in messages.items():
        turns[int(key.removeprefix("m"))].update(change)
    return sample().model_copy(update={"messages": tuple(turns)})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (changed(m3={"train": True}), "a turn that is not the assistant's is marked"),
        (changed(m2={"train": False}, m4={"train": False}), "no token of it would be learned"),
    ],
)
def test_a_wrong_mask_is_refused_before_training(broken, message, tmp_path):
    with pytest.raises(DataError, match=message):
        train([broken], [], tiny(), FULL, tmp_path / "out", seed=1)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\); mend that, then"):
        train(DATA, [], tiny(), FULL, tmp_path / "file" / "adapter", seed=1)


def test_a_student_that_does_not_load_is_one_line(tmp_path):
    shutil.copytree(tiny().base, tmp_path / "broken")
    (tmp_path / "broken" / "model.safetensors").unlink()
    broken = Student(name="broken", base=str(tmp_path / "broken"), context=8192)

    with pytest.raises(ModelError, match="student broken does not load") as caught:
        train(DATA, [], broken, FULL, tmp_path / "out", seed=1)
    assert "\n" not in str(caught.value)


MORE = [
    {"role": "assistant", "content": "said aloud", "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "bash", "arguments": '{"command": "</tool_call> é"}'}},
        {"id": "b", "type": "function", "function": {"name": "submit", "arguments": "{}"}},
    ]},
    {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "OBSERVATION:\n</tool_call> é"}]},
    {"role": "tool", "tool_call_id": "b", "content": "OBSERVATION:\n"},
    {"role": "assistant", "content": "<think>\nno call", "reasoning": "mentions <tool_call>"},
    {"role": "user", "content": "Call a tool."},
    {"role": "assistant", "content": "  plain  "},
]


@pytest.fixture(scope="module", params=families.NAMES)
def spoken(request, tmp_path_factory):
    """A student of each family, and what a short training leaves."""
    student = families.student(request.param)
    row = sample().model_copy(update={"messages": tuple(wire.flatten(chat(), TOOLS, student.wire))})
    out = tmp_path_factory.mktemp(request.param) / "adapter"
    train([row], [], student, LORA.model_copy(update={"epochs": 1}), out, seed=1)
    return student, out


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("messages", [chat(), [*chat(), *MORE], chat()[1:], chat()[:2]])
@pytest.mark.parametrize("tools", [TOOLS, []])
def test_the_saved_chat_template_renders_what_was_trained(spoken, messages, tools, prompt):
    from transformers import AutoTokenizer

    student, out = spoken
    made = AutoTokenizer.from_pretrained(out)
    asked = {"tools": tools or None, "add_generation_prompt": prompt, "chat_template": made.chat_template}
    flat = wire.flatten(messages, tools, student.wire)
    expected = tokens.encode(flat, tokens.load(str(out)), student.wire, prompt=prompt).ids

    text = made.apply_chat_template(objects(messages), tokenize=False, **asked)
    assert text == tokens.load(str(out)).decode(expected)
    assert made.encode(text, add_special_tokens=False) == list(expected)


def test_an_adapter_says_what_its_student_speaks(spoken):
    student, out = spoken

    assert lines(out)[0]["wire"] == {"family": student.wire.family, "thinking": "fold"}
    assert (out / "chat_template.jinja").read_text().startswith(f'{{%- set family = "{student.wire.family}" -%}}\n')


def test_an_agent_stops_at_the_end_of_its_turn_also_where_its_base_stopped_elsewhere(tmp_path):
    shutil.copytree(tiny().base, tmp_path / "base")
    for name, value in (("tokenizer_config.json", "<|endoftext|>"), ("config.json", 0), ("generation_config.json", 0)):
        file = tmp_path / "base" / name
        key = "eos_token" if isinstance(value, str) else "eos_token_id"
        file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    base = Student(name="base", base=str(tmp_path / "base"), context=8192)

    train(DATA[:1], [], base, FULL.model_copy(update={"epochs": 1}), tmp_path / "out", seed=1)

    end = tokens.load(tiny().base).special("<|im_end|>")
    said = json.loads((tmp_path / "out" / "generation_config.json").read_text())["eos_token_id"]
    assert end in (said if isinstance(said, list) else [said])
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["eos_token"] == "<|im_end|>"
