"""Debian's docker-registry on a loopback port, with what stands around one: TLS, users, a token
server, and a front that can fail like a network or a stricter registry does.

Needs the programs docker-registry, htpasswd and openssl; a missing one fails the test.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

USER, PASSWORD = "builder", "pass:word-canary"


@dataclass(frozen=True)
class Running:
    host: str
    storage: Path
    process: subprocess.Popen


@contextmanager
def serve(
    folder: Path, *, htpasswd: bool = False, token: dict | None = None, tls: Tls | None = None
) -> Iterator[Running]:
    """A registry with its storage in `folder`; `token` is its own `auth.token` section."""
    folder.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    config: dict = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "storage")},
            "delete": {"enabled": True},
        },
        "http": {"addr": host, "secret": "s"},
    }
    if htpasswd:
        users = folder / "htpasswd"
        with users.open("w") as target:
            subprocess.run(
                ["htpasswd", "-inB", USER], input=PASSWORD.encode(), stdout=target, check=True
            )
        config["auth"] = {"htpasswd": {"realm": "models", "path": str(users)}}
    if token:
        config["auth"] = {"token": token}
    if tls:
        config["http"]["tls"] = {"certificate": tls.certificate, "key": tls.key}
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(path)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_open(host, process, folder / "log")
        yield Running(host, folder / "storage", process)
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_open(host: str, process: subprocess.Popen, log: Path) -> None:
    name, port = host.split(":")
    for _ in range(200):
        with suppress(OSError), socket.create_connection((name, int(port)), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"docker-registry did not start: {log.read_text()}")


@dataclass(frozen=True)
class Tls:
    """A certificate for 127.0.0.1 and the CA that signed it, as paths of PEM files."""

    ca: str
    certificate: str
    key: str


def make_tls(folder: Path) -> Tls:
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    cert, key, request = folder / "cert.pem", folder / "key.pem", folder / "request.pem"
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA",
             "-addext", "keyUsage=critical,keyCertSign", "-keyout", ca_key, "-out", ca)  # fmt: skip
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1",
             "-keyout", key, "-out", request)  # fmt: skip
    _openssl("x509", "-req", "-days", "2", "-in", request, "-CA", ca, "-CAkey", ca_key,
             "-CAcreateserial", "-extfile", extensions, "-out", cert)  # fmt: skip
    return Tls(str(ca), str(cert), str(key))


def _openssl(*arguments: str | Path, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=True
    ).stdout


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: object

    def handle_error(self, *_: object) -> None:
        """Clients and the front drop connections on purpose."""


@contextmanager
def _threaded(handler: type[BaseHTTPRequestHandler], state: object, tls: Tls | None = None):
    server = _Server(("127.0.0.1", 0), handler)
    server.state = state
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# -- the token server


@dataclass
class TokenServer:
    """Signs what docker-registry's `auth: token` accepts, for USER or against a refresh token."""

    folder: Path
    lifetime: int = 300
    realm: str = ""
    refresh_token: str = "refresh-canary"
    forbidden: str = ""
    """A repository for which no token is given out, whatever else is asked for with it."""
    issued: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                 "-subj", "/CN=tokens", "-keyout", self.folder / "key",
                 "-out", self.folder / "cert")  # fmt: skip

    @property
    def section(self) -> dict:
        """The registry's own configuration."""
        return {
            "realm": self.realm,
            "service": "models",
            "issuer": "tokens",
            "rootcertbundle": str(self.folder / "cert"),
        }

    def token(self, subject: str, scopes: list[str]) -> str:
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        der = _openssl("x509", "-in", self.folder / "cert", "-outform", "DER")
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {
            "iss": "tokens", "sub": subject, "aud": "models", "iat": now, "nbf": now - 5,
            "exp": now + self.lifetime, "jti": str(len(self.issued)), "access": access,
        }  # fmt: skip
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = _openssl("dgst", "-sha256", "-sign", self.folder / "key", stdin=signed.encode())
        self.issued.append(f"{signed}.{_base64url(signature)}")
        return self.issued[-1]

    @contextmanager
    def running(self, tls: Tls | None = None) -> Iterator[str]:
        with _threaded(_TokenHandler, self, tls) as host:
            self.realm = f"{'https' if tls else 'http'}://{host}/token"
            yield host


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class _TokenHandler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        state: TokenServer = self.server.state
        query = parse_qs(urlsplit(self.path).query)
        given = self.headers.get("Authorization")
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if given and given != known:
            return self._answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "no"}]})
        scopes = query.get("scope", [])
        if state.forbidden and any(state.forbidden in scope for scope in scopes):
            return self._answer(403, {"errors": [{"code": "DENIED", "message": "not yours"}]})
        if not given:  # anybody may pull
            scopes = [f"{scope.rpartition(':')[0]}:pull" for scope in scopes]
        return self._answer(200, {"token": state.token("user", scopes)})

    def do_POST(self) -> None:
        state: TokenServer = self.server.state
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        if form.get("refresh_token") != [state.refresh_token]:
            return self._answer(401, {"details": "invalid refresh token"})
        return self._answer(200, {"access_token": state.token("user", form["scope"][0].split())})

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


# -- the front


@dataclass
class Fault:
    """What the front does instead, `times` over, to requests whose `METHOD path` matches."""

    matching: str
    times: int = 1
    status: int | None = None
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hide: str | None = None
    """Leave this header out of the registry's answer."""
    cut_after: int | None = None
    """Drop the connection after so many bytes of the request's body."""
    stall: bool = False
    """Answer nothing until the front is closed."""
    lose_answer: bool = False
    """Pass the request on, then drop the connection."""
    alter: Callable[[bytes], bytes] | None = None
    """Change the registry's answer."""


@dataclass
class Front:
    """A proxy before a registry. `received` counts bytes of request bodies that got through to it,
    by method."""

    upstream: str
    faults: list[Fault] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)
    seen_authorization: list[str] = field(default_factory=list)
    passing: threading.Event = field(default_factory=threading.Event)
    """Set while the body of an upload passes."""
    pause: float = 0.0
    """Seconds to rest between two pieces of a body."""
    closing: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, tls: Tls | None = None) -> Iterator[str]:
        with _threaded(_FrontHandler, self, tls) as host:
            yield host
            self.closing.set()

    def fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.search(fault.matching, line):
                fault.times -= 1
                return fault
        return None


class _FrontHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        state: Front = self.server.state
        state.seen_authorization.append(self.headers.get("Authorization", ""))
        fault = state.fault(f"{self.command} {self.path}") or Fault("")
        if fault.stall:
            self.close_connection = True
            state.closing.wait(60)
            return None
        if fault.status:
            self._drain()
            return self._answer(fault.status, fault.headers, fault.body)
        upstream = http.client.HTTPConnection(state.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders()
            if not self._pass_body(upstream, fault):
                self.close_connection = True
                return None
            answer = upstream.getresponse()
            body = answer.read()
            if fault.lose_answer:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return None
            length = answer.headers.get("Content-Length")
            headers = {k: v for k, v in answer.headers.items() if k.lower() != "content-length"}
            if fault.hide:
                headers.pop(fault.hide, None)
            body = fault.alter(body) if fault.alter else body
            return self._answer(answer.status, headers | fault.headers, body, length)
        finally:
            upstream.close()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _pieces(self) -> Iterator[bytes]:
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def _drain(self) -> None:
        for _ in self._pieces():
            pass

    def _pass_body(self, upstream: http.client.HTTPConnection, fault: Fault) -> bool:
        state: Front = self.server.state
        passed = 0
        for piece in self._pieces():
            upstream.send(piece)
            passed += len(piece)
            state.received[self.command] = state.received.get(self.command, 0) + len(piece)
            if state.pause and passed > 1 << 16:
                state.passing.set()
                time.sleep(state.pause)
            if fault.cut_after is not None and passed > fault.cut_after:
                self.connection.shutdown(socket.SHUT_RDWR)
                return False
        return True

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, length: str | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        head = self.command == "HEAD"
        self.send_header("Content-Length", length if head and length else str(len(body)))
        self.end_headers()
        if not head:
            self.wfile.write(body)
