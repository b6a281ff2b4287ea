"""The HTTP side of the standing controller: health, metrics and webhooks on one port.

    GET  /livez              200, or 503 when a look is stuck and the process should be restarted
    GET  /readyz             200 once a look has succeeded or another process leads
    GET  /metrics            for Prometheus
    POST /webhooks/<sender>  202 from who knows the secret, else 401

It speaks plain HTTP and knows no users: let only the kubelet, Prometheus and the gateway reach it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from gitops_bridge.errors import BridgeError
from gitops_bridge.serving.loop import StandingLoop
from gitops_bridge.serving.metrics import Metrics
from gitops_bridge.serving.webhooks import SENDERS, is_authentic

_LARGEST = 4 * 1024 * 1024
"""Bytes of a webhook's body; the senders' own limits are higher, but an event of ours is small."""
_PATIENCE = 10.0


@dataclass(frozen=True)
class Reply:
    status: int
    text: bytes
    content_type: str = "text/plain; charset=utf-8"


class Site:
    """What is answered to whom. `secrets` maps a sender to its secret, which is asked for at each
    request so that a rotated one counts at once; a sender without one is not known."""

    def __init__(
        self, loop: StandingLoop, metrics: Metrics, secrets: Mapping[str, Callable[[], str]]
    ) -> None:  # fmt: skip
        unknown = sorted(set(secrets) - set(SENDERS))
        if unknown:
            raise ValueError(f"unknown senders of webhooks: {', '.join(unknown)}")
        self._loop = loop
        self._metrics = metrics
        self._secrets = secrets

    def get(self, path: str, accept: str) -> Reply:
        if path == "/metrics":
            content_type, text = self._metrics.exposition(accept)
            return Reply(200, text, content_type)
        if path == "/livez":
            return _health(not self._loop.is_stuck, "a look takes too long")
        if path == "/readyz":
            return _health(self._loop.is_ready, "no look has succeeded yet")
        return Reply(404, b"not found\n")

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        sender = path.removeprefix("/webhooks/")
        secret = self._secrets.get(sender) if path.startswith("/webhooks/") else None
        if secret is None:
            return Reply(404, b"not found\n")
        if _is_ping(sender, headers):
            self._metrics.webhook(sender, "ping")
            return Reply(200, b"pong\n")
        try:
            agreed = secret()
        except BridgeError:
            self._metrics.webhook(sender, "unconfigured")
            return Reply(503, b"the secret of this webhook cannot be read\n")
        if not is_authentic(sender, agreed, headers, body):
            self._metrics.webhook(sender, "refused")
            return Reply(401, b"the secret or signature is missing or wrong\n")
        self._metrics.webhook(sender, "accepted")
        self._loop.ask()
        return Reply(202, b"accepted\n")


def _health(healthy: bool, complaint: str) -> Reply:
    return Reply(200, b"ok\n") if healthy else Reply(503, f"{complaint}\n".encode())


def _is_ping(sender: str, headers: Mapping[str, str]) -> bool:
    """Bitbucket Data Center does not sign the test of a connection."""
    return sender == "bitbucket-server" and headers.get("x-event-key") == "diagnostics:ping"


@contextmanager
def serving(site: Site, host: str, port: int) -> Iterator[str]:
    """Serve in threads of their own; gives the address. `port` 0 takes any that is free.

    Raises OSError when the address is taken.
    """
    server = ThreadingHTTPServer((host, port), _handler(site))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE
        server_version, sys_version = "gitops-bridge", ""

        def do_GET(self) -> None:
            accept = self.headers.get("Accept", "")
            self._send(site.get(urlsplit(self.path).path, accept))

        do_HEAD = do_GET

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                self._send(Reply(411, b"Content-Length is missing\n"))
            elif int(length) > _LARGEST:
                self._send(Reply(413, b"too large\n"))
            else:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(length))
                self._send(site.post(urlsplit(self.path).path, headers, body))

        def _send(self, answer: Reply) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.text)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.text)

        def log_message(self, *_: object) -> None:
            """Requests are counted, not logged."""

    return Handler
