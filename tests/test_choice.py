"""Which recipe and layout are chosen, and what is said of it; memory is a table here, as the plan has its own tests."""

import pytest

from sera_cli.errors import ConfigError
from sera_cli.knobs import Train
from sera_cli.train import choice
from sera_cli.train.choice import GIB, Choice, Facts, Need, choose, lacks
from sera_cli.train.layout import Layout, Machine
from sera_cli.train.recipe import Recipe, recipe

EIGHT = Facts(parameters=8_190_735_360)
LARGE = Facts(parameters=32_762_123_264)
BARE = Machine(memory=16 * GIB)


def gpus(count: int, each: int) -> Machine:
    return Machine(gpus=count, gpu_memory=each * GIB, memory=500 * GIB, gpu="H")


def taking(full: int, lora: int, qlora: int) -> Need:
    """Memory that goes by the method alone, divided where the layout divides it."""
    sizes = {"full": full, "lora": lora, "qlora": qlora}
    return lambda recipe, layout: sizes[recipe.method] * GIB // layout.divided


def chosen(said: Train, facts: Facts, machine: Machine, need: Need) -> tuple[str, str, bool]:
    found = choose(said, facts, need, machine)
    return found.recipe.name, found.layout.kind, found.fits


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the optional ones are installed; the one test of their absence takes this away again."""
    monkeypatch.setattr(choice, "find_spec", lambda _: object())


@pytest.mark.parametrize(
    ("machine", "name", "kind"),
    [
        (gpus(1, 180), "paper-8b", "one"), (gpus(1, 80), "lora-8b", "one"), (gpus(1, 24), "qlora-32b", "one"),
        (gpus(2, 180), "paper-8b", "ddp"), (gpus(4, 80), "paper-8b", "fsdp2"), (gpus(2, 24), "lora-8b", "fsdp2"),
        (BARE, "lora-8b", "one"),
    ],
)  # fmt: skip
def test_all_parameters_are_trained_where_they_fit_else_an_adapter(machine: Machine, name: str, kind: str) -> None:
    need = taking(full=150, lora=40 if machine.gpus else 12, qlora=15)
    assert chosen(Train(), EIGHT, machine, need) == (name, kind, True)


def test_a_larger_student_takes_the_recipes_of_its_size() -> None:
    need = taking(full=550, lora=90, qlora=40)
    sizes = [chosen(Train(), LARGE, machine, need) for machine in (gpus(16, 80), gpus(1, 140), gpus(1, 48))]
    assert [name for name, *_ in sizes] == ["paper-32b", "lora-32b", "qlora-32b"]


def test_the_choice_is_explained_in_one_line() -> None:
    need = taking(full=550, lora=96, qlora=40)
    assert choose(Train(), LARGE, need, gpus(1, 140)).reason == (
        "lora-32b on one GPU takes 96.0 of 140.0 GiB; too much: paper-32b 550.0")
    assert choose(Train(method="full"), EIGHT, taking(160, 40, 15), gpus(8, 80)).reason == (
        "paper-8b, as asked, on 8 GPUs by fsdp2 takes 20.0 of 80.0 GiB")
    assert choose(Train(), EIGHT, taking(9, 4, 3), BARE).reason == "paper-8b on the CPU takes 9.0 of 16.0 GiB"


def test_where_none_fits_the_one_that_takes_the_least_is_told_of() -> None:
    found = choose(Train(), LARGE, taking(full=550, lora=96, qlora=40), gpus(1, 16))
    assert (found.recipe.name, found.fits) == ("qlora-32b", False)
    assert found.reason == (
        "qlora-32b on one GPU takes 40.0 of 16.0 GiB; too much: paper-32b 550.0, lora-32b 96.0")


def test_what_is_named_is_taken_whether_it_fits_or_not() -> None:
    need = taking(full=550, lora=96, qlora=40)
    assert chosen(Train(method="full"), LARGE, BARE, need) == ("paper-32b", "one", False)
    assert chosen(Train(recipe="lora-32b"), EIGHT, gpus(1, 140), need) == ("lora-32b", "one", True)
    assert choose(Train(recipe="lora-8b", epochs=1), EIGHT, need, gpus(1, 140)).recipe.epochs == 1


def test_the_embedded_student_takes_its_own_recipe_anywhere() -> None:
    def asked(*_: object) -> int:
        raise AssertionError("its memory is nobody's question")

    toy = Facts(context=4096, rehearsal=True)
    found = choose(Train(), toy, asked, gpus(8, 80))
    assert (found.recipe.name, found.layout.kind, found.fits) == ("rehearsal", "one", True)
    assert found.reason == "rehearsal on one GPU, the embedded student's own recipe"
    assert choose(Train(recipe="lora-8b"), toy, asked, BARE).reason == "lora-8b on the CPU, as asked"
    assert choose(Train(method="lora"), toy, asked, BARE).recipe.name == "rehearsal-lora"
    with pytest.raises(ConfigError, match="the embedded student has no recipe for qlora"):
        choose(Train(method="qlora"), toy, asked, BARE)


def test_a_row_that_is_longer_than_the_budget_of_a_micro_batch_takes_its_own_memory() -> None:
    def need(recipe: Recipe, layout: Layout) -> int:
        return layout.tokens

    needs = [choose(Train(tokens=tokens), EIGHT, need, gpus(1, 80)) for tokens in (0, 1000, 40000)]
    assert [one.need for one in needs] == [32768, 32768, 40000]
    assert [one.layout.tokens for one in needs] == [32768, 1000, 40000]


def test_processes_on_a_cpu_share_its_memory() -> None:
    found = choose(Train(processes=2), EIGHT, taking(9, 4, 3), BARE)
    assert (found.recipe.name, found.each) == ("lora-8b", 8 * GIB)
    assert found.reason == (
        "lora-8b in 2 processes on the CPU by ddp takes 4.0 of 8.0 GiB; too much: paper-8b 9.0")


def test_weights_of_four_bits_are_not_chosen_where_they_would_have_to_be_divided() -> None:
    found = choose(Train(layout="fsdp2"), EIGHT, taking(full=150, lora=40, qlora=6), gpus(2, 8))
    assert (found.recipe.name, found.fits) == ("lora-8b", False)


@pytest.mark.parametrize(
    ("name", "layout", "message"),
    [
        ("qlora-32b", Layout(), r"recipe qlora-32b needs bitsandbytes, .* run: pip install 'sera\[qlora\]'"),
        ("lora-8b", Layout(kind="zero3", processes=2), r"the layout zero3 needs deepspeed, .* 'sera\[zero\]'"),
    ],
)
def test_a_library_that_is_not_there_is_named_with_what_to_type(
    monkeypatch: pytest.MonkeyPatch, name: str, layout: Layout, message: str
) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=message):
        lacks(recipe(name), layout)


def test_what_needs_no_library_is_not_asked_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_spec", lambda _: None)
    for name in ("paper-8b", "lora-32b", "rehearsal"):
        lacks(recipe(name), Layout(kind="fsdp2", processes=2))


def test_a_choice_survives_being_written_down() -> None:
    found = choose(Train(), EIGHT, taking(150, 40, 15), gpus(4, 80))
    assert Choice.model_validate_json(found.model_dump_json()) == found
