"""What one evaluation comes to: mean, spread over seeds, intervals and pass@k, as a report keeps them."""

from collections.abc import Mapping
from typing import Any

from sera_cli.evaluate.stats.intervals import over_seeds, over_tasks
from sera_cli.evaluate.stats.passk import pass_all, pass_at
from sera_cli.evaluate.stats.scores import by_seed, deviation, mean, means, scores


def summary(results: Mapping[str, Mapping[str, Mapping[str, Any]]], *, score: str = "resolved") -> dict[str, Any]:
    """Of the `results` of a report, task -> seed -> `{"score": float | None, ...}`; what was not counted is left out.

    `mean` is over tasks, each task's seeds averaged first, None where nothing was counted; `interval` is for tasks
    like these, `over_seeds` for further seeds on these tasks; `pass_at` and `pass_all` only where a task is resolved
    or not.
    """
    rows = scores(results)
    runs, attempts = by_seed(rows), [len(row) for row in rows.values()]
    most = range(1, max(attempts, default=0) + 1) if score == "resolved" else ()
    again = over_seeds(rows)
    return {
        "tasks": len(rows),
        "attempts": sum(attempts),
        "mean": mean(list(means(rows).values())) if rows else None,
        "seeds": runs,
        "sd": deviation(list(runs.values())) if len(runs) > 1 else None,
        "interval": over_tasks(rows).model_dump() if rows else None,
        "over_seeds": again.model_dump() if again else None,
        "pass_at": {str(k): pass_at(rows, k) for k in most},
        "pass_all": {str(k): pass_all(rows, k) for k in most},
    }
