import shutil
from pathlib import Path

import pytest

from sera_cli.errors import ModelError
from sera_cli.train import embedded
from sera_cli.train.student import student
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


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path):
    with pytest.raises(ModelError, match="neither a model folder nor a model that the hub gives") as caught:
        student(str(tmp_path), tmp_path)
    assert "\n" not in str(caught.value)


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
