import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from sera_cli.errors import DataError
from sera_cli.harness import tokens
from sera_cli.train import embedded
from tests.students import TINY, library, tiny


def test_a_student_holds_weights_as_safetensors_and_a_tokenizer():
    names = {file.name for file in Path(tiny().base).iterdir()}

    assert {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".py"))]


def test_the_second_time_it_is_taken_from_the_cache():
    folder = Path(tiny().base)
    before = (folder / "model.safetensors").stat().st_mtime_ns

    again = embedded.ensure(folder.parent.parent, TINY, root=Path("/nowhere"))

    assert again == folder
    assert (again / "model.safetensors").stat().st_mtime_ns == before


def test_the_same_sources_and_seed_make_the_same_weights(tmp_path):
    again = embedded.ensure(tmp_path / "cache", TINY, root=library(tmp_path / "library"))

    for name in ("model.safetensors", "tokenizer.json"):
        assert (again / name).read_bytes() == (Path(tiny().base) / name).read_bytes()


def test_another_recipe_is_another_base():
    assert embedded.name(TINY) != embedded.name(TINY.model_copy(update={"seed": 1}))
    assert embedded.name(TINY).startswith("rehearsal-")


def test_of_two_who_want_it_at_once_one_makes_it(tmp_path):
    heard = []
    root = library(tmp_path / "library", 20)

    def ask(who):
        return embedded.ensure(
            tmp_path / "cache", TINY, root=root, on_progress=lambda step, steps, loss: heard.append((who, step))
        )

    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(ask, ("one", "other")))

    assert folders[0] == folders[1]
    assert len({who for who, step in heard if step}) == 1


def test_who_waits_for_another_to_make_it_is_told_so(tmp_path):
    folder = tmp_path / "cache" / "students"
    folder.mkdir(parents=True)
    root = library(tmp_path / "library")
    heard, told = [], Event()

    def tell(step, steps, _):
        heard.append((step, steps))
        told.set()

    with ThreadPoolExecutor(1) as pool:
        with (folder / f".{embedded.name(TINY)}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = pool.submit(embedded.ensure, tmp_path / "cache", TINY, root=root, on_progress=tell)
            assert told.wait(60)
            assert heard == [(0, TINY.steps)]
        assert made.result().name == embedded.name(TINY)

    assert heard[-1] == (TINY.steps, TINY.steps)


def test_an_interrupted_making_leaves_no_student(tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded.ensure(tmp_path / "cache", TINY, root=library(tmp_path / "library"), on_progress=stop)

    left = [path.name for path in (tmp_path / "cache" / "students").iterdir()]
    assert left == [f".{embedded.name(TINY)}.lock"]


def test_a_cache_that_is_a_file_is_said_in_one_line(tmp_path):
    (tmp_path / "cache").write_text("")

    with pytest.raises(DataError, match="the embedded student cannot be kept"):
        embedded.ensure(tmp_path / "cache", TINY)


@pytest.mark.parametrize(
    "text", ["def f(x):\n\treturn {'a': 1}\n", "naïve – 日本 \U0001f600", "<|im_end|><|endoftext|>", "12345"]
)
def test_any_text_comes_back_from_its_tokens(text):
    tokenizer = tokens.load(tiny().base)

    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_markers_are_single_tokens():
    tokenizer = tokens.load(tiny().base)

    for marker in embedded.MARKERS:
        assert tokenizer.encode(marker) == [tokenizer.special(marker)]


def test_the_learning_rate_rises_and_then_falls_to_a_tenth():
    rates = [embedded._schedule(step, 100, 10) for step in range(100)]

    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9]
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_the_libraries_are_told_to_send_no_usage_statistics(monkeypatch):
    import huggingface_hub.constants
    from huggingface_hub.utils import _telemetry

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", False)
    embedded.hush()
    _telemetry.send_telemetry("sera-test")

    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
    assert _telemetry._TELEMETRY_THREAD is None
