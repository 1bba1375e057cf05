"""The functions that were mined: what their files tell of them and what else is known, made records when looked at."""

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple, overload

from sera_cli.svg.found import Start
from sera_cli.svg.pages import Page
from sera_cli.svg.ties import Tie
from sera_cli.types import Function


class Drawn(NamedTuple):
    """A function as its file tells of it, and its ties, at the commit where rollouts about it begin."""

    page: Page
    start: Start
    tie: Tie
    commit: str

    @property
    def path(self) -> str:
        return self.page.path

    @property
    def name(self) -> str:
        return self.start.name


class Functions(Sequence[Function]):
    """Functions that are made when they are looked at: as records they would take three times the room.

    `ages` are days by path, `apart` the ids of those held out.
    """

    def __init__(self, drawn: Sequence[Drawn], ages: Mapping[str, int], apart: Container[str]) -> None:
        self._drawn, self._ages, self._apart = drawn, ages, apart

    def __len__(self) -> int:
        return len(self._drawn)

    @overload
    def __getitem__(self, place: int) -> Function: ...
    @overload
    def __getitem__(self, place: slice) -> "Functions": ...
    def __getitem__(self, place: int | slice) -> "Function | Functions":
        if isinstance(place, slice):
            return Functions(self._drawn[place], self._ages, self._apart)
        return self._record(self._drawn[place])

    def __iter__(self) -> Iterator[Function]:
        return map(self._record, self._drawn)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]

    def _record(self, drawn: Drawn) -> Function:
        page, start, (callers, callees, tests), commit = drawn
        id_, name, line, end_line, signature, doc, branches = start
        return Function.model_validate({
            "id": id_, "path": page.path, "name": name, "line": line, "end_line": end_line, "signature": signature,
            "doc": doc, "language": page.language, "branches": branches, "callers": callers, "callees": callees,
            "tests": tests, "age": self._ages.get(page.path), "heldout": id_ in self._apart, "commit": commit,
        })  # fmt: skip
