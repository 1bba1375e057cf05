import pytest

from sera_cli.errors import ConfigError
from sera_cli.knobs import Train
from sera_cli.train import worker
from sera_cli.train.course import Course, write
from sera_cli.train.layout import Layout
from sera_cli.train.recipe import Recipe, changes, names, recipe
from sera_cli.train.rows import rows
from tests.students import sample, tiny

VALID = """
method = "full"
epochs = 1
learning_rate = 1e-5
schedule = "cosine"
warmup_steps = 1
weight_decay = 0.0
betas = [0.9, 0.95]
epsilon = 1e-8
max_grad_norm = 1.0
batch = 1
precision = "float32"
checkpointing = false
"""
ITS_OWN = {"method", "recipe", "processes", "nodes", "layout", "context_parallel", "tokens", "report_to"}
"""What `[train]` says beside a recipe's fields."""


@pytest.mark.parametrize("name", ["paper-8b", "paper-32b"])
def test_full_tuning_is_the_papers(name):
    full = recipe(name)

    assert (full.epochs, full.learning_rate, full.weight_decay, full.betas) == (3, 1e-5, 0.01, (0.9, 0.95))
    assert (full.batch, full.warmup_steps, full.schedule, full.max_grad_norm) == (32, 48, "cosine", 1.0)


def test_every_shipped_recipe_is_read():
    assert {name: recipe(name).method for name in names()} == {
        "lora-32b": "lora", "lora-8b": "lora", "paper-32b": "full", "paper-8b": "full", "qlora-32b": "qlora",
        "rehearsal": "full", "rehearsal-lora": "lora",
    }  # fmt: skip


def test_adapters_of_both_sizes_hold_as_many_parameters_as_a_large_run_trains_tokens():
    by_rank = {"lora-8b": 2_727_936, "lora-32b": 8_388_608}  # of Qwen3-8B and Qwen3-32B, over all linear layers
    a_trajectory = 7_673  # trained tokens (SERA paper, table 15)

    assert {name: by_rank[name] * recipe(name).rank // a_trajectory for name in by_rank} == {
        "lora-8b": 22_753, "lora-32b": 34_984}


def test_weights_of_four_bits_take_the_adapter_of_whole_ones():
    whole, quantised = recipe("lora-32b"), recipe("qlora-32b")

    apart = {"name": "", "method": "lora", "optimizer": "adamw"}
    assert quantised.model_copy(update=apart) == whole.model_copy(update=apart)
    assert quantised.optimizer == "adamw_8bit"


def test_each_field_of_a_recipe_is_a_knob_and_each_knob_a_field_or_its_own():
    assert set(Train.model_fields) - ITS_OWN == set(Recipe.model_fields) - {"name", "method"}


def test_a_knob_left_empty_leaves_its_field_to_the_recipe():
    assert changes(Train()) == {}
    assert recipe("lora-8b", changes=changes(Train())) == recipe("lora-8b")


def test_what_train_says_beats_the_recipe():
    said = Train(epochs=1, weight_decay=0.0, dropout=0.0, packing=False, betas="0.8 0.999", schedule="linear")

    made = recipe("lora-8b", changes=changes(said))
    assert (made.epochs, made.weight_decay, made.packing, made.betas) == (1, 0.0, False, (0.8, 0.999))
    assert (made.schedule, made.learning_rate) == ("linear", recipe("lora-8b").learning_rate)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Train(epochs=0), "train.epochs is 0; it should be greater than or equal to 1"),
        (Train(betas="0.9"), "train.betas is '0.9'; it should be two numbers, with a space between them"),
        (Train(betas="a b"), "train.betas is 'a b'; it should be a valid number"),
        (Train(schedule="cosinus"), "train.schedule is 'cosinus'; it should be 'cosine', 'linear'"),
        (Train(rank=0), "recipe lora-8b: LoRA needs rank and alpha above 0"),
    ],
)
def test_a_knob_with_a_mistake_is_named(said, message):
    with pytest.raises(ConfigError, match=message):
        recipe("lora-8b", changes=changes(said))


def test_a_recipe_of_the_users_own_is_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text(VALID)

    assert recipe(str(tmp_path / "mine.toml")).name == "mine"
    assert recipe(str(tmp_path / "mine.toml"), changes={"epochs": 7}).epochs == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("epochs = 1", "epoch = 1"), "unknown key 'epoch'; did you mean 'epochs'"),
        (("epochs = 1", "epochs = 0"), "epochs: Input should be greater than or equal to 1"),
        (("epochs = 1", ""), "epochs: Field required"),
        (('"full"', '"lora"'), "LoRA needs rank and alpha above 0"),
        (('"full"', '"qlora"'), "LoRA needs rank and alpha above 0"),
        (('"cosine"', '"cosinus"'), "schedule: Input should be"),
        (("batch = 1", "batch = "), "cannot be read"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused_and_the_key_named(tmp_path, change, message):
    file = tmp_path / "mine.toml"
    file.write_text(VALID.replace(*change))

    with pytest.raises(ConfigError, match=message) as caught:
        recipe(str(file))
    assert "mine.toml" in str(caught.value)


def test_an_unknown_recipe_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match="no recipe is called 'fast'; take lora-32b, lora-8b, paper-32b"):
        recipe("fast")
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read"):
        recipe(str(tmp_path / "absent.toml"))


def test_a_recipe_for_the_other_method_is_refused():
    with pytest.raises(ConfigError, match="recipe paper-8b is for full, and the method is lora"):
        recipe("paper-8b", method="lora")


@pytest.mark.parametrize("name", [name for name in names() if not name.startswith("rehearsal")])
def test_every_recipe_for_a_real_student_runs_on_a_tiny_one(tmp_path, name):
    if recipe(name).method == "qlora":
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    course = Course(student=tiny(), recipe=recipe(name, changes={"epochs": 1, "batch": 2}), layout=Layout(cpu=True))
    write(tmp_path / "t", course, rows([sample(number) for number in range(4)], tiny()), [])

    worker.work(tmp_path / "t")
    weights = {"full": "model.safetensors"}.get(recipe(name).method, "adapter_model.safetensors")
    assert (tmp_path / "t" / "result" / weights).is_file()
