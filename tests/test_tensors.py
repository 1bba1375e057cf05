import json
import struct
from pathlib import Path

import pytest

from sera_cli.errors import DataError
from sera_cli.tensors import WRAPPED, header, wrapped


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two tensors of 4 and 2 bytes, as the library writes them."""
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1), "b": torch.zeros(1, 1, dtype=torch.bfloat16)}, path, metadata={"format": "pt"})
    return path


def test_a_header_tells_types_and_shapes(file: Path) -> None:
    assert {name: (about["dtype"], about["shape"]) for name, about in header(file).items()} == {
        "a": ("F32", [1]), "b": ("BF16", [1, 1])
    }  # fmt: skip


def test_a_file_that_ends_too_early_is_torn(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])

    with pytest.raises(DataError, match=rf"model\.safetensors: is torn: it has {len(whole) - 1} bytes, and its header"):
        header(file)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"torn", b"GGUF\x03\x00\x00\x00" + b"\0" * 50, struct.pack("<Q", 1 << 40),
        struct.pack("<Q", 9) + b'{"a": 1}',
        struct.pack("<Q", 8) + b'{"a": 1}', struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 7) + b'{"\xff\xfe"',
        struct.pack("<Q", 9) + json.dumps({"a": {}}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)

    with pytest.raises(DataError, match=r"x\.safetensors: is no safetensors file: ") as caught:
        header(tmp_path / "x.safetensors")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no safetensors file"):
        header(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("model._fsdp_wrapped_module.lm_head.weight", "model.lm_head.weight"),
        ("model.layers.0._checkpoint_wrapped_module.mlp.up.weight", "model.layers.0.mlp.up.weight"),
        ("_orig_mod.norm.weight", "norm.weight"),
        ("module.norm.weight", "norm.weight"),
        ("base_model.model.module.norm.lora_A.weight", "base_model.model.norm.lora_A.weight"),
    ],
)
def test_what_a_trainer_wrapped_a_model_in_is_seen_and_taken_out_of_a_name(name: str, own: str) -> None:
    assert wrapped([own, name]) == [name]
    assert WRAPPED.sub("", name) == own


def test_a_models_own_names_are_let_be_and_an_adapter_twice_is_not() -> None:
    assert wrapped(["base_model.model.model.norm.weight", "model.module.weight", "submodule.weight"]) == []
    assert wrapped(["base_model.model.base_model.model.norm.weight"]) != []
