"""A chat completions server on loopback for the tests: real HTTP, its answers given by a function."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Answer:
    status: int
    body: object
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """Where it listens, and what it was asked: request bodies and Authorization headers, in order."""

    url: str
    asked: list[Body]
    keys: list[str | None]


def completion(message: Body, *, finish: str = "stop", prompt: int = 10, cached: int = 4, made: int = 3) -> Answer:
    usage = {"prompt_tokens": prompt, "completion_tokens": made, "prompt_tokens_details": {"cached_tokens": cached}}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return Answer(200, {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})


@contextmanager
def serving(answer: Callable[[Body], Answer]) -> Iterator[Server]:
    """Answers every POST to /v1/chat/completions by `answer(body)`, each in a thread of its own."""
    server = Server("", [], [])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.asked.append(body)
            server.keys.append(self.headers.get("Authorization"))
            found = answer(body) if self.path == "/v1/chat/completions" else Answer(404, {"error": "no such path"})
            payload = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
            self.send_response(found.status)
            for name, value in {"Content-Length": str(len(payload)), **found.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listener.server_address[1]}/v1"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
