import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sera_cli.errors import ModelError
from sera_cli.harness.wire.family import Wire
from sera_cli.train import embedded
from sera_cli.train.student import student
from tests import families
from tests.hub_shelf import shelf
from tests.students import TINY, tiny


def copied(folder: Path, card: str = "") -> Path:
    shutil.copytree(tiny().base, folder)
    if card:
        (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def test_a_folder_is_a_student_named_without_its_path(tmp_path):
    folder = copied(tmp_path / "My Model", "---\nlicense: mit\ntags: [x]\n---\n# My model\n")

    found = student(str(folder), tmp_path)

    assert found.name == "My Model"
    assert found.base == str(folder)
    assert found.context == TINY.context
    assert found.license == "mit"
    assert not found.rehearsal


def test_a_card_without_front_matter_says_no_license(tmp_path):
    assert student(str(copied(tmp_path / "m", "license: mit\n")), tmp_path).license == ""


def test_a_shorter_context_may_be_asked_for_and_a_longer_one_not(tmp_path):
    assert student(tiny().base, tmp_path, context=512).context == 512
    with pytest.raises(ModelError, match="reads 8192 tokens at most"):
        student(tiny().base, tmp_path, context=10_000)


def emptied(folder: Path) -> Path:
    """A model folder without its weights."""
    copied(folder)
    (folder / "model.safetensors").unlink()
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        student(str(folder), folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path):
    assert refused(tmp_path) == f"{tmp_path} is no model folder: it has no config.json"


def test_a_folder_of_gguf_is_refused(tmp_path):
    (tmp_path / "model-Q4_K_M.gguf").write_bytes(b"GGUF")

    said = f"{tmp_path} holds GGUF, which is for answering only; take the model that it was made from"
    assert refused(tmp_path) == said


def test_weights_that_are_pickled_only_are_not_run(tmp_path):
    folder = emptied(tmp_path / "old")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")

    said = "student old has its weights pickled only, which may run code; take a copy that has safetensors"
    assert refused(folder) == said


def test_a_folder_without_weights_is_refused(tmp_path):
    assert refused(emptied(tmp_path / "bare")) == "student bare has no weights: model.safetensors is missing"


def test_an_adapter_is_no_student(tmp_path):
    folder = emptied(tmp_path / "taught")
    (folder / "adapter_config.json").write_text("{}")

    assert "holds an adapter; merge it into its base first: sera agents export --format merged" in refused(folder)


@pytest.mark.parametrize("left", [0, 7, 300, -1])
def test_torn_weights_are_found_before_anything_is_paid_for(left, tmp_path):
    folder = copied(tmp_path / "torn")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:left])

    assert re.match(r"student torn cannot be loaded: .*model\.safetensors: is .*; fetch it again$", refused(folder))


def test_a_shard_that_never_came_is_named(tmp_path):
    folder = emptied(tmp_path / "half")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    shutil.copyfile(Path(tiny().base) / "model.safetensors", folder / "model-00001-of-00002.safetensors")

    assert "model-00002-of-00002.safetensors: is no safetensors file: [Errno 2] No such file" in refused(folder)


def test_an_index_that_is_none_is_one_line(tmp_path):
    folder = emptied(tmp_path / "odd")
    (folder / "model.safetensors.index.json").write_text("[]")

    assert refused(folder).startswith("student odd cannot be loaded: ")


FETCH = """
import sys
from pathlib import Path
from sera_cli.errors import SeraError
from sera_cli.train.student import student
for spec in sys.argv[1:]:
    try:
        found = student(spec, Path("unused"))
        print(found.name, found.context, found.wire.family)
    except SeraError as error:
        print(error)
"""


def test_what_the_hub_has_and_what_it_does_not_give_out_is_told(tmp_path):
    files = {file.name: file.read_bytes() for file in families.folder("qwen3").iterdir()}
    pickled = {name: content for name, content in files.items() if name != "model.safetensors"}
    with shelf(me__good=False, me__old=False, me__gated=True) as (url, models):
        for name, content in (("good", files), ("old", {**pickled, "pytorch_model.bin": b""}), ("gated", files)):
            models[f"me/{name}"][1].update(content)
        told = {"HF_ENDPOINT": url, "HF_HOME": str(tmp_path), "HF_TOKEN": "", "HF_HUB_DISABLE_TELEMETRY": "1"}
        specs = ["me/good", "me/old", "me/gated", "me/none"]
        done = subprocess.run(
            [sys.executable, "-c", FETCH, *specs], env={**os.environ, **told}, capture_output=True, text=True
        )

    said = done.stdout.splitlines()
    assert said[:3] == [
        "me/good 4096 qwen3",
        "student me/old has its weights pickled only, which may run code; take a copy that has safetensors",
        "me/gated is gated; ask for access on its page and give a token in HF_TOKEN",
    ], done.stderr
    assert said[3].startswith("me/none is neither a model folder nor a model that the hub gives: ")
    assert said[3].endswith("; check how it is spelled, or name a folder of this machine")
    assert len(said) == 4


@pytest.mark.parametrize("told", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_a_hub_that_cannot_be_asked_is_one_line_without_retries(tmp_path, told):
    told = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1", **told}
    done = subprocess.run(
        [sys.executable, "-c", FETCH, "me/good"], env={**os.environ, **told}, capture_output=True, text=True
    )

    assert done.stdout.startswith("me/good is no folder, and the hub cannot be asked for it (")
    assert done.stdout.count("\n") == 1
    assert "etry" not in done.stderr


def test_what_was_fetched_needs_no_hub(tmp_path):
    told = {"HF_HOME": str(tmp_path), "HF_TOKEN": "", "HF_HUB_DISABLE_TELEMETRY": "1"}
    with shelf(me__good=False) as (url, models):
        models["me/good"][1].update({file.name: file.read_bytes() for file in families.folder("qwen3").iterdir()})
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", FETCH, "me/good"], env={**os.environ, **told, "HF_ENDPOINT": url},
                capture_output=True, text=True,
            )  # fmt: skip
            assert done.stdout == "me/good 4096 qwen3\n", done.stderr
            url = "http://127.0.0.1:9"


def test_a_rehearsal_of_another_making_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match="rehearsal-00000000 was made by another sera or another Python"):
        student("rehearsal-00000000", tmp_path)


def test_a_rehearsal_of_another_making_that_is_still_kept_is_taken(tmp_path):
    kept = copied(tmp_path / "students" / "rehearsal-00000000")

    found = student("rehearsal-00000000", tmp_path)

    assert (found.name, found.base, found.rehearsal) == ("rehearsal-00000000", str(kept), True)


def test_the_embedded_student_is_found_by_its_short_name(tmp_path):
    kept = copied(tmp_path / "students" / embedded.name())

    found = student("rehearsal", tmp_path)

    assert (found.name, found.base, found.context) == (kept.name, str(kept), embedded.MAKING.context)


@pytest.mark.parametrize("family", families.NAMES)
def test_the_family_is_found_from_the_tokenizer(tmp_path, family):
    assert student(str(families.folder(family)), tmp_path).wire == Wire(family=family, thinking="fold")


def test_the_family_and_the_thinking_may_be_told(tmp_path):
    told = student(str(families.folder("qwen3")), tmp_path, family="qwen3-coder", thinking="empty")

    assert told.wire == Wire(family="qwen3-coder", thinking="empty")


def test_the_embedded_student_speaks_as_qwen3_does(tmp_path):
    copied(tmp_path / "students" / embedded.name())

    assert student("rehearsal", tmp_path, thinking="keep").wire == Wire(family="qwen3", thinking="keep")


def test_a_family_whose_tokens_the_tokenizer_lacks_is_refused_by_naming_them(tmp_path):
    with pytest.raises(ModelError) as caught:
        student(str(families.folder("qwen3")), tmp_path, family="llama3")
    assert str(caught.value) == (
        "the tokenizer of qwen3 lacks <|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|> "
        "<|python_tag|>, which student.family = 'llama3' needs; leave that empty to have the family found out"
    )


def test_a_tokenizer_of_no_family_is_one_line_with_the_tokens_that_are_missing(tmp_path):
    folder = copied(tmp_path / "base")
    text = (folder / "tokenizer.json").read_text(encoding="utf-8").replace("<|im_end|>", "<|stop|>")
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps(json.loads((folder / "tokenizer_config.json").read_text()) | {"eos_token": "<|stop|>"})
    )

    wanted = r"student base: the tokenizer lacks <\|im_end\|>, which conversations of qwen3"
    with pytest.raises(ModelError, match=wanted) as caught:
        student(str(folder), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_student_without_a_tokenizer_is_one_line(tmp_path):
    folder = copied(tmp_path / "bare")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()

    with pytest.raises(ModelError, match="student bare has no tokenizer") as caught:
        student(str(folder), tmp_path)
    assert "\n" not in str(caught.value)
