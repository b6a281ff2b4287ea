"""Smart HTTP git: a threading stdlib server in front of the real `git http-backend`.

Chunked and gzipped bodies, keep-alive, basic auth, TLS, and faults on demand. Each repository is a
bare folder below `root`; hooks in it run as they would anywhere.
"""

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class GitServer(ThreadingHTTPServer):
    """`users`: name -> password, empty = open to all. `faults`: see `fail`. `requests`: what came
    in, as (method, path, Authorization or None)."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, root, *, users=None, certificate=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = Path(root)
        self.users = users or {}
        self.faults = []
        self.requests = []
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
            self.scheme = "https"

    def url(self, name="team.git"):
        return f"{self.scheme}://127.0.0.1:{self.server_port}/{name}"

    def fail(self, how, *, times=1, on="", value=None):
        """The next `times` requests whose path contains `on` fail:

        status   answer `value`, e.g. 503
        redirect answer 302 to `value` + path
        cut      let git finish its work, then close the connection without an answer
        stall    answer nothing until the server is closed
        """
        self.faults += [(how, on, value)] * times

    def take_fault(self, path):
        for fault in self.faults:
            if fault[1] in path:
                self.faults.remove(fault)
                return fault
        return None

    def handle_error(self, request, client_address):
        """A client that went away is part of the tests."""

    def __enter__(self):
        self.closing = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve(b"")

    def do_POST(self):
        self.serve(self.body())

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def serve(self, body):
        sent = self.headers.get("Authorization")
        self.server.requests.append((self.command, self.path, sent))
        how, _, value = self.server.take_fault(self.path) or (None, None, None)
        if how == "status":
            return self.answer(value, {}, b"out of order")
        if how == "redirect":
            return self.answer(302, {"Location": value + self.path}, b"")
        if how == "stall":
            self.close_connection = True
            return self.server.closing.wait(60)
        user = self.user(sent)
        if self.server.users and user is None:
            return self.answer(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"who is it?")
        status, headers, content = self.backend(body, user)
        if how == "cut":
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self.answer(status, headers, content)

    def user(self, sent):
        scheme, _, value = (sent or "").partition(" ")
        if scheme.lower() != "basic":
            return None
        name, _, password = base64.b64decode(value).decode().partition(":")
        return name if self.server.users.get(name) == password else None

    def backend(self, body, user):
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.pathsep.join(os.get_exec_path()),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_PROJECT_ROOT": str(self.server.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": user or "anybody",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        return int(headers.pop("Status", "200 OK").split()[0]), headers, content

    def answer(self, status, headers, content):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
