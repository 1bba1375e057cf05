"""Samples and rollouts written out for others: a folder of rows in a published format, with a card that describes it.

Nothing is uploaded. Each conversation is one Chat, whatever it comes from and becomes, so there is one way for all.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from sera_cli import store
from sera_cli.data import files, formats, writers
from sera_cli.data.chat import Chat
from sera_cli.data.filters import fault
from sera_cli.data.formats import preds, samples
from sera_cli.data.lessons import function_of
from sera_cli.data.render import chat as rendered
from sera_cli.data.scrub import scrubbed
from sera_cli.errors import ConfigError, DataError
from sera_cli.types import Sample, Trajectory, Value, Verdict

Format = Literal["messages", "ai2", "axolotl", "sharegpt", "llamafactory", "preds", "parquet"]
What = Literal["samples", "rollouts"]

TRAINING = ("axolotl", "sharegpt", "llamafactory")
"""Formats that a trainer reads: they hold samples unless rollouts are asked for, the others the other way round."""


class Exported(Value):
    """What a folder holds: rows by file, how many of which origin, and why others were left out."""

    files: dict[str, int]
    origins: dict[str, int]
    left: dict[str, int]


class Part(NamedTuple):
    """A conversation, and the split it belongs to."""

    split: str
    chat: Chat


def chosen(format: str, what: str) -> tuple[Format, What]:
    """A format and what it is to hold, by what the command line said. Raises ConfigError."""
    known, kinds = get_args(Format), get_args(What)
    if format not in known or what not in ("", *kinds):
        raise ConfigError(f"--format is one of {', '.join(known)}, and --what one of {', '.join(kinds)}")
    if format == "preds" and what == "samples":
        raise ConfigError("a prediction is a patch, and samples hold none; say --what rollouts")
    named: Format = next(one for one in known if one == format)
    kind: What = next((one for one in kinds if one == what), "samples" if format in TRAINING else "rollouts")
    return named, kind


def of_samples(path: Path, left: Counter[str]) -> Iterator[Part]:
    """The samples of a file, as they were cut; those held out are a split of their own."""
    spoken = files.spoken(path)
    for sample in store.scan(path, Sample):
        try:
            chat = samples.read(sample.model_dump(mode="json"), spoken)
        except ValueError:
            left["calls that cannot be read"] += 1
            continue
        known = {"id": sample.id, "source": sample.source, "function": sample.function}
        yield Part("heldout" if sample.heldout else "train", chat.model_copy(update=known))


def held_out(path: Path) -> frozenset[str]:
    """What the held-out samples of a file are about: ids of chats, and functions."""
    held = (sample for sample in store.scan(path, Sample) if sample.heldout)
    return frozenset(name for sample in held for name in (sample.id, sample.function) if name)


def of_rollouts(
    paths: Iterable[Path], verdicts: Mapping[str, Verdict], left: Counter[str], apart: Collection[str] = ()
) -> Iterator[Part]:
    """The rollouts of these files that may teach, by id: submitted with a patch, and not refused by their own check.

    Those about what stands in `apart`, ids and functions, are a split of their own. The two about one function share an
    id, so their instance is the chat's.
    """
    for path in paths:
        places = store.index(path, Trajectory)
        for id_ in sorted(places):
            rollout = store.at(path, Trajectory, places[id_])
            if why := fault(rollout):
                left[why] += 1
            else:
                again = bool(rollout.task.gold)
                made = rendered(rollout, "second" if again else "first", verdicts.get(id_) if again else None)
                split = "train" if {made.id, function_of(made)}.isdisjoint(apart) else "heldout"
                yield Part(split, made.model_copy(update={"instance": made.id}))


def export(
    parts: Iterable[Part], format: Format, out: Path, card: Callable[[Exported], str], left: Counter[str], *,
    model: str = "sera",
) -> Exported:
    """Writes the rows of each split and the card into a new folder, which appears whole or not at all.

    `left` counts what the parts left out and, by reason, what the format cannot hold. Secrets that are still there are
    taken out. Predictions are said to be `model`'s. Raises ConfigError where the folder is there already, DataError
    where nothing is left or it cannot be written.
    """
    if out.exists():
        raise ConfigError(f"{out} is there already; remove it, or name another folder with --out")
    rows, origins = Counter[str](), Counter[str]()
    ending = "parquet" if format == "parquet" else "jsonl"
    with _placed(out) as folder:
        with ExitStack() as opened:
            written: dict[str, writers.Write] = {}
            for split, chat in parts:
                try:
                    row = _row(scrubbed(chat), format, model)
                except ValueError as error:
                    left[f"cannot be {format}: {error}"] += 1
                    continue
                file = f"{split}.{ending}"
                if file not in written:
                    written[file] = opened.enter_context(writers.of(folder / file))
                written[file](row)
                rows[file] += 1
                origins[chat.origin] += 1
        made = Exported(files=dict(sorted(rows.items(), reverse=True)), origins=dict(sorted(origins.items())),
                        left=dict(sorted(left.items())))  # fmt: skip
        if not rows:
            why = ", ".join(f"{count} {reason}" for reason, count in made.left.items()) or "there are none"
            raise DataError(f"no rows to write ({why}); see --what, or generate more")
        if format == "llamafactory":
            (folder / "dataset_info.json").write_text(dataset_info(out.name, made.files), encoding="utf-8")
        (folder / "README.md").write_text(card(made), encoding="utf-8", errors="replace")
    return made


def dataset_info(name: str, files: Iterable[str]) -> str:
    """What LLaMA-Factory has to be told of these files: `dataset_info.json`, one entry for each."""
    tags = {
        "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
        "observation_tag": "observation", "function_tag": "function_call", "system_tag": "system",
    }  # fmt: skip
    columns = {"messages": "conversations", "tools": "tools"}
    entries = {
        entry(name, file): {"file_name": file, "formatting": "sharegpt", "columns": columns, "tags": tags}
        for file in files
    }
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def entry(name: str, file: str) -> str:
    """The name of a file's entry: that of the folder, and of the split."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', name).strip('_') or 'sera'}_{Path(file).stem}"


def _row(chat: Chat, format: Format, model: str) -> dict[str, Any]:
    if format == "preds":
        return preds.write(chat, model=model)
    if format != "parquet":
        return formats.write(chat, format)
    row = formats.write(chat, "messages")
    return row | {key: json.dumps(row[key], ensure_ascii=False) for key in ("messages", "tools")}


@contextmanager
def _placed(out: Path) -> Iterator[Path]:
    """A folder that becomes `out` once all is in it; what becomes of single files is the store's business."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with files.parted(out) as part:
            folder = part / out.name
            folder.mkdir()
            yield folder
            folder.rename(out)
    except OSError as error:
        why = error.strerror or error
        raise DataError(f"cannot be written ({why}); name another folder with --out", out) from error
