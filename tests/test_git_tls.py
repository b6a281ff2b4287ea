"""Certificates and proxies on the way to the repository."""

import http.client
import select
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from gitops_bridge.errors import RepositoryError
from gitops_bridge.git import Delivered
from tests.git_team import bare, open_repository, put, subjects
from tests.servers.git_http import GitServer


@pytest.fixture
def team(tmp_path):
    return bare(tmp_path, {"README.md": b"hello\n"})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A CA and a certificate of 127.0.0.1 signed by it: (CA file, certificate file, key file)."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "server"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    openssl(
        "req", "-x509", "-key", "ca.key", "-subj", "/CN=Test CA", "-days", "2", "-out", "ca.pem"
    )
    openssl("req", "-new", "-key", "server.key", "-subj", "/CN=127.0.0.1", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
        "-CAcreateserial", "-extfile", "names", "-out", "server.pem",
    )  # fmt: skip
    return tuple(str(folder / name) for name in ("ca.pem", "server.pem", "server.key"))


def test_an_own_ca_is_trusted_when_named_and_only_then(certificate, team, tmp_path):
    ca, *pair = certificate
    with GitServer(tmp_path, certificate=pair) as server:
        trusting = open_repository(server.url(), tmp_path / "a", ca_file=ca)
        assert isinstance(trusting.deliver("main", put("a", b"1")), Delivered)
        with pytest.raises(RepositoryError, match=r"not trusted.*repository.ca_file") as caught:
            open_repository(server.url(), tmp_path / "b").fetch()
        assert not caught.value.retry


def test_a_ca_file_that_is_not_there(certificate, team, tmp_path):
    with GitServer(tmp_path, certificate=certificate[1:]) as server:
        repository = open_repository(server.url(), tmp_path / "cache", ca_file="/nowhere.pem")
        with pytest.raises(RepositoryError, match=r"CA file '/nowhere.pem' does not exist"):
            repository.fetch()


class _Proxy(BaseHTTPRequestHandler):
    """Forwards plain requests and CONNECT tunnels; `server.answer` refuses them instead."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.forward()

    def do_POST(self):
        self.forward()

    def forward(self):
        self.server.seen.append((self.command, self.path))
        if self.server.answer:
            return self.send_error(self.server.answer)
        target = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        upstream = http.client.HTTPConnection(target.netloc)
        upstream.request(
            self.command, f"{target.path}?{target.query}", body, dict(self.headers.items())
        )
        answer = upstream.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        upstream.close()
        return None

    def do_CONNECT(self):
        self.server.seen.append((self.command, self.path))
        if self.server.answer:
            return self.send_error(self.server.answer)
        host, port = self.path.split(":")
        with socket.create_connection((host, int(port))) as upstream:
            self.send_response(200)
            self.end_headers()
            pairs = {self.connection: upstream, upstream: self.connection}
            while True:
                ready, _, _ = select.select(list(pairs), [], [], 5)
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        self.close_connection = True
                        return None
                    pairs[end].sendall(data)


@pytest.fixture
def proxy():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as running:
        running.daemon_threads = True
        running.seen, running.answer = [], None
        running.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


def test_a_proxy_carries_http_and_https(proxy, certificate, team, tmp_path):
    with GitServer(tmp_path) as server:
        open_repository(server.url(), tmp_path / "a", proxy=proxy.url).deliver(
            "main", put("a", b"1")
        )
    assert {method for method, _ in proxy.seen} == {"GET", "POST"}
    ca, *pair = certificate
    with GitServer(tmp_path, certificate=pair) as secure:
        repository = open_repository(secure.url(), tmp_path / "b", proxy=proxy.url, ca_file=ca)
        repository.deliver("main", put("b", b"1"))
    assert "CONNECT" in {method for method, _ in proxy.seen}
    assert subjects(team) == ["Put b", "Put a", "Begin"]


def test_a_proxy_that_refuses_is_named(proxy, certificate, team, tmp_path):
    proxy.answer = 407
    ca, *pair = certificate
    with GitServer(tmp_path, certificate=pair) as secure:
        repository = open_repository(secure.url(), tmp_path / "cache", proxy=proxy.url, ca_file=ca)
        with pytest.raises(RepositoryError, match=r"proxy refused.*repository\.proxy"):
            repository.fetch()
