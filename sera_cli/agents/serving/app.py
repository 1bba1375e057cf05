"""The server: which address speaks which API, who is let in, how many at once, and what is told of it all."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, contextmanager
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from sera_cli.agents.serving import chat_completions, messages, responses
from sera_cli.agents.serving.answer import Agent, Answer, find
from sera_cli.agents.serving.asked import Api, Asked, Ended, Event, Refused
from sera_cli.agents.serving.engine import Engine
from sera_cli.agents.serving.guard import LARGEST, Guard
from sera_cli.agents.serving.meters import Meters
from sera_cli.agents.serving.remembered import Remembered
from sera_cli.harness.wire.live import Heard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

APIS: dict[str, Api] = {
    "/v1/chat/completions": chat_completions, "/v1/messages": messages, "/v1/responses": responses,
}  # fmt: skip
MOST = 256
"""Requests at once, those that wait for the engine among them; a client of one more is told to come again."""

FAILED = "the server failed over this reply; what it printed where it runs says how, so ask again or report that"


class Server:
    """Agents by the names that clients call them, and the engine that writes for all of them."""

    def __init__(self, agents: Mapping[str, Agent], engine: Engine, *, key: str = "", most: int = MOST) -> None:
        self.agents = {name: one._replace(tokenizer=Remembered(one.tokenizer)) for name, one in agents.items()}
        self.engine, self.guard = engine, Guard(key)
        self.meters = Meters()
        self._most, self._now, self._began = most, 0, int(time())

    def app(self) -> "Starlette":
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                *(Route(path, Asking(self, api), methods=["POST"]) for path, api in APIS.items()),
                Route("/v1/messages/count_tokens", self._guarded(messages, self._count), methods=["POST"]),
                Route("/v1/models", self._guarded(chat_completions, self._models)),
                Route("/metrics", self._guarded(chat_completions, self._metrics)),
                Route("/health", self._health),
            ],
            exception_handlers={404: _nowhere, 405: _nowhere},
        )

    @contextmanager
    def room(self) -> "Iterator[None]":
        """A place among the requests under way. Raises Refused where all are taken."""
        if self._now >= self._most:
            raise Refused("busy", f"{self._most} requests are under way; come again in a second")
        self._now += 1
        self.meters.under_way.inc()
        try:
            yield
        finally:
            self._now -= 1
            self.meters.under_way.dec()

    def _guarded(
        self, api: Api, answer: "Callable[[Request], Awaitable[Response]]"
    ) -> "Callable[[Request], Awaitable[Response]]":
        async def guarded(request: "Request") -> "Response":
            try:
                self.guard.admit(request.headers, request.query_params)
                return await answer(request)
            except Refused as refused:
                return _refusal(api, refused)

        return guarded

    async def _count(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        answer = await rendered(messages.count(await body(request)), self.agents)
        return JSONResponse({"input_tokens": len(answer.prompt.ids)})

    async def _models(self, _: "Request") -> "Response":
        """The list in OpenAI's form and in Anthropic's at once."""
        from starlette.responses import JSONResponse

        rows = [
            {
                "id": name, "object": "model", "type": "model", "display_name": name, "created": self._began,
                "owned_by": "sera", "max_model_len": agent.context,
            }
            for name, agent in self.agents.items()
        ]  # fmt: skip
        ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]} if rows else {}
        return JSONResponse({"object": "list", "data": rows, "has_more": False, **ends})

    async def _metrics(self, _: "Request") -> "Response":
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(self.meters.text(), media_type="text/plain; version=0.0.4")

    async def _health(self, _: "Request") -> "Response":
        from starlette.responses import JSONResponse

        up = self.engine.up()
        return JSONResponse({"status": "ok" if up else "the engine is away"}, status_code=200 if up else 503)


class Asking:
    """One API's address, as an ASGI application: a client that goes away ends what the engine does for it."""

    def __init__(self, server: Server, api: Api) -> None:
        self._server, self._api = server, api

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        from anyio import create_task_group
        from starlette.requests import Request

        request = Request(scope, receive)
        try:
            self._server.guard.admit(request.headers, request.query_params)
            asked = self._api.read(await body(request))
        except Refused as refused:
            return await self._refused(refused, scope, receive, send)
        async with create_task_group() as group:
            group.start_soon(_gone, receive, group.cancel_scope.cancel)
            try:
                with self._server.room():
                    await self._answer(asked, scope, receive, send)
            except Refused as refused:
                await self._refused(refused, scope, receive, send)
            group.cancel_scope.cancel()
        return None

    async def _answer(self, asked: Asked, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """The reply, streamed or whole. Raises Refused as long as nothing of it was sent."""
        answer = await rendered(asked, self._server.agents)
        asked = asked.model_copy(update={"model": asked.model or answer.agent.name})
        async with aclosing(self._measured(answer)) as pieces:
            if asked.stream:
                return await self._stream(asked, answer, pieces, send)
            *_, last = [piece async for piece in pieces]
        assert isinstance(last, Ended)
        self._counted(200)
        return await _json(self._api.voice(asked).whole(last))(scope, receive, send)

    async def _stream(
        self, asked: Asked, answer: Answer, pieces: "AsyncGenerator[Heard | Ended]", send: "Send"
    ) -> None:
        """Waits for the first piece, so that the status tells of an engine that refuses; then sends as it comes.

        However the reply ends, the client hears an end. What nobody foresaw is raised on, for the server's own log.
        """
        voice = self._api.voice(asked)
        first = await anext(pieces)
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        self._counted(200)
        await _send(send, [*voice.begin(len(answer.prompt.ids)), *_told(voice, first)])
        failed: Refused | None = Refused("engine", FAILED)
        try:
            async for piece in pieces:
                await _send(send, [*_told(voice, piece)])
            failed = None
        except Refused as refused:
            failed = refused
        finally:
            await _send(send, [*voice.fail(failed)] if failed else [])
            await send({"type": "http.response.body", "body": b""})

    async def _measured(self, answer: Answer) -> "AsyncGenerator[Heard | Ended]":
        meters, name, began = self._server.meters, answer.agent.name, monotonic()
        meters.prompt.labels(name).inc(len(answer.prompt.ids))
        waits = True
        async with aclosing(answer.pieces(self._server.engine)) as pieces:
            async for piece in pieces:
                if waits:
                    meters.first.labels(name).observe(monotonic() - began)
                    waits = False
                if isinstance(piece, Ended):
                    meters.completion.labels(name).inc(piece.reply.usage.completion)
                    meters.whole.labels(name).observe(monotonic() - began)
                yield piece

    async def _refused(self, refused: Refused, scope: "Scope", receive: "Receive", send: "Send") -> None:
        self._counted(refused.status)
        await _refusal(self._api, refused)(scope, receive, send)

    def _counted(self, status: int) -> None:
        name = next(path for path, api in APIS.items() if api is self._api)
        self._server.meters.requests.labels(name, str(status)).inc()


async def rendered(asked: Asked, agents: Mapping[str, Agent]) -> Answer:
    """The request ready for the engine. A long conversation is rendered beside the others, not before them."""
    from anyio.to_thread import run_sync

    return await run_sync(Answer, asked, find(agents, asked.model))


async def body(request: "Request") -> dict[str, Any]:
    """The JSON object that a request holds. Raises Refused for anything else, and as soon as it is too large.

    It must say that it is JSON: a page of another site may post text without asking first, but not that.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused("invalid", "the body must be JSON, and say so: Content-Type: application/json")
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > LARGEST:
            raise Refused("large", f"the body has more than {LARGEST:,} bytes")
    try:
        read = json.loads(held)
    except (ValueError, RecursionError) as error:
        raise Refused("invalid", f"the body is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise Refused("invalid", "the body must be a JSON object")
    return read


def _told(voice: Any, piece: Heard | Ended) -> "Iterator[Event]":
    return voice.end(piece) if isinstance(piece, Ended) else voice.hear(piece)  # type: ignore[no-any-return]


async def _send(send: "Send", events: list[Event]) -> None:
    if text := "".join(map(_event, events)):
        await send({"type": "http.response.body", "body": text.encode("utf-8", "replace"), "more_body": True})


def _event(event: Event) -> str:
    data = event.data if isinstance(event.data, str) else json.dumps(event.data, ensure_ascii=False)
    return (f"event: {event.name}\n" if event.name else "") + f"data: {data}\n\n"


async def _gone(receive: "Receive", then: Callable[[], None]) -> None:
    """Waits until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    then()


def _json(content: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
    """As the stream sends it: half of a pair of surrogates, which an agent may write by an escape, becomes `?`."""
    from starlette.responses import Response

    sent = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(sent, status, headers, media_type="application/json")


async def _nowhere(request: "Request", error: Exception) -> "Response":
    """What is asked of an address that no API has, or in a way that it has not."""
    places = f"there are POST {', '.join(APIS)} and /v1/messages/count_tokens, GET /v1/models, /metrics and /health"
    text = f"there is no {request.method} {request.url.path} here; {places}"
    told = {"message": text, "type": "invalid_request_error", "param": None, "code": "not_found"}
    return _json({"error": told}, getattr(error, "status_code", 404))


def _refusal(api: Api, refused: Refused) -> "Response":
    headers = {"retry-after": "1"} if refused.kind == "busy" else {}
    return _json(api.refusal(refused), refused.status, headers)
