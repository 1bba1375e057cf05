import pytest

from sera_cli.errors import ConfigError
from sera_cli.train.recipe import names, recipe

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


def test_full_tuning_is_the_papers():
    full = recipe("full")

    assert (full.epochs, full.learning_rate, full.weight_decay, full.betas) == (3, 1e-5, 0.01, (0.9, 0.95))
    assert (full.batch, full.warmup_steps, full.schedule, full.max_grad_norm) == (32, 48, "cosine", 1.0)


def test_every_shipped_recipe_is_read():
    assert names() == ["full", "lora", "rehearsal", "rehearsal-lora"]
    assert [recipe(name).method for name in names()] == ["full", "lora", "full", "lora"]


@pytest.mark.parametrize(
    ("method", "rehearsal", "name"),
    [
        ("auto", False, "lora"), ("lora", False, "lora"), ("full", False, "full"),
        ("auto", True, "rehearsal"), ("lora", True, "rehearsal-lora"), ("full", True, "rehearsal"),
    ],
)
def test_with_none_named_student_and_method_decide(method, rehearsal, name):
    assert recipe(method=method, rehearsal=rehearsal).name == name


def test_a_recipe_of_the_users_own_is_a_file(tmp_path):
    (tmp_path / "mine.toml").write_text(VALID)

    assert recipe(str(tmp_path / "mine.toml")).name == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("epochs = 1", "epoch = 1"), "unknown key 'epoch'; did you mean 'epochs'"),
        (("epochs = 1", "epochs = 0"), "epochs: Input should be greater than or equal to 1"),
        (("epochs = 1", ""), "epochs: Field required"),
        (('"full"', '"lora"'), "LoRA needs rank and alpha above 0"),
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
    with pytest.raises(ConfigError, match="no recipe is called 'fast'; take full, lora, rehearsal"):
        recipe("fast")
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read"):
        recipe(str(tmp_path / "absent.toml"))


def test_a_recipe_for_the_other_method_is_refused():
    with pytest.raises(ConfigError, match="recipe full is for full, and the method is lora"):
        recipe("full", method="lora")
