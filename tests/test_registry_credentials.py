import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.credentials import Credential, keychain
from gitops_bridge.registry.tokens import Challenge, parse_challenge

SECRET = "secret-canary"


def auth(user, password=SECRET):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def chain(**config):
    return keychain(json.dumps(config), "config.json")


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Installs docker-credential-<name>: what it was asked for is in <name>.asked."""

    def install(name, script):
        program = tmp_path / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\ncat > {tmp_path}/{name}.asked\n{script}\n")
        program.chmod(0o755)
        return tmp_path / f"{name}.asked"

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return install


def test_the_entry_with_the_longest_path_wins():
    found = chain(
        auths={
            "https://index.docker.io/v1/": auth("hub"),
            "https://r.example.com/v2/": auth("host"),
            "r.example.com/team": auth("team"),
            "empty.example.com": {},
        }
    )
    assert found.credential("docker.io", "library/busybox").username == "hub"
    assert found.credential("r.example.com", "team/app").username == "team"
    assert found.credential("r.example.com", "teams/app").username == "host"
    assert found.credential("r.example.com", "team/app").password == SECRET
    assert found.credential("empty.example.com", "a") is None
    assert found.credential("evil-r.example.com", "a") is None


def test_password_with_colons_and_identity_tokens():
    found = chain(
        auths={
            "a.io": auth("me", "a:b:c"),
            "b.io": {"username": "me", "password": SECRET},
            "c.io": {**auth("00000000-0000-0000-0000-000000000000", ""), "identitytoken": SECRET},
            "d.io": {"auth": "\n".join(auth("me", SECRET * 9)["auth"][i : i + 76]
                                       for i in range(0, 400, 76)) + "\n"},
            "e.io/team/v2": auth("path"),
        }
    )  # fmt: skip
    assert found.credential("d.io", "x").password == SECRET * 9, "wrapped, as `base64` prints it"
    assert found.credential("e.io", "team/v2/x").username == "path"
    assert found.credential("e.io", "team/other") is None
    assert found.credential("a.io", "x").password == "a:b:c"
    assert found.credential("b.io", "x") == Credential("me", SECRET)
    assert found.credential("c.io", "x").identity_token == SECRET


def test_given_credentials_come_first():
    text = json.dumps({"auths": {"a.io": auth("file")}, "credsStore": "absent"})
    found = keychain(text, "config.json", {"A.io": Credential("given", SECRET)})
    assert found.credential("a.io", "x").username == "given"


def test_helpers(helper):
    asked = helper("ecr-login", f'echo \'{{"Username":"AWS","Secret":"{SECRET}"}}\'')
    helper("acr-env", f'echo \'{{"Username":"<token>","Secret":"{SECRET}"}}\'')
    hub = helper("store", "echo credentials not found in native keychain; exit 1")
    found = chain(
        auths={"docker.io": auth("hub")},
        credHelpers={"1.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login", "x.azurecr.io": "acr-env"},
        credsStore="store",
    )
    assert found.credential("1.dkr.ecr.eu-west-1.amazonaws.com", "a") == Credential("AWS", SECRET)
    assert asked.read_text() == "1.dkr.ecr.eu-west-1.amazonaws.com"
    assert found.credential("x.azurecr.io", "a").identity_token == SECRET
    assert found.credential("docker.io", "a").username == "hub"
    assert hub.read_text() == "https://index.docker.io/v1/"
    assert found.credential("other.io", "a") is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f'echo \'{{"Secret": "{SECRET}"}}\'; echo no identity >&2; exit 1', "no identity"),
        ("echo aws: command not found; exit 127", "aws: command not found"),
        ("kill -9 $$", "failed"),
        (f"echo {SECRET}", "something else"),
        (f"echo '[\"{SECRET}\"]'", "something else"),
        (f'echo \'{{"Username": null, "Secret": "{SECRET}"}}\'', "something else"),
        (f'echo \'{{"Username": "me", "Secret": ["{SECRET}"]}}\'', "something else"),
        ("head -c 100000 /dev/urandom", "something else"),
        ("true", "something else"),
    ],
)
def test_a_helper_that_fails(helper, script, words):
    helper("broken", script)
    with pytest.raises(RegistryError, match=words) as caught:
        chain(credHelpers={"a.io": "broken"}).credential("a.io", "x")
    assert "docker-credential-broken for a.io" in str(caught.value)
    assert caught.value.hint
    assert not caught.value.retry
    assert SECRET not in str(caught.value)


def test_a_helper_that_is_not_there_or_cannot_be_run(helper, tmp_path):
    helper("odd", "true")
    (tmp_path / "docker-credential-odd").write_bytes(b"\x7fELF of another machine")
    found = chain(credHelpers={"a.io": "absent", "b.io": "odd"})
    for host, words in {"a.io": "not on PATH", "b.io": "cannot be run"}.items():
        with pytest.raises(RegistryError, match=words) as caught:
            found.credential(host, "x")
        assert not caught.value.retry


def _has_ended(state):
    time.sleep(0.05)
    try:
        return state.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_helper_that_hangs_ends_with_all_it_has_started(helper, tmp_path):
    helper("slow", f"sleep 600 & echo $! > {tmp_path}/child; wait")
    text = json.dumps({"credHelpers": {"a.io": "slow"}})
    with pytest.raises(RegistryError, match=r"gave no answer in 0\.5 s") as caught:
        keychain(text, "config.json", patience=0.5).credential("a.io", "x")
    assert caught.value.retry
    state = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    assert any(_has_ended(state) for _ in range(100))  # a kill takes effect when it is scheduled


def test_a_helper_whose_output_is_held_by_something_it_has_started(helper):
    helper("daemon", "setsid sleep 5 &")
    text = json.dumps({"credHelpers": {"a.io": "daemon"}})
    with pytest.raises(RegistryError, match="gave no answer"):
        keychain(text, "config.json", patience=0.5).credential("a.io", "x")


def test_a_helper_without_a_secret_is_one_that_knows_nothing(helper):
    helper("empty", """echo '{"Username":"","Secret":""}'""")
    assert chain(credHelpers={"a.io": "empty"}).credential("a.io", "x") is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"auths": [1]}',
        '{"auths": {"a.io": "secret-canary"}}',
        '{"auths": {"a.io": {"auth": "secret-canary"}}}',
        '{"credHelpers": {"a.io": "../secret"}}',
        '{"credsStore": 1}',
    ],
)
def test_a_file_that_is_no_docker_config(text):
    with pytest.raises(RegistryError, match=r"^config\.json: ") as caught:
        keychain(text, "config.json")
    assert SECRET not in str(caught.value)


def test_no_secret_in_a_repr():
    assert SECRET not in repr(Credential("me", SECRET, SECRET))
    assert SECRET not in repr(keychain(None, "", {"a.io": Credential("me", SECRET)}))
    assert SECRET not in repr(chain(auths={"a.io": auth("me")}))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Challenge()),
        ('Basic realm="x"', Challenge("basic", {"realm": "x"})),
        (
            'Bearer realm="https://t/x",service="a b",scope="repository:a/b:pull,push"',
            Challenge(
                "bearer",
                {"realm": "https://t/x", "service": "a b", "scope": "repository:a/b:pull,push"},
            ),
        ),
        ('BASIC realm="x", Bearer realm="https://t"', Challenge("bearer", {"realm": "https://t"})),
        ("Negotiate", Challenge()),
    ],
)
def test_challenges(header, expected):
    assert parse_challenge(header) == expected


@given(st.text(max_size=200))
def test_any_header_is_a_challenge_or_none(header):
    assert parse_challenge(header).scheme in {"", "basic", "bearer"}
