from pathlib import Path

import pytest

from sera_cli.agents.compare import Difference, compared, memory
from sera_cli.agents.merge import merge
from sera_cli.agents.preflight import CONFIG, document
from sera_cli.train.student import Student
from tests import families
from tests.adapters import end, random_adapter, rewritten

PLENTY = 1 << 30


@pytest.fixture(scope="module")
def base() -> Student:
    return families.student("qwen3")


@pytest.fixture(scope="module")
def taught(base, tmp_path_factory) -> Path:
    return random_adapter(base, tmp_path_factory.mktemp("taught") / "adapter")


def test_the_merged_model_says_what_the_taught_one_says(base, taught, tmp_path):
    merge(Path(base.base), taught, tmp_path / "out", end=end(base))

    found = compared(base.base, taught, tmp_path / "out", base.wire, memory=PLENTY)

    assert found is not None and found.agrees
    assert found.merged < 0.02 < found.base
    assert (found.precision, found.tokens) == ("float32", 256)


@pytest.mark.parametrize("change", ["left out", "half as strong"])
def test_an_adapter_that_is_not_merged_as_it_was_trained_is_found(base, taught, change, tmp_path):
    alpha = document(taught / CONFIG)["lora_alpha"]
    wrong = None if change == "left out" else rewritten(taught, tmp_path / "wrong", lora_alpha=alpha / 2)
    merge(Path(base.base), wrong, tmp_path / "out", end=end(base))

    found = compared(base.base, taught, tmp_path / "out", base.wire, memory=PLENTY)

    assert found is not None and not found.agrees


def test_a_merge_that_is_as_far_off_as_the_base_is_none_however_small_that_is():
    assert not Difference(merged=0.019, base=0.03, tokens=1, precision="float32").agrees
    assert Difference(merged=0.01, base=0.03, tokens=1, precision="float32").agrees
    assert Difference(merged=0.01, base=0.01, tokens=1, precision="float32").agrees


def test_what_does_not_fit_into_memory_is_compared_in_bfloat16_or_not_at_all(base, taught, tmp_path):
    size = merge(Path(base.base), taught, tmp_path / "out", end=end(base))

    assert compared(base.base, taught, tmp_path / "out", base.wire, memory=size) is None
    found = compared(base.base, taught, tmp_path / "out", base.wire, memory=2 * size)
    assert found is not None and found.precision == "bfloat16"
    assert memory() > 0
