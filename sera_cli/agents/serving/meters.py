"""What the server tells of itself at /metrics, in Prometheus' text: numbers only, nothing of what is said."""

from typing import Any


class Meters:
    """Counts of one server. Each has its own registry, so that several may stand in one process."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self._registry, "namespace": "sera"}
        waits = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
        self.requests = Counter("requests", "Requests by API and status.", ("api", "status"), **own)
        self.prompt = Counter("prompt_tokens", "Tokens of prompts.", ("agent",), **own)
        self.completion = Counter("completion_tokens", "Tokens of replies.", ("agent",), **own)
        self.under_way = Gauge("requests_under_way", "Requests that are being answered.", **own)
        self.first = Histogram("first_token_seconds", "From request to first token.", ("agent",), buckets=waits, **own)
        self.whole = Histogram("reply_seconds", "From request to the end of the reply.", ("agent",), **own)

    def text(self) -> bytes:
        from prometheus_client import generate_latest

        return generate_latest(self._registry)
