"""What is tried again, for how long, and what is said when it was of no use; real HTTP, on a clock of our own."""

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf
from typing import Any

import pytest

from sera_cli.errors import AuthError, BudgetReached, Cancelled, ContextOverflow, Late, ModelError, Unreachable
from sera_cli.harness.http.anthropic import Messages
from sera_cli.types import Usage
from tests.chat_server import Answer, Body, Server, completion, in_turn, serving
from tests.teachers import ASK, Clock, asking, metered

HI = completion({"content": "hi"})


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529])
def test_a_busy_or_broken_server_is_asked_again_after_longer_and_longer(status: int) -> None:
    clock = Clock()
    busy = Answer(status, {})
    with serving(in_turn(busy, busy, busy, HI)) as server, asking(server, clock=clock) as teacher:
        reply = teacher(7).reply(ASK, [])
    assert (reply.message["content"], reply.usage.calls, len(server.asked)) == ("hi", 1, 4)
    assert [low <= wait <= 2 * low for low, wait in zip((0.25, 0.5, 1.0), clock.slept, strict=True)] == [True] * 3


def test_two_rollouts_do_not_wait_in_step() -> None:
    def waits(seed: int) -> list[float]:
        clock = Clock()
        with serving(in_turn(Answer(500, {}), Answer(500, {}), HI)) as server, asking(server, clock=clock) as teacher:
            teacher(seed).reply(ASK, [])
        return clock.slept

    assert waits(1) == waits(1) != waits(2)


@pytest.mark.parametrize("broken", [
    Answer(200, b"{not JSON"), Answer(200, {"choices": []}), Answer(200, b""),
    Answer(200, completion({"content": "a long enough answer"}).body, torn=True),
    Answer(200, {"error": {"message": "provider overloaded", "code": 502}}),
    completion({"content": "hi"}, finish="error"),
])  # fmt: skip
def test_an_answer_that_is_broken_is_asked_for_again(broken: Answer) -> None:
    with serving(in_turn(broken, HI)) as server, asking(server) as teacher:
        assert teacher(7).reply(ASK, []).message["content"] == "hi"
    assert len(server.asked) == 2


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    with serving(in_turn(Answer(200, HI.body, {"Connection": "close"}))) as server, asking(server) as teacher:
        model = teacher(7)
        assert [model.reply(ASK, []).message["content"] for _ in range(3)] == ["hi", "hi", "hi"]


@pytest.mark.parametrize(("headers", "least", "most"), [
    ({"Retry-After": "7"}, 7.0, 7.7),
    ({"Retry-After": "0.5", "retry-after-ms": "1500"}, 1.5, 1.65),
    ({"Retry-After": "9999"}, 600.0, 660.0),
    ({"Retry-After": "soon"}, 0.25, 0.5),
])
def test_the_wait_that_a_server_asks_for_is_honoured(headers: dict[str, str], least: float, most: float) -> None:
    clock = Clock()
    with serving(in_turn(Answer(429, {}, headers), HI)) as server, asking(server, clock=clock) as teacher:
        teacher(7).reply(ASK, [])
    assert least <= clock.slept[0] <= most


def test_a_wait_may_be_asked_for_as_a_date() -> None:
    clock = Clock()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    answers = in_turn(Answer(429, {}, {"Retry-After": date}), HI)
    with serving(answers) as server, asking(server, clock=clock) as teacher:
        teacher(7).reply(ASK, [])
    assert 200 <= clock.slept[0] <= 330


def test_a_server_that_stays_broken_is_an_error_that_quotes_it() -> None:
    with (
        serving(in_turn(Answer(500, {"error": {"message": "out of\nmemory"}}))) as server,
        asking(server) as teacher,
        pytest.raises(ModelError, match="the teacher answered 500: out of memory") as caught,
    ):
        teacher(7).reply(ASK, [])
    assert (len(server.asked), caught.value.ends_run, type(caught.value)) == (10, False, ModelError)


def refused(answer: Answer, **more: Any) -> tuple[ModelError, Server]:
    with serving(in_turn(answer)) as server, asking(server, **more) as teacher, pytest.raises(ModelError) as caught:
        teacher(7).reply(ASK, [])
    return caught.value, server


@pytest.mark.parametrize(
    ("status", "text", "kind", "ends_run", "said"),
    [
        (401, "bad key", AuthError, True, "the teacher refuses the key (401: bad key); set OPENAI_API_KEY"),
        (403, "no", AuthError, True, "the teacher refuses the key"),
        (404, "no such model", Unreachable, True,
         "the teacher has no model 'glm' or no such path (404: no such model); check its name and its URL "
         "(--teacher and --teacher-url; --model and --url of eval and chat)"),
        (402, "pay", Unreachable, True, "the teacher's account has nothing left to spend (402: pay); top it up"),
        (400, "Your credit balance is too low", Unreachable, True, "the teacher's account has nothing left"),
        (400, "maximum context length is 10", ContextOverflow, False, "maximum context length is 10"),
        (400, "Prompt exceeds max length", ContextOverflow, False, "Prompt exceeds"),
        (413, "too big", ContextOverflow, False, "too big"),
        (400, "bad tools", ModelError, False, "the teacher answered 400: bad tools"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, text: str, kind: type[ModelError], ends_run: bool, said: str) -> None:
    error, server = refused(Answer(status, {"error": {"message": text}}))
    assert isinstance(error, kind)
    assert str(error).startswith(said)
    assert (error.ends_run, len(server.asked)) == (ends_run, 1)


def test_a_quota_that_is_used_up_ends_the_run_though_it_comes_as_429() -> None:
    error, server = refused(Answer(429, {"error": {"message": "You exceeded it", "code": "insufficient_quota"}}))
    assert isinstance(error, Unreachable)
    assert (error.code, len(server.asked)) == (3, 1)


def test_the_key_of_the_other_api_is_the_one_to_set() -> None:
    error, _ = refused(Answer(401, {"error": {"message": "no"}}), dialect=Messages())
    assert "set ANTHROPIC_API_KEY and run again" in str(error)


def test_an_error_never_quotes_the_key_wherever_it_came_from() -> None:
    error, server = refused(Answer(400, {"error": "not for open-sesame-9"}), key="open-sesame-9")
    assert server.keys == ["Bearer open-sesame-9"]
    assert "400: not for [redacted:key]" in str(error)


@pytest.mark.parametrize(("said", "left"), [
    ({"message": "Unsupported value: 'temperature' does not support 0.6", "param": "temperature",
      "code": "unsupported_value"}, {"seed": 7, "max_tokens": 100}),
    ({"message": "`temperature` is deprecated for this model."}, {"seed": 7, "max_tokens": 100}),
    ({"message": "Unsupported parameter: 'max_tokens' is not supported with this model.", "param": "max_tokens"},
     {"seed": 7, "temperature": 0.6, "max_completion_tokens": 100}),
    ({"message": "body -> seed: Extra inputs are not permitted"}, {"temperature": 0.6, "max_tokens": 100}),
])
def test_a_parameter_that_the_server_does_not_take_is_left_out_from_then_on(said: Body, left: Body) -> None:
    clock = Clock()
    with serving(in_turn(Answer(400, {"error": said}), HI)) as server, asking(server, clock=clock) as teacher:
        model = teacher(7)
        model.reply(ASK, [])
        teacher(7).reply(ASK, [])
    fixed = {"model": "glm", "messages": ASK}
    assert server.asked[1:] == [fixed | left, fixed | left]
    assert clock.slept == [0.0]
    assert model.sampling == {name: value for name, value in left.items() if name != "seed"}


@pytest.mark.parametrize("complaint", [
    "'messages.1' : for 'role:assistant' the following must be satisfied: property 'reasoning' is unsupported",
    [{"loc": ["body", "messages", 1, "reasoning"], "msg": "Extra inputs are not permitted"}],
])
def test_a_field_that_a_server_does_not_take_back_is_left_out_of_all_messages(complaint: object) -> None:
    thought = {"role": "assistant", "content": "hi", "reasoning": "Hm."}
    answers = in_turn(Answer(422, {"error": {"message": complaint}}), HI)
    with serving(answers) as server, asking(server) as teacher:
        model = teacher(7)
        model.reply([*ASK, thought, *ASK], [])
        model.reply([*ASK, thought, *ASK, thought, *ASK], [])
    plain = {"role": "assistant", "content": "hi"}
    sent = [body["messages"] for body in server.asked]
    assert sent == [[*ASK, thought, *ASK], [*ASK, plain, *ASK], [*ASK, plain, *ASK, plain, *ASK]]


def test_nobody_there_ends_the_run_soon_with_a_line_that_says_so() -> None:
    clock = Clock()
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    with (
        asking(nobody, clock=clock) as teacher,
        pytest.raises(Unreachable, match=r"is it running\? Check its URL \(--teacher-url; --url of eval and chat\)"),
    ):
        teacher(7).reply(ASK, [])
    assert len(clock.slept) == 3


def test_a_server_that_was_there_is_waited_for_longer() -> None:
    clock, last = Clock(), Answer(200, HI.body, {"Connection": "close"})
    with serving(in_turn(last)) as server, asking(server, clock=clock) as teacher:
        model = teacher(7)
        model.reply(ASK, [])
        server.stop()
        with pytest.raises(Unreachable):
            model.reply(ASK, [])
    assert len(clock.slept) == 9


def test_an_answer_of_no_use_that_was_paid_for_is_in_the_usage() -> None:
    empty = Answer(200, {"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": 0}})
    meter = metered()
    with serving(in_turn(empty, HI)) as server, asking(server, meter=meter) as teacher:
        usage = teacher(7).reply(ASK, []).usage
    assert usage == Usage(calls=2, prompt=18, cached=4, completion=3)
    assert meter.paid == [Usage(calls=1, prompt=8), Usage(calls=1, prompt=10, cached=4, completion=3)]


def test_the_meter_is_told_of_each_call_once_and_of_what_broke_off_without_a_count() -> None:
    torn = Answer(200, completion({"content": "a long enough answer"}).body, torn=True)
    meter = metered()
    with serving(in_turn(Answer(500, {}), torn, Answer(429, {}), HI)) as server, asking(server, meter=meter) as teacher:
        teacher(7).reply(ASK, [])
    assert meter.paid == [Usage(), Usage(calls=1, prompt=10, cached=4, completion=3)]
    assert meter.begun == meter.ended == 4
    assert all(most == 100 for _, most in meter.expected)


def test_a_call_that_was_never_sent_costs_nothing() -> None:
    meter = metered()
    with asking(f"http://127.0.0.1:{free_port()}/v1", meter=meter) as teacher, pytest.raises(Unreachable):
        teacher(7).reply(ASK, [])
    assert (meter.begun, meter.paid) == (4, [])


def test_a_prompt_is_expected_to_have_what_the_one_before_had_and_no_less_than_what_came_since() -> None:
    meter = metered()
    with serving(in_turn(completion({"content": "hi"}, prompt=5000))) as server, asking(server, meter=meter) as teacher:
        model = teacher(7)
        model.reply(ASK, [])
        model.reply([*ASK, {"role": "user", "content": "x" * 3000}], [])
    first, second = (prompt for prompt, _ in meter.expected)
    assert 20 <= first <= 100
    assert 6000 <= second <= 6100


def test_a_prompt_whose_tokens_nobody_counted_is_still_expected_whole() -> None:
    uncounted = Answer(200, {"choices": [{"message": {"role": "assistant", "content": "hi"}}]})
    meter = metered()
    with serving(in_turn(uncounted)) as server, asking(server, meter=meter) as teacher:
        model, long = teacher(7), [{"role": "user", "content": "x" * 30_000}]
        model.reply(long, [])
        model.reply([*long, *ASK], [])
    assert all(10_000 <= prompt <= 10_100 for prompt, _ in meter.expected)
    assert meter.paid == [Usage(calls=1)] * 2


def test_a_budget_that_is_reached_passes_through_and_nothing_is_sent() -> None:
    meter = metered(BudgetReached("enough"))
    with serving(in_turn(HI)) as server, asking(server, meter=meter) as teacher, pytest.raises(BudgetReached):
        teacher(7).reply(ASK, [])
    assert server.asked == []


def test_a_wait_that_would_end_after_the_deadline_is_not_begun() -> None:
    clock = Clock()
    busy = Answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "100"})
    with (
        serving(in_turn(busy)) as server,
        asking(server, clock=clock) as teacher,
        pytest.raises(Late, match=r"time ran out before the teacher answered; the latest try: .* 429: slow down"),
    ):
        teacher(7).reply(ASK, [], until=clock() + 350)
    assert len(server.asked) == 4
    assert len(clock.slept) == 3


def silent(clock: Clock, seconds: float, then: Answer = HI, times: int = inf) -> Any:  # type: ignore[assignment]
    """Says nothing while `seconds` pass on the clock, so many times; its caller gives up meanwhile."""
    told = 0

    def answer(body: Body) -> Answer:
        nonlocal told
        told += 1
        if told <= times:
            clock.skip(seconds)
            time.sleep(0.6)
        return then

    return answer


def test_ten_minutes_of_silence_on_the_clock_are_given_up_and_tried_again() -> None:
    clock = Clock()
    with serving(silent(clock, 600, times=1)) as server, asking(server, clock=clock, timeout=60.0) as teacher:
        assert teacher(7).reply(ASK, [], until=clock() + 5000).message["content"] == "hi"
    assert len(server.asked) == 2


def test_a_deadline_that_passes_while_a_server_is_silent_is_late() -> None:
    clock = Clock()
    meter = metered()
    with (
        serving(silent(clock, 600)) as server,
        asking(server, clock=clock, timeout=1000.0, meter=meter) as teacher,
        pytest.raises(Late),
    ):
        teacher(7).reply(ASK, [], until=clock() + 500)
    assert (len(server.asked), meter.paid) == (1, [Usage()])


def test_a_run_that_stops_leaves_a_call_at_once() -> None:
    stop, held = threading.Event(), threading.Event()

    def answer(body: Body) -> Answer:
        stop.set()
        held.wait(30)
        return HI

    clock = Clock()
    began = time.monotonic()
    with (
        serving(answer) as server,
        asking(server, pace=clock.pace(stop.is_set)) as teacher,
        pytest.raises(Cancelled),
    ):
        try:
            teacher(7).reply(ASK, [])
        finally:
            held.set()
    assert time.monotonic() - began < 20


def test_a_run_that_stops_does_not_wait_for_its_next_try() -> None:
    clock, stop = Clock(), threading.Event()

    def answer(body: Body) -> Answer:
        stop.set()
        return Answer(503, {})

    with serving(answer) as server, asking(server, pace=clock.pace(stop.is_set)) as teacher, pytest.raises(Cancelled):
        teacher(7).reply(ASK, [])
    assert len(server.asked) == 1
