"""The registry client against Debian's docker-registry, a token server and a front that fails."""

import base64
import hashlib
import json
import re

import pytest

from gitops_bridge.errors import HiddenImage, RegistryError
from gitops_bridge.registry.access import Access, Patience
from gitops_bridge.registry.client import INDEXES, MANIFESTS, Registry
from gitops_bridge.registry.credentials import Credential, keychain
from tests.servers import registry as servers
from tests.servers.registry import PASSWORD, USER, Fault

KNOWN = Credential(USER, PASSWORD)
WRONG = Credential(USER, "wrong-canary")
CONTENT = b"a layer" * 50_000


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def client(host=None, credential=None, **access):
    return Registry(keychain(None, "", {host: credential} if credential else {}), Access(**access))


def push_image(registry, reference, labels=None, architecture="amd64", layer=CONTENT):
    """A small image by hand; its digest."""
    repository = reference.rpartition(":")[0]
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]},
        }
    ).encode()
    for blob in (layer, config):
        registry.push_blob(repository, sha256(blob), blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFESTS[0],
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": sha256(config),
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": sha256(layer),
                "size": len(layer),
            }
        ],
    }
    return registry.put_manifest(reference, json.dumps(manifest).encode(), MANIFESTS[0])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with servers.serve(tmp_path_factory.mktemp("plain")) as running:
        yield running.host


@pytest.fixture
def front(plain):
    state = servers.Front(plain)
    with state.running() as host:
        state.host = host
        yield state


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with servers.serve(tmp_path_factory.mktemp("guarded"), htpasswd=True) as running:
        yield running.host


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return servers.make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def token_server(tmp_path_factory):
    state = servers.TokenServer(tmp_path_factory.mktemp("tokens"))
    with state.running():
        yield state


@pytest.fixture(scope="module")
def bearer(tmp_path_factory, token_server):
    with servers.serve(tmp_path_factory.mktemp("bearer"), token=token_server.section) as running:
        yield running.host


def test_what_is_pushed_is_found(plain):
    with client() as registry:
        reference = f"{plain}/team/app:1"
        assert registry.digest(reference) is None
        digest = push_image(registry, reference, {"a": "b"})
        assert registry.digest(reference) == digest
        assert registry.digest(f"{plain}/team/app@{digest}") == digest
        assert registry.manifest(reference).digest == digest
        assert registry.labels(reference) == {"a": "b"}
        assert (
            b"".join(registry.blob(f"{plain}/team/app", sha256(CONTENT), len(CONTENT))) == CONTENT
        )
        with pytest.raises(RegistryError, match="not in the registry"):
            registry.manifest(f"{plain}/team/app:2")


def test_mounts_and_refused_mounts(plain, front):
    with client() as registry:
        push_image(registry, f"{plain}/mount/source:1")
        assert registry.mount_blob(
            f"{plain}/mount/target", sha256(CONTENT), f"{plain}/mount/source"
        )
        assert registry.has_blob(f"{plain}/mount/target", sha256(CONTENT))
        assert not registry.mount_blob(f"{plain}/mount/x", sha256(b"no"), f"{plain}/mount/source")
        assert not registry.mount_blob(f"{plain}/mount/x", sha256(CONTENT), "h.io/mount/source")
        for status in (400, 401, 403, 404, 405):
            front.faults = [Fault("POST .*mount=", times=2, status=status)]
            assert not registry.mount_blob(
                f"{front.host}/mount/y", sha256(CONTENT), f"{front.host}/mount/source"
            )


def test_an_index_stands_for_linux_amd64(plain):
    with client() as registry:
        repository = f"{plain}/multi/app"
        items = []
        for name in ("arm64", "amd64"):
            digest = push_image(registry, f"{repository}:{name}", {"for": name}, name)
            size = len(registry.manifest(f"{repository}:{name}").content)
            items.append({"mediaType": MANIFESTS[0], "digest": digest, "size": size,
                          "platform": {"os": "linux", "architecture": name}})  # fmt: skip
        for tag, manifests in {"both": items, "arm": items[:1]}.items():
            index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": manifests}
            content = json.dumps(index).encode()
            digest = registry.put_manifest(f"{repository}:{tag}", content, INDEXES[0])
            assert registry.digest(f"{repository}:{tag}") == digest
        assert registry.image(f"{repository}:both").digest == items[1]["digest"]
        assert registry.labels(f"{repository}:both") == {"for": "amd64"}
        with pytest.raises(RegistryError, match="linux/amd64"):
            registry.image(f"{repository}:arm")


def test_basic(guarded):
    reference = f"{guarded}/team/app:1"
    with client(guarded, KNOWN) as registry:
        assert registry.ping(guarded) == "basic"
        digest = push_image(registry, reference)
        assert registry.digest(reference) == digest
    with client(guarded, WRONG) as registry, pytest.raises(RegistryError) as caught:
        registry.digest(reference)
    assert caught.value.status == 401
    assert "password" in str(caught.value)
    assert "wrong-canary" not in str(caught.value)
    with client() as registry, pytest.raises(RegistryError, match="no credential") as caught:
        registry.digest(reference)
    assert not caught.value.retry


@pytest.mark.parametrize("kind", ["guarded", "bearer"])
def test_a_refusal_names_the_user_and_where_it_is_from(kind, request):
    host = request.getfixturevalue(kind)
    login = base64.b64encode(b"robot:wrong-canary").decode()
    config = json.dumps({"auths": {f"https://{host}/v1/": {"auth": login}}})
    with (
        Registry(keychain(config, "/kaniko/.docker/config.json"), Access()) as registry,
        pytest.raises(RegistryError, match="401") as caught,
    ):
        push_image(registry, f"{host}/team/named:1")
    where = f"user 'robot' of /kaniko/.docker/config.json, auths.https://{host}/v1/"
    assert where in str(caught.value)
    other = json.dumps({"auths": {"elsewhere.example.com": {"auth": login}}})
    with (
        Registry(keychain(other, "/kaniko/.docker/config.json"), Access()) as registry,
        pytest.raises(RegistryError) as caught,
    ):
        push_image(registry, f"{host}/team/named:1")
    wanted = f"no credential for {host} was found in /kaniko/.docker/config.json"
    assert wanted in str(caught.value)
    assert "canary" not in str(caught.value)


def test_bearer(bearer, token_server):
    reference = f"{bearer}/team/app:1"
    with client(bearer, KNOWN) as registry:
        assert registry.ping(bearer) == "bearer"
        digest = push_image(registry, reference)
        before = len(token_server.issued)
        assert registry.digest(reference) == digest
        assert registry.digest(reference) == digest
        assert len(token_server.issued) == before + 1, "one token per scope"
        assert registry.mount_blob(f"{bearer}/other/app", sha256(CONTENT), f"{bearer}/team/app")
    with client() as registry:
        assert registry.digest(reference) == digest, "anybody may pull"
        with pytest.raises(RegistryError, match=r"401.*no credential"):
            push_image(registry, f"{bearer}/team/app:2")
    with client(bearer, WRONG) as registry, pytest.raises(RegistryError) as caught:
        registry.digest(reference)
    assert "token server" in str(caught.value)
    assert "wrong-canary" not in str(caught.value)


def test_a_token_server_that_gives_none_for_a_mount(bearer, token_server, monkeypatch):
    with client(bearer, KNOWN) as registry:
        push_image(registry, f"{bearer}/theirs/app:1")
        monkeypatch.setattr(token_server, "forbidden", "theirs/app")
        assert not registry.mount_blob(
            f"{bearer}/ours/app", sha256(CONTENT), f"{bearer}/theirs/app"
        )
        registry.push_blob(f"{bearer}/ours/app", sha256(CONTENT), CONTENT)
        with pytest.raises(RegistryError, match="not yours"):
            registry.digest(f"{bearer}/theirs/app:1")


def test_an_identity_token_is_exchanged(bearer, token_server):
    with client(bearer, Credential("<token>", identity_token="refresh-canary")) as registry:
        push_image(registry, f"{bearer}/identity/app:1")
    with (
        client(bearer, Credential("<token>", identity_token="old-canary")) as registry,
        pytest.raises(RegistryError, match="invalid refresh token") as caught,
    ):
        registry.digest(f"{bearer}/identity/app:1")
    assert "old-canary" not in str(caught.value)


@pytest.mark.parametrize("kind", ["guarded", "bearer"])
def test_a_helper_is_asked_once_and_anew_after_a_refusal(kind, request, tmp_path, monkeypatch):
    host = request.getfixturevalue(kind)
    program = tmp_path / "docker-credential-counting"
    program.write_text(f"#!/bin/sh\necho >> {tmp_path}/asked\ncat {tmp_path}/answer\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def answer(password):
        (tmp_path / "answer").write_text(json.dumps({"Username": USER, "Secret": password}))

    def asked():
        return len((tmp_path / "asked").read_text().splitlines())

    answer(PASSWORD)
    found = keychain(json.dumps({"credHelpers": {host: "counting"}}), "config.json")
    with Registry(found, Access()) as registry:
        push_image(registry, f"{host}/helped/app:1")
        assert asked() == 1
    answer("expired-canary")
    with Registry(found, Access()) as registry:
        with pytest.raises(RegistryError, match="401"):
            registry.digest(f"{host}/helped/app:1")
        answer(PASSWORD)
        assert registry.digest(f"{host}/helped/app:1")
    assert asked() == 3


def test_a_registry_that_is_open_at_its_root_only(guarded):
    """As Artifactory and Nexus can be: `/v2/` answers anybody, a repository wants to know who."""
    state = servers.Front(guarded)
    state.faults = [Fault("GET /v2/$", times=99, status=200, body=b"{}")]
    with state.running() as host, client(host, KNOWN) as registry:
        assert registry.ping(host) == ""
        assert push_image(registry, f"{host}/rooted/app:1") == registry.digest(
            f"{host}/rooted/app:1"
        )


def test_an_expired_token_is_renewed(bearer, token_server, monkeypatch):
    with client(bearer, KNOWN) as registry:
        monkeypatch.setattr(token_server, "lifetime", -300)
        with pytest.raises(RegistryError, match="401"):
            registry.digest(f"{bearer}/expired/app:1")
        monkeypatch.setattr(token_server, "lifetime", 300)
        assert registry.digest(f"{bearer}/expired/app:1") is None


def test_no_credential_for_a_token_server_in_the_clear(tmp_path, tls):
    tokens = servers.TokenServer(tmp_path / "tokens")
    with (
        tokens.running(),
        servers.serve(tmp_path, token=tokens.section, tls=tls) as running,
        client(running.host, KNOWN, ca_files={running.host: tls.ca}) as registry,
        pytest.raises(RegistryError, match="plain HTTP for a token"),
    ):
        registry.digest(f"{running.host}/a:1")
    assert not tokens.issued


@pytest.mark.parametrize("trust", ["ca", "own ca", "none"])
def test_a_token_server_signed_by_the_registry_s_ca(tmp_path, tls, trust):
    """As GitLab has it: registry and token server are two hosts behind one private CA."""
    tokens = servers.TokenServer(tmp_path / "tokens")
    with (
        tokens.running(tls) as realm,
        servers.serve(tmp_path / "registry", token=tokens.section, tls=tls) as running,
    ):
        access = {
            "ca": {"ca_files": {running.host: tls.ca}},
            "own ca": {"ca_files": {realm: tls.ca}, "unverified": frozenset({running.host})},
            "none": {"unverified": frozenset({running.host})},
        }[trust]
        with client(running.host, KNOWN, **access) as registry:
            digest = push_image(registry, f"{running.host}/signed/app:1")
            assert registry.digest(f"{running.host}/signed/app:1") == digest
        foreign = servers.make_tls(tmp_path / "foreign").ca
        access = {"ca_files": {running.host: tls.ca, realm: foreign}}
        with (
            client(running.host, KNOWN, **access) as registry,
            pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            registry.digest(f"{running.host}/signed/app:1")


def test_tls(tmp_path, tls, plain):
    with servers.serve(tmp_path, htpasswd=True, tls=tls) as running:
        host = running.host
        with client(host, KNOWN, ca_files={host: tls.ca}) as registry:
            push_image(registry, f"{host}/team/app:1")
        with client(host, KNOWN, unverified=frozenset({host})) as registry:
            assert registry.digest(f"{host}/team/app:1")
        foreign = servers.make_tls(tmp_path / "foreign")
        with (
            client(host, KNOWN, ca_files={host: foreign.ca}) as registry,
            pytest.raises(RegistryError, match="name the CA") as caught,
        ):
            registry.digest(f"{host}/team/app:1")
        assert not caught.value.retry
        with (
            client(host, KNOWN) as registry,
            pytest.raises(RegistryError, match="speaks TLS"),
        ):
            registry.digest(f"{host}/team/app:1")
    with (
        client(ca_files={plain: tls.ca}) as registry,
        pytest.raises(RegistryError, match="speak plain HTTP"),
    ):
        registry.digest(f"{plain}/team/app:1")


def test_a_proxy_that_ends_tls_and_names_itself_in_the_clear(plain, tls):
    state = servers.Front(plain)
    with state.running(tls) as host, client(ca_files={host: tls.ca}) as registry:
        push_image(registry, f"{host}/proxied/app:1")
        assert registry.digest(f"{host}/proxied/app:1")


def test_no_upload_in_the_clear_where_the_registry_speaks_tls(plain, tls):
    state = servers.Front(plain)
    with state.running(tls) as host, client(ca_files={host: tls.ca}) as registry:
        location = f"http://{plain}/v2/clear/app/blobs/uploads/1"
        state.faults = [Fault("POST", status=202, headers={"Location": location})]
        with pytest.raises(RegistryError, match="over plain HTTP"):
            registry.push_blob(f"{host}/clear/app", sha256(CONTENT), CONTENT)


def test_blobs_come_from_another_host_without_our_token(tmp_path, bearer):
    storage = tmp_path / "storage"
    with servers.serve(storage) as other, client(bearer, KNOWN) as registry:
        registry.push_blob(f"{other.host}/store/app", sha256(CONTENT), CONTENT)
        state = servers.Front(bearer)
        outside = servers.Front(other.host)
        with state.running() as host, outside.running() as elsewhere:
            location = f"http://{elsewhere}/v2/store/app/blobs/{sha256(CONTENT)}"
            state.faults = [Fault("GET .*/blobs/", status=307, headers={"Location": location})]
            with client(host, KNOWN) as fronted:
                found = b"".join(fronted.blob(f"{host}/a", sha256(CONTENT), len(CONTENT)))
        assert found == CONTENT
        assert any(state.seen_authorization)
        assert outside.seen_authorization == [""]


def test_head_without_a_digest_reads_the_manifest(front):
    with client() as registry:
        digest = push_image(registry, f"{front.host}/quirk/app:1")
        front.faults = [Fault("HEAD", hide="Docker-Content-Digest")]
        assert registry.digest(f"{front.host}/quirk/app:1") == digest
        front.faults = [Fault("HEAD", status=405)]
        assert registry.digest(f"{front.host}/quirk/app:1") == digest
        for told in ("sha512:" + "0" * 128, "sha256:1", "none"):
            front.faults = [Fault("HEAD", headers={"Docker-Content-Digest": told})]
            assert registry.digest(f"{front.host}/quirk/app:1") == digest


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_registry_that_is_busy_for_a_moment(front, status):
    with client() as registry:
        digest = push_image(registry, f"{front.host}/busy/app:1")
        front.faults = [Fault("HEAD", status=status, headers={"Retry-After": "0"})]
        assert registry.digest(f"{front.host}/busy/app:1") == digest
        front.faults = [Fault("HEAD", times=2, lose_answer=True)]
        assert registry.digest(f"{front.host}/busy/app:1") == digest
        assert not any(fault.times for fault in front.faults)


@pytest.mark.parametrize("where", ["GET /v2/$", "HEAD .*/manifests/"])
def test_a_registry_that_does_not_answer(front, where):
    """Without an end to its patience this test would take twenty minutes."""
    patience = Patience(connect=0.5, answer=0.5, pause=0.5, retries=1)
    front.faults = [Fault(where, times=9, stall=True)]
    with client(patience=patience) as registry, pytest.raises(RegistryError) as caught:
        registry.digest(f"{front.host}/silent/app:1")
    assert "timed out" in str(caught.value).lower()
    assert caught.value.retry


def test_a_registry_that_redirects_to_its_storage(plain, tmp_path):
    """A manifest, looked for or read, from another place; what is looked for there is not ours."""
    with client() as registry:
        digest = push_image(registry, f"{plain}/moved/app:1")
        state = servers.Front(plain)
        with state.running() as host:
            location = {"Location": f"http://{plain}/v2/moved/app/manifests/1"}
            state.faults = [Fault("/manifests/", times=2, status=307, headers=location)]
            assert registry.digest(f"{host}/a/b:1") == digest
            assert registry.manifest(f"{host}/a/b:1").digest == digest
            state.faults = [Fault("HEAD", times=99, status=307, headers={"Location": "/v2/loop"})]
            with pytest.raises(RegistryError, match="307"):
                registry.digest(f"{host}/a/b:1")


def test_an_index_whose_type_a_proxy_has_lost(front):
    with client() as registry:
        digest = push_image(registry, f"{front.host}/typed/app:1", {"a": "b"})
        size = len(registry.manifest(f"{front.host}/typed/app:1").content)
        item = {"mediaType": MANIFESTS[0], "digest": digest, "size": size,
                "platform": {"os": "linux", "architecture": "amd64"}}  # fmt: skip
        attestation = {**item, "platform": None}
        index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": [attestation, item]}
        registry.put_manifest(f"{front.host}/typed/app:2", json.dumps(index).encode(), INDEXES[0])
        guessed = {"Content-Type": "application/json"}
        front.faults = [Fault("GET .*/manifests/", times=9, headers=guessed)]
        assert registry.image(f"{front.host}/typed/app:2").digest == digest
        assert registry.labels(f"{front.host}/typed/app:2") == {"a": "b"}


@pytest.mark.parametrize(
    "content", [b"[]", b"nonsense", b"{}", b'{"manifests": 1}', b'{"manifests": [1]}', b"[" * 9999]
)
@pytest.mark.parametrize("media_type", [INDEXES[0], MANIFESTS[0]])
def test_a_registry_that_talks_nonsense(front, content, media_type):
    front.faults = [
        Fault("/manifests/", times=9, status=200, body=content,
              headers={"Content-Type": media_type})
    ]  # fmt: skip
    with client() as registry, pytest.raises(RegistryError):
        registry.labels(f"{front.host}/odd/app:1")


def transfer(registry, repository):
    registry.push_blob(repository, sha256(b"new"), b"new")
    list(registry.blob(repository, sha256(b"new"), 3))


@pytest.mark.parametrize("nowhere", ["https://h.io:99999/v2/?canary", "http://[::1/x", "//h:x/y"])
def test_a_registry_that_points_to_no_address(front, nowhere):
    challenge = {"WWW-Authenticate": f'Bearer realm="{nowhere}"'}
    for fault in (
        Fault("POST .*/uploads/", times=9, status=202, headers={"Location": nowhere}),
        Fault("GET .*/blobs/", times=9, status=307, headers={"Location": nowhere}),
        Fault("/v2/$", times=9, status=401, headers=challenge),
    ):
        front.faults = [fault]
        with (
            client() as registry,
            pytest.raises(RegistryError, match="is not a valid URL") as caught,
        ):
            transfer(registry, f"{front.host}/odd/app")
        assert not caught.value.retry
        assert "canary" not in str(caught.value)


def test_an_altered_answer_is_refused(front):
    with client() as registry:
        repository = f"{front.host}/altered/app"
        digest = push_image(registry, f"{repository}:1")
        front.faults = [Fault("GET .*/blobs/", alter=lambda body: body[:-1] + b"?")]
        with pytest.raises(RegistryError, match="not what its digest says"):
            list(registry.blob(repository, sha256(CONTENT), len(CONTENT)))
        front.faults = [Fault("GET .*/manifests/", alter=lambda body: body + b" ")]
        with pytest.raises(RegistryError, match="the registry answered with"):
            registry.manifest(f"{repository}@{digest}")


def test_an_upload_survives_a_broken_connection(front, caplog):
    with client() as registry:
        front.faults = [Fault("PATCH", times=2, cut_after=70_000)]
        registry.push_blob(f"{front.host}/broken/app", sha256(CONTENT), CONTENT)
        assert registry.has_blob(f"{front.host}/broken/app", sha256(CONTENT))
        assert caplog.text.count(f"{sha256(CONTENT)} is sent again from its start") == 2
        other = CONTENT + b"!"
        front.faults = [Fault("PATCH", times=9, cut_after=70_000)]
        with pytest.raises(RegistryError) as caught:
            registry.push_blob(f"{front.host}/broken/app", sha256(other), other)
        assert caught.value.retry


def test_an_upload_whose_last_answer_is_lost(front):
    with client() as registry:
        other = CONTENT + b"lost"
        front.faults = [Fault("PUT", lose_answer=True)]
        registry.push_blob(f"{front.host}/lost/app", sha256(other), other)
        assert registry.has_blob(f"{front.host}/lost/app", sha256(other))
    assert front.received["PATCH"] == len(other), "sent once"


def test_a_registry_without_patch(front):
    with client() as registry:
        front.faults = [Fault("PATCH", status=405)]
        registry.push_blob(f"{front.host}/put/app", sha256(CONTENT), CONTENT)
        assert registry.has_blob(f"{front.host}/put/app", sha256(CONTENT))


def test_content_that_is_not_its_digest(plain):
    with client() as registry, pytest.raises(RegistryError, match="DIGEST_INVALID") as caught:
        registry.push_blob(f"{plain}/lies/app", sha256(b"other"), CONTENT)
    assert not caught.value.retry


def code(name, message=""):
    return json.dumps({"errors": [{"code": name, "message": message}]}).encode()


@pytest.mark.parametrize(
    ("fault", "message", "hint", "retry"),
    [
        (Fault("POST", status=404, body=code("NAME_UNKNOWN", "no repository")),
         "404 NAME_UNKNOWN: no repository", "create the repository", False),
        (Fault("PUT .*/manifests", status=400, body=code("TAG_INVALID", "tag is immutable")),
         "400 TAG_INVALID", "another image", False),
        (Fault("POST", status=403, body=code("DENIED")), "403 DENIED", "lacks the right", False),
        (Fault("PATCH", status=413, body=b"<html>too large"),
         "413 <html>", "client_max_body", False),
        (Fault("POST", status=429, headers={"Retry-After": "7200"}, body=code("TOOMANYREQUESTS")),
         "429 TOOMANYREQUESTS (retry after 7200 s)", "limits the rate", True),
        (Fault("POST", times=9, status=500, body=b"{}"), "500", None, True),
        (Fault("GET /v2/$", status=404, body=b"nginx"),
         "404 nginx", "address of a registry", False),
    ],
)  # fmt: skip
def test_refusals(front, fault, message, hint, retry):
    front.faults = [fault]
    if hint == "limits the rate":
        fault.times = 9
    with client() as registry, pytest.raises(RegistryError, match=re.escape(message)) as caught:
        push_image(registry, f"{front.host}/refused/app:1", layer=message.encode())
    assert hint is None or hint in (caught.value.hint or "")
    assert caught.value.retry is retry


def test_a_registry_that_echoes_our_secrets(tmp_path, token_server, bearer):
    state = servers.Front(bearer)
    with state.running() as host, client(host, KNOWN) as registry:
        registry.digest(f"{host}/echo/app:1")
        said = f"{PASSWORD} {KNOWN.basic} {token_server.issued[-1]}"
        state.faults = [Fault("HEAD|GET", times=2, status=403, body=code("DENIED", said))]
        with pytest.raises(RegistryError) as caught:
            registry.manifest(f"{host}/echo/app:1")
    for secret in (PASSWORD, KNOWN.basic, token_server.issued[-1]):
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value)


def test_mirrors(plain, tmp_path):
    with servers.serve(tmp_path) as mirror, client() as registry:
        digest = push_image(registry, f"{mirror.host}/hub/team/app:1", {"from": "mirror"})
        push_image(registry, f"{plain}/team/only:1", {"from": "origin"})
        with client(mirrors={plain: f"{mirror.host}/hub"}) as mirrored:
            assert mirrored.manifest(f"{plain}/team/app:1").digest == digest
            assert mirrored.labels(f"{plain}/team/app:1") == {"from": "mirror"}
            assert mirrored.labels(f"{plain}/team/only:1") == {"from": "origin"}
    with client(mirrors={plain: mirror.host}) as mirrored:  # it is gone by now
        assert mirrored.labels(f"{plain}/team/only:1") == {"from": "origin"}


def test_nobody_there():
    host = f"127.0.0.1:{servers.free_port()}"
    with client() as registry, pytest.raises(RegistryError, match="Connection refused") as caught:
        registry.digest(f"{host}/a:1")
    assert caught.value.retry


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_does_not_tell_what_is_absent(bearer, token_server, status):
    """As Artifactory, GHCR and Docker Hub answer for a tag or repository that is not there."""
    state = servers.Front(bearer)
    hiding = Fault("(HEAD|GET) .*/manifests/", times=99, status=status, body=code("DENIED"))
    with state.running() as host, client(host, KNOWN) as registry:
        registry.digest(f"{host}/team/app:1")
        state.faults = [hiding]
        with pytest.raises(HiddenImage) as caught:
            registry.digest(f"{host}/team/app:1")
        assert caught.value.status == status
        assert "not there yet" in caught.value.hint
        assert "may not read" in caught.value.hint
        for credential in (None, WRONG):
            state.faults = [hiding]
            with client(host, credential) as other, pytest.raises(RegistryError) as caught:
                other.digest(f"{host}/team/app:1")
            assert not isinstance(caught.value, HiddenImage)
