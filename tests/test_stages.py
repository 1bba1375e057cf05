"""What is settled of a training before anything is paid for: the recipe and the layout, or why there is none."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sera_cli.cli.job import Job, open_job
from sera_cli.cli.options import ask
from sera_cli.cli.stages import the_choice
from sera_cli.errors import ConfigError
from sera_cli.train.student import Student
from tests.students import tiny

Made = Callable[..., Job]

# wide and shallow, so that counting its 640 billion parameters takes no time: no machine trains it by any method
GIANT = {
    "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_size": 65536, "intermediate_size": 400_000,
    "num_hidden_layers": 8, "num_attention_heads": 512, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 1024,
}  # fmt: skip


@pytest.fixture
def job(repository: Callable[[dict[str, str]], Path]) -> Made:
    repo = repository({"a.py": "x = 1\n"})
    return lambda *said, **flags: open_job(ask(repo, setting=list(said), sandbox="folder", **flags))


@pytest.fixture
def giant(tmp_path: Path) -> Student:
    (tmp_path / "config.json").write_text(json.dumps(GIANT))
    return Student(name="giant-640B", base=str(tmp_path), context=32768)


def test_the_embedded_student_is_trained_by_its_own_recipe(job: Made) -> None:
    found = the_choice(job(), tiny())
    assert (found.recipe.name, found.recipe.method, found.layout.kind) == ("rehearsal", "full", "one")
    assert the_choice(job(method="lora"), tiny()).recipe.name == "rehearsal-lora"


def test_what_is_set_on_the_command_line_is_in_the_recipe(job: Made) -> None:
    found = the_choice(job("train.epochs=2", "train.betas=0.8 0.9", "train.packing=false"), tiny()).recipe
    assert (found.epochs, found.betas, found.packing) == (2, (0.8, 0.9), False)
    with pytest.raises(ConfigError, match=r"train\.epochs is 0; it should be greater than or equal to 1"):
        the_choice(job("train.epochs=0"), tiny())


def test_a_student_of_some_size_takes_the_recipe_that_fits_it(job: Made) -> None:
    plain = tiny().model_copy(update={"rehearsal": False})
    found = the_choice(job("train.processes=1"), plain)
    assert (found.recipe.name, found.fits, found.layout.tokens) == ("paper-8b", True, plain.context)
    assert 0 < found.need <= found.each


def test_a_student_that_no_method_fits_here_is_refused_with_what_would(job: Made, giant: Student) -> None:
    with pytest.raises(ConfigError) as caught:
        the_choice(job("train.processes=1"), giant)
    said = str(caught.value)
    assert said.startswith("giant-640B cannot be trained here: ") and "too much: paper-32b " in said
    assert said.endswith((" would fit", "; set student.context to less"))


def test_a_plan_is_told_of_what_does_not_fit(job: Made, giant: Student) -> None:
    found = the_choice(job("train.processes=1", dry_run=True), giant)
    assert not found.fits and found.need > found.each > 0
