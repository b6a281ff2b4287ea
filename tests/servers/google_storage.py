"""A small stand-in for Google Cloud Storage's JSON API: objects by bucket and name, with ranges.

Resumption is as the real service has it: strong ETags with `If-Range`, and `Accept-Ranges`.
https://cloud.google.com/storage/docs/json_api/v1/objects/get
"""

from __future__ import annotations

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit


class GoogleStorageServer:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.drop_after: int | None = None
        """The next download breaks off after so many bytes."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                owner._get(self)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> GoogleStorageServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _get(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        found = re.fullmatch(r"/storage/v1/b/([^/]+)/o/([^/]+)", parts.path)
        content = self.objects.get((unquote(found[1]), unquote(found[2]))) if found else None
        if content is None or parse_qs(parts.query).get("alt") != ["media"]:
            body = b'{"error": {"code": 404, "message": "No such object"}}'
            self._send(request, 404, {}, body)
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'  # noqa: S324 - no security meaning
        headers = {"ETag": tag, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if wanted and request.headers.get("If-Range") in (None, tag):
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(request, 206, headers, content[start:])
        else:
            self._send(request, 200, headers, content)

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
    ) -> None:
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(key, value)
        request.end_headers()
        stop, self.drop_after = self.drop_after, None
        request.wfile.write(body[:stop])
        if stop is not None:
            request.close_connection = True
