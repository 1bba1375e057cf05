"""A program that stands in for `vllm serve`: what it does is in the name of the model that it is to serve.

It has what matters to whoever starts it: a line of log, a child in a session of its own that outlives it, a socket that
answers late, and ways to end.
"""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

TRACE = """\
(EngineCore pid=8) ERROR 11-20 14:07:41 [core.py:953] Traceback (most recent call last):
(EngineCore pid=8) ERROR 11-20 14:07:41 [core.py:953] RuntimeError: Cannot find any model weights with `here`
(APIServer pid=7) Traceback (most recent call last):
(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer({"environment": sorted(os.environ), "words": sys.argv[1:], "pid": os.getpid()})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({"choices": [{"message": {"role": "assistant", "content": str(os.getpid())}}]})

    def answer(self, body: object) -> None:
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(place: str) -> None:
    with ThreadingUnixStreamServer(place, Handler) as server:
        server.daemon_threads = True
        server.serve_forever()


def main(words: list[str]) -> None:
    kind, place = Path(words[1]).name, words[words.index("--uds") + 1]
    sys.stderr.write(f"(APIServer pid=7) INFO 11-20 14:07:19 [api.py:1] loads {kind}\n")
    sys.stderr.flush()
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    if kind == "broken":
        sys.stderr.write(TRACE)
        sys.exit(1)
    if kind in ("slow", "late"):
        time.sleep(600 if kind == "slow" else 2)
    if kind == "short":
        import threading

        threading.Timer(1.0, os._exit, (9,)).start()
    serve(place)


if __name__ == "__main__":
    main(sys.argv[1:])
