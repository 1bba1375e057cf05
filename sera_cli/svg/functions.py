"""The functions that were mined: what their files tell of them and what else is known, made records when looked at."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from sera_cli.svg.found import Start
from sera_cli.svg.pages import Page
from sera_cli.types import Function


class Drawn(NamedTuple):
    """A function as its file tells of it, at the commit where rollouts about it begin."""

    page: Page
    start: Start
    commit: str

    @property
    def path(self) -> str:
        return self.page.path

    @property
    def name(self) -> str:
        return self.start.name


class Known(NamedTuple):
    """What else is known of a function."""

    callers: tuple[str, ...]
    callees: tuple[str, ...]
    tests: tuple[str, ...]
    age: int | None
    heldout: bool


class Functions(Sequence[Function]):
    """Functions that are made when they are looked at: as records they would take three times the room."""

    def __init__(self, drawn: Sequence[Drawn], known: Sequence[Known]) -> None:
        self._drawn, self._known = drawn, known

    def __len__(self) -> int:
        return len(self._drawn)

    @overload
    def __getitem__(self, place: int) -> Function: ...
    @overload
    def __getitem__(self, place: slice) -> "Functions": ...
    def __getitem__(self, place: int | slice) -> "Function | Functions":
        if isinstance(place, slice):
            return Functions(self._drawn[place], self._known[place])
        return _record(self._drawn[place], self._known[place])

    def __iter__(self) -> Iterator[Function]:
        return map(_record, self._drawn, self._known)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]


def _record(drawn: Drawn, known: Known) -> Function:
    page, start, commit = drawn
    return Function(path=page.path, language=page.language, commit=commit, **start._asdict(), **known._asdict())
