"""One call to a server and what came of it: an answer, whole or put together from a stream, or a Fault."""

from typing import Any, NamedTuple

from sera_cli.errors import ModelError, Unreachable
from sera_cli.harness.http.channel import Answer, Channel, Overdue
from sera_cli.harness.http.dialect import Assembly, clean, loads
from sera_cli.harness.http.events import events
from sera_cli.harness.http.faults import Fault, Who, error_in, refusal
from sera_cli.redact import redact

TORN = "the answer broke off half-way"
LAST = "message_stop"
"""The event that ends a stream of Anthropic's API, as a mark of its own does OpenAI's."""


class Call(NamedTuple):
    """What goes out, and how long the answer may take: until `deadline` on the clock, with no pause of `stall` seconds.
    An `assembly` is for an answer that is asked for as a stream.
    """

    address: str
    headers: dict[str, str]
    body: bytes
    deadline: float
    stall: float
    assembly: Assembly | None = None


def exchange(channel: Channel, call: Call, who: Who) -> dict[str, Any]:
    """The answer's JSON. Raises Fault for what may pass, ModelError for a refusal, Cancelled."""
    import httpcore

    try:
        with channel.post(
            call.address, call.headers, call.body, deadline=call.deadline, stall=call.stall
        ) as answer:
            return _answer(answer, call.assembly, who)
    except Overdue as late:
        raise Fault("broken", ModelError(f"the teacher's answer was given up: {late}")) from late
    except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError) as error:
        raise Fault("gone", _unreachable(call.address, error)) from error
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError) as error:
        raise Fault("broken", ModelError(f"the call to the teacher broke off ({_why(error)})")) from error
    except httpcore.ProtocolError as error:
        raise ModelError(f"the call to the teacher cannot be made ({_why(error)})") from error


def _answer(answer: Answer, assembly: Assembly | None, who: Who) -> dict[str, Any]:
    if answer.status != 200:
        raise refusal(answer.status, answer.headers, answer.whole(), who)
    streamed = assembly and "event-stream" in answer.headers.get("content-type", "")
    try:
        found = _assembled(answer, assembly, who) if assembly and streamed else loads(answer.whole())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        said = "the teacher answered something that is not JSON of its API; does its URL name the right server?"
        raise Fault("garbled", ModelError(said)) from error
    _refuse(found, answer, who)
    return found


def _assembled(answer: Answer, assembly: Assembly, who: Who) -> dict[str, Any]:
    import httpcore

    try:
        for event in events(answer.pieces):
            if event is None:
                assembly.whole = True
            else:
                _refuse(event, answer, who)
                assembly.add(event)
            if event is None or event.get("type") == LAST:
                answer.over()
    except (Overdue, httpcore.NetworkError, httpcore.RemoteProtocolError):
        if not assembly.whole:
            raise
    if not assembly.whole:
        raise Fault("broken", ModelError(TORN))
    return clean(assembly.answer())


def _refuse(found: dict[str, Any], answer: Answer, who: Who) -> None:
    """Raises for an error that came where an answer should be, under the status of one."""
    if status := error_in(found):
        raise refusal(status, answer.headers, found, who)


def _unreachable(address: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"no answer from {redact(address)} ({_why(error)}); is it running? Check its URL (--teacher-url; --url of "
        "eval and chat), then run the same command again: everything so far is kept"
    )


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
