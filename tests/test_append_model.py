"""`gitops-bridge append-model` as the build Job runs it: after fetch-model, into a registry."""

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import zlib

import pytest

from gitops_bridge.registry.access import Access
from gitops_bridge.registry.client import Registry
from gitops_bridge.registry.credentials import Credential, keychain
from tests.gated import BRANCH, HOME, KEY, Gated
from tests.servers import registry as servers
from tests.servers.datarobot import DataRobotServer
from tests.servers.packages import MODEL, PACKAGE, custom_package, dedicated_package, jar
from tests.servers.registry import PASSWORD, USER
from tests.team import git
from tests.test_append import make_base

VERSION = "11.2.1"
CUSTOM = "custom_inference_model"
PPS = f"datarobot/datarobot-portable-prediction-api:{VERSION}"


def command(verb, *flags, **environ):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "gitops_bridge", verb, *map(str, flags)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **environ},
    )  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with servers.serve(tmp_path_factory.mktemp("registry")) as running:
        with Registry(keychain(None, ""), Access()) as registry:
            make_base(registry, f"{running.host}/{PPS}")
        yield running.host


@pytest.fixture(scope="module")
def datarobot():
    with DataRobotServer() as server:
        server.add_package(PACKAGE, content=dedicated_package(), model_id=MODEL)
        server.trouble.build_polls = 0
        yield server


def fetched(server, out, host, key="3f9c2a71d0", **changes):
    flags = {
        "model-package-id": PACKAGE, "execution-type": "dedicated", "format": "datarobot",
        "pps-image": f"{host}/{PPS}", "content-key": key, "datarobot-url": server.url,
        "out": out, **changes,
    }  # fmt: skip
    done = command(
        "fetch-model",
        *(f"--{name}={value}" for name, value in flags.items() if value),
        MLOPS_API_TOKEN=server.token,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def context(datarobot, host, tmp_path_factory):
    """A finished context, read-only as it is mounted in the Job."""
    out = fetched(datarobot, tmp_path_factory.mktemp("job") / "workspace", host)
    for folder, folders, files in os.walk(out):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            os.chmod(path, os.stat(path).st_mode & ~0o222)
    return out


def append(context, host, *more, key="3f9c2a71d0", pps=None, name="models", **environ):
    return command(
        "append-model",
        f"--context={context}",
        f"--pps-image={pps or f'{host}/{PPS}'}",
        f"--content-key={key}",
        f"--destination={host}/mlops/{name}:{PACKAGE}-3f9c2a71d0",
        *more,
        **environ,
    )


def test_the_image_is_in_the_registry_with_its_digest_in_the_file(
    datarobot, context, host, tmp_path
):
    done = append(context, host, f"--digest-file={tmp_path / 'log'}")
    assert done.returncode == 0, done.stderr
    digest = done.stdout.strip()
    assert (tmp_path / "log").read_text() == digest
    reference = f"{host}/mlops/models:{PACKAGE}-3f9c2a71d0"
    with Registry(keychain(None, ""), Access()) as registry:
        assert registry.digest(reference) == digest
        labels = registry.labels(reference)
        layer = registry.manifest(reference).document["layers"][-1]
        blob = b"".join(registry.blob(f"{host}/mlops/models", layer["digest"], layer["size"]))
        entry_point = registry.config(reference)["config"]["Entrypoint"]
    assert labels[KEY] == "3f9c2a71d0"
    assert labels["gitops-bridge.io/model-package"] == PACKAGE
    assert labels["gitops-bridge.io/model"] == MODEL
    assert labels["com.datarobot.ppsVersion"] == VERSION
    assert entry_point == ["/serve"]
    with tarfile.open(fileobj=io.BytesIO(zlib.decompress(blob, 31))) as archive:
        (member,) = [item for item in archive if item.isfile()]
        assert member.name == "opt/ml/model/model.mlpkg"
        assert archive.extractfile(member).read() == datarobot.packages[PACKAGE].content
    again = append(context, host)
    assert (again.returncode, again.stdout.strip()) == (0, digest)


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        ({"key": "0000000000"}, 64, "--content-key is '0000000000'"),
        ({"pps": "other:11.2.1"}, 64, "--pps-image is 'other:11.2.1'"),
        ({"more": ["--no-such-flag"]}, 64, "no-such-flag"),
        ({"more": ["--destination=h.io/mlops/models"]}, 64, "--destination is 'h.io/mlops/models'"),
        ({"more": [f"--destination=h.io/m:1@sha256:{'0' * 64}"]}, 64, "a tag and no digest"),
        ({"more": ["--destination=h.io:99999/m:1"]}, 64, "'h.io:99999' is no host"),
        ({"more": ["--destination=h.io/Models:1"]}, 64, "--destination: image reference"),
        ({"more": ["--registry-certificate=h=/nowhere"]}, 64, "--registry-certificate"),
        ({"more": ["--digest-file=/nowhere/at/all"], "name": "unwritable"}, 64, "--digest-file"),
    ],
)
def test_wrong_flags(context, host, flags, code, told):
    more = flags.pop("more", [])
    done = append(context, host, *more, **flags)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_context_that_is_none(host, tmp_path):
    done = append(tmp_path, host)
    assert done.returncode == 64
    assert "holds no finished build context" in done.stderr


def test_scoring_code_is_not_for_the_append_builder(host, tmp_path):
    with DataRobotServer() as server:
        server.add_package(PACKAGE, content=jar(), model_id=MODEL)
        server.trouble.build_polls = 0
        fetched(server, tmp_path / "out", host, format="datarobotScoringCode")
    done = append(tmp_path / "out", host)
    assert done.returncode == 65
    assert "Kaniko" in done.stderr


def test_a_custom_model_is_not_for_the_append_builder(host, tmp_path):
    with DataRobotServer() as server:
        server.add_package(PACKAGE, content=custom_package(), model_id=MODEL, execution_type=CUSTOM)
        server.trouble.build_polls = 0
        flags = {"execution-type": CUSTOM, "format": "", "pps-image": ""}
        fetched(server, tmp_path / "out", host, **flags)
    done = append(tmp_path / "out", host, name="custom")
    assert done.returncode == 65, done.stderr
    assert CUSTOM in done.stderr
    assert "Kaniko" in done.stderr


def test_a_base_image_that_is_not_there(datarobot, host, tmp_path):
    missing = f"{host}/datarobot/nothing:11.2.1"
    out = fetched(datarobot, tmp_path / "out", host, **{"pps-image": missing})
    done = append(out, host, pps=missing, name="missing")
    assert done.returncode == 66
    assert "is not in the registry" in done.stderr


def test_a_registry_that_is_down_may_come_back(context, host):
    dead = f"127.0.0.1:{servers.free_port()}"
    done = command(
        "append-model", f"--context={context}", f"--pps-image={host}/{PPS}",
        "--content-key=3f9c2a71d0", f"--destination={dead}/mlops/models:tag",
    )  # fmt: skip
    assert done.returncode == 75


def test_a_tag_that_holds_something_else(datarobot, context, host, tmp_path):
    other = fetched(datarobot, tmp_path / "out", host, key="aaaaaaaaaa")
    assert append(context, host, name="taken").returncode == 0
    done = append(other, host, key="aaaaaaaaaa", name="taken")
    assert done.returncode == 65
    assert "holds another image" in done.stderr


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A registry with users and TLS by a private CA, and the base image in it."""
    folder = tmp_path_factory.mktemp("closed")
    tls = servers.make_tls(folder / "tls")
    with servers.serve(folder / "registry", htpasswd=True, tls=tls) as running:
        given = keychain(None, "", {running.host: Credential(USER, PASSWORD)})
        with Registry(given, Access(ca_files={running.host: tls.ca})) as registry:
            make_base(registry, f"{running.host}/{PPS}")
        yield running.host, tls


def docker_config(folder, host, password):
    folder.mkdir()
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return str(folder)


@pytest.mark.parametrize("trust", ["certificate", "skip"])
def test_credentials_and_certificates(closed, datarobot, tmp_path, trust):
    host, tls = closed
    out = fetched(datarobot, tmp_path / "out", host)
    flag = {
        "certificate": f"--registry-certificate={host}={tls.ca}",
        "skip": f"--skip-tls-verify-registry={host}",
    }[trust]
    good = docker_config(tmp_path / "good", host, PASSWORD)
    done = append(out, host, flag, name=trust, DOCKER_CONFIG=good)
    assert done.returncode == 0, done.stderr
    bad = docker_config(tmp_path / "bad", host, "wrong-canary")
    refused = append(out, host, flag, name=f"{trust}-2", DOCKER_CONFIG=bad)
    assert refused.returncode == 66
    anonymous = append(out, host, flag, name=f"{trust}-3", DOCKER_CONFIG=str(tmp_path / "none"))
    assert anonymous.returncode == 66
    said = f"{done}{refused}{anonymous}".replace(str(tmp_path), "")
    assert "wrong-canary" not in said
    assert PASSWORD not in said


def test_docker_hub_s_images_from_the_mirror_alone(datarobot, host, tmp_path):
    """`docker.io` cannot be reached here: that it works shows that nobody asked there."""
    out = fetched(datarobot, tmp_path / "out", host, **{"pps-image": PPS})
    done = append(
        out, host, f"--registry-mirror={host}", "--skip-default-registry-fallback=true",
        pps=PPS, name="mirrored",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Registry(keychain(None, ""), Access()) as registry:
        labels = registry.labels(f"{host}/mlops/mirrored:{PACKAGE}-3f9c2a71d0")
    assert labels["org.opencontainers.image.base.name"] == PPS


def test_the_job_s_own_containers_build_what_the_proposal_waits_for(datarobot, host, tmp_path):
    """The committed Job's arguments, run as they stand; then the next look delivers the digest."""
    team = Gated(tmp_path, host)
    team.pull()
    path = team.clone / "overlays/prod/environment/builder/kustomization.yaml"
    text = path.read_text().replace(
        "components:\n", "components:\n- ../../../../base/image-builder/components/append\n"
    )
    path.write_text(text)
    team.commit("Build without Kaniko")
    git(team.clone, "push", "--quiet", "origin", "HEAD:main")
    assert team.act("deployment_start", PACKAGE).state.value == "launching"
    pod = team.job()["spec"]["template"]["spec"]
    here = {
        "/workspace": str(tmp_path / "workspace"),
        "https://app.datarobot.com": datarobot.url,
        "/dev/termination-log": str(tmp_path / "log"),
    }
    for container in (*pod["initContainers"], *pod["containers"]):
        arguments = container["args"]
        for there, local in here.items():
            arguments = [argument.replace(there, local) for argument in arguments]
        done = command(*arguments, MLOPS_API_TOKEN=datarobot.token)
        assert done.returncode == 0, done.stderr
        assert datarobot.token not in done.stdout + done.stderr
    team.status()
    digest = (tmp_path / "log").read_text()
    assert team.record()["image"].endswith(f"@{digest}")
    assert digest in git(team.remote, "show", f"main:{HOME}/model/kustomization.yaml")
    assert BRANCH not in team.refs()
