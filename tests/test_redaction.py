"""A secret is found in whatever spelling a library, a server or a shell gives it."""

import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.redaction import Redactor

SECRETS = ["s3cr3t-canary", "line\nbreak-canary", "qu\"ote's & <canary>", "päss wörd/canary+="]
SPELLINGS = {
    "itself": str,
    "repr": repr,
    "repr of bytes": lambda secret: repr(secret.encode()),
    "json": json.dumps,
    "json in utf-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "percent": lambda secret: quote(secret, safe=""),
    "percent, lower case": lambda secret: quote(secret, safe="").replace("%2F", "%2f"),
    "a path": quote,
    "a form": quote_plus,
    "a query": lambda secret: urlencode({"token": secret}),
    "html": html.escape,
    "shell": shlex.quote,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "url-safe base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    **{
        f"basic authentication of {user!r}": lambda secret, user=user: base64.b64encode(
            f"{user}:{secret}".encode()
        ).decode()
        for user in ("", "u", "us", "user")
    },
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("secret", SECRETS)
def test_every_spelling(secret, spelling):
    told = Redactor(secret)(f"<{SPELLINGS[spelling](secret)}>")
    assert "[redacted]" in told
    for part in ("canary", base64.b64encode(secret.encode()).decode()[4:-4]):
        assert part not in told


def test_the_lines_of_a_key():
    key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEAcanary\n-----END KEY-----\n"
    assert "canary" not in Redactor(key)("unexpected MIIEowIBAAKCAQEAcanary in line 2")
    assert Redactor(key)("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


@given(st.lists(st.text(min_size=1)), st.text(min_size=1, alphabet="abc+/=%\\\n'\" é"))
def test_nothing_is_left(others, secret):
    assert secret not in Redactor(secret, *others)(f"x{secret}y").replace("[redacted]", "\0")


def test_without_secrets_text_stays_what_it_is():
    assert Redactor("")("plain [text]") == "plain [text]"
