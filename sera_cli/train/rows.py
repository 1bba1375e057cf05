"""Samples as token ids and labels, with what the loss may cover checked on the ids themselves."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from sera_cli.errors import DataError
from sera_cli.harness import tokens, wire
from sera_cli.harness.batches import encoded
from sera_cli.harness.wire import hermes, raw
from sera_cli.harness.wire.family import CONTROL, Name, Wire
from sera_cli.train.student import Student
from sera_cli.types import Sample

IGNORED = -100  # the label that torch's cross entropy leaves out

CALLS = (hermes.OPEN, raw.CALLS, raw.TAG)
"""What stands before a call that it makes; Llama writes none before a call that begins the turn."""
OUTPUT = "<tool_response>"


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
    talks = encoded((sample.messages for sample in samples), tokenizer, student.wire, limit=student.context)
    made = []
    for sample, turns in zip(samples, talks, strict=True):
        if len(turns) < len(sample.messages):
            length = len(tokens.encode(sample.messages, tokenizer, student.wire).ids)
            raise _refused(sample, f"it has {length} tokens, and the student reads {student.context}")
        made.append(_row(sample.id, turns))
        check(sample, made[-1], tokenizer, student)
    return made


def keep(found: Sequence[Row], folder: Path) -> None:
    """Writes rows, in their order, as a data set with columns id, input_ids, labels and length; of none nothing."""
    from datasets import disable_progress_bars

    disable_progress_bars()
    if found:
        _data_set(found).save_to_disk(folder)


def kept(folder: Path) -> Any:
    """The data set that `keep` wrote, mapped from disk. Raises DataError when it cannot be read."""
    from datasets import load_from_disk

    if not folder.exists():
        return _data_set(())
    try:
        return load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(f"cannot be read ({reason}); remove the training folder to begin anew", folder) from error


def _data_set(found: Sequence[Row]) -> Any:
    import numpy as np
    from datasets import Dataset, Features
    from datasets import List as Many
    from datasets import Value as Kind

    ids = Many(Kind("int32"))
    shape = Features({"id": Kind("string"), "input_ids": ids, "labels": ids, "length": Kind("int32")})
    columns: dict[str, list[Any]] = {
        "id": [row.id for row in found],
        "input_ids": [np.asarray(row.input_ids) for row in found],
        "labels": [np.asarray(row.labels) for row in found],
        "length": [len(row.input_ids) for row in found],
    }
    return Dataset.from_dict(columns, features=shape)


def check(sample: Sample, row: Row, tokenizer: tokens.Tokenizer, student: Student) -> None:
    """The mask, asserted on the ids: whole turns are learned with their calls, results and turn openings are not."""
    trained = [message for message in sample.messages if message.get("train")]
    if any(message["role"] != "assistant" for message in trained):
        raise _refused(sample, "a turn that is not the assistant's is marked for training")
    if not trained or row.labels.count(IGNORED) == len(row.labels):
        raise _refused(sample, "no token of it would be learned")
    texts = [str(message["content"]) for message in trained]
    for wrong in _wrongs(texts, row.labels, tokenizer, student.wire):
        raise _refused(sample, wrong)


def _row(name: str, turns: Sequence[tokens.Encoded]) -> Row:
    ids, labels = array("i"), array("i")
    for turn in turns:
        masked = array("i", [IGNORED]) * len(turn.ids)
        for start, end in turn.learned:
            masked[start:end] = turn.ids[start:end]
        ids += turn.ids
        labels += masked
    return Row(name, ids, labels)


def _wrongs(texts: list[str], labels: "array[int]", tokenizer: tokens.Tokenizer, spoken: Wire) -> Iterator[str]:
    """What is wrong with the labels of trained turns of these texts, each marker being one token."""
    family, end = spoken.family, wire.ending(spoken)
    for marker in (OUTPUT, *CALLS):
        found = _marker(marker, tokenizer, family)
        learned, written = labels.count(found) if found is not None else 0, sum(text.count(marker) for text in texts)
        if found is not None and learned < written:
            yield f"the loss does not cover a {marker} that it writes"
        if found is not None and learned > written:
            yield "the loss covers a tool's output" if marker == OUTPUT else f"the loss covers a {marker} that it reads"
    for token in CONTROL[family]:
        if token not in (end, *CALLS, raw.ARGS) and labels.count(tokenizer.special(token)):
            yield f"the loss covers a {token}, which the student is given"
    ends = labels.count(tokenizer.special(end))
    if ends != len(texts):
        yield f"the loss covers {ends} ends of its {len(texts)} trained turns"


def _marker(marker: str, tokenizer: tokens.Tokenizer, family: Name) -> int | None:
    """The id of a marker, where the family has it as one token."""
    if marker in CONTROL[family]:
        return tokenizer.special(marker)
    ids = tokenizer.encode(marker)
    return ids[0] if len(ids) == 1 else None


def _refused(sample: Sample, why: str) -> DataError:
    return DataError(f"sample {sample.id} cannot be trained on: {why}; run `sera prepare` again")
