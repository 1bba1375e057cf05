"""metrics.jsonl: the facts of a training, then its every step, so that two trainings can be compared line by line."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Progress = Callable[[int, int, float], None]
"""Called after each optimizer step with its number, how many there are, and its loss."""

NOTED_STEPS = 10  # the first steps whose sample ids are kept


class Log:
    """metrics.jsonl as it grows: a line of facts, then one for every optimizer step."""

    def __init__(self, path: Path, began: float, ids: list[str], batch: int, tell: Progress | None) -> None:
        self.path, self.began, self.ids, self.batch, self.tell = path, began, ids, batch, tell
        self.losses: list[float] = []

    def write(self, row: dict[str, object]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def step(self, number: int, total: int, logs: dict[str, float]) -> None:
        self.losses.append(logs["loss"])
        row: dict[str, object] = {
            "step": number, "loss": logs["loss"], "lr": logs.get("learning_rate"), "grad_norm": logs.get("grad_norm"),
            "tokens": logs.get("num_tokens"), "seconds": round(time.monotonic() - self.began, 3),
        }
        if number <= NOTED_STEPS:
            row["ids"] = self.ids[(number - 1) * self.batch : number * self.batch]
        self.write(row)
        if self.tell:
            self.tell(number, total, logs["loss"])


def callback(log: Log) -> Any:
    from transformers import TrainerCallback

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                log.step(state.global_step, state.max_steps, logs)

    return Steps()
