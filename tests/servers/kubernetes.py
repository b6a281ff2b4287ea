"""A Kubernetes API server as its clients see it, on a loopback port: stateful, and able to fail.

Lists come in pages, watches tell every change since a version, writes meet conflicts.
"""

from __future__ import annotations

import copy
import json
import re
import ssl
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.servers.kubernetes_objects import Change, Objects, merged, selected
from tests.servers.registry import Tls

TOKEN = "api-token-canary"
_OBJECT = re.compile(
    r"(?P<list>/(?:api/v1|apis/[^/]+/[^/]+)/namespaces/(?P<namespace>[^/]+)/(?P<resource>[a-z]+))"
    r"(?:/(?P<name>[^/]+))?(?P<log>/log)?"
)
_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
    410: "Expired", 429: "TooManyRequests", 503: "ServiceUnavailable",
}  # fmt: skip


@dataclass
class Faults:
    """What goes wrong, by resource (`pods`, `applications` …); `*` means all of them."""

    forbidden: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    """Kinds that the server does not know: no CustomResourceDefinition."""
    answers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Statuses that the next requests get, one each."""
    retry_after: int | None = None
    cut_watches: int = 0
    """So many of the next events are cut off in the middle, with the connection."""
    page: int | None = None
    """Instead of JSON comes the page of a proxy, with this status."""


class KubernetesServer(Objects):
    """`with KubernetesServer() as server: server.put("pods", "prod", {...})`"""

    def __init__(self, tls: Tls | None = None) -> None:
        super().__init__()
        self._tls = tls
        self.faults = Faults()
        self.token = TOKEN
        self.now: float | None = None
        """Its clock, seconds since 1970; None: the machine's."""
        self.logs: dict[tuple[str, str, bool], str] = {}
        """Text by Pod, container and whether it is the previous run's."""
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.closing = False

    def __enter__(self) -> KubernetesServer:
        handler = type("Handler", (_Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._tls.certificate, self._tls.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return self._server.server_port

    def kubeconfig(self, folder: Path, **contexts: str) -> Path:
        """A kubeconfig whose current context is this server; `contexts` are addresses by name."""
        folder.mkdir(parents=True, exist_ok=True)
        addresses = {"here": self.url, **contexts}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [
                {"name": name, "cluster": {"server": url}} for name, url in addresses.items()
            ],
            "users": [{"name": "bridge", "user": {"token": TOKEN}}],
            "contexts": [
                {"name": name, "context": {"cluster": name, "user": "bridge"}} for name in addresses
            ],
        }  # fmt: skip
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def lists(self) -> list[str]:
        """The resources that were listed, a name per list, pages of one list counted once."""
        return [
            path.rpartition("/")[2]
            for method, path, query in self.requests
            if method == "GET" and "labelSelector" in query
            and not {"watch", "continue"} & set(query)
        ]  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    api: KubernetesServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(timestamp or self.api.now)

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def _serve(self, method: str) -> None:
        address = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(address.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.api.requests.append((method, address.path, query))
        found = _OBJECT.fullmatch(address.path)
        if found is None:
            self._refuse(404, "the server could not find the requested resource")
        elif not self._is_refused(found["resource"], method):
            self._answer(method, found, query, body)

    def _is_refused(self, resource: str, method: str) -> bool:
        faults = self.api.faults
        if faults.page:
            self._send(faults.page, b"<html>Proxy</html>", "text/html")
            return True
        if self.headers.get("Authorization", "").lower() != f"bearer {self.api.token}".lower():
            self._refuse(401, "Unauthorized")
            return True
        if {resource, "*"} & faults.unknown:
            self._refuse(404, "the server could not find the requested resource")
            return True
        if {resource, "*"} & faults.forbidden:
            self._refuse(
                403, f'{resource} is forbidden: User "bridge" cannot {method} "{resource}"'
            )
            return True
        for key in (resource, "*"):
            if faults.answers[key]:
                status = faults.answers[key].pop(0)
                self._refuse(status, f"made to answer {status}", retry_after=faults.retry_after)
                return True
        return False

    def _answer(self, method: str, found: re.Match, query: dict, body: dict | None) -> None:
        path, name = found["list"], found["name"]
        if found["log"]:
            self._log(name, query)
        elif method == "POST":
            self._create(path, body)
        elif name is None:
            self._watch(path, query) if query.get("watch", "").lower() in {
                "true",
                "1",
            } else self._list(path, query)
        elif (item := self.api.find(path, name)) is None:
            self._refuse(404, f'{found["resource"]} "{name}" not found')
        elif method == "PATCH":
            self._json(200, self.api.store(path, merged(item, body)))
        elif method == "PUT":
            self._replace(path, item, body)
        else:
            self._json(200, item)

    def _create(self, path: str, body: dict) -> None:
        if self.api.find(path, body["metadata"]["name"]):
            self._refuse(409, "it already exists")
        else:
            self._json(201, self.api.store(path, body))

    def _replace(self, path: str, item: dict, body: dict) -> None:
        with self.api.changed:
            if body["metadata"].get("resourceVersion") != item["metadata"]["resourceVersion"]:
                self._refuse(409, "the object has been modified")
            else:
                self._json(200, self.api.store(path, body))

    def _list(self, path: str, query: dict) -> None:
        page = self.api.page(path, query)
        if page is None:
            self._refuse(410, "The provided continue parameter is too old")
        else:
            self._json(200, page)

    def _log(self, pod: str, query: dict) -> None:
        key = (pod, query.get("container", ""), query.get("previous") == "true")
        if key not in self.api.logs:
            self._refuse(400, "container is waiting to start")
            return
        lines = self.api.logs[key].splitlines()[-int(query.get("tailLines", 1 << 30)) :]
        self._send(200, "\n".join(lines).encode(), "text/plain")

    def _watch(self, path: str, query: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self._stream(path, query)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the client has gone

    def _stream(self, path: str, query: dict) -> None:
        version = int(query["resourceVersion"])
        while True:
            with self.api.changed:
                if version < self.api.oldest:
                    return self._event("ERROR", _status(410, "too old resource version"))
                changes = [change for change in self.api.changes if change.version > version]
                if not changes and not self.api.closing:
                    ended = not self.api.changed.wait(float(query.get("timeoutSeconds", 300)))
                    if ended:
                        return None
                    continue
                if self.api.closing:
                    return None
            for change in changes:
                version = change.version
                if change.path == path:
                    self._tell(change, query)
            if changes and changes[-1].path != path:
                self._event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})

    def _tell(self, change: Change, query: dict) -> None:
        """An object that no longer matches the selectors is gone, for who watches."""
        was, is_now = selected(change.before, query), selected(change.after, query)
        if is_now:
            self._event("MODIFIED" if was else "ADDED", change.after)
        elif was:
            gone = copy.deepcopy(change.before)
            gone["metadata"]["resourceVersion"] = str(change.version)
            self._event("DELETED", gone)

    def _event(self, kind: str, item: dict) -> None:
        line = json.dumps({"type": kind, "object": item}).encode() + b"\n"
        if self.api.faults.cut_watches:
            self.api.faults.cut_watches -= 1
            self.wfile.write(b"%x\r\n%s" % (len(line), line[: len(line) // 2]))
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            raise OSError("cut off")
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.flush()

    def _json(self, status: int, item: dict) -> None:
        self._send(status, json.dumps(item).encode(), "application/json")

    def _refuse(self, status: int, message: str, retry_after: int | None = None) -> None:
        body = json.dumps(_status(status, message)).encode()
        self._send(status, body, "application/json", retry_after)

    def _send(self, status: int, body: bytes, kind: str, retry_after: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(body)


def _status(code: int, message: str) -> dict:
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": _REASONS.get(code, "InternalError"), "message": message,
    }  # fmt: skip
