"""`gitops_bridge.rest` against a real server that fails in the ways servers do."""

import gc
import json
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from gitops_bridge.errors import ForgeError
from gitops_bridge.rest import Rest, without_userinfo
from tests.servers.registry import free_port, make_tls

CANARY = "token-canary-123"


@dataclass
class State:
    """A store of documents under /store/<name>; `busy` is how often it still has no time."""

    busy: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    store: dict[str, bytes] = field(default_factory=dict)
    created: int = 0
    redirect: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the last request that asked for /headers."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one(self):
        state = self.server.state
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if state.busy:
            status, headers = state.busy.pop(0)
            return self.answer(status, b'{"message": "not now"}', **headers)
        path = self.path.partition("?")[0]
        if path.startswith("/store/"):
            if self.command == "PUT":
                state.store[path] = body
            elif self.command == "POST":
                state.created += 1
            return self.answer(200, state.store.get(path, b"null"))
        if path == "/headers":
            state.headers = dict(self.headers)
            return self.answer(200, b"{}")
        if path == "/redirect":
            return self.answer(302, Location=state.redirect)
        if path == "/echo":
            said = f"bad token {self.headers.get('Authorization')}"
            return self.answer(401, json.dumps({"message": said}).encode())
        if path == "/html":
            return self.answer(200, b"<html>Welcome")
        if path == "/silent":
            time.sleep(2)
            return None
        if path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            self.close_connection = True
            return None
        return self.answer(422, json.dumps({"message": "the branch is gone"}).encode())

    do_GET = do_HEAD = do_POST = do_PUT = handle_one


@contextmanager
def serving(tls=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None
    server.state = State()
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}/", server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return make_tls(tmp_path_factory.mktemp("tls"))


def session(url, **options):
    options = {"error": ForgeError, "backoff": 0.01, "secrets": (CANARY,), **options}
    return Rest(
        url, authorize=lambda: {"Authorization": CANARY, "Private-Token": CANARY}, **options
    )


class Pieces:
    """A body that can be gone through again."""

    def __init__(self, *pieces):
        self.pieces = pieces

    def __len__(self):
        return sum(map(len, self.pieces))

    def __iter__(self):
        return iter(self.pieces)

    def tell(self):
        return 0

    def seek(self, position):
        pass


def test_a_busy_server_is_asked_again_with_the_whole_body(server):
    url, state = server
    state.busy = [(503, {}), (429, {"Retry_After": "0"}), (500, {})]
    with session(url) as rest:
        rest.request("PUT", "store/a", data=Pieces(b"one", b"two"))
    assert state.store == {"/store/a": b"onetwo"}


def test_a_creation_is_repeated_only_when_it_had_no_effect(server):
    url, state = server
    with session(url) as rest:
        state.busy = [(503, {})]
        rest.request("POST", "store/a", body={})
        state.busy = [(500, {})]
        with pytest.raises(ForgeError) as caught:
            rest.request("POST", "store/a", body={})
    assert caught.value.retry
    assert state.created == 1


def test_a_wait_too_long_is_handed_to_the_caller(server):
    url, state = server
    state.busy = [(429, {"Retry_After": "86400"})]
    with session(url) as rest, pytest.raises(ForgeError, match="retry after 86400 s") as caught:
        rest.request("GET", "store/a")
    assert caught.value.retry
    assert caught.value.status == 429


def test_a_refusal_carries_the_servers_words(server):
    url, _ = server
    with (
        session(url) as rest,
        pytest.raises(ForgeError, match=r"422.*the branch is gone") as caught,
    ):
        rest.request("GET", "nowhere?key=query-canary", stream=True)
    assert not caught.value.retry
    assert caught.value.status == 422
    assert "query-canary" not in str(caught.value)


def test_an_expected_status_is_an_answer(server):
    url, _ = server
    with session(url) as rest:
        assert rest.request("GET", "nowhere", expected=frozenset({422})).status_code == 422


def connected(url):
    """This process's connections to a server, as clients."""
    port = urlsplit(url).port
    return [
        each for each in gc.get_objects()
        if isinstance(each, socket.socket) and each.fileno() >= 0 and peer(each) == port
    ]  # fmt: skip


def peer(connection):
    try:
        return connection.getpeername()[1]
    except OSError:
        return None


def test_a_session_nobody_closes_leaves_no_connection(server):
    url, _ = server
    rest = session(url)
    rest.request("GET", "store/a")
    assert len(connected(url)) == 1
    del rest
    gc.collect()
    assert connected(url) == []


def test_json_that_is_none(server):
    url, _ = server
    with session(url) as rest, pytest.raises(ForgeError, match="not JSON"):
        rest.json("GET", "html")


def test_secrets_stay_on_their_own_origin(server):
    url, state = server
    with serving() as (other, elsewhere), session(url) as rest:
        state.redirect = f"{other}headers"
        rest.request("GET", "redirect", redirects=True)
        assert "Authorization" not in elsewhere.headers
        assert "Private-Token" not in elsewhere.headers
        state.redirect = "/headers"
        rest.request("GET", "redirect", redirects=True)
        assert state.headers["Authorization"] == CANARY
        rest.request("GET", f"{other}headers", credentials={"Authorization": CANARY})
        assert "Authorization" not in elsewhere.headers


def test_redirects_are_followed_only_on_request_and_never_for_a_body(server):
    url, state = server
    state.redirect = "/headers"
    with session(url) as rest:
        assert rest.request("GET", "redirect").status_code == 302
        assert rest.request("POST", "redirect", redirects=True).status_code == 302
        state.redirect = "/redirect"
        assert rest.request("GET", "redirect", redirects=True).status_code == 302


def test_no_credentials_come_from_netrc(server, tmp_path, monkeypatch):
    url, state = server
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrc-canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    state.redirect = "/headers"
    with Rest(url, error=ForgeError) as rest:
        rest.request("GET", "redirect", redirects=True)
    assert "Authorization" not in state.headers


def test_secrets_are_blanked_out_of_messages(server):
    url, _ = server
    with session(url) as rest:
        with pytest.raises(ForgeError, match=r"\[redacted\]") as caught:
            rest.request("GET", "echo")
        assert CANARY not in str(caught.value)
        rest.conceal("later-canary")
        with pytest.raises(ForgeError) as caught:
            rest.request("GET", "echo", credentials={"Authorization": "later-canary"})
        assert "later-canary" not in str(caught.value)


def test_an_unreachable_server_is_told_without_the_query():
    url = f"http://127.0.0.1:{free_port()}/"
    with session(url, retries=1) as rest, pytest.raises(ForgeError) as caught:
        rest.request("GET", "x", params={"signature": "query-canary"})
    assert caught.value.retry
    assert "Connection refused" in caught.value.message
    assert "query-canary" not in str(caught.value)


def test_a_silent_server_is_given_up(server):
    url, _ = server
    with session(url, timeout=(1, 0.2), retries=0) as rest, pytest.raises(ForgeError) as caught:
        rest.request("GET", "silent")
    assert caught.value.retry


def test_a_body_cut_short_is_an_error(server):
    url, _ = server
    with session(url) as rest:
        answer = rest.request("GET", "short", stream=True)
        with pytest.raises(ForgeError) as caught:
            list(rest.chunks(answer))
    assert caught.value.retry


def test_own_ca(tls, tmp_path, monkeypatch):
    foreign = make_tls(tmp_path / "foreign")
    with serving(tls) as (url, _):
        with session(url, ca_file=tls.ca) as rest:
            assert rest.json("GET", "store/a") is None
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", foreign.ca)
        with session(url, ca_file=tls.ca) as rest:
            assert rest.json("GET", "store/a") is None
        with session(url, verify=False) as rest:
            assert rest.json("GET", "store/a") is None
        with session(url, retries=0) as rest, pytest.raises(ForgeError) as caught:
            rest.request("GET", "store/a")
    assert not caught.value.retry
    assert "CA file" in str(caught.value)
    absent = r"/no/ca\.pem \(check the CA file\)"
    with session(url, ca_file="/no/ca.pem") as rest, pytest.raises(ForgeError, match=absent):
        rest.request("GET", "store/a")
    with (
        serving() as (url, _),
        session(url.replace("http:", "https:")) as rest,
        pytest.raises(ForgeError, match="no TLS is spoken there") as caught,
    ):
        rest.request("GET", "store/a")
    assert not caught.value.retry


def test_never_from_https_to_http(tls, server):
    plain, elsewhere = server
    with serving(tls) as (url, state), session(url, ca_file=tls.ca) as rest:
        state.redirect = f"{plain}headers"
        with pytest.raises(ForgeError, match="redirected from https"):
            rest.request("GET", "redirect", redirects=True)
    assert not elsewhere.headers


def test_an_address_is_shown_without_what_may_be_secret():
    assert without_userinfo("https://u:p@h:1/a?b=c#d") == "https://h:1/a"


def test_a_port_that_speaks_no_http():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        with session(url, retries=0) as rest, pytest.raises(ForgeError) as caught:
            rest.request("GET", "x")
        thread.join()
    assert caught.value.retry
