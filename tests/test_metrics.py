import json

from sera_cli.train.metrics import Log


def test_the_first_steps_name_their_samples_and_later_ones_do_not(tmp_path):
    heard = []
    ids = [f"s{n}" for n in range(24)]
    log = Log(tmp_path / "metrics.jsonl", 0.0, ids, 2, lambda *told: heard.append(told))
    for number in range(1, 13):
        log.step(number, 12, {"loss": 1 / number, "learning_rate": 0.1, "grad_norm": 2.0, "num_tokens": 5.0})

    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["ids"] == ["s0", "s1"]
    assert rows[9]["ids"] == ["s18", "s19"]
    assert "ids" not in rows[10]
    assert {key: rows[10][key] for key in rows[10] if key != "seconds"} == {
        "step": 11, "loss": 1 / 11, "lr": 0.1, "grad_norm": 2.0, "tokens": 5.0
    }
    assert heard[:2] == [(1, 12, 1.0), (2, 12, 0.5)]
    assert log.losses[1] == 0.5
