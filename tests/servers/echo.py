"""A server that refuses whatever it is asked, and says why by quoting what it was sent: as a git
host, a registry with its token server, a forge, DataRobot and a proxy at once."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

ESCAPE = "\x1b]0;owned\x07\x1b[31m"


def spellings(value):
    """Ways in which servers quote a header; a Basic one decoded, too."""
    yield value
    scheme, _, packed = value.partition(" ")
    if scheme == "Basic":
        pair = base64.b64decode(packed).decode("utf-8", "replace")
        yield from (pair, *pair.split(":", 1), quote(pair), repr(pair))
    yield from (packed, repr(value), json.dumps(value), quote(value, safe=""))
    yield base64.b64encode(f"x{value}".encode()).decode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def refuse(self):
        given = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("latin-1")
        values = [value for key, value in self.headers.items() if key not in ("Host", "Accept")]
        self.server.seen += [*values, given]
        quoted = [text for value in values for text in spellings(value)]
        body = f"{ESCAPE}refused: {' '.join([*quoted, given])}"
        kind = "text/plain"
        if "json" in self.server.style:
            errors = [{"code": "DENIED", "message": body}]
            body, kind = json.dumps({"message": body, "errors": errors}), "application/json"
        known = "Authorization" in self.headers or "PRIVATE-TOKEN" in self.headers
        status = self.server.status if known else 401
        content = body.encode()
        self.send_response(status, quoted[0][:80] if quoted else "No")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("WWW-Authenticate", 'Basic realm="everything"')
        self.send_header("Retry-After", self.headers.get("Authorization", "0"))
        if status in (301, 302, 307):
            self.send_header("Location", "/" + quote(self.headers.get("Authorization", "x")))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = refuse

    def do_CONNECT(self):
        self.refuse()
        self.close_connection = True


@contextmanager
def echo_server(status=403, style="json"):
    """The server; `seen` holds the headers and bodies that came in."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    server.seen, server.status, server.style = [], status, style
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server, f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
