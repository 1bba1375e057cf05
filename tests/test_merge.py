import re
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from sera_cli.agents import merge as merging
from sera_cli.agents.merge import fetched, merge, weights
from sera_cli.agents.preflight import CONFIG, WEIGHTS, document, preflight
from sera_cli.errors import DataError, ModelError
from sera_cli.harness import wire
from sera_cli.train.student import Student
from tests import families
from tests.adapters import end, random_adapter, rewritten, weights_of


@pytest.fixture(scope="module")
def base() -> Student:
    return families.student("qwen3")


@pytest.fixture(scope="module")
def taught(base, tmp_path_factory) -> Path:
    return random_adapter(base, tmp_path_factory.mktemp("taught") / "adapter")


def by_peft(base: Student, adapter: Path) -> dict[str, Any]:
    """What peft makes of base and adapter, in float32, by the names of the base."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base.base), str(adapter))
    return dict(model.merge_and_unload().state_dict())


@pytest.mark.parametrize(
    "settings",
    [{}, {"use_rslora": True}, {"alpha_pattern": {"q_proj": 3, r"layers\.1\.mlp\.up_proj": 64}}],
    ids=["plain", "rank-stabilised", "other scales in places"],
)
def test_a_merged_weight_is_what_peft_makes_of_it_rounded_to_bfloat16(base, taught, settings, tmp_path):
    import torch

    adapter = rewritten(taught, tmp_path / "adapter", **settings)
    merge(Path(base.base), adapter, tmp_path / "out", end=end(base))

    wanted, made, before = by_peft(base, adapter), weights_of(tmp_path / "out"), weights_of(Path(base.base))
    assert set(made) == set(before)
    for name, weight in made.items():
        assert weight.dtype == torch.bfloat16
        torch.testing.assert_close(weight.float(), wanted[name], rtol=2**-8, atol=1e-6)
    changed = {name for name in made if not torch.equal(made[name], before[name].bfloat16())}
    assert changed == {name for name in before if re.search(r"(proj)\.weight", name)}


def test_shards_hold_no_more_than_they_may_and_load_as_one_model(base, taught, tmp_path):
    whole, small = tmp_path / "whole", tmp_path / "small"
    size = merge(Path(base.base), taught, whole, end=end(base))
    assert merge(Path(base.base), taught, small, end=end(base), shard=size // 2) == size

    from safetensors.torch import load_file

    files = sorted(file.name for file in small.glob("*.safetensors"))
    assert files == [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    held = [sum(2 * weight.numel() for weight in load_file(small / name).values()) for name in files]
    assert sum(held) == size and max(held) <= size // 2
    index = document(small / "model.safetensors.index.json")
    assert index["metadata"] == {"total_size": size}
    assert {index["weight_map"][name] for name in weights_of(whole)} == set(files)
    made, again = weights_of(whole), weights_of(small)
    assert all((made[name] == again[name]).all() for name in made)


def test_a_merged_folder_has_the_bases_tokenizer_and_the_template_of_training(base, taught, tmp_path):
    merge(Path(base.base), taught, tmp_path, end=end(base))

    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / name).read_bytes() == (Path(base.base) / name).read_bytes()
    assert (tmp_path / "chat_template.jinja").read_text() == wire.template(base.wire)
    assert document(tmp_path / "config.json")["dtype"] == "bfloat16"
    assert not (tmp_path / CONFIG).exists()
    assert preflight(tmp_path) == []


def test_generation_stops_where_a_turn_ends_also_where_the_base_stopped_elsewhere(base, taught, tmp_path):
    bare = shutil.copytree(base.base, tmp_path / "base")
    (bare / "generation_config.json").write_text('{"eos_token_id": 0, "temperature": 0.6}')

    merge(bare, taught, tmp_path / "out", end=end(base))

    said = document(tmp_path / "out" / "generation_config.json")
    assert said == {"eos_token_id": [end(base), 0], "temperature": 0.6}


def test_a_fully_tuned_model_is_written_in_bfloat16(base, tmp_path):
    full = Path(shutil.copytree(base.base, tmp_path / "full"))
    (full / "chat_template.jinja").write_text(wire.template(base.wire), encoding="utf-8")
    merge(full, None, tmp_path / "out", end=end(base))

    before, made = weights_of(full), weights_of(tmp_path / "out")
    assert all((made[name] == before[name].bfloat16()).all() for name in before)
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == wire.template(base.wire)


def test_whole_modules_beside_an_adapter_take_the_place_of_the_bases(base, taught, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    adapter = rewritten(taught, tmp_path / "adapter", modules_to_save=["norm"])
    norm = torch.full_like(weights_of(Path(base.base))["model.norm.weight"], 0.5)
    save_file(load_file(adapter / WEIGHTS) | {"base_model.model.model.norm.weight": norm}, adapter / WEIGHTS)
    merge(Path(base.base), adapter, tmp_path / "out", end=end(base))

    assert (weights_of(tmp_path / "out")["model.norm.weight"] == 0.5).all()


@pytest.mark.parametrize("setting", ["use_dora", "lora_bias", "target_parameters"])
def test_what_is_more_than_a_product_of_matrices_is_refused_by_name(base, taught, setting, tmp_path):
    odd = rewritten(taught, tmp_path / "odd", **{setting: True})

    with pytest.raises(ModelError, match=f"cannot be merged: it was made with {setting}"):
        merge(Path(base.base), odd, tmp_path / "out", end=0)


def test_an_adapter_of_another_base_is_refused_by_the_first_weight_that_is_missing(taught, tmp_path):
    small = tmp_path / "small"
    shutil.copytree(families.folder("qwen3"), small)
    weights_left = {name: weight for name, weight in weights_of(small).items() if "layers.1." not in name}
    from safetensors.torch import save_file

    save_file(weights_left, small / "model.safetensors")

    with pytest.raises(ModelError, match=r"of another base: this one has no weight model\.layers\.1\."):
        merge(small, taught, tmp_path / "out", end=0)


def test_a_quantised_base_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "bitsandbytes"}}')

    with pytest.raises(ModelError, match=r"is quantised \(bitsandbytes\); name the model that it was made from"):
        weights(tmp_path)


def test_a_disk_that_has_no_room_is_told_before_anything_is_written(base, taught, tmp_path, monkeypatch):
    monkeypatch.setattr(merging.shutil, "disk_usage", lambda _: namedtuple("Usage", "total used free")(9, 9, 1000))

    with pytest.raises(DataError, match=r"takes 0\.0 GB, and 0\.0 GB are free; name another place"):
        merge(Path(base.base), taught, tmp_path / "out", end=0)
    assert not (tmp_path / "out").exists()


def test_a_base_that_the_hub_does_not_give_is_one_line(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(ModelError, match="the base nobody/nothing-at-all cannot be had") as caught:
        fetched("nobody/nothing-at-all")
    assert "\n" not in str(caught.value)
