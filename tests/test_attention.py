import random

import pytest

from sera_cli.errors import ModelError
from sera_cli.train.attention import Kernel, isolates, kernel
from sera_cli.train.packing import collate
from tests.students import tiny


def config(kind: str, **given: object):
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[kind](**given)


@pytest.mark.parametrize("name", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["qwen3", "qwen2", "llama", "mistral", "gemma3_text", "qwen3_moe"])
def test_attention_of_these_keeps_documents_apart(kind: str, name: str):
    assert isolates(config(kind), name)


@pytest.mark.parametrize(("kind", "name"), [("qwen3_next", "sdpa"), ("bloom", "eager"), ("opt", "sdpa")])
def test_states_and_positions_of_another_kind_leak_from_one_document_into_the_next(kind: str, name: str):
    assert not isolates(config(kind), name)


def test_one_layer_that_leaks_among_others_is_found():
    mixed = config("lfm2", full_attn_idxs=[2, 5, 8])

    assert isolates(config("lfm2", full_attn_idxs=list(range(32))), "sdpa")
    assert not isolates(mixed, "sdpa")


def test_the_fastest_kernel_that_is_installed_is_taken():
    """No machine of the tests has a GPU's."""
    assert kernel(tiny().base) == Kernel(name="sdpa", isolated=True)
    assert kernel(tiny().base, "eager") == Kernel(name="eager", isolated=True)


def test_an_architecture_without_the_usual_kernel_gets_the_plain_one(tmp_path):
    config("gemma2").save_pretrained(tmp_path)

    assert kernel(str(tmp_path)) == Kernel(name="eager", isolated=True)


def test_an_architecture_that_cannot_be_tried_is_not_trusted(tmp_path):
    config("mamba").save_pretrained(tmp_path)

    assert kernel(str(tmp_path)) == Kernel(name="sdpa", isolated=False)


def test_a_kernel_that_is_not_installed_is_one_line():
    from transformers.utils import is_flash_attn_2_available

    if is_flash_attn_2_available():
        pytest.skip("flash attention is installed")
    with pytest.raises(ModelError) as caught:
        kernel(tiny().base, "flash_attention_2")
    assert str(caught.value).startswith("flash_attention_2 cannot be used here (")
    assert str(caught.value).endswith("): leave train.attention at auto")
    assert "\n" not in str(caught.value)


def test_flash_attention_is_not_for_float32():
    with pytest.raises(ModelError) as caught:
        kernel(tiny().base, "flash_attention_2", half=False)
    assert str(caught.value) == (
        "flash_attention_2 cannot be used here (it computes in bfloat16, and this training in float32): "
        "leave train.attention at auto"
    )
    assert kernel(tiny().base, half=False) == Kernel(name="sdpa", isolated=True)


def test_a_mask_has_room_for_little_and_flash_attention_for_all():
    assert Kernel(name="sdpa", isolated=True).room(32768) == 4096
    assert Kernel(name="sdpa", isolated=True).room(1000) == 1000
    assert Kernel(name="flash_attention_2", isolated=True).room(131072) == 131072
    assert Kernel(name="flash_attention_2", isolated=False).room(131072) == 0


def test_the_trial_takes_nothing_from_the_training_s_chance():
    import torch

    torch.manual_seed(3)
    random.seed(3)
    before = torch.get_rng_state(), random.getstate()
    isolates(config("qwen3"), "sdpa")

    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


@pytest.fixture(scope="module")
def read():
    """Logits of the embedded student's architecture for a micro-batch of these documents."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny().base, attn_implementation="sdpa").eval()

    def logits(*documents: list[int], **more: object):
        with torch.no_grad():
            return model(**collate([(ids, ids) for ids in documents]), **{"use_cache": False, **more}).logits[0]

    return logits


FIRST, OTHER, LAST = list(range(100, 117)), list(range(200, 217)), list(range(300, 321))


def test_a_document_is_read_alike_whatever_stands_before_it_in_its_row(read):
    one, other = read(FIRST, LAST)[17:], read(OTHER, LAST)[17:]

    assert float((one - other).abs().max()) == 0.0
    assert float((one - read(LAST)).abs().max()) < 1e-5


@pytest.mark.parametrize("more", [{"attention_mask": [[1] * 38]}, {"use_cache": True}])
def test_a_padding_mask_or_a_cache_would_let_it_see_what_stands_before(read, more: dict[str, object]):
    """Why `collate` gives no mask, and why the trainer must turn the cache off also where it only evaluates."""
    import torch

    given = {key: torch.tensor(value) if key == "attention_mask" else value for key, value in more.items()}
    one, other = read(FIRST, LAST, **given)[17:], read(OTHER, LAST, **given)[17:]

    assert float((one - other).abs().max()) > 1e-3
