"""The scripts of tests/bench as modules, which they are not."""

import importlib.util
from pathlib import Path
from types import ModuleType


def bench(name: str) -> ModuleType:
    """tests/bench/NAME.py, executed."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", Path(__file__).parent / "bench" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
