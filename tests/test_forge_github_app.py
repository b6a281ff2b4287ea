"""Installation tokens of a GitHub App, against a stand-in that verifies the App's signature."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gitops_bridge.errors import ForgeError
from gitops_bridge.forge import AppTokens, Location, connect
from tests.servers.forges.base import sha
from tests.servers.forges.github import GitHubServer

BRANCH = "gitops-bridge/prod/1"


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.fixture
def server(keys):
    with GitHubServer().running() as server:
        server.app_key = keys[1]
        server.push(BRANCH, sha("first"))
        yield server
    assert server.violations == []


def tokens(server, private_key, **more):
    return AppTokens(
        server.api_url, server.project, app_id=more.pop("app_id", "12345"),
        private_key=private_key, clock=lambda: server.now, sleep=lambda _: None, **more,
    )  # fmt: skip


def forge_with(server, token):
    location = Location("github", "127.0.0.1", server.api_url, server.project)
    return connect(location, token, clock=lambda: server.now, sleep=lambda _: None)


def mints(server):
    return [line for line in server.log if "access_tokens" in line]


def test_one_token_serves_many_requests_and_is_renewed_before_it_expires(server, keys):
    forge = forge_with(server, tokens(server, keys[0]))
    for _ in range(3):
        assert forge.find(BRANCH) is None
    assert len(mints(server)) == 1
    server.now += 3600 - 301
    forge.find(BRANCH)
    assert len(mints(server)) == 1
    server.now += 1
    forge.find(BRANCH)
    assert len(mints(server)) == 2


def test_the_installation_is_looked_up_once_unless_given(server, keys):
    forge_with(server, tokens(server, keys[0])).find(BRANCH)
    assert sum(line.endswith("/installation") for line in server.log) == 1
    server.log.clear()
    forge_with(server, tokens(server, keys[0], installation_id=77)).find(BRANCH)
    assert not any(line.endswith("/installation") for line in server.log)


def test_an_app_that_is_not_installed_here(server, keys):
    forge = forge_with(server, tokens(server, keys[0], installation_id=78))
    with pytest.raises(ForgeError, match="404") as raised:
        forge.find(BRANCH)
    assert "install it" in raised.value.hint


def test_an_id_that_does_not_belong_to_the_key(server, keys):
    with pytest.raises(ForgeError, match="401") as raised:
        tokens(server, keys[0], app_id="999")()
    assert "clock" in raised.value.hint


@pytest.mark.parametrize("key", ["", "canary-not-a-key", "-----BEGIN RSA PRIVATE KEY-----\ncanary"])
def test_a_key_that_is_none(server, key):
    with pytest.raises(ForgeError, match="private key") as raised:
        tokens(server, key)()
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_neither_token_nor_signature_in_a_message(server, keys):
    server.fail(500, times=9, message="you sent ghs_1")
    with pytest.raises(ForgeError) as raised:
        tokens(server, keys[0])()
    assert "eyJ" not in str(raised.value)
    server.calm()
    forge = forge_with(server, tokens(server, keys[0]))
    forge.find(BRANCH)
    server.fail(422, message="you sent ghs_1")
    with pytest.raises(ForgeError) as raised:
        forge.find(BRANCH)
    assert "ghs_1" not in str(raised.value)
