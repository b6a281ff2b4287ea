"""The append builder end to end in a real registry, the result taken apart from outside."""

import gzip
import hashlib
import io
import json
import random
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gitops_bridge.desired.dockerfile import KEY_LABEL
from gitops_bridge.errors import ImageError, RegistryError
from gitops_bridge.images.append import Appended, Recipe, append
from gitops_bridge.registry.access import Access
from gitops_bridge.registry.client import INDEXES, MANIFESTS, Registry
from gitops_bridge.registry.credentials import Credential, keychain
from tests.servers import registry as servers
from tests.servers.registry import PASSWORD, USER, Fault

OCI, DOCKER = MANIFESTS
TYPES = {
    OCI: (
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    DOCKER: (
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
}
LABELS = {
    "org.opencontainers.image.title": "Gradient Boosted Trees v7",
    "gitops-bridge.io/model-id": "65a000000000000000000021",
    "com.datarobot.ppsVersion": "11.1.0",
}


def sha256(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def client(host=None, credential=None, **access):
    return Registry(keychain(None, "", {host: credential} if credential else {}), Access(**access))


def tar_gz(path, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def make_base(registry, reference, media_type=OCI, entry_point="/serve"):
    """A prediction server's image by hand: two layers, an entry point; its digest."""
    repository = reference.rpartition(":")[0]
    config_type, layer_type = TYPES[media_type]
    library = random.Random(1).randbytes(200_000)
    layers = [tar_gz("serve", b"#!/bin/sh\n"), tar_gz("opt/lib", library)]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "config": {"Entrypoint": [entry_point], "Labels": {"vendor": "us"}, "User": "1000"},
            "rootfs": {
                "type": "layers",
                "diff_ids": [sha256(gzip.decompress(layer)) for layer in layers],
            },
            "history": [{"created_by": "ADD serve"}, {"created_by": "ADD lib"}],
        }
    ).encode()
    for blob in (*layers, config):
        registry.push_blob(repository, sha256(blob), blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": config_type, "digest": sha256(config), "size": len(config)},
        "layers": [
            {"mediaType": layer_type, "digest": sha256(layer), "size": len(layer)}
            for layer in layers
        ],
    }
    return registry.put_manifest(reference, json.dumps(manifest).encode(), media_type)


def recipe(host, target="mlops/models:65a0-3f9c", base="datarobot/pps:11.1.0", key="3f9c"):
    return Recipe(f"{host}/{base}", f"{host}/{target}", key, LABELS)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with servers.serve(tmp_path_factory.mktemp("registry")) as running:
        with client() as registry:
            make_base(registry, f"{running.host}/datarobot/pps:11.1.0")
            make_base(registry, f"{running.host}/datarobot/pps:11.1.0-docker", DOCKER)
        yield running.host


@pytest.fixture
def front(host):
    state = servers.Front(host)
    with state.running() as address:
        state.host = address
        yield state


@pytest.fixture
def model(tmp_path):
    file = tmp_path / "package.mlpkg"
    file.write_bytes(hashlib.sha256(b"model").digest() * 20_000)
    return file


def skopeo(*arguments):
    return subprocess.run(
        ["skopeo", *arguments], check=True, capture_output=True, timeout=60
    ).stdout


@pytest.mark.parametrize("base", ["11.1.0", "11.1.0-docker"])
def test_the_image_is_the_base_with_the_model(host, model, tmp_path, base):
    wanted = recipe(host, f"mlops/models:apart-{base}", f"datarobot/pps:{base}")
    with client() as registry:
        made = append(registry, wanted, model)
        base_digest = registry.digest(wanted.base)
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{wanted.target}"))
    assert made == Appended(seen["Digest"], is_new=True)
    assert seen["Labels"] == {
        **LABELS,
        "vendor": "us",
        "org.opencontainers.image.base.digest": base_digest,
        "gitops-bridge.io/model-sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        KEY_LABEL: "3f9c",
    }
    pulled = tmp_path / "pulled"
    skopeo("copy", "--src-tls-verify=false", f"docker://{wanted.target}", f"dir:{pulled}")
    manifest = json.loads((pulled / "manifest.json").read_bytes())
    config = json.loads((pulled / manifest["config"]["digest"][7:]).read_bytes())
    assert config["config"]["Entrypoint"] == ["/serve"]
    assert config["config"]["User"] == "1000"
    assert len(config["history"]) == 3
    assert config["created"] == "2026-01-02T03:04:05Z"
    contents = {}
    assert len(manifest["layers"]) == len(config["rootfs"]["diff_ids"]) == 3
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        tar = gzip.decompress((pulled / layer["digest"][7:]).read_bytes())
        assert sha256(tar) == diff_id
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            for entry in archive:
                contents[entry.name] = archive.extractfile(entry).read()
    assert set(contents) == {"serve", "opt/lib", "opt/ml/model/model.mlpkg"}
    assert contents["opt/ml/model/model.mlpkg"] == model.read_bytes()
    assert len({layer["mediaType"] for layer in manifest["layers"]}) == 1


def test_the_second_run_pushes_nothing(front, model):
    wanted = recipe(front.host, "mlops/counted:twice")
    with client() as registry:
        first = append(registry, wanted, model)
        assert first.is_new
        sent = sum(front.received.values())
        assert sent < model.stat().st_size * 1.01 + 10_000, "base layers were mounted"
        assert append(registry, wanted, model) == Appended(first.digest, is_new=False)
        assert sum(front.received.values()) == sent
        # Another deployment's tag with the same content: all but the manifest is there.
        again = append(registry, recipe(front.host, "mlops/counted:thrice"), model)
    assert again == first
    assert sum(front.received.values()) - sent < 10_000


def test_the_same_inputs_give_the_same_digest_in_another_registry(host, model, tmp_path):
    with servers.serve(tmp_path / "other") as other, client() as registry:
        near = append(registry, recipe(host, "mlops/models:near"), model)
        crossed = Recipe(
            f"{host}/datarobot/pps:11.1.0", f"{other.host}/mlops/models:far", "3f9c", LABELS
        )
        far = append(registry, crossed, model)
        copied = skopeo("inspect", "--tls-verify=false", f"docker://{crossed.target}")
    assert far == near
    assert len(json.loads(copied)["Layers"]) == 3


@pytest.mark.parametrize("status", [202, 401, 403, 404, 405])
def test_a_registry_that_refuses_mounts(front, model, status):
    """Whether it opens an upload instead, as the specification has it, or just says no."""
    target = f"unmounted-{status}/models:1"
    with client() as registry:
        location = {"Location": "/v2/x/blobs/uploads/y"} if status == 202 else {}
        front.faults = [Fault(r"POST .*mount=", times=9, status=status, headers=location)]
        made = append(registry, recipe(front.host, target), model)
        assert registry.digest(f"{front.host}/{target}") == made.digest


def test_a_model_that_is_not_the_one_of_the_labels(host, model):
    labels = {**LABELS, "gitops-bridge.io/model-sha256": "0" * 64}
    wanted = Recipe(f"{host}/datarobot/pps:11.1.0", f"{host}/mlops/models:odd", "3f9c", labels)
    with client() as registry:
        with pytest.raises(ImageError, match="not 0000") as caught:
            append(registry, wanted, model)
        assert registry.digest(wanted.target) is None
    assert "fetch it again" in str(caught.value)


def test_an_index_as_base(host, model):
    with client() as registry:
        digest = registry.digest(f"{host}/datarobot/pps:11.1.0")
        size = len(registry.manifest(f"{host}/datarobot/pps:11.1.0").content)
        item = {"mediaType": OCI, "digest": digest, "size": size}
        platforms = [{"os": "linux", "architecture": name} for name in ("arm64", "amd64")]
        index = {
            "schemaVersion": 2,
            "mediaType": INDEXES[0],
            "manifests": [{**item, "platform": platform} for platform in platforms],
        }
        content = json.dumps(index).encode()
        registry.put_manifest(f"{host}/datarobot/pps:11.1.1", content, INDEXES[0])
        append(registry, recipe(host, "mlops/models:index", "datarobot/pps:11.1.1"), model)
        labels = registry.labels(f"{host}/mlops/models:index")
    assert labels["org.opencontainers.image.base.digest"] == digest


def test_a_tag_that_holds_something_else(host, model):
    with client() as registry:
        append(registry, recipe(host, "mlops/models:taken"), model)
        before = registry.digest(f"{host}/mlops/models:taken")
        with pytest.raises(ImageError, match="'3f9c', not 'other'") as caught:
            append(registry, recipe(host, "mlops/models:taken", key="other"), model)
        assert registry.digest(f"{host}/mlops/models:taken") == before
        make_base(registry, f"{host}/mlops/models:foreign")
        with pytest.raises(ImageError, match="None, not '3f9c'"):
            append(registry, recipe(host, "mlops/models:foreign"), model)
    assert not caught.value.retry


def test_killed_in_the_middle_of_the_upload(host, front, tmp_path):
    file = tmp_path / "big.mlpkg"
    file.write_bytes(hashlib.sha256(b"big").digest() * 200_000)
    script = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[3]); import tests.test_append as t\n"
        "with t.client() as registry:\n"
        "    t.append(registry, t.recipe(sys.argv[1], 'mlops/killed:1'), pathlib.Path(sys.argv[2]))"
    )
    arguments = [front.host, str(file), str(Path(__file__).parent.parent)]
    front.pause = 0.05
    process = subprocess.Popen([sys.executable, "-c", script, *arguments])
    assert front.passing.wait(60)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    front.pause = 0
    wanted = recipe(front.host, "mlops/killed:1")
    with client() as registry:
        assert registry.digest(wanted.target) is None
        made = append(registry, wanted, file)
        assert made.is_new
        assert append(registry, wanted, file).digest == made.digest
    with client() as registry:
        undisturbed = Recipe(wanted.base, f"{front.host}/mlops/undisturbed:1", "3f9c", LABELS)
        assert append(registry, undisturbed, file).digest == made.digest


def test_after_a_run_that_died_before_the_manifest(front, model):
    wanted = recipe(front.host, "mlops/late:1")
    front.faults = [Fault("PUT .*/manifests/", times=9, status=500)]
    with client() as registry:
        with pytest.raises(RegistryError):
            append(registry, wanted, model)
        front.faults = []
        sent = sum(front.received.values())
        assert append(registry, wanted, model).is_new
    assert sum(front.received.values()) - sent < 10_000


def test_somebody_faster(front, host, model):
    """The tag appears between our first look and our push: theirs stands."""
    wanted = recipe(front.host, "mlops/race:1")
    with client() as registry:
        theirs = append(registry, wanted, model)
        model.write_bytes(b"a fresh download of the same package")
        front.faults = [Fault("HEAD .*/manifests/1", status=404)]
        assert append(registry, wanted, model) == Appended(theirs.digest, is_new=False)


def test_with_a_password(tmp_path, model):
    with servers.serve(tmp_path / "guarded", htpasswd=True) as running:
        wanted = recipe(running.host)
        with client(running.host, Credential(USER, PASSWORD)) as registry:
            make_base(registry, wanted.base)
            assert append(registry, wanted, model).is_new
        with (
            client(running.host, Credential(USER, "wrong-canary")) as registry,
            pytest.raises(RegistryError, match="401") as caught,
        ):
            append(registry, wanted, model)
    assert "wrong-canary" not in str(caught.value)


def test_bases_that_do_not_hold(host, model):
    with client() as registry:
        with pytest.raises(RegistryError, match="not in the registry"):
            append(registry, recipe(host, "mlops/models:b", "datarobot/absent:1.2.3"), model)
        digest = make_base(registry, f"{host}/odd/pps:1.0.0")
        broken = json.loads(registry.manifest(f"{host}/odd/pps@{digest}").content)
        broken["layers"].pop()
        content = json.dumps(broken).encode()
        registry.put_manifest(f"{host}/odd/pps:1.0.1", content, OCI)
        with pytest.raises(ImageError, match="same layers"):
            append(registry, recipe(host, "mlops/models:b", "odd/pps:1.0.1"), model)
        broken = json.loads(registry.manifest(f"{host}/odd/pps@{digest}").content)
        del broken["layers"][0]["size"]
        registry.put_manifest(f"{host}/odd/pps:1.0.2", json.dumps(broken).encode(), OCI)
        with pytest.raises(ImageError, match="without a size"):
            append(registry, recipe(host, "mlops/models:b", "odd/pps:1.0.2"), model)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"layers": [{"size": 1}, {"size": 1}]}, "without a size or a digest"),
        ({"layers": [None, None]}, "without a size or a digest"),
        ({"layers": 2}, "same layers"),
    ],
)
def test_a_manifest_that_talks_nonsense(host, front, model, changed, word):
    with client() as registry:
        there = registry.manifest(f"{host}/datarobot/pps:11.1.0").document
        body = json.dumps({**there, **changed}).encode()
        said = {"status": 200, "body": body, "headers": {"Content-Type": OCI}}
        front.faults = [Fault("GET .*/manifests/", times=9, **said)]
        with pytest.raises(ImageError, match=word):
            append(registry, recipe(front.host, "mlops/models:nonsense"), model)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"rootfs": ["layers"]}, "same layers"),
        ({"config": ["Entrypoint"]}, "config is "),
        ({"history": {"step": 1}}, "history is "),
    ],
)
def test_a_configuration_that_talks_nonsense(host, model, changed, word):
    with client() as registry:
        repository = f"{host}/datarobot/pps"
        config = {**registry.config(f"{repository}:11.1.0"), **changed}
        content = json.dumps(config).encode()
        registry.push_blob(repository, sha256(content), content)
        manifest = registry.manifest(f"{repository}:11.1.0").document
        described = {**manifest["config"], "digest": sha256(content), "size": len(content)}
        document = json.dumps({**manifest, "config": described}).encode()
        registry.put_manifest(f"{repository}:0.0.1", document, OCI)
        with pytest.raises(ImageError, match=word):
            append(registry, recipe(host, "mlops/models:c", "datarobot/pps:0.0.1"), model)
