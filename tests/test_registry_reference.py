import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_bridge.errors import RegistryError
from gitops_bridge.registry.access import Access
from gitops_bridge.registry.reference import Reference, parse

DIGEST = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("busybox", Reference("docker.io", "library/busybox")),
        ("busybox:1.36", Reference("docker.io", "library/busybox", "1.36")),
        ("index.docker.io/a/b", Reference("docker.io", "a/b")),
        ("team/app:v1", Reference("docker.io", "team/app", "v1")),
        ("localhost/app", Reference("localhost", "app")),
        ("127.0.0.1:5000/a/b:t", Reference("127.0.0.1:5000", "a/b", "t")),
        ("[::1]:5000/a", Reference("[::1]:5000", "a")),
        ("Registry.Example.com/a", Reference("registry.example.com", "a")),
        (f"h.io/a/b__c:9.2.0@{DIGEST}", Reference("h.io", "a/b__c", "9.2.0", DIGEST)),
    ],
)
def test_references(text, expected):
    assert parse(text) == expected
    assert parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "h.io/", "h.io/A", "h.io/a:", "h.io/a:-x", "h.io/a@sha256:0a", "h.io/a b", "h.io/../x",
     "h.io/a?x=1", "h.io:99999999/a", "u:p@h.io/a", "https://h.io/a", "h.io/a\n", "h.io/a:t\n"],
)  # fmt: skip
def test_what_is_no_reference(text):
    with pytest.raises(RegistryError, match="image reference"):
        parse(text)


component = st.from_regex(r"[a-z0-9]+([._-][a-z0-9]+)*", fullmatch=True).map(lambda s: s[:30])


@given(
    st.lists(component.filter(lambda s: s[-1].isalnum()), min_size=1, max_size=4),
    st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20),
)
def test_a_reference_is_read_as_it_is_written(parts, tag):
    reference = Reference("r.example.com:5000", "/".join(parts), tag, DIGEST)
    assert parse(str(reference)) == reference


@given(st.text(max_size=80))
def test_any_text_is_a_reference_or_a_clear_error(text):
    try:
        reference = parse(text)
    except RegistryError:
        return
    assert parse(str(reference)) == reference
    assert not set(str(reference)) & set("\n\r ?#")


def test_schemes_and_mirrors():
    access = Access(
        plain_http=frozenset({"plain.example.com"}),
        ca_files={"127.0.0.1:5443": "ca.pem"},
        mirrors={"docker.io": "mirror.example.com/hub"},
    )
    assert access.base_url("docker.io") == "https://registry-1.docker.io/"
    assert access.base_url("plain.example.com") == "http://plain.example.com/"
    assert access.base_url("localhost:5000") == "http://localhost:5000/"
    assert access.base_url("127.9.9.9") == access.base_url("127.9.9.9")
    assert access.base_url("[::1]:5000") == "http://[::1]:5000/"
    assert access.base_url("127.0.0.1:5443") == "https://127.0.0.1:5443/"
    assert access.base_url("localhost.example.com") == "https://localhost.example.com/"
    sources = [str(item) for item in access.sources(parse("busybox:1"))]
    assert sources == ["mirror.example.com/hub/library/busybox:1", "docker.io/library/busybox:1"]
    assert access.sources(parse("h.io/a:1")) == [parse("h.io/a:1")]
