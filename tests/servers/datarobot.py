"""A stateful stand-in for DataRobot's REST API, for every part that speaks to it.

    with DataRobotServer() as server:
        server.add_package("65f0…55", content=b"PK…", model_id="65a0…20")
        server.add_deployment("65a0…10", package="65f0…55")
        DataRobot(session(server.url, server.token), …)

It holds packages, deployments and builds; a build takes `build_polls` looks at its status. Trouble
is set on `server.trouble`. It also serves any package's file without login at `/plain/<id>`.
Requests that came are counted in `server.seen`, with nothing but method and path.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHUNK = 1 << 20


@dataclass
class Package:
    id: str
    content: bytes | Path
    model_id: str
    execution_type: str = "dedicated"
    build_status: str = "complete"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)

    def etag(self) -> str:
        if isinstance(self.content, Path):
            return f'"{self.content.stat().st_mtime_ns}-{self.size}"'
        return f'"{hashlib.md5(self.content).hexdigest()}"'  # noqa: S324 - no security meaning


@dataclass
class Trouble:
    """What goes wrong. Numbers count down with each request they spoil."""

    busy: int = 0
    """Answers 429 (odd) or 503 (even) with `retry_after`."""
    busy_downloads: int = 0
    retry_after: str | None = "0"
    """As it is, but for `date in N s`, which becomes that date."""
    server_errors: int = 0
    hang_up: int = 0
    """Connections closed without an answer."""
    drops: int = 0
    """Downloads that break off after `drop_after` bytes of their own."""
    drop_after: int = 100_000
    truncated: bool = False
    """Serves the first half, with a Content-Length that agrees."""
    length_added: int = 0
    """Content-Length says so much more than there is."""
    unbounded: bool = False
    """No Content-Length: what comes ends when the connection does."""
    ranges: bool = True
    etag: bool = True
    new_content_on_resume: bytes | None = None
    """Before the next Range request the package becomes this."""
    wrong_range: bool = False
    part_unasked: bool = False
    """Answers every download with 206 and the second half."""
    busy_resumes: int = 0
    """As `busy`, for requests with Range alone."""
    sha256: str | None = None
    """Stated as X-Checksum-Sha256."""
    slow: float = 0.0
    """Seconds before each 64 KiB of a download."""
    build_polls: int = 2
    build_word: str = "RUNNING"
    build_end: str = "303"
    """303, 307 (then 303), COMPLETED, ABORTED or ERROR; any other text is such a word for ever."""
    http_location: bool = False
    """Locations begin with http://, as behind a proxy that ends TLS."""
    location_host: str | None = None
    relative_location: bool = False
    not_json: bool = False
    encoded: bool = False


class DataRobotServer:
    def __init__(self, token: str = "canary-4f1e-token") -> None:  # noqa: S107 - made up
        self.token = token
        self.trouble = Trouble()
        self.packages: dict[str, Package] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self.seen: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self._builds: dict[str, tuple[str, str, int]] = {}
        self._lock = threading.Lock()
        server = self

        class Handler(_Handler):
            owner = server

        self._http = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> DataRobotServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def add_package(
        self,
        id: str,
        *,
        content: bytes | Path = b"",
        model_id: str,
        execution_type: str = "dedicated",
        build_status: str = "complete",
        **details: Any,
    ) -> Package:
        package = Package(id, content, model_id, execution_type, build_status, details)
        self.packages[id] = package
        return package

    def add_deployment(self, id: str, *, package: str, status: str = "active") -> None:
        model_id = self.packages[package].model_id
        self.deployments[id] = {
            "id": id,
            "label": id,
            "status": status,
            "model": {"id": model_id, "type": "Gradient Boosted Trees"},
            "modelPackage": {"id": package, "name": f"package {package}"},
        }

    def spend(self, name: str) -> int:
        """One of the counted troubles: how many were left, 0 for none."""
        with self._lock:
            left = int(getattr(self.trouble, name))
            setattr(self.trouble, name, max(0, left - 1))
        return left

    def begin_build(self, kind: str, package: str) -> str:
        with self._lock:
            name = f"build-{len(self._builds) + 1}"
            self._builds[name] = (kind, package, self.trouble.build_polls)
        return name

    def look_at_build(self, name: str) -> tuple[str, str, int] | None:
        with self._lock:
            if name not in self._builds:
                return None
            kind, package, left = self._builds[name]
            self._builds[name] = (kind, package, max(0, left - 1))
        return kind, package, left


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    owner: DataRobotServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    body = b""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    do_PATCH = do_POST

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        self.owner.seen[f"{self.command} {path}"] += 1
        trouble = self.owner.trouble
        if self.owner.spend("hang_up"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if left := self.owner.spend("busy"):
            self._json(429 if left % 2 else 503, {"message": "slow down"}, self._later())
            return
        if self.owner.spend("server_errors"):
            self._json(500, {"message": "something broke"})
            return
        if path.startswith("/plain/"):
            self._file(path.removeprefix("/plain/"))
            return
        authorization = self.headers.get("Authorization", "")
        self.owner.tokens[authorization.partition(" ")[0]] += 1
        if authorization not in (f"Bearer {self.owner.token}", f"Token {self.owner.token}"):
            self._json(401, {"message": f"Invalid Authorization header {authorization}"})
            return
        if trouble.not_json:
            self._bytes(200, b"<html>log in</html>", {"Content-Type": "text/html"})
            return
        self._route(path)

    def _route(self, path: str) -> None:
        for pattern, handle in _ROUTES:
            if found := re.fullmatch("/api/v2/" + pattern, path):
                handle(self, *found.groups())
                return
        self._json(404, {"message": "Not Found"})

    def _version(self) -> None:
        self._json(200, {"versionString": "2.36.0", "major": 2, "minor": 36})

    def _package(self, id: str) -> None:
        package = self.owner.packages.get(id)
        if package is None:
            self._json(404, {"message": "Model package not found"})
        else:
            self._json(200, _document(package))

    def _packages(self) -> None:
        model = parse_qs(urlsplit(self.path).query).get("modelId", [None])[0]
        found = [
            _document(package)
            for package in self.owner.packages.values()
            if model in (None, package.model_id)
        ]
        self._json(200, {"data": found, "next": None, "previous": None, "count": len(found)})

    def _deployment(self, id: str, champion: str | None) -> None:
        deployment = self.owner.deployments.get(id)
        if deployment is None:
            self._json(404, {"message": "Deployment not found"})
        elif champion:
            self._package(deployment["modelPackage"]["id"])
        else:
            self._json(200, deployment)

    def _begin(self, id: str, kind: str) -> None:
        package = self.owner.packages.get(id)
        if self.command != "POST" or package is None:
            self._json(404, {"message": "Model package not found"})
            return
        wants = "portablePredictionsServerInstaller=true" in self.path
        if kind == "modelPackageFile" and wants != (package.execution_type != "dedicated"):
            self._json(422, {"message": "the installer is for custom models, and only for them"})
            return
        name = self.owner.begin_build(kind, id)
        self._json(202, {}, {"Location": self._location(f"/api/v2/status/{name}/")})

    def _status(self, name: str) -> None:
        build = self.owner.look_at_build(name.removesuffix("-moved"))
        trouble = self.owner.trouble
        if build is None:
            self._json(404, {"message": "no such status"})
            return
        kind, package, left = build
        end = trouble.build_end
        if left > 0:
            self._json(200, {"statusId": name, "status": trouble.build_word, "message": ""})
        elif end == "307" and not name.endswith("-moved"):
            self._json(307, {}, {"Location": self._location(f"/api/v2/status/{name}-moved/")})
        elif end in ("303", "307"):
            where = self._location(f"/api/v2/modelPackages/{package}/{kind}/")
            self._json(303, {}, {"Location": where})
        else:
            self._json(200, {"statusId": name, "status": end, "message": "out of memory"})

    def _location(self, path: str) -> str:
        trouble = self.owner.trouble
        if trouble.relative_location:
            return posixpath.relpath(path, urlsplit(self.path).path) + "/"
        if trouble.location_host:
            return trouble.location_host + path
        return f"http://127.0.0.1{path}" if trouble.http_location else self.owner.url + path

    def _download(self, id: str, kind: str) -> None:
        self._file(id)

    def _file(self, id: str) -> None:
        package, trouble = self.owner.packages.get(id), self.owner.trouble
        if package is None:
            self._json(404, {"message": "Model package not found"})
            return
        if left := self.owner.spend("busy_downloads"):
            self._json(429 if left % 2 else 503, {"message": "slow down"}, self._later())
            return
        if "Range" in self.headers and (left := self.owner.spend("busy_resumes")):
            self._json(429 if left % 2 else 503, {"message": "slow down"}, self._later())
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and trouble.new_content_on_resume is not None:
            package.content = trouble.new_content_on_resume
            trouble.new_content_on_resume = None
        headers = {"Content-Type": "application/octet-stream"}
        headers["Content-Disposition"] = 'attachment; filename="model.mlpkg"'
        if trouble.etag:
            headers["ETag"] = package.etag()
        if trouble.ranges:
            headers["Accept-Ranges"] = "bytes"
        if trouble.sha256:
            headers["X-Checksum-Sha256"] = trouble.sha256
        if trouble.encoded:
            headers["Content-Encoding"] = "gzip"
        start, size, status = 0, package.size, 200
        fits = self.headers.get("If-Range") in (None, headers.get("ETag"))
        if wanted and trouble.ranges and fits:
            start, status = int(wanted[1]), 206
            if start >= size:
                self._json(416, {"message": "no such range"})
                return
            first = start + 1 if trouble.wrong_range else start
            headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        if trouble.part_unasked:
            start, status = size // 2, 206
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self._send_file(package, start, status, headers)

    def _send_file(
        self, package: Package, start: int, status: int, headers: dict[str, str]
    ) -> None:
        trouble = self.owner.trouble
        end = package.size // 2 if trouble.truncated else package.size
        if trouble.unbounded:
            self.close_connection = True
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(end - start + trouble.length_added)
        stop = start + trouble.drop_after if self.owner.spend("drops") else end
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self._send_bytes(package, start, min(stop, end))
        if stop < end or trouble.length_added:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send_bytes(self, package: Package, start: int, end: int) -> None:
        slow = self.owner.trouble.slow
        if isinstance(package.content, Path):
            with package.content.open("rb") as file:
                if not slow:
                    self.wfile.flush()
                    self.connection.sendfile(file, start, end - start)
                    return
                content: Any = file.read()
        else:
            content = package.content
        step = 65_536 if slow else CHUNK
        for at in range(start, end, step):
            time.sleep(slow)
            self.wfile.write(content[at : min(at + step, end)])

    def _later(self) -> dict[str, str]:
        after = self.owner.trouble.retry_after
        if after and (found := re.fullmatch(r"date in (\d+) s", after)):
            after = formatdate(time.time() + int(found[1]), usegmt=True)
        return {} if after is None else {"Retry-After": after}

    def _json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self._bytes(status, content, {"Content-Type": "application/json", **(headers or {})})

    def _bytes(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)


_KIND = "(modelPackageFile|scoringCode)"
_ROUTES = (
    (r"version/", _Handler._version),
    (r"modelPackages/", _Handler._packages),
    (r"modelPackages/([^/]+)/", _Handler._package),
    (rf"modelPackages/([^/]+)/{_KIND}Builds/", _Handler._begin),
    (rf"modelPackages/([^/]+)/{_KIND}/", _Handler._download),
    (r"deployments/([^/]+)/(championModelPackage/)?", _Handler._deployment),
    (r"status/([^/]+)/", _Handler._status),
)


def _document(package: Package) -> dict[str, Any]:
    return {
        "id": package.id,
        "name": f"package {package.id}",
        "modelId": package.model_id,
        "modelExecutionType": package.execution_type,
        "buildStatus": package.build_status,
        "target": {"name": "churn", "type": "Binary", "classNames": ["yes", "no"]},
        **package.details,
    }
