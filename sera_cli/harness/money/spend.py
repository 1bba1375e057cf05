"""What calls to a model cost while they are made: the Meter that a client tells of each call, and the Account that
holds a run to its limit.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import ceil, inf
from threading import Condition, get_ident
from typing import Any, Protocol

from sera_cli.errors import BudgetReached, Cancelled
from sera_cli.harness.money.ledger import Ledger, Totals
from sera_cli.harness.money.prices import LOCAL, Price
from sera_cli.types import Usage
from sera_cli.wording import counted

POLL = 0.25
"""Seconds between two looks at whether the run is stopping, while a call or a rollout waits for money."""


GO_ON = "all is kept: the same command with a higher --max-cost goes on"


class Meter(Protocol):
    """Told of every attempt at a call, before it is sent and after it was answered. Threads may share one."""

    def call(self, expected_prompt: int, most_completion: int) -> AbstractContextManager[Callable[[Usage], None]]:
        """Around one attempt. What it yields is called once, with what was used, when the attempt was answered.

        An answer without token counts, or a call that broke off after it was sent, is told with a Usage that has none
        (`calls` 1 or 0): its cost is unknown. An attempt that was refused or never sent tells nothing, and costs
        nothing. Raises BudgetReached, on entering, when what is left does not hold the worst case.
        """
        ...


class Free:
    """A Meter for a model whose calls nobody counts."""

    @contextmanager
    def call(self, expected_prompt: int, most_completion: int) -> Iterator[Callable[[Usage], None]]:  # noqa: ARG002
        yield lambda _: None


class Account:
    """The Meter of one model in one run. Nothing is spent beyond `limit` dollars (0: no limit), earlier sessions of
    the run counted, as long as prompts are no longer than expected.

    The worst case of a call is held back while it is under way; one of unknown cost counts as that. A `price` of None
    is unknown: calls are counted, and no limit can hold them. `rollout` dollars are what one is expected to cost until
    this run has ended some itself.
    """

    def __init__(
        self, model: str, price: Price | None, book: Ledger, *, limit: float = 0.0, rollout: float = 0.0,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.price = price
        self.limit = limit
        self._model, self._book, self._guess, self._cancelled = model, book, rollout, cancelled
        self._most = limit if limit and price is not None else inf
        self._turn = Condition()
        self._spent = book.totals.all.usd + book.totals.held
        self._held, self._calls = 0.0, 0
        self._longer = 1.0
        self._rollouts: dict[int, float] = {}

    @property
    def totals(self) -> Totals:
        return self._book.totals

    def line(self) -> str:
        """What was spent so far, for people who watch."""
        return line(self.totals, self.price, self.limit)

    @contextmanager
    def call(self, expected_prompt: int, most_completion: int) -> Iterator[Callable[[Usage], None]]:
        """See Meter. A call that does not fit beside those under way waits for them."""
        held = self._reserve(expected_prompt, most_completion)
        owed = True

        def paid(usage: Usage) -> None:
            nonlocal owed
            if owed:
                owed = False
                self._settle(held, expected_prompt, usage)

        try:
            yield paid
        finally:
            if owed:
                self._release(held, 0.0)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Around a rollout with its judging, in one thread.

        Waits, and raises BudgetReached, when what is left does not hold the cost of a rollout beside what those under
        way are expected to cost yet: few are then cut off in the middle.
        """
        with self._turn:
            while self._spent + self._rest() + self._cost() > self._most:
                if self._spent + self._cost() > self._most:
                    raise BudgetReached(f"{self._gone()}, and another rollout costs about ${self._cost():.2f}; {GO_ON}")
                self._wait()
            self._rollouts[get_ident()] = 0.0
        try:
            yield
            self._count(self._rollouts[get_ident()])
        finally:
            with self._turn:
                del self._rollouts[get_ident()]
                self._turn.notify_all()

    def _reserve(self, prompt: int, completion: int) -> float:
        with self._turn:
            worst = self.price.worst(ceil(prompt * self._longer), completion) if self.price else 0.0
            while self._spent + self._held + worst > self._most:
                if self._spent + worst > self._most:
                    raise BudgetReached(f"{self._gone()}, and the next call may cost ${worst:.2f}; {GO_ON}")
                self._wait()
            self._held += worst
            self._calls += 1
            return worst

    def _settle(self, held: float, expected: int, usage: Usage) -> None:
        known = bool(usage.prompt or usage.completion)
        usd = self.price.of(usage) if self.price and known else None
        try:
            counts = usage.model_dump()
            self._book.write(model=self._model, usd=usd, held=None if known or not self.price else held, **counts)
        finally:
            self._longer = max(self._longer, usage.prompt / max(expected, 1))
            self._release(held, held if usd is None else usd)

    def _release(self, held: float, cost: float) -> None:
        with self._turn:
            self._calls -= 1
            self._held = self._held - held if self._calls else 0.0  # what rounding left would be waited for for ever
            self._spent += cost
            if get_ident() in self._rollouts:
                self._rollouts[get_ident()] += cost
            self._turn.notify_all()

    def _count(self, cost: float) -> None:
        """A rollout is over: what it cost goes into the average."""
        if self.price not in (None, LOCAL):
            self._book.write(rollout=cost)

    def _cost(self) -> float:
        """What a rollout costs, by the average of this run so far."""
        totals = self._book.totals
        return totals.rollouts_usd / totals.rollouts if totals.rollouts else self._guess

    def _gone(self) -> str:
        """What of the limit is gone, in words."""
        unknown = self._book.totals.held
        maybe = f" (${unknown:.2f} of it at most, by calls of unknown cost)" if unknown else ""
        return f"${self._spent:.2f} of ${self.limit:.2f} are spent{maybe}"

    def _rest(self) -> float:
        """What those under way are expected to cost yet."""
        return sum(max(0.0, self._cost() - spent) for spent in self._rollouts.values())

    def _wait(self) -> None:
        self._turn.wait(POLL)
        if self._cancelled():
            raise Cancelled("the rollout was stopped; it begins again with the next run")


def line(totals: Totals, price: Price | None, limit: float = 0.0) -> str:
    """Tokens, the cached share of the prompts, and what it cost: `1.2M tokens, 94 % cached, $0.41 of $5.00`."""
    used = totals.all.usage
    parts = [f"{short(used.prompt + used.completion)} tokens"]
    if used.prompt:
        parts.append(f"{100 * used.cached / used.prompt:.0f} % cached")
    if price is None or totals.all.unpriced:
        parts.append("unpriced")
    if totals.all.usd or price not in (None, LOCAL):
        parts.append(f"${totals.all.usd:,.2f}" + (f" of ${limit:,.2f}" if limit else ""))
    if totals.all.unknown:
        parts.append(f"{counted(totals.all.unknown, 'call')} of unknown cost")
    if totals.gpu_seconds:
        parts.append(f"{totals.gpu_seconds / 3600:.1f} GPU-hours")
    return ", ".join(parts)


def short(count: float) -> str:
    """`950`, `12.3k`, `1.2M`, `3.4G`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.1f}{letter}"
    return f"{count:.0f}"


def document(totals: Totals, price: Price | None) -> dict[str, Any]:
    """The spend of a run for `--json`. `usd` is null where some of it has no known price, or none a known cost."""
    spent = totals.all
    known = price is not None and not spent.unpriced and (spent.usd or not totals.held)
    return {
        "usd": round(spent.usd, 6) if known else None,
        "calls": spent.usage.calls,
        "prompt_tokens": spent.usage.prompt,
        "cached_tokens": spent.usage.cached,
        "written_tokens": spent.usage.written,
        "completion_tokens": spent.usage.completion,
        "unknown_calls": spent.unknown,
        "gpu_hours": round(totals.gpu_seconds / 3600, 4),
    }
