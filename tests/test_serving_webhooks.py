"""Webhooks over real sockets: who is believed; they only make the next look come sooner."""

import base64
import hashlib
import hmac
import http.client
import socket
from urllib.parse import urlsplit

import pytest
import requests

from gitops_bridge.errors import ConfigError
from gitops_bridge.serving import LookPace, StandingLoop
from gitops_bridge.serving.metrics import Metrics
from gitops_bridge.serving.server import Site, serving
from gitops_bridge.serving.webhooks import SENDERS, is_authentic

SECRET = "canary-hook-1b7e"
BODY = b'{"ref": "refs/heads/main"}'


def signed(body=BODY, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def basic(password, user="anybody"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


GENUINE = {
    "github": {"X-Hub-Signature-256": f"sha256={signed()}", "X-GitHub-Event": "push"},
    "gitlab": {"X-Gitlab-Token": SECRET},
    "gitea": {"X-Gitea-Signature": signed()},
    "bitbucket-cloud": {"X-Hub-Signature": f"sha256={signed()}"},
    "bitbucket-server": {"X-Hub-Signature": f"sha256={signed()}", "X-Event-Key": "pr:merged"},
    "azure-devops": {"Authorization": basic(SECRET)},
    "argocd": {"Authorization": f"Bearer {SECRET}"},
}
FORGED = {
    "github": {"X-Hub-Signature-256": f"sha256={signed(secret='guessed')}"},
    "gitlab": {"X-Gitlab-Token": SECRET[:-1]},
    "gitea": {"X-Gitea-Signature": signed(b"another body")},
    "bitbucket-cloud": {"X-Hub-Signature": signed()},
    "bitbucket-server": {"X-Hub-Signature": f"sha1={signed()}"},
    "azure-devops": {"Authorization": basic("guessed", user=SECRET)},
    "argocd": {"Authorization": basic(SECRET)},
}


class Hurried(StandingLoop):
    """A loop that counts who asks."""

    asked = 0

    def ask(self):
        self.asked += 1


@pytest.fixture
def loop():
    return Hurried(list, pace=LookPace(), clock=lambda: 0.0, chance=lambda: 0.0)


@pytest.fixture
def address(loop):
    secrets = {sender: lambda: SECRET for sender in SENDERS}
    with serving(Site(loop, Metrics(now=lambda: 0.0), secrets), "127.0.0.1", 0) as address:
        yield address


def post(address, sender, headers, body=BODY):
    return requests.post(f"{address}/webhooks/{sender}", data=body, headers=headers, timeout=5)


def test_every_sender_is_tried():
    assert set(GENUINE) == set(FORGED) == set(SENDERS)


@pytest.mark.parametrize("sender", SENDERS)
def test_who_knows_the_secret_makes_the_next_look_come_sooner(address, loop, sender):
    answer = post(address, sender, GENUINE[sender])
    assert (answer.status_code, loop.asked) == (202, 1)


@pytest.mark.parametrize("sender", SENDERS)
def test_who_does_not_know_it_is_refused(address, loop, sender):
    for headers in (FORGED[sender], {}, dict.fromkeys(GENUINE[sender], "")):
        answer = post(address, sender, headers)
        assert answer.status_code == 401
        assert SECRET not in answer.text
    assert loop.asked == 0
    refused = f'webhooks_total{{result="refused",sender="{sender}"}} 3.0'
    assert refused in requests.get(f"{address}/metrics", timeout=5).text


@pytest.mark.parametrize("sender", ["github", "gitea", "bitbucket-cloud", "bitbucket-server"])
def test_a_body_that_was_changed_on_its_way_is_refused(address, loop, sender):
    assert post(address, sender, GENUINE[sender], BODY + b" ").status_code == 401
    assert loop.asked == 0


def test_the_example_of_githubs_documentation():
    header = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"x-hub-signature-256": header}
    assert is_authentic("github", "It's a Secret to Everybody", headers, b"Hello, World!")


def test_an_empty_secret_lets_nobody_in():
    for sender, (header, expected) in SENDERS.items():
        assert not is_authentic(sender, "", {header: expected("", BODY)}, BODY)


def test_headers_that_are_no_ascii_are_only_wrong(address):
    answer = post(address, "gitlab", {"X-Gitlab-Token": "schlüssel".encode()})
    assert answer.status_code == 401


def test_the_unsigned_ping_of_bitbucket_changes_nothing(address, loop):
    answer = post(address, "bitbucket-server", {"X-Event-Key": "diagnostics:ping"})
    assert (answer.status_code, loop.asked) == (200, 0)
    assert post(address, "github", {"X-Event-Key": "diagnostics:ping"}).status_code == 401


@pytest.mark.parametrize("path", ["", "webhooks", "webhooks/", "webhooks/sourceforge", "livez"])
def test_addresses_that_are_none(address, path):
    assert requests.post(f"{address}/{path}", data=b"x", timeout=5).status_code == 404


def test_a_sender_without_a_secret_is_not_known(loop):
    site = Site(loop, Metrics(now=lambda: 0.0), {"github": lambda: SECRET})
    with serving(site, "127.0.0.1", 0) as address:
        assert post(address, "gitlab", GENUINE["gitlab"]).status_code == 404
    with pytest.raises(ValueError, match="sourceforge"):
        Site(loop, Metrics(now=lambda: 0.0), {"sourceforge": lambda: SECRET})


def test_a_secret_that_cannot_be_read_is_no_traceback(loop):
    def unreadable():
        raise ConfigError("webhooks.github: /run/secrets/hook cannot be read")

    with serving(Site(loop, Metrics(now=lambda: 0.0), {"github": unreadable}), "127.0.0.1", 0) as a:
        answer = post(a, "github", GENUINE["github"])
    assert (answer.status_code, loop.asked) == (503, 0)


def test_bodies_without_a_length_or_too_long_are_not_read(address, loop):
    host = urlsplit(address).netloc
    for headers, status in (
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": str(1 << 30)}, 413),
        ({"Content-Length": "-1"}, 411),
    ):
        connection = http.client.HTTPConnection(host, timeout=5)
        connection.putrequest("POST", "/webhooks/github")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()
    assert loop.asked == 0


def test_a_client_that_never_finishes_does_not_stop_the_others(address):
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as slow:
        slow.sendall(b"POST /webhooks/github HTTP/1.1\r\nContent-Le")
        assert post(address, "github", GENUINE["github"]).status_code == 202
