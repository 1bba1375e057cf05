"""What a person is told while an evaluation goes on: how far it is, what came of it so far, what was spent."""

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

from sera_cli.cli.working import silent
from sera_cli.console import Board, say

if TYPE_CHECKING:
    from sera_cli.evaluate.attempts import Attempt
    from sera_cli.evaluate.grade import Grade
    from sera_cli.evaluate.validate import Validation


class Watch:
    """Counts what is validated and graded, as it comes. Threads may share one. `spent` tells what it cost so far."""

    def __init__(self, board: Board, instances: int, attempts: int) -> None:
        self.spent = silent
        self._board, self._instances, self._attempts = board, instances, attempts
        self._turn = Lock()
        self._verdicts: dict[str, str] = {}
        self._valid: dict[str, bool] = {}
        self._loading = ""

    def begin(self) -> None:
        """Shows what is to be done, in its order, so that the clocks of all run from here on."""
        self._board("validate", 0, self._instances)
        self._board("evaluate", 0, self._attempts)

    def told(self, text: str) -> None:
        """Hears how far the model's server is."""
        self._loading = text
        self._board("model", 0, note=text)

    def validated(self, one: "Validation") -> None:
        """Hears of an instance that can be trusted here, or cannot."""
        with self._turn:
            self._valid[one.instance_id] = one.valid
            done, bad = len(self._valid), len(self._valid) - sum(self._valid.values())
        if not one.valid:
            say(f"{one.instance_id} is not counted: {one.reason}")
        self._board("validate", done, self._instances, f"{bad} unvalidated" if bad else "")

    def graded(self, attempt: "Attempt", grade: "Grade") -> None:
        """Hears of a grade, made now or found again."""
        with self._turn:
            self._verdicts[attempt.id] = grade.verdict
            done, counts = len(self._verdicts), Counter(self._verdicts.values())
        if self._loading:  # whoever is graded was answered: its clock stops
            self._board("model", 1, 1, self._loading)
            self._loading = ""
        parts = [f"{count} {verdict}" for verdict, count in counts.most_common()]
        self._board("evaluate", done, self._attempts, ", ".join([*parts, *filter(None, [self.spent()])]))
