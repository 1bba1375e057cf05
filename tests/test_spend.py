"""Calls to a model, what they cost, and the limit they are held to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Barrier, Event, Lock, Thread

import pytest

from sera_cli.errors import BudgetReached, Cancelled
from sera_cli.harness.money.ledger import Ledger, Sum, Totals, ledger, read
from sera_cli.harness.money.prices import LOCAL, Price
from sera_cli.harness.money.spend import Account, Free, Meter, document, line
from sera_cli.types import Usage

DOLLAR = Price(input=1e6, cached=0.5e6, output=1e6)
"""A dollar a token."""


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    with ledger(tmp_path / "spend.jsonl") as opened:
        yield opened


def pay(account: Account, prompt: int, completion: int = 0, *, most: int | None = None) -> None:
    with account.call(prompt, completion if most is None else most) as paid:
        paid(Usage(calls=1, prompt=prompt, completion=completion))


def in_a_thread(work: Callable[[], None]) -> Thread:
    thread = Thread(target=work)
    thread.start()
    return thread


def test_a_free_meter_lets_every_call_pass() -> None:
    meter: Meter = Free()
    with meter.call(10**9, 10**9) as paid:
        paid(Usage(calls=1, prompt=10**9))


def test_a_call_is_priced_and_written_down(book: Ledger) -> None:
    account = Account("m", DOLLAR, book)
    with account.call(100, 100) as paid:
        paid(Usage(calls=1, prompt=10, cached=4, completion=3))
    assert account.totals.models == {
        "m": Sum(usage=Usage(calls=1, prompt=10, cached=4, completion=3), usd=6 + 2 + 3),
    }
    assert account.line() == "13 tokens, 40 % cached, $11.00"


def test_a_call_that_was_refused_costs_nothing(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=10)
    with pytest.raises(ValueError, match="429"), account.call(10, 0):
        raise ValueError("429")
    assert account.totals == Totals()
    pay(account, 10)


@pytest.mark.parametrize("told", [Usage(), Usage(calls=1)])
def test_a_call_of_unknown_cost_counts_as_its_worst_case(book: Ledger, told: Usage) -> None:
    account = Account("m", DOLLAR, book, limit=10)
    with account.call(4, 2) as paid:
        paid(told)
    assert (account.totals.held, account.totals.all.usd, account.totals.all.unknown) == (6.0, 0.0, 1)
    pay(account, 4)
    said = r"^\$10\.00 of \$10\.00 are spent \(\$6\.00 of it at most, by calls of unknown cost\), and the next"
    with pytest.raises(BudgetReached, match=said):
        pay(account, 1)


def test_what_is_told_twice_is_counted_once(book: Ledger) -> None:
    account = Account("m", DOLLAR, book)
    with account.call(10, 0) as paid:
        paid(Usage(calls=1, prompt=10))
        paid(Usage(calls=1, prompt=10))
    assert account.totals.all.usd == 10.0


def test_a_call_that_does_not_fit_is_not_made(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=10)
    pay(account, 6)
    with pytest.raises(BudgetReached, match=r"^\$6\.00 of \$10\.00 are spent, and the next call may cost \$5\.00; all"):
        pay(account, 1, most=4)
    pay(account, 4)


def test_without_a_limit_every_call_is_made(book: Ledger) -> None:
    pay(Account("m", DOLLAR, book), 10**12)


def test_a_model_of_unknown_price_is_counted_and_not_held(book: Ledger) -> None:
    account = Account("m", None, book, limit=0.01)
    pay(account, 10**9)
    assert (account.totals.all.unpriced, account.totals.all.usage.prompt) == (1, 10**9)


def test_what_an_earlier_session_spent_counts(tmp_path: Path) -> None:
    for _ in range(2):
        with ledger(tmp_path / "spend.jsonl") as book:
            pay(Account("m", DOLLAR, book, limit=10), 4)
    with ledger(tmp_path / "spend.jsonl") as book, pytest.raises(BudgetReached):
        pay(Account("m", DOLLAR, book, limit=10), 4)


def test_a_teacher_that_counts_more_tokens_than_expected_has_more_held_back(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=100)
    with account.call(10, 0) as paid:
        paid(Usage(calls=1, prompt=30))
    with pytest.raises(BudgetReached, match=r"may cost \$75\.00"):
        pay(account, 25)


def test_a_call_waits_for_those_under_way_whose_worst_case_did_not_come(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=10)
    begun, go = Event(), Event()

    def slow() -> None:
        with account.call(1, 8) as paid:
            begun.set()
            go.wait(20)
            paid(Usage(calls=1, prompt=1, completion=1))

    other = in_a_thread(slow)
    begun.wait(20)
    late = in_a_thread(lambda: pay(account, 7))
    late.join(0.3)
    assert late.is_alive()
    go.set()
    other.join(20)
    late.join(20)
    assert account.totals.all.usd == 9.0


def test_rounding_leaves_nothing_to_wait_for(book: Ledger) -> None:
    tenths = Price(input=1e5, cached=0, output=0)
    account = Account("m", tenths, book, limit=0.8)
    with account.call(5, 0), account.call(1, 0), account.call(2, 0):
        pass
    pay(account, 8)
    assert account.totals.all.usd == 0.8


def test_a_call_that_waits_for_money_hears_that_the_run_stops(book: Ledger) -> None:
    stop = Event()
    account = Account("m", DOLLAR, book, limit=10, cancelled=stop.is_set)
    stop.set()
    with account.call(9, 0), pytest.raises(Cancelled):
        pay(account, 9)


def test_32_threads_never_spend_more_than_the_limit(tmp_path: Path) -> None:
    """A provider of its own keeps count; every call uses some of what it may, and some break off."""
    delivered, turn, barrier = [0], Lock(), Barrier(32)

    def teacher(account: Account, seed: int) -> None:
        dice = Random(seed)
        barrier.wait(20)
        while True:
            prompt, most = dice.randrange(1, 40), dice.randrange(1, 40)
            try:
                with account.call(prompt, most) as paid:
                    used = dice.randrange(most + 1)
                    with turn:
                        delivered[0] += prompt + used
                    paid(Usage(calls=1, prompt=prompt, completion=used) if dice.random() < 0.95 else Usage())
            except BudgetReached:
                return

    with ledger(tmp_path / "spend.jsonl") as book:
        account = Account("m", DOLLAR, book, limit=20_000)
        threads = [Thread(target=teacher, args=(account, seed)) for seed in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    totals = read(tmp_path / "spend.jsonl")
    assert totals.all.usd <= delivered[0] <= totals.all.usd + totals.held <= 20_000
    assert totals.all.usd + totals.held > 19_900
    assert totals.all.unknown > 0


def begin(account: Account, cost: int = 0) -> None:
    """A rollout that costs so many dollars."""
    with account.admit():
        pay(account, cost)


def test_a_rollout_is_begun_only_when_its_cost_is_left(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=10, rollout=4)
    begin(account, 7)
    with pytest.raises(BudgetReached, match=r"^\$7\.00 of \$10\.00 are spent, and another rollout costs about \$7"):
        begin(account)


def test_rollouts_begin_by_the_average_of_the_run_and_not_by_the_guess(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=10, rollout=9)
    for _ in range(10):
        begin(account, 1)
    with pytest.raises(BudgetReached):
        begin(account)
    assert (account.totals.rollouts, account.totals.rollouts_usd) == (10, 10.0)


def test_a_rollout_waits_for_one_under_way_that_turns_out_cheap(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=10, rollout=6)
    begun, go = Event(), Event()

    def first() -> None:
        with account.admit():
            pay(account, 1)
            begun.set()
            go.wait(20)

    other = in_a_thread(first)
    begun.wait(20)
    late = in_a_thread(lambda: begin(account))
    late.join(0.3)
    assert late.is_alive()
    go.set()
    other.join(20)
    late.join(20)
    assert not late.is_alive()
    assert account.totals.rollouts == 2


def test_a_rollout_that_was_cut_off_is_in_no_average_and_holds_nobody_up(book: Ledger) -> None:
    account = Account("m", DOLLAR, book, limit=10, rollout=6)
    with pytest.raises(Cancelled), account.admit():
        pay(account, 1)
        raise Cancelled("the run stops")
    begin(account, 2)
    assert (account.totals.rollouts, account.totals.rollouts_usd) == (1, 2.0)


def test_a_local_teacher_begins_as_many_rollouts_as_there_are(book: Ledger) -> None:
    account = Account("m", LOCAL, book, limit=0.5)
    for _ in range(100):
        begin(account, 10**9)
    assert account.totals.all.usd == 0.0


USED = Usage(calls=40, prompt=1_200_000, cached=1_128_000, completion=34_000)


@pytest.mark.parametrize(("totals", "price", "limit", "said"), [
    (Totals(), LOCAL, 0.0, "0 tokens"),
    (Totals(models={"m": Sum(usage=USED)}, gpu_seconds=7200), LOCAL, 0.0, "1.2M tokens, 94 % cached, 2.0 GPU-hours"),
    (Totals(models={"m": Sum(usage=USED, usd=0.414)}), DOLLAR, 5.0, "1.2M tokens, 94 % cached, $0.41 of $5.00"),
    (Totals(models={"m": Sum(usage=USED, usd=1234.5, unknown=3)}), DOLLAR, 0.0,
     "1.2M tokens, 94 % cached, $1,234.50, 3 calls of unknown cost"),
    (Totals(models={"m": Sum(unknown=1)}), DOLLAR, 0.0, "0 tokens, $0.00, 1 call of unknown cost"),
    (Totals(models={"m": Sum(usage=USED, unpriced=40)}), None, 0.0, "1.2M tokens, 94 % cached, unpriced"),
])  # fmt: skip
def test_the_line_tells_tokens_cached_share_and_cost(
    totals: Totals, price: Price | None, limit: float, said: str
) -> None:
    assert line(totals, price, limit) == said


def test_what_has_no_price_is_null_in_the_document() -> None:
    unpriced = document(Totals(models={"m": Sum(usage=USED, unpriced=40)}), DOLLAR)
    assert unpriced["usd"] is None
    assert document(Totals(models={"m": Sum(usage=USED, usd=0.25)}), DOLLAR) == {
        "usd": 0.25, "calls": 40, "prompt_tokens": 1_200_000, "cached_tokens": 1_128_000, "written_tokens": 0,
        "completion_tokens": 34_000, "unknown_calls": 0, "gpu_hours": 0.0,
    }  # fmt: skip


def test_a_spend_of_which_nothing_is_known_is_not_nothing() -> None:
    unheard = Totals(models={"m": Sum(usage=Usage(calls=3), unknown=3)}, held=1.5)
    assert (document(unheard, DOLLAR)["usd"], document(unheard, DOLLAR)["unknown_calls"]) == (None, 3)
    assert document(unheard.model_copy(update={"held": 0.0}), LOCAL)["usd"] == 0.0
