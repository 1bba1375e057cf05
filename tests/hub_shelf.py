"""A hub of models on this machine, to be read and written: as much of its protocol as huggingface_hub asks for."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_a-token-that-may-write"


class Shelf(BaseHTTPRequestHandler):
    """`models` maps a name to whether it is private and to its files; only TOKEN may write, or read what is private."""

    protocol_version = "HTTP/1.1"
    models: dict[str, tuple[bool, dict[str, bytes]]]
    large: dict[str, bytes]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        match self.parts():
            case ["api", "models", owner, name] if f"{owner}/{name}" in self.models:
                private, files = self.models[f"{owner}/{name}"]
                siblings = [{"rfilename": path} for path in files]
                self.document({"id": f"{owner}/{name}", "sha": COMMIT, "private": private, "siblings": siblings})
            case ["api", "models", owner, name, "tree", _, *folder] if f"{owner}/{name}" in self.models:
                files = self.models[f"{owner}/{name}"][1]
                listed = [{"type": "file", "path": path, "size": len(text), "oid": ""} for path, text in files.items()]
                self.send(404, b"", {"X-Error-Code": "EntryNotFound"}) if folder else self.document(listed)
            case [owner, name, "resolve", _, *path] if f"{owner}/{name}" in self.models:
                self.give(*self.models[f"{owner}/{name}"], "/".join(path))
            case _:
                self.send(404, b"", {"X-Error-Code": "RepoNotFound"})

    def give(self, private: bool, files: dict[str, bytes], path: str) -> None:
        if private and self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send(403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Ask for access"})
        elif path not in files:
            self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        else:
            etag = sha256(files[path]).hexdigest()
            self.send(200, files[path], {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def do_POST(self) -> None:
        body = self.body()
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send(401, b'{"error": "Invalid credentials"}')
            return
        match self.parts():
            case ["api", "repos", "create"]:
                self.make(json.loads(body))
            case ["api", "validate-yaml"]:
                self.document({"warnings": [], "errors": []})
            case ["api", "models", _, _, "preupload", "main"]:
                self.document({"files": [
                    {"path": file["path"], "uploadMode": mode(file["path"]), "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]})  # fmt: skip
            case [_, _, "info", "lfs", "objects", "batch"]:
                self.document({"transfer": "basic", "objects": [
                    {**one, "actions": {"upload": {"href": f"http://{self.headers['Host']}/large/{one['oid']}"}}}
                    for one in json.loads(body)["objects"]
                ]})  # fmt: skip
            case ["api", "models", owner, name, "commit", "main"]:
                self.commit(f"{owner}/{name}", [json.loads(line) for line in body.splitlines()])
            case _:
                self.send(404, b"")

    def do_PUT(self) -> None:
        self.large[self.parts()[-1]] = self.body()
        self.send(200, b"")

    def make(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        private = asked.get("visibility") == "private" or asked.get("private") is True
        taken = name in self.models
        self.models.setdefault(name, (private, {}))
        self.document({"url": f"http://{self.headers['Host']}/{name}"}, 409 if taken else 200)

    def commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        files = self.models[name][1]
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
        self.document({"commitUrl": f"http://{self.headers['Host']}/{name}/commit/{COMMIT}", "commitOid": COMMIT,
                       "success": True})  # fmt: skip

    def parts(self) -> list[str]:
        path = unquote(urlsplit(self.path).path).strip("/").replace(".git/", "/")
        return path.split("/")

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def document(self, value: object, code: int = 200) -> None:
        self.send(code, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def send(self, code: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def mode(path: str) -> str:
    return "lfs" if path.endswith((".safetensors", ".model")) else "regular"


@contextmanager
def shelf(**models: bool) -> Iterator[tuple[str, dict[str, tuple[bool, dict[str, bytes]]]]]:
    """The URL of a hub and what is on it; `models` are there already, as `owner__name`, private or not."""
    there: dict[str, tuple[bool, dict[str, bytes]]] = {
        name.replace("__", "/"): (private, {}) for name, private in models.items()
    }
    kind = type("Filled", (Shelf,), {"models": there, "large": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
