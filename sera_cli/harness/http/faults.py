"""What can go wrong with a call to a model, and what it means: try again, end the rollout, or end the run."""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from sera_cli.errors import AuthError, ContextOverflow, ModelError, Unreachable
from sera_cli.redact import redact

RETRIED = {408, 409, 425, 429, 529}
"""Besides every status from 500 on."""
BUSY = {429, 529}
OVERFLOW = (
    "context length",
    "context_length",
    "maximum context",
    "context window",
    "context size",
    "context limit",
    "max length",
    "too many tokens",
    "prompt is too long",
    "input is too long",
    "input token count",
)
BROKE = (
    "insufficient_quota",
    "insufficient balance",
    "insufficient credit",
    "credit balance is too low",
    "billing_error",
)
"""What servers say when the account has no money left, under whatever status."""
REFUSED = re.compile(
    r"(un|not )support|deprecated|unrecognized|unknown|unexpected|not permitted|extra inputs|may only be set",
    re.IGNORECASE,
)
FIELDS = ("reasoning_content", "reasoning_details", "reasoning", "thinking", "annotations", "refusal")
"""What some servers put into a message, and some of them do not take back."""
OPTIONAL = ("temperature", "seed", "max_tokens", "stream_options", *FIELDS)
"""What a call can do without, or say under another name."""
KINDS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
}  # fmt: skip
"""The statuses of Anthropic's kinds of errors, which a stream names without a status."""
LONGEST = 600.0
"""Seconds that a server may ask us to wait."""
TRIES = {"busy": 20, "broken": 10, "gone": 10, "unseen": 4, "garbled": 4, "unwanted": 4}
"""How often a call is made in all, by what went wrong with the latest one."""


class Fault(Exception):
    """Something that may pass. `error` is what to raise when it does not, `after` the seconds the server asks for.

    `kind` is a key of TRIES: the server is busy, broken, gone (it cannot be reached; unseen when it never could), it
    answered something garbled, or it does not take what is called `unwanted`, one of OPTIONAL.
    """

    def __init__(self, kind: str, error: ModelError, *, after: float = 0.0, unwanted: str = "") -> None:
        super().__init__(str(error))
        self.kind, self.error, self.after, self.unwanted = kind, error, after, unwanted


class Who(NamedTuple):
    """For what an error says: the model asked, where its key comes from, and the key, which no error says."""

    model: str
    variable: str
    key: str


def refusal(status: int, headers: dict[str, str], body: bytes | dict[str, Any], who: Who) -> Fault | ModelError:
    """What an answer other than 200 means, or an error in its place; `body` as it came, or as it was read."""
    said = _said(body) if isinstance(body, bytes) else body
    text = words(said, who.key)
    low = f"{text} {_named(said, 'code')} {_named(said, 'type')}".lower()  # the rest may quote the conversation
    if status == 402 or any(phrase in low for phrase in BROKE):
        return Unreachable(
            f"the teacher's account has nothing left to spend ({status}: {text}); top it up and run the same command "
            "again: everything so far is kept"
        )
    if status in (401, 403):
        return AuthError(f"the teacher refuses the key ({status}: {text}); set {who.variable} and run again")
    if status == 404:
        return Unreachable(
            f"the teacher has no model {who.model!r} or no such path (404: {text}); check its name and its URL "
            "(--teacher and --teacher-url; --model and --url of eval and chat)"
        )
    if status == 413 or (status in (400, 422) and any(phrase in low for phrase in OVERFLOW)):
        return ContextOverflow(text)
    plain = ModelError(f"the teacher answered {status}: {text}")
    if status in (400, 422):
        name = _unwanted(said, text)
        return Fault("unwanted", plain, unwanted=name) if name else plain
    if status in RETRIED or status >= 500:
        after = named_wait(headers)
        return Fault("busy" if status in BUSY or (status == 503 and after) else "broken", plain, after=after)
    return plain


def error_in(found: dict[str, Any]) -> int:
    """The status that an error in the place of an answer stands for; 0 where there is none."""
    error = found.get("error")
    if not error or found.get("choices") or found.get("content"):
        return 0
    kind, code = (error.get("type"), error.get("code")) if isinstance(error, dict) else (None, None)
    if isinstance(code, str) and code.isdigit():
        code = int(code)
    return KINDS.get(str(kind)) or (code if isinstance(code, int) and 400 <= code < 600 else 500)


def words(said: object, secret: str = "") -> str:
    """The server's own words on one line, at most 300 characters; some quote the key."""
    error = said.get("error", said.get("message", said.get("detail", said))) if isinstance(said, dict) else said
    text = error.get("message", "") if isinstance(error, dict) else error
    if isinstance(error, dict) and (behind := _behind(error)):
        text = f"{text}: {words(behind, secret)}"
    line = " ".join(str(text or "no reason given")[:2000].split())
    return redact(line.replace(secret, "[redacted:key]") if secret else line)[:300]


def _behind(error: dict[str, Any]) -> object:
    """What the server behind a router said, as OpenRouter passes it on beside words of its own; None for nothing."""
    about = error.get("metadata")
    raw = about.get("raw") if isinstance(about, dict) else None
    return _said(raw.encode("utf-8", "replace")) if isinstance(raw, str) else raw


def named_wait(headers: dict[str, str]) -> float:
    """Seconds that a Retry-After asks for, as a number or as a date, or a retry-after-ms; 0 where there is none."""
    exact, after = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    if _number(exact):
        return min(float(exact) / 1000, LONGEST)
    if _number(after):
        return min(float(after), LONGEST)
    try:
        until = parsedate_to_datetime(after)
    except ValueError:
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((aware - datetime.now(UTC)).total_seconds(), 0.0), LONGEST)


def _number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None


def _said(body: bytes) -> object:
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")
    return found


def _unwanted(said: object, text: str) -> str:
    """The parameter, or the field of a message, that the server will not have, if that is what it says."""
    if not REFUSED.search(text):
        return ""
    named = _named(said, "param")
    found = re.search(rf"\b({'|'.join(OPTIONAL)})\b", text)
    return named if named in OPTIONAL else found[1] if found else ""


def _named(said: object, field: str) -> str:
    error = said.get("error") if isinstance(said, dict) else None
    return str(error.get(field) or "") if isinstance(error, dict) else ""
