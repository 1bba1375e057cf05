"""The benchmark of training at a size that a CPU can do, so that what a GPU will run is known to run."""

import json

import pytest

from tests.benches import bench


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_plan_comes_first_then_the_peak_then_ours_then_trls(method, capsys):
    asked = ["--shape", "tiny", "--device", "cpu", "--steps", "1", "--batch", "2", "--method", method, "--json"]

    assert bench("train").main(asked) == 0

    foretold, peak, ours, plain = map(json.loads, capsys.readouterr().out.splitlines())
    assert foretold["fits"] and ["longest", "256 tokens"] in foretold["foretold"]
    assert peak["gpu"] == "CPU"
    assert (ours["who"], plain["who"]) == ("sera", "TRL, weights as ours")
    assert ours["tokens"] == plain["tokens"] > 0
    assert 0 < ours["utilisation"] == pytest.approx(
        ours["tokens_per_second"] / plain["tokens_per_second"] * plain["utilisation"])


def test_without_a_gpu_it_says_so_in_a_line(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    assert bench("train").main(["--shape", "8b"]) == 2

    assert capsys.readouterr().err == (
        "error: no GPU is visible here; the same code runs at a small size with --shape tiny --device cpu\n")


def test_about_a_quarter_of_a_row_is_learned():
    import random

    made = bench("train")
    ids = made.array("i", range(1, 32769))
    labels = made.labels(ids, random.Random(0))

    learned = [label for label in labels if label != -100]
    assert len(labels) == len(ids)
    assert 0.2 < len(learned) / len(ids) < 0.3
    assert all(label in (-100, token) for label, token in zip(labels, ids, strict=True))
