"""Samples as token ids and labels, with what the loss may cover checked on the ids themselves."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sera_cli.errors import DataError
from sera_cli.harness import tokens
from sera_cli.train.student import Student
from sera_cli.types import Sample

IGNORED = -100  # the label that torch's cross entropy leaves out


@dataclass(frozen=True)
class Row:
    """A sample as the trainer takes it; `labels` repeat the ids where the loss counts and hold -100 elsewhere.

    Arrays of 4 bytes a token, not tuples of 36: thousands of samples of 32,768 tokens are to fit into memory.
    """

    id: str
    input_ids: "array[int]"
    labels: "array[int]"

    @property
    def digest(self) -> str:
        """Of what is learned from it, by whatever name."""
        return sha256(self.input_ids.tobytes() + self.labels.tobytes()).hexdigest()[:12]


def rows(samples: Sequence[Sample], student: Student) -> list[Row]:
    """Token ids and labels. Raises DataError unless the loss is on assistant turns and on nothing else."""
    tokenizer = tokens.load(student.base)
    made = []
    for sample in samples:
        encoded = tokens.encode(list(sample.messages), tokenizer)
        labels = (i if learned else IGNORED for i, learned in zip(encoded.ids, encoded.mask, strict=True))
        made.append(Row(sample.id, array("i", encoded.ids), array("i", labels)))
        check(sample, made[-1], tokenizer, student)
    return made


def check(sample: Sample, row: Row, tokenizer: tokens.Tokenizer, student: Student) -> None:
    """The mask, asserted on the ids: calls are learned, results and turn openings are not, and it all fits."""
    learned = {label for label in row.labels if label != IGNORED}
    texts = [str(message["content"]) for message in sample.messages if message.get("train")]
    wrong = ""
    if any(message.get("train") and message["role"] != "assistant" for message in sample.messages):
        wrong = "a turn that is not the assistant's is marked for training"
    elif not learned:
        wrong = "no token of it would be learned"
    elif any("<tool_call>" in text for text in texts) and tokenizer.special("<tool_call>") not in learned:
        wrong = "it calls tools, and the loss does not cover a <tool_call>"
    elif tokenizer.special("<tool_response>") in learned and not any("<tool_response>" in text for text in texts):
        wrong = "the loss covers a tool's output"
    elif len(row.input_ids) > student.context:
        wrong = f"it has {len(row.input_ids)} tokens, and the student reads {student.context}"
    if wrong:
        raise DataError(f"sample {sample.id} cannot be trained on: {wrong}; run `sera prepare` again")
